#include "command/breakers.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/log.h"

/* Who is asked, in order. */
static const char *const providers[] = {"guide"};
#define PROVIDERS ((int)(sizeof providers / sizeof providers[0]))

struct breakers_code {
    struct directory_credential credential;
    int64_t since_ms; /* when its mark was last written or taken away, as far as was read */
};

static struct breaker_settings settings_of(const struct config *config) {
    return (struct breaker_settings){
        .failures = config->breaker_failures,
        .least_calls = config->breaker_least_calls,
        .window_ms = config->breaker_window_ms,
        .open_for_ms = config->breaker_open_for_ms,
        .probes = config->breaker_probes,
    };
}

static const struct breakers_code *find_code(const struct breakers *breakers, const char *id) {
    for (int i = 0; i < breakers->count; i++) {
        if (strcmp(breakers->codes[i].credential.id, id) == 0)
            return &breakers->codes[i];
    }
    return NULL;
}

static bool is_another(const struct breakers *breakers,
                       const struct directory_credential *credential) {
    const struct breakers_code *code = find_code(breakers, credential->id);
    return code != NULL && strcmp(code->credential.appcode, credential->appcode) != 0;
}

static bool set_board(const struct breakers *breakers, const struct config *config,
                      const struct directory_credential *credentials, int count) {
    struct breaker_name *names = calloc((size_t)(PROVIDERS + count), sizeof *names);
    if (names == NULL)
        return false;
    for (int i = 0; i < PROVIDERS; i++)
        names[i] = (struct breaker_name){.kind = BREAKER_PROVIDER, .name = providers[i]};
    for (int i = 0; i < count; i++)
        names[PROVIDERS + i] = (struct breaker_name){
            .kind = BREAKER_CREDENTIAL,
            .name = credentials[i].id,
            .forget = is_another(breakers, &credentials[i]),
        };
    const struct breaker_settings settings = settings_of(config);
    bool set = breaker_board_set(breakers->board, &settings, names, PROVIDERS + count);
    free(names);
    return set;
}

/* Nothing is changed where there is no memory for all of it. */
static bool set(struct breakers *breakers, const struct config *config,
                const struct directory_credential *credentials, int count) {
    struct breakers_code *codes = calloc((size_t)count + 1, sizeof *codes);
    if (codes == NULL || !set_board(breakers, config, credentials, count)) {
        free(codes);
        return false;
    }
    for (int i = 0; i < count; i++) {
        const struct breakers_code *before = find_code(breakers, credentials[i].id);
        codes[i].credential = credentials[i];
        codes[i].since_ms = before != NULL ? before->since_ms : 0;
    }
    free(breakers->codes);
    breakers->codes = codes;
    breakers->count = count;
    return true;
}

bool breakers_begin(struct breakers *breakers, const struct clock *clock,
                    const struct config *config, const struct directory_credential *credentials,
                    int count, struct complaint *complaint) {
    const struct breaker_settings settings = settings_of(config);
    *breakers = (struct breakers){.board = breaker_board_new(&settings, clock)};
    return (breakers->board != NULL && set(breakers, config, credentials, count)) ||
           complain(complaint, "no memory for the breakers");
}

/* A mark may have come and gone between two readings; its time tells. */
static void follow(const struct breakers *breakers, const struct credential *credential,
                   struct breakers_code *code) {
    if (credential->mark == CREDENTIAL_GOOD && credential->since_ms != code->since_ms)
        breaker_close(breakers->board, BREAKER_CREDENTIAL, credential->id);
    code->since_ms = credential->since_ms;
}

void breakers_on_publishing(void *arg, const struct directory_snapshot *snapshot) {
    const struct breakers *breakers = arg;
    for (int i = 0; i < breakers->count; i++) {
        struct breakers_code *code = &breakers->codes[i];
        for (int j = 0; j < snapshot->credential_count; j++) {
            if (strcmp(snapshot->credentials[j].id, code->credential.id) == 0)
                follow(breakers, &snapshot->credentials[j], code);
        }
    }
}

static void close_those_told(const struct breakers *breakers) {
    struct breaker_view views[BREAKER_MOST];
    int count = breaker_look(breakers->board, views, BREAKER_MOST);
    for (int i = 0; i < count; i++) {
        if (views[i].kind == BREAKER_CREDENTIAL && views[i].told)
            breaker_close(breakers->board, BREAKER_CREDENTIAL, views[i].name);
    }
}

void breakers_set(struct breakers *breakers, const struct config *config,
                  const struct directory_credential *credentials, int count) {
    if (!set(breakers, config, credentials, count))
        log_error("no memory for the breakers; the old ones go on");
    close_those_told(breakers);
}

void breakers_end(struct breakers *breakers) {
    breaker_board_free(breakers->board);
    free(breakers->codes);
}
