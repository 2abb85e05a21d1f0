"""The model of AWS behind boto3's calls: those that Terminator makes, in AWS's shapes."""

# ruff: noqa: N803 - arguments have AWS's names

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from types import SimpleNamespace
from typing import Any

from terminator import marker
from terminator.config import deployment as config
from terminator.config.deployment import Bucket, Config, Withdraw
from terminator.config.release_keys import KeyTemplate
from terminator.observe.snapshot import Scope, World
from terminator.reconcile import reconcile
from terminator.report.record import Record
from tests.fakes.cloud import Cloud, refusal
from tests.fakes.groups import Activity, FakeGroup, Machine, minutes
from tests.fakes.objects import Stored

BUCKET = Bucket("releases", KeyTemplate.parse("{app}/{version}.zip"))
# As S3 pages a listing; a test may make pages smaller.
KEYS_A_PAGE = 1000
_ACTIVITIES_KEPT = timedelta(weeks=6)


def settings(
    *, bucket: bool = True, withdraws: Mapping[str, Withdraw] | None = None, **more: Any
) -> Config:
    """Return a configuration of every tagged group that acts.

    `withdraws` are the apps whose releases may be taken back.
    """
    read = config.from_settings({"groups": {"tagged": True}, "dry_run": False, **more})
    return replace(read, bucket=replace(BUCKET, withdraws=withdraws or {}) if bucket else None)


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
        withdraw=lambda order: marker.put(clients(cloud), BUCKET.name, order, cloud.now),
    )


def clients(cloud: Cloud) -> Any:
    """Return what stands for `Aws`."""
    autoscaling = SimpleNamespace(
        get_paginator=_paginators(
            describe_auto_scaling_groups=partial(_groups, cloud),
            describe_scaling_activities=partial(_activities, cloud),
        ),
        describe_instance_refreshes=partial(_refreshes, cloud),
        start_instance_refresh=partial(_start_refresh, cloud),
        terminate_instance_in_auto_scaling_group=partial(_terminate, cloud),
    )
    return SimpleNamespace(
        autoscaling=autoscaling,
        terminating=autoscaling,
        ec2=SimpleNamespace(
            get_paginator=_paginators(describe_instances=partial(_instances, cloud)),
            describe_launch_template_versions=partial(_template_versions, cloud),
        ),
        elb=SimpleNamespace(describe_instance_health=partial(_instance_health, cloud)),
        elbv2=SimpleNamespace(describe_target_health=partial(_target_health, cloud)),
        s3=SimpleNamespace(
            get_paginator=_paginators(list_object_versions=partial(_object_versions, cloud)),
            get_object=partial(_get_object, cloud),
            head_object=partial(_head_object, cloud),
            get_bucket_lifecycle_configuration=partial(_lifecycle_rules, cloud),
            get_bucket_versioning=partial(_versioning, cloud),
            get_object_tagging=partial(_get_tags, cloud),
            put_object_tagging=partial(_put_tags, cloud),
        ),
        withdrawing=SimpleNamespace(delete_object=partial(_delete_object, cloud)),
        cloudwatch=SimpleNamespace(
            get_paginator=_paginators(
                describe_alarms=partial(_alarms, cloud),
                describe_alarm_history=partial(_alarm_history, cloud),
            )
        ),
    )


def _paginators(**pages: Callable[..., Iterator[Any]]) -> Callable[[str], Any]:
    return lambda operation: SimpleNamespace(paginate=pages[operation])


# Auto Scaling.


def _groups(
    cloud: Cloud,
    PaginationConfig: dict[str, int],
    AutoScalingGroupNames: Sequence[str] | None = None,
    Filters: Sequence[Mapping[str, Any]] = (),
) -> Iterator[Any]:
    found = [
        name
        for name, group in cloud.groups.items()
        if AutoScalingGroupNames is None or name in AutoScalingGroupNames
        if all(_fits(group, **each) for each in Filters)
    ]
    size = PaginationConfig["PageSize"]
    for start in range(0, max(1, len(found)), size):
        cloud.called("DescribeAutoScalingGroups")
        page = found[start : start + size]
        yield {"AutoScalingGroups": [_group(*cloud.shown(name)) for name in page]}


def _fits(group: FakeGroup, Name: str, Values: Sequence[str]) -> bool:
    """Say whether a group fits a filter: it has one of these tags, or a tag one of these values."""
    if Name == "tag-key":
        return any(key in group.tags for key in Values)
    return group.tags.get(Name.removeprefix("tag:")) in Values


