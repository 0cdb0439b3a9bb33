"""One line of Python each, which reads something of its project and tells it."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import strategies as st

FILES = (
    "config/a.json",
    "config/b.json",
    "config/extra.json",
    "data/x.csv",
    "data/deep/y.csv",
    "link/x.csv",
    "linked.csv",
    "shop/data.txt",
    "shop/models.py",
    "plain",
    "migrations/../config/a.json",
    "nowhere/none.txt",
)
FOLDERS = ("config", "data", "data/deep", "link", "shop", ".", "empty", "nowhere", "link/../config")
MODULES = ("shop", "shop.models", "shop.more", "shop.late", "extras", "extras.inner", "space.one", "json", "colorsys")
VARIABLES = ("FEATURE_A", "FEATURE_B", "FEATURE_C", "MODE")

_OF_FILES = (
    "open({0!r}).read()",
    "open({0!r}, 'rb').read(5)",
    "open(os.path.abspath({0!r})).read()",
    "Path({0!r}).read_text()",
    "Path({0!r}).read_bytes()",
    "Path({0!r}).open().readline()",
    "io.open({0!r}).read()",
    "codecs.open({0!r}, encoding='utf-8').read()",
    "json.load(open({0!r}))",
    "low_level({0!r})",
    "relative_to_descriptor({0!r})",
    "in_folder(lambda: open({0!r}.rpartition('/')[2]).read(), {0!r}.rpartition('/')[0] or '.')",
    "open({0!r}, 'r+').read()",
    "open({0!r}, 'a+').seek(0)",
    "configparser.ConfigParser().read({0!r})",
    "linecache.getline({0!r}, 1)",
    "list(fileinput.input([{0!r}]))",
    "shutil.copyfile({0!r}, scratch('copy')) and open(scratch('copy')).read()",
    "runpy.run_path({0!r}).get('VALUE')",
    "mapped({0!r})",
    "os.path.exists({0!r})",
    "os.path.lexists({0!r})",
    "os.path.isfile({0!r})",
    "os.path.isdir({0!r})",
    "os.path.islink({0!r})",
    "os.path.getsize({0!r})",
    "os.path.getmtime({0!r})",
    "os.path.realpath({0!r})",
    "os.path.samefile({0!r}, 'plain')",
    "Path({0!r}).exists()",
    "Path({0!r}).is_file()",
    "Path({0!r}).is_dir()",
    "Path({0!r}).is_symlink()",
    "Path({0!r}).stat().st_size",
    "Path({0!r}).stat().st_mtime_ns",
    "Path({0!r}).lstat().st_mode",
    "str(Path({0!r}).resolve())",
    "Path({0!r}).owner()",
    "os.stat({0!r}).st_mtime_ns",
    "os.stat({0!r}).st_mode",
    "os.stat({0!r}, follow_symlinks=False).st_size",
    "os.lstat({0!r}).st_mtime_ns",
    "os.fstat(os.open({0!r}, os.O_RDONLY)).st_mtime_ns",
    "os.readlink({0!r})",
    "os.access({0!r}, os.R_OK)",
    "os.access({0!r}, os.X_OK)",
    "shutil.which('./' + {0!r})",
)
_OF_FOLDERS = (
    "sorted(os.listdir({0!r}))",
    "sorted(os.listdir(os.open({0!r}, os.O_RDONLY)))",
    "sorted(each.name for each in os.scandir({0!r}))",
    "sorted((each.name, each.is_dir(), each.is_symlink()) for each in os.scandir({0!r}))",
    "sorted((each.name, each.stat().st_size) for each in os.scandir({0!r}))",
    "sorted((each.name, each.stat(follow_symlinks=False).st_mtime_ns) for each in os.scandir({0!r}))",
    "sorted(glob.glob({0!r} + '/*'))",
    "sorted(glob.glob({0!r} + '/*.csv'))",
    "sorted(glob.glob({0!r} + '/*/*.csv'))",
    "sorted(glob.glob({0!r} + '/**', recursive=True))",
    "glob.glob({0!r} + '/x.csv')",
    "sorted(map(str, Path({0!r}).iterdir()))",
    "sorted(map(str, Path({0!r}).glob('*.csv')))",
    "sorted(map(str, Path({0!r}).glob('*/y.csv')))",
    "sorted(map(str, Path({0!r}).rglob('*.json')))",
    "list(Path({0!r}).glob('x.csv'))",
    "sorted((top, sorted(folders), sorted(files)) for top, folders, files in os.walk({0!r}))",
    "sorted(sorted(files) for _, _, files, _ in os.fwalk({0!r}))",
    "sorted((each.name, each.ispkg) for each in pkgutil.iter_modules([{0!r}]))",
    "os.path.isdir({0!r})",
    "Path({0!r}).is_dir()",
    "os.path.ismount({0!r})",
    "(Path({0!r}).mkdir(exist_ok=True), os.path.isdir({0!r}))[1]",
    "sorted(os.listdir(shutil.copytree({0!r}, scratch('tree'))))",
)
_OF_MODULES = (
    "importlib.import_module({0!r}).VALUE",
    "getattr(importlib.import_module({0!r}), '__file__', None)",
    "importlib.util.find_spec({0!r}) is None",
    "importlib.util.find_spec({0!r}).origin",
    "importlib.import_module({0!r}).__doc__",
)
_OF_VARIABLES = (
    "os.environ[{0!r}]",
    "os.environ.get({0!r})",
    "os.getenv({0!r}, 'none')",
    "{0!r} in os.environ",
    "os.environb.get({0!r}.encode())",
    "os.path.expandvars('$' + {0!r})",
    "dict(os.environ).get({0!r})",
    "os.environ.copy().get({0!r})",
    "sorted(name for name in os.environ if name.startswith('FEATURE'))",
    "sorted(os.environ.items())",
    "len(os.environ)",
    "repr(os.environ).count('FEATURE')",
)
_OTHERS = (
    "pkgutil.get_data('shop', 'data.txt')",
    "resource('data.txt')",
    "open('own', 'w').write('x') and open('own').read()",
    "dotenv('.env', 'MODE')",
    "sys.flags.optimize",
    "sorted(os.listdir('.'))",
)


def _with(lines: tuple[str, ...], words: tuple[str, ...]) -> st.SearchStrategy[str]:
    fill: Callable[[str, str], str] = str.format
    return st.builds(fill, st.sampled_from(lines), st.sampled_from(words))


LINES = st.one_of(
    _with(_OF_FILES, FILES),
    _with(_OF_FOLDERS, FOLDERS),
    _with(_OF_MODULES, MODULES),
    _with(_OF_VARIABLES, VARIABLES),
    st.sampled_from(_OTHERS),
)

HEAD = """
import codecs, configparser, fileinput, glob, importlib, importlib.util, io, json, linecache, mmap, os, pkgutil
import runpy, shutil, sys, tempfile
from pathlib import Path

TOLD = []

def scratch(name):
    return os.path.join(tempfile.mkdtemp(), name)

def low_level(path):
    descriptor = os.open(path, os.O_RDONLY)
    return os.read(descriptor, 10000)

def relative_to_descriptor(path):
    folder, _, name = path.rpartition("/")
    return os.read(os.open(name, os.O_RDONLY, dir_fd=os.open(folder or ".", os.O_RDONLY)), 10000)

def in_folder(read, folder):
    before = os.getcwd()
    os.chdir(folder)
    try:
        return read()
    finally:
        os.chdir(before)

def mapped(path):
    with open(path, "rb") as file:
        return bytes(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))

def resource(name):
    import importlib.resources
    return importlib.resources.files("shop").joinpath(name).read_text()

def dotenv(path, name):
    import dotenv
    dotenv.load_dotenv(path)
    return os.environ.get(name)

def told(read):
    try:
        TOLD.append(repr(read()))
    except Exception as error:
        TOLD.append(type(error).__name__)
"""


def program(lines: list[str]) -> str:
    """Return a module that runs these lines and keeps what each of them read, or the error's name, in TOLD."""
    return "\n".join([HEAD, *(f"told(lambda: {line})" for line in lines), ""])
