#include "command/batch_run.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "runtime/clock.h"
#include "runtime/text.h"

#define BODY_SIZE          4096
#define HTTP_OK            200
#define HTTP_TOO_MANY      429
#define HTTP_UNAVAILABLE   503
#define POLL_MS            100    /* at most, until the next look around */
#define PAUSE_MOST_S       60     /* of a Retry-After that is waited for */
#define REFUSED_MOST_MS    120000 /* refused all that time, without a single reply: it ends */
#define UNREACHED_MOST_MS  10000
#define UNREACHED_PAUSE_MS 500
#define RATE_CREDIT_US     10000 /* how far behind its time a question may be made up for */
#define US_OF_SECOND       1000000
#define WAIT_LONGEST       "wait=600" /* the service cuts it to what a call may take */

enum slot_state { FREE, WAITING, UNDER_WAY };

struct slot {
    enum slot_state state;
    struct batch_line line;
    struct service_ask ask;
    char body[BODY_SIZE];
};

struct running {
    struct batch_run *run;
    CURLM *multi;
    struct slot *slots;
    int under_way;
    int waiting;
    bool at_end;        /* of the lines */
    bool stopping;      /* nothing more is begun */
    bool replied;       /* once at least */
    bool broken;        /* the HTTP client is */
    int lost;           /* replies, one after the other */
    int64_t replied_ms; /* when the last answer came, or the run began */
    int64_t pause_until_ms;
    int64_t next_us; /* when the rate allows another question */
    struct complaint *complaint;
};

/* --- stopping --- */

static volatile sig_atomic_t interrupted;

static void on_signal(int number) {
    (void)number;
    interrupted = 1;
}

