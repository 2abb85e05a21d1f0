"""Folding of decisions that say the same again: pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from terminator_cli.recorded.record import Recorded

# What a reason counts down or up, as terminator.words writes it.
_SPAN: Final = re.compile(
    r"just now|\d+ (?:more )?(?:second|minute|hour)s?(?: \d+ minutes?)?(?: ago)?"
)


@dataclass(frozen=True)
class Fold:
    """So many decisions in a row about a group that say the same; `last` is the last of them."""

    first: Recorded
    last: Recorded
    times: int = 1


def fold(records: Iterable[Recorded]) -> list[Fold]:
    """Fold decisions that repeat the one before about their group, in the order of the first.

    Repeating is to come to the same for the same reason, be it a minute later, and to
    terminate nothing: a run that terminated stands alone.
    """
    folds: list[Fold] = []
    latest: dict[str, int] = {}
    for record in records:
        number = latest.get(record.group)
        if number is not None and _repeats(record, folds[number].last):
            folds[number] = replace(folds[number], last=record, times=folds[number].times + 1)
        else:
            latest[record.group] = len(folds)
            folds.append(Fold(record, record))
    return folds


def alone(records: Iterable[Recorded]) -> list[Fold]:
    """Return every decision unfolded."""
    return [Fold(record, record) for record in records]


def _repeats(one: Recorded, before: Recorded) -> bool:
    return not one.terminated and not before.terminated and _said(one) == _said(before)


def _said(record: Recorded) -> tuple[object, ...]:
    reason = _SPAN.sub("a while", record.reason)
    acted = (record.to_terminate, record.deferred, record.failed, record.dry_run)
    return record.decision, reason, *acted
