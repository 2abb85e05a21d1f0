"""What the doctor makes of a group's launch hooks, and of how long its launches took."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from terminator_cli.doctor import launches
from terminator_cli.doctor.findings import Finding
from terminator_cli.doctor.launches import check_age
from tests.cli.checkups import DENIED, bad, described

MINUTE = timedelta(minutes=1)
LATER = {"terminator:canary-retry": "1h"}


def hook(result: str, seconds: int) -> dict[str, Any]:
    return {"LifecycleHookName": "ready", "DefaultResult": result, "HeartbeatTimeout": seconds}


def remedies(findings: Iterator[Finding]) -> list[str | None]:
    return [each.remedy for each in findings if each.level != "ok"]


def test_a_hook_that_lets_a_failed_boot_in_is_told_of_with_the_command() -> None:
    found = list(launches.check_hooks(described(), [hook("CONTINUE", 600)]))
    seen = '"ready" waits for 10 minutes, then CONTINUE: a boot that failed enters service all '
    assert bad(found) == [("launch hook", "warning", f"{seen}the same")]
    command = "aws autoscaling put-lifecycle-hook --auto-scaling-group-name web-1"
    ends = " --lifecycle-hook-name ready --default-result ABANDON"
    assert remedies(iter(found)) == [command + ends]


@pytest.mark.parametrize(
    ("tags", "seconds", "told"), [({}, 1800, 0), ({}, 1801, 1), (LATER, 1801, 0)]
)
def test_a_hook_that_hangs_for_longer_than_a_try_is_given_is_told_of(
    tags: dict[str, str], seconds: int, told: int
) -> None:
    found = list(launches.check_hooks(described(tags), [hook("ABANDON", seconds)]))
    assert len(bad(found)) == told
    assert [each for each in remedies(iter(found)) if not str(each).endswith("timeout 1800")] == []


@pytest.mark.parametrize(("minutes", "told"), [(30, []), (31, ["62m"])])
def test_a_try_is_given_as_long_as_a_launch_took(minutes: int, told: list[str]) -> None:
    took = [5 * MINUTE, minutes * MINUTE, MINUTE]
    found = list(launches.check_boots(described(), took))
    assert found[0].seen.startswith(f"the longest of 3 took {minutes} minutes; canary-retry is 30")
    for remedy, value in zip(remedies(iter(found)), told, strict=True):
        assert f"Key=terminator:canary-retry,Value={value}," in str(remedy)


@pytest.mark.parametrize(
    ("age", "launches", "told", "level"),
    [
        # Four instances, each of which takes five minutes of grace and ten of baking.
        ("1h", [], "at least 60 minutes, launches not counted: they", "warning"),
        ("61m", [], "61 minutes; one round takes 60 minutes, launches not counted", "ok"),
        ("61m", DENIED, "61 minutes; one round takes 60 minutes, launches not counted", "ok"),
        ("2h", [MINUTE, 15 * MINUTE], "at least 120 minutes: they are never all young", "warning"),
        ("121m", [MINUTE, 15 * MINUTE], "2 hours 1 minute; one round takes 120 minutes", "ok"),
    ],
)
def test_a_max_age_that_a_group_cannot_keep_up_with_is_a_warning(
    age: str, launches: Any, told: str, level: str
) -> None:
    [found] = check_age(described({"terminator:max-age": age}), launches)
    assert (found.check, found.level) == ("max-age", level)
    assert told in found.seen
    if level == "warning":
        enough = 2 if not launches else 4
        assert f"Key=terminator:max-age,Value={enough}h," in str(found.remedy)


def test_without_a_max_age_nothing_is_said_of_it() -> None:
    assert list(check_age(described(), [MINUTE])) == []
    assert list(check_age(described({"terminator:max-age": "1s"}), [MINUTE])) == []


def test_without_launches_or_readable_settings_nothing_is_said() -> None:
    assert list(launches.check_boots(described(), [])) == []
    assert list(launches.check_boots(described({"terminator:minimum": "x"}), [MINUTE])) == []


def test_what_may_not_be_looked_at_names_the_permission() -> None:
    [hooks] = launches.check_hooks(described(), DENIED)
    [boots] = launches.check_boots(described(), DENIED)
    assert "autoscaling:DescribeLifecycleHooks" in str(hooks.remedy)
    assert "autoscaling:DescribeScalingActivities" in str(boots.remedy)


def test_hooks_of_terminations_and_launches_that_failed_or_go_on_are_passed_over() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    launch = {"Description": "Launching a new EC2 instance: i-1", "StartTime": at}
    activities = [
        {**launch, "StatusCode": "Successful", "EndTime": at + 40 * MINUTE},
        {**launch, "StatusCode": "Failed", "EndTime": at + 90 * MINUTE},
        {**launch, "StatusCode": "WaitingForInstanceWarmup"},
        {**launch, "StatusCode": "Successful", "EndTime": at + 90 * MINUTE, "Description": "Ter"},
    ]
    kinds = ("LAUNCHING", "TERMINATING")
    hooks = [
        {**hook("CONTINUE", 60), "LifecycleTransition": f"autoscaling:EC2_INSTANCE_{kind}"}
        for kind in kinds
    ]
    client = SimpleNamespace(
        describe_lifecycle_hooks=lambda **_: {"LifecycleHooks": hooks},
        describe_scaling_activities=lambda **_: {"Activities": activities},
    )
    aws: Any = SimpleNamespace(autoscaling=client)
    told = [(check, seen[:30]) for check, _, seen in bad(launches.examine(aws, described()))]
    assert told == [
        ("launch hook", '"ready" waits for 1 minute, th'),
        ("boots", "the longest of 1 took 40 minut"),
    ]
