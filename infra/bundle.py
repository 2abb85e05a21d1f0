"""The one bundle of all functions: the package and its pinned requirements, without Docker."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import jsii
from aws_cdk import BundlingOptions, IgnoreMode, ILocalBundling
from aws_cdk import aws_lambda as lambda_

LAMBDAS: Final = Path(__file__).resolve().parent.parent / "lambdas"
RUNTIME: Final = lambda_.Runtime.PYTHON_3_13
_PLATFORM: Final = "manylinux2014_aarch64"
# What the functions never run, and what Python and pip leave behind.
_LEFT_OUT: Final = ("__pycache__", "*.pyc")
_UNHASHED: Final = [
    *("**/__pycache__", "*.egg-info"),
]
_POWERTOOLS: Final = "aws_lambda_powertools"
# Of Powertools' utilities the logger needs this one.
_NEEDED: Final = "jmespath_utils"


@jsii.implements(ILocalBundling)
class LocalBundling:
    """Puts the bundle together with pip, for the functions' platform whatever this one is."""

    def try_bundle(self, output_dir: str, *_options: Any, **_more: Any) -> bool:  # noqa: ANN401
        """Write the bundle into the folder; raise where pip fails, never fall back to Docker."""
        put_together(Path(output_dir))
        if (python := runtime_python()) is not None:
            add_bytecode(Path(output_dir), python)
        return True


def code() -> lambda_.Code:
    """Return the bundle as an asset; its hash is that of the sources, pins included."""
    return lambda_.Code.from_asset(
        str(LAMBDAS),
        exclude=_UNHASHED,
        ignore_mode=IgnoreMode.GLOB,
        bundling=BundlingOptions(
            image=RUNTIME.bundling_image, local=LocalBundling(), environment={"MADE_BY": _maker()}
        ),
    )


def _maker() -> str:
    # Part of the asset's hash, so that what is bundled otherwise is deployed anew.
    return hashlib.sha256(Path(__file__).read_bytes()).hexdigest()


def put_together(folder: Path) -> None:
    """Install the pinned requirements and copy the package into the folder."""
    subprocess.run(_pip(folder), check=True)  # noqa: S603 - pip, with our own arguments
    # Scripts name the interpreter of this machine, and the records have the scripts' hashes.
    shutil.rmtree(folder / "bin", ignore_errors=True)
    for record in folder.glob("*.dist-info/RECORD"):
        record.unlink()
    for unused in _unused(folder / _POWERTOOLS):
        shutil.rmtree(unused)
    shutil.copytree(
        LAMBDAS / "terminator", folder / "terminator", ignore=shutil.ignore_patterns(*_LEFT_OUT)
    )
    _open(folder)


def _open(folder: Path) -> None:
    # Lambda runs it as another user, whatever the umask is here.
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


def _unused(powertools: Path) -> list[Path]:
    utilities = (path for path in (powertools / "utilities").iterdir() if path.is_dir())
    return [powertools / "event_handler", *(u for u in utilities if u.name != _NEEDED)]


def _pip(folder: Path) -> list[str]:
    wheels = ["--platform", _PLATFORM, "--python-version", "3.13", "--only-binary=:all:"]
    quiet = ["--quiet", "--disable-pip-version-check", "--no-compile", "--no-deps"]
    pins = ["--requirement", str(LAMBDAS / "requirements.txt"), "--target", str(folder)]
    return [sys.executable, "-m", "pip", "install", *quiet, *wheels, *pins]
