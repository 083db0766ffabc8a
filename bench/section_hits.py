"""Hits in memory, for some numbers of connections."""

from load import HEADINGS, PEOPLE, SEED, Load, compare, get_question, questions, ratio, rows_of
from people import People
from report import Row, table
from servers import Bare, NginxCache, NginxDebianCache, Origin, Sanyao, Seller, Varnish

TITLE = "Memory hits"
CONNECTIONS = (16, 64, 256, 1000)
TARGETS = {NginxCache.name: 1.4, NginxDebianCache.name: 1.4, Bare.name: 0.75}


def told(title, bench, servers, load):
    """Lines of a table, and what came of the promises."""
    lines, rows = [], []
    for connections in CONNECTIONS:
        medians = compare(bench, servers, load, connections)
        own = medians[Sanyao.name]
        lines += rows_of(connections, medians, own)
        rows += [
            Row(f"memory hit, {connections} connections", name, target, ratio(own, medians[name]))
            for name, target in TARGETS.items() if name in medians
        ]
    return [title, "", *table(HEADINGS, lines), ""], rows


def measure(bench):
    people = People(SEED).some(PEOPLE)
    with Seller(bench) as sandbox, Sanyao(bench, upstream_url=sandbox.url) as sanyao:
        both = Load(bench, questions(people, sanyao.key))
        gets = Load(bench, questions(people, sanyao.key, (get_question,)))
        reply = both.warm(sanyao)
        gets.warm(sanyao)
        with (
            Origin(bench, reply) as origin,
            NginxCache(bench, origin) as nginx,
            NginxDebianCache(bench, origin) as usual,
            Bare(bench, reply) as bare,
            Varnish(bench, origin) as varnish,
        ):
            both.warm(nginx)
            both.warm(usual)
            both.warm(bare)
            gets.warm(varnish)
            title = (
                f"{PEOPLE} people asked about in turn, half by GET, half by POST. nginx's cache is here twice: with"
                " open_file_cache and without sendfile, faster than any other of its settings, and with files"
                " served as Debian's nginx.conf has it:"
            )
            lines, rows = told(title, bench, (sanyao, nginx, usual, bare), both)
            title = "By GET alone, since Varnish keeps no answers to POST:"
            lines += told(title, bench, (sanyao, varnish), gets)[0]
    return lines, rows
