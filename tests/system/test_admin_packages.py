"""/admin/v1/packages and /admin/v1/balance on both stores."""

import json
import secrets
import zoneinfo
from datetime import datetime, timedelta

import pytest
from desk import Desk, start_on_either
from harness import Connection, Needlework, Server, wait_until
from sandbox_control import APPCODE, Sandbox
from test_admin_clients import code, lines

SPARE = secrets.token_hex(16)


@pytest.fixture(params=["sqlite", "redis"])
def server(request, start):
    return start_on_either(request, start)


@pytest.fixture
def desk(server):
    return Desk(server)


def listed(desk):
    """(id, state) in the order in which they are drawn."""
    return [(one["id"], one["state"]) for one in desk.do("GET", "packages")["packages"]]


# --- adding and changing ---


def test_a_package_is_added_once(desk):
    wish = {"id": "p-1", "calls": 1000, "priceCny": 288.1, "expiresAt": "2999-01-01"}
    reply = desk.send("POST", "packages", wish)
    assert reply.status == 201
    package = reply.json
    assert package == {
        "id": "p-1", "credential": "main", "calls": 1000, "priceCny": 288.1,
        "purchasedAt": package["purchasedAt"], "expiresAt": "2998-12-31T16:00:00Z", "used": 0,
        "left": 1000, "state": "next",
    }
    assert b'"priceCny":288.10' in reply.body, "money has two decimals"
    for again in (wish, {**wish, "priceCny": "288.10"}, {**wish, "purchasedAt": package["purchasedAt"]}):
        reply = desk.send("POST", "packages", again)
        assert (reply.status, reply.json) == (200, package)
    for other in ({**wish, "calls": 1001}, {**wish, "priceCny": 288}, {**wish, "credential": "spare"},
                  {**wish, "purchasedAt": "2020-01-01"}):
        assert code(desk.send("POST", "packages", other)) == (409, "conflict")
    assert desk.do("GET", "packages") == {"packages": [package]}
    assert [line["action"] for line in lines(desk, kind="package")] == ["create"]


@pytest.mark.parametrize("wish, name", [
    ({"calls": 1, "priceCny": 1}, "id"), ({"id": "UPPER", "calls": 1, "priceCny": 1}, "id"),
    ({"id": "p", "priceCny": 1}, "calls"), ({"id": "p", "calls": 1}, "priceCny"),
    ({"id": "p", "calls": -1, "priceCny": 1}, "calls"), ({"id": "p", "calls": 1.5, "priceCny": 1}, "calls"),
    ({"id": "p", "calls": 10 ** 10, "priceCny": 1}, "calls"),
    ({"id": "p", "calls": 1, "priceCny": -1}, "priceCny"),
    ({"id": "p", "calls": 1, "priceCny": "1.001"}, "priceCny"),
    ({"id": "p", "calls": 1, "priceCny": "cheap"}, "priceCny"),
    ({"id": "p", "calls": 1, "priceCny": None}, "priceCny"),
    ({"id": "p", "calls": 1, "priceCny": 1, "credential": "A B"}, "credential"),
    ({"id": "p", "calls": 1, "priceCny": 1, "expiresAt": "soon"}, "expiresAt"),
    ({"id": "p", "calls": 1, "priceCny": 1, "purchasedAt": None}, "purchasedAt"),
    ({"id": "p", "calls": 1, "priceCny": 1, "used": 0}, "used"),
])
def test_a_wish_that_makes_no_sense_is_refused(shared, wish, name):
    desk = Desk(shared)
    reply = desk.send("POST", "packages", wish)
    assert code(reply) == (400, "malformed_request")
    assert name in reply.json["detail"]
    assert desk.do("GET", "packages") == {"packages": []}
    assert desk.balance()["metered"] is False


