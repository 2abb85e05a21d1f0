"""`terminator status`: what every group runs, wants and waits for; once, or until it has it."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Any, Final

import click
from click.core import ParameterSource
from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from terminator.config.deployment import Config
from terminator.observe.snapshot import Scope
from terminator.report.log_lines import nothing_to_serve
from terminator.report.record import Record, shown
from terminator.text import count, few, span, timeless
from terminator.version import Order, stands_for
from terminator_cli import output, reach, settings
from terminator_cli.exits import DONE, FAILED, UNCONVERGED, NotServedError, UnusableError, told
from terminator_cli.options import Asked
from terminator_cli.records import (
    block,
    by_need,
    has_converged,
    line,
    progress,
    said,
    title,
    versions,
    without_version,
)
from terminator_cli.stream import a_version, an_app

_SHORTEST: Final = timedelta(seconds=1)
_LONGEST: Final = timedelta(hours=1)


def status(  # noqa: PLR0913 - the options it declares
    asked: Asked,
    groups: tuple[str, ...],
    *,
    app: str | None,
    watch: bool,
    wanted: str | None,
    interval: timedelta,
    timeout: timedelta | None,
) -> None:
    """Show what every group runs, wants and waits for."""
    source = click.get_current_context().get_parameter_source
    names = {"interval": "interval", "timeout": "timeout", "wanted": "version"}
    for parameter, name in () if watch else names.items():
        # Who gives one of them expects to wait, and would take a single look for the end of it.
        if source(parameter) is not ParameterSource.DEFAULT:
            raise UnusableError(f"--{name} is for a watch: add --watch")
    if not _SHORTEST <= interval <= _LONGEST:
        raise UnusableError("--interval is from 1s to 1h")
    if wanted is not None:
        a_version(wanted, _order(asked.config, app))
    config, app = asked.config, None if app is None else an_app(app)
    config, scope = replace(config, dry_run=True), Scope(app, frozenset(groups) or None)
    if watch:
        look = partial(reach.run, asked, config, scope, quiet=True)
        how = Watch(interval.total_seconds(), timeout, wanted, partial(_none, config, app))
        with _shown(asked, timeout, _remarks(asked)) as show:
            raise SystemExit(follow(look, show, how))
    records = reach.run(asked, config, scope)
    if asked.as_json:
        output.document([summary(record) for record in records])
    elif records:
        console = output.console()
        for record in by_need(records):
            console.print(block(record), "")
    else:
        output.note(_none(config, app))
    raise SystemExit(FAILED if any(record.has_failed for record in records) else DONE)


def _none(config: Config, app: str | None) -> str:
    """Say that there is no group to serve, or none of an app, and where none was found."""
    return nothing_to_serve().text + reach.where() if app is None else reach.none_of(app, config)


@dataclass(frozen=True)
class Remarks:
    """What else there is to know of a watch: about all of it, and while it goes on."""

    always: str = ""
    meanwhile: str = ""


def _remarks(asked: Asked) -> Remarks:
    """Say that what is deployed only looks, or when it acts next; with --local nobody knows."""
    if asked.local:
        return Remarks()
    if asked.config.dry_run:
        return Remarks("dry_run is true in the settings: what is deployed only looks")
    every = span(settings.period(asked.config_file, asked.config))
    return Remarks(meanwhile=f"the next run comes within {every}")


def _order(config: Config, app: str | None) -> Order:
    """Return the order of an app's releases, or of all: `uploaded` takes any version."""
    if config.bucket is None:
        return "version"
    orders = {config.bucket.order, *config.bucket.orders.values()}
    if app is not None:
        orders = {config.bucket.order_of(app)}
    return "uploaded" if "uploaded" in orders else "version"


def summary(record: Record) -> dict[str, Any]:
    """Return what `--json` prints of a group: its record, and beside it versions counted."""
    return {
        **record.to_json(),
        "versions": dict(versions(record)),
        "without_version": dict(without_version(record)),
        "converged": has_converged(record),
    }


@dataclass(frozen=True)
class Watch:
    """How to watch: seconds between looks, when to give up (None: never), and until what runs.

    Without a `version` it is whatever each group should run. `none` says that there is no group.
    """

    interval: float
    timeout: timedelta | None = None
    version: str | None = None
    none: Callable[[], str] = lambda: nothing_to_serve().text

    def is_over(self, record: Record) -> bool:
        """Say whether a group has got where the watch ends."""
        if not has_converged(record):
            return False
        return self.version is None or (bool(record.instances) and self.runs(record))

    def runs(self, record: Record) -> bool:
        """Say whether all the available instances run the version that was asked for."""
        found = [each.version for each in record.instances if each.counted]
        return self.version is not None and all(
            text is not None and stands_for(text, self.version) for text in found
        )


# Shows what a look saw, why the last one failed, and how the watch ended (each may be empty).
Show = Callable[[Sequence[Record], str, str], None]


