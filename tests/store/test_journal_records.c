/*
 * What the journal holds beside calls, and what it forgets: documents in their newest version;
 * answers that must not come back; journals of the schema before.
 */
#include "journal_scene.h"

extern const char journal_schema_1_sql[];
extern const char journal_schema_2_sql[];
extern const char journal_schema_3_sql[];

/* --- documents --- */

struct documents {
    struct store_document documents[8]; /* their bodies in `bodies` */
    char bodies[8][64];
    int count;
    int most;
};

static bool on_document(void *arg, const struct store_document *document) {
    struct documents *read = arg;
    assert_true(read->count < 8);
    read->documents[read->count] = *document;
    snprintf(read->bodies[read->count], sizeof read->bodies[0], "%s", document->body_owned);
    return ++read->count != read->most;
}

static void read_documents(const char *path, struct documents *read) {
    struct complaint complaint = {""};
    *read = (struct documents){.most = read->most};
    if (!journal_read_documents(path, on_document, read, &complaint))
        fail_msg("%s", complaint.text);
}

/* The body of the document, as the file has it; NULL: there is none of this version. */
static const char *body_of(const struct documents *read, enum store_document_kind kind,
                           const char *id, int64_t version) {
    for (int i = 0; i < read->count; i++) {
        const struct store_document *document = &read->documents[i];
        if (document->kind == kind && strcmp(document->id, id) == 0 && document->version == version)
            return read->bodies[i];
    }
    return NULL;
}

static struct store_document document(enum store_document_kind kind, const char *id,
                                      int64_t version, char *body) {
    struct store_document made = {.kind = kind, .version = version, .body_owned = body};
    snprintf(made.id, sizeof made.id, "%s", id);
    return made;
}

static void keep(struct journal_rig *rig, struct store_document kept) {
    journal_keep_documents(rig->clients[0].client, &kept, 1);
    jrig_count(rig, 0);
}

static void documents_are_kept_in_their_newest_version(void **state) {
    struct scene *scene = *state;
    struct documents read = {.most = 0};
    char shop[] = "{\"v\":1}";
    char spare[] = "{\"v\":2}";
    char gold[] = "{\"v\":3}";
    struct store_document several[] = {document(STORE_CLIENT, "shop", 4, shop),
                                       document(STORE_CREDENTIAL, "shop", 5, spare),
                                       document(STORE_ALERT, "package/gold/20", 6, gold)};
    open_scene(scene);
    journal_keep_documents(scene->rig.clients[0].client, several, 3);
    memset(shop, '!', sizeof shop - 1); /* it was copied */
    jrig_count(&scene->rig, 0);
    read_documents(scene->path, &read);
    assert_int_equal(read.count, 3);
    assert_string_equal(body_of(&read, STORE_CLIENT, "shop", 4), "{\"v\":1}");
    assert_string_equal(body_of(&read, STORE_CREDENTIAL, "shop", 5), spare);
    assert_string_equal(body_of(&read, STORE_ALERT, "package/gold/20", 6), gold);

    char newer[] = "{\"v\":7}";
    char older[] = "{\"v\":0}";
    keep(&scene->rig, document(STORE_CLIENT, "shop", 7, newer));
    keep(&scene->rig, document(STORE_CLIENT, "shop", 7, older));
    keep(&scene->rig, document(STORE_CREDENTIAL, "shop", 3, older));
    journal_keep_documents(scene->rig.clients[0].client, NULL, 0);
    jrig_close(&scene->rig);
    read_documents(scene->path, &read);
    assert_int_equal(read.count, 3);
    assert_string_equal(body_of(&read, STORE_CLIENT, "shop", 7), newer);
    assert_string_equal(body_of(&read, STORE_CREDENTIAL, "shop", 5), spare);
    read.most = 2;
    read_documents(scene->path, &read);
    assert_int_equal(read.count, 2);
}

/* One of a later version: it is for that one to give back. */
static void what_is_not_known_is_passed_over(void **state) {
    struct scene *scene = *state;
    struct documents read = {.most = 0};
    open_scene(scene);
    jrig_close(&scene->rig);
    sqlite3 *db = open_beside(scene);
    execute(db, "INSERT INTO documents VALUES ('flag', 'a', 1, '{}'), ('client', 'b', 2, '{}'), "
                "('client', 'c', 3, replace(hex(zeroblob(10000)), '0', 'x'))");
    sqlite3_close(db);
    read_documents(scene->path, &read);
    assert_int_equal(read.count, 1);
    assert_string_equal(body_of(&read, STORE_CLIENT, "b", 2), "{}");
}

/* --- forgetting --- */

struct forgetting {
    struct journal_forget forget;
    int done;
};

