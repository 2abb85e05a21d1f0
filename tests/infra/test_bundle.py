"""The functions' bundle: what is in it, and that its handlers run from it as Lambda runs them."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import pytest

from infra import bundle
from sandbox import fleet, store
from sandbox.fleet import Fleet
from sandbox.store import Program
from tests.fakes import runtime_api
from tests.fakes.runtime_api import Answer, Runtime

# What Lambda's runtime brings itself.
BOTO3: Final = ("boto3", "botocore", "dateutil", "s3transfer", "six", "urllib3")
RUNTIME: Final = ("awslambdaric", "runtime_client", "simplejson", "snapshot_restore_py")
ELF_AARCH64: Final = 183
HAS_RUNTIME: Final = importlib.util.find_spec("awslambdaric") is not None
awslambdaric = pytest.mark.skipif(not HAS_RUNTIME, reason="awslambdaric has no wheel here")


@pytest.fixture(scope="module")
def bundled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Put the bundle together, as a deployment does."""
    folder = tmp_path_factory.mktemp("bundle")
    bundle.put_together(folder)
    return folder


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stand for the folder of what the runtime brings: boto3, and nothing that is ours."""
    return linked(tmp_path_factory.mktemp("runtime"), *BOTO3, *(RUNTIME if HAS_RUNTIME else ()))


def linked(folder: Path, *modules: str) -> Path:
    for module in modules:
        spec = importlib.util.find_spec(module)
        assert spec is not None
        assert spec.origin is not None
        origin = Path(spec.origin)
        source = origin.parent if spec.submodule_search_locations else origin
        (folder / source.name).symlink_to(source)
    return folder


def alone(code: str, *path: Path) -> str:
    """Run code with these folders on the path, and nothing else but the standard library."""
    begin = f"import sys; sys.path[:0] = {[str(each) for each in path]!r}\n"
    command = [sys.executable, "-I", "-S", "-B", "-c", begin + code]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own code
    assert done.returncode == 0, done.stderr
    return done.stdout


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_it_holds_the_package_but_not_its_command_line(bundled: Path) -> None:
    package = {path.name for path in (bundle.LAMBDAS / "terminator").glob("*.py")}
    assert files(bundled / "terminator") == package - {"cli.py"} | {"py.typed"}


def test_it_holds_the_pinned_requirements_and_no_others(bundled: Path) -> None:
    pinned = (bundle.LAMBDAS / "requirements.txt").read_text(encoding="utf-8")
    pins = set(re.findall(r"^([\w-]+)==(\S+)", pinned, re.MULTILINE))
    installed = {tuple(path.stem.rsplit("-", 1)) for path in bundled.glob("*.dist-info")}
    assert {(name.replace("_", "-"), version) for name, version in installed} == pins


def test_it_stays_small(bundled: Path) -> None:
    # Every cold start fetches it; bytecode, where it is added, about doubles it.
    assert sum((bundled / each).stat().st_size for each in files(bundled)) < 2_000_000


def test_boto3_is_left_to_the_runtime(bundled: Path) -> None:
    assert not {path.stem for path in bundled.iterdir()} & set(BOTO3)


def test_whatever_is_compiled_in_it_is_for_arm64(bundled: Path) -> None:
    machines = {
        int.from_bytes(head[18:20], "little")
        for path in bundled.rglob("*")
        if path.is_file() and (head := path.read_bytes()[:20]).startswith(b"\x7fELF")
    }
    assert machines <= {ELF_AARCH64}
    tags = {
        line
        for path in bundled.glob("*.dist-info/WHEEL")
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.startswith("Tag:")
    }
    assert tags
    assert all(tag.endswith(("-none-any", "aarch64")) for tag in tags)


def test_nothing_of_the_machine_that_made_it_is_in_it(bundled: Path) -> None:
    here = sys.prefix.encode()
    assert [path for path in files(bundled) if here in (bundled / path).read_bytes()] == []
    assert not any(path.endswith(".pyc") for path in files(bundled))


def test_no_script_with_this_machines_interpreter_is_in_it(bundled: Path) -> None:
    assert not (bundled / "bin").exists()
    recorded = [path.read_text(encoding="utf-8") for path in bundled.glob("*.dist-info/RECORD")]
    assert not any("/bin/" in record for record in recorded)


def test_it_is_made_the_same_each_time(bundled: Path, tmp_path: Path) -> None:
    bundle.put_together(tmp_path)
    assert files(tmp_path) == files(bundled)
    assert all(
        (tmp_path / each).read_bytes() == (bundled / each).read_bytes() for each in files(bundled)
    )


@pytest.mark.parametrize(
    ("handler", "module"),
    [("reconcile", "handlers"), ("release", "handlers"), ("probe", "probe.handler")],
)
def test_a_handler_is_found_with_nothing_but_the_bundle(
    bundled: Path, handler: str, module: str
) -> None:
    said = alone(
        f"import terminator.{module} as m\nprint(m.{handler}.__name__, m.__file__)", bundled
    )
    assert said == f"{handler} {bundled / 'terminator' / module}.py\n"


def test_every_module_is_imported_with_nothing_but_the_bundle_and_boto3(
    bundled: Path, own: Path
) -> None:
    modules = sorted(path.stem for path in (bundled / "terminator").glob("*.py"))
    code = (
        "from importlib import import_module\nfor name in {!r}: import_module('terminator.' + name)"
    )
    alone(code.format(modules[1:]) + "\nprint('done')", bundled, own)


def test_boto3_is_not_on_the_path_of_a_bundle_alone(bundled: Path) -> None:
    found = "import importlib.util as u\nprint([u.find_spec(n) for n in ('boto3', 'botocore')])"
    assert alone(found, bundled) == "[None, None]\n"


def loaded(code: str, *path: Path) -> set[str]:
    """Return the packages that are loaded once the code has run."""
    said = alone(code + "\nprint(*{name.partition('.')[0] for name in sys.modules})", *path)
    return set(said.splitlines()[-1].split())


LIBRARIES: Final = {*BOTO3, "aws_lambda_powertools", "h11", "jmespath"}


def test_the_probe_loads_h11_and_no_other_library(bundled: Path, own: Path) -> None:
    code = "from terminator.probe import handler\nhandler.ask([], 60)"
    assert loaded(code, bundled, own) & LIBRARIES == {"h11"}


def test_reconcile_and_release_load_nothing_that_asks_instances(bundled: Path, own: Path) -> None:
    code = "from terminator import aws, functions, handlers, reconcile, upload"
    assert loaded(code, bundled, own) & {"asyncio", "h11"} == set()


def test_the_time_zones_are_in_it(bundled: Path) -> None:
    code = """
