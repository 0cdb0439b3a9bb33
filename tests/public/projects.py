"""The public projects: what is installed of them, how they are declared, and how they migrate without dbtasks.

Each has a virtual environment of its own, in another place than ours. Nothing of a package is written to.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.outside import REPOSITORY

CACHE = REPOSITORY / ".nox" / "public-projects"
_INSTALL_S = 1800


@dataclass(frozen=True, kw_only=True)
class Venv:
    """A virtual environment that is made once and kept."""

    name: str
    requirements: tuple[str, ...]

    @property
    def folder(self) -> Path:
        digest = hashlib.sha256("\n".join((sys.version, *self.requirements)).encode()).hexdigest()
        return CACHE / f"{self.name}-{digest[:8]}"

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    def install(self) -> None:
        """Make it, unless an earlier run has made it whole."""
        made = self.folder / "made"
        if made.exists():
            return
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(self.folder)], check=True)
        pip = [str(self.python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *self.requirements], check=True, timeout=_INSTALL_S)
        made.touch()


@dataclass(frozen=True, kw_only=True)
class Public:
    """One project.

    `settings` goes under `migrations:` in `config/tiers.yaml`, `files` into the folder that adopts it. `variables` are
    what its own code wants besides a URL; in `alone`, its own command, `{url}` is the database's and `{driver_url}` the
    same with its driver. `packages` are those whose files must stay as they were.
    """

    name: str
    requirements: tuple[str, ...]
    packages: tuple[str, ...]
    settings: str
    files: Mapping[str, str]
    alone: tuple[str, ...]
    url_variable: str
    driver: str = "psycopg2"
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def venv(self) -> Venv:
        return Venv(name=self.name, requirements=self.requirements)

    def bytes(self) -> dict[str, str]:
        """Return a digest of every file of its packages."""
        site = next((self.venv.folder / "lib").glob("python3.*")) / "site-packages"
        files = [file for name in self.packages for file in sorted((site / name).rglob("*")) if file.is_file()]
        return {
            str(file): hashlib.sha256(file.read_bytes()).hexdigest()
            for file in files
            if "__pycache__" not in file.parts
        }

    def environ(self, home: Path) -> dict[str, str]:
        return {name: value.format(home=home) for name, value in self.variables.items()}

    def migrate_alone(self, folder: Path, url: str) -> None:
        """Migrate a database as the project itself does, without dbtasks."""
        driver_url = url.replace("postgresql://", f"postgresql+{self.driver}://")
        words = [word.format(url=url, driver_url=driver_url, folder=folder) for word in self.alone]
        done = subprocess.run(
            [str(self.venv.folder / "bin" / words[0]), *words[1:]],
            cwd=folder,
            env={"PATH": os.defpath, "HOME": str(folder), **self.environ(folder), self.url_variable: driver_url},
            check=False,
            timeout=600,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]


_MLFLOW_ALONE = """
import sys
from sqlalchemy import create_engine
from mlflow.store.db.utils import _initialize_tables

_initialize_tables(create_engine(sys.argv[1]))
"""
_CKAN_ALONE = """
import sys
from alembic import command
from alembic.config import Config

config = Config("alembic.ini")
config.set_main_option("sqlalchemy.url", sys.argv[1].replace("%", "%%"))
command.upgrade(config, "heads")
"""
_INI = "[alembic]\nscript_location = {}\n"

MLFLOW = Public(
    name="mlflow",
    requirements=("mlflow==3.17.2", "alembic==1.20.1", "SQLAlchemy==2.1.9", "psycopg2-binary==2.9.13"),
    packages=("mlflow",),
    settings="  first: first_tables.py\n  url_variables: [MLFLOW_TRACKING_URI]",
    files={
        "alembic.ini": _INI.format("mlflow:store:db_migrations"),
        "first_tables.py": (
            "import os\n"
            "from sqlalchemy import create_engine\n"
            "from mlflow.store.tracking.dbmodels.initial_models import Base\n\n"
            'Base.metadata.create_all(create_engine(os.environ["MLFLOW_TRACKING_URI"]))\n'
        ),
    },
    url_variable="MLFLOW_TRACKING_URI",
    alone=(
        "python",
        "-c",
        _MLFLOW_ALONE,
        "{driver_url}",
    ),
)

CKAN = Public(
    name="ckan",
    requirements=("ckan[requirements]==2.12.0", "alembic==1.18.5", "SQLAlchemy==2.0.51"),
    packages=("ckan", "ckanext"),
    settings="  url_variables: [CKAN_SQLALCHEMY_URL]",
    files={
        "alembic.ini": _INI.format("ckan:migration"),
    },
    url_variable="CKAN_SQLALCHEMY_URL",
    alone=(
        "python",
        "-c",
        _CKAN_ALONE,
        "{driver_url}",
    ),
)

AIRFLOW = Public(
    name="airflow",
    requirements=(
        "apache-airflow-core==3.3.2",
        "alembic==1.20.1",
        "SQLAlchemy==2.1.9",
        "psycopg2-binary==2.9.13",
        "asyncpg==0.32.0",
    ),
    packages=("airflow",),
    settings="  url_variables: [AIRFLOW__DATABASE__SQL_ALCHEMY_CONN]",
    files={
        "alembic.ini": _INI.format("airflow:migrations") + "[loggers]\nkeys = root\n[handlers]\nkeys =\n"
        "[formatters]\nkeys =\n[logger_root]\nhandlers =\n"
    },
    url_variable="AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",
    variables={"AIRFLOW_HOME": "{home}/airflow", "AIRFLOW__CORE__UNIT_TEST_MODE": "False"},
    alone=("alembic", "upgrade", "heads"),
)

PREFECT = Public(
    name="prefect",
    requirements=("prefect==3.8.8", "alembic==1.20.1", "SQLAlchemy==2.1.9", "asyncpg==0.32.0"),
    packages=("prefect",),
    settings=(
        '  program: [prefect, server, database, upgrade, "-y"]\n  url_variables: [PREFECT_API_DATABASE_CONNECTION_URL]'
    ),
    files={
        "alembic.ini": _INI.format("prefect:server:database:_migrations")
        + "version_locations = prefect:server:database:_migrations:versions:postgresql\n"
    },
    url_variable="PREFECT_API_DATABASE_CONNECTION_URL",
    driver="asyncpg",
    variables={"PREFECT_HOME": "{home}/prefect"},
    alone=("prefect", "server", "database", "upgrade", "-y"),
)

ALL = (MLFLOW, CKAN, AIRFLOW, PREFECT)
