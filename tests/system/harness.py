"""Real `sanyao` processes for the system tests, and an HTTP client that hides nothing.

    with Server(directory, upstream_url=sandbox.url, CACHE_TTL_01="2s") as server:
        reply = server.ask(person)
        assert reply.json["result"] == "match"

Every reply that is read here goes through the contract (contract.py). Everybody who was asked about and
every secret is written into the run's list of needles, for which everything that the run left is
searched at its end (conftest.py).
"""

import collections
import itertools
import json
import os
import secrets
import select
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import threading
import urllib.parse

import contract
from sandbox_control import APPCODE, default_bin_dir, wait_until

START_TIMEOUT = 20
REPLY_TIMEOUT = 20
STOP_TIMEOUT = 20
BATCH = "/verify/batch"
SANITIZER_WORDS = ("Sanitizer", "runtime error:", "MHD_PANIC", "Assertion")


class Needlework:
    """Where this process writes down what must not be found at rest."""

    path = None  # set by conftest
    written = 0
    lock = threading.Lock()

    @classmethod
    def write(cls, member, value):
        if cls.path is None:
            return
        with cls.lock, open(cls.path, "a", encoding="utf-8") as file:
            file.write(json.dumps({member: value}) + "\n")


class Closed(Exception):
    """The server closed the connection without a (whole) reply."""


class Reply:
    def __init__(self, status, headers, body, closes):
        self.status, self.headers, self.body, self.closes = status, headers, body, closes
        self.json = None  # filled by the contract's check

    def __repr__(self):
        return f"<reply {self.status} {self.code or ''}>"

    @property
    def code(self):
        return self.json.get("code") if isinstance(self.json, dict) else None

    def header(self, name):
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        return values[0] if values else None

    @property
    def cache_status(self):
        return self.header("Cache-Status")


class Connection:
    """One connection, on which what is sent and what comes back is told byte by byte."""

    def __init__(self, port, listener="service", timeout=REPLY_TIMEOUT):
        self.listener = listener
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.pending = b""
        self.asked = collections.deque()  # (method, target) whose replies are still to come

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def reset(self):
        """Leaves with RST instead of FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.socket.close()

    def send(self, method, target, headers=(), body=None):
        lines = [f"{method} {target} HTTP/1.1", "Host: sanyao.test"]
        lines += [f"{key}: {value}" for key, value in headers]
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
        head = "\r\n".join(lines).encode("utf-8") + b"\r\n\r\n"
        self.send_raw(head + (body or b""), method, target)

    def send_raw(self, data, method, target):
        """`method` and `target` are what the reply will be judged by."""
        self.asked.append((method, target))
        self.socket.sendall(data)

    def read(self):
        """The next reply, judged by the contract."""
        method, target = self.asked.popleft()
        reply = self.read_unjudged(method, target)
        reply.json = contract.check(
            method, target, reply.status, reply.headers, reply.body, self.listener
        )
        return reply

    def request(self, method, target, headers=(), body=None):
        self.send(method, target, headers, body)
        return self.read()

    def more(self):
        try:
            data = self.socket.recv(65536)
        except ConnectionError:
            data = b""
        if not data:
            raise Closed("the connection was closed")
        self.pending += data

    def take_until(self, mark):
        while mark not in self.pending:
            self.more()
        taken, self.pending = self.pending.split(mark, 1)
        return taken

    def take(self, size):
        while len(self.pending) < size:
            self.more()
        taken, self.pending = self.pending[:size], self.pending[size:]
        return taken

    def read_unjudged(self, method="GET", target=None):
        head = self.take_until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        version, status, *_ = head[0].split(" ")
        assert version in ("HTTP/1.1", "HTTP/1.0") and len(status) == 3, "a strange status line"
        headers = []
        for line in head[1:]:
            key, colon, value = line.partition(":")
            assert colon and key == key.strip(), "a strange header line"
            headers.append((key, value.strip()))
        named = {key.lower(): value for key, value in headers}
        if status == "100":
            return self.read_unjudged(method, target)
        if status == "204":
            assert "content-length" not in named and "transfer-encoding" not in named
            body = b""
        elif "transfer-encoding" in named:
            streams = self.listener == "admin" or target == BATCH
            assert streams, "replies are sent whole, but for exports and batches"
            assert named["transfer-encoding"] == "chunked" and "content-length" not in named
            body = b"".join(self.chunks())
        else:
            assert "content-length" in named, "a reply without its length"
            body = b"" if method == "HEAD" else self.take(int(named["content-length"]))
        return Reply(int(status), headers, body, named.get("connection", "").lower() == "close")

    def chunks(self):
        """Of a reply's body, as they come; Closed when the last one does not."""
        while size := int(self.take_until(b"\r\n").split(b";")[0], 16):
            yield self.take(size)
            assert self.take(2) == b"\r\n"
        assert self.take_until(b"\r\n") == b"", "trailers"

    def is_closed(self, timeout=5):
        """Waits until the server closes; no byte may come before."""
        self.socket.settimeout(timeout)
        try:
            return self.pending == b"" and self.socket.recv(1) == b""
        except ConnectionError:
            return True
        except TimeoutError:
            return False


