"""The rules of the decision, said a second time, over a group as a run was shown it.

Written from docs/design.md alone, it shares no code with what it judges: first the words
(`Seen`), then what holds, what must never go, and what must. Each promise has a name, so that a
search that finds one broken says which.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property, wraps
from itertools import pairwise
from typing import Any, TypeVar

from tests.search.history import MINUTE, RANKS, Target

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
DEFAULTS = {"minimum": "50%", "max-unavailable": "25%", "bake-time": "10m", "canary-retry": "30m"}
KNOWN = {
    *("enabled", "app", "pause", "window", "alarms", "warm-up"),
    *("follow", "images", "max-age", "ill", "surge"),
    *DEFAULTS,
}
UNREADABLE = "lots"
# The only window that the search uses, and its hours.
WINDOW, OPENS, CLOSES = "Mon-Sun 08:00-20:00 UTC", 8, 20
# What was not looked up counts as the newest of all.
NOT_KNOWN = datetime.max.replace(tzinfo=UTC)
_MOST_RETRIES = 32
# So long has a new one to serve at least, and so many alarms at most end its refresh.
_LEAST_WARM_UP = 10 * MINUTE
_MOST_ALARMS = 10
# How a refresh may have ended.
_ENDED = {"Successful", "Failed", "Cancelled", "RollbackSuccessful", "RollbackFailed"}


@dataclass(frozen=True)
class Origin:
    """A version of a launch template, or a launch configuration by its name alone.

    `image` is that of an instance, or what a launch would use, None where images do not matter.
    """

    name: str
    version: int | None = None
    image: str | None = None

    def __str__(self) -> str:
        named = self.name if self.version is None else f"{self.name}:{self.version}"
        return " ".join([named, *([self.image] if self.image else [])])

    @property
    def bare(self) -> Origin:
        """This, where images do not matter."""
        return replace(self, image=None)


@dataclass(frozen=True)
class Launches:
    """What a group launches from and when that was made, each None where it does not exist."""

    origin: Origin | None = None
    made: datetime | None = None


@dataclass(frozen=True, eq=False)  # each is itself: many are looked for in lists
class Member:
    """A member as it was shown: it answered a version, or a reason, or it was not asked.

    `runs` says whether EC2 lists it as running, `made` when it first started, `entered` since
    when it is in service, `pooled` when it was taken from a warm pool, and `left` when it began
    to leave; None where nobody knows. `traffic` says whether load balancers send it some, None
    where one does not know; `vouched` that one calls it healthy, `refused` that each that says
    anything does not, and `unused` that it gets none for its zone alone. Where it is not `probed`
    nobody asks for its version. It was launched from `origin`, None where nobody tells, and `taint`
    is the text of its tag that says from when on it is to be replaced.
    """

    id: str
    zone: str
    state: str
    health: str
    runs: bool
    made: datetime = NOT_KNOWN
    entered: datetime | None = None
    pooled: datetime | None = None
    left: datetime | None = None
    version: str | None = None
    reason: str | None = None
    traffic: bool | None = True
    vouched: bool = False
    refused: bool = False
    unhealthy: bool = False
    unused: bool = False
    protected: bool = False
    weighted: bool = False
    probed: bool = True
    origin: Origin | None = None
    taint: str | None = None

    @property
    def tainted_from(self) -> datetime | None:
        """From when on its tag has it replaced: from no time that was over when it was made."""
        read = None if self.taint is None else time_of(self.taint)
        return read if read is not None and read > self.made else None

    @property
    def aside(self) -> bool:
        """Whether it is in Standby, in a warm pool, or leaving."""
        return bool(re.match("Standby|EnteringStandby|Warmed:|Terminat|Detach", self.state))

    @property
    def leaving(self) -> bool:
        """Whether it is being terminated or detached; a retained one is nobody's any more."""
        return bool(re.match("Terminating(?!:Retained)|Detach", self.state))

    @property
    def serving(self) -> bool:
        """Whether it runs, and is InService and Healthy."""
        return self.runs and (self.state, self.health) == ("InService", "Healthy")

    @property
    def silent(self) -> bool:
        """Whether it was asked, and answered no version."""
        return self.reason is not None

    @property
    def answers(self) -> bool:
        """Whether it answered a version, or need not."""
        return self.version is not None or not self.probed

    @property
    def began(self) -> datetime:
        """When it was made or, if that was later, taken from a warm pool."""
        return max(self.made, self.pooled or self.made)


