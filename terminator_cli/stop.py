"""`terminator stop` and `terminator start`: a whole deployment, at once.

With a reserved concurrency of 0 alone the events that still come would end in the dead-letter
queue, and put its alarm in ALARM: so the rules that send them are disabled too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from terminator.clients import Aws
from terminator.config import deployment
from terminator.text import count
from terminator_cli import output, reach
from terminator_cli.exits import UnusableError
from terminator_cli.options import Asked

if TYPE_CHECKING:
    from types_boto3_events.client import EventBridgeClient


def stop(asked: Asked, *, dry_run: bool) -> None:
    """Stop a deployment: no run begins until it is started again."""
    function, aws = f"{asked.config.name}-reconcile", reach.aws()
    events = aws.session.client("events")
    before, rules = _concurrency(aws, function), list(_rules(aws, events, asked.config.name))
    changes = before != 0 or any(enabled for _, enabled in rules)
    if not dry_run:
        for rule, _ in rules:
            events.disable_rule(Name=rule)
        aws.functions.put_function_concurrency(
            FunctionName=function, ReservedConcurrentExecutions=0
        )
    _tell(asked, "stopped", rules, changes=changes, dry_run=dry_run, concurrency=0)


def start(asked: Asked, *, dry_run: bool) -> None:
    """Start a deployment that was stopped."""
    function, aws = f"{asked.config.name}-reconcile", reach.aws()
    reserves = deployment.deployment_from_file(asked.config_file).reserve_concurrency
    events = aws.session.client("events")
    before, rules = _concurrency(aws, function), list(_rules(aws, events, asked.config.name))
    wanted = 1 if reserves else None
    changes = before != wanted or not all(enabled for _, enabled in rules)
    if not dry_run:
        if wanted is None:
            aws.functions.delete_function_concurrency(FunctionName=function)
        else:
            aws.functions.put_function_concurrency(
                FunctionName=function, ReservedConcurrentExecutions=wanted
            )
        for rule, _ in rules:
            events.enable_rule(Name=rule)
    _tell(asked, "started", rules, changes=changes, dry_run=dry_run, concurrency=wanted)


def _concurrency(aws: Aws, function: str) -> int | None:
    """Return the reserved concurrency of a function; raise UnusableError where there is none."""
    try:
        told = aws.functions.get_function_concurrency(FunctionName=function)
    except aws.functions.exceptions.ResourceNotFoundException as error:
        there = f"no function {function} is deployed here{reach.where(aws)}"
        raise UnusableError(there) from error
    return told.get("ReservedConcurrentExecutions")


def _rules(aws: Aws, events: EventBridgeClient, deployed: str) -> Iterator[tuple[str, bool]]:
    """Yield the rules that start reconcile or release, and whether each is enabled."""
    for name in (f"{deployed}-reconcile", f"{deployed}-release"):
        try:
            found = aws.functions.get_function_configuration(FunctionName=name)
        except aws.functions.exceptions.ResourceNotFoundException:
            continue  # without a bucket there is no release
        for rule, state in reach.rules_of(events, found["FunctionArn"]).items():
            yield rule, state != "DISABLED"


def _tell(  # noqa: PLR0913 - what the two commands have to tell
    asked: Asked,
    what: str,
    rules: list[tuple[str, bool]],
    *,
    changes: bool,
    dry_run: bool,
    concurrency: int | None,
) -> None:
    names = sorted(rule for rule, _ in rules)
    if asked.as_json:
        output.document(
            {
                "deployment": asked.config.name,
                "stopped": what == "stopped",
                "rules": names,
                "concurrency": concurrency,
                "changed": changes and not dry_run,
                "dry_run": dry_run,
            }
        )
        return
    if dry_run:
        told = f"dry run: {asked.config.name} would be {what}"
    else:
        told = f"{asked.config.name} is {'' if changes else 'already '}{what}"
    output.say(f"{told}: {count(len(names), 'rule')}, {_reserved(concurrency)}")


def _reserved(concurrency: int | None) -> str:
    return "no reserved concurrency" if concurrency is None else f"concurrency {concurrency}"
