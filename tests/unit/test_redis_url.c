/* Addresses of a Redis: what is read of good ones, and that no refusal repeats a bad one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/redis_url.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* ---- good ones ---- */

static const struct {
    const char *text;
    enum redis_transport transport;
    const char *hosts; /* "host:port host:port" */
    const char *user, *password, *name, *path;
    int database;
} good[] = {
    {"redis://a", REDIS_TCP, "a:6379", "", "", "", "", 0},
    {"redis://a/", REDIS_TCP, "a:6379", "", "", "", "", 0},
    {"redis://a:1/0", REDIS_TCP, "a:1", "", "", "", "", 0},
    {"redis://redis_1.example.com:65535/15", REDIS_TCP, "redis_1.example.com:65535", "", "", "", "",
     15},
    {"redis://127.0.0.1/99999", REDIS_TCP, "127.0.0.1:6379", "", "", "", "", 99999},
    {"redis://[::1]", REDIS_TCP, "::1:6379", "", "", "", "", 0},
    {"redis://[2001:db8::1]:7000/3", REDIS_TCP, "2001:db8::1:7000", "", "", "", "", 3},
    {"rediss://a", REDIS_TLS, "a:6379", "", "", "", "", 0},
    {"rediss://:word@a:6380", REDIS_TLS, "a:6380", "", "word", "", "", 0},
    {"redis://user:word@a", REDIS_TCP, "a:6379", "user", "word", "", "", 0},
    {"redis://user:w:o:rd@[::1]:1", REDIS_TCP, "::1:1", "user", "w:o:rd", "", "", 0},
    {"redis://u%40:%3a%2F%3F%23%25%ff@a", REDIS_TCP, "a:6379", "u@", ":/?#%\xff", "", "", 0},
    {"redis://-._~!$&'()*+,;=:-._~!$&'()*+,;=@a", REDIS_TCP, "a:6379",
     "-._~!$&'()*+,;=", "-._~!$&'()*+,;=", "", "", 0},
    {"redis+unix:/run/redis.sock", REDIS_UNIX, "", "", "", "", "/run/redis.sock", 0},
    {"redis+unix:a", REDIS_UNIX, "", "", "", "", "a", 0},
    {"redis+unix:/a%20b:c@d#e?database=7", REDIS_UNIX, "", "", "", "", "/a%20b:c@d#e", 7},
    {"redis+sentinel://a/main", REDIS_SENTINEL, "a:26379", "", "", "main", "", 0},
    {"redis+sentinel://a,b:1,[::1],[::2]:2/m%2Fn/4", REDIS_SENTINEL, "a:26379 b:1 ::1:26379 ::2:2",
     "", "", "m/n", "", 4},
    {"redis+sentinel://u:p,q@a,b/m/", REDIS_SENTINEL, "a:26379 b:26379", "u", "p,q", "m", "", 0},
    {"redis+sentinel://1.1.1.1,2.2.2.2,3.3.3.3,4.4.4.4,5.5.5.5,6.6.6.6,7.7.7.7,8.8.8.8/m",
     REDIS_SENTINEL,
     "1.1.1.1:26379 2.2.2.2:26379 3.3.3.3:26379 4.4.4.4:26379 5.5.5.5:26379 6.6.6.6:26379 "
     "7.7.7.7:26379 8.8.8.8:26379",
     "", "", "m", "", 0},
};

static void assert_hosts(const struct redis_url *url, const char *expected) {
    char hosts[REDIS_URL_ADDRESSES * (AUTHORITY_HOST_SIZE + 8)] = "";
    for (int i = 0; i < url->address_count; i++) {
        size_t used = strlen(hosts);
        snprintf(hosts + used, sizeof hosts - used, "%s%s:%d", i > 0 ? " " : "",
                 url->addresses[i].host, url->addresses[i].port);
    }
    assert_string_equal(hosts, expected);
}

static void good_addresses_are_read(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        struct redis_url url;
        const char *fault = redis_url_parse(good[i].text, &url);
        if (fault != NULL)
            fail_msg("%s %s", good[i].text, fault);
        assert_null(redis_url_parse(good[i].text, NULL));
        assert_true(redis_url_is_one(good[i].text));
        assert_int_equal(url.transport, good[i].transport);
        assert_hosts(&url, good[i].hosts);
        assert_string_equal(url.user, good[i].user);
        assert_string_equal(url.password, good[i].password);
        assert_string_equal(url.master_name, good[i].name);
        assert_string_equal(url.path, good[i].path);
        assert_int_equal(url.database, good[i].database);
    }
}

/* ---- bad ones ---- */

