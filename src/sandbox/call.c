#include "sandbox/call.h"

#include <stdlib.h>
#include <string.h>

const char *call_shape_name(enum call_shape shape) {
    static const char *const shape_names[CALL_SHAPES] = {
        [CALL_GUIDE] = "guide", [CALL_SECOND] = "second"};
    return shape_names[shape];
}

const char *call_shape_path(enum call_shape shape) {
    static const char *const paths[CALL_SHAPES] = {
        [CALL_GUIDE] = "/carrieroperator", [CALL_SECOND] = "/v2/check"};
    return paths[shape];
}

const char *call_parameter_name(enum call_shape shape, enum call_parameter parameter) {
    static const char *const names[CALL_SHAPES][CALL_PARAMETERS] = {
        [CALL_GUIDE] = {[CALL_ID_CARD] = "idCard", [CALL_MOBILE] = "mobile", [CALL_NAME] = "name"},
        [CALL_SECOND] =
            {[CALL_ID_CARD] = "certNo", [CALL_MOBILE] = "phone", [CALL_NAME] = "realName"},
    };
    return names[shape][parameter];
}

bool call_keep(struct call *call, enum call_parameter parameter, const char *value, size_t size) {
    char *copy = calloc(1, size + 1);
    if (copy == NULL) {
        return false;
    }
    if (size > 0) {
        memcpy(copy, value, size);
    }
    free(call->parameters[parameter].data);
    call->parameters[parameter].data = copy;
    call->parameters[parameter].size = size;
    return true;
}

struct text call_value(const struct call *call, enum call_parameter parameter) {
    return (struct text){.data = call->parameters[parameter].data,
                         .size = call->parameters[parameter].size};
}

struct seller_question call_question(const struct call *call) {
    return (struct seller_question){.id_card = call_value(call, CALL_ID_CARD),
                                    .mobile = call_value(call, CALL_MOBILE),
                                    .name = call_value(call, CALL_NAME)};
}

void call_free(struct call *call) {
    if (call == NULL) {
        return;
    }
    for (size_t i = 0; i < CALL_PARAMETERS; i++) {
        free(call->parameters[i].data);
    }
    free(call->uri);
    free(call->header_names);
    free(call->method);
    free(call->appcode);
    free(call);
}
