"""Reconcile, twice, in a process of its own: `python -m benchmarks.one_run` prints what it took.

With GROUPS, INSTANCES, CONVERGED, TERMINATED and PUTS after it, boto3 alone makes the same calls.
The last line is JSON: `cpu` and `wall`, in seconds, of the first run with its imports and of
the next; `peak` is the most memory that the process ever had, in bytes.
"""

from __future__ import annotations

import json
import sys
import time
from functools import cache, partial
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

from benchmarks.account import Account
from benchmarks.measure import spent

if TYPE_CHECKING:
    from benchmarks.bare import Reconcile


def ours() -> None:
    """Run reconcile as Lambda does, with as much of its context as is read."""
    from terminator import handlers  # noqa: PLC0415 - importing is measured

    ends = time.monotonic() + 600
    context = SimpleNamespace(
        function_name="reconcile",
        memory_limit_in_mb=512,
        invoked_function_arn="arn",
        aws_request_id="request",
        get_remaining_time_in_millis=lambda: int((ends - time.monotonic()) * 1000),
    )
    handlers.reconcile({}, context)  # type: ignore[arg-type]


def boto3_alone(account: Account, terminated: int, puts: int) -> None:
    """Make the same calls with the same clients, and drop the answers."""
    _clients()(account, terminated, puts)


@cache
def _clients() -> Reconcile:
    from benchmarks import bare  # noqa: PLC0415 - as above

    return bare.Reconcile()


def main() -> None:
    """Run twice."""
    run = ours
    if arguments := sys.argv[1:]:
        account = Account.from_texts(*arguments[:3])
        run = partial(boto3_alone, account, *map(int, arguments[3:]))
    runs = [spent(run) for _ in range(2)]
    status = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    [peak] = [int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM:")]
    told = {"first": vars(runs[0]), "next": vars(runs[1]), "peak": peak}
    print(f"\n{json.dumps(told)}")  # noqa: T201 - the parent reads it


if __name__ == "__main__":
    main()
