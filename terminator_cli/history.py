"""`terminator history`: what was decided, as a table or as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import click
from rich.text import Text

from terminator_cli import output
from terminator_cli.recordings import Wanted, load, nothing, order, record_options
from terminator_cli.records import standing
from terminator_cli.report.timeline import Fold, fold

if TYPE_CHECKING:
    from rich.console import Console

TIMES: Final = "\N{MULTIPLICATION SIGN}"
# Below this the group and the target stand below the decision.
_ROOMY_WIDTH: Final = 90


@click.command()
@record_options
@click.option("--limit", type=click.IntRange(min=1), help="At most so many, the newest.")
@click.option("--all", "unfolded", is_flag=True, help="Do not fold decisions that repeat.")
@click.option("--json", "as_json", is_flag=True, help="Print decision records, as a list.")
def history(wanted: Wanted, *, limit: int | None, unfolded: bool, as_json: bool) -> None:
    """Show what was decided, by time: which group, what, and why.

    Decisions that repeat are folded into one row, with how often and until when.

    Example: terminator history --group live_asg_web --since 2h
    """
    now = datetime.now(UTC)
    name, records = load(wanted, now)
    if as_json:
        newest = records[-limit:] if limit else records
        output.document([record.to_json() for record in newest])
    elif records:
        folds = [Fold(record, record) for record in records] if unfolded else fold(records)
        # Those that ended last, in the order in which they began.
        by_end = sorted(range(len(folds)), key=lambda number: order(folds[number].last))
        newest_folds = sorted(by_end[-(limit or len(folds)) :])
        show(output.console(), [folds[number] for number in newest_folds])
    if not records:
        output.note(nothing(name, wanted, now))


def show(console: Console, folds: Sequence[Fold]) -> None:
    """Print decisions in their order: when, about which group and target, what and why.

    In colour on a terminal, plain in a pipe.
    """
    days = {each.at.date() for fold in folds for each in (fold.first, fold.last) if each.at}
    roomy = console.width >= _ROOMY_WIDTH
    which = ("group", "target", "decision") if roomy else ("decision",)
    table = output.table("time (UTC)", *which, "reason")
    table.columns[0].no_wrap = True
    table.columns[-1].ratio = 1
    if not roomy:
        table.columns[1].max_width = 15
    for each in folds:
        record = each.first
        decision = standing(record)
        cells = [Text(record.group), Text(record.target or "-"), decision]
        if not roomy:
            told = [decision, Text(record.group), Text(record.target or "", "dim")]
            cells = [Text("\n").join(text for text in told if text)]
        table.add_row(_time(each, dated=len(days) > 1), *cells, _reason(each))
    console.print(table)


def _time(fold: Fold, *, dated: bool) -> Text:
    """Return when it was decided first, and how often and until when it was again."""

    def clock(at: datetime | None) -> str:
        if at is None:
            return "-"
        return f"{at.day} {at:%b %H:%M}" if dated else f"{at:%H:%M}"

    time = Text(clock(fold.first.at))
    if fold.times > 1:
        space = "\n" if dated else " "
        until = f" until{space}{clock(fold.last.at)}" if fold.last.at else ""
        time.append(f"\n{TIMES}{fold.times}{until}", "dim")
    return time


def _reason(fold: Fold) -> Text:
    """Return why it was decided so, and what came of it."""
    record = fold.first
    reason = Text(record.reason)
    if record.terminated:
        reason.append(f"\nterminated {' '.join(record.terminated)}", "red")
    elif record.dry_run and record.to_terminate:
        reason.append(f"\ndry run: would terminate {' '.join(record.to_terminate)}", "dim")
    not_gone: Mapping[str, Mapping[str, str]] = {
        "deferred": record.deferred,
        "failed to terminate": record.failed,
    }
    for words, instances in not_gone.items():
        for id_, why in instances.items():
            reason.append(f"\n{words} {id_}: {why}", "red")
    return reason
