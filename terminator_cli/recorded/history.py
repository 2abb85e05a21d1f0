"""Recorded decisions as a table for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from rich import box
from rich.table import Table
from rich.text import Text

from terminator_cli import output
from terminator_cli.recorded import texts
from terminator_cli.recorded.fold import Fold
from terminator_cli.recorded.record import Recorded

if TYPE_CHECKING:
    from rich.console import Console

TIMES: Final = "\N{MULTIPLICATION SIGN}"
# Below this the group stands below the decision.
_ROOMY_WIDTH: Final = 90
_STYLES: Final = {**output.STYLES, "failed": output.STYLES[None]}


def show(console: Console, folds: Sequence[Fold]) -> None:
    """Print decisions in their order: when, about what, which and why.

    In colour on a terminal, plain in a pipe.
    """
    roomy, dated = console.width >= _ROOMY_WIDTH, _spans_days(folds)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("time (UTC)", no_wrap=True)
    for heading in ("group", "decision") if roomy else ("decision",):
        table.add_column(heading, overflow="fold", max_width=None if roomy else 14)
    table.add_column("reason", overflow="fold", ratio=1)
    for fold in folds:
        table.add_row(*_row(fold, roomy=roomy, dated=dated))
    console.print(table)


def _row(fold: Fold, *, roomy: bool, dated: bool) -> list[Text]:
    first = fold.first
    group, decision = Text(first.group), Text(first.decision, _STYLES[first.decision])
    which = [group, decision] if roomy else [Text("\n").join((decision, group))]
    return [_time(fold, dated=dated), *which, _reason(first)]


def _spans_days(folds: Sequence[Fold]) -> bool:
    days = {each.at.date() for fold in folds for each in (fold.first, fold.last) if each.at}
    return len(days) > 1


def _time(fold: Fold, *, dated: bool) -> Text:
    first, last = fold.first.at, fold.last.at
    time = Text(texts.clock(first, dated=dated) if first else "-")
    if fold.times > 1:
        space = "\n" if dated else " "
        until = f" until{space}{texts.clock(last, dated=dated)}" if last else ""
        time.append(f"\n{TIMES}{fold.times}{until}", "dim")
    return time


def _reason(record: Recorded) -> Text:
    reason = Text(record.reason)
    if record.terminated:
        reason.append(f"\nterminated {' '.join(record.terminated)}", "red")
    elif record.dry_run and record.to_terminate:
        reason.append(f"\ndry run: would terminate {' '.join(record.to_terminate)}", "dim")
    for words, why in (("deferred", record.deferred), ("failed to terminate", record.failed)):
        for id_, text in why:
            reason.append(f"\n{words} {id_}: {text}", "red")
    return reason
