"""Replacing instances by name: what is shown, asked, refused and done."""

from __future__ import annotations

from typing import Any

from sandbox import fleet
from sandbox.fleet import WEB, Fleet
from tests.cli.calls import documented, recording
from tests.cli.runs import Caller, words
from tests.fakes.lambda_server import functions

ME = "arn:aws:"


def of(running: Fleet, group: str) -> list[str]:
    return sorted(machine.id for machine in running.of(group))


def test_it_replaces_who_is_named_though_the_group_has_converged(
    released: Fleet, on: Caller
) -> None:
    victim = of(released, fleet.API)[-1]
    [record] = on.json("replace", victim, "--local", "--yes")
    released.sync()
    assert (record["group"], record["terminated"]) == (fleet.API, [victim])
    assert record["requested_by"].startswith(ME)
    assert (
        f"asked to replace {victim}; overrides: {victim} runs the target 1.0.266"
        in (record["reason"])
    )
    assert released.gone[-1].id == victim


def test_it_shows_what_it_would_do_and_asks(released: Fleet, on: Caller) -> None:
    victim, gone = of(released, WEB)[0], list(released.gone)
    asked = ("replace", victim, "--local")
    status, screen = on.on_terminal(*asked, columns=80, keys=b"n\n")
    said = words(screen)
    assert f"asked to replace {victim}; overrides: no proof of 1.0.274 yet" in said
    assert "dry_run is true in the settings: this terminates all the same" in said
    assert f"Terminate {victim}? [y/N]" in said
    assert (status, "nothing was changed" in said) == (1, True)
    done = on.run(*asked)
    assert (done.exit_code, "Nobody can be asked here: say --yes" in done.stderr) == (2, True)
    assert on.run(*asked, "--dry-run").exit_code == 0
    released.sync()
    assert released.gone == gone


def test_it_refuses_ids_that_no_group_which_opted_in_has(released: Fleet, on: Caller) -> None:
    gone = list(released.gone)
    done = on.run("replace", of(released, WEB)[0], "i-0123456789abcdef0", "--local", "--yes")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == (
        "Error: in no group that opted in: i-0123456789abcdef0 (account 000000000000, eu-west-1)\n"
    )
    assert on.run("replace", "--local").exit_code == 2
    released.sync()
    assert released.gone == gone


def test_what_the_minimum_needs_stays_and_that_is_status_1(released: Fleet, on: Caller) -> None:
    ids, gone = of(released, WEB), len(released.gone)
    some = on.run("replace", *ids, "--local", "--dry-run")
    assert some.exit_code == 1
    assert f"{ids[-1]} stays: 1 would stay available, minimum 2" in some.stdout
    released.aws.autoscaling.set_instance_protection(
        AutoScalingGroupName=WEB, InstanceIds=ids[:1], ProtectedFromScaleIn=True
    )
    try:
        done = on.run("replace", ids[0], "--local", "--yes")
    finally:
        released.aws.autoscaling.set_instance_protection(
            AutoScalingGroupName=WEB, InstanceIds=ids[:1], ProtectedFromScaleIn=False
        )
    assert done.exit_code == 1
    assert f"{ids[0]} stays: it is protected from scale-in" in done.stdout
    assert done.stderr == "Error: none of those you named may go; the reason is above\n"
    released.sync()
    assert len(released.gone) == gone


def test_what_is_deployed_does_it_when_it_was_shown(released: Fleet, on: Caller) -> None:
    victim, asked = of(released, WEB)[0], list[Any]()
    [planned] = on.json("replace", victim, "--local", "--dry-run")

    def reconcile(event: Any) -> list[Any]:
        asked.append(event)
        done = {} if event["dry_run"] else {"terminated": [victim], "dry_run": False}
        return [{**planned, **done}]

    with functions({"terminator-reconcile": reconcile}) as lambdas, recording() as made:
        done = on.run("replace", victim, "--yes", env=lambdas)
    assert done.exit_code == 0, done.output
    assert [each["dry_run"] for each in asked] == [True, False]
    assert all(each["replace"] == [victim] for each in asked)
    assert all(each["requested_by"].startswith(ME) for each in asked)
    assert made == documented("replace")
