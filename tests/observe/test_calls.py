"""How many calls of AWS a run makes: history is asked of what has not converged only."""

from __future__ import annotations

import pytest

from tests.fakes.cloud import Cloud, fleet
from tests.fakes.cloud_api import KEYS_A_PAGE, run, settings
from tests.fakes.groups import FakeGroup, minutes

HELD = {"terminator:pause": ""}


def converge(*groups: FakeGroup) -> None:
    for group in groups:
        for machine in group.machines:
            machine.version = "1.0.274"


def calls(cloud: Cloud) -> dict[str, int]:
    """Return what one run calls."""
    cloud.calls.clear()
    run(cloud)
    return dict(cloud.calls)


def test_a_converged_group_costs_no_call_of_its_own() -> None:
    def of(*names: str) -> dict[str, int]:
        cloud, groups = fleet(*names)
        converge(*groups)
        return calls(cloud)

    assert of("a") == of("a", "b", "c")
    assert of("a") == {
        "DescribeAutoScalingGroups": 1,
        "DescribeInstances": 1,
        "ListObjectVersions": 1,
    }


def test_a_converged_group_with_a_pointer_and_a_load_balancer_asks_for_no_history() -> None:
    cloud, [group] = fleet(balanced=True)
    converge(group)
    cloud.point("web", "1.0.274")
    assert calls(cloud) == {
        "DescribeAutoScalingGroups": 1,
        "DescribeInstances": 1,
        "DescribeTargetHealth": 1,
        "ListObjectVersions": 1,
        "GetObject": 1,
    }


@pytest.mark.parametrize("silent", [True, False])
def test_a_group_that_has_not_converged_costs_one_listing_of_its_activities(
    *, silent: bool
) -> None:
    cloud, groups = fleet("a", "b", "c", tags=HELD)
    if silent:
        converge(*groups)
        for group in groups:
            group.machines[0].deaf = True
    made = calls(cloud)
    assert made["DescribeScalingActivities"] == 3
    assert made["GetBucketLifecycleConfiguration"] == 1


def test_activities_are_listed_by_pages() -> None:
    cloud, [group] = fleet(tags=HELD)
    for _ in range(250):
        group.begin("Launching a new EC2 instance", cloud.now, group.machines[0])
    assert calls(cloud)["DescribeScalingActivities"] == 3


def test_of_an_app_that_moves_one_converged_group_is_listed_too_and_of_others_none() -> None:
    cloud, [_, *whole] = fleet("a", "b", "c", "d", tags=HELD)
    converge(*whole)
    whole[-1].tags["terminator:app"] = "api"
    cloud.upload("api", "1.0.274")
    assert calls(cloud)["DescribeScalingActivities"] == 2


def test_the_lifecycle_rules_are_read_once_a_run_whatever_the_number_of_apps() -> None:
    cloud, groups = fleet("a", "b", "c", tags=HELD)
    for group in groups:
        group.tags["terminator:app"] = group.name
        cloud.upload(group.name, "1.0.274")
    made = calls(cloud)
    assert (made["GetBucketLifecycleConfiguration"], made["ListObjectVersions"]) == (1, 3)


def test_without_a_bucket_s3_is_not_asked() -> None:
    cloud, [group] = fleet(tags=HELD)
    group.machines[0].version = "1.0.274"
    cloud.calls.clear()
    run(cloud, settings(bucket=False))
    assert cloud.calls == {
        "DescribeAutoScalingGroups": 1,
        "DescribeInstances": 1,
        "DescribeScalingActivities": 1,
    }


def test_a_group_whose_settings_cannot_be_read_is_asked_for_nothing() -> None:
    cloud, _ = fleet(tags={"terminator:port": "none"})
    assert calls(cloud) == {"DescribeAutoScalingGroups": 1}


def test_no_call_of_aws_is_made_for_an_instance() -> None:
    def of(size: int) -> dict[str, int]:
        return calls(fleet("a", "b", size=size, balanced=True, tags=HELD)[0])

    few, many = of(3), of(45)
    assert few == many


def test_a_group_that_acts_costs_the_same_calls_whatever_its_size_and_one_a_instance() -> None:
    def replacing(size: int) -> tuple[dict[str, int], int]:
        cloud, [group] = fleet(size=size, tags={"terminator:max-unavailable": "50%"})
        cloud.launch(group, at=cloud.now - minutes(60)).version = "1.0.274"
        group.desired += 1
        made = calls(cloud)
        to_terminate = made.pop("TerminateInstanceInAutoScalingGroup")
        assert to_terminate == len(cloud.kills)
        return made, to_terminate

    (few, one), (many, more) = replacing(4), replacing(40)
    assert few == many
    assert more > one > 0


def test_a_thousand_old_versions_cost_their_pages_and_each_text_of_a_pointer_one_read() -> None:
    cloud, _ = fleet(tags=HELD)
    texts = ("1.0.266", "1.0.274", "1.0.266\n")
    for number in range(KEYS_A_PAGE + 1):
        cloud.put("web/current", texts[number % 3].encode())
        cloud.wait(1)
    made = calls(cloud)
    assert (made["ListObjectVersions"], made["GetObject"]) == (2, 4)


ALL_ASKED = {
    "terminator:follow": "release template",
    "terminator:images": "true",
    "terminator:max-age": "30d",
    "terminator:ill": "replace",
}


def asked(*names: str, follow: str = "release template", **tags: str) -> Cloud:
    """Return groups of one launch template that have converged, and ask for everything there is."""
    cloud = Cloud()
    cloud.make_version("lt-1")
    cloud.now -= minutes(6000)
    cloud.upload("web", "1.0.274")
    cloud.wait(6000)
    every = {**ALL_ASKED, "terminator:follow": follow, **tags}
    for name in names:
        cloud.add_group(name, 3, tags=every, template="lt-1")
    return cloud


def test_all_that_makes_an_instance_outdated_costs_one_call_for_each_launch_template() -> None:
    without = {"DescribeAutoScalingGroups": 1, "DescribeInstances": 1, "ListObjectVersions": 1}
    for names in (("a",), ("a", "b", "c")):
        assert calls(asked(*names)) == {**without, "DescribeLaunchTemplateVersions": 1}


def test_a_group_that_follows_its_template_alone_asks_neither_bucket_nor_instances() -> None:
    assert calls(asked("a", follow="template")) == {
        "DescribeAutoScalingGroups": 1,
        "DescribeInstances": 1,
        "DescribeLaunchTemplateVersions": 1,
    }


def test_what_is_due_costs_what_any_canary_costs() -> None:
    cloud = asked("a", **{"terminator:max-age": "1h"})
    assert calls(cloud) == {
        "DescribeAutoScalingGroups": 2,
        "DescribeInstances": 1,
        "DescribeLaunchTemplateVersions": 1,
        "DescribeScalingActivities": 1,
        "DescribeInstanceRefreshes": 1,
        "ListObjectVersions": 1,
        "HeadObject": 1,
        "GetObject": 4,
        "TerminateInstanceInAutoScalingGroup": 1,
    }
