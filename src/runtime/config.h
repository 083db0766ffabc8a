#pragma once
/*
 * config: the settings, from one table.
 *
 * `config_table` (config_table.c) is the source of every key: its type, default, bounds,
 * environment name and one line of help. The file config/sanyao.jsonc, the schema beside it and
 * check-config derive from it or are compared with it by a test. A loaded config is read-only and
 * shared by all threads; each that keeps it has a reference. A reload makes another one.
 *
 * Order, first found wins: SANYAO_KEY, SANYAO_KEY_FILE (both set: refused), the settings file,
 * CREDENTIALS_DIRECTORY/key (secrets only), /run/secrets/key (secrets only), the default. In the
 * names of variables the key is in capitals, and everywhere but in the settings file its dots are
 * underscores: cache.ttl.01 is SANYAO_CACHE_TTL_01, hash.key is /run/secrets/hash_key.
 *
 * A refusal names the place and the key, and never repeats a value: it might be a misplaced secret.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cjson/cJSON.h>

#include "core/result.h"
#include "runtime/complaint.h"
#include "runtime/secret.h"

/* A list of strings, ended by NULL; owned by the config. */
typedef char **config_list;

#define CONFIG_SETTINGS_MAX 96 /* room for the rows of the table */

/* An AppCode and the name that packages are registered under. */
struct config_credential {
    char *id;
    char *appcode; /* secret */
    int provider;  /* whose it is, an index into `providers`; -1: of one that is not in the order */
};

struct config_secret_file {
    char *path;
    struct secret_mark mark;
};

enum config_webhook_kind {
    CONFIG_WEBHOOK_GENERIC,
    CONFIG_WEBHOOK_DINGTALK,
    CONFIG_WEBHOOK_WECOM,
    CONFIG_WEBHOOK_FEISHU,
};

struct config_webhook {
    char *name;
    int kind;     /* enum config_webhook_kind */
    char *url;    /* secret: whoever has it may write there */
    char *secret; /* secret, for signing; NULL: none */
};

struct provider;

struct config {
    atomic_int refs;
    bool workers_counted; /* `workers` was 0: one per processor */
    bool anonymous_refresh;
    bool get;
    bool inference;
    config_list listen; /* host:port, [v6]:port, unix:PATH */
    int64_t workers;    /* after loading: the number itself, never 0 */
    int64_t max_connections;
    int64_t idle_timeout_ms;
    int64_t request_timeout_ms;
    int64_t drain_timeout_ms;
    int64_t batch_concurrency;
    int64_t batch_most_lines;
    int64_t auth;           /* enum config_auth */
    char *admin_listen;     /* empty: none */
    char *admin_token;      /* secret; NULL: none given */
    char *metrics_listen;   /* empty: none */
    char *store_url;        /* may hold a password */
    char *store_ledger_url; /* empty: the same; may hold a password */
    char *store_ca_file;    /* empty: the system's */
    int64_t store_timeout_ms;
    char *journal_path;
    int64_t journal_keep_ms;
    int64_t secrets_watch_ms; /* 0: not */
    char *hash_key;           /* secret; NULL: none given */
    char *appcode; /* secret; NULL: none given; else it is the first of `credentials` too */
    config_list credential_files; /* ID=PATH */
    char *upstream_url;
    char *upstream_ca_file;   /* empty: the system's */
    char *upstream_providers; /* JSON: an object of descriptions */
    config_list upstream_order;
    int64_t upstream_connect_timeout_ms;
    int64_t upstream_timeout_ms;
    int64_t upstream_max_connections;
    int64_t upstream_max_waiting;
    int64_t upstream_keepalive_ms;
    int64_t upstream_retries;
    int64_t upstream_retry_delay_ms;
    int64_t upstream_refused_for_ms;
    int64_t upstream_echo;    /* enum config_echo */
    int64_t breaker_failures; /* percent; 0: never */
    int64_t breaker_least_calls;
    int64_t breaker_window_ms;
    int64_t breaker_slow_call_ms;
    int64_t breaker_open_for_ms;
    int64_t breaker_probes;
    config_list billed_statuses; /* "*": every answer with HTTP 200 */
    int64_t cache_memory_entries;
    int64_t cache_ttl_ms[RESULT_KINDS];
    int64_t stale_if_error_ms;
    int64_t number_limit_max_calls;
    int64_t number_limit_window_ms;
    config_list virtual_operators_prefixes;
    int64_t virtual_operators_action; /* enum config_virtual_action */
    char *timezone;                   /* an IANA name */
    int64_t clients_grace_ms;
    config_list alerts_thresholds; /* percent, as digits */
    config_list webhook_files;     /* NAME=KIND:PATH */
    config_list price_list;        /* CALLS=CNY */
    int64_t log_level;             /* enum log_level */
    int64_t log_format;            /* enum log_format */
    int64_t log_requests;          /* enum config_requests */

