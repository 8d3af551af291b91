"""What Holdall wants to know of an interpreter, as one line of JSON. Changes nothing."""

import json
import os
import sys
import sysconfig


def program():
    # The interpreter itself: neither a shim, nor a virtual environment's link to it.
    name = "python%d.%d" % sys.version_info[:2]
    for candidate in (
        os.path.join(sys.base_prefix, "bin", name),
        getattr(sys, "_base_executable", None),
        sys.executable,
    ):
        if candidate and os.path.isfile(candidate):
            return os.path.realpath(candidate)
    return None


json.dump(
    {
        "implementation": sys.implementation.name,
        "version": "%d.%d.%d" % sys.version_info[:3],
        "final": sys.version_info.releaselevel == "final",
        "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
        "debug": hasattr(sys, "gettotalrefcount"),
        "program": program(),
        "stdlib": os.path.dirname(os.path.realpath(os.__file__)),
        "extensions": next((path for path in sys.path if os.path.basename(path) == "lib-dynload"), None),
        "library_folder": getattr(sys, "platlibdir", "lib"),
    },
    sys.stdout,
)
