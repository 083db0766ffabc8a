"""The simulated upstream, through its HTTP interface alone."""

import concurrent.futures
import http.client
import json
import os
import re
import resource
import shutil
import socket
import ssl
import subprocess
import time
import urllib.parse

import pytest

from sandbox_control import APPCODE, ControlError, Sandbox, wait_until

# Made-up people with valid check digits.
NAME = "张三"
ID_CARD = "11010519491231002X"
MOBILE = "13800138000"
FIELDS = ["status", "msg", "idCard", "mobile", "mobileType", "name", "traceId"]


class Reply:
    def __init__(self, response):
        self.http = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def json(self):
        return json.loads(self.body)


def query(name=NAME, id_card=ID_CARD, mobile=MOBILE):
    values = {"name": name, "idCard": id_card, "mobile": mobile}
    return urllib.parse.urlencode({k: v for k, v in values.items() if v is not None})


def ask(sandbox, *, appcode=APPCODE, method="GET", path=None, connection=None, timeout=20, **values):
    """One call; `connection` is used and left open when given."""
    headers = {} if appcode is None else {"Authorization": f"APPCODE {appcode}"}
    used = connection or sandbox.connect(timeout=timeout)
    try:
        used.request(method, path or "/carrieroperator?" + query(**values), headers=headers)
        return Reply(used.getresponse())
    finally:
        if connection is None:
            used.close()


def status_of(sandbox, **values):
    reply = ask(sandbox, **values)
    assert reply.http == 200
    return reply.json["status"]


@pytest.fixture
def start():
    """Starts sandboxes with the given arguments; each must end with exit code 0."""
    started = []

    def start_one(*args):
        started.append(Sandbox(None, *args).start())
        return started[-1]

    yield start_one
    assert all(sandbox.stop() in (0, None) for sandbox in started)  # None: the test stopped it


@pytest.fixture(scope="module")
def shared():
    sandbox = Sandbox().start()
    yield sandbox
    assert sandbox.stop() == 0


@pytest.fixture
def sandbox(shared):
    shared.reset()
    return shared


# The seller's replies


def test_reply_has_the_sellers_seven_fields_in_order(sandbox):
    reply = ask(sandbox, mobile="18600000000", id_card="11010519491231002X", name="张三")
    assert reply.http == 200
    assert reply.headers["Content-Type"] == "application/json;charset=UTF-8"
    assert reply.headers["Date"]
    assert re.fullmatch(r"[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}", reply.headers["X-Ca-Request-Id"])
    assert "X-Ca-Error-Code" not in reply.headers
    trace_id = reply.json["traceId"]
    assert reply.body.decode() == (
        '{"status":"01","msg":"实名认证通过","idCard":"11*****002X","mobile":"18*****000",'
        f'"mobileType":"联通","name":"张*","traceId":"{trace_id}"}}'
    )


def test_failed_check_has_an_empty_mobile_type(sandbox):
    reply = ask(sandbox, mobile="13800099002").json
    assert list(reply) == FIELDS
    assert (reply["status"], reply["msg"], reply["mobileType"]) == ("02", "实名认证不通过", "")


def test_trace_ids_are_unique_and_look_like_the_sellers(sandbox):
    replies = [ask(sandbox, mobile=f"139{n:08d}") for n in range(50)]
    traces = [reply.json["traceId"] for reply in replies]
    assert len(set(traces)) == 50
    assert all(re.fullmatch(r"20\d{12}_[0-9a-z]{6}_[0-9a-f]{8}", trace) for trace in traces)
    assert len({reply.headers["X-Ca-Request-Id"] for reply in replies}) == 50


@pytest.mark.parametrize(
    "ending, status, message",
    [
        ("99001", "01", "实名认证通过"),
        ("99002", "02", "实名认证不通过"),
        ("99202", "202", "无法验证"),
        ("99203", "203", "异常情况"),
        ("99204", "204", "姓名错误"),
        ("99205", "205", "身份证号错误"),
        ("99206", "206", "电话号码错误"),
        ("99207", "207", "不支持当前号段"),
    ],
)
def test_magic_numbers(sandbox, ending, status, message):
    reply = ask(sandbox, mobile="138000" + ending).json
    assert (reply["status"], reply["msg"]) == (status, message)


@pytest.mark.parametrize("name, status", [("张不符", "02"), ("张无记录", "202"), ("不符合", "01")])
def test_magic_names(sandbox, name, status):
    assert status_of(sandbox, name=name) == status


@pytest.mark.parametrize("prefix", ["162", "165", "167", "170", "171"])
def test_virtual_operators_are_abnormal(sandbox, prefix):
    assert status_of(sandbox, mobile=prefix + "00000001") == "203"


@pytest.mark.parametrize(
    "mobile, carrier", [("13400000000", "移动"), ("18600000000", "联通"), ("19900000000", "电信")]
)
def test_carrier_of_the_segment(sandbox, mobile, carrier):
    assert ask(sandbox, mobile=mobile).json["mobileType"] == carrier


@pytest.mark.parametrize("mobile", ["14200000000", "15400000000", "19200000000"])
def test_segment_of_no_carrier(sandbox, mobile):
    assert status_of(sandbox, mobile=mobile) == "207"


@pytest.mark.parametrize(
    "name", ["", "张", "张三1", "张\u2022三", "张三\x00", "三" * 65, "\ufffd三", "张 三\n", "張。三"]
)
def test_malformed_names(sandbox, name):
    assert status_of(sandbox, name=name) == "204"


@pytest.mark.parametrize(
    "name", ["阿里木·买买提", "〇三", "\U00020000三", "\ue000三", "O'NEIL, Mary-Ann Jr.", "三" * 64]
)
def test_sound_names(sandbox, name):
    assert status_of(sandbox, name=name) == "01"


