"""The stage on which the demo's acts play: it runs the schedule, prints and takes note."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from sandbox import runs
from sandbox.fleet import Fleet
from sandbox.runs import Run
from sandbox.store import Event

if TYPE_CHECKING:
    from rich.console import Console

PERIOD: Final = timedelta(minutes=5)
_MOST_RUNS: Final = 20


@dataclass(frozen=True)
class Check:
    """What an act promised, and whether the sandbox saw it hold."""

    promise: str
    holds: bool


@dataclass
class Stage:
    """A fleet, the runs that were, and the checks of the acts."""

    fleet: Fleet
    console: Console
    runs: list[Run] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)

    def check(self, promise: str, *, holds: bool) -> None:
        """Take note of whether a promise holds, and say so."""
        self.checks.append(Check(promise, holds))
        mark, style = ("ok", "green") if holds else ("BROKEN", "bold red")
        self.console.print(f"  {mark}: {promise}", style=style, highlight=False, markup=False)

    def tell(self, what: str) -> None:
        """Say what happens to the fleet or its releases."""
        self.console.print(f"- {what}", style="bold", highlight=False, markup=False)

    def deliver(self, event: Event) -> list[str]:
        """Give the event to release, and show what it said and what it led to."""
        verdicts, led_to = runs.deliver(self.fleet, event)
        for verdict in verdicts:
            self._print(verdict)
        for run in led_to:
            self._show(run)
        return verdicts

    def scheduled(self, times: int = 1) -> Run:
        """Let the schedule run so many times; return the last run."""
        for _ in range(times):
            self.fleet.wait(PERIOD)
            self._show(runs.run(self.fleet))
        return self.runs[-1]

    def until_converged(self, *groups: str) -> bool:
        """Let the schedule run until the groups have converged, at most twenty times."""
        for _ in range(_MOST_RUNS):
            last = self.scheduled()
            found = [last.about(group) for group in groups]
            if all(each is not None and each.decision == "converged" for each in found):
                return True
        return False

    def versions(self, group: str) -> list[str]:
        """Return the versions that a group's machines run, as the sandbox knows them."""
        return [machine.program.version for machine in self.fleet.of(group)]

    def lost(self, group: str) -> int:
        """Return how many machines the group has lost so far."""
        return sum(machine.group == group for machine in self.fleet.gone)

    def _show(self, run: Run) -> None:
        self.runs.append(run)
        self.console.print(
            f"{run.at:%a %H:%M:%S} run {len(self.runs)}", style="dim", highlight=False
        )
        for line in run.lines:
            self._print(line)

    def _print(self, line: str) -> None:
        self.console.print(f"  {line}", markup=False, highlight=False, soft_wrap=True)
