"""A wall clock that jumps by a day under a running server spoils nothing.

The process's wall clock is Debian's libfaketime's, which reads a file for how far it is off; the time that
goes on by itself is left as it is, and so is a Redis' own clock.
"""

import datetime
import glob
import json
import os
import time

import pytest
from desk import Desk, bearer
from harness import Replicas, read_answer, send_question, wait_until
from test_number_limit import is_guarded, others

JUMPED = "a clock is far from the time that is kept here; it is not followed until a reload"
RETURNED = "a clock is near the time that is kept here again"
DAY = 86400
LIBRARIES = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
# The sanitizers must be loaded first, and see a library that intercepts what they do.
SANITIZED = any(name in os.environ.get("BIN_DIR", "") for name in ("asan", "tsan"))

pytestmark = pytest.mark.skipif(
    not LIBRARIES or SANITIZED, reason="needs Debian's faketime, and no sanitizer"
)


class Wall:
    """The wall clock of the servers that have its environment."""

    def __init__(self, directory):
        self.path = os.path.join(str(directory), "wall")
        self.set(0)
        self.environment = {
            "LD_PRELOAD": LIBRARIES[0], "FAKETIME_TIMESTAMP_FILE": self.path, "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1",
        }

    def set(self, seconds):
        with open(self.path + ".new", "w", encoding="ascii") as file:
            file.write(f"{seconds:+d}\n")
        os.replace(self.path + ".new", self.path)

    def jump(self, server, seconds):
        """The server has noticed when it returns."""
        count = len(server.events(JUMPED))
        self.set(seconds)
        return server.wait_for_event(JUMPED, count=count + 1)[-1]


@pytest.fixture
def wall(tmp_path):
    return Wall(tmp_path)


@pytest.fixture(params=["sqlite", "redis"])
def start_in(request, start, wall):
    """start_in(**settings): a server on either store, with that wall clock."""
    def make(**settings):
        if request.param == "redis":
            settings["redis"] = request.getfixturevalue("redis")
        server = start(environment=wall.environment, **settings)
        server.wait_until_ready()
        return server

    return make


both_ways = pytest.mark.parametrize("days", [1, -1], ids=["forwards", "backwards"])


def metric(server, name):
    lines = server.admin("GET", "/metrics").body.decode().splitlines()
    return float(next(line.split(" ")[1] for line in lines if line.startswith(name + " ")))


def seconds_left(reply):
    """Of the answer's freshness, by our clock."""
    expires = datetime.datetime.fromisoformat(reply.json["expiresAt"].replace("Z", "+00:00"))
    return (expires - datetime.datetime.now(datetime.timezone.utc)).total_seconds()


# --- what a jump does not spoil ---


@both_ways
@pytest.mark.parametrize("memory", ["1000", "0"], ids=["memory", "store"])
def test_times_to_live(days, memory, start_in, wall, sandbox, people):
    """An 02 lives for 24 hours: it is neither expired by a jump, nor kept alive by it."""
    server = start_in(CACHE_MEMORY_ENTRIES=memory, CACHE_TTL_02="24h")
    person, later, short = people.one(status="02"), people.one(status="02"), people.one()
    assert server.ask(person).json["status"] == "02"
    told = wall.jump(server, days * DAY)
    assert told["level"] == "warn" and abs(told["seconds_ahead"] - days * DAY) <= 2
    reply = server.ask(person)
    assert reply.json["source"] == "cache"
    assert DAY - 60 < seconds_left(reply) <= DAY
    reply = server.ask(later)
    assert reply.json["source"] == "upstream" and DAY - 60 < seconds_left(reply) <= DAY
    server.ask(short)
    assert sandbox.calls() == 3
    wall.set(0)
    server.wait_for_event(RETURNED)
    assert {server.ask(one).json["source"] for one in (person, later, short)} == {"cache"}
    assert sandbox.calls() == 3


@both_ways
def test_what_has_expired_stays_so(days, start_in, wall, sandbox, people):
    server = start_in(CACHE_TTL_01="1s", STALE_IF_ERROR="0", NUMBER_LIMIT_MAX_CALLS="1000")
    person = people.one()
    server.ask(person)
    wall.jump(server, days * DAY)
    wait_until(lambda: server.ask(person).json["source"] == "upstream", 10, "its end")
    server.ask(person)
    assert sandbox.calls() in (2, 3)


