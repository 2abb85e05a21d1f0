"""`make lint`: cdk-nag and cfn-lint over what is synthesized, with everything switched on.

Every suppression stands here with its reason, so that the deployed templates carry none.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from aws_cdk import App, Aspects, Stack
from aws_cdk.assertions import Annotations, Match
from cdk_nag import AwsSolutionsChecks, NagPackSuppression, NagSuppressions, RegexAppliesTo

from infra.example_fleet import ExampleFleetStack
from infra.stack import TerminatorStack
from terminator.config import stack_settings as settings

_EVERYTHING: Final = {
    "groups": {"names": ["live_asg_web"], "tagged": True},
    "releases": {"bucket": "releases", "create": True},
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
        "All zips and pointers of the bucket are read, and all streams of the log written",
        ["/^Resource::.*/\\*$/", "/^Resource::.*:\\*$/"],
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


def main() -> int:
    """Return 0 where neither finds anything, 1 otherwise, with what they found."""
    with TemporaryDirectory() as folder:
        app = App(outdir=folder, context={"aws:cdk:bundling-stacks": []})
        stacks = _stacks(app)
        Aspects.of(app).add(AwsSolutionsChecks(verbose=True))
        found = [line for stack in stacks for line in _errors(stack)]
        app.synth()
        print("\n".join(found) or "cdk-nag: nothing found")  # noqa: T201
        return max(bool(found), _cfn_lint(Path(folder)))


def _stacks(app: App) -> list[Stack]:
    read = settings.read(_EVERYTHING)
    terminator = TerminatorStack(app, "Terminator", settings=read)
    example = ExampleFleetStack(app, "Example", settings=read)
    _suppress(terminator, _SUPPRESSED)
    _suppress(example, _SUPPRESSED_IN_EXAMPLE)
    return [terminator, example]


def _suppress(stack: Stack, suppressed: list[Suppression]) -> None:
    for rule, reason, meant in suppressed:
        applies_to: list[Any] = [
            RegexAppliesTo(regex=each) if each.startswith("/") else each for each in meant
        ]
        suppression = NagPackSuppression(id=rule, reason=reason, applies_to=applies_to or None)
        NagSuppressions.add_stack_suppressions(stack, [suppression])


def _errors(stack: Stack) -> list[str]:
    anything = Match.string_like_regexp(".*")
    annotations = Annotations.from_stack(stack)
    found = [*annotations.find_error("*", anything), *annotations.find_warning("*", anything)]
    return [f"{each.id}: {each.entry.data}" for each in found]


def _cfn_lint(folder: Path) -> bool:
    templates = [str(path) for path in sorted(folder.glob("*.template.json"))]
    # CDK says itself that a function depends on its role.
    lint = [str(Path(sys.executable).with_name("cfn-lint")), "--ignore-checks", "W3005", "--"]
    command = [*lint, *templates]
    done = subprocess.run(command, check=False)  # noqa: S603 - our own tool and templates
    print(f"cfn-lint: {len(templates)} templates, exit status {done.returncode}")  # noqa: T201
    return done.returncode != 0


if __name__ == "__main__":
    sys.exit(main())
