"""Taking a release back: whether what a run saw speaks so much against an app's newest release.

Asked of apps alone for which the deployment has it switched on, over all their groups together.
Whoever doubts lets the release stay: it then holds its groups, or goes on, as without all this.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import chain
from typing import Final

from terminator.config.deployment import Withdraw
from terminator.config.tags import Policy
from terminator.decide import holds
from terminator.decide.app import INACTIVE
from terminator.decide.group_state import DAY, GroupState, created
from terminator.model import (
    CLOCK_DOUBT,
    ENABLED,
    UNVERSIONED,
    Instance,
    NoRelease,
    Origin,
    Release,
    Released,
    Ringing,
    Shelf,
)
from terminator.text import few, left, plain, quoted

# So many boots Auto Scaling has to have replaced where it does that before they are overdue.
_REPLACED: Final = 2
# What every instance has run for so long is not taken back.
_SPREAD: Final = timedelta(hours=1)


@dataclass(frozen=True)
class Seen:
    """A group of the app as the run saw it.

    `origins` maps its members to what they were launched from, image and all, None where that is
    not known. `replaced` maps those that entered service, and that a load balancer's health check
    cost, to when their launch began.
    """

    state: GroupState
    origins: Mapping[str, Origin | None] = field(default_factory=dict)
    replaced: Mapping[str, datetime] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name of the group."""
        return self.state.group.name


@dataclass(frozen=True)
class App:
    """An app as one run saw it, `groups` by name.

    `unseen` are groups that are or may be of the app, and could not be observed. `defaults` is
    the policy of a group without tags. `successor` is what would become the target, None
    where there is none to be taken back. `shelf` is None as long as the bucket was not asked.
    """

    name: str
    how: Withdraw
    groups: tuple[Seen, ...]
    now: datetime
    defaults: Policy
    unseen: tuple[str, ...] = ()
    pointed: bool = False
    successor: Released | NoRelease | None = None
    alarms: tuple[Ringing, ...] = ()
    shelf: Shelf | None = None

    @property
    def released(self) -> Released | None:
        """The release that the app should run."""
        return next((each.state.released for each in self.groups if each.state.released), None)

    @property
    def patience(self) -> timedelta:
        """For how long any boot may take: the longest of the app, which no tag makes shorter."""
        spans = [self.defaults.canary_retry]
        for each in self.groups:
            state = each.state
            spans += [state.group.grace, state.warmup, state.policy.canary_retry]
        return max(spans)

    @property
    def bake_time(self) -> timedelta:
        """For how long an alarm has to have been OK: the longest of the app's bake times."""
        return max([self.defaults.bake_time, *(e.state.policy.bake_time for e in self.groups)])

    @property
    def out_since(self) -> datetime | None:
        """From when on what is created boots the release; None without one.

        A zip that was uploaded in parts is there once all of it is. A canary comes within seconds
        of the upload, so the minute by which clocks may differ is nothing that could be waited for.
        Where nobody knows since when it is the target, the upload of its zip stands for that.
        """
        released = self.released
        if released is None:
            return None
        return (released.since or released.release.modified) + released.doubt - CLOCK_DOUBT

    def boots(self) -> Iterator[tuple[Seen, Instance]]:
        """Yield the members that are boots of the release."""
        since = self.out_since
        if since is None:
            return
        for seen in self.groups:
            for each in seen.state.members:
                if each.created is not None and each.created >= since:
                    yield seen, each

    def runs_it(self, instance: Instance) -> bool:
        """Say whether an instance answered the release."""
        version = instance.version
        return (
            version is not None and self.released is not None and self.released.is_run_by(version)
        )


@dataclass(frozen=True)
class Verdict:
    """What is decided about an app's newest release, which something speaks against.

    `group` has the boots that do, and `ids` are whom to ask again. `failed` says that it should
    have been taken back, and that it is not certain that it was.
    """

    app: str
    group: str
    release: Release
    reason: str
    takes_back: bool = False
    ids: tuple[str, ...] = ()
    failed: bool = False

    def stays(self, why: str) -> Verdict:
        """Return the verdict that the release stays all the same."""
        return replace(self, takes_back=False, reason=f"{self.reason}, but {why}")


def judge(app: App) -> Verdict | None:
    """Decide whether the app's newest release is taken back; None where nothing speaks against it.

    Before the bucket was asked it says what is left to ask: then nobody may act on it yet.
    """
    accused = (_silent(app) if app.how.silent else None, _rung(app) if app.how.alarms else None)
    found = [each for each in accused if each is not None]
    verdict = next((each for each in found if each.takes_back), found[0] if found else None)
    if verdict is None or not verdict.takes_back:
        return verdict
    why = next(chain(_of_groups(app), _of_release(app), _of_bucket(app)), None)
    return verdict if why is None else verdict.stays(why)


def has_canary(app: App) -> bool:
    """Say whether an instance runs the release: then its alarms may speak against it."""
    return any(app.runs_it(each) for _, each in app.boots())


# The canary never answers.


def _silent(app: App) -> Verdict | None:
    """Accuse the release where its canary is silent while others answer, and nobody runs it."""
    if any(app.runs_it(each) for seen in app.groups for each in seen.state.group.instances):
        return None
    found = [verdict for seen in app.groups if (verdict := _silent_in(app, seen))]
    return next((each for each in found if each.takes_back), found[0] if found else None)


