"""Releases over hours and days, on a model of AWS: what a fleet lives through."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest

from terminator.observe.snapshot import Scope
from tests.fakes.cloud import Cloud, FakeGroup, minutes
from tests.fakes.cloud_api import every, run, settings


def fleet(size: int = 3, **more: object) -> tuple[Cloud, FakeGroup]:
    """Return a cloud with one group, all of it on 1.0.266 for ten hours."""
    cloud = Cloud(now=Cloud().now - minutes(6000))
    cloud.upload("web", "1.0.266")
    cloud.wait(6000)
    return cloud, cloud.add_group("live_asg_web", size, **more)  # type: ignore[arg-type]


def versions(cloud: Cloud, group: FakeGroup) -> list[str | None]:
    return [machine.version for machine in group.members(cloud.now)]


def kill_times(cloud: Cloud) -> list[float]:
    """Return when instances were terminated, in minutes since the first."""
    first = cloud.kills[0][0]
    return [(at - first) / timedelta(minutes=1) for at, _, _ in cloud.kills]


def test_a_release_goes_out_canary_first_and_never_below_the_minimum() -> None:
    cloud, group = fleet(6, tags={"terminator:minimum": "3", "terminator:max-unavailable": "50%"})
    cloud.upload("web", "1.0.274")
    every(cloud, 5, 12)
    assert versions(cloud, group) == ["1.0.274"] * 6
    assert [len([t for t in kill_times(cloud) if t == at]) for at in (0, 15, 20)] == [1, 3, 2]
    assert cloud.lowest == {"live_asg_web": 3}


def test_a_converged_fleet_is_left_alone() -> None:
    cloud, _ = fleet()
    every(cloud, 5, 50)
    assert cloud.kills == []


def test_boots_that_stay_stale_get_rarer_up_to_sixteen_hours() -> None:
    cloud, group = fleet(8, tags={"terminator:minimum": "1", "terminator:max-unavailable": "100%"})
    group.boots = lambda _: "1.0.266"
    cloud.upload("web", "1.0.274")
    cloud.wait(1.5)
    every(cloud, 5, 12 * 24 * 4)
    gaps = [later - earlier for earlier, later in pairwise(kill_times(cloud))]
    assert gaps[0] == 30
    assert all(1.8 < later / earlier < 2.2 for earlier, later in pairwise(gaps[1:6]))
    assert all(gap in {955, 960, 965} for gap in gaps[6:])
    assert len(gaps) > 8
    assert cloud.lowest == {"live_asg_web": 7}


def test_a_canary_that_never_answers_is_the_only_one_lost() -> None:
    cloud, group = fleet()
    group.boots = lambda _: None
    cloud.upload("web", "1.0.274")
    every(cloud, 5, 12 * 6)
    every(cloud, 29, 88)
    assert len(cloud.kills) == 1
    assert any("no proof yet: i-0004 entered service" in line for line in cloud.said())


def test_a_fixed_release_replaces_the_silent_canary_first_under_its_own_alarm() -> None:
    cloud, group = fleet(3, tags={"terminator:minimum": "2", "terminator:alarms": "web-5xx"})
    cloud.alarms["web-5xx"] = "OK"
    group.boots = lambda _: None
    cloud.upload("web", "1.0.274")
    every(cloud, 5, 3)
    cloud.alarms["web-5xx"] = "ALARM"
    cloud.wait(1)
    group.boots = lambda released: released
    cloud.upload("web", "1.0.275")
    every(cloud, 5, 4)
    assert len(cloud.kills) == 1
    every(cloud, 5, 2)
    assert cloud.kills[1][2] == "i-0004"
    every(cloud, 5, 9)
    assert versions(cloud, group) == ["1.0.275"] * 3


def test_releases_faster_than_boots_replace_no_booting_instance_and_the_fleet_follows() -> None:
    cloud, group = fleet(8, boot=minutes(12))
    replaced_while_booting = 0
    for number in range(300, 320):
        cloud.upload("web", f"1.0.{number}")
        for _ in range(2):
            booting = {m.id for m in group.members(cloud.now) if cloud.now < m.up}
            before = len(cloud.kills)
            every(cloud, 5, 1)
            replaced_while_booting += sum(id_ in booting for _, _, id_ in cloud.kills[before:])
    assert replaced_while_booting == 0
    assert "1.0.266" not in versions(cloud, group)
    every(cloud, 5, 60)
    assert versions(cloud, group) == ["1.0.319"] * 8


def test_an_instance_that_misses_one_probe_is_spared_by_the_look_again() -> None:
    cloud, group = fleet()
    cloud.upload("web", "1.0.274")
    cloud.muted["i-0001"] = 1
    run(cloud)
    assert [id_ for _, _, id_ in cloud.kills] == ["i-0002"]
    every(cloud, 5, 12)
    assert versions(cloud, group) == ["1.0.274"] * 3


def test_an_instance_that_misses_the_first_probe_of_every_run_delays_no_release() -> None:
    cloud, group = fleet(4)
    cloud.upload("web", "1.0.274")
    for _ in range(30):
        cloud.muted["i-0001"] = 1
        every(cloud, 5, 1)
    assert sorted(map(str, versions(cloud, group))) == ["1.0.266"] + ["1.0.274"] * 3
    assert "i-0001" not in {id_ for _, _, id_ in cloud.kills}


def test_where_only_the_spared_instance_is_outdated_the_reason_says_so() -> None:
    cloud, group = fleet(1, tags={"terminator:minimum": "0"})
    cloud.upload("web", "1.0.274")
    cloud.muted["i-0001"] = 1
    run(cloud)
    assert len(group.machines) == 1
    assert any("i-0001 is spared: asked again, it answered 1.0.266" in x for x in cloud.said())


@pytest.mark.parametrize("shut", ["alarm", "window"])
def test_an_old_silent_instance_does_not_keep_a_bad_release_under_its_alarm(shut: str) -> None:
    tags = {
        "terminator:alarms": "web-5xx",
        "terminator:max-unavailable": "50%",
        "terminator:minimum": "1",
    }
    cloud, group = fleet(4, tags=tags)
    cloud.alarms["web-5xx"] = "OK"
    cloud.upload("web", "1.0.274")
    every(cloud, 5, 12)
    assert versions(cloud, group) == ["1.0.274"] * 4
    group.machines[-4].launched -= minutes(600)
    group.machines[-4].version = None
    cloud.put("web/1.0.274.zip", None)
    if shut == "alarm":
        cloud.alarms["web-5xx"] = "ALARM"
    else:
        group.tags["terminator:window"] = "Sat-Sun 09:00-17:00 Europe/London"
    every(cloud, 5, 12)
    assert versions(cloud, group).count("1.0.274") == 0


def test_when_the_second_look_meets_silence_all_round_nothing_goes() -> None:
    cloud, _ = fleet(4)
    cloud.upload("web", "1.0.274")
    cloud.muted["i-0001"] = 2

    def sleep(seconds: float) -> None:
        cloud.wait(seconds / 60)
        cloud.muted.update(dict.fromkeys(("i-0002", "i-0003", "i-0004"), 1))

    run(cloud, sleep=sleep)
    assert cloud.kills == []
    assert any("none of 3 others answered either" in line for line in cloud.said())


def test_a_bad_release_deleted_minutes_later_is_rolled_back_in_the_next_run() -> None:
    """Its alarm is ringing and the window is closed."""
    cloud, group = fleet(tags={"terminator:alarms": "web-5xx"})
    cloud.alarms["web-5xx"] = "OK"
    cloud.upload("web", "1.0.274")
    every(cloud, 5, 4)
    assert versions(cloud, group).count("1.0.274") == 2
    cloud.alarms["web-5xx"] = "ALARM"
    group.tags["terminator:window"] = "Sat-Sun 09:00-17:00 Europe/London"
    cloud.put("web/1.0.274.zip", None)
    every(cloud, 5, 1)
    assert len(cloud.kills) == 3
    every(cloud, 5, 6)
    assert versions(cloud, group) == ["1.0.266"] * 3


def test_a_pointer_pins_the_fleet_while_newer_zips_lie_beside_it() -> None:
    cloud, group = fleet()
    cloud.put("web/current", b"1.0.266")
    cloud.upload("web", "1.0.274")
    every(cloud, 5, 6)
    assert cloud.kills == []
    cloud.put("web/current", b"1.0.274")
    every(cloud, 5, 8)
    assert versions(cloud, group) == ["1.0.274"] * 3
    cloud.put("web/current", b"1.0.266")
    every(cloud, 5, 8)
    assert versions(cloud, group) == ["1.0.266"] * 3


def test_a_pointer_to_nothing_is_a_hold_not_a_fall_back() -> None:
    cloud, _ = fleet()
    cloud.upload("web", "1.0.274")
    cloud.put("web/current", b"1.0.999")
    record = run(cloud)["live_asg_web"]
    assert record.decision is not None
    assert record.reason == ("the pointer web/current names 1.0.999, which is no release of web")
    assert cloud.kills == []


def test_boots_between_a_pointer_and_its_zip_do_not_block_the_group_for_ever() -> None:
    cloud, group = fleet()
    cloud.put("web/current", b"1.0.274")
    group.boots = lambda _: "1.0.266"
    cloud.launch(group).version = "1.0.266"
    group.machines.pop(0)
    cloud.wait(5)
    group.boots = lambda released: released
    cloud.upload("web", "1.0.274")
    every(cloud, 5, 12)
    assert versions(cloud, group) == ["1.0.274"] * 3


def test_a_member_that_takes_an_hour_to_leave_does_not_delay_a_release() -> None:
    cloud, group = fleet(leave=minutes(60))
    group.machines[0].leaves = cloud.now + minutes(60)
    cloud.launch(group, at=cloud.now - minutes(300))
    cloud.upload("web", "1.0.274")
    run(cloud)
    assert len(cloud.kills) == 1


def test_no_proof_before_the_canary_is_healthy_at_its_load_balancer_and_past_its_grace() -> None:
    cloud, group = fleet(balanced=True, grace=minutes(10))
    cloud.upload("web", "1.0.274")
    run(cloud)
    canary = group.machines[-1]
    canary.target = "initial"
    every(cloud, 5, 4)
    assert len(cloud.kills) == 1
    canary.target = "healthy"
    every(cloud, 5, 1)
    assert len(cloud.kills) == 2


def test_within_its_grace_period_a_healthy_canary_is_no_proof() -> None:
    tags = {"terminator:bake-time": "0m"}
    cloud, _ = fleet(balanced=True, grace=minutes(12), tags=tags)
    cloud.upload("web", "1.0.274")
    run(cloud)
    every(cloud, 5, 2)
    assert len(cloud.kills) == 1
    every(cloud, 5, 1)
    assert len(cloud.kills) == 2


def test_the_same_upload_twice_and_the_schedule_at_once_make_one_canary() -> None:
    cloud, _ = fleet()
    cloud.upload("web", "1.0.274")
    for scope in (Scope(app="web"), Scope(app="web"), None):
        run(cloud, scope=scope)
    assert len(cloud.kills) == 1


def test_a_rogue_version_costs_canaries_at_growing_distances() -> None:
    cloud, group = fleet(4, tags={"terminator:max-unavailable": "100%", "terminator:minimum": "0"})
    group.machines[0].version = "999.0.0"
    group.machines[0].launched -= minutes(60)
    every(cloud, 5, 12 * 24, of=settings(bucket=False))
    assert 2 <= len(cloud.kills) <= 4


@pytest.mark.parametrize("desired", [2, 3])
def test_scale_in_under_way_is_not_made_worse(desired: int) -> None:
    cloud, group = fleet(6, tags={"terminator:minimum": "1", "terminator:max-unavailable": "100%"})
    group.machines[-1].version = "1.0.274"
    group.machines[-1].launched = cloud.now - minutes(60)
    group.desired = desired
    run(cloud, of=settings(bucket=False))
    assert len(cloud.kills) == desired - 1
