"""The servers that the benches compare: each with its best sensible settings, on a core of its own, and
waited for until it answers.

    with Sanyao(bench, upstream_url=sandbox.url) as sanyao, Bare(bench, reply) as bare:
        ...

What is asked of each: `name`, `port`, `cpu_s()`, and `is_hit(reply)`.
"""

import contextlib
import itertools
import os
import pwd
import grp
import shutil
import signal
import socket
import subprocess

import asking
from harness import REPLY_TIMEOUT, Closed, Connection, Server
from redis_server import RedisServer
from sandbox_control import Sandbox, wait_until

PORTS = range(18300, 18400)
START_TIMEOUT = 20
STOP_TIMEOUT = 20
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
DAILY_CALLS = 100000000
LUA_MODULES = ("ndk_http_module.so", "ngx_http_lua_module.so")

ports = itertools.cycle(PORTS)


def free_port():
    for port in itertools.islice(ports, len(PORTS)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise SystemExit(f"bench: no port is free from {PORTS.start} to {PORTS.stop - 1}")


def program(name):
    """Its path; servers lie where not everybody's PATH leads."""
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if found is None:
        raise SystemExit(f"bench: {name} is missing; scripts/setup bench")
    return found


def processes():
    """{process: (parent, ticks of processor time)} of all there are."""
    found = {}
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/stat", encoding="utf-8", errors="replace") as file:
                fields = file.read().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        found[int(entry)] = (int(fields[1]), int(fields[11]) + int(fields[12]))
    return found


def cpu_s(root):
    """Processor time of a process and all that come of it."""
    found = processes()
    family, ticks = [root], 0
    for member in family:
        ticks += found[member][1]
        family += [process for process, (parent, _) in found.items() if parent == member]
    return ticks / TICKS_A_SECOND


def cores_busy_s(cores):
    """For how long the cores have not been idle, all together."""
    names = {"cpu" + core for core in cores}
    with open("/proc/stat", encoding="utf-8") as file:
        lines = [line.split() for line in file]
    ticks = 0
    for user, nice, system, _, _, irq, softirq in (
        map(int, fields[1:8]) for fields in lines if fields[0] in names
    ):
        ticks += user + nice + system + irq + softirq
    return ticks / TICKS_A_SECOND


@contextlib.contextmanager
def on_core(core):
    """What is started meanwhile inherits it, and all its threads."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {int(core)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class Seller(Sandbox):
    """The sandbox, on the load's core."""

    def __init__(self, bench, *arguments):
        super().__init__(None, *arguments)
        self.core = bench.load_core

    def start(self):
        with on_core(self.core):
            return super().start()


class Sanyao(Server):
    """With authentication on, metrics counted, and its log at its default, in a file."""

    name = "sanyao"

    def __init__(self, bench, directory="sanyao", cores=None, redis=None, **settings):
        settings = {
            "AUTH": "keys", "WORKERS": "1", "LISTEN": f"127.0.0.1:{free_port()}",
            "ADMIN_LISTEN": f"127.0.0.1:{free_port()}",
            **dict.fromkeys(("LOG_LEVEL", "LOG_FORMAT", "UPSTREAM_RETRIES")),  # their defaults
            **settings,
        }
        super().__init__(bench.place(directory), redis=redis, **settings)
        self.cores = cores or [bench.server_core]
        self.key = None

    def arguments(self):
        return ["taskset", "-c", ",".join(self.cores), *super().arguments()]

    def start(self):
        super().start()
        words = ("client", "add", "bench", "--name", "Bench", "--daily", DAILY_CALLS)
        try:
            self.wait_until_ready()
            self.key = asking.told(self, *words)["key"]
        except BaseException:
            self.kill()
            raise
        return self

    def buy(self, calls):
        asking.told(self, "package", "add", "bench", "--calls", calls, "--price", 1)

    def cpu_s(self):
        return cpu_s(self.process.pid)

    def is_hit(self, reply):
        return "; hit" in (reply.cache_status or "")


class Redis(RedisServer):
    """On the load's core, set up as docs/operations.md says."""

    def __init__(self, bench, **options):
        super().__init__(
            bench.place("redis"), maxmemory_policy="volatile-lru", appendfsync="everysec", **options
        )
        self.core = bench.load_core

    def run(self, words, settings=""):
        with on_core(self.core):
            super().run(words, settings)


class Peer:
    """A process that listens on a port of its own, until the end of the block."""

    name = None

    def __init__(self, bench, directory, core=None):
        self.bench, self.directory = bench, bench.place(directory)
        self.core = core or bench.server_core
        self.port = free_port()
        self.process = None

    def command(self):
        raise NotImplementedError

    def given(self):
        """What is on its standard input."""
        return b""

    def is_hit(self, reply):
        del reply
        return True

    def answers(self):
        if self.process.poll() is not None:
            raise SystemExit(f"bench: {self.name} ended:\n{self.words()}")
        try:
            with Connection(self.port, timeout=REPLY_TIMEOUT) as connection:
                connection.send("GET", "/", [("Connection", "close")])
                return connection.read_unjudged("GET", "/")
        except (OSError, Closed):
            return None

    def words(self):
        with open(os.path.join(self.directory, "log"), encoding="utf-8", errors="replace") as file:
            return file.read()

    def __enter__(self):
        with open(os.path.join(self.directory, "log"), "wb") as log:
            self.process = subprocess.Popen(
                ["taskset", "-c", self.core, *self.command()], stdin=subprocess.PIPE, stdout=log,
                stderr=log,
            )
        try:
            with self.process.stdin as stdin:
                stdin.write(self.given())
            wait_until(self.answers, START_TIMEOUT, f"the start of {self.name}")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def cpu_s(self):
        return cpu_s(self.process.pid)


class Bare(Peer):
    """libmicrohttpd, one thread, a constant reply (bare.c)."""

    name = "bare libmicrohttpd"

    def __init__(self, bench, reply):
        super().__init__(bench, "bare")
        self.reply = reply

    def command(self):
        return ["build/release/bench/bare", str(self.port)]

    def given(self):
        head = "".join(f"{key}: {value}\r\n" for key, value in self.reply.headers)
        return b"HTTP/1.1 200 OK\r\n" + head.encode() + b"\r\n" + self.reply.body


# --- nginx ---

NGINX = """
daemon off;
worker_processes 1;
pid {directory}/nginx.pid;
error_log {directory}/log;
{main}
events {{ worker_connections 4096; }}
http {{
    access_log off;
    server_tokens off;
    keepalive_requests 1000000000;
    client_body_buffer_size 16k;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    {http}
    server {{
        listen 127.0.0.1:{port} backlog=1024;
        {server}
    }}
}}
"""


class Nginx(Peer):
    """One worker. A kind of it says what stands in the three places of its settings."""

    def main(self):
        """root's nginx gives its workers another user, who may not enter our directory."""
        if os.geteuid() != 0:
            return ""
        return f"user {pwd.getpwuid(0).pw_name} {grp.getgrgid(0).gr_name};"

    def http(self):
        return ""

    def server(self):
        raise NotImplementedError

    def command(self):
        path = os.path.join(self.directory, "nginx.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(NGINX.format(
                directory=self.directory, port=self.port, main=self.main(), http=self.http(),
                server=self.server(),
            ))
        return [program("nginx"), "-e", os.path.join(self.directory, "log"), "-c", path]


