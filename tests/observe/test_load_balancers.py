"""What load balancers say of an instance: whether it takes traffic, and who calls it healthy."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from terminator.model import Traffic
from terminator.observe.load_balancers import (
    Health,
    LoadBalancer,
    attached_to,
    describe_health,
    is_known,
    traffic,
)

WEB = LoadBalancer(
    "elbv2", "arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/web/6d0ecf831eec9f09"
)
API = LoadBalancer(
    "elbv2", "arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/api/943f017f100becff"
)
CLASSIC = LoadBalancer("elb", "old-web")
LATTICE = "arn:aws:vpc-lattice:eu-west-1:123456789012:targetgroup/tg-0123456789abcdef0"


def target(id_: str, state: str, reason: str = "", override: str = "", port: int = 80) -> Any:
    """Return a target as DescribeTargetHealth shows it."""
    health = {"State": state} | ({"Reason": reason} if reason else {})
    row = {"Target": {"Id": id_, "Port": port}, "HealthCheckPort": "80", "TargetHealth": health}
    return row | ({"AdministrativeOverride": {"State": override}} if override else {})


def health(*targets: Any) -> Health:
    """Return what a target group of these targets says."""
    answer = {"TargetHealthDescriptions": list(targets)}
    elbv2 = SimpleNamespace(describe_target_health=lambda **_: answer)
    aws: Any = SimpleNamespace(elbv2=elbv2)
    return describe_health(aws, WEB)


def of_one(*targets: Any) -> Traffic:
    """Return what a target group of these targets says of i-1."""
    return traffic("i-1", {WEB: health(*targets)})


FINE = Traffic(healthy=True)
OTHER = target("i-2", "healthy")
UNUSED = Traffic("no traffic from target group web: Target.NotInUse", unused=True)


def refused(why: str, **more: bool) -> Traffic:
    return Traffic(f"unhealthy at target group web: {why}", **more)


@pytest.mark.parametrize(
    ("mine", "said"),
    [
        (target("i-1", "healthy"), FINE),
        (target("i-1", "healthy", override="no_override"), FINE),
        # Whether a shift that is left to DNS is active only Route 53 tells.
        (target("i-1", "healthy", override="zonal_shift_delegated_to_dns"), FINE),
        (target("i-1", "healthy", override="unknown"), Traffic(healthy=True, unknown=True)),
        (
            target("i-1", "healthy", override="zonal_shift_active"),
            Traffic(
                "no traffic from target group web: a zonal shift has moved traffic away from its "
                "zone",
                healthy=True,
                unused=True,
            ),
        ),
        (
            target("i-1", "initial", "Elb.InitialHealthChecking", override="zonal_shift_active"),
            refused("Elb.InitialHealthChecking"),
        ),
        (
            target("i-1", "unhealthy", "Target.Timeout", override="zonal_shift_active"),
            refused("Target.Timeout", unhealthy=True),
        ),
        (
            target("i-1", "unhealthy", "Target.Timeout"),
            refused("Target.Timeout", unhealthy=True),
        ),
        (target("i-1", "unhealthy.draining"), refused("unhealthy.draining", unhealthy=True)),
        (
            target("i-1", "initial", "Elb.InitialHealthChecking"),
            refused("Elb.InitialHealthChecking"),
        ),
        (target("i-1", "draining"), refused("draining")),
        (target("i-1", "unused", "Target.NotInUse"), UNUSED),
        (target("i-1", "unused", "Target.NotInUse", override="zonal_shift_active"), UNUSED),
        (target("i-1", "unavailable", "Elb.InternalError"), Traffic(unknown=True)),
        (OTHER, Traffic("not registered with target group web")),
    ],
)
def test_a_target_takes_traffic_as_its_target_group_says(mine: Any, said: Traffic) -> None:
    assert of_one(mine, OTHER) == said


def test_where_all_targets_are_unused_nothing_is_said_of_any() -> None:
    unused = [target(f"i-{n}", "unused", "Target.NotInUse") for n in (1, 2)]
    assert of_one(*unused) == Traffic()
    # Nor of one that is not listed: no load balancer uses the target group.
    assert traffic("i-3", {WEB: health(*unused)}) == Traffic()
    assert traffic("i-1", {WEB: health(*unused), API: Health(frozenset({"i-1"}))}) == FINE


@pytest.mark.parametrize("state", ["healthy", "initial", "unhealthy", "draining", "unavailable"])
def test_beside_one_that_is_used_in_any_state_an_unused_target_takes_no_traffic(state: str) -> None:
    unused = target("i-1", "unused", "Target.NotInUse")
    assert of_one(unused, target("i-2", state)) == UNUSED


@pytest.mark.parametrize("other", ["healthy", "initial", "unhealthy", None])
def test_an_instance_is_unused_only_where_nothing_else_refuses_it(other: str | None) -> None:
    """Where another port or load balancer does, that is not for its zone alone."""
    unused = target("i-1", "unused", "Target.NotInUse")
    more = [] if other is None else [target("i-1", other, port=81)]
    assert of_one(unused, *more, OTHER).unused == (other is None)
    elsewhere = [] if other is None else [target("i-1", other)]
    both = {WEB: health(unused, OTHER), API: health(*elsewhere, OTHER)}
    assert traffic("i-1", both).unused == (other == "healthy")


def test_an_instance_of_whose_other_port_nobody_knows_is_not_said_to_be_unused() -> None:
    unused = target("i-1", "unused", "Target.NotInUse")
    said = of_one(unused, target("i-1", "unavailable", port=81), OTHER)
    assert (said.unused, said.unknown) == (False, True)


def test_in_an_empty_target_group_nobody_is_registered() -> None:
    assert of_one() == Traffic("not registered with target group web")


def test_with_several_ports_it_takes_traffic_only_where_all_of_them_do() -> None:
    said = of_one(target("i-1", "healthy"), target("i-1", "unhealthy", "Target.Timeout", port=81))
    assert said == Traffic("no traffic from target group web: Target.Timeout", healthy=True)


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("InService", FINE),
        (
            "OutOfService",
            Traffic("unhealthy at load balancer old-web: OutOfService", unhealthy=True),
        ),
        ("Unknown", Traffic(unknown=True)),
        (None, Traffic("not registered with load balancer old-web")),
    ],
)
def test_a_classic_load_balancer_sends_traffic_to_what_is_in_service(
    state: str | None, said: Traffic
) -> None:
    rows = [{"InstanceId": "i-2", "State": "InService"}]
    rows += [] if state is None else [{"InstanceId": "i-1", "State": state}]
    elb = SimpleNamespace(describe_instance_health=lambda **_: {"InstanceStates": rows})
    aws: Any = SimpleNamespace(elb=elb)
    assert traffic("i-1", {CLASSIC: describe_health(aws, CLASSIC)}) == said


HEALTHY = Health(healthy=frozenset({"i-1"}))
UNHEALTHY = Health(unhealthy=frozenset({"i-1"}), refused={"i-1": "Target.Timeout"})
INITIAL = Health(refused={"i-1": "initial"})
SILENT = Health(silent=True)


@pytest.mark.parametrize(
    ("web", "api", "takes", "healthy", "unhealthy"),
    [
        (HEALTHY, HEALTHY, True, True, False),
        (HEALTHY, UNHEALTHY, False, True, False),
        (UNHEALTHY, UNHEALTHY, False, False, True),
        (UNHEALTHY, SILENT, False, False, True),
        # Who does not know it says nothing against it.
        (UNHEALTHY, Health(), False, False, True),
        (UNHEALTHY, INITIAL, False, False, False),
        (HEALTHY, Health(), False, True, False),
        (Health(), Health(), False, False, False),
        (SILENT, SILENT, True, False, False),
    ],
)
def test_it_takes_traffic_where_every_load_balancer_sends_it_some(
    web: Health, api: Health, *, takes: bool, healthy: bool, unhealthy: bool
) -> None:
    said = traffic("i-1", {WEB: web, API: api})
    assert (said.refused is None, said.healthy, said.unhealthy) == (takes, healthy, unhealthy)


def test_a_load_balancer_that_was_not_asked_is_not_known() -> None:
    assert traffic("i-1", {WEB: None, API: HEALTHY}) == Traffic(healthy=True, unknown=True)


def test_without_a_load_balancer_nothing_is_said() -> None:
    assert traffic("i-1", {}) == Traffic()


@pytest.mark.parametrize(
    ("group", "known", "unknown"),
    [
        ({"TargetGroupARNs": [WEB.id], "LoadBalancerNames": ["old-web"]}, [CLASSIC, WEB], []),
        (
            {"TargetGroupARNs": [WEB.id], "TrafficSources": [{"Identifier": WEB.id}]},
            [WEB],
            [],
        ),
        ({"TrafficSources": [{"Identifier": "old-web", "Type": "elb"}]}, [CLASSIC], []),
        (
            {"TrafficSources": [{"Identifier": LATTICE, "Type": "vpc-lattice"}]},
            [],
            ["vpc-lattice tg-0123456789abcdef0"],
        ),
        ({"TrafficSources": [{"Identifier": LATTICE}]}, [], ["vpc-lattice tg-0123456789abcdef0"]),
        (
            {"TrafficSources": [{"Identifier": "x/y\x1b", "Type": "new"}]},
            [],
            ["new x/y\\u001b"],
        ),
    ],
)
def test_a_group_is_attached_to_what_it_lists(
    group: Any, known: list[LoadBalancer], unknown: list[str]
) -> None:
    attached = attached_to(group)
    assert [each for each in attached if is_known(each)] == known
    assert [str(each) for each in attached if not is_known(each)] == unknown


class OnlyLookedUp(frozenset[str]):
    """A set whose members nobody may go through."""

    def refuse(self, *_: object) -> Any:
        raise AssertionError("what is said of all was gone through for one")

    __iter__ = __or__ = __and__ = __sub__ = refuse


@pytest.mark.parametrize("id_", ["i-1", "i-2", "i-3", "i-4"])
def test_an_instance_is_looked_up_without_going_through_all_the_others(id_: str) -> None:
    """A target group may have thousands of targets, and each of them is asked for."""
    sets = [OnlyLookedUp([f"i-{n}"]) for n in (1, 2, 3)]
    says = Health(sets[0], sets[1], {"i-2": "Target.Timeout"}, sets[2], OnlyLookedUp())
    assert traffic(id_, {WEB: says}).healthy == (id_ == "i-1")
