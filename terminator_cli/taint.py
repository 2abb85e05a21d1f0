"""`terminator taint` and `terminator untaint`: the tag that makes an instance due."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import click

from terminator.config.tags import REPLACE_AFTER_TAG
from terminator.config.values import moment
from terminator.text import few, quoted
from terminator_cli import options, output, reach
from terminator_cli.exits import UnusableError
from terminator_cli.options import Asked

_ids = click.argument("instances", nargs=-1, required=True, metavar="INSTANCE...")


def _when(_context: click.Context, _option: click.Parameter, text: str | None) -> datetime | None:
    try:
        return None if text is None else moment(text)
    except ValueError as error:
        raise click.BadParameter("accepted is a time such as 2026-11-30T06:00:00Z") from error


@click.command()
@_ids
@click.option("--after", callback=_when, metavar="TIME", help="From when on; default: now.")
@options.dry_run
@options.common
def taint(
    asked: Asked, instances: tuple[str, ...], after: datetime | None, *, dry_run: bool
) -> None:
    """Have instances replaced: set their tag terminator:replace-after.

    They go one at a time, once their groups have converged, within the minimum, in the window
    and held by alarms.

    \b
    Examples: terminator taint i-0a1b2c3d4e5f60718
              terminator taint i-0a1b2c3d4e5f60718 --after 2026-11-30T22:00:00+01:00
    """  # noqa: D301 - \b keeps click from filling the lines
    text = (after or datetime.now(UTC)).isoformat(timespec="seconds")
    _run(asked, instances, text, dry_run=dry_run)


@click.command()
@_ids
@options.dry_run
@options.common
def untaint(asked: Asked, instances: tuple[str, ...], *, dry_run: bool) -> None:
    """Let instances stay: remove their tag terminator:replace-after.

    Example: terminator untaint i-0a1b2c3d4e5f60718
    """
    _run(asked, instances, None, dry_run=dry_run)


def _run(asked: Asked, instances: Sequence[str], text: str | None, *, dry_run: bool) -> None:
    """Give the tag this text, or remove it where that is None."""
    aws, ids = reach.aws(), list(dict.fromkeys(instances))
    owners = {
        member.id: group.name
        for group in reach.groups(aws, asked.config)
        for member in group.members
    }
    unknown = [quoted(id_) for id_ in ids if id_ not in owners]
    if unknown:
        raise UnusableError(f"no member of a group that opted in: {few(unknown)}")
    if not dry_run and text is None:
        aws.ec2.delete_tags(Resources=ids, Tags=[{"Key": REPLACE_AFTER_TAG}])
    elif not dry_run and text is not None:
        aws.ec2.create_tags(Resources=ids, Tags=[{"Key": REPLACE_AFTER_TAG, "Value": text}])
    if asked.as_json:
        rows = [{"instance": id_, "group": owners[id_], "replace_after": text} for id_ in ids]
        output.document({"instances": rows, "dry_run": dry_run})
        return
    verb = "would be" if dry_run else "is"
    for id_ in ids:
        what = "not tainted any more" if text is None else f"due from {text} on"
        output.say(f"{id_} of {owners[id_]} {verb} {what}")
