"""Terminator's stack: its functions, what starts them, and what watches them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from aws_cdk import Annotations, CfnOutput, Duration, RemovalPolicy, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda_destinations as destinations
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sqs as sqs

from infra import bundle, grants
from infra.dashboard import Dashboard, SavedQueries
from infra.function import TerminatorFunction
from infra.monitoring import Monitoring
from terminator.config.deployment import Deployment, ProbedVpc
from terminator.probe.addresses import NETWORKS

if TYPE_CHECKING:
    from constructs import Construct

# A second look waits for half a minute, and groups are served one after the other.
_RECONCILE_TIMEOUT: Final = Duration.minutes(5)
_RELEASE_TIMEOUT: Final = Duration.minutes(1)
_PROBE_TIMEOUT: Final = Duration.minutes(2)


class TerminatorStack(Stack):
    """Reconcile on its schedule, release on uploads, and a probe in each VPC."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        deployment: Deployment,
        **options: Any,  # noqa: ANN401 - Stack's own
    ) -> None:
        super().__init__(scope, id_, **options)
        self._deployment, self._code = deployment, bundle.code(deployment.architecture)
        self._dead_letters = sqs.Queue(
            self,
            "DeadLetters",
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=Duration.days(14),
        )
        bucket = self._bucket()
        probes = {vpc.id: self._probe(vpc) for vpc in deployment.vpcs}
        if not probes and deployment.config.defaults.follows_release:
            Annotations.of(self).add_warning_v2(
                "terminator:noVpcs",
                "vpcs names no VPC, so there is no probe: no instance can be asked for its version",
            )
        withdraws = deployment.config.bucket is not None and deployment.config.bucket.withdraws
        withdraw = self._withdraw(bucket) if bucket is not None and withdraws else None
        reconcile = self._reconcile(probes, bucket, withdraw)
        functions = {"reconcile": reconcile}
        if bucket is not None:
            functions["release"] = self._release(reconcile, bucket)
        if withdraw is not None:
            functions["withdraw"] = withdraw
        functions |= {f"probe {id_}": probe for id_, probe in probes.items()}
        monitoring = Monitoring(
            self,
            "Monitoring",
            deployment=deployment,
            reconcile=reconcile.function,
            dead_letters=self._dead_letters,
        )
        name, log_group = deployment.config.name, reconcile.log_group
        SavedQueries(monitoring, "Queries", name=name, log_group=log_group)
        Dashboard(
            monitoring,
            "Dashboard",
            deployment=deployment,
            alarms=monitoring.alarms,
            functions={label: each.function for label, each in functions.items()},
            log_group=log_group,
            dead_letters=self._dead_letters,
        )

    def _bucket(self) -> s3.IBucket | None:
        """Return the releases bucket: made here, or one that there is."""
        bucket = self._deployment.config.bucket
        if bucket is None:
            return None
        if not self._deployment.create_bucket:
            return s3.Bucket.from_bucket_name(self, "Releases", bucket.name)
        made = s3.Bucket(
            self,
            "Releases",
            bucket_name=bucket.name,
            versioned=True,
            **_encryption(self, bucket.kms_key),
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            enforce_ssl=True,
            removal_policy=RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
        )
        # The construct's own switch would deploy another function to set this property.
        made.node.default_child.add_property_override(  # type: ignore[union-attr]
            "NotificationConfiguration.EventBridgeConfiguration.EventBridgeEnabled", value=True
        )
        return made

    def _reconcile(
        self,
        probes: dict[str, TerminatorFunction],
        bucket: s3.IBucket | None,
        withdraw: TerminatorFunction | None,
    ) -> TerminatorFunction:
        """Make reconcile, which knows the probe of each VPC, and its schedule."""
        names = {id_: probe.function.function_name for id_, probe in probes.items()}
        invokes = [each.function.function_arn for each in probes.values()]
        takes_back: dict[str, str] = {}
        if withdraw is not None:
            invokes.append(withdraw.function.function_arn)
            takes_back["TERMINATOR_WITHDRAW"] = withdraw.function.function_name
        reconcile = self._function(
            "reconcile",
            environment={
                "TERMINATOR_ACCOUNT": self.account,
                "TERMINATOR_PROBES": self.to_json_string(names),
                **takes_back,
            },
            statements=grants.for_reconcile(
                self,
                self._deployment.config,
                queue=self._dead_letters.queue_arn,
                invokes=invokes,
                bucket=None if bucket is None else bucket.bucket_arn,
            ),
            timeout=_RECONCILE_TIMEOUT,
            reserved_concurrent_executions=1 if self._deployment.reserve_concurrency else None,
            retry_attempts=0,
            # What is older than a period reconcile drops. Behind one run, however long, events come
            # to be that old, which no alarm need tell; of more it should.
            max_event_age=Duration.seconds(
                self._deployment.config.longest_lateness.total_seconds()
                + _RECONCILE_TIMEOUT.to_seconds()
            ),
            on_failure=destinations.SqsDestination(self._dead_letters),
        )
        every = Duration.minutes(self._deployment.config.period // timedelta(minutes=1))
        events.Rule(
            self,
            "Schedule",
            description="Runs Terminator",
            schedule=events.Schedule.rate(every),
            targets=[self._target(reconcile)],
        )
        return reconcile

    def _release(self, reconcile: TerminatorFunction, bucket: s3.IBucket) -> TerminatorFunction:
        """Make release, which is told of what is uploaded or deleted, and asks for reconcile."""
        release = self._function(
            "release",
            environment={
                "TERMINATOR_ACCOUNT": self.account,
                "TERMINATOR_RECONCILE": reconcile.function.function_name,
            },
            statements=grants.for_release(
                self,
                self._deployment.config,
                queue=self._dead_letters.queue_arn,
                reconcile=reconcile.function.function_arn,
                bucket=bucket.bucket_arn,
            ),
            timeout=_RELEASE_TIMEOUT,
            # However many uploads there are, they do not take the account's concurrency, which the
            # probe needs; and one process counts the events of an app.
            reserved_concurrent_executions=1 if self._deployment.reserve_concurrency else None,
            # The schedule has served the app long before; only what was wrong is still told.
            max_event_age=Duration.hours(1),
            on_failure=destinations.SqsDestination(self._dead_letters),
        )
        released = self._deployment.config.bucket
        ending = ".zip" if released is None else released.template.ending
        keys = [{"suffix": ending}, {"suffix": "/current"}]
        detail = {"bucket": {"name": [bucket.bucket_name]}, "object": {"key": keys}}
        # A lifecycle rule may delete thousands of old versions at once, and changes nothing that
        # could not wait for the schedule.
        by_somebody = {**detail, "reason": events.Match.anything_but("Lifecycle Expiration")}
        for id_, kind, what in (
            ("Uploads", "Object Created", detail),
            ("Deletions", "Object Deleted", by_somebody),
        ):
            done = "uploaded" if id_ == "Uploads" else "deleted"
            events.Rule(
                self,
                id_,
                description=f"Tells Terminator of a zip or a pointer that was {done}",
                event_pattern=events.EventPattern(
                    source=["aws.s3"], detail_type=[kind], detail=what
                ),
                targets=[self._target(release)],
            )
        return release

    def _withdraw(self, bucket: s3.IBucket) -> TerminatorFunction:
        """Make withdraw, which takes back the release that reconcile has judged, and no more."""
        return self._function(
            "withdraw",
            environment={"TERMINATOR_ACCOUNT": self.account},
            statements=grants.for_withdraw(
                self,
                self._deployment.config,
                queue=self._dead_letters.queue_arn,
                bucket=bucket.bucket_arn,
            ),
            timeout=_RELEASE_TIMEOUT,
            # It is invoked and waited for; whoever does not wait must not have it try again.
            retry_attempts=0,
            on_failure=destinations.SqsDestination(self._dead_letters),
        )

    def _target(self, to: TerminatorFunction) -> targets.LambdaFunction:
        return targets.LambdaFunction(to.function, dead_letter_queue=self._dead_letters)

    def _probe(self, of: ProbedVpc) -> TerminatorFunction:
        """Make the probe of a VPC, which reaches the version ports of its networks alone."""
        vpc = ec2.Vpc.from_vpc_attributes(
            self,
            f"Vpc{of.id}",
            vpc_id=of.id,
            availability_zones=list(of.subnets),
            private_subnet_ids=list(of.subnets),
        )
        Annotations.of(vpc).acknowledge_warning(
            "@aws-cdk/aws-ec2:noSubnetRouteTableId", "no route is added to these subnets"
        )
        group = ec2.SecurityGroup(
            self,
            f"ProbeGroup{of.id}",
            vpc=vpc,
            allow_all_outbound=False,
            description="Lets the probe of Terminator reach version ports, nothing else",
        )
        for cidr in of.cidrs:
            peer = ec2.Peer.ipv6(cidr) if ":" in cidr else ec2.Peer.ipv4(cidr)
            for port in of.ports:
                group.add_egress_rule(peer, ec2.Port.tcp(port), "GET /version")
        CfnOutput(
            self,
            f"ProbeSecurityGroup{of.id.replace('-', '')}",
            value=group.security_group_id,
            description=f"Let this group in to the version port of the instances in {of.id}",
        )
        probe = self._function(
            f"probe-{of.id}",
            handler="probe.handler.probe",
            environment={NETWORKS: " ".join(of.cidrs)},
            settings=False,
            statements=grants.for_probe(),
            timeout=_PROBE_TIMEOUT,
            vpc=vpc,
            vpc_subnets=ec2.SubnetSelection(subnets=vpc.private_subnets),
            security_groups=[group],
            # Only subnets that have IPv6 addresses may be named with this.
            ipv6_allowed_for_dual_stack=any(":" in cidr for cidr in of.cidrs) or None,
        )
        deny = grants.against_probe(probe.function.function_arn)
        iam.Policy(self, f"NotForCode{of.id}", statements=[deny], roles=[probe.role])
        return probe

    def _function(self, name: str, *, handler: str = "", **options: Any) -> TerminatorFunction:  # noqa: ANN401 - TerminatorFunction's own
        return TerminatorFunction(
            self,
            name.title().replace("-", ""),
            name=name,
            handler=handler or f"handlers.{name}",
            deployment=self._deployment,
            code=self._code,
            **options,
        )


def _encryption(scope: Construct, kms_key: str | None) -> dict[str, Any]:
    """Return how a bucket is encrypted: with the customer's key, or with S3's own."""
    if kms_key is None:
        return {"encryption": s3.BucketEncryption.S3_MANAGED}
    key = kms.Key.from_key_arn(scope, "ReleasesKey", kms_key)
    # One key for the bucket's objects of a while: a call of KMS for each object costs more.
    made = {"encryption": s3.BucketEncryption.KMS, "encryption_key": key}
    return {**made, "bucket_key_enabled": True}
