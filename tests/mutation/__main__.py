"""Small changes to the decision, and what notices them: its tests, or the search alone."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

import click

from . import search_alone, stage, survivors
from .survivors import KILLED, Change, Mutant


@click.group()
def main() -> None:
    """Change the decision in small ways, one at a time, and see what notices it."""


@main.command()
@click.argument("modules", nargs=-1, type=click.Choice(stage.MODULES))
@click.option("--jobs", default=1, show_default=True, help="How many mutants run at a time.")
def tests(modules: tuple[str, ...], jobs: int) -> None:
    """Run the tests of the modules (of all unless some are named) on each mutant.

    Ends with 1 where a mutant survives that is not explained, or an explained one does not
    survive any more.
    """
    started = time.monotonic()
    chosen = modules or stage.MODULES
    stage.build()
    survivors.run([f"terminator.{module}.*" for module in modules], jobs)
    mutants = survivors.results(chosen)
    if missing := set(chosen) - {mutant.module for mutant in mutants}:
        sys.exit(f"mutmut made no mutants of {', '.join(sorted(missing))}")
    click.echo()
    for module in (*chosen, "all"):
        _show_score(module, [each for each in mutants if module in {each.module, "all"}])
    found = Counter(survivors.change(each) for each in mutants if each.status not in KILLED)
    known = Counter({c: n for c, n in survivors.explained().items() if c.module in chosen})
    _show_survivors("survives and is not explained", found - known)
    _show_survivors("is explained and does not survive", known - found)
    explained = (found & known).total()
    click.echo(f"{found.total()} survive, {explained} of them explained; {_minutes(started)}")
    sys.exit(found != known)


def _show_score(module: str, mutants: Sequence[Mutant]) -> None:
    killed = sum(mutant.status in KILLED for mutant in mutants)
    late = sum(mutant.status == "timeout" for mutant in mutants)
    score = f"{killed / len(mutants):6.1%}" if mutants else "nothing to mutate"
    click.echo(f"{module:20} {killed:5} of {len(mutants):5} killed {score}, {late} by time")


def _show_survivors(what: str, changes: Counter[Change]) -> None:
    for change, number in sorted(changes.items(), key=lambda item: str(item[0])):
        times = f" ({number} times)" if number > 1 else ""
        click.echo(f"\n{change.module}.{change.function} {what}{times}:\n{change.lines}")


@main.command()
@click.option("--sample", default=40, show_default=True, help="How many changes to try.")
@click.option("--seed", default=0, show_default=True, help="Which changes are drawn.")
@click.option("--jobs", default=2, show_default=True, help="How many are tried at a time.")
def search(sample: int, seed: int, jobs: int) -> None:
    """Run the search alone on a sample of all changes to `decide/`."""
    started = time.monotonic()
    changes = search_alone.sample(sample, seed)
    with ThreadPoolExecutor(jobs) as pool:
        found = list(zip(changes, pool.map(search_alone.noticed, changes), strict=True))
    _show_noticed("Noticed", [each for each in found if each[1] is not None])
    _show_noticed("Not noticed", [each for each in found if each[1] is None])
    number = sum(how is not None for _, how in found)
    click.echo(f"\n{number} of {len(found)} changes noticed; {_minutes(started)}")


def _show_noticed(title: str, found: Iterable[tuple[search_alone.Change, str | None]]) -> None:
    click.echo(f"\n{title}:")
    for change, how in found:
        where, *lines = change.lines
        nothing = f"no promise breaks in {search_alone.STEPS:,} steps"
        click.echo(f"\n{where}: {how or nothing}")
        click.echo("\n".join(f"    {line}" for line in lines))


def _minutes(started: float) -> str:
    return f"{(time.monotonic() - started) / 60:.1f} minutes"


if __name__ == "__main__":
    main()
