"""One GET over a connection of its own, bounded: h11 over asyncio's transports.

h11 writes the request and reads the answer; this module moves the bytes. No redirect is
followed, no cookie is read, no connection is kept, no proxy is looked for.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from functools import cache
from typing import Final, cast
from urllib.parse import urlsplit

import h11

from terminator.probe.response import Reading, new_connection

_PORTS: Final = {"http": 80, "https": 443}
_HEADERS: Final = [
    ("User-Agent", "terminator"),
    ("Accept", "*/*"),
    ("Accept-Encoding", "identity"),
    ("Connection", "close"),
]


@dataclass(frozen=True)
class _Url:
    scheme: str
    host: str
    port: int
    target: str

    @classmethod
    def read(cls, url: str) -> _Url:
        """Read an absolute URL; raise ValueError where it is none of HTTP's."""
        parts = urlsplit(url)
        if parts.scheme not in _PORTS or not parts.hostname:
            raise ValueError(f"{url} is not http://address/path")
        query = f"?{parts.query}" if parts.query else ""
        port = parts.port or _PORTS[parts.scheme]
        return cls(parts.scheme, parts.hostname, port, (parts.path or "/") + query)

    @property
    def authority(self) -> str:
        """The Host header, unless another is asked for."""
        return self.host if self.port == _PORTS[self.scheme] else f"{self.host}:{self.port}"


async def get(url: str, host: str | None, connect: float, read: float) -> bytes:
    """GET the URL and return the body of its answer, at most MAX_BODY_BYTES long.

    `host` is the Host header, None for the address. Connecting and each wait for more of the
    answer take at most so many seconds. Raise NoVersionError for an answer that is not a
    readable one of status 200; errors of h11, TLS and the network pass through.
    """
    at, connection = _Url.read(url), new_connection()
    exchange = _Exchange(_request(connection, at, host), Reading(connection), read)
    tls = _unverified() if at.scheme == "https" else None
    connecting = asyncio.get_running_loop().create_connection(
        lambda: exchange, at.host, at.port, ssl=tls
    )
    async with asyncio.timeout(connect):
        transport, _ = await connecting
    try:
        return await exchange.body
    finally:
        # Closing politely could take as long as the other side likes.
        transport.abort()


def _request(connection: h11.Connection, at: _Url, host: str | None) -> bytes:
    headers = [("Host", host or at.authority), *_HEADERS]
    head = connection.send(h11.Request(method="GET", target=at.target, headers=headers))
    return (head or b"") + (connection.send(h11.EndOfMessage()) or b"")


@cache
def _unverified() -> ssl.SSLContext:
    # The address is private and the answer is only a version.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["http/1.1"])
    return context


class _Exchange(asyncio.Protocol):
    """Sends a request once it is connected, and reads the answer until its end or an error.

    `body` is the future of the body. Each wait for more takes at most `patience` seconds.
    """

    def __init__(self, asked: bytes, reading: Reading, patience: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._asked, self._reading, self._patience = asked, reading, patience
        self._timer: asyncio.TimerHandle | None = None
        self.body: asyncio.Future[bytes] = self._loop.create_future()
        self.body.add_done_callback(_heard)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.WriteTransport", transport).write(self._asked)
        self._wait()

    def data_received(self, data: bytes) -> None:
        if self.body.done():
            return
        try:
            body = self._reading.feed(data)
        except Exception as error:  # noqa: BLE001 - raised where the body is waited for
            self._fail(error)
        else:
            self._wait() if body is None else self._end(body)

    def eof_received(self) -> None:
        self.data_received(b"")

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is None or isinstance(exc, ConnectionError):
            exc = h11.RemoteProtocolError(f"it broke the connection off: {exc or 'no error'}")
        self._fail(exc)

    def _wait(self) -> None:
        self._stop_waiting()
        self._timer = self._loop.call_later(self._patience, self._fail, TimeoutError())

    def _stop_waiting(self) -> None:
        if self._timer:
            self._timer.cancel()

    def _end(self, body: bytes) -> None:
        self._stop_waiting()
        self.body.set_result(body)

    def _fail(self, error: Exception) -> None:
        self._stop_waiting()
        if not self.body.done():
            # Its frames would keep this exchange in memory until garbage is collected.
            self.body.set_exception(error.with_traceback(None))


def _heard(body: asyncio.Future[bytes]) -> None:
    """Take note of an error for which nobody waits any more; asyncio would log it."""
    if not body.cancelled():
        body.exception()
