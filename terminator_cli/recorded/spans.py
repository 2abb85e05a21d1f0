"""The life of each instance as the runs saw it, from launch to the end: pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby, pairwise
from typing import Literal

from terminator_cli.recorded.record import Member, Recorded

Fate = Literal["terminated", "gone", "there"]


@dataclass(frozen=True)
class Part:
    """What an instance ran in a stretch of time; None: it did not answer."""

    begin: datetime
    end: datetime
    version: str | None


@dataclass(frozen=True)
class Span:
    """An instance from launch to its end, in parts without gaps between them.

    It was `terminated` by Terminator, is `gone` otherwise (then `end` is when it was last
    seen), or is `there` to the last. `launched` is None where no record says it; it then
    begins when it was first seen.
    """

    id: str
    launched: datetime | None
    parts: tuple[Part, ...]
    fate: Fate

    @property
    def begin(self) -> datetime:
        """When it was launched or first seen."""
        return self.parts[0].begin

    @property
    def end(self) -> datetime:
        """When it was terminated or last seen."""
        return self.parts[-1].end

    @property
    def versions(self) -> tuple[str, ...]:
        """What it ran, in turn."""
        return tuple(part.version for part in self.parts if part.version is not None)


@dataclass(frozen=True)
class _Sighting:
    at: datetime
    member: Member


def spans(records: Sequence[Recorded], end: datetime) -> tuple[Span, ...]:
    """Return the life of every instance that a group counted on, by launch and id.

    `records` are those of one group that have a time, in order. What is there in the last of
    them that saw the group is drawn to `end`.
    """
    ended = {id_: record.at for record in reversed(records) for id_ in record.terminated}
    observed = [record for record in records if record.instances or record.desired == 0]
    last = observed[-1].at if observed else None
    made = [
        _span(seen, terminated=ended.get(id_), last=last, end=end)
        for id_, seen in _sightings(records).items()
    ]
    return tuple(sorted(made, key=lambda span: (span.begin, span.id)))


def _sightings(records: Iterable[Recorded]) -> dict[str, list[_Sighting]]:
    seen: dict[str, list[_Sighting]] = {}
    for record in records:
        for member in record.instances if record.at else ():
            if member.counted and record.at is not None:
                seen.setdefault(member.id, []).append(_Sighting(record.at, member))
    return seen


def _span(
    seen: Sequence[_Sighting],
    *,
    terminated: datetime | None,
    last: datetime | None,
    end: datetime,
) -> Span:
    launched = next((each.member.launched for each in seen if each.member.launched), None)
    begin = min(seen[0].at, launched or seen[0].at)
    fate: Fate = "terminated" if terminated else "there" if seen[-1].at == last else "gone"
    until = {"terminated": terminated or end, "there": end, "gone": seen[-1].at}[fate]
    before = [each for each in seen if each.at < until]
    return Span(seen[0].member.id, launched, _parts(before or seen[:1], begin, until), fate)


def _parts(seen: Sequence[_Sighting], begin: datetime, end: datetime) -> tuple[Part, ...]:
    changes = [
        (next(same).at, version)
        for version, same in (
            (version, (each for each, _ in run))
            for version, run in groupby(_told(seen), key=lambda pair: pair[1])
        )
    ]
    begins = [begin, *(at for at, _ in changes[1:]), max(begin, end)]
    return tuple(
        Part(start, stop, version)
        for (start, stop), (_, version) in zip(pairwise(begins), changes, strict=True)
    )


def _told(seen: Sequence[_Sighting]) -> Iterable[tuple[_Sighting, str | None]]:
    """Pair each sighting with the version: who was not asked runs what it ran before."""
    version: str | None = None
    for each in seen:
        if each.member.version is not None or each.member.reason is not None:
            version = each.member.version
        yield each, version
