/*
 * What journal.h promises: the file, a call's line from intent to delivery, recovery, the sweep,
 * reading beside a running process, a file that cannot be written.
 */
#include "journal_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <sqlite3.h>

#include "runtime/log.h"

#define START_S  1800000000 /* where the clock that stands still begins */
#define START_MS (START_S * 1000ll)

/* Every test has a directory and a file of its own. */
struct scene {
    struct journal_rig rig;
    struct rig_clock clock;
    char folder[256];
    char path[300];
};

static int setup(void **state) {
    struct scene *scene = calloc(1, sizeof *scene);
    rig_make_folder(scene->folder);
    snprintf(scene->path, sizeof scene->path, "%s/journal.db", scene->folder);
    rig_clock_init(&scene->clock, START_S);
    *state = scene;
    return 0;
}

static int teardown(void **state) {
    struct scene *scene = *state;
    rig_remove_folder(scene->folder);
    free(scene);
    return 0;
}

static void open_scene(struct scene *scene) {
    jrig_open(&scene->rig, scene->path, &scene->clock.clock);
}

/* Beside the journal, as any program could. */
static sqlite3 *open_beside(const struct scene *scene) {
    sqlite3 *db;
    assert_int_equal(sqlite3_open(scene->path, &db), SQLITE_OK);
    return db;
}

static void execute(sqlite3 *db, const char *sql) {
    char *message = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s: %s", sql, message);
}

static void expect(const struct scene *scene, const char *sql, const char *wanted) {
    sqlite3 *db = open_beside(scene);
    sqlite3_stmt *statement;
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    const unsigned char *value = sqlite3_column_text(statement, 0);
    assert_string_equal(value ? (const char *)value : "(null)", wanted);
    sqlite3_finalize(statement);
    sqlite3_close(db);
}

static void expect_phrase(const struct complaint *complaint, const char *phrase) {
    if (!strstr(complaint->text, phrase))
        fail_msg("\"%s\" does not say \"%s\"", complaint->text, phrase);
}

static void expect_refusal(const char *path, const char *phrase) {
    struct complaint complaint = {""};
    assert_null(journal_open(path, JOURNAL_KEEP_MS, &clock_system, &complaint));
    expect_phrase(&complaint, "journal.path: ");
    expect_phrase(&complaint, phrase);
}

/* What journal_read tells. */
struct reading {
    struct journal_call calls[8];
    int count;
    int most;
};

static bool on_read(void *arg, const struct journal_call *call) {
    struct reading *reading = arg;
    if (reading->count < 8)
        reading->calls[reading->count] = *call;
    return ++reading->count != reading->most;
}

static void read_file(const char *path, struct reading *reading) {
    struct complaint complaint = {""};
    memset(reading, 0, sizeof *reading);
    if (!journal_read(path, on_read, reading, &complaint))
        fail_msg("journal_read: %s", complaint.text);
}

static void expect_unreadable(const char *path, const char *phrase) {
    struct complaint complaint = {""};
    struct reading reading = {0};
    assert_false(journal_read(path, on_read, &reading, &complaint));
    expect_phrase(&complaint, "journal.path: ");
    expect_phrase(&complaint, path);
    expect_phrase(&complaint, phrase);
    assert_int_equal(reading.count, 0);
}

/* The file */

static void its_files_are_the_owners_only(void **state) {
    struct scene *scene = *state;
    struct jcall call;
    mode_t mask = umask(0);
    open_scene(scene);
    umask(mask);
    jrig_prepare(&call, START_MS);
    assert_true(jrig_intend(&scene->rig, 0, &call));
    static const char *const suffixes[] = {"", "-wal", "-shm", ".lock"};
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        char path[320];
        struct stat status;
        snprintf(path, sizeof path, "%s%s", scene->path, suffixes[i]);
        assert_int_equal(stat(path, &status), 0);
        assert_int_equal(status.st_mode & 0777, 0600);
    }
    jrig_close(&scene->rig);
}

static void one_process_at_a_time_has_it(void **state) {
    struct scene *scene = *state;
    int ready[2];
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        struct complaint complaint;
        bool opened = journal_open(scene->path, JOURNAL_KEEP_MS, &clock_system, &complaint);
        if (write(ready[1], opened ? "y" : "n", 1) == 1)
            pause();
        _exit(1);
    }
    char said = 0;
    assert_int_equal(read(ready[0], &said, 1), 1);
    assert_int_equal(said, 'y');
    expect_refusal(scene->path, "another sanyao has");
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, NULL, 0), child);
    close(ready[0]);
    close(ready[1]);
    open_scene(scene);
    expect_refusal(scene->path, "another sanyao has");
    jrig_close(&scene->rig);
}

