#include "http/metrics_route.h"

#include <stdlib.h>
#include <string.h>

#include "core/verdict.h"
#include "http/inquiry.h"
#include "http/measure.h"
#include "http/response.h"
#include "http/system_routes.h"
#include "money/alert.h"
#include "runtime/clock.h"
#include "runtime/log.h"
#include "runtime/process_metrics.h"
#include "upstream/tally.h"

/* The longest piece: a client's cells, all of them counted. */
#define PIECE_SIZE ((size_t)128 * 1024)

/* A scrape under way. */
struct page {
    struct service *service;
    int part;    /* of the table below */
    int at;      /* within the part */
    size_t sent; /* of `text` */
    struct text text;
    uint64_t cells[METRICS_REQUEST_CELLS];
    char bytes[PIECE_SIZE];
};

/* Writes a piece; is it the part's last one? `page->at` counts the pieces. */
typedef bool (*writer)(struct page *page);

/* --- what is counted by client and by credential --- */

static void add_request(struct page *page, int cell) {
    struct measure_labels labels;
    if (page->cells[cell] == 0 || !measure_read_cell(cell, &labels))
        return;
    text_add(&page->text, "sanyao_requests_total{");
    metrics_print_label("client", metrics_client_name(page->at), &page->text);
    text_addf(&page->text, ",route=\"%s\",result=\"%s\",source=\"%s\"} %llu\n", labels.route,
              labels.result, labels.source, (unsigned long long)page->cells[cell]);
}

static bool add_requests(struct page *page) {
    if (page->at == 0)
        metrics_print_head("sanyao_requests_total", "counter",
                           "Questions answered or refused, by client, route, result and where the "
                           "answer came from",
                           &page->text);
    bool any = metrics_sum_requests(page->service->metrics, page->at, page->cells);
    for (int cell = 0; any && cell < METRICS_REQUEST_CELLS; cell++)
        add_request(page, cell);
    return page->at + 1 >= metrics_clients();
}

static void add_call(struct page *page, int cell) {
    struct tally_labels labels;
    if (page->cells[cell] == 0 || !tally_read_cell(cell, &labels))
        return;
    text_add(&page->text, "sanyao_upstream_calls_total{");
    metrics_print_label("credential", metrics_credential_name(page->at), &page->text);
    text_addf(&page->text, ",status=\"%s\",billed=\"%s\"} %llu\n", labels.status, labels.billed,
              (unsigned long long)page->cells[cell]);
}

static bool add_calls(struct page *page) {
    if (page->at == 0)
        metrics_print_head("sanyao_upstream_calls_total", "counter",
                           "Calls to upstream, by whose AppCode they bore, what came of them, and "
                           "whether they were billed",
                           &page->text);
    bool any = metrics_sum_calls(page->service->metrics, page->at, page->cells);
    for (int cell = 0; any && cell < METRICS_CALL_CELLS; cell++)
        add_call(page, cell);
    return page->at + 1 >= metrics_credentials();
}

static bool add_upstream_seconds(struct page *page) {
    if (page->at == 0)
        metrics_print_head(METRICS_UPSTREAM_SECONDS, "histogram",
                           "Calls that were sent, by whose AppCode they bore", &page->text);
    metrics_print_upstream_seconds(page->service->metrics, page->at, &page->text);
    return page->at + 1 >= metrics_credentials();
}

static bool add_durations(struct page *page) {
    metrics_print_request_seconds(page->service->metrics, source_name, &page->text);
    metrics_print_store_seconds(page->service->metrics, store_op_name, store_op_names, &page->text);
    return true;
}

static bool add_counts(struct page *page) {
    metrics_print_counters(page->service->metrics, &page->text);
    metrics_print_gauges(page->service->metrics, &page->text);
    return true;
}

/* --- what is bought --- */

static bool is_in_force(const struct service *service, const struct package *package) {
    return !package->removed &&
           (package->expires_at_ms == 0 || package->expires_at_ms > clock_unix_ms(service->clock));
}

static void add_package(struct page *page, const char *family, const struct package *package,
                        int64_t value) {
    text_addf(&page->text, "%s{", family);
    metrics_print_label("package", package->id, &page->text);
    text_add(&page->text, ",");
    metrics_print_label("credential", package->credential, &page->text);
    text_addf(&page->text, "} %lld\n", (long long)value);
}

/* One package after the other: there may be any number of them. */
static bool add_packages(struct page *page, const char *family, const char *help, bool remaining) {
    const struct directory *directory = page->service->directory;
    const struct directory_snapshot *snapshot = directory_now(directory);
    if (page->at == 0)
        metrics_print_head(family, "gauge", help, &page->text);
    if (page->at >= snapshot->package_count)
        return true;
    const struct package *package = &snapshot->packages[page->at];
    int64_t left = 0;
    bool looked = directory_package_left(directory, package, &left);
    if (looked && is_in_force(page->service, package))
        add_package(page, family, package, remaining ? left : package->calls);
    return page->at + 1 >= snapshot->package_count;
}

