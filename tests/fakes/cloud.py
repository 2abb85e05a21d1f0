"""A model of an AWS account in memory: its groups and instances, releases, alarms.

It shows what the local AWS never does: members are Pending while they launch and may take hours
to leave, programs come up late, stale or never, load balancers disagree, calls fail. A cloud that
`lives` also does what Auto Scaling does by itself whenever time passes: it keeps the desired
capacity, replaces what is unhealthy, and removes what is too many, late and of its own choice.
`cloud_api` puts the model behind boto3's calls.
"""

from __future__ import annotations

import copy
import io
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from botocore.exceptions import ClientError

from terminator.probe.ask import Answer, Question
from terminator.report.log_lines import Line
from tests.decide.builders import NOW

# How a release comes up where it is booted: `stale` runs the instance's old release instead.
Boots = Literal["good", "dead", "stale", "late", "flapping", "sick"]
OLD = "1.0.0"
_LATE = timedelta(minutes=40)
# For how long Auto Scaling leaves an unhealthy member in service.
_ILL_FOR = timedelta(minutes=3)
# How many of its past states a group keeps, for describes that lag.
_REMEMBERED = 40


def minutes(number: float) -> timedelta:
    """Return so many minutes."""
    return timedelta(minutes=number)


def refusal(code: str, message: str = "no") -> ClientError:
    """Return the error that boto3 raises for an answer of AWS with this code."""
    return ClientError({"Error": {"Code": code, "Message": message}}, "Operation")


def number_of(*parts: object) -> int:
    """Return a number that is the same for the same parts, in every process."""
    return zlib.crc32("|".join(map(str, parts)).encode())


