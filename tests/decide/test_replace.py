"""What a person asks to have replaced: who of the named goes, who never does, and what is said."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terminator.config.tags import Limits
from terminator.config.values import amount
from terminator.decide.group_state import GroupState
from terminator.decide.replace import replace_named
from terminator.model import (
    Alarm,
    Decision,
    Group,
    Instance,
    NoRelease,
    Preflight,
    Request,
    Traffic,
)
from tests.decide.builders import ILL, NOW, SERVES, group, ids, member, policy, released, unasked

BY = "arn:aws:iam::123456789012:user/kim"
A, B, C, D = (member(f"i-{name}") for name in "abcd")


def ask(
    of: Group,
    *named: str,
    guards: Preflight | None = None,
    limits: Limits | None = None,
    **texts: str,
) -> Decision:
    """Ask to replace instances, by their names."""
    its = replace(policy(**texts), limits=limits or Limits())
    return replace_named(of, its, NOW, Request(named, BY), guards or Preflight())


def test_those_who_are_named_go_and_no_others() -> None:
    decision = ask(group(A, B, C, D), "i-c", "i-a")
    assert (decision.kind, decision.to_terminate) == ("replace", ("i-a", "i-c"))
    assert decision.reason.startswith(f"{BY} asked to replace i-a, i-c")


def test_no_more_of_the_available_go_than_the_minimum_allows() -> None:
    decision = ask(group(A, B, C, D), "i-a", "i-b", "i-c", "i-d", minimum="3")
    assert decision.to_terminate == ("i-a",)
    assert "i-b stays: 2 would stay available, minimum 3" in decision.reason


def test_what_is_above_desired_is_not_counted_on() -> None:
    assert ask(group(A, B, C, desired=2), "i-a", minimum="2").hold == "request_refused"


@pytest.mark.parametrize(
    ("spared", "why"),
    [
        (replace(A, protected=True), "it is protected from scale-in"),
        (replace(A, lifecycle="Standby"), "it is Standby"),
        (replace(A, lifecycle="EnteringStandby"), "it is EnteringStandby"),
        (replace(A, lifecycle="Warmed:Stopped"), "it is Warmed:Stopped"),
        (replace(A, lifecycle="Terminating:Wait"), "it is Terminating:Wait"),
        (replace(A, lifecycle="Detaching"), "it is Detaching"),
        (replace(A, protected=True, answer=None, health="Unhealthy"), "it is protected"),
    ],
)
def test_nobodys_word_takes_what_is_protected_or_set_aside(spared: Instance, why: str) -> None:
    decision = ask(group(spared, B, C), "i-a", minimum="0")
    assert (decision.kind, decision.hold, decision.to_terminate) == ("hold", "request_refused", ())
    assert decision.reason.startswith(f"i-a stays: {why}")
    assert ask(group(spared, B, C), "i-a", "i-b", minimum="0").to_terminate == ("i-b",)


@pytest.mark.parametrize(
    ("more", "texts", "guards", "name"),
    [
        ({}, {"pause": "forensics"}, Preflight(), "paused"),
        ({"status": "Delete in progress"}, {}, Preflight(), "deleting"),
        ({"operator": "eks"}, {}, Preflight(), "operator_managed"),
        ({"suspended": frozenset({"Launch"})}, {}, Preflight(), "processes_suspended"),
        ({"capacity_type": "vcpu"}, {}, Preflight(), "weighted_capacity"),
        ({"unknown_sources": ("vpc-lattice",)}, {}, Preflight(), "traffic_unknown"),
        ({}, {}, Preflight(refresh="InProgress"), "instance_refresh"),
    ],
)
def test_a_group_that_nobody_may_touch_or_count_is_held_for_a_person_too(
    more: Any, texts: dict[str, str], guards: Preflight, name: str
) -> None:
    its = policy(minimum="0", **texts)
    of = group(A, B, C, **more)
    decision = replace_named(of, its, NOW, Request(("i-a",), BY), guards)
    assert (decision.kind, decision.hold, decision.to_terminate) == ("hold", name, ())


def test_settings_that_cannot_be_read_hold_a_person_too() -> None:
    its = replace(policy(), problems=("tag terminator:minimum says what nobody reads",))
    decision = replace_named(group(A, B), its, NOW, Request(("i-a",), BY), Preflight())
    assert (decision.hold, decision.to_terminate) == ("settings_unreadable", ())


OVERRIDDEN: list[tuple[Group, dict[str, str], Preflight, str]] = [
    (
        group(A, B, C, released=released("1.0.266", since=300)),
        {},
        Preflight(),
        "i-a runs the target",
    ),
    (group(A, B, C, released=released("2", since=5)), {}, Preflight(), "no proof of 2 yet"),
    (
        group(A, B, member("i-n", None, up=3), released=released("2", since=5)),
        {},
        Preflight(),
        "no proof yet: i-n entered service 3 minutes ago and is unavailable",
    ),
    (
        group(A, B, member("i-n", "2", up=5), released=released("2", since=20)),
        {"bake_time": "10m"},
        Preflight(),
        "baking 2 for 5 more minutes",
    ),
    (group(A, B, C, released=NoRelease("nothing here")), {}, Preflight(), "nothing here"),
    (
        group(A, B, C),
        {"window": "Sun 01:00-02:00 UTC"},
        Preflight(),
        "outside the maintenance window",
    ),
    (group(A, B, C), {}, Preflight(alarms=(Alarm("a", "ALARM"),)), 'alarm "a" is in ALARM'),
    (group(A, B, C, desired=4), {"minimum": "1"}, Preflight(), "2 are out then, max-unavailable 1"),
]


@pytest.mark.parametrize(("of", "texts", "guards", "told"), OVERRIDDEN)
def test_what_a_persons_word_overrides_is_said(
    of: Group, texts: dict[str, str], guards: Preflight, told: str
) -> None:
    its = policy(**{"minimum": "1", **texts})
    decision = replace_named(of, its, NOW, Request(("i-a",), BY), guards)
    assert decision.to_terminate == ("i-a",)
    assert f"overrides: {told}" in decision.reason


def test_what_nothing_stands_in_the_way_of_overrides_nothing() -> None:
    proven = group(A, B, C, D, member("i-n", "2", up=100), released=released("2", since=200))
    assert ask(proven, "i-a", minimum="1").reason == f"{BY} asked to replace i-a"


def test_one_that_certainly_serves_nobody_goes_though_nothing_else_may() -> None:
    ill = member("i-x", None, traffic=ILL)
    sick = member("i-y", traffic=ILL)
    unhealthy = replace(D, id="i-z", health="Unhealthy")
    pending = unasked("i-p", "Pending")
    of = group(A, ill, sick, unhealthy, pending)
    decision = ask(of, "i-a", "i-p", "i-x", "i-y", "i-z", minimum="5")
    assert decision.to_terminate == ("i-p", "i-x", "i-y", "i-z")


def test_silent_ones_may_be_alive_behind_a_broken_network_so_the_minimum_of_them_stays() -> None:
    silent = [member(f"i-{n}", None) for n in range(4)]
    decision = ask(group(*silent), *ids(silent), minimum="2")
    assert decision.to_terminate == ("i-0", "i-1")
    assert "only 1 that may serve would stay, minimum 2; where it serves nobody, lower" in (
        decision.reason
    )
    assert len(ask(group(*silent), *ids(silent), minimum="0").to_terminate) == 4


def test_one_of_which_a_load_balancer_knows_nothing_may_serve() -> None:
    unknown = [member(f"i-{n}", traffic=Traffic(unknown=True)) for n in range(3)]
    assert ask(group(*unknown), *ids(unknown), minimum="2").to_terminate == ("i-0",)


def test_the_deployments_limits_hold_a_person_too() -> None:
    most = Limits(max_unavailable=amount("1"))
    decision = ask(group(A, B, C, D), "i-a", "i-b", minimum="0", limits=most)
    assert decision.to_terminate == ("i-a",)
    assert "i-b stays: limits.max-unavailable of the deployment is 1" in decision.reason
    lowest = Limits(minimum=amount("4"))
    assert ask(group(A, B, C, D), "i-a", minimum="0", limits=lowest).hold == "request_refused"


INSTANCES = st.builds(
    member,
    st.sampled_from("abcdefgh"),
    st.sampled_from(["1.0.266", "2", None]),
    up=st.integers(0, 900),
    protected=st.booleans(),
    lifecycle=st.sampled_from(
        [
            "InService",
            "InService",
            "InService",
            "Pending",
            "Standby",
            "Terminating",
            "Warmed:Stopped",
        ]
    ),
    health=st.sampled_from(["Healthy", "Healthy", "Unhealthy"]),
    traffic=st.sampled_from([Traffic(), SERVES, ILL, Traffic(unknown=True)]),
)


@given(
    st.lists(INSTANCES, max_size=8, unique_by=lambda each: each.id),
    st.integers(0, 9),
    st.sampled_from(["0", "1", "3", "50%", "100%"]),
    st.frozensets(st.sampled_from("abcdefgh")),
    st.sampled_from([None, NoRelease("none"), released("2", since=60), released("2", since=None)]),
    st.randoms(use_true_random=False),
)
def test_whatever_is_named_the_minimum_and_the_untouchable_stay(  # noqa: PLR0913, PLR0917
    members: list[Instance], desired: int, minimum: str, named: frozenset[str], of: Any, order: Any
) -> None:
    fleet = group(*members, desired=desired, released=of)
    decision = ask(fleet, *named, minimum=minimum)
    state = GroupState(fleet, policy(minimum=minimum), NOW)
    gone = frozenset(decision.to_terminate)
    assert gone <= named
    taken = [each for each in members if each.id in gone]
    assert all(each.counted and not each.protected for each in taken)
    available = frozenset(ids(state.available))
    if gone & available:
        assert min(len(available), desired) - len(gone & available) >= state.minimum
    shuffled = list(members)
    order.shuffle(shuffled)
    again = ask(
        replace(fleet, instances=tuple(shuffled)), *sorted(named, reverse=True), minimum=minimum
    )
    assert again.to_terminate == decision.to_terminate


def test_who_asks_reaches_no_log_unescaped() -> None:
    decision = replace_named(group(A, B), policy(), NOW, Request(("i-a",), "kim\n\x1b[2J"), None)
    assert decision.reason.isprintable()
