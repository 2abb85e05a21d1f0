"""Terminator on a local fleet: real boto3, real HTTP, real zips."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from sandbox import runs, store
from sandbox.fleet import Fleet
from sandbox.store import Program, pack
from terminator.config.deployment import from_settings
from terminator.observe.autoscaling import describe_activities
from tests.infra.image_page import by_image

FIVE = timedelta(minutes=5)
FAST = {
    "terminator:minimum": "1",
    "terminator:max-unavailable": "100%",
    "terminator:bake-time": "0m",
}


def grow(fleet: Fleet, name: str, *versions: str, tags: dict[str, str] | None = None) -> list[str]:
    """Make a group whose machines were launched five minutes apart, each on its version."""
    for size, version in enumerate(versions, 1):
        store.upload(fleet.aws, name, Program(version))
        if size == 1:
            fleet.create_group(name, 1, tags=tags)
        fleet.aws.autoscaling.set_desired_capacity(AutoScalingGroupName=name, DesiredCapacity=size)
        fleet.wait(FIVE)
    return [machine.id for machine in fleet.of(name)]


def test_the_log_reads_as_the_design_has_it(empty_fleet: Fleet) -> None:
    one, two, new = grow(empty_fleet, "live_asg_web", "1.0.266", "1.0.266", "1.0.274", tags=FAST)
    run = runs.run(empty_fleet, runs.settings(bucket=False))
    seen = "live_asg_web => 3 available, 0 unavailable, 0 in flight, minimum 1"
    assert run.lines == (
        f"{seen}, target 1.0.274 (highest)",
        "live_asg_web => lowest version 1.0.266, highest version 1.0.274, 2 instances to terminate",
        "live_asg_web => replace: 2 of 2 outdated instances fit the budget",
        "live_asg_web => terminating 2 of 3 instances",
        f"live_asg_web => terminating instance ids [{one} {two}]",
        "live_asg_web => complete",
    )
    assert {machine.id for machine in empty_fleet.gone} == {one, two}
    assert new in empty_fleet.machines


@pytest.mark.parametrize("behaviour", ["silent", "refuses", "unavailable"])
def test_a_release_that_never_answers_costs_one_instance(old_fleet: Fleet, behaviour: str) -> None:
    broken = Program("1.0.274", behaviour)  # type: ignore[arg-type]
    runs.deliver(old_fleet, store.upload(old_fleet.aws, "web", broken))
    for _ in range(3):
        old_fleet.wait(FIVE)
        held = runs.run(old_fleet).about("live_asg_web")
    assert held is not None
    assert held.decision == "hold"
    assert len(old_fleet.gone) == 1
    assert old_fleet.watches["live_asg_web"].lowest == 2


def test_a_release_that_boots_stale_is_tried_again_after_the_retry_time(old_fleet: Fleet) -> None:
    stale = pack(Program("1.0.266"))
    store.put(old_fleet.aws, "web/1.0.274.zip", stale)
    lost = []
    for _ in range(9):
        old_fleet.wait(FIVE)
        runs.run(old_fleet)
        lost.append(len(old_fleet.gone))
    assert lost == [1, 1, 1, 1, 1, 1, 2, 2, 2]


def test_a_truncated_zip_is_refused_and_replaces_nothing(old_fleet: Fleet) -> None:
    whole = pack(Program("1.0.274"))
    event = store.put(old_fleet.aws, "web/1.0.274.zip", whole[:-30])
    [verdict], led_to = runs.deliver(old_fleet, event)
    assert verdict == (
        "s3://releases/web/1.0.274.zip => refused: the zip cannot be read: File is not a zip file"
    )
    assert led_to == []
    runs.run(old_fleet)
    assert old_fleet.gone == []


def test_two_runs_of_one_moment_choose_the_same_instance(old_fleet: Fleet) -> None:
    """The second finds the group as the first left it: its replacement is still silent."""
    event = store.upload(old_fleet.aws, "web", Program("1.0.274"))
    for _ in range(2):
        runs.deliver(old_fleet, event)
    runs.run(old_fleet)
    assert len(old_fleet.gone) == 1


def test_scaling_activities_tell_who_came_and_went_and_when(old_fleet: Fleet) -> None:
    gone, *stayed = (machine.id for machine in old_fleet.of("live_asg_web"))
    begun = old_fleet.clock.now()
    old_fleet.aws.terminating.terminate_instance_in_auto_scaling_group(
        InstanceId=gone, ShouldDecrementDesiredCapacity=False
    )
    old_fleet.wait(FIVE)
    aws, ago = old_fleet.aws.autoscaling, begun - timedelta(days=1)
    read = describe_activities(aws, "live_asg_web", ago)
    [came] = read.in_service.keys() - {gone, *stayed}
    launched = old_fleet.machines[came].launched
    assert timedelta(0) <= read.in_service[came] - launched < timedelta(seconds=1)
    assert begun <= read.leaving[gone] < begun + FIVE
    [(launched, end)] = read.taken
    assert (launched < begun, end) == (True, read.leaving[gone])
    assert describe_activities(aws, "live_asg_web", begun).in_service.keys() == {came}


def test_an_alarms_history_tells_when_its_state_changed(old_fleet: Fleet) -> None:
    cloudwatch, begun = old_fleet.aws.cloudwatch, old_fleet.clock.now()
    cloudwatch.put_metric_alarm(
        AlarmName="errors", MetricName="Errors", Namespace="Web", Period=60, EvaluationPeriods=1,
        Threshold=1.0, ComparisonOperator="GreaterThanThreshold", Statistic="Sum",
    )  # fmt: skip
    for state in ("ALARM", "ALARM", "OK"):
        old_fleet.clock.sleep(60)
        cloudwatch.set_alarm_state(AlarmName="errors", StateValue=state, StateReason="a test")
    asked: Any = {"AlarmName": "errors", "StartDate": begun, "EndDate": old_fleet.clock.now()}
    for scan_by, step in {"TimestampDescending": -1, "TimestampAscending": 1}.items():
        items = cloudwatch.describe_alarm_history(**asked | {"ScanBy": scan_by})
        minute = timedelta(minutes=1)
        told = [
            (e["HistorySummary"], round((e["Timestamp"] - begun) / minute))
            for e in items["AlarmHistoryItems"]
        ]
        assert told[::step] == [
            ("Alarm updated from OK to ALARM", 1),
            ("Alarm updated from ALARM to OK", 3),
        ]


def test_a_large_fleet_is_all_seen_and_asked(empty_fleet: Fleet) -> None:
    """More groups than a page of them holds, more instances than one describe or one probe."""
    empty_fleet.boot = timedelta(0)
    store.upload(empty_fleet.aws, "web", Program("1.0.266"))
    for number in range(101):
        empty_fleet.create_group(f"g{number:03}", 10, tags={"terminator:app": "web"})
    empty_fleet.sync()
    run = runs.run(empty_fleet)
    assert sum(record.available or 0 for record in run.records) == 1010
    assert {record.decision for record in run.records} == {"converged"}


def test_a_group_that_is_deployed_by_image_needs_neither_bucket_nor_probe(
    empty_fleet: Fleet,
) -> None:
    """A release, a bad image and the way back, by the settings of the page about it alone."""
    fleet, group = empty_fleet, "live_asg_img"
    config = from_settings({**by_image(), "dry_run": False})
    fleet.bake("img", Program("image 1"))
    fleet.create_group(group, 3, grace=60, tags=FAST, template="img")
    fleet.wait(timedelta(hours=1))

    def until(image: str, most: int) -> int:
        for number in range(most):
            record = runs.run(fleet, config).about(group)
            now = [machine.program.version for machine in fleet.of(group)]
            if record and record.decision == "converged" and set(now) == {image}:
                return number
            fleet.wait(FIVE)
        raise AssertionError(record)

    assert until("image 1", 1) == 0
    assert fleet.bake("img", Program("image 2")) == 2
    until("image 2", 6)
    assert len(fleet.gone) == 3

    fleet.wait(timedelta(hours=1))
    assert fleet.bake("img", Program("image 3", "silent")) == 3
    for _ in range(6):
        fleet.wait(FIVE)
        held = runs.run(fleet, config).about(group)
    assert held is not None
    assert (held.hold, held.target_source) == ("canary_not_come_up", "template")
    assert len(fleet.gone) == 4

    fleet.pin(group, "img", "2")
    until("image 2", 8)
    assert len(fleet.gone) == 5
    assert fleet.watches[group].lowest == 1
