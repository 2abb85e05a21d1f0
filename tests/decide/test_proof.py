"""Proof and canary: how a target is tried, and how long a try is given."""

from __future__ import annotations

import pytest

from terminator.model import Group, Instance
from tests.decide.builders import decide, decide_later, group, member, released, unasked

FAST = {"minimum": "1", "max_unavailable": "100%"}


def old(count: int = 3) -> list[Instance]:
    return [member(f"i-{n}", "1.0.266", up=90_000 - n) for n in range(count)]


def test_without_proof_one_canary_goes() -> None:
    decision = decide(group(*old(), released=released("1.0.274", since=1)), **FAST)
    assert (decision.kind, decision.to_terminate) == ("canary", ("i-0",))
    assert decision.reason == "i-0 goes first, to prove 1.0.274"


def test_with_proof_the_rest_go() -> None:
    proven = group(*old(), member("i-n", "1.0.274", up=5), released=released("1.0.274", since=9))
    decision = decide(proven, **FAST)
    assert (decision.kind, decision.to_terminate) == ("replace", ("i-0", "i-1", "i-2"))


def test_a_target_instance_that_is_not_the_newest_proves_nothing() -> None:
    rogue = group(member("i-r", "999.0.0", up=100_000), *old())
    assert decide(rogue, **FAST).kind == "canary"


def test_one_stale_instance_of_the_same_second_spoils_the_proof() -> None:
    same = group(*old(), member("i-n", "1.0.274", up=50), member("i-s", "1.0.266", up=50))
    assert decide(same, **FAST).kind == "canary"


def test_a_stale_instance_still_in_its_grace_period_spoils_the_proof() -> None:
    late = group(
        *old(),
        member("i-n", "1.0.274", up=50),
        member("i-s", "1.0.266", up=5),
        grace=10,
        released=released("1.0.274", since=60),
    )
    decision = decide(late, **FAST)
    assert decision.to_terminate == ()
    assert "i-s launched 5 minutes ago still reports 1.0.266" in decision.reason


def test_within_the_grace_period_proof_is_on_its_way() -> None:
    young = group(
        *old(), member("i-n", "1.0.274", up=4), grace=10, released=released("1.0.274", since=9)
    )
    decision = decide(young, **FAST)
    assert decision.reason == (
        "waiting for proof: i-n runs 1.0.274; its health check grace period has 6 minutes to go"
    )


@pytest.mark.parametrize(("up", "kind"), [(9, "hold"), (10, "replace")])
def test_proof_begins_when_the_grace_period_ends(up: float, kind: str) -> None:
    young = group(
        *old(), member("i-n", "1.0.274", up=up), grace=10, released=released("1.0.274", since=12)
    )
    assert decide(young, **FAST).kind == kind


def test_one_not_yet_healthy_at_its_load_balancer_proves_nothing() -> None:
    ill = member("i-n", "1.0.274", up=5, reason="unhealthy at target group web: Elb.Initial")
    decision = decide(group(*old(), ill, grace=1, released=released("1.0.274", since=9)), **FAST)
    assert decision.to_terminate == ()
    assert decision.reason.startswith("waiting for proof: i-n launched 5 minutes ago")


def test_nothing_goes_without_proof_while_something_is_in_flight() -> None:
    busy = group(*old(), unasked("i-p", "Pending"), released=released("1.0.274", since=1))
    assert decide(busy, **FAST).reason == "waiting for proof: 1 in flight"


def test_a_silent_canary_is_waited_for_as_long_as_it_is_silent() -> None:
    silent = member("i-n", None, up=12, reason="connection refused")
    broken = group(*old(), silent, released=released("1.0.274", since=14))
    for minutes in (0, 60, 6000):
        decision = decide_later(broken, minutes, **FAST)
        assert decision.kind == "hold"
        assert "i-n" in decision.reason
        assert "connection refused" in decision.reason


@pytest.mark.parametrize(("up", "kind"), [(10.9, "hold"), (11.1, "canary")])
def test_clocks_a_minute_apart_do_not_hide_a_silent_canary(up: float, kind: str) -> None:
    """Launched up to a minute before the release, it may be its canary."""
    unclear = group(*old(), member("i-n", None, up=up), released=released("1.0.274", since=10))
    assert decide(unclear, **FAST).kind == kind


def stale_fleet(ups: list[float]) -> Group:
    stale = [member(f"i-s{n}", "1.0.266", up=up) for n, up in enumerate(ups)]
    return group(*old(8 - len(ups)), *stale, released=released("1.0.274", since=20_000))


