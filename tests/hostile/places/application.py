"""An application that takes its URL from `.env`, whatever the environment says."""

from __future__ import annotations

import os
from pathlib import Path

import psycopg
from dotenv import load_dotenv
from tricks import Way, tell, write_down


def start() -> None:
    load_dotenv(Path(__file__).parents[2] / ".env", override=True)
    write_down("application", os.environ["ENV_FILE_LEADS_TO"], Way(name="application", run=_connect))


def _connect(_url: str) -> str:
    return tell(psycopg.connect(os.environ["STG_DATABASE_URL"]))
