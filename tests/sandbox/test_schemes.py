"""One release after another of each scheme, rolled out and rolled back on the sandbox."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sandbox import runs, store
from sandbox.fleet import Fleet
from sandbox.store import Program
from terminator.version import Order

FIVE = timedelta(minutes=5)
TAGS = {
    "terminator:app": "web",
    "terminator:minimum": "1",
    "terminator:max-unavailable": "100%",
    "terminator:bake-time": "0m",
}
WHOLE = "9f8e7d6c5b4a39281706f5e4d3c2b1a098765432"
# The releases as they are named, in the order in which they are uploaded.
SCHEMES: list[tuple[str, Order, list[str]]] = [
    ("SemVer", "version", ["1.0.9", "1.0.10"]),
    ("pre-releases", "version", ["v1.0.0-rc9", "v1.0.0-rc10"]),
    (".NET", "version", ["1.0.8765.20000", "1.0.8766.1000"]),
    ("git describe", "version", ["v1.15.15", "v1.15.15-9-gfe37dc6", "v1.15.15-10-g0e37dc6"]),
    ("CalVer", "version", ["2024.01.15", "2024.01.15-1"]),
    ("timestamps", "version", ["20240115-170512", "20240116-093002"]),
    ("Azure DevOps", "version", ["20240115.9", "20240115.10"]),
    ("build numbers", "version", ["999", "1000"]),
    ("build metadata", "version", ["1.3.0+41", "1.3.0+42"]),
    ("hashes", "uploaded", ["fffffff", WHOLE, "1a2b3c4"]),
    ("PEP 440", "uploaded", ["1.0", "1.0.post1"]),
    ("Debian", "uploaded", ["0.9.2-3.1~deb12u1", "0.9.2-3.1+deb12u1"]),
]


def rolled(fleet: Fleet, wanted: str) -> set[str]:
    """Run on the schedule until all instances run what is wanted, for an hour at most."""
    for _ in range(12):
        found = {machine.program.version for machine in fleet.of("live_asg_web")}
        if found == {wanted}:
            break
        runs.run(fleet)
        fleet.wait(FIVE)
    return found


@pytest.mark.parametrize(
    ("order", "texts"), [each[1:] for each in SCHEMES], ids=[each[0] for each in SCHEMES]
)
def test_releases_of_a_scheme_are_rolled_out_and_back(
    empty_fleet: Fleet, order: Order, texts: list[str]
) -> None:
    empty_fleet.order = order
    store.upload(empty_fleet.aws, "web", Program(texts[0]))
    empty_fleet.create_group("live_asg_web", 2, tags=TAGS)
    empty_fleet.wait(FIVE)
    for text in texts[1:]:
        empty_fleet.wait(FIVE)
        [said], _ = runs.deliver(empty_fleet, store.upload(empty_fleet.aws, "web", Program(text)))
        assert "is not the newest" not in said
        assert rolled(empty_fleet, text) == {text}
    runs.deliver(empty_fleet, store.delete(empty_fleet.aws, "web", texts[-1]))
    assert rolled(empty_fleet, texts[-2]) == {texts[-2]}
    runs.deliver(empty_fleet, store.point(empty_fleet.aws, "web", texts[0]))
    assert rolled(empty_fleet, texts[0]) == {texts[0]}
    assert empty_fleet.watches["live_asg_web"].lowest == 1
    assert runs.run(empty_fleet).records[0].decision == "converged"
