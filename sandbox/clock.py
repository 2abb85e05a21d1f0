"""A clock that runs with the real one and can be put forward, shared with the local AWS."""

from __future__ import annotations

import mmap
import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

_OFFSET: Final = struct.Struct("=d")


class Clock:
    """Time for a sandbox and its child process: real time plus an offset kept in a file.

    Waiting puts the offset forward instead of taking time, so that minutes pass in
    milliseconds.
    """

    def __init__(self, path: Path) -> None:
        """Share the clock through the file; make it where it is not there."""
        if not path.exists():
            path.write_bytes(_OFFSET.pack(0.0))
        with path.open("r+b") as file:
            self._shared = mmap.mmap(file.fileno(), _OFFSET.size)

    def now(self) -> datetime:
        """Return the time, with UTC as its zone."""
        (offset,) = _OFFSET.unpack(self._shared[:])
        return datetime.now(UTC) + timedelta(seconds=offset)

    def sleep(self, seconds: float) -> None:
        """Put the clock forward."""
        (offset,) = _OFFSET.unpack(self._shared[:])
        self._shared[:] = _OFFSET.pack(offset + seconds)
