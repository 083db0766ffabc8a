#pragma once
/*
 * sellers: descriptions of made-up sellers, for the tests.
 *
 * The second is the sandbox's second shape. Include it behind cmocka.h.
 */
#include <string.h>

#include <cjson/cJSON.h>

#include "upstream/provider.h"

#define SECOND_WORDS                                                                               \
    "\"statuses\":{\"0/1\":\"01\",\"0/2\":\"02\",\"0/3\":\"202\",\"1101\":\"204\",\"1301\":"       \
    "\"quota_exhausted\",\"1302\":\"unauthorized\",\"1303\":\"throttled\",\"1304\":\"failed\","    \
    "\"1305\":\"quota_expired\"}"

#define SECOND_REPLY                                                                               \
    "\"reply\":{\"status\":[\"/code\",\"/data/result\"],\"msg\":\"/message\","                     \
    "\"mobileType\":\"/data/channel\",\"traceId\":\"/seqNo\"}"

#define SECOND_PARAMETERS                                                                          \
    "\"parameters\":{\"name\":\"realName\",\"idCard\":\"certNo\",\"mobile\":\"phone\"}"

#define SECOND                                                                                     \
    "{\"url\":\"https://seller.example/v2/check\"," SECOND_PARAMETERS "," SECOND_REPLY             \
    "," SECOND_WORDS                                                                               \
    ",\"mobile_types\":{\"cmcc\":\"移动\",\"cucc\":\"联通\"},\"billed\":[\"0/1\",\"0/2\"]}"

/* The description with another value at one of its members; `value` is JSON, NULL takes the member
 * away. `member` has one dot at most. The caller frees it. */
static inline cJSON *seller_json(const char *member, const char *value) {
    cJSON *json = cJSON_Parse(SECOND);
    cJSON *object = json;
    char name[64];
    assert_non_null(json);
    if (member == NULL)
        return json;
    const char *dot = strchr(member, '.');
    if (dot != NULL) {
        snprintf(name, sizeof name, "%.*s", (int)(dot - member), member);
        object = cJSON_GetObjectItemCaseSensitive(json, name);
        member = dot + 1;
    }
    cJSON_DeleteItemFromObjectCaseSensitive(object, member);
    if (value != NULL) {
        cJSON *item = cJSON_Parse(value);
        assert_non_null(item);
        cJSON_AddItemToObject(object, member, item);
    }
    return json;
}

static inline struct provider seller_with(const char *member, const char *value) {
    struct provider provider;
    struct complaint why;
    cJSON *json = seller_json(member, value);
    if (!provider_parse("second", json, &provider, &why))
        fail_msg("refused: %s", why.text);
    cJSON_Delete(json);
    return provider;
}
