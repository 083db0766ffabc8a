#pragma once
/*
 * container: from a member back to the struct that holds it.
 */
#include <stddef.h>

#define container_of(pointer, type, member)                                                        \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))
