"""/admin/v1/clients on both stores: what is added, changed, rotated and removed, and what is refused."""

import json
import re

import pytest
from desk import JSON, Desk, bearer, start_on_either
from harness import Connection, Needlework, together, wait_until

KEY = re.compile(r"sy_shop_[A-Za-z0-9_-]{43}")
NEW = {
    "name": "", "dailyCalls": None, "monthlyCalls": None, "requestsPerSecond": None, "burst": None,
    "reserve": 0, "refresh": False, "shadow": False, "disabled": False,
}


@pytest.fixture(params=["sqlite", "redis"])
def server(request, start):
    """A server that asks for keys, on either store."""
    return start_on_either(request, start, AUTH="keys")


@pytest.fixture
def desk(server):
    return Desk(server)


@pytest.fixture
def plain(start):
    """The desk of a server on the embedded store, for what the stores have no part in."""
    return Desk(start(AUTH="keys"))


def code(reply):
    return (reply.status, reply.code)


def attributes(client):
    return {name: client[name] for name in NEW}


def raw(server, method, path, body, headers=JSON):
    with Connection(server.admin_port, "admin") as connection:
        return connection.request(
            method, "/admin/v1/" + path, [*server.bearer(), *headers], body
        )


def lines(desk, **wanted):
    """Lines of the audit with these members."""
    found = desk.do("GET", "audit?limit=256")["lines"]
    return [line for line in found if all(line[name] == value for name, value in wanted.items())]


# --- adding ---


def test_a_client_is_added_and_its_key_told_once(desk):
    reply = desk.send("POST", "clients", {"id": "shop", "name": "商城", "dailyCalls": 100})
    key = reply.json["key"]
    Needlework.write("key", key)
    assert reply.status == 201 and KEY.fullmatch(key)
    client = reply.json["client"]
    assert attributes(client) == {**NEW, "name": "商城", "dailyCalls": 100}
    assert len(client["keys"]) == 1 and client["keys"][0]["expiresAt"] is None
    shown = desk.do("GET", "clients/shop")
    usage = shown.pop("usage")
    assert shown == client
    assert usage["day"]["limit"] == 100 and usage["month"]["limit"] is None
    assert usage["day"]["used"] == usage["month"]["used"] == 0
    assert usage["day"]["period"].startswith(usage["month"]["period"] + "-")
    assert desk.do("GET", "clients") == {"clients": [{**client, "usage": usage}]}


def test_the_same_request_again_changes_nothing(desk, server, people):
    wish = {"id": "shop", "monthlyCalls": 5, "refresh": True}
    key = desk.add_client("shop", **{name: wish[name] for name in ("monthlyCalls", "refresh")})
    before = desk.do("GET", "clients/shop")
    again = desk.send("POST", "clients", wish)
    assert again.status == 200 and again.json["key"] is None
    assert desk.do("GET", "clients/shop") == before
    for other in ({"id": "shop"}, {**wish, "monthlyCalls": 6}, {**wish, "name": "x"}):
        assert code(desk.send("POST", "clients", other)) == (409, "conflict")
    assert desk.do("GET", "clients/shop") == before
    assert server.ask(people.one(), headers=bearer(key)).status == 200
    assert len(lines(desk, kind="client")) == 1


def test_what_was_answered_is_in_force(desk, server, people):
    """The next request on any connection, to either worker, knows the change."""
    person = people.one()
    for number in range(15):
        key = desk.add_client(f"shop-{number}")
        for _ in range(3):
            assert server.ask(person, headers=bearer(key)).status == 200
        desk.set_client(f"shop-{number}", disabled=True)
        for _ in range(3):
            assert server.ask(person, headers=bearer(key)).status == 403


