"""The admin API beside clients and packages: reconciling, forgetting, the audit, alerts, reload."""

import json
import os
import signal

import pytest
from desk import JSON, Desk, start_on_either
from harness import Connection, note, wait_until
from test_admin_clients import code, lines
from test_ledger_export import plant
from test_reconcile import calls, export, reconcile, window

CSV = [("Content-Type", "text/csv")]
MOST = 8 * 1024 * 1024


@pytest.fixture(params=["sqlite", "redis"])
def server(request, start):
    return start_on_either(request, start)


@pytest.fixture
def desk(server):
    return Desk(server)


def upload(server, body, headers=CSV):
    with Connection(server.admin_port, "admin") as connection:
        return connection.request(
            "POST", "/admin/v1/reconcile", [*server.bearer(), *headers], body
        )


def content(path):
    with open(path, "rb") as file:
        return file.read()


# --- reconciling ---


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
def test_reconciling_says_what_the_command_says(server, desk, place, encoding):
    plant(server, calls(0, 5) + calls(2, 3) + calls(5, 4))
    for counts, exit_code, difference in (
        ({0: 3, 4: 6, 5: 2}, 3, 5 - 6), ({0: 5, 2: 3, 5: 4}, 0, 0), ({0: 5, 2: 3, 5: 1}, 0, 0),
    ):
        path = export(place, counts, encoding)
        reply = upload(server, content(path))
        assert reply.status == 200
        assert reply.json == reconcile(server, path, exit_code)
        remembered = desk.balance()["drift"]["reconciled"]
        assert remembered["difference"] == difference
        assert (remembered["ours"], remembered["theirs"]) == (
            reply.json["total"]["ours"], reply.json["total"]["theirs"])


def test_lines_that_cannot_be_read_are_named(server, place):
    plant(server, calls(0, 2))
    body = content(export(place, {0: 2}, more=["1,yesterday,套餐包消耗,7次"]))
    for kind in (CSV, [("Content-Type", "text/csv; charset=utf-8")],
                 [("Content-Type", "application/octet-stream")]):
        said = upload(server, body, kind).json
        assert (said["agree"], said["malformed"]) == (False, 1)
        assert [one["line"] for one in said["malformedLines"]] == [3]


def test_what_was_reconciled_is_known_everywhere(replicas, place):
    group = replicas(2)
    assert upload(group[0], content(export(place, {0: 3}))).json["total"]["theirsOnly"] == 3
    wait_until(lambda: Desk(group[1]).balance()["drift"]["reconciled"] is not None, 10, "the outcome")
    assert Desk(group[1]).balance()["drift"]["reconciled"]["difference"] == -3
    # On what another replica has written in between.
    assert upload(group[1], content(export(place, {0: 2}))).json["total"]["theirsOnly"] == 2
    wait_until(lambda: Desk(group[0]).balance()["drift"]["reconciled"]["difference"] == -2, 10, "the other")


@pytest.mark.parametrize("body", [
    b"", b"\n\n", b"a,b\n1,2\n", b"\xff\xfe\x00", "流水编号,处理时间,备注,消耗\n".encode(),
    '流水编号,处理时间,备注,消耗\n"1,2'.encode(),
])
def test_what_is_no_export_is_refused(shared, body):
    assert code(upload(shared, body)) == (400, "malformed_request")
    assert code(upload(shared, body, JSON)) == (415, "unsupported_media_type")
    assert code(upload(shared, body, [])) == (415, "unsupported_media_type")
    assert Desk(shared).balance()["drift"]["reconciled"] is None


