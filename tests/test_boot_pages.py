"""The page on booting: its script for Linux and its /version, run as they are printed."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parent.parent / "docs" / "boot.md"
# `aws s3 cp [--only-show-errors] s3://BUCKET/KEY TO`, from a folder that stands for the bucket.
AWS = """#!/bin/bash
set -eu
from=${*: -2:1} to=${*: -1}
file=$BUCKET/${from#s3://acme-releases/}
if [ "$to" = - ]; then cat "$file"; else cp "$file" "$to"; fi
"""
UNZIP = """#!/bin/bash
exec python3 -m zipfile -e "$2" "$4"
"""


def block(language: str) -> str:
    [first, *_] = re.findall(
        rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL
    )
    return str(first)


def boot(folder: Path, pointer: str | None) -> subprocess.CompletedProcess[str]:
    """Run the script against a bucket with one release of web and, unless None, a pointer."""
    programs, bucket = folder / "bin", folder / "bucket" / "web"
    programs.mkdir()
    bucket.mkdir(parents=True)
    for name, text in (("aws", AWS), ("unzip", UNZIP)):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    with zipfile.ZipFile(bucket / "1.0.274.zip", "w") as archive:
        archive.writestr("run", "#!/bin/bash\n")
    if pointer is not None:
        (bucket / "current").write_text(pointer)
    # The module that stands in for unzip sets no modes.
    script = block("bash").replace("exec ./run", "cat VERSION").replace("/var/tmp", str(folder))  # noqa: S108
    return subprocess.run(  # noqa: S603 - our own script
        ["/bin/bash", "-c", script],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": f"{programs}:/usr/bin:/bin", "BUCKET": str(folder / "bucket")},
    )


@pytest.mark.parametrize("pointer", ["1.0.274", "1.0.274\n", " 1.0.274\r\n"])
def test_the_script_boots_the_release_that_the_pointer_names(tmp_path: Path, pointer: str) -> None:
    done = boot(tmp_path, pointer)
    assert (done.returncode, done.stdout) == (0, "1.0.274\n"), done.stderr


@pytest.mark.parametrize("pointer", [None, "", "1.0.275", "../other/1.0", "$(touch x)", "-rf"])
def test_the_script_fails_where_there_is_no_such_release(
    tmp_path: Path, pointer: str | None
) -> None:
    done = boot(tmp_path, pointer)
    assert done.returncode != 0
    assert done.stdout == ""


def test_flask_answers_what_the_file_says(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(block("python"))
    (tmp_path / "VERSION").write_text("1.0.274\n")
    ask = "from app import app; print(app.test_client().get('/version').text)"
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", ask], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "1.0.274\n"), done.stderr
