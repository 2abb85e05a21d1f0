"""The report as a page: its structure, its safety, and that nothing is missing."""

from __future__ import annotations

import base64
import hashlib
import re
import sys
from collections import Counter
from functools import cache
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from terminator.report.record import Record
from terminator_cli.report.chart import BECAME, COLOURS
from terminator_cli.report.page import MOST_BARS, MOST_ROWS, page
from terminator_cli.report.timeline import How, Target, fold, timeline
from tests.cli import pages
from tests.cli.pages import Element
from tests.cli.recordings import at, fields, following, instance, record

HOSTILE = "<script>alert(1)</script>\"'&amp;<img src=x onerror=y>"


def two_groups() -> list[Record]:
    """Return the records of two groups that follow releases, one of which holds at last."""
    seen = [*following("web", 6, [2, 14], 24), *following("api", 3, [4], 24)]
    held = fields(
        120, instance("i-a"), instance("i-b", None), group="api", reason="paused: \u202ewhy",
        deferred={"i-b": "ScalingActivityInProgress"}, failed={"i-a": "AccessDenied: no"},
    )  # fmt: skip
    failed = {
        **fields(125, group="api"),
        "decision": None,
        "available": None,
        "reason": "no answer",
    }
    return [Record.from_json(each) for each in (*seen, held, failed)]


@pytest.fixture(scope="module")
def shown() -> Element:
    """Return the page of two groups."""
    return pages.read(page(two_groups()))


def style(of: Element) -> str:
    [sheet] = of.all("style")
    return "".join(map(str, sheet.parts))


def drawn_for(frame: str, of: Element, name: str) -> list[Element]:
    """Return elements of the pictures for a desk, or those for a phone."""
    pictures = [e for e in of.all("svg") if e.attributes.get("class") == frame]
    return [each for picture in pictures for each in picture.all(name)]


def named(of: Element, name: str) -> list[Element]:
    return [each for each in of.all() if name in each.attributes]


def test_every_decision_appears_with_its_reason_and_what_it_terminated(shown: Element) -> None:
    tables = [each for each in shown.all("table") if each.attributes.get("class") == "decisions"]
    told = " ".join(table.text for table in tables)
    for each in fold(two_groups()):
        assert each.first.standing in told
        assert each.first.reason in told
        assert all(id_ in told for id_ in each.first.terminated)
    rows = sum(len(list(table.all("tr"))) - 1 for table in tables)
    assert rows == len(fold(two_groups()))


def test_what_was_deferred_or_failed_is_told(shown: Element) -> None:
    assert "deferred i-b: ScalingActivityInProgress" in shown.text
    assert "failed to terminate i-a: AccessDenied: no" in shown.text


def test_the_summary_says_from_where_to_where_and_how_low(shown: Element) -> None:
    overview = next(each for each in shown.all("table"))
    assert [row.text for row in overview.all("tr")][2] == (
        "web converged 1.0.0 → 1.0.2 2 4 with a minimum of 3 12"
    )
    leads = [each.text for each in shown.all("p") if each.attributes.get("class") == "lead"]
    assert leads[1] == (
        "The last of 2 rollouts: 1.0.2 replaced 1.0.1 in 20 minutes. 12 instances were "
        "terminated, and never were fewer than 4 available."
    )


def test_a_group_that_fell_below_its_minimum_is_marked() -> None:
    low = pages.read(page([record(0, instance("i-a"), minimum=2)]))
    alarming = [e.text for e in low.all() if "alarming" in e.attributes.get("class", "").split()]
    assert alarming == ["1"]
    assert "below the minimum of 2" in low.text


def test_each_instance_has_a_bar_and_a_row(shown: Element) -> None:
    ids = {member.id for each in two_groups() for member in each.instances}
    drawn = {e.text for e in drawn_for("desk", shown, "text") if e.attributes["class"] == "id"}
    listed = {cell.text for cell in shown.all("th") if cell.attributes.get("scope") == "row"}
    assert ids == drawn
    assert ids <= listed


