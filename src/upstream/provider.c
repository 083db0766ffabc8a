#include "upstream/provider.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "runtime/utf8.h"

#define SHOWN_SIZE     48
#define PARAMETERS_MAX 32
#define NAME_SIZE_MAX  127
#define VALUE_SIZE_MAX 512

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static const char DEFAULT_HEADER[] = "Authorization: APPCODE {code}";

/* ---- small things ---- */

/* A name from the settings, for a message. */
static const char *show(const char *name, char shown[SHOWN_SIZE]) {
    size_t size = utf8_cut(name, strlen(name), SHOWN_SIZE - 1);
    for (size_t i = 0; i < size; i++)
        shown[i] = (unsigned char)name[i] < ' ' || name[i] == 0x7f ? '?' : name[i];
    shown[size] = '\0';
    return shown;
}

static const cJSON *member_of(const cJSON *json, const char *name) {
    return cJSON_GetObjectItemCaseSensitive(json, name);
}

/* NULL, or what is wrong with a text of 1 to `most` bytes. */
static const char *text_fault(const cJSON *item, size_t most) {
    if (!cJSON_IsString(item))
        return "must be a string, in quotes";
    if (item->valuestring[0] == '\0')
        return "must not be empty";
    if (strlen(item->valuestring) > most)
        return "is too long";
    return utf8_has_control(item->valuestring, strlen(item->valuestring))
               ? "holds a control character"
               : NULL;
}

static bool copy_text(const char *member, const cJSON *item, char *to, size_t capacity,
                      struct complaint *why) {
    const char *fault = text_fault(item, capacity - 1);
    if (fault != NULL)
        return complain(why, "%s: %s", member, fault);
    memcpy(to, item->valuestring, strlen(item->valuestring) + 1);
    return true;
}

static bool is_among(const char *name, const char *const *names) {
    for (; *names != NULL; names++) {
        if (strcmp(*names, name) == 0)
            return true;
    }
    return false;
}

/* An object in which no name stands twice, and none that is not among `names` (NULL: any). `way` is
 * "" or ends with a dot. */
static bool check_object(const cJSON *json, const char *way, const char *const *names,
                         struct complaint *why) {
    char shown[SHOWN_SIZE];
    if (!cJSON_IsObject(json))
        return complain(why, "%.*s%smust be an object: { ... }",
                        (int)(way[0] != '\0' ? strlen(way) - 1 : 0), way,
                        way[0] != '\0' ? ": " : "");
    for (const cJSON *member = json->child; member != NULL; member = member->next) {
        if (member_of(json, member->string) != member)
            return complain(why, "%s%s: stands here a second time", way,
                            show(member->string, shown));
        if (names != NULL && !is_among(member->string, names))
            return complain(why, "%s%s: unknown key", way, show(member->string, shown));
    }
    return true;
}

const char *provider_check_id(const char *text) {
    size_t size = strlen(text);
    bool good = size >= 1 && size < PROVIDER_ID_SIZE && text[0] != '-' &&
                strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == size;
    return good ? NULL : "must be a name of 1 to 16 characters, a-z, 0-9 and - (not as the first)";
}

/* ---- where and how ---- */

static bool read_address(struct provider *provider, const cJSON *json, struct complaint *why) {
    const cJSON *ca_file = member_of(json, "ca_file");
    if (member_of(json, "url") == NULL)
        return complain(why, "url: is missing");
    return copy_text("url", member_of(json, "url"), provider->url, sizeof provider->url, why) &&
           (ca_file == NULL ||
            copy_text("ca_file", ca_file, provider->ca_file, sizeof provider->ca_file, why));
}

static bool is_word(const cJSON *item, const char *word) {
    return cJSON_IsString(item) && strcmp(item->valuestring, word) == 0;
}

static bool read_method(struct provider *provider, const cJSON *json, struct complaint *why) {
    const cJSON *method = member_of(json, "method");
    const cJSON *body = member_of(json, "body");
    bool posts = is_word(method, "POST");
    if (method != NULL && !posts && !is_word(method, "GET"))
        return complain(why, "method: must be \"GET\" or \"POST\"");
    if (!posts && body != NULL)
        return complain(why, "body: only a POST has one");
    if (posts && !is_word(body, "form") && !is_word(body, "json"))
        return complain(why, "body: must be \"form\" or \"json\"");
    provider->method = !posts                  ? PROVIDER_GET
                       : is_word(body, "json") ? PROVIDER_POST_JSON
                                               : PROVIDER_POST_FORM;
    return true;
}

