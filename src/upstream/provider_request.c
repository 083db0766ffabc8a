#include "upstream/provider.h"

#include <string.h>

#include <sodium.h>

static const char *value_of(const struct triple *triple, char mark) {
    return mark >= 1 && mark <= 3 ? triple_text(triple, (enum triple_field)(mark - 1)) : NULL;
}

static void fill_form(const struct provider *provider, const struct triple *triple,
                      struct text *out) {
    for (const char *at = provider->form; *at != '\0'; at++) {
        const char *value = value_of(triple, *at);
        if (value == NULL)
            text_add_bytes(out, at, 1);
        else if (provider->method == PROVIDER_POST_JSON)
            text_add_json(out, value);
        else
            text_add_percent(out, value);
    }
}

bool provider_request_make(const struct provider *provider, const struct triple *triple,
                           struct provider_request *request) {
    struct text out = text_over(request->bytes, sizeof request->bytes);
    if (provider->method == PROVIDER_GET) {
        text_add(&out, provider->url);
        text_add(&out, "?");
    }
    fill_form(provider, triple, &out);
    request->size = out.size;
    return !out.cut;
}

void provider_request_wipe(struct provider_request *request) {
    sodium_memzero(request->bytes, request->size);
    request->size = 0;
}

bool provider_write_header(const struct provider *provider, const char *code, struct text *line) {
    static const char mark[] = "{code}";
    const char *at = strstr(provider->header, mark);
    if (at == NULL)
        return false;
    text_add_bytes(line, provider->header, (size_t)(at - provider->header));
    text_add(line, code);
    text_add(line, at + sizeof mark - 1);
    return !line->cut;
}

const char *provider_body_type(const struct provider *provider) {
    static const char *const types[] = {
        [PROVIDER_GET] = NULL,
        [PROVIDER_POST_FORM] = "application/x-www-form-urlencoded; charset=UTF-8",
        [PROVIDER_POST_JSON] = "application/json; charset=UTF-8",
    };
    return types[provider->method];
}
