"""Starting the local AWS as a child process, and sessions that speak to it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import boto3
from botocore.config import Config

REGION: Final = "eu-west-1"
ACCOUNT: Final = "000000000000"
CREDENTIALS: Final = {
    "AWS_ACCESS_KEY_ID": ACCOUNT,
    "AWS_SECRET_ACCESS_KEY": "local",
    "AWS_REGION": REGION,
    "AWS_DEFAULT_REGION": REGION,
    "AWS_EC2_METADATA_DISABLED": "true",
}
# A busy machine answers for a thousand instances more slowly than AWS does.
_PATIENT: Final = Config(read_timeout=60)
_ROOT: Final = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class LocalAws:
    """A local AWS that is running; `endpoint` is its URL on loopback.

    `elsewhere` maps services (`s3`) that another local AWS serves to its URL.
    """

    endpoint: str
    elsewhere: Mapping[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> Mapping[str, str]:
        """What boto3 needs in its environment to speak to it, and to nothing else."""
        return {"AWS_ENDPOINT_URL": self.endpoint, **CREDENTIALS}

    def session(self) -> boto3.Session:
        """Return a session that speaks to it whatever the environment says."""
        return _LocalSession(self)


class _LocalSession(boto3.Session):
    def __init__(self, local: LocalAws) -> None:
        key, secret = CREDENTIALS["AWS_ACCESS_KEY_ID"], CREDENTIALS["AWS_SECRET_ACCESS_KEY"]
        super().__init__(key, secret, region_name=REGION)
        self._local = local

    def client(  # type: ignore[override]
        self, service_name: str, config: Config | None = None, **options: object
    ) -> object:
        endpoint = self._local.elsewhere.get(service_name, self._local.endpoint)
        if service_name != "lambda":  # how long a function may take is the caller's to say
            config = (config or Config()).merge(_PATIENT)
        return super().client(service_name, endpoint_url=endpoint, config=config, **options)  # type: ignore[call-overload]


@contextmanager
def started(clock_file: Path) -> Iterator[LocalAws]:
    """Start a local AWS on the clock in that file; it ends with the block."""
    command = [sys.executable, "-m", "sandbox.aws_server", str(clock_file)]
    environment = {**os.environ, "PYTHONPATH": str(_ROOT), "MOTO_ACCOUNT_ID": ACCOUNT}
    with subprocess.Popen(  # noqa: S603 - our own module under our own interpreter
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=_ROOT,
        env=environment,
    ) as process:
        try:
            port = process.stdout.readline().strip() if process.stdout else ""
            if not port.isdecimal():
                raise RuntimeError(f"the local AWS did not start: it said {port!r}")
            yield LocalAws(f"http://127.0.0.1:{port}")
        finally:
            process.terminate()
