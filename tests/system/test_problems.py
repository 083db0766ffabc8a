"""Every problem code that can be reached, what it costs, and that it says nothing of the question."""

import json
import os
import sqlite3
import urllib.parse

import pytest
from desk import Desk
from harness import Server, note, query_of, read_answer, send_question, wait_until
from sandbox_control import Sandbox

POST = [("Content-Type", "application/json")]


def refusal(reply, status, code):
    assert (reply.status, reply.code) == (status, code)
    assert reply.json["billed"] is False
    return reply.json["detail"]


# --- malformed_request ---


def malformed_bodies():
    """(label, the field that must be named, what makes the body of a question)."""
    def whole(change):
        return lambda question: json.dumps(change(question)).encode()

    def text(change):
        return lambda question: change(json.dumps(question)).encode()

    yield "empty", None, lambda question: b""
    yield "no JSON", None, lambda question: b"name=x"
    yield "cut", None, lambda question: json.dumps(question).encode()[:-1]
    yield "bytes behind", None, text(lambda body: body + "x")
    yield "two objects", None, text(lambda body: body + body)
    yield "an array", None, whole(lambda question: [question])
    yield "a string", None, whole(lambda question: "x")
    yield "null", None, whole(lambda question: None)
    yield "an unknown member", None, whole(lambda question: {**question, "age": 1})
    yield "a member in capitals", None, whole(lambda question: {**question, "NAME": "x"})
    yield "nested too deep", None, lambda question: b"[" * 5000
    for field in ("name", "idCard", "mobile"):
        yield f"{field} missing", field, whole(
            lambda question, field=field: {k: v for k, v in question.items() if k != field}
        )
        yield f"{field} twice", field, text(
            lambda body, field=field: body[:-1] + f', "{field}": "x"}}'
        )
        for label, value in (("a number", 1), ("null", None), ("a list", ["x"]), ("true", True)):
            yield f"{field} {label}", field, whole(
                lambda question, field=field, value=value: {**question, field: value}
            )
        yield f"{field} too long", field, whole(
            lambda question, field=field: {**question, field: "9" * 257}
        )
        yield f"{field} with a zero", field, whole(
            lambda question, field=field: {**question, field: "a\0b"}
        )
    yield "not UTF-8", None, lambda question: (
        json.dumps({**question, "name": "@"}).replace("@", "\udcff").encode("utf-8", "surrogateescape")
    )
    yield "GBK", None, lambda question: (
        json.dumps({**question, "name": "张三"}, ensure_ascii=False).encode("gbk")
    )
    yield "half a surrogate pair", None, text(
        lambda body: body.replace('"name": "', '"name": "\\ud83d')
    )


@pytest.mark.parametrize("label, field, make", malformed_bodies(), ids=lambda v: v if isinstance(v, str) else "")
def test_a_malformed_body(shared, people, label, field, make):
    person = people.one()
    note(person)
    reply = shared.request("POST", "/verify", POST, make(person.question()))
    detail = refusal(reply, 400, "malformed_request")
    assert reply.json["retryable"] is False
    if field:
        assert field in detail
    for value in person.question().values():
        assert value not in reply.body.decode()


def test_256_bytes_are_not_too_many(shared, people):
    person = people.one().but(name=" " * (256 - 9) + people.one().name)
    note(person)
    body = json.dumps(person.question()).encode()
    assert shared.request("POST", "/verify", POST, body).json["status"] == "01"


def malformed_queries(person):
    quoted = {key: urllib.parse.quote(value) for key, value in person.question().items()}
    query = "&".join(f"{key}={value}" for key, value in quoted.items())
    for field in quoted:
        yield field, "&".join(f"{k}={v}" for k, v in quoted.items() if k != field)
        yield field, query + f"&{field}={quoted[field]}"
        yield field, "&".join(f"{k}={'9' * 257 if k == field else v}" for k, v in quoted.items())
    yield "name", query.replace(quoted["name"], "%FF%FE")
    yield "name", query.replace(quoted["name"], "a%00b")
    yield "name", ""


