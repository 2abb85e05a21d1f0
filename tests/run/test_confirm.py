"""The second plan, right before acting: what changed since the first is seen."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.cloud import Cloud, FakeGroup, Machine, fleet
from tests.fakes.cloud_api import run
from tests.run.reading import FREE, proven

NOTHING_ALIKE = "the group has changed since this run began: both plans chose nothing alike"


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
        record = run(self.cloud)["web"]
        assert self.cloud.kills == []
        assert record.decision is not None
        return record.reason


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
        (lambda g: g.tags.update({"terminator:after": "api"}), "its settings have changed"),
        (lambda g: g.more.update(SuspendedProcesses=[{"ProcessName": "Launch"}]), "suspended"),
        (lambda g: g.more.update(Status="Delete in progress"), "the group is being deleted"),
        (add_pending, "no proof yet: 1 member in flight"),
        (lambda g: setattr(g.machines[0], "protected", True), "both plans chose nothing alike"),
        (lambda g: setattr(g.machines[1], "health", "Unhealthy"), "no budget: 2 available"),
    ],
)
def test_what_changes_during_the_run_is_seen_right_before_acting(change: Any, reason: str) -> None:
    cloud, [group] = fleet()
    assert reason in Edit(cloud, group).run(change)


def test_settings_that_become_unreadable_are_the_reason_whatever_the_group_follows() -> None:
    cloud, [group] = fleet(tags={"terminator:follow": "release template"})
    cloud.make_version("lt-web")
    group.template = "lt-web"
    unread = {"terminator:minimum": "most of them"}
    assert "terminator:minimum" in Edit(cloud, group).run(lambda g: g.tags.update(unread))


def test_a_group_that_goes_away_during_the_run_is_held() -> None:
    cloud, [group] = fleet()
    reason = Edit(cloud, group).run(lambda g: cloud.groups.pop(g.name))
    assert reason == "the group has gone since this run began"


def attach(group: FakeGroup) -> None:
    group.balanced = True


def detach(group: FakeGroup) -> None:
    group.balanced = False


def test_a_load_balancer_that_was_attached_during_the_run_was_not_asked_so_nothing_goes() -> None:
    cloud, [group] = fleet(tags=FREE)
    assert Edit(cloud, group).run(attach) == "nothing is available and nothing is dead"


def test_a_dead_instance_that_has_become_an_available_one_is_spared() -> None:
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
