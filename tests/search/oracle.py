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
from functools import cached_property
from typing import Any

from tests.search.history import MINUTE, RANKS, Target

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
DEFAULTS = {"minimum": "50%", "max-unavailable": "25%", "bake-time": "10m", "canary-retry": "30m"}
KNOWN = {"enabled", "app", "pause", "window", "alarms", "warm-up", *DEFAULTS}
UNREADABLE = "lots"
# The only window that the search uses, and its hours.
WINDOW, OPENS, CLOSES = "Mon-Sun 08:00-20:00 UTC", 8, 20
# What was not looked up counts as the newest of all.
NOT_KNOWN = datetime.max.replace(tzinfo=UTC)
_MOST_RETRIES = 32


@dataclass(frozen=True, eq=False)  # each is itself: many are looked for in lists
class Member:
    """A member as it was shown: it answered a version, or a reason, or it was not asked.

    `runs` says whether EC2 lists it as running, `made` when it first started, `entered` since
    when it is in service, `pooled` when it was taken from a warm pool, and `left` when it began
    to leave; None where nobody knows. `traffic` says whether load balancers send it some, None
    where one does not know; `vouched` that one calls it healthy, `refused` that each that says
    anything does not, and `unused` that it gets none for its zone alone.
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
    unused: bool = False
    protected: bool = False
    weighted: bool = False

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
    def began(self) -> datetime:
        """When it was made or, if that was later, taken from a warm pool."""
        return max(self.made, self.pooled or self.made)


@dataclass(frozen=True)
class Alarm:
    """An alarm that a group names: its state (None: there is none), and when it was in ALARM."""

    state: str | None
    spans: tuple[tuple[datetime, datetime], ...] = ()


@dataclass(frozen=True)
class Seen:
    """A group as a run was shown it. `target` is None where a bucket holds none for it.

    `settled` says that when its members entered service was not asked, since it has converged.
    `failed` are when launches failed. `refresh`, `alarms` and `zip_bad` are what its guards said.
    `first` are the groups of its app whose canary goes first, `bakers` those where one bakes.
    """

    row: Mapping[str, Any]
    members: tuple[Member, ...]
    now: datetime
    bucket: bool
    released: Target | None
    settled: bool = False
    failed: tuple[datetime, ...] = ()
    refresh: bool = False
    alarms: tuple[Alarm, ...] = ()
    zip_bad: bool = False
    first: tuple[str, ...] = ()
    bakers: tuple[str, ...] = ()

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
        asked = [m for m in self.counted if m.serving and (m.version or m.reason)]
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
        return [m for m in self.warm if m.version and m.traffic]

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
    def target(self) -> str | None:
        """The version to run."""
        if self.bucket:
            return self.released.version if self.released else None
        return max((m.version for m in self.available if m.version), key=_rank, default=None)

    @cached_property
    def since(self) -> datetime | None:
        """When the target became it, None where unknown."""
        return self.released.since if self.released else None

    @cached_property
    def doubt(self) -> timedelta:
        """Within how much of a date nobody knows what came first."""
        return self.released.doubt if self.released else MINUTE

    def on_target(self, member: Member) -> bool:
        """Whether it is known to run the target."""
        if member.version is None or self.target is None:
            return False
        if not self.bucket:
            return RANKS[member.version] == RANKS[self.target]
        return self.released is not None and self.released.is_run_by(member.version)

    def above(self, member: Member) -> bool:
        """Whether it is known to run more than the target."""
        if member.version is None or self.target is None:
            return False
        return RANKS[member.version] > RANKS[self.target]

    def is_outdated(self, member: Member) -> bool:
        """Whether it is known to run something else: without a bucket, something lower."""
        if member.version is None or self.target is None or self.on_target(member):
            return False
        return self.bucket or not self.above(member)

    @cached_property
    def outdated(self) -> list[Member]:
        """Those available that are outdated."""
        return [m for m in self.available if self.is_outdated(m)]

    def since_then(self, member: Member) -> bool:
        """Whether it came since the target became it, or may have."""
        return self.since is not None and member.began >= self.since - self.doubt

    @cached_property
    def first_on_target(self) -> datetime | None:
        """When the first came that runs the target and is available."""
        return min((m.began for m in self.available if self.on_target(m)), default=None)

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
        return longest < self.grace + self.span("bake-time")

    def _may_be_of_before(self, member: Member) -> bool:
        """Whether it came before the target became it, but within the doubt, or from a pool."""
        if self.since is None:
            return False
        return self.since - self.doubt <= member.began < self.since or self._was_in_pool(member)

    def _is_lost(self, member: Member) -> bool:
        """Whether it may be of before, is away and overdue, and nothing proves the target.

        It may be the canary of another release, and none of this one comes while that stands.
        """
        away = self.is_overdue(member) and not self.on_target(member) and not self.proof
        return away and self._is_under_way and self._may_be_of_before(member)

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
            last = max((m.began for m in self.warm), default=None)
            return [m for m in self.waited_for if last and _second(m.began) == _second(last)]
        return [
            m
            for m in self.waited_for
            if self.since_then(m)
            # What answers another version and came within the doubt is no canary.
            and (not self.is_outdated(m) or m in self.stale)
            and not self._is_lost(m)
        ]

    @cached_property
    def stale(self) -> list[Member]:
        """Boots of something else than the target."""
        outdated = [m for m in self.warm if self.is_outdated(m)]
        if self.since is not None:
            return [m for m in outdated if m.began > self.since + self.doubt]
        if self.first_on_target is not None:
            return [m for m in outdated if m.began > self.first_on_target]
        # What is above the target was rolled back; the rest booted after the zip was there.
        uploaded = self.released.uploaded + self.doubt if self.released else NOT_KNOWN
        return [m for m in outdated if m.began > uploaded and not self.above(m)]

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
                or (target and target.cannot_run_on(m.made, m.began))
            )
        ]
        return [*presumed, *(m for m in self.overdue if self.is_outdated(m))]

    @cached_property
    def tried(self) -> list[Member]:
        """The unavailable of those that came to run the target."""
        stale = [m for m in self.stale if not self._was_in_pool(m)]
        return [m for m in self.unavailable if m in self.canaries or m in stale]

    def wait(self, boots: Iterable[Member]) -> timedelta:
        """How long the next has to wait for the newest of boots that failed.

        For none, and for what a warm pool held when the target became it, there is no wait.
        """
        came = max((m.began for m in boots if not self._was_in_pool(m)), default=None)
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

    def _was_in_pool(self, member: Member) -> bool:
        """Whether it waited in a warm pool when the target became it, and was taken since.

        Where nobody knows when that was, it was when the zip was uploaded.
        """
        if self.released is None or member.pooled is None:
            return False
        when = self.since or self.released.uploaded
        return member.made <= when + self.doubt < member.pooled

    @cached_property
    def busy(self) -> bool:
        """Whether anything of since then is on its way in, or the group short of members."""
        coming = [m for m in self.coming if self.since is None or self.since_then(m)]
        return bool(coming or self.missing)

    @cached_property
    def could_serve(self) -> int:
        """How many would serve if all came back that have had their time to boot."""
        return min(len(self.available) + len(self.overdue), self.desired)

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

        Where nobody knows since when, a release costs what came after the first that runs it.
        """
        if not self.is_overdue(member):
            return False
        if self.since is not None:
            return not self.since_then(member)
        first = self.first_on_target
        return first is None or member.began < first

    def _left_before(self, member: Member) -> bool:
        if self.since is None or member.left is None:
            return False
        return member.left < self.since - self.doubt

    @cached_property
    def is_settled(self) -> bool:
        """Whether all serve and run the target, whenever they entered service."""
        serve = all(m.serving and m.version and m.traffic for m in self.counted)
        if not serve or len(self.counted) < self.desired:
            return False
        if self.bucket:
            return self.released is not None and all(map(self.on_target, self.counted))
        return len({RANKS[m.version] for m in self.counted if m.version}) < 2

    @cached_property
    def converged(self) -> bool:
        """Whether all is as it should be."""
        known = not self.bucket or self.released is not None
        return known and not (self.outdated or self.unavailable or self.in_flight)


