/*
 * Arbitrary text as the address of a Redis. A fault is one of a few fixed phrases and leaves
 * nothing behind; what is good is complete, and its password is found where it stands.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "store/redis_url.h"

#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition))                                                                          \
            abort();                                                                               \
    } while (0)

static void check_bad(const char *fault, const struct redis_url *url) {
    static const struct redis_url nothing;
    MUST(strncmp(fault, "must ", 5) == 0 || strncmp(fault, "has ", 4) == 0);
    MUST(memcmp(url, &nothing, sizeof nothing) == 0);
}

static void check_good(const struct redis_url *url) {
    MUST(url->address_count <= REDIS_URL_ADDRESSES);
    for (int i = 0; i < url->address_count; i++)
        MUST(url->addresses[i].host[0] != '\0' && url->addresses[i].port >= 1 &&
             url->addresses[i].port <= 65535);
    MUST(url->database >= 0);
    MUST((url->transport == REDIS_UNIX) == (url->path[0] != '\0'));
    MUST((url->transport == REDIS_UNIX) == (url->address_count == 0));
    MUST((url->transport == REDIS_SENTINEL) == (url->master_name[0] != '\0'));
    MUST(url->transport == REDIS_SENTINEL || url->address_count <= 1);
    MUST(url->user[0] == '\0' || url->password[0] != '\0');
    if (url->transport == REDIS_TLS || url->transport == REDIS_UNIX)
        MUST(!redis_url_is_exposed(url));
}

/* Shown without its password it is an address still, and the same but for the password. */
static void check_password(const char *text, const struct redis_url *url) {
    size_t size = 0;
    const char *password = redis_url_password(text, &size);
    MUST((password != NULL) == (url->password[0] != '\0'));
    if (password == NULL)
        return;
    MUST(password > text && password[-1] == ':' && size > 0 && password[size] == '@');
    size_t before = (size_t)(password - text);
    char *shown = malloc(strlen(text) + 4);
    MUST(shown != NULL);
    memcpy(shown, text, before);
    memcpy(shown + before, "***", 3);
    strcpy(shown + before + 3, password + size);
    struct redis_url again;
    MUST(redis_url_parse(shown, &again) == NULL);
    MUST(strcmp(again.password, "***") == 0 && strcmp(again.user, url->user) == 0);
    MUST(memcmp(again.addresses, url->addresses, sizeof again.addresses) == 0);
    free(shown);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct redis_url url;
    size_t unused = 0;
    char *text = strndup((const char *)data, size);
    MUST(text != NULL);
    const char *fault = redis_url_parse(text, &url);
    MUST(redis_url_parse(text, NULL) == fault);
    if (fault != NULL) {
        check_bad(fault, &url);
        (void)redis_url_password(text, &unused);
    } else {
        MUST(redis_url_is_one(text));
        check_good(&url);
        check_password(text, &url);
    }
    free(text);
    return 0;
}
