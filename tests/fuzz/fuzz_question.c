/* A request's body: what is accepted is canonical, what is refused is wiped and says why. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "http/question.h"
#include "runtime/utf8.h"

#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition))                                                                          \
            abort();                                                                               \
    } while (0)

static void check_canonical(const char *text, enum triple_field field) {
    struct triple again;
    size_t size = strlen(text);
    memset(&again, 0, sizeof again);
    if (size > TRIPLE_FIELD_MAX)
        return;
    MUST(triple_set(&again, field, text, size));
    MUST(strcmp(again.name, field == TRIPLE_NAME ? text : "") == 0);
    MUST(strcmp(again.id_card, field == TRIPLE_ID_CARD ? text : "") == 0);
    MUST(strcmp(again.mobile, field == TRIPLE_MOBILE ? text : "") == 0);
}

/* As a query's fields it must be accepted or refused just as well. */
static void add_as_query(const char *text, size_t size) {
    struct triple triple;
    struct complaint complaint;
    unsigned seen = 0;
    memset(&triple, 0, sizeof triple);
    for (enum triple_field field = TRIPLE_NAME; field <= TRIPLE_MOBILE; field++) {
        bool added = question_add(&triple, &seen, field, text, size, &complaint);
        MUST(added == (size <= TRIPLE_FIELD_MAX && utf8_valid(text, size)));
        MUST(!added || !question_add(&triple, &seen, field, text, size, &complaint));
    }
    MUST(question_complete(seen, &complaint) == (seen == 7));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct triple zeroes;
    struct triple triple;
    struct complaint complaint = {""};
    memset(&triple, 'z', sizeof triple);
    if (question_read_json((const char *)data, size, &triple, &complaint)) {
        check_canonical(triple.name, TRIPLE_NAME);
        check_canonical(triple.id_card, TRIPLE_ID_CARD);
        check_canonical(triple.mobile, TRIPLE_MOBILE);
    } else {
        MUST(memcmp(&triple, &zeroes, sizeof triple) == 0);
        MUST(complaint.text[0] != '\0');
        for (const char *at = complaint.text; *at != '\0'; at++)
            MUST(*at >= ' ' && *at <= '~');
    }
    add_as_query((const char *)data, size);
    return 0;
}
