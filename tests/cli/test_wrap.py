"""What is printed on a terminal wraps between words, however long names are."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console, RenderableType
from rich.text import Text

from terminator.model import Canary
from terminator.report.record import Record
from terminator_cli import history, output, plan
from terminator_cli.exits import FailedError
from terminator_cli.records import block
from terminator_cli.report.timeline import fold
from tests.cli.recordings import at, instance, record

GROUP = "prod-eu-west-1-checkout-service-blue-asg"
OLD, NEW = "2026.11.18-170512-g3f2a9c1", "2026.11.19-081530-g9b1e77d"
IDS = ("i-0ae0fbd754e6d71d9", "i-01eb1b24b1e5d8a3e", "i-07440442409f51506")
WHY = "unhealthy at target group prod-checkout-blue: Target.FailedHealthChecks"
REMEDY = f"upload a fix, or go back: terminator rollback --app {GROUP}"


def seen(**more: object) -> Record:
    """Return a record in which all is long: names, versions, reasons and what is to do."""
    members = (
        instance(IDS[0], OLD, cause="release"),
        instance(IDS[1], NEW),
        instance(IDS[2], None, reason=WHY),
    )
    held = record(
        0,
        *members,
        group=GROUP,
        target=NEW,
        target_source="released",
        hold="canary_not_come_up",
        needs_attention=True,
        remedy=REMEDY,
        reason=f"no proof yet: {IDS[2]} entered service 9 hours ago and is unavailable ({WHY})",
        started_by="schedule",
        **more,
    )
    canary = Canary(IDS[2], at(-60), "not up, in service for 9 hours 12 minutes")
    return replace(held, canary=canary)


def screen(width: int, show: Callable[[Console], None]) -> str:
    console = Console(file=io.StringIO(), force_terminal=True, color_system=None, width=width)
    show(console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


SCREENS: dict[str, Callable[[Console], None]] = {
    "status": lambda console: console.print(block(seen())),
    "plan": lambda console: plan.show(console, [seen()]),
    "history": lambda console: history.show(console, fold([seen(), seen(terminated=[IDS[0]])])),
}


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("name", SCREENS)
def test_no_word_is_broken(name: str, width: int) -> None:
    shown = screen(width, SCREENS[name])
    assert max(map(len, shown.splitlines())) <= width
    listed = {"plan": [*IDS, OLD], "status": [OLD], "history": [IDS[0], OLD]}[name]
    words = [GROUP, NEW, IDS[2], *WHY.split(), *REMEDY.split(), *listed]
    found = {each.strip("();:,") for each in shown.split()}
    assert {each.strip("();:,") for each in words} <= found
    told = " ".join(shown.split())
    assert f"needs attention (canary {IDS[2]} not up, in service for 9 hours 12 minutes)" in told
    assert f"to do {REMEDY}" in told.replace("to do:", "to do")


def test_at_80_columns_the_story_of_an_instance_wraps_between_words() -> None:
    told = history.life(IDS[0], [seen(terminated=[IDS[0]])])
    shown = screen(80, lambda console: output.print_text(console, Text(told)))
    assert shown.split() == told.split()
    assert max(map(len, shown.splitlines())) <= 80


def test_text_with_an_indent_wraps_below_its_first_word() -> None:
    text = Text("3 of 3 instances to replace; at least 2 of 3 stay available")
    shown = screen(40, lambda console: output.print_text(console, text, indent=2))
    lines = [line.rstrip() for line in shown.splitlines()]
    assert len(lines) == 2
    assert all(line.startswith("  ") and not line.startswith("   ") for line in lines)


def test_an_error_wraps_between_words_on_a_terminal(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = f"no group of this name has opted in, by name or by tag: {GROUP}"
    for name, value in (("FORCE_COLOR", "1"), ("NO_COLOR", "1"), ("TERM", "xterm")):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("COLUMNS", "60")
    FailedError(told).show()
    shown = capfd.readouterr().err
    assert shown.split() == ["Error:", *told.split()]
    assert max(map(len, shown.splitlines())) <= 60
    monkeypatch.delenv("FORCE_COLOR")
    FailedError(told).show()
    assert capfd.readouterr().err == f"Error: {told}\n"


def test_in_a_pipe_no_line_of_text_is_broken() -> None:
    console = Console(file=io.StringIO(), width=80)
    output.print_text(console, Text("word " * 100))
    assert isinstance(console.file, io.StringIO)
    assert len(console.file.getvalue().splitlines()) == 1


Columns = st.lists(st.tuples(st.integers(0, 90), st.integers(0, 60)), min_size=1, max_size=6)


@given(Columns, st.integers(1, 200))
def test_columns_fit_and_words_break_only_where_there_is_no_room(
    columns: list[tuple[int, int]], room: int
) -> None:
    whole = [max(line, word) for line, word in columns]
    words = [word for _, word in columns]
    made = output.widths(whole, words, room)
    assert all(each >= 1 for each in made)
    assert sum(made) <= max(room, len(made))
    if sum(max(1, word) for word in words) <= room:
        assert all(width >= word for width, word in zip(made, words, strict=True))
    if sum(max(1, line) for line in whole) <= room:
        assert made == [max(1, line) for line in whole]


def table(width: int, *cells: str) -> RenderableType:
    console = Console(width=width)
    return output.table(console, ["" for _ in cells], [[Text(each) for each in cells]])


def test_what_is_longer_than_all_there_is_folds_and_loses_nothing() -> None:
    long = "x" * 200
    shown = screen(80, lambda console: console.print(table(80, long, "why it is so")))
    assert shown.count("x") == 200
    assert max(map(len, shown.splitlines())) <= 80
