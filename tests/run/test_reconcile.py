"""A run as a whole: whom it serves, what it asks, and what it holds."""

from __future__ import annotations

import pytest

from terminator.errors import UnknownGroupsError
from terminator.observe.snapshot import Scope
from terminator.probe.ask import Answer, Question
from tests.fakes.cloud import Cloud, fleet
from tests.fakes.cloud_api import run, settings
from tests.run.reading import fail_to_observe, killed, reason_of


def test_a_target_group_that_nothing_uses_says_nothing() -> None:
    cloud, [group] = fleet(balanced=True)
    for machine in group.machines:
        machine.target = "unused"
    run(cloud)
    assert len(cloud.kills) == 1


def test_a_refresh_in_progress_and_a_missing_alarm_hold() -> None:
    cloud, [refreshed, alarmed] = fleet("a", "b", own_apps=True)
    cloud.refreshes["a"] = "InProgress"
    alarmed.tags["terminator:alarms"] = "web-5xx"
    records = run(cloud)
    assert refreshed.name == "a"
    reasons = [records[name].reason for name in "ab"]
    assert reasons == [
        "an instance refresh is in progress (InProgress)",
        'alarm "web-5xx" does not exist',
    ]


def test_a_truncated_zip_holds_the_canary() -> None:
    cloud, _ = fleet()
    cloud.put("web/1.0.275.zip", b"PK\x03\x04 and no more")
    assert (
        reason_of(run(cloud)["web"]) == "the zip of 1.0.275 cannot be read: File is not a zip file"
    )


def test_settings_that_cannot_be_read_hold_that_group_only_and_it_is_not_asked() -> None:
    cloud, [first, _] = fleet("a", "b", own_apps=True)
    first.tags["terminator:minimum"] = "lots"
    asked: list[Question] = []

    def probe(vpc: str, questions: list[Question], seconds: float) -> list[Answer]:
        asked.extend(questions)
        return cloud.probe(vpc, questions, seconds)

    records = run(cloud, probe=probe)
    assert records["a"].decision is not None
    assert records["a"].reason == (
        'tag terminator:minimum says "lots"; accepted is a number such as 2 or a percentage '
        "of desired such as 50%"
    )
    assert records["a"].available is None
    assert {question["instance"] for question in asked} == {"i-0004", "i-0005", "i-0006"}
    assert killed(cloud) == ["b"]


def test_a_configured_name_that_matches_nothing_fails_after_the_others_were_served() -> None:
    cloud, _ = fleet()
    of = settings(groups={"names": ["ghost"], "tagged": True})
    records = run(cloud, of=of)
    assert fail_to_observe(records["ghost"]) == "no Auto Scaling group has this name"
    assert killed(cloud) == ["web"]


def test_a_named_group_needs_no_tag_but_must_not_say_otherwise() -> None:
    cloud, [group, other] = fleet("a", "b", own_apps=True)
    del group.tags["terminator:enabled"]
    other.tags["terminator:enabled"] = "false"
    records = run(cloud, of=settings(groups={"names": ["a", "b"]}))
    assert killed(cloud) == ["a"]
    assert records["b"].decision is not None
    assert records["b"].reason == 'tag terminator:enabled says "false"; accepted is true'


def test_a_scope_narrows_and_opts_nothing_in() -> None:
    cloud, [_, _, private] = fleet("a", "b", "c", own_apps=True)
    del private.tags["terminator:enabled"]
    with pytest.raises(UnknownGroupsError, match=r"no group of this name has opted in.*: c$"):
        run(cloud, scope=Scope(groups=frozenset({"a", "c"})))
    assert killed(cloud) == []
    assert list(run(cloud, scope=Scope(groups=frozenset({"a"})))) == ["a"]
    assert killed(cloud) == ["a"]


def test_groups_of_another_app_are_left_out_of_an_apps_run() -> None:
    cloud, [_, other] = fleet("a", "b")
    other.tags["terminator:app"] = "api"
    assert list(run(cloud, scope=Scope(app="web"))) == ["a"]


def test_a_dry_run_plans_for_real_and_terminates_nothing() -> None:
    cloud, _ = fleet()
    record = run(cloud, of=settings(dry_run=True))["web"]
    assert cloud.kills == []
    assert cloud.calls["DescribeInstanceRefreshes"] == 1
    assert cloud.said()[-1] == "web => dry run: would terminate instance ids [i-0001]"
    assert record.to_terminate == ("i-0001",)
    assert record.terminated == ()


def test_one_wait_serves_the_second_look_of_all_groups() -> None:
    cloud, _ = fleet("a", "b", own_apps=True)
    cloud.muted.update({"i-0001": 99, "i-0004": 99})
    waits: list[float] = []
    run(cloud, sleep=waits.append)
    assert waits == [30.0]
    assert killed(cloud) == ["a", "b"]


def test_calls_grow_with_pages_and_groups_that_act_not_with_instances() -> None:
    small, large = fleet(*[f"g{n:03}" for n in range(120)], size=1)[0], Cloud()
    large.upload("web", "1.0.266")
    large.wait(60)
    for n in range(120):
        large.add_group(f"g{n:03}", 10)
    small.stored.pop()
    for cloud in (small, large):
        records = run(cloud)
        assert len(records) == 120
        assert {record.decision for record in records.values()} == {"converged"}
    assert small.calls == {
        "DescribeAutoScalingGroups": 2,
        "DescribeInstances": 1,
        "ListObjectVersions": 1,
    }
    assert large.calls == {**small.calls, "DescribeInstances": 2}


def test_an_instance_with_a_weight_holds_its_group() -> None:
    cloud, [group] = fleet()
    group.machines[0].weight = "2"
    assert reason_of(run(cloud)["web"]) == "weighted capacity: i-0001"


def test_capacity_in_other_units_holds_the_group() -> None:
    cloud, _ = fleet(more={"DesiredCapacityType": "vcpu"})
    assert reason_of(run(cloud)["web"]) == (
        "weighted capacity: the group's desired capacity is measured in vcpu"
    )
