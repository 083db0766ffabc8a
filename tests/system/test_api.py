"""The answers of the service API: every result, the same by every way of asking, and the headers."""

import json
import os
from datetime import datetime, timedelta

import contract
import pytest
from harness import Connection, note

DAY = 24 * 60 * 60
TTL = {"01": 30 * DAY, "02": DAY, "202": 600, "204": DAY, "205": DAY, "206": DAY, "207": 7 * DAY}
MESSAGES = {
    "01": "实名认证通过", "02": "实名认证不通过", "202": "无法验证", "203": "异常情况", "204": "姓名错误",
    "205": "身份证号错误", "206": "电话号码错误", "207": "不支持当前号段",
}
DROP_IN_MEMBERS = ["status", "msg", "idCard", "mobile", "mobileType", "name", "traceId"]
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def seconds(reply):
    """For how long the answer is kept."""
    form = "%Y-%m-%dT%H:%M:%SZ"
    begin = datetime.strptime(reply.json["checkedAt"], form)
    return (datetime.strptime(reply.json["expiresAt"], form) - begin) / timedelta(seconds=1)


@pytest.mark.parametrize("status", sorted(TTL))
def test_a_status_is_asked_once_and_then_kept(shared, people, status):
    person = people.one(status=status)
    first = shared.ask(person)
    assert (first.status, first.json["status"], first.json["msg"]) == (200, status, MESSAGES[status])
    assert (first.json["source"], first.json["billed"]) == ("upstream", True)
    assert first.cache_status == "sanyao; fwd=miss; stored"
    assert seconds(first) == TTL[status]
    assert (first.json["mobileType"] != "") == (status == "01")

    second = shared.ask(person)
    assert (second.json["source"], second.json["billed"]) == ("cache", False)
    assert second.cache_status.startswith("sanyao; hit; ttl=")
    ttl = int(second.cache_status.rsplit("=", 1)[1])
    assert ttl + int(second.header("Age")) == TTL[status]
    for member in ("status", "msg", "result", "mobileType", "traceId", "checkedAt", "expiresAt"):
        assert second.json[member] == first.json[member]
    assert shared.sandbox.calls(mobile=person.mobile) == 1


def test_the_sellers_203_is_not_kept(shared, people):
    person = people.one(status="203")
    reply = shared.ask(person)
    assert (reply.json["result"], reply.json["source"]) == ("number_limited", "upstream")
    assert "expiresAt" not in reply.json and reply.cache_status == "sanyao; fwd=miss"
    assert shared.ask(person).json["source"] == "guard"
    assert shared.sandbox.calls(mobile=person.mobile) == 1


def test_a_status_never_seen_is_passed_through(shared, people):
    person = people.one()
    shared.sandbox.behave(mobile=person.mobile, status="451")
    reply = shared.ask(person)
    assert (reply.json["status"], reply.json["result"]) == ("451", "unknown")
    assert seconds(reply) == 300
    assert shared.ask(person).json["source"] == "cache"


@pytest.mark.parametrize("segment", ["162", "165", "167", "170", "171"])
def test_a_virtual_operator_is_refused_at_home(shared, people, segment):
    person = people.one(segment=segment)
    reply = shared.ask(person)
    assert (reply.json["result"], reply.json["source"]) == ("virtual_operator", "local")
    assert reply.cache_status == "sanyao; fwd=bypass; detail=local"
    assert shared.sandbox.calls(mobile=person.mobile) == 0


def test_a_virtual_operator_is_forwarded_where_it_is_wished(start, sandbox, people):
    server = start(VIRTUAL_OPERATORS_ACTION="forward")
    person = people.one(segment="170")
    reply = server.ask(person)
    assert (reply.json["result"], reply.json["source"]) == ("virtual_operator", "upstream")
    assert seconds(reply) == 7 * DAY
    assert server.ask(person).json["source"] == "cache"
    assert sandbox.calls(mobile=person.mobile) == 1


IMPOSSIBLE = [
    ("204", {"name": "三"}),
    ("204", {"name": "张三2"}),
    ("204", {"name": "Zhang San"}),
    ("204", {"name": "张" * 31}),
    ("204", {"name": ""}),
    ("205", {"id_card": "510000199201011112"}),
    ("205", {"id_card": "510000199202301119"}),
    ("205", {"id_card": "51000019920101111"}),
    ("205", {"id_card": "510000920101111"}),
    ("205", {"id_card": ""}),
    ("206", {"mobile": "12345678901"}),
    ("206", {"mobile": "1390000000"}),
    ("206", {"mobile": ""}),
]


@pytest.mark.parametrize("status, changes", IMPOSSIBLE)
def test_what_cannot_be_is_answered_at_home(shared, people, status, changes):
    person = people.one().but(**changes)
    before = shared.sandbox.calls()
    reply = shared.ask(person)
    assert (reply.json["status"], reply.json["msg"]) == (status, MESSAGES[status])
    assert (reply.json["source"], reply.json["billed"]) == ("local", False)
    assert reply.cache_status == "sanyao; fwd=bypass; detail=local"
    assert reply.json["traceId"] == reply.header("X-Request-Id")
    assert shared.sandbox.calls() == before


