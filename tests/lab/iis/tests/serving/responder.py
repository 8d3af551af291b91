"""A FastCGI process that misbehaves as the query asks, on the listening socket that is its standard input."""

import os
import socket
import struct

STDIN, STDOUT, STDERR, END = 5, 6, 7, 3


def read(connection, size):
    data = b""
    while len(data) < size:
        piece = connection.recv(size - len(data))
        if not piece:
            raise EOFError
        data += piece
    return data


def send(connection, kind, content=b""):
    connection.sendall(struct.pack(">BBHHBB", 1, kind, 1, len(content), 0, 0) + content)


def serve(connection):
    while True:
        params, kind, length = b"", None, 1
        while kind != STDIN or length:
            _, kind, _, length, padding, _ = struct.unpack(">BBHHBB", read(connection, 8))
            content = read(connection, length + padding)[:length]
            params += content if kind == 4 else b""
        if b"QUERY_STRINGstderr" in params:
            send(connection, STDERR, b"words on <stderr>")
        if b"QUERY_STRINGnonsense" in params:
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            continue
        if b"QUERY_STRINGheadless" in params:
            send(connection, STDOUT, b"Content-Type: text/plain\r\n")
        elif b"QUERY_STRINGlength" in params:
            send(connection, STDOUT, b"Content-Length: 100\r\n\r\nshort")
        else:
            send(connection, STDOUT, b"Content-Type: text/plain\r\n\r\n%d" % os.getpid())
        refused = b"QUERY_STRINGrefused" in params
        send(connection, STDOUT)
        send(connection, END, bytes([0, 0, 0, 0, 3 if refused else 0, 0, 0, 0]))


listener = socket.socket(fileno=0)
while True:
    try:
        serve(listener.accept()[0])
    except (EOFError, OSError):
        pass