#define BEGIN    "must begin with redis://"
#define HOST     "must have a host name or address, and perhaps :port, behind redis://"
#define HOSTS    "must have 1 to 8 hosts, each perhaps with :port, behind redis+sentinel://"
#define NAME     "must have the name under which"
#define LOGIN    "must have user:password or :password before the @"
#define ESCAPES  "has a user or password with characters that a URL writes as %XX"
#define DATABASE "must have the number of a database behind the last /"
#define QUERY    "must have neither a query (?) nor a fragment (#)"
#define PATH     "must have a path of 1 to 107 bytes behind redis+unix:"
#define ONLY     "must have nothing but ?database=N behind the path"

static const struct {
    const char *text, *fault;
} bad[] = {
    {"", BEGIN},
    {"hidden", BEGIN},
    {"redis", BEGIN},
    {"redis:hidden", BEGIN},
    {"redis:/hidden", BEGIN},
    {"Redis://hidden", BEGIN},
    {" redis://hidden", BEGIN},
    {"redis+tls://hidden", BEGIN},
    {"redis://", HOST},
    {"redis:///0", HOST},
    {"redis://:6379", HOST},
    {"redis://hidden:", HOST},
    {"redis://hidden:0", HOST},
    {"redis://hidden:65536", HOST},
    {"redis://hidden:-1", HOST},
    {"redis://hidden:6379x", HOST},
    {"redis://hidden:000001", HOST},
    {"redis://hi dden", HOST},
    {"redis://hid%64en", HOST},
    {"redis://.hidden", HOST},
    {"redis://127.1", HOST},
    {"redis://::1", HOST},
    {"redis://[::1", HOST},
    {"redis://[hidden]", HOST},
    {"redis://[::1]6379", HOST},
    {"redis://hidden,hidden", HOST},
    {"redis://:hidden@", HOST},
    {"redis://:hidden@:6379", HOST},
    {"rediss://", "must have a host name or address, and perhaps :port, behind rediss://"},
    {"redis://@hidden", LOGIN},
    {"redis://hidden@hidden", LOGIN},
    {"redis://hidden:@hidden", LOGIN},
    {"redis://:@hidden", LOGIN},
    {"redis://:hid@den@a", ESCAPES},
    {"redis://:hid/den@a", ESCAPES},
    {"redis://:hid#den@a", ESCAPES},
    {"redis://:hid?den@a", ESCAPES},
    {"redis://:hid den@a", ESCAPES},
    {"redis://:hidden\xc3\xa9@a", ESCAPES},
    {"redis://:hidden%@a", ESCAPES},
    {"redis://:hidden%4@a", ESCAPES},
    {"redis://:hidden%4g@a", ESCAPES},
    {"redis://:hidden%00@a", ESCAPES},
    {"redis://hidden%00:hidden@a", ESCAPES},
    {"redis://a/hidden", DATABASE},
    {"redis://a/0/", DATABASE},
    {"redis://a//", DATABASE},
    {"redis://a/-1", DATABASE},
    {"redis://a/100000", DATABASE},
    {"redis://a/ 1", DATABASE},
    {"redis://a?hidden", QUERY},
    {"redis://a/0?hidden", QUERY},
    {"redis://a/0#hidden", QUERY},
    {"redis+sentinel://", HOSTS},
    {"redis+sentinel:///hidden", HOSTS},
    {"redis+sentinel://hidden,/m", HOSTS},
    {"redis+sentinel://,hidden/m", HOSTS},
    {"redis+sentinel://hidden,,hidden/m", HOSTS},
    {"redis+sentinel://hidden, hidden/m", HOSTS},
    {"redis+sentinel://hidden:0/m", HOSTS},
    {"redis+sentinel://a,b,c,d,e,f,g,h,i/m", HOSTS},
    {"redis+sentinel://hidden", NAME},
    {"redis+sentinel://hidden/", NAME},
    {"redis+sentinel://hidden//0", NAME},
    {"redis+sentinel://a/hid%zzden", "has a name of a master with characters"},
    {"redis+sentinel://a/hid den", "has a name of a master with characters"},
    {"redis+sentinel://a/m/hidden", DATABASE},
    {"redis+sentinel://a/m/0/0", DATABASE},
    {"redis+unix:", PATH},
    {"redis+unix:?database=1", PATH},
    {"redis+unix:/hidden?", ONLY},
    {"redis+unix:/hidden?database=", ONLY},
    {"redis+unix:/hidden?database=x", ONLY},
    {"redis+unix:/hidden?db=1", ONLY},
    {"redis+unix:/hidden?database=1&a=b", ONLY},
};

static void assert_fault(const char *text, const char *expected) {
    static const struct redis_url nothing;
    struct redis_url url;
    const char *fault = redis_url_parse(text, &url);
    if (fault == NULL)
        fail_msg("accepted: %s", text);
    if (strncmp(fault, expected, strlen(expected)) != 0)
        fail_msg("%s\n  %s\n  not: %s", text, fault, expected);
    assert_null(strstr(fault, "hidden"));
    assert_memory_equal(&url, &nothing, sizeof url);
    assert_ptr_equal(redis_url_parse(text, NULL), fault);
}

