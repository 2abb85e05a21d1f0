"""The acts of the demo: what happens in each, what it promises, and the checks of that."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from sandbox import runs, store
from sandbox.fleet import API, GROUPS, IMG, OLD, SETTLED, SIZE, SOLO, WEB, Fleet
from sandbox.runs import Run
from sandbox.store import Event, Program, pack
from terminator.config.deployment import Withdraw

if TYPE_CHECKING:
    from rich.console import Console

PERIOD: Final = timedelta(minutes=5)
_MOST_RUNS: Final = 20
# So long an outage may last once its fix is there.
_BACK_MINUTES: Final = 20
# So many runs each take a boot, its grace period and its bake time, 13 minutes.
_BAKED_RUNS: Final = 3
_TEMPLATE: Final = "img"
_BY_IMAGE: Final = {"terminator:follow": "template"}
_BY_REFRESH: Final = {
    "terminator:app": "solo",
    "terminator:minimum": "1",
    "terminator:surge": "refresh",
    "terminator:bake-time": "1m",
}
_NEW, _BROKEN, _FIXED, _SILENT = "1.0.274", "1.0.275", "1.0.276", "1.0.277"


@dataclass(frozen=True)
class Check:
    """What an act promised, and whether the sandbox saw it hold."""

    promise: str
    holds: bool


@dataclass
class Demo:
    """A fleet that is shown on the console, with the runs and the checks so far.

    `verbose` shows what each run logged.
    """

    fleet: Fleet
    console: Console
    verbose: bool = False
    runs: list[Run] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)

    def check(self, promise: str, *, holds: bool) -> None:
        """Print whether a promise holds, and keep that."""
        self.checks.append(Check(promise, holds))
        mark, style = ("ok", "green") if holds else ("BROKEN", "bold red")
        self.console.print(f"  {mark}: {promise}", style=style, highlight=False, markup=False)

    def tell(self, what: str) -> None:
        """Print what happens to the fleet or its releases."""
        self.console.print(f"- {what}", style="bold", highlight=False, markup=False)

    def deliver(self, event: Event) -> list[str]:
        """Give the event to the release function; print and return what it said of the upload."""
        verdicts, led_to = runs.deliver(self.fleet, event)
        if self.verbose:
            self._print_lines(verdicts)
        for run in led_to:
            self._show(run)
        return verdicts

    def scheduled(self, times: int = 1) -> Run:
        """Let the schedule run so many times; return the last run."""
        for _ in range(times):
            self.fleet.wait(PERIOD)
            self._show(runs.run(self.fleet))
        return self.runs[-1]

    def until_converged(self, *groups: str) -> bool:
        """Let the schedule run until the groups have converged and nothing in them is due.

        At most twenty times.
        """
        for _ in range(_MOST_RUNS):
            last = self.scheduled()
            found = [last.about(group) for group in groups]
            if all(each and each.decision == "converged" and not each.due for each in found):
                return True
        return False

    def lost(self, group: str) -> int:
        """Return how many machines the group has lost so far, as the sandbox counts them."""
        return sum(machine.group == group for machine in self.fleet.gone)

    def _show(self, run: Run) -> None:
        self.runs.append(run)
        if not self.verbose:
            return
        self.console.print(
            f"{run.at:%a %H:%M:%S} run {len(self.runs)}", style="dim", highlight=False
        )
        self._print_lines(run.lines)

    def _print_lines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.console.print(f"  {line}", markup=False, highlight=False, soft_wrap=True)


@dataclass(frozen=True)
class Act:
    """An act: its name, what happens in it, and the function that does it."""

    name: str
    summary: str
    play: Callable[[Demo], None]


def _release(demo: Demo) -> None:
    for group, app in ((WEB, "web"), (API, "api")):
        demo.tell(f"{app}/{_NEW}.zip is uploaded")
        demo.deliver(store.upload(demo.fleet.aws, app, Program(_NEW)))
        demo.check(f"the upload costs {group} one canary", holds=demo.lost(group) == 1)
    done = demo.until_converged(*GROUPS)
    for group in GROUPS:
        _check_converged(demo, group, _NEW, done=done)
        lost_all_once = demo.lost(group) == SIZE
        demo.check(f"{group} lost as many instances as it has, no more", holds=lost_all_once)


def _rollback(demo: Demo) -> None:
    before = demo.lost(WEB)
    demo.tell(f"web/{_NEW}.zip is deleted")
    store.delete(demo.fleet.aws, "web", _NEW)
    demo.scheduled()
    demo.check("a deleted zip starts with one canary too", holds=demo.lost(WEB) == before + 1)
    _check_converged(demo, WEB, OLD, done=demo.until_converged(WEB))

    before = demo.lost(WEB)
    demo.tell(f"web/current is set to {OLD}, and web/{_NEW}.zip is uploaded again")
    store.point(demo.fleet.aws, "web", OLD)
    demo.deliver(store.upload(demo.fleet.aws, "web", Program(_NEW)))
    demo.scheduled()
    demo.check("a pointer keeps a newer zip waiting", holds=demo.lost(WEB) == before)
    for version in (_NEW, OLD):
        demo.fleet.wait(PERIOD)
        demo.tell(f"web/current is set to {version}")
        demo.deliver(store.point(demo.fleet.aws, "web", version))
        _check_converged(demo, WEB, version, done=demo.until_converged(WEB))


def _broken(demo: Demo) -> None:
    before = demo.lost(API)
    demo.tell(f"api/{_BROKEN}.zip is uploaded; its program never answers")
    demo.deliver(store.upload(demo.fleet.aws, "api", Program(_BROKEN, "silent")))
    demo.scheduled(4)
    demo.tell("two days pass")
    demo.fleet.wait(timedelta(days=2))
    held = demo.scheduled().about(API)
    demo.check("two days of silence cost one instance", holds=demo.lost(API) == before + 1)
    waits = held is not None and "no other goes until it comes up" in held.reason
    demo.check("the log says what is waited for", holds=waits)
    told = held is not None and held.needs_attention
    demo.check("and that it needs attention", holds=told)

    demo.tell(f"api/{_FIXED}.zip is uploaded: the fix")
    demo.deliver(store.upload(demo.fleet.aws, "api", Program(_FIXED)))
    demo.check("the silent canary is the first to go", holds=demo.lost(API) == before + 2)
    _check_converged(demo, API, _FIXED, done=demo.until_converged(API))


def _taken_back(demo: Demo) -> None:
    fleet, before = demo.fleet, demo.lost(API)
    demo.tell("releases of api are to be taken back where their canary never answers")
    fleet.withdraws["api"] = Withdraw(silent=True)
    demo.tell(f"api/{_SILENT}.zip is uploaded; its program never answers")
    demo.deliver(store.upload(fleet.aws, "api", Program(_SILENT, "silent")))
    demo.check("it costs one canary", holds=demo.lost(API) == before + 1)
    begun, told = fleet.clock.now(), None
    while told is None and fleet.clock.now() - begun < 2 * SETTLED:
        last = demo.scheduled().about(API)
        told = last.withdrawn if last else None
    took = (fleet.clock.now() - begun) / timedelta(minutes=1)
    demo.check(f"after {took:.0f} minutes it is taken back by itself", holds=told == _SILENT)
    demo.check("not before an hour of silence", holds=took >= SETTLED / timedelta(minutes=1))
    _check_converged(demo, API, _FIXED, done=demo.until_converged(API))
    demo.check("of that, only the silent one was lost", holds=demo.lost(API) == before + 2)


def _alone(demo: Demo) -> None:
    fleet = demo.fleet
    store.upload(fleet.aws, "solo", Program(OLD))
    fleet.create_group(SOLO, 1, grace=60, tags=_BY_REFRESH, balanced=True)
    fleet.wait(SETTLED)
    demo.tell(f"solo/{_NEW}.zip is uploaded; {SOLO} is one instance behind a load balancer")
    demo.deliver(store.upload(fleet.aws, "solo", Program(_NEW)))
    done = demo.until_converged(SOLO)
    runs_it = [machine.program.version for machine in fleet.of(SOLO)] == [_NEW]
    demo.check(f"{SOLO} runs {_NEW}: the new one came first", holds=done and runs_it)
    demo.tell(f"solo/{_BROKEN}.zip is uploaded; its program never answers")
    demo.deliver(store.upload(fleet.aws, "solo", Program(_BROKEN, "silent")))
    fleet.wait(2 * SETTLED)
    fleet.sync()
    kept = [machine.program.version for machine in fleet.of(SOLO)] == [_NEW]
    demo.check("the refresh has failed, and the old one is there still", holds=kept)
    demo.check("there was no moment without one that serves", holds=fleet.watches[SOLO].lowest == 1)
    store.delete(fleet.aws, "solo", _BROKEN)


def _bad_upload(demo: Demo) -> None:
    before = len(demo.fleet.gone)
    whole = pack(Program("1.0.280"))
    for key, data in (("api/1.0.280.zip", whole[: len(whole) // 2]), ("api/latest.zip", whole)):
        demo.tell(f"{key} is uploaded, {len(data)} of {len(whole)} bytes")
        verdicts = demo.deliver(store.put(demo.fleet.aws, key, data))
        refused = all("refused" in verdict for verdict in verdicts)
        demo.check(f"{key} is refused", holds=bool(verdicts) and refused)
    demo.scheduled()
    demo.check("nothing was terminated for it", holds=len(demo.fleet.gone) == before)
    store.delete(demo.fleet.aws, "api", "1.0.280")


def _outage(demo: Demo) -> None:
    before = demo.lost(WEB)
    demo.tell(f"{WEB} stops answering, all of it")
    demo.fleet.fail(WEB)
    demo.scheduled()
    demo.tell("an hour passes")
    demo.fleet.wait(timedelta(hours=1))
    held = demo.scheduled().about(WEB)
    kept = demo.lost(WEB) == before
    demo.check("without a fix nothing is gained by terminating, so nothing goes", holds=kept)
    told = held is not None and held.needs_attention and held.hold == "nothing_available"
    demo.check("the log says that nothing is available", holds=told)

    demo.tell(f"web/{_FIXED}.zip is uploaded, and web/current is set to it: the fix")
    begun = demo.fleet.clock.now()
    store.upload(demo.fleet.aws, "web", Program(_FIXED))
    demo.deliver(store.point(demo.fleet.aws, "web", _FIXED))
    demo.check("one is replaced first, to prove the fix", holds=demo.lost(WEB) == before + 1)
    _check_converged(demo, WEB, _FIXED, done=demo.until_converged(WEB))
    took = (demo.fleet.clock.now() - begun) / timedelta(minutes=1)
    demo.check(f"it came back by itself, in {took:.0f} minutes", holds=took <= _BACK_MINUTES)


def _image(demo: Demo) -> None:
    fleet = demo.fleet
    fleet.bake(_TEMPLATE, Program("image 1"))
    fleet.create_group(IMG, SIZE, grace=60, tags=_BY_IMAGE, template=_TEMPLATE)
    fleet.wait(SETTLED)
    demo.tell(f"version 2 of the launch template of {IMG}, which has no /version: a new image")
    fleet.bake(_TEMPLATE, Program("image 2"))
    demo.scheduled()
    demo.check("a new image starts with one canary too", holds=demo.lost(IMG) == 1)
    _check_converged(demo, IMG, "image 2", done=demo.until_converged(IMG))

    fleet.wait(SETTLED)
    before = demo.lost(IMG)
    demo.tell("version 3: its load balancer refuses what this image boots")
    fleet.bake(_TEMPLATE, Program("image 3", "silent"))
    demo.scheduled(4)
    demo.check("a bad image costs one instance", holds=demo.lost(IMG) == before + 1)
    demo.tell("the group is pinned to version 2")
    fleet.pin(IMG, _TEMPLATE, "2")
    _check_converged(demo, IMG, "image 2", done=demo.until_converged(IMG))
    demo.check("of that, only the bad one was lost", holds=demo.lost(IMG) == before + 2)


def _age(demo: Demo) -> None:
    before, begun = demo.lost(IMG), len(demo.runs)
    demo.tell("a day passes, and the group gets the tag terminator:max-age = 12h")
    demo.fleet.wait(timedelta(days=1))
    demo.fleet.tag(IMG, {"terminator:max-age": "12h"})
    _check_converged(demo, IMG, "image 2", done=demo.until_converged(IMG))
    demo.check("each was replaced once", holds=demo.lost(IMG) == before + SIZE)
    records = [run.about(IMG) for run in demo.runs[begun:]]
    went = [len(each.terminated) if each else 0 for each in records]
    apart = all(sum(went[n : n + _BAKED_RUNS]) <= 1 for n in range(len(went)))
    demo.check("one by one, each once the one before had baked", holds=max(went) == 1 and apart)


def _check_converged(demo: Demo, group: str, version: str, *, done: bool) -> None:
    versions = [machine.program.version for machine in demo.fleet.of(group)]
    right = done and versions == [version] * SIZE
    demo.check(f"{group} runs {version} on all of its instances", holds=right)


ACTS: Final = (
    Act("release", "new zips are uploaded for both groups", _release),
    Act("rollback", "the zip is deleted; then the pointer is set to it and back", _rollback),
    Act("broken release", "a zip whose program never answers, and later its fix", _broken),
    Act("taken back", "another such zip, where it is to be taken back by itself", _taken_back),
    Act("outage", "a whole group stops answering; then comes the fix", _outage),
    Act("image", "a group that is deployed by image: a new one, a bad one, and back", _image),
    Act("age", "all of its instances get too old", _age),
    Act("group of one", "released by an instance refresh: a good zip, and a broken one", _alone),
    Act("bad upload", "a truncated zip, and a key without a version", _bad_upload),
)
