"""What scaling activities tell: when instances entered service, and which launches failed."""

# ruff: noqa: N803 - arguments have AWS's names

from __future__ import annotations

import copy
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ParamValidationError
from botocore.stub import Stubber

from terminator.observe.autoscaling import Activities, describe_activities
from tests.decide.builders import NOW, ago

if TYPE_CHECKING:
    from types_boto3_autoscaling.client import AutoScalingClient

ID = "i-061c63c5eb45f0416"
READ_FROM = NOW - timedelta(days=3)


def activity(
    text: str, begun: float, ended: float | None = None, status: str = "Successful", **more: Any
) -> dict[str, Any]:
    """Return an activity that began, and ended, so many minutes before NOW."""
    row = {
        "ActivityId": "142928e1-a2dc-453a-9b24-b85ad6735928",
        "AutoScalingGroupName": "web",
        "Description": text,
        "Cause": "At 2026-11-18T11:00:00Z an instance was launched in response to a user request.",
        "StartTime": ago(begun),
        "StatusCode": status,
        "Progress": 100 if ended is not None else 50,
        **more,
    }
    return row if ended is None else {**row, "EndTime": ago(ended)}


@cache
def autoscaling() -> AutoScalingClient:
    return boto3.client("autoscaling", region_name="eu-west-1")


def read(*rows: dict[str, Any], a_page: int = 100) -> Activities:
    """Read activities as a real client does, whose answers are in pages."""
    client = autoscaling()
    pages = [list(rows[start : start + a_page]) for start in range(0, len(rows), a_page)] or [[]]
    operation = client.meta.service_model.operation_model("DescribeScalingActivities")
    if operation.input_shape is None or "Filters" not in operation.input_shape.members:
        pytest.skip("the boto3 of `make oldest` does not know the filter")
    asked: dict[str, Any] = {
        "AutoScalingGroupName": "web",
        "Filters": [{"Name": "StartTimeLowerBound", "Values": ["2026-11-15T12:00:00Z"]}],
        "MaxRecords": 100,
    }
    with Stubber(client) as stub:
        for number, page in enumerate(pages):
            more = {"NextToken": f"page {number + 1}"} if number + 1 < len(pages) else {}
            answer = {"Activities": page, **more}
            stub.add_response("describe_scaling_activities", answer, copy.deepcopy(asked))
            asked["NextToken"] = f"page {number + 1}"
        found = describe_activities(client, "web", READ_FROM)
        stub.assert_no_pending_responses()
    return found


def entered(found: Activities, created: float = 60, id_: str = ID) -> datetime | None:
    return found.entered_service(id_, ago(created), NOW)


@pytest.mark.parametrize(
    "text",
    [
        f"Launching a new EC2 instance: {ID}",
        f"Launching a new EC2 instance from warm pool: {ID}",
        f"Moving EC2 instance out of Standby: {ID}",
        f"Attaching an existing EC2 instance: {ID}",
        f"Replacing root volume of EC2 instance: {ID}",
    ],
)
def test_an_instance_has_been_in_service_since_an_activity_that_put_it_there_ended(
    text: str,
) -> None:
    assert entered(read(activity(text, 60, 40))) == ago(40)


@pytest.mark.parametrize(
    "text",
    [
        f"Launching a new EC2 instance into warm pool: {ID}",
        f"Moving EC2 instance to Standby: {ID}",
        f"Detaching EC2 instance: {ID}",
        f"Terminating EC2 instance: {ID}",
        f"Launching a new EC2 instance: {ID}0",
    ],
)
def test_no_other_activity_puts_it_there(text: str) -> None:
    assert entered(read(activity(text, 60, 40))) is None
    assert entered(read(activity(text, 60, status="InProgress"))) is None


def test_of_several_activities_the_newest_counts() -> None:
    launched = activity(f"Launching a new EC2 instance: {ID}", 600, 590)
    attached = activity(f"Moving EC2 instance out of Standby: {ID}", 60, 50)
    aside = activity(f"Moving EC2 instance to Standby: {ID}", 90, 80)
    assert entered(read(attached, aside, launched)) == ago(50)


