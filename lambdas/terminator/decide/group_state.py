"""What a group looks like in the words of the design: what the rules ask of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from operator import itemgetter
from typing import Final

from terminator.config.tags import MOST_RETRIES, Policy
from terminator.model import (
    CLOCK_DOUBT,
    Group,
    Instance,
    Launches,
    NoRelease,
    NoTemplate,
    Origin,
    Preflight,
    Refresh,
    Released,
    Source,
)
from terminator.version import Version

_NEVER: Final = datetime.max.replace(tzinfo=UTC)
# So many of its boots that were taken do not count against a target whose others come up.
_MOST_FORGIVEN: Final = 20
# Where others come up so many boots of a target may go at no cost of time, of a larger group half.
_MOST_STALE: Final = 40
DAY: Final = timedelta(days=1)
# What instances of a group are ordered by: all of them have a version, or none has.
Rank = tuple[int] | tuple[Version, int]
# For so long launches or refreshes may fail, or a canary be overdue, before a person has to act.
TROUBLED: Final = timedelta(hours=3)


@dataclass(frozen=True)
class GroupState:
    """A group, its policy and the time, in the words of the rules.

    `preflight` says nothing until the group would act.
    """

    group: Group
    policy: Policy
    now: datetime
    preflight: Preflight = field(default_factory=Preflight)

    # Who is there.

    @cached_property
    def members(self) -> tuple[Instance, ...]:
        """The instances that count, by id."""
        counted = (each for each in self.group.instances if each.counted)
        return tuple(sorted(counted, key=lambda instance: instance.id))

    @cached_property
    def past_warmup(self) -> tuple[Instance, ...]:
        """Members in service for their warm-up, of which it is known whether they serve."""
        asked = (
            each
            for each in self.members
            if each.in_service and each.answer is not None and not each.traffic.unknown
        )
        if self.group.settled:  # it has converged, whenever they entered service
            return tuple(asked)
        return tuple(i for i in asked if i.in_service_since and self.age(i) >= self.warmup)

    @cached_property
    def available(self) -> tuple[Instance, ...]:
        """In service for the warm-up, take traffic and, where asked, answered with a version."""
        return tuple(each for each in self.past_warmup if each.serves)

    @cached_property
    def available_ids(self) -> frozenset[str]:
        """The ids of those that are available."""
        return frozenset(each.id for each in self.available)

    @cached_property
    def unavailable(self) -> tuple[Instance, ...]:
        """In service for the warm-up, but silent or unserving."""
        return tuple(each for each in self.past_warmup if not each.serves)

    @cached_property
    def on_their_way(self) -> tuple[Instance, ...]:
        """Members that are neither: on their way in, warming up, or in a state we don't know."""
        known = {each.id for each in self.past_warmup}
        return tuple(each for each in self.members if each.id not in known)

    @property
    def missing(self) -> int:
        """How many members the group lacks of its desired capacity."""
        return max(0, self.group.desired - len(self.members))

    @property
    def in_flight(self) -> int:
        """Those on their way, or those missing from desired capacity, whichever is more."""
        return max(len(self.on_their_way), self.group.desired - len(self.past_warmup))

    @cached_property
    def unfilled(self) -> int:
        """How many are missing for whom the dead do not wait.

        Those that cannot be launched, while fewer than the minimum are available. Without proof
        they could not be before the target became it either, and nothing has gone since: then one
        goes, and shows whether what it leaves can be filled.
        """
        failing, since = self.failing_since, self.since
        if failing is None or not self.is_down:
            return 0
        tried = (
            since is None or failing >= since or any(end >= since for _, end in self.group.taken)
        )
        return self.missing if self.proof or not tried else 0

    @cached_property
    def coming(self) -> tuple[Instance, ...]:
        """Those on their way of since then; where nobody knows since when, all.

        What has drifted is no boot of the target, whenever it came.
        """
        if self.since is None:
            return tuple(i for i in self.on_their_way if not self.group.drifted(i))
        return tuple(filter(self.since_then, self.on_their_way))

    @cached_property
    def leaving(self) -> tuple[Instance, ...]:
        """Instances that are being terminated or detached; a retained one is nobody's."""
        states = ("Terminating", "Detach")
        return tuple(
            each
            for each in self.group.instances
            if each.lifecycle.startswith(states) and each.lifecycle != "Terminating:Retained"
        )

    def age(self, instance: Instance) -> timedelta:
        """Return for how long the instance has been in service."""
        return self.now - (instance.in_service_since or self.now)

    @cached_property
    def kept_unhealthy(self) -> tuple[Instance, ...]:
        """The members that are marked Unhealthy where Auto Scaling is kept from replacing them."""
        if "ReplaceUnhealthy" not in self.group.suspended:
            return ()
        return tuple(each for each in self.members if each.health != "Healthy")

    # How many may go.

    @property
    def warmup(self) -> timedelta:
        """The warm-up of its instances: the policy's, else the group's own."""
        own = self.policy.warm_up
        return own if own is not None else self.group.warmup or timedelta(0)

    @property
    def minimum(self) -> int:
        """The number that must stay available."""
        return self.policy.minimum_of(self.group.desired, self.group.healthy_percentage)

    @property
    def lacks(self) -> bool:
        """Whether fewer than the minimum are available."""
        return len(self.available) < self.minimum

    @property
    def is_down(self) -> bool:
        """Whether nothing is available, or fewer than the minimum."""
        return self.lacks or not self.available

    @property
    def max_unavailable(self) -> int:
        """The most that may be out at once."""
        return self.policy.max_unavailable_of(self.group.desired)

    @property
    def held_at_limits(self) -> tuple[str, ...]:
        """What the deployment's limits keep the group from that its own settings ask for."""
        return self.policy.held_at(self.group.desired, self.group.healthy_percentage)

    @property
    def budget(self) -> int:
        """How many available instances may go now.

        What this release did not cost does not count: neither the unavailable that are overdue, or
        whose zone gets no traffic, nor those that began to leave before.
        """
        spare = min(len(self.available), self.group.desired) - self.minimum
        unavailable = sum(
            not (self._was_left_behind(each) or is_unused(each)) for each in self.unavailable
        )
        leaving = sum(not self._left_before(each) for each in self.leaving)
        room = self.max_unavailable - self.in_flight - unavailable
        return max(0, min(spare, room, 2 * self.max_unavailable - leaving))

    def _was_left_behind(self, instance: Instance) -> bool:
        """Say whether this is overdue, and not of since then.

        Where nobody knows since when, what came after the first that runs the target counts as
        of since then: boots that begin to fail in the middle of a rollout must stop it. What has
        drifted is none of them.
        """
        if self.since is not None:
            return self.is_overdue(instance) and not self.since_then(instance)
        first = self._first_on_target
        is_older = first is None or began(instance) < first or self.group.drifted(instance)
        return self.is_overdue(instance) and is_older

    def _left_before(self, instance: Instance) -> bool:
        if self.since is None or instance.began_leaving is None:
            return False
        return instance.began_leaving < self.since - self.doubt

    # The target.

    @property
    def source(self) -> Source:
        """Where the target comes from."""
        if not self.policy.follows_release:
            return "template"
        return "highest" if self.group.released is None else "released"

    @property
    def released(self) -> Released | None:
        """The release to run, None without a bucket or a release."""
        return self.group.released if isinstance(self.group.released, Released) else None

    @cached_property
    def target(self) -> Version | None:
        """The version to converge on; None without a release, or with nothing available.

        None too where the group follows its launch template alone.
        """
        if self.released is not None:
            return self.released.release.version
        return self.highest if self.source == "highest" else None

    @property
    def origin(self) -> Origin | None:
        """What the group itself launches from now; None where it does not follow that."""
        return self.group.launches.own if isinstance(self.group.launches, Launches) else None

    @property
    def goal(self) -> str:
        """What all instances should be: a version, what they are launched from, or both."""
        if self.origin is None:
            return str(self.target)
        return f"{self.target} on {self.origin}" if self.target else str(self.origin)

    @cached_property
    def since(self) -> datetime | None:
        """When the target became the target; None where that is unknown.

        It is where anything has drifted: a group may be pointed at a template at any time.
        """
        if self.released is None or any(map(self.group.drifted, self.members)):
            return None
        return self.released.since

    @property
    def doubt(self) -> timedelta:
        """How far dates of S3 and of EC2 may be apart."""
        return self.released.doubt if self.released else CLOCK_DOUBT

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

    def on_target(self, instance: Instance) -> bool:
        """Say whether the instance is known to run the target, and has not drifted."""
        if self.group.drifted(instance):
            return False
        if self.source == "template":
            return instance.origin is not None
        if instance.version is None or self.target is None:
            return False
        if self.released is not None:
            return self.released.is_run_by(instance.version)
        return instance.version == self.target

    def above_target(self, instance: Instance) -> bool:
        """Say whether the instance is known to run a version higher than the target.

        Or of a later version of its launch template than a launch would use; and of nothing lower.
        """
        later, drifted = self.group.above_template(instance), self.group.drifted(instance)
        if instance.version is None or self.target is None:
            return later and self.source == "template"
        if drifted and not later:
            return False
        return instance.version > self.target or (later and instance.version == self.target)

    def answered_another(self, instance: Instance) -> bool:
        """Say whether the instance answered a version that is outdated.

        That is any that is not the target's or, where the target is the highest, a lower one.
        Without a target nothing is outdated.
        """
        if instance.version is None or self.target is None:
            return False
        if self.source == "highest":
            return instance.version < self.target
        return self.released is not None and not self.released.is_run_by(instance.version)

    def is_outdated(self, instance: Instance) -> bool:
        """Say whether the instance answered a version that is outdated, or has drifted."""
        return self.answered_another(instance) or self.group.drifted(instance)

    @cached_property
    def outdated(self) -> tuple[Instance, ...]:
        """Available, and outdated."""
        return tuple(filter(self.is_outdated, self.available))

    @cached_property
    def due(self) -> tuple[Instance, ...]:
        """Available, and due by age or taint; the longest due first."""
        at = self.policy.due_at
        due = [
            i for i in self.available if self.policy.is_due(i.created, i.replace_after, self.now)
        ]
        longest_first = sorted(due, key=lambda i: (at(i.created, i.replace_after), i.id))
        return tuple(longest_first)

    def rank(self, instance: Instance) -> Rank:
        """Return what instances are ordered by: the version, then that of the launch template.

        Versions of other templates than the group's own have no order.
        """
        origin = instance.origin
        of_own = origin and self.origin and origin.template == self.origin.template
        template = origin.version or 0 if origin and of_own else -1
        return (template,) if instance.version is None else (instance.version, template)

    # What came since the target became the target.

    def since_then(self, instance: Instance) -> bool:
        """Say whether the instance was created, or taken from a warm pool, since then.

        Within the doubt it was; so was one of which nobody knows.
        """
        return self.since is not None and began(instance) >= self.since - self.doubt

    def tries_target(self, instance: Instance) -> bool:
        """Say whether an instance is known to be a boot of the target.

        It is of since then. Where nobody knows since when, it is launched from what the group
        launches from now, after that was made; without either nobody knows, nor where EC2 does
        not list it.
        """
        if instance.created is None:
            return False
        if self.since is not None:
            return self.since_then(instance)
        launches = self.group.launches
        if not isinstance(launches, Launches) or instance.origin is None:
            return False
        made = launches.dated is None or created(instance) >= launches.dated
        return made and not self.group.drifted(instance)

    def is_overdue(self, instance: Instance) -> bool:
        """Say whether the instance has been in service for longer than any boot may take."""
        longest = max(self.group.grace, self.warmup, self.policy.canary_retry)
        return self.age(instance) > longest

    @cached_property
    def overdue(self) -> tuple[Instance, ...]:
        """Unavailable, and in service for longer than any boot may take."""
        return tuple(filter(self.is_overdue, self.unavailable))

    @cached_property
    def not_come_up(self) -> tuple[Instance, ...]:
        """Canaries that have not come up: unavailable, and of since then.

        One that answers another version is none within the doubt, for it may be a boot of before.
        Where nobody knows since when, they are the last to be created of what may have tried it.
        """
        if self.since is None:
            last = latest(filter(self._may_have_tried, self.past_warmup), began)
            return tuple(each for each in last if not (each.serves or is_unused(each)))
        return tuple(
            each
            for each in self.unavailable
            if self.since_then(each)
            and (not self.answered_another(each) or self._is_stale(each))
            and not self._is_lost_before(each)
            and not is_unused(each)
        )

    @cached_property
    def canary_is_lost(self) -> bool:
        """Whether without proof a group is down, and no canary came up that had its time.

        It may have been the host, or the zone: another may be tried in place of a dead one of
        before. A load balancer must say of each that it does not serve: where nobody else sees
        them, the probe may be blind to a fleet that does.
        """
        may_go = any(is_refused(each) and not each.protected for each in self.dead)
        if self.proof or self.since is None or not (self.is_down and may_go and self.not_come_up):
            return False
        gone = (self.is_overdue(each) and each.silent for each in self.not_come_up)
        return all(gone) and all(map(is_refused, self.not_come_up))

    def _may_have_tried(self, instance: Instance) -> bool:
        """Say whether an instance may be a boot of the target: what has drifted never was.

        One that a warm pool held is none once it is overdue: it would keep the fix out for ever.
        """
        if self.is_overdue(instance) and self.was_held(instance):
            return False
        if self.group.launches is None:
            return True
        return not self.group.drifted(instance) and not self._ran_another(instance)

    @cached_property
    def stale(self) -> tuple[Instance, ...]:
        """Stale boots: of since then by more than the doubt, and yet outdated."""
        return tuple(filter(self._is_stale, self.past_warmup))

    def _is_stale(self, instance: Instance) -> bool:
        """Say whether this is a stale boot.

        Where nobody knows since when, it is of after the first that runs the target or, where
        none does, of after the zip's upload; what is above the target was then rolled back, as
        was what is of a later version of its launch template.
        """
        if not self.is_outdated(instance):
            return False
        if self.since is not None:
            return began(instance) > self.since + self.doubt
        drifted = self.group.drifted(instance)
        first = self._first_launched if drifted else self._first_on_target
        if first is not None:
            return began(instance) > first and not self.group.above_template(instance)
        if self.released is None or self.above_target(instance) or drifted:
            return False
        return began(instance) > self.released.release.modified + self.doubt

    @cached_property
    def proven_stale(self) -> tuple[Instance, ...]:
        """Available stale boots of a target that is proven: others of it came up."""
        if not self.proof or self.since is None:
            return ()
        return tuple(each for each in self.tries(self.stale) if each.serves)

    @cached_property
    def _first_on_target(self) -> datetime | None:
        return min((began(i) for i in self.available if self.on_target(i)), default=None)

    @cached_property
    def _first_launched(self) -> datetime | None:
        """When the first on target was created that is known to be launched from what is followed.

        One that was attached by hand has not drifted, but tells nothing of what launches use.
        """
        known = (i for i in self.available if i.origin is not None and self.on_target(i))
        return min(map(began, known), default=None)

    @cached_property
    def failed_boots(self) -> tuple[Instance, ...]:
        """Silent and overdue boots of a target that others run: something failed at boot.

        Where no other was created since, they are those that may be of before: after a rollback
        they may boot the release that was taken back.
        """
        if self.since is None or not self.proof or self._is_long_out:
            return ()
        silent = (each for each in self.overdue if each.silent and self.since_then(each))
        if any(self.on_target(each) and self.since_then(each) for each in self.available):
            return tuple(silent)
        return tuple(filter(self._may_be_of_before, silent))

    @cached_property
    def dead(self) -> tuple[Instance, ...]:
        """Unavailable, overdue, and outdated or presumed so; the oldest first.

        One that is silent is spared where a load balancer calls it healthy.
        """
        failed = {each.id for each in self.failed_boots}
        known = [i for i in self.overdue if not i.silent and self.is_outdated(i)]
        presumed = [
            each
            for each in self.overdue
            if each.silent
            and not each.traffic.healthy
            and (
                each.id in failed
                or self.group.drifted(each)
                or self._ran_another(each)
                or self._is_lost_before(each)
            )
        ]
        return tuple(sorted([*known, *presumed], key=oldest_first))

    def _ran_another(self, instance: Instance) -> bool:
        """Say whether another release was the target whenever the instance began to boot."""
        starts = [instance.created, instance.taken_from_pool or instance.created]
        released = self.released
        return released is not None and all(at and released.was_another(at) for at in starts)

    def _may_be_of_before(self, instance: Instance) -> bool:
        """Say whether this may run what was the target before, although it is of since then.

        It was created just before the target became the target, within the doubt, or a warm pool
        held it then.
        """
        if self.since is None:
            return False
        return self.since - self.doubt <= began(instance) < self.since or self.was_held(instance)

    def was_held(self, instance: Instance) -> bool:
        """Say whether a warm pool held this when the target became the target.

        What it comes up with says nothing of the target. There are only so many of them, and
        each that goes leaves the pool with one less. Where nobody knows since when, the release's
        own date or the zip's upload stands for it, and for what has drifted the first that is on
        target.
        """
        first = self._first_launched
        if self.group.drifted(instance) and first is not None:
            return created(instance) <= first < began(instance)
        if self.released is None:
            return False
        when = self.released.since or self.released.release.modified
        # Taken within the doubt it was held then, or is of before: neither tells of the target.
        is_of_pool = created(instance) < began(instance)
        return (
            is_of_pool
            and created(instance) <= when + self.doubt
            and when - self.doubt <= began(instance)
        )

    def _is_lost_before(self, instance: Instance) -> bool:
        """Say whether this may be of before, has been away for too long, and nothing speaks for it.

        It may be the canary of a release that was taken back, or mended, at once. It would stand
        for a canary of this one that has not come up, and keep the fix out for ever. So would one
        of a release that was mended under its own name, or is the target once more: unless what
        was created before then serves, none of those has come up.
        """
        if self.since is None or self._is_long_out or not self.is_overdue(instance):
            return False
        if self.on_target(instance) or is_unused(instance):
            return False
        if self._ran_it_before(instance) and not self._serves_from_before:
            return True
        return not self.proof and self._may_be_of_before(instance)

    def _ran_it_before(self, instance: Instance) -> bool:
        """Say whether this began before the target became it, and yet while nothing else was."""
        released = self.released
        if released is None or self.since is None or began(instance) >= self.since - self.doubt:
            return False
        return released.knows(created(instance)) and not self._ran_another(instance)

    @cached_property
    def _serves_from_before(self) -> bool:
        """Whether any runs the target that was created before it became it, or is above it.

        What is above it goes first, and what ran before that may just be away for a while.
        """
        since = self.since
        return since is not None and any(
            self.above_target(each) or (self.on_target(each) and began(each) < since)
            for each in self.available
        )

    @property
    def _is_long_out(self) -> bool:
        """Whether the target has been out for a day, so that silence is hardly its boot's."""
        return not self.outdated and (self.since is None or self.now - self.since >= DAY)

    def tries(self, boots: Iterable[Instance]) -> list[Instance]:
        """Return those of the boots that tried the target: not what a warm pool held before."""
        return [each for each in boots if not self.was_held(each)]

    def retry_wait(self, boots: Iterable[Instance]) -> timedelta:
        """Return how long the next one has to wait after the newest of these failed boots.

        As long as that one came after the later of *since* and the newest earlier boot that runs
        the target, at least `canary-retry` and at most 32 times that: so the gaps double by
        themselves, whatever the size of the group. Where nobody knows since when, the first that
        runs the target or the zip's upload stands for it. Nothing is waited for where none of
        them tried the target.
        """
        came = max(map(began, self.tries(boots)), default=None)
        if came is None:
            return timedelta(0)
        if self.since is not None:
            runs = (began(each) for each in self.available if self.on_target(each))
            reference = max([self.since, *(each for each in runs if each < came)])
        else:
            uploaded = self.released.release.modified if self.released else came
            reference = self._first_on_target or uploaded
        return self.patience(came, reference) - (self.now - came)

    def failed_wait(self, boots: Collection[Instance]) -> timedelta:
        """Return how long the next of these boots stays, which failed where others came up.

        As long as `retry_wait` says, and for what the target has cost already, since what comes
        up and fails again and again would not lengthen that: twice `canary-retry` from the newest
        boot of it that was taken, and each of those doubles it, up to 32 times. Two are forgiven
        for each boot since the first that came up and has baked, so that boots of which some fail,
        or failed for hours, end: at most half as many as the group has, and at most 20.
        """
        wait = self.retry_wait(boots)
        if not self.taken_of_target or not self.tries(boots):
            return wait
        baked = self.group.grace + self.policy.bake_time
        first = min(self.taken_of_target)
        since_then = (each for each in self.available if began(each) >= first)
        came_up = sum(self.on_target(each) and self.age(each) >= baked for each in since_then)
        forgiven = min(2 * came_up, self.group.desired // 2, _MOST_FORGIVEN)
        return max(wait, self._doubled(max(1, len(self.taken_of_target) - forgiven)))

    @cached_property
    def stale_wait(self) -> timedelta:
        """How long the next canary beside stale boots, or of these the next, has to wait.

        Without proof as long as `retry_wait` says. Where others came up that alone would not end:
        each of those is a new reference. So as many boots of the target as the group has may be
        taken for whatever reason, of more than 40 half but no fewer than 40, and each after those
        doubles the time to the next.
        """
        wait = timedelta(0) if self.proof else self.retry_wait(self.stale)
        over = len(self.taken_of_target) - self._most_stale
        if over < 0 or not self.taken_of_target or not any(map(self.on_target, self.available)):
            return wait
        return max(wait, self._doubled(over + 1))

    @property
    def stale_at_once(self) -> int:
        """How many stale boots may go in a run, where others came up."""
        return max(1, self._most_stale - len(self.taken_of_target))

    @cached_property
    def taken_of_target(self) -> tuple[datetime, ...]:
        """When each boot of since then was taken that was terminated on request."""
        since = self.since
        return tuple(end for began, end in self.group.taken if since and began >= since)

    @property
    def _most_stale(self) -> int:
        return min(self.group.desired, max(_MOST_STALE, self.group.desired // 2))

    def _doubled(self, times: int) -> timedelta:
        """Return for how long still nothing goes: `canary-retry`, doubled, since the last went."""
        retries = min(1 << times, MOST_RETRIES)
        return retries * self.policy.canary_retry - (self.now - max(self.taken_of_target))

    def patience(self, came: datetime, reference: datetime) -> timedelta:
        """Return how long a try has until the next one, which came so long after a reference.

        As long as that, at least `canary-retry` and at most 32 times that.
        """
        return min(max(came - reference, self.policy.canary_retry), self.policy.longest_retry)

    # Instance refreshes.

    @cached_property
    def refresh_tries(self) -> tuple[tuple[datetime, Refresh], ...]:
        """The refreshes since the target became the target, with their begin; newest first."""
        tried = [
            (r.began, r) for r in self.group.refreshes if r.began and r.began >= self.tried_from
        ]
        return tuple(sorted(tried, key=itemgetter(0), reverse=True))

    @cached_property
    def tried_from(self) -> datetime:
        """From when on a refresh tried the target.

        Where nobody knows since when it is the target: what replaced nothing since the one began,
        and what it should run was made.
        """
        if self.since is not None:
            return self.since
        dates = [began(each) for each in self.members]
        dates += [self.released.release.modified] if self.released else []
        if isinstance(self.group.launches, Launches) and self.group.launches.dated:
            dates.append(self.group.launches.dated)
        return max(dates, default=self.now)

    # Proof.

    @cached_property
    def newest(self) -> tuple[Instance, ...]:
        """The most recently created available instances: all of one second."""
        return latest(self.available)

    @cached_property
    def proof(self) -> bool:
        """Whether an instance that has outlived its grace period shows that the target boots.

        Of the available instances in service for the HealthCheckGracePeriod the most recently
        created runs the target, and so do all created at the same second or later.
        """
        outlived = latest(i for i in self.available if self.age(i) >= self.group.grace)
        if not outlived:
            return False
        second = _second(created(outlived[0]))
        later = (i for i in self.available if _second(created(i)) >= second)
        return all(map(self.on_target, later))

    @cached_property
    def baking(self) -> timedelta:
        """How long the target still has to bake; zero or less once it has baked."""
        on_target = (self.age(i) for i in self.available if self.on_target(i))
        longest = max(on_target, default=timedelta(0))
        return self.group.grace + self.policy.bake_time - longest

    @cached_property
    def canary_is_out(self) -> bool:
        """Whether a canary is on its way, has not come up, or is in its grace period.

        One that is missing is on its way, unless launches have failed for three hours: then
        none comes, and a person is told. One that is lost keeps no other group.
        """
        missing = self.missing > 0
        if self.failing_since is not None:
            missing = missing and self.now - self.failing_since <= TROUBLED
        young = any(
            self.on_target(each)
            and (self.since is None or self.since_then(each))
            and self.age(each) < self.group.grace
            for each in self.available
        )
        not_come_up = self.not_come_up and not self.canary_is_lost
        return bool(self.coming or not_come_up) or missing or young

    @cached_property
    def converged(self) -> bool:
        """Whether every member is available and on target, and nothing is in flight."""
        if isinstance(self.group.released, NoRelease) or isinstance(
            self.group.launches, NoTemplate
        ):
            return False
        return not (self.outdated or self.unavailable or self.in_flight)

    @cached_property
    def behind(self) -> timedelta | None:
        """For how long the group could have followed its target; None where unknown.

        Where nothing dates the target it is since the first that runs it was created, or
        since the zip was uploaded or the version of its launch template made.
        """
        if self.since is not None:
            return self.now - self.since
        dates = [self.released.release.modified] if self.released else []
        dates += [self._first_on_target] if self._first_on_target else []
        if isinstance(self.group.launches, Launches) and self.group.launches.dated:
            dates.append(self.group.launches.dated)
        return self.now - max(dates) if dates else None

    @cached_property
    def failing_since(self) -> datetime | None:
        """Since when launches of the group fail or are abandoned, None where they do not.

        They do while something is in flight, and nothing has entered service since.
        """
        entered = [i.in_service_since for i in self.past_warmup if i.in_service_since]
        last = max(entered, default=None)
        failed = [at for at in self.group.failed_launches if last is None or at > last]
        return min(failed, default=None) if self.in_flight else None

    @cached_property
    def refused_since(self) -> datetime | None:
        """Since when Auto Scaling replaces one after the other that a load balancer refuses.

        Each was launched within three hours of the next. None where it does not.
        """
        since = None
        for launched in sorted(self.group.failed_checks, reverse=True):
            if (since or self.now) - launched > TROUBLED:
                break
            since = launched
        return since


def created(instance: Instance) -> datetime:
    """Return when the instance was created; far in the future where that is unknown."""
    return instance.created or _NEVER


def began(instance: Instance) -> datetime:
    """Return when the instance was created, or taken from a warm pool if that was later."""
    return max(created(instance), instance.taken_from_pool or created(instance))


def is_unused(instance: Instance) -> bool:
    """Say whether this is not silent in a zone that gets no traffic, whatever runs there.

    It neither proves the target nor has it failed to come up.
    """
    return not instance.silent and instance.traffic.unused


def is_refused(instance: Instance) -> bool:
    """Say whether a load balancer says of one that is unavailable that it does not serve."""
    return instance.traffic.unhealthy or not instance.silent


def oldest_first(instance: Instance) -> tuple[datetime, str]:
    """Return the key by which instances are ordered by age, then by id."""
    return created(instance), instance.id


def latest(
    instances: Iterable[Instance], when: Callable[[Instance], datetime] = created
) -> tuple[Instance, ...]:
    """Return the most recently created of the instances: all of that second, by id.

    `when` tells of each when it was created.
    """
    listed = sorted(instances, key=lambda instance: instance.id)
    last = max(map(when, listed), default=None)
    return tuple(i for i in listed if last and _second(when(i)) == _second(last))


def _by_spelling_too(version: Version) -> tuple[Version, str]:
    # 1.2 and 1.2.0 are equal: which of them is shown must not depend on the order.
    return version, version.text


def _second(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)
