"""The command line: `terminator plan` and `terminator apply`."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar

import boto3
import click
from botocore.exceptions import (
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
)
from rich.console import Console

from terminator import config, report
from terminator.aws import Aws
from terminator.config import Config, ConfigError
from terminator.errors import AWS_ERRORS, explain
from terminator.functions import ReconcileError, run_reconcile
from terminator.probe import ask
from terminator.reconcile import reconcile
from terminator.report import Line, Record
from terminator.survey import Scope, World
from terminator.table import show

DONE: Final = 0
FAILED: Final = 1
UNUSABLE: Final = 2

# The deployed reconcile may take five minutes.
_LONGEST_RUN: Final = 330

Command = TypeVar("Command", bound=Callable[..., Any])


class FailedError(click.ClickException):
    """The groups could not be served."""

    exit_code = FAILED


class UnusableError(click.ClickException):
    """Usage or configuration stands in the way."""

    exit_code = UNUSABLE


@dataclass(frozen=True)
class _Options:
    groups: tuple[str, ...]
    config_file: Path
    local: bool
    as_json: bool
    verbose: bool


def _options(command: Command) -> Command:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


_OPTIONS: Final[Sequence[Callable[[Any], Any]]] = (
    click.option(
        "--group",
        "groups",
        multiple=True,
        metavar="NAME",
        help="Only this group; may be given more than once. It must have opted in.",
    ),
    click.option(
        "--config",
        "config_file",
        type=click.Path(path_type=Path),
        default=Path("cdk.json"),
        show_default=True,
        help="The file whose context.terminator holds the settings.",
    ),
    click.option(
        "--local",
        is_flag=True,
        help="Do the work in this process instead of asking the deployed function.",
    ),
    click.option("--json", "as_json", is_flag=True, help="Print decision records, as a list."),
    click.option(
        "-v",
        "--verbose",
        is_flag=True,
        help="With --local: log lines on standard error as they come.",
    ),
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="terminator")
def main() -> None:
    """Keep EC2 Auto Scaling groups on the release they should be running.

    Account, Region and endpoint are boto3's to find: AWS_PROFILE, AWS_DEFAULT_REGION,
    AWS_ENDPOINT_URL and so on. Exit status: 0 done (a hold is done), 1 something failed in
    some group, 2 usage or configuration.
    """


@main.command()
@_options
def plan(**options: Any) -> None:  # noqa: ANN401 - click passes what _OPTIONS declare
    """Show what would be done now, and why; terminate nothing.

    Example: terminator plan --group live_asg_web
    """
    _run(_Options(**options), dry_run=True)


@main.command()
@_options
def apply(**options: Any) -> None:  # noqa: ANN401 - click passes what _OPTIONS declare
    """Do now what is due: terminate what the rules let go.

    Example: terminator apply --json
    """
    _run(_Options(**options), dry_run=False)


def _run(options: _Options, *, dry_run: bool) -> None:
    ask = _locally if options.local else _deployed
    try:
        settings = replace(config.from_file(options.config_file), dry_run=dry_run)
        records = ask(options, settings)
    except (ConfigError, ProfileNotFound) as error:
        raise UnusableError(str(error)) from error
    except (NoCredentialsError, PartialCredentialsError) as error:
        lacking = "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        raise UnusableError(f"no credentials: {lacking}") from error
    except ReconcileError as error:
        raise FailedError(str(error)) from error
    except AWS_ERRORS as error:
        raise FailedError(f"AWS says: {explain(error)}") from error
    _print(records, as_json=options.as_json)
    raise SystemExit(FAILED if any(map(report.is_failure, records)) else DONE)


def _locally(options: _Options, settings: Config) -> list[Record]:
    world = _world(Console(stderr=True), verbose=options.verbose)
    scope = Scope(groups=frozenset(options.groups) if options.groups else None)
    return [report.record(outcome) for outcome in reconcile(world, settings, scope)]


def _deployed(options: _Options, settings: Config) -> list[Record]:
    function, functions = f"{settings.name}-reconcile", _aws().functions
    groups = {"groups": list(options.groups)} if options.groups else {}
    try:
        return run_reconcile(functions, function, {"dry_run": settings.dry_run, **groups})
    except functions.exceptions.ResourceNotFoundException as error:
        raise UnusableError(f"no function {function} is deployed here; see --local") from error
    except functions.exceptions.TooManyRequestsException as error:
        raise FailedError("a run is in progress; ask again in a minute") from error


def _aws() -> Aws:
    """Return AWS as boto3's environment has it, or say what that environment lacks."""
    aws = Aws(boto3.Session(), invoke_seconds=_LONGEST_RUN)
    try:
        aws.autoscaling  # noqa: B018 - making a client is what looks at the environment
    except NoRegionError as error:
        raise UnusableError("no Region: set AWS_DEFAULT_REGION or AWS_PROFILE") from error
    except ValueError as error:
        raise UnusableError(f"AWS_ENDPOINT_URL: {error}") from error
    return aws


def _world(console: Console, *, verbose: bool) -> World:
    def say(line: Line) -> None:
        if verbose:
            console.print(line.text, markup=False, highlight=False, soft_wrap=True)

    def sleep(seconds: float) -> None:
        with console.status(f"waiting {seconds:.0f} seconds before the second look"):
            time.sleep(seconds)

    return World(
        aws=_aws(),
        probe=lambda _vpc, questions, seconds: ask(questions, seconds),
        clock=lambda: datetime.now(UTC),
        sleep=sleep,
        remaining=lambda: math.inf,
        say=say,
    )


def _print(records: Sequence[Record], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(records, indent=2))
    elif records:
        show(Console(), records)
    else:
        click.echo(report.nothing_to_serve().text, err=True)