static void what_is_no_journal_is_refused_and_left_alone(void **state) {
    struct scene *scene = *state;
    static const struct {
        const char *sql;
        const char *phrase;
    } cases[] = {
        {"CREATE TABLE other (a)", "no sanyao journal"},
        {"PRAGMA application_id = 0x53595354; PRAGMA user_version = 1; CREATE TABLE other (a)",
         "no sanyao journal"},
        {"PRAGMA application_id = 0x53594a4c; PRAGMA user_version = 99; CREATE TABLE other (a)",
         "newer sanyao"},
        {"PRAGMA application_id = 0x53594a4c; PRAGMA user_version = 1; CREATE TABLE other (a)",
         "no whole sanyao journal"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        unlink(scene->path);
        sqlite3 *db = open_beside(scene);
        execute(db, cases[i].sql);
        sqlite3_close(db);
        expect_refusal(scene->path, cases[i].phrase);
        /* A reader says what is missing in SQLite's words. */
        expect_unreadable(scene->path, i == 3 ? "no such table" : cases[i].phrase);
        expect(scene, "SELECT group_concat(name) FROM sqlite_schema", "other");
    }
}

static void a_path_that_cannot_be_is_refused(void **state) {
    struct scene *scene = *state;
    char path[320];
    expect_refusal("", "needs a journal");
    snprintf(path, sizeof path, "%s/missing/journal.db", scene->folder);
    expect_refusal(path, "must exist");
    expect_unreadable(path, "must exist");
    expect_refusal(scene->folder, "cannot open");
    expect_unreadable(scene->folder, "no file");
    expect_unreadable(scene->path, "No such file");

    int fd = open(scene->path, O_WRONLY | O_CREAT, 0600);
    expect_unreadable(scene->path, "is empty");
    assert_int_equal(write(fd, scene->folder, sizeof scene->folder), sizeof scene->folder);
    close(fd);
    expect_refusal(scene->path, "no SQLite database");
    expect_unreadable(scene->path, "no SQLite database");
}

/* A call's line */

static void an_intent_and_its_outcome_come_back_whole(void **state) {
    struct scene *scene = *state;
    struct journal_rig *rig = &scene->rig;
    struct jcall answered;
    struct jcall failed;
    open_scene(scene);
    jrig_prepare(&answered, START_MS);
    answered.settle.answer.virtual_operator = true;
    jrig_prepare_failed(&failed, START_MS + 1);
    failed.admit.account.package[0] = 0;
    assert_true(jrig_intend(rig, 0, &answered));
    assert_true(jrig_intend(rig, 0, &failed));
    assert_int_equal(jrig_count(rig, 0), 0);

    struct reading reading;
    read_file(scene->path, &reading);
    assert_int_equal(reading.count, 2);
    for (int i = 0; i < 2; i++) {
        const struct journal_call *call = &reading.calls[i];
        const struct jcall *wanted = i == 0 ? &answered : &failed;
        assert_int_equal(call->line, i + 1);
        assert_false(call->ended);
        assert_false(call->delivered);
        assert_memory_equal(&call->settle.id, &wanted->admit.id, sizeof call->settle.id);
        assert_memory_equal(&call->settle.triple, &wanted->admit.triple, DIGEST_SIZE);
        assert_memory_equal(&call->settle.number, &wanted->admit.number, DIGEST_SIZE);
        assert_same_account(&call->settle.account, &wanted->admit.account);
        assert_int_equal(call->settle.ledger.state, LEDGER_RESERVED);
    }

    assert_true(jrig_end(rig, 1, &failed));
    assert_true(jrig_end(rig, 1, &answered));
    assert_false(answered.outcome.repeated || failed.outcome.repeated);
    struct journal_fetch fetch = jrig_fetch(rig, 0, 0);
    assert_true(fetch.read);
    assert_int_equal(fetch.count, 2);
    for (int i = 0; i < 2; i++) {
        const struct journal_call *call = &fetch.calls_owned[i];
        const struct jcall *wanted = i == 0 ? &answered : &failed;
        assert_int_equal(call->line, i + 1);
        assert_true(call->ended);
        assert_false(call->delivered);
        assert_same_call(&call->settle, &wanted->settle);
        assert_int_equal(call->settle.answered, wanted->settle.answered);
        assert_int_equal(call->settle.keep, wanted->settle.keep);
        assert_same_answer(&call->settle.answer, &wanted->settle.answer);
    }
    free(fetch.calls_owned);
    jrig_close(rig);
}

static void what_is_not_known_is_not_made_up(void **state) {
    struct scene *scene = *state;
    struct jcall call;
    open_scene(scene);
    jrig_prepare_failed(&call, START_MS);
    call.settle.ledger.state = LEDGER_UNKNOWN;
    call.settle.ledger.billed = BILLED_UNKNOWN;
    assert_true(jrig_end(&scene->rig, 0, &call));
    expect(scene,
           "SELECT count(*) FROM calls WHERE billed IS NULL AND http_status IS NULL AND status IS "
           "NULL AND trace_id IS NULL AND answer IS NULL AND package IS NULL",
           "1");
    struct journal_fetch fetch = jrig_fetch(&scene->rig, 0, 0);
    assert_int_equal(fetch.count, 1);
    assert_same_call(&fetch.calls_owned[0].settle, &call.settle);
    free(fetch.calls_owned);
    jrig_close(&scene->rig);
}

static void a_second_outcome_changes_nothing(void **state) {
    struct scene *scene = *state;
    struct journal_rig *rig = &scene->rig;
    struct jcall first;
    struct jcall second;
    open_scene(scene);
    jrig_prepare(&first, START_MS);
    jrig_prepare_failed(&second, START_MS);
    second.admit.id = second.settle.id = first.settle.id;
    assert_true(jrig_intend(rig, 0, &first));
    /* In one batch, most likely. */
    journal_write_outcome(rig->clients[0].client, &first.outcome);
    journal_write_outcome(rig->clients[0].client, &second.outcome);
    jrig_wait(rig, &second.ended, 1);
    assert_true(first.outcome.written && second.outcome.written);
    assert_false(first.outcome.repeated);
    assert_true(second.outcome.repeated);
    assert_true(jrig_end(rig, 1, &second));
    assert_true(second.outcome.repeated);

    journal_mark_delivered(rig->clients[0].client, &first.settle.id);
    assert_int_equal(jrig_count(rig, 0), 0);
    assert_true(jrig_end(rig, 0, &second));
    assert_true(second.outcome.repeated);
    assert_int_equal(jrig_count(rig, 0), 0);
    /* And an intent for a call that has a line makes no other one. */
    assert_true(jrig_intend(rig, 0, &second));
    jrig_close(rig);
    expect(scene, "SELECT group_concat(state) FROM calls", "settled");
}

static void an_outcome_without_an_intent_makes_the_line(void **state) {
    struct scene *scene = *state;
    struct jcall call;
    open_scene(scene);
    jrig_prepare(&call, START_MS);
    assert_true(jrig_end(&scene->rig, 0, &call));
    assert_false(call.outcome.repeated);
    assert_true(jrig_end(&scene->rig, 0, &call));
    assert_true(call.outcome.repeated);
    struct journal_fetch fetch = jrig_fetch(&scene->rig, 0, 0);
    assert_int_equal(fetch.count, 1);
    assert_same_call(&fetch.calls_owned[0].settle, &call.settle);
    assert_same_answer(&fetch.calls_owned[0].settle.answer, &call.settle.answer);
    free(fetch.calls_owned);
    jrig_close(&scene->rig);
}

struct sequence {
    struct jcall calls[3];
    struct jfetch fetch;
    int order[8];
    int count;
};

static struct sequence sequence;

static void note(int what) {
    sequence.order[sequence.count++] = what;
}

static void on_first(struct store_op *op) {
    (void)op;
    note(0);
}

static void on_second(struct store_op *op) {
    (void)op;
    note(1);
}

static void on_third(struct store_op *op) {
    (void)op;
    note(2);
}

static void on_fourth(struct store_op *op) {
    free(((struct journal_fetch *)op)->calls_owned);
    note(3);
}

static void callbacks_come_as_submitted(void **state) {
    struct scene *scene = *state;
    struct journal_rig *rig = &scene->rig;
    open_scene(scene);
    memset(&sequence, 0, sizeof sequence);
    for (int i = 0; i < 3; i++)
        jrig_prepare(&sequence.calls[i], START_MS);
    sequence.calls[0].intent.op.done = on_first;
    sequence.calls[1].outcome.op.done = on_second;
    sequence.calls[2].intent.op.done = on_third;
    sequence.fetch.fetch.op.done = on_fourth;
    /* While it is locked they gather. */
    sqlite3 *other = open_beside(scene);
    execute(other, "BEGIN IMMEDIATE");
    struct journal_client *client = rig->clients[0].client;
    journal_write_intent(client, &sequence.calls[0].intent);
    journal_write_outcome(client, &sequence.calls[1].outcome);
    journal_mark_delivered(client, &sequence.calls[1].settle.id);
    journal_write_intent(client, &sequence.calls[2].intent);
    journal_fetch_undelivered(client, &sequence.fetch.fetch);
    execute(other, "COMMIT");
    sqlite3_close(other);
    jrig_wait(rig, &sequence.count, 4);
    for (int i = 0; i < 4; i++)
        assert_int_equal(sequence.order[i], i);
    jrig_close(rig);
}

/* Delivery */

static void a_delivered_call_is_marked_and_its_answer_gone(void **state) {
    struct scene *scene = *state;
    struct journal_rig *rig = &scene->rig;
    struct jcall calls[2];
    struct ledger_id last;
    open_scene(scene);
    assert_false(journal_last_delivered(rig->journal, &last));
    for (int i = 0; i < 2; i++) {
        jrig_prepare(&calls[i], START_MS + i);
        assert_true(jrig_intend(rig, 0, &calls[i]));
    }
    /* One that has not ended cannot be delivered. */
    journal_mark_delivered(rig->clients[0].client, &calls[0].settle.id);
    assert_int_equal(jrig_count(rig, 0), 0);
    for (int i = 0; i < 2; i++)
        assert_true(jrig_end(rig, 0, &calls[i]));
    assert_int_equal(jrig_count(rig, 0), 2);
    assert_false(journal_last_delivered(rig->journal, &last));

    for (int i = 1; i >= 0; i--) {
        journal_mark_delivered(rig->clients[0].client, &calls[i].settle.id);
        assert_int_equal(jrig_count(rig, 0), i);
        assert_true(journal_last_delivered(rig->journal, &last));
        /* The newest, not the one that was marked last. */
        assert_memory_equal(&last, &calls[1].settle.id, sizeof last);
    }
    expect(scene, "SELECT count(*) FROM calls WHERE answer IS NOT NULL", "0");
    struct reading reading;
    read_file(scene->path, &reading);
    assert_int_equal(reading.count, 2);
    assert_true(reading.calls[0].delivered && reading.calls[0].ended);
    assert_same_call(&reading.calls[0].settle, &calls[0].settle);
    assert_false(reading.calls[0].settle.answered || reading.calls[0].settle.keep);
    jrig_close(rig);

    open_scene(scene);
    assert_true(journal_last_delivered(rig->journal, &last));
    assert_memory_equal(&last, &calls[1].settle.id, sizeof last);
    assert_int_equal(jrig_count(rig, 0), 0);
    jrig_close(rig);
}

static void the_undelivered_are_fetched_in_pieces(void **state) {
    struct scene *scene = *state;
    struct journal_rig *rig = &scene->rig;
    enum { COUNT = 2 * JOURNAL_FETCH_MOST + 10 };
    static struct jcall calls[COUNT];
    open_scene(scene);
    for (int i = 0; i < COUNT; i++) {
        jrig_prepare(&calls[i], START_MS + i);
        journal_write_intent(rig->clients[0].client, &calls[i].intent);
    }
    jrig_wait(rig, &calls[COUNT - 1].intended, 1);
    for (int i = COUNT - 1; i >= 0; i--)
        journal_write_outcome(rig->clients[0].client, &calls[i].outcome);
    jrig_wait(rig, &calls[0].ended, 1);
    /* One in three is delivered. */
    for (int i = 0; i < COUNT; i += 3)
        journal_mark_delivered(rig->clients[0].client, &calls[i].settle.id);

    int64_t after = 0;
    int next = 0;
    for (;;) {
        struct journal_fetch fetch = jrig_fetch(rig, 0, after);
        assert_true(fetch.read);
        for (int i = 0; i < fetch.count; i++, next++) {
            next += next % 3 == 0;
            assert_memory_equal(&fetch.calls_owned[i].settle.id, &calls[next].settle.id, 16);
            after = fetch.calls_owned[i].line;
        }
        free(fetch.calls_owned);
        if (fetch.count == 0) {
            assert_null(fetch.calls_owned);
            break;
        }
    }
    assert_int_equal(next, COUNT);
    jrig_close(rig);
}

static void the_undelivered_are_found_without_reading_every_line(void **state) {
    struct scene *scene = *state;
    open_scene(scene);
    expect(scene,
           "SELECT group_concat(name) FROM (SELECT name FROM sqlite_schema WHERE type = 'index' "
           "AND sql LIKE '%WHERE%' ORDER BY name)",
           "calls_delivered,calls_open,calls_undelivered");
    jrig_close(&scene->rig);
}

static void what_the_shared_store_lost_is_delivered_again(void **state) {
    struct scene *scene = *state;
    struct journal_rig *rig = &scene->rig;
    struct jcall calls[4];
    struct ledger_id last;
    open_scene(scene);
    for (int i = 0; i < 4; i++) {
        jrig_prepare(&calls[i], START_MS + i * 1000);
        assert_true(jrig_intend(rig, 0, &calls[i]));
        if (i < 3) {
            assert_true(jrig_end(rig, 0, &calls[i]));
            journal_mark_delivered(rig->clients[0].client, &calls[i].settle.id);
        }
    }
    assert_int_equal(jrig_redeliver(rig, 1, START_MS + 1000), 2);
    struct journal_fetch fetch = jrig_fetch(rig, 1, 0);
    assert_int_equal(fetch.count, 2);
    for (int i = 0; i < 2; i++) {
        assert_same_call(&fetch.calls_owned[i].settle, &calls[i + 1].settle);
        assert_false(fetch.calls_owned[i].delivered);
        assert_false(fetch.calls_owned[i].settle.answered);
        assert_false(fetch.calls_owned[i].settle.keep);
    }
    free(fetch.calls_owned);
    assert_true(journal_last_delivered(rig->journal, &last));
    assert_memory_equal(&last, &calls[0].settle.id, sizeof last);
    assert_int_equal(jrig_redeliver(rig, 1, START_MS + 1000), 0);
    assert_int_equal(jrig_redeliver(rig, 1, INT64_MAX), 0);
    assert_int_equal(jrig_redeliver(rig, 1, INT64_MIN), 1);
    assert_false(journal_last_delivered(rig->journal, &last));
    jrig_close(rig);
}

/* Recovery */

static void calls_of_a_process_that_is_gone_become_unknown(void **state) {
    struct scene *scene = *state;
    struct journal_rig *rig = &scene->rig;
    static struct jcall calls[3];
    for (int i = 0; i < 3; i++)
        jrig_prepare(&calls[i], START_MS + i);
    pid_t child = fork();
    if (child == 0) {
        open_scene(scene);
        for (int i = 0; i < 3; i++)
            jrig_intend(rig, 0, &calls[i]);
        jrig_end(rig, 0, &calls[1]);
        raise(SIGKILL);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));

    rig_clock_advance(&scene->clock, 60000);
    open_scene(scene);
    struct journal_fetch fetch = jrig_fetch(rig, 0, 0);
    assert_int_equal(fetch.count, 3);
    assert_same_call(&fetch.calls_owned[1].settle, &calls[1].settle);
    assert_true(fetch.calls_owned[1].settle.answered);
    for (int i = 0; i < 3; i += 2) {
        const struct store_settle *settle = &fetch.calls_owned[i].settle;
        struct store_settle wanted = {.id = calls[i].admit.id,
                                      .triple = calls[i].admit.triple,
                                      .number = calls[i].admit.number,
                                      .account = calls[i].admit.account,
                                      .ledger = {.state = LEDGER_UNKNOWN,
                                                 .billed = BILLED_UNKNOWN,
                                                 .settled_at_ms = START_MS + 60000},
                                      .failure = FAILURE_UPSTREAM_TIMEOUT};
        assert_same_call(settle, &wanted);
        assert_false(settle->answered || settle->keep);
    }
    free(fetch.calls_owned);
    /* The outcome that comes from nowhere after all changes nothing. */
    assert_true(jrig_end(rig, 0, &calls[0]));
    assert_true(calls[0].outcome.repeated);
    jrig_close(rig);
}

