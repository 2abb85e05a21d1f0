"""Least privilege, exactly: what the handlers do in AWS against what their roles allow.

The handlers run on a local fleet, every AWS call that they make is recorded, and policies are
read as IAM does: each call must be allowed, and whatever is allowed must be needed by one.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import boto3
import pytest
from aws_cdk import App, Stack

import terminator
from infra import grants
from sandbox import fleet, store
from sandbox.local_aws import LocalAws
from terminator import handlers
from terminator.config.deployment import from_settings
from tests.fakes.iam import Use, allows, covers
from tests.fakes.lambda_like import HANDLERS
from tests.fakes.recorder import BEFORE, JOBS, Recorder, run_all
from tests.infra.synthesized import (
    FULL,
    KMS_KEY,
    LEAST,
    OTHER,
    functions,
    listed,
    resources,
    statements,
    template,
    text,
)

REFRESH: Final = "autoscaling:StartInstanceRefresh"
TERMINATE: Final = "autoscaling:TerminateInstanceInAutoScalingGroup"
GROUP: Final = (
    "arn:${AWS::Partition}:autoscaling:${AWS::Region}:${AWS::AccountId}"
    ":autoScalingGroup:00000000-0000-0000-0000-000000000000:autoScalingGroupName/"
)
# What IAM calls them, where that is not what the API does.
SERVICES: Final = {"elb": "elasticloadbalancing", "elbv2": "elasticloadbalancing"}
RENAMED: Final = {
    "s3:GetBucketLifecycleConfiguration": "s3:GetLifecycleConfiguration",
    "s3:DeleteObjectIfMatch": "s3:DeleteObject",
    "s3:GetObjectTaggingVersion": "s3:GetObjectVersionTagging",
    "s3:PutObjectTaggingVersion": "s3:PutObjectVersionTagging",
    "s3:HeadObject": "s3:GetObject",
    "s3:HeadObjectVersion": "s3:GetObjectVersion",
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
# These support no narrower resource than `*`; those of alarms do, but not for composite alarms.
ANYWHERE: Final = (
    NETWORK
    | TRACING
    | {
        "autoscaling:DescribeAutoScalingGroups",
        "autoscaling:DescribeInstanceRefreshes",
        "autoscaling:DescribeScalingActivities",
        "cloudwatch:DescribeAlarmHistory",
        "cloudwatch:DescribeAlarms",
        "ec2:DescribeInstances",
        "ec2:DescribeLaunchTemplateVersions",
        "elasticloadbalancing:DescribeInstanceHealth",
        "elasticloadbalancing:DescribeTargetHealth",
    }
)


BUS: Final = "arn:${AWS::Partition}:events:${AWS::Region}:${AWS::AccountId}:event-bus/default"
# The keys that conditions ask for.
OWNER, OWN = "s3:ResourceAccount", "${AWS::AccountId}"
IF_MATCH: Final = "s3:if-match"
OPTED_IN: Final = "autoscaling:ResourceTag/terminator:enabled"
SOURCE: Final = "events:source"

# What the recorder adds to the name of an API.
PLAIN: Final = re.compile(r"(?<=Object|agging)(Version|IfMatch)$")

EACH = pytest.mark.parametrize("handler", HANDLERS)
ALL = pytest.mark.parametrize("settings", [FULL, OTHER], ids=["full", "other"])


@pytest.fixture(scope="module")
def recorded(shared_aws: LocalAws) -> Iterator[Recorder]:
    """Run every flow in which the handlers call AWS."""
    with (
        fleet.running(ahead=fleet.SETTLED + BEFORE, on=shared_aws) as local,
        pytest.MonkeyPatch.context() as patch,
    ):
        fleet.prepare(local)
        yield run_all(local, patch)
    handlers._config.cache_clear()  # noqa: SLF001 - a container reads it once


def uses(of: dict[str, Any], handler: str, recorder: Recorder) -> set[Use]:
    """Return what a function needs: its recorded calls, and what Lambda does on its behalf."""
    found = {use(of, *call) for call in recorder.calls[handler]}
    # To compare an ETag takes the permission to read.
    compared = {replace(each, action="s3:GetObject", also=None) for each in found if each.also}
    return found | compared | set(of_lambda(of, handler))


def use(of: dict[str, Any], api: str, about: str) -> Use:
    """Return what a recorded call is to IAM."""
    service, operation = api.split(":")
    name = f"{SERVICES.get(service, service)}:{operation}"
    action = RENAMED.get(name, name)
    if action in {TERMINATE, REFRESH}:
        return Use(action, GROUP + about, (OPTED_IN, None if about == fleet.WEB else "true"))
    if service == "events":
        return Use(action, BUS, (SOURCE, about))
    if service == "s3":
        about = about.replace(f"{store.BUCKET}/", f"{store.BUCKET}/{folder(of)}")
        judged = (IF_MATCH, "an ETag") if operation.endswith("IfMatch") else None
        return Use(action, about.replace(store.BUCKET, bucket(of), 1), (OWNER, OWN), judged)
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
    told = functions(of)[handler].get("Environment", {}).get("Variables", {})
    if "kms_key" in told.get("TERMINATOR_CONFIG", "") and handler != "withdraw":
        # S3 decrypts what it reads with the caller's permission.
        yield Use("kms:Decrypt", KMS_KEY)
    if "TracingConfig" in functions(of)[handler]:
        yield from map(Use, TRACING)


def bucket(of: dict[str, Any]) -> str:
    """Return the ARN of the releases bucket, as the template writes it."""
    made = list(resources(of, "AWS::S3::Bucket"))
    return f"${{{made[0]}.Arn}}" if made else "arn:${AWS::Partition}:s3:::theirs"


def folder(of: dict[str, Any]) -> str:
    """Return where in its bucket a template has the folders of its apps."""
    told = json.loads(functions(of)["release"]["Environment"]["Variables"]["TERMINATOR_CONFIG"])
    return str(told["releases"].get("key", "{app}")).partition("{app}")[0]


def arn_of(of: dict[str, Any], handler: str) -> str:
    """Return the ARN of a function, as the template writes it."""
    made = resources(of, "AWS::Lambda::Function").items()
    [id_] = [id_ for id_, each in made if each["Properties"]["Handler"].endswith(f".{handler}")]
    return f"${{{id_}.Arn}}"


def log_group(of: dict[str, Any], handler: str) -> str:
    """Return the log group of a function."""
    return f"log-group:{functions(of)[handler]['LoggingConfig']['LogGroup']['Ref']}"


def differences(of: dict[str, Any], handler: str, needed: Iterable[Use]) -> list[str]:
    """Compare what a function's role allows with what it needs; say what differs."""
    # A log group's ARN ends in `:*`: all of its streams.
    log = f"${{{functions(of)[handler]['LoggingConfig']['LogGroup']['Ref']}.Arn}}"
    given = [
        (statement, action, text(resource).replace(log, f"{log_group(of, handler)}:*"))
        for statement in statements(of, handler)
        if statement["Effect"] == "Allow"
        for action in listed(statement["Action"])
        for resource in listed(statement["Resource"])
    ]
    strangers = [Use(action, f"{GROUP}stranger") for action in (TERMINATE, REFRESH)]
    forged = [Use("events:PutEvents", BUS, (SOURCE, source)) for source in ("aws.ec2", None)]
    unjudged = [replace(each, also=None) for each in needed if each.also]
    taken = [replace(u, said=(OWNER, "999999999999")) for u in needed if u.said == (OWNER, OWN)]
    return [
        *(f"may {u.action} of another account" for u in taken if any(allows(*g, u) for g in given)),
        *(f"may {u.action} unseen" for u in unjudged if any(allows(*g, u) for g in given)),
        *(
            f"may not {u.action} {u.resource}"
            for u in needed
            if not any(allows(*g, u) for g in given)
        ),
        *(f"need not {g[1]} {g[2]}" for g in given if not any(allows(*g, u) for u in needed)),
        *(f"may {g[1]} anywhere" for g in given if g[2] == "*" and g[1] not in ANYWHERE),
        *(f"may {g[1]} in any group" for g in given if any(allows(*g, u) for u in strangers)),
        *(f"may {g[1]} in any name" for g in given if any(allows(*g, each) for each in forged)),
        *(f"has the wildcard {g[1]}" for g in given if "*" in g[1]),
    ]


