"""Several calls for one question: only after what was certainly not billed, in its askers' time."""

import pathlib
import time

import pytest
from desk import Desk
from harness import Server, read_answer, send_question, together, wait_until
from raw_upstream import RawUpstream, answer
from redis_server import free_port
from sandbox_control import Sandbox
from test_admin_clients import lines
from test_replicas import PATIENT, ask_on, check_books, lead, read_all

REFUSED_FOR = 1
SECOND = "89abcdef0123456789abcdef01234567"


def test_what_the_gateway_throttled_is_asked_again(start, sandbox, people):
    server = start(UPSTREAM_RETRIES=None)
    person = people.one()
    sandbox.behave(mobile=person.mobile, gateway="throttled", calls=2)
    reply = server.ask(person)
    assert (reply.status, reply.json["source"], reply.json["billed"]) == (200, "upstream", True)
    assert server.states() == {"released": 2, "settled": 1}
    assert sandbox.calls(mobile=person.mobile) == 3
    assert server.ask(person).json["source"] == "cache"


def test_a_seller_that_comes_back_in_time_is_asked_again(place, people):
    port = free_port()
    settings = {"UPSTREAM_RETRIES": "10", "UPSTREAM_RETRY_DELAY": "200ms", "REQUEST_TIMEOUT": "60s"}
    person = people.one()
    with Server(place, f"http://127.0.0.1:{port}/carrieroperator", **settings) as server:
        connection, = ask_on([server], person, 1)
        wait_until(lambda: server.states().get("released", 0) >= 1, 20, "a call that was never sent")
        with Sandbox(None, "--listen", f"127.0.0.1:{port}") as sandbox:
            reply = read_answer(connection, person)
            assert (reply.status, reply.json["billed"]) == (200, True)
            assert sandbox.calls() == 1
        states = server.states()
        assert states.pop("settled") == 1 and set(states) == {"released"}


def test_its_followers_have_no_call_of_their_own(replicas, sandbox, people):
    """The lease is held between the calls: whoever waits at another replica does not lead."""
    group = replicas(3, UPSTREAM_RETRIES="3", UPSTREAM_RETRY_DELAY="300ms", **PATIENT)
    person = people.one()
    leader = lead(sandbox, group[0], person, gateway="throttled")
    sandbox.behave(mobile=person.mobile, gateway="throttled", calls=2)
    followers = ask_on(group, person, 5)
    sandbox.release()
    replies = read_all([leader, *followers], person)
    assert all(reply.status == 200 for reply in replies)
    assert [reply.json["billed"] for reply in replies].count(True) == 1
    assert sandbox.calls() == 4
    rows = group.rows()
    assert sorted(row["state"] for row in rows) == ["released"] * 3 + ["settled"]
    check_books(group)


def test_nobody_is_kept_longer_than_it_said(place, people):
    settings = {"UPSTREAM_RETRIES": "10", "UPSTREAM_RETRY_DELAY": "10s"}
    with Server(place, "http://127.0.0.1:1/carrieroperator", **settings) as server:
        begin = time.monotonic()
        reply = server.ask(people.one(), prefer="wait=1")
        assert (reply.status, reply.code, reply.json["billed"]) == (503, "upstream_unavailable", False)
        assert time.monotonic() - begin < 5


def test_a_gateway_that_says_how_long_is_left_alone_so_long(place, people):
    throttled = ("X-Ca-Error-Message: Throttled by APP Flow Control", "Retry-After: 7")
    with RawUpstream(lambda call: call.reply(b"", "429 Too Many Requests", throttled)) as upstream:
        with Server(place, upstream.url, UPSTREAM_RETRIES="5") as server:
            reply = server.ask(people.one())
            assert (reply.status, reply.code) == (503, "upstream_unavailable")
            later = server.ask(people.one())
            assert later.status == 503 and 1 <= int(later.header("Retry-After")) <= 7
            assert len(upstream.requests) == 1, "it said when to come back"
            assert server.states() == {"released": 1}


def test_another_code_of_the_same_seller_serves_meanwhile(place, people):
    """What the first one was throttled for is not the second one's."""
    def play(call):
        if SECOND in call.head:
            call.reply(answer())
        else:
            call.reply(b"", "429 Too Many Requests",
                       ("X-Ca-Error-Message: Throttled by APP Flow Control", "Retry-After: 30"))
    with RawUpstream(play) as upstream:
        code = pathlib.Path(place) / "second"
        code.write_text(SECOND)
        with Server(place, upstream.url, CREDENTIALS=f"second={code}") as server:
            for person in people.some(5):
                assert server.ask(person).status == 200
            assert server.states() == {"released": 1, "settled": 5}


UNKNOWN = [{"cut": "request"}, {"cut": "reset"}, {"cut": "headers"}, {"cut": "body"}]


@pytest.mark.parametrize("behaviour", UNKNOWN, ids=lambda it: it["cut"])
def test_what_may_have_been_billed_is_not_asked_again(start, sandbox, people, behaviour):
    server = start(UPSTREAM_RETRIES="5")
    person = people.one()
    sandbox.behave(mobile=person.mobile, calls=1, **behaviour)
    reply = server.ask(person)
    assert reply.status in (502, 503) and reply.json["billed"] == "unknown"
    assert sandbox.calls(mobile=person.mobile) == 1
    assert server.states() == {"unknown": 1}


def test_a_refused_code_is_left_alone_for_a_while_and_taken_again(start, sandbox, people):
    server = start(UPSTREAM_REFUSED_FOR=f"{REFUSED_FOR}s", WORKERS="2", REQUEST_TIMEOUT="30s")
    sandbox.behave(gateway="unauthorized")
    crowd = people.some(20)
    replies = together(len(crowd), lambda index: server.ask(crowd[index]))
    assert {reply.code for reply in replies} == {"upstream_refused_credential"}
    marked = Desk(server).balance()["credentials"][0]
    assert marked["mark"] == "unauthorized"
    received, begin = sandbox.calls(), time.monotonic()
    for person in people.some(20):
        assert server.ask(person).code == "upstream_refused_credential"
    probes = 1 + (time.monotonic() - begin) / REFUSED_FOR
    assert sandbox.calls() - received <= probes, "they were told without asking"
    sandbox.reset()

    def answered():
        reply = server.ask(people.one())
        return reply.status == 200
    wait_until(answered, 20, "the code is tried again")
    wait_until(lambda: Desk(server).balance()["credentials"][0]["mark"] is None, 20, "no mark")
    assert [line["action"] for line in lines(Desk(server), kind="credential")] == ["mark", "clear"]