def full_width(text):
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text)


def test_two_spellings_of_one_person_are_one_question(shared, people):
    person = people.one()
    assert shared.ask(person).json["source"] == "upstream"
    spellings = [
        {"name": f"  {person.name}\u3000"},
        {"id_card": person.id_card.lower()},
        {"id_card": full_width(person.id_card)},
        {"mobile": "+86" + person.mobile},
        {"mobile": "0086 " + person.mobile},
        {"mobile": f"{person.mobile[:3]}-{person.mobile[3:7]} {person.mobile[7:]}"},
        {"mobile": full_width(person.mobile)},
    ]
    for changes in spellings:
        spelled = person.but(**changes)
        note(spelled)
        reply = shared.get(spelled)
        assert reply.json["source"] == "cache", f"another spelling of {list(changes)}"
        assert {member: reply.json[member] for member in person.masked()} == person.masked()
    assert shared.sandbox.calls(mobile=person.mobile) == 1


@pytest.mark.parametrize("dot", "\u00b7\u2022\u2027\u2219\u22c5\u25cf\u30fb\uff65\uff0e\ufe52.。")
def test_every_interpunct_is_sent_as_the_one(shared, people, dot):
    base = people.one()
    person = base.but(name=f"买买提{dot}{base.name[1:]}")
    reply = shared.ask(person)
    assert (reply.json["status"], reply.json["source"]) == ("01", "upstream")
    canonical = person.but(name=person.name.replace(dot, "·"))
    assert shared.sandbox.calls(mobile=person.mobile, name=canonical.name) == 1
    assert shared.ask(canonical).json["source"] == "cache"


def test_rare_and_foreign_names_reach_upstream(shared, people):
    rare = people.one(rare=True)
    foreign = people.one().but(name="O'CONNOR, JEAN-PAUL", id_card="932682198501010017")
    for person in (rare, foreign):
        assert shared.ask(person).json["source"] == "upstream"
        assert shared.sandbox.calls(mobile=person.mobile, name=person.name) == 1


def test_every_way_of_asking_gets_the_same_answer(shared, people):
    person = people.one()
    by_post = shared.ask(person).json
    by_get = shared.get(person).json
    drop_in = shared.get(person, "/carrieroperator")
    told = {"source": "cache", "billed": False}
    assert by_get == {**by_post, **told}
    assert list(drop_in.json) == DROP_IN_MEMBERS
    assert drop_in.json == {member: by_post[member] for member in DROP_IN_MEMBERS}
    assert drop_in.cache_status.startswith("sanyao; hit; ttl=")
    assert shared.sandbox.calls(mobile=person.mobile) == 1


def test_the_drop_in_replies_as_the_seller_does(shared, people):
    """A caller of the seller changes its host and its code; other parameters are none of ours."""
    person = people.one()
    code = [("Authorization", "APPCODE 0123456789abcdef0123456789abcdef")]
    reply = shared.get(person, "/carrieroperator", code, more="&extra=1&extra=2")
    assert list(reply.json) == DROP_IN_MEMBERS and reply.cache_status == "sanyao; fwd=miss; stored"
    local = shared.get(person.but(name="三"), "/carrieroperator", code)
    assert (local.json["status"], list(local.json)) == ("204", DROP_IN_MEMBERS)
    limited = shared.get(people.one(status="203"), "/carrieroperator")
    assert limited.json["status"] == "203"


def test_post_takes_a_chunked_body_and_escaped_characters(shared, people):
    person = people.one(rare=True)
    note(person)
    escaped = json.dumps(person.question()).encode()  # \u escapes, surrogate pairs
    body = b"".join(b"%x\r\n%c\r\n" % (1, byte) for byte in escaped) + b"0\r\n\r\n"
    head = (b"POST /verify HTTP/1.1\r\nHost: x\r\nContent-Type: application/json; charset=utf-8\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n")
    with shared.connect() as connection:
        connection.send_raw(head + body, "POST", "/verify")
        assert connection.read().json["source"] == "upstream"
    assert shared.ask(person).json["source"] == "cache"


@pytest.mark.parametrize("given", ["order-4711", "a", "A.b_c:d-" + "9" * 56])
def test_a_request_id_is_taken(shared, given):
    reply = shared.request("GET", "/healthz", [("X-Request-Id", given)])
    assert reply.header("X-Request-Id") == given


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, "a/b", "é", '"'])
def test_a_bad_request_id_is_replaced(shared, given):
    replies = [shared.request("GET", "/nowhere", [("X-Request-Id", given)]) for _ in range(2)]
    ids = {reply.header("X-Request-Id") for reply in replies}
    assert len(ids) == 2 and given not in ids


