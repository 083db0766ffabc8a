#include "runtime/config_parts.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define PREFIX      "SANYAO_"
#define FILE_SUFFIX "_FILE"

static void flatten(const char *key, int (*letter)(int), char *out, size_t room) {
    size_t i = 0;
    for (; key[i] != '\0' && i + 1 < room; i++)
        out[i] = key[i] == '.' ? '_' : (char)letter((unsigned char)key[i]);
    out[i] = '\0';
}

void config_variable_name(const struct config_setting *setting, char name[CONFIG_NAME_SIZE]) {
    size_t prefix = strlen(PREFIX);
    memcpy(name, PREFIX, prefix);
    flatten(setting->key, toupper, name + prefix, CONFIG_NAME_SIZE - prefix);
}

void config_credential_name(const struct config_setting *setting, char name[CONFIG_NAME_SIZE]) {
    flatten(setting->key, tolower, name, CONFIG_NAME_SIZE);
}

const char *config_variable(const char *const *environment, const char *name) {
    size_t size = strlen(name);
    for (; *environment != NULL; environment++) {
        if (strncmp(*environment, name, size) == 0 && (*environment)[size] == '=')
            return *environment + size + 1;
    }
    return NULL;
}

void config_name_show(const char *name, size_t size, char shown[CONFIG_NAME_SIZE]) {
    size_t i = 0;
    for (; i < size && i + 1 < CONFIG_NAME_SIZE; i++)
        shown[i] = isgraph((unsigned char)name[i]) ? name[i] : '?';
    shown[i] = '\0';
}

/* ---- the nearest name ---- */

static size_t least_of(size_t a, size_t b, size_t c) {
    size_t least = a < b ? a : b;
    return least < c ? least : c;
}

/* How many letters must be added, taken away or changed; both names are shorter than the row. */
static size_t distance(const char *a, const char *b) {
    size_t row[CONFIG_NAME_SIZE];
    size_t width = strlen(b);
    for (size_t j = 0; j <= width; j++)
        row[j] = j;
    for (size_t i = 0; a[i] != '\0'; i++) {
        size_t corner = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < width; j++) {
            size_t above = row[j + 1];
            bool same = tolower((unsigned char)a[i]) == tolower((unsigned char)b[j]);
            row[j + 1] = least_of(above + 1, row[j] + 1, corner + (same ? 0 : 1));
            corner = above;
        }
    }
    return row[width];
}

struct nearest {
    size_t best; /* the distance from which on a name is no longer near */
    char name[CONFIG_NAME_SIZE];
};

static void consider(struct nearest *nearest, const char *name, size_t found) {
    if (found >= nearest->best)
        return;
    nearest->best = found;
    snprintf(nearest->name, sizeof nearest->name, "%s", name);
}

static void write_hint(const struct nearest *nearest, char hint[CONFIG_HINT_SIZE]) {
    hint[0] = '\0';
    if (nearest->name[0] != '\0')
        snprintf(hint, CONFIG_HINT_SIZE, " (did you mean \"%s\"?)", nearest->name);
}

/* A third of the letters may be wrong. */
static size_t tolerance(const char *name) {
    return strlen(name) / 3 + 1;
}

void config_key_hint(const char *key, char hint[CONFIG_HINT_SIZE]) {
    struct nearest nearest = {.best = tolerance(key)};
    const char *dot = strrchr(key, '.');
    const char *leaf = dot != NULL ? dot + 1 : key;
    for (size_t i = 0; i < config_table_count && strlen(key) < CONFIG_NAME_SIZE; i++) {
        char name[CONFIG_NAME_SIZE];
        snprintf(name, sizeof name, "%s%s", config_table[i].key,
                 config_table[i].type == CONFIG_SECRET ? "_file" : "");
        consider(&nearest, name, distance(key, name));
        /* The right name in the wrong object is nearer than any misspelling but of one letter. */
        const char *last = strrchr(name, '.');
        if (strcasecmp(last != NULL ? last + 1 : name, leaf) == 0)
            consider(&nearest, name, 1);
    }
    write_hint(&nearest, hint);
}

static void variable_hint(const char *variable, char hint[CONFIG_HINT_SIZE]) {
    struct nearest nearest = {.best = tolerance(variable + strlen(PREFIX))};
    for (size_t i = 0; i < config_table_count && strlen(variable) < CONFIG_NAME_SIZE; i++) {
        char name[CONFIG_NAME_SIZE];
        config_variable_name(&config_table[i], name);
        consider(&nearest, name, distance(variable, name));
        size_t size = strlen(name);
        snprintf(name + size, sizeof name - size, FILE_SUFFIX);
        consider(&nearest, name, distance(variable, name));
    }
    write_hint(&nearest, hint);
}

