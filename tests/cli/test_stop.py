"""Stopping a deployment and starting it again, and what the doctor says meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from sandbox.fleet import Fleet
from tests.cli.calls import documented, recording
from tests.cli.runs import SERVING, Caller, caller
from tests.cli.test_doctor import deploy

RULES: Final = {"stopping-schedule": "reconcile", "stopping-uploads": "release"}
SETTINGS: Final = {**SERVING, "name": "stopping"}


@pytest.fixture(scope="module")
def deployed(demo_fleet: Fleet) -> Iterator[Fleet]:
    """Deploy functions with rules that start them, and a rule of somebody else's."""
    events = demo_fleet.local.session().client("events")
    for rule, handler in RULES.items():
        deploy(demo_fleet, f"stopping-{handler}", SETTINGS)
        function = demo_fleet.aws.functions.get_function_configuration(
            FunctionName=f"stopping-{handler}"
        )
        events.put_rule(Name=rule, ScheduleExpression="rate(5 minutes)")
        events.put_targets(Rule=rule, Targets=[{"Id": "it", "Arn": function["FunctionArn"]}])
    events.put_rule(Name="theirs", ScheduleExpression="rate(5 minutes)")
    yield demo_fleet
    for rule in RULES:
        events.remove_targets(Rule=rule, Ids=["it"])
        events.delete_rule(Name=rule)


@pytest.fixture
def on(deployed: Fleet, tmp_path: Path) -> Iterator[Caller]:
    calling = caller(deployed, tmp_path, SETTINGS)
    yield calling
    assert calling.run("start").exit_code == 0


def state(of: Fleet) -> tuple[set[str], Any]:
    """Return which rules are enabled, and the reserved concurrency of reconcile."""
    rules = of.local.session().client("events").list_rules()["Rules"]
    told = of.aws.functions.get_function_concurrency(FunctionName="stopping-reconcile")
    enabled = {rule["Name"] for rule in rules if rule["State"] == "ENABLED"}
    return enabled, told.get("ReservedConcurrentExecutions")


def test_stop_disables_the_rules_and_sets_the_concurrency_and_start_undoes_both(
    deployed: Fleet, on: Caller
) -> None:
    with recording() as made:
        assert on.run("stop").stdout == "stopping is stopped: 2 rules, concurrency 0\n"
    assert made == documented("stop")
    assert state(deployed) == ({"theirs"}, 0)
    assert on.run("stop").stdout == "stopping is already stopped: 2 rules, concurrency 0\n"
    with recording() as made:
        assert on.run("start").stdout == "stopping is started: 2 rules, concurrency 1\n"
    assert made == documented("start") - {"lambda:DeleteFunctionConcurrency"}
    assert state(deployed) == ({*RULES, "theirs"}, 1)


def test_where_none_is_reserved_start_takes_the_concurrency_away(
    deployed: Fleet, tmp_path: Path
) -> None:
    unreserved = caller(deployed, tmp_path, {**SETTINGS, "reserve_concurrency": False})
    unreserved.run("stop")
    told = unreserved.json("start")
    assert (told["stopped"], told["changed"], told["concurrency"]) == (False, True, None)
    assert state(deployed)[1] is None


def test_a_dry_run_changes_nothing(deployed: Fleet, on: Caller) -> None:
    before = state(deployed)
    told = on.run("stop", "--dry-run").stdout
    assert told == "dry run: stopping would be stopped: 2 rules, concurrency 0\n"
    assert on.json("stop", "--dry-run") == {
        "deployment": "stopping",
        "stopped": True,
        "rules": sorted(RULES),
        "concurrency": 0,
        "changed": False,
        "dry_run": True,
    }
    assert state(deployed) == before


@pytest.mark.parametrize("command", ["stop", "start"])
def test_what_is_not_deployed_is_neither_stopped_nor_started(
    deployed: Fleet, tmp_path: Path, command: str
) -> None:
    done = caller(deployed, tmp_path, {**SETTINGS, "name": "ghost"}).run(command)
    assert (done.exit_code, done.stderr) == (
        2,
        "Error: no function ghost-reconcile is deployed here (account 000000000000, eu-west-1)\n",
    )


def test_the_doctor_says_that_it_is_stopped_and_what_starts_it(on: Caller) -> None:
    on.run("stop")
    found = {
        each["check"]: each
        for each in on.json("doctor", status=1)
        if each["about"] == "function stopping-reconcile"
    }
    assert found["schedule"]["seen"] == "stopped: disabled is stopping-schedule"
    for check in ("schedule", "concurrency"):
        assert (found[check]["level"], found[check]["remedy"]) == ("problem", "terminator start")
