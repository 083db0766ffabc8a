"""Real Redis servers for the system tests, a client for them, and what the shared store keeps there.

    with RedisServer(directory) as redis:
        redis.command("SET", "a", "b")
        redis.kill()   # as if the machine went; start() brings back what was on its disk
        redis.freeze() # it is there and says nothing, until thaw()

SANYAO_TEST_REDIS names another program, such as valkey-server. Standard library only. A RedisServer may
be used from several threads; a RedisClient may not.
"""

import base64
import hashlib
import hmac
import itertools
import os
import random
import shutil
import signal
import socket
import subprocess
import threading

from sandbox_control import wait_until

PROGRAM = os.environ.get("SANYAO_TEST_REDIS") or "redis-server"
START_TIMEOUT = 20
REPLY_TIMEOUT = 10
# Below the kernel's own choices, so that nobody is given the port of a server that is down.
PORTS = range(20000, 32000)

# Longer than anything that ends by itself is kept: 30 days of an answer, 7 more of a stale one, and a day
# of slack.
LONGEST_LIFE_MS = 38 * 24 * 3600 * 1000

LEDGER = "{ledger}"
STATES = {"R": "reserved", "U": "unknown", "s": "settled", "r": "released", "u": "unknown"}
OUTCOMES = ("settled_at_ms", "billed", "http_status", "status", "latency_ms", "trace_id")
NUMBERS = ("settled_at_ms", "http_status", "latency_ms")


class RedisError(Exception):
    """The server answered with an error; str() is what it said."""


class RedisGone(Exception):
    """No answer: refused, closed or too late."""