@both_ways
def test_the_window_of_a_number(days, start_in, wall, sandbox, people):
    server = start_in(NUMBER_LIMIT_MAX_CALLS="2")
    person = people.one()
    asked = others(person, people, 4)
    for one in asked[:2]:
        server.ask(one)
    is_guarded(server.ask(asked[2]), DAY)
    wall.jump(server, days * DAY)
    for one in asked[2:]:
        is_guarded(server.ask(one), DAY)
    assert sandbox.calls(mobile=person.mobile) == 2


@both_ways
def test_a_number_that_is_closed(days, start_in, wall, sandbox, people):
    server = start_in()
    person = people.one()
    first, second = others(person, people, 2)
    sandbox.behave(mobile=person.mobile, status="203", calls=1)
    server.ask(first)
    wall.jump(server, days * DAY)
    for one in (first, second):
        is_guarded(server.ask(one), DAY)
    assert sandbox.calls(mobile=person.mobile) == 1


@both_ways
def test_a_call_under_way(days, start_in, wall, sandbox, people):
    """Its lease neither ends with the jump nor outlives it, and it ends as it would have."""
    server = start_in(REQUEST_TIMEOUT="30s", WORKERS="2")
    person = people.one()
    sandbox.behave(mobile=person.mobile, hang=True)
    connections = [server.connect() for _ in range(3)]
    for connection in connections[:2]:
        send_question(connection, person)
    sandbox.wait_for_hanging(1)
    wall.jump(server, days * DAY)
    send_question(connections[2], person)
    time.sleep(1)
    assert sandbox.calls(mobile=person.mobile) == 1
    sandbox.release()
    replies = [read_answer(connection, person) for connection in connections]
    assert {reply.json["result"] for reply in replies} == {"match"}
    assert sorted(reply.json["billed"] for reply in replies) == [False, False, True]
    for connection in connections:
        connection.close()
    assert sandbox.calls(mobile=person.mobile) == 1
    row, = server.rows()
    assert row["state"] == "settled"


@both_ways
def test_a_lease_that_nobody_ends(days, start_in, wall, sandbox, people):
    """A call that takes too long is given up when it would have been."""
    server = start_in(REQUEST_TIMEOUT="30s", UPSTREAM_TIMEOUT="3s", UPSTREAM_CONNECT_TIMEOUT="1s")
    person = people.one()
    sandbox.behave(mobile=person.mobile, hang=True)
    begun = time.monotonic()
    with server.connect() as connection:
        send_question(connection, person)
        sandbox.wait_for_hanging(1)
        wall.jump(server, days * DAY)
        assert read_answer(connection, person).code == "upstream_timeout"
    assert 2.5 < time.monotonic() - begun < 10
    sandbox.release()


@both_ways
def test_rates_and_quotas(days, start_in, wall, sandbox, people):
    """Yesterday's calls do not come back, nor is tomorrow's quota there already; and a rate goes on."""
    server = start_in(AUTH="keys", CLIENTS_GRACE="1h")
    desk = Desk(server)
    key = desk.add_client("billing", dailyCalls=2)
    hasty = desk.add_client("hasty", requestsPerSecond=1, burst=1)
    old = desk.add_client("rotated")
    new = desk.rotate("rotated")
    kept = people.one()
    assert server.ask(kept, headers=bearer(key)).status == 200
    assert server.ask(people.one(), headers=bearer(key)).status == 200
    refused = server.ask(people.one(), headers=bearer(key))
    assert refused.status == 429
    wait = int(refused.header("Retry-After"))
    wall.jump(server, days * DAY)
    again = server.ask(people.one(), headers=bearer(key))
    assert again.status == 429 and again.code == refused.code
    assert wait - 60 <= int(again.header("Retry-After")) <= wait
    assert desk.usage("billing")["day"]["used"] == 2
    for one in (old, new):
        assert server.ask(kept, headers=bearer(one)).status == 200
    codes = [server.ask(kept, headers=bearer(hasty)).status for _ in range(3)]
    assert codes[0] == 200 and 429 in codes
    wait_until(lambda: server.ask(kept, headers=bearer(hasty)).status == 200, 5, "the rate's next")
    assert sandbox.calls() == 2


@both_ways
def test_a_package_that_expires(days, start_in, wall, people):
    server = start_in()
    desk = Desk(server)
    now = datetime.datetime.now(datetime.timezone.utc)
    stamp = "%Y-%m-%dT%H:%M:%SZ"
    desk.add_package("p1", 10, 1, expiresAt=(now + datetime.timedelta(hours=5)).strftime(stamp))
    assert server.ask(people.one()).status == 200
    wall.jump(server, days * DAY)
    assert server.ask(people.one()).status == 200
    assert desk.packages()["p1"]["used"] == 2


