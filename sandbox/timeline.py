"""A timeline of each group: one row a run, its instances as cells coloured by version."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from rich.table import Table
from rich.text import Text

from sandbox.runs import Run
from terminator.report.record import InstanceRecord, Record

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
    seen = [(run.at, record) for run in runs for record in run.records if record.group == group]
    colours = _colours(record for _, record in seen)
    for at, record in seen:
        table.add_row(f"{(at - begun).total_seconds() / 60:.0f}", *_row(record, colours))
    return table


def _colours(records: Iterable[Record]) -> dict[str, str]:
    versions = dict.fromkeys(
        instance.version for record in records for instance in record.instances if instance.version
    )
    return {version: _COLOURS[n % len(_COLOURS)] for n, version in enumerate(versions)}


def _row(record: Record, colours: dict[str, str]) -> tuple[Text, str, Text]:
    if record.decision is None or record.available is None:
        return Text(""), "", Text("failed", "red")
    cells = Text(" ").join(_cell(each, colours) for each in record.instances if each.counted)
    available = f"{record.available}/{record.minimum}"
    to_terminate = f" {len(record.to_terminate)}" if record.to_terminate else ""
    return cells, available, Text(record.decision + to_terminate, _KINDS[record.decision])


def _cell(instance: InstanceRecord, colours: dict[str, str]) -> Text:
    if instance.version is None or instance.reason is not None:
        return Text(f" {'silent':^7} ", _SILENT)
    colour = colours[instance.version]
    return Text(f" {instance.version:^7} ", f"{_INK[colour]} on {colour}")
