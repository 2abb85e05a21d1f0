"""The handlers on a local fleet, invoking each other, with every call to AWS recorded."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

from sandbox import store
from sandbox.fleet import API, WEB, Fleet
from sandbox.store import Program
from terminator import handlers
from terminator.clients import Aws
from tests.fakes.lambda_like import HANDLERS, context, deploy

if TYPE_CHECKING:
    import boto3
    import pytest

JOBS: Final = "live_asg_jobs"
# How far the fleet's clock has to be behind when all of this begins.
BEFORE: Final = timedelta(minutes=28)
_TERMINATE: Final = "TerminateInstanceInAutoScalingGroup"


@dataclass
class Recorder:
    """The handlers deployed to a local fleet: they invoke each other, and calls are noted.

    `calls` are the calls of each handler: the API, with `Version` where it asked for a version of
    an object and `IfMatch` where that has to be a certain one, and what it was about.
    """

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
        how = "Version" if "VersionId" in params else "IfMatch" if "IfMatch" in params else ""
        api = f"{model.service_model.service_name}:{model.name}{how}"
        self.calls[self.running[-1]].add((api, self._about(params)))
        if self.vanishing and model.name == _TERMINATE:
            self.local.aws.terminating.terminate_instance_in_auto_scaling_group(**params)

    def _about(self, params: Mapping[str, Any]) -> str:
        if "Bucket" in params:
            return "/".join([params["Bucket"], *filter(None, [params.get("Key")])])
        if "Preferences" in params:
            return str(params["AutoScalingGroupName"])
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


def run_all(local: Fleet, patch: pytest.MonkeyPatch) -> Recorder:
    """Run every flow in which the handlers call AWS, on the demo's two groups.

    First a release of `jobs` that never answers is taken back. Then `web` is served by its name and
    has load balancers and an alarm, `api` by its tag. A zip, a pointer and a bad zip are delivered,
    and the bad one is deleted; then the schedule comes, and what it chose vanishes. In the end both
    are groups of one, behind load balancers, and are released by an instance refresh.
    """
    recorder = Recorder(local)
    deployed = {
        "dry_run": False,
        "groups": {"names": [WEB], "tagged": True},
        "releases": {"bucket": store.BUCKET, "apps": {"jobs": {"withdraw": {"silent": True}}}},
        # Twice as long as this its canary has to be silent.
        "policy": {"canary-retry": "1m"},
    }
    deploy(patch, Aws(recorder.session()), deployed, {local.vpc: "probe"})
    patch.setattr(handlers, "time", SimpleNamespace(sleep=lambda _seconds: None))
    _withdraw(local, recorder)
    _attach(local, WEB)
    opted = {"ResourceId": WEB, "ResourceType": "auto-scaling-group"}
    settings = {"alarms": "errors", "follow": "release template"}
    tags = [
        {**opted, "Key": f"terminator:{name}", "Value": text, "PropagateAtLaunch": False}
        for name, text in settings.items()
    ]
    local.aws.autoscaling.create_or_update_tags(Tags=tags)  # type: ignore[arg-type]
    enabled = {**opted, "Key": "terminator:enabled"}
    local.aws.autoscaling.delete_tags(Tags=[enabled])  # type: ignore[list-item]
    recorder.run("release", store.upload(local.aws, "web", Program("1.0.274")))
    recorder.run("release", store.point(local.aws, "api", "1.0.266"))
    recorder.run("release", store.put(local.aws, "api/1.0.300.zip", b"no zip"))
    recorder.run("release", store.delete(local.aws, "api", "1.0.300"))
    store.upload(local.aws, "api", Program("1.0.274"))
    store.point(local.aws, "api", "1.0.274")
    recorder.vanishing = True
    recorder.run("reconcile", {"source": "aws.events"})
    _surge(local, recorder)
    return recorder


def _surge(local: Fleet, recorder: Recorder) -> None:
    """Have both groups, of one by now, released by an instance refresh."""
    settings = {"minimum": "1", "surge": "refresh", "bake-time": "0m"}
    local.aws.autoscaling.attach_load_balancers(
        AutoScalingGroupName=API, LoadBalancerNames=["classic"]
    )
    for group, app in ((WEB, "web"), (API, "api")):
        opted = {"ResourceId": group, "ResourceType": "auto-scaling-group"}
        tags = [
            {**opted, "Key": f"terminator:{name}", "Value": text, "PropagateAtLaunch": False}
            for name, text in settings.items()
        ]
        local.aws.autoscaling.create_or_update_tags(Tags=tags)  # type: ignore[arg-type]
        local.aws.autoscaling.update_auto_scaling_group(
            AutoScalingGroupName=group, DesiredCapacity=1, HealthCheckType="ELB"
        )
        local.wait(timedelta(minutes=4))
        store.upload(local.aws, app, Program("1.0.290"))
        store.point(local.aws, app, "1.0.290")
        recorder.run("reconcile", {"app": app})


def _withdraw(local: Fleet, recorder: Recorder) -> None:
    """Have a release of an app of its own taken back, whose canary is silent."""
    store.upload(local.aws, "jobs", Program("1.0.266"))
    local.create_group(JOBS, 3, tags={"terminator:app": "jobs"})
    local.wait(timedelta(minutes=5))
    store.upload(local.aws, "jobs", Program("1.0.274", "refuses"))
    local.wait(timedelta(minutes=5))
    recorder.run("reconcile", {"app": "jobs"})
    local.wait(timedelta(minutes=10))
    recorder.run("reconcile", {"app": "jobs"})


def _attach(local: Fleet, group: str) -> None:
    """Attach a target group and a classic load balancer, and make the alarm `errors`."""
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
