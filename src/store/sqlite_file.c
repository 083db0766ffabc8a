#include "store/sqlite_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <uv.h>

#define WRITE_WAIT_MS 100  /* for another program's lock, while callers wait */
#define READ_WAIT_MS  10   /* a worker's loop stands still meanwhile */
#define LOOK_WAIT_MS  5000 /* a person waits */

/* A commit returns when it is on the disk: a reservation said to be written is money. */
static const char writer_settings[] = "PRAGMA journal_mode = WAL;"
                                      "PRAGMA synchronous = FULL;"
                                      "PRAGMA journal_size_limit = 67108864;"
                                      "PRAGMA trusted_schema = OFF;";

/* ":memory:" and the like must not mean to SQLite what they mean nowhere else. */
static char *resolve(const struct sqlite_kind *kind, const char *path,
                     struct complaint *complaint) {
    char *whole = realpath(path, NULL);
    if (whole)
        return whole;
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path) + 1 : 1,
             slash ? path : ".");
    char *parent = errno == ENOENT ? realpath(folder, NULL) : NULL;
    if (!parent) {
        complain(complaint,
                 "%s: cannot use %s: %s; the directory %s must exist and be open to sanyao",
                 kind->setting, path, strerror(errno), folder);
        return NULL;
    }
    if (asprintf(&whole, "%s/%s", strcmp(parent, "/") == 0 ? "" : parent, name) < 0)
        whole = NULL;
    free(parent);
    if (!whole)
        complain(complaint, "%s: out of memory", kind->setting);
    return whole;
}

static bool lock(struct sqlite_file *file, struct complaint *complaint) {
    char path[PATH_MAX + 8];
    snprintf(path, sizeof path, "%s.lock", file->path);
    file->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file->lock < 0)
        return complain(complaint,
                        "%s: cannot create %s: %s; sanyao must be able to write "
                        "in that directory",
                        file->kind->setting, path, strerror(errno));
    if (flock(file->lock, LOCK_EX | LOCK_NB) == 0)
        return true;
    if (errno != EWOULDBLOCK)
        return complain(complaint, "%s: cannot lock %s: %s", file->kind->setting, path,
                        strerror(errno));
    return complain(complaint,
                    "%s: another sanyao has %s open (it holds %s): stop it, or "
                    "give this one a file of its own",
                    file->kind->setting, file->path, path);
}

/* SQLite would make it with the umask's mode. A link to nowhere is not followed: the lock would lie
 * beside the link now and beside the file the next time. */