@pytest.mark.parametrize("wish, name", [
    ({}, "id"), ({"id": "anonymous"}, "anonymous"), ({"id": ""}, "id"), ({"id": "-x"}, "id"),
    ({"id": "UPPER"}, "id"), ({"id": "a" * 41}, "id"), ({"id": "a/b"}, "id"), ({"id": 7}, "id"),
    ({"id": "ok", "age": 1}, "age"), ({"id": "ok", "dailyCalls": -1}, "dailyCalls"),
    ({"id": "ok", "dailyCalls": 1.5}, "dailyCalls"), ({"id": "ok", "dailyCalls": "5"}, "dailyCalls"),
    ({"id": "ok", "monthlyCalls": 10 ** 12}, "monthlyCalls"), ({"id": "ok", "burst": 5}, "burst"),
    ({"id": "ok", "requestsPerSecond": 0}, "requestsPerSecond"), ({"id": "ok", "reserve": 101}, "reserve"),
    ({"id": "ok", "reserve": None}, "reserve"), ({"id": "ok", "refresh": "yes"}, "refresh"),
    ({"id": "ok", "disabled": 1}, "disabled"), ({"id": "ok", "name": "n" * 200}, "name"),
    ({"id": "ok", "name": ["x"]}, "name"), ({"id": "ok", "removed": True}, "removed"),
    ({"id": "ok", "keys": []}, "keys"),
])
def test_a_wish_that_makes_no_sense_is_refused(plain, wish, name):
    reply = plain.send("POST", "clients", wish)
    assert code(reply) == (400, "malformed_request")
    assert name in reply.json["detail"]
    if wish.get("id") == "ok":
        plain.add_client("there")
        change = {key: value for key, value in wish.items() if key != "id"}
        reply = plain.send("PATCH", "clients/there", change)
        assert code(reply) == (400, "malformed_request") and name in reply.json["detail"]
        assert attributes(plain.do("GET", "clients/there")) == NEW
    assert [one["id"] for one in plain.do("GET", "clients")["clients"]] in ([], ["there"])


@pytest.mark.parametrize("body", [
    b"", b"{", b"[]", b'"x"', b"null", b'{"id":"shop"}x', b'{"id":"shop","id":"shop"}',
    b'{"id":"shop","name":"a\\u0000b"}', b'{"id":"shop","name":"\xff"}', b'{"id":"shop",}',
    b"\xef\xbb\xbf{}", b'{"id":"shop","name":' + b"[" * 5000 + b"]" * 5000 + b"}", b'{"id":01}',
])
def test_a_body_must_be_one_object(plain, body):
    reply = raw(plain.server, "POST", "clients", body)
    assert code(reply) == (400, "malformed_request")
    assert plain.do("GET", "clients") == {"clients": []}


def test_bodies_say_what_they_are_and_are_small(plain):
    server = plain.server
    body = json.dumps({"id": "shop"}).encode()
    for kind in ([], [("Content-Type", "text/plain")], [("Content-Type", "application/jsonx")]):
        assert code(raw(server, "POST", "clients", body, kind)) == (415, "unsupported_media_type")
    large = json.dumps({"id": "shop", "name": "n" * 20000}).encode()
    assert code(raw(server, "POST", "clients", large)) == (413, "body_too_large")
    reply = raw(server, "POST", "clients", body, [("Content-Type", "application/json; charset=utf-8")])
    Needlework.write("key", reply.json["key"])
    assert reply.status == 201


def test_only_who_has_the_token(plain):
    plain.add_client("shop")
    requests = [("GET", "clients"), ("POST", "clients"), ("GET", "clients/shop"),
                ("PATCH", "clients/shop"), ("DELETE", "clients/shop"), ("POST", "clients/shop/keys"),
                ("GET", "packages"), ("POST", "packages"), ("PATCH", "packages/x"), ("GET", "balance"),
                ("POST", "reconcile"), ("POST", "forget"), ("GET", "audit"), ("GET", "alerts"),
                ("POST", "reload")]
    for method, path in requests:
        with Connection(plain.server.admin_port, "admin") as connection:
            reply = connection.request(method, "/admin/v1/" + path)
        assert code(reply) == (401, "unauthenticated"), path
    assert "shop" in [one["id"] for one in plain.do("GET", "clients")["clients"]]
    for method, path, allowed in (("PUT", "clients", "GET, POST"), ("POST", "clients/shop", "GET, PATCH, DELETE"),
                                  ("GET", "clients/shop/keys", "POST"), ("GET", "reconcile", "POST")):
        reply = plain.send(method, path)
        assert (reply.status, reply.header("Allow")) == (405, allowed)
    for path in ("clients/", "clients/shop/", "clients/shop/keys/x", "clients//keys", "clients/" + "a" * 64):
        assert plain.send("GET", path).status == 404


# --- changing ---


def test_a_change_is_a_merge(desk):
    desk.add_client("shop", name="a", dailyCalls=5, requestsPerSecond=2, burst=4)
    changed = desk.set_client("shop", dailyCalls=None, reserve=20, name="b")
    wanted = {**NEW, "name": "b", "requestsPerSecond": 2, "burst": 4, "reserve": 20}
    assert attributes(changed) == wanted
    assert attributes(desk.do("GET", "clients/shop")) == wanted
    reply = raw(desk.server, "PATCH", "clients/shop", b'{"shadow":true,"id":"shop"}',
                [("Content-Type", "application/merge-patch+json")])
    assert reply.status == 200 and attributes(reply.json) == {**wanted, "shadow": True}
    before = lines(desk, kind="client")
    assert desk.set_client("shop", shadow=True) == reply.json
    assert desk.set_client("shop") == reply.json
    assert lines(desk, kind="client") == before, "what changes nothing is no change"
    assert code(desk.send("PATCH", "clients/shop", {"id": "other"})) == (400, "malformed_request")
    for name in ("nobody", "UPPER", "a%3Fb", "..%2Fclients"):
        assert code(desk.send("PATCH", "clients/" + name, {"reserve": 1})) in (
            (404, "not_found"), (400, "malformed_request"))
        assert desk.send("GET", "clients/" + name).status == 404


