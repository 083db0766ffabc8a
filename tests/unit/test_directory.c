/* The directory before a store that is played. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "directory_house.h"
#include "runtime/log.h"

/* --- reading --- */

static void nothing_is_known_before_the_first_read(void **state) {
    struct house *house = *state;
    hold(&house->store);
    open_with(house, LONG_MS, LONG_MS);
    const struct directory_snapshot *snapshot = directory_now(house->directory);
    assert_int_equal(snapshot->version, -1);
    assert_int_equal(snapshot->plan->count, 0);
    assert_int_equal(snapshot->no_plan, FAILURE_STORE_UNAVAILABLE);
    assert_non_null(snapshot->anonymous);
    let_go(&house->store);
    refresh(house);
    assert_int_equal(directory_now(house->directory)->version, 0);
}

static void documents_are_found_by_their_ids(void **state) {
    struct house *house = *state;
    static const char *const ids[] = {"shop", "bank", "zoo", "app"};
    for (int i = 0; i < 4; i++)
        write_client(house, ids[i]);
    add_package(house, "p1", "main", 100, 0);
    put(&house->store, STORE_ALERT, "status/206", "{\"any\":1}", 99);
    begin(house);
    const struct directory_snapshot *snapshot = directory_now(house->directory);
    assert_int_equal(snapshot->version, 99);
    assert_int_equal(snapshot->client_count, 4);
    assert_string_equal(snapshot->clients[0].client.id, "app");
    assert_string_equal(snapshot->clients[3].client.id, "zoo");
    for (int i = 0; i < 4; i++)
        assert_string_equal(directory_find_client(snapshot, ids[i])->client.id, ids[i]);
    assert_null(directory_find_client(snapshot, "nobody"));
    assert_int_equal(directory_find_package(snapshot, "p1")->calls, 100);
    assert_null(directory_find_package(snapshot, "p2"));
    assert_int_equal(directory_document(house->directory, STORE_CLIENT, "bank")->version, 2);
    assert_string_equal(directory_document(house->directory, STORE_ALERT, "status/206")->body_owned,
                        "{\"any\":1}");
    assert_null(directory_document(house->directory, STORE_ALERT, "shop"));
}

static void join_ids(void *arg, const struct store_document *document) {
    char *ids = arg;
    size_t size = strlen(ids);
    snprintf(ids + size, IDS_SIZE - size, "%s ", document->id);
}

static void all_of_a_kind_come_by_id(void **state) {
    struct house *house = *state;
    char ids[IDS_SIZE] = "";
    write_client(house, "b");
    add_package(house, "c", "main", 1, 0);
    write_client(house, "a");
    begin(house);
    directory_each(house->directory, STORE_CLIENT, join_ids, ids);
    assert_string_equal(ids, "a b ");
}

static void a_removed_client_is_not_found(void **state) {
    struct house *house = *state;
    struct client client;
    client_init(&client, "shop", NOW_MS);
    client.removed = true;
    char *body = client_encode(&client);
    put(&house->store, STORE_CLIENT, "shop", body, 1);
    free(body);
    begin(house);
    const struct directory_snapshot *snapshot = directory_now(house->directory);
    assert_int_equal(snapshot->client_count, 1);
    assert_null(directory_find_client(snapshot, "shop"));
}

static void what_cannot_be_read_is_left_out(void **state) {
    struct house *house = *state;
    put(&house->store, STORE_CLIENT, "broken", "{", 1);
    put(&house->store, STORE_PACKAGE, "other", "{\"id\":\"p1\"}", 2);
    put(&house->store, STORE_CREDENTIAL, "main", "[]", 3);
    write_client(house, "shop");
    begin(house);
    const struct directory_snapshot *snapshot = directory_now(house->directory);
    assert_int_equal(snapshot->client_count, 1);
    assert_int_equal(snapshot->package_count, 0);
    assert_int_equal(snapshot->credential_count, 0);
    assert_plan(house, ":main :second");
}