/* ---- the parameters ---- */

/* Adds `item`, which it takes, at a name or, in a JSON body, at a pointer. NULL, or what is wrong.
 */
static const char *place(const struct provider *provider, cJSON *root, const char *name,
                         cJSON *item) {
    char token[JSON_POINTER_SIZE];
    const char *fault = NULL;
    bool nests = provider->method == PROVIDER_POST_JSON && name[0] == '/';
    snprintf(token, sizeof token, "%s", name);
    if (item == NULL)
        fault = "no memory for it";
    else if (nests)
        fault = json_pointer_check(name);
    while (fault == NULL && nests && json_pointer_step(&name, token) && *name != '\0') {
        cJSON *next = cJSON_GetObjectItemCaseSensitive(root, token);
        root = next != NULL ? next : cJSON_AddObjectToObject(root, token);
        if (!cJSON_IsObject(root))
            fault = "leads through another parameter";
    }
    if (fault == NULL && member_of(root, token) != NULL)
        fault = "is the name of another parameter";
    if (fault == NULL && !cJSON_AddItemToObject(root, token, item))
        fault = "no memory for it";
    if (fault != NULL)
        cJSON_Delete(item);
    return fault;
}

static bool place_parameters(const struct provider *provider, cJSON *root, const cJSON *json,
                             struct complaint *why) {
    static const struct {
        const char *name, *mark;
    } ours[] = {{"name", "\x01"}, {"idCard", "\x02"}, {"mobile", "\x03"}};
    static const char *const names[] = {"name", "idCard", "mobile", NULL};
    if (json == NULL)
        return complain(why, "parameters: is missing");
    if (!check_object(json, "parameters.", names, why))
        return false;
    for (size_t i = 0; i < COUNT(ours); i++) {
        const cJSON *item = member_of(json, ours[i].name);
        const char *fault = item != NULL ? text_fault(item, NAME_SIZE_MAX) : "is missing";
        if (fault == NULL)
            fault = place(provider, root, item->valuestring, cJSON_CreateRaw(ours[i].mark));
        if (fault != NULL)
            return complain(why, "parameters.%s: %s", ours[i].name, fault);
    }
    return true;
}

static const char *fixed_fault(const struct provider *provider, const cJSON *item) {
    bool plain = cJSON_IsNumber(item) || cJSON_IsBool(item);
    if (provider->method == PROVIDER_POST_JSON && plain)
        return NULL;
    if (cJSON_IsString(item) && item->valuestring[0] == '\0')
        return NULL;
    const char *fault = text_fault(item, VALUE_SIZE_MAX);
    bool wrong = fault != NULL && !cJSON_IsString(item);
    return wrong && provider->method == PROVIDER_POST_JSON
               ? "must be a string, a number, true or false"
               : fault;
}

static bool place_fixed(const struct provider *provider, cJSON *root, const cJSON *json,
                        struct complaint *why) {
    char shown[SHOWN_SIZE];
    if (json == NULL)
        return true;
    if (!check_object(json, "fixed.", NULL, why))
        return false;
    if (cJSON_GetArraySize(json) > PARAMETERS_MAX)
        return complain(why, "fixed: must have at most %d members", PARAMETERS_MAX);
    for (const cJSON *item = json->child; item != NULL; item = item->next) {
        const char *name = item->string;
        const char *fault = fixed_fault(provider, item);
        if (name[0] == '\0' || strlen(name) > NAME_SIZE_MAX || utf8_has_control(name, strlen(name)))
            fault = "must have a name of 1 to 127 bytes without control characters";
        if (fault == NULL)
            fault = place(provider, root, name, cJSON_Duplicate(item, false));
        if (fault != NULL)
            return complain(why, "fixed.%s: %s", show(name, shown), fault);
    }
    return true;
}

static bool print_form(const cJSON *root, struct text *form) {
    for (const cJSON *item = root->child; item != NULL; item = item->next) {
        if (form->size > 0)
            text_add(form, "&");
        text_add_percent(form, item->string);
        text_add(form, "=");
        if (cJSON_IsRaw(item))
            text_add(form, item->valuestring);
        else
            text_add_percent(form, item->valuestring);
    }
    return !form->cut;
}

