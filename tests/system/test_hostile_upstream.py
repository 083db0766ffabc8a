"""Replies that lie, and what is made of them: what the caller saw, what was billed. The table in
docs/operations.md, "What upstream may do", has a line for each."""

import collections
import json
import os
import signal
import time

import pytest
from harness import Server
from hostile import (
    LIBCURL, Hostile, brotli, chunked, deflate, gzip, key_of, question_of, raw_deflate, reply,
)
from raw_upstream import answer

SETTINGS = {
    "BREAKER_FAILURES": "0",
    "UPSTREAM_RETRIES": "0",
    "UPSTREAM_TIMEOUT": "2s",
    "REQUEST_TIMEOUT": "15s",
    "WORKERS": "1",
}
# What the caller is told (nothing: an answer), whether it is billed, and the ledger's row.
ANSWER = (None, True, ("settled", 1))
INVALID = ("upstream_invalid_reply", True, ("settled", 1))
INVALID_FREE = ("upstream_invalid_reply", False, ("released", 0))
UNAVAILABLE_FREE = ("upstream_unavailable", False, ("released", 0))
UNKNOWN = ("upstream_unavailable", "unknown", ("unknown", None))
TIMEOUT = ("upstream_timeout", "unknown", ("unknown", None))
MIB = 1024 * 1024


class Stage:
    """A server before an upstream that plays what it is told for each question."""

    def __init__(self, directory, **settings):
        self.scripts = {}
        self.upstream = Hostile(self.play)
        self.server = Server(directory, None, **{**SETTINGS, **settings})

    def __enter__(self):
        self.upstream.__enter__()
        self.server.settings["UPSTREAM_URL"] = self.upstream.url
        self.server.start()
        return self

    def __exit__(self, *error):
        self.server.__exit__(*error)
        self.upstream.__exit__(*error)

    def play(self, peer):
        while (head := peer.read_request()) is not None:
            play = self.scripts[question_of(head.split(b" ")[1].decode())]
            if callable(play):
                play(peer)
            else:
                peer.send(play)

    def ask(self, person, play):
        """The reply to somebody whom upstream answers so (bytes, or what is done with the peer), its end as
        above."""
        self.scripts[key_of(person)] = play
        told = self.server.ask(person)
        row = self.server.rows()[-1]
        assert self.upstream.billable[key_of(person)] <= 1
        return told, (told.code, told.json["billed"], (row["state"], row["billed"]))

    def metric(self, name):
        lines = self.server.admin("GET", "/metrics").body.decode().splitlines()
        value, = [line.split(" ")[1] for line in lines if line.startswith(name + " ")]
        return int(value)

    def memory(self):
        """The most that the process ever took, in bytes."""
        with open(f"/proc/{self.server.process.pid}/status", encoding="ascii") as file:
            line, = [line for line in file if line.startswith("VmHWM")]
        return int(line.split()[1]) * 1024


@pytest.fixture(scope="module")
def stage(module_place):
    with Stage(module_place) as stage:
        yield stage


def then_close(data):
    def play(peer):
        peer.send(data)
        peer.fin()

    return play


def encoded(body, coding):
    return reply(body, headers=(f"Content-Encoding: {coding}",))


def repeated(**members):
    """A body with more members behind those that it has."""
    return answer()[:-1] + b"," + json.dumps(members).encode()[1:]


