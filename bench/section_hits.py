"""Hits in memory, for some numbers of connections."""

import functools

from load import PEOPLE, SEED, Load, get_question, interleave, questions
from people import People
from report import Row, table
from sandbox_control import Sandbox
from servers import Bare, NginxCache, Origin, Sanyao, Varnish

TITLE = "Memory hits"
CONNECTIONS = (16, 64, 256, 1000)
TARGETS = {NginxCache.name: 1.4, Bare.name: 0.75}


def measure_all(bench, servers, load, connections):
    return interleave(bench.rounds, {
        server.name: functools.partial(load.run, server, connections) for server in servers
    })


def lines_of(connections, medians):
    own = medians[Sanyao.name].rate
    return [
        (name, connections, f"{sample.rate:.0f}", f"{sample.p50_us:.0f}", f"{sample.p99_us:.0f}",
         f"{sample.busy:.2f}", f"{own / sample.rate:.2f}")
        for name, sample in medians.items()
    ]


def told(title, bench, servers, load):
    """Lines of a table, and the rows of what was promised."""
    lines, rows = [], []
    for connections in CONNECTIONS:
        medians = measure_all(bench, servers, load, connections)
        lines += lines_of(connections, medians)
        rows += [
            Row(f"memory hit, {connections} connections", name, target,
                medians[Sanyao.name].rate / medians[name].rate)
            for name, target in TARGETS.items() if name in medians
        ]
    headings = (
        "server", "connections", "requests/s", "p50 µs", "p99 µs", "server's CPU s/s", "sanyao to it"
    )
    return [title, "", *table(headings, lines), ""], rows


def measure(bench):
    people = People(SEED).some(PEOPLE)
    with Sandbox(None) as sandbox, Sanyao(bench, upstream_url=sandbox.url) as sanyao:
        both = Load(bench, questions(people, sanyao.key))
        gets = Load(bench, questions(people, sanyao.key, (get_question,)))
        reply = both.warm(sanyao)
        gets.warm(sanyao)
        with (
            Origin(bench, reply) as origin,
            NginxCache(bench, origin) as nginx,
            Bare(bench, reply) as bare,
            Varnish(bench, origin) as varnish,
        ):
            both.warm(nginx)
            both.warm(bare)
            gets.warm(varnish)
            title = f"{PEOPLE} people asked about in turn, half by GET, half by POST:"
            lines, rows = told(title, bench, (sanyao, nginx, bare), both)
            title = "By GET alone, since Varnish keeps no answers to POST:"
            lines += told(title, bench, (sanyao, varnish), gets)[0]
    return lines, rows
