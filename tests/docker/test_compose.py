"""What docker/compose.yaml promises, shown on the running services; in this order."""

import json
import os
import socket
import subprocess
import time

import pytest
from house import (
    GATEWAY, IMAGES, PROJECT, REPLICAS, SECRETS, SERVICES, Caller, Steer, addresses, caller, compose, container,
    docker, events, in_parallel, inside, inspect, is_healthy, is_ready, log, people, run, secret_values,
    wait_for_replicas, wait_until,
)

SECOND_CODE = "sandbox-appcode-fedcba9876543210"


@pytest.fixture(scope="session")
def sandbox():
    return Steer()


@pytest.fixture(scope="session", autouse=True)
def client():
    """A client and a package, made by the program's own commands inside a container."""
    wait_for_replicas()
    made = json.loads(inside("sanyao-1", "sanyao", "client", "add", "shop", "--name", "商城", "--json"))
    if not made.get("key"):  # services that an earlier run left
        made = json.loads(inside("sanyao-1", "sanyao", "client", "rotate", "shop", "--json"))
    Caller.key = made["key"]
    inside("sanyao-2", "sanyao", "package", "add", "p-1", "--calls", "5000", "--price", "1400",
           "--expires", "2099-01-01")
    wait_until(lambda: caller.request("GET", "/readyz").status_code == 200, 20, "the gateway's readiness")
    return made


def package():
    return json.loads(inside("sanyao-1", "sanyao", "package", "list", "--json"))["packages"][0]


def rows():
    return [json.loads(line) for line in inside("sanyao-1", "sanyao", "ledger", "--json").splitlines()]


# ---- the image ----


def test_the_image_is_small_and_holds_the_program_only():
    image = json.loads(docker("image", "inspect", IMAGES[0]))[0]
    assert image["Size"] <= 120_000_000
    config = image["Config"]
    assert config["User"] == "10001:10001"
    assert config["Healthcheck"]["Test"] == ["CMD", "/usr/local/bin/sanyao", "health"]
    assert list(config["Volumes"]) == ["/var/lib/sanyao"]
    for label in ("title", "description", "licenses", "version", "revision"):
        assert config["Labels"][f"org.opencontainers.image.{label}"]
    found = inside("sanyao-1", "sh", "-c",
                   "find / -xdev \\( -iname '*sanyao*' -o -name '*.c' -o -name '*.lua' -o -name '*.jsonc' \\)"
                   " -not -path '/proc/*' -not -path '/var/lib/sanyao*' 2>/dev/null; command -v cc gcc git curl python3 || true", code=None)
    assert sorted(found.split()) == ["/usr/local/bin/sanyao"]


def test_the_program_is_pid_1_and_no_root():
    for replica in REPLICAS:
        status = dict(line.split(":\t", 1) for line in
                      inside(replica, "cat", "/proc/1/status").splitlines() if ":\t" in line)
        assert status["Name"] == "sanyao"
        assert set(status["Uid"].split()) == {"10001"}
        assert int(status["CapEff"], 16) == 0 and status["NoNewPrivs"] == "1"
        caught = int(status["SigCgt"], 16)
        for signal in (1, 2, 15):
            assert caught & 1 << (signal - 1), "PID 1 has no default actions"


def test_nothing_but_the_volume_can_be_written():
    for service in SERVICES:
        assert inspect(service)["HostConfig"]["ReadonlyRootfs"]
    for replica in REPLICAS:
        for path in ("/x", "/tmp/x", "/usr/local/bin/x", "/etc/x", "/run/secrets/x"):
            assert "Read-only file system" in inside(
                replica, "sh", "-c", f"touch {path} 2>&1; true")
        inside(replica, "sh", "-c", "touch /var/lib/sanyao/x && rm /var/lib/sanyao/x")


def test_all_are_healthy():
    for service in (*REPLICAS, "gateway", "redis"):
        wait_until(lambda name=service: is_healthy(name), 40, f"the health of {service}")


# ---- who reaches whom ----


def can_connect(address, port):
    try:
        socket.create_connection((address, port), timeout=2).close()
    except OSError:
        return False
    return True


