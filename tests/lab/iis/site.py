"""A small WSGI application that the bridge serves behind IIS, for `cargo xtask iis-bridge`."""

import atexit
import hashlib
import json

LARGE = bytes(range(256)) * 4096

atexit.register(print, "left by the front door", flush=True)


def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path.startswith("/environ"):
        body = json.dumps({name: value for name, value in environ.items() if isinstance(value, str)}).encode()
    elif path == "/digest":
        digest = hashlib.sha256()
        left = int(environ["CONTENT_LENGTH"])
        while left and (piece := environ["wsgi.input"].read(min(left, 65536))):
            digest.update(piece)
            left -= len(piece)
        body = digest.hexdigest().encode()
    elif path == "/large":
        body = LARGE
    elif path == "/print":
        print("what is printed goes to the log", flush=True)
        body = b"printed"
    elif path == "/fail":
        raise RuntimeError("the words of an exception")
    else:
        body = b"hello"
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
