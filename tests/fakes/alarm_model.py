"""CloudWatch's evaluation of an alarm on one metric, after AWS's description of it.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html

It looks each minute, at periods that end then: so whatever the phase of CloudWatch's own
periods is, it is among those tried. How many periods more than those asked for CloudWatch
fetches is not told for each case; AWS's examples have two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

State = Literal["OK", "ALARM", "INSUFFICIENT_DATA"]
Series = Sequence[tuple[datetime, float]]
EXTRA: Final = 2
_MINUTE: Final = timedelta(minutes=1)
_STATISTICS: Final[Mapping[str, Callable[[list[float]], float]]] = {
    "SampleCount": len,
    "Sum": sum,
    "Minimum": min,
    "Maximum": max,
}


@dataclass(frozen=True)
class Alarm:
    """An alarm as a template has it."""

    properties: Mapping[str, Any]

    @property
    def period(self) -> timedelta:
        """The length of a period."""
        return timedelta(seconds=self.properties["Period"])

    def breaches(self, value: float) -> bool:
        """Say whether a value is a bad one."""
        over: bool = self.properties["ComparisonOperator"] == "GreaterThanOrEqualToThreshold"
        assert over or self.properties["ComparisonOperator"] == "LessThanThreshold"
        return bool(value >= self.properties["Threshold"]) == over

    def points(self, series: Series, now: datetime) -> list[bool | None]:
        """Return whether each period in the evaluation range is bad, the newest last."""
        periods = self.properties["EvaluationPeriods"] + EXTRA
        collected: list[list[float]] = [[] for _ in range(periods)]
        for when, value in series:
            index = (now - when) // self.period
            if when <= now and index < periods:
                collected[periods - 1 - index].append(value)
        statistic = _STATISTICS[self.properties["Statistic"]]
        return [self.breaches(statistic(values)) if values else None for values in collected]

    def next_state(self, points: Sequence[bool | None], state: State) -> State:
        """Return the state that the points lead to."""
        periods = self.properties["EvaluationPeriods"]
        bad, missing = self.properties["DatapointsToAlarm"], self.properties["TreatMissingData"]
        real = [point for point in points if point is not None]
        lacking = periods - len(real)
        if lacking <= 0:
            return "ALARM" if sum(real[-periods:]) >= bad else "OK"
        if missing == "breaching":
            return "ALARM" if sum(real) + lacking >= bad else "OK"
        assert missing == "ignore"
        if sum(real) >= bad:
            return "ALARM"
        return "OK" if len(real) - sum(real) > periods - bad else state

    def history(
        self, series: Series, begin: datetime, end: datetime
    ) -> list[tuple[datetime, State]]:
        """Return the changes of its state, looked at each minute."""
        state: State = "INSUFFICIENT_DATA"
        changes: list[tuple[datetime, State]] = []
        recent: list[tuple[datetime, float]] = []
        span = self.period * (self.properties["EvaluationPeriods"] + EXTRA)
        waiting, now = list(reversed(series)), begin
        while now <= end:
            while waiting and waiting[-1][0] <= now:
                recent.append(waiting.pop())
            recent = [each for each in recent if now - each[0] < span]
            after = self.next_state(self.points(recent, now), state)
            if after != state:
                changes.append((now, after))
            state, now = after, now + _MINUTE
        return changes
