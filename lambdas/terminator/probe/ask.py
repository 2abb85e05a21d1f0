"""GET /version of many instances at once.

Every failure is data: an answer has a version or a reason, and nothing an instance does
raises. Each probe is bounded in time and memory, and so is their number under way. Nothing
is carried from one instance to another: no cookies, no redirects, no kept connections.
"""

from __future__ import annotations

import asyncio
import errno
import ssl
import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypedDict

import h11

from terminator.probe import transport as fetch
from terminator.probe.body import UnreadableBodyError, read_version
from terminator.probe.response import NoVersionError
from terminator.text import quoted

# What this machine lacks says nothing of an instance.
_OURS: Final = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL}
)
# So the answers of one invocation cannot outgrow what Lambda returns.
LONGEST_REASON: Final = 300


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


def ask(
    questions: Sequence[Question], seconds: float, limits: Limits | None = None
) -> list[Answer]:
    """Ask every instance for its version, and answer in the order asked.

    No probe is begun that could not end within `seconds`: such questions get no answer at
    all, since not asked is not unavailable. Nor do those for which this machine lacks sockets.
    """
    return asyncio.run(_ask(questions, time.monotonic() + seconds, limits or Limits()))


async def _ask(questions: Sequence[Question], deadline: float, limits: Limits) -> list[Answer]:
    pending = iter(list(enumerate(questions)))  # shared by the workers
    answers: dict[int, Answer] = {}
    workers = min(limits.concurrency, len(questions))
    await asyncio.gather(*(_work(pending, answers, deadline, limits) for _ in range(workers)))
    return [answers[index] for index in sorted(answers)]


async def _work(
    pending: Iterator[tuple[int, Question]],
    answers: dict[int, Answer],
    deadline: float,
    limits: Limits,
) -> None:
    for index, question in pending:
        if time.monotonic() + limits.whole > deadline:
            return
        answer = await _probe(question, limits)
        if answer is not None:
            answers[index] = answer


async def _probe(question: Question, limits: Limits) -> Answer | None:
    try:
        async with asyncio.timeout(limits.whole):
            body = await fetch.get(
                question["url"], question["host"], connect=limits.connect, read=limits.read
            )
        version = str(read_version(body, question["version_field"]))
    except Exception as error:  # noqa: BLE001 - whatever an instance does is data
        if isinstance(error, OSError) and error.errno in _OURS:
            return None
        reason = _reason(error)[:LONGEST_REASON]
        return Answer(instance=question["instance"], version=None, reason=reason)
    return Answer(instance=question["instance"], version=version, reason=None)


def _reason(error: Exception) -> str:  # noqa: PLR0911 - a line for each kind of error
    match error:
        case NoVersionError() | UnreadableBodyError():
            return str(error)
        case TimeoutError():
            return "timeout"
        case ConnectionRefusedError():
            return "connection refused"
        case ConnectionResetError():
            return "connection reset"
        case ssl.SSLError():
            return f"no TLS: {quoted(error.reason or str(error))}"
        case OSError():
            return f"cannot connect: {quoted(str(error) or type(error).__name__)}"
        case zlib.error():
            return "body is not what its content encoding says"
        case h11.RemoteProtocolError():
            return f"broken answer: {quoted(str(error))}"
        case _:
            return f"{type(error).__name__}: {quoted(str(error))}"