def test_a_traceparent_is_returned_when_it_is_valid(shared, people):
    reply = shared.ask(people.one(), headers=[("traceparent", TRACEPARENT)])
    assert reply.header("traceparent") == TRACEPARENT
    assert shared.request("GET", "/nowhere", [("traceparent", TRACEPARENT)]).header("traceparent")
    for bad in ("nonsense", TRACEPARENT.upper(), TRACEPARENT + "-x", TRACEPARENT[:-1],
                "00-" + "0" * 32 + TRACEPARENT[35:], TRACEPARENT[:36] + "0" * 16 + "-01"):
        assert shared.request("GET", "/healthz", [("traceparent", bad)]).header("traceparent") is None


def test_health_and_readiness_on_both_listeners(shared):
    for request in (shared.request, shared.admin):
        assert request("GET", "/healthz").json == {"status": "ok"}
        ready = request("GET", "/readyz")
        assert ready.status == 200 and ready.json["balance"] == "unmetered"
        assert set(ready.json["checks"].values()) == {"ok"}
        assert ready.json["breakers"] == []


def test_it_is_not_ready_without_a_credential(start):
    server = start(APPCODE=None)
    reply = server.request("GET", "/readyz")
    assert (reply.status, reply.json["status"]) == (503, "not_ready")
    assert reply.json["checks"]["credential"] != "ok" and reply.json["checks"]["store"] == "ok"
    assert server.request("GET", "/healthz").status == 200


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/openapi.yaml"])
def test_head_is_get_without_the_body(shared, path):
    with shared.connect() as connection:
        head = connection.request("HEAD", path)
        get = connection.request("GET", path)
    assert head.status == get.status == 200
    assert head.header("Content-Length") == get.header("Content-Length") == str(len(get.body))


def test_the_contract_is_served_as_it_stands(shared):
    with open(os.path.join(contract.SOURCE_DIR, "openapi.yaml"), "rb") as file:
        assert shared.request("GET", "/openapi.yaml").body == file.read()


def test_metrics_count_and_stand_on_the_admin_listener_only(start, people):
    server = start()
    person = people.one()
    for _ in range(3):
        server.ask(person)
    server.ask(person.but(name="三"))
    lines = server.admin("GET", "/metrics").body.decode().splitlines()
    counts = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    for result, source, count in (("match", "upstream", 1), ("match", "cache", 2), ("invalid_name", "local", 1)):
        labels = f'client="anonymous",route="verify_post",result="{result}",source="{source}"'
        assert float(counts[f"sanyao_requests_total{{{labels}}}"]) == count
    assert float(counts['sanyao_upstream_calls_total{credential="main",status="01",billed="yes"}']) == 1
    assert server.request("GET", "/metrics").code == "not_found"
    assert server.admin("GET", "/verify").status == 404


def test_metrics_listen_serves_metrics_and_health_and_nothing_else(start, people):
    server = start(METRICS_LISTEN="0.0.0.0:0")
    server.ask(people.one())
    port = server.port_of("metrics listening")
    with Connection(port, "admin") as connection:
        lines = connection.request("GET", "/metrics").body.decode().splitlines()
        assert any(line.startswith("sanyao_requests_total{") and 'source="upstream"' in line
                   for line in lines)
        assert connection.request("GET", "/healthz").status == 200
        assert connection.request("GET", "/readyz").status == 200
        for method, path in (("GET", "/admin/v1/clients"), ("GET", "/admin/v1/ledger"),
                             ("POST", "/admin/v1/reload"), ("GET", "/verify"), ("GET", "/openapi.yaml")):
            connection.send(method, path)
            assert connection.read_unjudged().status == 404, "no path of the contract of this listener"
    assert start(ADMIN_LISTEN="").events("metrics listening") == []


def test_no_admin_listener_where_none_is_wished(start):
    server = start(ADMIN_LISTEN="")
    assert server.events("admin listening") == []
    server.wait_until_ready()


def test_every_call_is_one_row(start, people):
    server = start()
    for status, times in (("01", 2), ("02", 1), ("203", 1)):
        person = people.one(status=status)
        for _ in range(times):
            server.ask(person)
    rows = server.rows()
    assert [row["status"] for row in rows] == ["01", "02", "203"]
    for row in rows:
        assert (row["state"], row["billed"], row["http_status"]) == ("settled", 1, 200)
        assert row["trace_id"] and row["credential"] == "main"
        assert len(row["number"]) == 8 and row["settled_at_ms"] >= row["reserved_at_ms"]


def test_billed_statuses_decide_what_was_billed(start, people):
    server = start(BILLED_STATUSES="01,02")
    for status, billed in (("01", True), ("02", True), ("202", False)):
        assert server.ask(people.one(status=status)).json["billed"] is billed
    assert [row["billed"] for row in server.rows()] == [1, 1, 0]


def test_answers_outlive_a_restart(start, people):
    server = start()
    person = people.one()
    server.ask(person)
    server.stop()
    server.start()
    assert server.ask(person).json["source"] == "cache"
