"""More instances than one call of the probe function takes."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from threading import Barrier, Lock
from typing import Any

import pytest

from terminator.config import values as settings
from terminator.invoke import probe_through
from terminator.model import Answer as Answered
from terminator.model import Unobserved
from terminator.observe import versions
from terminator.observe.autoscaling import Ec2Instance
from terminator.observe.versions import PART, ProbeError
from terminator.probe.ask import LONGEST_REASON, Answer, Question
from terminator.version import MAX_LENGTH
from tests.decide.builders import NOW, policy
from tests.fakes.cloud import refusal
from tests.probe.asking import question

# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
LAMBDA_BYTES = 6 * 1000**2
ID = "i-0123456789abcdef0"

Ask = Callable[[str, Any, float], Any]


def taken(ask: Ask, vpcs: dict[str, int]) -> tuple[dict[str, Answered], dict[str, str]]:
    """Take the answers for so many instances in each VPC."""
    rows = {
        id_: Ec2Instance(id_, running=True, created=NOW, address="10.0.0.1", vpc=vpc)
        for vpc, size in vpcs.items()
        for id_ in (f"{vpc}-i-{n:05}" for n in range(size))
    }
    found = versions.ask_instances(ask, lambda: 60.0, rows, dict.fromkeys(rows, policy()))
    seen = {id_: each for id_, each in found.items() if not isinstance(each, Unobserved)}
    return seen, {id_: each.reason for id_, each in found.items() if isinstance(each, Unobserved)}


def good(questions: list[Question]) -> list[Answer]:
    return [Answer(instance=each["instance"], version="1.0", reason=None) for each in questions]


def test_a_part_is_no_larger_than_the_probe_takes_and_each_is_asked_once() -> None:
    sizes: list[int] = []
    asked: list[str] = []

    def ask(_vpc: str, questions: list[Question], _seconds: float) -> list[Answer]:
        with lock:
            sizes.append(len(questions))
            asked.extend(each["instance"] for each in questions)
        return good(questions)

    lock = Lock()
    seen, failures = taken(ask, {"vpc-1": 10 * PART, "vpc-2": 1})
    assert (len(seen), failures) == (10 * PART + 1, {})
    assert sorted(asked) == sorted(seen)
    assert sorted(sizes) == [1] + [PART] * 10


def test_one_more_than_a_part_is_two_halves() -> None:
    sizes: list[int] = []

    def ask(_vpc: str, questions: list[Question], _seconds: float) -> list[Answer]:
        sizes.append(len(questions))
        return good(questions)

    taken(ask, {"vpc-1": PART + 1})
    assert sorted(sizes) == [PART // 2, PART // 2 + 1]


@pytest.mark.parametrize("vpcs", [{"vpc-1": 3 * PART}, {"vpc-1": 1, "vpc-2": 1, "vpc-3": 1}])
def test_parts_and_vpcs_are_asked_at_the_same_time(vpcs: dict[str, int]) -> None:
    together = Barrier(3)

    def ask(_vpc: str, questions: list[Question], _seconds: float) -> list[Answer]:
        together.wait(timeout=60)
        return good(questions)

    seen, failures = taken(ask, vpcs)
    assert (len(seen), failures) == (sum(vpcs.values()), {})


def test_a_part_that_fails_costs_the_others_nothing() -> None:
    def ask(_vpc: str, questions: list[Question], _seconds: float) -> list[Answer]:
        if any(each["instance"] == "vpc-1-i-00000" for each in questions):
            raise ProbeError("no")
        return good(questions)

    seen, failures = taken(ask, {"vpc-1": 4 * PART, "vpc-2": 1})
    assert len(seen) == 3 * PART + 1
    assert len(failures) == PART
    assert set(failures.values()) == {"no"}
    assert seen.keys().isdisjoint(failures)


def test_what_one_part_says_of_anothers_instances_is_ignored() -> None:
    def ask(_vpc: str, questions: list[Question], _seconds: float) -> list[Answer]:
        others = [{**each, "instance": f"vpc-1-i-{n:05}"} for n, each in enumerate(questions)]
        return good([*questions, *others])  # type: ignore[list-item]

    seen, failures = taken(ask, {"vpc-1": PART, "vpc-2": PART})
    assert set(seen) == {f"vpc-2-i-{n:05}" for n in range(PART)}
    assert set(failures) == {f"vpc-1-i-{n:05}" for n in range(PART)}


class Lambda:
    """Lambda's Invoke, throttled the first so many times; remembers what it was asked."""

    def __init__(self, throttled: int, code: str = "TooManyRequestsException") -> None:
        self.left, self.code = throttled, code
        self.asked: list[dict[str, Any]] = []

    def invoke(self, *, Payload: bytes, **_: Any) -> dict[str, Any]:  # noqa: N803 - as boto3
        self.asked.append(json.loads(Payload))
        self.left -= 1
        if self.left >= 0:
            raise refusal(self.code, "Rate Exceeded.")
        return {"Payload": io.BytesIO(json.dumps(good(self.asked[-1]["questions"])).encode())}


