"""The environment over `.env`."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from dotenv import dotenv_values

from dbtasks.conninfo import mask
from dbtasks.errors import SettingsError
from dbtasks.settings import Settings, load
from dbtasks.tiers import Recovery, RecoveryEngine
from dbtasks.variables import Value, Variables, read_variables

PROJECT = Path(__file__).parents[2]
TIERS = """\
project: shop
migrations: {url_variables: [SQLALCHEMY_URL]}
tiers:
  int: {url: test_database_url, may_lose: everything, consent: none}
  stg: {after: int, flag: USE_STG_DATABASE, url: stg_database_url, may_lose: asked, consent: question}
  prod:
    after: stg
    flag: USE_PROD_DATABASE
    url: database_url
    runtime_url: app_database_url
    runtime: {markers: {RENDER: "true"}}
    may_lose: nothing
    consent: person
"""
URL = "postgresql://anna:{}@db-7:5432/shop_int"


@pytest.fixture
def shop(tmp_path: Path) -> Settings:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "tiers.yaml").write_text(TIERS)
    return load(tmp_path)


def write(shop: Settings, text: str | bytes, mode: int = 0o600) -> None:
    file = shop.root / ".env"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    file.chmod(mode)


def mistakes(shop: Settings, environ: dict[str, str]) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        read_variables(shop, environ)
    return [str(mistake) for mistake in caught.value.mistakes]


def test_nothing_is_set_where_nothing_is(shop: Settings) -> None:
    found = read_variables(shop, {})
    assert found == Variables(environment={}, file={})
    assert found.get("test_database_url") is None


def test_a_value_knows_where_it_was_found(shop: Settings) -> None:
    write(shop, "\n# ours\n\nexport stg_database_url='a' # note\n\n\nTEST_DATABASE_URL=b\n")
    found = read_variables(shop, {"database_url": "c"})
    assert found.get("stg_database_url") == Value(text="a", source=".env", variable="stg_database_url", line=4)
    assert found.get("test_database_url") == Value(text="b", source=".env", variable="TEST_DATABASE_URL", line=7)
    assert found.get("database_url") == Value(text="c", source="environment", variable="database_url")


@pytest.mark.parametrize("spelling", ["stg_database_url", "STG_DATABASE_URL"])
def test_the_environment_beats_the_file_in_either_spelling(spelling: str, shop: Settings) -> None:
    write(shop, "stg_database_url=from-the-file\n")
    found = read_variables(shop, {spelling: "from-the-environment"}).get("stg_database_url")
    assert found == Value(text="from-the-environment", source="environment", variable=spelling)


def test_an_empty_text_counts_as_unset(shop: Settings) -> None:
    write(shop, "stg_database_url=\ntest_database_url=b\n")
    found = read_variables(shop, {"test_database_url": "", "STG_DATABASE_URL": ""})
    assert (found.get("stg_database_url"), found.get("test_database_url")) == (
        None,
        Value(text="b", source=".env", variable="test_database_url", line=2),
    )


def test_the_two_spellings_may_agree(shop: Settings) -> None:
    found = read_variables(shop, {"database_url": "a", "DATABASE_URL": "a"})
    assert found.get("DATABASE_URL") == Value(text="a", source="environment", variable="DATABASE_URL")


def test_two_spellings_that_differ_are_refused_without_their_values(shop: Settings) -> None:
    text = "database_url and DATABASE_URL are one variable, and are set to different values. Unset one."
    assert mistakes(shop, {"database_url": URL.format("hunter2!"), "DATABASE_URL": "b"}) == [f"environment: {text}"]
    write(shop, "database_url=a\nDATABASE_URL=b\n")
    assert mistakes(shop, {}) == [f".env:2: {text}"]


def test_two_spellings_of_any_other_variable_are_refused_when_it_is_asked_for(shop: Settings) -> None:
    found = read_variables(shop, {"colour": "a", "COLOUR": "b"})
    with pytest.raises(SettingsError, match="colour and COLOUR are one variable"):
        found.get("colour")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(
            "a=1\nb=2\n\na=1\n", [".env:4: 'a' is set twice, first in line 1. Delete one."], id="twice, even if alike"
        ),
        pytest.param(
            "postgresql://anna:s3cr3t-p@ss/x?sslmode=require\n'=x\nword\n",
            [
                f".env:{line}: expected NAME=value, found something that is not shown here. Correct or delete it."
                for line in (1, 2, 3)
            ],
            id="no NAME=value",
        ),
        pytest.param(
            "a='s3cr3t-p@ss\nb=2\n",
            [".env:1: expected NAME=value, found something that is not shown here. Correct or delete it."],
            id="quote not closed",
        ),
        pytest.param(
            b"a=1\nb=caf\xe9\n", [".env:2:6: this byte is not UTF-8. Save the file as UTF-8."], id="not UTF-8"
        ),
        pytest.param(
            b"#" * 300_000, [".env: is larger than 256 kB. Keep only what belongs there."], id="larger than 256 kB"
        ),
    ],
)
def test_a_file_that_could_be_misread_is_refused(content: str | bytes, expected: list[str], shop: Settings) -> None:
    write(shop, content)
    assert mistakes(shop, {}) == expected


def test_a_link_out_of_the_project_is_refused(shop: Settings, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("elsewhere") / "env"
    outside.write_text("stg_database_url=a\n")
    (shop.root / ".env").symlink_to(outside)
    assert mistakes(shop, {}) == [".env: is a link that leads out of the project. Put the file itself there."]


def test_a_link_that_leads_nowhere_is_refused(shop: Settings) -> None:
    (shop.root / ".env").symlink_to("nowhere")
    assert mistakes(shop, {}) == [
        ".env: cannot be read (No such file or directory). Create it or correct its permissions."
    ]


def test_a_folder_is_somebody_s_virtual_environment_and_no_file_of_ours(shop: Settings) -> None:
    (shop.root / ".env").mkdir()
    assert read_variables(shop, {}) == Variables(environment={}, file={})


def test_only_the_project_s_own_file_is_read(shop: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = shop.root / "app"
    elsewhere.mkdir()
    (elsewhere / ".env").write_text("stg_database_url=a\n")
    monkeypatch.chdir(elsewhere)
    assert read_variables(shop, {}).get("stg_database_url") is None


def test_texts_are_what_python_dotenv_reads_without_interpolation(shop: Settings) -> None:
    text = "\ufeffA=1\nexport B='${A}'\nC=\"x\\ny\" # note\nD = blank # note\nE='a\nb'\r\nF=a#b\nG='it\\'s'\n"
    write(shop, text)
    expected = dotenv_values(stream=StringIO(text), interpolate=False)
    found = read_variables(shop, {})
    assert expected["B"] == "${A}"
    assert {name: value.text for name in expected if (value := found.get(name))} == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("colour=red\n", (), id="no URL"),
        pytest.param("stg_database_url=\ndatabase_url=\n", (), id="empty URLs"),
        pytest.param(
            "STG_DATABASE_URL=a\n",
            (".env: others can read or change this file (mode 644). Run: chmod 600 .env",),
            id="STG",
        ),
    ],
)
def test_a_file_that_others_can_read_gets_a_notice_when_it_holds_a_url(
    text: str, expected: tuple[str, ...], shop: Settings
) -> None:
    write(shop, text, 0o644)
    assert read_variables(shop, {}).notices == expected
    write(shop, text, 0o600)
    assert read_variables(shop, {}).notices == ()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o666], ids=oct)
@pytest.mark.parametrize("variable", ["database_url", "DATABASE_URL", "app_database_url"])
def test_a_file_that_others_can_read_is_refused_when_it_leads_to_prod(variable: str, mode: int, shop: Settings) -> None:
    write(shop, f"# ours\n{variable}=a\n", mode)
    why = f"others can read or change this file (mode {mode:o}), and {variable} leads to [PROD]"
    assert mistakes(shop, {}) == [f".env:2: {why}. Run: chmod 600 .env"]


def test_the_url_of_prod_in_the_file_gets_a_notice(shop: Settings) -> None:
    write(shop, "database_url=a\n")
    assert read_variables(shop, {}).notices == (
        (
            ".env:1: database_url leads to [PROD] for every command run here. "
            "Keep it in a secret store, and set it only where it is needed."
        ),
    )


@pytest.mark.parametrize("flag", ["USE_STG_DATABASE", "USE_PROD_DATABASE", "USE_TEST_DATABASE", "use_stg_database"])
def test_a_flag_in_the_file_gets_a_notice_that_it_is_ignored(flag: str, shop: Settings) -> None:
    write(shop, f"{flag}=true\n")
    assert read_variables(shop, {}).notices == (
        (
            f".env:1: {flag} is ignored: in a file it would count for every command. "
            "Delete it here, and set it for the one command that needs it."
        ),
    )


def test_no_text_is_shown_when_variables_are_printed(shop: Settings) -> None:
    write(shop, f"stg_database_url={URL.format('s3cr3t-p@ss')}\n")
    found = read_variables(shop, {"test_database_url": URL.format("s3cr3t-p@ss")})
    shown = repr((found, found.get("stg_database_url"), found.get("test_database_url")))
    assert "s3cr3t" not in shown


@pytest.mark.parametrize(
    ("variable", "source"),
    [
        pytest.param("stg_database_url", "environment", id="environment"),
        pytest.param("STG_DATABASE_URL", ".env", id="file"),
        pytest.param("app_database_url", "environment", id="runtime"),
        pytest.param("sqlalchemy_url", "environment", id="variable of the migrations"),
    ],
)
def test_the_password_of_every_url_is_known_to_mask(variable: str, source: str, shop: Settings) -> None:
    password = f"Kw9-{variable}-{source}-zQ".replace(".", "-")
    environ = {variable: URL.format(password)} if source == "environment" else {}
    if source == ".env":
        write(shop, f"{variable}={URL.format(password)}\n")
    read_variables(shop, environ)
    assert mask(f"the word {password} in a log") == "the word *** in a log"


def test_a_provider_s_token_is_known_to_mask_and_guarded_as_the_url_of_its_tier(shop: Settings) -> None:
    named = Recovery(engine=RecoveryEngine.SUPABASE, token="supabase_token")
    tiers = [replace(tier, recovery=named) if tier.name == "prod" else tier for tier in shop.tiers]
    settings = replace(shop, tiers=tuple(tiers))
    read_variables(settings, {"SUPABASE_TOKEN": "sbp_5c1e77a0"})
    assert mask("Bearer sbp_5c1e77a0") == "Bearer ***"
    write(shop, "supabase_token=sbp_9d2f88b1\n", 0o644)
    with pytest.raises(SettingsError, match=r"supabase_token leads to \[PROD\]. Run: chmod 600"):
        read_variables(settings, {})
    assert mask("sbp_9d2f88b1") == "***"


def test_a_url_of_the_file_that_the_environment_beats_is_known_to_mask_too(shop: Settings) -> None:
    write(shop, f"stg_database_url={URL.format('beaten-by-another-8d')}\n")
    read_variables(shop, {"stg_database_url": URL.format("another-8e")})
    assert mask("beaten-by-another-8d") == "***"


def test_python_dotenv_is_imported_only_where_there_is_a_file(shop: Settings) -> None:
    code = (
        "import sys; from pathlib import Path; from dbtasks.settings import load; "
        "from dbtasks.variables import read_variables; "
        f"read_variables(load(Path({str(shop.root)!r})), {{}}); print('dotenv' in sys.modules)"
    )

    def imported() -> str:
        done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    before = imported()
    write(shop, "a=1\n")
    assert (before, imported()) == ("False", "True")


def test_the_example_file_is_read_without_a_mistake_or_a_notice(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "tiers.yaml").write_text((PROJECT / "config" / "tiers.yaml").read_text())
    file = tmp_path / ".env"
    file.write_text((PROJECT / ".env.example").read_text())
    file.chmod(stat.S_IRUSR | stat.S_IWUSR)
    assert read_variables(load(tmp_path), {}) == Variables(environment={}, file={})


def test_the_process_environment_is_not_touched(shop: Settings) -> None:
    write(shop, "stg_database_url=a\nSHOP_MARK=1\n")
    before = dict(os.environ)
    read_variables(shop, os.environ)
    assert dict(os.environ) == before


# A URL in a file


def test_a_url_may_lie_in_a_file_that_the_environment_names(shop: Settings, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    url = URL.format("w0rd-in-a-file")
    secret.write_text(f"{url}\n")
    write(shop, "database_url=from-env-file\n")
    found = read_variables(shop, {"DATABASE_URL_FILE": str(secret), "stg_database_url": "here"})

    assert found.get("database_url") == Value(text=url, source="environment", variable="DATABASE_URL_FILE")
    assert "w0rd-in-a-file" not in mask("it is w0rd-in-a-file")
    assert found.known(["database_url", "stg_database_url", "app_database_url"]) == (url, "here")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "the file that it names cannot be read: No such file or directory."),
        (b"", "the file that it names holds no single line with a URL."),
        (b"one\ntwo\n", "the file that it names holds no single line with a URL."),
        (b"x" * 20_000, "the file that it names holds no single line with a URL."),
        (b"\xff\xfe", "the file that it names cannot be read: it holds no text."),
    ],
    ids=["missing", "empty", "two lines", "endless", "no text"],
)
def test_a_file_that_holds_no_url_is_told_only_to_who_asks_for_it(
    content: bytes | None, said: str, shop: Settings, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / "secret").write_bytes(content)
    found = read_variables(shop, {"DATABASE_URL_FILE": str(tmp_path / "secret"), "stg_database_url": "here"})

    with pytest.raises(SettingsError) as caught:
        found.get("database_url")
    assert str(caught.value.mistakes[0]) == f"environment: DATABASE_URL_FILE: {said}"
    assert found.known(["database_url", "stg_database_url"]) == ("here",)


def test_a_variable_and_its_file_are_not_both_set(shop: Settings, tmp_path: Path) -> None:
    found = read_variables(shop, {"DATABASE_URL_FILE": str(tmp_path / "secret"), "database_url": "here"})

    with pytest.raises(SettingsError, match="database_url and DATABASE_URL_FILE are one variable"):
        found.get("database_url")
