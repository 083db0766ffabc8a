"""Starts and steers a sanyao-sandbox for a test.

    with Sandbox(bin_dir, "--package", "10") as sandbox:
        ... let something call sandbox.url ...
        assert sandbox.calls(mobile="13800000001") == 1

Standard library only. Every control call opens a connection of its own, so one Sandbox may be used
from several threads.
"""

import http.client
import json
import os
import signal
import ssl
import subprocess
import time
import urllib.parse

# The AppCode the sandbox accepts when it is started without --appcode.
APPCODE = "sandbox-appcode-0123456789abcdef"

READY = "sanyao-sandbox listening on "


class ControlError(Exception):
    """The sandbox refused a control call; str() is its message."""

    def __init__(self, http_status, message):
        super().__init__(f"{http_status}: {message}")
        self.http_status = http_status


def default_bin_dir():
    return os.environ.get("BIN_DIR", "build/release/bin")


def wait_until(condition, timeout=10.0, what="the condition"):
    """Returns the first true value of condition(); AssertionError after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come true within {timeout} s")
        time.sleep(0.01)


class Sandbox:
    """One sanyao-sandbox process on a free port of the loopback.

    bin_dir  where the program is (None: $BIN_DIR, or build/release/bin)
    args     its command line; `--listen 127.0.0.1:0` is added unless --listen is among them
    """

    def __init__(self, bin_dir=None, *args):
        self.program = os.path.join(str(bin_dir or default_bin_dir()), "sanyao-sandbox")
        self.args = [str(arg) for arg in args]
        self.process = None
        self.url = None
        self.host = None
        self.port = None
        self.tls = False

    def start(self):
        listen = [] if "--listen" in self.args else ["--listen", "127.0.0.1:0"]
        self.process = subprocess.Popen(
            [self.program, *listen, *self.args], stdout=subprocess.PIPE, text=True
        )
        line = self.process.stdout.readline()
        if not line.startswith(READY):
            self.process.wait(timeout=10)
            self.process.stdout.close()
            raise RuntimeError(f"sanyao-sandbox did not start: {line!r}")
        self.url = line[len(READY) :].strip()
        address = urllib.parse.urlsplit(self.url)
        self.host, self.port, self.tls = address.hostname, address.port, address.scheme == "https"
        return self

    def stop(self, timeout=15):
        """Ends the process with SIGTERM and returns its exit code."""
        if self.process is None:
            return None
        process, self.process = self.process, None
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            return process.wait(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError("sanyao-sandbox did not stop on SIGTERM")
        finally:
            process.stdout.close()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def connect(self, timeout=20):
        """A new http.client connection to the sandbox; a test's certificate is not verified."""
        if not self.tls:
            return http.client.HTTPConnection(self.host, self.port, timeout=timeout)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return http.client.HTTPSConnection(self.host, self.port, timeout=timeout, context=context)

    def control(self, method, path, members=None):
        """One control call; returns the decoded JSON reply, raises ControlError on a refusal."""
        body = None if members is None else json.dumps(members)
        connection = self.connect()
        try:
            connection.request(method, "/sandbox/" + path, body, {"Connection": "close"})
            reply = connection.getresponse()
            decoded = json.loads(reply.read())
        finally:
            connection.close()
        if reply.status != 200:
            raise ControlError(reply.status, decoded.get("error"))
        return decoded

    def stats(self):
        """Counters since the start or the last reset; docs/sandbox.md names them."""
        return self.control("GET", "stats")

    def calls(self, mobile=None, id_card=None, name=None):
        """How many calls were received for the question (every value given must be equal)."""
        question = {"mobile": mobile, "idCard": id_card, "name": name}
        query = urllib.parse.urlencode({k: v for k, v in question.items() if v is not None})
        return self.control("GET", "calls" + ("?" + query if query else ""))["count"]

    def log(self, limit=None):
        """The last calls, oldest first."""
        path = "log" if limit is None else f"log?limit={int(limit)}"
        return self.control("GET", path)["calls"]

    def behave(self, **behaviour):
        """Sets a behaviour; the members are those of POST /sandbox/behaviour."""
        return self.control("POST", "behaviour", behaviour)

    def settings(self, **settings):
        """Changes settings while running (package, numberLimit, rate, latencyMs, jitterMs)."""
        return self.control("POST", "settings", settings)

    def advance(self, seconds):
        """Moves the sandbox's clock forward."""
        return self.control("POST", "clock", {"advanceSeconds": seconds})

    def release(self):
        """Lets the calls that hang go on; returns how many there were."""
        return self.control("POST", "release")["released"]

    def reset(self, *only):
        """Back to the start: everything, or only some of behaviours, counters, numbers, packages,
        settings, clock."""
        return self.control("POST", "reset", {"only": list(only)} if only else None)

    def wait_for_calls(self, count, mobile=None, timeout=10.0):
        """Waits until at least `count` calls were received (for the number, if given)."""
        wait_until(
            lambda: self.calls(mobile=mobile) >= count, timeout, f"the arrival of {count} call(s)"
        )

    def wait_for_hanging(self, count, timeout=10.0):
        """Waits until at least `count` calls hang."""
        wait_until(
            lambda: self.stats()["hanging"] >= count, timeout, f"the hanging of {count} call(s)"
        )
