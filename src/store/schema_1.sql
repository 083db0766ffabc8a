-- The embedded store, schema version 1: answers and the ledger. sqlite_file.c runs the scripts from the
-- file's version on, in one transaction, and sets the version and the application id.

-- What the seller said, by the digest of the question. `value` is the encoded answer (core/answer.h);
-- what SQL must judge by stands beside it. Times are Unix seconds.
CREATE TABLE answers (
    triple       BLOB    NOT NULL PRIMARY KEY CHECK (length(triple) = 16),
    number       BLOB    NOT NULL CHECK (length(number) = 16),
    checked_at   INTEGER NOT NULL,
    retain_until INTEGER NOT NULL,
    value        BLOB    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX answers_by_end ON answers (retain_until);

-- One row for every reservation. The id is a UUID of version 7, so the table lies in order of time.
-- `settled_at_ms` is NULL until the call's outcome was written: a row is settled once. `billed` is
-- 0, 1, or NULL where nobody knows. `number` is the digest's first 8 bytes.
CREATE TABLE ledger (
    id             BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    reserved_at_ms INTEGER NOT NULL,
    settled_at_ms  INTEGER,
    client         TEXT    NOT NULL,
    credential     TEXT    NOT NULL,
    package        TEXT,
    state          TEXT    NOT NULL CHECK (state IN ('reserved', 'settled', 'released', 'unknown')),
    billed         INTEGER CHECK (billed IN (0, 1)),
    http_status    INTEGER,
    status         TEXT,
    latency_ms     INTEGER,
    trace_id       TEXT,
    number         BLOB    NOT NULL CHECK (length(number) = 8)
) STRICT, WITHOUT ROWID;

-- Holds only calls under way, so that those a crash left are found without reading the whole ledger.
CREATE INDEX ledger_reserved ON ledger (id) WHERE state = 'reserved';