@EACH
@ALL
def test_a_role_allows_what_its_function_does_and_no_more(
    recorded: Recorder, settings: Mapping[str, Any], handler: str
) -> None:
    of = template(settings)
    assert differences(of, handler, uses(of, handler, recorded)) == []


def test_the_flows_make_every_call_that_is_in_the_code(recorded: Recorder) -> None:
    made = {PLAIN.sub("", api) for calls in recorded.calls.values() for api, _ in calls}
    known = {
        name: f"{service}:{api}"
        for service in boto3.Session.get_available_services(boto3.Session())
        if service in {api.partition(":")[0] for api in made}
        for name, api in client(service).meta.method_to_api_mapping.items()
    }
    assert {known[name] for name in names_in_the_code() if name in known} == made


def client(service: str) -> Any:
    return boto3.client(service, region_name="eu-west-1")  # type: ignore[call-overload]


def names_in_the_code() -> set[str]:
    """Return the names of methods called, and of what is paginated, in what is deployed."""
    folder = Path(terminator.__file__).parent
    calls = [
        node
        for path in folder.rglob("*.py")
        if path.parent.name != "probe"  # which speaks to instances alone
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    ]
    paged = (arg.value for call in calls for arg in call.args if isinstance(arg, ast.Constant))
    methods = (call.func.attr for call in calls if isinstance(call.func, ast.Attribute))
    return {*methods, *(name for name in paged if isinstance(name, str))}


