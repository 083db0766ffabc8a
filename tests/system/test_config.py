"""`sanyao check-config`, the sample file and the schema: what an operator meets first."""

import copy
import json
import os
import re
import subprocess

import jsonschema
import pytest

from contract import SOURCE_DIR
from harness import clean_environment
from sandbox_control import default_bin_dir

SAMPLE = os.path.join(SOURCE_DIR, "config/sanyao.jsonc")
SCHEMA = os.path.join(SOURCE_DIR, "config/sanyao.schema.json")
HASH_KEY = "0f1e2d3c4b5a69788796a5b4c3d2e1f0" * 2
TIMEOUT = 20


def read_jsonc(path):
    """Comments taken out by other means than the program's own."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    token = re.compile(r'"(?:\\.|[^"\\])*"|//[^\n]*|/\*.*?\*/', re.DOTALL)
    return json.loads(token.sub(lambda m: m[0] if m[0].startswith('"') else " ", text))


@pytest.fixture(scope="module")
def schema():
    with open(SCHEMA, encoding="utf-8") as file:
        return json.load(file)


@pytest.fixture(scope="module")
def validator(schema):
    return jsonschema.Draft202012Validator(schema)


def check_config(*arguments, **environment):
    """Runs `sanyao check-config`; `environment` holds names without SANYAO_."""
    return subprocess.run(
        [os.path.join(default_bin_dir(), "sanyao"), "check-config", *arguments],
        env={**clean_environment(), **{"SANYAO_" + k: v for k, v in environment.items()}},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT, check=False,
    )


@pytest.fixture
def settings(tmp_path):
    """settings(text or object): the path of a settings file of this test's own."""

    def write(content):
        path = tmp_path / "sanyao.jsonc"
        path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
        return str(path)

    return write


def nest(key, value):
    for part in reversed(key.split(".")):
        value = {part: value}
    return value


def leaves(value, prefix=""):
    for key, member in value.items():
        if isinstance(member, dict):
            yield from leaves(member, f"{prefix}{key}.")
        elif key != "$schema":
            yield prefix + key, member


# --- the sample and the schema ---


def test_schema_is_a_schema(schema):
    jsonschema.Draft202012Validator.check_schema(schema)


def test_sample_validates(validator):
    validator.validate(read_jsonc(SAMPLE))


def test_sample_is_good_and_changes_nothing():
    def values(*arguments):
        done = check_config("--json", "--print", *arguments)
        assert done.returncode == 0, done.stderr
        return {row["key"]: row["value"] for row in json.loads(done.stdout)["settings"]}

    assert values("--config", SAMPLE) == values()


