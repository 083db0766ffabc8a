#pragma once
/*
 * webhook: an alert as a message to people: what is posted where, and whether it was taken.
 *
 *   generic   a JSON object of the alert's members and its text
 *   dingtalk  markdown; with a secret, time and signature in the address
 *   wecom     markdown, at most 4,096 bytes
 *   feishu    text; with a secret, time and signature in the body
 *
 * Texts are Chinese and plain: what, how much is left, since when. Never a secret or a person. The
 * address itself is a secret. Pure.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "money/alert.h"
#include "runtime/config.h"

#define WEBHOOK_TITLE_SIZE 256
#define WEBHOOK_TEXT_SIZE  1024

/* In one line; then line by line, in the plain part of markdown. */
struct webhook_message {
    char title[WEBHOOK_TITLE_SIZE];
    char text[WEBHOOK_TEXT_SIZE];
};

void webhook_say(const struct alert *alert, struct webhook_message *message);

/* What is posted, as application/json. */
struct webhook_request {
    char *url_owned;
    char *body_owned;
};

/* `now_ms`: Unix; what is signed is signed for about now. False: no memory, and nothing to free. */
bool webhook_make(const struct config_webhook *webhook, const struct alert *alert, int64_t now_ms,
                  struct webhook_request *request) __attribute__((warn_unused_result));

/* Wipes the address. */
void webhook_request_free(struct webhook_request *request);

/* Was it taken? Robots say in an HTTP 200 what was wrong: `code` is their number for it, 0: the
 * reply has none. */
bool webhook_is_taken(enum config_webhook_kind kind, int http_status, const char *reply,
                      size_t size, int64_t *code);

/* Base64 of HMAC-SHA-256. */
#define WEBHOOK_SIGN_SIZE 45
void webhook_sign(const char *key, const char *message, char sign[WEBHOOK_SIGN_SIZE]);
