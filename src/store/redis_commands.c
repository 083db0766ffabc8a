#include "store/redis_commands.h"

#include <stdio.h>
#include <string.h>

#include "store/redis_keys.h"
#include "store/redis_row.h"
#include "store/redis_scripts.h"

#define ARGUMENTS_MOST 24
#define NUMBER_SIZE    24 /* of a decimal number's text */
#define NUMBERS_MOST   12

/* A command's arguments, gathered: texts and bytes where they lie, numbers written here. */
struct arguments {
    const char *values[ARGUMENTS_MOST];
    size_t sizes[ARGUMENTS_MOST];
    int count;
    char numbers[NUMBERS_MOST][NUMBER_SIZE];
    int number_count;
};

static void add(struct arguments *arguments, const void *bytes, size_t size) {
    arguments->values[arguments->count] = bytes;
    arguments->sizes[arguments->count++] = size;
}

static void add_text(struct arguments *arguments, const char *text) {
    add(arguments, text, strlen(text));
}

static void add_number(struct arguments *arguments, int64_t number) {
    char *text = arguments->numbers[arguments->number_count++];
    int size = snprintf(text, NUMBER_SIZE, "%lld", (long long)number);
    add(arguments, text, (size_t)size);
}

static void add_flag(struct arguments *arguments, bool flag) {
    add(arguments, flag ? "1" : "0", 1);
}

static void add_id(struct arguments *arguments, const struct ledger_id *id) {
    add(arguments, id->bytes, sizeof id->bytes);
}

static void add_keys(struct arguments *arguments, const struct redis_key *keys, int count) {
    for (int i = 0; i < count; i++)
        add(arguments, keys[i].text, keys[i].size);
}

static bool send_command(struct redis_link *link, redis_replied *replied, void *arg,
                         const struct arguments *arguments) {
    return link && redis_link_send(link, replied, arg, arguments->count, arguments->values,
                                   arguments->sizes);
}

static bool eval(struct redis_link *link, redis_replied *replied, void *arg,
                 enum redis_script_index script, int keys, const struct arguments *arguments) {
    return link && redis_link_eval(link, replied, arg, (int)script, keys, arguments->count,
                                   arguments->values, arguments->sizes);
}

static int64_t at_least_0(int64_t number) {
    return number > 0 ? number : 0;
}

bool redis_send_find(struct redis_link *link, redis_replied *replied, void *arg,
                     const struct digest *number, const struct digest *triple) {
    struct redis_key keys[REDIS_NUMBER_KEYS];
    struct arguments arguments = {.count = 0};
    redis_keys_of_number(number, triple, keys);
    add_text(&arguments, "GET");
    add_keys(&arguments, &keys[REDIS_KEY_ANSWER], 1);
    return send_command(link, replied, arg, &arguments);
}

bool redis_send_admit(struct redis_link *link, redis_replied *replied, void *arg,
                      const struct store_admit *admit, const struct redis_seen *seen) {
    struct redis_key keys[REDIS_NUMBER_KEYS];
    struct arguments arguments = {.count = 0};
    redis_keys_of_number(&admit->number, &admit->triple, keys);
    add_keys(&arguments, keys, REDIS_NUMBER_KEYS);
    add_id(&arguments, &admit->id);
    add_number(&arguments, admit->lease_ms);
    add_number(&arguments, at_least_0(admit->limit.max_calls));
    add_number(&arguments, admit->limit.window_ms);
    add_flag(&arguments, admit->infer && !admit->wish.no_cache);
    add(&arguments, admit->triple.bytes, DIGEST_SIZE);
    if (admit->wish.no_cache)
        add_text(&arguments, "*");
    else
        add(&arguments, seen->bytes, seen->size);
    return eval(link, replied, arg, REDIS_ADMIT, REDIS_NUMBER_KEYS, &arguments);
}

static bool is_text(const redisReply *reply, const char *text) {
    return reply->type == REDIS_REPLY_STRING && strcmp(reply->str, text) == 0;
}

