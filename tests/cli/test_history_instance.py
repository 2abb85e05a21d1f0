"""`terminator history --instance`: why was my instance replaced?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from terminator_cli.main import main
from tests.cli.recordings import fields, instance, lines
from tests.cli.runs import NOWHERE

GOES: dict[str, Any] = {
    "decision": "replace",
    "hold": None,
    "target": "1.1",
    "to_terminate": ["i-a"],
}


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Have a log in which i-a is terminated, i-b goes by other hands, and i-c stays."""
    a, b, c = (instance(id_) for id_ in ("i-a", "i-b", "i-c"))
    records = [
        fields(0, a, b, c),
        fields(5, a, b, c, **GOES, terminated=["i-a"], reason="1 of 3 outdated"),
        fields(10, b, c),
        fields(15, c),
    ]
    file = tmp_path / "log.jsonl"
    file.write_text(lines(records), encoding="utf-8")
    return file


def ask(log: Path, id_: str, *more: str) -> Result:
    arguments = ["history", "--file", str(log), "--instance", id_, *more]
    return CliRunner().invoke(main, arguments, env=NOWHERE)


def test_it_says_when_and_for_which_release_it_was_terminated(log: Path) -> None:
    done = ask(log, "i-a")
    assert done.exit_code == 0
    assert "i-a of live_asg_web ran 1.0; Terminator terminated it at" in done.stderr
    assert done.stderr.strip().endswith("for 1.1")
    assert "1 of 3 outdated" in done.stdout
    [decision] = json.loads(ask(log, "i-a", "--json").stdout)
    assert decision["terminated"] == ["i-a"]


def test_it_says_who_asked_for_that(log: Path) -> None:
    asked = fields(20, instance("i-c"), **GOES | {"to_terminate": ["i-c"]}, terminated=["i-c"])
    asked["requested_by"] = "arn:aws:iam::000000000000:user/ann"
    log.write_text(log.read_text() + lines([asked]), encoding="utf-8")
    told = ask(log, "i-c").stderr.strip()
    assert told.endswith("for 1.1, as arn:aws:iam::000000000000:user/ann asked")


@pytest.mark.parametrize(
    ("id_", "told"),
    [
        ("i-b", "and Terminator did not terminate it: the group's scaling activities say who did"),
        ("i-c", "it is there (InService, Healthy), and Terminator has not terminated it"),
        ("i-d", "i-d: in none of 4 decisions; look further back?"),
        ("i-\x1b", "i-\\x1b: in none of 4 decisions"),
    ],
)
def test_of_any_other_it_says_what_the_records_know(log: Path, id_: str, told: str) -> None:
    done = ask(log, id_)
    assert (done.exit_code, done.stdout) == (0, "")
    assert told in done.stderr