static bool create(const struct sqlite_file *file, struct complaint *complaint) {
    int fd = open(file->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return complain(complaint, "%s: cannot open %s for writing: %s", file->kind->setting,
                        file->path, strerror(errno));
    close(fd);
    return true;
}

static bool complain_sqlite(const struct sqlite_file *file, struct complaint *complaint) {
    const char *setting = file->kind->setting;
    int code = sqlite3_errcode(file->db);
    if (code == SQLITE_NOTADB)
        return complain(complaint,
                        "%s: %s is no SQLite database; it was left as it is: name "
                        "another file",
                        setting, file->path);
    if (code == SQLITE_BUSY)
        return complain(complaint,
                        "%s: %s is locked by another program: end it and start "
                        "again",
                        setting, file->path);
    return complain(complaint, "%s: cannot use %s: %s", setting, file->path,
                    sqlite3_errmsg(file->db));
}

static bool execute(const struct sqlite_file *file, const char *sql, struct complaint *complaint) {
    return sqlite3_exec(file->db, sql, NULL, NULL, NULL) == SQLITE_OK ||
           complain_sqlite(file, complaint);
}

/* The first column of the first row. */
static bool ask(const struct sqlite_file *file, const char *sql, int64_t *number, char text[16],
                struct complaint *complaint) {
    sqlite3_stmt *statement = NULL;
    bool told = sqlite3_prepare_v2(file->db, sql, -1, &statement, NULL) == SQLITE_OK &&
                sqlite3_step(statement) == SQLITE_ROW;
    if (told) {
        *number = sqlite3_column_int64(statement, 0);
        const unsigned char *value = sqlite3_column_text(statement, 0);
        snprintf(text, 16, "%s", value ? (const char *)value : "");
    } else {
        complain_sqlite(file, complaint);
    }
    sqlite3_finalize(statement);
    return told;
}

static bool ask_number(const struct sqlite_file *file, const char *sql, int64_t *number,
                       struct complaint *complaint) {
    char text[16];
    return ask(file, sql, number, text, complaint);
}

/* Is it empty (version 0), or ours and of a schema we know? Reads only. */
static bool inspect(const struct sqlite_file *file, int64_t *version, struct complaint *complaint) {
    int64_t application;
    int64_t objects;
    if (!ask_number(file, "PRAGMA application_id", &application, complaint) ||
        !ask_number(file, "PRAGMA user_version", version, complaint) ||
        !ask_number(file, "SELECT count(*) FROM sqlite_schema", &objects, complaint))
        return false;
    const struct sqlite_kind *kind = file->kind;
    bool fresh = application == 0 && *version == 0 && objects == 0;
    if (!fresh && application != kind->application_id)
        return complain(complaint,
                        "%s: %s is another program's database and no %s; it was left as it is: "
                        "name another file",
                        kind->setting, file->path, kind->name);
    if (*version > kind->newest)
        return complain(complaint,
                        "%s: %s was written by a newer sanyao (its schema is version %lld, "
                        "this sanyao " SANYAO_VERSION " knows up to %d); it was left as it is: run "
                        "that version or a later one, or name another file",
                        kind->setting, file->path, (long long)*version, kind->newest);
    return true;
}

static bool configure(const struct sqlite_file *file, struct complaint *complaint) {
    int64_t number;
    char mode[16];
    if (!execute(file, writer_settings, complaint) ||
        !ask(file, "PRAGMA journal_mode", &number, mode, complaint))
        return false;
    if (strcmp(mode, "wal") != 0)
        return complain(complaint,
                        "%s: %s cannot be put in WAL mode (it is in %s mode): it "
                        "must lie on a local file system",
                        file->kind->setting, file->path, mode);
    return true;
}

/* From the version it has to ours, in one transaction. */
static bool bring_up(const struct sqlite_file *file, int64_t version, struct complaint *complaint) {
    const struct sqlite_kind *kind = file->kind;
    char mark[96];
    if (version == kind->newest)
        return true;
    if (!execute(file, "BEGIN IMMEDIATE", complaint))
        return false;
    while (++version <= kind->newest) {
        if (!execute(file, kind->steps[version], complaint))
            return false;
    }
    snprintf(mark, sizeof mark, "PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT",
             kind->application_id, kind->newest);
    return execute(file, mark, complaint);
}

/* How much memory SQLite has is asked by nobody, and costs a mutex for every piece of it. Only
 * before a process's first connection. */
static void configure_library(void) {
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

static bool open_database(struct sqlite_file *file, struct complaint *complaint) {
    if (sqlite3_open_v2(file->path, &file->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) !=
        SQLITE_OK)
        return complain_sqlite(file, complaint);
    sqlite3_busy_timeout(file->db, WRITE_WAIT_MS);
    int64_t version;
    return inspect(file, &version, complaint) && configure(file, complaint) &&
           bring_up(file, version, complaint);
}

static void let_go(struct sqlite_file *file) {
    sqlite3_close(file->db);
    if (file->lock >= 0)
        close(file->lock);
    free(file->path);
}

bool sqlite_file_open(struct sqlite_file *file, const struct sqlite_kind *kind, const char *path,
                      struct complaint *complaint) {
    static uv_once_t once = UV_ONCE_INIT;
    uv_once(&once, configure_library);
    *file = (struct sqlite_file){.kind = kind, .lock = -1};
    file->path = resolve(kind, path, complaint);
    /* The lock first: closing a file that SQLite has open elsewhere in this process would let go
     * of SQLite's own locks. */
    if (file->path && lock(file, complaint) && create(file, complaint) &&
        open_database(file, complaint))
        return true;
    let_go(file);
    return false;
}

void sqlite_file_close(struct sqlite_file *file) {
    sqlite3_wal_checkpoint_v2(file->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    let_go(file);
}

sqlite3 *sqlite_file_reader(const struct sqlite_file *file, struct complaint *complaint) {
    sqlite3 *db = NULL;
    if (sqlite3_open_v2(file->path, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL) ==
        SQLITE_OK) {
        sqlite3_busy_timeout(db, READ_WAIT_MS);
        return db;
    }
    complain(complaint, "%s: cannot read %s: %s", file->kind->setting, file->path,
             sqlite3_errmsg(db));
    sqlite3_close(db);
    return NULL;
}

/* Without a -wal there is nothing to be read beside the file. */
static bool is_alone(const struct sqlite_file *file) {
    char wal[PATH_MAX + 8];
    snprintf(wal, sizeof wal, "%s-wal", file->path);
    return access(wal, F_OK) != 0 && errno == ENOENT;
}

/* In WAL mode a reader, too, makes files beside the database, which a directory that cannot be
 * written refuses. Nobody can have the file open then, and `immutable` reads it as it lies. */
static int open_as_it_lies(struct sqlite_file *file) {
    char uri[3 * PATH_MAX + 32] = "file:";
    size_t size = strlen(uri);
    for (const char *c = file->path; *c && size < sizeof uri - 32; c++)
        size +=
            (size_t)snprintf(uri + size, 4, strchr("%?#", *c) ? "%%%02x" : "%c", (unsigned char)*c);
    snprintf(uri + size, sizeof uri - size, "?immutable=1");
    return sqlite3_open_v2(uri, &file->db,
                           SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_URI, NULL);
}

static bool open_to_look(struct sqlite_file *file, struct complaint *complaint) {
    int code =
        sqlite3_open_v2(file->path, &file->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL);
    if (code == SQLITE_OK) {
        sqlite3_busy_timeout(file->db, LOOK_WAIT_MS);
        code = sqlite3_exec(file->db, "PRAGMA user_version", NULL, NULL, NULL);
    }
    if ((code == SQLITE_CANTOPEN || code == SQLITE_READONLY) && is_alone(file)) {
        sqlite3_close(file->db);
        code = open_as_it_lies(file);
    }
    return code == SQLITE_OK || complain_sqlite(file, complaint);
}

static bool look(struct sqlite_file *file, struct complaint *complaint) {
    const char *setting = file->kind->setting;
    struct stat status;
    if (stat(file->path, &status) != 0)
        return complain(complaint, "%s: cannot read %s: %s", setting, file->path, strerror(errno));
    if (!S_ISREG(status.st_mode))
        return complain(complaint, "%s: %s is no file", setting, file->path);
    int64_t version;
    if (!open_to_look(file, complaint) || !inspect(file, &version, complaint))
        return false;
    int oldest = file->kind->oldest > 0 ? file->kind->oldest : file->kind->newest;
    return version >= oldest ||
           complain(complaint, "%s: %s is empty or of an older sanyao, and no whole %s", setting,
                    file->path, file->kind->name);
}

sqlite3 *sqlite_file_look(const struct sqlite_kind *kind, const char *path,
                          struct complaint *complaint) {
    struct sqlite_file file = {.kind = kind, .lock = -1};
    file.path = resolve(kind, path, complaint);
    if (!file.path || !look(&file, complaint)) {
        let_go(&file);
        return NULL;
    }
    free(file.path);
    return file.db;
}
