"""Tags as an attack: whatever they say, an instance is asked at its own address."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from terminator.config.tags import Policy, defaults, for_group
from terminator.config.values import Amount
from terminator.observe.autoscaling import Ec2Instance
from terminator.observe.versions import ask_instances
from terminator.probe.ask import Answer, Question, url_of
from terminator.text import quoted
from terminator.upload import Change, Verdict
from tests.decide.builders import NOW
from tests.fakes.hostile import Hears, message, serving
from tests.probe.asking import ROOMY, ask

ADDRESS = "10.0.3.17"
REFUSED = {
    "path": [
        ":99999",
        "@evil",
        "\\\\evil",
        "/\\/evil",
        "http:/evil",
        "/version#@evil",
        "/version\r\n\r\nGET /evil HTTP/1.1",
        "/version HTTP/1.1\r\nHost: evil",
        "/version\0",
        "/version\u2028",
        "\u2215\u2215evil",
        "/\u2215evil",
        "\uff0f\uff0fevil",
        "/ev\u0131l",
        "/[::1]",
        "/{app}",
        "/|x",
        "/^x",
        '/"x"',
        "/\x7f",
        "/\x9b2J",
    ],
    "host": [
        "www.example.com\r\nX-Forwarded-For: 10.0.0.1",
        "www.example.com\n",
        "user:password@www.example.com",
        "[::1]",
        "www.example.com:0",
        "www.example.com:65536",
        "www.example.com:99999",
        "www.example.com:\uff18\uff10",
        "www.ex\u00e4mple.com",
        "www.ex\u0430mple.com",
        "www\u3002example.com",
        "www.example.com/",
        ".example.com",
        "www.example.com.\u200b",
        "*",
        "%31",
    ],
    "port": [
        "+80",
        " 80",
        "80\n",
        "8 0",
        "1e3",
        "0x50",
        "0o120",
        "80.0",
        "8,0",
        "\uff18\uff10",
        "\u0668\u0660",
        "\u00b2",
        "000080",
        "80@evil",
        "80/",
        "NaN",
    ],
    "scheme": ["https ", "Http", "http:", "//", "file", "javascript", "http\0", "\uff48ttp"],
    "app": ["..", "a/../b", "a\\b", "a%2fb", "\u0430pp", "e\u0301", "a\u200bb", "a:b", "/a", "a/"],
    "minimum": [
        "+1",
        " 1",
        "1_0",
        "1e1",
        "0x1",
        "NaN",
        "1,5",
        "\uff11",
        "\u00b2",
        "-0",
        "50\uff05",
    ],
    "max-unavailable": ["+1", "1\n", "1e1", "\u0661", "1%%", "%1", "0000000"],
    "bake-time": [
        "+5m",
        " 5m",
        "5m\n",
        "5\u006d\u0301",
        "\uff15m",
        "1e3s",
        "5M",
        "5\u00b5s",
        "1d1d",
    ],
    "canary-retry": ["-30m", "1_0m", "\u0663\u0660m", "NaNm", "0x10m", "43201m"],
    "window": [
        "Mon-Fri 09:00-17:00 ../../etc/passwd",
        "Mon-Fri 09:00-17:00 /etc/passwd",
        "Mon-Fri 09:00-17:00 Europe/../Europe/London",
        "Mon-Fri 09:00-17:00 Europe",
        "Mon-Fri 09:00-17:00 Europe/London\0",
        "Mon-Fri 09:00-17:00 Europe/Ni\u0307ce",
        "Mon-Fri \uff10\uff19:00-17:00 Europe/London",
        "Mon\u2013Fri 09:00-17:00 Europe/London",
        "\u017fat 09:00-17:00 Europe/London",
        "Mon-Fri\n09:00-17:00\nEurope/London",
    ],
    "alarms": ["a\x9bb", "a\u202eb", "a\u2028b", "\0", "a\u200bb"],
    "version-field": [
        "..",
        "a.\u0131d",
        "a\0",
        "__class__ ",
        "a/b",
        "$.version",
        "a[0].b",
        ".".join("a" * 17),
    ],
}
# What is accepted although it looks odd, and what it is taken for.
ACCEPTED: list[tuple[str, str, str, object]] = [
    ("port", "00080", "port", 80),
    ("minimum", "007", "minimum", Amount(7)),
    ("path", "/%0d%0aHost:%20evil", "path", "/%0d%0aHost:%20evil"),
    ("path", "/@evil:99999", "path", "/@evil:99999"),
    ("path", "/%2f%2fevil", "path", "/%2f%2fevil"),
    ("path", "/..//evil", "path", "/..//evil"),
    ("path", "/?http://evil/", "path", "/?http://evil/"),
    ("host", "169.254.169.254", "host", "169.254.169.254"),
    ("host", "xn--exmple-cua.com:8080", "host", "xn--exmple-cua.com:8080"),
]

urlish = st.text(
    st.sampled_from("/@:\\#?%.&;=[]{}|^`\"'<>~!$()*+,- \r\n\t\0az09\u00e9\uff0f\u2215\u3002\u202e"),
    max_size=30,
)
paths = st.one_of(
    urlish,
    urlish.map("/".__add__),
    st.from_regex(r"/[A-Za-z0-9._~!$&'()*+,;=:@%/?-]{0,40}", fullmatch=True),
    st.text(max_size=30),
)


def policy_of(**tags: str) -> Policy:
    written = {f"terminator:{name.replace('_', '-')}": text for name, text in tags.items()}
    return for_group("web", written, defaults({}), named=True)


def asked(policy: Policy, address: str = ADDRESS) -> Question:
    """Return how an instance at that address is asked."""
    seen: list[Question] = []

    def keep(_vpc: str, questions: Sequence[Question], _seconds: float) -> list[Answer]:
        seen.extend(questions)
        return []

    rows = {"i-1": Ec2Instance("i-1", running=True, created=NOW, address=address, vpc="vpc-1")}
    ask_instances(keep, lambda: 60.0, rows, {"i-1": policy})
    [only] = seen
    return only


@pytest.mark.parametrize(
    ("name", "text"), [(name, text) for name, texts in REFUSED.items() for text in texts]
)
def test_a_hostile_setting_is_refused_by_its_tag_with_its_text_escaped(
    name: str, text: str
) -> None:
    [said] = policy_of(**{name: text}).problems
    assert said.startswith(f"tag terminator:{name} says {quoted(text)}; accepted is ")
    assert said.isascii()
    assert said.isprintable()


@pytest.mark.parametrize(("tag", "text", "name", "value"), ACCEPTED)
def test_what_is_accepted_is_taken_for_what_it_says(
    tag: str, text: str, name: str, value: object
) -> None:
    policy = policy_of(**{tag: text})
    assert (policy.problems, getattr(policy, name)) == ((), value)


@given(paths, st.sampled_from(["http", "https"]), st.integers(1, 65535))
@example("/..//evil", "http", 80)
@example("/@evil:99999", "https", 443)
@example("/%2f..%2f", "http", 443)
def test_a_path_that_is_accepted_leaves_address_port_and_scheme_alone(
    path: str, scheme: str, port: int
) -> None:
    policy = policy_of(path=path, scheme=scheme, port=str(port))
    assume(not policy.problems)
    url = str(url_of(asked(policy)))
    seen = httpx.URL(url)
    usual = {"http": 80, "https": 443}[scheme]
    assert (seen.scheme, seen.host, seen.port or usual) == (scheme, ADDRESS, port)
    assert (seen.userinfo, seen.fragment) == (b"", "")
    split = urlsplit(url)
    assert (split.scheme, split.hostname, split.port or usual) == (scheme, ADDRESS, port)
    assert (split.username, split.password, split.fragment) == (None, None, "")


@settings(max_examples=15)
@given(st.lists(st.tuples(paths, st.none() | urlish), min_size=10, max_size=30))
@example([(text, None) for tag, text, _, _ in ACCEPTED if tag == "path"])
def test_what_a_server_receives_is_one_request_for_its_own_address(
    tags: list[tuple[str, str | None]],
) -> None:
    hears = Hears(message("1.0.274"))
    with serving(hears, address="127.3.1.1") as server:
        wanted = [
            policy_of(path=path, port=str(server.port), **({} if host is None else {"host": host}))
            for path, host in tags
        ]
        questions = [asked(each, server.address) for each in wanted if not each.problems]
        answers = ask(questions, 60, ROOMY)
    assert [answer["version"] for answer in answers] == ["1.0.274"] * len(questions)
    assert len(hears.heads) == len(questions)
    hosts = {each["host"] or f"{server.address}:{server.port}" for each in questions}
    for head in hears.heads:
        first, *headers, _, _ = head.split("\r\n")
        assert first.startswith("GET /")
        assert first.endswith(" HTTP/1.1")
        assert first.count(" ") == 2
        [host] = [each for each in headers if each.lower().startswith("host:")]
        assert host.removeprefix("Host: ") in hosts
        assert len(headers) == 5


@given(st.dictionaries(st.sampled_from([*REFUSED, "pause", "enabled"]), st.text(max_size=60)))
def test_any_tags_at_all_become_a_policy_or_printable_problems(tags: dict[str, str]) -> None:
    policy = policy_of(**tags)
    assert len(policy.problems) <= len(tags)
    for said in policy.problems:
        assert said.replace("…", "").isascii()
        assert said.isprintable()
    if not policy.problems:
        url = url_of(asked(policy))
        usual = {"http": 80, "https": 443}[policy.scheme]
        assert (url.scheme, url.host, url.port or usual) == (policy.scheme, ADDRESS, policy.port)


@given(st.text(), st.text())
def test_of_an_upload_is_told_in_one_printable_line(bucket: str, key: str) -> None:
    said = str(
        Verdict(Change(bucket, key, "uploaded", ""), refused="it is not in the releases bucket")
    )
    assert said.replace("…", "").isascii()
    assert said.isprintable()
