"""Reading the version out of a response."""

from __future__ import annotations

import json
import zlib
from typing import Final

import httpx

from terminator.text import quoted
from terminator.version import NotAVersionError, Version

MAX_BODY_BYTES: Final = 4096

_GZIP_OR_ZLIB: Final = zlib.MAX_WBITS | 32
_JSON_STARTS: Final = ("{", '"')
_JSON_NAMES: Final = {
    bool: "a boolean",
    int: "a number",
    float: "a number",
    list: "an array",
    dict: "an object",
    type(None): "null",
}


class NoVersionError(ValueError):
    """The response names no version; the message is the reason, escaped and capped."""


async def read_version(response: httpx.Response, field: str) -> Version:
    """Read the version out of a response whose body is still unread.

    The body may have at most MAX_BODY_BYTES, compressed and decompressed. `field` is the dotted
    path to the version in a JSON object. Raise NoVersionError where there is no version.
    """
    if response.status_code != httpx.codes.OK:
        raise NoVersionError(f"status {response.status_code}")
    raw = b""
    # httpx would decompress without a limit, so the body is taken as it comes.
    async for piece in response.aiter_raw():
        raw += piece
        if len(raw) > MAX_BODY_BYTES:
            raise NoVersionError(f"body over {MAX_BODY_BYTES} bytes")
    return parse_body(_decoded(raw, response.headers.get("Content-Encoding", "")), field)


def _decoded(raw: bytes, encoding: str) -> bytes:
    """Decompress a body, as far as the limit, that came compressed although asked not to."""
    match encoding.strip().lower():
        case "identity" | "":
            return raw
        case "gzip" | "deflate":
            decoder = zlib.decompressobj(_GZIP_OR_ZLIB)
        case _:
            raise NoVersionError(f"content encoding {quoted(encoding)}")
    try:
        body = decoder.decompress(raw, MAX_BODY_BYTES + 1)
    except zlib.error:
        raise NoVersionError("body is not what its content encoding says") from None
    if len(body) > MAX_BODY_BYTES:
        raise NoVersionError(f"body over {MAX_BODY_BYTES} bytes")
    if not decoder.eof:
        raise NoVersionError("body is cut short")
    if decoder.unused_data:
        # More members may follow, so what is decoded may be half of a version.
        raise NoVersionError("body goes on after its compressed end")
    return body


def parse_body(body: bytes, field: str = "version") -> Version:
    """Read the version out of a body: bare, a JSON string, or a JSON object.

    In an object `field` is the dotted path to it. Surrounding white space and a byte-order
    mark are ignored. A JSON number is not a version: to JSON 1.10 is 1.1. Raise
    NoVersionError otherwise.
    """
    text = body.decode(errors="backslashreplace").strip().removeprefix("\ufeff").strip()
    if text.startswith(_JSON_STARTS):
        text = _from_json(text, field)
    try:
        return Version.parse(text)
    except NotAVersionError as error:
        raise NoVersionError(str(error)) from None


def _from_json(text: str, field: str) -> str:
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        raise NoVersionError(f"not a version: {quoted(text)}") from None
    if isinstance(value, dict):
        for name in field.split("."):
            if not isinstance(value, dict) or name not in value:
                raise NoVersionError(f"no field {quoted(field)} in the JSON body")
            value = value[name]
    if not isinstance(value, str):
        kind = _JSON_NAMES[type(value)]
        raise NoVersionError(f"field {quoted(field)} is {kind}, not a string")
    return value.strip()
