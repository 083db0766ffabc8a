#include "store/redis_reply.h"

#include <stdlib.h>
#include <string.h>

#define TEXT_MOST 100

/* MASTERDOWN and READONLY come from replicas. Connections over the limit, and strangers to a server
 * in protected mode, get the last two in reply to whatever they sent. CLUSTERDOWN is not here:
 * dropping would not change what it says, and the next connection would come up just as this one.
 */
static const char *const farewells[] = {
    "READONLY ", "LOADING ", "MASTERDOWN ", "NOAUTH ", "WRONGPASS ", "ERR max number of clients",
    "DENIED ",
};

/* What Redis 6 says of a script begins with where in the script that was: "ERR Error running script
 * (call to f_…): @user_script:1: @user_script: 1: -READONLY You can't write …". */
static const char *words_of(const redisReply *reply) {
    static const char begin[] = "ERR Error running script";
    if (reply->type != REDIS_REPLY_ERROR || strncmp(reply->str, begin, sizeof begin - 1) != 0)
        return reply->str;
    const char *words = strstr(reply->str, ": -");
    return words != NULL ? words + strlen(": -") : reply->str;
}

bool redis_reply_says(const redisReply *reply, const char *code) {
    return reply->type == REDIS_REPLY_ERROR && strncmp(words_of(reply), code, strlen(code)) == 0;
}

bool redis_reply_is_farewell(const redisReply *reply) {
    if (reply->type != REDIS_REPLY_ERROR)
        return false;
    for (size_t i = 0; i < sizeof farewells / sizeof farewells[0]; i++) {
        if (redis_reply_says(reply, farewells[i]))
            return true;
    }
    return false;
}

int64_t redis_reply_time(const redisReply *reply) {
    if (!reply || reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
        reply->element[0]->type != REDIS_REPLY_STRING ||
        reply->element[1]->type != REDIS_REPLY_STRING)
        return 0;
    int64_t seconds = strtoll(reply->element[0]->str, NULL, 10);
    int64_t microseconds = strtoll(reply->element[1]->str, NULL, 10);
    if (seconds <= 0 || seconds > INT32_MAX * INT64_C(16) || microseconds < 0 ||
        microseconds >= 1000000)
        return 0;
    return seconds * 1000 + microseconds / 1000;
}

/* From version 7 on, what a script may not do is followed by where in the script that was. */
static void cut_script(char *text) {
    char *script = strstr(text, ". script: ");
    if (script)
        *script = '\0';
}

void redis_reply_text(const redisReply *reply, char *text, size_t room) {
    size_t size = 0;
    if (reply->type == REDIS_REPLY_ERROR || reply->type == REDIS_REPLY_STATUS) {
        const char *words = words_of(reply);
        size_t length = reply->len - (size_t)(words - reply->str);
        for (; size < length && size < TEXT_MOST && size + 1 < room; size++) {
            char character = words[size];
            text[size] = '?';
            if (character >= ' ' && character <= '~')
                text[size] = character;
        }
    }
    text[size] = '\0';
    cut_script(text);
}

void redis_reply_text_unquoted(const redisReply *reply, char *text, size_t room) {
    redis_reply_text(reply, text, room);
    text[strcspn(text, "'`\"")] = '\0';
}
