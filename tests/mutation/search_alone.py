"""Which small changes to the decision the search alone notices.

mutmut runs tests on its mutants, but keeps nothing of what a failing test said, and changes only
the inside of functions. So this takes its operators, draws a sample of all the changes that they
can make anywhere in `decide/`, makes each in a copy of the package, and runs the search on that.
Changes of a text are left out: the search does not read reasons.
"""

from __future__ import annotations

import difflib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import click
import libcst as cst
from mutmut.mutation.file_mutation import Mutation, create_mutations, deep_replace

from .stage import GETTER, PACKAGE, ROOT, written_out

# As many as `make test` takes.
STEPS: Final = 5000
# A change that makes the search so much slower loops, or nearly so.
_PATIENCE: Final = 300.0


@dataclass(frozen=True)
class Change:
    """A change to a module: its path in the package, and the whole text before and after."""

    module: str
    before: str
    after: str

    @property
    def lines(self) -> list[str]:
        """The lines that the change takes away and adds, with the number of the first."""
        before, after = self.before.splitlines(), self.after.splitlines()
        diff = list(difflib.unified_diff(before, after, n=0, lineterm=""))[2:]
        number = diff[0].split()[1].removeprefix("-").partition(",")[0]
        changed = [f"{line[0]} {line[1:].strip()}" for line in diff if not line.startswith("@@")]
        return [f"{self.module}, line {number}", *changed]


@cache
def _possible() -> list[tuple[Path, str, cst.Module, Mutation]]:
    """Return all changes to the modules of `decide/`, each with its module before."""
    found: list[tuple[Path, str, cst.Module, Mutation]] = []
    for path in sorted((PACKAGE / "decide").glob("*.py")):
        before = written_out(path.read_text())
        module, mutations, *_ = create_mutations(str(path), before)
        found += [(path, before, module, each) for each in mutations if _is_of_interest(each)]
    return found


def sample(size: int, seed: int) -> list[Change]:
    """Return a sample of all changes to the modules of `decide/`, the same for a seed."""
    possible = _possible()
    chosen = random.Random(seed).sample(possible, min(size, len(possible)))  # noqa: S311 - no secret
    click.echo(f"{len(chosen)} of {len(possible)} changes, from seed {seed}")
    return [
        Change(str(path.relative_to(PACKAGE)), before, _changed(module, mutation))
        for path, before, module, mutation in chosen
    ]


def _is_of_interest(mutation: Mutation) -> bool:
    """Say whether a change is one to the rules: not of a text, nor to how a property is made."""
    node = mutation.original_node
    made = GETTER in cst.Module([]).code_for_node(node) and not isinstance(node, cst.FunctionDef)
    return not isinstance(node, cst.BaseString) and not made


def _changed(module: cst.Module, mutation: Mutation) -> str:
    changed = deep_replace(module, mutation.original_node, mutation.mutated_node)
    return cst.ensure_type(changed, cst.Module).code


def noticed(change: Change) -> str | None:
    """Run the search on a copy with the change; return how it noticed, None if it did not."""
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder) / "terminator"
        shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
        (package / change.module).write_text(change.after)
        command = [sys.executable, "-m", "tests.search.soak", "--brief", "--steps", str(STEPS)]
        environment = {**os.environ, "PYTHONPATH": folder}
        try:
            done = subprocess.run(  # noqa: S603 - our own search
                command,
                cwd=ROOT,
                env=environment,
                check=False,
                capture_output=True,
                text=True,
                timeout=_PATIENCE,
            )
        except subprocess.TimeoutExpired:
            return "it does not end"
    if done.returncode:
        return f"it crashes: {done.stderr.splitlines()[-1]}"
    broke = json.loads(done.stdout.splitlines()[-1])
    return None if broke is None else f"{broke[0]} (after {broke[1]:,} steps)"
