"""The log: what is written of a question, and that nobody who reads it, or does not, holds up serving."""

import os
import re
import threading
import uuid

import pytest
from desk import Desk, bearer
from harness import Server, read_answer, send_question, together, wait_until
from redis_server import free_port

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
LOST = "lines of the log were lost: nobody took them"
LOST_METRIC = "sanyao_log_lines_lost_total"
HUMAN_LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (debug|info |warn |error) \S")


def fixed_ports():
    return {name: f"127.0.0.1:{free_port()}" for name in ("LISTEN", "ADMIN_LISTEN")}


def ports_given(server):
    return (int(server.settings[name].rsplit(":", 1)[1]) for name in ("LISTEN", "ADMIN_LISTEN"))


class Reader:
    """Who reads what a server writes, into the file where the log is looked for, and may stop."""

    def __init__(self, descriptor, path):
        self.descriptor, self.gate = descriptor, threading.Event()
        self.gate.set()
        self.file = open(path, "wb", buffering=0)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        with self.file:
            while self.gate.wait():
                try:
                    data = os.read(self.descriptor, 4096)
                except OSError:  # a terminal whose other side is gone
                    return
                if not data:
                    return
                self.file.write(data)

    def stop(self):
        self.gate.clear()

    def go_on(self):
        self.gate.set()

    def end(self):
        self.go_on()
        self.thread.join(timeout=20)
        os.close(self.descriptor)


class ReadServer(Server):
    """Its output is a pipe, or a terminal, with a reader."""

    terminal = False

    def open_output(self):
        reading, writing = os.openpty() if self.terminal else os.pipe()
        self.reader = Reader(reading, self.log_path)
        return os.fdopen(writing, "wb")

    def text(self):
        with open(self.log_path, encoding="utf-8") as file:
            return file.read()


class HumanServer(ReadServer):
    """Its ports are not to be read from the log, and so were given."""

    def find_ports(self):
        wait_until(lambda: re.search(r"\bready|mready", self.text()), 20, "the word that it is ready")
        self.port, self.admin_port = ports_given(self)


class TerminalServer(HumanServer):
    terminal = True


class DeafServer(Server):
    """Its output takes nothing."""

    def open_output(self):
        return open("/dev/full", "wb")

    def find_ports(self):
        self.port, self.admin_port = ports_given(self)
        self.wait_until_ready()


def lost(server):
    body = server.admin("GET", "/metrics").body.decode()
    return int(re.search(f"^{LOST_METRIC} (\\d+)$", body, re.MULTILINE)[1])


def line_of(server, reply, event="request"):
    """The event that bears the reply's id."""
    identity = reply.header("X-Request-Id")

    def found():
        return [line for line in server.events(event) if line.get("request_id") == identity]

    lines = wait_until(found, 10, f"the line of {identity}")
    assert len(lines) == 1
    return lines[0]


# --- what is written ---


def test_the_line_of_a_question_says_what_its_reply_says(start, people):
    server = start(AUTH="keys", LOG_LEVEL="info")
    key = Desk(server).add_client("billing")
    person = people.one()
    headers = [*bearer(key), ("traceparent", TRACEPARENT), ("X-Request-Id", "of-a-caller")]
    reply = server.ask(person, headers=headers)
    line, call = line_of(server, reply), line_of(server, reply, "upstream call")
    row, = server.rows()
    assert line["level"] == "info"
    assert (line["request_id"], line["trace_id"]) == ("of-a-caller", TRACE)
    assert (line["client"], line["method"], line["route"]) == ("billing", "POST", "/verify")
    assert (line["http_status"], line["status"]) == (reply.status, reply.json["status"])
    assert (line["result"], line["source"]) == (reply.json["result"], reply.json["source"])
    assert (line["billed"], reply.json["billed"]) == ("yes", True)
    assert re.fullmatch("[0-9a-f]{16}", line["question"])
    assert 0 < line["duration_ms"] < 20000 and "code" not in line
    assert (call["trace_id"], call["client"], call["call"]) == (
        TRACE, "billing", str(uuid.UUID(bytes=row["id"])))
    assert (call["question"], call["billed"]) == (line["question"], "yes")
    assert call["latency_ms"] <= line["duration_ms"]


def test_hits_have_lines_where_they_are_wished_for(start, people):
    server = start(LOG_LEVEL="info", LOG_REQUESTS="all")
    person = people.one()
    server.ask(person)
    hit = server.ask(person)
    line = line_of(server, hit)
    assert (line["source"], line["billed"]) == ("cache", "no") and "trace_id" not in line
    assert (line["level"], line["client"]) == ("info", "anonymous")
    local = line_of(server, server.get(person.but(mobile="1"), "/carrieroperator"))
    assert (local["route"], local["source"], local["result"]) == (
        "/carrieroperator", "local", "invalid_mobile")
    assert "question" not in local
    refused = server.ask(people.one(), cache_control="only-if-cached")
    line = line_of(server, refused)
    assert (line["code"], line["level"]) == (refused.code, "info") and "source" not in line
    assert server.events("upstream call")[0]["request_id"] != hit.header("X-Request-Id")


