"""An application with a thread that nobody ends, which Python waits for."""

import os
import threading

threading.Thread(target=threading.Event().wait).start()

if "FAIL" in os.environ:
    raise RuntimeError("after the thread was started")


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"here"]
