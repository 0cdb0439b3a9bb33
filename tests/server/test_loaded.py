"""A command that is forked from a process with its libraries finds what one finds that loads them itself."""

from __future__ import annotations

import json
import subprocess

from tests.server.road import INVOKE, project

TELLS = """
import json, os, signal, sys
from dbtasks.invoke_tasks import namespace

ns = namespace()
names = [name for name in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{name}")]
told = {
    "words": sys.argv, "path": sys.path, "flags": list(sys.flags), "main": sys.modules["__main__"].__file__,
    "environ": dict(os.environ), "folder": os.getcwd(), "files": sorted(names), "terminal": os.isatty(0),
    "heeds": [str(signal.getsignal(each)) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE, signal.SIGCHLD)],
    "mask": str(signal.pthread_sigmask(signal.SIG_BLOCK, [])), "umask": os.umask(0o077),
    "encodings": [each.encoding for each in (sys.stdin, sys.stdout, sys.stderr)], "read": sys.stdin.read(),
}
print(json.dumps(told))
print("and this", file=sys.stderr)
sys.exit(7)
"""


def test_a_forked_command_begins_and_ends_as_one_that_loads_everything_itself() -> None:
    with project(**{"tasks.py": TELLS}) as made:
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
