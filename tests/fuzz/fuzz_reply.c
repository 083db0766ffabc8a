/*
 * A reply: the HTTP status in the first two bytes, then the lines of X-Ca-Error-Code and
 * X-Ca-Error-Message, then the body. Whatever comes, nothing of the question is kept.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "runtime/json_scan.h"
#include "runtime/utf8.h"
#include "upstream/reply.h"

#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition))                                                                          \
            abort();                                                                               \
    } while (0)

static void check_text(const struct triple *asked, const char *text, size_t capacity) {
    MUST(strlen(text) < capacity);
    MUST(utf8_valid(text, strlen(text)));
    MUST(!triple_appears_in(asked, text));
}

static void check_tree(const struct triple *asked, const cJSON *item) {
    for (; item != NULL; item = item->next) {
        MUST(item->string == NULL || !triple_appears_in(asked, item->string));
        MUST(item->valuestring == NULL || !triple_appears_in(asked, item->valuestring));
        check_tree(asked, item->child);
    }
}

static void check_extra(const struct triple *asked, const char *extra) {
    char object[ANSWER_EXTRA_SIZE + 2];
    size_t size = strlen(extra);
    object[0] = '{';
    memcpy(object + 1, extra, size);
    memcpy(object + 1 + size, "}", 2);
    MUST(json_scan_strict(object, size + 2));
    cJSON *json = cJSON_ParseWithLength(object, size + 2);
    MUST(cJSON_IsObject(json));
    check_tree(asked, json->child);
    for (const cJSON *member = json->child; member != NULL; member = member->next)
        MUST(cJSON_GetObjectItemCaseSensitive(json, member->string) == member);
    MUST(cJSON_GetObjectItemCaseSensitive(json, "status") == NULL);
    cJSON_Delete(json);
}

static void check_answer(const struct triple *asked, const struct answer *answer) {
    uint8_t bytes[ANSWER_ENCODED_MAX];
    struct answer decoded;
    MUST(answer->status[0] != '\0');
    check_text(asked, answer->status, sizeof answer->status);
    check_text(asked, answer->msg, sizeof answer->msg);
    check_text(asked, answer->mobile_type, sizeof answer->mobile_type);
    check_text(asked, answer->trace_id, sizeof answer->trace_id);
    check_text(asked, answer->extra, sizeof answer->extra);
    check_extra(asked, answer->extra);
    MUST(answer_decode(bytes, answer_encode(answer, bytes), &decoded));
}

static char *take_line(const uint8_t **at, const uint8_t *end) {
    size_t left = (size_t)(end - *at);
    const uint8_t *stop = memchr(*at, '\n', left);
    size_t size = stop != NULL ? (size_t)(stop - *at) : left;
    char *line = strndup((const char *)*at, size);
    MUST(line != NULL);
    *at += stop != NULL ? size + 1 : size;
    return line;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct answer nothing;
    struct triple asked;
    struct reply reply;
    const uint8_t *at = data + 2;
    const uint8_t *end = data + size;
    if (size < 2)
        return 0;
    memset(&asked, 0, sizeof asked);
    MUST(triple_set(&asked, TRIPLE_NAME, "张三", strlen("张三")));
    MUST(triple_set(&asked, TRIPLE_ID_CARD, "11010519491231002X", 18));
    MUST(triple_set(&asked, TRIPLE_MOBILE, "13800138000", 11));

    char *code = take_line(&at, end);
    char *message = take_line(&at, end);
    struct reply_bytes bytes = {
        .http_status = data[0] % 6 * 100 + data[1] % 100,
        .ca_error_code = code[0] != '\0' ? code : NULL,
        .ca_error_message = message[0] != '\0' ? message : NULL,
        .body = (const char *)at,
        .body_size = (size_t)(end - at),
    };
    reply_read(&bytes, &asked, &reply);
    MUST(reply.class < REPLY_CLASSES);
    if (reply.class == REPLY_ANSWER)
        check_answer(&asked, &reply.answer);
    else
        MUST(memcmp(&reply.answer, &nothing, sizeof nothing) == 0 && !reply.contradicts);
    free(code);
    free(message);
    return 0;
}
