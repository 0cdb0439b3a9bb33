"""What goes wrong in daily life: what is said, with which exit code, and that nothing is left half done."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests import outside
from tests.outside import Finished
from tests.server.abroad import abroad as abroad
from tests.server.abroad import free_port
from tests.server.road import (
    INVOKE,
    PASSWORD,
    Project,
    Server,
    nothing_changes,
    project,
    said,
    until,
)

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def team(abroad: Server) -> Iterator[Project]:
    abroad.role("careless", "CREATEDB")
    with project("bad") as made:
        made.urls = {
            "test_database_url": abroad.url("bad_int", "careless"),
            "stg_database_url": abroad.url("bad_stg", "careless"),
        }
        for tier in ("int", "stg"):
            done = made.invoke(f"reset --tier={tier}")
            assert done.code == 0, done.text
        yield made


@pytest.fixture
def whole(team: Project, abroad: Server) -> Iterator[Project]:
    """The project, whose databases must be the same before and after."""
    with nothing_changes(abroad, "bad_int", "bad_stg"):
        yield team


@contextmanager
def edited(team: Project, path: str, change: Callable[[str], str]) -> Iterator[None]:
    """Change a file of the project for the block."""
    file = team.root / path
    before = file.read_text(encoding="utf-8") if file.exists() else None
    team.file(path, change(before or ""))
    try:
        yield
    finally:
        file.unlink() if before is None else file.write_text(before, encoding="utf-8")


# Settings and variables


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("  stg:\n", "  stg:\n\t", "config/tiers.yaml:"),
        ("default: int", "default: [int", "config/tiers.yaml:"),
        ("default: int", "default: int\ndefault: stg", "config/tiers.yaml:"),
        ("    label: STG", "    lable: STG", "tiers.stg.lable: unknown key. Did you mean label?"),
        ("default: int", "default: integer", "config/tiers.yaml:"),
        ("    after: int", "    after: prod", "config/tiers.yaml:"),
        ("    may_lose: asked", "    may_lose: no", "config/tiers.yaml:"),
        ("    retention: 7 days", "    retention: 05432", "config/tiers.yaml:"),
    ],
    ids=["tab", "open bracket", "duplicate key", "near key", "unknown default", "cycle", "boolean", "octal"],
)
def test_mistakes_in_the_settings_are_told_with_their_line_and_nothing_is_contacted(
    whole: Project, old: str, new: str, text: str
) -> None:
    before = whole.trail()
    with edited(whole, "config/tiers.yaml", lambda settings: settings.replace(old, new, 1)):
        done = whole.invoke("reset --tier=int --format=json")

    assert done.code == 2, done.text
    assert re.search(r"config/tiers\.yaml:\d+", done.err)
    assert text in done.err
    assert "Nothing was contacted." in done.err
    assert said(done)["error"]["exit_code"] == 2
    assert whole.trail() == before


@pytest.mark.parametrize(
    ("words", "environ", "sentence"),
    [
        ("seed --tier=int", {}, "INT database URL not configured. Set test_database_url in the environment or in .env"),
        ("seed --tier=stg", {}, "STG database URL not configured. Set stg_database_url in the environment or in .env"),
        ("seed --tier=stg", {"stg_database_url": ""}, "STG database URL not configured."),
        (
            "seed --tier=prod --dry-run",
            {"USE_PROD_DATABASE": "true"},
            "PROD database URL not configured. Set database_url in the environment, then run: invoke check",
        ),
    ],
    ids=["INT", "STG", "empty", "PROD"],
)
def test_a_missing_variable_is_named_in_the_known_words(
    whole: Project, words: str, environ: dict[str, str], sentence: str
) -> None:
    nothing = dict.fromkeys(whole.urls)
    with edited(whole, "config/tiers.yaml", lambda text: re.sub(r"embedded: \w+", "embedded: never", text)):
        done = whole.invoke(words, **{**nothing, **environ})

    assert (done.code, sentence in done.err) == (2, True), done.text


def test_two_spellings_of_a_variable_that_differ_are_refused(whole: Project, abroad: Server) -> None:
    done = whole.invoke("seed --tier=stg", STG_DATABASE_URL=abroad.url("bad_int", "careless"))

    assert (done.code, "STG_DATABASE_URL" in done.err) == (2, True), done.text
    assert PASSWORD not in done.text


# Servers


def test_an_unreachable_server_is_named_with_what_to_do(whole: Project) -> None:
    port = free_port()
    url = f"postgresql://careless:hunter2%40home@127.0.0.1:{port}/bad_stg"

    done = whole.invoke("seed --tier=stg", stg_database_url=url)
    status = whole.invoke("status", stg_database_url=url)
    check = whole.invoke("check", stg_database_url=url)

    assert done.code == 1, done.text
    assert f"[STG] postgresql://careless:***@127.0.0.1:{port}/bad_stg cannot be reached." in done.err
    assert "Start that server, or mend its URL, then: invoke check" in done.err
    assert (status.code, check.code) == (0, 2)
    assert "at head" in status.out  # INT is told all the same
    assert "hunter2" not in done.text + status.text + check.text


def test_a_wrong_password_is_said_and_never_echoed(whole: Project, abroad: Server) -> None:
    url = abroad.url("bad_stg", "careless", "tr0ub4dor &3")

    done = whole.invoke("--debug seed --tier=stg", stg_database_url=url)

    assert done.code == 1, done.text[-500:]
    assert "password authentication failed" in done.err
    assert not re.search(r"tr0ub4dor", done.text + str(whole.trail()))


def test_a_role_or_database_that_is_not_there_is_said(whole: Project, abroad: Server) -> None:
    role = whole.invoke("seed --tier=stg", stg_database_url=abroad.url("bad_stg", "ghost"))
    database = whole.invoke("seed --tier=stg", stg_database_url=abroad.url("ghost_stg", "careless"))

    assert (role.code, "cannot be reached" in role.err) == (1, True), role.text
    assert (database.code, "There is no database ghost_stg on that server" in database.err) == (3, True), database.text


# Migrations


@contextmanager
def three_more(team: Project, second: str) -> Iterator[None]:
    """Three more revisions, r4 to r6, of which the second one does this."""
    bodies = {
        "r4": "op.execute('CREATE TABLE four ()')",
        "r5": second,
        "r6": "op.execute('CREATE TABLE six ()')",
    }
    paths = [team.revision(id_, body) for id_, body in bodies.items()]
    try:
        yield
    finally:
        for path in paths:
            path.unlink()


ONLY_ON_STG = (
    # On STG itself: a rehearsal on a scratch server does not see it coming.
    "op.execute('CREATE TABLE five ()')\n"
    "if 'bad_stg' == op.get_bind().engine.url.database:\n    op.execute('SELECT 1 / 0')"
)


@pytest.mark.thorough
def test_a_migration_that_raises_half_way_says_what_stands_and_goes_on_once_mended(
    team: Project, abroad: Server
) -> None:
    with three_more(team, ONLY_ON_STG):
        assert team.invoke("migrate --tier=int").code == 0
        failed = team.invoke("migrate --tier=stg --format=json")
        tables = abroad.sql("SELECT tablename FROM pg_tables WHERE tablename IN ('four', 'five', 'six')", "bad_stg")
        entry = team.last_entry()
        status = said(team.invoke("status --tier=stg --format=json"))["tiers"][0]
        team.revision("r5", ONLY_ON_STG.replace("1 / 0", "1"))
        assert team.invoke("reset --tier=int").code == 0
        mended = team.invoke("migrate --tier=stg")

        assert failed.code == 1, failed.text
        message = said(failed)["error"]["message"]
        assert "Migration stopped at revision r5: " in message
        assert "division by zero" in message
        assert re.search(r"applied +r4\n +not applied +r5, r6", message), message
        assert tables == ["four"]
        assert (entry["outcome"], entry["detail"]["applied"]) == ("partial", ["r4"])
        assert (status["revision"], status["pending"]) == ("r4", 2)
        assert mended.code == 0, mended.text
    for words in ("reset --tier=int", "reset --tier=stg --yes"):
        assert team.invoke(words).code == 0


def test_a_reset_whose_migration_raises_keeps_the_old_database(team: Project, abroad: Server) -> None:
    with three_more(team, ONLY_ON_STG.replace("'bad_stg' ==", "'bad_stg_' in")):
        assert team.invoke("reset --tier=int").code == 0
        with nothing_changes(abroad, "bad_stg"):
            done = team.invoke("reset --tier=stg --yes")

        assert done.code == 1, done.text
        assert "Migration stopped at revision r5" in done.err
        assert team.last_entry()["outcome"] == "failed"
    assert team.invoke("reset --tier=int").code == 0


# Seeds

LESSONS, PEOPLE = "seeds/demo/lessons.csv", "seeds/demo/people"
THOROUGH = [pytest.mark.thorough]  # each rule by itself is tried in test_seeders.py, too


@pytest.mark.parametrize(
    ("path", "text", "where"),
    [
        pytest.param(path, text, where, id=rule, marks=marks)
        for rule, path, text, where, marks in (
            ("check", LESSONS, "id,teacher,title\n1,1,Piano\n2,2,Cello\n3,1,No\n", f"{LESSONS}:4", THOROUGH),
            ("foreign key", LESSONS, "id,teacher,title\n7,77,Harp\n", f"{LESSONS}:2", []),
            ("type", LESSONS, "id,teacher,title\nseven,1,Harp\n", f"{LESSONS}:2:1", THOROUGH),
            (
                "unique",
                f"{PEOPLE}.yaml",
                "- {id: 3, name: carla}\n- {id: 4, name: anna}\n",
                f"{PEOPLE}.yaml:2",
                THOROUGH,
            ),
            ("not null", f"{PEOPLE}.json", '[{"id": 5, "name": null}]', f"{PEOPLE}.json:1", THOROUGH),
            ("no such table", "seeds/demo/rooms.csv", "id\n1\n", "seeds/demo/rooms.csv", []),
        )
    ],
)
def test_a_seed_row_that_breaks_a_rule_is_named_and_nothing_is_added(
    whole: Project, path: str, text: str, where: str
) -> None:
    with edited(whole, path, lambda _: text):
        seeded = whole.invoke("seed --tier=int")
        outcome = whole.last_entry().get("outcome")
        rebuilt = whole.invoke("reset --tier=int")

    assert (seeded.code, rebuilt.code) == (1, 1), seeded.text + rebuilt.text
    assert where in seeded.err
    assert where in rebuilt.err
    assert (outcome, whole.last_entry()["outcome"]) == ("failed", "failed")


# The trail


def limited(team: Project, room_bytes: int, words: str) -> Finished:
    """Run `invoke` where no file may grow beyond the trail's present size and this much more."""
    size = (team.root / "logs" / "database_audit.jsonl").stat().st_size + room_bytes
    code = (
        f"import os, resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}));"
        "os.execv(sys.executable, sys.argv[1:])"
    )
    return team.run([sys.executable, "-c", code, *INVOKE, *words.split()])


