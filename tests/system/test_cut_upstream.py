"""Connections to upstream that die at every byte of the request and of the reply: never two calls that could
both be billed, and books that say what may have been.

Whoever asks gets one of four ends: an answer; a problem with `"billed": true` (a reply that cannot be read),
`"unknown"` (it may have been billed) or `false` (it certainly was not). The last is only said where no
complete request was seen.
"""

import collections
import itertools
import os
import ssl
import threading
import time

import h2.errors
import pytest
from harness import Server
from hostile import (
    LIBCURL, Gone, Hostile, Hostile2, Script, ask_all, build_preload, chunked, key_of,
    reply,
)
from raw_upstream import answer

SETTINGS = {
    "NUMBER_LIMIT_MAX_CALLS": "1000000",
    "UPSTREAM_MAX_CONNECTIONS": "64",
    "UPSTREAM_TIMEOUT": "10s",
    "UPSTREAM_RETRIES": "2",
    "REQUEST_TIMEOUT": "15s",
    "BREAKER_FAILURES": "0",
    "LOG_LEVEL": "info",
}
REPLIES = {
    "length": reply(),
    "chunked": chunked(answer(), 40),
    "close": b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + answer(),
}
# From here on nothing of the answer is missing: of the last chunk only its last byte.
WHOLE = {form: len(data) - (form == "chunked") for form, data in REPLIES.items()}


def tls(authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority / "localhost.pem", authority / "localhost.key")
    return context


def end_of(reply):
    """What a caller was told, as the ledger's row should have it."""
    billed = reply.json["billed"]
    state = {True: ("settled", 1), False: ("released", 0), "unknown": ("unknown", None)}[billed]
    assert (reply.status == 200) <= (state == ("settled", 1))
    return state


def check(server, upstream, replies):
    """What holds wherever the cut was. How often each end was met."""
    ends = collections.Counter()
    for question, told in replies.items():
        seen = upstream.billable[question]
        assert seen <= 1, "a question was sent twice"
        assert (end_of(told) == ("released", 0)) <= (seen == 0), "it could be billed"
        assert (told.status == 200) <= (seen == 1)
        ends[end_of(told)] += 1
    rows = collections.Counter((row["state"], row["billed"]) for row in server.rows())
    never_sent = rows.pop(("released", 0), 0) - ends[("released", 0)]
    assert never_sent >= 0, "each of them has a row, and one that was followed by another has, too"
    assert rows == ends - collections.Counter({("released", 0): ends[("released", 0)]}), \
        "the ledger says what the callers were told"
    return ends


def metric(server, name):
    lines = server.admin("GET", "/metrics").body.decode().splitlines()
    value, = [line.split(" ")[1] for line in lines if line.startswith(f"sanyao_upstream_{name} ")]
    return int(value)


class Cutter:
    """Plays a connection: with `kept` every other request is answered, those between are cut."""

    def __init__(self, kept, how, cut):
        self.kept, self.how, self.cut = kept, how, cut
        self.script = None  # without one all is answered

    def __call__(self, peer):
        if self.script is None:
            self.answer_all(peer)
        while True:
            if self.kept:
                self.answer_one(peer)
            peer.last = None
            peer.wait()
            position = self.script.take()
            if position is None:
                self.answer_all(peer)
            try:
                self.cut(peer, position, self.how)
            finally:
                self.script.note(peer.last, position)

    def answer_one(self, peer):
        if peer.read_request() is None:
            raise Gone
        peer.send(REPLIES["length"])

    def answer_all(self, peer):
        while True:
            self.answer_one(peer)


def cut_request(peer, position, how):
    peer.read(position)
    peer.end(how)


def cut_reply(form):
    def cut(peer, position, how):
        if peer.read_request() is None:
            raise Gone
        peer.send(REPLIES[form][:position])
        peer.end(how)

    return cut


def run(place, people, upstream, cutter, positions, authority=None, **settings):
    """Asks until every position was met. Server, replies, and the position that each question met."""
    if authority:
        settings["UPSTREAM_CA_FILE"] = authority / "ca.pem"
    crowd = people.mixed()
    cutter.script = Script(positions, upstream.lock)
    replies = {}
    server = Server(place, upstream.url, **{**SETTINGS, **settings})
    with server:
        while cutter.script.left:
            some = itertools.islice(crowd, 2 * len(cutter.script.left) + 32)
            replies |= ask_all(server, list(some))
        ends = check(server, upstream, replies)
        prevented = metric(server, "resends_prevented_total")
    return replies, ends, prevented


