"""The dashboard, and the queries of the log that it shows and that are saved beside it.

What is shown for each group comes from the decision records in the log, where it costs no
custom metric; versions are text, which no metric holds. Every record has a `reason` as a field of
its own, and no other line has. What is None is left out of it. The queries' language:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Final

from aws_cdk import Aws, Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.monitoring import NAMESPACE, duration, metric
from terminator.config.deployment import Deployment

LAST_DECISIONS: Final = """\
fields @timestamp, group, decision, hold, needs_attention, target, available, outdated,
    unavailable, in_flight, reason
| filter ispresent(reason)
| sort @timestamp desc
| limit 50"""

GROUPS_NOW: Final = """\
filter ispresent(reason)
| stats latest(target) as target, latest(lowest) as lowest, latest(highest) as highest,
    latest(desired) as desired, latest(available) as available, latest(outdated) as outdated,
    latest(unavailable) as unavailable, latest(in_flight) as in_flight,
    latest(needs_attention) as needs_attention, latest(reason) as reason
  by group
| sort group asc
| limit 100"""

GROUPS_OVER_TIME: Final = """\
filter ispresent(available)
| stats latest(target) as target, latest(lowest) as lowest, latest(highest) as highest,
    min(available) as least_available, max(outdated) as most_outdated,
    max(unavailable) as most_unavailable
  by bin(15m) as time, group
| sort time desc, group asc
| limit 500"""

HOLDS: Final = """\
filter ispresent(hold)
| stats count(*) as runs by hold
| sort runs desc"""

DECISIONS_OF_A_GROUP: Final = """\
# Write the name of your group, or a part of it, between the slashes.
fields @timestamp, decision, hold, needs_attention, target, lowest, highest, desired, minimum,
    available, outdated, unavailable, in_flight, reason, group
| filter ispresent(reason) and group like /./
| sort @timestamp desc
| limit 200"""

WHY_HELD: Final = """\
# Since when, how often and why each group is held, in the time that is looked at.
filter ispresent(hold)
| stats latest(reason) as reason, count(*) as runs, min(@timestamp) as first_seen,
    max(@timestamp) as last_seen, latest(since) as target_since,
    latest(needs_attention) as needs_attention, latest(overdue) as overdue_instances,
    latest(stale) as stale_boots, latest(remedy) as to_do
  by group, hold
| sort last_seen desc"""

TERMINATED: Final = """\
# What was terminated, and when.
fields @timestamp, message
| parse message "* => terminating instance ids [*]" as of_group, instances
| filter ispresent(instances)
| sort @timestamp desc
| display @timestamp, of_group, instances
| limit 200"""

UNAVAILABLE: Final = """\
# What instances said instead of their version.
fields @timestamp, group, jsonParse(@message) as record
| filter unavailable > 0
| unnest record.instances into instance
| filter instance.reason like /./ and instance.reason != "null"
| stats latest(instance.reason) as why, count(*) as runs, min(@timestamp) as first_seen,
    max(@timestamp) as last_seen, latest(instance.created) as created,
    latest(instance.in_service_since) as in_service_since
  by group, instance.id
