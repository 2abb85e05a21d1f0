"""A fleet that the tests of a module share, and callers of commands on it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from sandbox import fleet, store
from sandbox.fleet import Fleet
from sandbox.local_aws import LocalAws
from sandbox.store import Program, pack
from terminator_cli.pause import PAUSE_TAG
from tests.cli.runs import Caller, caller

RELEASES: Final = ("1.0.250", "1.0.266", "1.0.274")


@pytest.fixture(scope="module")
def demo_fleet(shared_aws: LocalAws) -> Iterator[Fleet]:
    """Run the demo's groups on 1.0.266; web has 1.0.274 as well, and 1.0.250.

    Whoever changes it changes it back: `released` does for the app web and its group.
    """
    with fleet.running(ahead=fleet.SETTLED, on=shared_aws) as running:
        fleet.prepare(running)
        for version in ("1.0.250", "1.0.274"):
            store.upload(running.aws, "web", Program(version))
        running.boot = timedelta(0)
        yield running


@pytest.fixture
def released(demo_fleet: Fleet) -> Iterator[Fleet]:
    """Leave the app web as it was: not paused, without a pointer, with its three releases."""
    yield demo_fleet
    aws = demo_fleet.aws
    store.point(aws, "web", None)
    paused: Any = {"ResourceId": fleet.WEB, "ResourceType": "auto-scaling-group", "Key": PAUSE_TAG}
    aws.autoscaling.delete_tags(Tags=[paused])
    rows = aws.s3.list_objects_v2(Bucket=store.BUCKET, Prefix="web/").get("Contents", ())
    ours = {f"web/{version}.zip" for version in RELEASES}
    for key in {row["Key"] for row in rows} - ours:
        aws.s3.delete_object(Bucket=store.BUCKET, Key=key)


@pytest.fixture
def on(released: Fleet, tmp_path: Path) -> Caller:
    """Run commands on the fleet."""
    return caller(released, tmp_path)


@pytest.fixture
def archive(tmp_path: Path) -> str:
    """Write a zip of release 1.0.275, and return its path."""
    path = tmp_path / "web.zip"
    path.write_bytes(pack(Program("1.0.275")))
    return str(path)
