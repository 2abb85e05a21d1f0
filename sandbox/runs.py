"""Running Terminator on a fleet, in this process, with the fleet's clock."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from sandbox import store
from sandbox.fleet import Fleet
from terminator import upload
from terminator.config import deployment as config
from terminator.config.deployment import Bucket, Config
from terminator.observe.snapshot import Scope, World
from terminator.probe.ask import Answer, Limits, Question, ask
from terminator.reconcile import reconcile
from terminator.report.log_lines import Line
from terminator.report.record import Record

# Loopback answers at once: who is silent for so long here is silent.
_LIMITS: Final = Limits(read=1.0, whole=2.0, concurrency=64)


@dataclass(frozen=True)
class Run:
    """A run that was: when, what it said, and what became of each group."""

    at: datetime
    lines: tuple[str, ...]
    records: tuple[Record, ...]

    def about(self, group: str) -> Record | None:
        """Return the record of a group."""
        return next((record for record in self.records if record.group == group), None)


def settings(*, bucket: bool = True) -> Config:
    """Return the configuration of the sandbox: every tagged group, not a dry run."""
    read = config.from_settings({"groups": {"tagged": True}, "dry_run": False})
    return replace(read, bucket=Bucket(store.BUCKET, store.TEMPLATE) if bucket else None)


def run(fleet: Fleet, of: Config | None = None, scope: Scope | None = None) -> Run:
    """Run reconcile once, as the schedule does."""
    at, lines = fleet.clock.now(), list[Line]()
    records = reconcile(world(fleet, lines), of or settings(), scope or Scope())
    fleet.sync()
    return Run(
        at, tuple(line.text for line in lines), tuple(replace(record, at=at) for record in records)
    )


def world(fleet: Fleet, lines: list[Line]) -> World:
    """Return the world of the fleet; what is said is added to the lines."""
    return World(
        aws=fleet.aws,
        probe=_probe,
        clock=fleet.clock.now,
        sleep=fleet.clock.sleep,
        remaining=lambda: math.inf,
        say=lines.append,
    )


def _probe(_vpc: str, questions: Sequence[Question], seconds: float) -> list[Answer]:
    return ask(questions, seconds, _LIMITS)


def deliver(fleet: Fleet, event: store.Event) -> tuple[list[str], list[Run]]:
    """Do what the release function does with an event: what it said, and the runs it asked for."""
    verdicts = upload.verdicts(event, fleet.aws.s3, settings().bucket)
    apps = [verdict.app for verdict in verdicts if verdict.app is not None]
    runs = [run(fleet, scope=Scope(app=app)) for app in apps]
    return [str(verdict) for verdict in verdicts], runs


def records(runs: Iterable[Run]) -> list[dict[str, object]]:
    """Return the records of these runs as the logs have them."""
    return [record.to_json() for run in runs for record in run.records]
