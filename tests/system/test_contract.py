"""The judge itself: openapi.yaml's own examples pass, and replies that are wrong do not."""

import json

import contract
import pytest

NO_STORE = [("Cache-Control", "no-store"), ("X-Request-Id", "r-1")]
JSON = [("Content-Type", "application/json")]
PROBLEM = [("Content-Type", "application/problem+json")]
HIT = [("Cache-Status", "sanyao; hit; ttl=5"), ("Age", "3")]


def examples():
    document = contract.load()
    for name, response in document["components"]["responses"].items():
        for media_type, content in response["content"].items():
            for label, example in content.get("examples", {}).items():
                yield pytest.param(content["schema"], example["value"], id=f"{name}-{label}")


@pytest.mark.parametrize("schema, value", examples())
def test_an_example_matches_its_schema(schema, value):
    contract.contract.validate(value, schema, "example")


def test_every_problem_code_belongs_to_a_response():
    document = contract.load()
    codes = set()
    for response in document["components"]["responses"].values():
        schema = response["content"].get("application/problem+json", {}).get("schema", {})
        for part in schema.get("allOf", []):
            code = part.get("properties", {}).get("code", {})
            codes.update(code.get("enum", [code.get("const")]) if code else [])
    assert codes == set(document["components"]["schemas"]["ProblemCode"]["enum"])


def verdict(**changes):
    example = contract.load()["components"]["responses"]["Verdict"]["content"]["application/json"]
    return {**example["examples"]["match"]["value"], **changes}


def problem(**changes):
    example = contract.load()["components"]["responses"]["Malformed"]["content"]
    value = example["application/problem+json"]["examples"]["missing"]["value"]
    return {**value, "requestId": "r-1", **changes}


def check(value, status=200, headers=tuple(NO_STORE + JSON + HIT), method="POST", path="/verify"):
    return contract.check(method, path, status, list(headers), json.dumps(value).encode())


def test_right_replies_pass():
    check(verdict())
    check(problem(), 400, NO_STORE + PROBLEM)
    missing = problem(
        status=404, code="not_found", type="urn:sanyao:problem:not_found", detail="No such path."
    )
    check(missing, 404, NO_STORE + PROBLEM, "GET", "/nowhere")


@pytest.mark.parametrize(
    "change",
    [
        {"extra": 1},
        {"status": 1},
        {"result": "mismatch"},
        {"billed": True},
        {"billed": "no"},
        {"checkedAt": "2026-13-24T02:00:00Z"},
        {"checkedAt": "yesterday"},
        {"expiresAt": "2020-01-01T00:00:00Z"},
        {"source": "upstream"},
        {"source": "elsewhere"},
        {"idCard": "510000199201011111"},
        {"mobile": "18900000000"},
        {"name": "张三"},
    ],
    ids=str,
)
def test_a_wrong_verdict_is_seen(change):
    with pytest.raises(contract.ContractBroken):
        check(verdict(**change))


@pytest.mark.parametrize("member", sorted(set(verdict()) - {"expiresAt"}))
def test_a_missing_member_is_seen(member):
    value = verdict()
    del value[member]
    with pytest.raises(contract.ContractBroken):
        check(value)


@pytest.mark.parametrize(
    "status, headers",
    [
        (200, NO_STORE + HIT),
        (200, NO_STORE + PROBLEM + HIT),
        (200, NO_STORE + JSON),
        (200, NO_STORE[1:] + JSON + HIT),
        (200, NO_STORE[:1] + JSON + HIT),
        (200, NO_STORE + JSON + HIT[:1]),
        (200, NO_STORE + JSON + HIT + HIT[:1]),
        (200, [("Cache-Control", "private")] + NO_STORE[1:] + JSON + HIT),
        (201, NO_STORE + JSON + HIT),
        (500, NO_STORE + JSON + HIT),
    ],
)
def test_wrong_status_and_headers_are_seen(status, headers):
    with pytest.raises(contract.ContractBroken):
        check(verdict(), status, headers)


@pytest.mark.parametrize(
    "change",
    [{"status": 404}, {"code": "not_found"}, {"requestId": "r-2"}, {"type": "about:blank"},
     {"billed": True}, {"title": ""}, {"limit": "5"}],
    ids=str,
)
def test_a_wrong_problem_is_seen(change):
    with pytest.raises(contract.ContractBroken):
        check(problem(**change), 400, NO_STORE + PROBLEM)


def batch(*changes):
    """The lines of a whole reply, some of them with other members."""
    examples = contract.load()["components"]["responses"]["Batch"]["content"]["application/x-ndjson"]["examples"]
    lines = [dict(example["value"]) for example in examples.values()]
    for number, change in changes:
        lines[number].update(change)
    lines[2].update(answered=1)
    return lines


def check_batch(lines):
    body = "".join(json.dumps(line) + "\n" for line in lines).encode()
    headers = NO_STORE + [("Content-Type", "application/x-ndjson")]
    return contract.check("POST", "/verify/batch", 200, headers, body)


def test_a_right_batch_passes():
    assert len(check_batch(batch())) == 3


@pytest.mark.parametrize(
    "change",
    [(0, {"line": 3}), (0, {"line": 4}), (0, {"id": None}), (0, {"result": "match"}), (0, {"billed": False}),
     (0, {"source": "cache"}), (0, {"extra": 1}), (1, {"error": {}}), (1, {"status": "01"}), (2, {"failed": 2}),
     (2, {"billed": 2}), (2, {"lines": 2}), (2, {"done": False})],
    ids=str,
)
def test_a_wrong_batch_is_seen(change):
    with pytest.raises(contract.ContractBroken):
        check_batch(batch(change))


def test_a_batch_that_was_cut_is_seen():
    with pytest.raises(contract.ContractBroken):
        check_batch(batch()[:2])


def test_an_unknown_path_is_404_and_nothing_else():
    with pytest.raises(contract.ContractBroken):
        check(problem(), 200, NO_STORE + PROBLEM, "GET", "/nowhere")
    with pytest.raises(contract.ContractBroken):
        check(problem(), 404, NO_STORE + PROBLEM, "GET", "/nowhere")


def test_messages_hold_no_value():
    with pytest.raises(contract.ContractBroken) as broken:
        check(verdict(mobile="18912345678"))
    assert "18912345678" not in str(broken.value)
