"""What is sent upstream, once, to whom, and what is made of what comes back."""

import json
import os
import ssl
import subprocess
import textwrap
import urllib.parse

import pytest
from harness import Server, has_reply, read_answer, send_question, wait_until
from raw_upstream import PATH, RawUpstream, answer


def play_answer(call):
    call.reply(answer())


def only_row(server):
    row, = server.rows()
    return row["state"], row["billed"]


# --- what is sent ---


def test_the_request_as_the_seller_wants_it(place, people):
    person = people.one(rare=True).but(name="阿·" + people.one(rare=True).name)
    with RawUpstream(play_answer) as upstream, Server(place, upstream.url) as server:
        assert server.ask(person).status == 200
        lines = upstream.requests[0].split("\r\n")
        headers = {line.split(": ", 1)[0].lower(): line.split(": ", 1)[1] for line in lines[1:]}
        method, target, version = lines[0].split(" ")
        path, query = target.split("?")
        assert (method, path, version) == ("GET", PATH, "HTTP/1.1")
        assert query.isascii() and "%C2%B7" in query
        assert dict(urllib.parse.parse_qsl(query, strict_parsing=True)) == person.question()
        assert headers["authorization"] == "APPCODE " + server.settings["APPCODE"]
        assert headers["host"] == f"127.0.0.1:{upstream.port}"
        assert not {"expect", "content-length", "transfer-encoding", "cookie", "referer"} & set(headers)


def test_the_environments_proxy_is_not_used(place, people):
    proxy = {name: "http://127.0.0.1:9" for name in ("http_proxy", "https_proxy", "ALL_PROXY")}
    with RawUpstream(play_answer) as upstream:
        with Server(place, upstream.url, environment=proxy) as server:
            assert server.ask(people.one()).status == 200


def test_a_connection_is_used_again(place, people):
    with RawUpstream(play_answer) as upstream, Server(place, upstream.url, WORKERS="1") as server:
        for person in people.some(5):
            server.ask(person)
        assert (len(upstream.requests), upstream.connections) == (5, 1)


def test_no_more_connections_than_allowed(start, sandbox, people):
    server = start(WORKERS="1", UPSTREAM_MAX_CONNECTIONS="4", REQUEST_TIMEOUT="30s")
    sandbox.behave(hang=True)
    crowd = people.some(12)
    connections = [server.connect() for _ in crowd]
    for connection, person in zip(connections, crowd):
        send_question(connection, person)
    most = 0

    def all_answered():
        nonlocal most
        most = max(most, sandbox.stats()["hanging"])
        sandbox.release()
        return all(map(has_reply, connections))

    sandbox.wait_for_hanging(4)
    wait_until(all_answered, 20, "the end of all calls")
    assert most == 4 and sandbox.calls() == len(crowd)
    for connection, person in zip(connections, crowd):
        assert read_answer(connection, person).status == 200
        connection.close()


# --- sent once ---


def hang_up_on(*numbers):
    calls = iter(range(1, 1000))

    def play(call):
        if next(calls) in numbers:
            call.hang_up()
        call.reply(answer())

    return play


def test_a_hang_up_on_a_reused_connection_is_not_sent_again(place, people):
    """libcurl would send it again by itself; it would be a second bill."""
    with RawUpstream(hang_up_on(2)) as upstream:
        with Server(place, upstream.url, WORKERS="1") as server:
            first, second, third = people.some(3)
            assert server.ask(first).status == 200
            reply = server.ask(second)
            assert (reply.status, reply.code) == (503, "upstream_unavailable")
            assert reply.json["billed"] == "unknown"
            assert upstream.places == [(1, 1), (1, 2)], "it was a reused connection"
            assert sum(second.mobile in head for head in upstream.requests) == 1
            assert [row["state"] for row in server.rows()] == ["settled", "unknown"]
            assert [row["billed"] for row in server.rows()] == [1, None]
            assert server.ask(third).status == 200
            metrics = server.admin("GET", "/metrics").body.decode()
            assert "sanyao_upstream_resends_prevented_total 1" in metrics
            assert len(upstream.requests) == 3


