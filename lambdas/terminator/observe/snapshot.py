"""What AWS and `/version` said, read into the model: one snapshot a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from terminator.config.tags import Policy
from terminator.errors import Failure
from terminator.model import Group, Instance, NoRelease, Released
from terminator.observe import load_balancers as balancers
from terminator.observe.load_balancers import Balancer, Health
from terminator.text import few, plain
from terminator.version import Version

if TYPE_CHECKING:
    from types_boto3_autoscaling.type_defs import AutoScalingGroupTypeDef
    from types_boto3_autoscaling.type_defs import InstanceTypeDef as MemberTypeDef
    from types_boto3_ec2.type_defs import InstanceTypeDef


@dataclass(frozen=True)
class Snapshot:
    """What one run saw of instances, load balancers and releases.

    `rows` is what EC2 says of each instance. `seen` maps an instance's id to the version it
    answered or to the reason why it did not; `failures` maps it to why it was not asked.
    `released` maps an app to what it should run (None without a bucket) or to why that could
    not be found out.
    """

    rows: Mapping[str, InstanceTypeDef] = field(default_factory=dict)
    seen: Mapping[str, Version | str] = field(default_factory=dict)
    failures: Mapping[str, str] = field(default_factory=dict)
    health: Mapping[Balancer, Health | Failure] = field(default_factory=dict)
    released: Mapping[str, Released | NoRelease | Failure | None] = field(default_factory=dict)


def asked(group: AutoScalingGroupTypeDef) -> list[str]:
    """Return the ids of the members to ask for their version: InService and Healthy."""
    return [
        member["InstanceId"] for member in group.get("Instances", ()) if _instance(member).serving
    ]


def problem(group: AutoScalingGroupTypeDef, policy: Policy, snapshot: Snapshot) -> str | None:
    """Say why the group's observation failed, None where it did not."""
    if policy.problems:
        return None
    released = snapshot.released[policy.app]
    if isinstance(released, Failure):
        return f"cannot read the releases of {plain(policy.app)}: {released.why}"
    for balancer in balancers.of_group(group):
        health = snapshot.health[balancer]
        if isinstance(health, Failure):
            return f"cannot read the health at {balancer}: {health.why}"
    unasked = [
        f"{id_}: {snapshot.failures[id_]}" for id_ in asked(group) if id_ in snapshot.failures
    ]
    return few(unasked, "; ") or None


def to_group(group: AutoScalingGroupTypeDef, policy: Policy, snapshot: Snapshot) -> Group:
    """Return the group as described now, with what the snapshot saw of its members.

    A member that the snapshot has not seen has neither version nor reason.
    """
    health = {each: _health(snapshot, each) for each in balancers.of_group(group)}
    released = snapshot.released.get(policy.app, NoRelease("its releases were not looked at"))
    members = group.get("Instances", ())
    return Group(
        name=group["AutoScalingGroupName"],
        desired=group["DesiredCapacity"],
        grace=timedelta(seconds=group.get("HealthCheckGracePeriod", 0)),
        instances=tuple(_member(member, snapshot, health) for member in members),
        released=NoRelease(released.why) if isinstance(released, Failure) else released,
        status=group.get("Status"),
        suspended=frozenset(
            each.get("ProcessName", "") for each in group.get("SuspendedProcesses", ())
        ),
        capacity_type=group.get("DesiredCapacityType"),
    )


def _health(snapshot: Snapshot, balancer: Balancer) -> Health:
    health = snapshot.health.get(balancer)
    return health if isinstance(health, Health) else Health()


def _member(
    member: MemberTypeDef, snapshot: Snapshot, health: Mapping[Balancer, Health]
) -> Instance:
    id_ = member["InstanceId"]
    seen = snapshot.seen.get(id_)
    row = snapshot.rows.get(id_)
    bare = _instance(member, row["LaunchTime"] if row else None)
    if seen is None or not bare.serving:
        return bare
    version, reason = (seen, None) if isinstance(seen, Version) else (None, seen)
    complaint = reason or balancers.complaint(id_, health)
    return replace(bare, version=version, reason=complaint)


def _instance(member: MemberTypeDef, launched: datetime | None = None) -> Instance:
    return Instance(
        id=member["InstanceId"],
        zone=member.get("AvailabilityZone", ""),
        lifecycle=member.get("LifecycleState", ""),
        health=member.get("HealthStatus", ""),
        launched=launched,
        protected=member.get("ProtectedFromScaleIn", False),
        weight=member.get("WeightedCapacity"),
    )