@pytest.mark.parametrize(
    "name",
    ["%D5%C5%C8%FD", "%E5%BC%A0%E0%82%B7", "%ED%A0%80%ED%B0%80", "%E5%BC%A0%E4%B8", "%F4%90%80%80"],
    ids=["gbk", "overlong", "surrogates", "incomplete", "beyond"],
)
def test_names_that_are_not_utf8(sandbox, name):
    path = f"/carrieroperator?idCard={ID_CARD}&mobile={MOBILE}&name={name}"
    reply = ask(sandbox, path=path).json
    assert (reply["status"], reply["name"]) == ("204", "张*" if "%A0%E" in name else "*")
    entry = sandbox.log(1)[0]
    assert "\ufffd" in entry["parameters"]["name"]
    assert entry["query"].endswith("name=" + name)


@pytest.mark.parametrize(
    "id_card",
    [
        "",
        "1101051949123100",
        "110105194912310021",
        "11010519491231002x",
        "11010119900307551X",
        "11010519490229001X",
        "1101051949123100２X",
    ],
)
def test_malformed_id_cards(sandbox, id_card):
    assert status_of(sandbox, id_card=id_card) == "205"


@pytest.mark.parametrize(
    "id_card", ["440308199901101512", "34052419800101001X", "810000199408230021", "932682198501010017"]
)
def test_sound_id_cards(sandbox, id_card):
    assert status_of(sandbox, id_card=id_card) == "01"


@pytest.mark.parametrize("mobile", ["", "1380013800", "138001380000", "12800138000", "+8613800138000", "1380013800a"])
def test_malformed_mobiles(sandbox, mobile):
    assert status_of(sandbox, mobile=mobile) == "206"


def test_malformed_values_are_reported_name_first(sandbox):
    assert status_of(sandbox, name="x", id_card="x", mobile="x") == "204"
    assert status_of(sandbox, id_card="x", mobile="x") == "205"


def test_echoes_of_malformed_values_give_nothing_away(sandbox):
    reply = ask(sandbox, name="1", id_card="12345", mobile="123").json
    assert (reply["name"], reply["idCard"], reply["mobile"]) == ("1*", "*****", "*****")


# The gateway


def assert_gateway(reply, http_status, code, message):
    assert reply.http == http_status
    assert reply.headers.get("X-Ca-Error-Code", "") == code
    assert reply.headers["X-Ca-Error-Message"].startswith(message)
    assert reply.headers["X-Ca-Request-Id"]
    assert reply.body == b""


@pytest.mark.parametrize("appcode", [None, ""])
def test_missing_appcode(sandbox, appcode):
    assert_gateway(ask(sandbox, appcode=appcode), 400, "A400MA", "Need authorization")


@pytest.mark.parametrize("appcode", ["wrong", APPCODE + "0", APPCODE[:-1], APPCODE.upper()])
def test_unknown_appcode(sandbox, appcode):
    assert_gateway(ask(sandbox, appcode=appcode), 400, "A400AC", "Invalid AppCode")


def test_other_appcodes_by_option(start):
    sandbox = start("--appcode", "one", "--appcode", "two")
    assert status_of(sandbox, appcode="one") == "01"
    assert status_of(sandbox, appcode="two") == "01"
    assert ask(sandbox, appcode=APPCODE).http == 400
    received = {entry["appCode"]: entry["received"] for entry in sandbox.stats()["byAppCode"]}
    assert received == {"one": 1, "two": 1}


def test_wrong_path(sandbox):
    assert_gateway(ask(sandbox, path="/carrier?" + query()), 400, "I400PA", "Invalid Path or Method")


def test_wrong_method(sandbox):
    assert_gateway(ask(sandbox, method="POST"), 400, "I400PA", "Invalid HttpMethod")


@pytest.mark.parametrize("missing", ["name", "id_card", "mobile"])
def test_missing_parameter(sandbox, missing):
    reply = ask(sandbox, **{missing: None})
    assert_gateway(reply, 400, "I400MP", "Invalid Param Location")
    assert sandbox.stats()["billed"] == 0


def test_package_is_exact_under_concurrency(start):
    sandbox = start("--package", "20", "--number-limit", "0")
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        replies = list(pool.map(lambda _: ask(sandbox), range(60)))
    assert sorted(reply.http for reply in replies) == [200] * 20 + [403] * 40
    refused = next(reply for reply in replies if reply.http == 403)
    assert_gateway(refused, 403, "B403MQ", "Quota Exhausted")
    stats = sandbox.stats()
    assert (stats["received"], stats["billed"]) == (60, 20)
    assert stats["byGateway"] == {"quota-exhausted": 40}
    sandbox.settings(package=21)
    assert ask(sandbox).http == 200
    assert ask(sandbox).http == 403
    sandbox.reset("packages")
    assert ask(sandbox).http == 200


def test_package_of_one_appcode(start):
    sandbox = start("--appcode", "small:1", "--appcode", "large")
    assert [ask(sandbox, appcode="small").http for _ in range(2)] == [200, 403]
    assert ask(sandbox, appcode="large").http == 200
    small = sandbox.stats()["byAppCode"][0]
    assert (small["package"], small["used"], small["billed"], small["received"]) == (1, 1, 1, 2)


def test_only_billed_statuses_use_the_package(start):
    sandbox = start("--billed", "01,02", "--package", "2")
    assert status_of(sandbox, mobile="13800099202") == "202"
    assert status_of(sandbox, mobile="13800099002") == "02"
    assert status_of(sandbox) == "01"
    assert ask(sandbox).http == 403
    assert sandbox.stats()["billed"] == 2