def test_a_large_file_is_taken_from_nobody_without_the_token(shared):
    """The refusal comes before the body."""
    for headers in ([], [("Authorization", "Bearer " + "wrong-token-0123456789-abcdefghij-42")]):
        with Connection(shared.admin_port, "admin") as connection:
            connection.send("POST", "/admin/v1/reconcile",
                            [*headers, *CSV, ("Content-Length", str(MOST))])
            reply = connection.read()
            assert code(reply) == (401, "unauthenticated") and reply.closes
    with Connection(shared.admin_port, "admin") as connection:
        connection.send("POST", "/admin/v1/reconcile",
                        [*shared.bearer(), *CSV, ("Content-Length", str(MOST + 1))])
        assert code(connection.read()) == (413, "body_too_large")


def test_a_file_may_have_eight_mebibytes(shared, place):
    head = content(export(place, {number: 1 for number in range(1000)}))
    body = head + b"\n" * (MOST - len(head))
    said = upload(shared, body).json
    assert said["total"]["theirs"] == 1000
    with Connection(shared.admin_port, "admin") as connection:
        head = ["POST /admin/v1/reconcile HTTP/1.1", "Host: x", "Transfer-Encoding: chunked",
                "Content-Type: text/csv", "Authorization: Bearer " + shared.settings["ADMIN_TOKEN"]]
        chunks = b"".join(b"10000\r\n" + b"\n" * 0x10000 + b"\r\n" for _ in range(129)) + b"0\r\n\r\n"
        connection.send_raw("\r\n".join(head).encode() + b"\r\n\r\n" + chunks, "POST", "/admin/v1/reconcile")
        assert code(connection.read()) == (413, "body_too_large")


def test_who_leaves_while_it_is_compared_leaves_nothing_behind(server, place):
    body = content(export(place, {number: 1 for number in range(500)}))
    for number in range(10):
        connection = Connection(server.admin_port, "admin")
        connection.send("POST", "/admin/v1/reconcile", [*server.bearer(), *CSV], body)
        connection.reset() if number % 2 else connection.close()
    assert upload(server, body).json["total"]["theirs"] == 500


# --- forgetting ---


def test_a_number_is_forgotten(server, desk, sandbox, people):
    person, other = people.one(), people.one()
    namesake = person.but(name=other.name)
    for one in (person, namesake, other):
        assert server.ask(one).json["source"] == "upstream"
    assert desk.do("POST", "forget", {"mobile": "+86 " + person.mobile}) == {"answers": 2}
    assert desk.do("POST", "forget", {"mobile": person.mobile}) == {"answers": 0}
    assert server.ask(other).json["source"] == "cache"
    for one in (person, namesake):
        assert server.ask(one, "only-if-cached").code == "not_cached"
    assert server.ask(person).json["source"] == "upstream"
    assert len(server.rows()) == 4, "the ledger stays"


def test_one_question_is_forgotten(server, desk, people):
    person = people.one()
    namesake = person.but(name=people.one().name)
    for one in (person, namesake):
        server.ask(one)
    assert desk.do("POST", "forget", person.question()) == {"answers": 1}
    assert server.ask(namesake).json["source"] == "cache"
    assert server.ask(person).json["source"] == "upstream"
    noted = lines(desk, action="forget")
    assert [(line["kind"], line["id"], line["before"], line["after"]) for line in noted] == [
        ("answers", "", None, {"answers": 1})
    ]


def test_forgetting_names_what_it_takes(shared, people):
    desk = Desk(shared)
    person = people.one()
    note(person)
    wishes = [
        {}, {"name": person.name}, {"name": person.name, "mobile": person.mobile},
        {"mobile": 13800138000}, {"mobile": None}, {"mobile": ["x"]}, {"mobile": "1" * 257},
        {"mobile": person.mobile, "age": 1}, {"mobile": person.mobile, person.mobile: 1},
    ]
    for wish in wishes:
        reply = desk.send("POST", "forget", wish)
        assert code(reply) == (400, "malformed_request")
        assert person.mobile not in reply.json["detail"] and person.name not in reply.json["detail"]
    assert code(desk.send("POST", "forget")) == (415, "unsupported_media_type")


# --- the audit ---


