#include "runtime/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#define EXPOSING_MODE (S_IROTH | S_IWOTH | S_IWGRP)

static enum secret_outcome refuse(struct complaint *complaint, const char *path,
                                  const char *reason) {
    complain(complaint, "%s: %s", path, reason);
    return SECRET_REFUSED;
}

static bool read_fully(int fd, char *buffer, size_t room, size_t *size) {
    *size = 0;
    while (*size < room) {
        ssize_t got = read(fd, buffer + *size, room - *size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return false;
        if (got == 0)
            break;
        *size += (size_t)got;
    }
    return true;
}

static size_t without_newline(const char *text, size_t size) {
    if (size > 0 && text[size - 1] == '\n')
        size--;
    else
        return size;
    if (size > 0 && text[size - 1] == '\r')
        size--;
    return size;
}

/* Room for "\r\n" and for one byte too many, which tells that the file is too large. */
#define BUFFER_SIZE (SECRET_SIZE_MAX + 3)

static const char *read_text(int fd, char *buffer) {
    size_t size = 0;
    if (!read_fully(fd, buffer, BUFFER_SIZE, &size))
        return strerror(errno);
    size = without_newline(buffer, size);
    if (size > SECRET_SIZE_MAX)
        return "is longer than 4096 bytes, too long for a secret";
    if (size == 0)
        return "is empty";
    if (memchr(buffer, '\0', size) != NULL)
        return "holds a NUL byte; a secret is text";
    buffer[size] = '\0';
    return NULL;
}

static enum secret_outcome read_descriptor(int fd, const char *path, struct secret *secret,
                                           struct complaint *complaint) {
    struct stat status;
    if (fstat(fd, &status) != 0)
        return refuse(complaint, path, strerror(errno));
    if (!S_ISREG(status.st_mode))
        return refuse(complaint, path, "is not a regular file");
    char *buffer = sodium_malloc(BUFFER_SIZE);
    if (buffer == NULL)
        return refuse(complaint, path, "no memory for it");
    const char *reason = read_text(fd, buffer);
    if (reason != NULL) {
        secret_free(buffer);
        return refuse(complaint, path, reason);
    }
    secret->text = buffer;
    secret->exposed = (status.st_mode & EXPOSING_MODE) != 0;
    return SECRET_READ;
}

enum secret_outcome secret_read(const char *path, struct secret *secret,
                                struct complaint *complaint) {
    *secret = (struct secret){0};
    /* O_NONBLOCK: opening a pipe must not wait for its writer; it is refused right after. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        int error = errno;
        refuse(complaint, path, strerror(error));
        return error == ENOENT || error == ENOTDIR ? SECRET_ABSENT : SECRET_REFUSED;
    }
    enum secret_outcome outcome = read_descriptor(fd, path, secret, complaint);
    close(fd);
    return outcome;
}

struct secret_mark secret_mark_of(const char *path) {
    struct stat status;
    if (stat(path, &status) != 0)
        return (struct secret_mark){.there = false};
    return (struct secret_mark){
        .there = true,
        .device = status.st_dev,
        .inode = status.st_ino,
        .size = status.st_size,
        .changed_s = status.st_mtim.tv_sec,
        .changed_ns = status.st_mtim.tv_nsec,
    };
}

bool secret_mark_equal(const struct secret_mark *a, const struct secret_mark *b) {
    return a->there == b->there && a->device == b->device && a->inode == b->inode &&
           a->size == b->size && a->changed_s == b->changed_s && a->changed_ns == b->changed_ns;
}

char *secret_copy(const char *text) {
    size_t size = strlen(text) + 1;
    char *copy = sodium_malloc(size);
    if (copy != NULL)
        memcpy(copy, text, size);
    return copy;
}

void secret_free(char *text) {
    sodium_free(text);
}