/* Time */

static void wait_for_lines(const struct scene *scene, int wanted) {
    int64_t deadline = clock_monotonic_ms(&clock_system) + RIG_DEADLINE_MS;
    struct reading reading;
    do {
        read_file(scene->path, &reading);
        if (clock_monotonic_ms(&clock_system) > deadline)
            fail_msg("%d lines are left", reading.count);
        usleep(1000);
    } while (reading.count != wanted);
}

static void old_delivered_lines_are_swept(void **state) {
    struct scene *scene = *state;
    struct journal_rig *rig = &scene->rig;
    enum { COUNT = 450 }; /* more than two steps */
    static struct jcall calls[COUNT];
    struct ledger_id last;
    open_scene(scene);
    for (int i = 0; i < COUNT; i++) {
        jrig_prepare(&calls[i], START_MS + (i == 0 ? 5000 : 0));
        journal_write_outcome(rig->clients[0].client, &calls[i].outcome);
    }
    jrig_wait(rig, &calls[COUNT - 1].ended, 1);
    /* The first is younger, the second is not delivered. */
    for (int i = 0; i < COUNT; i++) {
        if (i != 1)
            journal_mark_delivered(rig->clients[0].client, &calls[i].settle.id);
    }
    assert_int_equal(jrig_count(rig, 0), 1);
    rig_clock_advance(&scene->clock, JOURNAL_KEEP_MS);
    journal_poke(rig->journal);
    assert_int_equal(jrig_count(rig, 0), 1);
    assert_int_equal(jrig_count(rig, 0), 1);
    wait_for_lines(scene, COUNT);

    rig_clock_advance(&scene->clock, 1);
    journal_poke(rig->journal);
    /* And the newest of them stays: it tells what the shared store must have. */
    wait_for_lines(scene, 3);
    rig_clock_advance(&scene->clock, 5000);
    journal_poke(rig->journal);
    wait_for_lines(scene, 2);
    jrig_close(rig);

    open_scene(scene);
    assert_true(journal_last_delivered(rig->journal, &last));
    assert_memory_equal(&last, &calls[COUNT - 1].settle.id, sizeof last);
    struct journal_fetch fetch = jrig_fetch(rig, 0, 0);
    assert_int_equal(fetch.count, 1);
    assert_memory_equal(&fetch.calls_owned[0].settle.id, &calls[1].settle.id, 16);
    assert_true(fetch.calls_owned[0].settle.answered);
    free(fetch.calls_owned);
    /* A line's number is not given again. */
    jrig_prepare(&calls[0], START_MS);
    assert_true(jrig_end(rig, 0, &calls[0]));
    struct reading reading;
    read_file(scene->path, &reading);
    assert_int_equal(reading.calls[2].line, COUNT + 1);
    jrig_close(rig);
}

