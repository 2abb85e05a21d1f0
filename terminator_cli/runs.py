"""`terminator plan` and `terminator apply`: one run, as a dry run or for real."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import click

from terminator.config import deployment as config
from terminator.report import record as report
from terminator_cli import options, output, reach
from terminator_cli.exits import DONE, FAILED
from terminator_cli.options import Asked
from terminator_cli.reach import Record
from terminator_cli.table import show


@click.command()
@options.groups
@options.observing
def plan(asked: Asked, groups: tuple[str, ...]) -> None:
    """Show what would be done now, and why; terminate nothing.

    Example: terminator plan --group live_asg_web
    """
    _run(asked, groups, dry_run=True)


@click.command()
@options.groups
@options.dry_run
@options.observing
def apply(asked: Asked, groups: tuple[str, ...], *, dry_run: bool) -> None:
    """Do now what is due: terminate what the rules let go.

    Example: terminator apply --json
    """
    _run(asked, groups, dry_run=dry_run)


def _run(asked: Asked, groups: Sequence[str], *, dry_run: bool) -> None:
    settings = replace(config.from_file(asked.config_file), dry_run=dry_run)
    records = reach.run(asked, settings, groups)
    _print(records, as_json=asked.as_json)
    raise SystemExit(FAILED if any(map(report.is_failure, records)) else DONE)


def _print(records: Sequence[Record], *, as_json: bool) -> None:
    if as_json:
        output.document(records)
    elif records:
        show(output.console(), records)
    else:
        output.note(report.nothing_to_serve().text)
