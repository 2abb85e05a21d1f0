"""The model of AWS behind boto3's calls: those that Terminator makes, in AWS's shapes."""

# ruff: noqa: N803 - arguments have AWS's names

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
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
    autoscaling = SimpleNamespace(
        get_paginator=_paginators(describe_auto_scaling_groups=partial(_groups, cloud)),
        describe_instance_refreshes=partial(_refreshes, cloud),
        terminate_instance_in_auto_scaling_group=partial(_terminate, cloud),
    )
    return SimpleNamespace(
        autoscaling=autoscaling,
        terminating=autoscaling,
        ec2=SimpleNamespace(
            get_paginator=_paginators(describe_instances=partial(_instances, cloud))
        ),
        elb=SimpleNamespace(describe_instance_health=partial(_instance_health, cloud)),
        elbv2=SimpleNamespace(describe_target_health=partial(_target_health, cloud)),
        s3=SimpleNamespace(
            get_paginator=_paginators(list_object_versions=partial(_object_versions, cloud)),
            get_object=partial(_get_object, cloud),
            head_object=partial(_head_object, cloud),
        ),
        cloudwatch=SimpleNamespace(
            get_paginator=_paginators(describe_alarms=partial(_alarms, cloud))
        ),
    )


def _paginators(**pages: Callable[..., Iterator[Any]]) -> Callable[[str], Any]:
    return lambda operation: SimpleNamespace(paginate=pages[operation])


# Auto Scaling.


def _groups(
    cloud: Cloud,
    PaginationConfig: dict[str, int],
    AutoScalingGroupNames: Sequence[str] | None = None,
    **_: Any,
) -> Iterator[Any]:
    if AutoScalingGroupNames is None:
        opted_in = {"terminator:enabled": "true"}.items()
        found = [name for name, group in cloud.groups.items() if opted_in <= group.tags.items()]
    else:
        found = [name for name in cloud.groups if name in AutoScalingGroupNames]
    size = PaginationConfig["PageSize"]
    for start in range(0, max(1, len(found)), size):
        cloud.called("DescribeAutoScalingGroups")
        page = found[start : start + size]
        yield {"AutoScalingGroups": [_group(*cloud.shown(name)) for name in page]}


def _group(group: FakeGroup, at: datetime) -> dict[str, Any]:
    return {
        "AutoScalingGroupName": group.name,
        "DesiredCapacity": group.desired,
        "HealthCheckGracePeriod": int(group.grace.total_seconds()),
        "Tags": [{"Key": key, "Value": value} for key, value in group.tags.items()],
        "TargetGroupARNs": [f"arn:x:targetgroup/{group.name}/1"] if group.balanced else [],
        "Instances": [_member(machine, at) for machine in group.members(at)],
        **group.more,
    }


def _member(machine: Machine, at: datetime) -> dict[str, Any]:
    weight = {} if machine.weight is None else {"WeightedCapacity": machine.weight}
    return {
        "InstanceId": machine.id,
        "AvailabilityZone": machine.zone,
        "LifecycleState": machine.state(at),
        "HealthStatus": machine.health,
        "ProtectedFromScaleIn": machine.protected,
        **weight,
    }


def _refreshes(cloud: Cloud, AutoScalingGroupName: str) -> Any:
    """Answer with the refresh in progress, and an old one."""
    cloud.called("DescribeInstanceRefreshes", AutoScalingGroupName)
    status = cloud.refreshes.get(AutoScalingGroupName)
    active = [{"Status": status}] if status else []
    return {"InstanceRefreshes": [*active, {"Status": "Successful"}]}


def _terminate(
    cloud: Cloud,
    InstanceId: str,
    ShouldDecrementDesiredCapacity: bool,  # noqa: FBT001 - as boto3 has it
) -> None:
    assert ShouldDecrementDesiredCapacity is False
    members = ((group, machine) for group in cloud.groups.values() for machine in group.machines)
    group, machine = next(each for each in members if each[1].id == InstanceId)
    cloud.called("TerminateInstanceInAutoScalingGroup", group.name, InstanceId)
    cloud.terminate(group, machine)


# EC2.


def _instances(
    cloud: Cloud, InstanceIds: Sequence[str] = (), Filters: Sequence[Any] = ()
) -> Iterator[Any]:
    """Answer: one unknown id fails the call, a filter passes over it."""
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


# Load balancers: each group has its own, of its name.


def _target_health(cloud: Cloud, TargetGroupArn: str) -> Any:
    group = cloud.groups[TargetGroupArn.split("/")[1]]
    cloud.called("DescribeTargetHealth", group.name)
    healths = [
        {"Target": {"Id": m.id}, "TargetHealth": {"State": m.target, "Reason": "Elb.Said"}}
        for m in group.members(cloud.now)
        if m.target is not None
    ]
    return {"TargetHealthDescriptions": healths}


def _instance_health(cloud: Cloud, LoadBalancerName: str) -> Any:
    group = cloud.groups[LoadBalancerName]
    cloud.called("DescribeInstanceHealth", group.name)
    states = [
        {
            "InstanceId": m.id,
            "State": "InService" if m.target == "healthy" else "OutOfService",
        }
        for m in group.members(cloud.now)
        if m.target is not None
    ]
    return {"InstanceStates": states}


# S3.


def _object_versions(cloud: Cloud, Bucket: str, Prefix: str) -> Iterator[Any]:
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


def _head_object(cloud: Cloud, Key: str, **_: Any) -> Any:
    return {"ContentLength": len(_data(cloud, "HeadObject", Key))}


def _get_object(cloud: Cloud, Key: str, Range: str | None = None, **_: Any) -> Any:
    data = _data(cloud, "GetObject", Key)
    if Range is not None:
        first, last = Range.removeprefix("bytes=").split("-")
        data = data[int(first) : int(last) + 1]
    when = cloud.current()[Key].when
    return {"Body": io.BytesIO(data), "ContentLength": len(data), "LastModified": when}


def _data(cloud: Cloud, operation: str, key: str) -> bytes:
    cloud.called(operation, key)
    stored = cloud.current().get(key)
    if stored is None or stored.data is None:
        raise refusal("NoSuchKey")
    return stored.data


# CloudWatch.


def _alarms(cloud: Cloud, AlarmNames: Sequence[str], **_: Any) -> Iterator[Any]:
    cloud.called("DescribeAlarms")
    known = [name for name in AlarmNames if name in cloud.alarms]
    yield {"MetricAlarms": [{"AlarmName": n, "StateValue": cloud.alarms[n]} for n in known]}
