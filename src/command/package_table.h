#pragma once
/*
 * package_table: packages as `package` and `balance` show them.
 */
#include "command/table.h"

extern const struct table_column package_columns[];
