#include "command/batch_input.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include <cjson/cJSON.h>
#include <sodium.h>

#include "money/csv.h"
#include "runtime/json_scan.h"
#include "runtime/utf8.h"

static const char byte_order_mark[] = "\xef\xbb\xbf";

static const char fault_long[] = "it is too long";
static const char fault_quote[] = "a quote is opened and never closed";
static const char fault_encoding[] = "it is not text in the file's encoding";
static const char fault_json[] = "it is not one JSON object";
static const char fault_field[] =
    "name, ID number or mobile number is missing, too long, or no text";
static const char fault_id[] = "its id is longer than 128 bytes, or is not one line of text";

/* --- records --- */

static void keep_byte(struct batch_input *input, int byte) {
    if (input->record_size < BATCH_RECORD_MOST)
        input->record[input->record_size++] = (char)byte;
    else
        input->too_long = true;
}

/* Where in a CSV's field a byte stands, as money/csv reads it. */
enum place { FIELD_BEGIN, PLAIN, QUOTED, QUOTE_CLOSED };

static enum place place_after(enum place place, int byte) {
    if (place == QUOTED)
        return byte == '"' ? QUOTE_CLOSED : QUOTED;
    if (byte == '"' && place != PLAIN)
        return QUOTED;
    return byte == ',' ? FIELD_BEGIN : PLAIN;
}

/* False: there is none left. `number` is that of its first line. */
static bool read_record(struct batch_input *input, int64_t *number) {
    enum place place = FIELD_BEGIN;
    int byte = 0;
    input->record_size = 0;
    input->too_long = false;
    *number = input->next_line;
    while ((byte = getc_unlocked(input->file)) != EOF) {
        if (byte == '\n')
            input->next_line++;
        if (byte == '\n' && place != QUOTED)
            break;
        if (input->format == BATCH_CSV)
            place = place_after(place, byte);
        keep_byte(input, byte);
    }
    return byte != EOF || input->record_size > 0;
}

/* Spreadsheet programs write rows of nothing but commas. */
static bool is_blank(const struct batch_input *input) {
    for (size_t i = 0; i < input->record_size; i++) {
        if (strchr(" \t\r\n,\"", input->record[i]) == NULL || input->record[i] == '\0')
            return false;
    }
    return true;
}

/* The next one that is not blank. */
static bool next_record(struct batch_input *input, int64_t *number) {
    do {
        if (!read_record(input, number))
            return false;
    } while (is_blank(input));
    return true;
}

/* --- text --- */

static bool convert(struct batch_input *input, size_t *size) {
    char *in = input->record;
    char *out = input->text;
    size_t in_left = input->record_size;
    size_t out_left = sizeof input->text - 1;
    iconv(input->converter, NULL, NULL, NULL, NULL);
    if (iconv(input->converter, &in, &in_left, &out, &out_left) == (size_t)-1)
        return false;
    *size = sizeof input->text - 1 - out_left;
    return utf8_valid(input->text, *size);
}

/* The record in UTF-8, zero-terminated. */
static bool take_text(struct batch_input *input, size_t *size) {
    bool good;
    if (input->gbk) {
        good = convert(input, size);
    } else {
        memcpy(input->text, input->record, input->record_size);
        *size = input->record_size;
        good = utf8_valid(input->text, *size);
    }
    if (good)
        input->text[*size] = '\0';
    return good;
}

/* --- what a record says --- */

static const char *set_id(struct batch_line *line, const char *text, size_t size) {
    if (size >= sizeof line->id)
        return fault_id;
    for (size_t i = 0; i < size; i++) {
        if ((unsigned char)text[i] < ' ')
            return fault_id;
    }
    memcpy(line->id, text, size);
    line->id[size] = '\0';
    return NULL;
}

/* What is echoed must not tell who is meant. */
static void hide_telling_id(struct batch_line *line) {
    if (line->id[0] != '\0' && triple_appears_in(&line->triple, line->id))
        line->id[0] = '\0';
}

/* Whoever is meant by a line that cannot be read may stand anywhere in it. */
static void forget_line(struct batch_line *line) {
    triple_wipe(&line->triple);
    line->id[0] = '\0';
}

static struct csv_field trimmed(struct csv_field field) {
    while (field.size > 0 && strchr(" \t\r", field.at[0]) != NULL) {
        field.at++;
        field.size--;
    }
    while (field.size > 0 && strchr(" \t\r", field.at[field.size - 1]) != NULL)
        field.size--;
    return field;
}

static bool find_field(const struct batch_input *input, const struct csv_row *row,
                       enum batch_column column, struct csv_field *field) {
    int index = input->columns[column];
    if (index < 0 || (size_t)index >= row->count || index >= CSV_FIELDS_MAX)
        return false;
    *field = trimmed(row->fields[index]);
    return field->size > 0;
}

