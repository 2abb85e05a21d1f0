"""What a run tells EventBridge: decision records turned into events.

Nothing is remembered from run to run, so a hold that needs somebody, and a failure, are told
by every run that sees them. docs/events.md describes the events, and events.schema.json beside
it their details.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypedDict

SOURCE: Final = "terminator"
REPLACEMENT: Final = "Terminator Replacement"
HOLD: Final = "Terminator Hold"
FAILURE: Final = "Terminator Failure"

_VERSION: Final = 1
_MOST_IDS: Final = 1000
_MOST_UNREADABLE: Final = 20
_LONGEST_REASON: Final = 4000
# https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html
ENTRIES_A_CALL: Final = 10
BYTES_A_CALL: Final = 256 * 1024

_FIGURES: Final = (
    "target_source",
    "lowest",
    "highest",
    "desired",
    "minimum",
    "available",
    "unavailable",
    "in_flight",
    "outdated",
)

Record = Mapping[str, Any]


class Entry(TypedDict):
    """An entry of PutEvents; `Detail` is JSON."""

    Source: str
    DetailType: str
    Detail: str


def of_records(records: Iterable[Record]) -> list[Entry]:
    """Return the events of a run, in the order of its decision records."""
    return [entry for record in records for entry in _of(record)]


def of_failed_run(why: str, *, dry_run: bool) -> Entry:
    """Return the event of a run that failed before it served any group."""
    record: Record = {
        **dict.fromkeys(("group", "app", "target", "decision")),
        "terminated": [],
        "deferred": {},
        "failed": {},
        "reason": why,
        "dry_run": dry_run,
    }
    return _entry(FAILURE, record, _acted(record))


def _of(record: Record) -> Iterator[Entry]:
    if record["terminated"]:
        yield _entry(REPLACEMENT, record, {**_figures(record), **_acted(record)})
    if _needs_somebody(record):
        yield _entry(HOLD, record, {**_figures(record), **_hold(record)})
    if record["decision"] is None or record["failed"]:
        reason = _cut(_failure(record))
        yield _entry(FAILURE, record, {"reason": reason, **_acted(record)})


def _needs_somebody(record: Record) -> bool:
    is_hold = record["decision"] == "hold"
    return is_hold and bool(record["needs_attention"] or record["stale"] or record["overdue"])


def _failure(record: Record) -> str:
    if record["decision"] is None:
        return str(record["reason"])
    return "; ".join(f"failed to terminate {id_}: {why}" for id_, why in record["failed"].items())


def _figures(record: Record) -> dict[str, Any]:
    return {name: record[name] for name in _FIGURES}


def _acted(record: Record) -> dict[str, Any]:
    return {
        "terminated": list(record["terminated"][:_MOST_IDS]),
        "terminated_count": len(record["terminated"]),
        "deferred": dict(record["deferred"]),
        "failed": dict(record["failed"]),
    }


def _hold(record: Record) -> dict[str, Any]:
    silent = [each for each in record["instances"] if each["reason"] is not None]
    return {
        **{name: record[name] for name in ("hold", "since", "needs_attention", "stale", "overdue")},
        "unavailable_instances": [
            {name: each[name] for name in ("id", "launched", "reason")}
            for each in silent[:_MOST_UNREADABLE]
        ],
    }


def _entry(kind: str, record: Record, more: Mapping[str, Any]) -> Entry:
    detail = {
        "schema_version": _VERSION,
        **{name: record[name] for name in ("group", "app", "target", "decision")},
        "reason": _cut(record["reason"]),
        "dry_run": record["dry_run"],
        **more,
    }
    return Entry(Source=SOURCE, DetailType=kind, Detail=json.dumps(detail))


def _cut(reason: str) -> str:
    short = len(reason) <= _LONGEST_REASON
    return reason if short else f"{reason[: _LONGEST_REASON - 3]}..."


def batches(entries: Sequence[Entry]) -> Iterator[list[Entry]]:
    """Yield the entries in as many calls of PutEvents as its limits ask for."""
    batch: list[Entry] = []
    for entry in entries:
        if len(batch) == ENTRIES_A_CALL or sum(map(size, [*batch, entry])) > BYTES_A_CALL:
            yield batch
            batch = []
        batch.append(entry)
    if batch:
        yield batch


def size(entry: Entry) -> int:
    """Return what PutEvents counts for an entry, in bytes.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevent-size.html
    """
    texts = (entry["Source"], entry["DetailType"], entry["Detail"])
    return sum(len(text.encode()) for text in texts)
