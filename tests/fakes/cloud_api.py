"""The cloud model behind boto3's calls: those that Terminator makes, in AWS's shapes."""

# ruff: noqa: N803 - arguments have AWS's names

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

from terminator.config import deployment as config
from terminator.config.deployment import Bucket, Config
from terminator.config.release_keys import KeyTemplate
from terminator.observe.snapshot import Scope, World
from terminator.reconcile import reconcile
from terminator.report.record import Record
from tests.fakes.cloud import Cloud, FakeGroup, Machine, Stored, refusal

BUCKET = Bucket("releases", KeyTemplate.parse("{app}/{version}.zip"))
# As S3 pages a listing; a test may make pages smaller.
KEYS_A_PAGE = 1000


def settings(*, bucket: bool = True, **more: Any) -> Config:
    """Return a configuration of every tagged group that acts."""
    read = config.from_settings({"groups": {"tagged": True}, "dry_run": False, **more})
    return replace(read, bucket=BUCKET if bucket else None)


def run(
    cloud: Cloud, of: Config | None = None, scope: Scope | None = None, **otherwise: Any
) -> dict[str, Record]:
    """Run reconcile once; return what became of each group."""
    records = reconcile(replace(world(cloud), **otherwise), of or settings(), scope or Scope())
    cloud.look()
    return {record.group: record for record in records}


def every(cloud: Cloud, period: float, times: int, **options: Any) -> None:
    """Run reconcile on a schedule, its period in minutes."""
    for _ in range(times):
        cloud.wait(period)
        run(cloud, **options)


def world(cloud: Cloud) -> World:
    """Return the world as Terminator reaches it; waiting passes time."""
    return World(
        aws=clients(cloud),
        probe=cloud.probe,
        clock=lambda: cloud.now,
        sleep=lambda seconds: cloud.wait(seconds / 60),
        remaining=lambda: 900.0,
        say=cloud.lines.append,
    )


def clients(cloud: Cloud) -> Any:
    """Return what stands for `Aws`."""
    autoscaling = AutoScaling(cloud)
    pages: dict[str, Callable[..., Iterator[Any]]] = {
        "describe_instances": _instances,
        "list_object_versions": _versions,
        "describe_alarms": _alarms,
    }

    def get_paginator(name: str) -> Any:
        return SimpleNamespace(paginate=lambda **asked: pages[name](cloud, **asked))

    paged = SimpleNamespace(get_paginator=get_paginator)
    return SimpleNamespace(
        autoscaling=autoscaling,
        terminating=autoscaling,
        ec2=paged,
        cloudwatch=paged,
        elb=SimpleNamespace(describe_instance_health=lambda **asked: _states(cloud, **asked)),
        elbv2=SimpleNamespace(describe_target_health=lambda **asked: _targets(cloud, **asked)),
        s3=SimpleNamespace(
            get_paginator=get_paginator,
            get_object=lambda **asked: _get_object(cloud, **asked),
            head_object=lambda **asked: _head_object(cloud, **asked),
        ),
    )


@dataclass
class AutoScaling:
    """Auto Scaling's calls."""

    cloud: Cloud

    def get_paginator(self, _name: str) -> Any:
        """Return the paginator of DescribeAutoScalingGroups."""
        return SimpleNamespace(paginate=self._groups)

    def _groups(
        self,
        PaginationConfig: dict[str, int],
        AutoScalingGroupNames: Sequence[str] | None = None,
        **_: Any,
    ) -> Iterator[Any]:
        names = AutoScalingGroupNames
        tagged = [
            g for g in self.cloud.groups.values() if g.tags.get("terminator:enabled") == "true"
        ]
        found = tagged if names is None else [g for n, g in self.cloud.groups.items() if n in names]
        size = PaginationConfig["PageSize"]
        for start in range(0, max(1, len(found)), size):
            self.cloud.called("DescribeAutoScalingGroups")
            yield {"AutoScalingGroups": [self.row(g) for g in found[start : start + size]]}

    def row(self, group: FakeGroup) -> dict[str, Any]:
        """Return a group as DescribeAutoScalingGroups shows it."""
        return {
            "AutoScalingGroupName": group.name,
            "DesiredCapacity": group.desired,
            "HealthCheckGracePeriod": int(group.grace.total_seconds()),
            "Tags": [{"Key": key, "Value": value} for key, value in group.tags.items()],
            "TargetGroupARNs": [f"arn:x:targetgroup/{group.name}/1"] if group.balanced else [],
            "Instances": [self._member(m) for m in group.members(self.cloud.now)],
            **group.more,
        }

    def _member(self, machine: Machine) -> dict[str, Any]:
        weight = {} if machine.weight is None else {"WeightedCapacity": machine.weight}
        return {
            "InstanceId": machine.id,
            "AvailabilityZone": machine.zone,
            "LifecycleState": machine.state(self.cloud.now),
            "HealthStatus": machine.health,
            "ProtectedFromScaleIn": machine.protected,
            **weight,
        }

    def describe_instance_refreshes(self, AutoScalingGroupName: str) -> Any:
        """Return the refresh in progress, and an old one."""
        self.cloud.called("DescribeInstanceRefreshes", AutoScalingGroupName)
        status = self.cloud.refreshes.get(AutoScalingGroupName)
        active = [{"Status": status}] if status else []
        return {"InstanceRefreshes": [*active, {"Status": "Successful"}]}

    def terminate_instance_in_auto_scaling_group(
        self,
        InstanceId: str,
        ShouldDecrementDesiredCapacity: bool,  # noqa: FBT001 - as boto3 has it
    ) -> None:
        """Let the member leave and launch its replacement."""
        assert ShouldDecrementDesiredCapacity is False
        group = next(
            g for g in self.cloud.groups.values() for m in g.machines if m.id == InstanceId
        )
        self.cloud.called("TerminateInstanceInAutoScalingGroup", group.name, InstanceId)
        machine = next(m for m in group.machines if m.id == InstanceId)
        self.cloud.terminate(group, machine)