# What a value is judged by the schema and by the program: the two agree.
JUDGED = [
    ("workers", 0, True),
    ("workers", 256, True),
    ("workers", 257, False),
    ("workers", -1, False),
    ("workers", 1.5, False),
    ("workers", "1", False),
    ("max_connections", 15, False),
    ("get", False, True),
    ("get", "false", False),
    ("get", 0, False),
    ("idle_timeout", "90s", True),
    ("idle_timeout", "2h", True),
    ("idle_timeout", "90", False),
    ("idle_timeout", 90, False),
    ("idle_timeout", "1.5s", False),
    ("idle_timeout", "1h30m", False),
    ("drain_timeout", "0", True),
    ("auth", "keys", True),
    ("auth", "none", False),
    ("listen", ["127.0.0.1:1"], True),
    ("listen", ["unix:/run/a.sock", "[::1]:1", "host_a.example:1"], True),
    ("listen", [], False),
    ("listen", "127.0.0.1:1", False),
    ("listen", [8080], False),
    ("listen", ["8080"], False),
    ("listen", ["127.0.0.1"], False),
    ("listen", ["::1:1"], False),
    ("listen", [""], False),
    ("admin.listen", "", True),
    ("admin.listen", "unix:a", True),
    ("admin.listen", "8081", False),
    ("store.url", "sqlite:/a/b.db", True),
    ("store.url", "sqlite:", False),
    ("store.url", "sqlite::memory:", False),
    ("store.url", "redis://a:6379/0", True),
    ("store.url", "rediss://user:word@[::1]:6379", True),
    ("store.url", "redis+unix:/run/redis.sock?database=1", True),
    ("store.url", "redis+sentinel://:word@a,b:26379/main/1", True),
    ("store.url", "redis://", False),
    ("store.url", "redis://a/x", False),
    ("store.url", "redis://a?b=c", False),
    ("store.url", "redis+unix:", False),
    ("store.url", "redis+unix:/a?b=c", False),
    ("store.url", "redis+sentinel://a", False),
    ("store.url", "redis+sentinel://a//1", False),
    ("store.url", "postgres://a/b", False),
    ("store.ledger_url", "", True),
    ("store.ledger_url", "sqlite:/a/b.db", False),
    ("store.ledger_url", "redis://", False),
    ("store.timeout", "50ms", True),
    ("store.timeout", 200, False),
    ("journal.path", "/var/lib/sanyao/journal.db", True),
    ("journal.path", "", False),
    ("journal.path", ":memory:", False),
    ("journal.keep", "30d", True),
    ("journal.keep", "1 year", False),
    ("upstream.url", "https://example.com/a", True),
    ("upstream.url", "http://127.0.0.1:9000", True),
    ("upstream.url", "ftp://example.com/", False),
    ("upstream.url", "https://user:word@example.com/", False),
    ("upstream.url", "https://example.com/?a=b", False),
    ("upstream.url", "https://example.com/#a", False),
    ("billed_statuses", ["01", "02"], True),
    ("billed_statuses", ["*"], True),
    ("billed_statuses", [], False),
    ("billed_statuses", ["match"], False),
    ("virtual_operators.prefixes", [], True),
    ("virtual_operators.prefixes", ["1700"], True),
    ("virtual_operators.prefixes", ["17"], False),
    ("virtual_operators.prefixes", ["270"], False),
    ("virtual_operators.prefixes", [170], False),
    ("cache.ttl.01", "1d", True),
    ("cache.ttl.1", "1d", False),
    ("credentials", [], True),
    ("credentials", ["second"], False),
    ("credentials", ["second="], False),
    ("credentials", ["Second=/a"], False),
    ("credentials", ["-a=/a"], False),
    ("credentials", "second=/a", False),
    ("credentials", [1], False),
    ("timezone", "Europe/Berlin", True),
    ("timezone", "UTC", True),
    ("timezone", "", False),
    ("timezone", "../etc/localtime", False),
    ("timezone", "/etc/localtime", False),
    ("timezone", 8, False),
    ("clients.grace", "0", True),
    ("clients.grace", "24", False),
    ("alerts.thresholds", ["100", "50", "0"], True),
    ("alerts.thresholds", [], True),
    ("alerts.thresholds", [20], False),
    ("alerts.thresholds", ["101"], False),
    ("alerts.thresholds", ["05"], False),
    ("alerts.thresholds", ["5%"], False),
    ("alerts.webhooks", [], True),
    ("alerts.webhooks", ["ops=slack:/a"], False),
    ("alerts.webhooks", ["ops=wecom:"], False),
    ("alerts.webhooks", ["ops"], False),
    ("price_list", ["1000=288", "100=29.90"], True),
    ("price_list", [], True),
    ("price_list", ["1000"], False),
    ("price_list", ["0=1"], False),
    ("price_list", ["1000=1.999"], False),
    ("price_list", ["1000=-1"], False),
    ("log.level", "debug", True),
    ("log.level", "DEBUG", False),
    ("appcode", "0123", False),
    ("hash.key", HASH_KEY, False),
    ("admin.token", HASH_KEY, False),
    ("admin.token_file", "", True),
    ("appcode_file", "", True),
    ("appcode_file", 1, False),
    ("worker", 1, False),
    ("upstream", [], False),
    ("log", None, False),
    ("$schema", "./sanyao.schema.json", True),
    ("$schema", 1, False),
]