@pytest.mark.parametrize("requests", ["calls", "none"])
def test_by_default_only_calls_have_lines(start, people, requests):
    server = start(LOG_LEVEL="info", LOG_REQUESTS=requests)
    asked, again = (server.ask(person) for person in [people.one()] * 2)
    server.admin("GET", "/readyz")
    assert again.json["source"] == "cache"
    server.stop()
    lines = [line["request_id"] for line in server.events("request")]
    assert lines == ([asked.header("X-Request-Id")] if requests == "calls" else [])
    assert len(server.events("upstream call")) == 1


def test_of_many_who_ask_the_same_the_call_names_the_one_that_led(start, sandbox, people):
    server = start(WORKERS="1")
    person = people.one()
    sandbox.behave(mobile=person.mobile, hang=True)
    with server.connect() as first, server.connect() as second:
        send_question(first, person, headers=[("traceparent", TRACEPARENT)])
        sandbox.wait_for_hanging(1)
        send_question(second, person, headers=[("X-Request-Id", "second")])
        wait_until(lambda: server.admin("GET", "/readyz"), 5, "a turn")
        sandbox.release()
        led, joined = read_answer(first, person), read_answer(second, person)
    call = line_of(server, led, "upstream call")
    assert call["trace_id"] == TRACE
    assert line_of(server, led)["billed"] == "yes"
    line = line_of(server, joined)
    assert (line["billed"], line["question"]) == ("no", call["question"])


def test_a_call_that_may_have_cost_something_is_never_summed_up(start, sandbox, people):
    server = start(BREAKER_FAILURES="0", LOG_LEVEL="info")
    crowd = people.some(15)
    for person in crowd:
        sandbox.behave(mobile=person.mobile, cut="body")
    replies = [server.ask(person) for person in crowd]
    assert {reply.json["billed"] for reply in replies} == {"unknown"}
    for reply in replies:
        assert line_of(server, reply)["billed"] == "unknown"
        assert line_of(server, reply, "upstream call")["level"] == "warn"
    assert not any("repeated" in line for line in server.events())


@pytest.mark.longest
def test_while_the_store_is_away_refusals_are_summed_up(replicas, redis, people):
    server, = replicas(1, LOG_LEVEL="info")
    redis.kill()
    person = people.one()
    wait_until(lambda: server.ask(person).code == "store_unavailable", 10, "a refusal")
    with server.connect() as connection:
        for _ in range(200):
            send_question(connection, person)
            assert read_answer(connection, person).code == "store_unavailable"

    def told():
        lines = [line for line in server.events("request") if line["level"] == "warn"]
        single = [line for line in lines if "repeated" not in line]
        whole = len(single) + sum(line.get("repeated", 0) for line in lines)
        return (lines, single) if whole >= 201 else None

    lines, single = wait_until(told, 30, "the sum")
    assert {line["code"] for line in single} == {"store_unavailable"}
    assert len(lines) < 50
    redis.start()
    server.wait_until_ready()


STRANGE = [b"X-Request-Id: \x1b[31mred", b"X-Request-Id: a\xc2\x9b2Jb", b"traceparent: \x1b]0;x\x07",
           b"X-Request-Id: a  level=error", b'X-Request-Id: a","level":"error', b"X-Request-Id: \xff\xfe"]


@pytest.mark.parametrize("form", ["human", "json"])
def test_no_caller_writes_into_the_log(place, sandbox, form):
    kind = HumanServer if form == "human" else ReadServer
    server = kind(place, sandbox.url, LOG_FORMAT=form, LOG_REQUESTS="all", **fixed_ports())
    with server:
        for header in STRANGE:
            with server.connect() as connection:
                connection.send_raw(
                    b"GET /verify?name=%0a%1b%5b31m&x%0ay=1 HTTP/1.1\r\nHost: x\r\n" + header
                    + b"\r\n\r\n", "GET", "/verify")
                identity = connection.read().header("X-Request-Id")
                assert re.fullmatch("[0-9a-f]{32}", identity)
            with server.connect() as connection:
                connection.send_raw(b"GET /\x1b[31m%0aerror HTTP/1.1\r\nHost: x\r\n\r\n", "GET", "/x")
                connection.more()
    server.reader.end()
    text = server.text()
    assert "31m" not in text and "]0;" not in text and "level=error" not in text
    assert all(c == "\n" or c.isprintable() for c in text)
    if form == "human":
        assert all(HUMAN_LINE.match(line) for line in text.splitlines())
    else:
        assert len(server.events("request")) >= 2 * len(STRANGE)


