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
    (b'{"version": 2}', "2"),
    ("1.0".encode("utf-16"), "1.0"),
    (b"\xfe\xff" + "1.0.274\r\n".encode("utf-16-be"), "1.0.274"),
    (b'{"version": 20240115}', "20240115"),
]
AROUND = '; set version-prefix and version-suffix to what stands around "1.0"'
PATH = "; set path to where the version is"
ORDER = "; it may be a commit hash, which has no order: set releases.order to uploaded"
OPAQUE = "; no order is known of such texts: releases.order uploaded takes them"
REFUSED = [
    (b"", 'not a version: ""' + PATH),
    (b" \r\n", 'not a version: ""' + PATH),
    (b"{}", 'no field "version" in the JSON body; set version-field'),
    (
        b'{"Version": "1.0"}',
        'no field "version" in the JSON body; set version-field, to "Version" ("1.0")',
    ),
    (
        b'{"version": 1.10}',
        'field "version" is a fraction (to JSON 1.10 is 1.1); set version-field to a string',
    ),
    (
        b'{"version": NaN}',
        'field "version" is a fraction (to JSON 1.10 is 1.1); set version-field to a string',
    ),
    (b'{"version": null}', 'field "version" is null, not a string; set version-field'),
    (b'{"version": true}', 'field "version" is a boolean, not a string; set version-field'),
    (b'{"version": ["1.0"]}', 'field "version" is an array, not a string; set version-field'),
    (
        b'{"version": {"text": "1.0"}}',
        'field "version" is an object, not a string; set version-field, to "version.text" ("1.0")',
    ),
    (b'{"version": ""}', 'not a version: ""' + PATH),
    (b'{"version": "latest"}', 'not a version: "latest"' + PATH),
    (
        b'{"version": "1.0"',
        "not a version: JSON of 17 characters" + PATH,
    ),
    (
        b'{"version": "1.0"} {}',
        "not a version: JSON of 21 characters" + PATH,
    ),
    (
        b'["1.0"]',
        r'not a version: "[\"1.0\"]"' + AROUND,
    ),
    (b"null", 'not a version: "null"' + PATH),
    (
        b"1.0 1.1",
        'not a version: "1.0 1.1"' + AROUND,
    ),
    (
        b"1.0\n1.1",
        r'not a version: "1.0\n1.1"' + AROUND,
    ),
    (
        b"1.0\x00",
        r'not a version: "1.0\u0000"' + AROUND,
    ),
    (b"\x00", r'not a version: "\u0000"' + PATH),
    (
        b"\x1b[2J1.0",
        r'not a version: "\u001b[2J1.0"' + AROUND,
    ),
    (b'"\\u001b[2J"', r'not a version: "\u001b[2J"' + PATH),
    (b'"\\ud800"', r'not a version: "\ud800"' + PATH),
    (
        b"\xff1.0",
        r'not a version: "\\xff1.0"' + AROUND,
    ),
    (
        b"1.0\xc3",
        r'not a version: "1.0\\xc3"' + AROUND,
    ),
    ("\uff11.\uff10".encode(), r'not a version: "\uff11.\uff10"' + PATH),
    (
        b"<!doctype html>\n<h1>",
        "not a version: markup of 20 characters" + PATH,
    ),
    (b"x" * 4096, "not a version: text of 4096 characters" + PATH),
    (b"1" * 129, f'not a version: "{"1" * 24}…"' + PATH),
    (b"1.0.274\nsecret=hunter2", r'not a version: "1.0.274\n…"' + AROUND.replace("1.0", "1.0.274")),
    (
        b"Apache Tomcat/9.0.54",
        "not a version: text of 20 characters" + AROUND.replace("1.0", "9.0.54"),
    ),
    (
        b"9f8e7d6c5b4a39281706f5e4d3c2b1a098765432",
        'not a version: "9f8e7d6…"' + ORDER,
    ),
    (
        b"Finchley-SR2-2018",
        "not a version: text of 17 characters" + OPAQUE,
    ),
]
DEEP = [
    b"[" * 65536,
    b'"' * 65536,
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
        (b'{"build.version": "1.0", "build": {"version": "2.0"}}', "build.version", "1.0"),
        (b'{"app": {"build.version": "1.0"}}', "app.build.version", "1.0"),
        (b'{"app.build": {"version": "1.0"}}', "app.build.version", "1.0"),
        (b'{"a": {}, "a.b": {"c": "1.0"}}', "a.b.c", "1.0"),
        (b'{"parts": [{}, {"version": "1.0"}]}', "parts.1.version", "1.0"),
        (b'{"@version": "1.0"}', "@version", "1.0"),
        (b'{"Version": "1.8.0", "Prerelease": "dev"}', "Version+Prerelease", "1.8.0-dev"),
        (b'{"Version": "1.8.0", "Prerelease": ""}', "Version+Prerelease", "1.8.0"),
        (b'{"Version": "1.8.0", "Prerelease": null}', "Version+Prerelease", "1.8.0"),
        (b'{"Version": "1.8.0"}', "Version+Prerelease", "1.8.0"),
        (b'{"Version": "1.8.0", "Prerelease": ""}', "Version", "1.8.0"),
        (b'{"Version": "1.8.0-dev", "Prerelease": "dev"}', "Version", "1.8.0-dev"),
        (b'{"a": {"n": 4}, "b": 7}', "a.n+b", "4-7"),
        (b'{"version": "1", "releaseId": "1.2.2"}', "releaseId", "1.2.2"),
    ],
)
def test_a_dotted_field_is_the_path_to_the_version(body: bytes, field: str, version: str) -> None:
    assert str(parse_body(body, field)) == version


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"version": "1.0"}', '; set version-field, to "version" ("1.0")'),
        (b'{"build": {}}', "; set version-field"),
        (b'{"build": "1.0"}', '; set version-field, to "build" ("1.0")'),
        (b'{"build": "version"}', "; set version-field"),
        (b'{"build": ["version"]}', "; set version-field"),
        (b'{"build": 1}', "; set version-field"),
        (b'{"build": [{"version": "1.0"}]}', "; set version-field"),
        (
            b'{"b": {"c": {"version": "3.0"}}, "tag": "x1", "a": {"version": "2.0", "at": "1:00"}}',
            '; set version-field, to "a.version" ("2.0") or "b.c.version" ("3.0") or "tag"',
        ),
    ],
)
def test_a_field_that_leads_nowhere_is_named_with_those_that_look_like_versions(
    body: bytes, reason: str
) -> None:
    with pytest.raises(NoVersionError) as refusal:
        parse_body(body, "build.version")
    assert str(refusal.value) == f'no field "build.version" in the JSON body{reason}'


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (
            b'{"status": "pass", "version": "1", "releaseId": "1.2.2"}',
            r"is the API's.*set version-field to releaseId \(\"1\.2\.2\"\)",
        ),
        (
            b'{"version": "1.8.0", "Pre_Release": "dev"}',
            r'stands "Pre_Release" \("dev"\); set version-field to "version\+Pre_Release"',
        ),
        (b'{"version": 1.5}', "is a fraction.*set version-field"),
        (b"9f8e7d6", "commit hash.*set releases.order to uploaded"),
        (b"1.0.post1", "releases.order uploaded takes them"),
        (b"Apache Tomcat/9.0.54", 'version-prefix and version-suffix .* "9.0.54"'),
        (b"<html>", "set path to where the version is"),
    ],
)
def test_a_refusal_names_the_setting_that_would_mend_it(body: bytes, reason: str) -> None:
    with pytest.raises(NoVersionError, match=reason):
        parse_body(body)


