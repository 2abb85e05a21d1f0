"""The alarms: what each looks at, for how long, and what it tells whoever it wakes.

An alarm's description is the text of its notification. How long an alarm looks back follows the
period of the schedule, which is an hour at most, so that CloudWatch can always look back so far:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from aws_cdk import Aws, CfnOutput, Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from terminator.config.deployment import Deployment
from terminator.text import left

# What the handlers emit with; their module is not imported, for it sets a logger up.
NAMESPACE: Final = "Terminator"
_MINUTE: Final = timedelta(minutes=1)
_HOUR: Final = timedelta(hours=1)

# What a person reads at 3 a.m.: what is the matter, where to look, since when, and what to do.
# The notification adds the account, the Region and the time.
_TELLS: Final[Mapping[str, str]] = {
    "failing": (
        "WHAT: {name} fails again and again, so groups are not kept on their release. Instances "
        "that run are not touched by that. "
        "WHERE: the function {name}-reconcile; its log group says which groups failed, of which "
        "app, and why (saved query {name}/failures). "
        "SINCE: at least two runs in the last {span}. "
        "DO: read the error; mostly it is a permission, a limit, or a probe that cannot reach its "
        "instances. A release can wait until it is mended."
    ),
    "dead-letters": (
        "WHAT: a run of {name} failed, or an event could not be delivered to it. Nothing is "
        "lost: the next run on the schedule makes up for it. Where no other alarm tells anything "
        "this can wait until the morning. "
        "WHERE: the dead-letter queue of the stack {name}; its messages say what failed. "
        "SINCE: the oldest message in the queue. "
        "DO: read the messages, mend the cause, and purge the queue; until then this alarm stays."
    ),
    "held": (
        "WHAT: a group needs a person: it does not get the release it should run, and time alone "
        "will not mend that, or it has taken too long. What runs goes on running, unless the "
        "reason says that nothing is available: then look at the group first. "
        "WHERE: the dashboard of {name} shows which group and why (or the saved query "
        "{name}/why a group is held). "
        "SINCE: {span} ago or longer. "
        "DO: what the runbook says for that reason."
    ),
    "unavailable": (
        "WHAT: an instance is in service and does not tell its version, or fails its load "
        "balancer's checks, long after it should have booted. It may be a release that does not "
        "come up: then it costs this one instance and no other goes. "
        "WHERE: the dashboard of {name} shows which instance and why (or the saved query "
        "{name}/unavailable instances). "
        "SINCE: {span} ago or longer. "
        "DO: look at that instance; if a release is bad, delete its zip or point to the older one."
    ),
    "stale": (
        "WHAT: an instance that was created after the release came back on another version: it "
        "boots something else than it should. Terminator tries again, each time later. "
        "WHERE: the dashboard of {name} shows the group (or the saved query {name}/why a group is "
        "held). "
        "SINCE: the run at the time of this notification. "
        "DO: look at what the instances of the group boot: launch template, image, boot script, "
        "cache. Set the tag terminator:pause to stop further tries."
    ),
    "passed-over": (
        "WHAT: a zip was uploaded that does not become the release to run: its key names no "
        "version, it cannot be read, or another release is newer. Nothing is replaced for it. "
        "WHERE: the log group of the function {name}-release says which zip and why; so does "
        "terminator releases. "
        "SINCE: {span} ago at most; it is OK again by itself. "
        "DO: upload it by another name, mend the zip, point to it (terminator use), or, where the "
        "scheme has changed, set releases.order."
    ),
    "withdrawn": (
        "WHAT: {name} has taken a release back by itself, as its settings ask: a delete marker "
        "lies on its zip, the release before is the target again, and the groups go back to it. "
        "WHERE: the log group of {name}-reconcile says which release and why; so do terminator "
        "history and terminator releases. "
        "SINCE: {span} ago at most; it is OK again by itself. "
        "DO: mend the release and upload it under a higher version. Where it was not to blame, put "
        "it back: terminator restore. It is not taken back a second time."
    ),
    "not-running": (
        "WHAT: no run of {name} has come to its end, so no group is kept on its release. "
        "Instances that run are not touched by that. "
        "WHERE: the schedule and the function {name}-reconcile. "
        "SINCE: {span} ago or longer. "
        "DO: see whether somebody has stopped it (reserved concurrency 0, a disabled rule), and "
        "whether the alarm failing is in ALARM too. After a first deployment it is OK as soon as "
        "the first run has ended."
    ),
}


@dataclass(frozen=True)
class Span:
    """What an alarm looks back at: so many periods, in so many of which its metric is bad."""

    period: timedelta
    periods: int
    bad: int


def spans(every: timedelta) -> dict[str, Span]:
    """Return what each alarm looks back at, by its name, where reconcile runs `every` so often."""
    # What has to last: an hour, and two runs at least.
    lasting = max(15 * _MINUTE, every)
    lasts = max(2, -(-_HOUR // lasting))
    # A run is due after a period and as much again, ten minutes at least, for it takes up to five.
    due = every + max(every, 10 * _MINUTE)
    return {
        # One failure is made up for by the next run: two of three are not.
        "failing": Span(max(5 * _MINUTE, every), periods=3, bad=2),
        "dead-letters": Span(5 * _MINUTE, periods=1, bad=1),
        "held": Span(lasting, periods=lasts, bad=lasts),
        "unavailable": Span(lasting, periods=lasts, bad=lasts),
        "stale": Span(lasting, periods=1, bad=1),
        "passed-over": Span(5 * _MINUTE, periods=1, bad=1),
        "withdrawn": Span(5 * _MINUTE, periods=1, bad=1),
        "not-running": Span(-(-due // (3 * _MINUTE)) * _MINUTE, periods=3, bad=3),
    }


class Monitoring(Construct):
    """The alarms of a deployment, and the topic that they tell of every change to and from ALARM.

    The topic is not encrypted with a key: CloudWatch cannot publish through AWS's own key, whose
    policy is not ours to change, and a key of ours costs a dollar a month; what alarms tell is no
    secret. https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        deployment: Deployment,
        reconcile: lambda_.IFunction,
        dead_letters: sqs.IQueue,
    ) -> None:
        super().__init__(scope, id_)
        topic = sns.Topic(self, "Topic", display_name="Terminator", enforce_ssl=True)
        # A policy of its own takes the default one's place, by which the account might publish.
        topic.add_to_resource_policy(
            iam.PolicyStatement(
                sid="AlarmsOfThisAccount",
                principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
                actions=["sns:Publish"],
                resources=[topic.topic_arn],
                conditions={"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}},
            )
        )
        if deployment.alarm_email is not None:
            topic.add_subscription(subscriptions.EmailSubscription(deployment.alarm_email))
        CfnOutput(
            Stack.of(self),
            "AlarmTopic",
            value=topic.topic_arn,
            description="Subscribe to this topic to be told of alarms",
        )
        within, name = Construct(self, "Alarms"), deployment.config.name
        self.alarms: list[cloudwatch.Alarm] = []
        bucket = deployment.config.bucket
        for alarm, span in spans(deployment.config.period).items():
            if alarm == "withdrawn" and not (bucket and bucket.withdraws):
                continue
            period = duration(span.period)
            watched = {
                "failing": reconcile.metric_errors(statistic="Sum", period=period),
                "dead-letters": dead_letters.metric_approximate_number_of_messages_visible(
                    statistic="Maximum", period=period
                ),
                "held": metric(name, "NeedsAttention", "Maximum", span.period),
                "unavailable": metric(name, "Overdue", "Minimum", span.period),
                "stale": metric(name, "Stale", "Maximum", span.period),
                "passed-over": metric(name, "PassedOver", "Sum", span.period),
                "withdrawn": metric(name, "Withdrawn", "Sum", span.period),
                "not-running": metric(name, "Available", "SampleCount", span.period),
            }
            made = _alarm(within, name, alarm, watched[alarm], span)
            made.add_alarm_action(actions.SnsAction(topic))
            made.add_ok_action(actions.SnsAction(topic))
            self.alarms.append(made)


def _alarm(
    scope: Construct, deployment: str, name: str, watched: cloudwatch.Metric, span: Span
) -> cloudwatch.Alarm:
    """Return an alarm: in ALARM where its metric is 1 or more, or for not-running has no value."""
    compared, missing = cloudwatch.ComparisonOperator, cloudwatch.TreatMissingData
    silence = name == "not-running"
    # Between two runs there is nothing to see: the last run counts. What happens once is told once.
    missing_data = {
        "not-running": missing.BREACHING,
        "passed-over": missing.NOT_BREACHING,
        "withdrawn": missing.NOT_BREACHING,
    }.get(name, missing.IGNORE)
    over, under = compared.GREATER_THAN_OR_EQUAL_TO_THRESHOLD, compared.LESS_THAN_THRESHOLD
    tells = _TELLS[name].format(name=deployment, span=left(span.period * span.periods))
    return cloudwatch.Alarm(
        scope,
        name.title().replace("-", ""),
        alarm_name=f"{deployment}-{name}",
        alarm_description=f"{tells} See docs/runbook.md, alarm {name}.",
        metric=watched,
        threshold=1,
        comparison_operator=under if silence else over,
        evaluation_periods=span.periods,
        datapoints_to_alarm=span.bad,
        treat_missing_data=missing_data,
    )


def metric(
    deployment: str, name: str, statistic: str, period: timedelta, color: str | None = None
) -> cloudwatch.Metric:
    """Return a metric that each run of a deployment emits, summed over the groups."""
    return cloudwatch.Metric(
        namespace=NAMESPACE,
        metric_name=name,
        dimensions_map={"service": deployment},
        statistic=statistic,
        period=duration(period),
        color=color,
    )


def duration(span: timedelta) -> Duration:
    """Return a whole number of minutes as the CDK takes it."""
    return Duration.minutes(span // _MINUTE)