def test_on_a_phone_every_picture_is_whole(shown: Element) -> None:
    pictures = [e for e in shown.all("svg") if e.attributes.get("class") == "phone"]
    assert len(pictures) == 4
    # What a phone of 360 pixels leaves between the margins.
    assert {int(picture.attributes["width"]) for picture in pictures} == {326}
    for each in drawn_for("phone", shown, "rect"):
        end = float(each.attributes.get("x", 0)) + float(each.attributes["width"])
        assert end <= 326 + 1
    ids = {e.text for e in drawn_for("phone", shown, "text") if e.attributes["class"] == "id"}
    assert max(map(len, ids)) <= 7
    [rule] = re.findall(r"@media screen and \(max-width:40rem\)\{(.*?\}.*?\})", style(shown))
    assert rule.startswith("svg.desk{display:none}svg.phone{display:block}")


def test_it_is_marked_when_a_release_became_the_target_and_how() -> None:
    a = instance("i-a", "1.0")
    is_released = {"target_source": "released", "outdated": 1}
    seen = [
        record(0, a, target="1.0", target_source="released"),
        record(5, a, target="1.1", since=at(3).isoformat(), **is_released),
        record(10, a, target="1.0", target_source="released"),
        record(15, a, target="1.0", target_source="released"),
    ]
    [group] = timeline(seen).groups
    assert group.targets == (
        Target(at(3), "1.1", "uploaded", answered=False),
        Target(at(10), "1.0", "withdrawn or pinned", answered=True),
    )
    made = pages.read(page(seen))
    titles = [e.text for e in drawn_for("desk", made, "title")]
    assert "1.1 becomes the target: it was uploaded" in titles
    old = "the one above it was withdrawn, or the pointer names it"
    assert f"1.0 becomes the target: {old}" in titles
    names = [e.text for e in made.all("text") if e.attributes["class"] == "target-name"]
    assert "▶ 1.1, no answer" in names


FOLLOWS = {"target_source": "released", "pinned": False}


@pytest.mark.parametrize(
    ("before", "after", "how"),
    [
        ({"target": "1.0"}, {"target": "1.1"}, "uploaded"),
        ({"target": "1.1"}, {"target": "1.0"}, "withdrawn"),
        ({"target": "1.1"}, {"target": "1.0", "pinned": True}, "pinned"),
        ({"target": "1.0", "pinned": True}, {"target": "1.1", "pinned": True}, "pinned"),
        ({"target": "1.0", "pinned": True}, {"target": "1.1"}, "unpinned"),
        # The bucket's history knows better: of commits nobody else tells which is newer.
        ({"target": "1.1"}, {"target": "1.0", "became": "uploaded"}, "uploaded"),
        ({"target": "1.0", "pinned": True}, {"target": "1.1", "became": "uploaded"}, "uploaded"),
    ],
)
def test_uploaded_withdrawn_pinned_and_unpinned_are_told_apart(
    before: dict[str, Any], after: dict[str, Any], how: How
) -> None:
    a = instance("i-a", "1.0")
    seen = [record(0, a, **{**FOLLOWS, **before}), record(5, a, **{**FOLLOWS, **after})]
    [group] = timeline(seen).groups
    assert [each.how for each in group.targets] == [how]
    made = pages.read(page(seen))
    [legend] = [e.text for e in made.all("li") if "becomes the target" in e.text]
    [row] = [e.text for e in made.all("tr") if after["target"] in e.text and how_in(e.text)]
    assert BECAME[how] in legend
    assert BECAME[how] in row


def test_a_rollout_that_another_target_ended_is_not_told_as_going_on() -> None:
    a = instance("i-a", "1.0")
    seen = [
        record(0, a, target="1.1", outdated=1),
        record(5, a, target="1.0", decision="converged"),
    ]
    told = " ".join(pages.read(page(seen)).text.split())
    assert "1.1 was to replace 1.0, until another target was." in told


def how_in(text: str) -> bool:
    return any(words in text for words in BECAME.values())


def test_who_waits_for_a_canary_says_so_and_who_needs_a_person_comes_first() -> None:
    canary = {"id": "i-a", "since": at(-3).isoformat(), "says": "booting for 3 minutes"}
    waits = record(0, instance("i-a"), group="a", canary=canary)
    needs = record(0, instance("i-b"), group="b", needs_attention=True, remedy="terminator stop")
    made = pages.read(page([waits, needs]))
    assert [e.text for e in made.all("h2")][1:] == ["b", "a"]
    told = " ".join(made.text.split())
    assert "waiting (canary i-a booting for 3 minutes)" in told
    assert "To do: terminator stop" in told


def test_a_highest_version_that_changes_is_no_release() -> None:
    seen = [record(5 * n, instance("i-a"), target=f"1.{n}") for n in range(3)]
    [group] = timeline(seen).groups
    assert group.targets == ()


