"""What the body of a `/version` answer says."""

from __future__ import annotations

import json
from typing import Final

from terminator.text import quoted
from terminator.version import NotAVersionError, Version

_JSON_STARTS: Final = ("{", '"')
_JSON_NAMES: Final = {
    bool: "a boolean",
    int: "a number",
    float: "a number",
    list: "an array",
    dict: "an object",
    type(None): "null",
}


class UnreadableBodyError(ValueError):
    """The body names no version; the message says why, escaped and capped."""


def read_version(body: bytes, field: str = "version") -> Version:
    """Read the version out of a body: bare, a JSON string, or a JSON object.

    In an object `field` is the dotted path to it. Surrounding white space and a byte-order
    mark are ignored. A JSON number is not a version: to JSON 1.10 is 1.1. Raise
    UnreadableBodyError otherwise.
    """
    text = body.decode(errors="backslashreplace").strip().removeprefix("\ufeff").strip()
    if text.startswith(_JSON_STARTS):
        text = _from_json(text, field)
    try:
        return Version.parse(text)
    except NotAVersionError as error:
        raise UnreadableBodyError(str(error)) from None


def _from_json(text: str, field: str) -> str:
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        raise UnreadableBodyError(f"not a version: {quoted(text)}") from None
    if isinstance(value, dict):
        value = _at(value, field)
    if not isinstance(value, str):
        kind = _JSON_NAMES[type(value)]
        raise UnreadableBodyError(f"field {quoted(field)} is {kind}, not a string")
    return value.strip()


def _at(value: object, field: str) -> object:
    for name in field.split("."):
        if not isinstance(value, dict) or name not in value:
            raise UnreadableBodyError(f"no field {quoted(field)} in the JSON body")
        value = value[name]
    return value