static bool take_wait(const redisReply *reply, struct redis_admitted *admitted) {
    if (reply->elements != 3 || reply->element[1]->type != REDIS_REPLY_STRING ||
        reply->element[1]->len != sizeof admitted->holder.bytes ||
        reply->element[2]->type != REDIS_REPLY_INTEGER)
        return false;
    memcpy(admitted->holder.bytes, reply->element[1]->str, sizeof admitted->holder.bytes);
    admitted->left_ms = at_least_0(reply->element[2]->integer);
    return true;
}

static bool take_kept(const redisReply *reply, struct redis_admitted *admitted) {
    if (reply->elements != 2 || reply->element[1]->type != REDIS_REPLY_STRING)
        return false;
    admitted->kept = reply->element[1]->str;
    admitted->kept_size = (size_t)reply->element[1]->len;
    return true;
}

static bool take_number(const redisReply *reply, int64_t *number) {
    if (reply->elements != 2 || reply->element[1]->type != REDIS_REPLY_INTEGER)
        return false;
    *number = reply->element[1]->integer;
    return true;
}

static bool take_admitted(const redisReply *reply, struct redis_admitted *admitted) {
    switch (admitted->what) {
    case REDIS_ADMISSION_LEAD:
        return true;
    case REDIS_ADMISSION_WAIT:
        return take_wait(reply, admitted);
    case REDIS_ADMISSION_KEPT:
        return take_kept(reply, admitted);
    case REDIS_ADMISSION_CLOSED:
        return take_number(reply, &admitted->left_ms);
    case REDIS_ADMISSION_INFERRED:
        return take_number(reply, &admitted->proven_at);
    case REDIS_ADMISSION_NONE:
        return false;
    }
    return false;
}

struct redis_admitted redis_read_admitted(const redisReply *reply) {
    static const char *const words[] = {
        [REDIS_ADMISSION_LEAD] = "lead",         [REDIS_ADMISSION_WAIT] = "wait",
        [REDIS_ADMISSION_KEPT] = "kept",         [REDIS_ADMISSION_CLOSED] = "closed",
        [REDIS_ADMISSION_INFERRED] = "inferred",
    };
    struct redis_admitted admitted = {.what = REDIS_ADMISSION_NONE};
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements == 0)
        return admitted;
    for (int what = REDIS_ADMISSION_LEAD; what <= REDIS_ADMISSION_INFERRED; what++) {
        if (is_text(reply->element[0], words[what]))
            admitted.what = (enum redis_decision)what;
    }
    if (!take_admitted(reply, &admitted))
        admitted.what = REDIS_ADMISSION_NONE;
    return admitted;
}

/* A kept 01 says whose the number is; an 02 to the same question unsays it. */
static const char *ownership(const struct store_settle *settle) {
    enum result_kind kind = result_of(settle->answer.status);
    if (settle->answered && settle->keep && settle->own && kind == RESULT_MATCH)
        return "1";
    if (settle->answered && kind == RESULT_MISMATCH)
        return "0";
    return "";
}

/* Nothing to tell of a call whose answer was delivered long ago. */
static size_t encode_notice(const struct store_settle *settle, uint32_t sender,
                            uint8_t bytes[REDIS_NOTICE_SIZE]) {
    const struct redis_notice notice = {
        .kind = settle->answered ? REDIS_NOTICE_ANSWERED : REDIS_NOTICE_FAILED,
        .sender = sender,
        .call = settle->id,
        .triple = settle->triple,
        .answer = settle->answer,
        .failure = settle->failure,
    };
    if (!settle->answered && settle->failure == FAILURE_NONE)
        return 0;
    return redis_notice_encode(&notice, bytes);
}

