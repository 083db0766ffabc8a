#pragma once
/*
 * backend: what a kind of store has to do. Private to this room.
 *
 * store.c finds the backend by the address's scheme and hands everything on. A backend's own store
 * and client structs begin with `struct store` and `struct store_client`; store.c fills in their
 * `backend`, and the `client` and `kind` of every operation, before the backend sees it.
 */
#include "store/records.h"
#include "store/store.h"

struct store_backend {
    const char *scheme; /* what its addresses begin with */

    struct store *(*open)(const struct store_settings *settings, const struct clock *clock,
                          struct complaint *complaint);
    void (*close)(struct store *store);
    bool (*ready)(struct store *store, struct complaint *complaint);
    void (*poke)(struct store *store);
    int64_t (*undelivered)(struct store *store);

    struct store_client *(*attach)(struct store *store, uv_loop_t *loop,
                                   void (*changed)(void *arg, const struct digest *triple),
                                   void *arg, struct complaint *complaint);
    void (*detach)(struct store_client *client);

    enum store_outcome (*find)(struct store_client *client, struct store_find *find);
    void (*admit)(struct store_client *client, struct store_admit *admit);
    void (*settle)(struct store_client *client, struct store_settle *settle);
    /* What is given out is empty till then. */
    void (*read_page)(struct store_client *client, struct store_page *page);
    /* What they give out is empty till then. */
    void (*read_documents)(struct store_client *client, struct store_read_documents *read);
    void (*write_document)(struct store_client *client, struct store_write_document *write);
    void (*watch_documents)(struct store_client *client, void (*call)(void *arg), void *arg);
    void (*read_audit)(struct store_client *client, struct store_read_audit *read);
    void (*read_counters)(struct store_client *client, struct store_read_counters *read);
    void (*add_counters)(struct store_client *client, struct store_add_counters *add);
    void (*forget)(struct store_client *client, struct store_forget *forget);
    /* NULL: whoever is followed is of this process, and ends soon. */
    void (*stop_following)(struct store_client *client);
};

struct store {
    const struct store_backend *backend;
};

struct store_client {
    const struct store_backend *backend;
    struct metrics_row *metrics; /* NULL: nothing is measured */
};

enum store_op_kind {
    STORE_OP_FIND,
    STORE_OP_ADMIT,
    STORE_OP_SETTLE,
    STORE_OP_PAGE,
    STORE_OP_READ_DOCUMENTS,
    STORE_OP_WRITE_DOCUMENT,
    STORE_OP_READ_AUDIT,
    STORE_OP_READ_COUNTERS,
    STORE_OP_ADD_COUNTERS,
    STORE_OP_FORGET,
    STORE_OPS
};

/* The page's rows are all behind this id: `after`, or the bound of `from_ms`. */
struct ledger_id store_page_begin(const struct store_page *page);

/* Away, with nothing given out; what was read is freed. */
void store_page_turn_away(struct store_page *page);

extern const struct store_backend store_sqlite_backend;
extern const struct store_backend store_redis_backend;
