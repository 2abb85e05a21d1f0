"""The record of a decision: one schema for the log, events, the command line and the report."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from itertools import chain
from typing import Any, Final, TypeVar, cast, get_args

from terminator.decide.holds import remedy
from terminator.model import (
    ASIDE,
    Became,
    Canary,
    Decision,
    Group,
    Instance,
    Kind,
    NotProbed,
    Source,
    StartedBy,
)
from terminator.terminate import Terminations
from terminator.text import quoted

Read = TypeVar("Read")

_LONGEST: Final = 4000
# Far above any group; what is counted is also drawn.
_MOST: Final = 100_000
# What grows with the group, in the order in which a record that is split goes on with it.
_LISTS: Final = ("to_terminate", "terminated", "deferred", "failed", "instances")
# Room in each part for `part`, `parts` and the names of the lists.
_FRAME: Final = 200
# A picture of time has room for so many years, and no arithmetic on these overflows.
_EARLIEST: Final = datetime(2006, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(2100, 1, 1, tzinfo=UTC)


class RecordError(ValueError):
    """Not a record; the message names the field, its text and what is expected."""


@dataclass(frozen=True)
class InstanceRecord:
    """An instance as a record lists it; `version` and `reason` both None: it was not asked.

    `created` is when it first started, `in_service_since` when Auto Scaling put it in service;
    each None where nobody asked or nobody knows. One that is in service and answered is not
    `available` while it warms up.
    """

    id: str
    zone: str
    lifecycle: str
    health: str
    created: datetime | None
    in_service_since: datetime | None
    version: str | None
    reason: str | None
    available: bool
    template: str | None = None
    cause: str | None = None

    @property
    def counted(self) -> bool:
        """Whether the group counted on it: not in Standby, in a warm pool, or leaving."""
        return not self.lifecycle.startswith(ASIDE)


@dataclass(frozen=True)
class Record:
    """What was decided about a group in one run, why, and what became of it.

    Figures are None where they were not asked, and times are in UTC. `decision` is None where
    the group could not be served; `reason` then says why. `to_terminate` are the ids of those
    chosen to go, of which `terminated` AWS accepted; `deferred` and `failed` map the ids of
    others to AWS's reason. `to_refresh` is the id of the one that an instance refresh is to
    replace, and `refresh` the id of that refresh, where AWS has begun it. `requested_by` is the
    person who asked to replace instances by name, None where the rules decided, and `started_by`
    what began the run. `withdrawn` is the version of
    the release that was taken back, or in a dry run would be, and `withdrawal` why, or why it stays
    although something speaks against it. `hold` is the name of the hold, which another version of
    Terminator may have had, `canary` what it waits for where that is one, and `remedy` what a
    person does where it needs attention. `pinned` says whether the pointer names the target, and
    `became` how it became that. `at` is when it was decided. Each is None where nothing says so.
    """

    group: str
    app: str | None = None
    desired: int | None = None
    minimum: int | None = None
    target: str | None = None
    target_source: Source | None = None
    pinned: bool | None = None
    became: Became | None = None
    template: str | None = None
    lowest: str | None = None
    highest: str | None = None
    available: int | None = None
    unavailable: int | None = None
    in_flight: int | None = None
    outdated: int | None = None
    stale: int | None = None
    overdue: int | None = None
    due: int | None = None
    since: datetime | None = None
    decision: Kind | None = None
    reason: str = ""
    hold: str | None = None
    needs_attention: bool = False
    remedy: str | None = None
    canary: Canary | None = None
    to_terminate: tuple[str, ...] = ()
    terminated: tuple[str, ...] = ()
    deferred: Mapping[str, str] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)
    to_refresh: str | None = None
    refresh: str | None = None
    dry_run: bool = False
    requested_by: str | None = None
    started_by: StartedBy | None = None
    withdrawn: str | None = None
    withdrawal: str | None = None
    instances: tuple[InstanceRecord, ...] = ()
    at: datetime | None = None

    @classmethod
    def of(  # noqa: PLR0913 - a group may fail before each of these is known
        cls,
        name: str,
        app: str | None = None,
        group: Group | None = None,
        decision: Decision | None = None,
        done: Terminations | None = None,
        *,
        error: str = "",
        dry_run: bool,
    ) -> Record:
        """Return the record of a group; `error` says why where there is no decision."""
        figures = decision.figures if decision else None
        done = done or Terminations()
        return cls(
            group=name,
            app=app,
            desired=group.desired if group else None,
            minimum=figures.minimum if figures else None,
            target=figures.target if figures else None,
            target_source=figures.source if figures else None,
            pinned=figures.pinned if figures else None,
            became=figures.became if figures else None,
            template=figures.template if figures else None,
            lowest=figures.lowest if figures else None,
            highest=figures.highest if figures else None,
            available=figures.available if figures else None,
            unavailable=figures.unavailable if figures else None,
            in_flight=figures.in_flight if figures else None,
            outdated=figures.outdated if figures else None,
            stale=figures.stale if figures else None,
            overdue=figures.overdue if figures else None,
            due=figures.due if figures else None,
            since=figures.since if figures else None,
            decision=decision.kind if decision else None,
            reason=decision.reason if decision else error,
            hold=decision.hold if decision else None,
            needs_attention=decision.needs_attention if decision else False,
            remedy=remedy(decision, name, app) if decision else None,
            canary=decision.canary if decision else None,
            to_terminate=decision.to_terminate if decision else (),
            terminated=done.terminated,
            deferred=dict(done.deferred),
            failed=dict(done.failed),
            to_refresh=decision.surge.id if decision and decision.surge else None,
            refresh=done.refresh,
            dry_run=dry_run,
            instances=tuple(
                InstanceRecord(
                    id=each.id,
                    zone=each.zone,
                    lifecycle=each.lifecycle,
                    health=each.health,
                    created=each.created,
                    in_service_since=each.in_service_since,
                    version=_runs(each),
                    template=str(each.origin) if each.origin else None,
                    cause=figures.causes.get(each.id) if figures else None,
                    reason=each.reason,
                    available=figures is not None and each.id in figures.available_ids,
                )
                for each in (group.instances if group else ())
            ),
        )

    @property
    def standing(self) -> str:
        """How the group stands in one or two words: its decision, or what a hold comes to."""
        if self.decision == "hold":
            return "needs attention" if self.needs_attention else "waiting"
        return self.decision or "failed"

    def causes(self, ids: Iterable[str]) -> Counter[str]:
        """Count what made these instances ones to replace; of some no cause may be known."""
        of = {each.id: each.cause for each in self.instances}
        return Counter(cause for id_ in ids if (cause := of.get(id_)) is not None)

    @property
    def stands(self) -> str:
        """How the group stands, and the canary that it waits for: `waiting (canary i-… …)`."""
        return f"{self.standing} ({self.canary})" if self.canary else self.standing

    @property
    def source(self) -> str | None:
        """Where the target comes from, in a word: a release that a pointer names from that."""
        return "pointer" if self.pinned else self.target_source

    @property
    def calls_for_somebody(self) -> bool:
        """Whether a person has to act, other than by ending a dry run that would have acted."""
        return self.needs_attention and not (self.dry_run and self.would_go)

    @property
    def would_go(self) -> tuple[str, ...]:
        """The ids of those chosen to go, by termination or by an instance refresh."""
        return self.to_terminate if self.to_refresh is None else (self.to_refresh,)

    @property
    def has_failed(self) -> bool:
        """Whether anything failed."""
        return self.decision is None or bool(self.failed)

    def to_json(self) -> dict[str, Any]:
        """Return the record as plain JSON: times as ISO 8601, `timestamp` for when it was."""
        found = {each.name: _plain(getattr(self, each.name)) for each in fields(self)}
        at = found.pop("at")
        return found if at is None else {"timestamp": at, **found}

    def split(self, longest: int) -> list[dict[str, Any]]:
        """Return the record as JSON objects of at most `longest` bytes each, as ASCII.

        One that fits is `to_json` alone. Otherwise each has `part` (from 1) and `parts`: the first
        is the record with as much of its lists as fits, the others go on with these. Every part
        has the group, and for queries that look at instances how many are unavailable.
        """
        whole = self.to_json()
        if len(json.dumps(whole)) <= longest:
            return [whole]
        empty = {name: type(whole[name])() for name in _LISTS}
        begun, goes_on = {**whole, **empty}, {"group": self.group, "unavailable": self.unavailable}
        chunks, left = list[list[tuple[str, Any]]]([[]]), longest - _FRAME - len(json.dumps(begun))
        for name in _LISTS:
            items = whole[name].items() if isinstance(whole[name], dict) else whole[name]
            for item in items:
                size = len(json.dumps(item)) + len(", ")
                if size > left:
                    chunks.append([])
                    left = longest - _FRAME - len(json.dumps(goes_on))
                chunks[-1].append((name, item))
                left -= size
        parts = [{**begun, **_lists(chunks[0])}, *({**goes_on, **_lists(c)} for c in chunks[1:])]
        return [{"part": n, "parts": len(parts), **part} for n, part in enumerate(parts, 1)]

    @classmethod
    def from_json(cls, of: Mapping[str, Any]) -> Record:
        """Read a record back from JSON that anybody may have written.

        Text is capped, and what cannot be printed in it escaped. What is absent is None or
        empty. Raise RecordError where a field is not what it should be.
        """
        return cls(
            group=_named(of, "group"),
            app=_text(of, "app"),
            desired=_number(of, "desired"),
            minimum=_number(of, "minimum"),
            target=_text(of, "target"),
            target_source=cast("Source | None", _one_of(of, "target_source", get_args(Source))),
            pinned=_said(of, "pinned"),
            became=cast("Became | None", _one_of(of, "became", get_args(Became))),
            template=_text(of, "template"),
            lowest=_text(of, "lowest"),
            highest=_text(of, "highest"),
            available=_number(of, "available"),
            unavailable=_number(of, "unavailable"),
            in_flight=_number(of, "in_flight"),
            outdated=_number(of, "outdated"),
            stale=_number(of, "stale"),
            overdue=_number(of, "overdue"),
            due=_number(of, "due"),
            since=_time(of, "since"),
            decision=cast("Kind | None", _one_of(of, "decision", get_args(Kind))),
            reason=_text(of, "reason") or "",
            hold=_text(of, "hold"),
            needs_attention=of.get("needs_attention") is True,
            remedy=_text(of, "remedy"),
            canary=_canary(of),
            to_terminate=_texts(of, "to_terminate"),
            terminated=_texts(of, "terminated"),
            deferred=_reasons(of, "deferred"),
            failed=_reasons(of, "failed"),
            to_refresh=_text(of, "to_refresh"),
            refresh=_text(of, "refresh"),
            dry_run=of.get("dry_run") is True,
            requested_by=_text(of, "requested_by"),
            started_by=cast("StartedBy | None", _one_of(of, "started_by", get_args(StartedBy))),
            withdrawn=_text(of, "withdrawn"),
            withdrawal=_text(of, "withdrawal"),
            instances=tuple(
                InstanceRecord(
                    id=_named(each, "id"),
                    zone=_text(each, "zone") or "",
                    lifecycle=_text(each, "lifecycle") or "",
                    health=_text(each, "health") or "",
                    created=_time(each, "created"),
                    in_service_since=_time(each, "in_service_since"),
                    version=_text(each, "version"),
                    template=_text(each, "template"),
                    cause=_text(each, "cause"),
                    reason=_text(each, "reason"),
                    available=each.get("available") is True,
                )
                for each in _list(of, "instances", dict, "a list of instances")
            ),
            at=_time(of, "timestamp"),
        )


def _runs(instance: Instance) -> str | None:
    """Return the version that an instance answered or, where it was not asked, its origin."""
    if instance.version is not None:
        return str(instance.version)
    was_asked = not isinstance(instance.answer, NotProbed)
    return None if was_asked or instance.origin is None else str(instance.origin)


def is_record(of: object) -> bool:
    """Say whether a JSON value is meant as a record, not as another line of the log."""
    return isinstance(of, dict) and "group" in of and "to_terminate" in of


def part_of(of: Mapping[str, Any]) -> tuple[int, int] | None:
    """Return which part of a split record a JSON object is, and of how many; None of any other."""
    part, parts = of.get("part"), of.get("parts")
    if "group" not in of or type(part) is not int or type(parts) is not int:
        return None
    return (part, parts) if 1 <= part <= parts else None


def joined(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the parts of a split record as the JSON of the one that it was, the first first.

    What they hold is not looked at: that is for `Record.from_json` to do.
    """
    whole = {name: value for name, value in parts[0].items() if name not in {"part", "parts"}}
    for name in _LISTS:
        first, more = whole.get(name), [part.get(name) for part in parts[1:]]
        if isinstance(first, dict):
            pairs = (each.items() for each in [first, *more] if isinstance(each, dict))
            whole[name] = dict(chain.from_iterable(pairs))
        elif isinstance(first, list):
            lists = (each for each in [first, *more] if isinstance(each, list))
            whole[name] = list(chain.from_iterable(lists))
    return whole


