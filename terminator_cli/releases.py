"""`terminator releases`: an app's releases in S3, the one to run, and who runs what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rich.text import Text

from terminator.model import NoRelease, Release
from terminator.observe.releases import named
from terminator.observe.snapshot import Scope
from terminator.report.record import Record, shown
from terminator.text import count, plain, quoted
from terminator.version import NotAVersionError, read
from terminator_cli import output, reach
from terminator_cli.options import Asked
from terminator_cli.records import follows_releases, newest_first, versions
from terminator_cli.stream import WHY, Stream, an_app, bucket_of, is_app, read_stream, released
from terminator_cli.taken_back import Deleted, withdrawn

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True)
class Seen:
    """An app's releases, and the records of its groups; None where they are not known.

    `withdrawn` are the releases that were taken back, each with when; none are looked for where
    the settings take none back.
    """

    stream: Stream
    records: Sequence[Record] | None
    withdrawn: Sequence[tuple[Deleted, str]] = ()

    def runs(self, release: Release) -> Mapping[str, int] | None:
        """Count the instances of each group that run the release."""
        if self.records is None:
            return None
        counted = {
            record.group: sum(
                number
                for text, number in versions(record).items()
                if self._release(text) == release
            )
            for record in self.records
        }
        return {group: number for group, number in counted.items() if number}

    def _release(self, text: str) -> Release | None:
        """Return the release that an answer stands for."""
        try:
            return named(self.stream.listing.releases, read(text, self.stream.listing.order))
        except NotAVersionError:
            return None

    def other(self) -> Mapping[str, Mapping[str, int]]:
        """Count what runs that is no release, by version and group."""
        found: dict[str, dict[str, int]] = {}
        for record in self.records or ():
            for text, number in versions(record).items():
                if self._release(text) is None:
                    found.setdefault(text, {})[record.group] = number
        return found


def releases(asked: Asked, app: str | None) -> None:
    """Show the releases in S3, the one to run, and who runs what."""
    config = asked.config
    bucket, aws = bucket_of(config), reach.aws(config)
    if app is None:
        policies = [group.policy for group in reach.groups(aws, config)]
        followed = (each for each in policies if not each.problems and each.follows_release)
        apps = sorted({policy.app for policy in followed})
    else:
        apps = [an_app(app)]
    streams = [read_stream(aws.s3, bucket, each) for each in apps if is_app(each)]
    if app is not None and not streams[0].listing.releases:
        released(streams[0].wanted)
    records, trouble = reach.attempt_run(asked, replace(config, dry_run=True), Scope(app=app))
    found = [
        Seen(
            stream,
            None if records is None else _of_app(records, stream.app),
            withdrawn(aws.s3, stream.bucket, stream.listing)
            if stream.app in bucket.withdraws
            else (),
        )
        for stream in streams
    ]
    if asked.as_json:
        output.document([_document(seen) for seen in found])
    else:
        for seen in found:
            _show(output.console(), seen)
    if not apps:
        none = f"no group has opted in{reach.where(aws)}"
        output.note(f"{none}, so there is no app to show; name one with --app")
    for each in apps:
        if not is_app(each):
            output.note(f"{quoted(each)} is no name of an app: set the tag terminator:app")
    if trouble:
        output.note(f"who runs what is not known: {trouble}")


def _of_app(records: Iterable[Record], app: str) -> list[Record]:
    return [each for each in records if each.app == app and follows_releases(each)]


def _document(seen: Seen) -> Mapping[str, object]:
    stream, target = seen.stream, seen.stream.target
    return {
        "app": stream.app,
        "bucket": stream.bucket,
        "target": str(target.version) if target else None,
        "target_source": stream.why if target else None,
        "reason": stream.wanted.reason if isinstance(stream.wanted, NoRelease) else None,
        "order": stream.listing.order,
        "passed_over": stream.passed_over,
        "unread": dict(stream.listing.unread),
        "releases": [
            {
                "version": str(release.version),
                "key": release.key,
                "size": release.size,
                "modified": release.modified.isoformat(),
                "target": release == target,
                "running": seen.runs(release),
            }
            for release in stream.releases
        ],
        "withdrawn": [
            {"version": str(each.release.version), "key": each.release.key, "withdrawn": when}
            for each, when in seen.withdrawn
        ],
        "other": None if seen.records is None else seen.other(),
    }


def _show(console: Console, seen: Seen) -> None:
    stream = seen.stream
    title = Text().append(stream.app, "bold").append(f"  s3://{stream.bucket}")
    if isinstance(stream.wanted, NoRelease):
        title.append("\nno target: ", "bold red").append(plain(stream.wanted.reason))
    else:
        title.append(f"\n* target {stream.wanted.release.version}: {WHY[stream.why]}")
    output.print_text(console, title)
    rows: list[tuple[Text, ...]] = []
    for release in stream.releases:
        is_target = release == stream.target
        rows.append(
            (
                Text(f"{release.version}{' *' if is_target else ''}", "green" if is_target else ""),
                Text(output.moment(release.modified), "dim"),
                Text(output.size(release.size), "dim"),
                _who(seen.runs(release)),
            )
        )
    for each, when in seen.withdrawn:
        rows.append(
            (
                Text(str(each.release.version), "red"),
                Text(plain(when), "dim"),
                Text("taken back", "red"),
                Text("terminator restore puts it back", "dim"),
            )
        )
    other = seen.other()
    for version in newest_first(other):
        cells = Text(version, "yellow"), Text("no release", "yellow"), Text("")
        rows.append((*cells, _who(other[version])))
    if rows:
        headings = ("release", "uploaded (UTC)", "size", "who runs it")
        console.print(output.table(console, headings, rows))
    if stream.passed_over:
        output.print_text(console, Text(plain(stream.passed_over), "yellow"))
    for key, why in stream.listing.unread.items():
        told = Text(f"no release: {plain(key)}: {plain(why)}", "yellow")
        output.print_text(console, told)


def _who(runs: Mapping[str, int] | None) -> Text:
    if runs is None:
        return Text("not known", "dim")
    return Text(", ".join(f"{shown(group)}: {count(n, 'instance')}" for group, n in runs.items()))
