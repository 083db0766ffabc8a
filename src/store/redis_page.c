#include "store/redis_page.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/log.h"
#include "store/redis_keys.h"
#include "store/redis_row.h"

#define SPAN_MOST   INT64_C(1024) /* of ten minutes: a week */
#define SCAN_COUNT  "1000"        /* about a millisecond of the server's time */
#define CURSOR_SIZE 24            /* of a scan's place as text */

struct redis_page {
    struct redis_client *client;
    struct store_page *page;
    struct ledger_id above; /* what is still wanted lies behind this id */
    struct ledger_id below;

    int64_t bucket; /* where it is */
    int64_t end;    /* behind the last bucket */
    int64_t reach;  /* how far it looks where nothing is known */
    int64_t known; /* from `bucket` to before this one some is there; not behind it: nobody knows */
    int64_t span;  /* how many were asked for together */

    /* Of the bucket: the first ones that the page has room for, of those seen so far. */
    struct ledger_id ids[STORE_PAGE_MOST];
    size_t wanted;
    bool all;                 /* there are no others in it */
    bool there;               /* it is not empty */
    char cursor[CURSOR_SIZE]; /* how far it was looked through */

    struct redis_key keys[SPAN_MOST];
    const char *values[1 + SPAN_MOST];
    size_t sizes[1 + SPAN_MOST];
    int count;
};

/* --- what is sent --- */

static void add(struct redis_page *reader, const void *bytes, size_t size) {
    reader->values[reader->count] = bytes;
    reader->sizes[reader->count++] = size;
}

static void begin_command(struct redis_page *reader, const char *name) {
    reader->count = 0;
    add(reader, name, strlen(name));
}

static void add_bucket(struct redis_page *reader, int64_t i) {
    reader->keys[i] = redis_key_of_bucket(reader->bucket + i);
    add(reader, reader->keys[i].text, reader->keys[i].size);
}

static bool send_command(struct redis_page *reader, redis_replied *replied) {
    struct redis_link *link = reader->client->links[REDIS_LINK_LEDGER];
    return link &&
           redis_link_send(link, replied, reader, reader->count, reader->values, reader->sizes);
}

static void on_existing(void *arg, const redisReply *reply);
static void on_ids(void *arg, const redisReply *reply);
static void on_rows(void *arg, const redisReply *reply);

static bool ask_existing(struct redis_page *reader) {
    begin_command(reader, "EXISTS");
    for (int64_t i = 0; i < reader->span; i++)
        add_bucket(reader, i);
    return send_command(reader, on_existing);
}

/* In pieces, for a hash may be large: the server does nothing else while it reads one as a whole.
 */
static bool ask_more_ids(struct redis_page *reader) {
    begin_command(reader, "HSCAN");
    add_bucket(reader, 0);
    add(reader, reader->cursor, strlen(reader->cursor));
    add(reader, "COUNT", strlen("COUNT"));
    add(reader, SCAN_COUNT, strlen(SCAN_COUNT));
    return send_command(reader, on_ids);
}

static bool ask_ids(struct redis_page *reader) {
    reader->wanted = 0;
    reader->all = true;
    reader->there = false;
    memcpy(reader->cursor, "0", sizeof "0");
    return ask_more_ids(reader);
}

static bool ask_rows(struct redis_page *reader) {
    begin_command(reader, "HMGET");
    add_bucket(reader, 0);
    for (size_t i = 0; i < reader->wanted; i++)
        add(reader, reader->ids[i].bytes, sizeof reader->ids[i].bytes);
    return send_command(reader, on_rows);
}

/* One alone is read at once: mostly there is one. */
static bool ask(struct redis_page *reader) {
    int64_t known = reader->known - reader->bucket;
    int64_t left = reader->end - reader->bucket;
    if (known > 0)
        reader->span = known > 1 ? known / 2 : 1;
    else
        reader->span = reader->reach < left ? reader->reach : left;
    return reader->span > 1 ? ask_existing(reader) : ask_ids(reader);
}

