"""Every call that reconcile makes, failing in every way: nobody goes wrongly, and it is told."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from terminator import handlers
from tests.search.faults import BROKEN, FAULTS, OTHER, Ran, Seam, Stage, answered

# Calls whose failure fails one group, and what its record begins with.
SEAMS = {
    "instances": (
        Seam("DescribeInstances"),
        "could not be observed: i-0001: cannot describe instances: ",
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
        "could not be observed: i-0001: the probe function of vpc-1 failed: ",
    ),
    "instance refreshes": (Seam("DescribeInstanceRefreshes", BROKEN), ""),
    "alarms": (Seam("DescribeAlarms"), ""),
    "the size of the zip": (Seam("HeadObject", "broken/1.0.274.zip"), ""),
    "the directory of the zip": (Seam("GetObject", "broken/1.0.274.zip"), ""),
    "the group once more": (Seam("DescribeAutoScalingGroups", nth=3), ""),
}
SECOND_LOOK = {
    "instances": (Seam("DescribeInstances", nth=3), SEAMS["instances"][1]),
    "a target group": (Seam("DescribeTargetHealth", BROKEN, 2), SEAMS["a target group"][1]),
    "a load balancer": (Seam("DescribeInstanceHealth", BROKEN, 2), SEAMS["a load balancer"][1]),
    "the probe": (Seam("Invoke", "probe-1", 2), SEAMS["the probe"][1]),
    "instance refreshes": (Seam("DescribeInstanceRefreshes", BROKEN, 2), ""),
    "the group once more": (Seam("DescribeAutoScalingGroups", nth=4), ""),
}
ZIP = {"the size of the zip", "the directory of the zip"}
DEFERRED = {"ScalingActivityInProgress", "ResourceContention"}
UNSURE = {"InternalFailure", "ReadTimeoutError"}


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    """Deploy the handler on the cloud model."""
    return Stage(monkeypatch)


def is_told(ran: Ran, told: str) -> None:
    """Check that the broken group's failure is told, once, and ends the run as failed."""
    assert isinstance(ran.error, handlers.RunFailedError)
    assert ran.records[BROKEN]["decision"] is None
    assert told in ran.why()
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
        "TerminateInstanceInAutoScalingGroup"
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
    is_told(ran, f"{told}{name}: ")
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
    is_told(ran, f"{told}{name}: ")
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
@pytest.mark.parametrize("page", [1, 2])
def test_where_the_groups_cannot_be_listed_the_run_fails_and_nobody_goes(
    stage: Stage, page: int, name: str
) -> None:
    stage.fail(Seam("DescribeAutoScalingGroups", nth=page), FAULTS[name])
    ran = stage.run()
    assert isinstance(ran.error, handlers.RunFailedError)
    assert str(ran.error).startswith(f"the groups could not be served: {name}: ")
    assert [(each["level"], each["message"]) for each in ran.entries if "level" in each] == [
        ("ERROR", str(ran.error))
    ]
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
    assert why.startswith(f"{unsure}{name}: ")
    assert why in ran.last()["message"]
    assert record["terminated"] == []
    assert [call[0] for call in stage.called].count("TerminateInstanceInAutoScalingGroup") == 2
    is_served(stage, ran)
    is_plain(ran)


def test_a_termination_whose_answer_was_lost_takes_no_other_with_it(stage: Stage) -> None:
    real = stage.aws.terminating.terminate_instance_in_auto_scaling_group

    def lose(**asked: Any) -> None:
        real(**asked)
        raise FAULTS["ReadTimeoutError"]

    stage.aws.terminating = SimpleNamespace(terminate_instance_in_auto_scaling_group=lose)
    assert "may have been terminated" in stage.run().records[BROKEN]["failed"]["i-0001"]
    stage.run()
    assert (stage.lost(BROKEN), stage.lost(OTHER)) == (1, 1)
