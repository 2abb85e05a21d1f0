"""The transport over real connections: HTTP as it comes, its bounds, its errors, and TLS."""

from __future__ import annotations

import asyncio
import ssl
import zlib
from dataclasses import dataclass
from itertools import count

import h11
import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from terminator.probe.ask import Limits
from terminator.probe.transport import ResponseTooLongError, Transport
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
    refusing,
    request,
    reset,
    resetting,
    says,
    self_signed,
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
    Outcome,
    ask,
    ask_all,
    ask_each,
    ask_one,
    packed,
    question,
    reason_of,
)
from tests.probe.tls_records import sealing

VERSION = "1.0.274"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
HINT = b"HTTP/1.1 103 Early Hints\r\nLink: 9.9.999 9.9.999 9.9.999\r\n\r\n"
ANSWER_TOO_LONG = "answer over 131072 bytes"
ANSWERS = {
    "of known length": message(VERSION),
    "until it is closed": message(VERSION, Content_Length=""),
    "chunked": chunked(b"1.0", b".27", b"4", b""),
    "gzip": message(packed(b"1.0.274"), Content_Encoding="gzip"),
    "after a hint": HINT + message(VERSION),
}
FRAMED = {
    **ANSWERS,
    "marked and spaced": message("\ufeff 1.0.274\r\n"),
    "JSON": message('{"version": "1.0.274"}', Content_Type="application/json"),
    "gzip in chunks": chunked(packed(b"1.0.274"), b"", Content_Encoding="gzip"),
    "HTTP/1.0": message(VERSION).replace(b"HTTP/1.1", b"HTTP/1.0"),
}


@pytest.mark.parametrize("answer", FRAMED.values(), ids=FRAMED)
def test_a_version_is_read_however_it_is_sent(answer: bytes) -> None:
    assert ask_one(says(answer)) == (VERSION, None)


@pytest.mark.parametrize("host", [None, "www.example.com", "www.example.com:8080"])
def test_a_request_is_written_as_http_says(host: str | None) -> None:
    hears = Hears(message(VERSION))
    with serving(hears) as server:
        ask([question(server.url("/v?x=1"), host=host)], 60)
    [first, *headers] = hears.heads[0].removesuffix("\r\n\r\n").split("\r\n")
    assert first == "GET /v?x=1 HTTP/1.1"
    assert sorted(headers) == [
        "Accept-Encoding: identity",
        "Accept: */*",
        "Connection: close",
        f"Host: {host or f'127.0.0.1:{server.port}'}",
        "User-Agent: terminator",
    ]