/* --- one page after the other --- */

static void begin_next(struct redis_client *client);

/* Only from a reply. The caller's `done` comes last, since it may let go of the client. */
static void end(struct redis_page *reader, enum store_outcome outcome) {
    struct redis_client *client = reader->client;
    struct store_page *page = reader->page;
    free(reader);
    client->page = NULL;
    page->outcome = outcome;
    if (outcome == STORE_AWAY)
        store_page_turn_away(page);
    begin_next(client);
    page->op.done(&page->op);
}

static bool is_over(const struct redis_page *reader) {
    return reader->page->count == STORE_PAGE_MOST || reader->bucket >= reader->end;
}

static void go_on(struct redis_page *reader) {
    if (is_over(reader)) {
        reader->page->more = reader->bucket < reader->end;
        end(reader, STORE_DONE);
    } else if (!ask(reader)) {
        end(reader, STORE_AWAY);
    }
}

static struct redis_page *new_reader(struct redis_client *client, struct store_page *page) {
    struct redis_page *reader = calloc(1, sizeof *reader);
    if (!reader)
        return NULL;
    reader->client = client;
    reader->page = page;
    reader->above = store_page_begin(page);
    reader->below = ledger_id_bound(page->to_ms);
    reader->reach = 1;
    reader->bucket = redis_bucket_of(ledger_id_time_ms(&reader->above));
    if (ledger_id_compare(&reader->above, &reader->below) < 0)
        reader->end = 1 + redis_bucket_of(ledger_id_time_ms(&reader->below) - 1);
    return reader;
}

static void begin(struct redis_client *client, struct store_page *page) {
    struct redis_page *reader = new_reader(client, page);
    bool over = reader && is_over(reader);
    if (reader && !over && ask(reader)) {
        client->page = reader;
        return;
    }
    free(reader);
    page->outcome = STORE_DONE;
    if (!over)
        store_page_turn_away(page);
    redis_client_finish_later(client, &page->op);
}

static void begin_next(struct redis_client *client) {
    struct store_op *op;
    while (!client->page && (op = op_list_take(&client->pages)))
        begin(client, (struct store_page *)op);
}

void redis_page_read(struct redis_client *client, struct store_page *page) {
    op_list_add(&client->pages, &page->op);
    begin_next(client);
}

/* --- what is replied --- */

static void skip(struct redis_page *reader) {
    bool in_the_dark = reader->known <= reader->bucket;
    reader->bucket += reader->span;
    if (in_the_dark && reader->reach < SPAN_MOST)
        reader->reach *= 2;
    go_on(reader);
}

static void on_existing(void *arg, const redisReply *reply) {
    struct redis_page *reader = arg;
    if (!reply || reply->type != REDIS_REPLY_INTEGER) {
        end(reader, STORE_AWAY);
        return;
    }
    if (reply->integer == 0) {
        skip(reader);
        return;
    }
    reader->known = reader->bucket + reader->span;
    go_on(reader);
}

static int compare_ids(const void *a, const void *b) {
    return ledger_id_compare(a, b);
}

static bool is_wanted(const struct redis_page *reader, const struct ledger_id *id) {
    return ledger_id_compare(id, &reader->above) > 0 && ledger_id_compare(id, &reader->below) < 0;
}

/* A scan's piece: where it goes on, and fields, each with its value. */
static bool is_piece(const redisReply *reply) {
    return reply && reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 &&
           reply->element[0]->type == REDIS_REPLY_STRING && reply->element[0]->len < CURSOR_SIZE &&
           reply->element[1]->type == REDIS_REPLY_ARRAY;
}

static size_t take_ids(const struct redis_page *reader, const redisReply *fields,
                       struct ledger_id *ids) {
    size_t count = 0;
    for (size_t i = 0; i < fields->elements; i += 2) {
        const redisReply *field = fields->element[i];
        if (field->type != REDIS_REPLY_STRING || field->len != sizeof ids->bytes)
            continue;
        memcpy(ids[count].bytes, field->str, sizeof ids->bytes);
        count += is_wanted(reader, &ids[count]);
    }
    return count;
}

