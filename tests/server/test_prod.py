"""PROD and its consent: typed at a real pseudo-terminal by somebody who reads, or not given.

Every refusal leaves the database, byte for byte as pg_dump writes it, as it was, and stands in the trail.
"""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pexpect
import pytest

from dbtasks.surroundings import AGENT_MARKERS, CI_MARKERS, PYTEST_MARKERS
from tests import outside
from tests.server.abroad import abroad as abroad
from tests.server.road import (
    INVOKE,
    Answer,
    Project,
    Server,
    kill_group,
    nothing_changes,
    phrase,
    project,
    said,
    until,
)

pytestmark = pytest.mark.timeout(180)
ARMED = {"USE_PROD_DATABASE": "true"}
YES = "Type 'yes' to confirm production access: "


@pytest.fixture(scope="module")
def shop(abroad: Server) -> Iterator[Project]:
    """A project whose PROD is stamped, at head, and holds rows that no seed has."""
    abroad.role("seller", "CREATEDB")
    abroad.database("goods_prod", "seller")
    with project("goods") as made:
        made.urls = {
            variable: abroad.url(name, "seller")
            for variable, name in (
                ("test_database_url", "goods_int"), ("stg_database_url", "goods_stg"), ("database_url", "goods_prod"),
            )
        }  # fmt: skip
        for tier in ("int", "stg"):
            done = made.invoke(f"reset --tier={tier}")
            assert done.code == 0, done.text
        for words in ("adopt --tier=prod", "migrate --tier=prod", "seed --tier=prod"):
            done = made.prod(words)
            assert done.code == 0, done.text
        abroad.sql("INSERT INTO people SELECT n, 'customer ' || n FROM generate_series(100, 400) n", "goods_prod")
        yield made


@contextmanager
def refusals(shop: Project, abroad: Server, *codes: str) -> Iterator[None]:
    """Hold the block to changing nothing and to leaving exactly these refusals in the trail."""
    count = len(shop.trail())
    with nothing_changes(abroad, "goods_prod"):
        yield
    found = [(entry["kind"], entry["tier"], entry["outcome"]) for entry in shop.trail()[count:]]
    assert found == [("refusal", "prod", code) for code in codes]


# The right answers


def test_the_right_answers_seed_prod_and_the_card_comes_first(shop: Project, abroad: Server) -> None:
    abroad.sql("DELETE FROM people WHERE id = 2", "goods_prod")

    done = shop.prod("seed --tier=prod")

    card, _, rest = done.out.partition(YES)
    assert done.code == 0, done.out
    for fact in ("[PROD]", f"127.0.0.1:{abroad.port} as seller", "primary", "goods_prod", "people", "would seed"):
        assert fact in card
    assert rest.startswith("yes")
    assert abroad.sql("SELECT count(*) FROM people WHERE id = 2", "goods_prod") == [1]
    intent, result = shop.trail()[-2:]
    assert (intent["kind"], intent["surroundings"], result["outcome"]) == ("intent", "terminal", "done")


def test_a_phrase_is_good_for_one_run(shop: Project) -> None:
    first = shop.prod("seed --tier=prod")
    typed = re.findall(r"Type (\S+ [0-9a-f]{4}) to run", first.out)[-1]

    for _ in range(3):  # four places of the hash may be drawn alike
        again = shop.terminal("seed --tier=prod", "yes\n", f"{typed}\n", **ARMED)
        if again.code == 4:
            break

    assert (first.code, again.code) == (0, 4), again.out


def test_prod_is_reset_only_by_its_phrase_gets_reference_seeds_and_keeps_the_old_database(
    shop: Project, abroad: Server
) -> None:
    before, count = abroad.databases(), abroad.sql("SELECT count(*) FROM people", "goods_prod")

    done = shop.prod("reset --tier=prod")

    new = abroad.databases() - before
    assert done.code == 0, done.out
    assert abroad.sql("SELECT count(*) FROM people", "goods_prod") == [2]
    assert abroad.sql("SELECT count(*) FROM lessons", "goods_prod") == [0]
    assert len(new) == 1
    kept = new.pop()
    assert abroad.sql("SELECT count(*) FROM people", kept) == count
    # And back, by hand, so that the other tests find their rows.
    abroad.sql("INSERT INTO people SELECT n, 'customer ' || n FROM generate_series(100, 400) n", "goods_prod")


