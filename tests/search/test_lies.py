"""Answers of AWS that lack something, and answers of the probe function that are not its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from terminator import handlers
from tests.search.faults import BROKEN, OTHER, Ran, Stage, answered, payload

Path = tuple[str | int, ...]

OBSERVED = "could not be observed: "
HEALTH = f"{OBSERVED}cannot read the health at "
RELEASES = f"{OBSERVED}cannot read the releases of broken: KeyError: "
GROUP: Path = ("AutoScalingGroups", 0)
ROW: Path = ("Reservations", 0, "Instances", 0)
TARGET: Path = ("TargetHealthDescriptions", 0)

# What the first answer lacks: client, operation, where it lies, and what is told.
LACKING: dict[str, tuple[str, str, Path, str]] = {
    "a group's desired capacity": (
        "autoscaling",
        "describe_auto_scaling_groups",
        (*GROUP, "DesiredCapacity"),
        "KeyError: 'DesiredCapacity'",
    ),
    "a member's id": (
        "autoscaling",
        "describe_auto_scaling_groups",
        (*GROUP, "Instances", 0, "InstanceId"),
        "its description cannot be read: KeyError: 'InstanceId'",
    ),
    "a tag's key": (
        "autoscaling",
        "describe_auto_scaling_groups",
        (*GROUP, "Tags", 0, "Key"),
        "its description cannot be read: KeyError: 'Key'",
    ),
    "the reservations": (
        "ec2",
        "describe_instances",
        ("Reservations",),
        f"{OBSERVED}i-0001, i-0002, i-0003: cannot describe instances: KeyError: 'Reservations'",
    ),
    "an instance's launch time": (
        "ec2",
        "describe_instances",
        (*ROW, "LaunchTime"),
        "KeyError: 'LaunchTime'",
    ),
    "an instance's address": (
        "ec2",
        "describe_instances",
        (*ROW, "PrivateIpAddress"),
        f"{OBSERVED}i-0001: it has no private IPv4 address and no IPv6 address",
    ),
    "an instance's VPC": (
        "ec2",
        "describe_instances",
        (*ROW, "VpcId"),
        f"{OBSERVED}i-0001: no probe function is configured for no VPC",
    ),
    "the targets": (
        "elbv2",
        "describe_target_health",
        ("TargetHealthDescriptions",),
        f"{HEALTH}target group broken: KeyError: 'TargetHealthDescriptions'",
    ),
    "a target's health": (
        "elbv2",
        "describe_target_health",
        (*TARGET, "TargetHealth"),
        f"{HEALTH}target group broken: KeyError: 'TargetHealth'",
    ),
    "a target's id": (
        "elbv2",
        "describe_target_health",
        (*TARGET, "Target", "Id"),
        f"{HEALTH}target group broken: KeyError: 'Id'",
    ),
    "the states at a load balancer": (
        "elb",
        "describe_instance_health",
        ("InstanceStates",),
        f"{HEALTH}load balancer broken: KeyError: 'InstanceStates'",
    ),
    "a state at a load balancer": (
        "elb",
        "describe_instance_health",
        ("InstanceStates", 0, "State"),
        f"{HEALTH}load balancer broken: KeyError: 'State'",
    ),
    "a release's key": ("s3", "list_object_versions", ("Versions", 0, "Key"), f"{RELEASES}'Key'"),
    "a release's date": (
        "s3",
        "list_object_versions",
        ("Versions", 0, "LastModified"),
        f"{RELEASES}'LastModified'",
    ),
    "whether a release is the latest": (
        "s3",
        "list_object_versions",
        ("Versions", 0, "IsLatest"),
        f"{RELEASES}'IsLatest'",
    ),
    "the pointer's text": ("s3", "get_object", ("Body",), f"{RELEASES}'Body'"),
    "the zip's size": ("s3", "head_object", ("ContentLength",), "KeyError: 'ContentLength'"),
    "the instance refreshes": (
        "autoscaling",
        "describe_instance_refreshes",
        ("InstanceRefreshes",),
        "KeyError: 'InstanceRefreshes'",
    ),
    "an alarm's state": (
        "cloudwatch",
        "describe_alarms",
        ("MetricAlarms", 0, "StateValue"),
        "KeyError: 'StateValue'",
    ),
}


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    """Deploy the handler on the cloud model."""
    return Stage(monkeypatch)


def first(change: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a change of the first answer only: the broken group's."""
    seen: list[Any] = []

    def changed(answer: Any) -> Any:
        seen.append(answer)
        return change(answer) if len(seen) == 1 else answer

    return changed


