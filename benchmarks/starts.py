"""Cold starts: each function from its bundle under Lambda's runtime client, beside its floor."""

from __future__ import annotations

import importlib.util
import resource
import shutil
import sys
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from benchmarks.account import VERSION, Account
from benchmarks.children import serving
from benchmarks.measure import Cost, Costs, cpu_ratio, in_turn
from benchmarks.running import environment
from benchmarks.tables import Table, ms
from infra import bundle
from tests.fakes import runtime_api

_REPEATS: Final = 15
_ACCOUNT: Final = Account(1, 10)
# What Lambda brings.
_RUNTIME: Final = (
    *("awslambdaric", "runtime_client", "simplejson", "snapshot_restore_py"),
    *("boto3", "botocore", "dateutil", "jmespath", "s3transfer", "six", "urllib3"),
)
_HTTPX: Final = ("anyio", "certifi", "h11", "httpcore", "httpx", "idna", "typing_extensions")
_FLOORS: Final = {
    "nothing": "def handler(*_): pass",
    "import httpx": "import httpx\ndef handler(*_): pass",
    "boto3 alone, as reconcile": (
        "from benchmarks.bare import Account, Reconcile\n"
        "def handler(*_): Reconcile()(Account(1, 10), 2, 1)"
    ),
    "boto3 alone, as release": "from benchmarks.bare import release\ndef handler(*_): release()",
}
_UPLOADED: Final = {
    "source": "aws.s3",
    "detail-type": "Object Created",
    "detail": {"bucket": {"name": "releases"}, "object": {"key": f"app0/{VERSION}.zip"}},
}
# Of each function its handler, an event for it, and its floor.
_FUNCTIONS: Final[dict[str, tuple[str, Mapping[str, Any], str]]] = {
    "probe": (
        "terminator.probe.handler.probe",
        {"questions": [], "seconds": 30},
        "import httpx",
    ),
    "reconcile": ("terminator.handlers.reconcile", {}, "boto3 alone, as reconcile"),
    "release": ("terminator.handlers.release", _UPLOADED, "boto3 alone, as release"),
}


def tables() -> list[Table]:
    """Measure the starts of all functions, with and without bytecode, and of their floors."""
    if importlib.util.find_spec("awslambdaric") is None:
        note = "Not measured: awslambdaric has no wheel for this Python."
        return [Table("Cold starts", ["function"], [], note)]
    with TemporaryDirectory() as name, serving("benchmarks.aws", *_ACCOUNT.texts) as [port]:
        folders = {each: Path(name) / each for each in ("source", "bytecode", "floors", "own")}
        source, bytecode, floors, own = folders.values()
        for folder in (source, floors, own):
            folder.mkdir()
        bundle.put_together(source)
        shutil.copytree(source, bytecode)
        bundle.add_bytecode(bytecode, sys.executable)
        for number, code in enumerate(_FLOORS.values()):
            (floors / f"floor{number}.py").write_text(code, encoding="utf-8")
        _link(floors, *_HTTPX, "benchmarks")
        _link(own, *_RUNTIME)

        start = partial(_start, own, environment(port))
        things = {
            each: partial(start, f"floor{number}.handler", floors, {})
            for number, each in enumerate(_FLOORS)
        }
        for function, (handler, event, _) in _FUNCTIONS.items():
            for kind in ("source", "bytecode"):
                things[f"{function}, {kind}"] = partial(start, handler, folders[kind], event)
        return [_starts(in_turn(things, _REPEATS)), _sizes(source, bytecode)]


def _link(folder: Path, *modules: str) -> None:
    for module in modules:
        spec = importlib.util.find_spec(module)
        if spec is None or spec.origin is None:
            raise RuntimeError(f"{module} is not installed")
        origin = Path(spec.origin)
        source = origin.parent if spec.submodule_search_locations else origin
        (folder / source.name).symlink_to(source)


def _start(
    own: Path, variables: Mapping[str, str], handler: str, folder: Path, event: object
) -> Cost:
    """Return what it costs from the start of a process to its first answer."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    with runtime_api.running(handler, folder, own, variables, own.parent / "log") as runtime:
        answer = runtime.invoke(event)
        wall = time.perf_counter() - begun
    if answer.kind != "response":
        raise RuntimeError(f"{handler} failed: {answer.value}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(cpu, wall)


def _starts(costs: Mapping[str, Costs]) -> Table:
    nothing = costs["nothing"]
    rows = [[name, ms(costs[name].cpu), ms(costs[name].wall), "", "", ""] for name in _FLOORS]
    for function, (_, _, floor_name) in _FUNCTIONS.items():
        floor = costs[floor_name]
        for name in (f"{function}, source", f"{function}, bytecode"):
            own = costs[name]
            ratios = [cpu_ratio(own, floor), cpu_ratio(own - nothing, floor - nothing)]
            rows.append([name, ms(own.cpu), ms(own.wall), floor_name, *ratios])
    heads = ["what starts", "CPU, ms", "wall, ms", "floor", "CPU / floor", "less the runtime's"]
    note = (
        "From the start of the process to its first answer, under awslambdaric. *boto3 alone* "
        "imports boto3, makes the clients that the function uses and makes its calls; *less the "
        "runtime's* takes what `nothing` costs from both sides. *Source* is a bundle without "
        "bytecode, *bytecode* one with it; libraries of the floors have theirs."
    )
    return Table("Cold starts", heads, rows, note)


def _sizes(source: Path, bytecode: Path) -> Table:
    def size(path: Path) -> int:
        files = path.rglob("*") if path.is_dir() else [path]
        return sum(each.stat().st_size for each in files if each.is_file())

    def packed(folder: Path) -> int:
        archive = shutil.make_archive(str(folder.with_name(f"{folder.name}-packed")), "zip", folder)
        return size(Path(archive))

    both = (source, bytecode)
    parts = sorted(path.name for path in source.iterdir() if path.suffix != ".dist-info")
    sizes = {part: [size(folder / part) for folder in both] for part in parts}
    sizes["all, unpacked"] = [size(folder) for folder in both]
    sizes["all, packed"] = [packed(folder) for folder in both]
    rows = [[part, *(f"{each / 1000:,.0f}" for each in of)] for part, of in sizes.items()]
    note = "What is not listed are licences, versions and, of single modules, bytecode."
    return Table("The bundle", ["what", "source, KB", "with bytecode, KB"], rows, note)
