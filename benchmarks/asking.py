"""200 instances: at once, and one after the other with a DescribeInstances each.

`python -m benchmarks.asking HOW AWS_PORT INSTANCE_PORT` asks them twice in a process of its own
and prints how many seconds the second time took.
"""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.request
from functools import partial
from ipaddress import ip_network
from typing import TYPE_CHECKING, Final

from benchmarks.account import Account
from benchmarks.children import serving
from benchmarks.measure import Cost, in_turn, ratio
from benchmarks.running import environment
from benchmarks.tables import Table, ms

if TYPE_CHECKING:
    from types_boto3_ec2.client import EC2Client

    from terminator.probe.ask import Question

_ACCOUNT: Final = Account(1, 200)
_SECONDS: Final = 0.05
_REPEATS: Final = 3
_ONE_BY_ONE, _AT_ONCE = "one by one", "at once"


def table() -> Table:
    """Ask both ways, in processes of their own."""
    with (
        serving("benchmarks.aws", _ACCOUNT.groups, _ACCOUNT.instances) as [aws],
        serving("benchmarks.instances", _SECONDS) as [instances, _],
    ):
        ways = {how: partial(_process, how, aws, instances) for how in (_ONE_BY_ONE, _AT_ONCE)}
        costs = in_turn(ways, _REPEATS)
    slow, quick = costs[_ONE_BY_ONE], costs[_AT_ONCE]
    warm = ratio([each.cpu for each in slow.repeats], [each.cpu for each in quick.repeats])
    whole = ratio([each.wall for each in slow.repeats], [each.wall for each in quick.repeats])
    return Table(
        "200 instances that answer after 50 ms",
        ["", "one by one, ms", "at once, ms", "times faster"],
        [
            ["in a warm process", ms(slow.cpu), ms(quick.cpu), warm],
            ["with start and imports", ms(slow.wall), ms(quick.wall), whole],
        ],
        "*One by one* is a DescribeInstances and a GET for each instance in turn, by boto3 and "
        "urllib; *at once* is one DescribeInstances and the probe.",
    )


def _process(how: str, aws: int, instances: int) -> Cost:
    """Return, as `cpu`, the wall time of the second asking, and as `wall` that of all before."""
    begun = time.perf_counter()
    command = [sys.executable, "-m", "benchmarks.asking", how, str(aws), str(instances)]
    done = subprocess.run(command, env=environment(aws), stdout=subprocess.PIPE, check=True)  # noqa: S603 - our own module
    warm = float(done.stdout)
    return Cost(warm, time.perf_counter() - begun - warm)


def _one_by_one(ec2: EC2Client, ids: list[str], port: int) -> int:
    answered = 0
    for id_ in ids:
        told = ec2.describe_instances(InstanceIds=[id_])["Reservations"][0]["Instances"][0]
        with urllib.request.urlopen(f"http://{told['PrivateIpAddress']}:{port}/version") as answer:
            answered += bool(answer.read())
    return answered


def _at_once(ec2: EC2Client, ids: list[str], port: int) -> int:
    from terminator.observe.autoscaling import describe_instances  # noqa: PLC0415 - importing is
    from terminator.probe.ask import ask  # noqa: PLC0415 - measured

    rows, _ = describe_instances(ec2, ids)
    questions: list[Question] = [
        {
            "instance": id_,
            "scheme": "http",
            "address": row.address or "",
            "port": port,
            "path": "/version",
            "host": None,
            "version_field": "version",
        }
        for id_, row in rows.items()
    ]
    answers = ask(questions, 60, [ip_network("127.0.0.0/8")])
    return sum(each["version"] is not None for each in answers)


def main() -> None:
    """Ask twice."""
    import boto3  # noqa: PLC0415 - importing is measured

    ways = {_ONE_BY_ONE: _one_by_one, _AT_ONCE: _at_once}
    ec2, ids = boto3.client("ec2"), [member.id for member in _ACCOUNT.members(0)]
    for _ in range(2):
        begun = time.perf_counter()
        if ways[sys.argv[1]](ec2, ids, int(sys.argv[3])) != len(ids):
            raise RuntimeError("not all of them answered")
        took = time.perf_counter() - begun
    print(took)  # noqa: T201 - the parent reads it


if __name__ == "__main__":
    main()