def follow(
    look: Callable[[], Sequence[Record]],
    show: Show,
    how: Watch,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Look until every group has converged, and return the exit status.

    The first look may raise; a later one that fails is shown, and made again. A name that
    matches no group, or no group at all, ends it as failed, for no time will mend that.
    """
    end = math.inf if how.timeout is None else clock() + how.timeout.total_seconds()
    records, trouble = look(), ""
    while True:
        if any(record.app is None for record in records):
            show(records, trouble, "")
            return FAILED
        if not records:
            show(records, trouble, how.none())
            return FAILED
        if all(map(how.is_over, records)):
            runs = f" on {how.version}" if how.version else ""
            show(records, trouble, f"all have converged{runs}")
            return DONE
        if clock() + how.interval > end:
            show(records, trouble, _not_in_time(records, how))
            return UNCONVERGED
        show(records, trouble, "")
        sleep(how.interval)
        try:
            with told():
                records, trouble = look(), ""
        except NotServedError:
            raise
        except click.ClickException as error:
            trouble = error.message


def _not_in_time(records: Sequence[Record], how: Watch) -> str:
    """Say that time is up and, where all converged on another version than asked for, on which."""
    if how.version is None or not all(map(has_converged, records)):
        return "not converged in time"
    others = [f"{shown(r.group)} wants {r.target or 'none'}" for r in records if not how.is_over(r)]
    return f"not on {how.version} in time: {few(others)}"


@contextmanager
def _shown(asked: Asked, within: timedelta | None, remarks: Remarks) -> Iterator[Show]:
    """Show what is watched, for as long as the block: a live screen, or changes in a pipe."""
    console = output.console()
    if asked.as_json or not console.is_terminal:
        yield _changes(as_json=asked.as_json, remarks=remarks)
        return
    screen = Screen(within, remarks)
    with Live(get_renderable=screen.render, console=console, refresh_per_second=4) as live:
        yield screen.show
        screen.ended = screen.ended or "ended"
        live.refresh()


def _changes(*, as_json: bool, remarks: Remarks) -> Show:
    """Print a line, or an object, for each group that stands otherwise than before.

    What differs only in how much time has passed is told once.
    """
    before: dict[str, tuple[object, ...]] = {}

    def show(records: Sequence[Record], trouble: str, ended: str) -> None:
        more = () if before else (remarks.always, "" if ended else remarks.meanwhile)
        for text in filter(None, (trouble, *more)):
            output.note(text)
        for record in records:
            # A line has not all that an object has.
            seen = (said(record), record.instances) if as_json else (timeless(line(record)),)
            if before.get(record.group) != seen:
                before[record.group] = seen
                output.say(json.dumps(summary(record)) if as_json else line(record))
        if ended:
            output.note(ended)

    return show


def _left(done: int, of: int) -> str:
    """Say how many instances are not available on the target yet."""
    return f", {count(of - done, 'instance')} left" if done < of else ""


class Screen:
    """The groups as they stand, with progress, and the time that has passed.

    `within` is when the watch gives up.
    """

    def __init__(self, within: timedelta | None, remarks: Remarks) -> None:
        self._within, self._remarks = within, remarks
        self._begun = time.monotonic()
        self._records: Sequence[Record] | None = None
        self._trouble = self.ended = ""
        self._spinner = Spinner("dots", style="cyan")

    def show(self, records: Sequence[Record], trouble: str, ended: str) -> None:
        """Show these from the next refresh on."""
        self._records, self._trouble, self.ended = records, trouble, ended

    def render(self) -> RenderableType:
        """Return the whole screen; it is no longer than the terminal, so what is done is short."""
        rows: list[RenderableType] = []
        for record in sorted(by_need(self._records or ()), key=has_converged):
            if has_converged(record):
                rows.append(title(record).append(f": {shown(record.reason)}"))
                continue
            done, of = progress(record)
            bar = Table.grid(padding=(0, 1))
            bar.add_row(
                Text("          "),
                ProgressBar(total=of, completed=done, width=30),
                Text(f"{done} of {of} on target{_left(done, of)}"),
            )
            rows += [block(record), bar, Text()]
        if self._remarks.always:
            rows.append(Text(self._remarks.always, "yellow"))
        if self._trouble:
            rows.append(Text(shown(self._trouble), "red"))
        if self._remarks.meanwhile and self._records and not self.ended:
            rows.append(Text(self._remarks.meanwhile, "dim"))
        return Group(*rows, self._foot())

    def _foot(self) -> RenderableType:
        elapsed = span(timedelta(seconds=time.monotonic() - self._begun))
        text = "looking"
        if self._records is not None:
            done = sum(map(has_converged, self._records))
            text = f"{done} of {len(self._records)} groups converged"
        text += f", {elapsed} of {span(self._within)}" if self._within else f", {elapsed}"
        if self.ended:
            return Text(f"{self.ended}: {text}", "bold")
        self._spinner.update(text=Text(f"{text}; Ctrl-C ends the watch", "dim"))
        return self._spinner
