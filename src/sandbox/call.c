#include "sandbox/call.h"

#include <stdlib.h>

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

const char *call_parameter_name(enum call_parameter parameter) {
    static const char *const names[CALL_PARAMETERS] = {
        [CALL_ID_CARD] = "idCard", [CALL_MOBILE] = "mobile", [CALL_NAME] = "name"};
    return names[parameter];
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
