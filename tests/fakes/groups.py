"""Auto Scaling groups, their instances and the programs on them, in the model of AWS."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

# How a release comes up where it is booted, by a word for each of `PROGRAMS`.
Boots = Literal["good", "dead", "stale", "late", "flapping", "sick"]
OLD = "1.0.0"
# After a launch hook begins to hold an instance Auto Scaling waits for an hour, if not told else.
_HOOK_TIMEOUT = timedelta(hours=1)


def minutes(number: float) -> timedelta:
    """Return so many minutes."""
    return timedelta(minutes=number)


NEVER = minutes(10**7)


def number_of(*parts: object) -> int:
    """Return a number that is the same for the same parts, in every process."""
    return zlib.crc32("|".join(map(str, parts)).encode())


@dataclass(frozen=True)
class Program:
    """What a release does where it boots.

    It answers `late` after what its group's boots take, and `dies` so long after it answers in
    service; None: never. `refused` says that its load balancer calls it unhealthy although it
    answers; where it `flaps` it misses every third question. `hangs` is the chance that a boot
    never answers, `stale` that it runs what its group's image has baked in, as all do in the zone
    `stale_in`.
    """

    late: timedelta = timedelta(0)
    dies: timedelta | None = None
    refused: bool = False
    flaps: bool = False
    hangs: float = 0
    stale: float = 0
    stale_in: str | None = None


PROGRAMS: Mapping[Boots, Program] = {
    "good": Program(),
    "dead": Program(hangs=1),
    "stale": Program(stale=1),
    "late": Program(late=minutes(40)),
    "flapping": Program(flaps=True),
    "sick": Program(refused=True),
}


@dataclass(frozen=True)
class Template:
    """A version of a launch template: its image, and how what is on that comes up.

    `tags` are those that it gives to each instance.
    """

    id: str
    number: int
    image: str
    created: datetime
    boots: Boots | Program = "good"
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class LaunchHook:
    """Holds what launches in Pending:Wait.

    It does so for `holds`, and where it `reports` until the program answers. What is held for
    longer than `timeout` is abandoned: terminated, and launched anew.
    """

    holds: timedelta = timedelta(0)
    reports: bool = False
    timeout: timedelta = _HOOK_TIMEOUT


@dataclass
class Machine:
    """An instance: Pending, then InService, and answering `version` once its program is up.

    `launched` is its last start, `attached` its first (None: the same). `lifecycle` is a state
    that it was put in by hand, `target` what its load balancer says of it, `ec2` the state in
    which EC2 lists it and has for `ec2_since`. `deaf` never answers again, `unheard` only the
    probe gets no answer, `flaps` misses every third question, `sick` is unhealthy at the load
    balancer, and `hidden` is unknown to DescribeInstances. It dies at `dies`. It was launched from
    `template`, or `configuration`, and runs `image`; `labels` are its own tags.
    """

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
    flaps: bool = False
    deaf: bool = False
    unheard: bool = False
    sick: bool = False
    ill_since: datetime | None = None
    attached: datetime | None = None
    ec2: str = "running"
    ec2_since: datetime | None = None
    dies: datetime | None = None
    waits_from: datetime | None = None
    program: Program = field(default_factory=Program)
    template: Template | None = None
    configuration: str | None = None
    image: str | None = None
    type: str = "t4g.nano"
    labels: dict[str, str] = field(default_factory=dict)

    def state(self, now: datetime) -> str:
        """Return its lifecycle state."""
        if self.leaves is not None:
            return "Terminating:Wait"
        if self.lifecycle is not None or now >= self.in_service:
            return self.lifecycle or "InService"
        waits = self.waits_from is not None and now >= self.waits_from
        return "Pending:Wait" if waits else "Pending"

    def runs(self, now: datetime) -> bool:
        """Say whether its program is up."""
        lives = self.dies is None or now < self.dies
        here = self.ec2 == "running" and not self.deaf
        return here and lives and self.version is not None and now >= self.up


@dataclass
class Activity:
    """A scaling activity: what was begun, when, with which instance, and for which cause.

    It ends at `ended` or, where that is None, when its instance is in service, or has left.
    """

    text: str
    start: datetime
    machine: Machine | None = None
    ended: datetime | None = None
    status: str = "Successful"
    cause: str = ""


@dataclass
class FakeGroup:
    """An Auto Scaling group.

    A launch is Pending for `pending`, held by `hook`, and its program up after `boot`; a member
    takes `leave` to go. `boots` says what is booted where a release should be run, None for a
    program that never comes up; without a releases bucket `image` is booted, and stale boots run
    `baked`. `pool` is how many instances its warm pool holds, stopped. `launching` says what
    becomes of a launch, and there is `room` for so many members; `replaces` whether unhealthy ones
    are; `checks` says whether what its load balancer calls unhealthy is. That balancer gets
    traffic in `served_zones` (None: all) that no zonal shift has left (`shifted`).
    `waits_for_warmup` says whether scaling activities end with the warm-up. It launches from a
    version of a template, if it has a `template`: a number, `$Latest` or `$Default`. `max_size` is
    its MaxSize. `more` is what a describe shows besides.
    """

    name: str
    desired: int
    tags: dict[str, str]
    grace: timedelta = timedelta(0)
    warmup: timedelta | None = None
    pending: timedelta = timedelta(minutes=1)
    boot: timedelta = timedelta(minutes=2)
    leave: timedelta = timedelta(0)
    hook: LaunchHook | None = None
    pool: int = 0
    balanced: bool = False
    checks: Literal["EC2", "ELB"] = "EC2"
    served_zones: frozenset[str] | None = None
    shifted: frozenset[str] = frozenset()
    waits_for_warmup: bool = False
    template: str | None = None
    template_version: str = "$Latest"
    max_size: int = 1000
    more: dict[str, Any] = field(default_factory=dict)
    machines: list[Machine] = field(default_factory=list)
    activities: list[Activity] = field(default_factory=list)
    boots: Callable[[str | None], str | None] = lambda released: released
    image: tuple[str, Boots] = (OLD, "good")
    baked: str = OLD
    launching: Literal["works", "fails", "hangs"] = "works"
    room: int = 1000
    replaces: bool = True

    @property
    def app(self) -> str:
        """The app whose releases it boots."""
        return self.tags["terminator:app"]

    @property
    def follows(self) -> frozenset[str]:
        """What it follows: `release`, `template`, or both."""
        return frozenset(self.tags.get("terminator:follow", "release").split())

    @property
    def boots_releases(self) -> bool:
        """Whether its instances download a release; else their image has the program."""
        return "release" in self.follows

    def members(self, now: datetime) -> list[Machine]:
        """Return the members that are still listed."""
        return [m for m in self.machines if m.leaves is None or m.leaves > now]

    def staying(self) -> list[Machine]:
        """Return the members that are not leaving."""
        return [m for m in self.machines if m.leaves is None]

    def counted(self) -> list[Machine]:
        """Return the members that make up its desired capacity."""
        aside = ("Standby", "EnteringStandby", "Warmed:", "Detach")
        return [m for m in self.staying() if not (m.lifecycle or "").startswith(aside)]

    def suspends(self, process: str) -> bool:
        """Say whether a process of the group is suspended."""
        return any(p["ProcessName"] == process for p in self.more.get("SuspendedProcesses", ()))

    def takes_traffic(self, machine: Machine) -> bool:
        """Say whether its load balancer, if it has one, sends a member traffic."""
        used = self.served_zones is None or machine.zone in self.served_zones
        return not self.balanced or (used and machine.zone not in self.shifted and not machine.sick)

    def begin(self, text: str, at: datetime, machine: Machine, cause: str = "") -> None:
        """Begin an activity with an instance; what was under way with it before has ended."""
        for activity in self.activities:
            if activity.machine is machine and activity.ended is None:
                activity.ended = min(machine.in_service, at)
                activity.status = "Successful" if machine.in_service <= at else "Cancelled"
        self.activities.append(Activity(f"{text}: {machine.id}", at, machine, cause=cause))

    def start(self, machine: Machine, at: datetime) -> None:
        """Start an instance: from then on it boots, and is on its way into service."""
        hook, program = self.hook, machine.program
        machine.up = at + self.boot + program.late
        machine.in_service = at + self.pending
        if hook is not None:
            machine.waits_from = machine.in_service
            machine.in_service += hook.holds
            if hook.reports:
                reported = machine.up if machine.version else at + NEVER
                machine.in_service = max(machine.in_service, reported)
        answers = max(machine.up, machine.in_service)
        machine.dies = None if program.dies is None else answers + program.dies
