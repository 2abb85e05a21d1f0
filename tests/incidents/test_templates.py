"""Groups that are deployed by image: a new version of a launch template, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from tests.decide.builders import NOW
from tests.fakes.groups import LaunchHook, Machine, Program, Template, minutes
from tests.incidents.fleets import (
    BALANCED,
    BEHIND_ONE,
    KINDS,
    NEVER_UP,
    Fleet,
    fleet,
    settings_of,
)

soak = pytest.mark.soak
# In a group of two or three the minimum lets no second one go; from four on it does.
SIZES = pytest.mark.parametrize("desired", [2, pytest.param(3, marks=soak), 4, 10])
REFUSED = Program(refused=True)


def imaged(desired: int = 3, *, bucket: bool = False, **more: Any) -> Fleet:
    """Return a fleet that has run version 1 of its launch template, made 40 days ago."""
    first = Template("lt-1", 1, "ami-1", NOW - timedelta(days=40))
    account = {
        "templates": {"lt-1": [first]},
        "default_versions": {"lt-1": 1},
        "bucket": bucket,
    }
    follow = "release template" if bucket else "template"
    tags = {**settings_of(follow=follow), **more.pop("tags", {})}
    its: dict[str, Any] = {"template": "lt-1", **more}
    return fleet(desired, account=account, tags=tags, **its)


def on(lives: Fleet, number: int, template: str = "lt-1") -> list[Machine]:
    """Return the members that serve and were launched from a version of a template."""
    return [
        machine
        for machine in lives.cloud.serving(lives.group)
        if machine.template and (machine.template.id, machine.template.number) == (template, number)
    ]


def is_out(lives: Fleet, number: int, template: str = "lt-1") -> bool:
    """Say whether the first group is whole, and all of it of a version of a template."""
    group = lives.group
    return len(group.counted()) == group.desired == len(on(lives, number, template))


@SIZES
@KINDS
def test_a_new_version_of_the_template_goes_out_one_first_and_then_in_batches(
    desired: int, stands: Mapping[str, Any]
) -> None:
    lives = imaged(desired, **stands)
    lives.pass_minutes(20)
    assert (lives.record.decision, lives.lost) == ("converged", 0)
    lives.cloud.make_version("lt-1")
    lives.pass_minutes(6)
    assert lives.lost == 1
    assert lives.record.target == "lt-1:2"
    assert lives.hours_until(lambda: is_out(lives, 2), 8) is not None
    assert lives.lost == desired
    lives.pass_minutes(30)
    assert lives.record.decision == "converged"
    assert lives.lowest["web"] >= desired // 2
    assert lives.cloud.calls["GetObject"] == lives.cloud.calls["ListObjectVersions"] == 0


def test_nobody_is_asked_for_a_version_by_a_group_that_follows_its_template_alone() -> None:
    lives = imaged(3, **BALANCED)
    lives.cloud.probe = lambda *_: pytest.fail("it was probed")  # type: ignore[method-assign]
    lives.cloud.make_version("lt-1")
    assert lives.hours_until(lambda: is_out(lives, 2), 8) is not None


@SIZES
@BEHIND_ONE
@pytest.mark.parametrize("how", [NEVER_UP, REFUSED], ids=["never up", "refused"])
def test_a_bad_image_costs_one_instance(
    desired: int, stands: Mapping[str, Any], how: Program
) -> None:
    lives = imaged(desired, **stands)
    lives.cloud.make_version("lt-1", boots=how)
    lives.pass_hours(3)
    lives.pass_quiet_hours(22)
    assert lives.lost == 1
    assert len(on(lives, 1)) == desired - 1
    assert lives.record.needs_attention


@SIZES
def test_an_image_whose_launch_hook_never_lets_it_in_costs_one_instance(desired: int) -> None:
    lives = imaged(desired, hook=LaunchHook(reports=True))
    lives.cloud.make_version("lt-1", boots=NEVER_UP)
    lives.pass_hours(4)
    lives.pass_quiet_hours(8)
    assert lives.lost == 1
    assert len(on(lives, 1)) == desired - 1


@SIZES
@BEHIND_ONE
@pytest.mark.parametrize("how", [NEVER_UP, REFUSED], ids=["never up", "refused"])
@pytest.mark.parametrize("way", ["pin", "delete", "fix"])
def test_pinning_the_older_version_heals_as_does_its_deletion_or_a_fix(
    desired: int, stands: Mapping[str, Any], how: Program, way: str
) -> None:
    lives = imaged(desired, **stands)
    bad = lives.cloud.make_version("lt-1", boots=how)
    lives.pass_hours(1)
    goal = 1
    if way == "pin":
        lives.group.template_version = "1"
    elif way == "delete":
        lives.cloud.templates["lt-1"].remove(bad)
    else:
        goal = lives.cloud.make_version("lt-1").number
    took = lives.hours_until(lambda: is_out(lives, goal), 8)
    assert took is not None
    assert way == "fix" or took < 1
    assert lives.lost <= (2 if way != "fix" else desired + 2)


@BEHIND_ONE
@pytest.mark.parametrize("desired", [1, 3, 10])
def test_a_fleet_that_is_down_on_its_image_comes_back_with_the_one_before(
    desired: int, stands: Mapping[str, Any]
) -> None:
    lives = imaged(desired, tags=settings_of(minimum="0"), **stands)
    lives.cloud.make_version("lt-1")
    assert lives.hours_until(lambda: is_out(lives, 2), 8) is not None
    lives.pass_quiet_hours(2)
    for machine in lives.group.counted():
        machine.sick = True
    lives.cloud.templates["lt-1"][-1] = Template("lt-1", 2, "ami-2", NOW, REFUSED)
    lives.pass_hours(1)
    lives.group.template_version = "1"
    assert lives.hours_until(lambda: is_out(lives, 1), 6) is not None


def test_a_way_back_that_answers_goes_as_fast_as_batches_allow_whatever_the_window_says() -> None:
    lives = imaged(6, **BALANCED)
    lives.cloud.make_version("lt-1")
    assert lives.hours_until(lambda: is_out(lives, 2), 8) is not None
    lives.forget()
    hour = (lives.cloud.now.hour + 6) % 24
    lives.group.tags |= settings_of(window=f"Mon-Sun {hour:02}:00-{hour:02}:30 UTC")
    lives.group.template_version = "1"
    took = lives.hours_until(lambda: is_out(lives, 1), 6)
    assert took is not None
    assert took < 3
    assert lives.lost == 6


@KINDS
def test_a_template_that_is_replaced_has_another_id_and_starts_at_one(
    stands: Mapping[str, Any],
) -> None:
    lives = imaged(4, **stands)
    for _ in range(6):
        lives.cloud.make_version("lt-1")
    assert lives.hours_until(lambda: is_out(lives, 7), 8) is not None
    lives.forget()
    lives.cloud.make_version("lt-2")
    lives.group.template = "lt-2"
    assert lives.hours_until(lambda: is_out(lives, 1, "lt-2"), 8) is not None
    assert lives.lost == 4


@pytest.mark.parametrize("desired", [1, pytest.param(2, marks=soak), 3, 10])
def test_where_no_boot_ever_matches_one_goes_each_canary_retry_and_a_person_is_told(
    desired: int,
) -> None:
    """Two programs point the group to and fro: each look finds one template, each launch another.

    AWS does not tell since when a group launches from what, so that no distance can double.
    """
    tags = settings_of(minimum="0", canary_retry="2h")
    lives = imaged(desired, tags=tags, **BALANCED)
    for name in ("lt-2", "lt-3"):
        lives.cloud.make_version(name)

    called = lives.cloud.called

    def launches_from_the_other(operation: str, *subjects: str) -> None:
        called(operation, *subjects)
        if operation == "TerminateInstanceInAutoScalingGroup":
            lives.group.template = "lt-2"

    def fight() -> None:
        lives.group.template = "lt-3"

    lives.cloud.called = launches_from_the_other  # type: ignore[method-assign]
    lives.pass_hours(26, fight)
    times = [at for at, _, _ in lives.cloud.kills]
    assert len(times) == 13
    assert min(later - one for one, later in pairwise(times)) >= timedelta(hours=2)
    assert lives.record.hold == "launched_lately"
    assert lives.told["web"] - NOW < timedelta(days=1, minutes=10)


def test_a_group_that_moves_from_a_launch_configuration_to_a_template_drifts_once() -> None:
    lives = imaged(3, template=None, more={"LaunchConfigurationName": "web-2019"})
    lives.pass_hours(1)
    assert (lives.record.decision, lives.record.target) == ("converged", "web-2019")
    del lives.group.more["LaunchConfigurationName"]
    lives.group.template = "lt-1"
    assert lives.hours_until(lambda: is_out(lives, 1), 8) is not None
    lives.pass_hours(1)
    assert (lives.record.decision, lives.lost) == ("converged", 3)


def test_a_version_or_a_template_that_is_not_there_holds_and_needs_a_person_at_once() -> None:
    lives = imaged(3, template_version="1")
    lives.cloud.templates["lt-1"].clear()
    lives.pass_minutes(6)
    assert (lives.record.hold, lives.record.needs_attention) == ("template_unknown", True)
    assert "version 1 of launch template lt-1" in lives.record.reason
    del lives.cloud.templates["lt-1"]
    lives.pass_hours(2)
    assert (lives.record.hold, lives.lost, lives.failed) == ("template_unknown", 0, 0)


def test_an_instance_that_was_attached_by_hand_has_not_drifted() -> None:
    lives = imaged(3)
    lives.cloud.attach(lives.group, "1.0.0", timedelta(days=3)).template = None
    lives.pass_hours(1)
    assert (lives.record.decision, lives.lost) == ("converged", 0)


def test_the_default_version_is_followed_where_the_group_names_it() -> None:
    lives = imaged(3, template_version="$Default")
    lives.cloud.make_version("lt-1")
    lives.pass_hours(2)
    assert (lives.record.decision, lives.lost) == ("converged", 0)
    lives.cloud.default_versions["lt-1"] = 2
    assert lives.hours_until(lambda: is_out(lives, 2), 8) is not None
    assert lives.lost == 3


def test_an_override_with_a_template_of_its_own_is_no_drift() -> None:
    """Instances with arm64 processors need another image, so another template."""
    arm = Template("lt-arm", 5, "ami-arm", NOW - timedelta(days=30))
    mixed = {
        "LaunchTemplate": {
            "LaunchTemplateSpecification": {"LaunchTemplateId": "lt-1", "Version": "$Latest"},
            "Overrides": [
                {"InstanceType": "m7i.large"},
                {
                    "InstanceType": "m7g.large",
                    "LaunchTemplateSpecification": {
                        "LaunchTemplateId": "lt-arm",
                        "Version": "$Latest",
                    },
                },
            ],
        }
    }
    lives = imaged(4, more={"MixedInstancesPolicy": mixed}, **BALANCED)
    lives.cloud.templates["lt-arm"] = [arm]
    lives.cloud.default_versions["lt-arm"] = 5
    for number, machine in enumerate(lives.group.counted()):
        machine.type = ("m7i.large", "m7g.large")[number % 2]
        machine.template = arm if number % 2 else machine.template
    lives.pass_hours(2)
    assert (lives.record.decision, lives.lost) == ("converged", 0)
    lives.cloud.make_version("lt-arm")
    lives.pass_minutes(6)
    [lost] = lives.lost_ids()
    gone = next(machine for machine in lives.group.machines if machine.id == lost)
    assert gone.type == "m7g.large"
    assert lives.record.outdated == 2


@pytest.mark.parametrize("asked", [True, False])
def test_an_image_behind_a_parameter_is_followed_where_that_is_asked(*, asked: bool) -> None:
    tags = settings_of(images="true") if asked else {}
    lives = imaged(3, tags=tags, **BALANCED)
    name = "resolve:ssm:/golden/web"
    lives.cloud.parameters[name] = "ami-a"
    lives.cloud.make_version("lt-1", image=name)
    assert lives.hours_until(lambda: is_out(lives, 2), 8) is not None
    lives.pass_hours(1)
    assert lives.record.decision == "converged"
    lives.forget()
    lives.cloud.parameters[name] = "ami-b"
    lives.pass_hours(6)
    assert lives.lost == (3 if asked else 0)
    assert {machine.image for machine in lives.group.counted()} == {"ami-b" if asked else "ami-a"}


@SIZES
def test_where_both_are_followed_a_release_and_a_version_of_the_template_go_out(
    desired: int,
) -> None:
    lives = imaged(desired, bucket=True, **BALANCED)
    lives.cloud.make_version("lt-1")
    assert lives.hours_until(lambda: is_out(lives, 2), 8) is not None
    assert lives.lost == desired
    lives.forget()
    lives.release("1.1.0")
    assert lives.hours_until(lambda: lives.all_serve("1.1.0"), 8) is not None
    assert lives.lost == desired
    lives.pass_hours(1)
    assert (lives.record.decision, lives.record.target) == ("converged", "1.1.0")
    assert lives.record.template == "lt-1:2"


@SIZES
@KINDS
def test_where_both_are_followed_a_bad_image_costs_one_and_a_bad_release_one(
    desired: int, stands: Mapping[str, Any]
) -> None:
    lives = imaged(desired, bucket=True, **stands)
    lives.cloud.make_version("lt-1", boots=NEVER_UP)
    lives.pass_hours(2)
    lives.pass_quiet_hours(4)
    assert lives.lost == 1
    lives.group.template_version = "1"
    assert lives.hours_until(lambda: is_out(lives, 1), 3) is not None
    lives.forget()
    lives.release("1.1.0", NEVER_UP)
    lives.pass_hours(2)
    lives.pass_quiet_hours(4)
    assert lives.lost == 1


@pytest.mark.parametrize("desired", [3, 10])
@KINDS
def test_where_both_are_followed_a_fleet_that_is_down_is_mended_by_a_release_and_a_template(
    desired: int, stands: Mapping[str, Any]
) -> None:
    lives = imaged(desired, bucket=True, tags=settings_of(minimum="0"), **stands)
    for machine in lives.group.counted():
        machine.deaf = True
    lives.pass_hours(1)
    lives.release("1.1.0")
    lives.cloud.make_version("lt-1", boots=NEVER_UP)
    lives.pass_hours(2)
    lives.cloud.make_version("lt-1")
    lives.release("1.2.0")
    assert lives.hours_until(lambda: lives.all_serve("1.2.0") and is_out(lives, 3), 8) is not None


def test_a_group_that_follows_its_template_alone_keeps_no_release_from_others_of_its_app() -> None:
    """It has been whole for longest, but it says nothing of the release."""
    first = Template("lt-1", 1, "ami-1", NOW - timedelta(days=40))
    account = {"templates": {"lt-1": [first]}, "default_versions": {"lt-1": 1}}
    tags = settings_of(minimum="0")
    lives = fleet(1, names=("web-a", "web-b"), days=2, account=account, tags=tags)
    imaged = lives.cloud.add_group(
        "web-c", 2, tags=settings_of(follow="template"), template="lt-1", grace=minutes(5)
    )
    for machine in imaged.machines:
        machine.launched -= timedelta(days=9)
    lives.release("1.1.0")
    releasing = [lives.cloud.groups[name] for name in ("web-a", "web-b")]

    def is_released() -> bool:
        return all(lives.serving("1.1.0", group) for group in releasing)

    assert lives.hours_until(is_released, 8) is not None


@pytest.mark.parametrize("bucket", [False, True], ids=["without a bucket", "with one"])
@pytest.mark.parametrize("others", [1, 2, 3])
def test_an_image_waits_for_none_of_those_that_have_long_run_the_release_and_try_no_image(
    *, bucket: bool, others: int
) -> None:
    lives = imaged(3, bucket=bucket, tags=settings_of(follow="release template"), **BALANCED)
    for number in range(others):
        group = lives.cloud.add_group(f"web-{number}", 2, **BALANCED)
        for machine in group.machines:
            machine.launched -= timedelta(days=number)
    lives.pass_hours(1)
    lives.cloud.make_version("lt-1")
    assert lives.hours_until(lambda: is_out(lives, 2), 8) is not None
    assert lives.lost == 3


def test_without_a_bucket_what_a_group_on_an_older_release_proves_is_no_release_of_the_others() -> (
    None
):
    lives = imaged(3, tags=settings_of(follow="release template"), **BALANCED)
    newer, older = (lives.cloud.add_group(f"web-{n}", 2, **BALANCED) for n in (1, 2))
    for machine in older.machines:
        machine.launched -= timedelta(days=9)
    for machine in (*lives.members(), *newer.machines):
        machine.version = "1.1.0"
    lives.group.image = ("1.1.0", "good")
    lives.pass_hours(1)
    lives.cloud.make_version("lt-1")
    assert lives.hours_until(lambda: is_out(lives, 2), 8) is not None


def test_an_image_that_one_group_has_proved_goes_to_the_next_beside_one_that_tries_none() -> None:
    lives = imaged(3, bucket=True, names=("web-a", "web-b"), **BALANCED)
    other = lives.cloud.add_group("web-c", 2, **BALANCED)
    for machine in other.machines:
        machine.launched -= timedelta(days=9)
    lives.cloud.groups["web-b"].tags["terminator:pause"] = "later"
    lives.cloud.make_version("lt-1")
    assert lives.hours_until(lambda: is_out(lives, 2), 8) is not None
    lives.pass_hours(2)
    lives.pass_quiet_hours(22)
    del lives.cloud.groups["web-b"].tags["terminator:pause"]
    later = lives.cloud.groups["web-b"]

    def is_out_too() -> bool:
        launched = [m.template.number for m in lives.cloud.serving(later) if m.template]
        return launched == [2, 2, 2]

    assert lives.hours_until(is_out_too, 8) is not None


def test_an_image_goes_on_by_itself_beside_a_group_that_has_it_and_follows_releases_too() -> None:
    lives = imaged(3, names=("web-a", "web-b"), **BALANCED)
    both = settings_of(follow="release template")
    other = lives.cloud.add_group("web-c", 2, tags=both, template="lt-1", **BALANCED)
    for machine in other.machines:
        machine.launched -= timedelta(days=9)
    lives.cloud.groups["web-a"].template_version = "1"
    lives.cloud.make_version("lt-1")
    lives.pass_hours(2)
    lives.pass_quiet_hours(22)
    for machine in other.counted():
        machine.launched -= timedelta(days=60)
    lives.cloud.groups["web-a"].template_version = "$Latest"
    assert lives.hours_until(lambda: is_out(lives, 2), 8) is not None


@pytest.mark.parametrize("first", ["web-a", "web-b"])
def test_a_bad_image_costs_one_of_two_groups_of_which_one_follows_parameters(first: str) -> None:
    lives = imaged(3, bucket=True, names=("web-a", "web-b"), **BALANCED)
    lives.cloud.groups[first].tags["terminator:images"] = "true"
    lives.cloud.add_group("web-c", 2, **BALANCED)
    lives.pass_hours(1)
    lives.cloud.make_version("lt-1", boots=NEVER_UP)
    lives.pass_hours(3)
    lives.pass_quiet_hours(9)
    assert lives.lost == 1
    lives.cloud.make_version("lt-1")

    def are_out() -> bool:
        groups = [lives.cloud.groups[name] for name in ("web-a", "web-b")]
        serving = [m for group in groups for m in lives.cloud.serving(group)]
        return [m.template.number for m in serving if m.template] == [3] * 6

    assert lives.hours_until(are_out, 12) is not None


def test_a_bad_image_costs_one_of_all_groups_whatever_those_without_it_prove() -> None:
    """The third group runs the release, and has for long: it has tried no image."""
    lives = imaged(3, bucket=True, names=("web-a", "web-b"), **BALANCED)
    other = lives.cloud.add_group("web-c", 2, **BALANCED)
    for machine in other.machines:
        machine.launched -= timedelta(days=9)
    lives.pass_hours(1)
    lives.cloud.make_version("lt-1", boots=NEVER_UP)
    lives.pass_hours(3)
    lives.pass_quiet_hours(9)
    assert lives.lost == 1


def test_a_warm_pool_that_was_filled_from_the_version_before_is_drained() -> None:
    lives = imaged(3, pool=2, boot=3)
    lives.pass_hours(1)
    lives.cloud.make_version("lt-1")
    assert lives.hours_until(lambda: is_out(lives, 2), 12) is not None
    assert lives.lost <= 6


def test_a_boot_that_is_slow_to_enter_service_is_waited_for() -> None:
    lives = imaged(3, hook=LaunchHook(minutes(40)))
    lives.cloud.make_version("lt-1")
    lives.pass_minutes(44)
    assert lives.lost == 1
    assert lives.record.hold == "members_in_flight"
    assert lives.hours_until(lambda: is_out(lives, 2), 12) is not None
    assert lives.lost == 3
