"""Somebody may put objects under one prefix of the bucket, and wants every rollout to stop."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest

from terminator import handlers, version
from terminator.model import Released
from terminator.observe import history, releases
from terminator.observe.releases import ListingTooLongError, chosen, list_releases
from terminator.observe.snapshot import World
from terminator.upload import EventError, Events, verdicts
from terminator.version import Version
from terminator_cli.doctor.releases import check_app, look_at_app
from tests.fakes import lambda_like
from tests.fakes.cloud import Cloud, refusal
from tests.fakes.cloud_api import BUCKET, clients, run, world

NOW = datetime(2026, 11, 18, tzinfo=UTC)


class Flooded:
    """S3 with as many pages of object versions under web/ as are asked for, a second each."""

    def __init__(self, cloud: Cloud, pages: int, key: str = "web/x{}.txt") -> None:
        self.read, self._pages, self._key = 0, pages, key
        self._own = world(cloud).aws.s3

    def __getattr__(self, name: str) -> Any:
        return getattr(self._own, name)

    def get_paginator(self, name: str) -> Any:
        assert name == "list_object_versions"
        return SimpleNamespace(paginate=self._paginate)

    def _paginate(self, **of: Any) -> Iterator[Any]:
        if of["Prefix"] == "web/":
            for page in range(self._pages):
                self.read += 1
                yield {"Versions": [self._row(page * 1000 + number) for number in range(1000)]}
        yield from self._own.get_paginator("list_object_versions").paginate(**of)

    def _row(self, number: int) -> dict[str, Any]:
        key = self._key.format(number)
        return {"Key": key, "VersionId": "v", "LastModified": NOW, "IsLatest": True, "Size": 1}


def two_apps() -> Cloud:
    """Return a fleet of two apps, each with a release to roll out."""
    cloud = Cloud()
    for app in ("web", "zoo"):
        cloud.upload(app, "1.0.266")
    cloud.wait(600)
    for app in ("web", "zoo"):
        cloud.add_group(f"live_asg_{app}", 3, tags={"terminator:app": app})
        cloud.upload(app, "1.0.274")
    cloud.wait(5)
    return cloud


def flooded(cloud: Cloud, s3: Flooded) -> World:
    """Return a world of five minutes in which each page of the flood takes a second."""
    of = world(cloud)
    return replace(of, aws=_with(of.aws, s3), remaining=lambda: 300.0 - s3.read)


def _with(aws: Any, s3: Flooded) -> Any:
    return SimpleNamespace(**{**vars(aws), "s3": s3})


def test_a_flood_under_one_prefix_costs_its_own_app_and_names_it() -> None:
    cloud = two_apps()
    s3 = Flooded(cloud, pages=1400)
    of = flooded(cloud, s3)
    records = run(cloud, aws=of.aws, remaining=of.remaining)
    assert s3.read <= 17
    assert records["live_asg_zoo"].decision == "canary"
    assert records["live_asg_zoo"].terminated
    hit = records["live_asg_web"]
    assert (hit.decision, hit.terminated) == (None, ())
    told = "could not be observed: cannot read the releases of web: there are too many object "
    assert hit.reason.startswith(
        f"{told}versions under web/ (time ran out: 16 pages of 1,000 took 15 seconds)"
    )
    assert any(told in line for line in cloud.said())


def test_many_apps_share_the_time_so_that_the_last_is_listed_too() -> None:
    cloud = Cloud()
    for number in range(100):
        cloud.upload(f"app{number:02}", "1.0.266")
    cloud.upload("web", "1.0.266")
    cloud.wait(600)
    for app in (*(f"app{number:02}" for number in range(100)), "web", "zoo"):
        cloud.add_group(f"live_asg_{app}", 1, tags={"terminator:app": app})
    of = flooded(cloud, Flooded(cloud, pages=1400))
    records = run(cloud, aws=of.aws, remaining=of.remaining)
    assert [name for name, record in records.items() if record.decision is None] == ["live_asg_web"]


def test_a_listing_ends_after_a_hundred_pages_whatever_the_time() -> None:
    s3: Any = Flooded(Cloud(), pages=1400)
    with pytest.raises(ListingTooLongError, match=r"under web/ \(over 100 pages of 1,000\)"):
        list_releases(s3, BUCKET.name, BUCKET.template, "web")
    assert s3.read == releases.MOST_PAGES + 1


def test_what_is_no_key_of_the_app_is_dropped_while_it_is_listed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept = count()
    monkeypatch.setattr(releases, "deque", lambda: next(kept) and None)
    s3: Any = Flooded(Cloud(), pages=50)
    assert list_releases(s3, BUCKET.name, BUCKET.template, "web").releases == ()
    assert next(kept) == 0


def test_doctor_names_the_app_that_is_flooded() -> None:
    s3: Any = Flooded(Cloud(), pages=1400)
    finding = check_app(look_at_app(s3, BUCKET, "web"))
    assert (finding.about, finding.level) == ("app web", "problem")
    assert finding.seen.startswith("there are too many object versions under web/ (over 100 pages")
    assert str(finding.remedy).startswith("look who may write there")


def test_a_pointer_in_a_flooded_prefix_asks_nobody() -> None:
    s3: Any = Flooded(Cloud(), pages=1400)
    detail = {"bucket": {"name": BUCKET.name}, "object": {"key": "web/current"}}
    event = {"source": "aws.s3", "detail-type": "Object Created", "detail": detail}
    [verdict] = verdicts(event, s3, BUCKET)
    assert (verdict.app, "too many object versions" in str(verdict)) == (None, True)


def stored(keys: Iterable[tuple[str, datetime]]) -> Any:
    """Return S3 with one version of an object for each of these keys, the oldest first."""
    rows = [
        {"Key": key, "VersionId": f"v{number}", "LastModified": when, "IsLatest": True}
        for number, (key, when) in enumerate(keys)
    ]
    pages = [{"Versions": rows[::-1]}]
    return SimpleNamespace(get_paginator=lambda _: SimpleNamespace(paginate=lambda **_: pages))


def history_of(s3: Any) -> Released:
    """Return the release of web with its dates."""
    listing = list_releases(s3, BUCKET.name, BUCKET.template, "web")
    target = chosen(s3, BUCKET.name, "web", listing)
    assert isinstance(target, Released)
    return history.dated(s3, BUCKET.name, listing, target, history.Reach())


def test_of_releases_that_are_equal_but_for_their_build_a_bounded_number_is_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looks = count()
    monkeypatch.setattr(history, "rank", lambda each: next(looks) * 0 or releases.rank(each))
    monkeypatch.setattr(history, "_MOST_LOOKS", 10_000)
    equal = [(f"web/1.0.274+b{n}.zip", NOW + timedelta(seconds=n)) for n in range(500)]
    target = history_of(stored(equal))
    assert str(target.release.version) == "1.0.274+b499"
    assert next(looks) <= 10_000
    # What was not looked at accuses nobody.
    assert target.known_from is not None
    assert NOW + timedelta(seconds=400) < target.known_from < NOW + timedelta(seconds=499)


def test_versions_of_one_key_are_read_a_few_times_each_however_many_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reads = count()

    class Counted(releases.Entry):
        def __getattribute__(self, name: str) -> Any:
            if name == "deleted":
                next(reads)
            return super().__getattribute__(name)

    monkeypatch.setattr(releases, "Entry", Counted)
    assert history_of(stored([("web/1.0.274.zip", NOW)] * 1000)).release.key == "web/1.0.274.zip"
    assert next(reads) < 20 * 1000


def test_each_answer_is_looked_for_once_among_all_that_was_uploaded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looks, begins = count(), version.begins_hash

    def counted(one: str, other: str) -> bool:
        next(looks)
        return begins(one, other)

    monkeypatch.setattr(releases, "begins_hash", counted)
    keys = [(f"web/{number:040x}.zip", NOW) for number in range(0xABCDEF0, 0xABCDEF0 + 300)]
    listing = list_releases(stored(keys), BUCKET.name, BUCKET.template, "web", order="uploaded")
    for _ in range(100):
        # A whole hash is given out in short by whoever is asked.
        assert str(releases.answered(listing, Version.opaque("1234567"))) == "1234567"
    assert next(looks) == 300


class Release:
    """The release function, deployed to a model of AWS: `asked` are the apps it asks runs for."""

    def __init__(self, cloud: Cloud, patch: pytest.MonkeyPatch) -> None:
        self.asked: list[str] = []
        self.log = io.StringIO()
        aws = clients(cloud)
        aws.events = SimpleNamespace(put_events=lambda **_: {"Entries": []})
        aws.functions = SimpleNamespace(invoke=self._invoke)
        settings = {"groups": {"tagged": True}, "releases": {"bucket": BUCKET.name}}
        lambda_like.deploy(patch, aws, settings, {})
        lambda_like.keep_time(patch, cloud)
        lambda_like.log_to(patch, self.log)

    def _invoke(self, *, FunctionName: str, InvocationType: str, Payload: bytes) -> None:  # noqa: N803
        assert (FunctionName, InvocationType) == ("reconcile", "Event")
        self.asked.append(json.loads(Payload)["app"])

    def tell(self, *keys: str, said: str = "ObjectCreated:Put") -> None:
        """Let S3 tell the function of these keys, in one event."""
        of = [{"bucket": {"name": BUCKET.name}, "object": {"key": key}} for key in keys]
        event = {"Records": [{"eventName": said, "s3": each} for each in of]}
        handlers.release(event, lambda_like.context())

    def said(self) -> list[str]:
        """Return what it has logged."""
        return [json.loads(line)["message"] for line in self.log.getvalue().splitlines()]


def test_one_event_asks_for_each_app_once(monkeypatch: pytest.MonkeyPatch) -> None:
    release = Release(two_apps(), monkeypatch)
    release.tell(*["web/1.0.274.zip"] * 20, "zoo/1.0.274.zip")
    assert release.asked == ["web", "zoo"]


@pytest.mark.parametrize("said", ["ObjectCreated:Put", "ObjectRemoved:Delete"])
def test_an_event_every_second_leaves_the_queue_to_the_schedule(
    monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    cloud = two_apps()
    release = Release(cloud, monkeypatch)
    for _ in range(20 * 60):
        release.tell("web/1.0.274.zip", said=said)
        cloud.wait(1 / 60)
    release.tell("zoo/1.0.274.zip")
    assert Counter(release.asked) == {"web": 3 * 4, "zoo": 1}
    before, told = "s3://releases/web/1.0.274.zip => ", "left to the schedule: there were 3 events"
    last = [line for line in release.said() if line.startswith(before)][-1]
    assert last.endswith(f"{told} of web within 5 minutes")


def test_an_event_of_thousands_of_records_is_refused_in_one_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    release = Release(two_apps(), monkeypatch)
    with pytest.raises(EventError, match=r"of at most 100 records$") as refused:
        release.tell(*[f"web/\x1b{number}" for number in range(5000)])
    assert (release.asked, release.said()) == ([], [])
    assert len(str(refused.value)) < 500
    assert str(refused.value).isprintable()
    release.tell(*["web/1.0.274.zip"] * 100)
    assert release.asked == ["web"]


def test_an_app_that_no_group_runs_asks_for_no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    cloud = two_apps()
    cloud.upload("owl", "1.0.274")
    release = Release(cloud, monkeypatch)
    release.tell("owl/1.0.274.zip")
    assert release.asked == []
    told = "s3://releases/owl/1.0.274.zip => no group that opted in runs owl"
    assert release.said() == [told]


@pytest.mark.parametrize("said", ["ObjectCreated:Put", "ObjectRemoved:Delete"])
def test_an_app_of_a_name_that_no_key_has_is_cut_and_not_echoed(
    monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    release = Release(two_apps(), monkeypatch)
    release.tell(*[f"{'w' * 50_000}/1.0.{number}.zip" for number in range(100)], said=said)
    assert release.asked == []
    assert len(release.said()) == 100
    assert max(map(len, release.said())) < 1000


def test_where_no_group_has_opted_in_no_run_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    cloud = Cloud()
    cloud.upload("web", "1.0.274")
    release = Release(cloud, monkeypatch)
    release.tell("web/1.0.274.zip")
    assert release.asked == []


def test_where_groups_cannot_be_described_an_upload_asks_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cloud = two_apps()
    cloud.upload("owl", "1.0.274")
    cloud.faults["DescribeAutoScalingGroups", ""] = refusal("AccessDenied")
    release = Release(cloud, monkeypatch)
    release.tell("owl/1.0.274.zip")
    assert release.asked == ["owl"]


def test_what_is_remembered_of_events_does_not_grow() -> None:
    cloud, events = Cloud(), Events()
    for number in range(10_000):
        assert events.too_many(f"app{number}", cloud.now) is None
        cloud.wait(1 / 6)
    assert len(events.times) <= 30


@pytest.mark.parametrize("names", [["x"] * 1001, ["x" * 256]])
def test_a_payload_that_names_more_than_there_can_be_is_refused(names: list[str]) -> None:
    with pytest.raises(handlers.EventError, match="at most 1000 names of 255 characters"):
        handlers._scope({"groups": names})  # noqa: SLF001 - before anything is read
