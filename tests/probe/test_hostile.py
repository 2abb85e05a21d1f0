"""The probe against every endpoint of the catalogue, and what of it reaches people."""

from __future__ import annotations

import asyncio
import gc
import io
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from terminator.probe.ask import Answer, Limits
from terminator.report.record import Record
from terminator_cli.plan import show
from tests.fakes.hostile import message, says, self_signed, serving
from tests.probe.asking import GOOD, PATIENT, ask, ask_all, question
from tests.probe.catalogue import METADATA, NASTY, TIMEOUT, endpoints
from tests.search.faults import BROKEN, OTHER, Ran, Stage


def is_plain(text: str) -> bool:
    """Say whether a text is printable ASCII, but for the mark where it was cut."""
    return text.isprintable() and text.replace("…", "").isascii()


@pytest.fixture
def everywhere(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Serve the whole catalogue; return the URL of each endpoint."""
    tls = self_signed(tmp_path)
    with ExitStack() as stack:
        yield {
            name: each.url(
                stack.enter_context(serving(each.behaviour, tls=tls if each.tls else None))
            )
            for name, each in endpoints().items()
        }


def test_of_every_endpoint_is_said_what_it_did(everywhere: dict[str, str]) -> None:
    told = {name: each.told for name, each in endpoints().items()}
    slow = [name for name in told if told[name] == TIMEOUT]
    quick = [name for name in told if told[name] != TIMEOUT]
    asked = [(slow, Limits(whole=0.5)), (quick, PATIENT)]
    said = {
        name: version or reason or ""
        for names, limits in asked
        for name, (version, reason) in zip(
            names, ask_all(*map(everywhere.__getitem__, names), limits=limits), strict=True
        )
    }
    assert {n: text for n, text in said.items() if not text.startswith(told[n])} == {}
    assert [name for name, text in said.items() if not is_plain(text) or len(text) > 800] == []


def test_no_endpoint_changes_what_the_others_answer(everywhere: dict[str, str]) -> None:
    quick = [everywhere[name] for name, each in endpoints().items() if each.told != TIMEOUT]
    with serving(GOOD) as good:
        answers = ask_all(*(url for each in quick for url in (good.url(), each)), limits=PATIENT)
    assert answers[::2] == [("1.0.274", None)] * len(quick)


def test_nothing_that_an_endpoint_does_is_logged_by_asyncio(
    everywhere: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    ask_all(*everywhere.values(), limits=Limits(whole=0.5))
    gc.collect()  # what nobody waited for is logged once it is gone
    assert [each for each in caplog.records if each.threadName == "MainThread"] == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_connects_to_nobody_else(monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    loop = asyncio.selector_events.BaseSelectorEventLoop
    real, connected = loop.sock_connect, []

    def connect(self: Any, sock: Any, address: Any) -> Any:
        connected.append(address)
        return real(self, sock, address)

    monkeypatch.setattr(loop, "sock_connect", connect)
    with serving(GOOD, address="127.3.1.1") as another, ExitStack() as stack:
        answers = [message("", status, Location=to) for to in (METADATA, another.url(), "//evil/")]
        servers = [stack.enter_context(serving(says(answer))) for answer in answers]
        assert ask_all(*(each.url() for each in servers)) == [(None, f"status {status}")] * 3
    assert sorted(connected) == sorted((each.address, each.port) for each in servers)
    assert another.connections == 0


def asking(stage: Stage, url: str) -> None:
    """Have the first instance asked at this URL, by the probe that is deployed."""

    def asked(*told: Any) -> list[Answer]:
        rows, questions = modelled(*told), told[1]
        hostile = [question(url, each["instance"]) for each in questions]
        mine = [each for each in hostile if each["instance"] == "i-0001"]
        return [
            *(ask(mine, 120, PATIENT)),
            *(row for row in rows if row["instance"] != "i-0001"),
        ]

    modelled = stage.cloud.probe
    stage.cloud.probe = asked  # type: ignore[assignment, method-assign]


def rendered(ran: Ran, width: int) -> str:
    """Return the table of a run as a terminal without colours shows it."""
    console = Console(file=io.StringIO(), force_terminal=True, color_system=None, width=width)
    show(console, map(Record.from_json, ran.records.values()))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("text", NASTY)
def test_no_text_of_an_instance_gets_through_to_log_record_or_terminal(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    stage = Stage(monkeypatch)
    with serving(endpoints()[text].behaviour) as server:
        asking(stage, server.url())
        ran = stage.run({"dry_run": True})
    reasons = [each["reason"] for each in ran.records[BROKEN]["instances"] if each["reason"]]
    assert len(reasons) == 1
    assert reasons[0].startswith("not a version: ")
    assert reasons[0] in ran.last()["instances"][0]["reason"]
    assert all(map(is_plain, [*reasons, ran.why()]))
    assert all(is_plain(entry.get("message", "")) for entry in ran.entries)
    assert all(line.isascii() and line.isprintable() for line in ran.written.splitlines())
    assert all(
        entry["message"].startswith((BROKEN, OTHER)) for entry in ran.entries if "level" in entry
    )
    for width in (60, 200):
        shown = rendered(ran, width).replace("\u2500", "-").replace("\u2501", "-")
        assert all(is_plain(line) for line in shown.splitlines())


def test_the_table_says_what_each_endpoint_did_and_what_it_took() -> None:
    names = ["a gzip bomb of 2 MiB", "a body without end", "a header without end", "a link"]
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", "tests.probe.hostile_table", *names],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    head, _, *rows, _, summary = done.stdout.splitlines()
    assert head == "| endpoint | what the probe says | seconds | peak KiB |"
    assert [row.split(" | ")[0].removeprefix("| ") for row in rows] == names
    assert all(is_plain(line) for line in done.stdout.splitlines())
    assert all(float(row.split(" | ")[-1].strip(" |").replace(",", "")) < 1024 for row in rows)
    assert summary.startswith("4 endpoints. The longest probe took ")
