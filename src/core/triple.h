#pragma once
/*
 * triple: the three elements of a question, in canonical form, checked before money is spent.
 *
 * Canonical form is what is hashed and sent: trimmed, Unicode NFC, every stand-in for the interpunct
 * as U+00B7, full-width digits and letters as ASCII, the ID's x as X, the mobile number without
 * spaces, hyphens and +86/0086. Two spellings of one person are thus one question.
 *
 * A triple holds a person's data in clear text: it lives in the memory of a request and of a call in
 * flight, nowhere else, and is wiped with triple_wipe. Value type; no threads involved.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A field longer than this is a malformed request (the API's limit, before canonicalisation). */
#define TRIPLE_FIELD_MAX 256

struct triple {
    /* NFC may lengthen a text (at most threefold in UTF-8). */
    char name[TRIPLE_FIELD_MAX * 3 + 1];
    char id_card[TRIPLE_FIELD_MAX * 3 + 1];
    char mobile[TRIPLE_FIELD_MAX * 3 + 1];
};

/* What a local check found: the seller's own status for it (see result.h), or nothing wrong. */
enum triple_verdict {
    TRIPLE_SOUND,
    TRIPLE_BAD_NAME,    /* 204 */
    TRIPLE_BAD_ID_CARD, /* 205 */
    TRIPLE_BAD_MOBILE,  /* 206 */
};

enum triple_field { TRIPLE_NAME, TRIPLE_ID_CARD, TRIPLE_MOBILE };

/*
 * Writes the canonical form of one field. `text` need not be zero-terminated. False, and an empty
 * string in the triple, when `text` is not UTF-8, holds a zero byte, or is longer than
 * TRIPLE_FIELD_MAX bytes: a malformed request, not a bad name.
 */
bool triple_set(struct triple *triple, enum triple_field field, const char *text, size_t size)
    __attribute__((warn_unused_result));

/*
 * The checks of a canonical triple, in the order name, ID card, mobile; the first that fails is the
 * verdict. `today` is the civil date in China as yyyymmdd: a birth date after it is impossible.
 * Rules: names of 2 to 30 Han characters and interpuncts, or the Latin form of permanent residence
 * card holders; GB 11643-1999 for the ID; 1[3-9] and 11 digits for the mobile number.
 */
enum triple_verdict triple_check(const struct triple *triple, int today);

/* The civil date in China (UTC+8, no daylight saving) at `unix_s`, as yyyymmdd. */
int triple_today(int64_t unix_s);

/* Does the canonical mobile number begin with one of `prefixes` (an array ended by NULL)? */
bool triple_mobile_has_prefix(const struct triple *triple, const char *const *prefixes);

/*
 * The masked echoes by the seller's rule: first 2 and last 4 of the ID, first 2 and last 3 of the
 * number, the first character of the name, five stars (one for the name) between. A value too short
 * to be masked so becomes stars alone.
 */
struct triple_echo {
    char name[8];
    char id_card[16];
    char mobile[16];
};
void triple_mask(const struct triple *triple, struct triple_echo *echo);

/*
 * Does `text` (zero-terminated) hold the name, the ID number or the mobile number of `triple` in
 * clear? For texts of others' making that are about to be kept.
 */
bool triple_appears_in(const struct triple *triple, const char *text);

/* Overwrites the triple with zeroes, in a way the compiler keeps. */
void triple_wipe(struct triple *triple);
