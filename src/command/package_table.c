#include "command/package_table.h"

const struct table_column package_columns[] = {
    {"PACKAGE", "id", TABLE_TEXT, 0},        {"CREDENTIAL", "credential", TABLE_TEXT, 0},
    {"STATE", "state", TABLE_TEXT, 0},       {"CALLS", "calls", TABLE_NUMBER, 0},
    {"USED", "used", TABLE_NUMBER, 0},       {"LEFT", "left", TABLE_NUMBER, 0},
    {"CNY", "priceCny", TABLE_NUMBER, 0},    {"PURCHASED", "purchasedAt", TABLE_TIME, 0},
    {"EXPIRES", "expiresAt", TABLE_TIME, 0}, {0},
};