@pytest.mark.parametrize(
    "words",
    [
        *("seed --tier=stg", "reset --tier=stg --yes"),
        *(pytest.param(words, marks=pytest.mark.thorough) for words in ("reset --tier=int", "migrate --tier=stg")),
    ],
)
def test_a_full_disk_under_the_trail_stops_everything_beforehand(whole: Project, words: str) -> None:
    before = whole.trail()

    done = limited(whole, 100, words)

    assert done.code == 1, done.text
    assert "The trail logs/database_audit.jsonl cannot be written: File too large. Nothing was done." in done.err
    assert whole.trail() == before
    assert said(whole.invoke("audit --verify --format=json"))["bad_line"] is None


def test_a_disk_that_is_full_after_the_intent_leaves_an_unfinished_run_that_is_told(team: Project) -> None:
    done = limited(team, 800, "seed --tier=int")

    entry = team.last_entry()
    assert done.code == 1, done.text
    assert entry["kind"] == "intent"
    assert f"entry {entry['entry']} will show as unfinished" in done.err
    assert "unfinished" in team.invoke("audit --tier=int").out
    assert team.invoke("audit --verify").code == 0


def test_a_full_file_system_under_the_trail_stops_everything_beforehand(whole: Project) -> None:
    logs = whole.root / "logs"
    aside = logs.rename(whole.root / "logs.aside")
    logs.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8k", "tmpfs", logs], check=False, capture_output=True)
    try:
        if mounted.returncode != 0:
            pytest.skip("no tmpfs can be mounted here")
        first = whole.invoke("seed --tier=int")
        ballast = os.open(logs / "ballast", os.O_WRONLY | os.O_CREAT)
        with contextlib.suppress(OSError):
            while os.write(ballast, b"x" * 512):
                continue
        os.close(ballast)
        second = [whole.invoke("seed --tier=int") for _ in range(4)][-1]
    finally:
        subprocess.run(["umount", logs], check=False, capture_output=True)
        logs.rmdir()
        aside.rename(logs)

    assert first.code == 0, first.text
    assert (second.code, "cannot be written: No space left on device. Nothing was done." in second.err) == (1, True)


