"""What asking instances costs: the probe beside bare sockets, httpx as it is, and the waiting."""

from __future__ import annotations

import asyncio
import resource
import socket
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_network
from typing import Final

import httpx

from benchmarks.account import VERSION, address
from benchmarks.children import serving
from benchmarks.measure import Costs, cpu_ratio, in_turn, spent, wall_ratio
from benchmarks.tables import Table, ms
from terminator.probe.ask import Limits, Question, ask

# Short, so that measuring what never answers takes no minutes.
TIMEOUT: Final = 1.0
LIMITS: Final = Limits(connect=TIMEOUT, read=TIMEOUT, whole=2 * TIMEOUT)
REPEATS: Final = {10: 41, 100: 21, 1000: 11, 10_000: 3}
DELAYS: Final = (0.0, 0.05)
_SILENT_EVERY: Final = 20
# httpx takes half a minute for more.
_MOST_WITH_HTTPX: Final = 1000
_END: Final = VERSION.encode()
Where = tuple[str, int]


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
        return max(TIMEOUT if self.mute else self.delay, total / LIMITS.concurrency)

    @property
    def mute(self) -> int:
        """How many never answer."""
        return self.size // _SILENT_EVERY if self.silent else 0


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


LOOPBACK = (ip_network("127.0.0.0/8"),)


def measured(case: Case, ports: list[int], late: Counter[Case]) -> dict[str, Costs]:
    """Measure a case: the probe, and where all answer what bare sockets and httpx take.

    `late` takes how many that should have answered were too late for their timeout.
    """
    where = [
        (address(n), ports[case.silent and n % _SILENT_EVERY == _SILENT_EVERY - 1])
        for n in range(case.size)
    ]
    questions: list[Question] = [
        {
            "instance": f"i-{number:017x}",
            "scheme": "http",
            "address": host,
            "port": port,
            "path": "/version",
            "host": None,
            "version_field": "version",
        }
        for number, (host, port) in enumerate(where)
    ]

    def probe() -> None:
        answers = ask(questions, 600, LOOPBACK, LIMITS)
        unanswered = sum(each["version"] is None for each in answers) - case.mute
        late[case] = max(late[case], unanswered)
        if len(answers) < case.size or unanswered > case.size / 2:
            why = Counter(each["reason"] for each in answers).most_common(2)
            raise RuntimeError(f"{unanswered} of {case} did not answer: {why}")

    things: dict[str, Callable[[], object]] = {"probe": probe}
    if not case.silent:
        things["sockets"] = lambda: asyncio.run(_with_sockets(where))
    if not case.silent and case.size <= _MOST_WITH_HTTPX:
        things["httpx"] = lambda: asyncio.run(_with_httpx(where))
    turns = {name: partial(spent, thing) for name, thing in things.items()}
    return in_turn(turns, 3 if case.silent else REPEATS[case.size])


async def _with_sockets(all_: Sequence[Where]) -> None:
    """Ask with asyncio's bare sockets, without bounds and without reading HTTP."""
    loop = asyncio.get_running_loop()

    async def get(where: Where) -> bytes:
        answer = b""
        with socket.socket() as own:
            own.setblocking(False)
            await loop.sock_connect(own, where)
            head = f"GET /version HTTP/1.1\r\nHost: {where[0]}\r\nConnection: close\r\n\r\n"
            await loop.sock_sendall(own, head.encode())
            # Like the probe, nobody waits for the instance to close.
            while not answer.endswith(_END):
                answer += await loop.sock_recv(own, 65_536)
        return answer.partition(b"\r\n\r\n")[2]

    await _in_crowd(get, all_)


async def _with_httpx(all_: Sequence[Where]) -> None:
    """Ask with httpx's client and its own transport."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
    async with httpx.AsyncClient(
        verify=False,  # noqa: S501 - HTTP alone is asked; making a TLS context would count too
        trust_env=False,
        limits=limits,
        timeout=60,
    ) as client:

        async def get(where: Where) -> bytes:
            return (await client.get(f"http://{where[0]}:{where[1]}/version")).content

        await _in_crowd(get, all_)


async def _in_crowd(get: Callable[[Where], Awaitable[bytes]], all_: Sequence[Where]) -> None:
    """Ask all, as many at once as the probe asks."""
    places = asyncio.Semaphore(LIMITS.concurrency)

    async def ask_one(where: Where) -> None:
        async with places:
            if await get(where) != _END:
                raise RuntimeError(f"{where} answered something else")

    await asyncio.gather(*map(ask_one, all_))


def _cpu(found: dict[Case, dict[str, Costs]]) -> Table:
    rows = []
    for case, costs in found.items():
        if case.silent:
            continue
        sockets, httpx_ = costs["sockets"], costs.get("httpx")
        rows.append(
            [
                f"{case.size:,}",
                f"{case.delay * 1000:.0f} ms",
                ms(costs["probe"].cpu / case.size),
                ms(sockets.cpu / case.size),
                ms(httpx_.cpu / case.size) if httpx_ else "",
                cpu_ratio(costs["probe"], sockets),
                cpu_ratio(httpx_, sockets) if httpx_ else "",
            ]
        )
    return Table(
        "CPU of a probe",
        [
            "instances",
            "answer after",
            "probe, ms",
            "sockets, ms",
            "httpx, ms",
            "probe / sockets",
            "httpx / sockets",
        ],
        rows,
        "*Sockets* is the same GET by asyncio's bare sockets, without bounds and without reading "
        "HTTP; *httpx* is its AsyncClient as it comes. Each asks 256 at once.",
    )


def _wall(found: dict[Case, dict[str, Costs]], late: Counter[Case]) -> Table:
    rows = []
    for case, costs in found.items():
        probe, sockets, floor = costs["probe"], costs.get("sockets"), case.waiting
        rows.append(
            [
                f"{case.size:,}",
                f"{case.delay * 1000:.0f} ms",
                "5 %" if case.silent else "0 %",
                ms(probe.wall),
                ms(sockets.wall) if sockets else "",
                ms(floor),
                wall_ratio(probe, floor) if floor else "",
                wall_ratio(sockets, floor) if sockets and floor else "",
                str(late[case]),
            ]
        )
    return Table(
        "Wall time of asking",
        [
            "instances",
            "answer after",
            "silent",
            "probe, ms",
            "sockets, ms",
            "waiting, ms",
            "probe / waiting",
            "sockets / waiting",
            "late",
        ],
        rows,
        "*Waiting* is what cannot be saved: the slowest answer or timeout, or all of the waiting "
        f"divided by 256, whichever is more. The timeout is {TIMEOUT:.1f} s here. *Late* are those "
        "that would have answered, but not in time: the machine was too busy.",
    )
