"""A FastCGI responder for WSGI applications: ``python -m holdall_bridge --help``."""

try:
    from holdall_bridge._bridge import __version__
except ImportError as error:
    import sysconfig

    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        raise ImportError(
            "holdall_bridge cannot be loaded by a free-threaded CPython, which has another binary interface: "
            "use a CPython of the same version without `t` after it"
        ) from error
    raise

__all__ = ["__version__"]
