"""A timeline of each group: one row a run, its instances as cells coloured by version."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from rich.table import Table
from rich.text import Text

from sandbox.runs import Run
from terminator.model import Instance
from terminator.report.record import Outcome

_COLOURS: Final = ("blue", "green", "magenta", "cyan", "yellow")
_INK: Final = {"blue": "white", "magenta": "white"} | dict.fromkeys(
    ("green", "cyan", "yellow"), "black"
)
_SILENT: Final = "white on red"
_KINDS: Final = {"replace": "red", "canary": "yellow", "hold": "cyan", "converged": "green"}


def timeline(group: str, runs: Sequence[Run], begun: datetime) -> Table:
    """Return the rows of a group: minutes since `begun`, cells, availability, decision."""
    table = Table(
        title=f"{group}, as each run found it",
        title_justify="left",
        box=None,
        pad_edge=False,
    )
    for heading in ("min", "instances", "avail/min", "decision"):
        table.add_column(heading, no_wrap=True, justify="right" if heading == "min" else "left")
    seen = [(run.at, outcome) for run in runs for outcome in run.outcomes if outcome.name == group]
    colours = _colours(outcome for _, outcome in seen)
    for at, outcome in seen:
        table.add_row(f"{(at - begun).total_seconds() / 60:.0f}", *_row(outcome, colours))
    return table


def _colours(outcomes: Iterable[Outcome]) -> dict[str, str]:
    versions = dict.fromkeys(
        str(instance.version)
        for outcome in outcomes
        for instance in (outcome.group.instances if outcome.group else ())
        if instance.version
    )
    return {version: _COLOURS[n % len(_COLOURS)] for n, version in enumerate(versions)}


def _row(outcome: Outcome, colours: dict[str, str]) -> tuple[Text, str, Text]:
    group, decision = outcome.group, outcome.decision
    if group is None or decision is None or decision.figures is None:
        return Text(""), "", Text("failed", "red")
    cells = Text(" ").join(_cell(each, colours) for each in group.instances if each.counted)
    available = f"{decision.figures.available}/{decision.figures.minimum}"
    to_terminate = f" {len(decision.to_terminate)}" if decision.to_terminate else ""
    return cells, available, Text(decision.kind + to_terminate, _KINDS[decision.kind])


def _cell(instance: Instance, colours: dict[str, str]) -> Text:
    if instance.version is None or instance.reason is not None:
        return Text(f" {'silent':^7} ", _SILENT)
    colour = colours[str(instance.version)]
    return Text(f" {instance.version!s:^7} ", f"{_INK[colour]} on {colour}")
