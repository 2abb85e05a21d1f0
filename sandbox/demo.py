"""`make demo`: Terminator on a local fleet, in acts, each checked by the sandbox."""

from __future__ import annotations

import json
import signal
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from sandbox import fleet
from sandbox.acts import ACTS, Demo
from sandbox.fleet import API, GROUPS, MINIMUM, OLD, SIZE, WEB
from sandbox.timeline import timeline
from terminator_cli.recordings import from_text
from terminator_cli.report.page import page

_FOLDER: Final = Path(".sandbox")
_INTRODUCTION: Final = (
    f"Two groups of {SIZE} instances run {OLD} with minimum {MINIMUM}; max-unavailable of "
    f"{WEB} is 100%, that of {API} 25%. A machine boots in two minutes, a grace period takes one, "
    "the schedule runs every five: on the fleet's own clock, which is put forward instead of "
    "waiting. What the groups do not say is as by default: a release bakes for ten minutes, and is "
    "given thirty to come up."
)


def main() -> int:
    """Run all acts; return 0 if every check holds, 1 otherwise."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console = Console(width=None if sys.stdout.isatty() else 120)
    console.print("starting a local AWS and a fleet", style="dim")
    started = time.monotonic()
    with fleet.running() as local:
        demo = Demo(local, console)
        fleet.prepare(local)
        console.print(_INTRODUCTION, highlight=False)
        begun = local.clock.now()
        for number, act in enumerate(ACTS, 1):
            console.print()
            console.rule(f"[bold]act {number}, {act.name}[/]: {act.summary}", align="left")
            act.play(demo)
        console.print()
        for group in GROUPS:
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
    """Print a table of what was counted, and how many promises were kept."""
    table = Table(title="what was measured", title_justify="left")
    table.add_column("")
    for group in GROUPS:
        table.add_column(group, justify="right")
    records = [record for run in demo.runs for record in run.records]
    served = [[record for record in records if record.group == group] for group in GROUPS]
    decisions = [[record.decision for record in each] for each in served]
    counted: dict[str, list[int | None]] = {
        "runs that served it": [len(each) for each in served],
        "held": [each.count("hold") for each in decisions],
        "canaries": [each.count("canary") for each in decisions],
        "instances terminated": [sum(len(r.terminated) for r in each) for each in served],
        "instances lost, counted by the sandbox": [demo.lost(group) for group in GROUPS],
        "lowest available": [demo.fleet.watches[group].lowest for group in GROUPS],
        "minimum": [MINIMUM for _ in GROUPS],
    }
    for name, numbers in counted.items():
        table.add_row(name, *map(str, numbers))
    demo.console.print()
    demo.console.print(table)
    broken = sum(not check.holds for check in demo.checks)
    hours = (demo.fleet.clock.now() - begun).total_seconds() / 3600
    demo.console.print(
        f"{len(demo.checks) - broken} of {len(demo.checks)} promises kept; "
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
    sys.exit(main())
