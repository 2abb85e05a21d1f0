"""The deployment's settings: what `cdk.json` may say under `context.terminator`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terminator.config import tags as policy
from terminator.config.deployment import Config, ConfigError, from_file, from_settings
from terminator.config.values import Amount

if TYPE_CHECKING:
    from collections.abc import Mapping

SHIPPED = Path(__file__).parents[2] / "cdk.json"
TAGGED: dict[str, object] = {"groups": {"tagged": True}}
# What is set besides the groups, the setting at fault, its text, and what is accepted.
REFUSED: list[tuple[Mapping[str, object], str, str, str]] = [
    ({"dry_run": "yes"}, "dry_run", "yes", "true or false"),
    ({"dry_run": 0}, "dry_run", "0", "true or false"),
    ({"dry_run": None}, "dry_run", "null", "true or false"),
    ({"group_metrics": 1}, "group_metrics", "1", "true or false"),
    ({"groups": {"tagged": "true"}}, "groups.tagged", "true", "true or false"),
    ({"groups": ["web"]}, "groups", "web", "an object"),
    ({"groups": None}, "groups", "null", "an object"),
    ({"groups": {"names": "web"}}, "groups.names", "web", "a list of names"),
    ({"groups": {"names": ["a", ""]}}, "groups.names", "a", "a list of names"),
    ({"groups": {"names": [7]}}, "groups.names", "7", "a list of names"),
    ({"groups": {"names": None}}, "groups.names", "null", "a list of names"),
    ({"releases": "bucket"}, "releases", "bucket", "an object"),
    ({"releases": {}}, "releases.bucket", "null", "the name of a bucket"),
    ({"releases": {"bucket": ""}}, "releases.bucket", "", "the name of a bucket"),
    ({"releases": {"bucket": 7}}, "releases.bucket", "7", "the name of a bucket"),
    ({"releases": {"bucket": "bkt", "key": 7}}, "releases.key", "7", "{app}/{version}.zip"),
    ({"releases": {"bucket": "bkt", "key": "x.zip"}}, "releases.key", "x.zip", "{app}"),
    ({"policy": "fast"}, "policy", "fast", "an object"),
    ({"policy": None}, "policy", "null", "an object"),
    ({"policy": {"minimum": "half"}}, "policy.minimum", "half", "such as 50%"),
    ({"policy": {"port": 0.5}}, "policy.port", "0.5", "1 to 65535"),
    ({"policy": {"scheme": True}}, "policy.scheme", "true", "http or https"),
]
UNKNOWN: list[tuple[Mapping[str, object], str, str, str]] = [
    ({"dryrun": False}, "terminator", "dryrun", "dry_run"),
    ({"Groups": {}}, "terminator", "Groups", "groups"),
    ({"groups": {"name": ["a"]}}, "groups", "name", "names"),
    ({"releases": {"bucket": "bkt", "template": "x"}}, "releases", "template", "key"),
    ({"policy": {"minimun": "1"}}, "policy", "minimun", "minimum"),
    ({"policy": {"app": "web"}}, "policy", "app", "minimum"),
]

words = st.sampled_from(
    ["dry_run", "groups", "names", "tagged", "releases", "bucket", "key", "policy", "minimum", "x"]
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=4),
    max_leaves=12,
)


def refusal(given_settings: object) -> str:
    """Return why settings are refused."""
    with pytest.raises(ConfigError) as error:
        from_settings(given_settings)
    return str(error.value)


def write(folder: Path, content: bytes) -> Path:
    """Write a configuration file and return its path."""
    path = folder / "cdk.json"
    path.write_bytes(content)
    return path


def test_what_is_not_set_has_its_default() -> None:
    assert from_settings(TAGGED) == Config(
        names=(),
        tagged=True,
        bucket=None,
        defaults=policy.defaults({}),
        dry_run=True,
        group_metrics=False,
    )


def test_a_configuration_is_a_dry_run_unless_it_says_otherwise() -> None:
    config = Config(names=("web",), tagged=False, bucket=None, defaults=policy.defaults({}))
    assert config.dry_run


def test_everything_that_is_set_is_read() -> None:
    config = from_settings(
        {
            "dry_run": False,
            "groups": {"names": ["b", "a", "b"], "tagged": False},
            "releases": {"bucket": "releases", "key": "zips/{app}/{version}.zip"},
            "policy": {"minimum": 2, "port": "8080"},
            "group_metrics": True,
        }
    )
    assert (config.names, config.tagged, config.dry_run) == (("b", "a"), False, False)
    assert config.bucket is not None
    assert config.bucket.name == "releases"
    assert config.bucket.template.text == "zips/{app}/{version}.zip"
    assert (config.defaults.minimum, config.defaults.port) == (Amount(2), 8080)
    assert config.group_metrics is True


def test_the_key_template_has_a_default() -> None:
    config = from_settings(TAGGED | {"releases": {"bucket": "releases"}})
    assert config.bucket is not None
    assert config.bucket.template.text == "{app}/{version}.zip"


def test_groups_may_be_named_and_tagged() -> None:
    config = from_settings({"groups": {"names": ["web"], "tagged": True}})
    assert (config.names, config.tagged) == (("web",), True)


def test_settings_of_the_deployment_alone_are_known() -> None:
    deployment = {"schedule": "rate(5 minutes)", "vpcs": {}, "tracing": True}
    assert from_settings(TAGGED | deployment) == from_settings(TAGGED)


@pytest.mark.parametrize(("changed", "name", "text", "accepted"), REFUSED)
def test_a_refusal_names_setting_text_and_what_is_accepted(
    changed: Mapping[str, object], name: str, text: str, accepted: str
) -> None:
    said = refusal({**TAGGED, **changed})
    assert said.startswith((f"{name} says ", f"{name}: "))
    assert text in said.removeprefix(name).partition("accepted is ")[0]
    assert accepted in said.partition("accepted is ")[2]


@pytest.mark.parametrize(("changed", "where", "name", "known"), UNKNOWN)
def test_an_unknown_setting_is_refused_and_the_known_ones_are_listed(
    changed: Mapping[str, object], where: str, name: str, known: str
) -> None:
    before, _, after = refusal({**TAGGED, **changed}).partition("accepted are ")
    assert before.startswith(where)
    assert "unknown" in before
    assert name in before
    assert known in after.split(", ")


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "null"), ([], "[]"), ("tagged", "tagged"), (7, "7"), (True, "true")],
)
def test_settings_that_are_no_object_are_refused(value: object, shown: str) -> None:
    assert refusal(value) == f'terminator says "{shown}"; accepted is an object'


@pytest.mark.parametrize(
    "groups", [{}, {"groups": {}}, {"groups": {"names": []}}, {"groups": {"tagged": False}}]
)
def test_no_group_named_and_no_tag_is_an_error_that_says_what_to_do(groups: object) -> None:
    said = refusal(groups)
    assert said.startswith("no groups: ")
    assert all(word in said for word in ("groups.names", "groups.tagged", "terminator:enabled"))


@given(st.dictionaries(words, values), st.sampled_from([{}, TAGGED]))
def test_any_settings_are_read_or_refused_in_a_printable_line(
    some: dict[str, object], groups: dict[str, object]
) -> None:
    try:
        config = from_settings(some | groups)
    except ConfigError as error:
        said = str(error)
        assert said.replace("…", "").isascii()
        assert said.isprintable()
    else:
        assert config.names or config.tagged


def test_the_configuration_that_is_shipped_is_read_and_is_a_dry_run() -> None:
    config = from_file(SHIPPED)
    assert config.dry_run
    assert config.tagged
    assert config.defaults == policy.defaults({})


def test_a_file_is_read_from_context_terminator(tmp_path: Path) -> None:
    document = {"app": "python app.py", "context": {"terminator": TAGGED, "other": 1}}
    path = write(tmp_path, json.dumps(document).encode())
    assert from_file(path) == from_settings(TAGGED)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "not JSON: "),
        (b"{", "not JSON: "),
        (b"\xff\xfe", "not JSON: "),
        (b"[]", "no settings under context.terminator"),
        (b"{}", "no settings under context.terminator"),
        (b'{"context": []}', "no settings under context.terminator"),
        (b'{"context": {}}', "no settings under context.terminator"),
        (b'{"context": {"terminator": null}}', "no settings under context.terminator"),
        (b'{"terminator": {"groups": {}}}', "no settings under context.terminator"),
    ],
)
def test_a_file_without_settings_is_named(tmp_path: Path, content: bytes, said: str) -> None:
    path = write(tmp_path, content)
    with pytest.raises(ConfigError) as error:
        from_file(path)
    assert str(error.value).startswith(f"{path}: {said}")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for path, reason in ((tmp_path / "none", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(ConfigError) as error:
            from_file(path)
        assert str(error.value).startswith(f"{path}: {reason}")


def test_a_setting_in_a_file_that_is_refused_is_named(tmp_path: Path) -> None:
    document = {"context": {"terminator": TAGGED | {"dry_run": "no"}}}
    with pytest.raises(ConfigError, match=r"dry_run says .*no.*; accepted is true or false"):
        from_file(write(tmp_path, json.dumps(document).encode()))
