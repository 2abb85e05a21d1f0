"""Every call that reconcile makes, failing in every way, and time running out at each of them.

Nothing goes wrongly, the other group is served, and all is told.
"""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pytest

from terminator import handlers
from tests.fakes.cloud import refusal
from tests.search.faults import BROKEN, FAULTS, OTHER, Ran, Seam, Stage, answered

# Calls whose failure fails one group, and what its record begins with.
SEAMS = {
    "instances": (
        Seam("DescribeInstances"),
        "could not be observed: i-0001, i-0002, i-0003: cannot describe instances: ",
    ),
    "a target group": (
        Seam("DescribeTargetHealth", BROKEN),
        "could not be observed: cannot read the health at target group broken: ",
    ),
    "a load balancer": (
        Seam("DescribeInstanceHealth", BROKEN),
        "could not be observed: cannot read the health at load balancer broken: ",
    ),
    "releases": (
        Seam("ListObjectVersions", "broken/"),
        "could not be observed: cannot read the releases of broken: ",
    ),
    "a later page of releases": (
        Seam("ListObjectVersions", "broken/", nth=2),
        "could not be observed: cannot read the releases of broken: ",
    ),
    "the pointer": (
        Seam("GetObject", "broken/current"),
        "could not be observed: cannot read the releases of broken: ",
    ),
    "the probe": (
        Seam("Invoke", "probe-1"),
        "could not be observed: i-0001, i-0002, i-0003: the probe function of vpc-1 failed: ",
    ),
    "scaling activities": (
        Seam("DescribeScalingActivities", BROKEN),
        "could not be observed: cannot read its scaling activities: ",
    ),
    "instance refreshes": (Seam("DescribeInstanceRefreshes", BROKEN), ""),
    "alarms": (Seam("DescribeAlarms"), ""),
    "an alarm's history": (Seam("DescribeAlarmHistory"), ""),
    "the size of the zip": (Seam("HeadObject", "broken/1.0.274.zip"), ""),
    "the directory of the zip": (Seam("GetObject", "broken/1.0.274.zip"), ""),
    "the group once more": (Seam("DescribeAutoScalingGroups", nth=3), ""),
}
SECOND_LOOK = {
    "instances": (Seam("DescribeInstances", nth=3), SEAMS["instances"][1]),
    "a target group": (Seam("DescribeTargetHealth", BROKEN, 2), SEAMS["a target group"][1]),
    "a load balancer": (Seam("DescribeInstanceHealth", BROKEN, 2), SEAMS["a load balancer"][1]),
    "the probe": (Seam("Invoke", "probe-1", 2), SEAMS["the probe"][1]),
    "the group once more": (Seam("DescribeAutoScalingGroups", nth=4), ""),
}
ZIP = {"the size of the zip", "the directory of the zip"}
DEFERRED = {"ScalingActivityInProgress", "ResourceContention"}
UNSURE = {"InternalFailure", "ReadTimeoutError"}
# What is told of a fault, besides its name, in the words of AWS or of its client.
WORDS = {
    "ReadTimeoutError": 'Read timeout on endpoint URL: "https://aws"',
    "EndpointConnectionError": 'Could not connect to the endpoint URL: "https://aws"',
    "NoCredentialsError": "Unable to locate credentials",
}
# The texts of AWS that say of an instance that it has gone already.
GONE = (
    "Instance Id not found - No managed instance found for instance ID: i-0001",
    "Instance i-0001 is not part of Auto Scaling group broken.",
    "Instance i-0001 is not in an Auto Scaling group",
)
# Refusals that sound like it.
NOT_GONE = (
    ("AccessDenied", "Instance Id not found - not authorized to see instance i-0001"),
    ("InternalFailure", "Instance Id not found"),
    ("ValidationError", "AutoScalingGroup name not found - broken"),
    ("ValidationError", "Instance i-0001 is in Standby"),
)
# Calls that list the groups, before anything can run out.
LISTING = 2


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    """Deploy the handler on the cloud model."""
    return Stage(monkeypatch)


def is_told(ran: Ran, told: str, fault: str) -> None:
    """Check that the broken group's failure is told, once, and ends the run as failed."""
    assert isinstance(ran.error, handlers.RunFailedError)
    assert ran.records[BROKEN]["decision"] is None
    assert ran.why().startswith(f"{told}{fault}: ")
    assert WORDS.get(fault, "said") in ran.why()
    entry = ran.last()
    assert (entry["level"], entry["message"]) == ("ERROR", f"broken => failed: {ran.why()}")
    assert [each["group"] for each in ran.entries if "group" in each].count(BROKEN) == 1
    is_plain(ran)


def is_plain(ran: Ran) -> None:
    """Check that what was logged is printable ASCII, line by line."""
    assert all(line.isascii() and line.isprintable() for line in ran.written.splitlines())
    messages = [entry["message"] for entry in ran.entries if "message" in entry]
    assert all(message.replace("…", "").isascii() and message.isprintable() for message in messages)


