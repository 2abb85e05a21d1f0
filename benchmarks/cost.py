"""What a month costs, from what was measured: 8,640 runs, every five minutes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from benchmarks.account import Account
from benchmarks.measure import Costs
from benchmarks.probing import LIMITS
from benchmarks.running import Run
from benchmarks.tables import Table
from terminator.observe.versions import AT_ONCE, PART

ACCOUNTS: Final = (Account(1, 10), Account(1, 100), Account(10, 1000), Account(100, 10_000))
MEMORIES: Final = (128, 256, 512, 1024, 1769)
_RUNS: Final = 8640
# us-east-1, as noted between May and September 2026.
_GB_SECOND: Final = 0.0000133334
_MILLION_REQUESTS: Final = 0.20
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html
_FULL_CORE: Final = 1769
_MEGABYTE: Final = 2**20
# Assumed of AWS's calls and of instances, as loopback has no distance.
_CALL: Final = 0.03
_ANSWER: Final = 0.05


def table(runs: Mapping[Account, Run], probes: Mapping[int, Costs]) -> Table:
    """Return dollars a month by memory, and what reconcile takes at 512 MB."""
    rows = []
    for account in ACCOUNTS:
        ours, cpu = runs[account], probes[account.instances].cpu / account.instances
        costs = [_month(account, ours, cpu, memory) for memory in MEMORIES]
        probe, reconcile = _seconds(account, ours, cpu, 512)
        begin = [f"{account.groups:,}", f"{account.instances:,}"]
        rows.append([*begin, f"{probe:.1f}", f"{reconcile:.1f}", *costs])
    heads = ["groups", "instances", "probe, s", "reconcile, s"]
    note = (
        "Dollars for Lambda, arm64 in us-east-1 at prices noted between May and September 2026: "
        f"${_GB_SECOND:.10f} a GB-second, ${_MILLION_REQUESTS:.2f} a million requests, at the CPU "
        f"of the machine that was measured and {_FULL_CORE} MB for a whole one. Seconds are those "
        "at 512 MB. Assumed: a call of AWS takes 30 ms, an instance answers after 50, functions "
        "stay warm. Nothing stands where reconcile has not the memory."
    )
    return Table("A month", [*heads, *(f"{memory} MB, $" for memory in MEMORIES)], rows, note)


def _seconds(account: Account, run: Run, cpu: float, memory: int) -> tuple[float, float]:
    """Return how long each probe function takes, and how long reconcile."""
    share = min(1.0, memory / _FULL_CORE)
    parts = -(-account.instances // PART)
    asked = account.instances / parts
    probe = max(_ANSWER, asked * _ANSWER / LIMITS.concurrency, asked * cpu / share) + _CALL
    rounds = -(-parts // AT_ONCE)
    calls = sum(run.calls.values()) - run.calls["Invoke"]
    return probe, run.next.cpu / share + calls * _CALL + rounds * probe


def _month(account: Account, run: Run, cpu: float, memory: int) -> str:
    if run.peak > memory * _MEGABYTE:
        return ""
    probe, reconcile = _seconds(account, run, cpu, memory)
    parts = run.calls["Invoke"]
    seconds = _RUNS * (reconcile + parts * probe)
    requests = _RUNS * (1 + parts)
    dollars = seconds * memory / 1024 * _GB_SECOND + requests * _MILLION_REQUESTS / 1e6
    return f"{dollars:.2f}"