@pytest.mark.parametrize("no_color", ["", "1"])
def test_on_a_terminal_it_is_for_people(place, sandbox, people, no_color):
    environment = {"TERM": "xterm", "NO_COLOR": no_color}
    server = TerminalServer(place, sandbox.url, environment, LOG_FORMAT="auto", LOG_LEVEL="info",
                            **fixed_ports())
    with server:
        server.ask(people.one())
    server.reader.end()
    text = server.text()
    assert ("\x1b[" in text) == (no_color == "")
    plain = re.sub("\x1b\\[[0-9]*m", "", text).replace("\r\n", "\n")
    assert all(HUMAN_LINE.match(line) for line in plain.splitlines())
    assert re.search(r"upstream call +call=\S+  request_id=", plain)


# --- who reads it ---


def ask_much(server, person, count):
    with server.connect() as connection:
        for _ in range(count):
            send_question(connection, person)
            assert read_answer(connection, person).json["source"] == "cache"


def test_a_reader_that_stops_holds_nobody_up(place, sandbox, people):
    asked, person = 0, people.one()
    with ReadServer(place, sandbox.url, WORKERS="2") as server:
        server.ask(person)
        server.reader.stop()

        def ask_more():
            nonlocal asked
            together(2, lambda _: ask_much(server, person, 250))
            asked += 500
            return lost(server) > 500

        wait_until(ask_more, 60, "lost lines")
        server.reader.go_on()
        assert wait_until(lambda: server.events(LOST), 20, "word of it")[0]["level"] == "warn"
        last = server.ask(people.one())
        line_of(server, last)
        told = sum(line["lines"] for line in server.events(LOST))
        assert told == lost(server)
        kept = [line for line in server.events("request") if line.get("source") == "cache"]
        assert len(kept) < asked <= len(kept) + told
        times = [line["time"] for line in server.events(LOST)]
        assert times[0] < line_of(server, last)["time"]
    server.reader.end()
    assert server.events()[-1]["event"] == "stopped"


def test_a_reader_that_stops_does_not_hold_up_the_end(place, sandbox, people):
    person = people.one()
    with ReadServer(place, sandbox.url) as server:
        server.ask(person)
        server.reader.stop()
        ask_much(server, person, 1000)
    server.reader.end()


def test_a_closed_pipe_holds_nobody_up(place, sandbox, people):
    person = people.one()
    with ReadServer(place, sandbox.url) as server:
        server.ask(person)
        server.reader.stop()
        server.admin("GET", "/readyz")  # what the reader's last look takes
        os.dup2(os.open("/dev/null", os.O_RDONLY), server.reader.descriptor)
        ask_much(server, person, 1000)
        assert server.ask(people.one()).json["billed"]
        assert server.process.poll() is None
    server.reader.end()


def test_a_full_disk_holds_nobody_up(place, sandbox, people):
    person = people.one()
    with DeafServer(place, sandbox.url, **fixed_ports()) as server:
        assert server.ask(person).json["billed"]
        ask_much(server, person, 5000)
        wait_until(lambda: lost(server) > 0, 20, "lost lines")
        assert server.ask(people.one()).json["billed"]
    assert not os.path.exists(server.log_path) or os.path.getsize(server.log_path) == 0


class ClosedServer(DeafServer):
    """It was started without a standard output."""

    def open_output(self):
        return open(self.log_path, "wb")

    def arguments(self):
        return ["/bin/sh", "-c", 'exec "$0" "$@" >&-', *super().arguments()]


def test_a_closed_output_is_no_other_file(place, sandbox, people):
    """Whatever is opened first would be given its number: the database, or a listener."""
    with ClosedServer(place, sandbox.url, **fixed_ports()) as server:
        person = people.one()
        server.ask(person)
        ask_much(server, person, 50)
        assert os.readlink(f"/proc/{server.process.pid}/fd/1") == "/dev/null"
    assert os.path.getsize(server.log_path) == 0 and len(server.rows()) == 1


# --- while it runs ---


def test_what_is_logged_changes_without_a_restart(tmp_path, place, sandbox, people):
    """Level, form and requests, by a file and POST /admin/v1/reload."""
    path = tmp_path / "sanyao.jsonc"
    person = people.one()
    path.write_text('{"log": {"level": "info"}}', "utf-8")
    path.chmod(0o600)
    server = Server(place, sandbox.url, CONFIG=str(path), LOG_LEVEL=None, LOG_REQUESTS=None)
    desk = Desk(server)

    def change(settings):
        path.write_text('{"log": %s}' % settings, "utf-8")
        desk.do("POST", "reload")

    with server:
        server.ask(person)
        early = server.ask(person)
        change('{"level": "info", "requests": "all"}')
        line_of(server, server.ask(person))
        change('{"level": "error"}')
        quiet = server.ask(people.one())
        change('{"level": "debug"}')
        assert line_of(server, server.ask(person))["level"] == "debug"
        ids = [line["request_id"] for line in server.events("request")]
        assert early.header("X-Request-Id") not in ids
        assert quiet.header("X-Request-Id") not in ids
