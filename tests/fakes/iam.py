"""Policies read as IAM does, and compared with what was done in AWS."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from sandbox import fleet, store
from tests.fakes.recorder import Recorder
from tests.infra.synthesized import functions, listed, resources, statements, text

HANDLERS: Final = ("reconcile", "release", "probe")
TERMINATE: Final = "autoscaling:TerminateInstanceInAutoScalingGroup"
GROUP: Final = (
    "arn:${AWS::Partition}:autoscaling:${AWS::Region}:${AWS::AccountId}"
    ":autoScalingGroup:00000000-0000-0000-0000-000000000000:autoScalingGroupName/"
)
# What IAM calls them, where that is not what the API does.
SERVICES: Final = {"elb": "elasticloadbalancing", "elbv2": "elasticloadbalancing"}
RENAMED: Final = {
    "s3:HeadObject": "s3:GetObject",
    "s3:ListObjectVersions": "s3:ListBucketVersions",
    "lambda:Invoke": "lambda:InvokeFunction",
}
NETWORK: Final = frozenset(
    {
        "ec2:AssignPrivateIpAddresses",
        "ec2:CreateNetworkInterface",
        "ec2:DeleteNetworkInterface",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSubnets",
        "ec2:UnassignPrivateIpAddresses",
    }
)
TRACING: Final = frozenset({"xray:PutTelemetryRecords", "xray:PutTraceSegments"})
# These support no narrower resource than `*`; DescribeAlarms does, but not for composite alarms.
ANYWHERE: Final = (
    NETWORK
    | TRACING
    | {
        "autoscaling:DescribeAutoScalingGroups",
        "autoscaling:DescribeInstanceRefreshes",
        "cloudwatch:DescribeAlarms",
        "ec2:DescribeInstances",
        "elasticloadbalancing:DescribeInstanceHealth",
        "elasticloadbalancing:DescribeTargetHealth",
    }
)


BUS: Final = "arn:${AWS::Partition}:events:${AWS::Region}:${AWS::AccountId}:event-bus/default"
# The keys that conditions ask for.
OPTED_IN: Final = "autoscaling:ResourceTag/terminator:enabled"
SOURCE: Final = "events:source"


@dataclass(frozen=True)
class Use:
    """An action on a resource, as IAM sees it; `said` is what a condition could ask for."""

    action: str
    resource: str = "*"
    said: tuple[str, str | None] | None = None


def uses(of: dict[str, Any], handler: str, recorder: Recorder) -> set[Use]:
    """Return what a function needs: its recorded calls, and what Lambda does on its behalf."""
    return {use(of, *call) for call in recorder.calls[handler]} | set(of_lambda(of, handler))


def use(of: dict[str, Any], api: str, about: str) -> Use:
    """Return what a recorded call is to IAM."""
    service, operation = api.split(":")
    name = f"{SERVICES.get(service, service)}:{operation}"
    action = RENAMED.get(name, name)
    if action == TERMINATE:
        return Use(action, GROUP + about, (OPTED_IN, "true" if about == fleet.API else None))
    if service == "events":
        return Use(action, BUS, (SOURCE, about))
    if service == "s3":
        return Use(action, about.replace(store.BUCKET, bucket(of), 1))
    return Use(action, arn_of(of, about) if service == "lambda" else "*")


def of_lambda(of: dict[str, Any], handler: str) -> Iterator[Use]:
    """Yield what the Lambda service does with a function's role."""
    stream = f"{log_group(of, handler)}:log-stream:2026/01/01/[$LATEST]0"
    yield from (Use(f"logs:{call}", stream) for call in ("CreateLogStream", "PutLogEvents"))
    [queue] = resources(of, "AWS::SQS::Queue")
    if handler == "probe":
        yield from map(Use, NETWORK)
    else:
        yield Use("sqs:SendMessage", f"${{{queue}.Arn}}")
    if "TracingConfig" in functions(of)[handler]:
        yield from map(Use, TRACING)


def bucket(of: dict[str, Any]) -> str:
    """Return the ARN of the releases bucket, as the template writes it."""
    made = list(resources(of, "AWS::S3::Bucket"))
    return f"${{{made[0]}.Arn}}" if made else "arn:${AWS::Partition}:s3:::theirs"


def arn_of(of: dict[str, Any], handler: str) -> str:
    """Return the ARN of a function, as the template writes it."""
    made = resources(of, "AWS::Lambda::Function").items()
    [id_] = [id_ for id_, each in made if each["Properties"]["Handler"].endswith(f".{handler}")]
    return f"${{{id_}.Arn}}"


def log_group(of: dict[str, Any], handler: str) -> str:
    """Return the log group of a function."""
    return f"log-group:{functions(of)[handler]['LoggingConfig']['LogGroup']['Ref']}"


def covers(pattern: str, resource: str) -> bool:
    """Say whether a policy's resource covers this one, as IAM matches."""
    pattern = re.sub(r"\$\{(\w+Logs\w+)\.Arn\}", r"log-group:\1:*", pattern)
    parts = re.split(r"(\$\{[*?$]\}|[*?])", pattern)
    wild = {"*": ".*", "?": "."}
    literal = {"${*}": "*", "${?}": "?", "${$}": "$"}
    expression = "".join(wild.get(part) or re.escape(literal.get(part, part)) for part in parts)
    return re.fullmatch(expression, resource) is not None


def allows(statement: dict[str, Any], action: str, resource: str, each: Use) -> bool:
    """Say whether a statement allows the use, by one of its actions on one of its resources."""
    said = {"StringEquals": dict([each.said])} if each.said else None
    if statement.get("Condition", said) != said:
        return False
    return action == each.action and covers(resource, each.resource)


def differences(of: dict[str, Any], handler: str, needed: Iterable[Use]) -> list[str]:
    """Compare what a function's role allows with what it needs; say what differs."""
    given = [
        (statement, action, text(resource))
        for statement in statements(of, handler)
        if statement["Effect"] == "Allow"
        for action in listed(statement["Action"])
        for resource in listed(statement["Resource"])
    ]
    stranger = Use(TERMINATE, f"{GROUP}stranger")
    forged = Use("events:PutEvents", BUS, (SOURCE, "aws.ec2"))
    return [
        *(
            f"may not {u.action} {u.resource}"
            for u in needed
            if not any(allows(*g, u) for g in given)
        ),
        *(f"need not {g[1]} {g[2]}" for g in given if not any(allows(*g, u) for u in needed)),
        *(f"may {g[1]} anywhere" for g in given if g[2] == "*" and g[1] not in ANYWHERE),
        *(f"may {g[1]} in any group" for g in given if allows(*g, stranger)),
        *(f"may {g[1]} in any name" for g in given if allows(*g, forged)),
        *(f"has the wildcard {g[1]}" for g in given if "*" in g[1]),
    ]