@pytest.mark.parametrize("key,value,good", JUDGED, ids=lambda value: json.dumps(value)[:40])
def test_schema_and_program_agree(key, value, good, validator, settings):
    content = nest(key, value)
    assert validator.is_valid(content) == good
    done = check_config("--config", settings(content), HASH_KEY=HASH_KEY)
    assert done.returncode == (0 if good else 1), done.stderr


def test_every_key_is_judged_by_type(validator, settings):
    """An object where a value belongs: refused by name, whatever the key."""
    for key, _ in leaves(read_jsonc(SAMPLE)):
        content = nest(key, {"x": 1})
        assert not validator.is_valid(content), key
        done = check_config("--config", settings(content))
        assert done.returncode == 1, key
        assert f"sanyao.jsonc:1: {key}" in done.stderr


# --- refusals ---


@pytest.mark.parametrize(
    "text,message",
    [
        ('{\n  // one\n  "worker": 1\n}', ':3: worker: unknown key (did you mean "workers"?)'),
        ('{\n"log": {\n\n"level": "loud"}}', ':4: log.level: must be one of "debug", "info"'),
        ('{\n/* a\n b */ "get": 1\n}', ":3: get: must be true or false"),
        ('{\n"workers": 1,\n}', ":2: a comma stands before a closing bracket"),
        ('{\n"workers": 1\n"get": true}', ":3: is not JSON from here on"),
        ('{\n"workers": 1,\n\n"workers": 2}', ":4: workers: stands here a second time"),
        ('{\n"appcode": "0123456789"}', ":2: appcode: a secret must not stand in the settings"),
    ],
)
def test_refusal_names_file_line_and_key(text, message, settings):
    path = settings(text)
    done = check_config("--config", path)
    assert done.returncode == 1
    assert done.stdout == ""
    assert path + message in done.stderr
    assert done.stderr.count("\n") == 1


def test_refusal_as_json(settings):
    path = settings('{\n"workers": -1}')
    done = check_config("--json", "--config", path)
    reply = json.loads(done.stdout)
    assert done.returncode == 1
    assert reply == {"ok": False, "error": f"{path}:2: workers: must be a whole number from 0 to 256"}


def test_missing_file_is_refused(tmp_path):
    done = check_config("--config", str(tmp_path / "none.jsonc"))
    assert done.returncode == 1
    assert "none.jsonc: No such file" in done.stderr


def test_auth_off_on_an_outside_address():
    done = check_config(AUTH="off", LISTEN="0.0.0.0:8080")
    assert done.returncode == 1
    assert 'auth (SANYAO_AUTH): "off" is accepted only when' in done.stderr


def test_unknown_variable():
    done = check_config(UPSTREAM_TIMEOT="3s")
    assert done.returncode == 1
    assert 'SANYAO_UPSTREAM_TIMEOT: no setting has this variable (did you mean "SANYAO_UPSTREAM_' \
        'TIMEOUT"?)' in done.stderr


def test_kubernetes_variables():
    done = check_config(SERVICE_HOST="10.0.0.1", PORT="tcp://10.0.0.1:8080",
                        PORT_8080_TCP="tcp://10.0.0.1:8080", PORT_8080_TCP_ADDR="10.0.0.1")
    assert done.returncode == 0, done.stderr


# --- what is said ---


def test_good_in_one_line(settings):
    path = settings("{}")
    done = check_config("--config", path, APPCODE="0123")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"the settings are good: {path}\n", "")


def test_settings_file_by_variable(settings):
    path = settings({"workers": 3})
    done = check_config("--print", CONFIG=path)
    assert re.search(rf"^workers +3 +{re.escape(path)}:1$", done.stdout, re.MULTILINE)


