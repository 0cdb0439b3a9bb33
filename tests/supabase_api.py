"""A small stand-in for Supabase's management API: HTTPS on this machine, answers made from the published schema.

`BACKUPS` holds what that schema (OpenAPI, operation v1-list-all-backups, answer V1BackupsResponse) says of names, types
and what is required. No project of theirs was ever asked: what the service does beyond the schema is not shown by this.
"""

from __future__ import annotations

import http.server
import json
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

PROJECT = "abcdefghijklmnopqrst"
TOKEN = "sbp_0123456789abcdef0123456789abcdef01234567"

BACKUPS: Mapping[str, Any] = {
    "type": "object",
    "required": ["region", "walg_enabled", "pitr_enabled", "backups", "physical_backup_data"],
    "properties": {
        "region": {"type": "string"},
        "walg_enabled": {"type": "boolean"},
        "pitr_enabled": {"type": "boolean"},
        "backups": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["is_physical_backup", "status", "inserted_at"],
                "properties": {
                    "is_physical_backup": {"type": "boolean"},
                    "status": {
                        "type": "string",
                        "enum": ["COMPLETED", "FAILED", "PENDING", "REMOVED", "ARCHIVED", "CANCELLED"],
                    },
                    "inserted_at": {"type": "string"},
                },
            },
        },
        "physical_backup_data": {
            "type": "object",
            "properties": {
                "earliest_physical_backup_date_unix": {"type": "integer"},
                "latest_physical_backup_date_unix": {"type": "integer"},
            },
        },
    },
}
_TYPES: Mapping[str, Any] = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int}


def mistakes(value: Any, schema: Mapping[str, Any] = BACKUPS, at: str = "") -> list[str]:
    """Return where a value is not what a schema says."""
    kind = schema["type"]
    if not isinstance(value, _TYPES[kind]) or (kind == "integer" and isinstance(value, bool)):
        return [f"{at or '.'} is no {kind}"]
    found = [] if value in schema.get("enum", [value]) else [f"{at} is none of its values"]
    if kind == "object":
        found += [f"{at}.{name} is missing" for name in schema.get("required", ()) if name not in value]
        known = schema["properties"]
        found += [text for name in known.keys() & value for text in mistakes(value[name], known[name], f"{at}.{name}")]
    if kind == "array":
        found += [text for each in value for text in mistakes(each, schema["items"], f"{at}[]")]
    return found


def answers(schema: Mapping[str, Any] = BACKUPS) -> st.SearchStrategy[Any]:
    """Return whatever the schema lets pass, with what it does not require left out now and then."""
    match schema["type"]:
        case "object":
            required = set(schema.get("required", ()))
            made = {name: answers(each) for name, each in schema["properties"].items()}
            return st.fixed_dictionaries(
                {name: made[name] for name in made.keys() & required},
                optional={name: made[name] for name in made.keys() - required},
            )
        case "array":
            return st.lists(answers(schema["items"]), max_size=2)
        case "boolean":
            return st.booleans()
        case "integer":
            return st.integers() | st.integers(min_value=1_700_000_000, max_value=1_900_000_000)
    return st.sampled_from(schema["enum"]) if "enum" in schema else st.text(max_size=20)


def backups(since: float | None, until: float | None, *, pitr: bool = True) -> dict[str, Any]:
    """Return an answer of which each part is as the schema has it."""
    span = {"earliest_physical_backup_date_unix": since, "latest_physical_backup_date_unix": until}
    made = {
        "region": "eu-central-1",
        "walg_enabled": True,
        "pitr_enabled": pitr,
        "backups": [{"is_physical_backup": True, "status": "COMPLETED", "inserted_at": "2026-11-23T03:00:00Z"}],
        "physical_backup_data": {name: int(value) for name, value in span.items() if value is not None},
    }
    assert mistakes(made) == []
    return made


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What is sent back. `cut` sends less than was announced, `hangs` nothing before that many seconds."""

    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    cut: bool = False
    hangs: float = 0.0


def said(value: object) -> Reply:
    return Reply(body=json.dumps(value).encode(), headers=(("Content-Type", "application/json"),))


@dataclass(slots=True, kw_only=True)
class Api:
    """The running server. It gives the replies in their order, the last one again and again, and notes who asked."""

    url: str
    authority: Path
    replies: list[Reply | Callable[[], Reply]] = field(default_factory=list)
    asked: list[tuple[str, str, str]] = field(default_factory=list)

    def next(self) -> Reply:
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        return reply if isinstance(reply, Reply) else reply()


@contextmanager
def running(folder: Path) -> Iterator[Api]:
    """Make and run the server, with a certificate of its own: whoever is to trust it is told by SSL_CERT_FILE."""
    certificate, key = folder / "api.pem", folder / "api.key"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "2"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*command, *names, *files], check=True, capture_output=True)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    server.daemon_threads = True
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    api = Api(url=f"https://localhost:{server.server_port}", authority=certificate)
    server.RequestHandlerClass = _handler(api)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(api: Api) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer("GET")

        def do_POST(self) -> None:
            self._answer("POST")

        def _answer(self, method: str) -> None:
            api.asked.append((method, self.path, self.headers.get("Authorization", "")))
            reply = api.next()
            time.sleep(reply.hangs)
            self.send_response(reply.status)
            for name, value in reply.headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body) + reply.cut))
            self.end_headers()
            self.wfile.write(reply.body)

        def handle(self) -> None:
            try:
                super().handle()
            except OSError:  # who asked has gone
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    return Handler
