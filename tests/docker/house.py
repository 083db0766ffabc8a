"""The services of docker/compose.yaml, as scripts/test-docker started them, seen through the gateway."""

import json
import os
import re
import subprocess
import sys
import threading
import time

import requests

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "system"))

from people import People  # noqa: E402
from sandbox_control import wait_until  # noqa: E402

SOURCE_DIR = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
SECRETS = os.environ["SANYAO_SECRETS"]
PROJECT = os.environ["COMPOSE_PROJECT_NAME"]
GATEWAY = "https://" + os.environ["GATEWAY_PUBLISH"]
REPLICAS = ("sanyao-1", "sanyao-2")
SERVICES = (*REPLICAS, "gateway", "redis", "sandbox")
IMAGES = tuple(os.environ[f"{name}_IMAGE"] for name in ("SANYAO", "SANDBOX", "GATEWAY", "REDIS"))
COMPOSE = os.environ["COMPOSE"].split()

people = People(seed=int(time.time()))


def run(*words, code=0, timeout=60, stdin=""):
    """Standard output of a command that must end with that exit code (None: any)."""
    done = subprocess.run(words, input=stdin, capture_output=True, text=True, timeout=timeout, check=False)
    assert code is None or done.returncode == code, \
        f"{words[0]} {words[1]} …: exit code {done.returncode}: {done.stdout[-500:]}{done.stderr[-500:]}"
    return done.stdout


def docker(*words, **options):
    return run("docker", *words, **options)


def compose(*words, **options):
    return run(*COMPOSE, *words, **options)


def container(service):
    name = docker("ps", "--all", "--quiet", "--filter", f"label=com.docker.compose.project={PROJECT}",
                  "--filter", f"label=com.docker.compose.service={service}").split()
    assert len(name) == 1, f"{service} has {len(name)} containers"
    return name[0]


def inspect(service):
    return json.loads(docker("inspect", container(service)))[0]


def inside(service, *words, **options):
    return docker("exec", "--interactive", container(service), *words, **options)


def addresses(service):
    """Its addresses by network, without the project's name."""
    networks = inspect(service)["NetworkSettings"]["Networks"]
    return {name.removeprefix(PROJECT + "_"): each["IPAddress"] for name, each in networks.items()}


def log(service):
    container_id = container(service)
    done = subprocess.run(["docker", "logs", container_id], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout + done.stderr


def events(service, name):
    lines = (json.loads(line) for line in log(service).splitlines() if line.startswith("{"))
    return [line for line in lines if line.get("event") == name]


def is_healthy(service):
    return inspect(service)["State"]["Health"]["Status"] == "healthy"


def is_ready(service):
    return run("docker", "exec", container(service), "sanyao", "health", code=None).startswith("ready")


def wait_for_replicas():
    wait_until(lambda: all(is_ready(each) for each in REPLICAS), 40, "readiness")


class Caller(threading.local):
    """A client of the gateway, one for each thread."""

    key = None

    def __init__(self):
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.verify = os.path.join(SECRETS, "ca", "ca.crt")

    def request(self, method, path, **options):
        headers = {"Authorization": f"Bearer {Caller.key}", **options.pop("headers", {})}
        return self.session.request(method, GATEWAY + path, headers=headers, timeout=30, **options)

    def ask(self, person, get=False, **headers):
        if get:
            return self.request("GET", "/verify", params=person.question(), headers=headers)
        return self.request("POST", "/verify", json=person.question(), headers=headers)


caller = Caller()


class Steer:
    """The sandbox, which has no published port: by its address on the bridge."""

    def __init__(self):
        self.url = f"http://{addresses('sandbox')['outside']}:9090/sandbox"
        self.session = requests.Session()
        self.session.trust_env = False

    def get(self, path, **query):
        return self.session.get(f"{self.url}/{path}", params=query, timeout=10).json()

    def calls(self, person):
        return self.get("calls", mobile=person.mobile)["count"]

    def settings(self, **members):
        assert self.session.post(f"{self.url}/settings", json=members, timeout=10).status_code == 200


def in_parallel(work, items, threads=8, seconds=60):
    """work(item) for each, in threads; a list of what they returned. Ends by itself."""
    left, results, trouble = list(items), [], []
    lock = threading.Lock()
    deadline = time.monotonic() + seconds

    def go():
        while time.monotonic() < deadline:
            with lock:
                if not left or trouble:
                    return
                item = left.pop(0)
            try:
                result = work(item)
            except Exception as error:  # noqa: BLE001: told below
                trouble.append(error)
                return
            with lock:
                results.append(result)

    workers = [threading.Thread(target=go) for _ in range(threads)]
    for each in workers:
        each.start()

    def finish():
        for each in workers:
            each.join(seconds + 40)
        assert not trouble, f"a worker failed: {trouble[0]!r}"
        assert not left, "the time ran out"
        return results

    return finish


def secret_values():
    """Everything that make-secrets made and the client's key, by a name."""
    values = {"client key": Caller.key}
    for name in ("appcode", "hash_key", "admin_token"):
        with open(os.path.join(SECRETS, "sanyao", name), encoding="ascii") as file:
            values[name] = file.read().strip()
    with open(os.path.join(SECRETS, "sanyao", "store_url"), encoding="ascii") as file:
        values["store password"] = re.search(r"sanyao:([0-9a-f]+)@", file.read()).group(1)
    with open(os.path.join(SECRETS, "redis", "operator"), encoding="ascii") as file:
        values["operator password"] = file.read().strip()
    for name in ("redis/redis.key", "gateway/gateway.key"):
        with open(os.path.join(SECRETS, name), encoding="ascii") as file:
            values[name] = file.read().splitlines()[1]
    return values
