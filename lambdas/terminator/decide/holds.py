"""The holds: why nothing is done to a group that has not converged.

`HOLDS` is the one table of them. Each rule takes the state of a group and returns its reason,
or None where it does not apply. Settings that cannot be read hold before any of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from terminator.decide.group_state import CLOCK_DOUBT, GroupState, latest
from terminator.model import Decision, Figures, HoldName, Instance, NoRelease, Released
from terminator.text import ago, few, left, quoted

# The processes without which a replacement cannot go well:
# https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-suspend-resume-processes.html
NEEDED_PROCESSES: Final = ("Launch", "Terminate", "HealthCheck", "AddToLoadBalancer")
_MOST_DOUBLINGS: Final = 5

AT_ONCE: Final = timedelta(0)
_DAY: Final = timedelta(days=1)
# A window opens at least once a week.
_WEEK_AND_A_DAY: Final = timedelta(days=8)


@dataclass(frozen=True)
class HoldRule:
    """A hold by its name.

    `patience` is how long a group may be behind its target under it before a person has to
    act: AT_ONCE where it never ends by itself; None where it ends by itself, or where the
    metric Overdue or Stale tells of its cause. `reason` is None where the hold is found by
    more than the state of the group.
    """

    name: HoldName
    patience: timedelta | None
    reason: Callable[[GroupState], str | None] | None = None


def first(rules: Iterable[HoldRule], state: GroupState) -> Decision | None:
    """Return the hold of the first rule that applies, None where none does."""
    for rule in rules:
        reason = rule.reason(state) if rule.reason else None
        if reason is not None:
            return hold(rule.name, reason, state.figures)
    return None


def hold(name: HoldName, reason: str, figures: Figures | None = None) -> Decision:
    """Return the decision to do nothing, by the name of the hold and its reason."""
    attention = _needs_attention(name, figures)
    return Decision("hold", reason, figures, hold=name, needs_attention=attention)


def _needs_attention(name: HoldName, figures: Figures | None) -> bool:
    """Say whether a person has to act.

    Where nothing tells for how long the group has been behind, only what never ends by itself
    needs one.
    """
    patience = HOLDS[name].patience
    if patience == AT_ONCE:
        return True
    if figures is None:
        return False
    if name == "no_budget" and figures.in_flight == figures.unavailable == 0:
        return True  # whole and healthy, and still without a budget: the minimum leaves none
    return patience is not None and figures.behind is not None and figures.behind > patience


def _deleting(state: GroupState) -> str | None:
    status = state.group.status
    return None if status is None else f"the group is being deleted ({status})"


def _paused(state: GroupState) -> str | None:
    text = state.policy.pause
    if text is None:
        return None
    return f"paused: {quoted(text, limit=256)}" if text else "paused"


def _suspended(state: GroupState) -> str | None:
    suspended = [name for name in NEEDED_PROCESSES if name in state.group.suspended]
    return f"suspended processes: {', '.join(suspended)}" if suspended else None


def _weighted(state: GroupState) -> str | None:
    kind = state.group.capacity_type
    if kind not in {None, "units"}:
        return f"weighted capacity: the group's desired capacity is measured in {kind}"
    weighted = [instance for instance in state.group.instances if instance.weight is not None]
    weighted.sort(key=lambda instance: instance.id)
    return f"weighted capacity: {_ids(weighted)}" if weighted else None


def _no_release(state: GroupState) -> str | None:
    released = state.group.released
    return released.reason if isinstance(released, NoRelease) else None


def _in_the_future(state: GroupState) -> str | None:
    released = state.group.released
    if not isinstance(released, Released) or released.since <= state.now + CLOCK_DOUBT:
        return None
    ahead = left(released.since - state.now)
    return f"the release is dated {ahead} in the future ({released.since.isoformat()})"


def _nothing_available(state: GroupState) -> str | None:
    if state.available or state.presumed or state.group.desired == 0:
        return None
    seen = f": {_why(state.unavailable)}" if state.unavailable else ""
    return f"nothing is available and nothing is presumed outdated{seen}"


def _nothing_outdated(state: GroupState) -> str | None:
    if state.outdated or state.presumed:
        return None
    waiting = [f"{state.in_flight} in flight"] if state.in_flight else []
    waiting += [f"unavailable {_why(state.unavailable)}"] if state.unavailable else []
    return f"nothing is outdated; waiting for {' and '.join(waiting)}"


def _protected(state: GroupState) -> str | None:
    candidates = (*state.presumed, *state.outdated)
    if not all(instance.protected for instance in candidates):
        return None
    return f"all that is outdated is protected from scale-in: {_ids(candidates)}"


def _members_in_flight(state: GroupState) -> str | None:
    return f"waiting for proof: {state.in_flight} in flight" if state.in_flight else None


def _proof_on_its_way(state: GroupState) -> str | None:
    newest = latest(state.available)
    if not newest or not all(state.on_target(instance) for instance in newest):
        return None
    wait = left(state.group.grace - state.age(newest[0]))
    return (
        f"waiting for proof: {_ids(newest)} runs {state.target}; its health check grace period "
        f"has {wait} to go"
    )


def _canary_not_come_up(state: GroupState) -> str | None:
    if not state.not_come_up:
        return None
    newest = latest(state.not_come_up)[0]
    return (
        f"waiting for proof: {newest.id} launched {ago(state.age(newest))} is unavailable "
        f"({newest.reason}); no other goes until it answers or is replaced"
    )


def _boots_stale(state: GroupState) -> str | None:
    if not state.stale:
        return None
    doublings = min(len(state.stale) - 1, _MOST_DOUBLINGS)
    return _retry(state, latest(state.stale)[0], state.policy.canary_retry * 2**doublings)


def _launched_lately(state: GroupState) -> str | None:
    if state.since is not None:
        return None
    newest = latest((*state.available, *state.unavailable))
    silent = [instance for instance in newest if instance.reason is not None]
    if silent:
        last = f"{silent[0].id}, the last to be launched"
        return f"waiting for proof: {last}, is unavailable ({silent[0].reason})"
    stale = [instance for instance in newest if not state.on_target(instance)] or newest
    return _retry(state, stale[0], state.policy.canary_retry)


def _retry(state: GroupState, newest: Instance, patience: timedelta) -> str | None:
    """Say how long the next canary has to wait after the newest instance."""
    wait = patience - state.age(newest)
    if wait <= timedelta(0):
        return None
    return (
        f"waiting for proof: {newest.id} launched {ago(state.age(newest))} still reports "
        f"{newest.version}; next canary in {left(wait)}"
    )


def _baking(state: GroupState) -> str | None:
    longest = max(state.age(i) for i in state.available if state.on_target(i))
    wait = state.group.grace + state.policy.bake_time - longest
    if wait <= timedelta(0):
        return None
    return f"baking {state.target} for {left(wait).replace(' ', ' more ', 1)}"


def no_budget(state: GroupState) -> str:
    """Say in figures why no more may go now."""
    figures = (
        f"{len(state.available)} available of {state.group.desired} desired",
        f"minimum {state.minimum}",
        f"max-unavailable {state.max_unavailable}",
        f"{state.in_flight} in flight",
        f"{len(state.unavailable)} unavailable",
    )
    return f"no budget: {', '.join(figures)}"


def presumed_must_wait(state: GroupState) -> str | None:
    """Say why a presumed outdated instance may not go now; None where it may."""
    if state.in_flight:
        return f"{state.in_flight} in flight"
    if state.not_come_up:
        return f"others launched since the release are unavailable: {_why(state.not_come_up)}"
    if state.spare < 0:
        available = f"only {len(state.available)} available, minimum {state.minimum}"
        return f"{available}; unavailable are {_why(state.unavailable)}"
    return None


def _window_closed(state: GroupState) -> str | None:
    window = state.policy.window
    if window is None or window.is_open(state.now):
        return None
    return f"outside the maintenance window {window.text}"


def _instance_refresh(state: GroupState) -> str | None:
    refresh = state.preflight.refresh
    return f"an instance refresh is in progress ({refresh})" if refresh else None


def _alarm(state: GroupState) -> str | None:
    return "; ".join(state.preflight.alarms) or None


def _zip_unreadable(state: GroupState) -> str | None:
    problem = state.preflight.zip_problem
    return f"the zip of {state.target} cannot be read: {problem}" if problem else None


# In the order in which they are asked.
STANDING: Final = (
    HoldRule("deleting", None, _deleting),
    HoldRule("paused", _DAY, _paused),
    HoldRule("processes_suspended", AT_ONCE, _suspended),
    HoldRule("weighted_capacity", AT_ONCE, _weighted),
    HoldRule("no_release", AT_ONCE, _no_release),
    HoldRule("release_in_future", AT_ONCE, _in_the_future),
    HoldRule("nothing_available", AT_ONCE, _nothing_available),
    HoldRule("nothing_outdated", None, _nothing_outdated),
    HoldRule("all_protected", AT_ONCE, _protected),
)
WITHOUT_PROOF: Final = (
    HoldRule("members_in_flight", _DAY, _members_in_flight),
    HoldRule("proof_on_its_way", None, _proof_on_its_way),
    HoldRule("canary_silent", None, _canary_not_come_up),
    HoldRule("boots_stale", None, _boots_stale),
    HoldRule("launched_lately", _DAY, _launched_lately),
)
WITH_PROOF: Final = (HoldRule("baking", None, _baking),)
# Asked only of groups that would act.
GUARDS: Final = (
    HoldRule("window_closed", _WEEK_AND_A_DAY, _window_closed),
    HoldRule("instance_refresh", _DAY, _instance_refresh),
    HoldRule("alarm", AT_ONCE, _alarm),
)
ZIP_UNREADABLE: Final = HoldRule("zip_unreadable", AT_ONCE, _zip_unreadable)
# Found by plan and reconcile, not by the state of the group alone.
_FOUND_ELSEWHERE: Final = (
    HoldRule("settings_unreadable", AT_ONCE),
    HoldRule("no_budget", _DAY),
    HoldRule("presumed_waits", None),
    HoldRule("group_changed", _DAY),
    HoldRule("instance_spared", _DAY),
)
HOLDS: Final[Mapping[HoldName, HoldRule]] = {
    rule.name: rule
    for rule in (
        *STANDING,
        *WITHOUT_PROOF,
        *WITH_PROOF,
        *GUARDS,
        ZIP_UNREADABLE,
        *_FOUND_ELSEWHERE,
    )
}


def _ids(instances: Sequence[Instance]) -> str:
    return few([instance.id for instance in instances])


def _why(instances: Sequence[Instance]) -> str:
    return few([f"{instance.id} ({instance.reason})" for instance in instances])
