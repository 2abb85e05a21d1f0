"""What a group looks like in the words of the design: what the rules ask of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Final

from terminator.config.tags import Policy
from terminator.model import Figures, Group, Instance, NoRelease, Preflight, Released, Source
from terminator.version import Version, same_release

# The clocks of S3 and EC2 may differ by so much.
CLOCK_DOUBT: Final = timedelta(minutes=1)
# An instance whose launch time is unknown counts as the newest.
_UNKNOWN_LAUNCH: Final = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class GroupState:
    """A group, its policy and the time, in the words of the rules.

    `preflight` says nothing until the group would act.
    """

    group: Group
    policy: Policy
    now: datetime
    preflight: Preflight = field(default_factory=Preflight)

    @cached_property
    def _asked(self) -> tuple[Instance, ...]:
        # One that is InService but was not asked is new to this run: in flight.
        asked = (i for i in self.group.instances if i.answer is not None)
        return tuple(sorted((i for i in asked if i.in_service), key=lambda instance: instance.id))

    @cached_property
    def available(self) -> tuple[Instance, ...]:
        """InService, Healthy, healthy at each load balancer, and answered with a version."""
        return tuple(i for i in self._asked if i.available)

    @cached_property
    def unavailable(self) -> tuple[Instance, ...]:
        """InService and Healthy, but silent or unserving."""
        return tuple(i for i in self._asked if not i.available)

    @cached_property
    def in_flight(self) -> int:
        """Members on their way in or in a state we don't know, or missing, whichever is more."""
        counted = sum(instance.counted for instance in self.group.instances)
        return max(counted, self.group.desired) - len(self._asked)

    @property
    def minimum(self) -> int:
        """The number that must stay available."""
        return self.policy.minimum_of(self.group.desired)

    @property
    def max_unavailable(self) -> int:
        """The most that may be out at once."""
        return self.policy.max_unavailable_of(self.group.desired)

    @property
    def spare(self) -> int:
        """Available above the minimum; what is beyond desired is Auto Scaling's to remove."""
        return min(len(self.available), self.group.desired) - self.minimum

    @property
    def budget(self) -> int:
        """How many outdated instances may go now."""
        room = self.max_unavailable - self.in_flight - len(self.unavailable)
        return max(0, min(self.spare, room))

    @property
    def source(self) -> Source:
        """Where the target comes from."""
        return "highest" if self.group.released is None else "released"

    @cached_property
    def target(self) -> Version | None:
        """The version to converge on; None without a release, or with nothing available."""
        if isinstance(self.group.released, Released):
            return self.group.released.release.version
        return self.highest if self.source == "highest" else None

    @cached_property
    def lowest(self) -> Version | None:
        """The lowest version among the available instances."""
        return min(self._versions, default=None, key=_by_spelling_too)

    @cached_property
    def highest(self) -> Version | None:
        """The highest version among the available instances."""
        return max(self._versions, default=None, key=_by_spelling_too)

    @property
    def _versions(self) -> list[Version]:
        return [i.version for i in self.available if i.version is not None]

    @cached_property
    def since(self) -> datetime | None:
        """When the target became the target; None where that is unknown."""
        released = self.group.released
        if not isinstance(released, Released):
            return None
        running = max((i.version for i in self._asked if i.version), default=None)
        if running is None or running <= released.release.version or released.repointed:
            return released.since
        dated = released.deleted is not None and released.deleted >= running
        return released.since if dated else None

    def on_target(self, instance: Instance) -> bool:
        """Say whether the instance is known to run the target."""
        if instance.version is None or self.target is None:
            return False
        if self.source == "highest":
            return instance.version == self.target
        return same_release(instance.version, self.target)

    def above_target(self, instance: Instance) -> bool:
        """Say whether the instance is known to run a version higher than the target."""
        if instance.version is None or self.target is None:
            return False
        return instance.version > self.target

    @cached_property
    def outdated(self) -> tuple[Instance, ...]:
        """Available, and not on target."""
        return tuple(instance for instance in self.available if not self.on_target(instance))

    @cached_property
    def overdue(self) -> tuple[Instance, ...]:
        """Unavailable, and launched longer ago than any boot may take."""
        longest = max(self.group.grace, self.policy.canary_retry)
        return tuple(i for i in self.unavailable if self.age(i) > longest)

    @cached_property
    def presumed(self) -> tuple[Instance, ...]:
        """Presumed outdated: unavailable for so long that it cannot be a boot of the target."""
        if self.since is None:
            return ()
        before = self.since - CLOCK_DOUBT
        return tuple(i for i in self.overdue if launch(i) < before and not self.on_target(i))

    @cached_property
    def not_come_up(self) -> tuple[Instance, ...]:
        """Unavailable and launched since the target became the target: a canary not come up."""
        if self.since is None:
            return ()
        doubt = self.since - CLOCK_DOUBT
        return tuple(i for i in self.unavailable if launch(i) >= doubt)

    @cached_property
    def stale(self) -> tuple[Instance, ...]:
        """Stale boots: available, launched since, and yet not on target."""
        if self.since is None:
            return ()
        doubt = self.since + CLOCK_DOUBT
        return tuple(i for i in self.outdated if launch(i) >= doubt)

    @cached_property
    def behind(self) -> timedelta | None:
        """For how long the group could have followed its target; None where unknown.

        With *highest* nothing dates the target but the longest-lived instance that runs it.
        """
        if self.source == "released":
            return None if self.since is None else self.now - self.since
        on_target = (self.age(i) for i in self.available if self.on_target(i))
        return max(on_target, default=None)

    @cached_property
    def proof(self) -> bool:
        """Whether an instance that has outlived its grace period shows that the target boots.

        Of the available instances past the group's HealthCheckGracePeriod the most recently
        launched runs the target, and so do all launched at the same second or later.
        """
        settled = latest(i for i in self.available if self.age(i) >= self.group.grace)
        if not settled:
            return False
        second = _second(settled[0])
        return all(self.on_target(i) for i in self.available if _second(i) >= second)

    def age(self, instance: Instance) -> timedelta:
        """Return how long ago the instance was launched; negative where clocks differ."""
        return self.now - launch(instance)

    @cached_property
    def converged(self) -> bool:
        """Whether every counted instance is available and on target, and nothing in flight."""
        if isinstance(self.group.released, NoRelease):
            return False
        return not (self.outdated or self.unavailable or self.in_flight)

    @cached_property
    def figures(self) -> Figures:
        """The figures that a decision is reported with."""
        return Figures(
            available=len(self.available),
            unavailable=len(self.unavailable),
            in_flight=self.in_flight,
            outdated=len(self.outdated),
            minimum=self.minimum,
            target=self.target,
            source=self.source,
            lowest=self.lowest,
            highest=self.highest,
            stale=len(self.stale),
            overdue=len(self.overdue),
            since=self.since,
            behind=self.behind,
        )


def launch(instance: Instance) -> datetime:
    """Return when the instance was launched; far in the future where that is unknown."""
    return instance.launched or _UNKNOWN_LAUNCH


def latest(instances: Iterable[Instance]) -> tuple[Instance, ...]:
    """Return the most recently launched of the instances: all of that second, by id."""
    listed = sorted(instances, key=lambda instance: instance.id)
    second = max(map(_second, listed), default=None)
    return tuple(instance for instance in listed if _second(instance) == second)


def _by_spelling_too(version: Version) -> tuple[Version, str]:
    # 1.2 and 1.2.0 are equal: which of them is shown must not depend on the order.
    return version, version.text


def _second(instance: Instance) -> datetime:
    return launch(instance).replace(microsecond=0)
