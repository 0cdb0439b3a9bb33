"""What a team declares in `config/tiers.yaml`, as values.

Importing this module is cheap: whatever reads YAML is imported by `load` alone.
"""

from __future__ import annotations

from pathlib import Path

from dbtasks.errors import UsageError
from dbtasks.people import Person
from dbtasks.rotation import NEVER, Rotation
from dbtasks.tiers import Tier
from dbtasks.values import dataclass
from dbtasks.wording import nearest, quoted

SETTINGS_FILE = Path("config", "tiers.yaml")
SIGNERS_FILE = Path("config", "allowed_signers")
# The same as the stamp still knows it, while a plan to change who may sign is on its way.
SIGNERS_BEFORE = Path("config", "allowed_signers.before")


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationSettings:
    """Where Alembic's configuration lies, and which variables the project's `env.py` takes its URL from.

    `check` is the application's own check of a migrated tier; with `ignore_models` its models are not compared.
    `variables` are others that the revisions read. `scratch` is the variable with the URL of the server for rehearsals;
    empty: the project's private one. `python` is the interpreter that has the project's Alembic, where it
    is not ours. `program` is what migrates in place of `alembic upgrade heads`, `first` a file that makes the first
    tables. A project may have several histories; each has a `name` then, and its revisions are called `name/id`.
    """

    config: Path
    section: str = "alembic"
    url_variables: tuple[str, ...] = ("DATABASE_URL",)
    version_table: str = "alembic_version"
    variables: tuple[str, ...] = ()
    scratch: str = ""
    check: tuple[str, ...] = ()
    ignore_models: bool = False
    python: Path | None = None
    program: tuple[str, ...] = ()
    first: Path | None = None
    name: str = ""
    histories: tuple[MigrationSettings, ...] = ()

    @property
    def each(self) -> tuple[MigrationSettings, ...]:
        """The histories, in the order in which they are migrated; one without a name where none is declared."""
        return self.histories or (self,)

    @property
    def version_tables(self) -> tuple[tuple[str, str], ...]:
        """Each history's prefix and version table."""
        return tuple((each.prefix, each.version_table) for each in self.each)

    @property
    def prefix(self) -> str:
        """What stands before this history's revisions wherever there could be several."""
        return f"{self.name}/" if self.name else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StockLimits:
    """How many databases a tier may keep ready for its next reset, and how many bytes all of them together.

    `by_hand`: only who asks for it prepares, no reset does so in the background.
    """

    databases: int = 8
    size_bytes: int = 4_000_000_000
    by_hand: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupSettings:
    """Where backups lie, and who can open them: in `bucket`, an object store's URL, else in `folder`.

    `recipients` are public keys or files of them. `identity` is the variable with the path of a private key.
    """

    folder: Path
    bucket: str = ""
    recipients: tuple[str, ...] = ()
    identity: str = ""
    jobs: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that `config/tiers.yaml` says. Paths are absolute and inside `root`; `tiers` is in migration order.

    `project` is also the first word of the databases on an embedded server: `<project>_<tier>`. `contacts` are lines
    for people under stress, `incidents` is the folder of their pages. `rotation`: when the trail's file is put aside.
    """

    root: Path
    file: Path
    project: str
    tiers: tuple[Tier, ...]
    default: Tier
    migrations: MigrationSettings
    seeds: Path
    trail: Path
    incidents: Path
    backups: BackupSettings
    contacts: tuple[str, ...] = ()
    agent_markers: tuple[str, ...] = ()
    stock: StockLimits = StockLimits()
    rotation: Rotation = NEVER
    demo: bool = False
    people: tuple[Person, ...] = ()

    @property
    def left_out(self) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
        """What a schema is compared without: version tables, and the rights of the roles that any tier declares."""
        names = sorted({name for tier in self.tiers for _, name in tier.roles.names})
        return self.migrations.version_tables, tuple(names)

    def tier(self, name: str) -> Tier:
        """Return the tier with this name or alias, in any case; `UsageError` says which tiers there are."""
        wanted = name.lower()
        for tier in self.tiers:
            if wanted in (tier.name.lower(), *(alias.lower() for alias in tier.aliases)):
                return tier
        known = [word for tier in self.tiers for word in (tier.name, *tier.aliases)]
        names = ", ".join(tier.name for tier in self.tiers)
        raise UsageError(f"unknown tier: {quoted(name)}.{nearest(name, known)} The tiers are: {names}.")

    def predecessors(self, tier: Tier) -> tuple[Tier, ...]:
        """Return the tiers that migrations reach before `tier`, first one first."""
        names = [each.name for each in self.tiers]
        return self.tiers[: names.index(tier.name)]


def find_root(start: Path) -> Path:
    """Return the nearest folder, from `start` upwards, that holds `config/tiers.yaml`."""
    here = start.resolve()
    for folder in (here, *here.parents):
        if (folder / SETTINGS_FILE).exists() or (folder / SETTINGS_FILE).is_symlink():
            return folder
    raise UsageError(
        f"no {SETTINGS_FILE.as_posix()} in {here} or any folder above it. "
        "Change to the project's folder, or declare the project's tiers in that file."
    )


def load(root: Path) -> Settings:
    """Return the settings of the project in `root`; `SettingsError` holds every mistake at once."""
    from dbtasks.settings_reading import read  # late: it imports PyYAML

    return read(root)
