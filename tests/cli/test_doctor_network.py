"""What the doctor makes of the way of the probe, and of what instances boot from."""

from __future__ import annotations

import base64
import gzip
import zlib
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from ipaddress import IPv4Network, IPv6Network
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terminator_cli.doctor import boot, network
from terminator_cli.doctor.boot import Source
from terminator_cli.doctor.network import Probe, Target
from tests.cli.checkups import DENIED, bad, described

NETWORK = (IPv4Network("10.0.1.0/24"), IPv4Network("10.0.2.0/24"))
PROBE = Probe("vpc-1", ("sg-probe",), NETWORK)
TARGET = Target("web-1", "vpc-1", 8080, ("sg-web", "sg-base"), ("10.0.3.17", "10.0.4.18"))


def permission(
    protocol: str = "tcp", low: int = 8080, high: int = 8080, *, group: str = "", cidr: str = ""
) -> Any:
    ports = {} if protocol == "-1" else {"FromPort": low, "ToPort": high}
    groups_ = [{"GroupId": group}] if group else []
    return {
        "IpProtocol": protocol,
        **ports,
        "UserIdGroupPairs": groups_,
        "IpRanges": [{"CidrIp": each} for each in cidr.split()],
    }


@pytest.mark.parametrize(
    ("rule_", "verdict"),
    [
        (permission(group="sg-probe"), "yes"),
        (permission(group="sg-other"), "no"),
        (permission(low=8000, high=9000, group="sg-probe"), "yes"),
        (permission(low=80, high=80, group="sg-probe"), "no"),
        (permission("udp", group="sg-probe"), "no"),
        (permission("6", group="sg-probe"), "yes"),
        (permission("-1", group="sg-probe"), "yes"),
        (permission(cidr="10.0.0.0/16"), "yes"),
        (permission(cidr="0.0.0.0/0"), "yes"),
        (permission(cidr="10.0.1.0/24 10.0.2.0/24"), "yes"),
        (permission(cidr="10.0.1.0/24"), "no"),
        (permission(cidr="10.0.1.7/32"), "no"),
        ({**permission(), "PrefixListIds": [{"PrefixListId": "pl-1"}]}, "unknown"),
        ({**permission(low=80, high=80), "PrefixListIds": [{"PrefixListId": "pl-1"}]}, "no"),
    ],
)
def test_a_rule_lets_the_probe_in_or_not(rule_: Any, verdict: str) -> None:
    assert network.allows([rule_], 8080, PROBE.groups, NETWORK) == verdict


NETWORK6 = (IPv6Network("2001:db8:0:1::/64"), IPv6Network("2001:db8:0:2::/64"))


def permission6(*cidrs: str) -> Any:
    return {**permission(), "Ipv6Ranges": [{"CidrIpv6": each} for each in cidrs]}


@pytest.mark.parametrize(
    ("rule_", "verdict"),
    [
        (permission(group="sg-probe"), "yes"),
        (permission6("2001:db8::/56"), "yes"),
        (permission6("::/0"), "yes"),
        (permission6("2001:db8:0:1::/64"), "no"),
        (permission6("2001:db8:0:1::/64", "2001:db8:0:2::/64"), "yes"),
        (permission(cidr="0.0.0.0/0"), "no"),
    ],
)
def test_a_rule_lets_a_probe_of_ipv6_in_or_not(rule_: Any, verdict: str) -> None:
    assert network.allows([rule_], 8080, PROBE.groups, NETWORK6) == verdict


DUAL = Probe("vpc-1", ("sg-probe",), (*NETWORK, *NETWORK6))
TARGET6 = Target("web-1", "vpc-1", 8080, ("sg-web", "sg-base"), ("2001:db8:0:7::17",))


@pytest.mark.parametrize(
    ("probe", "outward", "complaints"),
    [
        (DUAL, permission6("2001:db8::/56"), []),
        (DUAL, permission6("2001:db8:0:8::/64"), ["probe may send"]),
        (DUAL, permission(cidr="0.0.0.0/0"), ["probe may send"]),
        (PROBE, permission6("::/0"), ["probe"]),
    ],
)
def test_the_way_to_an_ipv6_address_is_checked(
    probe: Probe, outward: Any, complaints: list[str]
) -> None:
    rules = known(inward=[permission(group="sg-probe")], outward=[outward])
    found = bad(network.check(TARGET6, probe, rules))
    assert [(check, level) for check, level, _ in found] == [
        (check, "problem") for check in complaints
    ]


