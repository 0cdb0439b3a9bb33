"""Which port a private server listens on: chosen once, then remembered."""

from __future__ import annotations

import os
import secrets
import socket
import sys
from collections.abc import Callable

from dbtasks.embedded.state import HOST, State
from dbtasks.errors import EmbeddedServerError

# Below the ports that systems hand out to outgoing connections, so that it is still free at the next start.
_RANGE = range(20000, 32000)


def choose_port(state: State, report: Callable[[str], None]) -> int:
    """The port for a server about to start.

    The one fixed by DBTASKS_EMBEDDED_PORT_THROWAWAY or _DURABLE, else the remembered one, else a free one, which is
    remembered. Raises EmbeddedServerError when the fixed one is taken or no port.
    """
    variable = f"DBTASKS_EMBEDDED_PORT_{state.kind.value.upper()}"
    fixed = os.environ.get(variable)
    if fixed:
        port = _fixed(variable, fixed)
    else:
        before = state.port
        port = before if before is not None and is_free(before) else any_free()
        if before not in (None, port):
            report(f"port {before} is taken by another program: the {state.kind} server now listens on {port}")
    if port != state.port:
        state.write("port", str(port))
    return port


def is_free(port: int) -> bool:
    """Whether a server could listen there now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        if sys.platform != "win32":  # there the option would let two programs share a port
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _fixed(variable: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 1024 <= int(text) <= 65535):
        raise EmbeddedServerError(f"{variable} is {text!r}. Set it to a port between 1024 and 65535, or unset it.")
    if not is_free(int(text)):
        raise EmbeddedServerError(
            f"Port {text}, set by {variable}, is taken by another program. "
            "End that program, set another port, or unset the variable to have a free one chosen."
        )
    return int(text)


def any_free() -> int:
    """A port that nobody listens on, out of those that systems do not hand out."""
    for _ in range(200):
        port = secrets.choice(_RANGE)
        if is_free(port):
            return port
    raise EmbeddedServerError(f"No free port was found on {HOST} between {_RANGE.start} and {_RANGE.stop}.")
