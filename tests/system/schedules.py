"""Random schedules over a living cluster: what callers, sellers and machines do, in an order that nobody
thought of, and what must hold of the books afterwards.

    with Cluster(directory) as cluster:
        violations = cluster.run(Schedule(seed))

A schedule is a list of steps that its seed alone decides; only their timing is the machine's. Numbers and
questions are named by their indices: no text made here holds a person's data.
"""

import collections
import os
import random
import signal
import threading
import time

from desk import Desk, bearer, counts, used_by
from harness import Closed, Connection, Replicas, Server, read_answer, send_question, wait_until
from people import People
from redis_server import RedisServer, number_digest, totals_of
from sandbox_control import Sandbox

REPLICAS = 3
MAX_CALLS = 4
CLIENTS = ("free", "bound")  # the second has a daily quota
SETTINGS = {
    "AUTH": "keys",
    # The port of a replica that is down may be given to the next listener; it must know the questions.
    "ADMIN_LISTEN": "",
    "WORKERS": "2",
    "NUMBER_LIMIT_MAX_CALLS": str(MAX_CALLS),
    "REQUEST_TIMEOUT": "600ms",
    "UPSTREAM_TIMEOUT": "2s",
    "UPSTREAM_CONNECT_TIMEOUT": "500ms",
    "UPSTREAM_RETRIES": "2",
    "BREAKER_OPEN_FOR": "500ms",
    "DRAIN_TIMEOUT": "5s",
    "LOG_LEVEL": "info",
}
QUIET = 20  # seconds until everything has ended, with everybody up again

BEHAVIOURS = (
    {"latencyMs": 20},
    {"latencyMs": 120},
    {"latencyMs": 400},
    {"status": "02"},
    {"status": "02", "latencyMs": 60},
    {"status": "203"},
    {"gateway": "throttled"},
    {"gateway": "throttled", "latencyMs": 60},
    {"reply": "html"},
    {"cut": "request", "latencyMs": 30},
    {"cut": "reset"},
    {"cut": "body"},
)
# What a step is, and how often.
KINDS = {
    "ask": 12, "burst": 5, "upstream": 5, "wait": 6,
    "kill": 2, "start": 2, "stop": 1, "stand still": 1, "go on": 2,
    "freeze redis": 1, "lock redis": 1, "fill redis": 1, "heal redis": 4,
    "kill redis": 1, "start redis": 2, "cut": 2, "cut notices": 1, "forget scripts": 1,
    "seller stands still": 1,
    "add package": 2, "change quota": 1,
}
# What a caller may be told, besides an answer.
TOLD = {
    "store_unavailable": {False},
    "upstream_timeout": {"unknown", False},
    "upstream_unavailable": {"unknown", False},
    "upstream_invalid_reply": {True, False},
    "overloaded": {False},
    "shutting_down": {False},
    "package_exhausted": {False},
    "client_quota_exhausted": {False},
}


class Schedule:
    def __init__(self, seed):
        self.seed = seed
        chance = random.Random(seed)
        self.numbers = [chance.choice((1, 1, 2)) for _ in range(chance.choice((1, 2, 2, 3)))]
        self.questions = [
            (number, spelling)
            for number, count in enumerate(self.numbers) for spelling in range(count)
        ]
        self.bought, self.quota = chance.choice((2, 4, 8, 30)), chance.choice((1, 2, 5))
        kinds, weights = list(KINDS), list(KINDS.values())
        self.steps = [
            self.step(chance, chance.choices(kinds, weights)[0])
            for _ in range(chance.randint(8, 26))
        ]

    def step(self, chance, kind):
        replica = chance.randrange(REPLICAS)
        question = chance.randrange(len(self.questions))
        if kind == "ask":
            wish = "no-cache" if chance.random() < 0.2 else None
            hang_up = chance.randrange(40) if chance.random() < 0.2 else None
            return (kind, replica, question, wish, hang_up, self.client(chance))
        if kind == "burst":
            return (kind, question, chance.randint(3, 9), self.client(chance))
        if kind == "add package":
            return (kind, chance.randint(1, 6))
        if kind == "change quota":
            return (kind, chance.randint(1, 8))
        if kind == "upstream":
            return (
                kind, chance.randrange(len(self.numbers)), chance.randrange(len(BEHAVIOURS)),
                chance.choice((1, 1, 2)),
            )
        if kind in ("wait", "seller stands still"):
            return (kind, int(chance.random() ** 2 * 150))
        if kind in ("kill", "stop", "stand still"):
            return (kind, replica)
        return (kind,)

    @staticmethod
    def client(chance):
        return chance.choice((0, 0, 1))

    def __str__(self):
        return f"{self.bought} bought, quota {self.quota}; " + "; ".join(" ".join(str(word) for word in step) for step in self.steps)


