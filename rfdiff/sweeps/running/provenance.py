"""What made a result, without saying where: versions and kind of processor, no host or path."""

import platform
import sysconfig
import traceback
from functools import cache
from importlib.metadata import version
from pathlib import Path

from threadpoolctl import threadpool_info

from ..._version import __version__
from ..points.identity import canonical_json

_PACKAGES = ("numpy", "scipy", "numba")
_ROOT = Path(__file__).resolve().parents[3]


@cache
def provenance() -> str:
    """Return versions and the BLAS's kernel as canonical JSON: results are the same bits there."""
    blas = [
        f"{library['internal_api']} {library['version']} {library.get('architecture', '')}".strip()
        for library in threadpool_info()
        if library["user_api"] == "blas"
    ]
    content: dict[str, object] = {name: version(name) for name in _PACKAGES}
    content |= {"rfdiff": __version__, "python": platform.python_version()}
    content |= {"machine": platform.machine(), "blas": sorted(set(blas))}
    return canonical_json(content)


def host_free_traceback(error: BaseException) -> str:
    """Return a traceback whose file names start at the package, not at somebody's home."""
    summary = traceback.TracebackException.from_exception(error)
    pending: list[traceback.TracebackException | None] = [summary]
    while pending:
        part = pending.pop()
        if part is None:
            continue
        for frame in part.stack:
            frame.filename = _relative(frame.filename)
        pending += [part.__cause__, part.__context__, *(part.exceptions or ())]
    return "".join(summary.format()).rstrip()


def _relative(filename: str) -> str:
    path = Path(filename)
    for base in (sysconfig.get_paths()["purelib"], sysconfig.get_paths()["stdlib"], _ROOT):
        if path.is_relative_to(base):
            return str(path.relative_to(base))
    return path.name
