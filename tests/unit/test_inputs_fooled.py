"""Random programs, random changes between two runs: where nothing is said to have changed, nothing has."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dbtasks.inputs import changed
from tests.fooling.mutations import MUTATIONS, Mutation, make
from tests.fooling.programs import LINES, program
from tests.fooling.recording import Recording, recording, remembered

EXAMPLES = int(os.environ.get("FOOLED_EXAMPLES", "60"))
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None


@pytest.fixture(scope="module")
def stage() -> Iterator[Recording]:
    with recording() as running:
        yield running


def environment() -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": "/", "FEATURE_A": "on", "MODE": "1"}


@given(lines=st.lists(LINES, min_size=1, max_size=4), mutations=st.lists(MUTATIONS, min_size=1, max_size=4))
@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
def test_where_nothing_has_changed_the_program_reads_the_same(
    stage: Recording, lines: list[str], mutations: list[Mutation]
) -> None:
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        root = Path(folder, "project")
        environ = environment()
        make(root)
        (root / "env.py").write_text(program(lines))
        before, seen = stage.run(root, "env.py", environ)
        record = remembered(seen, environ)
        for mutation in mutations:
            mutation(root, environ)
            if changed(record, root, environ) is not None:
                break
            assert stage.run_again(root, "env.py", environ) == before
