-- The journal, schema version 4: each line is written as cheaply as can be, for a call writes its line
-- three times. So of five partial indexes none is left. What they led to is near the newest line, and
-- `floors` says how far back it can be.

-- As before, but for `line`, which the program counts, and for `room`: bytes that an intent brings so
-- that its outcome fits in their place, and no page must be split for it. The checks are the program's.
CREATE TABLE calls_4 (
    line          INTEGER PRIMARY KEY,
    id            BLOB    NOT NULL,
    triple        BLOB    NOT NULL,
    number        BLOB    NOT NULL,
    client        TEXT    NOT NULL,
    credential    TEXT    NOT NULL,
    package       TEXT,
    number_window TEXT    NOT NULL,
    state         TEXT    NOT NULL,
    delivered     INTEGER NOT NULL DEFAULT 0,
    held          INTEGER NOT NULL DEFAULT 0,
    billed        INTEGER,
    http_status   INTEGER,
    status        TEXT,
    trace_id      TEXT,
    latency_ms    INTEGER,
    settled_at_ms INTEGER,
    keep          INTEGER NOT NULL DEFAULT 0,
    answer        BLOB,
    retain_until  INTEGER NOT NULL DEFAULT 0,
    close_ms      INTEGER NOT NULL DEFAULT 0,
    failure       INTEGER NOT NULL DEFAULT 0,
    room          BLOB
) STRICT;

INSERT INTO calls_4 (line, id, triple, number, client, credential, package, number_window, state,
                     delivered, held, billed, http_status, status, trace_id, latency_ms,
                     settled_at_ms, keep, answer, retain_until, close_ms, failure)
SELECT line, id, triple, number, client, credential, package, number_window, state, delivered, held,
       billed, http_status, status, trace_id, latency_ms, settled_at_ms, keep, answer, retain_until,
       close_ms, failure
FROM calls ORDER BY line;

DROP TABLE calls;
ALTER TABLE calls_4 RENAME TO calls;
CREATE UNIQUE INDEX calls_id ON calls (id);

-- Every line before `line` has ended and is delivered; no line whose id is before `answers` has an
-- answer. Both may be lower than they could be, which costs some reading, and never higher.
CREATE TABLE floors (
    one     INTEGER PRIMARY KEY CHECK (one = 1),
    line    INTEGER NOT NULL,
    answers BLOB    NOT NULL
) STRICT;
INSERT INTO floors VALUES (1, 0, zeroblob(16));
