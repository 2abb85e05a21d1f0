"""What mutmut found, and which survivors are explained."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .stage import GETTER, STAGE

_MUTMUT: Final = str(Path(sys.executable).with_name("mutmut"))
EXPLAINED: Final = Path(__file__).with_name("explained.toml")
# Most that time out loop for ever; a test waits for no other reason.
KILLED: Final = frozenset({"killed", "timeout"})
_RESULT: Final = re.compile(r"terminator\.([\w.]+)\.x[_ǁ](?:(\w+)ǁ)?(\w+?)__mutmut_\d+: (.+)")


@dataclass(frozen=True)
class Mutant:
    """A mutant and what became of it: `killed`, `timeout`, `survived` or `no tests`."""

    name: str
    module: str
    function: str
    status: str


@dataclass(frozen=True)
class Change:
    """What a mutant changes: a function of a module, and the lines of a diff."""

    module: str
    function: str
    lines: str


def run(names: Iterable[str], jobs: int) -> None:
    """Run the tests on the mutants of these names, on all if there are none."""
    # The same examples in the same order for every mutant: nothing must depend on chance.
    environment = {**os.environ, "HYPOTHESIS_PROFILE": "mutants", "PYTHONHASHSEED": "0"}
    done = subprocess.run(  # noqa: S603 - mutmut, on names of our own modules
        [_MUTMUT, "run", "--max-children", str(jobs), *names],
        cwd=STAGE,
        env=environment,
        check=False,
    )
    if done.returncode:
        sys.exit(f"mutmut ended with status {done.returncode}")


def results(modules: Iterable[str]) -> list[Mutant]:
    """Return all mutants of the modules, as mutmut's last run left them."""
    said = _ask("results", "--all", "true").splitlines()
    mutants = [_mutant(line.strip()) for line in said if "__mutmut_" in line]
    return [mutant for mutant in mutants if mutant.module in modules]


def _mutant(line: str) -> Mutant:
    match = _RESULT.fullmatch(line)
    if match is None:
        raise ValueError(f"mutmut says {line!r}; expected is a mutant of terminator and its status")
    module, of, method, status = match.groups()
    function = method.removesuffix(GETTER)
    return Mutant(line.partition(":")[0], module, f"{of}.{function}" if of else function, status)


def change(mutant: Mutant) -> Change:
    """Return what the mutant changes."""
    diff = _ask("show", mutant.name).splitlines()
    changed = [line for line in diff if re.match(r"[-+](?![-+]{2} )", line)]
    lines = "\n".join(f"{line[0]} {line[1:].strip()}" for line in changed)
    return Change(mutant.module, mutant.function, lines)


def explained() -> Counter[Change]:
    """Return the changes that are explained, and how many mutants make each.

    A function is named once for each.
    """
    entries = tomllib.loads(EXPLAINED.read_text()).get("mutant", [])
    if not all(entry["why"].strip() for entry in entries):
        raise ValueError(f"{EXPLAINED}: every mutant needs its reason")
    return Counter(
        Change(entry["module"], function, entry["change"].strip())
        for entry in entries
        for function in entry["functions"]
    )


def _ask(*arguments: str) -> str:
    return subprocess.run(  # noqa: S603 - mutmut, on names that it gave
        [_MUTMUT, *arguments], cwd=STAGE, check=True, capture_output=True, text=True
    ).stdout