@pytest.mark.parametrize("path", ["/verify", "/carrieroperator"])
def test_malformed_queries(shared, people, path):
    person = people.one()
    note(person)
    for field, query in malformed_queries(person):
        reply = shared.request("GET", f"{path}?{query}")
        assert field in refusal(reply, 400, "malformed_request")
        assert person.mobile not in reply.body.decode()


def test_unknown_parameters_of_verify(shared, people):
    reply = shared.get(people.one(), more="&age=1")
    refusal(reply, 400, "malformed_request")
    reply = shared.get(people.one(), more="&NAME=x")
    refusal(reply, 400, "malformed_request")


# --- who may ask, and where ---


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("Authorization", "Bearer sy_shop_" + "A" * 43)],
        [("X-API-Key", "sy_shop_" + "A" * 43)],
        [("Authorization", "APPCODE sy_shop_" + "A" * 43)],
        [("Authorization", "Basic eDp5")],
    ],
    ids=["none", "bearer", "api-key", "appcode", "basic"],
)
def test_without_a_valid_key(start, sandbox, people, headers):
    server = start(AUTH="keys")
    for reply in (
        server.ask(people.one(), headers=headers),
        server.get(people.one(), headers=headers),
        server.get(people.one(), "/carrieroperator", headers),
    ):
        refusal(reply, 401, "unauthenticated")
        assert "A" * 43 not in reply.body.decode()
    assert server.request("GET", "/readyz").status == 200
    assert sandbox.calls() == 0


def test_get_may_be_turned_off(start, people):
    server = start(GET="false")
    person = people.one()
    refusal(server.get(person), 403, "get_disabled")
    assert server.get(person, "/carrieroperator").status == 200
    assert server.ask(person).json["source"] == "cache"


@pytest.mark.parametrize("path", ["/", "/nowhere", "/verify/", "/Verify", "/verify/x", "//verify"])
def test_unknown_paths(shared, path):
    for method in ("GET", "POST", "DELETE"):
        body = b"{}" if method == "POST" else None
        refusal(shared.request(method, path, POST if body else (), body), 404, "not_found")


ALLOWED = {
    "/verify": {"GET", "POST"},
    "/carrieroperator": {"GET"},
    "/healthz": {"GET", "HEAD"},
    "/readyz": {"GET", "HEAD"},
    "/openapi.yaml": {"GET", "HEAD"},
}


METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "X")


@pytest.mark.parametrize(
    "path, method",
    [(path, method) for path in ALLOWED for method in METHODS if method not in ALLOWED[path]],
)
def test_other_methods(shared, path, method):
    reply = shared.request(method, path, POST, b"{}")
    assert reply.status == 405 and set(reply.header("Allow").split(", ")) == ALLOWED[path]
    if method != "HEAD":
        refusal(reply, 405, "method_not_allowed")


# --- too large, too long, of another kind ---


def test_a_body_of_16_kib_is_read_and_one_more_byte_is_not(shared):
    fits = b" " * (16 * 1024)
    refusal(shared.request("POST", "/verify", POST, fits), 400, "malformed_request")
    with shared.connect() as connection:
        reply = connection.request("POST", "/verify", POST, fits + b" ")
        refusal(reply, 413, "body_too_large")
        assert reply.closes and connection.is_closed()


def test_a_chunked_body_is_measured_as_it_comes(shared):
    head = (b"POST /verify HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n")
    chunk = b"400\r\n" + b" " * 1024 + b"\r\n"
    with shared.connect() as connection:
        connection.send_raw(head + chunk * 17 + b"0\r\n\r\n", "POST", "/verify")
        refusal(connection.read(), 413, "body_too_large")


def test_a_claimed_size_is_refused_before_the_body_comes(shared):
    with shared.connect() as connection:
        connection.send("POST", "/verify", [*POST, ("Content-Length", "999999999999")])
        refusal(connection.read(), 413, "body_too_large")
        assert connection.is_closed()


def test_an_address_of_4096_bytes_is_read_and_one_more_byte_is_not(shared):
    fits = "/" + "x" * 4095
    refusal(shared.request("GET", fits), 404, "not_found")
    refusal(shared.request("GET", fits + "x"), 414, "uri_too_long")


