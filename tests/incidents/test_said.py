"""What is said where nothing can be done, and what cannot be observed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.fakes.cloud import refusal
from tests.fakes.groups import Program, minutes
from tests.incidents.fleets import (
    CHECKED,
    FIX,
    KINDS,
    NEVER_UP,
    NEW,
    OLD,
    Fleet,
    all_on,
    fleet,
    settings_of,
)


@pytest.mark.parametrize("text", ["True", "TRUE", "yes", "false", ""])
def test_an_opt_in_that_does_not_say_true_is_seen_and_held_with_the_reason(text: str) -> None:
    """Row 23: Python's str(True)."""
    lives = fleet(3)
    lives.group.tags["terminator:enabled"] = text
    lives.release(NEW)
    lives.pass_minutes(10)
    assert lives.record.hold == "settings_unreadable"
    assert f'terminator:enabled says "{text}"; accepted is true' in lives.record.reason
    assert lives.record.needs_attention
    assert lives.lost == 0


def test_a_role_that_may_not_terminate_fails_the_run_and_the_reason_names_the_permission() -> None:
    """Row 28."""
    lives = fleet(3)
    denied = refusal(
        "AccessDenied",
        "User: arn:aws:sts::1:assumed-role/x is not authorized to perform: "
        "autoscaling:TerminateInstanceInAutoScalingGroup on resource: y",
    )
    lives.cloud.faults["TerminateInstanceInAutoScalingGroup", "web"] = denied
    lives.release(NEW)
    lives.pass_minutes(5)
    assert lives.record.has_failed
    [why] = lives.record.failed.values()
    assert "not authorized to perform: autoscaling:TerminateInstanceInAutoScalingGroup" in why
    assert lives.lost == 0


@pytest.mark.parametrize("minimum", [None, "1", "100%"])
@KINDS
def test_a_group_of_one_says_that_its_minimum_lets_none_go(
    minimum: str | None, stands: Mapping[str, Any]
) -> None:
    """Row 31, where it asks for no surge."""
    lives = fleet(1, tags=settings_of(minimum=minimum) if minimum else {}, **stands)
    lives.release(NEW)
    lives.pass_hours(2)
    lives.pass_quiet_hours(23)
    assert lives.lost == 0
    assert lives.record.hold == "no_budget"
    assert "1 available of 1 desired, minimum 1" in lives.record.reason
    assert lives.record.needs_attention


def test_instances_of_an_ipv6_only_subnet_are_asked_there() -> None:
    """Row 32."""
    lives = fleet(3)
    for number, machine in enumerate(lives.members()):
        machine.address = f"2001:db8::{number}"
    lives.release(NEW)
    lives.pass_minutes(5)
    assert not lives.record.has_failed
    assert lives.record.available == 3


def test_an_instance_without_any_address_is_not_asked_and_its_group_says_so() -> None:
    lives = fleet(3)
    for machine in lives.members():
        machine.address = None
    lives.release(NEW)
    lives.pass_minutes(5)
    assert lives.record.has_failed
    assert "it has no private IPv4 address and no IPv6 address" in lives.record.reason
    assert lives.lost == 0


def test_an_instance_that_somebody_else_terminates_between_look_and_call_fails_nothing() -> None:
    """Row 34: the second of four; the rest go in this run or the next."""
    lives = fleet(16, tags=settings_of(max_unavailable="4"))
    lives.release(NEW)
    assert lives.hours_until(lambda: lives.serving(NEW) == 1, most=4) is not None
    lives.pass_minutes(6)
    said, calls = lives.cloud.called, 0

    def called(operation: str, *subjects: str) -> None:
        nonlocal calls
        said(operation, *subjects)
        if operation == "TerminateInstanceInAutoScalingGroup":
            calls += 1
            if calls == 2:
                gone = next(m for m in lives.members() if m.id in subjects)
                gone.leaves = lives.cloud.now

    lives.cloud.called = called  # type: ignore[method-assign]
    assert lives.hours_until(lambda: lives.all_serve(NEW), most=4) is not None
    assert calls > 2
    assert lives.failed == 0


@pytest.mark.parametrize("desired", [1, 3])
@KINDS
def test_where_the_maintenance_policy_keeps_all_healthy_nothing_goes_and_the_reason_names_it(
    desired: int, stands: Mapping[str, Any]
) -> None:
    """Row 51: no minimum tag, and no surge."""
    policy = {"InstanceMaintenancePolicy": {"MinHealthyPercentage": 100}}
    lives = fleet(desired, more=policy, **stands)
    lives.release(NEW)
    lives.pass_hours(2)
    lives.pass_quiet_hours(23)
    assert lives.lost == 0
    assert "its instance maintenance policy keeps 100% healthy" in lives.record.reason
    assert lives.record.needs_attention


