"""One app after another: the groups of `web` go after those of `api`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.incidents.fleets import (
    BALANCED,
    CHECKED,
    KINDS,
    NEVER_UP,
    NEW,
    OLD,
    Fleet,
    fleet,
    settings_of,
)


def pair(desired: int = 3, *, apis: int = 1, **more: Any) -> Fleet:
    """Return groups of `api`, and one of `web` that goes after them."""
    names = tuple(f"api-{number}" for number in range(apis))
    apps = dict.fromkeys(names, "api")
    lives = fleet(desired, names=(*names, "web"), apps=apps, **more)
    lives.cloud.groups["web"].tags |= settings_of(after="api")
    return lives


def lost_of(lives: Fleet, name: str) -> list[Any]:
    """Return when a group lost its instances."""
    return [at for at, group, _ in lives.cloud.kills if group == name]


@pytest.mark.parametrize("desired", [2, 3, 10])
@KINDS
def test_the_api_is_out_before_the_first_of_the_web_goes(
    desired: int, stands: Mapping[str, Any]
) -> None:
    lives = pair(desired, apis=2, **stands)
    lives.release(NEW)
    lives.release(NEW, app="api")
    lives.pass_minutes(6)
    assert lives.records["web"].hold == "other_app_first"
    assert lives.hours_until(lambda: lives.all_serve(NEW), 12) is not None
    assert lives.lost == 3 * desired
    last = max(at for name in ("api-0", "api-1") for at in lost_of(lives, name))
    assert min(lost_of(lives, "web")) > last


@KINDS
def test_an_api_that_breaks_holds_the_web_and_the_way_back_lets_it_go(
    stands: Mapping[str, Any],
) -> None:
    lives = pair(**stands)
    lives.release(NEW, NEVER_UP, app="api")
    lives.release(NEW)
    lives.pass_hours(3)
    lives.pass_quiet_hours(21)
    assert (len(lost_of(lives, "api-0")), lost_of(lives, "web")) == (1, [])
    assert lives.records["web"].hold == "other_app_first"
    assert lives.records["web"].reason.startswith("api goes first: api-0 has 2 outdated")
    lives.pass_hours(1)
    assert all(lives.records[name].needs_attention for name in ("api-0", "web"))
    lives.cloud.point("api", OLD)
    web = lives.cloud.groups["web"]
    assert lives.hours_until(lambda: lives.serving(NEW, web) == 3, 6) is not None
    assert lives.serving(OLD, lives.cloud.groups["api-0"]) == 3


def test_a_web_that_is_down_comes_back_although_the_api_is_broken() -> None:
    lives = pair(tags=settings_of(minimum="0"), **BALANCED)
    lives.release(NEW, NEVER_UP, app="api")
    lives.pass_hours(1)
    web = lives.cloud.groups["web"]
    for machine in web.counted():
        machine.sick = True
    lives.pass_hours(1)
    lives.release(NEW)
    assert lives.hours_until(lambda: lives.serving(NEW, web) == 3, 3) is not None
    assert lives.records["api-0"].hold == "canary_not_come_up"


def test_the_way_back_of_the_web_goes_while_the_api_is_broken() -> None:
    lives = pair(**CHECKED)
    lives.release(NEW)
    assert lives.hours_until(lambda: lives.serving(NEW, lives.cloud.groups["web"]) == 3, 6)
    lives.release(NEW, NEVER_UP, app="api")
    lives.pass_hours(1)
    lives.forget()
    lives.cloud.point("web", OLD)
    took = lives.hours_until(lambda: lives.serving(OLD, lives.cloud.groups["web"]) == 3, 4)
    assert took is not None
    assert took < 2


def test_an_api_that_scales_all_day_holds_nobody() -> None:
    """It never rests, but nothing of it is outdated, and what it runs is proven."""
    lives = pair(4)
    api, web = lives.cloud.groups["api-0"], lives.cloud.groups["web"]
    lives.pass_hours(1)

    def scale() -> None:
        if lives.minute % 10 == 0:
            api.desired = 10 - api.desired

    lives.release(NEW)
    took = lives.hours_until(lambda: lives.serving(NEW, web) == 4, 8, scale)
    assert took is not None
    assert took < 3
    assert lost_of(lives, "api-0") == []


def test_an_api_of_which_none_is_wanted_holds_nobody_and_one_that_is_paused_does() -> None:
    lives = pair()
    api, web = lives.cloud.groups["api-0"], lives.cloud.groups["web"]
    api.tags |= settings_of(pause="holidays")
    lives.release(NEW, app="api")
    lives.release(NEW)
    lives.pass_hours(3)
    assert (lives.lost, lives.records["web"].hold) == (0, "other_app_first")
    api.desired = 0
    assert lives.hours_until(lambda: lives.serving(NEW, web) == 3, 6) is not None


@pytest.mark.parametrize("after", ["web", "apii", "api web"])
def test_a_setting_that_means_nothing_holds_the_group_at_once(after: str) -> None:
    lives = pair()
    lives.cloud.groups["web"].tags |= settings_of(after=after)
    lives.release(NEW)
    lives.pass_minutes(10)
    record = lives.records["web"]
    assert (record.hold, record.needs_attention) == ("settings_unreadable", True)
    assert f'tag terminator:after says "{after}"' in record.reason
    assert lives.lost == 0
