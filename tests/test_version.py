"""Versions: what is one, how they rank, and how untrusted text is shown."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terminator.text import quoted
from terminator.version import NotAVersionError, Version, begins_hash, same_release

SEMVER_EXAMPLE = (
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-alpha.beta",
    "1.0.0-beta",
    "1.0.0-beta.2",
    "1.0.0-beta.11",
    "1.0.0-rc.1",
    "1.0.0",
)
EQUAL = [
    ("1.2", "1.2.0"),
    ("1", "1.0.0.0.0"),
    ("v2", "2"),
    ("v2", "2.0.0"),
    ("01.002.0003", "1.2.3"),
    ("0", "0.0.0"),
    ("1.0.0+linux", "1.0.0+windows"),
    ("1.0.0+20261121", "1.0.0"),
    ("v1-rc.1", "1.0.0-rc.1+b7"),
    ("1.0-01", "1.0-1"),
    ("1", "1.0.0.0.0.0"),
    ("20240115", "2024.01.15"),
    ("2024_01_15", "2024-1-15"),
    ("20240115-9f8e7d6", "20240115-1a2b3c4"),
    ("1.0-main-9f8e7d6", "1.0-main-1a2b3c4"),
    ("1.0-9f8e7d6", "1.0-1a2b3c4"),
    ("1.0-1-gabcdef1", "1.0-1-g1abcdef"),
    ("1.0-1-gabcdef1", "1.0-1-gabcdef1-dirty"),
]
REFUSED_FOR_ITS_ORDER = [
    "deadbee",
    "9f8e7d6",
    "9f8e7d6c5b4a39281706f5e4d3c2b1a098765432",
    "4821097",
    "v4821097",
    "20249999",
    "3700000000",
    "1.0.rc1",
    "1.0rc1",
    "1.0.post1",
    "1!1.0",
    "1.2.3-1~deb12u1",
    "r1234",
    "Hoxton.SR12",
    "1.8.0_292",
]


def read_or_none(text: str) -> Version | None:
    """Return the version that a text is, None where it is none."""
    try:
        return Version.parse(text)
    except NotAVersionError:
        return None


LOWER_AND_HIGHER = [
    ("1.9.0", "1.10.0"),
    ("1.0.0-rc.1", "1.0.0"),
    ("1.0.266.9", "1.0.266.10"),
    ("1.0.266", "1.0.266.1"),
    ("1.2.3.4.8", "1.2.3.4.9"),
    ("2026.9", "2026.11"),
    ("1.9", "v2"),
    ("1.0.0", "1.0.1-rc.1"),
    ("1.0-9", "1.0-10"),
    ("1.0-99999999999999999999", "1.0-a"),
    ("1.0-Z", "1.0-a"),
    ("1.0-rc", "1.0-rc.0"),
    ("1.0-rc9", "1.0-rc10"),
    ("1.0-alpha-7", "1.0-alpha-10"),
    ("1.0-r9", "1.0-r10"),
    ("1.2.3-0930", "1.2.3-1030"),
    ("1.2.3.4.5.8", "1.2.3.4.5.9"),
    # git describe
    ("1.0", "1.0-1-gabcdef1"),
    ("1.0-9-gabcdef1", "1.0-10-g1abcdef"),
    ("1.0-10-gabcdef1", "1.0.1"),
    ("1.0-rc1", "1.0-rc1-3-gabcdef1"),
    ("1.0-rc1-3-gabcdef1", "1.0"),
    # Dates, and what follows them.
    ("2024.01.15", "2024.01.15-1"),
    ("2024.01.15-9", "2024.01.15-10"),
    ("2024.01.15-rc1", "2024.01.15"),
    ("2024.01.15-1-rc1", "2024.01.15-1"),
    ("20240115-170512", "20240116-093002"),
    ("20240115-093002", "20240115-170512"),
    ("20240115_093002", "20240115_170512"),
    ("20240115093002", "20240115170512"),
    ("20240115T093002Z", "20240115T170512Z"),
    ("2024-01-15T09-30-02Z", "2024-01-15T17-05-12Z"),
    ("20240115-093002-9f8e7d6", "20240115-170512-1a2b3c4"),
    ("20240115.9", "20240115.10"),
    ("2024-1-9", "2024-1-10"),
    ("2024-2-1", "2024-10-1"),
    ("2024-09-30", "2024-10-01"),
    ("1700000000", "1800000000"),
    ("1700000000000", "1800000000000"),
]
REFUSED = [
    "",
    " ",
    "v",
    "V2",
    "vv2",
    "1.",
    ".1",
    "1..2",
    "1.2.3.4.5.6.7",
    "1.2. 3",
    " 1.2",
    "1.2 ",
    "1.2\t",
    "1.2\n",
    "1.2\x00",
    "-1",
    "+1",
    "1,2",
    "1.x",
    "1.0-",
    "1.0+",
    "1.0-a..b",
    "1.0-a_b",
    "1.0+a+b",
    "1.0-\u00e9",
    "latest",
    "\ufeff1.0",
    "\u0661",
    "\u0661.\u0660",
    "\uff11.\uff10",
    "1.0-\u0661",
    "1\u20240",
    "1\u3002\u0030",
    "1_0",
    "1e5",
    "0x10",
    "1.0f",
    "NaN",
    "Infinity",
    "\u00b2",
    "\u2460",
    "1.0-\u212a",
    "1.0\u0308",
    "1.0\u200b",
    "1.0\x1b[2J",
    "\u202e0.1",
]

REAL = [
    text
    for row in map(json.loads, (Path(__file__).parent / "versions/inputs.jsonl").open())
    if row["kind"] == "order"
    for text in (row["input"]["older"], row["input"]["newer"])
]
REAL_VERSIONS = [version for text in REAL if (version := read_or_none(text)) is not None]

parts = st.sampled_from(["0", "00", "1", "01", "2", "10", "11"])
identifiers = st.sampled_from(
    ["0", "02", "11", "alpha", "beta", "rc", "rc9", "rc10", "A", "-", "0a", "x-1", "a0b1c2d"]
)
builds = st.sampled_from(["1", "01", "linux"])


dates = st.sampled_from(["20240115", "2024.01.15", "2024-1-9", "2024_01_16", "202401151030"])
behind = st.sampled_from(["", "-1", "-170512", "_9", "T17-05-12Z", "-2-gabcdef1", "-3-g1abcdef"])


@st.composite
def generated(draw: st.DrawFn) -> Version:
    text = draw(st.sampled_from(["", "v"]))
    numbers = st.lists(parts, min_size=1, max_size=6).map(".".join)
    text += draw(st.one_of(numbers, st.builds(str.__add__, dates, behind)))
    for mark, words in (("-", identifiers), ("+", builds)):
        drawn = draw(st.lists(words, max_size=3))
        text += mark + ".".join(drawn) if drawn else ""
    return Version.parse(text)


def versions() -> st.SearchStrategy[Version]:
    return st.one_of(generated(), st.sampled_from(REAL_VERSIONS))


@pytest.mark.parametrize(("one", "other"), EQUAL)
def test_spelling_and_build_metadata_do_not_count(one: str, other: str) -> None:
    assert Version.parse(one) == Version.parse(other)
    assert len({Version.parse(one), Version.parse(other)}) == 1


@pytest.mark.parametrize(
    ("lower", "higher"), [*LOWER_AND_HIGHER, *itertools.combinations(SEMVER_EXAMPLE, 2)]
)
def test_one_version_ranks_above_the_other(lower: str, higher: str) -> None:
    low, high = Version.parse(lower), Version.parse(higher)
    assert low < high
    assert high > low
    assert low != high


@pytest.mark.parametrize("text", REFUSED)
def test_a_text_that_is_no_version_is_refused_and_quoted(text: str) -> None:
    with pytest.raises(NotAVersionError) as refusal:
        Version.parse(text)
    assert str(refusal.value).startswith(f"not a version: {quoted(text)}")


@pytest.mark.parametrize("text", REFUSED_FOR_ITS_ORDER)
def test_a_text_without_an_order_names_the_setting_that_takes_it(text: str) -> None:
    with pytest.raises(NotAVersionError, match=r"releases\.order"):
        Version.parse(text)
    assert str(Version.opaque(text)) == text


@pytest.mark.parametrize(
    "text", ["", "unknown", "OK", "latest", "<html>1", "1 0", "1/0", "-1", "\u0661", "1" * 129]
)
def test_what_is_no_version_in_any_order_is_refused(text: str) -> None:
    with pytest.raises(NotAVersionError):
        Version.opaque(text)


def test_the_order_uploaded_ranks_by_date_and_what_is_no_release_lowest() -> None:
    early, late = (datetime(2026, 1, day, tzinfo=UTC) for day in (1, 2))
    ranked = [
        Version.opaque("ffffff1"),
        Version.opaque("b000000", early),
        Version.opaque("a000000", late),
    ]
    assert ranked[0] < ranked[1] < ranked[2]
    assert not same_release(ranked[1], Version.opaque("c000000", early))


WHOLE = "9f8e7d6c5b4a39281706f5e4d3c2b1a098765432"


@pytest.mark.parametrize(
    ("one", "other", "begins"),
    [
        (WHOLE, "9f8e7d6", True),
        (WHOLE, "9F8E7D6", True),
        (WHOLE, "9f8e7d", False),
        (WHOLE, "9f8e7d7", False),
        (WHOLE[:39], "9f8e7d6", False),
        (WHOLE + WHOLE[:24], "9f8e7d6", True),
        (WHOLE, "main-9f8e7d6", False),
    ],
)
def test_a_short_hash_begins_a_whole_one(one: str, other: str, *, begins: bool) -> None:
    assert begins_hash(one, other) is begins_hash(other, one) is begins


@pytest.mark.parametrize("start", ["1.", "1.0-", "1.0+"])
def test_a_version_may_have_128_characters_and_no_more(start: str) -> None:
    text = start + "1" * (128 - len(start))
    assert str(Version.parse(text)) == text
    with pytest.raises(NotAVersionError):
        Version.parse(text + "1")


def test_a_version_is_shown_as_it_was_read_and_keeps_its_build_metadata() -> None:
    version = Version.parse("v01.2-rc.1+linux.7")
    assert (str(version), version.build) == ("v01.2-rc.1+linux.7", "linux.7")


def test_a_version_is_not_equal_to_its_text() -> None:
    assert Version.parse("1.0") != "1.0"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("1.0", "v1.0.0", True),
        ("1.0", "1.0+a", True),
        ("1.0+a", "1.0.0+a", True),
        ("1.0+a", "1.0+b", False),
        ("1.0+1", "1.0+01", False),
        ("1.0-rc.1", "1.0", False),
        ("1.0+a", "1.1+a", False),
        ("1.0-1-gabcdef1", "1.0-1-g1abcdef", False),
        ("1.0-1-gabcdef1", "1.0-1-gabcdef1-dirty", False),
        ("1.0-main-abcdef1", "1.0-main-1abcdef", False),
        ("1.0-main-abcdef1", "1.0-main", True),
    ],
)
def test_build_metadata_tells_releases_apart_where_both_have_it(
    one: str, other: str, *, same: bool
) -> None:
    assert same_release(Version.parse(one), Version.parse(other)) is same
    assert same_release(Version.parse(other), Version.parse(one)) is same


@given(versions(), versions())
def test_of_two_versions_exactly_one_relation_holds(one: Version, other: Version) -> None:
    assert [one < other, one == other, one > other].count(True) == 1
    assert (one <= other <= one) == (one == other)
    assert (one < other) == (other > one)


@given(st.tuples(versions(), versions(), versions()))
def test_precedence_is_transitive(three: tuple[Version, Version, Version]) -> None:
    for low, middle, high in itertools.permutations(three):
        assert low <= high or not low <= middle <= high
        assert low < high or not low < middle <= high
        assert low == high or not low == middle == high


@given(versions(), versions())
def test_equal_versions_have_equal_hashes(one: Version, other: Version) -> None:
    assert one != other or hash(one) == hash(other)


@given(st.lists(parts, min_size=1, max_size=6).map(".".join))
def test_leading_zeros_change_no_hash(text: str) -> None:
    spelled, one = Version.parse(f"v0{text}"), Version.parse(text)
    assert spelled == one
    assert hash(spelled) == hash(one)


def test_versions_that_differ_mostly_have_different_hashes() -> None:
    assert len({hash(Version.parse(text)) for text in SEMVER_EXAMPLE}) > 1


@given(
    st.lists(versions(), max_size=8).flatmap(lambda v: st.tuples(st.just(v), st.permutations(v)))
)
def test_sorting_does_not_depend_on_the_order_of_the_input(
    orders: tuple[Sequence[Version], Sequence[Version]],
) -> None:
    one, other = map(sorted, orders)
    assert one == other
    assert all(low <= high for low, high in itertools.pairwise(one))


@given(st.lists(parts, min_size=1, max_size=6), st.lists(identifiers, min_size=1, max_size=3))
def test_a_release_ranks_above_each_of_its_pre_releases(
    numbers: list[str], prerelease: list[str]
) -> None:
    core = ".".join(numbers)
    assert Version.parse(f"{core}-{'.'.join(prerelease)}") < Version.parse(core)


@given(versions(), versions())
def test_same_release_is_symmetric_and_needs_equal_precedence(one: Version, other: Version) -> None:
    assert same_release(one, one)
    assert same_release(one, other) == same_release(other, one)
    assert one == other or not same_release(one, other)


@given(st.text(st.characters(exclude_categories=())), st.integers(1, 70))
def test_quoted_text_is_printable_ascii_and_capped(text: str, limit: int) -> None:
    shown = quoted(text, limit)
    ends = '…"' if len(text) > limit else '"'
    assert shown.endswith(ends)
    inside = shown.removesuffix(ends)[1:]
    assert inside.isascii()
    assert inside.isprintable()
    assert json.loads(f'"{inside}"') == json.loads(json.dumps(text[:limit]))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("1.0", '"1.0"'),
        ("<!doctype html>\r\n", '"<!doctype html>\\r\\n"'),
        ("\x1b[31m\x07\x7f\x9b", '"\\u001b[31m\\u0007\\u007f\\u009b"'),
        ("\u202egnp", '"\\u202egnp"'),
        ('say "hi"', '"say \\"hi\\""'),
        ("x" * 60, f'"{"x" * 60}"'),
        ("x" * 61, f'"{"x" * 60}…"'),
    ],
)
def test_untrusted_text_is_shown_escaped(text: str, shown: str) -> None:
    assert quoted(text) == shown
