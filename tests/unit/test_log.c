/* The lines of the log, what is summed up, and the ring that nobody waits for. */
#include <ctype.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "runtime/log_line.h"
#include "runtime/log_repeat.h"
#include "runtime/log_ring.h"
#include "runtime/utf8.h"

#define AT_MS INT64_C(1795485600123)

/* --- lines --- */

static char line[LOG_LINE_SIZE];

static size_t format(enum log_style style, enum log_level level, const char *event,
                     const struct log_field *fields, int count) {
    const struct log_line what = {AT_MS, level, event, fields, count};
    size_t size = log_line_format(&what, style, line, sizeof line);
    assert_in_range(size, 1, sizeof line);
    assert_true(utf8_valid(line, size));
    assert_ptr_equal(memchr(line, '\n', size), line + size - 1);
    line[size - 1] = '\0';
    return size;
}

/* Of one field, read back. */
static char *read_back(const char *value) {
    const struct log_field fields[] = {LOG_TEXT("value", value)};
    size_t size = format(LOG_STYLE_JSON, LOG_INFO, "event", fields, 1);
    for (size_t i = 0; i < size - 1; i++)
        assert_in_range((unsigned char)line[i], 0x20, 0xff);
    cJSON *json = cJSON_Parse(line);
    assert_non_null(json);
    char *text = strdup(cJSON_GetStringValue(cJSON_GetObjectItem(json, "value")));
    cJSON_Delete(json);
    return text;
}

static void test_a_line_of_json(void **state) {
    (void)state;
    const struct log_field fields[] = {LOG_TEXT("text", "a \"b\""), LOG_NUMBER("number", -7),
                                       LOG_TEXT("absent", NULL), LOG_MS("ms", 12045)};
    format(LOG_STYLE_JSON, LOG_WARN, "it happened", fields, 4);
    assert_string_equal(line, "{\"time\":\"2026-11-24T02:00:00.123Z\",\"level\":\"warn\","
                              "\"event\":\"it happened\",\"text\":\"a \\\"b\\\"\",\"number\":-7,"
                              "\"ms\":12.045}");
}

static void test_a_line_for_a_person(void **state) {
    (void)state;
    const struct log_field fields[] = {LOG_TEXT("plain", "a-b"), LOG_TEXT("quoted", "a b"),
                                       LOG_TEXT("empty", ""), LOG_NUMBER("number", 7)};
    format(LOG_STYLE_HUMAN, LOG_INFO, "it happened", fields, 4);
    assert_string_equal(line, "2026-11-24T02:00:00.123Z info  it happened                   "
                              "plain=a-b  quoted=\"a b\"  empty=\"\"  number=7");
    format(LOG_STYLE_HUMAN, LOG_INFO, "it happened", NULL, 0);
    assert_string_equal(line, "2026-11-24T02:00:00.123Z info  it happened");
    format(LOG_STYLE_COLOR, LOG_ERROR, "it happened", NULL, 0);
    assert_non_null(strstr(line, "\x1b[31merror\x1b[0m"));
}

static void test_whatever_a_value_holds_it_is_one_line_of_text(void **state) {
    (void)state;
    static const char *const same[] = {"",
                                       "\n\r\t\v\x01\x1f\x7f",
                                       "\"\\/",
                                       "三要素 é 𠀀",
                                       "\xe2\x80\xae"
                                       "abc",
                                       "\xc2\x9b"
                                       "31m",
                                       "\xe2\x80\xa8"};
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        char *text = read_back(same[i]);
        assert_string_equal(text, same[i]);
        free(text);
    }
    static const struct {
        const char *given, *shown;
    } broken[] = {{"a\xff"
                   "b",
                   "a\xef\xbf\xbd"
                   "b"},
                  {"\xe4\xb8", "\xef\xbf\xbd\xef\xbf\xbd"}};
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        char *text = read_back(broken[i].given);
        assert_string_equal(text, broken[i].shown);
        free(text);
    }
}

