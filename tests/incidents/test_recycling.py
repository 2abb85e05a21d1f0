"""What goes although it is on target: by age, by taint, or because it is ill."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from tests.fakes.groups import minutes
from tests.incidents.fleets import (
    BALANCED,
    BARE,
    KINDS,
    NEVER_UP,
    NEW,
    OLD,
    Fleet,
    fleet,
    settings_of,
)

WINDOW = "Mon-Sun 14:00-18:00 UTC"
TAG = "terminator:replace-after"
soak = pytest.mark.soak


def breaks(lives: Fleet) -> None:
    """Let what boots from now on never answer."""
    lives.cloud.comes_up["web", OLD] = NEVER_UP


@KINDS
def test_six_past_their_age_go_one_by_one_in_the_window_and_none_outside(
    stands: Mapping[str, Any],
) -> None:
    lives = fleet(6, days=40, tags=settings_of(max_age="30d", window=WINDOW), **stands)
    outside = lives.cloud.now.replace(hour=13, minute=50)
    lives.pass_minutes((outside - lives.cloud.now) / minutes(1))
    assert lives.lost == 0
    assert lives.record.decision == "converged"
    assert f"6 instances due, but outside the maintenance window {WINDOW}" in lives.record.reason
    most: list[int] = []
    lives.pass_hours(4, lambda: most.append(6 - lives.cloud.available(lives.group)))
    assert lives.lost == 6
    assert max(most) == 1
    times = [at for at, _, _ in lives.cloud.kills]
    gaps = [later - one for one, later in pairwise(times)]
    assert min(gaps) >= minutes(15)
    assert all(14 <= at.hour < 18 for at in times)
    lives.pass_quiet_hours(24)
    assert (lives.lost, lives.record.due) == (6, 0)


@pytest.mark.parametrize("desired", [2, pytest.param(3, marks=soak), 10])
@KINDS
def test_a_group_that_cannot_boot_loses_one_to_age(desired: int, stands: Mapping[str, Any]) -> None:
    lives = fleet(desired, days=40, tags=settings_of(max_age="30d"), **stands)
    breaks(lives)
    lives.pass_hours(4)
    lives.pass_quiet_hours(44)
    assert lives.lost == 1


def test_a_launch_that_fails_costs_age_one() -> None:
    lives = fleet(4, days=40, tags=settings_of(max_age="30d"))
    lives.group.launching = "fails"
    lives.pass_hours(2)
    lives.pass_quiet_hours(10)
    assert lives.lost == 1


def test_the_longest_due_goes_first_whatever_makes_it_due() -> None:
    lives = fleet(4, days=2)
    oldest, *_, newest = sorted(lives.members(), key=lambda machine: machine.launched)
    newest.labels[TAG] = (lives.cloud.now - timedelta(hours=5)).isoformat()
    oldest.labels[TAG] = (lives.cloud.now - timedelta(hours=1)).isoformat()
    lives.pass_hours(6)
    assert lives.lost_ids() == [newest.id, oldest.id]


@pytest.mark.parametrize(
    "text", ["soon", "", "2026-13-01T00:00:00Z", "true", "9" * 300, "\x1b[31m", "0001-01-01"]
)
def test_a_taint_that_is_no_time_or_long_ago_takes_nothing(text: str) -> None:
    lives = fleet(3)
    lives.members()[0].labels[TAG] = text
    lives.pass_hours(1)
    lives.pass_quiet_hours(5)
    assert (lives.lost, lives.record.decision, lives.failed) == (0, "converged", 0)
    assert ("tag terminator:replace-after says" in lives.record.reason) == (text != "0001-01-01")


def test_a_taint_that_lies_ahead_waits_for_its_time() -> None:
    lives = fleet(3)
    lives.members()[0].labels[TAG] = (lives.cloud.now + timedelta(hours=3)).isoformat()
    lives.pass_hours(2)
    assert lives.lost == 0
    lives.pass_hours(2)
    assert lives.lost == 1


def test_a_template_that_tags_each_new_instance_as_tainted_takes_none_for_ever() -> None:
    """The time that its tag says is over when the instance is created."""
    lives = fleet(3)
    text = (lives.cloud.now - timedelta(days=1)).isoformat()

    def tag() -> None:
        for machine in lives.members():
            machine.labels.setdefault(TAG, text)

    tag()
    lives.pass_hours(4, tag)
    lives.pass_quiet_hours(20, tag)
    assert lives.lost == 0


@pytest.mark.parametrize("minimum", ["2", "50%", "100%"])
def test_who_can_tag_all_instances_has_them_replaced_within_the_minimum(minimum: str) -> None:
    lives = fleet(4, tags=settings_of(minimum=minimum))
    for machine in lives.members():
        machine.labels[TAG] = lives.cloud.now.isoformat()
    lives.pass_hours(3)
    lives.pass_quiet_hours(7)
    assert lives.lost == (0 if minimum == "100%" else 4)
    assert lives.lowest["web"] >= (4 if minimum == "100%" else 3)


def test_a_release_goes_before_age() -> None:
    lives = fleet(4, days=40, tags=settings_of(max_age="30d"))
    lives.release(NEW)
    assert lives.hours_until(lambda: lives.all_serve(NEW), 8) is not None
    assert lives.lost == 4


def test_groups_of_an_app_lose_one_to_age_where_nothing_boots() -> None:
    names = ("web-a", "web-b", "web-c")
    lives = fleet(3, names=names, days=40, tags=settings_of(max_age="30d"))
    breaks(lives)
    lives.pass_hours(4)
    lives.pass_quiet_hours(20)
    assert lives.lost == 1
    assert "another group of the app goes first: web-a" in lives.records["web-b"].reason


def test_an_age_that_the_group_cannot_keep_up_with_needs_a_person() -> None:
    lives = fleet(10, days=2, tags=settings_of(max_age="1h"))
    lives.pass_hours(2)
    assert lives.record.needs_attention
    fits = fleet(3, days=2, tags=settings_of(max_age="12h"))
    fits.pass_hours(2)
    assert not fits.record.needs_attention


def test_a_protected_instance_is_not_taken_by_age() -> None:
    lives = fleet(2, days=40, tags=settings_of(max_age="30d"))
    for machine in lives.members():
        machine.protected = True
    lives.pass_hours(1)
    lives.pass_quiet_hours(5)
    assert lives.lost == 0
    assert "protected from scale-in" in lives.record.reason


def fall_ill(lives: Fleet, number: int = 1) -> list[str]:
    """Let the oldest members go deaf for good."""
    oldest = sorted(lives.members(), key=lambda machine: machine.launched)[:number]
    for machine in oldest:
        machine.deaf = True
    return [machine.id for machine in oldest]


@pytest.mark.parametrize("stands", [BARE, BALANCED], ids=["bare", "balanced"])
def test_one_that_is_ill_is_replaced_where_that_is_asked_and_not_otherwise(
    stands: Mapping[str, Any],
) -> None:
    for ill in ("replace", "ignore"):
        lives = fleet(5, tags=settings_of(ill=ill), days=9, **stands)
        lives.pass_hours(1)
        ids = fall_ill(lives)
        lives.pass_hours(3)
        assert lives.lost_ids() == (ids if ill == "replace" else [])
        assert lives.lost_serving == []


@pytest.mark.parametrize(
    ("desired", "period", "days"),
    [
        (10, 5, 1),
        (10, 60, 7),
        pytest.param(10, 5, 7, marks=soak),
        pytest.param(10, 1, 7, marks=soak),
        pytest.param(200, 1, 7, marks=soak),
        pytest.param(200, 5, 7, marks=soak),
        pytest.param(200, 60, 7, marks=soak),
    ],
)
@pytest.mark.parametrize("stands", [BARE, BALANCED], ids=["bare", "balanced"])
def test_where_boots_never_answer_being_ill_costs_one_in_a_week(
    desired: int, period: int, days: int, stands: Mapping[str, Any]
) -> None:
    lives = fleet(desired, tags=settings_of(ill="replace"), days=9, **stands)
    lives.period = period
    breaks(lives)
    fall_ill(lives)
    lives.pass_hours(24 * days)
    assert lives.lost == 1


def test_an_ill_one_waits_where_another_group_of_the_app_has_lost_one_in_the_same_run() -> None:
    lives = fleet(5, names=("web-a", "web-b"), days=9, tags=settings_of(ill="replace"))
    lives.pass_hours(1)
    due, ailing = lives.cloud.by_name()
    ill = min(ailing.counted(), key=lambda machine: machine.launched)
    ill.deaf = True
    due.machines[0].labels[TAG] = (lives.cloud.now - timedelta(hours=1)).isoformat()
    lives.run()
    assert [name for _, name, _ in lives.cloud.kills] == ["web-a"]
    assert lives.records["web-b"].hold == "another_group_first"


def test_too_many_that_are_ill_are_no_illness() -> None:
    lives = fleet(10, tags=settings_of(ill="replace"), days=9)
    fall_ill(lives, 3)
    lives.pass_hours(3)
    lives.pass_quiet_hours(21)
    assert lives.lost == 0


def test_one_that_a_load_balancer_calls_healthy_is_not_ill() -> None:
    lives = fleet(5, tags=settings_of(ill="replace"), days=9, **BALANCED)
    lives.members()[0].unheard = True
    lives.pass_hours(3)
    lives.pass_quiet_hours(21)
    assert lives.lost == 0


def test_the_last_that_was_created_is_never_ill() -> None:
    lives = fleet(5, tags=settings_of(ill="replace"), days=9)
    max(lives.members(), key=lambda machine: machine.launched).deaf = True
    lives.pass_hours(3)
    lives.pass_quiet_hours(21)
    assert lives.lost == 0


def test_one_that_answers_at_the_second_look_is_not_ill() -> None:
    lives = fleet(5, tags=settings_of(ill="replace"), days=9)
    lives.pass_hours(1)
    oldest = min(lives.members(), key=lambda machine: machine.launched)
    lives.cloud.muted[oldest.id] = 1
    lives.run()
    assert (lives.lost, lives.record.hold) == (0, "instance_spared")
    lives.cloud.muted[oldest.id] = 2
    lives.run()
    assert lives.lost_ids() == [oldest.id]


def test_what_is_not_asked_changes_nothing() -> None:
    """Instances as old as can be, of which one is silent: as before, nothing goes."""
    lives = fleet(5, days=400)
    fall_ill(lives)
    lives.pass_hours(3)
    lives.pass_quiet_hours(21)
    assert lives.lost == 0
    assert lives.record.hold == "nothing_outdated"