def test_the_probe_makes_no_call_at_all(recorded: Recorder) -> None:
    assert recorded.calls["probe"] == set()


def test_only_reconcile_terminates(recorded: Recorder) -> None:
    terminating = {
        (h, about)
        for h, calls in recorded.calls.items()
        for api, about in calls
        if api.endswith(":TerminateInstanceInAutoScalingGroup")
    }
    assert terminating == {("reconcile", name) for name in (fleet.WEB, fleet.API, JOBS)}
    for handler in ("release", "probe", "withdraw"):
        allowed = [listed(each["Action"]) for each in statements(template(FULL), handler)]
        assert TERMINATE not in [action for actions in allowed for action in actions]


@ALL
def test_only_withdraw_deletes_and_then_no_version_and_nothing_else(
    recorded: Recorder, settings: Mapping[str, Any]
) -> None:
    assert recorded.calls["withdraw"] == {
        ("s3:DeleteObjectIfMatch", "releases/jobs/1.0.274.zip"),
        ("s3:GetObjectTaggingVersion", "releases/jobs/1.0.274.zip"),
        ("s3:PutObjectTaggingVersion", "releases/jobs/1.0.274.zip"),
    }
    of = template(settings)
    deleting = {
        (handler, action)
        for handler in HANDLERS
        for _, action in allowed_actions(statements(of, handler))
        if "Delete" in action and not action.startswith("ec2:DeleteNetworkInterface")
    }
    assert deleting == {("withdraw", "s3:DeleteObject")}
    tracing = TRACING if settings.get("tracing") else frozenset()
    assert {action for _, action in allowed_actions(statements(of, "withdraw"))} == tracing | {
        "logs:CreateLogStream",
        "logs:PutLogEvents",
        "s3:DeleteObject",
        "s3:GetObject",
        "s3:GetObjectVersionTagging",
        "s3:PutObjectVersionTagging",
        "sqs:SendMessage",
    }


CHANGES: Final[Mapping[str, frozenset[str]]] = {
    "reconcile": frozenset({TERMINATE, REFRESH}),
    "release": frozenset(),
    "probe": frozenset(),
    "withdraw": frozenset({"s3:DeleteObject", "s3:PutObjectVersionTagging"}),
}
# These tell somebody something, or ask another function, and change nothing themselves.
TOLD: Final = TRACING | {
    "events:PutEvents",
    "lambda:InvokeFunction",
    "logs:CreateLogStream",
    "logs:PutLogEvents",
    "sqs:SendMessage",
}
READS: Final = re.compile(r"\w+:(Describe|Get|List)\w*|kms:Decrypt")


@EACH
@ALL
def test_what_a_function_may_change_are_these_few_things(
    settings: Mapping[str, Any], handler: str
) -> None:
    """So withdraw deletes no version and reaches no instance, and reconcile touches no zip."""
    given = {action for _, action in allowed_actions(statements(template(settings), handler))}
    changing = {each for each in given - TOLD - NETWORK if not READS.fullmatch(each)}
    assert changing == CHANGES[handler]