@pytest.mark.parametrize("args, http_status, code", [((), 429, "T429PR"), (("--rate-http", "403"), 403, "")])
def test_throttling(start, args, http_status, code):
    sandbox = start("--rate", "3", "--number-limit", "0", *args)
    connection = sandbox.connect()
    # More calls than two seconds allow, so that at least one is throttled wherever a second ends.
    replies = [ask(sandbox, connection=connection) for _ in range(7)]
    throttled = [reply for reply in replies if reply.http != 200]
    assert [reply.http for reply in replies[:3]] == [200] * 3
    assert_gateway(throttled[0], http_status, code, "Throttled by USER")
    sandbox.advance(1)
    assert ask(sandbox, connection=connection).http == 200
    connection.close()


# The 24-hour limit


def test_number_limit_and_the_clock(sandbox):
    assert [status_of(sandbox) for _ in range(6)] == ["01"] * 5 + ["203"]
    assert status_of(sandbox, name="李四") == "203"
    assert status_of(sandbox, mobile="13800138001") == "01"
    assert sandbox.advance(24 * 3600 - 60)["clockAheadSeconds"] == 24 * 3600 - 60
    assert status_of(sandbox) == "203"
    sandbox.advance(60)
    assert [status_of(sandbox) for _ in range(6)] == ["01"] * 5 + ["203"]


def test_number_limit_rolls(sandbox):
    for _ in range(3):
        status_of(sandbox)
    sandbox.advance(12 * 3600)
    assert [status_of(sandbox) for _ in range(3)] == ["01", "01", "203"]
    sandbox.advance(12 * 3600)
    assert [status_of(sandbox) for _ in range(4)] == ["01", "01", "01", "203"]


def test_malformed_questions_do_not_count_for_the_number(sandbox):
    for _ in range(6):
        assert status_of(sandbox, name="x") == "204"
    assert status_of(sandbox) == "01"


def test_number_limit_by_option_and_setting(start):
    sandbox = start("--number-limit", "1")
    assert [status_of(sandbox), status_of(sandbox)] == ["01", "203"]
    sandbox.settings(numberLimit=0)
    assert [status_of(sandbox) for _ in range(8)] == ["01"] * 8


def test_trace_id_follows_the_clock(sandbox):
    before = ask(sandbox).json["traceId"][:8]
    sandbox.advance(40 * 24 * 3600)
    assert ask(sandbox).json["traceId"][:8] > before


# Latency, hanging, cuts


def test_latency_by_option(start):
    sandbox = start("--latency-ms", "200", "--jitter-ms", "50")
    began = time.monotonic()
    assert status_of(sandbox) == "01"
    assert time.monotonic() - began >= 0.2


def test_latency_outlasts_the_idle_timeout(start):
    sandbox = start("--idle-timeout", "1", "--latency-ms", "2100")
    connection = sandbox.connect()
    assert ask(sandbox, connection=connection).http == 200
    connection.close()


def test_idle_connections_are_closed(start):
    sandbox = start("--idle-timeout", "1")
    connection = sandbox.connect()
    ask(sandbox, connection=connection)
    connection.sock.settimeout(10)
    assert connection.sock.recv(1) == b""


def test_latency_by_behaviour_for_one_number(sandbox):
    sandbox.behave(latencyMs=800, mobile="13800138009")
    began = time.monotonic()
    status_of(sandbox)
    quick = time.monotonic() - began
    began = time.monotonic()
    status_of(sandbox, mobile="13800138009")
    assert quick < 0.8 <= time.monotonic() - began


def test_latencies_pass_side_by_side(sandbox):
    sandbox.behave(latencyMs=500)
    began = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        list(pool.map(lambda n: status_of(sandbox, mobile=f"139{n:08d}"), range(32)))
    assert time.monotonic() - began < 8
    assert sandbox.stats()["inFlightPeak"] > 1


def test_stopping_does_not_wait_for_latency(start):
    sandbox = start("--latency-ms", "3600000")
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        call = pool.submit(ask, sandbox)
        sandbox.wait_for_calls(1)
        began = time.monotonic()
        assert sandbox.stop() == 0
        assert time.monotonic() - began < 10
        with pytest.raises((http.client.HTTPException, OSError)):
            call.result()


def test_hanging_calls_go_on_when_released(sandbox):
    sandbox.behave(hang=True, calls=2)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        calls = [pool.submit(ask, sandbox) for _ in range(2)]
        sandbox.wait_for_hanging(2)
        assert status_of(sandbox) == "01"
        stats = sandbox.stats()
        assert (stats["inFlight"], stats["received"]) == (2, 3)
        assert not any(call.done() for call in calls)
        assert sandbox.release() == 2
        assert [call.result().http for call in calls] == [200, 200]
    wait_until(lambda: sandbox.stats()["inFlight"] == 0)
    assert sandbox.release() == 0


def test_hanging_calls_end_with_their_connection(sandbox):
    sandbox.behave(hang=True)
    connection = sandbox.connect()
    connection.request("GET", "/carrieroperator?" + query(), headers={"Authorization": f"APPCODE {APPCODE}"})
    sandbox.wait_for_hanging(1)
    connection.close()
    wait_until(lambda: sandbox.stats()["hanging"] == 0 and sandbox.stats()["inFlight"] == 0)
    assert sandbox.stats()["billed"] == 1


def test_reset_lets_hanging_calls_go(sandbox):
    sandbox.behave(hang=True)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        call = pool.submit(ask, sandbox)
        sandbox.wait_for_hanging(1)
        sandbox.reset("behaviours")
        assert call.result().http == 200


def raw_exchange(sandbox):
    """Everything that comes back for one call until the connection ends, and whether it was reset."""
    request = (
        f"GET /carrieroperator?{query()} HTTP/1.1\r\nHost: x\r\nAuthorization: APPCODE {APPCODE}\r\n\r\n"
    )
    with socket.create_connection((sandbox.host, sandbox.port), timeout=10) as connection:
        received = b""
        try:
            connection.sendall(request.encode())
            while block := connection.recv(65536):
                received += block
        except (ConnectionResetError, BrokenPipeError):
            return received, True
        return received, False


