"""Numbers that are left alone: the window of calls, a number that got 203, and what is inferred."""

import signal

import pytest
from harness import together, wait_until

GUARDED = "sanyao; fwd=bypass; detail=guard"


def others(person, people, count):
    """Different questions about one number."""
    return [person.but(name=people.one().name) for _ in range(count)]


def is_guarded(reply, at_most):
    assert (reply.status, reply.json["status"], reply.json["result"]) == (
        200, "203", "number_limited",
    )
    assert reply.json["source"] == "guard" and reply.json["billed"] is False
    assert reply.cache_status == GUARDED
    assert "expiresAt" not in reply.json
    assert at_most - 60 <= int(reply.header("Retry-After")) <= at_most


def test_a_number_is_asked_about_five_times_a_day(start, sandbox, people):
    server = start()
    person = people.one()
    asked = others(person, people, 7)
    for one in asked[:5]:
        assert server.ask(one).json["source"] == "upstream"
    for one in asked[5:]:
        is_guarded(server.ask(one), 24 * 3600)
    assert server.ask(asked[0]).json["source"] == "cache", "what is kept serves on"
    assert server.ask(people.one()).json["source"] == "upstream", "other numbers are open"
    assert sandbox.calls(mobile=person.mobile) == 5
    assert server.states() == {"settled": 6}, "a refusal is no reservation"


def test_the_drop_in_says_it_in_the_sellers_words(start, people):
    server = start(NUMBER_LIMIT_MAX_CALLS="1")
    person, other = others(people.one(), people, 2)
    server.ask(person)
    reply = server.get(other, "/carrieroperator")
    assert reply.status == 200 and reply.json["status"] == "203" and reply.header("Retry-After")


def test_the_window_holds_under_concurrency_and_over_workers(start, sandbox, people):
    server = start(WORKERS="4", NUMBER_LIMIT_MAX_CALLS="3")
    person = people.one()
    asked = others(person, people, 30)
    replies = together(30, lambda index: server.ask(asked[index]))
    sources = [reply.json["source"] for reply in replies]
    assert sources.count("upstream") == 3 and sources.count("guard") == 27
    assert sandbox.calls(mobile=person.mobile) == 3


def test_the_window_survives_a_crash(start, sandbox, people):
    server = start(NUMBER_LIMIT_MAX_CALLS="2")
    person = people.one()
    asked = others(person, people, 3)
    for one in asked[:2]:
        server.ask(one)
    server.kill()
    server.start()
    is_guarded(server.ask(asked[2]), 24 * 3600)
    assert sandbox.calls(mobile=person.mobile) == 2


def test_a_short_window_opens_again(start, sandbox, people):
    server = start(NUMBER_LIMIT_MAX_CALLS="1", NUMBER_LIMIT_WINDOW="1s")
    person = people.one()
    first, second = others(person, people, 2)
    server.ask(first)
    answers = 0
    while server.ask(second).json["source"] != "upstream":
        answers += 1
        assert answers < 100000
    assert sandbox.calls(mobile=person.mobile) == 2


def test_a_203_closes_the_number(start, sandbox, people):
    server = start()
    person = people.one()
    first, second = others(person, people, 2)
    sandbox.behave(mobile=person.mobile, status="203", calls=1)
    reply = server.ask(first)
    assert reply.json["result"] == "number_limited" and reply.json["source"] == "upstream"
    for one in (first, second):
        is_guarded(server.ask(one), 24 * 3600)
    assert sandbox.calls(mobile=person.mobile) == 1


@pytest.mark.parametrize("behaviour", [{"gateway": "throttled"}, {"gateway": "quota-exhausted"}])
def test_what_the_seller_never_saw_does_not_count(start, sandbox, people, behaviour):
    server = start(NUMBER_LIMIT_MAX_CALLS="1")
    person = people.one()
    sandbox.behave(mobile=person.mobile, calls=3, **behaviour)
    for one in others(person, people, 3):
        assert server.ask(one).status == 503
    sandbox.reset("behaviours")
    server.signal(signal.SIGHUP)  # takes the mark away that some leave on the AppCode
    wait_until(lambda: server.ask(person).json.get("source") == "upstream", 10, "an open number")


def test_a_proven_number_answers_for_others(start, sandbox, people):
    server = start(INFERENCE="true")
    person = people.one()
    other = others(person, people, 1)[0]
    assert server.ask(person).json["result"] == "match"
    reply = server.ask(other)
    assert (reply.json["status"], reply.json["source"], reply.json["billed"]) == (
        "02", "inferred", False,
    )
    assert reply.cache_status == "sanyao; fwd=bypass; detail=inferred"
    assert server.ask(other, cache_control="no-cache").json["source"] == "upstream"
    assert sandbox.calls(mobile=person.mobile) == 2


def test_nothing_is_inferred_by_default(start, sandbox, people):
    server = start()
    person = people.one()
    server.ask(person)
    assert server.ask(others(person, people, 1)[0]).json["source"] == "upstream"
