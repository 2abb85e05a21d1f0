"""How commands reach AWS and the instances: in this process, or through what is deployed."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from functools import partial
from threading import Lock
from typing import Any, Final

import boto3
import click
from rich.console import Console

from terminator.clients import Aws
from terminator.config.deployment import Config
from terminator.invoke import run_reconcile
from terminator.observe import autoscaling as describe
from terminator.observe import survey
from terminator.observe.survey import Scope, Subject, World
from terminator.probe.ask import Answer, Question, ask
from terminator.reconcile import reconcile
from terminator.report import record as report
from terminator.report.record import Line
from terminator_cli.exits import FailedError, UnusableError, told
from terminator_cli.options import Asked

Record = dict[str, Any]

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


def subjects(here: Aws, settings: Config) -> list[Subject]:
    """Return the groups that opted in; errors of AWS pass through."""
    described = describe.describe_groups(here.autoscaling, settings.names, tagged=settings.tagged)
    return [survey.subject(group, settings) for group in described]


def run(
    asked: Asked, settings: Config, groups: Sequence[str] = (), *, quiet: bool = False
) -> list[Record]:
    """Run reconcile once, here or deployed, and return its decision records by group.

    `settings.dry_run` decides whether it acts. `groups` narrows the run to these names.
    `quiet` shows neither waits nor log lines, where something else is shown.
    """
    if not asked.local:
        return _deployed(settings, groups)
    scope = Scope(groups=frozenset(groups) if groups else None)
    outcomes = reconcile(world(verbose=asked.verbose and not quiet, quiet=quiet), settings, scope)
    return [report.record(outcome) for outcome in outcomes]


def attempt_run(
    asked: Asked, settings: Config, groups: Sequence[str] = ()
) -> tuple[list[Record] | None, str | None]:
    """Run reconcile once; where that is not possible, return None and why."""
    return attempt(partial(run, asked, settings, groups))


def attempt(call: Callable[[], list[Record]]) -> tuple[list[Record] | None, str | None]:
    """Return the records of a call; where that is not possible, None and why."""
    try:
        with told():
            return call(), None
    except click.ClickException as error:
        return None, error.message


def _deployed(settings: Config, groups: Sequence[str]) -> list[Record]:
    function, functions = f"{settings.name}-reconcile", aws().functions
    narrowed = {"groups": list(groups)} if groups else {}
    try:
        return run_reconcile(functions, function, {"dry_run": settings.dry_run, **narrowed})
    except functions.exceptions.ResourceNotFoundException as error:
        raise UnusableError(f"no function {function} is deployed here; see --local") from error
    except functions.exceptions.TooManyRequestsException as error:
        raise FailedError("a run is in progress; ask again in a minute") from error


def world(*, verbose: bool, quiet: bool = False) -> World:
    """Return the world of a run in this process; `verbose` shows its log lines."""
    console = Console(stderr=True)

    def say(line: Line) -> None:
        if verbose:
            console.print(line.text, markup=False, highlight=False, soft_wrap=True)

    def sleep(seconds: float) -> None:
        waiting = console.status(f"waiting {seconds:.0f} seconds before the second look")
        with nullcontext() if quiet else waiting:
            time.sleep(seconds)

    one_at_a_time = Lock()  # the sockets that a process may open are for one part

    def probe(_vpc: str, questions: Sequence[Question], seconds: float) -> list[Answer]:
        with one_at_a_time:
            return ask(questions, seconds)

    return World(
        aws=aws(),
        probe=probe,
        clock=lambda: datetime.now(UTC),
        sleep=sleep,
        remaining=lambda: math.inf,
        say=say,
    )
