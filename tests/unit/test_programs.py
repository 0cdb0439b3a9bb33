"""Finding PostgreSQL's programs, on folders of small scripts that tell a version."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from dbtasks import programs
from dbtasks.errors import EmbeddedServerError, ProgramNotFoundError
from dbtasks.programs import Programs, child_environment, find_client, find_server_programs, version_in

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the stand-ins are shell scripts")

NO_TLS = 'psql: error: sslmode value "require" invalid when SSL support is not compiled in'
NO_HOST = 'psql: error: connection to server on socket "/nonexistent/.s.PGSQL.5432" failed: No such file or directory'


@pytest.fixture(autouse=True)
def nothing_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without PostgreSQL: no packages, none of the usual folders, an empty PATH."""
    monkeypatch.delenv(programs.VARIABLE, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.setattr(programs, "PACKAGES", ())
    monkeypatch.setattr(programs, "USUAL", ())


def install(bindir: Path, version: str, *, tls: bool = False, names: tuple[str, ...] = ("psql", "pg_dump")) -> Path:
    bindir.mkdir(parents=True, exist_ok=True)
    for name in names:
        told = f"echo '{name} (PostgreSQL) {version}'"
        refused = f"echo '{NO_HOST if tls else NO_TLS}'; exit 2"
        script = bindir / name
        script.write_text(f'#!/bin/sh\nif [ "$1" = --version ]; then {told}; else {refused}; fi\n', encoding="ascii")
        script.chmod(0o755)
    return bindir


def server(bindir: Path, version: str) -> Path:
    return install(bindir, version, names=programs.SERVER_PROGRAMS)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("postgres (PostgreSQL) 18.6\n", (18, 6)),
        ("psql (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", (15, 18)),
        ("pg_dump (PostgreSQL) 19beta1", (19, 0)),
        ("psql (PostgreSQL) 9.6.24", (9, 6)),
        ("sh: psql: not found", None),
        ("", None),
    ],
    ids=["plain", "debian", "beta", "old", "an error", "nothing"],
)
def test_version_in_output(text: str, expected: tuple[int, int] | None) -> None:
    assert version_in(text) == expected


def test_a_server_is_found_in_the_usual_folders_highest_version_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server(tmp_path / "9" / "bin", "9.6.24")
    expected = server(tmp_path / "17" / "bin", "17.10")
    server(tmp_path / "15" / "bin", "15.18")
    monkeypatch.setattr(programs, "USUAL", (f"{tmp_path}/*/bin",))

    assert find_server_programs() == Programs(bindir=expected, version=(17, 10))


def test_a_package_comes_before_the_usual_folders_and_is_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site" / "pretended_postgres"
    expected = server(package / "pginstall" / "bin", "18.6")
    (package / "__init__.py").write_text("raise AssertionError('imported')\n", encoding="ascii")
    server(tmp_path / "19" / "bin", "19.1")
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setattr(programs, "PACKAGES", ("pretended_postgres",))
    monkeypatch.setattr(programs, "USUAL", (f"{tmp_path}/*/bin",))

    assert find_server_programs().bindir == expected
    assert "pretended_postgres" not in sys.modules


def test_pg_config_is_believed_only_where_the_programs_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "path").mkdir()
    tool = tmp_path / "path" / "pg_config"
    tool.write_text(f"#!/bin/sh\necho {tmp_path / 'told'}\n", encoding="ascii")
    tool.chmod(0o755)
    other = server(tmp_path / "15" / "bin", "15.18")
    monkeypatch.setattr(programs, "USUAL", (f"{tmp_path}/*/bin",))

    without = find_server_programs().bindir
    told = server(tmp_path / "told", "16.4")

    assert (without, find_server_programs().bindir) == (other, told)