@pytest.mark.parametrize("kept", [False, True], ids=["fresh", "kept"])
@pytest.mark.parametrize("how", ["fin", "rst"])
@pytest.mark.parametrize("transport", ["plain", "tls"])
def test_a_request_is_cut_at_every_byte(
    place, people, authority, summaries, transport, how, kept
):
    cutter = Cutter(kept, how, cut_request)
    secure = (tls(authority), "localhost") if transport == "tls" else ()
    positions = list(range(request_length(place, people) + 1))
    with Hostile(cutter, *secure) as upstream:
        replies, ends, prevented = run(
            place, people, upstream, cutter, positions, authority if secure else None
        )
        met = {question: at for question, at in cutter.script.of.items() if question}
        for question in met:
            assert replies[question].status == 503
            assert replies[question].code == "upstream_unavailable"
        assert len(met) > len(positions) * 0.9
    tell(summaries, f"request, {transport}, {how}, kept {kept}", positions, upstream, ends, prevented)


def request_length(place, people):
    """Those of the others are longer or shorter by the port's digits only."""
    def play(peer):
        while (head := peer.read_request()) is not None:
            lengths.append(len(head) + 4)
            peer.send(reply())

    lengths = []
    with Hostile(play) as upstream, Server(f"{place}/length", upstream.url) as server:
        server.ask(people.one())
    return lengths[0]


def possible(transport, form, how, position, head):
    """The rows that a reply may leave that was cut there."""
    # From version 8 on libcurl takes nothing for whole that TLS did not end, and of a chunked reply
    # wants the very last byte. On a busy machine an end right behind a chunked reply was seen to be
    # taken for a cut: the safe reading, and test_hostile_upstream shows that it is not the usual one.
    unsealed = LIBCURL >= (8,) and transport == "tls" and form == "close"
    unended = form == "chunked"
    if position >= WHOLE[form]:
        # A reset may destroy what was not read yet.
        is_doubtful = how == "rst" or unsealed or unended
        return {("settled", 1)} | ({("unknown", None)} if is_doubtful else set())
    if form == "close" and how == "fin" and position >= head and not unsealed:
        return {("settled", 1)}
    return {("unknown", None)}


def tell(summaries, what, positions, upstream, ends, prevented):
    told = ", ".join(f"{state} {count}" for (state, _), count in sorted(ends.items()))
    summaries(
        f"cut: {what}: {len(positions)} positions, {upstream.connections} connections, "
        f"{sum(upstream.billable.values())} requests ({told}), {prevented} resends prevented"
    )


@pytest.mark.parametrize("kept", [False, True], ids=["fresh", "kept"])
@pytest.mark.parametrize("how", ["fin", "rst"])
@pytest.mark.parametrize(
    "transport, form",
    [("plain", "length"), ("plain", "chunked"), ("plain", "close"), ("tls", "length"), ("tls", "close")],
)
def test_a_reply_is_cut_at_every_byte(
    place, people, authority, summaries, transport, form, how, kept
):
    cutter = Cutter(kept, how, cut_reply(form))
    secure = (tls(authority), "localhost") if transport == "tls" else ()
    head = REPLIES[form].index(b"\r\n\r\n") + 4
    positions = list(range(len(REPLIES[form]) + 1))
    with Hostile(cutter, *secure) as upstream:
        replies, ends, prevented = run(
            place, people, upstream, cutter, positions, authority if secure else None
        )
        wrong = [
            (position, replies[question]) for question, position in cutter.script.of.items()
            if end_of(replies[question]) not in possible(transport, form, how, position, head)
            or (replies[question].status == 200 and position < WHOLE[form])
        ]
        assert wrong == [] and len(cutter.script.of) == len(positions)
    tell(summaries, f"{form} reply, {transport}, {how}, kept {kept}", positions, upstream, ends, prevented)


# --- idle connections ---


