"""Asking servers on loopback for their version."""

from __future__ import annotations

import gzip
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from ipaddress import ip_network
from typing import cast
from urllib.parse import urlsplit

from terminator.probe import ask as probe
from terminator.probe.ask import Limits
from tests.fakes.hostile import Behaviour, message, says, serving

Outcome = tuple[str | None, str | None]

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"), ip_network("10.0.0.0/8"))
ROOMY = Limits(concurrency=64)
SHORT_READS = Limits(connect=0.3, read=0.3, whole=3600)
PATIENT = Limits(connect=60, read=60, whole=60)

GOOD = says(message("1.0.274"))
HEAD = b"HTTP/1.1 200 OK\r\n"
TOO_LONG = (None, "body over 65536 bytes; set path to a smaller one")
TIMEOUT = (None, "timeout")


def packed(content: bytes) -> bytes:
    """Return the content, gzipped."""
    return gzip.compress(content, mtime=0)


BOMB = packed(b"1" * (1 << 20))


def question(
    url: str,
    instance: str = "i-0",
    host: str | None = None,
    version_field: str = "version",
    **more: str,
) -> probe.Question:
    """Return a question, of the parts of a URL; `more` are the fields that it need not have."""
    parts = urlsplit(url)
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    asked = probe.Question(
        instance=instance,
        scheme=parts.scheme,
        address=parts.hostname or "",
        port=parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0),
        path=path,
        host=host,
        version_field=version_field,
    )
    return cast("probe.Question", {**asked, **more})


def ask(
    questions: Sequence[probe.Question], seconds: float, limits: Limits | None = None
) -> list[probe.Answer]:
    """Ask as the deployed probe does, but on loopback too."""
    return probe.ask(questions, seconds, LOOPBACK, limits)


def ask_all(*urls: str, limits: Limits = ROOMY) -> list[Outcome]:
    """Ask servers by URL; return what each answered."""
    questions = [question(url, f"i-{number}") for number, url in enumerate(urls)]
    answers = ask(questions, 2 * limits.whole + 60, limits)
    assert [answer["instance"] for answer in answers] == [asked["instance"] for asked in questions]
    return [(answer["version"], answer["reason"]) for answer in answers]


def ask_each(behaviours: Mapping[str, Behaviour], limits: Limits = ROOMY) -> dict[str, Outcome]:
    """Ask a server of each behaviour; return what each answered."""
    with ExitStack() as stack:
        servers = [stack.enter_context(serving(behaviour)) for behaviour in behaviours.values()]
        answers = ask_all(*(server.url() for server in servers), limits=limits)
        return dict(zip(behaviours, answers, strict=True))


def ask_one(behaviour: Behaviour) -> Outcome:
    """Ask one server that behaves so."""
    return ask_each({"only": behaviour})["only"]


def reason_of(behaviour: Behaviour) -> str:
    """Return why a server that behaves so has no version."""
    version, reason = ask_one(behaviour)
    assert version is None
    assert reason
    return reason
