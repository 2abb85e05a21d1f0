"""Releases that are taken back by themselves: which are, which must not be, and what follows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from terminator.config.deployment import Withdraw
from tests.fakes.groups import Program, minutes
from tests.incidents.fleets import (
    BALANCED,
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

SILENT = Withdraw(silent=True)
ALARMS = Withdraw(alarms=("web-5xx",))
BOTH = Withdraw(silent=True, alarms=("web-5xx",))
soak = pytest.mark.soak
ZIP = f"web/{NEW}.zip"


def taken(lives: Fleet) -> list[str]:
    """Return the versions that were taken back, in their order."""
    return [each.withdrawn for each in lives.withdrawals if each.withdrawn]


def reasons(lives: Fleet) -> set[str]:
    """Return why releases stayed although something spoke against them."""
    told = (each.withdrawal or "" for each in lives.withdrawals if not each.withdrawn)
    return {text.rpartition(", but ")[2] for text in told}


def is_there(lives: Fleet) -> bool:
    return ZIP in lives.cloud.current()


def ring(lives: Fleet, *, when: Callable[[], bool]) -> Callable[[], None]:
    """Return what lets the alarm ring in the minutes in which something is so."""

    def do() -> None:
        lives.cloud.alarms["web-5xx"] = "ALARM" if when() else "OK"

    do()
    return do


@pytest.mark.parametrize("period", [5, pytest.param(1, marks=soak), pytest.param(60, marks=soak)])
@pytest.mark.parametrize("desired", [3, pytest.param(50, marks=soak)])
@KINDS
def test_a_release_that_never_comes_up_is_taken_back_and_the_fleet_is_whole_without_a_person(
    desired: int, stands: Mapping[str, Any], period: int
) -> None:
    lives = fleet(desired, withdraw=SILENT, **stands)
    lives.period = period
    lives.release(NEW, NEVER_UP)
    hours = lives.hours_until(lambda: not is_there(lives), most=12)
    assert hours is not None
    whole = lives.hours_until(lambda: lives.all_serve(OLD), most=12)
    assert whole is not None
    assert hours + whole < (4 if period < 60 else 8)
    lives.pass_hours(1)
    lives.pass_quiet_hours(5)
    assert taken(lives) == [NEW]
    # The canary, and what it left behind: nobody that served went for it a second time.
    assert lives.lost <= 3
    assert len(lives.lost_serving) == 1
    assert lives.lowest["web"] >= desired - 1
    assert lives.failed == 0


def test_a_canary_that_the_upload_itself_sent_within_seconds_tells_too() -> None:
    lives = fleet(3, withdraw=SILENT)
    lives.release(NEW, NEVER_UP)
    lives.run()
    assert lives.lost == 1
    assert lives.hours_until(lambda: not is_there(lives), most=2) is not None
    assert lives.hours_until(lambda: lives.all_serve(OLD), most=2) is not None


def test_one_canary_for_the_app_is_enough_to_take_its_release_back() -> None:
    names = tuple(f"web-{number:02}" for number in range(4))
    lives = fleet(2, names=names, withdraw=SILENT)
    lives.release(NEW, NEVER_UP)
    assert lives.hours_until(lambda: not is_there(lives), most=3) is not None
    assert lives.hours_until(lambda: lives.all_serve(OLD), most=3) is not None
    assert len(lives.lost_serving) == 1


def test_the_fix_of_what_was_taken_back_goes_out() -> None:
    lives = fleet(4, withdraw=SILENT)
    lives.release(NEW, NEVER_UP)
    lives.pass_hours(3)
    assert taken(lives) == [NEW]
    lives.release(FIX)
    assert lives.hours_until(lambda: lives.all_serve(FIX), most=4) is not None
    assert is_there(lives) is False


@pytest.mark.parametrize("late", [0, 25])
@KINDS
def test_a_good_release_and_a_slow_one_go_out(stands: Mapping[str, Any], late: float) -> None:
    lives = fleet(4, withdraw=BOTH, grace=40, **stands)
    quiet = ring(lives, when=lambda: False)
    lives.release(NEW, Program(late=minutes(late)))
    assert lives.hours_until(lambda: lives.all_serve(NEW), most=12, meanwhile=quiet) is not None
    assert lives.withdrawals == []


def test_a_stale_boot_is_not_the_releases_silence() -> None:
    lives = fleet(3, withdraw=SILENT)
    lives.release(NEW, STALE)
    lives.pass_hours(3)
    lives.pass_quiet_hours(9)
    assert lives.withdrawals == []


@pytest.mark.parametrize("how", ["wrong port", "nothing new answers"])
def test_a_second_group_that_is_silent_for_its_own_reasons_takes_nothing_back(how: str) -> None:
    """It stands behind another port, or its security group was changed; the first group is well."""
    lives = fleet(3, names=("a", "b"), withdraw=SILENT)
    first, other = lives.cloud.by_name()
    if how == "nothing new answers":
        other.boots = lambda _released: None
    lives.release(NEW)

    def deafen() -> None:
        for machine in other.machines:
            machine.unheard = how == "wrong port"

    lives.pass_hours(3, deafen)
    lives.pass_quiet_hours(9, deafen)
    assert lives.serving(NEW, first) == 3
    assert is_there(lives)
    assert taken(lives) == []


def test_a_whole_group_that_does_not_answer_speaks_against_nothing() -> None:
    """Its port is wrong, it scales out after the release, and nobody else has tried that yet."""
    lives = fleet(3, names=("a", "b"), withdraw=SILENT)
    first, other = lives.cloud.by_name()
    first.tags["terminator:window"] = "Sat 00:00-00:01 UTC"
    lives.release(NEW, NEVER_UP)

    def deafen() -> None:
        for machine in other.machines:
            machine.unheard = True

    lives.pass_minutes(4, deafen)
    other.desired = 5
    lives.pass_hours(4, deafen)
    assert is_there(lives)
    assert reasons(lives) == {"none of its group answers either"}


def test_a_bad_image_beside_a_good_zip_takes_nothing_back() -> None:
    """The group's template got a new version with the release, and nothing on it comes up."""
    lives = fleet(3, withdraw=SILENT)
    good = lives.cloud.make_version("lt-1", "ami-1")
    lives.group.template, lives.group.template_version = "lt-1", "$Latest"
    for machine in lives.group.machines:
        machine.template, machine.image = good, "ami-1"
    lives.cloud.make_version("lt-1", "ami-2", NEVER_UP)
    lives.release(NEW)

    def hang() -> None:
        for machine in lives.group.machines:
            if machine.image == "ami-2":
                machine.version = None

    lives.pass_hours(5, hang)
    assert lives.lost == 1
    assert is_there(lives)
    assert reasons(lives) == {"it was launched from another template or image than all that answer"}


