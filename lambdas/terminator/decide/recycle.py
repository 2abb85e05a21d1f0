"""What goes although it is on target: instances that are due, by age or taint, and ill ones.

One at a time, from a group that lacks nothing else. A boot that fails costs one: the group is then
not what these rules ask for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final

from terminator.decide import holds
from terminator.decide.figures import figures, is_tainted
from terminator.decide.group_state import GroupState, created, latest, oldest_first
from terminator.model import Decision, Instance
from terminator.text import count, few

_NOTHING: Final = timedelta(0)
# Under these nothing goes, whatever would.
_STANDING: Final = holds.STANDING[
    : [rule.name for rule in holds.STANDING].index("nothing_available")
]
# So many of those wanted may be unavailable where an ill one is to go, in per cent.
_MOST_UNAVAILABLE: Final = 20


def of_converged(state: GroupState) -> Decision:
    """Decide about a group that has converged: it rests, or what is longest due goes."""
    running = count(len(state.available), "instance")
    reason = f"{running} on {state.goal}" if state.available else "no instance is wanted"
    if unread := [each for each in state.members if each.taint_problem]:
        reason += f"; {few([f'{each.id}: {each.taint_problem}' for each in unread])}"
    if not state.due:
        return Decision("converged", reason, figures(state))
    free = [each for each in state.due if not each.protected]
    if waits := _waits(state, free):
        return rests(state, f"{reason}; {waits}")
    goes = free[0]
    why = f"{goes.id} is due, {_words(state, goes)}: one of {len(state.due)}"
    return _recycle(state, goes, why, look_again=False)


def rests(state: GroupState, reason: str) -> Decision:
    """Return the decision that a group has converged, though something in it is due."""
    late = _cannot_keep_up(state)
    return Decision("converged", reason, figures(state), needs_attention=late)


def waiting(state: GroupState, why: str) -> Decision:
    """Return the decision that what is due waits, for a reason found by more than its group."""
    return rests(state, f"{count(len(state.due), 'instance')} due, but {why}")


def _waits(state: GroupState, free: Sequence[Instance]) -> str | None:
    """Say why nothing that is due goes now, None where one may."""
    due = f"{count(len(state.due), 'instance')} due"
    if held := holds.first(_STANDING, state):
        return f"{due}: {held.reason}"
    if not free:
        return f"{due}: protected from scale-in"
    baked = state.group.grace + state.policy.bake_time
    if any(state.age(each) < baked for each in state.newest):
        return f"{due}: {state.newest[0].id} still bakes"
    return None if state.budget else f"{due}: {holds.no_budget(state)}"


def _words(state: GroupState, instance: Instance) -> str:
    if is_tainted(instance, state.now):
        return f"as its tag says since {instance.replace_after:%Y-%m-%d %H:%M} UTC"
    return f"by its age, created {instance.created:%Y-%m-%d %H:%M} UTC"


def _cannot_keep_up(state: GroupState) -> bool:
    """Say whether the group reaches its maximum age sooner than it can be replaced once.

    One at a time each takes a boot, the grace period and the bake time. A boot is the shortest
    that its members tell of.
    """
    oldest = state.policy.max_age
    if oldest is None:
        return False
    boots = [
        each.in_service_since - each.created
        for each in state.available
        if each.created and each.in_service_since and each.in_service_since > each.created
    ]
    each_takes = state.group.grace + state.policy.bake_time + min(boots, default=_NOTHING)
    return oldest < state.group.desired * each_takes


def of_ill(state: GroupState) -> Decision | None:
    """Decide about a group in which nothing but ill instances is amiss; None where none may go.

    One goes, the oldest first: it has long been silent or unserving, though nothing says that it
    should run anything else, and nobody else replaces it. The most recently created never goes,
    and all that came after the one that goes must be available: where boots fail, that costs one.
    """
    few_enough = len(state.unavailable) <= max(1, state.group.desired * _MOST_UNAVAILABLE // 100)
    enough = min(len(state.available), state.group.desired) >= state.minimum
    if not state.policy.ill or state.in_flight or not (few_enough and enough):
        return None
    newest = {each.id for each in latest(state.members)}
    lost = (created(each) for each in state.members if each.id not in state.available_ids)
    last_lost = max(lost, default=None)
    for each in sorted(state.overdue, key=oldest_first):
        if _is_ill(state, each) and each.id not in newest and created(each) == last_lost:
            why = f"{each.id} is ill ({each.reason}), and nothing else is amiss"
            return _recycle(state, each, why, look_again=True)
    return None


def _is_ill(state: GroupState, instance: Instance) -> bool:
    """Say whether Auto Scaling leaves an unavailable instance in place that should go.

    Where the group has load balancers each must call it unhealthy, and its health checks must not
    ask them: Auto Scaling replaces it then.
    """
    if instance.protected or state.is_outdated(instance):
        return False
    if not state.group.load_balanced:
        return True
    return instance.traffic.unhealthy and "ELB" not in state.group.health_checks


def _recycle(state: GroupState, goes: Instance, why: str, *, look_again: bool) -> Decision:
    counted = figures(state)
    if look_again:
        counted = replace(counted, causes={**counted.causes, goes.id: "ill"})
    return Decision(
        "recycle",
        why,
        counted,
        (goes.id,),
        look_again=look_again,
        needs_attention=holds.is_late(state) if look_again else _cannot_keep_up(state),
    )
