"""The end-to-end test: deploy, release, converge, read the log, deploy again, destroy."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from e2e import watching
from e2e.cdk import Deployment
from sandbox import store
from sandbox.fleet import Fleet
from sandbox.store import Program

GROUP: Final = "live_asg_web"
RECONCILE: Final = "/aws/lambda/terminator-reconcile"
_TAGS: Final = {
    "terminator:app": "web",
    "terminator:minimum": "1",
    "terminator:max-unavailable": "100%",
}
# An hour of fleet, so that its instances are old when the release comes.
SETTLED: Final = timedelta(hours=1)
_LOOK_SECONDS: Final = 0.5


class BrokenError(Exception):
    """Something that the deployment promises did not come about; the message says what."""


@dataclass
class Drive:
    """A deployment and the fleet that it keeps up to date."""

    fleet: Fleet
    deployment: Deployment
    begun: float = field(default_factory=time.monotonic)

    def say(self, text: str) -> None:
        """Print a step with the seconds since the beginning."""
        print(f"{time.monotonic() - self.begun:6.1f} s  {text}", flush=True)  # noqa: T201

    def until(self, what: str, holds: Callable[[], bool], seconds: float) -> None:
        """Wait until something holds, letting machines boot meanwhile."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.fleet.sync()
            if holds():
                return self.say(what)
            time.sleep(_LOOK_SECONDS)
        raise BrokenError(f"in {seconds:.0f} seconds it did not come about that {what}")

    def check(self, what: str, *, holds: bool, shown: object = "") -> None:
        """Say what holds; raise BrokenError where it does not."""
        if not holds:
            raise BrokenError(f"it does not hold that {what}: {shown}")
        self.say(what)


def play(drive: Drive) -> None:
    """Play the whole life of a deployment; raise BrokenError at the first broken promise."""
    deploy(drive)
    watching.see(drive, RECONCILE)
    grow(drive)
    watching.listen(drive)
    release(drive)
    converge(drive)
    watching.hear(drive)
    ask_from_the_command_line(drive)
    read_back(drive)
    deploy_again(drive)
    destroy(drive)


def deploy(drive: Drive) -> None:
    """Bootstrap and deploy the real stacks."""
    drive.deployment.bootstrap()
    drive.say("bootstrapped")
    drive.deployment.deploy()
    drive.say("deployed")


def grow(drive: Drive) -> None:
    """Make a group of three on the old release, an hour old."""
    store.upload(drive.fleet.aws, "web", Program("1.0.266"))
    drive.fleet.create_group(GROUP, 3, tags=_TAGS)
    drive.fleet.wait(SETTLED)
    drive.until("the fleet runs 1.0.266", lambda: versions(drive) == ["1.0.266"] * 3, 30)


def release(drive: Drive) -> None:
    """Upload a zip, and see release, reconcile and probe run as functions from their bundles."""
    before = len(drive.fleet.gone)
    store.upload(drive.fleet.aws, "web", Program("1.0.274"))
    drive.until("the upload cost one canary", lambda: len(drive.fleet.gone) > before, 60)
    drive.check("it was one", holds=len(drive.fleet.gone) == before + 1)
    said = messages(drive, "/aws/lambda/terminator-release")
    verdict = "s3://releases/web/1.0.274.zip => reconciling the groups of web"
    drive.check("release said so", holds=verdict in said, shown=said)


def converge(drive: Drive) -> None:
    """Let the one-minute rule fire by itself until all run the release."""
    drive.until("the schedule did the rest", lambda: versions(drive) == ["1.0.274"] * 3, 240)
    lowest = drive.fleet.watches[GROUP].lowest or 0
    drive.check("the minimum stayed available", holds=lowest >= 1, shown=lowest)
    line = f"{GROUP} => lowest version 1.0.266, highest version 1.0.274, 2 instances to terminate"
    said = messages(drive, RECONCILE)
    drive.check(f"CloudWatch Logs holds: {line}", holds=line in said, shown=said)


def ask_from_the_command_line(drive: Drive) -> None:
    """Plan and apply through the deployed function."""
    for command, dry_run in (("plan", True), ("apply", False)):
        drive.until("the fleet has settled", lambda: len(versions(drive)) == 3, 30)  # noqa: PLR2004
        [record] = terminator(drive, command)
        as_asked = (record["decision"], record["dry_run"]) == ("converged", dry_run)
        drive.check(f"terminator {command} asks the function", holds=as_asked, shown=record)


def read_back(drive: Drive) -> None:
    """Read from the functions' own log what was decided."""
    told = sorted(id_ for record in terminator(drive, "history") for id_ in record["terminated"])
    gone = sorted(machine.id for machine in drive.fleet.gone)
    drive.check("terminator history tells what was terminated", holds=told == gone, shown=told)


def deploy_again(drive: Drive) -> None:
    """Deploy what is deployed already."""
    said = drive.deployment.deploy()
    drive.check("deploying again changes nothing", holds="no changes" in said, shown=said)


def destroy(drive: Drive) -> None:
    """Remove the stacks; the bucket with its releases stays."""
    drive.deployment.destroy()
    functions = drive.fleet.local.session().client("lambda").list_functions()["Functions"]
    names = [each["FunctionName"] for each in functions]
    ours = [name for name in names if name.startswith("terminator")]
    drive.check("nothing of it is left running", holds=not ours, shown=ours)
    kept = drive.fleet.aws.s3.list_objects_v2(Bucket=store.BUCKET)["KeyCount"]
    drive.check("the releases are kept", holds=kept > 0)


def versions(drive: Drive) -> list[str]:
    """Return what the machines that are up answer."""
    now = drive.fleet.clock.now()
    machines = drive.fleet.of(GROUP)
    return [machine.program.version for machine in machines if machine.answers(now)]


def messages(drive: Drive, log_group: str) -> list[str]:
    """Return the messages in a log group of CloudWatch Logs."""
    logs = drive.fleet.local.session().client("logs")
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName=log_group)
    texts = [event["message"] for page in pages for event in page["events"]]
    return [_message(text) for text in texts if text.startswith("{")]


def _message(text: str) -> str:
    return str(json.loads(text).get("message"))


def terminator(drive: Drive, command: str) -> list[dict[str, Any]]:
    """Run the command line on the deployment; return the records it prints."""
    config = drive.deployment.folder / "cdk.json"
    config.write_text(json.dumps({"context": {"terminator": drive.deployment.settings}}))
    done = subprocess.run(  # noqa: S603 - our own program
        [Path(sys.executable).with_name("terminator"), command, "--json", "--config", config],
        env=drive.deployment.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BrokenError(f"terminator {command} ended with {done.returncode}: {done.stderr}")
    records: list[dict[str, Any]] = json.loads(done.stdout)
    return records
