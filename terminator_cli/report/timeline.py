"""What decision records tell about each group over time: pure.

Records say how a group stood when a run looked; what lies between two runs, no record tells.
They may be from anybody's file, so nothing here takes longer than the records are long; their
times are within the bounds of `Record.from_json`, so that no arithmetic on them overflows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import Any, Final, Literal

from terminator.model import Became
from terminator.report.record import InstanceRecord, Record
from terminator_cli.records import asked_by, by_version, said

# The schedule's, where the records are too few to tell.
_PERIOD: Final = timedelta(minutes=5)
# Uploads and people start runs too, some within a second.
_SHORTEST: Final = timedelta(minutes=1)

State = Literal["converged", "superseded", "under way", "waiting", "needs attention"]
How = Became | Literal["withdrawn or pinned"]
Ending = Literal["terminated", "gone", "running"]


@dataclass(frozen=True)
class Fold:
    """So many decisions in a row about a group that say the same; `last` is the last of them.

    `asked_by` says who asked for these runs, each once.
    """

    first: Record
    last: Record
    times: int = 1
    asked_by: tuple[str, ...] = ()


@dataclass(frozen=True)
class Level:
    """How a group stood from one run to the next, once the first had terminated what it did.

    `versions` are the available instances by version, the lowest first. Figures are None, and
    `versions` empty, where the group could not be observed.
    """

    begin: datetime
    end: datetime
    versions: tuple[tuple[str, int], ...] = ()
    available: int | None = None
    minimum: int | None = None
    desired: int | None = None


@dataclass(frozen=True)
class Part:
    """What an instance ran in a stretch of time; None: it did not answer."""

    begin: datetime
    end: datetime
    version: str | None


@dataclass(frozen=True)
class Span:
    """The life of an instance to its end, in parts without gaps between them.

    It was `terminated` by Terminator, is `gone` otherwise (then its end is when it was last
    seen), or is `running` to the last. `created` is None where no record says it; it then
    begins when it was first seen.
    """

    id: str
    created: datetime | None
    parts: tuple[Part, ...]
    ending: Ending

    @property
    def begin(self) -> datetime:
        """When it was created or first seen."""
        return self.parts[0].begin

    @property
    def end(self) -> datetime:
        """When it was terminated or last seen."""
        return self.parts[-1].end


@dataclass(frozen=True)
class Termination:
    """Instances that were terminated at a time."""

    at: datetime
    ids: tuple[str, ...]


@dataclass(frozen=True)
class Target:
    """A version that became the target; `answered` says whether an instance ever ran it.

    It was `uploaded`; the one above it was `withdrawn`; or it was `pinned` or `unpinned`: the
    pointer was written, or deleted. Old records do not tell the second and the third apart.
    """

    at: datetime
    version: str
    how: How
    answered: bool


@dataclass(frozen=True)
class Rollout:
    """A group on its way to a target.

    It begins with the first decision that found something outdated, and ends with the first
    that found the group converged (`converged`), or on its way to another target
    (`superseded`); until then it is `under way` or, by its last decision, `waiting` or in need
    of attention. `before` is what was to be replaced, the lowest version first. `lowest` is the
    fewest available after any of its runs; `minimum` is the greatest of that time.
    """

    target: str
    before: tuple[str, ...]
    begin: datetime
    end: datetime
    state: State
    terminated: tuple[str, ...]
    lowest: int | None
    minimum: int | None


@dataclass(frozen=True)
class GroupTimeline:
    """What happened to a group; all that has an order is in the order of time.

    `versions` are all that were seen in it, the lowest first. `lowest` is the fewest that it
    had available after any run, and `minimum` what held then.
    """

    group: str
    records: tuple[Record, ...]
    versions: tuple[str, ...]
    levels: tuple[Level, ...]
    spans: tuple[Span, ...]
    terminations: tuple[Termination, ...]
    targets: tuple[Target, ...]
    rollouts: tuple[Rollout, ...]
    folds: tuple[Fold, ...]
    lowest: int | None
    minimum: int | None


@dataclass(frozen=True)
class Timeline:
    """What the records tell, from a period before the first run to a period after the last."""

    begin: datetime
    end: datetime
    period: timedelta
    groups: tuple[GroupTimeline, ...]


def timeline(records: Iterable[Record]) -> Timeline:
    """Return what happened; raise ValueError where no record has a time.

    What a run left stands until the next run; what the last one left, and what the first one
    found, for the usual period.
    """
    dated = sorted((each for each in records if each.at is not None), key=_when)
    if not dated:
        raise ValueError("no record has a time")
    by_group: dict[str, list[Record]] = {}
    for record in dated:
        by_group.setdefault(record.group, []).append(record)
    gaps = [
        after - before
        for of_group in by_group.values()
        for before, after in pairwise(map(_when, of_group))
        if after > before
    ]
    period = max(_SHORTEST, median(gaps)) if gaps else _PERIOD  # type: ignore[type-var] # spans of time have a middle too
    begin, end = _when(dated[0]) - period, _when(dated[-1]) + period
    groups = tuple(_group(name, by_group[name], period, end) for name in sorted(by_group))
    return Timeline(begin, end, period, groups)


def _when(record: Record) -> datetime:
    if record.at is None:
        raise ValueError(f"a record of {record.group} has no time")
    return record.at


def _group(name: str, records: Sequence[Record], period: timedelta, end: datetime) -> GroupTimeline:
    spans = _spans(records, end)
    versions = in_order(
        {
            *(part.version for span in spans for part in span.parts if part.version is not None),
            *(version for record in records for version in _running(record)),
        },
        records,
    )
    # Of runs that left as few, the one with the greatest minimum counts.
    margins = [
        (least, -record.minimum)
        for record in records
        if (least := _left(record)) is not None and record.minimum is not None
    ]
    lowest, minimum = min(margins, default=(None, None))
    return GroupTimeline(
        group=name,
        records=tuple(records),
        versions=versions,
        levels=_levels(records, {v: n for n, v in enumerate(versions)}, period, end),
        spans=spans,
        terminations=tuple(
            Termination(_when(each), each.terminated) for each in records if each.terminated
        ),
        targets=_targets(records, versions, _when(records[0]) - period),
        rollouts=_rollouts(records),
        folds=tuple(fold(records)),
        lowest=lowest,
        minimum=None if minimum is None else -minimum,
    )


def _running(record: Record) -> Counter[str]:
    """Count the versions of the available instances, but for those that the run terminated."""
    gone = frozenset(record.terminated)
    return Counter(
        each.version
        for each in record.instances
        if each.available and each.version is not None and each.id not in gone
    )


def _left(record: Record) -> int | None:
    """Return how many were available once the run had terminated what it did."""
    if record.available is None:
        return None
    served = {each.id for each in record.instances if each.available}
    return max(0, record.available - len(served & set(record.terminated)))


def available(record: Record) -> tuple[str, ...]:
    """Return the versions that were available when the run looked, the lowest first."""
    return in_order(_running(replace(record, terminated=())))


def in_order(versions: Iterable[str], records: Iterable[Record] = ()) -> tuple[str, ...]:
    """Return versions by precedence, the lowest first.

    What has none comes last, in the order in which the records name it as their target.
    """
    targets = dict.fromkeys(record.target for record in records if record.target)
    appeared = {text: number for number, text in enumerate(targets)}

    def place(text: str) -> tuple[Any, ...]:
        is_version, *order = by_version(text)
        return not is_version, -1 if is_version else appeared.get(text, -1), *order

    return tuple(sorted(versions, key=place))


def _levels(
    records: Sequence[Record], rank: Mapping[str, int], period: timedelta, end: datetime
) -> tuple[Level, ...]:
    """Return the levels of a group; runs that found and left it the same are one.

    `rank` is the place of each version among all.
    """
    first = _when(records[0])
    stretches = [
        # What the first run found, from a period before it.
        (replace(records[0], terminated=()), first - period, first),
        *zip(records, map(_when, records), [*map(_when, records[1:]), end], strict=True),
    ]
    made: list[Level] = []
    for record, begin, until in stretches:
        level = Level(begin, until)
        if record.available is not None:
            running = _running(record)
            versions = tuple((v, running[v]) for v in sorted(running, key=rank.__getitem__))
            figures = (_left(record), record.minimum, record.desired)
            level = Level(begin, until, versions, *figures)
        if made and replace(level, begin=made[-1].begin, end=made[-1].end) == made[-1]:
            made[-1] = replace(made[-1], end=until)
        else:
            made.append(level)
    return tuple(made)


def _spans(records: Sequence[Record], end: datetime) -> tuple[Span, ...]:
    """Return the life of every instance that a group counted on, by its begin and id.

    What is there in the last record that saw the group is drawn to `end`.
    """
    terminated = {id_: _when(record) for record in reversed(records) for id_ in record.terminated}
    last = max(
        (_when(each) for each in records if each.instances or each.desired == 0), default=None
    )
    seen: dict[str, list[tuple[datetime, InstanceRecord]]] = {}
    for record in records:
        for instance in record.instances:
            if instance.counted:
                seen.setdefault(instance.id, []).append((_when(record), instance))
    made: list[Span] = []
    for id_, sightings in seen.items():
        first_seen, last_seen = sightings[0][0], sightings[-1][0]
        created = next((each.created for _, each in sightings if each.created), None)
        ending: Ending = "running" if last_seen == last else "gone"
        until = end if ending == "running" else last_seen
        if id_ in terminated:
            ending, until = "terminated", terminated[id_]
        before = [pair for pair in sightings if pair[0] < until] or sightings[:1]
        parts = _parts(before, min(first_seen, created or first_seen), until)
        made.append(Span(id_, created, parts, ending))
    return tuple(sorted(made, key=lambda span: (span.begin, span.id)))


def _parts(
    sightings: Iterable[tuple[datetime, InstanceRecord]], begin: datetime, end: datetime
) -> tuple[Part, ...]:
    changes: list[tuple[datetime, str | None]] = []
    for at, instance in sightings:
        version = instance.version
        if version is None and instance.reason is None and changes:
            # It was not asked, so it runs what it ran.
            version = changes[-1][1]
        if not changes or version != changes[-1][1]:
            changes.append((at if changes else begin, version))
    ends = [*(at for at, _ in changes[1:]), max(begin, end)]
    return tuple(
        Part(at, until, version) for (at, version), until in zip(changes, ends, strict=True)
    )


def _targets(
    records: Sequence[Record], versions: Sequence[str], begin: datetime
) -> tuple[Target, ...]:
    """Return each release that became the target since `begin`, when, and how."""
    made: list[Target] = []
    before, seen = None, begin
    for record in records:
        at = _when(record)
        if record.target and record.target_source == "released":
            if before is None or record.target != before.target:
                # The bucket's history knows better than the run that found it.
                since = record.since if record.since and seen <= record.since <= at else None
                if before is not None or since is not None:
                    how, answered = _became(record, before), record.target in versions
                    made.append(
                        Target(at if since is None else since, record.target, how, answered)
                    )
            before = record
        seen = at
    return tuple(made)


def _became(record: Record, before: Record | None) -> How:
    """Say how a release became the target in place of the one of a record before, if any.

    Where the bucket's history does not tell it, the pointer and the order of versions do.
    """
    if record.became:
        return record.became
    newer = before is None or in_order((before.target or "", record.target or ""))[0] == (
        before.target
    )
    if record.pinned is None:  # of before records told that
        return "uploaded" if newer else "withdrawn or pinned"
    if record.pinned:
        return "pinned"
    if before is not None and before.pinned:
        return "unpinned"
    return "uploaded" if newer else "withdrawn"


def _rollouts(records: Iterable[Record]) -> tuple[Rollout, ...]:
    """Return the rollouts of a group; what is recycled is on target and begins none."""
    made: list[Rollout] = []
    course: list[Record] = []
    for record in records:
        if record.target is None:
            continue
        if course and course[0].target != record.target:
            made.append(_rollout(course, superseded=record))
            course = []
        recycles = record.decision == "recycle"
        if course or record.outdated or (record.to_terminate and not recycles):
            course.append(record)
            if record.decision == "converged":
                made.append(_rollout(course))
                course = []
    return (*made, _rollout(course)) if course else tuple(made)


def _rollout(course: Sequence[Record], superseded: Record | None = None) -> Rollout:
    """Return the rollout that took this course, at least one record, and what superseded it."""
    first, last, target = course[0], course[-1], course[0].target or ""
    states: Mapping[str, State] = {
        each: each for each in ("converged", "waiting", "needs attention")
    }
    left = (_left(record) for record in course)
    minima = (record.minimum for record in course)
    return Rollout(
        target=target,
        before=tuple(version for version in available(first) if version != target),
        begin=_when(first),
        end=_when(superseded or last),
        state="superseded" if superseded else states.get(last.standing, "under way"),
        terminated=tuple(dict.fromkeys(id_ for record in course for id_ in record.terminated)),
        lowest=min((number for number in left if number is not None), default=None),
        minimum=max((number for number in minima if number is not None), default=None),
    )


def fold(records: Iterable[Record]) -> list[Fold]:
    """Fold decisions that repeat the one before about their group, in the order of the first.

    Repeating is to decide the same for the same reason over the same figures, and to terminate
    nothing: a run that terminated stands alone.
    """
    folds: list[Fold] = []
    asked: list[dict[str, None]] = []
    latest: dict[str, int] = {}
    for record in records:
        number = latest.get(record.group)
        if number is not None and _repeats(record, folds[number].last):
            before = folds[number]
            folds[number] = Fold(before.first, record, before.times + 1)
        else:
            number = latest[record.group] = len(folds)
            folds.append(alone(record))
            asked.append({})
        asked[number] |= dict.fromkeys(alone(record).asked_by)
    return [replace(each, asked_by=tuple(who)) for each, who in zip(folds, asked, strict=True)]


def alone(record: Record) -> Fold:
    """Return a decision that is folded with no other."""
    asked = asked_by(record)
    return Fold(record, record, asked_by=(asked,) if asked else ())


def _repeats(record: Record, before: Record) -> bool:
    return not (record.terminated or before.terminated) and said(record) == said(before)
