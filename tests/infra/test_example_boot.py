"""What an instance of the example boots: the real programs, and a stand-in for `aws`."""

from __future__ import annotations

import ast
import io
import itertools
import json
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from infra.example import boot, release
from terminator.config.release_keys import KeyTemplate
from terminator.model import Released
from terminator.observe import releases
from terminator.version import NotAVersionError, Version
from tests.fakes.cloud import Cloud
from tests.fakes.cloud_api import clients
from tests.fakes.fake_aws import Instance

EXAMPLE = Path(boot.__file__).parent
# -S too: nothing but the standard library is there to be imported.
BOOT = [sys.executable, "-IS", str(EXAMPLE / "boot.py"), "releases", "example"]

thorough = settings(max_examples=300)
numbers = st.lists(st.sampled_from(["0", "00", "1", "01", "2", "10"]), min_size=1, max_size=6)
words = st.lists(st.sampled_from(["0", "2", "11", "01", "rc", "A", "-", "x-1", ""]), max_size=3)
near = st.sampled_from([["1"], ["1", "0"], ["1", "1"]])


@st.composite
def spelled(draw: st.DrawFn, numbers: st.SearchStrategy[list[str]]) -> str:
    """Return what is a version, or nearly one."""
    text = draw(st.sampled_from(["", "v"])) + ".".join(draw(numbers))
    for mark in "-+":
        drawn = draw(words)
        text += mark + ".".join(drawn) if drawn else ""
    return text


few = st.sampled_from(
    ["1.0", "v1.0", "1.0.0", "1.0+a", "1.0+b", "1.0-rc.11", "1.0-rc.2", "0.9", "2", "10", "latest"]
)
apps = st.sampled_from(["example", "example", "example", "exampler", "example/old"])
pointed = st.builds("{}{}{}".format, st.sampled_from(["", "\ufeff", " "]), few, st.just("\n"))
templates = st.sampled_from(
    ["{app}/{version}.zip", "{app}/v{version}.zip", "{version}/{app}.zip", "x/{app}/{version}.zip"]
)


@st.composite
def puts(draw: st.DrawFn, template: str) -> tuple[bool, str, str | None]:
    """Return if it is later, a key, and the text put there; None deletes it."""
    later, deleted = draw(st.booleans()), draw(st.sampled_from([True, False, False]))
    if draw(st.sampled_from([True, False, False, False])):
        return later, "example/current", None if deleted else draw(pointed)
    key = template.replace("{app}", draw(apps)).replace("{version}", draw(few))
    return later, key, None if deleted else ""


histories = templates.flatmap(lambda t: st.tuples(st.just(t), st.lists(puts(t), max_size=10)))


def parsed(text: str) -> Version | None:
    try:
        return Version.parse(text)
    except NotAVersionError:
        return None


@thorough
@given(spelled(numbers) | st.text("v0123.-+aZ\n_\u0661", max_size=12))
def test_it_reads_a_version_where_terminator_does(text: str) -> None:
    version, own = parsed(text), boot.parse(text)
    assert (own is None) == (version is None)
    assert own is None or version is None or own.build == version.build


@pytest.mark.parametrize("text", ["1." + "0" * 126, "1." + "0" * 127])
def test_it_reads_versions_of_the_same_length(text: str) -> None:
    assert (boot.parse(text) is None) == (parsed(text) is None)


@thorough
@example(["1.0-rc", "1.0-rc.2", "1.0-rc.11", "1.0-rc.a", "1.0"])
@given(st.lists(spelled(numbers) | spelled(near), min_size=2, max_size=5))
def test_it_ranks_versions_as_terminator_does(several: list[str]) -> None:
    read = [(boot.parse(text), parsed(text)) for text in several]
    both = [(own.precedence, version) for own, version in read if own and version]
    for (own, version), (other_own, other) in itertools.combinations(both, 2):
        assert (own < other_own) == (version < other)
        assert (own == other_own) == (version == other)


def aws_of(cloud: Cloud) -> boot.Aws:
    """Return the `aws` command of the model."""

    def aws(*arguments: str) -> bytes:
        objects = cloud.current()
        if arguments[:2] == ("s3", "cp"):
            *_, url, to = arguments
            data = objects[url.removeprefix("s3://releases/")].data or b""
            if to != "-":
                Path(to).write_bytes(data)
            return data
        prefix = arguments[arguments.index("--prefix") + 1]
        found = [each for key, each in objects.items() if key.startswith(prefix)]
        rows = [{"Key": each.key, "LastModified": each.when.isoformat()} for each in found]
        return json.dumps({"Contents": rows}).encode()

    return aws


def booted(cloud: Cloud, template: str) -> str | None:
    try:
        return boot.find(aws_of(cloud), "releases", "example", template)
    except boot.NoReleaseError:
        return None


