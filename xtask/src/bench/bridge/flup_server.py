# flup6 with its own defaults: threads as it needs them.
import sys

sys.path.insert(0, sys.argv[1])
from application import application  # noqa: E402 - found by the line above
from flup.server.fcgi import WSGIServer  # noqa: E402

WSGIServer(application, bindAddress=sys.argv[2], debug=False).run()
