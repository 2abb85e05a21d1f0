"""Boots that stay on an old release: nobody is killed for ever."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from tests.fakes.groups import Program, minutes
from tests.incidents.fleets import (
    BALANCED,
    BARE,
    KINDS,
    NEVER_UP,
    NEW,
    STALE,
    fleet,
    grow,
    settings_of,
)

soak = pytest.mark.soak


@pytest.mark.parametrize(
    ("desired", "minimum"),
    [(1, "0"), (2, "50%"), (3, "0"), (8, "50%")],
)
def test_boots_that_stay_old_cost_few_in_two_days_at_every_size_and_somebody_is_told_in_one(
    desired: int, minimum: str
) -> None:
    """Row 37, at the beginning of the week."""
    lives = fleet(desired, tags=settings_of(minimum=minimum, max_unavailable="100%"))
    lives.release(NEW, STALE)
    released = lives.cloud.now
    lives.pass_hours(6)
    lives.pass_quiet_hours(17)
    lives.pass_hours(2)
    lives.pass_quiet_hours(23)
    assert 8 <= lives.lost <= 10
    assert lives.told["web"] - released <= timedelta(hours=24, minutes=5)


@soak
@pytest.mark.parametrize("desired", [1, 2, 3, 4, 8, 50])
@pytest.mark.parametrize("period", [1, 5])
@KINDS
def test_boots_that_stay_old_for_a_week_cost_at_most_20_at_every_size_and_period(
    desired: int, period: int, stands: Mapping[str, Any]
) -> None:
    """Row 37."""
    minimum = "0" if desired == 1 else "50%"
    lives = fleet(desired, tags=settings_of(minimum=minimum), **stands)
    lives.period = period
    lives.release(NEW, STALE)
    released = lives.cloud.now
    lives.pass_hours(7 * 24)
    assert lives.lost <= 20
    assert lives.told["web"] - released <= timedelta(hours=24, minutes=5)


@pytest.mark.parametrize("size", [2, 4])
@pytest.mark.parametrize("pool", [1, 2, 4, 8, 16, pytest.param(40, marks=soak)])
@pytest.mark.parametrize("stands", [BARE, BALANCED], ids=["bare", "balanced"])
def test_a_warm_pool_that_holds_the_old_release_is_drained_and_the_release_out_in_a_working_day(
    size: int, pool: int, stands: Mapping[str, Any]
) -> None:
    """Row 5: what fills it up anew holds the new one."""
    lives = fleet(size, pool=pool, **stands)
    lives.pass_minutes(20)
    lives.release(NEW)
    said: set[str] = set()

    def listen() -> None:
        said.add(lives.records["web"].reason if lives.records else "")

    hours = lives.hours_until(lambda: lives.all_serve(NEW), most=48, meanwhile=listen)
    assert hours is not None
    assert hours <= 8
    assert lives.lost <= size + pool
    assert any("replacements come from its warm pool" in reason for reason in said)
    assert lives.lowest["web"] >= size - 1


@pytest.mark.parametrize("pool", [2, 8])
def test_without_versions_in_the_bucket_a_warm_pool_is_drained_one_each_canary_retry(
    pool: int,
) -> None:
    """Row 5, where nothing tells since when the release is the target."""
    lives = fleet(3, pool=pool, account={"versioned": False})
    lives.pass_minutes(20)
    lives.release(NEW)
    hours = lives.hours_until(lambda: lives.all_serve(NEW), most=48)
    assert hours is not None
    assert hours <= 2 + pool * 0.75


@pytest.mark.parametrize(("size", "pool"), [(2, 4), (4, 8)])
@pytest.mark.parametrize("stands", [BARE, BALANCED], ids=["bare", "balanced"])
def test_a_warm_pool_adds_no_more_losses_than_it_holds(
    size: int, pool: int, stands: Mapping[str, Any]
) -> None:
    """Row 5, where the release is no good: what the pool held from before, and then as ever."""
    lost = {}
    for how in (STALE, NEVER_UP):
        lives = fleet(size, pool=pool, **stands)
        lives.pass_minutes(20)
        lives.release(NEW, how)
        lives.pass_hours(4)
        lives.pass_quiet_hours(44)
        lost[how] = lives.lost
        assert lives.lowest["web"] >= size - 1
    assert pool < lost[STALE] <= pool + 10
    assert lost[NEVER_UP] == pool + 1


@pytest.mark.parametrize("desired", [2, 4, pytest.param(10, marks=soak)])
@KINDS
def test_one_on_a_version_that_nothing_boots_costs_a_batch_and_then_losses_double_their_distance(
    desired: int, stands: Mapping[str, Any]
) -> None:
    """Row 48: without a bucket the instance created last reports 999.0.0."""
    lives = fleet(desired, account={"bucket": False}, **stands)
    newest = max(lives.members(), key=lambda machine: machine.launched)
    newest.version = "999.0.0"
    began = lives.cloud.now
    lives.pass_hours(8)
    lives.pass_quiet_hours(40)
    batch = max(1, desired // 4)
    later = [(at - began) / minutes(1) for at, _, _ in lives.cloud.kills][batch:]
    assert lives.lost <= batch + 8
    assert grow(later)


@pytest.mark.parametrize("desired", [3, 6, 12, pytest.param(40, marks=soak)])
@pytest.mark.parametrize("every", [1, 6, 12])
@KINDS
def test_boots_of_one_zone_that_stay_old_cost_few_whatever_else_is_launched(
    desired: int, every: int, stands: Mapping[str, Any]
) -> None:
    """Spot instances are reclaimed every few hours; what comes elsewhere is no new start."""
    lives = fleet(desired, **stands)
    lives.release(NEW, Program(stale_in="eu-west-1c"))
    gone = 0

    def reclaim() -> None:
        nonlocal gone
        if lives.minute % (60 * every) == 30:
            gone += 1
            serving = lives.cloud.serving(lives.group)
            lives.cloud.reclaim(
                sorted(serving, key=lambda machine: machine.id)[gone % len(serving)]
            )

    lives.pass_hours(24, reclaim)
    first = lives.lost
    assert first <= 2 * desired + 6
    lives.pass_hours(24, reclaim)
    lives.pass_quiet_hours(3 * 24, reclaim)
    # Some of those that cost no time may go only then.
    assert lives.lost <= max(first, 2 * desired) + 4 * 24 / 16 + 5


def test_where_three_boots_in_ten_are_stale_a_release_is_out_within_half_a_day() -> None:
    """Row 59."""
    for seed in range(3):
        lives = fleet(40, account={"seed": seed})
        lives.release(NEW, Program(stale=0.3))
        assert lives.hours_until(partial(lives.all_serve, NEW), most=12) is not None


@soak
@pytest.mark.parametrize("desired", [4, 10, 40])
def test_where_three_boots_in_ten_are_stale_nine_releases_in_ten_are_out_within_half_a_day(
    desired: int,
) -> None:
    """Row 59: chance may give many stale boots in a row, and each doubles the wait."""
    took: list[float | None] = []
    for seed in range(20):
        lives = fleet(desired, account={"seed": seed})
        lives.release(NEW, Program(stale=0.3))
        took.append(lives.hours_until(partial(lives.all_serve, NEW), most=48))
    assert None not in took
    assert sum(hours is not None and hours <= 12 for hours in took) >= 18