static bool add_packages_left(struct page *page) {
    return add_packages(page, "sanyao_package_calls_remaining",
                        "Calls that are left of a package in force, as last looked at", true);
}

static bool add_packages_bought(struct page *page) {
    return add_packages(page, "sanyao_package_calls",
                        "Calls that a package in force had when it "
                        "was bought",
                        false);
}

static bool add_balance(struct page *page) {
    const struct directory_snapshot *snapshot = directory_now(page->service->directory);
    bool unmetered = snapshot->version >= 0 && !directory_is_metered(snapshot);
    metrics_print_number("sanyao_balance_unmetered", "gauge",
                         "1: no package is registered, and nothing bounds what is spent", unmetered,
                         &page->text);
    return true;
}

/* --- how it goes --- */

static void count_firing(void *arg, const struct store_document *document) {
    int64_t *counts = arg;
    struct alert alert;
    if (alert_decode(document->body_owned, &alert) && alert.firing)
        counts[alert.kind]++;
}

static bool add_alerts(struct page *page) {
    static const char family[] = "sanyao_alerts_firing";
    int64_t counts[ALERT_KINDS] = {0};
    directory_each(page->service->directory, STORE_ALERT, count_firing, counts);
    metrics_print_head(family, "gauge", "Alerts that fire, of all processes on the store",
                       &page->text);
    for (int kind = 0; kind < ALERT_KINDS; kind++)
        text_addf(&page->text, "%s{kind=\"%s\"} %lld\n", family, alert_kind_name[kind],
                  (long long)counts[kind]);
    return true;
}

static bool add_state(struct page *page) {
    struct service *service = page->service;
    struct complaint unused;
    metrics_print_number("sanyao_ready", "gauge", "1: as /readyz says", system_is_ready(service),
                         &page->text);
    metrics_print_number("sanyao_store_up", "gauge", "1: the store takes calls",
                         store_ready(service->store, &unused), &page->text);
    metrics_print_number("sanyao_spill_settlements", "gauge",
                         "Ends of calls that wait here until the store takes them",
                         store_undelivered(service->store), &page->text);
    breaker_print(service->breakers, &page->text);
    log_print(&page->text);
    metrics_print_seconds("sanyao_clock_offset_seconds",
                          "How far this machine's clock is ahead of the time that is kept",
                          clock_apart_ms(), &page->text);
    metrics_print_seconds("sanyao_store_clock_offset_seconds",
                          "How far a shared store's clock is ahead of the time that is kept",
                          clock_store_apart_ms(), &page->text);
    return true;
}

static bool add_process(struct page *page) {
    metrics_print_head("sanyao_build_info", "gauge", "What runs", &page->text);
    text_add(&page->text, "sanyao_build_info{");
    metrics_print_label("version", SANYAO_VERSION, &page->text);
    text_add(&page->text, ",");
    metrics_print_label("microhttpd", MHD_get_version(), &page->text);
    text_add(&page->text, ",");
    metrics_print_label("libuv", uv_version_string(), &page->text);
    text_add(&page->text, "} 1\n");
    process_metrics_print(&page->text);
    return true;
}

static const writer parts[] = {
    add_requests,         add_durations,     add_counts,          add_calls,
    add_upstream_seconds, add_packages_left, add_packages_bought, add_balance,
    add_alerts,           add_state,         add_process,
};

#define PARTS ((int)(sizeof parts / sizeof parts[0]))

/* --- the reply --- */

/* False: that was all. */
static bool next_piece(struct page *page) {
    if (page->part == PARTS)
        return false;
    page->text = text_over(page->bytes, sizeof page->bytes);
    page->sent = 0;
    if (parts[page->part](page)) {
        page->part++;
        page->at = 0;
    } else {
        page->at++;
    }
    return true;
}

static ssize_t read_page(void *arg, uint64_t position, char *buffer, size_t room) {
    (void)position;
    struct page *page = arg;
    size_t size = 0;
    while (size < room && (page->sent < page->text.size || next_piece(page))) {
        size_t left = page->text.size - page->sent;
        size_t part = left < room - size ? left : room - size;
        memcpy(buffer + size, page->text.bytes + page->sent, part);
        page->sent += part;
        size += part;
    }
    return size > 0 ? (ssize_t)size : MHD_CONTENT_READER_END_OF_STREAM;
}

void metrics_get(struct request *request, struct service *service) {
    struct page *page = malloc(sizeof *page);
    if (page == NULL) {
        request_answer(request, MHD_HTTP_SERVICE_UNAVAILABLE, NULL);
        return;
    }
    page->service = service;
    page->part = 0;
    page->at = 0;
    page->sent = 0;
    page->text = text_over(page->bytes, sizeof page->bytes);
    struct MHD_Response *response = response_new_stream(
        request, "text/plain; version=0.0.4; charset=utf-8", read_page, page, free);
    if (response == NULL)
        free(page);
    request_answer(request, MHD_HTTP_OK, response);
}
