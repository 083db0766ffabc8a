"""An upstream that wants to be paid twice: it counts what it could bill, and cuts connections anywhere.

    def play(peer):                 # one connection
        while peer.read_request():
            peer.send(reply(answer()))
            peer.fin()
    with Hostile(play) as upstream: ... Server(place, upstream.url)

Whatever arrives is counted, also what `play` never reads: a request that is complete could be billed.
`upstream.billable` holds how often, by question. With `context` it speaks TLS. `Hostile2` speaks HTTP/2.
"""

import collections
import concurrent.futures
import ctypes
import os
import select
import socket
import ssl
import struct
import subprocess
import textwrap
import urllib.parse
import zlib

import h2.config
import h2.connection
import h2.events
import h2.exceptions
from raw_upstream import RawUpstream, answer

DRAIN_TIMEOUT = 10


def libcurl_version():
    """Of the library that sanyao is linked with: (7, 88, 1)."""
    library = ctypes.CDLL("libcurl.so.4")
    library.curl_version.restype = ctypes.c_char_p
    words = library.curl_version().decode("ascii").split()
    return tuple(int(part) for part in words[0].partition("/")[2].partition("-")[0].split("."))


LIBCURL = libcurl_version()


def question_of(target):
    """What is asked by a request's target, as Hostile counts it."""
    query = dict(urllib.parse.parse_qsl(target.partition("?")[2]))
    return query.get("name"), query.get("idCard"), query.get("mobile")


def key_of(person):
    return person.name, person.id_card, person.mobile


