"""The decision: which instances of a group may go now, and why.

`plan` does no I/O and reads neither the clock nor the environment. The same observation
gives the same to_terminate, whatever order its instances are listed in.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from terminator import text as words
from terminator.config.tags import Policy
from terminator.decide import holds
from terminator.decide.group_state import Facts, launch
from terminator.model import Decision, Figures, Group, Hold, HoldName, Instance, Kind
from terminator.version import Version


@dataclass(frozen=True)
class _Choice:
    kind: Kind
    reason: str
    to_terminate: tuple[Instance, ...] = ()
    second_look: bool = False
    hold: HoldName | None = None


def plan(group: Group, policy: Policy, now: datetime) -> Decision:
    """Decide what to do to the group now; `now` is a time with a zone.

    Guards that were not asked yet (`group.guards` is None) hold nothing: plan again with
    them before acting.
    """
    if policy.problems:
        return Decision("hold", "; ".join(policy.problems), hold="settings_unreadable")
    facts = Facts(group, policy, now)
    choice = _choose(facts)
    return Decision(
        kind=choice.kind,
        reason=choice.reason,
        figures=_figures(facts),
        to_terminate=tuple(instance.id for instance in choice.to_terminate),
        second_look=choice.second_look,
        hold=choice.hold,
    )


def _figures(facts: Facts) -> Figures:
    return Figures(
        available=len(facts.available),
        unavailable=len(facts.unavailable),
        in_flight=facts.in_flight,
        outdated=len(facts.outdated),
        minimum=facts.minimum,
        target=facts.target,
        source=facts.source,
        lowest=facts.lowest,
        highest=facts.highest,
        stale=len(facts.stale),
        overdue=len(facts.overdue),
        since=facts.since,
        behind=facts.behind,
    )


def _choose(facts: Facts) -> _Choice:
    if facts.converged:
        return _Choice("converged", _converged(facts))
    if hold := holds.first(holds.STANDING, facts) or holds.pace(facts):
        return _held(hold)
    return _guarded(facts, _pick(facts, (*facts.presumed, *facts.outdated)))


def _held(hold: Hold) -> _Choice:
    return _Choice("hold", hold.reason, hold=hold.name)


def _converged(facts: Facts) -> str:
    running = words.count(len(facts.available), "instance")
    return f"{running} on {facts.target}" if facts.available else "no instance is wanted"


def _guarded(facts: Facts, choice: _Choice) -> _Choice:
    # Window and alarms must not keep a bad release, or its failed_boot, in place.
    for name, rule in holds.GUARDS.items():
        hold = holds.first({name: rule}, facts) if choice.to_terminate else None
        if hold is not None:
            urgent = () if name == "instance_refresh" else _urgent(facts)
            choice = _pick(facts, urgent)
            choice = choice if choice.to_terminate else _held(hold)
    if choice.kind == "canary" and (hold := holds.zip_unreadable(facts)):
        return _held(hold)
    return choice


def _urgent(facts: Facts) -> tuple[Instance, ...]:
    newest = max(map(launch, facts.available), default=None)
    failed_boots = (i for i in facts.presumed if newest is None or launch(i) > newest)
    return (*failed_boots, *filter(facts.above_target, facts.outdated))


def _pick(facts: Facts, candidates: Sequence[Instance]) -> _Choice:
    """Choose the to_terminate among the candidates, or hold because nothing of them may go."""
    presumed_ids = {instance.id for instance in facts.presumed}
    free = [instance for instance in candidates if not instance.protected]
    presumed = [instance for instance in free if instance.id in presumed_ids]
    waits = holds.deferred_presumed(facts)
    if presumed and waits is None:
        return _presumed(facts, min(presumed, key=_age_first))
    outdated = [instance for instance in free if instance.id not in presumed_ids]
    if outdated and facts.budget:
        return _outdated(facts, outdated)
    if presumed and not outdated:
        waiting = f"{presumed[0].id} is presumed outdated, but {waits}"
        return _held(Hold("presumed_waits", waiting))
    return _held(holds.no_budget(facts))


def _presumed(facts: Facts, chosen: Instance) -> _Choice:
    reason = (
        f"{chosen.id} is presumed outdated: launched before {facts.target} became the "
        f"target, it is unavailable ({chosen.reason})"
    )
    return _Choice(_kind(facts), reason, (chosen,), second_look=True)


def _outdated(facts: Facts, candidates: Sequence[Instance]) -> _Choice:
    allowed = facts.budget if facts.proof else 1
    to_terminate = tuple(islice(_in_order(facts, candidates), allowed))
    if facts.proof:
        outdated = words.count(len(facts.outdated), "outdated instance")
        fit = "fits" if len(to_terminate) == 1 else "fit"
        return _Choice(
            "replace", f"{len(to_terminate)} of {outdated} {fit} the budget", to_terminate
        )
    first = to_terminate[0]
    return _Choice("canary", f"{first.id} goes first, to prove {facts.target}", to_terminate)


def _kind(facts: Facts) -> Kind:
    return "replace" if facts.proof else "canary"


def _in_order(facts: Facts, candidates: Iterable[Instance]) -> Iterator[Instance]:
    """Yield the candidates in the order in which they go.

    Above the target the highest first, then the lowest first; of one version from the
    Availability Zone with most available instances left, then the oldest, then by id.
    """
    tiers: dict[Version, list[Instance]] = defaultdict(list)
    for instance in candidates:
        if instance.version is not None:
            tiers[instance.version].append(instance)
    above = {version for version in tiers if facts.above_target(tiers[version][0])}
    left = Counter(instance.zone for instance in facts.available)
    for version in (*sorted(above, reverse=True), *sorted(tiers.keys() - above)):
        yield from _by_zone(tiers[version], left)


def _by_zone(tier: Sequence[Instance], left: Counter[str]) -> Iterator[Instance]:
    queues: dict[str, deque[Instance]] = defaultdict(deque)
    for instance in sorted(tier, key=_age_first):
        queues[instance.zone].append(instance)
    while queues:
        zone = min(queues, key=lambda name: (-left[name], _age_first(queues[name][0])))
        yield queues[zone].popleft()
        left[zone] -= 1
        if not queues[zone]:
            del queues[zone]


def _age_first(instance: Instance) -> tuple[datetime, str]:
    return launch(instance), instance.id
