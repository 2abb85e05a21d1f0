"""The pictures of the report, as SVG: how many were available, and the life of each instance.

A version is told by its colour, by its pattern, and by its label, in every picture the same.
Lengths are pixels: nothing is scaled on a screen, so that letters stay as large as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count as count_from
from itertools import pairwise
from operator import itemgetter
from typing import Final, NamedTuple

from markupsafe import Markup, escape

from terminator.text import count
from terminator_cli.report.axis import CUT, Axis
from terminator_cli.report.timeline import GroupTimeline, How, Level, Span

# Below the plot there are times and days.
_FOOT: Final = 42
# How high an instance's row is.
_ROW: Final = 22
# As wide as a letter of eleven pixels is at the most.
_LETTER: Final = 6.8


@dataclass(frozen=True)
class Frame:
    """How wide a picture is, what stands `left` of its plot, and the `plot`.

    Right of the plot stands how things end. `longest_id` is how many letters of an instance's id
    have room on the left.
    """

    name: str
    width: int
    left: int
    plot: int
    longest_id: int


DESK: Final = Frame("desk", width=960, left=152, plot=704, longest_id=20)
PHONE: Final = Frame("phone", width=326, left=60, plot=186, longest_id=7)

# How many colours report.css has, as version-0 and so on.
COLOURS: Final = 6
# What is drawn over a colour, in a tile of eight by eight; the first is plain.
_HATCHES: Final = (
    "",
    "M-2 2 2-2M0 8 8 0M6 10 10 6",
    "M2 2h.01M6 6h.01",
    "M0 1h8M0 5h8",
    "M-2 6 2 10M0 0 8 8M6-2 10 2",
    "M1 0v8M5 0v8",
)
_UNITS: Final = (
    ("d", timedelta(days=1)),
    ("h", timedelta(hours=1)),
    ("min", timedelta(minutes=1)),
)
SILENT: Final = "silent"
NO_ANSWER: Final = "no answer"
TARGET: Final = "\N{BLACK RIGHT-POINTING TRIANGLE}"
# How a release became the target, in full and at its mark.
BECAME: Final[Mapping[How, str]] = {
    "uploaded": "it was uploaded",
    "withdrawn": "the one above it was withdrawn",
    "pinned": "it was pinned by the pointer",
    "unpinned": "the pointer was deleted",
    "withdrawn or pinned": "the one above it was withdrawn, or the pointer names it",
}
# How its mark is drawn, where that is no plain line.
LINES: Final[Mapping[How, str]] = {
    "uploaded": "",
    "withdrawn": " (dashed)",
    "pinned": " (dotted)",
    "unpinned": " (dotted)",
    "withdrawn or pinned": " (dashed)",
}
_SHORT: Final[Mapping[How, str]] = {
    "uploaded": "",
    "withdrawn": ", after a withdrawal",
    "pinned": ", pinned",
    "unpinned": ", unpinned",
    "withdrawn or pinned": "",
}

# Numbers of terminated instances nearer to each other than this have no room for both.
_COUNT: Final = 20
# A band lower than this has no room for its label.
_LABEL: Final = 18
_MOST_COUNTS: Final = 5


def element(name: str, *children: Markup | str, **attributes: str | float | None) -> Markup:
    """Return an element; children that are not markup are escaped, attributes always.

    `class_` stands for `class`, `stroke_width` for `stroke-width`; numbers have at most one
    decimal; None leaves an attribute out.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(v if isinstance(v, str) else _number(v))}"'
        for key, v in attributes.items()
        if v is not None
    )
    inside = "".join(map(escape, children))
    return Markup(f"<{name}{written}>{inside}</{name}>")  # noqa: S704 - all of it is escaped


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _text(words: str, x: float, y: float, class_: str, anchor: str | None = None) -> Markup:
    """Return text with its baseline at y; the anchor is `middle` or `end`."""
    return element("text", words, x=x, y=y, class_=class_, text_anchor=anchor)


def _line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    d = f"M{_number(x1)} {_number(y1)}L{_number(x2)} {_number(y2)}"
    return element("path", d=d, class_=class_)


def _label(words: str, middle: float, y: float) -> Markup:
    """Return a label that can be read on any ground, with its middle there."""
    wide = len(words) * _LETTER + 8
    plate = {"x": middle - wide / 2, "y": y - 6, "width": wide, "height": 12, "rx": 2}
    inside = _text(words, middle, y + 4, "label", "middle")
    return element("g", element("rect", **plate, class_="plate"), inside)


