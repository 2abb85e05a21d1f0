"""`terminator plan` and `terminator apply`: one run, as a dry run or for real."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NoReturn

from rich.text import Text

from terminator.observe.snapshot import Scope
from terminator.report.log_lines import nothing_to_serve
from terminator.report.record import InstanceRecord, Record, shown
from terminator.text import few
from terminator_cli import output, reach
from terminator_cli.exits import DONE, FAILED, confirm
from terminator_cli.options import Asked
from terminator_cli.records import (
    by_need,
    follows_releases,
    on_target,
    standing,
    wants,
    why_it_goes,
)

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_DRIFT: Final = frozenset({"template", "image"})
# Below this what matters least makes room.
_ROOMY_WIDTH: Final = 90
_ALL_THE_SAME: Final = "dry_run is true in the settings: apply terminates all the same"


def plan(asked: Asked, groups: tuple[str, ...]) -> None:
    """Show what would be done now, and why; terminate nothing."""
    config = replace(asked.config, dry_run=True)
    _end(asked, reach.run(asked, config, Scope(groups=frozenset(groups) or None)))


def apply(asked: Asked, groups: tuple[str, ...], *, yes: bool, dry_run: bool) -> None:
    """Do now what is due: terminate what the rules let go."""
    scope, config = Scope(groups=frozenset(groups) or None), replace(asked.config, dry_run=True)
    if not dry_run and not yes:
        records = reach.run(asked, config, scope)
        due = [id_ for record in records for id_ in record.would_go]
        if not due:
            _end(asked, records)
        if not asked.as_json:
            show(output.console(), records)
        if asked.config.dry_run:
            output.note(_ALL_THE_SAME)
        refreshed = any(record.to_refresh for record in records)
        verb = "Replace" if refreshed else "Terminate"
        confirm(f"{verb} {few(due)}, or what is due by then?", yes=False)
    records = reach.run(asked, replace(config, dry_run=dry_run), scope)
    if yes and not dry_run and asked.config.dry_run:
        output.note(_ALL_THE_SAME)
    _end(asked, records)


def _end(asked: Asked, records: Sequence[Record]) -> NoReturn:
    """Print the records, and end with the status that they come to."""
    if asked.as_json:
        output.document([record.to_json() for record in records])
    elif records:
        show(output.console(), records)
    else:
        output.note(nothing_to_serve().text + reach.where())
    raise SystemExit(FAILED if any(record.has_failed for record in records) else DONE)


def show(console: Console, records: Iterable[Record]) -> None:
    """Print each group: its instances, their versions, and the decision with its reason.

    First come those that need a person.
    """
    for record in by_need(records):
        output.print_text(console, _title(record))
        # Without figures the instances were not asked, and all there is to say is why.
        if record.instances and record.available is not None:
            console.print(_table(console, record))
        told = Text().append(standing(record)).append(f": {shown(record.reason)}")
        if record.remedy:
            told.append("\nto do: ").append(shown(record.remedy), "bold")
        output.print_text(console, told)
        console.print()


def _title(record: Record) -> Text:
    title = Text().append(shown(record.group), "bold")
    if record.available is not None:
        title.append(f"  app {shown(record.app or '')}, target {wants(record)}")
        if follows_releases(record) and record.template:
            title.append(f" on {shown(record.template)}")
        title.append(
            f"\n{record.available} available of {record.desired} desired, "
            f"{record.unavailable} unavailable, {record.in_flight} in flight, "
            f"minimum {record.minimum}",
            "dim",
        )
    return title


def _table(console: Console, record: Record) -> Table:
    roomy = console.width >= _ROOMY_WIDTH
    more = ("zone", "created (UTC)", "") if roomy else ()
    rows: list[tuple[Text, ...]] = []
    for instance in record.instances:
        in_service = (instance.lifecycle, instance.health) == ("InService", "Healthy")
        state = shown(f"{instance.lifecycle}, {instance.health}").removesuffix(", Healthy")
        wanted = on_target(instance.version, record) and instance.cause not in _DRIFT
        style = "red" if instance.reason else "green" if wanted else "yellow"
        created = output.moment(instance.created) if instance.created else ""
        note = Text(shown(_note(instance, record)), "red")
        cells = (
            Text(shown(instance.id)),
            Text(instance.version or "-", style if instance.version else "dim"),
            Text(state, "" if in_service else "yellow"),
        )
        if roomy:
            rows.append((*cells, Text(shown(instance.zone)), Text(created, "dim"), note))
        else:
            rows.append((*cells[:2], Text(" ").join(filter(None, (cells[2], note)))))
    return output.table(console, ("instance", "version", "state", *more), rows)


def _note(instance: InstanceRecord, record: Record) -> str:
    """Return what became of an instance or what would, else why it is not available."""
    if instance.id in record.terminated:
        return "terminated"
    if instance.id in record.failed:
        return f"failed: {record.failed[instance.id]}"
    if instance.id in record.deferred:
        return f"deferred: {record.deferred[instance.id]}"
    if instance.id == record.to_refresh and record.refresh:
        return "goes once another one serves"
    if instance.id in record.would_go and record.dry_run:
        goes = "would be refreshed" if record.to_refresh else "would go"
        why = _why(instance)
        return f"{goes}: {why}" if why else goes
    is_coming = instance.counted and instance.version is not None and not instance.available
    return instance.reason or ("in flight" if is_coming else _why(instance))


def _why(instance: InstanceRecord) -> str:
    """Return why an instance is to go, where its version does not say so."""
    is_said = instance.cause == "release" and instance.version is not None
    return "" if instance.cause is None or is_said else why_it_goes(instance)
