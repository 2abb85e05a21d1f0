"""The time axis: where a time lies, and what stretches of it are cut short: pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

from terminator_cli.report.timeline import Timeline

# How wide a cut is drawn, and how far apart ticks are at the least, in pixels.
CUT: Final = 44.0
_TICK: Final = 46.0
# A stretch is cut that lasts so many periods, and this part of the whole.
_CUT_PERIODS: Final = 6
_CUT_PART: Final = 12
_CUT_LEAST: Final = timedelta(minutes=30)
_STEPS: Final = tuple(
    timedelta(minutes=minutes)
    for minutes in (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 10080, 40320)
)


@dataclass(frozen=True)
class Axis:
    """Time from left (0) to right (`width`), in pieces: each a time and where it lies.

    Between two pieces the scale is even. Every second of them is a cut: time drawn short.
    """

    width: float
    pieces: tuple[tuple[datetime, float], ...]

    @property
    def shown(self) -> list[tuple[datetime, datetime]]:
        """The stretches that are not cut, from when to when."""
        times = [at for at, _ in self.pieces]
        return list(zip(times[::2], times[1::2], strict=True))

    @property
    def cuts(self) -> list[tuple[datetime, datetime]]:
        """The stretches that are cut short, from when to when."""
        return [(end, begin) for (_, end), (begin, _) in pairwise(self.shown)]

    def x(self, at: datetime) -> float:
        """Return where a time lies; one outside lies at the edge."""
        for (begin, left), (end, right) in pairwise(self.pieces):
            if at <= end:
                part = max(0.0, (at - begin) / (end - begin)) if end > begin else 1.0
                return left + part * (right - left)
        return self.width

    def ticks(self) -> list[datetime]:
        """Return round times that are far enough apart to be labelled, none in a cut."""
        shown = sum((end - begin for begin, end in self.shown), timedelta())
        apart = shown * (_TICK / (self.width - CUT * len(self.cuts)))
        days = timedelta(days=apart // timedelta(days=1) + 1)
        step = next((step for step in _STEPS if step >= apart), days)
        midnight = self.pieces[0][0].replace(hour=0, minute=0, second=0, microsecond=0)
        ticks: list[datetime] = []
        for begin, end in self.shown:
            for number in range(-((midnight - begin) // step), (end - midnight) // step + 1):
                at = midnight + number * step
                if not ticks or self.x(at) - self.x(ticks[-1]) >= _TICK:
                    ticks.append(at)
        return ticks


def axis(of: Timeline, width: float) -> Axis:
    """Return the axis of a timeline, so many pixels wide.

    Long stretches in which nothing was seen to change in any group are cut short.
    """
    changes = {of.begin, of.end}
    for group in of.groups:
        changes.update(level.begin for level in group.levels)
        changes.update(each.at for each in group.terminations)
        changes.update(each.at for each in group.targets)
        parts = [part for span in group.spans for part in span.parts]
        changes.update(at for part in parts for at in (part.begin, part.end))
    longest = max(_CUT_LEAST, _CUT_PERIODS * of.period, (of.end - of.begin) / _CUT_PART)
    margin = 2 * of.period
    quiet = [
        (before + margin, after - margin)
        for before, after in pairwise(sorted(at for at in changes if of.begin <= at <= of.end))
        if after - before - 2 * margin > longest
    ]
    # On a phone there is no room for many; half of the width is for what happened.
    most = int(width / 2 / CUT)
    cuts = sorted(sorted(quiet, key=lambda cut: cut[0] - cut[1])[:most])
    shown = of.end - of.begin - sum((end - begin for begin, end in cuts), timedelta())
    even = width - CUT * len(cuts)
    pieces = [(of.begin, 0.0)]
    for begin, end in cuts:
        at, x = pieces[-1]
        left = x + even * ((begin - at) / shown)
        pieces += [(begin, left), (end, left + CUT)]
    return Axis(width, (*pieces, (of.end, width)))
