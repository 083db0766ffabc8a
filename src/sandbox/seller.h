#pragma once
/*
 * seller: the verification service behind the gateway. It knows nobody; what it answers is decided
 * by the form of the values and by the documented magic values, so a test can choose its answer.
 *
 * Rules from the seller's guide: the eight statuses and their messages, the masks, the virtual
 * operators' segments. Where the guide is silent (what a well-formed name is, which segment belongs
 * to which carrier) the rules are the sandbox's own and docs/sandbox.md tells them. Pure functions
 * over constant data; safe from any thread.
 */
#include <stdbool.h>
#include <stdio.h>

#include "sandbox/text.h"

struct seller_question {
    struct text id_card;
    struct text mobile;
    struct text name;
};

/* What the reply repeats of the question, masked. */
struct seller_echo {
    char id_card[16];
    char mobile[16];
    char name[8];
};

/*
 * The status of a question that is refused without looking anyone up: 204, 205, 206 for a malformed
 * name, ID number, mobile number (in this order), 203 for a virtual operator's number, 207 for a
 * segment of no carrier. NULL for a question that would be looked up.
 */
const char *seller_refuse(const struct seller_question *question);

/* The status of a question that seller_refuse() let through, by the magic values; else "01". */
const char *seller_look_up(const struct seller_question *question);

/* The seller's message for a status; "" for one that the seller's guide does not have. */
const char *seller_message(const char *status);

/* The carrier of the number's segment, as `mobileType` says it; "" where there is none. */
const char *seller_carrier(struct text mobile);

void seller_mask(const struct seller_question *question, struct seller_echo *echo);

/* Writes the table of magic values for --help. */
void seller_print_magic(FILE *stream);
