#include "upstream/provider.h"

#include <string.h>

#include <sodium.h>

static void fill_form(const struct provider *provider, const struct triple *triple,
                      struct text *out) {
    static const char marks[] = "\x01\x02\x03";
    for (const char *at = provider->form;; at++) {
        size_t size = strcspn(at, marks);
        text_add_bytes(out, at, size);
        at += size;
        if (*at == '\0')
            return;
        const char *value = triple_text(triple, (enum triple_field)(*at - 1));
        if (provider->method == PROVIDER_POST_JSON)
            text_add_json(out, value);
        else
            text_add_percent(out, value);
    }
}

bool provider_request_make(const struct provider *provider, const char *path,
                           const struct triple *triple, struct provider_request *request) {
    struct text out = text_over(request->bytes, sizeof request->bytes);
    if (provider->method == PROVIDER_GET) {
        text_add(&out, path);
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