def _group(group: FakeGroup, at: datetime) -> dict[str, Any]:
    warmup = {} if group.warmup is None else {"DefaultInstanceWarmup": _seconds(group.warmup)}
    pool = {"WarmPoolConfiguration": {"PoolState": "Stopped"}} if group.pool else {}
    return {
        "AutoScalingGroupName": group.name,
        "DesiredCapacity": group.desired,
        "MaxSize": max(group.desired, group.max_size),
        "HealthCheckType": group.checks,
        "HealthCheckGracePeriod": _seconds(group.grace),
        "Tags": [{"Key": key, "Value": value} for key, value in group.tags.items()],
        "TargetGroupARNs": [f"arn:x:targetgroup/{group.name}/1"] if group.balanced else [],
        "Instances": [_member(machine, at) for machine in group.members(at)],
        **_template(group.template, group.template_version),
        **warmup,
        **pool,
        **group.more,
    }


def _template(template: str | None, version: str) -> dict[str, Any]:
    """Return a launch template as a group, or its member, lists it."""
    if template is None:
        return {}
    names = {"LaunchTemplateId": template, "LaunchTemplateName": f"{template}-by-name"}
    return {"LaunchTemplate": {**names, "Version": version}}


def _seconds(span: timedelta) -> int:
    return int(span.total_seconds())


def _member(machine: Machine, at: datetime) -> dict[str, Any]:
    weight = {} if machine.weight is None else {"WeightedCapacity": machine.weight}
    return {
        "InstanceId": machine.id,
        "AvailabilityZone": machine.zone,
        "InstanceType": machine.type,
        "LifecycleState": machine.state(at),
        "HealthStatus": machine.health,
        "ProtectedFromScaleIn": machine.protected,
        **weight,
        **_origin(machine),
    }


def _origin(machine: Machine) -> dict[str, Any]:
    """Return what a member was launched from: the number of a version, however it was named."""
    if machine.template is not None:
        return _template(machine.template.id, str(machine.template.number))
    if machine.configuration is not None:
        return {"LaunchConfigurationName": machine.configuration}
    return {}


def _activities(
    cloud: Cloud,
    AutoScalingGroupName: str,
    Filters: Sequence[Mapping[str, Any]],
    PaginationConfig: dict[str, int],
) -> Iterator[Any]:
    """Answer with the activities that began since a time, the newest first."""
    [[bound]] = [each["Values"] for each in Filters if each["Name"] == "StartTimeLowerBound"]
    group, at = cloud.shown(AutoScalingGroupName)
    since = max(datetime.fromisoformat(bound), at - _ACTIVITIES_KEPT)
    begun = [each for each in group.activities if since <= each.start <= at]
    begun.sort(key=lambda activity: activity.start, reverse=True)
    size = PaginationConfig["PageSize"]
    for start in range(0, max(1, len(begun)), size):
        cloud.called("DescribeScalingActivities", group.name)
        page = begun[start : start + size]
        yield {"Activities": [_activity(each, group, at) for each in page]}


def _activity(activity: Activity, group: FakeGroup, at: datetime) -> dict[str, Any]:
    """Return an activity as it is described: without an EndTime while it is under way."""
    row = {"Description": activity.text, "StartTime": activity.start, "Cause": activity.cause}
    ended, machine = activity.ended, activity.machine
    if ended is None and machine is not None:
        leaving = activity.text.startswith("Terminating")
        ended = machine.leaves if leaving else machine.in_service
        if ended is not None and not leaving and ended <= at and group.waits_for_warmup:
            ended += group.warmup or timedelta(0)
            if ended > at:
                return {**row, "StatusCode": "WaitingForInstanceWarmup"}
    if ended is None or ended > at:
        waits = machine is not None and machine.state(at).endswith(":Wait")
        return {**row, "StatusCode": "MidLifecycleAction" if waits else "InProgress"}
    return {**row, "EndTime": ended, "StatusCode": activity.status}


def _refreshes(cloud: Cloud, AutoScalingGroupName: str) -> Any:
    """Answer with the refreshes of a group, the newest first, and an old one of long ago."""
    cloud.called("DescribeInstanceRefreshes", AutoScalingGroupName)
    status = cloud.refreshes.get(AutoScalingGroupName)
    active = [{"Status": status}] if status else []
    rows = [each.row() for each in reversed(cloud.refreshes_of(AutoScalingGroupName))]
    return {"InstanceRefreshes": [*active, *rows, {"Status": "Successful"}]}


