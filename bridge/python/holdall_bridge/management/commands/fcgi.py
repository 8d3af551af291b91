"""``manage.py fcgi``: serves the project over FastCGI, with ``holdall_bridge`` in INSTALLED_APPS."""

import argparse
import sys

from django.core.management.base import BaseCommand

from holdall_bridge._bridge import main

# What each takes, and what it is for; the bridge itself reads the values, and refuses what is wrong.
VALUES = [
    ("--config", "FILE", "read settings of the bridge from this TOML file; the command line wins over it"),
    ("--app", "PACKAGE.MODULE:CALLABLE", "the application, if it is not that of WSGI_APPLICATION"),
    ("--listen", "ADDRESS", "listen at unix:PATH or tcp:HOST:PORT instead of at what the web server hands over"),
    ("--processes", "N", "keep this many processes at work"),
    ("--threads", "M", "answer this many requests at the same time in each process"),
    ("--grace", "SECONDS", "what requests in flight get when the bridge is told to stop"),
    ("--slow", "SECONDS", "log the Python stack of a request that lasts longer; 0: never"),
    ("--max-requests", "N", "replace a process after it has answered this many requests"),
    ("--max-requests-jitter", "N", "up to this many more by chance"),
    ("--max-memory", "MB", "replace a process that takes more memory (Linux)"),
    ("--reload", "FILE", "replace all processes when this file is touched"),
    ("--log", "FILE", "write the log to this file"),
    ("--log-folder", "DIR", "write the log to a file for each process in this folder"),
    ("--format", "text|json", "how --check reports"),
]

SWITCHES = [
    ("--access", "log a line for each request"),
    ("--trace", "log a line for each record of FastCGI that passes"),
    ("--check", "answer one request in this process, report, and leave"),
    # Of a process that another one has started, which repeats the whole command line.
    ("--worker", argparse.SUPPRESS),
]


class Command(BaseCommand):
    help = "Serves the project over FastCGI, as a web server such as IIS, nginx or lighttpd asks for it."
    requires_system_checks = []
    requires_migrations_checks = False

    def add_arguments(self, parser):
        for option, value, text in VALUES:
            parser.add_argument(option, metavar=value, help=text)
        for option, text in SWITCHES:
            parser.add_argument(option, action="store_true", help=text)

    def handle(self, *args, **options):
        def given(option):
            return options[option.lstrip("-").replace("-", "_")]

        words = []
        for option, *_ in VALUES:
            if given(option) is not None:
                words += [option, given(option)]
        words += [option for option, _ in SWITCHES if given(option)]
        # A file of the bridge names the application itself.
        if given("--app") is None and given("--config") is None:
            words += ["--app", "holdall_bridge.wsgi:application"]
        sys.exit(main(words))
