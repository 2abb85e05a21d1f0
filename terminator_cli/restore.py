"""`terminator restore`: a release that was taken back by itself is there again."""

from __future__ import annotations

from terminator.model import Released
from terminator.observe.releases import named
from terminator.text import plain
from terminator_cli import output, reach
from terminator_cli.exits import FailedError, UnusableError, confirm
from terminator_cli.options import Asked
from terminator_cli.stream import WHY, Stream, a_version, bucket_of, read_stream
from terminator_cli.taken_back import Deleted, deleted


def restore(asked: Asked, version: str, app: str, *, yes: bool, dry_run: bool) -> None:
    """Put a release back that was taken back by itself."""
    bucket, aws = bucket_of(asked.config), reach.aws(asked.config)
    if bucket.template.is_fixed:
        raise UnusableError("zips have a fixed name, under which no release is taken back")
    stream = read_stream(aws.s3, bucket, app)
    found = _deleted(stream, version)
    release = found.release
    when = found.withdrawn(aws.s3, bucket.name)
    if when is None:
        raise FailedError(
            f"{release.version} was not taken back by Terminator: somebody deleted "
            f"{plain(release.key)} at {output.moment(found.when)} UTC; upload it again"
        )
    changed = not dry_run
    if changed:
        confirm(
            f"Restore s3://{bucket.name}/{plain(release.key)}, taken back {plain(when)}?", yes=yes
        )
        for marker in reversed(found.markers):
            aws.s3.delete_object(Bucket=bucket.name, Key=release.key, VersionId=marker.version_id)
        stream = read_stream(aws.s3, bucket, app)
    told = {
        "app": stream.app,
        "bucket": stream.bucket,
        "key": release.key,
        "version": str(release.version),
        "withdrawn": when,
        "changed": changed,
        "dry_run": dry_run,
        "target": str(stream.target.version) if stream.target else None,
        "target_source": stream.why if stream.target else None,
    }
    if asked.as_json:
        output.document(told)
    elif not changed:
        output.say(f"dry run: would restore {release.version}, which was taken back {plain(when)}")
    else:
        runs = "nothing"
        if isinstance(stream.wanted, Released):
            runs = f"{stream.wanted.release.version} ({WHY[stream.why]})"
        output.say(f"restored {release.version}; {stream.app} is to run {runs}")


def _deleted(stream: Stream, text: str) -> Deleted:
    """Return the deleted zip that a version names; raise FailedError where there is none."""
    version = a_version(text, stream.listing.order)
    if there := named(stream.listing.releases, version):
        raise FailedError(f"{there.version} is there, and was not taken back: nothing to restore")
    zips = {each.release: each for each in deleted(stream.listing)}
    release = named([*zips], version)
    if release is None:
        raise FailedError(
            f"{version} is no release of {stream.app} that was deleted, or S3 keeps no version of "
            "it any more; upload it again"
        )
    return zips[release]
