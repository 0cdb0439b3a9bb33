"""Whether secrets stay hidden: hostile URLs go through the real ways out, and logs are searched for the real ones."""

from __future__ import annotations

import io
import json
import mmap
import secrets
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from urllib.parse import quote

from dbtasks.conninfo import Conninfo, mask_exception, parse
from dbtasks.console import Console
from dbtasks.database import Inspection
from dbtasks.errors import DbtasksError
from dbtasks.masking import ORDINARY
from dbtasks.probes.ground import Ground, UnseenError
from dbtasks.safety import About, Finding, failed, passed, unknown
from dbtasks.trail_detail import clean, encode

ABOUT = About(
    name="masked_urls",
    promise="no password of a URL reaches the terminal, the trail or a log, however it is written",
    critical=True,
)
_SHORTEST = 8  # shorter ones, and words that everybody writes, would be found where they mean something else
_HIDDEN = "***"


def look(ground: Ground) -> Iterator[Finding]:
    """Yield whether a new secret gets out in any form, and whether a real one ever did."""
    begin, end = secrets.token_hex(6), secrets.token_hex(6)
    out = _said(f"{begin}@:/ %&{end}")
    pieces = (begin, end, begin[::-1], end[::-1])
    for way, text in out.items():
        if any(piece in text for piece in pieces) or _HIDDEN not in text:
            yield failed(f"a password in a URL was shown by the {way}", ABOUT.page)
            return
    known, root = frozenset(_known(ground)), ground.project.settings.root
    files = [path for path in _written(ground) if path.is_symlink() or path.is_file()]
    for path in files:
        name = path.relative_to(root) if path.is_relative_to(root) else path
        try:
            holds = _holds(path, known)
        except OSError as error:
            yield unknown(f"{name} cannot be searched: {error.strerror}")
            continue
        if holds:
            yield failed(f"{name} holds a password of a tier's URL", f"Change that password, then remove {name}")
    yield passed(f"hidden in {', '.join(out)}; {len(known)} passwords are in none of {len(files)} files of logs")


def _said(secret: str) -> dict[str, str]:
    """Return what each way out makes of a URL with this password, known and unknown, whole and broken."""
    known = parse(f"postgresql://probe:{quote(secret, safe='')}@db.invalid/app", variable="score_probe_url")
    texts = [
        f"cannot connect to {known.url(Inspection())}",
        f"host=db.invalid password='{secret}'",
        f"postgresql://probe:{quote(secret[::-1], safe='')}@db.invalid/app",  # of which nobody was told
    ]
    err, out = io.StringIO(), io.StringIO()
    with redirect_stderr(err), redirect_stdout(out):
        console = Console({})
        for text in texts:
            console.say(text)
            console.data({"url": text})
    raised = mask_exception(ValueError(texts[0]))
    return {
        "terminal": err.getvalue(),
        "JSON": out.getvalue(),
        "trail": encode(clean({"texts": texts})).decode(),
        "traceback": str(raised),
    }


def _known(ground: Ground) -> Iterator[str]:
    """Yield the passwords of this project's URLs that can be told from other words."""
    for tier in ground.project.settings.tiers:
        for text in ground.project.variables.known(tier.url_variables):
            try:
                conninfo = parse(text, variable=tier.url_variable)
            except DbtasksError:
                continue
            yield from _password(conninfo)
        try:
            yield from _password(ground.seen(tier).target.conninfo) if tier in ground.tiers else ()
        except UnseenError:
            continue


def _password(conninfo: Conninfo) -> Iterator[str]:
    password = conninfo.password.reveal(Inspection()) if conninfo.password else ""
    names = {*ORDINARY, conninfo.user, conninfo.host, conninfo.database}
    if len(password) >= _SHORTEST and password not in names:
        yield password


def _written(ground: Ground) -> Iterator[Path]:
    """Yield the files that dbtasks writes for people to read."""
    settings = ground.project.settings
    folders = {settings.trail.parent, settings.incidents}
    for folder in sorted(folders):
        yield from sorted(folder.iterdir()) if folder.is_dir() else ()


def _holds(path: Path, known: frozenset[str]) -> bool:
    forms = {form.encode() for each in known for form in (each, quote(each, safe=""), json.dumps(each)[1:-1])}
    with path.open("rb") as file:
        if file.seek(0, 2) == 0:
            return False
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return any(content.find(each) >= 0 for each in forms)
