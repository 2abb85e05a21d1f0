"""What a whole run of reconcile costs, and how that grows: boto3 over HTTP to a quick AWS."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
)
_REPEATS: Final = 3
_RUNS: Final = 2  # of a process: the first, and the next
_MEGABYTE: Final = 2**20
_COST_HEADS: Final = (
    "groups",
    "instances",
    "CPU, ms",
    "CPU / boto3 alone",
    "CPU an instance, ms",
    "wall, ms",
    "CPU of a first run, ms",
    "first run / boto3 alone",
    "peak memory, MB",
)
_COST_NOTE: Final = (
    "Without what the probe functions take: AWS, Invoke among it, answers at once. One group "
    "in ten replaces instances. *boto3 alone* makes the same calls with the same clients and "
    "drops the answers; a first run has the imports and makes the clients."
)


@dataclass(frozen=True)
class Run:
    """What runs cost: the first of a process, the next, memory in bytes, and the calls of one."""

    first: Costs
    next: Costs
    peak: int
    calls: Mapping[str, int]


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


def run(account: Account, repeats: int = _REPEATS) -> tuple[Run, Run]:
    """Run reconcile over an account, and in turn with it the same calls by boto3 alone."""
    ours, bare = [], []
    with serving("benchmarks.aws", account.groups, account.instances) as [port]:
        for _ in range(repeats):
            ours.append(_in_process(port))
            terminated = ours[-1].calls["TerminateInstanceInAutoScalingGroup"]
            bare.append(_in_process(port, account.groups, account.instances, terminated))
    calls = [each.calls for each in (*ours, *bare)]
    if any(each != calls[0] for each in calls):
        raise RuntimeError(f"boto3 alone and reconcile did not make the same calls: {calls}")
    return _together(ours), _together(bare)


def _in_process(port: int, *bare: int) -> Run:
    command = [sys.executable, "-m", "benchmarks.one_run", *map(str, bare)]
    done = subprocess.run(command, env=environment(port), stdout=subprocess.PIPE, check=True)  # noqa: S603 - our own module
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/calls") as answer:
        calls = {name: number // _RUNS for name, number in json.load(answer).items()}
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    first, following = (Costs((Cost(**told[which]),)) for which in ("first", "next"))
    return Run(first, following, told["peak"], calls)


def _together(runs: Sequence[Run]) -> Run:
    first = Costs(tuple(cost for each in runs for cost in each.first.repeats))
    following = Costs(tuple(cost for each in runs for cost in each.next.repeats))
    return Run(first, following, max(each.peak for each in runs), runs[0].calls)


def tables() -> tuple[list[Table], dict[Account, Run]]:
    """Run over accounts of all sizes; return the costs and calls, also as numbers."""
    runs: dict[Account, Run] = {}
    costs, calls = [], []
    for account in ACCOUNTS:
        ours, bare = run(account)
        runs[account] = ours
        size = [f"{account.groups:,}", f"{account.instances:,}"]
        costs.append(
            [
                *size,
                ms(ours.next.cpu),
                cpu_ratio(ours.next, bare.next),
                ms(ours.next.cpu / account.instances),
                ms(ours.next.wall),
                ms(ours.first.cpu),
                cpu_ratio(ours.first, bare.first),
                f"{ours.peak / _MEGABYTE:.0f}",
            ]
        )
    kinds = sorted({kind for each in runs.values() for kind in each.calls})
    for account, each in runs.items():
        size = [f"{account.groups:,}", f"{account.instances:,}", str(account.acting)]
        calls.append([*size, *(str(each.calls.get(kind, 0)) for kind in kinds)])
    both = [
        Table("A run of reconcile", _COST_HEADS, costs, _COST_NOTE),
        Table(
            "Calls of AWS in a run",
            ["groups", "instances", "groups that act", *kinds],
            calls,
            "Every group has an app and a target group.",
        ),
    ]
    return both, runs
