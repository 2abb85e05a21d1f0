"""`make e2e`: a real deployment to a local AWS, from upload to convergence."""

from __future__ import annotations

import shutil
import sys
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from e2e import drive
from e2e.cdk import Deployment
from e2e.cloud import deployable
from e2e.drive import BrokenError, Drive
from sandbox import local_aws, store
from sandbox.endpoints import Endpoints
from sandbox.fleet import Fleet

_BOOT: Final = timedelta(seconds=3)


def main() -> int:
    """Return 0 where everything holds, 1 otherwise, with what the local AWS said last."""
    with TemporaryDirectory() as name:
        folder, endpoints = Path(name), Endpoints()
        try:
            with local_aws.started() as beside, deployable(beside, folder) as local:
                local.clock.sleep(-drive.SETTLED.total_seconds())
                fleet = Fleet(local, endpoints, _BOOT)
                drive.play(Drive(fleet, Deployment(local, settings(fleet), folder)))
        except (BrokenError, RuntimeError, TimeoutError) as error:
            print(f"BROKEN: {error}", file=sys.stderr)  # noqa: T201
            _show_log(folder / "ministack.log")
            return 1
        finally:
            endpoints.stop()
    print("all of it holds")  # noqa: T201
    return 0


def settings(fleet: Fleet) -> dict[str, object]:
    """Return the settings of the deployment: a run a minute, and a bucket of its own."""
    vpc = {"subnets": [fleet.subnet], "ports": [fleet.endpoints.port], "cidrs": ["127.0.0.0/8"]}
    return {
        "dry_run": False,
        "schedule": "rate(1 minute)",
        "groups": {"tagged": True},
        "releases": {"bucket": store.BUCKET, "create": True},
        "vpcs": {fleet.vpc: vpc},
    }


def _show_log(log: Path) -> None:
    with log.open() as lines:
        shutil.copyfileobj(lines, sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
