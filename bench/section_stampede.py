"""What a stampede on questions that nobody has asked yet does to others' hits."""

import functools
import subprocess

from load import PEOPLE, SEED, Load, interleave, post_question, questions
from people import People
from report import Row, table
from sandbox_control import wait_until
from servers import Sanyao, Seller

TITLE = "Hits beside a stampede"
CONNECTIONS = 64
RATE = 10000  # hits a second
CROWD = 1000
UPSTREAM_MS = 100
MOST_COLD_A_SECOND = 1000 // UPSTREAM_MS  # all ask the same, and wait for it
TARGET = 3
SECONDS_AROUND = 3  # of the crowd: it begins before the hits and ends after them


class Stampede:
    """A crowd in which all ask about one new person at once, and when they know, about the next."""

    def __init__(self, bench, server, people, sandbox):
        self.bench, self.server, self.people, self.sandbox = bench, server, people, sandbox
        self.process = None

    def __enter__(self):
        seconds = self.bench.seconds + SECONDS_AROUND
        cold = self.people.some(MOST_COLD_A_SECOND * seconds)
        crowd = [person for person in cold for _ in range(CROWD)]
        load = Load(self.bench, questions(crowd, self.server.key, (post_question,)))
        self.process = subprocess.Popen(
            ["taskset", "-c", self.bench.load_core, "wrk", "-t1", f"-c{CROWD}",
             f"-d{seconds}s", "--timeout", "10s", "-s", "bench/cycle.lua",
             f"http://127.0.0.1:{self.server.port}/", "--", load.path],
            stdout=subprocess.PIPE, text=True,
        )
        before = self.sandbox.calls()
        wait_until(lambda: self.sandbox.calls() > before + 1, 10, "all of the crowd")
        return self

    def __exit__(self, *_):
        told = self.process.communicate(timeout=self.bench.seconds + 60)[0]
        if self.process.returncode != 0 or '"errors": 0' not in told:
            raise SystemExit(f"bench: the stampede failed: {told}")


def run_beside(bench, server, load, people, sandbox):
    """One run of hits, and by how many stampedes it was met: one call each."""
    with Stampede(bench, server, people, sandbox):
        before = sandbox.calls()
        sample = load.run_steadily(server, CONNECTIONS, RATE, shared=True)
        met = sandbox.calls() - before
    if not bench.seconds <= met <= MOST_COLD_A_SECOND * (bench.seconds + 1):
        raise SystemExit(f"bench: {met} calls were made in {bench.seconds} s of stampedes")
    return sample


def measure(bench):
    people = People(SEED)
    with (
        Seller(bench, "--latency-ms", UPSTREAM_MS) as sandbox,
        Sanyao(bench, upstream_url=sandbox.url) as sanyao,
    ):
        load = Load(bench, questions(people.some(PEOPLE), sanyao.key))
        sandbox.settings(latencyMs=0)
        load.warm(sanyao)
        sandbox.settings(latencyMs=UPSTREAM_MS)
        medians = interleave(bench.rounds, {
            "hits alone": functools.partial(
                load.run_steadily, sanyao, CONNECTIONS, RATE, shared=True
            ),
            "beside the stampede": functools.partial(
                run_beside, bench, sanyao, load, people, sandbox
            ),
        })
    alone, beside = medians.values()
    title = (
        f"One worker, {RATE} hits a second on {CONNECTIONS} connections, each due at its own time. Beside them"
        f" {CROWD} clients ask all at once about one new person, and, as soon as they know, about the next;"
        f" the seller takes {UPSTREAM_MS} ms. Both loads share a core, the hits' before the crowd's:"
    )
    lines = [title, "", *table(
        ("", "hits/s", "p50 µs", "p99 µs", "its CPU"),
        [(name, f"{sample.rate:.0f}", f"{sample.p50_us:.0f}", f"{sample.p99_us:.0f}",
          f"{sample.busy:.2f}") for name, sample in medians.items()],
    )]
    what = f"p99 of hits beside a stampede of {CROWD} clients"
    return lines, [Row(what, "hits alone", TARGET, beside.p99_us / alone.p99_us, at_most=True)]
