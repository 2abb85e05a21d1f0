"""All of `context.terminator` of `cdk.json`, checked at synth and by `terminator doctor`."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeGuard

from terminator.config import deployment as config
from terminator.config import pace
from terminator.config.deployment import Config, ConfigError, refused

# Of the day of the month and that of the week one is given, and the other is "?":
# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-cron-expressions.html
_FIELD: Final = r"[^()\s?]+"
_SCHEDULE: Final = re.compile(
    r"rate\((1 (minute|hour|day)|([2-9]|[1-9][0-9]+) (minutes|hours|days))\)"
    rf"|cron\({_FIELD} {_FIELD} (\? {_FIELD} {_FIELD}|{_FIELD} {_FIELD} \?) {_FIELD}\)"
)
_SCHEDULES: Final = "rate(5 minutes) or cron(0/5 * * * ? *)"
# Somebody at some domain: whether there is such a one is asked by the mail that SNS sends.
_EMAIL: Final = re.compile(
    r"(?=.{3,254}$)[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+"
)
_VPC: Final = re.compile(r"vpc-[0-9a-f]{8}([0-9a-f]{9})?")
_SUBNET: Final = re.compile(r"subnet-[0-9a-f]{8}([0-9a-f]{9})?")
_VPCS: Final = '{"vpc-0a1b2c3d": {"subnets": ["subnet-0a1b2c3d"]}}'
_VPC_SETTINGS: Final = frozenset({"subnets", "ports", "cidrs"})
# RFC 1918: where instances have their private addresses, unless told otherwise.
_PRIVATE: Final = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"]
_HIGHEST_PORT: Final = 65_535
# A security group has at most 60 rules a direction, a function 4 KB of environment:
# https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
_MOST_RULES: Final = 60
_MOST_BYTES: Final = 3000
# Some of those that CloudWatch Logs knows:
# https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
RETENTION_DAYS: Final = (1, 7, 14, 30, 90, 180, 365, 731)


@dataclass(frozen=True)
class ProbedVpc:
    """A VPC with instances to ask: where the probe function stands, and what it may reach."""

    id: str
    subnets: tuple[str, ...]
    ports: tuple[int, ...]
    cidrs: tuple[str, ...]


@dataclass(frozen=True)
class Settings:
    """What a deployment is made of.

    `runtime` is what the functions read, and `texts` the same as they are given it.
    """

    runtime: Config
    texts: Mapping[str, object]
    schedule: str
    vpcs: tuple[ProbedVpc, ...]
    create_bucket: bool
    reserve_concurrency: bool
    retention_days: int
    tracing: bool
    example: bool
    alarm_email: str | None


def read(settings: object) -> Settings:
    """Read the settings; raise ConfigError naming setting, text and what is accepted."""
    runtime = config.from_settings(settings)
    given: Mapping[str, object] = settings if isinstance(settings, dict) else {}
    return Settings(
        runtime=runtime,
        texts=_texts(given),
        schedule=_schedule(given.get("schedule", "rate(5 minutes)")),
        vpcs=_vpcs(given.get("vpcs", {}), runtime.defaults.port),
        create_bucket=_create_bucket(given.get("releases")),
        reserve_concurrency=_boolean(given, "reserve_concurrency", default=True),
        retention_days=_retention_days(given.get("log_retention_days", 30)),
        tracing=_boolean(given, "tracing", default=False),
        example=_boolean(given, "example", default=False),
        alarm_email=_email(given.get("alarm_email")),
    )


def _texts(given: Mapping[str, object]) -> Mapping[str, object]:
    texts = {name: value for name, value in given.items() if name in config.RUNTIME}
    size = len(json.dumps(texts))
    if size > _MOST_BYTES:
        raise ConfigError(
            f"the settings are {size} bytes long; accepted are {_MOST_BYTES}, since a function's "
            "environment holds them: serve groups by tag instead of by name"
        )
    return texts


def _schedule(value: object) -> str:
    if not isinstance(value, str) or _SCHEDULE.fullmatch(value) is None:
        raise refused("schedule", value, _SCHEDULES)
    try:
        pace.of(value)
    except (ValueError, OverflowError) as error:
        raise refused("schedule", value, _SCHEDULES) from error
    return value


def _email(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or _EMAIL.fullmatch(value) is None:
        raise refused("alarm_email", value, "an e-mail address such as oncall@example.com")
    return value


def _boolean(given: Mapping[str, object], name: str, *, default: bool) -> bool:
    return config.boolean(name, given.get(name, default))


def _create_bucket(releases: object) -> bool:
    create = releases.get("create", False) if isinstance(releases, dict) else False
    return config.boolean("releases.create", create)


def _retention_days(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value not in RETENTION_DAYS:
        accepted = ", ".join(map(str, RETENTION_DAYS))
        raise refused("log_retention_days", value, f"one of {accepted}")
    return value


def _vpcs(value: object, port: int) -> tuple[ProbedVpc, ...]:
    if not isinstance(value, dict):
        raise refused("vpcs", value, f"an object such as {_VPCS}")
    return tuple(_vpc(id_, of, port) for id_, of in sorted(value.items()))


def _vpc(id_: str, value: object, port: int) -> ProbedVpc:
    if _VPC.fullmatch(id_) is None:
        raise refused("vpcs", id_, "the id of a VPC, such as vpc-0a1b2c3d")
    given = config.mapping_of(f"vpcs.{id_}", value, _VPC_SETTINGS)
    subnets, ports = given.get("subnets"), given.get("ports", [port])
    if not _all(subnets, _is_subnet):
        raise refused(f"vpcs.{id_}.subnets", subnets, "a list of ids of subnets of the VPC")
    if not _all(ports, _is_port):
        accepted = "a list of ports from 1 to 65535, numbers without quotes"
        raise refused(f"vpcs.{id_}.ports", ports, accepted)
    cidrs = given.get("cidrs", _PRIVATE)
    if not _all(cidrs, _is_cidr):
        raise refused(f"vpcs.{id_}.cidrs", cidrs, "a list of networks such as 10.0.0.0/16")
    if len(ports) * len(cidrs) > _MOST_RULES:
        accepted = f"at most {_MOST_RULES} pairs of a port and a network"
        raise refused(f"vpcs.{id_}", f"{len(ports)} ports, {len(cidrs)} cidrs", accepted)
    return ProbedVpc(id_, tuple(subnets), tuple(ports), tuple(cidrs))


def _all(value: object, accepts: Callable[[object], bool]) -> TypeGuard[list[Any]]:
    return isinstance(value, list) and bool(value) and all(map(accepts, value))


def _is_subnet(value: object) -> bool:
    return isinstance(value, str) and _SUBNET.fullmatch(value) is not None


def _is_port(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= _HIGHEST_PORT


def _is_cidr(value: object) -> bool:
    try:
        return isinstance(value, str) and str(ipaddress.IPv4Network(value)) == value
    except ValueError:
        return False