def _instances(
    cloud: Cloud, InstanceIds: Sequence[str] = (), Filters: Sequence[Any] = ()
) -> Iterator[Any]:
    """Return DescribeInstances: one unknown id fails the call, a filter passes over it."""
    cloud.called("DescribeInstances")
    ids = [*InstanceIds, *(value for each in Filters for value in each["Values"])]
    machines = {m.id: m for group in cloud.groups.values() for m in group.members(cloud.now)}
    unknown = [id_ for id_ in InstanceIds if id_ not in machines or machines[id_].hidden]
    if unknown:
        raise refusal("InvalidInstanceID.NotFound", f"{unknown} do not exist")
    found = [machines[id_] for id_ in ids if id_ in machines and not machines[id_].hidden]
    yield {"Reservations": [{"Instances": [_instance(machine)]} for machine in found]}


def _instance(machine: Machine) -> dict[str, Any]:
    address = {} if machine.address is None else {"PrivateIpAddress": machine.address}
    row = {"InstanceId": machine.id, "LaunchTime": machine.launched, "VpcId": machine.vpc}
    return {**row, **address}


def _targets(cloud: Cloud, TargetGroupArn: str) -> Any:
    group = cloud.groups[TargetGroupArn.split("/")[1]]
    cloud.called("DescribeTargetHealth", group.name)
    healths = [
        {"Target": {"Id": m.id}, "TargetHealth": {"State": m.target, "Reason": "Elb.Said"}}
        for m in group.members(cloud.now)
        if m.target is not None
    ]
    return {"TargetHealthDescriptions": healths}


def _states(cloud: Cloud, LoadBalancerName: str) -> Any:
    """Return what the classic load balancer of the group of its name says."""
    group = cloud.groups[LoadBalancerName]
    cloud.called("DescribeInstanceHealth", group.name)
    fine = {m.id: m.target == "healthy" for m in group.members(cloud.now) if m.target is not None}
    states = [
        {"InstanceId": id_, "State": "InService" if fine[id_] else "OutOfService"} for id_ in fine
    ]
    return {"InstanceStates": states}


def _versions(cloud: Cloud, Bucket: str, Prefix: str) -> Iterator[Any]:
    assert Bucket == BUCKET.name
    mine = [each for each in cloud.stored if each.key.startswith(Prefix)]
    latest = {each.key: each for each in mine}

    def row(each: Stored) -> dict[str, Any]:
        newest = latest[each.key] is each
        size = len(each.data or b"")
        return {"Key": each.key, "LastModified": each.when, "IsLatest": newest, "Size": size}

    for start in range(0, max(1, len(mine)), KEYS_A_PAGE):
        cloud.called("ListObjectVersions", Prefix)
        page = mine[start : start + KEYS_A_PAGE]
        yield {
            "Versions": [row(each) for each in page if each.data is not None],
            "DeleteMarkers": [row(each) for each in page if each.data is None],
        }


def _data(cloud: Cloud, operation: str, key: str) -> bytes:
    cloud.called(operation, key)
    stored = cloud.current().get(key)
    if stored is None or stored.data is None:
        raise refusal("NoSuchKey")
    return stored.data


def _head_object(cloud: Cloud, Key: str, **_: Any) -> Any:
    return {"ContentLength": len(_data(cloud, "HeadObject", Key))}


def _get_object(cloud: Cloud, Key: str, Range: str | None = None, **_: Any) -> Any:
    data = _data(cloud, "GetObject", Key)
    if Range is not None:
        first, last = Range.removeprefix("bytes=").split("-")
        data = data[int(first) : int(last) + 1]
    when = cloud.current()[Key].when
    return {"Body": io.BytesIO(data), "ContentLength": len(data), "LastModified": when}


def _alarms(cloud: Cloud, AlarmNames: Sequence[str], **_: Any) -> Iterator[Any]:
    cloud.called("DescribeAlarms")
    known = [name for name in AlarmNames if name in cloud.alarms]
    yield {"MetricAlarms": [{"AlarmName": n, "StateValue": cloud.alarms[n]} for n in known]}
