"""The bucket's history against a replay of it: random histories, each moment from scratch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from hypothesis import example, given
from hypothesis import strategies as st

from terminator.model import NoRelease, Release
from terminator.observe.history import Reach, dated
from terminator.observe.releases import chosen, list_releases, named, rank
from terminator.version import NotAVersionError, Version
from tests.observe.bucket import NAME, TEMPLATE, Made, at

VERSIONS = ("1.0", "1.0.0", "2.0", "2.0+a", "2.0+b", "3.0")
TEXTS = (*VERSIONS, "2", "9.9", "nothing", "3.0 ")


@dataclass(frozen=True)
class Event:
    """Something that happened to the bucket, so many minutes after the start.

    An upload in parts took some minutes until then, at the rate that its doubt assumes.
    """

    minute: int
    key: str
    data: str | None
    took: int = 0


def key_of(version: str) -> str:
    return f"web/{version}.zip"


uploads = st.builds(
    Event,
    st.integers(0, 60),
    st.sampled_from(VERSIONS).map(key_of),
    st.sampled_from(["a", "b", None]),
)
pointings = st.builds(
    Event, st.integers(0, 60), st.just("web/current"), st.none() | st.sampled_from(TEXTS)
)
# Of a version and a delete marker of one key and second a listing does not say which came first.
histories = st.lists(
    uploads | pointings, min_size=1, max_size=12, unique_by=lambda each: (each.minute, each.key)
).map(lambda events: sorted(events, key=lambda event: event.minute))


def made(events: list[Event], days: int | None = None) -> Made:
    bucket = Made(days=days)
    for event in events:
        if event.data is None:
            bucket.delete(event.key, event.minute)
        elif event.took:
            etag, size = f"{event.data}-{event.took}", event.took * 60 * 2**20
            bucket.put(event.key, event.minute - event.took, event.data, etag=etag, size=size)
        else:
            bucket.put(event.key, event.minute, event.data)
    return bucket


@dataclass(frozen=True)
class Truth:
    """The history as it was, replayed from the beginning for every question."""

    events: list[Event]

    def objects(self, when: datetime) -> dict[str, Event]:
        there: dict[str, Event] = {}
        for event in self.events:
            if at(event.minute) <= when:
                there.pop(event.key, None)
                if event.data is not None:
                    there[event.key] = event
        return there

    def target(self, when: datetime) -> tuple[str, tuple[str | None, int]] | None:
        """Return the key and the content of the target."""
        there = self.objects(when)
        pointer = there.pop("web/current", None)
        releases = [
            Release(key, Version.parse(key[4:-4]), at(event.minute - event.took))
            for key, event in there.items()
        ]
        found = max(releases, key=rank, default=None)
        if pointer is not None:
            try:
                found = named(releases, Version.parse((pointer.data or "").strip()))
            except NotAVersionError:
                found = None
        return (found.key, (there[found.key].data, there[found.key].took)) if found else None

    def since(self, now: datetime) -> datetime:
        """Return when the target became what it is, with its content."""
        since, wanted = now, self.target(now)
        for when in sorted({at(event.minute) for event in self.events}, reverse=True):
            if self.target(when) != wanted:
                break
            since = when
        return since

    def is_another(self, when: datetime, now: datetime) -> bool:
        """Say whether another release was the target at a moment."""
        wanted, then = self.target(now), self.target(when)
        return wanted is not None and then is not None and then[0] != wanted[0]


NOW = at(61)


@given(histories)
@example([Event(0, key_of("1.0"), "a"), Event(1, "web/current", "1"), Event(2, key_of("1.0"), "a")])
def test_history_says_what_a_replay_of_it_says(events: list[Event]) -> None:
    bucket, truth = made(events), Truth(events)
    listing = list_releases(bucket.client, NAME, TEMPLATE, "web")
    found = chosen(bucket.client, NAME, "web", listing)
    target = truth.target(NOW)
    if isinstance(found, NoRelease) or target is None:
        assert isinstance(found, NoRelease)
        assert target is None
        return
    assert found.release.key == target[0]
    said = dated(bucket.client, NAME, listing, found, Reach())
    assert said.since == truth.since(NOW)
    first = next(event for event in events if event.key == target[0])
    start = min(at(event.minute) for event in events)
    for half in range(-4, 2 * 62):
        created = at(half / 2)
        last = created + said.doubt
        is_before = first.data is not None and last < at(first.minute)
        is_known = created - said.doubt >= start
        expected = is_before or (is_known and truth.is_another(last, NOW))
        assert said.was_another(created) == expected, created


in_parts = st.builds(replace, uploads, took=st.integers(1, 20)).filter(lambda each: each.data)


@given(
    st.lists(uploads | pointings | in_parts, min_size=1, max_size=12).map(
        lambda events: sorted(events, key=lambda event: event.minute)
    )
)
def test_an_upload_in_parts_that_is_dated_too_early_accuses_nobody(events: list[Event]) -> None:
    bucket, truth = made(events), Truth(events)
    listing = list_releases(bucket.client, NAME, TEMPLATE, "web")
    found = chosen(bucket.client, NAME, "web", listing)
    if isinstance(found, NoRelease):
        return
    said = dated(bucket.client, NAME, listing, found, Reach())
    assert said.since is not None
    if len({event.key for event in events}) == len(events):
        assert truth.since(NOW) <= said.since + said.doubt
    first = next(event for event in events if event.key == found.release.key)
    for half in range(-60, 2 * 62):
        created = at(half / 2)
        if said.was_another(created):
            last = created + said.doubt
            assert last < at(first.minute) or truth.is_another(last, NOW), created


@given(histories, st.integers(0, 60))
def test_what_is_older_than_asked_for_changes_no_answer_about_the_rest(
    events: list[Event], back_to: int
) -> None:
    bucket = made(events)
    listing = list_releases(bucket.client, NAME, TEMPLATE, "web")
    found = chosen(bucket.client, NAME, "web", listing)
    if isinstance(found, NoRelease):
        return
    whole = dated(bucket.client, NAME, listing, found, Reach())
    part = dated(bucket.client, NAME, listing, found, Reach(back_to=at(back_to)))
    assert part.since == whole.since
    for half in range(2 * back_to + 2, 2 * 62):
        assert part.was_another(at(half / 2)) == whole.was_another(at(half / 2))


def days(events: list[Event]) -> list[Event]:
    """Return the events, with their minutes as days."""
    return [Event(event.minute * 24 * 60, event.key, event.data) for event in events]


@given(histories, st.integers(1, 20))
def test_what_expired_accuses_nobody(events: list[Event], kept: int) -> None:
    """Where old versions expire it is at least as mild, and says nothing but the truth."""
    events = days(events)
    truth, now = Truth(events), at(61 * 24 * 60)
    bucket = made(events, days=kept)
    bucket.expire(now)
    listing = list_releases(bucket.client, NAME, TEMPLATE, "web")
    found = chosen(bucket.client, NAME, "web", listing)
    if isinstance(found, NoRelease):
        return
    kept_since = now - timedelta(days=kept)
    said = dated(bucket.client, NAME, listing, found, Reach(kept_since=kept_since))
    since = truth.since(now)
    if since > kept_since:
        assert said.since == since
    assert said.since is not None
    first = next(event for event in events if event.key == found.release.key)
    start = max(kept_since, at(events[0].minute))
    for half in range(-2, 2 * 61):
        created = at(half * 12 * 60)
        last = created + said.doubt
        is_before, is_another = last < at(first.minute), truth.is_another(last, now)
        if said.was_another(created):
            assert is_before or is_another, created
        elif created - said.doubt >= start:
            assert not is_another, created
