"""The groups of one app: one canary in all, and what is asked for that."""

from __future__ import annotations

from typing import Any

from tests.fakes.cloud import Cloud, fleet
from tests.fakes.cloud_api import every, run

ONE: dict[str, Any] = {"tags": {"terminator:minimum": "0"}, "size": 1}
PAUSED: dict[str, Any] = {"tags": {"terminator:pause": "freeze"}, "size": 1}
ASKED = "DescribeScalingActivities"


def asked(cloud: Cloud) -> int:
    """Run, and return how many groups were asked for their scaling activities."""
    before = cloud.calls[ASKED]
    run(cloud)
    return cloud.calls[ASKED] - before


def test_groups_of_one_follow_once_the_first_has_baked() -> None:
    """The first is whole as soon as its canary is up: its activities tell since when."""
    cloud, groups = fleet("a", "b", "c", **ONE)
    every(cloud, 5, 3)
    assert [name for _, name, _ in cloud.kills] == ["a"]
    every(cloud, 5, 6)
    assert sorted(name for _, name, _ in cloud.kills) == [group.name for group in groups]


def test_of_the_whole_groups_of_an_app_that_moves_only_the_oldest_is_asked_since_when() -> None:
    cloud, groups = fleet("a", "b", "c", "d", **PAUSED)
    assert asked(cloud) == 4
    for group in groups[:3]:
        group.machines[0].version = "1.0.274"
    assert asked(cloud) == 2
    groups[3].machines[0].version = "1.0.274"
    assert asked(cloud) == 0


def test_groups_of_other_apps_are_not_asked() -> None:
    cloud, groups = fleet("a", "b", own_apps=True, **PAUSED)
    groups[0].machines[0].version = "1.0.274"
    assert asked(cloud) == 1