def _rank(version: str) -> tuple[int, str]:
    return RANKS[version], version


def _second(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)


def figures(seen: Seen) -> dict[str, object]:
    """Return what a record tells of a group besides the decision; of versions their ranks."""
    ranks = [RANKS[m.version] for m in seen.available if m.version]
    return {
        "desired": seen.desired,
        "minimum": seen.minimum,
        "target": RANKS[seen.target] if seen.target else None,
        "lowest": min(ranks, default=None),
        "highest": max(ranks, default=None),
        "target_source": "released" if seen.bucket else "highest",
        "available": len(seen.available),
        "unavailable": len(seen.unavailable),
        "in_flight": seen.in_flight,
        "outdated": len(seen.outdated),
        "stale": len(seen.stale),
        "overdue": len(seen.overdue),
        "since": seen.since.isoformat() if seen.since else None,
    }


# What holds a group whatever runs on it.


def broken_settings(seen: Seen) -> bool:
    """Say whether a setting of the group cannot be read, so that nothing else is asked."""
    unreadable = any(tag not in KNOWN or text == UNREADABLE for tag, text in seen.tags.items())
    return unreadable or seen.tags.get("enabled") != "true"


def _suspended(seen: Seen) -> bool:
    processes = {each["ProcessName"] for each in seen.row.get("SuspendedProcesses", ())}
    return bool(processes & {"Launch", "Terminate", "HealthCheck", "AddToLoadBalancer"})