static void bad_addresses_are_refused(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_fault(bad[i].text, bad[i].fault);
}

/* `most` letters fit between the two, and one more does not. */
static const struct {
    const char *before;
    size_t most;
    const char *after, *fault;
} limits[] = {
    {"redis://", 253, "", HOST},
    {"redis://", 253, ":6379/0", HOST},
    {"redis+sentinel://b,", 253, ",c/m", HOSTS},
    {"redis://", 127, ":b@c", "has a user or password that is too long"},
    {"redis://:", 255, "@c", "has a user or password that is too long"},
    {"redis+sentinel://b/", 127, "", "has a name of a master that is too long"},
    {"redis+unix:", 107, "?database=1", PATH},
};

static void what_is_too_long_is_refused(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(limits); i++) {
        char letters[512];
        char text[1024];
        memset(letters, 'a', sizeof letters);
        letters[limits[i].most] = '\0';
        snprintf(text, sizeof text, "%s%s%s", limits[i].before, letters, limits[i].after);
        const char *fault = redis_url_parse(text, NULL);
        if (fault != NULL)
            fail_msg("%s %s", text, fault);
        letters[limits[i].most] = 'a';
        letters[limits[i].most + 1] = '\0';
        snprintf(text, sizeof text, "%s%s%s", limits[i].before, letters, limits[i].after);
        assert_fault(text, limits[i].fault);
    }
}

static void long_texts_are_refused(void **state) {
    (void)state;
    static const char *const beginnings[] = {"redis://", "redis://:", "redis+sentinel://",
                                             "redis+unix:", "redis://a/"};
    char *text = malloc(100001);
    for (size_t i = 0; i < COUNT(beginnings); i++) {
        for (const char *letter = "a:@/,%[1"; *letter != '\0'; letter++) {
            memset(text, *letter, 100000);
            memcpy(text, beginnings[i], strlen(beginnings[i]));
            text[100000] = '\0';
            assert_non_null(redis_url_parse(text, NULL));
        }
    }
    free(text);
}

/* ---- the small questions ---- */

static void addresses_of_a_redis_are_known_by_their_beginning(void **state) {
    (void)state;
    static const char *const ours[] = {"redis:", "rediss:", "redis:/a", "redis+tls://a", "redis+"};
    static const char *const others[] = {"", "redis", "sqlite:redis:", "rediscover:a", "REDIS://a"};
    for (size_t i = 0; i < COUNT(ours); i++)
        assert_true(redis_url_is_one(ours[i]));
    for (size_t i = 0; i < COUNT(others); i++)
        assert_false(redis_url_is_one(others[i]));
}

static void exposed_is_what_leaves_the_machine_in_the_clear(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool exposed;
    } cases[] = {
        {"redis://a", true},
        {"redis://10.0.0.1", true},
        {"redis://[2001:db8::1]", true},
        {"redis://localhost", false},
        {"redis://127.9.9.9:1", false},
        {"redis://[::1]", false},
        {"rediss://a", false},
        {"redis+unix:/a", false},
        {"redis+sentinel://a/m", true},
        {"redis+sentinel://localhost,a/m", true},
        {"redis+sentinel://localhost,127.0.0.1/m", false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct redis_url url;
        assert_null(redis_url_parse(cases[i].text, &url));
        if (redis_url_is_exposed(&url) != cases[i].exposed)
            fail_msg("misjudged: %s", cases[i].text);
    }
}

static void the_password_is_found(void **state) {
    (void)state;
    static const struct {
        const char *text, *password; /* NULL: none */
    } cases[] = {
        {"redis://:word@a", "word"},
        {"rediss://user:word@a:1/0", "word"},
        {"redis+sentinel://u:w:o%40@a,b:1/m/0", "w:o%40"},
        /* bad ones, hidden as well as can be */
        {"redis://:w@or/d@a", "w@or/d"},
        {"redis+tls://:word@a", "word"},
        {"redis://a:1", NULL},
        {"redis://user@a:1", NULL},
        {"redis+unix:/a:b@c", NULL},
        {"redis+unix:///a:b@c", NULL},
        {"sqlite://a:b@c", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t size = 0;
        const char *password = redis_url_password(cases[i].text, &size);
        assert_int_equal(password != NULL, cases[i].password != NULL);
        if (password == NULL)
            continue;
        assert_int_equal(size, strlen(cases[i].password));
        assert_memory_equal(password, cases[i].password, size);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_addresses_are_read),
        cmocka_unit_test(bad_addresses_are_refused),
        cmocka_unit_test(what_is_too_long_is_refused),
        cmocka_unit_test(long_texts_are_refused),
        cmocka_unit_test(addresses_of_a_redis_are_known_by_their_beginning),
        cmocka_unit_test(exposed_is_what_leaves_the_machine_in_the_clear),
        cmocka_unit_test(the_password_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
