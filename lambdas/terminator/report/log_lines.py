"""What a run says in the log, in lines that a person reads."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from terminator.config.tags import ENABLED_TAG
from terminator.model import Decision, Group
from terminator.report.record import Record
from terminator.text import count, plain

# CloudWatch Logs takes more, but a line may come to it through a pipe of Linux, which holds 64 KiB
# and may cut what is longer into several events.
LONGEST_LINE: Final = 64 * 1024
# What the logger and Lambda put into a line beside text and fields.
_AROUND: Final = 4096
# No line is longer for the ids that it lists in words; the record has them all.
_MOST_LISTED: Final = 1000

Level = Literal["info", "warning", "error"]


@dataclass(frozen=True)
class Line:
    """A log line: text for a person, and the record as fields where it is a group's last."""

    text: str
    level: Level = "info"
    fields: Mapping[str, object] = field(default_factory=dict)


Say = Callable[[Line], None]


def nothing_to_serve() -> Line:
    """Return the line of a run that found no group at all."""
    return Line(f"no group to serve: none in scope has the tag {ENABLED_TAG} = true", "warning")


def opening(name: str, decision: Decision) -> list[Line]:
    """Return the lines that say what was seen and chosen, before anything is done."""
    figures = decision.figures
    if figures is None:
        return []
    target = f"{figures.target} ({figures.origin_of_target})" if figures.target else "none"
    seen = (
        f"{figures.available} available, {figures.unavailable} unavailable, "
        f"{figures.in_flight} in flight, minimum {figures.minimum}, target {target}"
    )
    chosen = (
        f"lowest version {figures.lowest or 'none'}, highest version {figures.highest or 'none'}, "
        f"{count(len(decision.to_terminate), 'instance')} to terminate"
    )
    why = [f"{decision.kind}: {decision.reason}"] if decision.acts else []
    return [Line(f"{plain(name)} => {text}") for text in (seen, chosen, *why)]


def acting(group: Group, decision: Decision) -> Line:
    """Return the line that announces termination, or an instance refresh."""
    if decision.surge:
        watched = f", watched by {', '.join(map(plain, decision.surge.alarms))}"
        told = f"starting an instance refresh{watched if decision.surge.alarms else ''}"
        return Line(f"{plain(group.name)} => {told}")
    members = count(sum(instance.counted for instance in group.instances), "instance")
    return Line(f"{plain(group.name)} => terminating {len(decision.to_terminate)} of {members}")


def closing(record: Record) -> list[Line]:
    """Return the lines that say what became of the group; the last has the record.

    A record that is longer than a line may be goes on in lines after that.
    """
    name = plain(record.group)
    *before, (text, level) = _closing(record)
    lines = [Line(f"{name} => {words}", how) for words, how in before]
    first, *more = record.split(LONGEST_LINE - _AROUND - len(json.dumps(f"{name}{text}")))
    lines.append(Line(f"{name} => {text}", level, first))
    for part in more:
        said = f"the record goes on: part {part['part']} of {part['parts']}"
        lines.append(Line(f"{name} => {said}", "info", part))
    return lines


def withdrawal(record: Record) -> str | None:
    """Return what became of the release that something speaks against, None where nothing does."""
    if record.withdrawal is None:
        return None
    if record.withdrawn is None:
        return f"the release stays: {record.withdrawal}"
    done = "dry run: would take back" if record.dry_run else "took back"
    return f"{done} {record.withdrawn}: {record.withdrawal}"


def _closing(record: Record) -> list[tuple[str, Level]]:
    of_release: list[tuple[str, Level]] = []
    if told := withdrawal(record):
        of_release.append((told, "warning"))
    return [*of_release, *_of_group(record)]


def _of_group(record: Record) -> list[tuple[str, Level]]:
    if record.decision is None:
        return [(f"failed: {record.reason}", "error")]
    if not record.would_go:
        colon = "," if record.decision == "converged" else ":"
        said = f"no action taken: {record.stands}{colon} {record.reason}"
        return [(f"{said}; to do: {record.remedy}" if record.remedy else said, "info")]
    if record.dry_run and record.to_refresh:
        told = f"dry run: would start an instance refresh to replace {record.to_refresh}"
        return [(told, "info")]
    if record.dry_run:
        return [(f"dry run: would terminate instance ids {_listed(record.to_terminate)}", "info")]
    lines: list[tuple[str, Level]] = []
    if record.terminated:
        lines.append((f"terminating instance ids {_listed(record.terminated)}", "info"))
    if record.refresh:
        goes = f"{record.to_refresh} goes once another one serves"
        lines.append((f"instance refresh {plain(record.refresh)} has begun: {goes}", "info"))
    verb = "refresh" if record.to_refresh else "terminate"
    lines += [(f"deferred {id_}: {why}", "warning") for id_, why in record.deferred.items()]
    lines += [(f"failed to {verb} {id_}: {why}", "error") for id_, why in record.failed.items()]
    return lines if record.deferred or record.failed else [*lines, ("complete", "info")]


def _listed(ids: Sequence[str]) -> str:
    more = len(ids) - _MOST_LISTED
    return f"[{' '.join(ids[:_MOST_LISTED])}]" + (f" and {more} more" if more > 0 else "")
