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
from terminator.config import ConfigError
from terminator.errors import AWS_ERRORS, explain
from terminator.probe import ask
from terminator.reconcile import reconcile
from terminator.report import Line, Outcome, Record
from terminator.survey import Scope, World
from terminator.table import show

DONE: Final = 0
FAILED: Final = 1
UNUSABLE: Final = 2

# AWS cannot even be asked: that is the caller's to mend.
_NO_AWS: Final = (NoCredentialsError, NoRegionError, PartialCredentialsError, ProfileNotFound)

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
    click.option("--local", is_flag=True, help="Do the work in this process."),
    click.option("--json", "as_json", is_flag=True, help="Print decision records, as a list."),
    click.option("-v", "--verbose", is_flag=True, help="Log lines on standard error as they come."),
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
    """Show what would be done now, and why; never terminates anything.

    Example: terminator plan --local --group live_asg_web
    """
    _run(_Options(**options), dry_run=True)


@main.command()
@_options
def apply(**options: Any) -> None:  # noqa: ANN401 - click passes what _OPTIONS declare
    """Do now what is due: terminate outdated instances that the rules let go.

    Example: terminator apply --local --json
    """
    _run(_Options(**options), dry_run=False)


def _run(options: _Options, *, dry_run: bool) -> None:
    if not options.local:
        raise UnusableError("only --local is there so far: this process does the work")
    outcomes = _locally(options, dry_run=dry_run)
    _print([report.record(outcome) for outcome in outcomes], as_json=options.as_json)
    failed = any(outcome.has_failed for outcome in outcomes)
    raise SystemExit(FAILED if failed else DONE)


def _locally(options: _Options, *, dry_run: bool) -> list[Outcome]:
    try:
        settings = replace(config.from_file(options.config_file), dry_run=dry_run)
        scope = Scope(groups=frozenset(options.groups) if options.groups else None)
        return reconcile(_world(Console(stderr=True), verbose=options.verbose), settings, scope)
    except (ConfigError, *_NO_AWS) as error:
        raise UnusableError(str(error)) from error
    except AWS_ERRORS as error:
        raise FailedError(f"cannot list the groups: {explain(error)}") from error


def _world(console: Console, *, verbose: bool) -> World:
    def say(line: Line) -> None:
        if verbose:
            console.print(line.text, markup=False, highlight=False, soft_wrap=True)

    def sleep(seconds: float) -> None:
        with console.status(f"waiting {seconds:.0f} seconds before the second look"):
            time.sleep(seconds)

    return World(
        aws=Aws(boto3.Session()),
        probe=lambda _vpc, questions, seconds: ask(questions, seconds),
        clock=lambda: datetime.now(UTC),
        sleep=sleep,
        remaining=lambda: math.inf,
        say=say,
    )


def _print(records: Sequence[Record], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(records, indent=2))
    else:
        show(Console(), records)
