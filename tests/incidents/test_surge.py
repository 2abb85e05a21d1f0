"""A group of one is released without a gap: by an instance refresh, which launches first."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from tests.decide.builders import NOW
from tests.fakes.groups import Boots, Program, Template, minutes
from tests.incidents.fleets import (
    CHECKED,
    FIX,
    NEVER_UP,
    NEW,
    OLD,
    STALE,
    Fleet,
    fleet,
    settings_of,
)

soak = pytest.mark.soak
PERIODS = pytest.mark.parametrize("period", [1, 5, 60])
REFUSED, DIES = Program(refused=True), Program(dies=minutes(4))


def one(period: int = 5, **more: Any) -> Fleet:
    """Return a group of one behind a load balancer, which asks for surge and keeps one."""
    texts = {"minimum": "1", "surge": "refresh", **more.pop("texts", {})}
    lives = fleet(1, tags=settings_of(**texts), **CHECKED, **more)
    lives.period = period
    return lives


def begun(lives: Fleet) -> list[float]:
    """Return when each refresh of the first group began, in hours since the last upload."""
    uploaded = lives.cloud.stored[-1].when
    return [
        (each.began - uploaded) / timedelta(hours=1)
        for each in lives.cloud.refreshed[lives.group.name].of
    ]


@PERIODS
def test_a_group_of_one_is_released_without_a_moment_in_which_nobody_serves(period: int) -> None:
    """Row 31."""
    lives = one(period)
    lives.pass_hours(1)
    lives.release(NEW)
    assert lives.hours_until(lambda: lives.all_serve(NEW), most=3) is not None
    assert (lives.lowest["web"], lives.lost, lives.failed) == (1, 0, 0)
    lives.pass_quiet_hours(24)
    [refresh] = lives.cloud.refreshed["web"].of
    assert refresh.status == "Successful"
    assert lives.record.decision == "converged"


@pytest.mark.parametrize(
    ("period", "how", "quiet"),
    [
        (5, NEVER_UP, 48),
        (60, REFUSED, 0),
        (60, DIES, 0),
        *(pytest.param(1, how, 0, marks=soak) for how in (NEVER_UP, REFUSED, DIES)),
        *(pytest.param(5, how, 0, marks=soak) for how in (NEVER_UP, REFUSED, DIES)),
        pytest.param(60, NEVER_UP, 0, marks=soak),
    ],
)
def test_a_broken_release_costs_nothing_and_is_tried_at_doubling_distances(
    period: int, how: Program, quiet: float
) -> None:
    lives = one(period)
    old = lives.members()[0].id
    lives.release(NEW, how)
    lives.pass_hours(60 - quiet)
    lives.pass_quiet_hours(quiet)
    assert (lives.lowest["web"], lives.lost) == (1, 0)
    assert [machine.id for machine in lives.members(OLD)] == [old]
    began = begun(lives)
    gaps = [after - before for before, after in pairwise(began)]
    assert len(began) <= 10
    assert all(gap >= 0.5 for gap in gaps)
    assert gaps[-1] == pytest.approx(16, abs=2.5)
    assert all(later >= 1.5 * gap or gap > 10 for gap, later in pairwise(gaps[1:]))
    assert lives.told["web"] - lives.cloud.stored[-1].when < minutes(60 * 5)


def test_the_fix_of_a_broken_release_goes_out_at_once() -> None:
    lives = one()
    lives.release(NEW, NEVER_UP)
    lives.pass_hours(4)
    lives.pass_quiet_hours(26)
    lives.release(FIX)
    hours = lives.hours_until(lambda: lives.all_serve(FIX), most=3)
    assert hours is not None
    assert hours < 2.5
    assert (lives.lowest["web"], lives.lost) == (1, 0)


@pytest.mark.parametrize(
    ("period", "days"),
    [(5, 1), (60, 2), pytest.param(1, 7, marks=soak), pytest.param(5, 7, marks=soak)],
)
def test_boots_that_stay_old_are_tried_at_doubling_distances(period: int, days: int) -> None:
    lives = one(period)
    lives.release(NEW, STALE)
    lives.pass_hours(24 * days)
    assert lives.lowest["web"] == 1
    assert 4 <= len(begun(lives)) <= 6 + 1.5 * days


def test_a_launch_that_fails_costs_nothing() -> None:
    lives = one()
    lives.group.launching = "fails"
    lives.release(NEW)
    lives.pass_hours(12)
    assert (lives.lowest["web"], lives.lost) == (1, 0)
    assert len(begun(lives)) <= 6
    lives.group.launching = "works"
    assert lives.hours_until(lambda: lives.all_serve(NEW), most=17) is not None


def test_a_refresh_that_somebody_cancels_is_begun_anew_but_not_for_ever() -> None:
    lives = one()
    lives.release(NEW)

    def cancel() -> None:
        refreshes = lives.cloud.refreshed.get("web")
        running = refreshes.running if refreshes else None
        if running is not None and lives.cloud.now - running.began > minutes(4):
            lives.cloud.cancel_refresh(lives.group)

    lives.pass_hours(24, cancel)
    assert lives.lowest["web"] == 1
    assert lives.lost == 0
    assert len(begun(lives)) <= 8
    assert "no proof yet: the instance refresh that began" in lives.record.reason
    assert 'was cancelled: "cancelled by a user"; the next in' in lives.record.reason


@pytest.mark.parametrize("how", ["good", "dead"])
def test_while_a_refresh_is_in_progress_nothing_of_the_group_is_terminated(how: Boots) -> None:
    """Somebody else began it; the group's own minimum would let its one go."""
    lives = one(texts={"minimum": "0"})
    lives.cloud.start_refresh(
        lives.group,
        {
            "MinHealthyPercentage": 100,
            "MaxHealthyPercentage": 100,
            "InstanceWarmup": 3600,
            "ScaleInProtectedInstances": "Ignore",
        },
    )
    lives.release(NEW, how)
    lives.pass_minutes(50)
    assert (lives.lost, lives.record.hold) == (0, "instance_refresh")
    assert "0% complete" in lives.record.reason