static bool print_json(const cJSON *root, struct text *form) {
    char *printed = cJSON_PrintUnformatted(root);
    if (printed == NULL)
        return false;
    text_add(form, printed);
    cJSON_free(printed);
    return !form->cut;
}

static bool read_form(struct provider *provider, const cJSON *json, struct complaint *why) {
    cJSON *root = cJSON_CreateObject();
    struct text form = text_over(provider->form, sizeof provider->form);
    bool good = place_parameters(provider, root, member_of(json, "parameters"), why) &&
                place_fixed(provider, root, member_of(json, "fixed"), why);
    if (good)
        good = (provider->method == PROVIDER_POST_JSON ? print_json : print_form)(root, &form) ||
               complain(why, "parameters: are too long together");
    cJSON_Delete(root);
    return good;
}

/* ---- the header ---- */

/* What would make another message of the request, or what sanyao sends itself. */
static bool is_reserved(const char *line, size_t size) {
    static const char *const reserved[] = {"Host",       "Content-Length", "Content-Type",
                                           "Connection", "Expect",         "Transfer-Encoding",
                                           "Accept",     "Accept-Encoding"};
    for (size_t i = 0; i < COUNT(reserved); i++) {
        if (strlen(reserved[i]) == size && strncasecmp(reserved[i], line, size) == 0)
            return true;
    }
    return false;
}

static const char *header_fault(const char *line) {
    static const char mark[] = "{code}";
    size_t name = 0;
    while (isalnum((unsigned char)line[name]) ||
           (line[name] != '\0' && strchr("!#$%&'*+-.^_`|~", line[name]) != NULL))
        name++;
    if (name == 0 || line[name] != ':')
        return "must be a header line, \"Name: value\"";
    if (is_reserved(line, name))
        return "must be another header: this one is sanyao's own";
    for (const char *at = line; *at != '\0'; at++) {
        if (*at < ' ' || *at > '~')
            return "must be visible ASCII";
    }
    const char *code = strstr(line + name, mark);
    if (code == NULL || strstr(code + 1, mark) != NULL)
        return "must have {code} in its value, once, where the AppCode belongs";
    return NULL;
}

static bool read_header(struct provider *provider, const cJSON *json, struct complaint *why) {
    const cJSON *item = member_of(json, "header");
    memcpy(provider->header, DEFAULT_HEADER, sizeof DEFAULT_HEADER);
    if (item == NULL)
        return true;
    if (!copy_text("header", item, provider->header, sizeof provider->header, why))
        return false;
    const char *fault = header_fault(provider->header);
    return fault == NULL || complain(why, "header: %s", fault);
}

/* ---- the reply ---- */

static bool read_pointer(const char *member, const cJSON *item, char pointer[JSON_POINTER_SIZE],
                         struct complaint *why) {
    const char *fault = cJSON_IsString(item) ? json_pointer_check(item->valuestring)
                                             : "must be a JSON pointer, in quotes";
    if (fault != NULL)
        return complain(why, "%s: %s", member, fault);
    memcpy(pointer, item->valuestring, strlen(item->valuestring) + 1);
    return true;
}

static bool read_status(struct provider *provider, const cJSON *item, struct complaint *why) {
    const cJSON *first = cJSON_IsArray(item) ? item->child : item;
    int count = 0;
    if (item == NULL)
        return complain(why, "reply.status: is missing");
    for (const cJSON *at = first; at != NULL; at = at->next) {
        if (count == PROVIDER_STATUSES_MAX)
            break;
        if (!read_pointer("reply.status", at, provider->reply.status[count++], why))
            return false;
        if (first == item)
            return true;
    }
    return (count > 0 && cJSON_GetArraySize(item) == count) ||
           complain(why, "reply.status: must be one JSON pointer, or a list of up to %d",
                    PROVIDER_STATUSES_MAX);
}

