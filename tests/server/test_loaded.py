"""Commands and workers that are forked from a process with their libraries find what others find, who load them."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from tests.outside import REPOSITORY
from tests.server.road import INVOKE, Project, project

WORKER = REPOSITORY / "dbtasks" / "migrations" / "worker.py"
TELL = """
import json, os, signal, sys

def tell():
    files = [name for name in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{name}")]
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE, signal.SIGCHLD)
    return json.dumps({
        "words": sys.argv, "path": sys.path, "flags": list(sys.flags), "main": sys.modules["__main__"].__file__,
        "environ": {name: value for name, value in os.environ.items() if "://" not in value},
        "variables": sorted(os.environ), "folder": os.getcwd(), "terminal": os.isatty(0),
        "files": sorted(each for each in files if int(each) < 200), "umask": os.umask(0o077),
        "heeds": [str(signal.getsignal(each)) for each in signals], "leads": os.getsid(0) == os.getpid(),
        "mask": str(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
        "encodings": [each.encoding for each in (sys.stdin, sys.stdout, sys.stderr)],
    })
"""
TASKS = f"""
from dbtasks.invoke_tasks import namespace

ns = namespace()
{TELL}
print(tell())
print("and this", file=sys.stderr)
sys.exit(sys.stdin.read() or 7)
"""
REVISION = f"""
{TELL}
with open("told", "w") as file:
    file.write(tell())
print("its last words", flush=True)
os._exit(5)
"""


def test_a_forked_command_begins_and_ends_as_one_that_loads_everything_itself() -> None:
    with project(**{"tasks.py": TASKS}) as made:
        environ = made.environ(MORE="of its own", TERM=None)
        alone = subprocess.run(
            [*INVOKE, "--list"],
            cwd=made.root,
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        forked = made.invoke("--list", MORE="of its own", TERM=None)

    assert json.loads(forked.out) == json.loads(alone.stdout)
    assert (forked.code, forked.err) == (alone.returncode, alone.stderr) == (7, "and this\n")


def test_a_forked_command_at_a_terminal_begins_and_ends_as_one_that_loads_everything_itself() -> None:
    asks = TASKS.replace("sys.stdin.read()", "input('to go on: ') + open('/dev/tty').name")
    with project(**{"tasks.py": asks}) as made:
        with made.screen([*INVOKE, "--list"], TERM=None) as screen:
            screen.answer("an answer\n")
            alone = screen.end()
        forked = made.terminal("--list", "an answer\n", TERM=None)

    assert forked == alone
    assert (forked.code, '"terminal": true' in forked.out, "an answer" in forked.out) == (1, True, True)


def told(made: Project, said: str) -> Any:
    """Return what the worker of a command wrote down, whose end the command has told."""
    assert "the worker ended without a word (exit status 5): its last words" in said
    path = made.root / "told"
    text = path.read_text(encoding="utf-8")
    path.unlink()
    return json.loads(text)


def test_a_forked_worker_begins_and_ends_as_one_that_loads_everything_itself() -> None:
    with project() as made:
        made.revision("r1", REVISION)
        forked = told(made, made.invoke("reset", TERM=None).err)
        alone = told(made, made.start("reset", TERM=None).communicate(timeout=60)[0])

    assert forked == alone
    assert forked["words"] == [str(WORKER)]