def test_it_asks_for_nothing(shown: Element) -> None:
    told = page(two_groups())
    assert not list(shown.all("script", "img", "iframe", "object", "embed", "form", "base", "use"))
    assert {e.attributes["href"][0] for e in named(shown, "href")} <= {"#", "d"}
    assert [e.attributes["href"] for e in shown.all("link")] == ["data:,"]
    assert named(shown, "src") == []
    assert named(shown, "style") == []
    assert "http:" not in told
    assert "https:" not in told
    assert "@import" not in style(shown)
    assert re.findall(r"url\(([^)]*)\)", style(shown)) == []


def test_the_policy_allows_this_style_and_nothing_else(shown: Element) -> None:
    [policy] = [e.attributes["content"] for e in shown.all("meta") if "http-equiv" in e.attributes]
    digest = base64.b64encode(hashlib.sha256(style(shown).encode()).digest()).decode()
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def test_ids_are_unique_and_whatever_is_referred_to_is_there(shown: Element) -> None:
    ids = Counter(e.attributes["id"] for e in named(shown, "id"))
    assert {name for name, times in ids.items() if times > 1} == set()
    referred = {
        name
        for e in shown.all()
        for key in ("aria-labelledby", "aria-describedby")
        for name in e.attributes.get(key, "").split()
    }
    referred |= {e.attributes["href"][1:] for e in shown.all("a")}
    referred |= {e.attributes["fill"][5:-1] for e in named(shown, "fill")}
    assert referred <= ids.keys()


def test_those_who_do_not_see_it_are_told_the_same(shown: Element) -> None:
    assert shown.attributes["lang"] == "en"
    for picture in (e for e in shown.all("svg") if e.attributes.get("aria-hidden") != "true"):
        assert picture.attributes["role"] == "img"
        assert [child.name for child in picture.children[:2]] == ["title", "desc"]
        assert all(child.text for child in picture.children[:2])
    for table in shown.all("table"):
        assert table.children[0].name == "caption"
        assert all(cell.attributes.get("scope") in {"col", "row"} for cell in table.all("th"))
        assert all(row.children[0].name == "th" for row in table.all("tr"))
    headings = [int(e.name[1]) for e in shown.all("h1", "h2", "h3", "h4")]
    assert headings[0] == 1
    assert headings.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(headings))


def test_what_scrolls_can_be_reached_by_the_keyboard_and_has_a_name_of_its_own(
    shown: Element,
) -> None:
    scrolled = [e for e in shown.all() if "scroll" in e.attributes.get("class", "").split()]
    names = [each.attributes["aria-label"] for each in scrolled]
    assert len(scrolled) > 4
    assert len(set(names)) == len(names)
    assert all(
        (e.attributes["role"], e.attributes["tabindex"]) == ("region", "0") for e in scrolled
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_can_be_told_from_their_ground(shown: Element, scheme: str) -> None:
    colours = pages.palette(style(shown), scheme)
    for ground in (colours["ground"], colours["raised"]):
        for ink in ("ink", "muted", "accent", "alert", "good", "wait"):
            assert pages.contrast(colours[ink], ground) >= 4.5, ink
        for number in range(COLOURS):
            assert pages.contrast(colours[f"version-{number}"], ground) >= 3, number


def test_the_contrast_is_wcags() -> None:
    assert pages.contrast("#000000", "#ffffff") == pytest.approx(21)
    assert pages.contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)


def test_versions_differ_in_more_than_colour() -> None:
    many = [record(0, *(instance(f"i-{n}", f"1.{n}") for n in range(12)))]
    patterns = list(pages.read(page(many)).all("pattern"))
    looks = [
        tuple(e.attributes.get("class", "") + e.attributes.get("d", "") for e in pattern.all())
        for pattern in patterns
    ]
    assert len(set(looks)) == len(looks) == 13
    hatches = [look[1] for look in looks[:COLOURS]]
    assert len(set(hatches)) == COLOURS


@pytest.mark.parametrize("name", ["group", "reason", "target", "id", "version", "why"])
def test_whatever_a_record_says_is_text(name: str) -> None:
    member = instance(HOSTILE if name == "id" else "i-a", HOSTILE if name == "version" else "1.0")
    more = {name: HOSTILE} if name in {"group", "reason", "target"} else {}
    failed = {"failed": {HOSTILE: HOSTILE}} if name == "why" else {}
    made = page([record(0, member, outdated=1, **more, **failed)])
    assert not list(pages.read(made).all("script", "img"))
    assert "alert(1)" in pages.read(made).text


