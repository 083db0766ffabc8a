#include "upstream/provider.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "upstream/echo.h"
#include "upstream/refusal.h"
#include "upstream/reply_parts.h"

#define DIGITS_SIZE 24

/* A text, a whole number or a truth value as text, perhaps in `digits`. NULL: it is neither. */
static const char *text_of(const cJSON *item, char digits[DIGITS_SIZE]) {
    const double limit = 1e15; /* up to here a double keeps every whole number */
    if (cJSON_IsString(item))
        return item->valuestring;
    if (cJSON_IsBool(item))
        return cJSON_IsTrue(item) ? "true" : "false";
    if (!cJSON_IsNumber(item) || !(item->valuedouble > -limit && item->valuedouble < limit) ||
        item->valuedouble != (double)(int64_t)item->valuedouble)
        return NULL;
    snprintf(digits, DIGITS_SIZE, "%" PRId64, (int64_t)item->valuedouble);
    return digits;
}

/* False: there is none that could be in the description. */
static bool read_word(const struct provider *provider, const cJSON *json,
                      char bytes[PROVIDER_WORD_SIZE]) {
    struct text word = text_over(bytes, PROVIDER_WORD_SIZE);
    for (int i = 0; i < PROVIDER_STATUSES_MAX && provider->reply.status[i][0] != '\0'; i++) {
        char digits[DIGITS_SIZE];
        if (!json_pointer_is_single(json, provider->reply.status[i]))
            return false;
        const cJSON *item = json_pointer_find(json, provider->reply.status[i]);
        bool absent = item == NULL || cJSON_IsNull(item);
        const char *piece = absent ? "" : text_of(item, digits);
        if (piece == NULL)
            return false;
        if (i > 0)
            text_add(&word, "/");
        text_add(&word, piece);
    }
    while (word.size > 0 && bytes[word.size - 1] == '/')
        bytes[--word.size] = '\0';
    return word.size > 0 && !word.cut;
}

static const struct provider_word *find_word(const struct provider *provider, const char *word) {
    for (int i = 0; i < provider->word_count; i++) {
        if (strcmp(provider->words[i].word, word) == 0)
            return &provider->words[i];
    }
    return NULL;
}

static void keep_text(const cJSON *json, const char *pointer, const struct triple *asked,
                      char *kept, size_t capacity) {
    char digits[DIGITS_SIZE];
    const char *text =
        pointer[0] != '\0' ? text_of(json_pointer_find(json, pointer), digits) : NULL;
    if (text != NULL)
        reply_keep_text(text, asked, kept, capacity);
}

/* Before it is cut or emptied, since it is the seller's word that the description has. */
static bool translate_carrier(const struct provider *provider, const cJSON *json,
                              struct answer *answer) {
    char digits[DIGITS_SIZE];
    const char *text = text_of(json_pointer_find(json, provider->reply.mobile_type), digits);
    for (int i = 0; text != NULL && i < provider->carrier_count; i++) {
        const struct provider_carrier *carrier = &provider->carriers[i];
        if (strcmp(carrier->word, text) != 0)
            continue;
        snprintf(answer->mobile_type, sizeof answer->mobile_type, "%s", carrier->name);
        return true;
    }
    return false;
}

static bool contradicts(const struct provider *provider, const cJSON *json,
                        const struct triple *asked) {
    const char *const pointers[] = {
        [TRIPLE_NAME] = provider->reply.name,
        [TRIPLE_ID_CARD] = provider->reply.id_card,
        [TRIPLE_MOBILE] = provider->reply.mobile,
    };
    for (enum triple_field field = TRIPLE_NAME; field <= TRIPLE_MOBILE; field++) {
        char digits[DIGITS_SIZE];
        const char *text = pointers[field][0] != '\0'
                               ? text_of(json_pointer_find(json, pointers[field]), digits)
                               : NULL;
        if (text != NULL && echo_contradicts(asked, field, text))
            return true;
    }
    return false;
}

static void fill_answer(const struct provider *provider, const cJSON *json,
                        const struct triple *asked, const char *status, struct answer *answer) {
    const struct provider_reply *reply = &provider->reply;
    snprintf(answer->status, sizeof answer->status, "%s", status);
    keep_text(json, reply->msg, asked, answer->msg, sizeof answer->msg);
    keep_text(json, reply->trace_id, asked, answer->trace_id, sizeof answer->trace_id);
    if (reply->mobile_type[0] != '\0' && !translate_carrier(provider, json, answer))
        keep_text(json, reply->mobile_type, asked, answer->mobile_type, sizeof answer->mobile_type);
}

/* What the body says in the seller's words; NULL: nothing that has a meaning. */
static const struct provider_word *read_body(const struct provider *provider,
                                             const struct reply_bytes *bytes,
                                             const struct triple *asked, struct reply *reply) {
    char text[PROVIDER_WORD_SIZE];
    cJSON *json = reply_body(bytes);
    const struct provider_word *word =
        json != NULL && read_word(provider, json, text) ? find_word(provider, text) : NULL;
    if (word != NULL && word->class == REPLY_ANSWER) {
        fill_answer(provider, json, asked, word->status, &reply->answer);
        reply->contradicts = contradicts(provider, json, asked);
    }
    cJSON_Delete(json);
    return word;
}

static bool read_guide(const struct provider *provider, const struct reply_bytes *bytes,
                       const struct triple *asked, struct reply *reply) {
    reply_read(bytes, asked, reply);
    if (reply->class != REPLY_ANSWER || bytes->http_status != 200)
        return false;
    const struct provider_word *word = find_word(provider, reply->answer.status);
    return provider->all_billed || (word != NULL && word->billed);
}

void provider_read(const struct provider *provider, const struct reply_bytes *bytes,
                   const struct triple *asked, struct reply *reply, bool *priced) {
    if (provider->guide) {
        *priced = read_guide(provider, bytes, asked, reply);
        return;
    }
    memset(reply, 0, sizeof *reply);
    *priced = false;
    reply->class = refusal_of_gateway(bytes);
    if (reply->class != REPLY_ANSWER)
        return;
    bool redirects = bytes->http_status >= 300 && bytes->http_status < 400;
    const struct provider_word *word = redirects ? NULL : read_body(provider, bytes, asked, reply);
    reply->class = word != NULL ? word->class : refusal_of_status(bytes->http_status);
    *priced = word != NULL && word->class == REPLY_ANSWER &&
              (word->billed || (provider->all_billed && bytes->http_status == 200));
}