def reaches(service, port, *targets):
    """Those of the targets to which that service gets a connection; all are tried at once."""
    command = "".join(f"(timeout 2 bash -c 'exec 3<>/dev/tcp/{target}/{port}' && echo {target}) 2>/dev/null & "
                      for target in targets)
    return inside(service, "bash", "-c", command + "wait").split()


def test_only_the_gateway_is_published():
    for service in SERVICES:
        ports = inspect(service)["NetworkSettings"]["Ports"]
        published = [each["HostPort"] for bound in ports.values() if bound for each in bound]
        assert bool(published) == (service == "gateway")


def test_the_admin_port_is_not_reached_from_outside():
    for replica in REPLICAS:
        for address in addresses(replica).values():
            assert not can_connect(address, 8081)
        assert reaches(replica, 8081, "127.0.0.1") == ["127.0.0.1"]
    for path in ("/admin/v1/clients", "/admin/v1/ledger", "/metrics"):
        assert caller.request("GET", path).status_code == 404
    everywhere = [address for replica in REPLICAS for address in addresses(replica).values()]
    for service in ("gateway", "sandbox", "redis"):
        assert reaches(service, 8081, *everywhere) == []


def test_only_replicas_reach_redis():
    redis = addresses("redis")["store"]
    assert list(addresses("redis")) == ["store"]
    for replica in REPLICAS:
        assert reaches(replica, 6379, "redis") == ["redis"]
    for service in ("gateway", "sandbox"):
        assert reaches(service, 6379, redis) == []
    words = ("redis-cli", "--tls", "--cacert", "/run/secrets/ca.crt")
    assert "NOAUTH" in inside("redis", *words, "ping", code=None)
    health = ("--user", "health", "--pass", "any")
    assert inside("redis", *words, *health, "ping").strip() == "PONG"
    assert "NOPERM" in inside("redis", *words, *health, "get", "x", code=None)


def test_redis_is_asked_over_tls_and_kept_as_it_should_be():
    for replica in REPLICAS:
        connected = events(replica, "connected to the store")
        assert connected[0]["policy"] == "volatile-lru" and connected[0]["max_memory"] > 0
        assert "is not encrypted (redis://)" not in log(replica)
        assert "keeps nothing over a restart" not in log(replica)


def test_metrics_are_on_their_own_port_and_network():
    for replica in REPLICAS:
        address = addresses(replica)["metrics"]
        text = run(
            "curl", "--silent", "--noproxy", "*", "--max-time", "5", f"http://{address}:8082/metrics")
        assert "sanyao_requests_total" in text
        assert '"not_found"' in run(
            "curl", "--silent", "--noproxy", "*", "--max-time", "5", f"http://{address}:8082/admin/v1/clients")


# ---- asking ----


def test_a_question_at_both_replicas_costs_one_call(sandbox):
    person = people.one()
    replies = in_parallel(lambda _: caller.ask(person), range(32))()
    assert all(reply.status_code == 200 for reply in replies)
    assert sum(reply.json()["billed"] is True for reply in replies) == 1
    assert {reply.json()["status"] for reply in replies} == {"01"}
    assert sandbox.calls(person) == 1
    lines = [json.loads(line) for line in log("gateway").splitlines() if '"/verify"' in line]
    asked = {line["replica"].split(", ")[-1].split(":")[0] for line in lines if line["status"] == 200}
    assert asked == {addresses(replica)["inside"] for replica in REPLICAS}


def test_package_and_client_count(sandbox):
    before, billed = package()["used"], sandbox.get("stats")["billed"]
    for person in people.some(5):
        assert caller.ask(person).json()["billed"] is True
        assert caller.ask(person).json()["billed"] is False
    assert sandbox.get("stats")["billed"] == billed + 5
    assert package()["used"] == before + 5
    assert {row["client"] for row in rows()} == {"shop"}
    assert caller.request("POST", "/verify", json=people.one().question(),
                          headers={"Authorization": "Bearer no"}).status_code == 401