def through(functions: Lambda, seconds: float) -> tuple[list[Answer], list[float]]:
    """Ask through a probe function; return its answers and how long was waited each time."""
    waits: list[float] = []
    client: Any = functions
    ask = probe_through(lambda _seconds: client, {"vpc-1": "probe-1"}, waits.append)
    return list(ask("vpc-1", [question("http://10.0.0.1/")], seconds)), waits


def test_a_throttled_part_is_asked_again_within_its_time() -> None:
    functions = Lambda(throttled=3)
    answers, waits = through(functions, 60.0)
    assert [answer["version"] for answer in answers] == ["1.0"]
    assert waits == sorted(waits)
    assert functions.asked[-1]["seconds"] == 60.0 - sum(waits)


@pytest.mark.parametrize("seconds", [0.1, 3.0, 10_000.0])
def test_a_part_that_stays_throttled_was_not_asked(seconds: float) -> None:
    functions = Lambda(throttled=1_000_000)
    with pytest.raises(ProbeError, match="TooManyRequestsException: Rate Exceeded"):
        through(functions, seconds)
    assert 1 <= len(functions.asked) < 10
    assert functions.asked[-1]["seconds"] > 0


def test_no_other_failure_is_tried_again() -> None:
    functions = Lambda(throttled=1, code="ServiceException")
    with pytest.raises(ProbeError, match="ServiceException"):
        through(functions, 60.0)
    assert len(functions.asked) == 1


def longest(name: str, text: str) -> str:
    """Return the text, lengthened until the setting takes no more of it."""
    while is_read(name, text + "a"):
        text += "a"
    return text


def is_read(name: str, text: str) -> bool:
    try:
        getattr(settings, name)(text)
    except ValueError:
        return False
    return True


def test_the_longest_questions_and_answers_of_a_part_fit_into_lambdas_payload() -> None:
    address = ":".join(["ffff"] * 8)
    url = f"https://[{address}]:65535{longest('path', '/')}"
    host, field = longest("host", "a"), longest("version_field", "a")
    asked = question(url, ID, host, field)
    event = json.dumps({"questions": [asked] * PART, "seconds": 123.456789}).encode()
    assert PART * 512 < len(event) < LAMBDA_BYTES
    failed = Answer(instance=ID, version=None, reason="\\" * LONGEST_REASON)
    told = Answer(instance=ID, version="1" * MAX_LENGTH, reason=None)
    assert all(len(json.dumps([each] * PART)) < LAMBDA_BYTES for each in (failed, told))


@pytest.mark.parametrize(("name", "text"), [("path", "/"), ("host", "a"), ("version_field", "a")])
def test_a_setting_takes_no_text_that_a_tag_could_not_hold(name: str, text: str) -> None:
    assert len(longest(name, text)) == 256
