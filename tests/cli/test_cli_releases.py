"""Releases on the command line: what there is, uploading one, and which is to run."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox import acts, fleet, store
from sandbox.fleet import Fleet
from sandbox.program import Program, pack
from terminator.config.release_keys import pointer_key
from terminator_cli import output
from tests.cli.cli_calls import documented, recording
from tests.cli.cli_runs import Caller, caller, words
from tests.fakes.lambda_server import functions

WEB = "live_asg_web"
PAUSED: Any = {"ResourceId": WEB, "ResourceType": "auto-scaling-group", "Key": "terminator:pause"}
USE = ("use", "--app", "web", "--local")


@pytest.fixture(scope="module")
def released() -> Iterator[Fleet]:
    """Run the demo's groups on 1.0.266; web has 1.0.274 as well, and 1.0.250."""
    with fleet.running(ahead=acts.SETTLED) as running:
        acts.prepare(running)
        for version in ("1.0.250", "1.0.274"):
            store.upload(running.aws, "web", Program(version))
        yield running


@pytest.fixture
def web(released: Fleet) -> Iterator[Fleet]:
    """Leave the app web as it was: without a pointer, with its three releases."""
    yield released
    aws = released.aws
    store.point(aws, "web", None)
    aws.autoscaling.delete_tags(Tags=[PAUSED])
    rows = aws.s3.list_objects_v2(Bucket=store.BUCKET, Prefix="web/").get("Contents", ())
    for key in {row["Key"] for row in rows} - {f"web/1.0.{n}.zip" for n in (250, 266, 274)}:
        aws.s3.delete_object(Bucket=store.BUCKET, Key=key)


@pytest.fixture
def on(web: Fleet, tmp_path: Path) -> Caller:
    return caller(web, tmp_path)


@pytest.fixture
def archive(tmp_path: Path) -> str:
    path = tmp_path / "web.zip"
    path.write_bytes(pack(Program("1.0.275")))
    return str(path)


def upload(archive: str, version: str, *more: str) -> tuple[str, ...]:
    return "release", archive, "--app", "web", "--version", version, *more


def pointer(fleet_: Fleet) -> str | None:
    s3 = fleet_.aws.s3
    try:
        answer = s3.get_object(Bucket=store.BUCKET, Key=pointer_key("web"))
    except s3.exceptions.NoSuchKey:
        return None
    return answer["Body"].read().decode()


def releases(on: Caller) -> dict[str, Any]:
    [web] = on.json("releases", "--app", "web", "--local")
    seen: dict[str, Any] = web
    return seen


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
    web: Fleet, on: Caller
) -> None:
    name = "shop [red](blue)"
    web.create_group(name, 0)
    try:
        done = on.run("releases", "--local")
    finally:
        web.aws.autoscaling.delete_auto_scaling_group(AutoScalingGroupName=name)
    assert done.exit_code == 0
    assert "web  s3://releases\n* target 1.0.274" in done.stdout
    said = '"shop [red](blue)" is no name of an app: set the tag terminator:app\n'
    assert said in done.stderr


@pytest.mark.parametrize("columns", [60, 120])
def test_on_a_narrow_terminal_releases_fold_and_lose_nothing(
    web: Fleet, on: Caller, columns: int
) -> None:
    long = "1.0.276-" + "release-candidate." * 4 + "1"
    store.put(web.aws, f"web/{long}.zip", pack(Program(long)))
    status, screen = on.on_terminal("releases", "--app", "web", "--local", columns=columns)
    assert status == 0
    assert "…" not in screen
    _, table = screen.split("it is the newest")
    assert max(map(len, table.splitlines())) <= columns
    first = "".join(line[1:].partition(" ")[0] for line in table.splitlines())
    assert long in first


def test_what_runs_and_is_no_release_is_shown_too(web: Fleet, on: Caller) -> None:
    store.delete(web.aws, "web", "1.0.266")
    try:
        assert releases(on)["other"] == {"1.0.266": {WEB: 3}}
        assert "no release" in on.run("releases", "--app", "web", "--local").stdout
    finally:
        store.upload(web.aws, "web", Program("1.0.266"))


def test_releases_are_shown_without_who_runs_them_where_that_is_not_known(on: Caller) -> None:
    done = on.run("releases", "--app", "web")
    assert done.exit_code == 0
    assert "1.0.274 *" in done.stdout
    assert done.stderr == (
        "who runs what is not known: no function terminator-reconcile is deployed here; "
        "see --local\n"
    )