@pytest.mark.thorough
def test_a_revision_reaches_prod_after_stg_has_it(shop: Project, abroad: Server) -> None:
    path = shop.revision("r4", "op.execute('CREATE TABLE rooms (id int PRIMARY KEY)')")
    with refusals(shop, abroad, "E-NOT-PROVEN"):
        early = shop.terminal("migrate --tier=prod", **ARMED)
    stg = shop.invoke("migrate --through=stg")
    path.write_text(path.read_text() + "# edited since\n")
    with refusals(shop, abroad, "E-NOT-PROVEN"):
        edited = shop.terminal("migrate --tier=prod", **ARMED)
    path.write_text(path.read_text().replace("# edited since\n", ""))

    done = shop.prod("migrate --tier=prod")

    assert [each.code for each in (early, stg, edited, done)] == [3, 0, 3, 0], done.out
    assert abroad.sql("SELECT version_num FROM alembic_version", "goods_prod") == ["r4"]


# The wrong ones


@pytest.mark.parametrize(
    ("answer", "code"),
    [("no\n", 4), ("\n", 4), ("YES\n", 4), ("yes \n", 4), ("\x04", 4), ("ｙｅｓ\n", 4), ("уеs\n", 4), ("ye\x03", 130)],
    ids=["no", "empty", "capitals", "trailing blank", "end of file", "full width", "cyrillic", "Ctrl-C"],
)
def test_a_wrong_first_answer_changes_nothing(shop: Project, abroad: Server, answer: str, code: int) -> None:
    with refusals(shop, abroad, *(["E-NOT-CONFIRMED"] if code == 4 else [])):
        done = shop.terminal("reset --tier=prod", answer, **ARMED)

    assert done.code == code, done.out
    assert "to run exactly this plan" not in done.out


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ("yes\n", 4),
        ("\n", 4),
        ("\x04", 4),
        (lambda shown: phrase(shown).upper(), 4),
        (lambda shown: phrase(shown).replace("o", "о"), 4),  # the second is Cyrillic
        (lambda shown: phrase(shown).replace("prod", "stg"), 4),
        (lambda shown: phrase(shown).strip() + "\x04\x04", 4),
        (lambda shown: phrase(shown).strip() + "\x03", 130),
    ],
    ids=["yes again", "empty", "end of file", "capitals", "cyrillic", "another name", "no line end", "Ctrl-C"],
)
def test_a_wrong_second_answer_changes_nothing(shop: Project, abroad: Server, answer: Answer, code: int) -> None:
    with refusals(shop, abroad, *(["E-NOT-CONFIRMED"] if code == 4 else [])):
        done = shop.terminal("reset --tier=prod", "yes\n", answer, **ARMED)

    assert done.code == code, done.out


def test_what_was_typed_before_a_question_answers_nothing(shop: Project, abroad: Server) -> None:
    with refusals(shop, abroad, "E-NOT-CONFIRMED"), shop.screen([*INVOKE, "seed", "--tier=prod"], **ARMED) as screen:
        screen.child.send("yes\nyes\nyes\n")
        screen.wait_for(YES)
        with pytest.raises(pexpect.TIMEOUT):
            screen.child.expect_exact("to run exactly this plan", timeout=1.5)
        screen.child.send("\x04")
        done = screen.end()

    assert done.code == 4, done.out


def test_what_was_typed_too_early_does_not_spoil_the_right_answers(shop: Project) -> None:
    with shop.screen([*INVOKE, "seed", "--tier=prod"], **ARMED) as screen:
        screen.child.send("no\nno\n")
        screen.answer("yes\n")
        screen.answer(phrase)
        done = screen.end()

    assert done.code == 0, done.out


