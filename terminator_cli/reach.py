"""How commands reach AWS: through what is deployed, or with --local from this process."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from datetime import UTC, datetime
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, Final

import boto3
import click
from botocore.config import Config as BotoConfig
from botocore.exceptions import InvalidRegionError, NoRegionError
from rich.console import Console

from terminator import marker
from terminator.clients import Aws
from terminator.config.deployment import Config
from terminator.errors import AWS_ERRORS
from terminator.invoke import run_reconcile
from terminator.observe.autoscaling import describe_groups
from terminator.observe.snapshot import OptedIn, Scope, World, in_order, opted_in
from terminator.reconcile import Supposing, reconcile
from terminator.report.record import Record, RecordError
from terminator.text import meant, plain
from terminator_cli.exits import FailedError, UnusableError, told
from terminator_cli.options import Asked

if TYPE_CHECKING:
    from types_boto3_events.client import EventBridgeClient

    from terminator.marker import Order
    from terminator.model import Request
    from terminator.probe.ask import Answer, Question
    from terminator.report.log_lines import Line

_IMPATIENT: Final = BotoConfig(connect_timeout=3, read_timeout=5, retries={"total_max_attempts": 2})
# The deployed reconcile may take five minutes.
_LONGEST_RUN: Final = 330


def session() -> boto3.Session:
    """Return a session of the profile and the Region that were asked for, else boto3's own."""
    context = click.get_current_context(silent=True)
    asked = context.meta if context else {}
    made = boto3.Session(
        profile_name=asked.get("terminator.profile"), region_name=asked.get("terminator.region")
    )
    # boto3 takes an empty one for a Region, and asks a host that is none.
    if made.region_name == "":
        raise NoRegionError
    return made


def where(here: Aws | None = None) -> str:
    """Return ` (account 123456789012, eu-west-1)`: what was looked at, where nothing was found."""
    here = here or aws()
    return f" (account {caller(here).get('Account', 'unknown')}, {here.session.region_name})"


def caller(here: Aws) -> Mapping[str, str]:
    """Return the `Account` and the `Arn` of who asks; nothing where STS does not say.

    Nobody needs a permission to ask it:
    https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
    """
    try:
        told = here.session.client("sts", config=_IMPATIENT).get_caller_identity()
    except AWS_ERRORS:
        return {}
    return {name: plain(told[name]) for name in ("Account", "Arn")}


def aws(config: Config | None = None) -> Aws:
    """Return AWS as boto3's environment has it, or say what that environment lacks.

    The releases bucket of `config` has to be its account's or, without one, the caller's.
    """
    of = session()

    @cache
    def owner() -> str:
        account = config.bucket.account if config and config.bucket else None
        return account or of.client("sts", config=_IMPATIENT).get_caller_identity()["Account"]

    here = Aws(of, invoke_seconds=_LONGEST_RUN, bucket_owner=owner)
    try:
        here.autoscaling  # noqa: B018 - making a client is what looks at the environment
    except InvalidRegionError as error:
        raise UnusableError(f"{plain(str(error))} Such as eu-west-1 is accepted") from error
    except ValueError as error:
        raise UnusableError(f"AWS_ENDPOINT_URL: {error}") from error
    return here


def groups(here: Aws, config: Config) -> list[OptedIn]:
    """Return the groups that opted in; errors of AWS pass through."""
    described = describe_groups(here.autoscaling, config.names, tagged=config.tagged)
    return in_order([opted_in(group, config) for group in described], are_all=True)


def none_of(app: str, config: Config) -> str:
    """Say that no group of an app has opted in, where, and which app may have been meant."""
    here, known = aws(config), set[str]()
    # Who may not list groups is told without a guess.
    with suppress(*AWS_ERRORS):
        known = {group.policy.app for group in groups(here, config) if not group.policy.problems}
    return f"no group of {app} has opted in{where(here)}{meant(app, known)}"


