"""What alarms wait for, whatever the schedule: periods, and what a slow one can be told of."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from aws_cdk import App
from aws_cdk.assertions import Annotations, Match
from hypothesis import given
from hypothesis import strategies as st

from infra import alarms
from infra.alarms import Span
from infra.stack import TerminatorStack
from terminator.config import pace
from terminator.config import stack_settings as settings
from terminator.config.deployment import ConfigError
from tests.decide.builders import NOW
from tests.fakes.alarm_model import Alarm, State, of_name
from tests.fakes.cloud import minutes
from tests.infra.synthesized import LEAST, SUBNETS, VPC, complaints, resources, template

ALARMS = {"failing", "not-running", "dead-letters", "held", "unavailable", "stale"}
# Without a VPC there is a warning of its own.
PROBED = {**LEAST, "vpcs": {VPC: {"subnets": SUBNETS}}}


@pytest.mark.parametrize(
    ("schedule", "shortest", "longest"),
    [
        ("rate(1 minute)", minutes(1), minutes(1)),
        ("rate(6 hours)", minutes(360), minutes(360)),
        ("rate(30 days)", timedelta(days=30), timedelta(days=30)),
        ("cron(0/5 * * * ? *)", minutes(5), minutes(5)),
        ("cron(0/5 9-17 ? * MON-FRI *)", minutes(5), timedelta(days=2, hours=15, minutes=5)),
        ("cron(0 9,21 * * ? *)", minutes(720), minutes(720)),
        ("cron(0 9 ? * SUN *)", timedelta(days=7), timedelta(days=7)),
        ("cron(0 9 ? * 2,5 *)", timedelta(days=3), timedelta(days=4)),
        ("cron(0 22-2 ? * FRI-MON *)", minutes(60), timedelta(days=3, hours=1)),
        ("cron(10,40 8/4 * * ? *)", minutes(30), minutes(60 * 11 + 30)),
        ("cron(0 9 1 * ? *)", timedelta(days=1), None),
        ("cron(0 9 LW * ? *)", timedelta(days=1), None),
        ("cron(0 9 ? * 2#1 *)", timedelta(days=1), None),
        ("cron(0 9 ? * 6L *)", timedelta(days=1), None),
        ("cron(0/5 * ? JAN-MAR * *)", minutes(5), None),
        ("cron(0/5 * * * ? 2027)", minutes(5), None),
    ],
)
def test_the_pace_of_a_schedule_is_read_from_it(
    schedule: str, shortest: timedelta, longest: timedelta | None
) -> None:
    assert pace.of(schedule) == pace.Pace(shortest, longest)


@pytest.mark.parametrize(
    "fields", ["a b c d e f", "61 * * * ? *", "0 24 * * ? *", "0/0 9 * * ? *", "0 9 ? * FRY *"]
)
def test_a_schedule_that_is_none_is_refused(fields: str) -> None:
    with pytest.raises(ConfigError, match=r"^schedule says "):
        template({**LEAST, "schedule": f"cron({fields})"})


RATES = st.one_of(
    st.integers(1, 90).map(minutes),
    st.integers(1, 400).map(lambda hours: minutes(60 * hours)),
    st.integers(1, 40).map(lambda days: timedelta(days=days)),
)


def spans(every: timedelta) -> list[Span]:
    of = pace.Pace(every, every)
    silent = alarms.silent(of)
    return [alarms.lasting(of), alarms.failing(of), *([silent] if silent else [])]


@given(RATES)
def test_every_span_is_one_that_cloudwatch_accepts(every: timedelta) -> None:
    for span in spans(every):
        assert 1 <= span.bad <= span.periods
        assert span.period % minutes(1) == timedelta(0)
        furthest = timedelta(days=1) if span.period < minutes(60) else timedelta(days=7)
        assert span.whole <= furthest


@given(RATES, st.integers(0, 59), st.lists(st.integers(0, 300), min_size=1, max_size=9))
def test_runs_on_schedule_never_ring_as_not_running_whatever_they_take(
    every: timedelta, phase: int, took: list[int]
) -> None:
    span = alarms.silent(pace.Pace(every, every))
    if span is None:
        assert every > timedelta(days=6)
        return
    alarm = Alarm({**_RINGS_FOR_SILENCE, "Period": span.period.total_seconds(),
                   "EvaluationPeriods": span.periods, "DatapointsToAlarm": span.bad})  # fmt: skip
    begun = NOW + timedelta(seconds=phase)
    series = [
        (begun + every * turn + timedelta(seconds=took[turn % len(took)]), 1.0)
        for turn in range(12)
    ]
    longest = max(later - earlier for (earlier, _), (later, _) in pairwise(series))
    moments = [when + longest * part / 7 for when, _ in series[:-1] for part in range(8)]
    for now in (moment for moment in moments if moment <= series[-1][0]):
        assert alarm.next_state(alarm.points(series, now), "OK") == "OK"
    gone = series[-1][0] + (span.periods + 3) * span.period
    assert alarm.next_state(alarm.points(series, gone), "OK") == "ALARM"


_RINGS_FOR_SILENCE = {
    "ComparisonOperator": "LessThanThreshold",
    "Threshold": 1,
    "Statistic": "SampleCount",
    "TreatMissingData": "breaching",
}


@given(RATES)
def test_what_lasts_is_seen_by_two_runs_at_least_wherever_two_can_be_looked_back_at(
    every: timedelta,
) -> None:
    span = alarms.lasting(pace.Pace(every, every))
    assert span.bad == span.periods
    assert span.periods >= 2 or every > timedelta(days=3)
    assert span.whole >= min(minutes(60), timedelta(days=7))


@pytest.mark.parametrize(
    ("schedule", "name", "values", "rings"),
    [
        ("rate(1 hour)", "held", [1, 0, 1, 0], False),
        ("rate(1 hour)", "held", [0, 1, 1], True),
        ("rate(1 day)", "unavailable", [1, 0, 1], False),
        ("rate(1 day)", "unavailable", [1, 1], True),
        ("rate(30 days)", "held", [0, 0], False),
        ("rate(30 days)", "held", [0, 1], True),
        ("rate(30 days)", "failing", [0, 1], True),
        ("rate(12 hours)", "failing", [1, 0, 0], False),
        ("rate(12 hours)", "failing", [0, 1, 1], True),
    ],
)
def test_a_slow_schedule_rings_for_what_its_runs_see(
    schedule: str, name: str, values: list[int], *, rings: bool
) -> None:
    alarm = of_name(name, {**LEAST, "schedule": schedule})
    every = pace.of(schedule).shortest
    series = [(NOW + every * turn, float(value)) for turn, value in enumerate(values)]
    end = series[-1][0] + every / 2
    ends = [when + part * every / 5 for when, _ in series for part in range(5)]
    state: State = "OK"
    rang = False
    for now in (moment for moment in ends if moment <= end):
        state = alarm.next_state(alarm.points(series, now), state)
        rang = rang or state == "ALARM"
    assert rang == rings


def test_an_office_schedule_rings_neither_at_night_nor_for_what_the_evening_saw_once() -> None:
    office = {**LEAST, "schedule": "cron(0/5 9-17 ? * MON-FRI *)"}
    day = [NOW.replace(hour=9) + minutes(5 * turn) for turn in range(108)]
    runs = [when + timedelta(days=night) for night in (0, 1) for when in day]
    end = runs[-1] + minutes(600)
    assert of_name("not-running", office).rang([(w, 1.0) for w in runs], runs[0], end) is None
    once = [(when, float(when == day[-1])) for when in runs]
    assert of_name("held", office).rang(once, runs[0], end) is None


@pytest.mark.parametrize("schedule", ["rate(8 days)", "cron(0 9 1 * ? *)", "cron(0 9 * * ? 2030)"])
def test_a_schedule_too_slow_to_look_back_at_has_no_alarm_for_silence_and_says_so(
    schedule: str,
) -> None:
    of = {**PROBED, "schedule": schedule}
    made = resources(template(of), "AWS::CloudWatch::Alarm").values()
    names = {each["Properties"]["AlarmName"] for each in made}
    assert names == {f"terminator-{name}" for name in ALARMS - {"not-running"}}
    [warning] = warnings(of)
    assert warning.startswith(f"no alarm will tell where {schedule} does not run: ")


@pytest.mark.parametrize("schedule", ["rate(6 days)", "cron(0 9 ? * MON-FRI *)"])
def test_a_schedule_that_can_be_looked_back_at_warns_of_nothing(schedule: str) -> None:
    assert warnings({**PROBED, "schedule": schedule}) == []


def warnings(of: Mapping[str, Any]) -> list[str]:
    app = App(context={"aws:cdk:bundling-stacks": []})
    stack = TerminatorStack(app, "Terminator", settings=settings.read(of))
    anything = Match.string_like_regexp(".*")
    return [
        str(each.entry.data) for each in Annotations.from_stack(stack).find_warning("*", anything)
    ]


@pytest.mark.parametrize("days", [10**9, 10**20])
def test_a_rate_beyond_all_time_is_refused(days: int) -> None:
    with pytest.raises(ConfigError, match=r"^schedule says "):
        settings.read({**LEAST, "schedule": f"rate({days} days)"})


def test_the_cdks_own_validation_has_no_complaint_about_slow_schedules() -> None:
    assert complaints({**LEAST, "schedule": "rate(30 days)"}) == []
