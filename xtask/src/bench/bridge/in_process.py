# The page of Django without any server: the median of many calls, in microseconds. With `once` a single one is made, and told of.
import io
import sys
import time

sys.path.insert(0, sys.argv[1])
from application import framework  # noqa: E402 - found by the line above

ENVIRON = {
    "GATEWAY_INTERFACE": "CGI/1.1",
    "REQUEST_METHOD": "GET",
    "SCRIPT_NAME": "",
    "PATH_INFO": "/django",
    "QUERY_STRING": "",
    "REQUEST_URI": "/django",
    "DOCUMENT_URI": "/django",
    "CONTENT_TYPE": "",
    "CONTENT_LENGTH": "",
    "SERVER_NAME": "localhost",
    "SERVER_PORT": "80",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "REMOTE_ADDR": "127.0.0.1",
    "REMOTE_PORT": "40000",
    "HTTP_HOST": "localhost",
    "HTTP_USER_AGENT": "bench",
    "HTTP_ACCEPT": "*/*",
    "wsgi.version": (1, 0),
    "wsgi.url_scheme": "http",
    "wsgi.errors": sys.stderr,
    "wsgi.multithread": False,
    "wsgi.multiprocess": False,
    "wsgi.run_once": False,
}


def call():
    seen = []
    environ = dict(ENVIRON)
    environ["wsgi.input"] = io.BytesIO()
    began = time.perf_counter()
    answer = framework(environ, lambda status, headers, exc_info=None: seen.append(status))
    body = b"".join(answer)
    answer.close()
    took = time.perf_counter() - began
    assert (seen, body) == (["200 OK"], b"Hello, world!"), (seen, body)
    return took


if sys.argv[2] == "once":
    call()
    print("answered", flush=True)
else:
    end = time.monotonic() + float(sys.argv[2])
    times = [call()]
    while time.monotonic() < end:
        times.append(call())
    print(sorted(times)[len(times) // 2] * 1e6)