static bool read_reply(struct provider *provider, const cJSON *json, struct complaint *why) {
    static const char *const names[] = {"status", "msg",    "mobileType", "traceId",
                                        "name",   "idCard", "mobile",     NULL};
    struct provider_reply *reply = &provider->reply;
    const struct {
        const char *name, *way;
        char *pointer;
    } others[] = {
        {"msg", "reply.msg", reply->msg},
        {"mobileType", "reply.mobileType", reply->mobile_type},
        {"traceId", "reply.traceId", reply->trace_id},
        {"name", "reply.name", reply->name},
        {"idCard", "reply.idCard", reply->id_card},
        {"mobile", "reply.mobile", reply->mobile},
    };
    if (json == NULL)
        return complain(why, "reply: is missing");
    if (!check_object(json, "reply.", names, why) ||
        !read_status(provider, member_of(json, "status"), why))
        return false;
    for (size_t i = 0; i < COUNT(others); i++) {
        const cJSON *item = member_of(json, others[i].name);
        if (item != NULL && !read_pointer(others[i].way, item, others[i].pointer, why))
            return false;
    }
    return true;
}

/* ---- the words ---- */

static bool set_meaning(struct provider_word *word, const char *meaning) {
    static const struct {
        const char *name;
        enum reply_class class;
    } classes[] = {
        {"unauthorized", REPLY_UNAUTHORIZED},   {"quota_exhausted", REPLY_QUOTA_EXHAUSTED},
        {"quota_expired", REPLY_QUOTA_EXPIRED}, {"throttled", REPLY_THROTTLED},
        {"failed", REPLY_GATEWAY_FAILED},
    };
    if (result_of(meaning) != RESULT_UNKNOWN) {
        word->class = REPLY_ANSWER;
        snprintf(word->status, sizeof word->status, "%s", meaning);
        return true;
    }
    for (size_t i = 0; i < COUNT(classes); i++) {
        if (strcmp(classes[i].name, meaning) == 0) {
            word->class = classes[i].class;
            return true;
        }
    }
    return false;
}

static const char *word_fault(const char *word) {
    size_t size = strlen(word);
    if (size == 0 || size >= PROVIDER_WORD_SIZE || utf8_has_control(word, size))
        return "must be a word of 1 to 63 bytes without control characters";
    return word[size - 1] == '/' ? "must not end with /: values that are not there add none" : NULL;
}

static bool has_answer(const struct provider *provider, const char *status) {
    for (int i = 0; i < provider->word_count; i++) {
        if (strcmp(provider->words[i].status, status) == 0)
            return true;
    }
    return false;
}

static bool read_statuses(struct provider *provider, const cJSON *json, struct complaint *why) {
    char shown[SHOWN_SIZE];
    if (json == NULL)
        return complain(why, "statuses: is missing");
    if (!check_object(json, "statuses.", NULL, why))
        return false;
    if (cJSON_GetArraySize(json) > PROVIDER_WORDS_MAX)
        return complain(why, "statuses: must have at most %d words", PROVIDER_WORDS_MAX);
    for (const cJSON *item = json->child; item != NULL; item = item->next) {
        struct provider_word *word = &provider->words[provider->word_count++];
        const char *fault = word_fault(item->string);
        if (fault == NULL && (!cJSON_IsString(item) || !set_meaning(word, item->valuestring)))
            fault = "must be a status (\"01\", \"02\", \"202\" to \"207\") or \"unauthorized\", "
                    "\"quota_exhausted\", \"quota_expired\", \"throttled\" or \"failed\"";
        if (fault != NULL)
            return complain(why, "statuses.%s: %s", show(item->string, shown), fault);
        memcpy(word->word, item->string, strlen(item->string) + 1);
    }
    static const enum result_kind needed[] = {RESULT_MATCH, RESULT_MISMATCH};
    for (size_t i = 0; i < COUNT(needed); i++) {
        const char *status = result_table[needed[i]].status;
        if (!has_answer(provider, status))
            return complain(why, "statuses: has no word for %s", status);
    }
    return true;
}

static bool read_carriers(struct provider *provider, const cJSON *json, struct complaint *why) {
    char shown[SHOWN_SIZE];
    if (json == NULL)
        return true;
    if (provider->reply.mobile_type[0] == '\0')
        return complain(why, "mobile_types: needs reply.mobileType");
    if (!check_object(json, "mobile_types.", NULL, why))
        return false;
    if (cJSON_GetArraySize(json) > PROVIDER_CARRIERS_MAX)
        return complain(why, "mobile_types: must have at most %d words", PROVIDER_CARRIERS_MAX);
    for (const cJSON *item = json->child; item != NULL; item = item->next) {
        struct provider_carrier *carrier = &provider->carriers[provider->carrier_count++];
        bool good =
            word_fault(item->string) == NULL && text_fault(item, sizeof carrier->name - 1) == NULL;
        if (!good)
            return complain(why,
                            "mobile_types.%s: must be a word and the carrier's name, of 1 to "
                            "31 bytes",
                            show(item->string, shown));
        memcpy(carrier->word, item->string, strlen(item->string) + 1);
        memcpy(carrier->name, item->valuestring, strlen(item->valuestring) + 1);
    }
    return true;
}

