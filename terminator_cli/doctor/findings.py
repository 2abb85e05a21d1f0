"""What a check found: its level, what was seen, and what would mend it."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

from terminator.errors import explain
from terminator.text import plain

Level = Literal["ok", "warning", "problem"]
Result = TypeVar("Result")


@dataclass(frozen=True)
class Unseen:
    """Something that could not be looked at; `why` is the error in one line."""

    why: str


def look(call: Callable[[], Result]) -> Result | Unseen:
    """Return what the call returns, or why it failed: the rest is looked at all the same."""
    try:
        return call()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told
        return Unseen(explain(error))


@dataclass(frozen=True)
class Finding:
    """What a check found about a thing (`group live_asg_web`); `check` names the check."""

    about: str
    check: str
    level: Level
    seen: str
    remedy: str | None = None


@dataclass(frozen=True)
class About:
    """A thing that is checked; makes findings about it."""

    name: str

    def ok(self, check: str, seen: str) -> Finding:
        """Return what is as it should be."""
        return Finding(self.name, check, "ok", plain(seen))

    def warning(self, check: str, seen: str, remedy: str) -> Finding:
        """Return what may be meant so, or may not."""
        return Finding(self.name, check, "warning", plain(seen), plain(remedy))

    def problem(self, check: str, seen: str, remedy: str) -> Finding:
        """Return what keeps a deployment from working."""
        return Finding(self.name, check, "problem", plain(seen), plain(remedy))

    def unseen(self, check: str, unseen: Unseen, action: str) -> Finding:
        """Return what could not be looked at; `action` is the permission that it takes."""
        remedy = f"allow {action} to whoever runs this, to have it checked"
        return self.warning(check, f"not checked: {unseen.why}", remedy)


def tag_command(group: str, key: str, value: str) -> str:
    """Return the command that sets a tag of a group."""
    tag = f"ResourceType=auto-scaling-group,ResourceId={group},Key={key},Value={value}"
    quoted_tag = shlex.quote(f"{tag},PropagateAtLaunch=false")
    return f"aws autoscaling create-or-update-tags --tags {quoted_tag}"


def about(kind: str, name: str = "") -> About:
    """Return a thing by its kind and its name, which may be anything."""
    return About(f"{kind} {plain(name)}" if name else kind)
