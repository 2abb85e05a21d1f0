"""What each function may do in AWS: all IAM statements of the deployment, as pure functions.

Where a statement allows `*` as a resource, its calls support no narrower one:
https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_iam as iam

from terminator.config.deployment import Config
from terminator.config.tags import ENABLED_TAG
from terminator.report.events import SOURCE

# What the Lambda service needs to place a function in a VPC:
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html#configuration-vpc-permissions
_NETWORK_INTERFACE: Final = (
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
)


def for_every_function(log_group_arn: str, *, tracing: bool) -> list[iam.PolicyStatement]:
    """Allow writing to the function's own log group, whose ARN ends in `:*`, and traces."""
    traces = ("xray:PutTelemetryRecords", "xray:PutTraceSegments")
    return [
        *([_statement("Trace", traces, ["*"])] if tracing else []),
        _statement("Log", ["logs:CreateLogStream", "logs:PutLogEvents"], [log_group_arn]),
    ]


def for_reconcile(
    stack: Stack, config: Config, *, queue: str, invokes: Sequence[str], bucket: str | None
) -> list[iam.PolicyStatement]:
    """Allow what reconcile does; queue, bucket and the functions it invokes are ARNs."""
    return [
        _report_failures(queue),
        _statement(
            "Describe",
            [
                "autoscaling:DescribeAutoScalingGroups",
                "autoscaling:DescribeInstanceRefreshes",
                "autoscaling:DescribeScalingActivities",
                # Of composite alarms these tell only where they are allowed on `*`.
                "cloudwatch:DescribeAlarmHistory",
                "cloudwatch:DescribeAlarms",
                "ec2:DescribeInstances",
                "ec2:DescribeLaunchTemplateVersions",
                "elasticloadbalancing:DescribeInstanceHealth",
                "elasticloadbalancing:DescribeTargetHealth",
            ],
            ["*"],
        ),
        *([_resolve_images(stack)] if config.defaults.images else []),
        *terminating(stack, config),
        *(surging(stack, config) if config.defaults.may_surge else []),
        _put_events(_default_bus(stack)),
        *([_invoke(invokes)] if invokes else []),
        *(_read_releases(stack, config, bucket, history=True) if bucket is not None else []),
        *(_look_before_withdrawing(stack, config, bucket) if bucket is not None else []),
    ]


def for_release(
    stack: Stack, config: Config, *, queue: str, reconcile: str, bucket: str
) -> list[iam.PolicyStatement]:
    """Allow what release does; queue, function and bucket are named by their ARNs."""
    return [
        _report_failures(queue),
        _statement("Describe", ["autoscaling:DescribeAutoScalingGroups"], ["*"]),
        *_read_releases(stack, config, bucket),
        _invoke([reconcile]),
        _put_events(_default_bus(stack)),
    ]


def for_withdraw(
    stack: Stack, config: Config, *, queue: str, bucket: str
) -> list[iam.PolicyStatement]:
    """Allow a delete marker on a zip of the apps that it is switched on for, and tags below it.

    Only where the zip is still the one that was judged: a call that does not name its ETag is
    refused, and naming it takes s3:GetObject.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-delete-enforce.html
    """
    owned, zips = _owned(stack, config), _zips(config, bucket)
    judged = {**owned, "Null": {"s3:if-match": "false"}}
    return [
        _report_failures(queue),
        _statement("PutDeleteMarker", ["s3:DeleteObject"], zips, judged),
        _statement("CompareETag", ["s3:GetObject"], zips, owned),
        _statement(
            "TagWhatIsBelow",
            ["s3:GetObjectVersionTagging", "s3:PutObjectVersionTagging"],
            zips,
            owned,
        ),
    ]


def for_probe() -> list[iam.PolicyStatement]:
    """Allow the Lambda service to make the network interface of the probe."""
    return [_statement("NetworkInterface", _NETWORK_INTERFACE, ["*"])]


def against_probe(function_arn: str) -> iam.PolicyStatement:
    """Deny the probe's own code what the Lambda service needs for its network interface."""
    return iam.PolicyStatement(
        sid="NotForCode",
        effect=iam.Effect.DENY,
        actions=list(_NETWORK_INTERFACE),
        resources=["*"],
        conditions={"ArnEquals": {"lambda:SourceFunctionArn": function_arn}},
    )


def terminating(stack: Stack, config: Config) -> list[iam.PolicyStatement]:
    """Allow terminating members of the groups that opted in, by name or by tag."""
    return _of_groups(stack, config, "Terminate", "TerminateInstanceInAutoScalingGroup")


def surging(stack: Stack, config: Config) -> list[iam.PolicyStatement]:
    """Allow starting an instance refresh of the groups that opted in, by name or by tag."""
    return _of_groups(stack, config, "Refresh", "StartInstanceRefresh")