def test_an_app_without_releases_is_status_1(on: Caller) -> None:
    done = on.run("releases", "--app", "shop", "--local")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == "Error: no release of shop in s3://releases\n"


def test_a_pointer_that_names_no_release_is_said_escaped(web: Fleet, on: Caller) -> None:
    store.put(web.aws, pointer_key("web"), b"\x1b[31m[bold]latest")
    done = on.run("releases", "--app", "web", "--local")
    assert done.exit_code == 0
    assert "no target: the pointer web/current names no release" in done.stdout
    assert "\x1b" not in done.stdout
    assert "[bold]latest" in done.stdout


def test_a_zip_is_uploaded_and_becomes_the_release_to_run(
    web: Fleet, on: Caller, archive: str
) -> None:
    done = on.run(*upload(archive, "1.0.275"))
    assert (done.exit_code, done.stderr) == (0, "")
    assert "uploaded s3://releases/web/1.0.275.zip" in done.stdout
    assert "1.0.275 is the release of web to run from now on" in done.stdout
    body = web.aws.s3.get_object(Bucket=store.BUCKET, Key="web/1.0.275.zip")["Body"].read()
    assert body == Path(archive).read_bytes()
    assert releases(on)["target"] == "1.0.275"


def test_a_dry_run_uploads_nothing(on: Caller, archive: str) -> None:
    told = on.json(*upload(archive, "1.0.275", "--dry-run"))
    assert (told["uploaded"], told["becomes_target"], told["key"]) == (
        False,
        True,
        "web/1.0.275.zip",
    )
    assert releases(on)["target"] == "1.0.274"


@pytest.mark.parametrize("version", ["1.0.274", "v1.0.274", "1.0.274.0"])
def test_a_version_that_exists_is_refused_however_it_is_spelled(
    on: Caller, archive: str, version: str
) -> None:
    done = on.run(*upload(archive, version))
    assert (done.exit_code, done.stdout) == (1, "")
    assert f"web {version} exists, as web/1.0.274.zip; see --force" in done.stderr


def test_a_version_that_exists_is_replaced_by_force(web: Fleet, on: Caller, archive: str) -> None:
    told = on.json(*upload(archive, "1.0.274", "--force"))
    assert (told["replaced"], told["uploaded"], told["warnings"]) == (True, True, [])
    store.upload(web.aws, "web", Program("1.0.274"))


def test_a_lower_version_is_asked_about_because_the_newest_is_run(on: Caller, archive: str) -> None:
    done = on.run(*upload(archive, "1.0.270"))
    assert done.exit_code == 2
    assert "Warning: 1.0.270 is lower than 1.0.274: the newest is run" in done.stderr
    assert "Nobody can be asked here: say --yes" in done.stderr
    told = on.json(*upload(archive, "1.0.270", "--yes"))
    assert (told["uploaded"], told["becomes_target"]) == (True, False)


def test_a_pointer_in_the_way_is_said(web: Fleet, on: Caller, archive: str) -> None:
    store.point(web.aws, "web", "1.0.266")
    done = on.run(*upload(archive, "1.0.275", "--dry-run"))
    assert done.stderr == "Warning: the pointer web/current names 1.0.266: that is run\n"


def test_a_pointer_that_waits_for_this_version_is_not_in_the_way(
    web: Fleet, on: Caller, archive: str
) -> None:
    store.point(web.aws, "web", "1.0.275")
    told = on.json(*upload(archive, "1.0.275"))
    assert (told["warnings"], told["becomes_target"]) == ([], True)


@pytest.mark.parametrize("answer", [b"y\n", b"n\n"])
def test_on_a_terminal_it_asks_and_shows_progress(on: Caller, archive: str, answer: bytes) -> None:
    asked = upload(archive, "1.0.270")
    status, screen = on.on_terminal(*asked, columns=100, keys=answer)
    assert "Upload s3://releases/web/1.0.270.zip? [y/N]" in screen
    assert (status, "uploaded s3://" in screen) == ((0, True) if answer == b"y\n" else (1, False))
    assert ("100" in screen or "bytes" in screen) or answer == b"n\n"


