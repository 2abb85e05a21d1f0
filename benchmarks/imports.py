"""What each import costs, by package, as `python -X importtime` tells it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from typing import Final

from benchmarks.tables import Table

_IMPORTS: Final = {
    "probe": "terminator.probe.handler",
    "release": "terminator.handlers, terminator.upload, terminator.invoke, boto3",
    "reconcile": "terminator.handlers, terminator.reconcile, terminator.invoke, boto3",
}
_LINE: Final = re.compile(r"import time: +(\d+) \| +\d+ \| +([\w.]+)")
_TIMES: Final = 5
_SHOWN: Final = 6


def table() -> Table:
    """Import what each function imports, and return the dearest packages."""
    rows = []
    for name, imports in _IMPORTS.items():
        runs = [_packages(imports) for _ in range(_TIMES)]
        best = min(runs, key=lambda each: each.total())
        shown = ", ".join(f"{p} {us / 1000:.0f}" for p, us in best.most_common(_SHOWN))
        rows.append([name, f"{best.total() / 1000:.0f}", shown])
    heads = ["function", "all imports, ms", "of which, ms"]
    return Table("Imports", heads, rows, "With bytecode; by the clock, the quickest of five runs.")


def _packages(imports: str) -> Counter[str]:
    """Return the microseconds by package of importing these modules, beyond Python's own."""
    own = {name for name, _ in _told("pass")}
    times: Counter[str] = Counter()
    for name, microseconds in _told(f"import {imports}"):
        if name not in own:
            times[name.partition(".")[0]] += microseconds
    return times


def _told(code: str) -> list[tuple[str, int]]:
    command = [sys.executable, "-X", "importtime", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - our own code
    return [(name, int(microseconds)) for microseconds, name in _LINE.findall(done.stderr)]
