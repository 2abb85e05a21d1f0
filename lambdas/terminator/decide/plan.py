"""The decision: which instances of a group may go now, and why.

`plan` and `guard` do no I/O and read neither the clock nor the environment. The same
observation gives the same choice, whatever order its instances are listed in.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import islice

from terminator.config.tags import Policy
from terminator.decide import holds
from terminator.decide.group_state import GroupState, launch
from terminator.decide.holds import hold
from terminator.model import Decision, Group, Instance, Kind, Preflight
from terminator.text import count
from terminator.version import Version


def plan(group: Group, policy: Policy, now: datetime) -> Decision:
    """Decide what to do to the group now; `now` is a time with a zone.

    A decision to terminate still has to pass `guard`.
    """
    if policy.problems:
        return hold("settings_unreadable", "; ".join(policy.problems))
    state = GroupState(group, policy, now)
    if state.converged:
        running = count(len(state.available), "instance")
        reason = f"{running} on {state.target}" if state.available else "no instance is wanted"
        return Decision("converged", reason, state.figures)
    pace = holds.WITH_PROOF if state.proof else holds.WITHOUT_PROOF
    held = holds.first(holds.STANDING, state) or holds.first(pace, state)
    return held or _choose(state, (*state.presumed, *state.outdated))


def guard(
    decision: Decision, group: Group, policy: Policy, now: datetime, preflight: Preflight
) -> Decision:
    """Return the decision, or what is left of it under the guards of a group that would act.

    The window and alarms hold neither an instance above the target nor a presumed outdated
    one that was launched after every available one: they must not keep a bad release, or its
    failed boot, in place.
    """
    state = GroupState(group, policy, now, preflight)
    for rule in holds.GUARDS:
        held = holds.first([rule], state) if decision.to_terminate else None
        if held is not None:
            urgent = () if rule.name == "instance_refresh" else _urgent(state)
            decision = _choose(state, urgent)
            decision = decision if decision.to_terminate else held
    if decision.kind == "canary":
        return holds.first([holds.ZIP_UNREADABLE], state) or decision
    return decision


def _urgent(state: GroupState) -> tuple[Instance, ...]:
    newest = max(map(launch, state.available), default=None)
    failed_boots = (i for i in state.presumed if newest is None or launch(i) > newest)
    return (*failed_boots, *filter(state.above_target, state.outdated))


def confirmed(before: Decision, now: Decision) -> Decision:
    """Return the later decision with those instances only that both chose."""
    both = frozenset(before.to_terminate)
    to_terminate = tuple(each for each in now.to_terminate if each in both)
    # The zip was read for a canary only.
    unread = now.kind == "canary" and before.kind != "canary"
    if now.to_terminate and (not to_terminate or unread or before.look_again != now.look_again):
        reason = "the group has changed since this run began: both plans chose nothing alike"
        return hold("group_changed", reason, now.figures)
    return replace(now, to_terminate=to_terminate)


def _choose(state: GroupState, candidates: Sequence[Instance]) -> Decision:
    """Choose who goes among the candidates, or hold because none of them may."""
    free = [instance for instance in candidates if not instance.protected]
    presumed = [instance for instance in free if not instance.available]
    outdated = [instance for instance in free if instance.available]
    waits = holds.presumed_must_wait(state)
    if presumed and waits is None:
        return _choose_presumed(state, min(presumed, key=_oldest_first))
    if outdated and state.budget:
        return _choose_outdated(state, outdated)
    if presumed and not outdated:
        waiting = f"{presumed[0].id} is presumed outdated, but {waits}"
        return hold("presumed_waits", waiting, state.figures)
    return hold("no_budget", holds.no_budget(state), state.figures)


def _choose_presumed(state: GroupState, chosen: Instance) -> Decision:
    reason = (
        f"{chosen.id} is presumed outdated: launched before {state.target} became the target, "
        f"it is unavailable ({chosen.reason})"
    )
    kind: Kind = "replace" if state.proof else "canary"
    return Decision(kind, reason, state.figures, (chosen.id,), look_again=True)


def _choose_outdated(state: GroupState, candidates: Sequence[Instance]) -> Decision:
    allowed = state.budget if state.proof else 1
    chosen = tuple(each.id for each in islice(_in_order(state, candidates), allowed))
    if not state.proof:
        reason = f"{chosen[0]} goes first, to prove {state.target}"
        return Decision("canary", reason, state.figures, chosen)
    fit = "fits" if len(chosen) == 1 else "fit"
    outdated = count(len(state.outdated), "outdated instance")
    reason = f"{len(chosen)} of {outdated} {fit} the budget"
    return Decision("replace", reason, state.figures, chosen)


def _in_order(state: GroupState, candidates: Iterable[Instance]) -> Iterator[Instance]:
    """Yield the candidates in the order in which they go.

    Above the target the highest first, then the lowest first; of one version from the
    Availability Zone with most available instances left, then the oldest, then by id.
    """
    tiers: dict[Version, list[Instance]] = defaultdict(list)
    for instance in sorted(candidates, key=_oldest_first):
        if instance.version is not None:
            tiers[instance.version].append(instance)
    above = {version for version in tiers if state.above_target(tiers[version][0])}
    left = Counter(instance.zone for instance in state.available)
    for version in (*sorted(above, reverse=True), *sorted(tiers.keys() - above)):
        zones: dict[str, deque[Instance]] = defaultdict(deque)
        for instance in tiers[version]:
            zones[instance.zone].append(instance)
        while zones:
            zone = min(zones, key=lambda name: (-left[name], _oldest_first(zones[name][0])))
            yield zones[zone].popleft()
            left[zone] -= 1
            if not zones[zone]:
                del zones[zone]


def _oldest_first(instance: Instance) -> tuple[datetime, str]:
    return launch(instance), instance.id
