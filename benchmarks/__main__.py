"""`make bench`: measures, and writes the tables to the pages that have them.

python -m benchmarks [PART...] measures only these parts.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from benchmarks import cost, probing, rollouts, running, starts, tables
from benchmarks.tables import Table

_PARTS: Final[Mapping[str, Callable[[], Sequence[Table]]]] = {
    "rollouts": lambda: [rollouts.table()],
    "probing": probing.tables,
    "running": running.tables,
    "starts": starts.tables,
    "cost": lambda: [cost.by_memory()],
}


def main() -> None:
    """Measure, print and write, one part after another."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"one of {', '.join(_PARTS)}")
    parts, every = parser.parse_args().parts, list[Table]()
    for part in parts or _PARTS:
        measured = _measured()
        found = _PARTS[part]()
        if part != "rollouts":  # The model's time depends on no machine.
            found = [replace(each, note=f"{each.note} {measured}".strip()) for each in found]
        print(*found, sep="\n", flush=True)  # noqa: T201 - it is a program for people
        tables.write(found)
        every += found
        if part == "cost":
            month = cost.a_month()
            note = f"{month.note} {measured}"
            tables.write([replace(month, note=note)], tables.COSTS)
    if not parts:
        tables.write(every, alone=True)


def _measured() -> str:
    """Say when and on what machine it is measured."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    models = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    name = models[0] if models else platform.machine()
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return (
        f"Measured on {datetime.now(UTC).date()} with {python} on {sys.platform}, "
        f"{os.cpu_count()} cores of {name}, at a load of {os.getloadavg()[0]:.1f} before it began."
    )


if __name__ == "__main__":
    main()
