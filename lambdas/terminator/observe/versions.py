"""Asking instances for their versions, part by part at the same time, and what came back."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Final

from terminator.config.tags import Policy
from terminator.errors import Failure, KnownError, attempt
from terminator.text import plain
from terminator.version import NotAVersionError, Version

if TYPE_CHECKING:
    from types_boto3_ec2.type_defs import InstanceTypeDef

    from terminator.probe.ask import Answer, Question

# The probe caps its reasons; one that is longer was not made by it.
_LONGEST_REASON: Final = 300

# How many instances one call of the probe asks: at 512 MB of memory that takes it some two
# seconds where all answer, and 20 where none does. At its longest each has about 1 KB of question
# and of answer; Lambda takes and returns 6 MB at most:
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
PART: Final = 1000
# Calls at the same time: a new account may run ten functions at once, reconcile among them.
AT_ONCE: Final = 5
# What a probe function may take beyond what it was given: to start, and to answer.
OVERRUN_SECONDS: Final = 15.0
# A part that takes longer hangs, and must leave the groups of the others their time.
_LONGEST_SECONDS: Final = 60.0

# Asks instances of one VPC, in several threads; the number is the seconds it may take.
Probe = Callable[[str, "Sequence[Question]", float], "Sequence[Answer]"]


class ProbeError(KnownError):
    """Instances of a VPC could not be asked; the message says why."""


def take(
    probe: Probe,
    seconds: Callable[[], float],
    rows: Mapping[str, InstanceTypeDef],
    policies: Mapping[str, Policy],
) -> tuple[dict[str, Version | str], dict[str, str]]:
    """Ask each instance for its version; a part that fails costs the others nothing.

    `seconds` tells how long all may take from now on. `policies` maps the ids of
    those to ask to their groups' policies. Return what each answered, and for the rest why it
    was not asked.
    """
    seen: dict[str, Version | str] = {}
    failures = dict.fromkeys(policies, "it was not asked: time ran out, or the probe failed")
    failures |= {id_: "it has no address" for id_ in policies if not _address(rows[id_])}
    parts = list(_parts(_questions(rows, policies)))
    waves = [-(-left // AT_ONCE) for left in range(len(parts), 0, -1)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answered = list(pool.map(partial(_ask, probe, seconds), parts, waves))
    for (_, questions), answers in zip(parts, answered, strict=True):
        ids = [question["instance"] for question in questions]
        if isinstance(answers, Failure):
            failures |= dict.fromkeys(ids, answers.why)
        else:
            seen |= _valid(answers, frozenset(ids))
    return seen, {id_: why for id_, why in failures.items() if id_ not in seen}


def _ask(
    probe: Probe, seconds: Callable[[], float], part: tuple[str, list[Question]], waves: int
) -> Sequence[Answer] | Failure:
    """Ask a part, with so many waves of parts still to come, its own among them."""
    share = min(_LONGEST_SECONDS, seconds() / waves)
    if share <= 0:
        return Failure("it was not asked: time ran out")
    return attempt(lambda: probe(*part, share))


def _parts(vpcs: Mapping[str, list[Question]]) -> Iterator[tuple[str, list[Question]]]:
    """Cut the questions to each VPC into parts of nearly the same size."""
    for vpc, questions in sorted(vpcs.items()):
        number = -(-len(questions) // PART)
        yield from ((vpc, questions[first::number]) for first in range(number))


def _address(row: InstanceTypeDef) -> str | None:
    return row.get("PrivateIpAddress")


def _questions(
    rows: Mapping[str, InstanceTypeDef], policies: Mapping[str, Policy]
) -> dict[str, list[Question]]:
    vpcs: dict[str, list[Question]] = defaultdict(list)
    for id_ in sorted(id_ for id_ in policies if _address(rows[id_])):
        vpcs[rows[id_].get("VpcId", "")].append(_question(rows[id_], policies[id_]))
    return vpcs


def _question(row: InstanceTypeDef, policy: Policy) -> Question:
    return {
        "instance": row["InstanceId"],
        "url": f"{policy.scheme}://{row['PrivateIpAddress']}:{policy.port}{policy.path}",
        "host": policy.host,
        "version_field": policy.version_field,
    }


def _valid(answers: Sequence[Answer], ids: frozenset[str]) -> dict[str, Version | str]:
    """Keep what answers a question that was asked, once: the rest was not answered."""
    rows = [_sighting(row) for row in answers] if isinstance(answers, list) else []
    times = Counter(row[0] for row in rows if row is not None)
    return {row[0]: row[1] for row in rows if row and row[0] in ids and times[row[0]] == 1}


def _sighting(row: object) -> tuple[str, Version | str] | None:
    match row:
        case {"instance": str(id_), "version": str(text), "reason": None}:
            try:
                return id_, Version.parse(text)
            except NotAVersionError:
                return None
        case {"instance": str(id_), "version": None, "reason": str(reason)} if reason:
            return id_, reason if _is_ours(reason) else plain(reason)
        case _:
            return None


def _is_ours(reason: str) -> bool:
    """Say whether the probe may have made this reason: short, printable, marked where cut."""
    is_plain = reason.isprintable() and reason.replace("…", "").isascii()
    return is_plain and len(reason) <= _LONGEST_REASON
