"""Compiles sources to bytecode, one after the other.

A request on standard input is the length of a path and the length of a source (four bytes each, little endian), the
path in UTF-8, and the source. The answer on standard output is the length of a `.pyc` file and the file; the length is
0 for a source that does not compile. The end of the input is the end of the work.
"""

import sys

# Nothing that lies in the current folder is imported.
del sys.path[0]

import gc
import importlib.util
import marshal
import operator
import types

# PEP 552: the source is named by its hash, and nobody compares it when the module is imported.
HASHED_UNCHECKED = (1).to_bytes(4, "little")

# What a code object is made of.
ATTRIBUTES = ["co_consts", "co_names", "co_varnames", "co_freevars", "co_cellvars", "co_filename", "co_name"]
ATTRIBUTES += ["co_qualname", "co_linetable", "co_exceptiontable"]
if sys.version_info < (3, 11):  # since then made anew at each look
    ATTRIBUTES.append("co_code")
ATTRIBUTES = operator.attrgetter(*(name for name in ATTRIBUTES if hasattr(types.CodeType, name)))


# There is one object for each text of one letter. marshal marks those that are interned, and what was compiled before
# may have had one of them interned: now all are.
for number in range(256):
    sys.intern(chr(number))


def has_sets(code):
    return any(
        isinstance(part, frozenset) or isinstance(part, types.CodeType) and has_sets(part) for part in code.co_consts
    )


def with_one_of_equal_sets(code, sets):
    """The code with one object for all constant sets that are equal.

    The compiler has them so, unless one of their texts was in use before: then it makes each anew.
    """
    constants = []
    for part in code.co_consts:
        if isinstance(part, frozenset):
            kind = tuple(sorted((type(item).__name__, repr(item)) for item in part))
            part = sets.setdefault(kind, part)
        elif isinstance(part, types.CodeType) and has_sets(part):
            part = with_one_of_equal_sets(part, sets)
        constants.append(part)
    return code.replace(co_consts=tuple(constants))


def parts(code):
    """All objects that a code object is made of.

    Whoever holds them gives each a second reference. marshal marks what has more than one, and some have one more when
    something else that was compiled before had the same: now all are marked alike.
    """
    found = [code]
    for part in found:  # which grows meanwhile
        kind = type(part)
        if kind is types.CodeType:
            found.extend(ATTRIBUTES(part))
        elif kind is tuple or kind is frozenset:
            found.extend(part)
    return found


def compiled(path, source):
    try:
        code = compile(source, path, "exec", dont_inherit=True, optimize=0)
    except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError):
        return b""
    if has_sets(code):
        code = with_one_of_equal_sets(code, {})
    held = parts(code)
    head = importlib.util.MAGIC_NUMBER + HASHED_UNCHECKED + importlib.util.source_hash(source)
    bytecode = head + marshal.dumps(code)
    held.clear()
    return bytecode


def main():
    # Nothing that is made here refers to itself, and looking for what does takes time.
    gc.disable()
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    while head := requests.read(8):
        path = requests.read(int.from_bytes(head[:4], "little")).decode()
        answer = compiled(path, requests.read(int.from_bytes(head[4:], "little")))
        answers.write(len(answer).to_bytes(4, "little") + answer)
        answers.flush()


main()
