"""Rollouts that things get in the way of, and that reach every group all the same."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import pytest

from tests.fakes.cloud import refusal
from tests.fakes.groups import minutes
from tests.incidents.fleets import (
    BALANCED,
    BARE,
    KINDS,
    NEW,
    OLD,
    Fleet,
    fleet,
    settings_of,
)

soak = pytest.mark.soak


@pytest.mark.parametrize("stands", [BARE, BALANCED], ids=["bare", "balanced"])
def test_all_of_a_batch_go_that_is_larger_than_what_bulk_calls_take(
    stands: Mapping[str, Any],
) -> None:
    """Row 9: of more than 20 instances."""
    lives = fleet(100, tags=settings_of(max_unavailable="50%"), **stands)
    lives.release(NEW)
    assert lives.hours_until(lambda: lives.all_serve(NEW), most=4) is not None
    times = [at for at, _, _ in lives.cloud.kills]
    assert max(map(times.count, times)) == 50
    assert lives.failed == 0


def test_idle_ones_go_and_protected_ones_follow_once_they_are_free() -> None:
    """Row 12: agents protect themselves from scale-in while a job runs."""
    lives = fleet(4)
    busy = lives.members()[:2]
    for machine in busy:
        machine.protected = True
    lives.release(NEW)
    assert lives.hours_until(lambda: lives.serving(NEW) == 2, most=4) is not None
    lives.pass_hours(3)
    assert lives.lost == 2
    assert not {machine.id for machine in busy} & set(lives.lost_ids())
    assert "all that is outdated is protected from scale-in" in lives.record.reason
    for machine in busy:
        machine.protected = False
    assert lives.hours_until(lambda: lives.all_serve(NEW), most=4) is not None


@pytest.mark.parametrize("grown", [5, 8])
@KINDS
def test_what_is_launched_in_the_middle_of_a_rollout_boots_the_release_and_aborts_nothing(
    grown: int, stands: Mapping[str, Any]
) -> None:
    """Row 17."""
    lives = fleet(4, **stands)
    lives.release(NEW)
    assert lives.hours_until(lambda: lives.lost == 2, most=4) is not None
    lives.group.desired = grown
    assert lives.hours_until(lambda: lives.all_serve(NEW), most=6) is not None
    assert (lives.lost, lives.failed) == (4, 0)


@pytest.mark.parametrize("version", [OLD, NEW])
@pytest.mark.parametrize("age", [30, 60 * 24 * 30])
def test_an_instance_that_was_attached_by_hand_is_treated_by_what_it_answers(
    version: str, age: float
) -> None:
    """Row 21: long after its launch, and without a launch template."""
    lives = fleet(3)
    lives.release(NEW)
    attached = lives.cloud.attach(lives.group, version, minutes(age))
    assert lives.hours_until(lambda: lives.all_serve(NEW), most=6) is not None
    assert (attached.id in lives.lost_ids()) == (version == OLD)


@pytest.mark.parametrize(("desired", "proven"), [(4, 1), (4, 2), (8, 3)])
@pytest.mark.parametrize("stands", [BARE, BALANCED], ids=["bare", "balanced"])
def test_an_old_one_that_is_stopped_and_started_is_no_stale_boot_and_delays_no_other(
    desired: int, proven: int, stands: Mapping[str, Any]
) -> None:
    """Row 22: others already prove the release; that resets EC2's launch time."""
    hours: list[float] = []
    for restarts in (False, True):
        lives = fleet(desired, **stands)
        lives.release(NEW)

        def is_so(lives: Fleet = lives) -> bool:
            return lives.serving(NEW) >= proven

        assert lives.hours_until(is_so, most=4) is not None
        lives.pass_minutes(4)
        if restarts:
            old = max(lives.members(OLD), key=lambda machine: machine.launched)
            lives.cloud.stop(old)
            lives.pass_minutes(1)
            lives.cloud.restart(old, silent=2)
            lives.pass_minutes(3)
        assert lives.record.stale == 0
        took = lives.hours_until(partial(lives.all_serve, NEW), most=6)
        assert took is not None
        hours.append(took)
        assert lives.lost == desired
    assert hours[1] <= hours[0] + 0.25