/* What a terminal would obey, and what would pass for another field or another line. */
static void test_nothing_is_injected_for_a_person(void **state) {
    (void)state;
    static const char *const values[] = {"a\n2026-11-24T02:00:00.123Z error forged",
                                         "\x1b[2J",
                                         "\xc2\x9b"
                                         "2J",
                                         "\xe2\x80\xae"
                                         "x",
                                         "a  billed=no",
                                         "\r"};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        const struct log_field fields[] = {LOG_TEXT("value", values[i])};
        size_t size = format(LOG_STYLE_HUMAN, LOG_INFO, values[i], fields, 1);
        for (size_t at = 0; at < size - 1; at++)
            assert_in_range((unsigned char)line[at], 0x20, 0x7e);
        assert_non_null(strstr(line, "  value=\""));
    }
}

static void test_people_are_blotted_out(void **state) {
    (void)state;
    static const char *const values[] = {"13800099001",
                                         "\x1b"
                                         "13800099001",
                                         "+86 13800099001.",
                                         "110000194912310006",
                                         "\n11000019491231000X\n",
                                         "\xc2\x9b"
                                         "13800099001"};
    for (int style = LOG_STYLE_JSON; style <= LOG_STYLE_COLOR; style++) {
        for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
            const struct log_field fields[] = {LOG_TEXT("value", values[i])};
            format((enum log_style)style, LOG_INFO, values[i], fields, 1);
            assert_null(strstr(line, "13800099001"));
            assert_null(strstr(line, "1100001949"));
            assert_non_null(strstr(line, "***********"));
        }
    }
    const struct log_field fields[] = {LOG_NUMBER("value", INT64_C(13800099001))};
    for (int style = LOG_STYLE_JSON; style <= LOG_STYLE_COLOR; style++) {
        format((enum log_style)style, LOG_INFO, "event", fields, 1);
        assert_non_null(strstr(line, "***********"));
    }
}

static bool is_word(const char *at) {
    return isalnum((unsigned char)*at) != 0;
}

/* Of an 11-digit number, or of 17 digits and a digit or X; 0: none begins here. */
static size_t length_of_number(const char *at) {
    size_t digits = strspn(at, "0123456789");
    if (digits == 17 && (at[17] == 'X' || at[17] == 'x'))
        return 18;
    return digits == 18 || (digits == 11 && at[0] == '1' && at[1] >= '3') ? digits : 0;
}

/* What is to become of a value, told as plainly as may be. */
static void blot_plainly(char *value) {
    for (size_t at = 0; value[at] != '\0'; at++) {
        size_t length = length_of_number(value + at);
        if (length > 0 && !is_word(value + at + length) && (at == 0 || !is_word(value + at - 1)))
            memset(value + at, '*', length);
    }
}

static void test_numbers_are_found_wherever_they_stand(void **state) {
    (void)state;
    static const char *const pieces[] = {"1",  "3",    "8",    "38000990", "1380009900",
                                         "0",  "X",    "x",    "a",        "13800099001",
                                         " ",  "-",    "\"",   "\\",       "11000019491231000",
                                         "\n", "\x1b", "三",   "\xc2\x9b", "110000194912310006",
                                         "*",  "é",    "\x7f", "𠀀",       "1380009900138000990"};
    srand(20261128);
    for (int i = 0; i < 20000; i++) {
        char value[512] = "";
        for (int count = rand() % 12; count > 0; count--)
            strcat(value, pieces[(size_t)rand() % (sizeof pieces / sizeof pieces[0])]);
        char *text = read_back(value);
        blot_plainly(value);
        assert_string_equal(text, value);
        free(text);
    }
}

