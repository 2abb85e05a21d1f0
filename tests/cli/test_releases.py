"""An app's releases in S3: which there are, the one to run, and who runs them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sandbox import store
from sandbox.fleet import WEB, Fleet
from sandbox.store import Program, pack
from terminator.config.release_keys import pointer_key
from terminator.model import Release, Released
from terminator.observe.releases import Listing
from terminator.version import Version
from terminator_cli.stream import Stream
from tests.cli.runs import Caller, releases


def test_releases_are_listed_newest_first_with_who_runs_them(on: Caller) -> None:
    seen = releases(on)
    assert (seen["target"], seen["target_source"]) == ("1.0.274", "newest")
    assert [(each["version"], each["target"], each["running"]) for each in seen["releases"]] == [
        ("1.0.274", True, {}),
        ("1.0.266", False, {WEB: 3}),
        ("1.0.250", False, {}),
    ]
    assert seen["releases"][0]["key"] == "web/1.0.274.zip"
    assert seen["releases"][0]["size"] == len(pack(Program("1.0.274")))
    assert seen["other"] == {}


def test_without_an_app_those_of_all_groups_are_shown(on: Caller) -> None:
    done = on.run("releases", "--local")
    assert done.exit_code == 0
    assert "api  s3://releases\n* target 1.0.266: it is the newest" in done.stdout
    assert "web  s3://releases\n* target 1.0.274: it is the newest" in done.stdout
    assert "live_asg_web: 3 instances" in done.stdout


def test_a_group_whose_name_is_no_apps_takes_nothing_from_the_others(
    released: Fleet, on: Caller
) -> None:
    name = "shop [red](blue)"
    released.create_group(name, 0)
    try:
        done = on.run("releases", "--local")
    finally:
        released.aws.autoscaling.delete_auto_scaling_group(AutoScalingGroupName=name)
    assert done.exit_code == 0
    assert "web  s3://releases\n* target 1.0.274" in done.stdout
    said = '"shop [red](blue)" is no name of an app: set the tag terminator:app\n'
    assert said in done.stderr


@pytest.mark.parametrize("columns", [60, 120])
def test_on_a_narrow_terminal_releases_fold_and_lose_nothing(
    released: Fleet, on: Caller, columns: int
) -> None:
    long = "1.0.276-" + "release-candidate." * 4 + "1"
    store.put(released.aws, f"web/{long}.zip", pack(Program(long)))
    status, screen = on.at_width(columns, "releases", "--app", "web", "--local")
    assert status == 0
    assert "…" not in screen
    _, table = screen.split("it is the newest")
    assert max(map(len, table.splitlines())) <= columns
    first = "".join(line[1:].partition(" ")[0] for line in table.splitlines())
    assert long in first


def test_what_runs_and_is_no_release_is_shown_too(released: Fleet, on: Caller) -> None:
    store.delete(released.aws, "web", "1.0.266")
    try:
        assert releases(on)["other"] == {"1.0.266": {WEB: 3}}
        assert "no release" in on.run("releases", "--app", "web", "--local").stdout
    finally:
        store.upload(released.aws, "web", Program("1.0.266"))


def test_releases_are_shown_without_who_runs_them_where_that_is_not_known(on: Caller) -> None:
    done = on.run("releases", "--app", "web")
    assert done.exit_code == 0
    assert "1.0.274 *" in done.stdout
    assert done.stderr == (
        "who runs what is not known: no function terminator-reconcile is deployed here "
        "(account 000000000000, eu-west-1); see --local\n"
    )


def test_an_app_without_releases_is_status_1(on: Caller) -> None:
    done = on.run("releases", "--app", "shop", "--local")
    assert (done.exit_code, done.stdout) == (1, "")
    assert (
        done.stderr
        == "Error: no release of shop in s3://releases (account 000000000000, eu-west-1)\n"
    )


def test_a_pointer_that_names_no_release_is_said_escaped(released: Fleet, on: Caller) -> None:
    store.put(released.aws, pointer_key("web"), b"\x1b[31m[bold]latest")
    done = on.run("releases", "--app", "web", "--local")
    assert done.exit_code == 0
    assert "no target: the pointer web/current names no release" in done.stdout
    assert "\x1b" not in done.stdout
    assert "[bold]latest" in done.stdout


@pytest.mark.parametrize(("seconds", "told"), [(0, False), (1, True)])
def test_what_was_uploaded_last_is_told_only_where_s3_tells_it_apart(
    seconds: int, *, told: bool
) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    newest = Release("web/1.1.0.zip", Version.parse("1.1.0"), at, 1)
    later = Release("web/1.0.10.zip", Version.parse("1.0.10"), at + timedelta(seconds=seconds), 1)
    stream = Stream("web", "releases", Listing((later, newest), {}, {}, ()), Released(newest, at))
    assert (stream.passed_over is not None) == told
