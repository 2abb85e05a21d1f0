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

from sandbox import acts, fleet, runs
from sandbox.acts import ACTS, GROUPS, Act
from sandbox.stage import Stage
from sandbox.timeline import timeline
from terminator_cli.recordings import from_text
from terminator_cli.report.page import page

_FOLDER: Final = Path(".sandbox")
_CAST: Final = (
    f"Two groups of {acts.SIZE} instances run 1.0.266 with minimum {acts.MINIMUM}; "
    f"max-unavailable of {acts.WEB} is 100%, that of {acts.API} 25%. A machine boots in two "
    "minutes, a grace period takes one, the schedule runs every five: on the fleet's own clock, "
    "which is put forward instead of waiting."
)


def main() -> int:
    """Play all acts; return 0 where every check holds, 1 otherwise."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console = Console(width=None if sys.stdout.isatty() else 120)
    started = time.monotonic()
    with fleet.running() as local:
        stage = Stage(local, console)
        acts.prepare(local)
        console.print(_CAST, highlight=False)
        begun = local.clock.now()
        for number, act in enumerate(ACTS, 1):
            _play(stage, number, act)
        _check_minimum(stage)
        for group in GROUPS:
            console.print()
            console.print(timeline(group, stage.runs, begun))
        _summarise(stage, begun, time.monotonic() - started)
        _keep(stage)
    return 0 if all(check.holds for check in stage.checks) else 1


def _play(stage: Stage, number: int, act: Act) -> None:
    stage.console.print()
    stage.console.rule(f"[bold]act {number}, {act.name}[/]: {act.story}", align="left")
    act.play(stage)


def _check_minimum(stage: Stage) -> None:
    stage.console.print()
    for group in GROUPS:
        lowest = stage.fleet.watches[group].lowest or 0
        promise = f"{group} never had fewer than {acts.MINIMUM} available: the lowest was {lowest}"
        stage.check(promise, holds=lowest >= acts.MINIMUM)


def _summarise(stage: Stage, begun: datetime, seconds: float) -> None:
    table = Table(title="what was measured", title_justify="left")
    table.add_column("")
    for group in GROUPS:
        table.add_column(group, justify="right")
    for name, values in _measured(stage).items():
        table.add_row(name, *values)
    simulated = stage.fleet.clock.now() - begun
    stage.console.print()
    stage.console.print(table)
    broken = sum(not check.holds for check in stage.checks)
    stage.console.print(
        f"{len(stage.checks) - broken} of {len(stage.checks)} promises kept; "
        f"{simulated.total_seconds() / 3600:.1f} hours of the fleet took {seconds:.1f} seconds",
        style="bold red" if broken else "bold green",
        highlight=False,
    )


def _keep(stage: Stage) -> None:
    """Leave the records of all runs as lines of a log, and the report made of them."""
    _FOLDER.mkdir(exist_ok=True)
    lines = [json.dumps(record) for record in runs.records(stage.runs)]
    log, report = _FOLDER / "demo.jsonl", _FOLDER / "demo.html"
    log.write_text("\n".join(lines) + "\n", encoding="utf-8")
    report.write_text(page(from_text(str(log), "\n".join(lines)).records), encoding="utf-8")
    stage.console.print(
        f"what happened as a page: {report}; its decision records, as in the logs: {log}",
        highlight=False,
        soft_wrap=True,
    )


def _measured(stage: Stage) -> dict[str, list[str]]:
    served = {
        group: [each for run in stage.runs for each in run.records if each.group == group]
        for group in GROUPS
    }
    kinds = {group: [record.decision for record in served[group]] for group in GROUPS}
    terminated = {group: sum(len(each.terminated) for each in served[group]) for group in GROUPS}
    return {
        "runs that served it": [str(len(served[group])) for group in GROUPS],
        "held": [str(kinds[group].count("hold")) for group in GROUPS],
        "canaries": [str(kinds[group].count("canary")) for group in GROUPS],
        "instances terminated": [str(terminated[group]) for group in GROUPS],
        "instances lost, counted by the sandbox": [str(stage.lost(group)) for group in GROUPS],
        "lowest available": [str(stage.fleet.watches[group].lowest) for group in GROUPS],
        "minimum": [str(acts.MINIMUM) for _ in GROUPS],
    }


if __name__ == "__main__":
    sys.exit(main())
