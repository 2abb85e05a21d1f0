"""Pausing a group, and letting it go on."""

from __future__ import annotations

from typing import Any

from sandbox.fleet import WEB, Fleet
from tests.cli.runs import Caller, caller
from tests.fakes.lambda_server import functions

PAUSE = "terminator:pause"


def tags(of: Fleet, group: str) -> dict[str, Any]:
    [described] = of.aws.autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[group])[
        "AutoScalingGroups"
    ]
    return {tag["Key"]: tag for tag in described["Tags"]}


def test_pause_holds_a_group_and_resume_lets_it_go_on(released: Fleet, on: Caller) -> None:
    paused = on.json("pause", WEB, "--reason", "[bold]freeze", "--local")
    assert (paused["paused"], paused["changed"], paused["text"]) == (True, True, "[bold]freeze")
    assert paused["record"]["reason"] == 'paused: "[bold]freeze"'
    assert tags(released, WEB)[PAUSE]["Value"] == "[bold]freeze"
    assert tags(released, WEB)[PAUSE]["PropagateAtLaunch"] is False
    assert not on.json("pause", WEB, "--reason", "[bold]freeze", "--local")["changed"]
    resumed = on.run("resume", WEB, "--local")
    assert resumed.exit_code == 0
    assert resumed.stdout.startswith("live_asg_web is resumed\nlive_asg_web  canary\n")
    assert PAUSE not in tags(released, WEB)
    assert "was not paused" in on.run("resume", WEB, "--local").stdout


def test_a_pause_without_a_reason_holds_too(on: Caller) -> None:
    assert on.json("pause", WEB, "--local")["record"]["reason"] == "paused"
    assert on.run("resume", WEB).exit_code == 0


def printed(on: Caller, *asked: str, env: dict[str, str] | None = None) -> list[str]:
    done = on.run(*asked, env=env)
    assert done.exit_code == 0, done.output
    return [line.strip() for line in done.stdout.splitlines()]


def test_a_dry_run_in_this_process_plans_as_if_the_tag_were_changed(
    released: Fleet, on: Caller
) -> None:
    follows = "the decision that would follow:"
    first, label, *shown = printed(on, "pause", WEB, "--reason", "x", "--dry-run", "--local")
    assert (first, label) == ('dry run: live_asg_web would be paused: "x"', follows)
    assert (shown[0], shown[-1]) == (f"{WEB}  waiting", 'why      paused: "x"')
    assert PAUSE not in tags(released, WEB)

    on.run("pause", WEB, "--local")
    other = on.json("pause", WEB, "--reason", "y", "--dry-run", "--local")
    assert (other["changed"], other["before"], other["now"]) == (False, "", None)
    assert other["record"]["reason"] == 'paused: "y"'
    first, label, *shown = printed(on, "resume", WEB, "--dry-run", "--local")
    assert (first, label) == ("dry run: live_asg_web would be resumed", follows)
    assert shown[0] == f"{WEB}  canary"
    assert PAUSE in tags(released, WEB)

    first, group, *_ = printed(on, "pause", WEB, "--dry-run", "--local")
    assert (first, group) == ("live_asg_web is already paused", f"{WEB}  waiting")


def test_a_dry_run_that_asks_what_is_deployed_says_that_its_decision_is_that_of_now(
    released: Fleet, on: Caller
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
    assert PAUSE in tags(released, WEB)


def test_a_group_is_paused_where_the_decision_cannot_be_shown(released: Fleet, on: Caller) -> None:
    done = on.run("pause", WEB)
    assert (done.exit_code, done.stdout) == (0, "live_asg_web is paused\n")
    assert "the decision that follows is not known: no function" in done.stderr
    assert PAUSE in tags(released, WEB)
    on.run("resume", WEB)


def test_only_a_group_that_opted_in_is_paused(released: Fleet, on: Caller) -> None:
    done = on.run("pause", "ghost")
    where = "(account 000000000000, eu-west-1)"
    told = f'Error: no Auto Scaling group is named "ghost" {where}\n'
    assert (done.exit_code, done.stderr) == (2, told)
    named = caller(released, on.config.parent, {"groups": {"names": ["other"]}})
    done = named.run("pause", WEB)
    assert done.exit_code == 2
    assert "live_asg_web has not opted in: name it in groups.names" in done.stderr
    assert PAUSE not in tags(released, WEB)
