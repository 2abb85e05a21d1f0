"""The time axis: where a time lies, and what stretches of it are cut short: pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

from terminator_cli.recorded.timeline import Timeline

# How wide a cut is drawn, and how far apart ticks are at the least, in pixels.
CUT: Final = 44.0
_TICK: Final = 46.0
# A stretch is cut that lasts so many periods, and this part of the whole.
_PERIODS: Final = 6
_PART: Final = 12
_LEAST: Final = timedelta(minutes=30)
_STEPS: Final = tuple(
    timedelta(minutes=minutes)
    for minutes in (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 10080, 40320)
)


@dataclass(frozen=True)
class Axis:
    """Time from left (0) to right (`width`), in pieces: each a time and where it lies.

    Between two pieces the scale is even. `cuts` are the stretches that are drawn shorter.
    """

    width: float
    pieces: tuple[tuple[datetime, float], ...]
    cuts: tuple[tuple[datetime, datetime], ...] = ()

    def x(self, at: datetime) -> float:
        """Return where a time lies; one outside lies at the edge."""
        for (begin, left), (end, right) in pairwise(self.pieces):
            if at <= end:
                part = max(0.0, (at - begin) / (end - begin)) if end > begin else 1.0
                return left + part * (right - left)
        return self.width

    def ticks(self) -> list[datetime]:
        """Return round times that are far enough apart to be labelled, none in a cut."""
        step = next((step for step in _STEPS if self._apart(step) >= _TICK), _STEPS[-1])
        ticks: list[datetime] = []
        for at in _round_times(self.pieces[0][0], self.pieces[-1][0], step):
            cut = any(begin < at < end for begin, end in self.cuts)
            if not cut and (not ticks or self.x(at) - self.x(ticks[-1]) >= _TICK):
                ticks.append(at)
        return ticks

    def _apart(self, step: timedelta) -> float:
        shown = self.pieces[-1][0] - self.pieces[0][0] - _total(self.cuts)
        return (self.width - CUT * len(self.cuts)) * (step / shown)


def axis(of: Timeline, width: float) -> Axis:
    """Return the axis of a timeline, so many pixels wide.

    Long stretches in which nothing was seen to change in any group are cut short.
    """
    longest = max(_LEAST, _PERIODS * of.period, (of.end - of.begin) / _PART)
    margin = 2 * of.period
    cuts = tuple(
        (before + margin, after - margin)
        for before, after in pairwise(_changes(of))
        if after - before - 2 * margin > longest
    )
    return Axis(width, _pieces(of, cuts, width), cuts)


def _pieces(
    of: Timeline, cuts: Sequence[tuple[datetime, datetime]], width: float
) -> tuple[tuple[datetime, float], ...]:
    shown = of.end - of.begin - _total(cuts)
    even = width - CUT * len(cuts)
    pieces = [(of.begin, 0.0)]
    for begin, end in cuts:
        at, x = pieces[-1]
        left = x + even * ((begin - at) / shown)
        pieces += [(begin, left), (end, left + CUT)]
    return (*pieces, (of.end, width))


def _changes(of: Timeline) -> list[datetime]:
    """Return all times at which anything changed in any group, and both ends."""
    levels = (level.begin for group in of.groups for level in group.levels)
    kills = (kill.at for group in of.groups for kill in group.kills)
    parts = (
        at
        for group in of.groups
        for span in group.spans
        for part in span.parts
        for at in (part.begin, part.end)
    )
    inside = (at for at in (*levels, *kills, *parts) if of.begin < at < of.end)
    return sorted({of.begin, of.end, *inside})


def _total(cuts: Iterable[tuple[datetime, datetime]]) -> timedelta:
    return sum((end - begin for begin, end in cuts), timedelta())


def _round_times(begin: datetime, end: datetime, step: timedelta) -> Iterable[datetime]:
    midnight = begin.replace(hour=0, minute=0, second=0, microsecond=0)
    at = midnight + -((midnight - begin) // step) * step
    while at <= end:
        yield at
        at += step
