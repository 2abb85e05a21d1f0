"""What a run tells EventBridge: records turned into events.

Nothing is remembered from run to run, so a hold that needs somebody, and a failure, are told
by every run that sees them. docs/events.md describes the events, and events.schema.json beside
it their details.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, TypedDict, cast

from terminator.errors import explain
from terminator.report.record import Record
from terminator.text import plain

if TYPE_CHECKING:
    from types_boto3_events.client import EventBridgeClient

    from terminator.upload import Verdict

SOURCE: Final = "terminator"
REPLACEMENT: Final = "Terminator Replacement"
REFRESH: Final = "Terminator Refresh"
HOLD: Final = "Terminator Hold"
FAILURE: Final = "Terminator Failure"
WITHDRAWAL: Final = "Terminator Withdrawal"
UPLOAD: Final = "Terminator Upload"

_SCHEMA_VERSION: Final = 2
_UPLOAD_SCHEMA_VERSION: Final = 1
# So that no event outgrows what PutEvents takes.
_MOST_IDS: Final = 1000
_MOST_INSTANCES: Final = 100
_LONGEST_REASON: Final = 4000
# https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html
ENTRIES_A_CALL: Final = 10
BYTES_A_CALL: Final = 256 * 1024
# One call, tried twice, takes no longer.
CALL_SECONDS: Final = 20.0


class Entry(TypedDict):
    """An entry of PutEvents; `Detail` is JSON."""

    Source: str
    DetailType: str
    Detail: str


def of_records(records: Iterable[Record]) -> list[Entry]:
    """Return the events of a run, in the order of its records."""
    return [entry for record in records for entry in _of(record)]


def _of(record: Record) -> Iterator[Entry]:
    if record.withdrawn and not record.dry_run:
        yield _entry(WITHDRAWAL, record, record.withdrawal or "")
    if record.terminated:
        yield _entry(REPLACEMENT, record)
    if record.refresh:
        yield _entry(REFRESH, record)
    has_trouble = record.decision == "hold" and (record.stale or record.overdue)
    if has_trouble or (record.calls_for_somebody and not (record.terminated or record.refresh)):
        yield _entry(HOLD, record)
    if record.has_failed:
        verb = "refresh" if record.to_refresh else "terminate"
        failed = [f"failed to {verb} {id_}: {why}" for id_, why in record.failed.items()]
        yield _entry(FAILURE, record, "; ".join(failed))


def of_failed_run(why: str, *, dry_run: bool) -> Entry:
    """Return the event of a run that failed before it served any group: it names none."""
    return _entry(FAILURE, Record(group="", reason=why, dry_run=dry_run))


def of_upload(verdict: Verdict) -> Entry:
    """Return the event of an upload that does not become the target: refused, or passed over."""
    detail = {
        "schema_version": _UPLOAD_SCHEMA_VERSION,
        "bucket": plain(verdict.change.bucket),
        "key": plain(verdict.change.key),
        "app": verdict.app,
        "refused": verdict.refused is not None,
        "pinned": verdict.pinned,
        "reason": (verdict.refused or verdict.passed_over or "")[:_LONGEST_REASON],
    }
    return Entry(Source=SOURCE, DetailType=UPLOAD, Detail=json.dumps(detail))


def _entry(kind: str, record: Record, reason: str = "") -> Entry:
    """Return an event with the record, whole but for what is cut of long lists and texts."""
    reason = reason or record.reason
    if len(reason) > _LONGEST_REASON:
        reason = f"{reason[: _LONGEST_REASON - 3]}..."
    # Those that go have a cause; those that are not available say why somebody may have to look.
    goes = frozenset(record.would_go)
    instances = sorted(record.instances, key=lambda each: (each.id not in goes, each.available))
    cut = replace(
        record,
        reason=reason,
        to_terminate=record.to_terminate[:_MOST_IDS],
        terminated=record.terminated[:_MOST_IDS],
        instances=tuple(instances[:_MOST_INSTANCES]),
    )
    detail = {
        "schema_version": _SCHEMA_VERSION,
        **cut.to_json(),
        "group": record.group or None,
        "terminated_count": len(record.terminated),
    }
    return Entry(Source=SOURCE, DetailType=kind, Detail=json.dumps(detail))


def put(
    client: EventBridgeClient, entries: Sequence[Entry], remaining: Callable[[], float]
) -> list[str]:
    """Put the events, and return of each that was not why not; nothing is raised for it.

    `remaining` tells the seconds that are left: what they do not allow is not put.
    """
    problems: list[str] = []
    for call in calls(entries):
        if remaining() < CALL_SECONDS:
            problems += ["time ran out"] * len(call)
            continue
        try:
            # Each has the fields that are required, and none of the others.
            answer = client.put_events(Entries=cast("Any", call))
            problems += [
                f"{plain(each['ErrorCode'])}: {plain(each.get('ErrorMessage', ''))}"
                for each in answer["Entries"]
                if "ErrorCode" in each
            ]
        except Exception as error:  # noqa: BLE001 - an event must never fail a run
            problems += [explain(error)] * len(call)
    return problems


def calls(entries: Sequence[Entry]) -> Iterator[list[Entry]]:
    """Yield the entries in as many calls of PutEvents as its limits ask for."""
    call: list[Entry] = []
    for entry in entries:
        if len(call) == ENTRIES_A_CALL or sum(map(size, [*call, entry])) > BYTES_A_CALL:
            yield call
            call = []
        call.append(entry)
    if call:
        yield call


def size(entry: Entry) -> int:
    """Return what PutEvents counts for an entry, in bytes.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevent-size.html
    """
    texts = (entry["Source"], entry["DetailType"], entry["Detail"])
    return sum(len(text.encode()) for text in texts)
