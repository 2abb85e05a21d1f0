"""The probe's bounds: in time, in memory, in connections, whatever a server does."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from dataclasses import dataclass, field

import pytest

from terminator.probe import ask as probe
from terminator.probe.ask import Limits
from tests.fakes.hostile import (
    GIB,
    PATIENCE,
    Behaviour,
    Hears,
    Streams,
    chunked,
    closing,
    drips,
    message,
    request,
    says,
    serving,
    silent,
    unaccepting,
)
from tests.probe.asking import (
    BOMB,
    GOOD,
    HEAD,
    PATIENT,
    SHORT_READS,
    TIMEOUT,
    TOO_LONG,
    ask_all,
    ask_each,
    ask_one,
    question,
    reason_of,
)


def test_a_silent_instance_times_out_and_the_others_answer() -> None:
    with serving(GOOD) as good, serving(silent) as mute:
        urls = (good.url(), mute.url(), good.url(), good.url())
        answers = ask_all(*urls, limits=Limits(whole=1))
    version = ("1.0.274", None)
    assert answers == [version, TIMEOUT, version, version]


ENDLESS: dict[str, Behaviour] = {
    "silence": silent,
    "a dripped answer": drips(b"", message("1.0.274"), 0.1),
    "a dripped header": drips(HEAD, b"X: " + b"y" * 99, 0.1),
    "a dripped body": drips(HEAD + b"\r\n", b"1.0." + b"1" * 99, 0.1),
    "a dripped body of known length": drips(message(Content_Length="99"), b"1" * 99, 0.1),
    "dripped chunks": drips(chunked(), b"1\r\n1\r\n" * 9, 0.1),
    "one 100 after the other": drips(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 9, 0.1),
}


def test_the_whole_probe_is_bounded() -> None:
    assert ask_each(ENDLESS, Limits(whole=0.5)) == dict.fromkeys(ENDLESS, TIMEOUT)


STALLED = {
    "before the answer": drips(b"", b"1", PATIENCE),
    "in the status line": drips(HEAD[:9], b"1", PATIENCE),
    "in the headers": drips(HEAD, b"1", PATIENCE),
    "before the body": drips(message(Content_Length="7"), b"1", PATIENCE),
    "in the body": drips(message(Content_Length="7") + b"1.0", b"1", PATIENCE),
}


def test_each_wait_for_more_of_an_answer_is_bounded() -> None:
    assert ask_each(STALLED, SHORT_READS) == dict.fromkeys(STALLED, TIMEOUT)


def test_an_answer_may_take_longer_than_each_wait_for_it() -> None:
    pieces = drips(message(Content_Length="9"), b"1.0.27401", 0.3)
    limits = Limits(read=1.8, whole=PATIENCE)
    assert ask_each({"pieces": pieces}, limits) == {"pieces": ("1.0.27401", None)}


def test_connecting_is_bounded() -> None:
    with unaccepting() as address, serving(silent) as mute:
        addresses = (f"http://{address}/", mute.url().replace("http", "https"))
        assert ask_all(*addresses, limits=SHORT_READS) == [TIMEOUT, TIMEOUT]


@pytest.mark.parametrize(
    "streams",
    [
        Streams(message(Content_Length=str(GIB)), b"1" * 65536, most=GIB),
        Streams(message(Content_Length=""), b"1" * 65536),
        Streams(chunked(), b"10\r\n" + b"1" * 16 + b"\r\n"),
        Streams(message(Content_Encoding="gzip", Content_Length=""), BOMB),
    ],
    ids=["1 GiB", "for ever", "in chunks for ever", "gzip for ever"],
)
def test_a_body_is_read_no_further_than_its_limit(streams: Streams) -> None:
    assert ask_one(streams) == TOO_LONG
    assert streams.sent < 8 << 20


@pytest.mark.parametrize(
    "streams",
    [
        Streams(b"", b"1" * 65536),
        Streams(HEAD, b"X: y\r\n" * 9999),
        Streams(HEAD + b"X: ", b"y" * 65536),
        Streams(chunked() + b"1;", b"x" * 65536),
    ],
    ids=["no head", "headers", "one header", "a chunk's extension"],
)
def test_a_head_without_end_is_not_read_to_its_end(streams: Streams) -> None:
    assert reason_of(streams).startswith("broken answer: ")
    assert streams.sent < 8 << 20


@pytest.mark.parametrize(
    "piece",
    [
        b"HTTP/1.1 100 Continue\r\n\r\n" * 999,
        b"HTTP/1.1 103 Early Hints\r\n" + b"Link: </x>\r\n" * 999 + b"\r\n",
    ],
    ids=["continue", "hints"],
)
def test_what_comes_before_an_answer_is_not_read_to_its_end(piece: bytes) -> None:
    streams = Streams(b"", piece)
    assert ask_one(streams) == (None, "answer over 131072 bytes")
    assert streams.sent < 8 << 20


def test_no_questions_have_no_answers() -> None:
    assert probe.ask([], 60) == []


@pytest.mark.parametrize("seconds", [-1, 0, Limits().whole - 0.1])
def test_what_time_does_not_allow_is_not_asked_at_all(seconds: float) -> None:
    with serving(GOOD) as server:
        assert probe.ask([question(server.url())], seconds) == []
    assert server.connections == 0


def test_once_time_runs_out_the_rest_are_not_asked() -> None:
    one_by_one = Limits(whole=0.15, concurrency=1)
    with serving(silent) as server:
        questions = [question(server.url(), f"i-{n}") for n in range(20)]
        answers = probe.ask(questions, 0.95, one_by_one)
    assert 0 < len(answers) < 20
    assert [answer["instance"] for answer in answers] == [f"i-{n}" for n in range(len(answers))]
    assert {answer["reason"] for answer in answers} == {"timeout"}
    assert server.connections <= len(answers)


def test_hostile_instances_do_not_change_what_the_others_answer() -> None:
    hostile = (
        silent,
        closing,
        Streams(message(Content_Length=""), b"1" * 65536),
        Streams(HEAD, b"X: y\r\n" * 9999),
        Streams(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 99),
        says(message(BOMB, Content_Encoding="gzip")),
        says(b"\x00" * 9999),
    )
    with ExitStack() as stack:
        good = [stack.enter_context(serving(GOOD)) for _ in range(3)]
        bad = [stack.enter_context(serving(behaviour)) for behaviour in hostile]
        pairs = [(good[n % 3].url(), server.url()) for n, server in enumerate(bad * 2)]
        answers = ask_all(*(url for pair in pairs for url in pair), limits=Limits(whole=1.5))
    assert answers[::2] == [("1.0.274", None)] * len(pairs)
    assert all(version is None for version, _ in answers[1::2])


def test_nothing_an_instance_says_is_sent_to_another() -> None:
    sets_cookies = Hears(message("1.0.274", Set_Cookie="a=b; Domain=.1.1; Path=/"))
    with (
        serving(sets_cookies, address="127.2.1.1") as one,
        serving(sets_cookies, address="127.3.1.1", port=one.port) as other,
    ):
        ask_all(one.url(), other.url(), one.url(), limits=Limits(concurrency=1))
    heads = [head.replace("127.2.", "127.3.") for head in sets_cookies.heads]
    assert heads == heads[:1] * 3


@dataclass
class Crowd:
    """Answer nobody until `enough` are connected, and a little longer, for others to come."""

    enough: int
    under_way: int = 0
    most: int = 0
    opened: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        wait = {1: PATIENCE, self.enough: 0.3}.get(self.under_way)
        if wait:
            asyncio.get_running_loop().call_later(wait, self.opened.set)
        await self.opened.wait()
        await request(reader)
        self.under_way -= 1
        writer.write(message("1.0.274"))


def test_no_more_than_256_of_600_are_asked_at_once() -> None:
    crowd = Crowd(enough=256)
    with serving(crowd) as server:
        assert ask_all(*[server.url()] * 600, limits=PATIENT) == [("1.0.274", None)] * 600
    assert crowd.most == 256


@dataclass
class KeepsOpen:
    """Answer, and wait for the other side to close."""

    answer: bytes
    opened: int = 0
    most: int = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened += 1
        self.most = max(self.most, self.opened)
        await request(reader)
        writer.write(self.answer)
        try:
            await reader.read()
        finally:
            self.opened -= 1


@pytest.mark.parametrize(
    "answer",
    [message("1.0.274"), message("1" * 5000), message("", 500), b"\0"],
    ids=["good", "too long", "status 500", "broken"],
)
def test_a_connection_is_closed_once_answered(answer: bytes) -> None:
    keeps = KeepsOpen(answer)
    with serving(keeps) as server:
        ask_all(*[server.url()] * 40, limits=Limits(concurrency=4))
    assert server.connections == 40
    assert keeps.most <= 8
