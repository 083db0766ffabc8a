-- The journal, schema version 1: one line for every call that this process intended to make.
-- sqlite_file.c runs it and sets the version and the application id.

-- `line` ascends in the order in which intents were written and is never used again. The id is a UUID
-- of version 7, which tells when the call was reserved. `state` is 'reserved' until the outcome was
-- written; what belongs to the outcome means nothing before. `billed` is 0, 1, or NULL where nobody
-- knows. `failure` is the number of core/failure.h. `answer` is the encoded answer (core/answer.h); it
-- is NULL where there is none, and some time after it was delivered. `delivered` is 0 until the shared
-- store has the call, then a number that grows with each delivery.
CREATE TABLE calls (
    line          INTEGER PRIMARY KEY AUTOINCREMENT,
    id            BLOB    NOT NULL UNIQUE CHECK (length(id) = 16),
    triple        BLOB    NOT NULL CHECK (length(triple) = 16),
    number        BLOB    NOT NULL CHECK (length(number) = 16),
    client        TEXT    NOT NULL,
    credential    TEXT    NOT NULL,
    package       TEXT,
    state         TEXT    NOT NULL CHECK (state IN ('reserved', 'settled', 'released', 'unknown')),
    billed        INTEGER CHECK (billed IN (0, 1)),
    http_status   INTEGER,
    status        TEXT,
    trace_id      TEXT,
    latency_ms    INTEGER,
    settled_at_ms INTEGER,
    keep          INTEGER NOT NULL DEFAULT 0 CHECK (keep IN (0, 1)),
    answer        BLOB,
    retain_until  INTEGER NOT NULL DEFAULT 0,
    close_ms      INTEGER NOT NULL DEFAULT 0,
    failure       INTEGER NOT NULL DEFAULT 0,
    delivered     INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Calls under way, so that those a crash left are found without reading every line; calls that wait
-- to be delivered; delivered ones by their time, for the sweep and for delivering them again, and in
-- the order in which they were; and those whose answer is still to be dropped.
CREATE INDEX calls_open ON calls (line) WHERE state = 'reserved';
CREATE INDEX calls_undelivered ON calls (line) WHERE delivered = 0 AND state <> 'reserved';
CREATE INDEX calls_delivered ON calls (id) WHERE delivered > 0;
CREATE INDEX calls_order ON calls (delivered) WHERE delivered > 0;
CREATE INDEX calls_answers ON calls (id) WHERE answer IS NOT NULL AND delivered > 0;