def test_ctrl_c_is_heard_at_whatever_moment_it_is_typed(shop: Project) -> None:
    code = (
        "from dbtasks.console import Console\nfrom dbtasks.errors import InterruptedByPersonError\n"
        "from dbtasks.verdicts import Question\n"
        "try:\n    Console().ask(Question(prompt='go on:', expected='x'))\n"
        "except InterruptedByPersonError:\n    raise SystemExit(130)\n"
    )

    def interrupted(_: int) -> int:
        with shop.screen([sys.executable, "-c", code]) as screen:
            screen.child.delaybeforesend = None
            screen.wait_for("go on: ")
            screen.child.send("\x03")
            return screen.end().code

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(interrupted, range(8))) == [130] * 8


# Nobody there

RESET = f"{sys.executable} -m invoke reset --tier=prod"


@pytest.mark.parametrize(
    "line",
    [
        f"yes | {RESET}",
        f"{RESET} < /dev/null",
        f"{RESET} <&-",
        f"{RESET} <&- >&- 2>&-",
        f"{RESET} --yes < /dev/null",
        f"setsid --wait {RESET} < /dev/null",
    ],
)
def test_a_command_without_a_terminal_is_refused(shop: Project, abroad: Server, line: str) -> None:
    with refusals(shop, abroad, "E-NO-PERSON"):
        done = shop.shell(line, **ARMED)

    assert done.code == 3, done.text
    if "2>&-" not in line:
        assert "Production access requested in non-interactive mode: " in done.text
        assert "invoke reset --tier=prod --dry-run" in done.text


@pytest.mark.parametrize("line", [f"yes | {RESET}", f"{RESET} < /dev/null", f"{RESET} 2> errors.txt", f"{RESET} <&-"])
def test_a_terminal_that_is_redirected_is_no_person(shop: Project, abroad: Server, line: str) -> None:
    with refusals(shop, abroad, "E-NO-PERSON"), shop.screen(["/bin/sh", "-c", line], **ARMED) as screen:
        done = screen.end()

    assert done.code == 3, done.out


@pytest.mark.parametrize("answer", ["y", "yes"])
def test_answers_piped_into_a_pseudo_terminal_never_count(shop: Project, abroad: Server, answer: str) -> None:
    # As `yes` does, only not as fast as the machine can: script(1) spins for a minute over what it cannot get rid of.
    endless = f"while echo {answer}; do sleep 0.01; done 2>&-"
    with refusals(shop, abroad, "E-NOT-CONFIRMED"):
        done = shop.shell(f"({endless}) | script -qec 'USE_PROD_DATABASE=true {RESET}' /dev/null")

    assert done.code == 4, done.text
    assert YES in done.text


@pytest.mark.parametrize("answers", ["yes", "yes yes"])
def test_the_program_yes_never_counts(shop: Project, abroad: Server, answers: str) -> None:
    line = f"{answers} | script -qec 'USE_PROD_DATABASE=true {RESET}' /dev/null > /dev/null 2>&1"
    count = len(shop.trail())
    with refusals(shop, abroad, "E-NOT-CONFIRMED"):
        # script(1) may spin for a minute over the flood when its command has long ended.
        flood = subprocess.Popen(["/bin/sh", "-c", line], cwd=shop.root, env=shop.environ(), process_group=0)
        until(lambda: len(shop.trail()) > count, seconds=60, what="the refusal")
        kill_group(flood)


@pytest.mark.parametrize("words", ["reset", "seed", "migrate", "adopt", "shell", "run", "run --read-only"])
def test_every_operation_needs_the_person(shop: Project, abroad: Server, words: str) -> None:
    command = " -- touch ran" if words.startswith("run") else ""
    with refusals(shop, abroad, "E-NO-PERSON"):
        done = shop.invoke(f"{words} --tier=prod{command}", **ARMED)

    assert done.code == 3, done.text
    assert not (shop.root / "ran").exists()


def _at_a_terminal(shop: Project, environs: list[dict[str, str]]) -> list[tuple[int, str]]:
    """Run a seeding of PROD at a terminal once in each environment, and return exit codes and screens."""

    def run(environ: dict[str, str]) -> tuple[int, str]:
        done = shop.terminal("seed --tier=prod", **ARMED, **environ)
        return done.code, done.out

    with ThreadPoolExecutor(3) as pool:
        return list(pool.map(run, environs))


