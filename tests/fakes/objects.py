"""A bucket in the model of AWS: object versions as S3 keeps them, and releases among them."""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

UNVERSIONED = "null"


@dataclass
class Stored:
    """A version of an object, or a delete marker (no data).

    `parts` is how many parts it was uploaded in, 0 where it was uploaded whole.
    """

    key: str
    when: datetime
    data: bytes | None
    version_id: str = UNVERSIONED
    parts: int = 0
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def etag(self) -> str:
        """The MD5 of what was uploaded whole; in parts it is of the parts, and ends in -N."""
        data = (self.data or b"") + bytes(self.parts)
        digest = hashlib.md5(data, usedforsecurity=False).hexdigest()
        return f'"{digest}-{self.parts}"' if self.parts else f'"{digest}"'

    @property
    def checksum(self) -> str:
        """A checksum of the whole object, however it was uploaded."""
        return f"{zlib.crc32(self.data or b''):08x}"


def there(stored: Sequence[Stored]) -> dict[str, Stored]:
    """Return the objects that are there, by key."""
    newest = {each.key: each for each in stored}
    return {key: each for key, each in newest.items() if each.data is not None}


def expired(stored: Sequence[Stored], now: datetime, kept_for: timedelta) -> list[Stored]:
    """Return the versions that a lifecycle rule for old versions has deleted by now."""
    histories: dict[str, list[Stored]] = {}
    for each in stored:
        histories.setdefault(each.key, []).append(each)
    return [
        older
        for history in histories.values()
        for older, newer in pairwise(history)
        if now - newer.when > kept_for
    ]


def newest_release(objects: Mapping[str, Stored], app: str) -> str | None:
    """Return the version that boot scripts of the app download: its pointer's, else newest."""
    folder = f"{app}/"
    keys = [key for key in objects if key.startswith(folder) and key.endswith(".zip")]
    zips = {key.removeprefix(folder).removesuffix(".zip"): objects[key] for key in keys}
    if pointer := objects.get(f"{app}/current"):
        named = (pointer.data or b"").decode()
        equal = {version: each for version, each in zips.items() if same(version, named)}
        zips = {named: zips[named]} if named in zips else equal
    return max(zips, key=lambda v: (precedence(v), zips[v].when, v), default=None)


_VERSION = re.compile(r"v?(?P<numbers>\d+(?:\.\d+)*)(?:-(?P<pre>[^+]+))?(?:\+.+)?")


def precedence(version: str) -> tuple[Any, ...]:
    """Return what a version is ordered by, after SemVer; nothing for what is no version."""
    match = _VERSION.fullmatch(version)
    if match is None:
        return ()
    numbers = [int(part) for part in match["numbers"].split(".")]
    while numbers[-1:] == [0]:
        numbers.pop()
    parts = (match["pre"] or "").split(".")
    pre = [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts]
    return (numbers, match["pre"] is None, pre)


def same(one: str, other: str) -> bool:
    """Say whether two versions name one release: build metadata counts where both have it."""
    builds = {text.partition("+")[2] for text in (one, other)} - {""}
    return len(builds) <= 1 and precedence(one) == precedence(other) != ()
