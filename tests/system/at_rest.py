"""Searches what a run left behind for the people and secrets it used.

Every value is looked for in clear text and in the forms in which it could have slipped out: URL-encoded
(once and twice), JSON-escaped, GBK, base64 of the clear text, and as an unkeyed MD5, SHA-1 or SHA-256 in
hexadecimal, base64 or raw bytes. Digests are looked for by their first eight bytes, so that a truncated
one is found, too. The search itself is grep's, over the hexadecimal form of each file.

A finding names the file, the kind of value and the form; never the value.
"""

import base64
import bisect
import concurrent.futures
import hashlib
import json
import os
import subprocess
import tempfile
import urllib.parse

DIGEST_PREFIX = 8  # bytes
LEAST = 6  # bytes of a form; a shorter one (of a name of one character, say) is found by chance


def clear_forms(value):
    raw = value.encode()
    yield "clear", raw
    once = urllib.parse.quote(value, safe="")
    if once != value:
        twice = urllib.parse.quote(once, safe="")
        escaped = json.dumps(value)[1:-1]
        yield "url-encoded", once.encode()
        yield "url-encoded", once.lower().encode()
        yield "url-encoded twice", twice.encode()
        yield "url-encoded twice", twice.lower().encode()
        yield "json-escaped", escaped.encode()
        yield "json-escaped", escaped.replace("\\u", "\0").upper().replace("\0", "\\u").encode()
        yield "utf-16", value.encode("utf-16-le")
        try:
            yield "gbk", value.encode("gb18030")
        except UnicodeEncodeError:
            pass


def base64_forms(raw):
    """What every base64 text that holds `raw` at some place must hold."""
    for shift in range(3):
        text = base64.b64encode(b"\0" * shift + raw)
        begin = (shift * 8 + 5) // 6
        end = (shift + len(raw)) * 8 // 6
        yield "base64", text[begin:end]
        yield "base64url", text[begin:end].replace(b"+", b"-").replace(b"/", b"_")


def digest_forms(raw):
    for name in ("md5", "sha1", "sha256"):
        digest = hashlib.new(name, raw).digest()
        prefix = digest[:DIGEST_PREFIX]
        text = base64.b64encode(digest)[: DIGEST_PREFIX * 8 // 6]
        yield name + " raw", prefix
        yield name + " hex", prefix.hex().encode()
        yield name + " HEX", prefix.hex().upper().encode()
        yield name + " base64", text
        yield name + " base64url", text.replace(b"+", b"-").replace(b"/", b"_")


def forms(value):
    """(form, bytes) for everything that would give the value away."""
    for spelling in dict.fromkeys((value, value.lower())):
        yield from clear_forms(spelling)
        yield from base64_forms(spelling.encode())
        yield from digest_forms(spelling.encode())


def secret_forms(value):
    """A secret may be hexadecimal: then its bytes are the secret."""
    yield from forms(value)
    try:
        raw = bytes.fromhex(value)
    except ValueError:
        return
    yield "raw", raw
    yield from base64_forms(raw)


def key_forms(value):
    """Of a client's key the store has the SHA-256 in small letters, by which it is known. One whose first
    digits have no letters looks the same in capitals, so it is left out by what it is."""
    known = hashlib.sha256(value.encode()).hexdigest()[: 2 * DIGEST_PREFIX].encode()
    return ((form, raw) for form, raw in secret_forms(value) if raw != known)


class Needles:
    def __init__(self):
        self.by_hex = {}
        self.added = set()

    def add(self, kind, value, forms_of=forms):
        if len(value.encode()) < LEAST or (kind, value) in self.added:
            return
        self.added.add((kind, value))
        for form, raw in forms_of(value):
            if len(raw) >= LEAST:
                self.by_hex.setdefault(raw.hex(), (kind, form))

    def add_person(self, person):
        self.add("name", person["name"])
        self.add("idCard", person["idCard"])
        self.add("mobile", person["mobile"])

    def add_secret(self, value):
        self.add("secret", value, secret_forms)

    def add_key(self, value):
        self.add("key", value, key_forms)

    def search(self, paths):
        """Sorted [(path, kind, form)] of what was found, each once a file."""
        cores = os.cpu_count() or 1
        with tempfile.NamedTemporaryFile("w", prefix="needles-") as patterns:
            patterns.write("\n".join(self.by_hex))
            patterns.flush()
            with concurrent.futures.ThreadPoolExecutor(cores) as pool:
                found = pool.map(
                    lambda some: self.search_some(patterns.name, some),
                    [paths[core::cores] for core in range(cores)],
                )
                return sorted(set().union(*found))

    def search_some(self, patterns, paths):
        begins, lines, size = [], [], 0
        for path in paths:
            with open(path, "rb") as file:
                lines.append(file.read().hex() + "\n\n")  # an even length: bytes begin at even places
            begins.append(size)
            size += len(lines[-1])
        return {
            (paths[bisect.bisect(begins, place) - 1], *hit)
            for place, hit in self.hits(patterns, "".join(lines))
        }

    def hits(self, patterns, content):
        """(place, (kind, form)) of each match. One that begins in the middle of a byte is none, but
        it may hide one that is: after such a match the search goes on half a byte later."""
        begin = 0
        while begin < len(content):
            run = subprocess.run(
                ["grep", "--only-matching", "--byte-offset", "--fixed-strings", "-f", patterns],
                input=content[begin:].encode(), stdout=subprocess.PIPE, check=False,
                env={**os.environ, "LC_ALL": "C"},
            )
            if run.returncode > 1:
                raise RuntimeError("grep failed")
            begin, last = len(content), begin
            for line in run.stdout.decode().splitlines():
                offset, text = line.split(":", 1)
                place = last + int(offset)
                if place % 2 == 1:
                    begin = place + 1
                    break
                yield place, self.by_hex[text]
