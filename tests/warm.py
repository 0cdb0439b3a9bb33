"""What a run of these tests would otherwise compile again in each of the hundreds of processes that it starts.

pip compiles what it installs, but neither the folder that an editable install leads to nor what pytest rewrites of its
plugins' modules; and where PYTHONDONTWRITEBYTECODE is set, no process leaves it to the next one.
"""

from __future__ import annotations

import compileall
import subprocess
import sys
import tempfile

from tests import outside


def up() -> None:
    """Compile this project, and have a pytest that runs nothing leave the plugins that it loads."""
    compiled("dbtasks")
    environ = outside.environment()
    environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory(prefix="dbtasks-warm-") as empty:
        subprocess.run(
            [sys.executable, "-m", "pytest", "-q"],
            cwd=empty,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )


def compiled(*folders: str) -> None:
    """Compile what is in these folders of the repository."""
    for folder in folders:
        compileall.compile_dir(outside.REPOSITORY / folder, quiet=2)  # a read-only cache only costs time
