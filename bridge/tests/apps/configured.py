"""An application that reads its environment when it is imported, as settings do."""

import os

GREETING = os.environ["GREETING"]


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [GREETING.encode()]