static void a_notice_brings_what_was_written(void **state) {
    struct house *house = *state;
    begin(house);
    write_client(house, "shop");
    house->store.notice(house->store.notice_arg);
    turn_until_version(house, 1);
    assert_non_null(directory_find_client(directory_now(house->directory), "shop"));
}

static void a_lost_notice_costs_only_time(void **state) {
    struct house *house = *state;
    open_with(house, 5, LONG_MS);
    refresh(house);
    write_client(house, "shop");
    turn_until_version(house, 1);
    write_client(house, "bank");
    turn_until_version(house, 2);
    assert_int_equal(directory_now(house->directory)->client_count, 2);
}

static void refreshes_that_come_meanwhile_are_one(void **state) {
    struct house *house = *state;
    begin(house);
    int before = house->store.reads;
    int refreshes = house->refreshes;
    hold(&house->store);
    for (int i = 0; i < 5; i++)
        directory_refresh(house->directory, on_refreshed, house);
    write_client(house, "shop");
    let_go(&house->store);
    while (house->refreshes < refreshes + 5)
        uv_run(&house->loop, UV_RUN_ONCE);
    assert_int_equal(house->store.reads, before + 2);
    assert_int_equal(house->failures, 0);
    assert_int_equal(directory_now(house->directory)->version, 1);
}

static void a_store_that_is_away_is_said_and_tried_again(void **state) {
    struct house *house = *state;
    house->store.away = true;
    open_with(house, 5, LONG_MS);
    refresh(house);
    assert_int_equal(house->failures, 1);
    assert_int_equal(directory_now(house->directory)->version, -1);
    house->store.away = false;
    turn_until_version(house, 0);
    house->store.away = true;
    refresh(house);
    assert_int_equal(house->failures, 2);
    assert_int_equal(directory_now(house->directory)->version, 0);
}

static void on_refreshed_again(void *arg, bool read) {
    struct house *house = arg;
    on_refreshed(house, read);
    if (house->refreshes < 10)
        directory_refresh(house->directory, on_refreshed_again, house);
}

static void note_client(struct house *house, const char *id, int64_t version) {
    struct client client;
    client_init(&client, id, NOW_MS);
    char *body = client_encode(&client);
    const struct store_write_document write = {
        .kind = STORE_CLIENT, .id = id, .body = body, .version = version};
    directory_note_written(house->directory, &write);
    free(body);
}

/* The store did it, and went away before it could be read. */
static void what_was_written_is_known_though_it_cannot_be_read(void **state) {
    struct house *house = *state;
    begin(house);
    write_client(house, "theirs");
    write_client(house, "ours");
    house->store.away = true;
    refresh(house);
    assert_int_equal(house->failures, 1);
    note_client(house, "ours", 2);
    assert_non_null(directory_find_client(directory_now(house->directory), "ours"));
    assert_int_equal(directory_now(house->directory)->version, 2);
    /* What others wrote before is not missed. */
    house->store.away = false;
    refresh(house);
    assert_non_null(directory_find_client(directory_now(house->directory), "theirs"));
    assert_non_null(directory_find_client(directory_now(house->directory), "ours"));
    /* Nor does an older one replace what was read. */
    int64_t version = directory_document(house->directory, STORE_CLIENT, "theirs")->version;
    note_client(house, "theirs", version - 1);
    assert_int_equal(directory_document(house->directory, STORE_CLIENT, "theirs")->version,
                     version);
}

/* It went away and lost what it had done. */
static void what_was_written_and_lost_unread_is_given_back(void **state) {
    struct house *house = *state;
    begin(house);
    house->store.away = true;
    refresh(house);
    note_client(house, "ours", 1);
    house->store.away = false;
    refresh(house);
    assert_non_null(find_document(&house->store, STORE_CLIENT, "ours"));
    assert_non_null(directory_find_client(directory_now(house->directory), "ours"));
}

static void whoever_was_told_may_ask_again_at_once(void **state) {
    struct house *house = *state;
    begin(house);
    for (int i = 0; i < 3; i++)
        write_client(house, i == 0 ? "a" : i == 1 ? "b" : "c");
    directory_refresh(house->directory, on_refreshed_again, house);
    while (house->refreshes < 10)
        uv_run(&house->loop, UV_RUN_ONCE);
    assert_int_equal(directory_now(house->directory)->client_count, 3);
}

