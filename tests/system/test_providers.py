"""Another seller: one that is described in the settings is asked in its own words, and understood."""

import copy
import json
import os
import re
import urllib.parse

import jsonschema
import pytest
from contract import SOURCE_DIR
from harness import Needlework, read_answer, send_question
from raw_upstream import RawUpstream
from sandbox_control import APPCODE
from test_config import SCHEMA, check_config
from test_reload import Settings

PATH = "/v2/check"

# The sandbox's second shape, as docs/operations.md describes it.
SECOND = {
    "url": None,
    "parameters": {"name": "realName", "idCard": "certNo", "mobile": "phone"},
    "reply": {
        "status": ["/code", "/data/result"],
        "msg": "/message",
        "mobileType": "/data/channel",
        "traceId": "/seqNo",
    },
    "statuses": {
        "0/1": "01", "0/2": "02", "0/3": "202",
        "1101": "204", "1102": "205", "1103": "206", "1201": "203", "1202": "207",
        "1301": "quota_exhausted", "1302": "unauthorized", "1303": "throttled", "1304": "failed",
    },
    "mobile_types": {"cmcc": "移动", "cucc": "联通", "ctcc": "电信", "cbn": "广电"},
    "credentials": ["main"],
}
ANSWERS = {
    "01": "match", "02": "mismatch", "202": "unverifiable", "203": "number_limited",
    "204": "invalid_name", "205": "invalid_id_card", "206": "invalid_mobile",
    "207": "unsupported_segment",
}
WAYS = {
    "get": {},
    "get-by-name": {"method": "GET"},
    "form": {"method": "POST", "body": "form"},
    "json": {"method": "POST", "body": "json"},
    "nested": {
        "method": "POST", "body": "json",
        "parameters": {"name": "/data/realName", "idCard": "/data/certNo", "mobile": "/data/phone"},
    },
}


def described(upstream, **changes):
    """SECOND at the sandbox's address or another's; None takes a member out."""
    host, port = getattr(upstream, "host", "127.0.0.1"), upstream.port
    provider = {**copy.deepcopy(SECOND), "url": f"http://{host}:{port}{PATH}", **changes}
    return {name: value for name, value in provider.items() if value is not None}


def play_second(call):
    call.reply(json.dumps({"code": 0, "data": {"result": 1}}).encode())


def upstream_of(upstream, **changes):
    return {"order": ["second"], "providers": {"second": described(upstream, **changes)}}


@pytest.fixture
def settings(tmp_path, start):
    return Settings(tmp_path, start)


@pytest.fixture
def start_second(sandbox, settings):
    """start_second(changes, **environment): a server that asks the sandbox in its second shape only."""
    def make(changes=None, **environment):
        # An address where nobody listens: the one of the guide must not be asked.
        environment.setdefault("upstream_url", "http://127.0.0.1:9/carrieroperator")
        return settings.start({"upstream": upstream_of(sandbox, **(changes or {}))}, **environment)

    return make


def bills(server):
    return [(row["status"], row["billed"]) for row in server.rows()]


# --- every status ---


@pytest.mark.parametrize("way", WAYS)
def test_every_status_in_every_way(start_second, sandbox, people, way):
    server = start_second(WAYS[way])
    for status, result in ANSWERS.items():
        person = people.one(status=status)
        reply = server.ask(person)
        assert reply.status == 200
        assert (reply.json["status"], reply.json["result"]) == (status, result)
        assert reply.json["source"] == "upstream" and reply.json["billed"] is True
        assert (reply.json["mobileType"] != "") == (status == "01")
        assert reply.json["mobileType"] in ("", "移动", "联通", "电信")
        call = sandbox.log(1)[0]
        assert reply.json["traceId"] != ""
        assert call["parameters"] == person.question()
        assert call["method"] == ("GET" if way.startswith("get") else "POST")
        assert (call["shape"], call["appCode"]) == ("second", APPCODE)
        assert "Expect" not in call["headers"]
    assert sandbox.stats()["byShape"] == {
        "guide": {"received": 0, "billed": 0},
        "second": {"received": len(ANSWERS), "billed": len(ANSWERS)},
    }
    assert [status for status, _ in bills(server)] == list(ANSWERS)


@pytest.mark.parametrize("way", ["get", "form", "json"])
def test_special_names_arrive(start_second, sandbox, people, way):
    server = start_second(WAYS[way])
    rare = people.one(rare=True)
    holder = "932682198501010017"
    for person in (rare.but(name="阿·" + rare.name), rare,
                   rare.but(name="O'Neil, A.-B", id_card=holder)):
        assert server.ask(person, "no-cache").json["status"] == "01"
        assert sandbox.log(1)[0]["parameters"] == person.question()


