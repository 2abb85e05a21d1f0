"""Keeping what matters of what is too much to read: pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from terminator.text import count

Item = TypeVar("Item")


@dataclass(frozen=True)
class Thinned(Generic[Item]):
    """Items in their order; `note` says how many there were where some were left out."""

    items: tuple[Item, ...]
    note: str = ""


def thin(
    items: Sequence[Item], most: int, matters: Callable[[Item], bool], noun: str
) -> Thinned[Item]:
    """Keep at most so many items, in their order: first what matters, then the rest.

    Where there is not room for all of either, those that stay are spread evenly.
    """
    if len(items) <= most:
        return Thinned(tuple(items))
    numbers = range(len(items))
    worthy = _spread([n for n in numbers if matters(items[n])], most)
    others = _spread([n for n in numbers if not matters(items[n])], most - len(worthy))
    note = (
        f"{most} of {count(len(items), noun)} are shown: first those with a change, evenly spread."
    )
    return Thinned(tuple(items[n] for n in sorted(worthy + others)), note)


def _spread(numbers: Sequence[int], most: int) -> list[int]:
    if len(numbers) <= most:
        return list(numbers)
    return [numbers[n * len(numbers) // most] for n in range(most)]
