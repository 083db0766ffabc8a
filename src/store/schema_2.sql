-- Schema version 2: numbers that are left alone.

-- A number's window is read from the ledger itself. Calls that certainly never reached the seller do
-- not count.
CREATE INDEX ledger_by_number ON ledger (number, reserved_at_ms) WHERE state <> 'released';

-- Numbers that the seller answered 203 for: nothing is sent until then. Unix milliseconds.
CREATE TABLE closed_numbers (
    number   BLOB    NOT NULL PRIMARY KEY CHECK (length(number) = 16),
    until_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX closed_numbers_by_end ON closed_numbers (until_ms);

-- Whose number it is, by the last 01, as long as that is fresh (inference). Unix seconds.
CREATE TABLE owners (
    number     BLOB    NOT NULL PRIMARY KEY CHECK (length(number) = 16),
    triple     BLOB    NOT NULL CHECK (length(triple) = 16),
    checked_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX owners_by_end ON owners (expires_at);