def test_plain_http_warns():
    done = check_config(APPCODE="0123", UPSTREAM_URL="http://upstream.example/")
    assert done.returncode == 0
    assert "warning: upstream.url (SANYAO_UPSTREAM_URL): http://" in done.stderr
    done = check_config(APPCODE="0123", UPSTREAM_URL="http://127.0.0.1:9/")
    assert (done.returncode, done.stderr) == (0, "")


def test_print_tells_value_and_source_and_no_secret(settings, tmp_path):
    code = tmp_path / "appcode"
    code.write_text("0123456789abcdef-planted\n")
    code.chmod(0o600)
    path = settings('{\n"workers": 2,\n"appcode_file": "%s"}' % code)
    for extra in ([], ["--json"]):
        done = check_config("--print", "--config", path, *extra, HASH_KEY=HASH_KEY, GET="false")
        assert done.returncode == 0, done.stderr
        assert "planted" not in done.stdout + done.stderr
        assert HASH_KEY not in done.stdout + done.stderr
    rows = {row["key"]: row for row in json.loads(done.stdout)["settings"]}
    assert rows["workers"] == {"key": "workers", "value": 2, "source": f"{path}:2"}
    assert rows["get"] == {"key": "get", "value": False, "source": "SANYAO_GET"}
    assert rows["hash.key"]["value"] == "(set)"
    assert rows["appcode"] == {"key": "appcode", "value": "(set)", "source": f"{code} ({path}:3)"}
    assert rows["listen"] == {"key": "listen", "value": ["127.0.0.1:8080"], "source": "default"}


def test_print_tells_items_and_not_what_their_files_hold(settings, tmp_path):
    code, hook = tmp_path / "code", tmp_path / "hook"
    code.write_text("0123456789abcdef-planted\n")
    hook.write_text("https://example.com/robot?token=planted\nplanted-secret\n")
    for file in (code, hook):
        file.chmod(0o600)
    members = {"credentials": [f"second={code}"], "alerts": {"webhooks": [f"ops=dingtalk:{hook}"]}}
    path = settings(members)
    for extra in ([], ["--json"]):
        done = check_config("--print", "--config", path, *extra)
        assert (done.returncode, done.stderr) == (0, "")
        assert "planted" not in done.stdout
    rows = {row["key"]: row["value"] for row in json.loads(done.stdout)["settings"]}
    assert rows["credentials"] == members["credentials"]
    assert rows["alerts.webhooks"] == members["alerts"]["webhooks"]
    code.chmod(0o644)
    hook.write_text("ftp://planted\n")
    done = check_config("--config", path)
    assert done.returncode == 1
    assert f"alerts.webhooks ({path}:1): item 1 (ops): what the file {hook} holds must begin" in done.stderr
    assert "planted" not in done.stdout + done.stderr
    hook.write_text("https://example.com/\n")
    done = check_config("--config", path)
    assert f"warning: credentials: {code} holds a secret, but other users may read" in done.stderr


def test_no_refusal_repeats_a_value(settings, tmp_path):
    """A misplaced value may be a secret: plant one at every key, in the file and outside."""
    planted = "planted-word with:blanks@and/more"
    secret = tmp_path / "secret"
    secret.write_text(planted)
    for key, value in leaves(read_jsonc(SAMPLE)):
        if key.endswith("_file") or key == "journal.path":  # any text could be a path
            continue
        wrong = [planted] if isinstance(value, list) else planted
        variable = key.upper().replace(".", "_")
        for done in (
            check_config("--config", settings(nest(key, wrong))),
            check_config(**{variable: planted}),
            check_config(**{variable + "_FILE": str(secret)}),
        ):
            assert done.returncode == 1, key
            assert key in done.stderr or variable in done.stderr
            assert "planted" not in done.stdout + done.stderr
    for variable in ("APPCODE", "HASH_KEY", "ADMIN_TOKEN"):
        done = check_config(**{variable: planted})
        assert done.returncode == 1
        assert "planted" not in done.stderr


