"""A model of an AWS account in memory: its groups and instances, releases, alarms.

It shows what the local AWS never does: members are Pending while they launch, hooks hold them,
they may take hours to leave, programs come up late, stale or never and die, load balancers
disagree, calls fail. A cloud that `lives` also does what Auto Scaling does by itself whenever
time passes: it keeps the desired capacity and the warm pool, abandons launches, replaces what is
unhealthy, and removes what is too many, late and of its own choice. `groups` has the groups,
`objects` the bucket, and `cloud_api` puts the model behind boto3's calls.
"""

from __future__ import annotations

import io
import zipfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, TypeVar

from botocore.exceptions import ClientError

from terminator.probe.ask import Answer, Question
from terminator.report.log_lines import Line
from tests.decide.builders import NOW
from tests.fakes.groups import (
    NEVER,
    OLD,
    PROGRAMS,
    Activity,
    Boots,
    FakeGroup,
    Machine,
    Program,
    Template,
    minutes,
    number_of,
)
from tests.fakes.objects import UNVERSIONED, Stored, expired, newest_release, precedence, there
from tests.fakes.refreshes import FakeRefresh, Refreshes

# What tests take from here, whichever module it is in.
__all__ = [
    "OLD",
    "Change",
    "Cloud",
    "FakeGroup",
    "Machine",
    "fleet",
    "minutes",
    "number_of",
    "precedence",
    "refusal",
]

Thing = TypeVar("Thing")

# For how long Auto Scaling leaves an unhealthy member in service.
_ILL_FOR = timedelta(minutes=3)
# For how long it takes one that EC2 does not run any more for healthy, and how long a load
# balancer takes until it calls a target that does not answer unhealthy.
_UNNOTICED = timedelta(minutes=2)
_FAILS_AGAIN = timedelta(minutes=10)
_FAILED_CHECK = (
    "an instance was taken out of service in response to an ELB system health check failure"
)
_FOUND_GONE = (
    "an instance was taken out of service in response to an EC2 health check indicating it has "
    "been terminated or stopped"
)
_ON_REQUEST = "an instance was taken out of service in response to a user request"
# How many of its past states a group keeps, for describes that lag.
_REMEMBERED = 40


def refusal(code: str, message: str = "no") -> ClientError:
    """Return the error that boto3 raises for an answer of AWS with this code."""
    return ClientError({"Error": {"Code": code, "Message": message}}, "Operation")


@dataclass(frozen=True)
class Change:
    """A change of the state of an alarm."""

    when: datetime
    name: str
    before: str
    after: str


