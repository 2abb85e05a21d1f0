"""Colours and patterns of the report: each version is told by both, and by its label."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from terminator_cli.recorded.rollouts import in_order
from terminator_cli.recorded.svg import element

if TYPE_CHECKING:
    from markupsafe import Markup

# By CSS variable. What is text has a contrast of 4.5 to the grounds, what is drawn has 3:
# https://www.w3.org/TR/WCAG22/#contrast-minimum and #non-text-contrast
LIGHT: Final[Mapping[str, str]] = {
    "ground": "#ffffff", "raised": "#f4f6f8", "line": "#d5dbe1", "ink": "#1b2228",
    "muted": "#55606b", "accent": "#1d5fa3", "alert": "#b42318", "good": "#1c6e3d",
    "wait": "#855000",
    "version-0": "#2a6fb5", "version-1": "#b35c00", "version-2": "#0b7a6b",
    "version-3": "#8547b0", "version-4": "#69700f", "version-5": "#5a6878",
}  # fmt: skip
DARK: Final[Mapping[str, str]] = {
    "ground": "#13171b", "raised": "#1c2228", "line": "#38424c", "ink": "#e8ecef",
    "muted": "#a3afba", "accent": "#7db8f0", "alert": "#ff8a7d", "good": "#6fcf97",
    "wait": "#f0b45c",
    "version-0": "#5ea3e6", "version-1": "#e8954a", "version-2": "#3fbfa8",
    "version-3": "#bd90e6", "version-4": "#b9c24e", "version-5": "#93a2b3",
}  # fmt: skip
COLOURS: Final = sum(name.startswith("version-") for name in LIGHT)
# What is drawn over the colour, in a tile of eight by eight; the first is plain.
_HATCHES: Final = (
    "",
    "M-2 2 2-2M0 8 8 0M6 10 10 6",
    "M2 2h.01M6 6h.01",
    "M0 1h8M0 5h8",
    "M-2 6 2 10M0 0 8 8M6-2 10 2",
    "M1 0v8M5 0v8",
)
SILENT: Final = "silent"


def variables(palette: Mapping[str, str]) -> str:
    """Return the palette as CSS declarations."""
    return ";".join(f"--{name}:{colour}" for name, colour in palette.items())


def fills(versions: Iterable[str]) -> dict[str, str]:
    """Return the id of a fill for each version; neighbours differ in colour and in pattern."""
    return {version: f"fill-{number}" for number, version in enumerate(in_order(versions))}


def definitions(names: Mapping[str, str]) -> Markup:
    """Return the patterns of these fills, and the one of what does not answer."""
    made = [_pattern(name, number) for number, name in enumerate(names.values())]
    return element("defs", *made, _silence())


def _pattern(name: str, number: int) -> Markup:
    # After all colours in turn, each comes again with another hatch.
    hatch = _HATCHES[(number + number // COLOURS) % len(_HATCHES)]
    ground = element("rect", width=8, height=8, class_=f"version-{number % COLOURS}")
    return _tile(name, ground, element("path", d=hatch, class_="hatch"))


def _silence() -> Markup:
    return _tile(SILENT, element("path", d=_HATCHES[1], class_="silence"))


def _tile(name: str, *children: Markup) -> Markup:
    units = {"patternUnits": "userSpaceOnUse"}
    return element("pattern", *children, id=name, width=8, height=8, **units)