bool redis_send_settle(struct redis_link *link, redis_replied *replied, void *arg,
                       const struct store_settle *settle, int64_t window_ms, int64_t now_ms,
                       uint32_t sender) {
    struct redis_key keys[REDIS_NUMBER_KEYS];
    struct arguments arguments = {.count = 0};
    uint8_t answer[ANSWER_ENCODED_MAX];
    uint8_t notice[REDIS_NOTICE_SIZE];
    bool keep = settle->answered && settle->keep;
    size_t answer_size = keep ? answer_encode(&settle->answer, answer) : 0;
    redis_keys_of_number(&settle->number, &settle->triple, keys);
    add_keys(&arguments, keys, REDIS_NUMBER_KEYS);
    add_id(&arguments, &settle->id);
    add_flag(&arguments, settle->ledger.state == LEDGER_RELEASED);
    add_number(&arguments, at_least_0(now_ms - ledger_id_time_ms(&settle->id)));
    add_number(&arguments, window_ms);
    add(&arguments, answer, answer_size);
    add_number(&arguments, keep ? settle->retain_until * 1000 - now_ms : 0);
    add(&arguments, settle->triple.bytes, DIGEST_SIZE);
    add_text(&arguments, ownership(settle));
    add_number(&arguments, settle->answer.expires_at * 1000 - now_ms);
    add_number(&arguments, settle->answer.checked_at);
    add_number(&arguments, settle->close_ms);
    add_number(&arguments, at_least_0(now_ms - settle->ledger.settled_at_ms));
    add(&arguments, notice, encode_notice(settle, sender, notice));
    add_text(&arguments, REDIS_NOTICE_CHANNEL);
    return eval(link, replied, arg, REDIS_SETTLE, REDIS_NUMBER_KEYS, &arguments);
}

static size_t encode_begin(const struct ledger_id *id, const struct digest *number,
                           const struct ledger_account *account, char text[REDIS_ROW_SIZE]) {
    struct redis_row row = {.reserved_at_ms = ledger_id_time_ms(id), .account = *account};
    memcpy(row.number, number->bytes, sizeof row.number);
    return redis_row_encode_begin(&row, text);
}

bool redis_send_book(struct redis_link *link, redis_replied *replied, void *arg,
                     const struct store_settle *settle) {
    struct redis_key keys[REDIS_LEDGER_KEYS];
    struct arguments arguments = {.count = 0};
    char begin[REDIS_ROW_SIZE];
    char end[REDIS_ROW_SIZE];
    char letter = redis_row_letter(settle->ledger.state);
    redis_keys_of_row(&settle->id, keys);
    add_keys(&arguments, keys, REDIS_LEDGER_KEYS);
    add_id(&arguments, &settle->id);
    add(&arguments, &letter, 1);
    add(&arguments, begin, encode_begin(&settle->id, &settle->number, &settle->account, begin));
    add(&arguments, end, redis_row_encode_end(&settle->ledger, end));
    add_flag(&arguments, settle->ledger.billed == BILLED_YES);
    return eval(link, replied, arg, REDIS_BOOK, REDIS_LEDGER_KEYS, &arguments);
}

bool redis_send_reserve(struct redis_link *link, redis_replied *replied, void *arg,
                        const struct ledger_id *id, const struct digest *number,
                        const struct ledger_account *account, int64_t lapse_ms) {
    struct redis_key keys[REDIS_LEDGER_KEYS];
    struct arguments arguments = {.count = 0};
    char begin[REDIS_ROW_SIZE];
    redis_keys_of_row(id, keys);
    add_keys(&arguments, keys, REDIS_LEDGER_KEYS);
    add_id(&arguments, id);
    add(&arguments, begin, encode_begin(id, number, account, begin));
    add_number(&arguments, lapse_ms);
    return eval(link, replied, arg, REDIS_RESERVE, REDIS_LEDGER_KEYS, &arguments);
}

bool redis_send_withdraw(struct redis_link *link, redis_replied *replied, void *arg,
                         const struct store_admit *admit, uint32_t sender) {
    struct redis_key keys[REDIS_NUMBER_KEYS];
    struct arguments arguments = {.count = 0};
    uint8_t bytes[REDIS_NOTICE_SIZE];
    const struct redis_notice notice = {
        .kind = REDIS_NOTICE_WITHDRAWN,
        .sender = sender,
        .call = admit->id,
        .triple = admit->triple,
    };
    redis_keys_of_number(&admit->number, &admit->triple, keys);
    add_keys(&arguments, keys, REDIS_NUMBER_KEYS);
    add_id(&arguments, &admit->id);
    add(&arguments, bytes, redis_notice_encode(&notice, bytes));
    add_text(&arguments, REDIS_NOTICE_CHANNEL);
    return eval(link, replied, arg, REDIS_WITHDRAW, REDIS_NUMBER_KEYS, &arguments);
}

