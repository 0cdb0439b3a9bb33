"""`invoke audit` as it is typed: formats, figures, following, and questions that do not go together."""

from __future__ import annotations

import csv
import io
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from invoke.context import Context

from dbtasks.audit_rows import COLUMNS, row
from dbtasks.audit_tasks import audit
from dbtasks.rotation import Rotation
from dbtasks.trail import Act, Outcome, Trail, whoami

RESET = Act(operation="reset", tier="int", target="shop_int on db-1")
WHO = whoami("terminal", Path("/"))
SETTINGS = """
project: shop
default: int
tiers:
  int: {url: shop_int_url, may_lose: everything, consent: none}
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a trail: 1 and 2 a reset, 3 a refusal, 4 an intent whose process runs."""
    root = tmp_path_factory.mktemp("shop")
    (root / "config").mkdir()
    (root / "config" / "tiers.yaml").write_text(SETTINGS)
    trail = Trail(root / "logs" / "database_audit.jsonl", WHO)
    trail.result(trail.intent(RESET, {"reason": '=cmd|" /C calc"!A0'}), outcome=Outcome.DONE, duration_ms=2_500)
    trail.refusal(Act(operation="migrate", tier="int"), code="E-AGENT")
    trail.intent(Act(operation="=1+1", tier="int"))
    return root


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "dbtasks", "audit", *words]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a command said."""

    code: int
    out: str
    err: str


Asked = Callable[..., Answer]


@pytest.fixture
def asked(project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Asked:
    monkeypatch.chdir(project)

    def ask(*words: str) -> Answer:
        names = {"format": "format_"}
        flags = {names.get(name, name): value or True for name, _, value in (word[2:].partition("=") for word in words)}
        code = 0
        try:
            audit(Context(), **flags)
        except SystemExit as end:
            code = int(end.code or 0)
        said = capsys.readouterr()
        return Answer(code=code, out=said.out, err=said.err)

    return ask


def test_the_table_is_what_people_and_scripts_know_as_text(asked: Asked) -> None:
    table, text = asked("--format=table"), asked()
    assert table.out == text.out
    assert [line.split()[1] for line in table.out.splitlines()] == ["1", "3", "4"]


def test_json_is_one_array_of_runs(asked: Asked) -> None:
    found = json.loads(asked("--format=json", "--limit=2").out)
    assert [(each["entry"], each["state"]) for each in found] == [(3, "refused"), (4, "running")]


def test_csv_has_a_row_a_run_and_no_cell_that_is_calculated(asked: Asked) -> None:
    header, *rows = csv.reader(io.StringIO(asked("--format=csv").out))
    found = [dict(zip(header, each, strict=True)) for each in rows]
    assert tuple(header) == COLUMNS
    assert [each["operation"] for each in found] == ["reset", "migrate", "'=1+1"]
    assert [each["state"] for each in found] == ["done", "refused", "running"]
    assert (found[0]["duration_ms"], found[1]["code"]) == ("2500", "E-AGENT")
    assert json.loads(found[0]["detail"]) == {"reason": '=cmd|" /C calc"!A0'}


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@A1", "\t=1", "  =1", "\uff1d1"])
def test_a_cell_that_begins_like_a_formula_is_text(text: str) -> None:
    (cells,) = csv.reader(io.StringIO(row([text, -1])))
    assert cells == [f"'{text}", "-1"]


def test_figures_come_in_each_format(asked: Asked) -> None:
    data = json.loads(asked("--stats", "--format=json").out)
    assert (data["runs"], data["refusal"][0]["name"], data["tier"][0]["median_ms"]) == (3, "E-AGENT", 2500)
    by = [
        (each["by"], each["name"], each["runs"])
        for each in csv.DictReader(asked("--stats", "--format=csv").out.splitlines())
    ]
    assert ("outcome", "done", "1") in by
    table = asked("--stats", "--outcome=done").out.splitlines()
    assert table[0].startswith("1 run, begun ")
    assert [line.split()[:2] for line in table if line.startswith("[INT]")] == [["[INT]", "1"]]
    assert asked("--stats", "--person=nobody").out == "No run fits.\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--stats", "--follow"], "--stats and --follow are two questions. Ask them one by one."),
        (["--follow", "--verify"], "--follow and --verify are two questions. Ask them one by one."),
        (["--stats", "--limit=3"], "--stats takes all that fits and no --limit. Narrow it with --since."),
        (["--follow", "--until=today"], "--follow shows what comes and takes no --until."),
        (["--stats", "--export=ocsf"], "--stats and --export are two questions. Ask them one by one."),
        (["--export=ocsf", "--limit=3"], "--export takes all that fits and no --limit. Narrow it with --since."),
        (["--export=leef"], "--export: expected ocsf, cloudevents, otel, found 'leef'."),
        (["--format=xml"], "--format: expected table, json, csv, found 'xml'."),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_does_not_go_together_is_refused(asked: Asked, words: list[str], said: str) -> None:
    done = asked(*words)
    assert (done.code, done.out, done.err) == (2, "", said + "\n")


def test_a_torn_line_is_told_beside_what_fits(project: Path, asked: Asked) -> None:
    path = project / "logs" / "database_audit.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"entry":5,"time":"2026-')
    try:
        done = asked("--limit=1")
    finally:
        path.write_bytes(whole)
    assert done.out.split()[1] == "4"
    assert (
        done.err == "! 1 line is no entry and was passed over: torn by a crash, or edited. See: invoke audit --verify\n"
    )


@pytest.mark.parametrize(("form", "count"), [("ocsf", 4), ("cloudevents", 4), ("otel", 1)])
def test_an_export_is_a_document_a_line_of_all_entries(asked: Asked, form: str, count: int) -> None:
    done = asked(f"--export={form}")
    assert [type(json.loads(line)) for line in done.out.splitlines()] == [dict] * count
    assert (done.code, done.err) == (0, "")
    assert asked(f"--export={form}", "--person=nobody").out == ""


def test_a_select_is_answered_in_each_format(asked: Asked) -> None:
    query = (
        "--sql=SELECT person, count(*) AS entries, max(detail) FILTER (kind = 'intent') AS said FROM trail GROUP BY 1"
    )
    assert json.loads(asked(query, "--format=json").out)[0]["entries"] == 4
    header, row = csv.reader(io.StringIO(asked(query, "--format=csv").out))
    assert (header, row[1]) == (["person", "entries", "said"], "4")
    assert asked(query).out.splitlines()[0].split() == ["person", "entries", "said"]
    assert asked("--sql=SELECT 1", "--tier=int").err == "--sql takes no other filters. Put them into its WHERE.\n"


def test_a_select_leaves_nothing_on_the_terminal_but_its_answer(project: Path) -> None:
    done = subprocess.run(
        command("--sql=SELECT count(*) AS n FROM trail"), cwd=project, capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("n\n4\n", "")


# Following


def line_of(child: subprocess.Popen[str], *, within_s: float = 30) -> str:
    assert child.stdout is not None
    assert select.select([child.stdout], [], [], within_s)[0]
    return child.stdout.readline()


@pytest.mark.skipif(sys.platform == "win32", reason="signals and pipes of POSIX")
def test_following_shows_a_run_begin_and_end_through_files_until_ctrl_c(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "tiers.yaml").write_text(SETTINGS)
    path = tmp_path / "logs" / "database_audit.jsonl"
    trail = Trail(path, WHO, Rotation(size_bytes=1))
    trail.refusal(RESET, code="E-AGENT")
    with subprocess.Popen(
        command("--follow", "--format=json"), cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        try:
            assert json.loads(line_of(child))["state"] == "refused"
            number = trail.intent(RESET)
            begun = json.loads(line_of(child))
            trail.result(number, outcome=Outcome.DONE)
            ended = json.loads(line_of(child))
            assert (begun["entry"], begun["state"]) == (number, "running")
            assert (ended["entry"], ended["state"], ended["intent"]) == (number, "done", begun["intent"])
            os.kill(child.pid, signal.SIGINT)
            rest, said = child.communicate(timeout=30)
            assert (child.returncode, rest, said) == (0, "", "")
        finally:
            child.kill()


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of POSIX")
def test_following_ends_by_itself_when_nobody_reads_any_more(project: Path) -> None:
    with subprocess.Popen(
        command("--follow"), cwd=project, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        try:
            line_of(child)
            assert child.stdout is not None
            child.stdout.close()
            assert child.stderr is not None
            assert (child.wait(timeout=30), child.stderr.read()) == (0, "")
        finally:
            child.kill()