AGENTS = [{name: value} for name, value in zip(AGENT_MARKERS, itertools.cycle(["", "0", "1"]), strict=False)]
NAMED = [{"OR_APP_NAME": "Aider"}, {"REPLIT_SESSION": "agent-7"}]


@pytest.mark.parametrize(
    "environs",
    [
        pytest.param([*AGENTS[:3], NAMED[0]], id="some"),
        pytest.param([*AGENTS, *NAMED], id="every", marks=pytest.mark.thorough),
    ],
)
def test_a_mark_of_an_agent_is_refused_at_a_terminal(
    shop: Project, abroad: Server, environs: list[dict[str, str]]
) -> None:
    with refusals(shop, abroad, *["E-AGENT"] * len(environs)):
        found = _at_a_terminal(shop, environs)

    assert [code for code, _ in found] == [3] * len(environs)
    assert all("Agents may plan; people apply." in shown for _, shown in found)


def test_a_mark_of_ci_is_refused_at_a_terminal(shop: Project, abroad: Server) -> None:
    environs = [{name: "true"} for name in CI_MARKERS[:4]]
    with refusals(shop, abroad, *["E-NO-PERSON"] * len(environs)):
        found = _at_a_terminal(shop, environs)

    assert [code for code, _ in found] == [3] * len(environs)


def test_every_mark_of_pytest_is_refused_at_a_terminal(shop: Project, abroad: Server) -> None:
    environs = [{name: "1"} for name in PYTEST_MARKERS]
    with refusals(shop, abroad, *["E-TEST-PIN"] * len(environs)):
        found = _at_a_terminal(shop, environs)

    assert [code for code, _ in found] == [3] * len(environs)


@pytest.mark.parametrize("environ", [{"CI": "false", "REPL_ID": "x", "CURSOR_TRACE_ID": "x", "OR_APP_NAME": "x"}])
def test_what_people_have_set_marks_nobody(shop: Project, environ: dict[str, str]) -> None:
    done = shop.prod("seed --tier=prod", **environ)

    assert done.code == 0, done.out


def test_yes_on_the_command_line_answers_no_question_of_prod(shop: Project, abroad: Server) -> None:
    with refusals(shop, abroad, "E-NOT-CONFIRMED"):
        done = shop.terminal("reset --tier=prod --yes", "\n", **ARMED)

    assert (done.code, YES in done.out) == (4, True)


def test_the_flag_is_needed_and_counts_from_the_real_environment_only(shop: Project, abroad: Server) -> None:
    path = shop.file(".env", "USE_PROD_DATABASE=true\n")
    path.chmod(0o600)
    with refusals(shop, abroad, "E-NOT-ARMED", "E-NOT-ARMED", "E-NOT-ARMED"):
        codes = [
            shop.terminal("seed --tier=prod").code,
            shop.terminal("seed --tier=production", USE_PROD_DATABASE="false").code,
            shop.terminal("seed --tier=live", INVOKE_USE_PROD_DATABASE="true").code,
        ]
    path.unlink()

    assert codes == [3, 3, 3]
    assert shop.prod("seed").code == 0  # the flag alone names the tier


def test_a_test_run_is_refused_prod_in_the_process_and_in_its_children(shop: Project, abroad: Server) -> None:
    shop.file(
        "tests/test_prod_is_out_of_reach.py",
        "import subprocess, sys\n\n"
        "def test_child():\n"
        "    done = subprocess.run([sys.executable, '-m', 'invoke', 'seed', '--tier=prod'], capture_output=True)\n"
        "    print(done.stderr.decode())\n"
        "    assert done.returncode == 3\n",
    )
    before = abroad.dump("goods_prod")
    done = shop.run([*outside.PYTEST, "-q", "-rP", "-p", "no:cacheprovider", "tests"], **ARMED)

    assert done.code == 0, done.text
    assert "1 passed" in done.out
    assert [entry for entry in shop.trail() if entry["tier"] == "prod"][-1]["outcome"] == "E-TEST-PIN"
    assert abroad.dump("goods_prod") == before


