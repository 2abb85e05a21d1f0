"""Which releases went out, when, and how far down that took the group: pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal

from terminator.version import NotAVersionError, Version
from terminator_cli.recorded.record import Recorded

State = Literal["converged", "superseded", "under way", "held"]
_OPEN: Final = ("under way", "held")


@dataclass(frozen=True)
class Rollout:
    """A group on its way to a target.

    It begins with the first decision that found something outdated, and ends with the first
    that found the group converged (`converged`), or on its way to another target
    (`superseded`); until then it is `under way`, or `held` by its last decision. `before` is
    what was to be replaced, the lowest version first. `lowest` is the fewest available after
    any of its runs; `minimum` is the greatest of that time.
    """

    target: str
    before: tuple[str, ...]
    begin: datetime
    end: datetime
    state: State = "under way"
    terminated: tuple[str, ...] = ()
    lowest: int | None = None
    minimum: int | None = None


_STATES: Final[dict[str, State]] = {"converged": "converged", "hold": "held"}


def rollouts(records: Iterable[Recorded]) -> tuple[Rollout, ...]:
    """Return the rollouts in the records of one group that have a time, in order."""
    done: list[Rollout] = []
    for record in records:
        if record.at is None or record.target is None:
            continue
        at, current = record.at, done[-1] if done else None
        if current is not None and current.state in _OPEN:
            if current.target == record.target:
                done[-1] = _continued(current, record, at)
                continue
            done[-1] = replace(current, end=at, state="superseded")
        if record.outdated or record.to_terminate:
            done.append(_continued(_begun(record, record.target, at), record, at))
    return tuple(done)


def _begun(record: Recorded, target: str, at: datetime) -> Rollout:
    before = tuple(version for version in available(record) if version != target)
    return Rollout(target, before, at, at)


def _continued(rollout: Rollout, record: Recorded, at: datetime) -> Rollout:
    return replace(
        rollout,
        end=at,
        state=_STATES.get(record.decision, "under way"),
        terminated=tuple(dict.fromkeys((*rollout.terminated, *record.terminated))),
        lowest=fewest([rollout.lowest, left(record)]),
        minimum=max(
            (each for each in (rollout.minimum, record.minimum) if each is not None), default=None
        ),
    )


def available(record: Recorded) -> tuple[str, ...]:
    """Return the versions that were available, the lowest first."""
    return in_order({each.version for each in record.instances if each.available and each.version})


def left(record: Recorded) -> int | None:
    """Return how many were available once the run had terminated what it did."""
    if record.available is None:
        return None
    served = {each.id for each in record.instances if each.available}
    return max(0, record.available - len(served & set(record.terminated)))


def fewest(numbers: Iterable[int | None]) -> int | None:
    """Return the least of the numbers that are known."""
    return min((each for each in numbers if each is not None), default=None)


def in_order(versions: Iterable[str]) -> tuple[str, ...]:
    """Return versions by precedence, the lowest first; what is none comes last."""
    return tuple(sorted(versions, key=_precedence))


def _precedence(text: str) -> tuple[bool, Version, str]:
    try:
        return False, Version.parse(text), text
    except NotAVersionError:
        return True, Version("", ()), text


def lowest_margin(records: Sequence[Recorded]) -> tuple[int | None, int | None]:
    """Return the fewest available after a run, and the minimum that held then.

    Where several runs left as few, the one with the greatest minimum counts.
    """
    known = [
        (least, -(record.minimum or 0))
        for record in records
        if (least := left(record)) is not None and record.minimum is not None
    ]
    least, minimum = min(known, default=(None, None))
    return least, None if minimum is None else -minimum
