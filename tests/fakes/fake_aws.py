"""What stands for the `aws` command on an instance, and the instance that has it.

As a program it answers, from the folder $BUCKETS, the calls that `boot.py` makes and no other.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

_PATIENCE = 30


def main() -> None:
    """Answer one call as the real command does."""
    buckets = Path(os.environ["BUCKETS"])
    match sys.argv[1:]:
        case ["s3api", "list-objects-v2", *rest]:
            _, bucket, _, prefix, _, _ = rest
            assert rest[::2] == ["--bucket", "--prefix", "--output"], rest
            _list(buckets / bucket, prefix)
        case ["s3", "cp", *_, url, "-"]:
            sys.stdout.buffer.write((buckets / url.removeprefix("s3://")).read_bytes())
        case ["s3", "cp", "--only-show-errors", url, path]:
            shutil.copyfile(buckets / url.removeprefix("s3://"), path)
        case unknown:
            sys.exit(f"no such call: {unknown}")


def _list(bucket: Path, prefix: str) -> None:
    if not bucket.is_dir():
        sys.exit("An error occurred (NoSuchBucket) when calling the ListObjectsV2 operation")
    files = [path for path in bucket.rglob("*") if path.is_file()]
    keys = {path.relative_to(bucket).as_posix(): path.stat().st_mtime for path in files}
    found = [
        {"Key": key, "LastModified": f"{datetime.fromtimestamp(when, UTC):%Y-%m-%dT%H:%M:%S.000Z}"}
        for key, when in keys.items()
        if key.startswith(prefix)
    ]
    # The real command may print nothing at all where it finds nothing.
    sys.stdout.write(json.dumps({"Contents": found}) if found else "")


class Instance:
    """A folder that has what an instance has: the `aws` command, and the buckets behind it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = _free_port()
        aws = folder / "bin" / "aws"
        aws.parent.mkdir()
        aws.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I "{__file__}" "$@"\n')
        aws.chmod(0o755)
        (folder / "tmp").mkdir()

    @property
    def environment(self) -> dict[str, str]:
        """Return the whole environment of its programs."""
        return {
            "PATH": f"{self.folder / 'bin'}:{os.defpath}",
            "BUCKETS": str(self.folder / "buckets"),
            "TMPDIR": str(self.folder / "tmp"),
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
        }

    def upload(self, key: str, data: bytes, modified: int = 0) -> None:
        """Put an object into the bucket `releases`, modified so many seconds after the epoch."""
        path = self.folder / "buckets" / "releases" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        os.utime(path, (modified, modified))

    @contextmanager
    def running(self, command: Sequence[str]) -> Iterator[None]:
        """Run a program that serves, until it answers and as long as it is asked."""
        program = subprocess.Popen(  # noqa: S603 - our own
            command, env=self.environment, cwd=self.folder
        )
        try:
            self._wait(program)
            yield
        finally:
            program.kill()
            program.wait()

    def _wait(self, program: subprocess.Popen[bytes]) -> None:
        until = time.monotonic() + _PATIENCE
        while program.poll() is None and time.monotonic() < until:
            try:
                self.get("/version")
            except OSError:
                time.sleep(0.02)
            else:
                return
        raise AssertionError(f"it does not serve (exit code {program.poll()})")

    def get(self, path: str) -> tuple[int, str]:
        """Return the status and the text that the program answers."""
        try:
            url = f"http://127.0.0.1:{self.port}{path}"
            with urllib.request.urlopen(url, timeout=_PATIENCE) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


if __name__ == "__main__":
    main()
