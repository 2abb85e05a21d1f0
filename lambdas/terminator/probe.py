"""GET /version of many instances at once.

Every failure is data: an answer has a version or a reason, and nothing an instance does
raises. Each probe is bounded in time and memory, and so is their number under way. Nothing
is carried from one instance to another: no cookies, no redirects, no kept connections.
"""

from __future__ import annotations

import asyncio
import ssl
import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypedDict

import httpx

from terminator.body import UnreadableBodyError, read_version
from terminator.version import quoted

MAX_BODY_BYTES: Final = 4096

_HEADERS: Final = {
    "User-Agent": "terminator",
    "Accept": "*/*",
    "Accept-Encoding": "identity",
    "Connection": "close",
}
_GZIP_OR_ZLIB: Final = zlib.MAX_WBITS | 32


@dataclass(frozen=True)
class Limits:
    """Bounds, in seconds, of connecting, of each read and of a whole probe.

    `concurrency` is how many probes are under way at most: a Lambda function has 1,024 file
    descriptors.
    """

    connect: float = 2.0
    read: float = 3.0
    whole: float = 5.0
    concurrency: int = 256


class Question(TypedDict):
    """An instance to ask: `host` is the Host header to send, None for the address."""

    instance: str
    url: str
    host: str | None
    version_field: str


class Answer(TypedDict):
    """What an instance answered: a version, or the reason why there is none."""

    instance: str
    version: str | None
    reason: str | None


class _NoVersionError(Exception):
    """The answer holds no version; the message is the reason."""


def ask(
    questions: Sequence[Question], seconds: float, limits: Limits | None = None
) -> list[Answer]:
    """Ask every instance for its version, and answer in the order asked.

    No probe is begun that could not end within `seconds`: such questions get no answer at
    all, since not asked is not unreadable.
    """
    return asyncio.run(_ask(questions, time.monotonic() + seconds, limits or Limits()))


async def _ask(questions: Sequence[Question], deadline: float, limits: Limits) -> list[Answer]:
    pending = iter(list(enumerate(questions)))  # shared by the workers
    answers: dict[int, Answer] = {}
    workers = min(limits.concurrency, len(questions))
    async with _transport() as transport:
        work = (_work(transport, pending, answers, deadline, limits) for _ in range(workers))
        await asyncio.gather(*work)
    return [answers[index] for index in sorted(answers)]


def _transport() -> httpx.AsyncHTTPTransport:
    # A client would share cookies between instances, and parse where redirects lead.
    return httpx.AsyncHTTPTransport(
        verify=False,
        trust_env=False,
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
    )


async def _work(
    transport: httpx.AsyncHTTPTransport,
    pending: Iterator[tuple[int, Question]],
    answers: dict[int, Answer],
    deadline: float,
    limits: Limits,
) -> None:
    for index, question in pending:
        if time.monotonic() + limits.whole > deadline:
            return
        answers[index] = await _probe(transport, question, limits)


async def _probe(transport: httpx.AsyncHTTPTransport, question: Question, limits: Limits) -> Answer:
    try:
        async with asyncio.timeout(limits.whole):
            body = await _get(transport, question["url"], question["host"], limits)
        version = str(read_version(body, question["version_field"]))
    except Exception as error:  # noqa: BLE001 - whatever an instance does is data
        return Answer(instance=question["instance"], version=None, reason=_reason(error))
    return Answer(instance=question["instance"], version=version, reason=None)


async def _get(
    transport: httpx.AsyncHTTPTransport, url: str, host: str | None, limits: Limits
) -> bytes:
    headers = {**_HEADERS, "Host": host} if host else _HEADERS
    timeout = httpx.Timeout(limits.read, connect=limits.connect).as_dict()
    request = httpx.Request("GET", url, headers=headers, extensions={"timeout": timeout})
    response = await transport.handle_async_request(request)
    try:
        if response.status_code != httpx.codes.OK:
            raise _NoVersionError(f"status {response.status_code}")
        raw = await _read(response)
    finally:
        await response.aclose()
    return _decoded(raw, response.headers.get("Content-Encoding", "identity"))


async def _read(response: httpx.Response) -> bytes:
    raw = b""
    async for chunk in response.aiter_raw():
        raw += chunk
        if len(raw) > MAX_BODY_BYTES:
            raise _NoVersionError(f"body over {MAX_BODY_BYTES} bytes")
    return raw


def _decoded(raw: bytes, encoding: str) -> bytes:
    """Decode a body that came compressed although asked not to, never past the limit."""
    match encoding.strip().lower():
        case "identity" | "":
            return raw
        case "gzip" | "deflate":
            decoder = zlib.decompressobj(_GZIP_OR_ZLIB)
            body = decoder.decompress(raw, MAX_BODY_BYTES + 1)
        case _:
            raise _NoVersionError(f"content encoding {quoted(encoding)}")
    if len(body) > MAX_BODY_BYTES:
        raise _NoVersionError(f"body over {MAX_BODY_BYTES} bytes")
    if not decoder.eof:
        raise _NoVersionError("body is cut short")
    if decoder.unused_data:
        # More members may follow, so what is decoded may be half of a version.
        raise _NoVersionError("body goes on after its compressed end")
    return body


def _reason(error: Exception) -> str:
    match error:
        case _NoVersionError() | UnreadableBodyError():
            return str(error)
        case TimeoutError() | httpx.TimeoutException():
            return "timeout"
        case httpx.ConnectError():
            return _connect_reason(error)
        case zlib.error():
            return "body is not what its content encoding says"
        case httpx.HTTPError():
            return f"broken answer: {quoted(str(error) or type(error).__name__)}"
        case _:
            return f"{type(error).__name__}: {quoted(str(error))}"


def _connect_reason(error: httpx.ConnectError) -> str:
    cause: BaseException | None = error
    while cause is not None:
        match cause:
            case ConnectionRefusedError():
                return "connection refused"
            case ConnectionResetError():
                return "connection reset"
            case ssl.SSLError():
                return f"no TLS: {quoted(cause.reason or str(cause))}"
        cause = cause.__cause__ or cause.__context__
    return f"cannot connect: {quoted(str(error) or type(error).__name__)}"
