"""The command line as people use it: run as a program, on a local fleet."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from sandbox import acts, fleet, store
from sandbox.fleet import Fleet
from sandbox.program import Program
from terminator.config.tags import ENABLED_TAG

TERMINATOR = str(Path(sys.executable).with_name("terminator"))


@pytest.fixture(scope="module")
def released() -> Iterator[Fleet]:
    """Run the demo's groups on the old release, with a new one uploaded."""
    with fleet.running(ahead=acts.SETTLED) as running:
        acts.prepare(running)
        for app in ("web", "api"):
            store.upload(running.aws, app, Program("1.0.274"))
        yield running


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Write a configuration for the fleet."""
    return write(tmp_path, {"groups": {"tagged": True}, "releases": {"bucket": store.BUCKET}})


def write(folder: Path, settings: Mapping[str, object]) -> Path:
    path = folder / "cdk.json"
    path.write_text(json.dumps({"context": {"terminator": settings}}))
    return path


def terminator(
    *arguments: str, on: Fleet | None = None, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    local = on.local.environment if on else {}
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    nowhere = {"AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null"}
    return subprocess.run(  # noqa: S603 - our own program
        [TERMINATOR, *arguments],
        env={**kept, **nowhere, "AWS_EC2_METADATA_DISABLED": "true", **local, **(env or {})},
        capture_output=True,
        text=True,
        check=False,
    )


def records(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    assert done.returncode == 0, done.stderr
    read: list[dict[str, Any]] = json.loads(done.stdout)
    return read


def test_plan_prints_a_record_for_each_group_and_terminates_nothing(
    released: Fleet, config: Path
) -> None:
    printed = records(terminator("plan", "--local", "--json", "--config", str(config), on=released))
    assert [record["group"] for record in printed] == ["live_asg_api", "live_asg_web"]
    web = printed[1]
    oldest = min(machine.id for machine in released.of("live_asg_web"))
    assert web["instances"][0].keys() == {
        "id",
        "zone",
        "lifecycle",
        "health",
        "launched",
        "version",
        "reason",
    }
    del web["instances"]
    assert datetime.fromisoformat(web.pop("since")).tzinfo is not None
    assert web == {
        "group": "live_asg_web", "app": "web", "desired": 3, "minimum": 1,
        "target": "1.0.274", "target_source": "released", "lowest": "1.0.266",
        "highest": "1.0.266", "available": 3, "unavailable": 0, "in_flight": 0, "outdated": 3,
        "stale": 0, "overdue": 0, "hold": None, "needs_attention": False,
        "decision": "canary", "reason": f"{oldest} goes first, to prove 1.0.274",
        "to_terminate": [oldest], "terminated": [], "deferred": {}, "failed": {}, "dry_run": True,
    }  # fmt: skip
    released.sync()
    assert released.gone == []


def test_plan_for_people_is_a_plain_table_in_a_pipe(released: Fleet, config: Path) -> None:
    done = terminator("plan", "--local", "--config", str(config), on=released)
    assert done.returncode == 0
    assert "\x1b" not in done.stdout
    assert "live_asg_web  app web, target 1.0.274" in done.stdout
    assert "would go" in done.stdout
    assert "canary: " in done.stdout
    assert done.stderr == ""


def test_verbose_shows_the_log_lines_on_standard_error(released: Fleet, config: Path) -> None:
    done = terminator("plan", "--local", "-v", "--json", "--config", str(config), on=released)
    assert "live_asg_web => dry run: would terminate instance ids [" in done.stderr
    assert records(done)


def test_apply_does_what_its_plan_said(released: Fleet, config: Path) -> None:
    asked = ("--local", "--json", "--config", str(config), "--group", "live_asg_api")
    [planned] = records(terminator("plan", *asked, on=released))
    [applied] = records(terminator("apply", *asked, on=released))
    assert applied["terminated"] == planned["to_terminate"]
    assert not applied["dry_run"]
    released.sync()
    assert [machine.id for machine in released.gone] == planned["to_terminate"]


def test_what_fails_in_a_group_is_exit_status_1(released: Fleet, config: Path) -> None:
    asked = ("plan", "--local", "--config", str(config), "--group", "ghost")
    done = terminator(*asked, on=released)
    assert done.returncode == 1
    assert "failed: no group of this name has opted in" in done.stdout


def test_an_account_that_does_not_answer_is_exit_status_1(config: Path) -> None:
    closed = {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_DEFAULT_REGION": "eu-west-1",
    }
    done = terminator("plan", "--local", "--config", str(config), env=closed)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: AWS says: EndpointConnectionError")


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({}, "no Region: set AWS_DEFAULT_REGION"),
        ({"AWS_DEFAULT_REGION": "eu-west-1"}, "no credentials: set AWS_PROFILE"),
        (
            {"AWS_DEFAULT_REGION": "eu-west-1", "AWS_ENDPOINT_URL": "127.0.0.1:9"},
            "AWS_ENDPOINT_URL: Invalid endpoint: 127.0.0.1:9",
        ),
        ({"AWS_PROFILE": "nobody"}, "The config profile (nobody) could not be found"),
    ],
)
def test_without_region_or_credentials_the_exit_status_is_2(
    config: Path, environment: dict[str, str], told: str
) -> None:
    done = terminator("plan", "--local", "--config", str(config), env=environment)
    assert (done.returncode, told in done.stderr) == (2, True), done.stderr


def test_no_groups_named_and_no_tag_is_a_clear_error(tmp_path: Path) -> None:
    done = terminator("apply", "--local", "--config", str(write(tmp_path, {})))
    assert done.returncode == 2
    assert "cdk.json: no groups: list their names in groups.names" in done.stderr


def test_a_missing_configuration_is_named(tmp_path: Path) -> None:
    done = terminator("plan", "--local", "--config", str(tmp_path / "none.json"))
    assert done.returncode == 2
    assert "none.json: No such file or directory" in done.stderr


def test_without_a_deployed_function_it_says_so(released: Fleet, config: Path) -> None:
    done = terminator("plan", "--config", str(config), on=released)
    assert done.returncode == 2
    assert "no function terminator-reconcile is deployed here; see --local" in done.stderr


def test_no_group_that_opted_in_is_said(released: Fleet, tmp_path: Path) -> None:
    for name in ("live_asg_api", "live_asg_web"):
        released.aws.autoscaling.delete_tags(
            Tags=[{"ResourceId": name, "ResourceType": "auto-scaling-group", "Key": ENABLED_TAG}]
        )
    config = write(tmp_path, {"groups": {"tagged": True}})
    done = terminator("plan", "--local", "--config", str(config), on=released)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "no group to serve: none in scope has the tag terminator:enabled = true\n"


def test_wrong_usage_is_exit_status_2() -> None:
    assert terminator("plan", "--grop", "x").returncode == 2


def test_help_names_the_options_with_an_example() -> None:
    told = terminator("plan", "--help").stdout
    assert all(
        each in told for each in ("--group NAME", "--config", "--local", "--json", "Example")
    )