def test_cut_without_a_reply(sandbox):
    sandbox.behave(cut="request", calls=1)
    assert raw_exchange(sandbox) == (b"", False)
    stats = sandbox.stats()
    assert (stats["received"], stats["billed"], stats["unanswered"]) == (1, 1, 1)
    assert status_of(sandbox) == "01"


def test_cut_on_a_reused_connection(sandbox):
    connection = sandbox.connect()
    ask(sandbox, connection=connection)
    sandbox.behave(cut="request", calls=1)
    with pytest.raises(http.client.RemoteDisconnected):
        ask(sandbox, connection=connection)
    assert [entry["nthOnConnection"] for entry in sandbox.log()] == [1, 2]


def test_cut_by_reset(sandbox):
    sandbox.behave(cut="reset", calls=1)
    assert raw_exchange(sandbox) == (b"", True)


def test_cut_before_anything_is_read(sandbox):
    sandbox.behave(cut="accept", calls=1)
    received, _ = raw_exchange(sandbox)
    assert received == b""
    stats = sandbox.stats()
    assert (stats["received"], stats["connections"]["refused"]) == (0, 1)


def test_cut_within_the_headers(sandbox):
    sandbox.behave(cut="mid-headers", calls=1)
    received, _ = raw_exchange(sandbox)
    assert received.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\n\r\n" not in received


def test_cut_after_the_headers(sandbox):
    sandbox.behave(cut="headers", calls=1)
    received, _ = raw_exchange(sandbox)
    head, _, body = received.partition(b"\r\n\r\n")
    assert b"Content-Length: " in head
    assert body == b""


def test_cut_within_the_body(sandbox):
    sandbox.behave(cut="body", calls=1)
    received, _ = raw_exchange(sandbox)
    head, _, body = received.partition(b"\r\n\r\n")
    length = int(re.search(rb"Content-Length: (\d+)", head)[1])
    assert len(body) == length // 2
    assert body.startswith(b'{"status":"01"')


# Malformed replies


def test_reply_html(sandbox):
    sandbox.behave(reply="html", calls=1)
    reply = ask(sandbox)
    assert (reply.http, reply.headers["Content-Type"]) == (200, "text/html;charset=UTF-8")
    assert b"<html>" in reply.body
    assert sandbox.stats()["billed"] == 1


def test_reply_empty(sandbox):
    sandbox.behave(reply="empty", calls=1)
    reply = ask(sandbox)
    assert (reply.http, reply.body) == (200, b"")


def test_reply_truncated(sandbox):
    sandbox.behave(reply="truncated", calls=1)
    reply = ask(sandbox)
    assert int(reply.headers["Content-Length"]) == len(reply.body)
    with pytest.raises(ValueError):
        json.loads(reply.body)


def test_reply_without_status(sandbox):
    sandbox.behave(reply="no-status", calls=1)
    assert list(ask(sandbox).json) == FIELDS[1:]


def test_reply_with_an_integer_status(sandbox):
    sandbox.behave(reply="integer-status", calls=1)
    reply = ask(sandbox).json
    assert reply["status"] == 1 and isinstance(reply["status"], int)
    assert list(reply) == FIELDS


def test_reply_with_an_unknown_status(sandbox):
    sandbox.behave(status="999", calls=1)
    reply = ask(sandbox).json
    assert (reply["status"], reply["msg"], reply["mobileType"]) == ("999", "", "")


def test_reply_with_extra_fields(sandbox):
    sandbox.behave(reply="extra-fields", calls=1)
    reply = ask(sandbox).json
    assert list(reply)[:7] == FIELDS
    assert len(reply) > 7


def test_reply_in_gbk(sandbox):
    sandbox.behave(reply="gbk", calls=1)
    body = ask(sandbox).body
    assert json.loads(body.decode("gbk"))["msg"] == "实名认证通过"
    with pytest.raises(UnicodeDecodeError):
        body.decode("utf-8")


def test_reply_over_64_kib(sandbox):
    sandbox.behave(reply="oversized", calls=1)
    reply = ask(sandbox)
    assert len(reply.body) > 64 * 1024
    assert reply.json["status"] == "01"


def test_business_failure_is_the_sellers_and_not_billed(sandbox):
    sandbox.behave(reply="business-failure", calls=1)
    reply = ask(sandbox)
    assert (reply.http, "X-Ca-Error-Code" in reply.headers) == (450, False)
    assert "msg" in reply.json
    assert sandbox.stats()["billed"] == 0


def test_gateway_refusals_by_name(sandbox):
    for name in sandbox.control("GET", "")["gatewayRefusals"]:
        sandbox.behave(gateway=name, calls=1)
        reply = ask(sandbox)
        assert reply.http >= 400
        assert reply.headers["X-Ca-Error-Message"]
        assert reply.body == b""
    stats = sandbox.stats()
    assert stats["billed"] == 0
    assert stats["byStatus"] == {}


def test_a_reply_of_its_own(sandbox):
    sandbox.behave(http=503, headers={"X-Ca-Error-Code": "D503BB", "Content-Type": "text/plain"}, body="busy", calls=1)
    reply = ask(sandbox)
    assert (reply.http, reply.body) == (503, b"busy")
    assert reply.headers["X-Ca-Error-Code"] == "D503BB"
    assert reply.headers.get_all("Content-Type") == ["text/plain"]


def test_a_redirect(sandbox):
    sandbox.behave(http=302, headers={"Location": "http://127.0.0.1:1/"}, calls=1)
    reply = ask(sandbox)
    assert (reply.http, reply.headers["Location"]) == (302, "http://127.0.0.1:1/")


def test_a_body_of_any_bytes(sandbox):
    sandbox.behave(http=200, bodyHex="00fF7b", calls=1)
    assert ask(sandbox).body == b"\x00\xff\x7b"


