"""Loading `config/tiers.yaml`: the sample, the defaults, hostile files."""

from __future__ import annotations

import os
import sys
import traceback
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dbtasks.errors import SettingsError, UsageError
from dbtasks.limits import Freeze, Limits, Rate
from dbtasks.measures import Hardening
from dbtasks.roles import Part
from dbtasks.rotation import NEVER, Rotation
from dbtasks.schema import schema_text
from dbtasks.settings import BackupSettings, MigrationSettings, Settings, find_root, load
from dbtasks.signers_file import signers_digest
from dbtasks.tiers import (
    BackupEngine,
    BackupPolicy,
    Colour,
    Consent,
    Embedded,
    Loss,
    Marker,
    Patience,
    Recovery,
    RecoveryEngine,
    Tier,
)
from tests.outside import run

PROJECT = Path(__file__).parents[2]
SECRET = "s3cr3t-p@ss"
MINIMAL = """\
project: shop
tiers:
  int: {url: test_database_url, may_lose: everything, consent: none}
  prod: {after: int, flag: USE_PROD_DATABASE, url: database_url, may_lose: nothing, consent: person}
"""

INT = Tier(
    name="int",
    label="INT",
    colour=Colour.GREEN,
    aliases=("test", "ci"),
    url_variable="test_database_url",
    may_lose=Loss.EVERYTHING,
    consent=Consent.NONE,
    scripts_may_answer=True,
    name_words=frozenset({"test", "int"}),
    seeds=("reference", "demo"),
    retention=timedelta(days=1),
    embedded=Embedded.THROWAWAY,
)
STG = Tier(
    name="stg",
    label="STG",
    colour=Colour.YELLOW,
    aliases=("staging", "local", "dev"),
    after="int",
    flag="USE_STG_DATABASE",
    url_variable="stg_database_url",
    may_lose=Loss.ASKED,
    consent=Consent.QUESTION,
    scripts_may_answer=True,
    name_words=frozenset({"stg", "staging", "dev"}),
    seeds=("reference", "demo"),
    retention=timedelta(days=7),
    embedded=Embedded.DURABLE,
)
PROD = Tier(
    name="prod",
    label="PROD",
    colour=Colour.RED,
    aliases=("production", "live"),
    after="stg",
    flag="USE_PROD_DATABASE",
    url_variable="database_url",
    runtime_url_variable="database_runtime_url",
    runtime_markers=(Marker(variable="RENDER", value="true"),),
    may_lose=Loss.NOTHING,
    consent=Consent.PERSON,
    name_words=frozenset({"prod", "production", "live"}),
    seeds=("reference",),
    retention=timedelta(days=30),
)


def project(root: Path, text: str | bytes) -> Path:
    (root / "config").mkdir(parents=True, exist_ok=True)
    content = text.encode() if isinstance(text, str) else text
    (root / "config" / "tiers.yaml").write_bytes(content)
    return root


def test_the_sample_declares_int_stg_and_prod() -> None:
    assert load(PROJECT) == Settings(
        root=PROJECT,
        file=PROJECT / "config" / "tiers.yaml",
        project="instainstru",
        tiers=(INT, STG, PROD),
        default=INT,
        migrations=MigrationSettings(config=PROJECT / "alembic.ini"),
        seeds=PROJECT / "seeds",
        trail=PROJECT / "logs" / "database_audit.jsonl",
        incidents=PROJECT / "docs" / "incidents",
        backups=BackupSettings(folder=PROJECT / ".dbtasks" / "backups"),
    )


def test_a_short_file_gets_the_defaults(tmp_path: Path) -> None:
    found = load(project(tmp_path, MINIMAL))
    assert found.tier("prod") == Tier(
        name="prod",
        label="PROD",
        colour=Colour.RED,
        url_variable="database_url",
        may_lose=Loss.NOTHING,
        consent=Consent.PERSON,
        flag="USE_PROD_DATABASE",
        name_words=frozenset({"prod"}),
        after="int",
        retention=timedelta(days=7),
    )
    assert found.default == found.tier("int")
    assert (found.seeds, found.trail) == (tmp_path / "seeds", tmp_path / "logs" / "database_audit.jsonl")
    assert found.migrations == MigrationSettings(config=tmp_path / "alembic.ini")


