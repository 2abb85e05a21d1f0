"""What a change of the target would do in the middle of a rollout."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from sandbox import store
from sandbox.fleet import WEB, Fleet
from sandbox.store import Program
from tests.cli.runs import caller

USE = ("use", "--app", "web", "--local")


def test_what_it_says_would_go_is_dated_as_from_now(old_fleet: Fleet, tmp_path: Path) -> None:
    """By its upload the older release would be of before the canary: that would be a stale boot."""
    old_fleet.boot = timedelta(0)
    store.upload(old_fleet.aws, "web", Program("1.0.274"))
    on = caller(old_fleet, tmp_path)
    [applied] = on.json("apply", "--local", "--yes", "--group", WEB)
    old_fleet.wait(timedelta(seconds=2))  # what changes within a second S3 dates alike
    assert len(applied["terminated"]) == 1
    [supposed] = on.json(*USE, "1.0.266", "--yes")["groups"]
    [planned] = on.json("plan", "--local", "--group", WEB)
    assert supposed["decision"] == planned["decision"] == "canary"
    assert supposed["reason"] == planned["reason"]
