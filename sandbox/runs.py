"""Running Terminator on a fleet, in this process, with the fleet's clock."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from sandbox.fleet import Fleet
from sandbox.store import BUCKET, TEMPLATE, Event
from terminator import marker
from terminator.config.deployment import Bucket, Config, Withdraw, from_settings
from terminator.observe.snapshot import Scope, World
from terminator.probe.addresses import networks
from terminator.probe.ask import Answer, Limits, Question, ask
from terminator.reconcile import reconcile
from terminator.report.log_lines import Line
from terminator.report.record import Record
from terminator.upload import verdicts
from terminator.version import Order

# On loopback an instance that has not answered in so long will not. Waiting for those is most of
# what a run takes; few at once, so that no answer is late because of the others.
_LIMITS: Final = Limits(read=0.5, whole=2.0, concurrency=16)


@dataclass(frozen=True)
class Run:
    """A run: when it began, the lines that it logged, and the record of each group."""

    at: datetime
    lines: tuple[str, ...]
    records: tuple[Record, ...]

    def about(self, group: str) -> Record | None:
        """Return the record of a group, None if the run did not serve it."""
        return next((record for record in self.records if record.group == group), None)


def settings(
    *,
    bucket: bool = True,
    order: Order = "version",
    withdraws: Mapping[str, Withdraw] | None = None,
) -> Config:
    """Return the configuration of the sandbox: every tagged group, not a dry run."""
    read = from_settings({"groups": {"tagged": True}, "dry_run": False})
    releases = Bucket(BUCKET, TEMPLATE, order=order, withdraws=withdraws or {})
    return replace(read, bucket=releases if bucket else None)


def run(fleet: Fleet, of: Config | None = None, scope: Scope | None = None) -> Run:
    """Run reconcile once, as the schedule does."""

    def probe(_vpc: str, questions: Sequence[Question], seconds: float) -> list[Answer]:
        return ask(questions, seconds, networks(fleet.local.environment), _LIMITS)

    at, lines = fleet.clock.now(), list[Line]()
    world = World(
        aws=fleet.aws,
        probe=probe,
        clock=fleet.clock.now,
        sleep=fleet.clock.sleep,
        remaining=lambda: math.inf,
        say=lines.append,
        withdraw=lambda order: marker.put(fleet.aws, BUCKET, order, fleet.clock.now()),
    )
    default = settings(order=fleet.order, withdraws=fleet.withdraws)
    records = reconcile(world, of or default, scope or Scope())
    fleet.sync()
    texts = tuple(line.text for line in lines)
    return Run(at, texts, tuple(replace(record, at=at) for record in records))


def deliver(fleet: Fleet, event: Event) -> tuple[list[str], list[Run]]:
    """Do what the release function does with an event.

    Return what it said of the upload, and the runs that it asked for.
    """
    found = verdicts(event, fleet.aws.s3, settings(order=fleet.order).bucket)
    apps = [verdict.app for verdict in found if verdict.app is not None]
    return [str(verdict) for verdict in found], [run(fleet, scope=Scope(app)) for app in apps]