def test_answers_are_kept_and_dropped_in(start_second, sandbox, people):
    server = start_second()
    person = people.one()
    first = server.ask(person).json
    again = server.ask(person).json
    assert (again["source"], again["billed"]) == ("cache", False)
    assert first["msg"] == again["msg"] == "成功"
    dropped = server.get(person, "/carrieroperator").json
    assert list(dropped) == ["status", "msg", "idCard", "mobile", "mobileType", "name", "traceId"]
    assert dropped["status"] == "01" and dropped["mobileType"] == first["mobileType"]
    assert sandbox.stats()["received"] == 1


# --- its words for money ---


def test_billed_by_its_words(start_second, people):
    server = start_second({"billed": ["0/1", "0/2"]}, BILLED_STATUSES="207")
    for status in ANSWERS:
        assert server.ask(people.one(status=status)).json["billed"] is (status in ("01", "02"))
    assert bills(server) == [(status, int(status in ("01", "02"))) for status in ANSWERS]


REFUSALS = {
    1301: ("package_exhausted", 503),
    1302: ("upstream_refused_credential", 502),
    1303: ("upstream_unavailable", 503),
    1304: ("upstream_unavailable", 503),
}


@pytest.mark.parametrize("http", [200, 403])
@pytest.mark.parametrize("code", REFUSALS)
def test_refusals_by_its_words(start_second, sandbox, people, code, http):
    server = start_second(UPSTREAM_RETRIES="0")
    sandbox.behave(http=http, body=json.dumps({"code": code, "message": "…"}), billed=False)
    reply = server.ask(people.one())
    expected, status = REFUSALS[code]
    assert (reply.json["code"], reply.json["billed"]) == (expected, False)
    assert reply.status == status
    assert {row["state"] for row in server.rows()} == {"released"}
    assert not any(row["billed"] for row in server.rows())


def test_the_gateway_in_front_refuses_as_ever(start_second, sandbox, people):
    server = start_second(WAYS["form"])
    sandbox.behave(gateway="unauthorized")
    reply = server.ask(people.one())
    assert (reply.status, reply.json["code"]) == (502, "upstream_refused_credential")


@pytest.mark.parametrize("body", ['{"code":7}', '{"status":"01"}', '{"code":"01"}', "{}", "[]", ""])
def test_a_word_without_a_meaning_is_no_answer(start_second, sandbox, people, body):
    server = start_second()
    sandbox.behave(http=200, body=body)
    person = people.one()
    reply = server.ask(person)
    assert (reply.status, reply.json["code"]) == (502, "upstream_invalid_reply")
    assert reply.json["billed"] is True
    sandbox.reset("behaviours")
    assert server.ask(person).json["status"] == "01"


@pytest.mark.parametrize("reply", ["no-status", "html", "empty", "truncated", "gbk", "oversized"])
def test_bad_replies(start_second, sandbox, people, reply):
    server = start_second(WAYS["json"])
    sandbox.behave(reply=reply)
    answered = server.ask(people.one())
    assert (answered.status, answered.json["code"]) == (502, "upstream_invalid_reply")


def test_a_code_as_text_and_further_members_do_no_harm(start_second, sandbox, people):
    server = start_second()
    for reply in ("integer-status", "extra-fields"):
        sandbox.behave(reply=reply, calls=1)
        person = people.one()
        assert server.ask(person).json["status"] == "01"
        assert "area" not in server.get(person, "/carrieroperator").json


def test_a_post_is_sent_once(start_second, sandbox, people):
    server = start_second(WAYS["form"])
    person = people.one()
    for cut in ("request", "reset", "body"):
        sandbox.behave(cut=cut, calls=1)
        assert server.ask(person, "no-cache").json["code"] == "upstream_unavailable"
    assert sandbox.calls(mobile=person.mobile) == 3
    assert {row["state"] for row in server.rows()} == {"unknown"}


def test_a_post_on_a_connection_that_died_is_not_sent_again(tmp_path, start, people):
    """libcurl would: it may not know whether the seller took it."""
    def play(call):
        if len(upstream.requests) > 1:
            call.hang_up()
        play_second(call)

    with RawUpstream(play) as upstream:
        settings = Settings(tmp_path, start)
        server = settings.start({"upstream": upstream_of(upstream, **WAYS["form"])}, WORKERS="1")
        assert server.ask(people.one()).json["status"] == "01"
        assert server.ask(people.one()).json["code"] == "upstream_unavailable"
        assert upstream.places == [(1, 1), (1, 2)]