@pytest.mark.parametrize(
    "status",
    [
        "PendingSpotBidPlacement",
        "PreInService",
        "InProgress",
        "MidLifecycleAction",
        "WaitingForInstanceWarmup",
        "WaitingForELBConnectionDraining",
        "SomethingOfTomorrow",
    ],
)
def test_while_an_activity_is_under_way_the_instance_enters_service_just_now(status: str) -> None:
    found = read(activity(f"Launching a new EC2 instance: {ID}", 60, status=status))
    assert entered(found) == NOW


@pytest.mark.parametrize("status", ["Failed", "Cancelled"])
def test_an_activity_that_failed_puts_nothing_in_service(status: str) -> None:
    found = read(activity(f"Launching a new EC2 instance: {ID}", 60, 40, status))
    assert (entered(found), found.failed_launches) == (None, (ago(40),))


def test_launches_that_failed_or_were_abandoned_are_told_the_newest_first() -> None:
    abandoned = "Instance failed to complete user's Lifecycle Action: … was abandoned"
    found = read(
        activity("Launching a new EC2 instance", 10, 9, "Failed", StatusMessage="no capacity"),
        activity(f"Moving EC2 instance out of Standby: {ID}", 20, 19, "Failed"),
        activity("Launching a new EC2 instance into warm pool", 30, 29, "Failed"),
        activity(
            f"Launching a new EC2 instance: {ID}", 40, 5, "Cancelled", StatusMessage=abandoned
        ),
        activity(f"Terminating EC2 instance: {ID}", 50, 49, "Failed"),
        activity("Launching a new EC2 instance", 60, status="Failed"),
    )
    assert found.failed_launches == (ago(5), ago(9), ago(60))


@pytest.mark.parametrize("ended", [50, None])
def test_it_was_taken_from_the_warm_pool_when_that_began(ended: float | None) -> None:
    """Also while it is on its way: it is what came since the release."""
    taken = f"Launching a new EC2 instance from warm pool: {ID}"
    filled = f"Launching a new EC2 instance into warm pool: {ID}"
    status = "MidLifecycleAction" if ended is None else "Successful"
    found = read(activity(taken, 60, ended, status), activity(filled, 600, 590))
    assert found.from_pool == {ID: ago(60)}


def test_an_instance_leaves_since_it_began_to_be_terminated() -> None:
    found = read(
        activity(f"Terminating EC2 instance: {ID}", 60, status="MidLifecycleAction"),
        activity(f"Launching a new EC2 instance: {ID}", 600, 590),
    )
    assert (found.leaving, found.entering) == ({ID: ago(60)}, frozenset())


def test_without_an_activity_it_is_unknown_but_of_what_is_older_than_was_read() -> None:
    found = read()
    assert entered(found, created=60) is None
    older = timedelta(days=3, minutes=1) / timedelta(minutes=1)
    assert entered(found, created=older) == ago(older)


def test_all_pages_are_read() -> None:
    rows = [activity(f"Launching a new EC2 instance: i-{n:08x}", n, n) for n in range(250)]
    found = read(*rows, a_page=100)
    assert len(found.in_service) == 250
    assert not found.cut


def test_of_too_many_activities_the_newest_are_read() -> None:
    rows = [activity(f"Launching a new EC2 instance: i-{n:08x}", n / 2, n / 2) for n in range(5000)]
    found = read(*rows, a_page=500)
    assert (found.cut, found.read_from) == (True, ago(2499.5))
    # What is older has been in service for that long, and nobody knows for how much longer.
    assert entered(found, created=4000) == found.read_from
    assert entered(found, created=2400) is None


class Old:
    """A client that does not know the filter: it answers all activities of six weeks."""

    def __init__(self, *rows: dict[str, Any]) -> None:
        self.rows, self.pages = rows, 0

    def get_paginator(self, _name: str) -> Any:
        return SimpleNamespace(paginate=self.paginate)

    def paginate(
        self,
        AutoScalingGroupName: str,
        PaginationConfig: dict[str, int],
        **more: Any,
    ) -> Iterator[Any]:
        assert AutoScalingGroupName == "web"
        if more:
            raise ParamValidationError(report=f"Unknown parameter in input: {[*more]}")
        for start in range(0, len(self.rows), PaginationConfig["PageSize"]):
            self.pages += 1
            yield {"Activities": self.rows[start : start + PaginationConfig["PageSize"]]}


