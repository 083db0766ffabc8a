-- Schema version 3: money: documents, the audit, counters (store/records.h).

-- The highest version of all is the store's. Rows are replaced, and never deleted.
CREATE TABLE documents (
    kind    TEXT    NOT NULL,
    id      TEXT    NOT NULL,
    version INTEGER NOT NULL CHECK (version > 0),
    body    TEXT    NOT NULL,
    PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX documents_by_version ON documents (version);

CREATE TABLE audit (
    line INTEGER PRIMARY KEY,
    body TEXT NOT NULL
) STRICT;

-- The ledger's sums, and hits. Those of the rows that are there already are made by
-- sqlite_counters.c, which knows the time zone: the mark says that it still has to.
CREATE TABLE counters (
    scope TEXT    NOT NULL,
    name  TEXT    NOT NULL,
    value INTEGER NOT NULL,
    PRIMARY KEY (scope, name)
) STRICT, WITHOUT ROWID;

INSERT INTO counters (scope, name, value) VALUES ('', 'uncounted', 1);

-- For forgetting what is known of a number.
CREATE INDEX answers_by_number ON answers (number);
