"""What overlapping runs and describes that lag can do at worst, and what they cannot."""

from __future__ import annotations

from functools import partial

from tests.decide.builders import NOW
from tests.fakes.cloud import minutes
from tests.fakes.cloud_api import settings
from tests.fakes.region import OLD, Asg, Region, number_of
from tests.search.judge import judge
from tests.search.tape import TERMINATE, Run, Tape, Trick, run

NEW = "1.1.0"


def proven(desired: int = 6, **tags: str) -> tuple[Region, Asg]:
    """Return a group with one instance that proves the new release, and the rest outdated."""
    region = Region(now=NOW - minutes(6000))
    region.upload("web", OLD)
    region.now = NOW
    named = {f"terminator:{name.replace('_', '-')}": text for name, text in tags.items()}
    group = region.found("group", desired, tags=named, leave=minutes(10))
    region.upload("web", NEW)
    region.wait(60)
    group.machines[-1].version = NEW
    group.machines[-1].launched = region.now - minutes(30)
    return region, group


def lived(region: Region, *tricks: Trick) -> Run:
    """Run once, and judge."""
    done = run(Tape(region, tricks), settings())
    list(judge(done))
    return done


def gone(region: Region) -> list[str]:
    """Return who was terminated, in order."""
    return [id_ for _, _, id_ in region.kills]


def test_a_run_in_the_middle_of_another_chooses_the_same_instances() -> None:
    for call in ("describe_instances", "probe", "describe_instance_refreshes", TERMINATE):
        region, _ = proven(minimum="3", max_unavailable="100%")
        lived(region, Trick(call, act=partial(lived, region)))
        assert gone(region) == ["i-0005", "i-0004", "i-0003"], call


def test_overlapping_runs_that_saw_different_answers_each_keep_to_their_own_budget() -> None:
    region, group = proven(minimum="4", max_unavailable="100%")
    first, last = group.machines[0], group.machines[4]

    def meanwhile() -> None:
        first.deaf, last.deaf = False, True  # type: ignore[attr-defined]
        lived(region)

    first.deaf = True  # type: ignore[attr-defined]
    lived(region, Trick(TERMINATE, act=meanwhile))
    assert len(gone(region)) == 2, "one each, where one alone may take one"


def test_describes_that_lag_do_not_make_a_run_take_more() -> None:
    region, _ = proven(minimum="3", max_unavailable="2")
    lived(region)
    before = gone(region)
    region.lag = minutes(30)
    for _ in range(3):
        region.wait(1)
        lived(region)
    assert gone(region) == before == ["i-0005", "i-0004"]


def test_what_others_took_within_the_lag_is_missed_if_it_still_answers() -> None:
    region, group = proven(minimum="3", max_unavailable="100%")
    draining = [m for m in group.machines[:5] if number_of(m.id, "drains") % 2 == 0]
    assert draining
    region.wait(1)
    region.lag = minutes(5)
    for machine in draining:
        machine.leaves = region.now + group.leave
    lived(region)
    lost = {*gone(region), *(machine.id for machine in draining)}
    assert len(gone(region)) <= 3, "its own budget over what it was shown"
    assert 6 - len(lost) >= 3 - len(draining), "at worst as many below as others took"
