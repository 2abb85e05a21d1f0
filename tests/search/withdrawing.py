"""Lives in which releases are taken back by themselves: the steps of the search, other promises.

What a run decides about instances is judged without this. Here it is the truth of the model that
judges what was taken back, in the moment in which it is.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule

from terminator import marker
from terminator.config.deployment import Withdraw
from terminator.marker import Order
from terminator.observe.snapshot import Scope
from tests.fakes import cloud_api
from tests.fakes.cloud import OLD, Machine
from tests.fakes.objects import newest_release
from tests.search.history import RANKS, same
from tests.search.judge import promise
from tests.search.life import COUNTS, Life, _step
from tests.search.tape import Run, Tape, run

ALARM = "errors"
_HOW = Withdraw(silent=True, alarms=(ALARM,))
_HOUR = timedelta(hours=1)
_WHICH = st.integers(0, 2)
# What may come to pass while a canary is silent, and keeps its release in place.
MEANWHILE = ("it is pointed to", "one of two comes up", "nobody runs the one before")


class WithdrawingLife(Life):
    """A life whose apps all have their releases taken back.

    `taken` are the ids of the versions of zips that were.
    """

    def _done(self, tape: Tape, scope: Scope | None, *, dry_run: bool) -> Run:
        """Run reconcile, judged by what it takes back alone."""
        config = cloud_api.settings(
            bucket=self.cloud.bucket,
            dry_run=dry_run,
            withdraws=dict.fromkeys(("web", "api"), _HOW),
        )
        # What was lied to, late, or changed amid the run is not judged by what it could not see.
        is_calm = (
            not tape.tricks and not self.cloud.lag and self.cloud.rounds >= self.cloud.deaf_until
        )
        take_back = partial(self._take_back, is_calm=is_calm, dry_run=dry_run)
        done = run(replace(tape, withdraw=take_back), config, scope)
        apps = [each["app"] for each in done.records.values() if each["withdrawn"]]
        promise(len(apps) == len(set(apps)), "what is taken back is told once", apps)
        return done

    def _take_back(self, order: Order, *, is_calm: bool, dry_run: bool) -> str | None:
        """Put the marker, and see that it was right to."""
        promise(not dry_run, "a dry run takes nothing back", order)
        before = self.cloud.current()
        refused = marker.put(cloud_api.clients(self.cloud), "releases", order, self.cloud.now)
        if refused is not None:
            return refused
        COUNTS["releases taken back"] += 1
        self.disturbed = True
        # What goes from now on it costs no release that was uploaded.
        self.released_at[order.app] = self.cloud.now
        for group in self._of_app(order.app):
            self.lost.pop(group.name, None)
        taken: set[str] = self.__dict__.setdefault("taken", set())
        promise(order.version_id not in taken, "no version of a zip is taken back twice", order)
        taken.add(order.version_id)
        kept = [each.version_id for each in self.cloud.stored if each.data is not None]
        promise(order.version_id in kept, "what is taken back can be restored", order)
        promise(f"{order.app}/current" not in before, "nothing that a pointer names goes", order)
        left = newest_release(self.cloud.current(), order.app)
        promise(left, "the last release is never taken back", order)
        if is_calm:
            self._was_right(order, left or "")
        return None

    def _was_right(self, order: Order, left: str) -> None:
        """Check what the run could see against what is so."""
        version = order.key.removeprefix(f"{order.app}/").removesuffix(".zip")
        members = [m for group in self._of_app(order.app) for m in group.counted()]
        served = any(self._answers(each, left) for each in members)
        promise(served, "nothing is uncovered that nobody runs", (order, left))
        runs = [each for each in members if self._answers(each, version)]
        # One that flaps may miss both looks.
        steady = [each for each in runs if not each.flaps]
        rings = self.cloud.alarms.get(ALARM) == "ALARM"
        promise(rings or not steady, "no release is taken back that an instance answers", steady)
        if runs and rings:
            COUNTS["releases taken back for an alarm"] += 1
            long = [m for m in runs if self.cloud.now - m.in_service >= _HOUR]
            promise(
                len(long) < len(members),
                "no release is taken back that all have run for an hour",
                order,
            )

    def _answers(self, machine: Machine, version: str) -> bool:
        """Say whether a member is in service, and the probe hears a version from it."""
        now = self.cloud.now
        there = machine.state(now) == "InService" and machine.health == "Healthy"
        heard = there and machine.runs(now) and not machine.unheard
        return heard and machine.version is not None and same(machine.version, version)

    # What may happen besides.

    @rule(
        which=_WHICH,
        boots=st.sampled_from(("dead", "dead", "sick", "late")),
        meanwhile=st.sampled_from(("nothing", "nothing", *MEANWHILE)),
    )
    @_step
    def bring_down(self, which: int, boots: str, meanwhile: str = "nothing") -> None:
        """Release what hardly comes up, and run for as long as it takes to take it back."""
        self.unpoint(which)
        app = self._group(which).app
        runs = self.cloud.release(app) or OLD
        self.release(which, 5 if meanwhile == MEANWHILE[-1] else 1, boots)
        self.scheduled(4)
        version = self.cloud.release(app) or "" if self.cloud.bucket else ""
        if version and meanwhile == "it is pointed to":
            self.cloud.point(app, version)
        elif version and meanwhile == "one of two comes up":
            self.disturbed = self.meddled = True
            self._group(which).desired += 1
            self.scheduled(9)  # just before it would be taken back
            last = max(self._group(which).counted(), key=lambda m: (m.launched, m.id), default=None)
            if last:
                last.version, last.up = version, self.cloud.now
        elif version and meanwhile == "nobody runs the one before":
            below = [each for each in RANKS if RANKS[runs] < RANKS[each] < RANKS[version]]
            for each in below[:1]:
                self.cloud.upload(app, each)
        self.scheduled(14)

    @rule(which=_WHICH, boots=st.sampled_from(("good", "dying late", "flapping")))
    @_step
    def ring(self, which: int, boots: str) -> None:
        """Release what rings the alarm once it serves, and run on while it rings."""
        self.unpoint(which)
        self.cloud.alarms[ALARM] = "OK"
        self.scheduled(3)
        self.release(which, 1, boots)
        self.scheduled(3)
        self.cloud.alarms[ALARM] = "ALARM"
        self.scheduled(4)
        self.cloud.alarms[ALARM] = "OK"

    @rule(state=st.sampled_from(("OK", "ALARM", "INSUFFICIENT_DATA")))
    @_step
    def change_alarm(self, state: str) -> None:
        """Let the alarm change its state, for whatever reason."""
        self.cloud.alarms[ALARM] = state

    @rule(suspended=st.booleans())
    @_step
    def suspend_versioning(self, *, suspended: bool) -> None:
        """Suspend the versioning of the bucket, or go on with it."""
        self.cloud.suspended = suspended
        self.disturbed = self.meddled = True

    @rule(which=_WHICH)
    @_step
    def restore(self, which: int) -> None:
        """Put back what was taken back last, where nothing else lies on it."""
        app = self._group(which).app
        top: dict[str, Any] = {each.key: each for each in self.cloud.stored}
        for key, each in top.items():
            below = [e for e in self.cloud.stored if e.key == key and e.data is not None]
            if each.data is None and below and below[-1].tags and key.startswith(f"{app}/"):
                self._released(app)
                self.cloud.stored.remove(each)
                COUNTS["releases restored"] += 1
                return

    def teardown(self) -> None:
        """End here: that all converges once faults stop is for lives without this to show."""
