#include "command/person.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Not buffered: nothing of it is left behind in a buffer that nobody wipes. */
static bool read_file(FILE *file, const char *path, char person[PERSON_SIZE],
                      struct complaint *complaint) {
    setvbuf(file, NULL, _IONBF, 0);
    size_t size = fread(person, 1, PERSON_SIZE, file);
    if (ferror(file))
        return complain(complaint, "%s cannot be read: %s", path, strerror(errno));
    if (size == PERSON_SIZE)
        return complain(complaint, "%s is too long for one person", path);
    person[size] = '\0';
    return strlen(person) == size ||
           complain(complaint, "%s holds a zero byte, which no text does", path);
}

bool person_read(const char *path, char person[PERSON_SIZE], struct complaint *complaint) {
    if (path == NULL || strcmp(path, "-") == 0)
        return read_file(stdin, "standard input", person, complaint);
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return complain(complaint, "%s cannot be opened: %s", path, strerror(errno));
    bool good = read_file(file, path, person, complaint);
    fclose(file);
    return good;
}

char *person_trim(char *text) {
    text += strspn(text, " \t\r\n");
    size_t size = strlen(text);
    while (size > 0 && isspace((unsigned char)text[size - 1]))
        size--;
    text[size] = '\0';
    return text;
}
