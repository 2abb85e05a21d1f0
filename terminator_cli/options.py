"""The options that commands share, and what is made of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from datetime import timedelta

    from terminator.config.deployment import Config

Completes = Callable[[click.Context, click.Parameter, str], list[str]]


@dataclass(frozen=True)
class Asked:
    """What every command is told: the file with the settings, and how to answer.

    `local` and `verbose` matter to those that observe instances: in this process, and with
    the log lines shown.
    """

    config_file: Path
    as_json: bool
    local: bool = False
    verbose: bool = False

    @cached_property
    def config(self) -> Config:
        """The settings of the file; reading them raises ConfigError naming file and setting."""
        from terminator_cli import settings

        return settings.read(self.config_file)


@dataclass(frozen=True)
class Shared:
    """Options that several commands have, and the `module:name` that makes one argument of them."""

    maker: str
    options: tuple[click.Option, ...]

    def made_of(self, given: dict[str, Any]) -> object:
        """Take these options out of what was given, and return what is made of them."""
        names = [each.name or "" for each in self.options if each.expose_value]
        module, _, name = self.maker.partition(":")
        make: Callable[..., object] = getattr(import_module(f"terminator_cli.{module}"), name)
        return make(**{name: given.pop(name) for name in names})


def duration(
    _context: click.Context, _parameter: click.Parameter, text: str | None
) -> timedelta | None:
    """Read a time span as tags and settings have it: `90s`, `10m`, `1h30m`."""
    from terminator.config import values

    try:
        return None if text is None else values.duration(text)
    except ValueError as error:
        accepted = "accepted is a duration such as 90s, 30m or 1h30m, at most 30d"
        raise click.BadParameter(accepted) from error


def complete(kind: str) -> Completes:
    """Return what completes a `group`, an `app`, a `version` or an `instance`."""

    def completed(context: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
        from terminator_cli import completion

        return completion.names(kind, context, begun)

    return completed


def _remembered(context: click.Context, option: click.Parameter, text: str | None) -> None:
    """Keep --profile and --region for whoever makes a session (see reach.session)."""
    context.meta[f"terminator.{option.name}"] = text


def _ago(_context: click.Context, _parameter: click.Parameter, text: str | None) -> datetime | None:
    from terminator_cli import moments

    return None if text is None else moments.ago(text, datetime.now(UTC))


def from_now(
    _context: click.Context, _parameter: click.Parameter, text: str | None
) -> datetime | None:
    """Read a time, or a time span from now on: `2026-11-30T06:00:00Z`, `1h30m`."""
    from terminator_cli import moments

    return None if text is None else moments.from_now(text, datetime.now(UTC))


def _config(meaning: str) -> tuple[click.Option, ...]:
    """Return --config, and with it --profile and --region."""
    return (
        click.Option(
            ["--config", "config_file"],
            envvar="TERMINATOR_CONFIG_FILE",
            show_envvar=True,
            type=click.Path(path_type=Path),
            default=Path("cdk.json"),
            show_default=True,
            help=meaning,
        ),
        click.Option(
            ["--profile"],
            metavar="NAME",
            callback=_remembered,
            expose_value=False,
            help="The profile of the AWS configuration to use. Default: as boto3 finds it.",
        ),
        click.Option(
            ["--region"],
            metavar="NAME",
            callback=_remembered,
            expose_value=False,
            help="The Region to look at, such as eu-west-1. Default: as boto3 finds it.",
        ),
    )


_SETTINGS: Final = _config("The file whose context.terminator holds the settings.")
_JSON: Final = click.Option(["--json", "as_json"], is_flag=True, help="Print JSON instead.")
DRY_RUN: Final = click.Option(["--dry-run"], is_flag=True, help="Show it, and change nothing.")
YES: Final = click.Option(["-y", "--yes"], is_flag=True, help="Do not ask.")
GROUPS: Final = click.Option(
    ["--group", "groups"],
    multiple=True,
    metavar="NAME",
    shell_complete=complete("group"),
    help="Only this group; may be given more than once. It must have opted in.",
)

COMMON: Final = Shared("options:Asked", (*_SETTINGS, _JSON))
OBSERVING: Final = Shared(
    "options:Asked",
    (
        *_SETTINGS,
        click.Option(
            ["--local"],
            is_flag=True,
            envvar="TERMINATOR_LOCAL",
            show_envvar=True,
            help="Do the work in this process instead of asking the deployed function.",
        ),
        _JSON,
        click.Option(
            ["-v", "--verbose"],
            is_flag=True,
            help="With --local: log lines on standard error as they come.",
        ),
    ),
)
RECORDS: Final = Shared(
    "recordings:wanted",
    (
        click.Option(
            ["--group", "groups"],
            multiple=True,
            metavar="NAME",
            shell_complete=complete("group"),
            help="Only this group; may be given more than once.",
        ),
        click.Option(
            ["--since"],
            callback=_ago,
            metavar="TIME",
            help="From then on: 90s, 30m, 1h30m, 7d ago, or a time (2026-11-18T12:00, UTC). "
            "The log is read for a day unless told otherwise; a file is read whole.",
        ),
        click.Option(
            ["--until"], callback=_ago, metavar="TIME", help="Up to then, written likewise."
        ),
        click.Option(
            ["--file"],
            envvar="TERMINATOR_FILE",
            show_envvar=True,
            type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
            help="Read this file (- is standard input) instead of CloudWatch Logs: log lines, or "
            "JSON as history, plan --json or aws logs filter-log-events prints it.",
        ),
        *_config("The file whose context.terminator names the deployment."),
    ),
)


def app(meaning: str, *, required: bool = False) -> click.Option:
    """Return --app."""
    return click.Option(
        ["--app"],
        metavar="NAME",
        required=required,
        shell_complete=complete("app"),
        help=meaning,
    )