def without(path: Path) -> Callable[[Any], Any]:
    """Return a change that takes away what lies there."""

    def change(answer: Any) -> Any:
        inner = answer
        for step in path[:-1]:
            inner = inner[step]
        del inner[path[-1]]
        return answer

    return change


def is_told(stage: Stage, ran: Ran, told: str) -> None:
    """Check that the broken group failed for that reason, and that the other was served."""
    assert isinstance(ran.error, handlers.RunFailedError)
    assert ran.records[BROKEN]["decision"] is None
    assert told in ran.why()
    assert ran.last()["level"] == "ERROR"
    assert (stage.lost(BROKEN), stage.lost(OTHER)) == (0, 1)


@pytest.mark.parametrize("lack", LACKING)
def test_an_answer_that_lacks_something_fails_its_group_only(stage: Stage, lack: str) -> None:
    client, operation, path, told = LACKING[lack]
    stage.tamper(client, operation, first(without(path)))
    is_told(stage, stage.run(), told)


def test_a_group_that_is_missing_from_the_listing_is_not_touched(stage: Stage) -> None:
    stage.tamper("autoscaling", "describe_auto_scaling_groups", first(without(GROUP)))
    ran = stage.run()
    assert ran.records.keys() == {OTHER}
    assert (stage.lost(BROKEN), stage.lost(OTHER)) == (0, 1)


@pytest.mark.parametrize("nth", [1, 3], ids=["first seen", "seen again"])
def test_members_that_are_missing_from_their_group_are_in_flight(stage: Stage, nth: int) -> None:
    seen: list[Any] = []

    def change(answer: Any) -> Any:
        seen.append(answer)
        return without((*GROUP, "Instances", 0))(answer) if len(seen) == nth else answer

    stage.tamper("autoscaling", "describe_auto_scaling_groups", change)
    ran = stage.run()
    assert ran.error is None
    assert ran.why().startswith("no proof yet: 1 member")
    assert (stage.lost(BROKEN), stage.lost(OTHER)) == (0, 1)


@pytest.mark.parametrize("path", [("Reservations", 0), (*ROW, "InstanceId")])
def test_a_member_that_ec2_does_not_list_is_in_flight(stage: Stage, path: Path) -> None:
    stage.tamper("ec2", "describe_instances", first(without(path)))
    # The model answers a reservation a page, so it is the first of three that lacks its one.
    ran = stage.run()
    assert ran.error is None
    assert ran.why().startswith("no proof yet: 1 member in flight")
    assert (stage.lost(BROKEN), stage.lost(OTHER)) == (0, 1)


@pytest.mark.parametrize(
    ("client", "operation", "path"),
    [
        ("elbv2", "describe_target_health", TARGET),
        ("elb", "describe_instance_health", ("InstanceStates", 0)),
    ],
)
def test_one_whose_health_was_left_out_once_is_spared_by_the_second_look(
    stage: Stage, client: str, operation: str, path: Path
) -> None:
    stage.tamper(client, operation, first(without(path)))
    ran = stage.run()
    assert ran.error is None
    assert ran.records[BROKEN]["to_terminate"] == ["i-0002"]
    assert ran.why() == "i-0002 goes first, to prove 1.0.274"
    assert (stage.lost(BROKEN), stage.lost(OTHER)) == (1, 1)


def test_an_alarm_that_is_left_out_holds(stage: Stage) -> None:
    stage.tamper("cloudwatch", "describe_alarms", first(without(("MetricAlarms", 0))))
    ran = stage.run()
    assert (ran.error, ran.why()) == (None, 'alarm "broken-errors" does not exist')
    assert (stage.lost(BROKEN), stage.lost(OTHER)) == (0, 1)


