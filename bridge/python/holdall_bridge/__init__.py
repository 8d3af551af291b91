"""A FastCGI responder for WSGI applications: ``python -m holdall_bridge --help``."""

from holdall_bridge._bridge import __version__

__all__ = ["__version__"]
