"""Connections to upstream that die at every byte of the request and of the reply: never two calls that could
both be billed, and books that say what may have been.

Whoever asks gets one of four ends: an answer; a problem with `"billed": true` (a reply that cannot be read),
`"unknown"` (it may have been billed) or `false` (it certainly was not). The last is only said where no
complete request was seen.
"""

import collections
import itertools
import ssl

import pytest
from harness import Server
from hostile import (
    Gone, Hostile, Hostile2, Script, ask_all, build_preload, chunked, key_of, question_of, reply,
)
from raw_upstream import answer

SETTINGS = {
    "NUMBER_LIMIT_MAX_CALLS": "1000000",
    "UPSTREAM_MAX_CONNECTIONS": "64",
    "UPSTREAM_TIMEOUT": "10s",
    "UPSTREAM_RETRIES": "0",
    "REQUEST_TIMEOUT": "15s",
    "BREAKER_FAILURES": "0",
    "LOG_LEVEL": "info",
}
REPLIES = {
    "length": reply(),
    "chunked": chunked(answer(), 40),
    "close": b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + answer(),
}


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
    assert rows == ends, "the ledger says what the callers were told"
    return ends


def metric(server, name):
    lines = server.admin("GET", "/metrics").body.decode().splitlines()
    value, = [line.split(" ")[1] for line in lines if line.startswith(f"sanyao_upstream_{name} ")]
    return int(value)


class Cutter:
    """Plays a connection: with `kept` every other request is answered, those between are cut."""

    def __init__(self, kept, how, positions, cut):
        self.kept, self.how, self.cut = kept, how, cut
        self.positions = positions
        self.script = None

    def __call__(self, peer):
        if self.script is None or not self.positions:
            self.answer_all(peer)
        while True:
            if self.kept:
                self.answer_one(peer)
            peer.wait()
            position = self.script.take()
            if position is None:
                self.answer_all(peer)
            peer.last = None
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
    cutter = Cutter(kept, how, True, cut_request)
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
    cutter = Cutter(kept, how, True, cut_reply(form))
    secure = (tls(authority), "localhost") if transport == "tls" else ()
    whole = len(REPLIES[form])
    positions = list(range(whole + 1))
    with Hostile(cutter, *secure) as upstream:
        replies, ends, prevented = run(
            place, people, upstream, cutter, positions, authority if secure else None
        )
        wrong = []
        for question, position in cutter.script.of.items():
            if question is None:
                continue
            told = replies[question]
            if position < whole and told.status == 200:
                wrong.append((position, told))
            if told.json["billed"] is False:
                wrong.append((position, told))
            if told.json["billed"] is True and position < whole and form != "close":
                wrong.append((position, told))
        assert wrong == []
    tell(summaries, f"{form} reply, {transport}, {how}, kept {kept}", positions, upstream, ends, prevented)
