"""Decision records as what happened to each group over time: pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby, pairwise
from statistics import median
from typing import Final

from terminator_cli.recorded.fold import Fold, fold
from terminator_cli.recorded.record import Recorded
from terminator_cli.recorded.rollouts import Rollout, in_order, left, lowest_margin, rollouts
from terminator_cli.recorded.spans import Span, spans

# The schedule's, where the records are too few to tell.
_PERIOD: Final = timedelta(minutes=5)
# Uploads and people start runs too, some within a second.
_SHORTEST: Final = timedelta(minutes=1)


@dataclass(frozen=True)
class Level:
    """How a group stood from one run to the next, once the first had terminated what it did.

    `versions` are the available instances by version, the lowest first. Figures are None, and
    `versions` empty, where the group could not be observed.
    """

    begin: datetime
    end: datetime
    versions: tuple[tuple[str, int], ...]
    available: int | None
    minimum: int | None
    desired: int | None


@dataclass(frozen=True)
class Kill:
    """Instances that were terminated at a time."""

    at: datetime
    ids: tuple[str, ...]


@dataclass(frozen=True)
class GroupTimeline:
    """What happened to a group.

    `lowest` is the fewest that it had available after any run, and `minimum` what held then.
    """

    group: str
    records: tuple[Recorded, ...]
    levels: tuple[Level, ...]
    spans: tuple[Span, ...]
    kills: tuple[Kill, ...]
    rollouts: tuple[Rollout, ...]
    folds: tuple[Fold, ...]
    lowest: int | None
    minimum: int | None

    @property
    def versions(self) -> tuple[str, ...]:
        """All that was seen of versions in it, the lowest first."""
        return in_order({version for span in self.spans for version in span.versions})


@dataclass(frozen=True)
class Timeline:
    """What the records tell, from a period before the first run to a period after the last."""

    begin: datetime
    end: datetime
    period: timedelta
    groups: tuple[GroupTimeline, ...]


def timeline(records: Iterable[Recorded]) -> Timeline:
    """Return what happened; raise ValueError where no record has a time.

    What a run left stands until the next run; what the last one left, and what the first one
    found, for the usual period.
    """
    dated = sorted((each for each in records if each.at is not None), key=_when)
    if not dated:
        raise ValueError("no record has a time")
    by_group = _by_group(dated)
    period = _period(by_group)
    begin, end = _when(dated[0]) - period, _when(dated[-1]) + period
    groups = tuple(_group(name, by_group[name], period, end) for name in sorted(by_group))
    return Timeline(begin, end, period, groups)


def _by_group(records: Sequence[Recorded]) -> dict[str, list[Recorded]]:
    by_group: dict[str, list[Recorded]] = {}
    for record in records:
        by_group.setdefault(record.group, []).append(record)
    return by_group


def _period(by_group: dict[str, list[Recorded]]) -> timedelta:
    gaps = [
        after - before
        for records in by_group.values()
        for before, after in pairwise(map(_when, records))
        if after > before
    ]
    return max(_SHORTEST, median(gaps)) if gaps else _PERIOD  # type: ignore[type-var]


def _group(
    name: str, records: Sequence[Recorded], period: timedelta, end: datetime
) -> GroupTimeline:
    lowest, minimum = lowest_margin(records)
    kills = [Kill(_when(each), each.terminated) for each in records if each.terminated]
    return GroupTimeline(
        group=name,
        records=tuple(records),
        levels=_levels(records, period, end),
        spans=spans(records, end),
        kills=tuple(kills),
        rollouts=rollouts(records),
        folds=tuple(fold(records)),
        lowest=lowest,
        minimum=minimum,
    )


def _levels(records: Sequence[Recorded], period: timedelta, end: datetime) -> tuple[Level, ...]:
    """Return the levels of a group; runs that found and left it the same are one."""
    found = replace(records[0], terminated=())
    ends = [*map(_when, records[1:]), end]
    made = [
        _level(found, _when(found) - period, _when(found)),
        *(_level(each, _when(each), until) for each, until in zip(records, ends, strict=True)),
    ]
    same = (list(run) for _, run in groupby(made, key=_figures))
    return tuple(replace(run[0], end=run[-1].end) for run in same)


def _level(record: Recorded, begin: datetime, end: datetime) -> Level:
    staying = (each for each in record.instances if each.id not in record.terminated)
    counts = Counter(each.version for each in staying if each.available and each.version)
    versions = tuple((version, counts[version]) for version in in_order(counts))
    if record.available is None:
        return Level(begin, end, (), None, None, None)
    return Level(begin, end, versions, left(record), record.minimum, record.desired)


def _figures(level: Level) -> object:
    return level.versions, level.available, level.minimum, level.desired


def _when(record: Recorded) -> datetime:
    if record.at is None:
        raise ValueError(f"a record of {record.group} has no time")
    return record.at
