"""Uploads that do not become the release to run: what is said of them, and to whom."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from terminator.config.deployment import Bucket
from terminator.config.release_keys import KeyTemplate
from terminator.report import events
from terminator.upload import Change, Verdict, check
from tests.observe.bucket import NAME, TEMPLATE, Made

BUCKET = Bucket(NAME, TEMPLATE)
ANY_FILE = Bucket(NAME, KeyTemplate.parse("{app}/{version}.jar"))
FIXED = Bucket(NAME, KeyTemplate.parse("{app}.jar"))
SCHEMA = json.loads((Path(__file__).parents[2] / "docs/uploads.schema.json").read_text())


def told(made: Made, bucket: Bucket = ANY_FILE) -> Verdict:
    """Return what is said of the object that was stored last."""
    return check(
        made.client, bucket, Change(NAME, made.stored[-1].key, "uploaded", "Object Created")
    )


def stored(*keys: str) -> Made:
    """Return a bucket to which this was uploaded in turn."""
    made = Made()
    for minute, key in enumerate(keys):
        made.put(key, minute, key)
    return made


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (["web/1.1.0.jar", "web/1.0.10.jar"], "1.0.10 is not the newest: 1.1.0 stays the target"),
        (["web/1042.jar", "web/1.0.0.jar"], "1.0.0 is not the newest: 1042 stays the target"),
    ],
)
def test_an_upload_that_is_not_the_newest_says_what_stays(keys: list[str], said: str) -> None:
    verdict = told(stored(*keys))
    assert (verdict.app, verdict.refused, verdict.is_missed) == ("web", None, True)
    assert str(verdict.passed_over).startswith(said)
    assert said in str(verdict)


def test_the_newest_upload_is_told_of_as_nothing_else() -> None:
    verdict = told(stored("web/1.0.9.jar", "web/1.0.10.jar"))
    assert (verdict.app, verdict.passed_over, verdict.is_told) == ("web", None, False)


def test_an_upload_beside_a_pointer_says_so_and_rings_nobody() -> None:
    made = stored("web/1.0.9.jar")
    made.point("1.0.9", 1)
    made.put("web/1.0.10.jar", 2)
    verdict = told(made)
    assert verdict.passed_over == "1.0.10 is not the target: the pointer names 1.0.9"
    assert (verdict.is_told, verdict.is_missed) == (True, False)


@pytest.mark.parametrize("key", ["web/9f8e7d6.jar", "web/latest.jar", "web.jar"])
def test_a_key_that_is_no_release_is_refused_and_told(key: str) -> None:
    verdict = told(stored("web/1.0.jar", key))
    assert verdict.refused is not None
    assert (verdict.app, verdict.is_told, verdict.is_missed) == (None, True, True)


def test_uploading_an_old_release_again_moves_nothing_in_the_order_uploaded() -> None:
    bucket = replace(ANY_FILE, order="uploaded")
    verdict = told(stored("web/aaaaaa1.jar", "web/bbbbbb2.jar", "web/aaaaaa1.jar"), bucket)
    said = "aaaaaa1 was uploaded before and is not the newest: bbbbbb2 stays the target"
    assert str(verdict.passed_over).startswith(said)


def test_a_fixed_name_needs_its_version_in_the_metadata() -> None:
    made = stored("web.jar")
    assert "no metadata `version`" in str(told(made, FIXED).refused)
    made.put("web.jar", 1, Metadata={"version": "1.0.275"})
    assert told(made, FIXED).app == "web"


def test_a_fixed_name_has_no_pointer() -> None:
    made = stored("web.jar")
    made.point("1.0", 1)
    assert "has no pointer" in str(told(made, FIXED).refused)


def test_what_is_no_zip_is_not_looked_into() -> None:
    verdict = told(stored("web/1.0.jar"))
    assert (verdict.app, verdict.refused) == ("web", None)


@pytest.mark.parametrize("keys", [["web/1.1.jar", "web/1.0.jar"], ["web/x.jar"]])
def test_its_event_is_as_its_schema_says(keys: list[str]) -> None:
    verdict = told(stored(*keys))
    entry = events.of_upload(verdict)
    assert (entry["Source"], entry["DetailType"]) == ("terminator", "Terminator Upload")
    detail = json.loads(entry["Detail"])
    jsonschema.validate(detail, SCHEMA)
    assert detail["reason"] == (verdict.refused or verdict.passed_over)
