"""A model of AWS in memory, with what the local AWS never shows.

Members are Pending while they launch and may leave for hours, programs come up late or
never, load balancers disagree, calls fail. `cloud_api` puts it behind boto3's calls.
"""

from __future__ import annotations

import io
import zipfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from terminator.probe.ask import Answer, Question
from terminator.report.log_lines import Line
from terminator.version import Version
from tests.decide.builders import NOW


def minutes(number: float) -> timedelta:
    """Return so many minutes."""
    return timedelta(minutes=number)


def refusal(code: str, message: str = "no") -> ClientError:
    """Return the error that boto3 raises for an answer of AWS with this code."""
    return ClientError({"Error": {"Code": code, "Message": message}}, "Operation")


@dataclass
class Machine:
    """An instance: Pending, then InService, and answering `version` once its program is up."""

    id: str
    launched: datetime
    in_service: datetime
    up: datetime
    version: str | None
    lifecycle: str | None = None
    health: str = "Healthy"
    protected: bool = False
    address: str | None = "10.0.0.1"
    vpc: str = "vpc-1"
    hidden: bool = False
    target: str | None = "healthy"
    weight: str | None = None
    leaves: datetime | None = None
    zone: str = "eu-west-1a"

    def state(self, now: datetime) -> str:
        """Return its lifecycle state."""
        if self.leaves is not None:
            return "Terminating:Wait"
        return self.lifecycle or ("InService" if now >= self.in_service else "Pending")


@dataclass
class FakeGroup:
    """A group; `boot` is how long a program takes, `leave` how long a member takes to go."""

    name: str
    desired: int
    tags: dict[str, str]
    grace: timedelta = timedelta(0)
    pending: timedelta = timedelta(minutes=1)
    boot: timedelta = timedelta(minutes=2)
    leave: timedelta = timedelta(0)
    balanced: bool = False
    more: dict[str, Any] = field(default_factory=dict)
    machines: list[Machine] = field(default_factory=list)
    boots: Callable[[str | None], str | None] = lambda released: released

    def members(self, now: datetime) -> list[Machine]:
        """Return the members that are still listed."""
        return [m for m in self.machines if m.leaves is None or m.leaves > now]


@dataclass
class Stored:
    """A version of an object, or a delete marker (no data)."""

    key: str
    when: datetime
    data: bytes | None


@dataclass
class Cloud:
    """The account: groups, releases, alarms; time passes only when told."""

    now: datetime = NOW
    groups: dict[str, FakeGroup] = field(default_factory=dict)
    stored: list[Stored] = field(default_factory=list)
    alarms: dict[str, str] = field(default_factory=dict)
    refreshes: dict[str, str] = field(default_factory=dict)
    faults: dict[tuple[str, str], Exception] = field(default_factory=dict)
    muted: dict[str, int] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    kills: list[tuple[datetime, str, str]] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    lowest: dict[str, int] = field(default_factory=dict)
    _launches: int = 0

    def add_group(
        self, name: str, desired: int, *, tags: dict[str, str] | None = None, **more: Any
    ) -> FakeGroup:
        """Add a group that opted in, with machines up for ten hours on the app's release."""
        own = {"terminator:enabled": "true", "terminator:app": "web", **(tags or {})}
        group = self.groups[name] = FakeGroup(name, desired, own, **more)
        for _ in range(desired):
            self.launch(group, at=self.now - minutes(600))
        return group

    def launch(self, group: FakeGroup, at: datetime | None = None) -> Machine:
        """Launch a member, which boots what its app should run by then."""
        at, self._launches = at or self.now, self._launches + 1
        version = group.boots(self._released(group.tags["terminator:app"]))
        in_service, up = at + group.pending, at + group.boot
        machine = Machine(
            f"i-{self._launches:04}", at.replace(microsecond=0), in_service, up, version
        )
        group.machines.append(machine)
        return machine

    def upload(self, app: str, version: str) -> None:
        """Upload a release."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("program", version)
        self.put(f"{app}/{version}.zip", buffer.getvalue())

    def terminate(self, group: FakeGroup, machine: Machine) -> None:
        """Let a member leave, and launch its replacement."""
        if machine.leaves is not None:
            raise refusal("ScalingActivityInProgress", "it is terminating")
        machine.leaves = self.now + group.leave
        self.kills.append((self.now, group.name, machine.id))
        self.launch(group)

    def put(self, key: str, data: bytes | None) -> None:
        """Store an object, or with None delete it."""
        self.stored.append(Stored(key, self.now.replace(microsecond=0), data))

    def current(self) -> dict[str, Stored]:
        """Return the objects that are there, by key."""
        newest = {each.key: each for each in self.stored}
        return {key: each for key, each in newest.items() if each.data is not None}

    def _released(self, app: str) -> str | None:
        objects = self.current()
        if pointer := objects.get(f"{app}/current"):
            named = (pointer.data or b"").decode()
            return named if f"{app}/{named}.zip" in objects else None
        keys = [key for key in objects if key.startswith(f"{app}/") and key.endswith(".zip")]
        versions = [key.removeprefix(f"{app}/").removesuffix(".zip") for key in keys]
        return max(versions, key=Version.parse, default=None)

    def available(self, group: FakeGroup) -> int:
        """Return how many members serve and answer."""
        return sum(
            m.state(self.now) == "InService" and m.version is not None and self.now >= m.up
            for m in group.members(self.now)
        )

    def wait(self, number: float) -> None:
        """Let minutes pass."""
        self.now += minutes(number)

    def probe(self, _vpc: str, questions: Sequence[Question], _seconds: float) -> list[Answer]:
        """Answer for the machines: `muted` counts the answers that each still withholds."""
        machines = {m.id: m for group in self.groups.values() for m in group.machines}
        return [self._answer(machines[question["instance"]]) for question in questions]

    def _answer(self, machine: Machine) -> Answer:
        muted = self.muted.get(machine.id, 0)
        self.muted[machine.id] = max(0, muted - 1)
        if muted or machine.version is None or self.now < machine.up:
            return Answer(instance=machine.id, version=None, reason="connection refused")
        return Answer(instance=machine.id, version=machine.version, reason=None)

    def look(self) -> None:
        """Take note of the lowest number available that each group ever had."""
        for group in self.groups.values():
            seen = self.available(group)
            self.lowest[group.name] = min(seen, self.lowest.get(group.name, seen))

    def said(self) -> list[str]:
        """Return the log lines so far, and forget them."""
        texts, self.lines[:] = [line.text for line in self.lines], []
        return texts

    def called(self, operation: str, *subjects: str) -> None:
        """Count a call, and fail it where a fault was set for one of its subjects."""
        self.calls[operation] += 1
        for subject in subjects or ("",):
            if fault := self.faults.get((operation, subject)):
                raise fault


def fleet(*names: str, size: int = 3, **more: Any) -> tuple[Cloud, list[FakeGroup]]:
    """Return a cloud whose groups run 1.0.266 and should run 1.0.274."""
    cloud = Cloud(now=Cloud().now - minutes(6000))
    cloud.upload("web", "1.0.266")
    cloud.wait(6000)
    groups = [cloud.add_group(name, size, **more) for name in names or ("web",)]
    cloud.upload("web", "1.0.274")
    return cloud, groups
