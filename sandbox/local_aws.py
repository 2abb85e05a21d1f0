"""The local AWS: starting it as a child process, its clock, and sessions that speak to it."""

from __future__ import annotations

import mmap
import os
import struct
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import boto3
import botocore.session
from botocore import loaders
from botocore.config import Config

from terminator.clients import Aws
from terminator.probe.addresses import SANDBOX_NETWORKS

REGION: Final = "eu-west-1"
ACCOUNT: Final = "000000000000"
CREDENTIALS: Final = {
    "AWS_ACCESS_KEY_ID": ACCOUNT,
    "AWS_SECRET_ACCESS_KEY": "local",
    "AWS_REGION": REGION,
    "AWS_DEFAULT_REGION": REGION,
    "AWS_EC2_METADATA_DISABLED": "true",
}
# It would look through all of its images for that of each instance; none here has one of them.
_MOTO: Final = {"MOTO_ACCOUNT_ID": ACCOUNT, "MOTO_EC2_LOAD_DEFAULT_AMIS": "false"}
# The variable of a function that says where it is run: at this URL, followed by its name.
FUNCTIONS_URL: Final = "SANDBOX_FUNCTIONS"
# A busy machine answers for a thousand instances more slowly than AWS does.
_CLIENT_CONFIG: Final = Config(read_timeout=60)
_ROOT: Final = Path(__file__).resolve().parent.parent
_OFFSET: Final = struct.Struct("=d")
# Reading the models of AWS's services takes longer than most of what a session is for.
loader: Final = cache(loaders.create_loader)


class Clock:
    """The real time plus an offset in seconds, which is kept in a file.

    The sandbox and the local AWS, two processes, share one clock. Waiting adds to the offset,
    so that minutes pass in milliseconds.
    """

    def __init__(self, path: Path) -> None:
        """Share the clock of the file; make one without an offset if there is no file."""
        if not path.exists():
            path.write_bytes(_OFFSET.pack(0.0))
        with path.open("r+b") as file:
            self._shared = mmap.mmap(file.fileno(), _OFFSET.size)

    @property
    def offset(self) -> float:
        """How many seconds the clock is ahead of the real time; negative if it is behind."""
        (seconds,) = _OFFSET.unpack(self._shared[:])
        return float(seconds)

    @offset.setter
    def offset(self, seconds: float) -> None:
        self._shared[:] = _OFFSET.pack(seconds)

    def now(self) -> datetime:
        """Return the time, with UTC as its zone."""
        return datetime.now(UTC) + timedelta(seconds=self.offset)

    def sleep(self, seconds: float) -> None:
        """Put the clock forward."""
        self.offset += seconds


@dataclass(frozen=True)
class LocalAws:
    """A local AWS that is running; `endpoint` is its URL on loopback.

    `elsewhere` maps the names of services (`s3`) to the URL of another local AWS that serves
    them.
    """

    endpoint: str
    clock: Clock
    elsewhere: Mapping[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> Mapping[str, str]:
        """The environment variables that make boto3 speak to it, and the probe to its instances."""
        return {"AWS_ENDPOINT_URL": self.endpoint, SANDBOX_NETWORKS: "127.0.0.0/8", **CREDENTIALS}

    @cached_property
    def aws(self) -> Aws:
        """The clients of one session, which all fleets on it share: making them takes a second."""
        return Aws(self.session())

    def session(self) -> boto3.Session:
        """Return a new session that speaks to it whatever the environment says."""
        return _LocalSession(self)

    def reset(self) -> None:
        """Delete everything in it, and set its clock to the real time."""
        reset = urllib.request.Request(f"{self.endpoint}/moto-api/reset", method="POST")  # noqa: S310 - our own server
        urllib.request.urlopen(reset, timeout=10).close()  # noqa: S310 - as above
        self.clock.offset = 0.0


class _LocalSession(boto3.Session):
    def __init__(self, local: LocalAws) -> None:
        key, secret = CREDENTIALS["AWS_ACCESS_KEY_ID"], CREDENTIALS["AWS_SECRET_ACCESS_KEY"]
        below = botocore.session.Session()
        below.register_component("data_loader", loader())
        super().__init__(key, secret, region_name=REGION, botocore_session=below)
        self._local = local

    def client(  # type: ignore[override]
        self, service_name: str, config: Config | None = None, **options: object
    ) -> object:
        endpoint = self._local.elsewhere.get(service_name, self._local.endpoint)
        if service_name != "lambda":  # the caller says how long a function may take
            config = (config or Config()).merge(_CLIENT_CONFIG)
        return super().client(service_name, endpoint_url=endpoint, config=config, **options)  # type: ignore[call-overload]


@contextmanager
def started() -> Iterator[LocalAws]:
    """Start a local AWS, which ends with the block; its clock begins at the real time."""
    with TemporaryDirectory() as folder:
        clock_file = Path(folder) / "clock"
        clock = Clock(clock_file)
        with subprocess.Popen(  # noqa: S603 - our own module under our own interpreter
            [sys.executable, "-m", "sandbox.aws_server", str(clock_file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=_ROOT,
            env={**os.environ, **_MOTO, "PYTHONPATH": str(_ROOT)},
        ) as process:
            try:
                port = process.stdout.readline().strip() if process.stdout else ""
                if not port.isdecimal():
                    raise RuntimeError(f"the local AWS said {port!r}; expected its port")
                yield LocalAws(f"http://127.0.0.1:{port}", clock)
            finally:
                process.terminate()
