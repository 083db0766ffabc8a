#include "store/redis_row.h"

#include <limits.h>
#include <string.h>

#include <sodium.h>

#include "runtime/text.h"

#define NUMBER_SIZE 8
#define NUMBER_TEXT ((size_t)2 * NUMBER_SIZE)
#define INT64_TEXT  20 /* "-9223372036854775808" */
#define BEGIN       6  /* fields of the first half, the letter among them */
#define END         6  /* of the second */

/* A field's tab takes the place of its zero. */
#define BEGIN_MOST (1 + INT64_TEXT + 1 + NUMBER_TEXT + sizeof(struct ledger_account))
#define END_MOST                                                                                   \
    (1 + INT64_TEXT + 2 + 1 + INT64_TEXT + RESULT_STATUS_SIZE + 1 + INT64_TEXT +                   \
     ANSWER_TRACE_ID_SIZE)

_Static_assert(1 + BEGIN_MOST + END_MOST + 1 <= REDIS_ROW_SIZE, "the longest row does not fit");

static const struct letter {
    char letter;
    bool ended;
    enum ledger_state state;
} letters[] = {
    {'R', false, LEDGER_RESERVED}, {'U', false, LEDGER_UNKNOWN}, {'s', true, LEDGER_SETTLED},
    {'r', true, LEDGER_RELEASED},  {'u', true, LEDGER_UNKNOWN},
};

static const char billed_letters[] = {
    [BILLED_NO] = '0', [BILLED_YES] = '1', [BILLED_UNKNOWN] = '?'};

char redis_row_letter(enum ledger_state state) {
    static const char of_state[LEDGER_STATES] = {[LEDGER_RESERVED] = 'R',
                                                 [LEDGER_SETTLED] = 's',
                                                 [LEDGER_RELEASED] = 'r',
                                                 [LEDGER_UNKNOWN] = 'u'};
    return of_state[state];
}

/* ---- writing ---- */

static bool is_control(char c) {
    return (unsigned char)c < 0x20 || c == 0x7f;
}

static void add_text(struct text *text, const char *field) {
    text_add(text, "\t");
    for (; *field != '\0'; field++)
        text_add_bytes(text, is_control(*field) ? "?" : field, 1);
}

static void add_number(struct text *text, int64_t number) {
    text_add(text, "\t");
    text_add_number(text, number);
}

size_t redis_row_encode_begin(const struct redis_row *row, char text[REDIS_ROW_SIZE]) {
    struct text out = text_over(text, REDIS_ROW_SIZE);
    char number[NUMBER_TEXT + 1];
    sodium_bin2hex(number, sizeof number, row->number, sizeof row->number);
    add_number(&out, row->reserved_at_ms);
    add_text(&out, number);
    add_text(&out, row->account.client_id);
    add_text(&out, row->account.credential);
    add_text(&out, row->account.package);
    return out.size;
}

size_t redis_row_encode_intent(const struct ledger_id *id, const struct digest *number,
                               const struct ledger_account *account, char text[REDIS_ROW_SIZE]) {
    struct redis_row row = {.reserved_at_ms = ledger_id_time_ms(id), .account = *account};
    memcpy(row.number, number->bytes, sizeof row.number);
    return redis_row_encode_begin(&row, text);
}

size_t redis_row_encode_end(const struct ledger_outcome *outcome, char text[REDIS_ROW_SIZE]) {
    struct text out = text_over(text, REDIS_ROW_SIZE);
    add_number(&out, outcome->settled_at_ms);
    text_add(&out, "\t");
    text_add_bytes(&out, &billed_letters[outcome->billed], 1);
    add_number(&out, outcome->http_status);
    add_text(&out, outcome->status);
    add_number(&out, outcome->latency_ms);
    add_text(&out, outcome->trace_id);
    return out.size;
}

/* ---- reading ---- */

struct field {
    const char *at;
    size_t size;
};

