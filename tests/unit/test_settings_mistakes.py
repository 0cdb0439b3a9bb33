"""Each mistake in `config/tiers.yaml`, and the exact words that it gets."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbtasks.errors import SettingsError
from dbtasks.settings import load

BASE = """\
project: shop
tiers:
  int:
    url: test_database_url
    may_lose: everything
    consent: none
    name_has_word: [test, int]
  stg:
    after: int
    flag: USE_STG_DATABASE
    url: stg_database_url
    may_lose: asked
    consent: question
  prod:
    after: stg
    flag: USE_PROD_DATABASE
    url: database_url
    may_lose: nothing
    consent: person
    name_has_word: [prod, live]
"""

# Of BASE, the first text is replaced by the second; the third is what is said, after "config/tiers.yaml:".
MISTAKES = (
    pytest.param(
        "    consent: person\n",
        "    consent: person\n    backup: {engine: copy}\n",
        [
            (
                "20:13: tiers.prod.backup: a copy needs a database that nobody is connected to, and dies with its "
                "server. Write engine: pg_dump."
            ),
        ],
        id="copies of a tier that may lose nothing",
    ),
    pytest.param(
        "    consent: question\n",
        "    consent: question\n    approvals: 2 people\n",
        [
            (
                "14:16: tiers.stg.approvals: are for a tier that needs a person. Write consent: person, or leave them "
                "out."
            ),
        ],
        id="approvals of a tier that asks nobody",
    ),
    pytest.param(
        "    consent: question\n",
        "    consent: question\n    arming: true\n",
        ["14:13: tiers.stg.arming: is for a tier that needs a person. Write consent: person, or leave it out."],
        id="armed terminals for a tier that asks nobody",
    ),
    pytest.param(
        "project: shop",
        "project: shop\nbackups: {folder: dumps, bucket: 's3://ours/shop'}",
        ["2:19: backups.folder: backups lie in the bucket. Leave out one of the two."],
        id="backups in two places",
    ),
    pytest.param(
        "project: shop",
        "project: shop\nbackups: {bucket: 's3://user:secret@host/shop', jobs: 0 jobs}",
        [
            (
                "2:19: backups.bucket: expected s3://bucket/folder, gs://bucket/folder or az://container/folder, found "
                "something that is not shown here, since it may be a secret. Write, for example, bucket: "
                "s3://our-backups/shop."
            ),
            "2:55: backups.jobs: expected a number of jobs, found '0 jobs'. Write, for example, jobs: 1 job.",
        ],
        id="a bucket's URL with a secret",
    ),
    pytest.param(
        "project: shop",
        "project: shop\nmigrations: {variables: [MODE, STG_DATABASE_URL, USE_PROD_DATABASE, PGHOST, DATABASE_URL, A]}",
        [
            (
                "2:32: migrations.variables: revisions never get this one, since it could lead to another database. "
                "Delete it."
            ),
            (
                "2:50: migrations.variables: revisions never get this one, since it could lead to another database. "
                "Delete it."
            ),
            (
                "2:69: migrations.variables: revisions never get this one, since it could lead to another database. "
                "Delete it."
            ),
            "2:77: migrations.variables: this one is in url_variables already. Delete it here.",
        ],
        id="variables that no revision gets",
    ),
    pytest.param(
        "project: shop",
        "project: shop\nmigrations: {scratch: STG_DATABASE_URL}",
        ["2:23: migrations.scratch: this one leads to a tier. Name the variable of a server that holds none."],
        id="a scratch server on which a tier lives",
    ),
    pytest.param(
        "project: shop",
        "project: shop\nmigrations: {config: db.ini, first: x.py, histories: {core: {}, billing: {section: billing}}}",
        [
            ("2:22: migrations.config: says nothing where there are histories. Write it into each of the histories."),
            "2:37: migrations.first: says nothing where there are histories. Leave out one of the two.",
            (
                "2:54: migrations.histories: core and billing have one version table. "
                "Write each one's own: version_table."
            ),
        ],
        id="histories that share what they cannot",
    ),
    pytest.param(
        "project: shop",
        "project: shop\nmigrations: {histories: {core: {}, search: {version_table: search.alembic_version}}}",
        [
            (
                "2:25: migrations.histories: core's version table alembic_version cannot be told from search's, "
                "search.alembic_version. Write it with its schema, for example public.alembic_version."
            ),
        ],
        id="a version table that is called like another one's in a schema",
    ),
    pytest.param(
        "project: shop",
        "project: shop\nmigrations: {histories: {core: db.ini}}",
        [
            (
                "2:32: migrations.histories.core: expected keys with values, found something that is not shown here, "
                "since it may be a secret. "
                "Write {core: {...}, billing: {...}}."
            )
        ],
        id="history that is a word",
    ),
    pytest.param(
        "    after: int",
        "    after: {int: stg}",
        [
            (
                "9:12: tiers.stg.after: expected the name of another tier, found keys with values. "
                "Write, for example, after: int."
            )
        ],
        id="keys where a word belongs",
    ),
    pytest.param(
        "project: shop",
        "project: shop\nmigrations: alembic.ini",
        [
            (
                "2:13: migrations: expected keys with values, found 'alembic.ini'. "
                "Write, for example, migrations: {config: alembic.ini}."
            )
        ],
        id="word where keys belong",
    ),
    pytest.param(
        "project: shop",
        "project: ''",
        [
            (
                "1:10: project: expected a name of at most 30 small letters, digits and _ that begins with a letter, "
                "found an empty text. Write, for example, project: shop."
            )
        ],
        id="empty text",
    ),
    pytest.param(
        "  prod:\n",
        "  preview: *int\n  prod:\n    runtime_url: app_url\n    runtime: {markers: {RENDER: *int}}\n",
        [
            "14:12: tiers.preview: an alias. Two tiers must never share a value: write it out here.",
            (
                "17:33: tiers.prod.runtime.markers.RENDER: an alias. "
                "Two tiers must never share a value: write it out here."
            ),
        ],
        id="aliases in place of a tier and a marker",
    ),
    pytest.param(
        "    url: stg_database_url\n",
        ("    url: stg_database_url\n    url: other_url\n"),
        ["12:5: tiers.stg.url: the key is there twice, first in line 11. Delete one."],
        id="duplicate key",
    ),
    pytest.param(
        "    flag: USE_STG",
        "    flagg: USE_STG",
        ["10:5: tiers.stg.flagg: unknown key. Did you mean flag?"],
        id="unknown key near a known one",
    ),
    pytest.param(
        "    may_lose: asked\n",
        ("    may_lose: asked\n    port: 05432\n"),
        [
            (
                "13:5: tiers.stg.port: unknown key. The keys here are: label, colour, aliases, after, "
                "flag, url, credential, runtime_url, admin_url, runtime, may_lose, consent, scripts_may_answer, "
                "name_has_word, seeds, retention, migrate, recovery, backup, arming, roles, limits, harden, "
                "approvals, approve_within, embedded, allow."
            )
        ],
        id="unknown key near none, octal port",
    ),
    pytest.param(
        "    may_lose: asked\n",
        ("    may_lose: asked\n    postgresql://u:s3cr3t-p@ss/x: 1\n"),
        [
            (
                "13:5: tiers.stg.(a key): unknown key. The keys here are: label, colour, aliases, after, "
                "flag, url, credential, runtime_url, admin_url, runtime, may_lose, consent, scripts_may_answer, "
                "name_has_word, seeds, retention, migrate, recovery, backup, arming, roles, limits, harden, "
                "approvals, approve_within, embedded, allow."
            )
        ],
        id="unknown key that holds a secret",
    ),
    pytest.param(
        "project: shop",
        ("project: shop\nprojects: x"),
        ["2:1: projects: unknown key. Did you mean project?"],
        id="unknown key at the top",
    ),
    pytest.param(
        "    url: stg_database_url\n",
        "",
        [
            (
                "9:5: tiers.stg.url: missing: the NAME of the environment variable that holds the URL. "
                "Write, for example, url: stg_database_url."
            )
        ],
        id="missing url",
    ),
    pytest.param(
        "project: shop",
        "project: [shop]",
        [
            (
                "1:10: project: expected a name of at most 30 small letters, digits and _ that begins "
                "with a letter, found a list. Write, for example, project: shop."
            )
        ],
        id="list where a word belongs",
    ),
    pytest.param(
        "[prod, live]",
        "prod",
        [
            (
                "20:20: tiers.prod.name_has_word: expected a list of words of small letters, found "
                "'prod'. Write, for example, name_has_word: [stg, staging]."
            )
        ],
        id="word where a list belongs",
    ),
    pytest.param(
        "[prod, live]",
        "[prod, 05432]",
        [
            (
                "20:27: tiers.prod.name_has_word.1: expected words of small letters, found 05432, which "
                "YAML reads as the number 2842. Write, for example, name_has_word: [stg, staging]."
            )
        ],
        id="octal number in a list",
    ),
    pytest.param(
        "[prod, live]",
        "[prod, no]",
        [
            (
                "20:27: tiers.prod.name_has_word.1: expected words of small letters, found no, which "
                "YAML reads as false. Put it in quotes: 'no'."
            )
        ],
        id="no in a list of words",
    ),
    pytest.param(
        "project: shop",
        "project: on",
        [
            (
                "1:10: project: expected a name of at most 30 small letters, digits and _ that begins "
                "with a letter, found on, which YAML reads as true. Put it in quotes: 'on'."
            )
        ],
        id="on where a word belongs",
    ),
    pytest.param(
        "project: shop",
        ("project: shop\ndemo: yes"),
        [("2:7: demo: expected true or false, found yes, which YAML reads as true. Write, for example, demo: false.")],
        id="yes where true or false belongs",
    ),
    pytest.param(
        "after: int",
        "after:",
        [("9:11: tiers.stg.after: expected the name of another tier, found nothing. Write, for example, after: int.")],
        id="key without a value",
    ),
    pytest.param(
        "project: shop",
        "project: 2026-01-01",
        [
            (
                "1:10: project: expected a name of at most 30 small letters, digits and _ that begins "
                "with a letter, found 2026-01-01, which YAML reads as a date. Write, for example, "
                "project: shop."
            )
        ],
        id="date where a word belongs",
    ),
    pytest.param(
        "url: stg_database_url",
        "url: postgresql://anna:s3cr3t-p@ss@db/shop_stg",
        [
            (
                "11:10: tiers.stg.url: expected the NAME of the environment variable that holds the URL, "
                "found something that is not shown here, since it may be a secret. Put the URL into a "
                "variable and write that variable's name, for example url: stg_database_url."
            )
        ],
        id="URL typed into the file",
    ),
    pytest.param(
        "url: stg_database_url",
        "url: 123456",
        [
            (
                "11:10: tiers.stg.url: expected the NAME of the environment variable that holds the URL, "
                "found something that is not shown here, since it may be a secret. Put the URL into a "
                "variable and write that variable's name, for example url: stg_database_url."
            )
        ],
        id="number that may be a password",
    ),
    pytest.param(
        ("[test, int]\n  stg:\n"),
        ("&w [test, int]\n  stg:\n    name_has_word: *w\n"),
        [("9:20: tiers.stg.name_has_word: an alias. Two tiers must never share a value: write it out here.")],
        id="alias from one tier to another",
    ),
    pytest.param(
        "  stg:\n",
        ("  stg:\n    <<: {label: X}\n"),
        ["9:5: tiers.stg.<<: a merge. Two tiers must never share a value: write the keys out here."],
        id="merge key",
    ),
    pytest.param(
        "project: shop",
        "project: !!python/name:os.system shop",
        ["1:10: project: a tag. Delete the word that begins with an exclamation mark."],
        id="tag",
    ),
    pytest.param(
        "consent: question",
        "consent: questions",
        [("13:14: tiers.stg.consent: expected none, question or person, found 'questions'. Did you mean question?")],
        id="choice misspelled",
    ),
    pytest.param(
        "consent: none",
        "consent: no",
        [
            (
                "6:14: tiers.int.consent: expected none, question or person, found no, which YAML reads "
                "as false. Did you mean none?"
            )
        ],
        id="no where none is meant",
    ),
    pytest.param(
        "  stg:\n",
        ("  stg:\n    label: STAGINGDB\n"),
        [
            (
                "9:12: tiers.stg.label: expected at most 8 capital letters or digits, found 'STAGINGDB'. "
                "Write, for example, label: INT."
            )
        ],
        id="label too long",
    ),
    pytest.param(
        "  stg:\n",
        ("  stg:\n    label: Stg\n"),
        [
            (
                "9:12: tiers.stg.label: expected at most 8 capital letters or digits, found 'Stg'. "
                "Write, for example, label: INT."
            )
        ],
        id="label not in capitals",
    ),
    pytest.param(
        "  stg:\n",
        ("  stg:\n    label: STÄG\n"),
        [
            (
                "9:12: tiers.stg.label: expected at most 8 capital letters or digits, found 'ST\\xc4G'. "
                "Write, for example, label: INT."
            )
        ],
        id="label not in ASCII",
    ),
    pytest.param(
        "project: shop",
        "project: Shop-1",
        [
            (
                "1:10: project: expected a name of at most 30 small letters, digits and _ that begins "
                "with a letter, found 'Shop-1'. Write, for example, project: shop."
            )
        ],
        id="project's name",
    ),
    pytest.param(
        "project: shop",
        ("project: shop\nseeds: ../seeds\ntrail: /var/log/x\nmigrations: {config: 'C:\\x.ini'}"),
        [
            ("2:8: seeds: leads out of the project. Write a path from its top folder, for example seeds: seeds."),
            (
                "3:8: trail: leads out of the project. Write a path from its top folder, for example "
                "trail: logs/database_audit.jsonl."
            ),
            (
                "4:22: migrations.config: leads out of the project. Write a path from its top folder, "
                "for example config: alembic.ini."
            ),
        ],
        id="paths that leave the project",
    ),
    pytest.param(
        "  stg:\n",
        ("  stg:\n    retention: -1 days\n"),
        [
            (
                "9:16: tiers.stg.retention: expected a number of days, hours or minutes, found '-1 "
                "days'. Write, for example, retention: 7 days."
            )
        ],
        id="negative retention",
    ),
    pytest.param(
        "  stg:\n",
        ("  stg:\n    retention: 0\n"),
        [
            (
                "9:16: tiers.stg.retention: expected a number of days, hours or minutes, found 0, which "
                "YAML reads as a number. Write, for example, retention: 7 days."
            )
        ],
        id="retention without a unit",
    ),
    pytest.param(
        "  stg:\n",
        ("  stg:\n    migrate: {lock_timeout: none, statement_timeout: 0, tries: 5, wait: 9999 hours}\n"),
        [
            (
                "9:29: tiers.stg.migrate.lock_timeout: expected a number of milliseconds, seconds, minutes or hours, "
                "found 'none'. Write, for example, lock_timeout: 5 seconds."
            ),
            (
                "9:54: tiers.stg.migrate.statement_timeout: expected a number of milliseconds, seconds, minutes or "
                "hours, or none, found 0, which YAML reads as a number. Write, for example, "
                "statement_timeout: 10 minutes."
            ),
            (
                "9:64: tiers.stg.migrate.tries: expected a number of times, found 5, which YAML reads as a number. "
                "Write, for example, tries: 5 times."
            ),
            (
                "9:73: tiers.stg.migrate.wait: expected a number of milliseconds, seconds, minutes or hours, "
                "found '9999 hours'. Write, for example, wait: 30 seconds."
            ),
        ],
        id="a migration without any patience, or with too much",
    ),
    pytest.param(
        "  stg:\n",
        "  stg:\n    recovery: {engine: pgbackrest}\n",
        ["9:24: tiers.stg.recovery.engine: pgBackRest knows each server by a name. Add stanza."],
        id="pgbackrest of no stanza",
    ),
    pytest.param(
        "  stg:\n",
        "  stg:\n    backup: {engine: pgbackrest}\n",
        ["9:13: tiers.stg.backup: pgBackRest knows each server by a name. Add stanza under recovery."],
        id="its backups of no stanza",
    ),
    pytest.param(
        "  stg:\n",
        ("  stg:\n    recovery: {engine: archive}\n"),
        [
            (
                "9:24: tiers.stg.recovery.engine: an archive lies somewhere. Add archive, its folder, or fetch, "
                "the command that reads it."
            )
        ],
        id="an archive that lies nowhere",
    ),
    pytest.param(
        "  stg:\n",
        ("  stg:\n    recovery: {engine: supabase, base: /base}\n"),
        [
            "9:24: tiers.stg.recovery.engine: Supabase is asked with a token. Add token: the variable that holds it.",
            "9:40: tiers.stg.recovery.base: says nothing beside engine: supabase. Leave it out.",
        ],
        id="a provider without a token, and with a folder",
    ),
    pytest.param(
        "  stg:\n",
        ("  stg:\n    recovery: {token: SUPABASE_ACCESS_TOKEN}\n"),
        ["9:23: tiers.stg.recovery.token: says nothing without engine: supabase. Leave it out."],
        id="a token for nobody",
    ),
    pytest.param(
        "  stg:\n",
        ("  stg:\n    recovery: {archive: /wal, fetch: [get, now], keep: ever}\n"),
        [
            "9:38: tiers.stg.recovery.fetch: says nothing beside archive. Leave out one of the two.",
            ("9:38: tiers.stg.recovery.fetch: does not say where {name} belongs. Write it into one of the words."),
            ("9:38: tiers.stg.recovery.fetch: does not say where {path} belongs. Write it into one of the words."),
            (
                "9:56: tiers.stg.recovery.keep: expected a number of days, hours or minutes, found 'ever'. "
                "Write, for example, keep: 7 days."
            ),
        ],
        id="two archives, and a command that knows no file",
    ),
    pytest.param(
        "    url: database_url",
        ("    url: database_url\n    runtime_url: DATABASE_URL\n    runtime: {markers: {RENDER: 'true'}}"),
        [
            (
                "18:18: tiers.prod.runtime_url: the same variable as url. A managed runtime has a role "
                "of its own: name another."
            )
        ],
        id="runtime_url equal to url",
    ),
    pytest.param(
        "    url: database_url",
        ("    url: database_url\n    admin_url: DATABASE_URL"),
        [
            (
                "18:16: tiers.prod.admin_url: a variable that is in use already. An administrator has a role "
                "of its own: name another."
            )
        ],
        id="admin_url equal to url",
    ),
    pytest.param(
        "    url: database_url",
        "    url: database_url\n    roles: {reader: none, writer: pg_x, owner: a, backup: a, owner_url: DATABASE_URL}",
        [
            "18:21: tiers.prod.roles.reader: is a name that PostgreSQL or dbtasks uses. Choose another.",
            "18:35: tiers.prod.roles.writer: is a name that PostgreSQL or dbtasks uses. Choose another.",
            "18:59: tiers.prod.roles.backup: is another part's role already. Give each part a role of its own.",
            "18:73: tiers.prod.roles.owner_url: is a variable in use already. Name another.",
        ],
        id="roles without names of their own",
    ),
    pytest.param(
        "    url: database_url",
        "    url: database_url\n    admin_url: boss_url\n    roles: {backup_url: BOSS_URL}",
        [
            "19:25: tiers.prod.roles.backup_url: says nothing without the role's name. Add backup.",
            "19:25: tiers.prod.roles.backup_url: is a variable in use already. Name another.",
        ],
        id="a role's URL without the role",
    ),
    pytest.param(
        "    url: database_url",
        ("    url: database_url\n    harden: {passes: anna, people: [ben, anna], connections: 0 connections}"),
        [
            "18:42: tiers.prod.harden.people: the role that may drop is not one that people log in as. Take it out.",
            (
                "18:62: tiers.prod.harden.connections: expected a number of connections, found '0 connections'. "
                "Write, for example, connections: 80 connections."
            ),
        ],
        id="one of the people passes",
    ),
    pytest.param(
        "    url: database_url",
        (
            "    url: database_url\n    limits:\n"
            "      frozen: [migrate Fri 16:00 to Fri 16:00, seed Mon 00:00 to Tue 00:00 Europe/Nowhere]"
        ),
        [
            ("19:16: tiers.prod.limits.frozen: begins when it ends, which is never. Write two different times."),
            (
                "19:48: tiers.prod.limits.frozen: no time zone is called Europe/Nowhere. Write one such as "
                "Europe/Berlin."
            ),
        ],
        id="a freeze without length, and one in no time zone",
    ),
    pytest.param(
        "    url: database_url",
        ("    url: database_url\n    limits: {runs: [migrate often]}"),
        [
            (
                "18:21: tiers.prod.limits.runs.0: expected operations with a number of times and a time, such as "
                "migrate 3 times in 1 day, found 'migrate often'. Write, for example, "
                "runs: [migrate 3 times in 1 day, open 20 times in 1 hour]."
            )
        ],
        id="a rate that is none",
    ),
    pytest.param(
        "    url: database_url",
        ("    url: database_url\n    runtime: {markers: {RENDER: 'true'}}"),
        [
            (
                "18:14: tiers.prod.runtime: a managed runtime needs a URL of its own. Add runtime_url: "
                "database_runtime_url."
            )
        ],
        id="runtime markers without runtime_url",
    ),
    pytest.param(
        "    url: database_url",
        ("    url: database_url\n    runtime_url: rurl\n    runtime: {markers: {RENDER: true}}"),
        [("19:33: tiers.prod.runtime.markers.RENDER: expected a text, found the word true. Put it in quotes.")],
        id="marker with a truth value",
    ),
    pytest.param(
        "    after: int",
        "    after: stg",
        ["9:12: tiers.stg.after: a tier does not come after itself. Name the tier before it."],
        id="tier after itself",
    ),
    pytest.param(
        "    after: int",
        "    after: prod",
        [("9:12: tiers.stg.after: goes round in a circle: stg after prod after stg. Delete it from the first tier.")],
        id="circle of two",
    ),
    pytest.param(
        "  int:\n",
        ("  int:\n    after: prod\n"),
        [
            (
                "4:12: tiers.int.after: goes round in a circle: int after prod after stg after int. "
                "Delete it from the first tier."
            )
        ],
        id="circle of all",
    ),
    pytest.param(
        "    after: stg",
        "    after: int",
        ["15:12: tiers.prod.after: stg already comes after int. The order is a line: name another."],
        id="fork",
    ),
    pytest.param(
        "    after: int\n",
        "",
        [("9:5: tiers.stg.after: missing: int is the first tier already. Add the tier that comes before this one.")],
        id="two first tiers",
    ),
    pytest.param(
        "    after: int",
        "    after: imt",
        [("9:12: tiers.stg.after: no tier is called 'imt'. Did you mean int? The tiers are: int, stg, prod.")],
        id="unknown predecessor",
    ),
    pytest.param(
        "  stg:\n",
        ("  stg:\n    aliases: [int, stg, ci, ci]\n"),
        [
            "9:15: tiers.stg.aliases: 'int' is already the name or alias of tier int. Write another.",
            "9:20: tiers.stg.aliases: 'stg' is this tier's name already. Delete it.",
            "9:29: tiers.stg.aliases.3: 'ci' is there twice. Delete one.",
        ],
        id="aliases taken, own and twice",
    ),
    pytest.param(
        "  stg:\n",
        ("  stg:\n    label: INT\n"),
        ["9:12: tiers.stg.label: 'INT' is already the label of tier int. Write another."],
        id="label taken",
    ),
    pytest.param(
        "USE_STG_DATABASE",
        "USE_PROD_DATABASE",
        ["16:11: tiers.prod.flag: 'USE_PROD_DATABASE' is already the flag of tier stg. Write another."],
        id="flag taken",
    ),
    pytest.param(
        "stg_database_url",
        "TEST_DATABASE_URL",
        ["11:10: tiers.stg.url: this is already the URL variable of tier int. Write another."],
        id="url taken, as its twin",
    ),
    pytest.param(
        "[prod, live]",
        "[prod, int]",
        ["20:27: tiers.prod.name_has_word: 'int' is already the word of tier int. Write another."],
        id="name word taken",
    ),
    pytest.param(
        "project: shop",
        ("project: shop\ndefault: itn"),
        ["2:10: default: no tier is called 'itn'. Did you mean int? The tiers are: int, stg, prod."],
        id="unknown default",
    ),
    pytest.param(
        "project: shop",
        ("project: shop\ndefault: stg"),
        [
            (
                "2:10: default: tests run on the default, so stg would need consent: none and may_lose: "
                "everything. Name another tier."
            )
        ],
        id="default that needs consent",
    ),
    pytest.param(
        "    flag: USE_PROD_DATABASE\n",
        "",
        [
            (
                "18:14: tiers.prod.consent: a person's consent needs a flag as well. Add, for example, "
                "flag: USE_PROD_DATABASE."
            )
        ],
        id="person without a flag",
    ),
    pytest.param(
        ("may_lose: asked\n    consent: question"),
        ("may_lose: nothing\n    consent: none"),
        ["13:14: tiers.stg.consent: a tier that may lose nothing needs consent. Write person."],
        id="nothing to lose without consent",
    ),
    pytest.param(
        "consent: person",
        ("consent: person\n    scripts_may_answer: true"),
        [("20:25: tiers.prod.scripts_may_answer: no script answers where a person must consent. Write false.")],
        id="scripts answer for a person",
    ),
    pytest.param(
        "consent: person",
        ("consent: person\n    embedded: durable"),
        ["20:15: tiers.prod.embedded: a tier that needs a person uses no embedded server. Write never."],
        id="embedded for a person",
    ),
    pytest.param(
        "USE_STG_DATABASE",
        "USE_TEST_DATABASE",
        [("10:11: tiers.stg.flag: USE_TEST_DATABASE is an old word for the default tier. Choose another name.")],
        id="flag that is deprecated",
    ),
    pytest.param(
        "project: shop",
        "project: live_shop",
        ["1:10: project: holds 'live', a word by which tier prod knows its databases. Choose another."],
        id="project's name holds a name word",
    ),
    pytest.param(
        "consent: question",
        ("consent: question\n    embedded: durable\n    name_has_word: [staging]"),
        [
            (
                "15:20: tiers.stg.name_has_word: the embedded database <project>_stg has none of these "
                "words. Add one it has."
            )
        ],
        id="embedded name breaks the name rule",
    ),
    pytest.param(
        "[prod, live]",
        "[]",
        [("20:20: tiers.prod.name_has_word: no word, so that no database's name would do. Write at least one.")],
        id="no name word at all",
    ),
    pytest.param(
        "  stg:\n",
        "  Stg:\n",
        [
            (
                "8:3: tiers.Stg: found 'Stg', expected tiers by name (a letter, then small letters, "
                "digits and _, 16 at most). Choose another name."
            ),
            ("15:12: tiers.prod.after: no tier is called 'stg'. Did you mean Stg? The tiers are: int, Stg, prod."),
        ],
        id="tier's name in capitals",
    ),
    pytest.param(
        "  stg:\n",
        "  no:\n",
        [
            "8:3: tiers.no: a key that YAML reads as false. Put it in quotes or choose another word.",
            "15:12: tiers.prod.after: no tier is called 'stg'. The tiers are: int, prod.",
        ],
        id="tier called no",
    ),
    pytest.param(
        "  int:\n",
        "  integration:\n",
        [
            (
                "4:5: tiers.integration.label: missing, and 'integration' is too long for one. Write at "
                "most 8 capital letters or digits."
            ),
            "9:12: tiers.stg.after: no tier is called 'int'. The tiers are: integration, stg, prod.",
        ],
        id="tier's name too long for a label",
    ),
    pytest.param(
        BASE,
        ("project: shop\ntiers: {}\n"),
        [("2:8: tiers: empty: expected tiers by name (a letter, then small letters, digits and _, 16 at most).")],
        id="no tier",
    ),
    pytest.param(
        BASE,
        "project: shop\n",
        [
            (
                "1:1: tiers: missing: tiers by name (a letter, then small letters, digits and _, 16 at "
                "most). Write, for example, tiers: {int: {...}, stg: {...}}."
            )
        ],
        id="tiers missing",
    ),
    pytest.param(
        BASE,
        ("project: shop\ntiers: [int]\n"),
        [
            (
                "2:8: tiers: expected tiers by name (a letter, then small letters, digits and _, 16 at "
                "most), found a list. Write, for example, tiers: {int: {...}, stg: {...}}."
            )
        ],
        id="tiers as a list",
    ),
    pytest.param(
        BASE,
        ("project: shop\ntiers: {int: postgresql://a:s3cr3t-p@ss@x}\n"),
        [
            (
                "2:14: tiers.int: expected keys with values, found something that is not shown here, "
                "since it may be a secret. Declare url, may_lose and consent."
            )
        ],
        id="URL in place of a tier",
    ),
    pytest.param(BASE, "", ["the file is empty. Declare the project and its tiers in it."], id="empty file"),
    pytest.param(
        BASE, "# nothing\n", ["the file is empty. Declare the project and its tiers in it."], id="nothing but a comment"
    ),
    pytest.param(BASE, "- a\n", ["1:1: expected keys with values, as in project: shop."], id="list at the top"),
    pytest.param(
        BASE,
        BASE + ("---\na: 1\n"),
        ["21:1: a second document. Keep one and delete the line of dashes."],
        id="second document",
    ),
    pytest.param(BASE, ("project: shop\n\ttiers: 1\n"), ["2:1: a tab. Indent with blanks, two a level."], id="tab"),
    pytest.param(BASE, "project: sh\x07op\n", ["1:12: a control character. Delete it."], id="control character"),
    pytest.param(
        BASE,
        "project: shop: x\n",
        ["1:14: a colon is not expected here. Check the indentation or quote the text."],
        id="colon too many",
    ),
    pytest.param(BASE, "project: 'shop\n", ["1:10: this quote is not closed."], id="quote not closed"),
    pytest.param(
        BASE,
        "project: [shop\n",
        ["1:10: this bracket is not closed, or a comma is missing in it."],
        id="bracket not closed",
    ),
    pytest.param(
        BASE,
        ("project: shop\nurl: @s3cr3t\n"),
        ["2:6: a text cannot begin with this character. Put the text in quotes."],
        id="value that begins with @",
    ),
    pytest.param(
        BASE,
        ("project: shop\n  default: int\n tiers: x\n"),
        ["2:10: a colon is not expected here. Check the indentation or quote the text."],
        id="indentation",
    ),
    pytest.param(
        BASE,
        ("project: shop\ndefault\ntiers: {}\n"),
        ["2:1: expected a key, a colon and a value, as in label: INT."],
        id="key without a colon",
    ),
    pytest.param(
        BASE,
        "project: %x\n",
        ["1:10: a text cannot begin with this character. Put the text in quotes."],
        id="value that begins with %",
    ),
    pytest.param(
        "    after: int",
        ("    after: int\n    label: 05432"),
        [
            (
                "10:12: tiers.stg.label: expected at most 8 capital letters or digits, found 05432, "
                "which YAML reads as the number 2842. Write, for example, label: INT."
            )
        ],
        id="octal label",
    ),
    pytest.param(
        "    after: int",
        ("    after: int\n    seeds: [a, a]"),
        ["10:16: tiers.stg.seeds.1: 'a' is there twice. Delete one."],
        id="seed set twice",
    ),
    pytest.param(
        "    url: database_url",
        ("    url: database_url\n    runtime_url: STG_DATABASE_URL"),
        ["18:18: tiers.prod.runtime_url: this is already the URL variable of tier stg. Write another."],
        id="runtime_url taken",
    ),
    pytest.param(
        "    after: int",
        ("    after: int\n    seeds: [&a [x], *a, [*a, *a]]"),
        [
            (
                "10:13: tiers.stg.seeds.0: expected names of folders: small letters, digits, _ and -, "
                "found a list. Write, for example, seeds: [reference, demo]."
            ),
            "10:21: tiers.stg.seeds.1: an alias. Two tiers must never share a value: write it out here.",
            (
                "10:25: tiers.stg.seeds.2: expected names of folders: small letters, digits, _ and -, "
                "found a list. Write, for example, seeds: [reference, demo]."
            ),
            "10:26: tiers.stg.seeds.2.0: an alias. Two tiers must never share a value: write it out here.",
            "10:30: tiers.stg.seeds.2.1: an alias. Two tiers must never share a value: write it out here.",
        ],
        id="alias bomb",
    ),
    pytest.param(
        "    after: int",
        ("    after: &k int\n    *k : 1"),
        ["10:5: tiers.stg.(a key): an alias. Two tiers must never share a value: write it out here."],
        id="alias as a key",
    ),
    pytest.param(
        "    after: int",
        ("    after: int\n    [a]: 1"),
        ["10:5: tiers.stg.(a key): a key must be a single word."],
        id="list as a key",
    ),
    pytest.param(
        ("  stg:\n    after: int"),
        ("  prod_stg:\n    name_has_word: [stg]\n    embedded: durable\n    after: int"),
        [
            ("9:5: tiers.prod_stg: by this name its embedded database would pass for prod. Choose another name."),
            "17:12: tiers.prod.after: no tier is called 'stg'. The tiers are: int, prod_stg, prod.",
        ],
        id="tier name that passes for another",
    ),
    pytest.param(
        "consent: question",
        ("consent: ask\n    colour: grey\n    retention: soon\n    scripts_may_answer: maybe"),
        [
            (
                "13:14: tiers.stg.consent: expected none, question or person, found 'ask'. Write, for "
                "example, consent: person."
            ),
            (
                "14:13: tiers.stg.colour: expected green, yellow, red, blue, magenta or cyan, found "
                "'grey'. Did you mean green?"
            ),
            (
                "15:16: tiers.stg.retention: expected a number of days, hours or minutes, found 'soon'. "
                "Write, for example, retention: 7 days."
            ),
            (
                "16:25: tiers.stg.scripts_may_answer: expected true or false, found 'maybe'. Write, for "
                "example, scripts_may_answer: false."
            ),
        ],
        id="several mistakes at once",
    ),
)


@pytest.mark.parametrize(("old", "new", "expected"), MISTAKES)
def test_a_mistake_is_named_with_its_place_and_what_to_do(
    old: str, new: str, expected: list[str], tmp_path: Path
) -> None:
    assert old in BASE
    assert said(tmp_path, BASE.replace(old, new, 1)) == expected


def test_the_base_of_the_table_is_without_a_mistake(tmp_path: Path) -> None:
    assert said(tmp_path, BASE) == []


def said(root: Path, text: str) -> list[str]:
    (root / "config").mkdir()
    (root / "config" / "tiers.yaml").write_text(text, encoding="utf-8")
    try:
        load(root)
    except SettingsError as error:
        return [str(mistake).removeprefix("config/tiers.yaml:").strip() for mistake in error.mistakes]
    return []