def test_a_folder_set_on_purpose_is_the_only_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = server(tmp_path / "chosen", "14.20")
    server(tmp_path / "18" / "bin", "18.6")
    monkeypatch.setattr(programs, "USUAL", (f"{tmp_path}/*/bin",))
    monkeypatch.setenv(programs.VARIABLE, str(chosen))
    found = find_server_programs()
    monkeypatch.setenv(programs.VARIABLE, str(tmp_path / "empty"))

    assert found == Programs(bindir=chosen, version=(14, 20))
    with pytest.raises(EmbeddedServerError, match=f"DBTASKS_PG_BINDIR is {tmp_path}/empty, which holds no working"):
        find_server_programs()


@pytest.mark.parametrize("version", ["13.22", "9.6.24"])
def test_a_server_that_is_too_old_counts_as_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    server(tmp_path / "old" / "bin", version)
    monkeypatch.setattr(programs, "USUAL", (f"{tmp_path}/*/bin",))

    with pytest.raises(EmbeddedServerError, match="No PostgreSQL was found"):
        find_server_programs()


def test_no_server_says_how_to_get_one() -> None:
    with pytest.raises(EmbeddedServerError) as told:
        find_server_programs()

    assert str(told.value) == (
        "No PostgreSQL was found to run a private server with. Install one with: "
        'pip install "dbtasks[embedded]". Or set the URL variable of the tier to a server that you have.'
    )


@pytest.mark.parametrize(
    ("name", "major", "expected"),
    [
        ("pg_dump", 15, 15),
        ("pg_dump", None, 18),
        ("psql", 15, 15),
        ("psql", 16, 17),
        ("psql", 14, 15),
        ("psql", None, 18),
    ],
    ids=["dump same", "dump any", "psql same", "psql newer", "psql nearest", "psql any"],
)
def test_a_client_fits_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, major: int | None, expected: int
) -> None:
    for number in (15, 17, 18):
        install(tmp_path / str(number) / "bin", f"{number}.2")
    monkeypatch.setattr(programs, "USUAL", (f"{tmp_path}/*/bin",))

    assert find_client(name, major) == tmp_path / str(expected) / "bin" / name


@pytest.mark.parametrize(("name", "major"), [("pg_dump", 16), ("pg_dump", 14), ("psql", 18)])
def test_no_client_that_fits_says_what_was_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, major: int
) -> None:
    bindir = install(tmp_path / "17" / "bin", "17.2")
    install(tmp_path / "15" / "bin", "15.9")
    monkeypatch.setattr(programs, "USUAL", (f"{tmp_path}/*/bin",))

    with pytest.raises(ProgramNotFoundError) as told:
        find_client(name, major)

    assert str(told.value).startswith(
        f"No {name} for PostgreSQL {major} was found. Found: {bindir / name} (17.2), {tmp_path}/15/bin/{name} (15.9). "
    )


def test_a_client_with_tls_is_told_from_one_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without = install(tmp_path / "a" / "17" / "bin", "17.2", tls=False)
    monkeypatch.setattr(programs, "USUAL", (f"{tmp_path}/a/*/bin", f"{tmp_path}/b/*/bin"))
    with pytest.raises(ProgramNotFoundError, match="No pg_dump for PostgreSQL 17 with TLS was found"):
        find_client("pg_dump", 17, tls=True)
    having = install(tmp_path / "b" / "17" / "bin", "17.2", tls=True)

    assert find_client("pg_dump", 17) == without / "pg_dump"
    assert find_client("pg_dump", 17, tls=True) == having / "pg_dump"


def test_children_see_no_connection_settings_and_no_secrets() -> None:
    environ = {
        "PATH": "/bin",
        "TZ": "UTC",
        "PGHOST": "db-7",
        "PGPASSWORD": "s3cret",
        "database_url": "postgresql://a:b@c/d",
        "LD_PRELOAD": "x.so",
        "HOME": "/home/anna",
    }

    assert child_environment(environ) == {"LC_ALL": "C", "PATH": "/bin", "TZ": "UTC"}
