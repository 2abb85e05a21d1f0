"""What doctor says of uploads that nobody follows, and of what the order `uploaded` rests on."""

from __future__ import annotations

import pytest

from terminator.config.deployment import Bucket
from terminator.version import Order
from terminator_cli.doctor.releases import BucketSeen, check_uploads
from terminator_cli.stream import read_stream
from tests.observe.bucket import NAME, TEMPLATE, Made

KEPT = BucketSeen(NAME, {}, {"Status": "Enabled"}, {})
FORGETS = BucketSeen(
    NAME,
    {},
    {"Status": "Enabled"},
    {},
    lifecycle=[{"Status": "Enabled", "NoncurrentVersionExpiration": {"NoncurrentDays": 30}}],
)
OFF = BucketSeen(NAME, {}, {}, {})


def warned(*uploads: tuple[str, float], order: Order = "version", of: BucketSeen = KEPT) -> str:
    """Return what is warned of where this was uploaded, each so many minutes after the start."""
    made = Made()
    for text, minute in uploads:
        made.release(text, minute, text)
    stream = read_stream(made.client, Bucket(NAME, TEMPLATE, order=order), "web")
    found = list(check_uploads(stream, of))
    assert {each.level for each in found} <= {"warning"}
    return "; ".join(each.seen for each in found)


@pytest.mark.parametrize("order", ["version", "uploaded"])
def test_nothing_is_said_where_all_is_well(order: Order) -> None:
    assert warned(("1.0.9", 0), ("1.0.10", 90), order=order) == ""


def test_a_zip_that_is_no_release_is_named() -> None:
    assert warned(("1.0", 0), ("9f8e7d6", 1)).startswith("no release: web/9f8e7d6.zip: key ")


def test_a_change_of_scheme_is_named() -> None:
    said = "1.0.0 was uploaded last, and is not the newest: 1042 stays the target"
    assert warned(("1042", 0), ("1.0.0", 90)) == said


def test_an_old_release_that_was_uploaded_again_is_named() -> None:
    uploads = ("a1", 0), ("b2", 90), ("a1", 180)
    assert "a1 was uploaded again last" in warned(*uploads, order="uploaded")
    assert "may become the newest" in warned(*uploads, order="uploaded", of=FORGETS)


def test_the_order_uploaded_wants_versioning() -> None:
    assert "without versioning" in warned(("a1", 0), order="uploaded", of=OFF)


def test_a_bucket_that_may_have_been_copied_is_named() -> None:
    uploads = ("a1", 0), ("b2", 1), ("c3", 2)
    assert "a copied bucket has new dates" in warned(*uploads, order="uploaded")
    assert warned(("1.0", 0), ("1.1", 1), ("1.2", 2)) == ""
