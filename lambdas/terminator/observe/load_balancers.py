"""What each load balancer says of a group's instances."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from terminator.errors import KnownError
from terminator.text import plain

if TYPE_CHECKING:
    from types_boto3_autoscaling.type_defs import AutoScalingGroupTypeDef

    from terminator.clients import Aws

# `unused` says that no load balancer uses the target group, so nothing of the instance:
# https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html
_TARGET_HEALTHY: Final = frozenset({"healthy", "unused"})
_NOUNS: Final = {"elbv2": "target group", "elb": "load balancer"}


@dataclass(frozen=True, order=True)
class LoadBalancer:
    """A target group (`elbv2`, by ARN), a classic load balancer (`elb`, by name), or another."""

    kind: str
    id: str

    def __str__(self) -> str:
        name = self.id.split("/")[1] if self.id.count("/") > 1 else self.id
        return f"{_NOUNS.get(self.kind, plain(self.kind))} {plain(name)}"


@dataclass(frozen=True)
class Health:
    """What a load balancer says: `unhealthy` maps the ids of instances to its reason."""

    healthy: frozenset[str] = frozenset()
    unhealthy: Mapping[str, str] = field(default_factory=dict)


def attached_to(group: AutoScalingGroupTypeDef) -> list[LoadBalancer]:
    """Return the load balancers that a group is attached to."""
    attached = {LoadBalancer("elbv2", arn) for arn in group.get("TargetGroupARNs", ())}
    attached |= {LoadBalancer("elb", name) for name in group.get("LoadBalancerNames", ())}
    for source in group.get("TrafficSources", ()):
        attached.add(LoadBalancer(source.get("Type", "elbv2"), source.get("Identifier", "")))
    return sorted(attached)


def describe_health(aws: Aws, load_balancer: LoadBalancer) -> Health:
    """Ask a load balancer about all its instances; errors pass through."""
    match load_balancer.kind:
        case "elbv2":
            answer = aws.elbv2.describe_target_health(TargetGroupArn=load_balancer.id)
            healthy, unhealthy = set[str](), dict[str, str]()
            for each in answer["TargetHealthDescriptions"]:
                state = each["TargetHealth"].get("State", "unknown")
                if state in _TARGET_HEALTHY:
                    healthy.add(each["Target"]["Id"])
                else:
                    unhealthy[each["Target"]["Id"]] = each["TargetHealth"].get("Reason", state)
            return Health(frozenset(healthy), unhealthy)
        case "elb":
            states = aws.elb.describe_instance_health(LoadBalancerName=load_balancer.id)
            found = {each["InstanceId"]: each["State"] for each in states["InstanceStates"]}
            return Health(
                frozenset(id_ for id_, state in found.items() if state == "InService"),
                {id_: state for id_, state in found.items() if state != "InService"},
            )
        case _:
            raise KnownError("only target groups and classic load balancers are known")


def unserving(instance: str, health: Mapping[LoadBalancer, Health]) -> str | None:
    """Say at which of the load balancers the instance takes no traffic, None where at none."""
    for load_balancer, seen in sorted(health.items(), key=lambda item: item[0]):
        if instance in seen.unhealthy:
            return f"unhealthy at {load_balancer}: {plain(seen.unhealthy[instance])}"
        if instance not in seen.healthy:
            return f"not registered with {load_balancer}"
    return None