# --- what is sent ---


def test_the_request_as_described(tmp_path, start, people):
    changes = {
        "header": "X-Api-Key: key={code}; v=2",
        "fixed": {"version": "2 & more", "渠": "a=b"},
        **WAYS["form"],
    }
    person = people.one(rare=True)
    with RawUpstream(play_second) as upstream:
        settings = Settings(tmp_path, start)
        server = settings.start({"upstream": upstream_of(upstream, **changes)})
        assert server.ask(person).json["status"] == "01"
        lines = upstream.requests[0].split("\r\n")
        headers = {line.split(": ", 1)[0].lower(): line.split(": ", 1)[1] for line in lines[1:]}
        assert lines[0] == f"POST {PATH} HTTP/1.1"
        assert headers["x-api-key"] == f"key={server.settings['APPCODE']}; v=2"
        assert headers["content-type"] == "application/x-www-form-urlencoded; charset=UTF-8"
        assert not {"authorization", "expect", "transfer-encoding", "cookie"} & set(headers)
        assert dict(urllib.parse.parse_qsl(upstream.bodies[0].decode("ascii"))) == {
            "realName": person.name, "certNo": person.id_card, "phone": person.mobile,
            "version": "2 & more", "渠": "a=b",
        }


# --- settings ---


def test_a_reload_takes_another_description(sandbox, settings, start_second, people):
    server = start_second({"billed": ["0/1"]})
    person = people.one()
    assert server.ask(person).json["billed"] is True
    other = upstream_of(sandbox, **WAYS["json"], billed=["0/2"])
    assert settings.reload(upstream=other) == 1
    assert server.ask(person, "no-cache").json["billed"] is False
    assert sandbox.log(1)[0]["method"] == "POST"
    bad = copy.deepcopy(other)
    bad["providers"]["second"]["reply"]["status"] = "code"
    assert "second: reply.status: must begin with /" in settings.refuse(upstream=bad)
    assert server.ask(person, "no-cache").json["billed"] is False


def test_a_reload_goes_from_the_guide_to_another_and_back(sandbox, settings, people):
    server = settings.start({})
    person = people.one()
    server.ask(person)
    assert settings.reload(upstream=upstream_of(sandbox)) == 2
    server.ask(person, "no-cache")
    settings.reload()
    server.ask(person, "no-cache")
    assert [call["shape"] for call in sandbox.log()] == ["guide", "second", "guide"]


def test_calls_under_way_keep_their_description(sandbox, settings, start_second, people):
    server = start_second(WAYS["json"])
    person = people.one()
    sandbox.behave(hang=True, calls=1)
    with server.connect() as connection:
        send_question(connection, person, None, None, ())
        sandbox.wait_for_hanging(1)
        settings.reload(upstream=upstream_of(sandbox, statuses={"0/1": "02", "0/2": "01"}))
        sandbox.release()
        assert read_answer(connection, person).json["status"] == "01"
    assert server.ask(people.one()).json["status"] == "02"


def test_each_credential_is_its_providers_own(sandbox, settings, people):
    """With the guide first, nothing goes to the second one's address, and the other way round."""
    path = settings.write_secret("appcode-two", "appcode-of-the-second-seller")
    both = upstream_of(sandbox, credentials=["two"])
    both["order"] = ["guide", "second"]
    server = settings.start({"credentials": [f"two={path}"], "upstream": both})
    assert server.ask(people.one()).json["status"] == "01"
    assert [(call["shape"], call["appCode"]) for call in sandbox.log()] == [("guide", APPCODE)]
    both["order"] = ["second"]
    settings.reload(credentials=[f"two={path}"], upstream=both)
    assert server.ask(people.one()).status == 502
    call = sandbox.log(1)[0]
    assert (call["shape"], call["appCode"]) == ("second", "appcode-of-the-second-seller")


MISTAKES = [
    ({"url": "ftp://h/"}, "url"),
    ({"methods": "GET"}, "methods"),
    ({"method": "PUT"}, "method"),
    ({"method": "POST"}, "body"),
    ({"parameters": {"name": "n", "idCard": "i"}}, "parameters.mobile"),
    ({"fixed": {"phone": "1"}}, "fixed.phone"),
    ({"header": "Authorization: APPCODE hidden"}, "header"),
    ({"reply": {"status": "code"}}, "reply.status"),
    ({"reply": {"status": "/code", "Msg": "/m"}}, "reply.Msg"),
    ({"statuses": {"1": "01", "2": "03"}}, "statuses.2"),
    ({"mobile_types": ["a"]}, "mobile_types"),
    ({"billed": ["0/9"]}, "billed"),
    ({"credentials": ["other"]}, "credentials"),
    ({"statuses": None}, "statuses"),
]


