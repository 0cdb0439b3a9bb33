"""The trail: the shape of entries, what cannot be written, torn lines, tampering."""

from __future__ import annotations

import errno
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from dbtasks.author import commit, host, is_running
from dbtasks.effects import Effect
from dbtasks.errors import TrailError
from dbtasks.masking import remember
from dbtasks.trail import Act, Outcome, Trail, Who, whoami
from dbtasks.trail_file import MAX_LINE_BYTES, START, parse_link, seal
from dbtasks.trail_proof import Verdict, _lines, verify

WHO = Who(person="anna", host="laptop", pid=os.getpid(), started="b-1", surroundings="terminal", commit="c" * 40)
RESET = Act(
    operation="reset",
    tier="int",
    target="postgresql://anna:***@db-7:5432/shop_int",
    plan="7f3a",
    effect=Effect.DESTROY,
)
MIDNIGHT = "2026-01-31T00:00:00.000000Z"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "logs" / "database_audit.jsonl"


def written(path: Path, count: int) -> list[bytes]:
    """Write a trail of notes and return its lines with their newlines."""
    trail = Trail(path, WHO)
    for number in range(1, count + 1):
        trail.note(RESET, {"number": number})
    return path.read_bytes().splitlines(keepends=True)


def entries(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text("utf-8").split("\n")[:-1]]


# The shape


def test_an_intent_and_its_result_are_two_lines_with_keys_in_a_fixed_order(path: Path) -> None:
    trail = Trail(path, WHO)
    number = trail.intent(RESET, {"revisions": 2})
    trail.result(number, outcome=Outcome.DONE, duration_ms=31, detail={"to": "e902"})
    intent, result = entries(path)
    common = ["operation", "tier", "target", "person", "host", "pid", "started", "surroundings", "plan", "effect"]
    assert list(intent) == ["entry", "time", "kind", *common, "commit", "detail", "version", "prev", "hash"]
    assert list(result) == [
        *("entry", "time", "kind", "of"),
        *common,
        *("outcome", "duration_ms", "commit", "detail"),
        *("version", "prev", "hash"),
    ]


def test_a_result_repeats_what_its_intent_was_about(path: Path) -> None:
    trail = Trail(path, WHO)
    trail.result(trail.intent(RESET), outcome=Outcome.PARTIAL, duration_ms=0)
    result = entries(path)[1]
    found = {key: result.get(key) for key in ("entry", "kind", "of", "operation", "tier", "effect", "outcome")}
    assert found == {
        "entry": 2,
        "kind": "result",
        "of": 1,
        "operation": "reset",
        "tier": "int",
        "effect": "DESTROY",
        "outcome": "partial",
    }
    assert result["duration_ms"] == 0


def test_a_refusal_carries_its_code_as_outcome(path: Path) -> None:
    Trail(path, WHO).refusal(RESET, code="E-AGENT")
    assert [(entry["kind"], entry["outcome"]) for entry in entries(path)] == [("refusal", "E-AGENT")]


def test_each_hash_covers_the_bytes_before_it_and_each_prev_is_the_hash_before(path: Path) -> None:
    lines = written(path, 3)
    hashes = [sha256(line[: line.rindex(b',"hash":"')]).hexdigest() for line in lines]
    assert [json.loads(line)["hash"] for line in lines] == hashes
    assert [json.loads(line)["prev"] for line in lines] == ["0" * 64, *hashes[:-1]]


def test_the_last_two_keys_have_a_fixed_width(path: Path) -> None:
    for line in written(path, 12):
        assert (line[-150:-141], line[-77:-67], line[-3:]) == (b',"prev":"', b'","hash":"', b'"}\n')


def test_times_are_utc_with_microseconds(path: Path) -> None:
    written(path, 1)
    assert [len(str(entry["time"])) for entry in entries(path)] == [len(MIDNIGHT)]
    assert str(entries(path)[0]["time"]).endswith("Z")


def test_a_second_result_for_one_intent_is_a_bug(path: Path) -> None:
    trail = Trail(path, WHO)
    number = trail.intent(RESET)
    trail.result(number, outcome=Outcome.DONE)
    with pytest.raises(ValueError, match="entry 1 is no open intent"):
        trail.result(number, outcome=Outcome.DONE)


