"""Reading the version out of a response.

Whoever is asked may be somebody else than was thought: a page of an admin, a service with tokens.
So of an answer that is no version a refusal quotes no more than what could be one, and says of the
rest what it is and how long.
"""

from __future__ import annotations

import codecs
import json
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import httpx

from terminator.text import count, quoted
from terminator.version import NotAVersionError, Order, Version, is_opaque, read

MAX_BODY_BYTES: Final = 64 * 1024

_GZIP_OR_ZLIB: Final = zlib.MAX_WBITS | 32
_JSON_STARTS: Final = ("{", '"')
_JSON_NAMES: Final = {
    bool: "a boolean",
    list: "an array",
    dict: "an object",
    type(None): "null",
}
_UTF_16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
# https://datatracker.ietf.org/doc/html/draft-inadarei-api-health-check
_HEALTH: Final = "application/health+json"
_RELEASE_ID: Final = "releaseId"
# What is named like a version, and what looks like one in a text.
_NAMED: Final = re.compile(
    r"(?i:version|release|revision|commit)|(?<![A-Za-z])(?i:tag|sha)(?![a-z])|(?:Tag|Sha)(?![a-z])"
)
# So many digits and no more: a search takes no longer than the text is long.
_LOOKS: Final = re.compile(r"(?<![0-9])v?[0-9]{1,20}(?:\.[0-9]{1,20})+")
# What is quoted of a text that is no version: all of it where it is short, such as `latest`; a
# hash as far as git shows it; and of what begins like a version that, and what comes behind it.
_HASH: Final = re.compile(r"[0-9A-Fa-f]{7,64}")
_BEGINS: Final = re.compile(r"v?[0-9]+(?:[._-][0-9]+)+[0-9A-Za-z._+~-]*|v?[0-9]+(?![0-9A-Za-z])")
_QUOTED_WHOLE: Final = 12
_QUOTED_OF_HASH: Final = 7
_MOST_QUOTED: Final = 24
_MOST_SHOWN: Final = 3
_MOST_LOOKED_AT: Final = 2000
# No tag holds a longer one.
_LONGEST_PATH: Final = 255
_SHORT: Final = 40


class NoVersionError(ValueError):
    """The response names no version; the message is the reason, escaped and capped."""


@dataclass(frozen=True)
class Place:
    """Where in a response the version is.

    `field` is the dotted path to it in a JSON object, or several of them with `+` between;
    `header` names a header to read in place of the body; `prefix` and `suffix` stand around it.
    """

    field: str = "version"
    header: str | None = None
    prefix: str = ""
    suffix: str = ""
    order: Order = "version"


async def read_version(response: httpx.Response, place: Place) -> Version:
    """Read the version out of a response whose body is still unread.

    The body may have at most MAX_BODY_BYTES, compressed and decompressed. Raise NoVersionError
    where there is no version; the message names the setting that would mend it.
    """
    if response.status_code != httpx.codes.OK:
        raise NoVersionError(f"status {response.status_code}")
    if place.header is not None:
        return _from_headers(response.headers, place.header, place)
    raw = b""
    # httpx would decompress without a limit, so the body is taken as it comes.
    async for piece in response.aiter_raw():
        raw += piece
        if len(raw) > MAX_BODY_BYTES:
            raise NoVersionError(f"body over {MAX_BODY_BYTES} bytes; set path to a smaller one")
    body = _decoded(raw, response.headers.get("Content-Encoding", ""))
    is_health = response.headers.get("Content-Type", "").lower().startswith(_HEALTH)
    if is_health and place.field == "version":
        raise NoVersionError(
            f'in {_HEALTH} "version" is the API\'s; set version-field to {_RELEASE_ID}'
        )
    return parse_body(body, place.field, place.prefix, place.suffix, place.order)


