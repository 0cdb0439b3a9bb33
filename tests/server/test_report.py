"""The report and the watched status of a real project: what they tell, and that they leave nothing behind."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.road import Project, project

NOBODY = "postgresql://anna:hunter2@127.0.0.1:9/shop_stg"  # a port at which nobody listens


@pytest.fixture(scope="module")
def small() -> Iterator[Project]:
    with project() as made:
        assert made.invoke("reset").code == 0
        assert made.invoke("backup").code == 0
        yield made


def words(html: str) -> str:
    return " ".join(re.sub("<style>.*?</style>|<[^>]*>", " ", html).split())


def written(small: Project, **environ: str) -> str:
    done = small.invoke("report", **environ)
    assert done.code == 0, done.text
    return words((small.root / "logs" / "report.html").read_text(encoding="utf-8"))


def test_the_report_tells_every_tier_and_leaves_nothing_but_its_score(small: Project) -> None:
    before = len(small.trail())
    shown = written(small, stg_database_url=NOBODY)
    assert {(each["kind"], each["operation"]) for each in small.trail()[before:]} == {("note", "score")}
    assert re.search(r"Safety score \d+ of 100", shown)
    assert "three tier architecture" in shown
    assert re.search(r"Safety score \d+, measured .* See: invoke score\n$", small.invoke("status").out)
    assert "INT small_int on embedded:" in shown
    assert "at head revision r3 stamp ok" in shown
    assert "r3 revision r3 applied not known not known" in shown.replace("– ", "")
    assert re.search(r"INT backup \d min old, readable", shown)
    assert "PROD know: not asked (USE_PROD_DATABASE is not set)" in shown
    assert re.search(r"STG wrong: .*postgresql://anna:\*\*\*@127\.0\.0\.1:9/shop_stg", shown)
    assert "hunter2" not in shown
    assert re.search(r"reset \S+ · done · [0-9.]+ s", shown)


def test_what_was_changed_behind_dbtasks_back_is_told(small: Project) -> None:
    revision, trail = small.root / "migrations/versions/r2.py", small.root / "logs/database_audit.jsonl"
    kept = revision.read_text(), trail.read_bytes()
    revision.write_text(kept[0] + "# edited\n")
    trail.write_bytes(kept[1].replace(b'"operation":"reset"', b'"operation":"seedy"', 1))
    shown = written(small)
    revision.write_text(kept[0])
    trail.write_bytes(kept[1])
    assert "INT look: edited since: r2" in shown
    assert "r2 revision r2 edited" in shown
    assert "wrong: The trail is broken at line 1" in shown


def test_a_file_that_is_no_report_is_not_replaced(small: Project, tmp_path: Path) -> None:
    other = tmp_path / "index.html"
    other.write_text("<!doctype html>mine")
    refused = [
        small.invoke(f"report --out={file}") for file in (other, "config/tiers.yaml", tmp_path / "no" / "a.html")
    ]
    assert [each.code for each in refused] == [2, 2, 2]
    assert other.read_text() == "<!doctype html>mine"
    mine = tmp_path / "mine.html"
    assert [small.invoke(f"report --out={mine}").code for _ in range(2)] == [0, 0]
    assert mine.stat().st_mode & 0o077 == 0
    assert [each.name for each in sorted(tmp_path.iterdir())] == ["index.html", "mine.html"]


def test_status_tells_the_newest_backup(small: Project) -> None:
    assert re.search(r"\[INT\].*stamp ok  backup \d+ min old, readable", small.invoke("status").out)


def test_a_watched_status_follows_what_happens_and_ends_on_ctrl_c(small: Project) -> None:
    before = len(small.trail())
    with small.screen(["invoke", "status", "--watch=1", "--tier=int"]) as screen:
        first = screen.wait_for("Ctrl-C ends")
        small.invoke("seed")
        screen.wait_for("seed done")
        screen.child.sendintr()
        ended = screen.end()
    assert ended.code == 0, ended.out
    assert "\x1b[H" in first
    last = ended.out.removesuffix("^C\r\n")
    assert last.endswith("\x1b[?7h")  # the terminal is left as it was
    assert len(small.trail()) == before + 2  # those of the seed


def test_elsewhere_than_on_a_terminal_frames_follow_each_other(small: Project) -> None:
    watching = small.start("status --watch=1 --tier=int")
    assert watching.stdout is not None
    lines, titles = [], 0
    while titles < 2:
        lines.append(watching.stdout.readline())
        assert lines[-1], lines
        titles += bool(re.match(r"small · .* every 1 s", lines[-1]))
    os.kill(watching.pid, signal.SIGINT)
    rest, _ = watching.communicate(timeout=20)
    assert watching.returncode == 0, rest
    assert [line for line in lines if line.startswith("[INT]    small_int on embedded:")] == lines[1:2]
    assert "\x1b" not in "".join(lines) + rest
