"""`make mutants`: does a test fail for every small change to the decision?"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence

import click

from . import stage, survivors
from .stage import MODULES
from .survivors import KILLED, Change, Mutant


@click.command()
@click.argument("modules", nargs=-1, type=click.Choice(MODULES))
@click.option("--jobs", default=1, show_default=True, help="How many mutants run at a time.")
def main(modules: tuple[str, ...], jobs: int) -> None:
    """Mutate the modules (all of them unless some are named) and run their tests on each mutant.

    Ends with 1 where a mutant survives that is not explained, or an explained one does not
    survive any more.
    """
    started = time.monotonic()
    chosen = modules or MODULES
    stage.build()
    _run([f"terminator.{module}.*" for module in modules], jobs)
    mutants = survivors.results(chosen)
    if missing := set(chosen) - {mutant.module for mutant in mutants}:
        sys.exit(f"mutmut made no mutants of {', '.join(sorted(missing))}")
    _show_score(mutants, chosen)
    found = Counter(survivors.change(m) for m in mutants if m.status not in KILLED)
    known = Counter({c: n for c, n in survivors.explained().items() if c.module in chosen})
    _show("survives and is not explained", found - known)
    _show("is explained and does not survive", known - found)
    click.echo(f"{found.total()} survive, {(found & known).total()} of them explained; ", nl=False)
    click.echo(f"{(time.monotonic() - started) / 60:.0f} minutes")
    sys.exit(found != known)


def _run(names: Sequence[str], jobs: int) -> None:
    # The same examples in the same order for every mutant: nothing must depend on chance.
    environment = {**os.environ, "HYPOTHESIS_PROFILE": "mutants", "PYTHONHASHSEED": "0"}
    command = [survivors.MUTMUT, "run", "--max-children", str(jobs), *names]
    done = subprocess.run(  # noqa: S603 - mutmut, on names of our own modules
        command, cwd=stage.STAGE, env=environment, check=False
    )
    if done.returncode:
        sys.exit(f"mutmut ended with status {done.returncode}")


def _show_score(mutants: Sequence[Mutant], modules: Sequence[str]) -> None:
    click.echo()
    for module in (*modules, "all"):
        of = [mutant for mutant in mutants if module in {mutant.module, "all"}]
        killed = sum(mutant.status in KILLED for mutant in of)
        late = sum(mutant.status == "timeout" for mutant in of)
        score = f"{killed / len(of):6.1%}" if of else "nothing to mutate"
        click.echo(f"{module:10} {killed:5} of {len(of):5} killed {score}, {late} by time")


def _show(what: str, changes: Counter[Change]) -> None:
    for change, number in sorted(changes.items(), key=lambda item: str(item[0])):
        times = f" ({number} times)" if number > 1 else ""
        click.echo(f"\n{change.module}.{change.function} {what}{times}:\n{change.lines}")


if __name__ == "__main__":
    main()