class Origin(Nginx):
    """Answers everything with the same bytes at once; on the load's core."""

    name = "origin"
    # What nginx writes itself, or what would keep a cache from keeping it.
    left_out = ("content-length", "content-type", "date", "connection", "cache-control", "server")

    def __init__(self, bench, reply, directory="origin"):
        super().__init__(bench, directory, bench.load_core)
        self.reply = reply

    def server(self):
        lines = [
            f"add_header {key} '{value}';" for key, value in self.reply.headers
            if key.lower() not in self.left_out
        ]
        body = self.reply.body.decode()
        assert not set("'$\\") & set(body), "the reply cannot stand in nginx's settings"
        kind = self.reply.header("Content-Type")
        return f"default_type '{kind}'; {' '.join(lines)} return 200 '{body}';"


class NginxBefore(Nginx):
    """One that passes on, with connections that it keeps. `folder` is what its directory is called."""

    folder = None
    kept = "keepalive 64;"
    passing = """
            proxy_pass http://origin;
            proxy_http_version 1.1;
            proxy_set_header Connection "";"""

    def __init__(self, bench, origin):
        super().__init__(bench, self.folder)
        self.origin = origin

    def http(self):
        return f"upstream origin {{ server 127.0.0.1:{self.origin.port}; {self.kept} }}"


