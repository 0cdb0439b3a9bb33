"""A small database to back up, on servers that hold nothing else, and what is done to it and to its backups."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dbtasks.author import Who
from dbtasks.backups import listing, restoring, taking, verifying
from dbtasks.backups.engines import Beside, Errand, Source
from dbtasks.backups.local import Local
from dbtasks.backups.manifest import Manifest
from dbtasks.backups.sealing import Identities, Recipients
from dbtasks.backups.vault import Vault
from dbtasks.conninfo import Conninfo
from dbtasks.database import open_to_write
from dbtasks.guard import Clearance
from dbtasks.registry import Registry, open_registry
from dbtasks.tiers import BackupEngine, BackupPolicy, Tier
from tests.server.road import dump
from tests.server.schemas_ground import cleared
from tests.unit.guard_cells import STG

WHO = Who(person="anna", host="desk", pid=1, started="", surroundings="terminal", commit=None)
ERRAND = Errand(who=WHO, entry=7, reason="before the reset")
TABLES = (("", "alembic_version"),)

# A little of everything that a dump must carry.
SHOP = """
CREATE TABLE alembic_version (version_num text PRIMARY KEY);
INSERT INTO alembic_version VALUES ('r3');
CREATE SCHEMA sales;
CREATE TYPE sales.mood AS ENUM ('good', 'bad');
CREATE TABLE sales.people (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL UNIQUE,
                           mood sales.mood DEFAULT 'good', born date CHECK (born > '1900-01-01'));
CREATE TABLE sales.orders (id bigserial PRIMARY KEY, person int REFERENCES sales.people, price numeric(10, 2));
CREATE TABLE sales.events (at date NOT NULL, what text) PARTITION BY RANGE (at);
CREATE TABLE sales.events_2026 PARTITION OF sales.events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE TABLE parent (a int);
CREATE TABLE child (b int) INHERITS (parent);
CREATE VIEW sales.rich AS
    SELECT p.name, sum(o.price) FROM sales.people p JOIN sales.orders o ON o.person = p.id GROUP BY 1;
CREATE MATERIALIZED VIEW sales.totals AS SELECT count(*) AS n FROM sales.orders;
CREATE FUNCTION sales.twice(a int) RETURNS int LANGUAGE sql AS 'SELECT a * 2';
CREATE TABLE empty_one (a int);
INSERT INTO sales.people (name) SELECT 'person ' || i || E' \\u00e9\\t\\n''"' FROM generate_series(1, 200) i;
INSERT INTO sales.orders (person, price) SELECT i % 200 + 1, i FROM generate_series(1, 3000) i;
INSERT INTO sales.events SELECT '2026-01-01'::date + i, md5(i::text) FROM generate_series(1, 300) i;
INSERT INTO parent VALUES (1);
INSERT INTO child VALUES (1, 2), (3, 4);
SELECT lo_from_bytea(0, 'a large object');
COMMENT ON TABLE sales.people IS 'who buys';
GRANT SELECT ON sales.people TO reader;
ALTER TABLE sales.orders ENABLE ROW LEVEL SECURITY;
"""


@dataclass(slots=True, kw_only=True)
class Ground:
    """A server with a shop on it. `boss` is the way of its superuser, to the database postgres."""

    boss: Conninfo
    folder: Path
    clearance: Clearance = field(default_factory=cleared)
    name: str = "shop_stg"

    @property
    def shop(self) -> Conninfo:
        return self.boss.with_database(self.name)

    def sql(self, text: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run statements one by one where they are a single one, else together, and return the last one's rows."""
        with closing(open_to_write(self.clearance, self.boss.with_database(database))) as connection:
            cursor = connection.execute(text.encode())
            while cursor.nextset():
                pass
            return list(cursor.fetchall()) if cursor.description else []

    def make(self, text: str = SHOP) -> None:
        self.drop()
        if not self.sql("SELECT 1 FROM pg_roles WHERE rolname = 'reader'"):
            self.sql("CREATE ROLE reader NOLOGIN")
        self.sql(f'CREATE DATABASE "{self.name}"')
        self.sql(text, self.name)

    def drop(self) -> None:
        self.sql(f'DROP DATABASE IF EXISTS "{self.name}" WITH (FORCE)')

    def source(self, tier: Tier = STG, engine: BackupEngine = BackupEngine.PG_DUMP) -> Source:
        tier = replace(tier, backup=BackupPolicy(engine=engine))
        return Source(project="shop", tier=tier, conninfo=self.shop, version_tables=TABLES)

    def vault(self, recipients: Recipients | None = None, identities: Identities | None = None, jobs: int = 1) -> Vault:
        return Vault(store=Local(self.folder), recipients=recipients, identities=identities, jobs=jobs)

    def take(self, vault: Vault | None = None, **source: Any) -> Manifest:
        return taking.take(self.clearance, self.source(**source), vault or self.vault(), ERRAND)

    @contextmanager
    def beside(self, *, server: Conninfo | None = None, roles: bool = False) -> Iterator[Beside]:
        """A name that is reserved, here or on another server; whatever is there is dropped."""
        base = server or self.boss
        with closing(open_registry(self.clearance, base, base)) as connection:
            known = Registry(connection, "shop", "anna@desk")
            row = known.reserve("stg", 7)
            try:
                yield Beside(known=known, row=row, server=base, roles=roles)
            finally:
                known.drop(row)

    def restored(self, manifest: Manifest, vault: Vault | None = None) -> str:
        """Return what a database holds that was made of a backup, as pg_dump writes it."""
        with self.beside() as beside:
            restoring.restore_into(self.clearance, vault or self.vault(), manifest, beside)
            return self.dump(beside.row.name)

    def verify(self, manifest: Manifest, vault: Vault | None = None, **beside: Any) -> Manifest:
        look = verifying.Look(vault=vault or self.vault(), manifest=manifest, errand=ERRAND)
        with self.beside(**beside) as place:
            return verifying.restorable(self.clearance, look, place)

    def readable(self, manifest: Manifest, vault: Vault | None = None) -> Manifest:
        return verifying.readable(verifying.Look(vault=vault or self.vault(), manifest=manifest, errand=ERRAND))

    def listing(self, vault: Vault | None = None) -> listing.Listing:
        return listing.list_backups(vault or self.vault(), "shop", servers=(self.boss,))

    def dump(self, name: str = "") -> str:
        return dump(self.boss.with_database(name or self.name).url(self.clearance)).replace(name or self.name, "it")

    def databases(self) -> set[str]:
        """Return the names of the databases, but for the one that every first backup beside makes."""
        return {str(name) for (name,) in self.sql("SELECT datname::text FROM pg_database WHERE datname <> 'dbtasks'")}

    def left(self) -> list[str]:
        """Return what lies in the vault's folder, but for what keeps it out of git."""
        return sorted(
            path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*") if path.name != ".gitignore"
        )

    def change(self, manifest: Manifest, name: str, change: Callable[[bytes], bytes]) -> None:
        """Change a stored file behind everybody's back."""
        path = self.folder / manifest.id / name
        path.write_bytes(change(path.read_bytes()))


def rewrite(manifest: dict[str, Any], **fields: Any) -> bytes:
    return json.dumps({**manifest, **fields}).encode()


def fresh_folder(base: Path) -> Path:
    return base / secrets.token_hex(4)
