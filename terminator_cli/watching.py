"""What a watch shows: a live screen on a terminal, else a line or an object a change."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

import click
from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from terminator.text import plain
from terminator_cli import output
from terminator_cli.reach import Record
from terminator_cli.standing import block, has_converged, line, progress, summary, title
from terminator_cli.watch import View


@contextmanager
def view(*, as_json: bool, within: timedelta | None = None, remark: str = "") -> Iterator[View]:
    """Show what is watched on this terminal, or in this pipe, for as long as the block.

    `within` is when it gives up, and `remark` what else there is to know.
    """
    console = output.console()
    if as_json or not console.is_terminal:
        yield Changes(as_json=as_json, remark=remark)
        return
    screen = Screen(within, remark)
    with Live(get_renderable=screen.render, console=console, refresh_per_second=4) as live:
        yield screen
        screen.ended = screen.ended or "ended"
        live.refresh()


class Changes:
    """Prints a line, or an object, for each group that stands otherwise than before."""

    def __init__(self, *, as_json: bool, remark: str = "") -> None:
        self._as_json, self._remark = as_json, remark
        self._before: dict[str, str] = {}

    def show(self, records: Sequence[Record]) -> None:
        """Print what has changed."""
        if self._remark and not self._before:
            output.note(self._remark)
        for record in records:
            text = json.dumps(summary(record)) if self._as_json else line(record)
            if self._before.get(record["group"]) != text:
                self._before[record["group"]] = text
                click.echo(text)

    def trouble(self, text: str) -> None:
        """Print why a look failed, on standard error."""
        output.note(text)

    def end(self, text: str) -> None:
        """Print how it ended, on standard error."""
        output.note(text)


class Screen:
    """The groups as they stand, with progress, and the time that has passed."""

    def __init__(self, within: timedelta | None, remark: str) -> None:
        self._within, self._remark = within, remark
        self._begun = time.monotonic()
        self._records: Sequence[Record] | None = None
        self._trouble = ""
        self._spinner = Spinner("dots", style="cyan")
        self.ended = ""

    def show(self, records: Sequence[Record]) -> None:
        """Show these from the next refresh on."""
        self._records, self._trouble = records, ""

    def trouble(self, text: str) -> None:
        """Show it below the groups until a look succeeds."""
        self._trouble = text

    def end(self, text: str) -> None:
        """Show it in place of the spinner."""
        self.ended = text

    def render(self) -> RenderableType:
        """Return the whole screen."""
        rows: list[RenderableType] = []
        for record in sorted(self._records or (), key=has_converged):
            rows += _rows(record)
        if self._remark:
            rows.append(Text(self._remark, "yellow"))
        if self._trouble:
            rows.append(Text(plain(self._trouble), "red"))
        return Group(*rows, self._foot())

    def _foot(self) -> RenderableType:
        elapsed = timedelta(seconds=int(time.monotonic() - self._begun))
        words = "looking"
        if self._records is not None:
            done = sum(map(has_converged, self._records))
            words = f"{done} of {len(self._records)} groups converged"
        words += f", {elapsed} of {self._within}" if self._within else f", {elapsed}"
        if self.ended:
            return Text(f"{self.ended}: {words}", "bold")
        self._spinner.update(text=Text(f"{words}; Ctrl-C ends the watch", "dim"))
        return self._spinner


def _rows(record: Record) -> list[RenderableType]:
    # The live screen is no longer than the terminal, so what needs no watching is short.
    if has_converged(record):
        return [title(record).append(f": {plain(record['reason'])}")]
    return [block(record), _bar(record), Text()]


def _bar(record: Record) -> RenderableType:
    done, of = progress(record)
    row = Table.grid(padding=(0, 1))
    bar = ProgressBar(total=of, completed=done, width=30)
    row.add_row(Text("          "), bar, Text(f"{done} of {of} on target"))
    return row