def rules_of(events: EventBridgeClient, function: str) -> dict[str, str]:
    """Map the names of the rules that start a function, by its ARN, to their states."""
    pages = events.get_paginator("list_rule_names_by_target").paginate(TargetArn=function)
    names = [name for page in pages for name in page["RuleNames"]]
    return {name: str(events.describe_rule(Name=name)["State"]) for name in names}


def run(  # noqa: PLR0913 - what a run is told
    asked: Asked,
    config: Config,
    scope: Scope,
    *,
    supposing: Supposing | None = None,
    request: Request | None = None,
    quiet: bool = False,
) -> list[Record]:
    """Run reconcile once, deployed or here, and return its records by group.

    `config.dry_run` decides whether it acts. `supposing` counts here only: what is deployed
    takes tags and releases as they are. `request` is what a person asks for in place of what the
    rules say. `quiet` shows neither waits nor log lines, where
    something else is shown.
    """
    if asked.local:
        world = _world(config, verbose=asked.verbose and not quiet, quiet=quiet)
        return reconcile(world, config, scope, supposing, request, "command")
    here = aws()
    name, functions = f"{config.name}-reconcile", here.functions
    event: dict[str, object] = {"dry_run": config.dry_run}
    if scope.app is not None:
        event["app"] = scope.app
    if scope.groups is not None:
        event["groups"] = sorted(scope.groups)
    if request is not None:
        event |= {"replace": list(request.ids), "requested_by": request.by}
    try:
        with nullcontext() if quiet else _asking(name):
            return [Record.from_json(each) for each in run_reconcile(functions, name, event)]
    except functions.exceptions.ResourceNotFoundException as error:
        there = f"no function {name} is deployed here{where(here)}; see --local"
        raise UnusableError(there) from error
    except functions.exceptions.TooManyRequestsException as error:
        raise FailedError("a run is in progress; ask again in a minute") from error
    except RecordError as error:
        raise FailedError(f"{name} answered what is no decision record: {error}") from error


def _asking(name: str) -> AbstractContextManager[object]:
    """Show on a terminal that a function is asked: a second look at instances takes its time."""
    console = Console(stderr=True)
    if not console.is_terminal:
        return nullcontext()
    return console.status(f"asking {plain(name)} (half a minute, where it looks twice)")


def attempt_run(
    asked: Asked, config: Config, scope: Scope, supposing: Supposing | None = None
) -> tuple[list[Record] | None, str | None]:
    """Run reconcile once; where that is not possible, return None and why."""
    try:
        with told():
            return run(asked, config, scope, supposing=supposing), None
    except click.ClickException as error:
        return None, error.message


def _world(config: Config, *, verbose: bool, quiet: bool) -> World:
    """Return the world of a run in this process; `verbose` shows its log lines."""
    # What is deployed asks by itself.
    from terminator.probe.addresses import ANYWHERE, networks  # noqa: PLC0415
    from terminator.probe.ask import ask  # noqa: PLC0415

    console = Console(stderr=True)
    allowed = (*ANYWHERE, *networks())
    one_at_a_time = Lock()  # the sockets that a process may open are for one part

    def say(line: Line) -> None:
        if verbose:
            console.print(line.text, markup=False, highlight=False, soft_wrap=True)

    def sleep(seconds: float) -> None:
        waiting = console.status(f"waiting {seconds:.0f} seconds before the second look")
        with nullcontext() if quiet else waiting:
            time.sleep(seconds)

    def probe(_vpc: str, questions: Sequence[Question], seconds: float) -> list[Answer]:
        with one_at_a_time:
            return ask(questions, seconds, allowed)

    here = aws(config)

    def withdraw(order: Order) -> str | None:
        bucket = config.bucket
        return marker.put(here, bucket.name, order, datetime.now(UTC)) if bucket else "no bucket"

    return World(
        aws=here,
        probe=probe,
        clock=lambda: datetime.now(UTC),
        sleep=sleep,
        remaining=lambda: math.inf,
        say=say,
        withdraw=withdraw,
    )
