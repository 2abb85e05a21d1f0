"""One GET over a connection of its own, bounded: h11 over asyncio's streams.

h11 writes the request and reads the answer; this module moves the bytes. No redirect is
followed, no cookie is read, no connection is kept, no proxy is looked for.
"""

from __future__ import annotations

import asyncio
import ssl
import zlib
from dataclasses import dataclass
from functools import cache
from typing import Final
from urllib.parse import urlsplit

import h11

from terminator.version import quoted

MAX_BODY_BYTES: Final = 4096

_OK: Final = 200
_READ_BYTES: Final = 65_536
_MAX_HEAD_BYTES: Final = 65_536
_PORTS: Final = {"http": 80, "https": 443}
_HEADERS: Final = [
    ("User-Agent", "terminator"),
    ("Accept", "*/*"),
    ("Accept-Encoding", "identity"),
    ("Connection", "close"),
]
_GZIP_OR_ZLIB: Final = zlib.MAX_WBITS | 32


class NoVersionError(Exception):
    """The answer holds no version; the message is the reason, escaped and capped."""


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
    at = _Url.read(url)
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MAX_HEAD_BYTES)
    asked = _request(connection, at, host)
    tls = _unverified() if at.scheme == "https" else None
    async with asyncio.timeout(connect):
        reader, writer = await asyncio.open_connection(at.host, at.port, ssl=tls)
    try:
        writer.write(asked)
        return await _answer(connection, reader, read)
    finally:
        # Closing politely could take as long as the other side likes.
        writer.transport.abort()


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


async def _answer(connection: h11.Connection, reader: asyncio.StreamReader, read: float) -> bytes:
    head = await _head(connection, reader, read)
    if head.status_code != _OK:
        raise NoVersionError(f"status {head.status_code}")
    raw = b""
    while isinstance(part := await _next(connection, reader, read), h11.Data):
        raw += part.data
        if len(raw) > MAX_BODY_BYTES:
            raise NoVersionError(f"body over {MAX_BODY_BYTES} bytes")
    encodings = [value for name, value in head.headers if name == b"content-encoding"]
    return _decoded(raw, b", ".join(encodings).decode(errors="replace"))


async def _head(
    connection: h11.Connection, reader: asyncio.StreamReader, read: float
) -> h11.Response:
    while isinstance(head := await _next(connection, reader, read), h11.InformationalResponse):
        pass
    if not isinstance(head, h11.Response):
        raise h11.RemoteProtocolError("it closed the connection before it had answered")
    return head


async def _next(
    connection: h11.Connection, reader: asyncio.StreamReader, seconds: float
) -> h11.Event | type[h11.NEED_DATA | h11.PAUSED]:
    while (event := connection.next_event()) is h11.NEED_DATA:
        try:
            async with asyncio.timeout(seconds):
                data = await reader.read(_READ_BYTES)
        except ConnectionError as error:
            raise h11.RemoteProtocolError(f"it broke the connection off: {error}") from error
        if not data and connection.their_state is h11.SEND_RESPONSE:
            raise h11.RemoteProtocolError("it closed the connection before it had answered")
        connection.receive_data(data)
    return event


def _decoded(raw: bytes, encoding: str) -> bytes:
    """Decode a body that came compressed although asked not to, never past the limit."""
    match encoding.strip().lower():
        case "identity" | "":
            return raw
        case "gzip" | "deflate":
            decoder = zlib.decompressobj(_GZIP_OR_ZLIB)
            body = decoder.decompress(raw, MAX_BODY_BYTES + 1)
        case _:
            raise NoVersionError(f"content encoding {quoted(encoding)}")
    if len(body) > MAX_BODY_BYTES:
        raise NoVersionError(f"body over {MAX_BODY_BYTES} bytes")
    if not decoder.eof:
        raise NoVersionError("body is cut short")
    if decoder.unused_data:
        # More members may follow, so what is decoded may be half of a version.
        raise NoVersionError("body goes on after its compressed end")
    return body
