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
import resource
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

Aws = Callable[..., bytes]
Precedence = tuple[tuple[int, ...], tuple[int, ...], bool, tuple[tuple[str, int], ...], int]

_LONGEST = 128
_POINTER_BYTES = 256
# Far above the example, and far below its disk.
_MOST_FILES = 10_000
_MOST_BYTES = 1 << 30
_MOST_NUMBERS = 6
_MOST_DIGITS = 6
_DATE = re.compile(
    r"(?P<year>20[0-9]{2})(?:"
    r"(?P<month>0[1-9]|1[0-2])(?P<day>0[1-9]|[12][0-9]|3[01])(?P<glued>[0-9]*)"
    r"|[._-](?:0[1-9]|1[0-2])[._-](?:0[1-9]|[12][0-9]|3[01])(?![0-9])"
    r"|[_-](?:0?[1-9]|1[0-2])[_-](?:0?[1-9]|[12][0-9]|3[01])(?![0-9])"
    r")"
)
_NUMBERS = re.compile(r"[0-9]+(?:\.[0-9]+){0,5}(?![0-9])(?!\.[0-9])")
_MORE_NUMBERS = re.compile(r"(?:\.[0-9]+(?![0-9A-Za-z])){0,3}(?!\.[0-9])")
_AFTER_DATE = re.compile(r"(?:[T_-][0-9]+(?![0-9A-SU-Ya-z.]))*Z?(?![0-9A-Za-z])")
_EPOCH = re.compile(r"[12](?:[0-9]{9}|[0-9]{12})")
_IDENTIFIERS = re.compile(r"[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*")
_DESCRIBED = re.compile(r"-(?P<commits>[0-9]+)-(?P<hash>g[0-9a-f]{4,64})(?P<dirty>-dirty)?")
_HASH = re.compile(r"(?=[0-9]*[A-Fa-f])(?:[0-9a-f]{7,64}|[0-9A-F]{7,64})")


class NoReleaseError(Exception):
    """There is nothing to run; the message says why."""


class Version(NamedTuple):
    """A version: how it ranks, and its build metadata and hashes, which do not count in that."""

    precedence: Precedence
    build: str
    hashes: tuple[str, ...]


class Release(NamedTuple):
    """A zip in the bucket; the greatest is the newest."""

    precedence: Precedence
    modified: datetime
    key: str
    build: str
    hashes: tuple[str, ...]
    text: str


def main(bucket: str, app: str, template: str = "{app}/{version}.zip") -> None:
    """Become the release's program; end with a message where there is none."""
    try:
        key = find(aws, bucket, app, template)
        folder = unpack(bucket, key, tempfile.mkdtemp(prefix=f"{app}-"))
    except (NoReleaseError, OSError, subprocess.CalledProcessError, zipfile.BadZipFile) as error:
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
    return Release(version.precedence, when, key, version.build, version.hashes, match[1])


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
    hashes = {some for some in (version.hashes, release.hashes) if some}
    return version.precedence == release.precedence and len(builds) <= 1 and len(hashes) <= 1


def parse(text: str) -> Version | None:
    """Read a version, None where the text is none."""
    if len(text) > _LONGEST:
        return None
    rest, plus, build = text[text.startswith("v") :].partition("+")
    if plus and not _IDENTIFIERS.fullmatch(build):
        return None
    hashes: list[str] = []
    commits, after = 0, ""
    at = rest.rfind("-g")
    described = _DESCRIBED.fullmatch(rest, rest.rfind("-", 0, at)) if at > 0 else None
    if described:
        rest, commits = rest[: described.start()], int(described["commits"])
        hashes += [described["hash"], *(["dirty"] if described["dirty"] else [])]
    dated, plain = _DATE.match(rest), _NUMBERS.match(rest)
    if dated:
        day = dated[0] if dated["day"] is None else "-".join(dated.group("year", "month", "day"))
        more = _MORE_NUMBERS.match(rest, dated.end())
        end = more.end() if more else dated.end()
        behind = _AFTER_DATE.match(rest, end)
        clock = behind[0] if behind else ""
        numbers = _numbers(day) + _numbers(rest[dated.end() : end])
        after = f"{dated['glued'] or ''} {clock}"
        rest = rest[end + len(clock) :].replace("_", "-")
    elif plain:
        numbers, rest = _numbers(plain[0]), rest[plain.end() :]
        is_lone = plain[0].isdecimal() and len(plain[0]) > _MOST_DIGITS
        if is_lone and not _EPOCH.fullmatch(plain[0]):
            return None
    else:
        return None
    if rest and (rest[0] != "-" or not _IDENTIFIERS.fullmatch(rest, 1)):
        return None
    identifiers: list[tuple[str, int]] = []
    for each in rest[1:].split(".") if rest else ():
        start, hyphen, last = each.rpartition("-")
        is_hash = _HASH.fullmatch(last[last.startswith("g") :]) is not None
        hashes += [last] if is_hash else []
        if hyphen or not is_hash:
            word = start if is_hash else each
            letters = word.rstrip("0123456789")
            digits = word[len(letters) :]
            identifiers.append((letters, int(digits) if digits else -1))
    missing = (0,) * (_MOST_NUMBERS - len(numbers))
    key = (numbers + missing, _numbers(after), not rest, tuple(identifiers), commits)
    return Version(key, build, tuple(hashes))


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(each) for each in re.findall("[0-9]+", text))


def unpack(bucket: str, key: str, folder: str) -> Path:
    """Download the zip and unpack it into the folder; return where its program is."""
    archive, program = Path(folder, "release.zip"), Path(folder, "release")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    bounded = min([_MOST_BYTES, *(each for each in (soft, hard) if each != resource.RLIM_INFINITY)])
    # Until it is downloaded nobody knows how long it is: no file may grow beyond this.
    resource.setrlimit(resource.RLIMIT_FSIZE, (bounded, hard))
    try:
        aws("s3", "cp", "--only-show-errors", f"s3://{bucket}/{key}", str(archive))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    with zipfile.ZipFile(archive) as opened:
        files = opened.infolist()
        # No more of a file is unpacked than the zip says that it has.
        if len(files) > _MOST_FILES or sum(each.file_size for each in files) > _MOST_BYTES:
            limit = f"over {_MOST_FILES} files or {_MOST_BYTES} bytes"
            raise NoReleaseError(f"s3://{bucket}/{key} unpacks to {limit}")
        opened.extractall(program)
    archive.unlink()
    if not (program / "serve.py").is_file():
        raise NoReleaseError(f"s3://{bucket}/{key} holds no serve.py")
    return program


if __name__ == "__main__":
    main(*sys.argv[1:])