class Ask:
    """One caller, and what became of it."""

    def __init__(self, question, replica, wish=None, hang_up=None, client=0):
        self.question, self.replica, self.wish, self.hang_up = question, replica, wish, hang_up
        self.client = client
        self.reply = self.broken = None
        self.excused = False  # its replica was killed or stopped before it was answered


class Cluster:
    """Redis, sandbox and replicas that serve many schedules."""

    def __init__(self, directory):
        self.directory = str(directory)
        self.redis = RedisServer(os.path.join(self.directory, "redis"))
        self.sandbox = Sandbox(None, "--number-limit", "0")
        self.replicas = self.desk_server = self.desk = None
        self.runs = 0
        self.packages = {}  # name: how many calls it is good for; of the run under way
        self.people = People("schedules")
        self.crowd = self.people.some(6)
        self.faults = collections.Counter()
        self.asked = 0

    def __enter__(self):
        self.redis.start()
        self.sandbox.start()
        self.replicas = Replicas(
            self.directory, self.redis, self.sandbox.url, count=REPLICAS, **SETTINGS
        ).start()
        # Where the operator works; nobody harms it.
        self.desk_server = Server(
            os.path.join(self.directory, "desk"), self.sandbox.url, redis=self.redis,
            **{**SETTINGS, "ADMIN_LISTEN": "127.0.0.1:0", "HASH_KEY": self.replicas.hash_key},
        ).start()
        self.desk = Desk(self.desk_server)
        self.desk_server.wait_until_ready()
        return self

    def __exit__(self, kind, *_):
        self.redis.thaw()
        if self.desk_server is not None:
            self.desk_server.__exit__(kind)
        for server in self.replicas:
            if server.process is not None and server.process.poll() is None:
                server.signal(signal.SIGCONT)
        self.replicas.__exit__(kind)
        self.sandbox.stop()
        self.redis.stop()

    def run(self, schedule):
        """The violations, as sentences."""
        self.sandbox.reset("behaviours", "counters")
        self.runs += 1
        run = Run(self, schedule)
        try:
            for step in schedule.steps:
                run.do(*step)
            run.quiesce()
            violations = run.check()
        finally:
            self.faults += run.faults
            self.asked += len(run.asks)
        return violations