static void test_a_long_value_is_cut_between_characters(void **state) {
    (void)state;
    char value[3 * 3000 + 1];
    for (size_t at = 0; at < sizeof value - 1; at += 3)
        memcpy(value + at, "三", 3);
    value[sizeof value - 1] = '\0';
    char *text = read_back(value);
    size_t size = strlen(text);
    assert_in_range(size, LOG_VALUE_MAX - 3, LOG_VALUE_MAX + 3);
    assert_string_equal(text + size - strlen("三…"), "三…");
    free(text);
    value[LOG_VALUE_MAX] = '\0';
    value[LOG_VALUE_MAX - 1] = value[LOG_VALUE_MAX - 2] = 'x';
    text = read_back(value);
    assert_string_equal(text, value);
    free(text);
}

static void test_a_long_line_says_that_it_is_cut(void **state) {
    (void)state;
    char value[LOG_VALUE_MAX];
    memset(value, '\x01', sizeof value - 1);
    value[sizeof value - 1] = '\0';
    const struct log_field fields[] = {LOG_TEXT("a", value), LOG_TEXT("b", value),
                                       LOG_NUMBER("c", 1)};
    format(LOG_STYLE_JSON, LOG_INFO, "event", fields, 3);
    cJSON *json = cJSON_Parse(line);
    assert_true(cJSON_IsTrue(cJSON_GetObjectItem(json, "cut")));
    assert_non_null(cJSON_GetObjectItem(json, "a"));
    assert_null(cJSON_GetObjectItem(json, "b"));
    cJSON_Delete(json);
    format(LOG_STYLE_HUMAN, LOG_INFO, "event", fields, 3);
    assert_non_null(strstr(line, "  cut=true"));
}

/* --- sums --- */

static void test_what_is_repeated_is_summed_up(void **state) {
    (void)state;
    static struct log_repeat repeat;
    struct log_repeat_sum sum;
    memset(&repeat, 0, sizeof repeat);
    for (int i = 0; i < LOG_REPEAT_MOST; i++)
        assert_true(log_repeat_admit(&repeat, LOG_ERROR, "away", 1000 + i, &sum));
    for (int i = 0; i < 5; i++)
        assert_false(log_repeat_admit(&repeat, LOG_ERROR, "away", 2000, &sum));
    assert_true(log_repeat_admit(&repeat, LOG_WARN, "away", 2000, &sum));
    assert_true(log_repeat_admit(&repeat, LOG_ERROR, "other", 2000, &sum));
    assert_false(log_repeat_take(&repeat, 1000 + LOG_REPEAT_MS - 1, &sum));
    assert_true(log_repeat_take(&repeat, 1000 + LOG_REPEAT_MS, &sum));
    assert_string_equal(sum.event, "away");
    assert_int_equal(sum.level, LOG_ERROR);
    assert_int_equal(sum.count, 5);
    assert_false(log_repeat_take(&repeat, INT64_MAX, &sum));
    assert_true(log_repeat_admit(&repeat, LOG_ERROR, "away", 1000 + LOG_REPEAT_MS, &sum));
    assert_int_equal(sum.count, 0);
}

/* Whoever comes first when the time is over tells it. */
static void test_the_next_one_tells_the_sum(void **state) {
    (void)state;
    static struct log_repeat repeat;
    struct log_repeat_sum sum;
    memset(&repeat, 0, sizeof repeat);
    for (int i = 0; i < LOG_REPEAT_MOST + 3; i++)
        assert_int_equal(log_repeat_admit(&repeat, LOG_WARN, "away", 0, &sum), i < LOG_REPEAT_MOST);
    assert_true(log_repeat_admit(&repeat, LOG_WARN, "away", LOG_REPEAT_MS, &sum));
    assert_int_equal(sum.count, 3);
    assert_false(log_repeat_take(&repeat, INT64_MAX, &sum));
}