def test_the_audit_is_read_in_steps(desk):
    for number in range(7):
        desk.add_package(f"p-{number}", 1)
    whole = desk.do("GET", "audit?after=0")["lines"]
    assert [line["line"] for line in whole] == list(range(1, 8))
    assert [line["id"] for line in whole] == [f"p-{number}" for number in range(7)]
    read, after = [], 0
    while part := desk.do("GET", f"audit?after={after}&limit=3")["lines"]:
        assert len(part) <= 3
        read += part
        after = part[-1]["line"]
    assert read == whole
    assert desk.do("GET", "audit?limit=2")["lines"] == whole[-2:]
    assert desk.do("GET", "audit")["lines"] == whole
    for query in ("after=x", "after=-1", "limit=0", "limit=257", "limit=", "after=1.5"):
        assert code(desk.send("GET", "audit?" + query)) == (400, "malformed_request")


# --- alerts, reload ---


def test_alerts_are_listed(desk, server, people):
    assert desk.do("GET", "alerts") == {"alerts": []}
    desk.add_package("p", 1)
    server.ask(people.one())
    wait_until(lambda: desk.do("GET", "alerts")["alerts"], 20, "an alert")
    wait_until(lambda: len(desk.do("GET", "alerts")["alerts"]) == 4, 20, "one for each threshold")
    alerts = desk.do("GET", "alerts")["alerts"]
    assert {alert["id"] for alert in alerts} == {f"package/p/{left}" for left in (20, 10, 5, 0)}
    assert {(one["kind"], one["subject"], one["state"]) for one in alerts} == {("package", "p", "firing")}


def test_a_reload_tells_what_changed(start, place):
    path = os.path.join(place, "sanyao.jsonc")

    def settings(**more):
        with open(path, "w", encoding="utf-8") as file:
            json.dump(more, file)

    settings(request_timeout="5s")
    server = start(CONFIG=path)
    desk = Desk(server)
    assert desk.do("POST", "reload") == {"changes": []}
    settings(request_timeout="6s")
    changes = [{"key": "request_timeout", "before": "5s", "after": "6s"}]
    assert desk.do("POST", "reload") == {"changes": changes}
    settings(request_timeout="6s", workers=3, timezone="UTC")
    reply = desk.send("POST", "reload")
    assert code(reply) == (409, "conflict") and "timezone" in reply.json["detail"]
    settings(nonsense=1)
    assert code(desk.send("POST", "reload")) == (409, "conflict")
    assert [line["after"] for line in lines(desk, action="reload")] == [[], changes]


def test_a_reload_by_a_signal_is_in_the_audit(start, place):
    path = os.path.join(place, "sanyao.jsonc")
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"request_timeout": "5s"}, file)
    server = start(CONFIG=path)
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"request_timeout": "6s"}, file)
    server.signal(signal.SIGHUP)
    line, = wait_until(lambda: lines(Desk(server), action="reload"), 10, "the line")
    assert (line["token"], line["kind"], line["id"]) == ("signal", "settings", "")
    assert line["after"] == [{"key": "request_timeout", "before": "5s", "after": "6s"}]


def test_the_grace_of_a_reload_is_in_force_at_once(start, place):
    path = os.path.join(place, "sanyao.jsonc")
    with open(path, "w", encoding="utf-8") as file:
        json.dump({}, file)
    server = start(CONFIG=path, AUTH="keys")
    desk = Desk(server)
    desk.add_client("shop")
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"clients": {"grace": "0"}}, file)
    desk.do("POST", "reload")
    desk.rotate("shop")
    keys = desk.do("GET", "clients/shop")["keys"]
    assert len(keys) == 1 or keys[1]["expiresAt"] <= keys[0]["createdAt"]


def test_windows_have_the_sellers_edges(shared, place):
    """The first moment of a window belongs to it, and the last to the one before."""
    said = upload(shared, content(export(place, {0: 1}))).json
    assert said["windows"][0]["begin"] == f"{window(0):%Y-%m-%d %H:%M:%S}"