def test_a_raw_reply(sandbox):
    raw = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 2\r\n\r\nhello"
    sandbox.behave(raw=raw, calls=1)
    assert raw_exchange(sandbox)[0] == raw.encode()
    assert sandbox.stats()["byHttp"] == {"200": 1}


def test_billing_can_be_overruled(sandbox):
    sandbox.behave(cut="request", billed=False, calls=1)
    sandbox.behave(gateway="backend-timeout", billed=True, calls=1)
    raw_exchange(sandbox)
    assert sandbox.stats()["billed"] == 0
    assert ask(sandbox).http == 504
    assert sandbox.stats()["billed"] == 1


# Behaviours: how long, for whom


def test_behaviours_are_used_up_in_order(sandbox):
    sandbox.behave(status="02", calls=2)
    sandbox.behave(status="202", calls=1)
    assert [status_of(sandbox) for _ in range(4)] == ["02", "02", "202", "01"]


def test_a_behaviour_until_reset(sandbox):
    sandbox.behave(status="02")
    sandbox.behave(status="202", calls=1)
    assert [status_of(sandbox) for _ in range(3)] == ["202", "02", "02"]
    sandbox.behave(status="207")
    assert status_of(sandbox) == "207"
    assert [b["what"] for b in sandbox.control("GET", "behaviour")["behaviours"]] == ["status:207", "status:02"]
    sandbox.reset("behaviours")
    assert sandbox.control("GET", "behaviour") == {"behaviours": []}
    assert sandbox.calls() == 4


def test_a_behaviour_for_one_number(sandbox):
    sandbox.behave(status="202", calls=2)
    sandbox.behave(status="02", mobile=MOBILE)
    sandbox.behave(status="207", mobile=MOBILE, calls=1)
    assert [status_of(sandbox) for _ in range(3)] == ["207", "02", "02"]
    assert [status_of(sandbox, mobile="13800138001") for _ in range(3)] == ["202", "202", "01"]


def test_a_behaviour_for_one_appcode(start):
    sandbox = start("--appcode", "one", "--appcode", "two")
    sandbox.behave(gateway="unauthorized", appCode="one")
    assert ask(sandbox, appcode="one").http == 403
    assert ask(sandbox, appcode="two").http == 200


@pytest.mark.parametrize(
    "behaviour, message",
    [
        ({"cuts": "body"}, "unknown member: cuts"),
        ({}, "at least one member"),
        ({"cut": "elsewhere"}, "cut must be one of"),
        ({"cut": 1}, "cut must be one of"),
        ({"reply": "xml"}, "reply must be one of"),
        ({"gateway": "nonsense"}, "gateway must be"),
        ({"calls": 0, "hang": True}, "calls must be a whole number"),
        ({"calls": 1.5, "hang": True}, "calls must be a whole number"),
        ({"latencyMs": "1"}, "latencyMs must be a whole number"),
        ({"hang": 1}, "hang must be true or false"),
        ({"status": ""}, "status must be"),
        ({"status": 1}, "status must be"),
        ({"status": "123456789"}, "status must be"),
        ({"http": 99}, "http must be"),
        ({"http": 200, "reply": "html"}, "give only one of"),
        ({"cut": "body", "raw": "x"}, "give only one of"),
        ({"body": "x"}, "need http"),
        ({"http": 200, "body": "x", "bodyHex": "00"}, "give only one of"),
        ({"http": 200, "bodyHex": "0"}, "even number"),
        ({"http": 200, "bodyHex": "0g"}, "hexadecimal"),
        ({"http": 200, "headers": []}, "must be an object"),
        ({"http": 200, "headers": {"a b": "x"}}, "one line"),
        ({"http": 200, "headers": {"a": "x\r\ny: z"}}, "one line"),
        ({"http": 200, "headers": {"Content-Length": "1"}}, "use raw"),
        ({"cut": "accept"}, "needs calls"),
        ({"cut": "accept", "calls": 1, "mobile": MOBILE}, "cannot be limited"),
    ],
)
def test_behaviours_that_are_refused(sandbox, behaviour, message):
    with pytest.raises(ControlError, match=re.escape(message)) as refusal:
        sandbox.behave(**behaviour)
    assert refusal.value.http_status == 400
    assert sandbox.control("GET", "behaviour") == {"behaviours": []}


# The control endpoint


def control_raw(sandbox, method, path, body=None):
    connection = sandbox.connect()
    try:
        connection.request(method, path, body)
        return Reply(connection.getresponse())
    finally:
        connection.close()


@pytest.mark.parametrize("body", ["", "nonsense", "[]", '{"hang":true}x', '{"hang":true', '{"hang":true,"hang":true}', "[" * 100000])
def test_control_bodies_that_are_refused(sandbox, body):
    reply = control_raw(sandbox, "POST", "/sandbox/behaviour", body)
    assert reply.http == 400
    assert reply.json["error"]


def test_control_bodies_have_a_limit(sandbox):
    reply = control_raw(sandbox, "POST", "/sandbox/behaviour", '{"http":200,"body":"' + "x" * 2**20 + '"}')
    assert reply.http == 413


@pytest.mark.parametrize(
    "method, path, http_status",
    [
        ("GET", "/sandbox/", 200),
        ("GET", "/sandbox/nothing", 404),
        ("GET", "/sandbox", 404),
        ("POST", "/sandbox/stats", 405),
        ("GET", "/sandbox/reset", 405),
        ("DELETE", "/sandbox/behaviour", 405),
        ("GET", "/sandbox/calls?mobil=1", 400),
        ("GET", "/sandbox/log?limit=x", 400),
        ("GET", "/sandbox/log?limit=-1", 400),
        ("GET", "/sandbox/log?max=1", 400),
    ],
)
def test_control_paths(sandbox, method, path, http_status):
    reply = control_raw(sandbox, method, path)
    assert reply.http == http_status
    assert ("Allow" in reply.headers) == (http_status == 405)
    assert isinstance(reply.json, dict)


