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
_TARGET_FINE: Final = frozenset({"healthy", "unused"})
_NOUNS: Final = {"elbv2": "target group", "elb": "load balancer"}


@dataclass(frozen=True, order=True)
class Balancer:
    """A target group (`elbv2`, by ARN), a classic load balancer (`elb`, by name), or another."""

    kind: str
    id: str

    def __str__(self) -> str:
        name = self.id.split("/")[1] if self.id.count("/") > 1 else self.id
        return f"{_NOUNS.get(self.kind, plain(self.kind))} {plain(name)}"


@dataclass(frozen=True)
class Health:
    """What a load balancer says: `ill` maps the ids of unhealthy instances to its reason."""

    fine: frozenset[str] = frozenset()
    ill: Mapping[str, str] = field(default_factory=dict)


def of_group(group: AutoScalingGroupTypeDef) -> list[Balancer]:
    """Return the load balancers that a group is attached to."""
    attached = {Balancer("elbv2", arn) for arn in group.get("TargetGroupARNs", ())}
    attached |= {Balancer("elb", name) for name in group.get("LoadBalancerNames", ())}
    for source in group.get("TrafficSources", ()):
        attached.add(Balancer(source.get("Type", "elbv2"), source.get("Identifier", "")))
    return sorted(attached)


def ask(aws: Aws, balancer: Balancer) -> Health:
    """Ask a load balancer about all its instances; errors pass through."""
    match balancer.kind:
        case "elbv2":
            return _target_group(aws, balancer.id)
        case "elb":
            return _classic(aws, balancer.id)
        case _:
            raise KnownError("only target groups and classic load balancers are known")


def _target_group(aws: Aws, arn: str) -> Health:
    fine, ill = set[str](), dict[str, str]()
    for each in aws.elbv2.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]:
        state = each["TargetHealth"].get("State", "unknown")
        if state in _TARGET_FINE:
            fine.add(each["Target"]["Id"])
        else:
            ill[each["Target"]["Id"]] = each["TargetHealth"].get("Reason", state)
    return Health(frozenset(fine), ill)


def _classic(aws: Aws, name: str) -> Health:
    states = aws.elb.describe_instance_health(LoadBalancerName=name)["InstanceStates"]
    fine = {each["InstanceId"] for each in states if each["State"] == "InService"}
    ill = {each["InstanceId"]: each["State"] for each in states if each["State"] != "InService"}
    return Health(frozenset(fine), ill)


def complaint(instance: str, health: Mapping[Balancer, Health]) -> str | None:
    """Say at which of the load balancers the instance is not healthy, None where at none."""
    for balancer, seen in sorted(health.items(), key=lambda item: item[0]):
        if instance in seen.ill:
            return f"unhealthy at {balancer}: {plain(seen.ill[instance])}"
        if instance not in seen.fine:
            return f"not registered with {balancer}"
    return None