bool redis_send_lapsed(struct redis_link *link, redis_replied *replied, void *arg, int most) {
    static const struct ledger_id any = {{0}};
    struct redis_key keys[REDIS_LEDGER_KEYS];
    struct arguments arguments = {.count = 0};
    redis_keys_of_row(&any, keys);
    add_keys(&arguments, keys, REDIS_LEDGER_KEYS);
    add_number(&arguments, most);
    return eval(link, replied, arg, REDIS_LAPSED, REDIS_LEDGER_KEYS, &arguments);
}

bool redis_send_give_up(struct redis_link *link, redis_replied *replied, void *arg,
                        const struct ledger_id *id) {
    struct redis_key keys[REDIS_LEDGER_KEYS];
    struct arguments arguments = {.count = 0};
    redis_keys_of_row(id, keys);
    add_keys(&arguments, keys, REDIS_LEDGER_KEYS);
    add_id(&arguments, id);
    add_text(&arguments, "U");
    add_text(&arguments, "");
    add_text(&arguments, "");
    add_flag(&arguments, false);
    return eval(link, replied, arg, REDIS_BOOK, REDIS_LEDGER_KEYS, &arguments);
}

bool redis_send_find_row(struct redis_link *link, redis_replied *replied, void *arg,
                         const struct ledger_id *id) {
    struct redis_key keys[REDIS_LEDGER_KEYS];
    struct arguments arguments = {.count = 0};
    redis_keys_of_row(id, keys);
    add_text(&arguments, "HGET");
    add_keys(&arguments, &keys[REDIS_KEY_ROWS], 1);
    add_id(&arguments, id);
    return send_command(link, replied, arg, &arguments);
}

bool redis_send_find_place(struct redis_link *link, redis_replied *replied, void *arg,
                           const struct ledger_id *id, const struct digest *number) {
    static const struct digest any = {{0}};
    struct redis_key keys[REDIS_NUMBER_KEYS];
    struct arguments arguments = {.count = 0};
    redis_keys_of_number(number, &any, keys);
    add_text(&arguments, "ZSCORE");
    add_keys(&arguments, &keys[REDIS_KEY_WINDOW], 1);
    add_id(&arguments, id);
    return send_command(link, replied, arg, &arguments);
}

bool redis_is_ended_row(const redisReply *reply) {
    struct redis_row row;
    return reply->type == REDIS_REPLY_STRING &&
           redis_row_decode(reply->str, (size_t)reply->len, &row) && row.letter != 'R' &&
           row.letter != 'U';
}

bool redis_send_ping(struct redis_link *link, redis_replied *replied, void *arg) {
    struct arguments arguments = {.count = 0};
    add_text(&arguments, "PING");
    return send_command(link, replied, arg, &arguments);
}

bool redis_send_probe(struct redis_link *link, redis_replied *replied, void *arg) {
    struct arguments arguments = {.count = 0};
    add_text(&arguments, "SET");
    add_text(&arguments, "sanyao:probe");
    add_text(&arguments, "1");
    add_text(&arguments, "PX");
    add_number(&arguments, 60000);
    return send_command(link, replied, arg, &arguments);
}

bool redis_succeeded(const redisReply *reply) {
    return reply && reply->type != REDIS_REPLY_ERROR;
}

void redis_trouble(const redisReply *reply, char text[REDIS_REASON_SIZE]) {
    text[0] = '\0';
    if (!reply)
        return;
    redis_reply_text(reply, text, REDIS_REASON_SIZE);
    if (reply->type != REDIS_REPLY_ERROR)
        snprintf(text, REDIS_REASON_SIZE, "a reply that makes no sense");
}
