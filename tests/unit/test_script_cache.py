"""The cache of parsed revision files: it saves parsing, and never changes what is read."""

from __future__ import annotations

import ast
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from dbtasks.errors import SettingsError
from dbtasks.migrations.history import History, read_history
from dbtasks.settings import MigrationSettings

SETTINGS = MigrationSettings(config=Path("alembic.ini"))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "migrations" / "versions").mkdir(parents=True)
    (tmp_path / "alembic.ini").write_text("[alembic]\nscript_location = migrations\n")
    write(tmp_path, "a", None)
    write(tmp_path, "b", "a")
    return tmp_path


def write(project: Path, identifier: str, down: str | None) -> Path:
    file = project / "migrations" / "versions" / f"{identifier}.py"
    file.write_text(f'"""Message of {identifier}."""\n\nrevision = {identifier!r}\ndown_revision = {down!r}\n')
    return file


def read(project: Path) -> History:
    return read_history(project, SETTINGS)


def cache(project: Path) -> Path:
    return project / ".dbtasks" / "revisions.json"


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are parsed from now on."""
    names: list[str] = []
    real: Callable[..., ast.Module] = ast.parse

    def parse(source: bytes, filename: str) -> ast.Module:
        names.append(Path(filename).name)
        return real(source, filename=filename)

    monkeypatch.setattr(ast, "parse", parse)
    return names


def test_a_file_is_parsed_once(project: Path, parsed: list[str]) -> None:
    first = read(project)
    assert parsed == ["a.py", "b.py"]
    assert read(project) == first
    assert parsed == ["a.py", "b.py"]


def test_only_what_is_new_is_parsed(project: Path, parsed: list[str]) -> None:
    read(project)
    write(project, "c", "b")
    assert read(project).heads == ("c",)
    assert parsed == ["a.py", "b.py", "c.py"]


def test_a_file_that_was_edited_is_read_anew_whatever_its_time_and_size_say(project: Path) -> None:
    read(project)
    file = project / "migrations" / "versions" / "b.py"
    before = file.stat()
    write(project, "x", "a").replace(file)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert [each.id for each in read(project).revisions] == ["a", "x"]


def test_the_place_of_a_file_is_never_remembered(project: Path) -> None:
    read(project)
    versions = project / "migrations" / "versions"
    (versions / "b.py").rename(versions / "moved.py")
    assert [each.path.name for each in read(project).revisions] == ["a.py", "moved.py"]


def test_what_is_not_used_any_more_is_forgotten(project: Path) -> None:
    read(project)
    (project / "migrations" / "versions" / "b.py").unlink()
    read(project)
    assert len(json.loads(cache(project).read_text().partition("\n")[2])["scripts"]) == 1


def test_mistakes_are_told_each_time(project: Path) -> None:
    (project / "migrations" / "versions" / "b.py").write_text("revision = 'b'\ndown_revision = (\n")
    for _ in range(2):
        with pytest.raises(SettingsError) as raised:
            read(project)
        assert str(raised.value.mistakes[0]).startswith("migrations/versions/b.py:2: is no valid Python:")


def signed(data: object) -> bytes:
    text = json.dumps(data).encode()
    return hashlib.sha256(text).hexdigest().encode() + b"\n" + text


def with_scripts(good: bytes, change: Callable[[list[object]], list[object]]) -> bytes:
    data = json.loads(good.partition(b"\n")[2])
    return signed({**data, "scripts": {key: change(value) for key, value in data["scripts"].items()}})


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "cut": lambda good: good[: len(good) // 2],
    "a changed byte": lambda good: good.replace(b"Message", b"Massage"),
    "no text": lambda _: b"\xff\xfe\n\xff",
    "no object": lambda _: signed([1, 2]),
    "another reader": lambda good: signed({**json.loads(good.partition(b"\n")[2]), "reader": "0 2.7"}),
    "no scripts": lambda good: signed({"reader": json.loads(good.partition(b"\n")[2])["reader"]}),
    "scripts that are none": lambda good: signed({**json.loads(good.partition(b"\n")[2]), "scripts": 7}),
    "too little of each": lambda good: with_scripts(good, lambda said: said[:3]),
    "a name where names belong": lambda good: with_scripts(good, lambda said: [said[0], "a", *said[2:]]),
    "a text where a line belongs": lambda good: with_scripts(good, lambda said: [*said[:5], "4", 5]),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_cache_is_done_without_and_mended(
    project: Path, parsed: list[str], damage: Callable[[bytes], bytes]
) -> None:
    first = read(project)
    good = cache(project).read_bytes()
    cache(project).write_bytes(damage(good))
    parsed.clear()
    assert read(project) == first
    assert parsed == ["a.py", "b.py"]
    assert cache(project).read_bytes() == good


def test_a_folder_that_cannot_be_used_is_done_without(project: Path, parsed: list[str]) -> None:
    (project / ".dbtasks").write_text("in the way")
    assert read(project) == read(project)
    assert parsed == ["a.py", "b.py"] * 2
    assert (project / ".dbtasks").read_text() == "in the way"


def test_a_cache_behind_a_link_is_neither_believed_nor_written(
    project: Path, parsed: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    read(project)
    other = tmp_path_factory.mktemp("other")
    (project / ".dbtasks").rename(other / "theirs")
    (project / ".dbtasks").symlink_to(other / "theirs")
    parsed.clear()
    write(project, "c", "b")
    before = cache(project).read_bytes()
    read(project)
    assert parsed == ["a.py", "b.py", "c.py"]
    assert cache(project).read_bytes() == before


def test_the_folder_that_is_made_is_kept_out_of_version_control(project: Path) -> None:
    read(project)
    assert sorted(each.name for each in (project / ".dbtasks").iterdir()) == [".gitignore", "revisions.json"]
    assert (project / ".dbtasks" / ".gitignore").read_text() == "*\n"


def test_the_account_of_roots_private_servers_may_pass_through_the_folder(project: Path) -> None:
    read(project)
    others = (project / ".dbtasks").stat().st_mode & 0o077
    assert others == (0o011 if os.geteuid() == 0 else 0)
