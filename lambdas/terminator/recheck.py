"""The second look: one slow answer must not kill.

A presumed outdated instance goes only if it is still unavailable when asked again. Others that
answered before are asked with it, to tell a dead instance from a dead network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from terminator.config.tags import Policy
from terminator.errors import explain
from terminator.model import Group, Unobserved
from terminator.observe.snapshot import GROUP_SECONDS, OptedIn, Snapshot, World, look
from terminator.text import count
from terminator.version import Version

# Asked earlier, it would only show the same hiccup again.
WAIT_SECONDS: Final = 30.0
# Kept for a second look: its wait, and describing and asking again.
SECONDS: Final = WAIT_SECONDS + 45.0 + GROUP_SECONDS
_MOST_NEIGHBOURS: Final = 10


def asked_with(instance: str, group: Group, seen: Snapshot) -> frozenset[str]:
    """Return the ids of those to ask again with an instance in doubt.

    They are the available instances of its group or, where it has none, a few instances of
    its VPC that answered.
    """
    if available := frozenset(each.id for each in group.instances if each.available):
        return available
    vpc = seen.rows[instance].get("VpcId")
    answered = (id_ for id_, answer in seen.answers.items() if isinstance(answer, Version))
    neighbours = sorted(id_ for id_ in answered if seen.rows[id_].get("VpcId") == vpc)
    return frozenset(neighbours[:_MOST_NEIGHBOURS])


def look_again(
    world: World,
    groups: Sequence[OptedIn],
    to_ask: Mapping[str, Policy],
    before: Snapshot,
    looked: datetime,
) -> Snapshot:
    """Wait once for all, ask again, and return the snapshot with the newer answers.

    `to_ask` maps the ids of instances to their groups' policies; `looked` is when the first
    look ended. Where there is no second look, for lack of time or by an error, none of them
    is observed.
    """
    try:
        world.require(SECONDS, "its second look")
        waited = (world.clock() - looked).total_seconds()
        world.sleep(max(0.0, WAIT_SECONDS - waited))
        return look(world, groups, to_ask, before)
    except Exception as error:  # noqa: BLE001 - whatever it is, the other groups are served
        unseen = dict.fromkeys(to_ask, Unobserved(explain(error)))
        return replace(before, answers={**before.answers, **unseen})


def why_spared(instance: str, others: frozenset[str], group: Group, after: Snapshot) -> str | None:
    """Say why the instance in doubt is spared after the second look, None where it is not."""
    chosen = next(each for each in group.instances if each.id == instance)
    if chosen.available:
        return f"{instance} is spared: asked again, it answered {chosen.version}"
    if others and not any(isinstance(after.answers.get(id_), Version) for id_ in others):
        asked = count(len(others), "other")
        return f"{instance} is spared: asked again, none of {asked} answered either"
    return None
