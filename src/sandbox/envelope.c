#include "sandbox/envelope.h"

#include <string.h>

static const struct finding {
    const char *status; /* the guide's */
    int code;
    int result; /* 0: none */
    const char *message;
} findings[] = {
    {"01", 0, 1, "成功"},
    {"02", 0, 2, "成功"},
    {"202", 0, 3, "成功"},
    {"203", 1201, 0, "号码暂不可核验"},
    {"204", 1101, 0, "姓名格式错误"},
    {"205", 1102, 0, "证件号格式错误"},
    {"206", 1103, 0, "手机号格式错误"},
    {"207", 1202, 0, "号段不支持"},
    {NULL, 1999, 0, "其他"},
};

static const struct {
    const char *carrier; /* the guide's */
    const char *channel;
} channels[] = {{"移动", "cmcc"}, {"联通", "cucc"}, {"电信", "ctcc"}, {"广电", "cbn"}};

static const struct finding *find(const char *status) {
    const struct finding *finding = findings;
    while (finding->status != NULL && strcmp(finding->status, status) != 0) {
        finding++;
    }
    return finding;
}

static const char *channel_of(const char *carrier) {
    for (size_t i = 0; i < sizeof channels / sizeof *channels; i++) {
        if (strcmp(channels[i].carrier, carrier) == 0) {
            return channels[i].channel;
        }
    }
    return "";
}

cJSON *envelope_json(const struct plan *plan) {
    const struct finding *finding = find(plan->status);
    cJSON *json = cJSON_CreateObject();
    cJSON_AddNumberToObject(json, "code", finding->code);
    cJSON_AddStringToObject(json, "message", finding->message);
    cJSON_AddBoolToObject(json, "charge", plan->billed);
    cJSON_AddStringToObject(json, "seqNo", plan->trace_id);
    if (finding->result == 0) {
        cJSON_AddNullToObject(json, "data");
        return json;
    }
    cJSON *data = cJSON_AddObjectToObject(json, "data");
    cJSON_AddNumberToObject(data, "result", finding->result);
    cJSON_AddStringToObject(data, "channel", channel_of(plan->carrier));
    return json;
}