def _of_groups(stack: Stack, config: Config, sid: str, operation: str) -> list[iam.PolicyStatement]:
    """Allow one call of Auto Scaling about the groups that opted in."""

    def group(name: str) -> str:
        return stack.format_arn(
            service="autoscaling",
            resource="autoScalingGroup",
            resource_name=f"*:autoScalingGroupName/{name}",
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        )

    call = [f"autoscaling:{operation}"]
    # `*`, `?` and `$` in a name would match other names.
    named = [group(re.sub(r"[*?$]", r"${\g<0>}", name)) for name in config.names]
    opted_in = {"StringEquals": {f"autoscaling:ResourceTag/{ENABLED_TAG}": "true"}}
    return [
        *([_statement(f"{sid}Named", call, named)] if named else []),
        *([_statement(f"{sid}Tagged", call, [group("*")], opted_in)] if config.tagged else []),
    ]


def _read_releases(
    stack: Stack, config: Config, bucket: str, *, history: bool = False
) -> list[iam.PolicyStatement]:
    """Allow reading the releases, and for their history old versions and how long they stay."""
    kms_key, owned = config.bucket.kms_key if config.bucket else None, _owned(stack, config)
    decrypt = [_statement("DecryptReleases", ["kms:Decrypt"], [kms_key])] if kms_key else []
    of_bucket = ["s3:GetLifecycleConfiguration"] if history else []
    of_objects = ["s3:GetObjectVersion"] if history else []
    return [
        _statement("ListReleases", [*of_bucket, "s3:ListBucketVersions"], [bucket], owned),
        _statement("ReadReleases", ["s3:GetObject", *of_objects], [f"{bucket}/*"], owned),
        *decrypt,
    ]


def _look_before_withdrawing(
    stack: Stack, config: Config, bucket: str
) -> list[iam.PolicyStatement]:
    """Allow asking whether a release can be taken back, where it is switched on for any app."""
    zips, owned = _zips(config, bucket), _owned(stack, config)
    if not zips:
        return []
    return [
        _statement("AskVersioning", ["s3:GetBucketVersioning"], [bucket], owned),
        _statement("ReadTags", ["s3:GetObjectVersionTagging"], zips, owned),
    ]


def _zips(config: Config, bucket: str) -> list[str]:
    """Return the zips of those apps whose releases may be taken back."""
    given = config.bucket
    if given is None:
        return []
    template = given.template
    return [f"{bucket}/{template.prefix(app)}*{template.ending}" for app in sorted(given.withdraws)]


def _owned(stack: Stack, config: Config) -> dict[str, Any]:
    """Return the condition that nothing is asked of a bucket that somebody else made."""
    account = (config.bucket.account if config.bucket else None) or stack.account
    return {"StringEquals": {"s3:ResourceAccount": account}}


def _default_bus(stack: Stack) -> str:
    return stack.format_arn(service="events", resource="event-bus", resource_name="default")


def _put_events(bus: str) -> iam.PolicyStatement:
    """Allow putting events in our name: a call has as many sources as entries, all of them ours.

    `events:source` is a multivalued key, so it needs a set operator, which a call without any
    source would satisfy too:
    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-conditions.html
    """
    ours = {"ForAllValues:StringEquals": {"events:source": SOURCE}}
    return _statement(
        "PutEvents", ["events:PutEvents"], [bus], {**ours, "Null": {"events:source": "false"}}
    )


def _resolve_images(stack: Stack) -> iam.PolicyStatement:
    """Allow EC2 to look up, for reconcile, the images that launch templates name by parameters.

    https://docs.aws.amazon.com/autoscaling/ec2/userguide/using-systems-manager-parameters.html
    """
    own = stack.format_arn(service="ssm", resource="parameter", resource_name="*")
    # AWS's public parameters belong to no account.
    public = stack.format_arn(service="ssm", resource="parameter", resource_name="*", account="")
    return _statement("ResolveImages", ["ssm:GetParameters"], [own, public])


def _invoke(functions: Sequence[str]) -> iam.PolicyStatement:
    return _statement("Invoke", ["lambda:InvokeFunction"], functions)


def _report_failures(queue: str) -> iam.PolicyStatement:
    # The Lambda service tells the queue of failed invocations, by the function's role.
    return _statement("ReportFailures", ["sqs:SendMessage"], [queue])


def _statement(
    sid: str,
    actions: Sequence[str],
    resources: Sequence[str],
    conditions: dict[str, Any] | None = None,
) -> iam.PolicyStatement:
    return iam.PolicyStatement(
        sid=sid, actions=list(actions), resources=list(resources), conditions=conditions
    )
