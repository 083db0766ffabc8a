/*
 * The hand of what measures a large store: fills a SQLite store with the answers about the people
 * 0 … COUNT-1 of bench/crowd.py, as sanyao itself writes them.
 *
 *   store_fill FILE COUNT [ROWS]
 *
 * The store is FILE, the hash key FILE.hash-key; both are made where there are none. The first ROWS
 * (none unless said) of the answers also have the call they came by: a settled row of the ledger,
 * and its share of the counters. All are fresh for another ten days.
 *
 * The statements are the store's own, in its order of columns and keys; only the pragmas are not:
 * nobody waits for a bench's data to be on the disk.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sodium.h>

#include "core/digest.h"
#include "core/triple.h"
#include "money/period.h"
#include "runtime/config.h"
#include "runtime/hash_key.h"
#include "runtime/log.h"
#include "store/sqlite_books.h"

#include "trace_id.h"

#define DAY        86400
#define SPREAD_S   (20 * DAY) /* over which they came */
#define KEEP_S     (30 * DAY)
#define PEOPLE_MAX 16800000 /* then ID numbers would repeat */

struct fill {
    struct sqlite_books books;
    struct digest_key key;
    uint64_t count;
    uint64_t rows;
    int64_t begin_ms; /* when the first one came */
};

static void give_up(const char *why) {
    fprintf(stderr, "store_fill: %s\n", why);
    exit(1);
}

static void demand(bool done, const char *why) {
    if (!done)
        give_up(why);
}

/* --- who is asked about; the same rule as in bench/crowd.py --- */

static void write_name(uint64_t person, char *name, size_t room) {
    static const char *const surnames[] = {"王", "李", "张", "刘", "陈", "杨", "赵", "黄"};
    static const char *const given[] = {"伟", "芳", "娜", "敏", "静", "丽", "强", "磊",
                                        "军", "洋", "勇", "艳", "杰", "涛", "明", "超"};
    snprintf(name, room, "%s%s%s", surnames[person % 8], given[person / 8 % 16],
             given[person / 128 % 16]);
}

static void write_id_card(uint64_t person, char id_card[24]) {
    static const int weights[] = {7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2};
    int sum = 0;
    snprintf(id_card, 24, "110101%04u%02u%02u%03u", 1950 + (unsigned)(person % 50),
             1 + (unsigned)(person / 50 % 12), 1 + (unsigned)(person / 600 % 28),
             (unsigned)(person / 16800 % 1000));
    for (int i = 0; i < 17; i++)
        sum += (id_card[i] - '0') * weights[i];
    id_card[17] = "10X98765432"[sum % 11];
    id_card[18] = '\0';
}

static void make_person(uint64_t person, struct triple *triple) {
    char name[32];
    char id_card[24];
    char mobile[24];
    write_name(person, name, sizeof name);
    write_id_card(person, id_card);
    snprintf(mobile, sizeof mobile, "%llu", 13000000000ull + person);
    demand(triple_set(triple, TRIPLE_NAME, name, strlen(name)) &&
               triple_set(triple, TRIPLE_ID_CARD, id_card, strlen(id_card)) &&
               triple_set(triple, TRIPLE_MOBILE, mobile, strlen(mobile)),
           "a person could not be made");
}

/* --- what the seller says --- */

/* Four of five are 01. */
static struct answer make_answer(uint64_t person, int64_t unix_s) {
    static const char *const carriers[] = {"移动", "联通", "电信"};
    struct answer answer = {.checked_at = unix_s, .expires_at = unix_s + KEEP_S};
    snprintf(answer.status, sizeof answer.status, "%s", person % 5 != 4 ? "01" : "02");
    snprintf(answer.mobile_type, sizeof answer.mobile_type, "%s", carriers[person % 3]);
    trace_id_make(unix_s, answer.trace_id);
    return answer;
}

/* --- what the store does with it --- */

