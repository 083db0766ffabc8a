"""POST /verify/batch: many questions in one request, bounded in everything."""

import json
import signal
import socket
import time

import pytest
from bulk import (NDJSON, Told, ask_batch, body_of, post_batch, questions, send_batch, send_chunked)
from desk import Desk, bearer, start_on_either, used_by
from harness import BATCH, Closed, wait_until
from test_drain import wait_for_draining
from test_ledger_export import is_sanitized, memory_kib

MALFORMED = "malformed_request"


@pytest.fixture(params=["sqlite", "redis"])
def either(request, start):
    """either(**settings): a server on each kind of store; one that stands still for a moment on a busy
    machine is not away."""
    return lambda **settings: start_on_either(request, start, STORE_TIMEOUT="5s", **settings)


def metric(server, family, label=""):
    """The sum of a family over its labels, of which one may be given."""
    lines = server.admin("GET", "/metrics").body.decode().splitlines()
    found = (line for line in lines if line.startswith(family) and label in line)
    return sum(int(line.rsplit(" ", 1)[1]) for line in found)


class Coming:
    """The reply that is still coming, line by line."""

    def __init__(self, connection):
        assert connection.take_until(b"\r\n\r\n").startswith(b"HTTP/1.1 200")
        self.chunks = connection.chunks()
        self.pending = b""

    def line(self):
        while b"\n" not in self.pending:
            self.pending += next(self.chunks)
        line, self.pending = self.pending.split(b"\n", 1)
        return json.loads(line)

    def lines(self, count):
        return [self.line() for _ in range(count)]


# --- what is asked and told ---


def test_each_line_has_its_own_answer(either, people, sandbox):
    server = either()
    match, mismatch, known = people.one(), people.one("002"), people.one()
    server.ask(known)
    impossible = people.one().but(id_card="110000194912310007")
    lines = questions([match, mismatch, known, impossible])
    told = ask_batch(server, lines)
    assert [told[number]["result"] for number in (1, 2, 3, 4)] == [
        "match", "mismatch", "match", "invalid_id_card"]
    assert [told[number]["source"] for number in (1, 2, 3, 4)] == [
        "upstream", "upstream", "cache", "local"]
    assert [told[number]["billed"] for number in (1, 2, 3, 4)] == [True, True, False, False]
    for number, person in ((1, match), (2, mismatch), (3, known)):
        assert {member: told[number][member] for member in person.masked()} == person.masked()
    assert told.end == {"done": True, "lines": 4, "answered": 4, "failed": 0, "billed": 2}
    assert sandbox.calls() == 3 == len(server.rows())
    again = ask_batch(server, lines)
    assert again.end["billed"] == 0 and again[1]["source"] == "cache"


def test_what_is_asked_twice_is_one_call(either, people, sandbox):
    server = either(BATCH_CONCURRENCY="8")
    person, other = people.some(2)
    sandbox.behave(mobile=person.mobile, latencyMs=300)
    told = ask_batch(server, questions([person] * 20 + [other] + [person]))
    assert told.end == {"done": True, "lines": 22, "answered": 22, "failed": 0, "billed": 2}
    assert sandbox.calls(mobile=person.mobile) == 1 and sandbox.calls() == 2


def test_ids_come_back_as_they_were_written(shared, people):
    person = people.one()
    given = ['"a"', '""', "7", "-0.10e+5", '"\\u0041\\n"', '"张"', '"' + "x" * 128 + '"', "9" * 128,
             '"\\u0000"', '" "']
    text = json.dumps(questions([person])[0])
    lines = [text.replace('"id": 0', f'"id" : {value}') for value in given]
    reply = post_batch(shared, lines)
    raw = reply.body.decode()
    for number, value in enumerate(given, 1):
        assert f'{{"line":{number},"id":{value},' in raw
    assert "id" not in ask_batch(shared, [person.question()])[1]


def test_an_id_that_tells_who_is_meant_goes_back_and_nowhere_else(start, people):
    """What is left at rest is searched for it at the end of the run."""
    server = start(LOG_LEVEL="debug")
    person = people.one()
    lines = [{**line, "id": value} for value in (person.mobile, person.id_card, person.name)
             for line in questions([person])]
    told = ask_batch(server, lines + [{"id": person.mobile}])
    assert [told[number]["id"] for number in (1, 2, 3, 4)] == [
        person.mobile, person.id_card, person.name, person.mobile]
    assert told.codes() == {4: MALFORMED}