class RedisClient:
    """One connection, RESP2. Replies are None, int, list, or bytes; errors are raised."""

    def __init__(self, port, password=None, user=None, timeout=REPLY_TIMEOUT):
        try:
            self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        except OSError as error:
            raise RedisGone(str(error)) from None
        self.file = self.socket.makefile("rb")
        if password is not None:
            try:
                self.command("AUTH", *([user] if user else []), password)
            except BaseException:
                self.close()
                raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.file.close()
        self.socket.close()

    def command(self, *arguments):
        self.send(*arguments)
        return self.read()

    def send(self, *arguments):
        parts = [a if isinstance(a, bytes) else str(a).encode() for a in arguments]
        data = b"*%d\r\n" % len(parts)
        data += b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)
        try:
            self.socket.sendall(data)
        except OSError as error:
            raise RedisGone(str(error)) from None

    def read(self):
        try:
            reply = self.read_one()
        except OSError as error:
            raise RedisGone(str(error)) from None
        if isinstance(reply, RedisError):
            raise reply
        return reply

    def read_one(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise RedisGone("closed")
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest
        if kind == b"-":
            return RedisError(rest.decode("utf-8", "replace"))
        if kind == b":":
            return int(rest)
        size = int(rest)
        if size < 0:
            return None
        if kind == b"$":
            return self.file.read(size + 2)[:-2]
        return [self.read_one() for _ in range(size)]


def free_port():
    chance = random.SystemRandom()
    while True:
        port = chance.choice(PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


class RedisServer:
    """One server with a port, a Unix socket and a directory of its own. It keeps everything it was told
    (append-only file, synced always), unless `options` say otherwise; they are names and values as in
    its settings file, with underscores for hyphens."""

    numbers = itertools.count(1)

    def __init__(self, directory, password=None, user=None, **options):
        self.directory = str(directory)
        self.port = free_port()
        self.unix_path = f"/tmp/sanyao-redis-{os.getpid()}-{next(RedisServer.numbers)}.sock"
        self.password, self.user = password, user
        self.options = {
            "port": self.port,
            "bind": "127.0.0.1",
            "unixsocket": self.unix_path,
            "appendonly": "yes",
            "appendfsync": "always",
            "save": "",
            "repl_diskless_sync_delay": 0,
            **options,
        }
        if password is not None and user is None:
            self.options["requirepass"] = password
        self.process = None
        self.frozen = False
        self.lock = threading.Lock()
        self.client = None

    # --- the process ---

    def start(self, wait=True):
        """Starts it on what its directory holds. Without `wait` it may still be loading."""
        os.makedirs(self.directory, exist_ok=True)
        lines = [
            " ".join((name.replace("_", "-"), str(value) or '""'))
            for name, value in self.options.items()
        ]
        if self.user is not None:
            lines += ["user default off", f"user {self.user} on >{self.password} ~* &* +@all"]
        self.run(["-"], "\n".join(lines) + "\n")
        if wait:
            wait_until(self.answers, START_TIMEOUT, "the start of Redis")
        return self

    def run(self, words, settings=""):
        """The settings go in by its standard input: a password in them stays off the disk."""
        with open(os.path.join(self.directory, "redis.log"), "ab") as log:
            self.process = subprocess.Popen(
                [PROGRAM, *words], stdin=subprocess.PIPE, stdout=log, stderr=log,
                cwd=self.directory,
            )
        with self.process.stdin as stdin:
            stdin.write(settings.encode())
        self.frozen = False

    def answers(self):
        if self.process.poll() is not None:
            raise AssertionError(f"Redis ended; see {self.directory}/redis.log")
        return self.is_answering()

    def is_answering(self):
        try:
            return self.command("PING") == b"PONG"
        except (RedisGone, RedisError):
            return False

    def stop(self):
        """Ends it in order: everything is written."""
        if self.process is None:
            if os.path.exists(self.unix_path):  # left by a kill
                os.unlink(self.unix_path)
            return
        self.thaw()
        self.forget_client()
        self.process.terminate()
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def kill(self):
        self.forget_client()
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)
        self.frozen = True

    def thaw(self):
        if self.process is not None and self.frozen:
            self.process.send_signal(signal.SIGCONT)
            self.frozen = False

    def empty(self):
        """Throws away what is on its disk; it must not be running."""
        assert self.process is None
        for name in ("appendonlydir", "appendonly.aof", "dump.rdb"):
            path = os.path.join(self.directory, name)
            if os.path.isdir(path):
                shutil.rmtree(path)
            elif os.path.exists(path):
                os.unlink(path)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    # --- addresses ---

    @property
    def login(self):
        return f"{self.user or ''}:{self.password}@" if self.password is not None else ""

    @property
    def url(self):
        return f"redis://{self.login}127.0.0.1:{self.port}/0"

    @property
    def unix_url(self):
        return "redis+unix:" + self.unix_path

    # --- commands ---

    def connect(self, timeout=REPLY_TIMEOUT):
        return RedisClient(self.port, self.password, self.user, timeout)

    def command(self, *arguments):
        """On one connection, which is made anew when it was lost."""
        with self.lock:
            for last in (False, True):
                fresh = self.client is None
                try:
                    if fresh:
                        self.client = self.connect()
                    return self.client.command(*arguments)
                except RedisGone:
                    self.drop_client()
                    if last or fresh:
                        raise

    def forget_client(self):
        with self.lock:
            self.drop_client()

    def drop_client(self):
        if self.client is not None:
            self.client.close()
            self.client = None

    def set(self, name, value):
        self.command("CONFIG", "SET", name, value)

    def info(self, section):
        lines = self.command("INFO", section).decode().splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)

    def prepare_loading(self):
        """Fills it with what start_loading() lets it read, which may make it stand still for a moment."""
        for index in range(1500):
            self.command("SET", f"filling:{index}", os.urandom(2000), "EX", 3600)
        self.command("BGREWRITEAOF")
        wait_until(lambda: self.info("persistence")["aof_rewrite_in_progress"] == "0", 20, "a base")

    def start_loading(self):
        """Starts it anew, to read its keys at 20 ms each, so that it says LOADING for half a minute;
        end_loading() makes it fast."""
        self.stop()
        self.options.update(key_load_delay=20000, loading_process_events_interval_bytes=1024)
        self.start(wait=False)
        wait_until(self.is_loading, START_TIMEOUT, "the loading")

    def is_loading(self):
        try:
            self.command("PING")
        except RedisGone:
            return False
        except RedisError as error:
            return str(error).startswith("LOADING")
        raise AssertionError("Redis loaded too fast")

    def end_loading(self):
        del self.options["key_load_delay"]
        self.set("key-load-delay", 0)
        wait_until(self.answers, START_TIMEOUT, "the end of loading")

    def cut_connections(self):
        """Closes the connections of everybody but ours; returns how many there were."""
        return sum(
            self.command("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")
            for kind in ("normal", "pubsub")
        )

    # --- what is kept ---

    def keys(self):
        keys, cursor = [], b"0"
        while True:
            cursor, found = self.command("SCAN", cursor, "COUNT", 1000)
            keys += found
            if cursor == b"0":
                return sorted(set(keys))

    def ledger_rows(self):
        """All rows in the order of their ids, in the shape of the embedded store's; `letter` besides."""
        rows = []
        for key in self.keys():
            if key.startswith((LEDGER + "rows:").encode()):
                flat = self.command("HGETALL", key)
                rows += [parse_row(i, text) for i, text in zip(flat[::2], flat[1::2])]
        return sorted(rows, key=lambda row: row["id"])

    def totals(self):
        flat = self.command("HGETALL", LEDGER + "totals")
        totals = {name.decode(): int(value) for name, value in zip(flat[::2], flat[1::2])}
        return {name: value for name, value in totals.items() if value != 0}

    def counters(self, name):
        """Of {ledger}NAME, or of a whole key: {"client": number}."""
        key = name if name.startswith(LEDGER) else LEDGER + name
        flat = self.command("HGETALL", key)
        return {field.decode(): int(value) for field, value in zip(flat[::2], flat[1::2])}

    def ledger_keys(self, name):
        """The ledger's keys that begin so."""
        begin = (LEDGER + name).encode()
        return [key.decode() for key in self.keys() if key.startswith(begin)]

    def open_calls(self):
        return self.command("ZCARD", LEDGER + "open")

    def check_lifetimes(self, longest_ms=LONGEST_LIFE_MS):
        """Everything but money ends by itself, and not too late."""
        for key in self.keys():
            if key.startswith(LEDGER.encode()):
                continue
            left = self.command("PTTL", key)
            assert left == -2 or 0 <= left <= longest_ms, f"{key!r} lives for {left} ms"


