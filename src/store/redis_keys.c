#include "store/redis_keys.h"

#include <string.h>

#include <sodium.h>

#include "money/period.h"
#include "runtime/text.h"
#include "store/records.h"

#define VARIANT     sodium_base64_VARIANT_URLSAFE_NO_PADDING
#define NUMBER_SIZE 8 /* the bytes of a number's digest that the ledger has, too */
#define NUMBER_TEXT 11
#define BUCKET_MS   INT64_C(600000)

_Static_assert(sodium_base64_ENCODED_LEN(DIGEST_SIZE, VARIANT) == REDIS_TRIPLE_TEXT + 1,
               "a triple's text has another size");
_Static_assert(sodium_base64_ENCODED_LEN(NUMBER_SIZE, VARIANT) == NUMBER_TEXT + 1,
               "a number's text has another size");
/* The longest: braces, number, letter, triple, zero. */
_Static_assert(2 + NUMBER_TEXT + 1 + REDIS_TRIPLE_TEXT + 1 <= REDIS_KEY_SIZE, "a key does not fit");
_Static_assert(2 + NUMBER_TEXT + 1 + STORE_WINDOW_SIZE <= REDIS_KEY_SIZE, "a window does not fit");
_Static_assert(sizeof "{ledger}" + sizeof "used:" + STORE_SCOPE_SIZE <= REDIS_KEY_SIZE,
               "a scope's key does not fit");

void redis_triple_text(const struct digest *triple, char text[REDIS_TRIPLE_TEXT + 1]) {
    sodium_bin2base64(text, REDIS_TRIPLE_TEXT + 1, triple->bytes, DIGEST_SIZE, VARIANT);
}

static void write_key(struct redis_key *key, const char *tag, const char *kind, const char *rest) {
    struct text text = text_over(key->text, sizeof key->text);
    text_add(&text, "{");
    text_add(&text, tag);
    text_add(&text, "}");
    text_add(&text, kind);
    text_add(&text, rest);
    key->size = text.size;
}

static void number_text(const struct digest *number, char text[NUMBER_TEXT + 1]) {
    sodium_bin2base64(text, NUMBER_TEXT + 1, number->bytes, NUMBER_SIZE, VARIANT);
}

struct redis_key redis_key_of_answer(const struct digest *number, const struct digest *triple) {
    struct redis_key key;
    char tag[NUMBER_TEXT + 1];
    char question[REDIS_TRIPLE_TEXT + 1];
    number_text(number, tag);
    redis_triple_text(triple, question);
    write_key(&key, tag, "", question);
    return key;
}

void redis_keys_of_number(const struct digest *number, const struct digest *triple,
                          const char *window, struct redis_key keys[REDIS_NUMBER_KEYS]) {
    char tag[NUMBER_TEXT + 1];
    char question[REDIS_TRIPLE_TEXT + 1];
    number_text(number, tag);
    redis_triple_text(triple, question);
    write_key(&keys[REDIS_KEY_ANSWER], tag, "", question);
    write_key(&keys[REDIS_KEY_LEASE], tag, "l", question);
    write_key(&keys[REDIS_KEY_WINDOW], tag, "w", window);
    write_key(&keys[REDIS_KEY_CLOSED], tag, "c", window);
    write_key(&keys[REDIS_KEY_OWNER], tag, "o", "");
}

int64_t redis_bucket_of(int64_t unix_ms) {
    return unix_ms / BUCKET_MS;
}

struct redis_key redis_key_of_bucket(int64_t bucket) {
    struct redis_key key;
    char number[24];
    struct text text = text_over(number, sizeof number);
    text_add_number(&text, bucket);
    write_key(&key, "ledger", "rows:", number);
    return key;
}

void redis_keys_of_row(const struct ledger_id *id, struct redis_key keys[REDIS_LEDGER_KEYS]) {
    int64_t unix_ms = ledger_id_time_ms(id);
    struct period day = period_day(unix_ms);
    struct period month = period_month(unix_ms);
    keys[REDIS_KEY_ROWS] = redis_key_of_bucket(redis_bucket_of(unix_ms));
    write_key(&keys[REDIS_KEY_OPEN], "ledger", "open", "");
    write_key(&keys[REDIS_KEY_TOTALS], "ledger", "totals", "");
    write_key(&keys[REDIS_KEY_BY_PACKAGE], "ledger", "used:", "package");
    write_key(&keys[REDIS_KEY_BY_DAY], "ledger", "used:day:", day.label);
    write_key(&keys[REDIS_KEY_BY_MONTH], "ledger", "used:month:", month.label);
    write_key(&keys[REDIS_KEY_OF_VERSION], "ledger", "version", "");
}

void redis_keys_of_documents(struct redis_key keys[REDIS_DOCUMENT_KEYS]) {
    write_key(&keys[REDIS_KEY_VERSION], "ledger", "version", "");
    write_key(&keys[REDIS_KEY_DOCUMENTS], "ledger", "documents", "");
    write_key(&keys[REDIS_KEY_CHANGES], "ledger", "changes", "");
    write_key(&keys[REDIS_KEY_AUDIT], "ledger", "audit", "");
}

struct redis_key redis_key_of_scope(const char *scope) {
    struct redis_key key;
    bool hits = strncmp(scope, "hits:", strlen("hits:")) == 0;
    write_key(&key, "ledger", hits ? "" : "used:", scope);
    return key;
}

void redis_pattern_of_number(const struct digest *number, char pattern[REDIS_PATTERN_SIZE]) {
    char tag[NUMBER_TEXT + 1];
    struct text text = text_over(pattern, REDIS_PATTERN_SIZE);
    number_text(number, tag);
    text_add(&text, "{");
    text_add(&text, tag);
    text_add(&text, "}*");
}

bool redis_triple_of_key(const char *key, size_t size, struct digest *triple) {
    const size_t tag = 1 + NUMBER_TEXT + 1;
    size_t written = 0;
    return size == tag + REDIS_TRIPLE_TEXT &&
           sodium_base642bin(triple->bytes, DIGEST_SIZE, key + tag, REDIS_TRIPLE_TEXT, NULL,
                             &written, NULL, VARIANT) == 0 &&
           written == DIGEST_SIZE;
}
