#include "http/audit_routes.h"

#include <stdlib.h>
#include <string.h>

#include "http/admin.h"
#include "http/problem.h"
#include "money/alert.h"

#define LINES_USUAL 100

struct audit {
    struct store_read_audit read; /* first: what the store gives back */
    struct request *request;
    struct service *service;
};

/* The line's number, then what it says. NULL without memory, or where it is no object. */
static cJSON *show_line(const struct store_audit_line *line) {
    cJSON *shown = cJSON_Parse(line->body_owned);
    cJSON *number = cJSON_CreateNumber((double)line->line);
    if (cJSON_IsObject(shown) && number != NULL) {
        cJSON_AddItemToObject(shown, "line", number);
        return shown;
    }
    cJSON_Delete(shown);
    cJSON_Delete(number);
    return NULL;
}

static void on_read(struct store_op *op) {
    struct audit *audit = (struct audit *)op;
    struct store_read_audit *read = &audit->read;
    admin_waited(audit->service);
    if (read->outcome != STORE_DONE) {
        admin_refuse(audit->request, PROBLEM_STORE_UNAVAILABLE, "The audit cannot be read now.");
        return;
    }
    cJSON *json = cJSON_CreateObject();
    cJSON *lines = cJSON_AddArrayToObject(json, "lines");
    for (int i = 0; i < read->count; i++) {
        cJSON *line = show_line(&read->lines_owned[i]);
        if (line != NULL)
            cJSON_AddItemToArray(lines, line);
    }
    store_audit_free(read->lines_owned, read->count);
    admin_answer(audit->request, MHD_HTTP_OK, json);
}

/* A parameter's number; `usual` where it is not given. False: it is none from 0 to `most`. */
static bool read_number(const struct request *request, const char *name, int64_t usual,
                        int64_t most, int64_t *number) {
    const char *text =
        MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, name);
    *number = usual;
    if (text == NULL)
        return true;
    size_t size = strlen(text);
    if (size == 0 || size > 15 || strspn(text, "0123456789") != size)
        return false;
    *number = strtoll(text, NULL, 10);
    return *number <= most;
}

void audit_get(struct request *request, struct service *service) {
    int64_t after = 0;
    int64_t limit = 0;
    if (!admin_begin(request, service))
        return;
    if (!read_number(request, "after", -1, INT64_MAX, &after) ||
        !read_number(request, "limit", LINES_USUAL, STORE_AUDIT_MOST, &limit) || limit == 0) {
        admin_refuse(request, PROBLEM_MALFORMED_REQUEST,
                     "The parameter \"after\" must be a line's number, and \"limit\" 1 to 256.");
        return;
    }
    struct audit *audit = admin_work(request, sizeof *audit);
    if (audit == NULL)
        return;
    audit->request = request;
    audit->service = service;
    audit->read.op.done = on_read;
    audit->read.newest = after < 0;
    audit->read.after = after < 0 ? 0 : after;
    audit->read.most = (int)limit;
    admin_wait(service);
    store_read_audit(service->store_client, &audit->read);
}

static void show_alert(void *arg, const struct store_document *document) {
    cJSON *shown = alert_show(document->body_owned);
    if (shown != NULL)
        cJSON_AddItemToArray(arg, shown);
}

void alerts_get(struct request *request, struct service *service) {
    if (!admin_begin(request, service))
        return;
    cJSON *json = cJSON_CreateObject();
    cJSON *alerts = cJSON_AddArrayToObject(json, "alerts");
    directory_each(service->directory, STORE_ALERT, show_alert, alerts);
    admin_answer(request, MHD_HTTP_OK, json);
}
