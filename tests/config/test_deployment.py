"""The deployment's settings: what is accepted, and what is said of what is not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terminator.config import deployment as config
from terminator.config import stack_settings as settings
from terminator.config.deployment import ConfigError
from terminator.config.stack_settings import ProbedVpc, Settings
from terminator.text import quoted

VPC, SUBNET = "vpc-0123456789abcdef0", "subnet-0123456789abcdef0"
PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")


def read(**given: Any) -> Settings:
    return settings.read({"groups": {"tagged": True}, **given})


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


SCHEDULES = "rate(5 minutes) or cron(0/5 * * * ? *)"


def test_without_settings_there_is_a_default_for_each() -> None:
    given = read()
    assert given.schedule == "rate(5 minutes)"
    assert given.vpcs == ()
    assert given.retention_days == 30
    assert given.reserve_concurrency
    assert not given.create_bucket
    assert not given.tracing
    assert not given.example
    assert given.alarm_email is None


@pytest.mark.parametrize(
    "schedule",
    [
        "rate(1 minute)",
        "rate(1 hour)",
        "rate(1 day)",
        "rate(2 minutes)",
        "rate(10 hours)",
        "rate(30 days)",
        "cron(0/5 * * * ? *)",
        "cron(0 9 ? * MON-FRI *)",
        "cron(0 9 ? * * *)",
        "cron(0 9 LW * ? 2027)",
    ],
)
def test_a_schedule_is_eventbridges_own(schedule: str) -> None:
    assert read(schedule=schedule).schedule == schedule


@pytest.mark.parametrize(
    "schedule",
    [
        "",
        "5 minutes",
        "rate(0 minutes)",
        "rate(1 minutes)",
        "rate(1 days)",
        "rate(5 minute)",
        "rate(5 seconds)",
        "rate(-5 minutes)",
        "rate(5 minutes) ",
        "rate(5 minutes)\n",
        "Rate(5 minutes)",
        "*/5 * * * *",
        "cron()",
        "cron(0/5 * * * *)",
        "cron(0/5 * * * * *)",
        "cron(0/5 * ? * ? *)",
        "cron(0 9 1 * MON *)",
        "cron(0 9 1,? * ? *)",
        "cron(? 9 * * ? *)",
        "cron(0 ? * * ? *)",
        "cron(0 9 * ? ? *)",
        "cron(0 9 * * ? ?)",
        "cron(0/5 * * * ? *",
        "cron(0/5 * * * ? *)cron(0/5 * * * ? *)",
        "at(2026-01-01T00:00:00)",
        5,
        True,
        None,
        ["rate(5 minutes)"],
    ],
)
def test_another_schedule_is_refused(schedule: object) -> None:
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
        f'vpcs.{VPC}: unknown setting "port"; accepted are cidrs, ports, subnets'
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
    accepted = "a list of ports from 1 to 65535, numbers without quotes"
    assert refusal(vpcs={VPC: {"subnets": [SUBNET], "ports": ports}}) == says(
        f"vpcs.{VPC}.ports", ports, accepted
    )


def test_without_ports_the_probe_reaches_the_port_of_the_policy() -> None:
    assert read_vpc().ports == (80,)
    [vpc] = read(policy={"port": 8080}, vpcs={VPC: {"subnets": [SUBNET]}}).vpcs
    assert vpc.ports == (8080,)


@pytest.mark.parametrize("cidr", ["0.0.0.0/0", "10.0.0.0/8", "10.1.2.3/32", "100.64.0.0/10"])
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
        ["fd00::/8"],
        [10],
        [None],
    ],
)
def test_other_networks_are_refused(cidrs: object) -> None:
    assert refusal(vpcs={VPC: {"subnets": [SUBNET], "cidrs": cidrs}}) == says(
        f"vpcs.{VPC}.cidrs", cidrs, "a list of networks such as 10.0.0.0/16"
    )


@pytest.mark.parametrize("days", [1, 7, 14, 30, 90, 180, 365, 731])
def test_logs_are_kept_for_so_many_days(days: int) -> None:
    assert read(log_retention_days=days).retention_days == days


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
    assert read(name=name).runtime.name == name


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
        return read(name=name).runtime.name == name
    except ConfigError:
        return False


def test_an_unknown_setting_is_refused_with_those_that_are_known() -> None:
    message = refusal(shedule="rate(5 minutes)")
    assert message.startswith('terminator: unknown setting "shedule"; accepted are alarm_email, ')
    for known in ("log_retention_days", "reserve_concurrency", "schedule", "tracing", "vpcs"):
        assert known in message


@pytest.mark.parametrize("value", [None, [], "terminator", 1])
def test_settings_that_are_no_object_are_refused(value: object) -> None:
    with pytest.raises(ConfigError) as error:
        settings.read(value)
    assert str(error.value) == says("terminator", value, "an object")


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
    assert config.from_settings(texts) == given.runtime
    assert texts.keys() == {"name", "dry_run", "groups", "releases", "policy"}


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
