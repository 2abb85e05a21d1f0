"""What a whole run of reconcile costs, and how that grows: boto3 over HTTP to a quick AWS."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from benchmarks.account import Account
from benchmarks.answers import VPC
from benchmarks.children import serving
from benchmarks.measure import Cost, Costs, cpu_ratio
from benchmarks.tables import Table, ms
from sandbox.local_aws import CREDENTIALS

ACCOUNTS: Final = (
    Account(1, 10),
    Account(1, 100),
    Account(10, 100),
    Account(10, 1000),
    Account(100, 1000),
    Account(100, 10_000),
    Account(500, 10_000),
    Account(1, 100, converged=True),
    Account(10, 1000, converged=True),
    Account(500, 10_000, converged=True),
    Account(100, 25_000),
    Account(1, 25_000),
)
# More instances are run over once, which takes minutes.
_LARGE: Final = 10_000
_REPEATS: Final = 3
_RUNS: Final = 2  # of a process: the first, and the next
_MEGABYTE: Final = 2**20
_SIZE_HEADS: Final = ("groups", "instances", "groups that act")
_COST_HEADS: Final = (
    *_SIZE_HEADS,
    "CPU, ms",
    "CPU / boto3 alone",
    "CPU an instance, ms",
    "wall, ms",
    "CPU of a first run, ms",
    "first run / boto3 alone",
    "peak memory, MB",
    "log, KB",
)
_COST_NOTE: Final = (
    "Without what the probe functions take: AWS, Invoke among it, answers at once. *boto3 alone* "
    "makes the same calls with the same clients and drops the answers; a first run has the imports "
    "and makes the clients."
)


@dataclass(frozen=True)
class Run:
    """What runs cost: the first of a process and the next, the most memory, calls and log of one.

    Memory and log are in bytes.
    """

    first: Costs
    next: Costs
    peak: int
    calls: Mapping[str, int]
    logged: int


def environment(port: int) -> dict[str, str]:
    """Return the environment of the functions."""
    settings = {"groups": {"tagged": True}, "releases": {"bucket": "releases"}, "dry_run": False}
    return {
        **os.environ,
        **CREDENTIALS,
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "TERMINATOR_CONFIG": json.dumps(settings),
        "TERMINATOR_ACCOUNT": "000000000000",
        "TERMINATOR_PROBES": json.dumps({VPC: "probe"}),
        "TERMINATOR_RECONCILE": "reconcile",
    }


def run(account: Account, repeats: int) -> tuple[Run, Run]:
    """Run reconcile over an account, and in turn with it the same calls by boto3 alone."""
    ours, bare = [], []
    with serving("benchmarks.aws", *account.texts) as [port]:
        for _ in range(repeats):
            ours.append(_in_process(port))
            kinds = ("TerminateInstanceInAutoScalingGroup", "PutEvents")
            made = [str(ours[-1].calls.get(kind, 0)) for kind in kinds]
            bare.append(_in_process(port, *account.texts, *made))
    calls = [each.calls for each in (*ours, *bare)]
    if any(each != calls[0] for each in calls):
        raise RuntimeError(f"boto3 alone and reconcile did not make the same calls: {calls}")
    return _together(ours), _together(bare)


def _in_process(port: int, *bare: str) -> Run:
    command = [sys.executable, "-m", "benchmarks.one_run", *bare]
    done = subprocess.run(command, env=environment(port), stdout=subprocess.PIPE, check=True)  # noqa: S603 - our own module
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/calls") as answer:
        calls = {name: number // _RUNS for name, number in json.load(answer).items()}
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    first, following = (Costs((Cost(**told[which]),)) for which in ("first", "next"))
    return Run(first, following, told["peak"], calls, len(done.stdout) // _RUNS)


def _together(runs: Sequence[Run]) -> Run:
    first = Costs(tuple(cost for each in runs for cost in each.first.repeats))
    following = Costs(tuple(cost for each in runs for cost in each.next.repeats))
    peak = max(each.peak for each in runs)
    return Run(first, following, peak, runs[0].calls, runs[0].logged)


@cache
def over(account: Account) -> tuple[Run, Run]:
    """Run over an account, and by boto3 alone, a few times; once for all who ask."""
    return run(account, 1 if account.instances > _LARGE else _REPEATS)


def tables() -> list[Table]:
    """Run over accounts of all sizes; return the costs and the calls."""
    runs = {account: over(account) for account in ACCOUNTS}
    kinds = sorted({kind for ours, _ in runs.values() for kind in ours.calls})
    costs = [_costs(account, *both) for account, both in runs.items()]
    calls = [
        [*_size(account), *(str(ours.calls.get(kind, 0)) for kind in kinds)]
        for account, (ours, _) in runs.items()
    ]
    note = "Every group has an app and a target group."
    return [
        Table("A run of reconcile", _COST_HEADS, costs, _COST_NOTE),
        Table("Calls of AWS in a run", [*_SIZE_HEADS, *kinds], calls, note),
    ]


def _size(account: Account) -> list[str]:
    return [f"{account.groups:,}", f"{account.instances:,}", str(len(account.acting))]


def _costs(account: Account, ours: Run, bare: Run) -> list[str]:
    return [
        *_size(account),
        ms(ours.next.cpu),
        cpu_ratio(ours.next, bare.next),
        ms(ours.next.cpu / account.instances),
        ms(ours.next.wall),
        ms(ours.first.cpu),
        cpu_ratio(ours.first, bare.first),
        f"{ours.peak / _MEGABYTE:.0f}",
        f"{ours.logged / 1000:,.0f}",
    ]
