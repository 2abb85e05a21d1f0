"""The dashboard: how groups are, what was done, and how the runs themselves go.

What is shown for each group comes from the decision records in the log, where it costs no
custom metric; versions are text, which no metric holds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Final

from aws_cdk import Aws, Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra import metrics, queries
from infra.metrics import Metric
from terminator.config.pace import Pace

_WIDE: Final = 24
_HALF: Final = 12
_THIRD: Final = 8
_LOW: Final = 3
_HIGH: Final = 7
_FINEST: Final = timedelta(minutes=5)
_COARSEST: Final = timedelta(days=1)

_GREEN, _ORANGE, _RED, _BLUE, _GREY = "#2ca02c", "#ff7f0e", "#d62728", "#1f77b4", "#7f7f7f"
_TABLE: Final = cloudwatch.LogQueryVisualizationType.TABLE
_BAR: Final = cloudwatch.LogQueryVisualizationType.BAR
_Row = list[cloudwatch.IWidget]


@dataclass(frozen=True)
class Shown:
    """What a dashboard shows; `functions` are named as their graphs' legends say."""

    name: str
    pace: Pace
    alarms: Sequence[cloudwatch.IAlarm]
    functions: dict[str, lambda_.IFunction]
    log_group: logs.ILogGroup
    dead_letters: sqs.IQueue
    group_metrics: bool


class Dashboard(Construct):
    """The dashboard of a deployment."""

    def __init__(self, scope: Construct, id_: str, *, shown: Shown) -> None:
        super().__init__(scope, id_)
        self._shown = shown
        self._period = min(max(_FINEST, shown.pace.shortest), _COARSEST)
        cloudwatch.Dashboard(
            self,
            "Dashboard",
            # Dashboards of all Regions share their names.
            dashboard_name=f"{shown.name}-{Aws.REGION}",
            default_interval=Duration.hours(12),
            widgets=list(self._rows()),
        )

    def _rows(self) -> Iterator[_Row]:
        yield [cloudwatch.TextWidget(markdown=_intro(self._shown.name), width=_WIDE, height=_LOW)]
        alarms = list(self._shown.alarms)
        yield [
            cloudwatch.AlarmStatusWidget(title="Alarms", alarms=alarms, width=_WIDE, height=_LOW)
        ]
        yield [
            self._log("Groups: as each was last seen", queries.GROUPS_NOW, _WIDE),
        ]
        yield self._fleet()
        yield [
            self._log("Groups: versions and availability", queries.GROUPS_OVER_TIME, _WIDE),
        ]
        if self._shown.group_metrics:
            yield self._groups()
        yield [
            self._log("Holds by reason", queries.HOLDS, _THIRD, _BAR),
            self._log("Why groups are held", queries.WHY_HELD, _WIDE - _THIRD),
        ]
        yield [
            self._log("Terminated instances", queries.TERMINATED, _HALF),
            self._log("Unavailable instances", queries.UNREADABLE, _HALF),
        ]
        yield self._runs()
        yield [self._log("Last decisions", queries.LAST_DECISIONS, _WIDE)]

    def _fleet(self) -> _Row:
        return [
            self._graph(
                "Instances of all groups",
                self._own("Available", "Maximum", _GREEN),
                self._own("Outdated", "Maximum", _BLUE),
                self._own("Unavailable", "Maximum", _RED),
                self._own("InFlight", "Maximum", _ORANGE),
            ),
            self._graph(
                "What needs somebody, where it lasts",
                self._own("NeedsAttention", "Maximum", _RED),
                self._own("Overdue", "Maximum", _ORANGE),
                self._own("Stale", "Maximum", _BLUE),
                self._own("Held", "Maximum", _GREY),
            ),
            self._graph(
                "Terminated and failed",
                self._own("Terminated", "Sum", _BLUE),
                self._own("Failed", "Sum", _RED),
            ),
        ]

    def _groups(self) -> _Row:
        names = {"Available": "Minimum", "Outdated": "Maximum", "Unavailable": "Maximum"}
        each_group = partial(metrics.each_group, self._shown.name)
        return [
            self._graph(f"{name} by group", each_group(name, statistic, self._period))
            for name, statistic in names.items()
        ]

    def _runs(self) -> _Row:
        functions = self._shown.functions.items()
        span = Duration.seconds(metrics.seconds(self._period))
        errors = [f.metric_errors(statistic="Sum", period=span, label=n) for n, f in functions]
        took = [f.metric_duration(statistic="Maximum", period=span, label=n) for n, f in functions]
        throttles = [
            f.metric_throttles(statistic="Sum", period=span, label=f"{n} throttled")
            for n, f in functions
        ]
        letters = self._shown.dead_letters.metric_approximate_number_of_messages_visible(
            statistic="Maximum", period=span, label="dead letters"
        )
        return [
            self._graph("Longest run, in milliseconds", *took),
            self._graph("Errors and throttles", *errors, *throttles),
            self._graph("Dead letters", letters),
        ]

    def _own(self, name: str, statistic: str, color: str) -> Metric:
        return metrics.own(self._shown.name, name, statistic, self._period, color)

    def _graph(self, title: str, *left: cloudwatch.IMetric) -> cloudwatch.GraphWidget:
        axis = cloudwatch.YAxisProps(min=0, show_units=False)
        return cloudwatch.GraphWidget(
            title=title, left=list(left), left_y_axis=axis, width=_THIRD, height=_HIGH
        )

    def _log(
        self,
        title: str,
        query: str,
        width: int,
        view: cloudwatch.LogQueryVisualizationType = _TABLE,
    ) -> cloudwatch.LogQueryWidget:
        return cloudwatch.LogQueryWidget(
            title=title,
            log_group_names=[self._shown.log_group.log_group_name],
            query_string=queries.bare(query),
            view=view,
            width=width,
            height=_HIGH,
        )


def _intro(name: str) -> str:
    return (
        f"## {name}\n"
        "Terminator keeps Auto Scaling groups on the release they should be running. Tables come "
        f"from the log of `{name}-reconcile`, graphs from its metrics. "
        "What each hold and alarm means, and what to do: `docs/runbook.md`. "
        f"More questions: the saved queries in the folder `{name}` of Logs Insights."
    )