/* --- a loss --- */

static void what_the_store_lost_is_given_back(void **state) {
    struct house *house = *state;
    write_client(house, "shop");
    add_package(house, "p1", "main", 100, 0);
    write_client(house, "shop");
    put(&house->store, STORE_ALERT, "status/206", "{\"any\":1}", 9);
    begin(house);
    lose_everything(&house->store);
    write_client(house, "new"); /* somebody was quicker */
    refresh(house);
    assert_int_equal(house->failures, 0);
    assert_int_equal(house->store.version, 9);
    assert_int_equal(find_document(&house->store, STORE_CLIENT, "shop")->version, 3);
    assert_int_equal(find_document(&house->store, STORE_PACKAGE, "p1")->version, 2);
    assert_int_equal(find_document(&house->store, STORE_ALERT, "status/206")->version, 9);
    assert_int_equal(house->store.audit_count, 0);
    const struct directory_snapshot *snapshot = directory_now(house->directory);
    assert_int_equal(snapshot->version, 9);
    assert_int_equal(snapshot->client_count, 2);
    assert_non_null(directory_find_client(snapshot, "new"));
    int writes = house->store.writes;
    refresh(house);
    assert_int_equal(house->store.writes, writes);
}

static void a_loss_during_an_outage_is_made_good_later(void **state) {
    struct house *house = *state;
    write_client(house, "shop");
    write_client(house, "bank");
    open_with(house, 5, LONG_MS);
    refresh(house);
    lose_everything(&house->store);
    house->store.before_write = go_away;
    refresh(house);
    assert_true(house->store.away);
    assert_int_equal(house->failures, 1);
    assert_int_equal(directory_now(house->directory)->version, 2);
    house->store.away = false;
    while (house->store.document_count < 2)
        uv_run(&house->loop, UV_RUN_ONCE);
    assert_int_equal(house->store.version, 2);
}

/* --- the plan --- */

static void without_packages_every_credential_is_a_line(void **state) {
    struct house *house = *state;
    begin(house);
    assert_plan(house, ":main :second");
    assert_int_equal(directory_now(house->directory)->plan->lines[0].calls, -1);
    assert_false(directory_is_metered(directory_now(house->directory)));
}

static void packages_are_drawn_in_their_order(void **state) {
    struct house *house = *state;
    add_package(house, "never", "main", 100, 0);
    add_package(house, "late", "main", 100, NOW_MS + 2 * DAY_MS);
    add_package(house, "soon", "second", 100, NOW_MS + DAY_MS);
    add_package(house, "over", "main", 100, NOW_MS);
    add_package(house, "foreign", "third", 100, 0);
    struct package removed = package_of("removed", "main", 100, NOW_MS + 1);
    removed.removed = true;
    write_package(house, &removed);
    begin(house);
    assert_plan(house, "soon:second late:main never:main");
    const struct budget_line *line = &directory_now(house->directory)->plan->lines[0];
    assert_int_equal(line->calls, 100);
    assert_int_equal(line->expires_at_ms, NOW_MS + DAY_MS);
    assert_int_equal(directory_now(house->directory)->package_count, 6);
}

static void a_package_that_is_used_up_goes_behind(void **state) {
    struct house *house = *state;
    add_package(house, "a", "main", 100, 0);
    add_package(house, "b", "main", 100, 0);
    add_package(house, "c", "main", 100, 0);
    open_with(house, LONG_MS, 5);
    refresh(house);
    assert_plan(house, "a:main b:main c:main");
    count(&house->store, "package", "a", 100);
    count(&house->store, "package", "b", 99);
    while (strcmp(directory_now(house->directory)->plan->lines[0].package, "b") != 0)
        uv_run(&house->loop, UV_RUN_ONCE);
    assert_plan(house, "b:main c:main a:main");
}

