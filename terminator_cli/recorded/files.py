"""Decision records from a file: JSON lines out of a log, or one JSON document."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from terminator.text import count
from terminator_cli.recorded.record import Recorded, RecordError, is_record, read

# `aws logs tail` and exports to S3 put the time, and tail the stream, before the line.
_BEFORE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T\S+ +(?:[^{\s]\S* +)?(?=\{)")
_BROKEN = (ValueError, RecursionError)


class FileError(ValueError):
    """A file without a decision record; the message names it and says what it holds."""


@dataclass(frozen=True)
class Found:
    """Records in the order of their times, each once, and why others could not be read.

    A record without a time comes first.
    """

    records: tuple[Recorded, ...]
    skipped: tuple[str, ...] = ()


def from_text(name: str, text: str) -> Found:
    """Read the records in a file's text; raise FileError, which names the file, where none is.

    The text is a list as `plan --json` and `history --json` print it, what `aws logs
    filter-log-events` prints, or lines of a log: those that are no decision record are passed
    over, and those that are meant as one and cannot be read are skipped and told of.
    """
    text = text.removeprefix("\ufeff")
    found = gather(_document(name, text) or _lines(text))
    if not found.records:
        first = f"; {found.skipped[0]}" if found.skipped else ""
        lines = count(sum(bool(line.strip()) for line in text.split("\n")), "line")
        raise FileError(f"{name}: no decision record in {lines}{first}")
    return found


# Where an entry stands, its value or why it has none, and the time of whoever kept it.
Entry = tuple[str, object, datetime | None]


def gather(entries: Iterable[Entry]) -> Found:
    """Read the records among the entries."""
    records, skipped = dict[Recorded, None](), list[str]()
    for place, value, at in entries:
        if isinstance(value, Exception):
            skipped.append(f"{place}: {_why(value)}")
        elif isinstance(value, dict) and is_record(value):
            try:
                records[read(value, at)] = None
            except RecordError as error:
                skipped.append(f"{place}: {error}")
    return Found(tuple(sorted(records, key=order)), tuple(skipped))


def parsed(text: str) -> object:
    """Return the JSON value that a line of a log holds, or why it holds none.

    What is not meant as JSON is None.
    """
    line = _BEFORE.sub("", text.strip(), count=1)
    if not line.startswith("{"):
        return None
    try:
        value: object = json.loads(line)
    except _BROKEN as error:
        return error
    return value


def _lines(text: str) -> Iterator[Entry]:
    # Only there does a line end: JSON may hold other breaks as they are.
    for number, line in enumerate(text.split("\n"), 1):
        yield f"line {number}", parsed(line), None


def _document(name: str, text: str) -> list[Entry]:
    """Return the entries of a text that is one JSON document; none where it is lines."""
    try:
        document: Any = json.loads(text)
    except _BROKEN as error:
        if text.lstrip().startswith("["):
            raise FileError(f"{name}: {_why(error)}") from error
        return []
    if isinstance(document, dict) and isinstance(document.get("events"), list):
        return [_event(number, each) for number, each in enumerate(document["events"], 1)]
    values = document if isinstance(document, list) else [document]
    return [(f"record {number}", value, None) for number, value in enumerate(values, 1)]


def _event(number: int, event: object) -> Entry:
    if not isinstance(event, dict):
        return f"event {number}", None, None
    return f"event {number}", *of_event(event)


def of_event(event: Mapping[str, Any]) -> tuple[object, datetime | None]:
    """Return the value in an event of CloudWatch Logs, and its time (milliseconds there)."""
    message, milliseconds = event.get("message"), event.get("timestamp")
    at = None
    if isinstance(milliseconds, int) and 0 <= milliseconds < _YEAR_9999:
        at = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return parsed(message) if isinstance(message, str) else None, at


_YEAR_9999: Final = 253_370_764_800_000


def order(record: Recorded) -> tuple[bool, datetime]:
    """Return the key that puts records in the order of time; those without one come first."""
    return record.at is not None, record.at or datetime.min.replace(tzinfo=UTC)


def _why(error: Exception) -> str:
    return "nested too deep" if isinstance(error, RecursionError) else f"not JSON: {error}"