def _decoded(raw: bytes, encoding: str) -> bytes:
    """Decompress a body, as far as the limit, that came compressed although asked not to."""
    match encoding.strip().lower():
        case "identity" | "":
            return raw
        case "gzip" | "deflate":
            decoder = zlib.decompressobj(_GZIP_OR_ZLIB)
        case _:
            raise NoVersionError(f"content encoding {quoted(encoding, _MOST_QUOTED)}")
    try:
        body = decoder.decompress(raw, MAX_BODY_BYTES + 1)
    except zlib.error:
        raise NoVersionError("body is not what its content encoding says") from None
    if len(body) > MAX_BODY_BYTES:
        raise NoVersionError(f"body over {MAX_BODY_BYTES} bytes; set path to a smaller one")
    if not decoder.eof:
        raise NoVersionError("body is cut short")
    if decoder.unused_data:
        # More members may follow, so what is decoded may be half of a version.
        raise NoVersionError("body goes on after its compressed end")
    return body


def parse_body(
    body: bytes,
    field: str = "version",
    prefix: str = "",
    suffix: str = "",
    order: Order = "version",
) -> Version:
    """Read the version out of a body: bare, a JSON string, or a JSON object.

    The arguments are those of a Place. Surrounding white space and a byte-order mark are
    ignored; UTF-16 needs its mark. A whole JSON number is a version, a fraction is none: to JSON
    1.10 is 1.1. Raise NoVersionError otherwise.
    """
    if body.startswith(_UTF_16):
        text = body.decode("utf-16", errors="backslashreplace").strip()
    else:
        text = body.decode(errors="backslashreplace").strip().removeprefix("\ufeff").strip()
    if text.startswith(_JSON_STARTS):
        text = _from_json(text, field)
    return _read(text, prefix, suffix, order)


def _read(text: str, prefix: str, suffix: str, order: Order) -> Version:
    """Read a version between what stands around it."""
    if not text.startswith(prefix):
        raise NoVersionError(f"{_shown(text)} does not begin with version-prefix {quoted(prefix)}")
    bare = text.removeprefix(prefix)
    if not bare.endswith(suffix):
        raise NoVersionError(f"{_shown(text)} does not end with version-suffix {quoted(suffix)}")
    bare = bare.removesuffix(suffix).strip()
    try:
        return read(bare, order)
    except NotAVersionError as error:
        raise NoVersionError(f"not a version: {_shown(bare)}{error.mend}{_mend(bare)}") from None


def _shown(text: str) -> str:
    """Return what is said of a text that is no version: what could be one, else what it is."""
    if len(text) <= _QUOTED_WHOLE:
        return quoted(text)
    if _HASH.fullmatch(text):
        return quoted(text, _QUOTED_OF_HASH)
    if begins := _BEGINS.match(text):
        return quoted(text, min(begins.end() + 1, _MOST_QUOTED))
    kinds = {"<": "markup", "{": "JSON", "[": "JSON", '"': "JSON"}
    return f"{kinds.get(text[0], 'text')} of {count(len(text), 'character')}"


def _mend(text: str) -> str:
    """Return which setting would let a version be read from a text that is none."""
    looks = _LOOKS.search(text)
    if is_opaque(text):
        return ""  # the order is the matter, and the refusal says so
    if looks is None:
        return "; set path to where the version is"
    around = "version-prefix and version-suffix"
    return f"; set {around} to what stands around {quoted(looks[0], _MOST_QUOTED)}"


def _from_headers(headers: Mapping[str, str], name: str, place: Place) -> Version:
    if name in headers:
        return _read(headers[name].strip(), place.prefix, place.suffix, place.order)
    found = ((each, value) for each, value in headers.items() if _NAMED.search(each))
    raise NoVersionError(f"no header {quoted(name)}{_candidates('version-header', found)}")


def _from_json(text: str, field: str) -> str:
    try:
        document: object = json.loads(text)
    except (ValueError, RecursionError):
        raise NoVersionError(
            f"not a version: {_shown(text)}; set path to where the version is"
        ) from None
    if not isinstance(document, dict):
        return str(document).strip()  # a string, since it starts with a quotation mark
    if field == "version" and isinstance(document.get(_RELEASE_ID), str):
        raise NoVersionError(
            f'"version" beside "{_RELEASE_ID}" is the API\'s, as in {_HEALTH}; set version-field '
            f"to {_RELEASE_ID} ({_shown(document[_RELEASE_ID])})"
        )
    first, *others = field.split("+")
    texts = [_text(document, first)]
    if not others:
        _refuse_half(document, first, texts[0])
    # What a later one has to add may be empty.
    texts += [_text(document, each) for each in others if _at(document, each) not in {None, ""}]
    return "-".join(texts)


