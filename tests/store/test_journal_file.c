/*
 * The journal as a file: who may open it, what is refused, reading it beside a running process and
 * as a copy.
 */
#include "journal_scene.h"

#include <signal.h>

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
        {"PRAGMA application_id = 0x53594a4c; PRAGMA user_version = 4; CREATE TABLE other (a)",
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

int main(void) {
    if (!scene_prepare())
        return 1;
    const struct CMUnitTest tests[] = {
        SCENE(its_files_are_the_owners_only),
        SCENE(one_process_at_a_time_has_it),
        SCENE(what_is_no_journal_is_refused_and_left_alone),
        SCENE(a_path_that_cannot_be_is_refused),
        SCENE(it_is_read_while_open_and_closed),
        SCENE(a_copy_is_read_where_nothing_can_be_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
