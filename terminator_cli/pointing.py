"""`terminator use` and `terminator rollback`: which release an app is to run."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from terminator.clients import Aws
from terminator.config import deployment as config
from terminator.model import Release, Released
from terminator.observe import releases
from terminator_cli import options, output, reach, streams
from terminator_cli.change import NEWEST, Change, document, show
from terminator_cli.exits import FailedError, confirm
from terminator_cli.options import Asked
from terminator_cli.streams import Stream
from terminator_cli.supposed import effects

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client

    from terminator.config.deployment import Config


@click.command()
@click.argument("version")
@options.app()
@options.yes
@options.dry_run
@options.observing
def use(asked: Asked, version: str, app: str, *, yes: bool, dry_run: bool) -> None:
    """Set which release an app runs: a version, or the newest.

    Shows what would be replaced, and asks. VERSION must be a release: it is written to the
    pointer, the object {app}/current. `newest` removes the pointer: from now on the newest is
    run.

    \b
    Examples: terminator use --app web 1.0.266
              terminator use --app web newest --yes
    """  # noqa: D301 - \b keeps click from filling the lines
    settings, aws, stream = _read(asked, app)
    if version == NEWEST:
        change = Change(stream, _unpointed(aws.s3, stream), "newest")
    else:
        change = Change(stream, _pointed(stream.named(version)), "pointer")
    _run(asked, settings, aws, change, yes=yes, dry_run=dry_run)


@click.command()
@options.app()
@options.yes
@options.dry_run
@options.observing
def rollback(asked: Asked, app: str, *, yes: bool, dry_run: bool) -> None:
    """Go back to the release before the one that is run now.

    That is the highest version below it. The pointer keeps the app there until
    `terminator use --app NAME newest`.

    Example: terminator rollback --app web
    """
    settings, aws, stream = _read(asked, app)
    change = Change(stream, _pointed(before(stream)), "pointer")
    _run(asked, settings, aws, change, yes=yes, dry_run=dry_run)


def before(stream: Stream) -> Release:
    """Return the release below the one to run; raise FailedError where there is none."""
    target = streams.released(stream.wanted).release.version
    below = [each for each in stream.releases if each.version < target]
    if not below:
        raise FailedError(f"{stream.app} has no release below {target} to go back to")
    return below[0]


def _read(asked: Asked, app: str) -> tuple[Config, Aws, Stream]:
    settings = config.from_file(asked.config_file)
    bucket, aws = streams.bucket_of(settings), reach.aws()
    return settings, aws, streams.read(aws.s3, bucket, app)


def _pointed(release: Release) -> Released:
    since = max(datetime.now(UTC), release.modified)
    return Released(release, since, repointed=True)


def _unpointed(s3: S3Client, stream: Stream) -> Released:
    """Return what is to be run once the pointer is gone; versioning dates its removal."""
    listing = replace(stream.listing, pointed=False)
    if s3.get_bucket_versioning(Bucket=stream.bucket).get("Status") == "Enabled":
        listing = replace(listing, unpointed=datetime.now(UTC))
    return streams.released(releases.chosen(s3, stream.bucket, stream.app, listing))


def _run(  # noqa: PLR0913 - what was asked, and how
    asked: Asked, settings: Config, aws: Aws, change: Change, *, yes: bool, dry_run: bool
) -> None:
    found, trouble = effects(asked, settings, change.stream.app, change.wanted)
    if not asked.as_json:
        show(change, found)
    if trouble:
        output.note(f"what would be replaced is not known: {trouble}")
    changed = change.needed and not dry_run
    if changed:
        confirm(_question(change), yes=yes)
        _write(aws.s3, change)
    if asked.as_json:
        output.document(document(change, found, changed=changed, dry_run=dry_run))
    else:
        output.say(_done(change, changed=changed))


def _question(change: Change) -> str:
    if change.why == NEWEST:
        return f"Remove s3://{change.stream.bucket}/{change.stream.pointer}?"
    return f"Set {change.stream.pointer} to {change.wanted.release.version}?"


def _write(s3: S3Client, change: Change) -> None:
    bucket, key = change.stream.bucket, change.stream.pointer
    if change.why == NEWEST:
        s3.delete_object(Bucket=bucket, Key=key)
        return
    text = f"{change.wanted.release.version}\n".encode()
    s3.put_object(Bucket=bucket, Key=key, Body=text, ContentType="text/plain")


def _done(change: Change, *, changed: bool) -> str:
    if not change.needed:
        return "nothing to change: that is how it is"
    if not changed:
        return "dry run: nothing was changed"
    return "done; terminator status --watch shows how it goes"
