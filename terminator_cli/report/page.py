"""The report: one HTML page that needs nothing but itself."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Final, Generic, TypeVar

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from terminator.report.log_lines import withdrawal
from terminator.report.record import Record
from terminator.text import count, few, span
from terminator_cli.records import by_why, runs, wants
from terminator_cli.report import chart
from terminator_cli.report.axis import Axis, axis
from terminator_cli.report.chart import Frame
from terminator_cli.report.timeline import (
    Fold,
    GroupTimeline,
    Level,
    Rollout,
    Span,
    available,
    in_order,
    timeline,
)

# More than this nobody reads, and the page would grow with the length of the log.
MOST_BARS: Final = 60
MOST_ROWS: Final = 300
_MINUTE: Final = timedelta(minutes=1)

Item = TypeVar("Item")


@dataclass(frozen=True)
class Thinned(Generic[Item]):
    """Items in their order; `note` says how many there were where some were left out."""

    items: tuple[Item, ...]
    note: str = ""


@dataclass(frozen=True)
class Figure:
    """A figure with its name, and what has to be known beside it."""

    name: str
    value: str
    note: str = ""
    alarming: bool = False


@dataclass(frozen=True)
class Summary:
    """What became of a group in a few words and figures.

    `versions` is what it ran first and last, and `state` how the last decision found it.
    """

    versions: str
    state: str
    rolled: Figure
    lowest: Figure
    terminated: int
    figures: tuple[Figure, ...]
    sentence: str


@dataclass(frozen=True)
class View:
    """A group as the template shows it; `name` begins the ids of its parts.

    Of each picture there is one for a desk and one for a phone. `legend` are
    the ids of the patterns in its pictures, by what each stands for.
    """

    name: str
    of: GroupTimeline
    summary: Summary
    dry_run: bool
    stacks: tuple[Markup, ...]
    bars: tuple[Markup, ...]
    spans: Thinned[Span]
    levels: Thinned[Level]
    folds: Thinned[Fold]
    legend: Mapping[str, str]


def page(records: Iterable[Record]) -> str:
    """Return the report as HTML; raise ValueError where no record has a time.

    The same records give the same page.
    """
    of = timeline(records)
    frames = [(frame, axis(of, frame.plot)) for frame in (chart.DESK, chart.PHONE)]
    versions = in_order({version for group in of.groups for version in group.versions})
    fills, patterns = chart.patterns(versions)
    style = files(__package__).joinpath("report.css").read_text(encoding="utf-8")
    # No script, no request, and no style but this one:
    # https://www.w3.org/TR/CSP3/#grammardef-hash-source
    digest = b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    # Those that need a person come first.
    groups = sorted(of.groups, key=lambda group: not group.records[-1].needs_attention)
    decisions = sum(len(group.records) for group in of.groups)
    return _template().render(
        views=[_view(f"g{n}", group, frames, fills) for n, group in enumerate(groups, 1)],
        style=Markup(style),  # noqa: S704 - our own
        policy=policy,
        patterns=patterns,
        period=period(of.begin + of.period, of.end - of.period),
        counted=f"{count(decisions, 'decision')} about {count(len(of.groups), 'group')}",
        every=lasted(of.period),
        is_cut=any(across.cuts for _, across in frames),
        is_dated=of.begin.date() != of.end.date(),
        arrow=arrow,
        became=chart.BECAME,
        lines=chart.LINES,
        by_why=by_why,
        wants=wants,
        runs=runs,
        ran=chart.ran,
        took=took,
        few=few,
        withdrawal=withdrawal,
    )


@cache
def _template() -> Template:
    """Return the template, whose compiling takes longer than most pages."""
    environment = Environment(
        loader=PackageLoader("terminator_cli.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.jinja")


def _view(
    name: str,
    of: GroupTimeline,
    frames: Sequence[tuple[Frame, Axis]],
    fills: Mapping[str, str],
) -> View:
    begin = of.levels[0].begin
    spans = thin(
        of.spans,
        MOST_BARS,
        lambda span: span.ending != "running" or span.begin > begin or len(span.parts) > 1,
        "instance",
    )
    legend = {version: fills[version] for version in of.versions}
    if any(part.version is None for span in of.spans for part in span.parts):
        legend[chart.NO_ANSWER] = chart.SILENT
    return View(
        name=name,
        of=of,
        summary=summary(of),
        dry_run=all(record.dry_run for record in of.records),
        stacks=tuple(
            chart.stack(f"{name}-stack-{frame.name}", of, frame, across, fills)
            for frame, across in frames
        ),
        bars=tuple(
            chart.bars(f"{name}-bars-{frame.name}", of.group, spans.items, frame, across, fills)
            for frame, across in frames
        ),
        spans=spans,
        levels=thin(of.levels, MOST_ROWS, lambda _: False, "step"),
        folds=thin(of.folds, MOST_ROWS, lambda fold: bool(fold.first.terminated), "decision"),
        legend=legend,
    )


def thin(
    items: Sequence[Item], most: int, matters: Callable[[Item], bool], noun: str
) -> Thinned[Item]:
    """Keep at most so many items, in their order: first what matters, then the rest.

    Where there is not room for all of either, those that stay are spread evenly.
    """
    if len(items) <= most:
        return Thinned(tuple(items))
    kept: list[int] = []
    for wanted in (True, False):
        numbers = [n for n, item in enumerate(items) if matters(item) is wanted]
        room = min(most - len(kept), len(numbers))
        kept += [numbers[n * len(numbers) // room] for n in range(room)]
    shown = f"{most} of {count(len(items), noun)} are shown"
    note = f"{shown}: first those with a change, evenly spread."
    return Thinned(tuple(items[n] for n in sorted(kept)), note)


def summary(of: GroupTimeline) -> Summary:
    """Return what became of a group."""
    last = of.records[-1]
    state = (
        "under way" if last.decision in {"replace", "canary", "surge", "recycle"} else last.standing
    )
    first_ran = next(filter(None, map(available, of.records)), ())
    last_ran = next(filter(None, map(available, reversed(of.records))), ())
    versions = arrow(first_ran, last_ran)
    to = f", target {last.target}" if last.target and state != "converged" else ""
    terminated = len({id_ for each in of.terminations for id_ in each.ids})
    lowest = Figure("lowest available", "not known")
    if of.lowest is not None and of.minimum is not None:
        below = of.lowest < of.minimum
        note = f"{'below the' if below else 'with a'} minimum of {of.minimum}"
        lowest = Figure("lowest available", str(of.lowest), note, alarming=below)
    match of.rollouts:
        case ():
            rolled = Figure("rollout", "none")
        case (only,):
            begin, end = f"{only.begin:%H:%M}", f"{only.end:%H:%M}"
            when = f"{begin} to {end}" if only.end > only.begin else f"at {begin}"
            rolled = Figure("rollout", took(only), when)
        case many:
            rolled = Figure("rollouts", str(len(many)), f"the last: {took(many[-1])}")
    runs = f"in {count(len(of.records), 'run')}"
    figures = (
        Figure("versions", versions, f"now {state}{to}"),
        rolled,
        lowest,
        Figure("terminated", count(terminated, "instance"), runs),
    )
    sentence = f"{_moved(of, versions)} {_lost(of, terminated, lowest)}"
    return Summary(versions, state, rolled, lowest, terminated, figures, sentence)


def _moved(of: GroupTimeline, versions: str) -> str:
    """Say in a sentence what replaced what."""
    if not of.rollouts:
        return f"It ran {versions}." if of.versions else "What it ran is not known."
    last = of.rollouts[-1]
    before = ", ".join(last.before) or "what did not answer"
    many = f"The last of {len(of.rollouts)} rollouts: " if len(of.rollouts) > 1 else ""
    if last.state == "converged":
        return f"{many}{last.target} replaced {before} in {took(last)}."
    if last.state in {"waiting", "needs attention"}:
        reason = of.records[-1].reason
        return f"{many}{last.target} is to replace {before}; {last.state}: {reason}."
    if last.state == "superseded":
        return f"{many}{last.target} was to replace {before}, until another target was."
    return f"{many}{last.target} is replacing {before}."


def _lost(of: GroupTimeline, terminated: int, lowest: Figure) -> str:
    """Say in a sentence how many were terminated, and how low that took the group.

    What an instance refresh lets go AWS terminates.
    """
    number = sum(each.refresh is not None for each in of.records)
    refreshes = "1 instance refresh" if number == 1 else f"{number} instance refreshes"
    began = f" {refreshes} began." if number else ""
    if not of.terminations:
        return f"Nothing was terminated.{began}"
    told = f"{count(terminated, 'instance')} {'was' if terminated == 1 else 'were'} terminated"
    causes = sum((each.causes(each.terminated) for each in of.records), Counter[str]())
    if causes.keys() - {"release"}:
        told += f" ({', '.join(f'{number} by {why}' for why, number in causes.most_common())})"
    if of.lowest is None:
        return f"{told}.{began}"
    if lowest.alarming:
        return f"{told}; at the lowest {of.lowest} available, {lowest.note}.{began}"
    return f"{told}, and never were fewer than {of.lowest} available.{began}"


def took(rollout: Rollout) -> str:
    """Return how long a rollout took."""
    return lasted(rollout.end - rollout.begin) if rollout.end > rollout.begin else "just begun"


def lasted(time: timedelta) -> str:
    """Return a span of time in its two greatest units, from a minute on in whole minutes."""
    return span(round(time / _MINUTE) * _MINUTE if time >= _MINUTE else time)


def period(begin: datetime, end: datetime) -> str:
    """Return `18 November 2026, 12:00 to 14:05 UTC`, with two dates where there are two."""
    first = f"{begin.day} {begin:%B %Y}, {begin:%H:%M}"
    if end - begin < _MINUTE:
        return f"{first} UTC"
    date = "" if begin.date() == end.date() else f"{end.day} {end:%B %Y}, "
    return f"{first} to {date}{end:%H:%M} UTC"


def arrow(before: Sequence[str], after: Sequence[str]) -> str:
    """Return `1.0.266 → 1.0.274`, or one side where both are the same or one is unknown."""
    sides = [", ".join(side) for side in (before, after) if side]
    return " → ".join(dict.fromkeys(sides)) or "not known"
