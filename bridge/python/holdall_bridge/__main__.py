"""``python -m holdall_bridge``: everything happens in the extension module."""

import sys

from holdall_bridge._bridge import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
