"""The search over lives in which releases are taken back, the same each time."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Any

import pytest

from tests.search.judge import BrokenPromiseError
from tests.search.life import COUNTS, STEPS
from tests.search.soak import search
from tests.search.withdrawing import MEANWHILE, WithdrawingLife

soak = pytest.mark.soak
GROUP = {
    "desired": 4,
    "app": "web",
    "minimum": "1",
    "max-unavailable": "25%",
    "grace": 5,
    "balanced": False,
    "canary-retry": "30m",
    "window": "always",
    "kind": "plain",
}
CHECKED = {**GROUP, "kind": "checked", "balanced": True}


@pytest.mark.parametrize("steps", [200, pytest.param(20_000, marks=soak)])
def test_no_release_is_taken_back_that_should_stay(steps: int) -> None:
    met: Counter[str] = Counter()
    for seed in itertools.count():
        if met["steps"] >= steps:
            break
        try:
            met += search(seed, WithdrawingLife, at_once=3)
        except BrokenPromiseError as error:
            error.add_note(f"seed {seed}: {STEPS}")
            raise
    # Chance brings few in a short search; those below are certain.
    assert met["runs"]
    assert met["releases taken back"] >= steps // 2000


@pytest.mark.parametrize(
    ("groups", "period"),
    [
        ([GROUP], 5),
        ([GROUP], 60),
        # Of a group that replaces silent boots itself a slow schedule may see none for hours.
        ([CHECKED], 5),
        pytest.param([GROUP], 1, marks=soak),
        pytest.param([CHECKED], 1, marks=soak),
        pytest.param([GROUP, GROUP], 5, marks=soak),
        pytest.param([GROUP, GROUP], 60, marks=soak),
    ],
)
def test_nothing_of_it_loops_at_any_period(groups: list[dict[str, Any]], period: int) -> None:
    """A release is taken back and put back, time and again, and so is one that rings an alarm."""
    COUNTS.clear()
    life = WithdrawingLife()
    life.begin(groups=groups, bucket=True, versioned=True)
    life.release(0, 1, "dead")
    for _ in range(3):
        life.scheduled(6 * 60 // period, every=period)
        life.restore(which=0)
    life.scheduled(12 * 60 // period, every=period)
    assert COUNTS["releases taken back"] == 1
    assert COUNTS["releases restored"] == 1
    life.ring(which=0, boots="good")
    assert COUNTS["releases taken back for an alarm"] <= 1
    assert COUNTS["releases taken back"] <= 2


@pytest.mark.parametrize("meanwhile", MEANWHILE)
def test_what_comes_to_pass_while_a_canary_is_silent_keeps_its_release(meanwhile: str) -> None:
    COUNTS.clear()
    life = WithdrawingLife()
    life.begin(groups=[GROUP], bucket=True, versioned=True)
    life.release(0, 1, "good")
    life.scheduled(20)
    life.bring_down(0, "dead", meanwhile)
    assert COUNTS["releases taken back"] == 0
    life.unpoint(0)
