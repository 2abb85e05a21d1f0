"""The report: one HTML page that needs nothing but itself."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from terminator.text import count
from terminator_cli.recorded import palette, summary, texts
from terminator_cli.recorded.axis import Axis, axis
from terminator_cli.recorded.bars import NO_ANSWER, bars, fate, ran
from terminator_cli.recorded.fold import Fold
from terminator_cli.recorded.frame import PLOT
from terminator_cli.recorded.record import Recorded
from terminator_cli.recorded.spans import Span
from terminator_cli.recorded.stack import stack
from terminator_cli.recorded.svg import element
from terminator_cli.recorded.thin import Thinned, thin
from terminator_cli.recorded.timeline import GroupTimeline, Level, Timeline, timeline

# More than this nobody reads, and the page would grow with the length of the log.
MOST_BARS: Final = 60
MOST_ROWS: Final = 300


@dataclass(frozen=True)
class View:
    """A group as the template shows it; `name` begins the ids of its parts."""

    name: str
    of: GroupTimeline
    dry_run: bool
    stack: Markup
    bars: Markup
    spans: Thinned[Span]
    levels: Thinned[Level]
    folds: Thinned[Fold]
    swatches: tuple[tuple[str, Markup], ...]


def page(records: Iterable[Recorded]) -> str:
    """Return the report as HTML; raise ValueError where no record has a time.

    The same records give the same page.
    """
    of = timeline(records)
    fills = palette.fills({version for group in of.groups for version in group.versions})
    across = axis(of, PLOT)
    style = _style()
    return _template().render(
        views=[_view(f"g{n}", group, across, fills) for n, group in enumerate(of.groups, 1)],
        summary=summary,
        texts=texts,
        style=Markup(style),  # noqa: S704 - our own
        policy=_policy(style),
        patterns=palette.definitions(fills),
        period=texts.period(of.begin + of.period, of.end - of.period),
        counted=_counted(of),
        every=texts.lasted(of.period),
        cuts=across.cuts,
        dated=of.begin.date() != of.end.date(),
        fate=fate,
        ran=ran,
    )


def _view(name: str, of: GroupTimeline, across: Axis, fills: Mapping[str, str]) -> View:
    spans = thin(of.spans, MOST_BARS, _came_or_went(of), "instance")
    return View(
        name=name,
        of=of,
        dry_run=all(record.dry_run for record in of.records),
        stack=stack(f"{name}-stack", of, across, fills),
        bars=bars(f"{name}-bars", of.group, spans.items, across, fills),
        spans=spans,
        levels=thin(of.levels, MOST_ROWS, lambda _: False, "step"),
        folds=thin(of.folds, MOST_ROWS, lambda fold: bool(fold.first.terminated), "decision"),
        swatches=_swatches(of, fills),
    )


def _came_or_went(of: GroupTimeline) -> Callable[[Span], bool]:
    first = of.levels[0].begin
    return lambda span: span.fate != "there" or span.begin > first or len(span.parts) > 1


def _swatches(of: GroupTimeline, fills: Mapping[str, str]) -> tuple[tuple[str, Markup], ...]:
    """Return what each pattern in a group's pictures stands for."""
    silent = any(part.version is None for span in of.spans for part in span.parts)
    named = {version: fills[version] for version in of.versions}
    if silent:
        named[NO_ANSWER] = palette.SILENT
    return tuple((words, _swatch(fill)) for words, fill in named.items())


def _swatch(fill: str) -> Markup:
    quiet = "bar quiet" if fill == palette.SILENT else "bar"
    sample = element("rect", x=1, y=1, width=26, height=12, fill=f"url(#{fill})", class_=quiet)
    return element("svg", sample, width=28, height=14, aria_hidden="true", class_="swatch")


def _counted(of: Timeline) -> str:
    decisions = sum(len(group.records) for group in of.groups)
    return f"{count(decisions, 'decision')} about {count(len(of.groups), 'group')}"


def _style() -> str:
    sheet = files(__package__).joinpath("report.css").read_text(encoding="utf-8")
    light, dark = palette.variables(palette.LIGHT), palette.variables(palette.DARK)
    inks = "".join(f".version-{n}{{fill:var(--version-{n})}}" for n in range(palette.COLOURS))
    # Paper is white, whatever the screen is.
    schemes = f":root{{{light}}}@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}"
    return f"{schemes}\n{sheet}{inks}"


def _policy(style: str) -> str:
    """Return a Content-Security-Policy that allows this style, and no script and no request.

    https://www.w3.org/TR/CSP3/#grammardef-hash-source
    """
    digest = b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("terminator_cli.recorded", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.jinja")