static struct provider_word *find_answer(struct provider *provider, const char *word) {
    for (int i = 0; i < provider->word_count; i++) {
        if (strcmp(provider->words[i].word, word) == 0)
            return provider->words[i].class == REPLY_ANSWER ? &provider->words[i] : NULL;
    }
    return NULL;
}

static bool read_billed(struct provider *provider, const cJSON *json, struct complaint *why) {
    int number = 0;
    provider->all_billed = json == NULL || is_word(json, "*");
    if (provider->all_billed)
        return true;
    if (!cJSON_IsArray(json) || json->child == NULL)
        return complain(why, "billed: must be \"*\" or a list of words of statuses");
    for (const cJSON *item = json->child; item != NULL; item = item->next) {
        struct provider_word *word =
            cJSON_IsString(item) ? find_answer(provider, item->valuestring) : NULL;
        number++;
        if (word == NULL)
            return complain(why, "billed: item %d must be a word of statuses that is an answer",
                            number);
        word->billed = true;
    }
    return true;
}

/* ---- the whole ---- */

static bool check_credentials(const cJSON *json, struct complaint *why) {
    bool good = json == NULL || cJSON_IsArray(json);
    for (const cJSON *item = good && json != NULL ? json->child : NULL; item != NULL;
         item = item->next)
        good = good && cJSON_IsString(item);
    return good || complain(why, "credentials: must be a list of names of credentials");
}

bool provider_parse(const char *id, const cJSON *json, struct provider *provider,
                    struct complaint *why) {
    static const char *const names[] = {
        "url",   "ca_file",  "method", "body",         "parameters",  "fixed", "header",
        "reply", "statuses", "billed", "mobile_types", "credentials", NULL};
    memset(provider, 0, sizeof *provider);
    const char *fault = provider_check_id(id);
    if (fault != NULL)
        return complain(why, "%s", fault);
    memcpy(provider->id, id, strlen(id) + 1);
    return check_object(json, "", names, why) && read_address(provider, json, why) &&
           read_method(provider, json, why) && read_form(provider, json, why) &&
           read_header(provider, json, why) &&
           read_reply(provider, member_of(json, "reply"), why) &&
           read_statuses(provider, member_of(json, "statuses"), why) &&
           read_carriers(provider, member_of(json, "mobile_types"), why) &&
           read_billed(provider, member_of(json, "billed"), why) &&
           check_credentials(member_of(json, "credentials"), why);
}

bool provider_set_guide(struct provider *provider, const char *url, const char *ca_file,
                        const char *const *billed_statuses) {
    memset(provider, 0, sizeof *provider);
    provider->guide = true;
    provider->method = PROVIDER_GET;
    memcpy(provider->id, PROVIDER_GUIDE, sizeof PROVIDER_GUIDE);
    memcpy(provider->header, DEFAULT_HEADER, sizeof DEFAULT_HEADER);
    struct text form = text_over(provider->form, sizeof provider->form);
    struct text address = text_over(provider->url, sizeof provider->url);
    struct text authorities = text_over(provider->ca_file, sizeof provider->ca_file);
    text_add(&form, "idCard=\x02&mobile=\x03&name=\x01");
    text_add(&address, url);
    text_add(&authorities, ca_file);
    for (; *billed_statuses != NULL; billed_statuses++) {
        if (strcmp(*billed_statuses, "*") == 0) {
            provider->all_billed = true;
            continue;
        }
        if (provider->word_count == PROVIDER_WORDS_MAX ||
            strlen(*billed_statuses) >= RESULT_STATUS_SIZE)
            return false;
        struct provider_word *word = &provider->words[provider->word_count++];
        snprintf(word->word, sizeof word->word, "%s", *billed_statuses);
        word->billed = true;
    }
    return !address.cut && !authorities.cut;
}
