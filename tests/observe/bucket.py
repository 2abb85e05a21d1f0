"""A releases bucket whose history a test makes, at times that it chooses."""

# ruff: noqa: N803 - arguments have AWS's names

from __future__ import annotations

import hashlib
import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

from terminator.config.release_keys import KeyTemplate
from terminator.model import Released
from terminator.observe.history import Reach, dated
from terminator.observe.releases import chosen, list_releases
from tests.decide.builders import NOW
from tests.fakes.cloud import refusal

TEMPLATE = KeyTemplate.parse("{app}/{version}.zip")
NAME = "zips"


def at(minutes: float) -> datetime:
    """Return the time so many minutes after the start, which is a month before NOW."""
    return NOW - timedelta(days=30) + timedelta(minutes=minutes)


@dataclass
class Stored:
    """A version of an object, or a delete marker (no data), with what HeadObject says of it."""

    key: str
    when: datetime
    id: str
    data: bytes | None
    etag: str
    size: int
    head: dict[str, Any]


@dataclass
class Made:
    """A bucket, behind the calls of S3 that Terminator makes; `calls` counts them.

    Where it is `versioned`, what is stored gets an id; else it is stored as `null`, in place of
    another `null`. `days` are those of its lifecycle rule for old versions.
    """

    versioned: bool | None = True
    days: int | None = None
    stored: list[Stored] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)
    lifecycle_error: str | None = None

    def put(
        self,
        key: str,
        minute: float,
        data: bytes | str = b"zip",
        *,
        etag: str | None = None,
        size: int | None = None,
        **head: Any,
    ) -> None:
        """Store an object so many minutes after the start."""
        content = data.encode() if isinstance(data, str) else data
        digest = etag or hashlib.md5(content).hexdigest()  # noqa: S324 - as S3 has it
        length = len(content) if size is None else size
        self._store(Stored(key, at(minute), "", content, digest, length, head))

    def release(self, version: str, minute: float, data: str = "zip", **more: Any) -> None:
        """Upload a release of the app `web`."""
        self.put(f"web/{version}.zip", minute, data, **more)

    def point(self, text: str, minute: float, **more: Any) -> None:
        """Write the pointer of the app `web`."""
        self.put("web/current", minute, text, **more)

    def delete(self, key: str, minute: float) -> None:
        """Delete an object: without versioning it is gone, else there is a delete marker."""
        if self.versioned is None:
            self.stored = [each for each in self.stored if each.key != key]
        else:
            self._store(Stored(key, at(minute), "", None, "", 0, {}))

    def _store(self, stored: Stored) -> None:
        stored.id = f"v{len(self.stored)}" if self.versioned else "null"
        if not self.versioned:
            gone = [each for each in self.stored if (each.key, each.id) == (stored.key, "null")]
            self.stored = [each for each in self.stored if each not in gone]
        self.stored.append(stored)

    def expire(self, now: datetime) -> None:
        """Remove the old versions that the lifecycle rule does not keep any more."""
        if self.days is None:
            return
        until = now - timedelta(days=self.days)
        later: dict[str, datetime] = {}
        for each in reversed(list(self.stored)):
            if each.key in later and later[each.key] < until:
                self.stored.remove(each)
            later[each.key] = each.when

    def target(self, **reach: Any) -> Released:
        """Return what `web` should run, with its dates."""
        listing = list_releases(self.client, NAME, TEMPLATE, "web")
        found = chosen(self.client, NAME, "web", listing)
        assert isinstance(found, Released), found
        return dated(self.client, NAME, listing, found, Reach(**reach))

    # The calls of S3.

    @property
    def client(self) -> Any:
        """What stands for the client of S3."""
        return SimpleNamespace(
            get_paginator=lambda _: SimpleNamespace(paginate=self._versions),
            get_object=self._get,
            head_object=self._head,
            get_bucket_lifecycle_configuration=self._lifecycle,
        )

    def _versions(self, Bucket: str, Prefix: str) -> Iterator[Any]:
        assert Bucket == NAME
        # By key, of one key the newest first.
        mine = [each for each in reversed(self.stored) if each.key.startswith(Prefix)]
        mine.sort(key=lambda each: each.key)
        newest = {each.key: each for each in self.stored}
        for start in range(0, max(1, len(mine)), 1000):
            self.calls["ListObjectVersions"] += 1
            page: dict[str, list[Any]] = {"Versions": [], "DeleteMarkers": []}
            for each in mine[start : start + 1000]:
                row = {"Key": each.key, "LastModified": each.when, "VersionId": each.id}
                row["IsLatest"] = newest[each.key] is each
                if each.data is None:
                    page["DeleteMarkers"].append({**row, "Owner": {"ID": "me"}})
                else:
                    more = {"ETag": f'"{each.etag}"', "Size": each.size}
                    page["Versions"].append({**row, **more})
            yield {name: rows for name, rows in page.items() if rows}

    def _found(self, operation: str, key: str, version: str | None) -> Stored:
        self.calls[operation] += 1
        mine = [each for each in self.stored if each.key == key]
        found = [each for each in mine if each.id == version] if version else mine[-1:]
        if not found or found[0].data is None:
            raise refusal("NoSuchVersion" if version else "NoSuchKey")
        return found[0]

    def _get(self, Bucket: str, Key: str, VersionId: str | None = None) -> Any:
        assert Bucket == NAME
        data = self._found("GetObject", Key, VersionId).data or b""
        return {"Body": io.BytesIO(data), "ContentLength": len(data)}

    def _head(self, Bucket: str, Key: str, VersionId: str | None = None, **_: str) -> Any:
        assert Bucket == NAME
        stored = self._found("HeadObject", Key, VersionId)
        return {"ContentLength": stored.size, "ETag": f'"{stored.etag}"', **stored.head}

    def _lifecycle(self, Bucket: str) -> Any:
        assert Bucket == NAME
        self.calls["GetBucketLifecycleConfiguration"] += 1
        if self.lifecycle_error or self.days is None:
            raise refusal(self.lifecycle_error or "NoSuchLifecycleConfiguration")
        old = {"NoncurrentDays": self.days}
        return {"Rules": [{"Status": "Enabled", "NoncurrentVersionExpiration": old}]}
