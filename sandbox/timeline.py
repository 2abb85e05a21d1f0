"""A timeline of each group: its instances as cells coloured by version, equal runs in one row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from rich.table import Table
from rich.text import Text

from sandbox.runs import Run
from terminator.report.record import InstanceRecord, Record

InstanceRow = tuple[Text, Text, Text]

_COLOURS: Final = ("blue", "green", "magenta", "cyan", "yellow")
_INK: Final = {"blue": "white", "magenta": "white"} | dict.fromkeys(
    ("green", "cyan", "yellow"), "black"
)
_SILENT: Final = "white on red"
_STANDINGS: Final = {
    "replace": "red",
    "canary": "yellow",
    "recycle": "yellow",
    "waiting": "cyan",
    "needs attention": "white on red",
    "converged": "green",
}


def timeline(group: str, runs: Sequence[Run], begun: datetime) -> Table:
    """Return the rows of a group: minutes since `begun`, cells, availability, decision.

    Runs in a row that found and decided the same are one, with how often it was so.
    """
    table = Table(
        title=f"{group}, as its runs found it",
        title_justify="left",
        box=None,
        pad_edge=False,
    )
    for heading in ("min", "instances", "avail/min", "decision", "runs"):
        table.add_column(heading, no_wrap=True, justify="right" if heading == "min" else "left")
    seen = [(run.at, record) for run in runs for record in run.records if record.group == group]
    versions = dict.fromkeys(each.version for _, record in seen for each in record.instances)
    colours = {each: _COLOURS[n % len(_COLOURS)] for n, each in enumerate(filter(None, versions))}
    rows: list[tuple[datetime, InstanceRow, int]] = []
    for at, record in seen:
        row = _row(record, colours)
        if rows and rows[-1][1] == row:
            first, _, times = rows.pop()
            rows.append((first, row, times + 1))
        else:
            rows.append((at, row, 1))
    for at, row, times in rows:
        minutes = f"{(at - begun).total_seconds() / 60:.0f}"
        table.add_row(minutes, *row, f"\N{MULTIPLICATION SIGN}{times}" if times > 1 else "")
    return table


def _row(record: Record, colours: Mapping[str, str]) -> InstanceRow:
    """Return the cells of the instances, the availability and the decision of a run."""
    if record.decision is None or record.available is None:
        return Text(), Text(), Text("failed", "red")
    cells = Text(" ").join(_cell(each, colours) for each in record.instances if each.counted)
    number = f" {len(record.to_terminate)}" if record.to_terminate else ""
    decision = Text(record.standing + number, _STANDINGS[record.standing])
    return cells, Text(f"{record.available}/{record.minimum}"), decision


def _cell(instance: InstanceRecord, colours: Mapping[str, str]) -> Text:
    if instance.version is None or instance.reason is not None:
        return Text(f" {'silent':^7} ", _SILENT)
    colour = colours[instance.version]
    return Text(f" {instance.version:^7} ", f"{_INK[colour]} on {colour}")
