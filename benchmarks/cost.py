"""What a month costs, from what was measured and AWS's list prices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from benchmarks import probing
from benchmarks.account import Account
from benchmarks.probing import LIMITS, Case
from benchmarks.running import Run, over
from benchmarks.tables import Table
from terminator.observe.versions import AT_ONCE, PART

ACCOUNTS: Final = (Account(1, 10), Account(1, 100), Account(10, 1000), Account(100, 10_000))
MEMORIES: Final = (128, 256, 512, 1024, 1769)
DEPLOYED: Final = 512
_DAYS: Final = 30
_MINUTES: Final = _DAYS * 24 * 60
# Of us-east-1, as known between May and November 2026, in dollars; of Lambda on arm64.
PRICES: Final = "list prices of us-east-1 as known between May and November 2026"
_GB_SECOND: Final = 0.0000133334
_MILLION_REQUESTS: Final = 0.20
_LOG_GB: Final = 0.50
_LOG_GB_KEPT: Final = 0.03
_THOUSAND_LISTINGS: Final = 0.005
# What a GB of log is when it is kept: https://aws.amazon.com/cloudwatch/pricing/
_COMPRESSED: Final = 0.15
# What Lambda writes of each invocation: when it began and ended, and what it took.
_PLATFORM_LOG: Final = 1000
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html
_FULL_CORE: Final = 1769
_MEGABYTE: Final = 2**20
# Assumed of AWS's calls and of instances, as loopback has no distance.
_CALL: Final = 0.03
_ANSWER: Final = 0.05
# For so long a group has not converged on a day with a release.
_HOURS: Final = 1


@dataclass(frozen=True)
class _Took:
    """What a run takes: the seconds of each probe function and of reconcile, and its parts."""

    probe: float
    reconcile: float
    parts: int

    @property
    def billed(self) -> float:
        """The seconds of all functions together."""
        return self.reconcile + self.parts * self.probe


def by_memory() -> Table:
    """Return dollars a month for Lambda by memory, and what a run takes at 512 MB."""
    rows = []
    for account in ACCOUNTS:
        ours, _ = over(account)
        took = _took(account, ours, DEPLOYED)
        dollars = [
            "" if ours.peak > memory * _MEGABYTE else f"{_lambda(account, ours, memory, 5):.2f}"
            for memory in MEMORIES
        ]
        size = [f"{account.groups:,}", f"{account.instances:,}"]
        rows.append([*size, f"{took.probe:.1f}", f"{took.reconcile:.1f}", *dollars])
    heads = ["groups", "instances", "probe, s", "reconcile, s"]
    note = (
        f"Dollars for Lambda, a run each five minutes, by {PRICES}: ${_GB_SECOND:.10f} a "
        f"GB-second, ${_MILLION_REQUESTS:.2f} a million requests, at the CPU of the machine that "
        f"was measured and {_FULL_CORE} MB for a whole one. Seconds are those at {DEPLOYED} MB. "
        "One group in ten replaces instances all the time. Assumed: a call of AWS takes 30 ms, an "
        "instance answers after 50, functions stay warm. Nothing stands where reconcile has not "
        "the memory."
    )
    return Table("A month", [*heads, *(f"{memory} MB, $" for memory in MEMORIES)], rows, note)


def a_month() -> Table:
    """Return what all costs for 100 and 1,000 instances with a release a day, at both periods."""
    columns = {
        f"{account.instances:,} in {account.groups}, {every}": items(account, minutes)
        for account in (Account(1, 100), Account(10, 1000))
        for every, minutes in (("each five minutes", 5), ("each minute", 1))
    }
    names = [*next(iter(columns.values()))]
    rows = [[name, *(f"${of[name]:.2f}" for of in columns.values())] for name in names]
    rows.append(["**together**", *(f"**${sum(of.values()):.2f}**" for of in columns.values())])
    note = (
        f"A month of {_DAYS} days by {PRICES}, at {DEPLOYED} MB on arm64: ${_GB_SECOND:.10f} a "
        f"GB-second, ${_MILLION_REQUESTS:.2f} a million requests, ${_LOG_GB:.2f} a GB of log and "
        f"${_LOG_GB_KEPT:.2f} a month that it is kept, compressed to {_COMPRESSED:.0%}, "
        f"${_THOUSAND_LISTINGS} a thousand listings of S3. Each group is an app with a release a "
        f"day, and has not converged for {_HOURS} hour of it. What runs take was measured, with a "
        "call of AWS taken for 30 ms and an instance's answer for 50. The calls of EC2, Auto "
        "Scaling and load balancers cost nothing."
    )
    return Table("What scales with runs", ["", *columns], rows, note)


def items(account: Account, every: int) -> dict[str, float]:
    """Return the dollars of a month by what they are for."""
    runs = _MINUTES / every
    ours, _ = over(account)
    quiet, _ = over(Account(account.groups, account.instances, converged=True))
    # Each group has its hour; a tenth of them, or the only one, is what `ours` has in its own.
    busy = min(1.0, account.groups / len(account.acting) * _HOURS / 24)
    logged = busy * ours.logged + (1 - busy) * quiet.logged
    log = runs * (logged + _PLATFORM_LOG * (1 + quiet.calls["Invoke"])) / 1e9
    listings = runs * quiet.calls["ListObjectVersions"]
    functions = busy * _lambda(account, ours, DEPLOYED, every)
    functions += (1 - busy) * _lambda(account, quiet, DEPLOYED, every)
    return {
        "Lambda": functions,
        "log": log * (_LOG_GB + _LOG_GB_KEPT * _COMPRESSED),
        "listings of S3, one for each app and run": listings / 1000 * _THOUSAND_LISTINGS,
    }


def _took(account: Account, run: Run, memory: int) -> _Took:
    share = min(1.0, memory / _FULL_CORE)
    asking = probing.costs()[Case(account.instances, _ANSWER, silent=False)]["probe"]
    parts = -(-account.instances // PART)
    asked = account.instances / parts
    cpu = asking.cpu / account.instances
    probe = max(_ANSWER, asked * _ANSWER / LIMITS.concurrency, asked * cpu / share) + _CALL
    calls = sum(run.calls.values()) - run.calls["Invoke"]
    rounds = -(-parts // AT_ONCE)
    return _Took(probe, run.next.cpu / share + calls * _CALL + rounds * probe, parts)


def _lambda(account: Account, run: Run, memory: int, every: int) -> float:
    """Return the dollars of a month for Lambda, at a run each so many minutes."""
    took, runs = _took(account, run, memory), _MINUTES / every
    gb_seconds = runs * took.billed * memory / 1024
    requests = runs * (1 + took.parts)
    return gb_seconds * _GB_SECOND + requests * _MILLION_REQUESTS / 1e6
