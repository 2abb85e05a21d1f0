"""`make bench`: measures everything, prints the tables and writes them to docs/performance.md."""

from __future__ import annotations

import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import asking, cost, imports, probing, running, starts, tables


def main() -> None:
    """Measure, print and write."""
    preface = _preface()
    found: list[tables.Table] = []

    def told(*more: tables.Table) -> None:
        found.extend(more)
        print(*more, sep="\n", flush=True)  # noqa: T201 - that is what it is for

    probes, late = probing.tables()
    told(*probes)
    told(asking.table())
    whole, runs = running.tables()
    told(*whole)
    told(*starts.tables(), imports.table(), cost.table(runs, late))
    tables.write(found, preface)


def _preface() -> str:
    cpu = [line for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    name = cpu[0].partition(": ")[2] if cpu else platform.machine()
    python = f"{platform.python_implementation()} {platform.python_version()}"
    load = f"{os.getloadavg()[0]:.1f}"
    today = datetime.now(UTC).date()
    return (
        f"Measured on {today} with {python} on {sys.platform}, {os.cpu_count()} cores of "
        f"{name}, at a load of {load} before it began. Figures are the medians of their "
        "repeats; so are ratios, each repeat's own, followed by their range. Of memory it is "
        "the most."
    )


def _lines(path: str) -> list[str]:
    return Path(path).read_text(encoding="utf-8").splitlines()


if __name__ == "__main__":
    main()