def test_a_hang_up_on_a_new_connection_is_unknown(place, people):
    with RawUpstream(hang_up_on(1)) as upstream, Server(place, upstream.url) as server:
        reply = server.ask(people.one())
        assert (reply.code, reply.json["billed"]) == ("upstream_unavailable", "unknown")
        assert len(upstream.requests) == 1 and only_row(server) == ("unknown", None)


CUTS = {
    "in the head": b"HTTP/1.1 200 OK\r\nContent-Le",
    "in the body": b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n" + answer(),
    "in a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n" + answer()[:40],
}


@pytest.mark.parametrize("cut", CUTS)
def test_a_reply_that_is_cut_is_unknown_and_not_asked_again(place, people, cut):
    def play(call):
        call.send(CUTS[cut])
        call.hang_up()

    with RawUpstream(play) as upstream, Server(place, upstream.url) as server:
        reply = server.ask(people.one())
        assert reply.status in (502, 503) and reply.json["billed"] in ("unknown", True)
        assert len(upstream.requests) == 1 and only_row(server)[0] in ("unknown", "settled")


def test_a_timeout_is_unknown_and_not_asked_again(place, people):
    with RawUpstream(lambda call: None) as upstream:
        with Server(place, upstream.url, UPSTREAM_CONNECT_TIMEOUT="500ms", UPSTREAM_TIMEOUT="1s", REQUEST_TIMEOUT="10s") as server:
            reply = server.ask(people.one())
            assert (reply.code, reply.json["billed"]) == ("upstream_timeout", "unknown")
            assert len(upstream.requests) == 1 and only_row(server) == ("unknown", None)


def test_a_redirect_is_not_followed(place, people):
    with RawUpstream(play_answer) as elsewhere:
        def play(call):
            call.reply(b"", "302 Found", [f"Location: {elsewhere.url}"])

        with RawUpstream(play) as upstream, Server(place, upstream.url) as server:
            reply = server.ask(people.one())
            assert (reply.status, reply.json["billed"]) == (502, False)
            assert len(upstream.requests) == 1 and elsewhere.connections == 0


# --- TLS ---


def tls(authority, host):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority / f"{host}.pem", authority / f"{host}.key")
    return context


def test_https_with_a_certificate_that_holds(place, people, authority):
    with RawUpstream(play_answer, tls(authority, "localhost"), "localhost") as upstream:
        with Server(
            place, upstream.url, WORKERS="1", UPSTREAM_CA_FILE=authority / "ca.pem"
        ) as server:
            for person in people.some(2):
                assert server.ask(person).status == 200
            assert (len(upstream.requests), upstream.connections) == (2, 1)


@pytest.mark.parametrize(
    "host, ca", [("localhost", "stranger.pem"), ("localhost", None), ("elsewhere.test", "ca.pem")],
    ids=["another CA", "the system's CAs", "another host"],
)
def test_https_with_a_certificate_that_does_not(place, people, authority, host, ca):
    with RawUpstream(play_answer, tls(authority, host), "localhost") as upstream:
        settings = {"UPSTREAM_CA_FILE": authority / ca} if ca else {}
        with Server(place, upstream.url, **settings) as server:
            reply = server.ask(people.one())
            assert (reply.code, reply.json["billed"]) == ("upstream_unavailable", False)
            assert upstream.connections >= 1 and upstream.received == 0, "nothing was sent"
            assert only_row(server) == ("released", 0)


# --- what is made of a reply ---


def one_reply(place, people, body, status="200 OK", headers=("Content-Type: application/json",)):
    """The replies of /verify and of the drop-in to one upstream reply, and the ledger row."""
    person = people.one()
    with RawUpstream(lambda call: call.reply(body, status, headers)) as upstream:
        with Server(place, upstream.url) as server:
            reply = server.ask(person)
            drop_in = server.get(person, "/carrieroperator", [("Cache-Control", "only-if-cached")])
            return reply, drop_in, server.rows()[0]


