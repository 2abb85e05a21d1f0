"""Uploading a release: what is checked, asked, sent and said."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from sandbox import store
from sandbox.fleet import Fleet
from sandbox.store import Program, pack
from terminator_cli import output
from tests.cli.runs import Caller, releases


def upload(archive: str, version: str, *more: str) -> tuple[str, ...]:
    return "release", archive, "--app", "web", "--version", version, *more


def test_a_zip_is_uploaded_and_becomes_the_release_to_run(
    released: Fleet, on: Caller, archive: str
) -> None:
    done = on.run(*upload(archive, "1.0.275", "--local", "--yes"))
    assert (done.exit_code, done.stderr) == (0, "")
    assert (
        "web is to run 1.0.274 (it is the newest)\n  then 1.0.275 (it is the newest)" in done.stdout
    )
    assert (
        "3 of 3 instances to replace: 1.0.266 on 3 instances; at least 2 of 3 stay" in done.stdout
    )
    assert done.stdout.endswith("watch it: terminator status --watch --app web --version 1.0.275\n")
    assert "uploaded s3://releases/web/1.0.275.zip" in done.stdout
    assert "1.0.275 is the release of web to run from now on" in done.stdout
    body = released.aws.s3.get_object(Bucket=store.BUCKET, Key="web/1.0.275.zip")["Body"].read()
    assert body == Path(archive).read_bytes()
    assert releases(on)["target"] == "1.0.275"


def test_a_dry_run_uploads_nothing(on: Caller, archive: str) -> None:
    told = on.json(*upload(archive, "1.0.275", "--dry-run"))
    assert (told["uploaded"], told["becomes_target"], told["key"]) == (
        False,
        True,
        "web/1.0.275.zip",
    )
    assert releases(on)["target"] == "1.0.274"


@pytest.mark.parametrize("version", ["1.0.274", "v1.0.274", "1.0.274.0"])
def test_a_version_that_exists_is_refused_however_it_is_spelled(
    on: Caller, archive: str, version: str
) -> None:
    done = on.run(*upload(archive, version))
    assert (done.exit_code, done.stdout) == (1, "")
    assert f"web {version} exists, as web/1.0.274.zip; see --force" in done.stderr


def test_where_something_goes_it_asks_and_where_nothing_changes_it_does_not(
    released: Fleet, on: Caller, archive: str
) -> None:
    done = on.run(*upload(archive, "1.0.275", "--local"))
    assert done.exit_code == 2
    assert "Upload s3://releases/web/1.0.275.zip? Nobody can be asked here: say" in done.stderr
    assert releases(on)["target"] == "1.0.274"
    same = on.run(*upload(archive, "1.0.274", "--force", "--local"))
    assert (
        same.exit_code,
        "web is to run 1.0.274 (it is the newest), with it too" in same.stdout,
    ) == (
        0,
        True,
    )
    store.upload(released.aws, "web", Program("1.0.274"))


def test_who_would_go_is_told_by_group(on: Caller, archive: str) -> None:
    told = on.json(*upload(archive, "1.0.275", "--dry-run", "--local"))
    assert (told["before"], told["target"]) == ("1.0.274", "1.0.275")
    [group] = told["groups"]
    assert (group["outdated"], group["minimum"], group["desired"]) == ({"1.0.266": 3}, 2, 3)
    assert group["decision"] is None


def test_without_a_function_to_ask_it_uploads_all_the_same(on: Caller, archive: str) -> None:
    done = on.run(*upload(archive, "1.0.275", "--yes"))
    assert done.exit_code == 0
    assert "what would be replaced is not known: " in done.stderr
    assert "uploaded s3://releases/web/1.0.275.zip" in done.stdout


def test_a_version_that_exists_is_replaced_by_force(
    released: Fleet, on: Caller, archive: str
) -> None:
    told = on.json(*upload(archive, "1.0.274", "--force"))
    assert (told["replaced"], told["uploaded"], told["warnings"]) == (True, True, [])
    store.upload(released.aws, "web", Program("1.0.274"))


def test_a_lower_version_is_asked_about_because_the_newest_is_run(on: Caller, archive: str) -> None:
    done = on.run(*upload(archive, "1.0.270"))
    assert done.exit_code == 2
    assert "Warning: 1.0.270 is lower than 1.0.274: the newest is run" in done.stderr
    assert "Nobody can be asked here: say --yes" in done.stderr
    told = on.json(*upload(archive, "1.0.270", "--yes"))
    assert (told["uploaded"], told["becomes_target"]) == (True, False)


def test_a_pointer_in_the_way_is_said(released: Fleet, on: Caller, archive: str) -> None:
    store.point(released.aws, "web", "1.0.266")
    done = on.run(*upload(archive, "1.0.275", "--local", "--yes"))
    assert done.stderr == "Warning: the pointer web/current names 1.0.266: that is run\n"
    assert "web is to run 1.0.266 (its pointer names it), with it too" in done.stdout
    assert done.stdout.endswith("to run it: terminator use --app web 1.0.275\n")


def test_a_pointer_that_waits_for_this_version_is_not_in_the_way(
    released: Fleet, on: Caller, archive: str
) -> None:
    store.point(released.aws, "web", "1.0.275")
    told = on.json(*upload(archive, "1.0.275", "--yes"))
    assert (told["warnings"], told["becomes_target"]) == ([], True)


@pytest.mark.parametrize("answer", [b"y\n", b"n\n"])
def test_on_a_terminal_it_asks_and_shows_progress(on: Caller, archive: str, answer: bytes) -> None:
    asked = upload(archive, "1.0.270")
    status, screen = on.on_terminal(*asked, columns=100, keys=answer)
    assert "Upload s3://releases/web/1.0.270.zip? [y/N]" in screen
    assert (status, "uploaded s3://" in screen) == ((0, True) if answer == b"y\n" else (1, False))
    assert ("100" in screen or "bytes" in screen) or answer == b"n\n"


def broken(folder: Path, kind: str) -> Path:
    path = folder / f"{kind}.zip"
    whole = pack(Program("1.0.275"))
    if kind == "empty":
        with zipfile.ZipFile(path, "w"):
            return path
    path.write_bytes({
        "text": b"no zip",
        "half": whole[: len(whole) // 2],
        "damaged": whole[:45] + bytes([whole[45] ^ 0xFF]) + whole[46:],
        "nothing": b"",
    }[kind])  # fmt: skip
    return path


def patched(whole: bytes, fields: dict[bytes, tuple[int, int]]) -> bytes:
    """Return a zip of one file with another byte at an offset of each of its records."""
    for record, (offset, value) in fields.items():
        at = whole.index(record) + offset
        whole = whole[:at] + bytes([value]) + whole[at + 1 :]
    return whole


# Local header, central directory, end.
LOCAL, CENTRAL, END = b"PK\3\4", b"PK\1\2", b"PK\5\6"
UNPACKABLE = {
    "encrypted": ({LOCAL: (6, 1), CENTRAL: (8, 1)}, "it is encrypted"),
    "split": ({END: (4, 1)}, "it is one part of a split zip"),
    "unknown method": ({LOCAL: (8, 97), CENTRAL: (10, 97)}, "compression method"),
}


@pytest.mark.parametrize("kind", UNPACKABLE)
def test_a_zip_that_no_boot_script_unpacks_is_not_uploaded(
    on: Caller, tmp_path: Path, kind: str
) -> None:
    path, (fields, why) = tmp_path / "web.zip", UNPACKABLE[kind]
    path.write_bytes(patched(pack(Program("1.0.275")), fields))
    done = on.run(*upload(str(path), "1.0.275"))
    assert (done.exit_code, done.stdout) == (2, "")
    assert why in done.stderr
    assert releases(on)["target"] == "1.0.274"


@pytest.mark.parametrize("method", [1, 2, 3, 4, 5, 6, 9, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_every_method_that_unzip_or_python_reads_is_accepted(
    on: Caller, tmp_path: Path, method: int
) -> None:
    path = tmp_path / "web.zip"
    if method in {zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA}:
        with zipfile.ZipFile(path, "w", method) as archive:
            archive.writestr("VERSION", "1.0.275")
    else:
        fields = {LOCAL: (8, method), CENTRAL: (10, method)}
        path.write_bytes(patched(pack(Program("1.0.275")), fields))
    assert on.json(*upload(str(path), "1.0.275", "--dry-run"))["becomes_target"]


@pytest.mark.parametrize("kind", ["empty", "text", "half", "damaged", "nothing"])
def test_a_zip_that_cannot_be_booted_is_not_uploaded(on: Caller, tmp_path: Path, kind: str) -> None:
    path = broken(tmp_path, kind)
    done = on.run(*upload(str(path), "1.0.275"))
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith(f"Error: {path} cannot be ")
    assert releases(on)["target"] == "1.0.274"


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (3_450_000, "3.5 MB"),
    ],
)
def test_sizes_are_said_in_the_units_that_aws_bills_by(number: int, said: str) -> None:
    assert output.size(number) == said