def test_the_remedy_for_ipv6_names_what_has_to_be_configured() -> None:
    [finding] = network.check(TARGET6, PROBE, {})
    assert finding.remedy == (
        "add their IPv6 networks to vpcs.vpc-1.cidrs, in subnets that have them, and make deploy"
    )
    rules = known(inward=[permission(group="sg-probe")], outward=[])
    [finding, _] = network.check(TARGET6, DUAL, rules)
    assert (finding.remedy or "").startswith("add their IPv6 networks to vpcs.vpc-1.cidrs, ")


@pytest.mark.parametrize(("dual", "networks"), [(True, 2), (False, 1)])
def test_a_probe_asks_from_the_networks_of_ipv6_that_its_function_has(
    *, dual: bool, networks: int
) -> None:
    blocks = [("2001:db8::/64", "associated"), ("2001:db8:1::/64", "disassociated")]
    subnet = {
        "CidrBlock": "10.0.1.0/24",
        "Ipv6CidrBlockAssociationSet": [
            {"Ipv6CidrBlock": block, "Ipv6CidrBlockState": {"State": state}}
            for block, state in blocks
        ],
    }
    ec2 = SimpleNamespace(describe_subnets=lambda **_: {"Subnets": [subnet]})
    aws: Any = SimpleNamespace(ec2=ec2)
    within = {"SubnetIds": ["subnet-1"], "Ipv6AllowedForDualStack": dual}
    probe = network._probe(aws, "vpc-1", {"VpcConfig": within})  # noqa: SLF001 - it reads what Lambda says
    assert isinstance(probe, Probe)
    assert len(probe.networks) == networks


def known(*, inward: list[Any], outward: list[Any]) -> Any:
    return {
        "sg-web": {"GroupId": "sg-web", "IpPermissions": inward, "IpPermissionsEgress": []},
        "sg-probe": {"GroupId": "sg-probe", "IpPermissions": [], "IpPermissionsEgress": outward},
    }


@pytest.mark.parametrize(
    ("inward", "outward", "complaints"),
    [
        ([permission(group="sg-probe")], [permission(cidr="10.0.0.0/8")], []),
        ([permission(group="sg-probe")], [permission(group="sg-base")], []),
        ([], [permission(cidr="10.0.0.0/8")], ["probe is let in"]),
        ([permission(group="sg-probe")], [permission(cidr="10.0.3.0/24")], ["probe may send"]),
        ([], [], ["probe may send", "probe is let in"]),
    ],
)
def test_the_way_from_the_probe_is_checked_in_both_directions(
    inward: list[Any], outward: list[Any], complaints: list[str]
) -> None:
    found = list(network.check(TARGET, PROBE, known(inward=inward, outward=outward)))
    assert len(found) == 2
    assert [(check, level) for check, level, _ in bad(found)] == [
        (check, "problem") for check in complaints
    ]


def test_the_remedy_is_the_rule_that_is_missing() -> None:
    [_, missing] = network.check(TARGET, PROBE, known(inward=[], outward=[]))
    assert missing.remedy == (
        "aws ec2 authorize-security-group-ingress --group-id sg-web --protocol tcp "
        "--port 8080 --source-group sg-probe"
    )


def test_a_prefix_list_leaves_it_in_doubt() -> None:
    listed = {**permission(), "PrefixListIds": [{"PrefixListId": "pl-1"}]}
    found = list(network.check(TARGET, PROBE, known(inward=[listed], outward=[listed])))
    assert [level for _, level, _ in bad(found)] == ["warning", "warning"]


@pytest.mark.parametrize(
    ("probe", "rules", "level"),
    [(None, {}, "problem"), (DENIED, {}, "warning"), (PROBE, DENIED, "warning")],
)
def test_without_a_probe_or_a_look_at_its_rules_that_is_said(
    probe: Any, rules: Any, level: str
) -> None:
    assert [each[1] for each in bad(network.check(TARGET, probe, rules))] == [level]


def row(address: str, *own: str, vpc: str = "vpc-1") -> Any:
    return {
        "VpcId": vpc,
        "PrivateIpAddress": address,
        "SecurityGroups": [{"GroupId": id_} for id_ in own],
    }


def test_instances_are_looked_at_by_vpc_and_security_groups() -> None:
    members = [{"InstanceId": f"i-{n}"} for n in range(5)]
    rows: Any = {
        "i-0": row("10.0.0.1", "sg-a", "sg-b"),
        "i-1": row("10.0.0.2", "sg-b", "sg-a"),
        "i-2": row("10.0.0.3", "sg-c"),
        "i-3": {"VpcId": "vpc-1"},
        "i-4": {**row("", "sg-c"), "Ipv6Address": "2001:db8::1"},
    }
    assert network.targets_of(described(Instances=members), rows) == [
        Target("web-1", "vpc-1", 80, ("sg-a", "sg-b"), ("10.0.0.1", "10.0.0.2")),
        Target("web-1", "vpc-1", 80, ("sg-c",), ("10.0.0.3",)),
        Target("web-1", "vpc-1", 80, ("sg-c",), ("2001:db8::1",)),
    ]


