-- Schema version 4: a provider's own window of a number, by its name; '': the built-in one.

ALTER TABLE ledger ADD COLUMN number_window TEXT NOT NULL DEFAULT '';

-- The same, by number and window.
DROP INDEX closed_numbers_by_end;
ALTER TABLE closed_numbers RENAME TO closed_numbers_3;

CREATE TABLE closed_numbers (
    number        BLOB    NOT NULL CHECK (length(number) = 16),
    number_window TEXT    NOT NULL,
    until_ms      INTEGER NOT NULL,
    PRIMARY KEY (number, number_window)
) STRICT, WITHOUT ROWID;

INSERT INTO closed_numbers (number, number_window, until_ms)
    SELECT number, '', until_ms FROM closed_numbers_3;
DROP TABLE closed_numbers_3;

CREATE INDEX closed_numbers_by_end ON closed_numbers (until_ms);
