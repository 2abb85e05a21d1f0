"""How operators see what Terminator does: dashboard, saved queries, alarms, and their topic."""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import Annotations, Aws, CfnOutput, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra import alarms
from infra.alarms import Alarms
from infra.dashboard import Dashboard, Shown
from infra.function import TerminatorFunction
from infra.queries import SavedQueries
from terminator.config import pace
from terminator.config.stack_settings import Settings


@dataclass(frozen=True)
class Deployed:
    """What is watched: reconcile, the other functions by name, and the dead-letter queue."""

    reconcile: TerminatorFunction
    others: dict[str, TerminatorFunction]
    dead_letters: sqs.IQueue


class Monitoring(Construct):
    """Everything that watches a deployment."""

    def __init__(
        self, scope: Construct, id_: str, *, settings: Settings, deployed: Deployed
    ) -> None:
        super().__init__(scope, id_)
        name, every = settings.runtime.name, pace.of(settings.schedule)
        reconcile = deployed.reconcile
        watched = alarms.watched(name, every, reconcile.function, deployed.dead_letters)
        if alarms.silent(every) is None:
            Annotations.of(self).add_warning_v2(
                "terminator:unwatchedSchedule",
                f"no alarm will tell where {settings.schedule} does not run: its runs lie further "
                "apart than the seven days that CloudWatch looks back at, or do not go by the week",
            )
        self.topic = self._topic(settings.alarm_email)
        made = Alarms(self, "Alarms", name=name, watched=watched, topic=self.topic)
        SavedQueries(self, "Queries", name=name, log_group=reconcile.log_group)
        functions = {"reconcile": reconcile, **deployed.others}
        shown = Shown(
            name=name,
            pace=every,
            alarms=made.made,
            functions={label: each.function for label, each in functions.items()},
            log_group=reconcile.log_group,
            dead_letters=deployed.dead_letters,
            group_metrics=settings.runtime.group_metrics,
        )
        Dashboard(self, "Dashboard", shown=shown)

    def _topic(self, email: str | None) -> sns.Topic:
        """Make the topic, not encrypted with a key.

        CloudWatch cannot publish through AWS's own key, whose policy is not ours to change,
        and a key of ours costs a dollar a month; what alarms tell is no secret.
        https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html
        """
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
        if email is not None:
            topic.add_subscription(subscriptions.EmailSubscription(email))
        CfnOutput(
            Stack.of(self),
            "AlarmTopic",
            value=topic.topic_arn,
            description="Subscribe to this topic to be told of alarms",
        )
        return topic
