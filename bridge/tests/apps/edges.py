"""Applications that do what few do, one a function. What they note goes to the log, where the tests look for it."""

import gc
import io
import subprocess
import sys
import tempfile

TEXT = [("Content-Type", "text/plain")]

KEPT = []


def note(text):
    print(f"note: {text}", flush=True)


def fresh(environ, start_response):
    """Is it a dictionary of native strings, and nobody else's?"""
    wrong = [type(environ).__name__] if type(environ) is not dict else []
    for name, value in environ.items():
        if type(name) is not str or (not name.startswith("wsgi.") and type(value) is not str):
            wrong.append(name)
    wrong += ["seen before"] if "left.behind" in environ or any(environ is other for other in KEPT) else []
    environ["left.behind"] = "by an earlier request"
    KEPT.append(environ)
    start_response("200 OK", TEXT)
    return [repr(wrong).encode()]


def cookies(environ, start_response):
    start_response("200 OK", [("Set-Cookie", f"name{n}=value; Path=/{n}") for n in range(3)])
    return [environ["HTTP_COOKIE"].encode("latin-1")]


def lazy(environ, start_response):
    """Has nothing to say before it is asked for its first piece, and then something empty."""
    yield_first = environ["QUERY_STRING"] == "empty"
    start_response("202 Accepted", TEXT)
    if yield_first:
        yield b""
    yield b"late"


def too_late(environ, start_response):
    """Finds an error when the headers have left; PEP 3333 has it raised again."""
    start_response("200 OK", TEXT)
    yield b"begun"
    try:
        raise KeyError("too late for another head")
    except KeyError:
        start_response("500 Sorry", TEXT, sys.exc_info())
    yield b"never sent"


def interrupts(environ, start_response):
    raise KeyboardInterrupt


def leaves(environ, start_response):
    raise GeneratorExit("gone")


def breaks_rules(environ, start_response):
    """Every call of start_response that PEP 3333 forbids, and what came of it."""
    calls = [
        ("OK", TEXT),
        (b"200 OK", TEXT),
        ("200 OK", tuple(TEXT)),
        ("200 OK", [["Content-Type", "text/plain"]]),
        ("200 OK", [("Content-Type", b"text/plain")]),
        ("200 OK", [("Bad Name", "x")]),
        ("200 \u20ac", TEXT),
        ("200 OK", [("X-Euro", "\u20ac")]),
        ("200 OK", [("X-Lone", "\ud800")]),
        ("200 OK\r\nX-More: 1", TEXT),
        ("200 OK", [("X-Name", "a\nb")]),
    ]
    said = []
    for call in calls:
        try:
            start_response(*call)
            said.append(f"{call} was taken")
        except (AssertionError, TypeError, ValueError):
            pass
    write = start_response("200 \xfcblich", [("X-Latin", "gr\xfc\xdfe")])
    try:
        start_response("404 Not Found", TEXT)
        said.append("a second call was taken")
    except AssertionError:
        pass
    try:
        write("text")
        said.append("text was written")
    except TypeError:
        pass
    return [repr(said).encode()]


def many_headers(environ, start_response):
    start_response("200 OK", [(f"X-{n}", str(n)) for n in range(2000)] + [("X-Long", "v" * 100_000)])
    return [b"body"]


def not_modified(environ, start_response):
    start_response("304 Not Modified", [("ETag", '"x"')])
    return []


def wrong_answer(environ, start_response):
    start_response("200 OK", TEXT)
    return {"none": None, "number": 7, "text": "text", "pieces": [b"fine", 7], "array": [bytearray(b"x")]}[
        environ["QUERY_STRING"]
    ]


class Response:
    """Closed as Django's FileResponse has it: the file's own `close` is replaced when it has been wrapped."""

    def __init__(self, file):
        self.file = file

    def close(self):
        self.file.__class__.close(self.file)
        note("response closed")


class Wrapped(io.BytesIO):
    """A file without a descriptor."""


def wrapped(environ, start_response):
    file = Wrapped(b"0123456789" * 10_000)
    file.seek(5)
    answer = environ["wsgi.file_wrapper"](file, 4096)
    file.close = Response(file).close
    start_response("200 OK", TEXT)
    return answer


def real_file(environ, start_response):
    file = tempfile.TemporaryFile()
    file.write(b"0123456789" * 100_000)
    file.seek(7)
    start_response("200 OK", TEXT)
    return environ["wsgi.file_wrapper"](file)


def child_reads(environ, start_response):
    read = subprocess.run(["cat"], stdout=subprocess.PIPE).stdout
    start_response("200 OK", TEXT)
    return [repr(read).encode()]


def litters(environ, start_response):
    """Keeps nothing, but makes plenty; `?count` collects it and tells what is left."""
    if environ["QUERY_STRING"] == "count":
        gc.collect()
        start_response("200 OK", TEXT)
        return [str(len(gc.get_objects())).encode()]
    environ["itself"] = environ
    environ["wsgi.input"].read(10)
    write = start_response("200 OK", TEXT)
    environ["write"] = write
    return iter([b"x" * 100_000])


def panics(environ, start_response):
    """Raises what a fault in the extension module would be to Python, which takes it back as that fault."""
    if environ["QUERY_STRING"] != "panic":
        raise ValueError("now the type is known")
    panic = next(kind for kind in BaseException.__subclasses__() if kind.__name__ == "PanicException")
    raise panic("provoked")
