"""Releases for the sandbox: zips that say what their program does once booted."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import asdict, dataclass
from typing import Final, Literal

Behaviour = Literal["answers", "silent", "refuses", "unavailable"]
_MEMBER: Final = "program.json"


@dataclass(frozen=True)
class Program:
    """What an instance runs.

    It `answers` its version, is `silent` (accepts and never answers), `refuses` connections,
    or is `unavailable` (status 503). `version` is what it says, whatever its key says.
    """

    version: str
    behaviour: Behaviour = "answers"


def pack(program: Program) -> bytes:
    """Return the program as a zip."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(_MEMBER, json.dumps(asdict(program)))
    return buffer.getvalue()


def unpack(data: bytes) -> Program:
    """Return the program in a zip; raise zipfile.BadZipFile or KeyError where there is none."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return Program(**json.loads(archive.read(_MEMBER)))
