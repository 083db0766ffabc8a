#include "http/access.h"

#include "http/request.h"
#include "http/server.h"
#include "http/service.h"
#include "runtime/log.h"

static enum log_level level_of(const struct access *access, int64_t requests) {
    if (!access->question || requests == CONFIG_REQUESTS_NONE)
        return LOG_DEBUG;
    if (access->failed)
        return LOG_WARN;
    bool called = access->called || access->billed != BILLED_NO;
    return called || requests == CONFIG_REQUESTS_ALL ? LOG_INFO : LOG_DEBUG;
}

static const char *unless_empty(const char *text) {
    return text[0] != '\0' ? text : NULL;
}

static const char *short_digest(const struct digest *digest, char text[DIGEST_SHORT_SIZE]) {
    static const struct digest none;
    if (digest_equal(digest, &none))
        return NULL;
    digest_short(digest, text);
    return text;
}

void access_log(const struct request *request) {
    static const char *const billed_name[] = {"no", "yes", "unknown"};
    const struct access *access = &request->access;
    enum log_level level = level_of(access, server_service(request->server)->config->log_requests);
    if (!log_enabled(level))
        return;
    char digest[DIGEST_SHORT_SIZE];
    /* A question that may have cost something has its line, however many there are. */
    LOG_LINE(level, access->billed != BILLED_NO, "request", LOG_TEXT("request_id", request->id),
             LOG_TEXT("trace_id", unless_empty(request->trace_id)),
             LOG_TEXT("client", unless_empty(access->client)),
             LOG_TEXT("method", request->route != NULL ? request->route->method : NULL),
             LOG_TEXT("route", request->route != NULL ? request->route->path : NULL),
             LOG_NUMBER("http_status", request->http_status), LOG_TEXT("code", access->code),
             LOG_TEXT("status", unless_empty(access->status)), LOG_TEXT("result", access->result),
             LOG_TEXT("source", access->source),
             LOG_TEXT("billed", access->question ? billed_name[access->billed] : NULL),
             LOG_TEXT("question", short_digest(&access->digest, digest)),
             LOG_MS("duration_ms", (metrics_now_ns() - request->measure.began_ns) / 1000));
}
