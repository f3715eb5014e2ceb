/* wait: one wait for a signal, from its entry *wait* to what becomes of it: that of sw_wait_for, which a strand waits
 * for, and that of a group's member, which stands. Owns nothing. */
#ifndef RUNTIME_API_WAIT_H
#define RUNTIME_API_WAIT_H

#include "runtime/run/run.h"

typedef struct waiting {
    sw_ctx *c;
    open_wait open;
    uint32_t occurrence, began; /* as its entries have them */
    int64_t at_ms;              /* Unix: when it began, as its entry says */
    bool is_earlier;            /* an earlier execution began it */
    bool has_waited;            /* it was not decided at once, so clients may have been sent on */
    bool is_told;               /* clients know that the wait may be long; --check: somebody knows that it is held */
} waiting;

typedef enum wait_state { WAIT_OPEN, WAIT_TAKEN, WAIT_TIMED_OUT } wait_state;

/* What the code has called, and how it wants the wait. */
typedef struct wait_call {
    const char *function; /* for the message of a misuse */
    const char *id;
    const sw_wait *asked;
    bool is_member; /* of a group */
} wait_call;

/* Fails `c` if such a wait must not be. */
void wait_check(sw_ctx *c, const wait_call *call);
/* The wait, which has been checked, begins, in this execution or in an earlier one. Borrows id and name. WAIT_OPEN: the
 * journal has no end of it. Fills *out when it has taken a signal. */
wait_state wait_begin(waiting *w, const wait_call *call, sw_value *out);
/* Decides the wait, if it can be decided. *is_coming: it is not known yet whether there is a signal. */
wait_state wait_decide(waiting *w, bool *is_coming, sw_value *out);
/* The wait is given up, undecided: nobody wants a signal by it any more. */
void wait_withdraw(const waiting *w);

#endif
