"""200 instances: at once, and one after the other with a DescribeInstances each.

`python -m benchmarks.asking HOW AWS_PORT INSTANCE_PORT` asks them twice in a process of its own
and prints how many seconds the second time took.
"""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from benchmarks.account import Account
from benchmarks.children import serving
from benchmarks.measure import Cost, Costs, in_turn, wall_ratio
from benchmarks.running import environment
from benchmarks.tables import Table, ms

if TYPE_CHECKING:
    from types_boto3_ec2.client import EC2Client

_ACCOUNT: Final = Account(1, 200)
_SECONDS: Final = 0.05
_REPEATS: Final = 3


def table() -> Table:
    """Ask both ways, in processes of their own."""
    with (
        serving("benchmarks.aws", _ACCOUNT.groups, _ACCOUNT.instances) as [aws],
        serving("benchmarks.instances", _SECONDS) as [instances, _],
    ):
        costs = in_turn({how: partial(_process, how, aws, instances) for how in _WAYS}, _REPEATS)
    one, all_ = costs["one by one"], costs["at once"]
    rows = [
        ["in a warm process", ms(_warm(one).wall), ms(_warm(all_).wall), _faster(one, all_, _warm)],
        ["with start and imports", ms(one.wall), ms(all_.wall), _faster(one, all_, lambda c: c)],
    ]
    return Table(
        "200 instances that answer after 50 ms",
        ["", "one by one, ms", "at once, ms", "times faster"],
        rows,
        "*One by one* is a DescribeInstances and a GET for each instance in turn, by boto3 and "
        "urllib; *at once* is one DescribeInstances and the probe.",
    )


def _warm(costs: Costs) -> Costs:
    return Costs(tuple(Cost(each.cpu, each.cpu) for each in costs.repeats))


def _faster(slow: Costs, quick: Costs, of: Callable[[Costs], Costs]) -> str:
    return wall_ratio(of(slow), of(quick))


def _process(how: str, aws: int, instances: int) -> Cost:
    """Return, as `cpu`, the wall time of the second asking, and that of all up to the first."""
    begun = time.perf_counter()
    command = [sys.executable, "-m", "benchmarks.asking", how, str(aws), str(instances)]
    done = subprocess.run(command, env=environment(aws), stdout=subprocess.PIPE, check=True)  # noqa: S603 - our own module
    warm = float(done.stdout)
    return Cost(warm, time.perf_counter() - begun - warm)


def _one_by_one(ec2: EC2Client, ids: Sequence[str], port: int) -> int:
    answered = 0
    for id_ in ids:
        told = ec2.describe_instances(InstanceIds=[id_])["Reservations"][0]["Instances"][0]
        with urllib.request.urlopen(f"http://{told['PrivateIpAddress']}:{port}/version") as answer:
            answered += bool(answer.read())
    return answered


def _at_once(ec2: EC2Client, ids: Sequence[str], port: int) -> int:
    from terminator.observe import autoscaling as describe  # noqa: PLC0415 - importing is measured
    from terminator.probe import ask as probe  # noqa: PLC0415 - importing is measured

    rows, _ = describe.describe_instances(ec2, ids)
    questions: list[probe.Question] = [
        {
            "instance": id_,
            "url": f"http://{row['PrivateIpAddress']}:{port}/version",
            "host": None,
            "version_field": "version",
        }
        for id_, row in rows.items()
    ]
    return sum(each["version"] is not None for each in probe.ask(questions, 60))


_WAYS: Final[Mapping[str, Callable[[EC2Client, Sequence[str], int], int]]] = {
    "one by one": _one_by_one,
    "at once": _at_once,
}


def main() -> None:
    """Ask twice."""
    import boto3  # noqa: PLC0415 - importing is measured

    ec2, ids = boto3.client("ec2"), [member.id for member in _ACCOUNT.members(0)]
    for _ in range(2):
        begun = time.perf_counter()
        if _WAYS[sys.argv[1]](ec2, ids, int(sys.argv[3])) != len(ids):
            raise RuntimeError("not all of them answered")
        took = time.perf_counter() - begun
    print(took)  # noqa: T201 - that is how the parent learns it


if __name__ == "__main__":
    main()