@pytest.mark.parametrize("value", ["null", "true", "{}", "[1]", '"' + "x" * 129 + '"', "9" * 129, "01"])
def test_what_is_no_id_is_refused_and_not_repeated(shared, people, value):
    text = json.dumps(questions([people.one()])[0]).replace('"id": 0', f'"id":{value}')
    line = ask_batch(shared, [text])[1]
    assert line["error"]["code"] == MALFORMED and "id" not in line


def test_a_bad_line_is_its_own_error(shared, people):
    good, other = people.some(2)
    whole = questions([good])[0]
    bad = [
        "{", "[]", "null", "x", '"text"', json.dumps(whole) + "{}", json.dumps(whole)[:-1],
        {**whole, "extra": 1}, {"id": "kept", "name": good.name}, {**whole, "mobile": 1},
        json.dumps(whole)[:-1] + ',"id":1}', json.dumps(whole)[:-1] + ',"name":"x"}',
        {**whole, "name": "x" * 257}, json.dumps({**whole, "name": "x\0"}), "\udcff", "\ufeff{}",
        json.dumps(whole)[:-1] + " " * (16 * 1024) + "}",
    ]
    told = ask_batch(shared, [*questions([good]), *bad, *questions([other])])
    last = len(bad) + 2
    assert set(told.codes()) == set(range(2, last)) and told.count(MALFORMED) == len(bad)
    assert told[1]["result"] == told[last]["result"] == "match"
    assert told[10]["id"] == "kept" and told[10]["error"]["detail"] == 'The field "idCard" is missing.'
    assert all(line["error"]["billed"] is False for line in map(told.__getitem__, told.codes()))
    assert told[last - 1]["error"]["detail"] == "A line has at most 16 KiB."
    assert told.end["lines"] == last and told.end["failed"] == len(bad)


def test_blank_lines_are_counted_and_not_answered(shared, people):
    first, last = questions(people.some(2))
    told = ask_batch(shared, ["", first, " \t\r", "", json.dumps(last) + "\r", "", ""])
    assert sorted(told.by_line) == [2, 5]
    assert told.end == {"done": True, "lines": 7, "answered": 2, "failed": 0, "billed": 2}


def test_the_last_line_need_not_end(shared, people):
    body = body_of(questions(people.some(2)))[:-1]
    told = Told(shared.request("POST", BATCH, NDJSON, body))
    assert told.end["lines"] == told.end["answered"] == 2


@pytest.mark.parametrize("body", [b"", b"\n", b"\n \n"])
def test_an_empty_batch_is_a_batch(shared, body):
    told = Told(shared.request("POST", BATCH, NDJSON, body))
    assert told.end == {"done": True, "lines": body.count(b"\n"), "answered": 0, "failed": 0, "billed": 0}


def test_a_batch_of_unknown_length_is_chunked(shared, people):
    with shared.connect() as connection:
        send_chunked(connection, questions(people.some(30)))
        assert Told(connection.read()).end["answered"] == 30
        send_batch(connection, questions(people.some(3)))
        assert Told(connection.read()).end["answered"] == 3, "the connection is good for another one"


@pytest.mark.longest
def test_a_thousand_lines(either, people, sandbox):
    server = either(BATCH_CONCURRENCY="64", UPSTREAM_RETRIES="0", NUMBER_LIMIT_MAX_CALLS="1000000")
    crowd = people.mixed()
    lines = questions([next(crowd) for _ in range(1000)])
    for billed in (1000, 0):
        told = ask_batch(server, lines, timeout=120)
        assert told.codes() == {}
        assert told.end == {"done": True, "lines": 1000, "answered": 1000, "failed": 0, "billed": billed}
        assert all(told[number]["id"] == number - 1 for number in range(1, 1001))
    assert sandbox.calls() == 1000


def test_answers_come_as_they_are_there(start, people, sandbox):
    server = start(REQUEST_TIMEOUT="30s")
    slow, quick = people.one(), people.some(3)
    sandbox.behave(mobile=slow.mobile, hang=True)
    with server.connect() as connection:
        send_batch(connection, questions([slow, *quick]))
        coming = Coming(connection)
        assert sorted(line["line"] for line in coming.lines(3)) == [2, 3, 4]
        sandbox.release()
        assert coming.line()["line"] == 1 and coming.line()["done"]