def test_another_trail_can_close_an_intent_when_it_says_what_it_was_about(path: Path) -> None:
    number = Trail(path, WHO).intent(RESET)
    Trail(path, WHO).result(number, outcome=Outcome.INTERRUPTED, act=RESET)
    assert [(entry.get("of"), entry.get("outcome")) for entry in entries(path)] == [(None, None), (1, "interrupted")]


def test_file_and_folder_are_for_their_owner_only(path: Path) -> None:
    written(path, 1)
    assert (oct(path.stat().st_mode & 0o777), oct(path.parent.stat().st_mode & 0o777)) == ("0o600", "0o700")


# What an entry may hold


@pytest.mark.parametrize(
    "detail",
    [
        {"error": "connection to postgresql://anna:Tr4il-Secret@db-7/app failed"},
        {"deep": [{"er": ("known Tr4il-Secret here",)}]},
        {"password": "unknown-Tr4il"},
        {"PGPASSWORD": "unknown-Tr4il"},
        {"known Tr4il-Secret as key": 1},
        {"object": RuntimeError("known Tr4il-Secret")},
        {"cut": "x" * 1_990 + " Tr4il-Secret " + "x" * 4_000},
    ],
    ids=["in a URL", "nested", "by its key", "by a longer key", "as a key", "in an object", "where a text is cut"],
)
def test_no_secret_reaches_the_file(path: Path, detail: dict[str, object]) -> None:
    remember("Tr4il-Secret")
    Trail(path, WHO).note(RESET, detail)
    assert (verify(path).count, b"Tr4il" in path.read_bytes()) == (1, False)


def test_a_secret_in_target_person_or_surroundings_is_masked(path: Path) -> None:
    remember("Tr4il-Secret")
    who = replace(WHO, person="Tr4il-Secret", surroundings="in Tr4il-Secret")
    Trail(path, who).note(replace(RESET, target="postgresql://a:Tr4il-Secret@h/d"))
    entry = entries(path)[0]
    assert (entry["person"], entry["surroundings"], entry["target"]) == ("***", "in ***", "postgresql://a:***@h/d")


@pytest.mark.parametrize(
    ("detail", "kept"),
    [
        ({"text": "x" * 2_001}, {"text": "x" * 2_000 + "... and 1 more characters"}),
        ({"list": list(range(102))}, {"list": [*range(100), "... and 2 more"]}),
        ({"number": float("nan")}, {"number": "nan"}),
        ({"name": "caf\u00e9 \u2028 \n \udcff"}, {"name": "caf\u00e9 \u2028 \n ?"}),
        ({"path": Path("seeds/demo")}, {"path": "seeds/demo"}),
    ],
    ids=["long text", "long list", "no number", "line breaks and bytes", "an object"],
)
def test_a_detail_is_trimmed_to_plain_json(path: Path, detail: dict[str, object], kept: dict[str, object]) -> None:
    Trail(path, WHO).note(RESET, detail)
    assert [entry["detail"] for entry in entries(path)] == [kept]


def test_a_detail_that_holds_itself_ends(path: Path) -> None:
    detail: dict[str, object] = {"a": 1}
    detail["self"] = detail
    Trail(path, WHO).note(RESET, detail)
    assert verify(path).count == 1


def test_a_detail_too_big_for_a_line_is_replaced_by_its_size(path: Path) -> None:
    Trail(path, WHO).note(RESET, {str(number): "x" * 1_000 for number in range(90)})
    assert list(entries(path)[0]["detail"]) == ["left_out_bytes"]  # type: ignore[call-overload]


def test_an_entry_over_the_limit_is_refused_and_leaves_no_byte(path: Path) -> None:
    written(path, 1)
    before = path.read_bytes()
    with pytest.raises(TrailError, match=r"an entry of [\d,]+ bytes is over the limit of 65,536\. Nothing was done"):
        Trail(path, WHO).note(replace(RESET, target="x" * MAX_LINE_BYTES))
    assert path.read_bytes() == before