/* Reading beside it */

static void copy_file(const char *from, const char *to) {
    char bytes[4096];
    int source = open(from, O_RDONLY);
    int target = open(to, O_WRONLY | O_CREAT, 0644);
    ssize_t size;
    while ((size = read(source, bytes, sizeof bytes)) > 0)
        assert_int_equal(write(target, bytes, (size_t)size), size);
    close(source);
    close(target);
}

static void it_is_read_while_open_and_closed(void **state) {
    struct scene *scene = *state;
    struct journal_rig *rig = &scene->rig;
    enum { COUNT = 200 };
    static struct jcall calls[COUNT];
    struct reading reading;
    open_scene(scene);
    read_file(scene->path, &reading);
    assert_int_equal(reading.count, 0);
    for (int i = 0; i < COUNT; i++) {
        jrig_prepare(&calls[i], START_MS);
        journal_write_outcome(rig->clients[0].client, &calls[i].outcome);
    }
    jrig_wait(rig, &calls[COUNT - 1].ended, 1);
    read_file(scene->path, &reading);
    assert_int_equal(reading.count, COUNT);
    assert_same_call(&reading.calls[7].settle, &calls[7].settle);
    assert_same_answer(&reading.calls[7].settle.answer, &calls[7].settle.answer);

    struct complaint complaint;
    reading = (struct reading){.most = 3};
    assert_true(journal_read(scene->path, on_read, &reading, &complaint));
    assert_int_equal(reading.count, 3);

    /* The reader let go of nothing that the writer holds. */
    expect_refusal(scene->path, "another sanyao has");
    assert_true(jrig_intend(rig, 0, &calls[0]));
    jrig_close(rig);

    char copy[300];
    snprintf(copy, sizeof copy, "%s/a copy 100%% #1?.db", scene->folder);
    copy_file(scene->path, copy);
    read_file(scene->path, &reading);
    assert_int_equal(reading.count, COUNT);
    read_file(copy, &reading);
    assert_int_equal(reading.count, COUNT);
    /* Nothing that was read keeps it from being opened. */
    open_scene(scene);
    jrig_close(rig);
}

