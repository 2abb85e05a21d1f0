"""`make demo`: Terminator on a local fleet, in acts, each checked by the sandbox."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from rich.console import Console

from sandbox import fleet
from sandbox.acts import ACTS, Demo
from sandbox.fleet import GROUPS, IMG, MINIMUM, OLD, SIZE
from sandbox.timeline import timeline
from terminator_cli.recordings import from_text
from terminator_cli.report.page import page

_FOLDER: Final = Path(".sandbox")
_INTERRUPTED: Final = 130
_INTRODUCTION: Final = (
    f"Two groups of {SIZE} instances run {OLD}, by the default policy: a minimum of 50% "
    f"({MINIMUM}), one out at once, ten minutes of baking, half an hour for a canary to come up. A "
    "machine boots in two minutes, a grace period takes one, the schedule runs every five: on the "
    "fleet's own clock, which is put forward instead of waiting. A third group comes later."
)


def main(arguments: Sequence[str]) -> int:
    """Run all acts; return 0 if every check holds, 1 if one does not, 130 where interrupted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-v", "--verbose", action="store_true", help="show what each run logs")
    verbose: bool = parser.parse_args(arguments).verbose
    # SIGINT too: it is ignored in what a script has put in the background.
    for ends in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ends, signal.default_int_handler)
    console = Console(width=None if sys.stdout.isatty() else 120)
    try:
        return _play(console, verbose=verbose)
    except KeyboardInterrupt:
        console.print("\ninterrupted: the fleet is gone", highlight=False)
        return _INTERRUPTED


def _play(console: Console, *, verbose: bool) -> int:
    started = time.monotonic()
    with fleet.running() as local:
        demo = Demo(local, console, verbose)
        fleet.prepare(local)
        console.print(_INTRODUCTION, highlight=False)
        begun = local.clock.now()
        for number, act in enumerate(ACTS, 1):
            console.print()
            console.rule(f"[bold]act {number}, {act.name}[/]: {act.summary}", align="left")
            act.play(demo)
        console.print()
        for group in (*GROUPS, IMG):
            lowest = local.watches[group].lowest or 0
            promise = f"{group} never had fewer than {MINIMUM} available: the lowest was {lowest}"
            demo.check(promise, holds=lowest >= MINIMUM)
        for group in GROUPS:
            console.print()
            console.print(timeline(group, demo.runs, begun))
        _summarise(demo, begun, time.monotonic() - started)
        _save(demo)
    return 0 if all(check.holds for check in demo.checks) else 1


def _summarise(demo: Demo, begun: datetime, seconds: float) -> None:
    """Print how many promises were kept, and what that cost."""
    broken = sum(not check.holds for check in demo.checks)
    hours = (demo.fleet.clock.now() - begun).total_seconds() / 3600
    lost = ", ".join(f"{demo.lost(group)} in {group}" for group in (*GROUPS, IMG))
    demo.console.print(
        f"\n{len(demo.checks) - broken} of {len(demo.checks)} promises kept; replaced were {lost}; "
        f"{hours:.1f} hours of the fleet took {seconds:.1f} seconds",
        style="bold red" if broken else "bold green",
        highlight=False,
    )


def _save(demo: Demo) -> None:
    """Save the records of all runs as lines of a log, and the report made of them."""
    _FOLDER.mkdir(exist_ok=True)
    lines = [json.dumps(record.to_json()) for run in demo.runs for record in run.records]
    log, report = _FOLDER / "demo.jsonl", _FOLDER / "demo.html"
    log.write_text("\n".join(lines) + "\n", encoding="utf-8")
    report.write_text(page(from_text(str(log), "\n".join(lines)).records), encoding="utf-8")
    demo.console.print(
        f"what happened as a page: {report}; its decision records, as in the logs: {log}",
        highlight=False,
        soft_wrap=True,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
