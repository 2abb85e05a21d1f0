"""The metrics that alarms and the dashboard show: Terminator's own, and AWS's of its parts."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch

# What the handlers emit with; their module is not imported, for it sets a logger up.
NAMESPACE: Final = "Terminator"


def own(
    deployment: str, name: str, statistic: str, period: timedelta, color: str | None = None
) -> Metric:
    """Return a metric that each run of a deployment emits, summed over the groups."""
    return cloudwatch.Metric(
        namespace=NAMESPACE,
        metric_name=name,
        dimensions_map={"service": deployment},
        statistic=statistic,
        period=Duration.seconds(seconds(period)),
        color=color,
    )


def each_group(
    deployment: str, name: str, statistic: str, period: timedelta
) -> cloudwatch.MathExpression:
    """Return a metric of every group of a deployment: what `group_metrics` asks for.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/search-expression-syntax.html
    """
    schema = f'{{{NAMESPACE},group,service}} MetricName="{name}" service="{deployment}"'
    return cloudwatch.MathExpression(
        expression=f"SEARCH('{schema}', '{statistic}', {seconds(period)})",
        using_metrics={},
        label="",
        period=Duration.seconds(seconds(period)),
    )


Metric = cloudwatch.Metric


def seconds(span: timedelta) -> int:
    """Return a period as CloudWatch takes it: seconds, rounded up to whole minutes."""
    return -(-span // timedelta(minutes=1)) * 60
