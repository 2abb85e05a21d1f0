"""A local AWS to deploy to, and the CDK command line that deploys to it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sandbox.local_aws import ACCOUNT, CREDENTIALS, REGION, LocalAws
from terminator.probe.addresses import SANDBOX_NETWORKS

ROOT: Final = Path(__file__).resolve().parent.parent
# What MiniStack has no more than stubs of.
_BESIDE: Final = {
    "autoscaling": "AUTO_SCALING",
    "ec2": "EC2",
    "elb": "ELASTIC_LOAD_BALANCING",
    "elbv2": "ELASTIC_LOAD_BALANCING_V2",
    "cloudwatch": "CLOUDWATCH",
}
_START_SECONDS: Final = 60
_CDK_SECONDS: Final = 300


@contextmanager
def deployable(beside: LocalAws, folder: Path) -> Iterator[LocalAws]:
    """Run MiniStack, whose functions find the groups and instances of `beside`, which is moto.

    It enforces IAM: a function may do what its role's policies allow, and buckets and queues
    refuse what their own policies deny. What goes to moto no policy is asked about.
    """
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
    gateway = f"http://127.0.0.1:{port}"
    others = {f"AWS_ENDPOINT_URL_{name}": beside.endpoint for name in _BESIDE.values()}
    quiet = {"IOT_MTLS_ENABLED": "0", "SFTP_ENABLED": "0", "PERSIST_STATE": "0"}
    enforced = {"AUTH": "true"}
    # The functions inherit it: the instances have addresses on loopback.
    quiet[SANDBOX_NETWORKS] = "127.0.0.0/8"
    place = {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "TMPDIR": str(folder)}
    with (
        (folder / "ministack.log").open("w") as log,
        subprocess.Popen(
            [sys.executable, "-m", "e2e.ministack_server"],
            cwd=ROOT,
            env={**os.environ, **CREDENTIALS, **others, **quiet, **enforced, **place},
            stdout=log,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        try:
            _wait(gateway)
            yield LocalAws(gateway, beside.clock, dict.fromkeys(_BESIDE, beside.endpoint))
        finally:
            process.terminate()


def _wait(gateway: str) -> None:
    for _ in range(_START_SECONDS * 10):
        try:
            with urllib.request.urlopen(f"{gateway}/_ministack/health", timeout=1) as answer:  # noqa: S310
                health = json.load(answer)
        except OSError:
            time.sleep(0.1)
        else:
            if health["auth"] != "enabled":
                raise RuntimeError(f"MiniStack does not enforce IAM: auth is {health['auth']}")
            return
    raise TimeoutError(f"MiniStack did not start in {_START_SECONDS} seconds")


@dataclass(frozen=True)
class Deployment:
    """A deployment of the app in this repository, with settings of its own."""

    local: LocalAws
    settings: Mapping[str, object]
    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which a program speaks to the local AWS only."""
        nowhere = {"AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null"}
        quiet = {"JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "20", "CI": "1"}
        own = {**os.environ, **nowhere, **quiet, **CREDENTIALS}
        return {**own, "AWS_ENDPOINT_URL": self.local.endpoint}

    def bootstrap(self) -> None:
        """Make what CDK deploys through."""
        self._cdk("bootstrap", f"aws://{ACCOUNT}/{REGION}")

    def deploy(self) -> str:
        """Deploy all stacks; return what CDK said."""
        return self._cdk("deploy", "--all", "--require-approval", "never")

    def destroy(self) -> None:
        """Delete all stacks."""
        self._cdk("destroy", "--all", "--force")

    def _cdk(self, *command: str) -> str:
        context = f"terminator={json.dumps(self.settings)}"
        output = str(self.folder / "cdk.out")
        cdk = str(ROOT / "node_modules" / ".bin" / "cdk")
        done = subprocess.run(  # noqa: S603 - the pinned CDK
            [cdk, *command, "--context", context, "--output", output],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_CDK_SECONDS,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"cdk {command[0]} failed:\n{done.stdout}")
        return done.stdout
