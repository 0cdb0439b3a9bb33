"""Where a password comes from that no variable holds: a file, or a command that is asked when it is needed."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.server.abroad import abroad as abroad
from tests.server.road import PASSWORD, Project, Server

TELL = """import pathlib, sys
pathlib.Path("asked").open("a").write("x")
{act}
"""


@pytest.fixture
def shop(abroad: Server, tmp_path: Path) -> Iterator[Project]:
    for name in ("creds_int", "creds_stg"):
        abroad.sql(f"CREATE DATABASE {name}")
    project = Project(root=tmp_path / "shop", name="creds").write()
    project.urls["test_database_url"] = abroad.url("creds_int")
    yield project
    for name in abroad.sql("SELECT datname FROM pg_database WHERE datname LIKE '%creds%'"):
        abroad.sql(f'DROP DATABASE "{name}" WITH (FORCE)')


def tell(shop: Project, act: str) -> None:
    shop.file("tell.py", TELL.format(act=act))
    command = json.dumps([sys.executable, "tell.py"])
    shop.edit(
        "config/tiers.yaml", "    url: stg_database_url\n", f"    url: stg_database_url\n    credential: {command}\n"
    )


def test_a_command_tells_the_password_when_it_is_needed_and_nothing_keeps_it(abroad: Server, shop: Project) -> None:
    tell(shop, f"print({PASSWORD!r})")
    shop.urls["stg_database_url"] = abroad.url("creds_stg").replace(f":{quote(PASSWORD, safe='')}@", "@")
    built = shop.invoke("reset")
    asked = shop.root / "asked"

    assert built.code == 0, built.text
    assert not asked.exists()
    done = shop.invoke("migrate --tier=stg")
    assert done.code == 0, done.text
    assert asked.read_text() == "x"
    ran = shop.invoke("run --tier=stg -- printenv PGPASSWORD")
    assert ran.out.strip() == PASSWORD
    files = [path for path in shop.root.rglob("*") if path.is_file() and path.name != "tell.py"]
    assert [path for path in files if PASSWORD.encode() in path.read_bytes()] == []


@pytest.mark.parametrize(
    ("act", "said"),
    [
        ("print('hunter2-vault'); sys.exit('no such secret: hunter2-vault')", "ended with 1: no such secret: ***"),
        ("print()", "wrote no single line that could be a password"),
        ("print('one\\ntwo')", "wrote no single line that could be a password"),
        ("sys.stdout.buffer.write(b'\\xff')", "wrote what is no text"),
    ],
    ids=["fails", "empty", "two lines", "no text"],
)
def test_a_command_that_tells_no_password_ends_in_one_sentence(
    abroad: Server, shop: Project, act: str, said: str
) -> None:
    tell(shop, act)
    shop.urls["stg_database_url"] = abroad.url("creds_stg").replace(f":{quote(PASSWORD, safe='')}@", "@")
    done = shop.invoke("seed --tier=stg")

    assert (done.code, "Traceback" in done.text) == (1, False), done.text
    assert "[STG] got no password from its credential command: " in done.err
    assert said in done.err
    assert "hunter2" not in done.text


def test_a_url_in_a_file_leads_there_and_no_child_learns_of_the_file(abroad: Server, shop: Project) -> None:
    secret = shop.root / "secret"
    secret.write_text(abroad.url("creds_stg") + "\n")
    built = [shop.invoke(words, stg_database_url_FILE=str(secret)) for words in ("reset", "migrate --tier=stg")]
    shown = shop.invoke("run --tier=stg -- env", STG_DATABASE_URL_FILE=str(secret))
    gone = shop.invoke("seed --tier=stg", STG_DATABASE_URL_FILE=str(shop.root / "nowhere"))

    assert [done.code for done in built] == [0, 0], built[-1].text
    assert "_FILE=" not in shown.out
    assert gone.code == 2, gone.text
    assert "STG_DATABASE_URL_FILE: the file that it names cannot be read: No such file or directory." in gone.err
    assert PASSWORD not in gone.text
