"""What a decision is reported with: the figures, and what makes each instance one to replace."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from terminator.decide.group_state import GroupState, created
from terminator.model import Cause, Figures, Instance


def figures(state: GroupState) -> Figures:
    """Return the figures that a decision about the group is reported with."""
    target = str(state.target or "")
    lowest, highest = str(state.lowest or ""), str(state.highest or "")
    if state.source == "template":
        runs = [str(each.origin) for each in _by_rank(state) if each.origin]
        target = str(state.origin or "")
        lowest, highest = runs[0] if runs else "", runs[-1] if runs else ""
    return Figures(
        available=len(state.available),
        unavailable=len(state.unavailable),
        in_flight=state.in_flight,
        outdated=len(state.outdated),
        minimum=state.minimum,
        target=target or None,
        source=state.source,
        lowest=lowest or None,
        highest=highest or None,
        stale=len(state.stale),
        overdue=len(state.overdue),
        since=state.since,
        behind=state.behind,
        template=str(state.origin) if state.origin else None,
        due=len(state.due),
        available_ids=state.available_ids,
        causes=_causes(state),
        pinned=state.released.pinned if state.released else None,
        became=state.released.became if state.released else None,
    )


def _by_rank(state: GroupState) -> Iterable[Instance]:
    return sorted(state.available, key=lambda each: (state.rank(each), str(each.origin)))


def _causes(state: GroupState) -> dict[str, Cause]:
    """Map the ids of the instances that are to be replaced to what makes them so."""
    dead, due = ({each.id for each in some} for some in (state.dead, state.due))
    causes: dict[str, Cause] = {}
    for each in state.members:
        if state.answered_another(each):
            causes[each.id] = "release"
        elif state.group.drifted(each):
            causes[each.id] = "image" if state.group.drifted_by_image(each) else "template"
        elif each.id in dead:
            causes[each.id] = "release"
        elif each.id in due:
            causes[each.id] = "taint" if is_tainted(each, state.now) else "age"
    return causes


def is_tainted(instance: Instance, now: datetime) -> bool:
    """Say whether the tag of an instance makes it due."""
    after = instance.replace_after
    return after is not None and created(instance) < after <= now
