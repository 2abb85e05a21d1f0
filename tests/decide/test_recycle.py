"""What goes although it is on target."""

from __future__ import annotations

import pytest

from tests.decide.builders import decide, group, member


def test_of_the_ill_one_goes_after_which_all_that_came_is_available() -> None:
    well = [member(f"i-{number}", up=100 + number) for number in range(8)]
    older, newer = member("i-old", None, up=600), member("i-new", None, up=500)
    decision = decide(group(older, newer, *well), ill="replace")
    assert (decision.kind, decision.to_terminate) == ("recycle", ("i-new",))


def test_where_boots_after_the_ill_one_fail_too_none_goes() -> None:
    well = [member(f"i-{number}", up=100 + number) for number in range(8)]
    ill, booting = member("i-old", None, up=600), member("i-new", None, up=10)
    decision = decide(group(ill, booting, *well), ill="replace")
    assert (decision.kind, decision.hold) == ("hold", "nothing_outdated")


@pytest.mark.parametrize(("away", "needs"), [(170, False), (190, True)])
def test_a_group_whose_ill_one_goes_needs_a_person_where_it_was_away_for_long(
    away: float, *, needs: bool
) -> None:
    well = [member(f"i-{number}", up=60 + number) for number in range(8)]
    ill = member("i-ill", None, up=away)
    decision = decide(group(ill, *well), ill="replace")
    assert (decision.kind, decision.needs_attention) == ("recycle", needs)
