"""Asking instances: what is sent, and that whatever comes back is data.

respx answers in place of the transport; test_transport.py has real connections.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import zlib
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
import respx

from terminator.probe.ask import LONGEST_REASON, Limits
from terminator.probe.transport import ResponseTooLongError
from tests.probe.asking import (
    BOMB,
    PATIENT,
    TIMEOUT,
    TOO_LONG,
    Outcome,
    ask,
    ask_all,
    packed,
    question,
)

VERSION = ("1.0.274", None)
URL = "http://10.0.3.17:8080/version"


@pytest.fixture
def router() -> Iterator[respx.MockRouter]:
    with respx.mock(using="httpx", assert_all_called=False) as router:
        yield router


class Body(httpx.AsyncByteStream):
    """A body that has not been read, as it comes from a transport."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            yield piece


def response(body: bytes = b"1.0.274", status: int = 200, /, **headers: str) -> httpx.Response:
    """Return a response; `x_y="z"` is a header."""
    named = [(name.replace("_", "-").encode(), text.encode()) for name, text in headers.items()]
    return httpx.Response(status, headers=named, stream=Body(body))


@pytest.fixture
def instance(router: respx.MockRouter) -> respx.Route:
    """Return the route of an instance, which is to be told what it answers."""
    return router.get(URL)


def test_each_instance_is_sent_one_plain_get(instance: respx.Route) -> None:
    instance.mock(response())
    assert ask_all(URL) == [VERSION]
    [call] = instance.calls
    assert sorted(call.request.headers.multi_items()) == [
        ("accept", "*/*"),
        ("accept-encoding", "identity"),
        ("connection", "close"),
        ("host", "10.0.3.17:8080"),
        ("user-agent", "terminator"),
    ]


@pytest.mark.parametrize("host", ["www.example.com", "www.example.com:8080"])
def test_the_host_header_is_what_the_question_says(instance: respx.Route, host: str) -> None:
    ask([question(URL, host=host)], 60)
    assert instance.calls.last.request.headers.get_list("Host") == [host]


@pytest.mark.parametrize(
    ("version_field", "expected"),
    [
        ("version", ("1.0.1", None)),
        ("app.build.version", ("1.0.2", None)),
        ("app.name", (None, 'not a version: "web"; set path to where the version is')),
        (
            "app.release",
            (
                None,
                (
                    'no field "app.release" in the JSON body; set version-field, to "version" '
                    '("1.0.1") or "app.build.version" ("1.0.2")'
                ),
            ),
        ),
    ],
)
def test_the_version_is_read_from_the_field_that_the_question_says(
    instance: respx.Route, version_field: str, expected: Outcome
) -> None:
    body = b'{"version": "1.0.1", "app": {"name": "web", "build": {"version": "1.0.2"}}}'
    instance.mock(response(body))
    [said] = ask([question(URL, version_field=version_field)], 60)
    assert (said["version"], said["reason"]) == expected


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"X-Version": "web-1.0.3"}, ("1.0.3", None)),
        ({"x-version": " web-1.0.3 "}, ("1.0.3", None)),
        (
            {"X-Release": "1.0.4"},
            (None, 'no header "X-Version"; set version-header, to "x-release" ("1.0.4")'),
        ),
        ({"X-Version": "1.0.3"}, (None, '"1.0.3" does not begin with version-prefix "web-"')),
    ],
)
def test_the_version_is_read_from_the_header_that_the_question_says(
    instance: respx.Route, headers: dict[str, str], expected: Outcome
) -> None:
    instance.mock(httpx.Response(200, content=b"1.0.1", headers=headers))
    [said] = ask([question(URL, version_header="X-Version", version_prefix="web-")], 60)
    assert (said["version"], said["reason"]) == expected


def test_in_health_json_the_version_is_not_the_release(instance: respx.Route) -> None:
    instance.mock(response(b'{"version": "1"}', Content_Type="application/health+json"))
    [(version, reason)] = ask_all(URL)
    assert version is None
    assert "set version-field to releaseId" in str(reason)


@pytest.mark.parametrize("status", [201, 204, 206, 304, 401, 404, 500, 503, 999])
def test_only_status_200_counts(instance: respx.Route, status: int) -> None:
    instance.mock(response(b"0.0.1", status))
    assert ask_all(URL) == [(None, f"status {status}")]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "location", ["/elsewhere", "https://elsewhere.example/", "//evil/", "http://[", "x:y", "\x80"]
)
def test_no_redirect_is_followed_wherever_it_points(
    router: respx.MockRouter, instance: respx.Route, status: int, location: str
) -> None:
    instance.mock(response(b"", status, Location=location))
    assert ask_all(URL) == [(None, f"status {status}")]
    assert router.calls.call_count == 1


