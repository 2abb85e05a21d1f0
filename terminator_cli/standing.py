"""Where a group stands, from its decision record: for people, and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from terminator.text import count, plain
from terminator_cli import running
from terminator_cli.output import STYLES
from terminator_cli.reach import Record

_NEXT: Final[Mapping[str | None, str]] = {
    "replace": "next",
    "canary": "next",
    "hold": "waits for",
    "converged": "done",
    None: "why",
}
_SUMMARY: Final = (
    "group", "app", "desired", "minimum", "available", "unavailable", "in_flight", "outdated",
    "target", "target_source", "decision", "reason", "to_terminate",
)  # fmt: skip


def summary(record: Record) -> Record:
    """Return what `status --json` prints of a group: its record, with versions counted."""
    return {
        **{name: record[name] for name in _SUMMARY},
        "versions": dict(running.versions(record)),
        "without_version": dict(running.without_version(record)),
        "converged": has_converged(record),
    }


def has_converged(record: Record) -> bool:
    """Say whether the group has converged."""
    return bool(record["decision"] == "converged")


def progress(record: Record) -> tuple[int, int]:
    """Return how many instances are available on target, and of how many."""
    if record["available"] is None:
        return 0, record["desired"] or 1
    done = record["available"] - record["outdated"]
    return done, max(record["desired"], done, 1)


def title(record: Record) -> Text:
    """Return the name of a group and its decision."""
    decision = record["decision"]
    named = Text().append(plain(record["group"]), "bold").append("  ")
    return named.append(decision or "failed", STYLES[decision])


def block(record: Record) -> RenderableType:
    """Return a group as a block of lines; nothing is cut, however narrow the terminal."""
    rows = Table.grid(padding=(0, 2))
    rows.add_column(min_width=9, no_wrap=True, style="dim")
    rows.add_column(overflow="fold")
    for label, text in _rows(record):
        rows.add_row(f"  {label}", text)
    return Group(title(record), rows)


def _rows(record: Record) -> Iterable[tuple[str, Text]]:
    if record["available"] is not None:
        yield "runs", _runs(record)
        yield "wants", _wants(record)
        yield "has", _capacity(record)
    yield _NEXT[record["decision"]], Text(plain(record["reason"]).removeprefix("waiting for "))


def _runs(record: Record) -> Text:
    text, counted = Text(), running.versions(record)
    for version in running.newest_first(counted):
        style = "green" if running.is_same(version, record["target"]) else "yellow"
        text.append(", " if text else "").append(version, style)
        text.append(f" on {count(counted[version], 'instance')}")
    for why, number in running.without_version(record).items():
        text.append(", " if text else "").append(f"no version on {number}")
        text.append(f" ({plain(why)})", "red")
    return text or Text("nothing")


def _wants(record: Record) -> Text:
    source = record["target_source"]
    how = {"released": "released", "highest": "the highest that runs"}[source]
    return Text(f"{record['target'] or 'nothing'} of {plain(record['app'])} ({how})")


def _capacity(record: Record) -> Text:
    return Text(
        f"{record['available']} available of {record['desired']} desired, minimum "
        f"{record['minimum']}, {record['unavailable']} unavailable, {record['in_flight']} in flight"
    )


def line(record: Record) -> str:
    """Return where a group stands as one line, without what changes by itself."""
    done, of = progress(record)
    decision = record["decision"] or "failed"
    return f"{plain(record['group'])} => {done} of {of} on target, {decision}: " + plain(
        record["reason"]
    )
