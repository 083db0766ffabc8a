#pragma once
/*
 * provider: one seller of the answer: where it is asked, in which shape, and what its words mean.
 *
 * The market has many who sell the same under other addresses, parameter names, envelopes and
 * status words. Each is described in the settings (`upstream.providers`, docs/operations.md); the
 * one of the guide is built in. A description is a value without pointers: it can be copied, and a
 * call under way keeps its own. It holds no secret and nobody's data. Pure functions; no threads.
 *
 * A seller's words are never taken for the guide's: sellers give one number opposite meanings. What
 * a word means stands in the description, or the reply is REPLY_INVALID.
 */
#include <stdbool.h>
#include <stddef.h>

#include <cjson/cJSON.h>

#include "core/triple.h"
#include "runtime/complaint.h"
#include "runtime/json_pointer.h"
#include "runtime/text.h"
#include "upstream/reply.h"

#define PROVIDER_GUIDE "guide" /* the id of the built-in one */

#define PROVIDER_ID_SIZE       17
#define PROVIDER_URL_SIZE      1025
#define PROVIDER_FORM_SIZE     2048
#define PROVIDER_HEADER_SIZE   256
#define PROVIDER_WORD_SIZE     64
#define PROVIDER_WORDS_MAX     64
#define PROVIDER_CARRIERS_MAX  16
#define PROVIDER_STATUSES_MAX  4
#define PROVIDER_CODE_SIZE_MAX 128 /* of an AppCode */

enum provider_method { PROVIDER_GET, PROVIDER_POST_FORM, PROVIDER_POST_JSON };

/* What one of a seller's status words means. */
struct provider_word {
    char word[PROVIDER_WORD_SIZE];
    char status[RESULT_STATUS_SIZE]; /* with REPLY_ANSWER: ours */
    enum reply_class class;
    bool billed;
};

struct provider_carrier {
    char word[PROVIDER_WORD_SIZE];
    char name[ANSWER_MOBILE_TYPE_SIZE];
};

/* Where the parts of a reply stand; empty: nowhere. */
struct provider_reply {
    char status[PROVIDER_STATUSES_MAX][JSON_POINTER_SIZE]; /* joined by "/" */
    char msg[JSON_POINTER_SIZE];
    char mobile_type[JSON_POINTER_SIZE];
    char trace_id[JSON_POINTER_SIZE];
    char name[JSON_POINTER_SIZE]; /* the masked echoes */
    char id_card[JSON_POINTER_SIZE];
    char mobile[JSON_POINTER_SIZE];
};

struct provider {
    char id[PROVIDER_ID_SIZE];
    bool guide; /* its reply is reply_read's, its words are the statuses themselves */
    enum provider_method method;
    char url[PROVIDER_URL_SIZE];
    char ca_file[PROVIDER_URL_SIZE]; /* empty: the system's */
    /* The query or the body as it is sent, with a byte of 1, 2 or 3 for name, idCard and mobile. */
    char form[PROVIDER_FORM_SIZE];
    char header[PROVIDER_HEADER_SIZE]; /* with {code} for the AppCode */
    struct provider_reply reply;
    struct provider_word words[PROVIDER_WORDS_MAX];
    struct provider_carrier carriers[PROVIDER_CARRIERS_MAX];
    int word_count;
    int carrier_count;
    bool all_billed; /* every answer with HTTP 200 */
};

/* NULL when the text can be the id of a provider (the guide's too), else a phrase. */
const char *provider_check_id(const char *text);

/*
 * Reads a description and checks all of it, except what only the settings know: whether `url` and
 * `ca_file` are good and whose the `credentials` are. False: `why` begins with the member's way
 * ("reply.status: must be …"), and repeats no value.
 */
bool provider_parse(const char *id, const cJSON *json, struct provider *provider,
                    struct complaint *why) __attribute__((warn_unused_result));

/* The one of the guide. `billed_statuses` ends with NULL. False: a text is too long. */
bool provider_set_guide(struct provider *provider, const char *url, const char *ca_file,
                        const char *const *billed_statuses) __attribute__((warn_unused_result));

/* --- asking --- */

/* Room for the longest question in the longest form. */
#define PROVIDER_REQUEST_SIZE ((size_t)24 * 1024)

/* A person's data: to be wiped with provider_request_wipe. */
struct provider_request {
    size_t size;
    char bytes[PROVIDER_REQUEST_SIZE]; /* with GET path and query, else the body */
};

/* `path` is the address's. False: it does not fit. */
bool provider_request_make(const struct provider *provider, const char *path,
                           const struct triple *triple, struct provider_request *request)
    __attribute__((warn_unused_result));

void provider_request_wipe(struct provider_request *request);

/* The header line that bears the AppCode, a secret. False: it does not fit. */
bool provider_write_header(const struct provider *provider, const char *code, struct text *line)
    __attribute__((warn_unused_result));

/* The media type of the body; NULL with GET. */
const char *provider_body_type(const struct provider *provider);

/* --- reading --- */

/*
 * What a reply means, with the safeguards of reply_read: nothing of the question is kept. `priced`:
 * it is an answer, and by this provider's rule it was paid for.
 *
 * A provider that is described: first the gateway's own refusals count, as with the guide. Then the
 * word: the values at reply.status, texts, whole numbers or truth values; one that is not there is
 * empty, and strokes at the end are taken off ("1001/" is 1001). A word with a meaning counts under
 * any HTTP status but 3xx. No word, or one without a meaning: by the HTTP status, as with the guide
 * (REPLY_INVALID under 200). Members beyond those named are not kept.
 */
void provider_read(const struct provider *provider, const struct reply_bytes *bytes,
                   const struct triple *asked, struct reply *reply, bool *priced);
