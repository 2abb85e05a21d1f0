"""The search at length: lives at random, each round from a seed of its own, until enough steps.

python -m tests.search.soak --steps 200000 --seed 0
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import count, islice

import click
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.search.examples import LIVES
from tests.search.judge import BrokenPromiseError
from tests.search.life import COUNTS, STEPS, Life, Step

STEPS_A_LIFE = 50
_LIVES_A_ROUND = 50
# Rounds that are handed out at a time, so that the end comes soon after enough steps.
_AT_ONCE = 4


def search(number: int) -> Counter[str]:
    """Live the lives of one seed, and return what was met.

    Raise BrokenPromiseError where a promise breaks; its note is the shortest life that does.
    """
    COUNTS.clear()
    lives = settings(
        max_examples=_LIVES_A_ROUND,
        stateful_step_count=STEPS_A_LIFE,
        deadline=None,
        database=None,
        phases=[Phase.generate],  # shortened by `shortest`, which knows what a step is
        suppress_health_check=list(HealthCheck),
    )
    try:
        run_state_machine_as_test(seed(number)(Life), settings=lives)
    except BrokenPromiseError:
        raise shortest(list(STEPS)) from None
    return Counter(COUNTS)


def lived(steps: Sequence[Step]) -> BrokenPromiseError | None:
    """Live a life of these steps; return the promise that broke, None where none did."""
    life = Life()
    try:
        for name, asked in steps:
            getattr(life, name)(**asked)
        life.teardown()
    except BrokenPromiseError as error:
        return error
    return None


def shortest(steps: Sequence[Step]) -> BrokenPromiseError:
    """Return the promise that a life breaks, with a life in its note that cannot be shorter.

    No step of it can be left out, nor a group that it begins with.
    """
    broke = lived(steps)
    if broke is None:
        raise ValueError(f"these steps break nothing: {steps}")
    while shorter := next((each for each in _shorter(steps) if _breaks(each, broke)), None):
        steps = shorter
    last = lived(steps) or broke
    last.add_note("\n".join(map(shown, steps)))
    return last


def _breaks(steps: Sequence[Step], before: BrokenPromiseError) -> bool:
    broke = lived(steps)
    return broke is not None and broke.promise == before.promise


def _shorter(steps: Sequence[Step]) -> Iterator[Sequence[Step]]:
    (begin, made), *rest = steps
    for size in (16, 4, 1):
        for start in range(len(rest) - 1, -1, -size):
            yield [steps[0], *rest[: max(0, start - size + 1)], *rest[start + 1 :]]
    if len(made["groups"]) > 1:
        for group in made["groups"]:
            yield [(begin, {**made, "groups": [group]}), *rest]


def check_examples() -> None:
    """Live the lives that are kept; raise BrokenPromiseError where one breaks a promise."""
    for steps in LIVES.values():
        if lived(steps):
            raise shortest(steps)


def shown(step: Step) -> str:
    """Return a step as a person reads it."""
    name, asked = step
    return f"{name}({', '.join(f'{key}={value!r}' for key, value in asked.items())})"


def rounds(first: int, workers: int) -> Iterator[Counter[str]]:
    """Yield what each round met, without end."""
    seeds = count(first)
    with ProcessPoolExecutor(workers) as pool:
        while True:
            yield from pool.map(search, islice(seeds, _AT_ONCE))


def told(counts: Counter[str]) -> str:
    """Return counts as lines."""
    return "\n".join(f"{number:>10,} {what}" for what, number in sorted(counts.items()))


def main() -> int:
    """Search until enough steps were taken; print what was met, or the promise that broke."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--steps", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args()
    total: Counter[str] = Counter()
    try:
        check_examples()
        for met in rounds(asked.seed, asked.workers):
            total += met
            click.echo(f"{total['steps']:>10,} steps, {total['terminations']:,} terminations")
            if total["steps"] >= asked.steps:
                break
    except BrokenPromiseError as error:
        click.echo("\n".join([error.promise, *error.__notes__, str(error)]), err=True)
        return 1
    click.echo(told(total))
    return 0


if __name__ == "__main__":
    sys.exit(main())
