"""The handlers on a local fleet, invoking each other, with every call to AWS recorded."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from sandbox import fleet, store
from sandbox.fleet import Fleet
from sandbox.store import Program
from terminator import handlers
from terminator.clients import Aws
from terminator.probe import handler as probe_handler
from tests.fakes import lambda_like

if TYPE_CHECKING:
    import boto3
    import pytest


HANDLERS: Mapping[str, Any] = {
    "reconcile": handlers.reconcile,
    "release": handlers.release,
    "probe": probe_handler.probe,
}


@dataclass
class Recorder:
    """The handlers deployed to a local fleet: they invoke each other, and calls are noted."""

    local: Fleet
    calls: dict[str, set[tuple[str, str]]] = field(default_factory=dict)
    running: list[str] = field(default_factory=list)
    vanishing: bool = False

    def session(self) -> boto3.Session:
        """Return a session whose calls are noted, and whose Invoke stays here."""
        session = self.local.local.session()
        session.events.register("before-parameter-build", self._note)
        session.events.register("before-call.lambda.Invoke", self._invoke)  # type: ignore[arg-type]
        return session

    def run(self, handler: str, event: Mapping[str, Any]) -> Any:
        """Run a handler, noting its calls under its name."""
        self.running.append(handler)
        self.calls.setdefault(handler, set())
        try:
            return HANDLERS[handler](event, context())
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
        if "Entries" in params:
            (source,) = {entry["Source"] for entry in params["Entries"]}
            return str(source)
        return str(params.get("FunctionName", ""))

    def _invoke(self, context: dict[str, Any], **_: Any) -> tuple[Any, dict[str, Any]]:
        given = context["given"]
        answer = self.run(given["FunctionName"], json.loads(given["Payload"]))
        body = io.BytesIO(json.dumps(answer).encode())
        return SimpleNamespace(status_code=200), {"Payload": body}


def context() -> Any:
    """Return the context that Lambda gives a handler."""
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
    """Set a tag of a group."""
    of = {"ResourceId": group, "ResourceType": "auto-scaling-group"}
    row = {**of, "Key": key, "Value": value, "PropagateAtLaunch": False}
    local.aws.autoscaling.create_or_update_tags(Tags=[row])  # type: ignore[list-item]


def opt_out(local: Fleet, group: str) -> None:
    """Take the group's tag away: it is served by its name alone."""
    row = {"ResourceId": group, "ResourceType": "auto-scaling-group", "Key": "terminator:enabled"}
    local.aws.autoscaling.delete_tags(Tags=[row])  # type: ignore[list-item]


def deploy(recorder: Recorder, patch: pytest.MonkeyPatch) -> None:
    """Put the handlers' environment and clients in place."""
    settings = {
        "dry_run": False,
        "groups": {"names": [fleet.WEB], "tagged": True},
        "releases": {"bucket": store.BUCKET},
    }
    aws = Aws(recorder.session())
    lambda_like.deploy(patch, aws, settings, {recorder.local.vpc: "probe"})


def run_all(recorder: Recorder) -> None:
    """Deliver a zip, a pointer and a bad zip, then a schedule whose chosen vanishes."""
    aws = recorder.local.aws
    recorder.run("release", store.upload(aws, "web", Program("1.0.274")))
    recorder.run("release", store.point(aws, "api", "1.0.266"))
    recorder.run("release", store.put(aws, "api/1.0.300.zip", b"no zip"))
    store.delete(aws, "api", "1.0.300")
    store.upload(aws, "api", Program("1.0.274"))
    store.point(aws, "api", "1.0.274")
    recorder.vanishing = True
    recorder.run("reconcile", {"source": "aws.events"})
