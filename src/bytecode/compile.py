"""Compiles sources to bytecode, one after the other.

A request on standard input is the length of a path and the length of a source (four bytes each, little endian), the
path in UTF-8, and the source. The answer on standard output is the length of a `.pyc` file and the file; the length is
0 for a source that does not compile. The end of the input is the end of the work.
"""

import sys

# Nothing that lies in the current folder is imported.
del sys.path[0]

import importlib.util
import marshal

# PEP 552: the source is named by its hash, and nobody compares it when the module is imported.
HASHED_UNCHECKED = (1).to_bytes(4, "little")


def compiled(path, source):
    try:
        code = compile(source, path, "exec", dont_inherit=True, optimize=0)
    except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError):
        return b""
    head = importlib.util.MAGIC_NUMBER + HASHED_UNCHECKED + importlib.util.source_hash(source)
    return head + marshal.dumps(code)


def main():
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    while head := requests.read(8):
        path = requests.read(int.from_bytes(head[:4], "little")).decode()
        answer = compiled(path, requests.read(int.from_bytes(head[4:], "little")))
        answers.write(len(answer).to_bytes(4, "little") + answer)
        answers.flush()


main()
