"""Least privilege, exactly: what the handlers do in AWS against what their roles allow.

The handlers run on a local fleet, every AWS call that they make is recorded, and policies are
read as IAM does: each call must be allowed, and whatever is allowed must be needed by one.
"""

from __future__ import annotations

import ast
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import boto3
import pytest

import terminator
from sandbox import acts, fleet, store
from sandbox.fleet import Fleet
from sandbox.program import Program
from synthesized import FULL, LEAST, OTHER, functions, listed, resources, statements, template, text
from terminator import handlers
from terminator.aws import Aws

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


@dataclass(frozen=True)
class Use:
    """An action on a resource, as IAM sees it; `opted_in` is what the group's tag says."""

    action: str
    resource: str = "*"
    opted_in: str | None = None


@dataclass
class Recorder:
    """The handlers deployed to a local fleet: they invoke each other, and calls are noted."""

    local: Fleet
    calls: dict[str, set[tuple[str, str]]] = field(default_factory=dict)
    running: list[str] = field(default_factory=list)
    vanishing: bool = False

    def session(self) -> boto3.Session:
        session = self.local.local.session()
        session.events.register("before-parameter-build", self._note)
        session.events.register("before-call.lambda.Invoke", self._invoke)  # type: ignore[arg-type]
        return session

    def run(self, handler: str, event: Mapping[str, Any]) -> Any:
        self.running.append(handler)
        self.calls.setdefault(handler, set())
        try:
            return getattr(handlers, handler)(event, context())
        finally:
            self.running.pop()

    def _note(self, params: dict[str, Any], model: Any, context: dict[str, Any], **_: Any) -> None:
        context["given"] = params
        api = f"{model.service_model.service_name}:{model.name}"
        self.calls[self.running[-1]].add((api, self._about(params)))
        if self.vanishing and model.name == "TerminateInstanceInAutoScalingGroup":
            self.local.aws.terminating.terminate_instance_in_auto_scaling_group(**params)

    def _about(self, params: Mapping[str, Any]) -> str:
        if "Bucket" in params:
            return "/".join([params["Bucket"], *filter(None, [params.get("Key")])])
        if "ShouldDecrementDesiredCapacity" in params:
            return self.local.machines[params["InstanceId"]].group
        return str(params.get("FunctionName", ""))

    def _invoke(self, context: dict[str, Any], **_: Any) -> tuple[Any, dict[str, Any]]:
        given = context["given"]
        answer = self.run(given["FunctionName"], json.loads(given["Payload"]))
        body = io.BytesIO(json.dumps(answer).encode())
        return SimpleNamespace(status_code=200), {"Payload": body}


def context() -> Any:
    return SimpleNamespace(
        function_name="terminator",
        memory_limit_in_mb=512,
        invoked_function_arn="arn:aws:lambda:eu-west-1:000000000000:function:terminator",
        aws_request_id="request-1",
        get_remaining_time_in_millis=lambda: 300_000,
    )


def attach(local: Fleet, group: str) -> None:
    """Attach a target group and a classic load balancer, and list an alarm."""
    aws = local.aws
    made = aws.elbv2.create_target_group(Name="web", Protocol="HTTP", Port=80, VpcId=local.vpc)
    arns = [each["TargetGroupArn"] for each in made["TargetGroups"]]
    aws.autoscaling.attach_load_balancer_target_groups(
        AutoScalingGroupName=group, TargetGroupARNs=arns
    )
    listener = {"Protocol": "HTTP", "LoadBalancerPort": 80, "InstancePort": 80}
    aws.elb.create_load_balancer(
        LoadBalancerName="classic",
        Listeners=[listener],  # type: ignore[list-item]
        AvailabilityZones=["eu-west-1a"],
    )
    aws.autoscaling.attach_load_balancers(AutoScalingGroupName=group, LoadBalancerNames=["classic"])
    aws.cloudwatch.put_metric_alarm(
        AlarmName="errors",
        MetricName="Errors",
        Namespace="Web",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1.0,
        ComparisonOperator="GreaterThanThreshold",
        Statistic="Sum",
    )
    tag(local, group, "terminator:alarms", "errors")


def tag(local: Fleet, group: str, key: str, value: str) -> None:
    of = {"ResourceId": group, "ResourceType": "auto-scaling-group"}
    row = {**of, "Key": key, "Value": value, "PropagateAtLaunch": False}
    local.aws.autoscaling.create_or_update_tags(Tags=[row])  # type: ignore[list-item]