PASSWORD = "planted%40word"
REDIS_URLS = [
    (f"redis://user:{PASSWORD}@redis.example:6379/0", "redis://user:***@redis.example:6379/0"),
    (f"rediss://:{PASSWORD}@redis.example", "rediss://:***@redis.example"),
    (f"redis+sentinel://:{PASSWORD}@a,b:1/main", "redis+sentinel://:***@a,b:1/main"),
]


@pytest.mark.parametrize("url,shown", REDIS_URLS)
@pytest.mark.parametrize("key", ["store.url", "store.ledger_url"])
def test_password_of_a_store_is_masked(url, shown, key, settings, tmp_path):
    """From the file, the environment, or a file that holds the address."""
    other = {} if key == "store.url" else {"STORE_URL": "redis+unix:/run/redis.sock"}
    variable = key.upper().replace(".", "_")
    file = tmp_path / "url"
    file.write_text(url + "\n")
    file.chmod(0o600)
    for arguments, environment in (
        (["--config", settings(nest(key, url))], {}),
        ([], {variable: url}),
        ([], {variable + "_FILE": str(file)}),
    ):
        for extra in ([], ["--json"]):
            done = check_config("--print", *arguments, *extra, HASH_KEY=HASH_KEY, **other, **environment)
            assert done.returncode == 0, done.stderr
            assert "planted" not in done.stdout + done.stderr
            assert json.dumps(shown) in done.stdout
        rows = {row["key"]: row for row in json.loads(done.stdout)["settings"]}
        assert rows[key]["value"] == shown


def test_plain_redis_warns():
    done = check_config(APPCODE="0123", HASH_KEY=HASH_KEY, STORE_URL="redis://:planted@redis.example")
    assert done.returncode == 0
    assert "warning: store.url (SANYAO_STORE_URL): is not encrypted (redis://): use rediss://" in done.stderr
    assert "planted" not in done.stderr
    done = check_config(APPCODE="0123", HASH_KEY=HASH_KEY, STORE_URL="redis://:planted@127.0.0.1")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("command", ["check-config", "serve"])
def test_shared_store_needs_a_hash_key(command, tmp_path):
    done = subprocess.run(
        [os.path.join(default_bin_dir(), "sanyao"), command], cwd=tmp_path,
        env={**clean_environment(), "SANYAO_STORE_URL": "redis://:planted@127.0.0.1:1"},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT, check=False,
    )
    assert done.returncode == 1
    assert "hash.key: must be given when store.url (SANYAO_STORE_URL) is a Redis" in done.stderr
    assert "planted" not in done.stdout + done.stderr
    assert not list(tmp_path.iterdir())


def test_ledger_elsewhere_needs_a_shared_store():
    done = check_config(HASH_KEY=HASH_KEY, STORE_LEDGER_URL="redis://:planted@127.0.0.1")
    assert done.returncode == 1
    assert "store.ledger_url (SANYAO_STORE_LEDGER_URL): only beside a Redis" in done.stderr
    assert "planted" not in done.stderr


# --- use ---


def test_help():
    done = check_config("--help")
    assert done.returncode == 0
    assert "Usage: sanyao check-config" in done.stdout
    for option in ("--config", "--print", "--json", "--help"):
        assert option in done.stdout


@pytest.mark.parametrize("arguments", [["--nothing"], ["file.jsonc"], ["--config"]])
def test_wrong_use(arguments):
    done = check_config(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr != ""


def test_schema_refuses_what_the_sample_lacks(validator):
    """The schema is closed at every level."""
    sample = read_jsonc(SAMPLE)
    for path in ([], ["cache"], ["cache", "ttl"], ["upstream"]):
        changed = copy.deepcopy(sample)
        place = changed
        for part in path:
            place = place[part]
        place["other"] = 1
        assert not validator.is_valid(changed), path
