"""What a run says: log lines, decision records and metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from terminator.config.tags import ENABLED_TAG
from terminator.decide import attention
from terminator.model import Decision, Group, Instance
from terminator.terminate import Outcomes
from terminator.text import count, plain

Level = Literal["info", "warning", "error"]
Record = dict[str, object]


@dataclass(frozen=True)
class Outcome:
    """What became of a group in one run.

    `decision` is None where it was never planned; `error` then says why. `acted` is what AWS
    answered.
    """

    name: str
    app: str | None = None
    group: Group | None = None
    decision: Decision | None = None
    acted: Outcomes = field(default_factory=Outcomes)
    error: str | None = None
    dry_run: bool = False

    @property
    def to_terminate(self) -> tuple[str, ...]:
        """The ids of those that were chosen to go."""
        return self.decision.to_terminate if self.decision is not None else ()

    @property
    def is_doubted(self) -> bool:
        """Whether the chosen has to be looked at twice."""
        return self.decision is not None and self.decision.second_look

    @property
    def has_failed(self) -> bool:
        """Whether anything failed."""
        return self.error is not None or bool(self.acted.failed)


@dataclass(frozen=True)
class Line:
    """A log line: text for a person, and the fields of the record where it is the last."""

    text: str
    level: Level = "info"
    fields: Mapping[str, object] = field(default_factory=dict)


Say = Callable[[Line], None]


def opening(name: str, decision: Decision) -> list[Line]:
    """Return the lines that say what was seen and chosen, before anything is done."""
    figures = decision.figures
    if figures is None:
        return []
    seen = (
        f"{figures.available} available, {figures.unavailable} unavailable, "
        f"{figures.in_flight} in flight, minimum {figures.minimum}"
    )
    chosen = (
        f"lowest version {figures.lowest or 'none'}, highest version "
        f"{figures.highest or 'none'}, {count(len(decision.to_terminate), 'instance')} to terminate"
    )
    why = [_line(name, f"{decision.kind}: {decision.reason}")] if decision.to_terminate else []
    return [_line(name, seen), _line(name, chosen), *why]


def acting(group: Group, decision: Decision) -> Line:
    """Return the line that announces termination."""
    members = sum(instance.counted for instance in group.instances)
    announced = f"terminating {len(decision.to_terminate)} of {count(members, 'instance')}"
    return _line(group.name, announced)


def nothing_to_serve() -> Line:
    """Return the line of a run that found no group at all."""
    return Line(f"no group to serve: none in scope has the tag {ENABLED_TAG} = true", "warning")


def closing(outcome: Outcome) -> list[Line]:
    """Return the lines that say what became of the group; the last has the record."""
    *before, (text, level) = _closing(outcome)
    lines = [_line(outcome.name, words, how) for words, how in before]
    return [*lines, Line(f"{plain(outcome.name)} => {text}", level, record(outcome))]


def _closing(outcome: Outcome) -> list[tuple[str, Level]]:
    decision = outcome.decision
    if outcome.error is not None or decision is None:
        return [(f"failed: {outcome.error}", "error")]
    if not decision.to_terminate:
        converged = "converged, " if decision.kind == "converged" else ""
        return [(f"no action taken: {converged}{decision.reason}", "info")]
    if outcome.dry_run:
        return [(f"dry run: would terminate instance ids {_listed(decision.to_terminate)}", "info")]
    return _acted(outcome.acted)


def _acted(acted: Outcomes) -> list[tuple[str, Level]]:
    lines: list[tuple[str, Level]] = []
    if acted.terminated:
        lines.append((f"terminating instance ids {_listed(acted.terminated)}", "info"))
    lines += [(f"deferred {id_}: {why}", "warning") for id_, why in acted.deferred.items()]
    lines += [(f"failed to terminate {id_}: {why}", "error") for id_, why in acted.failed.items()]
    return lines if acted.deferred or acted.failed else [*lines, ("complete", "info")]


def _listed(ids: Sequence[str]) -> str:
    return f"[{' '.join(ids)}]"


def _line(name: str, text: str, level: Level = "info") -> Line:
    return Line(f"{plain(name)} => {text}", level)


def record(outcome: Outcome) -> Record:
    """Return the decision of a group as the object that logs carry and `--json` prints.

    A group that was never planned has no decision (None), and its error as the reason. What
    was not asked is None, not 0.
    """
    group, decision, acted = outcome.group, outcome.decision, outcome.acted
    figures = decision.figures if decision else None
    return {
        "group": outcome.name,
        "app": outcome.app,
        "desired": group.desired if group else None,
        "minimum": figures.minimum if figures else None,
        "target": _text(figures.target) if figures else None,
        "target_source": figures.source if figures else None,
        "lowest": _text(figures.lowest) if figures else None,
        "highest": _text(figures.highest) if figures else None,
        "available": figures.available if figures else None,
        "unavailable": figures.unavailable if figures else None,
        "in_flight": figures.in_flight if figures else None,
        "outdated": figures.outdated if figures else None,
        "stale": figures.stale if figures else None,
        "overdue": figures.overdue if figures else None,
        "since": figures.since.isoformat() if figures and figures.since else None,
        "decision": decision.kind if decision else None,
        "reason": decision.reason if decision else outcome.error,
        "hold": decision.hold if decision else None,
        "needs_attention": attention.needs_attention(decision) if decision else None,
        "to_terminate": list(decision.to_terminate) if decision else [],
        "terminated": list(acted.terminated),
        "deferred": dict(acted.deferred),
        "failed": dict(acted.failed),
        "dry_run": outcome.dry_run,
        "instances": [_instance(instance) for instance in group.instances] if group else [],
    }


def is_failure(of: Mapping[str, object]) -> bool:
    """Say whether a record tells that something failed in its group."""
    return of["decision"] is None or bool(of["failed"])


def _instance(instance: Instance) -> Record:
    return {
        "id": instance.id,
        "zone": instance.zone,
        "lifecycle": instance.lifecycle,
        "health": instance.health,
        "launched": instance.launched.isoformat() if instance.launched else None,
        "version": _text(instance.version),
        "reason": instance.reason,
    }


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def metrics(outcomes: Iterable[Outcome]) -> dict[str, int]:
    """Return the metrics of these groups, summed."""
    outcomes = list(outcomes)
    decisions = [each.decision for each in outcomes if each.decision is not None]
    figures = [each.figures for each in decisions if each.figures is not None]
    # Where a group could not be observed, 0 would say that its silent instances had answered.
    whole = len(decisions) == len(outcomes)
    overdue = {"Overdue": sum(each.overdue for each in figures)} if whole else {}
    return {
        "Available": sum(each.available for each in figures),
        "Unavailable": sum(each.unavailable for each in figures),
        "InFlight": sum(each.in_flight for each in figures),
        "Outdated": sum(each.outdated for each in figures),
        "Stale": sum(each.stale for each in figures),
        **overdue,
        "Held": sum(each.kind == "hold" for each in decisions),
        "NeedsAttention": sum(map(attention.needs_attention, decisions)),
        **counts(outcomes),
    }


def counts(outcomes: Iterable[Outcome]) -> dict[str, int]:
    """Return the metrics that count what happened, which hold for a part of the groups too."""
    outcomes = list(outcomes)
    return {
        "Terminated": sum(len(each.acted.terminated) for each in outcomes),
        "Failed": sum(each.has_failed for each in outcomes),
    }