static void test_the_table_of_sums_is_bounded(void **state) {
    (void)state;
    static struct log_repeat repeat;
    struct log_repeat_sum sum;
    char event[LOG_REPEAT_EVENT_SIZE + 8];
    memset(&repeat, 0, sizeof repeat);
    for (int i = 0; i < LOG_REPEAT_ROWS; i++) {
        snprintf(event, sizeof event, "event %d", i);
        for (int j = 0; j <= LOG_REPEAT_MOST; j++)
            assert_int_equal(log_repeat_admit(&repeat, LOG_WARN, event, 0, &sum),
                             j < LOG_REPEAT_MOST);
    }
    for (int i = 0; i < 2 * LOG_REPEAT_MOST; i++)
        assert_true(log_repeat_admit(&repeat, LOG_WARN, "one more", 0, &sum));
    int told = 0;
    for (; log_repeat_take(&repeat, LOG_REPEAT_MS, &sum); told++)
        assert_int_equal(sum.count, 1);
    assert_int_equal(told, LOG_REPEAT_ROWS);
    for (int i = 0; i < 2 * LOG_REPEAT_MOST; i++)
        assert_int_equal(log_repeat_admit(&repeat, LOG_WARN, "one more", LOG_REPEAT_MS, &sum),
                         i < LOG_REPEAT_MOST);
    memset(event, 'x', sizeof event - 1);
    event[sizeof event - 1] = '\0';
    for (int i = 0; i < 2 * LOG_REPEAT_MOST; i++)
        assert_true(log_repeat_admit(&repeat, LOG_WARN, event, 0, &sum));
}

/* --- the ring --- */

#define RING_SIZE ((size_t)64 * 1024)

static size_t tell_lost(uint64_t lines, char *text, size_t room) {
    return (size_t)snprintf(text, room, "lost %llu\n", (unsigned long long)lines);
}

static void look(void) {}

/* One that is full soon. */
static void open_pipe(int fds[2]) {
    assert_int_equal(pipe(fds), 0);
    assert_true(fcntl(fds[1], F_SETPIPE_SZ, 4096) >= 4096);
}

static struct log_ring *ring_on(int fd) {
    const struct log_ring_settings settings = {
        .fd = fd, .size = RING_SIZE, .tell_lost = tell_lost, .look = look};
    struct log_ring *ring = log_ring_start(&settings);
    assert_non_null(ring);
    return ring;
}

struct writers {
    struct log_ring *ring;
    int number;
    int lines;
    int taken;
};

