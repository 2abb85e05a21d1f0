"""`terminator history` and `terminator report`: what was decided, read back from the logs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from terminator.text import count
from terminator_cli import options
from terminator_cli.exits import FailedError, UnusableError
from terminator_cli.output import console, document, note, say
from terminator_cli.recorded import source
from terminator_cli.recorded.files import order
from terminator_cli.recorded.fold import Fold, alone, fold
from terminator_cli.recorded.history import show
from terminator_cli.recorded.moments import MomentError, moment
from terminator_cli.recorded.page import page
from terminator_cli.recorded.record import FIELDS, Recorded
from terminator_cli.recorded.source import Wanted

Command = TypeVar("Command", bound=Callable[..., Any])


def _moment(_ctx: click.Context, _param: click.Parameter, text: str | None) -> datetime | None:
    try:
        return None if text is None else moment(text, datetime.now(UTC))
    except MomentError as error:
        raise click.BadParameter(str(error)) from error


_SOURCE: Final[Sequence[Callable[[Any], Any]]] = (
    click.option(
        "--group",
        "groups",
        multiple=True,
        metavar="NAME",
        help="Only this group; may be given more than once.",
    ),
    click.option(
        "--since",
        callback=_moment,
        metavar="TIME",
        help="From then on: 90s, 30m, 2h, 7d ago, or a time (2026-11-18T12:00, UTC). "
        "The logs are read for a day unless told otherwise; a file is read whole.",
    ),
    click.option("--until", callback=_moment, metavar="TIME", help="Up to then, written likewise."),
    click.option(
        "--file",
        type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
        help="Read this file (- is standard input) instead of CloudWatch Logs: log lines, or "
        "JSON as this command, plan --json or aws logs filter-log-events prints it.",
    ),
    options.config_file("The file whose context.terminator names the deployment."),
)


def _from_source(command: Command) -> Command:
    for option in reversed(_SOURCE):
        command = option(command)
    return command


@click.command()
@_from_source
@click.option("--limit", type=click.IntRange(min=1), help="At most so many, the newest.")
@click.option("--all", "unfolded", is_flag=True, help="Do not fold decisions that repeat.")
@click.option("--json", "as_json", is_flag=True, help="Print decision records, as a list.")
def history(*, limit: int | None, unfolded: bool, as_json: bool, **wanted: Any) -> None:  # noqa: ANN401 - click passes what _SOURCE declares
    """Show what was decided, by time: which group, what, and why.

    Decisions that repeat are folded into one row, with how often and until when.

    Example: terminator history --group live_asg_web --since 2h
    """
    asked, now = _wanted(**wanted), datetime.now(UTC)
    name, records = source.load(asked, now)
    if as_json:
        newest = records[-limit:] if limit else records
        document([_whole(each) for each in newest])
    elif records:
        folds = alone(records) if unfolded else fold(records)
        show(console(), _newest(folds, limit or len(folds)))
    _tell_missing(name, records, asked, now)


def _newest(folds: Sequence[Fold], limit: int) -> list[Fold]:
    """Return so many of those that ended last, in the order in which they began."""
    by_end = sorted(range(len(folds)), key=lambda number: order(folds[number].last))
    return [folds[number] for number in sorted(by_end[-limit:])]


@click.command()
@_from_source
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    default=Path("report.html"),
    show_default=True,
    help="Where to write the page; - is standard output.",
)
def report(*, output: Path, **wanted: Any) -> None:  # noqa: ANN401 - as above
    """Write what happened as one HTML page: versions, instances, decisions and reasons.

    The page needs nothing but itself: mail it, print it, keep it.

    Example: terminator report --group live_asg_web --since 2h -o report.html
    """
    asked, now = _wanted(**wanted), datetime.now(UTC)
    name, records = source.load(asked, now)
    if not records:
        raise FailedError(source.nothing(name, asked, now))
    _tell_missing(name, records, asked, now)
    _write(output, page(_dated(name, records)))
    if str(output) != "-":
        groups = count(len({record.group for record in records}), "group")
        say(f"{output}: {count(len(records), 'decision')} about {groups}")


def _wanted(**said: Any) -> Wanted:  # noqa: ANN401 - as above
    wanted = Wanted(**said)
    if wanted.since and wanted.until and wanted.since > wanted.until:
        raise click.UsageError("--since is later than --until")
    return wanted


def _whole(record: Recorded) -> dict[str, object]:
    """Return a record as `plan --json` has it, with its time."""
    at = record.at.isoformat(timespec="milliseconds") if record.at else None
    return {"timestamp": at, **{name: record.fields.get(name) for name in FIELDS}}


def _tell_missing(name: str, records: Sequence[Recorded], asked: Wanted, now: datetime) -> None:
    if not records:
        note(source.nothing(name, asked, now))
    elif missing := source.missing(records, asked):
        note(f"{name}: no decision about {', '.join(missing)}")


def _dated(name: str, records: Sequence[Recorded]) -> list[Recorded]:
    dated = [record for record in records if record.at is not None]
    if not dated:
        raise UnusableError(
            f"{name}: no record says when (plan --json has no times); a report needs those of a log"
        )
    if len(dated) < len(records):
        without = count(len(records) - len(dated), "record")
        note(f"{name}: {without} without a time left out")
    return dated


def _write(output: Path, text: str) -> None:
    if str(output) == "-":
        click.echo(text, nl=False)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UnusableError(f"{output}: {error.strerror}") from error
