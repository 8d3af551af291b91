"""Small WSGI applications, one a function. What they note goes to the log, where the tests look for it."""

import atexit
import hashlib
import io
import os
import random
import sys
import time
from wsgiref.validate import validator

TEXT = [("Content-Type", "text/plain")]


KEPT = []


def note(text):
    print(f"note: {text}", flush=True)


def hello(environ, start_response):
    start_response("200 OK", TEXT)
    return [b"hello ", environ["QUERY_STRING"].encode("latin-1")]


def environment(environ, start_response):
    start_response("200 OK", TEXT)
    for name, value in sorted(environ.items()):
        if not name.startswith("wsgi.") or isinstance(value, (bool, str)):
            yield f"{name}={value!r}\n".encode()


def notes_path(environ, start_response):
    note(f"{environ['PATH_INFO']!r} {environ['QUERY_STRING']!r}")
    start_response("200 OK", TEXT)
    return [b"noted"]


def unfinished(environ, start_response):
    """A line without its end, and another request's line in between."""
    errors = environ["wsgi.errors"]
    errors.write(f"{environ['QUERY_STRING']} begun ")
    KEPT.append(errors)
    if len(KEPT) == 2:
        KEPT.pop(0).write("and ended\n")
        KEPT.clear()
    start_response("200 OK", TEXT)
    return [b"noted"]


def compared(environ, start_response):
    """Reads the body in every way there is, side by side with the same bytes in memory."""
    expected = io.BytesIO(bytes.fromhex(environ["HTTP_X_BODY"]))
    found = environ["wsgi.input"]
    dice = random.Random(environ["QUERY_STRING"])
    differences = []
    for _ in range(dice.randrange(1, 60)):
        name = dice.choice(["read", "readline", "readlines", "next", "some"])
        if name == "next":
            pair = [next(body, None) for body in (found, expected)]
        elif name == "some":
            count = dice.randrange(4)
            pair = [[line for line, _ in zip(body, range(count))] for body in (found, expected)]
        else:
            size = dice.choice([(), (None,), (-1,), (0,), (1,), (dice.randrange(200),), (dice.randrange(9000),)])
            if name == "read" and size in [(), (None,), (-1,)] and dice.random() < 0.8:
                size = (dice.randrange(50),)
            pair = [getattr(body, name)(*size) for body in (found, expected)]
            name = f"{name}{size}"
        if pair[0] != pair[1]:
            differences.append(f"{name}: {pair}")
    if found.read() != expected.read():
        differences.append("the rest")
    start_response("200 OK", TEXT)
    return [repr(differences).encode()]


def echo(environ, start_response):
    start_response("200 OK", TEXT)
    while piece := environ["wsgi.input"].read(65536):
        yield piece


def answers_first(environ, start_response):
    """Four megabytes before a byte of the body is read."""
    start_response("200 OK", TEXT)
    for _ in range(64):
        yield b"a" * 65536
    yield str(len(environ["wsgi.input"].read())).encode()


def lines(environ, start_response):
    body = environ["wsgi.input"]
    seen = [body.readline(), body.readline(2), body.readline(), body.read(0), body.read(3)]
    seen += [body.readlines(1), next(body), list(body), body.read(), body.read(5), body.readline()]
    start_response("200 OK", TEXT)
    return [repr(seen).encode()]


def short(environ, start_response):
    try:
        environ["wsgi.input"].read()
        answer = b"whole"
    except OSError as error:
        answer = f"OSError: {error}".encode()
        note(answer.decode())
    start_response("200 OK", TEXT)
    return [answer]


class Closing:
    """Pieces without end (or until it fails), noting when it is closed."""

    def __init__(self, fail_at=None):
        self.count = 0
        self.fail_at = fail_at

    def __iter__(self):
        return self

    def __next__(self):
        self.count += 1
        if self.count == self.fail_at:
            raise RuntimeError("the middle of an answer")
        return b"x" * 4096

    def close(self):
        note("closed")


def endless(environ, start_response):
    start_response("200 OK", TEXT)
    return Closing()


def fails_late(environ, start_response):
    start_response("200 OK", TEXT)
    return Closing(fail_at=3)


def fails_early(environ, start_response):
    raise ValueError("before any header")


def deeper(left):
    if left % 2:
        return deeper(left - 1) or left
    if left:
        return deeper(left - 1)
    raise ValueError("far down")


def fails_deep(environ, start_response):
    deeper(50)


def exits(environ, start_response):
    sys.exit(3)


def never_starts(environ, start_response):
    return [b"a body without a head"]


def injects(environ, start_response):
    start_response("200 OK", [("X-Name", "value\r\nSet-Cookie: stolen=1")])
    return [b"never sent"]


def gives_text(environ, start_response):
    start_response("200 OK", TEXT)
    return ["text"]


def changes_its_mind(environ, start_response):
    start_response("200 OK", [("X-First", "yes")])
    try:
        raise KeyError("second thoughts")
    except KeyError:
        start_response("503 Later", [("X-Second", "yes")], sys.exc_info())
    yield b""
    yield b"sorry"


def writes(environ, start_response):
    write = start_response("200 OK", TEXT)
    write(b"one ")
    write(b"")
    write(b"two ")
    return [b"three"]


