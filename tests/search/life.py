"""The life of a fleet, at random: a Hypothesis state machine over the model and real runs.

Every run is judged by its tape, and against the truth of the model where nothing disturbed
it. At the end faults stop: every group that can converge must, and stay so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import wraps
from math import log2
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from terminator.observe.snapshot import Scope
from tests.decide.builders import NOW
from tests.fakes import cloud_api
from tests.fakes.cloud import OLD, Cloud, FakeGroup, Machine, minutes
from tests.fakes.groups import LaunchHook, Program
from tests.search.changes import (
    CHANGES,
    LAST,
    can_boot,
    cannot_converge,
    heal,
    is_of,
    make_version,
    mend,
    minimum,
    surges,
    template_of,
    unconverged,
)
from tests.search.history import RANKS, Target, find, same
from tests.search.judge import BrokenPromiseError, judge, promise
from tests.search.oracle import WINDOW, Member
from tests.search.tape import FAULTS, START, TAMPERINGS, TERMINATE, Run, Tape, Trick, run

COUNTS: Counter[str] = Counter()
# At the end of a life: long enough to pass waits of hours, short enough to see each canary.
_PERIOD = 20
_MOST_RUNS = 150
# A fleet that is down is back after so many runs, twenty minutes apart.
_BACK_AFTER = 15
# A fix serves somewhere after so many runs, forty minutes apart.
_OUT_AFTER = 7

_APPS = ("web", "api")
_FOLLOWS = ("template", "release template")
# A way back from an image is taken to its end in so many runs, forty minutes apart.
_HEALED_AFTER = 25
# Twelve hours apart.
_WEEK_OF_RUNS = 14
# What is mended is often whole again after so many.
_WHOLE_AFTER = 8
_TAGS = ("app", "minimum", "max-unavailable", "canary-retry", "window")
# What else a group may be, besides one whose instances are in service a minute after launch.
KINDS: Mapping[str, Mapping[str, Any]] = {
    "plain": {},
    "hooked": {"hook": LaunchHook(minutes(20))},
    "reporting": {"hook": LaunchHook(reports=True)},
    "warming": {"warmup": minutes(12)},
    "warm pool": {"pool": 1},
    "deep warm pool": {"pool": 3},
    "checked": {"checks": "ELB", "balanced": True},
}
_ANY: Mapping[str, st.SearchStrategy[Any]] = {
    "desired": st.sampled_from((3, 4, 1, 2, 6, 0)),
    "app": st.sampled_from(("web", "web", "web", "api")),
    "minimum": st.sampled_from(("1", "50%", "0", "2", "100%")),
    "max-unavailable": st.sampled_from(("100%", "25%", "1", "2")),
    "grace": st.sampled_from((0, 5, 60)),
    "balanced": st.booleans(),
    "canary-retry": st.sampled_from(("30m", "30m", "5m")),
    "window": st.sampled_from(("always", "always", "always", WINDOW)),
    "kind": st.sampled_from(("plain", "plain", "plain", *KINDS)),
    "follow": st.sampled_from((*("release",) * 4, *_FOLLOWS)),
    "images": st.booleans(),
}
# A group of one that is released without a gap.
_ONE: Mapping[str, st.SearchStrategy[Any]] = {
    **_ANY,
    "desired": st.just(1),
    "minimum": st.sampled_from(("1", "100%")),
    "kind": st.just("checked"),
    "surge": st.just("refresh"),
}
_GROUPS = st.sampled_from((_ANY, _ANY, _ANY, _ANY, _ONE)).flatmap(st.fixed_dictionaries)
# What may happen before a refresh, and to it, as changes with the number of each.
_BEFORE_A_REFRESH: Mapping[str, Sequence[tuple[str, int]]] = {
    "an alarm rings": (("alarms", 1), ("set an alarm", 0)),
}
_DURING_A_REFRESH: Mapping[str, Sequence[tuple[str, int]]] = {
    "somebody cancels it": (("cancel the refresh", 0),),
    "an alarm rings": (("set an alarm", 1),),
    "launches fail": (("launching", 1),),
    "launches hang": (("launching", 2),),
    "it is paused": (("pause", 0),),
    "surge is asked for no more": (("surge", 0),),
    "the old one is reclaimed": (("reclaim", 0),),
    "the new one is reclaimed": (("reclaim", 1),),
}
_LADDER = sorted(RANKS.keys() - {LAST}, key=lambda version: (RANKS[version], version))
# How much higher than the release to run a new one is.
_HIGHER = st.sampled_from((1, 1, 1, 2, 0, -1))
# How a release comes up besides the ways that the model has words for.
_PROGRAMS = {
    "dying": Program(dies=minutes(8)),
    "dying late": Program(dies=minutes(30)),
    "often dead": Program(hangs=0.4),
    "often stale": Program(stale=0.4),
}
_BOOTS = st.sampled_from(
    (*("good",) * 4, "dead", "dead", "stale", "late", "flapping", "sick", *_PROGRAMS)
)
_IMAGES = st.sampled_from(("good", "good", "dead", "sick", "dead", "sick", "late", "dying late"))
_WHICH = st.integers(0, 2)
_NUMBER = st.integers(0, 7)
_AMID = st.sampled_from(
    (
        "describe_instances",
        "probe",
        "describe_instance_refreshes",
        "describe_auto_scaling_groups",
        "describe_scaling_activities",
        "sleep",
        TERMINATE,
        START,
    )
)
# What is likely to matter between the look and the kill.
_MEANWHILE = st.sampled_from(
    (
        *("protect", "protect", "reclaim", "vanish", "fall ill", "stand by", "scale", "pause"),
        *("minimum", "max-unavailable", "window", "alarms", "suspend", "delete"),
        *("repoint", "make a version", "follow"),
        *("surge", "max size", "start a refresh"),
    )
)
_NTH = st.sampled_from((1, 1, 2, 3))
_FRESH = st.booleans()
_CALLS = st.sampled_from(
    (
        "describe_auto_scaling_groups",
        "describe_instances",
        "describe_target_health",
        "describe_scaling_activities",
        "list_object_versions",
        "get_bucket_lifecycle_configuration",
        "get_object",
        "head_object",
        "describe_instance_refreshes",
        "describe_launch_template_versions",
        "describe_alarms",
        "describe_alarm_history",
        "probe",
        TERMINATE,
        TERMINATE,
        START,
        START,
    )
)


Step = tuple[str, dict[str, Any]]
# The steps of the life that is lived, or of the one that broke a promise.
STEPS: list[Step] = []


def _step(do: Callable[..., None]) -> Callable[..., None]:
    """Note each step of a life, and count it."""

    @wraps(do)
    def noted(self: Life, *positional: Any, **asked: Any) -> None:
        if not positional:
            STEPS.append((do.__name__, asked))
            COUNTS["steps"] += 1
        do(self, *positional, **asked)

    return noted


def _is_held(machine: Machine) -> bool:
    """Say whether a warm pool holds a machine."""
    return (machine.lifecycle or "").startswith("Warmed:")


def _is_known_lost(machine: Machine, cloud: Cloud, target: Target) -> bool:
    """Say whether the rules can know of an instance that serves nobody that it is no boot."""
    if machine.runs(cloud.now):
        return machine.version is not None and not target.is_run_by(machine.version)
    return target.cannot_run_on(machine.launched, machine.attached or machine.launched)


def _is_in_service(machine: Machine, now: datetime) -> bool:
    """Say whether Auto Scaling and EC2 find nothing wrong with a machine in service."""
    return (machine.state(now), machine.health, machine.ec2) == ("InService", "Healthy", "running")


@dataclass
class Imaged:
    """A version of a template that went out, how it boots, and what it has cost.

    `held` is how many the warm pools of its groups held by then.
    """

    template: str
    number: int
    boots: str
    held: int
    lost: int = 0


class Life(RuleBasedStateMachine):
    """An account, its releases and its groups, and every kind of thing that happens to them.

    It is `disturbed` where something besides the release may have cost instances since, and
    `meddled` with once anything but releases has happened to it. `released_at` is when the target
    last changed, by app, `lost` what groups have lost to it, and `held` how many their warm pools
    held by then. `imaged` is the image that went out last, where nothing has happened since, and
    `recycled` are those that went although they ran what they should, with their groups.
    """

    cloud: Cloud

    @initialize(
        groups=st.lists(_GROUPS, min_size=1, max_size=3),
        bucket=st.sampled_from((True, True, True, False)),
        versioned=st.sampled_from((True, True, False)),
        keeps=st.sampled_from((None, None, 1, 7)),
    )
    @_step
    def begin(
        self,
        groups: list[dict[str, Any]],
        *,
        bucket: bool,
        versioned: bool,
        keeps: int | None = None,
    ) -> None:
        """Begin with groups that have long run the old release; keep old versions so many days."""
        began = NOW - minutes(6000)
        self.cloud = Cloud(
            now=began, lives=True, remembers=True, bucket=bucket, versioned=versioned
        )
        self.cloud.keeps = None if keeps is None else timedelta(days=keeps)
        self.disturbed = self.meddled = False
        self.imaged: Imaged | None = None
        self.recycled: list[tuple[str, str]] = []
        self.lost: dict[str, list[Machine]] = {}
        self.held: dict[str, int] = {}
        self.released_at: dict[str, datetime] = {}
        for app in _APPS:
            self.cloud.upload(app, OLD)
        for template in (*map(template_of, _APPS), "lt-base", "lt-other"):
            make_version(self.cloud, template)
        self.cloud.now = NOW
        for number, made in enumerate(groups):
            self._found(f"group-{number}", made)
        COUNTS["lives"] += 1
        COUNTS["steps"] -= 1
        del STEPS[:-1]

    def _found(self, name: str, made: dict[str, Any]) -> None:
        tags = {f"terminator:{key}": made[key] for key in _TAGS}
        more = {"grace": minutes(made["grace"]), "balanced": made["balanced"]}
        more |= KINDS[made["kind"]]
        more["template"] = "lt-base"
        if (follow := made.get("follow", "release")) != "release":
            more["template"] = template_of(made["app"])
            tags |= {"terminator:follow": follow}
            tags |= {"terminator:images": "true"} if made.get("images") else {}
        tags |= {"terminator:surge": made["surge"]} if "surge" in made else {}
        self.cloud.add_group(name, made["desired"], tags=tags, apart=1, **more)

    def _group(self, which: int) -> FakeGroup:
        groups = self.cloud.by_name()
        return groups[which % len(groups)]

    def _of_app(self, app: str) -> list[FakeGroup]:
        return [group for group in self.cloud.by_name() if group.app == app]

    # Releases.

    def _released(self, app: str, after: float = 1) -> None:
        """Begin to count what a release costs that is the target after so many minutes."""
        self.cloud.wait(after)
        for group in self._of_app(app):
            self.lost.pop(group.name, None)
            self.held[group.name] = sum(map(_is_held, group.staying()))
        self.released_at[app] = self.cloud.now
        self.imaged = None
        # What went back to a release that ran before has proof of it, whatever boots of it now.
        self.disturbed = True

    def _version(self, app: str, higher: int) -> str:
        """Return a version so much higher than the release to run."""
        current = self.cloud.release(app) if self.cloud.bucket else None
        return _LADDER[((_LADDER.index(current) if current else 2) + higher) % len(_LADDER)]

    @rule(which=_WHICH, higher=_HIGHER, boots=_BOOTS, parts=st.sampled_from((0, 0, 0, 2)))
    @_step
    def release(self, which: int, higher: int, boots: str, parts: int = 0) -> None:
        """Upload a release, or change what groups boot where there is no bucket."""
        self._upload(self._group(which), higher, boots, parts)

    def _upload(
        self, group: FakeGroup, higher: int, boots: str, parts: int = 0, after: float = 1
    ) -> None:
        self._released(group.app, after)
        version = self._version(group.app, higher)
        before = {each.key.split("/")[1].removesuffix(".zip") for each in self.cloud.stored}
        how: Any = _PROGRAMS.get(boots, boots)
        self.cloud.comes_up[group.app, version] = how
        group.image = (version, how)
        self.cloud.upload(group.app, version, parts=parts, took=minutes(min(parts, 0.5)))
        # Where it ran before there is proof of it. An image that is under way may cost some too.
        moves = not all(map(self._is_imaged, self._of_app(group.app)))
        self.disturbed = moves or any(same(version, other) for other in before)

    @rule(which=_WHICH, higher=_HIGHER, boots=_BOOTS, periods=st.sampled_from((3, 12)))
    @_step
    def roll_out(self, which: int, higher: int, boots: str, periods: int) -> None:
        """Upload a release, and run on schedule."""
        self.release(which, higher, boots)
        self.scheduled(periods)

    @rule(which=_WHICH, higher=_HIGHER)
    @_step
    def release_broken_zip(self, which: int, higher: int) -> None:
        """Upload what is no zip."""
        app = self._group(which).app
        self._released(app)
        self.cloud.put(f"{app}/{self._version(app, higher)}.zip", b"broken")

    @rule(which=_WHICH, parts=st.sampled_from((0, 2)))
    @_step
    def upload_again(self, which: int, parts: int) -> None:
        """Upload once more what is to run, as it was or in parts; nothing is new."""
        app = self._group(which).app
        if version := self.cloud.release(app):
            data = self.cloud.current()[f"{app}/{version}.zip"].data
            self.cloud.put(f"{app}/{version}.zip", data, parts=parts)

    @rule(which=_WHICH)
    @_step
    def point_again(self, which: int) -> None:
        """Write the pointer of an app anew, or point to what is to run anyway.

        A few seconds pass before: of what changes within a second nobody knows what came first.
        """
        self.cloud.wait(0.1)
        app = self._group(which).app
        pointer = self.cloud.current().get(f"{app}/current")
        named = (pointer.data or b"").decode() if pointer else self.cloud.release(app)
        if named is not None:
            self.cloud.point(app, named)

    @rule(which=_WHICH)
    @_step
    def withdraw(self, which: int) -> None:
        """Delete the newest release."""
        app = self._group(which).app
        self._released(app)
        if version := self.cloud.release(app):
            self.cloud.put(f"{app}/{version}.zip", None)

    @rule(which=_WHICH)
    @_step
    def roll_back(self, which: int) -> None:
        """Delete the newest release, and run on schedule."""
        self.withdraw(which)
        self.scheduled(8)

    @rule(which=_WHICH)
    @_step
    def expire(self, which: int) -> None:
        """Let a lifecycle rule delete the zip that was uploaded first."""
        app = self._group(which).app
        self._released(app)
        zips = [each for key, each in self.cloud.current().items() if key.startswith(f"{app}/")]
        for each in sorted(zips, key=lambda each: each.when)[:1]:
            self.cloud.put(each.key, None)

    @rule(
        which=_WHICH, version=st.sampled_from((OLD, "1.1.0", "1.1", "1.9.0", "9.9.9", "nonsense"))
    )
    @_step
    def point(self, which: int, version: str) -> None:
        """Point an app to a release, or to none."""
        app = self._group(which).app
        self._released(app)
        self.cloud.point(app, version)

    @rule(which=_WHICH)
    @_step
    def unpoint(self, which: int) -> None:
        """Take the pointer of an app away."""
        app = self._group(which).app
        self._released(app)
        if f"{app}/current" in self.cloud.current():
            self.cloud.point(app, None)

    # Images.

    def _launchers(self, template: str) -> list[FakeGroup]:
        """Return the groups that follow a template."""
        groups = self.cloud.by_name()
        return [each for each in groups if each.template == template and "template" in each.follows]

    def _is_imaged(self, group: FakeGroup) -> bool:
        """Say whether all of a group is of what it launches from, if it follows that."""
        launch = self.cloud.launched_from(group)
        if "template" not in group.follows:
            return True
        return launch is not None and all(is_of(each, launch) for each in group.counted())

    def _is_whole(self, group: FakeGroup) -> bool:
        """Say whether a group has converged in truth, on what will last."""
        here, serving = group.counted(), self.cloud.serving(group)
        version = self.cloud.release(group.app) if self.cloud.bucket else None
        serves = len(here) == group.desired and all(each in serving for each in here)
        runs = not self.cloud.bucket or not group.boots_releases
        if not runs and version and can_boot(self.cloud, group.app, version):
            runs = all(same(each.version or "", version) for each in here)
        lasts = all(each.program == Program() for each in here)
        return serves and lasts and runs and self._is_imaged(group)

    def _followed(self, which: int) -> str | None:
        """Return the template that one of the groups follows, None where none does."""
        groups = [each for each in self.cloud.by_name() if "template" in each.follows]
        return groups[which % len(groups)].template if groups else None

    def _make_image(self, template: str, boots: str) -> Imaged:
        """Make a version of a template; where all is whole, what it costs is counted."""
        users = self._launchers(template)
        whole = all(map(self._is_whole, (each for a in users for each in self._of_app(a.app))))
        self.cloud.wait(1)
        held = sum(_is_held(each) for user in users for each in user.staying())
        how: Any = _PROGRAMS.get(boots, boots)
        version = make_version(self.cloud, template, how)
        self.disturbed = True
        latest = bool(users) and all(each.template_version == "$Latest" for each in users)
        hears = not self.cloud.lag and self.cloud.rounds >= self.cloud.deaf_until
        calm = whole and latest and hears
        imaged = Imaged(template, version.number, boots, held)
        self.imaged = imaged if calm else None
        return imaged

    def _mend(self) -> None:
        """Mend all but the releases; what an image costs is counted no longer."""
        self.imaged = None
        mend(self.cloud)

    def _runs_until_whole(self, groups: Sequence[FakeGroup], most: int) -> bool:
        """Run until groups are whole, so many times at most; say whether they are."""
        for _ in range(most):
            if all(map(self._is_whole, groups)):
                return True
            self.scheduled(1, every=2 * _PERIOD)
        return all(map(self._is_whole, groups))

    @rule(which=_WHICH, boots=_IMAGES, periods=st.sampled_from((3, 12)))
    @_step
    def roll_out_image(self, which: int, boots: str, periods: int) -> None:
        """Make a version of the template that a group launches from, and run on schedule."""
        if template := self._followed(which):
            self._make_image(template, boots)
            self.scheduled(periods)

    @rule(
        which=_WHICH,
        boots=st.sampled_from(("dead", "sick", "dead", "sick", "good")),
        way=st.sampled_from(("pin", "delete", "mend")),
        periods=st.sampled_from((2, 8)),
    )
    @_step
    def roll_back_image(self, which: int, boots: str, way: str, periods: int) -> None:
        """Mend all but the releases, let an image go out, take it back, and run on."""
        self._mend()
        template = self._followed(which)
        if template is None:
            return
        users = self._launchers(template)
        for each in users:
            each.template_version = "$Latest"
        self._runs_until_whole(self.cloud.by_name(), _WHOLE_AFTER)
        can = [each for each in users if not cannot_converge(each)]
        held = [m for each in can for m in each.staying() if _is_held(m)]
        # What a pool holds of boots that were broken before comes up broken, whatever heals.
        whole = all(map(self._is_whole, can)) and all(m.version for m in held)
        before = self.cloud.template_version(template, "$Latest")
        imaged = self._make_image(template, boots)
        # Where boots of the release are stale now and then it takes longer.
        apps = {each.app: self.cloud.release(each.app) or "" for each in can}
        steady = all(self.cloud.comes_up.get(of, "good") == "good" for of in apps.items())
        calm = whole and steady and self.imaged is imaged
        self.scheduled(periods)
        if way == "delete":
            self.cloud.delete_version(template)
        elif way == "mend":
            make_version(self.cloud, template)
        else:
            for each in users:
                each.template_version = str(before.number if before else 1)
        self.imaged = None
        healed = self._runs_until_whole(can, _HEALED_AFTER)
        if calm and can and boots != "good":
            COUNTS[f"images that were bad, and healed: {way}"] += 1
            left = [(m.id, m.template, m.version) for each in can for m in each.counted()]
            promise(healed, "an older version, the bad one's deletion or a better one heals", left)

    # Surge.

    def _ones(self) -> list[int]:
        """Return the numbers of the groups of one that an instance refresh replaces."""
        return [number for number, each in enumerate(self.cloud.by_name()) if surges(each)]

    @rule(
        which=_WHICH,
        boots=_BOOTS,
        meanwhile=st.sampled_from(("nothing", "nothing", "nothing", *_DURING_A_REFRESH)),
        periods=st.sampled_from((6, 24)),
        every=st.sampled_from((5, 60)),
    )
    @_step
    def release_to_one(
        self, which: int, boots: str, meanwhile: str, periods: int, every: int
    ) -> None:
        """Release to a group of one, let something happen to its refresh, and run on."""
        ones = self._ones()
        if not ones:
            return
        number = ones[which % len(ones)]
        for change, by in _BEFORE_A_REFRESH.get(meanwhile, ()):
            self._change(change, number, by)
        self.unpoint(number)
        self.release(number, 1, boots)
        self.scheduled(3)
        for change, by in _DURING_A_REFRESH.get(meanwhile, ()):
            self._change(change, number, by)
        self.scheduled(periods, every=every)

    # Age and taint.

    @rule(
        which=_WHICH,
        age=st.sampled_from(("1h", "1h", "6h", "12h")),
        breaks=st.booleans(),
        periods=st.sampled_from((6, 12)),
    )
    @_step
    def grow_old(self, which: int, age: str, periods: int, *, breaks: bool) -> None:
        """Mend all but the releases, let an app's groups be past their age, and run on.

        Where nothing boots any more that costs the app one instance.
        """
        self._mend()
        app = self._group(which).app
        groups = self._of_app(app)
        whole = self._runs_until_whole(groups, _WHOLE_AFTER)
        heard = not self.cloud.lag and self.cloud.rounds >= self.cloud.deaf_until
        self._disturb()
        held = sum(_is_held(each) for group in groups for each in group.staying())
        if breaks:
            self._break_boots(app)
        for each in groups:
            each.tags["terminator:max-age"] = age
        self.recycled.clear()
        self.scheduled(periods, every=_PERIOD)
        names = {each.name for each in groups}
        lost = [id_ for name, id_ in self.recycled if name in names]
        if breaks and whole and heard and all(e.balanced or e.boots_releases for e in groups):
            COUNTS["apps that could not boot, and lost one to age"] += bool(lost)
            few = len(lost) <= 1 + held
            promise(few, "an app that cannot boot loses one to age, and what pools held", lost)
        mend(self.cloud)

    def _break_boots(self, app: str) -> None:
        """Let nothing that an app's groups boot from now on come up."""
        version = self.cloud.release(app) if self.cloud.bucket else None
        self.cloud.comes_up[app, version or ""] = "dead"
        for group in self._of_app(app):
            group.image = (group.image[0], "dead")
            if group.template and "template" in group.follows:
                versions = self.cloud.templates[group.template]
                versions[:] = [replace(each, boots="dead") for each in versions]

    @rule(which=_WHICH, number=_NUMBER, every=st.booleans(), periods=st.sampled_from((3, 12)))
    @_step
    def taint(self, which: int, number: int, periods: int, *, every: bool) -> None:
        """Tag one member, or all of a group, to be replaced, and run on schedule."""
        self._change("taint all" if every else "taint", which, number)
        self.scheduled(periods, every=_PERIOD)

    @rule(
        which=_WHICH,
        how=st.sampled_from(("deaf", "sick")),
        number=st.sampled_from((1, 1, 2)),
        breaks=st.booleans(),
    )
    @_step
    def be_ill(self, which: int, how: str, number: int, *, breaks: bool) -> None:
        """Mend all but the releases, let the oldest that run them be away, and a week pass.

        Where nothing boots any more that costs one instance.
        """
        self._mend()
        group = self._group(which)
        whole = self._runs_until_whole(self._of_app(group.app), _WHOLE_AFTER)
        heard = not self.cloud.lag and self.cloud.rounds >= self.cloud.deaf_until
        self._disturb()
        held = sum(map(_is_held, group.staying()))
        if breaks:
            self._break_boots(group.app)
        group.tags["terminator:ill"] = "replace"
        ill = sorted(group.counted(), key=lambda each: (each.launched, each.id))[:number]
        for each in ill:
            setattr(each, how, True)
        self.recycled.clear()
        self.scheduled(_WEEK_OF_RUNS, every=720)
        lost = [id_ for name, id_ in self.recycled if name == group.name]
        if whole and heard:
            COUNTS["weeks without boots in which an ill one went"] += breaks and bool(lost)
            COUNTS["ill instances that were replaced"] += len(lost) * (not breaks)
            few = not breaks or len(lost) <= 1 + held
            promise(few, "where boots never answer one ill instance goes in a week", lost)
            only = breaks or set(lost) <= {each.id for each in ill}
            promise(only, "truly, only what is ill goes for being ill", lost)
        for each in ill:
            setattr(each, how, False)
        mend(self.cloud)

    # Everything else.

    @rule(number=st.sampled_from((1, 5, 31, 61, 400, 1000)))
    @_step
    def wait(self, number: int) -> None:
        """Let minutes pass."""
        self.cloud.wait(number)

    def _disturb(self) -> None:
        """Note that something besides a release happens."""
        self.disturbed = self.meddled = True
        self.imaged = None

    @rule(change=st.sampled_from(sorted(CHANGES)), which=_WHICH, number=_NUMBER)
    @_step
    def meddle(self, change: str, which: int, number: int) -> None:
        """Change something about a group or one of its members."""
        self._change(change, which, number)

    def _change(self, change: str, which: int, number: int) -> None:
        self._disturb()
        CHANGES[change](self.cloud, self._group(which), number)

    @rule(which=_WHICH, number=_NUMBER, periods=st.sampled_from((2, 10)))
    @_step
    def lose_one(self, which: int, number: int, periods: int) -> None:
        """Let a member go deaf, and run on schedule."""
        self._change("go deaf", which, number)
        self.scheduled(periods)

    @rule(days=st.sampled_from((5, 6, 8)))
    @_step
    def let_expire(self, days: int) -> None:
        """Let a lifecycle rule delete what is older: zips and pointers, today or in some days."""
        self.cloud.expires_after = timedelta(days=days)
        self._disturb()

    @rule(lag=st.sampled_from((0, 1, 5, 30)))
    @_step
    def lag(self, lag: int) -> None:
        """Let describes lag minutes behind what was done."""
        self.cloud.lag = minutes(lag)
        self._disturb()

    @rule(seconds=st.sampled_from((-50, 0, 50, 300)))
    @_step
    def skew(self, seconds: int) -> None:
        """Let S3's clock be ahead; it never goes back, so what it was ahead passes first."""
        self.cloud.wait(max(0, self.cloud.skew / minutes(1) - seconds / 60))
        self.cloud.skew = minutes(seconds / 60)

    @rule(rounds=st.integers(1, 3), repeats=st.booleans())
    @_step
    def silence(self, rounds: int, *, repeats: bool) -> None:
        """Let no instance answer for some rounds of questions."""
        self.cloud.deaf_until = self.cloud.rounds + 2 * rounds
        self.cloud.repeats = repeats
        self.meddled = True
        self.imaged = None

    # Runs.

    @rule(periods=st.sampled_from((1, 1, 2, 6, 12)), every=st.sampled_from((5, 5, 5, 1, 60)))
    @_step
    def scheduled(self, periods: int, every: int = 5) -> None:
        """Run every so many minutes."""
        for _ in range(periods):
            self.cloud.wait(every)
            self._run(calm=True)

    @rule(which=_WHICH, twice=st.booleans())
    @_step
    def event(self, which: int, *, twice: bool) -> None:
        """Run for the event of an upload, perhaps delivered twice."""
        for _ in range(1 + twice):
            self._run(scope=Scope(app=self._group(which).app), calm=True)

    @rule()
    @_step
    def dry_run(self) -> None:
        """Run without acting."""
        self._run(dry_run=True)

    @rule(which=_WHICH, boots=_BOOTS)
    @_step
    def go_deaf_and_release(self, which: int, boots: str) -> None:
        """Let the oldest member go deaf, and release: it will be presumed outdated."""
        if staying := self._group(which).staying():
            staying[0].deaf = True
        self.release(which, 1, boots)
        self.wait(31)

    @rule(which=_WHICH, rounds=st.sampled_from((2, 20)))
    @_step
    def lose_the_network(self, which: int, rounds: int) -> None:
        """Let one go deaf, release, and let the network fail before the second look."""
        self.go_deaf_and_release(which, "good")
        self._run(Trick("sleep", act=lambda: self.silence(rounds, repeats=False)))

    @rule(which=_WHICH, how=st.sampled_from(("deaf", "deaf", "sick")), back=st.booleans())
    @_step
    def fix(self, which: int, how: str, *, back: bool) -> None:
        """Let all that runs an app go down, release what mends it, or point back, and run on."""
        app = self._group(which).app
        for machine in (m for group in self._of_app(app) for m in group.counted()):
            setattr(machine, how, True)
        self.wait(61)
        before = self.cloud.release(app)
        if back and can_boot(self.cloud, app, OLD):
            self.point(which, OLD)
        else:
            self.unpoint(which)
            self.release(which, 1, "good")
        self.scheduled(_BACK_AFTER, every=_PERIOD)
        # Above the highest version that the search has there is none that mends it.
        if self.cloud.release(app) != before:
            self._are_back(app)

    @rule(which=_WHICH, boots=_BOOTS)
    @_step
    def release_under_alarm(self, which: int, boots: str) -> None:
        """Let a release ring an alarm, release what mends it, and run on while it rings."""
        group = self._group(which)
        groups = self._of_app(group.app)
        self.unpoint(which)
        self._upload(group, 1, boots)
        rings = self.cloud.release(group.app)
        self.scheduled(3)
        before = {each.name: each.tags.pop("terminator:alarms", None) for each in groups}
        self.cloud.alarms["errors"] = "ALARM"
        for each in groups:
            each.tags["terminator:alarms"] = "errors"
        self._upload(group, 1, "good", after=31)
        self._runs_on_until_out(group.app)
        self._goes_out(group.app, rings, "a fix goes out while the alarm rings that it mends")
        self.cloud.alarms["errors"] = "OK"
        for each in groups:
            named = before[each.name]
            each.tags.pop("terminator:alarms")
            each.tags |= {} if named is None else {"terminator:alarms": named}

    @rule(which=_WHICH, seconds=st.sampled_from((1, 20, 50, 70)))
    @_step
    def mend_at_once(self, which: int, seconds: float) -> None:
        """Upload what mends a release seconds after a canary of it went out, and run on."""
        group = self._group(which)
        self.unpoint(which)
        self._upload(group, 1, "dead")
        hangs = self.cloud.release(group.app)
        before = len(self.cloud.kills)
        while len(self.cloud.kills) == before and self.cloud.now - self.released_at[group.app] < (
            minutes(20)
        ):
            self.scheduled(1)
        self._upload(group, 1, "good", after=seconds / 60)
        self._runs_on_until_out(group.app)
        self._goes_out(group.app, hangs, "a fix goes out right after what it mends")

    def _runs_on_until_out(self, app: str) -> None:
        """Run until a fix should serve somewhere, after what warm pools held is gone one by one."""
        held = sum(self.held.get(group.name, 0) for group in self._of_app(app))
        self.scheduled(_OUT_AFTER + 2 * held, every=2 * _PERIOD)

    def _goes_out(self, app: str, mends: str | None, name: str) -> None:
        """Check that what mends a release serves somewhere, if only releases have happened."""
        if self.meddled or self.cloud.skew or not self.cloud.bucket or not self.cloud.versioned:
            return
        if not self._images_rest(app):
            return
        version = self.cloud.release(app) or ""
        can = [
            group
            for group in self._of_app(app)
            if group.desired
            and group.boots_releases
            and not cannot_converge(group)
            and group.tags.get("terminator:window") != WINDOW
        ]
        # Above the highest version that the search has there is none that mends it.
        if not can or version == mends:
            return
        COUNTS[name] += 1
        serving = [m for group in can for m in self.cloud.serving(group)]
        out = any(m.version and same(m.version, version) for m in serving)
        promise(out, name, (version, [(m.id, m.version) for m in serving]))

    def _images_rest(self, app: str) -> bool:
        """Say whether no image of an app is bad, or on its way out."""
        groups = [each for each in self._of_app(app) if "template" in each.follows]
        launches = [self.cloud.launched_from(each) for each in groups]
        good = all(each is not None and each.boots == "good" for each in launches)
        return good and all(map(self._is_imaged, groups))

    def _are_back(self, app: str) -> None:
        """Check that a fleet that was down is back, where nothing else has happened to it."""
        if self.meddled or not self.cloud.bucket or not self.cloud.versioned:
            return
        if not self._images_rest(app):
            return
        # Of what ran before nobody knows once its old versions are gone.
        kept = self.cloud.now - self.cloud.keeps if self.cloud.keeps else None
        target = find(app, self.cloud.stored, kept)
        for group in self._of_app(app):
            serving = self.cloud.serving(group)
            lone = group.desired == 1 and group.balanced
            waits = group.tags.get("terminator:window") == WINDOW
            if target is None or waits or (cannot_converge(group) and not lone):
                continue
            if not group.boots_releases:
                continue
            if all(
                _is_known_lost(m, self.cloud, target) for m in group.staying() if m not in serving
            ):
                COUNTS["fleets that were down, and came back"] += bool(group.desired)
                back = len(serving) >= group.desired
                promise(back, "a fleet that is down comes back", (group.name, len(serving)))

    def _stir(self, *, fresh: bool) -> None:
        """Give the next run something to do, if `fresh`: a new release."""
        if fresh:
            self.release(0, 1, "good")
            self.wait(31)

    @rule(call=_AMID, nth=_NTH, fresh=_FRESH)
    @_step
    def overlap(self, call: str, nth: int, *, fresh: bool) -> None:
        """Run, and run again in the middle of it."""
        self._stir(fresh=fresh)
        inner: list[Run] = []
        before = len(self.cloud.kills)
        trick = Trick(call, nth, act=lambda: inner.append(self._run()))
        outer = self._run(trick)
        if call != "sleep":  # after which a run looks anew, and may go on as the next one would
            self._alike(before, [outer, *inner])

    @rule(
        call=_AMID,
        nth=_NTH,
        change=_MEANWHILE,
        number=_NUMBER,
        fresh=_FRESH,
    )
    @_step
    def run_amid(self, call: str, nth: int, change: str, number: int, *, fresh: bool) -> None:
        """Run, and change something in the middle of it."""
        self._stir(fresh=fresh)
        self._run(Trick(call, nth, act=lambda: self._change(change, 0, number)))

    @rule(call=_CALLS, nth=_NTH, fault=st.sampled_from(sorted(FAULTS)), fresh=_FRESH)
    @_step
    def run_with_fault(self, call: str, nth: int, fault: str, *, fresh: bool) -> None:
        """Run, and let a call fail."""
        self._stir(fresh=fresh)
        self._run(Trick(call, nth, fault=fault))

    @rule(nth=_NTH, tampering=st.sampled_from(sorted(TAMPERINGS)))
    @_step
    def run_with_tampering(self, nth: int, tampering: str) -> None:
        """Run, and let the probe function answer badly."""
        self._run(Trick("probe", nth, fault=tampering))

    @rule(seconds=st.sampled_from((5.0, 35.0, 60.0, 100.0)))
    @_step
    def run_short_of_time(self, seconds: float) -> None:
        """Run with little time."""
        self._run(seconds=seconds)

    def _run(
        self,
        *tricks: Trick,
        scope: Scope | None = None,
        calm: bool = False,
        dry_run: bool = False,
        seconds: float = 900.0,
    ) -> Run:
        """Run once, and judge."""
        before = len(self.cloud.kills)
        heard = self.cloud.rounds >= self.cloud.deaf_until
        done = self._done(Tape(self.cloud, tricks, seconds), scope, dry_run=dry_run)
        COUNTS["runs"] += 1
        COUNTS["terminations"] += len(self.cloud.kills) - before
        if tricks:
            self._disturb()
        else:
            self._goes_beside_none(before)
        for start in (each for each in done.starts if each.failed in {None, "lost"}):
            self._begins_rarely(self.cloud.groups[start.asked["AutoScalingGroupName"]])
        for number in self._ones():
            self._costs_nothing(self._group(number))
        tried = {id_ for id_, _ in done.tries}
        for name, id_ in (
            (name, id_) for _, name, id_ in self.cloud.kills[before:] if id_ in tried
        ):
            group = self.cloud.groups[name]
            machine = next(machine for machine in group.machines if machine.id == id_)
            seen = done.last_seen(name, id_)
            answered = bool(seen.answers and seen.traffic)
            missed = not heard or any(each.flaps for each in group.staying())
            quiet = calm and not missed and not self.cloud.lag
            self._keeps_enough(group, machine, seen, calm=quiet, answered=answered)
            if done.records[name]["decision"] == "recycle":
                self.recycled.append((name, id_))
                if answered:
                    self._takes_one(group, machine, calm=quiet)
                continue
            self._image_costs_one(group)
            if not group.boots_releases:
                continue
            self._accuses_none(group, machine, answered=bool(seen.answers))
            self._keeps_distance(group, machine, answered=answered)
            self._costs_one(group)
        return done

    def _done(self, tape: Tape, scope: Scope | None, *, dry_run: bool) -> Run:
        """Run reconcile on tape, and judge what it did by what it was shown."""
        config = cloud_api.settings(bucket=self.cloud.bucket, dry_run=dry_run)
        done = run(tape, config, scope)
        for met in judge(done):
            COUNTS[met] += 1
        return done

    # What must be true of the model, whatever a run was shown.

    def _keeps_enough(
        self, group: FakeGroup, lost: Machine, seen: Member, *, calm: bool, answered: bool
    ) -> None:
        """Check that the minimum stays: of what serves or, of the dead, of what could.

        Where describes lag, runs overlap or answers are missed it may be too: how far is noted.
        """
        here, least = self._available(group), minimum(group)
        COUNTS[f"at worst {max(0, least - here)} below the minimum"] += answered
        if not calm:
            return
        if answered:
            promise(here >= least, "truly, the minimum stays available", (group.name, here))
            return
        could = [m for m in group.counted() if _is_in_service(m, self.cloud.now)]
        # One that its probe does not hear is spared, but counts for none.
        heard = [m for m in self.cloud.serving(group) if not (m.unheard and group.boots_releases)]
        enough = len(could) >= least or (group.balanced and not heard)
        promise(enough, "truly, the dead leave as many as could serve", (group.name, lost.id))
        serves = seen.silent and lost.runs(self.cloud.now)
        COUNTS["serving instances taken for dead"] += serves
        vouched = group.balanced and serves and lost.target == "healthy"
        promise(not vouched, "nothing dies that its load balancer calls healthy", lost.id)

    def _goes_beside_none(self, before: int) -> None:
        """Check that nothing of a group went while an instance refresh of it was in progress."""
        for when, name, id_ in self.cloud.kills[before:]:
            beside = [
                each.id
                for each in self.cloud.refreshes_of(name)
                if each.began <= when and (each.ended is None or when < each.ended)
            ]
            promise(not beside, "truly, nothing goes during an instance refresh", (id_, beside))

    def _begins_rarely(self, group: FakeGroup) -> None:
        """Check that refreshes that try a release begin at growing distances, and are few."""
        COUNTS["instance refreshes begun"] += 1
        since = self.released_at.get(group.app)
        moved = self.meddled or self.cloud.lag or self.cloud.skew or since is None
        known = self.cloud.bucket and self.cloud.versioned and "template" not in group.follows
        if moved or not known or since is None:
            return
        begun = [e.began for e in self.cloud.refreshes_of(group.name) if e.began >= since]
        if len(begun) < 2:
            return
        COUNTS["instance refreshes begun anew"] += 1
        *_, last, now = begun
        retry = minutes(int(group.tags.get("terminator:canary-retry", "30m")[:-1]))
        kept = now - last >= min(max(last - since, retry), 32 * retry)
        promise(kept, "truly, refreshes begin at growing distances", (group.name, begun))
        retries = (now - since) / retry
        few = len(begun) <= 3 + log2(max(1, retries)) + retries / 32
        promise(few, "refreshes are few, at any period", (group.name, len(begun)))

    def _costs_nothing(self, group: FakeGroup) -> None:
        """Check that one serves where nothing but releases has happened to a group of one.

        What serves for as long as it takes to believe in it, and then dies, nobody can tell; and
        where two were healthy when AWS gave up, it keeps the one it chooses.
        """
        refreshes = self.cloud.refreshes_of(group.name)
        if self.meddled or self.cloud.lag or any(each.chose for each in refreshes):
            return
        believed = group.grace + minutes(10)
        hurt = any(m.deaf or (m.sick and not m.program.refused) for m in group.machines)
        dies = [m.program.dies for m in group.machines if m.program.dies is not None]
        if hurt or any(each + minutes(2) > believed for each in dies):
            return
        told = [(m.id, m.version, m.state(self.cloud.now), m.target) for m in group.counted()]
        serves = self.cloud.available(group) > 0
        promise(serves, "a release costs a group of one that surges nothing", (group.name, told))
        COUNTS["looks at a group of one, at which one serves"] += 1
        if refreshes and refreshes[-1].status == "Failed":
            COUNTS["looks at one that serves after a refresh that failed"] += 1

    def _takes_one(self, group: FakeGroup, lost: Machine, *, calm: bool) -> None:
        """Check that age and taint take one of a group all whose others serve."""
        COUNTS["instances lost to age or taint"] += 1
        whole = not calm or self._available(group) >= group.desired - 1
        promise(whole, "truly, age and taint take one of a whole group", (group.name, lost.id))

    def _available(self, group: FakeGroup) -> int:
        """Return how many serve: where nobody could tell, how many are in service."""
        if group.boots_releases or group.balanced:
            return self.cloud.available(group)
        return sum(_is_in_service(each, self.cloud.now) for each in group.counted())

    def _image_costs_one(self, group: FakeGroup) -> None:
        """Check that a bad image costs one instance of all that are launched from it.

        Where nobody could tell that it is bad it costs more.
        """
        imaged = self.imaged
        if imaged is None or group.template != imaged.template or "template" not in group.follows:
            return
        imaged.lost += 1
        users = self._launchers(imaged.template)
        seen = {
            "sick": all(each.balanced for each in users),
            "dead": all(each.balanced or each.boots_releases for each in users),
        }
        if not seen.get(imaged.boots):
            return
        COUNTS["instances lost to bad images"] += 1
        # One group tries it of those that have the same target: without a bucket its own highest.
        targets = {(each.app, each.follows, self._highest(each)) for each in users}
        few = imaged.lost <= len(targets) + imaged.held
        promise(few, "a bad image costs one instance, and what pools held", imaged)

    def _highest(self, group: FakeGroup) -> int | None:
        """Return the rank of what a group runs that is highest, None where a bucket says more."""
        ranks = (RANKS[each.version] for each in group.counted() if each.version)
        return None if self.cloud.bucket else max(ranks, default=None)

    def _accuses_none(self, group: FakeGroup, lost: Machine, *, answered: bool) -> None:
        """Check that a silent boot of the release is not taken for dead, unless others came up."""
        if answered or not (self.cloud.bucket and self.cloud.versioned):
            return
        if not self._is_imaged(group) or "template" in group.follows:
            return
        target = find(group.app, self.cloud.stored)
        if target is None or target.since is None:
            return
        since = target.since - minutes(2)
        up = any(
            m.version and target.is_run_by(m.version) and m.launched >= since
            for m in group.staying()
        )
        late = (lost.attached or lost.launched) > target.since + minutes(2) and not up
        promise(not late, "what booted since the release is not presumed outdated", lost.id)

    def _keeps_distance(self, group: FakeGroup, lost: Machine, *, answered: bool) -> None:
        """Check that boots that do not run a release cost instances at growing distances."""
        before = self.lost.setdefault(group.name, [])
        before.append(lost)
        since = self.released_at.get(group.app)
        if self.disturbed or self.cloud.skew or self.cloud.lag or since is None or not answered:
            return
        version = self.cloud.release(group.app) if self.cloud.bucket else None
        now = self.cloud.now
        # What was created within the doubt, a minute, may have fetched what was to run before.
        made = [m for m in group.machines if since + minutes(1) < (m.attached or m.launched)]
        boots = [m for m in made if m.launched < now - minutes(0.5) and not _is_held(m)]
        ran = any(m.version and version and same(m.version, version) for m in boots)
        if not self.cloud.versioned or version is None or ran or len(before) < 2 or not boots:
            return
        retry = minutes(int(group.tags.get("terminator:canary-retry", "30m")[:-1]))
        came = max(m.launched for m in boots)
        wait = min(max(came - since, retry), 32 * retry) - minutes(2)
        COUNTS["losses to boots that stay old"] += 1
        kept = now - came >= wait
        promise(kept, "boots that stay old cost instances at growing distances", lost.id)
        retries = (now - since) / retry
        most = 3 + log2(max(1, retries)) + retries / 32 + self.held.get(group.name, 0)
        few = len(before) <= most
        promise(few, "boots that stay old cost few, at any size and period", len(before))

    def _costs_one(self, group: FakeGroup) -> None:
        """Check that a release that never comes up, or dies while it bakes, costs its app one.

        What is above it does not wait for it to bake, once it has come up: that is a way back.
        """
        version = self.cloud.release(group.app) if self.cloud.bucket else None
        how = self.cloud.comes_up.get((group.app, version or ""), "good")
        dies = isinstance(how, Program) and how.dies == minutes(8)
        # What a bad image boots is no boot of the release.
        disturbed = self.disturbed or not self._images_rest(group.app)
        doubtful = disturbed or self.cloud.lag or self.cloud.skew
        if not (dies or how == "dead") or doubtful or not self.cloud.versioned:
            return
        app = [each for each in self._of_app(group.app) if each.boots_releases]
        went = [m for each in app for m in self.lost.get(each.name, ())]
        # What was dead by then costs nothing: boots of this release or of another.
        when = {id_: at for at, _, id_ in self.cloud.kills}
        lost = [m for m in went if m.runs(when[m.id])]
        if dies:
            lost = [m for m in lost if RANKS[m.version or OLD] <= RANKS[version or OLD]]
        most = 1 + sum(self.held.get(each.name, 0) for each in app)
        COUNTS["instances lost to releases that never come up, or die"] += 1
        promise(
            len(lost) <= most,
            "a release that does not stay up costs its app one instance, and what pools held",
            lost,
        )

    def _alike(self, before: int, runs: list[Run]) -> None:
        """Check that overlapping runs took no more than one of them alone."""
        groups = self.cloud.by_name()
        if self.cloud.lag or any(m.flaps for group in groups for m in group.staying()):
            return
        for group in groups:
            records = [run.records[group.name] for run in runs if group.name in run.records]
            chosen = [len(record["to_terminate"]) for record in records]
            gone = [name for _, name, _ in self.cloud.kills[before:] if name == group.name]
            COUNTS["overlapping runs that act"] += bool(gone)
            promise(len(gone) <= max(chosen, default=0), "overlapping runs choose alike", gone)

    def teardown(self) -> None:
        """Let faults stop: what can converge does, and stays."""
        if not hasattr(self, "cloud"):
            return
        lived = self.cloud.rounds
        down = {0: "deaf", 1: "sick"}.get(lived // 3 % 6)
        COUNTS["lives that end with all down"] += down is not None
        heal(self.cloud, lived, down)
        self._disturb()
        for _ in range(_MOST_RUNS):
            self.cloud.wait(_PERIOD)
            waiting = unconverged(self.cloud, self._run().records)
            if not waiting:
                break
        else:
            raise BrokenPromiseError("every group that can converge does", waiting)
        before, begun = len(self.cloud.kills), COUNTS["instance refreshes begun"]
        for _ in range(3):
            self.cloud.wait(_PERIOD)
            self._run()
        begins = COUNTS["instance refreshes begun"] > begun
        promise(not begins, "what has converged is not refreshed")
        groups = self.cloud.by_name()
        cannot = {group.name for group in groups if cannot_converge(group)}
        more = [kill for kill in self.cloud.kills[before:] if kill[1] not in cannot]
        promise(not more, "what has converged stays", more)
        ones = sum(map(surges, groups))
        COUNTS["groups of one that surge, and converged at last"] += ones
        for each in (each for group in groups for each in self.cloud.refreshes_of(group.name)):
            COUNTS[f"instance refreshes: {each.status}"] += 1
        COUNTS["groups converged at last"] += len(groups) - len(cannot)
        COUNTS["groups that cannot converge"] += len(cannot)
