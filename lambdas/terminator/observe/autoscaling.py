"""Auto Scaling's and EC2's describes: paginated, never a call for each instance."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Final, cast

from botocore.exceptions import ClientError

from terminator.config.tags import ENABLED_TAG
from terminator.errors import code, explain

if TYPE_CHECKING:
    from types_boto3_autoscaling.client import AutoScalingClient
    from types_boto3_autoscaling.type_defs import AutoScalingGroupTypeDef, PaginatorConfigTypeDef
    from types_boto3_autoscaling.type_defs import FilterTypeDef as GroupFilterTypeDef
    from types_boto3_ec2.client import EC2Client
    from types_boto3_ec2.type_defs import FilterTypeDef, InstanceTypeDef

# https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DescribeAutoScalingGroups.html
_GROUPS_A_CALL: Final = 100
_IDS_A_CALL: Final = 1000
# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstances.html
_VALUES_A_FILTER: Final = 200
# What is read of an instance: all that EC2 says of ten thousand would fill a function's memory.
_READ: Final = ("InstanceId", "LaunchTime", "PrivateIpAddress", "VpcId")


def describe_groups(
    autoscaling: AutoScalingClient, names: Sequence[str], *, tagged: bool
) -> list[AutoScalingGroupTypeDef]:
    """Describe the groups named and, if `tagged`, those that opted in by tag; by name."""
    paginator = autoscaling.get_paginator("describe_auto_scaling_groups")
    size: PaginatorConfigTypeDef = {"PageSize": _GROUPS_A_CALL}
    pages = [
        page
        for some in in_parts(names, _GROUPS_A_CALL)
        for page in paginator.paginate(AutoScalingGroupNames=some, PaginationConfig=size)
    ]
    if tagged:
        enabled: GroupFilterTypeDef = {"Name": f"tag:{ENABLED_TAG}", "Values": ["true"]}
        pages += paginator.paginate(Filters=[enabled], PaginationConfig=size)
    groups = [group for page in pages for group in page["AutoScalingGroups"]]
    found = {group["AutoScalingGroupName"]: group for group in groups}
    return [found[name] for name in sorted(found)]


def tags_of(group: AutoScalingGroupTypeDef) -> dict[str, str]:
    """Return the tags of a group."""
    return {tag["Key"]: tag.get("Value", "") for tag in group.get("Tags", ())}


def describe_instances(
    ec2: EC2Client,
    ids: Sequence[str],
    before_each: Callable[[], None] = lambda: None,
    *,
    more: tuple[str, ...] = (),
) -> tuple[dict[str, InstanceTypeDef], dict[str, str]]:
    """Describe instances: address, VPC and launch of each id, and why the rest are not known.

    `before_each` is called before each call, and may raise: like an error of AWS, that costs
    the instances of this call and no others. `more` are fields to keep besides.
    """
    rows: dict[str, InstanceTypeDef] = {}
    failures: dict[str, str] = {}
    for some in in_parts(ids, _IDS_A_CALL):
        try:
            before_each()
            rows |= _instances(ec2, some, (*_READ, *more))
        except Exception as error:  # noqa: BLE001 - whatever it is, the others are described
            failures |= dict.fromkeys(some, f"cannot describe instances: {explain(error)}")
    missing = set(ids) - rows.keys() - failures.keys()
    return rows, failures | dict.fromkeys(missing, "missing from DescribeInstances")


def _instances(
    ec2: EC2Client, ids: list[str], fields: tuple[str, ...]
) -> dict[str, InstanceTypeDef]:
    paginator = ec2.get_paginator("describe_instances")
    try:
        pages = list(paginator.paginate(InstanceIds=ids))
    except ClientError as error:
        if code(error) != "InvalidInstanceID.NotFound":
            raise
        # One that has vanished fails the whole call; a filter passes over it.
        filters: list[FilterTypeDef] = [
            {"Name": "instance-id", "Values": some} for some in in_parts(ids, _VALUES_A_FILTER)
        ]
        pages = [page for each in filters for page in paginator.paginate(Filters=[each])]
    reservations = (each for page in pages for each in page["Reservations"])
    every: Iterable[InstanceTypeDef] = (row for each in reservations for row in each["Instances"])
    read = ({name: value for name, value in row.items() if name in fields} for row in every)
    return {
        str(row["InstanceId"]): cast("InstanceTypeDef", row) for row in read if "InstanceId" in row
    }


def in_parts(items: Sequence[str], size: int) -> Iterator[list[str]]:
    """Yield the items in lists of at most this size."""
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some
