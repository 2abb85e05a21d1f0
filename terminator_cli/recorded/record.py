"""Decision records read back: untrusted text becomes plain data that is safe to show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from terminator.model import ASIDE
from terminator.text import quoted

# What a record says, in its order; what was not asked a log record leaves out.
FIELDS: Final = (
    "group", "app", "desired", "minimum", "target", "target_source", "lowest", "highest",
    "available", "unavailable", "in_flight", "outdated", "decision", "reason", "to_terminate",
    "terminated", "deferred", "failed", "dry_run", "instances",
)  # fmt: skip
KINDS: Final = ("replace", "canary", "hold", "converged")
FAILED: Final = "failed"
_LONGEST: Final = 600
# Far above any group; what is counted is also drawn.
_MOST: Final = 100_000


class RecordError(ValueError):
    """Not a decision record; the message names the field, its text and what is expected."""


@dataclass(frozen=True)
class Member:
    """An instance as a record lists it; `version` and `reason` both None: it was not asked."""

    id: str
    lifecycle: str
    health: str
    launched: datetime | None
    version: str | None
    reason: str | None

    @property
    def counted(self) -> bool:
        """Whether the group counted on it: not in Standby, a warm pool, or leaving."""
        return not self.lifecycle.startswith(ASIDE)

    @property
    def available(self) -> bool:
        """Whether it was InService, Healthy and answered with a version."""
        serving = self.lifecycle == "InService" and self.health == "Healthy"
        return serving and self.version is not None and self.reason is None


@dataclass(frozen=True)
class Recorded:
    """A decision about a group, when it was made, and what the group was then.

    `at` is None where the record does not say (`plan --json` has no times). Figures are None
    where they were not asked. `decision` is one of KINDS, or FAILED. `fields` is the record
    as it was read; everything else is capped and free of control characters.
    """

    at: datetime | None
    group: str
    decision: str
    reason: str
    target: str | None = None
    desired: int | None = None
    minimum: int | None = None
    available: int | None = None
    outdated: int | None = None
    to_terminate: tuple[str, ...] = ()
    terminated: tuple[str, ...] = ()
    deferred: tuple[tuple[str, str], ...] = ()
    failed: tuple[tuple[str, str], ...] = ()
    dry_run: bool = False
    instances: tuple[Member, ...] = ()
    fields: Mapping[str, object] = field(default_factory=dict, compare=False, repr=False)


def is_record(of: object) -> bool:
    """Say whether a JSON value is meant as a decision record, not another line of the log."""
    return isinstance(of, dict) and "group" in of and "to_terminate" in of


def read(of: Mapping[str, Any], at: datetime | None = None) -> Recorded:
    """Read a decision record; raise RecordError where a field is not what it should be.

    Its own `timestamp` goes before `at`, the time of whoever kept it.
    """
    decision = _text(of, "decision")
    if decision not in (None, *KINDS):
        raise _refused("decision", of["decision"], f"one of {', '.join(KINDS)}, or null")
    return Recorded(
        at=_time(of, "timestamp") or at,
        group=_named(of, "group"),
        decision=decision or FAILED,
        reason=_text(of, "reason") or "",
        target=_text(of, "target"),
        desired=_number(of, "desired"),
        minimum=_number(of, "minimum"),
        available=_number(of, "available"),
        outdated=_number(of, "outdated"),
        to_terminate=_texts(of, "to_terminate"),
        terminated=_texts(of, "terminated"),
        deferred=_reasons(of, "deferred"),
        failed=_reasons(of, "failed"),
        dry_run=of.get("dry_run") is True,
        instances=tuple(map(_member, _objects(of, "instances"))),
        fields=of,
    )


def shown(text: str, longest: int = _LONGEST) -> str:
    """Return text capped, with what cannot be printed escaped.

    That is every control character, bidirectional mark and lone surrogate.
    """
    capped = text if len(text) <= longest else f"{text[:longest]}…"
    return "".join(map(_escaped, capped))


def _escaped(character: str) -> str:
    if character.isprintable():
        return character
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


def _member(of: Mapping[str, Any]) -> Member:
    return Member(
        id=_named(of, "id"),
        lifecycle=_text(of, "lifecycle") or "",
        health=_text(of, "health") or "",
        launched=_time(of, "launched"),
        version=_text(of, "version"),
        reason=_text(of, "reason"),
    )


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
    try:
        read_ = datetime.fromisoformat(text)
        return (read_ if read_.tzinfo else read_.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise _refused(name, text, "a time such as 2026-11-18T12:00:00+00:00") from error


def _texts(of: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = of.get(name) or []
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise _refused(name, value, "a list of instance ids")
    return tuple(map(shown, value))


def _reasons(of: Mapping[str, Any], name: str) -> tuple[tuple[str, str], ...]:
    value = of.get(name) or {}
    if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
        raise _refused(name, value, "an object of instance ids and reasons")
    return tuple((shown(id_), shown(why)) for id_, why in value.items())


def _objects(of: Mapping[str, Any], name: str) -> Sequence[Mapping[str, Any]]:
    value = of.get(name) or []
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise _refused(name, value, "a list of instances")
    return value


def _refused(name: str, value: object, expected: str) -> RecordError:
    text = quoted(value if isinstance(value, str) else repr(value))
    return RecordError(f"{name} says {text}; expected is {expected}")
