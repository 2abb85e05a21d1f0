"""Plan and apply: what would be done now, and doing it."""

from __future__ import annotations

import io
import json
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from sandbox import fleet, store
from sandbox.fleet import Fleet
from sandbox.store import Program
from terminator.model import Group
from terminator.report.record import Record
from terminator.terminate import Terminations
from terminator_cli.plan import show
from tests.cli.runs import Caller, words
from tests.decide.builders import decide, group, member


def test_plan_prints_a_record_for_each_group_and_terminates_nothing(
    released: Fleet, on: Caller
) -> None:
    gone = list(released.gone)
    printed = on.json("plan", "--local")
    assert [record["group"] for record in printed] == ["live_asg_api", "live_asg_web"]
    web = printed[1]
    oldest = released.of("live_asg_web")[0].id
    assert web["instances"][0].keys() == {
        "id",
        "zone",
        "lifecycle",
        "health",
        "created",
        "in_service_since",
        "version",
        "reason",
        "available",
        "template",
        "cause",
    }
    del web["instances"]
    assert datetime.fromisoformat(web.pop("since")).tzinfo is not None
    assert web == {
        "group": "live_asg_web", "app": "web", "desired": 3, "minimum": 2,
        "target": "1.0.274", "target_source": "released", "pinned": False, "became": "uploaded",
        "template": None,
        "lowest": "1.0.266", "highest": "1.0.266", "available": 3, "unavailable": 0,
        "in_flight": 0, "outdated": 3, "stale": 0, "overdue": 0, "due": 0, "hold": None,
        "needs_attention": False, "remedy": None, "canary": None, "decision": "canary",
        "reason": f"{oldest} goes first, to prove 1.0.274",
        "to_terminate": [oldest], "terminated": [], "deferred": {}, "failed": {}, "dry_run": True,
        "to_refresh": None, "refresh": None, "requested_by": None, "started_by": "command",
        "withdrawn": None, "withdrawal": None,
    }  # fmt: skip
    released.sync()
    assert released.gone == gone


def test_plan_for_people_is_a_plain_table_in_a_pipe(on: Caller) -> None:
    done = on.as_program("plan", "--local")
    assert done.returncode == 0
    assert "\x1b" not in done.stdout
    assert "live_asg_web  app web, target 1.0.274" in done.stdout
    assert "would go" in done.stdout
    assert "canary: " in done.stdout
    assert done.stderr == ""


def test_verbose_shows_the_log_lines_on_standard_error(on: Caller) -> None:
    done = on.run("plan", "--local", "-v", "--json")
    assert "live_asg_web => dry run: would terminate instance ids [" in done.stderr
    assert done.exit_code == 0
    assert json.loads(done.stdout)


def test_apply_does_what_its_plan_said(released: Fleet, on: Caller) -> None:
    group = ("--group", fleet.API)
    store.upload(released.aws, "api", Program("1.0.274"))
    try:
        [planned] = on.json("plan", "--local", *group)
        [applied] = on.json("apply", "--local", "--yes", *group)
    finally:
        store.delete(released.aws, "api", "1.0.274")
        released.sync()  # another one boots, 1.0.266 as before
    assert planned["to_terminate"]
    assert applied["terminated"] == planned["to_terminate"]
    assert not applied["dry_run"]
    assert [machine.id for machine in released.gone] == planned["to_terminate"]


def test_apply_shows_its_plan_and_asks(released: Fleet, on: Caller) -> None:
    gone = list(released.gone)
    status, screen = on.on_terminal("apply", "--local", columns=80, keys=b"n\n")
    said = words(screen)
    assert "dry_run is true in the settings: apply terminates all the same" in said
    assert "goes first, to prove 1.0.274" in said
    assert "or what is due by then? [y/N]" in said
    assert (status, "nothing was changed" in said) == (1, True)
    done = on.run("apply", "--local")
    assert done.exit_code == 2
    assert "Nobody can be asked here: say --yes" in done.stderr
    released.sync()
    assert released.gone == gone


def test_apply_does_not_ask_where_nothing_is_due(on: Caller) -> None:
    done = on.run("apply", "--local", "--group", fleet.API)
    assert done.exit_code == 0
    assert "converged: 3 instances on 1.0.266" in done.stdout


def test_a_group_that_has_not_opted_in_is_exit_status_1(on: Caller) -> None:
    done = on.run("plan", "--local", "--group", "ghost")
    assert done.exit_code == 1
    told = "Error: no group of this name has opted in, by name or by tag: ghost\n"
    assert (done.stdout, done.stderr) == ("", told)


def test_without_a_deployed_function_it_says_so(on: Caller) -> None:
    done = on.run("plan")
    assert done.exit_code == 2
    assert "no function terminator-reconcile is deployed here (account " in done.stderr
    assert done.stderr.endswith("; see --local\n")


def test_no_group_that_opted_in_is_said(on: Caller) -> None:
    done = on.elsewhere().run("plan", "--local")
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr == (
        "no group to serve: none in scope has the tag terminator:enabled = true "
        "(account 000000000000, us-east-1)\n"
    )


def test_profile_and_region_say_where_to_look(
    on: Caller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = on.run("plan", "--local", "--region", "eu-central-1")
    assert "(account 000000000000, eu-central-1)" in done.stderr
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    (tmp_path / "config").write_text("[profile other]\nregion = ap-south-1\n")
    config = {"AWS_CONFIG_FILE": str(tmp_path / "config"), "AWS_DEFAULT_REGION": None}
    done = on.run("plan", "--profile", "nobody", env=config)
    assert (done.exit_code, "profile (nobody) could not be found" in done.stderr) == (2, True)
    done = on.run("plan", "--profile", "other", env=config)
    assert "no credentials" in done.stderr  # a profile that is said goes before the environment


def recorded(of: Group, done: Terminations | None = None, **texts: str) -> Record:
    return Record.of(of.name, "web", of, decide(of, **texts), done, dry_run=False)


def shown(record: Record, *, terminal: bool = False, width: int = 100) -> str:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=width)
    show(console, [record])
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_table_has_colours_on_a_terminal_only() -> None:
    record = recorded(group(member("i-a"), member("i-b", "1.0.274", up=10)))
    assert "\x1b[" in shown(record, terminal=True)
    assert "\x1b[" not in shown(record)


@pytest.mark.parametrize("width", [60, 80, 200])
def test_the_table_shows_what_matters_at_any_width(width: int) -> None:
    ids = [f"i-0{number}b24b1e5d8a3e0f" for number in range(3)]
    of = group(member(ids[0], up=30), member(ids[1], None), member(ids[2], "1.0.274", up=10))
    acted = Terminations((ids[0],))
    record = recorded(of, acted, minimum="0", max_unavailable="100%")
    table = shown(record, terminal=True, width=width)
    for text in (*ids, "1.0.266", "1.0.274", "terminated", "timeout"):
        assert text in table
    assert "…" not in table


def test_the_table_of_a_failed_group_says_why() -> None:
    record = Record.of("gone", error="no such group", dry_run=False)
    assert "failed: no such group" in shown(record)


@given(st.text(max_size=40), st.text(max_size=40))
def test_no_name_and_no_reason_reaches_a_terminal_unescaped(name: str, why: str) -> None:
    of = group(member("i-a", None, up=1, reason=why))
    record = Record.of(name, "web", of, decide(of), dry_run=False)
    assert shown(record).replace("\n", "").isprintable()
