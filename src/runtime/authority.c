#include "runtime/authority.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>

static bool read_port(const char *text, size_t size, int *port) {
    if (size == 0 || size > 5)
        return false;
    *port = 0;
    for (size_t i = 0; i < size; i++) {
        if (!isdigit((unsigned char)text[i]))
            return false;
        *port = *port * 10 + (text[i] - '0');
    }
    return *port <= 65535;
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

bool authority_parse(const char *text, size_t size, struct authority *authority) {
    *authority = (struct authority){.v6 = size > 0 && text[0] == '[', .port = -1};
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
    return rest_size == 0 ||
           (rest[0] == ':' && read_port(rest + 1, rest_size - 1, &authority->port));
}

bool authority_is_loopback(const char *host) {
    struct in_addr v4;
    if (inet_pton(AF_INET, host, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127;
    struct in6_addr v6;
    if (inet_pton(AF_INET6, host, &v6) == 1) {
        bool mapped = IN6_IS_ADDR_V4MAPPED(&v6);
        return mapped ? v6.s6_addr[12] == 127 : IN6_IS_ADDR_LOOPBACK(&v6);
    }
    return strcasecmp(host, "localhost") == 0;
}
