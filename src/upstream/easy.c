#include "upstream/easy.h"

bool easy_secure(CURL *easy) {
    bool set = true;
#define SET(option, value) set = set && curl_easy_setopt(easy, (option), (value)) == CURLE_OK
    SET(CURLOPT_USERAGENT, "sanyao/" SANYAO_VERSION);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_PROXY, "");
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
#undef SET
    return set;
}