/* 0 when there are too many, or when one holds what is never written. */
static size_t split(const char *text, size_t size, struct field fields[BEGIN + END]) {
    size_t count = 0;
    size_t begin = 0;
    for (size_t i = 0; i <= size; i++) {
        if (i < size && text[i] != '\t') {
            if (is_control(text[i]))
                return 0;
            continue;
        }
        if (count == BEGIN + END)
            return 0;
        fields[count++] = (struct field){text + begin, i - begin};
        begin = i + 1;
    }
    return count;
}

static bool read_text(struct field field, char *out, size_t room) {
    if (field.size >= room)
        return false;
    memcpy(out, field.at, field.size);
    out[field.size] = '\0';
    return true;
}

/* Only as it is written: no plus, no leading zeros, no "-0". */
static bool read_number(struct field field, int64_t *number) {
    bool negative = field.size > 0 && field.at[0] == '-';
    size_t first = negative ? 1 : 0;
    if (field.size == first || (field.at[first] == '0' && field.size > 1))
        return false;
    *number = 0;
    for (size_t i = first; i < field.size; i++) {
        int digit = field.at[i] - '0';
        if (digit < 0 || digit > 9 || __builtin_mul_overflow(*number, 10, number) ||
            __builtin_add_overflow(*number, negative ? -digit : digit, number))
            return false;
    }
    return true;
}

static bool read_int(struct field field, int *number) {
    int64_t wide = 0;
    if (!read_number(field, &wide) || wide < INT_MIN || wide > INT_MAX)
        return false;
    *number = (int)wide;
    return true;
}

static bool read_digest(struct field field, uint8_t number[NUMBER_SIZE]) {
    char hex[NUMBER_TEXT + 1];
    return field.size == NUMBER_TEXT && read_text(field, hex, sizeof hex) &&
           strspn(hex, "0123456789abcdef") == NUMBER_TEXT &&
           sodium_hex2bin(number, NUMBER_SIZE, hex, NUMBER_TEXT, NULL, NULL, NULL) == 0;
}

static bool read_billed(struct field field, enum billed *billed) {
    const char *letter =
        field.size == 1 ? memchr(billed_letters, field.at[0], sizeof billed_letters) : NULL;
    if (letter == NULL)
        return false;
    *billed = (enum billed)(letter - billed_letters);
    return true;
}

static const struct letter *read_letter(struct field field) {
    for (size_t i = 0; field.size == 1 && i < sizeof letters / sizeof letters[0]; i++) {
        if (letters[i].letter == field.at[0])
            return &letters[i];
    }
    return NULL;
}

static bool read_begin(const struct field fields[BEGIN], struct redis_row *row) {
    struct ledger_account *account = &row->account;
    return read_number(fields[1], &row->reserved_at_ms) && read_digest(fields[2], row->number) &&
           read_text(fields[3], account->client_id, sizeof account->client_id) &&
           read_text(fields[4], account->credential, sizeof account->credential) &&
           read_text(fields[5], account->package, sizeof account->package);
}

static bool read_end(const struct field fields[END], struct ledger_outcome *outcome) {
    return read_number(fields[0], &outcome->settled_at_ms) &&
           read_billed(fields[1], &outcome->billed) && read_int(fields[2], &outcome->http_status) &&
           read_text(fields[3], outcome->status, sizeof outcome->status) &&
           read_number(fields[4], &outcome->latency_ms) &&
           read_text(fields[5], outcome->trace_id, sizeof outcome->trace_id);
}

bool redis_row_decode(const char *text, size_t size, struct redis_row *row) {
    struct field fields[BEGIN + END];
    *row = (struct redis_row){.outcome.billed = BILLED_UNKNOWN};
    size_t count = split(text, size, fields);
    const struct letter *letter = count > 0 ? read_letter(fields[0]) : NULL;
    if (letter == NULL || count != (letter->ended ? BEGIN + END : BEGIN))
        return false;
    row->letter = letter->letter;
    row->outcome.state = letter->state;
    return read_begin(fields, row) && (!letter->ended || read_end(fields + BEGIN, &row->outcome));
}
