"""What is lost already does not block the fix: fleets that are down, and failed boots."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest

from tests.fakes.groups import Program, minutes
from tests.incidents.fleets import (
    BALANCED,
    BARE,
    CHECKED,
    FIX,
    KINDS,
    NEVER_UP,
    NEW,
    OLD,
    Fleet,
    all_on,
    fleet,
    grow,
    settings_of,
)

soak = pytest.mark.soak
# A group of one that nobody watches can only be mended with minimum 0.
DOWN = [
    pytest.param(1, "0", BARE, id="1 of minimum 0"),
    pytest.param(1, "1", BALANCED, id="1 balanced"),
    pytest.param(2, "50%", BARE, id="2"),
    pytest.param(3, "50%", BARE, id="3"),
    pytest.param(3, "50%", BALANCED, id="3 balanced"),
    pytest.param(3, "50%", CHECKED, id="3 checked"),
    pytest.param(10, "50%", BARE, id="10"),
    pytest.param(10, "50%", BALANCED, id="10 balanced"),
    pytest.param(200, "50%", BARE, id="200", marks=soak),
    pytest.param(200, "50%", BALANCED, id="200 balanced", marks=soak),
]


@pytest.mark.parametrize(("desired", "minimum", "stands"), DOWN)
@pytest.mark.parametrize("way", ["fix", "back"])
def test_a_fleet_that_fell_silent_is_back_within_two_hours_of_the_fix(
    desired: int, minimum: str, stands: Mapping[str, Any], way: str
) -> None:
    """Rows 3 and 39: it crashed everywhere, an hour after it was out."""
    lives = all_on(NEW, Program(), desired, minimum, **stands)
    lives.pass_hours(1)

    def crash() -> None:
        for machine in lives.members(NEW):
            machine.deaf = True

    lives.pass_hours(2, crash)
    good = FIX if way == "fix" else OLD
    if way == "fix":
        lives.release(FIX)
    else:
        lives.cloud.point("web", OLD)
    hours = lives.hours_until(lambda: lives.all_serve(good), most=24, meanwhile=crash)
    assert hours is not None
    assert hours <= 2


@pytest.mark.parametrize(("desired", "minimum", "stands"), [p for p in DOWN if p.values[2]])
@pytest.mark.parametrize("way", ["fix", "back"])
def test_a_fleet_that_its_load_balancer_refuses_is_back_within_two_hours_of_the_fix(
    desired: int, minimum: str, stands: Mapping[str, Any], way: str
) -> None:
    """Row 39: unhealthy there, though all answer."""
    lives = all_on(NEW, Program(), desired, minimum, **stands)
    lives.pass_hours(1)

    def refuse() -> None:
        for machine in lives.members(NEW):
            machine.sick = True

    lives.pass_hours(2, refuse)
    good = FIX if way == "fix" else OLD
    if way == "fix":
        lives.release(FIX)
    else:
        lives.cloud.point("web", OLD)
    hours = lives.hours_until(lambda: lives.all_serve(good), most=24, meanwhile=refuse)
    assert hours is not None
    assert hours <= 2


@pytest.mark.parametrize("desired", [2, 3, 10])
@pytest.mark.parametrize("stands", [BARE, BALANCED, CHECKED], ids=["bare", "balanced", "checked"])
@pytest.mark.parametrize("how", ["pointer", "deletion"])
def test_a_rollback_within_seconds_of_the_canarys_launch_leaves_the_group_whole(
    desired: int, stands: Mapping[str, Any], how: str
) -> None:
    """Row 54: the canary never came up."""
    lives = fleet(desired, **stands)
    lives.release(NEW, NEVER_UP)
    assert lives.hours_until(lambda: lives.lost == 1, most=1) is not None
    lives.cloud.wait(0.1)
    if how == "pointer":
        lives.cloud.point("web", OLD)
    else:
        lives.cloud.put(f"web/{NEW}.zip", None)
    assert lives.hours_until(lambda: lives.all_serve(OLD), most=12) is not None
    assert lives.lost <= 2


@pytest.mark.parametrize(
    ("desired", "minimum"),
    [(1, "0"), (2, "50%"), (3, "50%"), (10, "50%"), pytest.param(200, "50%", marks=soak)],
)
@pytest.mark.parametrize("after", [0.1, 0.5, 0.9, 3])
@pytest.mark.parametrize("stands", [BARE, BALANCED, CHECKED], ids=["bare", "balanced", "checked"])
def test_a_fix_within_seconds_of_the_canarys_launch_is_out_within_hours(
    desired: int, minimum: str, after: float, stands: Mapping[str, Any]
) -> None:
    """Row 54, forwards: nobody knows which of the two releases that canary boots."""
    lives = fleet(desired, tags=settings_of(minimum=minimum), **stands)
    lives.release(NEW, NEVER_UP)
    assert lives.hours_until(lambda: lives.lost == 1, most=1) is not None
    lives.cloud.wait(after)
    lives.release(FIX)
    hours = lives.hours_until(lambda: lives.all_serve(FIX), most=12)
    assert hours is not None
    assert hours <= 3
    assert lives.lost <= desired + 1


@pytest.mark.parametrize(
    ("desired", "minimum", "pool"),
    [(1, "0", 2), pytest.param(3, "50%", 2, marks=soak), (4, "50%", 8), (10, "50%", 4)],
)
@pytest.mark.parametrize("how", [NEVER_UP, Program(refused=True)], ids=["hangs", "refused"])
@pytest.mark.parametrize("stands", [BARE, BALANCED, CHECKED], ids=["bare", "balanced", "checked"])
def test_a_warm_pool_that_holds_a_release_that_hangs_does_not_keep_the_fix_out(
    desired: int, minimum: str, pool: int, how: Program, stands: Mapping[str, Any]
) -> None:
    """Rows 5 and 39: what is taken from the pool is no canary of the fix."""
    lives = fleet(desired, pool=pool, tags=settings_of(minimum=minimum), **stands)
    lives.pass_minutes(20)
    lives.release(NEW, how)
    lives.pass_hours(3)
    lives.pass_quiet_hours(3)
    lives.release(FIX)
    hours = lives.hours_until(lambda: lives.all_serve(FIX), most=24)
    assert hours is not None
    assert hours <= 3 + pool * 0.75


@pytest.mark.parametrize("stands", [BARE, BALANCED], ids=["bare", "balanced"])
def test_what_is_above_the_target_goes_within_the_hour_although_an_old_one_hangs(
    stands: Mapping[str, Any],
) -> None:
    """Row 56: 1.1.0, 1.1.0, 1.0.0 and a 1.0.0 that hangs; the pointer goes back to 1.0.0."""
    lives = fleet(4, **stands)
    lives.release(NEW)
    assert lives.hours_until(lambda: lives.serving(NEW) == 2, most=4) is not None
    [hangs, *_] = lives.members(OLD)
    hangs.deaf = True
    lives.cloud.point("web", OLD)
    hours = lives.hours_until(lambda: not lives.members(NEW), most=6)
    assert hours is not None
    assert hours <= 1


@pytest.mark.parametrize("desired", [3, 4, 8, pytest.param(50, marks=soak)])
@pytest.mark.parametrize("stands", [BARE, BALANCED, CHECKED], ids=["bare", "balanced", "checked"])
def test_while_boots_fail_in_a_proven_rollout_at_most_the_batch_is_lost_and_then_it_goes_on(
    desired: int, stands: Mapping[str, Any]
) -> None:
    """Row 30: a registry that boots need is offline for two hours."""
    lives = fleet(desired, **stands)
    lives.release(NEW)
    assert lives.hours_until(lambda: lives.serving(NEW) >= 1, most=4) is not None
    lives.pass_minutes(12)
    lives.cloud.comes_up["web", NEW] = NEVER_UP
    lives.forget()
    lives.pass_hours(2)
    batch = max(1, desired // 4)
    assert len(lives.lost_serving) <= batch
    assert lives.lost <= batch + 3
    assert lives.lowest["web"] >= desired - batch
    lives.cloud.comes_up["web", NEW] = "good"
    assert lives.hours_until(lambda: lives.all_serve(NEW), most=24) is not None


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("desired", "most"), [(10, 12), (20, 12), pytest.param(40, 24, marks=soak)]
)
def test_a_proven_rollout_of_which_three_boots_in_ten_hang_gets_to_all(
    desired: int, most: float, seed: int
) -> None:
    """What has been replaced well makes up for the boots that had to be replaced."""
    lives = fleet(desired, account={"seed": seed})
    lives.release(NEW)
    assert lives.hours_until(lambda: lives.serving(NEW) >= 1, most=4) is not None
    lives.cloud.comes_up["web", NEW] = Program(hangs=0.3)
    assert lives.hours_until(lambda: not lives.members(OLD), most=most) is not None
    assert lives.lowest["web"] >= desired - max(1, desired // 4)


@pytest.mark.parametrize("stands", [BARE, BALANCED], ids=["bare", "balanced"])
def test_a_boot_that_hangs_in_a_proven_rollout_is_replaced_once_and_the_rollout_ends(
    stands: Mapping[str, Any],
) -> None:
    """Row 36: the release is on 2 of 4; EC2's checks find the bad host well."""
    lives = fleet(4, **stands)
    lives.release(NEW)
    assert lives.hours_until(lambda: lives.serving(NEW) == 2, most=4) is not None
    lives.cloud.comes_up["web", NEW] = NEVER_UP
    gone = lives.lost
    assert lives.hours_until(lambda: lives.lost > gone, most=2) is not None
    lives.pass_minutes(1)
    lives.cloud.comes_up["web", NEW] = "good"
    assert lives.hours_until(lambda: lives.all_serve(NEW), most=12) is not None
    assert lives.lost == 5
    assert not lives.told


