"""`terminator release`: a zip is checked and uploaded as a release of an app."""

from __future__ import annotations

import lzma
import shlex
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from botocore.config import Config
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.text import Text

from terminator.clients import Aws
from terminator.config.release_keys import KeyNameError
from terminator.model import NoRelease, Release, Released
from terminator.observe.releases import METADATA, chosen
from terminator.observe.zips import problem_of
from terminator.text import plain
from terminator.version import Version, same_release
from terminator_cli import output, reach
from terminator_cli.effects import Effect, effects, show
from terminator_cli.exits import FailedError, UnusableError, confirm
from terminator_cli.options import Asked
from terminator_cli.stream import WHY, Stream, a_version, an_app, bucket_of, read_stream, watching

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client

    from terminator.config.deployment import Bucket

# RuntimeError is what an encrypted zip is answered with.
_UNREADABLE: Final = (
    OSError,
    ValueError,
    EOFError,
    RuntimeError,
    NotImplementedError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
)
# Shrunk, reduced, imploded and Deflate64, which Windows uses for what is large: section 4.4.5 of
# https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
_ONLY_UNZIP_READS: Final = frozenset({1, 2, 3, 4, 5, 6, 9})
_READ_BYTES: Final = 2**20
# A part of some megabytes may take its time on a slow line.
_PATIENT: Final = Config(
    connect_timeout=10, read_timeout=60, retries={"mode": "standard", "total_max_attempts": 5}
)


@dataclass(frozen=True)
class Upload:
    """A zip that is to be a release of an app: where it goes, and what it meets there.

    `wanted` is what the app is to run once it is there.
    """

    version: Version
    size: int
    key: str
    stream: Stream
    wanted: Released | NoRelease

    @property
    def url(self) -> str:
        """Where it goes."""
        return f"s3://{self.stream.bucket}/{self.key}"

    @property
    def same(self) -> Release | None:
        """The release of this version that is there already, the one of this key first."""
        found = [
            each
            for each in self.stream.releases
            if each.version.text == self.version.text or same_release(each.version, self.version)
        ]
        return next((each for each in found if each.key == self.key), next(iter(found), None))

    @property
    def becomes_target(self) -> bool:
        """Whether it is the one to run once it is there."""
        return isinstance(self.wanted, Released) and self.wanted.release.key == self.key

    @property
    def changes_target(self) -> bool:
        """Whether the app is to run something else once it is there."""
        before, after = self.stream.target, self.wanted
        if before is None or isinstance(after, NoRelease):
            return self.becomes_target
        was, then = before, after.release
        return (was.key, was.version.text) != (then.key, then.version.text)

    def warnings(self) -> Iterator[str]:
        """Say what keeps it from becoming the one to run."""
        if self.becomes_target:
            return
        pointer, newest = self.stream.pointer, next(iter(self.stream.releases), None)
        if newest is not None and self.version < newest.version:
            yield f"{self.version} is lower than {newest.version}: the newest is run"
        if isinstance(self.wanted, NoRelease):
            yield plain(self.wanted.reason)
        elif self.stream.listing.pointed:
            yield f"the pointer {pointer} names {self.wanted.release.version}: that is run"


def release(  # noqa: PLR0913 - the options it declares
    asked: Asked, file: Path, app: str, text: str, *, force: bool, yes: bool, dry_run: bool
) -> None:
    """Check a zip, and upload it as a release of an app."""
    bucket = bucket_of(asked.config)
    if bucket.template.is_zip:
        check_zip(file)
    else:
        output.note(f"{bucket.template.text} is not for zips, so the file is not looked into")
    aws, order = reach.aws(asked.config), bucket.order_of(an_app(app))
    upload = _planned(aws.s3, bucket, file, app, a_version(text, order))
    if upload.same is not None and not force:
        raise FailedError(f"{app} {text} exists, as {plain(upload.same.key)}; see --force")
    warnings = list(upload.warnings())
    wanted = upload.wanted.release.version if isinstance(upload.wanted, Released) else None
    # Until its zip is there nobody can plan with it: what is known is who runs something else.
    found, trouble = effects(asked, app, wanted, None) if wanted is not None else (None, None)
    if not asked.as_json:
        _show(upload)
        show(upload.stream, found, asked.config)
    if trouble:
        output.note(f"what would be replaced is not known: {trouble}")
    for warning in warnings:
        output.note(f"Warning: {warning}")
    if not dry_run:
        if warnings or upload.changes_target:
            confirm(f"Upload {upload.url}?", yes=yes)
        _send(aws, file, bucket, upload, quiet=asked.as_json)
    if asked.as_json:
        output.document(_document(upload, warnings, found, dry_run=dry_run))
        return
    what = "dry run: would upload" if dry_run else "uploaded"
    again = " again" if upload.same is not None else ""
    output.say(f"{what} {upload.url}{again}, {output.size(upload.size)}")
    if not dry_run:
        _tell_next(upload, text)


