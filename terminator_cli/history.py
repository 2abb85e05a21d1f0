"""`terminator history`: what was decided, as a table or as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Final

from rich.text import Text

from terminator.report.log_lines import withdrawal
from terminator.report.record import shown
from terminator.text import count, few
from terminator_cli import output
from terminator_cli.recordings import Wanted, load, nothing, order
from terminator_cli.records import by_why, runs, standing, wants, why_it_goes
from terminator_cli.report.timeline import Fold, alone, fold

if TYPE_CHECKING:
    from rich.console import Console

    from terminator.report.record import Record

TIMES: Final = "\N{MULTIPLICATION SIGN}"
# Below this the group stands above the decision, not beside it.
_ROOMY_WIDTH: Final = 100
# A row lists no more, so that one record does not fill the screen; --json has all.
_MOST_IDS: Final = 100
_MOST_REASONS: Final = 20
_BECAME: Final[Mapping[str, str]] = {
    "uploaded": "when it was uploaded",
    "withdrawn": "when the one above it was withdrawn",
    "pinned": "when its pointer was written",
    "unpinned": "when its pointer was deleted",
}
_STARTED: Final[Mapping[str | None, str]] = {
    "schedule": "the schedule",
    "event": "an upload, a deletion or a pointer",
    "command": "somebody at the command line",
}


def history(
    wanted: Wanted, *, instance: str | None, limit: int | None, unfolded: bool, as_json: bool
) -> None:
    """Show what was decided, by time: which group, what, and why."""
    now = datetime.now(UTC)
    name, records = load(wanted, now)
    console = output.console()
    if instance is not None and records:
        told = life(instance, records)
        if as_json:
            output.note(told)
        else:
            output.print_text(console, Text(told))
        records = [record for record in records if _is_about(instance, record)]
    if as_json:
        newest = records[-limit:] if limit else records
        output.document([record.to_json() for record in newest])
    elif records:
        folds = [alone(record) for record in records] if unfolded else fold(records)
        # Those that ended last, in the order in which they began.
        by_end = sorted(range(len(folds)), key=lambda number: order(folds[number].last))
        newest_folds = sorted(by_end[-(limit or len(folds)) :])
        show(console, [folds[number] for number in newest_folds])
    if not records and instance is None:
        output.note(nothing(name, wanted, now))


def _is_about(id_: str, record: Record) -> bool:
    """Say whether a record decided that an instance is to go, or tells what came of that."""
    named = (record.would_go, record.terminated, record.deferred, record.failed)
    return any(id_ in each for each in named)


def life(id_: str, records: Sequence[Record]) -> str:
    """Return in plain sentences what became of an instance and why, as these records have it."""
    seen = [(record, each) for record in records for each in record.instances if each.id == id_]
    if not seen:
        return f"{shown(id_)}: in none of {count(len(records), 'decision')}; look further back?"
    last, instance = seen[-1]
    version = next((each.version for _, each in reversed(seen) if each.version), None)
    created = f" was created at {output.moment(instance.created)} UTC" if instance.created else ""
    ran = f"ran {shown(version)}" if version else "never answered"
    told = f"{shown(id_)} of {shown(last.group)}{f'{created} and' if created else ''} {ran}."
    for record in records:
        if id_ in record.terminated:
            return " ".join([told, *_end(id_, record, records)])
    tried = [record for record in records if id_ in {**record.deferred, **record.failed}]
    if tried:
        why = {**tried[-1].deferred, **tried[-1].failed}[id_]
        verb = "refresh" if tried[-1].to_refresh else "terminate"
        told += f" Terminator tried to {verb} it at {_moment(tried[-1])}: {shown(why)}."
    if begun := [record for record in records if record.refresh and record.to_refresh == id_]:
        told += (
            f" Terminator had instance refresh {shown(begun[-1].refresh or '')} begin at "
            f"{_moment(begun[-1])} to replace it: {shown(begun[-1].reason)}."
        )
    if any(last is record for record in _newest(records)):
        state = ", ".join(filter(None, (instance.lifecycle, instance.health)))
        what = f"It was there at {_moment(last)} ({shown(state)})"
        told = f"{told} {what}, and Terminator has not terminated it."
        stands = f"The group is {shown(last.stands)}: {shown(last.reason)}."
        return f"{told} {stands}"
    return (
        f"{told} It was last seen at {_moment(last)}, and Terminator did not terminate it: the "
        "group's scaling activities say who did."
    )


def _newest(records: Sequence[Record]) -> Iterable[Record]:
    """Return the newest record of each group."""
    return {record.group: record for record in records}.values()


def _end(id_: str, record: Record, records: Sequence[Record]) -> Iterator[str]:
    """Yield the sentences that tell of a termination: when, why, for what, by whom, and how."""
    instance = next((each for each in record.instances if each.id == id_), None)
    why = why_it_goes(instance) if instance else ""
    if record.requested_by:
        yield (
            f"Terminator terminated it at {_moment(record)}, because "
            f"{shown(record.requested_by)} asked for that (terminator replace)."
        )
    else:
        because = f", because it {why}" if why else ""
        yield f"Terminator terminated it at {_moment(record)}{because}."
    if record.target:
        how = f", {_BECAME[record.became]}" if record.became else ""
        since = f" since {output.moment(record.since)} UTC" if record.since else ""
        pointed = ", which its pointer names" if record.pinned and record.became != "pinned" else ""
        yield f"The target was {wants(record)}{since}{how}{pointed}."
    yield f"The decision was {record.decision}: {shown(record.reason)}."
    facts = [f"{record.available} of {record.desired} were available, minimum {record.minimum}"]
    facts += [f"on {runs(record)}"] if runs(record) else []
    yield f"Of its group {', '.join(facts)}."
    if by := _STARTED.get(record.started_by):
        yield f"The run was begun by {by}."
    if instead := _replacement(record, records):
        yield instead


def _replacement(record: Record, records: Sequence[Record]) -> str | None:
    """Say which instance of the group was the next to be created after a termination."""
    before = {each.id for each in record.instances}
    later = (each for each in records if each.group == record.group and order(each) > order(record))
    for each in later:
        fresh = [i for i in each.instances if i.id not in before and i.counted]
        if fresh:
            first = min(fresh, key=lambda i: (i.created is None, i.created or each.at, i.id))
            return f"The next instance of the group was {shown(first.id)}."
    return None


def _moment(record: Record) -> str:
    return f"{output.moment(record.at)} UTC" if record.at else "a time that is not recorded"


def show(console: Console, folds: Sequence[Fold]) -> None:
    """Print decisions in their order: when, about which group and target, what and why.

    In colour on a terminal, plain in a pipe.
    """
    days = {each.at.date() for fold in folds for each in (fold.first, fold.last) if each.at}
    roomy = console.width >= _ROOMY_WIDTH
    rows: list[tuple[Text, ...]] = []
    for each in folds:
        time, group = _time(each, dated=len(days) > 1), Text(shown(each.first.group), "bold")
        told = standing(each.first).append("\n").append(_facts(each))
        told.append("\n").append(_reason(each.first))
        rows.append((time, group, told) if roomy else (time, group.append("  ").append(told)))
    which = ("group", "decision") if roomy else ("decision",)
    console.print(output.table(console, ("time (UTC)", *which), rows, firm=1))


def _facts(fold: Fold) -> Text:
    """Return the target, what was running, and who asked."""
    record = fold.first
    facts = [f"target {wants(record)}"] if record.target else []
    facts += [f"runs {runs(record)}"] if runs(record) else []
    facts += [f"requested by {few(fold.asked_by)}"] if fold.asked_by else []
    return Text(", ".join(facts) or "nothing is known of it", "not bold dim")


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


def _reason(record: Record) -> Text:
    """Return why it was decided so, what came of it, and what a person does."""
    reason = Text(shown(record.reason), "not bold")
    if told := withdrawal(record):
        reason.append(f"\n{shown(told)}", "bold red" if record.withdrawn else "")
    gone = "terminated"
    ids: Sequence[str] = record.terminated
    if not ids and record.dry_run:
        gone, ids = "dry run: would terminate", record.to_terminate
    for why, some in by_why(ids, record).items():
        style = "red" if record.terminated else "dim"
        reason.append(f"\n{gone} {_listed(some)}{f': {why}' if why else ''}", style)
    if record.to_refresh and (record.refresh or record.dry_run):
        done = f"instance refresh {record.refresh} began"
        told = done if record.refresh else "dry run: would start an instance refresh"
        reason.append(f"\n{shown(told)}", "dim" if record.dry_run else "yellow")
    not_gone: Mapping[str, Mapping[str, str]] = {
        "deferred": record.deferred,
        f"failed to {'refresh' if record.to_refresh else 'terminate'}": record.failed,
    }
    for words, instances in not_gone.items():
        for id_, refused in islice(instances.items(), _MOST_REASONS):
            reason.append(f"\n{words} {shown(id_)}: {shown(refused)}", "red")
        if len(instances) > _MOST_REASONS:
            reason.append(f"\n{words} {len(instances) - _MOST_REASONS} more", "red")
    if record.remedy:
        reason.append(f"\nto do: {shown(record.remedy)}", "bold")
    return reason


def _listed(ids: Sequence[str]) -> str:
    more = len(ids) - _MOST_IDS
    return " ".join(map(shown, ids[:_MOST_IDS])) + (f" and {more} more" if more > 0 else "")