# --- the request as a whole ---


@pytest.mark.parametrize("kind", ["application/x-ndjson", "application/ndjson", "application/jsonl",
                                  "application/x-ndjson; charset=utf-8", "APPLICATION/JSONL"])
def test_it_has_three_names(shared, people, kind):
    body = body_of(questions([people.one()]))
    assert Told(shared.request("POST", BATCH, [("Content-Type", kind)], body)).end["answered"] == 1


@pytest.mark.parametrize("kind", [None, "application/json", "text/plain", "application/x-ndjsonx"])
def test_another_type_is_refused(shared, kind):
    headers = [("Content-Type", kind)] if kind else []
    reply = shared.request("POST", BATCH, headers, b"")
    assert (reply.status, reply.code) == (415, "unsupported_media_type")
    assert "application/x-ndjson" in reply.json["detail"]


@pytest.mark.parametrize("method", ["GET", "PUT", "HEAD", "DELETE"])
def test_other_methods_are_refused(shared, method):
    assert shared.request(method, BATCH).status == 405


def test_who_has_no_key_is_turned_away_before_the_body_is_read(start, people, sandbox):
    server = start(AUTH="keys")
    desk = Desk(server)
    key = desk.add_client("bulk")
    lines = questions(people.some(2))
    for headers in ([], bearer(key[:-1]), bearer("sy_nobody_" + key.rsplit("_", 1)[1])):
        reply = post_batch(server, lines, headers)
        assert (reply.status, reply.code) == (401, "unauthenticated") and reply.closes
    desk.set_client("bulk", disabled=True)
    assert post_batch(server, lines, bearer(key)).code == "client_disabled"
    assert sandbox.calls() == 0
    desk.set_client("bulk", disabled=False)
    assert ask_batch(server, lines, bearer(key)).end["answered"] == 2
    assert used_by(server.rows(), "client") == {"bulk": 2}


def test_too_many_lines_are_refused_whole(start, people, sandbox):
    server = start(BATCH_MOST_LINES="3")
    lines = questions(people.some(4))
    for send in (send_batch, send_chunked):
        with server.connect() as connection:
            send(connection, lines)
            reply = connection.read()
            assert (reply.status, reply.code, reply.json["billed"]) == (413, "body_too_large", False)
            assert reply.json["detail"] == "A batch has at most 3 lines."
            send(connection, lines[:3])
            assert Told(connection.read()).end["answered"] == 3, "the connection goes on"
    assert sandbox.calls() == 3


def test_a_body_beyond_its_bound_is_refused(shared, people):
    before = shared.sandbox.calls()
    line = questions([people.one()])[0]
    with shared.connect() as connection:
        head = f"POST /verify/batch HTTP/1.1\r\nHost: x\r\n{NDJSON[0][0]}: {NDJSON[0][1]}\r\n"
        connection.send_raw(head.encode() + b"Content-Length: 1048577\r\n\r\n", "POST", BATCH)
        reply = connection.read()
        assert (reply.status, reply.code) == (413, "body_too_large") and reply.closes
    with shared.connect() as connection:
        send_chunked(connection, [line] + [" " * 8000] * 140)
        assert connection.read().code == "body_too_large"
    assert shared.sandbox.calls() == before


def test_who_sends_without_end_is_cut_off(shared):
    with shared.connect() as connection:
        head = f"POST /verify/batch HTTP/1.1\r\nHost: x\r\n{NDJSON[0][0]}: {NDJSON[0][1]}\r\n"
        connection.socket.sendall(head.encode() + b"Transfer-Encoding: chunked\r\n\r\n")
        with pytest.raises(OSError):
            for _ in range(1000):
                connection.socket.sendall(b"2000\r\n" + b" " * 8191 + b"\n\r\n")


