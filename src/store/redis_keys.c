#include "store/redis_keys.h"

#include <string.h>

#include <sodium.h>

#include "runtime/text.h"

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

void redis_keys_of_number(const struct digest *number, const struct digest *triple,
                          struct redis_key keys[REDIS_NUMBER_KEYS]) {
    char tag[NUMBER_TEXT + 1];
    char question[REDIS_TRIPLE_TEXT + 1];
    sodium_bin2base64(tag, sizeof tag, number->bytes, NUMBER_SIZE, VARIANT);
    redis_triple_text(triple, question);
    write_key(&keys[REDIS_KEY_ANSWER], tag, "", question);
    write_key(&keys[REDIS_KEY_LEASE], tag, "l", question);
    write_key(&keys[REDIS_KEY_WINDOW], tag, "w", "");
    write_key(&keys[REDIS_KEY_CLOSED], tag, "c", "");
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
    keys[REDIS_KEY_ROWS] = redis_key_of_bucket(redis_bucket_of(ledger_id_time_ms(id)));
    write_key(&keys[REDIS_KEY_OPEN], "ledger", "open", "");
    write_key(&keys[REDIS_KEY_TOTALS], "ledger", "totals", "");
}
