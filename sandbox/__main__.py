"""`make sandbox`: a local fleet to try the command line on, until interrupted."""

from __future__ import annotations

import json
import signal
import time
from datetime import timedelta
from pathlib import Path
from typing import Final

from sandbox import fleet
from sandbox.fleet import OLD, SETTLED, Fleet
from sandbox.store import BUCKET, TEMPLATE, Program, pack, upload

# In real time here: nobody wants to wait for minutes.
_BOOT: Final = timedelta(seconds=10)
_POLICY: Final = {"bake-time": "20s", "canary-retry": "1m"}
_SYNC_SECONDS: Final = 0.2
_FOLDER: Final = Path(".sandbox")
_NEW, _NEXT = "1.0.274", "1.0.275"


def main() -> None:
    """Run two groups on an old release with a new one uploaded, and say how to reach them."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    print("starting a local AWS and a fleet", flush=True)  # noqa: T201 - it is a program for people
    with fleet.running(_BOOT, ahead=SETTLED) as local:
        fleet.prepare(local, grace=1)
        for app in ("web", "api"):
            upload(local.aws, app, Program(_NEW))
        print(_instructions(local), flush=True)  # noqa: T201 - as above
        try:
            while True:
                local.sync()
                time.sleep(_SYNC_SECONDS)
        except KeyboardInterrupt:
            (_FOLDER / "env").unlink()


def _instructions(local: Fleet) -> str:
    """Write what the command line needs to reach the fleet, and return how to use it."""
    _FOLDER.mkdir(exist_ok=True)
    releases = {"bucket": BUCKET, "key": TEMPLATE.text}
    settings = {"groups": {"tagged": True}, "releases": releases, "policy": _POLICY}
    config = _FOLDER / "cdk.json"
    config.write_text(json.dumps({"context": {"terminator": settings}}, indent=2) + "\n")
    archive = _FOLDER / f"web-{_NEXT}.zip"
    archive.write_bytes(pack(Program(_NEXT)))
    environment = _FOLDER / "env"
    exports = (f"export {name}={value}" for name, value in local.local.environment.items())
    environment.write_text("\n".join(exports) + "\n")
    return (
        f"A fleet of two groups runs {OLD}, and {_NEW} has been uploaded. In another "
        f"terminal:\n\n    . {environment}\n"
        f"    .venv/bin/terminator plan --local --config {config}\n"
        f"    .venv/bin/terminator apply --local --config {config}\n"
        f"    .venv/bin/terminator status --local --config {config}\n\n"
        f"A machine boots in {_BOOT.seconds} seconds, and a release bakes for "
        f"{_POLICY['bake-time']}; apply again until all has converged. Then there is one more "
        "release to upload:\n\n"
        f"    .venv/bin/terminator release {archive} --app web --version {_NEXT} "
        f"--config {config}\n\n"
        "These machines run such zips alone: what else a zip holds boots nothing that answers. "
        "That terminal speaks to this fleet only, not to an account of yours. Interrupt "
        "(Ctrl-C) to end it; the next fleet listens elsewhere, so read its env again."
    )


if __name__ == "__main__":
    main()
