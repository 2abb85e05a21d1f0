"""GET /version of many instances at once, with httpx.

Every failure is data: an answer has a version or a reason, and nothing an instance does
raises. Each probe is bounded in time and memory, and so is their number under way. Nothing
is carried from one instance to another: no cookies, no redirects, no kept connections.
"""

from __future__ import annotations

import asyncio
import errno
import re
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NotRequired, TypedDict

import httpx

from terminator.model import NoVersion
from terminator.probe.addresses import Network, refusal
from terminator.probe.body import NoVersionError, Place, read_version
from terminator.probe.transport import ResponseTooLongError, Transport
from terminator.text import quoted
from terminator.version import Order, Version

# What this machine lacks says nothing of an instance.
_OURS: Final = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL}
)
# So the answers of one invocation cannot outgrow what Lambda returns.
LONGEST_REASON: Final = 300
_SCHEMES: Final = ("http", "https")
_HIGHEST_PORT: Final = 65_535
# Printable ASCII as it stands in a request line; tags are read more strictly.
_PATH: Final = re.compile(r"/[!\"$-~]{0,255}")
_HEADERS: Final = {
    "User-Agent": "terminator",
    "Accept-Encoding": "identity",
    "Connection": "close",
}


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
    """An instance to ask, by IP address; `host` is the Host header, None for the address.

    `version_field` and the rest say where in the answer the version is, as `body.Place` does.
    """

    instance: str
    scheme: str
    address: str
    port: int
    path: str
    host: str | None
    version_field: str
    version_header: NotRequired[str | None]
    version_prefix: NotRequired[str]
    version_suffix: NotRequired[str]
    order: NotRequired[Order]


class Answer(TypedDict):
    """What an instance answered: a version, or the reason why there is none."""

    instance: str
    version: str | None
    reason: str | None


def ask(
    questions: Sequence[Question],
    seconds: float,
    allowed: Sequence[Network],
    limits: Limits | None = None,
) -> list[Answer]:
    """Ask every instance for its version, and answer in the order asked.

    Nothing is connected to but IP addresses in the networks that are `allowed`.
    No probe is begun that could not end within `seconds`: such questions get no answer at
    all, since not asked is not unavailable. Nor do those for which this machine lacks sockets.
    """
    deadline = time.monotonic() + seconds
    answers = asyncio.run(_ask(questions, deadline, tuple(allowed), limits or Limits()))
    return [
        _payload(question["instance"], answer)
        for question, answer in zip(questions, answers, strict=True)
        if answer is not None
    ]


def _payload(instance: str, answer: Version | NoVersion) -> Answer:
    if isinstance(answer, NoVersion):
        return Answer(instance=instance, version=None, reason=answer.reason)
    return Answer(instance=instance, version=str(answer), reason=None)


class _Client(httpx.AsyncClient):
    """httpx's client without redirects, cookies, authentication and logging.

    They could carry something from one instance to another, or unescaped into a log. All of
    them are in httpx's `send`; without them a probe also takes a tenth less CPU.
    """

    async def send(self, request: httpx.Request, **_: object) -> httpx.Response:
        """Send the request as it is; return the response, its body still unread."""
        response = await self._transport_for_url(request.url).handle_async_request(request)
        response.request = request
        return response


async def _ask(
    questions: Sequence[Question], deadline: float, allowed: tuple[Network, ...], limits: Limits
) -> list[Version | NoVersion | None]:
    """Return an answer for each question, None for those that were not asked."""
    answers: list[Version | NoVersion | None] = [None] * len(questions)
    pending = iter(enumerate(questions))  # shared by the workers

    async def work(client: httpx.AsyncClient) -> None:
        for index, question in pending:
            if time.monotonic() + limits.whole > deadline:
                return
            refused = _refusal(question, allowed)
            answers[index] = (
                NoVersion(refused) if refused else await _probe(client, question, limits.whole)
            )

    async with _Client(
        transport=Transport(),
        headers=_HEADERS,
        timeout=httpx.Timeout(limits.read, connect=limits.connect),
        trust_env=False,
    ) as client:
        workers = min(limits.concurrency, len(questions))
        await asyncio.gather(*(work(client) for _ in range(workers)))
    return answers


def _refusal(question: Question, allowed: tuple[Network, ...]) -> str | None:
    """Say why a question is not asked, None where it is."""
    if why := refusal(question["address"], allowed):
        return f"not asked: {why}"
    if question["scheme"] not in _SCHEMES:
        return f"not asked: {quoted(question['scheme'])} is no scheme"
    if not 1 <= question["port"] <= _HIGHEST_PORT:
        return f"not asked: {question['port']} is no port"
    if _PATH.fullmatch(question["path"]) is None:
        return f"not asked: {quoted(question['path'])} is no path"
    return None


def url_of(question: Question) -> httpx.URL:
    """Return a question's URL, put together from its parts: none can pass for another."""
    return httpx.URL(
        scheme=question["scheme"],
        host=question["address"],
        port=question["port"],
        raw_path=question["path"].encode(),
    )


async def _probe(
    client: httpx.AsyncClient, question: Question, seconds: float
) -> Version | NoVersion | None:
    """Ask one instance; return None where this machine lacks what that takes."""
    headers = {"Host": question["host"]} if question["host"] else None
    place = Place(
        question["version_field"],
        question.get("version_header"),
        question.get("version_prefix", ""),
        question.get("version_suffix", ""),
        question.get("order", "version"),
    )
    try:
        async with (
            asyncio.timeout(seconds),
            client.stream("GET", url_of(question), headers=headers) as response,
        ):
            return await read_version(response, place)
    except Exception as error:  # noqa: BLE001 - whatever an instance does is data
        if isinstance(error.__cause__, OSError) and error.__cause__.errno in _OURS:
            return None
        return NoVersion(_reason(error)[:LONGEST_REASON])


def _reason(error: Exception) -> str:  # noqa: PLR0911 - a line for each kind of error
    match error, error.__cause__:
        case ((NoVersionError() | ResponseTooLongError()), _):
            return str(error)
        case ((TimeoutError() | httpx.TimeoutException()), _):
            return "timeout"
        case _, ssl.SSLError() as cause:
            return f"no TLS: {quoted(cause.reason or str(cause))}"
        case httpx.ConnectError(), ConnectionRefusedError():
            return "connection refused"
        case httpx.ConnectError(), ConnectionResetError():
            return "connection reset"
        case httpx.ConnectError(), _:
            return f"cannot connect: {quoted(str(error))}"
        case httpx.NetworkError(), _:
            return f"broken answer: {quoted(f'it broke the connection off: {error}')}"
        case httpx.RemoteProtocolError(), _:
            return f"broken answer: {quoted(str(error))}"
        case _:
            return f"{type(error).__name__}: {quoted(str(error))}"
