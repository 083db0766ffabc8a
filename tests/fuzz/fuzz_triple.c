/* Three fields, separated by line ends: canonical form is its own, and nothing reads too far. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/triple.h"
#include "runtime/utf8.h"

#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition))                                                                          \
            abort();                                                                               \
    } while (0)

static struct triple zeroed(void) {
    struct triple triple;
    memset(&triple, 0, sizeof triple);
    return triple;
}

static const char *text_of(const struct triple *triple, enum triple_field field) {
    return field == TRIPLE_NAME      ? triple->name
           : field == TRIPLE_ID_CARD ? triple->id_card
                                     : triple->mobile;
}

static void set_field(struct triple *triple, enum triple_field field, const char *text,
                      size_t size) {
    const char *canonical = text_of(triple, field);
    bool well_formed = size <= TRIPLE_FIELD_MAX && utf8_valid(text, size);
    MUST(triple_set(triple, field, text, size) == well_formed);
    if (!well_formed)
        MUST(canonical[0] == '\0');
    MUST(utf8_valid(canonical, strlen(canonical)));
    if (strlen(canonical) <= TRIPLE_FIELD_MAX) {
        struct triple again = zeroed();
        MUST(triple_set(&again, field, canonical, strlen(canonical)));
        MUST(strcmp(text_of(&again, field), canonical) == 0);
    }
}

static void check_sound(const struct triple *triple) {
    MUST(strlen(triple->id_card) == 18);
    MUST(strlen(triple->mobile) == 11);
    MUST(triple->name[0] != '\0');
    MUST(triple_appears_in(triple, triple->name));
    MUST(triple_appears_in(triple, triple->id_card));
    MUST(triple_appears_in(triple, triple->mobile));
}

static void check_echo(const struct triple *triple) {
    struct triple_echo echo;
    triple_mask(triple, &echo);
    MUST(strlen(echo.name) < sizeof echo.name && strchr(echo.name, '*') != NULL);
    MUST(strlen(echo.id_card) < sizeof echo.id_card && strstr(echo.id_card, "*****") != NULL);
    MUST(strlen(echo.mobile) < sizeof echo.mobile && strstr(echo.mobile, "*****") != NULL);
    MUST(utf8_valid(echo.name, strlen(echo.name)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const prefixes[] = {"170", "1", NULL};
    struct triple triple = zeroed();
    const char *rest = (const char *)data;
    const char *end = rest + size;
    for (enum triple_field field = TRIPLE_NAME; field <= TRIPLE_MOBILE; field++) {
        const char *stop = memchr(rest, '\n', (size_t)(end - rest));
        if (stop == NULL || field == TRIPLE_MOBILE)
            stop = end;
        set_field(&triple, field, rest, (size_t)(stop - rest));
        rest = stop < end ? stop + 1 : end;
    }
    if (triple_check(&triple, 20261124) == TRIPLE_SOUND)
        check_sound(&triple);
    check_echo(&triple);
    (void)triple_mobile_has_prefix(&triple, prefixes);
    (void)triple_appears_in(&triple, triple.name);
    return 0;
}
