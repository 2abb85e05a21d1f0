"""How commands print: text for people that is never markup, JSON, and notes beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

import click
from rich import box
from rich.console import Console
from rich.table import Table

# A pipe has no width; what reads it should not find lines cut.
_PIPE_WIDTH: Final = 160
# How the standing of a group is shown.
STYLES: Final[Mapping[str, str]] = {
    "replace": "bold red",
    "canary": "bold yellow",
    "recycle": "bold yellow",
    "waiting": "cyan",
    "needs attention": "bold white on red",
    "converged": "green",
    "failed": "bold red",
}


def say(text: str) -> None:
    """Print a line of the answer."""
    click.echo(text)


def note(text: str) -> None:
    """Print a line beside the answer, on standard error."""
    click.echo(text, err=True)


def document(data: object) -> None:
    """Print data as JSON."""
    click.echo(json.dumps(data, indent=2))


def console(*, stderr: bool = False) -> Console:
    """Return a console: in colour on a terminal, plain and wide in a pipe."""
    made = Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    if not made.is_terminal:
        made.width = max(made.width, _PIPE_WIDTH)
    return made


def table(*headings: str) -> Table:
    """Return a table whose cells fold where the terminal is narrow."""
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        made.add_column(heading, overflow="fold")
    return made


def moment(when: datetime) -> str:
    """Return a time as `2026-11-21 14:05` in UTC."""
    return when.astimezone(UTC).strftime("%Y-%m-%d %H:%M")


def size(number: int) -> str:
    """Return a number of bytes in words: `512 bytes`, `3.4 MB`."""
    amount, unit = float(number), "bytes"
    for larger in ("kB", "MB", "GB", "TB"):
        if amount < 1000:  # noqa: PLR2004 - the decimal units that AWS bills by
            break
        amount, unit = amount / 1000, larger
    return f"{amount:.0f} {unit}" if unit == "bytes" else f"{amount:.1f} {unit}"
