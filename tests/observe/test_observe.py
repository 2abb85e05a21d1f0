"""What AWS and `/version` say of instances: what counts as seen, and what as not asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from terminator.model import Answer as Answered
from terminator.model import NoVersion, Unobserved
from terminator.observe.autoscaling import Ec2Instance
from terminator.observe.versions import ask_instances
from terminator.probe.ask import Answer, Question, url_of
from terminator.report.record import InstanceRecord
from terminator.version import Version
from tests.decide.builders import NOW, policy
from tests.fakes.cloud import Cloud, fleet
from tests.fakes.cloud_api import run

NOT_ASKED = Unobserved("it was not asked: time ran out, or the probe failed")


def taken(
    answers: Mapping[str, list[Any]], vpcs: Mapping[str, str]
) -> dict[str, Answered | Unobserved]:
    """Take answers, by VPC, for instances that are each in a VPC."""
    rows = {
        id_: Ec2Instance(id_, running=True, created=NOW, address="10.0.0.1", vpc=vpc)
        for id_, vpc in vpcs.items()
    }
    asked = dict.fromkeys(vpcs, policy())
    return ask_instances(lambda vpc, *_: answers[vpc], lambda: 60.0, rows, asked)


def said(instance: str, version: str | None, reason: str | None = None) -> Answer:
    return Answer(instance=instance, version=version, reason=reason)


def test_what_a_vpc_answers_for_an_instance_of_another_is_ignored() -> None:
    answers = {"vpc-1": [said("i-1", "1.0"), said("i-2", "9.9")], "vpc-2": []}
    seen = taken(answers, {"i-1": "vpc-1", "i-2": "vpc-2"})
    assert seen == {"i-1": Version.parse("1.0"), "i-2": NOT_ASKED}


@pytest.mark.parametrize("other", ["1.0", "2.0", None])
def test_two_answers_for_one_instance_are_none(other: str | None) -> None:
    twice = said("i-1", other, None if other else "timeout")
    seen = taken({"vpc-1": [said("i-1", "1.0"), twice]}, {"i-1": "vpc-1"})
    assert seen == {"i-1": NOT_ASKED}


def test_an_empty_reason_is_no_answer() -> None:
    seen = taken({"vpc-1": [said("i-1", None, "")]}, {"i-1": "vpc-1"})
    assert seen == {"i-1": NOT_ASKED}


@pytest.mark.parametrize(
    ("reason", "shown"),
    [
        ("status 503", "status 503"),
        ("\x1b[2Jcleared", "\\u001b[2Jcleared"),
        ("two\nlines", "two\\nlines"),
    ],
)
def test_a_reason_is_escaped(reason: str, shown: str) -> None:
    seen = taken({"vpc-1": [said("i-1", None, reason)]}, {"i-1": "vpc-1"})
    assert seen == {"i-1": NoVersion(shown)}


FIRST: dict[str, Any] = {"Attachment": {"DeviceIndex": 0}}
SECOND: dict[str, Any] = {"Attachment": {"DeviceIndex": 1}}
LOW, HIGH = "2001:db8::1", "2001:db8::9"


def with_ipv6(interface: dict[str, Any], *addresses: str, primary: str = "") -> dict[str, Any]:
    told = [{"Ipv6Address": each, "IsPrimaryIpv6": each == primary} for each in addresses]
    return {**interface, "Ipv6Addresses": told}


@pytest.mark.parametrize(
    ("row", "address"),
    [
        ({}, None),
        ({"PrivateIpAddress": "10.0.0.1"}, "10.0.0.1"),
        ({"PrivateIpAddress": "10.0.0.1", "Ipv6Address": LOW}, "10.0.0.1"),
        ({"Ipv6Address": LOW}, LOW),
        ({"PrivateIpAddress": "", "Ipv6Address": LOW}, LOW),
        ({"NetworkInterfaces": [FIRST, SECOND]}, None),
        ({"NetworkInterfaces": [with_ipv6(FIRST, HIGH)]}, HIGH),
        ({"NetworkInterfaces": [with_ipv6(SECOND, LOW), with_ipv6(FIRST, HIGH)]}, HIGH),
        ({"NetworkInterfaces": [with_ipv6(FIRST, LOW, HIGH, primary=HIGH)]}, HIGH),
    ],
)
def test_an_instance_is_asked_at_its_ipv4_address_or_else_at_its_ipv6_address(
    row: dict[str, Any], address: str | None
) -> None:
    described: Any = {"InstanceId": "i-1", "LaunchTime": NOW, **row}
    assert Ec2Instance.of(described).address == address


@pytest.mark.parametrize(("address", "host"), [("10.0.0.1", "10.0.0.1"), (LOW, "[2001:db8::1]")])
def test_an_address_of_either_kind_makes_a_url(address: str, host: str) -> None:
    asked: list[Question] = []

    def keep(_vpc: str, questions: Sequence[Question], _seconds: float) -> list[Answer]:
        asked.extend(questions)
        return []

    rows = {"i-1": Ec2Instance("i-1", running=True, created=NOW, address=address, vpc="vpc-1")}
    ask_instances(keep, lambda: 60.0, rows, {"i-1": policy()})
    [question] = asked
    assert (question["scheme"], question["address"], question["port"], question["path"]) == (
        *("http", address, 80, "/version"),
    )
    assert str(url_of(question)) == f"http://{host}/version"


def test_a_reason_is_capped() -> None:
    seen = taken({"vpc-1": [said("i-1", None, "x" * 1_000_000)]}, {"i-1": "vpc-1"})
    shown = seen["i-1"]
    assert isinstance(shown, NoVersion)
    assert shown.reason.startswith("xxx")
    assert len(shown.reason) < 400


def asked_in(cloud: Cloud) -> set[str]:
    """Return the ids of the instances that a run asks."""
    asked: list[Question] = []

    def probe(vpc: str, questions: list[Question], seconds: float) -> list[Answer]:
        asked.extend(questions)
        return cloud.probe(vpc, questions, seconds)

    run(cloud, probe=probe)
    return {question["instance"] for question in asked}


@pytest.mark.parametrize(
    ("lifecycle", "health"),
    [
        ("Pending", "Healthy"),
        ("Pending:Wait", "Healthy"),
        ("InService", "Unhealthy"),
        ("Terminating:Wait", "Healthy"),
        ("Standby", "Healthy"),
    ],
)
def test_only_members_in_service_and_healthy_are_asked(lifecycle: str, health: str) -> None:
    cloud, [group] = fleet()
    group.machines[0].lifecycle, group.machines[0].health = lifecycle, health
    assert asked_in(cloud) == {"i-0002", "i-0003"}


def instances_of(cloud: Cloud) -> dict[str, InstanceRecord]:
    """Return the members of the group as a run saw them, by id."""
    return {instance.id: instance for instance in run(cloud)["web"].instances}


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        (None, "not registered with target group web"),
        ("draining", "unhealthy at target group web: Elb.Said"),
        ("unused", "no traffic from target group web: Target.NotInUse"),
    ],
)
def test_what_a_target_group_does_not_call_healthy_is_unavailable(
    target: str | None, reason: str | None
) -> None:
    cloud, [group] = fleet(balanced=True, tags={"terminator:pause": ""})
    group.machines[0].target = target
    seen = instances_of(cloud)
    assert [seen[id_].reason for id_ in ("i-0001", "i-0002")] == [reason, None]
    assert all(instance.version for instance in seen.values())


@pytest.mark.parametrize(
    "attached",
    [
        {"LoadBalancerNames": ["web"]},
        {"TrafficSources": [{"Type": "elb", "Identifier": "web"}]},
        {
            "LoadBalancerNames": ["web"],
            "TrafficSources": [{"Type": "elb", "Identifier": "web"}],
        },
    ],
)
def test_a_classic_load_balancer_is_asked_once_and_believed(attached: dict[str, Any]) -> None:
    cloud, [group] = fleet(size=4, more=attached, tags={"terminator:pause": ""})
    group.machines[0].target = "unhealthy"
    group.machines[1].target = None
    reasons = [instance.reason for instance in instances_of(cloud).values()]
    assert reasons == [
        "unhealthy at load balancer web: OutOfService",
        "not registered with load balancer web",
        None,
        None,
    ]
    assert cloud.calls["DescribeInstanceHealth"] == 1


def test_what_a_classic_load_balancer_calls_out_of_service_is_not_available() -> None:
    cloud, [group] = fleet(more={"LoadBalancerNames": ["web"]}, tags={"terminator:pause": ""})
    group.machines[0].target = "unhealthy"
    record = run(cloud)["web"]
    assert (record.available, record.unavailable) == (2, 1)