@pytest.mark.parametrize("how", ["fin", "rst"])
@pytest.mark.parametrize("transport", ["plain", "tls"])
def test_an_idle_connection_ends_just_then(place, people, authority, summaries, transport, how):
    """Each connection is closed some moments after its first reply, just when the next question comes."""
    moments = itertools.cycle(index * 0.0001 for index in range(40))

    def play(peer):
        if peer.read_request() is None:
            return
        peer.send(REPLIES["length"])
        with upstream.lock:
            moment = next(moments)
        time.sleep(moment)
        peer.end(how)

    secure = (tls(authority), "localhost") if transport == "tls" else ()
    settings = {"UPSTREAM_CA_FILE": authority / "ca.pem"} if secure else {}
    crowd = people.mixed()
    with Hostile(play, *secure) as upstream:
        with Server(place, upstream.url, **SETTINGS, **settings) as server:
            replies = ask_all(server, list(itertools.islice(crowd, 400)), threads=16)
            ends = check(server, upstream, replies)
            prevented = metric(server, "resends_prevented_total")
    tell(summaries, f"idle, {transport}, {how}", range(40), upstream, ends, prevented)


@pytest.mark.parametrize("transport", ["plain", "tls"])
@pytest.mark.parametrize("pause", [0, 0.02], ids=["at once", "later"])
def test_what_comes_unasked_is_nobodys_answer(place, people, authority, pause, transport):
    """A reply that belongs to no question comes behind another one, or waits on an idle connection. It is not
    taken for the next one's: that is not sent there."""
    def play(peer):
        while peer.read_request() is not None:
            asked, unasked = reply(answer("02")), reply(answer("01", traceId="unasked"))
            peer.send(asked if pause else asked + unasked)
            if pause:
                time.sleep(pause)
                peer.send(unasked)
            sent.set()

    sent = threading.Event()
    secure = (tls(authority), "localhost") if transport == "tls" else ()
    settings = {"UPSTREAM_CA_FILE": authority / "ca.pem"} if secure else {}
    with Hostile(play, *secure) as upstream:
        with Server(place, upstream.url, **SETTINGS, **settings, WORKERS="1") as server:
            replies = {}
            for person in people.some(10):
                sent.clear()
                told = replies[key_of(person)] = server.ask(person)
                assert told.status != 200 or told.json["status"] == "02", "another's answer"
                if told.status == 200:
                    assert sent.wait(10)
                else:
                    assert end_of(told) == ("released", 0)
            assert len(upstream.billable) >= 5
            check(server, upstream, replies)


# --- HTTP/2 ---
#
# sanyao does not speak it. These show that the guard would hold if it did: libcurl is told to.

OVER_TLS = "4"  # CURL_HTTP_VERSION_2TLS


@pytest.fixture(scope="module")
def speak_http_2(tmp_path_factory):
    library = build_preload(tmp_path_factory.mktemp("http2"))

    def environment(version):
        options = os.environ.get("ASAN_OPTIONS", "")
        return {
            "LD_PRELOAD": library,
            "SPEAK_HTTP": version,
            "ASAN_OPTIONS": ":".join(filter(None, [options, "verify_asan_link_order=0"])),
        }

    return environment


def answer_2(peer):
    asked = peer.next_request()
    if asked is None:
        raise Gone
    for frame in peer.frames(asked[0]):
        peer.send(frame)


def go_away(last):
    """The connection takes no more requests, and says that `last` was the last that it saw."""
    def play(peer, stream):
        peer.h2.close_connection(last_stream_id=last(stream))
        peer.flush()

    return play


def reset_stream(code):
    def play(peer, stream):
        peer.h2.reset_stream(stream, code)
        peer.flush()

    return play


STREAM_ENDS = {
    "goaway, not seen": go_away(lambda stream: stream - 1),
    "goaway, nothing seen": go_away(lambda stream: 0),
    "goaway, seen": go_away(lambda stream: stream),
    **{f"reset, {code.name}": reset_stream(code) for code in h2.errors.ErrorCodes},
}


