"""Policies read as IAM does: whether a statement allows an action on a resource."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

# These need a set operator: without one a condition on them holds for nobody.
_MULTIVALUED: Final = frozenset({"events:source"})


@dataclass(frozen=True)
class Use:
    """An action on a resource, as IAM sees it; `said` and `also` are what a condition could ask."""

    action: str
    resource: str = "*"
    said: tuple[str, str | None] | None = None
    also: tuple[str, str] | None = None


def covers(pattern: str, resource: str) -> bool:
    """Say whether a policy's resource covers this one, as IAM matches."""
    parts = re.split(r"(\$\{[*?$]\}|[*?])", pattern)
    wild = {"*": ".*", "?": "."}
    literal = {"${*}": "*", "${?}": "?", "${$}": "$"}
    expression = "".join(wild.get(part) or re.escape(literal.get(part, part)) for part in parts)
    return re.fullmatch(expression, resource) is not None


def allows(statement: dict[str, Any], action: str, resource: str, use: Use) -> bool:
    """Say whether a statement allows the use, by one of its actions on one of its resources."""
    if not _holds(statement.get("Condition", {}), dict(filter(None, [use.said, use.also]))):
        return False
    return action == use.action and covers(resource, use.resource)


def _holds(condition: dict[str, dict[str, Any]], said: dict[str, str | None]) -> bool:
    """Say whether a condition holds of what a call says, by key.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html
    """
    for operator, asked in condition.items():
        for key, said_by_template in asked.items():
            expected = said_by_template
            if isinstance(expected, dict):  # such as the account that it is deployed in
                expected = f"${{{expected['Ref']}}}"
            value, is_there = said.get(key), said.get(key) is not None
            match operator:
                case "StringEquals":
                    holds = key not in _MULTIVALUED and is_there and value == expected
                case "ForAllValues:StringEquals":
                    holds = not is_there or value == expected
                case "Null":
                    holds = is_there == (expected == "false")
                case _:
                    raise ValueError(f"no such operator here: {operator}")
            if not holds:
                return False
    return True
