"""Auto Scaling's and EC2's describes: paginated, never a call for each instance."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import chain, islice
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError, ParamValidationError

from terminator.config.tags import ENABLED_TAG, REPLACE_AFTER_TAG
from terminator.errors import KnownError, code, explain

if TYPE_CHECKING:
    from types_boto3_autoscaling.client import AutoScalingClient
    from types_boto3_autoscaling.type_defs import (
        ActivitiesTypeTypeDef,
        AutoScalingGroupTypeDef,
        PaginatorConfigTypeDef,
    )
    from types_boto3_autoscaling.type_defs import FilterTypeDef as GroupFilterTypeDef
    from types_boto3_ec2.client import EC2Client
    from types_boto3_ec2.type_defs import (
        DescribeInstancesResultTypeDef,
        FilterTypeDef,
        InstanceTypeDef,
    )

# https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DescribeAutoScalingGroups.html
_GROUPS_A_CALL: Final = 100
_IDS_A_CALL: Final = 1000
# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstances.html
_VALUES_A_FILTER: Final = 200
_ACTIVITIES_A_PAGE: Final = 100
_MOST_ACTIVITIES: Final = 5000
_INSTANCE_ID: Final = re.compile(r"\bi-[0-9a-f]+\b")
_FAILED: Final = frozenset({"Failed", "Cancelled"})
# "Launching a new EC2 instance: i-…", "… from warm pool: i-…", "Moving EC2 instance out of
# Standby: i-…" and "Attaching an existing EC2 instance: i-…" put one in service. So does what
# nobody has heard of, such as a new root volume; these do not.
_LEAVES_SERVICE: Final = re.compile(
    r"Terminating |Detaching |Moving .* to Standby|.* (in)?to warm pool"
)

# Why Auto Scaling took one out of service, in the words of
# https://docs.aws.amazon.com/autoscaling/ec2/userguide/ts-as-healthchecks.html
_ON_REQUEST: Final = re.compile(r"\bin response to a user request\b(?!, shrinking)")
_FAILED_CHECK: Final = re.compile(r"\b(health[ -]|status )check")
_OF_BALANCER: Final = re.compile(r"\b(ELB|Elastic Load Balanc\w+)\b")
# What EC2 finds gone may have been a spot instance: that boots fail is told by their short lives.
_SHORT_LIFE: Final = timedelta(hours=1)


class ListedInPartError(KnownError):
    """A page of the listing failed; `groups` are those of the pages before."""

    def __init__(self, groups: list[AutoScalingGroupTypeDef], error: Exception) -> None:
        super().__init__(f"not all groups could be listed: {explain(error)}")
        self.groups = groups


def describe_groups(
    autoscaling: AutoScalingClient, names: Sequence[str], *, tagged: bool
) -> list[AutoScalingGroupTypeDef]:
    """Describe the groups named and, if `tagged`, those that have the tag; by name.

    They may have it with another text than `true`: such a group is held, not passed over. Raise
    ListedInPartError, which has the groups of the pages before, where a page fails.
    """
    paginator = autoscaling.get_paginator("describe_auto_scaling_groups")
    size: PaginatorConfigTypeDef = {"PageSize": _GROUPS_A_CALL}
    has_tag: GroupFilterTypeDef = {"Name": "tag-key", "Values": [ENABLED_TAG]}
    listings = [
        paginator.paginate(AutoScalingGroupNames=some, PaginationConfig=size)
        for some in in_parts(names, _GROUPS_A_CALL)
    ]
    if tagged:
        listings.append(paginator.paginate(Filters=[has_tag], PaginationConfig=size))
    found: dict[str, AutoScalingGroupTypeDef] = {}
    try:
        for page in chain.from_iterable(listings):
            found |= {group["AutoScalingGroupName"]: group for group in page["AutoScalingGroups"]}
    except Exception as error:
        if not found:
            raise
        raise ListedInPartError([found[name] for name in sorted(found)], error) from error
    return [found[name] for name in sorted(found)]


def tags_of(group: AutoScalingGroupTypeDef) -> dict[str, str]:
    """Return the tags of a group."""
    return {tag["Key"]: tag.get("Value", "") for tag in group.get("Tags", ())}


@dataclass(frozen=True)
class Ec2Instance:
    """What is read of an instance as EC2 describes it.

    `created` is the earlier of its LaunchTime, which moves when it is stopped and started, and
    its primary network interface's AttachTime. `address` is its private IPv4 address, else its
    IPv6 address. `zone` is its Availability Zone. `replace_after` is the text of its tag of that
    name, None where it has none.
    """

    id: str
    running: bool
    created: datetime
    address: str | None
    vpc: str
    zone: str = ""
    image: str | None = None
    replace_after: str | None = None

    @classmethod
    def of(cls, row: InstanceTypeDef) -> Ec2Instance:
        """Read an instance as DescribeInstances shows it."""
        primary = [
            interface
            for interface in row.get("NetworkInterfaces", ())
            if interface.get("Attachment", {}).get("DeviceIndex") == 0
        ]
        attachments = [interface["Attachment"] for interface in primary]
        attached = [each["AttachTime"] for each in attachments if "AttachTime" in each]
        tags = row.get("Tags", ())
        texts = (each.get("Value", "") for each in tags if each.get("Key") == REPLACE_AFTER_TAG)
        return cls(
            id=row["InstanceId"],
            running=row.get("State", {}).get("Name") == "running",
            created=min([row["LaunchTime"], *attached]),
            address=address_of(row),
            vpc=row.get("VpcId", ""),
            zone=row.get("Placement", {}).get("AvailabilityZone", ""),
            image=row.get("ImageId"),
            replace_after=next(texts, None),
        )


def healthy_percentage(group: AutoScalingGroupTypeDef) -> int | None:
    """Return the MinHealthyPercentage of a group's instance maintenance policy, None for none."""
    percentage = group.get("InstanceMaintenancePolicy", {}).get("MinHealthyPercentage", -1)
    return percentage if percentage >= 0 else None