@pytest.mark.parametrize(
    "answer",
    [chunked(*[b"1"] * 21_000, b""), CONTINUE * 5000 + message(VERSION)],
    ids=["chunks of a byte", "hints"],
)
def test_of_an_answer_in_thousands_of_pieces_a_thousand_are_read(
    answer: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, next_event = count(), h11.Connection.next_event

    def counted(of: h11.Connection) -> object:
        next(read)
        return next_event(of)

    monkeypatch.setattr(h11.Connection, "next_event", counted)
    assert ask_one(says(answer)) == (None, "answer over 1000 pieces")
    # Each wait for more is a read, too.
    assert next(read) < 1200


@pytest.mark.parametrize("host", ["web\r\nX: y", "w\u00e9b.example"])
def test_a_host_header_that_cannot_be_sent_has_a_reason_and_is_not(host: str) -> None:
    hears = Hears(message(VERSION))
    with serving(hears) as server:
        [answer] = ask([question(server.url(), host=host)], 60)
    assert answer["version"] is None
    assert answer["reason"]
    assert hears.heads == []


@pytest.mark.parametrize("url", ["", "http:///version", "gopher://127.0.0.1/", "http://evil/"])
def test_a_url_that_cannot_be_asked_has_a_reason_and_harms_no_other(url: str) -> None:
    with serving(GOOD) as server:
        (version, reason), good = ask_all(url, server.url())
    assert version is None
    assert reason
    assert good == (VERSION, None)


def test_proxies_in_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    with refusing() as proxy, serving(GOOD) as server:
        monkeypatch.setenv("NO_PROXY", "")
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://{proxy}")
            monkeypatch.setenv(name.lower(), f"http://{proxy}")
        assert ask_all(server.url()) == [(VERSION, None)]


def raised(url: str, limits: Limits = SHORT_READS, host: str = "x") -> httpx.HTTPError:
    """Return the error that httpx's client raises for a URL."""
    timeout = httpx.Timeout(limits.read, connect=limits.connect)

    async def get() -> None:
        async with httpx.AsyncClient(transport=Transport(), timeout=timeout) as client:
            await client.get(url, headers={"Host": host})

    with pytest.raises(httpx.HTTPError) as error:
        asyncio.run(get())
    return error.value


@pytest.mark.parametrize(
    ("behaviour", "kind"),
    [
        (silent, httpx.ReadTimeout),
        (drips(message(Content_Length="7") + b"1.0", b"1", PATIENCE), httpx.ReadTimeout),
        (says(b"\0\n\n"), httpx.RemoteProtocolError),
        (says(message("1", Content_Length="7")), httpx.RemoteProtocolError),
        (says(CONTINUE * 9999), ResponseTooLongError),
    ],
)
def test_what_a_server_does_wrong_is_an_error_of_httpx(
    behaviour: Behaviour, kind: type[httpx.HTTPError]
) -> None:
    with serving(behaviour) as server:
        error = raised(server.url(), Limits(read=0.5))
    assert type(error) is kind
    assert str(error.request.url) == server.url()


def test_what_cannot_be_connected_or_sent_is_an_error_of_httpx() -> None:
    with refusing() as refused, unaccepting() as mute:
        errors = [raised(f"http://{refused}/"), raised(f"http://{mute}/")]
    errors += [raised("gopher://127.0.0.1/"), raised("http://127.0.0.1:9/", host="a\r\nb: c")]
    assert [type(error) for error in errors] == [
        httpx.ConnectError,
        httpx.ConnectTimeout,
        httpx.UnsupportedProtocol,
        httpx.LocalProtocolError,
    ]
    assert isinstance(errors[0].__cause__, ConnectionRefusedError)


def test_a_refused_connection_says_so() -> None:
    refused = (None, "connection refused")
    with refusing() as address:
        assert ask_all(f"http://{address}/", f"https://{address}/") == [refused, refused]


def test_a_connection_closed_at_once_is_a_broken_answer() -> None:
    assert reason_of(closing).startswith("broken answer: ")


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_reason_of_a_reset_connection_is_not_empty(scheme: str) -> None:
    with serving(resetting) as server:
        [(version, reason)] = ask_all(server.url().replace("http", scheme))
    assert version is None
    assert reason
    assert not reason.endswith('""')


@settings(max_examples=40)
@given(
    start=st.sampled_from([b"", HEAD, HEAD + b"\r\n", HEAD + b"Content-Encoding: "]),
    rest=st.one_of(st.binary(max_size=300), st.text(min_size=60, max_size=99).map(str.encode)),
)
def test_whatever_arrives_a_reason_is_short_and_printable(start: bytes, rest: bytes) -> None:
    version, reason = ask_one(says(start + rest))
    assert (version is None) != (reason is None)
    text = reason or version or ""
    assert text.replace("…", "").isascii()
    assert text.isprintable()
    assert len(text) < 800


# Of what is not framed the version must be, or any beginning of it would be one.
CUTTABLE = {
    "of known length": message("1.2.34"),
    "JSON up to the close": message('{"version": "1.2.34"}', Content_Length=""),
    "chunked": chunked(b"1.2", b".34", b""),
    "gzip of known length": message(packed(b"1.2.34"), Content_Encoding="gzip"),
    "gzip in chunks": chunked(packed(b"1.2.34"), b"", Content_Encoding="gzip"),
    "gzip up to the close": message(packed(b"1.2.34"), Content_Encoding="gzip", Content_Length=""),
    "deflate up to the close": message(
        zlib.compress(b"1.2.34"), Content_Encoding="deflate", Content_Length=""
    ),
}


@pytest.mark.parametrize("end", ["closed", "reset"])
@pytest.mark.parametrize("answer", CUTTABLE.values(), ids=CUTTABLE)
def test_an_answer_cut_short_anywhere_has_no_version(answer: bytes, end: str) -> None:
    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        size = int((await request(reader)).split(" ", 2)[1][1:])
        writer.write(answer[:size])
        if end == "reset" and size < len(answer):
            await writer.drain()
            reset(writer)

    with serving(cut) as server:
        *short, whole = ask_all(*(server.url(f"/{size}") for size in range(len(answer) + 1)))
    assert whole == ("1.2.34", None)
    assert {size: version for size, (version, _) in enumerate(short) if version} == {}
    assert all(reason and reason.isprintable() for _, reason in short)


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
        Streams(chunked(), b"100\r\n" + b"1" * 256 + b"\r\n"),
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
    ("piece", "told"),
    [
        (CONTINUE * 999, "answer over 1000 pieces"),
        (b"HTTP/1.1 103 Early Hints\r\n" + b"Link: </x>\r\n" * 999 + b"\r\n", ANSWER_TOO_LONG),
    ],
    ids=["continue", "hints"],
)
def test_what_comes_before_an_answer_is_not_read_to_its_end(piece: bytes, told: str) -> None:
    streams = Streams(b"", piece)
    assert ask_one(streams) == (None, told)
    assert streams.sent < 8 << 20