def _start_refresh(
    cloud: Cloud, AutoScalingGroupName: str, Strategy: str, Preferences: Mapping[str, Any]
) -> Any:
    assert (Strategy, Preferences["SkipMatching"]) == ("Rolling", False)
    cloud.called("StartInstanceRefresh", AutoScalingGroupName)
    group = cloud.groups[AutoScalingGroupName]
    return {"InstanceRefreshId": cloud.start_refresh(group, Preferences)}


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
    """Return an instance as EC2 describes it: one that has gone has no interface any more."""
    warm = machine.lifecycle == "Warmed:Stopped"
    row = {
        "InstanceId": machine.id,
        "LaunchTime": machine.launched,
        "VpcId": machine.vpc,
        "State": {"Name": "stopped" if warm else machine.ec2},
        "Tags": [{"Key": key, "Value": value} for key, value in machine.labels.items()],
        **({"ImageId": machine.image} if machine.image else {}),
    }
    if machine.ec2 == "terminated":
        return row
    attached = machine.attached or machine.launched
    interface: dict[str, Any] = {"Attachment": {"DeviceIndex": 0, "AttachTime": attached}}
    address = machine.address or ""
    if ":" in address:
        interface["Ipv6Addresses"] = [{"Ipv6Address": address, "IsPrimaryIpv6": False}]
        row["Ipv6Address"] = address
    elif address:
        row["PrivateIpAddress"] = address
    row["Placement"] = {"AvailabilityZone": machine.zone}
    return {**row, "NetworkInterfaces": [interface]}


def _template_versions(
    cloud: Cloud,
    LaunchTemplateId: str,
    Versions: Sequence[str],
    ResolveAlias: bool,  # noqa: FBT001 - as boto3 has it
) -> Any:
    """Answer with a version; one that was deleted, or never was, fails the call."""
    cloud.called("DescribeLaunchTemplateVersions", LaunchTemplateId)
    if LaunchTemplateId not in cloud.templates:
        raise refusal("InvalidLaunchTemplateId.NotFound", f"{LaunchTemplateId} does not exist")
    [version] = Versions
    found = cloud.template_version(LaunchTemplateId, version)
    if found is None:
        raise refusal("InvalidLaunchTemplateId.VersionNotFound", f"no version {version}")
    image = cloud.image_of(found) if ResolveAlias else found.image
    row = {
        "LaunchTemplateId": found.id,
        "LaunchTemplateName": f"{found.id}-by-name",
        "VersionNumber": found.number,
        "CreateTime": found.created,
        "DefaultVersion": cloud.default_versions[found.id] == found.number,
        "LaunchTemplateData": {"ImageId": image},
    }
    return {"LaunchTemplateVersions": [row]}


# Load balancers: each group has its own, of its name; nothing uses any other.


def _target_health(cloud: Cloud, TargetGroupArn: str) -> Any:
    name = TargetGroupArn.split("/")[1]
    cloud.called("DescribeTargetHealth", name)
    groups = [group for group in cloud.groups.values() if _is_attached(group, TargetGroupArn)]
    return {
        "TargetHealthDescriptions": [
            _target(group, machine, "unused" if group.name != name else machine.target)
            for group in groups
            for machine in group.members(cloud.now)
            if machine.target is not None
        ]
    }


def _is_attached(group: FakeGroup, arn: str) -> bool:
    own = group.balanced and arn.split("/")[1] == group.name
    return own or arn in group.more.get("TargetGroupARNs", ())


def _target(group: FakeGroup, machine: Machine, state: str) -> dict[str, Any]:
    state = "draining" if machine.leaves is not None else state
    reason = "Target.NotInUse" if state == "unused" else "Elb.Said"
    health = {"State": state} if state == "healthy" else {"State": state, "Reason": reason}
    shifted = machine.zone in group.shifted
    override = {"State": "zonal_shift_active" if shifted else "no_override"}
    return {
        "Target": {"Id": machine.id},
        "TargetHealth": health,
        "AdministrativeOverride": override,
    }


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
    # By key, and of one key the newest first.
    mine = [each for each in reversed(cloud.stored) if each.key.startswith(Prefix)]
    mine.sort(key=lambda each: each.key)
    latest = {each.key: each for each in reversed(mine)}

    def row(each: Stored) -> dict[str, Any]:
        found = {
            "Key": each.key,
            "VersionId": each.version_id,
            "LastModified": each.when,
            "IsLatest": latest[each.key] is each,
        }
        if each.data is None:
            return found
        return {**found, "Size": len(each.data), "ETag": each.etag}

    for start in range(0, max(1, len(mine)), KEYS_A_PAGE):
        cloud.called("ListObjectVersions", Prefix)
        page = mine[start : start + KEYS_A_PAGE]
        yield {
            "Versions": [row(each) for each in page if each.data is not None],
            "DeleteMarkers": [row(each) for each in page if each.data is None],
        }


def _head_object(
    cloud: Cloud, Key: str, VersionId: str | None = None, ChecksumMode: str = "", **_: Any
) -> Any:
    stored, data = _read(cloud, "HeadObject", Key, VersionId)
    head = {"ContentLength": len(data), "ETag": stored.etag, "LastModified": stored.when}
    if ChecksumMode != "ENABLED":
        return head
    return {**head, "ChecksumCRC64NVME": stored.checksum, "ChecksumType": "FULL_OBJECT"}


