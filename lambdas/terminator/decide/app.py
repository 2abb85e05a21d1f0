"""Which group goes first: one canary for the app, and one app after another.

The first is asked last, of groups without proof, over the decisions of all groups of the app: a
release that never comes up costs the app one instance, not one in each of its groups.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from terminator.decide import holds, recycle
from terminator.decide.group_state import GroupState
from terminator.decide.holds import hold
from terminator.model import Decision, Launches
from terminator.text import few, plain

_NOTHING: Final = timedelta(0)
# Under these a group cannot act, so nobody waits for it.
INACTIVE = holds.STANDING[: [rule.name for rule in holds.STANDING].index("no_release")]


@dataclass(frozen=True)
class Planned:
    """A group of an app, and what was planned for it before its guards were asked."""

    state: GroupState
    decision: Decision

    @property
    def name(self) -> str:
        """The name of the group."""
        return self.state.group.name

    @property
    def is_moving(self) -> bool:
        """Whether it has not converged, and could act: none recycles beside it."""
        rests = self.decision.kind in {"converged", "recycle"} or bool(self.state.policy.problems)
        return not rests and holds.first(INACTIVE, self.state) is None

    def tries(self, other: GroupState, *, until_baked: bool) -> bool:
        """Say whether another group has to wait for what this one tries.

        It has a canary out for the same target, or is about to launch one by an instance refresh,
        or `until_baked` one that has proved it but has not baked, and could act.
        """
        state = self.state
        if state.policy.problems or not _same(state, other):
            return False
        bakes = until_baked and state.baking > _NOTHING
        refreshes = any(each.in_progress for each in state.group.refreshes)
        is_out = bakes if state.proof else state.canary_is_out or refreshes
        is_open = state.policy.window is None or state.policy.window.is_open(state.now)
        return is_out and is_open and holds.first(INACTIVE, state) is None


def is_proven(app: Sequence[Planned], state: GroupState) -> bool:
    """Say whether any group of the app has proof of the same target and has baked.

    Where something here has drifted, what proves it is launched from the same: one that follows
    releases alone has tried no image, and a bad one costs the app one instance.
    """
    return _has_proof(app, state, exactly=any(map(state.group.drifted, state.members)))


def _has_proof(app: Sequence[Planned], state: GroupState, *, exactly: bool) -> bool:
    """Say whether any group has proof of the same target and has baked.

    Where that has to be so `exactly` it is launched from the same, too.
    """
    return any(
        each.state.proof
        and each.state.baking <= _NOTHING
        and _same(each.state, state)
        and not (exactly and each.state.group.launches != state.group.launches)
        for each in app
    )


def _waits_for(
    state: GroupState, other: Planned, app: Sequence[Planned], *, until_baked: bool
) -> bool:
    """Say whether a group has to wait for the canary of another.

    That is for none whose own target any has proved, with what it is launched from. Where the
    release is proven it is for none that tries another template: what is left to prove is that.
    """
    if other.name == state.group.name or not other.tries(state, until_baked=until_baked):
        return False
    follows_template = other.state.group.launches is not None
    if _has_proof(app, other.state, exactly=follows_template):
        return False
    return _bare(other.state) == _bare(state) or not _has_proof(app, state, exactly=False)


def _bare(state: GroupState) -> object:
    """Return what a group launches from, whether or not images behind parameters matter to it."""
    launches = state.group.launches
    if not isinstance(launches, Launches):
        return launches
    overrides = tuple((of, replace(each, image=None)) for of, each in launches.overrides)
    return replace(launches.own, image=None), overrides


def let_others_first(decision: Decision, planned: Planned, app: Sequence[Planned]) -> Decision:
    """Return the decision, or the hold of a group that waits for the canary of another.

    It waits until that has baked: one that dies before costs the app one instance. Where anything
    above the target may go it does not wait for baking, which must not keep a bad release in place,
    not even where a dead one goes first.
    """
    state = planned.state
    if decision.kind == "recycle" and not decision.look_again:
        others = [each.name for each in app if each.name != planned.name and each.is_moving]
        return recycle_later(others, state) if others else decision
    if decision.kind not in {"canary", "surge"} or is_proven(app, state):
        return decision
    spreads = not any(state.above_target(m) for m in state.outdated if not m.protected)
    others = [each.name for each in app if _waits_for(state, each, app, until_baked=spreads)]
    return wait_for(others, state) if others else decision


def wait_for(others: Sequence[str], state: GroupState) -> Decision:
    """Return the hold of a group that waits for the canary of others."""
    names = few([plain(name) for name in others])
    reason = f"one canary for the app: {state.goal} is tried in {names} first"
    return hold("another_group_first", reason, state)


def recycle_later(others: Sequence[str], state: GroupState) -> Decision:
    """Return the decision that what is due waits for other groups of the app."""
    names = few([plain(name) for name in others])
    return recycle.waiting(state, f"another group of the app goes first: {names}")


def goes_before(app: str, planned: Sequence[Planned], unobserved: Sequence[str]) -> str | None:
    """Say why the groups of an app go before those that go after it, None where they need not.

    `unobserved` are its groups of which nothing is known. One that scales all day holds nobody,
    nor does one of which no instance is wanted.
    """
    tells = [f"{plain(name)} could not be observed" for name in unobserved]
    tells += [f"{plain(each.name)} {why}" for each in planned if (why := _is_behind(each))]
    return f"{app} goes first: {few(tells, '; ')}" if tells else None


def _is_behind(planned: Planned) -> str | None:
    state = planned.state
    if state.policy.problems:
        return "has settings that cannot be read"
    if state.outdated or state.dead:
        counted = {"outdated": len(state.outdated), "dead": len(state.dead)}
        return (
            f"has {' and '.join(f'{number} {what}' for what, number in counted.items() if number)}"
        )
    rests = state.converged and not state.members
    return None if state.proof or rests else f"has no proof of {state.goal} yet"


def name_who_waits(decision: Decision, planned: Planned, app: Sequence[Planned]) -> Decision:
    """Name, where a canary is overdue, the groups of the app that wait for it."""
    state = planned.state
    if not any(map(state.is_overdue, state.not_come_up)) or is_proven(app, state):
        return decision
    waiting = [
        plain(each.name)
        for each in app
        if each.decision.kind in {"canary", "surge"}
        and _waits_for(each.state, planned, app, until_baked=False)
    ]
    if not waiting:
        return decision
    return replace(decision, reason=f"{decision.reason}; waiting for it: {few(waiting)}")


def _same(one: GroupState, other: GroupState) -> bool:
    """Say whether two groups try the same: one release or, where both follow that alone, template.

    Where a release is followed it is what is tried, whatever it is launched from.
    """
    if "template" in {one.source, other.source}:
        return one.source == other.source and one.group.launches == other.group.launches
    return one.target is not None and one.target == other.target
