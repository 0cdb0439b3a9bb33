"""Rotation: a file is put aside when it is large or old, the chain goes on in the next, and readers miss nothing."""

from __future__ import annotations

import errno
import os
from datetime import timedelta
from pathlib import Path

import pytest

from dbtasks import trail_file
from dbtasks.errors import TrailError
from dbtasks.rotation import NEVER, Rotation, files_aside, name_aside, opened, trail_files
from dbtasks.trail import Act, Trail, whoami
from dbtasks.trail_file import first_hash
from dbtasks.trail_proof import verify

SEED = Act(operation="seed", tier="int")
WHO = whoami("terminal", Path("/"))
SMALL = Rotation(size_bytes=2_000)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "logs" / "audit.jsonl"


def written(path: Path, count: int, rotation: Rotation = SMALL) -> Trail:
    trail = Trail(path, WHO, rotation)
    for _ in range(count):
        trail.note(SEED)
    return trail


def numbers(path: Path) -> list[int]:
    lines = [line for file in opened(path) for line in file]
    return [link.entry for line in lines if (link := trail_file.parse_link(line.rstrip(b"\n"))) is not None]


def test_numbers_and_hashes_go_on_over_files(path: Path) -> None:
    written(path, 40)
    files = trail_files(path)
    assert len(files) > 3
    assert files[-1] == path
    assert next(int(file.suffixes[0][1:]) for file in files) == 1
    assert numbers(path) == list(range(1, 41))
    found = verify(path)
    assert (found.ok, found.count, found.last) == (True, 40, 40)


def test_each_file_is_called_by_its_first_entry_and_none_is_much_larger_than_wanted(path: Path) -> None:
    written(path, 40)
    for file in files_aside(path):
        first = trail_file.parse_link(file.read_bytes().split(b"\n")[0])
        assert first is not None
        assert file == name_aside(path, first.entry)
        assert 2_000 <= file.stat().st_size < 3_000


def test_a_file_is_put_aside_when_its_first_entry_is_old_and_not_before(path: Path) -> None:
    written(path, 3, Rotation(age=timedelta(days=1)))
    assert trail_files(path) == (path,)
    written(path, 1, Rotation(age=timedelta(0)))
    assert trail_files(path) == (name_aside(path, 1), path)
    assert numbers(path) == [1, 2, 3, 4]


def test_without_a_wish_no_file_is_put_aside(path: Path) -> None:
    written(path, 40, NEVER)
    assert trail_files(path) == (path,)


def test_a_kill_between_the_rename_and_the_next_file_loses_nothing(path: Path) -> None:
    written(path, 3, NEVER)
    path.rename(name_aside(path, 1))
    assert numbers(path) == [1, 2, 3]
    assert verify(path).count == 3
    written(path, 1, NEVER)
    assert numbers(path) == [1, 2, 3, 4]
    assert verify(path).ok


def test_what_a_crash_tears_at_a_files_end_or_beginning_is_passed_over(path: Path) -> None:
    written(path, 3, NEVER)
    with path.open("ab") as file:
        file.write(b'{"entry":4,"time":"2026')
    written(path, 1, Rotation(size_bytes=1))
    path.write_bytes(path.read_bytes()[:30])  # the first line of the next file, torn
    written(path, 1, NEVER)
    assert numbers(path) == [1, 2, 3, 4]
    found = verify(path)
    assert (found.ok, found.torn) == (True, (4, 5))


def test_what_else_stands_at_the_beginning_of_the_next_file_is_somebody_elses(path: Path) -> None:
    written(path, 3, NEVER)
    path.rename(name_aside(path, 1))
    path.write_bytes(b'{"entry":1,"time":"2026-01-01T00:00')  # entry 4 belongs here
    with pytest.raises(TrailError, match="something else than a trail"):
        written(path, 1)


def test_a_name_that_is_taken_is_never_written_over(path: Path) -> None:
    written(path, 3, NEVER)
    name_aside(path, 1).write_text("precious")
    written(path, 3, Rotation(size_bytes=1))
    assert name_aside(path, 1).read_text() == "precious"
    assert len(path.read_bytes().splitlines()) == 6


def test_where_the_folder_is_not_ours_the_file_goes_on_growing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    written(path, 3, NEVER)
    monkeypatch.setattr(Path, "rename", refused)
    written(path, 3, Rotation(size_bytes=1))
    assert (trail_files(path), numbers(path)) == ((path,), [1, 2, 3, 4, 5, 6])


def test_files_of_other_names_are_nobodys(path: Path) -> None:
    written(path, 3, NEVER)
    for name in ("audit.1.jsonl", "audit.00000001.json", "audit.old.jsonl", "other.00000001.jsonl"):
        path.with_name(name).write_text("x")
    assert trail_files(path) == (path,)


def test_who_reads_while_a_file_is_put_aside_misses_nothing_and_reads_nothing_twice(path: Path) -> None:
    written(path, 6, NEVER)
    files = opened(path)
    seen = next(files).readline()
    written(path, 2, Rotation(size_bytes=1))
    rest = [line for file in files for line in file]
    assert seen.startswith(b'{"entry":1,')
    assert rest == []  # of the generator; the file that was open is the caller's
    growing = path.open("rb")
    written(path, 2, Rotation(size_bytes=1))
    assert os.fstat(growing.fileno()).st_ino in {file.stat().st_ino for file in files_aside(path)}
    growing.close()
    assert numbers(path) == list(range(1, 11))


def test_a_file_that_is_put_aside_right_after_it_was_opened_comes_once(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dbtasks import rotation

    written(path, 4, NEVER)
    listed = rotation.files_aside

    def later(which: Path) -> tuple[Path, ...]:
        monkeypatch.undo()
        written(path, 2, Rotation(size_bytes=1))
        return listed(which)

    monkeypatch.setattr(rotation, "files_aside", later)
    assert numbers(path) == [1, 2, 3, 4]  # as it was when it was opened
    assert numbers(path) == [1, 2, 3, 4, 5, 6]


def test_the_newest_file_comes_first_where_that_is_wanted(path: Path) -> None:
    written(path, 12)
    firsts = [next(file) for file in opened(path, newest_first=True)]
    entries = [link.entry for line in firsts if (link := trail_file.parse_link(line[:-1])) is not None]
    assert entries == sorted(entries, reverse=True)
    assert entries[-1] == 1


def test_a_trail_is_told_by_its_first_entry_whatever_was_put_aside(path: Path) -> None:
    assert first_hash(path) is None
    written(path, 1)
    begun = first_hash(path)
    written(path, 30)
    assert first_hash(path) == begun
    files_aside(path)[0].unlink()
    assert first_hash(path) is None


def test_verifying_names_the_file_and_the_line_in_it(path: Path) -> None:
    written(path, 30)
    second = files_aside(path)[1]
    second.write_bytes(second.read_bytes().replace(b'"operation":"seed"', b'"operation":"sand"', 1))
    found = verify(path)
    assert (found.ok, found.bad_file, found.bad_line) == (False, second.name, 1)


def test_a_file_that_was_taken_away_or_given_anothers_name_is_found(path: Path) -> None:
    written(path, 30)
    first, second, *_ = files_aside(path)
    content = second.read_bytes()
    second.unlink()
    found = verify(path)
    assert found.why is not None
    assert "is missing" in found.why
    second.write_bytes(first.read_bytes())
    first.write_bytes(content)
    assert verify(path).bad_file == first.name
