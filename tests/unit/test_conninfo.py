"""Connection strings: what is read, what is refused, and that no password gets out of the values."""

import copy
import dataclasses
import json
import logging
import pickle
import pprint
import traceback
from collections.abc import Callable

import msgspec
import psycopg
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy.engine import make_url

from dbtasks import masking
from dbtasks.conninfo import Conninfo, Permit, Secret, mask, parse
from dbtasks.errors import ConninfoError


@pytest.fixture(autouse=True)
def own_masker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Invented passwords such as `a` must not be hidden in the texts of other tests."""
    monkeypatch.setattr(masking, "_process", masking.Masker())


class Pass(Permit):
    """What the guard would hand out."""


PERMIT = Pass()
APP = Conninfo(host="db-7", port=5432, database="app")
ANNA = Conninfo(host="db-7", port=5432, database="app", user="anna", password=Secret("p@s:s/w#r?d%1"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("postgresql://db-7/app", APP),
        ("postgres://db-7:5432/app", APP),
        ("postgresql+psycopg://db-7/app", APP),
        ("postgresql+asyncpg://db-7/app", APP),
        ("host=db-7 dbname=app", APP),
        ("  host = db-7   dbname= 'app'  ", APP),
        ("postgresql://anna:p%40s%3As%2Fw%23r%3Fd%251@db-7/app", ANNA),
        ("postgresql://anna:p@s:s%2Fw#r%3Fd%251@db-7/app", ANNA),
        ("postgresql://anna@db-7/app?password=p%40s:s/w%23r?d%251", ANNA),
        ("host=db-7 user=anna password=p@s:s/w#r?d%1 dbname=app", ANNA),
        ("user='anna' password='p@s:s/w#r?d%1' host='db-7' dbname='app'", ANNA),
        ("postgresql://anna:@db-7/app", dataclasses.replace(APP, user="anna")),
        ("postgresql://[::1]:6543/app", dataclasses.replace(APP, host="::1", port=6543)),
        ("postgresql://[fe80::1%25eth0]/app", dataclasses.replace(APP, host="fe80::1%eth0")),
        ("host=::1 port=6543 dbname=app", dataclasses.replace(APP, host="::1", port=6543)),
        ("host=/run/pg dbname=app", dataclasses.replace(APP, host="/run/pg")),
        ("postgresql:///app?host=/run/pg&port=6543", dataclasses.replace(APP, host="/run/pg", port=6543)),
        ("postgresql://%2Frun%2Fpg/app", dataclasses.replace(APP, host="/run/pg")),
        ("postgresql://db-7/%61pp%2F%40x", dataclasses.replace(APP, database="app/@x")),
        (r"host=db-7 dbname=my\ app", dataclasses.replace(APP, database="my app")),
        (r"host=db-7 dbname='it\'s \\ here'", dataclasses.replace(APP, database="it's \\ here")),
        (
            "postgresql://db-7/app?sslmode=require&application_name=a%20b%2Bc+d&ssl_x=1",
            dataclasses.replace(APP, options=(("application_name", "a b+c+d"), ("ssl_x", "1"), ("sslmode", "require"))),
        ),
        ("postgresql://db-7/app?ssl=true", dataclasses.replace(APP, options=(("sslmode", "require"),))),
        ("host=db-7 dbname=app sslpassword=k3y!", dataclasses.replace(APP, options=(("sslpassword", Secret("k3y!")),))),
    ],
)
def test_a_connection_string_is_read(text: str, expected: Conninfo) -> None:
    assert parse(text, variable="stg_database_url") == expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "it is empty"),
        ("  ", "it is empty"),
        ("Zq7xWk9v", "neither a URL"),
        ("mysql://anna:Zq7xWk9v@db-7/app", "scheme is unknown"),
        ("POSTGRESQL://anna:Zq7xWk9v@db-7/app", "scheme is unknown"),
        ("postgresql+://anna:Zq7xWk9v@db-7/app", "scheme is unknown"),
        ("postgresql://anna:Zq7xWk9v@db-7", "names no database"),
        ("postgresql://anna:Zq7xWk9v@db-7/", "names no database"),
        ("host=db-7 password=Zq7xWk9v", "names no database"),
        ("postgresql://anna:Zq7xWk9v@/app", "names no host"),
        ("postgresql:///app", "names no host"),
        ("dbname=app password=Zq7xWk9v", "names no host"),
        ("host='' dbname=app password=Zq7xWk9v", "names no host"),
        ("postgresql://anna:Zq7xWk9v@:5432/app", "names a port and no host"),
        ("postgresql://anna:Zq7xWk9v@db-7,db-8/app", "several hosts"),
        ("postgresql://anna:Zq7xWk9v@db-7:5432,db-8:5432/app", "several hosts"),
        ("postgresql://anna:Zq7xWk9v@db-7%2Cdb-8/app", "several hosts"),
        ("host=db-7,db-8 dbname=app password=Zq7xWk9v", "several hosts"),
        ("postgresql://anna:Zq7xWk9v@db-7/app?host=evil", "it says host twice"),
        ("postgresql://anna:Zq7xWk9v@db-7:5432/app?port=5433", "it says port twice"),
        ("postgresql://anna:Zq7xWk9v@db-7/app?dbname=evil", "it says dbname twice"),
        ("postgresql://anna:Zq7xWk9v@db-7/app?user=eve", "it says user twice"),
        ("postgresql://anna:Zq7xWk9v@db-7/app?password=other", "it says password twice"),
        ("postgresql://anna:Zq7xWk9v@db-7/app?sslmode=a&sslmode=b", "it says sslmode twice"),
        ("postgresql://anna:Zq7xWk9v@db-7/app?%68ost=evil", "it says host twice"),
        ("host=db-7 host=evil dbname=app password=Zq7xWk9v", "it says host twice"),
        ("postgresql://anna:Zq7xWk9v@db-7/app?hostaddr=10.0.0.1", "it sets hostaddr"),
        ("host=db-7 hostaddr=10.0.0.1 dbname=app password=Zq7xWk9v", "it sets hostaddr"),
        ("service=prod password=Zq7xWk9v", "it sets service"),
        ("postgresql://anna:Zq7xWk9v@db-7/app?service=prod", "it sets service"),
        ("postgresql://anna:Zq7xWk9v@db-7/app?servicefile=/x", "it sets servicefile"),
        ("postgresql://anna:Zq7xWk9v@db-7/app?passfile=/x", "it sets passfile"),
        ("postgresql://anna:Zq7xWk9v@db-7/app?HOST=evil", "lower-case letters"),
        ("host=db-7 dbname=app PASSWORD=Zq7xWk9v", "lower-case letters"),
        ("postgresql://anna:Zq7xWk9v@db-7:/app", "port is no whole number"),
        ("postgresql://anna:Zq7xWk9v@db-7:0/app", "port is no whole number"),
        ("postgresql://anna:Zq7xWk9v@db-7:65536/app", "port is no whole number"),
        ("postgresql://anna:Zq7xWk9v@db-7:５４３２/app", "port is no whole number"),
        ("postgresql://anna:Zq7xWk9v@db-7:+5432/app", "port is no whole number"),
        ("host=db-7 port='5432 ' dbname=app password=Zq7xWk9v", "port is no whole number"),
        ("postgresql://anna:Zq7xWk9v@db-7/app\n", "control character"),
        ("postgresql://anna:Zq7x%00Wk9v@db-7/app", "control character"),
        ("postgresql://anna:Zq7x%0AWk9v@db-7/app", "control character"),
        ("postgresql://anna:Zq7xWk9v\udc80@db-7/app", "control character"),
        ("postgresql://an%E2%80%AEna:Zq7xWk9v@db-7/app", "user holds an invisible character"),
        ("postgresql://anna:Zq7x%Wk9v@db-7/app", "begins no percent-encoded character"),
        ("postgresql://anna:Zq7x%E9Wk9v@db-7/app", "not UTF-8"),
        ("postgresql://anna:Zq7x Wk9v@db-7/app", "holds a blank"),
        ("host=db-7 password=Zq7x Wk9v dbname=app", "a value holds a blank"),
        ("host=db-7 x dbname=app password=Zq7xWk9v", "a value holds a blank"),
        ("host=db-7 dbname=app password='Zq7xWk9v", "has no end"),
        ("host=db-7 dbname=app password='Zq7x'Wk9v", "has no end"),
        ("postgresql://anna:Zq7x/Wk9v@db-7/app", "cuts the URL in two"),
        ("postgresql://anna:Zq7x?Wk9v@db-7/app", "cuts the URL in two"),
        ("postgresql://anna:12/Zq7xWk9v@db-7/app", "cuts the URL in two"),
        ("postgresql://anna:Zq7xWk9v@db-7/app#x", "cuts the URL in two"),
        ("postgresql://anna:Zq7xWk9v@db-7/app/x", "cuts the URL in two"),
        ("postgresql://anna:Zq7xWk9v@db-7/app?x", "has no value"),
        ("postgresql://anna:Zq7xWk9v@[db-7]/app", "no IPv6 address"),
        ("postgresql://anna:Zq7xWk9v@db%207/app", "no host name"),
        ("postgresql://anna:Zq7xWk9v@dｂ-7/app", "no host name"),
        ("postgresql://anna:Zq7xWk9v@db-7/host%3Devil", "read as another target"),
        ("host=db-7 dbname=postgresql://evil/app password=Zq7xWk9v", "read as another target"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name_and_without_the_secret(text: str, says: str) -> None:
    with pytest.raises(ConninfoError) as raised:
        parse(text, variable="stg_database_url")
    shown = "".join(traceback.TracebackException.from_exception(raised.value, capture_locals=True).format())
    ours = shown[shown.rindex("dbtasks/conninfo.py") :]
    assert str(raised.value).startswith("stg_database_url cannot be used: ")
    assert says in str(raised.value)
    assert [piece for piece in ("Zq7x", "Wk9v") if piece in str(raised.value) + ours] == []


@pytest.mark.parametrize(
    "text",
    [
        "host=db-7 password=Tb5n Rk8w dbname=app",
        "postgresql://anna:Tb5n Rk8w@db-7/app",
        "postgresql://anna:Tb5n%zzRk8w@db-7/app",
        "postgresql://anna:Tb5n/Rk8w@db-7/app",
    ],
)
def test_the_secret_of_a_refused_string_is_known_afterwards(text: str) -> None:
    with pytest.raises(ConninfoError):
        parse(text, variable="stg_database_url")
    try:
        said = str(psycopg.conninfo.conninfo_to_dict(text))
    except psycopg.Error as error:
        said = str(error)
    assert [piece for piece in ("Tb5n", "Rk8w") if piece in mask(said)] == []


@pytest.mark.parametrize(
    "variable", ["PGHOST", "PGHOSTADDR", "PGPORT", "PGDATABASE", "PGUSER", "PGPASSWORD", "PGSERVICE"]
)
def test_no_variable_of_libpq_fills_a_gap(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "6543")
    assert parse("postgresql://db-7/app", variable="x") == APP


@pytest.mark.parametrize(
    ("conninfo", "masked", "place"),
    [
        (ANNA, "postgresql://anna:***@db-7:5432/app", "db-7:5432"),
        (APP, "postgresql://db-7:5432/app", "db-7:5432"),
        (dataclasses.replace(APP, user="a@b"), "postgresql://a%40b@db-7:5432/app", "db-7:5432"),
        (dataclasses.replace(ANNA, host="::1"), "postgresql://anna:***@[::1]:5432/app", "[::1]:5432"),
        (
            dataclasses.replace(
                ANNA, host="/run/pg", options=(("sslmode", "require"), ("sslpassword", Secret("k3y!")))
            ),
            "postgresql://anna:***@/app?host=/run/pg&port=5432&sslmode=require&sslpassword=***",
            "/run/pg",
        ),
    ],
)
def test_people_see_everything_but_the_secrets(conninfo: Conninfo, masked: str, place: str) -> None:
    assert (conninfo.masked, mask(conninfo.masked), conninfo.place) == (masked, masked, place)


def test_names_stay_readable_where_the_password_is_one_of_them() -> None:
    parse("postgresql://anna:anna@db-7/app", variable="stg_database_url")
    text = 'password authentication failed for user "anna" at postgresql://anna:anna@db-7/app'
    assert mask(text) == text.replace("anna:anna", "anna:***")


def test_parameters_are_the_keywords_of_psycopg() -> None:
    conninfo = parse("postgresql://anna:p%40ss@db-7/app?sslpassword=k3y!&sslmode=require", variable="x")
    assert conninfo.parameters(PERMIT) == {
        "host": "db-7",
        "port": 5432,
        "dbname": "app",
        "user": "anna",
        "password": "p@ss",
        "sslmode": "require",
        "sslpassword": "k3y!",
    }


def test_a_password_that_was_found_elsewhere_is_as_secret_as_one_of_the_url() -> None:
    other = ANNA.with_password("from-a-vault!")

    assert other.parameters(PERMIT)["password"] == "from-a-vault!"
    assert "from-a-vault!" not in f"{other.masked} {other!r} {mask('it is from-a-vault!')}"


def test_another_database_of_the_same_server() -> None:
    assert ANNA.with_database("app_next") == dataclasses.replace(ANNA, database="app_next")


@pytest.mark.parametrize("name", ["", "host=evil", "postgresql://evil/app", "a\x00b"])
def test_a_name_that_leads_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(ConninfoError, match="the database cannot be named"):
        ANNA.with_database(name)


PRINTABLE = st.text(
    st.characters(exclude_categories=["Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"]), min_size=1, max_size=20
)
PASSWORD = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=20)
CONNINFOS = st.builds(
    Conninfo,
    host=st.sampled_from(["db-7.example.com", "127.0.0.1", "::1", "fe80::1%eth0", "/run/pg", "/tmp/päth with blank"]),
    port=st.integers(1, 65535),
    database=PRINTABLE.filter(lambda name: "=" not in name and "://" not in name),
    user=st.none() | PRINTABLE,
    password=st.none() | PASSWORD.map(Secret),
    options=st.dictionaries(st.sampled_from(["application_name", "options", "sslmode"]), PRINTABLE).map(
        lambda options: tuple(sorted(options.items()))
    ),
)


@given(CONNINFOS)
@example(dataclasses.replace(APP, user="/anna", password=Secret("/"), options=(("options", "/&?#=%"),)))
def test_a_url_is_read_back_as_it_was(conninfo: Conninfo) -> None:
    assert parse(conninfo.url(PERMIT), variable="x") == conninfo


@given(CONNINFOS)
def test_libpq_reads_a_url_as_we_do(conninfo: Conninfo) -> None:
    theirs = psycopg.conninfo.conninfo_to_dict(conninfo.url(PERMIT))
    assert theirs == {name: str(value) for name, value in conninfo.parameters(PERMIT).items()}


@given(CONNINFOS)
def test_sqlalchemy_reads_the_password_of_a_url_as_we_do(conninfo: Conninfo) -> None:
    parameters = conninfo.parameters(PERMIT)
    url = make_url(conninfo.url(PERMIT))
    assert (url.username or None, url.password) == (parameters.get("user"), parameters.get("password"))


SHOWN: dict[str, Callable[[object], str]] = {
    "str": str,
    "repr": repr,
    "format": lambda value: f"{value} {value!r} {value!s} {value!a} {value:}",
    "percent": lambda value: "%s %r" % (value, value),  # noqa: UP031 -- logging formats like this
    "pprint": pprint.pformat,
    "json": lambda value: json.dumps(value, default=str),
    "msgspec": lambda value: msgspec.json.encode(value, enc_hook=str).decode(),
    "dict of attributes": lambda value: str({name: getattr(value, name) for name in dir(value) if name[:2] != "__"}),
    "copy": lambda value: repr([copy.copy(value), copy.deepcopy(value)]),
    "log record": lambda value: logging.LogRecord("x", 10, "x", 1, "%s %r", (value, value), None).getMessage(),
}


@pytest.mark.parametrize("way", SHOWN)
def test_a_secret_never_shows_itself(way: str) -> None:
    secret = Secret("Zq7xWk9v")
    conninfo = dataclasses.replace(ANNA, password=secret, options=(("sslpassword", secret),))
    shown = [SHOWN[way](value) for value in (secret, conninfo, [secret], {"a": conninfo})]
    assert "Zq7x" not in "".join(shown)
    assert "***" in "".join(shown)


def test_asdict_and_vars_give_no_text_away() -> None:
    assert "***" in str(dataclasses.asdict(ANNA))
    assert "p@s" not in str(dataclasses.asdict(ANNA))
    with pytest.raises(TypeError, match="__dict__"):
        vars(ANNA.password)
    with pytest.raises(TypeError, match="state"):
        ANNA.password.__getstate__()


@pytest.mark.parametrize("value", [ANNA, ANNA.password], ids=["conninfo", "secret"])
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_secret_is_not_pickled(value: object, protocol: int) -> None:
    with pytest.raises(TypeError, match="Secret"):
        pickle.dumps(value, protocol)


def test_a_traceback_with_local_variables_shows_no_secret() -> None:
    secret = ANNA.password
    assert secret is not None
    with pytest.raises(TypeError) as raised:
        secret.reveal("please")  # type: ignore[arg-type]
    shown = "".join(traceback.TracebackException.from_exception(raised.value, capture_locals=True).format())
    assert "p@s:s" not in shown


@pytest.mark.parametrize(
    "permit",
    [None, object(), "Permit", Permit, Pass],
    ids=["nothing", "an object", "a word", "its class", "a subclass"],
)
def test_only_a_permit_reveals(permit: Permit) -> None:
    for reveal in (Secret("Zq7xWk9v").reveal, ANNA.url, APP.url, ANNA.parameters):
        with pytest.raises(TypeError, match="revealed to a Permit only"):
            reveal(permit)
    assert Secret("Zq7xWk9v").reveal(PERMIT) == "Zq7xWk9v"


def test_a_permit_cannot_be_made_out_of_nothing() -> None:
    with pytest.raises(TypeError, match="not made but earned"):
        Permit()


def test_secrets_compare_by_what_they_hold() -> None:
    assert (Secret("a") == Secret("a"), Secret("a") == Secret("b"), Secret("a") == "a") == (True, False, False)
    assert Secret("a").__eq__("a") is NotImplemented
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2


def test_a_secret_makes_itself_known_to_mask() -> None:
    Secret("Gd3kPl0w!")
    assert mask("tried Gd3kPl0w%21") == "tried ***"


def test_a_read_only_connection_says_so_to_the_server_and_keeps_the_rest() -> None:
    conninfo = Conninfo(
        host="db-7", port=5432, database="app", options=(("options", "-c geqo=off"), ("sslmode", "require"))
    )

    assert conninfo.read_only().options == (("sslmode", "require"), ("options", "-c default_transaction_read_only=on"))
    assert conninfo.read_only().masked == (
        "postgresql://db-7:5432/app?sslmode=require&options=-c%20default_transaction_read_only%3Don"
    )


def test_a_role_is_entered_in_that_database_alone_and_in_no_other() -> None:
    plain = Conninfo(host="db-7", port=5432, database="app", options=(("sslmode", "require"),))
    reads = plain.as_role("reader")
    given = plain.read_only().as_role("reader")

    assert dict(reads.every_option) == {"sslmode": "require", "options": "-c role=reader"}
    assert dict(given.every_option)["options"] == "-c default_transaction_read_only=on -c role=reader"
    assert "-c%20role%3Dreader" in reads.masked
    assert reads.with_database("app") == reads
    assert reads.with_database("dbtasks") == plain.with_database("dbtasks")
    assert reads.as_login() == plain
    assert plain.every_option == plain.options
