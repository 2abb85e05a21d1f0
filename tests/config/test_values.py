"""The readers of values: amounts, ports of hosts, and maintenance windows on wall clocks."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terminator.config import values
from terminator.config.values import Window

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONDAY = datetime(2026, 11, 16, tzinfo=UTC)
WEEK = [
    ("Mon", "Mon"),
    ("Mon-Fri", "Mon Tue Wed Thu Fri"),
    ("Sat-Mon", "Sat Sun Mon"),
    ("Sun-Sat", "Mon Tue Wed Thu Fri Sat Sun"),
    ("Tue-Tue", "Tue"),
    ("Mon,Wed,Fri", "Mon Wed Fri"),
    ("Sat-Mon,Wed", "Sat Sun Mon Wed"),
    ("Mon,Mon,Mon-Tue", "Mon Tue"),
    ("mon-FRI", "Mon Tue Wed Thu Fri"),
]
OPEN = [
    ("Mon 09:00-17:00 UTC", "Mon 09:00", True),
    ("Mon 09:00-17:00 UTC", "Mon 08:59", False),
    ("Mon 09:00-17:00 UTC", "Mon 16:59", True),
    ("Mon 09:00-17:00 UTC", "Mon 17:00", False),
    ("Mon 09:00-17:00 UTC", "Tue 09:00", False),
    ("Fri 22:00-04:00 UTC", "Fri 22:00", True),
    ("Fri 22:00-04:00 UTC", "Sat 03:59", True),
    ("Fri 22:00-04:00 UTC", "Sat 04:00", False),
    ("Fri 22:00-04:00 UTC", "Fri 03:59", False),
    ("Fri 22:00-04:00 UTC", "Sat 22:00", False),
    ("Sun 22:00-04:00 UTC", "Mon 03:00", True),
    ("Mon 00:00-24:00 UTC", "Mon 00:00", True),
    ("Mon 00:00-24:00 UTC", "Mon 23:59", True),
    ("Mon 00:00-24:00 UTC", "Tue 00:00", False),
    ("Mon 18:00-24:00 UTC", "Tue 00:00", False),
    ("Mon 18:00-00:00 UTC", "Mon 23:59", True),
    ("Mon 18:00-00:00 UTC", "Tue 00:00", False),
    ("Mon 00:00-04:00 UTC", "Tue 00:00", False),
]
# Clocks in London went forward at 01:00 UTC on 29 March 2026, and back on 25 October.
LONDON = [
    ("Mon-Fri 09:00-17:00", "2026-03-27T08:59Z", False),
    ("Mon-Fri 09:00-17:00", "2026-03-27T09:00Z", True),
    ("Mon-Fri 09:00-17:00", "2026-03-27T16:59Z", True),
    ("Mon-Fri 09:00-17:00", "2026-03-30T08:00Z", True),
    ("Mon-Fri 09:00-17:00", "2026-03-30T16:00Z", False),
    ("Mon-Fri 09:00-17:00", "2026-10-26T08:00Z", False),
    ("Mon-Fri 09:00-17:00", "2026-10-26T16:00Z", True),
    ("Sun 01:00-02:00", "2026-03-29T00:59Z", False),
    ("Sun 01:00-02:00", "2026-03-29T01:00Z", False),
    ("Sun 00:30-02:30", "2026-03-29T01:29Z", True),
    ("Sun 00:30-02:30", "2026-03-29T01:30Z", False),
    ("Sun 01:00-02:00", "2026-10-25T00:00Z", True),
    ("Sun 01:00-02:00", "2026-10-25T01:30Z", True),
    ("Sun 01:00-02:00", "2026-10-25T02:00Z", False),
    ("Sat 23:00-03:00", "2026-03-29T01:59Z", True),
    ("Sat 23:00-03:00", "2026-03-29T02:00Z", False),
    ("Mon 00:00-01:00", "2026-06-07T23:00Z", True),
    ("Mon 00:00-01:00", "2026-06-08T00:00Z", False),
]
REFUSED = [
    "",
    "always",
    "Mon-Fri 09:00-17:00",
    "09:00-17:00 UTC",
    "Mon-Fri UTC",
    "Mon-Fri 09:00-17:00 Europe/Londres",
    "Mon-Fri 09:00-17:00 Europe",
    "Mon-Fri 09:00-17:00 Europe/",
    "Mon-Fri 09:00-17:00 Europe/London/",
    "Mon-Fri 09:00-17:00 ../../etc/passwd",
    "Mon-Fri 09:00-17:00 /etc/passwd",
    "Mon-Fri 09:00-17:00 /",
    "Mon-Fri 09:00-17:00 Europe/../UTC",
    f"Mon-Fri 09:00-17:00 {'a' * 230}",
    "Mon-Fri 09:00-17:00 UTC+01:00",
    "Mon-Fri 09:00-17:00 Europe/London Paris",
    "Mon-Fri 25:00-26:00 UTC",
    "Mon-Fri 09:00-25:00 UTC",
    "Mon-Fri 24:00-09:00 UTC",
    "Mon-Fri 09:00-24:01 UTC",
    "Mon-Fri 09:60-10:00 UTC",
    "Mon-Fri 9:00-17:00 UTC",
    "Mon-Fri 9-17 UTC",
    "Mon-Fri 09:00-09:00 UTC",
    "Mon-Fri 09:00 UTC",
    "Mon-Fri 09:00-17:00UTC",
    "Monday 09:00-17:00 UTC",
    "Mo-Fr 09:00-17:00 UTC",
    "Mon- 09:00-17:00 UTC",
    "Mon-Wed-Fri 09:00-17:00 UTC",
    "Mon,,Tue 09:00-17:00 UTC",
    "Mon, Tue 09:00-17:00 UTC",
    "Mon 09:00-17:00,18:00-19:00 UTC",
    "Mon\n09:00-17:00 UTC",
    "\u017fat 09:00-17:00 UTC",
    "Mon \u0660\u0669:00-17:00 UTC",
]

clocks = st.times().map(lambda clock: clock.replace(second=0, microsecond=0))
moments = st.datetimes(datetime(2026, 1, 1), datetime(2028, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - Hypothesis takes bounds without a zone
zones = st.sampled_from(["UTC", "Europe/London", "America/New_York", "Asia/Kolkata"])


def at(text: str) -> datetime:
    """Return `Tue 09:00` in the week of MONDAY, in UTC."""
    day, clock = text.split()
    return datetime.combine(
        MONDAY.date() + timedelta(days=DAYS.index(day)), time.fromisoformat(clock), UTC
    )


@pytest.mark.parametrize(("days", "expected"), WEEK)
def test_days_are_ranges_and_lists(days: str, expected: str) -> None:
    window = Window.parse(f"{days} 09:00-17:00 UTC")
    assert [day for day in DAYS if window.is_open(at(f"{day} 12:00"))] == [
        day for day in DAYS if day in expected.split()
    ]


@pytest.mark.parametrize(("text", "now", "is_open"), OPEN)
def test_a_window_opens_at_its_start_and_is_shut_at_its_end(
    text: str, now: str, *, is_open: bool
) -> None:
    assert Window.parse(text).is_open(at(now)) is is_open


def test_the_last_microsecond_before_the_end_is_in_the_window() -> None:
    window = Window.parse("Mon 09:00-17:00 UTC")
    assert window.is_open(at("Mon 17:00") - timedelta(microseconds=1))
    assert not window.is_open(at("Mon 09:00") - timedelta(microseconds=1))


@pytest.mark.parametrize(("hours", "now", "is_open"), LONDON)
def test_hours_are_those_of_the_wall_clock_through_the_year(
    hours: str, now: str, *, is_open: bool
) -> None:
    assert Window.parse(f"{hours} Europe/London").is_open(datetime.fromisoformat(now)) is is_open


@pytest.mark.parametrize("text", REFUSED)
def test_a_text_that_is_no_window_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the reader of the tag words the refusal
        Window.parse(text)


def test_a_window_is_shown_in_single_spaces() -> None:
    assert Window.parse("  Mon-Fri  09:00-17:00   UTC ").text == "Mon-Fri 09:00-17:00 UTC"


@given(st.sets(st.integers(0, 6), min_size=1), clocks, clocks, moments)
def test_a_window_is_open_from_each_start_until_the_next_end(
    days: set[int], start: time, end: time, now: datetime
) -> None:
    if start == end:
        return
    listed = ",".join(DAYS[day] for day in days)
    window = Window.parse(f"{listed} {start:%H:%M}-{end:%H:%M} UTC")
    spans = []
    for date in (now.date(), now.date() - timedelta(days=1)):
        opens, shuts = datetime.combine(date, start, UTC), datetime.combine(date, end, UTC)
        if date.weekday() in days:
            spans.append((opens, shuts + timedelta(days=shuts < opens)))
    assert window.is_open(now) == any(opens <= now < shuts for opens, shuts in spans)


@given(zones, moments, st.integers(-12, 12))
def test_the_zone_in_which_now_is_told_does_not_matter(
    zone: str, now: datetime, offset: int
) -> None:
    window = Window.parse(f"Fri-Sun,Tue 21:30-06:15 {zone}")
    elsewhere = now.astimezone(timezone(timedelta(hours=offset)))
    assert window.is_open(now) == window.is_open(elsewhere)


@given(zones, moments)
def test_a_window_and_the_rest_of_the_week_share_no_moment(zone: str, now: datetime) -> None:
    parts = ["Mon-Sun 08:00-20:00", "Mon-Fri 20:00-08:00", "Sat-Sun 20:00-08:00"]
    assert [Window.parse(f"{part} {zone}").is_open(now) for part in parts].count(True) == 1


@given(st.text("abzEuropLndMT/_+-09", max_size=40))
def test_any_zone_is_known_or_refused(zone: str) -> None:
    text = f"Mon 09:00-17:00 {zone}"
    try:
        window = Window.parse(text)
    except ValueError:
        return
    assert window.zone.key == zone


@pytest.mark.parametrize("text", ["0", "2", "0%", "50%"])
def test_an_amount_is_written_as_it_is_read(text: str) -> None:
    assert str(values.amount(text)) == text


@pytest.mark.parametrize("text", ["www.example.com:0", "www.example.com:65536", "10.0.0.1:99999"])
def test_the_port_of_a_host_is_one_that_exists(text: str) -> None:
    with pytest.raises(ValueError, match=r"0|65536|99999"):
        values.host(text)
