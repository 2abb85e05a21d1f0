"""Policies read as IAM does: whether a statement allows an action on a resource."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Use:
    """An action on a resource, as IAM sees it; `said` is what a condition could ask for."""

    action: str
    resource: str = "*"
    said: tuple[str, str | None] | None = None


def covers(pattern: str, resource: str) -> bool:
    """Say whether a policy's resource covers this one, as IAM matches."""
    parts = re.split(r"(\$\{[*?$]\}|[*?])", pattern)
    wild = {"*": ".*", "?": "."}
    literal = {"${*}": "*", "${?}": "?", "${$}": "$"}
    expression = "".join(wild.get(part) or re.escape(literal.get(part, part)) for part in parts)
    return re.fullmatch(expression, resource) is not None


def allows(statement: dict[str, Any], action: str, resource: str, use: Use) -> bool:
    """Say whether a statement allows the use, by one of its actions on one of its resources."""
    said = {"StringEquals": dict([use.said])} if use.said else None
    if statement.get("Condition", said) != said:
        return False
    return action == use.action and covers(resource, use.resource)