@cache
def usual() -> Counter[str]:
    """Count the elements of the page of a record without oddities, by name."""
    return Counter(e.name for e in pages.read(page([record(0, instance("i-a"))])).all())


@settings(max_examples=30)
@given(st.text(max_size=30).filter(bool), st.text(max_size=30), st.text(max_size=30))
def test_no_text_breaks_the_page(group: str, reason: str, version: str) -> None:
    odd = record(0, instance(group, version), group=group, reason=reason)
    made = page([odd])
    assert made.encode()
    found = Counter(e.name for e in pages.read(made).all())
    assert {name for name in found if found[name] != usual()[name]} <= {
        "rect",
        "g",
        "text",
        "path",
    } | ({"pattern", "li", "svg"} if not version else set())


def test_the_same_records_give_the_same_page() -> None:
    assert page(two_groups()) == page(list(reversed(two_groups())))


def test_a_dry_run_says_that_it_was_one() -> None:
    dry = [
        record(
            0, instance("i-a"), decision="canary", to_terminate=["i-a"], outdated=1, dry_run=True
        )
    ]
    assert "This was a dry run" in pages.read(page(dry)).text
    assert "would terminate i-a" in pages.read(page(dry)).text


def test_nothing_that_could_be_observed_is_a_page_too() -> None:
    failed = {**fields(0), "decision": None, "available": None, "reason": "AccessDenied: no"}
    told = pages.read(page([Record.from_json(failed)])).text
    assert "The group could not be observed." in told
    assert "AccessDenied: no" in told


def test_a_day_of_three_groups_is_small() -> None:
    day = [
        Record.from_json(each)
        for name in ("web", "api", "jobs")
        for each in following(name, 20, [20, 150], 288)
    ]
    assert len(page(day).encode()) < 400_000


def test_hundreds_of_instances_are_thinned_out_with_a_note() -> None:
    seen = [Record.from_json(each) for each in following("web", 300, [1], 40, max_unavailable=20)]
    seen += [record(5 * n, instance("i-a"), group="web", desired=n) for n in range(40, 400)]
    thinned = pages.read(page(seen))
    bars = [e for e in drawn_for("desk", thinned, "text") if e.attributes["class"] == "id"]
    assert len(bars) == MOST_BARS
    assert f"{MOST_BARS} of 601 instances are shown" in thinned.text
    assert f"{MOST_ROWS} of " in thinned.text


def work(records: int, versions: int) -> int:
    """Return how many lines of ours run for a page of so many records and versions."""
    ran = 0

    def trace(frame: Any, event: str, _argument: Any) -> Any:
        nonlocal ran
        ran += event == "line"
        return trace if "terminator_cli" in frame.f_code.co_filename else None

    seen = [
        record(
            5 * n,
            *(instance(f"i-{m}", f"1.{m}") for m in range(versions)),
            target=f"2.{n}",
            reason=f"{n}",
            outdated=versions,
            terminated=[f"i-{n % versions}"],
        )
        for n in range(records)
    ]
    sys.settrace(trace)
    try:
        page(seen)
    finally:
        sys.settrace(None)
    return ran


def test_the_work_grows_with_the_records_and_versions_and_no_faster() -> None:
    usual = work(40, 60)
    assert work(80, 60) < 2.2 * usual
    assert work(40, 120) < 2.2 * usual


def test_hundreds_of_versions_are_a_page() -> None:
    ids = [instance(f"i-{n}", f"1.{n}") for n in range(400)]
    made = pages.read(page([record(5 * n, *ids, minimum=n) for n in range(100)]))
    assert len(list(made.all("pattern"))) == 401
    bands = [e for e in drawn_for("desk", made, "path") if e.attributes.get("class") == "band"]
    assert len(bands) == 400


def test_the_sentence_does_not_praise_what_fell_below_the_minimum() -> None:
    a, b = instance("i-a"), instance("i-b")
    fell = [
        record(0, a, b, terminated=["i-a"], decision="replace", outdated=1, target="1.1"),
        record(5, instance("i-b"), minimum=2, target="1.1"),
    ]
    told = pages.read(page(fell)).text
    assert "1 instance was terminated; at the lowest 1 available, below the minimum of 2." in told
