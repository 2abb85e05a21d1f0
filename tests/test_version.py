"""Versions: what is one, how they rank, and how untrusted text is shown."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terminator.text import quoted
from terminator.version import NotAVersionError, Version, same_release

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
]
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
    "1.2.3.4.5.6",
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
    "1.0-01",
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

parts = st.sampled_from(["0", "00", "1", "01", "2", "10", "11"])
identifiers = st.sampled_from(["0", "2", "11", "alpha", "beta", "rc", "A", "-", "0a", "x-1"])
builds = st.sampled_from(["1", "01", "linux"])


@st.composite
def versions(draw: st.DrawFn) -> Version:
    text = draw(st.sampled_from(["", "v"]))
    text += ".".join(draw(st.lists(parts, min_size=1, max_size=5)))
    for mark, words in (("-", identifiers), ("+", builds)):
        drawn = draw(st.lists(words, max_size=3))
        text += mark + ".".join(drawn) if drawn else ""
    return Version.parse(text)


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
    assert str(refusal.value) == f"not a version: {quoted(text)}"


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
    spelled = Version.parse("v0" + str(one).removeprefix("v"))
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


@given(st.lists(parts, min_size=1, max_size=5), st.lists(identifiers, min_size=1, max_size=3))
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