def test_every_setting_can_be_changed(tmp_path: Path) -> None:
    text = MINIMAL.replace("consent: person}", "consent: person, colour: blue, embedded: durable, retention: 12 hours}")
    text = text.replace(
        "retention:",
        "migrate: {lock_timeout: 500 milliseconds, statement_timeout: 2 hours, tries: 1 time, wait: 1 minute}, "
        "backup: {engine: never, keep: 1 backup, age: 0 days}, "
        "retention:",
    )
    text += (
        "demo: true\nseeds: data/seeds\ntrail: var/trail.jsonl\nagents: {markers: [OUR_BOT]}\n"
        "migrations: {config: db/alembic.ini, section: shop, url_variables: [], "
        "version_table: versions, variables: [A]}\n"
        "backups: {folder: /srv/dumps, recipients: [age1x, keys.pub], identity: opener, jobs: 4 jobs}\n"
    )
    found = load(project(tmp_path, text))
    prod = found.tier("prod")
    assert (prod.colour, prod.embedded, prod.retention) == (Colour.BLUE, Embedded.DURABLE, timedelta(hours=12))
    assert prod.patience == Patience(
        lock_timeout=timedelta(milliseconds=500),
        statement_timeout=timedelta(hours=2),
        tries=1,
        wait=timedelta(minutes=1),
    )
    assert prod.backup == BackupPolicy(engine=BackupEngine.NEVER, keep=1, age=timedelta(0))
    assert found.backups == BackupSettings(
        folder=Path("/srv/dumps"), recipients=("age1x", "keys.pub"), identity="opener", jobs=4
    )
    assert (found.demo, found.agent_markers) == (True, ("OUR_BOT",))
    assert (found.seeds, found.trail) == (tmp_path / "data" / "seeds", tmp_path / "var" / "trail.jsonl")
    assert found.migrations == MigrationSettings(
        config=tmp_path / "db" / "alembic.ini",
        section="shop",
        url_variables=(),
        version_table="versions",
        variables=("A",),
    )


def test_how_a_tier_is_recovered_can_be_said(tmp_path: Path) -> None:
    said = "recovery: {engine: archive, fetch: [get, '{name}', '{path}'], base: /base, keep: 2 hours, renew: 1 day}"
    found = load(project(tmp_path, MINIMAL.replace("consent: person}", f"consent: person, {said}}}")))

    assert found.tier("int").recovery == Recovery()
    assert found.tier("prod").recovery == Recovery(
        engine=RecoveryEngine.ARCHIVE,
        fetch=("get", "{name}", "{path}"),
        base="/base",
        keep=timedelta(hours=2),
        renew=timedelta(days=1),
    )
    said = "recovery: {engine: supabase, token: SUPABASE_ACCESS_TOKEN}"
    found = load(project(tmp_path / "b", MINIMAL.replace("consent: person}", f"consent: person, {said}}}")))
    assert found.tier("prod").recovery == Recovery(engine=RecoveryEngine.SUPABASE, token="SUPABASE_ACCESS_TOKEN")


def test_backups_lie_in_a_bucket_where_one_is_named(tmp_path: Path) -> None:
    found = load(project(tmp_path, f"{MINIMAL}backups: {{bucket: 's3://our-backups/shop/stg'}}\n"))
    assert found.backups.bucket == "s3://our-backups/shop/stg"


def test_the_trails_file_is_put_aside_where_the_settings_say_when(tmp_path: Path) -> None:
    assert load(project(tmp_path, MINIMAL)).rotation is NEVER
    both = load(project(tmp_path, f"{MINIMAL}trail_files: {{size: 100 MB, age: 90 days}}\n")).rotation
    assert both == Rotation(size_bytes=100_000_000, age=timedelta(days=90))
    one = load(project(tmp_path, f"{MINIMAL}trail_files: {{age: 12 hours}}\n")).rotation
    assert one == Rotation(age=timedelta(hours=12))


def test_no_statement_timeout_is_another_thing_than_the_servers_own(tmp_path: Path) -> None:
    lifted = MINIMAL.replace("consent: person}", "consent: person, migrate: {statement_timeout: none}}")
    assert load(project(tmp_path, lifted)).tier("prod").patience.statement_timeout == timedelta(0)
    assert load(project(tmp_path, MINIMAL)).tier("prod").patience.statement_timeout is None


