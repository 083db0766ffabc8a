"""How cost grows: with the clients that are registered, and with the replicas on one Redis."""

import contextlib
import functools
import itertools
import secrets

import asking
from load import PEOPLE, SEED, Load, interleave, questions
from people import People
from report import table
from section_misses import MOST_A_SECOND, PACKAGE_CALLS, SELLER
from servers import Origin, Redis, Sanyao, Seller

TITLE = "How cost grows"
CLIENTS = (1, 10, 100, 1000)
REPLICAS = (1, 2, 4, 8)
CONNECTIONS = 64
NO_MEMORY = {"CACHE_MEMORY_ENTRIES": "0"}
US = 1e6
BUSY = 0.7  # of Redis's one thread, what is planned for

# bench/results-store.md: an answer, its number's window and its row.
ANSWER_BYTES, WINDOW_BYTES, ROW_BYTES = 192, 161, 203


# --- clients ---


def resident_mb(process):
    with open(f"/proc/{process.pid}/status", encoding="utf-8") as file:
        return next(int(line.split()[1]) / 1024 for line in file if line.startswith("VmRSS"))


def measure_clients(bench, sandbox, count, people):
    """(sample, MB) where so many clients are registered, and ask by turns."""
    with Sanyao(bench, upstream_url=sandbox.url) as sanyao:
        keys = [sanyao.key] + [
            asking.told(sanyao, "client", "add", f"c{index}", "--name", "Bench")["key"]
            for index in range(1, count)
        ]
        asked = [questions([person], key)[0] for person, key in zip(people, itertools.cycle(keys))]
        load = Load(bench, asked)
        load.warm(sanyao)
        runs = {"hits": functools.partial(load.run, sanyao, CONNECTIONS)}
        return interleave(bench.rounds, runs)["hits"], resident_mb(sanyao.process)


def clients_told(bench, people):
    rows = []
    for count in CLIENTS:
        with Seller(bench, "--number-limit", 0) as sandbox:
            sample, megabytes = measure_clients(bench, sandbox, count, people)
        rows.append((f"{count}", f"{sample.rate:.0f}", f"{US / sample.per_cpu_s:.1f}",
                     f"{sample.p99_us:.0f}", f"{megabytes:.1f}"))
    title = f"Memory hits for so many registered clients, who ask by turns, {CONNECTIONS} connections:"
    return [title, "", *table(
        ("clients", "requests/s", "CPU µs a request", "p99 µs", "RSS MB"), rows
    ), ""]


# --- replicas ---


class Replica(Sanyao):
    """One of several on a Redis, at which somebody else has registered the client."""

    def start(self):
        super(Sanyao, self).start()
        self.wait_until_ready()
        return self


class Fleet:
    """So many of them, as one server: the load's threads ask one each."""

    def __init__(self, bench, redis, upstream_url, count, **settings):
        settings |= {"HASH_KEY": secrets.token_hex(32), "redis": redis, "upstream_url": upstream_url}
        self.name = f"{count}"
        kinds = [Sanyao] + [Replica] * (count - 1)
        self.servers = [kind(bench, f"replica-{i}", **settings) for i, kind in enumerate(kinds)]
        self.stack = contextlib.ExitStack()

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            for server in self.servers:
                stack.enter_context(server)
            self.stack = stack.pop_all()
        return self

    def __exit__(self, *error):
        return self.stack.__exit__(*error)

    @property
    def port(self):
        return self.servers[0].port

    @property
    def ports(self):
        return [server.port for server in self.servers]

    @property
    def key(self):
        return self.servers[0].key

    def cpu_s(self):
        return sum(server.cpu_s() for server in self.servers)

    def is_hit(self, reply):
        return self.servers[0].is_hit(reply)


def redis_cpu_s(redis):
    told = redis.info("cpu")
    return float(told["used_cpu_user"]) + float(told["used_cpu_sys"])


def watched(redis, run):
    """(sample, µs of Redis's processor time for each request) of one run."""
    before = redis_cpu_s(redis)
    sample = run()
    return sample, (redis_cpu_s(redis) - before) * US / sample.requests


def row_of(count, kind, sample, redis_us):
    return (f"{count}, {kind}", f"{sample.rate:.0f}", f"{US / sample.per_cpu_s:.0f}", f"{redis_us:.1f}",
            f"{sample.p99_us:.0f}")


def measure_hits(bench, count, people):
    with (
        Seller(bench, "--number-limit", 0) as sandbox,
        Redis(bench) as redis,
        Fleet(bench, redis, sandbox.url, count, **NO_MEMORY) as fleet,
    ):
        load = Load(bench, questions(people, fleet.key))
        load.warm(fleet)
        return watched(redis, functools.partial(load.run, fleet, CONNECTIONS))


def measure_misses(bench, count, people):
    with (
        Redis(bench) as redis,
        Origin(bench, SELLER, "seller") as seller,
        Fleet(bench, redis, f"http://127.0.0.1:{seller.port}/carrieroperator", count) as fleet,
    ):
        fleet.servers[0].buy(PACKAGE_CALLS)
        load = Load(bench, questions(people.some(MOST_A_SECOND * bench.seconds), fleet.key))
        return watched(redis, functools.partial(load.run, fleet, CONNECTIONS))


def replicas_told(bench, people):
    """Lines, and µs of Redis for a hit and for a miss with the most replicas."""
    rows, hit_us, miss_us = [], 0, 0
    some = people.some(PEOPLE)
    for count in REPLICAS:
        sample, hit_us = measure_hits(bench, count, some)
        rows.append(row_of(count, "stored hits", sample, hit_us))
        sample, miss_us = measure_misses(bench, count, people)
        rows.append(row_of(count, "misses", sample, miss_us))
    title = (
        f"Replicas on one Redis, all on one core, Redis and the load on the other, {CONNECTIONS} connections."
        " What is shared is Redis, so what counts is its time for each request:"
    )
    return [title, "", *table(
        ("replicas", "requests/s", "CPU µs a request", "Redis's CPU µs a request", "p99 µs"), rows
    ), ""], hit_us, miss_us


# --- on paper ---


def paper(hit_us, miss_us):
    hits, misses = BUSY * US / hit_us, BUSY * US / miss_us
    year = 365 * 86400
    per_answer = ANSWER_BYTES + ROW_BYTES
    return [
        f"On paper, from {REPLICAS[-1]} replicas' figures and {BUSY:.0%} of Redis's one thread:", "",
        f"- One Redis carries about {hits:.0f} stored hits a second (what is in a replica's memory does not"
        f" reach it), or {misses:.0f} misses. At 10 million calls a year, {1e7 / year:.1f} a second on"
        f" average, misses keep it busy for {1e7 * miss_us / US / year:.3%} of the time.",
        f"- Memory: {ANSWER_BYTES} bytes an answer and {ROW_BYTES} a row of the ledger, so 10 million of both are"
        f" {1e7 * per_answer / 2**30:.1f} GiB, and a window of {WINDOW_BYTES} bytes for each number of the last"
        " day besides.",
        "- Two Redises with Sentinel hold no more than one: the second has the same data and waits. They"
        " cost each write its replication, and a failover a few seconds without new calls.",
        "- A cluster of several masters is not supported (docs/operations.md). Answers, windows and leases"
        " would spread over it by number; packages, quotas and the ledger have one place, which the"
        " bookings of all replicas would still meet at, so misses would not grow with it.",
    ]


def measure(bench):
    people = People(SEED)
    lines = clients_told(bench, people.some(PEOPLE))
    told, hit_us, miss_us = replicas_told(bench, people)
    return lines + told + paper(hit_us, miss_us), []
