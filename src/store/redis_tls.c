#include "store/redis_tls.h"

#if SANYAO_REDIS_TLS

#include <arpa/inet.h>
#include <stdlib.h>

#include <hiredis/hiredis_ssl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

struct redis_tls {
    SSL_CTX *context;
};

/* A session is an SSL under a name that needs no header of OpenSSL's. */
static SSL *ssl_of(struct redis_tls_session *session) {
    return (SSL *)session;
}

bool redis_tls_is_built_in(void) {
    return true;
}

static bool trust(SSL_CTX *context, const char *ca_file) {
    if (ca_file == NULL || ca_file[0] == '\0')
        return SSL_CTX_set_default_verify_paths(context) == 1;
    return SSL_CTX_load_verify_locations(context, ca_file, NULL) == 1;
}

struct redis_tls *redis_tls_new(const char *ca_file, struct text *reason) {
    ERR_clear_error();
    struct redis_tls *tls = calloc(1, sizeof *tls);
    if (tls != NULL)
        tls->context = SSL_CTX_new(TLS_client_method());
    if (tls == NULL || tls->context == NULL) {
        text_add(reason, "no memory for TLS");
        redis_tls_free(tls);
        return NULL;
    }
    SSL_CTX_set_verify(tls->context, SSL_VERIFY_PEER, NULL);
    if (SSL_CTX_set_min_proto_version(tls->context, TLS1_2_VERSION) != 1 ||
        !trust(tls->context, ca_file)) {
        text_add(reason, "TLS: cannot read the authorities to trust");
        if (ca_file != NULL && ca_file[0] != '\0')
            text_addf(reason, " in %s", ca_file);
        redis_tls_free(tls);
        ERR_clear_error();
        return NULL;
    }
    return tls;
}

void redis_tls_free(struct redis_tls *tls) {
    if (tls == NULL)
        return;
    SSL_CTX_free(tls->context);
    free(tls);
}

/* Addresses are compared with the addresses in a certificate, and are no name to ask for (RFC 6066,
 * 3). */
static bool expect_server(SSL *ssl, const char *server_name) {
    struct in6_addr address;
    char name[256]; /* the macro casts, and const would be lost */
    if (inet_pton(AF_INET, server_name, &address) == 1 ||
        inet_pton(AF_INET6, server_name, &address) == 1)
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), server_name) == 1;
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    struct text copy = text_over(name, sizeof name);
    text_add(&copy, server_name);
    return SSL_set1_host(ssl, name) == 1 && SSL_set_tlsext_host_name(ssl, name) == 1;
}

struct redis_tls_session *redis_tls_start(struct redis_tls *tls, redisContext *context,
                                          const char *server_name, struct text *reason) {
    ERR_clear_error();
    SSL *ssl = SSL_new(tls->context);
    if (ssl == NULL || !expect_server(ssl, server_name)) {
        text_add(reason, "no memory for TLS");
        SSL_free(ssl);
        ERR_clear_error();
        return NULL;
    }
    /* It owns the session only when this worked. A server nearby may have been refused already. */
    struct redis_tls_session *session = (struct redis_tls_session *)ssl;
    if (redisInitiateSSL(context, ssl) != REDIS_OK) {
        if (!redis_tls_reason(session, reason))
            text_add(reason, context->errstr);
        SSL_free(ssl);
        ERR_clear_error();
        return NULL;
    }
    return session;
}

void redis_tls_begin_turn(void) {
    ERR_clear_error();
}

bool redis_tls_reason(struct redis_tls_session *session, struct text *reason) {
    long result = SSL_get_verify_result(ssl_of(session));
    if (result == X509_V_OK) {
        unsigned long error = ERR_peek_last_error();
        const char *why = error != 0 ? ERR_reason_error_string(error) : NULL;
        if (why == NULL)
            return false;
        text_addf(reason, "TLS: %s", why);
        return true;
    }
    text_addf(reason, "TLS: the server's certificate is refused: %s",
              X509_verify_cert_error_string(result));
    return true;
}

#else

bool redis_tls_is_built_in(void) {
    return false;
}

struct redis_tls *redis_tls_new(const char *ca_file, struct text *reason) {
    (void)ca_file;
    text_add(reason, "this sanyao was built without TLS to Redis");
    return NULL;
}

void redis_tls_free(struct redis_tls *tls) {
    (void)tls;
}

struct redis_tls_session *redis_tls_start(struct redis_tls *tls, redisContext *context,
                                          const char *server_name, struct text *reason) {
    (void)tls;
    (void)context;
    (void)server_name;
    text_add(reason, "this sanyao was built without TLS to Redis");
    return NULL;
}

void redis_tls_begin_turn(void) {}

bool redis_tls_reason(struct redis_tls_session *session, struct text *reason) {
    (void)session;
    (void)reason;
    return false;
}

#endif
