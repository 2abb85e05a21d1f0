"""The life of a fleet, at random: a Hypothesis state machine over the model and real runs.

Every run is judged by its tape, and against the truth of the model where nothing disturbed
it. At the end faults stop: every group that can converge must, and stay so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import wraps
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from terminator.observe.snapshot import Scope
from tests.decide.builders import NOW
from tests.fakes import cloud_api
from tests.fakes.cloud import OLD, Cloud, FakeGroup, minutes
from tests.search.changes import CHANGES, LAST, cannot_converge, heal, minimum, unconverged
from tests.search.judge import BrokenPromiseError, judge, promise
from tests.search.oracle import RANKS, WINDOW, same
from tests.search.tape import FAULTS, TAMPERINGS, TERMINATE, Run, Tape, Trick, run

COUNTS: Counter[str] = Counter()
# At the end of a life: long enough to pass waits of hours, short enough to see each canary.
_PERIOD = 20
_MOST_RUNS = 150

_APPS = ("web", "api")
_TAGS = ("app", "minimum", "max-unavailable", "canary-retry", "window")
_GROUPS = st.fixed_dictionaries(
    {
        "desired": st.sampled_from((3, 4, 1, 2, 6, 0)),
        "app": st.sampled_from(("web", "web", "api")),
        "minimum": st.sampled_from(("1", "50%", "0", "2", "100%")),
        "max-unavailable": st.sampled_from(("100%", "25%", "1", "2")),
        "grace": st.sampled_from((0, 5, 60)),
        "balanced": st.booleans(),
        "canary-retry": st.sampled_from(("30m", "30m", "5m")),
        "window": st.sampled_from(("always", "always", "always", WINDOW)),
    }
)
_LADDER = sorted(RANKS.keys() - {LAST}, key=lambda version: (RANKS[version], version))
# How much higher than the release to run a new one is.
_HIGHER = st.sampled_from((1, 1, 1, 2, 0, -1))
_BOOTS = st.sampled_from(("good", "good", "good", "dead", "stale", "late", "flapping", "sick"))
_WHICH = st.integers(0, 1)
_NUMBER = st.integers(0, 7)
_AMID = st.sampled_from(
    (
        "describe_instances",
        "probe",
        "describe_instance_refreshes",
        "describe_auto_scaling_groups",
        "sleep",
        TERMINATE,
    )
)
# What is likely to matter between the look and the kill.
_MEANWHILE = st.sampled_from(
    (
        *("protect", "protect", "reclaim", "fall ill", "stand by", "scale", "pause"),
        *("minimum", "max-unavailable", "window", "alarms", "suspend", "delete"),
    )
)
_NTH = st.sampled_from((1, 1, 2, 3))
_FRESH = st.booleans()
_CALLS = st.sampled_from(
    (
        "describe_auto_scaling_groups",
        "describe_instances",
        "describe_target_health",
        "list_object_versions",
        "get_object",
        "head_object",
        "describe_instance_refreshes",
        "describe_alarms",
        "probe",
        TERMINATE,
        TERMINATE,
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


class Life(RuleBasedStateMachine):
    """An account, its releases and its groups, and every kind of thing that happens to them."""

    cloud: Cloud

    @initialize(
        groups=st.lists(_GROUPS, min_size=1, max_size=2),
        bucket=st.sampled_from((True, True, True, False)),
        versioned=st.booleans(),
    )
    @_step
    def begin(self, groups: list[dict[str, Any]], *, bucket: bool, versioned: bool) -> None:
        """Begin with groups that have long run the old release."""
        self.cloud = Cloud(now=NOW - minutes(6000), lives=True, bucket=bucket, versioned=versioned)
        self.disturbed = False
        self.costs: Counter[str] = Counter()
        for app in _APPS:
            self.cloud.upload(app, OLD)
        self.cloud.now = NOW
        for number, made in enumerate(groups):
            self._found(f"group-{number}", made)
        COUNTS["lives"] += 1
        COUNTS["steps"] -= 1
        del STEPS[:-1]

    def _found(self, name: str, made: dict[str, Any]) -> None:
        tags = {f"terminator:{key}": made[key] for key in _TAGS}
        grace, balanced = minutes(made["grace"]), made["balanced"]
        self.cloud.add_group(
            name, made["desired"], tags=tags, apart=1, grace=grace, balanced=balanced
        )

    def _group(self, which: int) -> FakeGroup:
        groups = self.cloud.by_name()
        return groups[which % len(groups)]

    def _released(self) -> None:
        """Begin to count what the release costs, now that another one is the target."""
        self.cloud.wait(1)
        self.costs.clear()
        # What went back to a release that ran before has proof of it, whatever boots of it now.
        self.disturbed = True

    def _version(self, app: str, higher: int) -> str:
        """Return a version so much higher than the release to run."""
        current = self.cloud.release(app) if self.cloud.bucket else None
        return _LADDER[((_LADDER.index(current) if current else 2) + higher) % len(_LADDER)]

    @rule(which=_WHICH, higher=_HIGHER, boots=_BOOTS)
    @_step
    def release(self, which: int, higher: int, boots: Any) -> None:
        """Upload a release, or change what groups boot where there is no bucket."""
        self._released()
        group = self._group(which)
        version = self._version(group.app, higher)
        before = {each.key.split("/")[1].removesuffix(".zip") for each in self.cloud.stored}
        self.cloud.comes_up[group.app, version] = boots
        group.image = (version, boots)
        self.cloud.upload(group.app, version)
        # Where it ran before there is proof of it; what a warm pool holds boots the one before.
        states = [m.lifecycle or "" for each in self.cloud.by_name() for m in each.staying()]
        warm = any(state.startswith("Warmed:") for state in states)
        self.disturbed = warm or any(same(version, other) for other in before)

    @rule(which=_WHICH, higher=_HIGHER, boots=_BOOTS, periods=st.sampled_from((3, 12)))
    @_step
    def roll_out(self, which: int, higher: int, boots: Any, periods: int) -> None:
        """Upload a release, and run on schedule."""
        self.release(which, higher, boots)
        self.scheduled(periods)

    @rule(which=_WHICH, higher=_HIGHER)
    @_step
    def release_broken_zip(self, which: int, higher: int) -> None:
        """Upload what is no zip."""
        self._released()
        app = self._group(which).app
        self.cloud.put(f"{app}/{self._version(app, higher)}.zip", b"broken")

    @rule(which=_WHICH)
    @_step
    def withdraw(self, which: int) -> None:
        """Delete the newest release."""
        self._released()
        app = self._group(which).app
        if version := self.cloud.release(app):
            self.cloud.put(f"{app}/{version}.zip", None)

    @rule(which=_WHICH)
    @_step
    def roll_back(self, which: int) -> None:
        """Delete the newest release, and run on schedule."""
        self.withdraw(which)
        self.scheduled(12)

    @rule(which=_WHICH, version=st.sampled_from((OLD, "1.1.0", "1.9.0", "9.9.9", "nonsense")))
    @_step
    def point(self, which: int, version: str) -> None:
        """Point an app to a release, or to none."""
        self._released()
        self.cloud.put(f"{self._group(which).app}/current", version.encode())

    @rule(which=_WHICH)
    @_step
    def unpoint(self, which: int) -> None:
        """Take the pointer of an app away."""
        self._released()
        if f"{self._group(which).app}/current" in self.cloud.current():
            self.cloud.put(f"{self._group(which).app}/current", None)

    @rule(number=st.sampled_from((1, 5, 31, 61, 400, 1000)))
    @_step
    def wait(self, number: int) -> None:
        """Let minutes pass."""
        self.cloud.wait(number)

    @rule(change=st.sampled_from(sorted(CHANGES)), which=_WHICH, number=_NUMBER)
    @_step
    def meddle(self, change: str, which: int, number: int) -> None:
        """Change something about a group or one of its members."""
        self._change(change, which, number)

    def _change(self, change: str, which: int, number: int) -> None:
        self.disturbed = True
        CHANGES[change](self.cloud, self._group(which), number)

    @rule(lag=st.sampled_from((0, 1, 5, 30)))
    @_step
    def lag(self, lag: int) -> None:
        """Let describes lag minutes behind what was done."""
        self.cloud.lag = minutes(lag)
        self.disturbed = True

    @rule(seconds=st.sampled_from((-50, 0, 50, 300)))
    @_step
    def skew(self, seconds: int) -> None:
        """Let S3's clock be ahead."""
        self.cloud.skew = minutes(seconds / 60)

    @rule(rounds=st.integers(1, 3), repeats=st.booleans())
    @_step
    def silence(self, rounds: int, *, repeats: bool) -> None:
        """Let no instance answer for some rounds of questions."""
        self.cloud.deaf_until = self.cloud.rounds + 2 * rounds
        self.cloud.repeats = repeats

    @rule(periods=st.sampled_from((1, 1, 2, 6, 12)))
    @_step
    def scheduled(self, periods: int) -> None:
        """Run each five minutes."""
        for _ in range(periods):
            self.cloud.wait(5)
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
    def go_deaf_and_release(self, which: int, boots: Any) -> None:
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
        tape = Tape(self.cloud, tricks, seconds)
        config = cloud_api.settings(bucket=self.cloud.bucket, dry_run=dry_run)
        done = run(tape, config, scope)
        for met in judge(done):
            COUNTS[met] += 1
        COUNTS["runs"] += 1
        COUNTS["terminations"] += len(self.cloud.kills) - before
        self.disturbed |= bool(tricks)
        self._truly(before, done, calm=calm)
        return done

    def _truly(self, before: int, done: Run, *, calm: bool) -> None:
        """Check what a run did against the truth of the model."""
        for _, name, id_ in self.cloud.kills[before:]:
            group = self.cloud.groups[name]
            machine = next(machine for machine in group.machines if machine.id == id_)
            answered = done.last_look.answers.get(id_, {}).get("version")

            # Where describes lag or runs overlap the minimum may be missed: note how far.
            here, least = self.cloud.available(group), minimum(group)
            exact = calm and answered is not None and not self.cloud.lag
            promise(here >= least or not exact, "truly, the minimum stays available", (name, here))
            COUNTS[f"at worst {max(0, least - here)} below the minimum"] += 1

            puts = [each.when for each in self.cloud.stored if each.key.startswith(group.app)]
            dated = not answered and self.cloud.bucket and self.cloud.versioned
            late = dated and machine.launched - minutes(2) > max(puts)
            promise(not late, "what booted since the release is not presumed outdated", id_)
            self._costs(group)

    def _costs(self, group: FakeGroup) -> None:
        """Check that a release that never comes up costs one instance."""
        self.costs[group.name] += 1
        version = self.cloud.release(group.app) if self.cloud.bucket else None
        dead = self.cloud.comes_up.get((group.app, version or ""), "good") == "dead"
        doubtful = self.disturbed or self.cloud.lag or self.cloud.skew
        broken = dead and not doubtful and self.cloud.versioned
        kept = not broken or self.costs[group.name] < 2
        promise(kept, "a release that never comes up costs one instance", self.cloud.kills[-2:])

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
        heal(self.cloud, way=len(self.cloud.past["group-0"]))
        for _ in range(_MOST_RUNS):
            self.cloud.wait(_PERIOD)
            waiting = unconverged(self.cloud, self._run().records)
            if not waiting:
                break
        else:
            raise BrokenPromiseError("every group that can converge does", waiting)
        before = len(self.cloud.kills)
        for _ in range(3):
            self.cloud.wait(_PERIOD)
            self._run()
        groups = self.cloud.by_name()
        cannot = {group.name for group in groups if cannot_converge(group)}
        more = [kill for kill in self.cloud.kills[before:] if kill[1] not in cannot]
        promise(not more, "what has converged stays", more)
        COUNTS["groups converged at last"] += len(groups) - len(cannot)
        COUNTS["groups that cannot converge"] += len(cannot)