class Run:
    def __init__(self, cluster, schedule):
        self.cluster, self.redis, self.sandbox = cluster, cluster.redis, cluster.sandbox
        self.replicas = cluster.replicas
        mobiles = [cluster.people.mobile() for _ in schedule.numbers]
        self.people = [
            cluster.crowd[spelling].but(mobile=mobiles[number])
            for number, spelling in schedule.questions
        ]
        self.number_of = [number for number, _ in schedule.questions]
        self.mobiles = mobiles
        self.probes = [cluster.crowd[-1].but(mobile=mobile) for mobile in mobiles]
        self.chance = random.Random(schedule.seed + 1)
        self.faults = collections.Counter()
        self.asks, self.threads = [], []
        self.down, self.still = set(), set()
        self.endings = collections.Counter()  # per replica: how often it was killed or stopped
        self.violations = []
        self.desk = cluster.desk
        self.quota = schedule.quota
        self.open_shop(schedule)

    # --- money ---

    def name(self, what):
        return f"run{self.cluster.runs}-{what}"

    def open_shop(self, schedule):
        """Packages and clients of this run's own, known to all replicas."""
        for package in self.cluster.packages:
            # One that was added while the store was away may not be there.
            wait_until(
                lambda package=package: self.desk.send(
                    "PATCH", "packages/" + package, {"removed": True}
                ).status in (200, 404), QUIET, f"{package} goes",
            )
        self.cluster.packages = {}
        self.buy("first", schedule.bought)
        self.buy("second", 3)
        limits = ({}, {"dailyCalls": schedule.quota})
        self.keys = [
            self.desk.add_client(self.name(client), refresh=True, **limit)
            for client, limit in zip(CLIENTS, limits)
        ]
        for server in self.replicas:
            for key in self.keys:
                wait_until(lambda: server.ask(  # noqa: B023
                    self.probes[0], "only-if-cached", headers=bearer(key)  # noqa: B023
                ).status == 504, QUIET, "the clients everywhere")

    def buy(self, what, calls):
        wish = {"id": self.name(what), "calls": calls, "priceCny": 1}
        # The desk's own connection to a Redis that is back may take a moment.
        wait_until(
            lambda: self.desk.send("POST", "packages", wish).status in (200, 201), QUIET, "a package"
        )
        self.cluster.packages[self.name(what)] = calls

    def do_add_package(self, calls):
        """With the store away it is not known whether it was added; then its size counts."""
        name = self.name(f"more{len(self.cluster.packages)}")
        self.cluster.packages[name] = calls
        self.desk.send("POST", "packages", {"id": name, "calls": calls, "priceCny": 1})

    def do_change_quota(self, quota):
        """What was reserved under a larger one stays."""
        self.quota = max(self.quota, quota)
        self.desk.send("PATCH", "clients/" + self.name("bound"), {"dailyCalls": quota})

    # --- steps ---

    def do(self, kind, *arguments):
        getattr(self, "do_" + kind.replace(" ", "_"))(*arguments)

    def fault(self, kind):
        self.faults[kind] += 1

    def do_ask(self, replica, question, wish, hang_up, client):
        ask = Ask(question, replica, wish, hang_up, client)
        self.asks.append(ask)
        thread = threading.Thread(target=self.run_ask, args=(ask,))
        self.threads.append(thread)
        thread.start()

    def run_ask(self, ask):
        endings = self.endings[ask.replica]
        was_down = ask.replica in self.down
        person = self.people[ask.question]
        try:
            with Connection(self.replicas[ask.replica].port, timeout=30) as connection:
                send_question(connection, person, ask.wish, headers=bearer(self.keys[ask.client]))
                if ask.hang_up is not None:
                    time.sleep(ask.hang_up / 1000)
                    self.fault("hang up")
                    return
                ask.reply = read_answer(connection, person)
        except (OSError, Closed) as error:
            ask.broken = type(error).__name__
            ask.excused = was_down or self.endings[ask.replica] != endings
        except AssertionError as error:  # a reply that breaks the contract
            self.violations.append(f"question {ask.question}: {error}")

    def do_burst(self, question, count, client):
        for index in range(count):
            self.do_ask(index % REPLICAS, question, None, None, client)

    def do_upstream(self, number, behaviour, calls):
        self.fault("upstream")
        self.sandbox.behave(mobile=self.mobiles[number], calls=calls, **BEHAVIOURS[behaviour])

    def do_wait(self, milliseconds):
        time.sleep(milliseconds / 1000)  # a moment, on purpose: nothing is waited for here

    def do_kill(self, replica):
        if replica not in self.down:
            self.fault("kill")
            self.down.add(replica)
            self.still.discard(replica)
            self.endings[replica] += 1
            self.replicas[replica].kill()

    def do_stop(self, replica):
        """SIGTERM; it drains while the schedule goes on."""
        if replica not in self.down and replica not in self.still:
            self.fault("stop")
            self.down.add(replica)
            self.endings[replica] += 1
            self.replicas[replica].signal()

    def do_start(self):
        self.do_go_on()
        for replica in sorted(self.down):
            server = self.replicas[replica]
            code = server.wait()
            if code not in (0, 1, -signal.SIGKILL):  # 1: it drained too long
                self.violations.append(f"replica {replica} ended with {code}")
            server.start()
            self.down.discard(replica)

    def do_stand_still(self, replica):
        if replica not in self.down and replica not in self.still:
            self.fault("stand still")
            self.still.add(replica)
            self.replicas[replica].signal(signal.SIGSTOP)

    def do_go_on(self):
        for replica in self.still:
            self.replicas[replica].signal(signal.SIGCONT)
        self.still.clear()

    def redis_is_up(self):
        return self.redis.process is not None and not self.redis.frozen

    def do_freeze_redis(self):
        if self.redis_is_up():
            self.fault("freeze redis")
            self.redis.freeze()

    def do_lock_redis(self):
        """It is a replica of nobody and takes no writes."""
        if self.redis_is_up():
            self.fault("lock redis")
            self.redis.command("REPLICAOF", "127.0.0.1", self.redis.port + 1)

    def do_fill_redis(self):
        if self.redis_is_up():
            self.fault("fill redis")
            self.redis.set("maxmemory", 1)

    def do_heal_redis(self):
        self.redis.thaw()
        if self.redis_is_up():
            self.redis.command("REPLICAOF", "NO", "ONE")
            self.redis.set("maxmemory", 0)

    def do_forget_scripts(self):
        if self.redis_is_up():
            self.fault("forget scripts")
            self.redis.command("SCRIPT", "FLUSH")

    def do_seller_stands_still(self, milliseconds):
        self.fault("seller stands still")
        self.sandbox.process.send_signal(signal.SIGSTOP)
        time.sleep(milliseconds / 1000)
        self.sandbox.process.send_signal(signal.SIGCONT)

    def do_kill_redis(self):
        if self.redis_is_up():
            self.fault("kill redis")
            self.redis.kill()

    def do_start_redis(self):
        if self.redis.process is None:
            self.redis.start()

    def do_cut(self):
        if self.redis_is_up():
            self.fault("cut")
            self.redis.cut_connections()

    def do_cut_notices(self):
        if self.redis_is_up():
            self.fault("cut notices")
            self.redis.command("CLIENT", "KILL", "TYPE", "pubsub")

    # --- the end ---

    def quiesce(self):
        self.do_heal_redis()
        self.do_start_redis()
        self.do_start()
        for thread in self.threads:
            thread.join()
        self.replicas.wait_until_ready(QUIET)
        wait_until(lambda: self.sandbox.stats()["inFlight"] == 0, QUIET, "the end of all calls")
        self.replicas.wait_for_ends(QUIET)
        self.sandbox.reset("behaviours")
        self.buy("last", 100)

    def expect(self, truth, sentence):
        if not truth:
            self.violations.append(sentence)

    def check(self):
        rows = self.redis.ledger_rows()
        self.expect(self.redis.totals() == totals_of(rows), "the totals are not the rows' sum")
        # One of the run before, whom the gateway had throttled, may have been called again meanwhile.
        calls = [
            call for call in self.sandbox.log() if call["parameters"].get("mobile") in self.mobiles
        ]
        self.check_money(rows, calls)
        by_number = collections.defaultdict(list)
        for row in rows:
            by_number[row["number"]].append(row)
        self.rows = [
            by_number[number_digest(self.replicas.hash_key, probe)[:8]] for probe in self.probes
        ]
        for number, mobile in enumerate(self.mobiles):
            self.check_number(
                number, [call for call in calls if call["parameters"].get("mobile") == mobile]
            )
        self.check_replies()
        for question in range(len(self.people)):
            self.check_known(question)
        for number in range(len(self.mobiles)):
            self.check_probe(number)
        return self.violations

    def check_money(self, rows, calls):
        """The counters are the rows' sums, and within what was bought and allowed."""
        def sums(column):
            return {name: count for name, count in used_by(rows, column).items() if name}

        def kept(*names):
            total = collections.Counter()
            for name in names:
                total.update(self.redis.counters(name))
            return {name: count for name, count in total.items() if count}

        self.expect(kept("used:package") == sums("package"), "packages' counters are not the rows' sums")
        for period in ("day", "month"):
            names = self.redis.ledger_keys(f"used:{period}:")
            self.expect(kept(*names) == sums("client"), f"the {period}s' counters are not the rows' sums")
        used = sums("package")
        for package, bought in self.cluster.packages.items():
            self.expect(
                used.get(package, 0) <= bought, f"{package}: {used.get(package)} of {bought} used"
            )
        bound = sums("client").get(self.name("bound"), 0)
        self.expect(bound <= self.quota, f"{bound} calls under a quota of {self.quota}")
        mine = [row for row in rows if row["client"].startswith(self.name(""))]
        self.expect(
            all(row["package"] in self.cluster.packages for row in mine if row["state"] != "released"),
            "a call of no package",
        )
        sent = sum(call["gateway"] is None for call in calls)
        self.expect(
            sent <= sum(counts(row) for row in mine), "more was sent than packages and clients know of"
        )
        self.expect(
            sent <= sum(self.cluster.packages.values()), "more was sent than was bought"
        )

    def states(self, number):
        return collections.Counter(row["state"] for row in self.rows[number])

    def check_number(self, number, calls):
        """What the sandbox received of a number, against the rows of it."""
        name, states = f"number {number}", self.states(number)
        spent = [call for call in calls if call["gateway"] is None]
        counted = states["settled"] + states["unknown"]
        self.expect(counted <= MAX_CALLS, f"{name}: {counted} calls in its window")
        self.expect(len(calls) <= len(self.rows[number]), f"{name}: a call without a row")
        self.expect(len(spent) <= counted, f"{name}: more calls than the ledger admits to")
        self.expect(
            sum(call["billed"] for call in calls) <= counted, f"{name}: a bill nobody admits to"
        )
        self.expect(states["settled"] <= len(spent), f"{name}: a settled row without a call")
        self.expect(
            all(row["billed"] == 0 for row in self.rows[number] if row["state"] == "released"),
            f"{name}: released, and billed",
        )
        # An answer that was kept serves all who do not ask for a new one, unless nobody saw it.
        again = 0
        for question in self.questions_of(number):
            good = sum(is_kept(call) for call in spent if self.is_about(call, question))
            wishes = sum(ask.wish is not None for ask in self.asks if ask.question == question)
            again += max(0, good - 1 - wishes)
        cut = sum(not is_answered(call) for call in spent)
        self.expect(again <= max(0, states["unknown"] - cut), f"{name}: paid {again} times too often")
        self.kept = getattr(self, "kept", set())
        if states["unknown"] == 0:
            self.kept |= {
                question for question in self.questions_of(number)
                if any(is_kept(call) and self.is_about(call, question) for call in spent)
            }

    def questions_of(self, number):
        return [index for index, one in enumerate(self.number_of) if one == number]

    def is_about(self, call, question):
        return call["parameters"] == self.people[question].question()

    def check_replies(self):
        settled = collections.Counter(
            row["trace_id"] for rows in self.rows for row in rows if row["state"] == "settled"
        )
        payers = collections.Counter()
        for ask in self.asks:
            name = f"question {ask.question} at replica {ask.replica}"
            if ask.broken is not None:
                self.expect(ask.excused, f"{name}: left alone ({ask.broken})")
            if ask.reply is None:
                continue
            reply = ask.reply
            if reply.status != 200:
                allowed = TOLD.get(reply.code, set())
                self.expect(
                    reply.json.get("billed") in allowed, f"{name}: {reply.status} {reply.code}"
                )
                continue
            source = reply.json["source"]
            self.expect(source in ("upstream", "cache", "guard"), f"{name}: from {source}")
            if source == "guard":
                continue
            trace = reply.json["traceId"]
            self.expect(settled[trace] == 1, f"{name}: {settled[trace]} settled rows of its answer")
            payers[trace] += reply.json["billed"] is True
            if reply.json["status"] in ("01", "02"):
                self.kept.add(ask.question)
        self.expect(max(payers.values(), default=0) <= 1, "one call, billed to two")

    def check_known(self, question):
        """A paid answer is known everywhere, and it is the same one."""
        if question not in self.kept:
            return
        person = self.people[question]

        def agree():
            replies = [
                server.ask(person, "only-if-cached", headers=bearer(self.keys[0]))
                for server in self.replicas for _ in range(3)
            ]
            return (
                all(reply.status == 200 for reply in replies)
                and len({reply.json["traceId"] for reply in replies}) == 1
            )

        try:
            wait_until(agree, 3, "agreement")
        except AssertionError:
            self.violations.append(f"question {question}: the replicas do not agree on what is known")

    def check_probe(self, number):
        """Is a number that was left open open, and a closed one closed?"""
        states = self.states(number)
        closed = states["settled"] + states["unknown"] >= MAX_CALLS or any(
            row["status"] == "203" for row in self.rows[number]
        )
        replica = self.chance.randrange(REPLICAS)

        def ask():
            """On a busy machine Redis may stand still for longer than it is waited for."""
            reply = self.replicas[replica].ask(self.probes[number], headers=bearer(self.keys[0]))
            return reply if reply.code != "store_unavailable" else None

        try:
            reply = wait_until(ask, QUIET, "the store")
        except AssertionError:
            self.violations.append(f"number {number}: replica {replica} has no store any more")
            return
        told = reply.json.get("source", reply.code)
        self.expect(
            told == ("guard" if closed else "upstream"),
            f"number {number} is {'closed' if closed else 'open'}, but replica {replica}: {told}",
        )


def is_answered(call):
    """Did the sandbox's reply arrive whole?"""
    return call["http"] != 0 and not (call["behaviour"] or "").startswith("cut")


def is_kept(call):
    return (
        is_answered(call) and call["http"] == 200 and call["status"] in ("01", "02")
        and not (call["behaviour"] or "").startswith("reply")
    )