ALL = f"{OBSERVED}i-0001, i-0002, i-0003: "
UNASKED = "it was not asked: time ran out, or the probe failed"
FAILED = f"{ALL}the probe function of vpc-1 failed: "
Rows = list[dict[str, Any]]
ROWS: dict[str, Callable[[Rows], object]] = {
    "too few": lambda rows: rows[1:],
    "one twice": lambda rows: [*rows, rows[0]],
    "one twice, and not the same": lambda rows: [*rows, {**rows[0], "version": "9.9.9"}],
    "of another in its place": lambda rows: [{**rows[0], "instance": "i-0004"}, *rows[1:]],
    "without a version or a reason": lambda rows: [{"instance": "i-0001"}, *rows[1:]],
    "no version": lambda rows: [{**rows[0], "version": "latest"}, *rows[1:]],
    "a number": lambda rows: [{**rows[0], "version": 1.1}, *rows[1:]],
    "an empty reason": lambda rows: [{**rows[0], "version": None, "reason": ""}, *rows[1:]],
    "no object": lambda rows: ["i-0001", *rows[1:]],
    "null": lambda _rows: None,
    "an object": lambda rows: {"answers": rows},
    "nothing": lambda _rows: [],
}
BODIES: dict[str, bytes] = {
    "JSONDecodeError: ": b"[{",
    "UnicodeDecodeError: ": b"\xff\xfe[",
    "ValueError: Exceeds the limit": b"[" + b"1" * 5000 + b"]",
}
# What a function says that failed, and what of it is told.
FAILING = {
    "timed out": (b'{"errorMessage": "Task timed out\\nafter 120 seconds"}', "Task timed out"),
    "crashed": (
        b'{"errorType": "Runtime.ExitError", "errorMessage": "\xe2\x80\xae\x1b[2J"}',
        "Runtime.ExitError",
    ),
    "silent": (b"", ""),
}


@pytest.mark.parametrize("rows", ROWS)
def test_rows_of_the_probe_that_are_not_one_for_each_asked_fail_the_group(
    stage: Stage, rows: str
) -> None:
    def answer(name: str, body: bytes) -> dict[str, Any]:
        own = ROWS[rows](json.loads(body)) if name == "probe-1" else json.loads(body)
        return payload(json.dumps(own).encode())

    stage.answer = answer
    is_told(stage, stage.run(), UNASKED)


@pytest.mark.parametrize("why", BODIES)
def test_an_answer_of_the_probe_that_is_no_json_fails_the_group(stage: Stage, why: str) -> None:
    stage.answer = lambda name, body: payload(BODIES[why] if name == "probe-1" else body)
    is_told(stage, stage.run(), f"{FAILED}{why}")


def test_an_answer_of_the_probe_nested_for_ever_fails_the_group(stage: Stage) -> None:
    stage.answer = lambda name, body: payload(b"[" * 100_000 if name == "probe-1" else body)
    is_told(stage, stage.run(), f"{ALL}RecursionError: ")


@pytest.mark.parametrize("how", FAILING)
def test_a_probe_function_that_fails_fails_the_group(stage: Stage, how: str) -> None:
    said, told = FAILING[how]

    def answer(name: str, body: bytes) -> dict[str, Any]:
        failing = {"FunctionError": "Unhandled"}
        return payload(said, **failing) if name == "probe-1" else payload(body)

    stage.answer = answer
    ran = stage.run()
    is_told(stage, ran, f"{ALL}the probe function probe-1 failed: ")
    assert told in ran.why()
    assert ran.written.replace("\n", "").isprintable()


def test_a_probe_function_that_is_throttled_fails_the_group(stage: Stage) -> None:
    def answer(name: str, body: bytes) -> dict[str, Any]:
        if name == "probe-1":
            raise answered("TooManyRequestsException", 429)
        return payload(body)

    stage.answer = answer
    is_told(stage, stage.run(), f"{FAILED}TooManyRequestsException: ")


def test_rows_of_others_change_nothing_for_them(stage: Stage) -> None:
    def answer(name: str, body: bytes) -> dict[str, Any]:
        others = [{"instance": f"i-000{n}", "version": "9.9.9", "reason": None} for n in (4, 5, 6)]
        more = others if name == "probe-1" else []
        return payload(json.dumps([*json.loads(body), *more]).encode())

    stage.answer = answer
    ran = stage.run()
    assert ran.error is None
    assert ran.records[OTHER]["highest"] == "1.0.266"
    assert (stage.lost(BROKEN), stage.lost(OTHER)) == (1, 1)
