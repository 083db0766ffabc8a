#include "store/redis_login.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/text.h"
#include "store/redis_dial.h"

/* In the order in which they are sent. Behind the last come the scripts, and the subscription once
 * all these are answered. */
enum step {
    STEP_PASSWORD,
    STEP_NAME,
    STEP_DATABASE,
    STEP_TIME,
    STEP_ROLE,
    STEP_INFO,
    STEP_SAVING,
    STEP_SCRIPTS,
};

static int last_step(const struct redis_login *login) {
    int scripts = login->settings->channel == NULL ? login->settings->script_count : 0;
    return STEP_SCRIPTS + scripts;
}

static bool is_needed(const struct redis_login *login, int step) {
    if (step == STEP_PASSWORD)
        return login->settings->url->password[0] != '\0';
    if (step == STEP_DATABASE)
        return login->settings->url->database != 0;
    return true;
}

static void go_on(struct redis_login *login) {
    do
        login->step++;
    while (login->step < last_step(login) && !is_needed(login, login->step));
}

/* --- saying --- */

static bool say_password(struct redis_login *login) {
    const struct redis_url *url = login->settings->url;
    const char *const with_user[] = {"AUTH", url->user, url->password};
    const char *const without[] = {"AUTH", url->password};
    if (url->user[0] != '\0')
        return redis_wire_say(login->wire, 3, with_user);
    return redis_wire_say(login->wire, 2, without);
}

static bool say_database(struct redis_login *login) {
    char number[16];
    struct text text = text_over(number, sizeof number);
    text_add_number(&text, login->settings->url->database);
    const char *const select[] = {"SELECT", number};
    return redis_wire_say(login->wire, 2, select);
}

static bool say(struct redis_login *login, int step) {
    static const char *const name[] = {"CLIENT", "SETNAME", "sanyao"};
    static const char *const time[] = {"TIME"};
    static const char *const role[] = {"ROLE"};
    static const char *const info[] = {"INFO"};
    static const char *const saving[] = {"CONFIG", "GET", "save"};
    switch (step) {
    case STEP_PASSWORD:
        return say_password(login);
    case STEP_NAME:
        return redis_wire_say(login->wire, 3, name);
    case STEP_DATABASE:
        return say_database(login);
    case STEP_TIME:
        return redis_wire_say(login->wire, 1, time);
    case STEP_ROLE:
        return redis_wire_say(login->wire, 1, role);
    case STEP_INFO:
        return redis_wire_say(login->wire, 1, info);
    case STEP_SAVING:
        return redis_wire_say(login->wire, 3, saving);
    default:
        break;
    }
    const struct redis_script *script = &login->settings->scripts[step - STEP_SCRIPTS];
    const char *const load[] = {"SCRIPT", "LOAD", script->text};
    return redis_wire_say(login->wire, 3, load);
}

bool redis_login_begin(struct redis_login *login, const struct redis_link_settings *settings,
                       struct redis_wire *wire, char (*shas)[REDIS_SHA_SIZE]) {
    *login = (struct redis_login){.settings = settings, .wire = wire, .step = -1, .shas = shas};
    login->due_ms = redis_dial_now_ms() + settings->timeout_ms;
    for (go_on(login); login->step < last_step(login); go_on(login)) {
        if (!say(login, login->step))
            return false;
    }
    login->step = -1;
    go_on(login);
    return true;
}

/* --- hearing --- */

/* Finds the line "NAME:VALUE". False, and `value` empty, when there is none. */
static bool find_info(const redisReply *info, const char *name, char *value, size_t room) {
    size_t name_size = strlen(name);
    const char *line = info->str;
    value[0] = '\0';
    while (line != NULL) {
        if (strncmp(line, name, name_size) == 0 && line[name_size] == ':') {
            const char *begin = line + name_size + 1;
            struct text text = text_over(value, room);
            text_add_bytes(&text, begin, strcspn(begin, "\r\n"));
            return true;
        }
        line = strchr(line, '\n');
        if (line != NULL)
            line++;
    }
    return false;
}

static bool info_is(const redisReply *info, const char *name, const char *wanted) {
    char value[32];
    return find_info(info, name, value, sizeof value) && strcmp(value, wanted) == 0;
}

static int64_t info_number(const redisReply *info, const char *name) {
    char value[32];
    if (!find_info(info, name, value, sizeof value))
        return 0;
    return strtoll(value, NULL, 10);
}

