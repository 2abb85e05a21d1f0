"""The picture of a group's available instances: a band for each version, and the minimum."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from markupsafe import Markup

from terminator_cli.recorded import frame
from terminator_cli.recorded.axis import Axis
from terminator_cli.recorded.bands import BOTTOM, HIGH, TOP, Scale, bands, names
from terminator_cli.recorded.frame import LEFT, PLOT, WIDTH
from terminator_cli.recorded.svg import element, line, number, picture, text
from terminator_cli.recorded.timeline import GroupTimeline, Kill, Level

# Counts nearer to each other than this have no room for both.
_COUNT: Final = 20
_MOST_TICKS: Final = 5
_MINUS: Final = "\N{MINUS SIGN}"


def stack(name: str, of: GroupTimeline, axis: Axis, fills: Mapping[str, str]) -> Markup:
    """Return the picture; `name` begins its ids, `fills` has the pattern of each version."""
    most = max((max(_figures(level), default=0) for level in of.levels), default=0)
    scale = Scale(axis, max(1, most))
    body = [
        _counts(scale),
        frame.time(axis, TOP, BOTTOM),
        *(_unseen(scale, level) for level in of.levels if level.available is None),
        *bands(scale, of, fills),
        frame.cuts(axis, TOP, BOTTOM),
        *_steps(scale, of.levels),
        *_kills(scale, of.kills),
        *names(scale, of),
    ]
    title = f"Available instances of {of.group} by version over time"
    size = (WIDTH, BOTTOM + frame.FOOT)
    return picture(name, title, described(of), size, Markup().join(body))


def described(of: GroupTimeline) -> str:
    """Return what the picture shows, for those who do not see it."""
    if of.lowest is None:
        return "The group could not be observed."
    terminated = sum(len(kill.ids) for kill in of.kills)
    return (
        f"At the lowest {of.lowest} available, with a minimum of {of.minimum}; "
        f"{terminated} terminated. The table below the picture has every step."
    )


def _figures(level: Level) -> list[int]:
    figures = (level.available, level.minimum, level.desired, sum(n for _, n in level.versions))
    return [figure for figure in figures if figure is not None]


def _counts(scale: Scale) -> Markup:
    step = next(step for step in _nice() if scale.most / step <= _MOST_TICKS)
    marks = [
        line(LEFT, scale.y(n), LEFT + PLOT, scale.y(n), "grid")
        + text(str(n), LEFT - 8, scale.y(n) + 4, "tick", "end")
        for n in range(0, scale.most + 1, step)
    ]
    return element("g", text("available", LEFT - 8, TOP - 14, "tick", "end"), *marks)


def _nice() -> Iterable[int]:
    power = 1
    while True:
        yield from (power, 2 * power, 5 * power)
        power *= 10


def _unseen(scale: Scale, level: Level) -> Markup:
    left, right = scale.x(level)
    return element("rect", x=left, y=TOP, width=right - left, height=HIGH, class_="unseen")


_Figure = Callable[[Level], int | None]
_LINES: Final[Sequence[tuple[str, _Figure]]] = (
    ("desired", lambda level: level.desired),
    ("available", lambda level: level.available),
    ("minimum", lambda level: level.minimum),
)


def _steps(scale: Scale, levels: Sequence[Level]) -> Iterable[Markup]:
    ends: list[tuple[float, str, str]] = []
    for name, figure in _LINES:
        path = _step(scale, levels, figure)
        # Lighter below, so that it can be told from any band.
        yield element("path", d=path, class_="halo")
        yield element("path", d=path, class_=f"step {name}")
        last = figure(levels[-1])
        if last is not None and name != "available":
            ends.append((scale.y(last), f"{name} {last}", name))
    for y, words, name in _apart(ends):
        yield text(words, LEFT + PLOT + 8, y + 4, f"end {name}")


def _step(scale: Scale, levels: Sequence[Level], figure: _Figure) -> str:
    path, pen = "", False
    for level in levels:
        value = figure(level)
        if value is None:
            pen = False
            continue
        (left, right), y = scale.x(level), number(scale.y(value))
        path += f"V{y}" if pen else f"M{number(left)} {y}"
        path, pen = f"{path}H{number(right)}", True
    return path


def _apart(ends: list[tuple[float, str, str]]) -> Iterable[tuple[float, str, str]]:
    """Yield labels from the top, none nearer to the one before than a line."""
    before = float("-inf")
    for y, words, name in sorted(ends):
        before = max(y, before + 14)
        yield before, words, name


def _kills(scale: Scale, kills: Iterable[Kill]) -> Iterable[Markup]:
    before = float("-inf")
    for kill in kills:
        x = LEFT + scale.axis.x(kill.at)
        count = ""
        if x - before >= _COUNT:
            count, before = f"{_MINUS}{len(kill.ids)}", x
        yield element(
            "g",
            element("path", d=f"M{number(x - 5)} {TOP - 12}h10l-5 8z", class_="mark"),
            text(count, x, TOP - 17, "count", "middle"),
        )
