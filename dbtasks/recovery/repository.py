"""A repository of pgBackRest: what is asked of the program, as the user who runs PostgreSQL, and what it answers."""

from __future__ import annotations

import subprocess
from pathlib import Path

from dbtasks.embedded.account import Account, choose_account
from dbtasks.errors import RecoveryFailedError
from dbtasks.masking import mask
from dbtasks.recovery import answers
from dbtasks.recovery.answers import Stanza
from dbtasks.tiers import Recovery
from dbtasks.values import dataclass

PROGRAM = "pgbackrest"
_ASK_S, _READ_S = 120.0, 24 * 3600.0
_NOT_FOUND = 1
# Nothing that its configuration may say leads out of a folder of ours: tablespaces, links, a copy that is completed.
_BESIDE = (
    "--no-delta",
    "--no-link-all",
    "--reset-link-map",
    "--reset-tablespace-map",
    "--reset-db-include",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What came of one call."""

    code: int
    out: bytes
    err: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """The stanza of one server. `config` is the program's configuration file, where it is not the usual one."""

    stanza: str
    config: str = ""

    @property
    def shown(self) -> str:
        return f"pgBackRest's stanza {self.stanza}"

    def words(self, command: str, *options: str) -> list[str]:
        """Return the words of a call. Nothing is written into the program's own log files."""
        config = [f"--config={self.config}"] if self.config else []
        return [PROGRAM, *config, f"--stanza={self.stanza}", "--log-level-console=off", "--log-level-file=off",
                "--log-level-stderr=error", *options, command]  # fmt: skip

    def info(self) -> Stanza:
        """Return what there is. RecoveryFailedError where nobody can tell."""
        said = self._run("info", "--output=json")
        try:
            found = answers.stanza(said.out, self.stanza)
        except ValueError as error:
            raise self._failed(said, str(error)) from None
        if found.trouble:
            raise self._failed(said, found.trouble)
        return found

    def segments(self, found: Stanza) -> frozenset[str]:
        """Return the whole segments of the present server's log."""
        there: frozenset[str] = frozenset()
        for place, folder in found.logs():
            path = f"archive/{self.stanza}/{folder}"
            said = self._run("repo-ls", "--recurse", "--output=json", f"--repo={place}", more=(path,))
            try:
                there |= answers.segments(said.out)
            except ValueError as error:
                raise self._failed(said, str(error)) from None
        return there

    def fetch(self, name: str, path: Path) -> bool:
        """Fetch a segment as a recovery would, and return whether it was there. RecoveryFailedError else."""
        said = self._run("archive-get", "--no-archive-async", more=(name, str(path)))
        if said.code not in (0, _NOT_FOUND):
            raise self._failed(said, f"it ended with {said.code}")
        return said.code == 0 and path.exists()

    def restore(self, label: str, data: Path, account: Account, inherit: tuple[int, ...] = ()) -> None:
        """Make a data directory of a backup, with nothing outside of its folder. Every file's checksum is compared."""
        place = data.parent
        where = [f"--pg1-path={data}", f"--tablespace-map-all={place / 'tablespaces'}", f"--lock-path={place / 'lock'}"]
        options = [*where, *_BESIDE, f"--set={label}", "--type=none"]
        said = _called(account, self.words("restore", *options), _READ_S, inherit)
        if said.code != 0 or not (data / "backup_label").is_file():
            raise self._failed(said, f"it ended with {said.code}")

    def backup(self, kind: str, notes: dict[str, str]) -> str:
        """Take a backup, with notes beside it, and return what the program complained about, where it did."""
        noted = [f"--annotation={name}={value}" for name, value in notes.items()]
        return self._run("backup", f"--type={kind}", *noted, patience_s=_READ_S).err

    def version(self) -> str:
        """Return the program's version, such as 2.45."""
        said = _called(choose_account(), [PROGRAM, "version"], _ASK_S)
        return said.out.decode(errors="replace").strip().rpartition(" ")[2]

    def verify(self) -> str:
        """Return what the program says of every file that it keeps."""
        said = self._run("verify", "--output=text", "--verbose", patience_s=_READ_S)
        return said.out.decode(errors="replace")

    def read(self, path: str, place: int) -> bytes:
        """Return a file of the repository, decrypted. RecoveryFailedError where it is not there."""
        said = self._run("repo-get", f"--repo={place}", more=(path,))
        if said.code != 0:
            raise self._failed(said, f"it ended with {said.code}")
        return said.out

    def _run(self, command: str, *options: str, more: tuple[str, ...] = (), patience_s: float = _ASK_S) -> Said:
        return _called(choose_account(), [*self.words(command, *options), *more], patience_s)

    def _failed(self, said: Said, why: str) -> RecoveryFailedError:
        told = said.err or why
        return RecoveryFailedError(f"{self.shown} cannot be used: {told}")


def repository_of(root: Path, said: Recovery) -> Repository:
    """Return the repository that a tier's settings name; they are of a project in this folder."""
    return Repository(stanza=said.stanza, config=str(root / said.config) if said.config else "")


def _called(account: Account, words: list[str], patience_s: float, inherit: tuple[int, ...] = ()) -> Said:
    try:
        code, out, err = account.call(words, timeout_s=patience_s, inherit=inherit)
    except FileNotFoundError:
        raise RecoveryFailedError(
            "The program pgbackrest is not installed on this machine. Install it where the server's backups are taken "
            "from, then run this again."
        ) from None
    except subprocess.TimeoutExpired:
        raise RecoveryFailedError(f"pgBackRest did not answer within {patience_s:g} s.") from None
    return Said(code=code, out=out, err=_told(err))


def _told(err: str) -> str:
    """Return what it wrote to its standard error, on one line, without times and secrets."""
    lines = (line.strip() for line in mask(err).splitlines())
    return " ".join(line.removeprefix("ERROR: ") for line in lines if line)[:1000]
