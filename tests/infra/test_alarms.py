"""The alarms: what sets each off, what does not, and that they fit every schedule.

Series come from recorded runs wherever a run makes them; `alarm_model` stands for CloudWatch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest

from tests.decide.builders import NOW
from tests.fakes.alarm_model import Alarm, Series, State, of_name
from tests.fakes.cloud import minutes
from tests.fakes.recorded import Recording, broken, came_back_stale, mistyped, recording, rollout
from tests.infra.synthesized import FULL, LEAST, resources, template

FIVE = {**LEAST, "schedule": "rate(5 minutes)"}
NAMES = {"failing", "not-running", "dead-letters", "held", "unavailable", "stale"}
# What an alarm watches, out of a recording.
WATCHED: Mapping[str, Callable[[Recording], Series]] = {
    "failing": lambda of: of.errors,
    "not-running": lambda of: of.series("Available"),
    "held": lambda of: of.series("NeedsAttention"),
    "unavailable": lambda of: of.series("Overdue"),
    "stale": lambda of: of.series("Stale"),
}


def ringing(of: Recording) -> dict[str, timedelta]:
    """Return the alarms that rang, and how long after the first run."""
    begin, end = of.errors[0][0], of.cloud.now
    rang = {
        name: of_name(name, FIVE).rang(series(of), begin, end) for name, series in WATCHED.items()
    }
    return {name: when - begin for name, when in rang.items() if when is not None}


X, O = True, False  # noqa: E741 - as AWS's table writes them
AWS_TABLE: list[tuple[list[bool | None], State | None, State]] = [
    ([O, None, X, None, X], "OK", "OK"),
    ([None, None, None, None, O], "OK", "OK"),
    ([None, None, None, None, None], None, "ALARM"),
    ([O, X, X, None, X], "ALARM", "ALARM"),
    ([None, None, X, None, None], None, "ALARM"),
]


@pytest.mark.parametrize(("points", "ignore", "breaching"), AWS_TABLE)
@pytest.mark.parametrize("state", ["OK", "ALARM", "INSUFFICIENT_DATA"])
def test_the_model_agrees_with_the_examples_of_aws(
    points: list[bool | None], ignore: State | None, breaching: State, state: State
) -> None:
    """Three of three, for missing data that is ignored (None: the state stays) and breaching."""
    three = {"EvaluationPeriods": 3, "DatapointsToAlarm": 3}
    ignoring = Alarm({**three, "TreatMissingData": "ignore"})
    assert ignoring.next_state(points, state) == (ignore or state)
    assert Alarm({**three, "TreatMissingData": "breaching"}).next_state(points, state) == breaching


@pytest.fixture
def of() -> Any:
    with recording("web", "api") as made:
        yield made


def test_there_is_an_alarm_for_each_thing_that_goes_wrong() -> None:
    made = resources(template(FULL), "AWS::CloudWatch::Alarm").values()
    assert {each["Properties"]["AlarmName"] for each in made} == {f"keeper-{n}" for n in NAMES}


def test_nothing_rings_for_a_rollout(of: Recording) -> None:
    rollout(of)
    assert len(of.cloud.kills) == 6
    assert ringing(of) == {}


def test_a_canary_that_stays_silent_rings_as_unreadable_and_nothing_else(of: Recording) -> None:
    broken(of, of.cloud.groups["web"])
    rang = ringing(of)
    assert rang.keys() == {"unavailable"}
    # Half an hour for the boot, and an hour for it to last.
    assert minutes(75) <= rang["unavailable"] <= minutes(110)


def test_a_stale_boot_rings_at_the_first_run_that_sees_it(of: Recording) -> None:
    came_back_stale(of, of.cloud.groups["web"])
    [(first, _)] = [(when, value) for when, value in of.series("Stale") if value][:1]
    assert ringing(of) == {"stale": first - of.errors[0][0]}


def test_a_setting_that_cannot_be_read_rings_after_an_hour(of: Recording) -> None:
    mistyped(of, of.cloud.groups["web"])
    rang = ringing(of)
    assert rang.keys() == {"held"}
    assert minutes(45) <= rang["held"] <= minutes(65)


def test_what_is_mended_within_half_an_hour_does_not_ring(of: Recording) -> None:
    rollout(of)
    group = of.cloud.groups["web"]
    group.tags["terminator:minimum"] = "lots"
    of.every(5, 6)
    group.tags["terminator:minimum"] = "1"
    of.every(5, 24)
    assert ringing(of) == {}


def test_a_slow_answer_now_and_then_does_not_ring(of: Recording) -> None:
    rollout(of)
    for turn in range(24):
        machines = of.cloud.groups["web"].members(of.cloud.now)
        of.cloud.muted[machines[turn % 3].id] = turn % 3 != 0
        of.every(5, 1)
    assert any(value for _, value in of.series("Overdue"))
    assert ringing(of) == {}


def test_an_instance_that_stops_answering_rings_after_an_hour(of: Recording) -> None:
    rollout(of)
    before = of.cloud.now
    of.cloud.groups["web"].machines[-1].version = None
    of.every(5, 24)
    rang = ringing(of)
    assert rang.keys() == {"unavailable"}
    lasted = rang["unavailable"] - (before - of.errors[0][0])
    assert minutes(55) <= lasted <= minutes(80)


@pytest.mark.parametrize(("hours", "rings"), [(20, set[str]()), (27, {"held"})])
def test_a_pause_rings_when_a_release_has_waited_for_a_day(
    of: Recording, hours: int, rings: set[str]
) -> None:
    of.cloud.groups["web"].tags["terminator:pause"] = "freeze"
    of.every(5, hours * 12)
    assert ringing(of).keys() == rings


def test_a_window_that_is_closed_over_a_weekend_does_not_ring(of: Recording) -> None:
    of.cloud.wait(60 * 54)
    assert f"{of.cloud.now:%a %H}" == "Fri 18"
    for group in of.cloud.groups.values():
        group.tags["terminator:window"] = "Mon-Fri 09:00-17:00 UTC"
    of.every(5, 12 * 62)
    assert {record["hold"] for record in of.records()} == {"window_closed"}
    assert ringing(of) == {}


def test_one_run_that_fails_does_not_ring_and_three_do(of: Recording) -> None:
    fault = ("DescribeInstances", "")
    of.every(5, 6)
    of.cloud.faults[fault] = RuntimeError("no")
    of.every(5, 1)
    of.cloud.faults.clear()
    of.every(5, 6)
    assert ringing(of) == {}
    of.cloud.faults[fault] = RuntimeError("no")
    of.every(5, 3)
    assert ringing(of).keys() == {"failing"}


def test_runs_that_fail_as_a_whole_ring_as_failing_and_as_not_running(of: Recording) -> None:
    of.every(5, 6)
    of.cloud.faults["DescribeAutoScalingGroups", ""] = RuntimeError("no")
    of.every(5, 8)
    assert ringing(of).keys() == {"failing", "not-running"}


def test_runs_that_stop_ring_and_ring_no_more_when_they_go_on(of: Recording) -> None:
    of.every(5, 6)
    begin, stopped = of.errors[0][0], of.cloud.now
    of.cloud.wait(60)
    of.every(5, 6)
    changes = of_name("not-running", FIVE).history(of.series("Available"), begin, of.cloud.now)
    assert [state for _, state in changes] == ["OK", "ALARM", "OK"]
    assert minutes(15) <= changes[1][0] - stopped <= minutes(30)
    assert ringing(of).keys() == {"not-running"}


def test_runs_for_some_groups_do_not_stand_for_the_schedule(of: Recording) -> None:
    of.every(5, 6)
    for _ in range(12):
        of.cloud.wait(5)
        of.run({"app": "web"})
    assert ringing(of).keys() == {"not-running"}


def test_a_run_for_some_groups_does_not_quiet_an_alarm(of: Recording) -> None:
    of.cloud.groups["api"].tags["terminator:app"] = "api"
    of.cloud.upload("api", "1.0.266")
    rollout(of)
    of.cloud.groups["web"].machines[-1].version = None
    for _ in range(24):
        of.every(5, 1)
        of.run({"app": "api"})
    assert ringing(of).keys() == {"unavailable"}


@pytest.mark.parametrize(
    ("values", "rang"),
    [
        ([(0, 0.0), (5, 0.0)], None),
        ([(0, 0.0), (5, 1.0), (10, 0.0)], 5),
        # A quiet queue has no data at all, and its messages stay.
        ([(0, 3.0), (600, 3.0)], 0),
    ],
)
def test_a_dead_letter_rings_until_the_queue_is_purged(
    values: list[tuple[int, float]], rang: int | None
) -> None:
    series = [(NOW + minutes(after), value) for after, value in values]
    changes = of_name("dead-letters", FIVE).history(series, NOW, NOW + minutes(700))
    rings = [when for when, state in changes if state == "ALARM"]
    assert rings == ([] if rang is None else [NOW + minutes(rang)])
    assert changes[-1][1] == ("ALARM" if values[-1][1] else "OK")
