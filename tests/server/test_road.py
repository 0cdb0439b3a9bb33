"""The road from a typed command to the audit entry, on the embedded servers and on one that is not ours."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from tests import outside
from tests.server.road import INVOKE, Project, asked_name, contents, dump, project, said

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def home() -> Iterator[Project]:
    """A project whose INT and STG are built, on embedded servers of its own."""
    with project() as made:
        for tier in ("int", "stg"):
            done = made.invoke(f"reset --tier={tier}")
            assert done.code == 0, done.text
        yield made


@pytest.fixture(scope="module")
def urls(home: Project) -> dict[str, str]:
    return {tier: home.server_url(tier, f"small_{tier}") for tier in ("int", "stg")}


# Exit codes and streams


def test_a_task_that_is_done_exits_0_and_leaves_standard_output_to_data(home: Project) -> None:
    done = home.invoke("seed --tier=int")

    assert (done.code, done.out) == (0, "")
    assert done.err.startswith("[INT] small_int on embedded:")


def test_json_of_success_is_one_document_on_standard_output(home: Project) -> None:
    done = home.invoke("seed --tier=stg --format=json")

    found = said(done)
    assert (done.code, found["tier"], found["verdict"]) == (0, "stg", "done")
    assert found["result"] == {"seeded": {"added": 0, "changed": 0, "kept": 4}}
    assert found["entry"] == home.last_entry()["of"]
    assert "[STG]" in done.err


def test_the_score_counts_what_it_proves_and_nothing_that_it_does_not_know(home: Project) -> None:
    done = home.invoke("score --format=json")
    found = json.loads(done.out)
    passed = [
        name for name, each in found["evidence"].items() if each["verdict"] == "pass" and name in found["metrics"]
    ]
    assert (done.code, found["total_features"], found["implemented_features"]) == (0, 16, len(passed)), done.text
    assert found["score"] <= 100 * len(passed) // 16
    assert found["metrics"] == {name: name in passed for name in found["metrics"]}
    assert not found["metrics"]["production_confirmation"]  # PROD was not asked


def test_json_of_a_refusal_is_one_document_on_standard_output(home: Project) -> None:
    done = home.invoke("reset --tier=stg --format=json")

    assert done.code == 3
    assert (said(done)["error"]["code"], said(done)["error"]["exit_code"]) == ("E-NO-ANSWER", 3)
    assert "refused (E-NO-ANSWER)" in done.err


@pytest.mark.parametrize(
    ("words", "environ", "text"),
    [
        ("reset --tier=stgg", {}, "unknown tier: 'stgg'. Did you mean stg? The tiers are: int, stg, prod."),
        ("reset --tier=int seed", {}, "reset names its tier and seed does not."),
        ("reset --tier=int seed --tier=prod seed", {}, "reset names its tier and seed does not."),
        ("backup --tier=stg restore --backup=latest", {}, "backup names its tier and restore does not."),
        ("reset -- --dry-run", {}, "reset takes nothing after --, and would not read --dry-run."),
        ("reset", {"USE_STG_DATABASE": "true", "USE_PROD_DATABASE": "true"}, "are both on"),
        ("seed --tier=int", {"USE_STG_DATABASE": "true"}, "contradict each other"),
        ("seed", {"USE_STG_DATABASE": "yes"}, "USE_STG_DATABASE: expected true or false, found 'yes'."),
        ("migrate --tier=int --through=stg", {}, "--tier and --through contradict each other."),
        ("seed --format=xml", {}, "--format: expected text or json, found 'xml'."),
        ("audit --limit=many", {}, "--limit"),
        ("run --tier=int", {}, "there is no command."),
        ("server halt", {}, "server: expected start, stop, status, found 'halt'."),
    ],
    ids=[
        "near name", "one tier named", "one of three unnamed", "of a restore", "after two dashes",
        "two flags", "flag against tier", "flag not a truth",
        "through and tier", "format", "limit", "no command", "server action",
    ],
)  # fmt: skip
def test_a_wrong_command_line_exits_2_and_does_nothing(
    home: Project, words: str, environ: dict[str, str], text: str
) -> None:
    before = home.trail()

    done = home.invoke(words, **environ)

    assert done.code == 2, done.text
    assert text in done.err
    assert home.trail() == before


def test_a_wrong_answer_exits_4_and_stands_in_the_trail(home: Project, urls: dict[str, str]) -> None:
    before = dump(urls["stg"])

    done = home.terminal("reset --tier=stg", "small_int\n")

    assert done.code == 4, done.out
    assert "Not confirmed. Nothing was changed." in done.out
    assert (home.last_entry()["kind"], home.last_entry()["outcome"]) == ("refusal", "E-NOT-CONFIRMED")
    assert dump(urls["stg"]) == before


def test_ctrl_c_at_the_question_exits_130(home: Project, urls: dict[str, str]) -> None:
    before = dump(urls["stg"])

    done = home.terminal("reset --tier=stg", "\x03")

    assert done.code == 130, done.out
    assert dump(urls["stg"]) == before


def test_who_would_reset_to_get_a_revision_is_told_what_migrate_keeps(home: Project) -> None:
    file = home.revision("r4", "op.execute('CREATE TABLE notes (id int)')")
    try:
        assert home.invoke("migrate").code == 0
        done = home.terminal("reset --tier=stg", "\n")
        assert "1 pending. To apply it and keep about 5 rows: invoke migrate --tier=stg" in done.out, done.out
    finally:
        file.unlink()
        home.invoke("reset")


def test_the_databases_name_is_the_answer_that_resets_stg(home: Project) -> None:
    done = home.terminal("reset --tier=stg", lambda shown: f"{asked_name(shown)}\n")

    assert done.code == 0, done.out
    assert "[STG] small_stg" in done.out
    assert home.last_entry()["outcome"] == "done"


# Naming a tier


@pytest.mark.parametrize(
    ("words", "environ", "label"),
    [
        ("seed", {}, "[INT]"),
        ("seed --tier=TEST", {}, "[INT]"),
        ("seed --tier=staging", {}, "[STG]"),
        ("seed", {"USE_STG_DATABASE": "TRUE"}, "[STG]"),
        ("seed", {"USE_STG_DATABASE": "false", "USE_PROD_DATABASE": ""}, "[INT]"),
        ("seed", {"USE_TEST_DATABASE": "true"}, "[INT]"),
    ],
    ids=["default", "alias", "another alias", "flag", "flags off", "deprecated flag"],
)
def test_a_tier_is_named_by_name_alias_or_flag(home: Project, words: str, environ: dict[str, str], label: str) -> None:
    done = home.invoke(words, **environ)

    assert done.code == 0, done.text
    assert f"{label} small_" in done.err
    assert ("USE_TEST_DATABASE is no longer needed" in done.err) == ("USE_TEST_DATABASE" in environ)


def test_a_flag_in_the_env_file_is_ignored_and_said(home: Project) -> None:
    path = home.file(".env", "USE_STG_DATABASE=true\n")
    path.chmod(0o600)

    done = home.invoke("seed")

    path.unlink()
    assert done.code == 0
    assert "[INT] small_int" in done.err
    assert ".env:1: USE_STG_DATABASE is ignored" in done.err


# Dry runs


@pytest.mark.parametrize("words", ["reset --dry-run", "seed --dry-run", "migrate --dry-run", "adopt --dry-run"])
@pytest.mark.parametrize("tier", ["int", "stg"])
def test_a_dry_run_changes_nothing(home: Project, urls: dict[str, str], words: str, tier: str) -> None:
    before = (dump(urls[tier]), home.trail())

    done = home.invoke(f"{words} --tier={tier} --yes")

    assert done.code == 0, done.text
    assert "nothing was changed" in done.err
    assert (dump(urls[tier]), home.trail()) == before


def test_invokes_own_dry_run_is_honoured(home: Project, urls: dict[str, str]) -> None:
    before = (dump(urls["int"]), home.trail())

    done = home.invoke("--dry reset --tier=int")

    assert (done.code, (dump(urls["int"]), home.trail())) == (0, before)
    assert "nothing was changed" in done.err


def test_a_dry_run_shows_the_plan_that_would_run_as_json(home: Project) -> None:
    planned = said(home.invoke("seed --tier=int --dry-run --format=json"))
    done = said(home.invoke("seed --tier=int --format=json"))

    assert planned["plan"] == done["plan"]
    assert (planned["entry"], planned["verdict"]) == (None, "would run without a question")


@pytest.mark.parametrize("words", ["--dry run", "run --dry-run"])
def test_a_dry_run_of_a_command_does_not_start_it(home: Project, words: str) -> None:
    path = home.root / "ran"

    done = home.invoke(f"{words} --tier=int -- touch {path}")

    assert (done.code, path.exists()) == (0, False), done.text
    assert f"would let in    touch {path}, free to write" in done.err


def test_what_has_no_dry_run_refuses_invokes(home: Project) -> None:
    done = home.invoke("--dry server stop")

    assert (done.code, "server has no dry run" in done.err) == (2, True), done.text
    assert home.invoke("server status").out.count("running") == 2


# Seeding, migrating, resetting


def test_seeding_again_keeps_what_people_changed(home: Project, urls: dict[str, str]) -> None:
    with outside.connect(urls["stg"]) as connection:
        connection.execute("UPDATE lessons SET title = 'Piano for late starters' WHERE id = 1")
        connection.execute("DELETE FROM lessons WHERE id = 2")

    done = home.invoke("seed --tier=stg --format=json")

    with outside.connect(urls["stg"]) as connection:
        titles = connection.execute("SELECT title FROM lessons ORDER BY id").fetchall()
    assert said(done)["result"] == {"seeded": {"added": 1, "changed": 0, "kept": 3}}
    assert titles == [("Piano for late starters",), ("Cello",)]


def test_seeding_twice_adds_nothing(home: Project, urls: dict[str, str]) -> None:
    home.invoke("seed --tier=int")
    before = dump(urls["int"])

    done = home.invoke("seed --tier=int --format=json")

    assert said(done)["result"]["seeded"]["added"] == 0
    assert dump(urls["int"]) == before


def test_migrating_through_a_tier_goes_in_the_declared_order(home: Project) -> None:
    done = home.invoke("migrate --through=stg --format=json")

    assert done.code == 0, done.text
    assert [each["tier"] for each in said(done)] == ["int", "stg"]


def test_reset_throws_away_what_stood_in_int(home: Project, urls: dict[str, str]) -> None:
    with outside.connect(urls["int"]) as connection:
        connection.execute("CREATE TABLE junk AS SELECT 1 AS id")

    done = home.invoke("reset --tier=int")

    assert (done.code, "junk" in contents(urls["int"])) == (0, False)
    assert "would" not in done.err


def test_a_script_that_means_it_resets_stg_with_yes_and_the_old_database_is_kept(
    home: Project, urls: dict[str, str]
) -> None:
    before = contents(urls["stg"])

    done = home.invoke("reset --tier=stg --yes --format=json")

    kept = said(done)["result"]["kept"]
    assert done.code == 0, done.text
    assert kept.startswith("dbtasks_small_stg_")
    old = contents(home.server_url("stg", kept))
    assert old.replace(kept, "small_stg") == before


# Looking, opening, the servers


def test_status_and_check_tell_every_tier(home: Project) -> None:
    status, check = home.invoke("status --format=json"), home.invoke("check --format=json")

    rows = {row["tier"]: row for row in said(status)["tiers"]}
    assert (status.code, check.code, said(check)["ok"]) == (0, 0, True)
    assert {tier: (row["pending"], row["stamp"]) for tier, row in rows.items()} == {
        "int": (0, "ok"), "stg": (0, "ok"), "prod": (None, "unknown"),
    }  # fmt: skip
    assert rows["prod"]["problem"] == "not asked (USE_PROD_DATABASE is not set)"


def test_run_gives_a_command_the_tiers_url_and_passes_its_exit_code_on(home: Project) -> None:
    code = "import os, sys; print(os.environ['DATABASE_URL']); sys.exit(7)"

    done = home.run([*INVOKE, "run", "--tier=stg", "--", sys.executable, "-c", code])

    assert done.code == 7
    assert done.out.strip().endswith("/small_stg")
    assert (home.last_entry()["outcome"], home.last_entry()["detail"]["exit_code"]) == ("failed", 7)


def test_a_commands_words_and_quotes_arrive_as_they_were_typed(home: Project) -> None:
    show = "import json, sys; print(json.dumps(sys.argv[1:]))"
    words = ["two words", "--tier=prod", "--", "", "a'b\"c", "$HOME"]

    done = home.run([*INVOKE, "run", "--tier=int", "--", sys.executable, "-c", show, *words])

    assert json.loads(done.out) == words


def test_shell_opens_psql_on_the_tier_and_leaves_no_secret_among_its_arguments(home: Project) -> None:
    done = home.invoke("shell --tier=stg", given="SELECT current_database();\n\\! tr '\\0' ' ' < /proc/$PPID/cmdline\n")

    assert done.code == 0, done.text
    assert "small_stg" in done.out
    assert "postgresql://" not in done.out


def test_ctrl_c_in_the_shell_cancels_the_query_and_not_the_shell(home: Project) -> None:
    with home.screen([*INVOKE, "shell", "--tier=stg"]) as screen:
        screen.wait_for("small_stg=# ")
        screen.child.send("SELECT pg_sleep(30);\n")
        screen.wait_for("(30);")
        time.sleep(0.5)
        screen.child.send("\x03")
        screen.wait_for("canceling statement due to user request")
        time.sleep(0.5)
        screen.child.send("SELECT 'still ' || 'here';\n")
        screen.wait_for("still here")
        screen.child.send("\\q\n")
        done = screen.end()

    assert (done.code, home.last_entry()["outcome"]) == (0, "done"), done.out


def test_a_command_that_is_asked_to_end_ends_with_what_it_started(home: Project) -> None:
    code = (
        "import signal, sys, time\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(3))\n"
        "print('up', flush=True)\ntime.sleep(30)"
    )
    command = [*INVOKE, "run", "--tier=int", "--", sys.executable, "-c", code]
    run = subprocess.Popen(command, cwd=home.root, env=home.environ(), stdout=subprocess.PIPE, text=True)
    assert run.stdout is not None
    assert run.stdout.readline() == "up\n"
    run.terminate()

    assert run.wait(timeout=20) == 3
    run.stdout.close()
    assert home.last_entry()["detail"]["exit_code"] == 3


@pytest.mark.parametrize(
    ("command", "code", "text"),
    [
        (["no-such-program"], 1, "there is no program no-such-program on the PATH."),
        (["./tasks.py"], 1, "./tasks.py may not be executed."),
        (["sh", "-c", "kill -9 $$"], 137, ""),
    ],
    ids=["absent", "not executable", "killed"],
)
def test_how_a_command_could_not_run_is_said(home: Project, command: list[str], code: int, text: str) -> None:
    done = home.run([*INVOKE, "run", "--tier=int", "--", *command])

    assert (done.code, text in done.err, "bug" in done.err) == (code, True, False), done.text


def test_the_embedded_servers_stop_and_come_back_with_their_data(home: Project, urls: dict[str, str]) -> None:
    before = dump(urls["stg"])

    stopped = home.invoke("server stop")
    down = home.invoke("server status")
    started = home.invoke("server start")

    assert (stopped.code, started.code) == (0, 0), stopped.text + started.text
    assert down.out.count("stopped") == 2
    assert dump(home.server_url("stg", "small_stg")) == before