@pytest.mark.parametrize("status, meant", [(1, "01"), (2, "02"), (202, "202"), (207, "207")])
def test_a_status_may_be_an_integer(place, people, status, meant):
    reply, drop_in, row = one_reply(place, people, answer(status))
    assert reply.json["status"] == drop_in.json["status"] == row["status"] == meant


def test_unknown_members_reach_the_drop_in_only(place, people):
    extra = {"isFee": 1, "data": {"a": [1, 2.50, None]}, "note": "另"}
    reply, drop_in, _ = one_reply(place, people, answer(**extra))
    assert reply.status == 200 and not set(extra) & set(reply.json)
    assert {key: drop_in.json.get(key) for key in extra} == extra
    assert list(drop_in.json)[7:] == list(extra)


def test_members_may_be_missing(place, people):
    reply, drop_in, _ = one_reply(place, people, b'{"status":"02"}')
    assert reply.json["msg"] == drop_in.json["msg"] == "实名认证不通过"
    assert reply.json["mobileType"] == "" and reply.json["traceId"] == ""


def test_what_upstream_repeats_of_the_question_is_kept_from_the_drop_in_and_the_disk(place, people):
    """A seller that echoes in clear text what was asked."""
    def play(call):
        query = dict(urllib.parse.parse_qsl(call.head.split(" ")[1].split("?")[1]))
        call.reply(answer(
            msg="查无 " + query["name"], traceId="t-" + query["mobile"], full=query["idCard"],
            deep={"phone": query["mobile"]}, ok=1,
        ))

    person = people.one()
    with RawUpstream(play) as upstream, Server(place, upstream.url) as server:
        for reply in (server.ask(person), server.get(person, "/carrieroperator")):
            assert reply.status == 200
            for value in person.question().values():
                assert value not in json.dumps(reply.json, ensure_ascii=False)


@pytest.mark.parametrize(
    "headers",
    [["content-type: text/plain"], [], ["Content-Type: application/json;charset=GBK", "x-y: z"]],
    ids=str,
)
def test_the_content_type_does_not_matter(place, people, headers):
    assert one_reply(place, people, answer(), headers=headers)[0].status == 200


def padded(size):
    return answer(pad="x" * (size - len(answer(pad=""))))


@pytest.mark.parametrize("size, status", [(64 * 1024, 200), (64 * 1024 + 1, 502)])
def test_replies_of_64_kib_are_read_and_no_more(place, people, size, status):
    body = padded(size)
    assert len(body) == size
    reply, _, row = one_reply(place, people, body)
    assert reply.status == status
    assert (row["state"], row["billed"]) == ("settled", 1)


def test_a_reply_without_end_is_cut(place, people):
    def play(call):
        call.send(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            call.send(b" " * 65536)

    with RawUpstream(play) as upstream, Server(place, upstream.url) as server:
        reply = server.ask(people.one())
        assert (reply.code, reply.json["billed"]) == ("upstream_invalid_reply", True)
        wait_until(lambda: not upstream.open, 10, "the end of the connection")


def test_a_chunked_reply_and_one_of_http_1_0(place, people):
    chunked = (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n"
               % (len(answer()), answer()))
    replies = iter([chunked, b"HTTP/1.0 200 OK\r\n\r\n" + answer()])

    def play(call):
        call.send(next(replies))
        if len(upstream.requests) == 2:
            call.hang_up()

    with RawUpstream(play) as upstream, Server(place, upstream.url, WORKERS="1") as server:
        for person in people.some(2):
            assert server.ask(person).json["result"] == "match"


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b'"01"', b"{}", b'{"status":null}', b'{"status":""}', b'{"status":true}',
     b'{"status":1.5}', b'{"status":{}}', b'{"status":"0123456789abcdef"}', answer() + b"x",
     answer()[:-1], b"\xff" + answer(), answer().replace(b'"01"', b'"\xff"'), b"<html></html>",
     b"[" * 10000],
    ids=lambda body: str(body[:20]),
)
def test_a_reply_without_a_readable_status(place, people, body):
    reply, drop_in, row = one_reply(place, people, body)
    assert (reply.code, reply.json["billed"]) == ("upstream_invalid_reply", True)
    assert drop_in.code == "not_cached"
    assert (row["state"], row["billed"], row["status"]) in (
        ("settled", 1, ""), ("settled", 1, None),
    )


