/* A request's body, or one of its lines: what is accepted is canonical, what is refused is wiped
 * and says why. */
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

static void check(bool read, const struct triple *triple, const struct complaint *complaint) {
    static const struct triple zeroes;
    if (read) {
        check_canonical(triple->name, TRIPLE_NAME);
        check_canonical(triple->id_card, TRIPLE_ID_CARD);
        check_canonical(triple->mobile, TRIPLE_MOBILE);
        return;
    }
    MUST(memcmp(triple, &zeroes, sizeof *triple) == 0);
    MUST(complaint->text[0] != '\0');
    for (const char *at = complaint->text; *at != '\0'; at++)
        MUST(*at >= ' ' && *at <= '~');
}

/* An id goes into a reply as it stands. */
static void check_id(struct json_span id, const char *line, size_t size) {
    if (id.size == 0)
        return;
    MUST(id.at >= line && id.at + id.size <= line + size);
    MUST(id.size <= QUESTION_ID_MAX + 2);
    MUST(utf8_valid(id.at, id.size) && json_scan_strict(id.at, id.size));
    MUST(memchr(id.at, '\n', id.size) == NULL && memchr("\"-0123456789", id.at[0], 12) != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *text = (const char *)data;
    struct triple triple;
    struct complaint complaint = {""};
    struct json_span id;
    memset(&triple, 'z', sizeof triple);
    bool as_body = question_read_json(text, size, &triple, &complaint);
    check(as_body, &triple, &complaint);
    memset(&triple, 'z', sizeof triple);
    complaint.text[0] = '\0';
    bool as_line = question_read_line(text, size, &triple, &id, &complaint);
    check(as_line, &triple, &complaint);
    check_id(id, text, size);
    MUST(as_line || !as_body);
    add_as_query(text, size);
    return 0;
}
