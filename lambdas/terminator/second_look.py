"""The second look: one slow answer must not kill.

A presumed outdated instance goes only if it is still unreadable when asked again; with it
are asked the available instances of its group, to tell a dead instance from a dead network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from terminator import observe, survey
from terminator.model import Group, Instance
from terminator.observe import Snapshot
from terminator.policy import Policy
from terminator.survey import Subject, World
from terminator.version import Version
from terminator.words import count

# Asked earlier, it would only show the same hiccup again.
WAIT_SECONDS: Final = 30.0


@dataclass(frozen=True)
class Doubt:
    """A group whose victim is presumed outdated, as it was first seen."""

    subject: Subject
    group: Group
    victim: str

    @property
    def others(self) -> frozenset[str]:
        """The ids of the available instances: they answered the first time."""
        return frozenset(i.id for i in self.group.instances if _is_available(i))


def look_again(
    world: World, doubts: Sequence[Doubt], before: Snapshot, looked: datetime
) -> Snapshot:
    """Wait once for all, ask again, and return the snapshot with the newer answers.

    `looked` is when the first look ended.
    """
    waited = (world.clock() - looked).total_seconds()
    world.sleep(max(0.0, WAIT_SECONDS - waited))
    policies: Mapping[str, Policy] = {
        id_: doubt.subject.policy for doubt in doubts for id_ in {doubt.victim, *doubt.others}
    }
    return survey.look(world, [doubt.subject for doubt in doubts], policies, before)


def spared(doubt: Doubt, doubts: Sequence[Doubt], after: Snapshot) -> str | None:
    """Say why the victim is spared after the second look, None where it is not."""
    group = observe.to_group(doubt.subject.described, doubt.subject.policy, after)
    victim = next(each for each in group.instances if each.id == doubt.victim)
    if _is_available(victim):
        return f"{victim.id} is spared: asked again, it answered {victim.version}"
    others = doubt.others or frozenset[str]().union(*(each.others for each in doubts))
    if others and not any(isinstance(after.seen.get(id_), Version) for id_ in others):
        asked = count(len(others), "other")
        return f"{victim.id} is spared: asked again, none of {asked} answered either"
    return None


def _is_available(instance: Instance) -> bool:
    return instance.serving and instance.version is not None and instance.reason is None
