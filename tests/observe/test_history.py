"""Since when a release is the target, and what was before it: histories at chosen times."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from terminator.model import Released
from terminator.observe.history import Reach, dated, versions_kept_for
from terminator.observe.releases import chosen, list_releases
from tests.observe.bucket import NAME, TEMPLATE, Made, at

DAY = 24 * 60


def others(said: Released) -> list[tuple[float, float]]:
    """Return from and until when others were the target, in minutes after the start."""
    minutes = timedelta(minutes=1)
    return [((a - at(0)) / minutes, (b - at(0)) / minutes) for a, b in said.others]


def rolled_out(**of: Any) -> Made:
    """Return a bucket with one release from the start, and another an hour later."""
    bucket = Made(**of)
    bucket.release("1.0", 0)
    bucket.release("2.0", 60, "newer")
    return bucket


def test_the_first_release_is_the_target_since_its_upload() -> None:
    bucket = Made()
    bucket.release("1.0", 7)
    said = bucket.target()
    assert (said.since, said.others, said.first_existed) == (at(7), (), at(7))


def test_a_newer_release_is_the_target_since_its_upload_and_the_older_was_before() -> None:
    said = rolled_out().target()
    assert (said.since, others(said)) == (at(60), [(0, 60)])


def test_back_by_deleting_the_newest_it_is_the_target_since_then() -> None:
    bucket = rolled_out()
    bucket.delete("web/2.0.zip", 90)
    said = bucket.target()
    assert said.release.key == "web/1.0.zip"
    assert (said.since, others(said)) == (at(90), [(60, 90)])


def test_back_by_the_pointer_it_is_the_target_since_then() -> None:
    bucket = rolled_out()
    bucket.point("1.0", 90)
    said = bucket.target()
    assert (said.since, others(said)) == (at(90), [(60, 90)])


def test_the_newest_is_the_target_since_the_pointer_was_removed() -> None:
    bucket = rolled_out()
    bucket.point("1.0", 90)
    bucket.delete("web/current", 120)
    said = bucket.target()
    assert (said.since, others(said)) == (at(120), [(0, 60), (90, 120)])


def withdrawn(bucket: Made) -> None:
    bucket.delete("web/2.0.zip", 90)


def pinned(bucket: Made) -> None:
    bucket.point("1.0", 90)


def unpinned(bucket: Made) -> None:
    bucket.point("1.0", 70)
    bucket.delete("web/current", 90)


def pinned_where_it_was(bucket: Made) -> None:
    bucket.point("2.0", 90)


def built_anew(bucket: Made) -> None:
    bucket.release("2.0", 90, "built!")


def restored(bucket: Made) -> None:
    bucket.delete("web/2.0.zip", 70)
    bucket.release("2.0", 90, "newer")


@pytest.mark.parametrize(
    ("change", "became", "is_pinned"),
    [
        (lambda _: None, "uploaded", False),
        (withdrawn, "withdrawn", False),
        (pinned, "pinned", True),
        (unpinned, "unpinned", False),
        (pinned_where_it_was, "uploaded", True),
        (built_anew, "uploaded", False),
        (restored, "uploaded", False),
    ],
)
def test_the_bucket_tells_how_the_target_became_that(
    change: Callable[[Made], None], became: str, *, is_pinned: bool
) -> None:
    bucket = rolled_out()
    change(bucket)
    said = bucket.target()
    assert (said.became, said.pinned) == (became, is_pinned)


def test_of_a_bucket_without_versioning_nobody_knows_how() -> None:
    said = rolled_out(versioned=False).target()
    assert (said.became, said.since) == (None, None)


@pytest.mark.parametrize("texts", [["1.0"] * 60, ["1.0", "1.0\n", " 1.0", "v1.0"] * 15])
def test_a_pointer_written_anew_sixty_times_was_written_once(texts: list[str]) -> None:
    bucket = rolled_out()
    for number, text in enumerate(texts):
        bucket.point(text, 90 + 20 * number)
    said = bucket.target()
    assert (said.since, others(said)) == (at(90), [(60, 90)])
    assert bucket.calls["GetObject"] == 1 + len(set(texts))


def test_a_pointer_to_what_is_newest_anyway_changes_no_date() -> None:
    bucket = rolled_out()
    bucket.point("2.0", 90)
    said = bucket.target()
    assert (said.since, others(said)) == (at(60), [(0, 60)])
    bucket.delete("web/current", 95)
    assert bucket.target().since == at(60)


def test_a_release_below_the_pointers_changes_no_date() -> None:
    bucket = rolled_out()
    bucket.point("1.0", 90)
    bucket.release("3.0", 120)
    bucket.delete("web/3.0.zip", 130)
    assert bucket.target().since == at(90)


@pytest.mark.parametrize("times", [1, 60])
def test_the_same_zip_uploaded_again_changes_no_date(times: int) -> None:
    bucket = rolled_out()
    for number in range(times):
        bucket.release("2.0", 70 + 20 * number, "newer")
    assert bucket.target().since == at(60)
    assert not bucket.calls["HeadObject"]


def test_another_zip_of_the_same_name_is_the_target_since_its_upload() -> None:
    bucket = rolled_out()
    bucket.release("2.0", 90, "built!")
    said = bucket.target()
    assert said.since == at(90)
    assert not said.was_another(at(75))


SUM = {"ChecksumCRC64NVME": "equal", "ChecksumType": "FULL_OBJECT"}


@pytest.mark.parametrize(
    ("first", "second", "is_same"),
    [
        (SUM, SUM, True),
        (SUM, {**SUM, "ChecksumSHA256": "more"}, True),
        (SUM, {**SUM, "ChecksumCRC64NVME": "another"}, False),
        (SUM, {"ChecksumCRC32": "equal", "ChecksumType": "FULL_OBJECT"}, False),
        ({**SUM, "ChecksumType": "COMPOSITE"}, {**SUM, "ChecksumType": "COMPOSITE"}, False),
        ({}, {}, False),
    ],
)
def test_uploads_of_unequal_etags_are_equal_by_their_full_object_checksums(
    first: dict[str, str], second: dict[str, str], *, is_same: bool
) -> None:
    bucket = Made()
    bucket.release("1.0", 0, etag="one-2", size=100, **first)
    bucket.release("1.0", 60, etag="two-3", size=100, **second)
    assert bucket.target().since == at(0 if is_same else 60)


def test_uploads_of_different_sizes_are_not_compared_any_further() -> None:
    bucket = Made()
    bucket.release("1.0", 0, etag="one-2", size=100, **SUM)
    bucket.release("1.0", 60, etag="two-3", size=101, **SUM)
    assert bucket.target().since == at(60)
    assert not bucket.calls["HeadObject"]


def test_of_sixty_uploads_with_keys_of_kms_a_few_are_compared_and_the_rest_is_taken_for_equal() -> (
    None
):
    bucket = Made()
    for number in range(60):
        bucket.release("1.0", 20 * number, etag=f"etag {number}", **SUM)
    assert bucket.target().since == at(0)
    assert bucket.calls["HeadObject"] == 21


def test_a_delete_marker_of_what_was_not_the_target_changes_no_date() -> None:
    bucket = rolled_out()
    bucket.delete("web/1.0.zip", 90)
    said = bucket.target()
    assert (said.since, others(said)) == (at(60), [(0, 60)])


def test_a_target_that_was_deleted_and_restored_is_that_since_it_was_restored() -> None:
    bucket = rolled_out()
    bucket.delete("web/2.0.zip", 90)
    bucket.release("2.0", 100, "newer")
    said = bucket.target()
    assert (said.since, others(said)) == (at(100), [(0, 60), (90, 100)])


def test_while_nothing_was_released_no_other_was_the_target() -> None:
    bucket = Made()
    bucket.release("1.0", 0)
    bucket.delete("web/1.0.zip", 60)
    bucket.release("1.0", 90)
    said = bucket.target()
    assert (said.since, said.others) == (at(90), ())


def test_a_pointer_to_a_release_that_was_deleted_named_none() -> None:
    bucket = rolled_out()
    bucket.point("2.0", 90)
    bucket.delete("web/2.0.zip", 100)
    bucket.point("1.0", 120)
    said = bucket.target()
    assert (said.since, others(said)) == (at(120), [(60, 100)])


def test_what_a_pointer_named_then_counts_not_what_it_would_name_now() -> None:
    """Two spellings of one version: the pointer names whichever was there."""
    bucket = Made()
    bucket.release("v1.0", 0)
    bucket.release("0.9", 1)
    bucket.point("1", 30)
    bucket.release("1.0", 60)
    said = bucket.target()
    assert said.release.key == "web/1.0.zip"
    assert (said.since, others(said)) == (at(60), [(0, 60)])
    bucket.delete("web/1.0.zip", 90)
    said = bucket.target()
    assert (said.release.key, said.since) == ("web/v1.0.zip", at(90))
    assert others(said) == [(60, 90)]
    assert not said.was_another(at(45))


def test_a_spelling_that_names_one_zip_exactly_names_that_zip() -> None:
    bucket = Made()
    bucket.release("1.0.0", 0)
    bucket.release("1.0", 30)
    bucket.point("1.0.0", 60)
    said = bucket.target()
    assert (said.release.key, said.since) == ("web/1.0.0.zip", at(60))


def test_a_pointer_that_named_nothing_was_nobodys_release() -> None:
    bucket = rolled_out()
    for minute, text in ((90, "nothing"), (100, "9.9"), (110, "1" * 300)):
        bucket.point(text, minute)
    bucket.point("1.0", 120)
    said = bucket.target()
    assert (said.since, others(said)) == (at(120), [(60, 90)])


def test_an_upload_in_parts_is_in_doubt_for_a_second_each_megabyte() -> None:
    bucket = Made()
    bucket.release("1.0", 0, etag="sum-9", size=600 * 2**20)
    said = bucket.target()
    assert (said.since, said.doubt) == (at(0), timedelta(minutes=11))
    bucket.release("2.0", 90, etag="sum-9", size=90 * 2**30)
    assert bucket.target().doubt == timedelta(hours=1)
    bucket.release("3.0", 99, size=90 * 2**30)
    assert bucket.target().doubt == timedelta(minutes=1)


def test_a_zip_of_many_parts_that_the_pointer_goes_back_to_is_in_no_doubt() -> None:
    """The canary of the release before was created a moment ago, and must not count as its own."""
    bucket = Made()
    bucket.release("1.0", 0, etag="sum-9", size=3000 * 2**20)
    bucket.release("2.0", 600)
    bucket.point("1.0", 660)
    said = bucket.target()
    assert (said.since, said.doubt) == (at(660), timedelta(minutes=1))
    assert said.was_another(at(650))


def test_who_booted_while_another_was_uploaded_in_parts_is_not_accused() -> None:
    bucket = Made()
    bucket.release("1.0", 0)
    bucket.release("2.0", 60, etag="sum-9", size=600 * 2**20)
    bucket.delete("web/2.0.zip", 90)
    said = bucket.target()
    assert others(said) == [(70, 90)]


def test_within_a_minute_of_a_change_the_later_target_counts() -> None:
    bucket = rolled_out()
    bucket.delete("web/2.0.zip", 90)
    said = bucket.target()
    accused = [minute for minute in range(120) if said.was_another(at(minute))]
    assert accused == list(range(59, 89))


def test_without_versioning_nothing_is_dated() -> None:
    bucket = rolled_out(versioned=None)
    bucket.point("1.0", 90)
    said = bucket.target()
    assert (said.since, said.others, said.first_existed, said.known_from) == (None, (), None, None)
    assert not said.was_another(at(75))
    assert not said.was_another(at(-999))


def test_what_was_stored_while_versioning_was_suspended_is_not_dated() -> None:
    bucket = rolled_out()
    bucket.versioned = False
    bucket.point("1.0", 90)
    assert bucket.target().since is None
    bucket.delete("web/current", 100)
    assert bucket.target().since is None


def test_history_begins_again_when_versioning_is_switched_on() -> None:
    bucket = rolled_out(versioned=None)
    bucket.versioned = True
    bucket.point("1.0", 90)
    said = bucket.target()
    assert (said.release.key, said.since) == ("web/1.0.zip", None)
    bucket.point("2.0", 120)
    said = bucket.target()
    assert (said.since, others(said), said.first_existed) == (at(120), [(90, 120)], None)
    assert not said.was_another(at(30))


def test_a_pointer_written_each_day_where_old_versions_expire_after_a_week() -> None:
    """An instance that has run the target for a month is not accused."""
    bucket = rolled_out(days=7)
    for day in range(1, 60):
        bucket.point("1.0", day * DAY)
    now = at(59.5 * DAY)
    bucket.expire(now)
    said = bucket.target(kept_since=now - timedelta(days=7))
    assert len(bucket.stored) == 10
    assert said.since == at(0)
    assert not any(said.was_another(at(day * DAY + 60)) for day in range(-9, 60))


def test_a_zip_uploaded_each_day_where_old_versions_expire_after_a_week() -> None:
    bucket = Made(days=7)
    bucket.release("0.9", 0)
    for day in range(1, 60):
        bucket.release("1.0", day * DAY, "the same")
    now = at(59.5 * DAY)
    bucket.expire(now)
    said = bucket.target(kept_since=now - timedelta(days=7))
    assert said.since is not None
    assert said.since < now - timedelta(days=7)
    assert not any(said.was_another(at(day * DAY + 60)) for day in range(-9, 60))


def test_before_old_versions_expired_only_what_is_older_than_the_zip_is_accused() -> None:
    bucket = Made(days=30)
    bucket.release("1.0", 0)
    bucket.release("2.0", 50 * DAY)
    now = at(59 * DAY)
    bucket.expire(now)
    said = bucket.target(kept_since=now - timedelta(days=30))
    assert (said.since, said.first_existed) == (at(50 * DAY), at(50 * DAY))
    assert said.was_another(at(-DAY))
    assert said.was_another(at(20 * DAY))
    bucket.point("1.0", 55 * DAY)
    said = bucket.target(kept_since=now - timedelta(days=30))
    assert (said.since, others(said)) == (at(55 * DAY), [(50 * DAY, 55 * DAY)])
    # It may have been the target at any time before that.
    assert [day for day in range(-9, 60) if said.was_another(at(day * DAY + 60))] == list(
        range(50, 55)
    )


def test_a_zip_whose_first_upload_may_have_expired_accuses_nobody_by_its_date() -> None:
    bucket = Made(days=7)
    bucket.release("1.0", 0, "one")
    bucket.release("1.0", 50 * DAY, "two")
    bucket.release("1.0", 50 * DAY + 60, "two")
    now = at(59 * DAY)
    bucket.expire(now)
    said = bucket.target(kept_since=now - timedelta(days=7))
    assert said.first_existed is None
    assert not said.was_another(at(-DAY))


def test_before_the_first_release_of_all_there_was_none_of_these() -> None:
    """An instance from before the bucket was used can be no boot of the target."""
    bucket = rolled_out()
    assert bucket.target().was_another(at(-60))
    bucket.point("1.0", 90)
    assert bucket.target().was_another(at(-60))


def test_two_keys_of_equal_version_are_two_releases() -> None:
    bucket = Made()
    bucket.release("v1.0", 0)
    bucket.release("1.0.0", 60)
    said = bucket.target()
    assert (said.release.key, said.since, others(said)) == ("web/1.0.0.zip", at(60), [(0, 60)])
    bucket.release("v1.0", 90, "again")
    said = bucket.target()
    assert (said.release.key, said.since, others(said)) == ("web/v1.0.zip", at(90), [(60, 90)])


def test_an_upload_in_parts_that_ends_after_a_later_one_is_what_is_there() -> None:
    bucket = Made()
    bucket.release("1.0", 0)
    bucket.delete("web/1.0.zip", 60)
    bucket.release("1.0", 50, etag="sum-9", size=900 * 2**20)
    listing = list_releases(bucket.client, NAME, TEMPLATE, "web")
    assert [release.modified for release in listing.releases] == [at(50)]
    said = bucket.target()
    assert said.since == at(50)
    assert said.doubt == timedelta(minutes=16)


def test_of_one_second_the_listing_says_which_came_last() -> None:
    bucket = rolled_out()
    bucket.point("2.0", 90)
    bucket.point("1.0", 90)
    bucket.point("2.0", 100)
    said = bucket.target()
    assert (said.since, others(said)) == (at(100), [(0, 60), (90, 100)])


def test_only_so_many_texts_of_a_pointer_are_read_and_before_that_nothing_is_known() -> None:
    bucket = rolled_out()
    bucket.point("2.0", 90)
    for number in range(60):
        bucket.point("1.0" + " " * number, 100 + number)
    said = bucket.target()
    assert bucket.calls["GetObject"] == 51
    # It may have been the target ever since the zip is there.
    assert (said.since, said.known_from) == (at(0), at(110))
    assert not any(said.was_another(at(minute)) for minute in range(200))


def test_nothing_is_read_that_is_older_than_what_is_asked_for() -> None:
    bucket = Made()
    for number in range(40):
        bucket.release(f"1.{number}", 2 * number)
        bucket.point(f"1.{number}", 2 * number + 1)
    bucket.target(back_to=at(70))
    assert bucket.calls["GetObject"] <= 8


def test_of_a_thousand_versions_each_is_listed_once_and_two_texts_are_read() -> None:
    bucket = rolled_out()
    for number in range(2500):
        bucket.point("1.0" if number >= 1000 else "2.0", 90 + number)
    said = bucket.target()
    assert said.since == at(1090)
    assert bucket.calls == {"ListObjectVersions": 3, "GetObject": 3}


def test_a_release_that_is_supposed_to_be_the_target_is_that_since_then() -> None:
    bucket = rolled_out()
    listing = list_releases(bucket.client, NAME, TEMPLATE, "web")
    old = Released(next(r for r in listing.releases if r.key == "web/1.0.zip"), None)
    said = dated(bucket.client, NAME, listing, old, Reach(supposed_since=at(90)))
    assert (said.since, others(said)) == (at(90), [(60, 90)])
    found = chosen(bucket.client, NAME, "web", listing)
    assert isinstance(found, Released)
    said = dated(bucket.client, NAME, listing, found, Reach(supposed_since=at(90)))
    assert (said.since, others(said)) == (at(60), [(0, 60)])


def test_a_release_that_the_listing_does_not_have_is_not_dated() -> None:
    bucket = rolled_out()
    found = chosen(bucket.client, NAME, "web", list_releases(bucket.client, NAME, TEMPLATE, "web"))
    assert isinstance(found, Released)
    bucket.delete("web/2.0.zip", 90)
    listing = list_releases(bucket.client, NAME, TEMPLATE, "web")
    assert dated(bucket.client, NAME, listing, found, Reach()) == found


def test_a_pointer_that_was_written_since_the_listing_is_not_dated() -> None:
    bucket = rolled_out()
    bucket.point("1.0", 90)
    listing = list_releases(bucket.client, NAME, TEMPLATE, "web")
    bucket.point("2.0", 91)
    found = chosen(bucket.client, NAME, "web", listing)
    assert isinstance(found, Released)
    assert found.release.key == "web/2.0.zip"
    assert dated(bucket.client, NAME, listing, found, Reach()) == found


@pytest.mark.parametrize(
    ("rules", "kept"),
    [
        ([], None),
        ([{"Status": "Enabled", "Expiration": {"Days": 3}}], None),
        ([{"Status": "Disabled", "NoncurrentVersionExpiration": {"NoncurrentDays": 3}}], None),
        (
            [
                {"Status": "Enabled", "NoncurrentVersionExpiration": {"NoncurrentDays": 9}},
                {"Status": "Enabled", "NoncurrentVersionExpiration": {"NoncurrentDays": 3}},
            ],
            timedelta(days=3),
        ),
    ],
)
def test_old_versions_are_kept_as_long_as_the_strictest_rule_says(
    rules: list[Any], kept: timedelta | None
) -> None:
    client = Made().client
    client.get_bucket_lifecycle_configuration = lambda **_: {"Rules": rules}
    assert versions_kept_for(client, NAME) == kept


def test_who_may_not_read_the_rules_knows_nothing_of_the_past() -> None:
    bucket = rolled_out(lifecycle_error="AccessDenied")
    assert versions_kept_for(bucket.client, NAME) == timedelta(0)
    bucket.lifecycle_error = "SlowDown"
    with pytest.raises(ClientError, match="SlowDown"):
        versions_kept_for(bucket.client, NAME)
    said = bucket.target(kept_since=at(999))
    assert said.since == at(60)
    assert not any(said.was_another(at(minute)) for minute in range(-90, 200))