@dataclass
class Machine:
    """An instance: Pending, then InService, and answering `version` once its program is up.

    `lifecycle` is a state that it was put in by hand, `target` what its load balancer says of it.
    `deaf` never answers again, `flaps` misses every third question, `sick` is unhealthy at the
    load balancer, and `hidden` is unknown to DescribeInstances.
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
    sick: bool = False
    ill_since: datetime | None = None

    def state(self, now: datetime) -> str:
        """Return its lifecycle state."""
        if self.leaves is not None:
            return "Terminating:Wait"
        return self.lifecycle or ("InService" if now >= self.in_service else "Pending")


@dataclass
class FakeGroup:
    """An Auto Scaling group.

    A launch is Pending for `pending` and its program up after `boot`; a member takes `leave` to
    go. `boots` says what is booted where a release should be run, None for a program that never
    comes up; without a releases bucket `image` is booted. `launching` says what becomes of a
    launch, `replaces` whether unhealthy members are. `more` is what a describe shows besides.
    """

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
    image: tuple[str, Boots] = (OLD, "good")
    launching: Literal["works", "fails", "hangs"] = "works"
    replaces: bool = True

    @property
    def app(self) -> str:
        """The app whose releases it boots."""
        return self.tags["terminator:app"]

    def members(self, now: datetime) -> list[Machine]:
        """Return the members that are still listed."""
        return [m for m in self.machines if m.leaves is None or m.leaves > now]

    def staying(self) -> list[Machine]:
        """Return the members that are not leaving."""
        return [m for m in self.machines if m.leaves is None]

    def suspends(self, process: str) -> bool:
        """Say whether a process of the group is suspended."""
        return any(p["ProcessName"] == process for p in self.more.get("SuspendedProcesses", ()))


@dataclass
class Stored:
    """A version of an object, or a delete marker (no data)."""

    key: str
    when: datetime
    data: bytes | None


@dataclass
class Cloud:
    """The account; time passes only when told.

    `comes_up` says how a release of an app comes up. `faults` are raised by calls, `muted`
    counts the answers that an instance still withholds; until round `deaf_until` of questions no
    instance answers. `lag` is how old the groups are that a describe shows, `skew` how far S3's
    clock is ahead; `repeats` says whether terminating what is leaving already is accepted.
    """

    now: datetime = NOW
    lives: bool = False
    groups: dict[str, FakeGroup] = field(default_factory=dict)
    bucket: bool = True
    versioned: bool = True
    stored: list[Stored] = field(default_factory=list)
    comes_up: dict[tuple[str, str], Boots] = field(default_factory=dict)
    alarms: dict[str, str] = field(default_factory=dict)
    refreshes: dict[str, str] = field(default_factory=dict)
    faults: dict[tuple[str, str], Exception] = field(default_factory=dict)
    muted: dict[str, int] = field(default_factory=dict)
    deaf_until: int = 0
    lag: timedelta = timedelta(0)
    skew: timedelta = timedelta(0)
    repeats: bool = False
    calls: Counter[str] = field(default_factory=Counter)
    kills: list[tuple[datetime, str, str]] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    lowest: dict[str, int] = field(default_factory=dict)
    rounds: int = 0
    _launches: int = 0
    past: dict[str, list[tuple[datetime, FakeGroup]]] = field(default_factory=dict)

    def wait(self, number: float) -> None:
        """Let minutes pass; a cloud that lives moves a few times meanwhile."""
        steps = max(1, min(6, int(number / 2))) if self.lives else 1
        for _ in range(steps):
            self.now += minutes(number / steps)
            if self.lives:
                self.tick()

    def called(self, operation: str, *subjects: str) -> None:
        """Count a call, and fail it where a fault was set for one of its subjects."""
        self.calls[operation] += 1
        for subject in subjects or ("",):
            if fault := self.faults.get((operation, subject)):
                raise fault

    def said(self) -> list[str]:
        """Return the log lines so far, and forget them."""
        texts, self.lines[:] = [line.text for line in self.lines], []
        return texts

    # Releases.

    def upload(self, app: str, version: str) -> None:
        """Upload a release."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("program", version)
        self.put(f"{app}/{version}.zip", buffer.getvalue())

    def put(self, key: str, data: bytes | None) -> None:
        """Store an object as S3's clock has it, or with None delete it."""
        if not self.versioned:
            self.stored = [each for each in self.stored if each.key != key]
        if data is not None or self.versioned:
            self.stored.append(Stored(key, (self.now + self.skew).replace(microsecond=0), data))

    def current(self) -> dict[str, Stored]:
        """Return the objects that are there, by key."""
        newest = {each.key: each for each in self.stored}
        return {key: each for key, each in newest.items() if each.data is not None}

    def release(self, app: str) -> str | None:
        """Return the version that boot scripts of the app download: its pointer's, else newest."""
        objects, folder = self.current(), f"{app}/"
        keys = [key for key in objects if key.startswith(folder) and key.endswith(".zip")]
        zips = {key.removeprefix(folder).removesuffix(".zip"): objects[key] for key in keys}
        if pointer := objects.get(f"{app}/current"):
            named = (pointer.data or b"").decode()
            zips = {version: each for version, each in zips.items() if same(version, named)}
        return max(zips, key=lambda v: (precedence(v), zips[v].when, v), default=None)

    # Groups and their instances.

    def add_group(
        self,
        name: str,
        desired: int,
        *,
        tags: dict[str, str] | None = None,
        apart: float = 0,
        **more: Any,
    ) -> FakeGroup:
        """Add a group that opted in, with machines up for ten hours on the app's release.

        Each machine was launched so many minutes before the one with the next lower id.
        """
        own = {"terminator:enabled": "true", "terminator:app": "web", **(tags or {})}
        group = self.groups[name] = FakeGroup(name, desired, own, **more)
        for number in range(desired):
            self.launch(group, at=self.now - minutes(600 + number * apart))
        if self.lives:
            self.tick()
        return group

    def launch(
        self,
        group: FakeGroup,
        at: datetime | None = None,
        what: tuple[str | None, Boots] | None = None,
    ) -> Machine:
        """Launch a member, which boots what its app should run by then, or `what` is given."""
        at, self._launches = at or self.now, self._launches + 1
        version, how = what or self._booted(group)
        hangs = group.launching == "hangs" and what is None
        machine = Machine(
            id=f"i-{self._launches:04}",
            launched=at.replace(microsecond=0),
            in_service=at + (minutes(10**6) if hangs else group.pending),
            up=at + group.boot + (_LATE if how == "late" else timedelta(0)),
            version=None if how == "dead" else OLD if how == "stale" else version,
            zone=f"eu-west-1{'abc'[number_of(self._launches) % 3] if self.lives else 'a'}",
            flaps=how == "flapping",
            sick=how == "sick",
        )
        group.machines.append(machine)
        return machine

    def _booted(self, group: FakeGroup) -> tuple[str | None, Boots]:
        if not self.bucket:
            return group.image
        version = group.boots(self.release(group.app))
        return version, self.comes_up.get((group.app, version or ""), "good")

    def terminate(self, group: FakeGroup, machine: Machine) -> None:
        """Let a member leave, and launch its replacement."""
        if machine.leaves is not None and machine.leaves <= self.now:
            raise refusal("ValidationError", "Instance Id not found - No managed instance found")
        if machine.leaves is not None and not self.repeats:
            raise refusal("ScalingActivityInProgress", "it is terminating")
        if machine.leaves is None:
            machine.leaves = self.now + group.leave
            self.kills.append((self.now, group.name, machine.id))
            if not self.lives:
                self.launch(group)
        if self.lives:
            self.tick()

    def by_name(self) -> list[FakeGroup]:
        """Return the groups, by name."""
        return [group for _, group in sorted(self.groups.items())]

    def shown(self, name: str) -> tuple[FakeGroup, datetime]:
        """Return a group as a describe shows it now, and as of when.

        Where the cloud lives, its members are in no order, and as late as describes lag.
        """
        group, at = self.groups[name], self.now
        if not self.lives:
            return group, at
        if self.lag:
            past = self.past[name]
            at, group = next((e for e in reversed(past) if e[0] <= at - self.lag), past[0])
        self.rounds += 1
        mixed = sorted(group.members(at), key=lambda m: number_of(m.id, self.rounds))
        return replace(group, machines=mixed), at

    # What instances answer.

    def answers(self, machine: Machine, asked: int | None = None) -> bool:
        """Say whether the instance answers: in one round of questions, or by and large."""
        # What is leaving may serve on for a while, and describes that lag still show it.
        here = machine.leaves is None or number_of(machine.id, "drains") % 2 == 0
        up = machine.version is not None and self.now >= machine.up
        if asked is None or not (here and up and not machine.deaf):
            return here and up and not machine.deaf
        flaps = machine.flaps and number_of(machine.id, asked) % 3 == 0
        return not flaps and asked >= self.deaf_until

    def probe(self, _vpc: str, questions: Sequence[Question], _seconds: float) -> list[Answer]:
        """Answer for the instances, in one round of questions."""
        self.rounds += 1
        machines = {m.id: m for g in self.groups.values() for m in g.members(self.now)}
        return [self._answer(q["instance"], machines.get(q["instance"])) for q in questions]

    def _answer(self, id_: str, machine: Machine | None) -> Answer:
        withheld = self.muted.get(id_, 0)
        self.muted[id_] = max(0, withheld - 1)
        if withheld or machine is None or not self.answers(machine, self.rounds):
            return Answer(instance=id_, version=None, reason="connection refused")
        return Answer(instance=id_, version=machine.version, reason=None)

    def available(self, group: FakeGroup) -> int:
        """Return how many members serve, answer and are healthy to the load balancer."""
        return sum(
            m.state(self.now) == "InService"
            and m.health == "Healthy"
            and self.answers(m)
            and not (group.balanced and m.sick)
            for m in group.staying()
        )

    def look(self) -> None:
        """Take note of the lowest number available that each group ever had."""
        for group in self.groups.values():
            seen = self.available(group)
            self.lowest[group.name] = min(seen, self.lowest.get(group.name, seen))

    # What Auto Scaling does by itself.

    def tick(self) -> None:
        """Let Auto Scaling do what it does by itself."""
        for group in self.by_name():
            self._replace_ill(group)
            here = [m for m in group.staying() if _is_kept(m)]
            for machine in self._surplus(group, here):
                machine.leaves = self.now + group.leave
            works = group.launching != "fails" and not group.suspends("Launch")
            for _ in range(group.desired - len(here) if works else 0):
                self._enter(group)
            for machine in group.staying():
                machine.target = self._target_state(machine)
            self._remember(group)

    def _replace_ill(self, group: FakeGroup) -> None:
        for machine in group.staying():
            ill = machine.ill_since is not None and self.now - machine.ill_since > _ILL_FOR
            if ill and group.replaces and not group.suspends("Terminate"):
                machine.leaves = self.now + group.leave

    def _surplus(self, group: FakeGroup, here: Sequence[Machine]) -> list[Machine]:
        surplus = len(here) - group.desired
        in_no_hurry = number_of(self.now.minute, group.name) % 3
        if surplus <= 0 or in_no_hurry or group.suspends("Terminate"):
            return []
        free = [machine for machine in here if not machine.protected]
        return sorted(free, key=lambda machine: (machine.launched, machine.id))[:surplus]

    def _enter(self, group: FakeGroup) -> None:
        """Let a member enter service: out of the warm pool if one is there, else a new one."""
        warm = [m for m in group.staying() if (m.lifecycle or "").startswith("Warmed:")]
        if not warm:
            self.launch(group)
            return
        machine = min(warm, key=lambda m: m.id)
        machine.lifecycle, machine.launched = None, self.now.replace(microsecond=0)
        machine.in_service, machine.up = self.now + group.pending, self.now + group.boot

    def _target_state(self, machine: Machine) -> str:
        if machine.sick:
            return "unhealthy"
        is_up = machine.version is not None and self.now >= machine.up
        return "healthy" if is_up and not machine.deaf else "initial"

    def _remember(self, group: FakeGroup) -> None:
        """Keep how the group looks now, for describes that lag behind."""
        members = [copy.copy(machine) for machine in group.members(self.now)]
        kept = replace(group, tags={**group.tags}, more={**group.more}, machines=members)
        past = self.past.setdefault(group.name, [])
        past.append((self.now, kept))
        del past[:-_REMEMBERED]


