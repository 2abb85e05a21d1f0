"""Bad releases: what one costs, and that it does not spread."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.fakes.groups import LaunchHook, Program, minutes
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
    STALE,
    Fleet,
    fleet,
    settings_of,
)

soak = pytest.mark.soak
# In a group of two or three the minimum lets no second one go; from four on it does.
SMALL = pytest.mark.parametrize("desired", [2, pytest.param(3, marks=soak), 4, 10])


def dies(after: float) -> Program:
    """Return a program that dies so many minutes after it answers in service."""
    return Program(dies=minutes(after))


@pytest.mark.parametrize(
    ("desired", "minimum", "hours", "quiet"),
    [
        (1, "0", 3, 9),
        (2, "50%", 3, 9),
        (3, "0", 3, 9),
        (10, "50%", 3, 9),
        pytest.param(1, "0", 24 * 7, 0, marks=soak),
        pytest.param(4, "0", 24 * 7, 0, marks=soak),
        pytest.param(50, "50%", 24 * 7, 0, marks=soak),
    ],
)
@KINDS
def test_a_release_that_never_comes_up_costs_one(
    desired: int, minimum: str, hours: float, quiet: float, stands: Mapping[str, Any]
) -> None:
    lives = fleet(desired, tags=settings_of(minimum=minimum), **stands)
    lives.release(NEW, NEVER_UP)
    lives.pass_hours(hours)
    lives.pass_quiet_hours(quiet)
    assert lives.lost == 1
    assert lives.lowest["web"] == desired - 1


@pytest.mark.parametrize("groups", [3, pytest.param(30, marks=soak)])
@KINDS
def test_a_release_that_never_comes_up_costs_its_app_one_instance_not_one_a_group(
    groups: int, stands: Mapping[str, Any]
) -> None:
    """Rows 4 and 47: two instances in each group."""
    names = tuple(f"web-{number:02}" for number in range(groups))
    lives = fleet(2, names=names, **stands)
    lives.release(NEW, NEVER_UP)
    lives.pass_hours(4)
    lives.pass_quiet_hours(21)
    assert lives.lost == 1
    waiting = [record for record in lives.records.values() if record.hold == "another_group_first"]
    assert len(waiting) == groups - 1
    assert "web-00" in lives.told


@SMALL
@KINDS
def test_with_a_hook_that_never_lets_it_in_a_release_costs_one_and_somebody_is_told_in_hours(
    desired: int, stands: Mapping[str, Any]
) -> None:
    """Row 14: it never reports, so each launch is abandoned after an hour."""
    lives = fleet(desired, hook=LaunchHook(reports=True), **stands)
    lives.release(NEW, NEVER_UP)
    released = lives.cloud.now
    lives.pass_hours(6)
    lives.pass_quiet_hours(2)
    assert lives.lost == 1
    assert minutes(60) < lives.told["web"] - released < minutes(6 * 60)


@pytest.mark.parametrize("stands", [BARE, BALANCED], ids=["bare", "balanced"])
@pytest.mark.parametrize("back", ["withdrawn", "pointed back"])
def test_what_scales_out_while_the_canary_is_silent_costs_no_good_one_and_going_back_repairs_all(
    stands: Mapping[str, Any], back: str
) -> None:
    """Row 15: from 3 to 6, and the three more boot the broken release too."""
    lives = fleet(3, **stands)
    lives.release(NEW, NEVER_UP)
    lives.pass_minutes(20)
    lives.group.desired = 6
    lives.pass_hours(2)
    lives.pass_quiet_hours(4)
    assert (lives.lost, lives.serving(OLD)) == (1, 2)
    if back == "withdrawn":
        lives.cloud.put(f"web/{NEW}.zip", None)
    else:
        lives.cloud.point("web", OLD)
    hours = lives.hours_until(lambda: lives.all_serve(OLD), most=12)
    assert hours is not None
    assert hours < 3
    assert lives.lost == 5
    assert lives.lowest["web"] == 2


def test_a_canary_that_its_group_marks_unhealthy_is_no_proof_and_nothing_else_goes() -> None:
    """Row 19: its balancer's check fails within the grace period, time and again."""
    lives = fleet(4, grace=30, **CHECKED)
    lives.release(NEW, Program(refused=True))

    def mark() -> None:
        for machine in lives.members(NEW):
            if machine.state(lives.cloud.now) == "InService":
                machine.health = "Unhealthy"

    lives.pass_hours(4, mark)
    lives.pass_quiet_hours(8, mark)
    assert lives.lost == 1
    assert lives.lowest["web"] == 3


@pytest.mark.parametrize("desired", [3, 8, pytest.param(50, marks=soak)])
@KINDS
def test_what_a_launch_hook_takes_is_no_part_of_the_grace_period(
    desired: int, stands: Mapping[str, Any]
) -> None:
    """Row 33: held for 20 minutes, it crashes 4 minutes after it entered service."""
    lives = fleet(desired, grace=10, hook=LaunchHook(holds=minutes(20)), **stands)
    lives.release(NEW, dies(4))
    lives.pass_hours(4)
    lives.pass_quiet_hours(8)
    assert lives.lost == 1


@pytest.mark.parametrize("after", [2, 8])
@pytest.mark.parametrize(
    "desired", [10, pytest.param(50, marks=soak), pytest.param(200, marks=soak)]
)
@KINDS
def test_a_release_that_answers_and_dies_within_its_bake_time_costs_one_and_the_fix_is_out_soon(
    desired: int, after: float, stands: Mapping[str, Any]
) -> None:
    """Row 40."""
    lives = fleet(desired, **stands)
    lives.release(NEW, dies(after))
    lives.pass_hours(4)
    assert lives.lost == 1
    lives.release(FIX)
    hours = lives.hours_until(lambda: lives.all_serve(FIX), most=12)
    assert hours is not None
    assert hours < 2


