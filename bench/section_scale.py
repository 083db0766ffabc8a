"""What the size of a SQLite store does to the start and to hits, the memory cache off."""

import functools
import os
import statistics
import threading
import time

import crowd
from harness import Closed, Connection, Server
from load import HEADINGS, Load, interleave, questions, rows_of
from report import Row, table
from servers import Sanyao, free_port

TITLE = "Large stores"
SIZES = {"10 thousand": 10_000, "1 million": 1_000_000, "10 million": 10_000_000}
STARTED = "1 million"  # with as many rows of the ledger
STARTS = 7
START_MOST_MS = 100
ASKED = 100_000
CONNECTIONS = 64
RATE = 10_000  # less than half of what any of them can do
P50_MOST = 1.5
CHECKED = 500
PAUSE_S = 0.0005
GIVE_UP_S = 60


def settings_of(path):
    return {"STORE_URL": "sqlite:" + path, "HASH_KEY": None, "CACHE_MEMORY_ENTRIES": "0"}


# --- starting ---


def forget_pages(path):
    """The kernel keeps none of the file in memory, as after a boot."""
    with open(path, "rb") as file:
        os.fdatasync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def is_ready(port):
    try:
        with Connection(port) as connection:
            connection.send("GET", "/readyz")
            return connection.read_unjudged().status == 200
    except (OSError, Closed):
        return False


def note_ready(port, moments):
    end = time.monotonic() + GIVE_UP_S
    while not is_ready(port):
        if time.monotonic() > end:
            return
        time.sleep(PAUSE_S)
    moments.append(time.monotonic())


def start_ms(directory, path):
    """From before the process is made to the first 200 of /readyz."""
    port, moments = free_port(), []
    server = Server(
        directory, LISTEN=f"127.0.0.1:{port}", AUTH="keys", WORKERS="1", LOG_LEVEL="info",
        **settings_of(path),
    )
    watcher = threading.Thread(target=note_ready, args=(port, moments))
    begin = time.monotonic()
    watcher.start()
    with server:
        watcher.join()
    if not moments:
        raise SystemExit("bench: sanyao was not ready in time")
    return (moments[0] - begin) * 1000


def measure_starts(bench, path):
    times = {"its file in the page cache": [], "its file on the disk": []}
    for _ in range(STARTS):
        for place, several in times.items():
            if place.endswith("disk"):
                forget_pages(path)
            several.append(start_ms(bench.place("start"), path))
    what = f"start to ready, {STARTED} answers and as many rows"
    lines = [f"{what}, {STARTS} times each:", "", *table(("ms", "least", "median", "most"), [
        (place, *(f"{number:.1f}" for number in (min(some), statistics.median(some), max(some))))
        for place, some in times.items()
    ]), ""]
    rows = [
        Row(f"{what}, {place}", "a bound", START_MOST_MS, statistics.median(some), True, " ms")
        for place, some in times.items()
    ]
    return lines, rows


# --- hits ---


class Stored(Sanyao):
    """With a store of that size."""

    def __init__(self, bench, size, path):
        super().__init__(bench, "size", **settings_of(path))
        self.name, self.people, self.bench = size, SIZES[size], bench
        self.load = None

    def start(self):
        super().start()
        self.load = Load(self.bench, questions(crowd.some(self.people, ASKED), self.key))
        replies = self.load.ask_some(self.port, self.load.requests[:CHECKED])
        self.load.check(self, replies, self.is_hit)
        return self


def told(title, medians):
    rows = rows_of(CONNECTIONS, medians, medians[next(iter(SIZES))])
    return [title, "", *table(("answers", *HEADINGS[1:-1]), [row[:-1] for row in rows]), ""]


def measure_hits(bench, servers):
    steady = interleave(bench.rounds, {
        server.name: functools.partial(server.load.run_steadily, server, CONNECTIONS, RATE)
        for server in servers
    })
    top = interleave(bench.rounds, {
        server.name: functools.partial(server.load.run, server, CONNECTIONS) for server in servers
    })
    smallest, *_, largest = SIZES
    row = Row(
        f"p50 of a SQLite hit, {largest} answers, {RATE} requests a second", f"itself with {smallest}",
        P50_MOST, steady[largest].p50_us / steady[smallest].p50_us, True,
    )
    lines = told(f"{ASKED} people from anywhere in the store, {RATE} requests a second:", steady)
    return lines + told("The same, as many requests as it can answer:", top), [row]


def measure(bench):
    paths = {
        size: crowd.fill(bench.place("store"), people, people if size == STARTED else 0)
        for size, people in SIZES.items()
    }
    lines, rows = measure_starts(bench, paths[STARTED])
    with (
        Stored(bench, "10 thousand", paths["10 thousand"]) as small,
        Stored(bench, "1 million", paths["1 million"]) as middle,
        Stored(bench, "10 million", paths["10 million"]) as large,
    ):
        more_lines, more_rows = measure_hits(bench, (small, middle, large))
    return lines + more_lines, rows + more_rows
