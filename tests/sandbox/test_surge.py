"""A group of one on the sandbox: real boto3, real HTTP, and a refresh that launches first."""

from __future__ import annotations

from datetime import timedelta

from sandbox import runs, store
from sandbox.fleet import SOLO, Fleet
from sandbox.store import Program

FIVE = timedelta(minutes=5)
TAGS = {
    "terminator:app": "solo",
    "terminator:minimum": "1",
    "terminator:surge": "refresh",
    "terminator:bake-time": "1m",
}


def test_a_group_of_one_is_released_without_a_gap_and_a_broken_release_costs_it_nothing(
    empty_fleet: Fleet,
) -> None:
    fleet = empty_fleet
    store.upload(fleet.aws, "solo", Program("1.0.266"))
    fleet.create_group(SOLO, 1, grace=60, tags=TAGS, balanced=True)
    fleet.wait(timedelta(hours=1))

    def until(version: str, most: int) -> None:
        for _ in range(most):
            record = runs.run(fleet).about(SOLO)
            if record and record.decision == "converged":
                break
            fleet.wait(FIVE)
        assert [machine.program.version for machine in fleet.of(SOLO)] == [version]
        assert fleet.watches[SOLO].lowest == 1

    until("1.0.266", 1)
    store.upload(fleet.aws, "solo", Program("1.0.274"))
    begun = runs.run(fleet).about(SOLO)
    assert begun is not None
    assert (begun.decision, begun.refresh) == ("surge", f"refresh-1-of-{SOLO}")
    assert begun.to_refresh == fleet.of(SOLO)[0].id
    fleet.wait(FIVE)
    running = runs.run(fleet).about(SOLO)
    assert running is not None
    assert running.hold == "instance_refresh"
    assert "(InProgress, 0% complete)" in running.reason
    assert len(fleet.of(SOLO)) == 2
    until("1.0.274", 4)

    store.upload(fleet.aws, "solo", Program("1.0.275", "silent"))
    runs.run(fleet)
    fleet.wait(timedelta(hours=2))
    fleet.sync()
    waits = runs.run(fleet).about(SOLO)
    assert waits is not None
    assert (waits.decision, waits.refresh) == ("surge", f"refresh-3-of-{SOLO}")
    fleet.wait(FIVE)
    store.delete(fleet.aws, "solo", "1.0.275")
    fleet.wait(timedelta(hours=2))
    until("1.0.274", 1)
    assert [machine.program.version for machine in fleet.gone] == ["1.0.266", "1.0.275", "1.0.275"]