def broken(folder: Path, kind: str) -> Path:
    path = folder / f"{kind}.zip"
    whole = pack(Program("1.0.275"))
    if kind == "empty":
        with zipfile.ZipFile(path, "w"):
            return path
    path.write_bytes({
        "text": b"no zip",
        "half": whole[: len(whole) // 2],
        "damaged": whole[:45] + bytes([whole[45] ^ 0xFF]) + whole[46:],
        "nothing": b"",
    }[kind])  # fmt: skip
    return path


@pytest.mark.parametrize("kind", ["empty", "text", "half", "damaged", "nothing"])
def test_a_zip_that_cannot_be_booted_is_not_uploaded(on: Caller, tmp_path: Path, kind: str) -> None:
    path = broken(tmp_path, kind)
    done = on.run(*upload(str(path), "1.0.275"))
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith(f"Error: {path} cannot be ")
    assert releases(on)["target"] == "1.0.274"


def test_using_a_release_shows_what_goes_and_sets_the_pointer(web: Fleet, on: Caller) -> None:
    told = on.json(*USE, "1.0.250", "--yes")
    assert (told["before"], told["before_source"]) == ("1.0.274", "newest")
    assert (told["target"], told["target_source"], told["changed"]) == ("1.0.250", "pointer", True)
    [group] = told["groups"]
    oldest = web.of(WEB)[0].id
    assert (group["group"], group["instances"], group["outdated"]) == (WEB, 3, {"1.0.266": 3})
    assert group["decision"] == "canary"
    assert group["reason"].endswith("goes first, to prove 1.0.250")
    assert oldest.startswith("i-")
    assert pointer(web) == "1.0.250\n"
    assert releases(on)["target_source"] == "pointer"


def test_what_it_says_would_go_is_what_a_plan_says_afterwards(web: Fleet, on: Caller) -> None:
    [supposed] = on.json(*USE, "1.0.250", "--yes")["groups"]
    [planned] = on.json("plan", "--local", "--group", WEB)
    assert (supposed["decision"], supposed["reason"]) == (planned["decision"], planned["reason"])
    assert web.gone == []


def test_a_release_that_all_run_already_replaces_nothing(on: Caller) -> None:
    [group] = on.json(*USE, "1.0.266", "--dry-run")["groups"]
    assert (group["outdated"], group["decision"]) == ({}, "converged")


def test_a_dry_run_and_a_refusal_change_nothing(web: Fleet, on: Caller) -> None:
    assert on.run(*USE, "1.0.266", "--dry-run").exit_code == 0
    done = on.run(*USE, "1.0.266")
    assert done.exit_code == 2
    assert "Set web/current to 1.0.266? Nobody can be asked here: say --yes" in done.stderr
    assert pointer(web) is None


def test_on_a_terminal_of_60_columns_it_asks(web: Fleet, on: Caller) -> None:
    status, screen = on.on_terminal(*USE, "1.0.250", columns=60, keys=b"n\n")
    assert status == 1
    said = words(screen)
    assert "3 of 3 instances not on 1.0.250: 1.0.266 on 3 instances" in said
    assert "goes first, to prove 1.0.250" in said
    assert "Set web/current to 1.0.250? [y/N]" in said
    assert "nothing was changed" in said
    assert pointer(web) is None


def test_newest_removes_the_pointer(web: Fleet, on: Caller) -> None:
    store.point(web.aws, "web", "1.0.266")
    told = on.json(*USE, "newest", "--yes")
    assert (told["before"], told["target"], told["changed"]) == ("1.0.266", "1.0.274", True)
    assert told["groups"][0]["decision"] == "canary"
    assert pointer(web) is None


def test_what_is_so_already_is_not_asked_about(web: Fleet, on: Caller) -> None:
    done = on.run(*USE, "newest")
    assert (done.exit_code, "nothing to change" in done.stdout) == (0, True)
    store.point(web.aws, "web", "1.0.266")
    assert not on.json(*USE, "1.0.266")["changed"]


def test_a_version_that_is_no_release_is_refused(web: Fleet, on: Caller) -> None:
    done = on.run(*USE, "1.0.999", "--yes")
    assert (done.exit_code, done.stdout) == (2, "")
    known = "the newest are 1.0.274, 1.0.266, 1.0.250"
    assert f"1.0.999 is no release of web in s3://releases; {known}" in done.stderr
    assert pointer(web) is None


def test_rollback_goes_to_the_release_before_the_target_and_no_further_than_there_is(
    web: Fleet, on: Caller
) -> None:
    for expected in ("1.0.266", "1.0.250"):
        told = on.json("rollback", "--app", "web", "--local", "--yes")
        assert (told["target"], pointer(web)) == (expected, f"{expected}\n")
    done = on.run("rollback", "--app", "web", "--local", "--yes")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == "Error: web has no release below 1.0.250 to go back to\n"


def test_where_only_the_deployed_reconcile_sees_instances_it_says_who_is_not_on_the_target(
    web: Fleet, on: Caller
) -> None:
    seen = on.json("apply", "--dry-run", "--local")
    seen[1]["instances"][0] |= {"version": None, "reason": "timeout"}
    with functions({"terminator-reconcile": lambda _event: seen}) as lambdas:
        told = on.json("use", "--app", "web", "1.0.250", "--yes", env=lambdas)
    assert told["groups"] == [
        {
            "group": WEB,
            "instances": 3,
            "outdated": {"1.0.266": 2},
            "unknown": 1,
            "decision": None,
            "reason": None,
        }
    ]
    assert pointer(web) == "1.0.250\n"


@pytest.mark.parametrize(
    ("command", "runs"),
    [
        ("plan", [("plan",)]),
        ("apply", [("apply",)]),
        ("status", [("status",)]),
        ("releases", [("releases",)]),
        ("release", [("release", "ZIP", "--app", "web", "--version", "1.0.260", "--yes")]),
        ("use", [("use", "--app", "web", v, "--yes") for v in ("1.0.266", "newest")]),
        ("rollback", [("rollback", "--app", "web", "--yes")]),
        ("pause", [("pause", WEB)]),
        ("resume", [("pause", WEB), ("resume", WEB)]),
    ],
)
def test_a_command_calls_what_its_documentation_says_and_no_more(
    web: Fleet, on: Caller, archive: str, command: str, runs: list[tuple[str, ...]]
) -> None:
    store.point(web.aws, "web", "1.0.274")
    with functions({"terminator-reconcile": lambda _event: []}) as lambdas, recording() as made:
        for words_ in runs:
            asked = (archive if word == "ZIP" else word for word in words_)
            done = on.run(*asked, env=lambdas)
            assert done.exit_code == 0, done.output
    if command == "resume":
        made -= {"autoscaling:CreateOrUpdateTags"}
    assert made == documented(command)


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (3_450_000, "3.5 MB"),
    ],
)
def test_sizes_are_said_in_the_units_that_aws_bills_by(number: int, said: str) -> None:
    assert output.size(number) == said


