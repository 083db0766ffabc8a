#include "store/redis_reply.h"

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

bool redis_reply_says(const redisReply *reply, const char *code) {
    return reply->type == REDIS_REPLY_ERROR && strncmp(reply->str, code, strlen(code)) == 0;
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

/* From version 7 on, what a script may not do is followed by where in the script that was. */
static void cut_script(char *text) {
    char *script = strstr(text, ". script: ");
    if (script)
        *script = '\0';
}

void redis_reply_text(const redisReply *reply, char *text, size_t room) {
    size_t size = 0;
    if (reply->type == REDIS_REPLY_ERROR || reply->type == REDIS_REPLY_STATUS) {
        for (; size < reply->len && size < TEXT_MOST && size + 1 < room; size++) {
            char character = reply->str[size];
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
