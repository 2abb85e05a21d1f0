"""The holds: each with a reason that needs no source to be understood, in their order."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from terminator.decide.plan import plan
from terminator.model import Group, Instance, NoRelease, Preflight
from tests.decide.builders import NOW, decide, group, member, policy, released, unasked

FAST = {"minimum": "1", "max_unavailable": "100%"}


def ready(**more: Any) -> Group:
    """Return a group of which two outdated instances would go."""
    return group(
        member("i-a", up=30), member("i-b", up=20), member("i-n", "1.0.274", up=10), **more
    )


HOLDS: list[tuple[dict[str, Any], dict[str, str], str]] = [
    ({"status": "Delete in progress"}, {}, "the group is being deleted (Delete in progress)"),
    ({}, {"pause": "deploy freeze"}, 'paused: "deploy freeze"'),
    ({}, {"pause": ""}, "paused"),
    ({}, {"pause": "x" * 256}, f'paused: "{"x" * 256}"'),
    ({}, {"pause": "x" * 257}, f'paused: "{"x" * 256}…"'),
    ({"suspended": frozenset({"Launch"})}, {}, "suspended processes: Launch"),
    ({"suspended": frozenset({"Terminate"})}, {}, "suspended processes: Terminate"),
    ({"suspended": frozenset({"HealthCheck"})}, {}, "suspended processes: HealthCheck"),
    ({"suspended": frozenset({"AddToLoadBalancer"})}, {}, "suspended processes: AddToLoadBalancer"),
    (
        {"suspended": frozenset({"HealthCheck", "Launch", "AZRebalance"})},
        {},
        "suspended processes: Launch, HealthCheck",
    ),
    (
        {"capacity_type": "vcpu"},
        {},
        "weighted capacity: the group's desired capacity is measured in vcpu",
    ),
    ({"released": NoRelease("no release of web in s3://r")}, {}, "no release of web in s3://r"),
    (
        {"released": released("1.0.275", since=-5)},
        {},
        "the release is dated 5 minutes in the future (2026-11-18T12:05:00+00:00)",
    ),
    (
        {},
        {"window": "Sat-Sun 09:00-17:00 Europe/London"},
        "outside the maintenance window Sat-Sun 09:00-17:00 Europe/London",
    ),
    ({"guards": Preflight(refresh="Baking")}, {}, "an instance refresh is in progress (Baking)"),
    ({"guards": Preflight(alarms=("alarm x rings", "y is gone"))}, {}, "alarm x rings; y is gone"),
]


@pytest.mark.parametrize(("seen", "texts", "reason"), HOLDS)
def test_a_group_that_would_act_is_held(
    seen: dict[str, Any], texts: dict[str, str], reason: str
) -> None:
    assert decide(ready(), **FAST).kind == "replace"
    decision = decide(ready(**seen), **FAST, **texts)
    assert (decision.kind, decision.reason, decision.to_terminate) == ("hold", reason, ())


@pytest.mark.parametrize("index", range(len(HOLDS) - 1))
def test_of_two_holds_the_first_in_order_is_the_reason(index: int) -> None:
    seen, texts, reason = HOLDS[index]
    for later_seen, later_texts, _ in HOLDS[index + 1 :]:
        both = decide(ready(**{**later_seen, **seen}), **{**FAST, **later_texts, **texts})
        assert both.reason == reason


def test_suspended_processes_that_replacing_does_not_need_hold_nothing() -> None:
    assert decide(ready(suspended=frozenset({"AZRebalance"})), **FAST).kind == "replace"


def test_capacity_in_units_of_instances_holds_nothing() -> None:
    assert decide(ready(capacity_type="units"), **FAST).kind == "replace"


def test_an_instance_with_a_weight_holds_the_group() -> None:
    of = ready()
    first, second, *others = of.instances
    some = (replace(second, weight="1"), replace(first, weight="2"), *others)
    assert decide(replace(of, instances=some[1:]), **FAST).reason == "weighted capacity: i-a"
    assert decide(replace(of, instances=some), **FAST).reason == "weighted capacity: i-a, i-b"


def test_settings_that_cannot_be_read_hold_before_all_else_and_nothing_is_counted() -> None:
    unavailable = replace(policy(), problems=("tag terminator:port", "tag terminator:bake-time"))
    decision = plan(ready(status="Delete in progress"), unavailable, NOW)
    assert (decision.kind, decision.reason) == (
        "hold",
        "tag terminator:port; tag terminator:bake-time",
    )
    assert decision.figures is None


def test_a_paused_group_that_has_converged_is_converged() -> None:
    assert decide(group(member("i-a")), pause="freeze").kind == "converged"


def test_no_release_is_a_hold_even_for_an_empty_group() -> None:
    assert decide(group(released=NoRelease("no release"))).kind == "hold"


def test_clocks_that_differ_by_a_minute_are_no_future() -> None:
    assert decide(ready(released=released("1.0.275", since=-1)), **FAST).kind == "canary"


NOTHING = "nothing is available and nothing is presumed outdated"


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (member("i-a", None, up=5), f"{NOTHING}: i-a (timeout)"),
        (unasked("i-p", "Pending"), NOTHING),
    ],
)
def test_nothing_available_is_a_hold_that_says_what_was_seen(seen: Instance, reason: str) -> None:
    assert decide(group(seen, released=released("1.0.274", since=9))).reason == reason


SILENT, COMING = member("i-x", None, up=5), unasked("i-p", "Pending")


@pytest.mark.parametrize(
    ("others", "missing"),
    [
        ((SILENT,), "unavailable i-x (timeout)"),
        ((COMING,), "1 in flight"),
        ((SILENT, COMING), "1 in flight and unavailable i-x (timeout)"),
    ],
)
def test_nothing_outdated_yet_something_missing_is_a_hold_that_says_what(
    others: tuple[Instance, ...], missing: str
) -> None:
    of = group(member("i-a"), *others)
    assert decide(of).reason == f"nothing is outdated; waiting for {missing}"


def test_a_group_that_wants_nothing_but_still_has_a_silent_member_waits() -> None:
    assert decide(group(member("i-x", None), desired=0)).kind == "hold"


def test_all_protected_is_a_hold_that_names_them() -> None:
    of = group(member("i-a", up=9, protected=True), member("i-n", "1.0.274", up=5))
    assert decide(of, **FAST).reason == "all that is outdated is protected from scale-in: i-a"


def test_no_budget_says_its_figures() -> None:
    of = group(*ready().instances, unasked("i-p", "Pending"))
    assert decide(of, minimum="3", max_unavailable="25%").reason == (
        "no budget: 3 available of 4 desired, minimum 3, max-unavailable 1, 1 in flight, "
        "0 unavailable"
    )


def test_an_unreadable_zip_holds_a_canary_but_not_a_proven_release() -> None:
    guards = Preflight(zip_problem="File is not a zip file")
    target = released("1.0.275", since=5)
    assert decide(ready(released=target, guards=guards), **FAST).reason == (
        "the zip of 1.0.275 cannot be read: File is not a zip file"
    )
    proven = released("1.0.274", since=15)
    assert decide(ready(released=proven, guards=guards), **FAST).kind == "replace"


SHUT = [
    ({}, {"window": "Sat-Sun 09:00-17:00 UTC"}),
    ({"guards": Preflight(alarms=("alarm rings",))}, {}),
]


@pytest.mark.parametrize(("seen", "texts"), SHUT)
def test_window_and_alarms_do_not_keep_a_bad_release_in_place(
    seen: dict[str, Any], texts: dict[str, str]
) -> None:
    of = group(
        member("i-a", "1.0.200", up=90),
        member("i-b", "1.0.266", up=80),
        member("i-bad", "1.0.274", up=10),
        released=released("1.0.266", since=5),
        **seen,
    )
    assert decide(of, **FAST, **texts).to_terminate == ("i-bad",)


@pytest.mark.parametrize(("seen", "texts"), SHUT)
def test_window_and_alarms_do_not_keep_the_failed_boot_of_the_last_try_in_place(
    seen: dict[str, Any], texts: dict[str, str]
) -> None:
    failed_boot = member("i-dead", None, up=40)
    of = group(
        member("i-a", up=900),
        member("i-b", up=800),
        failed_boot,
        released=released("2", since=35),
        **seen,
    )
    assert decide(of, **FAST, **texts).to_terminate == ("i-dead",)
    older = replace(of, instances=(*of.instances, member("i-c", up=38)))
    assert decide(older, **FAST, **texts).kind == "hold"


@pytest.mark.parametrize(("seen", "texts"), SHUT)
def test_of_a_rollout_in_a_closed_window_at_most_the_rogue_goes(
    seen: dict[str, Any], texts: dict[str, str]
) -> None:
    of = group(
        member("i-r", "999.0.0", up=990),
        *[member(f"i-{n}", "1.0.274", up=900 + n) for n in range(4)],
        member("i-n", "1.0.275", up=60),
        released=released("1.0.275", since=90),
        **seen,
    )
    assert decide(of, **FAST, **texts).to_terminate == ("i-r",)


def test_a_refresh_holds_even_a_rollback() -> None:
    of = ready(released=released("1.0.266", since=5), guards=Preflight(refresh="InProgress"))
    assert decide(of, **FAST).kind == "hold"


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        (NoRelease("no release of web in s3://r"), "no release of web in s3://r"),
        (
            released("1.0.275", since=-5),
            "the release is dated 5 minutes in the future (2026-11-18T12:05:00+00:00)",
        ),
    ],
)
def test_what_is_wrong_with_the_release_is_said_before_nothing_is_available(
    target: Any, reason: str
) -> None:
    assert decide(group(member("i-a", None, up=5), released=target)).reason == reason


@pytest.mark.parametrize(("seen", "texts"), SHUT)
def test_a_failed_boot_as_old_as_the_newest_available_instance_is_not_urgent(
    seen: dict[str, Any], texts: dict[str, str]
) -> None:
    of = group(
        member("i-a", up=900),
        member("i-b", up=40),
        member("i-dead", None, up=40),
        released=released("2", since=35),
        **seen,
    )
    assert decide(replace(of, guards=Preflight()), **FAST).to_terminate == ("i-dead",)
    assert decide(of, **FAST, **texts).kind == "hold"


@pytest.mark.parametrize(("seen", "texts"), SHUT)
def test_where_nothing_is_available_every_failed_boot_is_urgent(
    seen: dict[str, Any], texts: dict[str, str]
) -> None:
    of = group(member("i-dead", None, up=40), released=released("2", since=35), **seen)
    assert decide(of, minimum="0", **texts).to_terminate == ("i-dead",)


OLD_AND_NEW = (member("i-a"), member("i-b", up=500))
SINCE: dict[str, Any] = {"released": released("1.0.274", since=60)}
NAMED: list[tuple[Group, dict[str, str], str]] = [
    (ready(status="Delete in progress"), {}, "deleting"),
    (ready(), {"pause": ""}, "paused"),
    (ready(suspended=frozenset({"Launch"})), {}, "processes_suspended"),
    (ready(capacity_type="vcpu"), {}, "weighted_capacity"),
    (ready(released=NoRelease("none")), {}, "no_release"),
    (ready(released=released("1.0.275", since=-5)), {}, "release_in_future"),
    (group(member("i-a", None), **SINCE), {"minimum": "2"}, "presumed_waits"),
    (group(member("i-a", None)), {}, "nothing_available"),
    (group(member("i-n", "1.0.274"), member("i-x", None)), {}, "nothing_outdated"),
    (group(member("i-a", protected=True), member("i-n", "1.0.274")), {}, "all_protected"),
    (group(*OLD_AND_NEW, unasked("i-p", "Pending"), **SINCE), {}, "members_in_flight"),
    (group(*OLD_AND_NEW, member("i-n", "1.0.274", up=3), grace=5), {}, "proof_on_its_way"),
    (group(*OLD_AND_NEW, member("i-c", None, up=10), **SINCE), {}, "canary_silent"),
    (group(*OLD_AND_NEW, member("i-c", up=10), **SINCE), {}, "boots_stale"),
    (group(member("i-n", "1.0.274"), member("i-c", up=10)), {}, "launched_lately"),
    (ready(), {"bake_time": "1h"}, "baking"),
    (ready(), {"minimum": "3"}, "no_budget"),
    (ready(), {"window": "Sat-Sun 09:00-17:00 UTC"}, "window_closed"),
    (ready(guards=Preflight(refresh="Baking")), {}, "instance_refresh"),
    (ready(guards=Preflight(alarms=("x rings",))), {}, "alarm"),
    (group(*OLD_AND_NEW, guards=Preflight(zip_problem="cut"), **SINCE), {}, "zip_unreadable"),
]


@pytest.mark.parametrize(("seen", "texts", "name"), NAMED, ids=[name for _, _, name in NAMED])
def test_each_hold_has_its_name(seen: Group, texts: dict[str, str], name: str) -> None:
    decision = decide(seen, **{**FAST, **texts})
    assert (decision.kind, decision.hold) == ("hold", name)


def test_settings_that_cannot_be_read_hold_by_that_name() -> None:
    broken = replace(policy(), problems=("tag x",))
    assert plan(ready(), broken, NOW).hold == "settings_unreadable"


def test_what_acts_or_has_converged_is_held_by_nothing() -> None:
    assert decide(ready(), **FAST).hold is None
    assert decide(group(member("i-n"))).hold is None
