"""`terminator history --instance`: why was my instance replaced?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from terminator_cli.main import main
from tests.cli.recordings import Fields, at, fields, instance, lines
from tests.cli.runs import NOWHERE

GOES: dict[str, Any] = {
    "decision": "replace",
    "hold": None,
    "target": "1.1",
    "target_source": "released",
    "pinned": False,
    "became": "uploaded",
    "since": at(4).isoformat(),
    "started_by": "schedule",
    "to_terminate": ["i-a"],
}


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Have a log in which i-a is terminated, i-b goes by other hands, and i-c and i-d stay."""
    a, b, c = (instance(id_, cause="release") for id_ in ("i-a", "i-b", "i-c"))
    d = instance("i-d", "1.1", up=-7)
    records = [
        fields(0, a, b, c),
        fields(5, a, b, c, **GOES, terminated=["i-a"], reason="1 of 3 outdated"),
        fields(10, b, c, d),
        fields(15, c, d, deferred={"i-d": "busy"}),
    ]
    file = tmp_path / "log.jsonl"
    file.write_text(lines(records), encoding="utf-8")
    return file


def ask(log: Path, id_: str, *more: str) -> Result:
    arguments = ["history", "--file", str(log), "--instance", id_, *more]
    return CliRunner().invoke(main, arguments, env=NOWHERE)


def add(log: Path, *more: Fields) -> None:
    log.write_text(log.read_text() + lines(more), encoding="utf-8")


def test_it_says_when_and_for_which_release_it_was_terminated(log: Path) -> None:
    done = ask(log, "i-a")
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.partition("\n")[0] == (
        "i-a of live_asg_web was created at 2026-11-18 02:00 UTC and ran 1.0. Terminator "
        "terminated it at 2026-11-18 12:05 UTC, because it ran 1.0. The target was 1.1 (released) "
        "since 2026-11-18 12:04 UTC, when it was uploaded. The decision was replace: 1 of 3 "
        "outdated. Of its group 3 of 3 were available, minimum 1, on 1.0. The run was begun by the "
        "schedule. The next instance of the group was i-d."
    )
    assert "terminated i-a: it ran 1.0" in done.stdout
    as_json = ask(log, "i-a", "--json")
    [decision] = json.loads(as_json.stdout)
    assert decision["terminated"] == ["i-a"]
    assert "Terminator terminated it at 2026-11-18 12:05 UTC" in as_json.stderr


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ({"cause": "release", "version": "1.0"}, "because it ran 1.0."),
        (
            {"cause": "release", "version": None, "reason": "timeout"},
            "because it was made for another release and was dead (timeout).",
        ),
        ({"cause": "template", "template": "lt-1:6"}, "because it was launched from lt-1:6."),
        ({"cause": "age"}, "because it was due by its age."),
        ({"cause": "taint"}, "because it was due by its tag terminator:replace-after."),
        ({"cause": "ill", "reason": "unhealthy"}, "because it was ill (unhealthy)."),
    ],
)
def test_it_says_what_made_it_one_to_replace(log: Path, facts: dict[str, Any], told: str) -> None:
    goes = {**GOES, "to_terminate": ["i-c"], "terminated": ["i-c"]}
    add(log, fields(20, {**instance("i-c"), **facts}, **goes))
    done = ask(log, "i-c")
    assert told in done.stdout
    assert told.removeprefix("because ").removesuffix(".") in done.stdout.partition("\n")[2]


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ({"became": "withdrawn"}, "12:04 UTC, when the one above it was withdrawn."),
        ({"became": "pinned", "pinned": True}, "(pointer) since 2026-11-18 12:04 UTC, when its"),
        ({"became": "uploaded", "pinned": True}, "uploaded, which its pointer names."),
        ({"became": "unpinned"}, "when its pointer was deleted."),
        ({"became": None, "since": None}, "The target was 1.1 (released). The"),
    ],
)
def test_it_says_how_the_target_became_the_target(
    log: Path, facts: dict[str, Any], told: str
) -> None:
    goes = {**GOES, "to_terminate": ["i-c"], "terminated": ["i-c"]}
    add(log, fields(20, instance("i-c"), **{**goes, **facts}))
    assert told in ask(log, "i-c").stdout


def test_it_says_who_asked_for_that(log: Path) -> None:
    asked = fields(20, instance("i-c"), **GOES | {"to_terminate": ["i-c"]}, terminated=["i-c"])
    asked["requested_by"] = "arn:aws:iam::000000000000:user/ann"
    add(log, asked)
    told = ask(log, "i-c").stdout
    who = "arn:aws:iam::000000000000:user/ann"
    assert f"because {who} asked for that (terminator replace)." in told
    assert f"requested by {who} (replace)" in told


@pytest.mark.parametrize(
    ("id_", "told"),
    [
        ("i-b", "did not terminate it: the group's scaling activities say who did."),
        (
            "i-c",
            (
                "It was there at 2026-11-18 12:15 UTC (InService, Healthy), and Terminator has not "
                "terminated it. The group is waiting: baking."
            ),
        ),
        ("i-d", "Terminator tried to terminate it at 2026-11-18 12:15 UTC: busy. It was there"),
        ("i-e", "i-e: in none of 4 decisions; look further back?"),
        ("i-\x1b", "i-\\x1b: in none of 4 decisions"),
    ],
)
def test_of_any_other_it_says_what_the_records_know(log: Path, id_: str, told: str) -> None:
    done = ask(log, id_)
    assert (done.exit_code, done.stderr) == (0, "")
    assert told in done.stdout