def _lists(items: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Return items by the name of their list; of mappings they are pairs."""
    found: dict[str, Any] = {}
    for name, item in items:
        if isinstance(item, tuple):
            found.setdefault(name, {}).update([item])
        else:
            found.setdefault(name, []).append(item)
    return found


def shown(text: str, longest: int = _LONGEST) -> str:
    """Return text capped, with what cannot be printed escaped.

    That is every control character, bidirectional mark and lone surrogate.
    """
    capped = text if len(text) <= longest else f"{text[:longest]}…"
    if capped.isprintable():
        return capped
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape", "surrogatepass").decode()
        for each in capped
    )


def _plain(value: object) -> object:
    match value:
        case None | str() | int():  # nearly all of them
            return value
        case datetime():
            return value.astimezone(UTC).isoformat()
        case InstanceRecord() | Canary():
            return {each.name: _plain(getattr(value, each.name)) for each in fields(value)}
        case tuple():
            return [_plain(each) for each in value]
        case Mapping():
            return dict(value)
        case _:
            return value


def _named(of: Mapping[str, Any], name: str) -> str:
    text = _text(of, name)
    if not text:
        raise _refused(name, of.get(name), "a name")
    return text


def _text(of: Mapping[str, Any], name: str) -> str | None:
    value = of.get(name)
    if value is not None and not isinstance(value, str):
        raise _refused(name, value, "text")
    return None if value is None else shown(value)


def _one_of(of: Mapping[str, Any], name: str, accepted: tuple[str, ...]) -> str | None:
    value = _text(of, name)
    if value is not None and value not in accepted:
        raise _refused(name, value, f"one of {', '.join(accepted)}, or null")
    return value


def _said(of: Mapping[str, Any], name: str) -> bool | None:
    value = of.get(name)
    if value is not None and not isinstance(value, bool):
        raise _refused(name, value, "true or false, or null")
    return value


def _canary(of: Mapping[str, Any]) -> Canary | None:
    value = of.get("canary")
    if value is None:
        return None
    if not isinstance(value, dict):
        raise _refused("canary", value, "an object with id, since and says, or null")
    since = _time(value, "since")
    if since is None:
        raise _refused("since", None, "a time")
    return Canary(_named(value, "id"), since, _named(value, "says"))


def _number(of: Mapping[str, Any], name: str) -> int | None:
    value = of.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MOST:
        raise _refused(name, value, f"a number from 0 to {_MOST}")
    return value


def _time(of: Mapping[str, Any], name: str) -> datetime | None:
    text = _text(of, name)
    if text is None:
        return None
    expected = "a time such as 2026-11-18T12:00:00+00:00, from 2006 to 2099"
    try:
        read = datetime.fromisoformat(text)
        read = (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise _refused(name, text, expected) from error
    if not _EARLIEST <= read < _LATEST:
        raise _refused(name, text, expected)
    return read


def _list(of: Mapping[str, Any], name: str, kind: type[Read], expected: str) -> list[Read]:
    value = of.get(name) or []
    if not isinstance(value, list) or not all(isinstance(each, kind) for each in value):
        raise _refused(name, value, expected)
    return value


def _texts(of: Mapping[str, Any], name: str) -> tuple[str, ...]:
    return tuple(map(shown, _list(of, name, str, "a list of instance ids")))


def _reasons(of: Mapping[str, Any], name: str) -> dict[str, str]:
    value = of.get(name) or {}
    if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
        raise _refused(name, value, "an object of instance ids and reasons")
    return {shown(id_): shown(why) for id_, why in value.items()}


def _refused(name: str, value: object, expected: str) -> RecordError:
    text = quoted(value if isinstance(value, str) else repr(value))
    return RecordError(f"{name} says {text}; expected is {expected}")
