#include "store/redis_reservation.h"

#include "runtime/text.h"
#include "store/redis_arguments.h"
#include "store/redis_row.h"

/* Two names, two numbers, their tabs and the line's end. */
#define LINE_SIZE  (2 * LEDGER_NAME_SIZE + 2 * REDIS_NUMBER_SIZE + 4)
#define LINES_SIZE (BUDGET_LINES_MOST * LINE_SIZE + 1)
#define FINDINGS   7 /* elements of what says a finding */

/* --- what is sent --- */

/* As a row has it: no control characters. */
static void add_name(struct text *text, const char *name) {
    for (; *name != '\0'; name++)
        text_add_bytes(text, (unsigned char)*name < 0x20 || *name == 0x7f ? "?" : name, 1);
    text_add(text, "\t");
}

static size_t write_lines(const struct budget_plan *plan, char lines[LINES_SIZE]) {
    struct text text = text_over(lines, LINES_SIZE);
    for (int i = 0; i < plan->count && i < BUDGET_LINES_MOST; i++) {
        const struct budget_line *line = &plan->lines[i];
        add_name(&text, line->package);
        add_name(&text, line->credential);
        text_add_number(&text, line->calls);
        text_add(&text, "\t");
        text_add_number(&text, line->expires_at_ms);
        text_add(&text, "\n");
    }
    return text.size;
}

static void add_budget(struct redis_arguments *arguments, const struct budget *budget,
                       const char *lines, size_t size) {
    const struct budget_limits *limits = &budget->limits;
    redis_add_number(arguments, budget->plan->version);
    redis_add(arguments, lines, size);
    redis_add_number(arguments, limits->day_calls);
    redis_add_number(arguments, limits->month_calls);
    redis_add_number(arguments, limits->reserve_percent);
    redis_add_flag(arguments, limits->shadow);
}

bool redis_send_reserve(struct redis_link *link, redis_replied *replied, void *arg,
                        const struct redis_reservation *reservation) {
    const struct budget *budget = reservation->budget;
    struct redis_key keys[REDIS_LEDGER_KEYS];
    struct redis_arguments arguments = {.count = 0};
    char begin[REDIS_ROW_SIZE];
    char lines[LINES_SIZE];
    redis_keys_of_row(reservation->id, keys);
    redis_add_keys(&arguments, keys, REDIS_LEDGER_KEYS);
    redis_add_id(&arguments, reservation->id);
    redis_add(
        &arguments, begin,
        redis_row_encode_intent(reservation->id, reservation->number, reservation->account, begin));
    redis_add_number(&arguments, reservation->lapse_ms);
    if (budget && budget->plan)
        add_budget(&arguments, budget, lines, write_lines(budget->plan, lines));
    else
        redis_add_text(&arguments, "");
    return redis_eval(link, replied, arg, REDIS_RESERVE, REDIS_LEDGER_KEYS, &arguments);
}

/* --- what it said --- */

static bool is_number(const redisReply *reply, size_t i) {
    return i < reply->elements && reply->element[i]->type == REDIS_REPLY_INTEGER;
}

static bool take_finding(const redisReply *reply, struct redis_reserved *reserved) {
    struct budget_finding *finding = &reserved->finding;
    for (size_t i = 1; i < FINDINGS; i++) {
        if (!is_number(reply, i))
            return false;
    }
    long long bound = reply->element[2]->integer;
    if (bound < BUDGET_FITS || bound >= BUDGET_BOUNDS)
        return false;
    reserved->line = (int)reply->element[1]->integer;
    *finding = (struct budget_finding){
        .bound = (enum budget_bound)bound,
        .limit = reply->element[3]->integer,
        .used = reply->element[4]->integer,
        .day_used = reply->element[5]->integer,
        .month_used = reply->element[6]->integer,
    };
    return true;
}

static bool take_version(const redisReply *reply, struct redis_reserved *reserved) {
    if (!is_number(reply, 1))
        return false;
    reserved->version = reply->element[1]->integer;
    return true;
}

static bool take_row(const redisReply *reply, struct redis_reserved *reserved) {
    struct redis_row row;
    if (reply->elements < 2 || reply->element[1]->type != REDIS_REPLY_STRING ||
        !redis_row_decode(reply->element[1]->str, (size_t)reply->element[1]->len, &row))
        return false;
    reserved->account = row.account;
    return true;
}

static const struct word {
    const char *word;
    bool (*take)(const redisReply *reply, struct redis_reserved *reserved);
} words[] = {
    [REDIS_RESERVED] = {"reserved", take_finding},
    [REDIS_RESERVE_THERE] = {"there", take_row},
    [REDIS_RESERVE_OUTDATED] = {"outdated", take_version},
    [REDIS_RESERVE_REFUSED] = {"refused", take_finding},
};

struct redis_reserved redis_read_reserved(const redisReply *reply) {
    struct redis_reserved reserved = {.what = REDIS_RESERVE_NONE};
    if (!reply || reply->type != REDIS_REPLY_ARRAY || reply->elements == 0 ||
        reply->element[0]->type != REDIS_REPLY_STRING)
        return reserved;
    for (int what = REDIS_RESERVED; what <= REDIS_RESERVE_REFUSED; what++) {
        if (strcmp(reply->element[0]->str, words[what].word) == 0 &&
            words[what].take(reply, &reserved))
            reserved.what = (enum redis_reserving)what;
    }
    return reserved;
}
