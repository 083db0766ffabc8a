#include "runtime/config_parts.h"

#include <ctype.h>
#include <string.h>

#include <sodium.h>

#include "runtime/authority.h"
#include "store/redis_url.h"
#include "upstream/provider.h"

#define UNIX_PREFIX   "unix:"
#define SQLITE_PREFIX "sqlite:"

static const char ADDRESS_WANTED[] = "must be host:port, [v6]:port or unix:PATH";

static bool starts_with(const char *text, const char *prefix) {
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

const char *config_check_address(const char *text) {
    if (starts_with(text, UNIX_PREFIX)) {
        size_t size = strlen(text + strlen(UNIX_PREFIX));
        return size >= 1 && size <= 107 ? NULL : "must have a path of 1 to 107 bytes behind unix:";
    }
    struct authority authority;
    bool good = authority_parse(text, strlen(text), &authority) && authority.port >= 0;
    return good ? NULL : ADDRESS_WANTED;
}

bool config_is_local(const char *address) {
    if (starts_with(address, UNIX_PREFIX))
        return true;
    struct authority authority;
    return authority_parse(address, strlen(address), &authority) &&
           authority_is_loopback(authority.host);
}

/* Libraries take a path that begins with a colon for a database in memory. */
const char *config_check_file(const char *path) {
    if (path[0] == ':')
        return "must name a file: what is kept only in memory is paid for again after a restart";
    return NULL;
}

const char *config_check_store(const char *text) {
    if (redis_url_is_one(text))
        return redis_url_parse(text, NULL);
    if (!starts_with(text, SQLITE_PREFIX))
        return "must be sqlite:PATH or the address of a Redis, such as rediss://host/0";
    const char *path = text + strlen(SQLITE_PREFIX);
    if (path[0] == '\0')
        return "must have the path of a file behind sqlite:";
    return config_check_file(path);
}

const char *config_check_ledger(const char *text) {
    if (redis_url_is_one(text))
        return redis_url_parse(text, NULL);
    return "must be the address of a Redis, such as rediss://host/0";
}

bool config_store_is_shared(const char *url) {
    return redis_url_is_one(url);
}

const char *config_store_warning(const char *url) {
    struct redis_url parsed;
    const char *fault = redis_url_parse(url, &parsed);
    bool exposed = fault == NULL && redis_url_is_exposed(&parsed);
    enum redis_transport transport = parsed.transport;
    sodium_memzero(&parsed, sizeof parsed);
    if (!exposed)
        return NULL;
    /* For sentinels there is no form with TLS. */
    return transport == REDIS_SENTINEL
               ? "is not encrypted (redis+sentinel://): keep it in a private network"
               : "is not encrypted (redis://): use rediss:// unless the network is private";
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
    if (!authority_parse(rest, size, &authority))
        return "must have a host name or address, and perhaps :port, behind the //";
    if (!is_path(rest + size))
        return "has a path with characters that a URL writes as %XX";
    return NULL;
}

bool config_url_is_local(const char *url) {
    const char *rest = url_rest(url);
    struct authority authority;
    return rest != NULL && authority_parse(rest, strcspn(rest, "/"), &authority) &&
           authority_is_loopback(authority.host);
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

static bool is_visible(const char *text) {
    while (isgraph((unsigned char)*text))
        text++;
    return *text == '\0';
}

const char *config_check_token(const char *text) {
    size_t size = strlen(text);
    bool good = size >= 32 && size <= 256 && is_visible(text);
    return good ? NULL
                : "must be 32 to 256 visible ASCII characters; `openssl rand -hex 32` makes some";
}

const char *config_check_appcode(const char *text) {
    size_t size = strlen(text);
    if (!is_visible(text))
        return "must be visible ASCII without spaces, as the seller shows it (32 characters)";
    return size >= 1 && size <= 128 ? NULL : "must be 1 to 128 characters (the seller's have 32)";
}

/* ---- items of lists ---- */

static const char ID_WANTED[] =
    "must begin with a name of 1 to 40 characters, a-z, 0-9 and - (not as the first), and =";

/* Lists of percents and prices name calls and money with digits only, without leading zeros. */
static bool is_number(const char *text, size_t size, size_t most_digits) {
    return size >= 1 && size <= most_digits && strspn(text, "0123456789") >= size &&
           (size == 1 || text[0] != '0');
}

/* Behind the = that ends the item's name; NULL: it has none that is good. */
static const char *behind_name(const char *item) {
    size_t size = strspn(item, "abcdefghijklmnopqrstuvwxyz0123456789-");
    bool good = size >= 1 && size <= 40 && item[0] != '-' && item[size] == '=';
    return good ? item + size + 1 : NULL;
}

/* Who forgets that a file is named here gives the secret itself. */
static const char *check_path(const char *path) {
    if (path[0] == '\0')
        return "must end with the path of a file";
    if (strstr(path, "://") != NULL)
        return "must end with the path of a file that holds the address, not with the address";
    return NULL;
}

const char *config_check_credential(const char *item) {
    const char *path = behind_name(item);
    return path != NULL ? check_path(path) : ID_WANTED;
}

int config_webhook_kind(const char *text, size_t size) {
    static const char *const names[] = {
        [CONFIG_WEBHOOK_GENERIC] = "generic",
        [CONFIG_WEBHOOK_DINGTALK] = "dingtalk",
        [CONFIG_WEBHOOK_WECOM] = "wecom",
        [CONFIG_WEBHOOK_FEISHU] = "feishu",
    };
    for (int i = 0; i < (int)(sizeof names / sizeof names[0]); i++) {
        if (strlen(names[i]) == size && memcmp(names[i], text, size) == 0)
            return i;
    }
    return -1;
}

const char *config_check_webhook(const char *item) {
    const char *kind = behind_name(item);
    if (kind == NULL)
        return ID_WANTED;
    size_t size = strcspn(kind, ":");
    if (kind[size] != ':' || config_webhook_kind(kind, size) < 0)
        return "must have generic:, dingtalk:, wecom: or feishu: behind the =";
    return check_path(kind + size + 1);
}

const char *config_check_webhook_url(const char *text) {
    const char *rest = url_rest(text);
    struct authority authority;
    if (rest == NULL)
        return "must begin with https:// (or http://)";
    if (strlen(text) > 2048 || !is_visible(text) || strchr(text, '#') != NULL)
        return "must be at most 2048 visible ASCII characters without #";
    size_t size = strcspn(rest, "/?");
    if (memchr(rest, '@', size) != NULL)
        return "must not hold a user name or password";
    if (!authority_parse(rest, size, &authority))
        return "must have a host name or address, and perhaps :port, behind the //";
    return NULL;
}

const char *config_check_percent(const char *text) {
    size_t size = strlen(text);
    bool good = is_number(text, size, 2) || strcmp(text, "100") == 0;
    return good ? NULL : "must be a whole number of percent from 0 to 100, without a sign";
}

const char *config_check_price(const char *item) {
    size_t calls = strcspn(item, "=");
    const char *price = item + calls + (item[calls] == '=' ? 1 : 0);
    size_t yuan = strcspn(price, ".");
    size_t decimals = price[yuan] == '.' ? strspn(price + yuan + 1, "0123456789") : 0;
    size_t end = yuan + (price[yuan] == '.' ? 1 + decimals : 0);
    bool good = item[calls] == '=' && item[0] != '0' && is_number(item, calls, 9) &&
                is_number(price, yuan, 9) && price[end] == '\0' && decimals <= 2 &&
                (price[yuan] == '\0' || decimals > 0);
    return good ? NULL : "must be CALLS=CNY, such as 1000=288 or 100=29.90";
}

const char *config_check_provider(const char *item) {
    return provider_check_id(item);
}
