#pragma once
/*
 * triple: the three elements of a question, in canonical form, checked before money is spent.
 *
 * Canonical form is what is hashed and sent. Two spellings of one person are thus one question:
 * - All fields: full-width forms of ASCII (and U+3000) as ASCII; white space of every Unicode kind
 *   and invisible characters (zero-width, direction marks, byte order mark, soft hyphen) taken from
 *   both ends; Unicode NFC.
 * - Name: every stand-in for the interpunct as U+00B7, also `.` and U+3002 between Han characters.
 * - ID card: x as X.
 * - Mobile: without white space, invisible characters, hyphens and dashes, and +86 or 0086 before
 *   it. A bare 86 stays: such a number is refused, not guessed at.
 * What is in canonical form stays as it is when canonicalised again.
 *
 * A triple holds a person's data in clear text: it lives in the memory of a request and of a call
 * in flight, nowhere else, and is wiped with triple_wipe. Value type; no threads involved.
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

/* All three empty: before they are set. */
void triple_empty(struct triple *triple);

/* What a field holds: zero-terminated. */
const char *triple_text(const struct triple *triple, enum triple_field field);

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
 * - Name: 2 to 30 Han characters and interpuncts, each interpunct between two Han characters. Where
 *   the ID begins with 9 (permanent residence card) also 2 to 64 of Latin letters, spaces and
 *   `'-.,`, with at least one letter.
 * - ID card: 18 characters of GB 11643-1999: a known province code or a leading 9, a date that
 *   exists, and the right check digit (ISO 7064 MOD 11-2). County codes are not looked at:
 * abolished ones stay on old cards.
 * - Mobile: 1[3-9] and 11 digits. Prefixes beyond that change too often to be refused here.
 */
enum triple_verdict triple_check(const struct triple *triple, int today);

/* The civil date in China (UTC+8, no daylight saving) at `unix_s`, as yyyymmdd. */
int triple_today(int64_t unix_s);

/* Does the canonical mobile number begin with one of `prefixes` (an array ended by NULL)? */
bool triple_mobile_has_prefix(const struct triple *triple, const char *const *prefixes);

/*
 * The masked echoes by the seller's rule: first 2 and last 4 of the ID, first 2 and last 3 of the
 * number, the first character of the name, five stars (one for the name) between. A value too short
 * to be masked so, or an ID or number that is not ASCII, becomes stars alone.
 */
struct triple_echo {
    char name[8];
    char id_card[16];
    char mobile[16];
};
void triple_mask(const struct triple *triple, struct triple_echo *echo);

/*
 * Does `text` (zero-terminated) hold the name, the ID number or the mobile number of `triple`? For
 * texts of others' making that are about to be kept, so rather once too often: ASCII letters in
 * either case, bytes also percent-encoded, spaces, hyphens and plus signs anywhere between.
 */
bool triple_appears_in(const struct triple *triple, const char *text);

/* Overwrites the triple with zeroes, in a way the compiler keeps. */
void triple_wipe(struct triple *triple);
