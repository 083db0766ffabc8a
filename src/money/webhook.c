#include "money/webhook.h"

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "money/document.h"
#include "runtime/civil.h"
#include "runtime/text.h"

#define SIGNED_SIZE 1024 /* what is signed: a time and a secret */
#define QUERY_SIZE  256  /* of the time and the signature */
#define CODE_MOST   INT64_C(1000000000000)

/* --- words --- */

static const char *const mark_words[CREDENTIAL_MARKS] = {
    [CREDENTIAL_GOOD] = "正常",
    [CREDENTIAL_UNKNOWN] = "AppCode 不存在",
    [CREDENTIAL_UNAUTHORIZED] = "未获授权",
    [CREDENTIAL_ARREARS] = "账户欠费",
    [CREDENTIAL_EXHAUSTED] = "次数已用完",
    [CREDENTIAL_EXPIRED] = "套餐包已过期",
};

static void say_package(const struct alert *alert, struct text *title, struct text *text) {
    if (alert->left == 0)
        text_addf(title, "套餐包 %s 已用完", alert->subject);
    else
        text_addf(title, "套餐包 %s 剩余不超过 %d%%", alert->subject, alert->threshold);
    text_addf(text, "- 套餐包：%s\n- 剩余：%lld / %lld 次\n", alert->subject,
              (long long)alert->left, (long long)alert->calls);
}

static void say_credential(const struct alert *alert, struct text *title, struct text *text) {
    text_addf(title, "凭证 %s 被上游拒绝", alert->subject);
    text_addf(text, "- 凭证：%s\n- 原因：%s\n", alert->subject, mark_words[alert->mark]);
}

static void say_contradiction(const struct alert *alert, struct text *title, struct text *text) {
    text_addf(title, "凭证 %s 的余量与上游不一致", alert->subject);
    text_addf(text, "- 凭证：%s\n- 上游：%s\n", alert->subject, mark_words[alert->mark]);
    if (alert->left < 0)
        text_add(text, "- 账上：未登记套餐包\n");
    else
        text_addf(text, "- 账上剩余：%lld 次\n", (long long)alert->left);
}

static void say_status(const struct alert *alert, struct text *title, struct text *text) {
    text_addf(title, "上游返回未知状态 %s", alert->subject);
    text_addf(text, "- 状态：%s\n", alert->subject);
}

static void say_store(const struct alert *alert, struct text *title, struct text *text) {
    text_add(title, alert->firing ? "存储无法访问" : "存储曾无法访问，已恢复");
    text_addf(text, "- 实例：%s\n", alert->subject);
}

static void say_breaker(const struct alert *alert, struct text *title, struct text *text) {
    text_addf(title, "上游 %s 调用异常，已熔断", alert_provider(alert));
    text_addf(text, "- 上游：%s\n- 实例：%.*s\n", alert_provider(alert),
              (int)strcspn(alert->subject, "/"), alert->subject);
}

static void (*const sayings[ALERT_KINDS])(const struct alert *alert, struct text *title,
                                          struct text *text) = {
    [ALERT_PACKAGE] = say_package,
    [ALERT_CREDENTIAL] = say_credential,
    [ALERT_CONTRADICTION] = say_contradiction,
    [ALERT_STATUS] = say_status,
    [ALERT_STORE] = say_store,
    [ALERT_BREAKER] = say_breaker,
};

static void say_time(const char *what, int64_t unix_ms, struct text *text) {
    char time[CIVIL_SIZE];
    civil_format_plain(unix_ms, time);
    text_addf(text, "- %s：%s（北京时间）\n", what, time);
}

void webhook_say(const struct alert *alert, struct webhook_message *message) {
    struct text title = text_over(message->title, sizeof message->title);
    struct text text = text_over(message->text, sizeof message->text);
    text_add(&title, "sanyao 告警：");
    sayings[alert->kind](alert, &title, &text);
    say_time("自", alert->since_ms, &text);
    if (alert->resolved_at_ms != 0)
        say_time("至", alert->resolved_at_ms, &text);
}

/* --- signatures --- */

