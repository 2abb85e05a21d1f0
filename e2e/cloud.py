"""A local AWS to deploy to: MiniStack, with moto's Auto Scaling and EC2 beside it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sandbox.local_aws import CREDENTIALS, LocalAws

# What MiniStack has no more than stubs of.
BESIDE: Final = {
    "autoscaling": "AUTO_SCALING",
    "ec2": "EC2",
    "elb": "ELASTIC_LOAD_BALANCING",
    "elbv2": "ELASTIC_LOAD_BALANCING_V2",
    "cloudwatch": "CLOUDWATCH",
}
_START_SECONDS: Final = 60
_ROOT: Final = Path(__file__).resolve().parent.parent


@contextmanager
def deployable(beside: LocalAws, folder: Path) -> Iterator[LocalAws]:
    """Run MiniStack, whose functions find the groups and instances of the other."""
    port = _free_port()
    gateway = f"http://127.0.0.1:{port}"
    with (
        (folder / "ministack.log").open("w") as log,
        subprocess.Popen(
            [sys.executable, "-m", "e2e.ministack_server"],
            cwd=_ROOT,
            env={**os.environ, **_environment(beside, port, folder)},
            stdout=log,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        try:
            _wait(gateway)
            elsewhere = dict.fromkeys(BESIDE, beside.endpoint)
            yield LocalAws(gateway, beside.clock, elsewhere)
        finally:
            process.terminate()


def _environment(beside: LocalAws, port: int, folder: Path) -> dict[str, str]:
    others = {f"AWS_ENDPOINT_URL_{name}": beside.endpoint for name in BESIDE.values()}
    quiet = {"IOT_MTLS_ENABLED": "0", "SFTP_ENABLED": "0", "PERSIST_STATE": "0"}
    place = {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "TMPDIR": str(folder)}
    return {**CREDENTIALS, **others, **quiet, **place}


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def _wait(gateway: str) -> None:
    for _ in range(_START_SECONDS * 10):
        try:
            urllib.request.urlopen(f"{gateway}/_ministack/health", timeout=1).close()  # noqa: S310
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError(f"MiniStack did not start in {_START_SECONDS} seconds")
