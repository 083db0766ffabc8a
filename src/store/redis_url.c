#include "store/redis_url.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>

#include <sodium.h>

#define DATABASE_DIGITS 5
#define DATABASE_QUERY  "?database="

static const char TOO_LONG[] = "has a user or password that is too long";
static const char USER_WANTED[] = "must have user:password or :password before the @";
static const char DATABASE_WANTED[] = "must have the number of a database behind the last /";
static const char ESCAPES_WANTED[] =
    "has a user or password with characters that a URL writes as %XX";

static const struct scheme {
    const char *prefix;
    enum redis_transport transport;
    int port;
    const char *host_wanted;
} schemes[] = {
    {"redis://", REDIS_TCP, 6379,
     "must have a host name or address, and perhaps :port, behind redis://"},
    {"rediss://", REDIS_TLS, 6379,
     "must have a host name or address, and perhaps :port, behind rediss://"},
    {"redis+sentinel://", REDIS_SENTINEL, 26379,
     "must have 1 to 8 hosts, each perhaps with :port, behind redis+sentinel://"},
    {"redis+unix:", REDIS_UNIX, 0, NULL},
};

/* A part of the text. */
struct span {
    const char *at;
    size_t size;
};

static struct span span_until(const char *begin, const char *end) {
    return (struct span){begin, (size_t)(end - begin)};
}

static bool starts_with(const char *text, const char *prefix) {
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static const struct scheme *scheme_of(const char *text) {
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        if (starts_with(text, schemes[i].prefix))
            return &schemes[i];
    }
    return NULL;
}

/* ---- parts ---- */

static int hex_value(char c) {
    if (!isxdigit((unsigned char)c))
        return -1;
    return isdigit((unsigned char)c) ? c - '0' : tolower((unsigned char)c) - 'a' + 10;
}

enum decoded { DECODED, DECODED_BAD, DECODED_TOO_LONG };

/* What RFC 3986 lets stand as it is before an `@`. */
static bool is_plain(char c) {
    return isalnum((unsigned char)c) || (c != '\0' && strchr("-._~!$&'()*+,;=:", c) != NULL);
}

static enum decoded decode(struct span span, char *out, size_t room) {
    size_t used = 0;
    for (size_t i = 0; i < span.size; i++) {
        char c = span.at[i];
        if (c == '%') {
            int high = i + 2 < span.size ? hex_value(span.at[i + 1]) : -1;
            int low = high >= 0 ? hex_value(span.at[i + 2]) : -1;
            if (low < 0 || (high == 0 && low == 0))
                return DECODED_BAD;
            c = (char)(high << 4 | low);
            i += 2;
        } else if (!is_plain(c)) {
            return DECODED_BAD;
        }
        if (used + 1 >= room)
            return DECODED_TOO_LONG;
        out[used++] = c;
    }
    out[used] = '\0';
    return DECODED;
}

static bool read_database(struct span span, int *database) {
    if (span.size == 0 || span.size > DATABASE_DIGITS)
        return false;
    *database = 0;
    for (size_t i = 0; i < span.size; i++) {
        if (!isdigit((unsigned char)span.at[i]))
            return false;
        *database = *database * 10 + (span.at[i] - '0');
    }
    return true;
}

static const char *read_login(struct span login, struct redis_url *url) {
    const char *colon = memchr(login.at, ':', login.size);
    if (colon == NULL)
        return USER_WANTED;
    struct span password = span_until(colon + 1, login.at + login.size);
    if (password.size == 0)
        return USER_WANTED;
    enum decoded user = decode(span_until(login.at, colon), url->user, sizeof url->user);
    enum decoded word = decode(password, url->password, sizeof url->password);
    if (user == DECODED_BAD || word == DECODED_BAD)
        return ESCAPES_WANTED;
    return user == DECODED && word == DECODED ? NULL : TOO_LONG;
}

static bool add_address(struct span text, int default_port, struct redis_url *url) {
    struct authority authority;
    if (url->address_count == REDIS_URL_ADDRESSES ||
        !authority_parse(text.at, text.size, &authority) || authority.port == 0)
        return false;
    struct redis_address *address = &url->addresses[url->address_count++];
    memcpy(address->host, authority.host, sizeof address->host);
    address->port = authority.port > 0 ? authority.port : default_port;
    return true;
}

static const char *read_hosts(const struct scheme *scheme, struct span hosts,
                              struct redis_url *url) {
    const char *end = hosts.at + hosts.size;
    const char *comma = NULL;
    for (const char *at = hosts.at; at != NULL; at = comma != NULL ? comma + 1 : NULL) {
        if (scheme->transport == REDIS_SENTINEL)
            comma = memchr(at, ',', (size_t)(end - at));
        if (!add_address(span_until(at, comma != NULL ? comma : end), scheme->port, url))
            return scheme->host_wanted;
    }
    return NULL;
}