def is_served(stage: Stage, ran: Ran) -> None:
    """Check that the other group lost its canary, and the broken one nobody."""
    assert (stage.lost(BROKEN), stage.lost(OTHER)) == (0, 1)
    assert len(ran.records[OTHER]["terminated"]) == 1


def test_without_a_fault_each_group_loses_its_canary_and_every_call_is_made(stage: Stage) -> None:
    ran = stage.run()
    assert ran.error is None
    assert (stage.lost(BROKEN), stage.lost(OTHER)) == (1, 1)
    assert {call[0] for call in stage.called} == {seam.operation for seam, _ in SEAMS.values()} | {
        "GetBucketLifecycleConfiguration",
        "TerminateInstanceInAutoScalingGroup",
    }


# A zip that must not be read is one that cannot be read: a hold.
FAILING = [
    (seam, name)
    for seam in SEAMS
    for name in FAULTS
    if not (seam in ZIP and name == "AccessDenied")
]


@pytest.mark.parametrize(("seam", "name"), FAILING)
def test_a_call_that_fails_fails_its_group_only(stage: Stage, seam: str, name: str) -> None:
    where, told = SEAMS[seam]
    stage.fail(where, FAULTS[name])
    ran = stage.run()
    is_told(ran, told, name)
    is_served(stage, ran)


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("seam", SECOND_LOOK)
def test_a_call_of_the_second_look_that_fails_fails_its_group_only(
    stage: Stage, seam: str, name: str
) -> None:
    where, told = SECOND_LOOK[seam]
    stage.silence()
    stage.fail(where, FAULTS[name])
    ran = stage.run()
    is_told(ran, told, name)
    is_served(stage, ran)


@pytest.mark.parametrize("seam", sorted(ZIP))
@pytest.mark.parametrize("name", ["AccessDenied", "NoSuchKey", "404", "403"])
def test_a_zip_that_must_not_or_cannot_be_read_is_a_hold(
    stage: Stage, seam: str, name: str
) -> None:
    stage.fail(SEAMS[seam][0], answered(name, 403))
    ran = stage.run()
    assert ran.error is None
    assert ran.records[BROKEN]["decision"] == "hold"
    assert ran.why().startswith(f"the zip of 1.0.274 cannot be read: {name}: ")
    is_served(stage, ran)


@pytest.mark.parametrize("name", FAULTS)
def test_where_the_groups_cannot_be_listed_the_run_fails_and_nobody_goes(
    stage: Stage, name: str
) -> None:
    stage.fail(Seam("DescribeAutoScalingGroups"), FAULTS[name])
    ran = stage.run()
    assert isinstance(ran.error, handlers.RunFailedError)
    assert str(ran.error).startswith(f"the groups could not be served: {name}: ")
    assert [(each["level"], each["message"]) for each in ran.entries if "level" in each] == [
        ("ERROR", str(ran.error))
    ]
    assert stage.cloud.kills == []
    is_plain(ran)


@pytest.mark.parametrize("name", FAULTS)
def test_where_a_later_page_of_the_groups_fails_those_listed_are_served_and_the_run_fails(
    stage: Stage, name: str
) -> None:
    stage.fail(Seam("DescribeAutoScalingGroups", nth=2), FAULTS[name])
    ran = stage.run()
    assert isinstance(ran.error, handlers.RunFailedError)
    assert str(ran.error).startswith(f"not all groups could be listed: {name}: ")
    assert len(stage.cloud.kills) == 1
    told = [each["message"] for each in ran.entries if each.get("level") == "ERROR"]
    assert told == [str(ran.error)]
    is_plain(ran)


@pytest.mark.parametrize("name", FAULTS)
def test_where_lifecycle_rules_cannot_be_read_nobody_goes_but_by_less_history(
    stage: Stage, name: str
) -> None:
    stage.fail(Seam("GetBucketLifecycleConfiguration"), FAULTS[name])
    ran = stage.run()
    if name == "AccessDenied":
        assert ran.error is None
        assert (stage.lost(BROKEN), stage.lost(OTHER)) == (1, 1)
    else:
        assert isinstance(ran.error, handlers.RunFailedError)
        assert "cannot read its bucket's lifecycle rules" in ran.why()
        assert stage.cloud.kills == []
    is_plain(ran)


@pytest.mark.parametrize("name", FAULTS)
def test_a_termination_that_fails_says_whether_it_may_have_happened(
    stage: Stage, name: str
) -> None:
    stage.fail(Seam("TerminateInstanceInAutoScalingGroup", BROKEN), FAULTS[name])
    ran = stage.run()
    record = ran.records[BROKEN]
    deferred, failed = record["deferred"], record["failed"]
    assert (ran.error is None) == (name in DEFERRED)
    assert list(deferred if name in DEFERRED else failed) == ["i-0001"]
    why = {**deferred, **failed}["i-0001"]
    unsure = "no clear answer, so it may have been terminated: " if name in UNSURE else ""
    assert why.startswith(f"{unsure}{name}: {WORDS.get(name, 'said')}")
    assert why in ran.last()["message"]
    assert record["terminated"] == []
    assert [call[0] for call in stage.called].count("TerminateInstanceInAutoScalingGroup") == 2
    is_served(stage, ran)
    is_plain(ran)


