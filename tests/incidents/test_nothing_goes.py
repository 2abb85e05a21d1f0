"""What looks wrong and is not: nothing goes that serves, or has just begun to."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from tests.fakes.groups import minutes
from tests.incidents.fleets import (
    BALANCED,
    BARE,
    NEW,
    OLD,
    Fleet,
    fleet,
    settings_of,
)

SIZES = pytest.mark.parametrize("desired", [1, 2, 3, 10])
MINIMA = pytest.mark.parametrize("minimum", ["0", "50%"])


def reboot_one(lives: Fleet, silent: float) -> None:
    """Reboot a member, which is silent for so many minutes."""
    lives.cloud.reboot(lives.members()[0], silent)


@SIZES
@MINIMA
@pytest.mark.parametrize("versioned", [True, False], ids=["versioned", "unversioned"])
@pytest.mark.parametrize("days", [0.4, 30])
def test_pinning_what_runs_already_makes_nothing_outdated_and_a_reboot_after_it_kills_nobody(
    desired: int, minimum: str, days: float, *, versioned: bool
) -> None:
    """Row 6: the instance is silent for four minutes; then for two hours."""
    tags = settings_of(minimum=minimum)
    lives = fleet(desired, tags=tags, days=days, account={"versioned": versioned})
    lives.pass_minutes(10)
    lives.cloud.point("web", OLD)
    lives.pass_hours(1)
    reboot_one(lives, 4)
    lives.pass_hours(1)
    lives.pass_quiet_hours(1)
    assert lives.all_serve(OLD)
    reboot_one(lives, 120)
    lives.pass_hours(1)
    lives.pass_quiet_hours(3)
    assert lives.lost == 0
    assert lives.all_serve(OLD)


@SIZES
@MINIMA
@pytest.mark.parametrize("silent", [6, 180])
def test_in_a_converged_group_an_instance_that_reboots_is_left_alone(
    desired: int, minimum: str, silent: float
) -> None:
    """Row 53: nothing was released for days, and there is no load balancer."""
    lives = fleet(desired, tags=settings_of(minimum="0"), days=9)
    lives.release(NEW)
    assert lives.hours_until(lambda: lives.all_serve(NEW), most=12) is not None
    lives.group.tags |= settings_of(minimum=minimum)
    lives.cloud.wait(60 * 72)
    lives.pass_minutes(10)
    lives.forget()
    reboot_one(lives, silent)
    lives.pass_hours(2)
    lives.pass_quiet_hours(3)
    assert lives.lost == 0


@pytest.mark.parametrize("how", ["pointed at", "uploaded again", "uploaded again in parts"])
@pytest.mark.parametrize("stands", [BARE, BALANCED], ids=["bare", "balanced"])
@pytest.mark.parametrize("minimum", ["0", "50%"])
def test_what_changes_no_target_kills_nobody_whose_version_endpoint_hangs(
    how: str, minimum: str, stands: Mapping[str, Any]
) -> None:
    """Row 43: 3 of 10 serve but their /version hangs."""
    lives = fleet(10, tags=settings_of(minimum=minimum), **stands)
    lives.release(NEW)
    assert lives.hours_until(lambda: lives.all_serve(NEW), most=12) is not None
    lives.cloud.wait(60 * 30)
    lives.forget()
    for machine in lives.members()[:3]:
        machine.unheard = True
    lives.pass_hours(1)
    if how == "pointed at":
        lives.cloud.point("web", NEW)
    else:
        parts = 2 if how.endswith("in parts") else 0
        lives.cloud.upload("web", NEW, parts=parts)
    lives.pass_hours(1)
    lives.pass_quiet_hours(3)
    lives.cloud.wait(60 * 20)
    lives.pass_hours(1)
    assert lives.lost == 0


@SIZES
@MINIMA
def test_where_old_versions_of_the_pointer_expire_a_reboot_kills_nobody(
    desired: int, minimum: str
) -> None:
    """Row 60: CI writes the same pointer each day, and old versions are kept for a week."""
    lives = fleet(desired, tags=settings_of(minimum=minimum), days=31)
    cloud = lives.cloud
    cloud.keeps = timedelta(days=7)
    began, cloud.now = cloud.now, cloud.now - timedelta(days=30)
    while cloud.now < began:
        cloud.point("web", OLD)
        cloud.wait(24 * 60)
    lives.pass_minutes(10)
    reboot_one(lives, 180)
    lives.pass_hours(2)
    lives.pass_quiet_hours(4)
    assert lives.lost == 0


def test_an_instance_that_came_back_from_standby_is_given_its_time() -> None:
    """Row 13: the new release was installed by hand, and its program needs two minutes."""
    lives = fleet(3)
    lives.release(NEW)
    [first, *_] = lives.members()
    first.lifecycle = "Standby"
    lives.group.desired = 2
    lives.group.tags["terminator:pause"] = "by hand"
    lives.pass_minutes(20)
    del lives.group.tags["terminator:pause"]
    lives.cloud.return_to_service(lives.group, first)
    lives.group.desired = 3
    first.version, first.up = NEW, lives.cloud.now + minutes(3)
    lives.pass_hours(4)
    assert first.id not in lives.lost_ids()
    assert lives.all_serve(NEW)


@pytest.mark.parametrize("minimum", ["0", "50%"])
def test_one_zone_that_hides_its_instances_from_the_probe_loses_none_of_them(minimum: str) -> None:
    """Row 49: they serve, and their load balancer says so; the rest follows the release."""
    lives = fleet(9, tags=settings_of(minimum=minimum), **BALANCED)
    zone = lives.members()[0].zone

    def hide() -> None:
        for machine in lives.members():
            machine.unheard = machine.zone == zone

    hide()
    lives.pass_minutes(10)
    lives.release(NEW)
    hidden = {machine.id for machine in lives.members() if machine.zone == zone}
    lives.pass_hours(5, hide)
    assert not hidden & set(lives.lost_ids())
    assert lives.lowest["web"] >= 6
    assert {machine.version for machine in lives.members() if machine.zone != zone} == {NEW}


@pytest.mark.parametrize("desired", [3, 9])
def test_once_a_hidden_zone_is_seen_again_all_follow(desired: int) -> None:
    """Row 49, its end."""
    lives = fleet(desired, **BALANCED)
    zone = lives.members()[0].zone
    for machine in lives.members():
        machine.unheard = machine.zone == zone
    lives.release(NEW)
    lives.pass_hours(2)
    for machine in lives.members():
        machine.unheard = False
    assert lives.hours_until(lambda: lives.all_serve(NEW), most=12) is not None


def test_an_expiry_of_the_running_release_is_a_change_of_the_target() -> None:
    """Row 7: S3 cannot tell it from a deletion; `doctor` warns of such a rule beforehand."""
    lives = fleet(3)
    cloud = lives.cloud
    lives.release(NEW)
    lives.pass_hours(2)
    cloud.wait(24 * 60 * 83)
    cloud.upload("web", "1.0.9")
    cloud.wait(24 * 60 * 5)
    lives.pass_hours(2)
    assert lives.all_serve(NEW)
    cloud.expires_after = timedelta(days=85)
    assert lives.hours_until(lambda: lives.all_serve("1.0.9"), most=12) is not None
