"""Reconcile, twice, in a process of its own: `python -m benchmarks.one_run` prints what it took.

With GROUPS, INSTANCES and TERMINATED after it, the same calls are made by boto3 alone.
The last line is JSON: `cpu` and `wall`, in seconds, of the first run with its imports and of
the next; `peak` is the most memory it ever had, in bytes.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from benchmarks.account import Account
from benchmarks.measure import spent


@dataclass
class _Context:
    """Lambda's context, as far as it is read."""

    function_name: str = "reconcile"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn"
    aws_request_id: str = "request"
    ends: float = time.monotonic() + 600

    def get_remaining_time_in_millis(self) -> int:
        """Return the time left."""
        return int((self.ends - time.monotonic()) * 1000)


def _run() -> None:
    from terminator import handlers  # noqa: PLC0415 - importing is measured

    handlers.reconcile({}, _context())


class _Bare:
    def __init__(self, groups: int, instances: int, terminated: int) -> None:
        self._account, self._terminated = Account(groups, instances), terminated

    def __call__(self) -> None:
        self._calls(self._account, self._terminated)

    @cached_property
    def _calls(self) -> Callable[[Account, int], None]:
        from benchmarks.bare import Reconcile  # noqa: PLC0415 - as above

        return Reconcile()


def _context() -> Any:  # noqa: ANN401 - it stands for Lambda's
    return _Context()


def _peak() -> int:
    [line] = [
        line
        for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
        if line.startswith("VmHWM:")
    ]
    return int(line.split()[1]) * 1024


def main() -> None:
    """Run twice."""
    run = _Bare(*map(int, sys.argv[1:])) if sys.argv[1:] else _run
    told = {"first": vars(spent(run)), "next": vars(spent(run)), "peak": _peak()}
    print(f"\n{json.dumps(told)}")  # noqa: T201 - that is how the parent learns it


if __name__ == "__main__":
    main()