static void on_forgotten(struct store_op *op) {
    ((struct forgetting *)op)->done++;
}

static bool forget(struct journal_rig *rig, bool whole_number, const struct digest *digest) {
    struct forgetting asked = {
        .forget = {.op.done = on_forgotten, .whole_number = whole_number, .digest = *digest}};
    journal_forget(rig->clients[1].client, &asked.forget);
    assert_int_equal(asked.done, 0);
    jrig_wait(rig, &asked.done, 1);
    return asked.forget.written;
}

enum { TRIPLE, NUMBER, SAME_NUMBER, OTHER, CALLS };

static void expect_answers(const struct reading *reading, bool first, bool second) {
    assert_int_equal(reading->count, CALLS);
    assert_int_equal(reading->calls[TRIPLE].settle.answered, first);
    assert_int_equal(reading->calls[NUMBER].settle.answered, second);
    assert_int_equal(reading->calls[SAME_NUMBER].settle.answered, second);
    assert_true(reading->calls[OTHER].settle.answered);
}

static void forget_calls(struct scene *scene, bool delivered) {
    struct jcall calls[CALLS];
    struct reading reading;
    struct journal_rig *rig = &scene->rig;
    open_scene(scene);
    for (int i = 0; i < CALLS; i++) {
        jrig_prepare(&calls[i], START_MS);
        if (i == SAME_NUMBER)
            calls[i].settle.number = calls[NUMBER].settle.number;
        assert_true(jrig_end(rig, 0, &calls[i]));
        if (delivered)
            journal_mark_delivered(rig->clients[0].client, &calls[i].settle.id);
    }
    assert_int_equal(jrig_count(rig, 0), delivered ? 0 : CALLS);
    assert_true(forget(rig, false, &calls[TRIPLE].settle.triple));
    read_file(scene->path, &reading);
    expect_answers(&reading, false, true);
    assert_true(forget(rig, true, &calls[NUMBER].settle.number));
    read_file(scene->path, &reading);
    expect_answers(&reading, false, false);
    for (int i = 0; i < CALLS; i++)
        assert_same_call(&reading.calls[i].settle, &calls[i].settle);

    /* Whatever is delivered once more comes without it. */
    assert_int_equal(jrig_redeliver(rig, 0, 0), delivered ? CALLS : 0);
    struct journal_fetch fetch = jrig_fetch(rig, 0, 0);
    assert_int_equal(fetch.count, CALLS);
    for (int i = 0; i < CALLS; i++) {
        assert_int_equal(fetch.calls_owned[i].settle.answered, i == OTHER);
        assert_int_equal(fetch.calls_owned[i].settle.keep, i == OTHER);
    }
    free(fetch.calls_owned);
    jrig_close(rig);
}

static void answers_that_were_delivered_are_forgotten(void **state) {
    forget_calls(*state, true);
}

static void answers_that_were_not_delivered_are_forgotten(void **state) {
    forget_calls(*state, false);
}

/* Also those that are only in memory; and it is said that the file still has others. */
static void what_cannot_be_written_is_said_and_forgotten_in_memory(void **state) {
    struct scene *scene = *state;
    struct journal_rig *rig = &scene->rig;
    struct jcall calls[2];
    open_scene(scene);
    for (int i = 0; i < 2; i++)
        jrig_prepare(&calls[i], START_MS);
    sqlite3 *other = open_beside(scene);
    execute(other, "BEGIN EXCLUSIVE");
    for (int i = 0; i < 2; i++)
        assert_false(jrig_end(rig, 0, &calls[i]));
    assert_false(forget(rig, false, &calls[0].settle.triple));
    execute(other, "COMMIT");
    sqlite3_close(other);
    assert_true(forget(rig, false, &calls[0].settle.number)); /* no triple: nothing changes */
    struct journal_fetch fetch = jrig_fetch(rig, 0, 0);
    assert_int_equal(fetch.count, 2);
    for (int i = 0; i < 2; i++)
        assert_int_equal(fetch.calls_owned[i].settle.answered, i == 1);
    free(fetch.calls_owned);
    jrig_close(rig);
}

/* --- the schema before --- */

static const char a_call[] =
    "PRAGMA application_id = 0x53594a4c; PRAGMA journal_mode = WAL;"
    "INSERT INTO calls (id, triple, number, client, credential, state) VALUES "
    "(x'019a00000000700080000000000000ff', zeroblob(16), zeroblob(16), 'shop', 'main', 'released')";