@dataclass
class Cloud:
    """The account; time passes only when told.

    `comes_up` says how a release of an app comes up, by chances that `seed` decides. `faults`
    are raised by calls, `muted` counts the answers that an instance still withholds; until round
    `deaf_until` of questions no instance answers. `lag` is how old the groups are that a describe
    shows, `skew` how far S3's clock is ahead; `repeats` says whether terminating what is leaving
    already is accepted. The bucket's versioning may be `suspended`; lifecycle rules expire objects
    after `expires_after`, and delete versions that are no longer the latest after `keeps`.
    `templates` are launch templates, by id, with their versions, the default one of each in
    `default_versions`, its highest number ever in `numbered`, and `parameters` are images by the
    names that templates may give in their place. `alarms` are states by name; when they changed
    is noted as time passes. Each looks back at five minutes, or at its own of `spans`. Where
    describes may `lag` it `remembers` how groups looked.
    `refreshes` has the status of an instance refresh of a group that only stands there, and
    `refreshed` those of each group that go on as time passes.
    """

    now: datetime = NOW
    lives: bool = False
    seed: int = 0
    groups: dict[str, FakeGroup] = field(default_factory=dict)
    bucket: bool = True
    versioned: bool = True
    suspended: bool = False
    stored: list[Stored] = field(default_factory=list)
    templates: dict[str, list[Template]] = field(default_factory=dict)
    default_versions: dict[str, int] = field(default_factory=dict)
    numbered: dict[str, int] = field(default_factory=dict)
    parameters: dict[str, str] = field(default_factory=dict)
    expires_after: timedelta | None = None
    keeps: timedelta | None = None
    comes_up: dict[tuple[str, str], Boots | Program] = field(default_factory=dict)
    alarms: dict[str, str] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    spans: dict[str, timedelta] = field(default_factory=dict)
    refreshes: dict[str, str] = field(default_factory=dict)
    refreshed: dict[str, Refreshes] = field(default_factory=dict)
    faults: dict[tuple[str, str], Exception] = field(default_factory=dict)
    muted: dict[str, int] = field(default_factory=dict)
    deaf_until: int = 0
    remembers: bool = False
    lag: timedelta = timedelta(0)
    skew: timedelta = timedelta(0)
    repeats: bool = False
    calls: Counter[str] = field(default_factory=Counter)
    kills: list[tuple[datetime, str, str]] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    lowest: dict[str, int] = field(default_factory=dict)
    rounds: int = 0
    _launches: int = 0
    _puts: int = 0
    past: dict[str, list[tuple[datetime, FakeGroup]]] = field(default_factory=dict)

    def wait(self, number: float) -> None:
        """Let minutes pass; a cloud that lives moves a few times meanwhile."""
        steps = max(1, min(6, int(number / 2))) if self.lives else 1
        for _ in range(steps):
            self.note_alarms()
            self.now += minutes(number / steps)
            self._apply_lifecycle_rules()
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

    def note_alarms(self) -> None:
        """Note which alarms have changed their state."""
        states = {change.name: change.after for change in self.changes}
        for name, state in self.alarms.items():
            before = states.get(name, "INSUFFICIENT_DATA")
            if state != before or name not in states:
                self.changes.append(Change(self.now, name, before, state))

    # Releases.

    def upload(self, app: str, version: str, *, built: str | None = None, **more: Any) -> None:
        """Upload a release; what is `built` tells one build of a version from another."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr(zipfile.ZipInfo("program"), built or version)
        self.put(f"{app}/{version}.zip", buffer.getvalue(), **more)

    def point(self, app: str, version: str | None) -> None:
        """Point an app to a version; to None: take its pointer away."""
        self.put(f"{app}/current", None if version is None else version.encode())

    def put(
        self, key: str, data: bytes | None, *, parts: int = 0, took: timedelta = timedelta(0)
    ) -> None:
        """Store an object as S3's clock has it, or with None delete it.

        What is uploaded in parts is dated when its upload began, which `took` so long.
        """
        keeps = self.versioned and not self.suspended
        if not keeps:
            gone = [
                each for each in self.stored if (each.key, each.version_id) == (key, UNVERSIONED)
            ]
            self.stored = [each for each in self.stored if each not in gone]
        if data is None and not self.versioned:
            return
        self._puts += 1
        version_id = f"v{self._puts}" if keeps else UNVERSIONED
        when = (self.now + self.skew - took).replace(microsecond=0)
        self.stored.append(Stored(key, when, data, version_id, parts))

    def restore(self, app: str, version: str) -> None:
        """Remove the delete marker of a zip, as a person does who wants it back."""
        marker = next(e for e in reversed(self.stored) if e.key == f"{app}/{version}.zip")
        assert marker.data is None
        self.stored.remove(marker)

    def current(self) -> dict[str, Stored]:
        """Return the objects that are there, by key."""
        return there(self.stored)

    def release(self, app: str) -> str | None:
        """Return the version that boot scripts of the app download."""
        return newest_release(self.current(), app)

    def _apply_lifecycle_rules(self) -> None:
        if self.expires_after is not None:
            for key, each in self.current().items():
                if self.now - each.when > self.expires_after:
                    self.put(key, None)
        if self.keeps is not None:
            for each in expired(self.stored, self.now, self.keeps):
                self.stored.remove(each)

    # Launch templates.

    def make_version(
        self,
        template: str,
        image: str | None = None,
        boots: Boots | Program = "good",
        tags: Mapping[str, str] = MappingProxyType({}),
    ) -> Template:
        """Make a version of a launch template, and the template with its first.

        The number of one that was deleted is not given again.
        """
        versions = self.templates.setdefault(template, [])
        taken = [self.numbered.get(template, 0), *(each.number for each in versions)]
        number = self.numbered[template] = max(taken) + 1
        when = self.now.replace(microsecond=0)
        image = image or f"ami-{template}-{number}"
        versions.append(Template(template, number, image, when, boots, tags))
        self.default_versions.setdefault(template, number)
        return versions[-1]

    def delete_version(self, template: str) -> None:
        """Delete the newest version of a template; EC2 deletes none that is the default one."""
        versions = self.templates[template]
        newest = max(versions, key=lambda each: each.number)
        if newest.number != self.default_versions[template]:
            versions.remove(newest)

    def template_version(self, template: str, version: str) -> Template | None:
        """Return a version of a template as it is named, None where it does not exist."""
        versions = self.templates.get(template, [])
        newest = max((each.number for each in versions), default=0)
        named = {"$Latest": newest, "$Default": self.default_versions.get(template, 0)}
        number = named[version] if version in named else int(version)
        return next((each for each in versions if each.number == number), None)

    def image_of(self, template: Template) -> str:
        """Return the image that a launch from this would use, its parameter looked up."""
        return self.parameters.get(template.image, template.image)

    def launched_from(self, group: FakeGroup) -> Template | None:
        """Return the version of its template that a launch of the group would use now."""
        return self.template_version(group.template or "", group.template_version)

    def can_launch(self, group: FakeGroup) -> bool:
        """Say whether what the group launches from exists, and there is room for one more."""
        exists = group.template is None or self.launched_from(group) is not None
        return exists and len(group.counted()) < group.room

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
        machine = self._boot(group, at or self.now, what)
        group.begin("Launching a new EC2 instance", at or self.now, machine)
        return machine

    def _boot(
        self, group: FakeGroup, at: datetime, what: tuple[str | None, Boots] | None = None
    ) -> Machine:
        """Start a new instance of a group."""
        self._launches += 1
        template = self.launched_from(group)
        version, how = what or self._booted(group, template)
        program = PROGRAMS[how] if isinstance(how, str) else how
        id_, zone = f"i-{self._launches:04}", self._zone(group)
        if self._happens(program.hangs, id_, "hangs"):
            version = None
        elif zone == program.stale_in or self._happens(program.stale, id_, "stale"):
            version, program = group.baked, Program()
        machine = Machine(
            id=id_,
            launched=at.replace(microsecond=0),
            in_service=at,
            up=at,
            version=version,
            zone=zone,
            flaps=program.flaps,
            sick=program.refused,
            program=program,
            template=template,
            configuration=group.more.get("LaunchConfigurationName"),
            image=self.image_of(template) if template else None,
            labels={**template.tags} if template else {},
        )
        group.start(machine, at)
        if group.launching == "hangs" and what is None:
            machine.in_service = at + NEVER
        group.machines.append(machine)
        return machine

    def _booted(
        self, group: FakeGroup, template: Template | None
    ) -> tuple[str | None, Boots | Program]:
        if template is not None and (template.boots != "good" or not group.boots_releases):
            return OLD, template.boots
        if not self.bucket:
            return group.image
        version = group.boots(self.release(group.app))
        return version, self.comes_up.get((group.app, version or ""), "good")

    def _happens(self, chance: float, *what: str) -> bool:
        return number_of(self.seed, *what) % 10_000 < chance * 10_000

    def _zone(self, group: FakeGroup) -> str:
        """Return the zone that has the fewest members."""
        zones = [f"eu-west-1{letter}" for letter in ("abc" if self.lives else "a")]
        here = Counter(machine.zone for machine in group.counted())
        return min(zones, key=lambda zone: (here[zone], zone))

    def terminate(self, group: FakeGroup, machine: Machine) -> None:
        """Let a member leave, and launch its replacement."""
        if machine.leaves is not None and machine.leaves <= self.now:
            raise refusal("ValidationError", "Instance Id not found - No managed instance found")
        if machine.leaves is not None and not self.repeats:
            raise refusal("ScalingActivityInProgress", "it is terminating")
        if machine.leaves is None:
            self.let_leave(group, machine, _ON_REQUEST)
            self.kills.append((self.now, group.name, machine.id))
            if not self.lives:
                self.launch(group)
        if self.lives:
            self.tick()

    def start_refresh(self, group: FakeGroup, preferences: Mapping[str, Any]) -> str:
        """Start an instance refresh of a group that has none in progress; return its id."""
        refreshes = self.refreshed.setdefault(group.name, Refreshes())
        if refreshes.running or self.refreshes.get(group.name) in {"InProgress", "Baking"}:
            raise refusal("InstanceRefreshInProgress", "an instance refresh is in progress")
        if group.suspends("InstanceRefresh"):
            raise refusal("ValidationError", "InstanceRefresh is suspended")
        return refreshes.start(group, preferences, self.now).id

    def cancel_refresh(self, group: FakeGroup) -> None:
        """Cancel the instance refresh of a group, as somebody else may; not if there is none."""
        if group.name in self.refreshed:
            self.refreshed[group.name].cancel(group, self.now, self.let_leave)

    def refreshes_of(self, name: str) -> list[FakeRefresh]:
        """Return the instance refreshes of a group that began, the newest last."""
        return self.refreshed[name].of if name in self.refreshed else []

    def let_leave(self, group: FakeGroup, machine: Machine, cause: str = "") -> None:
        """Let a member begin to leave, whoever wants it, for a cause as AWS words it."""
        machine.leaves = self.now + group.leave
        group.begin("Terminating EC2 instance", self.now, machine, cause)

    def reclaim(self, machine: Machine) -> None:
        """Let EC2 take a spot instance; its group does not notice at once."""
        machine.ec2, machine.ec2_since, machine.address = "terminated", self.now, None

    def stop(self, machine: Machine) -> None:
        """Stop an instance."""
        machine.ec2, machine.ec2_since = "stopped", self.now

    def restart(self, machine: Machine, silent: float) -> None:
        """Start an instance that was stopped: it is silent for so many minutes."""
        machine.attached = machine.attached or machine.launched
        machine.launched = self.now.replace(microsecond=0)
        machine.ec2, machine.ec2_since = "running", None
        self.reboot(machine, silent)

    def reboot(self, machine: Machine, silent: float) -> None:
        """Reboot an instance: it is silent for so many minutes, and LaunchTime does not move."""
        machine.up = self.now + minutes(silent)

    def return_to_service(self, group: FakeGroup, machine: Machine) -> None:
        """Move an instance out of Standby."""
        group.begin("Moving EC2 instance out of Standby", self.now, machine)
        machine.lifecycle, machine.in_service = None, self.now + group.pending

    def attach(self, group: FakeGroup, version: str, age: timedelta) -> Machine:
        """Attach an instance by hand that was launched so long ago, and runs a version."""
        machine = self.launch(group, self.now - age, (version, "good"))
        del group.activities[-1]
        group.begin("Attaching an existing EC2 instance", self.now, machine)
        machine.in_service = self.now + group.pending
        machine.template = machine.configuration = None
        group.desired += 1
        return machine

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
        return _copied(group, machines=mixed), at

    # What instances answer.

    def answers(self, machine: Machine, asked: int | None = None) -> bool:
        """Say whether the instance answers: in one round of questions, or by and large."""
        # What is leaving may serve on for a while, and describes that lag still show it.
        here = machine.leaves is None or number_of(machine.id, "drains") % 2 == 0
        if asked is None or not (here and machine.runs(self.now)):
            return here and machine.runs(self.now)
        flaps = machine.flaps and number_of(machine.id, asked) % 3 == 0
        return not flaps and asked >= self.deaf_until and not machine.unheard

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

    def serving(self, group: FakeGroup) -> list[Machine]:
        """Return the members that serve: they answer, and their load balancer has it so."""
        return [
            m
            for m in group.staying()
            if m.state(self.now) == "InService"
            and m.health == "Healthy"
            and self.answers(m)
            and group.takes_traffic(m)
        ]

    def available(self, group: FakeGroup) -> int:
        """Return how many members serve."""
        return len(self.serving(group))

    def look(self) -> None:
        """Take note of the lowest number available that each group ever had."""
        for group in self.groups.values():
            seen = self.available(group)
            self.lowest[group.name] = min(seen, self.lowest.get(group.name, seen))

    # What Auto Scaling does by itself.

    def tick(self) -> None:
        """Let Auto Scaling do what it does by itself."""
        for group in self.by_name():
            for machine in group.staying():
                machine.target = self._target_state(group, machine)
            self._check_health(group)
            self._replace(group)
            self._fill_pool(group)
            refreshes = self.refreshed.get(group.name, Refreshes())
            refreshes.tick(group, self.now, self.alarms, self.let_leave)
            here = group.counted()
            for machine in self._surplus(group, here, refreshes.surplus):
                self.let_leave(group, machine)
            for _ in range(group.desired + refreshes.surplus - len(here)):
                self._enter(group)
            for machine in group.staying():
                machine.target = self._target_state(group, machine)
            if self.remembers:
                self._remember(group)

    def _check_health(self, group: FakeGroup) -> None:
        """Mark members unhealthy that EC2 or, where the group has it so, the balancer finds so."""
        if group.suspends("HealthCheck"):
            return
        for machine in group.staying():
            if machine.state(self.now) != "InService" or machine.ill_since is not None:
                continue
            since = machine.ec2_since
            lost = since is not None and self.now - since >= _UNNOTICED
            outlived = self.now - machine.in_service >= group.grace
            refused = group.checks == "ELB" and machine.target == "unhealthy" and outlived
            if lost or refused:
                machine.health = "Unhealthy"
                # An instance that has gone is replaced at once.
                machine.ill_since = self.now - (_ILL_FOR if lost else timedelta(0))

    def _replace(self, group: FakeGroup) -> None:
        """Replace members that are unhealthy, and abandon launches that a hook held too long."""
        if group.suspends("Terminate"):
            return
        replaces = group.replaces and not group.suspends("ReplaceUnhealthy")
        for machine in group.staying():
            hook, held = group.hook, machine.waits_from
            if replaces and machine.ill_since is not None:
                leaves = self.now - machine.ill_since >= _ILL_FOR
            else:
                waits = machine.state(self.now) == "Pending:Wait" and machine.lifecycle is None
                leaves = bool(waits and hook and held and self.now >= held + hook.timeout)
            if leaves:
                is_gone = machine.ec2_since is not None
                cause = _FOUND_GONE if is_gone else _FAILED_CHECK
                self.let_leave(group, machine, cause if machine.ill_since is not None else "")

    def _fill_pool(self, group: FakeGroup) -> None:
        warm = [m for m in group.staying() if (m.lifecycle or "").startswith("Warmed:")]
        for machine in warm:
            if machine.lifecycle == "Warmed:Pending" and self.now >= machine.launched + group.boot:
                machine.lifecycle = "Warmed:Stopped"
        for _ in range(group.pool - len(warm) if self.can_launch(group) else 0):
            machine = self._boot(group, self.now)
            machine.lifecycle = "Warmed:Pending"
            into_pool = "Launching a new EC2 instance into warm pool"
            ended = self.now + group.boot
            group.activities.append(
                Activity(f"{into_pool}: {machine.id}", self.now, machine, ended)
            )

    def _surplus(self, group: FakeGroup, here: Sequence[Machine], wanted: int = 0) -> list[Machine]:
        surplus = len(here) - group.desired - wanted
        in_no_hurry = number_of(self.now.minute, group.name) % 3
        if surplus <= 0 or in_no_hurry or group.suspends("Terminate"):
            return []
        free = [machine for machine in here if not machine.protected]
        return sorted(free, key=lambda machine: (machine.launched, machine.id))[:surplus]

    def _enter(self, group: FakeGroup) -> None:
        """Let a member enter service: out of the warm pool if one is there, else a new one."""
        if group.suspends("Launch"):
            return
        if group.launching == "fails" or not self.can_launch(group):
            failed = [a.start for a in group.activities if a.status == "Failed"]
            if not failed or self.now - max(failed) >= _FAILS_AGAIN:
                text = "Launching a new EC2 instance.  Status Reason: it cannot be launched"
                group.activities.append(Activity(text, self.now, None, self.now, "Failed"))
            return
        warm = [m for m in group.staying() if m.lifecycle == "Warmed:Stopped"]
        if not warm:
            self.launch(group)
            return
        machine = min(warm, key=lambda m: m.id)
        machine.attached = machine.attached or machine.launched
        machine.lifecycle, machine.launched = None, self.now.replace(microsecond=0)
        group.start(machine, self.now)
        group.begin("Launching a new EC2 instance from warm pool", self.now, machine)

    def _target_state(self, group: FakeGroup, machine: Machine) -> str:
        if group.served_zones is not None and machine.zone not in group.served_zones:
            return "unused"
        if machine.sick:
            return "unhealthy"
        if machine.runs(self.now):
            return "healthy"
        return "initial" if self.now < machine.in_service + _UNNOTICED else "unhealthy"

    def _remember(self, group: FakeGroup) -> None:
        """Keep how the group looks now, for describes that lag behind."""
        members = [_copied(machine) for machine in group.members(self.now)]
        kept = _copied(group, tags={**group.tags}, more={**group.more}, machines=members)
        past = self.past.setdefault(group.name, [])
        past.append((self.now, kept))
        del past[:-_REMEMBERED]


def _copied(thing: Thing, **changed: object) -> Thing:
    """Return a copy of a machine or a group: this is done in every minute of a fleet's life."""
    copied: Thing = object.__new__(type(thing))
    copied.__dict__.update(thing.__dict__, **changed)
    return copied


def fleet(
    *names: str, size: int = 3, own_apps: bool = False, **more: Any
) -> tuple[Cloud, list[FakeGroup]]:
    """Return a cloud whose groups run 1.0.266 and should run 1.0.274.

    They are of the app `web` or, with `own_apps`, each of one of its own name.
    """
    cloud = Cloud(now=NOW - minutes(6000))
    apps = names if own_apps else ("web",)
    for app in apps:
        cloud.upload(app, "1.0.266")
    cloud.wait(6000)
    tags = more.pop("tags", {})
    groups = [
        cloud.add_group(
            name, size, tags={**tags, **({"terminator:app": name} if own_apps else {})}, **more
        )
        for name in names or ("web",)
    ]
    for app in apps:
        cloud.upload(app, "1.0.274")
    return cloud, groups
