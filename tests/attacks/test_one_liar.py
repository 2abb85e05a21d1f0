"""One instance lies, ever higher, where no bucket says what was released."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.incidents.fleets import Fleet, fleet


def lying(lives: Fleet, number: int) -> Callable[[], None]:
    """Return what has the member of that number, the newest first, report more every 5 minutes."""
    liar = lives.members()[number]

    def lie() -> None:
        liar.version = f"9.{lives.minute // 5}"

    return lie


@pytest.mark.parametrize("number", [0, 2], ids=["the newest lies", "the oldest lies"])
def test_who_lies_ever_higher_costs_a_few_at_doubling_distances_and_is_told(number: int) -> None:
    lives = fleet(3, account={"bucket": False})
    lie = lying(lives, number)
    lives.pass_hours(1, lie)
    # The alarm *stale* and an event tell of it: what was terminated came back as it was.
    assert lives.record.stale
    assert lives.record.decision == "hold"
    lives.pass_hours(15, lie)
    assert lives.record.needs_attention
    lives.pass_quiet_hours(32, lie)
    assert len(lives.lost_ids()) <= 5
    assert lives.lowest["web"] >= 1


def test_with_a_bucket_who_lies_higher_costs_nobody_but_itself() -> None:
    lives = fleet(3)
    liar = lives.members()[0].id
    lives.pass_hours(6, lying(lives, 0))
    assert set(lives.lost_ids()) == {liar}
