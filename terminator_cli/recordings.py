"""Decision records read back: from a file, standard input, or the deployed function's log.

What is read may have been written by anybody, so each record passes `Record.from_json`, which
refuses what it cannot be and escapes what could not be shown. A record that is refused costs
its own line and a note, never the others. One that was too long for a line is put together again.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from botocore.config import Config

from terminator.report.record import Record, RecordError, is_record, joined, part_of, shown
from terminator.text import count
from terminator_cli import output, reach, settings
from terminator_cli.exits import UnusableError

if TYPE_CHECKING:
    from types_boto3_logs.client import CloudWatchLogsClient
    from types_boto3_logs.type_defs import FilterLogEventsRequestPaginateTypeDef

# How far back the log is read where nothing is said; a file is read whole.
DEFAULT_SINCE: Final = timedelta(days=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_YEAR_9999: Final = 253_370_764_800_000

# `aws logs tail` and exports to S3 put the time, and tail the stream, before the line.
_PREFIX: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T\S+ +(?:[^{\s]\S* +)?(?=\{)")
# Names that stand in a filter pattern as they are; `*` there matches anything.
_PLAIN: Final = re.compile(r"[A-Za-z0-9 ._/:@+-]{1,255}")
_LONGEST_PATTERN: Final = 1024


@dataclass(frozen=True)
class Wanted:
    """Which records are wanted, and from where: a file (`-` is standard input) or the log.

    Times are None where nothing was said. `groups` are names as records have them, safe to
    show; none: all.
    """

    groups: tuple[str, ...]
    since: datetime | None
    until: datetime | None
    file: Path | None
    config_file: Path

    def begin(self, now: datetime) -> datetime | None:
        """Return the time from which records are wanted; None for all that a file has."""
        if self.since or self.file:
            return self.since
        return max(_EPOCH + DEFAULT_SINCE, self.until or now) - DEFAULT_SINCE

    def includes(self, record: Record) -> bool:
        """Say whether a record is wanted; one without a time only where no time was said."""
        if self.groups and record.group not in self.groups:
            return False
        if record.at is None:
            return self.since is None and self.until is None
        return (self.since or record.at) <= record.at <= (self.until or record.at)


@dataclass(frozen=True)
class Found:
    """Records in the order of their times, each once, and why others could not be read.

    A record without a time comes first. `cut` says of which records parts are missing: they list
    some of their instances.
    """

    records: tuple[Record, ...]
    skipped: tuple[str, ...] = ()
    cut: tuple[str, ...] = ()


class FileError(ValueError):
    """A file without a decision record; the message names it and says what it holds."""


# Where an entry stands, and its value: a RecordError where it cannot be read.
Entry = tuple[str, object]


def wanted(
    *,
    groups: tuple[str, ...],
    since: datetime | None,
    until: datetime | None,
    file: Path | None,
    config_file: Path,
) -> Wanted:
    """Return what the options ask for; raise click.UsageError where they contradict each other."""
    if since and until and since > until:
        raise click.UsageError("--since is later than --until")
    return Wanted(tuple(map(shown, groups)), since, until, file, config_file)


def load(wanted: Wanted, now: datetime) -> tuple[str, list[Record]]:
    """Return the name of the source, and what is wanted of it in the order of time.

    Standard error says what had to be skipped, and which groups no record is about. Raise
    UnusableError where the source cannot be read; errors of AWS pass through.
    """
    if wanted.file is None:
        name, found = _from_log(wanted, now)
    else:
        is_stdin = str(wanted.file) == "-"
        name = "standard input" if is_stdin else str(wanted.file)
        try:
            data = sys.stdin.buffer.read() if is_stdin else wanted.file.read_bytes()
            found = from_text(name, data.decode(errors="replace"))
        except OSError as error:
            raise UnusableError(f"{name}: {error.strerror}") from error
        except FileError as error:
            raise UnusableError(str(error)) from error
    if found.skipped:
        skipped = count(len(found.skipped), "record")
        output.note(f"{name}: {skipped} skipped, the first at {found.skipped[0]}")
    if found.cut:
        cut = count(len(found.cut), "record")
        output.note(f"{name}: {cut} with some of the instances, the first at {found.cut[0]}")
    records = [record for record in found.records if wanted.includes(record)]
    known = {record.group for record in records}
    if records and (missing := [each for each in wanted.groups if each not in known]):
        output.note(f"{name}: no decision about {', '.join(missing)}")
    return name, records


def nothing(name: str, wanted: Wanted, now: datetime) -> str:
    """Return what to say where nothing of what is wanted was found."""
    begin = wanted.begin(now)
    about = f" about {', '.join(wanted.groups)}" if wanted.groups else ""
    since = f" since {begin:%Y-%m-%d %H:%M}" if begin else ""
    until = f" until {wanted.until:%Y-%m-%d %H:%M}" if wanted.until else ""
    when = f"{since}{until}{' UTC' if since or until else ''}"
    return f"{name}: no decision{about}{when}{'' if wanted.file else reach.where()}"


def _from_log(wanted: Wanted, now: datetime) -> tuple[str, Found]:
    name = f"/aws/lambda/{settings.read(wanted.config_file).name}-reconcile"
    retries: Any = {"mode": "standard", "total_max_attempts": 5}
    patience = Config(connect_timeout=2, read_timeout=30, retries=retries)
    try:
        client = reach.session().client("logs", config=patience)
    except ValueError as error:
        raise UnusableError(f"AWS_ENDPOINT_URL: {error}") from error
    try:
        return name, fetch(client, name, wanted.begin(now) or _EPOCH, wanted.until, wanted.groups)
    except client.exceptions.ResourceNotFoundException as error:
        where = f"{reach.where()}; is it deployed there, and `name` right?"
        raise UnusableError(f"no log group {name}{where}") from error


def fetch(
    logs: CloudWatchLogsClient,
    log_group: str,
    begin: datetime,
    end: datetime | None = None,
    groups: Sequence[str] = (),
) -> Found:
    """Return the records that the log group got since `begin`; errors of AWS pass through.

    Names of groups narrow what is fetched where a filter pattern can hold them, so more may
    come than was asked for.
    """
    asked: FilterLogEventsRequestPaginateTypeDef = {
        "logGroupName": log_group,
        "startTime": max(0, int(begin.timestamp() * 1000)),
        "filterPattern": pattern(groups),
    }
    if end is not None:
        asked["endTime"] = max(0, int(end.timestamp() * 1000))
    pages = logs.get_paginator("filter_log_events").paginate(**asked)
    return gather(_of_events(event for page in pages for event in page["events"]))


def pattern(groups: Sequence[str] = ()) -> str:
    """Return the filter pattern that matches decision records, of these groups if any.

    Metrics may have a group too, and are told by their `_aws`:
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
    """
    named = " || ".join(f"($.group = {json.dumps(name)})" for name in groups)
    narrow = f"{{ ({named}) && ($._aws NOT EXISTS) }}"
    plain = bool(groups) and all(map(_PLAIN.fullmatch, groups))
    if plain and len(narrow) <= _LONGEST_PATTERN:
        return narrow
    return '{ ($.group = "*") && ($._aws NOT EXISTS) }'


def from_text(name: str, text: str) -> Found:
    """Read the records in a file's text; raise FileError, which names the file, where none is.

    The text is a list as `plan --json` and `history --json` print it, what `aws logs
    filter-log-events` prints, or lines of a log: those that are no decision record are passed
    over, and those that are meant as one and cannot be read are skipped and told of.
    """
    text = text.removeprefix("\ufeff")
    # JSON may hold any other break as it is, so only \n ends a line.
    lines = text.split("\n")
    document = _parsed(text)
    entries: Iterable[Entry] = [("record 1", document)]
    if isinstance(document, RecordError):
        if text.lstrip().startswith("["):
            raise FileError(f"{name}: {document}")
        entries = ((f"line {number}", _value(line)) for number, line in enumerate(lines, 1))
    elif isinstance(document, list):
        entries = [(f"record {number}", value) for number, value in enumerate(document, 1)]
    elif isinstance(document, dict) and isinstance(document.get("events"), list):
        entries = _of_events(document["events"])
    found = gather(entries)
    if not found.records:
        first = f"; {found.skipped[0]}" if found.skipped else ""
        written = count(sum(bool(line.strip()) for line in lines), "line")
        raise FileError(f"{name}: no decision record in {written}{first}")
    return found


def _of_events(events: Iterable[object]) -> Iterator[Entry]:
    """Yield an entry for each event of CloudWatch Logs, with the event's time if it has none."""
    for number, event in enumerate(events, 1):
        said: Mapping[str, object] = event if isinstance(event, dict) else {}
        message, milliseconds = said.get("message"), said.get("timestamp")
        value = _value(message) if isinstance(message, str) else None
        if isinstance(value, dict) and "timestamp" not in value and isinstance(milliseconds, int):
            at = _EPOCH + timedelta(milliseconds=min(max(0, milliseconds), _YEAR_9999))
            value = {"timestamp": at.isoformat(), **value}
        yield f"event {number}", value


