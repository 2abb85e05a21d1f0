"""Whether what is deployed is there, runs, and has the settings of the file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from functools import partial
from typing import Any, Final

from terminator.clients import Aws
from terminator.config import deployment
from terminator.config.deployment import Config, ConfigError
from terminator_cli.doctor.findings import Finding, Unseen, about, look
from terminator_cli.reach import rules_of

_DEPLOY: Final = "make deploy"
_START: Final = "terminator start"
_HEALTHY: Final = frozenset({"Active", "Inactive"})


@dataclass(frozen=True)
class FunctionSeen:
    """What Lambda says of a function: None where there is none, or why it is not known.

    `reserved` is its reserved concurrency, None where it has none.
    """

    name: str
    configuration: Mapping[str, Any] | Unseen | None
    reserved: int | Unseen | None = None


def examine(aws: Aws, config: Config) -> Iterator[Finding]:
    """Check reconcile, and release where there is a bucket."""
    reconcile = look_at(aws, f"{config.name}-reconcile")
    yield from check(reconcile)
    if isinstance(reconcile.configuration, Mapping):
        arn = str(reconcile.configuration["FunctionArn"])
        yield from check_rules(reconcile.name, look(partial(rules_of, aws.events, arn)))
    yield from check_settings(reconcile, config)
    if config.bucket is not None:
        yield from check(look_at(aws, f"{config.name}-release"))


def look_at(aws: Aws, name: str) -> FunctionSeen:
    """Look at a function of this name."""

    def described() -> Mapping[str, Any] | None:
        try:
            return dict(aws.functions.get_function_configuration(FunctionName=name))
        except aws.functions.exceptions.ResourceNotFoundException:
            return None

    configuration = look(described)
    if configuration is None or isinstance(configuration, Unseen):
        return FunctionSeen(name, configuration)
    concurrency = look(partial(aws.functions.get_function_concurrency, FunctionName=name))
    if isinstance(concurrency, Unseen):
        return FunctionSeen(name, configuration, concurrency)
    return FunctionSeen(name, configuration, concurrency.get("ReservedConcurrentExecutions"))


def check(seen: FunctionSeen) -> Iterator[Finding]:
    """Check that a function is there and may run."""
    function, described = about("function", seen.name), seen.configuration
    if isinstance(described, Unseen):
        yield function.unseen("exists", described, "lambda:GetFunctionConfiguration")
        return
    if described is None:
        yield function.problem("exists", "there is none", _DEPLOY)
        return
    state = described.get("State", "Active")
    if state not in _HEALTHY:
        why = described.get("StateReason", "")
        yield function.problem("exists", f"its state is {state} {why}".strip(), _DEPLOY)
        return
    yield function.ok("exists", f"{described.get('Runtime', 'deployed')}")
    if isinstance(seen.reserved, Unseen):
        yield function.unseen("concurrency", seen.reserved, "lambda:GetFunctionConcurrency")
    elif seen.reserved == 0:
        yield function.problem("concurrency", "stopped: its concurrency is 0", _START)
    elif seen.reserved is not None:
        yield function.ok("concurrency", f"{seen.reserved} reserved")


def check_rules(name: str, rules: Mapping[str, str] | Unseen) -> Iterator[Finding]:
    """Check that the schedule starts a function; `rules` maps those that may to their states."""
    function = about("function", name)
    if isinstance(rules, Unseen):
        action = "events:ListRuleNamesByTarget and events:DescribeRule"
        yield function.unseen("schedule", rules, action)
    elif not rules:
        yield function.problem("schedule", "no rule of EventBridge starts it", _DEPLOY)
    elif disabled := sorted(rule for rule, state in rules.items() if state == "DISABLED"):
        yield function.problem("schedule", f"stopped: disabled is {', '.join(disabled)}", _START)
    else:
        yield function.ok("schedule", "a rule starts it")


def check_settings(seen: FunctionSeen, config: Config) -> Iterator[Finding]:
    """Check that reconcile acts, and by the settings of the file."""
    if seen.configuration is None or isinstance(seen.configuration, Unseen):
        return
    function = about("function", seen.name)
    variables = seen.configuration.get("Environment", {}).get("Variables", {})
    try:
        its_own = deployment.from_settings(json.loads(variables.get("TERMINATOR_CONFIG", "")))
    except (ConfigError, ValueError) as error:
        yield function.problem("settings", f"cannot be read: {error}", _DEPLOY)
        return
    if its_own.dry_run:
        remedy = f"when you like its plan, set dry_run to false and {_DEPLOY}"
        yield function.warning("acting", "dry_run is true: it only looks", remedy)
    else:
        yield function.ok("acting", "dry_run is false: it acts")
    names = [each.name for each in fields(Config)]
    differ = [name for name in names if getattr(its_own, name) != getattr(config, name)]
    if differ:
        told = f"deployed otherwise than the file says: {', '.join(differ)}"
        yield function.warning("settings", told, _DEPLOY)
    else:
        yield function.ok("settings", "those of the file")
