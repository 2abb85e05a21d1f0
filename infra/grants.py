"""What each function may do in AWS: pure functions that make IAM statements.

Where a statement allows `*` as a resource, its calls support no narrower one:
https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_iam as iam

from terminator.config.deployment import Config
from terminator.config.tags import ENABLED_TAG
from terminator.report.events import SOURCE


def describing() -> iam.PolicyStatement:
    """Allow reading groups, instances, load balancers and alarms.

    DescribeAlarms answers composite alarms only where it is allowed on `*`.
    """
    return iam.PolicyStatement(
        sid="Describe",
        actions=[
            "autoscaling:DescribeAutoScalingGroups",
            "autoscaling:DescribeInstanceRefreshes",
            "cloudwatch:DescribeAlarms",
            "ec2:DescribeInstances",
            "elasticloadbalancing:DescribeInstanceHealth",
            "elasticloadbalancing:DescribeTargetHealth",
        ],
        resources=["*"],
    )


def terminating(stack: Stack, config: Config) -> list[iam.PolicyStatement]:
    """Allow terminating members of the groups that opted in, by name or by tag."""
    statements = []
    if config.names:
        named = [_group(stack, _literal(name)) for name in config.names]
        statements.append(_terminating("TerminateNamed", named))
    if config.tagged:
        tagged = _terminating("TerminateTagged", [_group(stack, "*")])
        tagged.add_condition("StringEquals", {f"autoscaling:ResourceTag/{ENABLED_TAG}": "true"})
        statements.append(tagged)
    return statements


def _literal(name: str) -> str:
    """Return a name as it stands in a policy, where `*`, `?` and `$` would match others."""
    return re.sub(r"[*?$]", r"${\g<0>}", name)


def _terminating(sid: str, groups: Sequence[str]) -> iam.PolicyStatement:
    action = "autoscaling:TerminateInstanceInAutoScalingGroup"
    return iam.PolicyStatement(sid=sid, actions=[action], resources=list(groups))


def _group(stack: Stack, name: str) -> str:
    return stack.format_arn(
        service="autoscaling",
        resource="autoScalingGroup",
        resource_name=f"*:autoScalingGroupName/{name}",
        arn_format=ArnFormat.COLON_RESOURCE_NAME,
    )


def reading_releases(bucket_arn: str) -> list[iam.PolicyStatement]:
    """Allow listing the releases bucket, and reading its zips and pointers."""
    return [
        iam.PolicyStatement(
            sid="ListReleases", actions=["s3:ListBucketVersions"], resources=[bucket_arn]
        ),
        iam.PolicyStatement(
            sid="ReadReleases", actions=["s3:GetObject"], resources=[f"{bucket_arn}/*"]
        ),
    ]


def invoking(function_arns: Sequence[str]) -> iam.PolicyStatement:
    """Allow invoking functions of ours."""
    return iam.PolicyStatement(
        sid="Invoke", actions=["lambda:InvokeFunction"], resources=list(function_arns)
    )


def reporting_failures(queue_arn: str) -> iam.PolicyStatement:
    """Allow the Lambda service to tell the queue of failed invocations."""
    return iam.PolicyStatement(
        sid="ReportFailures", actions=["sqs:SendMessage"], resources=[queue_arn]
    )


def putting_events(stack: Stack) -> iam.PolicyStatement:
    """Allow putting events of ours to the default event bus."""
    bus = stack.format_arn(service="events", resource="event-bus", resource_name="default")
    return iam.PolicyStatement(
        sid="PutEvents",
        actions=["events:PutEvents"],
        resources=[bus],
        conditions={"StringEquals": {"events:source": SOURCE}},
    )


def tracing() -> iam.PolicyStatement:
    """Allow sending traces to X-Ray, which has no narrower resource."""
    return iam.PolicyStatement(
        sid="Trace",
        actions=["xray:PutTelemetryRecords", "xray:PutTraceSegments"],
        resources=["*"],
    )


def logging(log_group_arn: str) -> iam.PolicyStatement:
    """Allow writing to the function's own log group, whose ARN ends in `:*`: its streams."""
    return iam.PolicyStatement(
        sid="Log",
        actions=["logs:CreateLogStream", "logs:PutLogEvents"],
        resources=[log_group_arn],
    )


NETWORK_INTERFACE_CALLS = (
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
)


def network_interface() -> iam.PolicyStatement:
    """Allow the Lambda service to make the function's network interface, as it needs.

    https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html#configuration-vpc-permissions
    """
    return iam.PolicyStatement(
        sid="NetworkInterface", actions=list(NETWORK_INTERFACE_CALLS), resources=["*"]
    )


def no_network_interface_for_code(function_arn: str) -> iam.PolicyStatement:
    """Deny the function's own code what the Lambda service needs for its network interface."""
    return iam.PolicyStatement(
        sid="NotForCode",
        effect=iam.Effect.DENY,
        actions=list(NETWORK_INTERFACE_CALLS),
        resources=["*"],
        conditions={"ArnEquals": {"lambda:SourceFunctionArn": function_arn}},
    )
