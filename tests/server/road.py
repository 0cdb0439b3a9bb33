"""A project of three revisions and four rows, and the ways in which people, scripts and attackers run its commands.

Every command is a real process outside of the test run: see `tests/outside.py`. What nobody starts in the
background is forked from one that has loaded its libraries: see `tests/loaded.py`.
"""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pexpect
import pyrage

from dbtasks.programs import find_client
from tests import loaded, outside
from tests.outside import REPOSITORY, Finished
from tests.sessions import Session
from tests.typed import Typed

SECONDS = 60
QUESTIONS = (
    "confirm production access: ",
    "to run exactly this plan: ",
    "to approve exactly this plan: ",
    "to go on: ",
)
KEYS = "  recipients: [config/backup_keys.pub]\n  identity: backup_identity"
PASSWORD = "p@s%w:r /d#1"  # everything that a URL, a key=value string or a shell takes for something else

ENV_PY = """
import os
from alembic import context
from sqlalchemy import create_engine, pool

url = os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+psycopg://")
engine = create_engine(url, poolclass=pool.NullPool)
with engine.connect() as connection:
    context.configure(connection=connection, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
"""

REVISION = '''"""{message}"""
import os, sys, time
from alembic import op

revision = {id!r}
down_revision = {down!r}


def upgrade():
{body}
'''

FILES = {
    "tasks.py": "from dbtasks.invoke_tasks import namespace\n\nns = namespace()\n",
    "alembic.ini": "[alembic]\nscript_location = %(here)s/migrations\n",
    "migrations/env.py": ENV_PY,
    "seeds/reference/people.csv": "id,name\n1,anna\n2,ben\n",
    "seeds/demo/lessons.csv": "id,teacher,title\n1,1,Piano\n2,2,Cello\n",
}
REVISIONS = {
    "r1": "op.execute('CREATE TABLE people (id int PRIMARY KEY, name text NOT NULL UNIQUE)')",
    "r2": "op.execute('CREATE TABLE lessons (id int PRIMARY KEY, teacher int NOT NULL REFERENCES people,"
    " title text NOT NULL CHECK (length(title) > 2))')",
    "r3": "op.execute('CREATE INDEX lessons_by_teacher ON lessons (teacher)')",
}