@pytest.mark.parametrize("size", [17, 64])
def test_a_head_beyond_the_buffer_is_refused(shared, size):
    for headers, target in (([], "/x" + "x" * size * 1024), ([("X", "x" * size * 1024)], "/healthz")):
        with shared.connect() as connection:
            connection.send("GET", target, headers)
            assert connection.read().status in (400, 413, 414, 431)
            assert connection.is_closed()


@pytest.mark.parametrize(
    "kind", [None, "text/plain", "application/jsonx", "application/x-www-form-urlencoded", "json", ""]
)
def test_a_body_of_another_kind(shared, people, kind):
    person = people.one()
    note(person)
    headers = [] if kind is None else [("Content-Type", kind)]
    reply = shared.request("POST", "/verify", headers, json.dumps(person.question()).encode())
    refusal(reply, 415, "unsupported_media_type")


@pytest.mark.parametrize("kind", ["APPLICATION/JSON", "application/json;charset=utf-8"])
def test_kinds_that_are_json(shared, people, kind):
    person = people.one()
    note(person)
    body = json.dumps(person.question()).encode()
    assert shared.request("POST", "/verify", [("Content-Type", kind)], body).status == 200


# --- upstream ---


@pytest.mark.parametrize("reply", ["html", "empty", "truncated", "no-status", "gbk", "oversized"])
def test_an_unreadable_reply_was_paid_for(start, sandbox, people, reply):
    server = start()
    person = people.one()
    sandbox.behave(mobile=person.mobile, reply=reply)
    got = server.ask(person)
    assert (got.status, got.code, got.json["billed"]) == (502, "upstream_invalid_reply", True)
    row, = server.rows()
    assert (row["state"], row["billed"], row["http_status"]) == ("settled", 1, 200)
    assert server.ask(person, "only-if-cached").code == "not_cached"


GATEWAY = [
    ("invalid-appcode", "upstream_refused_credential"),
    ("invalid-appcode-401", "upstream_refused_credential"),
    ("missing-appcode", "upstream_refused_credential"),
    ("unauthorized", "upstream_refused_credential"),
    ("authorization-expired", "upstream_refused_credential"),
    ("user-arrears", "upstream_refused_credential"),
    ("provider-overdue", "upstream_refused_credential"),
    ("quota-exhausted", "package_exhausted"),
    ("subscription-exhausted", "package_exhausted"),
    ("quota-expired", "package_exhausted"),
    ("subscription-invalid", "package_exhausted"),
    ("throttled", "upstream_unavailable"),
    ("throttled-classic", "upstream_unavailable"),
    ("internal-error", "upstream_unavailable"),
    ("backend-failed", "upstream_unavailable"),
    ("service-unavailable", "upstream_unavailable"),
    ("service-busy", "upstream_unavailable"),
    ("backend-connect", "upstream_unavailable"),
    ("invalid-path", "upstream_unavailable"),
]


@pytest.mark.parametrize("gateway, code", GATEWAY)
def test_a_refusal_of_the_gateway_costs_nothing(shared, people, gateway, code):
    person = people.one()
    shared.sandbox.behave(mobile=person.mobile, gateway=gateway, calls=1)
    reply = shared.ask(person)
    refusal(reply, 502 if code == "upstream_refused_credential" else 503, code)
    assert shared.rows()[-1]["state"] == "released"
    if code in ("upstream_refused_credential", "package_exhausted"):
        refusal(shared.ask(person), reply.status, code)
        assert shared.sandbox.calls(mobile=person.mobile) == 1, "what was refused is not tried again"
        Desk(shared).do("POST", "reload")  # until something changes
    assert shared.ask(person).json["source"] == "upstream", "a refusal is not kept"


def test_a_wrong_credential_is_refused_upstream(start, sandbox, people):
    server = start(APPCODE="0123456789abcdef0123456789abcdef")
    refusal(server.ask(people.one()), 502, "upstream_refused_credential")
    assert server.states() == {"released": 1}


