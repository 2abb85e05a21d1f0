"""The runbook and the other pages for operators: nothing of the code is missing in them."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

import pytest

from infra.dashboard import SAVED
from terminator.config.deployment import ConfigError, deployment_from_settings
from terminator.config.tags import TAG_PREFIX, SettingError, defaults
from terminator.decide.holds import HOLDS, remedy
from terminator.model import Decision, HoldName
from terminator.report.metrics import metrics
from terminator.report.record import Record
from tests.infra.synthesized import FULL, LEAST, resources, template

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def sections(kind: str) -> dict[str, str]:
    """Return the runbook's text on each alarm or hold."""
    parts = re.split(r"^#+ ", page("runbook.md"), flags=re.MULTILINE)
    found = (part.partition("\n") for part in parts if part.startswith(f"{kind}: "))
    return {title.removeprefix(f"{kind}: "): text.strip() for title, _, text in found}


def alarms() -> list[str]:
    made = resources(template(FULL), "AWS::CloudWatch::Alarm").values()
    return sorted(each["Properties"]["AlarmName"].partition("-")[2] for each in made)


def test_the_runbook_has_every_alarm_and_no_other() -> None:
    assert sorted(sections("alarm")) == alarms()


def test_the_runbook_has_every_hold_in_the_order_in_which_they_are_asked() -> None:
    assert list(sections("hold")) == list(get_args(HoldName))


@pytest.mark.parametrize("hold", get_args(HoldName))
def test_the_runbook_says_of_a_hold_when_it_needs_attention(hold: HoldName) -> None:
    told, rule = " ".join(sections("hold")[hold].split()), HOLDS[hold]
    [when] = re.findall(
        r"Needs attention (at once|after a day, or after three hours|after a day)", told
    )
    if rule.never_ends:
        assert when == "at once"
    else:
        hours = rule.patience // timedelta(hours=1)
        assert {24: "after a day", 3: "after a day, or after three hours"}[hours] == when


@pytest.mark.parametrize("hold", get_args(HoldName))
def test_the_runbook_says_what_to_do_in_the_words_of_status_and_log(hold: HoldName) -> None:
    needs = Decision("hold", "why", hold=hold, needs_attention=True)
    told = " ".join(sections("hold")[hold].replace("`", "").split())
    assert told.endswith(f"**To do**: {remedy(needs, 'GROUP', 'APP')}")


def test_every_hold_is_in_the_table_of_holds() -> None:
    assert HOLDS.keys() == set(get_args(HoldName))


def test_the_page_of_metrics_has_every_metric_and_alarm() -> None:
    listed = set(re.findall(r"^\| `([A-Z]\w+)` \|", page("metrics.md"), flags=re.MULTILINE))
    assert listed == metrics([]).keys() | {"EventsNotPut", "PassedOver", "Withdrawn"}
    rows = re.findall(r"^\| `([a-z-]+)` \|", page("metrics.md"), flags=re.MULTILINE)
    assert sorted(rows) == alarms()


def test_the_page_of_metrics_and_the_runbook_name_the_saved_queries() -> None:
    text = " ".join(page("metrics.md").split())
    assert all(f"*{title}*" in text for title in SAVED)
    named = re.findall(r"saved\s+query\s+\*([^*]+)\*", page("runbook.md"))
    assert named
    assert {" ".join(name.split()) for name in named} <= SAVED.keys()


def test_alarms_point_to_queries_and_places_that_there_are() -> None:
    for alarm in resources(template(LEAST), "AWS::CloudWatch::Alarm").values():
        tells = alarm["Properties"]["AlarmDescription"]
        for title in re.findall(r"saved query terminator/([a-z ]+)", tells):
            assert any(title.startswith(known) for known in SAVED), title
        assert "docs/runbook.md" in tells


def test_the_page_of_events_shows_an_event_of_the_schema() -> None:
    from jsonschema import validate  # noqa: PLC0415 - for this test alone

    blocks = re.findall(r"```json\n(.*?)```", page("events.md"), flags=re.DOTALL)
    example = next(json.loads(block) for block in blocks if "schema_version" in block)
    validate(example, json.loads(page("events.schema.json")))
    kinds = set(re.findall(r"^\| `(Terminator \w+)` \|", page("events.md"), flags=re.MULTILINE))
    of_records = json.loads(page("events.schema.json"))["properties"]["detail-type"]["enum"]
    assert kinds == {*of_records, "Terminator Upload"}
    upload = next(json.loads(block) for block in blocks if '"refused"' in block)
    validate(upload["detail"], json.loads(page("uploads.schema.json")))


def test_links_between_the_pages_lead_somewhere() -> None:
    for path in (*DOCS.rglob("*.md"), ROOT / "README.md"):
        text = path.read_text(encoding="utf-8")
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", text):
            assert (path.parent / target).exists(), f"{path.name}: {target}"


def test_the_page_of_records_shows_all_the_fields_of_one() -> None:
    [block] = re.findall(r"```json\n(.*?)```", page("records.md"), re.DOTALL)
    shown: dict[str, Any] = json.loads(block.replace(", …", ""))
    assert list(shown) == list(Record("live_asg_web").to_json())


def test_the_page_of_settings_lists_the_one_for_mails() -> None:
    assert "| `alarm_email` | none |" in page("settings.md")
    assert deployment_from_settings(LEAST).alarm_email is None


def test_the_readme_is_read_in_one_go() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


def listed_settings() -> tuple[set[str], set[str]]:
    """Return the names of deployment settings and of tags that the page of settings lists."""
    rows = re.findall(r"^\| ((?:`[^`]+` ?)+)\|", page("settings.md"), flags=re.MULTILINE)
    names = {name for row in rows for name in re.findall(r"`([^`]+)`", row)}
    tags = {name.removeprefix(TAG_PREFIX) for name in names if name.startswith(TAG_PREFIX)}
    return {name for name in names if not name.startswith(TAG_PREFIX)}, tags


def test_the_page_of_settings_has_every_tag_and_no_other() -> None:
    with pytest.raises(SettingError) as refused:
        defaults({"nothing": "of these"})
    known = str(refused.value).partition("accepted are ")[2].split(", ")
    assert listed_settings()[1] == {*known, "enabled", "app", "after"}


def accepted(settings: dict[str, Any]) -> set[str]:
    """Return the names that a refusal of an unknown setting says are accepted."""
    with pytest.raises(ConfigError) as refused:
        deployment_from_settings(settings)
    return set(str(refused.value).partition("accepted are ")[2].split(", "))


def test_the_page_of_settings_has_every_setting_of_a_deployment_and_no_other() -> None:
    known = accepted({"nothing": 1})
    for inner in ("groups", "releases", "limits"):
        known.remove(inner)
        settings = {"groups": {"tagged": True}, inner: {"nothing": 1}}
        known |= {f"{inner}.{each}" for each in accepted(settings)}
    # Those of an app are explained with that of all.
    assert listed_settings()[0] == known - {"releases.apps"}
