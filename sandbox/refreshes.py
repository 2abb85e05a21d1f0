"""Instance refreshes of groups of one, which moto has none of: they launch before they terminate.

So AWS does where both percentages are 100. Nothing here goes on by itself: a refresh goes on
whenever somebody describes its group. To be imported once moto's clock has been set.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import moto.core.utils
from moto.autoscaling.exceptions import AutoscalingClientError, ValidationError
from moto.autoscaling.models import AutoScalingBackend, FakeAutoScalingGroup, InstanceState
from moto.autoscaling.responses import AutoScalingResponse
from moto.core.responses import ActionResult

if TYPE_CHECKING:
    from collections.abc import Callable

# How long AWS waits for a new one to become healthy before it gives up.
_GIVES_UP: Final = timedelta(hours=1)

_describe_groups = AutoScalingBackend.describe_auto_scaling_groups


class _InProgressError(AutoscalingClientError):
    code = "InstanceRefreshInProgress"
    message = "An Instance Refresh is already in progress and blocks the execution of this one."


@dataclass
class Refresh:
    """An instance refresh of a group of one: who goes, and who has come for it."""

    id: str
    began: datetime
    preferences: dict[str, Any]
    old: str
    new: str = ""
    status: str = "Pending"
    reason: str = ""
    ended: datetime | None = None

    @property
    def warmup(self) -> timedelta:
        """How long the new one has to be in service."""
        return timedelta(seconds=int(self.preferences["InstanceWarmup"]))

    def end(self, status: str, reason: str = "") -> None:
        """End it."""
        self.status, self.reason, self.ended = status, reason, _now()

    def row(self, group: str) -> dict[str, Any]:
        """Return it as DescribeInstanceRefreshes has it."""
        done = self.status == "Successful"
        return {
            "InstanceRefreshId": self.id,
            "AutoScalingGroupName": group,
            "Status": self.status,
            "StartTime": self.began,
            "PercentageComplete": 100 if done else 0,
            "InstancesToUpdate": 0 if done else 1,
            **({"StatusReason": self.reason} if self.reason else {}),
            **({"EndTime": self.ended} if self.ended else {}),
        }


def add(note: Callable[[FakeAutoScalingGroup], None]) -> None:
    """Add them to moto, in this process; `note` notes who came to a group and who left."""

    def describe_groups(
        backend: AutoScalingBackend, names: list[str], filters: list[dict[str, str]] | None = None
    ) -> list[FakeAutoScalingGroup]:
        for group in backend.autoscaling_groups.values():
            _go_on(backend, group, note)
        return _describe_groups(backend, names, filters)

    def describe(self: AutoScalingResponse) -> ActionResult:
        backend = self.autoscaling_backend
        group = backend.autoscaling_groups[self._get_param("AutoScalingGroupName")]
        _go_on(backend, group, note)
        return ActionResult(
            {"InstanceRefreshes": [each.row(group.name) for each in reversed(_of(group))]}
        )

    AutoScalingBackend.describe_auto_scaling_groups = describe_groups  # type: ignore[method-assign, assignment]
    AutoScalingResponse.describe_instance_refreshes = describe  # type: ignore[attr-defined]
    AutoScalingResponse.start_instance_refresh = _start  # type: ignore[attr-defined]


def _start(self: AutoScalingResponse) -> ActionResult:
    """Answer StartInstanceRefresh of a group of one."""
    group = self.autoscaling_backend.autoscaling_groups[self._get_param("AutoScalingGroupName")]
    if any(each.ended is None for each in _of(group)):
        raise _InProgressError
    preferences = self._get_param("Preferences")
    percentages = preferences["MinHealthyPercentage"], preferences["MaxHealthyPercentage"]
    [state] = group.instance_states
    if [int(each) for each in percentages] != [100, 100]:
        raise ValidationError(f"not 100 and 100: {percentages}")
    id_ = f"refresh-{len(_of(group)) + 1}-of-{group.name}"
    _of(group).append(Refresh(id_, _now(), preferences, state.instance.id))
    return ActionResult({"InstanceRefreshId": id_})


def _of(group: FakeAutoScalingGroup) -> list[Refresh]:
    refreshes: list[Refresh] = group.__dict__.setdefault("refreshes", [])
    return refreshes


def _go_on(
    backend: AutoScalingBackend,
    group: FakeAutoScalingGroup,
    note: Callable[[FakeAutoScalingGroup], None],
) -> None:
    """Launch the new one; let the old one go once that has warmed up, or give up."""
    running = next((each for each in _of(group) if each.ended is None), None)
    if running is None:
        return
    here = {state.instance.id: state for state in group.instance_states}
    if not running.new:
        group.replace_autoscaling_group_instances(1, group.get_propagated_tags())
        [launched] = [s for s in group.instance_states if s.instance.id not in here]
        running.status, running.new = "InProgress", launched.instance.id
        running.reason = f"waiting for {running.new} to become healthy"
        backend.update_attached_target_groups(group.name)
        note(group)
    elif _is_healthy(backend, group, here[running.new]):
        if _now() - here[running.new].instance.launch_time.replace(tzinfo=None) >= running.warmup:
            _let_go(backend, group, here[running.old], note)
            running.end("Successful")
    elif _now() - running.began > _GIVES_UP + running.warmup:
        _let_go(backend, group, here[running.new], note)
        running.end("Failed", f"{running.new} failed to become healthy")


def _is_healthy(
    backend: AutoScalingBackend, group: FakeAutoScalingGroup, state: InstanceState
) -> bool:
    """Say whether all target groups of a group call a member healthy."""
    of = [backend.elbv2_backend.target_groups[arn] for arn in group.target_group_arns]
    targets = [(each, {"Id": state.instance.id, "Port": each.port}) for each in of]
    return all(
        each.health_for(target, backend.ec2_backend).status == "healthy" for each, target in targets
    )


def _let_go(
    backend: AutoScalingBackend,
    group: FakeAutoScalingGroup,
    state: InstanceState,
    note: Callable[[FakeAutoScalingGroup], None],
) -> None:
    group.instance_states.remove(state)
    backend.ec2_backend.terminate_instances([state.instance.id])
    note(group)


def _now() -> datetime:
    now: datetime = moto.core.utils.utcnow()
    return now