def test_deleting_whatever_is_there_would_be_noticed(recorded: Recorder) -> None:
    before, of = template(FULL), template(FULL)
    [deleting] = [e for e in statements(of, "withdraw") if e["Action"] == "s3:DeleteObject"]
    del deleting["Condition"]["Null"]
    found = compared(of, "withdraw", recorded) - compared(before, "withdraw", recorded)
    assert found == {"may s3:DeleteObject unseen"}


def test_where_nothing_is_taken_back_reconcile_neither_reads_tags_nor_versioning() -> None:
    settings = {**FULL, "releases": {"bucket": "releases"}}
    allowed = {action for _, action in allowed_actions(statements(template(settings), "reconcile"))}
    assert not {action for action in allowed if "Tagging" in action or "Versioning" in action}


@EACH
@ALL
def test_an_action_taken_from_a_policy_is_noticed(
    recorded: Recorder, settings: Mapping[str, Any], handler: str
) -> None:
    before = template(settings)
    for index, action in allowed_actions(statements(before, handler)):
        of = template(settings)
        changed = statements(of, handler)[index]
        changed["Action"] = [each for each in listed(changed["Action"]) if each != action]
        assert compared(of, handler, recorded) != compared(before, handler, recorded)


@EACH
@pytest.mark.parametrize("action", ["s3:PutObject", "ec2:TerminateInstances", "s3:*", TERMINATE])
def test_an_action_added_to_a_policy_is_noticed(
    recorded: Recorder, handler: str, action: str
) -> None:
    before = template(FULL)
    for index, present in allowed_actions(statements(before, handler)):
        of = template(FULL)
        changed = statements(of, handler)[index]
        changed["Action"] = sorted({*listed(changed["Action"]), action})
        # Both are allowed on the groups that opted in.
        is_new = present != action and (present, action) != (REFRESH, TERMINATE)
        assert (compared(of, handler, recorded) != compared(before, handler, recorded)) == is_new


@EACH
@ALL
def test_a_resource_that_is_widened_is_noticed(
    recorded: Recorder, settings: Mapping[str, Any], handler: str
) -> None:
    for index, action in allowed_actions(statements(template(settings), handler)):
        of = template(settings)
        statements(of, handler)[index]["Resource"] = "*"
        found = compared(of, handler, recorded)
        assert (f"may {action} anywhere" in found) == (action not in ANYWHERE)


def compared(of: dict[str, Any], handler: str, recorded: Recorder) -> set[str]:
    return set(differences(of, handler, uses(of, handler, recorded)))


def allowed_actions(given: list[dict[str, Any]]) -> list[tuple[int, str]]:
    return [
        (index, action)
        for index, each in enumerate(given)
        if each["Effect"] == "Allow"
        for action in listed(each["Action"])
    ]


@pytest.mark.parametrize("action", [TERMINATE, REFRESH])
def test_a_call_about_a_group_without_the_tags_condition_is_noticed(
    recorded: Recorder, action: str
) -> None:
    before, of = template(FULL), template(FULL)
    [tagged] = [
        each
        for each in statements(of, "reconcile")
        if each["Action"] == action and each.pop("Condition", None)
    ]
    assert tagged["Resource"]
    found = compared(of, "reconcile", recorded) - compared(before, "reconcile", recorded)
    assert found == {f"may {action} in any group"}


NOT_OURS: Final[Mapping[str, dict[str, Any]]] = {
    "no condition": {},
    "another name": {"ForAllValues:StringEquals": {SOURCE: "aws.ec2"}},
    "no set operator": {"StringEquals": {SOURCE: "terminator"}},
    "none is enough": {"ForAllValues:StringEquals": {SOURCE: "terminator"}},
}


@pytest.mark.parametrize("condition", NOT_OURS.values(), ids=NOT_OURS)
def test_putting_events_in_another_name_or_not_at_all_is_noticed(
    recorded: Recorder, condition: dict[str, Any]
) -> None:
    before, of = template(FULL), template(FULL)
    [putting] = [e for e in statements(of, "reconcile") if e["Action"] == "events:PutEvents"]
    putting["Condition"] = condition
    assert compared(of, "reconcile", recorded) - compared(before, "reconcile", recorded)


def test_without_tags_only_the_named_groups_may_lose_instances() -> None:
    stack = Stack(App())
    config = from_settings({"groups": {"names": ["live_asg_web", "odd*?$name"]}})
    [statement] = grants.terminating(stack, config)
    named = stack.resolve(statement.to_statement_json())
    assert named["Action"] == TERMINATE
    assert "Condition" not in named
    patterns = [text(each) for each in listed(named["Resource"])]

    def covered(name: str) -> bool:
        return any(covers(pattern, GROUP + name) for pattern in patterns)

    assert covered("live_asg_web")
    assert covered("odd*?$name")
    assert not covered("live_asg_web2")
    assert not covered("odd, and another$name")


