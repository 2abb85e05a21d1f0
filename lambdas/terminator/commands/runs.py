"""`terminator plan` and `terminator apply`: one run, as a dry run or for real."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import click
from rich.console import Console

from terminator import config, report
from terminator.commands import options, reach
from terminator.commands.options import Asked
from terminator.commands.reach import Record
from terminator.commands.stops import DONE, FAILED
from terminator.commands.table import show


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
@options.observing
def apply(asked: Asked, groups: tuple[str, ...]) -> None:
    """Do now what is due: terminate what the rules let go.

    Example: terminator apply --json
    """
    _run(asked, groups, dry_run=False)


def _run(asked: Asked, groups: Sequence[str], *, dry_run: bool) -> None:
    settings = replace(config.from_file(asked.config_file), dry_run=dry_run)
    records = reach.run(asked, settings, groups)
    _print(records, as_json=asked.as_json)
    raise SystemExit(FAILED if any(map(report.is_failure, records)) else DONE)


def _print(records: Sequence[Record], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(records, indent=2))
    elif records:
        show(Console(), records)
    else:
        click.echo(report.nothing_to_serve().text, err=True)