def test_directives_hold_for_each_question(shared, people):
    sandbox = shared.sandbox
    known, new = people.some(2)
    shared.ask(known)
    before = sandbox.calls()
    cached = [("Cache-Control", "only-if-cached")]
    told = ask_batch(shared, questions([known, new]), cached)
    assert told[1]["source"] == "cache" and told.codes() == {2: "not_cached"}
    assert sandbox.calls() == before
    told = ask_batch(shared, questions([known, new]), [("Cache-Control", "no-cache")])
    assert told.end["billed"] == 2 == sandbox.calls() - before
    reply = post_batch(shared, questions([known]), [("Cache-Control", "max-age=x")])
    assert (reply.status, reply.code) == (400, MALFORMED)


def test_each_question_waits_as_long_as_was_preferred(start, people, sandbox):
    server = start(REQUEST_TIMEOUT="20s", UPSTREAM_TIMEOUT="30s")
    slow, quick = people.some(2)
    sandbox.behave(mobile=slow.mobile, hang=True)
    reply = post_batch(server, questions([slow, quick]), [("Prefer", "wait=1")])
    told = Told(reply)
    assert reply.header("Preference-Applied") == "wait=1"
    assert told.codes() == {1: "upstream_timeout"} and told[1]["error"]["billed"] == "unknown"
    assert told.end == {"done": True, "lines": 2, "answered": 1, "failed": 1, "billed": 2}
    sandbox.release()
    server.wait_for_states(settled=2)
    assert ask_batch(server, questions([slow])).end["billed"] == 0, "what was paid for is kept"


def test_who_may_not_refresh_is_refused_whole(start, people, sandbox):
    server = start(ANONYMOUS_REFRESH="false")
    reply = post_batch(server, questions([people.one()]), [("Cache-Control", "no-cache")])
    assert (reply.status, reply.code) == (403, "refresh_not_allowed") and sandbox.calls() == 0


def test_every_question_is_counted_as_if_it_were_alone(start, people):
    server = start()
    lines = questions([people.one(), people.one("002"), people.one().but(name="a")])
    ask_batch(server, lines)
    ask_batch(server, lines + ["{"])
    assert metric(server, "sanyao_requests_total", 'route="verify_batch"') == 7
    for source, count in (("upstream", 2), ("cache", 2), ("local", 2), ("none", 1)):
        assert metric(server, "sanyao_requests_total", f'source="{source}"') == count


def test_get_does_not_matter(start, people):
    assert ask_batch(start(GET="false"), questions([people.one()])).end["answered"] == 1


# --- money and rates ---


def test_a_used_up_quota_answers_exactly_what_it_bought(either, people, sandbox):
    server = either(AUTH="keys")
    desk = Desk(server)
    key = desk.add_client("bulk", dailyCalls=7)
    known = people.one()
    assert server.ask(known, headers=bearer(key)).status == 200
    told = ask_batch(server, questions([*people.some(20), known]), bearer(key))
    assert told.end == {"done": True, "lines": 21, "answered": 7, "failed": 14, "billed": 6}
    assert told.count("client_quota_exhausted") == 14 and told[21]["source"] == "cache"
    error = told[min(told.codes())]["error"]
    assert (error["limit"], error["used"], error["billed"]) == (7, 7, False)
    assert error["retryAfter"] > 0 and error["resetsAt"]
    assert sandbox.calls() == 7 and used_by(server.rows(), "client") == {"bulk": 7}


def test_a_package_is_not_overdrawn(either, people, sandbox):
    server = either()
    Desk(server).add_package("p", 5)
    told = ask_batch(server, questions(people.some(12)))
    assert told.end["billed"] == told.end["answered"] == 5 and told.count("package_exhausted") == 7
    assert sandbox.calls() == 5


def test_a_batch_waits_for_its_clients_rate(start, people, sandbox):
    server = start(AUTH="keys")
    desk = Desk(server)
    key = desk.add_client("bulk", requestsPerSecond=20, burst=5)
    begin = time.monotonic()
    told = ask_batch(server, questions(people.some(25)), bearer(key))
    took = time.monotonic() - begin
    assert told.end["answered"] == 25 and told.codes() == {}
    assert took > 0.9, "20 of them wait for a twentieth of a second each"


