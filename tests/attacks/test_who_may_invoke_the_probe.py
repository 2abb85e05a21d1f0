"""Somebody may invoke the probe, and wants it to ask what it should not.

The check is attacked, nothing is sent: what it lets through would be connected to.
"""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terminator.config.deployment import ConfigError, deployment_from_settings
from terminator.probe import ask as asking
from terminator.probe.addresses import ANYWHERE, NETWORKS, SANDBOX_NETWORKS, networks, refusal
from tests.infra.synthesized import FULL, resources, template
from tests.probe.asking import question

PRIVATE = tuple(map(ip_network, ("10.0.0.0/8", "172.16.0.0/12", "2001:db8::/32", "fd12::/16")))
LOOPBACK, METADATA = "is a loopback address", "is a link-local or metadata address"
IPV4, NO_HOST = "is an IPv4 address in the form of IPv6", "is an address of no host"
# Each is refused whatever networks may be reached.
NEVER = [
    ("127.0.0.1", LOOPBACK),
    ("127.1.2.3", LOOPBACK),
    ("::1", LOOPBACK),
    ("169.254.169.254", METADATA),
    ("169.254.170.2", METADATA),
    ("169.254.100.1", METADATA),
    ("fe80::1", METADATA),
    ("fd00:ec2::254", METADATA),
    ("fd00:ec2::253", METADATA),
    ("::ffff:127.0.0.1", IPV4),
    ("::ffff:169.254.169.254", IPV4),
    ("::ffff:10.0.0.1", IPV4),
    ("64:ff9b::a9fe:a9fe", IPV4),
    ("64:ff9b:1::7f00:1", IPV4),
    ("2002:7f00:1::", IPV4),
    ("2001:0:1::1", IPV4),
    ("::7f00:1", IPV4),
    ("0.0.0.0", NO_HOST),  # noqa: S104 - what is refused
    ("0.1.2.3", NO_HOST),
    ("224.0.0.1", NO_HOST),
    ("255.255.255.255", NO_HOST),
    ("240.0.0.1", NO_HOST),
    ("ff02::1", NO_HOST),
]
NO_ADDRESS = ["", "localhost", "evil.example", "127.1", "2130706433", "0x7f000001", "0177.0.0.1"]
NO_ADDRESS += [
    "10.0.0.1:80",
    "10.0.0.1/",
    "[::1]",
    "10.0.0.1@evil",
    "10.0.0.1 ",
    "\uff11\uff10.0.0.1",
]


@pytest.mark.parametrize(("address", "why"), NEVER)
def test_what_no_instance_can_have_is_never_connected_to(address: str, why: str) -> None:
    assert str(refusal(address, ANYWHERE)).endswith(why)
    assert str(refusal(address, PRIVATE)).endswith(why)


@pytest.mark.parametrize("address", NO_ADDRESS)
def test_what_is_no_ip_address_is_never_connected_to(address: str) -> None:
    assert str(refusal(address, ANYWHERE)).endswith(" is no IP address")


def test_a_zone_index_is_refused() -> None:
    assert str(refusal("2001:db8::1%eth0", ANYWHERE)).endswith(" has a zone index")


@pytest.mark.parametrize(
    ("address", "is_asked"),
    [
        ("10.1.2.3", True),
        ("172.31.255.255", True),
        ("2001:db8::1", True),
        ("fd12::8", True),
        ("192.168.0.1", False),
        ("172.32.0.1", False),
        ("8.8.8.8", False),
        ("2001:db9::1", False),
        ("fd13::1", False),
    ],
)
def test_an_address_lies_in_the_networks_of_the_deployment(address: str, *, is_asked: bool) -> None:
    said = refusal(address, PRIVATE)
    assert said == (None if is_asked else f"{address} is in no network that the probe may reach")


@given(st.ip_addresses())
def test_of_all_addresses_only_those_of_the_networks_pass(address: Any) -> None:
    passes = refusal(str(address), PRIVATE) is None
    assert passes is any(address in each for each in PRIVATE)
    assert refusal(str(address), ()) is not None


@pytest.mark.parametrize(
    "changed",
    [
        {"address": "169.254.169.254"},
        {"address": "127.0.0.1"},
        {"scheme": "gopher"},
        {"scheme": "file"},
        {"port": 0},
        {"port": 65536},
        {"path": ""},
        {"path": "version"},
        {"path": "@evil/"},
        {"path": "/ HTTP/1.1"},
        {"path": "/\r\nX: y"},
        {"path": "/#x"},
        {"path": "/" + "x" * 300},
    ],
)
def test_a_question_of_another_kind_is_answered_and_not_asked(
    changed: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(_: object) -> None:
        raise AssertionError("it was asked")

    monkeypatch.setattr(asking, "url_of", never)
    of: Any = {**question("http://10.0.0.1:8080/version"), **changed}
    [answer] = asking.ask([of], 60, PRIVATE)
    assert answer["version"] is None
    assert str(answer["reason"]).startswith("not asked: ")
    assert str(answer["reason"]).isprintable()


def test_the_deployed_probe_is_told_its_networks_and_no_others() -> None:
    found = resources(template(FULL), "AWS::Lambda::Function").values()
    told = [each["Properties"]["Environment"]["Variables"] for each in found]
    [probes] = [each for each in told if NETWORKS in each]
    assert networks(probes) == tuple(map(ip_network, ("10.1.0.0/16", "2001:db8::/56")))
    assert not any(SANDBOX_NETWORKS in each for each in told)


@pytest.mark.parametrize(
    "cidr",
    ["127.0.0.0/8", "127.0.0.1/32", "::1/128", "169.254.0.0/16", "fe80::/10", "fd00:ec2::/32"],
)
def test_no_deployment_names_the_networks_that_the_sandbox_needs(cidr: str) -> None:
    vpcs = {"vpc-0a1b2c3d": {"subnets": ["subnet-0a1b2c3d"], "cidrs": [cidr]}}
    with pytest.raises(ConfigError, match=r"vpcs\.vpc-0a1b2c3d\.cidrs says "):
        deployment_from_settings({"groups": {"tagged": True}, "vpcs": vpcs})