def test_a_trail_that_may_not_be_written_stops_everything_beforehand(whole: Project) -> None:
    path = whole.root / "logs" / "database_audit.jsonl"
    path.chmod(0o444)
    before = path.read_bytes()
    command = [*INVOKE, "reset", "--tier=int"]
    if os.geteuid() == 0:  # whom no permission holds
        command = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", *command]
        path.parent.chmod(0o755)

    done = whole.run(command, HOME="/nonexistent")

    path.chmod(0o600)
    path.parent.chmod(0o700)
    if done.code in (126, 127):
        pytest.skip("nobody may run this Python, which lies in root's own folder")
    assert done.code == 1, done.text
    assert "cannot be written: Permission denied. Nothing was done." in done.err
    assert path.read_bytes() == before


def test_a_trail_behind_a_link_or_of_another_kind_stops_everything(whole: Project) -> None:
    path = whole.root / "logs" / "database_audit.jsonl"
    aside = path.rename(whole.root / "trail.aside")
    codes = []
    path.symlink_to(aside)
    codes.append(whole.invoke("seed --tier=int").code)
    path.unlink()
    path.mkdir()
    codes.append(whole.invoke("seed --tier=int").code)
    path.rmdir()
    os.mkfifo(path)
    codes.append(whole.invoke("seed --tier=int").code)
    path.unlink()
    aside.rename(path)

    assert codes == [1, 1, 1]
    assert whole.invoke("seed --tier=int").code == 0