@pytest.mark.parametrize("text", GONE)
def test_an_instance_that_has_gone_already_is_a_deferral(stage: Stage, text: str) -> None:
    stage.fail(
        Seam("TerminateInstanceInAutoScalingGroup", BROKEN), refusal("ValidationError", text)
    )
    ran = stage.run()
    assert ran.error is None
    assert ran.records[BROKEN]["deferred"] == {"i-0001": f"ValidationError: {text}"}
    assert ran.records[BROKEN]["failed"] == {}
    is_served(stage, ran)


@pytest.mark.parametrize(("code", "text"), NOT_GONE)
def test_a_refusal_that_only_sounds_like_a_missing_instance_is_a_failure(
    stage: Stage, code: str, text: str
) -> None:
    stage.fail(Seam("TerminateInstanceInAutoScalingGroup", BROKEN), refusal(code, text))
    ran = stage.run()
    assert isinstance(ran.error, handlers.RunFailedError)
    assert ran.records[BROKEN]["deferred"] == {}
    assert ran.records[BROKEN]["failed"] == {"i-0001": f"{code}: {text}"}
    is_served(stage, ran)


def test_a_termination_whose_answer_was_lost_takes_no_other_with_it(stage: Stage) -> None:
    real = stage.aws.terminating.terminate_instance_in_auto_scaling_group

    def lose(**asked: Any) -> None:
        real(**asked)
        raise FAULTS["ReadTimeoutError"]

    stage.aws.terminating = SimpleNamespace(terminate_instance_in_auto_scaling_group=lose)
    assert "may have been terminated" in stage.run().records[BROKEN]["failed"]["i-0001"]
    stage.run()
    assert (stage.lost(BROKEN), stage.lost(OTHER)) == (1, 1)


def runs_out(stage: Stage, after: int, left: float) -> Ran:
    """Run with only so many seconds left once so many calls were made."""
    stage.remaining = lambda: left if len(stage.called) >= after else 300.0
    return stage.run()


def is_truthful(stage: Stage, ran: Ran) -> None:
    """Check that each record tells what became of its group, and the run's end of them all."""
    assert ran.records.keys() == {BROKEN, OTHER}
    for name, record in ran.records.items():
        assert len(record["terminated"]) == stage.lost(name)
        assert ran.last(name)["terminated"] == record["terminated"]
        told = [record["reason"], *record["failed"].values()]
        assert stage.lost(name) == 1 or any(
            re.search("time ran out|took [0-9]+ seconds", each) for each in told
        )
    is_whole = all(stage.lost(name) for name in ran.records)
    assert isinstance(ran.error, type(None) if is_whole else handlers.RunFailedError)


def is_one_step(calls: list[tuple[str, ...]]) -> bool:
    """Say whether what was called belongs together: the pages of a listing and its pointer."""
    apps = {subject.partition("/")[0] for _, *subjects in calls for subject in subjects}
    of_s3 = all(call[0] in {"ListObjectVersions", "GetObject"} for call in calls)
    return len(calls) == 1 or (of_s3 and len(apps) == 1)


@pytest.mark.parametrize("left", [0.0, 9.9, 29.9, 44.9])
@pytest.mark.parametrize("silent", [False, True], ids=["in one look", "in two looks"])
def test_time_may_run_out_at_any_call(
    monkeypatch: pytest.MonkeyPatch, *, silent: bool, left: float
) -> None:
    after = LISTING
    while True:
        stage = Stage(monkeypatch)
        if silent:
            stage.silence()
        ran = runs_out(stage, after, left)
        is_truthful(stage, ran)
        assert left or is_one_step(stage.called[after - 1 :]), stage.called[after - 1 :]
        if ran.error is None:
            break
        after += 1
    assert after > 15
    assert (stage.lost(BROKEN), stage.lost(OTHER)) == (1, 1)


@pytest.mark.parametrize("silent", [False, True], ids=["in one look", "in two looks"])
@pytest.mark.parametrize("seconds", [1.0, 5.0, 10.0, 15.0, 24.0])
def test_however_slow_each_call_is_the_run_ends_in_time(
    stage: Stage, *, seconds: float, silent: bool
) -> None:
    if silent:
        stage.silence()
    began = stage.cloud.now

    def pass_time(_operation: str, *_subjects: str) -> None:
        stage.cloud.wait(seconds / 60)

    stage.before.append(pass_time)
    stage.remaining = lambda: 300.0 - (stage.cloud.now - began).total_seconds()
    ran = stage.run()
    is_truthful(stage, ran)
    assert stage.remaining() > 0
