"""`make hostile`: asks every endpoint of the catalogue once, and prints what came of it.

The probe runs in a process of its own, whose memory is what is measured; the endpoints run
in this one. The table is Markdown.
"""

# ruff: noqa: T201 - it is a program for people

from __future__ import annotations

import argparse
import resource
import sys
import time
import tracemalloc
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from terminator.probe import ask as probe
from terminator.probe.ask import Limits
from tests.fakes.hostile import self_signed, serving
from tests.probe.asking import GOOD, LOOPBACK, question
from tests.probe.catalogue import Endpoint, endpoints

_KIB: Final = 1024
_LONGEST_SHOWN: Final = 90


@dataclass(frozen=True)
class Asked:
    """What the probe said of an endpoint, the seconds it took, and the most memory it held.

    `allocated` is that of Python's objects, in bytes; `resident` how much the process grew.
    """

    said: str
    seconds: float
    allocated: int
    resident: int


def ask(url: str) -> Asked:
    """Ask a URL as the deployed probe does, and measure."""
    before = _resident()
    tracemalloc.start()
    began = time.monotonic()
    [answer] = probe.ask([question(url)], 60, LOOPBACK)
    seconds = time.monotonic() - began
    _, allocated = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    said = answer["version"] or answer["reason"] or ""
    return Asked(said, seconds, allocated, _resident() - before)


def _resident() -> int:
    # Linux counts kibibytes, macOS bytes.
    unit = 1 if sys.platform == "darwin" else _KIB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def ask_each(names: Sequence[str]) -> Iterator[tuple[str, Endpoint, Asked]]:
    """Ask these endpoints, one after the other; the first probe of all only warms up."""
    with (
        TemporaryDirectory() as folder,
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool,
    ):
        tls = self_signed(Path(folder))
        with serving(GOOD) as server:
            pool.submit(ask, server.url()).result()
        for name in names:
            each = endpoints()[name]
            with serving(each.behaviour, tls=tls if each.tls else None) as server:
                yield name, each, pool.submit(ask, each.url(server)).result()


def main() -> int:
    """Print the table; return 0 where the probe says of each endpoint what it should."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", nargs="*", help="only these endpoints")
    names = parser.parse_args().name or list(endpoints())
    print("| endpoint | what the probe says | seconds | peak KiB |\n| --- | --- | ---: | ---: |")
    seen: dict[str, Asked] = {}
    wrong: list[str] = []
    for name, endpoint, asked in ask_each(names):
        print(_row(name, asked), flush=True)
        seen[name] = asked
        wrong += [] if asked.said.startswith(endpoint.told) else [name]
    print(f"\n{_summary(seen)}")
    if wrong:
        print(f"not what was expected: {', '.join(wrong)}", file=sys.stderr)
    return 1 if wrong else 0


def _row(name: str, asked: Asked) -> str:
    said = asked.said if len(asked.said) <= _LONGEST_SHOWN else f"{asked.said[:_LONGEST_SHOWN]}…"
    code = said.replace("|", "\\|").replace("`", "'")
    return f"| {name} | `{code}` | {asked.seconds:.2f} | {asked.allocated / _KIB:,.0f} |"


def _summary(seen: Mapping[str, Asked]) -> str:
    slowest = max(seen, key=lambda name: seen[name].seconds)
    largest = max(seen, key=lambda name: seen[name].allocated)
    grown = sum(asked.resident for asked in seen.values())
    return (
        f"{len(seen)} endpoints. The longest probe took {seen[slowest].seconds:.2f} seconds of "
        f"{Limits().whole:g} ({slowest}). The most memory that one held was "
        f"{seen[largest].allocated / _KIB:,.0f} KiB ({largest}); over all of them the process "
        f"grew by {grown / _KIB:,.0f} KiB."
    )


if __name__ == "__main__":
    sys.exit(main())
