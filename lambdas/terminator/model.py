"""What was observed and what was decided: plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from terminator.version import Version

Source = Literal["released", "highest"]
Kind = Literal["replace", "canary", "hold", "converged"]
# Why a group is held, in one word. decide/holds.py has the rules, docs/runbook.md explains each.
HoldName = Literal[
    "settings_unreadable",
    "deleting",
    "paused",
    "processes_suspended",
    "weighted_capacity",
    "no_release",
    "release_in_future",
    "nothing_available",
    "nothing_outdated",
    "all_protected",
    "members_in_flight",
    "proof_on_its_way",
    "canary_silent",
    "boots_stale",
    "launched_lately",
    "baking",
    "no_budget",
    "presumed_waits",
    "window_closed",
    "instance_refresh",
    "alarm",
    "zip_unreadable",
    "group_changed",
    "instance_spared",
]

# Prefixes of lifecycle states whose instances are listed, never touched, never counted:
# https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-lifecycle.html
ASIDE = ("Standby", "EnteringStandby", "Warmed:", "Terminat", "Detach")


@dataclass(frozen=True)
class NoVersion:
    """An instance was asked and did not answer with a version; `reason` says what happened."""

    reason: str


Answer = Version | NoVersion


@dataclass(frozen=True)
class Unobserved:
    """Something could not be asked of AWS or of an instance; `reason` says why."""

    reason: str


@dataclass(frozen=True)
class Instance:
    """A member of a group as this run saw it.

    `answer` is what it answered at `/version`, None where it was not asked. `unserving` says
    which load balancer sends it no traffic and why (`unhealthy at target group web: …`).
    `launched` is None where it was not looked up. `weight` is its WeightedCapacity.
    """

    id: str
    zone: str
    lifecycle: str
    health: str
    launched: datetime | None
    answer: Answer | None = None
    unserving: str | None = None
    protected: bool = False
    weight: str | None = None

    @property
    def version(self) -> Version | None:
        """The version it answered."""
        return self.answer if isinstance(self.answer, Version) else None

    @property
    def reason(self) -> str | None:
        """Why it is not available although it was asked."""
        return self.answer.reason if isinstance(self.answer, NoVersion) else self.unserving

    @property
    def counted(self) -> bool:
        """Whether the group counts on it: not in Standby, in a warm pool, or leaving."""
        return not self.lifecycle.startswith(ASIDE)

    @property
    def in_service(self) -> bool:
        """Whether Auto Scaling says that it is InService and Healthy."""
        return self.lifecycle == "InService" and self.health == "Healthy"

    @property
    def available(self) -> bool:
        """Whether it is in service, takes traffic and answered with a version."""
        return self.in_service and self.version is not None and self.unserving is None


@dataclass(frozen=True)
class Release:
    """A zip in the releases bucket; `modified` is when S3 last modified it, `size` its bytes."""

    key: str
    version: Version
    modified: datetime
    size: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Released:
    """The release that an app should run.

    `since` is when it became that, as S3 dates it. A change down from a higher version is
    dated where a pointer, or its removal, made it (`repointed`), or where a release as high
    as that was `deleted` and left a marker.
    """

    release: Release
    since: datetime
    repointed: bool = False
    deleted: Version | None = None


@dataclass(frozen=True)
class NoRelease:
    """The app has no release to run; `reason` says why."""

    reason: str


@dataclass(frozen=True)
class Preflight:
    """What is asked only of a group that would act.

    `refresh` is the status of an instance refresh in progress; `alarms` says of each listed
    alarm that stands in the way why it does; `zip_problem` says why the target's zip cannot
    be read.
    """

    refresh: str | None = None
    alarms: tuple[str, ...] = ()
    zip_problem: str | None = None


@dataclass(frozen=True)
class Group:
    """An Auto Scaling group as one run saw it.

    `released` is None where no releases bucket is configured. `status` is set while the group
    is being deleted.
    """

    name: str
    desired: int
    grace: timedelta
    instances: tuple[Instance, ...]
    released: Released | NoRelease | None = None
    status: str | None = None
    suspended: frozenset[str] = frozenset()
    capacity_type: str | None = None


@dataclass(frozen=True)
class Figures:
    """What a decision rests on; versions are None where nothing is available.

    `stale` counts stale boots, and `overdue` the unavailable instances that were launched
    longer ago than any boot may take. `since` is when the target became the target, and
    `behind` for how long the group could have followed it; both None where unknown.
    """

    available: int
    unavailable: int
    in_flight: int
    outdated: int
    minimum: int
    target: Version | None
    source: Source
    lowest: Version | None
    highest: Version | None
    stale: int
    overdue: int
    since: datetime | None
    behind: timedelta | None


@dataclass(frozen=True)
class Decision:
    """What to do to a group, and why.

    `hold` names the hold, where it is one, and `needs_attention` says that a person has to
    act. `to_terminate` are ids in the order in which the instances go. `figures` is None where
    the settings cannot be read, so that nothing was asked. `look_again` says that the instance
    is presumed outdated and goes only if it is still unavailable when asked again.
    """

    kind: Kind
    reason: str
    figures: Figures | None = None
    to_terminate: tuple[str, ...] = ()
    look_again: bool = False
    hold: HoldName | None = None
    needs_attention: bool = False
