"""What a caller may wish for: how old an answer may be, and how long to wait."""

import time

import pytest
from harness import Server, wait_until
from sandbox_control import Sandbox


@pytest.fixture(params=["0", "1000"], ids=["no-memory-cache", "memory-cache"])
def memory(request):
    return request.param


def wait_for_expiry(server, person):
    def expired():
        reply = server.ask(person, "only-if-cached")
        return reply.code == "not_cached"

    wait_until(expired, 10, "the end of the answer's time")


def test_no_cache_asks_again_and_pays(start, sandbox, people, memory):
    server = start(CACHE_MEMORY_ENTRIES=memory)
    person = people.one()
    server.ask(person)
    sandbox.behave(mobile=person.mobile, status="02")
    reply = server.ask(person, "no-cache")
    assert reply.cache_status == "sanyao; fwd=request; stored"
    assert (reply.json["result"], reply.json["billed"]) == ("mismatch", True)
    assert server.ask(person).json["result"] == "mismatch", "the newer answer replaces the older"
    assert sandbox.calls(mobile=person.mobile) == 2


def test_max_age_bounds_the_age(start, sandbox, people, memory):
    server = start(CACHE_MEMORY_ENTRIES=memory)
    person = people.one()
    server.ask(person)
    assert server.ask(person, "max-age=3600").json["source"] == "cache"
    wait_until(lambda: int(server.ask(person).header("Age")) >= 2, 10, "an answer of two seconds")
    reply = server.ask(person, "max-age=1")
    assert reply.cache_status == "sanyao; fwd=request; stored"
    assert sandbox.calls(mobile=person.mobile) == 2
    assert server.ask(person, "max-age=0, only-if-cached").status in (200, 504)
    assert sandbox.calls(mobile=person.mobile) == 2


def test_only_if_cached_never_pays(start, sandbox, people, memory):
    server = start(CACHE_MEMORY_ENTRIES=memory)
    person = people.one()
    reply = server.ask(person, "only-if-cached")
    assert (reply.status, reply.code, reply.json["billed"]) == (504, "not_cached", False)
    assert sandbox.calls() == 0
    server.ask(person)
    assert server.ask(person, "only-if-cached").json["source"] == "cache"
    assert server.ask(person, "no-cache, only-if-cached").code == "not_cached"
    local = server.ask(person.but(name="三"), "only-if-cached")
    assert local.json["source"] == "local", "what needs nobody is answered"
    assert sandbox.calls() == 1 and server.states() == {"settled": 1}


def test_max_stale_takes_what_expired(start, sandbox, people, memory):
    server = start(CACHE_MEMORY_ENTRIES=memory, CACHE_TTL_01="1s")
    person = people.one(status="01")
    server.ask(person)
    wait_for_expiry(server, person)
    for wish in ("max-stale", "max-stale=1000", "max-stale, only-if-cached"):
        reply = server.ask(person, wish)
        assert (reply.json["source"], reply.json["billed"]) == ("stale", False)
        assert int(reply.cache_status.removeprefix("sanyao; hit; ttl=")) <= 0
    wait_until(
        lambda: int(server.ask(person, "max-stale").cache_status.rsplit("=", 1)[1]) <= -2,
        10, "an answer that expired two seconds ago",
    )
    assert server.ask(person, "max-stale=1, only-if-cached").code == "not_cached"
    assert sandbox.calls() == 1
    reply = server.ask(person)
    assert reply.cache_status == "sanyao; fwd=stale; stored" and reply.json["billed"] is True
    assert sandbox.calls() == 2


@pytest.mark.parametrize("status", ["01", "02"])
def test_an_expired_answer_serves_while_upstream_is_away(place, people, memory, status):
    settings = {"CACHE_MEMORY_ENTRIES": memory, "CACHE_TTL_01": "1s", "CACHE_TTL_02": "1s"}
    with Sandbox() as sandbox:
        server = Server(place, sandbox.url, **settings).start()
        person = people.one(status=status)
        server.ask(person)
        wait_for_expiry(server, person)
    reply = server.ask(person)
    assert (reply.json["source"], reply.json["billed"]) == ("stale", False)
    assert server.ask(person, "no-cache").code == "upstream_unavailable"
    assert server.ask(people.one()).code == "upstream_unavailable"
    server.stop()
    assert "unknown" not in server.states() and server.states()["settled"] == 1


