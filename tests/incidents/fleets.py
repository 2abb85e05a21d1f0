"""Fleets that live through an incident: groups on an old release, and hours that pass.

Time passes by the minute and reconcile runs every five, as the schedule has it; in hours in which
nothing should happen it may run every half hour.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from types import MappingProxyType
from typing import Any, Final

import pytest

from terminator.config.deployment import Config, Withdraw
from terminator.report.record import Record
from tests.decide.builders import NOW
from tests.fakes import cloud_api
from tests.fakes.cloud import Cloud
from tests.fakes.groups import Boots, FakeGroup, Machine, Program, minutes

OLD: Final = "1.0.0"
NEW: Final = "1.1.0"
FIX: Final = "1.2.0"
NEVER_UP: Final = Program(hangs=1)
STALE: Final = Program(stale=1)
# How often reconcile runs in hours in which nothing should happen, in minutes: a prime, so that
# its runs meet what repeats itself at every point of that.
_QUIET: Final = 29
# Members of a group were created so many minutes apart.
_APART: Final = 7

# What may stand before a group, and who finds its members unhealthy.
BARE: Final[Mapping[str, Any]] = {}
BALANCED: Final[Mapping[str, Any]] = {"balanced": True}
CHECKED: Final[Mapping[str, Any]] = {"balanced": True, "checks": "ELB"}
KINDS = pytest.mark.parametrize(
    "stands", [BARE, BALANCED, CHECKED], ids=["bare", "balanced", "checked"]
)
BEHIND_ONE = pytest.mark.parametrize("stands", [BALANCED, CHECKED], ids=["balanced", "checked"])


def settings_of(**texts: str) -> dict[str, str]:
    """Return the tags of these settings."""
    return {f"terminator:{name.replace('_', '-')}": text for name, text in texts.items()}


@dataclass
class Fleet:
    """Groups that live through an incident, and what was seen of them.

    `records` are those of the last run, `told` when each group first needed attention since the
    last release, `withdrawals` the records that told of a release that something speaks against,
    and `lowest` how few served at worst, by group. `lost_serving` are those that
    were terminated while they served, and `failed` counts the runs in which anything failed.
    """

    cloud: Cloud
    config: Config = field(default_factory=cloud_api.settings)
    period: int = 5
    records: dict[str, Record] = field(default_factory=dict)
    told: dict[str, datetime] = field(default_factory=dict)
    withdrawals: list[Record] = field(default_factory=list)
    lowest: dict[str, int] = field(default_factory=dict)
    failed: int = 0
    minute: int = 0
    lost_serving: list[str] = field(default_factory=list)

    @property
    def group(self) -> FakeGroup:
        """The first group."""
        return self.cloud.by_name()[0]

    @property
    def record(self) -> Record:
        """What the last run said of the first group."""
        return self.records[self.group.name]

    @property
    def lost(self) -> int:
        """How many instances were terminated so far."""
        return len(self.cloud.kills)

    def lost_ids(self) -> list[str]:
        """Return who was terminated so far."""
        return [id_ for _, _, id_ in self.cloud.kills]

    def release(self, version: str, how: Boots | Program = "good", app: str = "web") -> None:
        """Upload a release of an app that comes up in some way."""
        self.cloud.comes_up[app, version] = how
        self.cloud.upload(app, version)
        self.told.clear()

    def pass_minutes(self, number: float, meanwhile: Callable[[], None] | None = None) -> None:
        """Let minutes pass; `meanwhile` is done in each."""
        for _ in range(round(number)):
            self.cloud.wait(1)
            if meanwhile:
                meanwhile()
            self._look()
            self.minute += 1
            if self.minute % self.period == 0:
                self.run()
                self._look()

    def pass_hours(self, number: float, meanwhile: Callable[[], None] | None = None) -> None:
        """Let hours pass; `meanwhile` is done in each minute."""
        self.pass_minutes(60 * number, meanwhile)

    def pass_quiet_hours(self, number: float, meanwhile: Callable[[], None] | None = None) -> None:
        """Let hours pass in which little or nothing should happen, with a run every half hour.

        No rule depends on the period (`test_periods`): what would go after hours of waiting goes
        with such a run too. At the end there is a run more, so that the records are of then.
        """
        period, self.period = self.period, max(self.period, _QUIET)
        self.pass_hours(number, meanwhile)
        self.period = period
        self.run()

    def hours_until(
        self,
        done: Callable[[], bool],
        most: float,
        meanwhile: Callable[[], None] | None = None,
    ) -> float | None:
        """Let time pass until something is so; return in hours how long, None if it was not."""
        for number in range(round(60 * most)):
            if done():
                return number / 60
            self.pass_minutes(1, meanwhile)
        return most if done() else None

    def run(self) -> None:
        """Run reconcile once."""
        groups, before = self.cloud.groups.values(), self.lost
        serving = {machine.id for group in groups for machine in self.cloud.serving(group)}
        self.records = cloud_api.run(self.cloud, self.config)
        self.lost_serving += [each for each in self.lost_ids()[before:] if each in serving]
        self.failed += any(record.has_failed for record in self.records.values())
        for name, record in self.records.items():
            if record.needs_attention:
                self.told.setdefault(name, self.cloud.now)
            if record.withdrawal:
                self.withdrawals.append(record)

    def _look(self) -> None:
        for group in self.cloud.groups.values():
            seen = self.cloud.available(group)
            self.lowest[group.name] = min(seen, self.lowest.get(group.name, seen))

    def forget(self) -> None:
        """Forget what was lost, told and lowest so far."""
        self.cloud.kills.clear()
        self.lost_serving.clear()
        self.told.clear()
        self.lowest.clear()
        self.failed = 0

    def serving(self, version: str, group: FakeGroup | None = None) -> int:
        """Return how many members of a group serve a version."""
        return sum(m.version == version for m in self.cloud.serving(group or self.group))

    def all_serve(self, version: str) -> bool:
        """Say whether every group is whole and serves a version."""
        return all(
            len(group.counted()) == group.desired == self.serving(version, group)
            for group in self.cloud.groups.values()
        )

    def members(self, version: str | None = None) -> list[Machine]:
        """Return the members of the first group, or those that run a version."""
        here = self.group.counted()
        return [m for m in here if version is None or m.version == version]

    def hung(self) -> list[Machine]:
        """Return the members of the first group whose boots never answer."""
        return [machine for machine in self.members() if machine.version is None]


def fleet(  # noqa: PLR0913 - what incidents differ in
    desired: int = 3,
    *,
    names: tuple[str, ...] = ("web",),
    apps: Mapping[str, str] = MappingProxyType({}),
    days: float = 10 / 24,
    account: Mapping[str, Any] = MappingProxyType({}),
    withdraw: Withdraw | None = None,
    **more: Any,
) -> Fleet:
    """Return a fleet that has run the old release since it was created so many days ago.

    Its members were created some minutes apart. `apps` maps groups to other apps than `web`.
    `account` is what is special about the account, and `more` about its groups; their `boot` and
    `grace` are in minutes. `withdraw` says when releases of `web` are taken back.
    """
    spans: dict[str, Any] = {
        "boot": minutes(more.pop("boot", 5.5)),
        "grace": minutes(more.pop("grace", 5)),
    }
    cloud = Cloud(now=NOW - timedelta(days=days + 30), lives=True, **account)
    for app in sorted({"web", *apps.values()}):
        cloud.upload(app, OLD)
    cloud.now = NOW
    tags = more.pop("tags", {})
    for name in names:
        own = {"terminator:app": apps.get(name, "web"), **tags}
        group = cloud.add_group(name, 0, tags=own, **spans, **more)
        group.desired = desired
        for number in range(desired):
            cloud.launch(group, at=NOW - timedelta(days=days) - minutes(number * _APART))
    cloud.tick()
    withdraws = {"web": withdraw} if withdraw else {}
    return Fleet(cloud, cloud_api.settings(bucket=cloud.bucket, withdraws=withdraws))


def all_on(version: str, how: Program, desired: int, minimum: str, **stands: Any) -> Fleet:
    """Return a fleet on which a release has been proven and is everywhere."""
    lives = fleet(desired, tags=settings_of(minimum="0"), **stands)
    lives.release(version, how)
    assert lives.hours_until(lambda: lives.all_serve(version), most=12) is not None
    lives.group.tags |= settings_of(minimum=minimum)
    return lives


def grow(times: Sequence[float]) -> bool:
    """Say whether losses, at so many minutes, double their distance up to 32 retries of 30."""
    return all(b - a >= 0.9 * a or b - a >= 955 for a, b in pairwise(times))
