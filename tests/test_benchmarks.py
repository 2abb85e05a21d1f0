"""The benchmarks measure what they say, and write only where they may."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import tables
from benchmarks.account import Account, version_of
from benchmarks.measure import Cost, Costs, cpu_ratio, wall_ratio
from benchmarks.probing import LIMITS, TIMEOUT, Case
from benchmarks.running import run
from benchmarks.tables import Table

TABLE = Table("Probes", ["instances", "ms"], [["10", "1"], ["100", "9"]], "By the clock.")


def test_tables_are_written_between_the_marks_and_nowhere_else(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    around = tables.PAGE.read_text(encoding="utf-8")
    page.write_text(around, encoding="utf-8")
    tables.write([TABLE], "Measured today.", page)
    once = page.read_text(encoding="utf-8")
    assert "Measured today." in once
    assert "### Probes\n\n| instances | ms |\n| --- | --- |\n| 10 | 1 |\n| 100 | 9 |\n\nBy" in once
    tables.write([TABLE], "Measured today.", page)
    assert page.read_text(encoding="utf-8") == once
    begin, end = "<!-- make bench writes from here -->", "<!-- to here -->"
    for text in (around, once):
        assert (text.count(begin), text.count(end)) == (1, 1)
    assert once.partition(begin)[0] == around.partition(begin)[0]
    assert once.partition(end)[2] == around.partition(end)[2]


def test_a_page_without_marks_is_left_alone(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("prose", encoding="utf-8")
    with pytest.raises(ValueError, match="no place for tables"):
        tables.write([TABLE], "", page)
    assert page.read_text(encoding="utf-8") == "prose"


def test_a_ratio_is_the_median_of_the_repeats_own_with_their_range() -> None:
    ours = Costs((Cost(2.0, 4.0), Cost(3.0, 5.0), Cost(9.0, 9.0)))
    floor = Costs((Cost(1.0, 2.0), Cost(2.0, 1.0), Cost(5.0, 2.0)))
    assert cpu_ratio(ours, floor) == "1.80 (1.50 to 2.00)"
    assert wall_ratio(ours, 2.0) == "2.50 (2.00 to 4.50)"
    assert (ours.cpu, floor.wall) == (3.0, 2.0)


@pytest.mark.parametrize(
    ("case", "seconds"),
    [
        (Case(10, 0.05, silent=False), 0.05),
        (Case(2560, 0.05, silent=False), 0.5),
        (Case(100, 0.05, silent=True), TIMEOUT),
        (Case(10_240, 0.0, silent=True), 2 * TIMEOUT),
    ],
)
def test_what_waiting_cannot_be_saved(case: Case, seconds: float) -> None:
    assert case.waiting == pytest.approx(seconds)
    assert LIMITS.read == TIMEOUT


@pytest.mark.parametrize("account", [Account(1, 10), Account(7, 100), Account(500, 10_000)])
def test_an_account_has_as_many_members_as_it_says_and_their_ids_tell_their_versions(
    account: Account,
) -> None:
    members = [member for group in range(account.groups) for member in account.members(group)]
    assert len({member.id for member in members}) == account.instances
    assert all(version_of(member.id) == member.version for member in members)
    old = {member.group for member in members if member.version != members[-1].version}
    assert len(old) == account.acting


def test_a_run_and_boto3_alone_make_the_same_calls() -> None:
    ours, bare = run(Account(11, 44), repeats=1)
    assert ours.calls == bare.calls
    assert ours.calls["DescribeTargetHealth"] == ours.calls["ListObjectVersions"] == 11
    assert ours.calls["Invoke"] == ours.calls["PutEvents"] == 1
    # One for each zone.
    assert ours.calls["DescribeInstances"] == 3
    assert ours.calls["DescribeAutoScalingGroups"] == 1 + 2
    # History is asked of groups that have not converged, and for all apps of the bucket once.
    assert ours.calls["DescribeScalingActivities"] == 2
    assert ours.calls["GetBucketLifecycleConfiguration"] == 1


def test_a_server_ends_with_its_parent() -> None:
    code = (
        "import benchmarks.children as c, os\n"
        "with c.serving('benchmarks.aws', 1, 1) as ports: print(*ports, flush=True); os._exit(0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603 - our own code
    port = int(done.stdout)
    probing = f"import socket\nwhile not socket.socket().connect_ex(('127.0.0.1', {port})): pass"
    subprocess.run([sys.executable, "-c", probing], check=True)  # noqa: S603 - our own code