def test_two_who_change_at_once_lose_nothing(replicas):
    """Each names another member; a change on what was read before somebody else's is done over."""
    group = replicas(2, AUTH="keys")
    desks = [Desk(server) for server in group]
    desks[0].add_client("shop")
    wait_until(lambda: desks[1].send("GET", "clients/shop").status == 200, 10, "the client")
    changes = [{"dailyCalls": 11}, {"monthlyCalls": 12}, {"reserve": 13}, {"refresh": True},
               {"name": "x"}, {"shadow": True}]

    def change(index):
        while True:
            reply = desks[index % 2].send("PATCH", "clients/shop", changes[index])
            if reply.status != 409:
                return reply
            assert reply.code == "conflict"

    assert [reply.status for reply in together(len(changes), change)] == [200] * len(changes)
    wanted = {**NEW, "dailyCalls": 11, "monthlyCalls": 12, "reserve": 13, "refresh": True, "name": "x",
              "shadow": True}
    for one in desks:
        wait_until(lambda one=one: attributes(one.do("GET", "clients/shop")) == wanted, 10, "all changes")
    found = lines(desks[0], action="change", id="shop")
    assert len(found) == len(changes)
    for earlier, later in zip(found, found[1:]):
        assert later["before"] == earlier["after"], "each knew the one before it"


def test_of_two_who_add_at_once_one_has_the_key(replicas):
    group = replicas(2, AUTH="keys")
    desks = [Desk(server) for server in group]
    replies = together(6, lambda index: desks[index % 2].send("POST", "clients", {"id": "shop"}))
    keys = [reply.json["key"] for reply in replies if reply.status == 201]
    for key in keys:
        Needlework.write("key", key)
    assert len(keys) == 1 and keys[0] is not None
    assert sorted(reply.status for reply in replies)[:5] == [200] * 5
    assert len(lines(desks[0], kind="client")) == 1


# --- removing ---


def test_a_removed_client_is_gone_for_good(desk, server, people):
    key = desk.add_client("shop")
    desk.add_client("other")
    assert code(desk.send("DELETE", "clients/nobody")) == (404, "not_found")
    for _ in range(2):
        reply = desk.send("DELETE", "clients/shop")
        assert reply.status == 204 and reply.body == b""
    assert len(lines(desk, action="remove")) == 1
    assert [one["id"] for one in desk.do("GET", "clients")["clients"]] == ["other"]
    assert server.ask(people.one(), headers=bearer(key)).status == 401
    for method, path, body in (("GET", "clients/shop", None), ("PATCH", "clients/shop", {"reserve": 1}),
                               ("POST", "clients/shop/keys", {})):
        assert code(desk.send(method, path, body)) == (404, "not_found")
    assert code(desk.send("POST", "clients", {"id": "shop"})) == (409, "conflict")


# --- keys ---


def test_a_key_is_rotated_once_for_each_idempotency_key(desk, server, people):
    first = desk.add_client("shop")
    replies = [desk.send("POST", "clients/shop/keys", None, [("Idempotency-Key", "rotation-1")])
               for _ in range(3)]
    second = replies[0].json["key"]
    Needlework.write("key", second)
    assert [reply.status for reply in replies] == [201, 200, 200]
    assert [reply.json["key"] for reply in replies[1:]] == [None, None]
    assert all(reply.json["client"] == replies[0].json["client"] for reply in replies)
    keys = replies[0].json["client"]["keys"]
    assert len(keys) == 2 and keys[0]["expiresAt"] is None and keys[1]["expiresAt"] is not None
    person = people.one()
    for key in (first, second):
        assert server.ask(person, headers=bearer(key)).status == 200
    reply = desk.send("POST", "clients/shop/keys", None, [("Idempotency-Key", "rotation-2")])
    Needlework.write("key", reply.json["key"])
    assert reply.status == 201 and len(reply.json["client"]["keys"]) == 2
    assert server.ask(person, headers=bearer(first)).status == 401
    assert len(lines(desk, action="rotate")) == 2


