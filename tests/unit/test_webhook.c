/* Messages to people and robots, by the check values of the robots' own documentation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "money/webhook.h"
#include "runtime/utf8.h"

#define SECRET "this is secret"

static struct alert low_package(void) {
    return (struct alert){
        .kind = ALERT_PACKAGE,
        .subject = "p-1",
        .threshold = 20,
        .firing = true,
        .since_ms = INT64_C(1795572000000),
        .calls = 100,
        .left = 20,
    };
}

static struct webhook_request make(enum config_webhook_kind kind, const char *url,
                                   const char *secret, int64_t now_ms) {
    char url_copy[128];
    char secret_copy[32];
    snprintf(url_copy, sizeof url_copy, "%s", url);
    snprintf(secret_copy, sizeof secret_copy, "%s", secret != NULL ? secret : "");
    const struct config_webhook webhook = {
        .kind = kind, .url = url_copy, .secret = secret != NULL ? secret_copy : NULL};
    const struct alert alert = low_package();
    struct webhook_request request;
    assert_true(webhook_make(&webhook, &alert, now_ms, &request));
    return request;
}

static const char *text_of(const cJSON *json, const char *name) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, name);
    if (!cJSON_IsString(item))
        fail_msg("no text %s", name);
    return item->valuestring;
}

static void a_message_says_what_how_much_and_since_when(void **state) {
    (void)state;
    struct webhook_message message;
    struct alert alert = low_package();
    webhook_say(&alert, &message);
    assert_string_equal(message.title, "sanyao 告警：套餐包 p-1 剩余不超过 20%");
    assert_string_equal(message.text, "- 套餐包：p-1\n- 剩余：20 / 100 次\n"
                                      "- 自：2026-11-25 10:00:00（北京时间）\n");
    alert.left = 0;
    alert.threshold = 0;
    webhook_say(&alert, &message);
    assert_string_equal(message.title, "sanyao 告警：套餐包 p-1 已用完");
}

static void every_kind_has_words(void **state) {
    (void)state;
    static const struct {
        struct alert alert;
        const char *title;
        const char *text;
    } rows[] = {
        {{.kind = ALERT_CREDENTIAL, .subject = "main", .mark = CREDENTIAL_ARREARS},
         "凭证 main 被上游拒绝",
         "原因：账户欠费"},
        {{.kind = ALERT_CONTRADICTION, .subject = "main", .mark = CREDENTIAL_EXHAUSTED, .left = 12},
         "余量与上游不一致",
         "账上剩余：12 次"},
        {{.kind = ALERT_CONTRADICTION, .subject = "main", .mark = CREDENTIAL_EXPIRED, .left = -1},
         "余量与上游不一致",
         "未登记套餐包"},
        {{.kind = ALERT_STATUS, .subject = "299"}, "未知状态 299", "状态：299"},
        {{.kind = ALERT_STORE, .subject = "host-1", .firing = true},
         "存储无法访问",
         "实例：host-1"},
        {{.kind = ALERT_STORE, .subject = "host-1", .resolved_at_ms = INT64_C(1795572000000)},
         "已恢复",
         "至：2026-11-25 10:00:00"},
        {{.kind = ALERT_BREAKER, .subject = "host-1/provider/guide", .firing = true},
         "上游 guide 调用异常，已熔断",
         "- 上游：guide\n- 实例：host-1\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct webhook_message message;
        webhook_say(&rows[i].alert, &message);
        if (strstr(message.title, rows[i].title) == NULL ||
            strstr(message.text, rows[i].text) == NULL)
            fail_msg("row %zu: %s\n%s", i, message.title, message.text);
    }
}

static void dingtalk_signs_its_address(void **state) {
    (void)state;
    struct webhook_request request = make(CONFIG_WEBHOOK_DINGTALK, "https://d/robot?access_token=T",
                                          SECRET, INT64_C(1577262236757));
    assert_string_equal(request.url_owned,
                        "https://d/robot?access_token=T&timestamp=1577262236757&sign="
                        "hmPWwU%2B7lVdm3ZZz0r9tSfx0L4Q26jWOZr9%2BGs6EZQM%3D");
    cJSON *body = cJSON_Parse(request.body_owned);
    assert_string_equal(text_of(body, "msgtype"), "markdown");
    const cJSON *markdown = cJSON_GetObjectItemCaseSensitive(body, "markdown");
    assert_non_null(strstr(text_of(markdown, "title"), "p-1"));
    assert_non_null(strstr(text_of(markdown, "text"), "20 / 100"));
    cJSON_Delete(body);
    webhook_request_free(&request);
    request = make(CONFIG_WEBHOOK_DINGTALK, "https://d/robot", SECRET, INT64_C(1577262236757));
    assert_non_null(strstr(request.url_owned, "robot?timestamp=1577262236757&sign="));
    webhook_request_free(&request);
    request = make(CONFIG_WEBHOOK_DINGTALK, "https://d/robot?access_token=T", NULL, 1);
    assert_string_equal(request.url_owned, "https://d/robot?access_token=T");
    webhook_request_free(&request);
}

static void feishu_signs_its_body(void **state) {
    (void)state;
    struct webhook_request request =
        make(CONFIG_WEBHOOK_FEISHU, "https://f/hook/T", SECRET, INT64_C(1599360473123));
    assert_string_equal(request.url_owned, "https://f/hook/T");
    cJSON *body = cJSON_Parse(request.body_owned);
    assert_string_equal(text_of(body, "timestamp"), "1599360473");
    assert_string_equal(text_of(body, "sign"), "/eYKrXQBzTjUZJ3s6NX16VxGbTwmK7AEs8/FnvC1CSw=");
    assert_string_equal(text_of(body, "msg_type"), "text");
    const cJSON *content = cJSON_GetObjectItemCaseSensitive(body, "content");
    assert_non_null(strstr(text_of(content, "text"), "20 / 100"));
    cJSON_Delete(body);
    webhook_request_free(&request);
    request = make(CONFIG_WEBHOOK_FEISHU, "https://f/hook/T", NULL, 1);
    assert_null(strstr(request.body_owned, "sign"));
    webhook_request_free(&request);
}

static void generic_has_the_alerts_members(void **state) {
    (void)state;
    struct webhook_request request = make(CONFIG_WEBHOOK_GENERIC, "https://g/", NULL, 1);
    cJSON *body = cJSON_Parse(request.body_owned);
    assert_string_equal(text_of(body, "product"), "sanyao");
    assert_string_equal(text_of(body, "id"), "package/p-1/20");
    assert_string_equal(text_of(body, "state"), "firing");
    assert_string_equal(text_of(body, "since"), "2026-11-25T02:00:00Z");
    assert_int_equal(cJSON_GetObjectItem(body, "left")->valueint, 20);
    cJSON_Delete(body);
    webhook_request_free(&request);
}

static void wecom_stays_below_its_limit(void **state) {
    (void)state;
    char url[] = "https://w/";
    const struct config_webhook webhook = {.kind = CONFIG_WEBHOOK_WECOM, .url = url};
    for (int kind = 0; kind < ALERT_KINDS; kind++) {
        struct alert alert = low_package();
        alert.kind = (enum alert_kind)kind;
        memset(alert.subject, 'x', sizeof alert.subject - 1);
        alert.calls = INT64_MAX;
        alert.left = INT64_MAX;
        alert.resolved_at_ms = alert.since_ms;
        struct webhook_request request;
        assert_true(webhook_make(&webhook, &alert, 1, &request));
        cJSON *body = cJSON_Parse(request.body_owned);
        const cJSON *markdown = cJSON_GetObjectItemCaseSensitive(body, "markdown");
        const char *content = text_of(markdown, "content");
        assert_true(strlen(content) <= 4096);
        assert_true(utf8_valid(content, strlen(content)));
        assert_non_null(strstr(content, "至："));
        cJSON_Delete(body);
        webhook_request_free(&request);
    }
}

static void robots_say_in_a_200_that_they_refuse(void **state) {
    (void)state;
    static const struct {
        enum config_webhook_kind kind;
        int http_status;
        const char *reply;
        bool taken;
        int64_t code;
    } rows[] = {
        {CONFIG_WEBHOOK_DINGTALK, 200, "{\"errcode\":0,\"errmsg\":\"ok\"}", true, 0},
        {CONFIG_WEBHOOK_DINGTALK, 200, "{\"errcode\":310000}", false, 310000},
        {CONFIG_WEBHOOK_DINGTALK, 200, "{}", false, 0},
        {CONFIG_WEBHOOK_DINGTALK, 200, "", false, 0},
        {CONFIG_WEBHOOK_DINGTALK, 200, "{\"errcode\":\"0\"}", false, 0},
        {CONFIG_WEBHOOK_DINGTALK, 500, "{\"errcode\":0}", false, 0},
        {CONFIG_WEBHOOK_WECOM, 200, "{\"errcode\":0}", true, 0},
        {CONFIG_WEBHOOK_WECOM, 200, "{\"errcode\":45009}", false, 45009},
        {CONFIG_WEBHOOK_FEISHU, 200, "{\"code\":0,\"msg\":\"success\"}", true, 0},
        {CONFIG_WEBHOOK_FEISHU, 200, "{\"code\":19021}", false, 19021},
        {CONFIG_WEBHOOK_FEISHU, 200, "{\"errcode\":0}", false, 0},
        {CONFIG_WEBHOOK_GENERIC, 204, "", true, 0},
        {CONFIG_WEBHOOK_GENERIC, 200, "nonsense", true, 0},
        {CONFIG_WEBHOOK_GENERIC, 302, "", false, 0},
        {CONFIG_WEBHOOK_GENERIC, 0, "", false, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t code = -1;
        bool taken = webhook_is_taken(rows[i].kind, rows[i].http_status, rows[i].reply,
                                      strlen(rows[i].reply), &code);
        if (taken != rows[i].taken || code != rows[i].code)
            fail_msg("row %zu", i);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_says_what_how_much_and_since_when),
        cmocka_unit_test(every_kind_has_words),
        cmocka_unit_test(dingtalk_signs_its_address),
        cmocka_unit_test(feishu_signs_its_body),
        cmocka_unit_test(generic_has_the_alerts_members),
        cmocka_unit_test(wecom_stays_below_its_limit),
        cmocka_unit_test(robots_say_in_a_200_that_they_refuse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
