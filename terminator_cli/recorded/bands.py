"""The bands of a group's available instances: one for each version, on top of each other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Final

from terminator_cli.recorded import frame
from terminator_cli.recorded.axis import Axis
from terminator_cli.recorded.frame import LEFT
from terminator_cli.recorded.svg import element, number
from terminator_cli.recorded.timeline import GroupTimeline, Level

if TYPE_CHECKING:
    from markupsafe import Markup

# Where the picture's plot begins and how high it is, in pixels.
TOP: Final = 40
HIGH: Final = 150
BOTTOM: Final = TOP + HIGH
# A band this low has no room for its label.
_LABEL: Final = 18


@dataclass(frozen=True)
class _Box:
    left: float
    right: float
    top: float
    bottom: float

    @property
    def wide(self) -> float:
        return self.right - self.left

    @property
    def high(self) -> float:
        return self.bottom - self.top

    @property
    def path(self) -> str:
        across, down = number(self.wide), number(self.high)
        return f"M{number(self.left)} {number(self.top)}h{across}v{down}h-{across}z"


@dataclass(frozen=True)
class Scale:
    """Where a time and a number of instances lie; `most` is at the top."""

    axis: Axis
    most: int

    def x(self, level: Level) -> tuple[float, float]:
        """Return where a level begins and ends."""
        return LEFT + self.axis.x(level.begin), LEFT + self.axis.x(level.end)

    def y(self, count: float) -> float:
        """Return where so many instances lie."""
        return BOTTOM - HIGH * count / self.most


def bands(scale: Scale, of: GroupTimeline, fills: Mapping[str, str]) -> Iterable[Markup]:
    """Yield the band of each version, filled with its pattern."""
    for version in of.versions:
        path = "".join(box.path for box in _boxes(scale, of.levels, version))
        if path:
            yield element("path", d=path, fill=f"url(#{fills[version]})", class_="band")


def _boxes(scale: Scale, levels: Sequence[Level], version: str) -> Iterable[_Box]:
    """Return where the band of a version lies; what is equal in neighbours is one box."""
    placed = ((level, _place(level, version)) for level in levels)
    for place, run in groupby(placed, key=lambda pair: pair[1]):
        if place is not None:
            seen = [level for level, _ in run]
            left, right = scale.x(seen[0])[0], scale.x(seen[-1])[1]
            yield _Box(left, right, scale.y(place[1]), scale.y(place[0]))


def _place(level: Level, version: str) -> tuple[int, int] | None:
    below = 0
    for each, count in level.versions:
        if each == version:
            return below, below + count
        below += count
    return None


def names(scale: Scale, of: GroupTimeline) -> Iterable[Markup]:
    """Label each version where it has most room, if anywhere."""
    for version in of.versions:
        fitting = [
            box
            for box in _boxes(scale, of.levels, version)
            if box.wide >= frame.extent(version) + 12 and box.high >= _LABEL
        ]
        if fitting:
            box = max(fitting, key=lambda box: box.wide * box.high)
            yield frame.label(version, box.left + box.wide / 2, box.top + box.high / 2)
