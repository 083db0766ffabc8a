#include "command/ledger_table.h"

/* Times come in China's, with milliseconds. */
const struct table_column ledger_columns[] = {
    {"TIME", "time", TABLE_TEXT, 29},
    {"STATE", "state", TABLE_TEXT, 8},
    {"STATUS", "status", TABLE_TEXT, 6},
    {"BILLED", "billed", TABLE_TEXT, 6},
    {"MS", "latencyMs", TABLE_NUMBER, 6},
    {"CLIENT", "client", TABLE_TEXT, 16},
    {"KEY", "credential", TABLE_TEXT, 8},
    {"PACKAGE", "package", TABLE_TEXT, 10},
    {"NUMBER", "number", TABLE_TEXT, 16},
    {"TRACE ID", "traceId", TABLE_TEXT, 12},
    {0},
};

bool ledger_table_print(void *arg, struct json_span row) {
    struct ledger_table *table = arg;
    if (table->lines++ == 0)
        table_print_titles(table->columns, stdout);
    return table_print_line(table->columns, row, stdout);
}
