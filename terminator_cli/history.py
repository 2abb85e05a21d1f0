"""`terminator history`: what was decided, as a table or as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Final

from rich.text import Text

from terminator.report.record import shown
from terminator.text import count
from terminator_cli import output
from terminator_cli.recordings import Wanted, load, nothing, order
from terminator_cli.records import standing
from terminator_cli.report.timeline import Fold, fold

if TYPE_CHECKING:
    from rich.console import Console

    from terminator.report.record import Record

_BY: Final = {"age": "by its age", "taint": "by its taint", "ill": "as it was ill"}
TIMES: Final = "\N{MULTIPLICATION SIGN}"
# Below this the group and the target stand below the decision.
_ROOMY_WIDTH: Final = 90
# A row lists no more, so that one record does not fill the screen; --json has all.
_MOST_IDS: Final = 100
_MOST_REASONS: Final = 20


def history(
    wanted: Wanted, *, instance: str | None, limit: int | None, unfolded: bool, as_json: bool
) -> None:
    """Show what was decided, by time: which group, what, and why."""
    now = datetime.now(UTC)
    name, records = load(wanted, now)
    if instance is not None and records:
        output.note(life(instance, records))
        records = [record for record in records if _is_about(instance, record)]
    if as_json:
        newest = records[-limit:] if limit else records
        output.document([record.to_json() for record in newest])
    elif records:
        folds = [Fold(record, record) for record in records] if unfolded else fold(records)
        # Those that ended last, in the order in which they began.
        by_end = sorted(range(len(folds)), key=lambda number: order(folds[number].last))
        newest_folds = sorted(by_end[-(limit or len(folds)) :])
        show(output.console(), [folds[number] for number in newest_folds])
    if not records and instance is None:
        output.note(nothing(name, wanted, now))


def _is_about(id_: str, record: Record) -> bool:
    """Say whether a record decided that an instance is to go, or tells what came of that."""
    named = (record.to_terminate, record.terminated, record.deferred, record.failed)
    return any(id_ in each for each in named)


def life(id_: str, records: Sequence[Record]) -> str:
    """Return in a sentence what became of an instance, as these records have it."""
    seen = [(record, each) for record in records for each in record.instances if each.id == id_]
    if not seen:
        return f"{shown(id_)}: in none of {count(len(records), 'decision')}; look further back?"
    last, instance = seen[-1]
    version = next((each.version for _, each in reversed(seen) if each.version), None)
    ran = f"ran {version}" if version else "never answered"
    told = f"{id_} of {last.group} {ran}"
    for record in records:
        if id_ in record.terminated:
            by = f", as {record.requested_by} asked" if record.requested_by else ""
            return f"{told}; Terminator terminated it at {_moment(record)}{_for(record, id_)}{by}"
    newest = [record for record in records if record.group == last.group][-1]
    if newest is last:
        state = ", ".join(filter(None, (instance.lifecycle, instance.health)))
        return f"{told}; it is there ({state}), and Terminator has not terminated it"
    return (
        f"{told}; it was last seen at {_moment(last)}, and Terminator did not terminate it: "
        "the group's scaling activities say who did"
    )


def _for(record: Record, id_: str) -> str:
    """Say what an instance was terminated for: what it was to run, or else its cause."""
    for cause in record.causes([id_]):
        if cause in _BY:
            return f", {_BY[cause]}"
    return f" for {record.target}" if record.target else ""


def _moment(record: Record) -> str:
    return f"{output.moment(record.at)} UTC" if record.at else "a time that is not recorded"


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
        reason.append(f"\nterminated {_listed(record.terminated)}", "red")
    elif record.dry_run and record.to_terminate:
        reason.append(f"\ndry run: would terminate {_listed(record.to_terminate)}", "dim")
    not_gone: Mapping[str, Mapping[str, str]] = {
        "deferred": record.deferred,
        "failed to terminate": record.failed,
    }
    for words, instances in not_gone.items():
        for id_, why in islice(instances.items(), _MOST_REASONS):
            reason.append(f"\n{words} {id_}: {why}", "red")
        if len(instances) > _MOST_REASONS:
            reason.append(f"\n{words} {len(instances) - _MOST_REASONS} more", "red")
    return reason


def _listed(ids: Sequence[str]) -> str:
    more = len(ids) - _MOST_IDS
    return " ".join(ids[:_MOST_IDS]) + (f" and {more} more" if more > 0 else "")