ENCODED: dict[str, tuple[bytes, str, Outcome]] = {
    "identity": (b"1.0.274", "Identity", VERSION),
    "gzip": (packed(b"1.0.274"), "gzip", VERSION),
    "GZIP": (packed(b"1.0.274"), "GZIP", VERSION),
    "gzip to 65536 bytes": (packed(b"1.0.274".ljust(65536)), "gzip", VERSION),
    "gzip to 65537 bytes": (packed(b"1.0.274".ljust(65537)), "gzip", TOO_LONG),
    "deflate": (zlib.compress(b"1.0.274"), "deflate", VERSION),
    "a bomb": (BOMB, "gzip", TOO_LONG),
    "a bomb that is too long itself": (BOMB * 70, "gzip", TOO_LONG),
    "Brotli": (b"1.0.274", "br", (None, 'content encoding "br"')),
    "gzip in gzip": (packed(BOMB), "gzip, gzip", (None, 'content encoding "gzip, gzip"')),
    "no gzip": (b"1.0.274", "gzip", (None, "body is not what its content encoding says")),
    "half of gzip": (packed(b"1.0.274")[:-1], "gzip", (None, "body is cut short")),
    "gzip and more": (
        packed(b"1.0") + packed(b".274"),
        "gzip",
        (None, "body goes on after its compressed end"),
    ),
    "not ASCII": (b"1.0.274", "\u202e", (None, 'content encoding "\\u202e"')),
}


@pytest.mark.parametrize(("body", "encoding", "expected"), ENCODED.values(), ids=ENCODED)
def test_a_body_is_decoded_never_past_its_limit(
    instance: respx.Route, body: bytes, encoding: str, expected: Outcome
) -> None:
    instance.mock(response(body, Content_Encoding=encoding))
    assert ask_all(URL) == [expected]


def test_a_body_is_read_to_its_end_however_it_comes(instance: respx.Route) -> None:
    instance.mock(httpx.Response(200, stream=Body(b"1.0", b".", b"274")))
    assert ask_all(URL) == [VERSION]


def test_two_content_encodings_are_none_that_is_read(instance: respx.Route) -> None:
    body = packed(b"1.0.274")
    instance.mock(response(body, Content_Encoding="gzip", content_encoding="identity"))
    assert ask_all(URL) == [(None, 'content encoding "gzip, identity"')]


@pytest.mark.parametrize(("size", "expected"), [(65536, VERSION), (65537, TOO_LONG)])
def test_a_body_has_at_most_64_kib(instance: respx.Route, size: int, expected: Outcome) -> None:
    instance.mock(response(b"1.0.274".ljust(size)))
    assert ask_all(URL) == [expected]


ERRORS: list[tuple[Exception, str]] = [
    (httpx.ConnectTimeout("no connection within 2.0 seconds"), "timeout"),
    (httpx.ReadTimeout("nothing more within 3.0 seconds"), "timeout"),
    (httpx.WriteTimeout(""), "timeout"),
    (TimeoutError(), "timeout"),
    (httpx.ConnectError("no route\n"), r'cannot connect: "no route\n"'),
    (httpx.ReadError("reset"), 'broken answer: "it broke the connection off: reset"'),
    (httpx.WriteError("reset"), 'broken answer: "it broke the connection off: reset"'),
    (httpx.RemoteProtocolError("\x1b[2J"), r'broken answer: "\u001b[2J"'),
    (ResponseTooLongError("answer over 131072 bytes"), "answer over 131072 bytes"),
    (httpx.LocalProtocolError("illegal header"), 'LocalProtocolError: "illegal header"'),
    (httpx.InvalidURL("no port"), 'InvalidURL: "no port"'),
    (RuntimeError("\x1b[2J"), r'RuntimeError: "\u001b[2J"'),
]


@pytest.mark.parametrize(("error", "reason"), ERRORS, ids=[repr(error) for error, _ in ERRORS])
def test_every_error_is_a_reason(instance: respx.Route, error: Exception, reason: str) -> None:
    instance.mock(side_effect=error)
    assert ask_all(URL) == [(None, reason)]


def test_a_reason_is_no_longer_than_its_cap(instance: respx.Route) -> None:
    instance.mock(side_effect=httpx.RemoteProtocolError("\U0001f600" * 500))
    [(_, reason)] = ask_all(URL)
    assert reason
    assert len(reason) == LONGEST_REASON