import zoneinfo
zoneinfo.reset_tzpath(())
print(zoneinfo.ZoneInfo('Europe/London'))
"""
    assert alone(code, bundled) == "Europe/London\n"


def test_the_probe_runs_without_boto3(bundled: Path) -> None:
    code = """
import json
import os
from types import SimpleNamespace
from terminator.probe import handler
context = SimpleNamespace(get_remaining_time_in_millis=lambda: 120_000)
print(json.dumps(handler.probe({'questions': %s, 'seconds': 30}, context)))
"""
    with versions("1.0.274") as url:
        answers = json.loads(alone(code % [question(url)], bundled))
    assert answers == [{"instance": "i-1", "version": "1.0.274", "reason": None}]


def question(url: str) -> dict[str, Any]:
    return {"instance": "i-1", "url": url, "host": None, "version_field": "version"}


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Serve on loopback; yield the URL."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class Quiet(BaseHTTPRequestHandler):
    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def versions(version: str) -> Iterator[str]:
    class Instance(Quiet):
        def do_GET(self) -> None:
            self.answer(200, version.encode())

    with serving(Instance) as url:
        yield f"{url}/version"


@contextmanager
def invoking(probe: Runtime, asked: list[Any]) -> Iterator[str]:
    """Serve Lambda's Invoke: the probe answers; what is asked of reconcile is only noted."""

    class Invoke(Quiet):
        def do_POST(self) -> None:
            event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.path.split("/")[3] == "probe":
                return self.answer(200, json.dumps(probe.invoke(event).value).encode())
            asked.append((self.path.split("/")[3], self.headers["X-Amz-Invocation-Type"], event))
            return self.answer(202, b"")

    with serving(Invoke) as url:
        yield url


@pytest.fixture(scope="module")
def local() -> Iterator[Fleet]:
    """Run the demo's groups on the old release."""
    with fleet.running(ahead=fleet.SETTLED) as running:
        fleet.prepare(running)
        yield running


@pytest.fixture
def probe(bundled: Path, tmp_path: Path) -> Iterator[Runtime]:
    """Run the probe under awslambdaric; boto3 is not there for it to import."""
    (tmp_path / "own").mkdir()
    own = linked(tmp_path / "own", *RUNTIME)
    name, log = "terminator.probe.handler.probe", tmp_path / "probe.log"
    with runtime_api.running(name, bundled, own, {}, log) as runtime:
        yield runtime


def environment(local: Fleet, functions: str) -> dict[str, str]:
    settings = {"groups": {"tagged": True}, "releases": {"bucket": store.BUCKET}}
    return {
        **local.local.environment,
        "AWS_ENDPOINT_URL_LAMBDA": functions,
        "TERMINATOR_CONFIG": json.dumps(settings),
        "TERMINATOR_PROBES": json.dumps({local.vpc: "probe"}),
        "TERMINATOR_RECONCILE": "reconcile",
    }


def entries(log: Path) -> list[dict[str, Any]]:
    lines = log.read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