def _value(line: str) -> object:
    """Return the JSON object that a line of a log holds, None where it is not meant as one.

    A RecordError that says why is returned where it cannot be read.
    """
    line = line.strip()
    if prefix := _PREFIX.match(line):
        line = line[prefix.end() :]
    return _parsed(line) if line.startswith("{") else None


def _parsed(text: str) -> object:
    """Return the JSON value that is written, or a RecordError that says why there is none."""
    try:
        value: object = json.loads(text)
    except RecursionError:
        return RecordError("nested too deep")
    except ValueError as error:
        return RecordError(f"not JSON: {error}")
    return value


def gather(entries: Iterable[Entry]) -> Found:
    """Read the records among the entries, each once however often it is there."""
    records, skipped, cut = dict[str, Record](), list[str](), list[str]()
    for place, value, missing in _whole(entries):
        if isinstance(value, RecordError):
            skipped.append(f"{place}: {value}")
        elif isinstance(value, dict) and is_record(value):
            try:
                record = Record.from_json(value)
            except RecordError as error:
                skipped.append(f"{place}: {error}")
            else:
                records.setdefault(json.dumps(record.to_json(), sort_keys=True), record)
                if missing:
                    cut.append(f"{place}: {missing}")
    return Found(tuple(sorted(records.values(), key=order)), tuple(skipped), tuple(cut))


def _whole(entries: Iterable[Entry]) -> Iterator[tuple[str, object, str]]:
    """Yield entries with those that are parts of one record put together, and what is missing.

    Parts of one are of the same group, invocation and number of parts.
    """
    split: dict[tuple[str, str, int], dict[int, tuple[str, Mapping[str, Any]]]] = {}
    for place, value in entries:
        if not isinstance(value, dict) or (found := part_of(value)) is None:
            yield place, value, ""
            continue
        (number, parts), run = found, value.get("function_request_id")
        key = json.dumps(value["group"]), json.dumps(run), parts
        split.setdefault(key, {}).setdefault(number, (place, value))
    for (_, _, parts), by_number in split.items():
        numbers = sorted(by_number)
        place = by_number[numbers[0]][0]
        if numbers[0] != 1:
            yield place, RecordError(f"part {numbers[0]} of {parts}, without the first"), ""
            continue
        lost = parts - len(numbers)
        missing = f"{count(lost, 'part')} of {parts} not found" if lost else ""
        yield place, joined([by_number[number][1] for number in numbers]), missing


def order(record: Record) -> tuple[bool, datetime]:
    """Return the key that puts records in the order of time; those without one come first."""
    return record.at is not None, record.at or _EPOCH
