"""Watches what the bridge does with its pipe, on Windows, for two operations at a time.

On a handle for synchronous use Windows lets the second wait for the first. Wine does not, so a bridge that reads while
it writes would work there and hang on Windows. The same goes for a call without OVERLAPPED: on a handle for overlapped
use Windows may report the end of another one as its own. The calls of the bridge's own module are therefore led through here,
by way of the table in which the module finds the functions of Windows.
"""

import atexit
import collections
import ctypes
import sys
import threading
from ctypes import wintypes

from plain import by_path, note

__all__ = ["by_path"]

ERROR_IO_PENDING = 997
PAGE_READWRITE = 4
POINTER = ctypes.c_void_p

# How many arguments each has, all of the size of a pointer.
WATCHED = {
    "ReadFile": 5,
    "WriteFile": 5,
    "PeekNamedPipe": 6,
    "ConnectNamedPipe": 2,
    "DisconnectNamedPipe": 1,
    "FlushFileBuffers": 1,
    "GetOverlappedResult": 4,
}

MUST_BE_OVERLAPPED = ["ReadFile", "WriteFile", "ConnectNamedPipe"]

lock = threading.Lock()
running = []
seen = collections.Counter()
two_at_a_time = []
without_overlapped = []
kept = []


def watch(name, address):
    """A function that does what the one at `address` does, and keeps the books."""
    kind = ctypes.WINFUNCTYPE(wintypes.BOOL, *[POINTER] * WATCHED[name], use_last_error=True)
    original = kind(address)

    def call(*arguments):
        waits = name == "GetOverlappedResult"
        with lock:
            seen[name] += 1
            if name in MUST_BE_OVERLAPPED and not arguments[-1]:
                without_overlapped.append(name)
            if not waits:
                two_at_a_time.extend(f"{name} during {other}" for other in running)
                running.append(name)
        result = original(*arguments)
        error = ctypes.get_last_error()
        with lock:
            if waits:
                running.clear()
            elif result or error != ERROR_IO_PENDING:
                running.remove(name)
        ctypes.set_last_error(error)
        return result

    replacement = kind(call)
    kept.append((original, replacement))
    return ctypes.cast(replacement, POINTER).value


def number(kind, address):
    return kind.from_address(address).value


def import_table(base):
    """Where the module has the address of each function it imports."""
    directory = base + number(ctypes.c_uint32, base + 0x3C) + 24 + 112 + 8
    descriptor = base + number(ctypes.c_uint32, directory)
    while names := number(ctypes.c_uint32, descriptor):
        place, slot = base + names, base + number(ctypes.c_uint32, descriptor + 16)
        while entry := number(ctypes.c_uint64, place):
            if entry >> 63 == 0:
                yield ctypes.string_at(base + entry + 2).decode(), slot
            place, slot = place + 8, slot + 8
        descriptor += 20


def install():
    kernel32 = ctypes.WinDLL("kernel32")
    kernel32.GetModuleHandleW.restype = POINTER
    base = kernel32.GetModuleHandleW(sys.modules["holdall_bridge._bridge"].__file__)
    before = wintypes.DWORD()
    for name, slot in import_table(base):
        if name in WATCHED:
            kernel32.VirtualProtect(POINTER(slot), ctypes.c_size_t(8), PAGE_READWRITE, ctypes.byref(before))
            POINTER.from_address(slot).value = watch(name, number(ctypes.c_uint64, slot))


def report():
    for name, count in sorted(seen.items()):
        note(f"watched {name} {count} times")
    note(f"two at a time: {', '.join(two_at_a_time) or 'none'}")
    note(f"without OVERLAPPED: {', '.join(without_overlapped) or 'none'}")


install()
atexit.register(report)