/* A scan has no order, and may tell a field twice. */
static size_t put_in_order(struct ledger_id *ids, size_t count) {
    size_t kept = 0;
    qsort(ids, count, sizeof *ids, compare_ids);
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || ledger_id_compare(&ids[kept - 1], &ids[i]) != 0)
            ids[kept++] = ids[i];
    }
    return kept;
}

static bool choose_ids(struct redis_page *reader, const redisReply *fields) {
    struct ledger_id *ids = malloc((reader->wanted + fields->elements + 1) * sizeof *ids);
    if (!ids)
        return false;
    memcpy(ids, reader->ids, reader->wanted * sizeof *ids);
    size_t count = reader->wanted + take_ids(reader, fields, ids + reader->wanted);
    size_t room = (size_t)(STORE_PAGE_MOST - reader->page->count);
    count = put_in_order(ids, count);
    if (count > room)
        reader->all = false;
    reader->wanted = count < room ? count : room;
    memcpy(reader->ids, ids, reader->wanted * sizeof *ids);
    free(ids);
    return true;
}

static bool take_piece(struct redis_page *reader, const redisReply *reply) {
    if (!is_piece(reply) || !choose_ids(reader, reply->element[1]))
        return false;
    if (reply->element[1]->elements > 0)
        reader->there = true;
    memcpy(reader->cursor, reply->element[0]->str, reply->element[0]->len + 1);
    return true;
}

static void leave_bucket(struct redis_page *reader) {
    reader->bucket++;
    reader->reach = 1;
    reader->known = 0;
    go_on(reader);
}

static void on_ids(void *arg, const redisReply *reply) {
    struct redis_page *reader = arg;
    bool taken = take_piece(reader, reply);
    bool whole = taken && strcmp(reader->cursor, "0") == 0;
    if (whole && !reader->there)
        skip(reader);
    else if (whole && reader->wanted == 0)
        leave_bucket(reader);
    else if (!taken || !(whole ? ask_rows(reader) : ask_more_ids(reader)))
        end(reader, STORE_AWAY);
}

static bool take_row(const redisReply *reply, const struct ledger_id *id, struct store_row *row) {
    struct redis_row from;
    if (reply->type != REDIS_REPLY_STRING ||
        !redis_row_decode(reply->str, (size_t)reply->len, &from))
        return false;
    *row = (struct store_row){
        .id = *id,
        .reserved_at_ms = from.reserved_at_ms,
        .account = from.account,
        .ended = from.letter != 'R' && from.letter != 'U',
        .outcome = from.outcome,
    };
    memcpy(row->number, from.number, sizeof row->number);
    return true;
}

/* A row that cannot be understood must not keep all behind it from being read. */
static bool take_rows(struct redis_page *reader, const redisReply *reply) {
    struct store_page *page = reader->page;
    int strange = 0;
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != reader->wanted)
        return false;
    if (!page->rows_owned)
        page->rows_owned = calloc(STORE_PAGE_MOST, sizeof *page->rows_owned);
    if (!page->rows_owned)
        return false;
    for (size_t i = 0; i < reader->wanted; i++) {
        if (take_row(reply->element[i], &reader->ids[i], &page->rows_owned[page->count]))
            page->count++;
        else
            strange++;
    }
    if (strange > 0)
        log_error("rows of the ledger make no sense and were passed over",
                  LOG_NUMBER("rows", strange));
    return true;
}

static void on_rows(void *arg, const redisReply *reply) {
    struct redis_page *reader = arg;
    if (!reply || !take_rows(reader, reply)) {
        end(reader, STORE_AWAY);
        return;
    }
    reader->above = reader->ids[reader->wanted - 1];
    if (reader->all)
        leave_bucket(reader);
    else
        go_on(reader);
}
