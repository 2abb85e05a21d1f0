"""`make bench`: measures everything, and writes the tables to docs/development/performance.md."""

from __future__ import annotations

import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import asking, cost, probing, running, starts, tables


def main() -> None:
    """Measure, print and write."""
    preface = _preface()
    found: list[tables.Table] = []

    def tell(*more: tables.Table) -> None:
        found.extend(more)
        print(*more, sep="\n", flush=True)  # noqa: T201 - it is a program for people

    probes, late = probing.tables()
    tell(*probes)
    tell(asking.table())
    whole, runs = running.tables()
    tell(*whole)
    tell(*starts.tables(), cost.table(runs, late))
    tables.write(found, preface)


def _preface() -> str:
    """Say when and on what machine it was measured, and how to read the figures."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    models = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    name = models[0] if models else platform.machine()
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return (
        f"Measured on {datetime.now(UTC).date()} with {python} on {sys.platform}, "
        f"{os.cpu_count()} cores of {name}, at a load of {os.getloadavg()[0]:.1f} before it began. "
        "Figures are the medians of their repeats; so are ratios, each repeat's own, followed by "
        "their range. Of memory it is the most."
    )


if __name__ == "__main__":
    main()