static void a_package_that_expires_goes(void **state) {
    struct house *house = *state;
    add_package(house, "a", "main", 100, NOW_MS + DAY_MS);
    open_with(house, LONG_MS, 5);
    refresh(house);
    assert_plan(house, "a:main");
    test_now_ms += DAY_MS;
    while (directory_now(house->directory)->plan->count > 0)
        uv_run(&house->loop, UV_RUN_ONCE);
    assert_int_equal(directory_now(house->directory)->no_plan, FAILURE_PACKAGE_EXHAUSTED);
    assert_true(directory_is_metered(directory_now(house->directory)));
}

static void a_plan_has_64_lines_at_most(void **state) {
    struct house *house = *state;
    char id[16];
    open_with(house, LONG_MS, LONG_MS);
    for (int i = 0; i < PIECES; i++) {
        snprintf(id, sizeof id, "p%03d", i);
        add_package(house, id, "main", 100, 0);
    }
    refresh(house);
    lose_everything(&house->store); /* the store of the test is full */
    add_package(house, "p000a", "main", 100, 0);
    house->store.version = 1000;
    house->store.documents[0].version = 1000;
    refresh(house);
    const struct directory_snapshot *snapshot = directory_now(house->directory);
    assert_int_equal(snapshot->package_count, PIECES + 1);
    assert_int_equal(snapshot->plan->count, BUDGET_LINES_MOST);
    assert_string_equal(snapshot->plan->lines[1].package, "p000a");
    assert_string_equal(snapshot->plan->lines[63].package, "p062");
}

static void a_marked_credential_is_no_line(void **state) {
    struct house *house = *state;
    add_package(house, "a", "main", 100, 0);
    add_package(house, "b", "second", 100, 0);
    write_mark(&house->store, "main", CREDENTIAL_ARREARS, CODE);
    begin(house);
    assert_plan(house, "b:second");
}

static void another_code_bears_no_mark(void **state) {
    struct house *house = *state;
    const struct directory_credential credentials[] = {{"main", NEW_CODE, 0}, {"second", CODE, 0}};
    write_mark(&house->store, "main", CREDENTIAL_UNKNOWN, CODE);
    begin(house);
    assert_plan(house, ":second");
    directory_set_credentials(house->directory, credentials, 2, REFUSED_FOR_MS);
    assert_plan(house, ":main :second");
}

static void why_there_is_no_line_is_told(void **state) {
    struct house *house = *state;
    begin(house);
    write_mark(&house->store, "main", CREDENTIAL_UNKNOWN, CODE);
    write_mark(&house->store, "second", CREDENTIAL_ARREARS, CODE);
    refresh(house);
    assert_plan(house, "");
    assert_int_equal(directory_now(house->directory)->no_plan, FAILURE_UPSTREAM_REFUSED_CREDENTIAL);
    write_mark(&house->store, "second", CREDENTIAL_EXHAUSTED, CODE);
    refresh(house);
    assert_plan(house, "");
    assert_int_equal(directory_now(house->directory)->no_plan, FAILURE_PACKAGE_EXHAUSTED);
    directory_set_credentials(house->directory, NULL, 0, REFUSED_FOR_MS);
    assert_plan(house, "");
    assert_int_equal(directory_now(house->directory)->no_plan, FAILURE_UPSTREAM_REFUSED_CREDENTIAL);
}

static void when_all_is_removed_it_is_unmetered_again(void **state) {
    struct house *house = *state;
    struct package package = package_of("a", "main", 100, 0);
    write_package(house, &package);
    begin(house);
    assert_plan(house, "a:main");
    package.removed = true;
    write_package(house, &package);
    refresh(house);
    assert_plan(house, ":main :second");
    assert_non_null(directory_find_package(directory_now(house->directory), "a"));
}

/* --- what is counted --- */