void webhook_sign(const char *key, const char *message, char sign[WEBHOOK_SIGN_SIZE]) {
    crypto_auth_hmacsha256_state state;
    uint8_t mac[crypto_auth_hmacsha256_BYTES];
    crypto_auth_hmacsha256_init(&state, (const unsigned char *)key, strlen(key));
    crypto_auth_hmacsha256_update(&state, (const unsigned char *)message, strlen(message));
    crypto_auth_hmacsha256_final(&state, mac);
    sodium_bin2base64(sign, WEBHOOK_SIGN_SIZE, mac, sizeof mac, sodium_base64_VARIANT_ORIGINAL);
    sodium_memzero(&state, sizeof state);
    sodium_memzero(mac, sizeof mac);
}

/* "TIME\nSECRET". False: the secret is too long to be one. */
static bool join(int64_t time, const char *secret, char joined[SIGNED_SIZE]) {
    struct text text = text_over(joined, SIGNED_SIZE);
    text_addf(&text, "%lld\n", (long long)time);
    text_add(&text, secret);
    return !text.cut;
}

/* For a query: what base64 has besides letters and digits. */
static void add_escaped(struct text *text, const char *base64) {
    for (const char *at = base64; *at != '\0'; at++) {
        if (*at == '+')
            text_add(text, "%2B");
        else if (*at == '/')
            text_add(text, "%2F");
        else if (*at == '=')
            text_add(text, "%3D");
        else
            text_add_bytes(text, at, 1);
    }
}

/* --- addresses --- */

static char *make_dingtalk_url(const struct config_webhook *webhook, int64_t now_ms) {
    char joined[SIGNED_SIZE];
    char sign[WEBHOOK_SIGN_SIZE];
    size_t room = strlen(webhook->url) + QUERY_SIZE;
    char *url = join(now_ms, webhook->secret, joined) ? malloc(room) : NULL;
    if (url != NULL) {
        webhook_sign(webhook->secret, joined, sign);
        struct text text = text_over(url, room);
        text_add(&text, webhook->url);
        text_addf(&text, "%ctimestamp=%lld&sign=", strchr(url, '?') != NULL ? '&' : '?',
                  (long long)now_ms);
        add_escaped(&text, sign);
    }
    sodium_memzero(joined, sizeof joined);
    return url;
}

static char *make_url(const struct config_webhook *webhook, int64_t now_ms) {
    if (webhook->kind == CONFIG_WEBHOOK_DINGTALK && webhook->secret != NULL)
        return make_dingtalk_url(webhook, now_ms);
    return strdup(webhook->url);
}

/* --- bodies --- */

static bool add(cJSON *object, const char *name, const char *text) {
    return cJSON_AddStringToObject(object, name, text) != NULL;
}

/* The title stands in bold above the text. */
static char *join_message(const struct webhook_message *message, const char *mark) {
    size_t room = sizeof *message + 2 * strlen(mark) + 4;
    char *joined = malloc(room);
    if (joined == NULL)
        return NULL;
    struct text text = text_over(joined, room);
    text_addf(&text, "%s%s%s\n\n", mark, message->title, mark);
    text_add(&text, message->text);
    return joined;
}

static bool fill_generic(cJSON *body, const struct config_webhook *webhook,
                         const struct alert *alert, const struct webhook_message *message,
                         int64_t now_ms) {
    (void)webhook;
    (void)now_ms;
    char id[STORE_DOCUMENT_ID_SIZE];
    char detail[ALERT_DETAIL_SIZE];
    alert_id(alert, id);
    alert_detail(alert, detail);
    return add(body, "product", "sanyao") && add(body, "id", id) &&
           add(body, "kind", alert_kind_name[alert->kind]) &&
           add(body, "subject", alert->subject) &&
           document_add_limit(body, "threshold", alert->threshold, -1) &&
           add(body, "state", alert->firing ? "firing" : "resolved") &&
           document_add_time(body, "since", alert->since_ms) &&
           document_add_time(body, "resolvedAt", alert->resolved_at_ms) &&
           document_add_limit(body, "calls", alert->calls, -1) &&
           document_add_limit(body, "left", alert->left, -1) && add(body, "detail", detail) &&
           add(body, "title", message->title) && add(body, "text", message->text);
}

static bool fill_dingtalk(cJSON *body, const struct config_webhook *webhook,
                          const struct alert *alert, const struct webhook_message *message,
                          int64_t now_ms) {
    (void)webhook;
    (void)alert;
    (void)now_ms;
    char *text = join_message(message, "**");
    bool good = text != NULL && add(body, "msgtype", "markdown");
    cJSON *markdown = good ? cJSON_AddObjectToObject(body, "markdown") : NULL;
    good =
        markdown != NULL && add(markdown, "title", message->title) && add(markdown, "text", text);
    free(text);
    return good;
}

