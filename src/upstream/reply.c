#include "upstream/reply.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "runtime/json_scan.h"
#include "runtime/utf8.h"
#include "upstream/echo.h"
#include "upstream/refusal.h"
#include "upstream/reply_parts.h"

/* More members than any seller sends; the rest is not looked at for `extra`. */
#define EXTRA_MEMBERS_MAX 64

const char *const reply_class_name[REPLY_CLASSES] = {
    [REPLY_ANSWER] = "answer",
    [REPLY_CREDENTIAL_UNKNOWN] = "credential_unknown",
    [REPLY_UNAUTHORIZED] = "unauthorized",
    [REPLY_QUOTA_EXHAUSTED] = "quota_exhausted",
    [REPLY_QUOTA_EXPIRED] = "quota_expired",
    [REPLY_ARREARS] = "arrears",
    [REPLY_THROTTLED] = "throttled",
    [REPLY_WRONG_REQUEST] = "wrong_request",
    [REPLY_GATEWAY_FAILED] = "gateway_failed",
    [REPLY_INVALID] = "invalid",
};

/* An escape left after unescaping may hide a value in a text within the text. */
static bool is_clean(const struct triple *asked, const char *text) {
    return strstr(text, "\\u") == NULL && !triple_appears_in(asked, text);
}

static bool is_printable_ascii(const char *text) {
    for (; *text != '\0'; text++) {
        if (*text < ' ' || *text > '~')
            return false;
    }
    return true;
}

/* The seller's "01" also comes as 1 or "1". */
static void set_status(const char *text, char status[RESULT_STATUS_SIZE]) {
    bool one_digit = text[0] >= '0' && text[0] <= '9' && text[1] == '\0';
    snprintf(status, RESULT_STATUS_SIZE, "%s%s", one_digit ? "0" : "", text);
}

static bool read_status_item(const cJSON *item, const struct triple *asked,
                             char status[RESULT_STATUS_SIZE]) {
    const double limit = 1e15; /* has more digits than a status */
    char digits[RESULT_STATUS_SIZE];
    const char *text = digits;
    if (cJSON_IsString(item)) {
        text = item->valuestring;
    } else if (cJSON_IsNumber(item) && item->valuedouble >= 0 && item->valuedouble < limit) {
        int64_t integer = (int64_t)item->valuedouble;
        if ((double)integer != item->valuedouble)
            return false;
        snprintf(digits, sizeof digits, "%" PRId64, integer);
    } else {
        return false;
    }
    if (text[0] == '\0' || strlen(text) >= RESULT_STATUS_SIZE || !is_printable_ascii(text) ||
        strpbrk(text, "\"\\") != NULL || !is_clean(asked, text))
        return false;
    set_status(text, status);
    return true;
}

/* Of two that differ, either may be what the seller meant. */
static bool read_status(const cJSON *json, const struct triple *asked,
                        char status[RESULT_STATUS_SIZE]) {
    bool found = false;
    const cJSON *item = NULL;
    cJSON_ArrayForEach(item, json) {
        char another[RESULT_STATUS_SIZE];
        if (strcmp(item->string, "status") != 0)
            continue;
        if (!read_status_item(item, asked, found ? another : status) ||
            (found && strcmp(status, another) != 0))
            return false;
        found = true;
    }
    return found;
}

static bool contradicts(const cJSON *json, const struct triple *asked) {
    static const char *const names[] = {
        [TRIPLE_NAME] = "name", [TRIPLE_ID_CARD] = "idCard", [TRIPLE_MOBILE] = "mobile"};
    const cJSON *item = NULL;
    cJSON_ArrayForEach(item, json) {
        for (enum triple_field field = TRIPLE_NAME; field <= TRIPLE_MOBILE; field++) {
            if (strcmp(item->string, names[field]) == 0 && cJSON_IsString(item) &&
                echo_contradicts(asked, field, item->valuestring))
                return true;
        }
    }
    return false;
}

void reply_keep_text(const char *text, const struct triple *asked, char *kept, size_t capacity) {
    if (utf8_has_control(text, strlen(text)) || !is_clean(asked, text))
        return;
    size_t size = utf8_cut(text, strlen(text), capacity - 1);
    memcpy(kept, text, size);
    kept[size] = '\0';
}

/* Empty when there is no such text, or none that may be kept. */
static void read_text(const cJSON *json, const char *name, const struct triple *asked, char *text,
                      size_t capacity) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, name);
    if (cJSON_IsString(item))
        reply_keep_text(item->valuestring, asked, text, capacity);
}

static bool is_known_member(const char *name) {
    static const char *const known[] = {
        "status", "msg", "idCard", "mobile", "mobileType", "name", "traceId",
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(name, known[i]) == 0)
            return true;
    }
    return false;
}

static bool is_repeated(const cJSON *first, const cJSON *member) {
    for (; first != member; first = first->next) {
        if (strcmp(first->string, member->string) == 0)
            return true;
    }
    return false;
}