static void hits_go_to_the_package_that_would_have_been_drawn(void **state) {
    struct house *house = *state;
    write_client(house, "shop");
    add_package(house, "a", "main", 100, 0);
    open_with(house, LONG_MS, 5);
    refresh(house);
    const struct directory_snapshot *snapshot = directory_now(house->directory);
    directory_find_client(snapshot, "shop")->meter->hits += 3;
    snapshot->anonymous->hits += 2;
    while (counted(&house->store, "hits:2026-11", "shop/a") == 0)
        uv_run(&house->loop, UV_RUN_ONCE);
    assert_int_equal(counted(&house->store, "hits:2026-11", "shop/a"), 3);
    assert_int_equal(counted(&house->store, "hits:2026-11", "anonymous/a"), 2);
}

static void without_packages_hits_have_none(void **state) {
    struct house *house = *state;
    begin(house);
    directory_now(house->directory)->anonymous->hits += 2;
    end_directory(house);
    assert_int_equal(counted(&house->store, "hits:2026-11", "anonymous/"), 2);
    assert_int_equal(house->store.adds, 1);
}

static void hits_survive_an_outage(void **state) {
    struct house *house = *state;
    open_with(house, LONG_MS, 5);
    refresh(house);
    house->store.away = true;
    directory_now(house->directory)->anonymous->hits += 2;
    while (house->store.adds < 3)
        uv_run(&house->loop, UV_RUN_ONCE);
    directory_now(house->directory)->anonymous->hits += 1;
    house->store.away = false;
    while (counted(&house->store, "hits:2026-11", "anonymous/") < 3)
        uv_run(&house->loop, UV_RUN_ONCE);
    assert_int_equal(counted(&house->store, "hits:2026-11", "anonymous/"), 3);
}

static void meters_outlive_every_change_of_their_client(void **state) {
    struct house *house = *state;
    write_client(house, "shop");
    begin(house);
    struct meter *meter = directory_find_client(directory_now(house->directory), "shop")->meter;
    struct meter *anonymous = directory_now(house->directory)->anonymous;
    for (int i = 0; i < 20; i++) {
        char id[8];
        snprintf(id, sizeof id, "c%02d", i);
        write_client(house, id);
        write_client(house, "shop");
        refresh(house);
    }
    const struct directory_snapshot *snapshot = directory_now(house->directory);
    assert_int_equal(snapshot->client_count, 21);
    assert_ptr_equal(directory_find_client(snapshot, "shop")->meter, meter);
    assert_ptr_equal(snapshot->anonymous, anonymous);
    assert_ptr_not_equal(directory_find_client(snapshot, "c00")->meter, meter);
}

static void clients_know_what_they_have_used(void **state) {
    struct house *house = *state;
    write_client(house, "shop");
    write_client(house, "bank");
    count(&house->store, "day:2026-11-24", "shop", 7);
    count(&house->store, "month:2026-11", "shop", 70);
    count(&house->store, "month:2026-10", "shop", 700);
    open_with(house, LONG_MS, 5);
    refresh(house);
    const struct directory_snapshot *snapshot = directory_now(house->directory);
    struct meter *shop = directory_find_client(snapshot, "shop")->meter;
    struct meter *bank = directory_find_client(snapshot, "bank")->meter;
    while (meter_day_used(bank, NOW_MS) < 0)
        uv_run(&house->loop, UV_RUN_ONCE);
    assert_int_equal(meter_day_used(shop, NOW_MS), 7);
    assert_int_equal(meter_month_used(shop, NOW_MS), 70);
    assert_int_equal(meter_day_used(bank, NOW_MS), 0);
    assert_int_equal(meter_day_used(shop, NOW_MS + DAY_MS), -1);
}

/* --- workers --- */

static void on_changed(void *arg) {
    ((struct house *)arg)->changes++;
}

static void a_reader_sees_one_snapshot_at_a_time(void **state) {
    struct house *house = *state;
    struct complaint complaint;
    begin(house);
    struct directory_reader *reader =
        directory_attach(house->directory, &house->loop, on_changed, house, &complaint);
    assert_non_null(reader);
    assert_ptr_equal(directory_of(reader), house->directory);
    assert_int_equal(directory_read(reader)->version, 0);
    const struct directory_snapshot *kept = directory_read(reader);
    struct budget_plan *plan = kept->plan;
    budget_plan_retain(plan);
    write_client(house, "shop");
    refresh(house);
    while (house->changes < 1)
        uv_run(&house->loop, UV_RUN_ONCE);
    assert_int_equal(directory_read(reader)->version, 1);
    assert_int_equal(plan->version, 0);
    assert_int_equal(plan->count, 2);
    budget_plan_release(plan);
    directory_detach(reader);
}

