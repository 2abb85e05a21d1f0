"""A run that a person asks for: to replace instances by name, whatever the rules say."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from terminator.errors import UnknownInstancesError
from terminator.model import Request
from terminator.reconcile import reconcile
from terminator.report.record import Record
from tests.fakes.cloud import Cloud, fleet
from tests.fakes.cloud_api import settings, world
from tests.run.reading import fail_to_observe, killed

BY = "arn:aws:iam::123456789012:user/kim"


def ask(cloud: Cloud, *named: str, **more: Any) -> dict[str, Record]:
    """Ask to replace instances, by their names."""
    config = settings(**more)
    records = reconcile(world(cloud), config, request=Request(named, BY))
    return {record.group: record for record in records}


def test_who_is_named_goes_and_the_rules_move_nobody_else() -> None:
    cloud, _ = fleet("a", "b", "c", own_apps=True)
    records = ask(cloud, "i-0003")
    assert [id_ for _, _, id_ in cloud.kills] == ["i-0003"]
    assert list(records) == ["a"]
    assert (records["a"].terminated, records["a"].requested_by) == (("i-0003",), BY)
    assert cloud.lines[-1].fields["requested_by"] == BY
    assert any(f"a => replace: {BY} asked to replace i-0003" in line for line in cloud.said())


def test_named_ones_of_several_groups_go_in_one_run() -> None:
    cloud, _ = fleet("a", "b")
    ask(cloud, "i-0002", "i-0005")
    assert killed(cloud) == ["a", "b"]


def test_a_dry_run_says_who_would_go() -> None:
    cloud, _ = fleet()
    record = ask(cloud, "i-0002", dry_run=True)["web"]
    assert (record.to_terminate, record.terminated, cloud.kills) == (("i-0002",), (), [])


@pytest.mark.parametrize("others", [(), ("i-0001",)])
def test_one_that_no_group_has_refuses_all(others: tuple[str, ...]) -> None:
    cloud, [_, private] = fleet("a", "b")
    del private.tags["terminator:enabled"]
    for unknown in ("i-9999", "i-0004"):
        with pytest.raises(UnknownInstancesError, match=f"in no group that opted in: {unknown}$"):
            ask(cloud, *others, unknown)
    assert cloud.kills == []


@pytest.mark.parametrize(
    "change",
    [
        lambda g: setattr(g.machines[1], "protected", True),
        lambda g: setattr(g.machines[1], "lifecycle", "Standby"),
        lambda g: g.tags.update({"terminator:pause": "stop"}),
        lambda g: g.tags.update({"terminator:minimum": "3"}),
        lambda g: g.tags.pop("terminator:enabled"),
    ],
)
def test_what_changes_right_before_acting_is_seen(change: Any) -> None:
    cloud, [group] = fleet()
    said = cloud.called

    def called(operation: str, *subjects: str) -> None:
        said(operation, *subjects)
        if operation == "DescribeInstanceRefreshes":
            change(group)

    cloud.called = called  # type: ignore[method-assign]
    assert ask(cloud, "i-0002")["web"].decision == "hold"
    assert cloud.kills == []


def test_a_refresh_in_progress_holds_a_person_too() -> None:
    cloud, _ = fleet()
    cloud.refreshes["web"] = "InProgress"
    assert ask(cloud, "i-0002")["web"].hold == "instance_refresh"
    assert cloud.kills == []


def test_a_closed_window_and_an_alarm_are_overridden_and_said() -> None:
    cloud, [group] = fleet()
    group.tags |= {"terminator:window": "Sun 01:00-02:00 UTC", "terminator:alarms": "web-5xx"}
    cloud.alarms["web-5xx"] = "ALARM"
    reason = ask(cloud, "i-0002")["web"].reason
    assert killed(cloud) == ["web"]
    assert "overrides: outside the maintenance window Sun 01:00-02:00 UTC" in reason


def test_the_most_terminations_of_a_run_hold_a_person_too() -> None:
    cloud, [group] = fleet()
    group.tags["terminator:minimum"] = "0"
    record = ask(cloud, "i-0001", "i-0002", limits={"terminations": 1})["web"]
    assert record.terminated == ("i-0001",)
    assert "limits allow 1 termination a run" in record.reason


def test_a_group_that_cannot_be_observed_loses_nobody_for_nothing_tells_its_minimum() -> None:
    cloud, _ = fleet()

    def probe(*_: object) -> Any:
        return []

    deaf = replace(world(cloud), probe=probe)
    [record] = reconcile(deaf, settings(), request=Request(("i-0002",), BY))
    assert fail_to_observe(record)
    assert cloud.kills == []


def test_the_next_run_goes_on_by_the_rules() -> None:
    cloud, _ = fleet()
    ask(cloud, "i-0003")
    cloud.wait(30)
    [record] = reconcile(world(cloud), settings())
    assert record.requested_by is None
