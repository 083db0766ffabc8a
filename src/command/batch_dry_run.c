#include "command/batch_dry_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "command/batch_report.h"
#include "core/digest.h"
#include "runtime/clock.h"

#define HTTP_OK     200
#define FIRST_ROOM  1024 /* a power of two */
#define FILLED_MOST 2    /* at most one in so many places is taken */

/* Digests in open addressing; one of zeroes only is an empty place. */
struct set {
    struct digest *places;
    size_t room;
    size_t count;
};

struct dry_run {
    struct batch_input *input;
    struct digest_key key;
    struct set seen;
    struct batch_progress progress;
    int today;
    int64_t lines;
    int64_t malformed;
    int64_t duplicates;
    int64_t refused; /* 203 to 206 without a call */
    int64_t kept;
    int64_t to_buy;
    int64_t failed;
};

/* --- which were seen --- */

static struct digest *find_place(const struct set *set, const struct digest *digest) {
    static const struct digest empty;
    size_t at;
    memcpy(&at, digest->bytes, sizeof at);
    for (at &= set->room - 1;; at = (at + 1) & (set->room - 1)) {
        struct digest *place = &set->places[at];
        if (digest_equal(place, &empty) || digest_equal(place, digest))
            return place;
    }
}

static bool grow(struct set *set) {
    struct set wider = {.room = set->room > 0 ? set->room * 2 : FIRST_ROOM, .count = set->count};
    static const struct digest empty;
    wider.places = calloc(wider.room, sizeof *wider.places);
    if (wider.places == NULL)
        return false;
    for (size_t i = 0; i < set->room; i++) {
        if (!digest_equal(&set->places[i], &empty))
            *find_place(&wider, &set->places[i]) = set->places[i];
    }
    free(set->places);
    *set = wider;
    return true;
}

/* False: no memory. */
static bool add_to_set(struct set *set, const struct digest *digest, bool *added) {
    if (set->count * FILLED_MOST >= set->room && !grow(set))
        return false;
    struct digest *place = find_place(set, digest);
    *added = !digest_equal(place, digest);
    *place = *digest;
    set->count += *added;
    return true;
}

/* --- line by line --- */

/* Is there anything to ask about it? */
static bool judge_line(struct dry_run *dry, const struct batch_line *line, bool *wanted) {
    struct digest digest;
    *wanted = false;
    dry->lines++;
    if (line->fault != NULL) {
        dry->malformed++;
        return true;
    }
    digest = digest_triple(&dry->key, &line->triple);
    if (!add_to_set(&dry->seen, &digest, wanted))
        return false;
    if (!*wanted) {
        dry->duplicates++;
    } else if (triple_check(&line->triple, dry->today) != TRIPLE_SOUND) {
        dry->refused++;
        *wanted = false;
    }
    return true;
}

static enum batch_step take(void *arg, struct batch_line *line, struct complaint *complaint) {
    struct dry_run *dry = arg;
    bool wanted = false;
    while (!wanted) {
        enum batch_step step = batch_input_next(dry->input, line, complaint);
        if (step != BATCH_LINE)
            return step;
        if (!judge_line(dry, line, &wanted)) {
            complain(complaint, "no memory for %lld questions", (long long)dry->lines);
            return BATCH_UNREADABLE;
        }
    }
    return BATCH_LINE;
}

static bool is_kept(const struct service_ask *ask) {
    char source[32];
    service_ask_text(ask, "source", source, sizeof source);
    return strcmp(source, "cache") == 0 || strcmp(source, "stale") == 0;
}

static bool reply(void *arg, const struct batch_line *line, const struct service_ask *ask,
                  struct complaint *complaint) {
    struct dry_run *dry = arg;
    char code[64] = "";
    (void)line;
    (void)complaint;
    if (ask != NULL)
        service_ask_text(ask, "code", code, sizeof code);
    if (ask != NULL && ask->status == HTTP_OK)
        ++*(is_kept(ask) ? &dry->kept : &dry->refused);
    else
        ++*(strcmp(code, "not_cached") == 0 ? &dry->to_buy : &dry->failed);
    return true;
}

