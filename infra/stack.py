"""Terminator's stack: its functions, what starts them, and what each may do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from aws_cdk import Annotations, CfnOutput, Duration, RemovalPolicy, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda_destinations as destinations
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sqs as sqs

from infra import grants
from infra.bundle import code
from infra.function import TerminatorFunction
from infra.monitoring import Deployed, Monitoring
from terminator.config.stack_settings import ProbedVpc, Settings

if TYPE_CHECKING:
    from constructs import Construct

# A second look waits for half a minute, and groups are served one after the other.
_RECONCILE_TIMEOUT: Final = Duration.minutes(5)
_RELEASE_TIMEOUT: Final = Duration.minutes(1)
_PROBE_TIMEOUT: Final = Duration.minutes(2)


class TerminatorStack(Stack):
    """Reconcile on its schedule, release on uploads, and a probe in each VPC."""

    def __init__(self, scope: Construct, id_: str, *, settings: Settings, **options: Any) -> None:  # noqa: ANN401 - Stack's own
        super().__init__(scope, id_, **options)
        self._settings = settings
        self._code = code()
        self._dead_letters = self._queue()
        self.bucket = self._bucket()
        self.probes = {vpc.id: self._probe(vpc) for vpc in settings.vpcs}
        if not self.probes:
            Annotations.of(self).add_warning_v2(
                "terminator:noVpcs",
                "vpcs names no VPC, so there is no probe: no instance can be asked for its version",
            )
        self.reconcile = self._reconcile()
        self._schedule()
        release = {"release": self._release(self.bucket)} if self.bucket is not None else {}
        probes = {f"probe {id_}": probe for id_, probe in self.probes.items()}
        deployed = Deployed(self.reconcile, {**release, **probes}, self._dead_letters)
        Monitoring(self, "Monitoring", settings=settings, deployed=deployed)

    def _queue(self) -> sqs.Queue:
        return sqs.Queue(
            self,
            "DeadLetters",
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=Duration.days(14),
        )

    def _bucket(self) -> s3.IBucket | None:
        bucket = self._settings.runtime.bucket
        if bucket is None:
            return None
        if not self._settings.create_bucket:
            return s3.Bucket.from_bucket_name(self, "Releases", bucket.name)
        made = s3.Bucket(
            self,
            "Releases",
            bucket_name=bucket.name,
            versioned=True,
            encryption=s3.BucketEncryption.S3_MANAGED,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            enforce_ssl=True,
            removal_policy=RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
        )
        # The construct's own switch would deploy another function to set this property.
        made.node.default_child.add_property_override(  # type: ignore[union-attr]
            "NotificationConfiguration.EventBridgeConfiguration.EventBridgeEnabled", value=True
        )
        return made

    def _reconcile(self) -> TerminatorFunction:
        settings, arns = self._settings, [p.function.function_arn for p in self.probes.values()]
        statements = [grants.reporting_failures(self._dead_letters.queue_arn)]
        statements += [grants.describing(), *grants.terminating(self, settings.runtime)]
        statements += [grants.putting_events(self)]
        statements += [grants.invoking(arns)] if arns else []
        statements += grants.reading_releases(self.bucket.bucket_arn) if self.bucket else []
        probes = {id_: probe.function.function_name for id_, probe in self.probes.items()}
        return self._function(
            "reconcile",
            environment={"TERMINATOR_PROBES": self.to_json_string(probes)},
            statements=statements,
            timeout=_RECONCILE_TIMEOUT,
            reserved_concurrent_executions=1 if settings.reserve_concurrency else None,
            retry_attempts=0,
            on_failure=destinations.SqsDestination(self._dead_letters),
        )

    def _schedule(self) -> None:
        events.Rule(
            self,
            "Schedule",
            description="Runs Terminator",
            schedule=events.Schedule.expression(self._settings.schedule),
            targets=[self._target(self.reconcile)],
        )

    def _release(self, bucket: s3.IBucket) -> TerminatorFunction:
        release = self._function(
            "release",
            environment={"TERMINATOR_RECONCILE": self.reconcile.function.function_name},
            statements=[
                grants.reporting_failures(self._dead_letters.queue_arn),
                *grants.reading_releases(bucket.bucket_arn),
                grants.invoking([self.reconcile.function.function_arn]),
            ],
            timeout=_RELEASE_TIMEOUT,
            on_failure=destinations.SqsDestination(self._dead_letters),
        )
        keys = [{"suffix": ".zip"}, {"suffix": "/current"}]
        detail = {"bucket": {"name": [bucket.bucket_name]}, "object": {"key": keys}}
        events.Rule(
            self,
            "Uploads",
            description="Tells Terminator of a zip or a pointer that was uploaded",
            event_pattern=events.EventPattern(
                source=["aws.s3"], detail_type=["Object Created"], detail=detail
            ),
            targets=[self._target(release)],
        )
        return release

    def _target(self, to: TerminatorFunction) -> targets.LambdaFunction:
        return targets.LambdaFunction(to.function, dead_letter_queue=self._dead_letters)

    def _probe(self, of: ProbedVpc) -> TerminatorFunction:
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
        group = self._security_group(of, vpc)
        probe = self._function(
            f"probe-{of.id}",
            handler="probe.handler.probe",
            environment={},
            statements=[grants.network_interface()],
            timeout=_PROBE_TIMEOUT,
            vpc=vpc,
            vpc_subnets=ec2.SubnetSelection(subnets=vpc.private_subnets),
            security_groups=[group],
        )
        deny = grants.no_network_interface_for_code(probe.function.function_arn)
        iam.Policy(self, f"NotForCode{of.id}", statements=[deny], roles=[probe.role])
        return probe

    def _security_group(self, of: ProbedVpc, vpc: ec2.IVpc) -> ec2.SecurityGroup:
        group = ec2.SecurityGroup(
            self,
            f"ProbeGroup{of.id}",
            vpc=vpc,
            allow_all_outbound=False,
            description="Lets the probe of Terminator reach version ports, nothing else",
        )
        for cidr in of.cidrs:
            for port in of.ports:
                group.add_egress_rule(ec2.Peer.ipv4(cidr), ec2.Port.tcp(port), "GET /version")
        CfnOutput(
            self,
            f"ProbeSecurityGroup{of.id.replace('-', '')}",
            value=group.security_group_id,
            description=f"Let this group in to the version port of the instances in {of.id}",
        )
        return group

    def _function(self, name: str, *, handler: str = "", **options: Any) -> TerminatorFunction:  # noqa: ANN401 - TerminatorFunction's own
        settings = self._settings
        environment = options.pop("environment")
        if not handler:
            environment["TERMINATOR_CONFIG"] = json.dumps(dict(settings.texts), sort_keys=True)
        return TerminatorFunction(
            self,
            name.title().replace("-", ""),
            name=f"{settings.runtime.name}-{name}",
            handler=handler or f"handlers.{name}",
            settings=settings,
            code=self._code,
            environment=environment,
            memory_size=512,
            **options,
        )
