/* The questions of a batch: what kinds of file are read, and what is wrong with which line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "command/batch_input.h"
#include "runtime/text.h"
#include "scratch.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

#define ZHANG "张三,110000194912310006,13800099001"
#define LI    "李四,310000196002290006,13800099002"

static struct batch_input input;

/* "2[a1|张三|110…|138…] 3[!]": number, id, and the three; or that there is a fault. */
static void describe(struct text *text) {
    struct batch_line line;
    struct complaint complaint;
    while (batch_input_next(&input, &line, &complaint) == BATCH_LINE) {
        text_addf(text, "%s%lld[", text->size > 0 ? " " : "", (long long)line.number);
        if (line.fault != NULL)
            text_add(text, "!]");
        else
            text_addf(text, "%s|%s|%s|%s]", line.id, line.triple.name, line.triple.id_card,
                      line.triple.mobile);
    }
}

static void assert_lines(const void *bytes, size_t size, const char *lines, int rows) {
    char description[2048];
    struct complaint complaint = {""};
    const char *path = scratch_write("in", bytes, size, 0600);
    assert_true(batch_input_open(&input, path, &complaint));
    assert_int_equal(input.rows, rows);
    for (int round = 0; round < 2; round++) {
        struct text text = text_over(description, sizeof description);
        describe(&text);
        assert_string_equal(description, lines);
        assert_true(batch_input_rewind(&input, &complaint));
    }
    batch_input_close(&input);
}

