"""`make lint`: cdk-nag and cfn-lint over what is synthesized, with everything switched on.

Every suppression stands here with its reason, so that the deployed templates carry none.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from aws_cdk import App, Aspects, Environment, Stack
from aws_cdk.assertions import Annotations, Match
from cdk_nag import AwsSolutionsChecks, NagPackSuppression, NagSuppressions, RegexAppliesTo
from cfnlint import ManualArgs, lint_file  # type: ignore[import-untyped] # it has no types

from infra.example.fleet import ExampleFleetStack
from infra.stack import TerminatorStack
from terminator.config.deployment import deployment_from_settings

# A Region of each partition, and what is deployed there: in China there is no X-Ray for Lambda.
# https://docs.amazonaws.cn/en_us/aws/latest/userguide/lambda.html
PARTITIONS: Final[Mapping[str, Mapping[str, object]]] = {
    "eu-west-1": {},
    "cn-north-1": {"architecture": "x86_64", "tracing": False},
    "us-gov-west-1": {"architecture": "x86_64"},
}
_ACCOUNT: Final = "111122223333"
_EVERYTHING: Final = {
    "groups": {"names": ["live_asg_web"], "tagged": True},
    "releases": {
        "bucket": "releases",
        "create": True,
        "apps": {"web": {"withdraw": {"silent": True, "alarms": ["web-5xx"]}}},
    },
    "vpcs": {"vpc-0123456789abcdef0": {"subnets": ["subnet-0123456789abcdef0"]}},
    "example": True,
    "tracing": True,
    "group_metrics": True,
    "alarm_email": "oncall@example.com",
}

# Rule, reason, and what of it is meant: all of it where there is nothing.
Suppression = tuple[str, str, list[str]]
_SUPPRESSED: Final[list[Suppression]] = [
    (
        "AwsSolutions-IAM5",
        "These calls support no narrower resource, and Terminate is bound to a tag instead",
        ["Resource::*", "/^Resource::arn:.*:autoscaling:.*$/"],
    ),
    (
        "AwsSolutions-IAM5",
        "All zips and pointers are read, those of some apps taken back, all streams written",
        ["/^Resource::.*/\\*(\\.zip)?$/", "/^Resource::.*:\\*$/"],
    ),
    ("AwsSolutions-S1", "Who reads releases is told by CloudTrail where that is wanted", []),
    ("AwsSolutions-SQS3", "This is the dead-letter queue", []),
    ("AwsSolutions-L1", "Python 3.13 is what the bundle is made for", []),
]
_SUPPRESSED_IN_EXAMPLE: Final[list[Suppression]] = [
    ("AwsSolutions-VPC7", "An example that is looked at and thrown away needs no flow logs", []),
    ("AwsSolutions-ELB2", "Nor access logs", []),
    ("AwsSolutions-EC23", "The page of the example is there to be looked at", []),
    ("AwsSolutions-AS3", "Nor notifications of scaling", []),
    (
        "AwsSolutions-IAM5",
        "All zips and pointers of the example's app are read",
        ["/^Resource::.*/\\*$/"],
    ),
]


# CDK says itself that a function depends on its role. Where it is told the Region, as here, it
# names zones; what is deployed asks CloudFormation for them.
_IGNORED: Final = ["W3005", "W3010"]


def main() -> int:
    """Return 0 where neither finds anything, 1 otherwise, with what they found."""
    found: list[str] = []
    for region in PARTITIONS:
        found += [f"{region}: {each}" for each in problems(everything(region), region)]
    where = ", ".join(PARTITIONS)
    print("\n".join(found) or f"cdk-nag and cfn-lint: nothing found for {where}")  # noqa: T201
    return 1 if found else 0


def everything(region: str) -> App:
    """Return the app with all that can be deployed to a Region, and the suppressions."""
    app = App(context={"aws:cdk:bundling-stacks": []})
    deployment = deployment_from_settings({**_EVERYTHING, **PARTITIONS[region]})
    there = Environment(account=_ACCOUNT, region=region)
    for stack, suppressed in (
        (TerminatorStack(app, "Terminator", deployment=deployment, env=there), _SUPPRESSED),
        (
            ExampleFleetStack(app, "Example", deployment=deployment, env=there),
            _SUPPRESSED_IN_EXAMPLE,
        ),
    ):
        for rule, reason, meant in suppressed:
            applies_to: list[Any] = [
                RegexAppliesTo(regex=each) if each.startswith("/") else each for each in meant
            ]
            suppression = NagPackSuppression(id=rule, reason=reason, applies_to=applies_to or None)
            NagSuppressions.add_stack_suppressions(stack, [suppression])
    return app


def problems(app: App, region: str) -> list[str]:
    """Synthesize the app; return what the CDK, cdk-nag and cfn-lint say against its stacks."""
    Aspects.of(app).add(AwsSolutionsChecks(verbose=True))
    anything = Match.string_like_regexp(".*")
    found = []
    for stack in app.node.children:
        if isinstance(stack, Stack):
            said = Annotations.from_stack(stack)
            messages = [*said.find_error("*", anything), *said.find_warning("*", anything)]
            found += [f"{each.id}: {each.entry.data}" for each in messages]
    for made in app.synth().stacks:
        path = Path(made.template_full_path)
        matches = lint_file(path, ManualArgs(ignore_checks=_IGNORED, regions=[region]))
        found += [f"{path.name}: {each.rule.id}: {each.message}" for each in matches]
    return found


if __name__ == "__main__":
    sys.exit(main())
