"""The second look: one slow answer must not kill.

A presumed outdated instance goes only if it is still unavailable when asked again. With it
are asked others that answered before, to tell a dead instance from a dead network.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from terminator.config.tags import Policy
from terminator.model import Instance
from terminator.observe import snapshot as observe
from terminator.observe import survey
from terminator.observe.snapshot import Snapshot
from terminator.observe.survey import Subject, World
from terminator.report.record import Outcome
from terminator.text import count
from terminator.version import Version

# Asked earlier, it would only show the same hiccup again.
WAIT_SECONDS: Final = 30.0
_MOST_NEIGHBOURS: Final = 10


@dataclass(frozen=True)
class Doubt:
    """A group whose chosen is presumed outdated; `others` are asked again with it.

    They are the available instances of the group or, where it has none, a few instances of
    its VPC that answered.
    """

    subject: Subject
    chosen: str
    others: frozenset[str]


def doubt(subject: Subject, outcome: Outcome, seen: Snapshot) -> Doubt:
    """Return the doubt about the chosen that was chosen over what was seen."""
    instances = outcome.group.instances if outcome.group is not None else ()
    own = frozenset(each.id for each in instances if _is_available(each))
    (chosen,) = outcome.to_terminate
    return Doubt(subject, chosen, own or frozenset(_neighbours(chosen, seen)))


def _neighbours(chosen: str, seen: Snapshot) -> list[str]:
    vpc = seen.rows[chosen].get("VpcId")
    answered = (id_ for id_, what in seen.seen.items() if isinstance(what, Version))
    return sorted(id_ for id_ in answered if seen.rows[id_].get("VpcId") == vpc)[:_MOST_NEIGHBOURS]


def look_again(
    world: World,
    doubts: Sequence[Doubt],
    policies: Mapping[str, Policy],
    before: Snapshot,
    looked: datetime,
) -> Snapshot:
    """Wait once for all, ask again, and return the snapshot with the newer answers.

    `policies` maps the ids of all instances to their groups' policies; `looked` is when the
    first look ended.
    """
    waited = (world.clock() - looked).total_seconds()
    world.sleep(max(0.0, WAIT_SECONDS - waited))
    asked = {id_: policies[id_] for id_ in _asked(doubts)}
    return survey.look(world, [each.subject for each in doubts], asked, before)


def _asked(doubts: Iterable[Doubt]) -> set[str]:
    return {id_ for each in doubts for id_ in (each.chosen, *each.others)}


def spared(of: Doubt, after: Snapshot) -> str | None:
    """Say why the chosen is spared after the second look, None where it is not."""
    group = observe.to_group(of.subject.described, of.subject.policy, after)
    chosen = next(each for each in group.instances if each.id == of.chosen)
    if _is_available(chosen):
        return f"{chosen.id} is spared: asked again, it answered {chosen.version}"
    if of.others and not any(isinstance(after.seen.get(id_), Version) for id_ in of.others):
        asked = count(len(of.others), "other")
        return f"{chosen.id} is spared: asked again, none of {asked} answered either"
    return None


def _is_available(instance: Instance) -> bool:
    return instance.serving and instance.version is not None and instance.reason is None
