"""The probe against real servers: whatever one answers is data."""

from __future__ import annotations

import asyncio
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from terminator.probe import ask as probe
from tests.fakes.hostile import (
    Hears,
    chunked,
    closing,
    message,
    refusing,
    request,
    resetting,
    says,
    self_signed,
    serving,
)
from tests.probe.asking import (
    BOMB,
    GOOD,
    HEAD,
    TOO_LONG,
    Outcome,
    ask_all,
    ask_one,
    packed,
    question,
    reason_of,
)

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
READABLE = {
    "bare": message("1.0.274"),
    "marked and spaced": message("\ufeff 1.0.274\r\n"),
    "JSON string": message('"1.0.274"', Content_Type="application/json"),
    "JSON object": message('{"version": "1.0.274"}'),
    "up to the close": message("1.0.274", Content_Length=""),
    "of 4096 bytes": message(b"1.0.274".ljust(4096)),
    "chunked": chunked(b"1.0", b".27", b"4", b""),
    "gzip": message(packed(b"1.0.274"), Content_Encoding="gzip"),
    "gzip to 4096 bytes": message(packed(b"1.0.274".ljust(4096)), Content_Encoding="gzip"),
    "gzip, chunked": chunked(packed(b"1.0.274"), b"", Content_Encoding="GZIP"),
    "deflate": message(zlib.compress(b"1.0.274"), Content_Encoding="deflate"),
    "identity": message("1.0.274", Content_Encoding="Identity"),
    "after a 100": CONTINUE + message("1.0.274"),
    "after very many": CONTINUE * 5240 + message("1.0.274"),
    "HTTP/1.0": message("1.0.274").replace(b"HTTP/1.1", b"HTTP/1.0"),
}


@pytest.mark.parametrize("answer", READABLE.values(), ids=READABLE)
def test_a_version_is_read_however_it_is_sent(answer: bytes) -> None:
    assert ask_one(says(answer)) == ("1.0.274", None)


UNREADABLE = {
    "status 500": message("0.0.1", 500),
    "status 404": message("0.0.1", 404),
    "status 206": message("0.0.1", 206),
    "status 204": message("", 204),
    'not a version: ""': message(""),
    'not a version: "\\u001b[2J"': message("\x1b[2J"),
    'not a version: "\\u202e1.2"': message('"\u202e1.2"'),
    'not a version: "<!doctype html>"': message("<!doctype html>\n"),
    'field "version" is a number, not a string': message('{"version": 1.10}'),
    "body over 4096 bytes": message(b"1.0.274".ljust(4097)),
    'content encoding "br"': message("1.0.274", Content_Encoding="br"),
    'content encoding "gzip, gzip"': message("1.0.274", Content_Encoding="gzip, gzip"),
    'content encoding "\\u202e"': message("1.0.274", Content_Encoding="\u202e"),
    'content encoding "gzip, identity"': message(
        packed(b"1.0.274"), Content_Encoding="gzip\r\nContent-Encoding: identity"
    ),
    "body is not what its content encoding says": message("1.0.274", Content_Encoding="gzip"),
    "answer over 131072 bytes": CONTINUE * 5241 + message("1.0.274"),
    'broken answer: "it closed the connection before it had answered"': b"",
}


@pytest.mark.parametrize("reason", UNREADABLE)
def test_any_other_answer_has_its_reason(reason: str) -> None:
    assert reason_of(says(UNREADABLE[reason])) == reason


@pytest.mark.parametrize("body", [BOMB, BOMB * 5], ids=["under the limit", "over the limit"])
def test_a_gzip_bomb_is_too_long(body: bytes) -> None:
    assert ask_one(says(message(body, Content_Encoding="gzip"))) == TOO_LONG


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


def test_a_redirect_is_not_followed() -> None:
    with serving(GOOD) as target:
        redirect = says(message("0.0.1", 302, Location=target.url()))
        assert reason_of(redirect) == "status 302"
    assert target.connections == 0


@pytest.mark.parametrize(
    "location", ["/elsewhere", "https://elsewhere.example/", "http://[", "x:y"]
)
def test_where_a_redirect_points_does_not_matter(location: str) -> None:
    assert reason_of(says(message("", 302, Location=location))) == "status 302"


CUTTABLE = {
    "of known length": message("1.2.34"),
    "JSON up to the close": message('{"version": "1.2.34"}', Content_Length=""),
    "chunked": chunked(b"1.2", b".34", b""),
    "gzip of known length": message(packed(b"1.2.34"), Content_Encoding="gzip"),
    "gzip up to the close": message(packed(b"1.2.34"), Content_Encoding="gzip", Content_Length=""),
    "deflate up to the close": message(
        zlib.compress(b"1.2.34"), Content_Encoding="deflate", Content_Length=""
    ),
}


