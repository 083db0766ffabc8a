"""Fixtures of the system tests, and the search of everything they left at rest.

BIN_DIR names the directory of the programs (default build/release/bin). The run's files stand in one
directory, which is kept and named when something failed.
"""

import glob
import json
import os
import shutil
import subprocess
import sys
import tempfile

import pytest

sys.path.insert(0, os.path.dirname(__file__))

from at_rest import Needles  # noqa: E402
from contract import SOURCE_DIR  # noqa: E402
from harness import Needlework, Replicas, Server  # noqa: E402
from people import People  # noqa: E402
from redis_server import RedisServer  # noqa: E402
from sandbox_control import Sandbox  # noqa: E402

KEEP = "SANYAO_TEST_KEEP"


def pytest_configure(config):
    config.addinivalue_line("markers", "longest: takes ten seconds or more")
    os.environ["BIN_DIR"] = os.path.abspath(
        os.environ.get("BIN_DIR") or os.path.join(SOURCE_DIR, "build/release/bin")
    )
    if hasattr(config, "workerinput"):
        config.run_dir = config.workerinput["run_dir"]
    else:
        config.run_dir = tempfile.mkdtemp(prefix="sanyao-system-")
        os.mkdir(os.path.join(config.run_dir, "needles"))
        os.mkdir(os.path.join(config.run_dir, "left"))
        os.mkdir(os.path.join(config.run_dir, "summaries"))
    Needlework.path = os.path.join(config.run_dir, "needles", f"{os.getpid()}.jsonl")


