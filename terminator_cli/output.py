"""How commands print: text for people that is never markup, JSON, and notes beside it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

import click
from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

# A pipe has no width; what reads it should not find lines cut.
_PIPE_WIDTH: Final = 160
# What a table takes beside its columns.
_EDGES: Final = 2
_BETWEEN: Final = 3
# How the standing of a group is shown.
STYLES: Final[Mapping[str, str]] = {
    "replace": "bold red",
    "canary": "bold yellow",
    "surge": "bold yellow",
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
    """Print a line beside the answer, on standard error; on a terminal it wraps between words."""
    print_text(console(stderr=True), Text(text))


def document(data: object) -> None:
    """Print data as JSON."""
    click.echo(json.dumps(data, indent=2))


def console(*, stderr: bool = False) -> Console:
    """Return a console: in colour on a terminal, plain and wide in a pipe."""
    made = Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    if not made.is_terminal:
        made.width = max(made.width, _PIPE_WIDTH)
    return made


def print_text(to: Console, text: Text, *, indent: int = 0) -> None:
    """Print text that wraps between words on a terminal, and in a pipe is not broken at all.

    Each of its lines begins with `indent` spaces.
    """
    if to.is_terminal:
        to.print(Padding(text, (0, 0, 0, indent)) if indent else text)
    else:
        to.print(Text(" " * indent).append(text), soft_wrap=True)


def table(
    to: Console, headings: Sequence[str], rows: Iterable[Sequence[Text]], *, firm: int = 0
) -> Table:
    """Return a table that fits the console; its cells wrap between words, the `firm` first not.

    A word is broken only where the longest words of all columns have no room beside each other.
    """
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    cells = [[Text(heading) for heading in headings], *rows]
    columns = [[text.plain for text in column] for column in zip(*cells, strict=True)]
    whole = [max(cell_len(line) for text in of for line in text.split("\n")) for of in columns]
    words = [max((cell_len(w) for text in of for w in text.split()), default=0) for of in columns]
    words[:firm] = whole[:firm]
    room = to.width - _EDGES - _BETWEEN * (len(headings) - 1)
    for heading, width in zip(headings, widths(whole, words, room), strict=True):
        made.add_column(heading, width=width, overflow="fold")
    for row in cells[1:]:
        made.add_row(*row)
    return made


def widths(whole: Sequence[int], words: Sequence[int], room: int) -> list[int]:
    """Return how wide each column is, of which `whole` are the longest lines.

    None is narrower than its longest word of `words`, unless together they have no room: then the
    longest are cut. Of what room is left those that lack least, and are no wider than a quarter
    of it all, get what they lack, and the others the rest.
    """
    whole, made = ([max(1, width) for width in some] for some in (whole, words))
    if sum(whole) <= room:
        return whole
    numbers = range(len(made))
    while sum(made) > max(room, len(made)):
        made[max(numbers, key=made.__getitem__)] -= 1
    for number in sorted(numbers, key=lambda number: whole[number] - made[number]):
        lacks = whole[number] - made[number]
        if whole[number] <= room // 4 and sum(made) + lacks <= room:
            made[number] += lacks
    while sum(made) < room:
        made[max(numbers, key=lambda number: whole[number] / made[number])] += 1
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