static void csv_and_json_are_read(void **state) {
    (void)state;
    static const struct {
        const char *file, *lines;
        int rows;
    } cases[] = {
        {"name,idCard,mobile\n" ZHANG "\n" LI "\n",
         "2[|张三|110000194912310006|13800099001] 3[|李四|310000196002290006|13800099002]", 2},
        {"\xef\xbb\xbf姓名,身份证号,手机号\r\n" ZHANG "\r\n",
         "2[|张三|110000194912310006|13800099001]", 1},
        {"other,手机号码,id,身份证号码,姓名\n,13800099001,a-1,110000194912310006,张三",
         "2[a-1|张三|110000194912310006|13800099001]", 1},
        {"\xef\xbb\xbf\"name\",\"idCard\",mobile,id\n\"张三\",110000194912310006,13800099001,\"a,"
         "1\"",
         "2[a,1|张三|110000194912310006|13800099001]", 1},
        {"name,idCard,mobile,note\n" ZHANG ",\"of\ntwo \"\"lines\"\"\"\n\n,,,\n" LI ",1\"\n",
         "2[|张三|110000194912310006|13800099001] 6[|李四|310000196002290006|13800099002]", 2},
        {"name,idCard,mobile\n张三,,13800099001\n张三\n" LI,
         "2[!] 3[!] 4[|李四|310000196002290006|13800099002]", 3},
        {"name,idCard,mobile\n\xff\xfe,1,2\n" LI "\n",
         "2[!] 3[|李四|310000196002290006|13800099002]", 2},
        {"\n{\"name\":\"张三\",\"idCard\":\"110000194912310006\",\"mobile\":\"13800099001\",\"id\":"
         "7}\n"
         "{\"name\":\"a\\\"b\",\"idCard\":\"1\",\"mobile\":\"2\",\"id\":\"x\"}\n",
         "2[7|张三|110000194912310006|13800099001] 3[x|a\"b|1|2]", 2},
        {"{\"name\":1,\"idCard\":\"1\",\"mobile\":\"2\"}\n[]\n{\"name\":\"a\n\n{\"name\":"
         "\"\\u0000\","
         "\"idCard\":\"1\",\"mobile\":\"2\"}",
         "1[!] 2[!] 3[!] 5[!]", 4},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_lines(cases[i].file, strlen(cases[i].file), cases[i].lines, cases[i].rows);
}

static void gbk_is_read(void **state) {
    (void)state;
    static const char ascii_headings[] = "name,idCard,mobile\n"
                                         "\xd5\xc5\xc8\xfd,110000194912310006,13800099001\n";
    static const char headings[] = "\xd0\xd5\xc3\xfb,\xc9\xed\xb7\xdd\xd6\xa4\xba\xc5,"
                                   "\xca\xd6\xbb\xfa\xba\xc5\n"
                                   "\xc0\xee\xcb\xc4,310000196002290006,13800099002\n";
    assert_lines(ascii_headings, sizeof ascii_headings - 1,
                 "2[|张三|110000194912310006|13800099001]", 1);
    assert_lines(headings, sizeof headings - 1, "2[|李四|310000196002290006|13800099002]", 1);
}

/* What is echoed is kept in a file, where nobody may be found. */
static void an_id_tells_nobody(void **state) {
    (void)state;
    static const char *const telling[] = {"13800099001", "x-110000194912310006", "张三",
                                          "+86 138-0009-9001"};
    for (size_t i = 0; i < COUNT(telling); i++) {
        char file[256];
        snprintf(file, sizeof file, "id,name,idCard,mobile\n%s," ZHANG "\n", telling[i]);
        assert_lines(file, strlen(file), "2[|张三|110000194912310006|13800099001]", 1);
    }
}

static void an_id_is_one_line_of_text(void **state) {
    (void)state;
    char file[512];
    snprintf(file, sizeof file,
             "id,name,idCard,mobile\n\"a\nb\"," ZHANG "\n%0129d," ZHANG "\n%0128d," ZHANG "\n", 0,
             0);
    char lines[512];
    snprintf(lines, sizeof lines, "2[!] 4[!] 5[%0128d|张三|110000194912310006|13800099001]", 0);
    assert_lines(file, strlen(file), lines, 3);
}

static void a_line_too_long_is_skipped(void **state) {
    (void)state;
    static char file[4 * BATCH_RECORD_MOST];
    memset(file, 'x', sizeof file);
    memcpy(file, "name,idCard,mobile\n", 19);
    memcpy(file + sizeof file - sizeof LI, "\n" LI, sizeof LI);
    assert_lines(file, sizeof file, "2[!] 3[|李四|310000196002290006|13800099002]", 2);
}

/* Lines beyond those that were counted have no place where their state is kept. */
static void a_file_that_grows_is_told(void **state) {
    (void)state;
    struct batch_line line;
    struct complaint complaint = {""};
    const char *path = scratch_text("in", "name,idCard,mobile\n" ZHANG "\n");
    assert_true(batch_input_open(&input, path, &complaint));
    scratch_text("in", "name,idCard,mobile\n" ZHANG "\n" ZHANG "\n" ZHANG "\n");
    assert_true(batch_input_rewind(&input, &complaint));
    while (batch_input_next(&input, &line, &complaint) == BATCH_LINE) {
    }
    assert_non_null(strstr(complaint.text, "grown"));
    batch_input_close(&input);
}

static void what_is_no_batch_is_refused(void **state) {
    (void)state;
    static const struct {
        const char *file, *words;
    } cases[] = {
        {"", "empty"},
        {"name,idCard,mobile\n", "no question"},
        {"name,idCard\n1,2\n", "no heading mobile"},
        {"name,idCard,mobile,姓名\n1,2,3,4\n", "same heading"},
        {ZHANG "\n", "no heading name"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct complaint complaint = {""};
        assert_false(batch_input_open(&input, scratch_text("in", cases[i].file), &complaint));
        assert_non_null(strstr(complaint.text, cases[i].words));
        assert_null(strstr(complaint.text, "138"));
    }
    struct complaint complaint = {""};
    assert_false(batch_input_open(&input, scratch_path("none"), &complaint));
    assert_false(batch_input_open(&input, "/dev/null", &complaint));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(csv_and_json_are_read, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(gbk_is_read, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(an_id_tells_nobody, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(an_id_is_one_line_of_text, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(a_line_too_long_is_skipped, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test_setup_teardown(a_file_that_grows_is_told, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(what_is_no_batch_is_refused, scratch_setup,
                                        scratch_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
