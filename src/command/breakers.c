#include "command/breakers.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/log.h"

/* Who is asked, in order. */
static const char *const providers[] = {"guide"};
#define PROVIDERS ((int)(sizeof providers / sizeof providers[0]))

static struct breaker_settings settings_of(const struct config *config) {
    return (struct breaker_settings){
        .failures = config->breaker_failures,
        .least_calls = config->breaker_least_calls,
        .window_ms = config->breaker_window_ms,
        .open_for_ms = config->breaker_open_for_ms,
        .probes = config->breaker_probes,
    };
}

static int find_known(const struct breakers *breakers, const char *id) {
    for (int i = 0; i < breakers->count; i++) {
        if (strcmp(breakers->known[i].id, id) == 0)
            return i;
    }
    return -1;
}

static bool is_another(const struct breakers *breakers,
                       const struct directory_credential *credential) {
    int known = find_known(breakers, credential->id);
    return known >= 0 && strcmp(breakers->known[known].appcode, credential->appcode) != 0;
}

/* Providers first: whoever looks at only so many sees them. */
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
    struct directory_credential *known = calloc((size_t)count + 1, sizeof *known);
    bool *marked = calloc((size_t)count + 1, sizeof *marked);
    if (known == NULL || marked == NULL || !set_board(breakers, config, credentials, count)) {
        free(known);
        free(marked);
        return false;
    }
    for (int i = 0; i < count; i++) {
        int before = find_known(breakers, credentials[i].id);
        known[i] = credentials[i];
        marked[i] = before >= 0 && breakers->marked[before];
    }
    free(breakers->known);
    free(breakers->marked);
    breakers->known = known;
    breakers->marked = marked;
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

/* --- marks --- */

static bool is_marked(const struct directory_snapshot *snapshot, const char *id) {
    for (int i = 0; i < snapshot->credential_count; i++) {
        if (strcmp(snapshot->credentials[i].id, id) == 0)
            return snapshot->credentials[i].mark != CREDENTIAL_GOOD;
    }
    return false;
}

static void on_changed(void *arg) {
    struct breakers *breakers = arg;
    const struct directory_snapshot *snapshot = directory_read(breakers->reader);
    for (int i = 0; i < breakers->count; i++) {
        const char *id = breakers->known[i].id;
        bool marked = is_marked(snapshot, id);
        if (breakers->marked[i] && !marked)
            breaker_close(breakers->board, BREAKER_CREDENTIAL, id);
        breakers->marked[i] = marked;
    }
}

bool breakers_follow(struct breakers *breakers, struct directory *directory, uv_loop_t *loop,
                     struct complaint *complaint) {
    breakers->reader = directory_attach(directory, loop, on_changed, breakers, complaint);
    return breakers->reader != NULL;
}

void breakers_unfollow(struct breakers *breakers) {
    if (breakers->reader != NULL)
        directory_detach(breakers->reader);
    breakers->reader = NULL;
}

/* --- other settings --- */

/* Of a mark that could not be written nobody hears that it is gone. */
static void close_those_that_would_stay(const struct breakers *breakers) {
    struct breaker_view views[BREAKER_MOST];
    int count = breaker_look(breakers->board, views, BREAKER_MOST);
    for (int i = 0; i < count; i++) {
        if (views[i].kind == BREAKER_CREDENTIAL && views[i].wait_ms < 0)
            breaker_close(breakers->board, BREAKER_CREDENTIAL, views[i].name);
    }
}

void breakers_set(struct breakers *breakers, const struct config *config,
                  const struct directory_credential *credentials, int count) {
    if (!set(breakers, config, credentials, count))
        log_error("no memory for the breakers; the old ones go on");
    close_those_that_would_stay(breakers);
}

void breakers_end(struct breakers *breakers) {
    breaker_board_free(breakers->board);
    free(breakers->known);
    free(breakers->marked);
}