def test_an_expired_answer_is_not_served_where_that_is_not_wished(place, people):
    with Sandbox() as sandbox:
        server = Server(place, sandbox.url, CACHE_TTL_01="1s", STALE_IF_ERROR="0").start()
        person = people.one(status="01")
        server.ask(person)
        wait_for_expiry(server, person)
    reply = server.ask(person)
    assert (reply.code, reply.json["billed"]) == ("upstream_unavailable", False)
    server.stop()


def test_an_expired_unverifiable_is_not_served_for_want_of_better(place, people):
    with Sandbox() as sandbox:
        server = Server(place, sandbox.url, CACHE_TTL_202="1s").start()
        person = people.one(status="202")
        server.ask(person)
        wait_for_expiry(server, person)
    assert server.ask(person).code == "upstream_unavailable"
    server.stop()


@pytest.mark.parametrize("wish", ["no-cache", "max-age=0", "max-age=60, no-cache"])
def test_asking_again_may_be_forbidden(start, sandbox, people, wish):
    server = start(ANONYMOUS_REFRESH="false")
    person = people.one()
    server.ask(person)
    reply = server.ask(person, wish)
    assert (reply.status, reply.code) == (403, "refresh_not_allowed")
    assert server.ask(person, "max-age=60").json["source"] == "cache"
    assert sandbox.calls() == 1


@pytest.mark.parametrize("wish", ["", "no-store", "private, foo=bar", "x", "MAX-AGE=60", ",,"])
def test_other_directives_change_nothing(shared, people, wish):
    person = people.one()
    shared.ask(person)
    assert shared.ask(person, wish).json["source"] == "cache"


@pytest.mark.parametrize("wish", ["max-age=x", "max-age=", "max-age=-1", "max-stale=1.5", "max-age"])
def test_a_directive_that_is_no_number_is_refused(shared, people, wish):
    reply = shared.ask(people.one(), wish)
    assert (reply.status, reply.code) == (400, "malformed_request")


def test_wait_bounds_the_waiting_and_the_answer_is_kept(start, sandbox, people):
    server = start()
    person = people.one()
    sandbox.behave(mobile=person.mobile, hang=True)
    begin = time.monotonic()
    reply = server.ask(person, prefer="wait=1")
    assert 0.9 <= time.monotonic() - begin < 5
    assert (reply.code, reply.json["billed"], reply.json["retryable"]) == (
        "upstream_timeout", "unknown", True,
    )
    sandbox.release()
    wait_until(lambda: server.states() == {"settled": 1}, 10, "the answer's arrival")
    reply = server.ask(person, prefer="wait=1")
    assert reply.json["source"] == "cache" and reply.header("Preference-Applied") == "wait=1"
    assert sandbox.calls() == 1


def test_without_a_wish_the_setting_bounds_the_waiting(start, sandbox, people):
    server = start(REQUEST_TIMEOUT="500ms")
    person = people.one()
    sandbox.behave(mobile=person.mobile, hang=True)
    reply = server.ask(person)
    assert (reply.code, reply.json["billed"]) == ("upstream_timeout", "unknown")
    assert reply.header("Preference-Applied") is None
    sandbox.release()
    wait_until(lambda: server.states() == {"settled": 1}, 10, "the answer's arrival")
    assert server.ask(person).json["source"] == "cache"


def test_a_short_wait_that_suffices_is_told(shared, people):
    reply = shared.ask(people.one(), prefer="respond-async, wait=10")
    assert reply.status == 200 and reply.header("Preference-Applied") == "wait=10"


@pytest.mark.parametrize("prefer", ["wait", "wait=x", "wait=", "handling=lenient"])
def test_other_preferences_are_ignored(shared, people, prefer):
    reply = shared.ask(people.one(), prefer=prefer)
    assert reply.status == 200 and reply.header("Preference-Applied") is None