BODIES = {
    "a page": (b"<!DOCTYPE html><html><body>OK</body></html>", INVALID),
    "nothing": (b"", INVALID),
    "half of it": (answer()[:100], INVALID),
    "bytes behind it": (answer() + b"\0", INVALID),
    "another reply behind it": (answer("02") + answer(), INVALID),
    "GBK": (answer().decode().encode("gbk"), INVALID),
    "GB 18030, four bytes": (answer(msg="\U00020000").decode().encode("gb18030"), INVALID),
    "UTF-16": (answer().decode().encode("utf-16"), INVALID),
    "a byte order mark": (b"\xef\xbb\xbf" + answer(), ANSWER),
    "a zero byte in a text": (answer().replace("实名".encode(), b"\0"), INVALID),
    "an escaped zero byte": (answer(msg="a\0b"), ANSWER),
    "half a surrogate": (answer().replace("实名".encode(), b"\\ud800"), INVALID),
    "status 1": (answer(1), ANSWER),
    "status 1.0": (answer(1.0), ANSWER),
    "numbers for texts": (answer(msg=1, mobileType=2, traceId=3, name=4), ANSWER),
    "a list for a text": (answer(msg=["a"], mobileType={}, traceId=None), ANSWER),
    "no status": (answer(None), INVALID),
    "status in another case": (answer(None, Status="01"), INVALID),
    "two equal statuses": (repeated(status="01"), ANSWER),
    "two equal statuses, one a number": (repeated(status=1), ANSWER),
    "two statuses": (repeated(status="02"), INVALID),
    "two statuses, one unreadable": (repeated(status=None), INVALID),
    "nested 900 deep": (repeated(x=0).replace(b"0}", b"[" * 900 + b"]" * 900 + b"}"), ANSWER),
    "nested 30,000 deep": (repeated(x=0).replace(b"0}", b"[" * 30000 + b"]" * 30000 + b"}"), INVALID),
    "30,000 open brackets": (b"[" * 30000, INVALID),
    "10,000 members": (b"{" + b'"a":1,' * 10000 + answer()[1:], ANSWER),
    "10 MB": (answer(pad="x" * 10 * MIB), INVALID),
    "10 MB of white space": (answer() + b" " * 10 * MIB, INVALID),
}
ENCODED = {
    "gzip": (encoded(gzip(answer()), "gzip"), ANSWER),
    "x-gzip": (encoded(gzip(answer()), "x-gzip"), ANSWER),
    "deflate": (encoded(deflate(answer()), "deflate"), ANSWER),
    "deflate, raw": (encoded(raw_deflate(answer()), "deflate"), ANSWER),
    "brotli": (encoded(brotli(answer()), "br"), ANSWER),
    "brotli in gzip": (encoded(gzip(brotli(answer())), "br, gzip"), ANSWER),
    "identity": (encoded(answer(), "identity"), ANSWER),
    "gzip, chunked": (
        chunked(gzip(answer())).replace(b"\r\n", b"\r\nContent-Encoding: gzip\r\n", 1), ANSWER),
    "half of a gzip": (encoded(gzip(answer())[:60], "gzip"), INVALID),
    "a gzip that breaks": (encoded(gzip(answer())[:50] + b"\xff" * 100, "gzip"), INVALID),
    "a brotli that breaks": (encoded(brotli(answer())[:50] + b"\xff" * 100, "br"), INVALID),
    "called gzip": (encoded(answer(), "gzip"), INVALID),
    "called brotli": (encoded(answer(), "br"), INVALID),
    "gzip, but not called so": (reply(gzip(answer())), INVALID),
    "unknown": (encoded(answer(), "x-own"), INVALID),
    "encoded seven times": (encoded(answer(), "gzip, br, gzip, br, gzip, br, gzip"), INVALID),
    "10 MB in a gzip": (encoded(gzip(answer() + b" " * 10 * MIB), "gzip"), INVALID),
    "100 MB in a gzip in a gzip": (
        encoded(gzip(gzip(answer() + b" " * 100 * MIB)), "gzip, gzip"), INVALID),
    "10 MB in a brotli": (encoded(brotli(answer() + b" " * 10 * MIB), "br"), INVALID),
}
FRAMED = {
    "chunked": (chunked(answer()), ANSWER),
    "chunked, byte by byte": (chunked(answer(), 1), ANSWER),
    "chunks with extensions and trailers": (
        chunked(answer(), 9, b";a=b;c", b"X-Ca-Error-Code: B403MQ\r\nX-Sum: 1\r\n"), ANSWER),
    "chunks and a length": (
        chunked(answer()).replace(b"\r\n", b"\r\nContent-Length: 5\r\n", 1), ANSWER),
    "a chunk of no size": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", UNKNOWN),
    "a chunk of a huge size": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"f" * 40 + b"\r\n", UNKNOWN),
    "another transfer encoding": (
        reply(headers=("Transfer-Encoding: x-own",)), INVALID),
    "a length below zero": (
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n" + answer(), UNKNOWN),
    "HTTP/1.0": (then_close(b"HTTP/1.0 200 OK\r\n\r\n" + answer()), ANSWER),
    "HTTP/1.0 with a length": (then_close(reply(version="1.0")), ANSWER),
    "HTTP/0.9": (then_close(answer()), UNKNOWN),
    "no HTTP": (then_close(b"SSH-2.0-OpenSSH_9.2\r\n"), UNKNOWN),
    "HTTP/4.2": (then_close(reply(version="4.2")), UNKNOWN),
    "status 0": (then_close(reply(status="000 No")), UNKNOWN),
    # libcurl 8 takes the first three.
    "a status of four digits": (
        then_close(reply(status="2000 OK")), ANSWER if LIBCURL >= (8,) else UNKNOWN),
    "100 before": (b"HTTP/1.1 100 Continue\r\n\r\n" + reply(), ANSWER),
    "103 before": (
        b"HTTP/1.1 103 Early Hints\r\nX-Ca-Error-Code: B403MQ\r\nLink: </a>\r\n\r\n" + reply(), ANSWER),
    "103 a hundred times": (b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100 + reply(), ANSWER),
    "100 and no more": (then_close(b"HTTP/1.1 100 Continue\r\n\r\n"), UNKNOWN),
    "100 and silence": (b"HTTP/1.1 100 Continue\r\n\r\n", TIMEOUT),
    "101": (then_close(b"HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n"), UNKNOWN),
    "204": (b"HTTP/1.1 204 No Content\r\n\r\n", INVALID_FREE),
    "205": (b"HTTP/1.1 205 Reset\r\nContent-Length: 0\r\n\r\n", INVALID_FREE),
    "304": (b"HTTP/1.1 304 Not Modified\r\n\r\n", INVALID_FREE),
    "a head of 1 MB in one line": (reply(headers=("X: " + "x" * MIB,)), UNKNOWN),
    "a head of 1 MB in many lines": (
        reply(headers=tuple("X: " + "x" * 1000 for _ in range(1000))), UNKNOWN),
    "headers without end": (lambda peer: endless(peer, b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"), UNKNOWN),
    "a zero byte in the head": (reply(headers=("X: a\0b",)), UNKNOWN),
    "a header without a name": (reply(headers=(": a", "nonsense")), UNKNOWN),
    "bytes behind the reply": (reply() + b"HTTP/1.1 200 OK\r\n\r\n", ANSWER),
    "one byte at a time": (lambda peer: drip(peer, reply(), 0.002), ANSWER),
    "one byte at a time, too slowly": (lambda peer: drip(peer, reply(), 0.2), TIMEOUT),
    "a body without end": (lambda peer: endless(peer, b"HTTP/1.1 200 OK\r\n\r\n", b" " * 65536), INVALID),
    "silence": (lambda peer: None, TIMEOUT),
}


def endless(peer, head, more):
    peer.send(head)
    while True:
        peer.send(more)


def drip(peer, data, pause):
    for at in range(len(data)):
        peer.send(data[at:at + 1])
        time.sleep(pause)


@pytest.mark.parametrize("what", BODIES)
def test_bodies(stage, people, what):
    text, expected = BODIES[what]
    check(stage, people.one(), reply(text), expected)


@pytest.mark.parametrize("what", ENCODED)
def test_encodings(stage, people, what):
    data, expected = ENCODED[what]
    check(stage, people.one(), data, expected)


@pytest.mark.parametrize("what", FRAMED)
def test_frames(stage, people, what):
    data, expected = FRAMED[what]
    check(stage, people.one(), data, expected)


def check(stage, person, play, expected):
    before = stage.memory()
    told, end = stage.ask(person, play)
    assert end == expected
    assert stage.server.get(person, "/carrieroperator", [("Cache-Control", "only-if-cached")]).code == (
        None if expected == ANSWER else "not_cached"
    )
    if not os.environ.get("ASAN_OPTIONS"):
        assert stage.memory() - before < 8 * MIB


# --- what would make others ask once more, or elsewhere ---


REDIRECTS = [
    "300 Many", "301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent", "399 Odd",
]


@pytest.mark.parametrize("status", REDIRECTS)
def test_a_redirect_is_not_followed(stage, people, status):
    """The AppCode and the question would go along."""
    def play(peer):
        peer.read_request()
        peer.send(reply())

    with Hostile(play) as elsewhere:
        target = elsewhere.url + "?a=b"
        lie = reply(answer(), status, (f"Location: {target}", f"Refresh: 0; url={target}"))
        _, end = stage.ask(people.one(), lie)
        assert end == INVALID_FREE
        relative = reply(b"", status, ("Location: /elsewhere",))
        assert stage.ask(people.one(), relative)[1] == INVALID_FREE
        assert elsewhere.connections == 0 and elsewhere.heads == []


def test_no_word_of_a_reply_leads_elsewhere(stage, people):
    """Headers by which browsers go to other places, or come another time."""
    def play(peer):
        peer.read_request()
        peer.send(reply())

    with Hostile(play) as elsewhere:
        host = f"127.0.0.1:{elsewhere.port}"
        headers = (
            f"Location: {elsewhere.url}", f"Content-Location: {elsewhere.url}",
            f"Refresh: 0; url={elsewhere.url}", f'Alt-Svc: http/1.1="{host}"; ma=3600; persist=1',
            f'Alt-Svc: h2="{host}", h3="{host}"', "Strict-Transport-Security: max-age=3600",
            "Set-Cookie: a=b", "Set-Cookie: session=1; Path=/; Max-Age=3600", "Retry-After: 0",
            "X-Own: 1",
        )
        for person in people.some(3):
            assert stage.ask(person, reply(headers=headers))[1] == ANSWER
        last = stage.upstream.heads[-1].lower()
        assert b"cookie" not in last and b"x-own" not in last and b"referer" not in last
        assert elsewhere.connections == 0


@pytest.mark.parametrize("status", ["401 Who", "407 Proxy"])
@pytest.mark.parametrize("scheme", ["Basic realm=a", "NTLM", "Negotiate", 'Digest realm="a", nonce="b"'])
def test_nobody_is_told_who_we_are(stage, people, status, scheme):
    person = people.one()
    headers = (f"WWW-Authenticate: {scheme}", f"Proxy-Authenticate: {scheme}")
    _, end = stage.ask(person, reply(b"", status, headers))
    assert end == UNAVAILABLE_FREE
    assert stage.upstream.billable[key_of(person)] == 1


AGAIN = [
    "408 Slow", "417 Expect", "421 Elsewhere", "425 Early", "426 Newer", "429 Often", "503 Later",
]


@pytest.mark.parametrize("status", AGAIN)
def test_what_other_programs_ask_again_for(stage, people, status):
    person = people.one()
    headers = ("Retry-After: 0", "Upgrade: h2c", "Connection: Upgrade")
    _, end = stage.ask(person, reply(b"", status, headers))
    assert end == UNAVAILABLE_FREE
    assert stage.upstream.billable[key_of(person)] == 1


def test_cookies_are_not_sent_back(place, people):
    def play(peer):
        while peer.read_request() is not None:
            peer.send(reply(headers=("Set-Cookie: session=1; Path=/; Max-Age=3600",)))

    with Hostile(play) as upstream, Server(place, upstream.url, **SETTINGS) as server:
        for person in people.some(4):
            assert server.ask(person).status == 200
        assert upstream.connections == 1 and len(upstream.heads) == 4
        assert not any(b"cookie" in head.lower() for head in upstream.heads)


def test_a_reply_before_the_request_was_read(place, people):
    """It may be the answer of a server in a hurry, on a connection that nobody else had: it is taken, once."""
    def play(peer):
        peer.send(reply())
        while peer.read_request() is not None:
            pass

    with Hostile(play) as upstream, Server(place, upstream.url, **SETTINGS) as server:
        person = people.one()
        told = server.ask(person)
        row, = server.rows()
        assert (told.status, row["state"], row["billed"]) == (200, "settled", 1)
        assert upstream.billable[key_of(person)] == 1


# --- the gateway's words beside a body that cannot be read ---


UNREADABLE = {
    "broken gzip": (b"\xff" * 50, ("Content-Encoding: gzip",)),
    "unknown encoding": (answer(), ("Content-Encoding: x-own",)),
    "too long": (b"x" * 200000, ()),
}


@pytest.mark.parametrize("what", UNREADABLE)
def test_a_refusal_is_known_whatever_its_body_is(place, people, what):
    data, headers = UNREADABLE[what]
    with Stage(place) as stage:
        failed = reply(data, "504 Late", (*headers, "X-Ca-Error-Code: D504TO"))
        assert stage.ask(people.one(), failed)[1] == UNAVAILABLE_FREE
        page = reply(data, "502 Bad", headers)
        assert stage.ask(people.one(), page)[1] == UNAVAILABLE_FREE
        spent = reply(data, "403 No", (*headers, "X-Ca-Error-Code: B403MQ"))
        assert stage.ask(people.one(), spent)[1] == ("package_exhausted", False, ("released", 0))


# --- another question's echo ---


ECHO_EVENT = "upstream's reply repeats another question than was asked"
ECHOES = {
    "name": "欧*", "idCard": "99************0000", "mobile": "10*****999",
}


def echo_of(person, **changes):
    return reply(answer(**{**person.masked(), **changes}))


def contradicted(stage):
    return stage.metric("sanyao_upstream_echo_contradicted_total")


@pytest.mark.parametrize("member", ECHOES)
def test_an_echo_of_another_question_is_counted_and_logged(stage, people, member):
    person = people.one()
    before = contradicted(stage), len(stage.server.events(ECHO_EVENT))
    assert stage.ask(person, echo_of(person))[1] == ANSWER
    assert (contradicted(stage), len(stage.server.events(ECHO_EVENT))) == before
    person = people.one()
    assert stage.ask(person, echo_of(person, **{member: ECHOES[member]}))[1] == ANSWER
    assert contradicted(stage) == before[0] + 1
    # Where there were many, they are summed up after a while.
    event = stage.server.wait_for_event(ECHO_EVENT, timeout=20, count=before[1] + 1)[-1]
    assert "repeated" in event or event["answer"] == "served"
    assert ECHOES[member] not in json.dumps(event, ensure_ascii=False)
    assert stage.server.ask(person).json["source"] == "cache"


@pytest.mark.parametrize("member", ECHOES)
def test_an_echo_of_another_question_is_refused_where_that_is_set(place, people, member):
    with Stage(place, UPSTREAM_ECHO="refuse") as stage:
        person = people.one()
        check(stage, person, echo_of(person), ANSWER)
        person = people.one()
        check(stage, person, echo_of(person, **{member: ECHOES[member]}), INVALID)
        assert contradicted(stage) == 1
        assert stage.server.wait_for_event(ECHO_EVENT)[0]["answer"] == "refused"
        business = reply(answer("204", **{member: ECHOES[member]}), "450 Failed")
        check(stage, people.one(), business, INVALID_FREE)


def test_the_echo_setting_can_be_reloaded(place, people):
    path = os.path.join(place, "settings.json")

    def set_echo(value):
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"upstream": {"echo": value}}, file)

    set_echo("warn")
    with Stage(place, CONFIG=path) as stage:
        first, second = people.some(2)
        assert stage.ask(first, echo_of(first, name=ECHOES["name"]))[1] == ANSWER
        set_echo("refuse")
        stage.server.signal(signal.SIGHUP)
        stage.server.wait_for_event("settings reloaded")
        assert stage.ask(second, echo_of(second, name=ECHOES["name"]))[1] == INVALID


def test_an_answer_that_nobody_asked_for_is_not_given_to_the_next(place, people):
    """A gateway that mixes up its replies: each gets the answer to the question before. With `refuse` nobody
    gets another person's."""
    late = collections.deque()

    def play(peer):
        while (head := peer.read_request()) is not None:
            _, id_card, mobile = question_of(head.split(b" ")[1].decode())
            late.append((id_card, mobile))
            id_card, mobile = late[0] if len(late) == 1 else late.popleft()
            peer.send(reply(answer(
                idCard=f"{id_card[:2]}*****{id_card[-4:]}", mobile=f"{mobile[:2]}*****{mobile[-3:]}",
                name="*",
            )))

    with Hostile(play) as upstream:
        with Server(place, upstream.url, **SETTINGS, UPSTREAM_ECHO="refuse") as server:
            told = [server.ask(person) for person in people.some(6)]
            assert told[0].status == 200
            assert {reply.code for reply in told[1:]} == {"upstream_invalid_reply"}
