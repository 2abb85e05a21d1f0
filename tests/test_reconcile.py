"""A run as a whole: what is observed, what fails, what is confirmed, and what it says."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from cloud import Cloud, FakeGroup, Machine, fleet, minutes, refusal
from cloud_api import run, settings
from terminator.probe import Answer, Question
from terminator.report import Outcome, record
from terminator.survey import Scope


def killed(cloud: Cloud) -> list[str]:
    return [group for _, group, _ in cloud.kills]


def reason_of(outcome: Outcome) -> str:
    assert outcome.decision is not None
    return outcome.decision.reason


def fail_to_observe(outcome: Outcome) -> str:
    assert outcome.decision is None
    assert outcome.has_failed
    return outcome.error or ""


def test_one_group_denied_its_termination_does_not_stop_the_others() -> None:
    cloud, _ = fleet("a", "b", "c")
    denied = refusal("AccessDenied", "not authorized to perform\nautoscaling:Terminate")
    cloud.faults["TerminateInstanceInAutoScalingGroup", "b"] = denied
    outcomes = run(cloud)
    assert killed(cloud) == ["a", "c"]
    assert [name for name, outcome in outcomes.items() if outcome.has_failed] == ["b"]
    assert (
        "b => failed to terminate i-0004: AccessDenied: not authorized to perform\\n"
        "autoscaling:Terminate"
    ) in cloud.said()


@pytest.mark.parametrize(
    "error",
    [
        refusal("ScalingActivityInProgress", "busy"),
        refusal("ResourceContention", "busy"),
        refusal("ValidationError", "Instance Id not found - No managed instance found"),
    ],
)
def test_a_deferral_is_reported_and_leaves_the_rest_of_the_group_alone(error: Exception) -> None:
    cloud, [group] = fleet(tags={"terminator:minimum": "0", "terminator:batch": "100%"})
    group.machines[-1].version = "1.0.274"
    group.machines[-1].launched = cloud.now - minutes(60)
    cloud.faults["TerminateInstanceInAutoScalingGroup", "web"] = error
    outcome = run(cloud, of=settings(bucket=False))["web"]
    assert not outcome.has_failed
    assert list(outcome.acted.deferred) == ["i-0001"]
    assert cloud.calls["TerminateInstanceInAutoScalingGroup"] == 1
    assert any(line.startswith("web => deferred i-0001: ") for line in cloud.said())


def test_a_validation_error_about_anything_else_is_a_failure() -> None:
    cloud, _ = fleet()
    error = refusal("ValidationError", "ShouldDecrementDesiredCapacity is required")
    cloud.faults["TerminateInstanceInAutoScalingGroup", "web"] = error
    assert run(cloud)["web"].has_failed


def test_a_probe_that_answers_for_three_of_four_fails_the_group() -> None:
    cloud, _ = fleet(size=4)
    outcome = run(cloud, probe=lambda *asked: cloud.probe(*asked)[:3])["web"]
    assert "i-0004: it was not asked" in fail_to_observe(outcome)
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
    outcome = run(cloud, probe=lambda *asked: [row, *cloud.probe(*asked)[1:]])["web"]
    assert "i-0001: it was not asked" in fail_to_observe(outcome)


def test_an_instance_without_an_address_fails_its_group_only() -> None:
    cloud, [first, _] = fleet("a", "b")
    first.machines[0].address = None
    outcomes = run(cloud)
    assert fail_to_observe(outcomes["a"]) == "could not be observed: i-0001: it has no address"
    assert killed(cloud) == ["b"]


def test_an_instance_missing_from_describe_instances_fails_its_group_only() -> None:
    cloud, [first, _] = fleet("a", "b")
    first.machines[0].hidden = True
    outcomes = run(cloud)
    assert "i-0001: missing from DescribeInstances" in fail_to_observe(outcomes["a"])
    assert killed(cloud) == ["b"]


def test_releases_that_cannot_be_listed_fail_the_groups_of_their_app_only() -> None:
    cloud, [_, other] = fleet("a", "b")
    other.tags["terminator:app"] = "api"
    cloud.faults["ListObjectVersions", "api/"] = refusal("AccessDenied")
    outcomes = run(cloud)
    assert "cannot read the releases of api" in fail_to_observe(outcomes["b"])
    assert killed(cloud) == ["a"]


def test_a_load_balancer_that_cannot_be_asked_fails_the_group() -> None:
    cloud, _ = fleet(balanced=True)
    cloud.faults["DescribeTargetHealth", "web"] = refusal("Throttling")
    outcome = fail_to_observe(run(cloud)["web"])
    assert "cannot read the health at target group web: Throttling" in outcome


def test_a_traffic_source_of_another_kind_fails_the_group() -> None:
    source = {"Type": "vpc-lattice", "Identifier": "tg-1"}
    cloud, _ = fleet(more={"TrafficSources": [source]})
    assert "at vpc-lattice tg-1: only target groups" in fail_to_observe(run(cloud)["web"])


def test_a_target_group_that_nothing_uses_says_nothing() -> None:
    cloud, [group] = fleet(balanced=True)
    for machine in group.machines:
        machine.target = "unused"
    run(cloud)
    assert len(cloud.kills) == 1


def test_guards_that_cannot_be_asked_fail_the_group_and_nothing_goes() -> None:
    cloud, _ = fleet()
    cloud.faults["DescribeInstanceRefreshes", "web"] = refusal("AccessDenied", "who?")
    assert fail_to_observe(run(cloud)["web"]) == "AccessDenied: who?"
    assert cloud.kills == []


def test_a_refresh_in_progress_and_a_missing_alarm_hold() -> None:
    cloud, [refreshed, alarmed] = fleet("a", "b")
    cloud.refreshes["a"] = "InProgress"
    alarmed.tags["terminator:alarms"] = "web-5xx"
    outcomes = run(cloud)
    assert refreshed.name == "a"
    reasons = [outcomes[name].decision.reason for name in "ab"]  # type: ignore[union-attr]
    assert reasons == [
        "an instance refresh is in progress (InProgress)",
        'alarm "web-5xx" does not exist',
    ]


def test_a_truncated_zip_holds_the_canary() -> None:
    cloud, _ = fleet()
    cloud.put("web/1.0.275.zip", b"PK\x03\x04 and no more")
    decision = run(cloud)["web"].decision
    assert decision is not None
    assert decision.reason == "the zip of 1.0.275 cannot be read: File is not a zip file"


def test_settings_that_cannot_be_read_hold_that_group_only_and_it_is_not_asked() -> None:
    cloud, [first, _] = fleet("a", "b")
    first.tags["terminator:minimum"] = "lots"
    asked: list[Question] = []

    def probe(vpc: str, questions: list[Question], seconds: float) -> list[Answer]:
        asked.extend(questions)
        return cloud.probe(vpc, questions, seconds)

    outcomes = run(cloud, probe=probe)
    assert outcomes["a"].decision is not None
    assert outcomes["a"].decision.reason == (
        'tag terminator:minimum says "lots"; accepted is a number such as 2 or a percentage '
        "of desired such as 50%"
    )
    assert record(outcomes["a"])["available"] is None
    assert {question["instance"] for question in asked} == {"i-0004", "i-0005", "i-0006"}
    assert killed(cloud) == ["b"]


def test_a_configured_name_that_matches_nothing_fails_after_the_others_were_served() -> None:
    cloud, _ = fleet()
    of = settings(groups={"names": ["ghost"], "tagged": True})
    outcomes = run(cloud, of=of)
    assert fail_to_observe(outcomes["ghost"]) == "no Auto Scaling group has this name"
    assert killed(cloud) == ["web"]


def test_a_named_group_needs_no_tag_but_must_not_say_otherwise() -> None:
    cloud, [group, other] = fleet("a", "b")
    del group.tags["terminator:enabled"]
    other.tags["terminator:enabled"] = "false"
    outcomes = run(cloud, of=settings(groups={"names": ["a", "b"]}))
    assert killed(cloud) == ["a"]
    assert outcomes["b"].decision is not None
    assert outcomes["b"].decision.reason == 'tag terminator:enabled says "false"; accepted is true'


def test_a_scope_narrows_and_opts_nothing_in() -> None:
    cloud, [_, _, private] = fleet("a", "b", "c")
    del private.tags["terminator:enabled"]
    outcomes = run(cloud, scope=Scope(groups=frozenset({"a", "c"})))
    assert killed(cloud) == ["a"]
    assert "no group of this name has opted in" in fail_to_observe(outcomes["c"])


def test_groups_of_another_app_are_left_out_of_an_apps_run() -> None:
    cloud, [_, other] = fleet("a", "b")
    other.tags["terminator:app"] = "api"
    assert list(run(cloud, scope=Scope(app="web"))) == ["a"]


def test_a_dry_run_plans_for_real_and_terminates_nothing() -> None:
    cloud, _ = fleet()
    outcome = run(cloud, of=settings(dry_run=True))["web"]
    assert cloud.kills == []
    assert cloud.calls["DescribeInstanceRefreshes"] == 1
    assert cloud.said()[-1] == "web => dry run: would terminate instance ids [i-0001]"
    assert record(outcome)["victims"] == ["i-0001"]
    assert record(outcome)["terminated"] == []


def test_no_group_is_begun_that_the_remaining_time_does_not_allow() -> None:
    cloud, _ = fleet("a", "b")
    outcomes = run(cloud, remaining=lambda: 30.0 if cloud.kills else 900.0)
    assert killed(cloud) == ["a"]
    assert fail_to_observe(outcomes["b"]) == "time ran out before it was begun"


def test_without_time_for_a_second_look_nothing_presumed_goes() -> None:
    cloud, _ = fleet()
    cloud.muted["i-0001"] = 99
    outcome = run(cloud, remaining=lambda: 60.0)["web"]
    assert fail_to_observe(outcome) == "time ran out before its second look"
    assert cloud.kills == []


def test_one_wait_serves_the_second_look_of_all_groups() -> None:
    cloud, _ = fleet("a", "b")
    cloud.muted.update({"i-0001": 99, "i-0004": 99})
    waits: list[float] = []
    run(cloud, sleep=waits.append)
    assert waits == [30.0]
    assert killed(cloud) == ["a", "b"]


class Edit:
    """Changes the group between the first plan and the confirmation."""

    def __init__(self, cloud: Cloud, group: FakeGroup) -> None:
        self.cloud, self.group = cloud, group

    def run(self, change: Any) -> str:
        """Run with the change made when the guards are asked; return what was decided."""
        said = self.cloud.called

        def called(operation: str, *subjects: str) -> None:
            said(operation, *subjects)
            if operation == "DescribeInstanceRefreshes":
                change(self.group)

        self.cloud.called = called  # type: ignore[method-assign]
        outcome = run(self.cloud)["web"]
        assert self.cloud.kills == []
        assert outcome.decision is not None
        return outcome.decision.reason


def add_pending(group: FakeGroup) -> None:
    machine = group.machines[0]
    late = Machine("i-new", machine.launched, machine.in_service, machine.up, "1.0.266")
    group.machines.append(late)
    group.desired += 1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda g: g.tags.update({"terminator:pause": "stop"}), 'paused: "stop"'),
        (lambda g: g.tags.pop("terminator:enabled"), "tag terminator:enabled is missing"),
        (lambda g: g.tags.update({"terminator:port": "81"}), "its settings have changed"),
        (lambda g: g.more.update(SuspendedProcesses=[{"ProcessName": "Launch"}]), "suspended"),
        (lambda g: g.more.update(Status="Delete in progress"), "the group is being deleted"),
        (add_pending, "waiting for proof: 1 in flight"),
        (lambda g: setattr(g.machines[0], "protected", True), "both plans chose nothing alike"),
        (lambda g: setattr(g.machines[1], "health", "Unhealthy"), "waiting for proof: 1 in flight"),
    ],
)
def test_what_changes_during_the_run_is_seen_right_before_acting(change: Any, reason: str) -> None:
    cloud, [group] = fleet()
    assert reason in Edit(cloud, group).run(change)


def test_a_group_that_goes_away_during_the_run_is_held() -> None:
    cloud, [group] = fleet()
    reason = Edit(cloud, group).run(lambda g: cloud.groups.pop(g.name))
    assert reason == "the group has gone since this run began"


def test_an_error_of_our_own_in_one_group_is_reported_and_stops_no_other() -> None:
    cloud, _ = fleet("a", "b")
    cloud.faults["DescribeInstanceRefreshes", "a"] = KeyError("oops")
    outcomes = run(cloud)
    assert "KeyError: 'oops' (" in fail_to_observe(outcomes["a"])
    assert killed(cloud) == ["b"]


def test_calls_grow_with_pages_and_groups_that_act_not_with_instances() -> None:
    small, large = fleet(*[f"g{n:03}" for n in range(120)], size=1)[0], Cloud()
    large.upload("web", "1.0.266")
    large.wait(60)
    for n in range(120):
        large.add_group(f"g{n:03}", 10)
    small.stored.pop()
    for cloud in (small, large):
        outcomes = run(cloud)
        assert len(outcomes) == 120
        assert all(o.decision and o.decision.kind == "converged" for o in outcomes.values())
    assert small.calls == {
        "DescribeAutoScalingGroups": 2,
        "DescribeInstances": 1,
        "ListObjectVersions": 1,
    }
    assert large.calls == {**small.calls, "DescribeInstances": 2}


FREE = {"terminator:minimum": "0", "terminator:batch": "100%"}


def proven(cloud: Cloud, group: FakeGroup) -> None:
    """Let the last member run the target for an hour."""
    cloud.wait(120)
    group.machines[-1].version = "1.0.274"
    group.machines[-1].launched = cloud.now - minutes(60)


def attach(group: FakeGroup) -> None:
    group.balanced = True


def detach(group: FakeGroup) -> None:
    group.balanced = False


NOTHING_ALIKE = "the group has changed since this run began: both plans chose nothing alike"


def test_an_outdated_victim_that_has_become_a_presumed_one_is_looked_at_again_first() -> None:
    cloud, [group] = fleet(tags=FREE)
    assert Edit(cloud, group).run(attach) == NOTHING_ALIKE


def test_a_presumed_outdated_victim_that_has_become_an_available_one_is_spared() -> None:
    cloud, [group] = fleet(tags=FREE, balanced=True)
    group.machines[0].target = "unhealthy"
    assert Edit(cloud, group).run(detach) == NOTHING_ALIKE


def test_a_replacement_does_not_become_a_canary_whose_zip_was_never_read() -> None:
    cloud, [group] = fleet(tags=FREE)
    proven(cloud, group)

    def stand_by(group: FakeGroup) -> None:
        group.machines[-1].lifecycle = "Standby"
        group.desired -= 1

    assert Edit(cloud, group).run(stand_by) == NOTHING_ALIKE


def test_a_termination_without_an_answer_may_have_happened_and_those_before_it_are_told() -> None:
    cloud, [group, _] = fleet("a", "b", tags=FREE)
    proven(cloud, group)
    silence = ReadTimeoutError(endpoint_url="https://autoscaling")
    cloud.faults["TerminateInstanceInAutoScalingGroup", "i-0002"] = silence
    outcome = run(cloud)["a"]
    assert outcome.acted.terminated == ("i-0001",)
    assert "may have been terminated: ReadTimeoutError: " in outcome.acted.failed["i-0002"]
    assert killed(cloud) == ["a", "b"]


def test_terminations_before_an_unforeseen_error_are_reported() -> None:
    cloud, [group, _] = fleet("a", "b", tags=FREE)
    proven(cloud, group)
    cloud.faults["TerminateInstanceInAutoScalingGroup", "i-0002"] = KeyError("oops")
    outcomes = run(cloud)
    assert record(outcomes["a"])["terminated"] == ["i-0001"]
    assert "KeyError: 'oops'" in outcomes["a"].acted.failed["i-0002"]
    assert [name for name, outcome in outcomes.items() if outcome.has_failed] == ["a"]
    assert killed(cloud) == ["a", "b"]


def test_a_group_that_cannot_be_planned_stops_no_other() -> None:
    cloud, [group, _] = fleet("a", "b")
    group.more["HealthCheckGracePeriod"] = "soon"
    assert "TypeError: " in fail_to_observe(run(cloud)["a"])
    assert killed(cloud) == ["b"]


def test_an_unforeseen_error_right_before_acting_stops_no_other_group() -> None:
    cloud, _ = fleet("a", "b")
    acting = "a => terminating 1 of 3 instances"

    def remaining() -> float:
        if cloud.lines and cloud.lines[-1].text == acting:
            raise KeyError("oops")
        return 900.0

    outcome = run(cloud, remaining=remaining)["a"]
    assert "KeyError: 'oops'" in fail_to_observe(outcome)
    assert killed(cloud) == ["b"]


def test_an_instance_with_a_weight_holds_its_group() -> None:
    cloud, [group] = fleet()
    group.machines[0].weight = "2"
    assert reason_of(run(cloud)["web"]) == "weighted capacity: i-0001"


def test_capacity_in_other_units_holds_the_group() -> None:
    cloud, _ = fleet(more={"DesiredCapacityType": "vcpu"})
    assert reason_of(run(cloud)["web"]) == (
        "weighted capacity: the group's desired capacity is measured in vcpu"
    )


def test_without_time_to_read_the_releases_every_group_is_reported() -> None:
    cloud, _ = fleet("a", "b")
    outcomes = run(cloud, remaining=lambda: 40.0)
    whys = [fail_to_observe(outcomes[name]) for name in "ab"]
    assert whys == ["could not be observed: cannot read the releases of web: time ran out"] * 2
    assert cloud.calls["ListObjectVersions"] == 0
    assert [line.split(" => ")[0] for line in cloud.said()] == ["a", "b"]


def test_without_time_to_ask_a_load_balancer_every_group_is_reported() -> None:
    cloud, [group, _] = fleet("a", "b")
    group.balanced = True
    outcomes = run(cloud, remaining=lambda: 40.0 if cloud.calls["DescribeInstances"] else 900.0)
    assert "health at target group a: time ran out" in fail_to_observe(outcomes["a"])
    assert fail_to_observe(outcomes["b"]) == "time ran out before it was begun"
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
    cloud, _ = fleet("a", "b", balanced=True)
    cloud.faults["DescribeTargetHealth", "b"] = KeyError("oops")
    assert "target group b: KeyError: 'oops'" in fail_to_observe(run(cloud)["b"])
    assert killed(cloud) == ["a"]


def test_an_unforeseen_error_in_one_vpc_fails_its_groups_only() -> None:
    cloud, [_, other] = fleet("a", "b")
    for machine in other.machines:
        machine.vpc = "vpc-2"

    def probe(vpc: str, questions: list[Question], seconds: float) -> list[Answer]:
        return {"vpc-1": cloud.probe}[vpc](vpc, questions, seconds)

    assert "i-0004: KeyError: 'vpc-2'" in fail_to_observe(run(cloud, probe=probe)["b"])
    assert killed(cloud) == ["a"]
