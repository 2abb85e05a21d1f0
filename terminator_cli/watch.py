"""Looking again and again until every group has converged."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

import click

from terminator_cli.exits import DONE, FAILED, UNCONVERGED, told
from terminator_cli.reach import Record
from terminator_cli.standing import has_converged


@dataclass(frozen=True)
class Watch:
    """How to watch: seconds between looks, and when to give up (None: never)."""

    interval: float
    timeout: timedelta | None = None


class View(Protocol):
    """What shows the looks."""

    def show(self, records: Sequence[Record]) -> None:
        """Show what a look saw."""

    def trouble(self, text: str) -> None:
        """Show why a look failed."""

    def end(self, text: str) -> None:
        """Say how it ended."""


def follow(
    look: Callable[[], Sequence[Record]],
    view: View,
    how: Watch,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Look until every group has converged, and return the exit status.

    The first look may raise; a later one that fails is shown, and made again. A name that
    matches no group ends it, for no time will mend that.
    """
    begun = clock()
    records = look()
    while True:
        view.show(records)
        if any(record["app"] is None for record in records):
            return FAILED
        if all(map(has_converged, records)):
            view.end("all have converged" if records else "no group to serve")
            return DONE
        if how.timeout is not None and clock() - begun + how.interval > how.timeout.total_seconds():
            view.end("not converged in time")
            return UNCONVERGED
        sleep(how.interval)
        records = _again(look, view, records)


def _again(
    look: Callable[[], Sequence[Record]], view: View, before: Sequence[Record]
) -> Sequence[Record]:
    try:
        with told():
            return look()
    except click.ClickException as error:
        view.trouble(error.message)
        return before
