"""The alarms: when they ring, and what they tell whoever they wake.

An alarm's description is the text of its notification. How long an alarm waits depends on how
often reconcile runs, and on what CloudWatch can look back at: seven days, or one where the
period is under an hour.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra import metrics, notices
from infra.metrics import Metric
from terminator.config.pace import Pace

_MINUTE: Final = timedelta(minutes=1)
_HOUR: Final = timedelta(hours=1)
_QUARTER: Final = timedelta(minutes=15)
_FURTHEST: Final = timedelta(days=7)
_IN_THREE: Final = 3

_OVER: Final = cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD
_UNDER: Final = cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD


@dataclass(frozen=True)
class Span:
    """What an alarm looks back at: so many periods, so many of which must be bad."""

    period: timedelta
    periods: int
    bad: int

    @property
    def whole(self) -> timedelta:
        """The time from the first of the periods to the end of the last."""
        return self.period * self.periods


@dataclass(frozen=True)
class Watched:
    """An alarm: its name, what it watches, and what it tells."""

    name: str
    metric: Metric
    span: Span
    tells: str
    silence_rings: bool = False


def lasting(pace: Pace) -> Span:
    """Return the span of what has to last: an hour, and two runs at least."""
    period = min(max(_QUARTER, _minutes(pace.shortest)), _FURTHEST)
    periods = min(max(2, -(-_HOUR // period)), max(1, _FURTHEST // period))
    return Span(period, periods, periods)


def failing(pace: Pace) -> Span:
    """Return the span of what fails twice in three runs: one failure is made up for by the next."""
    period = min(max(5 * _MINUTE, _minutes(pace.shortest)), _FURTHEST)
    return Span(period, 3, 2) if period * 3 <= _FURTHEST else Span(period, 1, 1)


def silent(pace: Pace) -> Span | None:
    """Return the span in which a run is due, None where that is more than can be looked back at.

    It is longer than the longest time between two runs by as much again: at least ten
    minutes, for a run takes up to five, and at most an hour.
    """
    if pace.longest is None:
        return None
    due = pace.longest + min(max(pace.longest, 10 * _MINUTE), _HOUR)
    if due <= _IN_THREE * _HOUR:
        period = _minutes(due / _IN_THREE)
        return Span(period, _IN_THREE, _IN_THREE)
    hours = -(-due // _HOUR)
    return Span(_HOUR, hours, hours) if due <= _FURTHEST else None


def _minutes(span: timedelta) -> timedelta:
    return timedelta(seconds=metrics.seconds(span))


def watched(
    name: str, pace: Pace, reconcile: lambda_.IFunction, dead_letters: sqs.IQueue
) -> list[Watched]:
    """Return the alarms of a deployment of that name.

    The one for silence is missing where the schedule is too slow for it.
    """
    lasts, fails, due = lasting(pace), failing(pace), silent(pace)
    arrived = Span(5 * _MINUTE, 1, 1)
    once = Span(lasts.period, 1, 1)
    letters = dead_letters.metric_approximate_number_of_messages_visible(
        statistic="Maximum", period=_duration(arrived)
    )
    errors = reconcile.metric_errors(statistic="Sum", period=_duration(fails))
    stuck = metrics.own(name, "NeedsAttention", "Maximum", lasts.period)
    overdue = metrics.own(name, "Overdue", "Minimum", lasts.period)
    stale = metrics.own(name, "Stale", "Maximum", once.period)
    made = [
        Watched("failing", errors, fails, notices.failing(name, fails.whole)),
        Watched("dead-letters", letters, arrived, notices.dead_letters(name)),
        Watched("held", stuck, lasts, notices.held(name, lasts.whole)),
        Watched("unavailable", overdue, lasts, notices.unavailable(name, lasts.whole)),
        Watched("stale", stale, once, notices.stale(name)),
    ]
    if due is not None:
        ran = metrics.own(name, "Available", "SampleCount", due.period)
        tells = notices.not_running(name, due.whole)
        made.append(Watched("not-running", ran, due, tells, silence_rings=True))
    return made


def _duration(span: Span) -> Duration:
    return Duration.seconds(metrics.seconds(span.period))


class Alarms(Construct):
    """The alarms of a deployment, which tell a topic when they ring and when it is over."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        name: str,
        watched: Sequence[Watched],
        topic: sns.ITopic,
    ) -> None:
        super().__init__(scope, id_)
        self.made = [self._alarm(name, each) for each in watched]
        for alarm in self.made:
            alarm.add_alarm_action(actions.SnsAction(topic))
            alarm.add_ok_action(actions.SnsAction(topic))

    def _alarm(self, name: str, of: Watched) -> cloudwatch.Alarm:
        # Between two runs of a slow schedule there is nothing to see: the last run counts.
        missing = cloudwatch.TreatMissingData
        return cloudwatch.Alarm(
            self,
            of.name.title().replace("-", ""),
            alarm_name=f"{name}-{of.name}",
            alarm_description=of.tells,
            metric=of.metric,
            threshold=1,
            comparison_operator=_UNDER if of.silence_rings else _OVER,
            evaluation_periods=of.span.periods,
            datapoints_to_alarm=of.span.bad,
            treat_missing_data=missing.BREACHING if of.silence_rings else missing.IGNORE,
        )
