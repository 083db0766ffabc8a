"""Clients as their callers see them: keys, quotas, rates, and how soon a change is in force."""

import datetime
import time
import zoneinfo

import pytest
from desk import Desk, bearer, used_by
from harness import query_of, wait_until

KEYS = {"AUTH": "keys"}
ZONE = zoneinfo.ZoneInfo("Asia/Shanghai")


@pytest.fixture
def guarded(start):
    """guarded(**settings): a server that asks for keys, with its desk."""
    def make(**settings):
        server = start(**KEYS, **settings)
        return server, Desk(server)

    return make


def code(reply):
    return (reply.status, reply.code)


def next_midnight():
    today = datetime.datetime.now(ZONE).date()
    begin = datetime.datetime.combine(today + datetime.timedelta(days=1), datetime.time(), ZONE)
    return begin.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


# --- keys ---


def test_a_key_opens_in_each_of_its_forms(guarded, people):
    server, desk = guarded()
    key = desk.add_client("billing")
    person = people.one()
    for headers in (bearer(key), [("X-API-Key", key)], [("Authorization", "APPCODE " + key)],
                    [("authorization", "bearer " + key)]):
        assert server.ask(person, headers=headers).status == 200
        assert server.get(person, headers=headers).status == 200
        assert server.get(person, "/carrieroperator", headers).status == 200
    assert server.rows()[0]["client"] == "billing"


def test_no_other_key_opens(guarded, people):
    server, desk = guarded()
    key = desk.add_client("billing")
    other = desk.add_client("orders")
    secret = other.rsplit("_", 1)[1]
    for headers in ([], bearer(""), bearer(key[:-1]), bearer(key + "A"), bearer("sy_billing_" + secret),
                    bearer("sy_nobody_" + secret), [("Authorization", key)],
                    [("Authorization", "Basic " + key)], [("X-API-Key", "")]):
        reply = server.ask(people.one(), headers=headers)
        assert code(reply) == (401, "unauthenticated")
        assert reply.header("WWW-Authenticate")
    assert server.rows() == []


def test_a_rotated_key_lives_on_for_its_grace(guarded, people):
    server, desk = guarded()
    first = desk.add_client("billing")
    second = desk.rotate("billing", grace="1h")
    person = people.one()
    assert {server.ask(person, headers=bearer(key)).status for key in (first, second)} == {200}
    third = desk.rotate("billing", grace="0")
    assert code(server.ask(person, headers=bearer(first))) == (401, "unauthenticated")
    assert code(server.ask(person, headers=bearer(second))) == (401, "unauthenticated")
    assert server.ask(person, headers=bearer(third)).status == 200


def test_a_disabled_client_is_told_so_and_a_removed_one_is_unknown(guarded, people):
    server, desk = guarded()
    key = desk.add_client("billing")
    person = people.one()
    assert server.ask(person, headers=bearer(key)).status == 200
    desk.set_client("billing", disabled=True)
    assert code(server.ask(person, headers=bearer(key))) == (403, "client_disabled")
    desk.set_client("billing", disabled=False)
    assert server.ask(person, headers=bearer(key)).status == 200
    desk.remove_client("billing")
    assert code(server.ask(person, headers=bearer(key))) == (401, "unauthenticated")


def test_clients_outlive_a_restart(guarded, people):
    server, desk = guarded()
    key = desk.add_client("billing", dailyCalls=1)
    person = people.one()
    assert server.ask(person, headers=bearer(key)).json["source"] == "upstream"
    server.stop()
    server.start()
    assert server.ask(person, headers=bearer(key)).json["source"] == "cache"
    assert code(server.ask(people.one(), headers=bearer(key))) == (429, "client_quota_exhausted")


# --- quotas ---


@pytest.mark.parametrize("member", ["dailyCalls", "monthlyCalls"])
def test_a_quota_counts_paid_calls_and_nothing_else(guarded, people, member):
    server, desk = guarded()
    key = desk.add_client("billing", **{member: 2})
    paid = [people.one(), people.one()]
    for person in paid:
        assert server.ask(person, headers=bearer(key)).json["source"] == "upstream"
        assert server.ask(person, headers=bearer(key)).json["source"] == "cache"
    for _ in range(3):
        reply = server.ask(people.one(), headers=bearer(key))
        assert code(reply) == (429, "client_quota_exhausted")
        assert (reply.json["limit"], reply.json["used"], reply.json["billed"]) == (2, 2, False)
        assert int(reply.header("Retry-After")) > 0
        if member == "dailyCalls":
            assert reply.json["resetsAt"] == next_midnight()
        assert reply.header("RateLimit").split(";")[1] == "r=0"
    assert server.ask(paid[0], headers=bearer(key)).json["source"] == "cache"
    assert len(server.rows()) == 2, "a refusal writes nothing"
    period = "day" if member == "dailyCalls" else "month"
    assert desk.usage("billing")[period]["used"] == 2
    desk.set_client("billing", **{member: 3})
    assert server.ask(people.one(), headers=bearer(key)).json["source"] == "upstream"


