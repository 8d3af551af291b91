"""What an application sees of the process it is in, on Windows."""

import ctypes
import os
import subprocess
import sys
from ctypes import wintypes

import msvcrt
import plain
from plain import TEXT

kernel32 = ctypes.WinDLL("kernel32")
kernel32.GetStdHandle.restype = wintypes.HANDLE
HANDLE = wintypes.HANDLE

FILE_NAME_INFO = 2
FILE_TYPE_PIPE = 3
HANDLE_FLAG_INHERIT = 1
STD_INPUT_HANDLE = -10

# Runs in a program of its own, and is told the name of the pipe and where this module is.
CHILD = """
import os, sys
sys.path[:0] = sys.argv[2:]
import windows
read = sys.stdin.buffer.read()
print(f"it read {read!r} and saw {len(windows.handles_of(sys.argv[1]))} of the pipe", end="", flush=True)
os._exit(0)
"""

STAYING_CHILD = "import time; print('note: the child is there', flush=True); time.sleep(60)"


def is_pipe(handle):
    return kernel32.GetFileType(HANDLE(handle)) == FILE_TYPE_PIPE


def standard_inputs():
    handles = [kernel32.GetStdHandle(STD_INPUT_HANDLE) or 0, msvcrt.get_osfhandle(0)]
    return ", ".join("a pipe" if is_pipe(handle) else "no pipe" for handle in handles)


AT_IMPORT = standard_inputs()


class Name(ctypes.Structure):
    _fields_ = [("length", wintypes.DWORD), ("text", wintypes.WCHAR * 1000)]


def name_of(handle):
    name = Name()
    size = ctypes.sizeof(name)
    found = kernel32.GetFileInformationByHandleEx(HANDLE(handle), FILE_NAME_INFO, ctypes.byref(name), size)
    return name.text[: name.length // 2].rsplit("\\", 1)[-1] if found else ""


def handles_of(pipe):
    """The handles of this process that are the pipe of that name."""
    last = pipe.rsplit("\\", 1)[-1]
    return [handle for handle in range(4, 8192, 4) if is_pipe(handle) and name_of(handle) == last]


def is_inherited(handle):
    flags = wintypes.DWORD()
    found = kernel32.GetHandleInformation(HANDLE(handle), ctypes.byref(flags))
    return bool(found and flags.value & HANDLE_FLAG_INHERIT)


def standard_input(environ, start_response):
    start_response("200 OK", TEXT)
    return [f"at import: {AT_IMPORT}; now: {standard_inputs()}".encode()]


def handles(environ, start_response):
    found = handles_of(os.environ["_FCGI_X_PIPE_"])
    inherited = [handle for handle in found if is_inherited(handle)]
    start_response("200 OK", TEXT)
    return [f"{len(found)} of the pipe, {len(inherited)} of them inherited".encode()]


def child(environ, start_response):
    words = [sys.executable, "-c", CHILD, os.environ["_FCGI_X_PIPE_"], *sys.path]
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, close_fds=False)
    start_response("200 OK", TEXT)
    return [done.stdout]


def staying_child(environ, start_response):
    subprocess.Popen([sys.executable, "-c", STAYING_CHILD], stdin=0, stdout=1, stderr=2, close_fds=False)
    start_response("200 OK", TEXT)
    return [b"started"]


def by_path(environ, start_response):
    name = environ["PATH_INFO"].strip("/")
    return (globals().get(name) or getattr(plain, name))(environ, start_response)
