"""Failures: each fails its own groups, is reported truthfully, and kills nobody wrongly."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from terminator.probe.ask import Answer, Question
from tests.fakes.cloud import fleet, minutes, refusal
from tests.fakes.cloud_api import run, settings
from tests.run.reading import FREE, fail_to_observe, killed, proven, reason_of


def test_one_group_denied_its_termination_does_not_stop_the_others() -> None:
    cloud, _ = fleet("a", "b", "c", own_apps=True)
    denied = refusal("AccessDenied", "not authorized to perform\nautoscaling:Terminate")
    cloud.faults["TerminateInstanceInAutoScalingGroup", "b"] = denied
    records = run(cloud)
    assert killed(cloud) == ["a", "c"]
    assert [name for name, record in records.items() if record.has_failed] == ["b"]
    assert (
        "b => failed to terminate i-0004: AccessDenied: not authorized to perform\\n"
        "autoscaling:Terminate"
    ) in cloud.said()


def test_where_one_group_is_denied_its_canary_another_of_its_app_tries_in_the_same_run() -> None:
    cloud, _ = fleet("a", "b")
    cloud.faults["TerminateInstanceInAutoScalingGroup", "a"] = refusal("AccessDenied")
    run(cloud)
    assert killed(cloud) == ["b"]


def test_where_one_canary_may_have_gone_no_other_group_of_the_app_sends_one() -> None:
    cloud, _ = fleet("a", "b")
    lost = ReadTimeoutError(endpoint_url="https://example")
    cloud.faults["TerminateInstanceInAutoScalingGroup", "a"] = lost
    records = run(cloud)
    assert killed(cloud) == []
    assert reason_of(records["b"]).startswith("one canary for the app: ")


@pytest.mark.parametrize(
    "error",
    [
        refusal("ScalingActivityInProgress", "busy"),
        refusal("ResourceContention", "busy"),
        refusal("ValidationError", "Instance Id not found - No managed instance found"),
    ],
)
def test_a_deferral_is_reported_and_leaves_the_rest_of_the_group_alone(error: Exception) -> None:
    cloud, [group] = fleet(tags={"terminator:minimum": "0", "terminator:max-unavailable": "100%"})
    group.machines[-1].version = "1.0.274"
    group.machines[-1].launched = cloud.now - minutes(60)
    cloud.faults["TerminateInstanceInAutoScalingGroup", "web"] = error
    record = run(cloud, of=settings(bucket=False))["web"]
    assert not record.has_failed
    assert list(record.deferred) == ["i-0001"]
    assert cloud.calls["TerminateInstanceInAutoScalingGroup"] == 1
    assert any(line.startswith("web => deferred i-0001: ") for line in cloud.said())


def test_a_validation_error_about_anything_else_is_a_failure() -> None:
    cloud, _ = fleet()
    error = refusal("ValidationError", "ShouldDecrementDesiredCapacity is required")
    cloud.faults["TerminateInstanceInAutoScalingGroup", "web"] = error
    assert run(cloud)["web"].has_failed


def test_a_probe_that_answers_for_three_of_four_fails_the_group() -> None:
    cloud, _ = fleet(size=4)
    record = run(cloud, probe=lambda *asked: cloud.probe(*asked)[:3])["web"]
    assert "i-0004: it was not asked" in fail_to_observe(record)
    assert cloud.kills == []


@pytest.mark.parametrize(
    "row",
    [
        {},
        {"instance": "i-0001"},
        {"instance": "i-0001", "version": None, "reason": None},
        {"instance": "i-0001", "version": "not one", "reason": None},
        {"instance": "i-0001", "version": 1.1, "reason": None},
        {"instance": "i-0001", "version": "1.1", "reason": "both"},
        {"instance": "i-9999", "version": "1.1", "reason": None},
        "i-0001",
        None,
    ],
)
def test_a_malformed_answer_is_no_answer(row: Any) -> None:
    cloud, _ = fleet()
    record = run(cloud, probe=lambda *asked: [row, *cloud.probe(*asked)[1:]])["web"]
    assert "i-0001: it was not asked" in fail_to_observe(record)


def test_an_instance_without_an_address_fails_its_group_only() -> None:
    cloud, [first, _] = fleet("a", "b", own_apps=True)
    first.machines[0].address = None
    records = run(cloud)
    assert (
        fail_to_observe(records["a"])
        == "could not be observed: i-0001: it has no private IPv4 address and no IPv6 address"
    )
    assert killed(cloud) == ["b"]


def test_an_instance_missing_from_describe_instances_is_in_flight() -> None:
    cloud, [first, _] = fleet("a", "b", own_apps=True)
    first.machines[0].hidden = True
    record = run(cloud)["a"]
    assert not record.has_failed
    assert (record.available, record.in_flight) == (2, 1)
    assert killed(cloud) == ["b"]


def test_releases_that_cannot_be_listed_fail_the_groups_of_their_app_only() -> None:
    cloud, [_, other] = fleet("a", "b")
    other.tags["terminator:app"] = "api"
    cloud.faults["ListObjectVersions", "api/"] = refusal("AccessDenied")
    records = run(cloud)
    assert "cannot read the releases of api" in fail_to_observe(records["b"])
    assert killed(cloud) == ["a"]


def test_a_load_balancer_that_cannot_be_asked_fails_the_group() -> None:
    cloud, _ = fleet(balanced=True)
    cloud.faults["DescribeTargetHealth", "web"] = refusal("Throttling")
    record = fail_to_observe(run(cloud)["web"])
    assert "cannot read the health at target group web: Throttling" in record


def test_a_traffic_source_of_another_kind_holds_the_group() -> None:
    source = {"Type": "vpc-lattice", "Identifier": "tg-1"}
    cloud, _ = fleet(more={"TrafficSources": [source]})
    why = reason_of(run(cloud)["web"])
    assert why == "the health at vpc-lattice tg-1 cannot be known"


def test_guards_that_cannot_be_asked_fail_the_group_and_nothing_goes() -> None:
    cloud, _ = fleet()
    cloud.faults["DescribeInstanceRefreshes", "web"] = refusal("AccessDenied", "who?")
    assert fail_to_observe(run(cloud)["web"]) == "AccessDenied: who?"
    assert cloud.kills == []


def test_no_group_is_begun_that_the_remaining_time_does_not_allow() -> None:
    cloud, _ = fleet("a", "b", own_apps=True)
    records = run(cloud, remaining=lambda: 29.0 if cloud.kills else 900.0)
    assert killed(cloud) == ["a"]
    assert fail_to_observe(records["b"]) == "time ran out before it was confirmed"


def test_without_time_for_a_second_look_nothing_presumed_goes() -> None:
    cloud, _ = fleet()
    cloud.muted["i-0001"] = 99
    record = run(cloud, remaining=lambda: 110.0)["web"]
    assert fail_to_observe(record) == (
        "could not be observed: i-0001, i-0002, i-0003: time ran out before its second look"
    )
    assert cloud.kills == []


def test_an_error_of_our_own_in_one_group_is_reported_and_stops_no_other() -> None:
    cloud, _ = fleet("a", "b", own_apps=True)
    cloud.faults["DescribeInstanceRefreshes", "a"] = KeyError("oops")
    records = run(cloud)
    assert "KeyError: 'oops' (" in fail_to_observe(records["a"])
    assert killed(cloud) == ["b"]


def test_a_termination_without_an_answer_may_have_happened_and_those_before_it_are_told() -> None:
    cloud, [group, _] = fleet("a", "b", own_apps=True, tags=FREE)
    proven(cloud, group)
    silence = ReadTimeoutError(endpoint_url="https://autoscaling")
    cloud.faults["TerminateInstanceInAutoScalingGroup", "i-0002"] = silence
    record = run(cloud)["a"]
    assert record.terminated == ("i-0001",)
    assert "may have been terminated: ReadTimeoutError: " in record.failed["i-0002"]
    assert killed(cloud) == ["a", "b"]


def test_terminations_before_an_unforeseen_error_are_reported() -> None:
    cloud, [group, _] = fleet("a", "b", own_apps=True, tags=FREE)
    proven(cloud, group)
    cloud.faults["TerminateInstanceInAutoScalingGroup", "i-0002"] = KeyError("oops")
    records = run(cloud)
    assert records["a"].terminated == ("i-0001",)
    assert "KeyError: 'oops'" in records["a"].failed["i-0002"]
    assert [name for name, record in records.items() if record.has_failed] == ["a"]
    assert killed(cloud) == ["a", "b"]


def test_a_group_that_cannot_be_planned_stops_no_other() -> None:
    cloud, [group, _] = fleet("a", "b", own_apps=True)
    group.more["HealthCheckGracePeriod"] = "soon"
    assert "TypeError: " in fail_to_observe(run(cloud)["a"])
    assert killed(cloud) == ["b"]


def test_an_unforeseen_error_right_before_acting_stops_no_other_group() -> None:
    cloud, _ = fleet("a", "b", own_apps=True)
    acting = "a => terminating 1 of 3 instances"

    def remaining() -> float:
        if cloud.lines and cloud.lines[-1].text == acting:
            raise KeyError("oops")
        return 900.0

    record = run(cloud, remaining=remaining)["a"]
    assert "KeyError: 'oops'" in fail_to_observe(record)
    assert killed(cloud) == ["b"]


def test_without_time_to_read_the_releases_every_group_is_reported() -> None:
    cloud, _ = fleet("a", "b", own_apps=True)
    records = run(cloud, remaining=lambda: 40.0)
    for name in "ab":
        why = fail_to_observe(records[name])
        assert f"cannot read the releases of {name}: time ran out before it was asked" in why
    assert cloud.calls["ListObjectVersions"] == 0
    assert [line.split(" => ")[0] for line in cloud.said()] == ["a", "b"]


def test_without_time_to_ask_a_load_balancer_every_group_is_reported() -> None:
    cloud, [group, _] = fleet("a", "b", own_apps=True)
    group.balanced = True
    records = run(cloud, remaining=lambda: 40.0 if cloud.calls["DescribeInstances"] else 900.0)
    assert "health at target group a: time ran out" in fail_to_observe(records["a"])
    assert "i-0004, i-0005, i-0006: it was not asked: time ran out" in fail_to_observe(records["b"])
    assert cloud.calls["DescribeTargetHealth"] == 0
    assert cloud.kills == []


def test_an_unforeseen_error_in_the_releases_of_one_app_fails_its_groups_only() -> None:
    cloud, [_, other] = fleet("a", "b")
    other.tags["terminator:app"] = "api"
    cloud.faults["ListObjectVersions", "api/"] = KeyError("oops")
    whys = fail_to_observe(run(cloud)["b"])
    assert "cannot read the releases of api: KeyError: 'oops'" in whys
    assert killed(cloud) == ["a"]


def test_an_unforeseen_error_at_one_load_balancer_fails_its_groups_only() -> None:
    cloud, _ = fleet("a", "b", own_apps=True, balanced=True)
    cloud.faults["DescribeTargetHealth", "b"] = KeyError("oops")
    assert "target group b: KeyError: 'oops'" in fail_to_observe(run(cloud)["b"])
    assert killed(cloud) == ["a"]


def test_an_unforeseen_error_in_one_vpc_fails_its_groups_only() -> None:
    cloud, [_, other] = fleet("a", "b", own_apps=True)
    for machine in other.machines:
        machine.vpc = "vpc-2"

    def probe(vpc: str, questions: list[Question], seconds: float) -> list[Answer]:
        return {"vpc-1": cloud.probe}[vpc](vpc, questions, seconds)

    assert "i-0004, i-0005, i-0006: KeyError: 'vpc-2'" in fail_to_observe(
        run(cloud, probe=probe)["b"]
    )
    assert killed(cloud) == ["a"]


def test_a_probe_that_hangs_takes_no_more_than_its_share_of_the_time() -> None:
    cloud, [hanging, _] = fleet("a", "b", own_apps=True)
    for machine in hanging.machines:
        machine.vpc = "vpc-0"
    began, given = cloud.now, dict[str, float]()

    def probe(vpc: str, questions: list[Question], seconds: float) -> list[Answer]:
        given[vpc] = seconds
        if vpc == "vpc-1":
            return cloud.probe(vpc, questions, seconds)
        cloud.wait((seconds + 15) / 60)
        raise TimeoutError

    records = run(cloud, probe=probe, remaining=lambda: 300.0 - (cloud.now - began).total_seconds())
    assert given == {"vpc-0": 60.0, "vpc-1": 60.0}
    assert "i-0001, i-0002, i-0003: TimeoutError: " in fail_to_observe(records["a"])
    assert killed(cloud) == ["b"]


def test_a_reason_that_only_looks_plain_is_escaped() -> None:
    cloud, _ = fleet()
    row = Answer(instance="i-0001", version=None, reason="timeout \u2215 t\u0456me\u0301out")
    record = run(cloud, probe=lambda *asked: [row, *cloud.probe(*asked)[1:]])["web"]
    assert r"timeout \u2215 t\u0456me\u0301out" in str(record.instances[0].reason)
