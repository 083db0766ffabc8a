"""Misses: what a question costs that has to be bought."""

import functools

from harness import Reply
from load import HEADINGS, SEED, Load, interleave, questions, ratio, rows_of
from people import People
from report import Row, table
from sandbox_control import wait_until
from servers import NginxPass, NginxPassAlone, Origin, Redis, Sanyao

TITLE = "Misses"
CONNECTIONS = 64
TARGET = 0.3
MOST_A_SECOND = 15000  # as many new people are made
PACKAGE_CALLS = 100000000
SELLER = Reply(
    200,
    [("Content-Type", "application/json;charset=UTF-8")],
    '{"status":"01","msg":"实名认证通过","idCard":"******************","mobile":"***********",'
    '"name":"**","mobileType":"移动","traceId":"20261128120000_9a45ph_5e392391"}'.encode(),
    False,
)


def billed(redis):
    return redis.totals().get("billed", 0)


def run_new(bench, sanyao, redis, people, connections):
    """One run in which nobody is asked about twice, and every question is bought."""
    some = people.some(MOST_A_SECOND * bench.seconds)
    load = Load(bench, questions(some, sanyao.key))
    before = billed(redis)
    sample = load.run(sanyao, connections)
    if sample.requests > len(some):
        raise SystemExit("bench: sanyao was faster than new people were made; raise MOST_A_SECOND")
    wait_until(lambda: redis.open_calls() == 0, 20, "the end of all calls")
    bought = billed(redis) - before
    if bought < sample.requests:
        raise SystemExit(f"bench: of {sample.requests:.0f} questions only {bought} were bought")
    return sample


def measure(bench):
    people = People(SEED)
    with (
        Redis(bench) as redis,
        Origin(bench, SELLER, "seller") as seller,
        Sanyao(
            bench, redis=redis, upstream_url=f"http://127.0.0.1:{seller.port}/carrieroperator"
        ) as sanyao,
        NginxPass(bench, seller) as best,
        NginxPassAlone(bench, seller) as alone,
    ):
        sanyao.buy(PACKAGE_CALLS)
        repeated = Load(bench, questions(people.some(1000), sanyao.key))
        runs = {sanyao.name: functools.partial(run_new, bench, sanyao, redis, people, CONNECTIONS)}
        for nginx in (best, alone):
            repeated.check(nginx, repeated.ask_all(nginx.port), nginx.is_hit)
            runs[nginx.name] = functools.partial(repeated.run, nginx, CONNECTIONS)
        medians = interleave(bench.rounds, runs)
    own = medians[sanyao.name]
    title = (
        "Everybody is new. sanyao keeps lease, window, client's quota, package and ledger in a Redis, and"
        " its journal on disk; nginx passes each question on and does none of these. Redis and the seller,"
        " an nginx that answers at once, share the load's core. nginx's proxy_pass is here twice: with"
        " connections to the seller that are kept, and with nothing but the directive, so that each question"
        " opens one, as nginx does by itself. Each question was seen to be bought:"
    )
    rows = [
        Row(f"miss, {CONNECTIONS} connections", nginx.name, TARGET, ratio(own, medians[nginx.name]))
        for nginx in (best, alone)
    ]
    return [title, "", *table(HEADINGS, rows_of(CONNECTIONS, medians, own))], rows