@pytest.mark.parametrize(
    "path, members",
    [
        ("settings", {"packages": 1}),
        ("settings", {"package": "1"}),
        ("settings", {"package": -2}),
        ("settings", {"rateHttp": 404}),
        ("settings", {"numberLimit": 1, "rate": -1}),
        ("clock", {"advanceSeconds": -1}),
        ("clock", {"advanceSeconds": 0.5}),
        ("clock", {"seconds": 1}),
        ("clock", None),
        ("clock", {"advanceSeconds": 1, "more": 1}),
        ("release", {"calls": 1}),
        ("reset", {"only": ["everything"]}),
        ("reset", {"only": "clock"}),
        ("reset", {"just": ["clock"]}),
    ],
)
def test_control_members_that_are_refused(sandbox, path, members):
    before = sandbox.control("GET", "settings")
    with pytest.raises(ControlError) as refusal:
        sandbox.control("POST", path, members)
    assert refusal.value.http_status == 400
    assert sandbox.control("GET", "settings") == before


def test_settings_are_shown_and_reset(sandbox):
    before = sandbox.control("GET", "settings")
    assert before == {
        "package": -1,
        "numberLimit": 5,
        "rate": 0,
        "rateHttp": 429,
        "latencyMs": 0,
        "jitterMs": 0,
    }
    assert sandbox.settings(rate=7, jitterMs=3) == {**before, "rate": 7, "jitterMs": 3}
    sandbox.reset("settings")
    assert sandbox.control("GET", "settings") == before


def test_stats_count_by_what_happened(sandbox):
    connection = sandbox.connect()
    ask(sandbox, connection=connection)
    ask(sandbox, connection=connection, mobile="13800099002")
    ask(sandbox, appcode="wrong")
    stats = sandbox.stats()
    assert stats["received"] == 3
    assert stats["billed"] == 2
    assert stats["byStatus"] == {"01": 1, "02": 1}
    assert stats["byHttp"] == {"200": 2, "400": 1}
    assert stats["byGateway"] == {"invalid-appcode": 1}
    assert stats["connections"]["withCalls"] == 2
    assert stats["connections"]["withCallsOpen"] >= 1
    connection.close()
    wait_until(lambda: sandbox.stats()["connections"]["withCallsOpen"] == 0)
    sandbox.reset("counters")
    stats = sandbox.stats()
    assert (stats["received"], stats["billed"], stats["byStatus"], stats["byHttp"]) == (0, 0, {}, {})
    assert sandbox.log() == []
    assert sandbox.calls(mobile=MOBILE) == 0


def test_calls_are_counted_by_question(sandbox):
    ask(sandbox)
    ask(sandbox)
    ask(sandbox, name="李四")
    ask(sandbox, mobile="13800138001")
    assert sandbox.calls() == 4
    assert sandbox.calls(mobile=MOBILE) == 3
    assert sandbox.calls(mobile=MOBILE, name=NAME, id_card=ID_CARD) == 2
    assert sandbox.calls(name="李四") == 1
    assert sandbox.calls(mobile="13800138002") == 0


def test_many_questions_are_counted_apart(sandbox):
    connection = sandbox.connect()
    for n in range(1500):
        ask(sandbox, connection=connection, mobile=f"139{n:08d}")
    connection.close()
    assert sandbox.calls() == 1500
    assert [sandbox.calls(mobile=f"139{n:08d}") for n in (0, 777, 1499, 1500)] == [1, 1, 1, 0]
    assert len(sandbox.log()) == 1000
    assert sandbox.log(1)[0]["number"] == 1500


def test_log_tells_what_was_received(sandbox):
    ask(sandbox, name="阿里木·买买提")
    ask(sandbox, name=None, appcode=None)
    first, second = sandbox.log()
    assert first["number"] == 1
    assert first["method"] == "GET"
    assert first["query"] == query(name="阿里木·买买提")
    assert "%C2%B7" in first["query"]
    assert first["uri"] == "/carrieroperator?" + first["query"]
    assert first["parameters"] == {"idCard": ID_CARD, "mobile": MOBILE, "name": "阿里木·买买提"}
    assert "Authorization" in first["headers"] and "Host" in first["headers"]
    assert (first["http"], first["status"], first["billed"]) == (200, "01", True)
    assert (first["appCode"], first["gateway"], first["behaviour"]) == (APPCODE, None, None)
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", first["time"])
    assert (second["appCode"], second["gateway"], second["status"]) == (None, "missing-appcode", None)
    assert "name" not in second["parameters"]
    assert [entry["number"] for entry in sandbox.log(limit=1)] == [2]


def test_log_keeps_unusual_encodings_as_they_came(sandbox):
    path = f"/carrieroperator?name=%e5%bc%a0%E4%B8%89&idCard={ID_CARD}&mobile=%31{MOBILE[1:]}&extra=1+2"
    assert ask(sandbox, path=path).json["status"] == "01"
    assert sandbox.log(1)[0]["uri"] == path


def test_log_size_by_option(start):
    sandbox = start("--log", "2", "--number-limit", "0")
    for _ in range(5):
        ask(sandbox)
    assert [entry["number"] for entry in sandbox.log()] == [4, 5]
    without = start("--log", "0")
    ask(without)
    assert without.log() == []
    assert without.calls() == 1


def test_control_calls_are_not_counted(sandbox):
    sandbox.stats()
    assert sandbox.stats()["received"] == 0
    assert sandbox.log() == []


def test_reset_of_everything(sandbox):
    sandbox.settings(numberLimit=1, package=1)
    sandbox.behave(status="02")
    sandbox.advance(1000)
    ask(sandbox)
    sandbox.reset()
    assert status_of(sandbox) == "01"
    assert sandbox.stats()["clockAheadSeconds"] == 0
    assert sandbox.calls() == 1


