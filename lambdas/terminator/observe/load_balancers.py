"""What each load balancer says of a group's instances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from terminator.model import Traffic
from terminator.text import plain

if TYPE_CHECKING:
    from types_boto3_autoscaling.type_defs import AutoScalingGroupTypeDef
    from types_boto3_elbv2.type_defs import TargetHealthDescriptionTypeDef

    from terminator.clients import Aws

_NOUNS: Final = {"elbv2": "target group", "elb": "load balancer"}
# The states of an override under which a healthy target gets no traffic, or nobody knows:
# https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_AdministrativeOverride.html
_SHIFTED: Final = "zonal_shift_active"
_UNKNOWN: Final = "unknown"


@dataclass(frozen=True, order=True)
class LoadBalancer:
    """A target group (`elbv2`, by ARN), a classic load balancer (`elb`, by name), or another."""

    kind: str
    id: str

    def __str__(self) -> str:
        _, _, resource = self.id.partition(":targetgroup/")
        name = resource.partition("/")[0] or self.id
        return f"{_NOUNS.get(self.kind, plain(self.kind))} {plain(name)}"


@dataclass(frozen=True)
class Health:
    """What a load balancer says of its instances, by id.

    `healthy` and `unhealthy` are those that it calls so. `refused` maps those to which it sends
    no traffic to why, `unused` are those of them that it refuses for their zone alone, which it
    does not serve or which a zonal shift has left, and `unknown` those of which it does not know.
    `silent`: no load balancer uses the target group, so it says nothing of anybody.
    """

    healthy: frozenset[str] = frozenset()
    unhealthy: frozenset[str] = frozenset()
    refused: Mapping[str, str] = field(default_factory=dict)
    unknown: frozenset[str] = frozenset()
    unused: frozenset[str] = frozenset()
    silent: bool = False


def attached_to(group: AutoScalingGroupTypeDef) -> list[LoadBalancer]:
    """Return the load balancers that a group is attached to."""
    attached = {LoadBalancer("elbv2", arn) for arn in group.get("TargetGroupARNs", ())}
    attached |= {LoadBalancer("elb", name) for name in group.get("LoadBalancerNames", ())}
    for source in group.get("TrafficSources", ()):
        id_ = source.get("Identifier", "")
        # Only that of a classic load balancer has to say its type; others have an ARN.
        kind = "vpc-lattice" if ":vpc-lattice:" in id_ else "elbv2"
        attached.add(LoadBalancer(source.get("Type", kind), id_))
    return sorted(attached)


def is_known(load_balancer: LoadBalancer) -> bool:
    """Say whether its health can be asked: not that of a VPC Lattice target group."""
    return load_balancer.kind in _NOUNS


def describe_health(aws: Aws, load_balancer: LoadBalancer) -> Health:
    """Ask a load balancer that is known about all its instances; errors pass through."""
    if load_balancer.kind == "elb":
        answer = aws.elb.describe_instance_health(LoadBalancerName=load_balancer.id)
        states = {each["InstanceId"]: each["State"] for each in answer["InstanceStates"]}
        out = {id_: state for id_, state in states.items() if state == "OutOfService"}
        healthy = frozenset(id_ for id_, state in states.items() if state == "InService")
        unknown = frozenset(states.keys() - out.keys() - healthy)
        return Health(healthy, frozenset(out), out, unknown)
    targets = aws.elbv2.describe_target_health(TargetGroupArn=load_balancer.id)
    return _of_targets(targets["TargetHealthDescriptions"])


def _of_targets(targets: Sequence[TargetHealthDescriptionTypeDef]) -> Health:
    """Read what a target group says; with several ports an instance is several targets."""
    states = [each["TargetHealth"].get("State", "unavailable") for each in targets]
    # Beside targets that are used, an unused one lies in a zone that gets no traffic:
    # https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html
    if states and all(state == "unused" for state in states):
        return Health(silent=True)
    healthy, unhealthy, unknown = set[str](), set[str](), set[str]()
    refused: dict[str, str] = {}
    used: set[str] = set()
    for state, each in zip(states, targets, strict=True):
        id_, override = each["Target"]["Id"], each.get("AdministrativeOverride", {}).get("State")
        if state == "healthy":
            healthy.add(id_)
            if override == _SHIFTED:
                refused.setdefault(id_, "a zonal shift has moved traffic away from its zone")
        elif state != "unavailable":
            refused[id_] = each["TargetHealth"].get("Reason", state)
        if state != "unused" and (state, override) != ("healthy", _SHIFTED):
            used.add(id_)
        if state.startswith("unhealthy"):
            unhealthy.add(id_)
        if state == "unavailable" or override == _UNKNOWN:
            unknown.add(id_)
    unused = frozenset(refused) - used
    return Health(frozenset(healthy), frozenset(unhealthy), refused, frozenset(unknown), unused)


def traffic(instance: str, health: Mapping[LoadBalancer, Health | None]) -> Traffic:
    """Return what all the load balancers say of an instance; None: one was not asked."""
    refused: list[str] = []
    unhealthy: list[bool] = []
    unused: list[bool] = []
    healthy = unknown = False
    for load_balancer in sorted(health):
        seen = health[load_balancer]
        if seen is None:
            unknown = True
        elif not seen.silent:
            healthy, unknown = (
                healthy or instance in seen.healthy,
                unknown or instance in seen.unknown,
            )
            if instance in seen.refused:
                well = instance in seen.healthy or instance in seen.unused
                says = "no traffic from" if well else "unhealthy at"
                refused.append(f"{says} {load_balancer}: {plain(seen.refused[instance])}")
                unused.append(instance in seen.unused)
            elif instance not in seen.healthy and instance not in seen.unknown:
                refused.append(f"not registered with {load_balancer}")
                unused.append(False)
                continue
            unhealthy.append(instance in seen.unhealthy)
    is_unhealthy = not healthy and bool(unhealthy) and all(unhealthy)
    is_unused = bool(unused) and all(unused)
    return Traffic(next(iter(refused), None), healthy, is_unhealthy, unknown, is_unused)
