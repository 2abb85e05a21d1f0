"""The decision: which instances of a group may go now, and why.

`plan` and `guard` do no I/O and read neither the clock nor the environment.
The same observation gives the same choice, whatever order its instances are listed in.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice

from terminator.config.tags import Policy
from terminator.decide import holds, recycle, surge
from terminator.decide.figures import figures
from terminator.decide.group_state import (
    GroupState,
    Rank,
    created,
    is_refused,
    is_unused,
    oldest_first,
)
from terminator.decide.holds import HoldRule, hold
from terminator.model import Decision, Group, Instance, Kind, Preflight
from terminator.text import count, few, left


def plan(group: Group, policy: Policy, now: datetime) -> Decision:
    """Decide what to do to the group now; `now` is a time with a zone.

    A decision to terminate still has to pass `guard`. Whatever it says, a group that has not
    converged for a day needs attention.
    """
    if policy.problems:
        return hold("settings_unreadable", "; ".join(policy.problems))
    state = GroupState(group, policy, now)
    if state.converged:
        return recycle.of_converged(state)
    held = holds.first(holds.STANDING, state)
    if held and held.hold == "nothing_outdated":
        return recycle.of_ill(state) or held
    return held or surge.instead(_choose(state, state.dead, state.outdated), state)


def guard(
    decision: Decision, group: Group, policy: Policy, now: datetime, preflight: Preflight
) -> Decision:
    """Return the decision, or what is left of it under the guards of a group that would act.

    A refresh is started with those of its alarms that are OK.
    """
    if not decision.acts:
        return decision
    state = GroupState(group, policy, now, preflight)
    if decision.kind == "recycle":
        return _guard_recycle(decision, state)
    if decision.surge:
        return _guard_surge(decision, state)
    dead, outdated = state.dead, state.outdated
    for rule in (*holds.GUARDS, holds.ZIP_UNREADABLE, holds.OTHER_APP_FIRST):
        if rule is holds.ZIP_UNREADABLE and decision.kind != "canary":
            continue
        if held := holds.first([rule], state):
            dead = tuple(i for i in dead if _may_go_under(rule, state, i))
            outdated = tuple(i for i in outdated if _may_go_under(rule, state, i))
            decision = _choose(state, dead, outdated)
            if not decision.to_terminate:
                return held
    return decision


def _guard_recycle(decision: Decision, state: GroupState) -> Decision:
    """Return the decision, or that a guard holds what is on target."""
    held = holds.first([*holds.GUARDS, holds.ZIP_UNREADABLE], state)
    if held is None:
        return decision
    return held if decision.look_again else recycle.waiting(state, held.reason)


def _guard_surge(decision: Decision, state: GroupState) -> Decision:
    """Return the decision with the alarms that may end the refresh, or that a guard holds it."""
    for rule in (*holds.GUARDS, holds.ZIP_UNREADABLE, holds.OTHER_APP_FIRST):
        held = holds.first([rule], state)
        if held and not all(_may_go_under(rule, state, one) for one in state.outdated):
            return held
    return surge.with_alarms(decision, state.preflight.alarms)


def _may_go_under(rule: HoldRule, state: GroupState, instance: Instance) -> bool:
    """Say whether a guard that holds its group does not hold this instance.

    The window and alarms hold neither an available instance above the target nor a dead one
    that was created after every available one: they must not keep a bad release, or its failed
    boot, in place. Nor do they hold any dead one while fewer than the minimum are available: a
    fleet that is down comes back whatever rings for it, and at any hour.

    An alarm that was in ALARM when the target became the target holds nothing that was created
    before: the fix must be able to go out to those that set it off, and to what a warm pool held
    of them. Nor does any alarm hold a dead one of before where all that serves runs the target
    already: it may ring for want of those.

    That another app goes first holds no dead one at all.
    """
    if rule.name in {"instance_refresh", "zip_unreadable"}:
        return False
    if instance in state.outdated and state.above_target(instance):
        return True
    is_dead = instance in state.dead
    if rule.name == "other_app_first":
        return is_dead
    if is_dead:
        newest = max(map(created, state.available), default=None)
        if newest is None or created(instance) > newest or state.lacks:
            return True
    of_before = not state.since_then(instance) or state.was_held(instance)
    if rule.name == "window_closed" or state.since is None or not of_before:
        return False
    all_serve_it = is_dead and state.proof and not state.outdated
    return all_serve_it or all(alarm.at_since for alarm in holds.holding_alarms(state))


def confirmed(before: Decision, now: Decision) -> Decision:
    """Return the later decision with those instances only that both chose."""
    if now.surge or before.surge:
        return _confirmed_surge(before, now)
    both = frozenset(before.to_terminate)
    to_terminate = tuple(each for each in now.to_terminate if each in both)
    # The zip was read for a canary only.
    unread = now.kind == "canary" and before.kind != "canary"
    unread |= now.kind != before.kind and "recycle" in {now.kind, before.kind}
    if now.to_terminate and (not to_terminate or unread or before.look_again != now.look_again):
        return _changed(now)
    return replace(now, to_terminate=to_terminate)


def _confirmed_surge(before: Decision, now: Decision) -> Decision:
    """Return the later decision where both are to replace the same one by a refresh, or a hold."""
    if now.acts and (now.kind, now.goes) != (before.kind, before.goes):
        return _changed(now)
    return now


def _changed(now: Decision) -> Decision:
    reason = "the group has changed since this run began: both plans chose nothing alike"
    late = now.needs_attention
    return Decision("hold", reason, now.figures, hold="group_changed", needs_attention=late)


def _choose(state: GroupState, dead: Sequence[Instance], outdated: Sequence[Instance]) -> Decision:
    """Choose who goes, or hold because none may; a group held at the limits is told so."""
    decision = _chosen(state, dead, outdated)
    return replace(decision, reason="; ".join([decision.reason, *state.held_at_limits]))


def _chosen(state: GroupState, dead: Sequence[Instance], outdated: Sequence[Instance]) -> Decision:
    """Choose who goes, the dead before any other, or hold because none of them may."""
    dead = [instance for instance in dead if not instance.protected]
    outdated = [instance for instance in outdated if not instance.protected]
    going, waits = _dead_that_may_go(state, dead) if dead else ((), "")
    if going:
        return _replace_dead(state, going)
    if dead and not outdated:
        return hold("dead_wait", f"{dead[0].id} is dead, but {waits}", state)
    if held := holds.first(holds.WITH_PROOF if state.proof else holds.WITHOUT_PROOF, state):
        # Baking keeps a release from spreading; it must not keep a bad one in place.
        outdated = [i for i in outdated if state.proof and state.above_target(i)]
        if not outdated:
            return held
    if not outdated or not state.budget:
        return hold("no_budget", holds.no_budget(state), state)
    return _choose_outdated(state, outdated)


def _dead_that_may_go(
    state: GroupState, dead: Sequence[Instance]
) -> tuple[Sequence[Instance], str]:
    """Return the dead that may go now, the oldest first, and why no more may.

    They may yet come back, so the minimum counts them, except where nothing is available and
    the load balancers say that they do not serve. What is too young to be overdue is still
    booting and has nothing to come back to: replacing one must not make room for the next.
    """
    tried = {each.id for each in (*state.not_come_up, *state.tries(state.stale))}
    old: Sequence[Instance] = [each for each in dead if each.id not in tried]
    busy = len(state.coming) or state.missing - state.unfilled
    in_flight = state.in_flight - state.unfilled
    if state.proof:
        dead_ids = {each.id for each in state.dead}
        others = sum(i.id not in dead_ids and not is_unused(i) for i in state.unavailable)
        room = state.max_unavailable - in_flight - others
        waits = f"{in_flight} in flight and {others} others unavailable leave no room"
        if not old and room > 0:
            # Failed and stale boots, one at a time; those that are not dead yet count too.
            wait = state.failed_wait([each for each in state.unavailable if each.id in tried])
            old, room = dead, int(not busy and wait <= timedelta(0))
            waits = f"{busy} in flight" if busy else f"the next one goes in {left(wait)}"
    else:
        wait = state.retry_wait(state.not_come_up)
        is_next = not state.not_come_up or (state.canary_is_lost and wait <= timedelta(0))
        if state.canary_is_lost:
            old = list(filter(is_refused, old))
        room, waits = int(not busy and is_next), f"{busy} in flight"
        if not busy:
            last = state.not_come_up or dead
            waits = f"{last[0].id} may be a boot of {state.goal} that has not come up"
            waits += f"; the next one goes in {left(wait)}" if state.canary_is_lost else ""
    going: list[Instance] = []
    # A canary that was lost has nothing to come back to either.
    never_served = len(state.not_come_up) if state.canary_is_lost else 0
    may_serve = len(state.available) + len(state.overdue) - never_served
    could_serve = min(may_serve, state.group.desired)
    for instance in old:
        if len(going) >= room:
            break
        is_lost = not state.available and is_refused(instance)
        if is_lost or could_serve - len(going) > state.minimum:
            going.append(instance)
        else:
            waits = f"only {could_serve} could serve, minimum {state.minimum}"
    return going, waits


def _replace_dead(state: GroupState, going: Sequence[Instance]) -> Decision:
    kind: Kind = "replace" if state.proof else "canary"
    dead = few([f"{instance.id} ({instance.reason})" for instance in going])
    return _act(state, kind, f"the dead go first: {dead}", going)


def _choose_outdated(state: GroupState, candidates: Sequence[Instance]) -> Decision:
    """Choose those of before, unless stale boots above the target go first, or are left."""
    stale = [instance for instance in candidates if instance in state.proven_stale]
    others = [instance for instance in candidates if instance not in stale]
    if others:
        first = [] if any(map(state.above_target, others)) else stale
        stale = list(filter(state.above_target, first))
    # Each may come back as another: together they would go for ever.
    held = holds.first([holds.BOOTS_STALE], state) if stale else None
    if others and (held or not stale):
        return _replace_outdated(state, others)
    return held or _replace_stale(state, stale)


def _replace_outdated(state: GroupState, candidates: Sequence[Instance]) -> Decision:
    chosen = list(islice(_in_order(state, candidates), state.budget if state.proof else 1))
    if not state.proof:
        return _act(state, "canary", f"{chosen[0].id} goes first, to prove {state.goal}", chosen)
    fit = "fits" if len(chosen) == 1 else "fit"
    outdated = count(len(state.outdated), "outdated instance")
    return _act(state, "replace", f"{len(chosen)} of {outdated} {fit} the budget", chosen)


def _replace_stale(state: GroupState, candidates: Sequence[Instance]) -> Decision:
    at_once = min(state.budget, state.stale_at_once)
    chosen = list(islice(_in_order(state, candidates), at_once))
    ids = few([each.id for each in chosen])
    reason = f"{ids} came up on another version than {state.goal}, which others run"
    return _act(state, "replace", reason, chosen)


def _act(state: GroupState, kind: Kind, reason: str, chosen: Sequence[Instance]) -> Decision:
    """Return the decision to terminate; whatever it is, a group that is late needs attention.

    The reason names what makes them outdated, where that is more than the release.
    """
    counted = figures(state)
    causes = sorted({counted.causes[instance.id] for instance in chosen})
    by = "" if causes == ["release"] else f", outdated by {' and '.join(causes)}"
    return Decision(
        kind,
        f"{reason}{by}",
        counted,
        tuple(instance.id for instance in chosen),
        look_again=chosen[0] in state.dead,
        needs_attention=holds.is_late(state),
    )


def _in_order(state: GroupState, candidates: Iterable[Instance]) -> Iterator[Instance]:
    """Yield the candidates in the order in which they go.

    Above the target the highest first, then the lowest first; of one version from the
    Availability Zone with most available instances left, then the oldest, then by id.
    """
    above: dict[Rank, list[Instance]] = defaultdict(list)
    others: dict[Rank, list[Instance]] = defaultdict(list)
    for instance in sorted(candidates, key=oldest_first):
        tiers = above if state.above_target(instance) else others
        tiers[state.rank(instance)].append(instance)
    left = Counter(instance.zone for instance in state.available)
    highest_first = [above[rank] for rank in sorted(above, reverse=True)]
    for tier in (*highest_first, *(others[rank] for rank in sorted(others))):
        zones: dict[str, deque[Instance]] = defaultdict(deque)
        for instance in tier:
            zones[instance.zone].append(instance)
        while zones:
            zone = min(zones, key=lambda name: (-left[name], oldest_first(zones[name][0])))
            yield zones[zone].popleft()
            left[zone] -= 1
            if not zones[zone]:
                del zones[zone]