struct look_at_once {
    struct house *house;
    struct directory_reader *reader;
    const struct directory_snapshot *borrowed;
    bool looked;
};

static void on_refreshed_look(void *arg, bool read) {
    struct look_at_once *look = arg;
    assert_true(read);
    assert_int_equal(look->house->changes, 0);
    assert_int_equal(directory_read(look->reader)->version, 1);
    assert_non_null(directory_find_client(directory_read(look->reader), "shop"));
    assert_int_equal(look->borrowed->version, 0);
    assert_int_equal(look->borrowed->client_count, 0);
    look->looked = true;
}

/* Whoever waited for a refresh may be answered before the worker is woken. */
static void what_a_refresh_brought_is_read_before_the_waking(void **state) {
    struct house *house = *state;
    struct complaint complaint;
    begin(house);
    struct directory_reader *reader =
        directory_attach(house->directory, &house->loop, on_changed, house, &complaint);
    struct look_at_once look = {house, reader, directory_read(reader), false};
    write_client(house, "shop");
    directory_refresh(house->directory, on_refreshed_look, &look);
    while (!look.looked || house->changes == 0)
        uv_run(&house->loop, UV_RUN_ONCE);
    assert_int_equal(house->changes, 1);
    directory_detach(reader);
}

static void who_pokes_is_told_even_that_nothing_came(void **state) {
    struct house *house = *state;
    struct complaint complaint;
    begin(house);
    struct directory_reader *reader =
        directory_attach(house->directory, &house->loop, on_changed, house, &complaint);
    directory_poke(house->directory);
    while (house->changes < 1)
        uv_run(&house->loop, UV_RUN_ONCE);
    house->store.away = true;
    directory_poke(house->directory);
    while (house->changes < 2)
        uv_run(&house->loop, UV_RUN_ONCE);
    house->store.away = false;
    refresh(house);
    assert_int_equal(house->changes, 2);
    write_mark(&house->store, "main", CREDENTIAL_UNKNOWN, CODE);
    refresh(house);
    while (house->changes < 3)
        uv_run(&house->loop, UV_RUN_ONCE);
    mark_code(house->directory, "main", CREDENTIAL_UNKNOWN);
    while (house->changes < 4)
        uv_run(&house->loop, UV_RUN_ONCE);
    assert_int_equal(house->store.writes, 0);
    directory_detach(reader);
}

/* A worker that reads, marks and counts until it has seen version 50. */
struct worker {
    pthread_t thread;
    uv_loop_t loop;
    struct directory_reader *reader;
    int64_t seen;
    bool went_back;
};

static void on_worker_changed(void *arg) {
    struct worker *worker = arg;
    const struct directory_snapshot *snapshot = directory_read(worker->reader);
    const struct directory_client *client = directory_find_client(snapshot, "shop");
    worker->went_back = worker->went_back || snapshot->version < worker->seen;
    worker->seen = snapshot->version;
    if (client != NULL)
        atomic_fetch_add(&client->meter->hits, 1);
    budget_plan_retain(snapshot->plan);
    mark_code(directory_of(worker->reader), "main", CREDENTIAL_UNKNOWN);
    directory_poke(directory_of(worker->reader));
    budget_plan_release(snapshot->plan);
    if (worker->seen >= 50)
        directory_detach(worker->reader);
}

static void *run_worker(void *arg) {
    struct worker *worker = arg;
    directory_poke(directory_of(worker->reader));
    uv_run(&worker->loop, UV_RUN_DEFAULT);
    return NULL;
}

