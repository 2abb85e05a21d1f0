"""Surge: when an instance refresh replaces the one of a group, and why not."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terminator.decide.holds import HOLDS
from terminator.decide.plan import confirmed, plan
from terminator.model import Alarm, Decision, Group, Instance, Launches, Origin, Preflight, Refresh
from tests.decide.builders import NOW, SERVES, ago, decide, group, member, policy, released

SURGE = {"minimum": "1", "surge": "refresh"}
FIT: dict[str, Any] = {
    "max_size": 2,
    "load_balanced": True,
    "health_checks": frozenset({"EC2", "ELB"}),
}
OLD = member("i-a", traffic=SERVES)


def one(*members: Instance, since: float | None = 90, **more: Any) -> Group:
    """Return a group of one that is to run release 2, and may be released by a refresh."""
    its = {**FIT, "released": released("2", since=since), **more}
    return group(*(members or (OLD,)), **{"desired": 1, **its})


def surges(of: Group, **texts: str) -> Decision:
    return decide(of, **{**SURGE, **texts})


def test_a_group_of_one_that_has_nothing_to_spare_is_replaced_by_a_refresh() -> None:
    decision = surges(one())
    assert (decision.kind, decision.to_terminate, decision.goes) == ("surge", (), ("i-a",))
    assert decision.reason == (
        "i-a goes once another one has served for 10 minutes, to prove 2, by an instance refresh"
    )


@pytest.mark.parametrize(
    ("texts", "more", "minutes"),
    [
        ({}, {}, 10),
        ({"bake_time": "0m"}, {}, 10),
        ({}, {"grace": 15}, 25),
        ({"bake_time": "1h"}, {"grace": 15}, 75),
        ({}, {"warmup": timedelta(minutes=30)}, 30),
        ({"warm_up": "20m"}, {}, 20),
        ({"warm_up": "20m"}, {"warmup": timedelta(minutes=30)}, 30),
    ],
)
def test_the_new_one_has_the_longest_of_warm_up_grace_with_bake_time_and_ten_minutes(
    texts: dict[str, str], more: dict[str, Any], minutes: int
) -> None:
    surge = surges(one(**more), **texts).surge
    assert surge is not None
    assert surge.warmup == timedelta(minutes=minutes)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"max_size": 1}, "its MaxSize leaves no room for a second one"),
        (
            {"health_checks": frozenset({"EC2"})},
            "its health checks do not include its load balancer",
        ),
        ({"load_balanced": False}, "it has no load balancer"),
        ({"warm_pool": True}, "replacements come from its warm pool"),
        (
            {"max_size": 1, "health_checks": frozenset[str]()},
            (
                "its MaxSize leaves no room for a second one and its health checks do not include "
                "its load balancer"
            ),
        ),
    ],
)
def test_what_a_group_lacks_for_that_is_named_and_needs_a_person(
    more: dict[str, Any], says: str
) -> None:
    decision = surges(one(**more))
    assert (decision.hold, decision.needs_attention) == ("surge_unfit", True)
    assert decision.reason.endswith(f"; surge is asked for, but {says}")
    assert "--max-size 2 --health-check-type ELB" in HOLDS["surge_unfit"].remedy


def test_without_the_tag_or_with_more_than_one_nothing_is_refreshed() -> None:
    assert decide(one(), minimum="1").hold == "no_budget"
    two = surges(one(OLD, member("i-b"), desired=2), minimum="2")
    assert (two.hold, two.surge) == ("no_budget", None)
    assert two.reason.endswith("; surge is for a group of one")


def test_where_its_minimum_lets_it_go_it_goes_as_ever() -> None:
    decision = surges(one(), minimum="0")
    assert (decision.kind, decision.to_terminate) == ("canary", ("i-a",))


@pytest.mark.parametrize(
    "others",
    [
        [member("i-c", None, up=5)],
        [member("i-c", "2", up=5, lifecycle="Pending")],
        [member("i-c", "1.0.266", up=700)],
        [member("i-c", "2", up=5, health="Unhealthy")],
    ],
)
def test_beside_anybody_else_no_refresh_is_begun(others: list[Instance]) -> None:
    assert surges(one(OLD, *others)).surge is None


def test_one_that_is_protected_silent_or_unserving_is_not_refreshed() -> None:
    for of in (
        replace(OLD, protected=True),
        member("i-a", None),
        member("i-a", reason="unhealthy at web"),
    ):
        assert surges(one(of)).surge is None
    assert surges(one(member("i-a", "2", traffic=SERVES))).kind == "converged"


# Under the guards, and which alarms watch.


@pytest.mark.parametrize(
    ("guards", "hold"),
    [
        ({"refresh": "Pending"}, "instance_refresh"),
        ({"alarms": (Alarm("x", "ALARM"),)}, "alarm"),
        ({"alarms": (Alarm("x", None),)}, "alarm"),
        ({"alarms": (Alarm("x", "OK", ago(1), ago(1)),)}, "alarm_lately"),
        ({"zip_problem": "cut"}, "zip_unreadable"),
        ({"other_app": "api goes first"}, "other_app_first"),
    ],
)
def test_every_guard_holds_it(guards: dict[str, Any], hold: str) -> None:
    assert surges(one(guards=Preflight(**guards))).hold == hold


def test_outside_the_window_it_waits_but_not_above_the_target() -> None:
    closed = {"window": "Sat-Sun 09:00-17:00 UTC"}
    assert surges(one(), **closed).hold == "window_closed"
    above = member("i-a", "3", traffic=SERVES)
    assert surges(one(above), **closed).kind == "surge"


def test_those_of_its_alarms_that_are_ok_may_end_it_and_no_more_than_ten() -> None:
    alarms = (
        Alarm("rings", "ALARM", ago(200), NOW, at_since=True),
        Alarm("quiet", "INSUFFICIENT_DATA"),
        *(Alarm(f"ok-{n}", "OK") for n in range(11)),
    )
    surge = surges(one(guards=Preflight(alarms=alarms))).surge
    assert surge is not None
    assert surge.alarms == tuple(f"ok-{n}" for n in range(10))


# While one is in progress, and after it.


@pytest.mark.parametrize("status", ["Pending", "InProgress", "Cancelling", "Baking", "Unheard"])
def test_while_one_is_in_progress_the_group_is_held_and_told_how_far_it_is(status: str) -> None:
    running = Refresh(status, ago(5), "waiting for i-b\x1b[2J", 0)
    for of in (one(refreshes=(running,)), one(OLD, member("i-b", "2", up=9), refreshes=(running,))):
        decision = surges(of)
        assert (decision.hold, decision.acts) == ("instance_refresh", False)
        assert f"({status}, 0% complete): " in decision.reason
        assert '"waiting for i-b\\u001b[2J"' in decision.reason


@pytest.mark.parametrize(
    ("status", "says"),
    [
        ("Failed", "failed"),
        ("Cancelled", "was cancelled"),
        ("RollbackSuccessful", "was rolled back"),
        ("Successful", "ended"),
    ],
)
def test_after_one_that_replaced_nothing_the_next_waits_and_awss_reason_is_told(
    status: str, says: str
) -> None:
    tried = (Refresh(status, ago(80), "it did not come up"),)
    decision = surges(one(since=200, refreshes=tried))
    assert decision.hold == "surge_waits"
    assert decision.reason == (
        f"no proof yet: the instance refresh that began 80 minutes ago {says}: "
        '"it did not come up"; the next in 40 minutes'
    )


@pytest.mark.parametrize(
    ("since", "began", "waits"),
    [
        (90, 89, False),  # it came a minute after, so half an hour is enough
        (40, 29, True),
        (200, 99, True),
        (200, 101, False),
        (5000, 970, False),  # never longer than 32 times canary-retry
        (5000, 950, True),
        (60, 61, False),  # it tried another release
    ],
)
def test_each_refresh_since_the_release_came_doubles_the_wait(
    since: float, began: float, *, waits: bool
) -> None:
    old = member("i-a", traffic=SERVES, up=9000)
    decision = surges(one(old, since=since, refreshes=(Refresh("Failed", ago(began)),)))
    assert (decision.hold == "surge_waits") == waits
    assert (decision.kind == "surge") != waits


def test_where_nothing_dates_the_target_those_since_the_one_began_count() -> None:
    old = Refresh("Successful", ago(700))
    assert surges(one(since=None, refreshes=(old,))).kind == "surge"
    tried = (Refresh("Failed", ago(90)), old)
    assert surges(one(since=None, refreshes=tried)).hold == "surge_waits"


def test_where_nothing_dates_the_target_those_before_its_zip_was_uploaded_tried_another() -> None:
    tried = (Refresh("Failed", ago(20)),)
    assert surges(one(since=None, refreshes=tried)).hold == "surge_waits"
    undated = released("2", since=None)
    lately = replace(undated, release=replace(undated.release, modified=ago(10)))
    assert surges(one(released=lately, refreshes=tried)).kind == "surge"


def test_one_that_has_not_begun_yet_is_no_try() -> None:
    assert surges(one(refreshes=(Refresh("Cancelled", None),))).kind == "surge"


def test_the_decision_tells_its_figures_and_that_a_group_has_been_behind_for_a_day() -> None:
    for since, told in ((60, False), (25 * 60, True)):
        decision = surges(one(member("i-a", traffic=SERVES, up=9000), since=since))
        assert (decision.kind, decision.needs_attention) == ("surge", told)
    held = [surges(one(max_size=1)), surges(one(refreshes=(Refresh("Failed", ago(5)),)))]
    for each in (surges(one()), *held):
        assert each.figures is not None
        assert each.figures.outdated == 1


def test_a_refresh_that_failed_for_three_hours_needs_a_person() -> None:
    for since, told in ((179, False), (181, True)):
        for refresh in (Refresh("Failed", ago(since - 5)), Refresh("Failed", ago(10))):
            assert surges(one(since=since, refreshes=(refresh,))).needs_attention is told
    assert not surges(one(since=181)).needs_attention


@pytest.mark.parametrize(
    "held",
    [
        {"texts": {"pause": "deploying"}},
        {"guards": Preflight(alarms=(Alarm("x", "OK", ago(1), ago(1)),))},
        {"guards": Preflight(other_app="api goes first")},
    ],
)
def test_so_it_does_whatever_else_holds_the_group(held: dict[str, Any]) -> None:
    texts, guards = held.get("texts", {}), held.get("guards", Preflight())
    for refreshes, told in (((Refresh("Failed", ago(150)),), True), ((), False)):
        decision = surges(one(since=181, refreshes=refreshes, guards=guards), **texts)
        assert (decision.kind, decision.needs_attention) == ("hold", told)


def test_a_group_that_follows_its_template_is_refreshed_too() -> None:
    launches = Launches(Origin("lt-1", 2), dated=ago(60))
    of = one(replace(OLD, origin=Origin("lt-1", 1)), released=None, launches=launches)
    assert surges(of, follow="template").kind == "surge"
    tried = replace(of, refreshes=(Refresh("Failed", ago(40)),))
    assert surges(tried, follow="template").kind == "surge"
    lately = replace(of, refreshes=(Refresh("Failed", ago(20)),))
    assert surges(lately, follow="template").hold == "surge_waits"


# The second plan.


def test_the_second_plan_must_be_to_refresh_the_same_one() -> None:
    before, its = plan(one(), policy(**SURGE), NOW), policy(**SURGE)
    assert confirmed(before, plan(one(), its, NOW)).surge == before.surge
    changed = plan(one(replace(OLD, id="i-z")), its, NOW)
    assert confirmed(before, changed).hold == "group_changed"
    terminating = plan(one(), policy(minimum="0"), NOW)
    assert confirmed(before, terminating).hold == "group_changed"
    assert confirmed(terminating, before).hold == "group_changed"
    held = plan(one(status="Delete in progress"), its, NOW)
    assert confirmed(before, held) == held


@given(
    began=st.lists(st.integers(0, 3000), max_size=6),
    since=st.one_of(st.none(), st.integers(0, 3000)),
    status=st.sampled_from(["Failed", "Cancelled", "InProgress", "Pending", "Successful"]),
    desired=st.integers(0, 2),
    minimum=st.sampled_from(["0", "1", "50%"]),
)
def test_a_refresh_is_never_begun_beside_another_or_sooner_than_its_last_try_allows(
    began: list[int], since: int | None, status: str, desired: int, minimum: str
) -> None:
    refreshes = tuple(Refresh(status, ago(each)) for each in sorted(began))
    of = one(since=since, refreshes=refreshes, desired=desired)
    decision = surges(of, minimum=minimum)
    assert not (decision.surge and decision.to_terminate)
    if decision.surge:
        assert desired == 1
        assert not any(each.in_progress for each in refreshes)
        reference = since if since is not None else 600
        tries = [each for each in began if each <= reference]
        assert not tries or min(tries) >= 30