def _weighted(seen: Seen) -> bool:
    units = seen.row.get("DesiredCapacityType", "units") == "units"
    return not units or any(m.weighted for m in seen.members)


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
    "no_release": lambda s: s.bucket and s.released is None,
    "release_in_future": lambda s: s.since is not None and s.since > s.now + MINUTE,
    "nothing_available": lambda s: not s.available and not s.dead and s.desired > 0,
    "nothing_outdated": lambda s: not s.outdated and not s.dead,
    "all_protected": lambda s: all(m.protected for m in (*s.outdated, *s.dead)),
}


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
    "boots_stale": lambda s: s.wait(s.stale) > timedelta(0),
    "launched_lately": _lately,
}


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
    """Say whether an alarm was in ALARM when the target became it, or within the bake time."""
    since, bake = seen.since, seen.span("bake-time")
    return since is not None and any(begin <= since <= end + bake for begin, end in alarm.spans)


def _is_in_place(seen: Seen, member: Member) -> bool:
    """Say whether a member keeps a bad release in place, which no window and no alarm holds."""
    if member in seen.dead:
        return all(member.made > other.made for other in seen.available)
    return seen.above(member)


def _free_of_alarms(seen: Seen, member: Member) -> bool:
    """Say whether the alarms that hold rang before the fix, and a member was there before it."""
    before = seen.since is not None and (
        not seen.since_then(member) or member.made <= seen.since + seen.doubt < member.began
    )
    rang = before and all(_rang_before(seen, alarm) for alarm in _holding(seen))
    return rang or _is_in_place(seen, member)


# One canary for the app.


def _acts(seen: Seen) -> bool:
    held = broken_settings(seen) or any(holds(seen) for holds in _INACTIVE.values())
    return not held and not closed(seen)


def _is_trying(seen: Seen) -> bool:
    """Say whether a group without proof has a canary out.

    One that is missing comes, unless launches have failed for three hours.
    """
    failing = _failing(seen)
    comes = seen.missing and (not failing or seen.now - min(failing) <= 3 * HOUR)
    coming = [m for m in seen.coming if seen.since is None or seen.since_then(m)]
    young = [m for m in seen.available if seen.on_target(m) and seen.served(m) < seen.grace]
    since_then = [m for m in young if seen.since is None or seen.since_then(m)]
    return not seen.proof and bool(comes or coming or seen.canaries or since_then)


def is_proven(seen: Seen, app: Iterable[Seen]) -> bool:
    """Say whether a group of the app has proof of the target of this one, and has baked."""
    return any(e.target == seen.target and e.proof and not e.bakes for e in app)