def test_what_is_hardened_is_said_once_a_tier(tmp_path: Path) -> None:
    harden = "harden: {passes: mover, people: [anna], statement_timeout: 1 minute, connections_each: 3 connections}"
    text = f"consent: person, admin_url: boss_url, {harden}}}"
    found = load(project(tmp_path, MINIMAL.replace("consent: person}", text))).tier("prod")

    assert found.hardening == Hardening(
        passes="mover", people=("anna",), statement_timeout=timedelta(minutes=1), connections_each=3
    )
    assert found.url_variables[-1] == found.admin_url_variable == "boss_url"


def test_a_terminal_is_armed_where_the_settings_say_so(tmp_path: Path) -> None:
    arming = load(project(tmp_path, MINIMAL.replace("consent: person}", "consent: person, arming: true}")))

    assert [arming.tier(name).arming for name in ("int", "prod")] == [False, True]


def test_a_schema_is_compared_without_the_rights_of_the_roles_that_any_tier_declares(tmp_path: Path) -> None:
    roles = "roles: {reader: looker, writer: seller, reader_url: looker_url}"
    found = load(project(tmp_path, MINIMAL.replace("consent: person}", f"consent: person, {roles}}}")))

    assert found.left_out == (found.migrations.version_tables, ("looker", "seller"))
    assert found.tier("prod").roles.variables == ((Part.READER, "looker_url"),)


def test_limits_are_read_as_they_are_written(tmp_path: Path) -> None:
    runs = "runs: [migrate 3 times in 1 day, open 1 time in 20 minutes]"
    frozen = "frozen: [migrate Fri 16:00 to Mon 08:00 Europe/Berlin, seed Sun 00:00 to Sun 23:59]"
    limits = f"limits: {{{runs}, {frozen}, cool_down: 10 minutes}}"
    found = load(project(tmp_path, MINIMAL.replace("consent: person}", f"consent: person, {limits}}}"))).tier("prod")

    friday, monday, sunday = (4 * 24 + 16) * 60, 8 * 60, 6 * 24 * 60
    assert found.limits == Limits(
        rates=(
            Rate(operation="migrate", most=3, per=timedelta(days=1)),
            Rate(operation="open", most=1, per=timedelta(minutes=20)),
        ),
        freezes=(
            Freeze(operation="migrate", begins=friday, ends=monday, zone="Europe/Berlin"),
            Freeze(operation="seed", begins=sunday, ends=sunday + 24 * 60 - 1),
        ),
        cool_down=timedelta(minutes=10),
    )


def test_a_marker_without_a_value_means_any_value(tmp_path: Path) -> None:
    runtime = "runtime_url: app_url, runtime: {markers: {DYNO: , RENDER: 'true'}}}"
    found = load(project(tmp_path, MINIMAL.replace("consent: person}", f"consent: person, {runtime}")))
    assert found.tier("prod").runtime_markers == (Marker(variable="DYNO"), Marker(variable="RENDER", value="true"))


def test_several_histories_keep_their_order_and_share_what_is_said_once(tmp_path: Path) -> None:
    text = (
        "migrations: {python: .venv/bin/python, url_variables: [APP_URL], histories: "
        "{core: {}, billing: {config: pyproject.toml, version_table: billing.version}}}"
    )
    found = load(project(tmp_path, f"{MINIMAL}{text}\n")).migrations

    assert found.version_tables == (("core/", "alembic_version"), ("billing/", "billing.version"))
    assert [each.config.name for each in found.each] == ["alembic.ini", "pyproject.toml"]
    assert {each.python for each in found.each} == {tmp_path / ".venv/bin/python"}
    assert {each.url_variables for each in found.each} == {("APP_URL",)}


def test_one_history_has_no_name(tmp_path: Path) -> None:
    text = "migrations: {program: [shop, db, upgrade], first: db/first.py}"
    found = load(project(tmp_path, f"{MINIMAL}{text}\n")).migrations

    assert (found.each, found.version_tables) == ((found,), (("", "alembic_version"),))
    assert (found.program, found.first) == (("shop", "db", "upgrade"), tmp_path / "db/first.py")


def test_the_order_of_the_tiers_is_that_of_the_migrations_not_that_of_the_file(tmp_path: Path) -> None:
    head, tiers, first, last = MINIMAL.splitlines(keepends=True)
    found = load(project(tmp_path, f"{head}{tiers}{last}{first}"))
    assert [tier.name for tier in found.tiers] == ["int", "prod"]


@pytest.mark.parametrize("word", ["prod", "PROD", "production", "Live"])
def test_a_tier_is_found_by_name_and_alias_in_any_case(word: str) -> None:
    assert load(PROJECT).tier(word) == PROD