def test_a_business_failure_with_another_http_status_is_not_billed(place, people):
    reply, _, row = one_reply(place, people, b'{"msg":"no"}', status="450 Failed")
    assert reply.status in (502, 503) and reply.json["billed"] is False
    assert (row["state"], row["billed"], row["http_status"]) == ("released", 0, 450)


GATEWAY = [
    ("400 Bad", ["x-ca-error-message: invalid appcode `not exists`"], "upstream_refused_credential"),
    ("403 No", ["X-Ca-Error-Message: Unauthorized"], "upstream_refused_credential"),
    ("403 No", ["X-Ca-Error-Code: B403MQ"], "package_exhausted"),
    ("403 No", ["X-Ca-Error-Message: Throttled by API Flow Control"], "upstream_unavailable"),
    ("429 Slow", ["X-Ca-Error-Code: T429PR", "Retry-After: 7"], "upstream_unavailable"),
    ("504 Late", ["X-Ca-Error-Code: D504TO"], "upstream_unavailable"),
]


@pytest.mark.parametrize("status, headers, code", GATEWAY)
def test_a_refusal_is_known_by_its_headers(place, people, status, headers, code):
    reply, _, row = one_reply(place, people, b"", status, headers)
    assert (reply.code, reply.json["billed"]) == (code, False)
    assert row["state"] == "released"


def test_what_the_gateway_says_is_not_passed_on(place, people):
    def play(call):
        query = dict(urllib.parse.parse_qsl(call.head.split(" ")[1].split("?")[1]))
        call.reply(b"", "400 Bad", [f"X-Ca-Error-Message: Invalid Url {query['mobile']}"])

    person = people.one()
    with RawUpstream(play) as upstream, Server(place, upstream.url) as server:
        reply = server.ask(person)
        assert reply.code == "upstream_unavailable" and person.mobile not in reply.body.decode()


# --- a resolver that hangs ---

SLOW_RESOLVER = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <string.h>
#include <unistd.h>

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                struct addrinfo **found)
{
    int (*next)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    *(void **)&next = dlsym(RTLD_NEXT, "getaddrinfo");
    if (node && strcmp(node, "slow.test") == 0) {
        sleep(8);
        return EAI_AGAIN;
    }
    return next(node, service, hints, found);
}
"""


@pytest.fixture(scope="module")
def slow_resolver(tmp_path_factory):
    place = tmp_path_factory.mktemp("resolver")
    source = place / "slow.c"
    source.write_text(textwrap.dedent(SLOW_RESOLVER))
    library = place / "slow.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    return str(library)


def test_a_resolver_that_hangs_does_not_stop_the_loop(place, start, people, slow_resolver):
    """The name takes 8 s; the call gives up after 1 s, and hits are served all the while."""
    known = people.one()
    server = start(WORKERS="1")
    server.ask(known)
    server.stop()
    options = os.environ.get("ASAN_OPTIONS", "")
    server.extra_environment = {
        "LD_PRELOAD": slow_resolver,
        "ASAN_OPTIONS": ":".join(filter(None, [options, "verify_asan_link_order=0"])),
    }
    server.settings.update(
        UPSTREAM_URL=f"http://slow.test:9{PATH}", UPSTREAM_CONNECT_TIMEOUT="1s", UPSTREAM_TIMEOUT="2s",
        REQUEST_TIMEOUT="20s", CACHE_MEMORY_ENTRIES="0",
    )
    server.start()
    asked = people.one()
    with server.connect() as waiting:
        send_question(waiting, asked)
        wait_until(lambda: server.rows()[-1]["state"] == "reserved", 5, "the reservation")
        hits = 0
        while not has_reply(waiting):
            assert server.ask(known, timeout=0.9).json["source"] == "cache"
            hits += 1
        reply = waiting.read()
    assert (reply.code, reply.json["billed"]) == ("upstream_unavailable", False)
    assert hits > 10
    assert server.rows()[-1]["state"] == "released"