static bool tick(void *arg, int64_t now_ms, struct complaint *complaint) {
    struct dry_run *dry = arg;
    (void)complaint;
    batch_progress_show(&dry->progress, now_ms, dry->lines, 0);
    return true;
}

/* --- what was found --- */

static bool suffices(const struct batch_price *price, int64_t calls) {
    return !price->metered || price->left >= calls;
}

static void print_cost(const struct dry_run *dry, const struct batch_price *price) {
    char money[MONEY_TEXT_SIZE];
    money_format(batch_price_of(price, dry->to_buy), money);
    if (!price->known) {
        puts("The price is not known here: that needs the admin token (admin.token).");
    } else if (!price->metered) {
        puts("No package is registered, so the price is not known, and nothing limits what is "
             "spent.");
    } else if (suffices(price, dry->to_buy)) {
        printf("That costs %s CNY; %lld calls are left, which is enough.\n", money,
               (long long)price->left);
    } else {
        printf("Only %lld calls are left, for %s CNY: %lld more must be bought.\n",
               (long long)price->left, money, (long long)(dry->to_buy - price->left));
    }
}

static void print_human(const struct dry_run *dry, const struct batch_price *price) {
    printf("questions         %10lld\n", (long long)dry->lines);
    printf("malformed         %10lld\n", (long long)dry->malformed);
    printf("duplicates        %10lld\n", (long long)dry->duplicates);
    printf("refused for free  %10lld\n", (long long)dry->refused);
    printf("kept answers      %10lld\n", (long long)dry->kept);
    printf("calls to buy      %10lld\n", (long long)dry->to_buy);
    if (dry->failed > 0)
        printf("not found out     %10lld\n", (long long)dry->failed);
    print_cost(dry, price);
}

static void print_json(const struct dry_run *dry, const struct batch_price *price) {
    char money[MONEY_TEXT_SIZE] = "null";
    bool priced = price->known && price->metered;
    if (priced)
        money_format(batch_price_of(price, dry->to_buy), money);
    printf("{\"questions\":%lld,\"malformed\":%lld,\"duplicates\":%lld,\"refused\":%lld,"
           "\"kept\":%lld,\"toBuy\":%lld,\"notFoundOut\":%lld,\"costCny\":%s,\"suffices\":%s}\n",
           (long long)dry->lines, (long long)dry->malformed, (long long)dry->duplicates,
           (long long)dry->refused, (long long)dry->kept, (long long)dry->to_buy,
           (long long)dry->failed, money,
           !priced                        ? "null"
           : suffices(price, dry->to_buy) ? "true"
                                          : "false");
}

static int conclude(struct run *run, const struct dry_run *dry, const struct batch_price *price) {
    if (run->options.json)
        print_json(dry, price);
    else
        print_human(dry, price);
    if (dry->failed == 0)
        return COMMAND_DONE;
    complain(&run->complaint, "questions of which it was not found out what they cost: %lld",
             (long long)dry->failed);
    return COMMAND_FAILED;
}

int batch_dry_run(struct run *run, struct batch_input *input, const struct batch_price *price,
                  struct batch_run *asking) {
    unsigned char secret[DIGEST_KEY_SIZE];
    struct dry_run dry = {.input = input,
                          .today = triple_today(clock_unix_ms(&clock_system) / 1000)};
    randombytes_buf(secret, sizeof secret);
    digest_key_init(&dry.key, secret);
    asking->cache_control = "only-if-cached";
    asking->take = take;
    asking->reply = reply;
    asking->tick = tick;
    asking->arg = &dry;
    dry.progress = batch_progress_begin(clock_monotonic_ms(&clock_system), 0, input->rows, price);
    enum batch_end end = batch_run_all(asking, &run->complaint);
    batch_progress_end(&dry.progress);
    int code = end == BATCH_ALL_ASKED ? conclude(run, &dry, price) : COMMAND_FAILED;
    sodium_memzero(secret, sizeof secret);
    sodium_memzero(&dry.key, sizeof dry.key);
    free(dry.seen.places);
    return code;
}