@pytest.mark.parametrize(
    ("body", "prefix", "suffix", "outcome"),
    [
        (b"web-1.0", "web-", "", "1.0"),
        (b"1.0 (stable)", "", " (stable)", "1.0"),
        (b'{"version": "Apache Tomcat/9.0.54"}', "Apache Tomcat/", "", "9.0.54"),
        (b"1.0", "web-", "", '"1.0" does not begin with version-prefix "web-"'),
        (b"web-1.0", "web-", "x", '"web-1.0" does not end with version-suffix "x"'),
        (b"ab", "ab", "b", '"ab" does not end with version-suffix "b"'),
    ],
)
def test_literal_text_around_a_version_is_taken_off(
    body: bytes, prefix: str, suffix: str, outcome: str
) -> None:
    try:
        read = str(parse_body(body, "version", prefix, suffix))
    except NoVersionError as refusal:
        read = str(refusal)
    assert read == outcome


def test_the_order_uploaded_reads_any_text_that_can_be_a_version() -> None:
    assert str(parse_body(b'{"version": "9f8e7d6"}', order="uploaded")) == "9f8e7d6"
    with pytest.raises(NoVersionError):
        parse_body(b"OK", order="uploaded")


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
        # The probe cuts them; each character quoted takes at most the 12 of a surrogate pair.
        assert len(reason) <= 300 + (60 + 6 * 40) * 12
    else:
        assert read.encode() in body
        assert len(read) <= 128
