"""Requests that two servers could read in two ways are refused, and the connection ends there."""

import json

import pytest
from harness import Closed, note

SMUGGLED = b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Request-Id: smuggled\r\n\r\n"


def shape(*lines, start=b"POST /verify HTTP/1.1", body=b"0\r\n\r\n"):
    return b"\r\n".join([start, *lines, b"", b""]) + body


SHAPES = {
    "length and chunked": shape(
        b"Host: x", b"Content-Length: 5", b"Transfer-Encoding: chunked"
    ),
    "chunked and length": shape(
        b"Host: x", b"Transfer-Encoding: chunked", b"Content-Length: 5"
    ),
    "two lengths": shape(b"Host: x", b"Content-Length: 5", b"Content-Length: 6"),
    "two equal lengths": shape(b"Host: x", b"Content-Length: 5", b"content-length: 5"),
    "two hosts": shape(b"Host: x", b"Host: y", b"Content-Length: 5"),
    "two equal hosts": shape(b"Host: x", b"host: x", b"Content-Length: 5"),
    "gzip, chunked": shape(b"Host: x", b"Transfer-Encoding: gzip, chunked"),
    "gzip and chunked": shape(
        b"Host: x", b"Transfer-Encoding: gzip", b"Transfer-Encoding: chunked"
    ),
    "chunked twice": shape(
        b"Host: x", b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"
    ),
    "identity": shape(b"Host: x", b"Transfer-Encoding: identity"),
    "xchunked": shape(b"Host: x", b"Transfer-Encoding: xchunked"),
    "no host": shape(b"Content-Length: 5"),
    "no host, no body": shape(start=b"GET /healthz HTTP/1.1", body=b""),
    "length of a GET and chunked": shape(
        b"Host: x", b"Content-Length: 5", b"Transfer-Encoding: chunked",
        start=b"GET /healthz HTTP/1.1",
    ),
}


# Some shapes are refused by libmicrohttpd itself (more of them by version 1.0), in its own words: not
# a problem of ours, and 0.9.75 repeats the head where its body should begin.
REFUSALS = ("malformed_request", None)


def assert_the_end(connection):
    """Nothing that was sent behind is served, and the connection is closed."""
    connection.socket.settimeout(5)
    rest = connection.pending
    try:
        while data := connection.socket.recv(65536):
            rest += data
    except ConnectionError:
        pass
    assert b"X-Request-Id" not in rest


@pytest.mark.parametrize("name", SHAPES)
def test_a_request_of_two_readings(shared, name):
    raw = SHAPES[name]
    method, target = raw.split(b" ")[:2]
    with shared.connect() as connection:
        connection.send_raw(raw + SMUGGLED, method.decode(), target.decode())
        reply = connection.read()
        assert reply.status == 400
        assert reply.closes and reply.code in REFUSALS
        assert_the_end(connection)


LENIENT = {
    "a space before the colon": b"Content-Length : 5",
    "a plus": b"Content-Length: +5",
    "a minus": b"Content-Length: -5",
    "hexadecimal": b"Content-Length: 0x5",
    "a list": b"Content-Length: 5, 5",
    "a huge length": b"Content-Length: 99999999999999999999999",
    "a folded coding": b"Transfer-Encoding:\r\n chunked",
    "a folded coding and a length": b"Transfer-Encoding:\r\n chunked\r\nContent-Length: 5",
    "a length and a folded coding": b"Content-Length: 5\r\nTransfer-Encoding:\r\n\tchunked",
    "a coding behind a fold": b"Transfer-Encoding: chunked\r\n gzip",
    "a folded length": b"Content-Length:\r\n 5",
    "a tab": b"Transfer-Encoding:\tgzip",
}


@pytest.mark.parametrize("name", LENIENT)
def test_a_strange_length_smuggles_nothing(shared, name):
    """Refused in whatever words: what follows is never served as a request of its own."""
    with shared.connect() as connection:
        connection.send_raw(
            shape(b"Host: x", b"Content-Type: application/json", LENIENT[name]) + SMUGGLED,
            "POST", "/verify",
        )
        reply = connection.read()
        assert reply.status in (400, 413) and reply.header("X-Request-Id") != "smuggled"
        assert_the_end(connection)


def test_http_1_0_needs_no_host(shared):
    with shared.connect() as connection:
        connection.send_raw(b"GET /healthz HTTP/1.0\r\n\r\n", "GET", "/healthz")
        assert connection.read().status == 200
        assert connection.is_closed()


@pytest.mark.parametrize("raw", [b"GET\r\n\r\n", b"GET / FTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\0\1\0\r\n\r\n"])
def test_what_is_no_http_is_refused(shared, raw):
    with shared.connect() as connection:
        connection.socket.settimeout(5)
        connection.send_raw(raw, "GET", "/healthz")
        try:
            assert 400 <= connection.read_unjudged().status <= 505
        except Closed:
            pass
    assert shared.request("GET", "/healthz").status == 200


def test_a_right_request_keeps_the_connection(shared, people):
    person = people.one()
    note(person)
    body = json.dumps(person.question()).encode()
    chunked = (
        b"POST /verify HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Transfer-Encoding: Chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    )
    with shared.connect() as connection:
        connection.send_raw(chunked + SMUGGLED, "POST", "/verify")
        connection.asked.append(("GET", "/healthz"))
        assert connection.read().status == 200
        assert connection.read().header("X-Request-Id") == "smuggled", "pipelined, not smuggled"