def test_a_change_is_a_merge(desk):
    desk.add_package("p", 10, 5, purchasedAt="2026-01-01", expiresAt="2999-01-01")
    changed = desk.set_package("p", calls=20, expiresAt=None)
    assert (changed["calls"], changed["expiresAt"], changed["priceCny"]) == (20, None, 5)
    assert desk.set_package("p", calls=20) == changed == desk.packages()["p"]
    assert len(lines(desk, kind="package", action="change")) == 1
    for change in ({"calls": "many"}, {"id": "q"}, {"left": 5}):
        assert code(desk.send("PATCH", "packages/p", change)) == (400, "malformed_request")
    assert code(desk.send("PATCH", "packages/q", {"calls": 1})) == (404, "not_found")
    assert desk.set_package("p", removed=True)["state"] == "removed"
    assert desk.balance()["metered"] is False
    assert code(desk.send("POST", "packages", {"id": "p", "calls": 20, "priceCny": 5})) == (409, "conflict")
    assert desk.set_package("p", removed=False)["state"] == "next"
    assert [line["after"]["calls"] for line in lines(desk, kind="package")] == [10, 20, 20, 20]


def test_states_and_order_are_those_by_which_calls_are_drawn(desk, server, people):
    desk.add_package("plain", 5, purchasedAt="2026-01-02")
    desk.add_package("older", 1, purchasedAt="2026-01-01")
    desk.add_package("dated", 1, purchasedAt="2026-02-01", expiresAt="2999-01-01")
    desk.add_package("over", 5, purchasedAt="2025-01-01", expiresAt="2026-01-01")
    desk.add_package("nowhere", 5, purchasedAt="2026-03-01", credential="elsewhere")
    assert listed(desk) == [("over", "expired"), ("dated", "next"), ("older", "waiting"),
                            ("plain", "waiting"), ("nowhere", "unusable")]
    server.ask(people.one())
    assert listed(desk)[1:4] == [("dated", "exhausted"), ("older", "next"), ("plain", "waiting")]
    server.ask(people.one())
    assert listed(desk)[1:4] == [("dated", "exhausted"), ("older", "exhausted"), ("plain", "next")]
    desk.set_package("older", calls=2)
    assert listed(desk)[1:4] == [("dated", "exhausted"), ("older", "next"), ("plain", "waiting")]
    desk.set_package("older", removed=True)
    assert dict(listed(desk)) == {"over": "expired", "dated": "exhausted", "older": "removed",
                                  "plain": "next", "nowhere": "unusable"}
    assert [row["package"] for row in server.rows()] == ["dated", "older"]


# --- the balance ---


def test_an_unmetered_balance_says_so(desk, server, people):
    server.ask(people.one())
    balance = desk.balance()
    assert (balance["metered"], balance["bought"], balance["used"], balance["left"]) == (False, 0, 0, 0)
    assert balance["packages"] == [] and balance["drift"] == {"credentials": 0, "reconciled": None}
    assert balance["credentials"] == [
        {"id": "main", "configured": True, "mark": None, "since": None, "left": 0, "drift": 0}
    ]
    assert balance["runway"]["daysLeft"] is None
    assert [one["days"] for one in balance["runway"]["next"]] == [30, 90, 365]


def test_the_balance_is_the_sum_of_what_is_in_force(desk, server, sandbox, people):
    desk.add_package("a", 3, purchasedAt="2026-01-01")
    desk.add_package("b", 10, purchasedAt="2026-02-01")
    desk.add_package("over", 50, expiresAt="2026-01-01")
    desk.add_package("gone", 70)
    desk.set_package("gone", removed=True)
    for person in people.some(4):
        server.ask(person)
    for how in ({"gateway": "throttled"}, {"cut": "request"}):
        person = people.one()
        sandbox.behave(mobile=person.mobile, calls=1, **how)
        server.ask(person)
    server.wait_for_states(settled=4, released=1, unknown=1)
    balance = desk.balance()
    assert (balance["metered"], balance["bought"], balance["used"], balance["left"]) == (True, 13, 5, 8)
    assert balance["unknown"] == 1
    assert balance["packages"] == desk.do("GET", "packages")["packages"]
    assert balance["credentials"][0]["left"] == 8
    counted = server.ledger(counted="true", format="ndjson").json
    assert len(counted) == 5 and {row["package"] for row in counted} == {"a", "b"}
    assert server.ledger(package="a", format="ndjson").json == [
        row for row in server.ledger(format="ndjson").json if row["package"] == "a"
    ]
    desk.set_package("a", calls=1)
    balance = desk.balance()
    assert (balance["bought"], balance["used"], balance["left"]) == (11, 5, 8), "never less than nothing"