def ends(desired: int, seed: int) -> str | None:
    """Say what is wrong with a rollout in which one boot in 50 never answers, if anything."""
    lives = fleet(desired, account={"seed": seed})
    lives.release(NEW, Program(hangs=0.02))
    if lives.hours_until(lambda: lives.all_serve(NEW), most=24) is not None:
        return None
    newest = max(lives.members(), key=lambda machine: machine.launched)
    return None if newest.version is None else f"{desired}, seed {seed}: {lives.record.reason}"


@pytest.mark.parametrize("desired", [3, 5, 20])
def test_a_rollout_in_which_a_boot_in_50_never_answers_ends_within_the_day(desired: int) -> None:
    """Row 38: but where the last that was created is the dud."""
    assert not list(filter(None, (ends(desired, seed) for seed in range(4))))


@soak
@pytest.mark.parametrize("desired", range(3, 21))
def test_forty_rollouts_in_which_a_boot_in_50_never_answers_end_within_the_day(
    desired: int,
) -> None:
    """Row 38."""
    assert not list(filter(None, (ends(desired, seed) for seed in range(40))))


@pytest.mark.parametrize("desired", [1, 3])
def test_a_group_of_one_that_nobody_watches_says_that_its_minimum_keeps_the_dead_one(
    desired: int,
) -> None:
    """The exception to rows 3 and 39: without a load balancer, with a minimum of all."""
    lives = all_on(NEW, Program(), desired, "0")
    for machine in lives.members(NEW):
        machine.deaf = True
    lives.group.tags["terminator:minimum"] = "100%"
    lives.pass_hours(2)
    lives.forget()
    lives.release(FIX)
    lives.pass_hours(1)
    lives.pass_quiet_hours(5)
    assert lives.lost == 0
    assert "could serve, minimum" in lives.record.reason


