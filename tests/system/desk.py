"""The operator's desk: clients and packages through the admin API of one server, for tests that need some.

What the API itself does is told by test_admin_*.py.
"""

import json

from harness import Connection, Needlework

JSON = [("Content-Type", "application/json")]


class Desk:
    def __init__(self, server):
        self.server = server

    def send(self, method, path, body=None, headers=()):
        """One reply of the admin API, whatever it says."""
        data = None if body is None else json.dumps(body).encode()
        kind = JSON if body is not None else []
        with Connection(self.server.admin_port, "admin") as connection:
            return connection.request(
                method, "/admin/v1/" + path, [*self.server.bearer(), *kind, *headers], data
            )

    def do(self, method, path, body=None, headers=()):
        """The body of a good reply."""
        reply = self.send(method, path, body, headers)
        assert 200 <= reply.status < 300, f"{method} {path}: {reply.status} {reply.code}"
        return reply.json

    def add_client(self, name, /, **wish):
        """The new client's key."""
        key = self.do("POST", "clients", {"id": name, **wish})["key"]
        Needlework.write("key", key)
        return key

    def set_client(self, name, /, **wish):
        return self.do("PATCH", "clients/" + name, wish)

    def rotate(self, name, /, **wish):
        key = self.do("POST", f"clients/{name}/keys", wish)["key"]
        Needlework.write("key", key)
        return key

    def remove_client(self, name):
        assert self.send("DELETE", "clients/" + name).status == 204

    def usage(self, name):
        """What the client has used: {"day": …, "month": …}."""
        return self.do("GET", "clients/" + name)["usage"]

    def add_package(self, name, calls, price=1, /, **wish):
        return self.do("POST", "packages", {"id": name, "calls": calls, "priceCny": price, **wish})

    def set_package(self, name, /, **wish):
        return self.do("PATCH", "packages/" + name, wish)

    def packages(self):
        return {package["id"]: package for package in self.do("GET", "packages")["packages"]}

    def balance(self):
        return self.do("GET", "balance")


def start_on_either(request, start, **settings):
    """For a fixture with the parameters "sqlite" and "redis": a server on that store, ready."""
    if request.param == "sqlite":
        return start(**settings)
    started = start(redis=request.getfixturevalue("redis"), **settings)
    started.wait_until_ready()
    return started


def bearer(key):
    """The headers of a caller with this key."""
    return [("Authorization", "Bearer " + key)]


def counts(row):
    """Does a ledger row (as harness.rows gives it) count as used?"""
    if row["state"] in ("reserved", "unknown"):
        return True
    return row["state"] == "settled" and row["billed"] == 1


def used_by(rows, column):
    """How many of the rows count, by the column's value."""
    used = {}
    for row in rows:
        if counts(row):
            used[row[column]] = used.get(row[column], 0) + 1
    return used
