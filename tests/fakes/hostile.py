"""Servers on loopback that answer as badly as they are told to."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

GIB = 1 << 30
PATIENCE = 10.0


@dataclass
class Server:
    """A server under way: where it is, and how many connections it has accepted."""

    behaviour: Behaviour
    address: str = "127.0.0.1"
    port: int = 0
    tls: ssl.SSLContext | None = None
    connections: int = 0
    _stop: Callable[[], object] = field(default=lambda: None, repr=False)

    def url(self, path: str = "/version") -> str:
        """Say where `path` is on this server."""
        return f"{'https' if self.tls else 'http'}://{self.address}:{self.port}{path}"

    async def _run(self, ready: Future[None]) -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        try:
            listener = await asyncio.start_server(
                self._serve, self.address, self.port, ssl=self.tls, backlog=1024
            )
        except OSError as error:
            ready.set_exception(error)
            return
        self.port = listener.sockets[0].getsockname()[1]
        self._stop = lambda: loop.call_soon_threadsafe(stop.set)
        ready.set_result(None)
        await stop.wait()
        listener.close()  # asyncio.run then cancels what is still connected

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            with suppress(OSError, EOFError):
                await self.behaviour(reader, writer)
            writer.close()
        except asyncio.CancelledError:
            writer.transport.abort()


@contextmanager
def serving(
    behaviour: Behaviour,
    *,
    address: str = "127.0.0.1",
    port: int = 0,
    tls: ssl.SSLContext | None = None,
) -> Iterator[Server]:
    """Serve in a thread of its own; leaving cuts every connection and ends the thread."""
    server = Server(behaviour, address, port, tls)
    ready: Future[None] = Future()
    thread = threading.Thread(target=lambda: asyncio.run(server._run(ready)))  # noqa: SLF001
    thread.start()
    try:
        ready.result()
        yield server
    finally:
        server._stop()  # noqa: SLF001
        thread.join()


@contextmanager
def refusing() -> Iterator[str]:
    """Give an `address:port` that refuses connections, and keep others from taking it."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{bound.getsockname()[1]}"


@contextmanager
def unaccepting() -> Iterator[str]:
    """Give an `address:port` at which connecting takes long: its queue is full."""
    with socket.socket() as listener, socket.socket() as one, socket.socket() as other:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for waiting in (one, other):
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        refuse = threading.Timer(PATIENCE, listener.close)
        refuse.start()
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            refuse.cancel()


def self_signed(directory: Path) -> ssl.SSLContext:
    """Make a server's TLS context whose certificate is self-signed, expired, for another name."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "elsewhere.example")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=2))
        .not_valid_after(now - timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    file = directory / "self-signed.pem"
    file.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
        + certificate.public_bytes(pem)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


async def request(reader: asyncio.StreamReader) -> str:
    """Read a request's head: unread, it would make closing a reset."""
    return (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")


def message(body: bytes | str = b"", status: int = 200, /, **headers: str) -> bytes:
    """Write an answer; `X_Y="z"` is a header, `Content_Length=""` leaves that one out."""
    content = body.encode() if isinstance(body, str) else body
    named = {"Content_Length": str(len(content)), **headers}
    lines = [f"{key.replace('_', '-')}: {value}\r\n" for key, value in named.items() if value]
    return f"HTTP/1.1 {status} Whatever\r\n{''.join(lines)}\r\n".encode() + content


def chunked(*chunks: bytes, **headers: str) -> bytes:
    """Write an answer in chunks; an empty chunk at the end completes it."""
    head = message(Content_Length="", Transfer_Encoding="chunked", **headers)
    return head + b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)


def drips(at_once: bytes, slowly: bytes, seconds: float) -> Behaviour:
    """Answer with `at_once`, then one byte of `slowly` every so many seconds, and close."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        writer.write(at_once)
        for byte in slowly:
            await asyncio.sleep(seconds)
            writer.write(bytes([byte]))
            await writer.drain()

    return behave


def says(answer: bytes) -> Behaviour:
    """Answer with these bytes, and close."""
    return drips(answer, b"", 0)


def at_once(answer: bytes) -> Behaviour:
    """Answer whatever comes first, a request or not, with these bytes, and close."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65536)
        writer.write(answer)

    return behave


async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Take whatever comes and never answer, but close before a test that waits would hang."""
    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            while await reader.read(65536):
                pass


async def closing(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Close at once."""


async def resetting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Reset the connection at the first byte."""
    await reader.read(1)
    reset(writer)


def reset(writer: asyncio.StreamWriter) -> None:
    """Reset a connection: the other side loses what it has not read."""
    no_linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_linger)
    writer.transport.abort()


@dataclass
class Hears:
    """Answer with these bytes, and keep the heads of the requests that came."""

    answer: bytes
    heads: list[str] = field(default_factory=list)

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self.heads.append(await request(reader))
        writer.write(self.answer)


@dataclass
class Streams:
    """Answer with `head`, then send `piece` over and over, up to `most` bytes of it."""

    head: bytes
    piece: bytes
    most: float = float("inf")
    sent: int = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection, and count what the other side's sockets took."""
        await request(reader)
        writer.write(self.head)
        while self.sent < self.most:
            writer.write(self.piece)
            await writer.drain()
            self.sent += len(self.piece)