static void make_old(const struct scene *scene, int version) {
    sqlite3 *db = open_beside(scene);
    execute(db, journal_schema_1_sql);
    char mark[64];
    if (version >= 2)
        execute(db, journal_schema_2_sql);
    if (version >= 3)
        execute(db, journal_schema_3_sql);
    snprintf(mark, sizeof mark, "PRAGMA user_version = %d", version);
    execute(db, mark);
    execute(db, a_call);
    sqlite3_close(db);
}

static void an_older_journal_is_read_as_it_is(void **state) {
    struct scene *scene = *state;
    struct reading reading;
    struct documents read = {.most = 0};
    for (int version = 1; version <= 3; version++) {
        unlink(scene->path);
        make_old(scene, version);
        read_file(scene->path, &reading);
        assert_int_equal(reading.count, 1);
        assert_string_equal(reading.calls[0].settle.account.client_id, "shop");
        assert_string_equal(reading.calls[0].settle.window, "");
        assert_false(reading.calls[0].settle.hold);
        assert_int_equal(reading.calls[0].settle.ledger.state, LEDGER_RELEASED);
        read_documents(scene->path, &read);
        assert_int_equal(read.count, 0);
        char wanted[16];
        snprintf(wanted, sizeof wanted, "%d", version);
        expect(scene, "PRAGMA user_version", wanted);
    }
}

static void an_older_journal_is_upgraded_when_it_is_opened(void **state) {
    struct scene *scene = *state;
    struct reading reading;
    struct documents read = {.most = 0};
    char body[] = "{}";
    for (int version = 1; version <= 3; version++) {
        unlink(scene->path);
        make_old(scene, version);
        open_scene(scene);
        keep(&scene->rig, document(STORE_PACKAGE, "gold", 1, body));
        assert_int_equal(jrig_count(&scene->rig, 0), 1);
        jrig_close(&scene->rig);
        expect(scene, "PRAGMA user_version", "4");
        read_file(scene->path, &reading);
        assert_int_equal(reading.count, 1);
        assert_string_equal(reading.calls[0].settle.account.client_id, "shop");
        assert_string_equal(reading.calls[0].settle.window, "");
        read_documents(scene->path, &read);
        assert_int_equal(read.count, 1);
    }
}

/* Each of the values in its place, and the deliveries in their order. */
static void an_upgrade_keeps_every_value(void **state) {
    struct scene *scene = *state;
    struct reading reading;
    struct journal_delivered last;
    make_old(scene, 3);
    sqlite3 *db = open_beside(scene);
    execute(db, "INSERT INTO calls VALUES (7, x'019a00000000700080000000000000aa', "
                "x'01010101010101010101010101010101', x'02020202020202020202020202020202', "
                "'shop', 'main', 'gold', 'settled', 1, 200, '01', 'trace', 321, 1800000000321, 1, "
                "NULL, 1800007200, 86400000, 3, 9, 'acme', 1), "
                "(8, x'019a00000000700080000000000000bb', zeroblob(16), zeroblob(16), 'shop', "
                "'main', NULL, 'settled', 0, NULL, NULL, NULL, 5, 6, 0, NULL, 0, 0, 0, 8, '', 0)");
    sqlite3_close(db);
    struct reading before;
    read_file(scene->path, &before);
    open_scene(scene);
    assert_true(journal_last_delivered(scene->rig.journal, &last));
    assert_string_equal(last.window, "acme");
    assert_int_equal(jrig_count(&scene->rig, 0), 1);
    jrig_close(&scene->rig);
    read_file(scene->path, &reading);
    assert_int_equal(reading.count, 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(reading.calls[i].line, before.calls[i].line);
        assert_int_equal(reading.calls[i].delivered, before.calls[i].delivered);
        assert_same_call(&reading.calls[i].settle, &before.calls[i].settle);
    }
    assert_int_equal(reading.calls[1].line, 7);
    assert_string_equal(reading.calls[1].settle.ledger.trace_id, "trace");
    assert_string_equal(reading.calls[1].settle.account.package, "gold");
    assert_int_equal(reading.calls[1].settle.close_ms, 86400000);
    assert_true(reading.calls[1].settle.hold);
    expect(scene, "SELECT delivered FROM calls WHERE line = 7", "9");
}

int main(void) {
    if (!scene_prepare())
        return 1;
    const struct CMUnitTest tests[] = {
        SCENE(documents_are_kept_in_their_newest_version),
        SCENE(what_is_not_known_is_passed_over),
        SCENE(answers_that_were_delivered_are_forgotten),
        SCENE(answers_that_were_not_delivered_are_forgotten),
        SCENE(what_cannot_be_written_is_said_and_forgotten_in_memory),
        SCENE(an_older_journal_is_read_as_it_is),
        SCENE(an_older_journal_is_upgraded_when_it_is_opened),
        SCENE(an_upgrade_keeps_every_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
