"""Servers as processes of their own: what they spend is not the measured process's."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def serving(module: str, *arguments: object) -> Iterator[list[int]]:
    """Run a module of ours as a server for as long as the block; yield the ports it says."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    with subprocess.Popen(  # noqa: S603 - our own module under our own interpreter
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            said = process.stdout.readline() if process.stdout else ""
            if not said.strip():
                raise RuntimeError(f"{module} did not start")
            yield [int(port) for port in said.split()]
        finally:
            process.terminate()


def end_with_parent() -> None:
    """End this process once the parent has ended, however that came."""

    def wait() -> None:
        sys.stdin.read()
        os._exit(0)

    threading.Thread(target=wait, daemon=True).start()