def _picture(  # noqa: PLR0913, PLR0917 - all that a picture is
    name: str, frame: Frame, title: str, description: str, high: float, body: Iterable[Markup]
) -> Markup:
    """Return a picture with its title and description; `name` begins their ids."""
    return element(
        "svg",
        element("title", title, id=f"{name}-title"),
        element("desc", description, id=f"{name}-desc"),
        *body,
        role="img",
        aria_labelledby=f"{name}-title",
        aria_describedby=f"{name}-desc",
        class_=frame.name,
        width=frame.width,
        height=high,
        viewBox=f"0 0 {frame.width} {_number(high)}",
    )


def patterns(versions: Iterable[str]) -> tuple[dict[str, str], Markup]:
    """Return the id of a pattern for each version, and these patterns with that of silence.

    Neighbours differ in colour and in hatch.
    """
    ids = {version: f"fill-{number}" for number, version in enumerate(versions)}
    drawn: dict[str, list[Markup]] = {}
    for number, name in enumerate(ids.values()):
        # After all colours in turn, each comes again with another hatch.
        hatch = _HATCHES[(number + number // COLOURS) % len(_HATCHES)]
        ground = element("rect", width=8, height=8, class_=f"version-{number % COLOURS}")
        drawn[name] = [ground, element("path", d=hatch, class_="hatch")]
    drawn[SILENT] = [element("path", d=_HATCHES[1], class_="silence")]
    units = {"patternUnits": "userSpaceOnUse"}
    made = (
        element("pattern", *inside, id=name, width=8, height=8, **units)
        for name, inside in drawn.items()
    )
    return ids, element("defs", *made)


class _Box(NamedTuple):
    left: float
    right: float
    top: float
    bottom: float


@dataclass(frozen=True)
class _Plot:
    """Where a time and a number of instances lie in a picture; `most` is at the top."""

    frame: Frame
    axis: Axis
    top: float
    bottom: float
    most: int = 1

    def x(self, at: datetime) -> float:
        return self.frame.left + self.axis.x(at)

    @property
    def right(self) -> float:
        """Where the plot ends."""
        return self.frame.left + self.frame.plot

    def y(self, number: float) -> float:
        return self.bottom - (self.bottom - self.top) * number / self.most

    def times(self) -> Markup:
        """Return the grid of times, with their labels below."""
        ticks = self.axis.ticks()
        days = [*ticks[:1], *(new for old, new in pairwise(ticks) if old.date() != new.date())]
        drawn = [_line(self.frame.left, self.bottom, self.right, self.bottom, "axis")]
        for at in ticks:
            x = self.x(at)
            drawn.append(_line(x, self.top, x, self.bottom + 4, "grid"))
            drawn.append(_text(f"{at:%H:%M}", x, self.bottom + 17, "tick", "middle"))
        for at in days:
            day = f"{at:%a} {at.day} {at:%b}"
            drawn.append(_text(day, self.x(at), self.bottom + 33, "tick", "middle"))
        return element("g", *drawn, class_="time")

    def cuts(self) -> Iterator[Markup]:
        """Yield what is laid over each stretch that is cut short: its edges, and how long it is."""
        for begin, end in self.axis.cuts:
            unit, size = next(each for each in _UNITS if end - begin >= each[1])
            words = f"{round((end - begin) / size)} {unit}"
            left, right = self.x(begin) + 4, self.x(begin) + CUT - 4
            high = self.bottom - self.top + 4
            edges = "".join(
                f"M{_number(x)} {_number(self.top)}V{_number(self.bottom)}" for x in (left, right)
            )
            yield element(
                "g",
                element(
                    "rect", x=left, y=self.top - 2, width=right - left, height=high, class_="cut"
                ),
                element("path", d=edges, class_="edges"),
                _text(words, left + CUT / 2 - 4, self.bottom - 6, "tick", "middle"),
            )


def stack(
    name: str, of: GroupTimeline, frame: Frame, axis: Axis, fills: Mapping[str, str]
) -> Markup:
    """Return the picture of a group's available instances: a band for each version, and lines.

    `name` begins its ids, `fills` has the pattern of each version.
    """
    figures = (
        (each.available, each.minimum, each.desired, sum(number for _, number in each.versions))
        for each in of.levels
    )
    most = max((number for each in figures for number in each if number is not None), default=0)
    plot = _Plot(frame, axis, top=60, bottom=210, most=max(1, most))
    unseen = [
        (plot.x(level.begin), plot.x(level.end)) for level in of.levels if level.available is None
    ]
    bands = [_band(version, boxes, fills[version]) for version, boxes in _boxes(plot, of).items()]
    body = [
        _counts(plot),
        plot.times(),
        *(
            element(
                "rect",
                x=left,
                y=plot.top,
                width=right - left,
                height=plot.bottom - plot.top,
                class_="unseen",
            )
            for left, right in unseen
        ),
        *(band for band, _ in bands),
        *plot.cuts(),
        *_steps(plot, of.levels),
        *_targets(plot, of),
        *_terminations(plot, of),
        *(label for _, label in bands),
    ]
    description = "The group could not be observed."
    if of.lowest is not None:
        terminated = sum(len(each.ids) for each in of.terminations)
        description = (
            f"At the lowest {of.lowest} available, with a minimum of {of.minimum}; "
            f"{terminated} terminated. The table below the picture has every step."
        )
    title = f"Available instances of {of.group} by version over time"
    return _picture(name, frame, title, description, plot.bottom + _FOOT, body)


def _boxes(plot: _Plot, of: GroupTimeline) -> dict[str, list[_Box]]:
    """Return where the band of each version lies; what is equal in neighbours is one box."""
    made: dict[str, list[_Box]] = {version: [] for version in of.versions}
    for level in of.levels:
        left, right, below = plot.x(level.begin), plot.x(level.end), 0
        for version, number in level.versions:
            box = _Box(left, right, plot.y(below + number), plot.y(below))
            boxes, below = made[version], below + number
            if boxes and boxes[-1].right == left and boxes[-1][2:] == box[2:]:
                box = box._replace(left=boxes.pop().left)
            boxes.append(box)
    return {version: boxes for version, boxes in made.items() if boxes}


def _band(version: str, boxes: Sequence[_Box], fill: str) -> tuple[Markup, Markup]:
    """Return the band of a version, and its label in the largest box with room for it, if any."""
    d = "".join(
        f"M{_number(box.left)} {_number(box.top)}h{_number(box.right - box.left)}"
        f"v{_number(box.bottom - box.top)}h-{_number(box.right - box.left)}z"
        for box in boxes
    )
    fitting = [
        ((box.right - box.left) * (box.bottom - box.top), box)
        for box in boxes
        if box.right - box.left >= len(version) * _LETTER + 12 and box.bottom - box.top >= _LABEL
    ]
    label = Markup()
    if fitting:
        box = max(fitting, key=itemgetter(0))[1]
        label = _label(version, (box.left + box.right) / 2, (box.top + box.bottom) / 2)
    return element("path", d=d, fill=f"url(#{fill})", class_="band"), label


def _counts(plot: _Plot) -> Markup:
    """Return the grid of numbers, at steps of 1, 2, 5, 10, 20 and so on."""
    nice = (digit * 10**power for power in count_from(0) for digit in (1, 2, 5))
    step = next(step for step in nice if plot.most / step <= _MOST_COUNTS)
    drawn = [_text("available", plot.frame.left - 8, plot.top - 14, "tick", "end")]
    for number in range(0, plot.most + 1, step):
        y = plot.y(number)
        drawn.append(_line(plot.frame.left, y, plot.right, y, "grid"))
        drawn.append(_text(str(number), plot.frame.left - 8, y + 4, "tick", "end"))
    return element("g", *drawn)


def _steps(plot: _Plot, levels: Sequence[Level]) -> Iterator[Markup]:
    """Yield the lines of desired, available and minimum, and the labels where they end."""
    figures = {
        "desired": [level.desired for level in levels],
        "available": [level.available for level in levels],
        "minimum": [level.minimum for level in levels],
    }
    for name, values in figures.items():
        steps, drawing = list[str](), False
        for level, value in zip(levels, values, strict=True):
            if value is not None:
                y = _number(plot.y(value))
                steps.append(f"V{y}" if drawing else f"M{_number(plot.x(level.begin))} {y}")
                steps.append(f"H{_number(plot.x(level.end))}")
            drawing = value is not None
        # Lighter below, so that it can be told from any band.
        yield element("path", d="".join(steps), class_="halo")
        yield element("path", d="".join(steps), class_=f"step {name}")
    ends = [(name, figures[name][-1]) for name in ("desired", "minimum")]
    labels = [(plot.y(last), f"{name} {last}", name) for name, last in ends if last is not None]
    above = float("-inf")
    for at, words, name in sorted(labels):
        # None is nearer to the one above it than a line of text is high.
        above = max(at, above + 14)
        yield _text(words, plot.right + 8, above + 4, f"end {name}")


def _targets(plot: _Plot, of: GroupTimeline) -> Iterator[Markup]:
    """Mark each release that became the target, with its version where there is room."""
    free = float("-inf")
    for each in of.targets:
        x, words = plot.x(each.at), f"{TARGET} {each.version}{_SHORT[each.how]}"
        if not each.answered:
            words += ", no answer"
        wide = len(words) * _LETTER
        left = min(x - 4, plot.frame.width - wide)
        drawn = [element("title", f"{each.version} becomes the target: {BECAME[each.how]}")]
        drawn.append(
            _line(x, plot.top - 44, x, plot.bottom, f"target {each.how.partition(' ')[0]}")
        )
        if left >= free:
            free = left + wide + 6
            drawn.append(_text(words, left, plot.top - 48, "target-name"))
        yield element("g", *drawn)


def _terminations(plot: _Plot, of: GroupTimeline) -> Iterator[Markup]:
    """Mark each termination above the plot, with how many went where there is room."""
    before = float("-inf")
    for each in of.terminations:
        x, number = plot.x(each.at), ""
        if x - before >= _COUNT:
            number, before = f"\N{MINUS SIGN}{len(each.ids)}", x
        yield element(
            "g",
            element(
                "path", d=f"M{_number(x - 5)} {_number(plot.top - 12)}h10l-5 8z", class_="mark"
            ),
            _text(number, x, plot.top - 17, "count", "middle"),
        )


def bars(  # noqa: PLR0913, PLR0917 - what a picture is of, and how it is drawn
    name: str,
    group: str,
    spans: Sequence[Span],
    frame: Frame,
    axis: Axis,
    fills: Mapping[str, str],
) -> Markup:
    """Return the picture of a group's instances: a bar for each, from launch to its end.

    `name` begins its ids, `fills` has the pattern of each version.
    """
    plot = _Plot(frame, axis, top=4, bottom=8 + _ROW * len(spans))
    rows = [_bar(plot, span, 8 + _ROW * (n + 0.5), fills) for n, span in enumerate(spans)]
    body = [plot.times(), *(bar for bar, _ in rows), *plot.cuts(), *(words for _, words in rows)]
    title = f"Instances of {group} from launch to termination"
    description = f"{count(len(spans), 'instance')}; the table below the picture lists them."
    return _picture(name, frame, title, description, plot.bottom + _FOOT, body)


def _bar(plot: _Plot, span: Span, middle: float, fills: Mapping[str, str]) -> tuple[Markup, Markup]:
    """Return the bar of an instance, and what is written at it.

    That is its id, the versions that have room, and how and when it ended.
    """
    longest = plot.frame.longest_id
    short = span.id if len(span.id) <= longest else f"…{span.id[1 - longest :]}"
    drawn = [element("title", f"{span.id}: {', '.join(ran(span))}; {span.ending}")]
    written = [_text(short, plot.frame.left - 8, middle + 4, "id", "end")]
    for part, words in zip(span.parts, ran(span), strict=True):
        left, right = plot.x(part.begin), plot.x(part.end)
        place = {"x": left, "y": middle - 8, "width": max(1.0, right - left), "height": 16}
        fill = f"url(#{SILENT if part.version is None else fills[part.version]})"
        class_ = "bar quiet" if part.version is None else "bar"
        drawn.append(element("rect", **place, fill=fill, class_=class_))
        if right - left >= len(words) * _LETTER + 20:
            written.append(_label(words, left + 8 + len(words) * _LETTER / 2, middle))
    x, how = plot.x(span.end), "running"
    if span.ending == "terminated":
        how = f"✕ {span.end:%H:%M}"
        cross = f"M{_number(x - 4)} {_number(middle - 4)}l8 8m0-8l-8 8"
        written.append(element("circle", cx=x, cy=middle, r=7, class_="seat"))
        written.append(element("path", d=cross, class_="cross"))
    elif span.ending == "gone":
        how = f"gone {span.end:%H:%M}"
        written.append(_line(x, middle - 9, x, middle + 9, "gone"))
    written.append(_text(how, plot.right + 8, middle + 4, "ending"))
    return element("g", *drawn), element("g", *written)


def ran(span: Span) -> list[str]:
    """Return what an instance ran, in turn, with when it did not answer."""
    return [part.version or NO_ANSWER for part in span.parts]
