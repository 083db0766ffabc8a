/* health: is the running service ready? For a container's health check. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command/run.h"
#include "command/service_client.h"

#define TIMEOUT_MS 3000L
#define HTTP_OK    200

enum { LIVE, URL, OPTION_ROWS };

static const struct options_row option_rows[OPTION_ROWS] = {
    [LIVE] = {.name = "live", .help = "only whether the process is up (/healthz)"},
    [URL] = SERVICE_URL_ROW,
};

static const struct options_form form = {
    .command = "health",
    .about = "Says in a line whether the running service can answer (/readyz), within three "
             "seconds. As a\ncontainer's HEALTHCHECK: sanyao health\n",
    .rows = option_rows,
    .row_count = OPTION_ROWS,
    .exits = "3 it is not ready",
};

/* "store: …", of each check that is not ok. */
static void print_reasons(struct json_span checks) {
    struct json_member check;
    while (json_scan_member(&checks, &check)) {
        char *name = table_cell(TABLE_TEXT, check.name);
        char *found = table_cell(TABLE_TEXT, check.value);
        if (name != NULL && found != NULL && strcmp(found, "ok") != 0)
            printf("; %s: %s", name, found);
        free(name);
        free(found);
    }
}

static int print_health(const struct run *run, const struct service_ask *ask) {
    bool ready = ask->status == HTTP_OK;
    struct json_span body = service_ask_body(ask);
    if (run->options.json) {
        fwrite(body.at, 1, body.size, stdout);
    } else {
        fputs(!ready ? "not ready" : run->options.values[LIVE] != NULL ? "up" : "ready", stdout);
        print_reasons(json_scan_find(body, "checks"));
        putchar('\n');
    }
    return ready ? COMMAND_DONE : COMMAND_NEGATIVE;
}

/* Whatever has no status is somebody else's. */
static bool is_ours(const struct service_ask *ask) {
    char status[16];
    service_ask_text(ask, "status", status, sizeof status);
    return status[0] != '\0';
}

static int ask_service(struct run *run, const struct service_client *client) {
    const struct service_request request = {
        .path = run->options.values[LIVE] != NULL ? "/healthz" : "/readyz",
        .timeout_ms = TIMEOUT_MS,
    };
    struct service_ask ask = {0};
    int code = COMMAND_FAILED;
    if (service_ask_perform(&ask, client, &request, &run->complaint) == SERVICE_REPLIED) {
        if (is_ours(&ask))
            code = print_health(run, &ask);
        else
            service_complain(&ask, &run->complaint);
    }
    service_ask_free(&ask);
    return code;
}

static int health(struct run *run) {
    struct service_client client;
    if (!service_client_find(&client, run->config, run->options.values[URL], &run->complaint))
        return COMMAND_FAILED;
    int code = ask_service(run, &client);
    service_client_free(&client);
    return code;
}

int command_health(int argc, char **argv) {
    return run_command(&form, argc, argv, health);
}