@pytest.mark.parametrize("desired", [10, pytest.param(200, marks=soak)])
@pytest.mark.parametrize("stands", [BARE, BALANCED], ids=["bare", "balanced"])
def test_the_fix_of_a_release_that_dies_everywhere_goes_out_in_batches(
    desired: int, stands: Mapping[str, Any]
) -> None:
    """Row 41: it dies after 30 minutes, and the fix comes an hour later."""
    lives = fleet(desired, **stands)
    lives.release(NEW, dies(30))
    lives.pass_hours(3)
    lives.release(FIX)
    hours = lives.hours_until(lambda: lives.all_serve(FIX), most=48)
    assert hours is not None
    assert hours < 6


@pytest.mark.parametrize("how", [NEVER_UP, STALE], ids=["never up", "stale"])
@pytest.mark.parametrize("desired", [3, pytest.param(1, marks=soak), pytest.param(50, marks=soak)])
def test_a_pointer_written_anew_with_the_same_text_is_as_if_it_had_been_written_once(
    desired: int, how: Program
) -> None:
    """Row 42: CI writes it every 20 minutes."""
    losses: list[int] = []
    for writes in (False, True):
        lives = fleet(desired, tags=settings_of(minimum="0"))
        lives.release(NEW, how)
        lives.cloud.point("web", NEW)

        def write(lives: Fleet = lives, *, writes: bool = writes) -> None:
            if writes and lives.minute % 20 == 0:
                lives.cloud.point("web", NEW)

        lives.pass_hours(4, write)
        lives.pass_quiet_hours(20, write)
        losses.append(lives.lost)
    assert losses[0] == losses[1]
    assert losses[0] == 1 or how == STALE


@pytest.mark.parametrize("desired", [2, 4, 10])
@pytest.mark.parametrize("stands", [BARE, BALANCED], ids=["bare", "balanced"])
def test_the_fix_goes_out_to_those_that_set_the_alarm_off_while_it_is_in_alarm(
    desired: int, stands: Mapping[str, Any]
) -> None:
    """Row 44: a higher release, canary first."""
    lives = fleet(desired, tags=settings_of(alarms="web-5xx"), **stands)
    lives.cloud.alarms["web-5xx"] = "OK"
    lives.release(NEW)
    assert lives.hours_until(lambda: lives.all_serve(NEW), most=12) is not None
    lives.cloud.alarms["web-5xx"] = "ALARM"
    lives.pass_hours(1)
    lives.forget()
    lives.release(FIX)
    assert lives.hours_until(lambda: lives.serving(FIX) > 0, most=1) is not None
    assert lives.lost == 1
    assert lives.hours_until(lambda: lives.all_serve(FIX), most=6) is not None


@pytest.mark.parametrize("desired", [2, 4, 10])
@pytest.mark.parametrize("stands", [BARE, BALANCED], ids=["bare", "balanced"])
def test_a_release_that_makes_an_alarm_flap_does_not_spread(
    desired: int, stands: Mapping[str, Any]
) -> None:
    """Row 45: in ALARM for 5 of every 10 minutes while the bad release serves anywhere."""
    lives = fleet(desired, tags=settings_of(alarms="web-5xx"), **stands)
    lives.cloud.alarms["web-5xx"] = "OK"
    lives.release(NEW)

    def flap() -> None:
        is_bad = lives.serving(NEW) > 0 and lives.minute % 10 < 5
        lives.cloud.alarms["web-5xx"] = "ALARM" if is_bad else "OK"

    lives.pass_hours(4, flap)
    lives.pass_quiet_hours(8, flap)
    assert lives.lost == 1


@pytest.mark.parametrize("desired", [4, 10])
def test_an_alarm_that_was_quiet_since_the_release_and_rings_anew_holds_it(desired: int) -> None:
    """It rang for three minutes as the release came, for another reason."""
    lives = fleet(desired, tags=settings_of(alarms="web-5xx"))
    lives.cloud.alarms["web-5xx"] = "ALARM"
    lives.pass_minutes(3)
    lives.release(NEW)
    begun = lives.minute

    def ring() -> None:
        is_bad = lives.serving(NEW) > 0 and lives.minute - begun >= 30
        lives.cloud.alarms["web-5xx"] = "ALARM" if is_bad else "OK"

    lives.pass_hours(3, ring)
    lives.pass_quiet_hours(7, ring)
    assert lives.lost <= 1 + desired // 4
    assert lives.record.hold == "alarm"
    assert lives.told


@pytest.mark.parametrize(
    "desired", [10, pytest.param(50, marks=soak), pytest.param(100, marks=soak)]
)
@pytest.mark.parametrize("shared", [False, True], ids=["it alone", "a shared dependency"])
@BEHIND_ONE
def test_a_release_that_its_load_balancer_refuses_costs_one(
    desired: int, stands: Mapping[str, Any], *, shared: bool
) -> None:
    """Row 52: it answers /version; the old ones may be refused just as well."""
    lives = fleet(desired, replaces=False, **stands)
    lives.release(NEW, Program(refused=True))

    def refuse() -> None:
        for machine in lives.members(OLD) if shared else ():
            machine.sick = lives.minute > 20

    lives.pass_hours(4, refuse)
    lives.pass_quiet_hours(20, refuse)
    assert lives.lost == 1