/* A second one ends the process as ever. */
static void catch_signals(void) {
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

/* The first reason is told. */
static void stop(struct running *running, const struct complaint *why) {
    if (!running->stopping)
        *running->complaint = *why;
    running->stopping = true;
}

static void stop_because(struct running *running, const char *why) {
    struct complaint complaint;
    complain(&complaint, "%s", why);
    stop(running, &complaint);
}

static int64_t now_ms(void) {
    return clock_monotonic_ms(&clock_system);
}

/* --- slots --- */

static void free_slot(struct running *running, struct slot *slot) {
    running->waiting -= slot->state == WAITING;
    service_ask_free(&slot->ask);
    triple_wipe(&slot->line.triple);
    sodium_memzero(slot->body, sizeof slot->body);
    slot->state = FREE;
}

static void make_body(struct slot *slot) {
    struct text text = text_over(slot->body, sizeof slot->body);
    text_add(&text, "{\"name\":");
    text_add_json(&text, slot->line.triple.name);
    text_add(&text, ",\"idCard\":");
    text_add_json(&text, slot->line.triple.id_card);
    text_add(&text, ",\"mobile\":");
    text_add_json(&text, slot->line.triple.mobile);
    text_add(&text, "}");
}

/* The next line waits in it for its turn. */
static void fill_slot(struct running *running, struct slot *slot) {
    const struct batch_run *run = running->run;
    struct complaint why;
    switch (run->take(run->arg, &slot->line, &why)) {
    case BATCH_LINE:
        make_body(slot);
        slot->state = WAITING;
        running->waiting++;
        return;
    case BATCH_END:
        running->at_end = true;
        return;
    case BATCH_UNREADABLE:
        stop(running, &why);
        return;
    }
}

static void send_slot(struct running *running, struct slot *slot) {
    const struct batch_run *run = running->run;
    const struct service_request request = {
        .path = "/verify",
        .body = slot->body,
        .size = strlen(slot->body),
        .cache_control = run->cache_control,
        .prefer = WAIT_LONGEST,
        .timeout_ms = run->timeout_ms,
    };
    struct complaint why;
    if (!service_ask_prepare(&slot->ask, run->client, &request, &why) ||
        curl_easy_setopt(slot->ask.easy, CURLOPT_PRIVATE, slot) != CURLE_OK ||
        curl_multi_add_handle(running->multi, slot->ask.easy) != CURLM_OK) {
        stop_because(running, "the HTTP client could not be set up");
        return;
    }
    slot->state = UNDER_WAY;
    running->waiting--;
    running->under_way++;
}

/* --- when --- */

/* What is under way may turn out to be billed, every one of it. */
static bool may_spend(const struct running *running) {
    const struct batch_run *run = running->run;
    return run->max_calls < 0 || run->billed + running->under_way < run->max_calls;
}

static bool take_turn(struct running *running, int64_t now) {
    int64_t now_us = now * 1000;
    if (running->run->rate == 0)
        return true;
    if (now_us < running->next_us)
        return false;
    if (running->next_us < now_us - RATE_CREDIT_US)
        running->next_us = now_us - RATE_CREDIT_US;
    running->next_us += US_OF_SECOND / running->run->rate;
    return true;
}

static bool may_send(struct running *running, int64_t now) {
    return !running->stopping && now >= running->pause_until_ms && may_spend(running) &&
           take_turn(running, now);
}

static void send_some(struct running *running, int64_t now) {
    for (int i = 0; i < running->run->concurrency && !running->stopping; i++) {
        struct slot *slot = &running->slots[i];
        if (slot->state == FREE && !running->at_end)
            fill_slot(running, slot);
        if (slot->state == WAITING && may_send(running, now))
            send_slot(running, slot);
    }
    if (running->waiting > 0 && running->under_way == 0 && !may_spend(running))
        stop_because(running, "as many calls were billed as --max-calls allows");
}

static bool is_over(const struct running *running) {
    if (running->under_way > 0 && !running->broken)
        return false;
    return running->stopping || (running->at_end && running->waiting == 0);
}

/* --- what comes --- */

static void hand_over(struct running *running, struct slot *slot, const struct service_ask *ask) {
    const struct batch_run *run = running->run;
    struct complaint why;
    running->replied_ms = now_ms();
    if (!run->reply(run->arg, &slot->line, ask, &why))
        stop(running, &why);
    free_slot(running, slot);
}

/* It, and all others, wait. */
static void wait_again(struct running *running, struct slot *slot, int64_t pause_ms) {
    int64_t until_ms = now_ms() + pause_ms;
    if (until_ms > running->pause_until_ms)
        running->pause_until_ms = until_ms;
    service_ask_free(&slot->ask);
    slot->state = WAITING;
    running->waiting++;
}

static void take_unreachable(struct running *running, struct slot *slot) {
    struct complaint why;
    if (running->replied && now_ms() - running->replied_ms < UNREACHED_MOST_MS) {
        wait_again(running, slot, UNREACHED_PAUSE_MS);
        return;
    }
    complain(&why, "the service cannot be reached at %s: does it run, and with these settings?",
             service_client_place(running->run->client));
    stop(running, &why);
    free_slot(running, slot);
}

/* With these every further question would be refused, too. */
static bool ends_all(const char *code) {
    static const char *const codes[] = {
        "",
        "unauthenticated",
        "client_disabled",
        "refresh_not_allowed",
        "client_quota_exhausted",
        "package_exhausted",
        "upstream_refused_credential",
    };
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        if (strcmp(code, codes[i]) == 0)
            return true;
    }
    return false;
}

static bool is_for_now(const struct service_ask *ask) {
    return (ask->status == HTTP_TOO_MANY || ask->status == HTTP_UNAVAILABLE) &&
           ask->retry_after_s <= PAUSE_MOST_S;
}

static bool was_billed(const struct service_ask *ask) {
    struct json_span billed = json_scan_find(service_ask_body(ask), "billed");
    return billed.size == 0 || billed.at[0] != 'f';
}

static void take_refusal(struct running *running, struct slot *slot) {
    struct service_ask *ask = &slot->ask;
    struct complaint why;
    char code[64];
    service_ask_text(ask, "code", code, sizeof code);
    bool patient = now_ms() - running->replied_ms < REFUSED_MOST_MS;
    bool for_now = is_for_now(ask) && !was_billed(ask);
    if (ends_all(code) || (for_now && !patient)) {
        service_complain(ask, &why);
        stop(running, &why);
        free_slot(running, slot);
    } else if (for_now) {
        wait_again(running, slot, (ask->retry_after_s > 0 ? ask->retry_after_s : 1) * 1000);
    } else {
        hand_over(running, slot, ask);
    }
}

