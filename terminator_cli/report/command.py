"""`terminator report`: what was decided, as a page to show to others."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from terminator.text import count
from terminator_cli.exits import FailedError, UnusableError
from terminator_cli.output import note, say
from terminator_cli.recordings import Wanted, load, nothing
from terminator_cli.report.page import page


def report(wanted: Wanted, *, output: Path) -> None:
    """Write what happened as one page of HTML."""
    now = datetime.now(UTC)
    name, records = load(wanted, now)
    if not records:
        raise FailedError(nothing(name, wanted, now))
    dated = [record for record in records if record.at is not None]
    if not dated:
        raise UnusableError(
            f"{name}: no record says when (plan --json has no times); a report needs those of a log"
        )
    if len(dated) < len(records):
        note(f"{name}: {count(len(records) - len(dated), 'record')} without a time left out")
    text = page(dated)
    if str(output) == "-":
        click.echo(text, nl=False)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UnusableError(f"{output}: {error.strerror}") from error
    groups = count(len({record.group for record in dated}), "group")
    say(f"{output}: {count(len(dated), 'decision')} about {groups}")
