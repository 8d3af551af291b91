"""Reads settings from environment variables."""

import os
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured


def flag(name):
    value = os.environ.get(name, "").strip().lower()
    if value in {"1", "true", "yes", "on"}:
        return True
    if value in {"", "0", "false", "no", "off"}:
        return False
    # Guessing could switch DEBUG on for the whole world.
    raise ImproperlyConfigured(f"{name} is {value!r}: use 1 or 0")


def listed(name, default=""):
    return [item.strip() for item in os.environ.get(name, default).split(",") if item.strip()]


def database(url, base_dir):
    """`sqlite:///file` (relative to `base_dir`), `sqlite:////absolute/file` or `postgres://user:password@host/name`."""
    parts = urlsplit(url)
    name = unquote(parts.path.removeprefix("/"))
    if parts.scheme == "sqlite" and name and not parts.netloc:
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": name if name == ":memory:" else Path(base_dir) / name,
            # Several processes write to one file: a writer asks for the lock at once, and waits for its turn.
            "OPTIONS": {"timeout": 20, "transaction_mode": "IMMEDIATE"},
        }
    if parts.scheme in {"postgres", "postgresql"} and name:
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": name,
            "USER": unquote(parts.username or ""),
            "PASSWORD": unquote(parts.password or ""),
            "HOST": parts.hostname or "",
            "PORT": parts.port or "",
            "OPTIONS": dict(parse_qsl(parts.query)),
        }
    # The address may hold a password, so it is not repeated.
    raise ImproperlyConfigured("DATABASE_URL must look like sqlite:///file or postgres://user:password@host/name")