@pytest.mark.parametrize("desired", [4, 10])
@KINDS
def test_the_way_back_is_as_fast_as_batches_allow(desired: int, stands: Mapping[str, Any]) -> None:
    """Row 26: a release with a bake time of 2 hours and a grace period of 10 minutes."""
    lives = fleet(desired, grace=10, tags=settings_of(bake_time="2h"), **stands)
    lives.release(NEW)
    assert lives.hours_until(lambda: lives.all_serve(NEW), most=24) is not None
    lives.pass_quiet_hours(24)
    lives.cloud.point("web", OLD)
    hours = lives.hours_until(lambda: not lives.members(NEW), most=12)
    batches = desired / max(1, desired // 4)
    assert hours is not None
    assert hours <= (30 + 10 * batches) / 60


@pytest.mark.parametrize("names", [("web-servers", "web-workers"), ("a", "b", "c")])
@KINDS
def test_a_release_reaches_every_group_of_its_app(
    names: tuple[str, ...], stands: Mapping[str, Any]
) -> None:
    """Row 29."""
    lives = fleet(2, names=names, **stands)
    lives.release(NEW)
    assert lives.hours_until(lambda: lives.all_serve(NEW), most=4) is not None


@pytest.mark.parametrize("desired", [1, 3])
def test_what_is_launched_during_a_pin_boots_the_pinned_release_and_unpinning_deploys(
    desired: int,
) -> None:
    """Row 35: what is read is read anew each run."""
    lives = fleet(desired, tags=settings_of(minimum="0"))
    lives.cloud.point("web", OLD)
    lives.release(NEW)
    lives.pass_hours(2)
    assert lives.lost == 0
    lives.group.desired = desired + 1
    lives.pass_hours(1)
    assert lives.all_serve(OLD)
    lives.cloud.point("web", None)
    assert lives.hours_until(lambda: lives.all_serve(NEW), most=4) is not None


@pytest.mark.parametrize("why", ["missing alarm", "window", "deferred", "paused", "suspended"])
@pytest.mark.parametrize("stands", [BARE, BALANCED], ids=["bare", "balanced"])
def test_a_group_that_cannot_act_keeps_no_other_of_its_app_from_the_release(
    why: str, stands: Mapping[str, Any]
) -> None:
    """Row 57: the first by name of three."""
    lives = fleet(3, names=("a", "b", "c"), **stands)
    first = lives.group
    match why:
        case "missing alarm":
            first.tags |= settings_of(alarms="no-such-alarm")
        case "window":
            first.tags |= settings_of(window="Sat-Sun 01:00-02:00 Europe/London")
        case "paused":
            first.tags |= settings_of(pause="by hand")
        case "suspended":
            first.more["SuspendedProcesses"] = [{"ProcessName": "Launch"}]
        case _:
            busy = refusal("ScalingActivityInProgress", "busy")
            lives.cloud.faults["TerminateInstanceInAutoScalingGroup", "a"] = busy
    lives.release(NEW)

    def are_out() -> bool:
        return all(lives.serving(NEW, group) == 3 for group in lives.cloud.by_name()[1:])

    assert lives.hours_until(are_out, most=6) is not None
    assert lives.serving(OLD) == 3


@pytest.mark.parametrize("groups", [5, pytest.param(30, marks=soak)])
@KINDS
def test_a_good_release_is_out_in_many_groups_within_the_hour_after_one_canary(
    groups: int, stands: Mapping[str, Any]
) -> None:
    """Row 58: one app in 30 groups of 3."""
    lives = fleet(3, names=tuple(f"web-{n:02}" for n in range(groups)), **stands)
    lives.release(NEW)

    def is_proven() -> bool:
        return any(lives.serving(NEW, group) for group in lives.cloud.groups.values())

    assert lives.hours_until(is_proven, most=2) is not None
    assert lives.lost == 1
    hours = lives.hours_until(lambda: lives.all_serve(NEW), most=6)
    assert hours is not None
    assert hours <= 1.5


def test_releases_while_boots_take_longer_than_the_grace_period_reach_everywhere() -> None:
    """A boot of 20 minutes, a grace period of 5, with EC2's checks alone."""
    lives = fleet(4, boot=20)
    lives.release(NEW)
    assert lives.hours_until(lambda: lives.all_serve(NEW), most=12) is not None
    assert lives.lost == 4