# What cannot be written


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """Let no file of this process grow over `size`; Python ignores the signal, so writes fail with EFBIG."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("room", [0, 1, 100, 300], ids=lambda room: f"room for {room} bytes")
def test_a_short_write_is_cut_back_and_said(path: Path, room: int, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = written(path, 2)
    monkeypatch.chdir(path.parent.parent)
    with file_size_limit(path.stat().st_size + room), pytest.raises(TrailError) as caught:
        Trail(path, WHO).intent(RESET)
    assert str(caught.value) == (
        "The trail logs/database_audit.jsonl cannot be written: File too large. Nothing was done. "
        "Raise the file size limit (ulimit -f) or move the file away, then run the command again."
    )
    assert path.read_bytes() == b"".join(lines)
    assert Trail(path, WHO).intent(RESET) == 3


def test_a_result_that_cannot_be_written_does_not_say_that_nothing_was_done(path: Path) -> None:
    trail = Trail(path, WHO)
    number = trail.intent(RESET)
    with file_size_limit(path.stat().st_size), pytest.raises(TrailError) as caught:
        trail.result(number, outcome=Outcome.DONE)
    assert str(caught.value).partition(": ")[2] == (
        "File too large. reset has ended (done), but that is not recorded: entry 1 will show as unfinished. "
        "Raise the file size limit (ulimit -f) or move the file away."
    )
    assert trail.result(number, outcome=Outcome.DONE) == 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full for a real ENOSPC")
def test_a_full_disk_is_said_with_what_to_do() -> None:
    from dbtasks.trail import _sentence

    with pytest.raises(OSError) as caught, Path("/dev/full").open("wb", buffering=0) as full:  # noqa: PT011
        full.write(b"x")
    assert _sentence(Path("logs/database_audit.jsonl"), caught.value, None, None) == (
        "The trail logs/database_audit.jsonl cannot be written: No space left on device. Nothing was done. "
        "Free space, then run the command again."
    )


def as_folder(path: Path) -> None:
    path.mkdir(parents=True)


def as_link(path: Path) -> None:
    path.parent.mkdir()
    path.symlink_to(path.parent / "elsewhere.jsonl")


def as_pipe(path: Path) -> None:
    path.parent.mkdir()
    os.mkfifo(path)


def as_other_file(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("GET /index.html 200\n")


def under_file(path: Path) -> None:
    path.parent.write_text("not a folder")


@pytest.mark.parametrize(
    ("obstacle", "sentence"),
    [
        (as_folder, "Is a directory. Nothing was done. Move the folder away that stands in its place, then run"),
        (as_link, "symbolic links. Nothing was done. Put a plain file in the place of the symbolic link, then run"),
        (as_pipe, "it is not a regular file. Nothing was done. Move the file away, or name another trail in config/"),
        (as_other_file, "it holds something else than a trail. Nothing was done. Move the file away, or name another"),
        (under_file, "Not a directory. Nothing was done. Move the file away that stands in the place of its folder"),
    ],
    ids=["a folder", "a link", "a pipe", "another file", "a file for its folder"],
)
def test_something_else_in_its_place_is_refused_and_left_alone(
    path: Path, obstacle: Callable[[Path], None], sentence: str
) -> None:
    obstacle(path)
    before = sorted(path.parent.parent.rglob("*"))
    with pytest.raises(TrailError) as caught:
        Trail(path, WHO).intent(RESET)
    assert sentence in str(caught.value)
    assert sorted(path.parent.parent.rglob("*")) == before


@contextmanager
def without_privileges() -> Iterator[None]:
    """Be nobody for a while where the tests run as root, who may write everywhere."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def test_a_folder_that_one_may_not_write_is_said() -> None:
    with tempfile.TemporaryDirectory() as place:  # pytest's own folder is closed to nobody
        folder = Path(place) / "logs"
        folder.mkdir()
        Path(place).chmod(0o755)
        folder.chmod(0o555)
        with without_privileges(), pytest.raises(TrailError) as caught:
            Trail(folder / "trail.jsonl", WHO).intent(RESET)
        assert str(caught.value).partition(": ")[2] == (
            "Permission denied. Nothing was done. Make it and its folder writable for you, then run the command again."
        )
        assert list(folder.iterdir()) == []


# Torn lines


def test_a_last_line_torn_at_any_byte_is_passed_over_and_the_chain_goes_on(path: Path) -> None:
    lines = written(path, 3)
    whole, last = b"".join(lines[:2]), lines[2]
    for cut in range(1, len(last) - 1):
        path.write_bytes(whole + last[:cut])
        assert (verify(path).count, verify(path).ok, verify(path).torn) == (2, True, (3,)), cut
        assert Trail(path, WHO).note(RESET) == 3, cut
        verdict = verify(path)
        assert (verdict.count, verdict.ok, verdict.torn) == (3, True, (3,)), cut
        assert path.read_bytes().startswith(whole + last[:cut] + b"\n"), cut