static void a_copy_is_read_where_nothing_can_be_written(void **state) {
    struct scene *scene = *state;
    struct jcall call;
    char folder[280];
    char copy[300];
    open_scene(scene);
    jrig_prepare(&call, START_MS);
    assert_true(jrig_end(&scene->rig, 0, &call));
    jrig_close(&scene->rig);
    snprintf(folder, sizeof folder, "%s/50%%#?", scene->folder);
    snprintf(copy, sizeof copy, "%s/journal.db", folder);
    assert_int_equal(mkdir(folder, 0755), 0);
    copy_file(scene->path, copy);
    assert_int_equal(chmod(scene->folder, 0755), 0);
    assert_int_equal(chmod(copy, 0444), 0);
    assert_int_equal(chmod(folder, 0555), 0);

    pid_t child = fork();
    if (child == 0) {
        struct complaint complaint = {""};
        struct reading reading = {0};
        if (geteuid() == 0 && setuid(65534) != 0)
            _exit(3);
        bool read = journal_read(copy, on_read, &reading, &complaint);
        if (!read)
            print_error("%s\n", complaint.text);
        _exit(read && reading.count == 1 ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(chmod(folder, 0755), 0);
    assert_int_equal(status, 0);
    char beside[320];
    snprintf(beside, sizeof beside, "%s-wal", copy);
    assert_int_equal(access(beside, F_OK), -1);
}

/* A file that cannot be written */

static void expect_away(struct journal_rig *rig, const char *phrase) {
    struct complaint complaint = {""};
    assert_false(journal_ready(rig->journal, &complaint));
    expect_phrase(&complaint, "the journal cannot be written");
    expect_phrase(&complaint, phrase);
}

struct trouble {
    sqlite3 *other;
    struct rlimit former;
    void (*on_excess)(int);
};

static void lock_file(const struct scene *scene, struct trouble *trouble) {
    trouble->other = open_beside(scene);
    execute(trouble->other, "BEGIN EXCLUSIVE");
}

static void unlock_file(const struct trouble *trouble) {
    execute(trouble->other, "COMMIT");
    sqlite3_close(trouble->other);
}

/* No file may grow: as when the disk is full, but for the error's name. */
static void fill_disk(const struct scene *scene, struct trouble *trouble) {
    char wal[320];
    struct stat status;
    snprintf(wal, sizeof wal, "%s-wal", scene->path);
    assert_int_equal(stat(wal, &status), 0);
    getrlimit(RLIMIT_FSIZE, &trouble->former);
    trouble->on_excess = signal(SIGXFSZ, SIG_IGN);
    struct rlimit tight = {(rlim_t)status.st_size, trouble->former.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
}

static void empty_disk(const struct trouble *trouble) {
    setrlimit(RLIMIT_FSIZE, &trouble->former);
    signal(SIGXFSZ, trouble->on_excess);
}

/* Calls 0 and 1 are intended, 2 ended. */
static void begin_calls(struct scene *scene, struct jcall calls[4]) {
    open_scene(scene);
    for (int i = 0; i < 4; i++)
        jrig_prepare(&calls[i], START_MS + i);
    for (int i = 0; i < 3; i++)
        assert_true(jrig_intend(&scene->rig, 0, &calls[i]));
    assert_true(jrig_end(&scene->rig, 0, &calls[2]));
}

static void expect_kept(struct scene *scene, struct jcall calls[4], const char *phrase) {
    struct journal_rig *rig = &scene->rig;
    for (int i = 0; i < 2; i++) {
        assert_false(jrig_end(rig, 0, &calls[i]));
        assert_false(calls[i].outcome.repeated);
        assert_int_equal(calls[i].ended, 1);
    }
    assert_false(jrig_intend(rig, 1, &calls[3]));
    assert_int_equal(jrig_redeliver(rig, 1, 0), -1);
    expect_away(rig, phrase);

    /* The callers' structs may be used for something else by now. */
    struct store_settle settles[2] = {calls[0].settle, calls[1].settle};
    memset(&calls[0].settle, 0xff, sizeof calls[0].settle);
    memset(&calls[1].settle, 0xff, sizeof calls[1].settle);
    struct journal_fetch fetch = jrig_fetch(rig, 0, 0);
    assert_true(fetch.read);
    assert_int_equal(fetch.count, 3);
    assert_int_equal(fetch.calls_owned[0].line, 3);
    for (int i = 0; i < 2; i++) {
        const struct journal_call *call = &fetch.calls_owned[i + 1];
        assert_true(call->line >= JOURNAL_MEMORY_LINES + i);
        assert_true(call->ended);
        assert_same_call(&call->settle, &settles[i]);
        assert_same_answer(&call->settle.answer, &settles[i].answer);
    }
    int64_t last = fetch.calls_owned[2].line;
    int64_t first = fetch.calls_owned[1].line;
    free(fetch.calls_owned);
    fetch = jrig_fetch(rig, 0, first);
    assert_int_equal(fetch.count, 1);
    assert_int_equal(fetch.calls_owned[0].line, last);
    free(fetch.calls_owned);
    /* What is only in memory can be marked there; the file's mark is lost. */
    journal_mark_delivered(rig->clients[0].client, &settles[0].id);
    journal_mark_delivered(rig->clients[0].client, &calls[2].settle.id);
    assert_int_equal(jrig_count(rig, 0), 2);
    calls[0].settle = settles[0];
    calls[1].settle = settles[1];
}

static void expect_restored(struct scene *scene, struct jcall calls[4]) {
    struct journal_rig *rig = &scene->rig;
    struct complaint complaint;
    struct ledger_id last;
    /* Before anything new is intended, what waited is written. */
    assert_true(jrig_intend(rig, 1, &calls[3]));
    assert_true(journal_ready(rig->journal, &complaint));
    struct journal_fetch fetch = jrig_fetch(rig, 0, 0);
    assert_int_equal(fetch.count, 2);
    assert_same_call(&fetch.calls_owned[0].settle, &calls[1].settle);
    assert_same_answer(&fetch.calls_owned[0].settle.answer, &calls[1].settle.answer);
    assert_int_equal(fetch.calls_owned[0].line, 2);
    assert_int_equal(fetch.calls_owned[1].line, 3);
    free(fetch.calls_owned);
    assert_true(journal_last_delivered(rig->journal, &last));
    assert_memory_equal(&last, &calls[0].settle.id, sizeof last);
    jrig_close(rig);
    expect(scene,
           "SELECT group_concat(state || delivered) FROM (SELECT * FROM calls ORDER BY line)",
           "settled1,settled0,settled0,reserved0");
    expect(scene, "PRAGMA integrity_check", "ok");
}

static void a_locked_file_loses_nothing(void **state) {
    struct scene *scene = *state;
    static struct jcall calls[4];
    struct trouble trouble;
    begin_calls(scene, calls);
    lock_file(scene, &trouble);
    expect_kept(scene, calls, "locked");
    unlock_file(&trouble);
    expect_restored(scene, calls);
}

static void a_full_disk_loses_nothing(void **state) {
    struct scene *scene = *state;
    static struct jcall calls[4];
    struct trouble trouble;
    begin_calls(scene, calls);
    fill_disk(scene, &trouble);
    expect_kept(scene, calls, "I/O");
    empty_disk(&trouble);
    expect_restored(scene, calls);
}

static void of_two_outcomes_that_waited_the_first_counts(void **state) {
    struct scene *scene = *state;
    struct journal_rig *rig = &scene->rig;
    struct jcall first;
    struct jcall second;
    struct trouble trouble;
    open_scene(scene);
    jrig_prepare(&first, START_MS);
    jrig_prepare_failed(&second, START_MS);
    second.settle.id = first.settle.id;
    assert_true(jrig_intend(rig, 0, &first));
    lock_file(scene, &trouble);
    assert_false(jrig_end(rig, 0, &first));
    assert_false(jrig_end(rig, 0, &second));
    unlock_file(&trouble);
    assert_true(jrig_end(rig, 0, &second));
    assert_true(second.outcome.repeated);
    assert_int_equal(jrig_count(rig, 0), 1);
    jrig_close(rig);
    expect(scene, "SELECT group_concat(state) FROM calls", "settled");
}

static void a_transaction_that_needs_no_room_does_not_prove_a_disk_with_room(void **state) {
    struct scene *scene = *state;
    struct journal_rig *rig = &scene->rig;
    struct jcall ended;
    struct jcall refused;
    struct trouble trouble;
    struct complaint complaint;
    open_scene(scene);
    jrig_prepare(&ended, START_MS);
    jrig_prepare(&refused, START_MS);
    assert_true(jrig_end(rig, 0, &ended));
    fill_disk(scene, &trouble);
    assert_false(jrig_intend(rig, 0, &refused));
    assert_int_equal(jrig_count(rig, 0), 1);
    expect_away(rig, "I/O");
    empty_disk(&trouble);
    assert_int_equal(jrig_count(rig, 0), 1);
    assert_true(journal_ready(rig->journal, &complaint));
    jrig_close(rig);
    expect(scene, "SELECT count(*) FROM calls", "1");
}

static void what_could_not_be_written_is_tried_again_unasked(void **state) {
    struct scene *scene = *state;
    struct journal_rig *rig = &scene->rig;
    struct jcall call;
    struct trouble trouble;
    struct complaint complaint;
    jrig_open(rig, scene->path, &clock_system);
    jrig_prepare(&call, START_MS);
    lock_file(scene, &trouble);
    assert_false(jrig_end(rig, 0, &call));
    unlock_file(&trouble);
    int64_t deadline = clock_monotonic_ms(&clock_system) + RIG_DEADLINE_MS;
    while (!journal_ready(rig->journal, &complaint)) {
        assert_true(clock_monotonic_ms(&clock_system) < deadline);
        usleep(1000);
    }
    expect(scene, "SELECT state FROM calls", "settled");
    jrig_close(rig);
}

static void closing_writes_what_waits(void **state) {
    struct scene *scene = *state;
    struct jcall calls[2];
    struct trouble trouble;
    open_scene(scene);
    for (int i = 0; i < 2; i++)
        jrig_prepare(&calls[i], START_MS);
    assert_true(jrig_end(&scene->rig, 0, &calls[0]));
    lock_file(scene, &trouble);
    assert_false(jrig_end(&scene->rig, 0, &calls[1]));
    unlock_file(&trouble);
    journal_mark_delivered(scene->rig.clients[0].client, &calls[0].settle.id);
    jrig_close(&scene->rig);
    expect(scene, "SELECT group_concat(state || delivered) FROM calls", "settled1,settled0");
}

/* Many at once */

enum { THREADS = 4, CALLS_AT_ONCE = 16, CALLS_A_THREAD = 2000 };

struct crowd_member {
    struct scene *scene;
    struct journal_client *client;
    struct jcall calls[CALLS_AT_ONCE];
    struct jfetch fetch;
    bool fetching;
    int begun;
    int under_way;
    int wrong;
};

static void crowd_begin(struct crowd_member *member, struct jcall *call);

static void crowd_fetched(struct store_op *op) {
    struct journal_fetch *fetch = (struct journal_fetch *)op;
    struct crowd_member *member =
        (struct crowd_member *)((char *)op - offsetof(struct crowd_member, fetch));
    member->wrong += !fetch->read;
    free(fetch->calls_owned);
    member->fetching = false;
    member->under_way--;
}

static void crowd_ended(struct store_op *op) {
    jrig_on_ended(op);
    struct journal_outcome *outcome = (struct journal_outcome *)op;
    struct jcall *call = (struct jcall *)((char *)outcome - offsetof(struct jcall, outcome));
    struct crowd_member *member = call->owner;
    struct ledger_id id;
    member->wrong += !outcome->written || outcome->repeated || call->ended != 1;
    journal_mark_delivered(member->client, &call->settle.id);
    journal_last_delivered(member->scene->rig.journal, &id);
    member->under_way--;
    if (!member->fetching) {
        member->fetching = true;
        memset(&member->fetch, 0, sizeof member->fetch);
        member->fetch.fetch.op.done = crowd_fetched;
        member->under_way++;
        journal_fetch_undelivered(member->client, &member->fetch.fetch);
    }
    crowd_begin(member, call);
}

static void crowd_intended(struct store_op *op) {
    jrig_on_intended(op);
    struct journal_intent *intent = (struct journal_intent *)op;
    struct jcall *call = (struct jcall *)((char *)intent - offsetof(struct jcall, intent));
    struct crowd_member *member = call->owner;
    member->wrong += !intent->written || call->intended != 1;
    journal_write_outcome(member->client, &call->outcome);
}

static void crowd_begin(struct crowd_member *member, struct jcall *call) {
    if (member->begun == CALLS_A_THREAD)
        return;
    member->begun++;
    member->under_way++;
    jrig_prepare(call, START_MS);
    call->owner = member;
    call->intent.op.done = crowd_intended;
    call->outcome.op.done = crowd_ended;
    journal_write_intent(member->client, &call->intent);
}

static void run_member(void *arg) {
    struct crowd_member *member = arg;
    struct complaint complaint;
    uv_loop_t loop;
    uv_loop_init(&loop);
    member->client = journal_attach(member->scene->rig.journal, &loop, &complaint);
    for (int i = 0; i < CALLS_AT_ONCE; i++)
        crowd_begin(member, &member->calls[i]);
    while (member->under_way > 0)
        uv_run(&loop, UV_RUN_ONCE);
    journal_detach(member->client);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
}

static void many_threads_lose_nothing(void **state) {
    struct scene *scene = *state;
    static struct crowd_member members[THREADS];
    uv_thread_t threads[THREADS];
    char wanted[32];
    open_scene(scene);
    for (int i = 0; i < THREADS; i++) {
        members[i] = (struct crowd_member){.scene = scene};
        assert_int_equal(uv_thread_create(&threads[i], run_member, &members[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        uv_thread_join(&threads[i]);
        assert_int_equal(members[i].wrong, 0);
        assert_int_equal(members[i].begun, CALLS_A_THREAD);
    }
    assert_int_equal(jrig_count(&scene->rig, 0), 0);
    jrig_close(&scene->rig);
    snprintf(wanted, sizeof wanted, "%d", THREADS * CALLS_A_THREAD);
    expect(scene, "SELECT count(*) FROM calls WHERE state = 'settled' AND delivered", wanted);
}

int main(void) {
    if (sodium_init() < 0)
        return 1;
    /* Warnings and errors are part of what is provoked here. */
    log_init(LOG_ERROR, LOG_JSON, open("/dev/null", O_WRONLY | O_CLOEXEC));
#define SCENE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        SCENE(its_files_are_the_owners_only),
        SCENE(one_process_at_a_time_has_it),
        SCENE(what_is_no_journal_is_refused_and_left_alone),
        SCENE(a_path_that_cannot_be_is_refused),
        SCENE(an_intent_and_its_outcome_come_back_whole),
        SCENE(what_is_not_known_is_not_made_up),
        SCENE(a_second_outcome_changes_nothing),
        SCENE(an_outcome_without_an_intent_makes_the_line),
        SCENE(callbacks_come_as_submitted),
        SCENE(a_delivered_call_is_marked_and_its_answer_gone),
        SCENE(the_undelivered_are_fetched_in_pieces),
        SCENE(the_undelivered_are_found_without_reading_every_line),
        SCENE(what_the_shared_store_lost_is_delivered_again),
        SCENE(calls_of_a_process_that_is_gone_become_unknown),
        SCENE(old_delivered_lines_are_swept),
        SCENE(it_is_read_while_open_and_closed),
        SCENE(a_copy_is_read_where_nothing_can_be_written),
        SCENE(a_locked_file_loses_nothing),
        SCENE(a_full_disk_loses_nothing),
        SCENE(of_two_outcomes_that_waited_the_first_counts),
        SCENE(a_transaction_that_needs_no_room_does_not_prove_a_disk_with_room),
        SCENE(what_could_not_be_written_is_tried_again_unasked),
        SCENE(closing_writes_what_waits),
        SCENE(many_threads_lose_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