@dataclass(slots=True, kw_only=True)
class Project:
    """A project in a folder of its own. `urls` are the variables that every command of it sees."""

    root: Path
    name: str = "small"
    urls: dict[str, str] = field(default_factory=dict)
    seconds: int = SECONDS

    def write(self, *, revisions: Mapping[str, str] | None = None, files: Mapping[str, str] | None = None) -> Project:
        """Write the project's files; `files` go over the usual ones."""
        settings = (REPOSITORY / "config" / "tiers.yaml").read_text(encoding="utf-8")
        tiers = re.sub(r"(?m)^project: .*", f"project: {self.name}", settings)
        # Each reset does all its steps, and nothing goes on in the background; the tests of the stock turn it on.
        tiers = tiers.replace("by_hand: false", "by_hand: true").replace("most: 8 databases", "most: 0 databases")
        for path, text in {"config/tiers.yaml": tiers, **FILES, **(files or {})}.items():
            self.file(path, text)
        for id_, body in (REVISIONS if revisions is None else revisions).items():
            self.revision(id_, body)
        return self

    def file(self, path: str, text: str) -> Path:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        return target

    def edit(self, path: str, old: str, new: str) -> None:
        text = (self.root / path).read_text(encoding="utf-8")
        assert old in text, f"{path} does not hold {old!r}"
        self.file(path, text.replace(old, new))

    def revision(self, id_: str, body: str) -> Path:
        """Write revision `r<n>`, which follows `r<n - 1>`."""
        number = int(id_[1:])
        down = f"r{number - 1}" if number > 1 else None
        lines = textwrap.indent(textwrap.dedent(body).strip() or "pass", "    ")
        text = REVISION.format(message=f"revision {id_}", id=id_, down=down, body=lines)
        return self.file(f"migrations/versions/{id_}.py", text)

    def environ(self, **more: str | None) -> dict[str, str]:
        """Return the environment of a command; `None` takes a variable away."""
        everything = {**self._usual(), **self.urls, **more}
        return {name: value for name, value in everything.items() if value is not None}

    @staticmethod
    def _usual() -> dict[str, str]:
        return {**outside.environment(), "PYTHONPATH": str(REPOSITORY)}

    def with_keys(self) -> Project:
        """Let two people open the backups, one of them the person who types: PROD loses nothing without."""
        keys = [pyrage.x25519.Identity.generate() for _ in range(2)]
        self.file("config/backup_keys.pub", "".join(f"{key.to_public()}\n" for key in keys))
        self.urls["backup_identity"] = str(self.file("backup.key", f"{keys[0]}\n"))
        self.edit("config/tiers.yaml", "\nbackups:\n", f"\nbackups:\n{KEYS}\n")
        return self

    # Commands

    def invoke(self, words: str, *, given: str | None = None, **environ: str | None) -> Finished:
        """Run `invoke` as a script does: no terminal; `given` comes in through a pipe."""
        return self.run([*INVOKE, *words.split()], given=given, **environ)

    def run(self, command: Sequence[str], *, given: str | None = None, **environ: str | None) -> Finished:
        env = self.environ(**environ)
        if given is None and tuple(command[:3]) == INVOKE and (ready := loaded.held(env, self._usual())):
            code, out, err = loaded.run(ready, command[3:], self.root, env, self.seconds)
            return Finished(code=code, out=out, err=err)
        stdin: dict[str, Any] = {"stdin": subprocess.DEVNULL} if given is None else {"input": given}
        done = subprocess.run(
            list(command),
            cwd=self.root,
            env=env,
            capture_output=True,
            text=True,
            timeout=self.seconds,
            check=False,
            **stdin,
        )
        return Finished(code=done.returncode, out=done.stdout, err=done.stderr)

    def shell(self, line: str, **environ: str | None) -> Finished:
        """Run a line of shell; `invoke` is on its PATH."""
        return self.run(["/bin/sh", "-c", line], **environ)

    def start(self, words: str, **environ: str | None) -> subprocess.Popen[str]:
        """Start `invoke` and return at once; with a process group of its own, as a shell gives to a job."""
        return subprocess.Popen(
            [*INVOKE, *words.split()],
            cwd=self.root,
            env=self.environ(**environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            process_group=0,
        )

    def terminal(self, words: str, *answers: Answer, **environ: str | None) -> Finished:
        """Run `invoke` at a terminal, typing each answer at its question."""
        env = self.environ(**environ)
        ready = loaded.held(env, self._usual())
        if ready is None:
            screen = self.screen([*INVOKE, *words.split()], **environ)
        else:
            screen = Screen(Typed(ready, words.split(), self.root, env, self.seconds))
        with screen:
            for answer in answers:
                screen.answer(answer)
            return screen.end()

    def screen(self, command: Sequence[str], **environ: str | None) -> Screen:
        child = pexpect.spawn(
            command[0],
            list(command[1:]),
            cwd=str(self.root),
            env=self.environ(**environ),  # a mapping is what os.execvpe takes
            encoding="utf-8",
            timeout=self.seconds,
            dimensions=(50, 250),
        )
        return Screen(child)

    def prod(self, words: str, **environ: str | None) -> Finished:
        """Run a PROD command at a terminal, as the person who means it."""
        return self.terminal(words, "yes\n", phrase, USE_PROD_DATABASE="true", **environ)

    # What happened

    def trail(self) -> list[dict[str, Any]]:
        path = self.root / "logs" / "database_audit.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return [json.loads(line) for line in lines]

    def last_entry(self) -> dict[str, Any]:
        return self.trail()[-1]

    def errors(self) -> list[Path]:
        return sorted((self.root / "logs").glob("dbtasks-error-*"))

    def stop(self) -> None:
        outside.Sandbox(root=self.root).stop()

    def server_url(self, tier: str, database: str) -> str:
        """Return the URL of a database on a tier's embedded server, as `invoke run` hands the tier's own out."""
        show = "import os; print(os.environ['DBTASKS_HANDED_URL'])"
        done = self.run([*INVOKE, "run", f"--tier={tier}", "--", sys.executable, "-c", show])
        assert done.code == 0, done.text
        base, _, own = done.out.strip().rpartition("/")
        assert own == f"{self.name}_{tier}"
        return f"{base}/{database}"


@contextmanager
def project(name: str = "small", **files: str) -> Iterator[Project]:
    """Make a project; nothing of it and its servers is left afterwards."""
    memory = Path("/dev/shm")  # where it is there, fsync costs the durable server nothing
    base = Path(tempfile.mkdtemp(prefix="dbtasks-road-", dir=memory if memory.is_dir() else None))
    base.chmod(0o755)  # every account may enter: as root the servers run under another
    root = base / "project"
    root.mkdir()
    made = Project(root=root, name=name)
    try:
        yield made.write(files=files)
    finally:
        made.stop()
        shutil.rmtree(base)


INVOKE = (sys.executable, "-m", "invoke")
Answer = str | Callable[[str], str]


class Screen:
    """A command at a pseudo-terminal."""

    def __init__(self, child: Any) -> None:
        self.child = child
        self.shown = ""

    def __enter__(self) -> Screen:
        return self

    def __exit__(self, *_: object) -> None:
        self.child.close(force=True)

    def wait_for(self, *texts: str) -> str:
        """Return what has been shown up to and with one of these texts."""
        self.child.expect_exact(list(texts))
        self.shown += self.child.before + self.child.after
        return self.shown

    def answer(self, answer: Answer) -> None:
        """Type at the next question."""
        shown = self.wait_for(*QUESTIONS)
        self.child.send(answer(shown) if callable(answer) else answer)

    def end(self) -> Finished:
        """Return the whole screen and the exit code, once the command has ended."""
        self.child.expect(pexpect.EOF)
        self.shown += self.child.before
        self.child.close()
        code = self.child.exitstatus
        return Finished(code=-(self.child.signalstatus or 0) if code is None else code, out=self.shown)


def phrase(shown: str) -> str:
    """Return what the last question wants to be typed, with the line's end."""
    plan = re.findall(r"Type (\S+ [0-9a-f]{4}) to run exactly this plan:", shown)
    return f"{plan[-1] if plan else asked_name(shown)}\n"


def asked_name(shown: str) -> str:
    """Return the database whose name is asked for."""
    found = re.findall(r"\[[A-Z]+\] (\S+)\? Type its name to go on:", shown)
    assert found, shown
    return str(found[-1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A PostgreSQL that is not dbtasks' own. `boss` is its superuser."""

    port: int
    folder: Path
    bindir: Path
    boss: str = "boss"

    def url(self, database: str, role: str | None = None, password: str = PASSWORD) -> str:
        return f"postgresql://{role or self.boss}:{quote(password, safe='')}@127.0.0.1:{self.port}/{database}"

    def connect(self, database: str = "postgres", role: str | None = None) -> Session:
        return outside.connect(self.url(database, role), autocommit=True)

    def sql(self, statement: str, database: str = "postgres", role: str | None = None) -> list[Any]:
        """Run one statement and return its rows, single columns as plain values."""
        with self.connect(database, role) as connection:
            rows = connection.execute(statement).rows or []
        return [row[0] if len(row) == 1 else row for row in rows]

    def role(self, name: str, *attributes: str) -> str:
        """Make a role that logs in with the usual password, and return its name."""
        words = " ".join(attributes)
        self.sql(f"CREATE ROLE \"{name}\" LOGIN PASSWORD '{PASSWORD}' {words}")
        return name

    def database(self, name: str, owner: str | None = None) -> str:
        self.sql(f'CREATE DATABASE "{name}"' + (f' OWNER "{owner}"' if owner else ""))
        return name

    def databases(self) -> set[str]:
        return set(self.sql("SELECT datname FROM pg_database"))

    def dump(self, database: str, *options: str) -> str:
        return dump(self.url(database), *options)


def dump(url: str, *options: str) -> str:
    """Return everything that a database holds, as pg_dump writes it."""
    with outside.connect(url) as connection:
        major, *written = connection.execute(_WRITTEN).fetchone() or (0,)
    known = _dumps.get((url, options))
    if known is None or None in written or known[0] != written:
        known = _dumps[url, options] = (written, _dump(url, int(major), options))
    return known[1]


# Where the log of what a server writes has not moved on, nothing was written, and the last dump tells what is there.
# A standby writes none of its own. A server that crashed may have lost the end of it, and makes a checkpoint then.
# And a sequence that gives out a value writes so for the next ones, too.
_WRITTEN = """
SELECT current_setting('server_version_num')::int / 10000, system_identifier, checkpoint_lsn,
       CASE WHEN NOT pg_is_in_recovery() THEN pg_current_wal_insert_lsn() END,
       (SELECT coalesce(sum(last_value), 0) FROM pg_sequences)
  FROM pg_control_system(), pg_control_checkpoint()
"""
_dumps: dict[tuple[str, tuple[str, ...]], tuple[list[Any], str]] = {}
_client = functools.cache(find_client)


def _dump(url: str, major: int, options: Sequence[str]) -> str:
    command = [str(_client("pg_dump", major)), "--create", "--no-sync", *options, "--dbname", url]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={"PATH": os.defpath})
    # The key of these two lines is drawn anew for each dump.
    return re.sub(r"(?m)^\\(un)?restrict .*\n", "", done.stdout)


def contents(url: str) -> str:
    """Return what the application's own schemas hold."""
    return dump(url, "--exclude-schema=dbtasks")


def without_sequences(text: str) -> str:
    """Leave out where sequences stand: after a replay they are up to 32 numbers ahead, as after a crash."""
    return re.sub(r"(?m)^SELECT pg_catalog.setval.*$", "", text)


def as_postgres(command: Sequence[str], **more: Any) -> subprocess.CompletedProcess[str]:
    """Run one of PostgreSQL's programs, which refuse root."""
    user: dict[str, Any] = {}
    if os.geteuid() == 0:
        user = {"user": "postgres", "group": "postgres", "extra_groups": []}
    return subprocess.run(list(command), check=True, text=True, stdout=subprocess.DEVNULL, cwd="/", **user, **more)


def own(path: Path) -> Path:
    """Give a folder to the user who runs PostgreSQL's programs here."""
    if os.geteuid() == 0:
        shutil.chown(path, "postgres", "postgres")
    return path


def _in_use(server: Server) -> set[str]:
    """What was replaced is kept, and cleared away, apart from what a command does."""
    return {name for name in server.databases() if not name.endswith("_old")}


@contextmanager
def nothing_changes(server: Server, *names: str) -> Iterator[None]:
    """Hold the block to leaving these databases, and the list of all, as they are."""
    before, databases = [server.dump(name) for name in names], _in_use(server)
    yield
    assert _in_use(server) == databases
    assert [server.dump(name) for name in names] == before


def until(condition: Callable[[], Any], *, seconds: float = 20, what: str = "") -> Any:
    """Return the first true value of a condition, asked again and again."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"did not come to be within {seconds} s: {what or condition}")


def kill_group(process: subprocess.Popen[Any]) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def said(done: Finished) -> Any:
    """Return the JSON document that a command wrote to standard output, which holds nothing else."""
    return json.loads(done.out)