@awslambdaric
def test_the_probe_answers_under_awslambdaric(probe: Runtime) -> None:
    with versions('{"version": "v2.1"}') as url:
        answer = probe.invoke({"questions": [question(url)], "seconds": 30})
    told = {"instance": "i-1", "version": "v2.1", "reason": None}
    assert answer == Answer("response", [told])


@awslambdaric
def test_reconcile_answers_its_records_under_awslambdaric(
    local: Fleet, bundled: Path, own: Path, probe: Runtime, tmp_path: Path
) -> None:
    store.upload(local.aws, "web", Program("1.0.274"))
    log, name = tmp_path / "reconcile.log", "terminator.handlers.reconcile"
    with (
        invoking(probe, []) as functions,
        runtime_api.running(name, bundled, own, environment(local, functions), log) as reconcile,
    ):
        answer = reconcile.invoke({"source": "aws.events", "detail-type": "Scheduled Event"})
    assert answer.kind == "response", answer.value
    decided = {each["group"]: (each["decision"], each["dry_run"]) for each in answer.value}
    assert decided == {fleet.WEB: ("canary", True), fleet.API: ("converged", True)}
    assert {each["version"] for each in answer.value[1]["instances"]} == {"1.0.266"}
    logged = {entry["group"]: entry for entry in entries(log) if "group" in entry}
    assert logged[fleet.WEB]["to_terminate"] == answer.value[1]["to_terminate"]


@awslambdaric
def test_a_run_that_fails_is_an_error_under_awslambdaric(
    local: Fleet, bundled: Path, own: Path, tmp_path: Path
) -> None:
    told = {**environment(local, "http://127.0.0.1:1"), "TERMINATOR_PROBES": "{}"}
    name = "terminator.handlers.reconcile"
    with runtime_api.running(name, bundled, own, told, tmp_path / "log") as reconcile:
        answer = reconcile.invoke({})
    assert answer.kind == "error"
    assert answer.value["errorType"] == "RunFailedError"
    assert answer.value["errorMessage"] == f"failed in {fleet.API}, {fleet.WEB}"


@awslambdaric
def test_release_asks_for_reconcile_under_awslambdaric(
    local: Fleet, bundled: Path, own: Path, probe: Runtime, tmp_path: Path
) -> None:
    asked: list[Any] = []
    event = store.upload(local.aws, "api", Program("1.0.266"))
    with (
        invoking(probe, asked) as functions,
        runtime_api.running(
            "terminator.handlers.release",
            bundled,
            own,
            environment(local, functions),
            tmp_path / "release.log",
        ) as release,
    ):
        assert release.invoke(event) == Answer("response", None)
    assert asked == [("reconcile", "Event", {"app": "api"})]


@pytest.fixture
def compiled(bundled: Path, tmp_path: Path) -> Path:
    """Add bytecode to a bundle, that of the Python at hand."""
    folder = tmp_path / "compiled"
    shutil.copytree(bundled, folder)
    bundle.add_bytecode(folder, sys.executable)
    return folder


def test_every_module_has_bytecode_that_a_start_uses(compiled: Path) -> None:
    for source in compiled.rglob("*.py"):
        assert Path(importlib.util.cache_from_source(str(source))).is_file()
    # Were the source read, this would show.
    (compiled / "terminator" / "version.py").write_text("raise RuntimeError", encoding="utf-8")
    assert (
        alone("from terminator.version import MAX_LENGTH\nprint(MAX_LENGTH)", compiled) == "128\n"
    )


def test_bytecode_names_lambdas_folder_and_nothing_of_this_machine(compiled: Path) -> None:
    version = importlib.util.cache_from_source(str(compiled / "terminator" / "version.py"))
    assert b"/var/task/terminator/version.py" in Path(version).read_bytes()
    here = (sys.prefix.encode(), str(compiled).encode())
    assert [f for f in files(compiled) if any(h in (compiled / f).read_bytes() for h in here)] == []
    assert {path.stat().st_mode & 0o777 for path in compiled.rglob("*.pyc")} == {0o644}


def test_bytecode_is_made_by_a_python_of_the_runtimes_version_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 99))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert bundle.runtime_python() is None
    python = tmp_path / bundle.RUNTIME.name
    python.write_text("#!/bin/sh\nexit 127\n", encoding="utf-8")
    python.chmod(0o755)
    assert bundle.runtime_python() is None
    python.write_text("#!/bin/sh\nexit 0\n", encoding="utf-8")
    assert bundle.runtime_python() == str(python)
    monkeypatch.setattr(sys, "version_info", (3, 13))
    assert bundle.runtime_python() == sys.executable


def test_lambda_may_read_it_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        bundle.put_together(tmp_path)
    finally:
        os.umask(before)
    modes = {path.stat().st_mode & 0o777 for path in tmp_path.rglob("*") if path.is_file()}
    assert modes == {0o644}
    assert {path.stat().st_mode & 0o777 for path in tmp_path.rglob("*") if path.is_dir()} == {0o755}
