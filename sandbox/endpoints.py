"""HTTP endpoints of instances: one listener for each, on its own loopback address."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import TypeVar

from sandbox.store import Program

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Result = TypeVar("Result")


class Endpoints:
    """The listeners of a fleet, in a thread of their own, all on one port.

    An address without a listener refuses connections, as an instance does before its
    program runs.
    """

    def __init__(self) -> None:
        """Choose a port that is free on loopback, and start the thread."""
        self._loop = asyncio.new_event_loop()
        self._servers: dict[str, asyncio.Server] = {}
        self._busy: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

        async def free_port() -> int:
            server = await asyncio.start_server(lambda _r, w: w.close(), "127.0.0.1", 0)
            async with server:
                port: int = server.sockets[0].getsockname()[1]
                return port

        self.port = self._wait(free_port())

    def open(self, address: str, program: Program) -> None:
        """Let the program run at the address."""
        match program.behaviour:
            case "answers":
                self.serve(address, _answering("200 OK", program.version + "\n"))
            case "unavailable":
                self.serve(address, _answering("503 Service Unavailable", program.version + "\n"))
            case "silent":
                self.serve(address, _silent)
            case "refuses":
                pass

    def serve(self, address: str, serve: Serve) -> None:
        """Serve connections to the address in any way at all."""

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if task := asyncio.current_task():
                self._busy.add(task)
                task.add_done_callback(self._busy.discard)
            try:
                await serve(reader, writer)
            except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                pass
            finally:
                writer.close()

        async def start() -> None:
            self._servers[address] = await asyncio.start_server(handle, address, self.port)

        self.close(address)
        self._wait(start())

    def close(self, address: str) -> None:
        """Refuse further connections at the address."""
        if server := self._servers.pop(address, None):
            self._loop.call_soon_threadsafe(server.close)

    def stop(self) -> None:
        """End all listeners, connections and the thread."""

        async def cancel() -> None:
            for task in list(self._busy):
                task.cancel()
            await asyncio.gather(*self._busy, return_exceptions=True)

        for address in list(self._servers):
            self.close(address)
        self._wait(cancel())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _wait(self, coroutine: Coroutine[object, object, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()


def _answering(status: str, body: str) -> Serve:
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"{head}{body}".encode())
        await writer.drain()

    return serve


async def _silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    while await reader.read(1024):
        pass