def clean_environment():
    """What the server gets of ours: no setting of it, no proxy."""
    kept = ("PATH", "LANG", "HOME", "TMPDIR", "LD_LIBRARY_PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS",
            "TSAN_OPTIONS", "LSAN_OPTIONS")
    return {key: os.environ[key] for key in kept if key in os.environ}


def read_database(path, query):
    """Rows of a SQLite file as dicts, from a copy, so that whoever has it open is not disturbed."""
    with tempfile.TemporaryDirectory() as copy:
        for suffix in ("", "-wal"):
            if os.path.exists(path + suffix):
                shutil.copy(path + suffix, os.path.join(copy, "copy.db" + suffix))
        database = sqlite3.connect(os.path.join(copy, "copy.db"))
        database.row_factory = sqlite3.Row
        try:
            return [dict(row) for row in database.execute(query)]
        finally:
            database.close()


class Server:
    """One `sanyao serve`. `settings` are environment names without SANYAO_; None leaves one out. With
    `redis`, that is its store. A failed call is told at once unless the settings say otherwise
    (test_retries)."""

    numbers = itertools.count(1)

    def __init__(self, directory, upstream_url=None, environment=None, redis=None, **settings):
        self.directory = str(directory)
        os.makedirs(self.directory, exist_ok=True)
        self.database = os.path.join(self.directory, "store.db")
        self.journal = os.path.join(self.directory, "journal.db")
        self.redis = redis
        if redis is not None:
            settings = {"STORE_URL": redis.url, "JOURNAL_PATH": self.journal, **settings}
        self.settings = {
            "LISTEN": "127.0.0.1:0",
            "ADMIN_LISTEN": "127.0.0.1:0",
            "WORKERS": "2",
            "AUTH": "off",
            "STORE_URL": "sqlite:" + self.database,
            "HASH_KEY": secrets.token_hex(32),
            "APPCODE": APPCODE,
            "ADMIN_TOKEN": secrets.token_urlsafe(32),
            "UPSTREAM_URL": upstream_url or "http://127.0.0.1:9/carrieroperator",
            "UPSTREAM_RETRIES": "0",
            "LOG_LEVEL": "debug",
            "LOG_FORMAT": "json",
            **settings,
        }
        self.extra_environment = environment or {}
        for name in ("HASH_KEY", "APPCODE", "ADMIN_TOKEN"):
            if self.settings[name]:
                Needlework.write("secret", self.settings[name])
        self.process = self.port = self.admin_port = self.log_path = None

    # --- the process ---

    def start(self):
        number = next(Server.numbers)
        self.log_path = os.path.join(self.directory, f"log-{number}.jsonl")
        self.stderr_path = os.path.join(self.directory, f"stderr-{number}.txt")
        environment = {**clean_environment(), **self.extra_environment}
        environment.update(
            ("SANYAO_" + key, str(value)) for key, value in self.settings.items()
            if value is not None
        )
        with self.open_output() as out, open(self.stderr_path, "wb") as err:
            self.process = subprocess.Popen(
                self.arguments(), stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                env=environment, cwd=self.directory,
            )
        try:
            self.find_ports()
        except AssertionError:
            self.kill()
            self.process = None
            raise
        if self.redis is None and self.admin_port is not None:
            wait_until(self.has_read, START_TIMEOUT, "the first reading of clients and packages")
        return self

    def arguments(self):
        return [os.path.join(default_bin_dir(), "sanyao"), "serve"]

    def open_output(self):
        """What its standard output is, for reading the log from `log_path`."""
        return open(self.log_path, "wb")

    def find_ports(self):
        """Waits until it is ready."""
        self.wait_for_event("ready", timeout=START_TIMEOUT)
        self.port = self.port_of("listening")
        if self.settings["ADMIN_LISTEN"]:
            self.admin_port = self.port_of("admin listening")

    def has_read(self):
        """Does it know its clients and packages? Until then it turns everybody away. Who starts a server on
        a shared store says whether that is there."""
        reply = self.admin("GET", "/readyz")
        return "not been read yet" not in reply.json["checks"]["store"]

    def events(self, name=None):
        """The log's events so far (of that name)."""
        with open(self.log_path, encoding="utf-8") as file:
            lines = [json.loads(line) for line in file if line.endswith("\n")]
        return [line for line in lines if name is None or line["event"] == name]

    def wait_for_event(self, name, timeout=10, count=1):
        def arrived():
            events = self.events(name)
            if len(events) >= count:
                return events
            if self.process.poll() is not None and len(self.events(name)) < count:
                raise AssertionError(
                    f"sanyao ended with {self.process.returncode} before “{name}”; see "
                    f"{self.log_path} and {self.stderr_path}"
                )
            return None

        return wait_until(arrived, timeout, f"the event “{name}”")

    def port_of(self, event):
        return int(self.events(event)[0]["address"].rsplit(":", 1)[1])

    def signal(self, number=signal.SIGTERM):
        self.process.send_signal(number)

    def wait(self, timeout=STOP_TIMEOUT):
        """Its exit code; nothing a sanitizer complains of may be in its words."""
        try:
            code = self.process.wait(timeout=timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"sanyao did not end within {timeout} s") from None
        with open(self.stderr_path, encoding="utf-8", errors="replace") as file:
            words = file.read()
        assert not any(word in words for word in SANITIZER_WORDS), f"see {self.stderr_path}"
        return code

    def stop(self):
        if self.process is None:
            return
        if self.process.poll() is None:
            self.save_metrics()
            self.signal()
        assert self.wait() == 0, f"sanyao failed; see {self.log_path} and {self.stderr_path}"
        self.process = None

    def kill(self):
        self.process.kill()
        self.process.wait()

    def is_ready(self):
        """Is it up and says so?"""
        try:
            return self.process.poll() is None and self.request("GET", "/readyz").status == 200
        except (OSError, Closed):
            return False

    def wait_until_ready(self, timeout=20):
        wait_until(self.is_ready, timeout, "readiness")

    def save_metrics(self):
        """Metrics are left at rest by whoever scrapes them."""
        if self.admin_port is None:
            return
        try:
            reply = self.admin("GET", "/metrics")
        except (OSError, Closed):
            return
        with open(os.path.join(self.directory, "metrics.txt"), "ab") as file:
            file.write(reply.body)

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, *_):
        if kind is None:
            self.stop()
        elif self.process is not None and self.process.poll() is None:
            self.kill()

    # --- asking ---

    def connect(self, timeout=REPLY_TIMEOUT):
        return Connection(self.port, timeout=timeout)

    def request(self, method, target, headers=(), body=None, timeout=REPLY_TIMEOUT):
        with self.connect(timeout) as connection:
            return connection.request(method, target, headers, body)

    def admin(self, method, target, headers=()):
        with Connection(self.admin_port, "admin") as connection:
            return connection.request(method, target, headers)

    def bearer(self):
        """The headers of one who has the admin token."""
        return [("Authorization", "Bearer " + self.settings["ADMIN_TOKEN"])]

    def ledger(self, **parameters):
        """GET /admin/v1/ledger with the token; `since` stands for `from`."""
        if "since" in parameters:
            parameters["from"] = parameters.pop("since")
        query = urllib.parse.urlencode(parameters)
        return self.admin("GET", "/admin/v1/ledger" + ("?" + query if query else ""), self.bearer())

    def ask(self, person, cache_control=None, prefer=None, headers=(), timeout=REPLY_TIMEOUT):
        """POST /verify."""
        with self.connect(timeout) as connection:
            send_question(connection, person, cache_control, prefer, headers)
            return read_answer(connection, person)

    def get(self, person, path="/verify", headers=(), more=""):
        """GET /verify or /carrieroperator."""
        note(person)
        return self.request("GET", path + "?" + query_of(person) + more, headers)

    # --- the books ---

    def rows(self, query="SELECT * FROM ledger ORDER BY id"):
        """Rows of the store as dicts. Of a shared store, the ledger's rows only (redis_server.py)."""
        if self.redis is not None:
            return self.redis.ledger_rows()
        return read_database(self.database, query)

    def states(self):
        """How many ledger rows stand in which state."""
        return dict(collections.Counter(row["state"] for row in self.rows()))

    def wait_for_states(self, **states):
        wait_until(lambda: self.states() == states, 20, f"the rows {states}")


