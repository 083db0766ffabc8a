#include "command/breakers.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/log.h"
#include "upstream/provider.h"

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
    int providers = config->provider_count;
    struct breaker_name *names = calloc((size_t)providers + (size_t)count + 1, sizeof *names);
    if (names == NULL)
        return false;
    for (int i = 0; i < providers; i++)
        names[i] = (struct breaker_name){.kind = BREAKER_PROVIDER, .name = config->providers[i].id};
    for (int i = 0; i < count; i++)
        names[providers + i] = (struct breaker_name){
            .kind = BREAKER_CREDENTIAL,
            .name = credentials[i].id,
            .forget = is_another(breakers, &credentials[i]),
        };
    const struct breaker_settings settings = settings_of(config);
    bool set = breaker_board_set(breakers->board, &settings, names, providers + count);
    free(names);
    return set;
}

/* Nothing is changed where there is no memory for all of it. */
static bool set(struct breakers *breakers, const struct config *config,
                const struct directory_credential *credentials, int count) {
    struct directory_credential *known = calloc((size_t)count + 1, sizeof *known);
    if (known == NULL || !set_board(breakers, config, credentials, count)) {
        free(known);
        return false;
    }
    if (count > 0)
        memcpy(known, credentials, (size_t)count * sizeof *known);
    free(breakers->known);
    breakers->known = known;
    breakers->count = count;
    breakers->refused_for_ms = config->upstream_refused_for_ms;
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

/* A spent one is in no plan while its mark is there, a refused one is again after a while: then one
 * call at a time finds out. */
void breakers_marked(void *arg, const char *credential, enum credential_mark mark) {
    const struct breakers *breakers = arg;
    if (mark == CREDENTIAL_GOOD)
        breaker_close(breakers->board, BREAKER_CREDENTIAL, credential);
    else if (mark != CREDENTIAL_EXHAUSTED && mark != CREDENTIAL_EXPIRED)
        breaker_open(breakers->board, BREAKER_CREDENTIAL, credential, breakers->refused_for_ms,
                     FAILURE_UPSTREAM_REFUSED_CREDENTIAL);
}

void breakers_set(struct breakers *breakers, const struct config *config,
                  const struct directory_credential *credentials, int count) {
    if (!set(breakers, config, credentials, count))
        log_error("no memory for the breakers; the old ones go on");
}

void breakers_end(struct breakers *breakers) {
    breaker_board_free(breakers->board);
    free(breakers->known);
}
