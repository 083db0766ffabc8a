#pragma once
/*
 * redis_records: what is sent to the shared store about documents, the audit, counters and what is
 * to be forgotten.
 *
 * Each sends one command on the link; false, and `replied` is never called, when the link (which
 * may be NULL) does not take it. What is given is copied. No state; the link's thread. Private to
 * this room.
 */
#include "store/records.h"
#include "store/redis_commands.h"

/* Replied as the script read_documents says. */
bool redis_send_read_documents(struct redis_link *link, redis_replied *replied, void *arg,
                               int64_t since, int most) __attribute__((warn_unused_result));

/* Replied as the script write_document says. `announce`: everybody is told in the same step, which
 * is of use where the notices' channel is on this link's server. */
bool redis_send_write_document(struct redis_link *link, redis_replied *replied, void *arg,
                               const struct store_write_document *write, bool announce)
    __attribute__((warn_unused_result));

/* Tells everybody that documents were written. */
bool redis_send_announcement(struct redis_link *link, redis_replied *replied, void *arg)
    __attribute__((warn_unused_result));

struct redis_written {
    bool understood; /* else the reply is an error, or none of ours, or none */
    bool written;
    int64_t version; /* of the document, or of the one that was found instead */
};

struct redis_written redis_read_written(const redisReply *reply);

/* Replied as the script read_audit says. */
bool redis_send_read_audit(struct redis_link *link, redis_replied *replied, void *arg,
                           const struct store_read_audit *read) __attribute__((warn_unused_result));

/* Replied with names, each with its value behind it. */
bool redis_send_read_counters(struct redis_link *link, redis_replied *replied, void *arg,
                              const char *scope) __attribute__((warn_unused_result));

/* There is at least one. */
bool redis_send_add_counters(struct redis_link *link, redis_replied *replied, void *arg,
                             const struct store_add_counters *add)
    __attribute__((warn_unused_result));

/* Forgets one answer; replied with how many there were. `triple` NULL: none, but the number's
 * owner. `notice` NULL: nobody is told. */
bool redis_send_forget(struct redis_link *link, redis_replied *replied, void *arg,
                       const struct digest *number, const struct digest *triple,
                       const struct redis_notice *notice) __attribute__((warn_unused_result));

/* A piece of all the keys that there are: those of the number. Replied with where it goes on, and
 * the keys. */
bool redis_send_scan(struct redis_link *link, redis_replied *replied, void *arg,
                     const struct digest *number, const char *cursor)
    __attribute__((warn_unused_result));