def test_a_question_that_gets_no_turn_in_its_time_is_refused(start, people, sandbox):
    server = start(AUTH="keys")
    key = Desk(server).add_client("bulk", requestsPerSecond=1, burst=2)
    lines = questions(people.some(4))
    told = ask_batch(server, lines, [*bearer(key), ("Prefer", "wait=0")])
    assert set(told.codes()) >= {3, 4} and told[3]["error"]["code"] == "rate_limited"
    assert told[3]["error"]["retryAfter"] == 1 and told[3]["id"] == 2
    assert told[3]["error"]["billed"] is False and told[3]["error"]["limit"] == 2
    assert sandbox.calls() <= 2


def test_a_limit_in_shadow_holds_nobody_up(start, people):
    server = start(AUTH="keys")
    key = Desk(server).add_client("bulk", requestsPerSecond=1, burst=1, shadow=True)
    begin = time.monotonic()
    assert ask_batch(server, questions(people.some(10)), bearer(key)).end["answered"] == 10
    assert time.monotonic() - begin < 5


def test_a_client_that_is_switched_off_meanwhile_asks_no_more(start, people, sandbox):
    server = start(AUTH="keys", BATCH_CONCURRENCY="2", REQUEST_TIMEOUT="30s", WORKERS="1")
    desk = Desk(server)
    key = desk.add_client("bulk")
    crowd = people.some(8)
    sandbox.behave(hang=True)
    with server.connect() as connection:
        send_batch(connection, questions(crowd), bearer(key))
        sandbox.wait_for_hanging(2)
        desk.set_client("bulk", disabled=True)
        sandbox.reset("behaviours")
        sandbox.release()
        told = Told(connection.read())
    assert told.end["answered"] == 2 and told.count("client_disabled") == 6
    assert sandbox.calls() == 2


# --- bounds ---


@pytest.mark.parametrize("most", [1, 5])
def test_no_more_are_under_way_than_the_setting_says(start, people, sandbox, most):
    server = start(BATCH_CONCURRENCY=str(most), REQUEST_TIMEOUT="60s", UPSTREAM_TIMEOUT="60s")
    crowd = people.some(4 * most)
    sandbox.behave(hang=True)
    with server.connect() as connection:
        send_batch(connection, questions(crowd))
        for asked in range(1, 5):
            sandbox.wait_for_calls(asked * most)
            sandbox.wait_for_hanging(most)
            assert sandbox.stats()["hanging"] == most and sandbox.calls() == asked * most
            if asked < 4:
                sandbox.release()
        sandbox.release()
        assert Told(connection.read()).end["answered"] == 4 * most


def test_who_does_not_read_makes_nothing_grow(start, sandbox):
    """Lines that cost nothing to send and much to refuse: whole, the replies would have 2.5 MB each."""
    server = start(WORKERS="1", BATCH_MOST_LINES="10000")
    stalled = [server.connect(60) for _ in range(20)]
    for connection in stalled[:2]:
        send_batch(connection, ["x"] * 10000)
    time.sleep(0.5)  # nothing tells when all that may grow has grown
    before = memory_kib(server)
    for connection in stalled[2:]:
        send_batch(connection, ["x"] * 10000)
    time.sleep(1)
    assert is_sanitized() or memory_kib(server) - before < 18 * 512
    assert server.request("GET", "/healthz").status == 200
    with stalled[0] as connection:
        assert Told(connection.read()).end["failed"] == 10000, "what was not read is still there"
    for connection in stalled:
        connection.close()


def test_nothing_is_asked_for_who_does_not_read(start, people, sandbox):
    """Ten thousand hits fill every buffer on the way; the call at the end is not made before they are
    read."""
    server = start(WORKERS="1", BATCH_MOST_LINES="10000")
    known, new = people.some(2)
    server.ask(known)
    line = json.dumps({"name": known.name, "idCard": known.id_card, "mobile": known.mobile},
                      ensure_ascii=False, separators=(",", ":"))
    lines = [line] * 9500 + questions([new])
    with server.connect(60) as connection:
        send_batch(connection, lines)
        time.sleep(1)
        assert sandbox.calls(mobile=new.mobile) == 0
        told = Told(connection.read())
        assert told.end["answered"] == 9501 and sandbox.calls(mobile=new.mobile) == 1


