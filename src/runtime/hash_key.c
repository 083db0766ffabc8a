#include "runtime/hash_key.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include "runtime/log.h"

#define HEX_SIZE (DIGEST_KEY_SIZE * 2)

static bool take_hex(const char *hex, struct digest_key *key) {
    uint8_t secret[DIGEST_KEY_SIZE];
    size_t size = 0;
    bool read = strlen(hex) == HEX_SIZE &&
                sodium_hex2bin(secret, sizeof secret, hex, HEX_SIZE, NULL, &size, NULL) == 0 &&
                size == sizeof secret;
    if (read)
        digest_key_init(key, secret);
    sodium_memzero(secret, sizeof secret);
    return read;
}

static bool read_file(int fd, const char *path, struct digest_key *key,
                      struct complaint *complaint) {
    char hex[HEX_SIZE + 2] = "";
    ssize_t size = read(fd, hex, sizeof hex - 1);
    if (size == HEX_SIZE + 1 && hex[HEX_SIZE] == '\n')
        hex[HEX_SIZE] = '\0';
    bool taken = size >= HEX_SIZE && take_hex(hex, key);
    sodium_memzero(hex, sizeof hex);
    if (taken)
        return true;
    return complain(complaint,
                    "%s does not hold a hash key (64 hexadecimal characters); restore it from a "
                    "backup, or remove it to begin with a new key and an empty cache",
                    path);
}

static bool write_all(int fd, const char *bytes, size_t size) {
    return write(fd, bytes, size) == (ssize_t)size && fsync(fd) == 0;
}

/* Under another name first, so that a crash never leaves half a key where a whole one is expected.
 */
static bool make_file(const char *path, struct digest_key *key, struct complaint *complaint) {
    char draft[4096];
    char hex[HEX_SIZE + 2];
    uint8_t secret[DIGEST_KEY_SIZE];
    snprintf(draft, sizeof draft, "%s.new", path);
    randombytes_buf(secret, sizeof secret);
    sodium_bin2hex(hex, sizeof hex, secret, sizeof secret);
    digest_key_init(key, secret);
    sodium_memzero(secret, sizeof secret);
    hex[HEX_SIZE] = '\n';
    int fd = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool written = fd >= 0 && write_all(fd, hex, HEX_SIZE + 1);
    int error = errno;
    if (fd >= 0)
        close(fd);
    sodium_memzero(hex, sizeof hex);
    if (written && rename(draft, path) == 0) {
        log_info("hash key made", LOG_TEXT("file", path));
        return true;
    }
    return complain(complaint, "the hash key cannot be written to %s: %s", path, strerror(error));
}

bool hash_key_load(const struct config *config, struct digest_key *key,
                   struct complaint *complaint) {
    static const char scheme[] = "sqlite:";
    char path[2048];
    if (config->hash_key != NULL)
        return take_hex(config->hash_key, key) ||
               complain(complaint, "hash.key is not 64 hexadecimal characters");
    if (strncmp(config->store_url, scheme, sizeof scheme - 1) != 0)
        return complain(complaint, "hash.key must be given: all who share a store must share it");
    snprintf(path, sizeof path, "%s.hash-key", config->store_url + sizeof scheme - 1);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return make_file(path, key, complaint);
    if (fd < 0)
        return complain(complaint, "the hash key %s cannot be read: %s", path, strerror(errno));
    bool taken = read_file(fd, path, key, complaint);
    close(fd);
    return taken;
}
