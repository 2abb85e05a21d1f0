"""How long a target is tried, and how long it bakes: the pace of a rollout."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from terminator.decide.plan import plan
from terminator.model import Group, Instance, Release, Released
from terminator.version import Version
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
    unasked,
)


def old(count: int = 3) -> list[Instance]:
    return [member(f"i-{n}", "1.0.266", up=90_000 - n) for n in range(count)]


# Without proof: in flight, on its way, not come up.


@pytest.mark.parametrize(
    ("seen", "desired", "reason"),
    [
        (
            [unasked("i-p", "Pending:Wait")],
            4,
            "no proof yet: 1 member in flight, the newest i-p (Pending:Wait)",
        ),
        (
            [member("i-p", up=2, running=False), unasked("i-q", "Pending")],
            5,
            "no proof yet: 2 members in flight, the newest i-q (Pending)",
        ),
        (
            [member("i-p", up=2, running=False)],
            4,
            "no proof yet: 1 member in flight, the newest i-p (not running)",
        ),
        ([], 4, "no proof yet: 1 member missing"),
        ([], 5, "no proof yet: 2 members missing"),
    ],
)
def test_without_proof_nothing_goes_while_anything_of_since_then_is_in_flight_or_missing(
    seen: list[Instance], desired: int, reason: str
) -> None:
    of = group(*old(), *seen, desired=desired, released=released("1.0.274", since=10))
    decision = decide(of, **FAST)
    assert (decision.hold, decision.reason) == ("members_in_flight", reason)


def test_what_is_missing_because_launches_fail_is_said_to_be_so() -> None:
    of = group(*old(), desired=4, failed_launches=(ago(5),), released=released("1.0.274", since=10))
    assert decide(of, **FAST).reason == "no proof yet: 1 member missing: launches fail"


def test_what_an_earlier_release_left_in_flight_uses_up_max_unavailable_and_no_more() -> None:
    hooked = replace(unasked("i-h", "Pending:Wait"), created=ago(60))
    of = group(*old(7), hooked, released=released("1.0.274", since=10))
    assert decide(of, minimum="1", max_unavailable="2").kind == "canary"
    assert decide(of, minimum="1", max_unavailable="1").hold == "no_budget"


def test_where_since_is_unknown_anything_in_flight_holds() -> None:
    hooked = replace(unasked("i-h", "Pending:Wait"), created=ago(6000))
    of = group(*old(7), hooked, released=released("1.0.274", since=None))
    assert decide(of, **FAST).hold == "members_in_flight"


def test_within_the_grace_period_proof_is_on_its_way() -> None:
    young = group(
        *old(),
        member("i-m", "1.0.274", up=4, served=3),
        member("i-n", "1.0.274", up=4),
        grace=10,
        released=released("1.0.274", since=9),
    )
    decision = decide(young, **FAST)
    assert decision.hold == "proof_on_its_way"
    assert decision.reason == (
        "no proof yet: i-m, i-n run 1.0.274; the health check grace period has 6 minutes to go"
    )


@pytest.mark.parametrize(("served", "kind"), [(9, "hold"), (10, "replace")])
def test_a_launch_hook_is_no_part_of_the_grace_period(served: float, kind: str) -> None:
    young = group(
        *old(),
        member("i-n", "1.0.274", up=40, served=served),
        grace=10,
        released=released("1.0.274", since=50),
    )
    assert decide(young, **FAST).kind == kind


def test_a_canary_that_has_not_come_up_is_waited_for_as_long_as_it_takes() -> None:
    silent = member("i-n", None, up=12, served=10, reason="connection refused")
    broken = group(*old(), silent, released=released("1.0.274", since=14))
    assert decide(broken, **FAST).reason == (
        "no proof yet: i-n entered service 10 minutes ago and is unavailable "
        "(connection refused); no other goes until it comes up or is replaced"
    )
    for minutes in (0, 60, 6000):
        assert decide_later(broken, minutes, **FAST).hold == "canary_not_come_up"


def test_one_that_answers_and_that_its_load_balancer_refuses_has_not_come_up() -> None:
    ill = member("i-n", "1.0.274", up=5, traffic=ILL)
    decision = decide(group(*old(), ill, grace=1, released=released("1.0.274", since=9)), **FAST)
    assert decision.hold == "canary_not_come_up"


@pytest.mark.parametrize(("up", "kind"), [(10.9, "hold"), (11.1, "canary")])
def test_clocks_a_minute_apart_do_not_hide_a_silent_canary(up: float, kind: str) -> None:
    """Created up to a minute before the release, it may be its canary."""
    unclear = group(*old(), member("i-n", None, up=up), released=released("1.0.274", since=10))
    assert decide(unclear, **FAST).kind == kind


# Stale boots.


def stale_fleet(*ups: float, since: float) -> Group:
    stale = [member(f"i-s{n}", "1.0.266", up=up) for n, up in enumerate(ups)]
    return group(*old(2), *stale, released=released("1.0.274", since=since))


@pytest.mark.parametrize(
    ("came", "wait"),
    [
        (5, 30),  # minutes after the release: at least canary-retry
        (31, 31),
        (100, 100),
        (900, 900),
        (959, 959),
        (960, 960),
        (2000, 960),  # at most 32 times that: 16 hours
    ],
)
def test_the_next_canary_waits_as_long_as_the_newest_stale_boot_came_after_the_release(
    came: float, wait: float
) -> None:
    for others in ((), (came - 3,)):
        early = stale_fleet(
            *(wait - 0.5 + other for other in (*others, 0)), since=came + wait - 0.5
        )
        decision = decide(early, **FAST)
        assert decision.hold == "boots_stale"
        assert decision.reason.endswith("next canary in 1 minute")
        due = stale_fleet(*(wait + other for other in (*others, 0)), since=came + wait)
        assert decide(due, **FAST).kind == "canary"


def test_the_reason_says_who_came_back_stale_and_when_the_next_canary_goes() -> None:
    assert decide(stale_fleet(50, 3, since=60), **FAST).reason == (
        "no proof yet: i-s1 created 3 minutes ago still reports 1.0.266; next canary in 54 minutes"
    )


def test_the_wait_is_counted_from_the_last_earlier_boot_that_runs_the_target() -> None:
    """Boots that are stale now and then do not slow the rollout down for ever."""
    mixed = group(
        *old(),
        member("i-n", "1.0.274", up=45),
        member("i-s", up=40),
        released=released("1.0.274", since=500),
    )
    assert decide(mixed, **FAST).kind == "canary"
    of_one_second = replace(
        mixed, instances=(*old(), *(replace(i, created=ago(40)) for i in mixed.instances[-2:]))
    )
    assert decide(of_one_second, **FAST).hold == "boots_stale"
    ill = replace(mixed.instances[-2], traffic=ILL)
    unserving = replace(mixed, instances=(*old(), mixed.instances[-1], ill))
    assert decide(unserving, **FAST).kind == "hold"


@pytest.mark.parametrize(("up", "kind"), [(9.1, "canary"), (9, "canary"), (8.9, "hold")])
def test_a_boot_around_the_release_is_not_counted_as_stale(up: float, kind: str) -> None:
    """It may have fetched its zip just before the release was there."""
    around = group(*old(), member("i-s", up=up), released=released("1.0.274", since=10))
    assert decide(around, **FAST).kind == kind


@pytest.mark.parametrize("up", [9000, 9.5, 8.5])
def test_what_a_warm_pool_held_from_before_the_release_is_waited_for_only_until_it_is_up(
    up: float,
) -> None:
    """It says nothing of the release, and the pool has one less."""
    pooled = member("i-s", up=up, taken_from_pool=ago(3))
    of = group(*old(), pooled, warm_pool=True, released=released("1.0.274", since=9))
    assert decide(of, **FAST).kind == "canary"
    waits = replace(pooled, in_service_since=None)
    of = replace(of, instances=(*old(), waits))
    assert decide(of, **FAST).hold == "members_in_flight"
    refused = replace(pooled, traffic=ILL, in_service_since=ago(2))
    of = replace(of, instances=(*old(), refused))
    assert decide(of, **FAST).hold == "canary_not_come_up"


@pytest.mark.parametrize("taken", [46, 44])
def test_what_a_warm_pool_gave_within_the_doubt_is_waited_for_until_it_is_overdue(
    taken: float,
) -> None:
    """Nobody knows which of the two it fetched. As a canary it would keep the fix out for ever."""
    silent = member("i-s", None, up=9000, served=40, taken_from_pool=ago(taken))
    of = group(*old(), silent, warm_pool=True, released=released("1.0.274", since=45))
    assert decide(of, **FAST).goes == ("i-s",)
    lately = replace(silent, in_service_since=ago(2))
    assert decide(replace(of, instances=(*old(), lately)), **FAST).hold == "canary_not_come_up"


def test_what_a_warm_pool_made_since_the_release_is_stale_and_the_reason_names_it() -> None:
    pooled = member("i-s", up=7, taken_from_pool=ago(3))
    before = member("i-t", up=9000, taken_from_pool=ago(1))
    of = group(*old(), pooled, before, warm_pool=True, released=released("1.0.274", since=9))
    assert decide(of, **FAST).reason == (
        "no proof yet: i-s created 3 minutes ago still reports 1.0.266 "
        "(replacements come from its warm pool); next canary in 27 minutes"
    )


def lost_in_a_week(size: int, period: int, *, dated: bool) -> int:
    """Return how many go in a week of boots that all stay on the old release."""
    zip_ = Release("web/2.zip", Version.parse("2"), NOW)
    target = Released(zip_, NOW if dated else None)
    of = group(*(member(f"i-{n}", "1", up=9000 + n) for n in range(size)), released=target)
    of = replace(of, grace=timedelta(minutes=5))
    lost = 0
    for minute in range(0, 7 * 24 * 60, period):
        now = NOW + timedelta(minutes=minute)
        gone = plan(of, policy(minimum="0"), now).to_terminate
        for id_ in gone:
            lost += 1
            left = [each for each in of.instances if each.id != id_]
            boot = member(f"i-boot{lost}", "1", up=-minute - 6)
            of = replace(of, instances=(*left, boot))
    return lost


@pytest.mark.parametrize("size", [1, 2, 3, 8, 50])
@pytest.mark.parametrize("dated", [True, False])
def test_boots_that_stay_old_for_a_week_cost_at_most_20_at_any_size(
    size: int, *, dated: bool
) -> None:
    """Also where nothing dates the release, as without versioning."""
    assert 5 <= lost_in_a_week(size, 30, dated=dated) <= 20


def test_how_often_it_is_asked_changes_nothing() -> None:
    losses = {lost_in_a_week(3, period, dated=True) for period in (10, 30)}
    assert max(losses) - min(losses) <= 2


# Since unknown.


@pytest.mark.parametrize(("up", "kind"), [(29.5, "hold"), (30, "canary")])
def test_where_since_is_unknown_any_boot_is_given_the_retry_time(up: float, kind: str) -> None:
    back = group(*old(), member("i-n", "1.0.280", up=up), released=released("1.0.274", since=None))
    decision = decide(back, **FAST)
    assert (decision.kind, decision.hold) == (kind, "launched_lately" if kind == "hold" else None)


def test_a_rollback_that_nothing_dates_is_tried_although_its_zip_is_old() -> None:
    """So that every instance looks created since."""
    zip_ = Release("web/1.0.266.zip", Version.parse("1.0.266"), ago(20_000))
    undated = group(
        *[member(f"i-{n}", "1.0.274", up=100 + n) for n in range(3)],
        released=Released(zip_, None),
    )
    assert decide(undated, **FAST).kind == "canary"


# With proof: baking.


def test_with_proof_the_rest_go() -> None:
    proven = group(*old(), member("i-n", "1.0.274", up=5), released=released("1.0.274", since=9))
    decision = decide(proven, **FAST)
    assert (decision.kind, decision.to_terminate) == ("replace", ("i-0", "i-1", "i-2"))


def baking() -> Group:
    return group(
        *old(), member("i-n", "1.0.274", up=8), grace=2, released=released("1.0.274", since=9)
    )


@pytest.mark.parametrize(
    ("bake_time", "reason"),
    [
        ("10m", "baking 1.0.274 for 4 more minutes"),
        ("6m", "3 of 3 outdated instances fit the budget"),
        ("136m", "baking 1.0.274 for 2 more hours 10 minutes"),
    ],
)
def test_the_rest_wait_until_the_target_has_baked(bake_time: str, reason: str) -> None:
    assert decide(baking(), **{**FAST, "bake_time": bake_time}).reason == reason


def test_what_is_above_the_target_does_not_wait_for_baking() -> None:
    """The way back is as fast as the budget allows."""
    back = group(
        member("i-lower", "1.0.200", up=900),
        *[member(f"i-{n}", "1.0.280", up=900 - n) for n in range(3)],
        member("i-n", "1.0.274", up=8),
        grace=2,
        released=released("1.0.274", since=9),
    )
    decision = decide(back, **{**FAST, "bake_time": "2h"})
    assert decision.to_terminate == ("i-0", "i-1", "i-2")


def test_without_proof_what_is_above_the_target_goes_one_by_one_like_any_other() -> None:
    back = group(*[member(f"i-{n}", "1.0.280", up=900 - n) for n in range(3)])
    of = replace(back, released=released("1.0.274", since=9))
    assert decide(of, **FAST).to_terminate == ("i-0",)
    silent = replace(of, instances=(*of.instances, member("i-n", None, up=5)))
    assert decide(silent, **FAST).hold == "canary_not_come_up"


# The highest version that runs, without a bucket.


def test_a_rogue_version_that_is_not_the_last_to_be_created_proves_nothing() -> None:
    rogue = group(member("i-r", "999.0.0", up=100_000), *old())
    decision = decide(rogue, **FAST)
    assert (decision.kind, len(decision.to_terminate)) == ("canary", 1)


def test_one_stale_instance_of_the_same_second_spoils_the_proof() -> None:
    same = group(*old(), member("i-n", "1.0.274", up=50), member("i-s", "1.0.266", up=50))
    assert decide(same, **FAST).kind == "canary"


def test_the_last_to_be_created_is_waited_for_while_it_is_away() -> None:
    rogue = group(member("i-r", "999.0.0", up=100_000), *old(), member("i-n", None, up=500))
    decision = decide(rogue, **FAST)
    assert decision.hold == "canary_not_come_up"
    assert decision.reason.startswith("no proof yet: i-n entered service 8 hours 20 minutes ago")


def test_the_last_to_be_created_is_given_the_retry_time_whatever_it_runs() -> None:
    twins = group(*old(), member("i-m", "1.0.274", up=5), member("i-n", up=5))
    assert decide(twins, **FAST).reason == (
        "no proof yet: i-m was created 5 minutes ago; next canary in 25 minutes"
    )


def test_boots_from_a_warm_pool_are_given_the_retry_time_too() -> None:
    pooled = member("i-n", "1.0.280", up=950_000, taken_from_pool=ago(5))
    target = released("1.0.274", since=None)
    of = group(*old(), pooled, warm_pool=True, released=target)
    assert decide(of, **FAST).reason == (
        "no proof yet: i-n was created 5 minutes ago (replacements come from its warm pool); "
        "next canary in 25 minutes"
    )


@pytest.mark.parametrize(("up", "hold"), [(1000, None), (959, "boots_stale"), (961, None)])
def test_after_one_batch_a_rogue_version_costs_one_at_doubling_distances(
    up: float, hold: str | None
) -> None:
    """The last one created says 999.0.0, and nothing that boots does."""
    of = group(member("i-r", "999.0.0", up=5000), *old(2), member("i-b", up=up, traffic=SERVES))
    decision = decide(of, **FAST)
    assert (decision.kind, decision.hold) == ("hold" if hold else "canary", hold)
