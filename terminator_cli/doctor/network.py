"""Whether the probe of a VPC can reach the version port of the instances in it.

A security group lets in, and out, what any of its rules allows:
https://docs.aws.amazon.com/vpc/latest/userguide/security-group-rules.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import TYPE_CHECKING, Any, Final, Literal

from terminator.clients import Aws
from terminator.config.deployment import Config
from terminator.observe.autoscaling import address_of, in_parts, instance_rows
from terminator_cli.doctor import deployed
from terminator_cli.doctor.findings import Finding, Unseen, about, look

if TYPE_CHECKING:
    from types_boto3_ec2.type_defs import (
        InstanceTypeDef,
        IpPermissionOutputTypeDef,
        SecurityGroupTypeDef,
    )

    from terminator.observe.snapshot import OptedIn

Verdict = Literal["yes", "no", "unknown"]
Network = IPv4Network | IPv6Network

# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeSecurityGroups.html
_VALUES_A_FILTER: Final = 200
_IDS_A_CALL: Final = 1000


@dataclass(frozen=True)
class Probe:
    """The probe function of a VPC: its security groups, and the networks that it asks from.

    Those of IPv6 are among them only where the function has IPv6 addresses.
    """

    vpc: str
    groups: tuple[str, ...]
    networks: tuple[Network, ...]

    def networks_of(self, version: int) -> list[Network]:
        """Return the networks of a version of the Internet Protocol, 4 or 6."""
        return [each for each in self.networks if each.version == version]


@dataclass(frozen=True)
class Target:
    """Instances of a group in one VPC that share security groups, with their addresses.

    All of the addresses are of IPv4, or all of IPv6.
    """

    group: str
    vpc: str
    port: int
    groups: tuple[str, ...]
    addresses: tuple[str, ...]

    @property
    def version(self) -> int:
        """The version of the Internet Protocol of its addresses."""
        return 6 if ":" in self.addresses[0] else 4


def examine(aws: Aws, config: Config, groups: Sequence[OptedIn]) -> Iterator[Finding]:
    """Check the probes, and that each reaches the instances of its VPC."""
    members = [each for group in groups for each in group.described.get("Instances", ())]
    ids = [member["InstanceId"] for member in members]
    rows: dict[str, InstanceTypeDef] = {}
    for some in in_parts(ids, _IDS_A_CALL):
        described = look(partial(_rows, aws, some))
        if isinstance(described, Unseen):
            yield about("instances").unseen("described", described, "ec2:DescribeInstances")
        else:
            rows |= described
    asked = (group for group in groups if group.policy.follows_release)
    readable = [group for group in asked if not group.policy.problems]
    targets = [target for group in readable for target in targets_of(group, rows)]
    probes: dict[str, Probe | Unseen | None] = {}
    for vpc in sorted({target.vpc for target in targets}):
        function = deployed.look_at(aws, f"{config.name}-probe-{vpc}")
        yield from deployed.check(function)
        probes[vpc] = look(partial(_probe, aws, vpc, function.configuration))
    for target in targets:
        probe = probes[target.vpc]
        known: dict[str, SecurityGroupTypeDef] | Unseen = {}
        if isinstance(probe, Probe):
            wanted = sorted({*target.groups, *probe.groups})
            known = look(partial(_security_groups, aws, wanted))
        yield from check(target, probe, known)


def _rows(aws: Aws, ids: Sequence[str]) -> dict[str, InstanceTypeDef]:
    return {row["InstanceId"]: row for row in instance_rows(aws.ec2, ids)}


def targets_of(group: OptedIn, rows: Mapping[str, InstanceTypeDef]) -> list[Target]:
    """Return the instances of a group that were described, by VPC, groups and kind of address."""
    found: dict[tuple[str, tuple[str, ...], bool], list[str]] = {}
    for member in group.described.get("Instances", ()):
        row = rows.get(member["InstanceId"])
        if row is not None and (address := address_of(row)):
            own = tuple(sorted(each["GroupId"] for each in row.get("SecurityGroups", ())))
            found.setdefault((row.get("VpcId", ""), own, ":" in address), []).append(address)
    port = group.policy.port
    return [
        Target(group.name, vpc, port, own, tuple(addresses))
        for (vpc, own, _), addresses in sorted(found.items())
    ]


def _probe(
    aws: Aws, vpc: str, function: Mapping[str, Any] | Unseen | None
) -> Probe | Unseen | None:
    """Return the probe of a VPC from what Lambda says of its function."""
    if function is None or isinstance(function, Unseen):
        return function
    within = function.get("VpcConfig", {})
    ids = list(within.get("SubnetIds", ()))
    subnets = aws.ec2.describe_subnets(SubnetIds=ids)["Subnets"] if ids else []
    cidrs = [each["CidrBlock"] for each in subnets if "CidrBlock" in each]
    if within.get("Ipv6AllowedForDualStack"):
        cidrs += [
            block["Ipv6CidrBlock"]
            for each in subnets
            for block in each.get("Ipv6CidrBlockAssociationSet", ())
            if block.get("Ipv6CidrBlockState", {}).get("State") == "associated"
        ]
    networks = tuple(map(ip_network, cidrs))
    return Probe(vpc, tuple(within.get("SecurityGroupIds", ())), networks)


def _security_groups(aws: Aws, ids: Sequence[str]) -> dict[str, SecurityGroupTypeDef]:
    """Describe security groups, by id; those that are not there are left out."""
    paginator = aws.ec2.get_paginator("describe_security_groups")
    found: dict[str, SecurityGroupTypeDef] = {}
    for some in in_parts(ids, _VALUES_A_FILTER):
        for page in paginator.paginate(Filters=[{"Name": "group-id", "Values": some}]):
            found |= {each["GroupId"]: each for each in page["SecurityGroups"]}
    return found


def check(
    target: Target,
    probe: Probe | Unseen | None,
    known: Mapping[str, SecurityGroupTypeDef] | Unseen,
) -> Iterator[Finding]:
    """Check that the probe may send to the instances, and that they let it in."""
    group = about("group", target.group)
    if probe is None:
        seen = f"no probe function is deployed for {target.vpc}"
        yield group.problem("probe", seen, f"add {target.vpc} to vpcs, and make deploy")
    elif isinstance(probe, Unseen):
        yield group.unseen("probe", probe, "lambda:GetFunctionConfiguration")
    elif isinstance(known, Unseen):
        yield group.unseen("probe", known, "ec2:DescribeSecurityGroups")
    elif not probe.networks_of(target.version):
        seen = f"its instances have IPv{target.version} addresses alone, the probe has none"
        remedy = f"add their IPv{target.version} networks to vpcs.{target.vpc}.cidrs, "
        yield group.problem("probe", seen, f"{remedy}in subnets that have them, and make deploy")
    else:
        yield _may_send(target, probe, known)
        yield _is_let_in(target, probe, known)


def _may_send(target: Target, probe: Probe, known: Mapping[str, SecurityGroupTypeDef]) -> Finding:
    rules = [
        rule for id_ in probe.groups if id_ in known for rule in known[id_]["IpPermissionsEgress"]
    ]
    addresses = [ip_network(address) for address in target.addresses]
    way = f"from the probe of {target.vpc} to port {target.port}"
    verdict = allows(rules, target.port, target.groups, addresses)
    if verdict == "yes":
        return about("group", target.group).ok("probe may send", way)
    seen = f"{way}: its security group {' '.join(probe.groups)} has no such rule"
    remedy = f"add {target.port} to vpcs.{target.vpc}.ports, and make deploy"
    if target.version == 6:  # noqa: PLR2004 - the version of the Internet Protocol
        remedy = f"add their IPv6 networks to vpcs.{target.vpc}.cidrs, {remedy}"
    return _doubted(target, "probe may send", verdict, seen, remedy)


def _is_let_in(target: Target, probe: Probe, known: Mapping[str, SecurityGroupTypeDef]) -> Finding:
    rules = [rule for id_ in target.groups if id_ in known for rule in known[id_]["IpPermissions"]]
    way = f"port {target.port} from the probe's {' '.join(probe.groups)}"
    verdict = allows(rules, target.port, probe.groups, probe.networks_of(target.version))
    if verdict == "yes":
        return about("group", target.group).ok("probe is let in", way)
    seen = f"{way}: no rule of {' '.join(target.groups) or 'no security group'} lets it in"
    own = target.groups[0] if target.groups else "SECURITY-GROUP"
    remedy = (
        f"aws ec2 authorize-security-group-ingress --group-id {own} --protocol tcp "
        f"--port {target.port} --source-group {' '.join(probe.groups[:1])}"
    )
    return _doubted(target, "probe is let in", verdict, seen, remedy)


def _doubted(target: Target, check: str, verdict: Verdict, seen: str, remedy: str) -> Finding:
    group = about("group", target.group)
    if verdict == "no":
        return group.problem(check, seen, remedy)
    return group.warning(check, f"{seen}, unless a prefix list does", remedy)


def allows(
    rules: Iterable[IpPermissionOutputTypeDef],
    port: int,
    groups: Sequence[str],
    networks: Sequence[Network],
) -> Verdict:
    """Say whether rules allow TCP on a port with these groups, or all of these networks."""
    about_port = [rule for rule in rules if _covers(rule, port)]
    pairs = {p.get("GroupId") for rule in about_port for p in rule.get("UserIdGroupPairs", ())}
    cidrs = [each.get("CidrIp") for rule in about_port for each in rule.get("IpRanges", ())]
    cidrs += [each.get("CidrIpv6") for rule in about_port for each in rule.get("Ipv6Ranges", ())]
    allowed = [ip_network(cidr, strict=False) for cidr in cidrs if cidr]
    inside = [any(_is_within(network, one) for one in allowed) for network in networks]
    if pairs & set(groups) or (inside and all(inside)):
        return "yes"
    listed = any(rule.get("PrefixListIds") for rule in about_port)
    return "unknown" if listed else "no"


def _is_within(network: Network, other: Network) -> bool:
    match network, other:
        case (IPv4Network(), IPv4Network()) | (IPv6Network(), IPv6Network()):
            return network.subnet_of(other)  # type: ignore[arg-type] # both are of one version
        case _:
            return False


def _covers(rule: IpPermissionOutputTypeDef, port: int) -> bool:
    # https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_IpPermission.html
    protocol = rule.get("IpProtocol")
    if protocol == "-1":
        return True
    return protocol in {"tcp", "6"} and rule.get("FromPort", 0) <= port <= rule.get("ToPort", 65535)