static const char *read_csv(struct batch_input *input, size_t size, struct batch_line *line) {
    struct csv csv = csv_over(input->text, size);
    struct complaint ignored;
    struct csv_row row;
    struct csv_field field;
    if (csv_next(&csv, &row, &ignored) != CSV_ROW)
        return fault_quote;
    if (find_field(input, &row, BATCH_ID, &field)) {
        const char *fault = set_id(line, field.at, field.size);
        if (fault != NULL)
            return fault;
    }
    for (int i = 0; i < BATCH_ID; i++) {
        if (!find_field(input, &row, (enum batch_column)i, &field) ||
            !triple_set(&line->triple, (enum triple_field)i, field.at, field.size))
            return fault_field;
    }
    return NULL;
}

/* What is freed is not erased: the values would stay in the heap. */
static void delete_wiped(cJSON *object) {
    for (const cJSON *item = object != NULL ? object->child : NULL; item != NULL;
         item = item->next) {
        if (item->valuestring != NULL)
            sodium_memzero(item->valuestring, strlen(item->valuestring));
    }
    cJSON_Delete(object);
}

/* A number is echoed as it stands. */
static const char *read_json_id(struct json_span id, const cJSON *item, struct batch_line *line) {
    if (item == NULL || cJSON_IsNull(item))
        return NULL;
    if (cJSON_IsString(item))
        return set_id(line, item->valuestring, strlen(item->valuestring));
    return cJSON_IsNumber(item) ? set_id(line, id.at, id.size) : fault_id;
}

static const char *read_object(const cJSON *object, struct json_span text,
                               struct batch_line *line) {
    static const char *const names[] = {
        [BATCH_NAME] = "name", [BATCH_ID_CARD] = "idCard", [BATCH_MOBILE] = "mobile"};
    const char *fault = read_json_id(json_scan_find(text, "id"),
                                     cJSON_GetObjectItemCaseSensitive(object, "id"), line);
    for (int i = 0; i < BATCH_ID && fault == NULL; i++) {
        const char *value =
            cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, names[i]));
        if (value == NULL || value[0] == '\0' ||
            !triple_set(&line->triple, (enum triple_field)i, value, strlen(value)))
            fault = fault_field;
    }
    return fault;
}

static const char *read_json(const char *text, size_t size, struct batch_line *line) {
    struct json_span span = {text, size};
    if (!json_scan_strict(text, size) || json_scan_has_zero(span))
        return fault_json;
    cJSON *object = cJSON_ParseWithLength(text, size);
    const char *fault = cJSON_IsObject(object) ? read_object(object, span, line) : fault_json;
    delete_wiped(object);
    return fault;
}

static const char *read_line(struct batch_input *input, struct batch_line *line) {
    size_t size = 0;
    if (input->too_long)
        return fault_long;
    if (!take_text(input, &size))
        return fault_encoding;
    return input->format == BATCH_CSV ? read_csv(input, size, line)
                                      : read_json(input->text, size, line);
}

/* --- the headings --- */

static const struct heading {
    const char *text;
    enum batch_column column;
} headings[] = {
    {"name", BATCH_NAME},        {"姓名", BATCH_NAME},          {"idCard", BATCH_ID_CARD},
    {"身份证号", BATCH_ID_CARD}, {"身份证号码", BATCH_ID_CARD}, {"mobile", BATCH_MOBILE},
    {"手机号", BATCH_MOBILE},    {"手机号码", BATCH_MOBILE},    {"id", BATCH_ID},
};

/* BATCH_COLUMNS: another one. */
static enum batch_column column_of(struct csv_field field) {
    field = trimmed(field);
    for (size_t i = 0; i < sizeof headings / sizeof headings[0]; i++) {
        if (field.size == strlen(headings[i].text) &&
            memcmp(field.at, headings[i].text, field.size) == 0)
            return headings[i].column;
    }
    return BATCH_COLUMNS;
}

/* How it is called first. */
static const char *heading_of(int column) {
    const struct heading *heading = headings;
    while (heading->column != (enum batch_column)column)
        heading++;
    return heading->text;
}

static bool take_headings(struct batch_input *input, const struct csv_row *row,
                          struct complaint *complaint) {
    for (int i = 0; i < BATCH_COLUMNS; i++)
        input->columns[i] = -1;
    for (size_t i = 0; i < row->count && i < CSV_FIELDS_MAX; i++) {
        enum batch_column column = column_of(row->fields[i]);
        if (column == BATCH_COLUMNS)
            continue;
        if (input->columns[column] >= 0)
            return complain(complaint, "line %zu: two columns have the same heading", row->line);
        input->columns[column] = (int)i;
    }
    for (int i = 0; i < BATCH_ID; i++) {
        if (input->columns[i] < 0)
            return complain(complaint,
                            "the file's first row has no heading %s: it must have name, "
                            "idCard and mobile (or 姓名, 身份证号, 手机号)",
                            heading_of(i));
    }
    return true;
}

