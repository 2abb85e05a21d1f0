"""The transport under the probe's httpx client: one request, one connection, all of it bounded.

httpx's own transport keeps a pool of connections, which takes several times the CPU, and reads a
head that never ends. Here h11 writes the request and reads the response, and asyncio moves the
bytes. Requests have no body, and no proxy is used. httpx documents how it is extended so:
https://www.python-httpx.org/advanced/transports/#custom-transports
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import cache, partial
from typing import Final, NamedTuple

import h11
import httpx

_PORTS: Final = {"http": 80, "https": 443}
_MAX_HEAD_BYTES: Final = 65_536
# Informational responses before the head and what frames the chunks of a body count too.
_MAX_RESPONSE_BYTES: Final = 2 * _MAX_HEAD_BYTES
# So are chunks of a byte, of which each costs as much time as a body of any length.
_MAX_PIECES: Final = 1000


class ResponseTooLongError(httpx.RemoteProtocolError):
    """A response is longer than what is read of one."""


class Transport(httpx.AsyncBaseTransport):
    """Sends each request over a new connection, which is closed with the response.

    Connecting and each wait for more of the response take at most as many seconds as the
    `httpx.Timeout` of the request says. Errors are httpx's; `__cause__` is what they came from.
    """

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request; return the response once its head is there, its body still unread."""
        protocol = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MAX_HEAD_BYTES)
        data = _encode(request, protocol)
        timeout = request.extensions["timeout"]
        connection = await _connect(request.url, timeout["connect"])
        exchange = _Exchange(connection, protocol, timeout["read"])
        try:
            head = await exchange.send(data)
        except BaseException:
            await exchange.aclose()
            raise
        return httpx.Response(
            head.status_code,
            headers=head.headers.raw_items(),
            stream=exchange,
            extensions={"http_version": b"HTTP/" + head.http_version, "reason_phrase": head.reason},
        )


def _encode(request: httpx.Request, protocol: h11.Connection) -> bytes:
    """Return the bytes to send; h11 refuses what a server could take for two requests."""
    try:
        head = h11.Request(
            method=request.method, target=request.url.raw_path, headers=request.headers.raw
        )
        return (protocol.send(head) or b"") + (protocol.send(h11.EndOfMessage()) or b"")
    except h11.LocalProtocolError as error:
        raise httpx.LocalProtocolError(str(error)) from error


class _Connection(NamedTuple):
    """A connection: how to send bytes, to receive at most so many, and to close it."""

    send: Callable[[bytes], Awaitable[None]]
    receive: Callable[[int], Awaitable[bytes]]
    close: Callable[[], None]


async def _connect(url: httpx.URL, seconds: float) -> _Connection:
    if url.scheme not in _PORTS or not url.host:
        raise httpx.UnsupportedProtocol(f"{url} is not http://address/path")
    connect = _connect_tls if url.scheme == "https" else _connect_tcp
    try:
        async with asyncio.timeout(seconds):
            return await connect(url.host, url.port or _PORTS[url.scheme])
    except TimeoutError as error:
        raise httpx.ConnectTimeout(f"no connection within {seconds} seconds") from error
    except OSError as error:
        raise httpx.ConnectError(str(error) or type(error).__name__) from error


async def _connect_tcp(host: str, port: int) -> _Connection:
    """Connect a socket. asyncio's streams would do, but take a tenth more CPU for each probe."""
    loop = asyncio.get_running_loop()
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        sock.setblocking(False)
        await loop.sock_connect(sock, (host, port))
    except BaseException:
        sock.close()
        raise
    return _Connection(partial(loop.sock_sendall, sock), partial(loop.sock_recv, sock), sock.close)


async def _connect_tls(host: str, port: int) -> _Connection:
    reader, writer = await asyncio.open_connection(host, port, ssl=_unverified())

    async def send(data: bytes) -> None:
        writer.write(data)

    # Closing TLS in due form could take as long as the other side likes.
    return _Connection(send, reader.read, writer.transport.abort)


@cache
def _unverified() -> ssl.SSLContext:
    # The address is private and the answer is only a version.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["http/1.1"])
    return context


class _Exchange(httpx.AsyncByteStream):
    """A request and its response over a connection. Iterating yields the response's body."""

    def __init__(self, connection: _Connection, protocol: h11.Connection, seconds: float) -> None:
        self._connection, self._protocol = connection, protocol
        self._seconds = seconds
        self._left, self._pieces = _MAX_RESPONSE_BYTES, 0

    async def send(self, data: bytes) -> h11.Response:
        """Send the request; return the head of the response."""
        try:
            await self._connection.send(data)
        except OSError as error:
            raise httpx.WriteError(str(error)) from error
        while isinstance(event := await self._next_event(), h11.InformationalResponse):
            pass
        if not isinstance(event, h11.Response):
            raise httpx.RemoteProtocolError(f"it sent {type(event).__name__} for an answer")
        return event

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        event = await self._next_event()
        if not isinstance(event, h11.Data):
            raise StopAsyncIteration
        return bytes(event.data)

    async def aclose(self) -> None:
        self._connection.close()

    async def _next_event(self) -> object:
        """Return h11's next event, for which more may have to be received."""
        self._pieces += 1
        if self._pieces > _MAX_PIECES:
            raise ResponseTooLongError(f"answer over {_MAX_PIECES} pieces")
        try:
            while (event := self._protocol.next_event()) is h11.NEED_DATA:
                self._protocol.receive_data(await self._receive())
        except h11.RemoteProtocolError as error:
            # After a colon h11 quotes the line, which may be anything: a cookie, a secret.
            raise httpx.RemoteProtocolError(str(error).partition(": bytearray(")[0]) from error
        return event

    async def _receive(self) -> bytes:
        """Return more of the response; nothing at its end."""
        if not self._left:
            raise ResponseTooLongError(f"answer over {_MAX_RESPONSE_BYTES} bytes")
        try:
            async with asyncio.timeout(self._seconds):
                data = await self._connection.receive(self._left)
        except TimeoutError as error:
            raise httpx.ReadTimeout(f"nothing more within {self._seconds} seconds") from error
        except OSError as error:
            raise httpx.ReadError(str(error)) from error
        if not data and self._protocol.their_state is h11.SEND_RESPONSE:
            raise httpx.RemoteProtocolError("it closed the connection before it had answered")
        self._left -= len(data)
        return data
