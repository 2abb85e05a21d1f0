"""Lambda's time running out at every point of a run: nobody goes wrongly, and all is told."""

from __future__ import annotations

import pytest

from terminator import handlers
from tests.search.faults import BROKEN, OTHER, Ran, Stage

LISTING = 2


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    """Deploy the handler on the cloud model."""
    return Stage(monkeypatch)


def runs_out(stage: Stage, after: int, left: float) -> Ran:
    """Run with only so many seconds left once so many calls were made."""
    stage.remaining = lambda: left if len(stage.called) >= after else 300.0
    return stage.run()


def is_truthful(stage: Stage, ran: Ran) -> None:
    """Check that each record tells what became of its group, and the run's end of them all."""
    assert ran.records.keys() == {BROKEN, OTHER}
    for name, record in ran.records.items():
        assert len(record["terminated"]) == stage.lost(name)
        assert ran.last(name)["terminated"] == record["terminated"]
        told = [record["reason"], *record["failed"].values()]
        assert stage.lost(name) == 1 or any("time ran out" in each for each in told)
    is_whole = all(stage.lost(name) for name in ran.records)
    assert isinstance(ran.error, type(None) if is_whole else handlers.RunFailedError)


def is_one_step(calls: list[tuple[str, ...]]) -> bool:
    """Say whether what was called belongs together: the pages of a listing and its pointer."""
    apps = {subject.partition("/")[0] for _, *subjects in calls for subject in subjects}
    of_s3 = all(call[0] in {"ListObjectVersions", "GetObject"} for call in calls)
    return len(calls) == 1 or (of_s3 and len(apps) == 1)


@pytest.mark.parametrize("left", [0.0, 9.9, 29.9, 44.9])
@pytest.mark.parametrize("silent", [False, True], ids=["in one look", "in two looks"])
def test_time_may_run_out_at_any_call(
    monkeypatch: pytest.MonkeyPatch, *, silent: bool, left: float
) -> None:
    after = LISTING
    while True:
        stage = Stage(monkeypatch)
        if silent:
            stage.silence()
        ran = runs_out(stage, after, left)
        is_truthful(stage, ran)
        assert left or is_one_step(stage.called[after - 1 :]), stage.called[after - 1 :]
        if ran.error is None:
            break
        after += 1
    assert after > 15
    assert (stage.lost(BROKEN), stage.lost(OTHER)) == (1, 1)


@pytest.mark.parametrize("silent", [False, True], ids=["in one look", "in two looks"])
@pytest.mark.parametrize("seconds", [1.0, 5.0, 10.0, 15.0, 24.0])
def test_however_slow_each_call_is_the_run_ends_in_time(
    stage: Stage, *, seconds: float, silent: bool
) -> None:
    if silent:
        stage.silence()
    began = stage.cloud.now

    def pass_time(_operation: str, *_subjects: str) -> None:
        stage.cloud.wait(seconds / 60)

    stage.before.append(pass_time)
    stage.remaining = lambda: 300.0 - (stage.cloud.now - began).total_seconds()
    ran = stage.run()
    is_truthful(stage, ran)
    assert stage.remaining() > 0
