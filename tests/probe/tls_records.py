"""A server on loopback that decides what goes into each TLS record, and sends all at once."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from tests.fakes.hostile import PATIENCE

Records = Callable[[str], Sequence[bytes]]


@dataclass
class _Connection:
    """TLS over a socket, with the records in memory until they are sent."""

    socket: socket.socket
    tls: ssl.SSLContext

    def __post_init__(self) -> None:
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._object = self.tls.wrap_bio(self._in, self._out, server_side=True)

    def answer(self, records: Records, *, notify: bool) -> None:
        """Read a request, answer its path and close, with or without TLS's own farewell."""
        self._until(self._object.do_handshake)
        _, path, _ = self._until(lambda: self._object.read(65_536)).decode().split(" ", 2)
        for record in records(path):
            self._object.write(record)
        if notify:
            with suppress(ssl.SSLError):
                self._object.unwrap()
        self.socket.sendall(self._out.read())
        self.socket.shutdown(socket.SHUT_WR)
        while self.socket.recv(65_536):  # closed with bytes unread, it would be a reset
            pass

    def _until(self, step: Callable[[], Any]) -> Any:
        """Take a step that may need to hear from the other side first."""
        while True:
            try:
                done = step()
            except ssl.SSLWantReadError:
                self.socket.sendall(self._out.read())
                self._in.write(self.socket.recv(65_536))
            else:
                self.socket.sendall(self._out.read())
                return done


@contextmanager
def sealing(tls: ssl.SSLContext, records: Records, *, notify: bool = True) -> Iterator[str]:
    """Serve, one connection after the other; yield where, as `https://address:port`.

    What `records` returns for the path of a request is sent in one piece, a record each.
    """
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        host, port = listener.getsockname()

        def serve() -> None:
            with suppress(OSError):
                while True:
                    accepted, _ = listener.accept()
                    accepted.settimeout(PATIENCE)
                    with accepted, suppress(OSError):
                        _Connection(accepted, tls).answer(records, notify=notify)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"https://{host}:{port}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
