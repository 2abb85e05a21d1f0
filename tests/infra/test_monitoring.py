"""The alarms: what each needs to be in ALARM, at every period of the schedule, and whom it tells.

`alarm_model` stands for CloudWatch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.monitoring import spans
from tests.decide.builders import NOW
from tests.fakes.alarm_model import Alarm, Series, State
from tests.fakes.cloud import minutes
from tests.fakes.recorded import Recording, broken, came_back_stale, recording, rollout
from tests.infra.synthesized import FULL, LEAST, OTHER, only, resources, template, text

ALARMS = ["dead-letters", "failing", "held", "not-running", "passed-over", "stale", "unavailable"]
# Made only where releases are taken back.
WITHDRAWN = "withdrawn"
# From metric to alarm, of those that runs emit.
EMITTED = {"NeedsAttention": "held", "Overdue": "unavailable", "Stale": "stale"}
FIVE = minutes(5)
PERIODS = st.integers(1, 60).map(minutes)


def alarm(name: str, every: timedelta = FIVE) -> Alarm:
    """Return an alarm as it is deployed where the schedule has such a period."""
    made = resources(template(LEAST), "AWS::CloudWatch::Alarm").values()
    [properties] = [
        each["Properties"]
        for each in made
        if each["Properties"]["AlarmName"] == f"terminator-{name}"
    ]
    span = spans(every)[name]
    looked = {"Period": span.period.total_seconds(), "EvaluationPeriods": span.periods}
    return Alarm({**properties, **looked, "DatapointsToAlarm": span.bad})


def runs(values: Sequence[float], every: timedelta = FIVE) -> Series:
    """Return what runs one after another emit."""
    return [(NOW + every * turn, value) for turn, value in enumerate(values)]


def in_alarm(name: str, series: Series, every: timedelta = FIVE) -> datetime | None:
    """Return when an alarm first was in ALARM, until just before another run would come."""
    changes = alarm(name, every).history(series, series[0][0], series[-1][0] + every * 0.9)
    return next((when for when, state in changes if state == "ALARM"), None)


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


@pytest.mark.parametrize(
    ("of", "name", "every"),
    [(FULL, "keeper", 1), (OTHER, "terminator", 60), (LEAST, "terminator", 5)],
    ids=["full", "other", "least"],
)
def test_alarms_look_back_as_the_schedule_asks(
    of: Mapping[str, Any], name: str, every: int
) -> None:
    made = resources(template(of), "AWS::CloudWatch::Alarm").values()
    found = {each["Properties"]["AlarmName"]: each["Properties"] for each in made}
    there = [*ALARMS, *([] if of is LEAST else [WITHDRAWN])]
    assert found.keys() == {f"{name}-{alarm}" for alarm in there}
    for kind in there:
        span = spans(minutes(every))[kind]
        properties = found[f"{name}-{kind}"]
        assert timedelta(seconds=properties["Period"]) == span.period
        assert properties["EvaluationPeriods"] == span.periods
        assert properties["DatapointsToAlarm"] == span.bad


@pytest.mark.parametrize("every", [1, 4, 5, 7, 15, 16, 20, 31, 59, 60])
def test_every_span_is_one_that_cloudwatch_accepts(every: int) -> None:
    for span in spans(minutes(every)).values():
        assert 1 <= span.bad <= span.periods
        assert span.period % minutes(1) == timedelta(0)
        furthest = timedelta(days=1) if span.period < minutes(60) else timedelta(days=7)
        assert span.period * span.periods <= furthest


@pytest.mark.parametrize("every", [1, 5, 14, 15, 16, 20, 29, 30, 31, 45, 59, 60])
@pytest.mark.parametrize("name", ["held", "unavailable"])
def test_what_lasts_is_seen_for_an_hour_by_two_runs_at_least(name: str, every: int) -> None:
    span = spans(minutes(every))[name]
    assert span.bad == span.periods >= 2
    assert span.period >= minutes(every)
    assert minutes(60) <= span.period * span.periods <= minutes(120)


@pytest.mark.parametrize(
    ("name", "every", "values", "expected"),
    [
        ("held", 5, [1] * 7 + [0] * 6, False),
        ("held", 5, [1] * 13, True),
        # A quarter of an hour in which one run of three sees it counts.
        ("held", 5, [1, 0, 0] * 5, True),
        ("held", 1, [1] * 30 + [0] * 31, False),
        ("held", 1, [1] * 61, True),
        ("held", 60, [1, 0, 1, 0], False),
        ("held", 60, [0, 1, 1], True),
        ("unavailable", 5, [1] * 9 + [0] * 4, False),
        ("unavailable", 5, [1] * 13, True),
        # One that answers now and then is slow, not silent.
        ("unavailable", 5, [1, 1, 0] * 9, False),
        ("unavailable", 20, [1, 1, 0] * 3, False),
        ("unavailable", 20, [1, 1, 1, 1], True),
        ("unavailable", 60, [1, 0, 1], False),
        ("unavailable", 60, [1, 1], True),
        ("stale", 5, [0, 0, 1], True),
        ("stale", 5, [0, 0, 0], False),
        ("failing", 5, [0, 0, 1, 0, 0, 1, 0], False),
        ("failing", 5, [0, 1, 1], True),
        ("failing", 5, [1, 0, 1], True),
        ("failing", 60, [0, 1, 0, 0], False),
        ("failing", 60, [0, 1, 0, 1], True),
    ],
)
def test_a_value_has_to_last_for_so_long(
    name: str, every: int, values: list[float], *, expected: bool
) -> None:
    found = in_alarm(name, runs(values, minutes(every)), minutes(every))
    assert (found is not None) == expected


@pytest.mark.parametrize("name", ["held", "unavailable"])
def test_what_lasts_is_told_after_an_hour(name: str) -> None:
    found = in_alarm(name, runs([0, 0] + [1] * 15))
    assert found is not None
    assert minutes(45) <= found - (NOW + minutes(10)) <= minutes(65)


@given(PERIODS, st.integers(0, 59), st.lists(st.integers(0, 300), min_size=1, max_size=9))
def test_runs_on_schedule_are_never_taken_for_none_however_long_they_take(
    every: timedelta, phase: int, took: list[int]
) -> None:
    of = alarm("not-running", every)
    begun = NOW + timedelta(seconds=phase)
    series = [
        (begun + every * turn + timedelta(seconds=took[turn % len(took)]), 1.0)
        for turn in range(12)
    ]
    longest = max(later - earlier for (earlier, _), (later, _) in pairwise(series))
    moments = [when + longest * part / 7 for when, _ in series[:-1] for part in range(8)]
    for now in (moment for moment in moments if moment <= series[-1][0]):
        assert of.next_state(of.points(series, now), "OK") == "OK"
    gone = series[-1][0] + (of.properties["EvaluationPeriods"] + 3) * of.period
    assert of.next_state(of.points(series, gone), "OK") == "ALARM"


def test_runs_that_stop_are_told_and_so_is_that_they_go_on() -> None:
    before, after = runs([6.0] * 6), [(NOW + minutes(90 + 5 * turn), 6.0) for turn in range(6)]
    changes = alarm("not-running").history([*before, *after], NOW, NOW + minutes(115))
    assert [state for _, state in changes] == ["OK", "ALARM", "OK"]
    assert minutes(15) <= changes[1][0] - before[-1][0] <= minutes(30)


@pytest.mark.parametrize("every", [1, 2, 5, 15, 30, 60])
def test_that_no_run_comes_is_told_once_two_are_missing_and_within_two_more(every: int) -> None:
    """Ten minutes at least after one was due: a run may take five."""
    last = NOW + minutes(every) * 5
    end = last + 6 * minutes(every) + minutes(60)
    changes = alarm("not-running", minutes(every)).history(
        runs([6.0] * 6, minutes(every)), NOW, end
    )
    assert [state for _, state in changes] == ["OK", "ALARM"]
    due = minutes(every) + max(minutes(every), minutes(10))
    assert due <= changes[1][0] - last <= 2 * due


@pytest.mark.parametrize(
    ("values", "after"),
    [
        ([(0, 0.0), (5, 0.0)], None),
        ([(0, 0.0), (5, 1.0), (10, 0.0)], 5),
        # A quiet queue has no data at all, and its messages stay.
        ([(0, 3.0), (600, 3.0)], 0),
    ],
)
def test_a_dead_letter_is_told_of_until_the_queue_is_purged(
    values: list[tuple[int, float]], after: int | None
) -> None:
    series = [(NOW + minutes(arrived), value) for arrived, value in values]
    changes = alarm("dead-letters").history(series, NOW, NOW + minutes(700))
    begun = [when for when, state in changes if state == "ALARM"]
    assert begun == ([] if after is None else [NOW + minutes(after)])
    assert changes[-1][1] == ("ALARM" if values[-1][1] else "OK")


@pytest.fixture
def of() -> Iterator[Recording]:
    """Deploy reconcile on two groups that do not run their release yet."""
    with recording("web", "api") as made:
        yield made


def told(of: Recording) -> set[str]:
    """Return the alarms that what was recorded put in ALARM."""
    found = {name: in_alarm(name, of.series(metric)) for metric, name in EMITTED.items()}
    found["failing"] = in_alarm("failing", of.errors)
    found["not-running"] = in_alarm("not-running", of.series("Available"))
    return {name for name, when in found.items() if when is not None}


def test_no_alarm_tells_of_a_rollout_and_one_of_a_canary_that_stays_silent(of: Recording) -> None:
    rollout(of)
    assert len(of.cloud.kills) == 6
    assert told(of) == set()
    broken(of, of.cloud.groups["web"])
    assert told(of) == {"unavailable"}


def test_a_stale_boot_is_told_of_and_nothing_else(of: Recording) -> None:
    came_back_stale(of, of.cloud.groups["web"])
    assert told(of) == {"stale"}


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_tells_what_where_since_when_and_what_to_do(name: str) -> None:
    tells = alarm(name).properties["AlarmDescription"]
    parts = ["WHAT: ", " WHERE: ", " SINCE: ", " DO: "]
    assert [tells.index(part) for part in parts] == sorted(tells.index(part) for part in parts)
    assert tells.endswith(f"See docs/runbook.md, alarm {name}.")
    assert len(tells) <= 1024
    assert tells.isascii()


def test_every_alarm_tells_the_topic_when_it_goes_into_alarm_and_when_it_is_over() -> None:
    made = template(FULL)
    [topic] = resources(made, "AWS::SNS::Topic")
    for each in resources(made, "AWS::CloudWatch::Alarm").values():
        assert each["Properties"]["AlarmActions"] == [{"Ref": topic}]
        assert each["Properties"]["OKActions"] == [{"Ref": topic}]


def test_cloudwatch_may_publish_to_the_topic_and_no_key_stands_in_its_way() -> None:
    made = template(FULL)
    [topic] = resources(made, "AWS::SNS::Topic")
    assert "KmsMasterKeyId" not in only(made, "AWS::SNS::Topic")
    said = only(made, "AWS::SNS::TopicPolicy")["PolicyDocument"]["Statement"]
    [allowed] = [each for each in said if each["Effect"] == "Allow"]
    assert allowed["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert (allowed["Action"], allowed["Resource"]) == ("sns:Publish", {"Ref": topic})
    assert text(allowed["Condition"]["StringEquals"]["aws:SourceAccount"]) == "${AWS::AccountId}"
    [denied] = [each for each in said if each["Effect"] == "Deny"]
    assert denied["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_an_address_is_mailed_and_none_unless_it_is_given() -> None:
    subscription = only(template(FULL), "AWS::SNS::Subscription")
    assert (subscription["Protocol"], subscription["Endpoint"]) == ("email", "oncall@example.com")
    assert resources(template(LEAST), "AWS::SNS::Subscription") == {}


def test_the_topic_is_an_output_to_subscribe_to() -> None:
    made = template(LEAST)
    [topic] = resources(made, "AWS::SNS::Topic")
    assert made["Outputs"]["AlarmTopic"]["Value"] == {"Ref": topic}