def _at(value: object, path: str) -> object:
    """Return what a dotted path leads to, None where it leads nowhere.

    A key that has dots in it goes first; in an array a name is an index.
    """
    names = path.split(".")
    for length in range(len(names), 0, -1):
        name, rest = ".".join(names[:length]), ".".join(names[length:])
        if isinstance(value, dict) and name in value:
            inner = value[name]
        elif isinstance(value, list) and name.isdecimal() and int(name) < len(value):
            inner = value[int(name)]
        else:
            continue
        found = _at(inner, rest) if rest else inner
        if found is not None or not rest:
            return found
    return None


def _text(document: Mapping[str, object], path: str) -> str:
    """Return the text or whole number that a path leads to; else raise NoVersionError."""
    value = _at(document, path)
    match value:
        case str():
            return value.strip()
        case bool() | None | dict() | list():
            lacks = value is None and not _leads_to_null(document, path)
            what = _JSON_NAMES[type(value)]
        case int():
            return str(value)
        case _:
            raise NoVersionError(
                f"field {quoted(path)} is a fraction (to JSON 1.10 is 1.1); set version-field to a "
                "string"
            )
    told = f"no field {quoted(path)} in the JSON body"
    told = told if lacks else f"field {quoted(path)} is {what}, not a string"
    raise NoVersionError(f"{told}{_candidates('version-field', _fields(document))}")


def _refuse_half(document: Mapping[str, object], path: str, text: str) -> None:
    """Raise NoVersionError where the pre-release stands in a field of its own beside the rest."""
    before, _, name = path.rpartition(".")
    holder = _at(document, before) if before else document
    for key, value in holder.items() if isinstance(holder, dict) else ():
        is_other = key.lower().replace("_", "").replace("-", "").endswith("prerelease")
        if key != name and is_other and isinstance(value, str) and value and value not in text:
            other = f"{before}.{key}" if before else key
            raise NoVersionError(
                f"beside {quoted(path, _SHORT)} ({_shown(text)}) stands "
                f"{quoted(key, _SHORT)} ({_shown(value)}); set version-field to "
                f"{quoted(f'{path}+{other}', 2 * _SHORT)}"
            )


def _leads_to_null(document: Mapping[str, object], path: str) -> bool:
    """Say whether a path leads to null, not nowhere."""
    before, _, name = path.rpartition(".")
    holder = _at(document, before) if before else document
    return isinstance(holder, dict) and name in holder


def _fields(document: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Yield the dotted paths to what could be a version, the shallow ones first, and its text."""
    level: list[tuple[str, object]] = [(key, value) for key, value in document.items()]
    looked_at = 0
    while level and looked_at < _MOST_LOOKED_AT:
        deeper: list[tuple[str, object]] = []
        for path, value in level:
            looked_at += 1
            if isinstance(value, dict):
                inside = ((f"{path}.{key}", inner) for key, inner in value.items())
                deeper += [each for each in inside if len(each[0]) <= _LONGEST_PATH]
            elif isinstance(value, str) and (_LOOKS.match(value) or _NAMED.search(path)):
                yield path, value
        level = deeper


def _candidates(setting: str, found: Iterable[tuple[str, str]]) -> str:
    """Return what a refusal adds: the setting, and what it could be set to.

    What looks like a version comes before what is only named like one, and is quoted.
    """
    # What has a colon in it is a time.
    fit = [(name, value) for name, value in found if is_opaque(value) and ":" not in value]
    fit.sort(key=lambda each: (_LOOKS.match(each[1]) is None, len(each[0])))
    shown = [f"{quoted(name, _SHORT)}{_beside(value)}" for name, value in fit[:_MOST_SHOWN]]
    return f"; set {setting}, to {' or '.join(shown)}" if shown else f"; set {setting}"


def _beside(value: str) -> str:
    """Return in brackets what could be a version; nothing of what is only named like one."""
    return f" ({_shown(value)})" if _LOOKS.match(value) or _HASH.fullmatch(value) else ""
