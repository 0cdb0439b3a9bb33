"""Masking attacked: every table is a product of passwords, the forms they are written in, and the texts around them."""

import html
import json
import re
import shlex
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import psycopg
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from dbtasks import masking
from dbtasks.masking import ORDINARY, Masker, mask_exception, remember


@pytest.fixture(autouse=True)
def own_masker(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one test remembers must not be hidden in the texts of others."""
    monkeypatch.setattr(masking, "_process", Masker())


SPECIAL = "@:/#?%&=+ '\"\\$!*()[]{}<>,;|~^`.-_é€😀"

PASSWORDS = {
    **{f"{character!r} inside": f"Zq7x{character}Wk9v{character}Jb4m" for character in SPECIAL},
    **{f"{character!r} at both ends": f"{character}Zq7xWk9v{character}" for character in SPECIAL},
    "letters": "Zq7xWk9vJb4m",
    "like a URL": "Zq7x://Wk9v:Jb4m@Hy2t",
    "like pairs": "Zq7x host=Wk9v password=Jb4m",
    "looks encoded": "Zq7x%40Wk9v%2FJb4m",
    "like JSON": '{"Zq7x": "Wk9v"}',
}


def libpq(value: str) -> str:
    return value.replace("\\", "\\\\").replace("'", "\\'")


# A form in which a secret that nobody knows can still be told from what stands around it.
FORMS: dict[str, Callable[[str], str]] = {
    "url": lambda secret: f"postgresql://anna:{quote(secret, safe='')}@db-7:5432/app_prod?sslmode=require",
    "url of SQLAlchemy": lambda secret: f"postgresql+psycopg://anna:{quote(secret, safe=' +')}@db-7:5432/app_prod",
    "url of another scheme": lambda secret: f"redis://:{quote(secret, safe='')}@db-7:5432/0",
    "query": lambda secret: f"postgresql://anna@db-7/app_prod?password={quote(secret, safe='')}&sslmode=require",
    "query of a key": lambda secret: f"postgresql://anna@db-7/app_prod?sslpassword={quote_plus(secret)}",
    "pwd in a query": lambda secret: f"postgresql://db-7/app_prod?user=anna&pwd={quote(secret, safe='')}",
    "pairs": lambda secret: f"host=db-7 user=anna password='{libpq(secret)}' dbname=app_prod",
    "pairs with blanks": lambda secret: f"host = db-7 user = anna password = '{libpq(secret)}' dbname = app_prod",
    "shell": lambda secret: (
        f"PGPASSWORD={shlex.quote(secret)[:1]}{libpq(secret)}' psql -h db-7 -U anna app_prod"
        if shlex.quote(secret).startswith("'")
        else f"PGPASSWORD={secret} psql -h db-7 -U anna app_prod"
    ),
    "json": lambda secret: json.dumps({"host": "db-7", "password": secret, "user": "anna", "dbname": "app_prod"}),
    "json, compact": lambda secret: json.dumps(
        {"host": "db-7", "password": secret, "user": "anna", "dbname": "app_prod"},
        separators=(",", ":"),
        ensure_ascii=False,
    ),
    "repr": lambda secret: repr({"host": "db-7", "password": secret, "user": "anna", "dbname": "app_prod"}),
    "call": lambda secret: f"connect(host='db-7', password={secret!r}, user='anna', dbname='app_prod')",
    "pair of a tuple": lambda secret: f"('db-7', 'anna', 'app_prod', ('sslpassword', {secret!r}))",
    "yaml": lambda secret: f"host: db-7\nuser: anna\ndbname: app_prod\npassword: {json.dumps(secret)}\n",
    "yaml, single": lambda secret: (
        "host: db-7\nuser: anna\ndbname: app_prod\npwd: '" + secret.replace("'", "''") + "'\n"
    ),
    "sql": lambda secret: "ALTER ROLE anna PASSWORD '" + secret.replace("'", "''") + "'; -- on db-7, app_prod",
}

AROUND: dict[str, Callable[[str], str]] = {
    "alone": lambda text: text,
    "in a sentence": lambda text: f"could not connect using {text} (attempt 2 of 3, see ops@example.com)",
    "in a log": lambda text: f"2026-11-22 15:31:07 ERROR [PROD] pool: {text}\nTraceback follows\n",
    "in a repr": lambda text: f"OperationalError({text!r})",
    "in a list": lambda text: repr([text, "next"]),
    "in JSON": lambda text: json.dumps({"message": text, "mail": "a@b"}),
}


def fragments(secret: str) -> set[str]:
    return {secret[start : start + 4] for start in range(len(secret) - 3)}


def leaked(secret: str, masked: str, without: str) -> set[str]:
    """The pieces of the secret that are seen, but for those that the same text has with another secret."""
    return {fragment for fragment in fragments(secret) if fragment in masked and fragment not in without}


@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("form", FORMS)
def test_an_unknown_secret_is_hidden_by_its_place(form: str, around: str) -> None:
    def write(secret: str) -> str:
        return AROUND[around](FORMS[form](secret))

    leaks = {name: leaked(secret, Masker().mask(write(secret)), write("%%%")) for name, secret in PASSWORDS.items()}
    assert {name: pieces for name, pieces in leaks.items() if pieces} == {}


@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("form", FORMS)
def test_what_is_no_secret_stays_readable(form: str, around: str) -> None:
    text = AROUND[around](FORMS[form]("Zq7xWk9vJb4m"))
    assert Masker().mask(text) == text.replace("Zq7xWk9vJb4m", "***")


@pytest.mark.parametrize("around", AROUND)
def test_a_raw_password_in_a_url_is_hidden_up_to_the_last_at(around: str) -> None:
    def write(secret: str) -> str:
        return AROUND[around](f"postgresql://anna:{secret}@db-7:5432/app_prod")

    leaks = {name: leaked(secret, Masker().mask(write(secret)), write("%%%")) for name, secret in PASSWORDS.items()}
    assert {name: pieces for name, pieces in leaks.items() if pieces} == {}


# Texts in which only somebody who knows the secret can find it.
WRITTEN: dict[str, Callable[[str], str]] = {
    "bare": lambda secret: f"tried {secret} in vain",
    "in a word": lambda secret: f"tried<<{secret}>>in vain",
    "percent-encoded": lambda secret: f"tried {quote(secret, safe='')} in vain",
    "percent-encoded in part": lambda secret: (
        "tried " + re.sub("[@:/# ]", lambda found: f"%{ord(found[0]):02x}", secret) + " in vain"
    ),
    "as a form": lambda secret: f"tried {quote_plus(secret)} in vain",
    "encoded twice": lambda secret: f"tried {quote(quote(secret, safe=''), safe='')} in vain",
    "doubled for ConfigParser": lambda secret: f"tried {quote(secret, safe='').replace('%', '%%')} in vain",
    "repr": lambda secret: f"tried {secret!r} in vain",
    "ascii": lambda secret: f"tried {secret!a} in vain",
    "repr of a repr": lambda secret: f"tried {repr(secret)!r} in vain",
    "JSON": lambda secret: f"tried {json.dumps(secret)} in vain",
    "JSON in JSON": lambda secret: f"tried {json.dumps(json.dumps(secret))} in vain",
    "libpq": lambda secret: f"tried '{libpq(secret)}' in vain",
    "SQL": lambda secret: "tried '" + secret.replace("'", "''") + "' in vain",
    "shell": lambda secret: f"tried {shlex.quote(secret)} in vain",
    "HTML": lambda secret: f"tried {html.escape(secret)} in vain",
    "raw URL": lambda secret: f"tried postgresql://anna:{secret}@db-7/app in vain",
    "unquoted pairs": lambda secret: f"tried host=db-7 password={secret} dbname=app in vain",
    "unquoted YAML": lambda secret: f"user: anna\npassword: {secret}\nhost: db-7",
}


@pytest.mark.parametrize("written", WRITTEN)
def test_a_known_secret_is_hidden_however_it_is_written(written: str) -> None:
    leaks = {}
    for name, secret in PASSWORDS.items():
        masker = Masker()
        masker.remember(secret)
        leaks[name] = leaked(secret, masker.mask(WRITTEN[written](secret)), WRITTEN[written]("%%%"))
    assert {name: pieces for name, pieces in leaks.items() if pieces} == {}


def test_a_secret_remembered_as_the_url_writes_it_is_hidden_decoded_too() -> None:
    masker = Masker()
    masker.remember("Zq7x%40Wk9v")
    assert masker.mask("tried Zq7x@Wk9v and Zq7x%40Wk9v") == "tried *** and ***"


def test_secrets_that_overlap_are_hidden_together() -> None:
    masker = Masker()
    for secret in ("Zq7xWk9v", "Wk9vJb4m"):
        masker.remember(secret)
    assert masker.mask("Zq7xWk9vJb4m Zq7xWk9vWk9vJb4m") == "*** ***"


def test_a_secret_that_overlaps_itself_is_hidden_whole() -> None:
    masker = Masker()
    masker.remember("Zq7Zq7Zq7")
    assert masker.mask("Zq7" * 5) == "***"


def test_a_secret_that_masking_makes_again_does_not_hold_it_up() -> None:
    masker = Masker()
    masker.remember("Zq7x***")
    assert masker.mask("Zq7x" * 3 + "***") == "***"
    assert masker.mask("Zq7x" * 1000 + "***").endswith("Zq7x***")


@pytest.mark.parametrize(
    ("secret", "text", "expected"),
    [
        pytest.param("a", "a database at arm's length", "*** database at arm's length", id="one letter"),
        pytest.param("ab1", "ab1 cab1 ab12 'ab1'", "*** cab1 ab12 '***'", id="three characters"),
        pytest.param("-", "--yes a-b - c", "--yes a-b *** c", id="punctuation"),
        pytest.param("***", "*** and ****", "*** and ****", id="asterisks are no secret"),
        pytest.param("", "nothing", "nothing", id="the empty one"),
    ],
)
def test_a_short_secret_is_hidden_only_where_it_stands_alone(secret: str, text: str, expected: str) -> None:
    masker = Masker()
    masker.remember(secret)
    assert masker.mask(text) == expected


def test_a_password_equal_to_a_name_is_hidden_in_its_place_only() -> None:
    masker = Masker()
    masker.remember("postgres")
    masker.remember("prod")
    masker.keep_readable("app_prod")
    text = 'postgresql://postgres:postgres@db-7/app_prod: password authentication failed for user "postgres" on prod'
    expected = 'postgresql://postgres:***@db-7/app_prod: password authentication failed for user "postgres" on ***'
    assert masker.mask(text) == expected


UNTOUCHED = [
    "",
    "PROD database URL not configured. Set database_url in the environment or in .env, then run: invoke check",
    'FATAL:  password authentication failed for user "anna"',
    "Password: ",
    "Password for user anna: ",
    "password=None, sslpassword=null",
    "http://localhost:8000/@anna/posts?mail=a@b.example and https://example.com/x@y:z",
    "postgresql://anna@db-7:5432/app?application_name=a@b",
    "postgresql://db-7/app and mail to ops@example.com: now",
    "ssh://git@example.com:2222/team/project.git",
    "PWD=/home/anna/project OLDPWD=/home/anna",
    "host=/run/pg port=5432 dbname=app user=anna passfile=/home/anna/.pgpass",
    '"postgresql://db-7:5432/app is not for bob@example.com"',
    "http://HOST:PORT/path",
    "The ratio is 3:2 @ 50 % :// done",
]


@pytest.mark.parametrize("text", UNTOUCHED)
def test_a_text_without_a_secret_is_returned_as_it_was(text: str) -> None:
    assert Masker().mask(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("postgresql://anna:p/w@x?y#z@db-7/app?user=a@b", "postgresql://anna:***@db-7/app?user=a@b"),
        ("postgresql://anna:two words@db-7/app", "postgresql://anna:***@db-7/app"),
        ("postgresql://anna:12/34@db-7/app", "postgresql://anna:***@db-7/app"),
        (
            "jdbc:postgresql://db-7/app?user=anna&password=x&ssl=true",
            "jdbc:postgresql://db-7/app?user=anna&password=***&ssl=true",
        ),
        (r"postgresql:\/\/anna:x@db-7\/app", r"postgresql:\/\/anna:***@db-7\/app"),
        (
            "https://example.com/?next=postgresql://anna:x@db-7/app",
            "https://example.com/?next=postgresql://anna:***@db-7/app",
        ),
        ("host=db-7 password=a\\ b user=anna", "host=db-7 password=*** user=anna"),
        ("password: two words, host: db-7", "password: ***, host: db-7"),
        ("password: two words # the old one", "password: *** # the old one"),
        ('{"password": 1234, "host": "db-7"}', '{"password": ***, "host": "db-7"}'),
        ('{"password":"","host":"db-7"}', '{"password":"","host":"db-7"}'),
        ("password='no end", "password='***"),
        ("DB_PASSWORD=x DB_HOST=db-7", "DB_PASSWORD=*** DB_HOST=db-7"),
        ("--password=x --host=db-7", "--password=*** --host=db-7"),
    ],
)
def test_exactly_the_secret_is_replaced(text: str, expected: str) -> None:
    assert Masker().mask(text) == expected


# What libpq and SQLAlchemy cannot parse they quote, whole or in pieces. Nothing here gets as far as a socket.
BROKEN = {
    "second word of a pair": ("host=db-7 password={} dbname=app", "Zq7xWk9v Jb4mHy2t"),
    "third word of a pair": ("host=db-7 password={} dbname=app", "ab Jb4mHy2t!"),
    "stray percent": ("postgresql://anna:{}@db-7/app", "Zq7x%zzWk9v"),
    "encoded zero": ("postgresql://anna:{}@db-7/app", "Zq7x%00Wk9v"),
    "blank in a URL": ("postgresql://anna:{}@db-7/app", "Zq7x Wk9v"),
    "ampersand in a query": ("postgresql://db-7/app?password={}", "Zq7x&Wk9v"),
    "equals in a query": ("postgresql://db-7/app?password={}", "Zq7x=Wk9v"),
    "percent in a query": ("postgresql://db-7/app?password={}", "Zq7x%Wk9v"),
    "a password as the port": ("postgresql://anna:{}", "Zq7xWk9v"),
    "a slash after an at": ("postgresql://anna:{}@db-7/app", "Zq7x@Wk9v:Jb4m/Hy2t"),
    "an unknown option": ("host=db-7 {}=1 dbname=app", "Zq7xWk9v"),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_a_known_secret_is_hidden_in_what_parsers_quote(broken: str) -> None:
    form, secret = BROKEN[broken]
    masker = Masker()
    masker.remember(secret)
    said = []
    for parser in (psycopg.conninfo.conninfo_to_dict, make_url):
        try:
            parser(form.format(secret))
        except (psycopg.Error, ArgumentError, ValueError) as error:
            said.append(str(error))
    assert said, "no parser complained: this example shows nothing"
    assert leaked(secret, masker.mask("\n".join(said)), "") == set()


def test_psycopg_itself_leaks_what_masking_hides() -> None:
    secret = "Zq7x%zzWk9v"
    with pytest.raises(psycopg.ProgrammingError) as raised:
        psycopg.connect(f"postgresql://anna:{secret}@db-7.invalid/app")
    assert secret in str(raised.value)
    remember(secret)
    assert leaked(secret, mask_exception(raised.value), "") == set()


def test_a_traceback_is_masked_with_its_causes_contexts_and_notes() -> None:
    remember("Zq7xWk9vJb4m")
    try:
        try:
            raise ValueError("context Zq7xWk9vJb4m")
        except ValueError:
            try:
                raise KeyError("cause", "Zq7xWk9vJb4m")
            except KeyError as cause:
                cause.add_note("note Zq7xWk9vJb4m")
                raise RuntimeError("postgresql://anna:Hy2tLs6d@db-7/app") from cause
    except RuntimeError as error:
        text = mask_exception(error)
    assert "Zq7x" not in text
    assert "Hy2t" not in text
    assert all(part in text for part in ("context ***", "'cause', '***'", "note ***", "postgresql://anna:***@db-7/app"))


HOSTILE = [
    *("a", "://", "a://", "postgres://a:b", "postgres://a:1/", '"postgres://a:b ', "'a://", "postgres://a:x?b=c@"),
    *(
        "password=",
        "password='",
        'password="\\',
        "password: ",
        "password:,a,",
        'password=\\"',
        "PASSWORD  ",
        "?password=",
    ),
    *("\\", "'", '"', " ", "%", "@", "?a=", "aaaaaaab", "password=''", "Zq7x@", "&password='"),
]


@pytest.mark.parametrize("size", [pytest.param(1_000_000, marks=pytest.mark.thorough), 200_000])
@pytest.mark.parametrize("piece", HOSTILE)
def test_a_long_hostile_text_is_finished(piece: str, size: int) -> None:
    masker = Masker()
    for secret in ("Zq7x@Wk9v", "aaaaaaaa", "\\\\\"'"):
        masker.remember(secret)
    text = "postgres://a:x" + piece * (size // len(piece))
    assert masker.mask(text).startswith("postgres://a:")


TEXTS = st.text(st.characters(exclude_categories=["Cs"])) | st.lists(
    st.sampled_from(
        [
            "postgresql://",
            "anna",
            ":",
            "@",
            "/",
            "?",
            "&",
            "password",
            "=",
            "'",
            '"',
            "\\",
            " ",
            "***",
            "Zq7x",
            ",",
            "\n",
            "5432",
        ]
    )
).map("".join)
SECRETS = st.text(st.characters(exclude_categories=["Cs"]), min_size=4, max_size=30)


@given(secret=SECRETS, before=TEXTS, after=TEXTS)
@example(secret="0***", before="00", after="*")
def test_no_known_secret_survives_masking(secret: str, before: str, after: str) -> None:
    masker = Masker()
    masker.remember(secret)
    assume(secret.strip("*") and not any(secret in word for word in ORDINARY))
    assert secret not in masker.mask(before + secret + after)


@given(secret=SECRETS, text=TEXTS)
def test_masking_twice_changes_nothing_more(secret: str, text: str) -> None:
    masker = Masker()
    masker.remember(secret)
    once = masker.mask(text + secret + text)
    assert masker.mask(once) == once


@given(secret=SECRETS, text=st.text(st.characters(exclude_characters=":=,'\"`@", exclude_categories=["Cs"])))
def test_any_text_without_a_secret_stays(secret: str, text: str) -> None:
    masker = Masker()
    masker.remember("Zq7xWk9v" + secret)
    assert masker.mask(text) == text


@given(secret=SECRETS, form=st.sampled_from(sorted(FORMS)), around=st.sampled_from(sorted(AROUND)))
def test_any_unknown_password_is_hidden_by_its_place(secret: str, form: str, around: str) -> None:
    secret = "Zq7x" + "".join(character for character in secret if character.isprintable()) + "Wk9v"
    masked = Masker().mask(AROUND[around](FORMS[form](secret)))
    assert [piece for piece in ("Zq7x", "Wk9v") if piece in masked] == []