def with_others(seen: Seen, app: Sequence[Seen]) -> Seen:
    """Return a group with those of its app that it waits for, if it would send a canary."""
    others = [e for e in app if e.name != seen.name and e.target == seen.target and _acts(e)]
    if is_proven(seen, app):
        return seen
    return replace(
        seen,
        first=tuple(e.name for e in others if _is_trying(e)),
        bakers=tuple(e.name for e in others if e.proof and e.bakes),
    )


def _another_first(seen: Seen, goes: Sequence[Member]) -> bool:
    """Say whether another group tries the target: what is above it waits for none to bake."""
    bakes = bool(seen.bakers) and not all(seen.above(m) for m in goes)
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
    return dead and not seen.proof and bool(tried or seen.busy or seen.canaries)


def _too_many_dead(seen: Seen, goes: Sequence[Member]) -> bool:
    others = [m for m in seen.waited_for if m not in seen.dead]
    room = seen.max_unavailable - seen.in_flight - len(others)
    return any(m in seen.dead for m in goes) and seen.proof and len(goes) > room


def _failing_too_fast(seen: Seen, goes: Sequence[Member]) -> bool:
    """Say whether boots that failed go at once, or before the last of them had its time."""
    if not seen.proof or not any(m in seen.tried and m in seen.dead for m in goes):
        return False
    return len(goes) > 1 or seen.busy or seen.wait(seen.tried) > timedelta(0)


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
    ("one canary goes for the app", _another_first),
)


def broken(seen: Seen, goes: Sequence[Member]) -> str | None:
    """Return the promise that is broken if these go; None where all are kept."""
    if not goes:
        return None
    if held := hold(seen):
        return f"nothing goes: {held}"
    return next((name for name, breaks in PROMISES if breaks(seen, goes)), None)


def owed(seen: Seen) -> list[Member]:
    """Return what must go, in order: as many as break no promise, the dead before any other."""
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
    rank = RANKS[member.version or ""]
    tier = (0, -rank) if seen.above(member) else (1, rank)
    left = Counter(m.zone for m in seen.available) - Counter(m.zone for m in goes)
    return (*tier, -left[member.zone], member.made, member.id)


def unguarded(seen: Seen) -> Seen:
    """Return a group as if its guards had nothing to say."""
    tags = [tag for tag in seen.row["Tags"] if tag["Key"] != "terminator:window"]
    row = {**seen.row, "Tags": tags}
    return replace(seen, row=row, refresh=False, alarms=(), zip_bad=False, first=(), bakers=())


def reason(seen: Seen) -> str:
    """Return the hold that must be the reason where nothing goes."""
    if held := hold(seen):
        return held
    bare = unguarded(seen)
    if owed(bare):
        return _guard(seen, bare)
    if all(m.protected for m in seen.outdated):
        return "dead_wait"
    held = waiting(seen)
    if held == "baking" and any(seen.above(m) and not m.protected for m in seen.outdated):
        held = None  # what is above the target does not wait for it to bake
    return held or "no_budget"


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
        if not owed(now):
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
    "alarm",
    "zip_unreadable",
}
_A_DAY = {"window_closed", "no_budget"}


def needs_attention(seen: Seen, held: str | None) -> bool:
    """Say whether a person has to act on the group, whatever was decided."""
    if held in _AT_ONCE:
        return True
    if seen.converged:
        return False
    failing = _failing(seen)
    if not seen.outdated and not seen.dead:
        away = [seen.served(m) for m in seen.overdue]
        lasting = [*away, *(seen.now - at for at in failing)]
        stuck = [m for m in seen.coming if m.state.startswith("Pending")]
        return any(each > 3 * HOUR for each in lasting) or any(
            seen.now - m.began > DAY for m in stuck
        )
    trouble = failing or any(seen.is_overdue(m) for m in seen.canaries)
    patience = 3 * HOUR if trouble and held not in _A_DAY else DAY
    return (behind := _behind(seen)) is not None and behind > patience


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
    return seen.now - max(dates) if dates else None


def longest_age(seen: Seen) -> timedelta:
    """Return the longest age in service that any rule asks."""
    retry, bake = seen.span("canary-retry"), seen.span("bake-time")
    return max(retry, seen.grace + bake, seen.warm_up)
