"""The benchmarks measure what they say, and write only where they may."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import cost, probing, tables
from benchmarks.account import Account, version_of
from benchmarks.measure import Cost, Costs, cpu_ratio, wall_ratio
from benchmarks.probing import LIMITS, TIMEOUT, Case
from benchmarks.rollouts import Rollout
from benchmarks.running import Run, run
from benchmarks.tables import Table

TABLE = Table("Probes", ["instances", "ms"], [["10", "1"], ["100", "9"]], "By the clock.")


@pytest.mark.parametrize("page", [tables.PERFORMANCE, tables.COSTS])
def test_tables_are_written_between_the_marks_and_nowhere_else(tmp_path: Path, page: Path) -> None:
    copy = tmp_path / "page.md"
    around = page.read_text(encoding="utf-8")
    copy.write_text(around, encoding="utf-8")
    tables.write([TABLE], copy)
    once = copy.read_text(encoding="utf-8")
    assert "### Probes\n\n| instances | ms |\n| --- | --- |\n| 10 | 1 |\n| 100 | 9 |\n\nBy" in once
    tables.write([TABLE], copy)
    assert copy.read_text(encoding="utf-8") == once
    for text in (around, once):
        assert (text.count(tables.BEGIN), text.count(tables.END)) == (1, 1)
    assert once.partition(tables.BEGIN)[0] == around.partition(tables.BEGIN)[0]
    assert once.partition(tables.END)[2] == around.partition(tables.END)[2]


def test_a_table_takes_the_place_of_the_one_of_its_title_and_the_others_stay(
    tmp_path: Path,
) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"prose\n{tables.BEGIN}\n\n{tables.END}\nmore\n", encoding="utf-8")
    other = Table("Starts", ["what"], [["probe"]])
    tables.write([TABLE, other], page)
    tables.write([Table("Probes", ["instances"], [["7"]])], page)
    probes, starts = "### Probes\n\n| instances |\n| --- |\n| 7 |", str(other).strip()
    assert page.read_text(encoding="utf-8") == (
        f"prose\n{tables.BEGIN}\n\n{probes}\n\n{starts}\n\n{tables.END}\nmore\n"
    )
    tables.write([other], page, alone=True)
    assert page.read_text(encoding="utf-8") == (
        f"prose\n{tables.BEGIN}\n\n{starts}\n\n{tables.END}\nmore\n"
    )


def test_a_page_without_marks_is_left_alone(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("prose", encoding="utf-8")
    with pytest.raises(ValueError, match="no place for tables"):
        tables.write([TABLE], page)
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


@pytest.mark.parametrize(
    "account",
    [Account(1, 10), Account(7, 100), Account(500, 10_000), Account(7, 100, converged=True)],
)
def test_an_account_has_as_many_members_as_it_says_and_their_ids_tell_their_versions(
    account: Account,
) -> None:
    members = [member for group in range(account.groups) for member in account.members(group)]
    assert len({member.id for member in members}) == account.instances
    assert all(version_of(member.id) == member.version for member in members)
    old = {member.group for member in members if member.version != members[-1].version}
    assert old == set(account.acting)
    assert Account.from_texts(*account.texts) == account


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


@pytest.mark.parametrize(
    ("of", "waves", "floor", "refresh", "kops"),
    [
        # One of three at a time: 90 % of three is three, but one always goes.
        (Rollout(3, 2), 3, 21, 2 * (2 + 5) + 2, 2 * 2.5 + 2),
        (Rollout(10, 6), 6, 51, 9 * (6 + 5) + 6, 9 * 6.5 + 6),
        (Rollout(200, 15), 5, 90, 9 * (15 + 5) + 15, 199 * 15.5 + 15),
    ],
)
def test_a_rollout_is_held_beside_what_the_documentation_of_others_says(
    of: Rollout, waves: int, floor: float, refresh: float, kops: float
) -> None:
    assert (of.waves, of.floor, of.instance_refresh()) == (waves, floor, refresh)
    batches = (refresh - of.boot) / (of.boot + 5)
    assert of.instance_refresh(hook=False) == batches * (1 + 5) + of.boot
    assert of.kops() == pytest.approx(kops, abs=0.1)


@pytest.mark.parametrize("hook", [True, False])
@pytest.mark.parametrize("of", [Rollout(3, 2), Rollout(3, 15), Rollout(10, 6)])
def test_a_rollout_with_a_run_each_minute_is_as_fast_as_the_fleet_boots(
    of: Rollout, *, hook: bool
) -> None:
    took = of.took(1, hook=hook)
    assert of.meets(took)
    assert of.boot * of.waves < took <= of.took(5, hook=hook)


def test_what_a_month_costs_is_the_runs_their_log_and_their_listings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A run of a second and in it a probe of 0.13, converged or not."""
    calls = {"Invoke": 1, "ListObjectVersions": 1}
    second = Costs((Cost((1 - 0.03 - 0.13) * 512 / 1769, 1.0),))
    ran = Run(second, second, peak=1, calls=calls, logged=18_000)
    monkeypatch.setattr(cost, "over", lambda _: (ran, ran))
    asked = {Case(100, 0.05, silent=False): {"probe": Costs((Cost(0.1 * 512 / 1769, 1.0),))}}
    monkeypatch.setattr(probing, "costs", lambda: asked)
    a_month = cost.items(Account(1, 100), every=5)
    gb_seconds, requests = 8640 * (1 + 0.13) / 2, 2 * 8640
    assert [*a_month.values()] == pytest.approx(
        [
            gb_seconds * 0.0000133334 + requests * 0.2e-6,
            8640 * 20_000 / 1e9 * (0.5 + 0.15 * 0.03),
            8640 * 0.005 / 1000,
        ]
    )
    each_minute = cost.items(Account(1, 100), every=1)
    assert [*each_minute.values()] == pytest.approx([5 * each for each in a_month.values()])


def test_a_server_ends_with_its_parent() -> None:
    code = (
        "import benchmarks.children as c, os\n"
        "with c.serving('benchmarks.aws', 1, 1, False) as ports:\n"
        "    print(*ports, flush=True)\n"
        "    os._exit(0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603 - our own code
    port = int(done.stdout)
    probing = f"import socket\nwhile not socket.socket().connect_ex(('127.0.0.1', {port})): pass"
    subprocess.run([sys.executable, "-c", probing], check=True)  # noqa: S603 - our own code
