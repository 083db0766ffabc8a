#include "http/ledger_query.h"

#include <string.h>

#include "runtime/civil.h"

#define DAY_MS          (INT64_C(24) * 60 * 60 * 1000)
#define DEFAULT_SPAN_MS DAY_MS

/* No clock of a replica is further ahead. What lies beyond is not looked through: a shared store
 * takes a step for every week. */
#define SKEW_MS DAY_MS

/* Each fills its member, and is false for a value that it does not know. */

static bool take_from(struct ledger_query *query, const char *value, size_t size) {
    return civil_parse(value, size, &query->from_ms);
}

static bool take_to(struct ledger_query *query, const char *value, size_t size) {
    return civil_parse(value, size, &query->to_ms);
}

static bool take_state(struct ledger_query *query, const char *value, size_t size) {
    (void)size;
    for (int state = 0; state < LEDGER_STATES; state++) {
        if (strcmp(ledger_state_name[state], value) == 0)
            query->state = state;
    }
    return query->state >= 0;
}

static bool take_client(struct ledger_query *query, const char *value, size_t size) {
    if (size >= sizeof query->client)
        return false;
    memcpy(query->client, value, size + 1);
    return true;
}

static bool take_status(struct ledger_query *query, const char *value, size_t size) {
    if (size >= sizeof query->status)
        return false;
    memcpy(query->status, value, size + 1);
    return true;
}

static bool take_package(struct ledger_query *query, const char *value, size_t size) {
    if (size >= sizeof query->package)
        return false;
    memcpy(query->package, value, size + 1);
    return true;
}

static bool take_credential(struct ledger_query *query, const char *value, size_t size) {
    if (size >= sizeof query->credential)
        return false;
    memcpy(query->credential, value, size + 1);
    return true;
}

static bool take_counted(struct ledger_query *query, const char *value, size_t size) {
    (void)size;
    query->counted = strcmp(value, "true") == 0;
    return query->counted || strcmp(value, "false") == 0;
}

static bool take_window(struct ledger_query *query, const char *value, size_t size) {
    (void)size;
    query->windows = strcmp(value, "10m") == 0;
    return query->windows;
}

static bool take_format(struct ledger_query *query, const char *value, size_t size) {
    (void)size;
    query->format = strcmp(value, "ndjson") == 0 ? EXPORT_NDJSON : EXPORT_CSV;
    return query->format == EXPORT_NDJSON || strcmp(value, "csv") == 0;
}

static bool take_bom(struct ledger_query *query, const char *value, size_t size) {
    (void)size;
    query->bom = strcmp(value, "1") == 0;
    return query->bom || strcmp(value, "0") == 0;
}

enum parameter {
    FROM,
    TO,
    STATE,
    CLIENT,
    STATUS,
    PACKAGE,
    CREDENTIAL,
    COUNTED,
    WINDOW,
    FORMAT,
    BOM,
    PARAMETERS
};

static const struct {
    const char *name;
    bool (*take)(struct ledger_query *query, const char *value, size_t size);
    const char *wanted;
} parameters[PARAMETERS] = {
    [FROM] = {"from", take_from, "a date (2026-11-24) or a time (2026-11-24T10:00:00+08:00)"},
    [TO] = {"to", take_to, "a date (2026-11-24) or a time (2026-11-24T10:00:00+08:00)"},
    [STATE] = {"state", take_state, "reserved, settled, released or unknown"},
    [CLIENT] = {"client", take_client, "a client's id"},
    [STATUS] = {"status", take_status, "a status of the seller's, such as 01"},
    [PACKAGE] = {"package", take_package, "a package's id"},
    [CREDENTIAL] = {"credential", take_credential, "a credential's id"},
    [COUNTED] = {"counted", take_counted, "true or false"},
    [WINDOW] = {"window", take_window, "10m"},
    [FORMAT] = {"format", take_format, "csv or ndjson"},
    [BOM] = {"bom", take_bom, "1 or 0"},
};

void ledger_query_begin(struct ledger_query *query) {
    *query = (struct ledger_query){.state = -1};
}

bool ledger_query_add(struct ledger_query *query, const char *name, const char *value, size_t size,
                      struct complaint *complaint) {
    int i = 0;
    while (i < PARAMETERS && strcmp(parameters[i].name, name) != 0)
        i++;
    if (i == PARAMETERS)
        return complain(complaint,
                        "There is an unknown parameter: only from, to, state, client, "
                        "status, package, credential, counted, window, format and bom are known.");
    if (query->seen & 1u << i)
        return complain(complaint, "The parameter \"%s\" is given more than once.", name);
    query->seen |= 1u << i;
    bool is_text = size > 0 && memchr(value, 0, size) == NULL;
    return (is_text && parameters[i].take(query, value, size)) ||
           complain(complaint, "The parameter \"%s\" must be %s.", name, parameters[i].wanted);
}

bool ledger_query_end(struct ledger_query *query, int64_t now_ms, struct complaint *complaint) {
    if (!(query->seen & 1u << TO))
        query->to_ms = now_ms;
    if (!(query->seen & 1u << FROM))
        query->from_ms = query->to_ms - DEFAULT_SPAN_MS;
    if (query->from_ms >= query->to_ms)
        return complain(complaint, "The parameter \"from\" must be before \"to\" (now, when none "
                                   "is given).");
    int64_t latest_ms = now_ms + SKEW_MS;
    if (query->to_ms > latest_ms)
        query->to_ms = latest_ms > query->from_ms ? latest_ms : query->from_ms;
    if (query->bom && query->format != EXPORT_CSV)
        return complain(complaint, "The parameter \"bom\" goes with the format csv only.");
    return true;
}

bool ledger_query_wants(const struct ledger_query *query, const struct store_row *row) {
    if (query->state >= 0 && row->outcome.state != (enum ledger_state)query->state)
        return false;
    if (query->client[0] != '\0' && strcmp(query->client, row->account.client_id) != 0)
        return false;
    if (query->package[0] != '\0' && strcmp(query->package, row->account.package) != 0)
        return false;
    if (query->credential[0] != '\0' && strcmp(query->credential, row->account.credential) != 0)
        return false;
    if (query->counted && !ledger_counts(&row->outcome))
        return false;
    return query->status[0] == '\0' ||
           (row->ended && strcmp(query->status, row->outcome.status) == 0);
}
