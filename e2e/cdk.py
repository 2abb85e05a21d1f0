"""The CDK command line, pointed at a local AWS."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sandbox.local_aws import ACCOUNT, CREDENTIALS, REGION, LocalAws

ROOT: Final = Path(__file__).resolve().parent.parent
_CDK: Final = ROOT / "node_modules" / ".bin" / "cdk"
_SECONDS: Final = 300


@dataclass(frozen=True)
class Deployment:
    """A deployment of the app in this repository, with settings of its own."""

    local: LocalAws
    settings: Mapping[str, object]
    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which a program speaks to the local AWS only."""
        nowhere = {"AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null"}
        quiet = {"JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "20", "CI": "1"}
        own = {**os.environ, **nowhere, **quiet, **CREDENTIALS}
        return {**own, "AWS_ENDPOINT_URL": self.local.endpoint}

    def bootstrap(self) -> None:
        """Make what CDK deploys through."""
        self._cdk("bootstrap", f"aws://{ACCOUNT}/{REGION}")

    def deploy(self) -> str:
        """Deploy all stacks; return what CDK said."""
        return self._cdk("deploy", "--all", "--require-approval", "never")

    def destroy(self) -> None:
        """Delete all stacks."""
        self._cdk("destroy", "--all", "--force")

    def _cdk(self, *command: str) -> str:
        context = f"terminator={json.dumps(self.settings)}"
        output = str(self.folder / "cdk.out")
        done = subprocess.run(  # noqa: S603 - the pinned CDK
            [str(_CDK), *command, "--context", context, "--output", output],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"cdk {command[0]} failed:\n{done.stdout}")
        return done.stdout
