"""What counts as capacity: who serves, who is on its way, and who does not count at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pytest

from tests.fakes.groups import Program, minutes
from tests.incidents.fleets import (
    BALANCED,
    BARE,
    BEHIND_ONE,
    CHECKED,
    FIX,
    KINDS,
    NEVER_UP,
    NEW,
    OLD,
    Fleet,
    all_on,
    fleet,
    settings_of,
)

soak = pytest.mark.soak


@pytest.mark.parametrize("desired", [2, 3, 10])
@pytest.mark.parametrize("which", ["old", "new"])
@KINDS
def test_a_reclaimed_spot_instance_is_not_available_and_fails_no_run(
    desired: int, which: str, stands: Mapping[str, Any]
) -> None:
    """Row 1: for two minutes EC2 says terminated while the group lists it InService."""
    lives = fleet(desired, **stands)
    lives.release(NEW)
    assert lives.hours_until(lambda: lives.serving(NEW) >= 1, most=4) is not None
    lives.pass_minutes(-lives.minute % 5 + 4)
    machine = lives.members(OLD if which == "old" and lives.members(OLD) else NEW)[0]
    lives.cloud.reclaim(machine)
    gone = lives.lost
    lives.pass_minutes(1)
    record = lives.record
    states = {each.id: each.lifecycle for each in record.instances}
    assert states[machine.id] == "InService"
    assert not record.has_failed
    assert (record.available or 0) <= desired - 1
    assert machine.id not in lives.lost_ids()[gone:]
    assert lives.hours_until(lambda: lives.all_serve(NEW), most=12) is not None
    assert lives.failed == 0


@pytest.mark.parametrize("desired", [2, 3, 10])
@pytest.mark.parametrize("leaving", [1, 4])
@KINDS
def test_members_that_have_been_leaving_for_hours_neither_block_a_release_nor_count(
    desired: int, leaving: int, stands: Mapping[str, Any]
) -> None:
    """Row 2: Terminating behind a hook when the release comes."""
    lives = fleet(desired + leaving, leave=minutes(60 * 30), **stands)
    lives.group.desired = desired
    assert lives.hours_until(lambda: len(lives.members()) == desired, most=2) is not None
    lives.pass_quiet_hours(3)
    lives.group.leave = minutes(1)
    lives.release(NEW)
    lives.pass_minutes(5)
    assert lives.record.available == desired
    hours = lives.hours_until(lambda: lives.all_serve(NEW), most=12)
    assert hours is not None
    assert hours < 1 + desired / 4
    assert lives.lowest["web"] >= desired - max(1, desired // 4)


@pytest.mark.parametrize("told", ["by a tag", "by the group", "by activities that wait for it"])
@pytest.mark.parametrize(
    ("desired", "warm"),
    [(8, 10), (10, 20), pytest.param(20, 20, marks=soak), pytest.param(50, 20, marks=soak)],
)
@pytest.mark.parametrize("stands", [BARE, BALANCED], ids=["bare", "balanced"])
def test_never_more_than_max_unavailable_are_cold(
    told: str, desired: int, warm: int, stands: Mapping[str, Any]
) -> None:
    """Rows 8 and 46: they answer after 2 minutes and are warm after 10 or 20."""
    tags = settings_of(minimum=str(desired * 3 // 4))
    own: dict[str, Any] = {"warmup": minutes(warm)}
    if told == "by a tag":
        own, tags = {}, {**tags, **settings_of(warm_up=f"{warm}m")}
    waits = told == "by activities that wait for it"
    lives = fleet(desired, boot=2, tags=tags, waits_for_warmup=waits, **own, **stands)
    lives.release(NEW)
    least = desired

    def count() -> None:
        nonlocal least
        warmed_by = lives.cloud.now - minutes(warm)
        least = min(least, sum(m.in_service <= warmed_by for m in lives.cloud.serving(lives.group)))

    assert lives.hours_until(lambda: lives.all_serve(NEW), most=24, meanwhile=count) is not None
    assert least >= desired - max(1, desired // 4)


def test_the_next_batch_waits_until_the_one_before_has_drained() -> None:
    """Row 10: each leaving instance drains for two hours behind a hook; batch 2 of 10."""
    lives = fleet(10, leave=minutes(120), tags=settings_of(max_unavailable="2"))
    lives.release(NEW)
    most = 0

    def count() -> None:
        nonlocal most
        most = max(most, len(lives.group.members(lives.cloud.now)))

    assert lives.hours_until(lambda: lives.all_serve(NEW), most=24, meanwhile=count) is not None
    assert most <= 14


@pytest.mark.parametrize("desired", [6, 12, 24])
def test_batches_come_evenly_from_the_zones(desired: int) -> None:
    """Row 11."""
    lives = fleet(desired, tags=settings_of(max_unavailable="50%"))
    lives.release(NEW)
    assert lives.hours_until(lambda: lives.all_serve(NEW), most=12) is not None
    zones = {machine.id: machine.zone for machine in lives.group.machines}
    batches: dict[datetime, Counter[str]] = {}
    for at, _, id_ in lives.cloud.kills[1:]:
        batches.setdefault(at, Counter(dict.fromkeys("abc", 0)))[zones[id_][-1]] += 1
    largest = max(batches.values(), key=lambda batch: sum(batch.values()))
    assert sum(largest.values()) > 1
    assert max(largest.values()) - min(largest.values()) <= 1


def test_percentages_are_of_the_capacity_of_now() -> None:
    """Row 16: a group of 3 has scaled up to 9 for a peak."""
    lives = fleet(3)
    lives.group.desired = 9
    lives.pass_hours(1)
    lives.forget()
    lives.release(NEW)
    assert lives.hours_until(lambda: lives.all_serve(NEW), most=12) is not None
    assert lives.lowest["web"] >= 5


@pytest.mark.parametrize("stands", [BALANCED, CHECKED], ids=["balanced", "checked"])
def test_in_a_group_of_one_that_is_scaled_to_two_one_serves_all_the_time(
    stands: Mapping[str, Any],
) -> None:
    """Row 18: the second takes 20 minutes until the balancer finds it healthy."""
    lives = fleet(1, grace=25, boot=20, **stands)
    lives.release(NEW)
    lives.pass_minutes(10)
    assert lives.lost == 0
    lives.group.desired = 2
    assert lives.hours_until(lambda: lives.all_serve(NEW), most=6) is not None
    lives.group.desired = 1
    lives.pass_hours(2)
    assert lives.all_serve(NEW)
    assert lives.lowest["web"] >= 1
    assert lives.lost == 1


def test_where_none_is_wanted_there_is_nothing_to_do_although_one_is_in_standby() -> None:
    """Row 20."""
    lives = fleet(1)
    lives.members()[0].lifecycle = "Standby"
    lives.group.desired = 0
    lives.release(NEW)
    lives.pass_hours(1)
    lives.pass_quiet_hours(29)
    assert (lives.record.decision, lives.record.reason) == ("converged", "no instance is wanted")
    assert lives.lost == 0
    assert not lives.told


@pytest.mark.parametrize(("desired", "minimum"), [(3, "2"), (6, "2"), (6, "4"), (9, "50%")])
def test_what_no_load_balancer_uses_beside_others_that_are_used_is_not_counted_as_available(
    desired: int, minimum: str
) -> None:
    """Row 24: the group spans three zones, its load balancer only two."""
    zones = frozenset({"eu-west-1a", "eu-west-1b"})
    lives = fleet(desired, tags=settings_of(minimum=minimum), served_zones=zones, **BALANCED)
    lives.pass_minutes(10)
    used = desired * 2 // 3
    assert lives.record.available == used
    lives.release(NEW)
    lives.pass_hours(5)
    lives.pass_quiet_hours(7)
    least = -(-desired // 2) if minimum == "50%" else int(minimum)
    assert lives.lowest["web"] >= min(least, used)
    if used > least:
        assert all_run(lives, NEW)
        assert lives.lost == desired
    else:
        assert lives.serving(OLD) == used
        assert f"{used} available of {desired} desired, minimum {minimum}" in lives.record.reason


@pytest.mark.parametrize("desired", [3, 6, 9])
def test_in_a_group_with_a_zone_that_gets_no_traffic_a_bad_release_costs_one_that_serves(
    desired: int,
) -> None:
    """Row 24, where the release answers and its load balancer refuses it."""
    zones = frozenset({"eu-west-1a", "eu-west-1b"})
    tags = settings_of(minimum="0")
    lives = fleet(desired, tags=tags, served_zones=zones, replaces=False, **BALANCED)
    lives.release(NEW, Program(refused=True))
    lives.pass_hours(4)
    lives.pass_quiet_hours(20)
    assert lives.lost == desired // 3 + 1
    assert len(lives.lost_serving) == 1


@pytest.mark.parametrize("attached", ["own", "none"])
def test_a_target_group_that_nothing_uses_says_nothing(attached: str) -> None:
    """Row 25: a second one, of blue and green, that no load balancer uses at present."""
    arns = ["arn:x:targetgroup/web-green/1"]
    arns += ["arn:x:targetgroup/web/1"] if attached == "own" else []
    stands = BALANCED if attached == "own" else BARE
    lives = fleet(3, more={"TargetGroupARNs": arns}, **stands)
    lives.release(NEW)
    assert lives.hours_until(lambda: lives.all_serve(NEW), most=4) is not None


@pytest.mark.parametrize(("desired", "minimum"), [(6, 3), (9, 5), (6, 4)])
def test_under_a_zonal_shift_the_minimum_is_of_those_that_take_traffic(
    desired: int, minimum: int
) -> None:
    """Row 50: three that take traffic stay at any time."""
    lives = fleet(desired, tags=settings_of(minimum=str(minimum)), **BALANCED)
    lives.group.shifted = frozenset({"eu-west-1c"})
    lives.pass_minutes(10)
    lives.release(NEW)
    lives.pass_hours(3)
    lives.pass_quiet_hours(5)
    assert lives.lowest["web"] >= minimum
    lives.group.shifted = frozenset()
    assert lives.hours_until(lambda: lives.all_serve(NEW), most=12) is not None


@pytest.mark.parametrize("every", [30, 60])
@pytest.mark.parametrize("desired", [3, 8, 20])
def test_what_others_terminate_to_shrink_the_group_is_no_cost_of_the_release(
    desired: int, every: int
) -> None:
    """A cluster autoscaler scales out and in day and night, and one boot hangs (row 36)."""
    lives = fleet(desired)
    lives.release(NEW)
    assert lives.hours_until(lambda: lives.serving(NEW) >= 1, most=4) is not None
    lives.cloud.comes_up["web", NEW] = NEVER_UP
    assert lives.hours_until(lambda: bool(lives.hung()), most=4) is not None
    lives.cloud.comes_up["web", NEW] = "good"

    def scale() -> None:
        if lives.minute % every == 0:
            lives.group.desired += 1
        serving = lives.cloud.serving(lives.group)
        if lives.minute % every == 25 and lives.group.desired > desired and serving:
            shrinks = "in response to a user request, shrinking the capacity"
            newest = max(serving, key=lambda machine: (machine.launched, machine.id))
            lives.cloud.let_leave(lives.group, newest, shrinks)
            lives.group.desired -= 1

    def is_out() -> bool:
        return not (lives.members(OLD) or lives.hung())

    assert lives.hours_until(is_out, most=12, meanwhile=scale) is not None


def all_run(lives: Fleet, version: str) -> bool:
    """Say whether all members run a version, whether their zone gets traffic or not."""
    return {machine.version for machine in lives.members()} == {version}


@pytest.mark.parametrize("desired", [6, 9, 30])
@BEHIND_ONE
def test_a_release_goes_out_under_a_zonal_shift_of_days(
    desired: int, stands: Mapping[str, Any]
) -> None:
    """Auto Scaling launches there too: what boots there proves nothing, and holds nothing."""
    lives = fleet(desired, **stands)
    lives.group.shifted = frozenset({"eu-west-1a"})
    lives.pass_hours(1)
    lives.release(NEW)
    assert lives.hours_until(lambda: all_run(lives, NEW), most=4) is not None
    assert lives.lost == desired
    lives.cloud.point("web", OLD)
    assert lives.hours_until(lambda: all_run(lives, OLD), most=4) is not None


@pytest.mark.parametrize("desired", [6, 9, 30])
@BEHIND_ONE
def test_a_release_that_never_comes_up_costs_few_under_a_zonal_shift(
    desired: int, stands: Mapping[str, Any]
) -> None:
    lives = fleet(desired, **stands)
    lives.group.shifted = frozenset({"eu-west-1a"})
    lives.pass_hours(1)
    lives.release(NEW, Program(refused=True))
    lives.pass_hours(12)
    assert lives.lost == 1


@pytest.mark.parametrize("desired", [6, 9, 30])
@BEHIND_ONE
def test_a_fleet_that_is_down_gets_the_fix_under_a_zonal_shift(
    desired: int, stands: Mapping[str, Any]
) -> None:
    lives = all_on(NEW, Program(dies=minutes(60)), desired, "50%", **stands)
    lives.pass_minutes(70)
    lives.group.shifted = frozenset({"eu-west-1a"})
    lives.pass_hours(1)
    lives.release(FIX)
    assert lives.hours_until(lambda: all_run(lives, FIX), most=4) is not None


@pytest.mark.parametrize("minute", range(0, 60, 7))
def test_where_a_quarter_is_called_unhealthy_in_a_rollout_the_minimum_stays_running(
    minute: int,
) -> None:
    """Row 55: for three minutes, of n = 20, with a minimum of 90 %."""
    lives = fleet(20, tags=settings_of(minimum="90%"), **BALANCED)
    lives.release(NEW)
    lives.pass_minutes(minute)
    ill = lives.members()[::4]
    for machine in ill:
        machine.sick = True
    running = len(lives.members())

    def count() -> None:
        nonlocal running
        running = min(running, sum(m.runs(lives.cloud.now) for m in lives.members()))

    lives.pass_minutes(3, count)
    for machine in ill:
        machine.sick = False
    assert lives.hours_until(lambda: lives.all_serve(NEW), most=24, meanwhile=count) is not None
    assert running >= 18
