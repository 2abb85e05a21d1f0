"""AWS's answers in its own XML, as long as the real ones: what boto3 parses is part of a run."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Final
from xml.sax.saxutils import escape

from benchmarks.account import VERSION, Account, Member, address

GROUPS_A_PAGE: Final = 100
VPC: Final = "vpc-0123456789abcdef0"
_TAGS: Final = {
    "aws:autoscaling:groupName": "live_asg_app",
    "aws:ec2launchtemplate:id": "lt-0123456789abcdef0",
    "aws:ec2launchtemplate:version": "17",
    "Name": "live-web",
    "Environment": "live",
    "Owner": "team-web@example.com",
    "CostCentre": "1234567",
}
Form = Mapping[str, str]


def xml(tag: str, *content: object) -> str:
    """Return an element."""
    return f"<{tag}>{''.join(map(str, content))}</{tag}>"


def _fields(**fields: object) -> str:
    return "".join(xml(name, escape(str(value))) for name, value in fields.items())


def _list(name: str, item: str, rows: Iterable[str]) -> str:
    return xml(name, *(xml(item, row) for row in rows))


@cache
def _member(member: Member) -> str:
    return _fields(
        InstanceId=member.id,
        InstanceType="t4g.medium",
        AvailabilityZone=f"eu-west-1{'abc'[member.number % 3]}",
        LifecycleState="InService",
        HealthStatus="Healthy",
        ProtectedFromScaleIn="false",
    ) + xml("LaunchTemplate", _fields(LaunchTemplateId="lt-0123", Version="17"))


def _group(account: Account, number: int) -> str:
    members = account.members(number)
    name = f"live_asg_app{number}"
    arn = f"arn:aws:elasticloadbalancing:eu-west-1:000000000000:targetgroup/app{number}/0123456789"
    tags = {"terminator:enabled": "true", "terminator:app": f"app{number}", **_TAGS}
    return (
        _fields(
            AutoScalingGroupName=name,
            AutoScalingGroupARN=f"arn:aws:autoscaling:eu-west-1:0:autoScalingGroup:0:{name}",
            MinSize=0,
            MaxSize=2 * len(members),
            DesiredCapacity=len(members),
            DefaultCooldown=300,
            HealthCheckType="ELB",
            HealthCheckGracePeriod=0,
            CreatedTime="2026-01-01T00:00:00Z",
            VPCZoneIdentifier="subnet-0123,subnet-4567,subnet-89ab",
        )
        + _list("TargetGroupARNs", "member", [arn])
        + _list("Instances", "member", map(_member, members))
        + _list("Tags", "member", (_tag(name, key, value) for key, value in tags.items()))
    )


def _tag(group: str, key: str, value: str) -> str:
    kind = "auto-scaling-group"
    return _fields(
        ResourceId=group, ResourceType=kind, Key=key, Value=value, PropagateAtLaunch="true"
    )


def groups(account: Account, asked: Form) -> str:
    """Answer DescribeAutoScalingGroups, page by page or by name."""
    if name := asked.get("AutoScalingGroupNames.member.1"):
        numbers, token = range(int(name[12:]), int(name[12:]) + 1), ""
    else:
        first = int(asked.get("NextToken", "0"))
        last = min(first + GROUPS_A_PAGE, account.groups)
        numbers = range(first, last)
        token = _fields(NextToken=last) if last < account.groups else ""
    return _list("AutoScalingGroups", "member", (_group(account, n) for n in numbers)) + token


@cache
def _instance(id_: str) -> str:
    number = int(id_[3:], 16)
    network = _fields(networkInterfaceId=f"eni-{number:017x}", subnetId="subnet-0123", vpcId=VPC)
    security = _list("groupSet", "item", [_fields(groupId="sg-0123456789", groupName="web")])
    disk = xml("ebs", _fields(volumeId=f"vol-{number:017x}", status="attached"))
    return (
        _fields(
            instanceId=id_,
            imageId="ami-0123456789abcdef0",
            privateDnsName=f"ip-{address(number)}.eu-west-1.compute.internal",
            amiLaunchIndex=0,
            instanceType="t4g.medium",
            launchTime=f"2026-01-{1 + number // 1440 % 28:02}T{number // 60 % 24:02}:"
            f"{number % 60:02}:00.000Z",
            subnetId="subnet-0123456789abcdef0",
            vpcId=VPC,
            privateIpAddress=address(number),
            sourceDestCheck="true",
            architecture="arm64",
            rootDeviceType="ebs",
            rootDeviceName="/dev/xvda",
            virtualizationType="hvm",
            clientToken="fleet-01234567-89ab-cdef-0123-456789abcdef-0",
            hypervisor="xen",
            ebsOptimized="false",
            enaSupport="true",
            platformDetails="Linux/UNIX",
            usageOperation="RunInstances",
            usageOperationUpdateTime="2026-01-01T00:00:00.000Z",
            currentInstanceBootMode="uefi",
        )
        + xml("instanceState", _fields(code=16, name="running"))
        + xml("monitoring", _fields(state="disabled"))
        + xml("placement", _fields(availabilityZone="eu-west-1a", groupName="", tenancy="default"))
        + security
        + _list("blockDeviceMapping", "item", [_fields(deviceName="/dev/xvda") + disk])
        + _list("networkInterfaceSet", "item", [network + security])
        + xml("iamInstanceProfile", _fields(arn="arn:aws:iam::0:instance-profile/web", id="AIPA0"))
        + xml("cpuOptions", _fields(coreCount=2, threadsPerCore=1))
        + xml("metadataOptions", _fields(state="applied", httpTokens="required", httpEndpoint="on"))
        + _list("tagSet", "item", (_fields(key=key, value=value) for key, value in _TAGS.items()))
    )


def instances(_account: Account, asked: Form) -> str:
    """Answer DescribeInstances for the ids asked for, each a reservation of its own."""
    ids = (value for name, value in asked.items() if name.startswith("InstanceId."))
    rows = (
        _fields(reservationId="r-0123456789abcdef0", ownerId="000000000000")
        + _list("instancesSet", "item", [_instance(id_)])
        for id_ in ids
    )
    return _list("reservationSet", "item", rows)


def targets(account: Account, asked: Form) -> str:
    """Answer DescribeTargetHealth: all are healthy."""
    number = int(asked["TargetGroupArn"].split("/")[1].removeprefix("app"))
    rows = (
        xml("Target", _fields(Id=member.id, Port=80))
        + _fields(HealthCheckPort=80)
        + xml("TargetHealth", _fields(State="healthy"))
        for member in account.members(number)
    )
    return _list("TargetHealthDescriptions", "member", rows)


def activities(account: Account, asked: Form) -> str:
    """Answer DescribeScalingActivities: the launches of those that run the release."""
    name = asked["AutoScalingGroupName"]
    members = account.members(int(name.removeprefix("live_asg_app")))
    rows = (
        _fields(
            ActivityId="01234567-89ab-cdef-0123-456789abcdef",
            AutoScalingGroupName=name,
            Description=f"Launching a new EC2 instance: {member.id}",
            Cause="At 2026-01-01T00:00:00Z an instance was launched in response to an unhealthy "
            "instance needing to be replaced.",
            StartTime=member.launched.isoformat(),
            EndTime=member.launched.isoformat(),
            StatusCode="Successful",
            Progress=100,
            Details='{"Subnet ID":"subnet-0123456789abcdef0","Availability Zone":"eu-west-1a"}',
        )
        for member in members
        if member.version == VERSION
    )
    return _list("Activities", "member", rows)


def refreshes(_account: Account, _asked: Form) -> str:
    """Answer DescribeInstanceRefreshes: there are none."""
    return xml("InstanceRefreshes")


def terminated(_account: Account, _asked: Form) -> str:
    """Answer TerminateInstanceInAutoScalingGroup."""
    return xml("Activity", _fields(ActivityId="0", AutoScalingGroupName="x", Cause="x", Progress=0))


def versions(prefix: str) -> str:
    """Answer ListObjectVersions: an app's releases."""
    rows = (
        _fields(
            Key=f"{prefix}1.0.{number}.zip",
            VersionId=f"3HL4kqtJvjVBH40Nrjfkd{number}",
            IsLatest="true",
            LastModified=f"2025-12-{number - 254:02}T00:00:00.000Z",
            ETag=f'"{number}"',
            Size=1_000_000,
            StorageClass="STANDARD",
        )
        for number in range(255, 275)
    )
    return xml(
        "ListVersionsResult", _fields(IsTruncated="false"), *(xml("Version", r) for r in rows)
    )


def lifecycle() -> str:
    """Answer GetBucketLifecycleConfiguration: old versions go after a quarter of a year."""
    rule = _fields(ID="tidy", Status="Enabled") + xml("Filter", _fields(Prefix=""))
    expires = xml("NoncurrentVersionExpiration", _fields(NoncurrentDays=90))
    return xml("LifecycleConfiguration", xml("Rule", rule + expires))


def _zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("program", VERSION * 1000)
    return buffer.getvalue()


ZIP: Final = _zip()
ACTIONS: Final[Mapping[str, Callable[[Account, Form], str]]] = {
    "DescribeAutoScalingGroups": groups,
    "DescribeInstances": instances,
    "DescribeTargetHealth": targets,
    "DescribeScalingActivities": activities,
    "DescribeInstanceRefreshes": refreshes,
    "TerminateInstanceInAutoScalingGroup": terminated,
}