def test_an_entry_that_was_edited_is_found_by_its_line(team: Project) -> None:
    path = team.root / "logs" / "database_audit.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(
        b"".join([*lines[:3], lines[3].replace(b"root", b"anna").replace(b'"done"', b'"fail"'), *lines[4:]])
    )

    done = team.invoke("audit --verify --format=json")

    path.write_bytes(b"".join(lines))
    assert done.code == 1, done.text
    assert "4" in done.out
    assert "The chain holds" in team.invoke("audit --verify").text


# Ctrl-C in each step of a reset


SLOW = {
    "migrate": "op.execute('SELECT pg_sleep(30)')",
    "seed": "op.execute('CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$"
    " BEGIN PERFORM pg_sleep(30); RETURN NEW; END $$')\n"
    "op.execute('CREATE TRIGGER slow BEFORE INSERT ON lessons FOR EACH ROW EXECUTE FUNCTION slow()')",
}
SLOW["verify"] = SLOW["seed"].replace("pg_sleep(30)", "pg_sleep(1)")


def interrupt(team: Project, abroad: Server, step: str) -> tuple[int, str]:
    """Start a reset of INT, interrupt it in this step, and return exit code and output."""
    started: list[subprocess.Popen[str]] = []

    def runs(pattern: str) -> Callable[[], Any]:
        query = (
            "SELECT pid FROM pg_stat_activity WHERE usename = 'careless' AND state = 'active'"
            " AND query ~* %s AND now() - query_start > '0.2s'"
        )

        def found() -> list[Any]:
            with abroad.connect() as connection:
                return connection.execute(query, [pattern]).fetchall()

        return found

    with ExitStack() as held:
        if step == "build":
            held.enter_context(abroad.connect("template1"))
        if step == "swap":
            rows = held.enter_context(outside.connect(abroad.url("dbtasks")))
            rows.execute("SELECT FROM dbtasks.registry WHERE name = 'bad_int' FOR UPDATE")
        started.append(team.start("reset --tier=int"))
        if step == "verify":
            until(runs("insert.*lessons|pg_sleep|WITH"), what="seeding")
            name = abroad.sql("SELECT name FROM dbtasks.registry WHERE kind = 'building'", "dbtasks")[0]
            other = outside.connect(abroad.url(name, "careless"))  # the command ends it with the database
            held.callback(other.close)
            other.execute("LOCK TABLE people IN SHARE UPDATE EXCLUSIVE MODE")
        pattern = {"build": "^create database", "migrate": "pg_sleep", "seed": "lessons", "verify": "^analyze"}
        until(runs(pattern.get(step, "dbtasks.registry")), what=step)
        started[0].send_signal(signal.SIGINT)
        text, _ = started[0].communicate(timeout=60)
    return started[0].returncode, text


