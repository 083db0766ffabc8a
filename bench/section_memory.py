"""The memory of a process that has much to remember and many who say nothing."""

import contextlib

import crowd
from harness import Connection
from load import get_question, questions
from report import Row, table
from servers import Sanyao

TITLE = "Memory of a process"
ANSWERS = 100_000
CONNECTIONS = 1000
MOST_MB = 40
AT_ONCE = 100


def rss_kb(server):
    with open(f"/proc/{server.process.pid}/status", encoding="utf-8") as file:
        fields = dict(line.split(":", 1) for line in file)
    return tuple(int(fields[name].split()[0]) for name in ("VmRSS", "RssAnon", "RssFile"))


def ask(server, connection, requests):
    connection.socket.sendall(b"".join(requests))
    for _ in requests:
        reply = connection.read_unjudged()
        if reply.status != 200 or not server.is_hit(reply):
            raise SystemExit(f"bench: {server.name}: a bad reply: {reply} {reply.headers}")


def measure(bench):
    path = crowd.fill(bench.place("store"), ANSWERS)
    found = {}
    settings = {"STORE_URL": "sqlite:" + path, "HASH_KEY": None}
    with Sanyao(bench, **settings) as server, contextlib.ExitStack() as stack:
        found["just started"] = rss_kb(server)
        people = map(crowd.Person, range(ANSWERS))
        requests = questions(people, server.key, (get_question,))
        with Connection(server.port) as connection:
            for at in range(0, ANSWERS, AT_ONCE):
                ask(server, connection, requests[at : at + AT_ONCE])
        found[f"{ANSWERS} answers in its memory cache"] = rss_kb(server)
        for request in requests[:CONNECTIONS]:
            ask(server, stack.enter_context(Connection(server.port)), [request])
        what = f"and {CONNECTIONS} connections that asked once"
        found[what] = rss_kb(server)
    lines = [
        (when, *(f"{kb / 1024:.1f}" for kb in kbs)) for when, kbs in found.items()
    ]
    title = "One worker; its memory, of which the file's part is programs and libraries:"
    headings = ("when", "resident MiB", "its own", "of files")
    row = Row(
        f"resident memory, {ANSWERS} answers in memory, {CONNECTIONS} idle connections", "a bound",
        MOST_MB, found[what][0] / 1024, True, " MiB",
    )
    return [title, "", *table(headings, lines)], [row]
