"""`make sandbox`: a local fleet with Terminator deployed, to try the command line on."""

from __future__ import annotations

import argparse
import json
import shlex
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from sandbox import fleet
from sandbox.deployment import deployed, settings_of
from sandbox.fleet import OLD, SETTLED, Fleet
from sandbox.store import Program, pack

_SYNC_SECONDS: Final = 0.2
_FOLDER: Final = Path(".sandbox").resolve()
_NEW, _BROKEN = "1.0.274", "1.0.275"
# The app whose releases are taken back by themselves; those of the other wait for a person.
_TAKES_BACK: Final = "api"


@dataclass(frozen=True)
class _Pace:
    """How long things take, in seconds, where all is `times` as fast as usual.

    In real time here: nobody wants to wait for minutes.
    """

    times: int

    @property
    def boot(self) -> int:
        return 10 // self.times

    @property
    def grace(self) -> int:
        return 5 // self.times

    @property
    def schedule(self) -> int:
        return 10 // self.times

    @property
    def policy(self) -> dict[str, str]:
        return {"bake-time": f"{20 // self.times}s", "canary-retry": "1m"}

    @property
    def rollout(self) -> str:
        return "a minute" if self.times == 1 else f"{60 // self.times} seconds"


def main(arguments: Sequence[str]) -> None:
    """Run two groups on an old release, and say how to reach them, until interrupted."""
    parser = argparse.ArgumentParser(prog="sandbox", description=__doc__)
    parser.add_argument("--pace", type=int, choices=(1, 2), default=1, help="times as fast")
    pace = _Pace(parser.parse_args(arguments).pace)
    # SIGINT too: it is ignored in what a script has put in the background.
    for ends in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ends, signal.default_int_handler)
    environment = _FOLDER / "env"
    try:
        _say("starting a local AWS, a fleet, and Terminator on it (some seconds)")
        with fleet.running(timedelta(seconds=pace.boot), ahead=SETTLED) as local:
            fleet.prepare(local, grace=pace.grace)
            settings = _prepare(local, environment, pace)
            with deployed(local, settings, _FOLDER / "log.jsonl", pace.schedule):
                _say(_instructions(environment, pace))
                while True:
                    local.sync()
                    time.sleep(_SYNC_SECONDS)
    except KeyboardInterrupt:
        _say("\nended: the fleet is gone")
    finally:
        environment.unlink(missing_ok=True)


def _prepare(local: Fleet, environment: Path, pace: _Pace) -> dict[str, Any]:
    """Write what the command line needs to reach the fleet; return the settings."""
    _FOLDER.mkdir(exist_ok=True)
    settings = settings_of(local, _TAKES_BACK, pace.policy)
    config = _FOLDER / "cdk.json"
    document = {"context": {"terminator": settings, "sandbox": {"schedule_seconds": pace.schedule}}}
    config.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    broken = Program(_BROKEN, "silent")
    for app, program in (("web", Program(_NEW)), ("web", broken), (_TAKES_BACK, broken)):
        (_FOLDER / f"{app}-{program.version}.zip").write_bytes(pack(program))
    variables = {
        **local.local.environment,
        "TERMINATOR_CONFIG_FILE": str(config),
        "TERMINATOR_FILE": str(_FOLDER / "log.jsonl"),
    }
    lines = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    lines.append(f'export PATH={shlex.quote(str(Path(sys.executable).parent))}:"$PATH"')
    environment.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return settings


def _instructions(environment: Path, pace: _Pace) -> str:
    """Return how to use it."""
    folder = _shown(_FOLDER)
    return f"""\

Two groups of three instances run {OLD}, and Terminator looks at them every {pace.schedule} \
seconds.
In another terminal:

    . {_shown(environment)}
    terminator status
    terminator release {folder}/web-{_NEW}.zip --app web --version {_NEW}
    terminator status --watch
    terminator history --since 10m
    terminator rollback --app web      # and back: terminator use --app web newest

An instance boots in {pace.boot} seconds and a release bakes for {pace.policy["bake-time"]}, so \
a rollout takes about {pace.rollout}.
One that never answers costs one instance:

    terminator use --app web newest
    terminator release {folder}/web-{_BROKEN}.zip --app web --version {_BROKEN}

One of {_TAKES_BACK} is taken back by itself, after about three minutes of silence:

    terminator release {folder}/{_TAKES_BACK}-{_BROKEN}.zip --app {_TAKES_BACK} --version {_BROKEN}
    terminator releases --app {_TAKES_BACK}
    terminator restore --app {_TAKES_BACK} {_BROKEN}      # it is never taken back again

That terminal speaks to this fleet only, not to an account of yours; its instances run
such zips alone. The next sandbox listens elsewhere, so read its env again.
Ctrl-C ends it."""


def _shown(path: Path) -> str:
    """Return a path as one types it here."""
    return str(path.relative_to(Path.cwd()))


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - it is a program for people


if __name__ == "__main__":
    main(sys.argv[1:])
