/*
 *   file ──→ pages of the ledger over the file's time ──→ compared ──→ remembered ──→ answer
 *
 * The pages are read one by one, as an export's.
 */
#include "http/reconcile_route.h"

#include <stdlib.h>
#include <string.h>

#include "http/admin.h"
#include "http/body.h"
#include "http/change.h"
#include "money/reconcile_report.h"
#include "money/window.h"

/* No clock of a replica is further ahead. What lies beyond is not looked through: a shared store
 * takes a step for every week. */
#define SKEW_MS (INT64_C(24) * 60 * 60 * 1000)

struct reconciling {
    struct change change;   /* first: the remembering */
    struct store_page page; /* of ours */
    struct usage_export theirs;
    struct window_list ours;
    cJSON *shown_owned;
    char *remembered_owned;
};

static struct reconciling *of_page(struct store_op *op) {
    return (struct reconciling *)((char *)op - offsetof(struct reconciling, page));
}

static void free_sides(struct reconciling *work) {
    usage_export_free(&work->theirs);
    window_list_free(&work->ours);
}

static void fail(struct reconciling *work, enum problem problem, const char *detail) {
    free_sides(work);
    admin_waited(work->change.service);
    admin_refuse(work->change.request, problem, detail);
}

/* --- the answer --- */

static enum change_step apply(struct change *change, const struct store_document *document) {
    const struct reconciling *work = (const struct reconciling *)change;
    (void)document;
    change->body_owned = strdup(work->remembered_owned);
    return CHANGE_WRITE;
}

/* Also where it could not be remembered: what came of it is true all the same. */
static void answer(struct change *change, bool changed) {
    struct reconciling *work = (struct reconciling *)change;
    (void)changed;
    free(work->remembered_owned);
    work->remembered_owned = NULL;
    admin_answer(change->request, MHD_HTTP_OK, work->shown_owned);
    work->shown_owned = NULL;
}

static void remember(struct reconciling *work) {
    struct change *change = &work->change;
    change->kind = STORE_REPORT;
    memcpy(change->id, RECONCILED_ID, sizeof RECONCILED_ID);
    change->optional = true;
    change->apply = apply;
    change->written = answer;
    change_begin(change);
}

/* --- comparing --- */

static struct usage_window *copy_ours(const struct window_list *ours) {
    struct usage_window *windows = calloc(ours->count + 1, sizeof *windows);
    for (size_t i = 0; windows != NULL && i < ours->count; i++)
        windows[i] = (struct usage_window){.begin_s = ours->windows[i].begin_ms / 1000,
                                           .count = ours->windows[i].calls};
    return windows;
}

static bool judge(struct reconciling *work, struct complaint *complaint) {
    struct reconcile_outcome outcome;
    struct usage_window *ours = copy_ours(&work->ours);
    bool good =
        ours != NULL && reconcile_judge(ours, work->ours.count, &work->theirs, &outcome, complaint);
    free(ours);
    if (!good)
        return false;
    work->shown_owned = reconcile_show(&outcome, false);
    work->remembered_owned =
        reconcile_remember(&outcome, clock_unix_ms(work->change.service->clock));
    reconcile_outcome_free(&outcome);
    return work->remembered_owned != NULL;
}

static void compare(struct reconciling *work) {
    struct complaint complaint = {"There is no memory for it."};
    if (!judge(work, &complaint)) {
        cJSON_Delete(work->shown_owned);
        fail(work, PROBLEM_OVERLOADED, complaint.text);
        return;
    }
    free_sides(work);
    admin_waited(work->change.service);
    remember(work);
}

/* --- ours --- */

static void on_page(struct store_op *op);

static void read_page(struct reconciling *work) {
    work->page.op.done = on_page;
    work->page.rows_owned = NULL;
    store_read_page(work->change.service->store_client, &work->page);
}

static bool count_page(struct reconciling *work) {
    const struct store_page *page = &work->page;
    for (int i = 0; i < page->count; i++) {
        const struct store_row *row = &page->rows_owned[i];
        if (window_counts(row) && !window_add(&work->ours, row->reserved_at_ms))
            return false;
    }
    return true;
}

static bool take_page(struct reconciling *work) {
    struct store_page *page = &work->page;
    /* What neither has rows nor is at its end would be asked for forever. */
    bool good = page->outcome == STORE_DONE && (page->count > 0 || !page->more) && count_page(work);
    if (good && page->count > 0)
        page->after = page->rows_owned[page->count - 1].id;
    free(page->rows_owned);
    page->rows_owned = NULL;
    return good;
}

static void on_page(struct store_op *op) {
    struct reconciling *work = of_page(op);
    if (!take_page(work))
        fail(work, PROBLEM_STORE_UNAVAILABLE, "The ledger cannot be read now.");
    else if (!work->page.more)
        compare(work);
    else if (work->change.service->ending)
        fail(work, PROBLEM_SHUTTING_DOWN, NULL);
    else
        read_page(work);
}

/* From one window before theirs: its calls may have been billed late. */
static void read_ours(struct reconciling *work) {
    const struct usage_export *theirs = &work->theirs;
    int64_t latest_ms = clock_unix_ms(work->change.service->clock) + SKEW_MS;
    admin_wait(work->change.service);
    if (theirs->count > 0) {
        work->page.from_ms = (theirs->windows[0].begin_s - USAGE_WINDOW_S) * 1000;
        work->page.to_ms = (theirs->windows[theirs->count - 1].begin_s + USAGE_WINDOW_S) * 1000;
    }
    if (work->page.to_ms > latest_ms)
        work->page.to_ms = latest_ms;
    if (work->page.from_ms < work->page.to_ms)
        read_page(work);
    else
        compare(work);
}

/* --- theirs --- */

static bool is_file(const char *content_type) {
    return body_is_type(content_type, "text/csv") ||
           body_is_type(content_type, "application/octet-stream");
}

static bool read_theirs(struct request *request, struct usage_export *theirs) {
    struct complaint complaint = {""};
    const char *bytes = request->body != NULL ? request->body : "";
    bool good = usage_export_read(bytes, request->body_size, theirs, &complaint);
    if (good && theirs->count == 0 && theirs->fault_count == 0) {
        usage_export_free(theirs);
        good = complain(&complaint, "The file has no row to compare.");
    }
    if (!good)
        admin_refuse(request, PROBLEM_MALFORMED_REQUEST, complaint.text);
    return good;
}

void reconcile_post(struct request *request, struct service *service) {
    if (!admin_begin(request, service))
        return;
    if (!is_file(request->content_type)) {
        admin_refuse(request, PROBLEM_UNSUPPORTED_MEDIA_TYPE,
                     "Send the seller's export as Content-Type: text/csv, in UTF-8 or GBK.");
        return;
    }
    struct reconciling *work = admin_work(request, sizeof *work);
    if (work == NULL || !read_theirs(request, &work->theirs))
        return;
    work->change.request = request;
    work->change.service = service;
    read_ours(work);
}
