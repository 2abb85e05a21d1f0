"""Real versions, answers and keys, and what would be right of each.

inputs.jsonl has them as their tools and services write them: a kind, an input, patterns of which
any is right, and where it was seen. `read 1.0`, `refused: why`, `<` (the newer text is the newer
release, once both are uploaded in turn), `app web version 1.0`, `target web/1.0.zip`.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from terminator.config import tags
from terminator.config.release_keys import KeyNameError, KeyTemplate, KeyTemplateError
from terminator.model import NoRelease, Release
from terminator.observe.releases import find, rank
from terminator.probe.body import NoVersionError, parse_body
from terminator.version import NotAVersionError, Version
from tests.observe.bucket import NAME, Made, at

ROWS: Final = [json.loads(line) for line in Path(__file__).with_name("inputs.jsonl").open()]

# What differs from what its source calls right, and why.
DIFFERS: Final[Mapping[str, str]] = {
    "0.0.0-experimental-1324e1bb-20251016 0.0.0-experimental-132b72d7b": (
        "npm orders the hashes, which say nothing of what came first"
    ),
    "1.0 1.0-1": "1.0-1 is a pre-release to SemVer; PEP 440 takes the order uploaded",
    "1.0-alpha-10 1.0-SNAPSHOT": (
        "SemVer orders letters as ASCII does, capitals first; Maven's order takes uploaded"
    ),
    "v1.3.3 v1.3.3-Patch": "what follows a hyphen is a pre-release to SemVer",
    "releases/{version}/{app}.jar": "other endings than .zip are accepted, and not looked into",
}


def reads(body: str = "", field: str = "version", **raw: str) -> str:
    """Say what is read of a body."""
    data = base64.b64decode(raw["base64"]) if raw else body.encode()
    try:
        return f"read {parse_body(data, field)}"
    except NoVersionError as error:
        return f"refused: {error}"


def parses(text: str) -> str:
    """Say what a text is read as."""
    try:
        return f"read {Version.parse(text)}"
    except NotAVersionError as error:
        return f"refused: {error}"


def compares(older: str, newer: str, scheme: str) -> str:  # noqa: ARG001 - where it is from
    """Say how two releases rank that are uploaded in turn."""
    try:
        one, other = (
            Release(f"web/{text}.zip", Version.parse(text), at(minute))
            for minute, text in enumerate((older, newer))
        )
    except NotAVersionError as error:
        return f"refused {error}"
    return "<" if rank(one) < rank(other) else ">"


def sets(name: str, text: str) -> str:
    """Say whether a setting is accepted."""
    try:
        policy = tags.defaults({name: text})
    except tags.SettingError:
        return "refused"
    return f"accepted {getattr(policy, name)}"


def names(template: str, key: str) -> str:
    """Say what a key names."""
    try:
        made = KeyTemplate.parse(template)
    except KeyTemplateError as error:
        return f"template refused: {error}"
    try:
        app, version = made.read(key)
    except KeyNameError as error:
        return f"refused: {error}"
    return f"app {app} version {version}"


def targets(
    uploads: list[str], app: str, template: str, data: Mapping[str, str] | None = None
) -> str:
    """Say what is to run once all this was uploaded in turn."""
    bucket = Made()
    for minute, key in enumerate(uploads):
        bucket.put(key, minute, (data or {}).get(key, f"the zip {key}"))
    found = find(bucket.client, NAME, KeyTemplate.parse(template), app)
    if isinstance(found, NoRelease):
        return f"none: {found.reason}"
    return f"target {found.release.key}"


SAYS: Final[Mapping[str, Callable[..., str]]] = {
    "body": reads,
    "parse": parses,
    "order": compares,
    "setting": sets,
    "key": names,
    "target": targets,
}


def is_right(row: Mapping[str, Any]) -> bool:
    """Say whether what is said of a row is right."""
    said = SAYS[row["kind"]](**row["input"])
    return any(re.fullmatch(pattern, said, re.DOTALL) for pattern in row["right"])


def named(row: Mapping[str, Any]) -> str:
    """Return what DIFFERS calls a row."""
    of = row["input"]
    if row["kind"] == "order":
        return f"{of['older']} {of['newer']}"
    return str(of.get("template") or of.get("text") or "")


@pytest.mark.parametrize(
    "row", [row for row in ROWS if named(row) not in DIFFERS], ids=lambda row: json.dumps(row)[:90]
)
def test_a_real_input_is_taken_as_is_right(row: Mapping[str, Any]) -> None:
    assert is_right(row), SAYS[row["kind"]](**row["input"])


@pytest.mark.parametrize("row", [row for row in ROWS if named(row) in DIFFERS], ids=named)
def test_what_differs_still_does(row: Mapping[str, Any]) -> None:
    assert not is_right(row)


def test_every_difference_is_one_of_the_inputs() -> None:
    assert DIFFERS.keys() <= {named(row) for row in ROWS}