def test_a_client_that_does_not_know_the_filter_reads_no_further_than_is_asked() -> None:
    hours = 60.0
    stuck = activity("Launching a new EC2 instance: i-0000", 9999 * hours, status="InProgress")
    rows = [
        activity(f"Launching a new EC2 instance: i-{n:08x}", n * hours, n * hours)
        for n in range(1000)
    ]
    client: Any = Old(stuck, *rows)
    found = describe_activities(client, "web", READ_FROM)
    assert (len(found.in_service), found.entering) == (73, frozenset())
    assert client.pages == 1


def test_time_is_asked_for_before_each_page() -> None:
    asked: list[None] = []
    client: Any = Old(*[activity("Launching a new EC2 instance", 1, 1)] * 250)
    describe_activities(client, "web", READ_FROM, lambda: asked.append(None))
    assert len(asked) == 4


@pytest.mark.parametrize(
    ("causes", "is_taken"),
    [
        (["an instance was taken out of service in response to a user request."], True),
        (
            [
                "a user request explicitly set group desired capacity, from 3 to 2.",
                "an instance was taken out of service in response to a difference of capacities.",
            ],
            False,
        ),
        (["an instance was taken out of service in response to an EC2 health check."], False),
        (["it was taken out of service in response to a user request, shrinking it to 4."], False),
    ],
)
def test_what_was_terminated_on_request_is_told_with_its_launch_and_its_end(
    causes: list[str], *, is_taken: bool
) -> None:
    cause = "At 12:00Z " + " At 12:00Z ".join(causes)
    found = read(
        activity(f"Terminating EC2 instance: {ID}", 20, 19, Cause=cause),
        activity(f"Launching a new EC2 instance: {ID}", 60, 58),
    )
    assert found.taken == (((ago(60), ago(20)),) if is_taken else ())


def test_what_was_terminated_on_request_was_launched_before_the_activities_that_do_not_tell() -> (
    None
):
    """So it is with its launch read with activities of longer ago, or counts as one of then."""
    found = read(activity(f"Terminating EC2 instance: {ID}", 20, 19))
    assert found.taken == ((READ_FROM, ago(20)),)


ELB_CHECK = "an ELB system health check failure."
EC2_CHECK = "an EC2 health check indicating it has been terminated or stopped."


@pytest.mark.parametrize(
    ("cause", "life", "is_told"),
    [
        (ELB_CHECK, 10, True),
        (ELB_CHECK, 600, True),
        (EC2_CHECK, 59, True),
        (EC2_CHECK, 61, False),
        ("an EC2 instance status checks failure.", 10, True),
        ("a user health-check.", 10, True),
        ("a user request.", 10, False),
        ("a difference between desired and actual capacity, shrinking it from 3 to 2.", 10, False),
    ],
)
def test_boots_that_a_health_check_took_are_told_with_their_launch(
    cause: str, life: float, *, is_told: bool
) -> None:
    """A spot instance that served for long before EC2 took it tells nothing of boots."""
    text = f"At 12:00Z an instance was taken out of service in response to {cause}"
    found = read(
        activity(f"Terminating EC2 instance: {ID}", 20, 19, Cause=text),
        activity(f"Launching a new EC2 instance: {ID}", life + 22, life + 20),
    )
    assert found.replaced == ({ID: ago(life + 22)} if is_told else {})


def test_of_too_many_activities_nobody_knows_which_of_before_were_terminated() -> None:
    launched = [activity(f"Launching a new EC2 instance: i-{n:08x}", n, n) for n in range(4999)]
    found = read(activity(f"Terminating EC2 instance: {ID}", 0.5, 0.4), *launched, a_page=500)
    assert (found.cut, found.taken) == (True, ())