# The program


def run(*args):
    program = Sandbox(None).program
    return subprocess.run([program, *args], capture_output=True, text=True, timeout=20)


def test_help_and_version():
    shown = run("--help")
    assert shown.returncode == 0
    for option in ["--listen", "--appcode", "--package", "--number-limit", "--tls-cert", "99202", APPCODE]:
        assert option in shown.stdout
    assert re.fullmatch(r"sanyao-sandbox \d+\.\d+\.\d+\n", run("--version").stdout)


@pytest.mark.parametrize(
    "args, message",
    [
        (["--nonsense"], "--nonsense"),
        (["extra"], "extra"),
        (["--package", "many"], "package must be"),
        (["--rate-http", "410"], "rate-http must be"),
        (["--listen", "127.0.0.1"], "HOST:PORT"),
        (["--tls-key", "x"], "go together"),
        (["--appcode", ""], "appcode must be"),
        (["--appcode", "a:b"], "whole number"),
        (["--billed", "all"], "billed must be"),
    ],
)
def test_wrong_use(args, message):
    ended = run(*args)
    assert ended.returncode == 2
    assert message in ended.stderr
    assert ended.stdout == ""


def test_refuses_to_listen_beyond_the_loopback():
    ended = run("--listen", "0.0.0.0:0")
    assert ended.returncode == 1
    assert "--public" in ended.stderr


def test_listens_beyond_the_loopback_when_asked(start):
    sandbox = start("--listen", "0.0.0.0:0", "--public")
    sandbox.host = "127.0.0.1"
    assert status_of(sandbox) == "01"


def test_address_in_use(sandbox):
    ended = run("--listen", f"127.0.0.1:{sandbox.port}")
    assert ended.returncode == 1
    assert "in use" in ended.stderr


def test_ipv6(start):
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 loopback here")
    sandbox = start("--listen", "[::1]:0")
    assert sandbox.url.startswith("http://[::1]:")
    assert status_of(sandbox) == "01"


def test_stops_with_open_connections(start):
    sandbox = start()
    connections = [sandbox.connect() for _ in range(5)]
    for connection in connections:
        ask(sandbox, connection=connection)
    assert sandbox.stop() == 0
    for connection in connections:
        connection.close()