@both_ways
def test_rows_keep_their_order(days, start_in, wall, people):
    server = start_in()
    for step in range(3):
        server.ask(people.one())
        if step == 0:
            wall.jump(server, days * DAY)
    rows = server.ledger(format="ndjson").body.decode().splitlines()
    times = [json.loads(row)["time"] for row in rows]
    assert times == sorted(times) and len(times) == 3
    first, last = (datetime.datetime.fromisoformat(t.replace("Z", "+00:00")) for t in (times[0], times[-1]))
    assert (last - first).total_seconds() < 120


# --- what is said of it, and what an operator can do ---


def test_a_jump_is_told_once_and_shown(start_in, wall):
    server = start_in()
    assert metric(server, "sanyao_clock_offset_seconds") == pytest.approx(0, abs=1)
    wall.jump(server, DAY)
    assert metric(server, "sanyao_clock_offset_seconds") == pytest.approx(DAY, abs=2)
    reply = server.request("GET", "/readyz")
    assert reply.status == 200 and "this machine is 86" in reply.json["checks"]["clock"]
    time.sleep(3)
    assert len(server.events(JUMPED)) == 1
    wall.set(0)
    server.wait_for_event(RETURNED)
    assert server.request("GET", "/readyz").json["checks"]["clock"] == "ok"


def test_what_drifts_is_followed(start_in, wall):
    server = start_in()
    wall.set(3)
    time.sleep(3)
    assert not server.events(JUMPED)
    assert metric(server, "sanyao_clock_offset_seconds") == pytest.approx(3, abs=0.9)


def test_a_reload_takes_the_clock_as_it_is(start, wall, people):
    """On the embedded store: also back, after which nothing is fresh for longer than it should be."""
    wall.set(DAY)
    server = start(environment=wall.environment, CACHE_TTL_01="1h")
    person = people.one()
    assert DAY < seconds_left(server.ask(person)) < DAY + 3601
    wall.jump(server, 0)
    assert server.ask(person).json["source"] == "cache"
    Desk(server).do("POST", "reload")
    server.wait_for_event("the clock was taken as it is")

    def mended():
        reply = server.ask(person)
        assert reply.json["source"] == "cache"
        return 3500 < seconds_left(reply) <= 3601

    wait_until(mended, 10, "an hour to live")
    assert metric(server, "sanyao_clock_offset_seconds") == pytest.approx(0, abs=1)


@both_ways
def test_a_jump_while_stopped(days, start, wall, sandbox, people):
    """The embedded store believes the clock at the start; that it was wrong brings no calls, and loses none."""
    server = start(environment=wall.environment, CACHE_TTL_01="48h", NUMBER_LIMIT_MAX_CALLS="1",
                   NUMBER_LIMIT_WINDOW="72h")
    person = people.one()
    second, = others(person, people, 1)
    server.ask(person)
    for seconds in (days * DAY, 0):
        server.stop()
        wall.set(seconds)
        server.start()
        assert server.ask(person).json["source"] == "cache"
        assert seconds_left(server.ask(person)) - seconds <= 2 * DAY
        assert server.ask(second).json["source"] == "guard"
    assert sandbox.calls() == 1


@both_ways
def test_a_replica_whose_clock_is_a_day_off(days, place, wall, redis, sandbox, people):
    """It goes by the store's clock, and says so."""
    wall.set(days * DAY)
    group = Replicas(place, redis, sandbox.url, count=2, CACHE_TTL_01="1h")
    group[1].extra_environment = wall.environment
    with group:
        person, other = people.some(2)
        right, wrong = group
        told = wrong.wait_for_event("the store's clock is far from this machine's; the store's time is taken")
        assert abs(told[0]["seconds_ahead"] + days * DAY) <= 2
        right.ask(person)
        assert wrong.ask(person).json["source"] == "cache"
        reply = wrong.ask(other)
        assert 3500 < seconds_left(reply) <= 3601
        assert right.ask(other).json["source"] == "cache"
        assert metric(wrong, "sanyao_clock_offset_seconds") == pytest.approx(days * DAY, abs=2)
        assert metric(wrong, "sanyao_store_clock_offset_seconds") == pytest.approx(0, abs=1)
        assert "this machine" in wrong.request("GET", "/readyz").json["checks"]["clock"]
        Desk(wrong).do("POST", "reload")
        assert wrong.ask(other).json["source"] == "cache"
        assert sandbox.calls() == 2