def test_the_grace_is_the_settings_or_the_callers(start, people):
    server = start(AUTH="keys", CLIENTS_GRACE="0")
    desk = Desk(server)
    first = desk.add_client("shop")
    second = desk.rotate("shop")
    person = people.one()
    assert server.ask(person, headers=bearer(first)).status == 401
    third = desk.rotate("shop", grace="10m")
    for key in (second, third):
        assert server.ask(person, headers=bearer(key)).status == 200
    for body in ({"grace": "91d"}, {"grace": 5}, {"grace": "soon"}, {"grace": None}, {"more": "1h"}, []):
        assert code(desk.send("POST", "clients/shop/keys", body)) == (400, "malformed_request")
    for value in ("", "k" * 80, "a b"):
        reply = desk.send("POST", "clients/shop/keys", None, [("Idempotency-Key", value)])
        assert code(reply) == (400, "malformed_request")
    assert code(desk.send("POST", "clients/nobody/keys")) == (404, "not_found")
    assert server.ask(person, headers=bearer(third)).status == 200


# --- what is left of it ---


def test_the_audit_tells_all_but_the_keys(desk):
    key = desk.add_client("shop", dailyCalls=1)
    desk.set_client("shop", dailyCalls=2)
    second = desk.rotate("shop")
    desk.remove_client("shop")
    found = lines(desk, kind="client")
    assert [line["action"] for line in found] == ["create", "change", "rotate", "remove"]
    assert found[0]["before"] is None and found[0]["after"]["dailyCalls"] == 1
    assert (found[1]["before"]["dailyCalls"], found[1]["after"]["dailyCalls"]) == (1, 2)
    assert len(found[2]["after"]["keys"]) == 2 and found[3]["after"]["removed"] is True
    assert {len(line["token"]) for line in found} == {8} and {line["id"] for line in found} == {"shop"}
    text = json.dumps(found)
    assert key not in text and second not in text and "sha256" not in text
    assert found == lines(Desk(desk.server), kind="client")


def test_clients_outlive_the_process(desk, server):
    desk.add_client("shop", dailyCalls=7)
    before = desk.do("GET", "clients")
    server.stop()
    server.start()
    server.wait_until_ready()
    assert desk.do("GET", "clients") == before


def test_without_its_store_nothing_is_told_and_nothing_changed(start, redis):
    server = start(AUTH="keys", redis=redis, STORE_TIMEOUT="500ms")
    server.wait_until_ready()
    desk = Desk(server)
    desk.add_client("shop")
    redis.freeze()
    for method, path, body in (("POST", "clients", {"id": "new"}), ("PATCH", "clients/shop", {"reserve": 3}),
                               ("DELETE", "clients/shop", None), ("POST", "clients/shop/keys", None),
                               ("GET", "clients", None), ("GET", "clients/shop", None), ("GET", "packages", None),
                               ("GET", "balance", None), ("GET", "audit", None),
                               ("POST", "packages", {"id": "p", "calls": 1, "priceCny": 1}),
                               ("POST", "forget", {"mobile": "1"})):
        reply = desk.send(method, path, body)
        assert code(reply) == (503, "store_unavailable"), path
        assert int(reply.header("Retry-After")) >= 1
    redis.thaw()
    server.wait_until_ready()
    wait_until(lambda: desk.send("GET", "clients").status == 200, 10, "the store's return")


def test_who_leaves_leaves_nothing_behind(desk, server):
    """The change is made or not, and the process goes on."""
    for number in range(20):
        connection = Connection(server.admin_port, "admin")
        body = json.dumps({"id": f"left-{number}"}).encode()
        connection.send("POST", "/admin/v1/clients", [*server.bearer(), *JSON], body)
        connection.reset() if number % 2 else connection.close()
    desk.add_client("stayed")

    def only_one_is_left():
        names = [one["id"] for one in desk.do("GET", "clients")["clients"]]
        for name in names:
            if name.startswith("left-"):
                desk.remove_client(name)
        return names == ["stayed"]

    wait_until(only_one_is_left, 10, "the end of what they began")


def test_a_process_ends_while_its_store_says_nothing(start, redis):
    server = start(AUTH="keys", redis=redis, STORE_TIMEOUT="1s")
    server.wait_until_ready()
    redis.freeze()
    connections = [Connection(server.admin_port, "admin") for _ in range(4)]
    for number, connection in enumerate(connections):
        body = json.dumps({"id": f"late-{number}"}).encode()
        connection.send("POST", "/admin/v1/clients", [*server.bearer(), *JSON], body)
    server.signal()
    assert server.wait() == 0
    server.process = None
    for connection in connections:
        connection.close()
    redis.thaw()
