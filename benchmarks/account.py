"""An account of any size, as numbers: what the benchmarks' AWS says, and what it comes to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

VERSION: Final = "1.0.274"
OLD: Final = "1.0.266"
# Every tenth group, and the first, is in the middle of its replacement.
_ACTS_EVERY: Final = 10
_START: Final = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Member:
    """An instance: `number` counts all of the account."""

    group: int
    number: int
    version: str
    launched: datetime

    @property
    def id(self) -> str:
        """Its id, from which its version can be read."""
        return f"i-{'0' if self.version == OLD else '1'}{self.number:016x}"


def address(number: int) -> str:
    """Return the loopback address of an instance."""
    return f"127.{1 + number // 62_500}.{number // 250 % 250}.{1 + number % 250}"


def version_of(id_: str) -> str:
    """Return the version of the instance with this id."""
    return OLD if id_[2] == "0" else VERSION


@dataclass(frozen=True)
class Account:
    """So many groups, each of an app of its own, with so many instances in all.

    Where it has `converged` all of them run the release; else every tenth group is half replaced.
    """

    groups: int
    instances: int
    converged: bool = False

    @classmethod
    def from_texts(cls, groups: str, instances: str, converged: str) -> Account:
        """Return the account that the arguments of a program name: see `texts`."""
        return cls(int(groups), int(instances), converged == str(True))

    @property
    def texts(self) -> list[str]:
        """The arguments by which a program is told of this account."""
        return [str(self.groups), str(self.instances), str(self.converged)]

    def members(self, group: int) -> Sequence[Member]:
        """Return the members of a group, in the order of their launch."""
        first = self.instances * group // self.groups
        last = self.instances * (group + 1) // self.groups
        return [self._member(group, number, last) for number in range(first, last)]

    def _member(self, group: int, number: int, last: int) -> Member:
        # The newest half runs the release: there is proof, and the rest may go.
        size = max(1, self.instances // self.groups)
        is_old = self.acts(group) and number < last - size / 2
        return Member(group, number, OLD if is_old else VERSION, _START + timedelta(minutes=number))

    def acts(self, group: int) -> bool:
        """Say whether a group has instances to replace."""
        return not self.converged and group % _ACTS_EVERY == 0

    @property
    def acting(self) -> range:
        """The groups that have instances to replace."""
        return range(0, 0 if self.converged else self.groups, _ACTS_EVERY)
