"""
A guestbook to print, for guests who like a pen: numbered lines, some megabytes of them.

The text is computed from the position asked for, so it is the same on every server, is never held in memory as a
whole, and its length is known before the first byte is sent.
"""

import io

LINE_LENGTH = 64
LINES = 81_920
SIZE = LINES * LINE_LENGTH


def line(number):
    head = f"№ {number:06d} ".encode()
    return head + b"." * (LINE_LENGTH - len(head) - 1) + b"\n"


class Paper(io.RawIOBase):
    """The text as a readable, seekable file without a place on disk."""

    def __init__(self):
        self._position = 0

    def readable(self):
        return True

    def seekable(self):
        return True

    def tell(self):
        return self._position

    def seek(self, offset, whence=io.SEEK_SET):
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: SIZE}[whence]
        self._position = max(0, start + offset)
        return self._position

    def readinto(self, buffer):
        wanted = min(len(buffer), max(0, SIZE - self._position))
        first, skipped = divmod(self._position, LINE_LENGTH)
        last = (self._position + wanted + LINE_LENGTH - 1) // LINE_LENGTH
        text = b"".join(line(number + 1) for number in range(first, last))
        buffer[:wanted] = text[skipped : skipped + wanted]
        self._position += wanted
        return wanted