def opt_out(local: Fleet, group: str) -> None:
    """Take the group's tag away: it is served by its name alone."""
    row = {"ResourceId": group, "ResourceType": "auto-scaling-group", "Key": "terminator:enabled"}
    local.aws.autoscaling.delete_tags(Tags=[row])  # type: ignore[list-item]


@pytest.fixture(scope="module")
def recorded() -> Iterator[Recorder]:
    """Run every flow in which the handlers call AWS."""
    with fleet.running(ahead=acts.SETTLED) as local, pytest.MonkeyPatch.context() as patch:
        acts.prepare(local)
        attach(local, acts.WEB)
        opt_out(local, acts.WEB)
        recorder = Recorder(local)
        deploy(recorder, patch)
        run_all(recorder)
        yield recorder
    handlers._config.cache_clear()  # noqa: SLF001 - a container reads it once


def deploy(recorder: Recorder, patch: pytest.MonkeyPatch) -> None:
    settings = {
        "dry_run": False,
        "groups": {"names": [acts.WEB], "tagged": True},
        "releases": {"bucket": store.BUCKET},
    }
    patch.setenv("TERMINATOR_CONFIG", json.dumps(settings))
    patch.setenv("TERMINATOR_PROBES", json.dumps({recorder.local.vpc: "probe"}))
    patch.setenv("TERMINATOR_RECONCILE", "reconcile")
    handlers._config.cache_clear()  # noqa: SLF001 - a container reads it once
    aws = Aws(recorder.session())
    patch.setattr(handlers, "_aws", lambda: aws)


def run_all(recorder: Recorder) -> None:
    """Deliver a zip, a pointer and a bad zip, then a schedule whose victim vanishes."""
    aws = recorder.local.aws
    recorder.run("release", store.upload(aws, "web", Program("1.0.274")))
    recorder.run("release", store.point(aws, "api", "1.0.266"))
    recorder.run("release", store.put(aws, "api/1.0.300.zip", b"no zip"))
    store.delete(aws, "api", "1.0.300")
    store.upload(aws, "api", Program("1.0.274"))
    store.point(aws, "api", "1.0.274")
    recorder.vanishing = True
    recorder.run("reconcile", {"source": "aws.events"})


def uses(of: dict[str, Any], handler: str, recorder: Recorder) -> set[Use]:
    """Return what a function needs: its recorded calls, and what Lambda does on its behalf."""
    return {use(of, *call) for call in recorder.calls[handler]} | set(of_lambda(of, handler))


def use(of: dict[str, Any], api: str, about: str) -> Use:
    service, operation = api.split(":")
    name = f"{SERVICES.get(service, service)}:{operation}"
    action = RENAMED.get(name, name)
    if action == TERMINATE:
        return Use(action, GROUP + about, "true" if about == acts.API else None)
    if service == "s3":
        return Use(action, about.replace(store.BUCKET, bucket(of), 1))
    return Use(action, arn_of(of, about) if service == "lambda" else "*")


def of_lambda(of: dict[str, Any], handler: str) -> Iterator[Use]:
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
    made = list(resources(of, "AWS::S3::Bucket"))
    return f"${{{made[0]}.Arn}}" if made else "arn:${AWS::Partition}:s3:::theirs"


def arn_of(of: dict[str, Any], handler: str) -> str:
    made = resources(of, "AWS::Lambda::Function").items()
    [id_] = [id_ for id_, each in made if each["Properties"]["Handler"].endswith(f".{handler}")]
    return f"${{{id_}.Arn}}"


def log_group(of: dict[str, Any], handler: str) -> str:
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
    condition = {"StringEquals": {"autoscaling:ResourceTag/terminator:enabled": each.opted_in}}
    if statement.get("Condition", condition) != condition:
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
    return [
        *(
            f"may not {u.action} {u.resource}"
            for u in needed
            if not any(allows(*g, u) for g in given)
        ),
        *(f"need not {g[1]} {g[2]}" for g in given if not any(allows(*g, u) for u in needed)),
        *(f"may {g[1]} anywhere" for g in given if g[2] == "*" and g[1] not in ANYWHERE),
        *(f"may {g[1]} in any group" for g in given if allows(*g, stranger)),
        *(f"has the wildcard {g[1]}" for g in given if "*" in g[1]),
    ]


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
        if path.stem not in {"cli", "table"}
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
    assert terminating == {("reconcile", acts.WEB), ("reconcile", acts.API)}
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
    [tagged] = [each for each in statements(of, "reconcile") if each.pop("Condition", None)]
    assert tagged["Action"] == TERMINATE
    found = compared(of, "reconcile", recorded) - compared(before, "reconcile", recorded)
    assert found == {f"may {TERMINATE} in any group"}


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
