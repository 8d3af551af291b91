"""The application behind the lab's web server: it tells who answers, and does what the address asks for."""

import json
import os
import sys
import time


def application(environ, start_response):
    path, query = environ["PATH_INFO"], environ["QUERY_STRING"]
    told = {
        "pid": os.getpid(),
        "release": os.environ.get("RELEASE", ""),
        "path": path,
        "script_name": environ["SCRIPT_NAME"],
        "pool": os.environ.get("APP_POOL_ID", ""),
        "body": len(environ["wsgi.input"].read()),
        "params": {name: environ.get(name) for name in ("APPL_PHYSICAL_PATH", "APPL_MD_PATH", "REQUEST_URI")},
    }
    if path.endswith("/hold"):
        time.sleep(float(query))
    if path.endswith("/exit"):
        os._exit(3)
    status = "404 Not Found" if path.endswith("/missing") else "200 OK"
    start_response(status, [("Content-Type", "application/json")])
    if path.endswith("/stream"):
        return stream(float(query))
    return [json.dumps(told).encode()]


def stream(pause):
    yield b"first\n"
    time.sleep(pause)
    yield b"second\n"


if __name__ == "__main__":
    # A process that is no FastCGI responder and ends at once.
    sys.exit(7)
