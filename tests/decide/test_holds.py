"""The holds: their order, their names and reasons, and when one needs a person."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any, get_args

import pytest

from terminator.decide.holds import HOLDS
from terminator.decide.holds import hold as hold_of
from terminator.decide.plan import plan
from terminator.model import (
    Alarm,
    Group,
    HoldName,
    Instance,
    NoRelease,
    NoTemplate,
    Preflight,
    Refresh,
)
from tests.decide.builders import (
    FAST,
    ILL,
    NOW,
    SERVES,
    ago,
    decide,
    decide_later,
    group,
    member,
    policy,
    released,
    state_of,
    unasked,
)


def ready(**more: Any) -> Group:
    """Return a group of which two outdated instances would go."""
    return group(
        member("i-a", up=30), member("i-b", up=20), member("i-n", "1.0.274", up=10), **more
    )


# Their order and reasons.

STANDING: list[tuple[dict[str, Any], dict[str, str], str, str]] = [
    (
        {"status": "Delete in progress"},
        {},
        "deleting",
        "the group is being deleted (Delete in progress)",
    ),
    (
        {"operator": "eks.amazonaws.com"},
        {},
        "operator_managed",
        "the group is managed by eks.amazonaws.com",
    ),
    ({}, {"pause": "deploy freeze"}, "paused", 'paused: "deploy freeze"'),
    ({}, {"pause": ""}, "paused", "paused"),
    ({}, {"pause": "x" * 256}, "paused", f'paused: "{"x" * 256}"'),
    ({}, {"pause": "x" * 257}, "paused", f'paused: "{"x" * 256}…"'),
    *(
        (
            {"suspended": frozenset({name})},
            {},
            "processes_suspended",
            f"suspended processes: {name}",
        )
        for name in ("Launch", "Terminate", "HealthCheck", "AddToLoadBalancer")
    ),
    (
        {"suspended": frozenset({"HealthCheck", "Launch", "AZRebalance"})},
        {},
        "processes_suspended",
        "suspended processes: Launch, HealthCheck",
    ),
    (
        {"capacity_type": "vcpu"},
        {},
        "weighted_capacity",
        "weighted capacity: the group's desired capacity is measured in vcpu",
    ),
    (
        {"unknown_sources": ("vpc-lattice tg-1",)},
        {},
        "traffic_unknown",
        "the health at vpc-lattice tg-1 cannot be known",
    ),
    (
        {"released": NoRelease("no release of web in s3://r")},
        {},
        "no_release",
        "no release of web in s3://r",
    ),
    (
        {"launches": NoTemplate("version 7 of launch template lt-1 does not exist")},
        {"follow": "release template"},
        "template_unknown",
        "version 7 of launch template lt-1 does not exist",
    ),
    (
        {"released": released("1.0.275", since=-5)},
        {},
        "release_in_future",
        "the release is dated 5 minutes in the future (2026-11-18T12:05:00+00:00)",
    ),
]


@pytest.mark.parametrize(("seen", "texts", "name", "reason"), STANDING)
def test_a_group_that_would_act_is_held(
    seen: dict[str, Any], texts: dict[str, str], name: str, reason: str
) -> None:
    assert decide(ready(), **FAST).kind == "replace"
    decision = decide(ready(**seen), **FAST, **texts)
    assert (decision.kind, decision.hold, decision.reason) == ("hold", name, reason)
    assert decision.to_terminate == ()


@pytest.mark.parametrize("index", range(len(STANDING) - 1))
def test_of_two_holds_the_first_in_order_is_the_reason(index: int) -> None:
    seen, texts, name, reason = STANDING[index]
    for later_seen, later_texts, later, _ in STANDING[index + 1 :]:
        if later == name:
            continue
        both = decide(ready(**{**later_seen, **seen}), **{**FAST, **later_texts, **texts})
        assert both.reason == reason


def test_settings_that_cannot_be_read_hold_before_all_else_and_nothing_is_counted() -> None:
    broken = replace(policy(), problems=("tag terminator:port", "tag terminator:bake-time"))
    decision = plan(ready(status="Delete in progress"), broken, NOW)
    assert (decision.hold, decision.reason) == (
        "settings_unreadable",
        "tag terminator:port; tag terminator:bake-time",
    )
    assert decision.figures is None
    assert decision.needs_attention


SILENT, COMING = member("i-x", None, up=5), unasked("i-p", "Pending")


@pytest.mark.parametrize(
    ("of", "name"),
    [
        (group(SILENT, released=NoRelease("none")), "no_release"),
        (group(SILENT, released=released("1.0.275", since=-5)), "release_in_future"),
        (group(SILENT, released=released("1.0.275", since=9)), "nothing_available"),
        (group(member("i-a", "2"), SILENT, released=released("2", since=9)), "nothing_outdated"),
        (
            group(member("i-a", protected=True), SILENT, released=released("2", since=9)),
            "all_protected",
        ),
        (group(member("i-a"), SILENT, released=released("2", since=9)), "canary_not_come_up"),
    ],
)
def test_of_what_is_wrong_with_a_group_the_first_in_order_is_the_reason(
    of: Group, name: str
) -> None:
    assert decide(of, minimum="100%").hold == name


def test_what_waits_for_proof_or_bakes_is_said_before_what_the_budget_lacks() -> None:
    assert decide(ready(), minimum="3", bake_time="1h").hold == "baking"
    assert decide(ready(), minimum="3", bake_time="0m").hold == "no_budget"


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


def test_a_paused_group_that_has_converged_is_converged() -> None:
    assert decide(group(member("i-a")), pause="freeze").kind == "converged"


def test_no_release_is_a_hold_even_for_an_empty_group() -> None:
    assert decide(group(released=NoRelease("no release"))).hold == "no_release"


def test_clocks_that_differ_by_a_minute_are_no_future() -> None:
    assert decide(ready(released=released("1.0.275", since=-1)), **FAST).kind == "canary"
    ahead = ready(released=released("1.0.275", since=-1.1))
    assert decide(ahead, **FAST).hold == "release_in_future"


NOTHING = "nothing is available and nothing is dead"


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (SILENT, f"{NOTHING}: i-x (timeout)"),
        (member("i-x", "1.0.274", traffic=ILL), f"{NOTHING}: i-x ({ILL.refused})"),
        (COMING, NOTHING),
    ],
)
def test_nothing_available_is_a_hold_that_says_what_was_seen(seen: Instance, reason: str) -> None:
    decision = decide(group(seen, released=released("1.0.274", since=9)))
    assert (decision.hold, decision.reason) == ("nothing_available", reason)


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
    decision = decide(group(member("i-a"), *others))
    assert decision.hold == "nothing_outdated"
    assert decision.reason == f"nothing is outdated, but {missing}"


def test_a_group_that_wants_nothing_but_still_has_a_silent_member_waits() -> None:
    assert decide(group(member("i-x", None), desired=0)).hold == "nothing_outdated"


def test_all_protected_is_a_hold_that_names_them() -> None:
    of = group(
        member("i-a", up=90, protected=True),
        member("i-b", "1.0.266", up=60, protected=True, traffic=ILL),
        member("i-n", "1.0.274", up=5),
    )
    decision = decide(of, **FAST)
    assert decision.hold == "all_protected"
    assert decision.reason == "all that is outdated is protected from scale-in: i-b, i-a"


def test_no_budget_says_its_figures() -> None:
    of = ready(healthy_percentage=90)
    busy = group(*of.instances, COMING, member("i-l", lifecycle="Terminating"), desired=4)
    texts = {"max_unavailable": "25%", "bake_time": "0m"}
    assert decide(busy, minimum="3", **texts).reason == (
        "no budget: 3 available of 4 desired, minimum 3, max-unavailable 1, 1 in flight, "
        "0 unavailable, 1 leaving"
    )
    assert decide(of, **texts).reason == (
        "no budget: 3 available of 3 desired, minimum 3 (its instance maintenance policy keeps "
        "90% healthy), max-unavailable 1, 0 in flight, 0 unavailable"
    )


POOL = "replacements come from its warm pool"


@pytest.mark.parametrize(
    ("others", "target", "texts"),
    [
        ([COMING], released("2", since=9), {}),
        ([SILENT], released("2", since=9), {}),
        ([member("i-s", up=5)], released("2", since=9), {}),
        ([member("i-s", "3", up=5)], released("2", since=None), {}),
        ([], released("2", since=9), {"minimum": "100%"}),
    ],
)
def test_where_replacements_come_from_a_warm_pool_the_reason_says_so(
    others: list[Instance], target: Any, texts: dict[str, str]
) -> None:
    of = group(member("i-a"), member("i-b"), *others, released=target)
    assert POOL in decide(replace(of, warm_pool=True), **{**FAST, **texts}).reason
    assert POOL not in decide(of, **{**FAST, **texts}).reason


# Their names.

OLD = (member("i-a"), member("i-b", up=500))
NEW: dict[str, Any] = {"released": released("1.0.274", since=60)}
DEAD = member("i-d", "1.0.266", up=700, traffic=ILL)
GUARDS = Preflight()
NAMED: dict[str, tuple[Group, dict[str, str]]] = {
    "deleting": (ready(status="Delete in progress"), {}),
    "operator_managed": (ready(operator="eks"), {}),
    "paused": (ready(), {"pause": ""}),
    "processes_suspended": (ready(suspended=frozenset({"Launch"})), {}),
    "weighted_capacity": (ready(capacity_type="vcpu"), {}),
    "traffic_unknown": (ready(unknown_sources=("x",)), {}),
    "no_release": (ready(released=NoRelease("none")), {}),
    "template_unknown": (ready(launches=NoTemplate("none")), {"follow": "release template"}),
    "release_in_future": (ready(released=released("1.0.275", since=-5)), {}),
    "nothing_available": (group(member("i-a", None)), {}),
    "nothing_outdated": (group(member("i-n", "1.0.274"), member("i-x", None)), {}),
    "all_protected": (group(member("i-a", protected=True), member("i-n", "1.0.274")), {}),
    "members_in_flight": (group(*OLD, COMING, **NEW), {}),
    "proof_on_its_way": (group(*OLD, member("i-n", "1.0.274", up=3), grace=5, **NEW), {}),
    "canary_not_come_up": (group(*OLD, member("i-c", None, up=10), **NEW), {}),
    "boots_stale": (group(*OLD, member("i-c", up=10), **NEW), {}),
    "launched_lately": (
        group(member("i-c", "3", up=10), released=released("2", since=None)),
        {"minimum": "0"},
    ),
    "baking": (ready(), {"bake_time": "1h"}),
    "no_budget": (ready(), {"minimum": "3"}),
    "surge_unfit": (
        group(member("i-a"), released=released("2", since=10)),
        {"minimum": "1", "surge": "refresh"},
    ),
    "surge_waits": (
        group(
            member("i-a"),
            released=released("2", since=200),
            max_size=2,
            load_balanced=True,
            health_checks=frozenset({"ELB"}),
            refreshes=(Refresh("Failed", ago(80)),),
        ),
        {"minimum": "1", "surge": "refresh"},
    ),
    "dead_wait": (group(DEAD, member("i-n", "1.0.274", up=50), **NEW), {"minimum": "2"}),
    "window_closed": (ready(), {"window": "Sat-Sun 09:00-17:00 UTC"}),
    "instance_refresh": (ready(guards=replace(GUARDS, refresh="Baking")), {}),
    "alarm": (ready(guards=replace(GUARDS, alarms=(Alarm("x", "ALARM"),))), {}),
    "alarm_lately": (
        ready(guards=replace(GUARDS, alarms=(Alarm("x", "OK", ago(1), ago(1)),))),
        {"bake_time": "5m"},
    ),
    "zip_unreadable": (group(*OLD, guards=replace(GUARDS, zip_problem="cut"), **NEW), {}),
    "other_app_first": (ready(guards=replace(GUARDS, other_app="api goes first")), {}),
}
# Found while acting, by what more than one group tells.
ELSEWHERE = {
    *("settings_unreadable", "another_group_first", "group_changed", "instance_spared"),
    *("terminations_limit", "release_withdrawn", "request_refused"),
}


@pytest.mark.parametrize("name", NAMED)
def test_each_hold_has_its_name(name: str) -> None:
    of, texts = NAMED[name]
    decision = decide(of, **{**FAST, **texts})
    assert (decision.kind, decision.hold) == ("hold", name)


def test_the_table_has_every_hold_by_its_name() -> None:
    assert HOLDS.keys() == set(get_args(HoldName)) == NAMED.keys() | ELSEWHERE
    assert all(rule.name == name for name, rule in HOLDS.items())


def test_what_acts_or_has_converged_is_held_by_nothing() -> None:
    assert decide(ready(), **FAST).hold is None
    assert decide(group(member("i-n"))).hold is None


# Who needs a person, and when.

AT_ONCE = {
    "settings_unreadable",
    "operator_managed",
    "processes_suspended",
    "weighted_capacity",
    "traffic_unknown",
    "no_release",
    "template_unknown",
    "alarm",
    "zip_unreadable",
    "surge_unfit",
}


@pytest.mark.parametrize("name", get_args(HoldName))
def test_holds_that_never_end_by_themselves_need_a_person_at_once(name: HoldName) -> None:
    assert hold_of(name, "why").needs_attention is (name in AT_ONCE)
    state = state_of(group(*OLD, released=released("2", since=5)))
    assert hold_of(name, "why", state).needs_attention is (name in AT_ONCE)


HOURS = 60.0
DAY = 24 * HOURS


@pytest.mark.parametrize("name", sorted(set(get_args(HoldName)) - AT_ONCE))
@pytest.mark.parametrize(("since", "is_late"), [(DAY, False), (DAY + 1, True)])
def test_whatever_holds_a_group_that_has_been_behind_for_a_day_it_needs_a_person(
    name: HoldName, since: float, *, is_late: bool
) -> None:
    state = state_of(group(*OLD, released=released("2", since=since)))
    assert hold_of(name, "why", state).needs_attention is is_late


FAILING: dict[str, Any] = {"desired": 3, "failed_launches": (ago(10), ago(70))}
OVERDUE = member("i-c", None, up=100)


@pytest.mark.parametrize(
    ("others", "more"),
    [([], FAILING), ([OVERDUE], {}), ([member("i-c", "2", up=100, traffic=ILL)], {})],
)
@pytest.mark.parametrize(("since", "is_late"), [(3 * HOURS - 1, False), (3 * HOURS + 1, True)])
@pytest.mark.parametrize("name", ["members_in_flight", "canary_not_come_up", "nothing_available"])
def test_where_launches_fail_or_a_canary_is_overdue_three_hours_are_enough(
    others: list[Instance], more: Any, since: float, name: HoldName, *, is_late: bool
) -> None:
    state = state_of(group(*OLD, *others, **more, released=released("2", since=since)))
    assert hold_of(name, "why", state).needs_attention is is_late


@pytest.mark.parametrize("name", ["window_closed", "no_budget"])
def test_but_not_in_a_window_or_without_budget_which_a_night_may_explain(name: HoldName) -> None:
    state = state_of(group(*OLD, OVERDUE, released=released("2", since=4 * HOURS)))
    assert not hold_of(name, "why", state).needs_attention
    state = state_of(group(*OLD, OVERDUE, released=released("2", since=DAY + 1)))
    assert hold_of(name, "why", state).needs_attention


@pytest.mark.parametrize(
    "others", [[member("i-c", None, up=20)], [member("i-c", "2", up=20)], [COMING]]
)
def test_a_canary_that_is_not_overdue_is_no_trouble(others: list[Instance]) -> None:
    of = group(*OLD, *others, grace=30, released=released("2", since=10 * HOURS))
    assert not decide(of, **FAST).needs_attention


def test_a_failure_before_the_last_successful_launch_is_no_trouble() -> None:
    of = group(
        *OLD,
        member("i-c", up=5),
        desired=4,
        failed_launches=(ago(20), ago(2000)),
        released=released("2", since=10 * HOURS),
    )
    assert not decide(of, **FAST).needs_attention


def test_where_since_is_unknown_a_group_is_behind_from_its_zip_or_the_first_on_target() -> None:
    target = released("2", since=None)  # uploaded ten hours ago
    behind = state_of(group(*OLD, released=target)).behind
    assert behind == timedelta(hours=10)
    assert state_of(group(*OLD, member("i-n", "2", up=90), released=target)).behind == timedelta(
        minutes=90
    )
    assert state_of(ready()).behind == timedelta(minutes=10)
    assert state_of(group(member("i-a", None))).behind is None


def test_what_goes_in_a_group_that_is_late_needs_a_person_too() -> None:
    of = group(*(member(f"i-{n}", up=9 * DAY) for n in "ab"), released=released("2", since=DAY - 1))
    assert not decide(of, **FAST).needs_attention
    decision = decide_later(of, 2, **FAST)
    assert (decision.kind, decision.needs_attention) == ("canary", True)


# On target, but not whole.


@pytest.mark.parametrize(
    ("others", "more", "is_late"),
    [
        ([member("i-x", None, up=3 * HOURS)], {}, False),
        ([member("i-x", None, up=9 * HOURS), member("i-y", None, up=40)], {}, True),
        ([member("i-x", None, up=3 * HOURS + 1)], {}, True),
        ([member("i-x", None, up=DAY, served=5)], {}, False),  # it has come out of Standby
        ([], {"desired": 3, "failed_launches": (ago(170),)}, False),
        ([], {"desired": 3, "failed_launches": (ago(10), ago(190))}, True),
        ([], {"desired": 2, "failed_launches": (ago(190),)}, False),  # it is whole
        ([replace(COMING, created=ago(DAY))], {}, False),
        ([replace(COMING, created=ago(DAY + 1))], {}, True),
        ([member("i-x", up=2 * DAY, health="Unhealthy")], {}, False),  # it has just become so
    ],
)
def test_a_group_that_is_on_target_but_not_whole_needs_a_person_after_three_hours(
    others: list[Instance], more: Any, *, is_late: bool
) -> None:
    on_target = [member("i-a", "2", up=9 * DAY, traffic=SERVES), member("i-b", "2", up=9 * DAY)]
    of = group(*on_target, *others, **more, released=released("2", since=10 * DAY))
    assert decide(of).needs_attention is is_late


def test_a_group_that_is_whole_never_needs_a_person() -> None:
    of = group(
        member("i-a", "2", up=9 * DAY),
        failed_launches=(ago(5), ago(500)),
        status="Delete in progress",
        released=released("2", since=10 * DAY),
    )
    decision = decide(of, pause="freeze")
    assert (decision.kind, decision.needs_attention) == ("converged", False)
    assert not hold_of("group_changed", "why", state_of(of)).needs_attention


@pytest.mark.parametrize(
    ("launched", "is_late"),
    [
        ([10, 60, 170, 175], False),
        ([10, 60, 175, 185], True),
        ([10, 60, 250], False),  # nothing for three hours before that
        ([190, 200], False),  # nor since
    ],
)
@pytest.mark.parametrize("serving", [0, 2])
def test_where_auto_scaling_replaces_what_is_refused_for_three_hours_a_person_is_told(
    launched: list[float], serving: int, *, is_late: bool
) -> None:
    """But not where the minimum serves on the release."""
    of = group(
        *(member(f"i-{n}", "2", up=900) for n in range(serving)),
        member("i-x", None, up=4),
        desired=3,
        grace=5,
        failed_checks=tuple(map(ago, launched)),
        released=released("2", since=20 * HOURS),
    )
    decision = decide(of, minimum="2", canary_retry="30m")
    assert decision.kind == "hold"
    assert decision.needs_attention is (is_late and serving == 0)


@pytest.mark.parametrize(("last", "is_late"), [(170, False), (185, True)])
def test_a_canary_that_auto_scaling_replaces_is_trouble_like_one_that_is_overdue(
    last: float, *, is_late: bool
) -> None:
    checks = (ago(10), ago(100), ago(last))
    of = group(*OLD, COMING, failed_checks=checks, released=released("2", since=4 * HOURS))
    assert decide(of, **FAST).needs_attention is is_late