# What is let through without a person


def test_plans_and_looks_need_the_flag_and_nobody(shop: Project, abroad: Server) -> None:
    before = shop.trail()
    with nothing_changes(abroad, "goods_prod"):
        agent = shop.invoke("reset --tier=prod --dry-run --format=json", **ARMED, CLAUDECODE="1")
        status = shop.invoke("status --format=json", **ARMED, CI="true")
        blind = shop.invoke("status --format=json")

    assert (agent.code, status.code, blind.code) == (0, 0, 0), agent.text + status.text
    assert said(agent)["verdict"].startswith("would be refused (E-AGENT)")
    rows = {row["tier"]: row for row in said(status)["tiers"]}
    assert (rows["prod"]["stamp"], rows["prod"]["pending"]) == ("ok", 0)
    assert {row["tier"]: row["asked"] for row in said(blind)["tiers"]} == {"int": True, "stg": True, "prod": False}
    assert shop.trail() == before


def test_the_shell_on_prod_reads_only(shop: Project, abroad: Server) -> None:
    with nothing_changes(abroad, "goods_prod"), shop.screen([*INVOKE, "shell", "--tier=prod"], **ARMED) as screen:
        screen.answer("yes\n")
        screen.answer(phrase)
        screen.wait_for("goods_prod=> ")
        screen.child.send("DELETE FROM people;\n")
        shown = screen.wait_for("read-only transaction", "DELETE 30")
        screen.child.send("\\q\n")
        done = screen.end()

    assert "cannot execute DELETE in a read-only transaction" in shown
    assert done.code == 0


def test_a_command_that_may_write_to_prod_asks_twice_and_gets_the_url(shop: Project) -> None:
    code = "import dbtasks; print('TIER', dbtasks.current_tier().name, dbtasks.database_url()[-10:])"
    with shop.screen([*INVOKE, "run", "--tier=prod", "--", sys.executable, "-c", code], **ARMED) as screen:
        screen.answer("yes\n")
        screen.answer(phrase)
        done = screen.end()

    assert (done.code, "TIER prod goods_prod" in done.out) == (0, True), done.out


def test_a_clouds_only_database_is_adopted_migrated_and_seeded_and_never_replaced(
    shop: Project, abroad: Server
) -> None:
    abroad.role("tenant")
    abroad.sql("GRANT CREATE, TEMPORARY ON DATABASE postgres TO tenant")
    abroad.sql("GRANT ALL ON SCHEMA public TO tenant", "postgres")
    url = {"database_url": abroad.url("postgres", "tenant")}

    done = [shop.prod(f"{words} --tier=prod", **url) for words in ("adopt", "migrate", "seed")]
    reset = shop.terminal("reset --tier=prod", **ARMED, **url)

    assert [each.code for each in done] == [0, 0, 0], done
    assert (reset.code, "E-NO-WAY-BACK" in reset.out) == (3, True), reset.out
    assert abroad.sql("SELECT count(*) FROM people", "postgres") == [2]


def test_a_managed_runtime_gets_its_own_url_without_a_question_and_nobody_else_does(
    shop: Project, abroad: Server
) -> None:
    abroad.role("runtime")
    code = "import dbtasks; print(dbtasks.database_url().split('@')[0].split(':')[1])"
    runtime = {"RENDER": "true", "database_runtime_url": abroad.url("goods_prod", "runtime")}
    script = [sys.executable, "-c", code]

    let_in = shop.run(script, **runtime)
    others = [shop.run(script, **{**runtime, **mark}) for mark in ({"CI": "1"}, {"CLAUDECODE": "1"}, {"RENDER": "no"})]
    writes = shop.invoke("seed --tier=prod", **runtime)

    assert (let_in.code, let_in.out.strip()) == (0, "//runtime"), let_in.text
    assert all("runtime" not in each.out for each in others)
    assert writes.code == 3, writes.text