@pytest.mark.parametrize("lacking", [errno.EMFILE, errno.EADDRNOTAVAIL, errno.ENOBUFS])
def test_what_this_machine_lacks_is_not_held_against_an_instance(
    monkeypatch: pytest.MonkeyPatch, lacking: int
) -> None:
    async def sock_connect(*_: object) -> None:
        raise OSError(lacking, "too little of something")

    loop = asyncio.selector_events.BaseSelectorEventLoop
    monkeypatch.setattr(loop, "sock_connect", sock_connect)
    assert ask([question(URL)], 60) == []


def test_nothing_an_instance_says_is_sent_to_another(router: respx.MockRouter) -> None:
    said = response(Set_Cookie="a=b; Path=/", ETag='"1"', Connection="keep-alive")
    route = router.get(host__regex=r"10\.0\.3\.").mock(said)
    ask_all(*[URL, URL.replace("3.17", "3.18"), URL], limits=Limits(concurrency=1))
    sent = [call.request.headers for call in route.calls]
    assert [dict(each) | {"host": ""} for each in sent] == [dict(sent[0]) | {"host": ""}] * 3
    assert "cookie" not in sent[2]


def test_no_reason_phrase_of_an_instance_is_logged(
    instance: respx.Route, caplog: pytest.LogCaptureFixture
) -> None:
    said = {"reason_phrase": b"live_asg_web => complete"}
    instance.mock(httpx.Response(200, stream=Body(b"1.0.274"), extensions=said))
    with caplog.at_level(logging.DEBUG):
        assert ask_all(URL) == [VERSION]
    assert [each for each in caplog.records if each.name.startswith("httpx")] == []


async def never(_: httpx.Request) -> httpx.Response:
    await asyncio.sleep(60)
    raise AssertionError("nobody waits so long")


def test_the_whole_probe_is_bounded_and_costs_the_others_nothing(
    router: respx.MockRouter, instance: respx.Route
) -> None:
    instance.mock(response())
    router.get("http://10.0.3.18/").mock(side_effect=never)
    answers = ask_all(URL, "http://10.0.3.18/", URL, limits=Limits(whole=0.2))
    assert answers == [VERSION, TIMEOUT, VERSION]


def test_answers_come_in_the_order_asked(router: respx.MockRouter) -> None:
    async def late_or_broken(request: httpx.Request) -> httpx.Response:
        number = int(request.url.path[1:])
        await asyncio.sleep(number * 37 % 100 / 300)
        if number % 7 == 0:
            raise httpx.ConnectTimeout("")
        return response(f"1.0.{number}".encode(), 503 if number % 5 == 0 else 200)

    router.get(host="10.0.3.17").mock(side_effect=late_or_broken)
    answers = ask_all(*(f"http://10.0.3.17/{number}" for number in range(500)))
    for number, said in enumerate(answers):
        reason = "timeout" if number % 7 == 0 else {0: "status 503"}.get(number % 5)
        assert said == (None if reason else f"1.0.{number}", reason)


def test_no_more_than_256_of_600_are_asked_at_once(instance: respx.Route) -> None:
    under_way, most, full = 0, 0, asyncio.Event()

    async def crowd(_: httpx.Request) -> httpx.Response:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        if under_way == 256:
            asyncio.get_running_loop().call_later(0.1, full.set)  # for others to come
        await full.wait()
        under_way -= 1
        return response()

    instance.mock(side_effect=crowd)
    assert ask_all(*[URL] * 600, limits=PATIENT) == [VERSION] * 600
    assert most == 256


def test_no_questions_have_no_answers() -> None:
    assert ask([], 60) == []


@pytest.mark.parametrize("seconds", [-1, 0, Limits().whole - 0.1])
def test_what_time_does_not_allow_is_not_asked_at_all(
    instance: respx.Route, seconds: float
) -> None:
    assert ask([question(URL)], seconds) == []
    assert not instance.called


def test_once_time_runs_out_the_rest_are_not_asked(instance: respx.Route) -> None:
    instance.mock(side_effect=never)
    questions = [question(URL, f"i-{number}") for number in range(20)]
    answers = ask(questions, 0.95, Limits(whole=0.15, concurrency=1))
    assert 0 < len(answers) < 20
    assert [answer["instance"] for answer in answers] == [f"i-{n}" for n in range(len(answers))]
    assert {answer["reason"] for answer in answers} == {"timeout"}
