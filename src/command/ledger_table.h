#pragma once
/*
 * ledger_table: rows of the ledger on a terminal, printed as they come.
 */
#include <stdbool.h>

#include "command/table.h"

extern const struct table_column ledger_columns[];

struct ledger_table {
    const struct table_column *columns;
    long long lines;
};

/* A lines_line; `arg` is a struct ledger_table. The titles stand above the first. */
bool ledger_table_print(void *arg, struct json_span row);
