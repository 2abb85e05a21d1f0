"""The search for a wrong kill over lives that are the same each time, and what may go at worst.

At worst means: where runs overlap, or where describes lag behind what others did.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable
from functools import partial

import pytest

from tests.decide.builders import NOW
from tests.fakes import cloud_api
from tests.fakes.cloud import OLD, Cloud, FakeGroup, minutes, number_of, precedence
from tests.search.history import RANKS
from tests.search.judge import judge
from tests.search.life import Step
from tests.search.soak import LIVES, lived, one_round, told
from tests.search.tape import TERMINATE, Run, Tape, Trick, run

STEPS = 5000
NEW = "1.1.0"


def test_no_promise_breaks_in_thousands_of_steps(
    record_property: Callable[[str, object], None],
) -> None:
    met: Counter[str] = Counter()
    for seed in itertools.count():
        if met["steps"] >= STEPS:
            break
        met += one_round(seed)
    record_property("the search for a wrong kill met", told(met))
    assert met["replace (confirmed)"] > 100
    assert met["canary (confirmed)"] > 100
    assert met["recycle (confirmed)"] > 50
    assert met["instances lost to bad images"] > 0
    assert met["ill, and goes"] > 0
    assert met["groups converged at last"] > met["groups that cannot converge"]


@pytest.mark.parametrize("steps", LIVES.values(), ids=LIVES)
def test_no_promise_breaks_in_a_life_that_chance_seldom_brings(steps: list[Step]) -> None:
    assert lived(steps) is None


def test_the_model_and_the_oracle_order_versions_alike() -> None:
    for one, rank in RANKS.items():
        for other, its_rank in RANKS.items():
            assert (precedence(one) < precedence(other)) == (rank < its_rank), (one, other)


def proven(desired: int = 6, **tags: str) -> tuple[Cloud, FakeGroup]:
    """Return a group with one instance that proves the new release, and the rest outdated."""
    cloud = Cloud(now=NOW - minutes(6000), lives=True, remembers=True)
    cloud.upload("web", OLD)
    cloud.now = NOW
    named = {f"terminator:{name.replace('_', '-')}": text for name, text in tags.items()}
    group = cloud.add_group("group", desired, tags=named, apart=1, leave=minutes(10))
    cloud.upload("web", NEW)
    cloud.wait(60)
    group.machines[-1].version = NEW
    group.machines[-1].launched = cloud.now - minutes(30)
    return cloud, group


def run_once(cloud: Cloud, *tricks: Trick) -> Run:
    """Run once, and judge."""
    done = run(Tape(cloud, tricks), cloud_api.settings())
    list(judge(done))
    return done


def gone(cloud: Cloud) -> list[str]:
    """Return who was terminated, in order."""
    return [id_ for _, _, id_ in cloud.kills]


def test_a_run_in_the_middle_of_another_chooses_the_same_instances() -> None:
    for call in ("describe_instances", "probe", "describe_instance_refreshes", TERMINATE):
        cloud, _ = proven(minimum="3", max_unavailable="100%")
        run_once(cloud, Trick(call, act=partial(run_once, cloud)))
        assert gone(cloud) == ["i-0005", "i-0004", "i-0003"], call


def test_overlapping_runs_that_saw_different_answers_each_keep_to_their_own_budget() -> None:
    cloud, group = proven(minimum="4", max_unavailable="100%")
    first, last = group.machines[0], group.machines[4]

    def meanwhile() -> None:
        first.deaf, last.deaf = False, True
        run_once(cloud)

    first.deaf = True
    run_once(cloud, Trick(TERMINATE, act=meanwhile))
    assert len(gone(cloud)) == 2, "one each, where one alone may take one"


def test_describes_that_lag_do_not_make_a_run_take_more() -> None:
    cloud, _ = proven(minimum="3", max_unavailable="2")
    run_once(cloud)
    before = gone(cloud)
    cloud.lag = minutes(30)
    for _ in range(3):
        cloud.wait(1)
        run_once(cloud)
    assert gone(cloud) == before == ["i-0005", "i-0004"]


def test_what_others_took_within_the_lag_is_missed_if_it_still_answers() -> None:
    cloud, group = proven(minimum="3", max_unavailable="100%")
    draining = [m for m in group.machines[:5] if number_of(m.id, "drains") % 2 == 0]
    assert draining
    cloud.wait(1)
    cloud.lag = minutes(5)
    for machine in draining:
        machine.leaves = cloud.now + group.leave
    run_once(cloud)
    lost = {*gone(cloud), *(machine.id for machine in draining)}
    assert len(gone(cloud)) <= 3, "its own budget over what it was shown"
    assert 6 - len(lost) >= 3 - len(draining), "at worst as many below as others took"
