"""The words of the decision, said a second time: a group as a run was shown it.

Written from docs/design.md alone, it shares no code with what it judges.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from tests.fakes.region import RANKS, same

MINUTE = timedelta(minutes=1)
DEFAULTS = {"minimum": "50%", "max-unavailable": "25%", "bake-time": "0m", "canary-retry": "30m"}
KNOWN = {"enabled", "app", "pause", "window", "alarms", *DEFAULTS}
UNREADABLE = "lots"
# The only window that the search uses, and its hours.
WINDOW, OPENS, CLOSES = "Mon-Sun 08:00-20:00 UTC", 8, 20

_NEVER = datetime.max.replace(tzinfo=UTC)


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
    ringing: bool = False
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
    def presumed(self) -> list[Member]:
        """Those silent for so long that they cannot be boots of the target."""
        patience = max(self.grace, self.span("canary-retry"))
        return [
            m
            for m in self.unavailable
            if self.since is not None
            and not self.on_target(m)
            and m.launched < self.since - MINUTE
            and self.now - m.launched > patience
        ]

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
        return bool(settled) and all(
            self.on_target(m) for m in self.available if _second(m.launched) >= max(settled)
        )

    @cached_property
    def converged(self) -> bool:
        """Whether all is as it should be."""
        known = not self.bucket or self.released is not None
        return known and not (self.outdated or self.unavailable or self.in_flight)


def _second(when: datetime) -> datetime:
    return when.replace(microsecond=0)


def unlaunched() -> datetime:
    """Return the launch time of what was not looked up: the newest of all."""
    return _NEVER
