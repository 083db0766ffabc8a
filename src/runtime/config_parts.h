#pragma once
/*
 * config_parts: what the files of config share with each other and with their tests.
 *
 *   config_table    the rows                 config_text         JSONC to JSON, lines
 *   config_check    addresses and URLs       config_file         a file's settings
 *   config_value    text and JSON to values  config_environment  variables, nearest names
 *   config          the order, cross checks  config_print        for people and programs
 *   config_secrets  files named in lists     config_changes      what a reload would change
 *   config_providers  who is asked, and with whose credentials
 *
 * A function that refuses a value leaves a phrase in `why` ("must be true or false"); its caller
 * puts the place and the key before it.
 */
#include <cjson/cJSON.h>

#include "runtime/config.h"

/* ---- values ---- */

union config_value {
    bool flag;
    int64_t number; /* also a duration, and the index of an enum's word */
    char *text;     /* also of JSON; of a secret: from secret_copy */
    config_list list;
};

bool config_value_from_text(const struct config_setting *setting, const char *text,
                            union config_value *value, struct complaint *why)
    __attribute__((warn_unused_result));
bool config_value_from_json(const struct config_setting *setting, const cJSON *item,
                            union config_value *value, struct complaint *why)
    __attribute__((warn_unused_result));

bool config_value_equal(const struct config_setting *setting, union config_value a,
                        union config_value b);

/* Is it a secret, or an address with a password? */
bool config_value_is_secret(const struct config_setting *setting, union config_value value);
void config_value_free(const struct config_setting *setting, union config_value *value);

/* Moves a value into its member of `config`, and reads it there. */
void config_value_store(const struct config_setting *setting, struct config *config,
                        union config_value value);
union config_value config_value_of(const struct config_setting *setting,
                                   const struct config *config);

/*
 * As the settings file would write it; a secret as "(set)" or "(not set)", a password within an
 * address as "***". NULL: no memory.
 */
cJSON *config_value_to_json(const struct config_setting *setting, union config_value value);

/* Milliseconds in the largest unit that divides them: "1500ms", "90s", "1d", "0". */
#define CONFIG_DURATION_SIZE 32
void config_duration_format(int64_t ms, char text[CONFIG_DURATION_SIZE]);

void config_list_free(config_list list);
bool config_list_add(config_list *list, const char *text, size_t size)
    __attribute__((warn_unused_result));
size_t config_list_count(const char *const *list);

/* ---- checks: NULL when the text is good, else a phrase ---- */

const char *config_check_address(const char *text);
const char *config_check_store(const char *text);
const char *config_check_ledger(const char *text);
const char *config_check_file(const char *text);
const char *config_check_url(const char *text);
const char *config_check_status(const char *text);
const char *config_check_prefix(const char *text);
const char *config_check_hash_key(const char *text);
const char *config_check_appcode(const char *text);
const char *config_check_token(const char *text);
const char *config_check_credential(const char *item);
const char *config_check_webhook(const char *item);
const char *config_check_webhook_url(const char *text);
const char *config_check_percent(const char *text);
const char *config_check_price(const char *item);
const char *config_check_provider(const char *item);

/* The kind of webhook that `size` bytes name; -1: none. */
int config_webhook_kind(const char *text, size_t size);

/* Does an address that config_check_url found good lead to this machine? Is it plain HTTP? */
bool config_url_is_local(const char *url);
bool config_url_is_plain(const char *url);

/* Is a store that config_check_store found good one of many processes? What should be said of its
 * address, as a phrase; NULL: nothing. */
bool config_store_is_shared(const char *url);
const char *config_store_warning(const char *url);

/* ---- the text of a settings file ---- */

/*
 * Makes plain JSON of `text` in place: comments and a byte order mark become spaces, so that every
 * offset and line stays. Refuses what cJSON would let pass or describe badly (text that is not
 * UTF-8, control characters, \u0000, open comments and strings, trailing commas). When it refuses,
 * `line` is the line.
 */
bool config_text_clean(char *text, size_t size, size_t *line, struct complaint *why)
    __attribute__((warn_unused_result));

/* The line, from 1, of the byte at `offset`. */
size_t config_text_line(const char *text, size_t size, size_t offset);

