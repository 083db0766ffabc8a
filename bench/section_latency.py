"""How long a hit takes while the server has half to do of what its peer could."""

import functools

from load import HEADINGS, PEOPLE, SEED, Load, interleave, questions, rows_of
from people import People
from report import Row, table
from sandbox_control import Sandbox
from servers import NginxCache, Origin, Sanyao

TITLE = "Latency of memory hits at half of the peer's top rate"
CONNECTIONS = 64


def measure_all(bench, sanyao, nginx, load):
    """nginx's top rate, and the samples at half of it."""
    top = interleave(bench.rounds, {"top": lambda: load.run(nginx, CONNECTIONS)})["top"].rate
    medians = interleave(bench.rounds, {
        server.name: functools.partial(load.run_steadily, server, CONNECTIONS, round(top / 2))
        for server in (sanyao, nginx)
    })
    return top, medians


def measure(bench):
    people = People(SEED).some(PEOPLE)
    with Sandbox(None) as sandbox, Sanyao(bench, upstream_url=sandbox.url) as sanyao:
        load = Load(bench, questions(people, sanyao.key))
        with Origin(bench, load.warm(sanyao)) as origin, NginxCache(bench, origin) as nginx:
            load.warm(nginx)
            top, medians = measure_all(bench, sanyao, nginx, load)
    own, other = medians.values()
    title = (
        f"{nginx.name} answered {top:.0f} requests a second at most. Here each request is due at its own"
        " time, and its latency counts from then on, whenever it could be sent:"
    )
    lines = [title, "", *table(HEADINGS[:-1], [row[:-1] for row in rows_of(CONNECTIONS, medians, own)])]
    what = f"p99 of a memory hit at half of the peer's top rate, {CONNECTIONS} connections"
    return lines, [Row(what, nginx.name, 1, own.p99_us / other.p99_us, at_most=True)]