static struct store_settle make_settle(const struct fill *fill, uint64_t person) {
    int64_t called_ms =
        fill->begin_ms + (int64_t)(person * (SPREAD_S * UINT64_C(1000)) / fill->count);
    struct triple triple;
    make_person(person, &triple);
    struct store_settle settle = {
        .id = ledger_id_make(called_ms),
        .triple = digest_triple(&fill->key, &triple),
        .number = digest_number(&fill->key, &triple),
        .account = {.client_id = "checkout", .credential = "main", .package = "2026-10k"},
        .answered = true,
        .keep = true,
        .answer = make_answer(person, called_ms / 1000),
        .ledger = {.state = LEDGER_SETTLED,
                   .billed = BILLED_YES,
                   .http_status = 200,
                   .latency_ms = 80 + randombytes_uniform(800)},
    };
    settle.retain_until = settle.answer.expires_at;
    settle.ledger.settled_at_ms = called_ms + settle.ledger.latency_ms;
    memcpy(settle.ledger.status, settle.answer.status, sizeof settle.ledger.status);
    memcpy(settle.ledger.trace_id, settle.answer.trace_id, sizeof settle.ledger.trace_id);
    return settle;
}

static bool write_call(struct sqlite_books *books, const struct store_settle *settle) {
    struct store_admit admit = {.id = settle->id,
                                .triple = settle->triple,
                                .number = settle->number,
                                .account = settle->account};
    bool stored;
    return books_reserve(books, &admit, ledger_id_time_ms(&settle->id)) &&
           books_settle(books, settle, &stored) && stored;
}

/* In one transaction, or every commit would write nearly every page anew. */
static void write_all(struct fill *fill) {
    struct sqlite_books *books = &fill->books;
    bool written = books_begin(books);
    for (uint64_t person = 0; written && person < fill->count; person++) {
        struct store_settle settle = make_settle(fill, person);
        written = person < fill->rows ? write_call(books, &settle) : books_keep(books, &settle);
    }
    demand(written && books_commit(books), books->trouble);
}

/* --- the file --- */

/* The store makes it, as it makes every other. */
static void make_store(const char *url) {
    const struct store_settings settings = {.url = url};
    struct complaint complaint;
    struct store *store = store_open(&settings, &clock_system, &complaint);
    demand(store != NULL, complaint.text);
    store_close(store);
}

static void execute(sqlite3 *db, const char *sql) {
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        give_up(sqlite3_errmsg(db));
}

static void fill_store(struct fill *fill, const char *path) {
    struct complaint complaint;
    sqlite3 *db;
    demand(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK,
           "the file cannot be opened");
    execute(db, "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
                "PRAGMA locking_mode = EXCLUSIVE; PRAGMA cache_size = -3000000");
    demand(books_open(&fill->books, db, &complaint), complaint.text);
    write_all(fill);
    books_close(&fill->books);
    execute(db, "PRAGMA locking_mode = NORMAL; PRAGMA journal_mode = WAL");
    sqlite3_close(db);
}

static uint64_t number_of(const char *text) {
    char *end;
    uint64_t number = strtoull(text, &end, 10);
    demand(*text != '\0' && *end == '\0' && number <= PEOPLE_MAX, "no number, or too many people");
    return number;
}

int main(int argc, char **argv) {
    struct fill fill = {.begin_ms = ((int64_t)time(NULL) - SPREAD_S) * 1000};
    struct complaint complaint;
    char url[4096];
    if (argc < 3 || argc > 4 || sodium_init() < 0)
        give_up("usage: store_fill FILE COUNT [ROWS]");
    fill.count = number_of(argv[2]);
    fill.rows = argc == 4 ? number_of(argv[3]) : 0;
    snprintf(url, sizeof url, "sqlite:%s", argv[1]);

    const struct config config = {.store_url = url};
    period_set_zone("Asia/Shanghai");
    demand(hash_key_load(&config, &fill.key, &complaint), complaint.text);
    make_store(url);
    fill_store(&fill, argv[1]);
    return 0;
}
