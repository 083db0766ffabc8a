/*
 * What is the embedded store's own: the file and who may open it, the ledger's rows, recovery, the
 * sweep, leases on a clock that stands still, a file that cannot be written.
 */
#include "money_rig.h"
#include "sqlite_scene.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "runtime/log.h"
#include "store/sqlite_books.h"

/* The file */

static void its_files_are_the_owners_only(void **state) {
    struct scene *scene = *state;
    mode_t mask = umask(0);
    open_scene(scene);
    umask(mask);
    rig_barrier(&scene->rig, 0);
    static const char *const suffixes[] = {"", "-wal", "-shm", ".lock"};
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        char path[320];
        struct stat status;
        snprintf(path, sizeof path, "%s%s", scene->path, suffixes[i]);
        assert_int_equal(stat(path, &status), 0);
        assert_int_equal(status.st_mode & 0777, 0600);
    }
    rig_close(&scene->rig);
}

static void a_second_store_in_the_process_is_refused(void **state) {
    struct scene *scene = *state;
    open_scene(scene);
    expect_refusal(scene->url, "another sanyao has");
    char way_round[320];
    snprintf(way_round, sizeof way_round, "sqlite:%s/./store.db", scene->folder);
    expect_refusal(way_round, "another sanyao has");
    char link[300];
    snprintf(link, sizeof link, "%s/link.db", scene->folder);
    assert_int_equal(symlink(scene->path, link), 0);
    snprintf(way_round, sizeof way_round, "sqlite:%s", link);
    expect_refusal(way_round, "another sanyao has");
    /* And the first one is none the worse. */
    rig_barrier(&scene->rig, 0);
    rig_close(&scene->rig);
}

static void a_second_process_is_refused_until_the_first_is_gone(void **state) {
    struct scene *scene = *state;
    int ready[2];
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        struct complaint complaint;
        char said =
            store_open(&(struct store_settings){.url = scene->url}, &clock_system, &complaint)
                ? 'y'
                : 'n';
        if (write(ready[1], &said, 1) == 1)
            pause();
        _exit(1);
    }
    char said = 0;
    assert_int_equal(read(ready[0], &said, 1), 1);
    assert_int_equal(said, 'y');
    expect_refusal(scene->url, "another sanyao has");
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, NULL, 0), child);
    close(ready[0]);
    close(ready[1]);
    open_scene(scene);
    rig_close(&scene->rig);
}

