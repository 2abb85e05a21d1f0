"""A model of Auto Scaling that lives by itself, with what the local AWS never shows.

Groups keep their desired capacity: they launch, replace what is unhealthy, and remove what is
too many, late and of their own choice. What boots may come up late, stale, flapping, or never.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from terminator.probe.ask import Answer, Question
from tests.fakes import cloud_api
from tests.fakes.cloud import Cloud, FakeGroup, Machine, Stored, minutes, refusal

Boots = Literal["good", "dead", "stale", "late", "flapping", "sick"]

# Every version there is, and its rank: SemVer's precedence, done by hand.
RANKS = {
    "0.9.0": 0,
    "1.0.0": 1,
    "1.1.0-rc.1": 2,
    "1.1": 3,
    "1.1.0": 3,
    "1.1.0+a": 3,
    "1.1.0+b": 3,
    "1.9.0": 4,
    "1.10.0": 5,
    "2.0.0-beta.2": 6,
    "2.0.0-beta.11": 7,
    "2.0.0": 8,
    "v2.1": 9,
    "10": 10,
    "2026.11": 11,
    "2027.1": 12,
}
OLD, LAST = "1.0.0", "2027.1"

_ILL_FOR = minutes(3)
_LATE = minutes(40)


def number_of(*parts: object) -> int:
    """Return a number that is the same for the same parts, in every process."""
    return zlib.crc32("|".join(map(str, parts)).encode())


@dataclass
class Box(Machine):
    """An instance; `deaf` never answers again, `flaps` misses every third question."""

    flaps: bool = False
    deaf: bool = False
    sick: bool = False
    ill_since: datetime | None = None


@dataclass
class Asg(FakeGroup):
    """A group; `launching` says what becomes of a launch, `image` boots without a bucket."""

    launching: Literal["works", "fails", "hangs"] = "works"
    image: tuple[str, Boots] = (OLD, "good")
    replaces: bool = True

    @property
    def app(self) -> str:
        """The app whose releases it boots."""
        return self.tags["terminator:app"]

    def suspends(self, process: str) -> bool:
        """Say whether a process of the group is suspended."""
        return any(p["ProcessName"] == process for p in self.more.get("SuspendedProcesses", ()))


@dataclass
class Region(Cloud):
    """The account, whose groups move by themselves whenever time passes.

    `lag` is how old the groups are that a describe shows; `skew` how far S3's clock is ahead;
    `boots` says how the release of an app comes up; `repeats` says whether terminating again
    what is leaving is accepted; `deaf_until` mutes every instance.
    """

    bucket: bool = True
    versioned: bool = True
    lag: timedelta = timedelta(0)
    skew: timedelta = timedelta(0)
    boots: dict[tuple[str, str], Boots] = field(default_factory=dict)
    repeats: bool = False
    rounds: int = 0
    deaf_until: int = 0
    past: dict[str, list[tuple[datetime, dict[str, Any]]]] = field(default_factory=dict)

    def found(self, name: str, desired: int, **more: Any) -> Asg:
        """Found a group that opted in, with machines up for ten hours on the old release."""
        tags = {"terminator:enabled": "true", "terminator:app": "web", **more.pop("tags", {})}
        group = self.groups[name] = Asg(name, desired, tags, **more)
        for number in range(desired):
            at = self.now - minutes(600 + number)
            self.start(group, at, (OLD, "good"))
        self.tick()
        return group

    def asgs(self) -> list[Asg]:
        """Return the groups, by name."""
        return [group for _, group in sorted(self.groups.items()) if isinstance(group, Asg)]

    def boxes(self, group: FakeGroup) -> list[Box]:
        """Return the members of a group that are not leaving."""
        members = group.members(self.now)
        return [m for m in members if isinstance(m, Box) and m.leaves is None]

    def put(self, key: str, data: bytes | None) -> None:
        """Store an object as S3's clock has it, or delete it; only versions leave markers."""
        if not self.versioned:
            self.stored = [each for each in self.stored if each.key != key]
        if data is not None or self.versioned:
            self.stored.append(Stored(key, (self.now + self.skew).replace(microsecond=0), data))

    def release(self, app: str) -> str | None:
        """Return the version that boot scripts of the app download: its pointer's, else newest."""
        objects = self.current()
        zips = {k.split("/")[1].removesuffix(".zip"): o for k, o in objects.items() if "zip" in k}
        mine = {version: zips[version] for version in zips if f"{app}/{version}.zip" in objects}
        if pointer := objects.get(f"{app}/current"):
            named = (pointer.data or b"").decode()
            mine = {version: mine[version] for version in mine if same(version, named)}
        return max(mine, key=lambda v: (RANKS[v], mine[v].when, v), default=None)

    def start(
        self, group: Asg, at: datetime | None = None, what: tuple[str, Boots] | None = None
    ) -> Box:
        """Start an instance, which boots what its app should run by then."""
        at, self._launches = at or self.now, self._launches + 1
        version, how = what or self._booted(group)
        hangs = group.launching == "hangs" and what is None
        box = Box(
            id=f"i-{self._launches:04}",
            launched=at.replace(microsecond=0),
            in_service=at + (minutes(10**6) if hangs else group.pending),
            up=at + group.boot + (_LATE if how == "late" else timedelta(0)),
            version=None if how == "dead" else OLD if how == "stale" else version,
            zone="abc"[number_of(self._launches) % 3],
            flaps=how == "flapping",
            sick=how == "sick",
        )
        group.machines.append(box)
        return box

    def _booted(self, group: Asg) -> tuple[str, Boots]:
        if not self.bucket:
            return group.image
        version = self.release(group.app)
        return (version, self.boots.get((group.app, version), "good")) if version else ("", "dead")

    def wait(self, number: float) -> None:
        """Let minutes pass, a few at a time; groups move in between."""
        steps = max(1, min(6, int(number / 2)))
        for _ in range(steps):
            super().wait(number / steps)
            self.tick()

    def tick(self) -> None:
        """Let Auto Scaling do what it does by itself."""
        for group in self.asgs():
            self._replace_ill(group)
            here = [box for box in self.boxes(group) if _kept(box)]
            for box in self._surplus(group, here):
                box.leaves = self.now + group.leave
            works = group.launching != "fails" and not group.suspends("Launch")
            for _ in range(group.desired - len(here) if works else 0):
                self.enter(group)
            for box in self.boxes(group):
                box.target = self._target_state(box)
            self.remember(group)

    def _replace_ill(self, group: Asg) -> None:
        for box in self.boxes(group):
            ill = box.ill_since is not None and self.now - box.ill_since > _ILL_FOR
            if ill and group.replaces and not group.suspends("Terminate"):
                box.leaves = self.now + group.leave

    def _surplus(self, group: Asg, here: Sequence[Box]) -> list[Box]:
        surplus = len(here) - group.desired
        in_no_hurry = number_of(self.now.minute, group.name) % 3
        if surplus <= 0 or in_no_hurry or group.suspends("Terminate"):
            return []
        free = [box for box in here if not box.protected]
        return sorted(free, key=lambda box: (box.launched, box.id))[:surplus]

    def enter(self, group: Asg) -> None:
        """Let a member enter service: out of the warm pool if one is there, else a new one."""
        warm = [box for box in self.boxes(group) if (box.lifecycle or "").startswith("Warmed:")]
        if not warm:
            self.start(group)
            return
        box = min(warm, key=lambda box: box.id)
        box.lifecycle, box.launched = None, self.now.replace(microsecond=0)
        box.in_service, box.up = self.now + group.pending, self.now + group.boot

    def _target_state(self, box: Box) -> str:
        if box.sick:
            return "unhealthy"
        return "healthy" if box.version and not box.deaf and self.now >= box.up else "initial"

    def remember(self, group: Asg) -> None:
        """Keep how the group looks now, for describes that lag behind."""
        row = cloud_api.AutoScaling(self).row(group)
        self.past.setdefault(group.name, []).append((self.now, row))
        del self.past[group.name][:-40]

    def shown(self, name: str) -> dict[str, Any]:
        """Return a group as a describe shows it, in no order and as late as describes lag."""
        if self.lag:
            past = [row for at, row in self.past[name] if at <= self.now - self.lag]
            row = past[-1] if past else self.past[name][0][1]
        else:
            row = cloud_api.AutoScaling(self).row(self.groups[name])
        self.rounds += 1
        mixed = sorted(row["Instances"], key=lambda m: number_of(m["InstanceId"], self.rounds))
        return {**row, "Instances": mixed}

    def terminate(self, group: FakeGroup, machine: Machine) -> None:
        """Let a member leave; its replacement comes when the group looks again."""
        if machine.leaves is not None and machine.leaves <= self.now:
            raise refusal("ValidationError", "Instance Id not found - No managed instance found")
        if machine.leaves is not None and not self.repeats:
            raise refusal("ScalingActivityInProgress", "it is terminating")
        if machine.leaves is None:
            machine.leaves = self.now + group.leave
            self.kills.append((self.now, group.name, machine.id))
        self.tick()

    def answers(self, box: Box, asked: int | None = None) -> bool:
        """Say whether the instance answers: in one round of questions, or by and large."""
        # What is leaving may serve on for a while, and describes that lag still show it.
        here = box.leaves is None or number_of(box.id, "drains") % 2 == 0
        up = here and box.version is not None and not box.deaf and self.now >= box.up
        if asked is None:
            return up
        flaps = box.flaps and number_of(box.id, asked) % 3 == 0
        return up and not flaps and asked >= self.deaf_until

    def probe(self, _vpc: str, questions: Sequence[Question], _seconds: float) -> list[Answer]:
        """Answer for the instances, in one round of questions."""
        self.rounds += 1
        members = [m for group in self.asgs() for m in group.members(self.now)]
        boxes = {box.id: box for box in members if isinstance(box, Box)}
        return [self._reply(boxes.get(each["instance"]), each["instance"]) for each in questions]

    def _reply(self, box: Box | None, id_: str) -> Answer:
        if box is None or not self.answers(box, self.rounds):
            return Answer(instance=id_, version=None, reason="timeout")
        return Answer(instance=id_, version=box.version, reason=None)

    def available(self, group: FakeGroup) -> int:
        """Return how many members serve, answer and are healthy to the load balancer."""
        return sum(
            box.state(self.now) == "InService"
            and box.health == "Healthy"
            and self.answers(box)
            and not (group.balanced and box.sick)
            for box in self.boxes(group)
        )


def same(one: str, other: str) -> bool:
    """Say whether two versions name one release: build metadata counts where both have it."""
    builds = {text.partition("+")[2] for text in (one, other)} - {""}
    return one in RANKS and other in RANKS and RANKS[one] == RANKS[other] and len(builds) < 2


def _kept(box: Box) -> bool:
    return not (box.lifecycle or "").startswith(("Standby", "EnteringStandby", "Warmed:", "Detach"))
