#include "store/redis_records.h"

#include <stdlib.h>

#include "runtime/text.h"
#include "store/redis_arguments.h"

#define SCAN_COUNT "1000" /* about a millisecond of the server's time */
#define NAME_SIZE  (16 + STORE_DOCUMENT_ID_SIZE)

bool redis_send_read_documents(struct redis_link *link, redis_replied *replied, void *arg,
                               int64_t since, int most) {
    struct redis_key keys[REDIS_DOCUMENT_KEYS];
    struct redis_arguments arguments = {.count = 0};
    redis_keys_of_documents(keys);
    redis_add_keys(&arguments, keys, REDIS_KEY_AUDIT);
    redis_add_number(&arguments, since);
    redis_add_number(&arguments, most);
    return redis_eval(link, replied, arg, REDIS_READ_DOCUMENTS, REDIS_KEY_AUDIT, &arguments);
}

static size_t encode_announcement(uint8_t bytes[REDIS_NOTICE_SIZE]) {
    const struct redis_notice notice = {.kind = REDIS_NOTICE_DOCUMENTS};
    return redis_notice_encode(&notice, bytes);
}

bool redis_send_write_document(struct redis_link *link, redis_replied *replied, void *arg,
                               const struct store_write_document *write, bool announce) {
    struct redis_key keys[REDIS_DOCUMENT_KEYS];
    struct redis_arguments arguments = {.count = 0};
    uint8_t notice[REDIS_NOTICE_SIZE];
    char bytes[NAME_SIZE];
    struct text name = text_over(bytes, sizeof bytes);
    if (write->id) {
        text_add(&name, store_document_kind_name[write->kind]);
        text_add(&name, ":");
        text_add(&name, write->id);
    }
    redis_keys_of_documents(keys);
    redis_add_keys(&arguments, keys, REDIS_DOCUMENT_KEYS);
    redis_add(&arguments, bytes, name.size);
    redis_add_text(&arguments, write->id ? write->body : "");
    redis_add_number(&arguments, write->expected);
    redis_add_flag(&arguments, write->restore);
    redis_add_text(&arguments, write->audit ? write->audit : "");
    redis_add(&arguments, notice, announce ? encode_announcement(notice) : 0);
    redis_add_text(&arguments, REDIS_NOTICE_CHANNEL);
    return redis_eval(link, replied, arg, REDIS_WRITE_DOCUMENT, REDIS_DOCUMENT_KEYS, &arguments);
}

bool redis_send_announcement(struct redis_link *link, redis_replied *replied, void *arg) {
    struct redis_arguments arguments = {.count = 0};
    uint8_t notice[1 + REDIS_NOTICE_SIZE] = {0}; /* "not stored", as a script would say */
    redis_add_text(&arguments, "PUBLISH");
    redis_add_text(&arguments, REDIS_NOTICE_CHANNEL);
    redis_add(&arguments, notice, 1 + encode_announcement(notice + 1));
    return redis_send(link, replied, arg, &arguments);
}

struct redis_written redis_read_written(const redisReply *reply) {
    struct redis_written written = {.understood = false};
    if (!reply || reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
        reply->element[0]->type != REDIS_REPLY_INTEGER ||
        reply->element[1]->type != REDIS_REPLY_INTEGER)
        return written;
    written.understood = true;
    written.written = reply->element[0]->integer == 1;
    written.version = reply->element[1]->integer;
    return written;
}

bool redis_send_read_audit(struct redis_link *link, redis_replied *replied, void *arg,
                           const struct store_read_audit *read) {
    struct redis_key keys[REDIS_DOCUMENT_KEYS];
    struct redis_arguments arguments = {.count = 0};
    redis_keys_of_documents(keys);
    redis_add_keys(&arguments, &keys[REDIS_KEY_AUDIT], 1);
    redis_add_number(&arguments, read->after);
    redis_add_number(&arguments, read->most < STORE_AUDIT_MOST ? read->most : STORE_AUDIT_MOST);
    redis_add_flag(&arguments, read->newest);
    return redis_eval(link, replied, arg, REDIS_READ_AUDIT, 1, &arguments);
}

bool redis_send_read_counters(struct redis_link *link, redis_replied *replied, void *arg,
                              const char *scope) {
    struct redis_arguments arguments = {.count = 0};
    struct redis_key key = redis_key_of_scope(scope);
    redis_add_text(&arguments, "HGETALL");
    redis_add_keys(&arguments, &key, 1);
    return redis_send(link, replied, arg, &arguments);
}

/* As many arguments as there are counters, twice, and a key. */
bool redis_send_add_counters(struct redis_link *link, redis_replied *replied, void *arg,
                             const struct store_add_counters *add) {
    struct redis_key key = redis_key_of_scope(add->scope);
    size_t count = (size_t)add->count;
    size_t argc = 1 + 2 * count;
    const char **values = calloc(argc, sizeof *values);
    size_t *sizes = calloc(argc, sizeof *sizes);
    char(*numbers)[REDIS_NUMBER_SIZE] = calloc(count, sizeof *numbers);
    bool sent = false;
    if (link && values && sizes && numbers) {
        values[0] = key.text;
        sizes[0] = key.size;
        for (size_t i = 0; i < count; i++) {
            const struct store_counter *counter = &add->counters[i];
            values[1 + 2 * i] = counter->name;
            sizes[1 + 2 * i] = strlen(counter->name);
            values[2 + 2 * i] = numbers[i];
            sizes[2 + 2 * i] =
                (size_t)snprintf(numbers[i], sizeof numbers[i], "%lld", (long long)counter->value);
        }
        sent = redis_link_eval(link, replied, arg, REDIS_ADD_COUNTERS, 1, (int)argc, values, sizes);
    }
    free(values);
    free(sizes);
    free(numbers);
    return sent;
}

bool redis_send_forget(struct redis_link *link, redis_replied *replied, void *arg,
                       const struct digest *number, const struct digest *triple,
                       const struct redis_notice *notice) {
    static const struct digest any = {{0}};
    struct redis_key keys[REDIS_NUMBER_KEYS];
    struct redis_arguments arguments = {.count = 0};
    uint8_t bytes[REDIS_NOTICE_SIZE];
    redis_keys_of_number(number, triple ? triple : &any, "", keys);
    redis_add_keys(&arguments, keys, REDIS_NUMBER_KEYS);
    redis_add(&arguments, triple ? triple->bytes : any.bytes, triple ? DIGEST_SIZE : 0);
    redis_add(&arguments, bytes, notice ? redis_notice_encode(notice, bytes) : 0);
    redis_add_text(&arguments, REDIS_NOTICE_CHANNEL);
    return redis_eval(link, replied, arg, REDIS_FORGET, REDIS_NUMBER_KEYS, &arguments);
}

bool redis_send_scan(struct redis_link *link, redis_replied *replied, void *arg,
                     const struct digest *number, const char *cursor) {
    struct redis_arguments arguments = {.count = 0};
    char pattern[REDIS_PATTERN_SIZE];
    redis_pattern_of_number(number, pattern);
    redis_add_text(&arguments, "SCAN");
    redis_add_text(&arguments, cursor);
    redis_add_text(&arguments, "MATCH");
    redis_add_text(&arguments, pattern);
    redis_add_text(&arguments, "COUNT");
    redis_add_text(&arguments, SCAN_COUNT);
    return redis_send(link, replied, arg, &arguments);
}
