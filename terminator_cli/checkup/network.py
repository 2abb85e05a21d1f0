"""Whether the probe of a VPC can reach the version port of the instances in it.

A security group lets in, and out, what any of its rules allows:
https://docs.aws.amazon.com/vpc/latest/userguide/security-group-rules.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, ip_network
from typing import TYPE_CHECKING, Literal

from terminator.errors import Failure
from terminator.observe.survey import Subject
from terminator_cli.checkup.findings import Finding, about

if TYPE_CHECKING:
    from types_boto3_ec2.type_defs import (
        InstanceTypeDef,
        IpPermissionOutputTypeDef,
        SecurityGroupTypeDef,
    )

Verdict = Literal["yes", "no", "unknown"]


@dataclass(frozen=True)
class Probe:
    """The probe function of a VPC: its security groups, and the networks of its subnets."""

    vpc: str
    groups: tuple[str, ...]
    networks: tuple[IPv4Network, ...]


@dataclass(frozen=True)
class Target:
    """Instances of a group in one VPC that share security groups, with their addresses."""

    group: str
    vpc: str
    port: int
    groups: tuple[str, ...]
    addresses: tuple[str, ...]


def targets(subject: Subject, rows: Mapping[str, InstanceTypeDef]) -> list[Target]:
    """Return the instances of a group that were described, by VPC and security groups."""
    found: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for member in subject.described.get("Instances", ()):
        row = rows.get(member["InstanceId"])
        if row is not None and "PrivateIpAddress" in row:
            among = found.setdefault((row.get("VpcId", ""), _own_groups(row)), [])
            among.append(row["PrivateIpAddress"])
    port = subject.policy.port
    return [
        Target(subject.name, vpc, port, own, tuple(addresses))
        for (vpc, own), addresses in sorted(found.items())
    ]


def _own_groups(row: InstanceTypeDef) -> tuple[str, ...]:
    return tuple(sorted(each["GroupId"] for each in row.get("SecurityGroups", ())))


def check(
    target: Target,
    probe: Probe | Failure | None,
    known: Mapping[str, SecurityGroupTypeDef] | Failure,
) -> list[Finding]:
    """Check that the probe may send to the instances, and that they let it in."""
    group = about("group", target.group)
    if probe is None:
        seen = f"no probe function is deployed for {target.vpc}"
        return [group.problem("probe", seen, f"add {target.vpc} to vpcs, and make deploy")]
    if isinstance(probe, Failure):
        return [group.unseen("probe", probe, "lambda:GetFunctionConfiguration")]
    if isinstance(known, Failure):
        return [group.unseen("probe", known, "ec2:DescribeSecurityGroups")]
    return [_out(target, probe, known), _in(target, probe, known)]


def _out(target: Target, probe: Probe, known: Mapping[str, SecurityGroupTypeDef]) -> Finding:
    group = about("group", target.group)
    rules = _rules(known[id_]["IpPermissionsEgress"] for id_ in probe.groups if id_ in known)
    to = [IPv4Network(f"{address}/32") for address in target.addresses]
    way = f"from the probe of {target.vpc} to port {target.port}"
    verdict = allows(rules, target.port, target.groups, to)
    if verdict == "yes":
        return group.ok("probe may send", way)
    seen = f"{way}: its security group {' '.join(probe.groups)} has no such rule"
    remedy = f"add {target.port} to vpcs.{target.vpc}.ports, and make deploy"
    return _doubted(target, "probe may send", verdict, seen, remedy)


def _in(target: Target, probe: Probe, known: Mapping[str, SecurityGroupTypeDef]) -> Finding:
    group = about("group", target.group)
    rules = _rules(known[id_]["IpPermissions"] for id_ in target.groups if id_ in known)
    verdict = allows(rules, target.port, probe.groups, probe.networks)
    way = f"port {target.port} from the probe's {' '.join(probe.groups)}"
    if verdict == "yes":
        return group.ok("probe is let in", way)
    own = target.groups[0] if target.groups else "SECURITY-GROUP"
    remedy = (
        f"aws ec2 authorize-security-group-ingress --group-id {own} --protocol tcp "
        f"--port {target.port} --source-group {' '.join(probe.groups[:1])}"
    )
    seen = f"{way}: no rule of {' '.join(target.groups) or 'no security group'} lets it in"
    return _doubted(target, "probe is let in", verdict, seen, remedy)


def _doubted(target: Target, check: str, verdict: Verdict, seen: str, remedy: str) -> Finding:
    group = about("group", target.group)
    if verdict == "no":
        return group.problem(check, seen, remedy)
    return group.warning(check, f"{seen}, unless a prefix list does", remedy)


def _rules(rules: Iterable[Sequence[IpPermissionOutputTypeDef]]) -> list[IpPermissionOutputTypeDef]:
    return [rule for of_group in rules for rule in of_group]


def allows(
    rules: Iterable[IpPermissionOutputTypeDef],
    port: int,
    groups: Sequence[str],
    networks: Sequence[IPv4Network],
) -> Verdict:
    """Say whether rules allow TCP on a port with these groups, or all of these networks."""
    about_port = [rule for rule in rules if _covers(rule, port)]
    pairs = {p.get("GroupId") for rule in about_port for p in rule.get("UserIdGroupPairs", ())}
    cidrs = [r["CidrIp"] for rule in about_port for r in rule.get("IpRanges", ()) if "CidrIp" in r]
    allowed = [ip_network(cidr, strict=False) for cidr in cidrs]
    inside = [any(_within(each, one) for one in allowed) for each in networks]
    if pairs & set(groups) or (inside and all(inside)):
        return "yes"
    listed = any(rule.get("PrefixListIds") for rule in about_port)
    return "unknown" if listed else "no"


def _covers(rule: IpPermissionOutputTypeDef, port: int) -> bool:
    # https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_IpPermission.html
    protocol = rule.get("IpProtocol")
    if protocol == "-1":
        return True
    return protocol in {"tcp", "6"} and rule.get("FromPort", 0) <= port <= rule.get("ToPort", 65535)


def _within(inner: IPv4Network, outer: object) -> bool:
    return isinstance(outer, IPv4Network) and inner.subnet_of(outer)
