"""What asking instances costs: the probe beside bare sockets, httpx as it is, and the waiting."""

from __future__ import annotations

import asyncio
import resource
import socket
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
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
# Of each case how many that should have answered were too late for their timeout, at most.
_LATE: Final[Counter[Case]] = Counter()
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


@cache
def costs() -> Mapping[Case, Mapping[str, Costs]]:
    """Measure all cases, once."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    found: dict[Case, Mapping[str, Costs]] = {}
    for delay in DELAYS:
        with serving("benchmarks.instances", delay) as ports:
            for size in REPEATS:
                case = Case(size, delay, silent=False)
                found[case] = measured(case, ports)
                if delay and size >= _SILENT_EVERY:
                    muted = replace(case, silent=True)
                    found[muted] = measured(muted, ports)
    return found


def tables() -> list[Table]:
    """Return what asking costs in all cases."""
    return [Table("Asking instances", _HEADS, [_row(*each) for each in costs().items()], _NOTE)]


LOOPBACK = (ip_network("127.0.0.0/8"),)


def measured(case: Case, ports: list[int]) -> dict[str, Costs]:
    """Measure a case: the probe, and where all answer what bare sockets and httpx take."""
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
        _LATE[case] = max(_LATE[case], unanswered)
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


def _row(case: Case, of: Mapping[str, Costs]) -> list[str]:
    probe, sockets, stock = of["probe"], of.get("sockets"), of.get("httpx")
    return [
        f"{case.size:,}",
        f"{case.delay * 1000:.0f} ms",
        "5 %" if case.silent else "0 %",
        *(ms(each.cpu / case.size) if each else "" for each in (probe, sockets, stock)),
        cpu_ratio(probe, sockets) if sockets else "",
        cpu_ratio(stock, probe) if stock else "",
        ms(probe.wall),
        ms(case.waiting),
        wall_ratio(probe, case.waiting) if case.waiting else "",
        wall_ratio(sockets, case.waiting) if sockets and case.waiting else "",
        str(_LATE[case]),
    ]


_HEADS: Final = (
    *("instances", "answer after", "silent", "probe, CPU ms", "sockets, CPU ms", "httpx, CPU ms"),
    *("probe / sockets", "httpx / probe"),
    *("probe, wall ms", "waiting, ms", "probe / waiting", "sockets / waiting", "late"),
)
_NOTE: Final = (
    "CPU is that of one probe, wall that of all. *Sockets* is the same GET by asyncio's bare "
    "sockets, without bounds and without reading HTTP; *httpx* is its AsyncClient as it comes. "
    "Each asks 256 at once. *Waiting* is what cannot be saved: the slowest answer or timeout, or "
    f"all of it divided by 256, whichever is more. The timeout is {TIMEOUT:.1f} s here. "
    "*Late* are those that would have answered, but not in time: the machine was too busy."
)