def _is_kept(machine: Machine) -> bool:
    aside = ("Standby", "EnteringStandby", "Warmed:", "Detach")
    return not (machine.lifecycle or "").startswith(aside)


_VERSION = re.compile(r"v?(?P<numbers>\d+(?:\.\d+)*)(?:-(?P<pre>[^+]+))?(?:\+.+)?")


def precedence(version: str) -> tuple[Any, ...]:
    """Return what a version is ordered by, after SemVer; nothing for what is no version."""
    match = _VERSION.fullmatch(version)
    if match is None:
        return ()
    numbers = [int(part) for part in match["numbers"].split(".")]
    while numbers[-1:] == [0]:
        numbers.pop()
    parts = (match["pre"] or "").split(".")
    pre = [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts]
    return (numbers, match["pre"] is None, pre)


def same(one: str, other: str) -> bool:
    """Say whether two versions name one release: build metadata counts where both have it."""
    builds = {text.partition("+")[2] for text in (one, other)} - {""}
    return len(builds) <= 1 and precedence(one) == precedence(other) != ()


def fleet(*names: str, size: int = 3, **more: Any) -> tuple[Cloud, list[FakeGroup]]:
    """Return a cloud whose groups run 1.0.266 and should run 1.0.274."""
    cloud = Cloud(now=NOW - minutes(6000))
    cloud.upload("web", "1.0.266")
    cloud.wait(6000)
    groups = [cloud.add_group(name, size, **more) for name in names or ("web",)]
    cloud.upload("web", "1.0.274")
    return cloud, groups
