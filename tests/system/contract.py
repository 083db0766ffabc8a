"""openapi.yaml, and openapi-admin.yaml for what is under /admin, as the judge of every reply.

    contract.check("POST", "/verify", status, headers, body)

raises ContractBroken when the status is not documented for path and method, the content type is not
documented for the status, a required header is missing, a header or the body does not match its
schema, or members of one reply contradict each other. Objects are closed for the check: a member that
is not documented is a fault here, though clients are asked to ignore it. Messages name what is wrong
and never a value of the reply.
"""

import copy
import functools
import json
import os
import re
import urllib.parse
from datetime import datetime

import jsonschema
import yaml

SOURCE_DIR = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
DOCUMENT = os.path.join(SOURCE_DIR, "openapi.yaml")
ADMIN_DOCUMENT = os.path.join(SOURCE_DIR, "openapi-admin.yaml")

RESULT_OF_STATUS = {
    "01": {"match"},
    "02": {"mismatch"},
    "202": {"unverifiable"},
    "203": {"number_limited", "virtual_operator"},
    "204": {"invalid_name"},
    "205": {"invalid_id_card"},
    "206": {"invalid_mobile"},
    "207": {"unsupported_segment"},
}

# On both listeners; a path with servers of its own is the admin listener's.
SHARED_PATHS = ("/healthz", "/readyz")

formats = jsonschema.FormatChecker(formats=())


@formats.checks("date-time")
def is_date_time(text):
    if not isinstance(text, str):
        return True
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", text):
        return False
    try:
        datetime.strptime(text[:19], "%Y-%m-%dT%H:%M:%S")
    except ValueError:
        return False
    return True


@formats.checks("uri")
def is_uri(text):
    return not isinstance(text, str) or re.fullmatch(r"[a-z][a-z0-9+.-]*:[!-~]+", text) is not None


class ContractBroken(AssertionError):
    pass