@pytest.mark.parametrize(
    ("word", "text"),
    [
        pytest.param("stag", "unknown tier: 'stag'. Did you mean stg? The tiers are: int, stg, prod.", id="near"),
        pytest.param("", "unknown tier: ''. The tiers are: int, stg, prod.", id="empty"),
        pytest.param(
            f"postgresql://anna:{SECRET}@db/x",
            "unknown tier: something that is not shown here, since it may be a secret. The tiers are: int, stg, prod.",
            id="URL",
        ),
    ],
)
def test_an_unknown_tier_is_answered_with_those_there_are(word: str, text: str) -> None:
    with pytest.raises(UsageError) as caught:
        load(PROJECT).tier(word)
    assert str(caught.value) == text


def test_predecessors_are_the_tiers_that_migrations_reach_before() -> None:
    found = load(PROJECT)
    assert [found.predecessors(tier) for tier in found.tiers] == [(), (INT,), (INT, STG)]


def test_the_root_is_the_nearest_folder_upwards_with_the_file(tmp_path: Path) -> None:
    project(tmp_path, MINIMAL)
    inner = tmp_path / "app" / "deep"
    inner.mkdir(parents=True)
    assert find_root(inner) == tmp_path.resolve()


def test_without_the_file_the_root_is_not_guessed(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        find_root(tmp_path)
    assert str(caught.value) == (
        f"no config/tiers.yaml in {tmp_path.resolve()} or any folder above it. "
        "Change to the project's folder, or declare the project's tiers in that file."
    )


def test_the_committed_schema_is_the_generated_one() -> None:
    assert (PROJECT / "config" / "tiers.schema.json").read_text(encoding="utf-8") == schema_text()


def test_importing_the_settings_imports_no_yaml() -> None:
    code = "import sys, dbtasks.settings; print('yaml' in sys.modules)"
    done = run(PROJECT, sys.executable, "-c", code)  # outside: the pin of a test's child reads the settings at once
    assert (done.out, done.err) == ("False\n", "")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(
            b"\xef\xbb\xbfproject: shop\n",
            [":1:1: a byte order mark. Save the file as UTF-8 without one."],
            id="byte order mark",
        ),
        pytest.param(
            b"project: shop\n# caf\xe9\n", [":2:6: this byte is not UTF-8. Save the file as UTF-8."], id="latin-1"
        ),
        pytest.param(
            "project: shop\n".encode("utf-16"), [":1:1: this byte is not UTF-8. Save the file as UTF-8."], id="utf-16"
        ),
        pytest.param(
            b"# " + b"x" * 300_000, [": is larger than 256 kB. Keep only what belongs there."], id="larger than 256 kB"
        ),
        pytest.param(
            b"\x07" * 200_000,
            [f":1:{column}: a control character. Delete it." for column in range(1, 21)],
            id="binary",
        ),
        pytest.param(
            b"project: " + b"[" * 100_000, [":1:22: more than 12 levels deep. Close the brackets before."], id="deep"
        ),
        pytest.param(
            b"project: [" + b"x," * 100_000 + b"]",
            [":1:10005: more than 5000 values. Keep only what belongs there."],
            id="many values",
        ),
    ],
)
def test_hostile_bytes_are_refused_before_they_are_read_on(content: bytes, expected: list[str], tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        load(project(tmp_path, content))
    assert [str(mistake) for mistake in caught.value.mistakes] == [f"config/tiers.yaml{each}" for each in expected]


def test_a_link_out_of_the_project_is_refused_and_one_inside_is_followed(tmp_path: Path) -> None:
    outside = project(tmp_path / "elsewhere", MINIMAL) / "config" / "tiers.yaml"
    root = tmp_path / "project"
    (root / "config").mkdir(parents=True)
    link = root / "config" / "tiers.yaml"
    link.symlink_to(outside)
    with pytest.raises(SettingsError) as caught:
        load(root)
    assert [str(mistake) for mistake in caught.value.mistakes] == [
        "config/tiers.yaml: is a link that leads out of the project. Put the file itself there."
    ]
    (root / "real.yaml").write_text(MINIMAL)
    link.unlink()
    link.symlink_to(root / "real.yaml")
    assert load(root).project == "shop"


def test_a_loop_of_links_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "tiers.yaml").symlink_to("tiers.yaml")
    assert find_root(tmp_path) == tmp_path.resolve()
    with pytest.raises(SettingsError, match=r"config/tiers\.yaml: cannot be read \(.+\)\. Create it or correct"):
        load(tmp_path)