def floods(environ, start_response):
    start_response("200 OK", TEXT)
    yield b"begun"
    for _ in range(100):
        environ["wsgi.errors"].write("much to say " * 1000 + "\n")


def noisy(environ, start_response):
    print("printed by the application")
    os.write(1, b"written to descriptor 1\n")
    sys.stderr.write("written to standard error\n")
    environ["wsgi.errors"].write("written to wsgi.errors: \u20ac\n")
    start_response("200 OK", TEXT)
    return [repr((sys.stdin.read(), os.read(0, 10))).encode()]


def children(environ, start_response):
    import subprocess

    listed = subprocess.run(["ls", "-l", "/proc/self/fd"], capture_output=True, close_fds=False).stdout
    start_response("200 OK", TEXT)
    return [listed]


class File:
    def __init__(self):
        self.left = 3

    def read(self, size):
        self.left -= 1
        return b"f" * 10 if self.left >= 0 else b""


def file(environ, start_response):
    opened = File()
    opened.close = lambda: note("file closed")
    start_response("200 OK", TEXT)
    return environ["wsgi.file_wrapper"](opened, 10)


def part_of_file(environ, start_response):
    """From the second byte, as many as the Content-Length says."""
    opened = io.BytesIO(b"0123456789")
    opened.seek(1)
    start_response("200 OK", [("Content-Length", "4")])
    return environ["wsgi.file_wrapper"](opened)


def large(environ, start_response):
    start_response("200 OK", TEXT)
    return [b"0123456789abcdef" * (int(environ["QUERY_STRING"]) // 16)]


def digest(environ, start_response):
    """What was sent, told in a few bytes."""
    found, count = hashlib.sha256(), 0
    while piece := environ["wsgi.input"].read(100_000):
        found.update(piece)
        count += len(piece)
    start_response("200 OK", TEXT)
    return [f"{count} {found.hexdigest()}".encode()]


def mixed(environ, start_response):
    """Of `count,piece` the digest of the body and `count` bytes, in pieces of that size, or whole if it is 0."""
    count, piece = map(int, environ["QUERY_STRING"].split(","))
    found = hashlib.sha256(environ["wsgi.input"].read()).hexdigest().encode()
    whole = found + (bytes(range(251)) * (count // 251 + 1))[:count]
    start_response("200 OK", TEXT)
    if piece == 0:
        return [whole]
    return (whole[at : at + piece] for at in range(0, len(whole), piece))


def no_content(environ, start_response):
    start_response("204 No Content", [])
    return [b""]


def too_long(environ, start_response):
    start_response("200 OK", [("Content-Length", "4")])
    return [b"12345678"]


def too_long_in_pieces(environ, start_response):
    start_response("200 OK", [("Content-Length", "4")])
    yield b"12"
    yield b"3456"
    yield b"78"


def too_short(environ, start_response):
    start_response("200 OK", [("Content-Length", "4")])
    yield b"12"


def too_short_at_once(environ, start_response):
    start_response("200 OK", [("Content-Length", "4")])
    return [b"12"]


def reads_whole(environ, start_response):
    body = environ["wsgi.input"].read()
    start_response("200 OK", TEXT)
    return [body]


def gate(environ, start_response):
    """Begins to answer, and ends when a file appears."""
    start_response("200 OK", TEXT)
    yield b"begun "
    note("begun")
    while not os.path.exists(environ["QUERY_STRING"]):
        time.sleep(0.01)
    yield b"ended"


def waits_in_the_call(environ, start_response):
    """Answers when a file appears."""
    note("begun")
    while not os.path.exists(environ["QUERY_STRING"]):
        time.sleep(0.01)
    start_response("200 OK", TEXT)
    return [b"answered"]


def holds_the_interpreter(environ, start_response):
    """Waits in C, without letting other threads run, for a byte in a pipe of that name."""
    import ctypes

    os.mkfifo(environ["QUERY_STRING"])
    pipe = os.open(environ["QUERY_STRING"], os.O_RDWR)
    note("begun")
    ctypes.PyDLL(None).read(pipe, ctypes.create_string_buffer(1), 1)
    start_response("200 OK", TEXT)
    return [b"answered"]


def whoami(environ, start_response):
    start_response("200 OK", TEXT)
    return [f"{os.getpid()} {environ['wsgi.multithread']} {environ['wsgi.multiprocess']}".encode()]


KEPT = []


def grows(environ, start_response):
    """Never gives back what `/grow` takes: 80 MB, each page of them written."""
    if environ["PATH_INFO"] == "/grow":
        KEPT.append(b"x" * 80_000_000)
    return whoami(environ, start_response)


def refuses(environ, start_response):
    start_response("400 Bad Request", TEXT)
    return [b"DisallowedHost"]


def greets(environ, start_response):
    environ["wsgi.input"].read(1000)
    environ["wsgi.errors"].write("validated\n")
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "2")])
    return [b"hi"]


def by_path(environ, start_response):
    return globals()[environ["PATH_INFO"].strip("/")](environ, start_response)


validated = validator(greets)

atexit.register(lambda: note("atexit ran"))
