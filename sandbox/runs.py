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
from terminator.model import Decision
from terminator.observe.survey import Scope, World
from terminator.probe.ask import Answer, Limits, Question, ask
from terminator.reconcile import reconcile
from terminator.report.record import Line, Outcome, Record, record

# Loopback answers at once: who is silent for so long here is silent.
_LIMITS: Final = Limits(read=2.0, whole=4.0, concurrency=64)


@dataclass(frozen=True)
class Run:
    """A run that was: when, what it said, and what became of each group."""

    at: datetime
    lines: tuple[str, ...]
    outcomes: tuple[Outcome, ...]

    def decision(self, group: str) -> Decision | None:
        """Return the decision about a group."""
        return next((o.decision for o in self.outcomes if o.name == group), None)


def settings(*, bucket: bool = True) -> Config:
    """Return the configuration of the sandbox: every tagged group, not a dry run."""
    read = config.from_settings({"groups": {"tagged": True}, "dry_run": False})
    return replace(read, bucket=Bucket(store.BUCKET, store.TEMPLATE) if bucket else None)


def run(fleet: Fleet, of: Config | None = None, scope: Scope | None = None) -> Run:
    """Run reconcile once, as the schedule does."""
    at, lines = fleet.clock.now(), list[Line]()
    outcomes = reconcile(world(fleet, lines), of or settings(), scope)
    fleet.sync()
    return Run(at, tuple(line.text for line in lines), tuple(outcomes))


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


def records(runs: Iterable[Run]) -> list[Record]:
    """Return the decision records of these runs, each with its time as the logs have it."""
    return [
        {"timestamp": run.at.isoformat(timespec="milliseconds"), **record(outcome)}
        for run in runs
        for outcome in run.outcomes
    ]
