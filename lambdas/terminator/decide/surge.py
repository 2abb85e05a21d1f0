"""Surge: a group of one is released by an instance refresh, which launches before it terminates.

Where nothing is to spare a termination would leave nobody. So AWS is asked to replace the one: it
launches another, waits until that is healthy and has warmed up, and only then lets the old one go.
A release that does not come up costs nothing: AWS gives up, and the old one stays.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final

from terminator.decide import holds
from terminator.decide.figures import figures
from terminator.decide.group_state import GroupState
from terminator.decide.holds import hold
from terminator.model import Alarm, Decision, Instance, Refresh, Surge
from terminator.text import ago, lasting, left, plain, quoted

_NOTHING: Final = timedelta(0)
# A boot that looks well may need so long until a load balancer has seen it fail.
_LEAST_WARMUP: Final = timedelta(minutes=10)
# https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_AlarmSpecification.html
_MOST_ALARMS: Final = 10
_LONGEST_REASON: Final = 300
_ENDED: Final = {
    "Successful": "ended",
    "Failed": "failed",
    "Cancelled": "was cancelled",
    "RollbackSuccessful": "was rolled back",
    "RollbackFailed": "failed to be rolled back",
}


def instead(decision: Decision, state: GroupState) -> Decision:
    """Return the decision, or what surge makes of it where the group asks for that.

    While a refresh is in progress, whoever started it, the group is held. Where nothing may go for
    want of a budget one is started, if the group is what that takes.
    """
    if not state.policy.surge:
        return decision
    if running := next((each for each in state.group.refreshes if each.in_progress), None):
        return hold("instance_refresh", in_progress(running), state)
    if decision.hold != "no_budget" or state.minimum < state.group.desired:
        return decision
    if state.group.desired != 1:
        return replace(decision, reason=f"{decision.reason}; surge is for a group of one")
    group = state.group
    if missing := lacks(
        group.max_size, group.health_checks, balanced=group.load_balanced, pool=group.warm_pool
    ):
        reason = f"{decision.reason}; surge is asked for, but {' and '.join(missing)}"
        return hold("surge_unfit", reason, state)
    is_one = len(state.members) == 1 and not state.in_flight
    return _of_one(state.outdated[0], state) if is_one else decision


def _of_one(one: Instance, state: GroupState) -> Decision:
    """Start an instance refresh that replaces the one, or wait: the last try has its time."""
    for came, refresh in state.refresh_tries[:1]:
        wait = state.patience(came, state.tried_from) - (state.now - came)
        if wait > _NOTHING:
            ended = f"{_ENDED.get(refresh.status, plain(refresh.status))}{_says(refresh)}"
            began = f"the instance refresh that began {ago(state.now - came)}"
            return hold(
                "surge_waits", f"no proof yet: {began} {ended}; the next in {left(wait)}", state
            )
    surge = Surge(one.id, warmup(state))
    reason = (
        f"{one.id} goes once another one has served for {lasting(surge.warmup)}, to prove "
        f"{state.goal}, by an instance refresh"
    )
    late = holds.is_late(state)
    return Decision("surge", reason, figures(state), needs_attention=late, surge=surge)


def lacks(
    max_size: int, health_checks: Collection[str], *, balanced: bool, pool: bool
) -> list[str]:
    """Say what keeps a group of one from being released by an instance refresh."""
    found: list[str] = []
    if max_size <= 1:
        found.append("its MaxSize leaves no room for a second one")
    if not balanced:
        found.append("it has no load balancer")
    elif "ELB" not in health_checks:
        found.append("its health checks do not include its load balancer")
    if pool:
        found.append("replacements come from its warm pool")
    return found


def warmup(state: GroupState) -> timedelta:
    """Return how long a new one has to be healthy before the old one goes."""
    baked = state.group.grace + state.policy.bake_time
    return max(state.warmup, state.group.warmup or _NOTHING, baked, _LEAST_WARMUP)


def with_alarms(decision: Decision, alarms: Sequence[Alarm]) -> Decision:
    """Return the decision with those of its alarms that may end the refresh: those that are OK."""
    if decision.surge is None:
        return decision
    names = tuple(alarm.name for alarm in alarms if alarm.state == "OK")
    return replace(decision, surge=replace(decision.surge, alarms=names[:_MOST_ALARMS]))


def in_progress(refresh: Refresh) -> str:
    """Say that an instance refresh is in progress, how far it is, and what AWS says of it."""
    far = plain(refresh.status)
    if refresh.percent is not None:
        far += f", {refresh.percent}% complete"
    return f"an instance refresh is in progress ({far}){_says(refresh)}"


def _says(refresh: Refresh) -> str:
    return f": {quoted(refresh.reason, _LONGEST_REASON)}" if refresh.reason else ""