@pytest.mark.parametrize("changes, member", MISTAKES)
def test_mistakes_are_named(sandbox, tmp_path, changes, member):
    path = tmp_path / "sanyao.jsonc"
    text = json.dumps({"upstream": upstream_of(sandbox, **changes)})
    path.write_text('{\n// a comment\n"upstream":\n' + text[len('{"upstream":') : -1] + "}", "utf-8")
    result = check_config("--config", str(path), APPCODE="hidden-code")
    assert result.returncode == 1
    assert f"upstream.providers ({path}:4): second: {member}: " in result.stderr
    assert "hidden" not in result.stderr + result.stdout


def test_check_config_shows_no_secret(sandbox, tmp_path):
    path = tmp_path / "sanyao.jsonc"
    path.write_text(json.dumps({"upstream": upstream_of(sandbox)}), "utf-8")
    secret = "the-code-that-nobody-may-see"
    Needlework.write("secret", secret)
    result = check_config("--print", "--config", str(path), APPCODE=secret)
    assert result.returncode == 0 and secret not in result.stdout + result.stderr
    line = next(line for line in result.stdout.splitlines() if line.startswith("upstream.providers"))
    assert '"header"' not in line and '"realName"' in line and line.endswith(f"{path}:1")
    result = check_config("--print", "--json", "--config", str(path), APPCODE=secret)
    rows = {row["key"]: row["value"] for row in json.loads(result.stdout)["settings"]}
    assert rows["upstream.providers"]["second"] == described(sandbox)
    assert rows["upstream.order"] == ["second"] and secret not in result.stdout


def settings_with(tmp_path, text):
    """The outcome of check-config with these members, their AppCode's file being there."""
    code = tmp_path / "code"
    code.write_text("another-code", "utf-8")
    code.chmod(0o600)
    path = tmp_path / "sanyao.jsonc"
    path.write_text("{\n" + text.replace("/etc/sanyao/appcode-second", str(code)) + "\n}", "utf-8")
    return check_config("--config", str(path), APPCODE="one-code")


def test_the_documented_example_is_good(tmp_path):
    with open(os.path.join(SOURCE_DIR, "docs/operations.md"), encoding="utf-8") as file:
        example, = re.findall(r"(?s)```jsonc\n(.*?)```", file.read())
    result = settings_with(tmp_path, example)
    assert result.returncode == 0, result.stderr


def test_the_samples_example_is_good(tmp_path):
    with open(os.path.join(SOURCE_DIR, "config/sanyao.jsonc"), encoding="utf-8") as file:
        comment = re.search(r'(?s)//     "second": \{.*?//     \}\n', file.read())[0]
    provider = re.sub(r"(?m)^ *// {0,5}", "", comment)
    credentials = '"credentials": ["second=/etc/sanyao/appcode-second"],\n'
    text = '"upstream": {"order": ["second"], "providers": {' + provider + "}}"
    result = settings_with(tmp_path, credentials + text)
    assert result.returncode == 0, result.stderr


def test_from_the_environment(sandbox, tmp_path, start, people):
    providers = json.dumps({"second": described(sandbox)}, ensure_ascii=False)
    server = start(UPSTREAM_PROVIDERS=providers, UPSTREAM_ORDER="second")
    assert server.ask(people.one()).json["status"] == "01"
    path = tmp_path / "providers.json"
    path.write_text(providers, "utf-8")
    server = start(UPSTREAM_PROVIDERS_FILE=str(path), UPSTREAM_ORDER="second")
    assert server.ask(people.one()).json["status"] == "01"
    assert {call["shape"] for call in sandbox.log()} == {"second"}


def test_the_schema_knows_descriptions(sandbox):
    with open(SCHEMA, encoding="utf-8") as file:
        validator = jsonschema.Draft202012Validator(json.load(file))
    for changes in WAYS.values():
        validator.validate({"upstream": upstream_of(sandbox, **changes)})
    for changes, member in MISTAKES:
        if member not in ("billed", "credentials", "fixed.phone", "body"):
            instance = {"upstream": upstream_of(sandbox, **changes)}
            assert not validator.is_valid(instance), member
