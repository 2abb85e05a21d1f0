"""The options that commands share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, wraps
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from terminator.config.deployment import Config, ConfigError
from terminator_cli import settings

Command = TypeVar("Command", bound=Callable[..., Any])


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
        return settings.read(self.config_file)


def _remembered(context: click.Context, option: click.Parameter, text: str | None) -> None:
    """Keep --profile and --region for whoever makes a session (see reach.session)."""
    context.meta[f"terminator.{option.name}"] = text


_PROFILE: Final = click.option(
    "--profile",
    metavar="NAME",
    callback=_remembered,
    expose_value=False,
    help="The profile of the AWS configuration to use. Default: as boto3 finds it.",
)
_REGION: Final = click.option(
    "--region",
    metavar="NAME",
    callback=_remembered,
    expose_value=False,
    help="The Region to look at, such as eu-west-1. Default: as boto3 finds it.",
)


def config_file(meaning: str) -> Callable[[Command], Command]:
    """Declare --config, and with it --profile and --region."""
    config = click.option(
        "--config",
        "config_file",
        envvar="TERMINATOR_CONFIG_FILE",
        show_envvar=True,
        type=click.Path(path_type=Path),
        default=Path("cdk.json"),
        show_default=True,
        help=meaning,
    )

    def declared(command: Command) -> Command:
        return config(_PROFILE(_REGION(command)))

    return declared


_CONFIG: Final = config_file("The file whose context.terminator holds the settings.")
_LOCAL: Final = click.option(
    "--local",
    is_flag=True,
    envvar="TERMINATOR_LOCAL",
    show_envvar=True,
    help="Do the work in this process instead of asking the deployed function.",
)
_JSON: Final = click.option("--json", "as_json", is_flag=True, help="Print JSON instead.")
_VERBOSE: Final = click.option(
    "-v",
    "--verbose",
    is_flag=True,
    help="With --local: log lines on standard error as they come.",
)

dry_run: Final = click.option("--dry-run", is_flag=True, help="Show it, and change nothing.")
yes: Final = click.option("-y", "--yes", is_flag=True, help="Do not ask.")


def common(command: Command) -> Callable[..., Any]:
    """Declare --config and --json, and pass them as an Asked."""
    return _CONFIG(_JSON(_as_asked(command)))


def observing(command: Command) -> Callable[..., Any]:
    """Declare --config, --local, --json and -v, and pass them as an Asked."""
    return _CONFIG(_LOCAL(_JSON(_VERBOSE(_as_asked(command)))))


def _as_asked(command: Command) -> Callable[..., Any]:
    @wraps(command)
    def asked(
        config_file: Path,
        *,
        as_json: bool,
        local: bool = False,
        verbose: bool = False,
        **rest: Any,  # noqa: ANN401 - what the command declares itself
    ) -> None:
        command(Asked(config_file, as_json, local, verbose), **rest)

    return asked


def names(context: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    """Complete the name of a group, or of its app: those that the settings list."""
    file = context.params.get("config_file") or Path("cdk.json")
    try:
        known = settings.read(file).names
    except ConfigError:
        return []
    return [name for name in known if name.startswith(begun)]


groups: Final = click.option(
    "--group",
    "groups",
    multiple=True,
    metavar="NAME",
    shell_complete=names,
    help="Only this group; may be given more than once. It must have opted in.",
)


def app(
    *, required: bool = True, default: str = "those of all groups that opted in"
) -> Callable[[Command], Command]:
    """Declare --app."""
    meaning = "The app whose releases are meant."
    default = "" if required else f" Default: {default}."
    return click.option(
        "--app", metavar="NAME", required=required, shell_complete=names, help=meaning + default
    )