@functools.lru_cache(maxsize=None)
def load(document=DOCUMENT):
    with open(document, encoding="utf-8") as file:
        return yaml.load(file, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def closed(document):
    """A copy with every named object schema closed, unless it says otherwise."""
    document = copy.deepcopy(document)
    for schema in document["components"]["schemas"].values():
        if schema.get("type") == "object":
            schema.setdefault("additionalProperties", False)
    return document


class Contract:
    def __init__(self, document):
        self.document = closed(document)
        self.resolver = jsonschema.RefResolver("", self.document)
        self.seen = set()  # (path, method, status, problem code) that passed

    def resolve(self, node):
        while "$ref" in node:
            node = self.resolver.resolve(node["$ref"])[1]
        return node

    def validate(self, instance, schema, what):
        validator = jsonschema.Draft202012Validator(
            schema, resolver=self.resolver, format_checker=formats
        )
        for error in validator.iter_errors(instance):
            place = "/".join(str(part) for part in error.absolute_path)
            rule = "/".join(str(part) for part in error.absolute_schema_path)
            raise ContractBroken(f"{what}: {place or 'the whole'} breaks the rule {rule}")

    def template_of(self, path):
        """The documented path that this one is an instance of, or the path itself."""
        if path in self.document["paths"]:
            return path
        for template in self.document["paths"]:
            pattern = re.sub(r"\\{[a-z]+\\}", "[^/]+", re.escape(template))
            if "{" in template and re.fullmatch(pattern, path):
                return template
        return path

    def operations_at(self, path, listener):
        """What the path offers on that listener; None: there is no such path."""
        operations = self.document["paths"].get(path)
        if operations is None or path in SHARED_PATHS:
            return operations
        return operations if ("servers" in operations) == (listener == "admin") else None

    def response_for(self, path, method, status, listener):
        """The documented response; unknown paths and methods have theirs, too."""
        operations = self.operations_at(path, listener)
        shared = self.document["components"]["responses"]
        if operations is None:
            expected = {404: "NotFound", 400: "Malformed", 414: "UriTooLong", 431: "HeadTooLarge",
                        413: "TooLarge"}
        elif method.lower() not in operations and (method != "HEAD" or "get" not in operations):
            expected = {405: "MethodNotAllowed", 400: "Malformed", 404: "NotFound",
                        413: "TooLarge"}
        else:
            operation = operations["get" if method == "HEAD" else method.lower()]
            response = operation["responses"].get(str(status))
            return None if response is None else self.resolve(response)
        return shared[expected[status]] if status in expected else None

    def check_headers(self, response, headers, what):
        for name, header in response.get("headers", {}).items():
            header = self.resolve(header)
            values = [value for key, value in headers if key.lower() == name.lower()]
            if len(values) > 1:
                raise ContractBroken(f"{what}: {name} comes {len(values)} times")
            if not values:
                if header.get("required"):
                    raise ContractBroken(f"{what}: {name} is missing")
                continue
            value = values[0]
            if header["schema"].get("type") == "integer":
                if not re.fullmatch(r"-?\d+", value):
                    raise ContractBroken(f"{what}: {name} is no integer")
                value = int(value)
            self.validate(value, header["schema"], f"{what}: {name}")

    def check_content(self, response, headers, body, what):
        types = [value for key, value in headers if key.lower() == "content-type"]
        if not types and "text/html" in response.get("content", {}):
            return self.check_library(headers, body, what)
        if not types and not response.get("content") and not body:
            return None, None
        if len(types) != 1:
            raise ContractBroken(f"{what}: Content-Type comes {len(types)} times")
        media_type = types[0].split(";")[0].strip().lower()
        content = response.get("content", {})
        if media_type not in content:
            raise ContractBroken(f"{what}: the content type {media_type} is not documented")
        if body is None:
            return media_type, None
        try:
            text = body.decode("utf-8")
            if media_type == "application/x-ndjson":
                return media_type, self.check_lines(text, content[media_type]["schema"], what)
            value = json.loads(text) if media_type.endswith("json") else text
        except ValueError:
            raise ContractBroken(f"{what}: the body is not what {media_type} says") from None
        self.validate(value, content[media_type]["schema"], what)
        return media_type, value

    def check_lines(self, text, schema, what):
        if text and not text.endswith("\n"):
            raise ContractBroken(f"{what}: the last line does not end")
        values = [json.loads(line) for line in text.split("\n")[:-1]]
        for value in values:
            self.validate(value, schema, what)
        return values

    @staticmethod
    def check_library(headers, body, what):
        """The HTTP library's own refusal: a page without its type, and the connection ends."""
        if ("connection", "close") not in [(key.lower(), value.lower()) for key, value in headers]:
            raise ContractBroken(f"{what}: neither a Content-Type nor the connection's end")
        if b"X-Request-Id" in body:
            raise ContractBroken(f"{what}: a reply of ours without a Content-Type")
        return "text/html", None

    def check(self, method, target, status, headers, body, listener="service"):
        """`headers`: pairs; `body`: bytes. Returns the body's JSON, or None."""
        path = self.template_of(urllib.parse.urlsplit(target).path)
        what = f"{method} {path if path in self.document['paths'] else '(another path)'} {status}"
        response = self.response_for(path, method, status, listener)
        if response is None:
            raise ContractBroken(f"{what}: this status is not documented")
        if method == "HEAD" and body:
            raise ContractBroken(f"{what}: a reply to HEAD with a body")
        media_type, value = self.check_content(
            response, headers, None if method == "HEAD" else body, what
        )
        if media_type != "text/html":
            self.check_headers(response, headers, what)
        named = {key.lower(): text for key, text in headers}
        if media_type == "application/problem+json" and value is not None:
            check_problem(value, status, named, what)
        elif path == "/verify" and status == 200:
            check_verdict(value, named, what)
        elif path == "/verify/batch" and status == 200:
            check_batch(value, what)
        code = value.get("code") if isinstance(value, dict) else None
        self.seen.add((path if path in self.document["paths"] else "*", method, status, code))
        return value


def check_problem(problem, status, headers, what):
    rules = {
        "the status of body and reply differ": problem["status"] == status,
        "type and code differ": problem["type"] == "urn:sanyao:problem:" + problem["code"],
        "the request id of body and header differ": problem["requestId"] == headers["x-request-id"],
    }
    complain(rules, what)


def check_verdict(verdict, headers, what):
    cache_status = headers["cache-status"]
    source = verdict["source"]
    kept = source in ("cache", "stale")
    rules = {
        "result and status differ": verdict["result"]
        in RESULT_OF_STATUS.get(verdict["status"], {"unknown"}),
        "Cache-Status and source differ": ("hit" in cache_status) == kept
        and ("detail=local" in cache_status) == (source == "local")
        and ("detail=guard" in cache_status) == (source == "guard"),
        "a billed answer that was not asked upstream": not verdict["billed"]
        or source in ("upstream", "stale"),
        "a billed answer to one who waited for another": not (
            verdict["billed"] and "collapsed" in cache_status
        ),
        "Age on other than a hit": ("age" in headers) == kept,
        "it ends before it begins": verdict.get("expiresAt", verdict["checkedAt"])
        >= verdict["checkedAt"],
        "stored but no expiresAt": "stored" not in cache_status or "expiresAt" in verdict,
        "local but expiresAt": source != "local" or "expiresAt" not in verdict,
        "stale with time left": source != "stale" or re.search(r"ttl=(0|-\d+)$", cache_status) is not None,
    }
    complain(rules, what)


def check_batch(lines, what):
    """Of a whole reply: one that was cut has no last line."""
    end = lines[-1] if lines else {}
    numbers = [line.get("line") for line in lines[:-1]]
    answers = [line for line in lines[:-1] if "error" not in line]
    errors = [line["error"] for line in lines[:-1] if "error" in line]
    billed = [told["billed"] for told in answers + errors if told["billed"] is not False]
    rules = {
        "the last line is not the end, or another one is": "done" in end and None not in numbers,
        "a line was told twice": len(set(numbers)) == len(numbers),
        "a line that was not sent": all(0 < (number or 0) <= end.get("lines", 0) for number in numbers),
        "it counts its answers wrong": end.get("answered") == len(answers),
        "it counts its failures wrong": end.get("failed") == len(errors),
        "it counts what was billed wrong": end.get("billed") == len(billed),
        "result and status differ": all(
            line["result"] in RESULT_OF_STATUS.get(line["status"], {"unknown"}) for line in answers
        ),
        "a billed answer that was not asked upstream": all(
            not line["billed"] or line["source"] in ("upstream", "stale") for line in answers
        ),
        "type and code differ": all(
            error["type"] == "urn:sanyao:problem:" + error["code"] for error in errors
        ),
    }
    complain(rules, what)


def complain(rules, what):
    for complaint, holds in rules.items():
        if not holds:
            raise ContractBroken(f"{what}: {complaint}")


contract = Contract(load())
admin_contract = Contract(load(ADMIN_DOCUMENT))


def check(method, target, status, headers, body, listener="service"):
    """By the document that describes the path."""
    if target.startswith("/admin/") and listener == "admin":
        return admin_contract.check(method, target, status, headers, body)
    return contract.check(method, target, status, headers, body, listener)
