"""The second look: one slow answer must not kill.

A dead instance goes only if it is still unavailable in the same way when asked again. Others
that answered before are asked with it, to tell a dead instance from a dead network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from terminator.config.tags import Policy
from terminator.errors import explain
from terminator.model import Group, Instance, NotProbed, Unobserved
from terminator.observe.snapshot import GROUP_SECONDS, OptedIn, Snapshot, World, look
from terminator.text import count
from terminator.version import Version

# Asked earlier, it would only show the same hiccup again.
WAIT_SECONDS: Final = 30.0
# Kept for a second look: its wait, and describing and asking again.
SECONDS: Final = WAIT_SECONDS + 45.0 + GROUP_SECONDS
_MOST_NEIGHBOURS: Final = 10


def asked_with(instances: Sequence[str], group: Group, seen: Snapshot) -> frozenset[str]:
    """Return the ids of those to ask again with the instances in doubt.

    They are those of the group that answered or, where there are none, a few instances of the
    VPC that answered. Nobody is asked for a group whose instances are not.
    """
    if not any(each.answer and not isinstance(each.answer, NotProbed) for each in group.instances):
        return frozenset()
    answered = {id_ for id_, answer in seen.answers.items() if isinstance(answer, Version)}
    if own := frozenset(each.id for each in group.instances if each.id in answered):
        return own - frozenset(instances)
    vpcs = {seen.instances[id_].vpc for id_ in instances if id_ in seen.instances}
    neighbours = sorted(id_ for id_ in answered if seen.instances[id_].vpc in vpcs)
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
    is observed; where nothing is in doubt nothing is waited for.
    """
    if not to_ask:
        return before
    try:
        world.require(SECONDS, "its second look")
        waited = (world.clock() - looked).total_seconds()
        world.sleep(max(0.0, WAIT_SECONDS - waited))
        return look(world, groups, to_ask, before)
    except Exception as error:  # noqa: BLE001 - whatever it is, the other groups are served
        unseen = dict.fromkeys(to_ask, Unobserved(explain(error)))
        return replace(before, answers={**before.answers, **unseen})


def spared(
    instances: Sequence[str], others: frozenset[str], before: Group, group: Group, after: Snapshot
) -> dict[str, str]:
    """Return the ids of the instances that a second look spares, each with the reason."""
    if others and not any(isinstance(after.answers.get(id_), Version) for id_ in others):
        nobody = f"asked again, none of {count(len(others), 'other')} answered either"
        return dict.fromkeys(instances, nobody)
    then = {each.id: each for each in before.instances}
    found: dict[str, str] = {}
    for each in group.instances:
        if each.id in instances and not _is_same(then[each.id], each):
            said = f"it answered {each.version}" if each.version else each.reason or "it is gone"
            found[each.id] = f"asked again, {said}"
    return found


def _is_same(then: Instance, now: Instance) -> bool:
    """Say whether the instance is unavailable now in the way in which it was."""
    return now.in_service and not now.serves and then.silent == now.silent