static bool fill_wecom(cJSON *body, const struct config_webhook *webhook, const struct alert *alert,
                       const struct webhook_message *message, int64_t now_ms) {
    (void)webhook;
    (void)alert;
    (void)now_ms;
    char *text = join_message(message, "**");
    bool good = text != NULL && add(body, "msgtype", "markdown");
    cJSON *markdown = good ? cJSON_AddObjectToObject(body, "markdown") : NULL;
    good = markdown != NULL && add(markdown, "content", text);
    free(text);
    return good;
}

static bool add_feishu_sign(cJSON *body, const char *secret, int64_t now_ms) {
    char joined[SIGNED_SIZE];
    char sign[WEBHOOK_SIGN_SIZE];
    char time[24];
    struct text text = text_over(time, sizeof time);
    text_add_number(&text, now_ms / 1000);
    bool good = join(now_ms / 1000, secret, joined);
    if (good)
        webhook_sign(joined, "", sign);
    sodium_memzero(joined, sizeof joined);
    return good && add(body, "timestamp", time) && add(body, "sign", sign);
}

static bool fill_feishu(cJSON *body, const struct config_webhook *webhook,
                        const struct alert *alert, const struct webhook_message *message,
                        int64_t now_ms) {
    (void)alert;
    if (webhook->secret != NULL && !add_feishu_sign(body, webhook->secret, now_ms))
        return false;
    char *text = join_message(message, "");
    bool good = text != NULL && add(body, "msg_type", "text");
    cJSON *content = good ? cJSON_AddObjectToObject(body, "content") : NULL;
    good = content != NULL && add(content, "text", text);
    free(text);
    return good;
}

static bool (*const fills[])(cJSON *body, const struct config_webhook *webhook,
                             const struct alert *alert, const struct webhook_message *message,
                             int64_t now_ms) = {
    [CONFIG_WEBHOOK_GENERIC] = fill_generic,
    [CONFIG_WEBHOOK_DINGTALK] = fill_dingtalk,
    [CONFIG_WEBHOOK_WECOM] = fill_wecom,
    [CONFIG_WEBHOOK_FEISHU] = fill_feishu,
};

static char *make_body(const struct config_webhook *webhook, const struct alert *alert,
                       int64_t now_ms) {
    struct webhook_message message;
    webhook_say(alert, &message);
    cJSON *body = cJSON_CreateObject();
    if (body != NULL && fills[webhook->kind](body, webhook, alert, &message, now_ms))
        return document_print(body);
    cJSON_Delete(body);
    return NULL;
}

bool webhook_make(const struct config_webhook *webhook, const struct alert *alert, int64_t now_ms,
                  struct webhook_request *request) {
    request->url_owned = make_url(webhook, now_ms);
    request->body_owned = make_body(webhook, alert, now_ms);
    if (request->url_owned != NULL && request->body_owned != NULL)
        return true;
    webhook_request_free(request);
    return false;
}

void webhook_request_free(struct webhook_request *request) {
    if (request->url_owned != NULL)
        sodium_memzero(request->url_owned, strlen(request->url_owned));
    free(request->url_owned);
    free(request->body_owned);
    *request = (struct webhook_request){0};
}

/* --- replies --- */

/* DingTalk and WeCom: "errcode"; Feishu: "code". */
static const char *const code_names[] = {
    [CONFIG_WEBHOOK_GENERIC] = NULL,
    [CONFIG_WEBHOOK_DINGTALK] = "errcode",
    [CONFIG_WEBHOOK_WECOM] = "errcode",
    [CONFIG_WEBHOOK_FEISHU] = "code",
};

bool webhook_is_taken(enum config_webhook_kind kind, int http_status, const char *reply,
                      size_t size, int64_t *code) {
    *code = 0;
    const char *name = code_names[kind];
    if (name == NULL)
        return http_status >= 200 && http_status < 300;
    cJSON *json = cJSON_ParseWithLength(reply, size);
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, name);
    bool told = document_integer(item, -CODE_MOST, CODE_MOST, code);
    cJSON_Delete(json);
    return http_status == 200 && told && *code == 0;
}
