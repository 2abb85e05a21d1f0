"""`terminator use` and `terminator rollback`: which release an app is to run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Final

from rich.text import Text

from terminator.clients import Aws
from terminator.model import Release, Released
from terminator.observe.releases import chosen
from terminator.observe.snapshot import Scope
from terminator.version import stands_for
from terminator_cli import output, reach
from terminator_cli.effects import Effect, effects, show
from terminator_cli.exits import FailedError, UnusableError, confirm
from terminator_cli.options import Asked
from terminator_cli.records import versions
from terminator_cli.stream import (
    WHY,
    Stream,
    Why,
    bucket_of,
    following,
    read_stream,
    released,
    watching,
)

_NEWEST: Final = "newest"


@dataclass(frozen=True)
class Change:
    """The pointer of an app is set to a release, or removed where `why` is the newest.

    `wanted` is what the app is to run then, undated: a run that supposes it dates it.
    """

    stream: Stream
    wanted: Released
    why: Why

    @property
    def needed(self) -> bool:
        """Whether it changes anything."""
        if self.why == _NEWEST:
            return self.stream.listing.pointed
        return not (self.stream.listing.pointed and self.stream.target == self.wanted.release)


def use(asked: Asked, version: str, app: str, *, yes: bool, dry_run: bool) -> None:
    """Set which release an app runs: a version, or the newest."""
    aws, stream = _read(asked, app)
    if version == _NEWEST:
        listing = replace(stream.listing, pointer=())
        wanted = released(chosen(aws.s3, stream.bucket, stream.app, listing))
        change = Change(stream, wanted, "newest")
    else:
        change = _pointing(stream, stream.named(version))
    _run(asked, aws, change, yes=yes, dry_run=dry_run)


def rollback(asked: Asked, app: str, *, to: str | None, yes: bool, dry_run: bool) -> None:
    """Go back to the release that ran before the one to run."""
    aws, stream = _read(asked, app)
    back = _before(asked, stream) if to is None else stream.named(to)
    _run(asked, aws, _pointing(stream, back), yes=yes, dry_run=dry_run)


def _before(asked: Asked, stream: Stream) -> Release:
    """Return the release that ran before the target; raise FailedError, which says why, for none.

    A release that nobody runs is none where another is running: it may never have worked.
    """
    target = released(stream.wanted).release
    newest = stream.releases[0].version
    if stream.listing.pointed and target.version < newest:
        raise FailedError(
            f"{stream.app} is back on {target.version} already ({newest} is the newest): to go "
            "further say --to VERSION"
        )
    below = [release for release in stream.releases if release.version < target.version]
    if not below:
        none = f"{stream.app} has no release below {target.version} to go back to"
        raise FailedError(none + reach.where())
    config, scope = replace(asked.config, dry_run=True), Scope(app=stream.app)
    records, _ = reach.attempt_run(asked, config, scope)
    runs = {text for r in records or () if r.app == stream.app for text in versions(r)}
    running = [
        release for release in below if any(stands_for(text, release.version.text) for text in runs)
    ]
    earlier = [release for release in below if release.modified <= target.modified]
    if not (found := running or earlier):
        raise FailedError(
            f"no release of {stream.app} below {target.version} runs or was uploaded before it: "
            f"say --to VERSION{reach.where()}"
        )
    return found[0]


def _read(asked: Asked, app: str) -> tuple[Aws, Stream]:
    bucket, aws = bucket_of(asked.config), reach.aws(asked.config)
    if bucket.template.is_fixed:
        key = bucket.template.prefix(app)
        raise UnusableError(
            f"{key} has a fixed name, so there is no pointer: upload a release again, or copy an "
            f"older version of the object over it: aws s3api copy-object --bucket {bucket.name} "
            f"--key {key} --copy-source '{bucket.name}/{key}?versionId=ID'"
        )
    return aws, read_stream(aws.s3, bucket, app)


def _pointing(stream: Stream, release: Release) -> Change:
    return Change(stream, Released(release, since=None), "pointer")


def _run(asked: Asked, aws: Aws, change: Change, *, yes: bool, dry_run: bool) -> None:
    stream, target = change.stream, change.wanted.release.version
    found, trouble = effects(asked, stream.app, target, change.wanted)
    if not asked.as_json:
        _show(change)
        show(stream, found, asked.config)
    if trouble:
        output.note(f"what would be replaced is not known: {trouble}")
    bucket, pointer = stream.bucket, stream.pointer
    changed = change.needed and not dry_run
    if changed and change.why == _NEWEST:
        confirm(f"Remove s3://{bucket}/{pointer}?", yes=yes)
        aws.s3.delete_object(Bucket=bucket, Key=pointer)
    elif changed:
        confirm(f"Set {pointer} to {target}?", yes=yes)
        body = f"{target}\n".encode()
        aws.s3.put_object(Bucket=bucket, Key=pointer, Body=body, ContentType="text/plain")
    if asked.as_json:
        output.document(_document(change, found, changed=changed, dry_run=dry_run))
    elif not change.needed:
        output.say("nothing to change: that is how it is")
    elif not changed:
        output.say("dry run: nothing was changed")
    else:
        output.say(f"done; watch it: {watching(stream.app, target)}")
        if change.why == "pointer":
            output.say(f"the pointer keeps it there until: {following(stream.app)}")


def _show(change: Change) -> None:
    """Show which release an app runs, and which it is to run."""
    stream = change.stream
    target = change.wanted.release.version
    now = f"{stream.target.version} ({WHY[stream.why]})" if stream.target else "nothing"
    text = Text().append(stream.app, "bold").append(f" is to run {now}")
    text.append(f"\n  then {target} ({WHY[change.why]})")
    output.print_text(output.console(), text)


def _document(
    change: Change, found: Sequence[Effect] | None, *, changed: bool, dry_run: bool
) -> Mapping[str, object]:
    stream = change.stream
    return {
        "app": stream.app,
        "bucket": stream.bucket,
        "pointer": stream.pointer,
        "before": str(stream.target.version) if stream.target else None,
        "before_source": stream.why,
        "target": str(change.wanted.release.version),
        "target_source": change.why,
        "changed": changed,
        "dry_run": dry_run,
        "groups": None if found is None else [asdict(effect) for effect in found],
    }