@pytest.mark.parametrize(
    ("hints", "expected"),
    [(524, (VERSION, None)), (525, (None, ANSWER_TOO_LONG))],
)
def test_an_answer_has_at_most_131072_bytes(hints: int, expected: Outcome) -> None:
    hint = CONTINUE.replace(b"\r\n\r\n", b"\r\nX: " + b"y" * 220 + b"\r\n\r\n")
    assert len(hint) == 250
    assert ask_one(says(hint * hints + message(VERSION))) == expected


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
    [message(VERSION), message("1" * 70_000), message("", 500), b"\0"],
    ids=["good", "too long", "status 500", "broken"],
)
def test_a_connection_is_closed_once_answered(answer: bytes) -> None:
    keeps = KeepsOpen(answer)
    with serving(keeps) as server:
        ask_all(*[server.url()] * 40, limits=Limits(concurrency=4))
    assert server.connections == 40
    assert keeps.most <= 8


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    return self_signed(tmp_path_factory.mktemp("tls"))


def test_a_certificate_is_not_verified(tls: ssl.SSLContext) -> None:
    with serving(GOOD, tls=tls) as server:
        assert ask_all(server.url()) == [(VERSION, None)]


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
def test_an_address_of_ipv6_is_asked_over_its_own_kind_of_socket(
    tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch, *, secure: bool
) -> None:
    """One that stands for an address of IPv4, so that a server on 127.0.0.1 hears it.

    The probe refuses such a one, so here it does not look.
    """
    monkeypatch.setattr("terminator.probe.ask.refusal", lambda *_: None)
    hears = Hears(message(VERSION))
    with serving(hears, tls=tls if secure else None) as server:
        url = server.url().replace("127.0.0.1", "[::ffff:127.0.0.1]")
        assert ask_all(url) == [(VERSION, None)]
    assert f"Host: [::ffff:127.0.0.1]:{server.port}" in hears.heads[0]


def test_http_where_https_is_asked_says_that_there_is_no_tls() -> None:
    async def bad_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65536)
        writer.write(message("", 400))

    with serving(bad_request) as server:
        [(version, reason)] = ask_all(server.url().replace("http", "https"))
    assert version is None
    assert (reason or "").startswith("no TLS: ")


def test_https_where_http_is_asked_is_a_broken_answer(tls: ssl.SSLContext) -> None:
    with serving(GOOD, tls=tls) as server:
        [(version, reason)] = ask_all(server.url().replace("https", "http"))
    assert version is None
    assert (reason or "").startswith("broken answer: ")


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_an_answer_is_read_however_it_is_cut_into_tls_records(
    tls: ssl.SSLContext, answer: bytes
) -> None:
    def cut(path: str) -> list[bytes]:
        at = int(path[1:])
        return [answer[:at], answer[at:]] if at else [bytes([byte]) for byte in answer]

    with sealing(tls, cut) as url:
        urls = [f"{url}/{at}" for at in range(len(answer))]
        assert ask_all(*urls, limits=PATIENT) == [(VERSION, None)] * len(answer)


@pytest.mark.parametrize("notify", [True, False], ids=["farewell", "none"])
def test_a_long_answer_without_length_is_read_to_its_end(
    tls: ssl.SSLContext, *, notify: bool
) -> None:
    def long(path: str) -> list[bytes]:
        headers = {f"X_{number}": "x" * 1000 for number in range(int(path[1:]))}
        return [message(VERSION, Content_Length="", **headers)]

    with sealing(tls, long, notify=notify) as url:
        urls = [f"{url}/{number}" for number in range(60)]
        assert ask_all(*urls, limits=PATIENT) == [(VERSION, None)] * 60


def test_connections_are_cut_over_tls_too(tls: ssl.SSLContext) -> None:
    keeps = KeepsOpen(message(VERSION))
    with serving(keeps, tls=tls) as server:
        assert ask_all(*[server.url()] * 20, limits=Limits(concurrency=2)) == [(VERSION, None)] * 20
    assert keeps.most <= 4
