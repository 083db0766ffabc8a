"""Connections: as many as you like, all busy at once, alone, slow, leaving early."""

import itertools
import selectors
import signal
import socket
import time

import pytest
from harness import Server, has_reply, read_answer, send_question, wait_until, wait_until_read

ROUNDS = 5
COUNTS = [127, 128, 129, 255, 256, 257, 384]


@pytest.fixture(scope="module")
def lone_worker(module_place, module_sandbox):
    """All connections on one loop: the library's event array is of 128."""
    server = Server(
        module_place + "/lone", module_sandbox.url, WORKERS="1", MAX_CONNECTIONS="2000",
        REQUEST_TIMEOUT="30s", NUMBER_LIMIT_MAX_CALLS="1000000",
    )
    with server:
        server.sandbox = module_sandbox
        yield server


class Stopped:
    """While the process is stopped, what is sent to it piles up and arrives all at one moment."""

    def __init__(self, server):
        self.server = server

    def __enter__(self):
        self.server.signal(signal.SIGSTOP)

    def __exit__(self, *_):
        self.server.signal(signal.SIGCONT)


def answers_of(connections):
    """The next reply of each connection, in whatever order they come; none may be later than 10 s."""
    deadline = time.monotonic() + 10
    replies = {}
    with selectors.DefaultSelector() as selector:
        for index, connection in enumerate(connections):
            selector.register(connection.socket, selectors.EVENT_READ, index)
        while len(replies) < len(connections):
            ready = selector.select(max(0.0, deadline - time.monotonic()))
            assert ready, f"{len(connections) - len(replies)} of {len(connections)} got no answer"
            for key, _ in ready:
                replies[key.data] = connections[key.data].read()
                selector.unregister(key.fileobj)
    return [replies[index] for index in range(len(connections))]


def close(connections):
    for connection in connections:
        connection.close()


@pytest.mark.parametrize("count", COUNTS)
def test_all_connections_busy_at_once(lone_worker, people, count):
    person = people.one()
    lone_worker.ask(person)
    connections = [lone_worker.connect() for _ in range(count)]
    for _ in range(ROUNDS):
        with Stopped(lone_worker):
            for connection in connections:
                send_question(connection, person)
        assert all(reply.json["source"] == "cache" for reply in answers_of(connections))
    close(connections)


@pytest.mark.parametrize("count", [128, 256])
def test_all_connections_waiting_at_once(lone_worker, people, count):
    """Suspended and resumed together: each asks for somebody else who is not known yet."""
    connections = [lone_worker.connect() for _ in range(count)]
    everybody = people.mixed()
    for _ in range(2):
        crowd = list(itertools.islice(everybody, count))
        with Stopped(lone_worker):
            for connection, person in zip(connections, crowd):
                send_question(connection, person)
        replies = answers_of(connections)
        for reply, person in zip(replies, crowd):
            assert reply.json["billed"] is True and reply.json["mobile"] == person.masked()["mobile"]
    close(connections)


def test_one_answer_for_all_connections(lone_worker, people):
    person = people.one()
    lone_worker.sandbox.behave(mobile=person.mobile, hang=True, calls=1)
    connections = [lone_worker.connect() for _ in range(256)]
    for connection in connections:
        send_question(connection, person)
    lone_worker.sandbox.wait_for_hanging(1)
    wait_until_read(lone_worker)
    lone_worker.sandbox.release()
    assert sum(reply.json["billed"] for reply in answers_of(connections)) == 1
    close(connections)


@pytest.mark.parametrize("memory", ["0", "1000"])
def test_a_lone_client_waits_for_nobody(start, people, memory):
    """On a server with nothing else to do an answer that came late would wait for the next event or
    a timer of a second; ten in a row would take ten."""
    server = start(WORKERS="1", CACHE_MEMORY_ENTRIES=memory)
    crowd = people.some(10)
    with server.connect() as connection:
        for _ in range(2):
            begin = time.monotonic()
            for person in crowd:
                send_question(connection, person)
                assert read_answer(connection, person).status == 200
            assert time.monotonic() - begin < 5


