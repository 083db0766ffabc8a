#include "upstream/terms.h"

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "runtime/text.h"

static void free_headers(struct curl_slist *headers) {
    if (headers != NULL)
        sodium_memzero(headers->data, strlen(headers->data));
    curl_slist_free_all(headers);
}

void terms_release(struct terms *terms) {
    if (terms == NULL || --terms->refs > 0)
        return;
    for (int i = 0; i < terms->code_count; i++) {
        free(terms->codes[i].id);
        free_headers(terms->codes[i].headers);
    }
    for (int i = 0; i < terms->seller_count; i++) {
        curl_url_cleanup(terms->sellers[i].address);
        curl_free(terms->sellers[i].path);
    }
    free(terms->sellers);
    free(terms);
}

/* One more line, behind the others. False: no memory. */
static bool add_header(struct curl_slist **headers, const char *line) {
    struct curl_slist *longer = curl_slist_append(*headers, line);
    if (longer != NULL)
        *headers = longer;
    return longer != NULL;
}

/* Without "Expect", since a gateway need not know what to say to it. */
static bool add_body_headers(struct curl_slist **headers, const char *type) {
    char line[96];
    struct text header = text_over(line, sizeof line);
    text_add(&header, "Content-Type: ");
    text_add(&header, type);
    return add_header(headers, line) && add_header(headers, "Expect:");
}

static struct curl_slist *make_headers(const struct provider *provider, const char *appcode) {
    char line[PROVIDER_HEADER_SIZE + PROVIDER_CODE_SIZE_MAX];
    struct text header = text_over(line, sizeof line);
    const char *type = provider_body_type(provider);
    struct curl_slist *headers = NULL;
    bool made = provider_write_header(provider, appcode, &header) && add_header(&headers, line) &&
                add_header(&headers, "Accept: application/json") &&
                (type == NULL || add_body_headers(&headers, type));
    sodium_memzero(line, sizeof line);
    if (made)
        return headers;
    free_headers(headers);
    return NULL;
}

static bool copy_codes(struct terms *terms, const struct upstream_settings *settings) {
    for (int i = 0; i < settings->credential_count; i++) {
        const struct upstream_credential *credential = &settings->credentials[i];
        struct terms_code *code = &terms->codes[terms->code_count++];
        code->id = strdup(credential->id);
        code->seller = &terms->sellers[credential->provider];
        code->headers = make_headers(&code->seller->provider, credential->appcode);
        if (code->id == NULL || code->headers == NULL)
            return false;
    }
    return true;
}

/* False: no memory. */
static bool read_address(struct terms_seller *seller) {
    seller->address = curl_url();
    if (seller->address == NULL)
        return false;
    if (curl_url_set(seller->address, CURLUPART_URL, seller->provider.url, 0) == CURLUE_OK)
        return curl_url_get(seller->address, CURLUPART_PATH, &seller->path, 0) == CURLUE_OK;
    curl_url_cleanup(seller->address);
    seller->address = NULL;
    return true;
}

static bool copy_sellers(struct terms *terms, const struct upstream_settings *settings) {
    terms->sellers = calloc((size_t)settings->provider_count + 1, sizeof *terms->sellers);
    if (terms->sellers == NULL)
        return false;
    for (int i = 0; i < settings->provider_count; i++) {
        struct terms_seller *seller = &terms->sellers[terms->seller_count++];
        seller->provider = settings->providers[i];
        if (!read_address(seller))
            return false;
    }
    return true;
}

struct terms *terms_new(const struct upstream_settings *settings) {
    size_t count = (size_t)settings->credential_count;
    struct terms *terms = calloc(1, sizeof *terms + count * sizeof terms->codes[0]);
    if (terms == NULL)
        return NULL;
    terms->refs = 1;
    terms->connect_timeout_ms = (long)settings->connect_timeout_ms;
    terms->timeout_ms = (long)settings->timeout_ms;
    terms->keepalive_s = (long)((settings->keepalive_ms + 999) / 1000);
    terms->refuse_contradiction = settings->refuse_contradiction;
    if (copy_sellers(terms, settings) && copy_codes(terms, settings))
        return terms;
    terms_release(terms);
    return NULL;
}

struct terms_code *terms_find(struct terms *terms, const char *id) {
    bool any = id == NULL || id[0] == '\0';
    for (int i = 0; i < terms->code_count; i++) {
        if (any || strcmp(terms->codes[i].id, id) == 0)
            return &terms->codes[i];
    }
    return NULL;
}