def address_of(row: InstanceTypeDef) -> str | None:
    """Return the private IPv4 address of an instance, else its IPv6 address, else None.

    Of several IPv6 addresses of its primary network interface that is the primary one.
    """
    found = [
        (interface.get("Attachment", {}).get("DeviceIndex", 0), not each.get("IsPrimaryIpv6"), of)
        for interface in row.get("NetworkInterfaces", ())
        for each in interface.get("Ipv6Addresses", ())
        if (of := each.get("Ipv6Address"))
    ]
    listed = (of for _, _, of in sorted(found))
    return row.get("PrivateIpAddress") or row.get("Ipv6Address") or next(listed, None)


def describe_instances(
    ec2: EC2Client,
    ids: Sequence[str],
    before_each: Callable[[], None] = lambda: None,
    zones: Mapping[str, str] | None = None,
) -> tuple[dict[str, Ec2Instance], dict[str, str]]:
    """Describe instances, by id, and say of those that could not be asked about why not.

    One that EC2 does not list is in neither. `before_each` is called before each call, and may
    raise: like an error of AWS, that costs the instances of this call and no others. `zones`
    maps ids to Availability Zones: an impaired one fails, or holds up, every call that names an
    instance of it, so no call names those of two zones.
    """
    found: dict[str, Ec2Instance] = {}
    failures: dict[str, str] = {}
    by_zone: dict[str, list[str]] = {}
    for id_ in ids:
        by_zone.setdefault((zones or {}).get(id_, ""), []).append(id_)
    for some in chain.from_iterable(in_parts(by_zone[zone], _IDS_A_CALL) for zone in by_zone):
        try:
            before_each()
            found |= {row["InstanceId"]: Ec2Instance.of(row) for row in instance_rows(ec2, some)}
        except Exception as error:  # noqa: BLE001 - whatever it is, the others are described
            failures |= dict.fromkeys(some, f"cannot describe instances: {explain(error)}")
    return found, failures


def instance_rows(ec2: EC2Client, ids: Sequence[str]) -> Iterator[InstanceTypeDef]:
    """Yield what EC2 says of those of at most 1,000 instances that it lists."""
    paginator = ec2.get_paginator("describe_instances")
    try:
        yield from _rows(paginator.paginate(InstanceIds=ids))
    except ClientError as error:
        if code(error) != "InvalidInstanceID.NotFound":
            raise
        # One that has vanished fails the whole call; a filter passes over it.
        for some in in_parts(ids, _VALUES_A_FILTER):
            filters: list[FilterTypeDef] = [{"Name": "instance-id", "Values": some}]
            yield from _rows(paginator.paginate(Filters=filters))


def _rows(pages: Iterable[DescribeInstancesResultTypeDef]) -> Iterator[InstanceTypeDef]:
    for page in pages:
        for reservation in page["Reservations"]:
            yield from (row for row in reservation["Instances"] if "InstanceId" in row)