def test_an_alarm_that_rings_ends_the_refresh_and_one_serves_all_the_time() -> None:
    """Which of the two AWS lets go then is its own choice."""
    lives = one(texts={"alarms": "5xx"})
    lives.cloud.alarms["5xx"] = "OK"
    lives.pass_hours(1)
    lives.release(NEW)

    def ring() -> None:
        lives.cloud.alarms["5xx"] = "ALARM" if lives.serving(NEW) else "OK"

    lives.pass_hours(12, ring)
    assert (lives.lowest["web"], lives.lost) == (1, 0)
    first = lives.cloud.refreshed["web"].of[0]
    assert (first.status, first.reason) == ("Failed", "alarm 5xx went into ALARM")
    assert first.preferences["AlarmSpecification"] == {"Alarms": ["5xx"]}
    assert len(begun(lives)) <= 6


def test_of_an_app_one_group_tries_a_release_at_a_time() -> None:
    lives = one(names=("web-a", "web-b", "web-c"))
    lives.release(NEW, NEVER_UP)

    def look() -> None:
        trying = [
            group.name
            for group in lives.cloud.by_name()
            if any(machine.version is None for machine in group.counted())
        ]
        assert len(trying) <= 1

    lives.pass_hours(4, look)
    lives.pass_quiet_hours(20, look)
    assert lives.lost == 0
    assert all(lowest == 1 for lowest in lives.lowest.values())


def test_a_group_that_follows_its_template_is_refreshed_too() -> None:
    first = Template("lt-1", 1, "ami-1", NOW - timedelta(days=40))
    account: dict[str, Any] = {
        "templates": {"lt-1": [first]},
        "default_versions": {"lt-1": 1},
        "bucket": False,
    }
    lives = one(texts={"follow": "template"}, template="lt-1", account=account)
    lives.pass_hours(1)
    assert lives.record.decision == "converged"
    wanted = lives.cloud.make_version("lt-1")
    assert lives.hours_until(lambda: [m.template for m in lives.members()] == [wanted], most=3)
    assert (lives.lowest["web"], lives.lost) == (1, 0)
