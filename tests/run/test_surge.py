"""A group of one in a run: the one call, what comes of it, and where it is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError
from jsonschema import Draft202012Validator

from terminator.errors import explain
from terminator.report import events
from terminator.report.record import Record
from terminator_cli.history import life
from terminator_cli.records import line
from tests.fakes.cloud import Cloud, FakeGroup, fleet, minutes, refusal
from tests.fakes.cloud_api import run, settings

DOCS = Path(__file__).parents[2] / "docs"
SCHEMA = json.loads((DOCS / "events.schema.json").read_text(encoding="utf-8"))
TAGS = {"terminator:minimum": "1", "terminator:surge": "refresh"}
START = "StartInstanceRefresh"


def one(*names: str, **more: Any) -> tuple[Cloud, list[FakeGroup]]:
    its = {"size": 1, "tags": TAGS, "balanced": True, "checks": "ELB", **more}
    return fleet(*names, **its)


def told(cloud: Cloud, record: Record) -> tuple[list[str], list[dict[str, Any]]]:
    """Return the log lines, and the events as the schema has them."""
    found = [
        {**entry, "Detail": json.loads(entry["Detail"])} for entry in events.of_records([record])
    ]
    for each in found:
        as_received = {
            "source": each["Source"], "detail-type": each["DetailType"], "detail": each["Detail"]
        }  # fmt: skip
        Draft202012Validator(SCHEMA).validate(as_received)
    return cloud.said(), found


def test_one_refresh_is_started_as_aws_documents_a_launch_before_a_termination() -> None:
    cloud, [group] = one(tags={**TAGS, "terminator:alarms": "5xx 4xx"}, grace=minutes(7))
    cloud.alarms |= {"5xx": "OK", "4xx": "INSUFFICIENT_DATA"}
    cloud.wait(60)
    record = run(cloud)["web"]
    [refresh] = cloud.refreshed["web"].of
    assert refresh.preferences == {
        "MinHealthyPercentage": 100,
        "MaxHealthyPercentage": 100,
        "InstanceWarmup": 17 * 60,
        "SkipMatching": False,
        "ScaleInProtectedInstances": "Ignore",
        "StandbyInstances": "Ignore",
        "AlarmSpecification": {"Alarms": ["5xx"]},
    }
    assert (cloud.calls[START], cloud.kills) == (1, [])
    assert (record.decision, record.to_terminate, record.terminated) == ("surge", (), ())
    assert (record.to_refresh, record.refresh) == (group.machines[0].id, refresh.id)
    assert Record.from_json(record.to_json()) == record


def test_a_refresh_that_begins_is_told_by_log_event_status_and_history() -> None:
    cloud, [group] = one()
    record = run(cloud)["web"]
    id_ = group.machines[0].id
    lines, [event] = told(cloud, record)
    assert lines[2:] == [
        f"web => surge: {record.reason}",
        "web => starting an instance refresh",
        f"web => instance refresh refresh-web-1 has begun: {id_} goes once another one serves",
        "web => complete",
    ]
    assert event["DetailType"] == "Terminator Refresh"
    assert event["Detail"]["refresh"] == "refresh-web-1"
    assert line(record) == f"web => 0 of 1 on target, surge: {record.reason}"
    dated = Record.from_json({**record.to_json(), "timestamp": cloud.now.isoformat()})
    assert "Terminator had instance refresh refresh-web-1 begin at" in life(id_, [dated])


def test_a_dry_run_starts_none_and_says_whom_it_would_replace() -> None:
    cloud, [group] = one()
    record = run(cloud, of=settings(dry_run=True))["web"]
    assert (cloud.calls[START], record.refresh) == (0, None)
    assert record.to_refresh == group.machines[0].id
    said = f"web => dry run: would start an instance refresh to replace {record.to_refresh}"
    assert cloud.said()[-1] == said


@pytest.mark.parametrize(
    "error",
    [
        refusal("InstanceRefreshInProgress", "one runs"),
        refusal("ScalingActivityInProgress", "busy"),
        refusal("ResourceContention", "busy"),
    ],
)
def test_where_aws_is_busy_with_the_group_the_next_run_tries_again(error: Exception) -> None:
    cloud, [group] = one()
    cloud.faults[START, "web"] = error
    record = run(cloud)["web"]
    assert record.deferred == {group.machines[0].id: explain(error)}
    assert (record.has_failed, record.refresh, cloud.calls[START]) == (False, None, 1)
    cloud.faults.clear()
    assert run(cloud)["web"].refresh is not None


def test_a_refusal_fails_the_run_with_awss_reason_and_is_not_tried_again_in_it() -> None:
    cloud, [group] = one()
    said = "You are not authorized to use launch template: lt-1"
    cloud.faults[START, "web"] = refusal("AccessDenied", said)
    record = run(cloud)["web"]
    assert (record.has_failed, cloud.calls[START]) == (True, 1)
    lines, [event] = told(cloud, record)
    assert lines[-1] == f"web => failed to refresh {group.machines[0].id}: AccessDenied: {said}"
    assert event["DetailType"] == "Terminator Failure"


def test_without_a_clear_answer_it_may_be_under_way_and_no_other_group_of_the_app_begins() -> None:
    cloud, _ = one("a", "b")
    cloud.faults[START, "a"] = ReadTimeoutError(endpoint_url="https://example")
    records = run(cloud)
    [why] = records["a"].failed.values()
    assert why.startswith("no clear answer, so it may be under way: ")
    assert (records["b"].hold, cloud.calls[START]) == ("another_group_first", 1)


def test_of_two_groups_of_an_app_one_begins_and_the_other_waits_for_it() -> None:
    cloud, _ = one("a", "b")
    first = run(cloud)
    assert (first["a"].decision, first["b"].hold) == ("surge", "another_group_first")
    later = run(cloud)
    assert (later["a"].hold, later["b"].hold) == ("instance_refresh", "another_group_first")


def test_a_refresh_counts_against_the_terminations_that_limits_allow_a_run() -> None:
    cloud, _ = one("a", "b", own_apps=True)
    records = run(cloud, of=settings(limits={"terminations": 1}))
    assert (records["a"].decision, records["b"].hold) == ("surge", "terminations_limit")


@pytest.mark.parametrize(
    "change",
    [
        lambda g: g.tags.pop("terminator:surge"),
        lambda g: g.tags.update({"terminator:minimum": "0"}),
        lambda g: setattr(g, "max_size", 1),
        lambda g: setattr(g, "checks", "EC2"),
        lambda g: setattr(g, "desired", 2),
        lambda g: setattr(g.machines[0], "protected", True),
    ],
)
def test_what_changes_during_the_run_begins_no_refresh(change: Any) -> None:
    cloud, [group] = one()
    said = cloud.called

    def called(operation: str, *subjects: str) -> None:
        said(operation, *subjects)
        if operation == "DescribeInstanceRefreshes" and cloud.calls[operation] == 2:
            change(group)

    cloud.called = called  # type: ignore[method-assign]
    record = run(cloud)["web"]
    assert (cloud.calls[START], cloud.kills) == (0, [])
    assert record.decision == "hold"


def test_its_refreshes_are_asked_only_where_one_may_be_started() -> None:
    for tags, times in ((TAGS, 2), ({"terminator:minimum": "1"}, 0)):
        cloud, _ = one(tags=tags)
        run(cloud)
        assert cloud.calls["DescribeInstanceRefreshes"] == times


def test_a_group_whose_refreshes_cannot_be_described_is_not_planned() -> None:
    cloud, _ = one()
    cloud.faults["DescribeInstanceRefreshes", "web"] = refusal("AccessDenied", "no")
    record = run(cloud)["web"]
    assert record.decision is None
    assert "cannot read its instance refreshes: AccessDenied: no" in record.reason
