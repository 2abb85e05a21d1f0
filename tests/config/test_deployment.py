"""The deployment's settings: what `cdk.json` may say under `context.terminator`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terminator.config.deployment import (
    Config,
    ConfigError,
    Deployment,
    ProbedVpc,
    Withdraw,
    deployment_from_file,
    deployment_from_settings,
    from_file,
    from_settings,
)
from terminator.config.tags import Limits, defaults
from terminator.config.values import Amount
from terminator.text import quoted

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
    ({"releases": {"bucket": "bkt", "key": "x.zip"}}, "releases.key", "x.zip", "releases.app"),
    ({"releases": {"bucket": "bkt", "app": "a/b"}}, "releases.app", "a/b", "such as web"),
    ({"releases": {"bucket": "bkt", "order": "x"}}, "releases.order", "x", "version or uploaded"),
    ({"releases": {"bucket": "bkt", "apps": []}}, "releases.apps", "[]", "uploaded"),
    (
        {"releases": {"bucket": "bkt", "apps": {"web": {"order": 1}}}},
        "releases.apps.web.order",
        "1",
        "version or uploaded",
    ),
    *(
        (
            {"releases": {"bucket": "bkt", "apps": {"web": {"withdraw": given}}}},
            f"releases.apps.web.withdraw{name}",
            text,
            accepted,
        )
        for given, name, text, accepted in (
            (True, "", "true", "an object"),
            ({}, "", "{}", '{"silent": true}, {"alarms": ["web-5xx"]} or both'),
            ({"silent": False}, "", "false", '{"silent": true}'),
            ({"silent": "yes"}, ".silent", "yes", "true or false"),
            ({"alarms": "5xx"}, ".alarms", "5xx", "a list of at most 20 names"),
            ({"alarms": ["x" * 256]}, ".alarms", "xxx", "a list of at most 20 names"),
            ({"alarms": [""]}, ".alarms", "", "a list of at most 20 names"),
            ({"alarms": [7]}, ".alarms", "[7]", "a list of at most 20 names"),
            ({"alarms": [f"a{n}" for n in range(21)]}, ".alarms", "a0", "at most 20 names"),
        )
    ),
    (
        {
            "releases": {
                "bucket": "bkt",
                "key": "{app}.zip",
                "apps": {"web": {"withdraw": {"silent": True}}},
            }
        },
        "releases.apps.web.withdraw",
        "silent",
        "a releases.key with {version}",
    ),
    ({"policy": "fast"}, "policy", "fast", "an object"),
    ({"policy": None}, "policy", "null", "an object"),
    ({"policy": {"minimum": "half"}}, "policy.minimum", "half", "such as 50%"),
    ({"policy": {"port": 0.5}}, "policy.port", "0.5", "1 to 65535"),
    ({"policy": {"scheme": True}}, "policy.scheme", "true", "http or https"),
    ({"limits": None}, "limits", "null", "an object"),
    ({"limits": {"minimum": "half"}}, "limits.minimum", "half", "such as 50%"),
    ({"limits": {"minimum": True}}, "limits.minimum", "true", "such as 50%"),
    ({"limits": {"max-unavailable": 0}}, "limits.max-unavailable", "0", "a number from 1"),
    ({"limits": {"terminations": 0}}, "limits.terminations", "0", "a whole number from 1"),
    ({"limits": {"terminations": "9"}}, "limits.terminations", "9", "without quotes"),
    ({"limits": {"terminations": True}}, "limits.terminations", "true", "without quotes"),
    ({"limits": {"tags": "app"}}, "limits.tags", "app", "a list of any of app, minimum"),
    ({"limits": {"tags": [7]}}, "limits.tags", "[7]", "a list of any of app, minimum"),
    ({"limits": {"tags": [[]]}}, "limits.tags", "[[]]", "a list of any of app, minimum"),
    (
        {"limits": {"minimum": 2}, "policy": {"minimum": "1"}},
        *("policy.minimum", "1", "2 or more, by limits.minimum"),
    ),
    (
        {"limits": {"max_unavailable": "10%"}},
        *("policy.max-unavailable", "25%", "10% or less, by limits.max-unavailable"),
    ),
]
UNKNOWN: list[tuple[Mapping[str, object], str, str, str]] = [
    ({"dryrun": False}, "terminator", "dryrun", "dry_run"),
    ({"Groups": {}}, "terminator", "Groups", "groups"),
    ({"groups": {"name": ["a"]}}, "groups", "name", "names"),
    ({"releases": {"bucket": "bkt", "template": "x"}}, "releases", "template", "key"),
    ({"policy": {"minimun": "1"}}, "policy", "minimun", "minimum"),
    ({"policy": {"app": "web"}}, "policy", "app", "minimum"),
    ({"limits": {"min": 1}}, "limits", "min", "minimum"),
    ({"limits": {"batch": 1}}, "limits", "batch", "max-unavailable"),
]

words = st.sampled_from(
    ["dry_run", "groups", "names", "tagged", "releases", "bucket", "key", "policy", "minimum", "x"]
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=4),
    max_leaves=12,
)


def refused_by_both(settings: object) -> str:
    """Return why settings are refused, by whoever reads them."""
    said = []
    for reader in (from_settings, deployment_from_settings):
        with pytest.raises(ConfigError) as error:
            reader(settings)
        said.append(str(error.value))
    assert said[0] == said[1]
    return said[0]


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
        defaults=defaults({}),
        dry_run=True,
        group_metrics=False,
    )


def test_a_configuration_is_a_dry_run_unless_it_says_otherwise() -> None:
    config = Config(names=("web",), tagged=False, bucket=None, defaults=defaults({}))
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
    said = refused_by_both({**TAGGED, **changed})
    assert said.startswith((f"{name} says ", f"{name}: "))
    assert text in said.removeprefix(name).partition("accepted is ")[0]
    assert accepted in said.partition("accepted is ")[2]


@pytest.mark.parametrize(("changed", "where", "name", "known"), UNKNOWN)
def test_an_unknown_setting_is_refused_and_the_known_ones_are_listed(
    changed: Mapping[str, object], where: str, name: str, known: str
) -> None:
    before, _, after = refused_by_both({**TAGGED, **changed}).partition("accepted are ")
    assert before.startswith(where)
    assert "unknown" in before
    assert name in before
    assert known in after.split(", ")


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "null"), ([], "[]"), ("tagged", "tagged"), (7, "7"), (True, "true")],
)
def test_settings_that_are_no_object_are_refused(value: object, shown: str) -> None:
    assert refused_by_both(value) == f'terminator says "{shown}"; accepted is an object'


@pytest.mark.parametrize(
    "groups", [{}, {"groups": {}}, {"groups": {"names": []}}, {"groups": {"tagged": False}}]
)
def test_no_group_named_and_no_tag_is_an_error_that_says_what_to_do(groups: object) -> None:
    said = refused_by_both(groups)
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
    assert config.defaults == replace(defaults({}), limits=Limits(minimum=Amount(1)))


def test_a_file_is_read_from_context_terminator(tmp_path: Path) -> None:
    document = {"app": "python app.py", "context": {"terminator": TAGGED, "other": 1}}
    path = write(tmp_path, json.dumps(document).encode())
    assert from_file(path) == from_settings(TAGGED)


def test_a_file_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    document = json.dumps({"context": {"terminator": TAGGED}})
    assert from_file(write(tmp_path, document.encode("utf-8-sig"))) == from_settings(TAGGED)


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


VPC, SUBNET = "vpc-0123456789abcdef0", "subnet-0123456789abcdef0"
PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")


def read(**given: Any) -> Deployment:
    return deployment_from_settings({"groups": {"tagged": True}, **given})


def read_vpc(**given: Any) -> ProbedVpc:
    [vpc] = read(vpcs={VPC: {"subnets": [SUBNET], **given}}).vpcs
    return vpc


def refusal(**given: Any) -> str:
    with pytest.raises(ConfigError) as error:
        read(**given)
    return str(error.value)


def says(setting: str, value: object, accepted: str) -> str:
    said = value if isinstance(value, str) else json.dumps(value)
    return f"{setting} says {quoted(said)}; accepted is {accepted}"


SCHEDULES = (
    "rate(5 minutes), or another from rate(1 minute) to rate(1 hour): it says how often to look; "
    "when instances may be replaced is said by windows (terminator:window)"
)


def test_without_settings_there_is_a_default_for_each() -> None:
    given = read()
    assert given.config.period == timedelta(minutes=5)
    assert given.vpcs == ()
    assert given.log_retention_days == 30
    assert given.reserve_concurrency
    assert not given.create_bucket
    assert not given.tracing
    assert not given.example
    assert given.alarm_email is None


@pytest.mark.parametrize(
    ("schedule", "minutes"),
    [
        ("rate(1 minute)", 1),
        ("rate(2 minutes)", 2),
        ("rate(9 minutes)", 9),
        ("rate(10 minutes)", 10),
        ("rate(59 minutes)", 59),
        ("rate(60 minutes)", 60),
        ("rate(1 hour)", 60),
    ],
)
def test_a_schedule_is_a_rate_up_to_an_hour(schedule: str, minutes: int) -> None:
    assert read(schedule=schedule).config.period == timedelta(minutes=minutes)


@pytest.mark.parametrize(
    "schedule",
    [
        "",
        "5 minutes",
        "rate(0 minutes)",
        "rate(1 minutes)",
        "rate(5 minute)",
        "rate(05 minutes)",
        "rate(61 minutes)",
        "rate(100 minutes)",
        "rate(1 hours)",
        "rate(2 hours)",
        "rate(1 day)",
        "rate(5 seconds)",
        "rate(-5 minutes)",
        "rate(5 minutes) ",
        "rate(5 minutes)\n",
        "Rate(5 minutes)",
        "*/5 * * * *",
        "cron(0/5 * * * ? *)",
        "cron(0/5 9-17 ? * MON-FRI *)",
        "at(2026-01-01T00:00:00)",
        5,
        True,
        None,
        ["rate(5 minutes)"],
    ],
)
def test_another_schedule_is_refused_since_windows_say_when(schedule: object) -> None:
    assert refusal(schedule=schedule) == says("schedule", schedule, SCHEDULES)


@pytest.mark.parametrize(
    "address", ["oncall@example.com", "a.b+terminator@mail.example.co.uk", "o'neill@example.com"]
)
def test_alarms_are_mailed_to_an_address(address: str) -> None:
    assert read(alarm_email=address).alarm_email == address


@pytest.mark.parametrize(
    "address",
    [
        "",
        "oncall",
        "@example.com",
        "oncall@",
        "oncall@localhost",
        "on call@example.com",
        "oncall@example.com\n",
        "Oncall <oncall@example.com>",
        "a@example.com,b@example.com",
        "a@b@example.com",
        f"{'a' * 65}@example.com",
        f"a@{'b' * 260}.com",
        1,
        True,
        ["oncall@example.com"],
    ],
)
def test_what_is_no_address_is_refused(address: object) -> None:
    accepted = "an e-mail address such as oncall@example.com"
    assert refusal(alarm_email=address) == says("alarm_email", address, accepted)


@pytest.mark.parametrize("value", [{}, {VPC: {"subnets": [SUBNET]}}])
def test_the_vpcs_may_be_none_or_some(value: dict[str, object]) -> None:
    assert [vpc.id for vpc in read(vpcs=value).vpcs] == list(value)


def test_vpcs_are_read_in_the_order_of_their_ids() -> None:
    vpcs = {id_: {"subnets": [SUBNET]} for id_ in ("vpc-0000000b", "vpc-0000000a", "vpc-0000000c")}
    assert [vpc.id for vpc in read(vpcs=vpcs).vpcs] == [
        "vpc-0000000a",
        "vpc-0000000b",
        "vpc-0000000c",
    ]


@pytest.mark.parametrize("value", [None, [], VPC, [VPC], 1, True])
def test_vpcs_that_are_no_object_are_refused(value: object) -> None:
    example = '{"vpc-0a1b2c3d": {"subnets": ["subnet-0a1b2c3d"]}}'
    assert refusal(vpcs=value) == says("vpcs", value, f"an object such as {example}")
    assert [vpc.id for vpc in read(vpcs=json.loads(example)).vpcs] == ["vpc-0a1b2c3d"]


@pytest.mark.parametrize(
    "id_", ["", "vpc-", "0a1b", "VPC-0a1b2c3d", "vpc-0A1B2C3D", "vpc-0a1b2c3d ", "vpc-0a1b", "main"]
)
def test_a_vpc_without_an_id_is_refused(id_: str) -> None:
    accepted = "the id of a VPC, such as vpc-0a1b2c3d"
    assert refusal(vpcs={id_: {"subnets": [SUBNET]}}) == says("vpcs", id_, accepted)


@pytest.mark.parametrize("value", [None, [SUBNET], SUBNET, 1])
def test_a_vpc_that_is_no_object_is_refused(value: object) -> None:
    assert refusal(vpcs={VPC: value}) == says(f"vpcs.{VPC}", value, "an object")


def test_an_unknown_setting_of_a_vpc_is_refused() -> None:
    assert refusal(vpcs={VPC: {"subnets": [SUBNET], "port": 80}}) == (
        f'vpcs.{VPC}: unknown setting "port"; did you mean ports? '
        "accepted are cidrs, ports, subnets"
    )


def test_all_subnets_of_a_vpc_are_kept_in_their_order() -> None:
    assert read_vpc(subnets=["subnet-0000000b", "subnet-0000000a"]).subnets == (
        "subnet-0000000b",
        "subnet-0000000a",
    )


@pytest.mark.parametrize(
    "subnets",
    [
        None,
        [],
        {},
        SUBNET,
        [""],
        ["subnet-"],
        ["SUBNET-0a1b2c3d"],
        ["subnet-0a"],
        [SUBNET, "0a1b"],
        [1],
        [[SUBNET]],
    ],
)
def test_subnets_that_are_no_list_of_ids_are_refused(subnets: object) -> None:
    accepted = "a list of ids of subnets of the VPC"
    assert refusal(vpcs={VPC: {"subnets": subnets}}) == says(
        f"vpcs.{VPC}.subnets", subnets, accepted
    )


def test_a_vpc_without_subnets_is_refused() -> None:
    assert f"vpcs.{VPC}.subnets says" in refusal(vpcs={VPC: {}})


@pytest.mark.parametrize("ports", [[1], [65_535], [80, 443, 8080]])
def test_ports_are_from_1_to_65535(ports: list[int]) -> None:
    assert read_vpc(ports=ports).ports == tuple(ports)


@pytest.mark.parametrize(
    "ports", [None, [], 80, "80", ["80"], [0], [-1], [65_536], [80, 0], [80.0], [True], [None]]
)
def test_other_ports_are_refused(ports: object) -> None:
    accepted = "a list of ports from 1 to 65535, without quotes"
    assert refusal(vpcs={VPC: {"subnets": [SUBNET], "ports": ports}}) == says(
        f"vpcs.{VPC}.ports", ports, accepted
    )


def test_without_ports_the_probe_reaches_the_port_of_the_policy() -> None:
    assert read_vpc().ports == (80,)
    [vpc] = read(policy={"port": 8080}, vpcs={VPC: {"subnets": [SUBNET]}}).vpcs
    assert vpc.ports == (8080,)


@pytest.mark.parametrize(
    "cidr",
    [
        *("0.0.0.0/0", "10.0.0.0/8", "10.1.2.3/32", "100.64.0.0/10"),
        *("::/0", "fd00::/8", "2001:db8:0:1200::/56", "2001:db8::1/128"),
    ],
)
def test_a_network_is_an_address_and_a_length(cidr: str) -> None:
    assert read_vpc(cidrs=[cidr]).cidrs == (cidr,)


def test_without_networks_the_probe_reaches_the_private_ones() -> None:
    assert read_vpc().cidrs == PRIVATE


@pytest.mark.parametrize(
    "cidrs",
    [
        None,
        [],
        "10.0.0.0/8",
        [""],
        ["10.0.0.0"],
        ["10.0.0.1/8"],
        ["10.0.0.0/33"],
        ["10.0.0.0/255.0.0.0"],
        ["10.0.0/24"],
        ["10.0.0.0/8 "],
        ["10.0.0.0/8", "elsewhere"],
        ["fd00::1/8"],
        ["2001:DB8::/56"],
        ["2001:db8:0::/56"],
        ["fe80::%eth0/64"],
        [10],
        [None],
    ],
)
def test_other_networks_are_refused(cidrs: object) -> None:
    accepted = "a list of networks such as 10.0.0.0/16 or, of IPv6, 2001:db8:0:1200::/56"
    assert refusal(vpcs={VPC: {"subnets": [SUBNET], "cidrs": cidrs}}) == says(
        f"vpcs.{VPC}.cidrs", cidrs, accepted
    )


KEY = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"


@pytest.mark.parametrize(
    "key",
    [
        KEY,
        KEY.replace("arn:aws:", "arn:aws-cn:"),
        KEY.replace("arn:aws:", "arn:aws-us-gov:"),
        "arn:aws:kms:us-east-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab",
    ],
)
def test_a_kms_key_is_named_by_its_arn(key: str) -> None:
    bucket = read(releases={"bucket": "acme", "kms_key": key}).config.bucket
    assert bucket is not None
    assert bucket.kms_key == key


@pytest.mark.parametrize(
    "key",
    [
        "",
        "*",
        "alias/releases",
        KEY.partition("/")[2],
        KEY.replace(":key/", ":alias/"),
        f"{KEY}*",
        7,
    ],
)
def test_another_name_of_a_kms_key_is_refused(key: object) -> None:
    accepted = f"the ARN of a KMS key, not of an alias, such as {KEY}"
    told = refusal(releases={"bucket": "acme", "kms_key": key})
    assert told == says("releases.kms_key", key, accepted)


def test_functions_are_for_arm64_unless_said_otherwise() -> None:
    assert read().architecture == "arm64"
    assert read(architecture="x86_64").architecture == "x86_64"
    assert refusal(architecture="arm") == says("architecture", "arm", "arm64 or x86_64")


@pytest.mark.parametrize("days", [1, 7, 14, 30, 90, 180, 365, 731])
def test_logs_are_kept_for_so_many_days(days: int) -> None:
    assert read(log_retention_days=days).log_retention_days == days


@given(st.integers().filter(lambda days: days not in {1, 7, 14, 30, 90, 180, 365, 731}))
def test_other_numbers_of_days_are_refused(days: int) -> None:
    accepted = "one of 1, 7, 14, 30, 90, 180, 365, 731"
    assert refusal(log_retention_days=days) == says("log_retention_days", days, accepted)


@pytest.mark.parametrize("days", [None, True, 30.0, "30", [30]])
def test_days_that_are_no_whole_number_are_refused(days: object) -> None:
    assert refusal(log_retention_days=days).startswith("log_retention_days says ")


BOOLEANS = ["reserve_concurrency", "tracing", "example", "dry_run", "group_metrics"]


@pytest.mark.parametrize("setting", BOOLEANS)
@pytest.mark.parametrize("value", [None, "true", "no", 0, 1, [], {}])
def test_what_is_neither_true_nor_false_is_refused(setting: str, value: object) -> None:
    assert refusal(**{setting: value}) == says(setting, value, "true or false")


@pytest.mark.parametrize("setting", ["reserve_concurrency", "tracing", "example"])
@pytest.mark.parametrize("value", [True, False])
def test_true_and_false_are_read(setting: str, value: bool) -> None:  # noqa: FBT001 - of a table
    assert getattr(read(**{setting: value}), setting) is value


@pytest.mark.parametrize("create", [True, False])
def test_the_bucket_is_made_only_where_that_is_asked_for(create: bool) -> None:  # noqa: FBT001 - of a table
    assert read(releases={"bucket": "bkt", "create": create}).create_bucket is create
    assert not read(releases={"bucket": "bkt"}).create_bucket


@pytest.mark.parametrize("create", [None, "true", 1, {}])
def test_making_the_bucket_is_either_true_or_false(create: object) -> None:
    releases = {"bucket": "bkt", "create": create}
    assert refusal(releases=releases) == says("releases.create", create, "true or false")


@pytest.mark.parametrize("name", ["t", "keeper", "terminator-2", "a" * 36])
def test_a_name_begins_the_names_of_what_is_deployed(name: str) -> None:
    assert read(name=name).config.name == name


@pytest.mark.parametrize(
    "name", ["", "2nd", "-a", "Keeper", "a_b", "a.b", "a b", "a\n", "a" * 41, None, 1, ["keeper"]]
)
def test_another_name_is_refused(name: object) -> None:
    message = refusal(name=name)
    assert message.startswith(says("name", name, "up to "))
    assert message.endswith("small letters, digits and -, such as terminator")


def test_every_accepted_name_leaves_room_for_the_longest_name_of_a_function() -> None:
    longest = max((n for n in range(1, 60) if accepts("a" * n)), default=0)
    assert longest + len(f"-probe-{VPC}") <= 64


def accepts(name: str) -> bool:
    try:
        return read(name=name).config.name == name
    except ConfigError:
        return False


def test_an_unknown_setting_is_refused_with_the_nearest_and_all_that_are_known() -> None:
    message = refusal(shedule="rate(5 minutes)")
    assert message.startswith('terminator: unknown setting "shedule"; did you mean schedule? ')
    assert message.partition("accepted are ")[2].split(", ") == [
        *("alarm_email", "architecture", "dry_run", "example", "group_metrics", "groups", "limits"),
        *(
            "log_retention_days",
            "name",
            "policy",
            "releases",
            "reserve_concurrency",
            "schedule",
            "tracing",
            "vpcs",
        ),
    ]


def test_what_the_functions_are_given_reads_as_what_was_checked() -> None:
    given = read(
        name="keeper",
        dry_run=False,
        schedule="rate(1 minute)",
        vpcs={VPC: {"subnets": [SUBNET]}},
        releases={"bucket": "bkt", "create": True},
        policy={"port": 8080},
        tracing=True,
    )
    texts = json.loads(json.dumps(given.texts))
    assert from_settings(texts) == given.config
    assert texts.keys() == {"name", "dry_run", "groups", "releases", "policy", "schedule"}


@pytest.mark.parametrize("bucket", ["a..b", "a.-b", "a-.b", "192.168.5.4", "Ab", "ab", "a" * 64])
def test_a_bucket_that_s3_would_refuse_is_refused(bucket: str) -> None:
    with pytest.raises(ConfigError, match=r"^releases\.bucket says "):
        read(releases={"bucket": bucket})


def test_more_rules_than_a_security_group_takes_are_refused() -> None:
    with pytest.raises(ConfigError, match="accepted is at most 60 pairs"):
        read_vpc(ports=list(range(8000, 8021)))


def test_more_names_than_a_function_can_be_given_are_refused() -> None:
    names = [f"live_asg_{number:03}_of_a_long_name" for number in range(120)]
    with pytest.raises(ConfigError, match="serve groups by tag instead of by name"):
        read(groups={"names": names})


def test_a_deployment_is_read_from_a_file(tmp_path: Path) -> None:
    given = TAGGED | {"schedule": "rate(1 hour)"}
    path = write(tmp_path, json.dumps({"context": {"terminator": given}}).encode())
    assert deployment_from_file(path) == deployment_from_settings(given)
    wrong = write(tmp_path, b'{"context": {"terminator": {"groups": {"tagged": true}, "vpcs": 1}}}')
    with pytest.raises(ConfigError) as error:
        deployment_from_file(wrong)
    assert str(error.value).startswith(f"{wrong}: vpcs says ")
    assert from_file(wrong).tagged


def test_when_releases_are_taken_back_is_said_for_each_app() -> None:
    apps = {
        "web": {"withdraw": {"silent": True, "alarms": ["5xx", "slow answers", "5xx"]}},
        "api": {"withdraw": {"alarms": ["5xx"]}, "order": "uploaded"},
        "job": {"order": "uploaded"},
    }
    read = from_settings({**TAGGED, "releases": {"bucket": "bkt", "apps": apps}})
    assert read.bucket is not None
    assert read.bucket.withdraws == {
        "web": Withdraw(silent=True, alarms=("5xx", "slow answers")),
        "api": Withdraw(alarms=("5xx",)),
    }
    assert read.bucket.order_of("api") == "uploaded"


def test_no_tag_and_no_policy_has_releases_taken_back() -> None:
    with pytest.raises(ConfigError, match="withdraw"):
        from_settings({**TAGGED, "policy": {"withdraw": "silent"}})


@pytest.mark.parametrize(
    ("tags", "hint"),
    [
        (["minimun"], "did you mean minimum? "),
        (["app", "batch"], "write max-unavailable instead; "),
        (["terminator:alarm"], "did you mean alarm? "),
        (["app", "zzz"], ""),
    ],
)
def test_an_unknown_name_in_limits_tags_is_answered_with_the_nearest(
    tags: list[str], hint: str
) -> None:
    said = refused_by_both({**TAGGED, "limits": {"tags": tags}})
    assert f'"; {hint}accepted is a list of any of app, minimum'[1:] in said
