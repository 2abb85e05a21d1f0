"""Makes a release of the example to upload.

python -m infra.example.release 1.0.0 out.zip
aws s3 cp out.zip s3://BUCKET/example/1.0.0.zip

(the key is for the key template `{app}/{version}.zip`).
"""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path
from typing import Final

from terminator.version import NotAVersionError, Version

_PROGRAM: Final = Path(__file__).with_name("serve.py")


def write(version: str, path: Path) -> None:
    """Write a zip whose program says that it is the version; raise NotAVersionError.

    The same version always gives the same bytes.
    """
    Version.parse(version)
    files = {"serve.py": _PROGRAM.read_text(encoding="utf-8"), "VERSION": f"{version}\n"}
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name), text)


def main() -> None:
    """Write the zip that the command line asks for."""
    try:
        version, path = sys.argv[1:]
    except ValueError:
        sys.exit("usage: python -m infra.example.release VERSION ZIP")
    try:
        write(version, Path(path))
    except (NotAVersionError, OSError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