def _silent_in(app: App, seen: Seen) -> Verdict | None:
    """Accuse the release by the silent boots of one group, None where there are none."""
    state, released = seen.state, app.released
    boots = {each.id for _, each in app.boots()}
    silent = [i for of in app.groups for i in of.state.unavailable if i.silent and i.id in boots]
    own = [each for each in state.unavailable if each.silent and each.id in boots]
    late = [each for each in own if state.age(each) > 2 * app.patience]
    replaced = _replaced(app, seen)
    if not late and len(replaced) >= _REPLACED:
        late = own
        does = "is silent, and Auto Scaling has replaced others that came before it"
    else:
        does = f"has been silent in service for {left(2 * app.patience)}"
    if released is None or not late:
        return None
    canary = min(late, key=lambda each: (created(each), each.id))
    ids = tuple(sorted(each.id for each in silent))
    verdict = Verdict(app.name, seen.name, released.release, f"{canary.id} {does}", True, ids)
    answering = [each for each in state.available if each.version is not None]
    if held := holds.first(INACTIVE, state):
        return verdict.stays(f"its group could not act: {held.reason}")
    if not answering:
        return verdict.stays("none of its group answers either")
    if serving := [each.id for each in silent if each.traffic.healthy]:
        return verdict.stays(f"a load balancer calls {few(serving)} healthy")
    # Another template, or image, may be to blame as well as the release.
    if all(seen.origins.get(each.id) != seen.origins.get(canary.id) for each in answering):
        return verdict.stays("it was launched from another template or image than all that answer")
    return verdict


def _replaced(app: App, seen: Seen) -> list[str]:
    """Return the boots of the release in a group that Auto Scaling has replaced."""
    since = app.out_since
    return sorted(id_ for id_, begun in seen.replaced.items() if since and begun >= since)


# An alarm rings.


def _rung(app: App) -> Verdict | None:
    """Accuse the release where an alarm rings since it is run, and did not before."""
    running = [
        (each.in_service_since, each.id, seen)
        for seen, each in app.boots()
        if app.runs_it(each) and each.in_service_since is not None
    ]
    if app.released is None or not running:
        return None
    first, id_, seen = min(running, key=lambda each: each[:2])
    found: list[Verdict] = []
    for alarm in app.alarms:
        named = f"alarm {quoted(alarm.name, limit=255)}"
        verdict = Verdict(app.name, seen.name, app.released.release, named)
        if alarm.state is None:
            found.append(replace(verdict, reason=f"{named} does not exist"))
        if alarm.state != "ALARM":
            continue
        rings = f"{named} is in ALARM since {id_} entered service with {verdict.release.version}"
        verdict = replace(verdict, reason=rings, takes_back=True)
        why = _may_be_wrong(app, alarm, first)
        found.append(verdict if why is None else verdict.stays(why))
    return next((each for each in found if each.takes_back), found[0] if found else None)


def _may_be_wrong(app: App, alarm: Ringing, first: datetime) -> str | None:
    """Say why an alarm may ring for something else than the release; None where it may not.

    `first` is when the first that runs the release entered service.
    """
    if alarm.since is None or alarm.since <= first:
        return "it may have been in ALARM before"
    if not alarm.was_ok:
        return f"it was not OK for all of {left(app.bake_time)} before it went into ALARM"
    # What it looks back at must not have the time in which the canary was not there yet.
    longest = max(max(e.state.group.grace, e.state.warmup) for e in app.groups)
    if app.now - first < longest + (alarm.span or app.bake_time):
        return "it may still ring for want of the instance that was replaced"
    if app.now - first > DAY:
        return "the release has been out for over a day"
    if _has_spread(app):
        return "every instance has run it for an hour"
    return None


def _has_spread(app: App) -> bool:
    """Say whether every instance has run the release for an hour, but boots that came back stale.

    How long those of a group that has converged have run it nobody has asked: long.
    """
    boots = {each.id for _, each in app.boots()}
    members = [(seen.state, each) for seen in app.groups for each in seen.state.members]
    stale = {i.id for _, i in members if i.id in boots and i.version and not app.runs_it(i)}
    return all(
        app.runs_it(each) and (each.in_service_since is None or state.age(each) >= _SPREAD)
        for state, each in members
        if each.id not in stale
    )


# Why it stays all the same.


def _of_groups(app: App) -> Iterator[str]:
    following = [each.name for each in app.groups if each.state.policy.follows_template]
    if app.unseen:
        yield f"not all groups of {app.name} were observed: {few(app.unseen)}"
    if following:
        yield f"{few([plain(name) for name in following])} follows what it launches from"
    if app.pointed:
        yield f"the pointer of {app.name} names it"


def _of_release(app: App) -> Iterator[str]:
    released, successor, shelf = app.released, app.successor, app.shelf
    if released is None or released.restored or (shelf is not None and shelf.tagged):
        yield "it was taken back before, and somebody put it back"
    elif released.since is None:
        yield "nobody knows since when it is the target"
    elif released.since > app.now:
        yield "it is dated in the future"
    if not isinstance(successor, Released):
        none = "" if successor is None else f": {successor.reason}"
        yield f"nothing would become the target{none}"
    elif not any(
        each.version is not None and successor.is_run_by(each.version)
        for seen in app.groups
        for each in seen.state.available
    ):
        yield f"nobody runs {successor.release.version}, which would become the target"


def _of_bucket(app: App) -> Iterator[str]:
    shelf, successor = app.shelf, app.successor
    if shelf is None or not isinstance(successor, Released):
        return
    if shelf.changed:
        yield "the bucket has changed since this run looked"
    if shelf.versioning != ENABLED:
        state = f"is {plain(shelf.versioning.lower())}" if shelf.versioning else "was never on"
        yield f"the versioning of its bucket {state}, so it could not be restored"
    if shelf.version_id in {"", UNVERSIONED}:
        yield "its zip was stored without versioning, so it could not be restored"
    if not shelf.room:
        yield "its zip has as many tags as S3 allows, so it could not be marked"
    if shelf.problem:
        yield f"the zip of {successor.release.version} cannot be read: {shelf.problem}"
