"""Keeps an eye on the guestbook; meant to run in the background as long as the site does."""

import signal
import threading
import time
from argparse import ArgumentTypeError

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, close_old_connections
from django.db.models import Count, Max, Q
from django.utils import timezone

from entries.models import Entry


def seconds(text):
    try:
        value = float(text)
    except ValueError:
        value = 0
    if not 0 < value <= 86400:
        raise ArgumentTypeError(f"{text!r} is not a number of seconds between 0 and 86400")
    return value


class Command(BaseCommand):
    help = "Writes a line about new entries to standard output, now and then."

    def add_arguments(self, parser):
        parser.add_argument("--once", action="store_true", help="write one line about all entries and leave")
        parser.add_argument("--interval", type=seconds, default=60.0, help="seconds between two looks (60)")

    def handle(self, *, once, interval, **options):
        if once:
            try:
                self.look(None)
            except DatabaseError as error:
                raise CommandError(f"cannot read the entries: {error}") from error
            return

        stop = stopped_by_signal()
        self.say(f"watching the guestbook every {interval:g} s")
        seen = None
        while not stop.is_set():
            close_old_connections()
            try:
                seen = self.look(seen)
            except DatabaseError as error:
                # A database that is restarted or locked is no reason to leave.
                self.stderr.write(f"cannot read the entries, trying again in {interval:g} s: {error}")
                self.stderr.flush()
            rest(stop, interval)
        self.say("stopped")

    def look(self, seen):
        """Reports the entries that came after number `seen`, or all at the first look; returns the newest number."""
        entries = Entry.objects.aggregate(
            total=Count("id"),
            new=Count("id", filter=Q(id__gt=seen or 0)),
            files=Count("id", filter=~Q(attachment="")),
            newest=Max("id"),
        )
        if entries["new"] or seen is None:
            self.say("{new} new, {total} in all, {files} with a file".format(**entries))
        return max(seen or 0, entries["newest"] or 0)

    def say(self, text):
        self.stdout.write(f"{timezone.now():%Y-%m-%dT%H:%M:%SZ} {text}")
        # Output that goes to a file or a pipe is held back otherwise.
        self.stdout.flush()


def stopped_by_signal():
    """An event that is set when the system, or a person, asks the command to leave."""
    stop = threading.Event()
    # Ctrl-Break is what Windows can send to a process group; SIGTERM is never delivered there.
    for name in ["SIGINT", "SIGTERM", "SIGBREAK"]:
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda *_: stop.set())
    return stop


def rest(stop, length):
    """Waits in short naps: on Windows no signal is handled while Python waits for a lock."""
    end = time.monotonic() + length
    while not stop.is_set() and (left := end - time.monotonic()) > 0:
        stop.wait(min(left, 0.5))
