"""Where the commands get decision records from, and how they end where they get none."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import boto3
from botocore.config import Config

from terminator.config import deployment as config
from terminator.text import count
from terminator_cli import output
from terminator_cli.exits import UnusableError, told
from terminator_cli.recorded import logs
from terminator_cli.recorded.files import FileError, Found, from_text
from terminator_cli.recorded.record import Recorded, shown

if TYPE_CHECKING:
    from types_boto3_logs.client import CloudWatchLogsClient

# How far back the logs are asked where nothing is said; a file is read whole.
DEFAULT_SINCE: Final = timedelta(days=1)


@dataclass(frozen=True)
class Wanted:
    """Which records are wanted, and from where: a file (`-` is standard input) or the logs.

    Times are None where nothing was said; `groups` is empty for all.
    """

    groups: tuple[str, ...]
    since: datetime | None
    until: datetime | None
    file: Path | None
    config_file: Path


def load(wanted: Wanted, now: datetime) -> tuple[str, list[Recorded]]:
    """Return the name of the source, and what is wanted of it in the order of time.

    What had to be skipped is said on standard error. Raise FailedError or UnusableError where
    the source cannot be read.
    """
    with _told():
        name, found = _from_file(wanted.file) if wanted.file else _from_logs(wanted, now)
    if found.skipped:
        skipped = count(len(found.skipped), "record")
        output.note(f"{name}: {skipped} skipped, the first at {found.skipped[0]}")
    return name, [record for record in found.records if _is_wanted(record, wanted)]


def _is_wanted(record: Recorded, wanted: Wanted) -> bool:
    if wanted.groups and record.group not in map(shown, wanted.groups):
        return False
    if record.at is None:
        return wanted.since is None and wanted.until is None
    since, until = wanted.since or record.at, wanted.until or record.at
    return since <= record.at <= until


def _from_file(path: Path) -> tuple[str, Found]:
    name = "standard input" if str(path) == "-" else str(path)
    data = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    return name, from_text(name, data.decode("utf-8-sig", errors="replace"))


def _from_logs(wanted: Wanted, now: datetime) -> tuple[str, Found]:
    name = f"/aws/lambda/{config.from_file(wanted.config_file).name}-reconcile"
    client = _client()
    begin = wanted.since or (wanted.until or now) - DEFAULT_SINCE
    try:
        return name, logs.fetch(client, name, begin, wanted.until, wanted.groups)
    except client.exceptions.ResourceNotFoundException as error:
        where = f"in {client.meta.region_name}; is it deployed there, and `name` right?"
        raise UnusableError(f"no log group {name} {where}") from error


def _client() -> CloudWatchLogsClient:
    patience = Config(
        connect_timeout=2,
        read_timeout=30,
        retries={"mode": "standard", "total_max_attempts": 5},
    )
    try:
        return boto3.Session().client("logs", config=patience)
    except ValueError as error:
        raise UnusableError(f"AWS_ENDPOINT_URL: {error}") from error


@contextmanager
def _told() -> Iterator[None]:
    """Turn what the block raises, of a file too, into one clear line."""
    try:
        with told():
            yield
    except FileError as error:
        raise UnusableError(str(error)) from error
    except OSError as error:
        raise UnusableError(f"{error.filename}: {error.strerror}") from error


def nothing(name: str, wanted: Wanted, now: datetime) -> str:
    """Return what to say where nothing of what is wanted was found."""
    about = f" about {', '.join(map(shown, wanted.groups))}" if wanted.groups else ""
    since = wanted.since or (None if wanted.file else (wanted.until or now) - DEFAULT_SINCE)
    begin = f" since {since:%Y-%m-%d %H:%M}" if since else ""
    end = f" until {wanted.until:%Y-%m-%d %H:%M}" if wanted.until else ""
    return f"{name}: no decision{about}{begin}{end}{' UTC' if begin or end else ''}"


def missing(records: Sequence[Recorded], wanted: Wanted) -> list[str]:
    """Return the groups that were asked for and that no record is about."""
    known = {record.group for record in records}
    return [name for name in map(shown, wanted.groups) if name not in known]
