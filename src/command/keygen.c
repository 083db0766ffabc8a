/* keygen: a new secret, for the hash key or the admin token. Needs no settings. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "command/run.h"
#include "runtime/text.h"

#define KEY_BYTES 32
#define KEY_SIZE  (2 * KEY_BYTES + 1) /* hexadecimal, and a line's end in place of the zero */

enum { KIND, OUTPUT, OPTION_ROWS };

static const struct options_row option_rows[OPTION_ROWS] = {
    [KIND] = {.name = "kind",
              .argument = "KIND",
              .help = "hash (the default): hash.key, under which people are hashed\n"
                      "token: admin.token, for the admin API and its commands",
              .kind = OPTIONS_TEXT},
    [OUTPUT] = {.name = "output",
                .argument = "FILE",
                .help = "write it there, readable by nobody else, instead of showing it;\n"
                        "a file that is there already is left alone",
                .kind = OPTIONS_TEXT},
};

static const struct options_form form = {
    .command = "keygen",
    .about = "Makes a new secret of 64 hexadecimal characters.\n",
    .rows = option_rows,
    .row_count = OPTION_ROWS,
    .json_help = "{\"key\": …} on standard output, or {\"file\": …}, for programs",
};

static const struct kind {
    const char *name;
    const char *purpose;
} kinds[] = {
    {"hash", "This is a hash key, for SANYAO_HASH_KEY_FILE or hash.key_file, the same for all who "
             "share a store.\n"
             "Keep a copy: whoever loses it loses the cache, since no kept answer can be found "
             "without it.\n"},
    {"token", "This is an admin token, for SANYAO_ADMIN_TOKEN_FILE or admin.token_file: of the "
              "service, and\n"
              "of those who give the commands. Losing it costs nothing: make another one.\n"},
};

static const struct kind *kind_of(const char *name) {
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(kinds[i].name, name) == 0)
            return &kinds[i];
    }
    return NULL;
}

static bool write_whole(int fd, const char *key) {
    return write(fd, key, KEY_SIZE) == KEY_SIZE && fsync(fd) == 0;
}

/* A file that was not written whole is taken away again. */
static bool write_file(const char *path, const char *key, struct complaint *complaint) {
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (fd < 0 && errno == EEXIST)
        return complain(complaint, "%s is there already, and is left as it is", path);
    if (fd < 0)
        return complain(complaint, "%s cannot be made: %s", path, strerror(errno));
    bool good = write_whole(fd, key);
    int error = errno;
    good = close(fd) == 0 && good;
    if (good)
        return true;
    unlink(path);
    return complain(complaint, "%s cannot be written: %s", path, strerror(error));
}

/* Past stdio, whose buffers nobody wipes. */
static bool print_key(const char *key, bool json, struct complaint *complaint) {
    char shown[KEY_SIZE + sizeof "{'key':''}"];
    int size = snprintf(shown, sizeof shown, "%s%.*s%s\n", json ? "{\"key\":\"" : "", KEY_SIZE - 1,
                        key, json ? "\"}" : "");
    bool good = write(STDOUT_FILENO, shown, (size_t)size) == size;
    sodium_memzero(shown, sizeof shown);
    return good || complain(complaint, "the key could not be written");
}

static bool print_path(const char *path, struct complaint *complaint) {
    char shown[PATH_MAX + 64];
    struct text text = text_over(shown, sizeof shown);
    text_add_json(&text, path);
    printf("{\"file\":%s}\n", shown);
    return fflush(stdout) == 0 || complain(complaint, "the file's name could not be written");
}

static bool hand_over(const struct options *options, const char *key, struct complaint *complaint) {
    const char *path = options->values[OUTPUT];
    if (path == NULL)
        return print_key(key, options->json, complaint);
    return write_file(path, key, complaint) && (!options->json || print_path(path, complaint));
}

static bool make_key(const struct options *options, struct complaint *complaint) {
    unsigned char bytes[KEY_BYTES];
    char key[KEY_SIZE];
    randombytes_buf(bytes, sizeof bytes);
    sodium_bin2hex(key, sizeof key, bytes, sizeof bytes);
    key[KEY_SIZE - 1] = '\n';
    bool good = hand_over(options, key, complaint);
    sodium_memzero(bytes, sizeof bytes);
    sodium_memzero(key, sizeof key);
    return good;
}

int command_keygen(int argc, char **argv) {
    struct options options;
    struct complaint complaint;
    int code = options_parse(&form, argc, argv, &options);
    if (code >= 0)
        return code;
    const struct kind *kind = kind_of(options.values[KIND] != NULL ? options.values[KIND] : "hash");
    if (kind == NULL)
        return options_misuse(&form, "--kind must be hash or token");
    if (!run_begin(&complaint) || !make_key(&options, &complaint)) {
        fprintf(stderr, "sanyao: %s\n", complaint.text);
        return COMMAND_FAILED;
    }
    fputs(kind->purpose, stderr);
    return COMMAND_DONE;
}
