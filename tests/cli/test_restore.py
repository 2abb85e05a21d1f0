"""Putting a release back that was taken back by itself, and seeing that it was."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from sandbox import store
from sandbox.fleet import Fleet
from sandbox.store import Program
from terminator import marker
from terminator.marker import Order
from tests.cli import calls
from tests.cli.runs import SERVING, Caller, caller, releases

WHEN = datetime(2026, 11, 18, 12, 0, tzinfo=UTC)
RESTORE = ("restore", "--app", "web")
APPS = {"web": {"withdraw": {"silent": True}}}
KEY = "web/1.0.276.zip"


def take_back(fleet: Fleet, version: str) -> None:
    """Take a release back as the function does."""
    key, s3 = f"web/{version}.zip", fleet.aws.s3
    head = s3.head_object(Bucket=store.BUCKET, Key=key)
    order = Order("web", key, head["ETag"].strip('"'), head["VersionId"])
    assert marker.put(fleet.aws, store.BUCKET, order, WHEN) is None


def is_there(fleet: Fleet) -> bool:
    rows = fleet.aws.s3.list_objects_v2(Bucket=store.BUCKET, Prefix=KEY)
    return rows["KeyCount"] == 1


@pytest.fixture
def withdrawn(released: Fleet) -> Iterator[Fleet]:
    """Upload a release, and take it back; it leaves nothing behind."""
    store.upload(released.aws, "web", Program("1.0.276"))
    # S3 dates to the second, and so tells what came first.
    released.clock.sleep(1)
    take_back(released, "1.0.276")
    released.clock.sleep(1)
    yield released
    s3 = released.aws.s3
    rows = s3.list_object_versions(Bucket=store.BUCKET, Prefix=KEY)
    for row in (*rows.get("Versions", ()), *rows.get("DeleteMarkers", ())):
        s3.delete_object(Bucket=store.BUCKET, Key=KEY, VersionId=row["VersionId"])


def test_it_is_there_again_and_keeps_its_tag(withdrawn: Fleet, on: Caller) -> None:
    told = on.json(*RESTORE, "1.0.276", "--yes")
    assert (told["version"], told["key"], told["changed"]) == ("1.0.276", KEY, True)
    assert (told["target"], told["target_source"]) == ("1.0.276", "newest")
    assert told["withdrawn"] == "2026-11-18T12:00:00Z"
    head = withdrawn.aws.s3.head_object(Bucket=store.BUCKET, Key=KEY)
    assert head["TagCount"] == 1
    done = on.run(*RESTORE, "1.0.276", "--yes")
    assert done.exit_code == 1
    assert "1.0.276 is there, and was not taken back: nothing to restore" in done.stderr


def test_a_marker_that_somebody_put_above_goes_too(withdrawn: Fleet, on: Caller) -> None:
    store.delete(withdrawn.aws, "web", "1.0.276")
    assert on.json(*RESTORE, "1.0.276", "--yes")["target"] == "1.0.276"


def test_it_says_what_is_to_run_then(withdrawn: Fleet, on: Caller) -> None:
    store.point(withdrawn.aws, "web", "1.0.266")
    done = on.run(*RESTORE, "1.0.276", "--yes")
    assert done.exit_code == 0
    assert done.stdout == "restored 1.0.276; web is to run 1.0.266 (its pointer names it)\n"


def test_a_dry_run_and_a_refusal_restore_nothing(withdrawn: Fleet, on: Caller) -> None:
    done = on.run(*RESTORE, "1.0.276", "--dry-run")
    said = "dry run: would restore 1.0.276, which was taken back 2026-11-18T12:00:00Z\n"
    assert (done.exit_code, done.stdout) == (0, said)
    done = on.run(*RESTORE, "1.0.276")
    assert done.exit_code == 2
    asked = f"Restore s3://releases/{KEY}, taken back 2026-11-18T12:00:00Z?"
    assert f"{asked} Nobody can be asked here: say --yes" in done.stderr
    assert not is_there(withdrawn)


def test_what_somebody_deleted_by_hand_is_not_put_back(withdrawn: Fleet, on: Caller) -> None:
    s3 = withdrawn.aws.s3
    [row] = s3.list_object_versions(Bucket=store.BUCKET, Prefix=KEY)["Versions"]
    s3.delete_object_tagging(Bucket=store.BUCKET, Key=KEY, VersionId=row["VersionId"])
    done = on.run(*RESTORE, "1.0.276", "--yes")
    assert done.exit_code == 1
    assert (
        "1.0.276 was not taken back by Terminator: somebody deleted web/1.0.276.zip" in done.stderr
    )
    assert not is_there(withdrawn)


@pytest.mark.parametrize("version", ["1.0.277", "1.0.276"])
def test_what_s3_has_no_version_of_is_not_put_back(
    withdrawn: Fleet, on: Caller, version: str
) -> None:
    s3 = withdrawn.aws.s3
    [row] = s3.list_object_versions(Bucket=store.BUCKET, Prefix=KEY)["Versions"]
    s3.delete_object(Bucket=store.BUCKET, Key=KEY, VersionId=row["VersionId"])
    done = on.run(*RESTORE, version, "--yes")
    assert done.exit_code == 1
    assert f"{version} is no release of web that was deleted, or S3 keeps no version" in done.stderr


def test_releases_shows_what_was_taken_back_where_the_settings_have_it_switched_on(
    withdrawn: Fleet, on: Caller, tmp_path_factory: pytest.TempPathFactory
) -> None:
    store.upload(withdrawn.aws, "web", Program("1.0.275"))
    store.delete(withdrawn.aws, "web", "1.0.275")
    assert releases(on)["withdrawn"] == []
    settings = {**SERVING, "releases": {"bucket": store.BUCKET, "apps": APPS}}
    with_it = caller(withdrawn, tmp_path_factory.mktemp("with"), settings)
    told = {"version": "1.0.276", "key": KEY, "withdrawn": "2026-11-18T12:00:00Z"}
    assert releases(with_it)["withdrawn"] == [told]
    screen = with_it.run("releases", "--app", "web", "--local").stdout
    [row] = [line for line in screen.splitlines() if "1.0.276" in line]
    assert "2026-11-18T12:00:00Z" in row
    assert "terminator restore puts it back" in row


def test_what_it_calls_is_documented(withdrawn: Fleet, on: Caller) -> None:
    store.point(withdrawn.aws, "web", "1.0.266")
    with calls.recording() as made:
        on.run(*RESTORE, "1.0.276", "--yes")
    renamed = {
        "s3:DeleteObject": "s3:DeleteObjectVersion",
        "s3:GetObjectTagging": "s3:GetObjectVersionTagging",
    }
    ours = {renamed.get(each, each) for each in made if not each.startswith("sts:")}
    assert ours == calls.documented("restore")