@pytest.fixture
def many_files():
    """As many open files as allowed, for a test with many connections; the sandbox inherits it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 4096:
        pytest.skip("the limit of open files is too low here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_many_connections_at_once(start, many_files):
    sandbox = start("--number-limit", "0")
    connections = [sandbox.connect() for _ in range(1200)]
    headers = {"Authorization": f"APPCODE {APPCODE}"}
    for _ in range(2):
        for connection in connections:
            connection.request("GET", "/carrieroperator?" + query(), headers=headers)
        replies = [Reply(connection.getresponse()) for connection in connections]
        assert {reply.http for reply in replies} == {200}
    assert sandbox.stats()["connections"]["withCallsPeak"] == 1200
    for connection in connections:
        connection.close()


@pytest.fixture
def certificate(tmp_path):
    if shutil.which("openssl") is None:
        pytest.skip("needs the openssl command to make a certificate")
    key, chain = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        + ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]
        + ["-days", "2", "-keyout", str(key), "-out", str(chain)],
        check=True,
        capture_output=True,
    )
    return chain, key


def test_tls(start, certificate):
    chain, key = certificate
    sandbox = start("--tls-cert", chain, "--tls-key", key)
    assert sandbox.url.startswith("https://127.0.0.1:")
    context = ssl.create_default_context(cafile=str(chain))
    connection = http.client.HTTPSConnection("127.0.0.1", sandbox.port, context=context, timeout=20)
    for _ in range(2):
        assert ask(sandbox, connection=connection).json["status"] == "01"
    sandbox.behave(cut="request", calls=1)
    with pytest.raises((http.client.HTTPException, OSError)):
        ask(sandbox, connection=connection)
    connection.close()
    sandbox.behave(cut="body", calls=1)
    with pytest.raises((http.client.HTTPException, OSError)):
        ask(sandbox)
    with pytest.raises(ControlError, match="TLS"):
        sandbox.behave(raw="HTTP/1.1 200 OK\r\n\r\n")
    assert sandbox.calls() == 4


def test_tls_handshake_can_be_cut(start, certificate):
    chain, key = certificate
    sandbox = start("--tls-cert", chain, "--tls-key", key)
    sandbox.behave(cut="accept", calls=1)
    with pytest.raises(OSError):
        ask(sandbox)
    assert sandbox.calls() == 0


# --- the second shape ---

CODES = {"01": (0, 1), "02": (0, 2), "202": (0, 3), "203": (1201, None), "204": (1101, None),
         "205": (1102, None), "206": (1103, None), "207": (1202, None)}


def ask_second(sandbox, mobile, way="form", name=NAME, appcode=APPCODE):
    values = {"realName": name, "certNo": ID_CARD, "phone": mobile}
    headers, body, target = {"Authorization": f"APPCODE {appcode}"}, None, "/v2/check"
    if way == "get":
        target += "?" + urllib.parse.urlencode(values)
    elif way == "form":
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        body = urllib.parse.urlencode(values)
    else:
        headers["Content-Type"] = "application/json; charset=utf-8"
        body = json.dumps({"data": values} if way == "nested" else values, ensure_ascii=False).encode()
    connection = sandbox.connect()
    try:
        connection.request("GET" if way == "get" else "POST", target, body, headers)
        return Reply(connection.getresponse())
    finally:
        connection.close()


@pytest.mark.parametrize("way", ["get", "form", "json", "nested"])
def test_the_second_shape_has_the_same_findings(sandbox, way):
    for status, (code, result) in CODES.items():
        reply = ask_second(sandbox, "13800099" + status.zfill(3), way).json
        assert (reply["code"], (reply["data"] or {}).get("result")) == (code, result)
        assert reply["charge"] is True and reply["seqNo"] and reply["message"]
        if status == "01":
            assert reply["data"]["channel"] == "cmcc"
    assert sandbox.stats()["byStatus"] == {status: 1 for status in CODES}
    assert sandbox.stats()["byShape"]["second"] == {"received": len(CODES), "billed": len(CODES)}
    call = sandbox.log(1)[0]
    assert call["shape"] == "second" and call["parameters"]["name"] == NAME


def test_the_second_shape_says_what_it_charges(start):
    sandbox = start("--billed", "01")
    assert ask_second(sandbox, "13800099001").json["charge"] is True
    assert ask_second(sandbox, "13800099002").json["charge"] is False
    assert sandbox.stats()["byShape"]["second"] == {"received": 2, "billed": 1}


def test_the_second_shape_stands_behind_the_same_gateway(start):
    sandbox = start("--package", "1")
    reply = ask_second(sandbox, MOBILE, appcode="other")
    assert (reply.http, reply.headers["X-Ca-Error-Code"]) == (400, "A400AC")
    assert ask(sandbox).http == 200
    reply = ask_second(sandbox, MOBILE)
    assert (reply.http, reply.headers["X-Ca-Error-Code"]) == (403, "B403MQ")
    reply = ask(sandbox, method="POST")
    assert reply.headers["X-Ca-Error-Message"] == "Invalid HttpMethod"
    reply = ask(sandbox, method="PUT", path="/v2/check")
    assert reply.headers["X-Ca-Error-Message"] == "Invalid HttpMethod"
    reply = ask(sandbox, method="POST", path="/v2/check")
    assert reply.headers["X-Ca-Error-Message"] == "Invalid Param Location"


def test_the_second_shape_shares_the_numbers_limit(start):
    sandbox = start("--number-limit", "1")
    assert status_of(sandbox) == "01"
    assert ask_second(sandbox, MOBILE).json["code"] == 1201


def test_behaviours_act_on_the_second_shape(sandbox):
    sandbox.behave(status="999", calls=1)
    assert ask_second(sandbox, MOBILE).json["code"] == 1999
    sandbox.behave(reply="no-status", calls=1)
    assert "code" not in ask_second(sandbox, MOBILE).json
    sandbox.behave(reply="integer-status", calls=1)
    assert ask_second(sandbox, MOBILE).json["code"] == "0"
    sandbox.behave(reply="extra-fields", calls=1)
    assert ask_second(sandbox, MOBILE).json["area"] == "北京"
    sandbox.behave(http=200, body='{"code":1301}', billed=False, mobile=MOBILE, calls=1)
    assert ask_second(sandbox, MOBILE).json == {"code": 1301}


def test_bodies_that_cannot_be_read_have_no_parameters(sandbox):
    connection = sandbox.connect()
    for body, kind in (("realName", "application/x-www-form-urlencoded"), ("{", "application/json"),
                       ("[1]", "application/json"), ("realName=%&certNo=%4&phone=%zz", "text/plain"),
                       ('{"realName":1,"certNo":"a","phone":"b"}', "application/json")):
        connection.request("POST", "/v2/check", body,
                           {"Authorization": f"APPCODE {APPCODE}", "Content-Type": kind})
        reply = Reply(connection.getresponse())
        assert reply.headers["X-Ca-Error-Message"] == "Invalid Param Location"
    connection.close()


def test_tls_files_that_are_none(tmp_path):
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("nonsense")
    ended = run("--tls-cert", str(nonsense), "--tls-key", str(tmp_path / "absent"))
    assert ended.returncode == 1
    assert "absent" in ended.stderr
    ended = run("--listen", "127.0.0.1:0", "--tls-cert", str(nonsense), "--tls-key", str(nonsense))
    assert ended.returncode == 1
    assert "PEM" in ended.stderr


def test_nothing_is_written_to_disk(tmp_path):
    program = os.path.abspath(Sandbox(None).program)
    process = subprocess.Popen(
        [program, "--listen", "127.0.0.1:0"], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    )
    port = int(re.search(r":(\d+)/", process.stdout.readline())[1])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", "/carrieroperator?" + query(), headers={"Authorization": f"APPCODE {APPCODE}"})
    connection.getresponse().read()
    connection.close()
    files = subprocess.run(["ls", "-l", f"/proc/{process.pid}/fd"], capture_output=True, text=True).stdout
    process.terminate()
    assert process.wait(timeout=20) == 0
    process.stdout.close()
    assert list(tmp_path.iterdir()) == []
    assert str(tmp_path) not in files


def test_everything_is_documented(sandbox):
    here = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(here, "../../docs/sandbox.md"), encoding="utf-8") as file:
        document = file.read()
    index = sandbox.control("GET", "")
    stats = sandbox.stats()
    ask(sandbox)
    with pytest.raises(ControlError) as cuts:
        sandbox.behave(cut="?")
    with pytest.raises(ControlError) as replies:
        sandbox.behave(reply="?")
    names = [f"`{name}`" for name in index["gatewayRefusals"]]
    names += [f"`{name}`" for name in [*stats, *stats["byAppCode"][0], *sandbox.log()[0]]]
    names += [f"`{name}`" for name in [*sandbox.control("GET", "settings"), *stats["connections"]]]
    names += [f"{end['method']} {end['path']}" for end in index["endpoints"]]
    names += [f'"{name}"' for name in re.search(r"one of: (.*)", str(cuts.value))[1].split(", ")]
    names += [f'"{name}"' for name in re.search(r"one of: (.*)", str(replies.value))[1].split(", ")]
    names += re.findall(r"(?m)^  (--[a-z-]+)", run("--help").stdout)
    assert [name for name in names if name not in document] == []
