"""`terminator releases`: an app's releases in S3, the one to run, and who runs what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import click
from rich.text import Text

from terminator.config import deployment as config
from terminator.model import NoRelease, Release
from terminator.observe import survey
from terminator.text import count, plain, quoted
from terminator.version import Version, same_release
from terminator_cli import options, output, reach, running, streams
from terminator_cli.options import Asked
from terminator_cli.reach import Record
from terminator_cli.streams import WHY, Stream

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True)
class Seen:
    """An app's releases, and the records of its groups; None where they are not known."""

    stream: Stream
    records: Sequence[Record] | None

    def runs(self, version: Version) -> Mapping[str, int] | None:
        """Count the instances of each group that run a version."""
        if self.records is None:
            return None
        counted = {each["group"]: running.on(version, each) for each in self.records}
        return {group: number for group, number in counted.items() if number}

    def strays(self) -> Mapping[str, Mapping[str, int]]:
        """Count what runs that is no release, by version and group."""
        known = [each.version for each in self.stream.listing.releases]
        found: dict[str, dict[str, int]] = {}
        for record in self.records or ():
            for text, number in running.versions(record).items():
                if not any(same_release(Version.parse(text), each) for each in known):
                    found.setdefault(text, {})[record["group"]] = number
        return found


@click.command("releases")
@options.app(required=False)
@options.observing
def releases(asked: Asked, app: str | None) -> None:
    """Show the releases in S3, the one to run, and who runs what.

    \b
    Examples: terminator releases
              terminator releases --app web --json
    """  # noqa: D301 - \b keeps click from filling the lines
    settings = config.from_file(asked.config_file)
    bucket, aws = streams.bucket_of(settings), reach.aws()
    apps = [app] if app is not None else survey.apps(reach.subjects(aws, settings))
    nameless = [each for each in apps if app is None and not streams.is_app(each)]
    found = [streams.read(aws.s3, bucket, each) for each in apps if each not in nameless]
    if app is not None and not found[0].listing.releases:
        streams.released(found[0].wanted)
    records, trouble = reach.attempt_run(asked, replace(settings, dry_run=True))
    shown = [Seen(each, _of(records, each.app)) for each in found]
    if asked.as_json:
        output.document([_document(each) for each in shown])
    else:
        _show(output.console(), shown)
    if not apps:
        output.note("no group has opted in, so there is no app to show; name one with --app")
    for each in nameless:
        output.note(f"{quoted(each)} is no name of an app: set the tag terminator:app")
    if trouble:
        output.note(f"who runs what is not known: {trouble}")


def _of(records: Sequence[Record] | None, app: str) -> list[Record] | None:
    return None if records is None else [each for each in records if each["app"] == app]


def _document(seen: Seen) -> Mapping[str, object]:
    stream, target = seen.stream, seen.stream.target
    return {
        "app": stream.app,
        "bucket": stream.bucket,
        "target": str(target.version) if target else None,
        "target_source": stream.why if target else None,
        "reason": stream.wanted.reason if isinstance(stream.wanted, NoRelease) else None,
        "releases": [_row(seen, each) for each in stream.releases],
        "other": None if seen.records is None else seen.strays(),
    }


def _row(seen: Seen, release: Release) -> Mapping[str, object]:
    return {
        "version": str(release.version),
        "key": release.key,
        "size": release.size,
        "modified": release.modified.isoformat(),
        "target": release == seen.stream.target,
        "running": seen.runs(release.version),
    }


def _show(console: Console, shown: Sequence[Seen]) -> None:
    for seen in shown:
        console.print(_title(seen.stream), soft_wrap=True)
        table = output.table("release", "uploaded (UTC)", "size", "who runs it")
        for release in seen.stream.releases:
            is_target = release == seen.stream.target
            table.add_row(
                Text(str(release.version) + (" *" if is_target else ""), "green" * is_target),
                Text(output.moment(release.modified), "dim"),
                Text(output.size(release.size), "dim"),
                _who(seen.runs(release.version)),
            )
        for version in running.newest_first(strays := seen.strays()):
            cells = Text(version, "yellow"), Text("no release", "yellow"), Text("")
            table.add_row(*cells, _who(strays[version]))
        if table.row_count:
            console.print(table)


def _title(stream: Stream) -> Text:
    title = Text().append(stream.app, "bold").append(f"  s3://{stream.bucket}")
    if stream.target is None:
        reason = stream.wanted.reason if isinstance(stream.wanted, NoRelease) else ""
        return title.append("\nno target: ", "bold red").append(plain(reason))
    return title.append(f"\n* target {stream.target.version}: {WHY[stream.why]}")


def _who(runs: Mapping[str, int] | None) -> Text:
    if runs is None:
        return Text("not known", "dim")
    each = (f"{plain(group)}: {count(number, 'instance')}" for group, number in runs.items())
    return Text(", ".join(each))
