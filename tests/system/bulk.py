"""Batches for the tests: POST /verify/batch, and what came back of it by the lines that asked.

    told = ask_batch(server, [{"id": "a", **person.question()}, "{"])
    assert told[1]["result"] == "match" and told[2]["error"]["code"] == "malformed_request"
"""

import json

from harness import BATCH, note

NDJSON = [("Content-Type", "application/x-ndjson")]


def questions(people):
    """Their lines; the id of each is its place."""
    for person in people:
        note(person)
    return [{"id": index, **person.question()} for index, person in enumerate(people)]


def body_of(lines):
    """`lines` are objects, or text that is sent as it stands."""
    texts = [line if isinstance(line, str) else json.dumps(line, ensure_ascii=False) for line in lines]
    return "".join(text + "\n" for text in texts).encode("utf-8", "surrogateescape")


class Told:
    """A whole reply: told[N] is what line N was told, in the order in which it came."""

    def __init__(self, reply):
        assert reply.status == 200, f"{reply}"
        *lines, self.end = reply.json
        self.by_line = {line["line"]: line for line in lines}

    def __getitem__(self, number):
        return self.by_line[number]

    def __len__(self):
        return len(self.by_line)

    def codes(self):
        """Of the lines that failed, by number."""
        return {number: line["error"]["code"] for number, line in self.by_line.items() if "error" in line}

    def count(self, code):
        return list(self.codes().values()).count(code)


def send_batch(connection, lines, headers=()):
    connection.send("POST", BATCH, [*NDJSON, *headers], body_of(lines))


def send_chunked(connection, lines, headers=()):
    """As one does who does not know how many there will be."""
    head = ["POST /verify/batch HTTP/1.1", "Host: sanyao.test", "Transfer-Encoding: chunked"]
    head += [f"{key}: {value}" for key, value in [*NDJSON, *headers]]
    chunks = [body_of([line]) for line in lines]
    data = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    connection.send_raw("\r\n".join(head).encode() + b"\r\n\r\n" + data + b"0\r\n\r\n", "POST", BATCH)


def post_batch(server, lines, headers=(), timeout=60):
    """The reply, whatever it says."""
    with server.connect(timeout) as connection:
        send_batch(connection, lines, headers)
        return connection.read()


def ask_batch(server, lines, headers=(), timeout=60):
    return Told(post_batch(server, lines, headers, timeout))
