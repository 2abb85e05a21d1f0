"""`terminator status`: what every group runs, wants and waits for; once, or until it has it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial

import click
from click.core import ParameterSource

from terminator.config import deployment as config
from terminator.config.deployment import Config
from terminator.config.values import duration
from terminator.report import record as report
from terminator_cli import options, output, reach
from terminator_cli.exits import DONE, FAILED, UnusableError
from terminator_cli.options import Asked
from terminator_cli.standing import block, summary
from terminator_cli.watch import Watch, follow
from terminator_cli.watching import view


def _timeout(
    _context: click.Context, _option: click.Parameter, text: str | None
) -> timedelta | None:
    try:
        return None if text is None else duration(text)
    except ValueError as error:
        raise click.BadParameter("accepted is a duration such as 90s, 30m or 2h") from error


@click.command()
@options.groups
@click.option("-w", "--watch", is_flag=True, help="Look again until all have converged.")
@click.option(
    "--interval",
    type=click.FloatRange(min=1, max=3600),
    default=15,
    show_default=True,
    metavar="SECONDS",
    help="With --watch: the time between two looks.",
)
@click.option(
    "--timeout",
    callback=_timeout,
    metavar="DURATION",
    help="With --watch: end after this time, such as 30m, with exit status 3.",
)
@options.observing
def status(
    asked: Asked,
    groups: tuple[str, ...],
    *,
    watch: bool,
    interval: float,
    timeout: timedelta | None,
) -> None:
    """Show what every group runs, wants and waits for.

    It changes nothing. With --watch it stays until every group has converged; not on a terminal
    it prints a line for each change instead, or with --json an object. Exit status: 0 shown, or
    converged; 1 something failed in some group; 3 not converged within --timeout; 130
    interrupted.

    \b
    Examples: terminator status --group live_asg_web
              terminator status --watch --timeout 30m
    """  # noqa: D301 - \b keeps click from filling the lines
    if not watch:
        _refuse("interval", "timeout")
    settings = replace(config.from_file(asked.config_file), dry_run=True)
    if watch:
        raise SystemExit(_watch(asked, settings, groups, Watch(interval, timeout)))
    records = reach.run(asked, settings, groups)
    if asked.as_json:
        output.document([summary(record) for record in records])
    elif records:
        console = output.console()
        for record in records:
            console.print(block(record), "")
    else:
        output.note(report.nothing_to_serve().text)
    raise SystemExit(FAILED if any(map(report.is_failure, records)) else DONE)


def _refuse(*of_a_watch: str) -> None:
    # Who gives one of them expects to wait, and would take a single look for the end of it.
    source = click.get_current_context().get_parameter_source
    for name in of_a_watch:
        if source(name) is not ParameterSource.DEFAULT:
            raise UnusableError(f"--{name} is for a watch: add --watch")


def _watch(asked: Asked, settings: Config, groups: Sequence[str], how: Watch) -> int:
    only_looks = not asked.local and config.from_file(asked.config_file).dry_run
    remark = "dry_run is true in the settings: what is deployed only looks" if only_looks else ""
    look = partial(reach.run, asked, settings, groups, quiet=True)
    with view(as_json=asked.as_json, within=how.timeout, remark=remark) as shown:
        return follow(look, shown, how)