def _get_object(
    cloud: Cloud, Key: str, VersionId: str | None = None, Range: str | None = None, **_: Any
) -> Any:
    stored, data = _read(cloud, "GetObject", Key, VersionId)
    if Range is not None:
        first, last = Range.removeprefix("bytes=").split("-")
        data = data[int(first) : int(last) + 1]
    return {
        "Body": io.BytesIO(data),
        "ContentLength": len(data),
        "ETag": stored.etag,
        "LastModified": stored.when,
    }


def _read(cloud: Cloud, operation: str, key: str, version: str | None) -> tuple[Stored, bytes]:
    """Return an object and its data: that of a version, else of now."""
    cloud.called(operation, key)
    if version is None:
        stored = cloud.current().get(key)
    else:
        found = [e for e in cloud.stored if (e.key, e.version_id) == (key, version)]
        stored = found[0] if found else None
    if stored is None:
        raise refusal("NoSuchKey" if version is None else "NoSuchVersion")
    if stored.data is None:
        raise refusal("MethodNotAllowed", "a delete marker")
    return stored, stored.data


def _versioning(cloud: Cloud, **_: Any) -> Any:
    cloud.called("GetBucketVersioning")
    if not cloud.versioned:
        return {}
    return {"Status": "Suspended" if cloud.suspended else "Enabled"}


def _get_tags(cloud: Cloud, Key: str, VersionId: str, **_: Any) -> Any:
    stored, _data = _read(cloud, "GetObjectTagging", Key, VersionId)
    return {"TagSet": [{"Key": key, "Value": text} for key, text in stored.tags.items()]}


def _put_tags(cloud: Cloud, Key: str, VersionId: str, Tagging: Any, **_: Any) -> None:
    """Put the tags of a version, in place of those that it had."""
    stored, _data = _read(cloud, "PutObjectTagging", Key, VersionId)
    stored.tags = {each["Key"]: each["Value"] for each in Tagging["TagSet"]}


def _delete_object(cloud: Cloud, Key: str, IfMatch: str, **_: Any) -> Any:
    """Put a delete marker if the object is still the one that was meant."""
    cloud.called("DeleteObject", Key)
    stored = cloud.current().get(Key)
    if stored is None:
        raise refusal("NoSuchKey")
    if stored.etag != IfMatch:
        raise refusal("PreconditionFailed")
    cloud.put(Key, None)
    return (
        {"DeleteMarker": True, "VersionId": cloud.stored[-1].version_id} if cloud.versioned else {}
    )


def _lifecycle_rules(cloud: Cloud, **_: Any) -> Any:
    cloud.called("GetBucketLifecycleConfiguration")
    rules: list[dict[str, Any]] = []
    if cloud.expires_after is not None:
        rules.append({"Status": "Enabled", "Expiration": {"Days": cloud.expires_after.days}})
    if cloud.keeps is not None:
        expiration = {"NoncurrentDays": cloud.keeps.days}
        rules.append({"Status": "Enabled", "NoncurrentVersionExpiration": expiration})
    if not rules:
        raise refusal("NoSuchLifecycleConfiguration")
    return {"Rules": rules}


# CloudWatch.


def _alarms(cloud: Cloud, AlarmNames: Sequence[str], **_: Any) -> Iterator[Any]:
    cloud.called("DescribeAlarms")
    cloud.note_alarms()
    changed = {change.name: change.when for change in cloud.changes}
    known = [name for name in AlarmNames if name in cloud.alarms]
    yield {
        "MetricAlarms": [
            {
                "AlarmName": name,
                "StateValue": cloud.alarms[name],
                "StateTransitionedTimestamp": changed[name],
                "Period": _seconds(cloud.spans.get(name, minutes(5))),
                "EvaluationPeriods": 1,
            }
            for name in known
        ]
    }


def _alarm_history(
    cloud: Cloud, AlarmName: str, StartDate: datetime, ScanBy: str, **_: Any
) -> Iterator[Any]:
    """Answer with an alarm's changes of state since a moment, the newest or oldest first."""
    cloud.called("DescribeAlarmHistory", AlarmName)
    order = reversed if ScanBy == "TimestampDescending" else list
    yield {
        "AlarmHistoryItems": [
            {
                "AlarmName": change.name,
                "Timestamp": change.when,
                "HistoryItemType": "StateUpdate",
                "HistoryData": json.dumps(
                    {
                        "oldState": {"stateValue": change.before},
                        "newState": {"stateValue": change.after},
                    }
                ),
            }
            for change in order(cloud.changes)
            if change.name == AlarmName and StartDate <= change.when
        ]
    }
