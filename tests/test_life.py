"""The search for a wrong kill, over lives that are the same each time."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from examples import LIVES
from life import COUNTS, Life, Step
from rules import RULES, Rule
from soak import STEPS_A_LIFE, lived, told
from taken_out import SOURCE

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


@pytest.mark.parametrize("rule", RULES, ids=[rule.name for rule in RULES])
def test_each_rule_that_is_taken_out_to_see_it_found_is_there(rule: Rule) -> None:
    source = (SOURCE / f"{rule.module}.py").read_text()
    assert rule.taken_out(source) != source


@pytest.mark.parametrize("rule", RULES, ids=[rule.name for rule in RULES])
def test_what_takes_a_rules_place_names_nothing_that_the_module_lacks(rule: Rule) -> None:
    """Else the module breaks, and what is found missing is not the rule."""
    source = (SOURCE / f"{rule.module}.py").read_text()
    undefined = [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "F821", "-q", "-"]
    done = subprocess.run(  # noqa: S603 - our own linter
        undefined, input=rule.taken_out(source), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")