@pytest.mark.parametrize("versioning", ["suspended", "never on"])
def test_without_versioning_nothing_is_taken_back_and_it_is_told(versioning: str) -> None:
    never = {"versioned": False} if versioning == "never on" else {}
    lives = fleet(3, withdraw=SILENT, account=never)
    lives.release(NEW, NEVER_UP)
    lives.cloud.suspended = versioning == "suspended"
    lives.pass_hours(4)
    assert is_there(lives)
    [why] = reasons(lives)
    suspended = "the versioning of its bucket is suspended, so it could not be restored"
    assert why == (suspended if versioning == "suspended" else why)
    assert "web" in lives.told


def test_a_zip_of_before_versioning_is_not_taken_back() -> None:
    lives = fleet(3, withdraw=SILENT)
    lives.cloud.versioned = False
    lives.release(NEW, NEVER_UP)
    lives.cloud.versioned = True
    lives.pass_hours(4)
    assert is_there(lives)


@pytest.mark.parametrize("back", ["restored", "uploaded anew"])
def test_what_was_put_back_is_tried_cautiously_and_only_an_upload_may_be_taken_back_again(
    back: str,
) -> None:
    lives = fleet(4, withdraw=SILENT)
    lives.release(NEW, NEVER_UP)
    lives.pass_hours(3)
    assert taken(lives) == [NEW]
    lives.forget()
    if back == "restored":
        lives.cloud.restore("web", NEW)
    else:
        lives.release(NEW, NEVER_UP)
    lives.pass_hours(4)
    lives.pass_quiet_hours(20)
    assert len(lives.lost_serving) == 1
    if back == "restored":
        assert taken(lives) == [NEW]
        assert is_there(lives)
        assert reasons(lives) == {"it was taken back before, and somebody put it back"}
    else:
        assert taken(lives) == [NEW, NEW]
        assert lives.all_serve(OLD)


def test_what_was_restored_and_is_good_goes_out() -> None:
    lives = fleet(4, withdraw=SILENT)
    lives.release(NEW, NEVER_UP)
    lives.pass_hours(3)
    lives.cloud.comes_up["web", NEW] = "good"
    lives.cloud.restore("web", NEW)
    assert lives.hours_until(lambda: lives.all_serve(NEW), most=12) is not None


def test_a_pointer_keeps_a_release_in_place() -> None:
    lives = fleet(3, withdraw=SILENT)
    lives.release(NEW, NEVER_UP)
    lives.cloud.point("web", NEW)
    lives.pass_hours(4)
    assert is_there(lives)
    assert reasons(lives) == {"the pointer of web names it"}


@pytest.mark.parametrize("uncovers", ["what nobody ran", "nothing"])
def test_a_release_stays_where_taking_it_back_would_uncover_what_nobody_runs(uncovers: str) -> None:
    lives = fleet(3, withdraw=SILENT)
    if uncovers == "what nobody ran":
        lives.cloud.upload("web", "1.0.5")
    lives.release(NEW, NEVER_UP)
    if uncovers == "nothing":
        lives.cloud.put(f"web/{OLD}.zip", None)
    lives.pass_hours(4)
    assert is_there(lives)
    [why] = reasons(lives)
    assert why in {
        "nobody runs 1.0.5, which would become the target",
        "nothing would become the target: no release of web in s3://releases",
    }