class Replicas:
    """Servers on one Redis, each with its own directory and journal, alike in everything else."""

    def __init__(self, directory, redis, upstream_url, count=3, **settings):
        settings.setdefault("HASH_KEY", secrets.token_hex(32))
        self.redis, self.hash_key = redis, settings["HASH_KEY"]
        self.servers = [
            Server(os.path.join(str(directory), f"replica-{index}"), upstream_url, redis=redis,
                   **settings)
            for index in range(count)
        ]

    def __iter__(self):
        return iter(self.servers)

    def __getitem__(self, index):
        return self.servers[index]

    def __len__(self):
        return len(self.servers)

    def start(self, wait=True):
        for server in self.servers:
            server.start()
        if wait:
            self.wait_until_ready()
        return self

    def wait_until_ready(self, timeout=20):
        for server in self.servers:
            server.wait_until_ready(timeout)

    def wait_for_ends(self, timeout=20):
        """Waits until every reservation has ended; the rows. One that was only given up (U) is one of
        which no journal knows: its replica was killed in between, and so certainly sent nothing."""
        def ended():
            rows = self.redis.ledger_rows()
            if self.redis.open_calls() or any(row["letter"] == "R" for row in rows):
                return None
            given_up = {row["id"] for row in rows if row["letter"] == "U"}
            return None if given_up & self.intended(given_up) else (rows, )

        return wait_until(ended, timeout, "the end of every reservation")[0]

    def intended(self, calls):
        """Those of the calls that a journal knows."""
        if not calls:
            return set()
        paths = [os.path.join(server.directory, "journal.db") for server in self.servers]
        return {
            row["id"] for path in paths for row in read_database(path, "SELECT id FROM calls")
        } & calls

    def stop(self):
        for server in self.servers:
            server.stop()

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, *_):
        for server in self.servers:
            server.__exit__(kind)

    def rows(self):
        return self.redis.ledger_rows()

    def states(self):
        return self.servers[0].states()

    def wait_for_states(self, **states):
        self.servers[0].wait_for_states(**states)

    def ask_everywhere(self, person, *wishes):
        """The replies of all replicas, one after the other."""
        return [server.ask(person, *wishes) for server in self.servers]


