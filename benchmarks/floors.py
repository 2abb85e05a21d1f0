"""What asking costs at the least: the same GET with nothing around it; and with httpx."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import httpx

from benchmarks.account import VERSION

CONCURRENCY: Final = 256
# Like the probe, nobody waits for the instance to close.
_END: Final = VERSION.encode()
Where = tuple[str, int]
Get = Callable[[Where], Awaitable[bytes]]


def _request(where: Where) -> bytes:
    return f"GET /version HTTP/1.1\r\nHost: {where[0]}\r\nConnection: close\r\n\r\n".encode()


async def _by_streams(where: Where) -> bytes:
    reader, writer = await asyncio.open_connection(*where)
    writer.write(_request(where))
    answer = await reader.readuntil(_END)
    writer.transport.abort()
    return answer.partition(b"\r\n\r\n")[2]


async def _by_sockets(where: Where) -> bytes:
    loop, answer = asyncio.get_running_loop(), b""
    with socket.socket() as own:
        own.setblocking(False)
        await loop.sock_connect(own, where)
        await loop.sock_sendall(own, _request(where))
        while not answer.endswith(_END):
            answer += await loop.sock_recv(own, 65_536)
    return answer.partition(b"\r\n\r\n")[2]


async def _in_crowd(get: Get, all_: Sequence[Where]) -> None:
    waiting = iter(all_)

    async def work() -> None:
        for where in waiting:
            if await get(where) != _END:
                raise RuntimeError(f"{where} answered something else")

    await asyncio.gather(*(work() for _ in range(min(CONCURRENCY, len(all_)))))


def streams(all_: Sequence[Where]) -> None:
    """Ask with asyncio's streams, and no bounds."""
    asyncio.run(_in_crowd(_by_streams, all_))


def sockets(all_: Sequence[Where]) -> None:
    """Ask with asyncio's bare sockets, and no bounds."""
    asyncio.run(_in_crowd(_by_sockets, all_))


def with_httpx(all_: Sequence[Where]) -> None:
    """Ask with httpx's transport, which is less than its client."""
    asyncio.run(_with_httpx(all_))


async def _with_httpx(all_: Sequence[Where]) -> None:
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
    async with httpx.AsyncHTTPTransport(verify=False, trust_env=False, limits=limits) as transport:

        async def get(where: Where) -> bytes:
            timeout = httpx.Timeout(3).as_dict()
            request = httpx.Request(
                "GET", f"http://{where[0]}:{where[1]}/version", extensions={"timeout": timeout}
            )
            response = await transport.handle_async_request(request)
            return await response.aread()

        await _in_crowd(get, all_)