static void what_is_not_ours_is_refused_and_left_alone(void **state) {
    struct scene *scene = *state;
    static const struct {
        const char *sql;
        const char *phrase;
    } cases[] = {
        {"CREATE TABLE other (a); INSERT INTO other VALUES (1)", "another program's"},
        {"PRAGMA application_id = 77; CREATE TABLE other (a)", "another program's"},
        {"PRAGMA user_version = 9; CREATE TABLE other (a)", "another program's"},
        {"PRAGMA application_id = 0x53595354; PRAGMA user_version = 99; CREATE TABLE other (a)",
         "newer sanyao"},
        {"PRAGMA application_id = 0x53595354; PRAGMA user_version = 4; CREATE TABLE other (a)",
         "no whole sanyao store"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        unlink(scene->path);
        sqlite3 *db = open_beside(scene);
        execute(db, cases[i].sql);
        sqlite3_close(db);
        expect_refusal(scene->url, cases[i].phrase);
        expect(scene, "SELECT group_concat(name) FROM sqlite_schema", NULL, "other");
    }
}

static void a_file_that_is_no_database_is_refused_and_left_alone(void **state) {
    struct scene *scene = *state;
    char text[4096];
    memset(text, 'x', sizeof text);
    int fd = open(scene->path, O_WRONLY | O_CREAT, 0600);
    assert_int_equal(write(fd, text, sizeof text), sizeof text);
    close(fd);
    expect_refusal(scene->url, "no SQLite database");
    char after[sizeof text];
    fd = open(scene->path, O_RDONLY);
    assert_int_equal(read(fd, after, sizeof after), sizeof after);
    close(fd);
    assert_memory_equal(after, text, sizeof text);
}

static void an_address_that_cannot_be_is_refused(void **state) {
    struct scene *scene = *state;
    char url[400];
    expect_refusal("sqlite:", "needs a path");
    snprintf(url, sizeof url, "sqlite:%s/missing/store.db", scene->folder);
    expect_refusal(url, "must exist");
    snprintf(url, sizeof url, "sqlite:%s", scene->folder);
    expect_refusal(url, "cannot open");
    char link[300];
    snprintf(link, sizeof link, "%s/link.db", scene->folder);
    assert_int_equal(symlink("nowhere.db", link), 0);
    snprintf(url, sizeof url, "sqlite:%s", link);
    expect_refusal(url, "cannot open");
}

static void an_empty_file_is_taken(void **state) {
    struct scene *scene = *state;
    int fd = open(scene->path, O_WRONLY | O_CREAT, 0600);
    close(fd);
    open_scene(scene);
    rig_close(&scene->rig);
    expect(scene, "PRAGMA user_version", NULL, "4");
}

static void a_relative_path_is_taken_as_it_is(void **state) {
    struct scene *scene = *state;
    char former[4096];
    assert_non_null(getcwd(former, sizeof former));
    assert_int_equal(chdir(scene->folder), 0);
    rig_open(&scene->rig, "sqlite::memory:", &scene->clock.clock);
    rig_barrier(&scene->rig, 0);
    rig_close(&scene->rig);
    assert_int_equal(access(":memory:", F_OK), 0);
    assert_int_equal(chdir(former), 0);
}

/* The ledger */

static void a_row_tells_the_calls_story(void **state) {
    struct scene *scene = *state;
    struct digest triple = rig_digest();
    struct rig_admit asked;
    struct rig_settle end;
    open_scene(scene);
    rig_lead(&scene->rig, 0, &asked, &triple);
    const struct ledger_id *id = &asked.admit.id;
    expect_state(scene, id, "reserved");
    expect(scene, "SELECT reserved_at_ms FROM ledger WHERE id = ?1", id, "1800000000000");
    expect(scene, "SELECT settled_at_ms FROM ledger WHERE id = ?1", id, "(null)");
    expect(scene, "SELECT client || ' ' || credential FROM ledger WHERE id = ?1", id,
           "tester main");
    expect(scene, "SELECT length(number) FROM ledger WHERE id = ?1", id, "8");

    rig_end(&end, &asked, rig_answer("01", START_S + 1));
    rig_settle(&scene->rig, 0, &end, STORE_DONE);
    expect_state(scene, id, "settled");
    expect(scene,
           "SELECT billed || ' ' || http_status || ' ' || status || ' ' || latency_ms || "
           "' ' || settled_at_ms || ' ' || trace_id FROM ledger WHERE id = ?1",
           id, "1 200 01 321 1800000001000 1234567890123_abcdef01");
    expect(scene, "SELECT retain_until FROM answers", NULL, "1800003601");
    rig_close(&scene->rig);
}

static void what_is_not_known_of_a_call_is_null(void **state) {
    struct scene *scene = *state;
    struct digest triple = rig_digest();
    struct rig_admit asked;
    struct rig_settle end;
    open_scene(scene);
    rig_lead(&scene->rig, 0, &asked, &triple);
    rig_end_failed(&end, &asked, FAILURE_UPSTREAM_TIMEOUT);
    end.settle.ledger.trace_id[0] = 0;
    rig_settle(&scene->rig, 0, &end, STORE_DONE);
    const struct ledger_id *id = &asked.admit.id;
    expect_state(scene, id, "unknown");
    expect(scene,
           "SELECT count(*) FROM ledger WHERE id = ?1 AND billed IS NULL AND status IS NULL "
           "AND http_status IS NULL AND trace_id IS NULL",
           id, "1");

    /* It was settled as unknown; a second word on it changes nothing. */
    rig_end(&end, &asked, rig_answer("01", START_S));
    rig_settle(&scene->rig, 0, &end, STORE_DONE);
    expect_state(scene, id, "unknown");
    assert_int_equal(rig_find(&scene->rig, 0, &triple, NULL), STORE_MISS);
    rig_close(&scene->rig);
}

static void a_reservation_whose_process_is_gone_becomes_unknown(void **state) {
    struct scene *scene = *state;
    struct digest triples[2] = {rig_digest(), rig_digest()};
    struct rig_admit asked[2];
    struct rig_settle end;
    open_scene(scene);
    rig_lead(&scene->rig, 0, &asked[0], &triples[0]);
    rig_lead(&scene->rig, 0, &asked[1], &triples[1]);
    rig_end(&end, &asked[1], rig_answer("01", START_S));
    rig_settle(&scene->rig, 0, &end, STORE_DONE);
    rig_close(&scene->rig);
    expect_state(scene, &asked[0].admit.id, "reserved");

    open_scene(scene);
    expect_state(scene, &asked[0].admit.id, "unknown");
    expect(scene, "SELECT billed FROM ledger WHERE id = ?1", &asked[0].admit.id, "(null)");
    expect_state(scene, &asked[1].admit.id, "settled");
    rig_close(&scene->rig);
}

/* Time */

static void a_lease_ends_at_its_time_and_not_before(void **state) {
    struct scene *scene = *state;
    struct rig *rig = &scene->rig;
    struct digest triple = rig_digest();
    struct rig_admit asked[4];
    struct rig_settle end;
    open_scene(scene);
    rig_lead(rig, 0, &asked[0], &triple);
    for (int i = 1; i < 4; i++)
        rig_admit(rig, i % RIG_CLIENTS, &asked[i], &triple, FRESHNESS_ANY);
    rig_clock_advance(&scene->clock, RIG_LEASE_MS - 1);
    store_poke(rig->store);
    for (int i = 0; i < RIG_CLIENTS; i++)
        rig_barrier(rig, i);
    assert_int_equal(asked[1].done, 0);

    rig_clock_advance(&scene->clock, 1);
    store_poke(rig->store);
    rig_expect(rig, &asked[1], STORE_LEAD);
    expect_state(scene, &asked[0].admit.id, "reserved");
    expect_state(scene, &asked[1].admit.id, "reserved");

    /* The first call's answer, late: its row ends, it is kept, and whoever comes to lead next is
     * answered by it instead. */
    rig_end(&end, &asked[0], rig_answer("01", START_S));
    rig_settle(rig, 0, &end, STORE_DONE);
    expect_state(scene, &asked[0].admit.id, "settled");
    assert_int_equal(asked[2].done, 0);
    rig_clock_advance(&scene->clock, RIG_LEASE_MS);
    store_poke(rig->store);
    for (int i = 2; i < 4; i++) {
        rig_expect(rig, &asked[i], STORE_ANSWERED);
        assert_false(asked[i].admit.collapsed);
        expect_state(scene, &asked[i].admit.id, "(none)");
    }
    rig_close(rig);
}

static void a_settlement_at_the_last_moment_wins_over_the_leases_end(void **state) {
    struct scene *scene = *state;
    struct rig *rig = &scene->rig;
    struct digest triple = rig_digest();
    struct rig_admit leader;
    struct rig_admit follower;
    struct rig_settle end;
    open_scene(scene);
    rig_lead(rig, 0, &leader, &triple);
    rig_admit(rig, 1, &follower, &triple, FRESHNESS_ANY);
    rig_barrier(rig, 1);
    rig_clock_advance(&scene->clock, RIG_LEASE_MS * 2);
    rig_end(&end, &leader, rig_answer("02", START_S));
    rig_settle(rig, 0, &end, STORE_DONE);
    rig_expect(rig, &follower, STORE_ANSWERED);
    assert_true(follower.admit.collapsed);
    rig_close(rig);
}

static void wait_until_missed(struct rig *rig, const struct digest *triple) {
    int64_t deadline = clock_monotonic_ms(&clock_system) + RIG_DEADLINE_MS;
    while (rig_find(rig, 0, triple, NULL) != STORE_MISS) {
        if (clock_monotonic_ms(&clock_system) > deadline)
            fail_msg("the answer is still there");
        usleep(200);
    }
}

static void expired_answers_are_swept_when_their_time_has_come(void **state) {
    struct scene *scene = *state;
    struct rig *rig = &scene->rig;
    enum { COUNT = 450 }; /* more than two steps */
    struct digest triples[COUNT];
    static struct rig_admit asked[COUNT];
    open_scene(scene);
    for (int i = 0; i < COUNT; i++) {
        struct rig_settle end;
        triples[i] = rig_digest();
        rig_lead(rig, 0, &asked[i], &triples[i]);
        rig_end(&end, &asked[i], rig_answer("01", START_S));
        end.settle.retain_until = START_S + (i == 0 ? 1000 : 100);
        rig_settle(rig, 0, &end, STORE_DONE);
    }
    /* As long as a clock that is ahead might have brought their end. One second early: two rounds
     * of the thread's work, and all is still there. */
    rig_clock_advance(&scene->clock, (BOOKS_SWEEP_LATE_S + 99) * INT64_C(1000));
    store_poke(rig->store);
    rig_barrier(rig, 0);
    rig_barrier(rig, 0);
    expect(scene, "SELECT count(*) FROM answers", NULL, "450");

    rig_clock_advance(&scene->clock, 1000);
    store_poke(rig->store);
    for (int i = 1; i < COUNT; i++)
        wait_until_missed(rig, &triples[i]);
    assert_int_equal(rig_find(rig, 0, &triples[0], NULL), STORE_HIT);
    rig_close(rig);
    expect(scene, "SELECT count(*) FROM answers", NULL, "1");
    expect(scene, "SELECT count(*) FROM ledger WHERE state = 'settled'", NULL, "450");
}

/* A file that cannot be written */

static void expect_away(struct rig *rig, const char *phrase) {
    struct complaint complaint = {""};
    assert_false(store_ready(rig->store, &complaint));
    if (!strstr(complaint.text, phrase))
        fail_msg("\"%s\" does not say \"%s\"", complaint.text, phrase);
}

/* What follows while the file cannot be written; `asked` leads, `follower` waits for it. */
static void expect_fail_closed(struct rig *rig, struct rig_admit *asked, struct rig_admit *follower,
                               struct rig_settle *end) {
    rig_settle(rig, 0, end, STORE_AWAY);
    rig_expect(rig, follower, STORE_ANSWERED);
    assert_true(follower->admit.collapsed);
    assert_int_equal(rig_find(rig, 2, &asked->admit.triple, NULL), STORE_MISS);

    struct digest triple = rig_digest();
    struct rig_admit refused[2];
    for (int i = 0; i < 2; i++) {
        rig_admit(rig, 2, &refused[i], &triple, FRESHNESS_ANY);
        rig_expect(rig, &refused[i], STORE_AWAY);
    }
}

static void a_locked_file_fails_closed_and_loses_nothing(void **state) {
    struct scene *scene = *state;
    struct rig *rig = &scene->rig;
    struct digest triple = rig_digest();
    struct rig_admit leader;
    struct rig_admit follower;
    struct rig_admit next;
    struct rig_settle end;
    struct complaint complaint;
    open_scene(scene);
    rig_lead(rig, 0, &leader, &triple);
    rig_admit(rig, 1, &follower, &triple, FRESHNESS_ANY);
    rig_barrier(rig, 1);

    sqlite3 *other = open_beside(scene);
    execute(other, "BEGIN EXCLUSIVE");
    rig_end(&end, &leader, rig_answer("01", START_S));
    expect_fail_closed(rig, &leader, &follower, &end);
    expect_away(rig, "locked");
    /* The caller's struct may be used for something else by now. */
    memset(&end, 0xff, sizeof end);

    /* Before anything new is admitted, what waited is written: the next asker is answered by it. */
    execute(other, "COMMIT");
    int notices = rig->clients[2].notices;
    rig_admit(rig, 0, &next, &triple, FRESHNESS_ANY);
    rig_expect(rig, &next, STORE_ANSWERED);
    assert_false(next.admit.collapsed);
    expect_state(scene, &leader.admit.id, "settled");
    assert_true(store_ready(rig->store, &complaint));
    rig_wait(rig, &rig->clients[2].notices, notices + 1);
    sqlite3_close(other);
    rig_close(rig);
    expect(scene, "SELECT count(*) FROM ledger WHERE state = 'reserved'", NULL, "0");
}

static void what_could_not_be_written_is_tried_again_unasked(void **state) {
    struct scene *scene = *state;
    struct rig *rig = &scene->rig;
    struct digest triple = rig_digest();
    struct rig_admit leader;
    struct rig_settle end;
    rig_open(rig, scene->url, &clock_system);
    rig_lead(rig, 0, &leader, &triple);
    sqlite3 *other = open_beside(scene);
    execute(other, "BEGIN IMMEDIATE");
    rig_end(&end, &leader, rig_answer("01", START_S));
    rig_settle(rig, 0, &end, STORE_AWAY);
    assert_int_equal(store_undelivered(rig->store), 1);
    execute(other, "COMMIT");
    sqlite3_close(other);
    /* Client 0 is told, too: its own settlement was delivered late. */
    for (int i = 0; i < RIG_CLIENTS; i++)
        rig_wait(rig, &rig->clients[i].notices, 1);
    assert_int_equal(store_undelivered(rig->store), 0);
    assert_int_equal(rig_find(rig, 0, &triple, NULL), STORE_HIT);
    rig_close(rig);
}

struct full_disk {
    struct rlimit former;
    void (*on_excess)(int);
};

/* No file may grow: as when the disk is full, but for the error's name. */
static struct full_disk fill_disk(const struct scene *scene) {
    struct full_disk disk;
    char wal[320];
    struct stat status;
    snprintf(wal, sizeof wal, "%s-wal", scene->path);
    assert_int_equal(stat(wal, &status), 0);
    getrlimit(RLIMIT_FSIZE, &disk.former);
    disk.on_excess = signal(SIGXFSZ, SIG_IGN);
    struct rlimit tight = {(rlim_t)status.st_size, disk.former.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    return disk;
}

static void empty_disk(const struct full_disk *disk) {
    setrlimit(RLIMIT_FSIZE, &disk->former);
    signal(SIGXFSZ, disk->on_excess);
}

static void a_full_disk_fails_closed_and_loses_nothing(void **state) {
    struct scene *scene = *state;
    struct rig *rig = &scene->rig;
    struct digest triple = rig_digest();
    struct rig_admit leader;
    struct rig_admit follower;
    struct rig_settle end;
    struct complaint complaint;
    open_scene(scene);
    rig_lead(rig, 0, &leader, &triple);
    rig_admit(rig, 1, &follower, &triple, FRESHNESS_ANY);
    rig_barrier(rig, 1);

    struct full_disk disk = fill_disk(scene);
    rig_end(&end, &leader, rig_answer("01", START_S));
    expect_fail_closed(rig, &leader, &follower, &end);
    expect_away(rig, "I/O");
    empty_disk(&disk);

    store_poke(rig->store);
    rig_barrier(rig, 0);
    assert_int_equal(rig_find(rig, 2, &triple, NULL), STORE_HIT);
    assert_true(store_ready(rig->store, &complaint));
    rig_close(rig);
    expect_state(scene, &leader.admit.id, "settled");
    expect(scene, "SELECT count(*) FROM ledger WHERE state = 'reserved'", NULL, "0");
    expect(scene, "PRAGMA integrity_check", NULL, "ok");
}

static void a_transaction_that_needs_no_room_does_not_prove_a_disk_with_room(void **state) {
    struct scene *scene = *state;
    struct rig *rig = &scene->rig;
    struct digest triple = rig_digest();
    struct digest other = rig_digest();
    struct rig_admit settled;
    struct rig_admit refused;
    struct rig_settle end;
    struct complaint complaint;
    open_scene(scene);
    rig_lead(rig, 0, &settled, &triple);
    rig_end_failed(&end, &settled, FAILURE_UPSTREAM_TIMEOUT);
    rig_settle(rig, 0, &end, STORE_DONE);

    struct full_disk disk = fill_disk(scene);
    rig_admit(rig, 0, &refused, &other, FRESHNESS_ANY);
    rig_expect(rig, &refused, STORE_AWAY);
    /* Settled already, so that nothing is to be written. */
    rig_end_failed(&end, &settled, FAILURE_UPSTREAM_TIMEOUT);
    rig_settle(rig, 0, &end, STORE_AWAY);
    expect_away(rig, "I/O");
    empty_disk(&disk);
    rig_barrier(rig, 0);
    assert_true(store_ready(rig->store, &complaint));
    rig_close(rig);
}

static void a_lease_taken_in_vain_is_taken_back(void **state) {
    struct scene *scene = *state;
    struct rig *rig = &scene->rig;
    struct digest triple = rig_digest();
    struct rig_admit leader;
    struct rig_admit heir;
    open_scene(scene);
    rig_lead(rig, 0, &leader, &triple);
    rig_admit(rig, 1, &heir, &triple, FRESHNESS_ANY);
    rig_barrier(rig, 1);
    /* The lease ends while nothing can be written: the heir cannot lead, and nobody hangs. */
    sqlite3 *other = open_beside(scene);
    execute(other, "BEGIN EXCLUSIVE");
    rig_clock_advance(&scene->clock, RIG_LEASE_MS);
    store_poke(rig->store);
    rig_expect(rig, &heir, STORE_AWAY);
    execute(other, "COMMIT");
    sqlite3_close(other);
    rig_lead(rig, 1, &heir, &triple);
    rig_close(rig);
}

/* Held for another attempt: not submitted yet. */
static void hold(struct rig_settle *end, const struct rig_admit *asked) {
    rig_end(end, asked, rig_answer("02", START_S));
    end->settle.hold = true;
}

static void prepare_next(struct rig_admit *next, const struct rig_admit *first) {
    rig_prepare(next, &first->admit.triple, FRESHNESS_ANY);
    next->admit.after = first->admit.id;
}

static void a_lease_passed_on_in_vain_is_given_back(void **state) {
    struct scene *scene = *state;
    struct rig *rig = &scene->rig;
    struct digest triple = rig_digest();
    struct rig_admit first;
    struct rig_admit next;
    struct rig_admit heir;
    struct rig_settle end;
    open_scene(scene);
    for (int round = 0; round < 2; round++) {
        triple = rig_digest();
        rig_lead(rig, 0, &first, &triple);
        rig_admit(rig, 1, &heir, &triple, FRESHNESS_ANY);
        rig_barrier(rig, 1);
        hold(&end, &first);
        rig_settle(rig, 0, &end, STORE_DONE);
        rig_clock_advance(&scene->clock, RIG_LEASE_MS / 2);
        sqlite3 *other = open_beside(scene);
        execute(other, "BEGIN EXCLUSIVE");
        prepare_next(&next, &first);
        rig_submit(rig, 0, &next);
        rig_expect(rig, &next, STORE_AWAY);
        execute(other, "COMMIT");
        sqlite3_close(other);
        assert_int_equal(heir.done, 0);
        if (round == 0) {
            /* It is the first one's still: another can come after it. */
            prepare_next(&next, &first);
            rig_submit(rig, 0, &next);
            rig_expect(rig, &next, STORE_LEAD);
            rig_end(&end, &next, rig_answer("01", START_S + 1));
            rig_settle(rig, 0, &end, STORE_DONE);
            rig_expect(rig, &heir, STORE_ANSWERED);
            assert_string_equal(heir.admit.answer.status, "01");
            continue;
        }
        /* And has the time that it had. */
        rig_clock_advance(&scene->clock, RIG_LEASE_MS / 2 - 1);
        rig_barrier(rig, 1);
        assert_int_equal(heir.done, 0);
        rig_clock_advance(&scene->clock, 1);
        store_poke(rig->store);
        rig_expect(rig, &heir, STORE_ANSWERED);
        assert_false(heir.admit.collapsed);
    }
    rig_close(rig);
}

static void what_is_held_and_cannot_be_written_is_not_lost(void **state) {
    struct scene *scene = *state;
    struct rig *rig = &scene->rig;
    struct digest triple = rig_digest();
    struct rig_admit first;
    struct rig_admit next;
    struct rig_admit follower;
    struct rig_settle end;
    open_scene(scene);
    for (int give_up = 0; give_up < 2; give_up++) {
        triple = rig_digest();
        rig_lead(rig, 0, &first, &triple);
        rig_admit(rig, 1, &follower, &triple, FRESHNESS_ANY);
        rig_barrier(rig, 1);
        sqlite3 *other = open_beside(scene);
        execute(other, "BEGIN EXCLUSIVE");
        hold(&end, &first);
        rig_settle(rig, 0, &end, STORE_AWAY);
        assert_int_equal(follower.done, 0);
        if (give_up) {
            end.settle.hold = false;
            end.done = 0;
            rig_settle(rig, 0, &end, STORE_AWAY);
            rig_expect(rig, &follower, STORE_ANSWERED);
        }
        execute(other, "COMMIT");
        sqlite3_close(other);
        if (!give_up) {
            prepare_next(&next, &first);
            rig_submit(rig, 0, &next);
            rig_expect(rig, &next, STORE_LEAD);
            assert_int_equal(follower.done, 0);
            rig_end(&end, &next, rig_answer("01", START_S + 1));
            rig_settle(rig, 0, &end, STORE_DONE);
            rig_expect(rig, &follower, STORE_ANSWERED);
        }
        rig_barrier(rig, 0);
        expect_state(scene, &first.admit.id, "settled");
        assert_int_equal(rig_find(rig, 2, &triple, NULL), STORE_HIT);
    }
    rig_close(rig);
    expect(scene, "SELECT count(*) FROM ledger WHERE state = 'reserved'", NULL, "0");
}

static void commit_soon(void *arg) {
    usleep(300 * 1000);
    execute(arg, "COMMIT");
}

/* A clock that holds up whoever reads it next, once it is armed: the store's thread. */
struct gate {
    struct clock clock;
    atomic_bool armed;
    uv_sem_t reached;
    uv_sem_t open;
};

static int64_t gate_unix_ms(const struct clock *clock) {
    struct gate *gate = (struct gate *)(uintptr_t)clock;
    if (atomic_exchange(&gate->armed, false)) {
        uv_sem_post(&gate->reached);
        uv_sem_wait(&gate->open);
    }
    return START_S * INT64_C(1000);
}

static int64_t gate_monotonic_ms(const struct clock *clock) {
    (void)clock;
    return 1000;
}

static void gate_init(struct gate *gate) {
    gate->clock = (struct clock){gate_unix_ms, gate_monotonic_ms};
    atomic_init(&gate->armed, false);
    assert_int_equal(uv_sem_init(&gate->reached, 0), 0);
    assert_int_equal(uv_sem_init(&gate->open, 0), 0);
}

static void gate_free(struct gate *gate) {
    uv_sem_destroy(&gate->reached);
    uv_sem_destroy(&gate->open);
}

/* Everything that is asked from here until gate_release is one batch. `asked` needs no writing: it
 * is a question that a kept answer serves. */
static void gate_hold(struct gate *gate, struct rig *rig, struct rig_admit *asked,
                      const struct digest *kept) {
    atomic_store(&gate->armed, true);
    rig_admit(rig, 0, asked, kept, FRESHNESS_ANY);
    uv_sem_wait(&gate->reached);
}

static void gate_release(struct gate *gate, struct rig *rig, struct rig_admit *asked) {
    uv_sem_post(&gate->open);
    rig_expect(rig, asked, STORE_ANSWERED);
}

static void on_watched(void *arg) {
    ++*(int *)arg;
}

static void keep_answer(struct rig *rig, const struct digest *triple) {
    struct rig_admit asked;
    struct rig_settle end;
    rig_lead(rig, 0, &asked, triple);
    rig_end(&end, &asked, rig_answer("02", START_S));
    rig_settle(rig, 0, &end, STORE_DONE);
}

/* One call of two is gone when a batch takes the other, gives the first back and writes everything
 * else that money knows, and then does not get to the disk. */
static void of_a_batch_that_is_not_written_nothing_of_money_stays(void **state) {
    struct scene *scene = *state;
    struct rig *rig = &scene->rig;
    struct gate gate;
    struct digest kept = rig_digest();
    struct rig_admit held;
    struct rig_admit first;
    struct rig_admit asked[3];
    struct rig_settle end;
    struct budget_plan *plan = money_plan(0);
    const struct store_counter hits[] = {{"shop/p1", 3}};
    struct money_write_document write = {.op = {.op.done = money_on_write_document,
                                                .kind = STORE_CLIENT,
                                                .id = "shop",
                                                .body = "{}",
                                                .audit = "{}"}};
    struct money_add_counters add = {
        .op = {.op.done = money_on_add_counters, .counters = hits, .count = 1}};
    struct money_forget forget = {
        .op = {.op.done = money_on_forget, .number = rig_number_of(&kept), .whole_number = true}};
    int heard = 0;
    strcpy(add.op.scope, "hits:2026-11");
    money_line(plan, "p1", "main", 2, 0);
    gate_init(&gate);
    rig_open(rig, scene->url, &gate.clock);
    keep_answer(rig, &kept);
    money_ask(rig, 0, &first, "shop", plan, BUDGET_NO_LIMITS);
    rig_expect(rig, &first, STORE_LEAD);
    store_watch_documents(rig->clients[1].client, on_watched, &heard);
    int notices = rig->clients[1].notices + rig->clients[1].cleared;

    gate_hold(&gate, rig, &held, &kept);
    money_ask(rig, 0, &asked[0], "shop", plan, BUDGET_NO_LIMITS); /* would lead */
    money_ask(rig, 1, &asked[1], "shop", plan, BUDGET_NO_LIMITS); /* would find nothing left */
    rig_end_failed(&end, &first, FAILURE_UPSTREAM_UNAVAILABLE);
    end.settle.ledger.state = LEDGER_RELEASED;
    end.settle.ledger.billed = BILLED_NO;
    store_settle(rig->clients[0].client, &end.settle);
    store_write_document(rig->clients[0].client, &write.op);
    money_ask(rig, 2, &asked[2], "shop", plan, BUDGET_NO_LIMITS); /* would be outdated by it */
    store_add_counters(rig->clients[0].client, &add.op);
    store_forget(rig->clients[0].client, &forget.op);
    struct full_disk disk = fill_disk(scene);
    gate_release(&gate, rig, &held);
    rig_wait(rig, &forget.done, 1);
    empty_disk(&disk);
    for (int i = 0; i < 3; i++)
        rig_expect(rig, &asked[i], STORE_AWAY);
    rig_wait(rig, &end.done, 1);
    rig_wait(rig, &write.done, 1);
    rig_wait(rig, &add.done, 1);
    assert_int_equal(end.settle.outcome, STORE_AWAY);
    assert_int_equal(write.op.outcome, STORE_AWAY);
    assert_int_equal(add.op.outcome, STORE_AWAY);
    assert_int_equal(forget.op.outcome, STORE_AWAY);
    assert_int_equal(forget.op.answers, 0);

    /* What was not a settlement is as it was; the settlement is delivered, once. */
    rig_barrier(rig, 1);
    assert_int_equal(heard, 0);
    assert_int_equal(rig->clients[1].notices + rig->clients[1].cleared, notices);
    assert_int_equal(rig_find(rig, 2, &kept, NULL), STORE_HIT);
    assert_int_equal(money_counter(rig, "package", "p1"), 0);
    assert_int_equal(money_counters(rig, "hits:2026-11").count, 0);
    money_assert_books(rig, money_now());
    expect_state(scene, &first.admit.id, "released");
    expect_state(scene, &asked[0].admit.id, "(none)");
    expect(scene, "SELECT count(*) FROM documents", NULL, "0");
    expect(scene, "SELECT count(*) FROM audit", NULL, "0");
    for (int i = 0; i < 2; i++) {
        money_ask(rig, 0, &asked[i], "shop", plan, BUDGET_NO_LIMITS);
        rig_expect(rig, &asked[i], STORE_LEAD);
    }
    rig_close(rig);
    gate_free(&gate);
    budget_plan_release(plan);
}

static void while_the_file_is_locked_nothing_of_money_is_written(void **state) {
    struct scene *scene = *state;
    struct rig *rig = &scene->rig;
    const struct store_counter hits[] = {{"shop/p1", 3}};
    struct money_write_document write = {
        .op = {.kind = STORE_CLIENT, .id = "shop", .body = "{}", .audit = "{}"}};
    struct money_add_counters add = {.op = {.counters = hits, .count = 1}};
    struct digest kept = rig_digest();
    struct money_forget forget = {.op = {.number = rig_number_of(&kept), .triple = kept}};
    strcpy(add.op.scope, "hits:2026-11");
    open_scene(scene);
    keep_answer(rig, &kept);
    sqlite3 *other = open_beside(scene);
    execute(other, "BEGIN IMMEDIATE");
    money_do_write_document(rig, 0, &write);
    money_do_add_counters(rig, 1, &add);
    money_do_forget(rig, 2, &forget);
    assert_int_equal(write.op.outcome, STORE_AWAY);
    assert_int_equal(add.op.outcome, STORE_AWAY);
    assert_int_equal(forget.op.outcome, STORE_AWAY);
    expect_away(rig, "locked");
    execute(other, "COMMIT");
    sqlite3_close(other);

    money_do_write_document(rig, 0, &write);
    money_do_add_counters(rig, 1, &add);
    assert_int_equal(write.op.outcome, STORE_DONE);
    assert_int_equal(write.op.version, 1);
    assert_int_equal(money_counter(rig, "hits:2026-11", "shop/p1"), 3);
    assert_int_equal(rig_find(rig, 0, &kept, NULL), STORE_HIT);
    money_do_forget(rig, 2, &forget);
    assert_int_equal(forget.op.answers, 1);
    rig_close(rig);
}

/* A call whose process is gone keeps counting, until somebody knows better. */
static void a_recovered_call_counts_until_it_is_known_not_to(void **state) {
    struct scene *scene = *state;
    struct rig *rig = &scene->rig;
    struct rig_admit asked;
    struct budget_plan *plan = money_plan(0);
    money_line(plan, "p1", "main", 5, 0);
    open_scene(scene);
    money_ask(rig, 0, &asked, "shop", plan, BUDGET_NO_LIMITS);
    rig_expect(rig, &asked, STORE_LEAD);
    rig_close(rig);
    open_scene(scene);
    expect_state(scene, &asked.admit.id, "unknown");
    assert_int_equal(money_counter(rig, "package", "p1"), 1);
    money_assert_books(rig, money_now());
    money_end(rig, 0, &asked, LEDGER_RELEASED, BILLED_NO);
    assert_int_equal(money_counter(rig, "package", "p1"), 0);
    money_assert_books(rig, money_now());
    rig_close(rig);
    budget_plan_release(plan);
}

static void closing_writes_what_waits(void **state) {
    struct scene *scene = *state;
    struct digest triple = rig_digest();
    struct rig_admit leader;
    struct rig_settle end;
    open_scene(scene);
    rig_lead(&scene->rig, 0, &leader, &triple);
    sqlite3 *other = open_beside(scene);
    execute(other, "BEGIN EXCLUSIVE");
    rig_end(&end, &leader, rig_answer("01", START_S));
    rig_settle(&scene->rig, 0, &end, STORE_AWAY);
    uv_thread_t thread;
    assert_int_equal(uv_thread_create(&thread, commit_soon, other), 0);
    rig_close(&scene->rig);
    uv_thread_join(&thread);
    sqlite3_close(other);
    expect_state(scene, &leader.admit.id, "settled");
    expect(scene, "SELECT count(*) FROM answers", NULL, "1");
}

int main(void) {
    if (sodium_init() < 0)
        return 1;
    period_set_zone("Asia/Shanghai");
    /* Warnings and errors are part of what is provoked here. */
    log_init(LOG_ERROR, LOG_JSON, open("/dev/null", O_WRONLY | O_CLOEXEC));
#define SCENE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        SCENE(its_files_are_the_owners_only),
        SCENE(a_second_store_in_the_process_is_refused),
        SCENE(a_second_process_is_refused_until_the_first_is_gone),
        SCENE(what_is_not_ours_is_refused_and_left_alone),
        SCENE(a_file_that_is_no_database_is_refused_and_left_alone),
        SCENE(an_address_that_cannot_be_is_refused),
        SCENE(an_empty_file_is_taken),
        SCENE(a_relative_path_is_taken_as_it_is),
        SCENE(a_row_tells_the_calls_story),
        SCENE(what_is_not_known_of_a_call_is_null),
        SCENE(a_reservation_whose_process_is_gone_becomes_unknown),
        SCENE(a_lease_ends_at_its_time_and_not_before),
        SCENE(a_settlement_at_the_last_moment_wins_over_the_leases_end),
        SCENE(expired_answers_are_swept_when_their_time_has_come),
        SCENE(a_locked_file_fails_closed_and_loses_nothing),
        SCENE(what_could_not_be_written_is_tried_again_unasked),
        SCENE(a_full_disk_fails_closed_and_loses_nothing),
        SCENE(a_transaction_that_needs_no_room_does_not_prove_a_disk_with_room),
        SCENE(a_lease_taken_in_vain_is_taken_back),
        SCENE(a_lease_passed_on_in_vain_is_given_back),
        SCENE(what_is_held_and_cannot_be_written_is_not_lost),
        SCENE(of_a_batch_that_is_not_written_nothing_of_money_stays),
        SCENE(while_the_file_is_locked_nothing_of_money_is_written),
        SCENE(a_recovered_call_counts_until_it_is_known_not_to),
        SCENE(closing_writes_what_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
