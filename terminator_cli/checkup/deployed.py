"""Whether what is deployed is there, runs, and has the settings of the file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

from terminator.config import deployment as config
from terminator.config.deployment import Config, ConfigError
from terminator.errors import Failure
from terminator_cli.checkup.findings import Finding, about

_DEPLOY: Final = "make deploy"
_HEALTHY: Final = frozenset({"Active", "Inactive"})


@dataclass(frozen=True)
class FunctionSeen:
    """What Lambda says of a function: None where there is none, or why it is not known.

    `reserved` is its reserved concurrency, None where it has none.
    """

    name: str
    configuration: Mapping[str, Any] | Failure | None
    reserved: int | Failure | None = None


def check(seen: FunctionSeen) -> list[Finding]:
    """Check that a function is there and may run."""
    function, described = about("function", seen.name), seen.configuration
    if isinstance(described, Failure):
        return [function.unseen("exists", described, "lambda:GetFunctionConfiguration")]
    if described is None:
        return [function.problem("exists", "there is none", _DEPLOY)]
    state = described.get("State", "Active")
    if state not in _HEALTHY:
        why = described.get("StateReason", "")
        return [function.problem("exists", f"its state is {state} {why}".strip(), _DEPLOY)]
    return [function.ok("exists", f"{described.get('Runtime', 'deployed')}"), *_concurrency(seen)]


def _concurrency(seen: FunctionSeen) -> list[Finding]:
    function = about("function", seen.name)
    if isinstance(seen.reserved, Failure):
        return [function.unseen("concurrency", seen.reserved, "lambda:GetFunctionConcurrency")]
    if seen.reserved is None:
        return []
    if seen.reserved > 0:
        return [function.ok("concurrency", f"{seen.reserved} reserved")]
    remedy = (
        f"aws lambda put-function-concurrency --function-name {seen.name} "
        "--reserved-concurrent-executions 1"
    )
    return [function.problem("concurrency", "stopped: its concurrency is 0", remedy)]


def check_settings(seen: FunctionSeen, settings: Config) -> list[Finding]:
    """Check that reconcile acts, and by the settings of the file."""
    if seen.configuration is None or isinstance(seen.configuration, Failure):
        return []
    function = about("function", seen.name)
    variables = seen.configuration.get("Environment", {}).get("Variables", {})
    try:
        deployed = config.from_settings(json.loads(variables.get("TERMINATOR_CONFIG", "")))
    except (ConfigError, ValueError) as error:
        return [function.problem("settings", f"cannot be read: {error}", _DEPLOY)]
    return [_acting(seen.name, deployed), _differences(seen.name, deployed, settings)]


def _acting(name: str, deployed: Config) -> Finding:
    if not deployed.dry_run:
        return about("function", name).ok("acting", "dry_run is false: it acts")
    remedy = f"when you like its plan, set dry_run to false and {_DEPLOY}"
    return about("function", name).warning("acting", "dry_run is true: it only looks", remedy)


def _differences(name: str, deployed: Config, settings: Config) -> Finding:
    differ = [
        each.name
        for each in fields(Config)
        if getattr(deployed, each.name) != getattr(settings, each.name)
    ]
    if not differ:
        return about("function", name).ok("settings", "those of the file")
    seen = f"deployed otherwise than the file says: {', '.join(differ)}"
    return about("function", name).warning("settings", seen, _DEPLOY)
