"""Somebody may upload a zip that does more than be unpacked, or a package that is not ours."""

from __future__ import annotations

import hashlib
import io
import resource
import stat
import subprocess
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from infra import bundle
from infra.example import boot

KEY = "example/1.0.zip"
PROGRAM = {"serve.py": b"print()"}


def packed(files: Mapping[str, bytes], *, link: str = "") -> bytes:
    """Return a zip of these files, and of a symbolic link `link` to /etc/passwd."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
        if link:
            pointing = zipfile.ZipInfo(link)
            pointing.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(pointing, "/etc/passwd")
    return made.getvalue()


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Return what is in the bucket that the boot script downloads from."""
    stored: dict[str, bytes] = {}

    def aws(*arguments: str) -> bytes:
        *_, url, to = arguments
        Path(to).write_bytes(stored[url.removeprefix("s3://releases/")])
        return b""

    monkeypatch.setattr(boot, "aws", aws)
    return stored


def unpacked(folder: Path) -> Path:
    """Unpack the zip into a folder of its own."""
    inner = folder / "a" / "b"
    inner.mkdir(parents=True)
    return boot.unpack("releases", KEY, str(inner))


def test_a_zip_that_unpacks_to_too_much_is_not_unpacked(
    bucket: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(boot, "_MOST_BYTES", 1 << 20)
    bucket[KEY] = packed({**PROGRAM, "zeros": bytes(2 << 20)})
    with pytest.raises(boot.NoReleaseError, match="unpacks to over 10000 files or 1048576 bytes"):
        unpacked(tmp_path)
    assert not (tmp_path / "a" / "b" / "release").exists()


def test_a_zip_of_too_many_files_is_not_unpacked(bucket: dict[str, bytes], tmp_path: Path) -> None:
    bucket[KEY] = packed({**PROGRAM, **dict.fromkeys(map(str, range(10_000)), b"")})
    with pytest.raises(boot.NoReleaseError, match="unpacks to over 10000 files"):
        unpacked(tmp_path)
    assert not (tmp_path / "a" / "b" / "release").exists()


def test_a_zip_that_hides_how_much_it_holds_is_unpacked_no_further_than_it_says(
    bucket: dict[str, bytes], tmp_path: Path
) -> None:
    size = 2 << 20
    bucket[KEY] = packed({**PROGRAM, "zeros": bytes(size)}).replace(
        size.to_bytes(4, "little"), (10).to_bytes(4, "little")
    )
    with pytest.raises(zipfile.BadZipFile):
        unpacked(tmp_path)
    found = [each.stat().st_size for each in tmp_path.rglob("zeros")]
    assert all(each <= 10 for each in found)


def test_a_zip_that_is_too_long_is_not_downloaded_whole(
    bucket: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    monkeypatch.setattr(boot, "_MOST_BYTES", 1 << 16)
    bucket[KEY] = bytes(1 << 20)
    with pytest.raises(OSError, match="File too large"):
        unpacked(tmp_path)
    assert (tmp_path / "a" / "b" / "release.zip").stat().st_size <= 1 << 16
    # What is run later may write as much as it likes.
    assert resource.getrlimit(resource.RLIMIT_FSIZE) == before


@pytest.mark.parametrize("name", ["../../evil.py", "/evil.py", "x/../../../evil.py", "..\\evil.py"])
def test_nothing_is_unpacked_beside_its_folder(
    bucket: dict[str, bytes], tmp_path: Path, name: str
) -> None:
    bucket[KEY] = packed({**PROGRAM, name: b"evil"})
    program = unpacked(tmp_path)
    assert not Path("/evil.py").exists()
    found = [each for each in tmp_path.rglob("*") if each.is_file()]
    assert len(found) == 2
    assert all(each.is_relative_to(program) for each in found)


def test_a_symbolic_link_is_a_file_with_its_text(bucket: dict[str, bytes], tmp_path: Path) -> None:
    bucket[KEY] = packed(PROGRAM, link="passwd")
    program = unpacked(tmp_path)
    assert not (program / "passwd").is_symlink()
    assert (program / "passwd").read_text() == "/etc/passwd"


WHEEL = {
    "aws_lambda_powertools/utilities/jmespath_utils/__init__.py": b"",
    "tiny-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n",
    "tiny-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    "tiny-1.0.dist-info/RECORD": b"",
}


@pytest.mark.parametrize("is_right", [True, False], ids=["the pinned", "another"])
def test_a_package_of_another_hash_than_is_pinned_is_not_bundled(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    *,
    is_right: bool,
) -> None:
    wheel = packed(WHEEL)
    for folder in ("index", "lambdas/terminator", "made"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "index" / "tiny-1.0-py3-none-any.whl").write_bytes(wheel)
    digest = hashlib.sha256(wheel if is_right else b"what it was").hexdigest()
    pins = tmp_path / "lambdas" / "requirements.txt"
    pins.write_text(f"tiny==1.0 --hash=sha256:{digest}\n")
    monkeypatch.setattr(bundle, "LAMBDAS", tmp_path / "lambdas")
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setenv("UV_FIND_LINKS", str(tmp_path / "index"))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    if is_right:
        bundle.put_together(tmp_path / "made")
    else:
        with pytest.raises(subprocess.CalledProcessError):
            bundle.put_together(tmp_path / "made")
        assert "Hash mismatch for `tiny==1.0`" in capfd.readouterr().err
    assert (tmp_path / "made" / "aws_lambda_powertools").exists() is is_right
