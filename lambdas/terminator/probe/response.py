"""An HTTP response of an instance, read by h11 as it arrives, bounded."""

from __future__ import annotations

import zlib
from typing import Final

import h11

from terminator.text import quoted

MAX_BODY_BYTES: Final = 4096

_OK: Final = 200
_MAX_HEAD_BYTES: Final = 65_536
# Informational responses before the head and what frames the chunks of a body count too.
_MAX_ANSWER_BYTES: Final = 2 * _MAX_HEAD_BYTES
_GZIP_OR_ZLIB: Final = zlib.MAX_WBITS | 32


class NoVersionError(Exception):
    """The answer holds no version; the message is the reason, escaped and capped."""


def new_connection() -> h11.Connection:
    """Return a connection for one request and its response."""
    return h11.Connection(h11.CLIENT, max_incomplete_event_size=_MAX_HEAD_BYTES)


class Reading:
    """A response that arrives in pieces, to the request that h11's connection has sent."""

    def __init__(self, connection: h11.Connection) -> None:
        """Begin with nothing read."""
        self._connection = connection
        self._encodings: list[bytes] = []
        self._raw = b""
        self._left = _MAX_ANSWER_BYTES

    def feed(self, data: bytes) -> bytes | None:
        """Take the next piece, empty at its end; return the body once all of it is there.

        The body is decoded and at most MAX_BODY_BYTES long. Raise NoVersionError where the
        response is not a readable one of status 200, h11.RemoteProtocolError where it is not
        HTTP's, zlib.error where it is not what its content encoding says.
        """
        if not data and self._connection.their_state is h11.SEND_RESPONSE:
            raise h11.RemoteProtocolError("it closed the connection before it had answered")
        self._connection.receive_data(data[: self._left])
        while (event := self._connection.next_event()) is not h11.NEED_DATA:
            if isinstance(event, h11.EndOfMessage):
                return _decoded(self._raw, b", ".join(self._encodings).decode(errors="replace"))
            self._take(event)
        self._left -= len(data)
        if self._left <= 0:
            raise NoVersionError(f"answer over {_MAX_ANSWER_BYTES} bytes")
        return None

    def _take(self, event: h11.Event | type[h11.NEED_DATA | h11.PAUSED]) -> None:
        match event:
            case h11.InformationalResponse():
                pass
            case h11.Response(status_code=status):
                if status != _OK:
                    raise NoVersionError(f"status {status}")
                self._encodings = [v for name, v in event.headers if name == b"content-encoding"]
            case h11.Data():
                self._raw += event.data
                if len(self._raw) > MAX_BODY_BYTES:
                    raise NoVersionError(f"body over {MAX_BODY_BYTES} bytes")
            case _:
                raise h11.RemoteProtocolError(f"it sent {event!r} for an answer")


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