def reply(body=None, status="200 OK", headers=("Content-Type: application/json",), version="1.1"):
    body = answer() if body is None else body
    head = [f"HTTP/{version} {status}", *headers, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(head).encode("latin-1") + body


def chunked(body, size=16, extension=b"", trailers=b""):
    chunks = [body[at:at + size] for at in range(0, len(body), size)] + [b""]
    framed = b"".join(
        b"%x%s\r\n%s" % (len(chunk), extension, chunk + b"\r\n" if chunk else trailers)
        for chunk in chunks
    )
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + framed + b"\r\n"


class Gone(Exception):
    """The connection is at its end."""


class Peer:
    """One connection, with sanyao at its other end."""

    def __init__(self, upstream, connection, number):
        self.upstream, self.connection, self.number = upstream, connection, number
        self.pending = b""  # read from the socket, not by `play`
        self.counted = b""  # the request whose end is still to come
        self.requests = 0  # complete ones
        self.last = None  # the question of the last of them

    # --- what comes ---

    def count(self, data):
        self.counted += data
        while b"\r\n\r\n" in self.counted:
            head, self.counted = self.counted.split(b"\r\n\r\n", 1)
            self.requests += 1
            self.last = question_of(head.split(b" ")[1].decode())
            self.upstream.count(self.last, head)

    def receive(self):
        """False at the end."""
        try:
            data = self.connection.recv(65536)
        except OSError:
            data = b""
        self.pending += data
        self.count(data)
        return bool(data)

    def wait(self):
        """Until something comes, that is left unread; Gone when nothing does."""
        if self.pending:
            return
        if isinstance(self.connection, ssl.SSLSocket):
            some = self.receive()
        else:
            some = self.connection.recv(1, socket.MSG_PEEK)
        if not some:
            raise Gone

    def read(self, size):
        """So many bytes; Gone when there are no more."""
        while len(self.pending) < size:
            if not self.receive():
                raise Gone
        data, self.pending = self.pending[:size], self.pending[size:]
        return data

    def read_request(self):
        """The next head; None at the end."""
        while b"\r\n\r\n" not in self.pending:
            if not self.receive():
                return None
        head, self.pending = self.pending.split(b"\r\n\r\n", 1)
        return head

    def drain(self):
        while self.receive():
            pass

    # --- what goes ---

    def send(self, data):
        try:
            self.connection.sendall(data)
        except OSError as error:
            raise Gone from error

    def fin(self):
        """The end of what is sent, without TLS's own; then all that still comes is counted."""
        with socket.socket(fileno=os.dup(self.connection.fileno())) as raw:
            try:
                raw.shutdown(socket.SHUT_WR)
            except OSError:
                pass
        self.drain()
        raise Gone

    def rst(self):
        if select.select([self.connection], [], [], 0)[0]:
            self.receive()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        raise Gone

    def end(self, how):
        {"fin": self.fin, "rst": self.rst}[how]()


class Hostile(RawUpstream):
    peer = Peer

    def __init__(self, play, context=None, host="127.0.0.1"):
        super().__init__(play, context, host)
        self.billable = collections.Counter()
        self.heads = []

    def count(self, question, head=b""):
        with self.lock:
            self.billable[question] += 1
            self.heads.append(head)

    def converse(self, connection, number):
        connection.settimeout(DRAIN_TIMEOUT)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer = self.peer(self, connection, number)
        try:
            self.play(peer)
        except Gone:
            pass


class Script:
    """Hands out positions, one for each request that is to be cut; then everything is answered."""

    def __init__(self, positions, lock):
        self.left, self.lock = list(reversed(positions)), lock
        self.of = {}  # the position that a question met

    def take(self):
        with self.lock:
            return self.left.pop() if self.left else None

    def note(self, question, position):
        with self.lock:
            self.of[question] = position


def ask_all(server, persons, threads=32):
    """The replies to all, asked by so many at a time; by question."""
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        replies = pool.map(server.ask, persons)
        return {key_of(person): reply for person, reply in zip(persons, replies)}


# --- HTTP/2 ---


class Peer2(Peer):
    """Speaks HTTP/2, from the first byte on."""

    def __init__(self, upstream, connection, number):
        super().__init__(upstream, connection, number)
        config = h2.config.H2Configuration(client_side=False)
        self.h2 = h2.connection.H2Connection(config)
        self.asked = collections.deque()  # stream and question of each complete request
        self.questions = {}
        self.others = []

    def begin(self):
        self.h2.initiate_connection()
        self.flush()

    def count(self, data):
        if not data:
            return
        try:
            events = self.h2.receive_data(data)
        except h2.exceptions.ProtocolError as error:
            raise Gone from error  # it said itself that this is the end
        for event in events:
            if isinstance(event, h2.events.RequestReceived):
                target = dict(event.headers)[b":path"].decode()
                self.questions[event.stream_id] = question_of(target)
            if isinstance(event, h2.events.StreamEnded):
                question = self.questions[event.stream_id]
                self.requests += 1
                self.last = question
                self.asked.append((event.stream_id, question))
                self.upstream.count(question)

    def next_request(self):
        """Stream and question of the next one; None at the end."""
        while not self.asked:
            if not self.receive():
                return None
            self.flush()
        return self.asked.popleft()

    def read_until_asked(self, size):
        """So many bytes, or fewer where the request ends before."""
        while len(self.pending) < size and not self.asked:
            if not self.receive():
                raise Gone

    def flush(self):
        self.send(self.h2.data_to_send())

    def frames(self, stream, body=None, status="200"):
        """A reply's frames, each in bytes."""
        body = answer() if body is None else body
        self.h2.send_headers(stream, [(":status", status), ("content-type", "application/json")])
        frames = [self.h2.data_to_send()]
        for at, last in ((0, False), (len(body) // 2, True)):
            piece = body[at:] if last else body[:len(body) // 2]
            self.h2.send_data(stream, piece, end_stream=last)
            frames.append(self.h2.data_to_send())
        return frames


class Hostile2(Hostile):
    peer = Peer2


# sanyao speaks HTTP/1.1 only. What its guard does when libcurl speaks HTTP/2 is seen by telling libcurl so.
SPEAK_HTTP_2 = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdarg.h>
#include <stdlib.h>

int curl_easy_setopt(void *easy, int option, ...)
{
    static int (*next)(void *, int, ...);
    va_list rest;
    va_start(rest, option);
    void *value = va_arg(rest, void *);
    va_end(rest);
    if (next == NULL)
        *(void **)&next = dlsym(RTLD_NEXT, "curl_easy_setopt");
    if (option == 84) /* CURLOPT_HTTP_VERSION */
        value = (void *)atol(getenv("SPEAK_HTTP"));
    return next(easy, option, value);
}
"""


def build_preload(place):
    source = os.path.join(place, "http2.c")
    library = os.path.join(place, "http2.so")
    with open(source, "w", encoding="utf-8") as file:
        file.write(textwrap.dedent(SPEAK_HTTP_2))
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    return library


# --- encodings ---


def gzip(body, level=9):
    packer = zlib.compressobj(level, zlib.DEFLATED, 31)
    return packer.compress(body) + packer.flush()


def deflate(body):
    return zlib.compress(body)


def raw_deflate(body):
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(body) + packer.flush()


def brotli(body):
    """By the library that libcurl decodes with."""
    library = ctypes.CDLL("libbrotlienc.so.1")
    size = ctypes.c_size_t(len(body) + 1024)
    out = ctypes.create_string_buffer(size.value)
    done = library.BrotliEncoderCompress(
        5, 22, 0, ctypes.c_size_t(len(body)), body, ctypes.byref(size), out
    )
    assert done == 1
    return out.raw[:size.value]
