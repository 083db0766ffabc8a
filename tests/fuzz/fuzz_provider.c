/*
 * A reply of a seller that is described: the HTTP status in the first two bytes, then the line of
 * X-Ca-Error-Message, then the body. Whatever comes, nothing of the question is kept, and no status
 * but those of the description.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/utf8.h"
#include "upstream/provider.h"

#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition))                                                                          \
            abort();                                                                               \
    } while (0)

static const char description[] =
    "{\"url\":\"https://seller.example/\",\"parameters\":{\"name\":\"n\",\"idCard\":\"i\","
    "\"mobile\":\"m\"},\"reply\":{\"status\":[\"/code\",\"/data/0/result\",\"/a~1b\"],"
    "\"msg\":\"/message\",\"mobileType\":\"/data/0/channel\",\"traceId\":\"/seqNo\"},"
    "\"statuses\":{\"0/1\":\"01\",\"0/2\":\"02\",\"0/3/x\":\"202\",\"true\":\"203\",\"-1\":\"204\","
    "\"1301\":\"quota_exhausted\",\"1304\":\"failed\"},\"mobile_types\":{\"cmcc\":\"移动\"},"
    "\"billed\":[\"0/1\"]}";

static void describe(struct provider *provider) {
    struct complaint why;
    cJSON *json = cJSON_Parse(description);
    MUST(provider_parse("second", json, provider, &why));
    cJSON_Delete(json);
}

static void check_text(const struct triple *asked, const char *text, size_t capacity) {
    MUST(strlen(text) < capacity);
    MUST(utf8_valid(text, strlen(text)));
    MUST(!triple_appears_in(asked, text));
}

static void check_answer(const struct triple *asked, const struct answer *answer) {
    uint8_t bytes[ANSWER_ENCODED_MAX];
    struct answer decoded;
    MUST(result_of(answer->status) <= RESULT_INVALID_NAME);
    check_text(asked, answer->msg, sizeof answer->msg);
    check_text(asked, answer->mobile_type, sizeof answer->mobile_type);
    check_text(asked, answer->trace_id, sizeof answer->trace_id);
    MUST(answer->extra[0] == '\0');
    MUST(answer_decode(bytes, answer_encode(answer, bytes), &decoded));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct answer nothing;
    static struct provider provider;
    struct triple asked;
    struct reply reply;
    bool priced = true;
    if (size < 2)
        return 0;
    if (provider.id[0] == '\0')
        describe(&provider);
    memset(&asked, 0, sizeof asked);
    MUST(triple_set(&asked, TRIPLE_NAME, "张三", strlen("张三")));
    MUST(triple_set(&asked, TRIPLE_ID_CARD, "11010519491231002X", 18));
    MUST(triple_set(&asked, TRIPLE_MOBILE, "13800138000", 11));

    const uint8_t *stop = memchr(data + 2, '\n', size - 2);
    size_t line = stop != NULL ? (size_t)(stop - data) - 2 : size - 2;
    size_t begin = stop != NULL ? line + 3 : size;
    char *message = strndup((const char *)data + 2, line);
    MUST(message != NULL);
    const struct reply_bytes bytes = {
        .http_status = data[0] % 6 * 100 + data[1] % 100,
        .ca_error_message = message[0] != '\0' ? message : NULL,
        .body = (const char *)data + begin,
        .body_size = size - begin,
    };
    provider_read(&provider, &bytes, &asked, &reply, &priced);
    MUST(reply.class < REPLY_CLASSES);
    MUST(!priced || (reply.class == REPLY_ANSWER && strcmp(reply.answer.status, "01") == 0));
    if (reply.class == REPLY_ANSWER)
        check_answer(&asked, &reply.answer);
    else
        MUST(memcmp(&reply.answer, &nothing, sizeof nothing) == 0);
    free(message);
    return 0;
}