@pytest.mark.parametrize(
    "step",
    ["migrate", "swap", *(pytest.param(step, marks=pytest.mark.thorough) for step in ("build", "seed", "verify"))],
)
def test_ctrl_c_in_a_step_of_a_reset_leaves_the_old_database_and_nothing_else(
    team: Project, abroad: Server, step: str
) -> None:
    path = team.revision("r4", SLOW.get(step, "op.execute('CREATE TABLE four ()')"))
    count = len(team.trail())
    with nothing_changes(abroad, "bad_int", "bad_stg"):
        code, text = interrupt(team, abroad, step)
    path.unlink()

    assert code == 130, text
    assert [(each["kind"], each.get("outcome")) for each in team.trail()[count:]] == [
        ("intent", None), ("result", "interrupted"),
    ]  # fmt: skip
    assert "bug" not in text
    assert abroad.sql("SELECT count(*) FROM dbtasks.registry WHERE kind = 'building'", "dbtasks") == [0]
    assert team.invoke("reset --tier=int").code == 0


def test_ctrl_c_while_seeding_or_migrating_in_place_is_told_and_whole(team: Project, abroad: Server) -> None:
    with nothing_changes(abroad, "bad_int"), outside.connect(abroad.url("bad_int")) as other:
        other.execute("LOCK TABLE people")
        run = team.start("seed --tier=int")
        until(lambda: abroad.sql("SELECT 1 FROM pg_locks WHERE NOT granted"), what="the seeding waits")
        run.send_signal(signal.SIGINT)
        text, _ = run.communicate(timeout=60)
        other.rollback()

    assert (run.returncode, team.last_entry()["outcome"]) == (130, "interrupted"), text
    path = team.revision("r4", SLOW["migrate"])
    with nothing_changes(abroad, "bad_int"):
        run = team.start("migrate --tier=int")
        until(
            lambda: abroad.sql("SELECT 1 FROM pg_stat_activity WHERE query ~ '^SELECT pg_sleep.30'"),
            what="the revision runs",
        )
        run.send_signal(signal.SIGINT)
        text, _ = run.communicate(timeout=60)
    path.unlink()
    assert (run.returncode, team.last_entry()["outcome"]) == (130, "interrupted"), text
    assert re.search(r"applied +none\n +not applied +r4", text), text