    /* What the files of two lists held; guarded like every secret. */
    struct config_credential *credentials; /* `appcode` as "main", then the list's, in its order */
    struct config_webhook *webhooks;
    /* Who is asked, in the order of `upstream_order`, the one of the guide among them. */
    struct provider *providers; /* upstream/provider.h */
    int provider_count;
    int credential_count;
    int webhook_count;

    /* Files of their own that values were read from, and places where such a file was looked for in
     * vain; as they were just before that. */
    struct config_secret_file *secret_files;
    int secret_file_count;

    /* Where each row of the table came from, for a person to read; indexed as config_table. */
    char *source[CONFIG_SETTINGS_MAX];
    char *path;           /* the settings file; NULL: none */
    config_list warnings; /* what is accepted but should not stay so; for the log; NULL: nothing */
};

enum config_auth { CONFIG_AUTH_KEYS, CONFIG_AUTH_OFF };
enum config_requests { CONFIG_REQUESTS_CALLS, CONFIG_REQUESTS_ALL, CONFIG_REQUESTS_NONE };
enum config_echo { CONFIG_ECHO_WARN, CONFIG_ECHO_REFUSE };
enum config_virtual_action { CONFIG_VIRTUAL_REJECT, CONFIG_VIRTUAL_FORWARD };

enum config_type {
    CONFIG_BOOL,
    CONFIG_INTEGER,
    CONFIG_DURATION, /* "500ms", "30s", "10m", "24h", "30d", "0"; kept in milliseconds */
    CONFIG_STRING,
    CONFIG_LIST,   /* in the file an array of strings, in the environment separated by commas */
    CONFIG_ENUM,   /* one of `words`; the value is the index */
    CONFIG_JSON,   /* an object, of up to `most` members; the value is its text */
    CONFIG_SECRET, /* in the file only as KEY_file, the path of a file that holds it */
};

/* Can a running process take another value? */
enum config_reload {
    CONFIG_RELOADS,
    CONFIG_RESTARTS,
    CONFIG_RESTARTS_SHARED, /* beside a shared store not, which is opened with it */
};

struct config_setting {
    const char *key; /* dotted: "cache.ttl.01" */
    enum config_type type;
    enum config_reload reload;
    bool password; /* a string that is an address in which a password may stand */
    /* The default, as text that the environment could give; NULL for a secret: none. */
    const char *fallback;
    /* Bounds: of an integer; a duration in milliseconds; a string's bytes; a list's items; an
     * object's members. */
    int64_t least, most;
    const char *const *words; /* of CONFIG_ENUM, ended by NULL */
    /* Further check of a text or of each item; NULL, or a phrase: "must be host:port". */
    const char *(*check)(const char *text);
    size_t offset;    /* of the member in struct config */
    const char *help; /* one sentence; the schema's description */
};

extern const struct config_setting config_table[];
extern const size_t config_table_count;

/*
 * Loads everything. `path` NULL: SANYAO_CONFIG, then /etc/sanyao/sanyao.jsonc if it is there, else
 * none. `environment` is as `environ`. NULL with a complaint that names file, line and key (or the
 * environment variable). Also refuses what is impossible together (auth off on an outside address).
 */
struct config *config_load(const char *path, char *const *environment, struct complaint *complaint)
    __attribute__((warn_unused_result));

/* config_load gives one reference; the last one to be released frees, and secrets are wiped. Any
 * thread. NULL is accepted. */
struct config *config_retain(struct config *config);
void config_release(struct config *config);

/*
 * What a running process may not do: take `after` where a setting that only a restart can take
 * differs from `before`. False with a complaint that names the keys.
 */
bool config_can_reload(const struct config *before, const struct config *after,
                       struct complaint *complaint) __attribute__((warn_unused_result));

/*
 * For a reload that nobody asked for: where a file holds another secret (or address with a
 * password) that only a restart can take, `after` is given that of `before`. Their keys, with ", "
 * between them, are written to `keys`. False without memory.
 */
bool config_keep_secrets(const struct config *before, struct config *after, struct complaint *keys)
    __attribute__((warn_unused_result));

/*
 * The settings that differ, as a JSON array of {"key","before","after"}; the caller frees it. A
 * secret is "(set)", "(changed)" or "(not set)"; a list whose items are the same but for what their
 * files hold is "(set)" before and "(changed)" after. NULL: no memory.
 */
cJSON *config_changes(const struct config *before, const struct config *after);

/*
 * Every setting with its value and its source, one a line; secrets as "(set)" or "(not set)",
 * passwords within addresses as "***".
 */
void config_print(const struct config *config, FILE *out);

/* The same as one JSON array of {"key","value","source"}; the caller frees it. NULL: no memory. */
cJSON *config_to_json(const struct config *config);

/* A duration as in the settings ("24h", "0"), in milliseconds, within bounds. False: `why` goes on
 * behind its name. */
bool config_duration_read(const char *text, int64_t least, int64_t most, int64_t *ms,
                          struct complaint *why) __attribute__((warn_unused_result));

/* Is the address (as in `listen`) loopback or a Unix socket? A name other than localhost is not. */
bool config_is_local(const char *address);
