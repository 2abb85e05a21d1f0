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
from terminator.reconcile import Supposing
from terminator.report.record import Record, shown
from terminator.text import count
from terminator.version import Version, stands_for
from terminator_cli import output, reach
from terminator_cli.exits import FailedError, UnusableError, confirm
from terminator_cli.options import Asked
from terminator_cli.output import STYLES
from terminator_cli.records import follows_releases, newest_first, versions, without_version
from terminator_cli.stream import WHY, Stream, Why, bucket_of, read_stream, released

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


@dataclass(frozen=True)
class Effect:
    """What a change means to a group.

    `outdated` counts the instances that are not on the new target, by version, and `unknown`
    those whose version is not known. `decision`, `standing` and `reason` are None where only
    what is deployed sees the instances: it plans once the target is set.
    """

    group: str
    instances: int
    outdated: Mapping[str, int]
    unknown: int
    decision: str | None
    standing: str | None
    reason: str | None


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
    """Go back to the release that ran before the one that is run now."""
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
        raise FailedError(f"{stream.app} has no release below {target.version} to go back to")
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
            "say --to VERSION"
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
    effects, trouble = _effects(asked, change)
    if not asked.as_json:
        _show(change, effects)
    if trouble:
        output.note(f"what would be replaced is not known: {trouble}")
    bucket, pointer = change.stream.bucket, change.stream.pointer
    changed = change.needed and not dry_run
    if changed and change.why == _NEWEST:
        confirm(f"Remove s3://{bucket}/{pointer}?", yes=yes)
        aws.s3.delete_object(Bucket=bucket, Key=pointer)
    elif changed:
        version = change.wanted.release.version
        confirm(f"Set {pointer} to {version}?", yes=yes)
        body = f"{version}\n".encode()
        aws.s3.put_object(Bucket=bucket, Key=pointer, Body=body, ContentType="text/plain")
    if asked.as_json:
        output.document(_document(change, effects, changed=changed, dry_run=dry_run))
    elif not change.needed:
        output.say("nothing to change: that is how it is")
    elif not changed:
        output.say("dry run: nothing was changed")
    else:
        output.say("done; terminator status --watch shows how it goes")


def _effects(asked: Asked, change: Change) -> tuple[list[Effect] | None, str | None]:
    """Return what the change would mean to each group of the app, or None and why not."""
    app, target = change.stream.app, change.wanted.release.version
    config, scope = replace(asked.config, dry_run=True), Scope(app=app)
    trouble = None
    if asked.local:
        supposing = Supposing(released={app: change.wanted})
        records: list[Record] | None = reach.run(asked, config, scope, supposing=supposing)
    else:
        records, trouble = reach.attempt_run(asked, config, scope)
    if records is None:
        return None, trouble
    mine = (record for record in records if record.app == app and follows_releases(record))
    return [_effect(record, target, planned=asked.local) for record in mine], trouble


def _effect(record: Record, target: Version, *, planned: bool) -> Effect:
    counted = versions(record)
    others = [text for text in counted if not stands_for(text, str(target))]
    # A group that failed to be observed says so whoever asked.
    tells = planned or record.decision is None
    return Effect(
        group=record.group,
        instances=len(record.instances),
        outdated={text: counted[text] for text in newest_first(others)},
        unknown=sum(without_version(record).values()),
        decision=record.decision if tells else None,
        standing=record.standing if tells else None,
        reason=record.reason if tells else None,
    )


def _show(change: Change, effects: Sequence[Effect] | None) -> None:
    """Show a change, and what it means to each group; None where that is not known."""
    stream, console = change.stream, output.console()
    target = change.wanted.release.version
    now = f"{stream.target.version} ({WHY[stream.why]})" if stream.target else "nothing"
    text = Text().append(stream.app, "bold").append(f" is to run {now}")
    console.print(text.append(f"\n  then {target} ({WHY[change.why]})"), soft_wrap=True)
    for effect in effects or ():
        each = [
            f"{shown(version)} on {count(n, 'instance')}" for version, n in effect.outdated.items()
        ]
        each += [f"not known on {count(effect.unknown, 'instance')}"] if effect.unknown else []
        of = count(effect.instances, "instance")
        replaced = f"{sum(effect.outdated.values())} of {of} not on {target}"
        replaced += f": {', '.join(each)}" if each else ""
        text = Text().append(shown(effect.group), "bold").append(f"\n  {replaced}")
        if effect.standing is not None:
            text.append("\n  ").append(effect.standing, STYLES[effect.standing])
            text.append(f": {shown(effect.reason or '')}")
        console.print(text)
    if effects == []:
        console.print(f"no group of {stream.app} has opted in")


def _document(
    change: Change, effects: Sequence[Effect] | None, *, changed: bool, dry_run: bool
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
        "groups": None if effects is None else [asdict(effect) for effect in effects],
    }