def pytest_collection_modifyitems(items):
    """The longest tests come first, each to a process of its own: what xdist gives to each of them at the
    beginning are its share's consecutive tests."""
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    longest = [item for item in items if item.get_closest_marker("longest")]
    items[:] = [item for item in items if item.get_closest_marker("longest") is None]
    share = max((len(items) + len(longest)) // (4 * processes), 2)
    turns = sorted((index % processes * share + index // processes, item.nodeid, item)
                   for index, item in enumerate(longest))
    for place, _, item in turns:
        items.insert(place, item)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node):
    node.workerinput["run_dir"] = node.config.run_dir


def needles_of(run_dir):
    needles = Needles()
    for path in glob.glob(os.path.join(run_dir, "needles", "*.jsonl")):
        with open(path, encoding="utf-8") as file:
            for line in file:
                entry = json.loads(line)
                if "secret" in entry:
                    needles.add_secret(entry["secret"])
                elif "key" in entry:
                    needles.add_key(entry["key"])
                else:
                    needles.add_person(entry["person"])
    return needles


def files_below(directory):
    return sorted(
        os.path.join(place, name) for place, _, names in os.walk(directory) for name in names
    )


def pytest_sessionfinish(session, exitstatus):
    """In the one process that outlives the others: search all that was left."""
    config = session.config
    if hasattr(config, "workerinput"):
        return
    config.summaries = []
    for path in sorted(glob.glob(os.path.join(config.run_dir, "summaries", "*.txt"))):
        with open(path, encoding="utf-8") as file:
            config.summaries += file.read().splitlines()
    config.left = files_below(os.path.join(config.run_dir, "left"))
    needles = needles_of(config.run_dir)
    config.needles = len(needles.by_hex)
    config.found = needles.search(config.left) if needles.by_hex else []
    if config.found and session.exitstatus in (0, 5):
        session.exitstatus = 1
    if session.exitstatus in (0, 5) and KEEP not in os.environ:
        shutil.rmtree(config.run_dir)
    else:
        shutil.rmtree(os.path.join(config.run_dir, "needles"))


def pytest_terminal_summary(terminalreporter, config):
    if not hasattr(config, "left"):
        return
    for line in config.summaries:
        terminalreporter.write_line(line)
    terminalreporter.write_line(
        f"at rest: {len(config.left)} files searched for {config.needles} forms of what was asked: "
        + (f"{len(config.found)} FOUND" if config.found else "nothing found")
    )
    for path, kind, form in config.found:
        terminalreporter.write_line(f"  {kind} ({form}) in {path}", red=True)
    if os.path.exists(config.run_dir):
        terminalreporter.write_line(f"the run's files: {config.run_dir}")


@pytest.fixture(scope="session")
def run_dir(request):
    return request.config.run_dir


@pytest.fixture
def summaries(run_dir):
    """summaries(line): shown at the end of the run, by whichever process the test is run."""
    def add(line):
        path = os.path.join(run_dir, "summaries", f"{os.getpid()}.txt")
        with open(path, "a", encoding="utf-8") as file:
            file.write(line + "\n")

    return add


@pytest.fixture
def place(request, run_dir):
    """A directory of this test's own; what is left in it is searched at the end."""
    name = "".join(c if c.isalnum() else "-" for c in request.node.name)[:60]
    module = request.node.module.__name__.removeprefix("test_")
    return tempfile.mkdtemp(prefix=f"{module}-{name}-", dir=os.path.join(run_dir, "left"))


@pytest.fixture(scope="module")
def module_place(request, run_dir):
    module = request.node.name.removesuffix(".py").rsplit("/", 1)[-1].removeprefix("test_")
    return tempfile.mkdtemp(prefix=f"{module}-", dir=os.path.join(run_dir, "left"))


@pytest.fixture(scope="session")
def people():
    """Seeded by SANYAO_TEST_SEED; different in every process of a parallel run."""
    seed = os.environ.get("SANYAO_TEST_SEED", "7")
    return People(seed + os.environ.get("PYTEST_XDIST_WORKER", ""))


@pytest.fixture
def sandbox():
    with Sandbox(None, "--number-limit", "0") as running:
        yield running


@pytest.fixture(scope="module")
def module_sandbox():
    with Sandbox(None, "--number-limit", "0") as running:
        yield running


@pytest.fixture(scope="module")
def shared(module_place, module_sandbox):
    """A server with a sandbox behind it, for all tests of a module that change neither. Failures of
    one test do not keep it from asking in the next."""
    with Server(module_place, module_sandbox.url, BREAKER_FAILURES="0") as server:
        server.sandbox = module_sandbox
        yield server


@pytest.fixture
def start(place, sandbox):
    """start(**settings): a server on this test's sandbox; stopped at the end."""
    servers = []

    def make(**settings):
        settings.setdefault("upstream_url", sandbox.url)
        server = Server(os.path.join(place, str(len(servers))), **settings)
        servers.append(server)
        return server.start()

    yield make
    for server in servers:
        if server.process is not None:
            server.stop()


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    """A test CA with a certificate for localhost, one for another host, and another CA."""
    place = tmp_path_factory.mktemp("tls")

    def openssl(*args, **kwargs):
        subprocess.run(["openssl", *args], cwd=place, check=True, capture_output=True, **kwargs)

    for name in ("ca", "stranger"):
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-keyout", f"{name}.key", "-out", f"{name}.pem", "-days", "2",
                "-subj", f"/CN=sanyao test {name}", "-addext", "keyUsage=critical,keyCertSign")
    for host in ("localhost", "elsewhere.test"):
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-keyout", f"{host}.key", "-out", f"{host}.csr", "-subj", f"/CN={host}")
        with open(place / "san", "w", encoding="ascii") as file:
            file.write(f"subjectAltName=DNS:{host}\n")
        openssl("x509", "-req", "-in", f"{host}.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
                "-CAcreateserial", "-days", "2", "-extfile", "san", "-out", f"{host}.pem")
    return place


@pytest.fixture
def redis(place):
    """A Redis of this test's own. What is in it at the end has a lifetime, but for the ledger."""
    server = RedisServer(os.path.join(place, "redis"))
    server.start()
    yield server
    server.thaw()
    if server.process is not None and server.is_answering():
        server.check_lifetimes()
    server.stop()


@pytest.fixture
def replicas(place, sandbox, redis):
    """replicas(count, **settings): servers on this test's Redis and sandbox, ready unless `wait` is false;
    stopped at the end."""
    groups = []

    def make(count=3, wait=True, **settings):
        directory = os.path.join(place, f"group-{len(groups)}")
        settings.setdefault("upstream_url", sandbox.url)
        groups.append(Replicas(directory, redis, count=count, **settings))
        return groups[-1].start(wait)

    yield make
    redis.thaw()
    for group in groups:
        group.stop()