/* ---- forms ---- */

/* `/NAME` and perhaps `/database`; leaves the latter in `path`. */
static const char *read_master_name(const char **path, struct redis_url *url) {
    static const char wanted[] =
        "must have the name under which the sentinels know the master behind the hosts: /NAME";
    if ((*path)[0] != '/' || (*path)[1] == '/' || (*path)[1] == '\0')
        return wanted;
    const char *name = *path + 1;
    *path = name + strcspn(name, "/");
    enum decoded read = decode(span_until(name, *path), url->master_name, sizeof url->master_name);
    if (read == DECODED)
        return NULL;
    return read == DECODED_TOO_LONG ? "has a name of a master that is too long"
                                    : "has a name of a master with characters that a URL writes "
                                      "as %XX";
}

static const char *parse_network(const struct scheme *scheme, const char *rest,
                                 struct redis_url *url) {
    const char *path = rest + strcspn(rest, "/?#");
    const char *at = memrchr(rest, '@', (size_t)(path - rest));
    /* A password with a bare slash would end before its own @. */
    if (strchr(path, '@') != NULL)
        return ESCAPES_WANTED;
    if (strpbrk(path, "?#") != NULL)
        return "must have neither a query (?) nor a fragment (#)";
    const char *fault = at != NULL ? read_login(span_until(rest, at), url) : NULL;
    const char *hosts = at != NULL ? at + 1 : rest;
    if (fault == NULL)
        fault = read_hosts(scheme, span_until(hosts, path), url);
    if (fault == NULL && scheme->transport == REDIS_SENTINEL)
        fault = read_master_name(&path, url);
    if (fault != NULL || path[0] == '\0' || strcmp(path, "/") == 0)
        return fault;
    struct span database = {path + 1, strlen(path + 1)};
    return read_database(database, &url->database) ? NULL : DATABASE_WANTED;
}

static const char *parse_unix(const char *rest, struct redis_url *url) {
    size_t size = strcspn(rest, "?");
    if (size == 0 || size >= sizeof url->path)
        return "must have a path of 1 to 107 bytes behind redis+unix:";
    memcpy(url->path, rest, size);
    const char *query = rest + size;
    if (query[0] == '\0')
        return NULL;
    const char *number = starts_with(query, DATABASE_QUERY) ? query + strlen(DATABASE_QUERY) : "";
    struct span database = {number, strlen(number)};
    return read_database(database, &url->database)
               ? NULL
               : "must have nothing but ?database=N behind the path";
}

bool redis_url_is_one(const char *text) {
    static const char *const beginnings[] = {"redis:", "rediss:", "redis+", "rediss+"};
    for (size_t i = 0; i < sizeof beginnings / sizeof beginnings[0]; i++) {
        if (starts_with(text, beginnings[i]))
            return true;
    }
    return false;
}

const char *redis_url_parse(const char *text, struct redis_url *url) {
    struct redis_url local;
    struct redis_url *into = url != NULL ? url : &local;
    *into = (struct redis_url){0};
    const struct scheme *scheme = scheme_of(text);
    const char *fault =
        "must begin with redis://, rediss://, redis+unix: or redis+sentinel:// for a Redis";
    if (scheme != NULL) {
        const char *rest = text + strlen(scheme->prefix);
        into->transport = scheme->transport;
        fault = scheme->transport == REDIS_UNIX ? parse_unix(rest, into)
                                                : parse_network(scheme, rest, into);
    }
    if (fault != NULL || url == NULL)
        sodium_memzero(into, sizeof *into);
    return fault;
}

bool redis_url_is_exposed(const struct redis_url *url) {
    if (url->transport == REDIS_TLS || url->transport == REDIS_UNIX)
        return false;
    for (int i = 0; i < url->address_count; i++) {
        if (!authority_is_loopback(url->addresses[i].host))
            return true;
    }
    return false;
}

const char *redis_url_password(const char *text, size_t *size) {
    const char *slashes = redis_url_is_one(text) ? strstr(text, "://") : NULL;
    if (slashes == NULL || starts_with(text, "redis+unix:"))
        return NULL;
    const char *colon = strchr(slashes + strlen("://"), ':');
    const char *at = strrchr(slashes, '@');
    if (colon == NULL || at == NULL || at <= colon)
        return NULL;
    *size = (size_t)(at - colon - 1);
    return colon + 1;
}