def test_an_alarm_whose_name_has_spaces_can_be_named() -> None:
    """Row 27."""
    lives = fleet(3, tags=settings_of(alarm="example alarm"))
    lives.cloud.alarms["example alarm"] = "OK"
    lives.pass_minutes(30)
    lives.release(NEW)
    lives.pass_minutes(1)
    lives.cloud.alarms["example alarm"] = "ALARM"
    lives.pass_minutes(9)
    assert lives.record.hold == "alarm"
    assert 'alarm "example alarm" is in ALARM' in lives.record.reason
    lives.cloud.alarms["example alarm"] = "OK"
    assert lives.hours_until(lambda: lives.all_serve(NEW), most=4) is not None


@pytest.mark.parametrize("desired", [1, 3, 10])
def test_where_auto_scaling_replaces_all_of_a_group_for_ever_a_person_is_told(desired: int) -> None:
    """It was scaled to zero as a bad release came, and each boot goes before it is overdue."""
    lives = fleet(desired, **CHECKED)
    lives.group.desired = 0
    lives.pass_hours(1)
    lives.release(NEW, NEVER_UP)
    lives.group.desired = desired
    lives.pass_hours(2)
    assert not lives.told
    lives.pass_hours(2)
    assert lives.told
    assert lives.lost == 0


@pytest.mark.parametrize("desired", [3, 10])
def test_of_a_canary_that_auto_scaling_replaces_for_ever_a_person_is_told(desired: int) -> None:
    lives = fleet(desired, **CHECKED)
    lives.release(NEW, NEVER_UP)
    lives.pass_hours(4)
    assert lives.told
    assert lives.lost == 1


def suspend(lives: Fleet, process: str) -> None:
    """Suspend a process of the first group."""
    lives.group.more["SuspendedProcesses"] = [{"ProcessName": process}]


@pytest.mark.parametrize("desired", [3, 10])
def test_where_nobody_replaces_what_is_unhealthy_a_person_is_told_at_once_and_why(
    desired: int,
) -> None:
    """All are down, the fix is there, and ReplaceUnhealthy was suspended to look at them."""
    lives = all_on(NEW, Program(dies=minutes(60)), desired, "50%", **CHECKED)
    suspend(lives, "ReplaceUnhealthy")
    lives.pass_hours(2)
    lives.release(FIX)
    lives.pass_minutes(10)
    assert lives.record.needs_attention
    assert "ReplaceUnhealthy is suspended: nobody replaces i-" in lives.record.reason
    suspend(lives, "AZRebalance")
    assert lives.hours_until(lambda: lives.all_serve(FIX), most=2) is not None


@pytest.mark.parametrize("desired", [3, 10])
def test_one_that_nobody_replaces_does_not_stop_a_release_and_is_told(desired: int) -> None:
    lives = fleet(desired, **CHECKED)
    suspend(lives, "ReplaceUnhealthy")
    lives.members()[0].sick = True
    lives.pass_minutes(15)
    lives.release(NEW)
    lives.pass_hours(2)
    assert lives.record.needs_attention
    assert f"nobody replaces {lives.members(OLD)[0].id}" in lives.record.reason
    assert lives.serving(NEW) == (0 if desired == 3 else desired - 1)


def power_off(lives: Fleet) -> None:
    """Let each boot that does not answer power its instance off, as scripts do that fail."""
    for machine in lives.members():
        boots = machine.ec2 == "running" and machine.version is None
        if boots and lives.cloud.now - machine.launched >= minutes(3):
            lives.cloud.stop(machine)


@pytest.mark.parametrize("desired", [1, 3, 10])
@KINDS
def test_where_each_boot_of_a_group_powers_itself_off_a_person_is_told(
    desired: int, stands: Mapping[str, Any]
) -> None:
    """EC2's health check replaces them, whatever stands before the group."""
    lives = fleet(desired, **stands)
    lives.group.desired = 0
    lives.pass_hours(1)
    lives.release(NEW, NEVER_UP)
    lives.group.desired = desired
    lives.pass_hours(2, lambda: power_off(lives))
    assert not lives.told
    lives.pass_hours(2, lambda: power_off(lives))
    assert lives.told


@KINDS
def test_of_a_canary_that_powers_itself_off_for_ever_a_person_is_told(
    stands: Mapping[str, Any],
) -> None:
    lives = fleet(3, **stands)
    lives.release(NEW, NEVER_UP)
    lives.pass_hours(4, lambda: power_off(lives))
    assert lives.told
    assert lives.lost == 1