/* Lines of many lengths: "NUMBER COUNT xxx…". */
static void *write_lines(void *arg) {
    struct writers *writer = arg;
    char text[512];
    for (int i = 0; i < writer->lines; i++) {
        int size =
            snprintf(text, sizeof text, "%d %d %.*s\n", writer->number, i, i % 401,
                     "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                     "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                     "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                     "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                     "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                     "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
        writer->taken += log_ring_put(writer->ring, text, (size_t)size);
    }
    return NULL;
}

/* What was read: each writer's lines in order, none twice, and those that are told to be lost. */
struct reader {
    int fd;
    int seen;
    long long told;
    int last[8];
};

static void read_line(struct reader *reader, const char *text) {
    int number = -1;
    int count = -1;
    int filling = 0;
    char *end = NULL;
    if (strncmp(text, "lost ", 5) == 0) {
        reader->told += strtoll(text + 5, NULL, 10);
        return;
    }
    number = (int)strtol(text, &end, 10);
    count = (int)strtol(end, &end, 10);
    filling = (int)strspn(end + 1, "x");
    assert_in_range(number, 0, 7);
    assert_int_equal(filling, count % 401);
    assert_int_equal(end[1 + filling], '\0');
    assert_true(count > reader->last[number]);
    reader->last[number] = count;
    reader->seen++;
}

static void *read_lines(void *arg) {
    struct reader *reader = arg;
    FILE *file = fdopen(reader->fd, "r");
    char text[1024];
    for (int i = 0; i < 8; i++)
        reader->last[i] = -1;
    while (fgets(text, sizeof text, file) != NULL) {
        text[strcspn(text, "\n")] = '\0';
        read_line(reader, text);
    }
    fclose(file);
    return NULL;
}

static void test_many_threads_write_whole_lines_in_order(void **state) {
    (void)state;
    int fds[2];
    pthread_t threads[8], reading;
    struct writers writers[8];
    open_pipe(fds);
    struct reader reader = {.fd = fds[0]};
    struct log_ring *ring = ring_on(fds[1]);
    pthread_create(&reading, NULL, read_lines, &reader);
    for (int i = 0; i < 8; i++) {
        writers[i] = (struct writers){.ring = ring, .number = i, .lines = 5000};
        pthread_create(&threads[i], NULL, write_lines, &writers[i]);
    }
    int taken = 0;
    for (int i = 0; i < 8; i++) {
        pthread_join(threads[i], NULL);
        taken += writers[i].taken;
    }
    assert_true(log_ring_stop(ring, 20000));
    close(fds[1]);
    pthread_join(reading, NULL);
    assert_int_equal(reader.seen, taken);
    assert_int_equal(reader.told, 8 * 5000 - taken);
    assert_int_equal(log_ring_lost(ring), 8 * 5000 - taken);
    log_ring_free(ring);
}

/* Nobody reads: whoever writes goes on, and what was lost is told in its place. */
static void test_a_full_pipe_holds_nobody_up(void **state) {
    (void)state;
    int fds[2];
    pthread_t reading;
    open_pipe(fds);
    struct reader reader = {.fd = fds[0]};
    struct log_ring *ring = ring_on(fds[1]);
    struct writers writer = {.ring = ring, .lines = 20000};
    write_lines(&writer);
    assert_true(writer.taken < 20000);
    assert_int_equal(log_ring_lost(ring), 20000 - writer.taken);
    pthread_create(&reading, NULL, read_lines, &reader);
    assert_true(log_ring_stop(ring, 20000));
    close(fds[1]);
    pthread_join(reading, NULL);
    assert_int_equal(reader.seen, writer.taken);
    assert_int_equal(reader.told, 20000 - writer.taken);
    log_ring_free(ring);
}

static int64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static struct log_ring *left_behind;

static void test_the_end_waits_no_longer_than_it_says(void **state) {
    (void)state;
    int fds[2];
    open_pipe(fds);
    struct log_ring *ring = ring_on(fds[1]);
    struct writers writer = {.ring = ring, .lines = 20000};
    write_lines(&writer);
    int64_t begin = now_ms();
    assert_false(log_ring_stop(ring, 100));
    assert_in_range(now_ms() - begin, 99, 5000);
    assert_false(log_ring_put(ring, "late\n", 5));
    left_behind = ring; /* it goes on by itself, as long as there is the process */
}

static void test_a_closed_pipe_ends_nothing(void **state) {
    (void)state;
    int fds[2];
    signal(SIGPIPE, SIG_IGN);
    open_pipe(fds);
    close(fds[0]);
    struct log_ring *ring = ring_on(fds[1]);
    struct writers writer = {.ring = ring, .lines = 2000};
    write_lines(&writer);
    assert_true(writer.taken < 2000);
    int64_t begin = now_ms();
    assert_true(log_ring_stop(ring, 20000));
    assert_in_range(now_ms() - begin, 0, 10000);
    log_ring_free(ring);
    close(fds[1]);
}

static void test_a_full_disk_ends_nothing(void **state) {
    (void)state;
    int fd = open("/dev/full", O_WRONLY);
    assert_true(fd >= 0);
    struct log_ring *ring = ring_on(fd);
    assert_true(log_ring_put(ring, "a\n", 2));
    assert_true(log_ring_stop(ring, 20000));
    log_ring_free(ring);
    close(fd);
}

/* Somebody else's flag on the same pipe. */
static void test_a_descriptor_that_does_not_wait(void **state) {
    (void)state;
    int fds[2];
    pthread_t reading;
    open_pipe(fds);
    assert_int_equal(fcntl(fds[1], F_SETFL, O_NONBLOCK), 0);
    struct reader reader = {.fd = fds[0]};
    struct log_ring *ring = ring_on(fds[1]);
    struct writers writer = {.ring = ring, .lines = 20000};
    write_lines(&writer);
    pthread_create(&reading, NULL, read_lines, &reader);
    assert_true(log_ring_stop(ring, 20000));
    close(fds[1]);
    pthread_join(reading, NULL);
    assert_int_equal(reader.seen, writer.taken);
    assert_int_equal(reader.told, 20000 - writer.taken);
    log_ring_free(ring);
}

/* --- the log as a whole --- */

static void *log_much(void *arg) {
    (void)arg;
    for (int i = 0; i < 200; i++) {
        log_info("told each time", LOG_NUMBER("number", i));
        log_error("summed up", LOG_NUMBER("number", i));
        LOG_LINE(LOG_WARN, true, "each counts", LOG_NUMBER("number", i));
        log_debug("not told");
        log_change(LOG_INFO, i % 2 == 0 ? LOG_JSON : LOG_AUTO);
    }
    return NULL;
}

static void test_the_log_loses_no_paid_line_and_sums_up_errors(void **state) {
    (void)state;
    char path[] = "/tmp/sanyao-log-XXXXXX";
    int fd = mkstemp(path);
    pthread_t threads[4];
    assert_true(fd >= 0);
    unlink(path);
    log_init(LOG_INFO, LOG_JSON, fd);
    log_info("before");
    assert_true(log_start());
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, log_much, NULL);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    log_stop();
    log_info("after");
    struct {
        int told, errors, each;
        double repeated;
    } seen = {0};
    FILE *file = fdopen(fd, "r");
    rewind(file);
    while (fgets(line, sizeof line, file) != NULL) {
        cJSON *json = cJSON_Parse(line);
        const char *event = cJSON_GetStringValue(cJSON_GetObjectItem(json, "event"));
        const cJSON *repeated = cJSON_GetObjectItem(json, "repeated");
        assert_non_null(event);
        assert_string_not_equal(event, "after");
        seen.told += strcmp(event, "told each time") == 0;
        seen.each += strcmp(event, "each counts") == 0;
        seen.errors += strcmp(event, "summed up") == 0 && repeated == NULL;
        seen.repeated += repeated != NULL ? cJSON_GetNumberValue(repeated) : 0;
        cJSON_Delete(json);
    }
    fclose(file);
    assert_int_equal(seen.told, 800);
    assert_int_equal(seen.each, 800);
    assert_int_equal(seen.errors + (int)seen.repeated, 800);
    assert_in_range(seen.errors, LOG_REPEAT_MOST, 4 * LOG_REPEAT_MOST);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_line_of_json),
        cmocka_unit_test(test_a_line_for_a_person),
        cmocka_unit_test(test_whatever_a_value_holds_it_is_one_line_of_text),
        cmocka_unit_test(test_nothing_is_injected_for_a_person),
        cmocka_unit_test(test_people_are_blotted_out),
        cmocka_unit_test(test_numbers_are_found_wherever_they_stand),
        cmocka_unit_test(test_a_long_value_is_cut_between_characters),
        cmocka_unit_test(test_a_long_line_says_that_it_is_cut),
        cmocka_unit_test(test_what_is_repeated_is_summed_up),
        cmocka_unit_test(test_the_next_one_tells_the_sum),
        cmocka_unit_test(test_the_table_of_sums_is_bounded),
        cmocka_unit_test(test_many_threads_write_whole_lines_in_order),
        cmocka_unit_test(test_a_full_pipe_holds_nobody_up),
        cmocka_unit_test(test_the_end_waits_no_longer_than_it_says),
        cmocka_unit_test(test_a_closed_pipe_ends_nothing),
        cmocka_unit_test(test_a_full_disk_ends_nothing),
        cmocka_unit_test(test_a_descriptor_that_does_not_wait),
        cmocka_unit_test(test_the_log_loses_no_paid_line_and_sums_up_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
