"""Hits that are not in memory: in Redis, and in SQLite."""

from load import HEADINGS, PEOPLE, SEED, Load, compare, questions, ratio, rows_of
from people import People
from report import Row, table
from sandbox_control import Sandbox
from servers import NginxCache, NginxLua, Origin, Redis, Sanyao

TITLE = "Stored hits"
CONNECTIONS = 64
NO_MEMORY = {"CACHE_MEMORY_ENTRIES": "0"}


def told(title, what, target, bench, servers, load):
    for server in servers:
        load.warm(server)
    medians = compare(bench, servers, load, CONNECTIONS)
    own, other = medians.values()
    lines = [title, "", *table(HEADINGS, rows_of(CONNECTIONS, medians, own)), ""]
    row = Row(f"{what}, {CONNECTIONS} connections", servers[1].name, target, ratio(own, other))
    return lines, row


def measure_redis(bench, people, upstream_url):
    title = (
        "In one Redis on the load's core, the memory cache off. nginx's Lua hashes each question as it came"
        " by HMAC-SHA-256 and asks the same Redis; it neither looks at the question nor at who asks:"
    )
    with (
        Redis(bench) as redis,
        Sanyao(bench, redis=redis, upstream_url=upstream_url, **NO_MEMORY) as sanyao,
    ):
        load = Load(bench, questions(people, sanyao.key))
        with Origin(bench, load.warm(sanyao)) as origin, NginxLua(bench, redis, origin) as lua:
            return told(title, "Redis hit", 1.7, bench, (sanyao, lua), load)


def measure_sqlite(bench, people, upstream_url):
    title = "In SQLite, the memory cache off:"
    with Sanyao(bench, upstream_url=upstream_url, **NO_MEMORY) as sanyao:
        load = Load(bench, questions(people, sanyao.key))
        with Origin(bench, load.warm(sanyao)) as origin, NginxCache(bench, origin) as nginx:
            return told(title, "SQLite hit", 0.6, bench, (sanyao, nginx), load)


def measure(bench):
    people = People(SEED).some(PEOPLE)
    with Sandbox(None, "--number-limit", 0) as sandbox:
        found = [measure_redis(bench, people, sandbox.url), measure_sqlite(bench, people, sandbox.url)]
    return [line for lines, _ in found for line in lines], [row for _, row in found]
