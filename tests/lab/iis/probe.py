"""A FastCGI process that tells what it was given. IIS starts it for `cargo xtask iis-facts`.

It needs nothing but ctypes, takes either end of a pipe and either kind of handle, and answers each request with JSON:
the handles it got, its environment and the parameters as they arrived, byte for byte (as latin-1). The query says what
else it is to do: `hold=3` answers after three seconds, `stream=2` pauses two seconds in the middle of the answer,
`watch=5` answers for five seconds and notes what comes in meanwhile, which the next answer then tells.
"""

import ctypes
import json
import os
import struct
import sys
import threading
import time
import urllib.parse
from ctypes import wintypes

BEGIN, ABORT, END, PARAMS, STDIN, STDOUT = 1, 2, 3, 4, 5, 6
IO_PENDING, BROKEN_PIPE, NO_DATA, PIPE_CONNECTED, NOT_CONNECTED = 997, 109, 232, 535, 233

kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
ntdll = ctypes.WinDLL("ntdll")


class Overlapped(ctypes.Structure):
    _fields_ = [
        ("internal", ctypes.c_size_t),
        ("internal_high", ctypes.c_size_t),
        ("offset", wintypes.DWORD),
        ("offset_high", wintypes.DWORD),
        ("event", wintypes.HANDLE),
    ]


class IoStatus(ctypes.Structure):
    _fields_ = [("status", ctypes.c_void_p), ("information", ctypes.c_size_t)]


kernel32.GetStdHandle.restype = wintypes.HANDLE
kernel32.CreateEventW.restype = wintypes.HANDLE
kernel32.CreateEventW.argtypes = [ctypes.c_void_p, wintypes.BOOL, wintypes.BOOL, wintypes.LPCWSTR]
kernel32.GetCurrentProcess.restype = wintypes.HANDLE
kernel32.GetFileType.argtypes = [wintypes.HANDLE]
kernel32.GetNamedPipeInfo.argtypes = [wintypes.HANDLE] + [ctypes.POINTER(wintypes.DWORD)] * 4
kernel32.IsProcessInJob.argtypes = [wintypes.HANDLE, wintypes.HANDLE, ctypes.POINTER(wintypes.BOOL)]
kernel32.PeekNamedPipe.argtypes = [wintypes.HANDLE, ctypes.c_void_p, wintypes.DWORD] + [
    ctypes.POINTER(wintypes.DWORD)
] * 3
kernel32.WaitForSingleObject.argtypes = [wintypes.HANDLE, wintypes.DWORD]
kernel32.GetOverlappedResult.argtypes = [
    wintypes.HANDLE,
    ctypes.POINTER(Overlapped),
    ctypes.POINTER(wintypes.DWORD),
    wintypes.BOOL,
]
for name in ("ReadFile", "WriteFile"):
    getattr(kernel32, name).argtypes = [
        wintypes.HANDLE,
        ctypes.c_void_p,
        wintypes.DWORD,
        ctypes.POINTER(wintypes.DWORD),
        ctypes.POINTER(Overlapped),
    ]
kernel32.ConnectNamedPipe.argtypes = [wintypes.HANDLE, ctypes.POINTER(Overlapped)]
kernel32.DisconnectNamedPipe.argtypes = [wintypes.HANDLE]
kernel32.FlushFileBuffers.argtypes = [wintypes.HANDLE]
ntdll.NtQueryInformationFile.argtypes = [
    wintypes.HANDLE,
    ctypes.POINTER(IoStatus),
    ctypes.c_void_p,
    wintypes.ULONG,
    ctypes.c_int,
]


class Gone(Exception):
    """The other end is no more."""


def std_handle(number):
    """The handle as a signed number: -1 is INVALID_HANDLE_VALUE, 0 is none."""
    return ctypes.c_ssize_t(kernel32.GetStdHandle(wintypes.DWORD(number)) or 0).value


def describe(handle):
    """What kind of thing a handle is."""
    told = {"handle": handle, "type": kernel32.GetFileType(handle)}
    flags, outgoing, incoming, instances = (wintypes.DWORD() for _ in range(4))
    if kernel32.GetNamedPipeInfo(handle, flags, outgoing, incoming, instances):
        told["pipe"] = {
            "end": "server" if flags.value & 1 else "client",
            "message_mode": bool(flags.value & 4),
            "out_buffer": outgoing.value,
            "in_buffer": incoming.value,
            "instances": instances.value,
        }
    status, mode = IoStatus(), wintypes.ULONG()
    # FileModeInformation; the two bits are FILE_SYNCHRONOUS_IO_ALERT and _NONALERT.
    if ntdll.NtQueryInformationFile(handle, status, ctypes.byref(mode), ctypes.sizeof(mode), 16) == 0:
        told["synchronous"] = bool(mode.value & 0x30)
    return told