def test_a_mark_shows_and_a_purchase_takes_it_away(desk, server, sandbox, people):
    desk.add_package("p", 10, purchasedAt="2026-01-01")
    assert server.ask(people.one()).status == 200
    person = people.one()
    sandbox.behave(mobile=person.mobile, calls=1, gateway="quota-exhausted")
    assert server.ask(person).code == "package_exhausted"
    wait_until(lambda: desk.balance()["credentials"][0]["mark"] is not None, 10, "the mark")
    balance = desk.balance()
    credential, = balance["credentials"]
    assert (credential["mark"], credential["left"], credential["drift"]) == ("exhausted", 9, 9)
    assert credential["since"] is not None and balance["drift"]["credentials"] == 9
    assert listed(desk) == [("p", "unusable")]
    # What changes nothing is no reason to try again.
    desk.set_package("p", calls=10)
    assert listed(desk) == [("p", "unusable")]
    changed = desk.set_package("p", calls=11)
    assert changed["state"] == "next", "the answer tells what is in force"
    assert desk.balance()["credentials"][0]["mark"] is None
    assert server.ask(people.one()).status == 200
    sandbox.behave(mobile=person.mobile, calls=1, gateway="quota-exhausted")
    assert server.ask(person).code == "package_exhausted"
    wait_until(lambda: dict(listed(desk))["p"] == "unusable", 10, "the mark")
    assert desk.add_package("q", 5)["state"] == "waiting"
    assert server.ask(people.one()).status == 200
    marks = [line["action"] for line in lines(desk, kind="credential")]
    assert marks == ["mark", "clear", "mark", "clear"]
    assert {line["token"] for line in lines(desk, kind="credential")} == {"service"}


def test_a_mark_of_another_code_is_none(place, people):
    """The operator sets another AppCode; what was refused is no matter of it."""
    Needlework.write("secret", SPARE)
    with (
        Sandbox(None, "--number-limit", "0", "--appcode", SPARE) as seller,
        Server(place, seller.url, APPCODE=APPCODE) as server,
    ):
        desk = Desk(server)
        assert server.ask(people.one()).code == "upstream_refused_credential"
        wait_until(lambda: desk.balance()["credentials"][0]["mark"] == "unknown", 10, "the mark")
        server.stop()
        server.settings["APPCODE"] = SPARE
        server.start()
        server.wait_until_ready()
        assert desk.balance()["credentials"][0]["mark"] is None
        assert server.ask(people.one()).status == 200


def test_the_pace_and_what_to_buy_come_of_the_last_whole_days(start, redis):
    server = start(redis=redis)
    server.wait_until_ready()
    desk = Desk(server)
    desk.add_package("p", 1000)
    today = datetime.now(zoneinfo.ZoneInfo("Asia/Shanghai")).date()
    for days, calls in ((1, 30), (2, 40), (8, 1000)):
        redis.command("HSET", f"{{ledger}}used:day:{today - timedelta(days=days)}", "shop", calls)
    runway = desk.balance()["runway"]
    assert runway["callsPerDay"] == 35 and runway["daysLeft"] == 28
    month, quarter, year = runway["next"]
    assert (month["calls"], quarter["calls"], year["calls"]) == (50, 2150, 11775)
    assert all(one["count"] >= 1 and one["package"]["calls"] * one["count"] >= one["calls"]
               for one in runway["next"])


def test_the_reply_is_small_enough_to_be_whole(desk):
    """Many packages, of which the plan holds 64."""
    for number in range(70):
        desk.add_package(f"p-{number:02}", 5, purchasedAt="2026-01-01")
    states = [state for _, state in listed(desk)]
    assert states[0] == "next" and len(states) == 70
    assert desk.balance()["bought"] == 350
    with Connection(desk.server.admin_port, "admin") as connection:
        reply = connection.request("GET", "/admin/v1/packages", desk.server.bearer())
        assert json.loads(reply.body)["packages"] == desk.do("GET", "packages")["packages"]
