"""What was observed and what was decided: plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, Literal

from terminator.version import Version, same_release

# Where a target comes from: the bucket, the available instances, or what the group launches from.
Source = Literal["released", "highest", "template"]
# How a release became the target: its zip was uploaded, the one above it was deleted, the pointer
# was written, or the pointer was deleted.
Became = Literal["uploaded", "withdrawn", "pinned", "unpinned"]
# What began a run: the schedule, an upload or a pointer, or somebody at the command line.
StartedBy = Literal["schedule", "event", "command"]
# What makes an instance one to replace.
Cause = Literal["release", "template", "image", "age", "taint", "ill"]
Kind = Literal["replace", "canary", "surge", "recycle", "hold", "converged"]
# Why a group is held, in one word. decide/holds.py has the rules, docs/runbook.md explains each.
HoldName = Literal[
    "settings_unreadable",
    "deleting",
    "operator_managed",
    "paused",
    "processes_suspended",
    "weighted_capacity",
    "traffic_unknown",
    "no_release",
    "template_unknown",
    "release_in_future",
    "nothing_available",
    "nothing_outdated",
    "all_protected",
    "members_in_flight",
    "proof_on_its_way",
    "canary_not_come_up",
    "boots_stale",
    "launched_lately",
    "baking",
    "no_budget",
    "surge_unfit",
    "surge_waits",
    "dead_wait",
    "window_closed",
    "instance_refresh",
    "alarm",
    "alarm_lately",
    "zip_unreadable",
    "other_app_first",
    "another_group_first",
    "group_changed",
    "instance_spared",
    "terminations_limit",
    "release_withdrawn",
    "request_refused",
]

# Prefixes of lifecycle states whose instances are listed, never touched, never counted:
# https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-lifecycle.html
ASIDE = ("Standby", "EnteringStandby", "Warmed:", "Terminat", "Detach")
# The clocks of S3 and EC2 may differ by so much.
CLOCK_DOUBT: Final = timedelta(minutes=1)
# What S3 calls versioning, and a lifecycle rule, that is switched on.
ENABLED: Final = "Enabled"
# What S3 calls a version that was stored without versioning.
UNVERSIONED: Final = "null"
# A refresh in any other status is in progress:
# https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_InstanceRefresh.html
_REFRESHED: Final = frozenset(
    {"Successful", "Failed", "Cancelled", "RollbackSuccessful", "RollbackFailed"}
)


@dataclass(frozen=True)
class NoVersion:
    """An instance was asked and did not answer with a version; `reason` says what happened."""

    reason: str


@dataclass(frozen=True)
class NotProbed:
    """EC2 runs an instance that is not asked: its group follows its launch template alone."""


Answer = Version | NoVersion


@dataclass(frozen=True)
class Unobserved:
    """Something could not be asked of AWS or of an instance; `reason` says why."""

    reason: str


@dataclass(frozen=True)
class Traffic:
    """What the load balancers of a group say of an instance.

    `refused` says which of them sends it no traffic and why (`unhealthy at target group web:
    …`), None where all send it some. `healthy` says that at least one calls it healthy,
    `unhealthy` that all that know it call it unhealthy. `unknown`: one did not know. `unused` says
    that it is refused for its zone alone, to which no traffic is sent whatever it runs.
    """

    refused: str | None = None
    healthy: bool = False
    unhealthy: bool = False
    unknown: bool = False
    unused: bool = False


@dataclass(frozen=True)
class Origin:
    """What an instance was launched from, or what a launch would use now.

    `template` is the id of a launch template and `version` its version, or it is the name of a
    launch configuration, which has none. `image` is the id of the image, None where that does
    not matter.
    """

    template: str
    version: int | None = None
    image: str | None = None

    def __str__(self) -> str:
        named = self.template if self.version is None else f"{self.template}:{self.version}"
        return named if self.image is None else f"{named} {self.image}"

    def fits(self, other: Origin) -> bool:
        """Say whether this is what the other asks for."""
        images = {self.image, other.image} - {None}
        same = (self.template, self.version) == (other.template, other.version)
        return same and len(images) <= 1


@dataclass(frozen=True)
class Launches:
    """What launches of a group use now.

    `own` is the group's own template or launch configuration, and `overrides` are those of a
    mixed instances policy with the instance type each is for, None for any. `dated` is when the
    newest of the template versions was made, None where nothing dates it.
    """

    own: Origin
    overrides: tuple[tuple[str | None, Origin], ...] = ()
    dated: datetime | None = None

    @property
    def images(self) -> bool:
        """Whether images matter: an alias was looked up, or an override names one."""
        return any(each.image for each in (self.own, *(of for _, of in self.overrides)))

    def of(self, instance_type: str) -> tuple[Origin, ...]:
        """Return what a launch of an instance type would use: any of these."""
        found = [origin for of, origin in self.overrides if of in {None, instance_type}]
        return tuple(found) or (self.own,)


@dataclass(frozen=True)
class NoTemplate:
    """What a group launches from does not exist, or cannot be read; `reason` says what and why."""

    reason: str


@dataclass(frozen=True)
class Instance:
    """A member of a group as this run saw it.

    `running` says whether EC2 lists it as running, and `created` when it first started: the
    earlier of its LaunchTime and its primary network interface's AttachTime, None where EC2
    does not list it. `in_service_since` is when Auto Scaling put it in service, None where that
    is unknown, `taken_from_pool` when it was taken from a warm pool, `began_leaving` when it
    began to be terminated. `answer` is what it answered at `/version`, None where it was not
    asked. `weight` is its WeightedCapacity, `type` its instance type. `origin` is what it was
    launched from, None where that is not known, as of one attached by hand, or does not matter.
    `replace_after` is the time that its tag of that name says, and `taint_problem` why that text
    is none.
    """

    id: str
    zone: str
    lifecycle: str
    health: str
    running: bool = True
    created: datetime | None = None
    in_service_since: datetime | None = None
    taken_from_pool: datetime | None = None
    began_leaving: datetime | None = None
    answer: Answer | NotProbed | None = None
    traffic: Traffic = field(default_factory=Traffic)
    protected: bool = False
    weight: str | None = None
    type: str = ""
    origin: Origin | None = None
    replace_after: datetime | None = None
    taint_problem: str | None = None

    @property
    def version(self) -> Version | None:
        """The version it answered."""
        return self.answer if isinstance(self.answer, Version) else None

    @property
    def reason(self) -> str | None:
        """Why it is not available although it was asked."""
        return self.answer.reason if isinstance(self.answer, NoVersion) else self.traffic.refused

    @property
    def counted(self) -> bool:
        """Whether the group counts on it: not in Standby, in a warm pool, or leaving."""
        return not self.lifecycle.startswith(ASIDE)

    @property
    def in_service(self) -> bool:
        """Whether EC2 runs it, and Auto Scaling says that it is InService and Healthy."""
        return self.running and self.lifecycle == "InService" and self.health == "Healthy"

    @property
    def silent(self) -> bool:
        """Whether it was asked and answered no version."""
        return isinstance(self.answer, NoVersion)

    @property
    def serves(self) -> bool:
        """Whether it takes traffic at every load balancer and, where asked, answered a version."""
        takes_traffic = self.traffic.refused is None and not self.traffic.unknown
        answered = isinstance(self.answer, Version | NotProbed)
        return self.in_service and answered and takes_traffic


@dataclass(frozen=True)
class Release:
    """A zip in the releases bucket; `modified` is when S3 last modified it, `size` its bytes."""

    key: str
    version: Version
    modified: datetime
    size: int = field(default=0, compare=False)
    etag: str = field(default="", compare=False)


@dataclass(frozen=True)
class Released:
    """The release that an app should run, and what the bucket's history says of it.

    `since` is when it became that, None where nothing dates it. Within `doubt` of a date
    nobody knows which came first. `others` are the spans of time, from and until, in which
    another release was the target, as far back as `known_from` (None: at no time is it known).
    `first_existed` is when the zip was first uploaded, None where nobody knows. `other_texts`
    name other zips exactly, although their versions are equal. `pinned` says that the pointer
    names it, and `became` how it became the target, None where nothing tells. `restored` says that
    the zip was taken back once and is there again: nobody knows since when.
    """

    release: Release
    since: datetime | None
    doubt: timedelta = CLOCK_DOUBT
    others: tuple[tuple[datetime, datetime], ...] = ()
    known_from: datetime | None = None
    first_existed: datetime | None = None
    other_texts: frozenset[str] = frozenset()
    pinned: bool = field(default=False, compare=False)
    became: Became | None = field(default=None, compare=False)
    restored: bool = False

    def is_run_by(self, version: Version) -> bool:
        """Say whether an instance that answers this version runs the release.

        A text that names one zip exactly names that; only otherwise do equal versions stand for
        it.
        """
        own = self.release.version
        return version.text == own.text or (
            same_release(version, own) and version.text not in self.other_texts
        )

    def was_another(self, created: datetime) -> bool:
        """Say whether another release was the target when an instance was created.

        Within the doubt the later target counts, since what an instance runs is fetched after
        it was created. What was created before the zip first existed was of another one.
        """
        last = created + self.doubt
        if self.first_existed is not None and last < self.first_existed:
            return True
        return self.knows(created) and any(begin <= last < end for begin, end in self.others)

    def knows(self, created: datetime) -> bool:
        """Say whether it is known what was the target when an instance was created."""
        return self.known_from is not None and created - self.doubt >= self.known_from


@dataclass(frozen=True)
class NoRelease:
    """The app has no release to run; `reason` says why."""

    reason: str


@dataclass(frozen=True)
class Alarm:
    """A CloudWatch alarm that a group names.

    `state` is None where it does not exist. `changed` is when its state last changed, and
    `last_alarm` when it was last in ALARM as its history tells: until now, or until it left.
    `at_since` says whether it was in ALARM when the target became the target, or within the bake
    time before, and has not been out of it for as long since.
    """

    name: str
    state: str | None
    changed: datetime | None = None
    last_alarm: datetime | None = None
    at_since: bool = False


@dataclass(frozen=True)
class Ringing:
    """A CloudWatch alarm that may speak against an app's newest release.

    `state` is None where it does not exist. `since` is when it went into ALARM, None where it is
    not in ALARM or nobody knows. `was_ok` says that it was OK for as long as was asked before
    that. `span` is how far back it looks, None where nobody can tell.
    """

    name: str
    state: str | None
    since: datetime | None = None
    was_ok: bool = False
    span: timedelta | None = None


@dataclass(frozen=True)
class Shelf:
    """What is asked of the bucket before a release of it is taken back.

    `changed` says that it is not as it was when the run looked. `versioning` is S3's word for it,
    None where it was never switched on. `version_id` is the zip's; `tagged` says that it was taken
    back before, and `room` that one more tag fits on it. `problem` is why the zip of the release
    before cannot be read.
    """

    changed: bool = False
    versioning: str | None = None
    version_id: str = ""
    tagged: bool = False
    room: bool = True
    problem: str | None = None


@dataclass(frozen=True)
class Refresh:
    """An instance refresh of a group, whoever started it, as AWS tells of it.

    `began` is None where AWS does not say yet. `reason` is AWS's word on its status, and `percent`
    how much of it is complete, each None where AWS says nothing.
    """

    status: str
    began: datetime | None = None
    reason: str | None = None
    percent: int | None = None

    @property
    def in_progress(self) -> bool:
        """Whether it has not ended; of a status that nobody knows it is taken to be so."""
        return self.status not in _REFRESHED

    @property
    def replaced_nothing(self) -> bool:
        """Whether it ended, and not as it should have."""
        return not self.in_progress and self.status != "Successful"


@dataclass(frozen=True)
class Surge:
    """An instance refresh to start, in place of a termination.

    `id` is the one instance that it replaces. So long has a new one to be healthy, its `warmup`,
    before AWS lets the old one go. A refresh fails where one of `alarms`, by name, goes into ALARM.
    """

    id: str
    warmup: timedelta
    alarms: tuple[str, ...] = ()


@dataclass(frozen=True)
class Preflight:
    """What is asked only of a group that would act.

    `refresh` is the status of an instance refresh in progress, `alarms` are those that the
    group names, and `zip_problem` says why the target's zip cannot be read. `other_app` says
    which app goes first, and why.
    """

    refresh: str | None = None
    alarms: tuple[Alarm, ...] = ()
    zip_problem: str | None = None
    other_app: str | None = None


@dataclass(frozen=True)
class Group:
    """An Auto Scaling group as one run saw it.

    `released` is None where no releases bucket is configured, or it does not follow releases.
    `launches` is what a launch would use now, None where it does not follow that. `status` is set
    while the group is being deleted. `warmup` is its DefaultInstanceWarmup, `healthy_percentage`
    its instance maintenance policy's MinHealthyPercentage, each None where it has none. `operator`
    names a service that manages it, `unknown_sources` its traffic sources whose health cannot be
    known. `failed_launches` are when launches of it failed or were abandoned, the newest first.
    `failed_checks` are when what it lost to health checks was launched: to a load balancer's, or
    soon to others. `taken` are when the launch of what was terminated on request began, at the
    latest, and its end. `load_balanced` says whether it has load balancers, and `health_checks`
    are its types of them. `max_size` is its MaxSize, and `refreshes` are its instance refreshes,
    the newest first: asked only where one may be started.
    """

    name: str
    desired: int
    grace: timedelta
    instances: tuple[Instance, ...]
    released: Released | NoRelease | None = None
    launches: Launches | NoTemplate | None = None
    status: str | None = None
    suspended: frozenset[str] = frozenset()
    capacity_type: str | None = None
    warmup: timedelta | None = None
    healthy_percentage: int | None = None
    operator: str | None = None
    warm_pool: bool = False
    unknown_sources: tuple[str, ...] = ()
    failed_launches: tuple[datetime, ...] = ()
    failed_checks: tuple[datetime, ...] = ()
    taken: tuple[tuple[datetime, datetime], ...] = ()
    load_balanced: bool = False
    health_checks: frozenset[str] = frozenset()
    max_size: int = 0
    refreshes: tuple[Refresh, ...] = ()

    @property
    def settled(self) -> bool:
        """Whether every member serves and runs the target, and none is missing.

        Such a group has converged, without asking when its members entered service.
        """
        members = [instance for instance in self.instances if instance.counted]
        if len(members) < self.desired or not all(member.serves for member in members):
            return False
        if isinstance(self.launches, NoTemplate) or any(map(self.drifted, members)):
            return False
        versions = [member.version for member in members if member.version]
        if isinstance(self.released, Released):
            return all(map(self.released.is_run_by, versions))
        return self.released is None and len(set(versions)) <= 1

    def drifted(self, instance: Instance) -> bool:
        """Say whether an instance is known to be of something else than a launch would use now."""
        if instance.origin is None or not isinstance(self.launches, Launches):
            return False
        return not any(map(instance.origin.fits, self.launches.of(instance.type)))

    def drifted_by_image(self, instance: Instance) -> bool:
        """Say whether nothing but its image makes an instance drifted: an alias names another."""
        if not self.drifted(instance) or not isinstance(self.launches, Launches):
            return False
        alike = (replace(each, image=None) for each in self.launches.of(instance.type))
        return instance.origin is not None and any(map(instance.origin.fits, alike))

    def above_template(self, instance: Instance) -> bool:
        """Say whether an instance is of a later version of the template than a launch would use.

        Versions of different templates have no order.
        """
        origin = instance.origin
        if origin is None or origin.version is None or not isinstance(self.launches, Launches):
            return False
        versions = [
            wanted.version
            for wanted in self.launches.of(instance.type)
            if wanted.template == origin.template and wanted.version is not None
        ]
        return bool(versions) and origin.version > max(versions)


@dataclass(frozen=True)
class Request:
    """What a person asks for: to replace the instances with these `ids`; `by` says who asks."""

    ids: tuple[str, ...]
    by: str


@dataclass(frozen=True)
class Figures:
    """What a decision rests on; versions are None where nothing is available.

    Where the group follows its launch template alone, `target`, `lowest` and `highest` are what
    it launches from and what its instances were launched from.

    `stale` counts stale boots, and `overdue` the unavailable instances that have been in
    service for longer than any boot may take. `since` is when the target became the target,
    and `behind` for how long the group could have followed it; both None where unknown.
    `template` is what launches use, None where the group does not follow that. `due` counts the
    available instances that are due by age or taint. `available_ids`
    are the ids of the available instances, and `causes` says of those to replace why. `pinned`
    says whether a pointer names the target, and `became` how it became that; None where it is no
    release, or nothing tells.
    """

    available: int
    unavailable: int
    in_flight: int
    outdated: int
    minimum: int
    target: str | None
    source: Source
    lowest: str | None
    highest: str | None
    stale: int
    overdue: int
    since: datetime | None
    behind: timedelta | None
    template: str | None = None
    due: int = 0
    available_ids: frozenset[str] = field(default=frozenset(), compare=False)
    causes: Mapping[str, Cause] = field(default_factory=dict, compare=False)
    pinned: bool | None = field(default=None, compare=False)
    became: Became | None = field(default=None, compare=False)

    @property
    def origin_of_target(self) -> str:
        """Where the target comes from, in a word."""
        return "pointer" if self.pinned else self.source


@dataclass(frozen=True)
class Canary:
    """The boot of the target that a group without proof waits for.

    `since` is when it was created or taken from a warm pool, and `says` how far it has come, in
    words: `booting for 3 minutes`.
    """

    id: str
    since: datetime
    says: str

    def __str__(self) -> str:
        return f"canary {self.id} {self.says}"


@dataclass(frozen=True)
class Decision:
    """What to do to a group, and why.

    `hold` names the hold, where it is one, and `canary` is what it waits for, where that is one.
    `needs_attention` says that a person has to act. `to_terminate` are ids in the order in which
    the instances go, and `surge` is the instance refresh to start in place of that. `figures` is
    None where the settings cannot be read, so that nothing was asked. `look_again` says that they
    are dead, and go only if they are still unavailable in the same way when asked again.
    """

    kind: Kind
    reason: str
    figures: Figures | None = None
    to_terminate: tuple[str, ...] = ()
    look_again: bool = False
    hold: HoldName | None = None
    needs_attention: bool = False
    canary: Canary | None = None
    surge: Surge | None = None

    @property
    def acts(self) -> bool:
        """Whether anything is to be done to the group."""
        return bool(self.to_terminate) or self.surge is not None

    @property
    def goes(self) -> tuple[str, ...]:
        """The ids of those that go, whoever terminates them."""
        return self.to_terminate if self.surge is None else (self.surge.id,)
