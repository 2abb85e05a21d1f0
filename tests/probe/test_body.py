"""What a `/version` body may be, and what is said of one that names no version."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terminator.probe.body import NoVersionError, parse_body

BOM = b"\xef\xbb\xbf"
READ = [
    (b"1.0.274", "1.0.274"),
    (b'"1.0.274"', "1.0.274"),
    (b'{"version": "1.0.274"}', "1.0.274"),
    (b"1.0.274\r\n", "1.0.274"),
    (b"\n\t 1.0.274 ", "1.0.274"),
    (BOM + b"1.0.274", "1.0.274"),
    (BOM + b'\r\n{"version": "1.0.274"}\r\n', "1.0.274"),
    (b"\n" + BOM + b'"1.0.274"', "1.0.274"),
    (b'" 1.0.274\\r\\n"', "1.0.274"),
    (b'{"status": {"version": "9"}, "version": "v1.0-rc.1+b7"}', "v1.0-rc.1+b7"),
    (b'{"name": "caf\xc3\xa9", "version": "1.0"}', "1.0"),
    (b"1.10", "1.10"),
]
REFUSED = [
    (b"", 'not a version: ""'),
    (b" \r\n", 'not a version: ""'),
    (b"{}", 'no field "version" in the JSON body'),
    (b'{"Version": "1.0"}', 'no field "version" in the JSON body'),
    (b'{"version": 1.10}', 'field "version" is a number, not a string'),
    (b'{"version": 2}', 'field "version" is a number, not a string'),
    (b'{"version": NaN}', 'field "version" is a number, not a string'),
    (b'{"version": null}', 'field "version" is null, not a string'),
    (b'{"version": true}', 'field "version" is a boolean, not a string'),
    (b'{"version": ["1.0"]}', 'field "version" is an array, not a string'),
    (b'{"version": {"text": "1.0"}}', 'field "version" is an object, not a string'),
    (b'{"version": ""}', 'not a version: ""'),
    (b'{"version": "latest"}', 'not a version: "latest"'),
    (b'{"version": "1.0"', r'not a version: "{\"version\": \"1.0\""'),
    (b'{"version": "1.0"} {}', r'not a version: "{\"version\": \"1.0\"} {}"'),
    (b'["1.0"]', r'not a version: "[\"1.0\"]"'),
    (b"null", 'not a version: "null"'),
    (b"1.0 1.1", 'not a version: "1.0 1.1"'),
    (b"1.0\n1.1", r'not a version: "1.0\n1.1"'),
    (b"1.0\x00", r'not a version: "1.0\u0000"'),
    (b"\x00", r'not a version: "\u0000"'),
    (b"\x1b[2J1.0", r'not a version: "\u001b[2J1.0"'),
    (b'"\\u001b[2J"', r'not a version: "\u001b[2J"'),
    (b'"\\ud800"', r'not a version: "\ud800"'),
    (b"\xff1.0", r'not a version: "\\xff1.0"'),
    (b"1.0\xc3", r'not a version: "1.0\\xc3"'),
    ("1.0".encode("utf-16"), r'not a version: "\\xff\\xfe1\u0000.\u00000\u0000"'),
    ("\uff11.\uff10".encode(), r'not a version: "\uff11.\uff10"'),
    (b"<!doctype html>\n<h1>", r'not a version: "<!doctype html>\n<h1>"'),
    (b"x" * 4096, f'not a version: "{"x" * 60}…"'),
]
DEEP = [
    b"[" * 4096,
    b'"' * 4096,
    b'{"version":' + b"[" * 4085,
    b'{"version":' * 372,
    b'{"version":' + b"[" * 2000 + b"]" * 2000 + b"}",
    b'{"version": ' + b"1" * 4083 + b"}",
    b'{"version": 1e' + b"9" * 4081 + b"}",
]

versions = st.from_regex(
    r"v?[0-9]{1,3}(\.[0-9]{1,3}){0,4}(-rc\.[1-9])?(\+[a-z]{1,3})?", fullmatch=True
)
names = st.from_regex(r"[A-Za-z0-9_-]{1,8}", fullmatch=True)
around = st.sampled_from([b"", b" ", b"\r\n", b"\t"])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | versions,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["version", "build", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)
bodies = (
    st.binary(max_size=300)
    | st.text().map(str.encode)
    | values.map(lambda value: json.dumps(value).encode())
    | st.tuples(st.sampled_from([b"{", b'"', b'{"version": "', BOM]), st.binary()).map(b"".join)
)


@pytest.mark.parametrize(("body", "version"), READ)
def test_a_body_that_names_a_version_is_read(body: bytes, version: str) -> None:
    assert str(parse_body(body)) == version


@pytest.mark.parametrize(("body", "reason"), REFUSED)
def test_a_body_that_names_none_is_refused_with_a_reason(body: bytes, reason: str) -> None:
    with pytest.raises(NoVersionError) as refusal:
        parse_body(body)
    assert str(refusal.value) == reason


@pytest.mark.parametrize("body", DEEP, ids=lambda body: repr(body[:16]))
def test_a_deep_or_long_body_is_refused_like_any_other(body: bytes) -> None:
    with pytest.raises(NoVersionError):
        parse_body(body)


@pytest.mark.parametrize(
    ("body", "field", "version"),
    [
        (b'{"build": {"version": "1.0"}, "version": "2.0"}', "build.version", "1.0"),
        (b'{"a": {"b": {"c-d": "1.0"}}}', "a.b.c-d", "1.0"),
        (b'{"tag": "1.0"}', "tag", "1.0"),
        (b'"1.0"', "build.version", "1.0"),
        (b"1.0", "build.version", "1.0"),
    ],
)
def test_a_dotted_field_is_the_path_to_the_version(body: bytes, field: str, version: str) -> None:
    assert str(parse_body(body, field)) == version


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"version": "1.0"}', 'no field "build.version" in the JSON body'),
        (b'{"build": {}}', 'no field "build.version" in the JSON body'),
        (b'{"build": "1.0"}', 'no field "build.version" in the JSON body'),
        (b'{"build": "version"}', 'no field "build.version" in the JSON body'),
        (b'{"build": ["version"]}', 'no field "build.version" in the JSON body'),
        (b'{"build": 1}', 'no field "build.version" in the JSON body'),
        (b'{"build": [{"version": "1.0"}]}', 'no field "build.version" in the JSON body'),
        (b'{"build.version": "1.0"}', 'no field "build.version" in the JSON body'),
        (b'{"build": {"version": 1}}', 'field "build.version" is a number, not a string'),
    ],
)
def test_a_dotted_field_that_leads_nowhere_is_named(body: bytes, reason: str) -> None:
    with pytest.raises(NoVersionError) as refusal:
        parse_body(body, "build.version")
    assert str(refusal.value) == reason


@given(
    versions, st.lists(names, max_size=4), st.tuples(around, st.sampled_from([b"", BOM]), around)
)
def test_a_version_is_read_whatever_it_is_wrapped_in(
    version: str, path: list[str], before: tuple[bytes, ...]
) -> None:
    value: object = version
    for name in reversed(path):
        value = {"other": 1.5, name: value}
    field = ".".join(path) or "version"
    wrapped = b"".join(before) + json.dumps(value).encode() + before[0]
    assert str(parse_body(wrapped, field)) == version
    assert str(parse_body(b"".join(before) + version.encode() + before[0], field)) == version


@given(bodies, st.sampled_from(["version", "build.version"]))
def test_any_bytes_are_read_or_refused_in_a_short_printable_line(body: bytes, field: str) -> None:
    try:
        read = str(parse_body(body, field))
    except NoVersionError as refusal:
        reason = str(refusal)
        assert reason.replace("…", "").isascii()
        assert reason.isprintable()
        # 60 characters are quoted, each at most the 12 of an escaped surrogate pair.
        assert len(reason) <= len('not a version: "…"') + 60 * 12
    else:
        assert read.encode() in body
        assert len(read) <= 128
