"""SIGTERM: nothing new, everything begun is finished and stored, exit 0. A second one ends at once."""

import signal
import socket

import pytest
from harness import Closed, Connection, read_answer, send_question, wait_until, wait_until_read


def refuses(port):
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2):
            return False
    except OSError:
        return True


def wait_for_draining(server):
    wait_until(
        lambda: refuses(server.port) or server.process.poll() is not None, 10,
        "the end of listening",
    )


def hang(sandbox, server, person, count=1):
    """Connections that wait for a call about this person."""
    sandbox.behave(mobile=person.mobile, hang=True)
    connections = [server.connect() for _ in range(count)]
    for connection in connections:
        send_question(connection, person)
    sandbox.wait_for_hanging(1)
    wait_until_read(server)
    return connections


def test_an_idle_server_ends_at_once(start):
    server = start()
    with server.connect() as idle:
        assert idle.request("GET", "/healthz").status == 200
        server.signal()
        assert server.wait(timeout=5) == 0
        assert idle.is_closed()
    server.process = None


@pytest.mark.parametrize("workers", ["1", "4"])
def test_a_call_in_flight_is_finished_answered_and_stored(start, sandbox, people, workers):
    server = start(WORKERS=workers, REQUEST_TIMEOUT="30s", DRAIN_TIMEOUT="30s")
    person = people.one()
    connections = hang(sandbox, server, person, 20)
    server.signal()
    wait_for_draining(server)
    sandbox.release()
    for connection in connections:
        assert read_answer(connection, person).json["result"] == "match"
        assert connection.is_closed()
    assert server.wait() == 0
    assert server.states() == {"settled": 1} and sandbox.calls() == 1
    server.start()
    assert server.ask(person, "only-if-cached").json["source"] == "cache"


def test_a_call_whose_callers_left_is_finished_and_stored(start, sandbox, people):
    server = start(REQUEST_TIMEOUT="30s", DRAIN_TIMEOUT="30s")
    person = people.one()
    connection, = hang(sandbox, server, person)
    connection.close()
    server.signal()
    wait_for_draining(server)
    assert server.process.poll() is None, "it waits for the call"
    sandbox.release()
    assert server.wait() == 0
    server.start()
    assert server.ask(person, "only-if-cached").json["source"] == "cache"


def test_what_is_known_is_served_while_draining_and_nothing_new_is_asked(start, sandbox, people):
    server = start(WORKERS="1", REQUEST_TIMEOUT="30s", DRAIN_TIMEOUT="30s")
    known, new, pending = people.some(3)
    server.ask(known)
    early = [server.connect() for _ in range(4)]
    for connection in early:
        connection.request("GET", "/healthz")
    admin = Connection(server.admin_port, "admin")
    connections = hang(sandbox, server, pending)
    # Before the signal, a first half of each request is sent, so that the connections are busy.
    halves = [first_half(connection, person) for connection, person in zip(early, (known, new))]
    early[2].socket.sendall(b"GET /readyz HTTP/1.1\r\n")
    wait_until_read(server)
    server.signal()
    wait_for_draining(server)
    for connection, half in zip(early, halves):
        connection.socket.sendall(half)
    early[2].send_raw(b"Host: x\r\n\r\n", "GET", "/readyz")
    assert read_answer(early[0], known).json["source"] == "cache"
    refused = read_answer(early[1], new)
    assert (refused.status, refused.code, refused.json["billed"]) == (503, "shutting_down", False)
    ready = early[2].read()
    assert (ready.status, ready.json["checks"]["process"]) == (503, "draining")
    sandbox.release()
    assert read_answer(connections[0], pending).status == 200
    assert server.wait() == 0
    admin.close()
    assert sandbox.calls(mobile=new.mobile) == 0


def first_half(connection, person):
    """Sends the first half of a question; returns the rest."""
    sent = []

    class Recorder:
        sendall = staticmethod(sent.append)

    real, connection.socket = connection.socket, Recorder
    send_question(connection, person)
    connection.socket = real
    whole = b"".join(sent)
    real.sendall(whole[: len(whole) // 2])
    return whole[len(whole) // 2:]


@pytest.mark.parametrize("callers", [1, 5])
def test_a_drain_that_takes_too_long_ends(start, sandbox, people, callers):
    """One caller keeps one worker; the other has ended by then."""
    server = start(REQUEST_TIMEOUT="30s", DRAIN_TIMEOUT="1s", UPSTREAM_TIMEOUT="60s")
    person = people.one()
    connections = hang(sandbox, server, person, callers)
    server.signal()
    server.wait(timeout=15)
    for connection in connections:
        with pytest.raises((Closed, AssertionError)):
            assert connection.read().status == 200
    sandbox.release()
    server.start()
    assert server.states() == {"unknown": 1}, "sent, and no answer seen"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_at_once(start, sandbox, people, number):
    server = start(REQUEST_TIMEOUT="60s", DRAIN_TIMEOUT="60s", UPSTREAM_TIMEOUT="60s")
    person = people.one()
    connections = hang(sandbox, server, person, 10)
    server.signal(number)
    wait_for_draining(server)
    assert server.process.poll() is None
    server.signal(number)
    server.wait(timeout=5)
    for connection in connections:
        with pytest.raises((Closed, AssertionError)):
            assert connection.read().status == 200
    sandbox.release()
    server.start()
    assert server.states() == {"unknown": 1}
    assert server.ask(person, "only-if-cached").code == "not_cached"


def test_a_port_that_is_taken_is_said_so(start, place):
    server = start()
    other = start
    with pytest.raises(AssertionError):
        other(LISTEN=f"127.0.0.1:{server.port}", ADMIN_LISTEN="")


def test_a_store_that_is_taken_is_said_so(start):
    server = start()
    with pytest.raises(AssertionError):
        start(STORE_URL="sqlite:" + server.database)