def test_without_a_credential_nothing_is_sent(start, sandbox, people):
    server = start(APPCODE=None)
    detail = refusal(server.ask(people.one()), 502, "upstream_refused_credential")
    assert "AppCode" in detail
    assert sandbox.calls() == 0 and server.rows() == []


def test_an_exhausted_package(place, people):
    with Sandbox(None, "--package", "1") as sandbox, Server(place, sandbox.url) as server:
        first = people.one()
        assert server.ask(first).status == 200
        refusal(server.ask(people.one()), 503, "package_exhausted")
        assert server.ask(first).json["source"] == "cache"
        assert server.states() == {"settled": 1, "released": 1}


def test_nobody_listens_upstream(start, people):
    server = start(upstream_url="http://127.0.0.1:1/carrieroperator")
    refusal(server.ask(people.one()), 503, "upstream_unavailable")
    assert server.states() == {"released": 1}


def test_no_answer_in_time(start, sandbox, people):
    server = start(UPSTREAM_CONNECT_TIMEOUT="500ms", UPSTREAM_TIMEOUT="1s", REQUEST_TIMEOUT="10s")
    person = people.one()
    sandbox.behave(mobile=person.mobile, hang=True)
    reply = server.ask(person)
    assert (reply.status, reply.code, reply.json["billed"]) == (504, "upstream_timeout", "unknown")
    assert server.states() == {"unknown": 1}
    assert sandbox.calls() == 1


def test_too_many_calls_under_way(start, sandbox, people):
    server = start(
        WORKERS="1", UPSTREAM_MAX_CONNECTIONS="1", UPSTREAM_MAX_WAITING="0", REQUEST_TIMEOUT="15s"
    )
    first, second, known = people.some(3)
    server.ask(known)
    sandbox.behave(mobile=first.mobile, hang=True)
    with server.connect() as connection:
        send_question(connection, first)
        sandbox.wait_for_hanging(1)
        refusal(server.ask(second), 503, "overloaded")
        assert server.ask(known).json["source"] == "cache"
        sandbox.release()
        assert read_answer(connection, first).json["source"] == "upstream"
    assert server.ask(second).json["source"] == "upstream"


# --- the store ---


@pytest.mark.parametrize("memory", ["0", "1000"])
def test_a_store_that_is_away_spends_nothing(start, sandbox, people, memory):
    server = start(CACHE_MEMORY_ENTRIES=memory)
    known, other = people.some(2)
    server.ask(known)
    holder = sqlite3.connect(os.path.join(server.directory, "store.db"), isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    try:
        refusal(server.ask(other), 503, "store_unavailable")
        assert sandbox.calls() == 1
        assert server.ask(known).json["source"] == "cache"
    finally:
        holder.execute("ROLLBACK")
        holder.close()
    wait_until(lambda: server.ask(other).status == 200, 10, "the store's return")
    assert sandbox.calls() == 2 and server.states() == {"settled": 2}


def test_an_answer_that_could_not_be_stored_is_stored_later(start, sandbox, people):
    server = start(REQUEST_TIMEOUT="15s")
    person = people.one()
    sandbox.behave(mobile=person.mobile, hang=True)
    with server.connect() as connection:
        send_question(connection, person)
        sandbox.wait_for_hanging(1)
        holder = sqlite3.connect(os.path.join(server.directory, "store.db"), isolation_level=None)
        holder.execute("BEGIN EXCLUSIVE")
        try:
            sandbox.release()
            assert read_answer(connection, person).json["status"] == "01"
        finally:
            holder.execute("ROLLBACK")
            holder.close()
    wait_until(lambda: server.states() == {"settled": 1}, 15, "the delivery of the answer")
    server.stop()
    server.start()
    assert server.ask(person, "only-if-cached").json["source"] == "cache"


def test_what_is_said_of_a_query_holds_no_value_of_it(shared, people):
    person = people.one()
    note(person)
    for target in (f"/verify?{query_of(person)}&x=1", f"/nowhere?{query_of(person)}"):
        reply = shared.request("GET", target)
        assert reply.status in (400, 404)
        for value in person.question().values():
            assert value not in reply.body.decode()