/* ---- which variables are whose ---- */

/* Variables that are ours and no settings: where those are, and a caller's key for the commands. */
static bool is_no_setting(const char *variable, size_t size) {
    static const char *const names[] = {PREFIX "CONFIG", PREFIX "KEY"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (size == strlen(names[i]) && strncmp(variable, names[i], size) == 0)
            return true;
    }
    return false;
}

static bool is_known(const char *variable, size_t size) {
    char name[CONFIG_NAME_SIZE];
    if (is_no_setting(variable, size))
        return true;
    for (size_t i = 0; i < config_table_count; i++) {
        config_variable_name(&config_table[i], name);
        size_t length = strlen(name);
        if (size < length || strncmp(variable, name, length) != 0)
            continue;
        if (size == length || (size == length + strlen(FILE_SUFFIX) &&
                               strncmp(variable + length, FILE_SUFFIX, size - length) == 0))
            return true;
    }
    return false;
}

static bool ends_with(const char *name, const char *ending) {
    size_t size = strlen(name);
    size_t tail = strlen(ending);
    return size >= tail && strcmp(name + size - tail, ending) == 0;
}

static bool has_protocol(const char *text, const char *rest_format) {
    static const char *const protocols[] = {"tcp", "udp", "sctp", "TCP", "UDP", "SCTP"};
    for (size_t i = 0; i < sizeof protocols / sizeof protocols[0]; i++) {
        size_t size = strlen(protocols[i]);
        if (strncmp(text, protocols[i], size) == 0 &&
            strncmp(text + size, rest_format, strlen(rest_format)) == 0)
            return true;
    }
    return false;
}

/* "8080_TCP", "8080_TCP_ADDR" … : what Kubernetes puts behind NAME_PORT_. */
static bool is_numbered_port(const char *text) {
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || text[digits] != '_' || !has_protocol(text + digits + 1, ""))
        return false;
    const char *rest = text + digits + 1 + strcspn(text + digits + 1, "_");
    return rest[0] == '\0' || strcmp(rest, "_PROTO") == 0 || strcmp(rest, "_PORT") == 0 ||
           strcmp(rest, "_ADDR") == 0;
}

/*
 * Kubernetes describes each service of the namespace in the environment of every container. For one
 * called "sanyao" or "sanyao-x", with NAME as SANYAO or SANYAO_X, that is NAME_SERVICE_HOST,
 * NAME_SERVICE_PORT, NAME_SERVICE_PORT_<name of the port>, NAME_PORT=<protocol>://…, and
 * NAME_PORT_<number>_<protocol> with _PROTO, _PORT and _ADDR. NAME_PORT needs its value to be told
 * from a guess at a setting: SANYAO_PORT=8080 is refused.
 */
static bool is_kubernetes(const char *name, const char *value) {
    if (ends_with(name, "_SERVICE_HOST") || ends_with(name, "_SERVICE_PORT") ||
        strstr(name, "_SERVICE_PORT_") != NULL)
        return true;
    if (ends_with(name, "_PORT") && has_protocol(value, "://"))
        return true;
    for (const char *at = strstr(name, "_PORT_"); at != NULL; at = strstr(at + 1, "_PORT_")) {
        if (is_numbered_port(at + strlen("_PORT_")))
            return true;
    }
    return false;
}

static bool refuse_unknown(const char *variable, size_t size, struct complaint *complaint) {
    char shown[CONFIG_NAME_SIZE];
    char hint[CONFIG_HINT_SIZE];
    config_name_show(variable, size, shown);
    variable_hint(shown, hint);
    return complain(complaint, "%s: no setting has this variable%s", shown, hint);
}

static bool check_variable(const char *variable, struct complaint *complaint) {
    char name[256];
    size_t size = strcspn(variable, "=");
    if (strncmp(variable, PREFIX, strlen(PREFIX)) != 0 || is_known(variable, size))
        return true;
    if (variable[size] == '=' && size < sizeof name) {
        snprintf(name, sizeof name, "%.*s", (int)size, variable);
        if (is_kubernetes(name, variable + size + 1))
            return true;
    }
    return refuse_unknown(variable, size, complaint);
}

bool config_environment_check(const char *const *environment, struct complaint *complaint) {
    for (; *environment != NULL; environment++) {
        if (!check_variable(*environment, complaint))
            return false;
    }
    return true;
}