/* Every name, text and number in a member, however deep. */
static bool is_clean_tree(const cJSON *item, const struct triple *asked) {
    char number[512];
    if (item->string != NULL && !is_clean(asked, item->string))
        return false;
    if (cJSON_IsString(item) && !is_clean(asked, item->valuestring))
        return false;
    if (cJSON_IsNumber(item)) {
        snprintf(number, sizeof number, "%.0f", item->valuedouble);
        if (!is_clean(asked, number))
            return false;
    }
    for (const cJSON *child = item->child; child != NULL; child = child->next) {
        if (!is_clean_tree(child, asked))
            return false;
    }
    return true;
}

/* Appends a member's bytes as they came, where they fit and hold none of the question's values. */
static void keep_member(const cJSON *member, const struct json_member *raw,
                        const struct triple *asked, char extra[ANSWER_EXTRA_SIZE]) {
    char text[ANSWER_EXTRA_SIZE];
    size_t used = strlen(extra);
    size_t size = raw->name.size + 1 + raw->value.size;
    size_t comma = used > 0 ? 1 : 0;
    if (used + comma + size >= ANSWER_EXTRA_SIZE || json_scan_has_zero(raw->name) ||
        json_scan_has_zero(raw->value))
        return;
    memcpy(text, raw->name.at, raw->name.size);
    text[raw->name.size] = ':';
    memcpy(text + raw->name.size + 1, raw->value.at, raw->value.size);
    text[size] = '\0';
    if (triple_appears_in(asked, text) || !is_clean_tree(member, asked))
        return;
    memcpy(extra + used, ",", comma);
    memcpy(extra + used + comma, text, size + 1);
}

static bool is_extra(const cJSON *json, const cJSON *member) {
    return !is_known_member(member->string) && !is_repeated(json->child, member);
}

static bool has_extra(const cJSON *json) {
    const cJSON *member = json->child;
    for (int i = 0; i < EXTRA_MEMBERS_MAX && member != NULL; i++, member = member->next) {
        if (is_extra(json, member))
            return true;
    }
    return false;
}

/* cJSON reads what is not quite JSON; such a reply is an answer, but its bytes are not passed on.
 */
static void read_extra(const cJSON *json, struct json_span body, const struct triple *asked,
                       char extra[ANSWER_EXTRA_SIZE]) {
    struct json_member raw;
    const cJSON *member = json->child;
    if (!has_extra(json) || !json_scan_strict(body.at, body.size))
        return;
    for (int i = 0; i < EXTRA_MEMBERS_MAX && member != NULL && json_scan_member(&body, &raw); i++) {
        if (is_extra(json, member))
            keep_member(member, &raw, asked, extra);
        member = member->next;
    }
}

cJSON *reply_body(const struct reply_bytes *bytes) {
    const char *end = NULL;
    if (bytes->body_size > REPLY_BODY_MAX || !utf8_valid(bytes->body, bytes->body_size))
        return NULL;
    cJSON *json = cJSON_ParseWithLengthOpts(bytes->body, bytes->body_size, &end, 0);
    size_t rest = json == NULL ? 0 : bytes->body_size - (size_t)(end - bytes->body);
    for (; rest > 0 && strchr(" \t\r\n", *end) != NULL; rest--)
        end++;
    if (rest > 0) {
        cJSON_Delete(json);
        return NULL;
    }
    return json;
}

static bool read_answer(const struct reply_bytes *bytes, const struct triple *asked,
                        struct reply *reply) {
    struct answer *answer = &reply->answer;
    cJSON *json = reply_body(bytes);
    bool ok = cJSON_IsObject(json) && read_status(json, asked, answer->status);
    if (ok) {
        reply->contradicts = contradicts(json, asked);
        read_text(json, "msg", asked, answer->msg, sizeof answer->msg);
        read_text(json, "mobileType", asked, answer->mobile_type, sizeof answer->mobile_type);
        read_text(json, "traceId", asked, answer->trace_id, sizeof answer->trace_id);
        read_extra(json, (struct json_span){bytes->body, bytes->body_size}, asked, answer->extra);
    }
    cJSON_Delete(json);
    return ok;
}

/*
 * Sellers answer some questions with a status such as 450. Error pages of web frameworks have a
 * `status` as well: the HTTP status over again, or with a server error some word.
 */
static bool is_sellers_status(int http_status, const char *status) {
    char echoed[16];
    if (http_status >= 300 && http_status < 400)
        return false;
    if (http_status == 200 || result_of(status) != RESULT_UNKNOWN)
        return true;
    snprintf(echoed, sizeof echoed, "%d", http_status);
    return http_status < 500 && strcmp(echoed, status) != 0;
}

void reply_read(const struct reply_bytes *bytes, const struct triple *asked, struct reply *reply) {
    memset(reply, 0, sizeof *reply);
    reply->class = refusal_of_gateway(bytes);
    if (reply->class != REPLY_ANSWER)
        return;
    if (read_answer(bytes, asked, reply) &&
        is_sellers_status(bytes->http_status, reply->answer.status))
        return;
    memset(reply, 0, sizeof *reply);
    reply->class = refusal_of_status(bytes->http_status);
}