| sort last_seen desc
| limit 200"""

FAILURES: Final = """\
# What failed, and what could not be put or delivered.
fields @timestamp, level, group, message
| filter level = "ERROR" or level = "WARNING"
| sort @timestamp desc
| limit 200"""

SAVED: Final[Mapping[str, str]] = {
    "decisions of a group": DECISIONS_OF_A_GROUP,
    "why a group is held": WHY_HELD,
    "what was terminated": TERMINATED,
    "unavailable instances": UNAVAILABLE,
    "failures": FAILURES,
}

_WIDE: Final = 24
_HALF: Final = 12
_THIRD: Final = 8
_LOW: Final = 3
_HIGH: Final = 7
_FINEST: Final = timedelta(minutes=5)
_GREEN, _ORANGE, _RED, _BLUE, _GREY = "#2ca02c", "#ff7f0e", "#d62728", "#1f77b4", "#7f7f7f"
_TABLE: Final = cloudwatch.LogQueryVisualizationType.TABLE
_BAR: Final = cloudwatch.LogQueryVisualizationType.BAR


class SavedQueries(Construct):
    """The saved queries of a deployment, in a folder of its name; without charge until run."""

    def __init__(self, scope: Construct, id_: str, *, name: str, log_group: logs.ILogGroup) -> None:
        super().__init__(scope, id_)
        for title, query in SAVED.items():
            logs.CfnQueryDefinition(
                self,
                title.title().replace(" ", ""),
                name=f"{name}/{title}",
                query_string=query,
                log_group_names=[log_group.log_group_name],
            )


class Dashboard(Construct):
    """The dashboard of a deployment; `functions` are named as their graphs' legends say."""

    def __init__(  # noqa: PLR0913 - keyword-only, as constructs are
        self,
        scope: Construct,
        id_: str,
        *,
        deployment: Deployment,
        alarms: Sequence[cloudwatch.IAlarm],
        functions: Mapping[str, lambda_.IFunction],
        log_group: logs.ILogGroup,
        dead_letters: sqs.IQueue,
    ) -> None:
        super().__init__(scope, id_)
        self._name, self._log_group = deployment.config.name, log_group
        self._period = max(_FINEST, deployment.config.period)
        rows: list[list[cloudwatch.IWidget]] = [
            [cloudwatch.TextWidget(markdown=_intro(self._name), width=_WIDE, height=_LOW)],
            [
                cloudwatch.AlarmStatusWidget(
                    title="Alarms", alarms=list(alarms), width=_WIDE, height=_LOW
                )
            ],
            [self._log("Groups: as each was last seen", GROUPS_NOW, _WIDE)],
            list(self._fleet()),
            [self._log("Groups: versions and availability", GROUPS_OVER_TIME, _WIDE)],
            list(self._each_group()) if deployment.config.group_metrics else [],
            [
                self._log("Holds by reason", HOLDS, _THIRD, _BAR),
                self._log("Why groups are held", WHY_HELD, _WIDE - _THIRD),
            ],
            [
                self._log("Terminated instances", TERMINATED, _HALF),
                self._log("Unavailable instances", UNAVAILABLE, _HALF),
            ],
            list(self._runs(functions, dead_letters)),
            [self._log("Last decisions", LAST_DECISIONS, _WIDE)],
        ]
        cloudwatch.Dashboard(
            self,
            "Dashboard",
            # Dashboards of all Regions share their names.
            dashboard_name=f"{self._name}-{Aws.REGION}",
            default_interval=Duration.hours(12),
            widgets=[row for row in rows if row],
        )

    def _fleet(self) -> Iterator[cloudwatch.GraphWidget]:
        """Yield graphs of what runs emit, summed over the groups: name, statistic, colour."""
        shown = {
            "Instances of all groups": [
                ("Available", "Maximum", _GREEN),
                ("Outdated", "Maximum", _BLUE),
                ("Unavailable", "Maximum", _RED),
                ("InFlight", "Maximum", _ORANGE),
            ],
            "What needs somebody, where it lasts": [
                ("NeedsAttention", "Maximum", _RED),
                ("Overdue", "Maximum", _ORANGE),
                ("Stale", "Maximum", _BLUE),
                ("Held", "Maximum", _GREY),
            ],
            "Terminated and failed": [
                ("Terminated", "Sum", _BLUE),
                ("Failed", "Sum", _RED),
                ("EventsNotPut", "Sum", _ORANGE),
            ],
        }
        for title, metrics in shown.items():
            lines = [metric(self._name, name, how, self._period, of) for name, how, of in metrics]
            yield _graph(title, lines)

    def _each_group(self) -> Iterator[cloudwatch.GraphWidget]:
        """Yield graphs of the metrics of every group: what `group_metrics` asks for.

        https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/search-expression-syntax.html
        """
        names = {"Available": "Minimum", "Outdated": "Maximum", "Unavailable": "Maximum"}
        seconds = self._period // timedelta(seconds=1)
        for name, statistic in names.items():
            wanted = f'{{{NAMESPACE},group,service}} MetricName="{name}" service="{self._name}"'
            found = cloudwatch.MathExpression(
                expression=f"SEARCH('{wanted}', '{statistic}', {seconds})",
                using_metrics={},
                label="",
                period=duration(self._period),
            )
            yield _graph(f"{name} by group", [found])

    def _runs(
        self, functions: Mapping[str, lambda_.IFunction], dead_letters: sqs.IQueue
    ) -> Iterator[cloudwatch.GraphWidget]:
        """Yield graphs of how the functions do."""
        period = duration(self._period)
        errors, throttles, took = [], [], []
        for name, each in functions.items():
            took.append(each.metric_duration(statistic="Maximum", period=period, label=name))
            errors.append(each.metric_errors(statistic="Sum", period=period, label=name))
            label = f"{name} throttled"
            throttles.append(each.metric_throttles(statistic="Sum", period=period, label=label))
        letters = dead_letters.metric_approximate_number_of_messages_visible(
            statistic="Maximum", period=period, label="dead letters"
        )
        yield _graph("Longest run, in milliseconds", took)
        yield _graph("Errors and throttles", [*errors, *throttles])
        yield _graph("Dead letters", [letters])

    def _log(
        self,
        title: str,
        query: str,
        width: int,
        view: cloudwatch.LogQueryVisualizationType = _TABLE,
    ) -> cloudwatch.LogQueryWidget:
        lines = [line for line in query.splitlines() if not line.startswith("#")]
        return cloudwatch.LogQueryWidget(
            title=title,
            log_group_names=[self._log_group.log_group_name],
            query_string="\n".join(lines),
            view=view,
            width=width,
            height=_HIGH,
        )


def _graph(title: str, left: Sequence[cloudwatch.IMetric]) -> cloudwatch.GraphWidget:
    axis = cloudwatch.YAxisProps(min=0, show_units=False)
    return cloudwatch.GraphWidget(
        title=title, left=list(left), left_y_axis=axis, width=_THIRD, height=_HIGH
    )


def _intro(name: str) -> str:
    return (
        f"## {name}\n"
        "Terminator keeps Auto Scaling groups on the release they should be running. Tables come "
        f"from the log of `{name}-reconcile`, graphs from its metrics. "
        "What each hold and alarm means, and what to do: `docs/runbook.md`. "
        f"More questions: the saved queries in the folder `{name}` of Logs Insights."
    )
