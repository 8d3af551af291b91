"""Imports modules, and prints as JSON how many there are and which cannot be imported.

Arguments: the folder site-packages, then the modules; without any, all modules of all packages that RECORD names, and
`NAME.*` for each package itself, whose names are imported all at once.
"""

import contextlib
import importlib
import io
import json
import os
import sys
import warnings
from importlib import machinery, metadata

SITE, *MODULES = sys.argv[1:]
ENDINGS = [".py", *machinery.EXTENSION_SUFFIXES]


def module(name):
    """The module that a file is, if it is one that can be imported for what it has."""
    parts = name.split("/")
    ending = next((ending for ending in ENDINGS if name.endswith(ending)), None)
    if ending is None or parts[0] == ".." or ".dist-info" in parts[0]:
        return None
    parts[-1] = parts[-1].removesuffix(ending)
    if parts[-1] == "__init__":
        parts.pop()
    if parts[-1] == "__main__" or not all(part.isidentifier() for part in parts):
        return None
    # It would write files into the folder that it is run in.
    return None if parts[-1] == "_build_tables" else ".".join(parts)


def all_modules():
    files = (str(file) for d in metadata.distributions(path=[SITE]) for file in d.files)
    modules = {module(file.replace(os.sep, "/")) for file in files} - {None}
    return sorted(modules | {f"{name}.*" for name in modules if "." not in name})


def attempt(name):
    if name.endswith(".*"):
        exec(f"from {name[:-2]} import *", {})
    else:
        importlib.import_module(name)


warnings.simplefilter("ignore")
import django

django.setup()
modules = MODULES or all_modules()
failed = {}
for name in modules:
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            attempt(name)
    except (Exception, SystemExit) as error:
        failed[name] = f"{type(error).__name__}: {error}"
json.dump({"modules": len(modules), "failed": failed}, sys.stdout)
sys.stdout.flush()
# Whatever threads and hooks some of them have left behind.
os._exit(0)