static void take_reply(struct running *running, struct slot *slot) {
    running->replied = true;
    running->lost = 0;
    running->run->billed += was_billed(&slot->ask);
    if (slot->ask.status == HTTP_OK)
        hand_over(running, slot, &slot->ask);
    else
        take_refusal(running, slot);
}

static void take_foreign(struct running *running, struct slot *slot) {
    struct complaint why;
    complain(&why, "what answers at %s is not sanyao (HTTP %ld)",
             service_client_place(running->run->client), slot->ask.status);
    stop(running, &why);
    free_slot(running, slot);
}

/* Something else than sanyao, or a sanyao that has died, must not have all lines. */
static void take_loss(struct running *running, struct slot *slot) {
    running->run->billed++;
    hand_over(running, slot, NULL);
    if (!running->replied || running->lost++ >= running->run->concurrency)
        stop_because(running, "the service's replies do not come whole: is it sanyao, and does it "
                              "run?");
}

static void take_end(struct running *running, struct slot *slot, CURLcode code) {
    curl_multi_remove_handle(running->multi, slot->ask.easy);
    running->under_way--;
    switch (service_ask_end(&slot->ask, code)) {
    case SERVICE_REPLIED:
        take_reply(running, slot);
        break;
    case SERVICE_UNREACHABLE:
        take_unreachable(running, slot);
        break;
    case SERVICE_FOREIGN:
        take_foreign(running, slot);
        break;
    case SERVICE_LOST:
        take_loss(running, slot);
        break;
    }
}

static void take_ends(struct running *running) {
    const CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(running->multi, &left)) != NULL) {
        CURLcode code = message->data.result;
        char *slot = NULL;
        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &slot);
        take_end(running, (struct slot *)(void *)slot, code);
    }
}

/* --- the loop --- */

static int poll_time(const struct running *running) {
    bool hurried = running->run->rate > 0 && running->waiting > 0;
    return hurried ? 1 + POLL_MS / 20 : POLL_MS;
}

static void turn(struct running *running) {
    const struct batch_run *run = running->run;
    struct complaint why;
    int active;
    if (interrupted)
        stop_because(running, "interrupted");
    send_some(running, now_ms());
    if (curl_multi_perform(running->multi, &active) != CURLM_OK) {
        running->broken = true;
        stop_because(running, "the HTTP client failed");
    }
    take_ends(running);
    if (!run->tick(run->arg, now_ms(), &why))
        stop(running, &why);
}

static void loop(struct running *running) {
    for (;;) {
        int before = running->under_way;
        turn(running);
        if (is_over(running))
            return;
        /* A slot that was freed is filled at once. */
        if (running->under_way >= before || running->stopping)
            curl_multi_poll(running->multi, NULL, 0, poll_time(running), NULL);
    }
}

static void begin(struct running *running) {
    running->slots = calloc((size_t)running->run->concurrency, sizeof *running->slots);
    running->multi = curl_multi_init();
    running->replied_ms = now_ms();
    if (running->slots == NULL || running->multi == NULL)
        stop_because(running, "no memory for the questions");
    else
        curl_multi_setopt(running->multi, CURLMOPT_MAXCONNECTS, (long)running->run->concurrency);
}

static void end(struct running *running) {
    for (int i = 0; running->slots != NULL && i < running->run->concurrency; i++) {
        struct slot *slot = &running->slots[i];
        if (slot->state == UNDER_WAY)
            curl_multi_remove_handle(running->multi, slot->ask.easy);
        free_slot(running, slot);
    }
    free(running->slots);
    curl_multi_cleanup(running->multi);
}

enum batch_end batch_run_all(struct batch_run *run, struct complaint *complaint) {
    struct running running = {.run = run, .complaint = complaint};
    interrupted = 0;
    catch_signals();
    begin(&running);
    if (!running.stopping)
        loop(&running);
    end(&running);
    return running.stopping ? BATCH_STOPPED : BATCH_ALL_ASKED;
}
