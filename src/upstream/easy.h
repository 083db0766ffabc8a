#pragma once
/*
 * easy: what every transfer that leaves this machine has in common.
 */
#include <stdbool.h>

#include <curl/curl.h>

/* Who we are; no redirect is followed, no proxy taken from the environment, and the certificate is
 * always verified. False: libcurl refused one of them. */
bool easy_secure(CURL *easy) __attribute__((warn_unused_result));
