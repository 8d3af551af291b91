# What a process of the site does before its first answer: import the application, and ask it for the front page.
import importlib
import io
import sys

opened = []
sys.addaudithook(lambda event, args: event == "open" and opened.append(str(args[0])))

module, name = sys.argv[1].split(":")
application = getattr(importlib.import_module(module), name)
environ = {
    "REQUEST_METHOD": "GET",
    "SCRIPT_NAME": "",
    "PATH_INFO": "/",
    "QUERY_STRING": "",
    "SERVER_NAME": "localhost",
    "SERVER_PORT": "80",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "wsgi.version": (1, 0),
    "wsgi.url_scheme": "http",
    "wsgi.input": io.BytesIO(),
    "wsgi.errors": sys.stderr,
    "wsgi.multithread": False,
    "wsgi.multiprocess": True,
    "wsgi.run_once": False,
}
seen = []
body = b"".join(application(environ, lambda status, headers, exc_info=None: seen.append(status)))
if not (body and seen[0].startswith("200")):
    sys.exit(f"the front page answered {seen}")
code = [path for path in opened if path.endswith((".py", ".pyc", ".zip"))]
print(len(code), len(set(code)))