@pytest.mark.parametrize("kept", [False, True], ids=["fresh", "kept"])
def test_http_2_streams_that_end(place, people, authority, summaries, speak_http_2, kept):
    """REFUSED_STREAM and HTTP_1_1_REQUIRED are what libcurl sends again for."""
    def play(peer):
        peer.begin()
        while True:
            if kept or not script:
                answer_2(peer)
            asked = peer.next_request()
            if asked is None:
                return
            with upstream.lock:
                what = script.pop() if script else None
            if what is None:
                for frame in peer.frames(asked[0]):
                    peer.send(frame)
                continue
            met[asked[1]] = what
            STREAM_ENDS[what](peer, asked[0])
            if what.startswith("goaway"):
                peer.fin()

    script, met = list(STREAM_ENDS) * 5, {}
    count = len(script)
    crowd = people.mixed()
    replies = {}
    with Hostile2(play, *tls_2(authority)) as upstream:
        environment = speak_http_2(OVER_TLS)
        ca = authority / "ca.pem"
        with Server(place, upstream.url, environment, **SETTINGS, UPSTREAM_CA_FILE=ca) as server:
            while script:
                some = list(itertools.islice(crowd, 2 * len(script) + 16))
                replies |= ask_all(server, some, threads=8)
            ends = check(server, upstream, replies)
            prevented = metric(server, "resends_prevented_total")
    assert {end_of(replies[question]) for question in met} == {("unknown", None)}
    assert len(met) == count and prevented >= 5
    tell(summaries, f"HTTP/2 streams, kept {kept}", range(count), upstream, ends, prevented)


def tls_2(authority, *protocols):
    context = tls(authority)
    context.set_alpn_protocols(list(protocols) or ["h2"])
    return context, "localhost"


@pytest.mark.parametrize("kept", [False, True], ids=["fresh", "kept"])
@pytest.mark.parametrize("how", ["fin", "rst"])
@pytest.mark.parametrize("part", ["request", "reply"])
def test_http_2_is_cut_at_every_byte(
    place, people, authority, summaries, speak_http_2, part, how, kept
):
    def cut(peer, position):
        if part == "request":
            peer.read_until_asked(position)
            peer.end(how)
        asked = peer.next_request()
        if asked is None:
            raise Gone
        peer.send(b"".join(peer.frames(asked[0]))[:position])
        peer.end(how)

    def play(peer):
        peer.begin()
        while True:
            if kept or not script:
                answer_2(peer)
            peer.pending = b""
            peer.wait()
            with upstream.lock:
                position = script.pop() if script else None
            if position is not None:
                cut(peer, position)

    script = list(range(240 if part == "request" else len(answer()) + 70))
    count = len(script)
    crowd = people.mixed()
    replies = {}
    with Hostile2(play, *tls_2(authority)) as upstream:
        environment = speak_http_2(OVER_TLS)
        ca = authority / "ca.pem"
        with Server(place, upstream.url, environment, **SETTINGS, UPSTREAM_CA_FILE=ca) as server:
            while script:
                replies |= ask_all(server, list(itertools.islice(crowd, 2 * len(script) + 16)))
            ends = check(server, upstream, replies)
            prevented = metric(server, "resends_prevented_total")
    tell(summaries, f"HTTP/2 {part}, {how}, kept {kept}", range(count), upstream, ends,
         prevented)


def test_http_2_is_not_spoken(place, people, authority):
    """One connection that dies would take all its calls with it, and each may be billed."""
    with Hostile(Cutter(False, "fin", None), *tls_2(authority, "h2", "http/1.1")) as upstream:
        ca = authority / "ca.pem"
        with Server(place, upstream.url, UPSTREAM_CA_FILE=ca) as server:
            assert server.ask(people.one()).status == 200
            assert upstream.heads[0].split(b"\r\n")[0].endswith(b" HTTP/1.1")


def test_an_upstream_that_speaks_http_2_only(place, people, authority):
    """Over TLS it has no protocol in common; in plain it answers with frames."""
    def play(peer):
        peer.wait()
        peer.send(b"\0\0\0\4\0\0\0\0\0")  # SETTINGS
        peer.fin()

    with Hostile(play) as upstream, Server(place, upstream.url, **SETTINGS) as server:
        told = server.ask(people.one())
        assert end_of(told) == ("unknown", None)
        assert list(upstream.billable.values()) == [1]