def test_so_many_batches_at_a_time_and_no_more(start, people):
    server = start(WORKERS="1")
    line = questions([people.one()])
    body = body_of(line)
    head = f"POST /verify/batch HTTP/1.1\r\nHost: x\r\n{NDJSON[0][0]}: {NDJSON[0][1]}\r\n"
    head = head.encode() + b"Content-Length: %d\r\n\r\n" % len(body)
    begun = [server.connect() for _ in range(64)]
    for connection in begun:
        connection.send_raw(head, "POST", BATCH)
    wait_until(lambda: post_batch(server, line).code == "overloaded", 10, "the refusal of one more")
    for connection in begun[:60]:
        connection.close()
    for connection in begun[60:]:
        connection.socket.sendall(body)
        assert Told(connection.read()).end["answered"] == 1
        connection.close()
    wait_until(lambda: post_batch(server, line).status == 200, 10, "room again")


# --- the end ---


@pytest.mark.parametrize("leave", ["close", "reset"])
def test_what_was_not_begun_is_not_asked_for_who_hangs_up(either, people, sandbox, leave):
    server = either(BATCH_CONCURRENCY="4", REQUEST_TIMEOUT="30s")
    crowd = people.some(20)
    sandbox.behave(hang=True)
    connection = server.connect()
    send_batch(connection, questions(crowd))
    sandbox.wait_for_hanging(4)
    getattr(connection, leave)()
    sandbox.reset("behaviours")
    sandbox.release()
    server.wait_for_states(settled=4)
    assert ask_batch(server, questions(crowd[:4]), [("Cache-Control", "only-if-cached")]).end["answered"] == 4
    assert sandbox.calls() == 4, "what was under way is kept, and nothing else was asked"


def test_who_closed_its_half_is_told_what_was_under_way_and_cut(start, people, sandbox):
    server = start(BATCH_CONCURRENCY="1", REQUEST_TIMEOUT="30s")
    sandbox.behave(hang=True)
    with server.connect() as connection:
        send_batch(connection, questions(people.some(3)))
        sandbox.wait_for_hanging(1)
        connection.socket.shutdown(socket.SHUT_WR)
        sandbox.reset("behaviours")
        sandbox.release()
        coming = Coming(connection)
        assert coming.line()["result"] == "match"
        with pytest.raises(Closed):
            coming.line()
    assert sandbox.calls() == 1


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_stop_ends_the_reply_as_it_should(start, people, sandbox, workers):
    server = start(WORKERS=workers, BATCH_CONCURRENCY="3", REQUEST_TIMEOUT="30s", DRAIN_TIMEOUT="30s")
    crowd = people.some(12)
    sandbox.behave(hang=True)
    with server.connect() as connection:
        send_batch(connection, questions(crowd))
        sandbox.wait_for_hanging(3)
        server.signal()
        wait_for_draining(server)
        sandbox.release()
        told = Told(connection.read())
    assert told.end == {"done": True, "lines": 12, "answered": 3, "failed": 9, "billed": 3}
    assert told.count("shutting_down") == 9 and told[12]["error"]["billed"] is False
    assert server.wait() == 0
    assert sandbox.calls() == 3 and server.states() == {"settled": 3}
    server.process = None


def test_a_stop_does_not_wait_for_a_rate(start, people, sandbox):
    server = start(AUTH="keys", WORKERS="1", DRAIN_TIMEOUT="30s")
    key = Desk(server).add_client("bulk", requestsPerSecond=1, burst=1)
    with server.connect() as connection:
        send_batch(connection, questions(people.some(100)), bearer(key))
        sandbox.wait_for_calls(1)
        server.signal(signal.SIGTERM)
        told = Told(connection.read())
    assert told.count("shutting_down") >= 97 and told.end["failed"] == told.count("shutting_down")
    assert server.wait(timeout=10) == 0
    server.process = None


def test_a_kill_in_the_middle_costs_no_answer_twice(start, people, sandbox):
    server = start(BATCH_CONCURRENCY="2", REQUEST_TIMEOUT="30s")
    quick, slow = people.some(4), people.one()
    sandbox.behave(mobile=slow.mobile, hang=True)
    lines = questions([*quick, slow])
    connection = server.connect()
    send_batch(connection, lines)
    coming = Coming(connection)
    coming.lines(4)
    sandbox.wait_for_hanging(1)
    server.kill()
    with pytest.raises(Closed):
        coming.line()
    sandbox.release()
    server.start()
    told = ask_batch(server, lines[:4])
    assert told.end["billed"] == 0 and told.end["answered"] == 4
