"""Running the command line: in this process, as a program, and on a terminal of a given width."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

from click.testing import CliRunner, Result

from sandbox import store
from sandbox.fleet import Fleet
from sandbox.local_aws import loader
from terminator_cli.main import main

TERMINATOR: Final = str(Path(sys.executable).with_name("terminator"))
# Colours, cursor movements and the like.
_ESCAPES: Final = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")
_LONGEST_SECONDS: Final = 120
SERVING: Final = {"groups": {"tagged": True}, "releases": {"bucket": store.BUCKET}}
# What no command gets anywhere with.
NOWHERE: Final = {
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    "AWS_EC2_METADATA_DISABLED": "true",
}


def write(folder: Path, settings: Mapping[str, object] = SERVING) -> Path:
    """Write a configuration, and return its file."""
    path = folder / "cdk.json"
    path.write_text(json.dumps({"context": {"terminator": settings}}))
    return path


@dataclass(frozen=True)
class Caller:
    """Runs commands with one configuration, in one environment."""

    config: Path
    environment: Mapping[str, str | None]

    def run(self, *arguments: str, env: Mapping[str, str | None] | None = None) -> Result:
        """Run a command in this process."""
        asked = [*arguments, "--config", str(self.config)]
        environment = {**NOWHERE, **self.environment, **(env or {})}
        with patch("botocore.session.create_loader", loader):
            return CliRunner().invoke(main, asked, env=environment)

    def json(self, *arguments: str, status: int = 0, env: Mapping[str, str] | None = None) -> Any:
        """Run a command with --json, and return what it prints."""
        done = self.run(*arguments, "--json", env=env)
        assert done.exit_code == status, done.output
        return json.loads(done.stdout)

    def elsewhere(self) -> Caller:
        """Return a caller in a Region of the account that has nothing in it."""
        region = {"AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1"}
        return Caller(self.config, {**self.environment, **region})

    def as_program(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command as a program of its own, in a pipe."""
        asked = [TERMINATOR, *arguments, "--config", str(self.config)]
        return subprocess.run(  # noqa: S603 - our own program
            asked, env=self._environment(), capture_output=True, text=True, check=False
        )

    def _environment(self) -> dict[str, str]:
        own = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        given = {name: text for name, text in self.environment.items() if text is not None}
        return {**own, **NOWHERE, **given}

    def at_width(self, columns: int, *arguments: str) -> tuple[int, str]:
        """Run a command in this process, as on a terminal of that width."""
        done = self.run(
            *arguments, env={"FORCE_COLOR": "1", "TERM": "xterm", "COLUMNS": str(columns)}
        )
        return done.exit_code, _ESCAPES.sub("", done.stdout)

    def on_terminal(
        self,
        *arguments: str,
        columns: int,
        keys: bytes = b"",
        interrupt_at: str = "",
        raw: bool = False,
    ) -> tuple[int, str]:
        """Run a command on a terminal of that width; return its exit status and the screen.

        `keys` are typed at once. Once `interrupt_at` is on the screen, Ctrl-C is pressed. The
        screen is without escape sequences unless `raw`.
        """
        asked = [TERMINATOR, *arguments, "--config", str(self.config)]
        status, screen = _on_terminal(asked, self._environment(), columns, keys, interrupt_at)
        return status, screen if raw else _ESCAPES.sub("", screen)


def _on_terminal(
    command: list[str], environment: Mapping[str, str], columns: int, keys: bytes, stop: str
) -> tuple[int, str]:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    with (
        _interruptible(),
        subprocess.Popen(  # noqa: S603 - our own program
            command,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**environment, "TERM": "xterm-256color"},
            start_new_session=True,
        ) as process,
        _bounded(process),
    ):
        os.close(theirs)
        os.write(ours, keys)
        seen = b""
        while chunk := _read(ours):
            seen += chunk
            if stop and stop.encode() in seen:
                process.send_signal(signal.SIGINT)
                stop = ""
    os.close(ours)
    return process.returncode, seen.decode()


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let what is started be interrupted: who runs in the background ignores Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _bounded(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """End a program that does not end."""
    timer = threading.Timer(_LONGEST_SECONDS, process.kill)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # that is how a terminal ends
        return b""


def caller(fleet: Fleet, folder: Path, settings: Mapping[str, object] = SERVING) -> Caller:
    """Return a caller with the credentials of a fleet's account."""
    return Caller(write(folder, settings), fleet.local.environment)


def words(screen: str) -> str:
    """Return what is on a screen with its white space collapsed: where lines fold is no matter."""
    return " ".join(screen.split())


def releases(on: Caller) -> dict[str, Any]:
    """Return what is shown of the releases of the app web."""
    [web] = on.json("releases", "--app", "web", "--local")
    seen: dict[str, Any] = web
    return seen
