"""Since when a release is the target in the order `uploaded`, and where a zip's name is fixed."""

from __future__ import annotations

from datetime import timedelta

from terminator.config.release_keys import KeyTemplate
from terminator.model import Released
from terminator.observe.history import Reach, dated
from terminator.observe.releases import chosen, list_releases
from tests.observe.bucket import NAME, TEMPLATE, Made, at


def seen(made: Made, template: KeyTemplate = TEMPLATE) -> tuple[str, float, list[list[float]]]:
    """Return the target, since when, and from and until when others were, in minutes."""
    listing = list_releases(made.client, NAME, template, "web", "uploaded")
    found = chosen(made.client, NAME, "web", listing)
    assert isinstance(found, Released), found
    found = dated(made.client, NAME, listing, found, Reach())
    assert found.since is not None
    minute = timedelta(minutes=1)
    others = [[(when - at(0)) / minute for when in span] for span in found.others]
    return found.release.version.text, (found.since - at(0)) / minute, others


def test_what_is_uploaded_again_moves_no_date_and_what_is_deleted_does() -> None:
    made = Made()
    made.release("bbbbbb1", 0, "1")
    made.release("aaaaaa2", 10, "2")
    assert seen(made) == ("aaaaaa2", 10, [[0, 10]])
    made.release("bbbbbb1", 20, "1")
    assert seen(made) == ("aaaaaa2", 10, [[0, 10]])
    made.delete("web/aaaaaa2.zip", 30)
    assert seen(made) == ("bbbbbb1", 30, [[10, 30]])
    made.release("aaaaaa2", 40, "2")
    assert seen(made) == ("aaaaaa2", 40, [[0, 10], [30, 40]])


def test_a_pointer_is_dated_too_by_a_short_hash_as_well() -> None:
    made = Made()
    whole = "9f8e7d6c5b4a39281706f5e4d3c2b1a098765432"
    made.release(whole, 0, "1")
    made.release("aaaaaa2", 10, "2")
    made.point("9f8e7d6", 20)
    assert seen(made) == (whole, 20, [[10, 20]])


def test_a_fixed_name_is_dated_by_its_content_and_accuses_nobody() -> None:
    made, template = Made(), KeyTemplate.parse("{app}.jar")
    for minute, text in ((0, "a1"), (10, "b2"), (20, "a1")):
        made.put("web.jar", minute, text, Metadata={"version": text})
    made.put("web.jar", 30, "a1", Metadata={"version": "a1"})
    assert seen(made, template) == ("a1", 20, [])