@pytest.mark.parametrize(
    ("name", "text"),
    [("canary-retry", "1m"), ("warm-up", "0s"), ("bake-time", "0m"), ("app", "api")],
)
def test_whoever_may_tag_one_group_does_not_hasten_it(name: str, text: str) -> None:
    """A release that needs three quarters of an hour to come up; the canary is in that group."""
    lives = fleet(3, withdraw=SILENT)
    lives.release(NEW, Program(late=minutes(45)))
    lives.pass_minutes(6)
    lives.cloud.by_name()[0].tags |= settings_of(**{name: text})
    lives.pass_minutes(90)
    assert is_there(lives)
    assert lives.withdrawals == []


@pytest.mark.parametrize("desired", [4, pytest.param(20, marks=soak)])
def test_a_release_that_rings_an_alarm_is_taken_back_and_the_fleet_goes_back(desired: int) -> None:
    lives = fleet(desired, withdraw=ALARMS, **BALANCED)
    rings = ring(lives, when=lambda: lives.serving(NEW) > 0)
    lives.release(NEW)
    hours = lives.hours_until(lambda: not is_there(lives), most=3, meanwhile=rings)
    assert hours is not None
    assert hours < 1
    lives.pass_hours(3, rings)
    assert lives.all_serve(OLD)
    assert taken(lives) == [NEW]
    lives.release(FIX)
    quiet = ring(lives, when=lambda: False)
    assert lives.hours_until(lambda: lives.all_serve(FIX), most=6, meanwhile=quiet) is not None


def test_an_alarm_that_rings_since_before_the_canary_takes_nothing_back() -> None:
    lives = fleet(4, withdraw=ALARMS)
    began = 60
    rings = ring(lives, when=lambda: lives.minute >= began)
    lives.pass_minutes(began + 1, rings)
    lives.release(NEW)
    assert lives.hours_until(lambda: lives.all_serve(NEW), most=12, meanwhile=rings) is not None
    assert taken(lives) == []
    assert reasons(lives) == {"it may have been in ALARM before"}


@pytest.mark.parametrize("every", [6, 10])
def test_an_alarm_that_flaps_since_before_takes_nothing_back(every: int) -> None:
    lives = fleet(4, withdraw=ALARMS)
    flaps = ring(lives, when=lambda: lives.minute % every < every // 2)
    lives.pass_hours(1, flaps)
    lives.release(NEW)
    assert lives.hours_until(lambda: lives.all_serve(NEW), most=12, meanwhile=flaps) is not None
    assert taken(lives) == []
    assert "it was not OK for all of 10 minutes before it went into ALARM" in reasons(lives)


def test_the_canarys_own_absence_that_rings_an_alarm_takes_nothing_back() -> None:
    """It watches how many are healthy, a quarter of an hour back, and rings after six minutes."""
    lives = fleet(3, withdraw=ALARMS, boot=8, **BALANCED)
    lives.cloud.spans["web-5xx"] = minutes(15)
    short: list[bool] = []

    def too_few() -> bool:
        short.append(lives.cloud.available(lives.group) < lives.group.desired)
        return sum(short[-15:]) >= 6

    absent = ring(lives, when=too_few)
    lives.release(NEW)
    assert lives.hours_until(lambda: lives.all_serve(NEW), most=12, meanwhile=absent) is not None
    assert taken(lives) == []
    assert "it may still ring for want of the instance that was replaced" in reasons(lives)


def test_an_alarm_that_does_not_exist_takes_nothing_back_and_is_told() -> None:
    lives = fleet(4, withdraw=ALARMS)
    lives.release(NEW)
    assert lives.hours_until(lambda: lives.all_serve(NEW), most=12) is not None
    assert {each.withdrawal for each in lives.withdrawals} == {'alarm "web-5xx" does not exist'}


def test_an_alarm_that_rings_an_hour_after_all_run_the_release_takes_nothing_back() -> None:
    lives = fleet(3, withdraw=ALARMS)
    quiet = ring(lives, when=lambda: False)
    lives.release(NEW)
    assert lives.hours_until(lambda: lives.all_serve(NEW), most=12, meanwhile=quiet) is not None
    lives.pass_hours(1.5, quiet)
    rings = ring(lives, when=lambda: True)
    # A boot of its own that stays on the old release makes the group move again.
    lives.group.boots = lambda _released: OLD
    lives.group.desired = 4
    lives.pass_hours(6, rings)
    assert is_there(lives)
    assert taken(lives) == []


def test_a_dry_run_says_what_it_would_take_back_and_takes_nothing() -> None:
    lives = fleet(3, withdraw=SILENT)
    lives.release(NEW, NEVER_UP)
    lives.pass_minutes(30)
    lives.config = replace(lives.config, dry_run=True)
    lives.pass_hours(2)
    assert is_there(lives)
    assert set(taken(lives)) == {NEW}
    assert all(each.dry_run for each in lives.withdrawals)


def test_it_is_not_taken_back_sooner_than_twice_what_a_boot_may_take() -> None:
    lives = fleet(3, withdraw=SILENT)
    lives.release(NEW, NEVER_UP)
    released = lives.cloud.now
    assert lives.hours_until(lambda: not is_there(lives), most=3) is not None
    assert lives.cloud.now - released > timedelta(hours=1)