@pytest.mark.parametrize("answer", CUTTABLE.values(), ids=CUTTABLE)
def test_an_answer_cut_short_anywhere_has_no_version(answer: bytes) -> None:
    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, path, _ = (await request(reader)).split(" ", 2)
        writer.write(answer[: int(path[1:])])

    with serving(cut) as server:
        *short, whole = ask_all(*(server.url(f"/{end}") for end in range(len(answer) + 1)))
    assert whole == ("1.2.34", None)
    assert {end: version for end, (version, _) in enumerate(short) if version} == {}
    assert all(reason for _, reason in short)


def test_a_refused_connection_says_so() -> None:
    with refusing() as address:
        assert ask_all(f"http://{address}/", f"https://{address}/") == [
            (None, "connection refused"),
            (None, "connection refused"),
        ]


def test_a_connection_closed_at_once_is_a_broken_answer() -> None:
    assert reason_of(closing).startswith("broken answer: ")


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_reason_of_a_reset_connection_is_not_empty(scheme: str) -> None:
    with serving(resetting) as server:
        [(version, reason)] = ask_all(server.url().replace("http", scheme))
    assert version is None
    assert reason
    assert not reason.endswith('""')


@pytest.mark.parametrize("url", ["", "http://[", "http://127.0.0.1:99999/", "gopher://127.0.0.1/"])
def test_a_url_that_cannot_be_asked_has_a_reason_and_harms_no_other(url: str) -> None:
    with serving(GOOD) as server:
        (version, reason), good = ask_all(url, server.url())
    assert version is None
    assert reason
    assert good == ("1.0.274", None)


@pytest.mark.parametrize("host", ["web\r\nX: y", "w\u00e9b.example"])
def test_a_host_header_that_cannot_be_sent_has_a_reason_and_is_not(host: str) -> None:
    hears = Hears(message("1.0.274"))
    with serving(hears) as server:
        [answer] = probe.ask([question(server.url(), host=host)], 60)
    assert answer["version"] is None
    assert answer["reason"]
    assert hears.heads == []


def test_a_certificate_is_not_verified(tmp_path: Path) -> None:
    with serving(GOOD, tls=self_signed(tmp_path)) as server:
        assert ask_all(server.url()) == [("1.0.274", None)]


def test_http_where_https_is_asked_says_that_there_is_no_tls() -> None:
    async def bad_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65536)
        writer.write(message("", 400))

    with serving(bad_request) as server:
        [(version, reason)] = ask_all(server.url().replace("http", "https"))
    assert version is None
    assert (reason or "").startswith("no TLS: ")


def test_https_where_http_is_asked_is_a_broken_answer(tmp_path: Path) -> None:
    with serving(GOOD, tls=self_signed(tmp_path)) as server:
        [(version, reason)] = ask_all(server.url().replace("https", "http"))
    assert version is None
    assert (reason or "").startswith("broken answer: ")


@pytest.mark.parametrize("host", [None, "www.example.com", "www.example.com:8080"])
def test_the_host_header_is_the_address_unless_host_is_given(host: str | None) -> None:
    hears = Hears(message("1.0.274"))
    with serving(hears) as server:
        probe.ask([question(server.url("/v?x=1"), host=host)], 60)
    lines = hears.heads[0].splitlines()
    assert lines[0] == "GET /v?x=1 HTTP/1.1"
    hosts = [line for line in lines if line.lower().startswith("host:")]
    assert hosts == [f"Host: {host or f'127.0.0.1:{server.port}'}"]


def test_proxies_in_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    with refusing() as proxy, serving(GOOD) as server:
        monkeypatch.setenv("NO_PROXY", "")
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://{proxy}")
            monkeypatch.setenv(name.lower(), f"http://{proxy}")
        assert ask_all(server.url()) == [("1.0.274", None)]


@pytest.mark.parametrize(
    ("version_field", "expected"),
    [
        ("version", ("1.0.1", None)),
        ("app.build.version", ("1.0.2", None)),
        ("app.name", (None, 'not a version: "web"')),
        ("app.release", (None, 'no field "app.release" in the JSON body')),
    ],
)
def test_the_version_field_is_honoured(version_field: str, expected: Outcome) -> None:
    body = '{"version": "1.0.1", "app": {"name": "web", "build": {"version": "1.0.2"}}}'
    with serving(says(message(body))) as server:
        [answer] = probe.ask([question(server.url(), version_field=version_field)], 60)
    assert (answer["version"], answer["reason"]) == expected


def test_500_answers_come_in_the_order_asked() -> None:
    async def late_or_broken(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = int((await request(reader)).split(" ", 2)[1][1:])
        await asyncio.sleep(number * 37 % 100 / 300)
        status = 503 if number % 5 == 0 else 200
        writer.write(message(f"1.0.{number}", status))

    with refusing() as refused, serving(late_or_broken) as server:
        urls = [f"http://{refused}/" if n % 7 == 0 else server.url(f"/{n}") for n in range(500)]
        answers = ask_all(*urls)
    for number, answer in enumerate(answers):
        reason = {0: "status 503"}.get(number % 5) if number % 7 else "connection refused"
        assert answer == (None if reason else f"1.0.{number}", reason)
    assert len(answers) == 500
