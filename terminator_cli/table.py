"""Decision records as tables for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from rich.text import Text

from terminator.text import plain
from terminator_cli import output, running

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

# Below this what matters least makes room.
_ROOMY_WIDTH: Final = 90

Record = Mapping[str, Any]


def show(console: Console, records: Iterable[Record]) -> None:
    """Print each group: its instances, their versions, and the decision with its reason.

    In colour on a terminal, plain in a pipe.
    """
    for record in records:
        console.print(_title(record), soft_wrap=True)
        # Without figures the instances were not asked, and all that is to say is why.
        if record["instances"] and record["available"] is not None:
            console.print(_instances(record, roomy=console.width >= _ROOMY_WIDTH))
        console.print(_decision(record), soft_wrap=True)
        console.print()


def _title(record: Record) -> Text:
    title = Text().append(plain(record["group"]), "bold")
    if record["available"] is not None:
        title.append(f"  app {plain(record['app'])}, target {record['target'] or 'none'}")
        title.append(
            f"\n{record['available']} available of {record['desired']} desired, "
            f"{record['unavailable']} unavailable, {record['in_flight']} in flight, "
            f"minimum {record['minimum']}",
            "dim",
        )
    return title


def _instances(record: Record, *, roomy: bool) -> Table:
    more = ("zone", "launched (UTC)") if roomy else ()
    table = output.table("instance", "version", "state", *more, "")
    for instance in record["instances"]:
        *cells, note = _row(record, instance)
        table.add_row(*(cells if roomy else cells[:3]), note)
    return table


def _row(record: Record, instance: Record) -> list[Text]:
    state = plain(f"{instance['lifecycle']}, {instance['health']}")
    launched = (instance["launched"] or "")[:16].replace("T", " ")
    version, reason = instance["version"], instance["reason"]
    wanted = running.is_same(version, record["target"])
    style = "red" if reason else "green" if wanted else "yellow"
    return [
        Text(instance["id"]),
        Text(version or "-", style if version else "dim"),
        Text(state.removesuffix(", Healthy"), "" if state == "InService, Healthy" else "yellow"),
        Text(instance["zone"]),
        Text(launched, "dim"),
        Text(_fate(record, instance["id"]) or reason or "", "red"),
    ]


def _fate(record: Record, id_: str) -> str:
    if id_ in record["terminated"]:
        return "terminated"
    if id_ in record["failed"]:
        return f"failed: {record['failed'][id_]}"
    if id_ in record["deferred"]:
        return f"deferred: {record['deferred'][id_]}"
    return "would go" if id_ in record["to_terminate"] and record["dry_run"] else ""


def _decision(record: Record) -> Text:
    kind = record["decision"]
    if kind is None:
        return Text.assemble(("failed", "bold red"), f": {record['reason']}")
    return Text.assemble((kind, output.STYLES[kind]), f": {record['reason']}")
