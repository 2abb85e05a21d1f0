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
_LEFT_OUT: Final = ("cli.py", "commands", "recorded", "__pycache__", "*.pyc")
_UNHASHED: Final = [
    *("**/__pycache__", "*.egg-info"),
    *("terminator/cli.py", "terminator/commands", "terminator/recorded"),
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
    # Lambda runs it as another user, whatever the umask is here.
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


def _unused(powertools: Path) -> list[Path]:
    utilities = (path for path in (powertools / "utilities").iterdir() if path.is_dir())
    return [powertools / "event_handler", *(u for u in utilities if u.name != _NEEDED)]


def _pip(folder: Path) -> list[str]:
    wheels = ["--platform", _PLATFORM, "--python-version", "3.13", "--only-binary=:all:"]
    quiet = ["--quiet", "--disable-pip-version-check", "--no-compile", "--no-deps"]
    pins = ["--requirement", str(LAMBDAS / "requirements.txt"), "--target", str(folder)]
    return [sys.executable, "-m", "pip", "install", *quiet, *wheels, *pins]