def test_what_was_not_billed_is_given_back(guarded, people, sandbox):
    server, desk = guarded()
    key = desk.add_client("billing", dailyCalls=1)
    person = people.one()
    sandbox.behave(mobile=person.mobile, gateway="throttled", calls=1)
    assert server.ask(person, headers=bearer(key)).status == 503
    assert desk.usage("billing")["day"]["used"] == 0
    assert server.ask(person, headers=bearer(key)).json["source"] == "upstream"
    assert desk.usage("billing")["day"]["used"] == 1


def test_an_unknown_outcome_counts(guarded, people, sandbox):
    server, desk = guarded()
    key = desk.add_client("billing", dailyCalls=1)
    person = people.one()
    sandbox.behave(mobile=person.mobile, cut="reset", calls=1)
    assert server.ask(person, headers=bearer(key)).status == 503
    assert code(server.ask(person, headers=bearer(key))) == (429, "client_quota_exhausted")


def test_in_shadow_limits_only_count(guarded, people):
    server, desk = guarded()
    key = desk.add_client("billing", dailyCalls=1, requestsPerSecond=1, burst=1, shadow=True)
    for _ in range(4):
        reply = server.ask(people.one(), headers=bearer(key))
        assert reply.json["source"] == "upstream"
    assert reply.header("RateLimit").split(";")[1] == "r=0"
    assert desk.usage("billing")["day"]["used"] == 4


def test_a_reserve_is_left_for_others(guarded, people):
    server, desk = guarded()
    desk.add_package("small", 10)
    held = desk.add_client("batch", reserve=40)
    free = desk.add_client("shop")
    for _ in range(6):
        assert server.ask(people.one(), headers=bearer(held)).json["source"] == "upstream"
    reply = server.ask(people.one(), headers=bearer(held))
    assert code(reply) == (429, "client_quota_exhausted")
    assert (reply.json["limit"], reply.json["used"], reply.json["resetsAt"]) == (6, 6, None)
    for _ in range(4):
        assert server.ask(people.one(), headers=bearer(free)).json["source"] == "upstream"
    assert code(server.ask(people.one(), headers=bearer(free))) == (503, "package_exhausted")
    assert used_by(server.rows(), "client") == {"batch": 6, "shop": 4}


def test_refreshing_needs_the_permission(guarded, people):
    server, desk = guarded()
    plain, fresh = desk.add_client("plain"), desk.add_client("fresh", refresh=True)
    person = people.one()
    assert server.ask(person, headers=bearer(plain)).json["source"] == "upstream"
    assert code(server.ask(person, "no-cache", headers=bearer(plain))) == (403, "refresh_not_allowed")
    assert server.ask(person, "no-cache", headers=bearer(fresh)).json["source"] == "upstream"


# --- rates ---


def test_a_rate_bounds_all_requests(guarded, people):
    server, desk = guarded()
    key = desk.add_client("billing", requestsPerSecond=1, burst=3)
    person = people.one()
    replies = []
    while not replies or replies[-1].status == 200:
        replies.append(server.ask(person, headers=bearer(key)))
        assert len(replies) < 50, "it was never refused"
    refused = replies[-1]
    assert len(replies) > 3
    assert code(refused) == (429, "rate_limited")
    assert refused.header("Retry-After") == "1"
    assert refused.header("RateLimit-Policy") == '"rate";q=3;w=3'
    assert refused.header("RateLimit").startswith('"rate";r=0;')
    assert replies[0].header("RateLimit").startswith('"rate";r=2;')
    wait_until(lambda: server.ask(person, headers=bearer(key)).status == 200, 10, "the next second")


# --- how soon ---


def test_a_change_is_in_force_everywhere_within_a_second(replicas, people):
    group = replicas(3, **KEYS)
    desk = Desk(group[0])
    person = people.one()
    key = desk.add_client("billing")

    def everywhere(status):
        return all(server.ask(person, headers=bearer(key)).status == status for server in group)

    wait_until(lambda: everywhere(200), 10, "the new client everywhere")
    late = []
    for disabled, status in ((True, 403), (False, 200), (True, 403)):
        desk.set_client("billing", disabled=disabled)
        begin = time.monotonic()
        wait_until(lambda status=status: everywhere(status), 10, "the change everywhere")
        late.append(time.monotonic() - begin)
    # What a poll would take is ten seconds; what a notice takes is milliseconds.
    assert min(late) < 1


@pytest.mark.longest
def test_a_notice_that_was_lost_is_made_up_for(replicas, redis, people):
    group = replicas(2, **KEYS)
    key = Desk(group[0]).add_client("billing")
    person = people.one()
    wait_until(lambda: group[1].ask(person, headers=bearer(key)).status == 200, 10, "the client")
    document = redis.command("HGET", "{ledger}documents", "client:billing")
    version, body = document.split(b" ", 1)
    newer = int(redis.command("INCR", "{ledger}version"))
    body = body.replace(b'"disabled":false', b'"disabled":true')
    redis.command("HSET", "{ledger}documents", "client:billing", b"%d %s" % (newer, body))
    redis.command("ZADD", "{ledger}changes", newer, "client:billing")
    assert int(version) < newer
    wait_until(
        lambda: group[1].ask(person, headers=bearer(key)).status == 403, 30, "what nobody told"
    )


def test_a_key_in_the_address_is_no_key(guarded, people):
    server, desk = guarded()
    key = desk.add_client("billing")
    target = "/verify?" + query_of(people.one()) + "&key=" + key
    assert server.request("GET", target).status == 401
