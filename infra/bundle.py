"""The one bundle of all functions: the package and its pinned requirements, without Docker."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import jsii
from aws_cdk import BundlingOptions, IgnoreMode, ILocalBundling
from aws_cdk import aws_lambda as lambda_

from terminator.config.deployment import Architecture

LAMBDAS: Final = Path(__file__).resolve().parent.parent / "lambdas"
RUNTIME: Final = lambda_.Runtime.PYTHON_3_13
_PLATFORMS: Final[Mapping[Architecture, str]] = {
    "arm64": "aarch64-manylinux2014",
    "x86_64": "x86_64-manylinux2014",
}
# What Python and its installers leave behind in a folder of sources.
_LEFTOVERS: Final = ("__pycache__", "*.egg-info")
_POWERTOOLS: Final = "aws_lambda_powertools"
# Of Powertools' utilities the logger needs this one.
_NEEDED: Final = "jmespath_utils"


@jsii.implements(ILocalBundling)
class LocalBundling:
    """Puts the bundle together with uv, for the functions' platform whatever this one is."""

    def __init__(self, architecture: Architecture) -> None:
        self._architecture = architecture

    def try_bundle(self, output_dir: str, *_options: Any, **_more: Any) -> bool:  # noqa: ANN401
        """Write the bundle into the folder; raise where that fails, never fall back to Docker."""
        put_together(Path(output_dir), self._architecture)
        if (python := runtime_python()) is not None:
            add_bytecode(Path(output_dir), python)
        return True


def code(architecture: Architecture) -> lambda_.Code:
    """Return the bundle as an asset; its hash is that of the sources, pins included."""
    # Part of the hash, so that what is bundled otherwise is deployed anew.
    maker = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    return lambda_.Code.from_asset(
        str(LAMBDAS),
        exclude=[f"**/{each}" for each in _LEFTOVERS],
        ignore_mode=IgnoreMode.GLOB,
        bundling=BundlingOptions(
            image=RUNTIME.bundling_image,
            local=LocalBundling(architecture),
            environment={"MADE_BY": maker, "MADE_FOR": architecture},
        ),
    )


def put_together(folder: Path, architecture: Architecture = "arm64") -> None:
    """Install the pinned requirements and copy the package into the folder."""
    platform = ["--python-platform", _PLATFORMS[architecture]]
    wheels = [*platform, "--python-version", "3.13", "--only-binary=:all:"]
    # What is put together is changed below, so it must not be linked to uv's cache.
    quiet = ["--quiet", "--no-deps", "--link-mode=copy", "--require-hashes"]
    pins = ["--requirement", str(LAMBDAS / "requirements.txt"), "--target", str(folder)]
    uv = [sys.executable, "-m", "uv", "pip", "install", *quiet, *wheels, *pins]
    subprocess.run(uv, check=True)  # noqa: S603 - uv, with our own arguments
    # Scripts name the interpreter of this machine, and the records have the scripts' hashes.
    shutil.rmtree(folder / "bin", ignore_errors=True)
    for left in (folder / ".lock", *folder.glob("*.dist-info/RECORD")):
        left.unlink(missing_ok=True)
    powertools = folder / _POWERTOOLS
    for unused in (powertools / "event_handler", *(powertools / "utilities").iterdir()):
        if unused.is_dir() and unused.name != _NEEDED:
            shutil.rmtree(unused)
    leftovers = shutil.ignore_patterns(*_LEFTOVERS)
    shutil.copytree(LAMBDAS / "terminator", folder / "terminator", ignore=leftovers)
    _open(folder)


def _open(folder: Path) -> None:
    """Let every user read the bundle: Lambda runs it as another, whatever the umask is here."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


def runtime_python() -> str | None:
    """Return a Python of the runtime's version, None where this machine has none."""
    if f"python{sys.version_info[0]}.{sys.version_info[1]}" == RUNTIME.name:
        return sys.executable
    found = shutil.which(RUNTIME.name)
    runs = found and subprocess.run([found, "-c", ""], capture_output=True, check=False)  # noqa: S603 - what PATH has under this name
    return found if runs and runs.returncode == 0 else None


def add_bytecode(folder: Path, python: str) -> None:
    """Compile the bundle with a Python of the runtime's version.

    A function's folder is read-only, so without this every cold start compiles it anew.
    """
    where = ["-s", str(folder), "-p", "/var/task", "--invalidation-mode", "unchecked-hash"]
    command = [python, "-I", "-m", "compileall", "-q", *where, str(folder)]
    subprocess.run(command, check=True)  # noqa: S603 - Python's own module
    _open(folder)
