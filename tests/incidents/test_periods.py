"""Schedules from a minute to an hour: no rule depends on the period; a wait may end late."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from tests.fakes.groups import Boots, Program, minutes
from tests.incidents.fleets import NEVER_UP, NEW, STALE, Fleet, fleet

PERIODS = (1, 5, 15, 60)
_RETRY, _LONGEST = minutes(30), minutes(30 * 32)


def released(period: int, how: Boots | Program = "good") -> tuple[Fleet, datetime]:
    """Return a fleet of three after the first run for a release, and when that was uploaded.

    By then the clocks of S3 and EC2 can no longer be mistaken for one another.
    """
    lives = fleet()
    lives.period = period
    uploaded = lives.cloud.now
    lives.release(NEW, how)
    lives.cloud.wait(2)
    lives.run()
    return lives, uploaded


@pytest.mark.parametrize("period", PERIODS)
def test_a_good_release_costs_each_old_one_and_each_step_waits_for_one_run_at_most(
    period: int,
) -> None:
    lives, _ = released(period)
    hours = lives.hours_until(lambda: lives.all_serve(NEW), most=12)
    assert hours is not None
    assert (lives.lost, lives.lowest["web"]) == (3, 2)
    # The canary is in service after a minute; its grace period and the bake time are 15 more. Each
    # of the two others boots in six.
    floor = 1 + 15 + 2 * 6
    assert floor <= hours * 60 <= floor + 2 * period


@pytest.mark.parametrize("period", PERIODS)
def test_a_release_that_never_comes_up_costs_one_and_a_person_is_told_one_run_late_at_most(
    period: int,
) -> None:
    lives, uploaded = released(period, NEVER_UP)
    lives.pass_hours(5)
    assert lives.lost == 1
    late = lives.told["web"] - uploaded - timedelta(hours=3)
    assert timedelta(0) <= late < minutes(period + 2)


@pytest.mark.parametrize("period", PERIODS)
def test_each_wait_after_a_stale_boot_ends_with_the_first_run_after_it(period: int) -> None:
    lives, uploaded = released(period, STALE)
    lives.pass_hours(9)
    gone = [at for at, _, _ in lives.cloud.kills]
    for one, following in pairwise(gone):
        due = one + min(max(one - uploaded, _RETRY), _LONGEST)
        assert due <= following < due + minutes(period)
    # A wait that ends late makes the next one longer, so that a slower schedule costs no more.
    assert 4 <= len(gone) <= 6