@thorough
@given(histories)
def test_it_boots_what_terminator_wants_to_see(
    history: tuple[str, list[tuple[bool, str, str | None]]],
) -> None:
    cloud, (template, stored) = Cloud(), history
    for later, key, text in stored:
        cloud.wait(later)
        cloud.put(key, None if text is None else text.encode())
    wanted = releases.find(clients(cloud).s3, "releases", KeyTemplate.parse(template), "example")
    key_wanted = wanted.release.key if isinstance(wanted, Released) else None
    event(f"{key_wanted is not None}, pointer {'example/current' in cloud.current()}")
    assert booted(cloud, template) == key_wanted


@pytest.fixture
def instance(tmp_path: Path) -> Instance:
    """Return an instance, and a bucket with three releases of which 1.0.10 is the newest."""
    instance = Instance(tmp_path)
    for version in ("1.0.9", "1.0.10", "1.0.10-rc.1"):
        instance.upload(f"example/{version}.zip", packed(tmp_path, version))
    return instance


def packed(folder: Path, version: str) -> bytes:
    path = folder / "packed.zip"
    release.write(version, path)
    return path.read_bytes()


def test_the_newest_release_is_downloaded_and_serves_its_version(instance: Instance) -> None:
    with instance.running(BOOT):
        assert instance.get("/version") == (200, "1.0.10\n")
        assert "version 1.0.10" in instance.get("/")[1]
        assert instance.get("/else")[0] == 404


def test_the_release_that_the_pointer_names_is_run(instance: Instance) -> None:
    instance.upload("example/current", b"1.0.9\r\n")
    with instance.running(BOOT):
        assert instance.get("/version") == (200, "1.0.9\n")


def test_keys_may_be_made_otherwise(instance: Instance, tmp_path: Path) -> None:
    instance.upload("builds/example/r-2.0.zip", packed(tmp_path, "2.0"))
    with instance.running([*BOOT, "builds/{app}/r-{version}.zip"]):
        assert instance.get("/version") == (200, "2.0\n")


def test_the_last_modified_of_equal_releases_is_run(instance: Instance, tmp_path: Path) -> None:
    instance.upload("example/v1.0.10.zip", packed(tmp_path, "1.0.10+early"), modified=1)
    instance.upload("example/1.0.10.0.zip", packed(tmp_path, "1.0.10+late"), modified=2)
    with instance.running(BOOT):
        assert instance.get("/version") == (200, "1.0.10+late\n")


def without_program() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("README", "no program")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("key", "data", "message"),
    [
        ("example/current", b"1.0.11", "boot: the pointer example/current names no release: '1.0."),
        ("example/current", b"", "boot: the pointer example/current names no release: ''"),
        ("example/current", b"\x1b[2J", r"names no release: '\x1b[2J'"),
        ("example/current", b" " * 250 + b"1.0.100", "names no release: it is over 256 bytes"),
        ("example/2.0.zip", b"PK\x03\x04 and no more", "boot: File is not a zip file"),
        (
            "example/2.0.zip",
            without_program(),
            "boot: s3://releases/example/2.0.zip holds no serve.py",
        ),
    ],
)
def test_it_fails_loudly_and_runs_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str, data: bytes, message: str
) -> None:
    cloud = Cloud()
    cloud.put("example/1.0.10.zip", packed(tmp_path, "1.0.10"))
    cloud.put(key, data)
    monkeypatch.setattr(boot, "aws", aws_of(cloud))
    with pytest.raises(SystemExit) as ended:
        boot.main("releases", "example")
    assert message in str(ended.value)


def test_no_release_is_said(instance: Instance) -> None:
    assert failed(instance, [*BOOT[:-1], "web"]) == "boot: no release of web in s3://releases\n"


def test_what_aws_complains_of_is_passed_on(instance: Instance) -> None:
    said = failed(instance, [*BOOT[:-2], "nowhere", "example"])
    assert "NoSuchBucket" in said
    assert "boot: Command '['aws', 's3api', 'list-objects-v2'" in said


def failed(instance: Instance, command: Sequence[str]) -> str:
    """Run it to its end, which is a failure; return what it says."""
    run = subprocess.run(  # noqa: S603 - our own
        command, env=instance.environment, capture_output=True, text=True, timeout=30, check=False
    )
    assert (run.returncode, run.stdout) == (1, "")
    return run.stderr


@pytest.mark.parametrize("name", ["boot.py", "serve.py"])
def test_the_instances_python_can_read_it(name: str) -> None:
    ast.parse((EXAMPLE / name).read_text(encoding="utf-8"), feature_version=(3, 9))


def test_a_release_is_made_on_the_command_line(instance: Instance, tmp_path: Path) -> None:
    path = tmp_path / "out.zip"
    command = [sys.executable, "-m", "infra.example.release", "3.0.0", str(path)]
    subprocess.run(command, check=True, cwd=EXAMPLE.parent.parent)  # noqa: S603 - our own
    assert path.read_bytes() == packed(tmp_path, "3.0.0")
    instance.upload("example/3.0.0.zip", path.read_bytes())
    with instance.running(BOOT):
        assert instance.get("/version") == (200, "3.0.0\n")


def test_a_release_without_a_version_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(NotAVersionError):
        release.write("latest", tmp_path / "out.zip")
    assert not (tmp_path / "out.zip").exists()
