#include "runtime/config_parts.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>

#define UNIX_PREFIX   "unix:"
#define SQLITE_PREFIX "sqlite:"

static const char ADDRESS_WANTED[] = "must be host:port, [v6]:port or unix:PATH";

/* What stands before a URL's path, or all of a listener's address. */
struct authority {
    char host[254]; /* a name, or an IP address without brackets */
    bool v6;
    bool has_port;
};

static bool starts_with(const char *text, const char *prefix) {
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool is_port(const char *text, size_t size) {
    if (size == 0 || size > 5)
        return false;
    long port = 0;
    for (size_t i = 0; i < size; i++) {
        if (!isdigit((unsigned char)text[i]))
            return false;
        port = port * 10 + (text[i] - '0');
    }
    return port <= 65535;
}

static bool is_v4(const char *host) {
    struct in_addr address;
    return inet_pton(AF_INET, host, &address) == 1;
}

static bool is_v6(const char *host) {
    struct in6_addr address;
    return inet_pton(AF_INET6, host, &address) == 1;
}

/* A name, with the underscores that container networks like, and no empty label. */
static bool is_name(const char *host) {
    const char *letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    if (host[0] == '\0' || host[0] == '.' || host[0] == '-' || strstr(host, "..") != NULL)
        return false;
    return host[strspn(host, letters)] == '\0';
}

static bool is_host(const struct authority *authority) {
    if (authority->v6)
        return is_v6(authority->host);
    /* What looks like an IPv4 address must be a whole one: libraries read "127.1" differently. */
    if (authority->host[strspn(authority->host, "0123456789.")] == '\0')
        return is_v4(authority->host);
    return is_name(authority->host);
}

static bool split_authority(const char *text, size_t size, struct authority *authority) {
    *authority = (struct authority){.v6 = size > 0 && text[0] == '['};
    const char *end = authority->v6 ? memchr(text, ']', size) : memchr(text, ':', size);
    const char *host = authority->v6 ? text + 1 : text;
    if (authority->v6 && end == NULL)
        return false;
    size_t host_size = end != NULL ? (size_t)(end - host) : size;
    if (host_size >= sizeof authority->host)
        return false;
    memcpy(authority->host, host, host_size);
    if (!is_host(authority))
        return false;

    const char *rest = host + host_size + (authority->v6 ? 1 : 0);
    size_t rest_size = size - (size_t)(rest - text);
    authority->has_port = rest_size > 0;
    return rest_size == 0 || (rest[0] == ':' && is_port(rest + 1, rest_size - 1));
}

static bool is_loopback(const struct authority *authority) {
    struct in_addr v4;
    if (inet_pton(AF_INET, authority->host, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127;
    struct in6_addr v6;
    if (inet_pton(AF_INET6, authority->host, &v6) == 1) {
        bool mapped = IN6_IS_ADDR_V4MAPPED(&v6);
        return mapped ? v6.s6_addr[12] == 127 : IN6_IS_ADDR_LOOPBACK(&v6);
    }
    return strcasecmp(authority->host, "localhost") == 0;
}

const char *config_check_address(const char *text) {
    if (starts_with(text, UNIX_PREFIX)) {
        size_t size = strlen(text + strlen(UNIX_PREFIX));
        return size >= 1 && size <= 107 ? NULL : "must have a path of 1 to 107 bytes behind unix:";
    }
    struct authority authority;
    bool good = split_authority(text, strlen(text), &authority) && authority.has_port;
    return good ? NULL : ADDRESS_WANTED;
}

bool config_is_local(const char *address) {
    if (starts_with(address, UNIX_PREFIX))
        return true;
    struct authority authority;
    return split_authority(address, strlen(address), &authority) && is_loopback(&authority);
}

const char *config_check_store(const char *text) {
    if (starts_with(text, "redis"))
        return "is a Redis address, but this version has only the embedded store: sqlite:PATH";
    if (!starts_with(text, SQLITE_PREFIX))
        return "must be sqlite:PATH";
    const char *path = text + strlen(SQLITE_PREFIX);
    if (path[0] == '\0')
        return "must have the path of a file behind sqlite:";
    if (path[0] == ':')
        return "must name a file: what is kept only in memory is paid for again after a restart";
    return NULL;
}

static const char *url_rest(const char *url) {
    if (starts_with(url, "https://"))
        return url + strlen("https://");
    if (starts_with(url, "http://"))
        return url + strlen("http://");
    return NULL;
}

static bool is_path(const char *path) {
    for (; *path != '\0'; path++) {
        bool escape =
            path[0] == '%' && isxdigit((unsigned char)path[1]) && isxdigit((unsigned char)path[2]);
        bool plain = isalnum((unsigned char)*path) || strchr("-._~!$&'()*+,;=:@/", *path) != NULL;
        if (!escape && !plain)
            return false;
    }
    return true;
}

const char *config_check_url(const char *text) {
    const char *rest = url_rest(text);
    if (rest == NULL)
        return "must begin with https:// (or http://)";
    if (strpbrk(rest, "?#") != NULL)
        return "must have neither a query (?) nor a fragment (#): sanyao adds the query itself";
    size_t size = strcspn(rest, "/");
    if (memchr(rest, '@', size) != NULL)
        return "must not hold a user name or password";
    struct authority authority;
    if (!split_authority(rest, size, &authority))
        return "must have a host name or address, and perhaps :port, behind the //";
    if (!is_path(rest + size))
        return "has a path with characters that a URL writes as %XX";
    return NULL;
}

bool config_url_is_local(const char *url) {
    const char *rest = url_rest(url);
    struct authority authority;
    return rest != NULL && split_authority(rest, strcspn(rest, "/"), &authority) &&
           is_loopback(&authority);
}

bool config_url_is_plain(const char *url) {
    return starts_with(url, "http://");
}

const char *config_check_status(const char *text) {
    size_t size = strlen(text);
    bool good = strcmp(text, "*") == 0 ||
                (size >= 1 && size < RESULT_STATUS_SIZE && strspn(text, "0123456789") == size);
    return good ? NULL : "must be a status such as \"01\", or \"*\" for every answer";
}

const char *config_check_prefix(const char *text) {
    size_t size = strlen(text);
    bool good = size >= 3 && size <= 11 && strspn(text, "0123456789") == size && text[0] == '1';
    return good ? NULL : "must be the first 3 to 11 digits of a number, beginning with 1";
}

const char *config_check_hash_key(const char *text) {
    bool good = strlen(text) == 64 && strspn(text, "0123456789abcdefABCDEF") == 64;
    return good ? NULL : "must be 64 hexadecimal characters; `openssl rand -hex 32` makes one";
}

const char *config_check_appcode(const char *text) {
    size_t size = strlen(text);
    for (size_t i = 0; i < size; i++) {
        if (!isgraph((unsigned char)text[i]))
            return "must be visible ASCII without spaces, as the seller shows it (32 characters)";
    }
    return size >= 1 && size <= 128 ? NULL : "must be 1 to 128 characters (the seller's have 32)";
}
