"""What every group runs, wants and waits for: once, and until it has it."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from terminator.report.record import InstanceRecord, Record
from terminator_cli.exits import FailedError, NotServedError
from terminator_cli.status import Remarks, Screen, Watch, follow
from tests.cli.runs import SERVING, Caller, words, write
from tests.fakes.lambda_server import Throttled, functions

COLOUR = re.compile(r"\x1b\[[0-9;]*3[0-9]")
BOTH = ["live_asg_api", "live_asg_web"]


def test_it_says_what_each_group_runs_wants_and_has(on: Caller) -> None:
    api, web = on.json("status", "--local")
    assert (api["group"], api["decision"], api["converged"]) == (BOTH[0], "converged", True)
    assert (web["group"], web["decision"], web["converged"]) == (BOTH[1], "canary", False)
    assert web["versions"] == {"1.0.266": 3}
    assert (web["target"], web["target_source"]) == ("1.0.274", "released")
    assert (web["available"], web["minimum"], web["desired"]) == (3, 2, 3)
    assert web["reason"] == f"{web['to_terminate'][0]} goes first, to prove 1.0.274"


def test_for_people_it_is_a_block_a_group(on: Caller) -> None:
    done = on.run("status", "--local", "--group", "live_asg_web")
    assert done.exit_code == 0
    assert [line.strip() for line in done.stdout.splitlines()][:4] == [
        "live_asg_web  canary",
        "runs     1.0.266 on 3 instances",
        "wants    1.0.274 of web (released)",
        "has      3 available of 3 desired, minimum 2, 0 unavailable, 0 in flight",
    ]
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize("columns", [60, 120])
def test_on_a_narrow_terminal_it_folds_and_loses_nothing(on: Caller, columns: int) -> None:
    status, screen = on.on_terminal("status", "--local", columns=columns)
    assert status == 0
    assert max(map(len, screen.splitlines())) <= columns
    said = words(screen)
    assert "0 unavailable, 0 in flight" in said
    assert "goes first, to prove 1.0.274" in said
    assert "…" not in said


def test_colours_are_for_terminals_that_want_them(on: Caller) -> None:
    asked = ("status", "--local", "--group", "live_asg_web")
    plain = Caller(on.config, {**on.environment, "NO_COLOR": "1"})
    assert COLOUR.search(on.on_terminal(*asked, columns=80, raw=True)[1])
    assert not COLOUR.search(plain.on_terminal(*asked, columns=80, raw=True)[1])


def test_a_group_that_nobody_knows_is_status_1(on: Caller) -> None:
    done = on.run("status", "--local", "--group", "ghost")
    assert done.exit_code == 1
    assert "no group of this name has opted in, by name or by tag: ghost" in done.stderr
    assert on.run("status", "--local", "--watch", "--group", "ghost").exit_code == 1
    done = on.run("status", "--local", "--group", "live_asg_wbe")
    assert done.stderr.endswith("by tag: live_asg_wbe; did you mean live_asg_web?\n")


def test_a_watch_ends_when_all_have_converged(on: Caller) -> None:
    done = on.run("status", "--local", "--watch", "--group", "live_asg_api")
    assert done.exit_code == 0
    assert done.stdout == ("live_asg_api => 3 of 3 on target, converged: 3 instances on 1.0.266\n")
    assert done.stderr == "all have converged\n"


def test_a_watch_gives_up_in_time(on: Caller) -> None:
    done = on.run("status", "--local", "--watch", "--timeout", "1s", "--json")
    assert done.exit_code == 3
    assert [json.loads(line)["group"] for line in done.stdout.splitlines()] == BOTH
    assert done.stderr == "not converged in time\n"


def test_a_watch_on_a_terminal_is_live_and_ends_with_ctrl_c(on: Caller) -> None:
    asked = ("status", "--local", "--watch", "--interval", "60s")
    status, screen = on.on_terminal(*asked, columns=60, interrupt_at="1 of 2 groups converged")
    assert status == 130
    assert "0 of 3 on target, 3 instances left" in " ".join(screen.split())
    assert screen.rstrip().endswith("Interrupted.")
    assert "Traceback" not in screen


def test_a_converged_watch_on_a_terminal_says_so(on: Caller) -> None:
    asked = ("status", "--local", "--watch", "--group", "live_asg_api")
    status, screen = on.on_terminal(*asked, columns=60)
    assert status == 0
    assert "all have converged: 1 of 1 groups converged" in screen


HELD = Record(
    group="g", app="web", decision="hold", reason="why", desired=1, minimum=1, available=1,
    unavailable=1, in_flight=0, outdated=0, target="1.0", target_source="released",
)  # fmt: skip


def followed(looks: list[Any], timeout: timedelta | None = None) -> tuple[int, list[Any], float]:
    """Follow these looks, a minute apart; return status, what was shown, and the seconds."""
    times, said, left = [0.0], list[Any](), iter(looks)

    def look() -> Sequence[Record]:
        if isinstance(seen := next(left), Exception):
            raise seen
        return [replace(HELD, decision=decision) for decision in seen]

    def show(records: Sequence[Record], trouble: str, ended: str) -> None:
        said.extend([trouble] if trouble else [])
        said.append([record.decision for record in records])
        said.extend([f"end: {ended}"] if ended else [])

    def sleep(seconds: float) -> None:
        times.append(times[-1] + seconds)

    status = follow(look, show, Watch(60, timeout), lambda: times[-1], sleep)
    return status, said, times[-1]


def test_it_looks_until_all_have_converged() -> None:
    looks = [["hold", "canary"], ["converged", "hold"], ["converged", "converged"]]
    assert followed(looks) == (0, [*looks, "end: all have converged"], 120)


def test_a_look_that_fails_is_shown_and_made_again() -> None:
    busy = FailedError("a run is in progress; ask again in a minute")
    looks = [["hold"], busy, ["converged"]]
    shown = [["hold"], busy.message, ["hold"], ["converged"], "end: all have converged"]
    assert followed(looks) == (0, shown, 120)


def test_the_first_look_that_fails_ends_it() -> None:
    with pytest.raises(FailedError):
        followed([FailedError("no")])


def test_a_watch_of_a_group_that_is_served_no_more_ends() -> None:
    gone = NotServedError("no group of this name has opted in, by name or by tag: g")
    with pytest.raises(NotServedError):
        followed([["hold"], gone, ["converged"]])


def test_a_group_that_failed_is_looked_at_again() -> None:
    assert followed([[None], ["converged"]])[0] == 0


@pytest.mark.parametrize(("minutes", "looked"), [(1, 2), (2, 3), (5, 6)])
def test_no_look_is_made_after_the_timeout(minutes: int, looked: int) -> None:
    status, shown, _ = followed([["hold"]] * 10, timedelta(minutes=minutes))
    assert status == 3
    assert shown == [["hold"]] * looked + ["end: not converged in time"]


def test_no_group_at_all_is_nothing_to_wait_for_and_a_gate_must_not_open() -> None:
    assert followed([[]]) == (
        1,
        [[], "end: no group to serve: none in scope has the tag terminator:enabled = true"],
        0,
    )


def test_a_gate_for_a_version_opens_when_all_run_it(on: Caller) -> None:
    gate = ("status", "--local", "--watch", "--app", "api", "--timeout", "1s", "--version")
    done = on.run(*gate, "1.0.266")
    assert (done.exit_code, done.stderr) == (0, "all have converged on 1.0.266\n")
    done = on.run(*gate, "1.0.275")
    assert done.exit_code == 3
    assert done.stderr == "not on 1.0.275 in time: live_asg_api wants 1.0.266\n"


def test_a_gate_for_an_app_that_no_group_serves_is_status_1(on: Caller) -> None:
    done = on.run("status", "--local", "--watch", "--app", "nobody")
    assert (done.exit_code, done.stdout) == (1, "")
    where = "(account 000000000000, eu-west-1)"
    assert done.stderr == f"no group of nobody has opted in {where}\n"
    done = on.run("status", "--local", "--app", "apy")
    assert done.stderr == f"no group of apy has opted in {where}; did you mean api?\n"


def test_an_app_narrows_what_is_shown(on: Caller) -> None:
    [api] = on.json("status", "--local", "--app", "api")
    assert api["group"] == "live_asg_api"


def test_what_is_deployed_is_asked_for_a_dry_run(on: Caller) -> None:
    asked: list[Any] = []

    def reconcile(event: Any) -> list[Any]:
        asked.append(event)
        return [HELD.to_json()]

    with functions({"terminator-reconcile": reconcile}) as lambdas:
        [group] = on.json("status", "--group", "g", env=lambdas)
    assert group["reason"] == "why"
    assert asked == [{"dry_run": True, "groups": ["g"], "records": True}]


def test_a_terminal_shows_that_what_is_deployed_is_asked_and_a_pipe_does_not(on: Caller) -> None:
    terminal = {"FORCE_COLOR": "1", "TERM": "xterm"}
    with functions({"terminator-reconcile": lambda _: [HELD.to_json()]}) as lambdas:
        assert "asking terminator-reconcile" in on.run("status", env={**lambdas, **terminal}).stderr
        assert on.run("status", env=lambdas).stderr == ""


def test_a_run_in_progress_is_status_1(on: Caller) -> None:
    def busy(_event: Any) -> None:
        raise Throttled

    with functions({"terminator-reconcile": busy}) as lambdas:
        done = on.run("status", env=lambdas)
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == "Error: a run is in progress; ask again in a minute\n"


def test_a_watch_of_what_only_looks_says_so(on: Caller) -> None:
    converged = replace(HELD, decision="converged").to_json()
    with functions({"terminator-reconcile": lambda _: [converged]}) as lambdas:
        done = on.run("status", "--watch", env=lambdas)
    assert done.exit_code == 0
    assert "dry_run is true in the settings: what is deployed only looks" in done.stderr


def test_a_watch_says_when_the_next_run_comes_while_one_is_waited_for(
    on: Caller, tmp_path: Path
) -> None:
    acting = Caller(write(tmp_path, {**SERVING, "dry_run": False}), on.environment)
    converged = replace(HELD, decision="converged").to_json()
    looks = iter([HELD.to_json(), HELD.to_json(), converged, converged])

    def reconcile(_event: Any) -> list[Any]:
        return [next(looks)]

    asked = ("status", "--watch", "--interval", "1s")
    with functions({"terminator-reconcile": reconcile}) as lambdas:
        done = acting.run(*asked, env=lambdas)
        assert done.stderr == "the next run comes within 5 minutes\nall have converged\n"
        assert acting.run(*asked, env=lambdas).stderr == "all have converged\n"


def test_a_live_watch_says_when_the_next_run_comes_until_it_ends() -> None:
    screen, shown = Screen(None, Remarks(meanwhile="the next run comes within 5 minutes")), []
    console = Console(file=io.StringIO(), width=80)
    for ended in ("", "all have converged"):
        screen.show([HELD], "", ended)
        with console.capture() as capture:
            console.print(screen.render())
        shown.append("the next run comes within 5 minutes" in capture.get())
    assert shown == [True, False]


HOSTILE = "\x1b[31m[bold]\u202e"


def test_whatever_instances_and_tags_say_reaches_the_terminal_escaped(on: Caller) -> None:
    instance = InstanceRecord("i-1", "a", HOSTILE, HOSTILE, None, None, None, HOSTILE, False)
    hostile = replace(HELD, group=HOSTILE, app=HOSTILE, reason=HOSTILE, instances=(instance,))
    with functions({"terminator-reconcile": lambda _: [hostile.to_json()]}) as lambdas:
        caller_ = Caller(on.config, {**on.environment, **lambdas})
        shown = caller_.run("status").stdout
        status, screen = caller_.on_terminal(
            "status", "--watch", columns=100, interrupt_at="0 of 1 groups converged"
        )
    for said in (shown, screen):
        assert "\\x1b[31m[bold]\\u202e" in said
        assert "\u202e" not in said
    assert "\x1b" not in shown
    assert status == 130
