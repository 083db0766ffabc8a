"""An upstream that does exactly what a test tells it, byte by byte, which no HTTP library would do.

    def play(call):            # one call of one connection
        call.reply(answer())
    with RawUpstream(play) as upstream: ... Server(place, upstream.url)

`upstream.requests` holds the head of every request that was read, `upstream.bodies` its body (as bytes),
`upstream.connections` how many connections were accepted. With `context` (ssl.SSLContext) it speaks TLS.
"""

import json
import re
import socket
import ssl
import threading

PATH = "/carrieroperator"


def answer(status="01", **members):
    reply = {
        "status": status, "msg": "实名认证通过", "idCard": "51*****1111", "mobile": "18*****000",
        "mobileType": "联通", "name": "张*", "traceId": "20201208001535_9a45ph_5e392391", **members,
    }
    return json.dumps({key: value for key, value in reply.items() if value is not None},
                      ensure_ascii=False).encode()


class Call:
    def __init__(self, connection, head):
        self.connection, self.head = connection, head

    def send(self, data):
        self.connection.sendall(data)

    def reply(self, body, status="200 OK", headers=("Content-Type: application/json",)):
        head = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "", ""]
        self.send("\r\n".join(head).encode() + body)

    def hang_up(self):
        raise ConnectionAbortedError


class RawUpstream:
    def __init__(self, play, context=None, host="127.0.0.1"):
        self.play, self.context = play, context
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.host, self.port = host, self.socket.getsockname()[1]
        self.requests = []
        self.bodies = []
        self.places = []  # of each request: which connection, and its which request
        self.connections = 0
        self.received = 0  # bytes of requests, after TLS
        self.handshakes_failed = 0
        self.open = set()
        self.lock = threading.Lock()
        self.thread = threading.Thread(target=self.accept, daemon=True)

    @property
    def url(self):
        return f"{'https' if self.context else 'http'}://{self.host}:{self.port}{PATH}"

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        with self.lock:
            for connection in self.open:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            with self.lock:
                self.connections += 1
                number = self.connections
            threading.Thread(target=self.serve, args=(connection, number), daemon=True).start()

    def serve(self, connection, number):
        try:
            if self.context:
                connection = self.context.wrap_socket(connection, server_side=True)
        except (ssl.SSLError, OSError):
            self.handshakes_failed += 1
            return
        with self.lock:
            self.open.add(connection)
        try:
            self.converse(connection, number)
        except (OSError, ssl.SSLError):
            pass
        finally:
            with self.lock:
                self.open.discard(connection)
            connection.close()

    def converse(self, connection, number):
        pending = b""
        nth = 0
        while True:
            while b"\r\n\r\n" not in pending:
                data = connection.recv(65536)
                if not data:
                    return
                self.received += len(data)
                pending += data
            head, pending = pending.split(b"\r\n\r\n", 1)
            length = re.search(rb"(?im)^content-length: *(\d+)\r?$", head)
            size = int(length[1]) if length else 0
            while len(pending) < size:
                data = connection.recv(65536)
                if not data:
                    return
                self.received += len(data)
                pending += data
            body, pending = pending[:size], pending[size:]
            nth += 1
            with self.lock:
                self.requests.append(head.decode("latin-1"))
                self.bodies.append(body)
                self.places.append((number, nth))
            self.play(Call(connection, head.decode("latin-1")))
