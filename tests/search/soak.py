"""The search at length: kept lives, then lives at random, each round from a seed of its own.

python -m tests.search.soak --steps 200000 --seed 0
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import count, islice
from typing import Any

import click
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.search.judge import BrokenPromiseError
from tests.search.life import COUNTS, STEPS, Life, Step
from tests.search.oracle import WINDOW
from tests.search.tape import START

_STEPS_A_LIFE = 50
_LIVES_A_ROUND = 40
# Rounds that are handed out at a time, so that the end comes soon after enough steps.
_AT_ONCE = 4

_GROUP = {
    "desired": 4,
    "app": "web",
    "minimum": "1",
    "max-unavailable": "25%",
    "grace": 0,
    "balanced": False,
    "canary-retry": "30m",
    "window": "always",
    "kind": "plain",
    "follow": "release",
    "images": False,
}


# A group of one that is released without a gap.
ONE: Mapping[str, Any] = {
    "desired": 1,
    "minimum": "1",
    "kind": "checked",
    "balanced": True,
    "surge": "refresh",
}


def _begin(*, versioned: bool = True, groups: int = 1, **more: Any) -> Step:
    said = {name.replace("_", "-"): value for name, value in more.items()}
    made = [{**_GROUP, **said} for _ in range(groups)]
    return ("begin", {"groups": made, "bucket": True, "versioned": versioned})


def _roll_out(boots: str, periods: int) -> Step:
    return ("roll_out", {"which": 0, "higher": 1, "boots": boots, "periods": periods})


def _image(boots: str, way: str, periods: int = 8) -> Step:
    return ("roll_back_image", {"which": 0, "boots": boots, "way": way, "periods": periods})


def _to_one(boots: str, meanwhile: str = "nothing", periods: int = 24) -> Step:
    told = {"which": 0, "boots": boots, "meanwhile": meanwhile}
    return ("release_to_one", {**told, "periods": periods, "every": 60})


def _ill(how: str) -> Sequence[Step]:
    ways = ((1, False), (2, False), (1, True))
    return [
        ("be_ill", {"which": 0, "how": how, "number": number, "breaks": breaks})
        for number, breaks in ways
    ]


def _meddle(change: str, number: int) -> Step:
    return ("meddle", {"change": change, "which": 0, "number": number})


def _amid(change: str, number: int, *, fresh: bool) -> Step:
    confirming = {"call": "describe_auto_scaling_groups", "nth": 2}
    return ("run_amid", {**confirming, "change": change, "number": number, "fresh": fresh})


_HALF_A_DAY: Sequence[Step] = [("scheduled", {"periods": 12, "every": 60})]
_A_DAY_AND_MORE: Sequence[Step] = [("wait", {"number": 1000})] * 2
_ONCE: Step = ("scheduled", {"periods": 1})


def _held(*before: Step, **more: Any) -> Sequence[Step]:
    """Return a life in which a release comes after these steps, and is looked at a day later."""
    return [_begin(**more), *before, _roll_out("good", 3), *_A_DAY_AND_MORE, _ONCE]


# Lives that the search should always live, since chance seldom brings them.
LIVES: Mapping[str, Sequence[Step]] = {
    "a release is withdrawn from a bucket without versions": [
        _begin(versioned=False, max_unavailable="100%"),
        _roll_out("good", 12),
        ("roll_back", {"which": 0}),
    ],
    "the network fails before the second look": [
        _begin(),
        ("lose_the_network", {"which": 0, "rounds": 20}),
    ],
    "boots stay stale for hours": [
        _begin(desired=6, canary_retry="5m"),
        _roll_out("stale", 12),
        ("scheduled", {"periods": 12}),
        ("scheduled", {"periods": 12}),
    ],
    "a release comes at night, outside the window": [
        _begin(window=WINDOW),
        ("wait", {"number": 400}),
        ("wait", {"number": 400}),
        _roll_out("good", 3),
    ],
    "the chosen is protected between the look and the termination": [
        _begin(),
        _roll_out("good", 3),
        ("wait", {"number": 5}),
        _amid("protect", 1, fresh=False),
    ],
    "an alarm is named between the look and the termination": [
        _begin(),
        _amid("alarms", 1, fresh=True),
    ],
    "for a week nobody looks, and then at night": [
        _begin(window=WINDOW),
        ("wait", {"number": 800}),
        ("release", {"which": 0, "higher": 1, "boots": "good"}),
        ("wait", {"number": 11_600}),
        _ONCE,
    ],
    "S3's clock is minutes ahead": [
        _begin(),
        ("skew", {"seconds": 300}),
        ("release", {"which": 0, "higher": 1, "boots": "good"}),
        ("event", {"which": 0, "twice": False}),
    ],
    "a pointer names no release": [
        _begin(),
        ("point", {"which": 0, "version": "nonsense"}),
        _ONCE,
    ],
    "nothing answers any more": [
        _begin(),
        *(_meddle("go deaf", number) for number in range(4)),
        _ONCE,
    ],
    "a release bakes": [
        _begin(max_unavailable="100%"),
        _meddle("bake-time", 2),
        _roll_out("good", 12),
    ],
    "a setting cannot be read": _held(_meddle("minimum", 7)),
    "a group is being deleted": _held(_meddle("delete", 2)),
    "a group is paused": _held(_meddle("pause", 0)),
    "a process is suspended": _held(_meddle("suspend", 3)),
    "capacity is measured in other units": _held(_meddle("weigh all", 2)),
    "a member is weighted": _held(_meddle("weigh", 0)),
    "all members are protected": _held(*(_meddle("protect", number) for number in range(4))),
    "the minimum is all": _held(minimum="100%"),
    "an instance refresh is in progress": _held(_meddle("refresh", 1)),
    "an alarm is in ALARM": _held(_meddle("set an alarm", 1), _meddle("alarms", 1)),
    "an alarm does not exist": _held(_meddle("set an alarm", 0), _meddle("alarms", 2)),
    "a launch hangs": _held(_meddle("launching", 2)),
    "a release never comes up": [_begin(), _roll_out("dead", 12), *_A_DAY_AND_MORE, _ONCE],
    "a zip cannot be read": [
        _begin(),
        ("release_broken_zip", {"which": 0, "higher": 1}),
        _ONCE,
    ],
    "a release is mended within a minute of its canary": [
        _begin(),
        ("mend_at_once", {"which": 0, "seconds": 20}),
        ("mend_at_once", {"which": 0, "seconds": 50}),
    ],
    "a release rings the alarm that its fix goes out under": [
        _begin(balanced=True),
        ("release_under_alarm", {"which": 0, "boots": "good"}),
        ("release_under_alarm", {"which": 0, "boots": "dying"}),
    ],
    "a fleet is down, and a good release comes": [
        _begin(desired=6, balanced=True),
        ("fix", {"which": 0, "how": "deaf", "back": False}),
        ("fix", {"which": 0, "how": "sick", "back": False}),
    ],
    "a warm pool holds a release that never comes up": [
        _begin(kind="deep warm pool"),
        _roll_out("dead", 12),
        ("scheduled", {"periods": 12}),
        ("release_under_alarm", {"which": 0, "boots": "dead"}),
    ],
    "zips expire while a release goes out": [
        _begin(),
        ("let_expire", {"days": 5}),
        _roll_out("good", 12),
        *_A_DAY_AND_MORE,
        _ONCE,
    ],
    "images that a load balancer refuses are taken back, each in another way": [
        _begin(balanced=True, follow="template"),
        *(_image("sick", way) for way in ("pin", "delete", "mend")),
    ],
    "images that never come up are taken back, each in another way": [
        _begin(kind="checked", desired=3, follow="template", images=True),
        *(_image("dead", way) for way in ("pin", "delete", "mend")),
    ],
    "an image that never comes up beside releases": [
        _begin(follow="release template", desired=3),
        _image("dead", "delete"),
        ("roll_out_image", {"which": 0, "boots": "dead", "periods": 12}),
        *_HALF_A_DAY,
    ],
    "a bad image comes to a deep warm pool": [
        _begin(kind="deep warm pool", balanced=True, follow="template"),
        ("roll_out_image", {"which": 0, "boots": "sick", "periods": 12}),
        *_HALF_A_DAY,
    ],
    "a group is pointed at another template, and at a launch configuration": [
        _begin(follow="template", balanced=True, desired=3),
        _meddle("repoint", 5),
        *_HALF_A_DAY,
        _meddle("repoint", 7),
        *_HALF_A_DAY,
        _meddle("repoint", 0),
        *_HALF_A_DAY,
    ],
    "a version that a group names does not exist": [
        _begin(follow="release template"),
        _meddle("repoint", 4),
        ("scheduled", {"periods": 3}),
    ],
    "the image behind a parameter changes": [
        _begin(follow="template", images=True, desired=3),
        _meddle("renew the image", 0),
        *_HALF_A_DAY,
    ],
    "the oldest are ill, whether boots answer or not": [
        _begin(minimum="2"),
        *_ill("deaf"),
    ],
    "the oldest are ill behind a load balancer that does not replace them": [
        _begin(desired=6, balanced=True, max_unavailable="2"),
        *_ill("sick"),
    ],
    "the oldest of an image-deployed group are ill": [
        _begin(desired=3, balanced=True, follow="template"),
        *_ill("deaf"),
    ],
    "one that answers its load balancer alone is not ill": [
        _begin(balanced=True),
        _meddle("ill", 1),
        _meddle("unhear", 3),
        *_HALF_A_DAY,
    ],
    "an ill one is replaced by Auto Scaling itself": [
        _begin(kind="checked"),
        *_ill("sick"),
    ],
    "the last that was created is not ill": [
        _begin(desired=3),
        _meddle("ill", 1),
        _meddle("go deaf", 0),
        *_HALF_A_DAY,
    ],
    "three of six are away, which is no illness": [
        _begin(desired=6),
        _meddle("ill", 1),
        *(_meddle("go deaf", number) for number in (3, 4, 5)),
        *_HALF_A_DAY,
    ],
    "two groups of an app are past their age, and nothing boots": [
        _begin(groups=2, desired=2),
        ("grow_old", {"which": 0, "age": "1h", "breaks": True, "periods": 12}),
    ],
    "an ill one waits for its window": [
        _begin(window=WINDOW, desired=6),
        _meddle("ill", 1),
        _meddle("go deaf", 5),
        *_A_DAY_AND_MORE,
        *_HALF_A_DAY,
    ],
    "six are past their age, in a window": [
        _begin(desired=6, window=WINDOW, balanced=True),
        _meddle("max-age", 5),
        *_HALF_A_DAY,
        *_HALF_A_DAY,
    ],
    "a group that cannot boot is past its age": [
        _begin(desired=3, balanced=True),
        ("grow_old", {"which": 0, "age": "1h", "breaks": True, "periods": 12}),
        ("grow_old", {"which": 0, "age": "1h", "breaks": False, "periods": 12}),
    ],
    "an image-deployed group that cannot boot is past its age": [
        _begin(desired=3, balanced=True, follow="template"),
        ("grow_old", {"which": 0, "age": "6h", "breaks": True, "periods": 12}),
    ],
    "somebody tags all instances, with times and with nonsense": [
        _begin(minimum="2"),
        *(("taint", {"which": 0, "number": n, "every": True, "periods": 12}) for n in (0, 2, 6)),
    ],
    "a template taints each instance that it launches": [
        _begin(follow="template", balanced=True, desired=3),
        _meddle("make a tainting version", 1),
        *_HALF_A_DAY,
        *_HALF_A_DAY,
        _meddle("make a tainting version", 2),
        *_HALF_A_DAY,
    ],
    "an age that cannot be kept": [
        _begin(desired=6, canary_retry="5m"),
        _meddle("bake-time", 2),
        _meddle("max-age", 1),
        ("scheduled", {"periods": 12, "every": 20}),
    ],
    "two runs at once find the same one due": [
        _begin(kind="checked", desired=2, minimum="0", grace=5),
        ("mend_at_once", {"which": 0, "seconds": 20}),
        ("withdraw", {"which": 0}),
        ("taint", {"which": 0, "number": 1, "every": True, "periods": 12}),
        ("overlap", {"call": "describe_scaling_activities", "nth": 1, "fresh": True}),
    ],
    "a group of one is released by an instance refresh": [_begin(**ONE), _to_one("good")],
    "releases to a group of one are broken, each in another way": [
        _begin(**ONE),
        *map(_to_one, ("dead", "sick", "late", "good", "dying")),
    ],
    "boots of a group of one stay stale": [_begin(**ONE), _to_one("stale"), _to_one("good")],
    "a release dies after an instance refresh has believed in it": [
        _begin(**ONE),
        _to_one("dying late"),
        _to_one("good"),
    ],
    "somebody cancels the instance refreshes of a group of one": [
        _begin(**ONE),
        *(_to_one(boots, "somebody cancels it", 6) for boots in ("good", "dead", "good")),
    ],
    "an alarm rings while a group of one is refreshed": [
        _begin(**ONE),
        _to_one("good", "an alarm rings", 6),
        _meddle("set an alarm", 0),
        _to_one("good"),
    ],
    "launches fail, and then hang, while a group of one is refreshed": [
        _begin(**ONE),
        *(_to_one("good", f"launches {how}", 6) for how in ("fail", "hang")),
    ],
    "one of two is reclaimed while a group of one is refreshed": [
        _begin(**ONE),
        *(_to_one("good", f"the {which} one is reclaimed", 6) for which in ("old", "new")),
    ],
    "somebody else refreshes a group of one": [
        _begin(**ONE),
        _meddle("start a refresh", 0),
        *(_to_one(boots, periods=6) for boots in ("dead", "good")),
    ],
    "somebody refreshes a group of four": [
        _begin(),
        _meddle("start a refresh", 0),
        _roll_out("good", 12),
        ("scheduled", {"periods": 12}),
    ],
    "two groups of one are released one after the other": [
        _begin(groups=2, **ONE),
        *(_to_one(boots, periods=12) for boots in ("dead", "good")),
    ],
    "a group of one is not fit for an instance refresh": [
        _begin(**ONE),
        _meddle("max size", 0),
        _roll_out("good", 3),
        *[_meddle("max size", 1), _meddle("checks", 0), _ONCE],
        *[_meddle("checks", 1), _meddle("warm pool", 1), _ONCE],
        *[_meddle("warm pool", 0), _meddle("minimum", 0), ("scheduled", {"periods": 12})],
    ],
    "a group of one is released in its window": [
        _begin(**ONE, window=WINDOW),
        *[("wait", {"number": 400})] * 2,
        _to_one("good"),
    ],
    "the answer to the start of an instance refresh is lost": [
        _begin(**ONE),
        ("run_with_fault", {"call": START, "nth": 1, "fault": "lost", "fresh": True}),
        ("run_with_fault", {"call": START, "nth": 1, "fault": "lost", "fresh": True}),
        *_HALF_A_DAY,
    ],
    "the start of an instance refresh is refused": [
        _begin(groups=2, **ONE),
        *(
            ("run_with_fault", {"call": START, "nth": 1, "fault": fault, "fresh": True})
            for fault in ("denied", "throttled", "busy")
        ),
        *_HALF_A_DAY,
    ],
    "two runs overlap that begin an instance refresh": [
        _begin(groups=2, **ONE),
        ("overlap", {"call": START, "nth": 1, "fresh": True}),
        ("overlap", {"call": "describe_instance_refreshes", "nth": 2, "fresh": True}),
        ("overlap", {"call": "describe_instance_refreshes", "nth": 1, "fresh": True}),
    ],
    "a group of one changes right before its instance refresh begins": [
        _begin(**ONE),
        *(
            _amid(change, number, fresh=True)
            for change, number in (("surge", 0), ("surge", 1), ("max size", 0), ("max size", 1))
        ),
        _amid("minimum", 0, fresh=False),
        *_HALF_A_DAY,
    ],
    "a dry run over a group of one": [
        _begin(groups=2, **ONE),
        ("release", {"which": 0, "higher": 1, "boots": "good"}),
        ("dry_run", {}),
        *_HALF_A_DAY,
    ],
    "a group of one is past its age, which begins no instance refresh": [
        _begin(**ONE),
        ("grow_old", {"which": 0, "age": "1h", "breaks": False, "periods": 12}),
    ],
    "images of a group of one are taken back, each in another way": [
        _begin(**ONE, follow="template", images=True),
        *(_image(boots, way) for boots, way in (("sick", "pin"), ("dead", "delete"))),
        _image("dead", "mend", 2),
    ],
    "one that runs the release is unhealthy for a day": [
        _begin(balanced=True, max_unavailable="1"),
        _roll_out("good", 3),
        _meddle("sicken", 3),
        *_A_DAY_AND_MORE,
        _ONCE,
    ],
}


def lived(steps: Sequence[Step]) -> BrokenPromiseError | None:
    """Live a life of these steps; return the promise that broke, None where none did."""
    life = Life()
    try:
        for name, asked in steps:
            getattr(life, name)(**asked)
        life.teardown()
    except BrokenPromiseError as error:
        return error
    return None


def search(number: int, kind: type[Life] = Life, at_once: int = _LIVES_A_ROUND) -> Counter[str]:
    """Live so many lives of a kind, of one seed, and return what was met.

    Raise BrokenPromiseError where a promise breaks; STEPS is then the life that broke it.
    """
    COUNTS.clear()
    lives = settings(
        max_examples=at_once,
        stateful_step_count=_STEPS_A_LIFE,
        deadline=None,
        database=None,
        phases=[Phase.generate],  # shortened by `shortest`, which knows what a step is
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(seed(number)(kind), settings=lives)
    return Counter(COUNTS)


def one_round(number: int) -> Counter[str]:
    """Search with a seed; the error of a broken promise has the shortest life in its note."""
    try:
        return search(number)
    except BrokenPromiseError:
        raise shortest(list(STEPS)) from None


def shortest(steps: Sequence[Step]) -> BrokenPromiseError:
    """Return the promise that a life breaks, with a life in its note that cannot be shorter.

    No step of it can be left out, nor a group that it begins with.
    """
    broke = lived(steps)
    if broke is None:
        raise ValueError(f"these steps break nothing: {steps}")
    while shorter := next((each for each in _shorter(steps) if _breaks(each, broke)), None):
        steps = shorter
    last = lived(steps) or broke
    last.add_note("\n".join(map(_shown, steps)))
    return last


def _breaks(steps: Sequence[Step], before: BrokenPromiseError) -> bool:
    broke = lived(steps)
    return broke is not None and broke.promise == before.promise


def _shorter(steps: Sequence[Step]) -> Iterator[Sequence[Step]]:
    (begin, made), *rest = steps
    for size in (16, 4, 1):
        for start in range(len(rest) - 1, -1, -size):
            yield [steps[0], *rest[: max(0, start - size + 1)], *rest[start + 1 :]]
    if len(made["groups"]) > 1:
        for group in made["groups"]:
            yield [(begin, {**made, "groups": [group]}), *rest]


def _shown(step: Step) -> str:
    """Return a step as a person reads it."""
    name, asked = step
    return f"{name}({', '.join(f'{key}={value!r}' for key, value in asked.items())})"


def told(counts: Counter[str]) -> str:
    """Return counts as lines."""
    return "\n".join(f"{number:>10,} {what}" for what, number in sorted(counts.items()))


def _until(steps: int, first: int, workers: int) -> Counter[str]:
    """Live the kept lives, then search from the first seed on until enough steps were taken."""
    for life in LIVES.values():
        if lived(life):
            raise shortest(life)
    total: Counter[str] = Counter()
    seeds = count(first)
    with ProcessPoolExecutor(workers) as pool:
        while total["steps"] < steps:
            for met in pool.map(one_round, islice(seeds, _AT_ONCE)):
                total += met
                click.echo(f"{total['steps']:>10,} steps, {total['terminations']:,} terminations")
    return total


def first_broken(steps: int, first: int) -> tuple[str, int] | None:
    """Return the promise that breaks first, and after how many steps; None where none does.

    Takes the kept lives, then those of the first seed and the next, in this process.
    """
    taken = 0
    for life in LIVES.values():
        taken += len(life) - 1
        if broke := lived(life):
            return broke.promise, taken
    for number in count(first):
        if taken >= steps:
            return None
        try:
            taken += search(number)["steps"]
        except BrokenPromiseError as error:
            again = len(STEPS) - 1  # Hypothesis lived that life twice
            return error.promise, taken + COUNTS["steps"] - again
    return None


def main() -> int:
    """Search until enough steps were taken; print what was met, or the promise that broke."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--steps", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--brief", action="store_true", help="say only what broke, and when")
    asked = parser.parse_args()
    if asked.brief:
        click.echo(json.dumps(first_broken(asked.steps, asked.seed)))
        return 0
    try:
        click.echo(told(_until(asked.steps, asked.seed, asked.workers)))
    except BrokenPromiseError as error:
        click.echo("\n".join([error.promise, *error.__notes__, str(error)]), err=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
