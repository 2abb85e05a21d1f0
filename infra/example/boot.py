"""Runs the release that an app should be on: `boot.py BUCKET APP [KEY_TEMPLATE]`.

The user data's own program: finds the zip, unpacks it into a fresh directory and becomes its
`serve.py`, which is to listen on $PORT and answer /version. Which zip that is, is Terminator's
own rule: the one that the pointer `APP/current` names, and where there is no pointer the
newest. Where there is no such zip it fails and runs nothing.

An instance has Python 3.9 and the `aws` command, but not Terminator. So the rule is written down
here once more, and tests keep the two from disagreeing.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

Aws = Callable[..., bytes]
Precedence = tuple[tuple[int, ...], bool, tuple[tuple[bool, int, str], ...]]

_LONGEST = 128
_POINTER_BYTES = 256
_IDENTIFIER = r"(?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
_VERSION = re.compile(
    r"v?(?P<numbers>[0-9]+(?:\.[0-9]+){0,4})"
    rf"(?:-(?P<prerelease>{_IDENTIFIER}(?:\.{_IDENTIFIER})*))?"
    r"(?:\+(?P<build>[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?"
)


class NoReleaseError(Exception):
    """There is nothing to run; the message says why."""


class Version(NamedTuple):
    """A version: how it ranks, and its build metadata, which does not count in that."""

    precedence: Precedence
    build: str


class Release(NamedTuple):
    """A zip in the bucket; the greatest is the newest."""

    precedence: Precedence
    modified: datetime
    key: str
    build: str
    text: str


def main(bucket: str, app: str, template: str = "{app}/{version}.zip") -> None:
    """Become the release's program; end with a message where there is none."""
    try:
        key = find(aws, bucket, app, template)
        folder = unpack(bucket, key, tempfile.mkdtemp(prefix=f"{app}-"))
    except (NoReleaseError, subprocess.CalledProcessError, zipfile.BadZipFile) as error:
        sys.exit(f"boot: {error}")
    print(f"boot: running s3://{bucket}/{key}", flush=True)  # noqa: T201 - into the journal
    os.environ.setdefault("PORT", "8080")
    os.chdir(folder)
    os.execv(sys.executable, [sys.executable, "serve.py"])  # noqa: S606 - no shell is the point


def aws(*arguments: str) -> bytes:
    """Run the AWS command line; its complaints go where ours do."""
    command = ["aws", *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout  # noqa: S603


def find(aws: Aws, bucket: str, app: str, template: str) -> str:
    """Return the key of the zip to run; raise NoReleaseError."""
    pointer, prefix = f"{app}/current", template.partition("{version}")[0].replace("{app}", app)
    objects = {**_objects(aws, bucket, prefix), **_objects(aws, bucket, pointer)}
    releases = [release for each in objects.items() if (release := _release(app, template, *each))]
    if pointer in objects:
        releases = _named(aws("s3", "cp", f"s3://{bucket}/{pointer}", "-"), releases, pointer)
    if not releases:
        raise NoReleaseError(f"no release of {app} in s3://{bucket}")
    return max(releases).key


def _objects(aws: Aws, bucket: str, prefix: str) -> dict[str, str]:
    listing = ["list-objects-v2", "--bucket", bucket, "--prefix", prefix, "--output", "json"]
    # Where nothing is found, some versions of the command print nothing at all.
    answer = json.loads(aws("s3api", *listing).strip() or "{}")
    return {each["Key"]: each["LastModified"] for each in answer.get("Contents") or ()}


def _release(app: str, template: str, key: str, modified: str) -> Release | None:
    pattern = re.escape(template).replace(re.escape("{app}"), re.escape(app))
    match = re.fullmatch(pattern.replace(re.escape("{version}"), "([^/]+)"), key)
    version = parse(match[1]) if match else None
    if match is None or version is None:
        return None
    # Python 3.9 does not read the Z that some versions of the command print.
    when = datetime.fromisoformat(modified.replace("Z", "+00:00"))  # noqa: FURB162
    return Release(version.precedence, when, key, version.build, match[1])


def _named(data: bytes, releases: list[Release], pointer: str) -> list[Release]:
    if len(data) > _POINTER_BYTES:
        limit = f"it is over {_POINTER_BYTES} bytes"
        raise NoReleaseError(f"the pointer {pointer} names no release: {limit}")
    text = data.decode(errors="backslashreplace")
    text = text.strip().removeprefix("\ufeff").strip()
    version = parse(text)
    named = [each for each in releases if version and _same(version, each)]
    if not named:
        raise NoReleaseError(f"the pointer {pointer} names no release: {text!a}")
    # A spelling that names one zip exactly names that zip.
    return [each for each in named if each.text == text] or named


def _same(version: Version, release: Release) -> bool:
    builds = {build for build in (version.build, release.build) if build}
    return version.precedence == release.precedence and len(builds) <= 1


def parse(text: str) -> Version | None:
    """Read a version, None where the text is none."""
    match = _VERSION.fullmatch(text) if len(text) <= _LONGEST else None
    if match is None:
        return None
    numbers = [int(part) for part in match["numbers"].split(".")]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    identifiers = match["prerelease"].split(".") if match["prerelease"] else []
    ranks = tuple((False, int(i), "") if i.isdecimal() else (True, 0, i) for i in identifiers)
    return Version((tuple(numbers), not identifiers, ranks), match["build"] or "")


def unpack(bucket: str, key: str, folder: str) -> Path:
    """Download the zip and unpack it into the folder; return where its program is."""
    archive, program = Path(folder, "release.zip"), Path(folder, "release")
    aws("s3", "cp", "--only-show-errors", f"s3://{bucket}/{key}", str(archive))
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(program)
    archive.unlink()
    if not (program / "serve.py").is_file():
        raise NoReleaseError(f"s3://{bucket}/{key} holds no serve.py")
    return program


if __name__ == "__main__":
    main(*sys.argv[1:])
