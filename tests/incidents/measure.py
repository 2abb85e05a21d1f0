"""What releases that go wrong cost, and how soon a fleet that is down is back, as tables.

python -m tests.incidents.measure [--quick]
"""

# ruff: noqa: T201 - it is a program for people

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Any, Final

from tests.fakes.groups import Program, minutes
from tests.incidents.fleets import (
    BALANCED,
    BARE,
    CHECKED,
    FIX,
    NEW,
    STALE,
    fleet,
    settings_of,
)

# What stands before a group, and whose health checks replace its instances.
_KINDS: Final[Mapping[str, Mapping[str, Any]]] = {
    "no load balancer": BARE,
    "load balancer": BALANCED,
    "its health checks": CHECKED,
}
_LARGE: Final = 50
_Cell = Callable[[], str]


def main() -> None:
    """Print the tables; with --quick those of small fleets."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="leave out fleets of 50 and more")
    most = _LARGE if parser.parse_args().quick else 10**6
    with ProcessPoolExecutor() as pool:
        for title, head, rows in _tables(most):
            cells = [(name, [pool.submit(each) for each in row]) for name, row in rows]
            print(f"\n{title}\n\n| {' | '.join(head)} |\n|{' --- |' * len(head)}")
            for name, measured in cells:
                print(f"| {' | '.join([name, *(each.result() for each in measured)])} |")


def _tables(most: int) -> Iterable[tuple[str, Sequence[str], list[tuple[str, list[_Cell]]]]]:
    def below(*sizes: int) -> list[int]:
        return [size for size in sizes if size < most]

    yield (
        "Instances lost in a week to boots that stay on the old release",
        ["n", *_KINDS],
        [
            (str(n), [partial(stale_for_a_week, n, kind) for kind in _KINDS])
            for n in below(1, 2, 3, 4, 8, 50)
        ],
    )
    yield (
        "Instances lost in half a day to a release that dies, and how many of them served",
        ["it dies after", *(f"n = {n}, {kind}" for n in below(10, 200) for kind in _KINDS)],
        [
            (
                f"{after} minutes",
                [partial(dying, n, after, kind) for n in below(10, 200) for kind in _KINDS],
            )
            for after in (2, 8, 12, 30)
        ],
    )
    yield (
        "Hours from the fix until all of a fleet that is down serve again, and until one does",
        ["n", *_KINDS],
        [
            (f"{n}, minimum {minimum}", [partial(down, n, minimum, kind) for kind in _KINDS])
            for n, minimum in ((1, "0"), (1, "1"), (3, "50%"), (10, "50%"), (200, "50%"))
            if n < most
        ],
    )


def stale_for_a_week(desired: int, kind: str) -> str:
    """Return how many are lost in a week in which no boot runs the release."""
    minimum = "0" if desired == 1 else "50%"
    lives = fleet(desired, tags=settings_of(minimum=minimum), **_KINDS[kind])
    lives.release(NEW, STALE)
    lives.pass_hours(7 * 24)
    return str(lives.lost)


def dying(desired: int, after: float, kind: str) -> str:
    """Return how many are lost to a release that dies so many minutes after it answers."""
    lives = fleet(desired, **_KINDS[kind])
    lives.release(NEW, Program(dies=minutes(after)))
    lives.pass_hours(12)
    return f"{lives.lost} ({len(lives.lost_serving)})"


def down(desired: int, minimum: str, kind: str) -> str:
    """Return in how many hours a fleet that fell silent serves the fix, and at all."""
    lives = fleet(desired, tags=settings_of(minimum="0"), **_KINDS[kind])
    lives.release(NEW)
    lives.hours_until(lambda: lives.all_serve(NEW), most=12)
    lives.group.tags |= settings_of(minimum=minimum)

    def crash() -> None:
        for machine in lives.members(NEW):
            machine.deaf = True

    lives.pass_hours(2, crash)
    lives.release(FIX)
    first = lives.hours_until(lambda: lives.serving(FIX) > 0, most=24, meanwhile=crash)
    rest = lives.hours_until(lambda: lives.all_serve(FIX), most=24, meanwhile=crash)
    if first is None or rest is None:
        return "never"
    return f"{first + rest:.1f} ({first:.1f})"


if __name__ == "__main__":
    main()
