"""Somebody may write to the log of reconcile, and wants nobody to read what happened."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from terminator.report.record import joined
from terminator_cli.main import main
from terminator_cli.report import timeline
from tests.cli.recordings import WEB, fields, following, instance, lines

TRUE = following(WEB, 3, [1], 6)
DEEP = "[" * 900 + "]" * 900
IDS = [f"i-{number:017x}" for number in range(5000)]
TIME = "a time such as 2026-11-18T12:00:00+00:00, from 2006 to 2099"
NUMBER = "a number from 0 to 100000"


def forged(**more: object) -> str:
    """Return the line of a record that is made up."""
    return lines([{**fields(2, instance("i-f"), decision="converged"), **more}])


# Each is a line that nobody can take for a record, and what is said of it.
REFUSED: Mapping[str, tuple[str, str]] = {
    "the year 1": (
        forged(timestamp="0001-01-01T00:00:00+00:00"),
        f'timestamp says "0001-01-01T00:00:00+00:00"; expected is {TIME}',
    ),
    "the year 9999": (
        forged(timestamp="9999-12-31T23:59:59+00:00"),
        f'timestamp says "9999-12-31T23:59:59+00:00"; expected is {TIME}',
    ),
    "a target since before the year 1": (
        forged(since="0001-01-01T00:00:00+14:00"),
        f'since says "0001-01-01T00:00:00+14:00"; expected is {TIME}',
    ),
    "an instance from after the last day": (
        forged(instances=[instance("i-f", created="9999-12-31T23:59:59-14:00")]),
        f'created says "9999-12-31T23:59:59-14:00"; expected is {TIME}',
    ),
    "a number of 31 digits": (
        forged(available=10**30),
        f'available says "{10**30}"; expected is {NUMBER}',
    ),
    "less than nothing": (forged(minimum=-1), f'minimum says "-1"; expected is {NUMBER}'),
    "an infinite number": (forged(desired=1e999), f'desired says "inf"; expected is {NUMBER}'),
    "a number of 5,000 digits": (
        forged(overdue=7).replace('"overdue": 7', '"overdue": ' + "9" * 5000),
        "not JSON: Exceeds the limit",
    ),
    "a time of a million characters": (
        forged(timestamp="1" * 1_000_000),
        f'timestamp says "{"1" * 60}…"; expected is {TIME}',
    ),
    "900 arrays in each other for instances": (
        forged(instances=7).replace('"instances": 7', f'"instances": {DEEP}'),
        f'instances says "{"[" * 60}…"; expected is a list of instances',
    ),
    "900 arrays in each other for a group": (
        forged().replace(f'"group": "{WEB}"', f'"group": {DEEP}'),
        f'group says "{"[" * 60}…"; expected is text',
    ),
    "100,000 objects in each other": ('{"a":' * 100_000 + "\n", "nested too deep"),
    "the second part of nothing": (
        json.dumps({"group": WEB, "part": 2, "parts": 3}) + "\n",
        "part 2 of 3, without the first",
    ),
    "a decision that there is not": (
        forged(decision="[red]obey"),
        'decision says "[red]obey"; expected is one of ',
    ),
}
# Each is no truer, and is shown beside the true ones.
SHOWN: Mapping[str, str] = {
    "a reason of a million characters": forged(reason="x" * 1_000_000),
    "a million marks that turn a line around": forged(reason="\u202e" * 1_000_000),
    "what clears a terminal": forged(target="\x1b[2J", group="[red]\x1b[2J"),
    "hundreds of versions": forged(instances=[instance(i, f"1.{i}") for i in IDS[:400]]),
    "thousands that went": forged(to_terminate=IDS, terminated=IDS),
    "thousands that did not go": forged(to_terminate=IDS, failed=dict.fromkeys(IDS, "no")),
    "the first and the last time that there is": (
        forged(timestamp="2006-01-01T00:00:00+00:00")
        + forged(timestamp="2099-12-31T23:59:59+00:00")
    ),
}


def told_by(command: str, log: Path, *more: str) -> tuple[str, str]:
    """Run a command on a log; return what it says on standard output and error."""
    done = CliRunner().invoke(main, (command, "--file", str(log), *more))
    assert (done.exit_code, done.exception) == (0, None), done.output
    return done.stdout, done.stderr


@pytest.mark.parametrize("name", REFUSED)
def test_a_line_that_cannot_be_costs_itself_and_is_told(name: str, tmp_path: Path) -> None:
    log, (line, why) = tmp_path / "log", REFUSED[name]
    log.write_text(lines(TRUE[:3]) + line + lines(TRUE[3:]))
    printed, said = told_by("history", log, "--json")
    assert json.loads(printed) == TRUE
    assert f"1 record skipped, the first at line 4: {why}" in said
    printed, said = told_by("report", log, "-o", str(tmp_path / "report.html"))
    assert printed.endswith("6 decisions about 1 group\n")
    assert "1 record skipped, the first at line 4: " in said


@pytest.mark.parametrize("name", SHOWN)
def test_a_line_that_is_too_much_hides_no_other(name: str, tmp_path: Path) -> None:
    log, page = tmp_path / "log", tmp_path / "report.html"
    log.write_text(lines(TRUE[:3]) + SHOWN[name] + lines(TRUE[3:]))
    table, said = told_by("history", log)
    assert said == ""
    assert all(each["reason"] in table for each in TRUE)
    assert len(table) < 200_000
    assert all(each.isprintable() or each == "\n" for each in table)
    told_by("report", log, "-o", str(page))
    assert all(each["reason"] in page.read_text() for each in TRUE)


def test_of_thousands_a_row_lists_some_and_says_how_many_more(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(forged(to_terminate=IDS, terminated=IDS, failed=dict.fromkeys(IDS, "no")))
    table = " ".join(told_by("history", log)[0].split())
    assert "and 4900 more" in table
    assert "failed to terminate 4980 more" in table


def test_thousands_who_asked_are_folded_into_one_row_that_names_some(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_up = count()

    class Name(str):
        __slots__ = ()

        def __hash__(self) -> int:
            next(looked_up)
            return super().__hash__()

    monkeypatch.setattr(timeline, "asked_by", lambda record: Name(record.requested_by))
    log, page = tmp_path / "log", tmp_path / "report.html"
    log.write_text("".join(forged(requested_by=f"nobody-{number}") for number in range(1000)))
    told = "requested by nobody-0, nobody-1, nobody-2 and 997 more"
    assert told in " ".join(told_by("history", log)[0].split())
    told_by("report", log, "-o", str(page))
    assert told in page.read_text()
    assert next(looked_up) < 50 * 1000


def processor_seconds(parts: Sequence[Mapping[str, Any]]) -> float:
    """Return the time of the processor that joining parts takes, the least of several."""
    took: list[float] = []
    for _ in range(5):
        begun = time.process_time()
        joined(parts)
        took.append(time.process_time() - begun)
    return min(took)


@pytest.mark.parametrize("name", ["instances", "deferred"])
def test_of_many_times_the_parts_each_is_copied_no_more_often(name: str) -> None:
    def parts(number: int) -> list[Mapping[str, Any]]:
        ids = [[f"i-{part}-{each}" for each in range(5)] for part in range(number)]
        lists: list[Any] = ids if name == "instances" else [dict.fromkeys(some, "") for some in ids]
        return [{"group": WEB, name: some} for some in lists]

    # What is copied once for each part takes a thousand times as long, and not 32 times.
    assert processor_seconds(parts(3200)) < 200 * processor_seconds(parts(100))


def test_thousands_of_parts_are_one_record(tmp_path: Path) -> None:
    log, parts = tmp_path / "log", 3000
    first = fields(2, instance("i-f"), decision="converged")
    more = ({"group": WEB, "to_terminate": [f"i-{n}"] * 5} for n in range(1, parts))
    every = [first, *more]
    log.write_text(lines({**each, "part": n, "parts": parts} for n, each in enumerate(every, 1)))
    [record] = json.loads(told_by("history", log, "--json")[0])
    assert len(record["to_terminate"]) == 5 * (parts - 1)