def test_ids_pass_the_gateway():
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    order = f"order-{time.time_ns()}"
    reply = caller.ask(people.one(), **{"X-Request-Id": order, "traceparent": trace})
    assert (reply.headers["X-Request-Id"], reply.headers["traceparent"]) == (order, trace)
    lines = [json.loads(line) for line in log("gateway").splitlines() if order in line]
    assert [line["traceparent"] for line in lines] == [trace]
    made = caller.ask(people.one(), **{"X-Request-Id": "not an id"}).headers["X-Request-Id"]
    assert len(made) == 32


def test_the_old_callers_path_works(sandbox):
    person = people.one(status="02")
    reply = caller.request("GET", "/carrieroperator", params=person.question(),
                           headers={"Authorization": f"APPCODE {Caller.key}"})
    assert reply.json()["status"] == "02" and sandbox.calls(person) == 1


def test_the_gateway_has_a_rate_of_its_own():
    replies = in_parallel(lambda _: caller.request("GET", "/healthz"), range(1500), threads=16)()
    refused = [reply for reply in replies if reply.status_code == 429]
    assert {reply.status_code for reply in replies} <= {200, 429}
    for reply in refused:
        assert reply.json()["billed"] is False and reply.headers["Retry-After"]
    time.sleep(2.5)  # the bucket runs empty


# ---- trouble ----


class Load:
    """Questions that differ, half of them by GET, from several callers, until they are used up."""

    def __init__(self, count, patient):
        self.patient = patient
        self.seen = []  # (person, reply) of the last reply to each
        self.finish_all = in_parallel(self.ask, enumerate(people.some(count)), threads=12, seconds=80)

    def ask(self, item):
        number, person = item
        for _ in range(20):
            reply = caller.ask(person, get=number % 2 == 1)
            problem = reply.json()
            if reply.status_code == 503 and self.patient and problem["billed"] is False:
                time.sleep(0.2)
                continue
            break
        self.seen.append((person, reply))
        return person, reply

    def wait_for(self, count):
        wait_until(lambda: len(self.seen) >= count, 60, f"{count} answers")

    def finish(self):
        self.finish_all()
        return self.seen


def check_nothing_lost_nothing_double(seen, sandbox):
    """What was answered was paid for once, and is kept."""
    answered = [(person, reply) for person, reply in seen if reply.status_code == 200]
    for person, reply in seen:
        assert sandbox.calls(person) <= 1, "paid for twice"
    for person, reply in answered:
        assert sandbox.calls(person) == 1 and reply.json()["billed"] is True
        again = caller.ask(person)
        assert again.status_code == 200 and again.json()["billed"] is False
        assert sandbox.calls(person) == 1
    return answered


def test_a_replica_killed_under_load(sandbox):
    sandbox.settings(latencyMs=150)
    load = Load(300, patient=True)
    load.wait_for(60)
    docker("kill", container("sanyao-1"))
    seen = load.finish()
    sandbox.settings(latencyMs=0)
    answered = check_nothing_lost_nothing_double(seen, sandbox)
    lost = [reply for _, reply in seen if reply.status_code != 200]
    assert len(answered) + len(lost) == 300 and len(answered) >= 280
    for reply in lost:  # those whose call was under way: they are told that nobody knows
        assert reply.status_code == 502
        assert reply.json()["code"] == "replica_lost" and reply.json()["billed"] == "unknown"
    print(f"\nkilled: {len(answered)} answered, {len(lost)} broken off, none sent again")
    docker("start", container("sanyao-1"))
    wait_for_replicas()
    assert package()["used"] == sum(row["billed"] is not False for row in rows())
    # A call that was written down and not sent any more has a row, too.
    assert 0 <= len(rows()) - sandbox.get("stats")["received"] <= len(lost)


def test_a_replica_drained_under_load(sandbox):
    sandbox.settings(latencyMs=150)
    load = Load(300, patient=True)
    load.wait_for(60)
    start = time.monotonic()
    docker("stop", "--time", "30", container("sanyao-2"))
    took = time.monotonic() - start
    state = inspect("sanyao-2")["State"]
    seen = load.finish()
    sandbox.settings(latencyMs=0)
    assert state["ExitCode"] == 0 and took < 20
    assert len(check_nothing_lost_nothing_double(seen, sandbox)) == 300, "a drained replica loses nobody"
    assert events("sanyao-2", "stopped")
    print(f"\ndrained in {took:.1f} s: 300 of 300 answered")
    docker("start", container("sanyao-2"))
    wait_for_replicas()


