"""Somebody may tag one group, and wants it gone: the deployment's limits win over tags."""

from __future__ import annotations

import pytest

from tests.fakes.cloud import Cloud
from tests.fakes.cloud_api import every, run, settings

ALL = {"terminator:minimum": "0", "terminator:max-unavailable": "100%"}


def fleet(size: int, tags: dict[str, str], apps: tuple[str, ...] = ("web",)) -> Cloud:
    """Return a group of each app that bakes its release on one instance, and is tagged then."""
    cloud = Cloud()
    for app in apps:
        cloud.upload(app, "1.0.266")
    cloud.wait(600)
    for app in apps:
        baking = {"terminator:app": app, "terminator:bake-time": "3h"}
        cloud.add_group(f"live_asg_{app}", size, tags=baking)
        cloud.upload(app, "1.0.274")
    every(cloud, 5, 8)
    assert len(cloud.kills) == len(apps)
    cloud.kills.clear()
    for group in cloud.groups.values():
        del group.tags["terminator:bake-time"]
        group.tags |= tags
    cloud.wait(180)
    return cloud


def test_without_limits_a_tag_empties_a_group_at_once() -> None:
    cloud = fleet(8, ALL)
    run(cloud)
    assert len(cloud.kills) == 7


@pytest.mark.parametrize(
    ("limits", "go", "says"),
    [
        ({"minimum": 5}, 3, "minimum 0 asked, 5 is the lowest that limits allow"),
        ({"minimum": "75%"}, 2, "minimum 0 asked, 6 is the lowest that limits allow"),
        (
            {"max-unavailable": "25%"},
            2,
            "max-unavailable 8 asked, 2 is the highest that limits allow",
        ),
    ],
)
def test_a_tag_that_asks_for_more_than_limits_allow_is_held_at_them_and_told(
    limits: dict[str, object], go: int, says: str
) -> None:
    cloud = fleet(8, ALL)
    record = run(cloud, settings(limits=limits))["live_asg_web"]
    assert (len(record.terminated), record.decision) == (go, "replace")
    assert says in record.reason
    assert any(says in line for line in cloud.said())


def test_a_group_held_at_the_lowest_minimum_says_so_where_none_may_go() -> None:
    cloud = fleet(8, ALL)
    record = run(cloud, settings(limits={"minimum": "100%"}))["live_asg_web"]
    assert (record.hold, record.minimum) == ("no_budget", 8)
    assert record.reason.endswith("minimum 0 asked, 8 is the lowest that limits allow")


def test_what_the_deployment_keeps_from_tags_holds_a_group_whose_tag_sets_it() -> None:
    cloud = fleet(8, {"terminator:canary-retry": "1m"})
    record = run(cloud, settings(limits={"tags": ["app", "minimum"]}))["live_asg_web"]
    assert (record.hold, record.terminated) == ("settings_unreadable", ())
    told = "tag terminator:canary-retry sets what limits.tags of the deployment keeps from tags"
    assert record.reason == told


def test_a_run_terminates_no_more_than_limits_allow_in_all_groups_together() -> None:
    cloud = fleet(8, ALL, ("api", "web"))
    records = run(cloud, settings(limits={"terminations": 9}))
    assert len(cloud.kills) == 9
    first, second = records["live_asg_api"], records["live_asg_web"]
    assert (len(first.terminated), len(second.terminated)) == (7, 2)
    assert second.reason.endswith("limits allow 9 terminations a run, of all groups: 2 of 7 go now")


def test_a_group_for_which_no_termination_is_left_waits_for_the_next_run() -> None:
    cloud = fleet(8, ALL, ("api", "web"))
    record = run(cloud, settings(limits={"terminations": 7}))["live_asg_web"]
    assert (record.hold, record.standing) == ("terminations_limit", "waiting")
    cloud.wait(5)
    assert len(run(cloud, settings(limits={"terminations": 7}))["live_asg_web"].terminated) == 7


def test_without_a_word_a_run_terminates_500_at_most() -> None:
    cloud = fleet(600, ALL)
    run(cloud)
    assert len(cloud.kills) == 500


def test_a_dry_run_shows_what_the_limit_leaves() -> None:
    cloud = fleet(8, ALL)
    record = run(cloud, settings(limits={"terminations": 3}, dry_run=True))["live_asg_web"]
    assert (len(record.to_terminate), len(cloud.kills)) == (3, 0)