static void hear_info(struct redis_login *login, const redisReply *reply) {
    struct redis_server_facts *facts = &login->facts;
    if (reply->type != REDIS_REPLY_STRING)
        return;
    find_info(reply, "redis_version", facts->version, sizeof facts->version);
    find_info(reply, "maxmemory_policy", facts->policy, sizeof facts->policy);
    facts->max_memory = info_number(reply, "maxmemory");
    facts->append_only = info_is(reply, "aof_enabled", "1");
    /* Where the configuration may not be read, a snapshot that was saved says that some are. */
    facts->persistent = facts->append_only || info_number(reply, "rdb_saves") > 0;
    bool evicts = facts->policy[0] != '\0' && strcmp(facts->policy, "noeviction") != 0;
    facts->evicting = facts->max_memory > 0 && evicts;
    facts->evicting_permanent = facts->evicting && strncmp(facts->policy, "allkeys-", 8) == 0;
    if (info_is(reply, "role", "slave"))
        login->is_replica = true;
    login->is_loading = info_is(reply, "loading", "1");
}

static void hear_saving(struct redis_login *login, const redisReply *reply) {
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements < 2)
        return;
    const redisReply *schedule = reply->element[1];
    if (schedule->type == REDIS_REPLY_STRING)
        login->facts.persistent = login->facts.append_only || schedule->len > 0;
}

static void hear_role(struct redis_login *login, const redisReply *reply) {
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements < 1)
        return;
    const redisReply *role = reply->element[0];
    if (role->type == REDIS_REPLY_STRING && strcmp(role->str, "master") != 0)
        login->is_replica = true;
}

static bool refuse(const redisReply *reply, char reason[REDIS_REASON_SIZE]) {
    redis_reply_text(reply, reason, REDIS_REASON_SIZE);
    return false;
}

static bool hear_script(struct redis_login *login, int script, const redisReply *reply,
                        char reason[REDIS_REASON_SIZE]) {
    struct text text = text_over(reason, REDIS_REASON_SIZE);
    if (reply->type == REDIS_REPLY_STRING && reply->len == REDIS_SHA_SIZE - 1) {
        memcpy(login->shas[script], reply->str, REDIS_SHA_SIZE);
        return true;
    }
    char why[REDIS_REASON_SIZE];
    redis_reply_text(reply, why, sizeof why);
    text_addf(&text, "the script %s is not taken: %s", login->settings->scripts[script].name, why);
    return false;
}

static bool hear(struct redis_login *login, const redisReply *reply,
                 char reason[REDIS_REASON_SIZE]) {
    bool error = reply->type == REDIS_REPLY_ERROR;
    if (redis_reply_is_farewell(reply))
        return refuse(reply, reason);
    switch (login->step) {
    case STEP_PASSWORD:
        if (error)
            redis_reply_text_unquoted(reply, reason, REDIS_REASON_SIZE);
        return !error;
    case STEP_DATABASE:
        return !error || refuse(reply, reason);
    case STEP_NAME:
        break;
    case STEP_TIME:
        login->facts.unix_ms = redis_reply_time(reply);
        break;
    case STEP_ROLE:
        hear_role(login, reply);
        break;
    case STEP_INFO:
        hear_info(login, reply);
        break;
    case STEP_SAVING:
        hear_saving(login, reply);
        break;
    default:
        return hear_script(login, login->step - STEP_SCRIPTS, reply, reason);
    }
    return true;
}

static enum redis_login_state finish(struct redis_login *login, char reason[REDIS_REASON_SIZE]) {
    struct text text = text_over(reason, REDIS_REASON_SIZE);
    if (login->is_loading) {
        text_add(&text, "it is still loading its data");
        return REDIS_LOGIN_REFUSED;
    }
    if (login->is_replica) {
        text_add(&text, "it is a replica, and takes no writes");
        return REDIS_LOGIN_REFUSED;
    }
    if (login->settings->channel == NULL)
        return REDIS_LOGIN_DONE;
    const char *const subscribe[] = {"SUBSCRIBE", login->settings->channel};
    login->due_ms = redis_dial_now_ms() + login->settings->timeout_ms;
    if (redis_wire_say(login->wire, 2, subscribe))
        return REDIS_LOGIN_GOES_ON;
    text_add(&text, "no memory to subscribe");
    return REDIS_LOGIN_REFUSED;
}

enum redis_login_state redis_login_take(struct redis_login *login, const redisReply *reply,
                                        char reason[REDIS_REASON_SIZE]) {
    /* Only the subscription is left. When it is refused, hiredis ends the connection. */
    if (login->step >= last_step(login))
        return REDIS_LOGIN_DONE;
    if (!hear(login, reply, reason))
        return REDIS_LOGIN_REFUSED;
    go_on(login);
    return login->step < last_step(login) ? REDIS_LOGIN_GOES_ON : finish(login, reason);
}
