"""The stack as it is synthesized from settings, without bundling."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from aws_cdk import App
from aws_cdk.assertions import Annotations, Match, Template

from infra.stack import TerminatorStack
from terminator.config.deployment import deployment_from_settings

VPC: Final = "vpc-0123456789abcdef0"
SUBNETS: Final = ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]
KMS_KEY: Final = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
# Everything that can be asked for at once.
FULL: Final[Mapping[str, Any]] = {
    "name": "keeper",
    "schedule": "rate(1 minute)",
    "groups": {"names": ["live_asg_web"], "tagged": True},
    "releases": {
        "bucket": "releases",
        "key": "builds/{app}/{version}.zip",
        "create": True,
        "apps": {"jobs": {"withdraw": {"silent": True, "alarms": ["jobs-failed"]}}},
    },
    "vpcs": {
        VPC: {"subnets": SUBNETS, "ports": [80, 8080], "cidrs": ["10.1.0.0/16", "2001:db8::/56"]},
    },
    "log_retention_days": 90,
    "group_metrics": True,
    "alarm_email": "oncall@example.com",
}
# The other choice wherever there is one.
OTHER: Final[Mapping[str, Any]] = {
    "schedule": "rate(1 hour)",
    "groups": {"names": ["live_asg_web"], "tagged": True},
    "releases": {
        "bucket": "theirs",
        "kms_key": KMS_KEY,
        "apps": {"jobs": {"withdraw": {"alarms": ["jobs-failed"]}}},
    },
    "architecture": "x86_64",
    "vpcs": {VPC: {"subnets": SUBNETS[:1]}},
    "reserve_concurrency": False,
    "tracing": True,
}
# As little as can be asked for.
LEAST: Final[Mapping[str, Any]] = {"groups": {"tagged": True}}
UNBUNDLED: Final[dict[str, Any]] = {"aws:cdk:bundling-stacks": []}
_IDS: Final = re.compile(r"\[ack: (terminator:\w+)\]")


def template(of: Mapping[str, Any]) -> dict[str, Any]:
    """Return the template that the settings lead to, each time a fresh copy."""
    made: dict[str, Any] = json.loads(_synthesized(json.dumps(of))[0])
    return made


def anew(of: Mapping[str, Any]) -> dict[str, Any]:
    """Synthesize again, and return the template."""
    made: dict[str, Any] = json.loads(_synthesized.__wrapped__(json.dumps(of))[0])
    return made


def warnings(of: Mapping[str, Any]) -> list[str]:
    """Return what synthesizing warns of, by the ids of the warnings."""
    return _IDS.findall(_synthesized(json.dumps(of))[1])


@cache
def _synthesized(text: str) -> tuple[str, str]:
    # Its validation would take longer than all the rest.
    app = App(builtin_cloud_formation_validation=False, context=UNBUNDLED)
    stack = _stack(app, json.loads(text))
    made = json.dumps(Template.from_stack(stack).to_json())
    warned = Annotations.from_stack(stack).find_warning("*", Match.any_value())
    return made, "\n".join(str(each.entry.data) for each in warned)


def complaints(of: Mapping[str, Any]) -> list[Any]:
    """Return what CDK's own validation of the template finds."""
    with TemporaryDirectory() as folder:
        app = App(outdir=folder, context=UNBUNDLED)
        _stack(app, of)
        app.synth()
        report = Path(folder, "validation-report.json").read_text(encoding="utf-8")
    return list(json.loads(report)["pluginReports"])


def _stack(app: App, of: Mapping[str, Any]) -> TerminatorStack:
    deployment = deployment_from_settings(of)
    name = deployment.config.name
    return TerminatorStack(app, "Terminator", deployment=deployment, stack_name=name)


def resources(of: Mapping[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    """Return a template's resources of a kind, such as `AWS::SQS::Queue`, by logical id."""
    return {id_: each for id_, each in of["Resources"].items() if each["Type"] == kind}


def only(of: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """Return the properties of a template's one resource of a kind."""
    [resource] = resources(of, kind).values()
    return dict(resource["Properties"])


def functions(of: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the properties of a template's functions, by handler: `reconcile`, `probe` …"""
    made = resources(of, "AWS::Lambda::Function").values()
    return {each["Properties"]["Handler"].split(".")[-1]: each["Properties"] for each in made}


def statements(of: Mapping[str, Any], handler: str) -> list[dict[str, Any]]:
    """Return what a template's policies say of a function's role; changes change the template."""
    role = functions(of)[handler]["Role"]["Fn::GetAtt"][0]
    return list(_statements(of, role))


def _statements(of: Mapping[str, Any], role: str) -> Iterator[dict[str, Any]]:
    for policy in resources(of, "AWS::IAM::Policy").values():
        if {"Ref": role} in policy["Properties"]["Roles"]:
            yield from policy["Properties"]["PolicyDocument"]["Statement"]


def listed(value: object) -> list[Any]:
    """Return a list as it is, and anything else as a list of one, as IAM reads its JSON."""
    return value if isinstance(value, list) else [value]


def text(value: Any) -> str:
    """Return a value of a template as text, in which `${X}` and `${X.Arn}` stand for others."""
    match value:
        case str():
            return value
        case {"Ref": name}:
            return f"${{{name}}}"
        case {"Fn::GetAtt": [name, attribute]}:
            return f"${{{name}.{attribute}}}"
        case {"Fn::Join": [separator, parts]}:
            return str(separator).join(map(text, parts))
        case _:
            raise ValueError(f"not a text: {value}")
