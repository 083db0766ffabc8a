"""GET /admin/v1/ledger and `sanyao ledger`, on both stores: what was paid for, whole or not at all."""

import collections
import csv
import io
import json
import os
import pty
import re
import socket
import sqlite3
import subprocess
import time
import uuid
from datetime import datetime, timedelta, timezone

import contract
import pytest
from harness import Closed, Connection, Needlework, Server, clean_environment, wait_until
from sandbox_control import default_bin_dir
from test_replicas import lead

CHINA = timezone(timedelta(hours=8))
PATH = "/admin/v1/ledger"
NAMES = ("time id client credential package state status billed httpStatus latencyMs traceId number")
WRONG_TOKEN = "wrong-token-0123456789-abcdefghij-42"
MANY = 3000
WINDOW_MS = 600_000


@pytest.fixture(params=["sqlite", "redis"])
def server(request, start, place):
    """A server on either store."""
    if request.param == "sqlite":
        return start()
    started = start(redis=request.getfixturevalue("redis"))
    started.wait_until_ready()
    return started


# --- what must come of it ---


def moment(unix_ms):
    at = datetime.fromtimestamp(unix_ms // 1000, CHINA)
    return at.strftime("%Y-%m-%dT%H:%M:%S") + f".{unix_ms % 1000:03d}+08:00"


def expected(rows):
    """The export's rows of the store's."""
    return [
        {
            "time": moment(row["reserved_at_ms"]),
            "id": str(uuid.UUID(bytes=row["id"])),
            "client": row["client"],
            "credential": row["credential"],
            "package": row["package"],
            "state": row["state"],
            "status": row["status"] or None,
            "billed": None if row["billed"] is None else bool(row["billed"]),
            "httpStatus": row["http_status"] or None,
            "latencyMs": row["latency_ms"],
            "traceId": row["trace_id"] or None,
            "number": row["number"].hex(),
        }
        for row in rows
    ]


def expected_windows(rows):
    counts = collections.Counter(
        (row["reserved_at_ms"] - 1000) // WINDOW_MS
        for row in rows
        if row["state"] == "unknown" or (row["state"] == "settled" and row["billed"])
    )

    def name(number):
        begin = datetime.fromtimestamp(number * 600 + 1, CHINA)
        end = begin + timedelta(minutes=10)
        return f"{begin:%Y-%m-%d %H:%M:%S} - {end:%Y-%m-%d %H:%M:%S}"

    return [{"window": name(number), "count": counts[number]} for number in sorted(counts)]


def of_csv(reply):
    """The rows of a CSV reply, typed like those of NDJSON."""
    text = reply.body.decode("utf-8-sig")
    assert text.endswith("\r\n") and "\n" not in text.replace("\r\n", "")
    typed = {"true": True, "false": False, "": None}
    rows = []
    for row in csv.DictReader(io.StringIO(text, newline="")):
        for name, value in row.items():
            if name in ("httpStatus", "latencyMs", "count") and value:
                row[name] = int(value)
            elif name == "billed" or value == "":
                row[name] = typed[value]
        rows.append(row)
    return rows


def spend(server, sandbox, people):
    """Rows of every kind: 5 settled, of which 1 a mismatch; 1 released, 1 unknown. The sandbox bills 6."""
    for person in people.some(4):
        server.ask(person)
    person = people.one()
    sandbox.behave(mobile=person.mobile, status="02", calls=1)
    server.ask(person)
    person = people.one()
    sandbox.behave(mobile=person.mobile, calls=1, gateway="throttled")
    server.ask(person)
    person = people.one()
    sandbox.behave(mobile=person.mobile, calls=1, cut="request")
    server.ask(person)
    server.wait_for_states(settled=5, released=1, unknown=1)


def plant(server, times_ms):
    """A settled row at each moment, as if long ago. The server is stopped meanwhile."""
    server.stop()
    rows = []
    for number, at_ms in enumerate(times_ms):
        identity = bytearray(at_ms.to_bytes(6, "big") + os.urandom(10))
        identity[6], identity[8] = 0x70 | identity[6] & 15, 0x80 | identity[8] & 63
        rows.append((bytes(identity), at_ms, at_ms + 40, number))
    if server.redis is not None:
        with server.redis.connect() as redis:
            for identity, at_ms, end_ms, number in rows:
                text = f"s\t{at_ms}\t{number:016x}\tshop\tmain\t\t{end_ms}\t1\t200\t01\t40\tt-{number}"
                redis.command("HSET", "{ledger}rows:%d" % (at_ms // 600_000), identity, text)
    else:
        database = sqlite3.connect(server.database)
        with database:
            database.executemany(
                "INSERT INTO ledger (id, reserved_at_ms, settled_at_ms, trace_id, number, client, credential,"
                " state, billed, http_status, status, latency_ms)"
                " VALUES (?, ?, ?, ?, ?, 'shop', 'main', 'settled', 1, 200, '01', 40)",
                [(i, at, end, f"t-{n}", n.to_bytes(8, "big")) for i, at, end, n in rows],
            )
        database.close()
    server.start()
    server.wait_until_ready()


# --- who may ---


def test_only_with_the_token(server):
    Needlework.write("secret", WRONG_TOKEN)
    assert server.ledger().status == 200
    token = server.settings["ADMIN_TOKEN"]
    assert server.admin("GET", PATH, [("authorization", "bearer " + token)]).status == 200
    wrong = ["Bearer " + WRONG_TOKEN, "Bearer " + token[:-1], "Bearer " + token + "x", "Bearer ",
             "Bearer", "APPCODE " + token, "Basic " + token, token, "Bearer  " + token]
    for value in (None, *wrong):
        headers = [] if value is None else [("Authorization", value)]
        reply = server.admin("GET", PATH + "?format=none", headers)
        assert (reply.status, reply.code) == (401, "unauthenticated")
        assert "admin.token" in reply.json["detail"]
    assert server.admin("POST", PATH, server.bearer()).status == 405
    assert server.admin("HEAD", PATH, server.bearer()).status == 405
    assert server.request("GET", PATH, server.bearer()).status == 404, "not on the service listener"
    for path in ("/metrics", "/healthz", "/readyz"):
        assert server.admin("GET", path).status == 200
    with open(server.log_path, encoding="utf-8") as log:
        text = log.read()
    assert token not in text and WRONG_TOKEN not in text


def test_without_a_token_it_is_closed(start):
    server = start(ADMIN_TOKEN=None)
    for headers in ([], [("Authorization", "Bearer " + WRONG_TOKEN)], [("Authorization", "Bearer ")]):
        reply = server.admin("GET", PATH, headers)
        assert (reply.status, reply.code) == (403, "admin_disabled")
        assert "admin.token" in reply.json["detail"]
    assert server.admin("GET", "/metrics").status == 200


def test_the_token_comes_from_a_file(start, place):
    token = "f" * 64
    Needlework.write("secret", token)
    path = os.path.join(place, "..", os.path.basename(place) + "-token")
    with open(path, "w", encoding="ascii") as file:
        file.write(token + "\n")
    os.chmod(path, 0o600)
    try:
        server = start(ADMIN_TOKEN=None, ADMIN_TOKEN_FILE=path)
    finally:
        os.unlink(path)
    reply = server.admin("GET", PATH, [("Authorization", "Bearer " + token)])
    assert reply.status == 200


# --- what is told ---


def test_the_export_is_the_ledger(server, sandbox, people):
    assert of_csv(server.ledger()) == [] and server.ledger(format="ndjson").json == []
    spend(server, sandbox, people)
    rows = expected(server.rows())
    assert len(rows) == 7
    reply = server.ledger(format="ndjson")
    assert reply.header("Content-Type") == "application/x-ndjson"
    assert reply.json == rows
    reply = server.ledger()
    assert reply.header("Content-Type").startswith("text/csv; charset=utf-8")
    assert reply.body.decode().split("\r\n")[0] == NAMES.replace(" ", ",")
    assert of_csv(reply) == rows
    marked = server.ledger(format="csv", bom=1)
    assert marked.body == b"\xef\xbb\xbf" + reply.body
    assert server.ledger(bom=0).body == reply.body


def test_a_call_under_way_is_reserved(server, sandbox, people):
    connection = lead(sandbox, server, people.one())
    row, = server.ledger(format="ndjson").json
    assert (row["state"], row["billed"], row["latencyMs"]) == ("reserved", None, None)
    assert of_csv(server.ledger()) == [row]
    assert server.ledger(window="10m", format="ndjson").json == []
    sandbox.release()
    connection.read()
    assert server.ledger(format="ndjson").json[0]["state"] == "settled"


def test_filters(server, sandbox, people):
    spend(server, sandbox, people)
    rows = expected(server.rows())

    def told(**parameters):
        return server.ledger(format="ndjson", **parameters).json

    for state in ("settled", "released", "unknown", "reserved"):
        assert told(state=state) == [row for row in rows if row["state"] == state]
    assert told(status="02") == [row for row in rows if row["status"] == "02"]
    assert len(told(status="02")) == 1
    assert told(client="anonymous") == rows and told(client="shop") == []
    assert told(state="settled", status="01", client="anonymous") == [
        row for row in rows if row["status"] == "01"
    ]
    tomorrow = (datetime.now(CHINA) + timedelta(days=1)).strftime("%Y-%m-%d")
    assert told(since="2026-01-01", to=tomorrow) == rows
    assert told(since="2000-01-01T00:00:00Z", to="2000-01-02T00:00:00.5-03:30") == []
    assert told(since="1970-01-01", to="9998-12-31") == rows
    assert told(since="2900-01-01", to="9998-12-31") == []
    middle = uuid.UUID(rows[3]["id"]).int >> 80  # the time in an id decides
    assert told(to=moment(middle)) + told(since=moment(middle)) == rows
    assert told(since=moment(middle))[0] == rows[3]
    plain = f"{PATH}?format=ndjson&from={moment(middle)}"  # the + of the offset as it stands
    assert server.admin("GET", plain, server.bearer()).json == rows[3:]


@pytest.mark.parametrize(
    "query, name",
    [
        ("from=yesterday", "from"), ("from=2026-02-30", "from"), ("to=2026-11-24T10:00:00", "to"),
        ("from=", "from"), ("from=2026-11-24&to=2026-11-24", "from"), ("from=2900-01-01", "from"),
        ("state=Settled", "state"), ("state=settled&state=settled", "state"), ("client=", "client"),
        ("client=" + "c" * 64, "client"), ("status=" + "1" * 16, "status"), ("window=5m", "window"),
        ("window", "window"), ("format=json", "format"), ("bom=2", "bom"),
        ("bom=1&format=ndjson", "bom"), ("to=2026-11-24%00", "to"), ("since=2026-11-24", "unknown"),
    ],
)
def test_what_is_not_understood_is_refused(shared, query, name):
    reply = shared.admin("GET", PATH + "?" + query, shared.bearer())
    assert (reply.status, reply.code) == (400, "malformed_request")
    assert name in reply.json["detail"]


# --- windows ---


def test_windows_hold_what_the_sandbox_billed(server, sandbox, people):
    spend(server, sandbox, people)
    windows = server.ledger(window="10m", format="ndjson").json
    assert windows == expected_windows(server.rows())
    unknown = server.states()["unknown"]
    billed = sum(1 for call in sandbox.log() if call["billed"])
    assert sum(window["count"] for window in windows) == 6
    assert sum(window["count"] for window in windows) in (billed, billed + unknown)
    assert of_csv(server.ledger(window="10m")) == windows
    assert server.ledger(window="10m").body.startswith(b"window,count\r\n")


def test_windows_of_the_sellers_own_table(server):
    """The seller's example, with calls at the very edges of its windows."""
    def at(text):
        return int(datetime.strptime(text, "%H:%M:%S.%f").replace(
            year=2018, month=3, day=19, tzinfo=CHINA).timestamp() * 1000)

    plant(server, [at("10:30:01.000"), at("10:40:00.999"), at("10:40:01.000"), at("10:50:00.999"),
                   at("10:50:01.000"), at("10:59:59.999"), at("11:00:00.999"), at("12:10:00.000")])
    reply = server.ledger(window="10m", since="2018-03-19", to="2018-03-20")
    assert reply.body.decode() == (
        "window,count\r\n"
        "2018-03-19 10:30:01 - 2018-03-19 10:40:01,2\r\n"
        "2018-03-19 10:40:01 - 2018-03-19 10:50:01,2\r\n"
        "2018-03-19 10:50:01 - 2018-03-19 11:00:01,3\r\n"
        "2018-03-19 12:00:01 - 2018-03-19 12:10:01,1\r\n"
    )
    assert of_csv(server.ledger(window="10m", since="2018-03-20", to="2018-03-21")) == []


# --- many rows ---


@pytest.fixture
def full(server):
    """A server with many rows of one day."""
    server.day_ms = int(time.time() * 1000) - 12 * 3600 * 1000
    plant(server, [server.day_ms + number * 7000 for number in range(MANY)])
    return server


def begin_export(server, query="?format=ndjson"):
    """A connection whose reader takes only what fits into a small window; the head is read. Small segments,
    too: by their size the kernel makes the sender's buffer, which would have room for all that is sent."""
    connection = Connection.__new__(Connection)
    connection.listener, connection.pending = "admin", b""
    connection.asked = collections.deque()
    connection.socket = socket.socket()
    connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
    connection.socket.settimeout(20)
    connection.socket.connect(("127.0.0.1", server.admin_port))
    connection.send("GET", PATH + query, server.bearer())
    head = connection.take_until(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200") and b"chunked" in head
    return connection


def memory_kib(server):
    with open(f"/proc/{server.process.pid}/status", encoding="ascii") as file:
        return int(file.read().split("VmRSS:")[1].split()[0])


def is_sanitized():
    """Sanitizers keep what was freed."""
    with open(os.path.join(default_bin_dir(), "sanyao"), "rb") as file:
        return re.search(rb"lib[at]san\.so", file.read()) is not None


def test_many_rows_come_whole_and_in_order(full):
    rows = expected(full.rows())
    assert len(rows) == MANY
    assert full.ledger(format="ndjson").json == rows
    assert of_csv(full.ledger()) == rows
    windows = full.ledger(window="10m", format="ndjson").json
    assert windows == expected_windows(full.rows())
    assert sum(window["count"] for window in windows) == MANY
    assert full.ledger(format="ndjson", status="02").json == []
    before = memory_kib(full)
    for _ in range(5):
        assert len(full.ledger(format="ndjson").json) == MANY
    assert is_sanitized() or memory_kib(full) - before < 8192


def test_several_at_once_each_get_all(full):
    connections = [begin_export(full) for _ in range(4)]
    for connection in reversed(connections):
        assert b"".join(connection.chunks()).count(b"\n") == MANY
        connection.close()


def test_one_who_leaves_leaves_nothing_behind(full):
    for number in range(20):
        connection = begin_export(full)
        if number % 2:
            next(connection.chunks())
        connection.reset() if number % 4 < 2 else connection.close()
    assert len(full.ledger(format="ndjson").json) == MANY
    assert full.admin("GET", "/healthz").status == 200


def test_a_process_that_ends_breaks_the_export_off(full):
    """Those that stand still and those that wait for a page; the end of neither looks like the end."""
    connections = [begin_export(full) for _ in range(3)]
    full.stop()
    for connection in connections:
        with pytest.raises(Closed):
            collections.deque(connection.chunks(), maxlen=0)
        connection.close()


def test_a_store_that_goes_away_breaks_the_export_off(start, redis):
    server = start(redis=redis)
    server.wait_until_ready()
    begin = int(time.time() * 1000) - 12 * 3600 * 1000
    plant(server, [begin + number * 7000 for number in range(MANY)])
    connection = begin_export(server)
    redis.kill()
    wait_until(lambda: server.request("GET", "/readyz").status == 503, 10, "the store's absence")
    with pytest.raises(Closed):
        collections.deque(connection.chunks(), maxlen=0)
    reply = server.ledger()
    assert (reply.status, reply.code) == (503, "store_unavailable")
    redis.start()
    server.wait_until_ready()
    assert len(server.ledger(format="ndjson").json) == MANY


def test_a_store_that_hangs_is_not_waited_for(start, redis):
    server = start(redis=redis)
    server.wait_until_ready()
    redis.freeze()
    reply = server.ledger()
    assert (reply.status, reply.code) == (503, "store_unavailable")
    redis.thaw()
    server.wait_until_ready()
    assert server.ledger().status == 200


# --- the command ---


def command(server, *arguments, code=0, **environment):
    settings = {
        "ADMIN_LISTEN": f"127.0.0.1:{server.admin_port}",
        "ADMIN_TOKEN": server.settings["ADMIN_TOKEN"],
        "HASH_KEY": server.settings["HASH_KEY"], "STORE_URL": server.settings["STORE_URL"],
        **environment,
    }
    done = subprocess.run(
        [os.path.join(default_bin_dir(), "sanyao"), "ledger", *arguments],
        env={**clean_environment(),
             **{"SANYAO_" + key: value for key, value in settings.items() if value is not None}},
        stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=False, cwd=server.directory,
    )
    done.body, done.said = done.stdout, done.stderr.decode()
    assert done.returncode == code, f"exit code {done.returncode}: {done.said}"
    assert server.settings["ADMIN_TOKEN"] not in done.said
    return done


def test_the_command_prints_the_same(server, sandbox, people):
    spend(server, sandbox, people)
    rows = expected(server.rows())
    assert of_csv(command(server)) == rows
    assert of_csv(command(server, "--format", "csv", "--bom")) == rows
    assert [json.loads(line) for line in command(server, "--json").body.splitlines()] == rows
    assert command(server, "--format=ndjson").body == command(server, "--json").body
    assert command(server, "--window", "10m").body == server.ledger(window="10m").body
    assert of_csv(command(server, "--state", "unknown", "--client", "anonymous")) == [
        row for row in rows if row["state"] == "unknown"
    ]
    assert of_csv(command(server, "--status", "02")) == [row for row in rows if row["status"] == "02"]
    split = "2026-01-01T00:00:00+08:00"
    assert of_csv(command(server, "--from", split)) == rows
    assert of_csv(command(server, "--from", "2000-01-01", "--to", split)) == []


def test_a_table_on_a_terminal(shared, people):
    shared.ask(people.one())
    for arguments, words in (
        ([], ["TIME", "STATE", "settled", "anonymous", "yes"]),
        (["--window", "10m"], ["WINDOW", "COUNT", ":01 - "]),
        (["--state", "reserved"], ["no calls"]),
    ):
        ours, theirs = pty.openpty()
        environment = {
            **clean_environment(), "SANYAO_ADMIN_LISTEN": f"127.0.0.1:{shared.admin_port}",
            "SANYAO_ADMIN_TOKEN": shared.settings["ADMIN_TOKEN"],
        }
        subprocess.run(
            [os.path.join(default_bin_dir(), "sanyao"), "ledger", *arguments], env=environment,
            stdin=subprocess.DEVNULL, stdout=theirs, timeout=30, check=True,
        )
        os.close(theirs)
        shown = os.read(ours, 65536).decode()
        os.close(ours)
        assert all(word in shown for word in words) and "{" not in shown


def test_the_command_by_a_unix_socket(start, place, people):
    listen = "unix:" + os.path.join("/tmp", f"sanyao-{os.getpid()}-{uuid.uuid4().hex[:8]}.sock")
    server = Server(os.path.join(place, "unix"), ADMIN_LISTEN=listen)
    server.port_of = lambda event: int(
        server.events(event)[0]["address"].rsplit(":", 1)[1]) if event == "listening" else None
    with server:
        assert of_csv(command(server, ADMIN_LISTEN=listen)) == []
    command(server, ADMIN_LISTEN=listen, code=1)


def test_the_command_says_what_is_wrong(shared, place):
    Needlework.write("secret", WRONG_TOKEN)
    said = command(shared, ADMIN_TOKEN=WRONG_TOKEN, code=1).said
    assert "refuses the token" in said and WRONG_TOKEN not in said
    assert "admin.token is not set" in command(shared, ADMIN_TOKEN=None, code=1).said
    assert "cannot be reached" in command(shared, ADMIN_LISTEN="127.0.0.1:9", code=1).said
    assert "admin.listen is empty" in command(shared, ADMIN_LISTEN="", code=1).said
    assert "port 0" in command(shared, ADMIN_LISTEN="127.0.0.1:0", code=1).said
    assert "not sanyao's" in command(
        shared, ADMIN_LISTEN=f"127.0.0.1:{shared.sandbox.port}", code=1).said
    assert '"from"' in command(shared, "--from", "yesterday", code=1).said
    assert '"window"' in command(shared, "--window", "5m", code=1).said
    for misuse in (["--no-such"], ["word"], ["--json", "--format", "csv"], ["--from"]):
        done = command(shared, *misuse, code=2)
        assert done.body == b"" and done.said
    assert b"Usage" in command(shared, "--help").body
    assert b"rebuild" in command(shared, "rebuild", "--help").body


def test_the_command_says_when_no_token_is_set_there(start):
    server = start(ADMIN_TOKEN=None)
    server.settings["ADMIN_TOKEN"] = WRONG_TOKEN
    assert "Set admin.token" in command(server, code=1).said


def test_half_an_export_is_a_failure(start, redis):
    """A command whose service ends in the middle."""
    server = start(redis=redis)
    server.wait_until_ready()
    begin = int(time.time() * 1000) - 12 * 3600 * 1000
    plant(server, [begin + number * 7000 for number in range(MANY)])
    environment = {
        **clean_environment(), "SANYAO_ADMIN_LISTEN": f"127.0.0.1:{server.admin_port}",
        "SANYAO_ADMIN_TOKEN": server.settings["ADMIN_TOKEN"],
        "SANYAO_HASH_KEY": server.settings["HASH_KEY"], "SANYAO_STORE_URL": redis.url,
    }
    process = subprocess.Popen(
        [os.path.join(default_bin_dir(), "sanyao"), "ledger", "--json"], env=environment,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )
    process.stdout.read(1)  # the pipe holds 64 KiB, and so the command stands still
    server.kill()
    _, said = process.communicate(timeout=30)
    server.process = None
    assert process.returncode == 1 and b"not whole" in said


# --- the contract ---


def test_the_admin_contracts_codes_belong_to_responses():
    document = contract.load(contract.ADMIN_DOCUMENT)
    codes = set()
    responses = list(document["components"]["responses"].values())
    for path in document["paths"].values():
        for operation in path.values():
            responses += [one for one in operation["responses"].values() if "$ref" not in one]
    for response in responses:
        for part in response.get("content", {}).get("application/problem+json", {}).get(
            "schema", {}).get("allOf", []):
            code = part.get("properties", {}).get("code", {})
            codes.update(code.get("enum", [code.get("const")]) if code else [])
    assert codes == set(document["components"]["schemas"]["ProblemCode"]["enum"])