def time_of(text: str) -> datetime | None:
    """Return the time that a text says, in UTC where it says no zone; None where it is none."""
    try:
        read = datetime.fromisoformat(text)
        return (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


@dataclass(frozen=True)
class Alarm:
    """An alarm that a group names: its state (None: there is none), and when it was in ALARM."""

    state: str | None
    spans: tuple[tuple[datetime, datetime], ...] = ()


@dataclass(frozen=True)
class Refresh:
    """An instance refresh as AWS lists it; `began` is None where it does not say when."""

    status: str
    began: datetime | None = None

    @property
    def ended(self) -> bool:
        """Whether it is not in progress any more."""
        return self.status in _ENDED

    @property
    def replaced_nothing(self) -> bool:
        """Whether it ended without success."""
        return self.ended and self.status != "Successful"


@dataclass(frozen=True)
class Seen:
    """A group as a run was shown it. `target` is None where a bucket holds none for it.

    `settled` says that when its members entered service was not asked, since it has converged.
    `failed` are when launches failed. `refresh`, `alarms` and `zip_bad` are what its guards said.
    `first` are the groups of its app whose canary goes first, `bakers` those where one bakes.
    `moving` are those that have not converged. `launches` is what it launches from, None where it
    does not follow that. `refreshes` are its instance refreshes, listed before it was planned.
    """

    row: Mapping[str, Any]
    members: tuple[Member, ...]
    now: datetime
    bucket: bool
    released: Target | None
    settled: bool = False
    failed: tuple[datetime, ...] = ()
    refused: tuple[datetime, ...] = ()
    taken: tuple[tuple[datetime, datetime], ...] = ()
    refresh: bool = False
    alarms: tuple[Alarm, ...] = ()
    zip_bad: bool = False
    first: tuple[str, ...] = ()
    bakers: tuple[str, ...] = ()
    moving: tuple[str, ...] = ()
    launches: Launches | None = None
    refreshes: tuple[Refresh, ...] = ()

    @property
    def name(self) -> str:
        """The name of the group."""
        return str(self.row["AutoScalingGroupName"])

    # What it is set to.

    @cached_property
    def tags(self) -> dict[str, str]:
        """The settings of the group that its tags say."""
        tags = {tag["Key"]: tag["Value"] for tag in self.row["Tags"]}
        return {key.removeprefix("terminator:"): text for key, text in tags.items()}

    def setting(self, name: str) -> str:
        """The text of a setting, said or default."""
        return self.tags.get(name, DEFAULTS[name])

    def span(self, name: str) -> timedelta:
        """A setting that is a number of minutes."""
        return MINUTE * int(self.setting(name).removesuffix("m"))

    @property
    def alarm_names(self) -> list[str]:
        """The alarms that the group names."""
        return self.tags.get("alarms", "").split()

    @property
    def desired(self) -> int:
        """The desired capacity."""
        return int(self.row["DesiredCapacity"])

    @cached_property
    def grace(self) -> timedelta:
        """The health check grace period."""
        return timedelta(seconds=self.row["HealthCheckGracePeriod"])

    @cached_property
    def trial(self) -> timedelta:
        """How long one has to serve until what it runs has baked."""
        return self.grace + self.span("bake-time")

    @cached_property
    def warm_up(self) -> timedelta:
        """How long an instance in service takes to be warm."""
        if "warm-up" in self.tags:
            return MINUTE * int(self.tags["warm-up"].removesuffix("m"))
        return timedelta(seconds=max(0, self.row.get("DefaultInstanceWarmup", 0)))

    @cached_property
    def minimum(self) -> int:
        """How many must stay: percentages are rounded up."""
        policy = self.row.get("InstanceMaintenancePolicy", {}).get("MinHealthyPercentage")
        default = DEFAULTS["minimum"] if policy is None else f"{policy}%"
        text = self.tags.get("minimum", default)
        return -(-self.desired * int(text[:-1]) // 100) if text[-1] == "%" else int(text)

    @cached_property
    def max_unavailable(self) -> int:
        """How many may be out at once: percentages are rounded down, at least 1."""
        text = self.setting("max-unavailable")
        number = self.desired * int(text[:-1]) // 100 if text[-1] == "%" else int(text)
        return max(1, number)

    # Who is there.

    @cached_property
    def counted(self) -> list[Member]:
        """Those that count."""
        return [m for m in self.members if not m.aside]

    @cached_property
    def warm(self) -> list[Member]:
        """Those in service for their warm-up of which it is known whether they serve."""
        asked = [m for m in self.counted if m.serving and (m.answers or m.silent)]
        known = [m for m in asked if m.traffic is not None]
        if self.settled:
            return known
        return [m for m in known if m.entered and self.served(m) >= self.warm_up]

    def served(self, member: Member) -> timedelta:
        """For how long a member has been in service."""
        return self.now - (member.entered or self.now)

    @cached_property
    def available(self) -> list[Member]:
        """Those that answered, and take traffic."""
        return [m for m in self.warm if m.answers and m.traffic]

    @cached_property
    def unavailable(self) -> list[Member]:
        """Those that are silent, or get no traffic."""
        return [m for m in self.warm if m not in self.available]

    @cached_property
    def coming(self) -> list[Member]:
        """Those that count and are neither: on their way in, or nobody knows what."""
        return [m for m in self.counted if m not in self.warm]

    @cached_property
    def missing(self) -> int:
        """How many members the group is short of."""
        return max(0, self.desired - len(self.counted))

    @cached_property
    def in_flight(self) -> int:
        """How many are on their way in, or missed."""
        return max(len(self.coming), self.desired - len(self.warm))

    # What is to run, and since when.

    @cached_property
    def probed(self) -> bool:
        """Whether it follows releases, so that its instances are asked for their version."""
        return "release" in self.tags.get("follow", "release").split()

    @property
    def by_bucket(self) -> bool:
        """Whether the bucket says what is to run."""
        return self.bucket and self.probed

    @property
    def launch(self) -> Origin | None:
        """What a launch would use now, None where that does not matter, or does not exist."""
        return self.launches.origin if self.launches else None

    def is_drifted(self, member: Member) -> bool:
        """Whether it was launched from something else than a launch would use now."""
        of, to = member.origin, self.launch
        if of is None or to is None:
            return False
        images = {of.image, to.image} - {None}
        return (of.name, of.version) != (to.name, to.version) or len(images) > 1

    def later(self, member: Member) -> int:
        """How its version of the template compares with that of a launch: of another, lower."""
        of, to = member.origin, self.launch
        if of is None or to is None or not self.is_drifted(member):
            return 0
        known = of.name == to.name and of.version is not None and to.version is not None
        return 1 if known and (of.version or 0) > (to.version or 0) else -1

    @cached_property
    def drifts(self) -> bool:
        """Whether any that counts has drifted: since when nobody knows."""
        return any(map(self.is_drifted, self.counted))

    @cached_property
    def target(self) -> str | None:
        """The version to run."""
        if not self.probed:
            return None
        if self.bucket:
            return self.released.version if self.released else None
        return max((m.version for m in self.available if m.version), key=_rank, default=None)

    @cached_property
    def since(self) -> datetime | None:
        """When the target became it, None where unknown."""
        return self.released.since if self.released and not self.drifts else None

    @cached_property
    def doubt(self) -> timedelta:
        """Within how much of a date nobody knows what came first."""
        return self.released.doubt if self.released else MINUTE

    def on_target(self, member: Member) -> bool:
        """Whether it is known to run the target, and has not drifted."""
        if self.is_drifted(member):
            return False
        if not self.probed:
            return member.origin is not None and self.launch is not None
        if member.version is None or self.target is None:
            return False
        if not self.bucket:
            return RANKS[member.version] == RANKS[self.target]
        return self.released is not None and self.released.is_run_by(member.version)

    def above(self, member: Member) -> bool:
        """Whether it is known to be of more than the target, and in nothing of less."""
        later = self.later(member)
        if not self.probed:
            return later > 0
        if member.version is None or self.target is None:
            return False
        runs, wanted = RANKS[member.version], RANKS[self.target]
        return later >= 0 and runs >= wanted and (runs > wanted or later > 0)

    def runs_another(self, member: Member) -> bool:
        """Whether it answered something else: without a bucket, something lower."""
        if member.version is None or self.target is None:
            return False
        if not self.bucket:
            return RANKS[member.version] < RANKS[self.target]
        return self.released is not None and not self.released.is_run_by(member.version)

    def is_outdated(self, member: Member) -> bool:
        """Whether it is known to run something else, or has drifted."""
        return self.runs_another(member) or self.is_drifted(member)

    @cached_property
    def outdated(self) -> list[Member]:
        """Those available that are outdated."""
        return [m for m in self.available if self.is_outdated(m)]

    # What is due although it runs the target.

    @cached_property
    def max_age(self) -> timedelta | None:
        """How old instances may become, None for any age."""
        text = self.tags.get("max-age")
        return None if text is None else int(text[:-1]) * {"h": HOUR, "d": DAY}[text[-1]]

    def due_from(self, member: Member) -> datetime | None:
        """From when on a member is to be replaced by its age or its tag, None for never."""
        times = [member.tainted_from] if member.tainted_from else []
        if self.max_age is not None and member.made != NOT_KNOWN:
            times.append(member.made + self.max_age)
        return min(times, default=None)

    def is_due(self, member: Member) -> bool:
        """Whether a member is to be replaced by its age or its tag."""
        when = self.due_from(member)
        return when is not None and when <= self.now

    @cached_property
    def due(self) -> list[Member]:
        """Those available that are due, the longest first."""
        due = [m for m in self.available if self.is_due(m)]
        return sorted(due, key=lambda m: (self.due_from(m), m.id))

    @cached_property
    def has_due(self) -> bool:
        """Whether any that counts is due."""
        return any(map(self.is_due, self.counted))

    @cached_property
    def newest_bakes(self) -> bool:
        """Whether the last to be made have not been in service for grace and bake time."""
        last = max((m.made for m in self.available), default=None)
        newest = [m for m in self.available if last and _second(m.made) == _second(last)]
        return any(self.served(m) < self.trial for m in newest)

    @cached_property
    def ages_too_fast(self) -> bool:
        """Whether all reach their age before they can be replaced, one after the other."""
        if self.max_age is None:
            return False
        entered = [(m.made, m.entered) for m in self.available if m.entered]
        boots = [entry - made for made, entry in entered if entry > made]
        each = self.trial + min(boots, default=timedelta(0))
        return self.max_age < self.desired * each

    @cached_property
    def ill(self) -> list[Member]:
        """Those that may go for being ill, where nothing else is amiss: the oldest first."""
        if self.tags.get("ill") != "replace" or broken_settings(self) or not self.available:
            return []
        amiss = self.in_flight or self.outdated or self.dead
        most = max(1, self.desired // 5)
        enough = min(len(self.available), self.desired) >= self.minimum
        if amiss or not enough or len(self.unavailable) > most:
            return []
        last = max(_second(m.made) for m in self.counted)
        return [
            m
            for m in sorted(self.overdue, key=lambda m: (m.made, m.id))
            if self._is_left_ill(m)
            and _second(m.made) != last
            and all(other in self.available for other in self.counted if other.made > m.made)
        ]

    def _is_left_ill(self, member: Member) -> bool:
        """Whether its load balancers call it unhealthy, if it has some, and nobody replaces it."""
        return not self.is_balanced or (member.unhealthy and not self.is_checked)

    @property
    def is_balanced(self) -> bool:
        """Whether it has a load balancer."""
        names = ("TargetGroupARNs", "LoadBalancerNames", "TrafficSources")
        return any(self.row.get(name) for name in names)

    @property
    def is_checked(self) -> bool:
        """Whether its health checks include its load balancers."""
        return "ELB" in self.row.get("HealthCheckType", "").split(",")

    def is_doubted(self, member: Member) -> bool:
        """Whether it goes only if it is away at a second look too."""
        return member in self.dead or member in self.ill

    def since_then(self, member: Member) -> bool:
        """Whether it came since the target became it, or may have."""
        return self.since is not None and member.began >= self.since - self.doubt

    @cached_property
    def first_on_target(self) -> datetime | None:
        """When the first came that runs the target and is available."""
        return min((m.began for m in self.available if self.on_target(m)), default=None)

    @property
    def lacks(self) -> bool:
        """Whether fewer than the minimum are available."""
        return len(self.available) < self.minimum

    @property
    def is_down(self) -> bool:
        """Whether nothing is available, or fewer than the minimum."""
        return not self.available or self.lacks

    @cached_property
    def first_launched(self) -> datetime | None:
        """When the first of those came that is known to be launched from what is followed."""
        on_target = [m for m in self.available if self.on_target(m)]
        return min((m.began for m in on_target if m.origin is not None), default=None)

    def is_overdue(self, member: Member) -> bool:
        """Whether it has been in service for longer than any boot may take."""
        return self.served(member) > max(self.grace, self.warm_up, self.span("canary-retry"))

    @cached_property
    def overdue(self) -> list[Member]:
        """Those unavailable for longer than any boot may take."""
        return [m for m in self.unavailable if self.is_overdue(m)]

    # Proof, and what came up otherwise.

    @cached_property
    def proof(self) -> bool:
        """Whether the last to have outlived its grace period, and all since, run the target."""
        settled = [m.made for m in self.available if self.served(m) >= self.grace]
        if not settled:
            return False
        second = max(settled).replace(microsecond=0)
        return all(self.on_target(m) for m in self.available if m.made >= second)

    @cached_property
    def bakes(self) -> bool:
        """Whether no instance has run the target in service for long enough."""
        longest = max(
            (self.served(m) for m in self.available if self.on_target(m)), default=timedelta(0)
        )
        return longest < self.trial

    def _may_be_of_before(self, member: Member) -> bool:
        """Whether it came before the target became it, but within the doubt, or from a pool."""
        if self.since is None:
            return False
        return self.since - self.doubt <= member.began < self.since or self.was_in_pool(member)

    def _is_lost(self, member: Member) -> bool:
        """Whether it may be of before, is away and overdue, and nothing speaks for it.

        It may be the canary of another release, and none of this one comes while that stands; or
        of this one, as it was before, of which none serves.
        """
        away = self.is_overdue(member) and member in self.waited_for and not self.on_target(member)
        if not away or not self._is_under_way or self.since is None:
            return False
        target = self.released
        known = target is not None and target.known_from <= member.made - self.doubt
        speaks = any(
            self.above(m) or (self.on_target(m) and m.began < self.since) for m in self.available
        )
        if known and member.began < self.since - self.doubt and not speaks:
            return True
        return not self.proof and self._may_be_of_before(member)

    @cached_property
    def _is_under_way(self) -> bool:
        """Whether the target is not out everywhere yet, or became it within a day."""
        return bool(self.outdated) or (self.since is not None and self.now - self.since < DAY)

    @cached_property
    def waited_for(self) -> list[Member]:
        """The unavailable that may come up: not what answers where no traffic is sent."""
        return [m for m in self.unavailable if not (m.unused and m.version)]

    @cached_property
    def canaries(self) -> list[Member]:
        """Canaries that have not come up: the last, where nobody knows since when."""
        if self.since is None:
            tried = [m for m in self.warm if self._may_have_tried(m)]
            last = max((m.began for m in tried), default=None)
            away = [m for m in self.waited_for if m in tried]
            return [m for m in away if last and _second(m.began) == _second(last)]
        return [
            m
            for m in self.waited_for
            if self.since_then(m)
            # What answers another version and came within the doubt is no canary.
            and (not self.runs_another(m) or m in self.stale)
            and not self._is_lost(m)
        ]

    @cached_property
    def gave_up(self) -> bool:
        """Whether the canaries of a fleet that is down, as others are of before, had their time."""
        if self.proof or not (self.is_down and self.since and self.canaries):
            return False
        if not any(self.is_seen_down(m) and not m.protected for m in self.dead):
            return False
        away = all(self.is_overdue(m) and m.silent for m in self.canaries)
        return away and all(map(self.is_seen_down, self.canaries))

    @staticmethod
    def is_seen_down(member: Member) -> bool:
        """Whether a load balancer says that it does not serve: the probe alone may be blind."""
        return member.unhealthy or not member.silent

    def _may_have_tried(self, member: Member) -> bool:
        """Whether it may be a boot of the target: where templates are followed one knows more."""
        if self.is_overdue(member) and self.was_in_pool(member):
            return False
        if self.launches is None:
            return True
        target = self.released
        of_another = target is not None and target.cannot_run_on(member.made, member.began)
        return not self.is_drifted(member) and not of_another

    @cached_property
    def stale(self) -> list[Member]:
        """Boots of something else than the target."""
        outdated = [m for m in self.warm if self.is_outdated(m)]
        if self.since is not None:
            return [m for m in outdated if m.began > self.since + self.doubt]
        return [m for m in outdated if self._is_late(m)]

    def _is_late(self, member: Member) -> bool:
        """Whether it came after the first that is what it should be, where nobody knows when."""
        drifted = self.is_drifted(member)
        first = self.first_launched if drifted else self.first_on_target
        if first is not None:
            # What is of a later version of the template was rolled back.
            return member.began > first and self.later(member) <= 0
        # What is above the target was rolled back, what has drifted came before it was to be
        # launched; the rest booted after the zip was there.
        uploaded = self.released.uploaded + self.doubt if self.released else NOT_KNOWN
        return not self.above(member) and not drifted and member.began > uploaded

    @cached_property
    def failed_boots(self) -> list[Member]:
        """Boots that never came up of a target that others run."""
        if self.since is None or not self.proof:
            return []
        others = any(self.on_target(m) and self.since_then(m) for m in self.available)
        away = [m for m in self.overdue if m.silent and self.since_then(m)]
        silent = away if self._is_under_way else []
        return [m for m in silent if others or self._may_be_of_before(m)]

    @cached_property
    def dead(self) -> list[Member]:
        """Those with which nothing is lost; who is vouched for is not among them."""
        target = self.released
        presumed = [
            m
            for m in self.overdue
            if m.silent
            and not m.vouched
            and (
                m in self.failed_boots
                or self._is_lost(m)
                or self.is_drifted(m)
                or (target and target.cannot_run_on(m.made, m.began))
            )
        ]
        return [*presumed, *(m for m in self.overdue if not m.silent and self.is_outdated(m))]

    @cached_property
    def tried(self) -> list[Member]:
        """The unavailable of those that came to run the target."""
        stale = [m for m in self.stale if not self.was_in_pool(m)]
        return [m for m in self.unavailable if m in self.canaries or m in stale]

    def wait(self, boots: Iterable[Member]) -> timedelta:
        """How long the next has to wait for the newest of boots that failed.

        For none, and for what a warm pool held when the target became it, there is no wait.
        """
        came = max((m.began for m in boots if not self.was_in_pool(m)), default=None)
        if came is None:
            return timedelta(0)
        retry = self.span("canary-retry")
        if self.since is None:
            uploaded = self.released.uploaded if self.released else came
            reference = self.first_on_target or uploaded
        else:
            ran = [m.began for m in self.available if self.on_target(m) and m.began < came]
            reference = max([self.since, *ran])
        patience = min(max(came - reference, retry), _MOST_RETRIES * retry)
        return came + patience - self.now

    @cached_property
    def failed_wait(self) -> timedelta:
        """How long the next of the tried has to wait where others came up.

        Twice as long for each boot of the target that was taken, after the last of those, but for
        two for each that came later and serves well: for half of the group, and for 20, at most.
        """
        wait = self.wait(self.tried)
        if not self.lost or all(map(self.was_in_pool, self.tried)):
            return wait
        later = [m for m in self.available if m.began >= min(self.lost) and self.on_target(m)]
        well = [m for m in later if self.served(m) >= self.trial]
        counts = max(len(self.lost) - min(2 * len(well), self.desired // 2, 20), 1)
        return max(wait, self._held_after(counts))

    @cached_property
    def lost(self) -> list[datetime]:
        """When boots of the target were taken on request."""
        return [end for began, end in self.taken if self.since and began >= self.since]

    @property
    def free(self) -> int:
        """How many of those that came up with something else cost no time where others come up."""
        return min(self.desired, max(self.desired // 2, 40))

    @cached_property
    def stale_wait(self) -> timedelta:
        """How long the next has to wait for boots of something else.

        Where others run the target it is twice as long for each that was taken, but for the free.
        """
        wait = timedelta(0) if self.proof else self.wait(self.stale)
        too_many = len(self.lost) - self.free
        if not self.lost or too_many < 0 or not any(map(self.on_target, self.available)):
            return wait
        return max(wait, self._held_after(too_many + 1))

    def _held_after(self, counts: int) -> timedelta:
        longest = min(1 << counts, _MOST_RETRIES) * self.span("canary-retry")
        return max(self.lost) + longest - self.now

    @cached_property
    def comes_back(self) -> list[Member]:
        """The available that came up with something else than a target that is proven."""
        if not self.proof or self.since is None:
            return []
        return [m for m in self.stale if m in self.available and not self.was_in_pool(m)]

    def was_in_pool(self, member: Member) -> bool:
        """Whether it waited in a warm pool when the target became it, and was taken since.

        Where nobody knows when that was, it was when the zip was uploaded or, of what has drifted,
        when the first came that is on target.
        """
        first = self.first_launched
        if self.is_drifted(member) and first is not None:
            return member.made <= first < member.began
        if self.released is None or member.pooled is None:
            return False
        when = self.released.since or self.released.uploaded
        is_of_pool = member.made < member.pooled
        return (
            is_of_pool and member.made <= when + self.doubt and when - self.doubt <= member.pooled
        )

    @cached_property
    def arriving(self) -> list[Member]:
        """Those on their way in that may be boots of the target: of since then, none drifted."""
        if self.since is None:
            return [m for m in self.coming if not self.is_drifted(m)]
        return [m for m in self.coming if self.since_then(m)]

    @cached_property
    def busy(self) -> bool:
        """Whether anything of since then is on its way in, or the group short of members."""
        return bool(self.arriving or self.missing)

    @cached_property
    def cannot_come(self) -> int:
        """How many that are missing hold back no dead one: too few serve, and launches fail.

        Without proof they failed before the target came, and nothing was taken since it did.
        """
        failing = _failing(self)
        if not failing or not self.is_down:
            return 0
        if not self.proof:
            if self.since is None or min(failing) >= self.since:
                return 0
            if any(end >= self.since for _, end in self.taken):
                return 0
        return self.missing

    @cached_property
    def awaits(self) -> bool:
        """Whether the dead wait for what is on its way in, or missing."""
        return bool(self.arriving or self.missing > self.cannot_come)

    @cached_property
    def could_serve(self) -> int:
        """How many would serve if all came back that have had their time to boot."""
        never = len(self.canaries) if self.gave_up else 0
        return min(len(self.available) + len(self.overdue) - never, self.desired)

    @cached_property
    def budget(self) -> int:
        """How many of those available may go now."""
        out = sum(not self._was_left_behind(m) for m in self.waited_for)
        leaving = sum(m.leaving and not self._left_before(m) for m in self.members)
        spare = min(len(self.available), self.desired) - self.minimum
        room = self.max_unavailable - self.in_flight - out
        return max(0, min(spare, room, 2 * self.max_unavailable - leaving))

    def _was_left_behind(self, member: Member) -> bool:
        """Whether it is overdue, and this release did not cost it.

        Where nobody knows since when, a release costs what came after the first that runs it; what
        has drifted is none of its boots.
        """
        if not self.is_overdue(member):
            return False
        if self.since is not None:
            return not self.since_then(member)
        first = self.first_on_target
        return first is None or member.began < first or self.is_drifted(member)

    def _left_before(self, member: Member) -> bool:
        # Of a group that rests nobody asks since when its target is that.
        if self.settled or self.since is None or member.left is None:
            return False
        return member.left < self.since - self.doubt

    # Surge.

    @property
    def surges(self) -> bool:
        """Whether it asks for an instance refresh where nothing is to spare."""
        return self.tags.get("surge") == "refresh"

    @property
    def is_refreshed(self) -> bool:
        """Whether it surges, and an instance refresh is in progress, whoever began it."""
        return self.surges and not all(each.ended for each in self.refreshes)

    @property
    def is_fit(self) -> bool:
        """Whether there is room for a second one, and a load balancer tells whether it serves."""
        room = self.row["MaxSize"] > 1 and "WarmPoolConfiguration" not in self.row
        return room and self.is_balanced and self.is_checked

    @property
    def is_one(self) -> bool:
        """Whether it is one, which has to stay: to be replaced by a refresh, where it surges."""
        return self.surges and self.desired == 1 <= self.minimum

    @cached_property
    def refresh_tries(self) -> list[tuple[datetime, Refresh]]:
        """The refreshes that tried the target, the newest first, with their begin.

        Where nobody knows since when it is the target, they are those since the one began, and
        since what it should run was made.
        """
        begun = [(each.began, each) for each in self.refreshes if each.began]
        return sorted(
            (each for each in begun if each[0] >= self._tried_from), key=lambda each: each[0]
        )[::-1]

    @cached_property
    def _tried_from(self) -> datetime:
        if self.since is not None:
            return self.since
        dates = [m.began for m in self.counted]
        dates += [self.released.uploaded] if self.released else []
        dates += [self.launches.made] if self.launches and self.launches.made else []
        return max(dates, default=self.now)

    @property
    def refresh_wait(self) -> timedelta:
        """How long the next refresh has to wait for the last: the distances double."""
        if not self.refresh_tries:
            return timedelta(0)
        came, retry = self.refresh_tries[0][0], self.span("canary-retry")
        return came + min(max(came - self._tried_from, retry), _MOST_RETRIES * retry) - self.now

    @property
    def preferences(self) -> dict[str, object]:
        """What a refresh of it has to ask for: above all that it launches before it terminates."""
        own = timedelta(seconds=max(0, self.row.get("DefaultInstanceWarmup", 0)))
        told = zip(self.alarm_names, self.alarms, strict=False)
        watch = [name for name, alarm in told if alarm.state == "OK"][:_MOST_ALARMS]
        return {
            "MinHealthyPercentage": 100,
            "MaxHealthyPercentage": 100,
            "SkipMatching": False,
            "ScaleInProtectedInstances": "Ignore",
            "StandbyInstances": "Ignore",
            "InstanceWarmup": max(self.warm_up, own, self.trial, _LEAST_WARM_UP).total_seconds(),
            **({"AlarmSpecification": {"Alarms": watch}} if watch else {}),
        }

    @cached_property
    def is_settled(self) -> bool:
        """Whether all serve and run the target, whenever they entered service."""
        serve = all(m.serving and m.answers and m.traffic for m in self.counted)
        if not serve or len(self.counted) < self.desired or self.drifts or self.is_astray:
            return False
        if self.by_bucket:
            return self.released is not None and not any(map(self.runs_another, self.counted))
        return len({RANKS[m.version] for m in self.counted if m.version}) < 2

    @cached_property
    def converged(self) -> bool:
        """Whether all is as it should be."""
        known = not (self.by_bucket and self.released is None) and not self.is_astray
        return known and not (self.outdated or self.unavailable or self.in_flight)

    @property
    def is_astray(self) -> bool:
        """Whether what it is to be launched from does not exist."""
        return self.launches is not None and self.launches.origin is None


Answer = TypeVar("Answer")


def _once(ask: Callable[[Seen], Answer]) -> Callable[[Seen], Answer]:
    """Keep what is asked of a group again and again with the group, which never changes."""
    name = f"{ask.__name__}()"

    @wraps(ask)
    def asked(seen: Seen) -> Answer:
        kept = seen.__dict__
        if name not in kept:
            kept[name] = ask(seen)
        answer: Answer = kept[name]
        return answer

    return asked


def _rank(version: str) -> tuple[int, str]:
    return RANKS[version], version


def _second(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)


def figures(seen: Seen) -> dict[str, object]:
    """Return what a record tells of a group besides the decision; of versions their ranks."""
    return {
        "desired": seen.desired,
        "minimum": seen.minimum,
        "template": str(seen.launch) if seen.launch else None,
        "due": len(seen.due),
        **_spread(seen),
        "available": len(seen.available),
        "unavailable": len(seen.unavailable),
        "in_flight": seen.in_flight,
        "outdated": len(seen.outdated),
        "stale": len(seen.stale),
        "overdue": len(seen.overdue),
        "since": seen.since.isoformat() if seen.since else None,
    }


def _spread(seen: Seen) -> dict[str, object]:
    """Return the target and what runs: ranks of versions, or versions of the template alone."""
    if not seen.probed:
        # Those of other templates have no order, and are the lowest.
        of = seen.launch
        here = [(_template_rank(seen, m), m.origin) for m in seen.available if m.origin and of]
        rows = [(rank, str(each if of and of.image else each.bare)) for rank, each in here]
        return {
            "target": str(seen.launch) if seen.launch else None,
            "lowest": min(rows)[1] if rows else None,
            "highest": max(rows)[1] if rows else None,
            "target_source": "template",
        }
    ranks = [RANKS[m.version] for m in seen.available if m.version]
    return {
        "target": RANKS[seen.target] if seen.target else None,
        "lowest": min(ranks, default=None),
        "highest": max(ranks, default=None),
        "target_source": "released" if seen.bucket else "highest",
    }


def _template_rank(seen: Seen, member: Member) -> int:
    """Return what members are ordered by that run the same version: that of the template."""
    of, to = member.origin, seen.launch
    return (of.version or 0) if of and to and of.name == to.name else -1


# What holds a group whatever runs on it.


@_once
def broken_settings(seen: Seen) -> bool:
    """Say whether a setting of the group cannot be read, so that nothing else is asked."""
    follows = seen.tags.get("follow", "release").split()
    if seen.tags.get("surge", "refresh") != "refresh":
        return True
    if seen.tags.get("images") == "true" and "template" not in follows:
        return True
    unreadable = any(tag not in KNOWN or text == UNREADABLE for tag, text in seen.tags.items())
    return unreadable or seen.tags.get("enabled") != "true"


def _suspended(seen: Seen) -> bool:
    return bool(_processes(seen) & {"Launch", "Terminate", "HealthCheck", "AddToLoadBalancer"})


def _processes(seen: Seen) -> set[str]:
    return {each["ProcessName"] for each in seen.row.get("SuspendedProcesses", ())}


def _weighted(seen: Seen) -> bool:
    units = seen.row.get("DesiredCapacityType", "units") == "units"
    return not units or any(m.weighted for m in seen.members)


def _is_ahead(seen: Seen, since: datetime | None) -> bool:
    return since is not None and since > seen.now + MINUTE


def _unknowable(seen: Seen) -> bool:
    return any(each["Type"] == "vpc-lattice" for each in seen.row.get("TrafficSources", ()))


Holds = Callable[[Seen], bool]
# Under these a group cannot act, whatever it should run.
_INACTIVE: Mapping[str, Holds] = {
    "deleting": lambda s: bool(s.row.get("Status")),
    "operator_managed": lambda s: bool(s.row.get("Operator")),
    "paused": lambda s: "pause" in s.tags,
    "processes_suspended": _suspended,
    "weighted_capacity": _weighted,
    "traffic_unknown": _unknowable,
}
# The holds by their names, in the order in which they are asked, and when they apply.
HOLDS: Mapping[str, Holds] = {
    "settings_unreadable": broken_settings,
    **_INACTIVE,
    "no_release": lambda s: s.by_bucket and s.released is None,
    "template_unknown": lambda s: s.is_astray,
    "release_in_future": lambda s: s.released is not None and _is_ahead(s, s.released.since),
    "nothing_available": lambda s: not s.available and not s.dead and s.desired > 0,
    "nothing_outdated": lambda s: not s.outdated and not s.dead,
    "all_protected": lambda s: all(m.protected for m in (*s.outdated, *s.dead)),
    # Of one that surges this is known before anything is chosen.
    "instance_refresh": lambda s: s.is_refreshed,
}


@_once
def hold(seen: Seen) -> str | None:
    """Return the first hold that applies whoever might go."""
    return next((name for name, applies in HOLDS.items() if applies(seen)), None)


def _on_its_way(seen: Seen) -> bool:
    last = max((m.made for m in seen.available), default=None)
    newest = [m for m in seen.available if last and _second(m.made) == _second(last)]
    return bool(newest) and all(seen.on_target(m) for m in newest)


def _lately(seen: Seen) -> bool:
    retry = seen.span("canary-retry")
    return seen.since is None and any(seen.now - m.began < retry for m in seen.warm)


# Why no canary goes yet.
WAITING: Mapping[str, Holds] = {
    "members_in_flight": lambda s: s.busy,
    "proof_on_its_way": _on_its_way,
    "canary_not_come_up": lambda s: bool(s.canaries),
    "boots_stale": lambda s: s.stale_wait > timedelta(0),
    "launched_lately": _lately,
}


@_once
def waiting(seen: Seen) -> str | None:
    """Return why nothing available may go yet: no proof, or it still bakes."""
    if seen.proof:
        return "baking" if seen.bakes else None
    return next((name for name, applies in WAITING.items() if applies(seen)), None)


# What its guards say.


def closed(seen: Seen) -> bool:
    """Say whether the window is closed."""
    return seen.tags.get("window") == WINDOW and not OPENS <= seen.now.hour < CLOSES


def _holding(seen: Seen) -> list[Alarm]:
    """Return the alarms that hold: missing, in ALARM, or in it within the bake time."""
    bake = seen.span("bake-time")
    return [
        alarm
        for alarm in seen.alarms
        if alarm.state in {None, "ALARM"} or any(seen.now - end < bake for _, end in alarm.spans)
    ]


def _rang_before(seen: Seen, alarm: Alarm) -> bool:
    """Say whether an alarm was in ALARM when the target became it, or within the bake time before.

    It has not been out of it for as long since.
    """
    since, bake = seen.since, seen.span("bake-time")
    if since is None:
        return False
    rang = [each for each in alarm.spans if each[0] <= since <= each[1] + bake]
    later = [*rang[-1:], *(each for each in alarm.spans if each[0] > since)]
    gaps = [begin - end for (_, end), (begin, _) in pairwise(later)]
    return bool(rang) and all(gap < bake for gap in gaps)


def _is_in_place(seen: Seen, member: Member) -> bool:
    """Say whether no window and no alarm holds a member, which would keep a bad release in place.

    Nor do they hold what is dead while fewer than the minimum are available.
    """
    if member in seen.dead:
        newer = all(member.made > other.made for other in seen.available)
        return newer or seen.lacks
    return seen.above(member)


def _free_of_alarms(seen: Seen, member: Member) -> bool:
    """Say whether the alarms that hold rang before the fix, and a member was there before it."""
    before = seen.since is not None and (not seen.since_then(member) or seen.was_in_pool(member))
    rang = all(_rang_before(seen, alarm) for alarm in _holding(seen))
    lacks = member in seen.dead and seen.proof and not seen.outdated
    return (before and (rang or lacks)) or _is_in_place(seen, member)


# One canary for the app.


def _inactive(seen: Seen) -> bool:
    return broken_settings(seen) or any(holds(seen) for holds in _INACTIVE.values())


def _acts(seen: Seen) -> bool:
    return not _inactive(seen) and not closed(seen)


def _is_trying(seen: Seen) -> bool:
    """Say whether a group without proof has a canary out, or a refresh that launches one.

    One that is missing comes, unless launches have failed for three hours.
    """
    failing = _failing(seen)
    comes = seen.missing and (not failing or seen.now - min(failing) <= 3 * HOUR)
    young = [m for m in seen.available if seen.on_target(m) and seen.served(m) < seen.grace]
    since_then = [m for m in young if seen.since is None or seen.since_then(m)]
    away = [] if seen.gave_up else seen.canaries
    is_out = comes or seen.arriving or away or since_then or seen.is_refreshed
    return not seen.proof and bool(is_out)


def is_proven(seen: Seen, app: Iterable[Seen]) -> bool:
    """Say whether a group of the app has proof of the target of this one, and has baked.

    Where members have drifted that is proof of what they drifted from too.
    """
    return _has_proof(seen, app, exactly=seen.drifts)


def _has_proof(seen: Seen, app: Iterable[Seen], *, exactly: bool) -> bool:
    """Say whether one has proof of the same, and has baked: `exactly`, launched from the same."""
    proofs = [e for e in app if _is_same(e, seen) and e.proof and not e.bakes]
    return any(not exactly or e.launches == seen.launches for e in proofs)


def _template(seen: Seen) -> object:
    """Return what a group launches from, images aside; None where it does not follow that."""
    if seen.launches is None:
        return None
    return seen.launches.origin.bare if seen.launches.origin else seen.launches


def _is_same(one: Seen, other: Seen) -> bool:
    """Say whether two groups try the same: a release or, where both follow it alone, a template."""
    if one.probed and other.probed:
        return one.target is not None and one.target == other.target
    return one.probed == other.probed and one.launches == other.launches


def _heals(seen: Seen) -> bool:
    """Say whether a group lacks nothing but that one that is ill goes."""
    return hold(seen) == "nothing_outdated" and any(not m.protected for m in seen.ill)


def with_others(seen: Seen, app: Sequence[Seen]) -> Seen:
    """Return a group with those of its app that it waits for, if it would send a canary."""
    if seen.converged:
        others = [e for e in app if e.name != seen.name and not _inactive(e)]
        moving = [e for e in others if not e.converged and not _heals(e)]
        return replace(seen, moving=tuple(e.name for e in moving))
    if hold(seen) == "nothing_outdated":
        return seen
    others = [e for e in app if e.name != seen.name and _is_same(e, seen) and _acts(e)]
    if is_proven(seen, app):
        return seen
    if _has_proof(seen, app, exactly=False):
        # The release is proven. What is left to prove is what is launched.
        others = [e for e in others if _template(e) == _template(seen)]
    others = [e for e in others if not _has_proof(e, app, exactly=e.launches is not None)]
    return replace(
        seen,
        first=tuple(e.name for e in others if _is_trying(e)),
        bakers=tuple(e.name for e in others if e.proof and e.bakes),
    )


def _another_first(seen: Seen) -> bool:
    """Say whether another group tries the target: what goes back waits for none to bake."""
    bakes = bool(seen.bakers) and not any(seen.above(m) and not m.protected for m in seen.outdated)
    return not seen.proof and (bool(seen.first) or bakes)


# What must never go, and what must.

Broken = Callable[[Seen, Sequence[Member]], bool]


def _dead_below_minimum(seen: Seen, goes: Sequence[Member]) -> bool:
    """Say whether, if all that is unavailable came back, too few would serve without these.

    Where nothing is available those are lost that a load balancer refuses.
    """
    dead = [m for m in goes if m in seen.dead]
    counts = [m for m in dead if seen.available or not (m.refused or not m.silent)]
    return bool(counts) and seen.could_serve - len(dead) < seen.minimum


def _dead_without_proof(seen: Seen, goes: Sequence[Member]) -> bool:
    dead = any(m in seen.dead for m in goes)
    tried = any(m in seen.tried for m in goes)
    again = seen.gave_up and seen.wait(seen.canaries) <= timedelta(0)
    held = (seen.canaries and not again) or (seen.gave_up and not all(map(seen.is_seen_down, goes)))
    return dead and not seen.proof and bool(tried or seen.awaits or held)


def _too_many_dead(seen: Seen, goes: Sequence[Member]) -> bool:
    others = [m for m in seen.waited_for if m not in seen.dead]
    room = seen.max_unavailable - (seen.in_flight - seen.cannot_come) - len(others)
    return any(m in seen.dead for m in goes) and seen.proof and len(goes) > room


def _failing_too_fast(seen: Seen, goes: Sequence[Member]) -> bool:
    """Say whether boots that failed go at once, or before the last of them had its time."""
    if not seen.proof or not any(m in seen.tried and m in seen.dead for m in goes):
        return False
    return len(goes) > 1 or seen.awaits or seen.failed_wait > timedelta(0)


def _stale_too_fast(seen: Seen, goes: Sequence[Member]) -> bool:
    """Say whether boots of something else go at once, too soon, or with others or before them.

    Those above the target go before others that are not.
    """
    stale = [m for m in goes if m in seen.comes_back]
    if not stale:
        return False
    others = [m for m in seen.outdated if m not in seen.comes_back and _is_free(seen, m)]
    too_early = bool(others) and (any(map(seen.above, others)) or not all(map(seen.above, stale)))
    too_many = len(stale) < len(goes) or len(goes) > max(1, seen.free - len(seen.lost))
    return too_early or too_many or seen.stale_wait > timedelta(0)


def _is_free(seen: Seen, member: Member) -> bool:
    """Say whether neither protection, window, alarms nor the bake time hold an available one."""
    if member.protected or (waiting(seen) and not (seen.proof and seen.above(member))):
        return False
    if closed(seen) and not _is_in_place(seen, member):
        return False
    return not _holding(seen) or _free_of_alarms(seen, member)


def _available(seen: Seen, goes: Sequence[Member]) -> list[Member]:
    return [m for m in goes if m in seen.available]


def _over_minimum(seen: Seen, goes: Sequence[Member]) -> bool:
    gone = len(_available(seen, goes))
    return gone > 0 and min(len(seen.available), seen.desired) - gone < seen.minimum


# What is broken by letting these members go, where nothing holds.
PROMISES: tuple[tuple[str, Broken], ...] = (
    ("only what is in service goes", lambda _, goes: not all(m.serving for m in goes)),
    ("nothing protected goes", lambda _, goes: any(m.protected for m in goes)),
    ("nothing on target goes", lambda s, goes: any(s.on_target(m) for m in goes)),
    (
        "only what is outdated or dead goes",
        lambda s, goes: not all(m in (*s.outdated, *s.dead) for m in goes),
    ),
    (
        "the dead go by themselves",
        lambda s, goes: any(m in s.dead for m in goes) and bool(_available(s, goes)),
    ),
    ("without the dead enough could serve", _dead_below_minimum),
    ("without proof the dead wait for the last try", _dead_without_proof),
    ("the dead fit max-unavailable", _too_many_dead),
    ("boots that fail go at growing distances", _failing_too_fast),
    ("stale boots go at growing distances where others come up", _stale_too_fast),
    ("the minimum stays available", _over_minimum),
    ("what is out fits max-unavailable", lambda s, goes: len(_available(s, goes)) > s.budget),
    ("without proof one goes", lambda s, goes: not s.proof and len(goes) > 1),
    (
        "what is available waits for the last try, and for proof to bake",
        lambda s, goes: any(
            waiting(s) and not (s.proof and s.above(m)) for m in _available(s, goes)
        ),
    ),
    (
        "outside the window only what keeps a bad release goes",
        lambda s, goes: closed(s) and not all(_is_in_place(s, m) for m in goes),
    ),
    ("nothing goes during an instance refresh", lambda s, _: s.refresh),
    (
        "under an alarm only what keeps a bad release goes, or rang it before the fix",
        lambda s, goes: bool(_holding(s)) and not all(_free_of_alarms(s, m) for m in goes),
    ),
    ("no canary goes for a zip that cannot be read", lambda s, _: s.zip_bad and not s.proof),
    ("one canary goes for the app", lambda s, _: _another_first(s)),
)


# What is broken by letting these go, which run what they should.
RECYCLING: tuple[tuple[str, Broken], ...] = (
    ("nothing on target goes but what is due", lambda s, goes: not all(m in s.due for m in goes)),
    ("of what is due one goes", lambda _, goes: len(goes) > 1),
    ("nothing protected goes", lambda _, goes: any(m.protected for m in goes)),
    (
        "what is due goes from no group that cannot act",
        lambda s, _: _inactive(s) or s.is_astray or HOLDS["release_in_future"](s),
    ),
    ("what is due waits for the last to bake", lambda s, _: s.newest_bakes),
    ("the minimum stays available", _over_minimum),
    ("what is out fits max-unavailable", lambda s, goes: len(goes) > s.budget),
    ("what is due goes in the window only", lambda s, _: closed(s)),
    ("nothing goes during an instance refresh", lambda s, _: s.refresh),
    ("under an alarm nothing that is due goes", lambda s, _: bool(_holding(s))),
    ("nothing that is due goes for a zip that cannot be read", lambda s, _: s.zip_bad),
    ("nothing that is due goes while the app moves", lambda s, _: bool(s.moving)),
)


# What is broken by letting these go for being ill.
HEALING: tuple[tuple[str, Broken], ...] = (
    ("nothing goes but what is ill", lambda s, goes: not all(m in s.ill for m in goes)),
    ("of the ill one goes", lambda _, goes: len(goes) > 1),
    ("nothing protected goes", lambda _, goes: any(m.protected for m in goes)),
    ("the ill go in the window only", lambda s, _: closed(s)),
    ("nothing goes during an instance refresh", lambda s, _: s.refresh),
    ("under an alarm no ill one goes", lambda s, _: bool(_holding(s))),
    ("no ill one goes for a zip that cannot be read", lambda s, _: s.zip_bad),
    ("no ill one goes where a canary of the app has gone", lambda s, _: bool(s.first)),
)


# What is broken by having an instance refresh replace these.
SURGING: tuple[tuple[str, Broken], ...] = (
    ("a refresh is for one that asks for it, and has to stay", lambda s, _: not s.is_one),
    ("a refresh is for a group that is fit for it", lambda s, _: not s.is_fit),
    ("a refresh replaces the one that is there", lambda s, goes: s.counted != [*goes]),
    ("beside a refresh nothing is on its way", lambda s, _: s.in_flight > 0),
    (
        "a refresh replaces what is available and outdated",
        lambda s, goes: any(m not in s.outdated for m in goes),
    ),
    ("nothing protected is refreshed", lambda _, goes: any(m.protected for m in goes)),
    ("a refresh waits for the last try", lambda s, _: bool(waiting(s))),
    ("refreshes begin at growing distances", lambda s, _: s.refresh_wait > timedelta(0)),
    (
        "outside the window a refresh replaces only what is above",
        lambda s, goes: closed(s) and not all(_is_in_place(s, m) for m in goes),
    ),
    ("one refresh at a time", lambda s, _: s.refresh),
    (
        "under an alarm a refresh replaces only what is above, or rang it before the fix",
        lambda s, goes: bool(_holding(s)) and not all(_free_of_alarms(s, m) for m in goes),
    ),
    ("no refresh begins for a zip that cannot be read", lambda s, _: s.zip_bad),
    ("one canary goes for the app", lambda s, _: _another_first(s)),
)


def spoiled(seen: Seen, goes: Sequence[Member]) -> str | None:
    """Return the promise that is broken by a refresh of these; None where all are kept."""
    if seen.converged:
        return "what has converged is not refreshed"
    if held := hold(seen):
        return f"no refresh begins: {held}"
    return next((name for name, breaks in SURGING if breaks(seen, goes)), None)


def refreshed(seen: Seen) -> list[Member]:
    """Return the one that an instance refresh must replace, if there is one."""
    if not seen.surges:
        return []
    return [m for m in seen.outdated if spoiled(seen, [m]) is None]


@_once
def chosen(seen: Seen) -> list[Member]:
    """Return what must go, in order, by terminations or by an instance refresh."""
    return owed(seen) or refreshed(seen)


def broken(seen: Seen, goes: Sequence[Member]) -> str | None:
    """Return the promise that is broken if these go; None where all are kept."""
    if not goes:
        return None
    if seen.converged:
        return next((name for name, breaks in RECYCLING if breaks(seen, goes)), None)
    if hold(seen) == "nothing_outdated" and seen.ill:
        return next((name for name, breaks in HEALING if breaks(seen, goes)), None)
    if held := hold(seen):
        return f"nothing goes: {held}"
    return next((name for name, breaks in PROMISES if breaks(seen, goes)), None)


def owed(seen: Seen) -> list[Member]:
    """Return what must go, in order: as many as break no promise, the dead before any other."""
    if seen.converged:
        free = [m for m in seen.due if not m.protected]
        return [m for m in free[:1] if broken(seen, [m]) is None]
    if hold(seen) == "nothing_outdated":
        return [m for m in seen.ill if broken(seen, [m]) is None][:1]
    return _most(seen, seen.dead) or _most(seen, seen.outdated)


def _most(seen: Seen, of: Sequence[Member]) -> list[Member]:
    goes: list[Member] = []
    rest = list(of)
    while rest := [m for m in rest if broken(seen, [*goes, m]) is None]:
        rest.sort(key=lambda m: _order(seen, goes, m))
        goes.append(rest.pop(0))
    return goes


def _order(seen: Seen, goes: Sequence[Member], member: Member) -> tuple[Any, ...]:
    if member in seen.dead:
        return (member in seen.tried, member.made, member.id)
    rank = RANKS[member.version] if member.version else 0
    of = _template_rank(seen, member)
    tier = (0, -rank, -of) if seen.above(member) else (1, rank, of)
    left = Counter(m.zone for m in seen.available) - Counter(m.zone for m in goes)
    return (*tier, -left[member.zone], member.made, member.id)


@_once
def unguarded(seen: Seen) -> Seen:
    """Return a group as if its guards had nothing to say."""
    said = seen.refresh or seen.zip_bad or seen.alarms or seen.first or seen.bakers or seen.moving
    if not said and "window" not in seen.tags:
        return seen
    tags = [tag for tag in seen.row["Tags"] if tag["Key"] != "terminator:window"]
    row = {**seen.row, "Tags": tags}
    return replace(
        seen, row=row, refresh=False, alarms=(), zip_bad=False, first=(), bakers=(), moving=()
    )


def reason(seen: Seen) -> str:
    """Return the hold that must be the reason where nothing goes."""
    held = hold(seen)
    bare = unguarded(seen)
    if chosen(bare):
        return _guard(seen, bare)
    if held:
        return held
    if all(m.protected for m in seen.outdated):
        return "dead_wait"
    held = waiting(seen)
    free = [m for m in seen.outdated if not m.protected]
    if held == "baking" and any(map(seen.above, free)):
        # What is above the target does not wait for it to bake.
        held, free = None, list(filter(seen.above, free))
    if held is None and seen.proof and seen.budget and all(m in seen.comes_back for m in free):
        held = "boots_stale"
    return held or _for_want_of_budget(seen)


def _for_want_of_budget(seen: Seen) -> str:
    if not seen.is_one:
        return "no_budget"
    if not seen.is_fit:
        return "surge_unfit"
    alone = len(seen.counted) == 1 and not seen.in_flight
    return "surge_waits" if alone else "no_budget"


def _guard(seen: Seen, bare: Seen) -> str:
    """Return the first guard under which nothing goes any more."""
    now = bare
    for name, said in (
        ("window_closed", {"row": seen.row}),
        ("instance_refresh", {"refresh": seen.refresh}),
        ("alarm", {"alarms": seen.alarms}),
        ("zip_unreadable", {"zip_bad": seen.zip_bad}),
    ):
        now = replace(now, **said)
        if not chosen(now):
            rings = any(alarm.state in {None, "ALARM"} for alarm in _holding(seen))
            return name if name != "alarm" or rings else "alarm_lately"
    return "another_group_first"


# Who needs a person.

_AT_ONCE = {
    "settings_unreadable",
    "operator_managed",
    "processes_suspended",
    "weighted_capacity",
    "traffic_unknown",
    "no_release",
    "template_unknown",
    "alarm",
    "zip_unreadable",
    "surge_unfit",
}
_A_DAY = {"window_closed", "no_budget"}


def needs_attention(seen: Seen, held: str | None) -> bool:
    """Say whether a person has to act on the group, whatever was decided."""
    if held in _AT_ONCE:
        return True
    if seen.converged:
        return bool(seen.due) and seen.ages_too_fast
    if "ReplaceUnhealthy" in _processes(seen) and any(m.health != "Healthy" for m in seen.counted):
        return True
    failing = _failing(seen)
    if not seen.outdated and not seen.dead:
        away = [seen.served(m) for m in seen.overdue]
        lasting = [*away, *(seen.now - at for at in failing)]
        lasting += [_replacing(seen)] if seen.lacks else []
        stuck = [m for m in seen.coming if m.state.startswith("Pending")]
        return any(each > 3 * HOUR for each in lasting) or any(
            seen.now - m.began > DAY for m in stuck
        )
    failed = any(each.replaced_nothing for _, each in seen.refresh_tries)
    trouble = failing or failed or any(seen.is_overdue(m) for m in seen.canaries)
    trouble = trouble or _replacing(seen) > 3 * HOUR
    patience = 3 * HOUR if trouble and held not in _A_DAY else DAY
    return (behind := _behind(seen)) is not None and behind > patience


def _replacing(seen: Seen) -> timedelta:
    """Return for how long Auto Scaling has replaced, every few hours, what is refused."""
    back = seen.now
    for at in sorted(seen.refused, reverse=True):
        back = at if back - at <= 3 * HOUR else back
    return seen.now - back


def _failing(seen: Seen) -> list[datetime]:
    """Return when launches failed since something last entered service, while something is out."""
    entered = max((m.entered for m in seen.warm if m.entered), default=None)
    return [at for at in seen.failed if entered is None or at > entered] * bool(seen.in_flight)


def _behind(seen: Seen) -> timedelta | None:
    """For how long the group could have followed its target; None where nobody knows."""
    if seen.since is not None:
        return seen.now - seen.since
    dates = [seen.first_on_target] if seen.first_on_target else []
    dates += [seen.released.uploaded] if seen.released else []
    dates += [seen.launches.made] if seen.launches and seen.launches.made else []
    return seen.now - max(dates) if dates else None


def longest_age(seen: Seen) -> timedelta:
    """Return the longest age in service that any rule asks."""
    longest_wait, bake = _MOST_RETRIES * seen.span("canary-retry"), seen.span("bake-time")
    return max(longest_wait, seen.grace + bake, seen.warm_up)
