"""How many instructions a memory hit takes in user space, counted by callgrind in the real process.

    with CountedServer(directory, sandbox.url) as server:
        hits = Hits(server, People("x").some(200))
        dump = server.count(hits.connection, lambda: hits.get(1000))
        print(instructions(dump) / 1000)

One worker serves one connection in lock step, so that each turn of its loop has one request. Only the
worker's thread is counted: what the others do goes by time. Each load lies between two requests for
/healthz, at whose handler callgrind writes down what it has counted and begins anew; that takes no right
to trace and no signal.
"""

import glob
import os
import re

from desk import Desk, bearer
from harness import Server, query_of, read_answer, send_question
from sandbox_control import default_bin_dir

MARK = "system_healthz"  # the handler of /healthz, by its name in the program
# glibc chooses its string functions by what the processor can do, and callgrind takes each byte of a
# `rep stosb` for an instruction; and how the heap happens to lie costs a process up to 1.2 % more than another,
# unless what is freed is kept at hand. So the same figure comes of every x86-64 and of every process.
TUNABLES = ":".join((
    "glibc.cpu.hwcaps=-AVX2,-AVX_Fast_Unaligned_Load,-SSSE3,-SSE4_2,-ERMS",
    "glibc.cpu.x86_rep_stosb_threshold=1000000000",
    "glibc.cpu.x86_rep_movsb_threshold=1000000000",
    "glibc.malloc.tcache_count=1000",
))


class CountedServer(Server):
    """A `sanyao serve` under callgrind: one worker, clients' keys, the log as it is by default. `lines`: its
    dumps tell source lines too."""

    def __init__(self, directory, upstream_url, lines=False, **settings):
        super().__init__(directory, upstream_url, environment={"GLIBC_TUNABLES": TUNABLES}, **{
            "WORKERS": "1", "AUTH": "keys", "LOG_LEVEL": None, "LOG_FORMAT": None, **settings,
        })
        self.lines = lines
        self.out = os.path.join(self.directory, "callgrind")

    def arguments(self):
        return [
            "valgrind", "--quiet", "--tool=callgrind", "--vgdb=no", "--separate-threads=yes",
            "--dump-before=" + MARK, "--dump-line=" + ("yes" if self.lines else "no"),
            "--callgrind-out-file=" + self.out,
            os.path.join(default_bin_dir(), "sanyao"), "serve",
        ]

    def count(self, connection, work):
        """The path of the dump of what the worker did for work()."""
        connection.request("GET", "/healthz")
        before = self.dumps()
        work()
        connection.request("GET", "/healthz")
        (dump, ) = self.dumps() - before
        close_frames(dump)
        return dump

    def dumps(self):
        return set(glob.glob(self.out + ".*-*"))


def close_frames(path):
    """Takes out of a dump the calls that had not returned (the thread's own), which callgrind_annotate takes
    for instructions of whoever called."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    with open(path, "w", encoding="utf-8") as file:
        file.write(re.sub(r"^calls=0 .*\n.*\n", "", text, flags=re.MULTILINE))


def instructions(dump):
    with open(dump, encoding="utf-8") as file:
        return int(re.search(r"^totals: (\d+)$", file.read(), re.MULTILINE)[1])


class Hits:
    """A client with a key asks about people whose answers are in memory, one after the other."""

    def __init__(self, server, people):
        self.people = people
        self.headers = bearer(Desk(server).add_client("shop"))
        self.connection = server.connect()
        for person in people:
            assert self.post_one(person).json["source"] == "upstream"
        # The first time something is used, the dynamic linker and the allocator have their work.
        self.get(len(people))
        self.post(len(people))

    def get_one(self, person):
        self.connection.send("GET", "/verify?" + query_of(person), self.headers)
        return read_answer(self.connection, person)

    def post_one(self, person):
        send_question(self.connection, person, headers=self.headers)
        return read_answer(self.connection, person)

    def get(self, count):
        self.ask(self.get_one, count)

    def post(self, count):
        self.ask(self.post_one, count)

    def ask(self, ask_one, count):
        for index in range(count):
            reply = ask_one(self.people[index % len(self.people)])
            assert reply.json["source"] == "cache", "not a hit"
