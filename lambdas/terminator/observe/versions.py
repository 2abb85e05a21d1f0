"""Asking instances for their versions, part by part at the same time, and what came back."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from terminator.config.tags import Policy
from terminator.errors import KnownError, explain
from terminator.model import Answer, NoVersion, Unobserved
from terminator.text import plain
from terminator.version import NotAVersionError, Order, read

if TYPE_CHECKING:
    from terminator.observe.autoscaling import Ec2Instance
    from terminator.probe.ask import Answer as ProbeAnswer
    from terminator.probe.ask import Question

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
Probe = Callable[[str, "Sequence[Question]", float], "Sequence[ProbeAnswer]"]


class ProbeError(KnownError):
    """Instances of a VPC could not be asked; the message says why."""


def ask_instances(
    probe: Probe,
    seconds: Callable[[], float],
    instances: Mapping[str, Ec2Instance],
    policies: Mapping[str, Policy],
) -> dict[str, Answer | Unobserved]:
    """Ask each instance for its version; a part that fails costs the others nothing.

    `seconds` tells how long all may take from now on. `policies` maps the ids of those to ask to
    their groups' policies, `instances` to what EC2 says of them. Return what each answered, or
    why it was not asked.
    """
    unasked = Unobserved("it was not asked: time ran out, or the probe failed")
    seen: dict[str, Answer | Unobserved] = dict.fromkeys(policies, unasked)
    vpcs: dict[str, list[Question]] = defaultdict(list)
    for id_ in sorted(policies):
        address = instances[id_].address
        if address:
            vpcs[instances[id_].vpc].append(_question(id_, address, policies[id_]))
        else:
            seen[id_] = Unobserved("it has no private IPv4 address and no IPv6 address")
    parts = [
        (vpc, questions[first::number])
        for vpc, questions in sorted(vpcs.items())
        for number in (-(-len(questions) // PART),)
        for first in range(number)
    ]
    waves = [-(-left // AT_ONCE) for left in range(len(parts), 0, -1)]

    def ask(part: tuple[str, list[Question]], waves: int) -> Mapping[str, Answer | Unobserved]:
        """Ask a part, with so many waves of parts still to come, its own among them."""
        vpc, questions = part
        share = min(_LONGEST_SECONDS, seconds() / waves)
        if share <= 0:
            failure = "it was not asked: time ran out"
        else:
            try:
                return _valid(probe(vpc, questions, share), questions)
            except Exception as error:  # noqa: BLE001 - whatever it is, the others are asked
                failure = explain(error)
        return {question["instance"]: Unobserved(failure) for question in questions}

    if len(parts) == 1:
        return {**seen, **ask(parts[0], 1)}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for answers in pool.map(ask, parts, waves):
            seen |= answers
    return seen


def _question(id_: str, address: str, policy: Policy) -> Question:
    return {
        "instance": id_,
        "scheme": policy.scheme,
        "address": address,
        "port": policy.port,
        "path": policy.path,
        "host": policy.host,
        "version_field": policy.version_field,
        "version_header": policy.version_header,
        "version_prefix": policy.version_prefix,
        "version_suffix": policy.version_suffix,
        "order": policy.order,
    }


def _valid(answers: Sequence[ProbeAnswer], questions: Sequence[Question]) -> dict[str, Answer]:
    """Keep what answers a question that was asked, once: the rest was not answered."""
    orders = {each["instance"]: each.get("order", "version") for each in questions}
    rows = [_read(row, orders) for row in answers] if isinstance(answers, list) else []
    times = Counter(row[0] for row in rows if row is not None)
    return {row[0]: row[1] for row in rows if row and row[0] in orders and times[row[0]] == 1}


def _read(row: object, orders: Mapping[str, Order]) -> tuple[str, Answer] | None:
    match row:
        case {"instance": str(id_), "version": str(text), "reason": None}:
            try:
                return id_, read(text, orders.get(id_, "version"))
            except NotAVersionError:
                return None
        case {"instance": str(id_), "version": None, "reason": str(reason)} if reason:
            # The probe's own reasons are short, printable and marked where they were cut.
            is_plain = reason.isprintable() and reason.replace("…", "").isascii()
            is_ours = is_plain and len(reason) <= _LONGEST_REASON
            return id_, NoVersion(reason if is_ours else plain(reason))
        case _:
            return None
