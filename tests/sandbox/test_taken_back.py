"""A release that never answers, on what `make sandbox` deploys: it is taken back by itself."""

from __future__ import annotations

import io
import json
import logging
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from sandbox import fleet, store
from sandbox.deployment import deployed, settings_of
from sandbox.fleet import API, Fleet
from sandbox.store import BUCKET, Program
from terminator import handlers

BROKEN = "1.0.275"
KEY = f"api/{BROKEN}.zip"
# It has been silent for so long when the functions are deployed, so that nobody waits for that.
SILENT = timedelta(minutes=10)
# The first run finds it, looks again after half a minute, and takes it back.
SECONDS = 120
# No second run is to begin.
EVERY = 3600


@pytest.fixture
def silent_fleet(monkeypatch: pytest.MonkeyPatch) -> Iterator[Fleet]:
    """Run the two groups, with a canary of api that has been silent for a while."""
    # A local AWS of its own, for the functions may still run when the test has ended.
    with fleet.running(ahead=fleet.SETTLED + SILENT) as local:
        names = ("ACCOUNT", "CONFIG", "PROBES", "RECONCILE", "WITHDRAW")
        changed = (*local.local.environment, *(f"TERMINATOR_{name}" for name in names))
        for name in (*changed, "POWERTOOLS_METRICS_DISABLED"):
            monkeypatch.setenv(name, "")
        # Half a minute until the second look is put forward too, on the clock of all the others.
        monkeypatch.setattr(handlers, "datetime", SimpleNamespace(now=lambda _: local.clock.now()))
        monkeypatch.setattr(handlers, "time", local.clock)
        [handler] = logging.getLogger(handlers.SERVICE).handlers
        monkeypatch.setattr(handler, "stream", io.StringIO())
        fleet.prepare(local)
        store.upload(local.aws, "api", Program(BROKEN, "silent"))
        local.aws.terminating.terminate_instance_in_auto_scaling_group(
            InstanceId=local.of(API)[0].id, ShouldDecrementDesiredCapacity=False
        )
        local.wait(SILENT)
        forget()
        yield local
        forget()


def forget() -> None:
    """Have the handlers read their environment anew, as in a container that has just begun."""
    for cached in (handlers._aws, handlers._config, handlers._events):  # noqa: SLF001 - as said
        cached.cache_clear()


def test_the_functions_take_back_what_never_answers_where_the_settings_say_so(
    silent_fleet: Fleet, tmp_path: Path
) -> None:
    local, log = silent_fleet, tmp_path / "log.jsonl"
    settings = settings_of(local, "api", {"canary-retry": "1m"})
    end = time.monotonic() + SECONDS
    with deployed(local, settings, log, EVERY):
        while not (told := withdrawn(log)):
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.2)
    assert told == [BROKEN]
    listed = local.aws.s3.list_object_versions(Bucket=BUCKET, Prefix=KEY)
    assert [marker["IsLatest"] for marker in listed["DeleteMarkers"]] == [True]
    [below] = listed["Versions"]
    tags = local.aws.s3.get_object_tagging(Bucket=BUCKET, Key=KEY, VersionId=below["VersionId"])
    assert [tag["Key"] for tag in tags["TagSet"]] == ["terminator:withdrawn"]


def withdrawn(log: Path) -> list[str]:
    """Return the releases that records in the log say were taken back."""
    written = log.read_text(encoding="utf-8") if log.exists() else ""
    # What follows the last line break is still being written.
    records = [json.loads(line) for line in written.split("\n")[:-1]]
    return [each["withdrawn"] for each in records if each.get("withdrawn")]
