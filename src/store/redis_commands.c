#include "store/redis_commands.h"

#include <stdio.h>
#include <string.h>

#include "store/redis_arguments.h"
#include "store/redis_row.h"

static int64_t at_least_0(int64_t number) {
    return number > 0 ? number : 0;
}

bool redis_send_find(struct redis_link *link, redis_replied *replied, void *arg,
                     const struct digest *number, const struct digest *triple) {
    const struct redis_key key = redis_key_of_answer(number, triple);
    struct redis_arguments arguments = {.count = 0};
    redis_add_text(&arguments, "GET");
    redis_add_keys(&arguments, &key, 1);
    return redis_send(link, replied, arg, &arguments);
}

static bool has_id(const struct ledger_id *id) {
    static const struct ledger_id none = {{0}};
    return ledger_id_compare(id, &none) != 0;
}

bool redis_send_admit(struct redis_link *link, redis_replied *replied, void *arg,
                      const struct store_admit *admit, const struct redis_seen *seen) {
    struct redis_key keys[REDIS_NUMBER_KEYS];
    struct redis_arguments arguments = {.count = 0};
    redis_keys_of_number(&admit->number, &admit->triple, admit->window, keys);
    redis_add_keys(&arguments, keys, REDIS_NUMBER_KEYS);
    redis_add_id(&arguments, &admit->id);
    redis_add_number(&arguments, admit->lease_ms);
    redis_add_number(&arguments, at_least_0(admit->limit.max_calls));
    redis_add_number(&arguments, admit->limit.window_ms);
    redis_add_flag(&arguments, admit->infer && !admit->wish.no_cache);
    redis_add(&arguments, admit->triple.bytes, DIGEST_SIZE);
    if (admit->wish.no_cache)
        redis_add_text(&arguments, "*");
    else
        redis_add(&arguments, seen->bytes, seen->size);
    redis_add(&arguments, admit->after.bytes,
              has_id(&admit->after) ? sizeof admit->after.bytes : 0);
    return redis_eval(link, replied, arg, REDIS_ADMIT, REDIS_NUMBER_KEYS, &arguments);
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
    case REDIS_ADMISSION_NEXT:
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
        [REDIS_ADMISSION_LEAD] = "lead",     [REDIS_ADMISSION_NEXT] = "next",
        [REDIS_ADMISSION_WAIT] = "wait",     [REDIS_ADMISSION_KEPT] = "kept",
        [REDIS_ADMISSION_CLOSED] = "closed", [REDIS_ADMISSION_INFERRED] = "inferred",
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

static enum redis_notice_kind end_of(const struct store_settle *settle) {
    if (settle->hold)
        return REDIS_NOTICE_HELD;
    if (settle->answered)
        return REDIS_NOTICE_ANSWERED;
    return settle->again ? REDIS_NOTICE_WITHDRAWN : REDIS_NOTICE_FAILED;
}

/* Nothing to tell of a call whose answer was delivered long ago, nor of one whose lease is held and
 * that leaves no answer. */
static size_t encode_notice(const struct store_settle *settle, uint32_t sender,
                            uint8_t bytes[REDIS_NOTICE_SIZE]) {
    const struct redis_notice notice = {
        .kind = end_of(settle),
        .sender = sender,
        .call = settle->id,
        .triple = settle->triple,
        .answer = settle->answer,
        .failure = settle->failure,
    };
    if (notice.kind == REDIS_NOTICE_FAILED && settle->failure == FAILURE_NONE)
        return 0;
    if (notice.kind == REDIS_NOTICE_HELD && !(settle->answered && settle->keep))
        return 0;
    return redis_notice_encode(&notice, bytes);
}

bool redis_send_settle(struct redis_link *link, redis_replied *replied, void *arg,
                       const struct store_settle *settle, int64_t window_ms, int64_t now_ms,
                       uint32_t sender) {
    struct redis_key keys[REDIS_NUMBER_KEYS];
    struct redis_arguments arguments = {.count = 0};
    uint8_t answer[ANSWER_ENCODED_MAX];
    uint8_t notice[REDIS_NOTICE_SIZE];
    bool keep = settle->answered && settle->keep;
    size_t answer_size = keep ? answer_encode(&settle->answer, answer) : 0;
    redis_keys_of_number(&settle->number, &settle->triple, settle->window, keys);
    redis_add_keys(&arguments, keys, REDIS_NUMBER_KEYS);
    redis_add_id(&arguments, &settle->id);
    redis_add_flag(&arguments, settle->ledger.state == LEDGER_RELEASED);
    redis_add_number(&arguments, at_least_0(now_ms - ledger_id_time_ms(&settle->id)));
    redis_add_number(&arguments, window_ms);
    redis_add(&arguments, answer, answer_size);
    redis_add_number(&arguments, keep ? settle->retain_until * 1000 - now_ms : 0);
    redis_add(&arguments, settle->triple.bytes, DIGEST_SIZE);
    redis_add_text(&arguments, ownership(settle));
    redis_add_number(&arguments, settle->answer.expires_at * 1000 - now_ms);
    redis_add_number(&arguments, settle->answer.checked_at);
    redis_add_number(&arguments, settle->close_ms);
    redis_add_number(&arguments, at_least_0(now_ms - settle->ledger.settled_at_ms));
    redis_add(&arguments, notice, encode_notice(settle, sender, notice));
    redis_add_text(&arguments, REDIS_NOTICE_CHANNEL);
    redis_add_flag(&arguments, settle->hold);
    return redis_eval(link, replied, arg, REDIS_SETTLE, REDIS_NUMBER_KEYS, &arguments);
}

bool redis_send_pass(struct redis_link *link, redis_replied *replied, void *arg,
                     const struct store_admit *admit, uint32_t sender) {
    struct redis_key keys[REDIS_NUMBER_KEYS];
    struct redis_arguments arguments = {.count = 0};
    uint8_t bytes[REDIS_NOTICE_SIZE];
    const struct redis_notice notice = {
        .kind = REDIS_NOTICE_PASSED,
        .sender = sender,
        .call = admit->after,
        .triple = admit->triple,
        .next = admit->id,
        .lease_ms = admit->lease_ms,
    };
    redis_keys_of_number(&admit->number, &admit->triple, admit->window, keys);
    redis_add_keys(&arguments, keys, REDIS_NUMBER_KEYS);
    redis_add_id(&arguments, &admit->after);
    redis_add_id(&arguments, &admit->id);
    redis_add_number(&arguments, admit->lease_ms);
    redis_add(&arguments, bytes, redis_notice_encode(&notice, bytes));
    redis_add_text(&arguments, REDIS_NOTICE_CHANNEL);
    return redis_eval(link, replied, arg, REDIS_PASS, REDIS_NUMBER_KEYS, &arguments);
}

bool redis_send_let_go(struct redis_link *link, redis_replied *replied, void *arg,
                       const struct store_settle *settle, uint32_t sender) {
    struct redis_key keys[REDIS_NUMBER_KEYS];
    struct redis_arguments arguments = {.count = 0};
    uint8_t notice[REDIS_NOTICE_SIZE];
    redis_keys_of_number(&settle->number, &settle->triple, settle->window, keys);
    redis_add_keys(&arguments, keys, REDIS_NUMBER_KEYS);
    redis_add_id(&arguments, &settle->id);
    redis_add(&arguments, notice, encode_notice(settle, sender, notice));
    redis_add_text(&arguments, REDIS_NOTICE_CHANNEL);
    return redis_eval(link, replied, arg, REDIS_LET_GO, REDIS_NUMBER_KEYS, &arguments);
}

bool redis_send_book(struct redis_link *link, redis_replied *replied, void *arg,
                     const struct store_settle *settle) {
    struct redis_key keys[REDIS_LEDGER_KEYS];
    struct redis_arguments arguments = {.count = 0};
    char begin[REDIS_ROW_SIZE];
    char end[REDIS_ROW_SIZE];
    char letter = redis_row_letter(settle->ledger.state);
    redis_keys_of_row(&settle->id, keys);
    redis_add_keys(&arguments, keys, REDIS_COUNTED_KEYS);
    redis_add_id(&arguments, &settle->id);
    redis_add(&arguments, &letter, 1);
    redis_add(&arguments, begin,
              redis_row_encode_intent(&settle->id, &settle->number, &settle->account, begin));
    redis_add(&arguments, end, redis_row_encode_end(&settle->ledger, end));
    redis_add_flag(&arguments, settle->ledger.billed == BILLED_YES);
    return redis_eval(link, replied, arg, REDIS_BOOK, REDIS_COUNTED_KEYS, &arguments);
}

bool redis_send_withdraw(struct redis_link *link, redis_replied *replied, void *arg,
                         const struct store_admit *admit, uint32_t sender) {
    struct redis_key keys[REDIS_NUMBER_KEYS];
    struct redis_arguments arguments = {.count = 0};
    uint8_t bytes[REDIS_NOTICE_SIZE];
    const struct redis_notice notice = {
        .kind = REDIS_NOTICE_WITHDRAWN,
        .sender = sender,
        .call = admit->id,
        .triple = admit->triple,
    };
    redis_keys_of_number(&admit->number, &admit->triple, admit->window, keys);
    redis_add_keys(&arguments, keys, REDIS_NUMBER_KEYS);
    redis_add_id(&arguments, &admit->id);
    redis_add(&arguments, bytes, redis_notice_encode(&notice, bytes));
    redis_add_text(&arguments, REDIS_NOTICE_CHANNEL);
    return redis_eval(link, replied, arg, REDIS_WITHDRAW, REDIS_NUMBER_KEYS, &arguments);
}

bool redis_send_lapsed(struct redis_link *link, redis_replied *replied, void *arg, int most) {
    static const struct ledger_id any = {{0}};
    struct redis_key keys[REDIS_LEDGER_KEYS];
    struct redis_arguments arguments = {.count = 0};
    redis_keys_of_row(&any, keys);
    redis_add_keys(&arguments, keys, REDIS_ROW_KEYS);
    redis_add_number(&arguments, most);
    return redis_eval(link, replied, arg, REDIS_LAPSED, REDIS_ROW_KEYS, &arguments);
}

bool redis_send_give_up(struct redis_link *link, redis_replied *replied, void *arg,
                        const struct ledger_id *id) {
    struct redis_key keys[REDIS_LEDGER_KEYS];
    struct redis_arguments arguments = {.count = 0};
    redis_keys_of_row(id, keys);
    redis_add_keys(&arguments, keys, REDIS_COUNTED_KEYS);
    redis_add_id(&arguments, id);
    redis_add_text(&arguments, "U");
    redis_add_text(&arguments, "");
    redis_add_text(&arguments, "");
    redis_add_flag(&arguments, false);
    return redis_eval(link, replied, arg, REDIS_BOOK, REDIS_COUNTED_KEYS, &arguments);
}

bool redis_send_find_row(struct redis_link *link, redis_replied *replied, void *arg,
                         const struct ledger_id *id) {
    struct redis_key keys[REDIS_LEDGER_KEYS];
    struct redis_arguments arguments = {.count = 0};
    redis_keys_of_row(id, keys);
    redis_add_text(&arguments, "HGET");
    redis_add_keys(&arguments, &keys[REDIS_KEY_ROWS], 1);
    redis_add_id(&arguments, id);
    return redis_send(link, replied, arg, &arguments);
}

bool redis_send_find_place(struct redis_link *link, redis_replied *replied, void *arg,
                           const struct ledger_id *id, const struct digest *number,
                           const char *window) {
    static const struct digest any = {{0}};
    struct redis_key keys[REDIS_NUMBER_KEYS];
    struct redis_arguments arguments = {.count = 0};
    redis_keys_of_number(number, &any, window, keys);
    redis_add_text(&arguments, "ZSCORE");
    redis_add_keys(&arguments, &keys[REDIS_KEY_WINDOW], 1);
    redis_add_id(&arguments, id);
    return redis_send(link, replied, arg, &arguments);
}

bool redis_is_ended_row(const redisReply *reply) {
    struct redis_row row;
    return reply->type == REDIS_REPLY_STRING &&
           redis_row_decode(reply->str, (size_t)reply->len, &row) && row.letter != 'R' &&
           row.letter != 'U';
}

bool redis_send_ping(struct redis_link *link, redis_replied *replied, void *arg) {
    struct redis_arguments arguments = {.count = 0};
    redis_add_text(&arguments, "PING");
    return redis_send(link, replied, arg, &arguments);
}

bool redis_send_time(struct redis_link *link, redis_replied *replied, void *arg) {
    struct redis_arguments arguments = {.count = 0};
    redis_add_text(&arguments, "TIME");
    return redis_send(link, replied, arg, &arguments);
}

bool redis_send_probe(struct redis_link *link, redis_replied *replied, void *arg) {
    struct redis_arguments arguments = {.count = 0};
    redis_add_text(&arguments, "SET");
    redis_add_text(&arguments, "sanyao:probe");
    redis_add_text(&arguments, "1");
    redis_add_text(&arguments, "PX");
    redis_add_number(&arguments, 60000);
    return redis_send(link, replied, arg, &arguments);
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
