"""Times as options take them."""

from __future__ import annotations

import click
import pytest

from terminator_cli.moments import ago, from_now
from tests.cli.recordings import at


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("90s", -1.5),
        ("30m", -30),
        ("2h", -120),
        ("1h30m", -90),
        ("1w", -10080),
        ("1d", -1440),
        ("2026-11-18T12:05", 5),
        ("2026-11-18T13:05+01:00", 5),
        ("2026-11-18T12:05:00Z", 5),
        ("2026-11-18", -720),
    ],
)
def test_a_time_is_so_long_ago_or_a_date(text: str, minutes: float) -> None:
    assert ago(text, at(0)) == at(minutes)


@pytest.mark.parametrize(
    "text", ["", "2", "h", "-2h", "2 h", "30m1h", "tomorrow", "99999999h", "٣h"]
)
def test_what_is_no_time_is_refused_with_what_is(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is not a time ago such as 90s"):
        ago(text, at(0))
    with pytest.raises(click.BadParameter, match="is not a time such as 2026-11-30T06:00:00Z"):
        from_now(text, at(0))


@pytest.mark.parametrize(
    ("text", "minutes"), [("1h30m", 90), ("1d", 1440), ("2026-11-18T12:05:00Z", 5)]
)
def test_of_what_is_yet_to_come_a_span_is_one_from_now(text: str, minutes: float) -> None:
    assert from_now(text, at(0)) == at(minutes)
