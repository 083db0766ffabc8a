#pragma once
/*
 * config: the settings, from one table.
 *
 * `config_table` (config_table.c) is the source of every key: its type, default, bounds, environment
 * name and one line of help. The file config/sanyao.jsonc, the schema beside it and check-config
 * derive from it or are compared with it by a test. A loaded config is read-only and may be shared
 * by all threads.
 *
 * Order, first found wins: SANYAO_KEY, SANYAO_KEY_FILE (both set: refused), the settings file,
 * CREDENTIALS_DIRECTORY/key (secrets only), /run/secrets/key (secrets only), the default.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "core/result.h"
#include "runtime/complaint.h"

/* A list of strings, ended by NULL; owned by the config. */
typedef char **config_list;

struct config {
    config_list listen; /* host:port, [v6]:port, unix:PATH */
    int64_t workers;    /* after loading: the number itself, never 0 */
    int64_t max_connections;
    int64_t idle_timeout_ms;
    int64_t request_timeout_ms;
    int64_t drain_timeout_ms;
    int64_t auth; /* enum config_auth */
    bool anonymous_refresh;
    bool get;
    char *admin_listen; /* empty: none */
    char *store_url;
    char *hash_key; /* secret; NULL: none given */
    char *appcode;  /* secret; NULL: none given */
    char *upstream_url;
    char *upstream_ca_file; /* empty: the system's */
    int64_t upstream_connect_timeout_ms;
    int64_t upstream_timeout_ms;
    int64_t upstream_max_connections;
    int64_t upstream_max_waiting;
    int64_t upstream_keepalive_ms;
    config_list billed_statuses; /* "*": every answer with HTTP 200 */
    int64_t cache_memory_entries;
    int64_t cache_ttl_ms[RESULT_KINDS];
    int64_t stale_if_error_ms;
    config_list virtual_operators_prefixes;
    int64_t virtual_operators_action; /* enum config_virtual_action */
    int64_t log_level;  /* enum log_level */
    int64_t log_format; /* enum log_format */

    const char *source[64]; /* where each row of the table came from; indexed as config_table */
    char *path;             /* the settings file; NULL: none */
};

enum config_auth { CONFIG_AUTH_KEYS, CONFIG_AUTH_OFF };
enum config_virtual_action { CONFIG_VIRTUAL_REJECT, CONFIG_VIRTUAL_FORWARD };

enum config_type {
    CONFIG_BOOL,
    CONFIG_INTEGER,
    CONFIG_DURATION, /* "500ms", "30s", "10m", "24h", "30d", "0"; kept in milliseconds */
    CONFIG_STRING,
    CONFIG_LIST, /* in the file an array of strings, in the environment separated by commas */
    CONFIG_ENUM, /* one of `words`; the value is the index */
    CONFIG_SECRET, /* in the file only as KEY_file, the path of a file that holds it */
};

struct config_setting {
    const char *key; /* dotted: "cache.ttl.01" */
    enum config_type type;
    const char *fallback; /* the default, as text that the environment could give */
    int64_t least, most;  /* bounds of integers (as numbers) and durations (in milliseconds) */
    const char *const *words;  /* of CONFIG_ENUM, ended by NULL */
    /* Further check of a text; NULL or a phrase that says what is wrong ("is not an address"). */
    const char *(*check)(const char *text);
    size_t offset;  /* of the member in struct config */
    const char *help;
};

extern const struct config_setting config_table[];
extern const size_t config_table_count;

/*
 * Loads everything. `path` NULL: SANYAO_CONFIG, then /etc/sanyao/sanyao.jsonc if it is there, else
 * none. `environment` is as `environ`. NULL with a complaint that names file, line and key (or the
 * environment variable). Also refuses what is impossible together (auth off on an outside address).
 */
struct config *config_load(const char *path, char *const *environment,
                           struct complaint *complaint);

/* Secrets are wiped. NULL is accepted. */
void config_free(struct config *config);

/* Every setting with its value and its source, one a line; secrets as "(set)" or "(not set)". */
void config_print(const struct config *config, FILE *out);

/* Is every address of the list loopback or a Unix socket? */
bool config_is_local(const char *address);