# Secrets


TALKATIVE = """
import urllib.parse
url = str(op.get_bind().engine.url.render_as_string(hide_password=False))
print("connected to", os.environ["DATABASE_URL"], url, urllib.parse.unquote(url))
sys.stderr.write(os.environ["DATABASE_URL"] + "\\n")
op.execute("SELECT pg_sleep(1)")
if "loud" in os.environ:
    raise RuntimeError("cannot use " + os.environ["DATABASE_URL"] + " " + urllib.parse.unquote(url))
"""
TASKS = """
from dbtasks.invoke_tasks import namespace
from dbtasks.team_tasks import guarded_task

@guarded_task()
def clumsy(c, connection):
    '''Fall over with the URL in the exception.'''
    import os
    raise ValueError(connection.info.dsn + " " + connection.info.password + " " + os.environ["stg_database_url"])

ns = namespace(clumsy)
"""
FORMS = (
    PASSWORD,
    "p%40s%25w%3Ar%20%2Fd%231",
    "p%40s%25w%3Ar+%2Fd%231",
    "p@s%25w:r%20/d#1",
    "p@s%w:r",
    "p%40s%25w",
    PASSWORD.replace(" ", "\\ "),
)


def test_no_password_is_shown_or_kept_anywhere(team: Project, abroad: Server) -> None:
    path = team.revision("r4", TALKATIVE)
    with edited(team, "tasks.py", lambda _: TASKS):
        heard = ArgumentsSeen(team.root)
        run = team.start("--debug reset --tier=int")
        while run.poll() is None:
            heard.look()
        texts = [run.communicate()[0]]
        clumsy = team.invoke("clumsy --tier=int")
        texts += [
            clumsy.text,
            team.invoke("--debug migrate --tier=stg").text,
            team.invoke("reset --tier=int", loud="1").text,
            team.invoke("status --format=json").text,
            team.invoke("check").text,
            team.invoke("audit --format=json").text,
            team.invoke(f"run --tier=int -- echo {abroad.url('bad_stg', 'careless').replace(' ', '%20')}").err,
            team.invoke("seed --tier=int", test_database_url=abroad.url("bad_int", "careless") + "?host=/x%zz").text,
            team.invoke("seed --tier=int", test_database_url=f"host=x password='{PASSWORD}' port=y dbname=z").text,
            team.invoke("seed", USE_STG_DATABASE=PASSWORD).text,
        ]
    path.unlink()
    assert team.invoke("reset --tier=int").code == 0
    assert team.invoke("reset --tier=stg --yes").code == 0
    kept = {file: file.read_text(encoding="utf-8") for file in (team.root / "logs").iterdir()}

    assert (clumsy.code, "This is a bug in dbtasks or in the project's own code: ValueError" in clumsy.err) == (
        1,
        True,
    )
    assert any("ValueError" in text for file, text in kept.items() if file.name.startswith("dbtasks-error"))
    assert len(heard.seen) >= 2  # the command and the worker
    everything: dict[str, str] = {"terminal": "\n".join(texts), "arguments": "\n".join(heard.seen)}
    everything |= {str(file): text for file, text in kept.items()}
    for place, text in everything.items():
        for form in FORMS:
            assert form not in text, f"{place}: {text[max(0, text.find(form) - 200) :][:400]}"
    assert "bad_int" in everything["terminal"]


class ArgumentsSeen:
    """The command lines of every process that works in this project, as anybody may read them."""

    def __init__(self, root: Path) -> None:
        self.root, self.seen = root.resolve(), set[str]()

    def look(self) -> None:
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if process.joinpath("cwd").readlink() != self.root:  # others are none of its own
                    continue
                words = process.joinpath("cmdline").read_bytes().decode(errors="replace").split("\0")
            except OSError:
                continue
            if any("invoke" in word or "worker.py" in word or "dbtasks" in word for word in words):
                self.seen.add(shlex.join(words))
