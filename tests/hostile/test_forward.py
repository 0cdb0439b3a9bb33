"""The same text, before and after somebody led its port to another server."""

from __future__ import annotations

import os
from pathlib import Path

from attempts import attempt


def test_the_text_stays_and_the_server_changes() -> None:
    attempt("before")
    attempt("before, once more")
    Path(os.environ["LEADS_TO"]).write_text(os.environ["OTHER_PORT"])
    attempt("after")