def test_a_folder_and_a_pipe_in_the_file_s_place_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "config" / "tiers.yaml"
    file.mkdir(parents=True)
    expected = "config/tiers.yaml: expected a file, found a folder or a device. Put a text file there."
    with pytest.raises(SettingsError) as folder:
        load(tmp_path)
    file.rmdir()
    os.mkfifo(file)
    with pytest.raises(SettingsError) as pipe:
        load(tmp_path)
    assert [str(error.value.mistakes[0]) for error in (folder, pipe)] == [expected, expected]


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        load(tmp_path)
    assert str(caught.value.mistakes[0]) == (
        "config/tiers.yaml: cannot be read (No such file or directory). Create it or correct its permissions."
    )


def test_a_path_that_leaves_the_project_through_a_link_is_refused(tmp_path: Path) -> None:
    root = project(tmp_path / "project", MINIMAL)
    (root / "seeds").symlink_to(tmp_path)
    with pytest.raises(SettingsError) as caught:
        load(root)
    said = "leads out of the project. Write a path from its top folder, for example seeds: seeds."
    assert [str(mistake) for mistake in caught.value.mistakes] == [f"config/tiers.yaml:1:1: seeds: {said}"]


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="from there on a loop of links resolves to itself")
def test_a_path_through_a_loop_of_links_is_refused(tmp_path: Path) -> None:
    root = project(tmp_path, MINIMAL)
    (root / "seeds").symlink_to("seeds")
    with pytest.raises(SettingsError, match="seeds: leads out of the project"):
        load(root)


TOKENS = st.sampled_from(
    [
        *MINIMAL.split(),
        *("-", ":", "{", "}", "[", "]", ",", "&", "*", "!", "|", ">", "'", '"', "%", "@", "`", "<<", "?", "#"),
        *("---", "...", "~", "no", "05432", "&a", "*a", "!!int"),
        "\n",
        "\n  ",
    ]
)
YAMLISH = st.lists(TOKENS | st.just(SECRET) | st.text(max_size=8), max_size=40).map(" ".join)


def outcome(root: Path, text: str) -> str:
    """Return all that can be seen of loading `text`: the settings, or the error with everything that hangs on it."""
    try:
        return repr(load(project(root, text.encode("utf-8", "surrogatepass"))))
    except SettingsError as error:
        return "".join(traceback.format_exception(error)) + repr((error.__cause__, error.__context__))


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=YAMLISH | st.text())
def test_no_text_raises_anything_but_a_settings_error_or_shows_a_secret(text: str, tmp_path: Path) -> None:
    assert SECRET not in outcome(tmp_path, text)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_secret_typed_anywhere_into_a_good_file_is_not_shown(data: st.DataObject, tmp_path: Path) -> None:
    at = data.draw(st.integers(0, len(MINIMAL)))
    until = data.draw(st.integers(at, min(len(MINIMAL), at + 12)))
    before = data.draw(st.sampled_from(["", "postgresql://anna:", "'", '"', "* ", "&", "!", "? ", "%"]))
    text = f"{MINIMAL[:at]}{before}{SECRET}{MINIMAL[until:]}"
    assert SECRET not in outcome(tmp_path, text)


def test_a_tier_that_needs_a_person_knows_who_may_sign_and_how_many_must(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    file = tmp_path / "config" / "tiers.yaml"
    file.write_text(MINIMAL.replace("consent: person", "consent: person, approvals: 2 people, approve_within: 4 hours"))
    without = load(tmp_path).tier("prod")
    (tmp_path / "config" / "allowed_signers").write_text("# us\r\n\r\nanna ssh-ed25519 AAAA \r\n")
    with_signers = load(tmp_path)
    (tmp_path / "config" / "allowed_signers").write_text("anna ssh-ed25519 AAAA")
    prod = load(tmp_path).tier("prod")

    assert (without.signers_digest, without.approvals, without.approve_within) == (None, 2, timedelta(hours=4))
    assert prod.signers_digest == with_signers.tier("prod").signers_digest == signers_digest("anna ssh-ed25519 AAAA")
    assert (with_signers.tier("int").signers_digest, with_signers.default.name) == (None, "int")