def test_an_idle_connection_is_closed_and_a_waiting_one_is_not(start, sandbox, people):
    server = start(IDLE_TIMEOUT="1s", REQUEST_TIMEOUT="30s")
    person = people.one()
    sandbox.behave(mobile=person.mobile, hang=True)
    with server.connect() as waiting, server.connect() as idle:
        send_question(waiting, person)
        sandbox.wait_for_hanging(1)
        assert idle.is_closed(timeout=10)
        sandbox.release()
        assert read_answer(waiting, person).json["source"] == "upstream"


def test_a_request_may_come_byte_by_byte(shared, people):
    person = people.one()
    with shared.connect() as slow:
        sent = []
        real, slow.socket = slow.socket, Recorder(sent)
        send_question(slow, person)
        slow.socket = real
        for byte in b"".join(sent):
            slow.socket.sendall(bytes([byte]))
        assert read_answer(slow, person).status == 200


class Recorder:
    def __init__(self, sent):
        self.sent = sent

    def sendall(self, data):
        self.sent.append(data)


def test_requests_may_come_before_the_replies_are_read(shared, people):
    crowd = people.some(20)
    with shared.connect() as connection:
        for person in crowd:
            send_question(connection, person)
        for person in crowd:
            assert read_answer(connection, person).json["source"] == "upstream"


def test_a_caller_that_closed_its_half_still_gets_its_answer(shared, people):
    person = people.one()
    with shared.connect() as connection:
        send_question(connection, person)
        connection.socket.shutdown(socket.SHUT_WR)
        assert read_answer(connection, person).status == 200
        assert connection.is_closed()


@pytest.mark.parametrize("leave", ["close", "reset"])
def test_a_caller_that_leaves_does_not_take_the_call_along(start, sandbox, people, leave):
    server = start(WORKERS="1", REQUEST_TIMEOUT="30s")
    person = people.one()
    sandbox.behave(mobile=person.mobile, hang=True)
    connection = server.connect()
    send_question(connection, person)
    sandbox.wait_for_hanging(1)
    getattr(connection, leave)()
    assert server.request("GET", "/healthz").status == 200
    sandbox.release()
    wait_until(lambda: server.states() == {"settled": 1}, 10, "the answer's arrival")
    reply = server.ask(person)
    assert reply.json["source"] == "cache" and sandbox.calls() == 1


def test_callers_that_leave_do_not_disturb_those_who_stay(start, sandbox, people):
    server = start(WORKERS="2", REQUEST_TIMEOUT="30s")
    person = people.one()
    sandbox.behave(mobile=person.mobile, hang=True)
    connections = [server.connect() for _ in range(40)]
    for connection in connections:
        send_question(connection, person)
    sandbox.wait_for_hanging(1)
    wait_until_read(server)
    for connection in connections[::2]:
        connection.reset()
    sandbox.release()
    for connection in connections[1::2]:
        assert read_answer(connection, person).json["result"] == "match"
    close(connections[1::2])
    assert sandbox.calls() == 1


def test_a_caller_that_leaves_in_the_middle_of_its_request(shared, people):
    before = shared.sandbox.calls()
    for cut in (10, 60, 150):
        connection = shared.connect()
        sent = []
        real, connection.socket = connection.socket, Recorder(sent)
        send_question(connection, people.one())
        connection.socket = real
        connection.socket.sendall(b"".join(sent)[:cut])
        connection.reset()
    assert shared.request("GET", "/healthz").status == 200
    assert shared.sandbox.calls() == before


def test_at_the_limit_of_connections_the_others_wait_until_there_is_room(start):
    """libmicrohttpd stops watching its listening socket at the limit; it must watch it again."""
    limit = 16
    server = start(WORKERS="1", MAX_CONNECTIONS=limit)
    connections = [server.connect() for _ in range(2 * limit)]
    for connection in connections:
        connection.send("GET", "/healthz")
    wait_until(lambda: sum(map(has_reply, connections)) == limit, 10, "the first answers")
    served = [connection for connection in connections if has_reply(connection)]
    waiting = [connection for connection in connections if connection not in served]
    with Stopped(server):  # so that they end in one turn of the loop, after which nothing happens
        for connection in served:
            assert connection.read().status == 200
            connection.close()
    for connection in waiting:
        assert connection.read().status == 200
        connection.close()
    assert server.request("GET", "/healthz").status == 200