def missing_hosts(lives: Fleet) -> Callable[[], None]:
    """Return what lets all that run the release hang, and rings an alarm five minutes later.

    It rings while fewer than three quarters of the group serve.
    """
    low = [0]

    def crash() -> None:
        for machine in lives.members(NEW):
            machine.deaf = True
        desired = lives.group.desired
        low[0] = low[0] + 1 if lives.cloud.available(lives.group) * 4 < desired * 3 else 0
        lives.cloud.alarms["hosts"] = "ALARM" if low[0] >= 5 else "OK"

    return crash


@pytest.mark.parametrize("desired", [3, 4, 10])
@KINDS
def test_an_alarm_that_rings_for_want_of_hosts_does_not_keep_the_fix_of_a_dead_fleet_out(
    desired: int, stands: Mapping[str, Any]
) -> None:
    """The fix came before the alarm, which needs the hosts that wait for it."""
    lives = all_on(NEW, Program(), desired, "50%", **stands)
    lives.group.tags |= settings_of(alarms="hosts")
    crash = missing_hosts(lives)
    lives.pass_minutes(2, crash)
    lives.release(FIX)
    hours = lives.hours_until(lambda: lives.all_serve(FIX), most=2, meanwhile=crash)
    assert hours is not None


@pytest.mark.parametrize("desired", [3, 10])
def test_a_fleet_that_is_down_does_not_wait_for_its_window_until_its_minimum_serves(
    desired: int,
) -> None:
    lives = all_on(NEW, Program(), desired, "50%")
    lives.pass_hours(2)
    opens = lives.cloud.now + timedelta(hours=16)
    closes = opens + timedelta(hours=4)
    lives.group.tags["terminator:window"] = f"Mon-Sun {opens:%H:%M}-{closes:%H:%M} UTC"
    for machine in lives.members():
        machine.deaf = True
    lives.pass_hours(1)
    lives.release(FIX)
    least = -(-desired // 2)
    assert lives.hours_until(lambda: lives.serving(FIX) >= least, most=1) is not None
    lives.pass_hours(2)
    lives.pass_quiet_hours(6)
    assert lives.serving(FIX) < desired
    assert lives.record.hold == "window_closed"


ANY_SIZE = pytest.mark.parametrize(
    ("desired", "minimum"), [(1, "0"), (2, "50%"), (3, "50%"), (10, "50%")]
)


@ANY_SIZE
@pytest.mark.parametrize("stands", [BARE, BALANCED], ids=["bare", "balanced"])
@pytest.mark.parametrize("way", ["rebuilt", "back and forth"])
def test_a_release_goes_out_that_was_mended_under_its_own_number(
    desired: int, minimum: str, stands: Mapping[str, Any], way: str
) -> None:
    """Its canary of before hangs, and nothing else dates it; or what it needed works by now."""
    lives = fleet(desired, tags=settings_of(minimum=minimum), **stands)
    lives.release(NEW, NEVER_UP)
    lives.pass_hours(1)
    if way == "back and forth":
        lives.cloud.point("web", OLD)
        lives.pass_minutes(4)
        lives.cloud.point("web", None)
    lives.cloud.comes_up["web", NEW] = "good"
    if way == "rebuilt":
        lives.cloud.upload("web", NEW, built="mended")
    assert lives.hours_until(lambda: lives.all_serve(NEW), most=2) is not None
    assert lives.lost == desired + 1


@ANY_SIZE
def test_a_fleet_that_is_down_is_back_once_its_release_was_mended_under_its_own_number(
    desired: int, minimum: str
) -> None:
    lives = all_on(NEW, Program(), desired, minimum)
    for machine in lives.members():
        machine.deaf = True
    lives.pass_hours(1)
    lives.cloud.upload("web", NEW, built="mended")
    assert lives.hours_until(lambda: lives.all_serve(NEW), most=2) is not None


@pytest.mark.parametrize("desired", [2, 3, 10])
def test_in_a_converged_group_nothing_goes_where_the_same_number_is_built_again(
    desired: int,
) -> None:
    """Two of them are silent for hours, and serve."""
    lives = all_on(NEW, Program(), desired, "50%")
    lives.forget()
    for machine in lives.members()[: min(2, desired - 1)]:
        machine.deaf = True
    lives.cloud.upload("web", NEW, built="mended")
    lives.pass_hours(3)
    lives.pass_quiet_hours(9)
    assert lives.lost == 0


@pytest.mark.parametrize("desired", [3, 10, 40])
@pytest.mark.parametrize("stands", [BARE, BALANCED], ids=["bare", "balanced"])
def test_a_release_that_restarts_itself_for_ever_costs_few_then_one_in_16_hours(
    desired: int, stands: Mapping[str, Any]
) -> None:
    """It is up for four minutes of six, and an old one that is protected keeps the day open.

    Also after days, when scaling activities of two days tell nothing of its rollout.
    """
    lives = fleet(desired, **stands)
    lives.members()[0].protected = True
    lives.release(NEW)

    def restart() -> None:
        for machine in lives.members(NEW):
            minute = (lives.cloud.now - machine.launched) / timedelta(minutes=1) - 5.5
            machine.deaf = minute >= 0 and minute % 6 >= 4

    lives.pass_hours(24, restart)
    assert lives.lost - (desired - 1) <= desired // 2 + 5
    first = lives.lost
    lives.pass_quiet_hours(6 * 24, restart)
    assert lives.lost - first <= 6 * 24 / 16 + 1


@pytest.mark.parametrize("desired", [3, 10])
@pytest.mark.parametrize("stands", [BARE, BALANCED], ids=["bare", "balanced"])
def test_reboots_of_all_on_the_day_of_a_release_cost_few(
    desired: int, stands: Mapping[str, Any]
) -> None:
    """One after the other, six minutes each, ten hours after the release."""
    lives = all_on(NEW, Program(), desired, "50%", **stands)
    lives.pass_quiet_hours(10)
    lives.forget()
    for machine in list(lives.members()):
        if machine.leaves is None:
            lives.cloud.reboot(machine, 6)
        lives.pass_minutes(12)
    lives.pass_hours(1)
    assert lives.lost <= 2


@pytest.mark.parametrize(
    ("desired", "minimum", "serve"),
    [(1, "0", 1), (4, "50%", 3), (10, "50%", 10), (30, "50%", 30)],
)
@KINDS
def test_a_fleet_that_is_down_gets_the_fix_where_it_cannot_be_as_large_as_is_desired(
    desired: int, minimum: str, serve: int, stands: Mapping[str, Any]
) -> None:
    """It was scaled out when it fell silent, and there is no capacity for the others.

    The minimum serves again and, where more may be out than are missing, all that there is.
    """
    lives = all_on(NEW, Program(dies=minutes(60)), desired, minimum, **stands)
    lives.group.room = desired
    lives.group.desired += 2
    lives.pass_hours(3)
    lives.release(FIX)
    assert lives.hours_until(lambda: lives.serving(FIX) >= serve, most=3) is not None


@pytest.mark.parametrize("desired", [4, 10])
def test_where_nothing_at_all_can_be_launched_one_of_a_fleet_that_is_down_goes(
    desired: int,
) -> None:
    lives = all_on(NEW, Program(dies=minutes(60)), desired, "50%")
    lives.group.room = 0
    lives.group.desired += 2
    lives.pass_hours(3)
    lives.forget()
    lives.release(FIX)
    lives.pass_hours(12)
    assert lives.lost <= 1
    assert lives.told


@pytest.mark.parametrize("duds", [1, 2])
@pytest.mark.parametrize(
    ("desired", "minimum"), [(3, "0"), (4, "50%"), (10, "50%"), pytest.param(40, "50%", marks=soak)]
)
def test_a_fleet_that_is_down_is_back_although_the_first_boots_of_the_fix_hang(
    desired: int, minimum: str, duds: int
) -> None:
    """A bad host, or what a boot needs is away for minutes."""
    lives = all_on(NEW, Program(dies=minutes(60)), desired, minimum, **BALANCED)
    lives.pass_hours(2)
    lives.release(FIX, NEVER_UP)
    assert lives.hours_until(lambda: len(lives.hung()) >= duds, most=3) is not None
    lives.cloud.comes_up["web", FIX] = "good"
    assert lives.hours_until(lambda: lives.serving(FIX) >= desired // 2, most=6) is not None


@pytest.mark.parametrize("desired", [3, 10, 40])
def test_where_the_fix_never_comes_up_either_the_dead_go_at_doubling_distances(
    desired: int,
) -> None:
    lives = all_on(NEW, Program(dies=minutes(60)), desired, "0", **BALANCED)
    lives.pass_hours(2)
    lives.forget()
    lives.release(FIX, NEVER_UP)
    began = lives.cloud.now
    lives.pass_hours(24)
    assert lives.lost <= min(desired, 7)
    lives.pass_quiet_hours(3 * 24)
    assert lives.lost <= min(desired, 7 + 5)
    later = [(at - began) / minutes(1) for at, _, _ in lives.cloud.kills][1:]
    assert grow(later)
    assert lives.told


@pytest.mark.parametrize("desired", [3, 10])
def test_where_the_probe_alone_says_that_all_are_down_one_goes_for_a_release(desired: int) -> None:
    """It is blind to a fleet that serves, and without a load balancer nobody else tells."""
    lives = fleet(desired)
    lives.pass_hours(2)
    lives.release(NEW)

    def blind() -> None:
        for machine in lives.members():
            machine.deaf = True

    blind()
    lives.pass_hours(30, blind)
    assert lives.lost == 1
    assert lives.told


@pytest.mark.parametrize("desired", [3, 6])
def test_a_group_that_stays_down_keeps_no_other_group_of_its_app_from_the_fix(desired: int) -> None:
    """All of `web-a` lie in a zone that is dark; `web-b` is down because of the release."""
    how, names = Program(dies=minutes(60)), ("web-a", "web-b")
    lives = all_on(NEW, how, desired, "0", names=names, **BALANCED)
    dark, other = lives.cloud.by_name()
    lives.pass_hours(2)
    lives.release(FIX)

    def darken() -> None:
        for machine in dark.staying():
            machine.deaf = True

    def is_back() -> bool:
        return lives.cloud.available(other) == desired

    assert lives.hours_until(is_back, most=4, meanwhile=darken) is not None
