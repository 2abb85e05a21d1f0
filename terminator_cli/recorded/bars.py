"""The picture of a group's instances: a bar for each, from launch to the end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from markupsafe import Markup

from terminator.text import count
from terminator_cli.recorded import frame, texts
from terminator_cli.recorded.axis import Axis
from terminator_cli.recorded.frame import LEFT, PLOT, WIDTH
from terminator_cli.recorded.palette import SILENT
from terminator_cli.recorded.spans import Part, Span
from terminator_cli.recorded.svg import element, line, number, picture, text

_ROW: Final = 22
_BAR: Final = 16
_TOP: Final = 8
_LONGEST_ID: Final = 20
NO_ANSWER: Final = "no answer"


def bars(
    name: str, group: str, spans: Sequence[Span], axis: Axis, fills: Mapping[str, str]
) -> Markup:
    """Return the picture; `name` begins its ids, `fills` has the pattern of each version."""
    bottom = _TOP + _ROW * len(spans)
    middles = [_TOP + _ROW * (n + 0.5) for n in range(len(spans))]
    rows = list(zip(spans, middles, strict=True))
    body = [
        frame.time(axis, _TOP - 4, bottom),
        *(_bar(span, middle, axis, fills) for span, middle in rows),
        frame.cuts(axis, _TOP - 4, bottom),
        *(_words(span, middle, axis) for span, middle in rows),
    ]
    title = f"Instances of {group} from launch to termination"
    description = f"{count(len(spans), 'instance')}; the table below the picture lists them."
    size = (WIDTH, bottom + frame.FOOT)
    return picture(name, title, description, size, Markup().join(body))


def fate(span: Span) -> str:
    """Return what became of an instance: `terminated`, `gone` by other means, or `running`."""
    return "running" if span.fate == "there" else span.fate


def _bar(span: Span, middle: float, axis: Axis, fills: Mapping[str, str]) -> Markup:
    tip = f"{span.id}: {', '.join(ran(span))}; {fate(span)}"
    parts = (_part(part, middle, axis, fills) for part in span.parts)
    return element("g", element("title", tip), *parts)


def _words(span: Span, middle: float, axis: Axis) -> Markup:
    labels = (_label(part, middle, axis) for part in span.parts)
    id_ = text(_id(span.id), LEFT - 8, middle + 4, "id", "end")
    return element("g", id_, *labels, *_end(span, middle, axis))


def ran(span: Span) -> list[str]:
    """Return what an instance ran, in turn, with when it did not answer."""
    return [part.version or NO_ANSWER for part in span.parts]


def _id(text_: str) -> str:
    return text_ if len(text_) <= _LONGEST_ID else f"…{text_[1 - _LONGEST_ID :]}"


def _part(part: Part, middle: float, axis: Axis, fills: Mapping[str, str]) -> Markup:
    left, right = LEFT + axis.x(part.begin), LEFT + axis.x(part.end)
    return element(
        "rect",
        x=left,
        y=middle - _BAR / 2,
        width=max(1.0, right - left),
        height=_BAR,
        fill=f"url(#{SILENT if part.version is None else fills[part.version]})",
        class_="bar quiet" if part.version is None else "bar",
    )


def _label(part: Part, middle: float, axis: Axis) -> Markup:
    left, right = LEFT + axis.x(part.begin), LEFT + axis.x(part.end)
    words = part.version or NO_ANSWER
    fits = right - left >= frame.extent(words) + 20
    return frame.label(words, left + 4, middle, "start") if fits else Markup()


def _end(span: Span, middle: float, axis: Axis) -> Iterable[Markup]:
    x = LEFT + axis.x(span.end)
    side = LEFT + PLOT + 8
    if span.fate == "there":
        yield text("running", side, middle + 4, "fate")
        return
    if span.fate == "terminated":
        cross = f"M{number(x - 4)} {number(middle - 4)}l8 8m0-8l-8 8"
        yield element("circle", cx=x, cy=middle, r=7, class_="seat")
        yield element("path", d=cross, class_="cross")
    else:
        yield line(x, middle - 9, x, middle + 9, "gone")
    word = "✕" if span.fate == "terminated" else "gone"
    yield text(f"{word} {texts.clock(span.end, dated=False)}", side, middle + 4, "fate")