class Pipe:
    """The pipe on standard input. All of it is done in one thread, by calls that suit either kind of handle."""

    def __init__(self, handle):
        self.handle = handle
        self.event = kernel32.CreateEventW(None, True, False, None)
        self.left = b""

    def call(self, function, *arguments):
        """Returns the bytes that were moved, and the error that the call itself gave."""
        overlapped, moved = Overlapped(event=self.event), wintypes.DWORD()
        ctypes.set_last_error(0)
        done = function(self.handle, *arguments, overlapped)
        first = 0 if done else ctypes.get_last_error()
        if first not in (0, IO_PENDING):
            return 0, first
        if not kernel32.GetOverlappedResult(self.handle, overlapped, moved, True):
            return 0, ctypes.get_last_error()
        return moved.value, first

    def connect(self):
        return self.call(kernel32.ConnectNamedPipe)[1]

    def read(self, size):
        while len(self.left) < size:
            buffer = ctypes.create_string_buffer(65536)
            moved, error = self.call(kernel32.ReadFile, buffer, len(buffer), None)
            if error not in (0, IO_PENDING) or not moved:
                raise Gone(error)
            self.left += buffer.raw[:moved]
        taken, self.left = self.left[:size], self.left[size:]
        return taken

    def write(self, data):
        while data:
            moved, error = self.call(kernel32.WriteFile, data, len(data), None)
            if error not in (0, IO_PENDING):
                raise Gone(error)
            data = data[moved:]

    def waiting(self):
        """How many bytes can be read; Gone when there is no other end."""
        total = wintypes.DWORD()
        if not kernel32.PeekNamedPipe(self.handle, None, 0, None, total, None):
            raise Gone(ctypes.get_last_error())
        return len(self.left) + total.value

    def record(self):
        _, kind, number, length, padding, _ = struct.unpack(">BBHHBB", self.read(8))
        return kind, number, self.read(length + padding)[:length]

    def send(self, kind, number, content=b""):
        self.write(struct.pack(">BBHHBB", 1, kind, number, len(content), 0, 0) + content)


def pairs(data):
    """Names and values of a PARAMS stream, in their order."""
    at = 0

    def length():
        nonlocal at
        if data[at] < 128:
            at += 1
            return data[at - 1]
        at += 4
        return struct.unpack(">I", data[at - 4 : at])[0] & 0x7FFFFFFF

    while at < len(data):
        sizes = length(), length()
        for size in sizes:
            yield data[at : at + size].decode("latin-1")
            at += size


def watch(pipe, number, seconds):
    """Answers a little at a time and tells what came of it."""
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            pipe.send(STDOUT, number, b"still here\n" * 100)
            if pipe.waiting() >= 8:
                kind, _, _ = pipe.record()
                if kind == ABORT:
                    return "abort-record"
            time.sleep(0.05)
    except Gone as gone:
        return "pipe-closed", gone.args[0]
    return "nothing"


# Held while a request is being answered.
ANSWERING = threading.Lock()


def serve(pipe, told):
    """Requests, one after the other, until the other end is gone."""
    while True:
        kind, number, content = pipe.record()
        if kind != BEGIN:
            continue
        role, flags = struct.unpack(">HB", content[:3])
        params, body = b"", 0
        while True:
            kind, _, content = pipe.record()
            if kind == PARAMS:
                params += content
            elif kind == STDIN and content:
                body += len(content)
            elif kind in (STDIN, ABORT):
                break
        told["requests"] += 1
        with ANSWERING:
            answer(pipe, told, number, role, flags, params, body)
        if not flags & 1:
            kernel32.FlushFileBuffers(pipe.handle)
            raise Gone(0)


def answer(pipe, told, number, role, flags, params, body):
    """What this process knows, as JSON, after whatever the address asks it to do first."""
    names = list(pairs(params))
    values = dict(zip(names[::2], names[1::2]))
    wanted = dict(urllib.parse.parse_qsl(values.get("QUERY_STRING", "")))
    time.sleep(float(wanted.get("hold", 0)))
    pipe.send(STDOUT, number, b"Content-Type: application/json\r\nCache-Control: no-store\r\n\r\n")
    if "watch" in wanted:
        told["watched"] = None
        told["watched"] = watch(pipe, number, float(wanted["watch"]))
    if "stream" in wanted:
        pipe.send(STDOUT, number, b"\n")
        time.sleep(float(wanted["stream"]))
    said = dict(told, role=role, keep=bool(flags & 1), body=body, params=values)
    text = json.dumps(said).encode("ascii")
    for start in range(0, len(text), 8000):
        pipe.send(STDOUT, number, text[start : start + 8000])
    pipe.send(STDOUT, number)
    pipe.send(END, number, bytes(8))


def leave_when_told():
    """Ends this process once the event is set that IIS names in the environment; a request in flight is answered first."""
    event = os.environ.get("_FCGI_SHUTDOWN_EVENT_")
    if event and event.isdigit():

        def wait():
            kernel32.WaitForSingleObject(int(event), 0xFFFFFFFF)
            with ANSWERING:
                os._exit(0)

        threading.Thread(target=wait, daemon=True).start()


def main():
    stdin = std_handle(-10)
    in_job = wintypes.BOOL()
    kernel32.IsProcessInJob(kernel32.GetCurrentProcess(), None, in_job)
    told = {
        "pid": os.getpid(),
        "executable": sys.executable,
        "arguments": sys.argv[1:],
        "stdin": describe(stdin),
        "stdout": describe(std_handle(-11)),
        "stderr": describe(std_handle(-12)),
        "in_job": bool(in_job.value),
        "environment": {
            name: value for name, value in os.environ.items() if name.startswith(("_FCGI_", "APP_POOL_", "HOLDALL_", "TEMP"))
        },
        "requests": 0,
        "watched": None,
    }
    leave_when_told()
    pipe = Pipe(stdin)
    server_end = told["stdin"].get("pipe", {}).get("end") == "server"
    while True:
        if server_end:
            error = pipe.connect()
            told.setdefault("connect", error)
            if error == NO_DATA:
                kernel32.DisconnectNamedPipe(stdin)
                continue
            if error not in (0, IO_PENDING, PIPE_CONNECTED):
                return 1
        try:
            serve(pipe, told)
        except Gone:
            if not server_end:
                return 0
            pipe.left = b""
            kernel32.DisconnectNamedPipe(stdin)


if __name__ == "__main__":
    sys.exit(main())
