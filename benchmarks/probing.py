"""What asking instances costs: the probe beside bare asyncio and the arithmetic of waiting."""

from __future__ import annotations

import resource
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from benchmarks import floors
from benchmarks.account import address
from benchmarks.children import serving
from benchmarks.floors import CONCURRENCY, Where
from benchmarks.measure import Cost, Costs, cpu_ratio, in_turn, spent, wall_ratio
from benchmarks.tables import Table, ms
from terminator.probe import ask as probe
from terminator.probe.ask import Limits, Question

# Short, so that measuring what never answers takes no minutes.
TIMEOUT: Final = 1.0
LIMITS: Final = Limits(connect=TIMEOUT, read=TIMEOUT, whole=2 * TIMEOUT)
REPEATS: Final = {10: 41, 100: 21, 1000: 11, 10_000: 3}
DELAYS: Final = (0.0, 0.05)
_SILENT_EVERY: Final = 20


@dataclass(frozen=True)
class Case:
    """So many instances that answer after so many seconds; with `silent` 5 % never do."""

    size: int
    delay: float
    silent: bool

    @property
    def waiting(self) -> float:
        """The seconds that cannot be saved: the slowest, or all the waiting by 256 at once."""
        total = (self.size - self.mute) * self.delay + self.mute * TIMEOUT
        return max(TIMEOUT if self.mute else self.delay, total / CONCURRENCY)

    @property
    def mute(self) -> int:
        """How many never answer."""
        return self.size // _SILENT_EVERY if self.silent else 0


def questions(case: Case, ports: list[int]) -> list[Question]:
    """Return the questions to the instances of a case, the silent ones spread among them."""
    answering, silent = ports
    return [_question(n, silent if _is_silent(case, n) else answering) for n in range(case.size)]


def _is_silent(case: Case, number: int) -> bool:
    return case.silent and number % _SILENT_EVERY == _SILENT_EVERY - 1


def _question(number: int, port: int) -> Question:
    url = f"http://{address(number)}:{port}/version"
    return {"instance": f"i-{number:017x}", "url": url, "host": None, "version_field": "version"}


def _ask(case: Case, asked: list[Question], late: Counter[Case]) -> None:
    answers = probe.ask(asked, 600, LIMITS)
    unanswered = sum(each["version"] is None for each in answers) - case.mute
    late[case] = max(late[case], unanswered)
    if len(answers) < case.size or unanswered > case.size / 2:
        why = Counter(each["reason"] for each in answers).most_common(2)
        raise RuntimeError(f"{unanswered} of {case} did not answer: {why}")


def measured(case: Case, ports: list[int], late: Counter[Case]) -> dict[str, Costs]:
    """Measure a case: the probe, and where all answer what bare asyncio and httpx take.

    `late` takes how many that should have answered were too late for their timeout.
    """
    where: list[Where] = [(address(number), ports[0]) for number in range(case.size)]
    things: dict[str, Callable[[], object]] = {
        "probe": partial(_ask, case, questions(case, ports), late)
    }
    if not case.silent:
        things |= {
            "streams": partial(floors.streams, where),
            "sockets": partial(floors.sockets, where),
        }
        things |= {"httpx": partial(floors.with_httpx, where)} if case.size <= 1000 else {}  # noqa: PLR2004
    turns: dict[str, Callable[[], Cost]] = {n: partial(spent, each) for n, each in things.items()}
    return in_turn(turns, 3 if case.silent else REPEATS[case.size])


def tables() -> tuple[list[Table], dict[int, Costs]]:
    """Measure all cases; return the tables, and the costs by size where answers take 50 ms."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    found: dict[Case, dict[str, Costs]] = {}
    late: Counter[Case] = Counter()
    for delay in DELAYS:
        with serving("benchmarks.instances", delay) as ports:
            for size in REPEATS:
                for silent in (False, True) if size >= _SILENT_EVERY else (False,):
                    case = Case(size, delay, silent)
                    found[case] = measured(case, ports, late)
    slow = {c.size: each["probe"] for c, each in found.items() if c.delay and not c.silent}
    return [_cpu(found), _wall(found, late)], slow


def _cpu(found: dict[Case, dict[str, Costs]]) -> Table:
    rows = []
    for case, costs in found.items():
        if case.silent:
            continue
        peer = f"{costs['httpx'].cpu / costs['streams'].cpu:.2f}" if "httpx" in costs else ""
        each = [ms(costs[name].cpu / case.size) for name in ("probe", "streams", "sockets")]
        ratios = [cpu_ratio(costs["probe"], costs[name]) for name in ("streams", "sockets")]
        rows.append([f"{case.size:,}", f"{case.delay * 1000:.0f} ms", *each, *ratios, peer])
    return Table(
        "CPU of a probe",
        [
            "instances",
            "answer after",
            "probe, ms",
            "streams, ms",
            "sockets, ms",
            "probe / streams",
            "probe / sockets",
            "httpx / streams",
        ],
        rows,
        "Floors: the same GET by asyncio's streams and by asyncio's bare sockets, 256 at once, "
        "without bounds and without reading HTTP. Peer: httpx's transport.",
    )


def _wall(found: dict[Case, dict[str, Costs]], late: Counter[Case]) -> Table:
    rows = []
    for case, costs in found.items():
        wall, floor = costs["probe"], case.waiting
        bare = costs.get("sockets")
        begin = [f"{case.size:,}", f"{case.delay * 1000:.0f} ms", "5 %" if case.silent else "0 %"]
        walls = [ms(wall.wall), ms(bare.wall) if bare else "", ms(floor)]
        beside = [
            wall_ratio(wall, bare) if bare else "",
            wall_ratio(wall, floor) if floor else "",
            wall_ratio(bare, floor) if bare and floor else "",
        ]
        rows.append([*begin, *walls, *beside, str(late[case])])
    return Table(
        "Wall time of asking",
        [
            "instances",
            "answer after",
            "silent",
            "probe, ms",
            "sockets, ms",
            "waiting, ms",
            "probe / sockets",
            "probe / waiting",
            "sockets / waiting",
            "late",
        ],
        rows,
        "*Waiting* is what cannot be saved: the slowest answer or timeout, or all of the waiting "
        f"divided by 256, whichever is more. The timeout is {TIMEOUT:.1f} s here. *Late* are those "
        "that would have answered, but not in time: the machine was too busy.",
    )
