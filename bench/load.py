"""Questions for the benches, and wrk to ask them.

    requests = questions(People(seed=1).some(10000), key)
    load = Load(bench, requests)
    load.warm(server)            # every reply is a hit from here on, and was seen to be one
    sample = load.run(server, connections=64)
    sample.rate, sample.p99_us
"""

import concurrent.futures
import functools
import itertools
import json
import os
import statistics
import subprocess
import time
import typing
import urllib.parse

from harness import Connection
from servers import TICKS_A_SECOND, cores_busy_s

PEOPLE = 10000
SEED = 20261128
WARMING_CONNECTIONS = 32
MOST_ERRORS_SHOWN = 3
FULL = 0.93  # so busy is a core that could not do more
HEADINGS = (
    "server", "connections", "requests/s", "p50 µs", "p99 µs", "its CPU", "load's CPU",
    "requests/CPU s", "sanyao to it",
)

numbers = itertools.count(1)


class Sample(typing.NamedTuple):
    """What came of one run of load."""

    requests: float
    rate: float  # of requests a second
    p50_us: float
    p99_us: float
    busy: float  # seconds of processor time that the server took, for each second
    load_busy: float  # the share of the load's cores that was used, by whatever runs there
    per_cpu_s: float  # requests for each second of the server's processor time


# --- requests, as they go over the wire ---


def get_question(person, headers):
    query = urllib.parse.urlencode(person.question(), quote_via=urllib.parse.quote)
    return f"GET /verify?{query} HTTP/1.1\r\n{headers}\r\n".encode()


def post_question(person, headers):
    body = json.dumps(person.question(), ensure_ascii=False, separators=(",", ":")).encode()
    head = (
        f"POST /verify HTTP/1.1\r\n{headers}Content-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def questions(people, key, shapes=(get_question, post_question)):
    """One request for each of the people, in the shapes by turns."""
    headers = f"Host: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n"
    return [shape(person, headers) for person, shape in zip(people, itertools.cycle(shapes))]


# --- asking them ---


class Load:
    def __init__(self, bench, requests):
        self.bench, self.requests = bench, requests
        self.path = os.path.join(bench.directory, f"requests-{next(numbers)}")
        with open(self.path, "wb") as file:
            for request in requests:
                file.write(b"%d\n" % len(request) + request)

    def ask_some(self, port, requests):
        with Connection(port) as connection:
            replies = []
            for request in requests:
                method, target, _ = request.split(b" ", 2)
                connection.socket.sendall(request)
                replies.append(connection.read_unjudged(method.decode(), target.decode()))
        return replies

    def ask_all(self, port):
        """The replies, one for each request, in some order."""
        slices = [self.requests[at::WARMING_CONNECTIONS] for at in range(WARMING_CONNECTIONS)]
        with concurrent.futures.ThreadPoolExecutor(WARMING_CONNECTIONS) as pool:
            several = pool.map(lambda some: self.ask_some(port, some), slices)
            return [reply for replies in several for reply in replies]

    def check(self, server, replies, is_good):
        bad = [reply for reply in replies if reply.status != 200 or not is_good(reply)]
        if bad:
            shown = [(reply, reply.headers, reply.body) for reply in bad[:MOST_ERRORS_SHOWN]]
            raise SystemExit(f"bench: {server.name}: {len(bad)} bad replies, such as {shown}")

    def warm(self, server):
        """Asks everything twice: the first time to fill what keeps answers, the second time to see
        that it is full. One of the replies."""
        self.check(server, self.ask_all(server.port), lambda reply: True)
        replies = self.ask_all(server.port)
        self.check(server, replies, server.is_hit)
        return replies[0]

    def run(self, server, connections, cores=None):
        """As much as wrk and the server can do. A failed request spoils it all."""
        cores = cores or [self.bench.load_core]
        return self.watch(server, cores, [
            "wrk", f"-t{len(cores)}", f"-c{connections}", f"-d{self.bench.seconds}s",
            "--timeout", "10s", "--latency", "-s", "bench/cycle.lua",
            f"http://127.0.0.1:{server.port}/", "--", self.path,
        ])

    def run_steadily(self, server, connections, rate):
        """So many requests a second, whatever the server does (steady.c)."""
        return self.watch(server, [self.bench.load_core], [
            "build/release/bench/steady", server.port, self.path, connections, rate, self.bench.seconds,
        ])

    def watch(self, server, cores, command):
        cpu_before, busy_before, begin = server.cpu_s(), cores_busy_s(cores), time.monotonic()
        told = self.told(["taskset", "-c", ",".join(cores), *map(str, command)])
        cpu_s, busy_s = server.cpu_s() - cpu_before, cores_busy_s(cores) - busy_before
        load_busy = busy_s / (time.monotonic() - begin) / len(cores)
        if told["errors"]:
            raise SystemExit(f"bench: {server.name}: {told['errors']} failed requests")
        requests, seconds = told["requests"], told["seconds"]
        return Sample(
            requests, requests / seconds, told["p50_us"], told["p99_us"], cpu_s / seconds,
            load_busy, requests / max(cpu_s, 1 / TICKS_A_SECOND),
        )

    def told(self, command):
        timeout = self.bench.seconds + 60
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
        if done.returncode != 0:
            raise SystemExit(f"bench: {' '.join(command)}: {done.stdout}{done.stderr}")
        return json.loads(done.stdout.splitlines()[-1])


def interleave(rounds, runs):
    """Calls each of {name: function} in turn, so many rounds, so that what else the machine does meets
    all alike. {name: sample of the medians}."""
    samples = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            samples[name].append(run())
    return {name: median(several) for name, several in samples.items()}


def median(samples):
    return type(samples[0])(*(statistics.median(values) for values in zip(*samples)))


# --- comparing ---


def is_limited_by_load(sample):
    return sample.load_busy > FULL and sample.busy < FULL


def ratio(one, other):
    """By the clock; where the load's core was the limit for both, by the server's processor time; and where
    it was for one of them, by the lesser of the two, for then the clock flatters the slower."""
    by_clock, by_cpu = one.rate / other.rate, one.per_cpu_s / other.per_cpu_s
    limited = is_limited_by_load(one) + is_limited_by_load(other)
    return (by_clock, min(by_clock, by_cpu), by_cpu)[limited]


def rows_of(connections, medians, own):
    """Of a table with HEADINGS."""
    return [
        (name, connections, f"{sample.rate:.0f}", f"{sample.p50_us:.0f}", f"{sample.p99_us:.0f}",
         f"{sample.busy:.2f}", f"{sample.load_busy:.2f}", f"{sample.per_cpu_s:.0f}",
         f"{ratio(own, sample):.2f}")
        for name, sample in medians.items()
    ]


def compare(bench, servers, load, connections):
    """Medians of interleaved runs: {name: sample}."""
    return interleave(bench.rounds, {
        server.name: functools.partial(load.run, server, connections) for server in servers
    })
