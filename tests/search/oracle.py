"""The rules of the decision, said a second time, over a group as a run was shown it.

Written from docs/design.md alone, it shares no code with what it judges: first the words
(`Seen`), then what holds, what must never go, and what must. Each promise has a name, so that a
search that finds one broken says which.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

MINUTE = timedelta(minutes=1)
DEFAULTS = {"minimum": "50%", "max-unavailable": "25%", "bake-time": "0m", "canary-retry": "30m"}
KNOWN = {"enabled", "app", "pause", "window", "alarms", *DEFAULTS}
UNREADABLE = "lots"
# The only window that the search uses, and its hours.
WINDOW, OPENS, CLOSES = "Mon-Sun 08:00-20:00 UTC", 8, 20
# Every version that the search uses, and its rank: SemVer's precedence, done by hand.
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

# What was not looked up counts as the newest of all.
UNKNOWN_LAUNCH = datetime.max.replace(tzinfo=UTC)


def same(one: str, other: str) -> bool:
    """Say whether two versions name one release: build metadata counts where both have it."""
    builds = {text.partition("+")[2] for text in (one, other)} - {""}
    return one in RANKS and other in RANKS and RANKS[one] == RANKS[other] and len(builds) < 2


@dataclass(frozen=True)
class Member:
    """A member as it was shown: it answered a version, or a reason, or it was not asked."""

    id: str
    zone: str
    state: str
    health: str
    launched: datetime
    version: str | None = None
    reason: str | None = None
    protected: bool = False
    weighted: bool = False

    @property
    def aside(self) -> bool:
        """Whether it is in Standby, in a warm pool, or leaving."""
        return bool(re.match("Standby|EnteringStandby|Warmed:|Terminat|Detach", self.state))

    @property
    def serving(self) -> bool:
        """Whether it is InService and Healthy."""
        return (self.state, self.health) == ("InService", "Healthy")


@dataclass(frozen=True)
class Target:
    """The release to run: `dated` says that a pointer made it so, `gone` what was deleted."""

    version: str
    key: str
    since: datetime
    dated: bool
    gone: tuple[str, ...] = ()


@dataclass(frozen=True)
class Seen:
    """A group as a run was shown it. `target` is None where a bucket holds none for it."""

    row: Mapping[str, Any]
    members: tuple[Member, ...]
    now: datetime
    bucket: bool
    released: Target | None
    refresh: bool = False
    alarmed: bool = False
    zip_bad: bool = False

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
    def desired(self) -> int:
        """The desired capacity."""
        return int(self.row["DesiredCapacity"])

    @property
    def grace(self) -> timedelta:
        """The health check grace period."""
        return timedelta(seconds=self.row["HealthCheckGracePeriod"])

    @property
    def minimum(self) -> int:
        """How many must stay: percentages are rounded up."""
        text = self.setting("minimum")
        return -(-self.desired * int(text[:-1]) // 100) if text[-1] == "%" else int(text)

    @property
    def max_unavailable(self) -> int:
        """How many may be out at once: percentages are rounded down, at least 1."""
        text = self.setting("max-unavailable")
        number = self.desired * int(text[:-1]) // 100 if text[-1] == "%" else int(text)
        return max(1, number)

    @cached_property
    def asked(self) -> list[Member]:
        """Those in service that said something, or did not say it."""
        return [m for m in self.members if m.serving and (m.version or m.reason)]

    @cached_property
    def available(self) -> list[Member]:
        """Those that are fine."""
        return [m for m in self.asked if m.reason is None]

    @cached_property
    def unavailable(self) -> list[Member]:
        """Those in service that are not fine."""
        return [m for m in self.asked if m.reason is not None]

    @cached_property
    def in_flight(self) -> int:
        """How many are on their way in, or missed."""
        counted = sum(not m.aside for m in self.members)
        return max(counted, self.desired) - len(self.asked)

    @cached_property
    def target(self) -> str | None:
        """The version to run."""
        if self.bucket:
            return self.released.version if self.released else None
        return max((m.version for m in self.available if m.version), key=RANKS.get, default=None)  # type: ignore[arg-type]

    @cached_property
    def since(self) -> datetime | None:
        """When the target became it, None where unknown."""
        if self.released is None:
            return None
        highest = max((RANKS[m.version] for m in self.asked if m.version), default=-1)
        rolled_back = highest > RANKS[self.released.version]
        dated = self.released.dated or any(RANKS[gone] >= highest for gone in self.released.gone)
        return self.released.since if dated or not rolled_back else None

    def on_target(self, member: Member) -> bool:
        """Whether it is known to run the target."""
        if member.version is None or self.target is None:
            return False
        if not self.bucket:
            return RANKS[member.version] == RANKS[self.target]
        return same(member.version, self.target)

    def above(self, member: Member) -> bool:
        """Whether it is known to run more than the target."""
        if member.version is None or self.target is None:
            return False
        return RANKS[member.version] > RANKS[self.target]

    @cached_property
    def outdated(self) -> list[Member]:
        """Those available that do not run the target."""
        return [m for m in self.available if not self.on_target(m)]

    @cached_property
    def overdue(self) -> list[Member]:
        """Those unavailable for longer than any boot may take."""
        patience = max(self.grace, self.span("canary-retry"))
        return [m for m in self.unavailable if self.now - m.launched > patience]

    @cached_property
    def presumed(self) -> list[Member]:
        """Those silent for so long that they cannot be boots of the target."""
        since = self.since
        if since is None:
            return []
        older = [m for m in self.overdue if m.launched < since - MINUTE]
        return [m for m in older if not self.on_target(m)]

    @cached_property
    def silent(self) -> list[Member]:
        """Canaries that have not answered."""
        since = self.since
        return [m for m in self.unavailable if since is not None and m.launched >= since - MINUTE]

    @cached_property
    def stale(self) -> list[Member]:
        """Boots of something else than the target."""
        since = self.since
        return [m for m in self.outdated if since is not None and m.launched >= since + MINUTE]

    @cached_property
    def proof(self) -> bool:
        """Whether the last to have outlived its grace period, and all since, run the target."""
        settled = [m.launched for m in self.available if self.now - m.launched >= self.grace]
        if not settled:
            return False
        later = [m for m in self.available if m.launched.replace(microsecond=0) >= max(settled)]
        return all(self.on_target(m) for m in later)

    @cached_property
    def converged(self) -> bool:
        """Whether all is as it should be."""
        known = not self.bucket or self.released is not None
        return known and not (self.outdated or self.unavailable or self.in_flight)


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


def broken_settings(seen: Seen) -> bool:
    """Say whether a setting of the group cannot be read, so that nothing else is asked."""
    return any(tag not in KNOWN or text == UNREADABLE for tag, text in seen.tags.items())


def _suspended(seen: Seen) -> bool:
    processes = {each["ProcessName"] for each in seen.row.get("SuspendedProcesses", ())}
    return bool(processes & {"Launch", "Terminate", "HealthCheck", "AddToLoadBalancer"})


def _weighted(seen: Seen) -> bool:
    units = seen.row.get("DesiredCapacityType", "units") == "units"
    return not units or any(m.weighted for m in seen.members)


def _proof_on_its_way(seen: Seen) -> bool:
    last = max((m.launched for m in seen.available), default=None)
    newest = [m for m in seen.available if m.launched == last]
    return bool(newest) and all(seen.on_target(m) for m in newest)


def _boots_stale(seen: Seen) -> bool:
    wait = seen.span("canary-retry") * 2 ** min(len(seen.stale) - 1, 5)
    return any(seen.now - m.launched < wait for m in seen.stale)


def _launched_lately(seen: Seen) -> bool:
    if seen.since is not None:
        return False
    last = max((m.launched for m in seen.asked), default=None)
    silent = any(m.launched == last for m in seen.unavailable)
    return silent or any(seen.now - m.launched < seen.span("canary-retry") for m in seen.asked)


def _baking(seen: Seen) -> bool:
    if not seen.proof:
        return False
    longest = max(seen.now - m.launched for m in seen.available if seen.on_target(m))
    return longest < seen.grace + seen.span("bake-time")


def _in_the_future(seen: Seen) -> bool:
    return seen.released is not None and seen.released.since > seen.now + MINUTE


# The holds by their names, in the order in which they are asked, and when they apply.
HOLDS: Mapping[str, Callable[[Seen], bool]] = {
    "settings_unreadable": broken_settings,
    "deleting": lambda s: bool(s.row.get("Status")),
    "paused": lambda s: "pause" in s.tags,
    "processes_suspended": _suspended,
    "weighted_capacity": _weighted,
    "no_release": lambda s: s.bucket and s.released is None,
    "release_in_future": _in_the_future,
    "nothing_available": lambda s: not s.available and not s.presumed and s.desired > 0,
    "nothing_outdated": lambda s: not s.outdated and not s.presumed,
    "all_protected": lambda s: all(m.protected for m in (*s.outdated, *s.presumed)),
    "members_in_flight": lambda s: not s.proof and s.in_flight > 0,
    "proof_on_its_way": lambda s: not s.proof and _proof_on_its_way(s),
    "canary_silent": lambda s: not s.proof and bool(s.silent),
    "boots_stale": lambda s: not s.proof and _boots_stale(s),
    "launched_lately": lambda s: not s.proof and _launched_lately(s),
    "baking": _baking,
}
_AT_ONCE, _DAY, _WEEK_AND_A_DAY = timedelta(0), timedelta(days=1), timedelta(days=8)
# For how long a group may be behind its target before a hold needs a person; others never do.
PATIENCE = {
    "settings_unreadable": _AT_ONCE,
    "paused": _DAY,
    "processes_suspended": _AT_ONCE,
    "weighted_capacity": _AT_ONCE,
    "no_release": _AT_ONCE,
    "release_in_future": _AT_ONCE,
    "nothing_available": _AT_ONCE,
    "all_protected": _AT_ONCE,
    "members_in_flight": _DAY,
    "launched_lately": _DAY,
    "no_budget": _DAY,
    "window_closed": _WEEK_AND_A_DAY,
    "instance_refresh": _DAY,
    "alarm": _AT_ONCE,
    "zip_unreadable": _AT_ONCE,
    "group_changed": _DAY,
    "instance_spared": _DAY,
}


def hold(seen: Seen) -> str | None:
    """Return the first hold that applies, before the guards are asked."""
    return next((name for name, applies in HOLDS.items() if applies(seen)), None)


def needs_attention(seen: Seen, held: str) -> bool:
    """Say whether a hold of the group needs a person."""
    patience = PATIENCE.get(held)
    if held == "no_budget" and not seen.in_flight and not seen.unavailable:
        return True
    if patience is None or patience == _AT_ONCE:
        return patience is not None
    on_target = [seen.now - m.launched for m in seen.available if seen.on_target(m)]
    behind = max(on_target, default=None)
    if seen.bucket:
        behind = seen.now - seen.since if seen.since else None
    return behind is not None and behind > patience


def closed(seen: Seen) -> bool:
    """Say whether the window is closed."""
    return seen.tags.get("window") == WINDOW and not OPENS <= seen.now.hour < CLOSES


def _urgent(seen: Seen, member: Member) -> bool:
    newest = max((m.launched for m in seen.available), default=None)
    failed_boot = member in seen.presumed and (newest is None or member.launched > newest)
    return failed_boot or (member in seen.outdated and seen.above(member))


Broken = Callable[[Seen, Sequence[Member]], bool]


def _over_minimum(seen: Seen, goes: Sequence[Member]) -> bool:
    going = sum(m in seen.available for m in goes)
    return min(len(seen.available), seen.desired) - going < seen.minimum


def _over_max_unavailable(seen: Seen, goes: Sequence[Member]) -> bool:
    out = seen.in_flight + len(seen.unavailable) + len(goes)
    return not any(m in seen.presumed for m in goes) and out > seen.max_unavailable


def _not_alone(seen: Seen, goes: Sequence[Member]) -> bool:
    return len(goes) > 1 and any(m in seen.presumed for m in goes)


def _not_one_by_one(seen: Seen, goes: Sequence[Member]) -> bool:
    presumed = any(m in seen.presumed for m in goes)
    return presumed and bool(seen.in_flight or seen.silent)


# What is broken by letting these members go, where nothing holds.
PROMISES: tuple[tuple[str, Broken], ...] = (
    ("only what is in service goes", lambda _, goes: not all(m.serving for m in goes)),
    ("nothing protected goes", lambda _, goes: any(m.protected for m in goes)),
    ("nothing on target goes", lambda s, goes: any(s.on_target(m) for m in goes)),
    (
        "nothing unavailable goes that is not presumed outdated",
        lambda s, goes: not all(m in (*s.outdated, *s.presumed) for m in goes),
    ),
    ("a presumed outdated one goes alone", _not_alone),
    ("presumed outdated ones go one after the other", _not_one_by_one),
    ("the minimum stays available", _over_minimum),
    ("what is out fits max-unavailable", _over_max_unavailable),
    ("without proof one goes", lambda s, goes: not s.proof and len(goes) > 1),
    (
        "outside the window only what keeps a bad release goes",
        lambda s, goes: closed(s) and not all(_urgent(s, m) for m in goes),
    ),
    ("nothing goes during an instance refresh", lambda s, _: s.refresh),
    (
        "under an alarm only what keeps a bad release goes",
        lambda s, goes: s.alarmed and not all(_urgent(s, m) for m in goes),
    ),
    ("no canary goes for a zip that cannot be read", lambda s, _: s.zip_bad and not s.proof),
)


def broken(seen: Seen, goes: Sequence[Member]) -> str | None:
    """Return the promise that is broken if these go; None where all are kept."""
    if not goes:
        return None
    if held := hold(seen):
        return f"nothing goes: {held}"
    return next((name for name, breaks in PROMISES if breaks(seen, goes)), None)


def owed(seen: Seen) -> list[Member]:
    """Return what must go, in order: as many as break no promise."""
    goes: list[Member] = []
    rest = [*seen.presumed, *seen.outdated]
    while rest := [m for m in rest if broken(seen, [*goes, m]) is None]:
        rest.sort(key=lambda m: _order(seen, goes, m))
        goes.append(rest.pop(0))
    return goes


def _order(seen: Seen, goes: Sequence[Member], member: Member) -> tuple[Any, ...]:
    if member in seen.presumed:
        return (0, 0, 0, member.launched, member.id)
    rank = RANKS[member.version or ""]
    tier = (1, -rank) if seen.above(member) else (2, rank)
    left = Counter(m.zone for m in seen.available) - Counter(m.zone for m in goes)
    return (*tier, -left[member.zone], member.launched, member.id)


def reasons(seen: Seen) -> set[str]:
    """Return the holds of which one must be the reason where nothing goes."""
    if held := hold(seen):
        return {held}
    if owed(_unguarded(seen)):
        guards = {
            "window_closed": closed(seen),
            "instance_refresh": seen.refresh,
            "alarm": seen.alarmed,
            "zip_unreadable": seen.zip_bad and not seen.proof,
        }
        return {name for name, applies in guards.items() if applies}
    only_presumed = all(m.protected for m in seen.outdated)
    return {"presumed_waits" if only_presumed else "no_budget"}


def _unguarded(seen: Seen) -> Seen:
    tags = [tag for tag in seen.row["Tags"] if tag["Key"] != "terminator:window"]
    row = {**seen.row, "Tags": tags}
    return replace(seen, row=row, refresh=False, alarmed=False, zip_bad=False)
