"""The package that `pip install .` makes: what is in it, and what it brings along."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ("lambdas/terminator", "terminator_cli")
METADATA = ("pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    """Build the wheel from a copy of the project, since a build leaves files beside its sources."""
    copy, made = tmp_path_factory.mktemp("project"), tmp_path_factory.mktemp("wheel")
    for name in SOURCES:
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in METADATA:
        shutil.copy(ROOT / name, copy)
    build = ["-m", "uv", "build", "--quiet", "--offline", "--wheel", "--no-build-isolation"]
    command = [sys.executable, *build, "--out-dir", str(made), str(copy)]
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - uv, with our arguments
    (path,) = made.glob("*.whl")
    with zipfile.ZipFile(path) as opened:
        yield opened


def metadata(wheel: zipfile.ZipFile) -> str:
    (name,) = (each for each in wheel.namelist() if each.endswith(".dist-info/METADATA"))
    return wheel.read(name).decode()


def closure(distributions: set[str]) -> set[str]:
    """Return these distributions and all that they require here, without what is optional."""
    found, waiting = set[str](), set(distributions)
    while waiting:
        name = waiting.pop()
        found.add(name)
        needed = map(Requirement, requires(name) or ())
        here = (each for each in needed if not each.marker or each.marker.evaluate({"extra": ""}))
        waiting |= {canonicalize_name(each.name) for each in here} - found
    return found


def imported() -> dict[str, str]:
    """Return what the sources import from elsewhere, each with a module that does.

    Types are left out, and so is what only the functions run.
    """
    found: dict[str, str] = {}
    for source in SOURCES:
        for path in (ROOT / source).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                if isinstance(node, ast.ImportFrom) and node.module:
                    names = [node.module]
                found |= {name.partition(".")[0]: path.name for name in names}
    ours = {"terminator", "terminator_cli", "aws_lambda_powertools"}
    return {
        name: module
        for name, module in found.items()
        if name not in sys.stdlib_module_names | ours and not name.startswith("types_")
    }


def test_the_wheel_holds_every_module_and_the_files_that_they_read(wheel: zipfile.ZipFile) -> None:
    names = {each for each in wheel.namelist() if ".dist-info/" not in each}
    sources = {
        str(Path(source).name / path.relative_to(ROOT / source))
        for source in SOURCES
        for path in (ROOT / source).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert names == sources


def test_the_wheel_carries_the_licence_and_the_changelog(wheel: zipfile.ZipFile) -> None:
    assert any(each.endswith("/LICENSE") for each in wheel.namelist())
    assert "# Changelog" in metadata(wheel)


def test_installing_it_installs_what_the_command_line_imports(wheel: zipfile.ZipFile) -> None:
    declared = re.findall(r"^Requires-Dist: ([\w.-]+)$", metadata(wheel), re.MULTILINE)
    installed = closure(set(declared))
    providers = packages_distributions()
    missing = {
        f"{module} imports {name}"
        for name, module in imported().items()
        if not set(map(canonicalize_name, providers[name])) & installed
    }
    assert not missing


def test_the_changelog_names_the_version_of_the_package() -> None:
    version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(rf"^## \[{re.escape(version[1])}\] - \d{{4}}-\d\d-\d\d$", text, re.MULTILINE)
