"""Measuring: CPU and wall time of things that are run in turn, and their ratios."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Cost:
    """What something cost, in seconds: of this process's CPU, and by the clock."""

    cpu: float
    wall: float


@dataclass(frozen=True)
class Costs:
    """The costs of one thing, a repeat each."""

    repeats: tuple[Cost, ...]

    @property
    def cpu(self) -> float:
        """The median CPU time."""
        return median(each.cpu for each in self.repeats)

    @property
    def wall(self) -> float:
        """The median wall time."""
        return median(each.wall for each in self.repeats)

    def __sub__(self, other: Costs) -> Costs:
        """Take from each repeat the other's median."""
        less = (Cost(each.cpu - other.cpu, each.wall - other.wall) for each in self.repeats)
        return Costs(tuple(less))


def spent(call: Callable[[], object]) -> Cost:
    """Return what a call costs."""
    gc.collect()
    cpu, wall = time.process_time(), time.perf_counter()
    call()
    return Cost(time.process_time() - cpu, time.perf_counter() - wall)


def in_turn(things: Mapping[str, Callable[[], Cost]], repeats: int) -> dict[str, Costs]:
    """Measure things in turn, over and over, so that what disturbs one disturbs all."""
    costs: dict[str, list[Cost]] = {name: [] for name in things}
    for _ in range(repeats):
        for name, thing in things.items():
            costs[name].append(thing())
    return {name: Costs(tuple(each)) for name, each in costs.items()}


def ratio(of: Sequence[float], to: Sequence[float]) -> str:
    """Return the median of the repeats' own ratios, and their range.

    What slows a machine for a while slows both sides of a repeat, and cancels out.
    """
    each = [one / other for one, other in zip(of, to, strict=True)]
    return f"{median(each):.2f} ({min(each):.2f} to {max(each):.2f})"


def cpu_ratio(of: Costs, to: Costs) -> str:
    """Return the ratio of two CPU times."""
    return ratio([each.cpu for each in of.repeats], [each.cpu for each in to.repeats])


def wall_ratio(of: Costs, to: Costs | float) -> str:
    """Return the ratio of two wall times; `to` may be a number of seconds."""
    walls = [each.wall for each in of.repeats]
    others = [to] * len(walls) if isinstance(to, float) else [each.wall for each in to.repeats]
    return ratio(walls, others)
