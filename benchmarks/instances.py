"""Instances that answer and instances that never do, at every address of 127.0.0.0/8.

`python -m benchmarks.instances SECONDS` prints two ports: at the first, GET is answered after
so many seconds; at the second, never.
"""

from __future__ import annotations

import asyncio
import resource
import socket
import sys
from typing import Final

from benchmarks.account import VERSION
from benchmarks.children import end_with_parent

_ANSWER: Final = (
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 7\r\nConnection: close\r\n\r\n"
    f"{VERSION}"
).encode()
_BACKLOG: Final = 4096


class _Answering(asyncio.Protocol):
    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, _data: bytes) -> None:
        asyncio.get_running_loop().call_later(self._seconds, self._answer)

    def _answer(self) -> None:
        if isinstance(self._transport, asyncio.WriteTransport):
            self._transport.write(_ANSWER)
            self._transport.close()


def _socket() -> socket.socket:
    """Return a socket that listens at every address of loopback, and at no other."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo")
    listener.bind(("", 0))
    return listener


async def _serve(seconds: float) -> None:
    loop = asyncio.get_running_loop()
    answering = await loop.create_server(
        lambda: _Answering(seconds), sock=_socket(), backlog=_BACKLOG
    )
    silent = await loop.create_server(asyncio.Protocol, sock=_socket(), backlog=_BACKLOG)
    print(*(each.sockets[0].getsockname()[1] for each in (answering, silent)), flush=True)  # noqa: T201 - that is how the parent learns them
    await asyncio.gather(answering.serve_forever(), silent.serve_forever())


def main() -> None:
    """Serve until the parent ends."""
    end_with_parent()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    asyncio.run(_serve(float(sys.argv[1])))


if __name__ == "__main__":
    main()
