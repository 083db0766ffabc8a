"""One question, one call: however many ask at once, wherever their connections ended up."""

import collections

import pytest
from harness import read_answer, send_question, together, wait_until_read

COUNT = 200


def ask_on(connections, person, **wishes):
    for connection in connections:
        send_question(connection, person, **wishes)


def close(connections):
    for connection in connections:
        connection.close()


@pytest.mark.parametrize("memory", ["0", "1000"])
def test_200_at_once_over_4_workers_are_one_call(start, sandbox, people, memory):
    server = start(WORKERS="4", CACHE_MEMORY_ENTRIES=memory, REQUEST_TIMEOUT="30s")
    person = people.one()
    sandbox.behave(mobile=person.mobile, hang=True, calls=1)
    connections = [server.connect() for _ in range(COUNT)]
    ask_on(connections, person)
    sandbox.wait_for_hanging(1)
    wait_until_read(server)
    sandbox.release()
    replies = [read_answer(connection, person) for connection in connections]
    close(connections)
    assert sandbox.calls() == 1 and server.states() == {"settled": 1}
    assert [reply.json["result"] for reply in replies] == ["match"] * COUNT
    assert sum(reply.json["billed"] for reply in replies) == 1
    told = collections.Counter(reply.cache_status.split("ttl=")[0] for reply in replies)
    assert told["sanyao; fwd=miss; stored"] == 1
    assert told["sanyao; fwd=miss; collapsed"] > COUNT / 2, "they waited for the one"
    assert len({reply.json["traceId"] for reply in replies}) == 1


def test_without_a_pause_they_are_one_call_each(start, sandbox, people):
    """Many questions, each asked by several at once, with nothing that holds the calls."""
    server = start(WORKERS="4")
    crowd = people.some(10)

    def ask(index):
        return server.ask(crowd[index % len(crowd)])

    replies = together(40, ask)
    assert all(reply.status == 200 for reply in replies)
    assert sandbox.calls() == len(crowd)
    assert sum(reply.json["billed"] for reply in replies) == len(crowd)


def test_other_questions_of_one_number_are_other_questions(start, sandbox, people):
    server = start()
    person = people.one()
    other = person.but(name=people.one().name)
    replies = together(8, lambda index: server.ask((person, other)[index % 2]))
    assert sum(reply.json["billed"] for reply in replies) == 2
    assert sandbox.calls(mobile=person.mobile) == 2


FAILURES = [
    ({"gateway": "invalid-appcode"}, "upstream_refused_credential", False),
    ({"gateway": "quota-exhausted"}, "package_exhausted", False),
    ({"gateway": "throttled"}, "upstream_unavailable", False),
    ({"reply": "html"}, "upstream_invalid_reply", True),
    ({"cut": "request"}, "upstream_unavailable", "unknown"),
]


@pytest.mark.parametrize("behaviour, code, billed", FAILURES, ids=lambda v: str(v))
def test_the_leaders_failure_reaches_the_others(start, sandbox, people, behaviour, code, billed):
    server = start(WORKERS="4", REQUEST_TIMEOUT="30s")
    person = people.one()
    sandbox.behave(mobile=person.mobile, hang=True, calls=1, **behaviour)
    connections = [server.connect() for _ in range(50)]
    ask_on(connections, person)
    sandbox.wait_for_hanging(1)
    wait_until_read(server)
    sandbox.release()
    replies = [read_answer(connection, person) for connection in connections]
    close(connections)
    failed = [reply for reply in replies if reply.code == code]
    # A refused AppCode is marked, and those of other workers ask anew: some before the mark is there.
    marked = code in ("upstream_refused_credential", "package_exhausted")
    assert len(failed) > (0 if marked else 25) and all(reply.code in (code, None) for reply in replies)
    told = collections.Counter(reply.json["billed"] for reply in failed)
    assert told[billed] >= 1 and told[False] >= len(failed) - 1
    assert sandbox.calls() <= 2, "those who came too late ask anew, together"


def test_a_wish_for_a_new_answer_joins_the_call_under_way(start, sandbox, people):
    server = start(WORKERS="2", REQUEST_TIMEOUT="30s")
    person = people.one()
    sandbox.behave(mobile=person.mobile, hang=True, calls=1)
    connections = [server.connect() for _ in range(20)]
    ask_on(connections, person, cache_control="no-cache")
    sandbox.wait_for_hanging(1)
    wait_until_read(server)
    sandbox.release()
    replies = [read_answer(connection, person) for connection in connections]
    close(connections)
    assert all(reply.json["source"] == "upstream" for reply in replies)
    assert sandbox.calls() == sum(reply.json["billed"] for reply in replies) <= 2


def test_only_if_cached_waits_for_nobody(start, sandbox, people):
    server = start()
    person = people.one()
    sandbox.behave(mobile=person.mobile, hang=True)
    with server.connect() as connection:
        send_question(connection, person)
        sandbox.wait_for_hanging(1)
        assert server.ask(person, "only-if-cached").code == "not_cached"
        sandbox.release()
        assert read_answer(connection, person).status == 200