static bool read_headings(struct batch_input *input, struct complaint *complaint) {
    struct csv_row row;
    int64_t number;
    size_t size;
    if (!next_record(input, &number))
        return complain(complaint, "the file is empty");
    if (input->too_long || !take_text(input, &size))
        return complain(complaint, "the file's first row is neither UTF-8 nor GBK text");
    struct csv csv = csv_over(input->text, size);
    switch (csv_next(&csv, &row, complaint)) {
    case CSV_ROW:
        return take_headings(input, &row, complaint);
    case CSV_END: /* a byte order mark where none should be */
        return complain(complaint, "the file's first row has no headings");
    default:
        return false;
    }
}

/* --- the file --- */

/* Text in GBK is seldom valid UTF-8, and other text never is by half: most lines decide. */
static bool is_gbk(int64_t good, int64_t bad) {
    return bad > good;
}

static bool is_ascii(const char *text, size_t size) {
    for (size_t i = 0; i < size; i++) {
        if ((unsigned char)text[i] >= 0x80)
            return false;
    }
    return true;
}

/* To the first byte that is text. */
static bool start_over(struct batch_input *input, struct complaint *complaint) {
    char mark[sizeof byte_order_mark - 1];
    input->next_line = 1;
    if (fseek(input->file, 0, SEEK_SET) != 0)
        return complain(complaint, "the file cannot be read from its beginning: %s",
                        strerror(errno));
    if (fread(mark, 1, sizeof mark, input->file) == sizeof mark &&
        memcmp(mark, byte_order_mark, sizeof mark) == 0)
        return true;
    rewind(input->file);
    return true;
}

static void find_format(struct batch_input *input) {
    int byte;
    do
        byte = getc_unlocked(input->file);
    while (byte != EOF && strchr(" \t\r\n", byte) != NULL);
    input->format = byte == '{' ? BATCH_NDJSON : BATCH_CSV;
}

/* Once through: how many rows, and in which encoding they are. */
static bool survey(struct batch_input *input, struct complaint *complaint) {
    int64_t good = 0;
    int64_t bad = 0;
    int64_t number;
    if (!start_over(input, complaint))
        return false;
    find_format(input);
    if (!start_over(input, complaint))
        return false;
    while (next_record(input, &number)) {
        input->rows++;
        if (!is_ascii(input->record, input->record_size))
            ++*(utf8_valid(input->record, input->record_size) ? &good : &bad);
        input->lines = input->next_line;
    }
    if (ferror(input->file))
        return complain(complaint, "the file cannot be read: %s", strerror(errno));
    input->gbk = input->format == BATCH_CSV && is_gbk(good, bad);
    input->rows -= input->format == BATCH_CSV && input->rows > 0 ? 1 : 0;
    return true;
}

static bool prepare_encoding(struct batch_input *input, struct complaint *complaint) {
    if (!input->gbk)
        return true;
    input->converter = iconv_open("UTF-8", "GB18030");
    return input->converter != (iconv_t)-1 ||
           complain(complaint, "the file is not UTF-8, and this system's C library has no GB 18030 "
                               "to read it as GBK: save it as UTF-8");
}

bool batch_input_rewind(struct batch_input *input, struct complaint *complaint) {
    return start_over(input, complaint) &&
           (input->format == BATCH_NDJSON || read_headings(input, complaint));
}

static bool open_file(struct batch_input *input, const char *path, struct complaint *complaint) {
    struct stat status;
    input->file = fopen(path, "rbe");
    if (input->file == NULL)
        return complain(complaint, "%s cannot be opened: %s", path, strerror(errno));
    if (fstat(fileno(input->file), &status) != 0 || !S_ISREG(status.st_mode))
        return complain(complaint, "%s is no file: it is read twice, which no pipe can be", path);
    setvbuf(input->file, input->buffer, _IOFBF, sizeof input->buffer);
    input->size = status.st_size;
    return true;
}

bool batch_input_open(struct batch_input *input, const char *path, struct complaint *complaint) {
    *input = (struct batch_input){.converter = (iconv_t)-1, .next_line = 1};
    bool good = open_file(input, path, complaint) && survey(input, complaint) &&
                prepare_encoding(input, complaint) && batch_input_rewind(input, complaint);
    if (good && input->rows == 0)
        good = complain(complaint, "%s has no question in it", path);
    if (!good)
        batch_input_close(input);
    return good;
}

enum batch_step batch_input_next(struct batch_input *input, struct batch_line *line,
                                 struct complaint *complaint) {
    *line = (struct batch_line){0};
    if (!next_record(input, &line->number)) {
        if (!ferror(input->file))
            return BATCH_END;
        complain(complaint, "the file cannot be read: %s", strerror(errno));
        return BATCH_UNREADABLE;
    }
    if (line->number > input->lines) {
        complain(complaint, "the file has grown while it was read");
        return BATCH_UNREADABLE;
    }
    line->fault = read_line(input, line);
    if (line->fault == NULL)
        hide_telling_id(line);
    else
        forget_line(line);
    return BATCH_LINE;
}

void batch_input_close(struct batch_input *input) {
    if (input->file != NULL)
        fclose(input->file);
    if (input->converter != (iconv_t)-1)
        iconv_close(input->converter);
    sodium_memzero(input, sizeof *input);
    input->converter = (iconv_t)-1;
}