def _send(aws: Aws, file: Path, bucket: Bucket, upload: Upload, *, quiet: bool) -> None:
    with _progress(upload, quiet=quiet) as sent:
        aws.session.client("s3", config=_PATIENT).upload_file(
            str(file),
            bucket.name,
            upload.key,
            ExtraArgs=_extra(bucket, upload),
            Callback=sent,
        )


def _tell_next(upload: Upload, text: str) -> None:
    """Say what became of the target, and which command goes on from there."""
    app = upload.stream.app
    if upload.becomes_target:
        output.say(f"{upload.version} is the release of {app} to run from now on")
        output.say(f"watch it: {watching(app, upload.version)}")
    else:
        output.say(f"to run it: terminator use --app {app} {shlex.quote(plain(text))}")


def _show(upload: Upload) -> None:
    """Show which release the app runs, and which it is to run with this one there."""
    stream, wanted = upload.stream, upload.wanted
    now = f"{stream.target.version} ({WHY[stream.why]})" if stream.target else "nothing"
    told = Text().append(stream.app, "bold").append(f" is to run {now}")
    if not upload.changes_target:
        told.append(", with it too")
    elif isinstance(wanted, Released):
        told.append(f"\n  then {wanted.release.version} ({WHY[stream.why]})")
    output.print_text(output.console(), told)


def check_zip(file: Path) -> None:
    """Read the whole zip; raise UnusableError where no boot script could unpack it, or it is empty.

    What unzip reads and Python does not is left unread.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            problem = problem_of(archive) or next(_damaged(archive), None)
    except _UNREADABLE as error:
        raise UnusableError(f"{file} cannot be read: {plain(str(error))}") from error
    if problem is not None:
        raise UnusableError(f"{file} cannot be released: {problem}")


def _damaged(archive: zipfile.ZipFile) -> Iterator[str]:
    """Read all files of a zip; yield what is wrong with them."""
    for each in archive.infolist():
        if each.compress_type in _ONLY_UNZIP_READS:
            continue
        try:
            with archive.open(each) as file:
                while file.read(_READ_BYTES):
                    pass
        except zipfile.BadZipFile:
            yield f"its file {plain(each.filename)} is damaged"


def _planned(s3: S3Client, bucket: Bucket, file: Path, app: str, version: Version) -> Upload:
    """Return the upload, with what the app is to run once it is there."""
    key, size = bucket.template.key(app, version), file.stat().st_size
    try:
        read_app = bucket.template.app_of(key)
        text = version.text if bucket.template.is_fixed else _version_in(bucket, app, key)
    except KeyNameError:
        read_app = text = ""
    if (read_app, text) != (app, version.text):
        raise UnusableError(f"the key {plain(key)} would not be read as {app} {version}")
    stream, now = read_stream(s3, bucket, app), datetime.now(UTC)
    others = [each for each in stream.listing.releases if each.key != key]
    if stream.listing.order == "uploaded":
        # Uploading it again moves nothing.
        there = (each.version for each in stream.listing.releases if each.key == key)
        version = next(there, Version.opaque(version.text, now))
        version = Version.opaque(version.text, now) if bucket.template.is_fixed else version
    new = Release(key, version, now, size)
    then = replace(stream.listing, releases=(*others, new))
    return Upload(version, size, key, stream, chosen(s3, bucket.name, app, then))


def _version_in(bucket: Bucket, app: str, key: str) -> str:
    return bucket.template.read(key, bucket.order_of(app))[1].text


def _extra(bucket: Bucket, upload: Upload) -> dict[str, object]:
    """Return what S3 is to store with the zip: its version, where its name does not say it."""
    extra: dict[str, object] = {}
    if bucket.template.is_zip:
        extra["ContentType"] = "application/zip"
    if bucket.template.is_fixed:
        extra["Metadata"] = {METADATA: str(upload.version)}
    return extra


@contextmanager
def _progress(upload: Upload, *, quiet: bool) -> Iterator[Callable[[int], None]]:
    """Show progress on a terminal; yield what takes the number of bytes sent since."""
    console = output.console(stderr=True)
    if quiet or not console.is_terminal:
        yield lambda _bytes: None
        return
    columns = BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()
    # What was sent is said afterwards, and of what was sent at once no speed is known.
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=upload.size)
        yield lambda sent: bar.advance(task, sent)


def _document(
    upload: Upload, warnings: list[str], found: Sequence[Effect] | None, *, dry_run: bool
) -> Mapping[str, object]:
    before, wanted = upload.stream.target, upload.wanted
    return {
        "app": upload.stream.app,
        "version": str(upload.version),
        "bucket": upload.stream.bucket,
        "key": upload.key,
        "size": upload.size,
        "replaced": upload.same is not None,
        "becomes_target": upload.becomes_target,
        "before": str(before.version) if before else None,
        "target": str(wanted.release.version) if isinstance(wanted, Released) else None,
        "groups": None if found is None else [asdict(effect) for effect in found],
        "warnings": warnings,
        "uploaded": not dry_run,
        "dry_run": dry_run,
    }