static void workers_read_on_their_own_threads(void **state) {
    struct house *house = *state;
    struct complaint complaint;
    struct worker workers[3] = {0};
    begin(house);
    for (int i = 0; i < 3; i++) {
        uv_loop_init(&workers[i].loop);
        workers[i].reader = directory_attach(house->directory, &workers[i].loop, on_worker_changed,
                                             &workers[i], &complaint);
        assert_int_equal(pthread_create(&workers[i].thread, NULL, run_worker, &workers[i]), 0);
    }
    while (house->store.version < 60) {
        write_client(house, "shop");
        refresh(house);
    }
    for (int i = 0; i < 3; i++) {
        pthread_join(workers[i].thread, NULL);
        assert_false(workers[i].went_back);
        assert_int_equal(uv_loop_close(&workers[i].loop), 0);
    }
    turn_until_marked(house, "main");
    assert_int_equal(house->store.audit_count, 1);
}

/* --- the end --- */

static void who_waits_at_the_end_is_told(void **state) {
    struct house *house = *state;
    begin(house);
    hold(&house->store);
    int before = house->refreshes;
    for (int i = 0; i < 3; i++)
        directory_refresh(house->directory, on_refreshed, house);
    directory_end(house->directory, on_ended, house);
    uv_run(&house->loop, UV_RUN_NOWAIT);
    assert_false(house->ended);
    let_go(&house->store);
    while (!house->ended)
        uv_run(&house->loop, UV_RUN_ONCE);
    assert_int_equal(house->refreshes, before + 3);
    assert_null(house->store.notice);
    directory_free(house->directory);
    house->directory = NULL;
}

#define HOUSE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        HOUSE_TEST(nothing_is_known_before_the_first_read),
        HOUSE_TEST(documents_are_found_by_their_ids),
        HOUSE_TEST(all_of_a_kind_come_by_id),
        HOUSE_TEST(a_removed_client_is_not_found),
        HOUSE_TEST(what_cannot_be_read_is_left_out),
        HOUSE_TEST(a_notice_brings_what_was_written),
        HOUSE_TEST(a_lost_notice_costs_only_time),
        HOUSE_TEST(refreshes_that_come_meanwhile_are_one),
        HOUSE_TEST(a_store_that_is_away_is_said_and_tried_again),
        HOUSE_TEST(what_was_written_is_known_though_it_cannot_be_read),
        HOUSE_TEST(what_was_written_and_lost_unread_is_given_back),
        HOUSE_TEST(whoever_was_told_may_ask_again_at_once),
        HOUSE_TEST(what_the_store_lost_is_given_back),
        HOUSE_TEST(a_loss_during_an_outage_is_made_good_later),
        HOUSE_TEST(without_packages_every_credential_is_a_line),
        HOUSE_TEST(packages_are_drawn_in_their_order),
        HOUSE_TEST(a_package_that_is_used_up_goes_behind),
        HOUSE_TEST(a_package_that_expires_goes),
        HOUSE_TEST(a_plan_has_64_lines_at_most),
        HOUSE_TEST(a_marked_credential_is_no_line),
        HOUSE_TEST(another_code_bears_no_mark),
        HOUSE_TEST(why_there_is_no_line_is_told),
        HOUSE_TEST(when_all_is_removed_it_is_unmetered_again),
        HOUSE_TEST(hits_go_to_the_package_that_would_have_been_drawn),
        HOUSE_TEST(without_packages_hits_have_none),
        HOUSE_TEST(hits_survive_an_outage),
        HOUSE_TEST(meters_outlive_every_change_of_their_client),
        HOUSE_TEST(clients_know_what_they_have_used),
        HOUSE_TEST(a_reader_sees_one_snapshot_at_a_time),
        HOUSE_TEST(what_a_refresh_brought_is_read_before_the_waking),
        HOUSE_TEST(who_pokes_is_told_even_that_nothing_came),
        HOUSE_TEST(workers_read_on_their_own_threads),
        HOUSE_TEST(who_waits_at_the_end_is_told),
    };
    period_set_zone("Asia/Shanghai");
    log_init(LOG_ERROR, LOG_JSON, 2);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