/*
 * The line of a member's key in cleaned text that cJSON accepted: the way to it is `depth` ordinals
 * (from 0), one per nested object. By ordinals and not by names, so that escapes in names and
 * duplicates need no care.
 */
size_t config_text_member_line(const char *text, size_t size, const size_t *ordinals, size_t depth);

/* ---- a settings file ---- */

struct config_file {
    struct {
        bool present;
        size_t line;
        union config_value value; /* of a secret: `text` is the path of its file, from malloc */
    } rows[CONFIG_SETTINGS_MAX];  /* indexed as config_table */
};

#define CONFIG_FILE_SIZE_MAX (1024UL * 1024)

/* Parses `size` bytes at `text`, which it changes. `name` is for messages. Free it in any case. */
bool config_file_parse(char *text, size_t size, const char *name, struct config_file *file,
                       struct complaint *complaint) __attribute__((warn_unused_result));

/* Reads and parses the file at `path`. Free it in any case. */
bool config_file_read(const char *path, struct config_file *file, struct complaint *complaint)
    __attribute__((warn_unused_result));

void config_file_free(struct config_file *file);

/* ---- names ---- */

#define CONFIG_NAME_SIZE 64 /* of a key, a variable's or a credential's name, with its zero */

/* "SANYAO_CACHE_TTL_01" and "cache_ttl_01" of "cache.ttl.01". */
void config_variable_name(const struct config_setting *setting, char name[CONFIG_NAME_SIZE]);
void config_credential_name(const struct config_setting *setting, char name[CONFIG_NAME_SIZE]);

/* A variable's value; NULL: not set. */
const char *config_variable(const char *const *environment, const char *name);

/*
 * Refuses a SANYAO_ variable that nothing reads, with the nearest name that something reads.
 * Variables in which Kubernetes describes a service called sanyao or sanyao-x are passed over.
 */
bool config_environment_check(const char *const *environment, struct complaint *complaint)
    __attribute__((warn_unused_result));

/*
 * ` (did you mean "x"?)` for the known key nearest to an unknown one, or "" when none is near.
 * `hint` may be put behind a message.
 */
#define CONFIG_HINT_SIZE 128
void config_key_hint(const char *key, char hint[CONFIG_HINT_SIZE]);

/* A name from outside, for a message: cut off, with "?" for all that is not visible ASCII. */
void config_name_show(const char *name, size_t size, char shown[CONFIG_NAME_SIZE]);

/* ---- loading ---- */

struct config_loader {
    const struct config_sources *sources;
    struct config *config;
    struct config_file file;
    struct complaint *complaint;
};

/* Adds to the config's warnings. False: no memory, with a complaint. */
bool config_warn(struct config_loader *loader, const char *format, ...)
    __attribute__((warn_unused_result, format(printf, 2, 3)));

/* Warns that others may read the secret in the file, unless its mode is not ours to set. */
bool config_warn_exposed(struct config_loader *loader, const char *key, const char *path)
    __attribute__((warn_unused_result));

/* Reads a file of its own as secret_read does, and remembers how it was. False without memory, with
 * a complaint. */
bool config_read_secret(struct config_loader *loader, const char *path, struct secret *secret,
                        enum secret_outcome *outcome, struct complaint *why)
    __attribute__((warn_unused_result));

/* Where the setting at that offset of struct config came from. */
const char *config_source_at(const struct config *config, size_t offset);
#define CONFIG_SOURCE(config, member) config_source_at((config), offsetof(struct config, member))

/* Reads what the files named in `credentials` and `alerts.webhooks` hold, when all rows are there.
 */
bool config_secrets_load(struct config_loader *loader) __attribute__((warn_unused_result));
void config_secrets_free(struct config *config);

/* Reads upstream.providers and puts them in order, when the credentials are there. */
bool config_providers_load(struct config_loader *loader) __attribute__((warn_unused_result));

struct config_sources {
    const char *path;         /* of the settings file; NULL: see config_load */
    const char *default_path; /* taken when it is there */
    const char *run_secrets;  /* the directory of secrets that containers get */
    const char *const *environment;
};

/* config_load with its surroundings as parameters. */
struct config *config_load_from(const struct config_sources *sources, struct complaint *complaint)
    __attribute__((warn_unused_result));
