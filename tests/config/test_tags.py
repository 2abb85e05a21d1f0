"""The settings of a group: tags over the configuration's defaults over the built-in ones."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from terminator.config.tags import Policy, SettingError, defaults, for_group
from terminator.config.values import Amount, Window
from terminator.text import quoted

OFFICE_HOURS = "Mon-Fri 09:00-17:00 Europe/London"
READ = [
    ("terminator:app", "web", "app", "web"),
    ("terminator:app", "Live_asg-2.eu", "app", "Live_asg-2.eu"),
    ("terminator:minimum", "2", "minimum", Amount(2)),
    ("terminator:minimum", "0", "minimum", Amount(0)),
    ("terminator:minimum", "100%", "minimum", Amount(100, percent=True)),
    ("terminator:max-unavailable", "3", "max_unavailable", Amount(3)),
    ("terminator:max-unavailable", "1%", "max_unavailable", Amount(1, percent=True)),
    ("terminator:scheme", "http", "scheme", "http"),
    ("terminator:scheme", "https", "scheme", "https"),
    ("terminator:port", "1", "port", 1),
    ("terminator:port", "65535", "port", 65535),
    ("terminator:path", "/", "path", "/"),
    ("terminator:path", "/api/v1/version?full=1&x=%20", "path", "/api/v1/version?full=1&x=%20"),
    ("terminator:host", "www.example.com", "host", "www.example.com"),
    ("terminator:host", "10.0.3.17:8080", "host", "10.0.3.17:8080"),
    ("terminator:version-field", "build.version", "version_field", "build.version"),
    ("terminator:version-field", "Version+Prerelease", "version_field", "Version+Prerelease"),
    ("terminator:version-field", "build version", "version_field", "build version"),
    ("terminator:version-field", "a.b.c.d" + ".e" * 12, "version_field", "a.b.c.d" + ".e" * 12),
    ("terminator:version-header", "X-Version", "version_header", "X-Version"),
    ("terminator:version-prefix", "Apache Tomcat/", "version_prefix", "Apache Tomcat/"),
    ("terminator:version-suffix", " (stable)", "version_suffix", " (stable)"),
    ("terminator:pause", "until Monday", "pause", "until Monday"),
    ("terminator:pause", "", "pause", ""),
    ("terminator:bake-time", "90s", "bake_time", timedelta(seconds=90)),
    ("terminator:bake-time", "0m", "bake_time", timedelta(0)),
    ("terminator:bake-time", "30d", "bake_time", timedelta(days=30)),
    ("terminator:bake-time", "1h30m", "bake_time", timedelta(minutes=90)),
    ("terminator:max-age", "1w2d", "max_age", timedelta(days=9)),
    ("terminator:warm-up", "0m", "warm_up", timedelta(0)),
    ("terminator:warm-up", "90s", "warm_up", timedelta(seconds=90)),
    ("terminator:canary-retry", "1m", "canary_retry", timedelta(minutes=1)),
    ("terminator:canary-retry", "2h", "canary_retry", timedelta(hours=2)),
    ("terminator:window", OFFICE_HOURS, "window", Window.parse(OFFICE_HOURS)),
    ("terminator:window", "always", "window", None),
    ("terminator:alarm", "web 5xx: too many", "alarm", "web 5xx: too many"),
    ("terminator:alarms", "web-5xx web-latency", "alarms", ("web-5xx", "web-latency")),
    ("terminator:alarms", " a  b a ", "alarms", ("a", "b")),
    ("terminator:follow", "release", "follow", frozenset({"release"})),
    ("terminator:follow", "template", "follow", frozenset({"template"})),
    ("terminator:follow", "template  release", "follow", frozenset({"template", "release"})),
    ("terminator:images", "false", "images", False),
    ("terminator:max-age", "1h", "max_age", timedelta(hours=1)),
    ("terminator:max-age", "366d", "max_age", timedelta(days=366)),
    ("terminator:ill", "replace", "ill", True),
    ("terminator:ill", "ignore", "ill", False),
    ("terminator:surge", "refresh", "surge", True),
    ("terminator:after", "api", "after", ("api",)),
    ("terminator:after", " api  worker api", "after", ("api", "worker")),
]
ACCEPTED = {
    "app": "letters, digits, '-', '_' and '.', such as web",
    "minimum": "a number such as 2 or a percentage of desired such as 50%",
    "max-unavailable": "a number from 1, such as 2, or a percentage of desired such as 25%",
    "scheme": "http or https",
    "port": "a number from 1 to 65535",
    "path": "a URL path that starts with one /, such as /version",
    "host": "a host name, such as www.example.com",
    "version-field": "a dotted path into the JSON body, such as build.version, or several to join "
    "by -, such as Version+Prerelease, of at most 16 names",
    "version-header": "the name of a response header, such as X-Version",
    "version-prefix": "up to 128 printable characters, such as web-",
    "version-suffix": "up to 128 printable characters, such as -linux",
    "pause": "any text",
    "bake-time": "a duration such as 90s, 10m or 1h30m, at most 30d",
    "warm-up": "a duration such as 90s, 10m or 1h30m, at most 30d",
    "canary-retry": "a duration from 1m, such as 30m or 2h, at most 30d",
    "window": f"always, or days, hours and zone: {OFFICE_HOURS}",
    "alarm": "the name of a CloudWatch alarm, spaces and all",
    "alarms": "names of CloudWatch alarms, separated by spaces",
    "follow": "release, template, or both: release template",
    "images": "true or false",
    "max-age": "a duration from 1h to 366d, such as 30d",
    "ill": "replace, or ignore",
    "surge": "refresh",
    "after": "names of other apps, separated by spaces, such as api",
}
HOSTILE = [
    "@evil/",
    "//evil",
    ":99999",
    "/x\r\nHost: evil",
    "/\\evil",
    "/a b",
    "/#x",
    "/\u00e9",
    "/\uff0fevil",
]
REFUSED = {
    "app": ["", "a/b", "..", "a..b", ".a", "a.", "a b", "w\u0435b", "web\n"],
    "minimum": ["", "half", "-1", "1.5", "101%", "50 %", "50%%", "%", "\u0662", "2\n", "1234567"],
    "max-unavailable": ["", "0", "0%", "00%", "-1", "101%", "25 %"],
    "scheme": ["", "HTTP", "ftp", "http://", "https\n"],
    "port": ["", "0", "65536", "99999", "-1", "http", "80 ", "8_0", "\uff18\uff10"],
    "version-field": [
        "",
        ".",
        "a.",
        ".a",
        "a..b",
        "a+",
        "+a",
        " a",
        "a[0]",
        "a\n",
        ".".join("a" * 17),
    ],
    "version-header": ["", "X Version", "-X", "X:", "X\r\nY", "\u00e9"],
    "version-prefix": ["", "a\n", "\x1b[2J", "x" * 129],
    "version-suffix": ["", "a\n", "\x1b[2J", "x" * 129],
    "bake-time": [
        "",
        "10",
        "m",
        "10 m",
        "1.5h",
        "-1m",
        "31d",
        "99999999s",
        "5w",
        "10M",
        "30m1h",
        "1h1h",
        "1h 30m",
    ],
    "warm-up": ["", "10", "-1m", "31d"],
    "canary-retry": ["", "0m", "59s", "31d", "30"],
    "window": ["", "Always", "never", "09:00-17:00", "Mon-Fri 09:00-17:00"],
    "alarm": ["", "a\nb", "a\x1b[2Jb"],
    "alarms": ["", "  ", "a\nb", "a\tb", "a\x1b[2Jb"],
    "follow": ["", "  ", "image", "Template", "release, template", "release release"],
    "max-age": ["", "30", "59m", "367d", "53w", "-1h", "99999999s"],
    "ill": ["", "true", "Replace"],
    "surge": ["", "true", "Refresh", "refresh ", "ignore", "desired"],
    "after": ["", " ", "a/b", "api, worker", "api\nworker"],
    "images": ["", "True", "yes", "1", "true "],
    "path": [*HOSTILE, "", "version", "http://evil/", "/x\n", "/\t", "/<x>", "/\x00", "///"],
    "host": [*HOSTILE, "", "a b", "evil/x", "user@evil", "evil:", "evil:123456", "x\n", "a?b"],
}
REFUSALS = [(name, text) for name, texts in REFUSED.items() for text in texts]
DEFAULTS = Policy(
    app="live_asg_web",
    minimum=None,
    max_unavailable=Amount(25, percent=True),
    scheme="http",
    port=80,
    path="/version",
    host=None,
    version_field="version",
    pause=None,
    bake_time=timedelta(minutes=10),
    warm_up=None,
    canary_retry=timedelta(minutes=30),
    window=None,
    alarm=None,
    alarms=(),
    follow=frozenset({"release"}),
    images=False,
    max_age=None,
    ill=False,
    after=(),
    problems=(),
)

percentages = st.integers(0, 100)
capacities = st.integers(0, 10_000)


def tagged(**tags: str) -> Policy:
    """Return the policy of a named group with these tags, `_` for `-`, over no defaults."""
    written = {f"terminator:{name.replace('_', '-')}": text for name, text in tags.items()}
    return for_group("live_asg_web", written, defaults({}), named=True)


def problem(tags: dict[str, str], *, named: bool = True) -> str:
    """Return the one problem of a group with these tags."""
    (only,) = for_group("live_asg_web", tags, defaults({}), named=named).problems
    return only


def test_a_group_without_tags_has_the_defaults() -> None:
    assert tagged() == DEFAULTS
    assert defaults({}) == dataclasses.replace(DEFAULTS, app="")


@pytest.mark.parametrize(("tag", "text", "name", "value"), READ)
def test_a_setting_is_read_from_its_tag(tag: str, text: str, name: str, value: object) -> None:
    policy = for_group("live_asg_web", {tag: text}, defaults({}), named=True)
    assert vars(policy) == vars(DEFAULTS) | {name: value}


def test_every_setting_has_a_tag_that_is_read() -> None:
    fields = {field.name for field in dataclasses.fields(Policy)} - {"limits", "order", "problems"}
    assert {name for _, _, name, _ in READ} == fields


@pytest.mark.parametrize(("name", "text"), REFUSALS)
def test_a_refusal_names_tag_text_and_what_is_accepted(name: str, text: str) -> None:
    said = problem({f"terminator:{name}": text})
    assert said == f"tag terminator:{name} says {quoted(text)}; accepted is {ACCEPTED[name]}"


def test_every_problem_is_named() -> None:
    problems = tagged(port="0", max_unavailable="0", minimun="1", path="/ok", enabled="no").problems
    assert [said.split('"')[0] for said in problems] == [
        "tag terminator:enabled says ",
        "tag terminator:max-unavailable says ",
        "unknown tag ",
        "tag terminator:port says ",
    ]


@pytest.mark.parametrize(
    "tag",
    [
        "terminator:minimun",
        "terminator:canary_retry",
        "terminator:version_field",
        "terminator:",
        "terminator: minimum",
        "terminator:minimum ",
        "terminator:dry-run",
        "Terminator:minimum",
        "TERMINATOR:MINIMUM",
        "terminator:Minimum",
        "Terminator:pause",
        "terminator:Enabled",
    ],
)
def test_an_unknown_tag_is_a_problem_and_the_known_ones_are_listed(tag: str) -> None:
    said = problem({tag: "1"})
    assert said.startswith(f'unknown tag "{tag}"; ')
    listed = said.partition("accepted are ")[2].split(", ")
    assert listed == [f"terminator:{name}" for name in ("enabled", *ACCEPTED)]


@pytest.mark.parametrize(
    ("tag", "meant"),
    [
        ("terminator:minimun", "minimum"),
        ("Terminator:minimum", "minimum"),
        ("TERMINATOR:MINIMUM", "minimum"),
        ("terminator:canary_retry", "canary-retry"),
        ("terminator:max-available", "max-unavailable"),
        ("terminator:bake", "bake-time"),
        ("terminator:alrams", "alarms"),
        ("terminator:Enabled", "enabled"),
    ],
)
def test_a_misspelt_tag_is_told_the_nearest_one(tag: str, meant: str) -> None:
    said = problem({tag: "1"})
    assert said.startswith(f'unknown tag "{tag}"; did you mean terminator:{meant}? accepted are ')


@pytest.mark.parametrize("tag", ["terminator:", "terminator:dry-run", "terminator:xyz"])
def test_a_tag_that_is_near_to_none_is_told_none(tag: str) -> None:
    assert problem({tag: "1"}).startswith(f'unknown tag "{tag}"; accepted are ')


RENAMED = pytest.mark.parametrize(
    ("old", "new"), [("batch", "max-unavailable"), ("soak", "bake-time")]
)


@RENAMED
def test_an_old_name_is_refused_and_the_new_one_is_told(old: str, new: str) -> None:
    said = problem({f"terminator:{old}": "1"})
    assert said.startswith(f'unknown tag "terminator:{old}"; write terminator:{new} instead; ')
    with pytest.raises(SettingError, match=f"^policy.{old}: unknown; write {new} instead; "):
        defaults({old: "1"})


@pytest.mark.parametrize("tag", ["Name", "terminator", "terminators:x", "x-terminator:port", ""])
def test_tags_of_others_do_not_matter(tag: str) -> None:
    assert for_group("live_asg_web", {tag: "?"}, defaults({}), named=True) == DEFAULTS


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("text", ["false", "True", "TRUE", "yes", "1", "", " true", "true "])
def test_enabled_says_true_or_is_a_problem(text: str, *, named: bool) -> None:
    said = problem({"terminator:enabled": text}, named=named)
    assert said == f'tag terminator:enabled says "{text}"; accepted is true'


@pytest.mark.parametrize("named", [True, False])
def test_a_group_that_is_enabled_has_no_problem(*, named: bool) -> None:
    tags = {"terminator:enabled": "true"}
    assert for_group("live_asg_web", tags, defaults({}), named=named) == DEFAULTS


def test_a_group_that_is_not_named_needs_enabled() -> None:
    said = problem({"terminator:port": "8080"}, named=False)
    assert said == "tag terminator:enabled is missing; accepted is true"


def test_without_a_minimum_the_maintenance_policy_says_it_and_else_it_is_half() -> None:
    assert tagged().minimum_of(5) == 3
    assert tagged().minimum_of(5, healthy_percentage=90) == 5
    assert tagged().minimum_of(5, healthy_percentage=0) == 0
    assert tagged(minimum="2").minimum_of(5, healthy_percentage=90) == 2


@given(percentages, capacities)
def test_a_minimum_in_percent_is_rounded_up(percent: int, desired: int) -> None:
    minimum = tagged(minimum=f"{percent}%").minimum_of(desired)
    assert (minimum - 1) * 100 < percent * desired <= minimum * 100


@pytest.mark.parametrize(
    ("percent", "desired", "minimum", "max_unavailable"),
    [(50, 3, 2, 1), (50, 4, 2, 2), (25, 10, 3, 2), (1, 1, 1, 1), (100, 7, 7, 7)],
)
def test_a_percentage_is_a_whole_number_of_instances(
    percent: int, desired: int, minimum: int, max_unavailable: int
) -> None:
    policy = tagged(minimum=f"{percent}%", max_unavailable=f"{percent}%")
    read = policy.minimum_of(desired), policy.max_unavailable_of(desired)
    assert read == (minimum, max_unavailable)


@given(percentages.filter(bool), capacities)
def test_a_max_unavailable_in_percent_is_rounded_down_to_at_least_one(
    percent: int, desired: int
) -> None:
    most = tagged(max_unavailable=f"{percent}%").max_unavailable_of(desired)
    assert percent * desired < (most + 1) * 100
    assert most >= 1
    assert most == 1 or most * 100 <= percent * desired


@given(st.integers(1, 999_999), capacities)
def test_a_number_means_itself_whatever_is_desired(number: int, desired: int) -> None:
    policy = tagged(minimum=str(number), max_unavailable=str(number))
    assert (policy.minimum_of(desired), policy.max_unavailable_of(desired)) == (number, number)


@given(st.sampled_from(["", "/"]), st.text(st.sampled_from("/@:\\#?%.& \r\n\t[]\u00e9\uff0faz09")))
def test_a_path_that_is_read_leaves_the_address_alone(start: str, rest: str) -> None:
    policy = tagged(path=start + rest)
    if policy.problems:
        return
    url = httpx.URL(f"http://10.0.3.17:8080{policy.path}")
    assert (url.host, url.port, url.userinfo, url.fragment) == ("10.0.3.17", 8080, b"", "")


@given(st.text(st.sampled_from("/@:\\#?. \r\n\t\x00[]\u00e9\uff0faz09-_"), max_size=12))
def test_a_host_that_is_read_is_one_plain_word(text: str) -> None:
    policy = tagged(host=text)
    if policy.problems:
        return
    assert policy.host == text
    assert text.isascii()
    assert not set(text) & set("/@\\#?[] \r\n\t\x00")


@given(
    st.sampled_from([*ACCEPTED, "enabled", "other"]),
    st.text(max_size=256),
)
def test_any_text_is_read_or_becomes_one_printable_problem(name: str, text: str) -> None:
    problems = for_group("g", {f"terminator:{name}": text}, defaults({}), named=True).problems
    assert len(problems) <= 1
    for said in problems:
        assert f"terminator:{name}" in said
        assert said.replace("…", "").isascii()
        assert said.isprintable()


def test_the_configuration_sets_the_defaults_in_text_or_whole_numbers() -> None:
    base = defaults({"minimum": 2, "max-unavailable": "10%", "port": 8080, "canary-retry": "1h"})
    policy = for_group("live_asg_web", {"terminator:minimum": "3"}, base, named=True)
    assert policy == dataclasses.replace(
        DEFAULTS,
        minimum=Amount(3),
        max_unavailable=Amount(10, percent=True),
        port=8080,
        canary_retry=timedelta(hours=1),
    )


def test_the_configuration_may_write_names_with_underscores() -> None:
    texts = {"max_unavailable": "3", "version_field": "v", "canary_retry": "1h", "bake_time": "1m"}
    assert defaults(texts) == defaults({n.replace("_", "-"): text for n, text in texts.items()})


@pytest.mark.parametrize("names", [("bake-time", "bake_time"), ("bake_time", "bake-time")])
def test_a_setting_that_is_written_in_both_ways_is_refused(names: tuple[str, str]) -> None:
    with pytest.raises(SettingError) as refusal:
        defaults(dict.fromkeys(names, "1m"))
    assert str(refusal.value) == "policy.bake-time is given twice: once with - and once with _"


def test_a_tag_may_set_a_window_of_the_configuration_aside() -> None:
    base = defaults({"window": OFFICE_HOURS})
    assert for_group("g", {}, base, named=True).window == Window.parse(OFFICE_HOURS)
    assert for_group("g", {"terminator:window": "always"}, base, named=True).window is None


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("minimum", True, "true"),
        ("port", False, "false"),
        ("version_field", True, "true"),
        ("host", 1.5, "1.5"),
        ("minimum", 0.5, "0.5"),
        ("port", 8080.0, "8080.0"),
        ("max_unavailable", None, "null"),
        ("alarms", ["a"], r"[\"a\"]"),
        ("window", {}, "{}"),
        ("port", 0, "0"),
        ("max_unavailable", 0, "0"),
        ("minimum", -1, "-1"),
        ("minimum", "2 apples", "2 apples"),
        ("scheme", 80, "80"),
        ("bake_time", 10, "10"),
        ("pause", True, "true"),
        ("path", "//evil", "//evil"),
        ("version_field", "", ""),
    ],
)
def test_a_default_that_cannot_be_read_is_refused(name: str, value: object, shown: str) -> None:
    with pytest.raises(SettingError) as refusal:
        defaults({name: value})
    said = str(refusal.value)
    assert said.startswith(f"policy.{name.replace('_', '-')} says ")
    assert shown in said.partition("; accepted is ")[0]
    assert said.partition("; accepted is ")[2] == ACCEPTED[name.replace("_", "-")]


@pytest.mark.parametrize(
    "name", ["minimun", "app", "after", "enabled", "canary-rety", "Minimum", ""]
)
def test_a_default_that_does_not_exist_or_belongs_to_one_group_is_refused(name: str) -> None:
    with pytest.raises(SettingError) as refusal:
        defaults({name: "1"})
    said = str(refusal.value)
    assert said.startswith(f"policy.{name}: unknown; ")
    listed = said.partition("accepted are ")[2].split(", ")
    assert listed == [known for known in ACCEPTED if known not in {"app", "after"}]


def test_a_misspelt_default_is_told_the_nearest_one() -> None:
    with pytest.raises(
        SettingError, match=r"^policy\.bake-tim: unknown; did you mean bake-time\? "
    ):
        defaults({"bake_tim": "1m"})


@pytest.mark.parametrize("name", ["path", "host", "version_field"])
def test_what_each_question_carries_is_as_long_as_a_tag_at_most(name: str) -> None:
    longest = "/" * (name == "path") + "a" * (256 - (name == "path"))
    assert getattr(defaults({name: longest}), name) == longest
    with pytest.raises(SettingError, match=f"policy.{name.replace('_', '-')} says"):
        defaults({name: longest + "a"})


def test_images_behind_parameters_are_followed_with_the_template_only() -> None:
    assert tagged(follow="template", images="true").images
    assert tagged(follow="release template", images="true").problems == ()
    said = "tag terminator:images says true, but terminator:follow does not name template"
    assert tagged(images="true").problems == (said,)


def test_a_deployment_whose_images_are_followed_holds_no_group_that_follows_releases() -> None:
    base = defaults({"images": True})
    assert for_group("g", {}, base, named=True).problems == ()
    assert not for_group("g", {"terminator:images": "false"}, base, named=True).images
    with pytest.raises(SettingError, match=r"policy.follow says"):
        defaults({"follow": True})
