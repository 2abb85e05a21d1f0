"""Keys in the releases bucket: templates, zips and pointers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terminator.config.release_keys import (
    KeyNameError,
    KeyTemplate,
    KeyTemplateError,
    pointed_app,
    pointer_key,
)
from terminator.text import quoted
from terminator.version import Version

TEMPLATES = [
    "{app}/{version}.zip",
    "releases/{app}/{version}.zip",
    "{app}/releases/{version}.zip",
    "{app}/web-{version}-win.zip",
    "eu (1)/{app}+x/{version}.zip",
    "{version}/{app}.zip",
    "{app}/{version}.jar",
    "{app}/{version}.tar.gz",
    "{app}/{version}.ZIP",
    "{app}/{app}-{version}.zip",
    "{version}/{app}/{app}.zip",
]
NO_TEMPLATES = [
    "",
    "{app}{version}.zip",
    "{app}-{version}.zip",
    "x/{app}-{version}.zip",
    "{app}/{version}",
    "{app}/{version}/",
    "{app}/{version}.zip\n",
    "{app}/{version}/{version}.zip",
    "{app}/{version}/{build}.zip",
    "{App}/{Version}.zip",
    "{}/{version}.zip",
    "{{app}}/{{version}}.zip",
    "}/{app}{version}.zip",
    "{app}{version}/}{.zip",
]
READ = [
    ("web/1.0.274.zip", "web", "1.0.274"),
    ("web/v2.zip", "web", "v2"),
    ("web/2026.11.zip", "web", "2026.11"),
    ("Live_asg-2.eu/1.0.0-rc.1+b.7.zip", "Live_asg-2.eu", "1.0.0-rc.1+b.7"),
    ("1.0/2.0.zip", "1.0", "2.0"),
    ("web/1.0-a.zip.zip", "web", "1.0-a.zip"),
]
OTHER_FORM = [
    "",
    "web",
    "1.0.zip",
    "web/",
    "web/1.0",
    "web/1.0.ZIP",
    "web/1.0.tar.gz",
    "web/1.0.zip.sig",
    "web/1.0.zip\n",
    "web/.zip",
    "/1.0.zip",
    "/web/1.0.zip",
    "web//1.0.zip",
    "web/old/1.0.zip",
    "eu/web/1.0.zip",
    "web/../1.0.zip",
    "../web/1.0.zip",
    "web/current",
    "web\u22151.0.zip",
    "web\\1.0.zip",
    "web/1.0\u2024zip",
    "web%2f1.0.zip",
    "web/1.0.zip\0",
    "web/1.0.zip/",
    "web/1.0.\uff3aip",
    "\\\\web\\1.0.zip",
    "c:\\web/1.0.zi\u0440",
    "./web/1.0.zip",
    "web/./1.0.zip",
]
NO_VERSION = [
    "web/latest.zip",
    "web/current.zip",
    "web/...zip",
    "web/1.0 (1).zip",
    "web/1.0.zip.zip",
    "web/1.0\n.zip",
    "web/web-1.0.zip",
    "web/{version}.zip",
    "web/\uff11.\uff10.zip",
    "web/1\u20240.zip",
    "web/\u202e1.0.zip",
    "web/1_0.zip",
    "web/+1.zip",
    "web/1e5.zip",
    "web/NaN.zip",
    "web/ 1.0.zip",
    "web/1.0 .zip",
    "web/1.0\0.zip",
    "web/%31.0.zip",
    "web/1.0\\..\\2.0.zip",
]
NO_APP = [
    "../1.0.zip",
    "./1.0.zip",
    ".web/1.0.zip",
    "web./1.0.zip",
    "a..b/1.0.zip",
    "-web/1.0.zip",
    "my web/1.0.zip",
    "web\n/1.0.zip",
    "w\u0435b/1.0.zip",
    "\uff57eb/1.0.zip",
    "web\x00/1.0.zip",
    "{app}/1.0.zip",
    "we\u0301b/1.0.zip",
    "w\u00e9b/1.0.zip",
    "web\\..\\api/1.0.zip",
    "%2e%2e/1.0.zip",
    "web\uff0fapi/1.0.zip",
    "web\u2215api/1.0.zip",
    "web\x1b[2J/1.0.zip",
    "\u202ebew/1.0.zip",
]
NO_POINTERS = [
    "",
    "current",
    "/current",
    "web/current/",
    "web/current.zip",
    "web/current\n",
    "web/Current",
    "web/xcurrent",
    "web-current",
    "web/1.0.zip",
]

default = KeyTemplate.parse("{app}/{version}.zip")
apps = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,8}(\.[A-Za-z0-9_-]{1,4}){0,2}", fullmatch=True)
versions = st.from_regex(
    r"v?[0-9]{1,3}(\.[0-9]{1,3}){0,4}(-(rc|zip)\.[1-9])?(\+[a-z-]{1,4})?", fullmatch=True
)


def refusal(key: str) -> str:
    """Return why the default template refuses a key."""
    with pytest.raises(KeyNameError) as error:
        default.read(key)
    return str(error.value)


@pytest.mark.parametrize("text", TEMPLATES)
def test_a_template_names_app_and_version_with_a_slash_between(text: str) -> None:
    assert KeyTemplate.parse(text).text == text


@pytest.mark.parametrize("text", NO_TEMPLATES)
def test_any_other_template_is_refused(text: str) -> None:
    with pytest.raises(KeyTemplateError) as error:
        KeyTemplate.parse(text)
    assert str(error.value) == (
        f"{quoted(text)}; accepted is a key with {{app}} and {{version}}, a / between them and an "
        "extension such as .zip at its end"
    )


@pytest.mark.parametrize("text", ["releases.zip", "{version}.zip", "app-{version}.zip"])
def test_a_template_without_app_needs_the_one_app(text: str) -> None:
    with pytest.raises(KeyTemplateError, match=r"names no \{app\}; accepted .* releases\.app"):
        KeyTemplate.parse(text)
    assert KeyTemplate.parse(text, "web").only_app == "web"


def test_a_template_with_app_takes_no_one_app() -> None:
    with pytest.raises(KeyTemplateError, match=r"names \{app\}, so releases\.app must not"):
        KeyTemplate.parse("{app}/{version}.zip", "web")


def test_the_keys_of_one_app_need_not_name_it() -> None:
    flat = KeyTemplate.parse("app-{version}.zip", "web")
    assert flat.read("app-1.0-rc.1.zip") == ("web", Version.parse("1.0-rc.1"))
    assert flat.key("web", Version.parse("1.0")) == "app-1.0.zip"
    assert flat.prefix("web") == "app-"


def test_an_app_that_is_named_twice_is_the_same_both_times() -> None:
    twice = KeyTemplate.parse("{app}/{app}-{version}.zip")
    assert twice.read("my-web/my-web-1.0.zip") == ("my-web", Version.parse("1.0"))
    with pytest.raises(KeyNameError, match="is not of the form"):
        twice.read("web/api-1.0.zip")


@pytest.mark.parametrize(("text", "only_app"), [("{app}.zip", ""), ("deploy.zip", "web")])
def test_a_fixed_name_has_no_version_in_its_key(text: str, only_app: str) -> None:
    fixed = KeyTemplate.parse(text, only_app)
    key = fixed.key("web", Version.parse("1.0"))
    assert (fixed.is_fixed, fixed.app_of(key), fixed.prefix("web")) == (True, "web", key)
    with pytest.raises(KeyNameError, match="names no version"):
        fixed.read(key)


@pytest.mark.parametrize(
    ("ending", "is_zip"), [("zip", True), ("ZIP", True), ("jar", False), ("tar.gz", False)]
)
def test_only_zips_are_zips(ending: str, *, is_zip: bool) -> None:
    assert KeyTemplate.parse(f"{{app}}/{{version}}.{ending}").is_zip is is_zip


def test_a_key_of_opaque_versions_names_whatever_its_order_takes() -> None:
    assert str(default.read("web/9f8e7d6.zip", "uploaded")[1]) == "9f8e7d6"
    assert "names no version" in refusal("web/9f8e7d6.zip")


@pytest.mark.parametrize(("key", "app", "version"), READ)
def test_a_key_names_an_app_and_a_version(key: str, app: str, version: str) -> None:
    named, read = default.read(key)
    assert (named, str(read)) == (app, version)


@pytest.mark.parametrize("key", OTHER_FORM)
def test_a_key_of_another_form_is_refused(key: str) -> None:
    assert refusal(key).endswith(" is not of the form {app}/{version}.zip")


@pytest.mark.parametrize("key", NO_VERSION)
def test_a_key_that_names_no_version_is_refused(key: str) -> None:
    assert " names no version: not a version: " in refusal(key)


@pytest.mark.parametrize("key", NO_APP)
def test_a_key_that_names_no_app_is_refused(key: str) -> None:
    assert refusal(key).endswith(" names no app")


def test_a_key_of_1024_bytes_is_read_or_refused_in_a_short_line() -> None:
    app, version = "a" * 256, "1" * 1016  # no tag, and no group's name, is longer
    assert default.read(f"{app}/1.0.zip") == (app, Version.parse("1.0"))
    long = f"{'a' * 1016}/1.0.zip"
    for key in (long, f"web/{version}.zip", "x" * 1024, f"{'a' * 1015}./1.0.zip", "a/" * 512):
        assert len(key) == 1024
        assert len(refusal(key)) < 300


@pytest.mark.parametrize(
    ("start", "end", "why"),
    [
        ("", "x", " is not of the form {app}/{version}.zip"),
        ("web/", "x.zip", ' names no version: not a version: "' + "x" * 60 + '…"'),
        ("", "./1.zip", " names no app"),
    ],
)
def test_120_characters_of_a_key_are_quoted(start: str, end: str, why: str) -> None:
    key = start + "x" * (120 - len(start) - len(end)) + end
    assert refusal(key) == f"key {quoted(key, 120)}{why}"
    longer = start + "x" + key.removeprefix(start)
    assert refusal(longer) == f'key "{longer[:120]}…"{why}'


@given(st.text(max_size=40), st.sampled_from(["", "web/"]))
def test_any_key_is_read_or_refused_in_a_printable_line(text: str, start: str) -> None:
    for key in (text, f"{start}{text}.zip", f"{text}/1.0.zip"):
        try:
            app, version = default.read(key)
        except KeyNameError as error:
            said = str(error)
            assert said.replace("…", "").isascii()
            assert said.isprintable()
        else:
            assert key == f"{app}/{version}.zip"


@given(st.sampled_from(TEMPLATES), apps, versions)
def test_a_key_made_from_a_template_is_read_back(template: str, app: str, version: str) -> None:
    made = KeyTemplate.parse(template)
    key = made.key(app, Version.parse(version))
    assert key == template.replace("{app}", app).replace("{version}", version)
    read_app, read_version = made.read(key)
    assert (read_app, str(read_version)) == (app, version)


@given(st.sampled_from(TEMPLATES), apps, versions)
def test_the_zips_of_an_app_begin_with_its_prefix(template: str, app: str, version: str) -> None:
    made = template.replace("{app}", app).replace("{version}", version)
    assert made.startswith(KeyTemplate.parse(template).prefix(app))


def test_the_prefix_of_an_app_leaves_out_apps_that_begin_alike() -> None:
    assert default.prefix("web") == "web/"
    assert KeyTemplate.parse("releases/{app}/{version}.zip").prefix("web") == "releases/web/"


def test_the_characters_of_a_template_mean_themselves() -> None:
    dotted = KeyTemplate.parse("a.b/{app}/{version}.zip")
    assert dotted.read("a.b/web/1.0.zip")[0] == "web"
    with pytest.raises(KeyNameError):
        dotted.read("axb/web/1.0.zip")


def test_the_pointer_of_an_app_is_current_beside_its_zips() -> None:
    assert pointer_key("web") == "web/current"


@given(apps)
def test_a_pointer_is_known_by_its_key(app: str) -> None:
    assert pointed_app(pointer_key(app)) == app


@pytest.mark.parametrize("key", NO_POINTERS)
def test_any_other_key_is_no_pointer(key: str) -> None:
    assert pointed_app(key) is None


def test_what_stands_before_current_is_the_app_even_if_its_name_is_refused_later() -> None:
    assert pointed_app("a/b/current") == "a/b"
