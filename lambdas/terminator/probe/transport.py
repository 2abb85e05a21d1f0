"""The transport under the probe's httpx client: each request over a connection of its own, bounded.

httpx's own transport costs several times the CPU, for a pool of connections that nobody needs
here, and reads a head that never ends. In this one h11 writes the request and reads the
response, and asyncio moves the bytes. It sends requests without a body only, and knows no
proxies. How httpx is extended so: https://www.python-httpx.org/advanced/transports/
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Final

import h11
import httpx

_PORTS: Final = {"http": 80, "https": 443}
_MAX_HEAD_BYTES: Final = 65_536
# Informational responses before the head and what frames the chunks of a body count too.
_MAX_RESPONSE_BYTES: Final = 2 * _MAX_HEAD_BYTES


class ResponseTooLongError(httpx.RemoteProtocolError):
    """A response has not ended after as many bytes as are read of one."""


class Transport(httpx.AsyncBaseTransport):
    """Sends each request over a new connection, which ends once the response is closed.

    Connecting and each wait for more of the response take at most as long as the client's
    `httpx.Timeout` says. Errors are httpx's, each with what caused it as its `__cause__`.
    """

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; return its response as soon as the head of it is there."""
        connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MAX_HEAD_BYTES)
        asked = _written(connection, request)
        timeout = request.extensions["timeout"]
        wire = await _connect(request.url, timeout["connect"])
        exchange = _Exchange(wire, connection, timeout["read"])
        try:
            head = await exchange.head(asked)
        except BaseException:
            await exchange.aclose()
            raise
        return httpx.Response(
            head.status_code,
            headers=head.headers.raw_items(),
            stream=exchange,
            extensions={"http_version": b"HTTP/" + head.http_version, "reason_phrase": head.reason},
        )


def _written(connection: h11.Connection, request: httpx.Request) -> bytes:
    """Return the bytes of a request; h11 refuses what would be more than one."""
    try:
        head = h11.Request(
            method=request.method, target=request.url.raw_path, headers=request.headers.raw
        )
        return (connection.send(head) or b"") + (connection.send(h11.EndOfMessage()) or b"")
    except h11.LocalProtocolError as error:
        raise httpx.LocalProtocolError(str(error)) from error


@dataclass(frozen=True)
class _Wire:
    """A connection: how to send bytes, to receive at most so many, and to cut it."""

    send: Callable[[bytes], Awaitable[None]]
    receive: Callable[[int], Awaitable[bytes]]
    cut: Callable[[], None]


async def _connect(url: httpx.URL, seconds: float) -> _Wire:
    if url.scheme not in _PORTS or not url.host:
        raise httpx.UnsupportedProtocol(f"{url} is not http://address/path")
    connect = _connect_with_tls if url.scheme == "https" else _connect_plainly
    try:
        async with asyncio.timeout(seconds):
            return await connect(url.host, url.port or _PORTS[url.scheme])
    except TimeoutError as error:
        raise httpx.ConnectTimeout(f"no connection within {seconds} seconds") from error
    except OSError as error:
        raise httpx.ConnectError(str(error) or type(error).__name__) from error


async def _connect_plainly(host: str, port: int) -> _Wire:
    """Connect a bare socket: asyncio's streams would take a tenth of a probe more CPU."""
    loop = asyncio.get_running_loop()
    own = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        own.setblocking(False)
        await loop.sock_connect(own, (host, port))
    except BaseException:
        own.close()
        raise
    return _Wire(partial(loop.sock_sendall, own), partial(loop.sock_recv, own), own.close)


async def _connect_with_tls(host: str, port: int) -> _Wire:
    reader, writer = await asyncio.open_connection(host, port, ssl=_unverified())

    async def send(data: bytes) -> None:
        writer.write(data)

    # Closing politely could take as long as the other side likes.
    return _Wire(send, reader.read, writer.transport.abort)


@cache
def _unverified() -> ssl.SSLContext:
    # The address is private and the answer is only a version.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["http/1.1"])
    return context


class _Exchange(httpx.AsyncByteStream):
    """A request and its response over a connection; iterating yields the response's body."""

    def __init__(self, wire: _Wire, connection: h11.Connection, patience: float) -> None:
        self._wire, self._connection, self._patience = wire, connection, patience
        self._left = _MAX_RESPONSE_BYTES

    async def head(self, asked: bytes) -> h11.Response:
        """Send the request; return the head of the response."""
        try:
            await self._wire.send(asked)
        except OSError as error:
            raise httpx.WriteError(str(error)) from error
        while isinstance(event := await self._next_event(), h11.InformationalResponse):
            pass
        if not isinstance(event, h11.Response):
            raise httpx.RemoteProtocolError(f"it sent {event!r} for an answer")
        return event

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        event = await self._next_event()
        if not isinstance(event, h11.Data):
            raise StopAsyncIteration
        return bytes(event.data)

    async def aclose(self) -> None:
        self._wire.cut()

    async def _next_event(self) -> object:
        try:
            while (event := self._connection.next_event()) is h11.NEED_DATA:
                self._connection.receive_data(await self._receive())
        except h11.RemoteProtocolError as error:
            raise httpx.RemoteProtocolError(str(error)) from error
        return event

    async def _receive(self) -> bytes:
        """Return the next bytes of the response, none at its end."""
        if not self._left:
            raise ResponseTooLongError(f"answer over {_MAX_RESPONSE_BYTES} bytes")
        try:
            async with asyncio.timeout(self._patience):
                data = await self._wire.receive(self._left)
        except TimeoutError as error:
            raise httpx.ReadTimeout(f"nothing more within {self._patience} seconds") from error
        except OSError as error:
            raise httpx.ReadError(str(error)) from error
        if not data and self._connection.their_state is h11.SEND_RESPONSE:
            raise httpx.RemoteProtocolError("it closed the connection before it had answered")
        self._left -= len(data)
        return data
