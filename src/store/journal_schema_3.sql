-- The journal, schema version 3: in which of the number's windows a call counts, '': the built-in one;
-- and whether its lease is held for the next call: then a delivery leaves the lease where it is.

ALTER TABLE calls ADD COLUMN number_window TEXT NOT NULL DEFAULT '';
ALTER TABLE calls ADD COLUMN held INTEGER NOT NULL DEFAULT 0 CHECK (held IN (0, 1));
