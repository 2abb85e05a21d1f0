"""The holds: why nothing is done to a group that has not converged.

Each rule takes the facts and returns its reason, or None where it does not apply.
`STANDING`, and later `GUARDS`, are in the order in which they are asked. Settings that cannot
be read hold before any of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Final

from terminator.decide.group_state import CLOCK_DOUBT, Facts, latest
from terminator.model import Hold, HoldName, Instance, NoRelease, Released
from terminator.text import ago, few, left, quoted

# The processes without which a replacement cannot go well:
# https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-suspend-resume-processes.html
NEEDED_PROCESSES: Final = ("Launch", "Terminate", "HealthCheck", "AddToLoadBalancer")
_MOST_DOUBLINGS: Final = 5

Rule = Callable[[Facts], str | None]
Rules = Mapping[HoldName, Rule]


def first(rules: Rules, facts: Facts) -> Hold | None:
    """Return the hold of the first rule that applies, None where none does."""
    for name, rule in rules.items():
        reason = rule(facts)
        if reason is not None:
            return Hold(name, reason)
    return None


def _deleting(facts: Facts) -> str | None:
    status = facts.group.status
    return None if status is None else f"the group is being deleted ({status})"


def _paused(facts: Facts) -> str | None:
    text = facts.policy.pause
    if text is None:
        return None
    return f"paused: {quoted(text, limit=256)}" if text else "paused"


def _suspended(facts: Facts) -> str | None:
    suspended = [name for name in NEEDED_PROCESSES if name in facts.group.suspended]
    return f"suspended processes: {', '.join(suspended)}" if suspended else None


def _weighted(facts: Facts) -> str | None:
    kind = facts.group.capacity_type
    if kind not in {None, "units"}:
        return f"weighted capacity: the group's desired capacity is measured in {kind}"
    weighted = [instance for instance in facts.group.instances if instance.weight is not None]
    weighted.sort(key=lambda instance: instance.id)
    return f"weighted capacity: {ids(weighted)}" if weighted else None


def _no_release(facts: Facts) -> str | None:
    """Hold where the app has no release, or its pointer names none."""
    released = facts.group.released
    return released.reason if isinstance(released, NoRelease) else None


def _in_the_future(facts: Facts) -> str | None:
    released = facts.group.released
    if not isinstance(released, Released) or released.since <= facts.now + CLOCK_DOUBT:
        return None
    ahead = left(released.since - facts.now)
    return f"the release is dated {ahead} in the future ({released.since.isoformat()})"


def _nothing_available(facts: Facts) -> str | None:
    if facts.available or facts.presumed or facts.group.desired == 0:
        return None
    seen = f": {why(facts.unavailable)}" if facts.unavailable else ""
    return f"nothing is available and nothing is presumed outdated{seen}"


def _nothing_outdated(facts: Facts) -> str | None:
    if facts.outdated or facts.presumed:
        return None
    waiting = [f"{facts.in_flight} in flight"] if facts.in_flight else []
    waiting += [f"unavailable {why(facts.unavailable)}"] if facts.unavailable else []
    return f"nothing is outdated; waiting for {' and '.join(waiting)}"


def _protected(facts: Facts) -> str | None:
    candidates = (*facts.presumed, *facts.outdated)
    if not all(instance.protected for instance in candidates):
        return None
    return f"all that is outdated is protected from scale-in: {ids(candidates)}"


STANDING: Final[Rules] = {
    "deleting": _deleting,
    "paused": _paused,
    "processes_suspended": _suspended,
    "weighted_capacity": _weighted,
    "no_release": _no_release,
    "release_in_future": _in_the_future,
    "nothing_available": _nothing_available,
    "nothing_outdated": _nothing_outdated,
    "all_protected": _protected,
}


def pace(facts: Facts) -> Hold | None:
    """Hold while the target soaks, or without proof while the last try has its time."""
    if facts.proof:
        return first({"baking": _baking}, facts)
    hold = first(_WAITING, facts)
    return None if hold is None else Hold(hold.name, f"waiting for proof: {hold.reason}")


def _baking(facts: Facts) -> str | None:
    longest = max(facts.age(i) for i in facts.available if facts.on_target(i))
    wait = facts.group.grace + facts.policy.bake_time - longest
    if wait <= timedelta(0):
        return None
    return f"baking {facts.target} for {left(wait).replace(' ', ' more ', 1)}"


def _incoming(facts: Facts) -> str | None:
    return f"{facts.in_flight} in flight" if facts.in_flight else None


def _proof_on_its_way(facts: Facts) -> str | None:
    newest = facts.newest
    if not newest or not all(facts.on_target(instance) for instance in newest):
        return None
    wait = facts.group.grace - facts.age(newest[0])
    return (
        f"{ids(newest)} runs {facts.target}; its health check grace period has {left(wait)} to go"
    )


def _silent_canary(facts: Facts) -> str | None:
    if not facts.silent:
        return None
    newest = latest(facts.silent)[0]
    return (
        f"{newest.id} launched {ago(facts.age(newest))} is unavailable ({newest.reason}); "
        f"no other goes until it answers or is replaced"
    )


def _stale_boots(facts: Facts) -> str | None:
    if not facts.stale:
        return None
    newest = latest(facts.stale)[0]
    doublings = min(len(facts.stale) - 1, _MOST_DOUBLINGS)
    return _retry(facts, newest, facts.policy.canary_retry * 2**doublings)


def _last_launch(facts: Facts) -> str | None:
    if facts.since is not None:
        return None
    newest = latest((*facts.available, *facts.unavailable))
    silent = [instance for instance in newest if instance.reason is not None]
    if silent:
        return f"{silent[0].id}, the last to be launched, is unavailable ({silent[0].reason})"
    stale = [instance for instance in newest if not facts.on_target(instance)] or newest
    return _retry(facts, stale[0], facts.policy.canary_retry)


def _retry(facts: Facts, newest: Instance, patience: timedelta) -> str | None:
    wait = patience - facts.age(newest)
    if wait <= timedelta(0):
        return None
    return (
        f"{newest.id} launched {ago(facts.age(newest))} still reports {newest.version}; "
        f"next canary in {left(wait)}"
    )


_WAITING: Final[Rules] = {
    "members_in_flight": _incoming,
    "proof_on_its_way": _proof_on_its_way,
    "canary_silent": _silent_canary,
    "boots_stale": _stale_boots,
    "launched_lately": _last_launch,
}


def no_budget(facts: Facts) -> Hold:
    """Say in figures why no more may go now."""
    figures = (
        f"{len(facts.available)} available of {facts.group.desired} desired",
        f"minimum {facts.minimum}",
        f"max-unavailable {facts.max_unavailable}",
        f"{facts.in_flight} in flight",
        f"{len(facts.unavailable)} unavailable",
    )
    return Hold("no_budget", f"no budget: {', '.join(figures)}")


def _window_closed(facts: Facts) -> str | None:
    """Hold outside the maintenance window."""
    window = facts.policy.window
    if window is None or window.is_open(facts.now):
        return None
    return f"outside the maintenance window {window.text}"


def _refreshing(facts: Facts) -> str | None:
    """Hold while an instance refresh is in progress."""
    guards = facts.group.guards
    if guards is None or guards.refresh is None:
        return None
    return f"an instance refresh is in progress ({guards.refresh})"


def _alarmed(facts: Facts) -> str | None:
    """Hold while a listed CloudWatch alarm is ringing, or does not exist."""
    guards = facts.group.guards
    return "; ".join(guards.alarms) or None if guards is not None else None


GUARDS: Final[Rules] = {
    "window_closed": _window_closed,
    "instance_refresh": _refreshing,
    "alarm": _alarmed,
}


def zip_unreadable(facts: Facts) -> Hold | None:
    """Hold where the target's zip cannot be read."""
    guards = facts.group.guards
    if guards is None or guards.zip_problem is None:
        return None
    reason = f"the zip of {facts.target} cannot be read: {guards.zip_problem}"
    return Hold("zip_unreadable", reason)


def deferred_presumed(facts: Facts) -> str | None:
    """Say why a presumed outdated instance may not go now; None where it may."""
    if facts.in_flight:
        return f"{facts.in_flight} in flight"
    if facts.silent:
        return f"others launched since the release are unavailable: {why(facts.silent)}"
    if facts.spare < 0:
        few = f"only {len(facts.available)} available, minimum {facts.minimum}"
        return f"{few}; unavailable are {why(facts.unavailable)}"
    return None


def ids(instances: Sequence[Instance]) -> str:
    """Return the ids of a few instances, and how many more there are."""
    return few([instance.id for instance in instances])


def why(instances: Sequence[Instance]) -> str:
    """Return a few unavailable instances, each with its reason, and how many more there are."""
    return few([f"{instance.id} ({instance.reason})" for instance in instances])
