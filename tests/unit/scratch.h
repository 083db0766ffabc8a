#pragma once
/*
 * scratch: a directory of a test's own, made by scratch_setup and emptied by scratch_teardown
 * (cmocka fixtures). Paths are valid until the next test.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char scratch_directory[64];

static inline int scratch_setup(void **state) {
    (void)state;
    strcpy(scratch_directory, "/tmp/sanyao-test-XXXXXX");
    return mkdtemp(scratch_directory) == NULL ? -1 : 0;
}

static inline int scratch_teardown(void **state) {
    (void)state;
    DIR *directory = opendir(scratch_directory);
    for (struct dirent *entry; directory != NULL && (entry = readdir(directory)) != NULL;) {
        if (entry->d_name[0] != '.')
            unlinkat(dirfd(directory), entry->d_name, 0);
    }
    if (directory != NULL)
        closedir(directory);
    return rmdir(scratch_directory);
}

/* The path of `name` in the directory; one of eight buffers, used in turn. */
static inline const char *scratch_path(const char *name) {
    static char paths[8][160];
    static size_t next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", scratch_directory, name);
    return path;
}

static inline const char *scratch_write(const char *name, const void *bytes, size_t size,
                                        mode_t mode) {
    const char *path = scratch_path(name);
    FILE *file = fopen(path, "w");
    if (file == NULL || fwrite(bytes, 1, size, file) != size || fclose(file) != 0 ||
        chmod(path, mode) != 0) {
        perror(path);
        abort();
    }
    return path;
}

static inline const char *scratch_text(const char *name, const char *text) {
    return scratch_write(name, text, strlen(text), 0600);
}
