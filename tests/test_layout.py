"""The core of the decision stays pure: what it may import."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

import terminator

PACKAGE = Path(terminator.__file__).parent
PURE = {
    "attention",
    "facts",
    "holds",
    "model",
    "plan",
    "policy",
    "settings",
    "version",
    "window",
    "words",
}
MODULES = [str(path.relative_to(PACKAGE).with_suffix("")) for path in PACKAGE.rglob("*.py")]
IMPURE_STDLIB = {"asyncio", "os", "random", "socket", "subprocess", "time", "urllib"}


def imports(module: str) -> set[str]:
    """Return the names of all modules that a module imports, ours without their package."""
    found: set[str] = set()
    for node in ast.walk(ast.parse((PACKAGE / f"{module}.py").read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "terminator":
            found |= {f"terminator.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


@pytest.mark.parametrize("module", sorted(PURE))
def test_the_decision_imports_only_the_standard_library_and_itself(module: str) -> None:
    ours = {name.removeprefix("terminator.") for name in imports(module) if "terminator" in name}
    others = {name.partition(".")[0] for name in imports(module) if "terminator" not in name}
    assert ours <= PURE
    assert others <= sys.stdlib_module_names - IMPURE_STDLIB


def test_events_are_made_of_records_with_the_standard_library_alone() -> None:
    assert {name.partition(".")[0] for name in imports("events")} <= sys.stdlib_module_names


def test_only_the_entry_points_import_powertools() -> None:
    importers = {
        module
        for module in MODULES
        if any(name.startswith("aws_lambda_powertools") for name in imports(module))
    }
    assert importers == {"handlers", "probe_handler"}


def test_the_command_line_does_without_the_cdk_which_takes_seconds_to_start() -> None:
    assert not [each for each in MODULES if any("aws_cdk" in name for name in imports(each))]


def test_the_probe_needs_neither_boto3_nor_powertools() -> None:
    seen: set[str] = set()
    waiting = {"probe"}
    while waiting:
        module = waiting.pop()
        seen.add(module)
        names = imports(module)
        assert not any(name.startswith(("boto", "aws_lambda")) for name in names)
        waiting |= {n.removeprefix("terminator.") for n in names if "terminator." in n} - seen