def parse_row(identity, text):
    letter, reserved_at, number, client, credential, package, *outcome = text.decode().split("\t")
    assert len(identity) == 16 and letter in STATES and len(outcome) in (0, 6), "a strange row"
    row = {
        "id": identity, "letter": letter, "state": STATES[letter],
        "reserved_at_ms": int(reserved_at), "number": bytes.fromhex(number), "client": client,
        "credential": credential, "package": package or None, **dict.fromkeys(OUTCOMES),
    }
    row.update(zip(OUTCOMES, outcome))
    if outcome:
        row["billed"] = {"0": 0, "1": 1, "?": None}[row["billed"]]
        row.update((name, int(row[name])) for name in NUMBERS)
    return row


def totals_of(rows):
    """What the totals of these rows must be."""
    totals = {}
    for row in rows:
        totals[row["letter"]] = totals.get(row["letter"], 0) + 1
        if row["billed"] == 1:
            totals["billed"] = totals.get("billed", 0) + 1
    return totals


# --- names of what is kept ---


def digest(hash_key, domain, *fields):
    text = b"".join(field.encode() + b"\0" for field in (domain, *fields))
    return hmac.new(bytes.fromhex(hash_key), text, hashlib.sha256).digest()[:16]


def number_digest(hash_key, person):
    return digest(hash_key, "sanyao number 1", person.mobile)


def triple_digest(hash_key, person):
    return digest(hash_key, "sanyao triple 1", person.name, person.id_card, person.mobile)


def base64url(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def key_of(hash_key, person, kind="answer"):
    """The key of somebody's answer or lease, or of their number's window, closing or owner."""
    number = "{" + base64url(number_digest(hash_key, person)[:8]) + "}"
    triple = base64url(triple_digest(hash_key, person))
    return number + {
        "answer": triple, "lease": "l" + triple, "window": "w", "closed": "c", "owner": "o",
    }[kind]


# --- more than one ---


class Sentinel(RedisServer):
    """Watches one master under `name`, alone: its own word is enough to fail over."""

    def __init__(self, directory, master, name="sanyao", down_after_ms=500):
        super().__init__(directory)
        self.master, self.name, self.down_after_ms = master, name, down_after_ms

    def start(self, wait=True):
        os.makedirs(self.directory, exist_ok=True)
        path = os.path.join(self.directory, "sentinel.conf")
        lines = [
            f"port {self.port}", "bind 127.0.0.1", f"dir {self.directory}",
            f"sentinel monitor {self.name} 127.0.0.1 {self.master.port} 1",
            f"sentinel down-after-milliseconds {self.name} {self.down_after_ms}",
            f"sentinel failover-timeout {self.name} 3000",
        ]
        if self.master.password is not None:
            lines.append(f"sentinel auth-pass {self.name} {self.master.password}")
        with open(path, "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
        self.run([path, "--sentinel"])
        if wait:
            wait_until(self.answers, START_TIMEOUT, "the start of the sentinel")
        return self

    def master_port(self):
        address = self.command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self.name)
        return int(address[1]) if address else None

    def replicas(self):
        """How many it could promote."""
        return sum(
            b"s_down" not in (flags := dict(zip(one[::2], one[1::2]))[b"flags"])
            and b"disconnected" not in flags
            for one in self.command("SENTINEL", "REPLICAS", self.name)
        )


class SentinelGroup:
    """A master, its replica, and a sentinel that promotes the replica when the master is gone."""

    def __init__(self, directory, **options):
        def place(name):
            return os.path.join(str(directory), name)

        self.master = RedisServer(place("master"), **options)
        self.replica = RedisServer(
            place("replica"), replicaof=f"127.0.0.1 {self.master.port}", **options
        )
        self.sentinel = Sentinel(place("sentinel"), self.master)

    @property
    def url(self):
        return f"redis+sentinel://127.0.0.1:{self.sentinel.port}/{self.sentinel.name}"

    def __enter__(self):
        try:
            self.master.start()
            self.replica.start()
            wait_until(
                lambda: self.replica.info("replication")["master_link_status"] == "up", 20,
                "the replica's first copy",
            )
            self.sentinel.start()
            wait_until(lambda: self.sentinel.replicas() == 1, 20, "the sentinel's knowledge")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for server in (self.sentinel, self.replica, self.master):
            server.stop()

    def wait_for_copy(self):
        """Until the replica has all that the master has."""
        wait_until(
            lambda: self.master.info("replication")["master_repl_offset"]
            == self.replica.info("replication")["slave_repl_offset"], 10, "the replica's copy",
        )

    def wait_for_failover(self):
        wait_until(
            lambda: self.sentinel.master_port() == self.replica.port
            and self.replica.info("replication")["role"] == "master", 30, "the failover",
        )