def has_reply(connection):
    """Is there something to read? Does not wait."""
    return bool(select.select([connection.socket], [], [], 0)[0])


def note(person):
    Needlework.write("person", person.question())


def query_of(person):
    return urllib.parse.urlencode(person.question(), quote_via=urllib.parse.quote)


def send_question(connection, person, cache_control=None, prefer=None, headers=()):
    note(person)
    headers = [("Content-Type", "application/json"), *headers]
    if cache_control is not None:
        headers.append(("Cache-Control", cache_control))
    if prefer is not None:
        headers.append(("Prefer", prefer))
    body = json.dumps(person.question(), ensure_ascii=False).encode()
    connection.send("POST", "/verify", headers, body)


def read_answer(connection, person):
    """The reply to a question about a person in canonical form, whose echoes must be theirs."""
    reply = connection.read()
    if reply.status == 200 and reply.json["source"] != "local":
        for member, masked in person.masked().items():
            assert reply.json[member] == masked, f"the echo of {member} is another one's"
    return reply


def together(count, work):
    """Runs work(0) … work(count - 1) on as many threads, all begun at one moment; their results."""
    results = [None] * count
    barrier = threading.Barrier(count)

    def run(index):
        barrier.wait(timeout=30)
        try:
            results[index] = work(index)
        except BaseException as error:  # handed to the test's own thread
            results[index] = error

    threads = [threading.Thread(target=run, args=(index,)) for index in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results


def wait_until_read(server):
    """Waits until the server has read everything that was sent to it, also what it has yet to accept."""
    port = f":{server.port:04X}"

    def unread():
        with open("/proc/net/tcp", encoding="ascii") as table:
            lines = [line.split() for line in table][1:]
        return sum(
            int(line[4].split(":")[1], 16) for line in lines
            if line[1].endswith(port) and line[3] in ("01", "08")
        )

    wait_until(lambda: unread() == 0, 20, "the reading of what was sent")
