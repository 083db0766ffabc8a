-- The journal, schema version 2: the documents that this process saw in the shared store, or wrote
-- there, each in its newest version, so that a store that has lost them can be given them again.

CREATE TABLE documents (
    kind    TEXT    NOT NULL,
    id      TEXT    NOT NULL,
    version INTEGER NOT NULL CHECK (version > 0),
    body    TEXT    NOT NULL,
    PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;
