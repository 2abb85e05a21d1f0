"""Least privilege, exactly: what the handlers do in AWS against what their roles allow.

The handlers run on a local fleet, every AWS call that they make is recorded, and policies are
read as IAM does: each call must be allowed, and whatever is allowed must be needed by one.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest

import terminator
from sandbox import fleet
from terminator import handlers
from tests.fakes.iam import (
    ANYWHERE,
    GROUP,
    HANDLERS,
    NETWORK,
    TERMINATE,
    arn_of,
    covers,
    differences,
    uses,
)
from tests.fakes.recorder import Recorder, attach, deploy, opt_out, run_all
from tests.infra.synthesized import (
    FULL,
    LEAST,
    OTHER,
    functions,
    listed,
    resources,
    statements,
    template,
    text,
)


@pytest.fixture(scope="module")
def recorded() -> Iterator[Recorder]:
    """Run every flow in which the handlers call AWS."""
    with fleet.running(ahead=fleet.SETTLED) as local, pytest.MonkeyPatch.context() as patch:
        fleet.prepare(local)
        attach(local, fleet.WEB)
        opt_out(local, fleet.WEB)
        recorder = Recorder(local)
        deploy(recorder, patch)
        run_all(recorder)
        yield recorder
    handlers._config.cache_clear()  # noqa: SLF001 - a container reads it once


EACH = pytest.mark.parametrize("handler", HANDLERS)
ALL = pytest.mark.parametrize("settings", [FULL, OTHER], ids=["full", "other"])


@EACH
@ALL
def test_a_role_allows_what_its_function_does_and_no_more(
    recorded: Recorder, settings: Mapping[str, Any], handler: str
) -> None:
    of = template(settings)
    assert differences(of, handler, uses(of, handler, recorded)) == []


def test_the_flows_make_every_call_that_is_in_the_code(recorded: Recorder) -> None:
    made = {api for calls in recorded.calls.values() for api, _ in calls}
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
        for path in folder.glob("*.py")
        if path.stem not in {"cli", "fetch"}  # people's, and what speaks to instances alone
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
    assert terminating == {("reconcile", fleet.WEB), ("reconcile", fleet.API)}
    for handler in ("release", "probe"):
        allowed = [listed(each["Action"]) for each in statements(template(FULL), handler)]
        assert TERMINATE not in [action for actions in allowed for action in actions]


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
        is_new = present != action
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


def test_terminating_without_the_tags_condition_is_noticed(recorded: Recorder) -> None:
    before, of = template(FULL), template(FULL)
    [tagged] = [
        each
        for each in statements(of, "reconcile")
        if each["Action"] == TERMINATE and each.pop("Condition", None)
    ]
    assert tagged["Resource"]
    found = compared(of, "reconcile", recorded) - compared(before, "reconcile", recorded)
    assert found == {f"may {TERMINATE} in any group"}


@pytest.mark.parametrize("source", [None, "aws.ec2"])
def test_putting_events_in_another_name_is_noticed(recorded: Recorder, source: str | None) -> None:
    before, of = template(FULL), template(FULL)
    [putting] = [e for e in statements(of, "reconcile") if e["Action"] == "events:PutEvents"]
    putting["Condition"] = {"StringEquals": {"events:source": source}}
    if source is None:
        del putting["Condition"]
    assert compared(of, "reconcile", recorded) - compared(before, "reconcile", recorded)


def test_without_tags_only_the_named_groups_may_lose_instances() -> None:
    of = template({"groups": {"names": ["live_asg_web", "odd*?$name"]}})
    [named] = [each for each in statements(of, "reconcile") if each["Action"] == TERMINATE]
    assert "Condition" not in named
    patterns = [text(each) for each in listed(named["Resource"])]

    def covered(name: str) -> bool:
        return any(covers(pattern, GROUP + name) for pattern in patterns)

    assert covered("live_asg_web")
    assert covered("odd*?$name")
    assert not covered("live_asg_web2")
    assert not covered("odd, and another$name")


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
