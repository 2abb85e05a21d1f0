"""The acts of the demo; each says what it promises and has the sandbox check it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sandbox import store
from sandbox.fleet import Fleet
from sandbox.program import Program, pack
from sandbox.stage import PERIOD, Stage

WEB: Final = "live_asg_web"
API: Final = "live_asg_api"
GROUPS: Final = (WEB, API)
MINIMUM: Final = 1
SIZE: Final = 3
# How long the fleet has run the old release when the first act begins.
SETTLED: Final = timedelta(hours=1)
_OLD, _NEW, _BROKEN, _FIXED = "1.0.266", "1.0.274", "1.0.275", "1.0.276"


@dataclass(frozen=True)
class Act:
    """An act: its name, what happens in it, and how it is played."""

    name: str
    story: str
    play: Callable[[Stage], None]


def prepare(fleet: Fleet, grace: int = 60) -> None:
    """Make two groups of three instances, all on the old release for a while.

    `grace` is their HealthCheckGracePeriod in seconds.
    """
    for group, app, at_once in ((WEB, "web", "100%"), (API, "api", "25%")):
        store.upload(fleet.aws, app, Program(_OLD))
        tags = {
            "terminator:app": app,
            "terminator:minimum": str(MINIMUM),
            "terminator:max-unavailable": at_once,
        }
        fleet.create_group(group, SIZE, grace=grace, tags=tags)
    fleet.wait(SETTLED)


def _release(stage: Stage) -> None:
    for group, app in ((WEB, "web"), (API, "api")):
        stage.tell(f"{app}/{_NEW}.zip is uploaded")
        stage.deliver(store.upload(stage.fleet.aws, app, Program(_NEW)))
        stage.check(f"the upload costs {group} one canary", holds=stage.lost(group) == 1)
    done = stage.until_converged(*GROUPS)
    for group in GROUPS:
        _check_converged(stage, group, _NEW, done=done)
        stage.check(
            f"{group} lost as many instances as it has, no more", holds=stage.lost(group) == SIZE
        )


def _rollback(stage: Stage) -> None:
    before = stage.lost(WEB)
    stage.tell(f"web/{_NEW}.zip is deleted")
    store.delete(stage.fleet.aws, "web", _NEW)
    stage.scheduled()
    stage.check("a deleted zip starts with one canary too", holds=stage.lost(WEB) == before + 1)
    _check_converged(stage, WEB, _OLD, done=stage.until_converged(WEB))

    before = stage.lost(WEB)
    stage.tell(f"web/current is set to {_OLD}, and web/{_NEW}.zip is uploaded again")
    store.point(stage.fleet.aws, "web", _OLD)
    stage.deliver(store.upload(stage.fleet.aws, "web", Program(_NEW)))
    stage.scheduled()
    stage.check("a pointer keeps a newer zip waiting", holds=stage.lost(WEB) == before)
    for version in (_NEW, _OLD):
        stage.fleet.wait(PERIOD)
        stage.tell(f"web/current is set to {version}")
        stage.deliver(store.point(stage.fleet.aws, "web", version))
        _check_converged(stage, WEB, version, done=stage.until_converged(WEB))


def _broken(stage: Stage) -> None:
    before = stage.lost(API)
    stage.tell(f"api/{_BROKEN}.zip is uploaded; its program never answers")
    stage.deliver(store.upload(stage.fleet.aws, "api", Program(_BROKEN, "silent")))
    stage.scheduled(4)
    stage.tell("two days pass")
    stage.fleet.wait(timedelta(days=2))
    held = stage.scheduled().about(API)
    stage.check("two days of silence cost one instance", holds=stage.lost(API) == before + 1)
    waits = held is not None and "no other goes until it answers" in held.reason
    stage.check("the log says what is waited for", holds=waits)

    stage.tell(f"api/{_FIXED}.zip is uploaded: the fix")
    stage.deliver(store.upload(stage.fleet.aws, "api", Program(_FIXED)))
    stage.check("the silent canary is the first to go", holds=stage.lost(API) == before + 2)
    _check_converged(stage, API, _FIXED, done=stage.until_converged(API))


def _bad_upload(stage: Stage) -> None:
    before = len(stage.fleet.gone)
    whole = pack(Program("1.0.280"))
    for key, data in (("api/1.0.280.zip", whole[: len(whole) // 2]), ("api/latest.zip", whole)):
        stage.tell(f"{key} is uploaded, {len(data)} of {len(whole)} bytes")
        verdicts = stage.deliver(store.put(stage.fleet.aws, key, data))
        refused = all("refused" in verdict for verdict in verdicts)
        stage.check(f"{key} is refused", holds=bool(verdicts) and refused)
    stage.scheduled()
    stage.check("nothing was terminated for it", holds=len(stage.fleet.gone) == before)
    store.delete(stage.fleet.aws, "api", "1.0.280")


def _check_converged(stage: Stage, group: str, version: str, *, done: bool) -> None:
    right = stage.versions(group) == [version] * SIZE
    stage.check(f"{group} runs {version} on all of its instances", holds=done and right)


ACTS: Final = (
    Act("release", "new zips are uploaded for both groups", _release),
    Act("rollback", "the zip is deleted; then the pointer is set to it and back", _rollback),
    Act("broken release", "a zip whose program never answers, and later its fix", _broken),
    Act("bad upload", "a truncated zip, and a key without a version", _bad_upload),
)