PAUSE = "terminator:pause"


def tags(of: Fleet, group: str) -> dict[str, Any]:
    [described] = of.aws.autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[group])[
        "AutoScalingGroups"
    ]
    return {tag["Key"]: tag for tag in described["Tags"]}


def test_pause_holds_a_group_and_resume_lets_it_go_on(web: Fleet, on: Caller) -> None:
    paused = on.json("pause", WEB, "--reason", "[bold]freeze", "--local")
    assert (paused["paused"], paused["changed"], paused["text"]) == (True, True, "[bold]freeze")
    assert paused["record"]["reason"] == 'paused: "[bold]freeze"'
    assert tags(web, WEB)[PAUSE]["Value"] == "[bold]freeze"
    assert tags(web, WEB)[PAUSE]["PropagateAtLaunch"] is False
    assert not on.json("pause", WEB, "--reason", "[bold]freeze", "--local")["changed"]
    resumed = on.run("resume", WEB, "--local")
    assert resumed.exit_code == 0
    assert resumed.stdout.startswith("live_asg_web is resumed\nlive_asg_web  canary\n")
    assert PAUSE not in tags(web, WEB)
    assert "already resumed" in on.run("resume", WEB, "--local").stdout


def test_a_pause_without_a_reason_holds_too(on: Caller) -> None:
    assert on.json("pause", WEB, "--local")["record"]["reason"] == "paused"
    assert on.run("resume", WEB).exit_code == 0


def printed(on: Caller, *asked: str, env: dict[str, str] | None = None) -> list[str]:
    done = on.run(*asked, env=env)
    assert done.exit_code == 0, done.output
    return [line.strip() for line in done.stdout.splitlines()]