def test_redis_restarted(sandbox):
    known = people.some(5)
    for person in known:
        assert caller.ask(person).json()["billed"] is True
    used = package()["used"]
    docker("restart", container("redis"))
    wait_for_replicas()
    # It would load less than it wrote where the user without a name may not do all.
    assert "CRITICAL" not in log("redis") and "NOPERM" not in log("redis")
    wait_until(lambda: caller.ask(known[0]).status_code == 200, 20, "an answer")
    for person in known:
        assert caller.ask(person).json()["billed"] is False
        assert sandbox.calls(person) == 1
    assert package()["used"] == used
    assert caller.ask(people.one()).json()["billed"] is True


def write_secret(name, value, by_rename):
    path = os.path.join(SECRETS, "sanyao", name)
    status = os.stat(path)
    target = path + ".new" if by_rename else path
    with open(target, "w", encoding="ascii") as file:
        file.write(value + "\n")
    if by_rename:
        os.chmod(target, status.st_mode & 0o777)
        os.chown(target, status.st_uid, status.st_gid)
        os.rename(target, path)


def test_a_rotated_appcode_is_taken_without_a_restart(sandbox):
    with open(os.path.join(SECRETS, "sanyao", "appcode"), encoding="ascii") as file:
        first = file.read().strip()
    started = [inspect(replica)["State"]["StartedAt"] for replica in REPLICAS]
    event = "settings reloaded, since a file of a secret changed"
    for count, (code, by_rename) in enumerate(((SECOND_CODE, True), (first, False)), 1):
        before = [len(events(replica, event)) for replica in REPLICAS]
        write_secret("appcode", code, by_rename)
        wait_until(lambda then=before: all(len(events(replica, event)) > n for replica, n in zip(REPLICAS, then)),
                   30, "both replicas' reload")
        asked = people.some(8)
        for person in asked:
            assert caller.ask(person).json()["billed"] is True
        calls = {call["parameters"]["mobile"]: call["appCode"] for call in sandbox.get("log")["calls"]}
        assert {calls[person.mobile] for person in asked} == {code}
    assert started == [inspect(replica)["State"]["StartedAt"] for replica in REPLICAS]


# ---- what must be nowhere ----


def needles():
    found = dict(secret_values())
    if "sandbox" in found["appcode"]:
        del found["appcode"]  # it is no secret: the sandbox's own documentation has it
    return found


def test_no_secret_in_logs_and_no_person():
    for service in SERVICES:
        text = log(service)
        for name, value in secret_values().items():
            assert value not in text, f"{name} is in the log of {service}"
        for person in people.made:
            for value in (person.name, person.id_card, person.mobile):
                assert value not in text, f"somebody is in the log of {service}"


def test_no_secret_in_environments():
    for service in SERVICES:
        text = json.dumps(inspect(service)) + inside(
            service, "sh", "-c", "cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline | tr '\\0' '\\n'", code=None)
        for name, value in needles().items():
            assert value not in text, f"{name} is in the environment of {service}"


def test_no_secret_in_the_images():
    wanted = [value.encode() for value in needles().values()]
    for image in IMAGES:
        assert not any(value.decode() in docker("history", "--no-trunc", image) for value in wanted)
        tail = b""
        with subprocess.Popen(["docker", "save", image], stdout=subprocess.PIPE) as saved:
            while chunk := saved.stdout.read(1 << 20):
                for value in wanted:
                    assert value not in tail + chunk, f"a secret is in a layer of {image}"
                tail = chunk[-256:]
        assert saved.returncode == 0


def test_everything_stops_by_itself():
    for replica in REPLICAS:
        docker("stop", "--time", "30", container(replica))
        assert inspect(replica)["State"]["ExitCode"] == 0
    reply = caller.ask(people.one())
    assert (reply.status_code, reply.json()["code"], reply.json()["billed"]) == (503, "no_replica", False)
