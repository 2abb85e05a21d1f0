"""What the pictures of a group share: their width, and the time below them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

from markupsafe import Markup

from terminator_cli.recorded import texts
from terminator_cli.recorded.axis import CUT, Axis
from terminator_cli.recorded.svg import element, line, number, text

# In pixels; nothing is scaled on a screen, so that letters stay as large as they are.
WIDTH: Final = 960
LEFT: Final = 152
RIGHT: Final = 104
PLOT: Final = WIDTH - LEFT - RIGHT
FOOT: Final = 42
# As wide as letters of eleven pixels are at the most.
_LETTER: Final = 6.8


def extent(words: str) -> float:
    """Return how wide a label is at the most."""
    return len(words) * _LETTER


def time(axis: Axis, top: float, bottom: float) -> Markup:
    """Return the grid of times between top and bottom, with their labels below."""
    ticks = axis.ticks()
    drawn = [
        *(_tick(LEFT + axis.x(at), top, bottom, f"{at:%H:%M}") for at in ticks),
        *(_day(LEFT + axis.x(at), bottom, texts.day(at)) for at in _days(ticks)),
    ]
    return element("g", line(LEFT, bottom, LEFT + PLOT, bottom, "axis"), *drawn, class_="time")


def _tick(x: float, top: float, bottom: float, words: str) -> Markup:
    return line(x, top, x, bottom + 4, "grid") + text(words, x, bottom + 17, "tick", "middle")


def _days(ticks: Sequence[datetime]) -> list[datetime]:
    changed = [after for before, after in pairwise(ticks) if before.date() != after.date()]
    return [*ticks[:1], *changed]


def _day(x: float, bottom: float, words: str) -> Markup:
    return text(words, x, bottom + 33, "tick", "middle")


def cuts(axis: Axis, top: float, bottom: float) -> Markup:
    """Return what is laid over the stretches that are cut short."""
    laid = (_cut(LEFT + axis.x(begin), top, bottom, end - begin) for begin, end in axis.cuts)
    return Markup().join(laid)


def _cut(left: float, top: float, bottom: float, span: timedelta) -> Markup:
    edges = "".join(
        f"M{number(x)} {number(top)}V{number(bottom)}" for x in (left + 4, left + CUT - 4)
    )
    return element(
        "g",
        element(
            "rect", x=left + 4, y=top - 2, width=CUT - 8, height=bottom - top + 4, class_="cut"
        ),
        element("path", d=edges, class_="edges"),
        text(texts.short(span), left + CUT / 2, bottom - 6, "tick", "middle"),
    )


def label(words: str, x: float, y: float, anchor: str = "middle") -> Markup:
    """Return a label that can be read on any ground, its middle at y."""
    width = extent(words) + 8
    left = {"middle": x - width / 2, "start": x}[anchor]
    return element(
        "g",
        element("rect", x=left, y=y - 6, width=width, height=12, rx=2, class_="plate"),
        text(words, left + width / 2, y + 4, "label", "middle"),
    )
