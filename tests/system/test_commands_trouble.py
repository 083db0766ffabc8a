"""The commands of the admin API before a service that breaks off, lies, or is another one."""

import http.server
import json
import os
import subprocess
import threading

import pytest
from harness import Needlework, clean_environment
from sandbox_control import default_bin_dir

TOKEN = "a-token-of-nobody-0123456789-abcdefghijklm"
CUT = "cut"  # the connection ends instead of a reply
KEY = "sy_shop_" + "k" * 43
CLIENT = {
    "id": "shop", "name": "商城", "dailyCalls": None, "monthlyCalls": 9, "requestsPerSecond": None,
    "burst": None, "reserve": 0, "refresh": False, "shadow": False, "disabled": False,
    "createdAt": "2026-11-24T02:00:00Z",
    "keys": [{"fingerprint": "01234567", "createdAt": "2026-11-24T02:00:00Z", "expiresAt": None}],
}


class Service(http.server.ThreadingHTTPServer):
    """Gives the replies that it is told, one after the other, and keeps what it was asked."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked, self.replies = [], []
        self.lock = threading.Lock()

    def run(self, *arguments, code=0, given=None):
        done = subprocess.run(
            [os.path.join(default_bin_dir(), "sanyao"), *arguments],
            env={**clean_environment(), "SANYAO_ADMIN_TOKEN": TOKEN,
                 "SANYAO_ADMIN_LISTEN": f"127.0.0.1:{self.server_port}"},
            input=given if given is not None else "", capture_output=True, text=True, timeout=30,
            check=False,
        )
        assert done.returncode == code, f"exit code {done.returncode}: {done.stdout}{done.stderr}"
        assert not self.replies, "it asked less often than it was to"
        assert TOKEN not in done.stdout + done.stderr
        return done


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        size = int(self.headers.get("Content-Length", 0))
        with self.server.lock:
            self.server.asked.append(
                (self.command, self.path, dict(self.headers), self.rfile.read(size)))
            reply = self.server.replies.pop(0) if self.server.replies else CUT
        self.close_connection = True
        if reply == CUT:
            return
        status, body = reply
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PATCH = do_DELETE = answer

    def log_message(self, *_):
        pass


@pytest.fixture
def service():
    Needlework.write("secret", TOKEN)
    with Service() as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def keys_of(service):
    return [headers.get("Idempotency-Key") for _, _, headers, _ in service.asked]


def ndjson(count, package="p"):
    row = {"time": "2026-11-24T10:00:00.000+08:00", "state": "settled", "package": package}
    return "".join(json.dumps(row) + "\n" for _ in range(count)).encode()


# --- replies that are lost ---


def test_a_rotation_is_sent_again_under_the_same_name(service):
    service.replies = [CUT, (201, {"client": CLIENT, "key": KEY})]
    said = service.run("client", "rotate", "shop", "--grace", "1h").stdout
    assert f"Key (shown only now): {KEY}\n" in said
    first, second = keys_of(service)
    assert first == second and len(first) >= 32
    assert [(method, path, json.loads(body)) for method, path, _, body in service.asked] == [
        ("POST", "/admin/v1/clients/shop/keys", {"grace": "1h"})] * 2
    service.replies = [(201, {"client": CLIENT, "key": KEY})]
    service.run("client", "rotate", "shop")
    assert keys_of(service)[2] != first, "another rotation has another name"


def test_a_key_that_was_lost_is_a_failure(service):
    service.replies = [CUT, (200, {"client": CLIENT, "key": None})]
    done = service.run("client", "rotate", "shop", code=1)
    assert "was lost" in done.stderr and done.stdout == ""
    service.replies = [CUT, (200, {"client": CLIENT, "key": None})]
    done = service.run("client", "add", "shop", "--json", code=1)
    assert "client rotate shop" in done.stderr and done.stdout == ""


def test_once_more_and_not_again(service):
    for arguments in (["client", "add", "shop"], ["client", "rotate", "shop"], ["client", "list"],
                      ["client", "set", "shop", "--daily", "5"], ["client", "remove", "shop"],
                      ["package", "add", "p", "--calls", "1", "--price", "1"], ["balance"]):
        service.asked.clear()
        service.replies = [CUT, CUT]
        assert "broke off" in service.run(*arguments, code=1).stderr
        assert len(service.asked) == 2


def test_what_would_tell_another_story_is_sent_once(service):
    for arguments, given in ((["reload"], None), (["forget"], "13800099001")):
        service.asked.clear()
        service.replies = [CUT]
        done = service.run(*arguments, code=1, given=given)
        assert "broke off" in done.stderr and "138000" not in done.stderr
        assert len(service.asked) == 1


def test_half_a_reply_is_none(service):
    whole = json.dumps({"clients": []}).encode()

    class Half(bytes):
        def __len__(self):
            return len(whole) + 5

    service.replies = [(200, Half(whole)), (200, whole)]
    assert service.run("client", "list", "--json").stdout == whole.decode() + "\n"
    assert len(service.asked) == 2


# --- replies that are none of sanyao's ---


@pytest.mark.parametrize("body", [b"<html>", b"{", b'{"clients":[]} x', b'{"clients":[01]}'])
def test_what_is_no_json_is_not_sanyao(service, body):
    service.replies = [(200, body)]
    done = service.run("client", "list", "--json", code=1)
    assert "not sanyao's admin API" in done.stderr and done.stdout == ""


def test_refusals_are_told_in_one_line(service):
    for status, body, words in (
        (401, {}, "refuses the token"), (302, b"", "not sanyao's"), (500, b"oops", "not sanyao's"),
        (409, {"title": "Conflict", "detail": "There is another one."},
         "the service refuses: Conflict: There is another one."),
    ):
        service.replies = [(status, body)]
        said = service.run("client", "add", "shop", code=1).stderr
        assert words in said and said.count("\n") == 1


# --- what is sent and shown ---


def test_what_is_sent(service):
    service.replies = [(201, {"client": CLIENT, "key": KEY})]
    service.run("client", "add", "shop", "--name", "商\"城", "--daily", "100", "--monthly", "none",
                "--rate", "5", "--burst", "9", "--reserve", "20", "--refresh", "--shadow")
    service.replies = [(200, CLIENT)]
    service.run("client", "set", "a/../b c", "--daily", "none", "--disabled", "yes", "--shadow", "no")
    service.replies = [(204, b"")]
    service.run("client", "remove", "shop")
    service.replies = [(201, {"id": "p"})]
    service.run("package", "add", "p", "--calls", "1000", "--price", "288.10", "--credential", "two",
                "--purchased", "2026-11-24", "--expires", "never")
    (add, change, removal, package) = service.asked
    assert add[:2] == ("POST", "/admin/v1/clients")
    assert json.loads(add[3]) == {
        "id": "shop", "name": "商\"城", "dailyCalls": 100, "monthlyCalls": None,
        "requestsPerSecond": 5, "burst": 9, "reserve": 20, "refresh": True, "shadow": True,
    }
    assert change[:2] == ("PATCH", "/admin/v1/clients/a%2F..%2Fb%20c")
    assert json.loads(change[3]) == {"dailyCalls": None, "disabled": True, "shadow": False}
    assert removal[:2] == ("DELETE", "/admin/v1/clients/shop") and removal[3] == b""
    assert json.loads(package[3]) == {
        "id": "p", "calls": 1000, "priceCny": "288.10", "credential": "two",
        "purchasedAt": "2026-11-24", "expiresAt": None,
    }
    for _, _, headers, body in service.asked:
        assert headers["Authorization"] == "Bearer " + TOKEN
        assert headers.get("Content-Type") == ("application/json" if body else None)


def test_money_is_shown_digit_by_digit(service):
    body = b'{"packages":[{"id":"p","calls":9007199254740993,"priceCny":90071992547409.91}]}'
    service.replies = [(200, body)]
    shown = service.run("package", "list").stdout
    assert " 9007199254740993 " in shown and " 90071992547409.91 " in shown
    service.replies = [(200, body)]
    assert service.run("package", "list", "--json").stdout == body.decode() + "\n"


def test_no_name_commands_a_terminal(service):
    service.replies = [(200, {"clients": [{**CLIENT, "name": "\x1b[2J\u202e\n\x9b"}]})]
    shown = service.run("client", "list").stdout
    assert "?[2J???" in shown and shown.count("\n") == 2


@pytest.mark.parametrize("given, sent", [
    ("13800099001\n", {"mobile": "13800099001"}), (' 1"2 ', {"mobile": '1"2'}),
    ('{"mobile": "1"}\n', {"mobile": "1"}),
])
def test_a_person_comes_by_standard_input(service, given, sent):
    service.replies = [(200, {"answers": 2})]
    assert service.run("forget", given=given).stdout == "2 answers forgotten\n"
    assert json.loads(service.asked[0][3]) == sent


def test_nobody_is_forgotten_by_mistake(service, place):
    for given in ("", " \n", "1" * 5000, "1\x00"):
        service.run("forget", code=1, given=given)
    assert "cannot be opened" in service.run(
        "forget", "--mobile-file", os.path.join(place, "absent"), code=1).stderr
    service.run("forget", "13800099001", code=2)
    assert service.asked == []


# --- figures and what they are made of ---


def balance(used):
    return (200, {"metered": True, "bought": 10, "used": used, "left": 10 - used, "unknown": 0,
                  "packages": [{"id": "p", "calls": 10, "used": used, "left": 10 - used}]})


def test_a_figure_with_other_rows_is_a_failure(service):
    service.replies = [balance(3), (200, ndjson(3))]
    assert "3 rows, as package p says" in service.run("balance", "--explain").stdout
    for count in (2, 4):
        service.replies = [balance(3), (200, ndjson(count)), balance(3)]
        done = service.run("balance", "--explain", code=1)
        assert f"{count} rows, but package p says 3" in done.stdout and "differ" in done.stderr
    service.replies = [balance(3), (200, ndjson(9)), balance(5)]
    assert "differ" in service.run("balance", "--explain", code=1).stderr


def test_a_figure_that_moved_is_no_failure(service):
    for before, after, count in ((3, 5, 4), (5, 3, 4), (3, 4, 4)):
        service.replies = [balance(before), (200, ndjson(count)), balance(after)]
        assert f"from {before} to {after}" in service.run("balance", "--explain").stdout


def test_rows_that_break_off_explain_nothing(service):
    service.replies = [balance(3), CUT]
    assert "broke off" in service.run("balance", "--explain", code=1).stderr
    service.replies = [balance(3), (200, b"no rows\n")]
    service.run("balance", "--explain", code=1)


def statement(*lines):
    figures = {"unknown": 0, "costCny": 0.30, "hits": 1, "savedCny": 0.10}
    return (200, {
        "month": "2026-11", "timezone": "Asia/Shanghai",
        "clients": [{
            "client": "shop", "calls": sum(calls for _, calls in lines), **figures,
            "lines": [{"package": package, "credential": "main", "calls": calls, **figures}
                      for package, calls in lines],
        }],
        "total": {"calls": 5, **figures},
    })


def test_a_statement_is_explained_line_by_line(service):
    rows = ndjson(2, None) + ndjson(3, "p")
    service.replies = [statement(("p", 3), (None, 2)), (200, ndjson(3)), (200, rows)]
    shown = service.run("statement", "--month", "2026-11", "--explain").stdout
    assert shown.count("rows, as the statement says") == 2
    first, second = service.asked[1:]
    assert "package=p" in first[1] and "package" not in second[1]
    for _, path, _, _ in (first, second):
        assert "counted=true" in path and "client=shop" in path and "credential=main" in path
        assert "from=2026-10-31T16%3A00%3A00Z" in path and "to=2026-11-30T16%3A00%3A00Z" in path
    service.replies = [statement(("p", 3)), (200, ndjson(2)), statement(("p", 3))]
    service.run("statement", "--explain", code=1)


def test_misuse_asks_nothing(service):
    for arguments in (
        ["client"], ["client", "no-such"], ["client", "add"], ["client", "add", "a", "b"],
        ["client", "add", "a", "--daily", "many"], ["client", "set", "a"], ["client", "show"],
        ["client", "set", "a", "--disabled", "maybe"], ["package", "add", "p", "--calls", "5"],
        ["package", "add", "p", "--price", "5"], ["package", "set", "p"], ["balance", "p"],
        ["balance", "--json", "--explain"], ["statement", "--month", "2026-13"],
        ["statement", "--csv", "--json"], ["statement", "--bom"], ["audit", "--after", "x"],
        ["alerts", "all"], ["reload", "--force"],
    ):
        done = service.run(*arguments, code=2)
        assert done.stdout == "" and done.stderr
    assert service.asked == []