def test_a_dry_run_in_this_process_plans_as_if_the_tag_were_changed(web: Fleet, on: Caller) -> None:
    follows = "the decision that would follow:"
    first, label, *shown = printed(on, "pause", WEB, "--reason", "x", "--dry-run", "--local")
    assert (first, label) == ('dry run: live_asg_web would be paused: "x"', follows)
    assert (shown[0], shown[-1]) == (f"{WEB}  hold", 'waits for  paused: "x"')
    assert PAUSE not in tags(web, WEB)

    on.run("pause", WEB, "--local")
    other = on.json("pause", WEB, "--reason", "y", "--dry-run", "--local")
    assert (other["changed"], other["before"], other["now"]) == (False, "", None)
    assert other["record"]["reason"] == 'paused: "y"'
    first, label, *shown = printed(on, "resume", WEB, "--dry-run", "--local")
    assert (first, label) == ("dry run: live_asg_web would be resumed", follows)
    assert shown[0] == f"{WEB}  canary"
    assert PAUSE in tags(web, WEB)

    first, group, *_ = printed(on, "pause", WEB, "--dry-run", "--local")
    assert (first, group) == ("live_asg_web is already paused", f"{WEB}  hold")


def test_a_dry_run_that_asks_what_is_deployed_says_that_its_decision_is_that_of_now(
    web: Fleet, on: Caller
) -> None:
    [seen] = on.json("plan", "--local", "--group", WEB)
    with functions({"terminator-reconcile": lambda _event: [seen]}) as lambdas:
        first, label, group, *_ = printed(on, "pause", WEB, "--dry-run", env=lambdas)
        as_json = on.json("pause", WEB, "--dry-run", env=lambdas)
        changed = on.json("pause", WEB, env=lambdas)
    assert first == "dry run: live_asg_web would be paused"
    assert (label, group) == ("the decision as it is now:", f"{WEB}  canary")
    assert (as_json["dry_run"], as_json["record"], as_json["now"]) == (True, None, seen)
    assert (changed["dry_run"], changed["record"], changed["now"]) == (False, seen, None)
    assert PAUSE in tags(web, WEB)


def test_a_group_is_paused_where_the_decision_cannot_be_shown(web: Fleet, on: Caller) -> None:
    done = on.run("pause", WEB)
    assert (done.exit_code, done.stdout) == (0, "live_asg_web is paused\n")
    assert "the decision that follows is not known: no function" in done.stderr
    assert PAUSE in tags(web, WEB)
    on.run("resume", WEB)


def test_only_a_group_that_opted_in_is_paused(web: Fleet, on: Caller) -> None:
    done = on.run("pause", "ghost")
    assert (done.exit_code, done.stderr) == (2, 'Error: no Auto Scaling group is named "ghost"\n')
    named = caller(web, on.config.parent, {"groups": {"names": ["other"]}})
    done = named.run("pause", WEB)
    assert done.exit_code == 2
    assert "live_asg_web has not opted in: name it in groups.names" in done.stderr
    assert PAUSE not in tags(web, WEB)


def test_in_an_empty_account_every_command_says_so(
    empty_fleet: Fleet, archive: str, tmp_path: Path
) -> None:
    on = caller(empty_fleet, tmp_path)
    empty = {
        ("plan", "--local"): (0, "no group to serve"),
        ("apply", "--local"): (0, "no group to serve"),
        ("status", "--local"): (0, "no group to serve"),
        ("status", "--local", "--watch"): (0, "no group to serve"),
        ("releases", "--local"): (0, "no group has opted in"),
        ("pause", WEB): (2, 'no Auto Scaling group is named "live_asg_web"'),
        ("resume", WEB): (2, 'no Auto Scaling group is named "live_asg_web"'),
        (*USE, "newest"): (1, "no release of web in s3://releases"),
        (*USE, "1.0.1"): (2, "1.0.1 is no release of web in s3://releases; it has none"),
        ("rollback", "--app", "web", "--local"): (1, "no release of web in s3://releases"),
    }
    for command, (status, told) in empty.items():
        done = on.run(*command)
        assert (done.exit_code, told in done.stderr) == (status, True), (command, done.output)
    assert on.run(*upload(archive, "1.0.275")).exit_code == 0
