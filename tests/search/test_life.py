"""The search for a wrong kill, over lives that are the same each time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.search.examples import LIVES
from tests.search.life import COUNTS, Life, Step
from tests.search.soak import STEPS_A_LIFE, lived, told

STEPS = 5000


def test_no_promise_breaks_in_thousands_of_steps(
    record_property: Callable[[str, object], None],
) -> None:
    COUNTS.clear()
    same_each_time = settings(
        derandomize=True,
        max_examples=STEPS // STEPS_A_LIFE * 3 // 2,
        stateful_step_count=STEPS_A_LIFE,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(Life, settings=same_each_time)
    record_property("the search for a wrong kill met", told(Counter(COUNTS)))
    assert COUNTS["steps"] >= STEPS
    assert COUNTS["replace (confirmed)"] > 100
    assert COUNTS["canary (confirmed)"] > 100
    assert COUNTS["groups converged at last"] > COUNTS["groups that cannot converge"]


@pytest.mark.parametrize("steps", LIVES.values(), ids=LIVES)
def test_no_promise_breaks_in_a_life_that_chance_seldom_brings(steps: list[Step]) -> None:
    assert lived(steps) is None