def test_a_last_line_that_lacks_only_its_newline_is_whole(path: Path) -> None:
    lines = written(path, 2)
    path.write_bytes(b"".join(lines)[:-1])
    assert (verify(path).count, verify(path).torn) == (2, ())
    assert Trail(path, WHO).note(RESET) == 3
    assert (verify(path).count, verify(path).torn) == (3, ())


@pytest.mark.parametrize("cut", [1, 8, 15, 40], ids=lambda cut: f"{cut} bytes")
def test_a_torn_first_entry_is_followed_by_a_first_entry(path: Path, cut: int) -> None:
    first = written(path, 1)[0]
    path.write_bytes(first[:cut])
    assert Trail(path, WHO).note(RESET) == 1
    assert (verify(path).count, verify(path).ok, verify(path).torn) == (1, True, (1,))


@pytest.mark.parametrize(
    "left",
    [b"\0" * 300, b'{"entry":3,"time":"20' + b"\0" * 5_000, b'{"entry":3,"ti\n{"entry":3,"time":"2'],
    ids=["zero bytes", "a beginning and zero bytes", "two crashes"],
)
def test_what_a_power_failure_leaves_is_passed_over(path: Path, left: bytes) -> None:
    path_lines = written(path, 2)
    path.write_bytes(b"".join(path_lines) + left)
    assert Trail(path, WHO).note(RESET) == 3
    verdict = verify(path)
    assert (verdict.count, verdict.ok, len(verdict.torn)) == (3, True, 1 + left.count(b"\n"))


def test_a_torn_line_longer_than_any_window_is_passed_over(path: Path) -> None:
    lines = written(path, 2)
    path.write_bytes(b"".join(lines) + b'{"entry":3,"time":"' + b"x" * 200_000)
    assert Trail(path, WHO).note(RESET) == 3
    assert verify(path).ok


def test_zero_bytes_inside_the_last_line_make_it_torn(path: Path) -> None:
    lines = written(path, 3)
    path.write_bytes(b"".join([*lines[:2], lines[2][:60] + b"\0" * 40 + lines[2][100:]]))
    assert Trail(path, WHO).note(RESET) == 3
    assert (verify(path).count, verify(path).ok, verify(path).torn) == (3, True, (3,))


# On the disk


def test_an_entry_is_waited_for_whole_before_its_number_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wait, seen = os.fdatasync, []

    def watched(fd: int) -> None:
        seen.append(os.pread(fd, 1 << 16, 0))
        wait(fd)

    monkeypatch.setattr(os, "fdatasync", watched)
    lines = written(path, 2)
    assert seen == [lines[0], lines[0] + lines[1]]


