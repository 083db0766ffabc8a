#include "core/flight.h"

#include <string.h>

/* A digest is as good as random, so any of its bits make a bucket number. */
static size_t bucket_of(const struct digest *triple) {
    uint32_t bits;
    memcpy(&bits, triple->bytes, sizeof bits);
    return bits % FLIGHT_BUCKETS;
}

struct flight *flight_find(const struct flight_table *table, const struct digest *triple) {
    struct flight *flight = table->buckets[bucket_of(triple)];
    while (flight != NULL && !digest_equal(&flight->triple_digest, triple))
        flight = flight->next;
    return flight;
}

void flight_insert(struct flight_table *table, struct flight *flight) {
    struct flight **bucket = &table->buckets[bucket_of(&flight->triple_digest)];
    flight->next = *bucket;
    *bucket = flight;
    table->count++;
}

void flight_remove(struct flight_table *table, struct flight *flight) {
    struct flight **link = &table->buckets[bucket_of(&flight->triple_digest)];
    while (*link != flight)
        link = &(*link)->next;
    *link = flight->next;
    table->count--;
}
