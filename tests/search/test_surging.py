"""A group of one that is released by instance refreshes, which nothing makes loop."""

from __future__ import annotations

from typing import Any

import pytest

from tests.search.life import COUNTS, Life
from tests.search.soak import ONE
from tests.search.withdrawing import WithdrawingLife

soak = pytest.mark.soak
GROUP: dict[str, Any] = {
    **ONE,
    "app": "web",
    "max-unavailable": "25%",
    "grace": 5,
    "canary-retry": "30m",
    "window": "always",
}
BEGUN = "instance refreshes begun"
DAYS = 3


def begun(kind: type[Life], groups: int = 1) -> Life:
    """Return a life that has begun, with groups of one."""
    COUNTS.clear()
    life = kind()
    life.begin(groups=[GROUP] * groups, bucket=True, versioned=True)
    return life


@pytest.mark.parametrize(
    ("boots", "period"),
    [
        *((boots, 60) for boots in ("good", "dead", "sick", "stale", "late", "flapping")),
        ("dead", 20),
        *(
            pytest.param(boots, period, marks=soak)
            for boots in ("dead", "sick", "stale", "dying", "often dead", "often stale")
            for period in (1, 5)
        ),
    ],
)
def test_a_release_is_tried_a_few_times_at_any_period_and_then_each_sixteen_hours(
    boots: str, period: int
) -> None:
    life = begun(Life)
    life.release(0, 1, boots)
    life.scheduled(DAYS * 24 * 60 // period, every=period)
    tries = COUNTS[BEGUN]
    assert 1 <= tries <= 6 + 1.5 * DAYS
    assert COUNTS["terminations"] == 0
    life.scheduled(DAYS * 24 * 60 // period, every=period)
    assert COUNTS[BEGUN] - tries <= 1.5 * DAYS + 1
    life.teardown()


@pytest.mark.parametrize("period", [60, *(pytest.param(n, marks=soak) for n in (1, 5))])
def test_what_somebody_cancels_each_time_is_begun_anew_at_growing_distances(period: int) -> None:
    life = begun(Life)
    life.release(0, 1, "good")
    for _ in range(DAYS * 24 * 60 // period):
        life.scheduled(1, every=period)
        life.meddle("cancel the refresh", 0, 0)
    assert 3 <= COUNTS[BEGUN] <= 6 + 1.5 * DAYS
    assert COUNTS["terminations"] == 0


@pytest.mark.parametrize(
    ("groups", "period"),
    [
        (1, 5),
        (1, 60),
        *(pytest.param(groups, period, marks=soak) for groups, period in ((1, 1), (2, 5), (3, 60))),
    ],
)
def test_a_release_that_is_taken_back_and_put_back_makes_no_refresh_loop(
    groups: int, period: int
) -> None:
    life = begun(WithdrawingLife, groups)
    assert isinstance(life, WithdrawingLife)
    life.release(0, 1, "dead")
    for _ in range(3):
        life.scheduled(24 * 60 // period, every=period)
        life.restore(which=0)
    life.scheduled(24 * 60 // period, every=period)
    assert COUNTS["releases taken back"] <= 1
    assert 1 <= COUNTS[BEGUN] <= 16 * groups
    assert COUNTS["terminations"] == 0
