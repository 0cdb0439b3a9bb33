"""A port forward, as ssh and kubectl make them: what is sent to it goes to the port that a file names at that moment.

Run as a program, with the file and the port to listen on. It imports nothing of ours.
"""

from __future__ import annotations

import shutil
import socket
import sys
import threading
from contextlib import suppress
from pathlib import Path


def main(file: str, port: str) -> None:
    with socket.create_server(("127.0.0.1", int(port))) as listener:
        print("listening", flush=True)  # noqa: T201  # whoever started this waits for it
        while True:
            client, _ = listener.accept()
            server = socket.create_connection(("127.0.0.1", int(Path(file).read_text())))
            for one, other in ((client, server), (server, client)):
                threading.Thread(target=_copy, args=(one, other), daemon=True).start()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError), source.makefile("rb", 0) as reading, target.makefile("wb", 0) as writing:
        shutil.copyfileobj(reading, writing)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


if __name__ == "__main__":
    main(*sys.argv[1:])