def test_a_new_file_and_its_folder_are_known_to_the_disk_by_name(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wait, seen = os.fsync, []

    def watched(fd: int) -> None:
        seen.append(os.fstat(fd).st_ino)
        wait(fd)

    monkeypatch.setattr(os, "fsync", watched)
    written(path, 2)
    assert seen == [path.parent.stat().st_ino, path.parent.parent.stat().st_ino]


def test_a_disk_that_fails_while_it_is_waited_for_is_an_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(_fd: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fdatasync", failing)
    with pytest.raises(TrailError, match=r"Input/output error\. Nothing was done\. Mend that, then run"):
        Trail(path, WHO).intent(RESET)


# Tampering


def rehashed(line: bytes) -> bytes:
    covered = line[: line.rindex(b',"hash":"')]
    return covered + b',"hash":"%s"}\n' % sha256(covered).hexdigest().encode()


def edited(lines: list[bytes], at: int) -> bytes:
    return lines[at].replace(b'"person":"anna"', b'"person":"ben "')


TAMPERING: dict[str, tuple[Callable[[list[bytes]], list[bytes]], int, str]] = {
    "edit": (lambda x: [*x[:2], edited(x, 2), *x[3:]], 3, "the bytes of entry 3 were changed"),
    "edit the first": (lambda x: [edited(x, 0), *x[1:]], 1, "the bytes of entry 1 were changed"),
    "edit the last": (lambda x: [*x[:5], edited(x, 5)], 6, "the bytes of entry 6 were changed"),
    "edit a hash": (lambda x: [*x[:2], x[2][:-4] + b"x" + x[2][-3:], *x[3:]], 3, "entry 3 was cut short"),
    "edit and rehash": (
        lambda x: [*x[:2], rehashed(edited(x, 2)), *x[3:]],
        4,
        "entry 4 was not written after this entry 3",
    ),
    "delete": (lambda x: [*x[:2], *x[3:]], 3, "entry 3 is missing: entry 4 stands in its place"),
    "delete the first": (lambda x: x[1:], 1, "entry 1 is missing: entry 2 stands in its place"),
    "delete and renumber": (
        lambda x: [*x[:2], rehashed(x[3].replace(b'"entry":4', b'"entry":3')), *x[4:]],
        3,
        "entry 3 was not written after this entry 2",
    ),
    "insert a copy": (lambda x: [*x[:3], x[1], *x[3:]], 4, "entry 2 stands where entry 4 belongs"),
    "insert a forged one": (
        lambda x: [*x[:3], seal(parse_link(x[2][:-1]) or START, MIDNIGHT, b'"kind":"note"'), *x[3:]],
        5,
        "entry 4 stands where entry 5 belongs",
    ),
    "insert text": (lambda x: [*x[:3], b"nothing to see here\n", *x[3:]], 4, "this is no entry"),
    "reorder": (lambda x: [*x[:2], x[3], x[2], *x[4:]], 3, "entry 3 is missing: entry 4 stands in its place"),
    "cut inside a line": (lambda x: [*x[:2], x[2][:60] + b"\n", *x[3:]], 3, "entry 3 was cut short or overwritten"),
    "cut across lines": (lambda x: [*x[:2], x[2][:60] + x[4][30:], *x[5:]], 3, "the bytes of entry 3 were changed"),
    "zero bytes inside": (
        lambda x: [*x[:2], x[2][:60] + b"\0" * 9 + x[2][69:], *x[3:]],
        3,
        "entry 3 was cut short or overwritten",
    ),
    "other line ends": (lambda x: [line[:-1] + b"\r\n" for line in x], 1, "entry 1 was cut short or overwritten"),
}


@pytest.mark.parametrize("how", TAMPERING)
def test_tampering_is_caught_at_the_first_bad_line(path: Path, how: str) -> None:
    tamper, bad_line, why = TAMPERING[how]
    lines = written(path, 6)
    assert verify(path).ok
    path.write_bytes(b"".join(tamper(lines)))
    verdict = verify(path)
    assert (verdict.ok, verdict.bad_line) == (False, bad_line)
    assert str(verdict.why).startswith(why)
    assert verdict.count == bad_line - 1


def test_entries_after_an_edited_last_line_do_not_hide_it(path: Path) -> None:
    lines = written(path, 3)
    path.write_bytes(b"".join([*lines[:2], edited(lines, 2)]))
    Trail(path, WHO).note(RESET)
    assert (verify(path).bad_line, verify(path).why) == (
        3,
        "the bytes of entry 3 were changed: they do not give its hash any more",
    )


def test_a_torn_line_does_not_take_the_blame_for_an_edited_one(path: Path) -> None:
    lines = written(path, 3)
    path.write_bytes(b"".join([*lines[:2], b'{"entry":3,"ti\n', edited(lines, 2)]))
    assert (verify(path).bad_line, verify(path).torn) == (4, (3,))


def test_a_cut_tail_is_not_caught_without_anchors_and_the_verdict_says_so(path: Path) -> None:
    lines = written(path, 6)
    path.write_bytes(b"".join(lines[:4]))
    verdict = verify(path)
    assert (verdict.ok, verdict.count, verdict.last, verdict.anchored) == (True, 4, 4, False)


def test_a_whole_rewrite_is_not_caught_without_anchors_and_the_verdict_says_so(path: Path) -> None:
    before = written(path, 6)
    path.unlink()
    after = written(path, 6)
    verdict = verify(path)
    assert (verdict.ok, verdict.count, verdict.anchored) == (True, 6, False)
    assert verdict.head == json.loads(after[-1])["hash"] != json.loads(before[-1])["hash"]


def test_no_trail_yet_is_whole_and_empty(path: Path) -> None:
    assert verify(path) == Verdict(count=0, last=0, head="0" * 64)


def test_a_trail_that_cannot_be_read_proves_nothing(path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(TrailError, match=r"cannot be read: Is a directory\. Nothing is proved about it\."):
        verify(path)


def test_what_is_written_while_verifying_is_left_for_the_next_time(path: Path) -> None:
    lines = written(path, 3)
    size = len(lines[0]) + len(lines[1])
    path.write_bytes(b"".join(lines)[: size + 50])
    with path.open("rb") as file:
        assert list(_lines(file, size)) == lines[:2]


def test_thousands_of_entries_verify(path: Path) -> None:
    big_trail(path, 20_000)
    verdict = verify(path)
    assert (verdict.ok, verdict.count, verdict.torn) == (True, 20_000, ())
    assert Trail(path, WHO).note(RESET) == 20_001


def big_trail(path: Path, count: int) -> None:
    """Write a trail of `count` entries without waiting for the disk; for measuring, a million are 540 MB."""
    path.parent.mkdir(parents=True, exist_ok=True)
    common = '"operation":"reset","tier":"int","target":"postgresql://anna:***@db-7:5432/shop_int","person":"anna",'
    common += f'"host":"laptop","pid":8123,"started":"b-1","surroundings":"terminal","commit":"{"c" * 40}"'
    after = START
    with path.open("wb") as file:
        for number in range(1, count + 1):
            kind = '"kind":"intent",' if number % 2 else f'"kind":"result","of":{number - 1},'
            line = seal(after, MIDNIGHT, (kind + common).encode())
            after = parse_link(line[:-1]) or START
            file.write(line)


# The author


def test_the_author_is_who_the_system_says_whatever_the_environment_claims(monkeypatch: pytest.MonkeyPatch) -> None:
    import pwd

    for variable in ("USER", "LOGNAME", "USERNAME"):
        monkeypatch.setenv(variable, "somebody-else")
    who = whoami("terminal", Path("/"))
    assert (who.person, who.host, who.pid) == (pwd.getpwuid(os.getuid()).pw_name, host(), os.getpid())


def test_a_process_that_runs_is_told_from_one_that_has_ended() -> None:
    me = whoami("terminal", Path("/"))
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    started = replace(me, pid=0).here().started  # of this process, asked for anew
    assert (is_running(me.pid, me.started), started) == (True, me.started)
    assert is_running(child.pid, me.started) is False  # the pid lives, but it began at another time
    child.communicate(b"\n")
    assert is_running(child.pid, me.started) is False


def test_a_process_that_has_ended_and_was_not_waited_for_does_not_run() -> None:
    code = "from tests.unit.test_trail import *; print(whoami('', Path('/')).started, flush=True); input()"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    child = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    )
    assert child.stdin is not None
    assert child.stdout is not None
    started = child.stdout.readline().decode().strip()
    assert is_running(child.pid, started) is True
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # ended, and still there as a zombie
    assert is_running(child.pid, started) is False
    child.communicate()


def git(folder: Path, *arguments: str) -> str:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "GIT_CONFIG_NOSYSTEM": "1",
        **{f"GIT_{role}_{what}": "a@b" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
    }
    done = subprocess.run(["git", *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    git(folder, "commit", "-q", "--allow-empty", "-m", "one")
    return folder


def test_the_commit_is_read_from_a_branch(repository: Path) -> None:
    (repository / "deep" / "er").mkdir(parents=True)
    assert commit(repository / "deep" / "er") == git(repository, "rev-parse", "HEAD")


def test_the_commit_is_read_from_packed_references(repository: Path) -> None:
    git(repository, "pack-refs", "--all")
    assert not (repository / ".git/refs/heads/main").exists()
    assert commit(repository) == git(repository, "rev-parse", "HEAD")


def test_the_commit_is_read_from_a_detached_head(repository: Path) -> None:
    git(repository, "checkout", "-q", "--detach")
    assert commit(repository) == git(repository, "rev-parse", "HEAD")


def test_the_commit_is_read_from_a_linked_worktree(repository: Path) -> None:
    git(repository, "worktree", "add", "-q", "-b", "feature/x", "../other")
    git(repository.parent / "other", "commit", "-q", "--allow-empty", "-m", "two")
    assert commit(repository.parent / "other") == git(repository.parent / "other", "rev-parse", "HEAD")
    assert commit(repository.parent / "other") != commit(repository)


@pytest.mark.parametrize("content", ["ref: refs/heads/none", "rubbish", "", "ref: ../../../etc/passwd"])
def test_an_unreadable_head_is_no_commit(repository: Path, content: str) -> None:
    (repository / ".git/HEAD").write_text(content)
    assert commit(repository) is None


def test_a_branch_without_a_commit_is_no_commit(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    assert commit(tmp_path) is None