class NginxCache(NginxBefore):
    """proxy_cache, for GET and POST. open_file_cache and sendfile are as they are faster here."""

    name = "nginx proxy_cache"
    folder = "nginx-cache"
    files = "open_file_cache max=12000 inactive=1d; open_file_cache_valid 1d;"

    def http(self):
        return f"""
    proxy_cache_path {self.directory}/cache levels=1:2 keys_zone=answers:50m inactive=1d
        use_temp_path=off;
    {self.files}
    {super().http()}"""

    def server(self):
        return f"""
        location / {{{self.passing}
            proxy_cache answers;
            proxy_cache_methods GET POST;
            proxy_cache_key $request_uri$request_body;
            proxy_cache_valid 200 1d;
            add_header X-Cache $upstream_cache_status;
        }}"""

    def is_hit(self, reply):
        return reply.header("X-Cache") == "HIT"


class NginxDebianCache(NginxCache):
    """The same with files as Debian's nginx.conf has them served."""

    name = "nginx proxy_cache, Debian's settings"
    files = "sendfile on; tcp_nopush on;"


class NginxPass(NginxBefore):
    """proxy_pass, as fast as it goes."""

    name = "nginx proxy_pass"
    folder = "nginx-pass"

    def server(self):
        return f"""
        location / {{{self.passing}
        }}"""


class NginxPassAlone(NginxPass):
    """The directive alone, as nginx takes it: each question has a connection of its own."""

    name = "nginx proxy_pass, nginx's settings"
    folder = "nginx-pass-alone"
    kept = ""
    passing = """
            proxy_pass http://origin;"""


class NginxLua(NginxBefore):
    """OpenResty's Lua in nginx, with its Redis client, as Debian packages them (openresty.lua)."""

    name = "nginx with Lua and Redis"
    folder = "nginx-lua"

    def __init__(self, bench, redis, origin):
        super().__init__(bench, origin)
        self.redis = redis

    def main(self):
        modules = "".join(f"load_module /usr/lib/nginx/modules/{name};" for name in LUA_MODULES)
        return super().main() + modules

    def http(self):
        directory = os.path.abspath("bench")
        return f"""
    lua_package_path "{directory}/?.lua;;";
    init_by_lua_block {{ openresty = require("openresty") }}
    {super().http()}"""

    def server(self):
        return f"""
        location / {{
            default_type '';
            set $redis_port {self.redis.port};
            lua_need_request_body on;
            content_by_lua_block {{ openresty.answer() }}
        }}
        location /origin {{
            internal;{self.passing}
        }}"""

    def is_hit(self, reply):
        return reply.header("X-Cache") == "HIT"


# --- Varnish ---

VCL = """
vcl 4.1;
backend default {{ .host = "127.0.0.1"; .port = "{port}"; }}
sub vcl_recv {{ return (hash); }}
sub vcl_backend_response {{ set beresp.ttl = 1d; return (deliver); }}
"""


class Varnish(Peer):
    """In memory, for GET. Authorization does not keep it from caching."""

    name = "Varnish"

    def __init__(self, bench, origin):
        super().__init__(bench, "varnish")
        self.origin = origin

    def command(self):
        path = os.path.join(self.directory, "default.vcl")
        with open(path, "w", encoding="utf-8") as file:
            file.write(VCL.format(port=self.origin.port))
        return [
            program("varnishd"), "-F", "-j", "none", "-n", os.path.join(self.directory, "work"),
            "-a", f"127.0.0.1:{self.port}", "-f", path, "-s", "default,256m",
            "-p", "thread_pools=1",
        ]

    def is_hit(self, reply):
        return len(reply.header("X-Varnish").split()) == 2