@dataclass(frozen=True)
class Activities:
    """What a group's scaling activities tell of its instances, by id, and of its launches.

    `in_service` maps instances to when Auto Scaling put them in service; those that it is still
    about to are in `entering`. `from_pool` maps them to when they were taken from a warm pool,
    `leaving` to when they began to be terminated, and `replaced` those that entered service and
    were lost to a load balancer's health check, or within an hour to any other, to when their
    launch began. `taken` are when the launch and the end of each began that was terminated on
    request, but to shrink the group: `read_from` for the launch that is not among them, unless
    there were too many. `failed_launches` are when launches failed or were abandoned, the newest
    first. `read_from` is how far back activities were read, and `cut` says that there were too
    many to read as far back as was asked.
    """

    read_from: datetime
    cut: bool = False
    in_service: Mapping[str, datetime] = field(default_factory=dict)
    entering: frozenset[str] = frozenset()
    from_pool: Mapping[str, datetime] = field(default_factory=dict)
    leaving: Mapping[str, datetime] = field(default_factory=dict)
    replaced: Mapping[str, datetime] = field(default_factory=dict)
    taken: tuple[tuple[datetime, datetime], ...] = ()
    failed_launches: tuple[datetime, ...] = ()

    def entered_service(self, instance: str, created: datetime, now: datetime) -> datetime | None:
        """Return when an instance entered service, None where that is unknown."""
        if instance in self.entering:
            return now
        if instance in self.in_service:
            return self.in_service[instance]
        if created >= self.read_from:
            return None
        # Longer ago than activities were read: no launch hook kept it until now.
        return self.read_from if self.cut else created


def describe_activities(
    autoscaling: AutoScalingClient,
    name: str,
    read_from: datetime,
    before_each: Callable[[], None] = lambda: None,
) -> Activities:
    """Read a group's scaling activities back to a time; errors of AWS pass through.

    `before_each` is called before each page, and may raise. Texts of descriptions are those of
    https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-verify-scaling-activity.html
    """
    in_service: dict[str, datetime] = {}
    from_pool: dict[str, datetime] = {}
    leaving: dict[str, datetime] = {}
    launched: dict[str, datetime] = {}
    failed_check: dict[str, bool] = {}
    requested: set[str] = set()
    entering: set[str] = set()
    failed: list[datetime] = []
    number, oldest = 0, read_from
    before_each()
    for page in _pages_of_activities(autoscaling, name, read_from):
        for activity in page["Activities"]:
            number += 1
            text, status = activity.get("Description", ""), activity["StatusCode"]
            begun, ended = activity["StartTime"], activity.get("EndTime")
            match, enters = _INSTANCE_ID.search(text), not _LEAVES_SERVICE.match(text)
            oldest = begun if ended else oldest
            if enters and text.startswith("Launching") and status in _FAILED:
                failed.append(ended or begun)
            if match and text.startswith("Terminating"):
                leaving[match[0]] = max(begun, leaving.get(match[0], begun))
                if _FAILED_CHECK.search(cause := activity.get("Cause", "")):
                    failed_check[match[0]] = bool(_OF_BALANCER.search(cause))
                if _ON_REQUEST.search(cause):
                    requested.add(match[0])
            if match is None or not enters or status in _FAILED:
                continue
            if "from warm pool" in text:
                from_pool[match[0]] = max(begun, from_pool.get(match[0], begun))
            launched[match[0]] = min(begun, launched.get(match[0], begun))
            if status == "Successful" and ended:
                in_service[match[0]] = max(ended, in_service.get(match[0], ended))
            else:
                entering.add(match[0])
        before_each()
    replaced = {
        id_: launched[id_]
        for id_, of_balancer in sorted(failed_check.items())
        if id_ in in_service and (of_balancer or leaving[id_] - in_service[id_] <= _SHORT_LIFE)
    }
    cut = number >= _MOST_ACTIVITIES
    back_to = max(read_from, oldest) if cut else read_from
    # Of more than can be read nobody knows whether its launch was of before.
    told = sorted(requested & launched.keys() if cut else requested)
    return Activities(
        read_from=back_to,
        cut=cut,
        in_service=in_service,
        entering=frozenset(entering),
        from_pool=from_pool,
        leaving=leaving,
        replaced=replaced,
        taken=tuple((launched.get(id_, back_to), leaving[id_]) for id_ in told),
        failed_launches=tuple(sorted(failed, reverse=True)),
    )


def _pages_of_activities(
    autoscaling: AutoScalingClient, name: str, read_from: datetime
) -> Iterator[ActivitiesTypeTypeDef]:
    """Yield pages of activities that began since a time, unfinished ones first, then the newest."""
    paginator = autoscaling.get_paginator("describe_scaling_activities")
    size: PaginatorConfigTypeDef = {
        "PageSize": _ACTIVITIES_A_PAGE,
        "MaxItems": _MOST_ACTIVITIES,
    }
    lower: GroupFilterTypeDef = {
        "Name": "StartTimeLowerBound",
        "Values": [read_from.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")],
    }
    try:
        yield from paginator.paginate(
            AutoScalingGroupName=name, Filters=[lower], PaginationConfig=size
        )
    except ParamValidationError:  # a boto3 that does not know the filter yet
        for page in paginator.paginate(AutoScalingGroupName=name, PaginationConfig=size):
            since = [each for each in page["Activities"] if each["StartTime"] >= read_from]
            yield {**page, "Activities": since}
            if any(each.get("EndTime") and each not in since for each in page["Activities"]):
                return


def in_parts(items: Sequence[str], size: int) -> Iterator[list[str]]:
    """Yield the items in lists of at most this size."""
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some
