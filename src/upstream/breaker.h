#pragma once
/*
 * breaker: is it any use to ask upstream now?
 *
 * One board for the process, which all workers share: a breaker for each provider, which counts how
 * its calls end, and one for each AppCode.
 *
 *             share of failures reached              open_for is over
 *   CLOSED ───────────────────────────────→ OPEN ─────────────────────→ HALF_OPEN
 *      ↑                                     ↑                              │
 *      │                                     └──── a probe failed ──────────┤
 *      └─────────────────────────── so many probes went well ───────────────┘
 *
 * While it is open nobody asks; half open, so many probes at a time do. The window slides by the
 * monotonic clock in ten parts. A breaker may also be opened at once, for a while or until it is
 * told otherwise: that of an AppCode that upstream refused. Others learn of that by the directory's
 * mark; this board only sees to it that no call of this process is wasted until the mark is there.
 *
 * Any thread; guarded by a lock that is held for a few instructions.
 */
#include <stdbool.h>
#include <stdint.h>

#include "core/failure.h"
#include "runtime/clock.h"
#include "runtime/text.h"

#define BREAKER_NAME_SIZE 64
#define BREAKER_MOST      64 /* more than settings can make of them */

struct breaker_board;

struct breaker_settings {
    int64_t failures; /* percent; 0: never by itself */
    int64_t least_calls;
    int64_t window_ms;
    int64_t open_for_ms;
    int64_t probes;
};

enum breaker_kind { BREAKER_PROVIDER, BREAKER_CREDENTIAL, BREAKER_KINDS };
enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN, BREAKER_STATES };

extern const char *const breaker_kind_name[BREAKER_KINDS];   /* "provider", "credential" */
extern const char *const breaker_state_name[BREAKER_STATES]; /* "closed", "open", "half_open" */

/* One permission to make a call, given back with how it ended. Value type. */
struct breaker_pass {
    int index;           /* of the breaker; -1: of none */
    uint64_t generation; /* a pass of an earlier state changes nothing */
    bool probe;
};

enum breaker_vote {
    BREAKER_GOOD,
    BREAKER_BAD,
    BREAKER_NONE, /* no call was made, or it says nothing of upstream */
};

/* `clock` is borrowed. NULL: no memory. */
struct breaker_board *breaker_board_new(const struct breaker_settings *settings,
                                        const struct clock *clock);
void breaker_board_free(struct breaker_board *board);

/* Other settings and other breakers; one that was there by kind and name keeps its state, unless
 * `forget` (by breaker_name) says that it is another AppCode now. False: no memory, nothing
 * changed.
 */
struct breaker_name {
    enum breaker_kind kind;
    const char *name; /* copied */
    bool forget;
};
bool breaker_board_set(struct breaker_board *board, const struct breaker_settings *settings,
                       const struct breaker_name *names, int count)
    __attribute__((warn_unused_result));

/* May a call be made? True: `pass` is to be given back. False: `wait_ms` is how long from now it is
 * no use to ask again; at least 1, -1: until somebody changes something; while all probes are out,
 * which nobody knows the end of, a second or less. A name that the board does not have may pass. */
bool breaker_enter(struct breaker_board *board, enum breaker_kind kind, const char *name,
                   struct breaker_pass *pass, int64_t *wait_ms) __attribute__((warn_unused_result));

/* Why there is no way. */
struct breaker_bar {
    enum failure why; /* as breaker_open was told, or FAILURE_UPSTREAM_UNAVAILABLE */
    int64_t wait_ms;  /* as of breaker_enter */
};

/* Whether breaker_enter would say yes, without a pass. `bar` is filled if not. */
bool breaker_lets_pass(const struct breaker_board *board, enum breaker_kind kind, const char *name,
                       struct breaker_bar *bar);

void breaker_leave(struct breaker_board *board, struct breaker_pass *pass, enum breaker_vote vote);

/* Opens it at once: for `for_ms`, then one probe at a time may go out; -1: until breaker_board_set
 * forgets it or breaker_close. */
void breaker_open(struct breaker_board *board, enum breaker_kind kind, const char *name,
                  int64_t for_ms, enum failure why);
/* Something changed at it: it may be asked again. NULL: all of the kind. */
void breaker_close(struct breaker_board *board, enum breaker_kind kind, const char *name);

/* --- for those who look --- */

struct breaker_view {
    enum breaker_kind kind;
    char name[BREAKER_NAME_SIZE];
    enum breaker_state state;
    bool told;        /* not closed since breaker_open said so */
    int64_t calls;    /* within the window */
    int64_t failures; /* of those */
    int64_t opened;   /* how often it has opened since the process began */
    int64_t for_ms;   /* how long it has been in this state */
    int64_t wait_ms;  /* OPEN: until it is half open; -1: until something changes */
};

/* Fills up to `most`, returns how many there are. */
int breaker_look(const struct breaker_board *board, struct breaker_view *views, int most);

/* sanyao_breaker_state{kind,name} (0 closed, 1 half open, 2 open) and sanyao_breaker_opened_total,
 * as Prometheus text. */
void breaker_print(const struct breaker_board *board, struct text *text);