def test_only_reconcile_starts_instance_refreshes_of_the_groups_that_opted_in(
    recorded: Recorder,
) -> None:
    refreshing = {
        (handler, about)
        for handler, calls in recorded.calls.items()
        for api, about in calls
        if api == REFRESH
    }
    assert refreshing == {("reconcile", fleet.WEB), ("reconcile", fleet.API)}
    of = statements(template(FULL), "reconcile")
    refresh, terminate = (
        [{**each, "Sid": "", "Action": ""} for each in of if each["Action"] == action]
        for action in (REFRESH, TERMINATE)
    )
    assert refresh == terminate
    assert [each.get("Condition") for each in refresh] == [
        None,
        {"StringEquals": {"autoscaling:ResourceTag/terminator:enabled": "true"}},
    ]
    for handler in ("release", "probe", "withdraw"):
        allowed = {action for _, action in allowed_actions(statements(template(FULL), handler))}
        assert REFRESH not in allowed


@pytest.mark.parametrize(
    ("more", "may"),
    [
        ({}, True),
        ({"limits": {"tags": ["surge"]}}, True),
        ({"limits": {"tags": ["minimum"]}}, False),
        ({"limits": {"tags": []}, "policy": {"surge": "refresh"}}, True),
    ],
)
def test_where_neither_the_policy_nor_a_tag_may_say_surge_no_refresh_is_started(
    more: Mapping[str, Any], *, may: bool
) -> None:
    of = template({**LEAST, **more})
    allowed = {action for _, action in allowed_actions(statements(of, "reconcile"))}
    assert (REFRESH in allowed) == may


def test_without_names_only_the_tag_opts_in() -> None:
    [tagged] = [e for e in statements(template(LEAST), "reconcile") if e["Action"] == TERMINATE]
    assert tagged["Condition"] == {
        "StringEquals": {"autoscaling:ResourceTag/terminator:enabled": "true"}
    }


def test_the_probes_own_code_is_denied_what_lambda_needs_for_its_network_interface() -> None:
    of = template(FULL)
    [denied] = [each for each in statements(of, "probe") if each["Effect"] == "Deny"]
    assert set(denied["Action"]) == NETWORK
    assert denied["Resource"] == "*"
    [(operator, condition)] = denied["Condition"].items()
    assert operator == "ArnEquals"
    assert {key: text(value) for key, value in condition.items()} == {
        "lambda:SourceFunctionArn": arn_of(of, "probe")
    }


@pytest.mark.parametrize("settings", [FULL, OTHER, LEAST], ids=["full", "other", "least"])
def test_there_are_no_roles_and_policies_but_those_that_were_compared(
    settings: Mapping[str, Any],
) -> None:
    of = template(settings)
    roles = resources(of, "AWS::IAM::Role")
    assert {each["Role"]["Fn::GetAtt"][0] for each in functions(of).values()} == roles.keys()
    for role in roles.values():
        assert not role["Properties"].keys() & {"ManagedPolicyArns", "Policies"}
        [trust] = role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        assert trust["Principal"] == {"Service": "lambda.amazonaws.com"}
    kinds = {each["Type"] for each in of["Resources"].values() if "::IAM::" in each["Type"]}
    assert kinds == {"AWS::IAM::Role", "AWS::IAM::Policy"}


@EACH
@ALL
def test_a_function_is_made_after_what_it_may_do(settings: Mapping[str, Any], handler: str) -> None:
    of = template(settings)
    role = functions(of)[handler]["Role"]["Fn::GetAtt"][0]
    [function] = [
        each
        for each in resources(of, "AWS::Lambda::Function").values()
        if each["Properties"]["Role"]["Fn::GetAtt"][0] == role
    ]
    allowing = {
        id_
        for id_, each in resources(of, "AWS::IAM::Policy").items()
        if {"Ref": role} in each["Properties"]["Roles"]
        and any(s["Effect"] == "Allow" for s in each["Properties"]["PolicyDocument"]["Statement"])
    }
    assert allowing
    assert allowing <= set(function["DependsOn"])
