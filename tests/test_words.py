"""Words for people: untrusted text, counts, waits, ages and short lists."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terminator import text as words

MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("web", "web"),
        ('a "b"', 'a "b"'),
        ("a\\b", "a\\\\b"),
        ("a\nb\x1b[2J\u202e", "a\\nb\\u001b[2J\\u202e"),
        ("x" * 300, "x" * 300),
        ("x" * 301, "x" * 300 + "…"),
    ],
)
def test_untrusted_text_is_capped_and_escaped_but_for_its_quotes(text: str, said: str) -> None:
    assert words.plain(text) == said


@pytest.mark.parametrize(
    ("number", "said"), [(0, "0 instances"), (1, "1 instance"), (2, "2 instances")]
)
def test_one_is_singular_and_any_other_number_plural(number: int, said: str) -> None:
    assert words.count(number, "instance") == said


@pytest.mark.parametrize(
    ("span", "said"),
    [
        (-MINUTE, "1 minute"),
        (timedelta(0), "1 minute"),
        (SECOND, "1 minute"),
        (MINUTE, "1 minute"),
        (MINUTE + SECOND, "2 minutes"),
        (120 * MINUTE, "120 minutes"),
        (120 * MINUTE + SECOND, "2 hours 1 minute"),
        (122 * MINUTE, "2 hours 2 minutes"),
        (180 * MINUTE, "3 hours"),
        (960 * MINUTE, "16 hours"),
        (2880 * MINUTE, "2 days"),
        (2880 * MINUTE + SECOND, "2 days 1 hour"),
        (30 * timedelta(days=1), "30 days"),
    ],
)
def test_a_wait_is_rounded_up_and_told_in_hours_beyond_two(span: timedelta, said: str) -> None:
    assert words.left(span) == said


@pytest.mark.parametrize(
    ("span", "said"),
    [
        (-MINUTE, "just now"),
        (MINUTE - SECOND, "just now"),
        (MINUTE, "1 minute ago"),
        (3 * MINUTE - SECOND, "2 minutes ago"),
        (120 * MINUTE, "120 minutes ago"),
        (121 * MINUTE, "2 hours 1 minute ago"),
        (180 * MINUTE - SECOND, "2 hours 59 minutes ago"),
        (51 * 60 * MINUTE - SECOND, "2 days 2 hours ago"),
        (180 * MINUTE, "3 hours ago"),
    ],
)
def test_an_age_is_rounded_down_and_told_in_hours_beyond_two(span: timedelta, said: str) -> None:
    assert words.ago(span) == said


@pytest.mark.parametrize(
    ("span", "said", "lasting"),
    [
        (-MINUTE, "0 seconds", "0 seconds"),
        (40 * SECOND, "40 seconds", "40 seconds"),
        (61 * SECOND, "1 minute 1 second", "1 minute"),
        (90 * MINUTE, "90 minutes", "90 minutes"),
        (3 * 60 * MINUTE + 5 * SECOND, "3 hours", "3 hours"),
        (49 * 60 * MINUTE, "2 days 1 hour", "2 days 1 hour"),
    ],
)
def test_a_span_is_told_in_its_two_greatest_units(span: timedelta, said: str, lasting: str) -> None:
    assert (words.span(span), words.lasting(span)) == (said, lasting)


@given(
    st.timedeltas(timedelta(0), timedelta(days=40)), st.timedeltas(timedelta(0), timedelta(days=40))
)
def test_texts_that_differ_in_nothing_but_time_are_alike_without_it(
    one: timedelta, other: timedelta
) -> None:
    def told(span: timedelta) -> str:
        more = words.left(span).replace(" ", " more ", 1)
        return f"i-1 {words.ago(span)} (1.0.266), {words.lasting(span)}; baking for {more}"

    assert words.timeless(told(one)) == words.timeless(told(other))


@pytest.mark.parametrize("text", ["1 member in flight", "minimum 2, 3 available", "1.0 266 i-5"])
def test_numbers_that_are_no_time_stay(text: str) -> None:
    assert words.timeless(text) == text


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        ([], ""),
        (["a"], "a"),
        (["a", "b", "c"], "a, b, c"),
        (["a", "b", "c", "d"], "a, b, c and 1 more"),
        (["a", "b", "c", "d", "e"], "a, b, c and 2 more"),
    ],
)
def test_three_are_named_and_the_rest_counted(texts: list[str], said: str) -> None:
    assert words.few(texts) == said


def test_texts_with_commas_in_them_may_be_separated_otherwise() -> None:
    assert words.few(["a, b", "c"], "; ") == "a, b; c"