SCRIPT = b"#!/bin/sh\naws s3 cp s3://acme/web/current .\n"


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def archive() -> bytes:
    whole = MIMEMultipart()
    whole.attach(MIMEText("#cloud-config\n", "cloud-config"))
    part = MIMEText(SCRIPT.decode(), "x-shellscript")
    del part["Content-Transfer-Encoding"]
    part["Content-Transfer-Encoding"] = "base64"
    part.set_payload(encoded(SCRIPT))
    whole.attach(part)
    return whole.as_bytes()


@pytest.mark.parametrize(
    ("user_data", "told"),
    [
        (encoded(SCRIPT), None),
        (encoded(gzip.compress(SCRIPT)), None),
        (encoded(archive()), None),
        (encoded(gzip.compress(archive())), None),
        (encoded(b"#!/bin/sh\n"), "does not mention acme"),
        (None, "has no user data"),
        ("", "has no user data"),
        (
            encoded(gzip.compress(SCRIPT)[:4] + b"xxxxxxxxxxxx"),
            "cannot be read: its gzip is damaged",
        ),
        ("a", "cannot be read: it is not Base64"),
    ],
    ids=["script", "gzip", "MIME", "gzip of MIME", "other", "none", "empty", "damaged", "text"],
)
def test_user_data_mentions_the_bucket_however_it_is_packed(
    user_data: str | None, told: str | None
) -> None:
    source = Source("launch template web", "$Latest", 3, 3, user_data)
    complaints = bad(boot.check("web-1", source, "acme"))
    assert [(check, level) for check, level, _ in complaints] == (
        [("boot", "warning")] if told else []
    )
    assert all(seen.endswith(told or "") for _, _, seen in complaints)


@given(st.binary(max_size=200))
def test_any_user_data_is_read_or_refused(data: bytes) -> None:
    for each in (data, b"\x1f\x8b" + data, zlib.compress(data), b"MIME-Version: 1.0\n" + data):
        source = Source("launch template web", "$Latest", 3, 3, encoded(each))
        assert all(found.seen.isprintable() for found in boot.check("web-1", source, "acme"))


@pytest.mark.parametrize(
    ("version", "latest", "default", "level"),
    [
        ("$Latest", 5, 2, "ok"),
        ("$Default", 5, 5, "ok"),
        ("5", 5, 2, "ok"),
        ("$Default", 5, 2, "warning"),
        ("4", 5, 5, "warning"),
    ],
)
def test_a_launch_template_is_the_latest_or_doubted(
    version: str, latest: int, default: int, level: str
) -> None:
    source = Source("launch template web", version, latest, default, encoded(SCRIPT))
    [template, _] = boot.check("web-1", source, "acme")
    assert (template.check, template.level) == ("launch template", level)


def test_a_launch_configuration_has_no_versions_and_no_bucket_means_no_boot_check() -> None:
    source = Source("launch configuration web", None, None, None, None)
    assert [each.check for each in boot.check("web-1", source, "acme")] == ["boot"]
    assert list(boot.check("web-1", source, None)) == []
    assert [each[1] for each in bad(boot.check("web-1", DENIED, "acme"))] == ["warning"]


ONE, TWO = {"LaunchTemplateId": "lt-1", "Version": "1"}, {"LaunchTemplateId": "lt-2"}


@pytest.mark.parametrize(
    ("group", "found"),
    [
        ({"LaunchTemplate": ONE}, [ONE]),
        ({"LaunchConfigurationName": "web"}, []),
        (
            {
                "MixedInstancesPolicy": {
                    "LaunchTemplate": {
                        "LaunchTemplateSpecification": ONE,
                        "Overrides": [
                            {"InstanceType": "t4g.nano"},
                            {"InstanceType": "t3.nano", "LaunchTemplateSpecification": TWO},
                            {"InstanceType": "t3a.nano", "LaunchTemplateSpecification": TWO},
                        ],
                    }
                }
            },
            [ONE, TWO],
        ),
    ],
)
def test_every_launch_template_of_a_group_is_looked_at_once(group: Any, found: list[Any]) -> None:
    assert boot.templates(group) == found
