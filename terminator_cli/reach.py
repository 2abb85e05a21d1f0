"""How commands reach AWS: through what is deployed, or with --local from this process."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from threading import Lock
from typing import TYPE_CHECKING, Final

import boto3
import click
from rich.console import Console

from terminator.clients import Aws
from terminator.config.deployment import Config
from terminator.invoke import run_reconcile
from terminator.observe.autoscaling import describe_groups
from terminator.observe.snapshot import OptedIn, Scope, World, opted_in
from terminator.reconcile import Supposing, reconcile
from terminator.report.record import Record, RecordError
from terminator_cli.exits import FailedError, UnusableError, told
from terminator_cli.options import Asked

if TYPE_CHECKING:
    from terminator.probe.ask import Answer, Question
    from terminator.report.log_lines import Line

# The deployed reconcile may take five minutes.
_LONGEST_RUN: Final = 330


def aws() -> Aws:
    """Return AWS as boto3's environment has it, or say what that environment lacks."""
    here = Aws(boto3.Session(), invoke_seconds=_LONGEST_RUN)
    try:
        here.autoscaling  # noqa: B018 - making a client is what looks at the environment
    except ValueError as error:
        raise UnusableError(f"AWS_ENDPOINT_URL: {error}") from error
    return here


def groups(here: Aws, config: Config) -> list[OptedIn]:
    """Return the groups that opted in; errors of AWS pass through."""
    described = describe_groups(here.autoscaling, config.names, tagged=config.tagged)
    return [opted_in(group, config) for group in described]


def run(
    asked: Asked,
    config: Config,
    scope: Scope,
    *,
    supposing: Supposing | None = None,
    quiet: bool = False,
) -> list[Record]:
    """Run reconcile once, deployed or here, and return its records by group.

    `config.dry_run` decides whether it acts. `supposing` counts here only: what is deployed
    takes tags and releases as they are. `quiet` shows neither waits nor log lines, where
    something else is shown.
    """
    if asked.local:
        world = _world(verbose=asked.verbose and not quiet, quiet=quiet)
        return reconcile(world, config, scope, supposing)
    name, functions = f"{config.name}-reconcile", aws().functions
    event: dict[str, object] = {"dry_run": config.dry_run}
    if scope.app is not None:
        event["app"] = scope.app
    if scope.groups is not None:
        event["groups"] = sorted(scope.groups)
    try:
        return [Record.from_json(each) for each in run_reconcile(functions, name, event)]
    except functions.exceptions.ResourceNotFoundException as error:
        raise UnusableError(f"no function {name} is deployed here; see --local") from error
    except functions.exceptions.TooManyRequestsException as error:
        raise FailedError("a run is in progress; ask again in a minute") from error
    except RecordError as error:
        raise FailedError(f"{name} answered what is no decision record: {error}") from error


def attempt_run(
    asked: Asked, config: Config, scope: Scope, supposing: Supposing | None = None
) -> tuple[list[Record] | None, str | None]:
    """Run reconcile once; where that is not possible, return None and why."""
    try:
        with told():
            return run(asked, config, scope, supposing=supposing), None
    except click.ClickException as error:
        return None, error.message


def _world(*, verbose: bool, quiet: bool) -> World:
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

    return World(
        aws=aws(),
        probe=probe,
        clock=lambda: datetime.now(UTC),
        sleep=sleep,
        remaining=lambda: math.inf,
        say=say,
    )
