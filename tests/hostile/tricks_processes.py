"""Children of a test: by subprocess, multiprocessing and fork, with options, in other folders, in pools."""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import os
import subprocess
import sys
from typing import Any

import psycopg
from tricks import HERE, ChildFailedError, in_python, tell, trick

CODE = "import {0}; print(tell({0}.connect(URL)))"


def _connect(url: str) -> str:
    return tell(psycopg.connect(url))


@trick
def child(url: str) -> str:
    return in_python(CODE.format("psycopg"), url)


@trick
def child_with_psycopg2(url: str) -> str:
    return in_python(CODE.format("psycopg2"), url)


@trick
def isolated_child(url: str) -> str:
    return in_python(CODE.format("psycopg"), url, "-I")


@trick
def child_without_bytecode_and_warnings(url: str) -> str:
    return in_python(CODE.format("psycopg2"), url, "-B", "-E", "-W", "ignore", "-O")


@trick
def child_in_another_folder(url: str) -> str:
    return in_python(CODE.format("psycopg"), url, cwd="/")


@trick
def child_in_a_folder_that_is_gone(url: str) -> str:
    code = f"import tempfile; d = tempfile.mkdtemp(); os.chdir(d); os.rmdir(d); {CODE.format('psycopg')}"
    return in_python(f"from tricks import in_python as again; print(again({code!r}, URL))", url)


@trick
def child_of_a_child(url: str) -> str:
    return in_python(f"print(in_python({CODE.format('psycopg')!r}, URL))", url)


@trick
def child_of_a_shell(url: str) -> str:
    code = f"import sys; sys.path.insert(0, {str(HERE)!r}); from tricks import *; URL = {url!r}; "
    command = f"exec '{sys.executable}' -c \"$CODE\""
    done = subprocess.run(
        ["/bin/sh", "-c", command],
        env={**os.environ, "CODE": code + CODE.format("psycopg")},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ChildFailedError(done.stderr)
    return done.stdout.strip()


@trick
def child_whose_variables_are_led_elsewhere(url: str) -> str:
    code = "import psycopg; print(tell(psycopg.connect(os.environ['test_database_url'])))"
    environ = {**os.environ, "test_database_url": url, "TEST_DATABASE_URL": url, "DATABASE_URL": url}
    return in_python(code, url, env=environ)


def _multiprocessing(kind: str, url: str) -> str:
    context: Any = multiprocessing.get_context(kind)
    with context.Pool(1) as pool:
        try:
            answer: str = pool.apply(
                _connect, (url,)
            )  # what it raises comes through the pipe, as an application has it
        finally:
            pool.close()
            pool.join()
    return answer


@trick
def multiprocessing_fork(url: str) -> str:
    return _multiprocessing("fork", url)


@trick
def multiprocessing_spawn(url: str) -> str:
    return _multiprocessing("spawn", url)


@trick
def multiprocessing_forkserver(url: str) -> str:
    return _multiprocessing("forkserver", url)


@trick
def pool_of_processes(url: str) -> str:
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(_connect, url).result()


@trick
def fork(url: str) -> str:
    ours, theirs = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            answer = _connect(url)
        except Exception as error:
            answer = f"failed: {error}"
        os.write(theirs, answer.encode())
        os._exit(0)
    os.close(theirs)
    os.waitpid(pid, 0)
    with os.fdopen(ours) as answers:
        answer = answers.read()
    if answer.startswith("failed: "):
        raise ChildFailedError(answer)
    return answer