@pytest.mark.parametrize(
    ("boots", "wait"),
    [(1, 30), (2, 60), (3, 120), (4, 240), (5, 480), (6, 960), (7, 960), (8, 960)],
)
def test_stale_boots_double_the_time_to_the_next_canary_up_to_sixteen_hours(
    boots: int, wait: float
) -> None:
    ups = [1000.0 * (boots - n) for n in range(boots - 1)]
    early = decide(stale_fleet([*ups, wait - 0.5]), **FAST)
    assert early.kind == "hold"
    assert "next canary in 1 minute" in early.reason
    due = decide(stale_fleet([*ups, wait]), **FAST)
    assert (due.kind, len(due.to_terminate)) == ("canary", 1)


def test_the_reason_says_who_came_back_stale_and_when_the_next_canary_goes() -> None:
    assert decide(stale_fleet([3]), **FAST).reason == (
        "waiting for proof: i-s0 launched 3 minutes ago still reports 1.0.266; "
        "next canary in 27 minutes"
    )


@pytest.mark.parametrize(("up", "kind"), [(9.1, "canary"), (8.9, "hold")])
def test_a_boot_around_the_release_is_not_counted_as_stale(up: float, kind: str) -> None:
    """It may have fetched its zip just before the release was there."""
    around = group(*old(), member("i-s", up=up), released=released("1.0.274", since=10))
    assert decide(around, **FAST).kind == kind


@pytest.mark.parametrize(("up", "kind"), [(29, "hold"), (30, "canary")])
def test_where_since_is_unknown_any_launch_is_given_the_retry_time(up: float, kind: str) -> None:
    rogue = group(member("i-r", "999.0.0", up=100_000), *old(), member("i-n", up=up))
    decision = decide(rogue, **FAST)
    assert (decision.kind, len(decision.to_terminate)) == (kind, int(kind == "canary"))


def test_where_since_is_unknown_an_unreadable_newest_instance_is_waited_for() -> None:
    rogue = group(member("i-r", "999.0.0", up=100_000), *old(), member("i-n", None, up=500))
    decision = decide(rogue, **FAST)
    assert decision.reason == (
        "waiting for proof: i-n, the last to be launched, is unavailable (timeout)"
    )


def test_a_rollback_that_nothing_dates_has_no_since() -> None:
    """The zip of the lower version is old, so every instance looks launched since."""
    undated = group(
        *[member(f"i-{n}", "1.0.274", up=100 + n) for n in range(3)],
        released=released("1.0.266", since=20_000, dated=False),
    )
    assert decide(undated, **FAST).kind == "canary"


def test_baking_waits_for_the_longest_lived_target_instance() -> None:
    proven = group(
        *old(), member("i-n", "1.0.274", up=8), grace=2, released=released("1.0.274", since=9)
    )
    decision = decide(proven, bake_time="10m", **FAST)
    assert decision.reason == "baking 1.0.274 for 4 more minutes"
    assert decide(proven, bake_time="6m", **FAST).kind == "replace"


def test_of_several_target_instances_the_longest_lived_one_ends_the_soak() -> None:
    proven = group(
        *old(),
        member("i-m", "1.0.274", up=8),
        member("i-n", "1.0.274", up=3),
        released=released("1.0.274", since=9),
    )
    assert decide(proven, bake_time="10m", **FAST).reason == "baking 1.0.274 for 2 more minutes"
    assert decide(proven, bake_time="8m", **FAST).kind == "replace"


def test_one_launched_exactly_a_minute_before_the_release_may_be_its_silent_canary() -> None:
    unclear = group(*old(), member("i-n", None, up=11), released=released("1.0.274", since=10))
    assert decide(unclear, **FAST).reason == (
        "waiting for proof: i-n launched 11 minutes ago is unavailable (timeout); "
        "no other goes until it answers or is replaced"
    )


def test_one_launched_exactly_a_minute_after_the_release_is_a_stale_boot() -> None:
    stale = group(*old(), member("i-s", up=9), released=released("1.0.274", since=10))
    assert decide(stale, **FAST).reason == (
        "waiting for proof: i-s launched 9 minutes ago still reports 1.0.266; "
        "next canary in 21 minutes"
    )


def test_a_long_soak_is_told_in_hours_and_minutes() -> None:
    proven = group(*old(), member("i-n", "1.0.274", up=5), released=released("1.0.274", since=9))
    assert (
        decide(proven, bake_time="130m", **FAST).reason
        == "baking 1.0.274 for 2 more hours 5 minutes"
    )


def test_of_the_last_to_be_launched_the_reason_names_the_one_that_came_back_stale() -> None:
    twins = group(*old(), member("i-m", "1.0.274", up=5), member("i-n", up=5))
    assert decide(twins, **FAST).reason == (
        "waiting for proof: i-n launched 5 minutes ago still reports 1.0.266; "
        "next canary in 25 minutes"
    )
